"""Scores of a calibrated network on fresh simulation, for its card; each with its counts.

All are over the mixture of the simulation, which is no sample of the real world. Intervals are
Wilson's for 95 %.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.gamma.confidence import LEVELS, NET_BANDS
from blackett.learn.calibration import expected_calibration_error

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.confidence import Confidence, Outcome

__all__ = ["area_under_curve", "confusion_matrix", "scores", "wilson"]

SIGNIFICANCE_EDGES = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 50.0, 1e9)
"""Bands of expected net counts over the square root of all counts."""
HALF = 0.5


def wilson(successes: int, trials: int, z: float = 1.96) -> list[float] | None:
    """[share, low, high] with 95 % interval, None without trials (E. B. Wilson, JASA 22, 209)."""
    if trials == 0:
        return None
    share, n = successes / trials, trials
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [round(float(v), 5) for v in (share, centre - half, centre + half)]


def area_under_curve(score: FloatArray, truth: np.ndarray) -> float:
    """Probability that a true case has the higher score, ties counted half (Mann-Whitney)."""
    from scipy.stats import rankdata

    ranks, n = rankdata(score), int(truth.sum())
    above = float(ranks[truth].sum()) - 0.5 * n * (n + 1)
    return above / (n * (truth.size - n))


def scores(found: Outcome, confidence: Confidence, sources: tuple[str, ...]) -> dict[str, Any]:
    """Calibration, false alarms, detection by significance and source, coverage, unknown."""
    probability = confidence.probability(found.logit)
    known = found.where(~found.strange)
    quiet = known.where(~known.present.any(axis=1))
    judged: dict[str, Any] = {
        "spectra": len(found.logit),
        "ece": _error(probability, found.present, 0.0),
        "ece_above_0.05": _error(probability, found.present, 0.05),
        "unknown_auroc": round(area_under_curve(_strangeness(found, confidence), found.strange), 4),
    }
    for rate in confidence.thresholds:
        judged[f"at_{rate:g}"] = _at_rate(known, quiet, confidence, rate, sources)
    judged["coverage"] = _coverage(found, confidence)
    judged["sets"] = _sets(known, confidence)
    return judged


def confusion_matrix(
    found: Outcome, confidence: Confidence, sources: tuple[str, ...], rate: float = 1e-3
) -> dict[str, Any]:
    """What spectra of one detectable source, or of none, are taken for: counts[true][said].

    Said is the declared source of the highest probability at a false-alarm rate (the lowest kept,
    where it is not), or "nothing", the last label.
    """
    rate = rate if rate in confidence.thresholds else min(confidence.thresholds)
    known = found.where(~found.strange)
    number = known.present.sum(axis=1)
    alone = (number == 0) | ((number == 1) & known.detectable.any(axis=1))
    true = np.where(number == 0, len(sources), known.present.argmax(axis=1))[alone]
    logit = np.where(known.logit > confidence.threshold(rate), known.logit, -np.inf)[alone]
    said = np.where(np.isfinite(logit).any(axis=1), logit.argmax(axis=1), len(sources))
    size = len(sources) + 1
    counts = np.bincount(size * true + said, minlength=size**2).reshape(size, size)
    return {"labels": [*sources, "nothing"], "false_alarm_rate": rate, "counts": counts.tolist()}


def _strangeness(found: Outcome, confidence: Confidence) -> FloatArray:
    return confidence.strangeness(found.strangeness_inputs)


def _error(probability: FloatArray, present: np.ndarray, least: float) -> float | None:
    if not (probability >= least).any():
        return None
    return round(expected_calibration_error(probability, present, least=least), 5)


def _at_rate(
    known: Outcome, quiet: Outcome, confidence: Confidence, rate: float, sources: tuple[str, ...]
) -> dict[str, Any]:
    limit = confidence.threshold(rate)
    declared = known.logit > limit
    wrong = (declared & ~known.present).any(axis=1)
    alarms = (quiet.logit > limit).any(axis=1)
    true = declared & known.present
    strong = known.detectable
    return {
        "spectra_with_a_false_name": wilson(int(wrong.sum()), wrong.size),
        "backgrounds_with_a_name": wilson(int(alarms.sum()), alarms.size),
        "precision": wilson(int(true.sum()), int(declared.sum())),
        "recall_of_detectable": wilson(int((declared & strong).sum()), int(strong.sum())),
        "detected_by_significance": _by_significance(known, declared),
        "recall_by_source": {
            name: wilson(int((declared & strong)[:, s].sum()), int(strong[:, s].sum()))
            for s, name in enumerate(sources)
        },
    }


def _by_significance(found: Outcome, declared: np.ndarray) -> list[dict[str, Any]]:
    significance = found.expected_net / np.sqrt(found.counts[:, None] + 1.0)
    rows = []
    for low, high in pairwise(SIGNIFICANCE_EDGES):
        inside = found.present & (significance >= low) & (significance < high)
        share = wilson(int((declared & inside).sum()), int(inside.sum()))
        rows.append({"from": low, "to": high, "n": int(inside.sum()), "declared": share})
    return rows


def _coverage(found: Outcome, confidence: Confidence) -> list[dict[str, Any]]:
    """Share of true net counts inside the intervals, by predicted net counts, if declared."""
    reported = found.present & (found.logit > confidence.threshold(max(confidence.thresholds)))
    true, log_net = found.expected_net[reported], found.log_net[reported]
    inside = {}
    for level in LEVELS:
        low, high = confidence.interval(log_net, found.log_sigma[reported], level)
        inside[level] = (true >= low) & (true <= high)
    band = np.searchsorted(np.array(NET_BANDS[1:-1]), log_net / np.log(10.0))
    rows = []
    for b in range(len(NET_BANDS) - 1):
        here = band == b
        row: dict[str, Any] = {"log10_net_from": NET_BANDS[b], "n": int(here.sum())}
        row |= {str(v): wilson(int(inside[v][here].sum()), int(here.sum())) for v in LEVELS}
        rows.append(row)
    return rows


def _sets(known: Outcome, confidence: Confidence) -> dict[str, Any]:
    """Spectra whose set holds every detectable source, and the sizes of the sets."""
    with_source = known.where(known.detectable.any(axis=1))
    rows = {}
    for coverage, limit in confidence.sets.items():
        inside = with_source.logit >= limit
        complete = ~(with_source.detectable & ~inside).any(axis=1)
        rows[str(coverage)] = {
            "complete": wilson(int(complete.sum()), complete.size),
            "mean_size": round(float(inside.sum(axis=1).mean()), 2),
            "median_size": float(np.median(inside.sum(axis=1))),
        }
    return rows

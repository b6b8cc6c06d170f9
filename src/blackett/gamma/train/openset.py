"""Nuclides that a network was never shown: are they called unknown, or given a wrong name?

Two kinds of spectra are compared: one left-out source alone in its room, and spectra of sources
that the network knows. Strong means net counts above 8 times the square root of all counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.gamma.confidence import joint_energy, strangeness_inputs
from blackett.gamma.network import misfit, raw_answers
from blackett.gamma.preparation import counts_of
from blackett.gamma.train.scores import area_under_curve, wilson

if TYPE_CHECKING:
    from blackett.gamma.confidence import Confidence
    from blackett.gamma.train.examples import Examples, Spectra
    from blackett.learn.model import Model

__all__ = ["STRONG_SIGMA", "left_out_scores"]

STRONG_SIGMA = 8.0
PIECE = 4096
CONFIDENT = 0.9
LOWEST_NAME_RATE, UNKNOWN_RATE = 1e-3, 1e-2


def left_out_scores(
    model: Model, examples: Examples, confidence: Confidence, first: int, n: int
) -> dict[str, Any]:
    """Areas under the curve of scores, and shares of wrong names, with 95 % intervals.

    `examples` must leave sources out; about `n` spectra from batch number `first` on are drawn with
    them in. Scores: the one used (`confidence.Strangeness`), and three that enter it.
    """
    parts = [
        _answers(model, examples, confidence, examples.unfiltered(first + k, PIECE))
        for k in range(max(n // PIECE, 1))
    ]
    found = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    alone, known = found["alone"], found["known"]
    source = found["known_source"]

    def auroc(score: str, others: np.ndarray) -> float:
        rows = alone | others
        return round(area_under_curve(found[score][rows], alone[rows]), 4)

    def share(event: np.ndarray, rows: np.ndarray) -> list[float] | None:
        return wilson(int(event[rows].sum()), int(rows.sum()))

    scores = ("strangeness", "own", "misfit", "energy")
    return {
        "sources": list(examples.data.leave_out),
        "spectra_of_one_left_out_source": int(alone.sum()),
        "spectra_of_known_sources": int(source.sum()),
        "auroc_against_known_sources": {s: auroc(s, source) for s in scores},
        "auroc_against_all_known": {s: auroc(s, known) for s in scores},
        f"named_at_{_name_rate(confidence):g}": share(found["named"], alone),
        f"probability_above_{CONFIDENT:g}": share(found["confident"], alone),
        f"unknown_at_{UNKNOWN_RATE:g}": share(found["unknown"], alone),
        "named_and_not_unknown": share(found["named"] & ~found["unknown"], alone),
        "known_called_unknown": share(found["unknown"], known),
    }


def _name_rate(confidence: Confidence) -> float:
    """The lowest false-alarm rate kept, but not below `LOWEST_NAME_RATE`."""
    return min(r for r in confidence.thresholds if r >= LOWEST_NAME_RATE)


def _answers(
    model: Model, examples: Examples, confidence: Confidence, spectra: Spectra
) -> dict[str, np.ndarray]:
    features = examples.features(spectra)
    raw = raw_answers(model, features)
    counts, logit = counts_of(features), raw["presence"]
    strong = spectra.expected_net > STRONG_SIGMA * np.sqrt(counts + 1.0)[:, None]
    out = np.setdiff1d(np.arange(strong.shape[1]), examples.kept)
    left = (spectra.present & strong)[:, out].any(axis=1) & (spectra.present.sum(axis=1) == 1)
    known = ~spectra.present[:, out].any(axis=1) & ~spectra.unknown
    chi2 = misfit(features, raw["shape"])
    strange = confidence.strangeness(strangeness_inputs(raw["unknown"], logit, chi2, counts))
    return {
        "alone": left & ~spectra.unknown,
        "known": known,
        "known_source": known & (spectra.present & strong).any(axis=1),
        "own": raw["unknown"],
        "misfit": chi2,
        "energy": joint_energy(logit),
        "strangeness": strange,
        "named": (logit > confidence.threshold(_name_rate(confidence))).any(axis=1),
        "confident": (confidence.probability(logit) > CONFIDENT).any(axis=1),
        "unknown": strange > confidence.unknown_threshold(UNKNOWN_RATE),
    }

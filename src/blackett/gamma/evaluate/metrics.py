"""Figures of merit from answers and truth, all with intervals.

One threshold a method is set on rooms alone: the score that a stated share of them exceeds for any
source. All methods are then compared at that same rate of false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import beta

from blackett.errors import InputError
from blackett.report import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from blackett.arrays import FloatArray
    from blackett.gamma.evaluate.runs import Answered

__all__ = [
    "Ahead",
    "Compared",
    "Detection",
    "Scores",
    "compared",
    "confusion",
    "coverage",
    "detection",
    "expected_calibration_error",
    "false_alarms",
    "reliability",
    "scores",
    "share",
    "threshold",
]

RESAMPLES = 400
LEVEL = 0.95
COUNT_EDGES = np.geomspace(20.0, 20000.0, 10)
"""Bins of net counts for detection curves and coverage."""


def share(hits: int, n: int) -> Estimate:
    """hits / n with its 95 % interval after Clopper and Pearson; nan of nothing."""
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan)
    low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return Estimate(hits / n, low, high)


def threshold(background: FloatArray, false_alarm: float) -> float:
    """Score that a share `false_alarm` of the background spectra (n, F) exceeds for any source.

    Raises InputError where there are too few spectra to set it (fewer than 3 above it).
    """
    return float(_thresholds(background.max(axis=1)[None], false_alarm)[0])


def _thresholds(highest: FloatArray, false_alarm: float) -> FloatArray:
    """As `threshold`, for resamples (b, n) of the highest scores."""
    n = highest.shape[1]
    if false_alarm * n < 3:
        raise InputError(
            f"{n} background spectra cannot set a threshold for {false_alarm:g} false "
            f"alarms a spectrum: give at least {int(np.ceil(3 / false_alarm))}"
        )
    place = n - int(false_alarm * n) - 1
    return np.asarray(np.partition(highest, place, axis=1)[:, place])


@dataclass(frozen=True)
class Scores:
    """Of all declarations: micro (over sums) and macro (mean over sources) figures."""

    micro_precision: Estimate
    micro_recall: Estimate
    micro_f1: Estimate
    macro_f1: Estimate
    exact: Estimate
    """Share of spectra with every source named and nothing else."""


@dataclass(frozen=True)
class Ahead:
    """By how much one method is better than another on the same spectra."""

    micro_f1: Estimate
    macro_f1: Estimate


@dataclass(frozen=True)
class Compared:
    """Methods at equal false alarms: `scores` of each, and how far the first is `ahead` of each
    other one, from the same resamples."""

    scores: Mapping[str, Scores]
    ahead: Mapping[str, Ahead]


def scores(present: np.ndarray, declared: np.ndarray, rng: Generator) -> Scores:
    """Scores of declarations (n, F) against the truth (n, F); bootstrap over spectra, 95 %.

    Raises InputError without spectra.
    """
    times = _resamples(len(present), rng)
    return Scores(*_estimates(_figures(times, present, declared)))


def compared(
    present: np.ndarray,
    score: Mapping[str, FloatArray],
    rooms: Mapping[str, FloatArray],
    false_alarm: float,
    rng: Generator,
) -> Compared:
    """Methods at the thresholds that their scores of rooms alone set, side by side.

    `present` (n, F); `score` (n, F) and `rooms` (r, F) by method. Spectra and rooms are resampled
    together for all methods, so that intervals hold what the thresholds are uncertain by, and a
    difference has the interval of paired answers. 95 %. Raises InputError without spectra, or for
    too few rooms (see `threshold`).
    """
    times = _resamples(len(present), rng)
    n_rooms = len(next(iter(rooms.values())))
    drawn = np.vstack([np.arange(n_rooms), rng.integers(0, n_rooms, (RESAMPLES, n_rooms))])
    figures = {}
    for name, of_method in score.items():
        limits = _thresholds(rooms[name].max(axis=1)[drawn], false_alarm)
        made = np.empty((len(times), len(fields(Scores))))
        for limit in np.unique(limits):
            rows = limits == limit
            made[rows] = _figures(times[rows], present, of_method > limit)
        figures[name] = made
    first, *others = figures
    f1 = [f.name for f in fields(Scores)].index("micro_f1")
    return Compared(
        {name: Scores(*_estimates(made)) for name, made in figures.items()},
        {
            name: Ahead(*_estimates((figures[first] - figures[name])[:, f1 : f1 + 2]))
            for name in others
        },
    )


def _resamples(n: int, rng: Generator) -> FloatArray:
    """How often each of n spectra is taken: as it is in the first row, then drawn anew."""
    if n == 0:
        raise InputError("no spectra to score")
    drawn = rng.multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES)
    return np.vstack([np.ones(n), drawn])


def _figures(times: FloatArray, present: np.ndarray, declared: np.ndarray) -> FloatArray:
    """The figures of `Scores` (b, 5) of spectra taken `times` (b, n)."""
    hit, said, there = (times @ x.astype(float) for x in (present & declared, declared, present))
    micro_p = hit.sum(1) / np.maximum(said.sum(1), 1)
    micro_r = hit.sum(1) / np.maximum(there.sum(1), 1)
    micro_f = 2 * hit.sum(1) / np.maximum(said.sum(1) + there.sum(1), 1)
    each = 2 * hit / np.maximum(said + there, 1)
    macro = np.where(there > 0, each, 0.0).sum(1) / np.maximum((there > 0).sum(1), 1)
    exact = times @ (present == declared).all(axis=1) / times.sum(axis=1)
    return np.stack([micro_p, micro_r, micro_f, macro, exact], axis=1)


def _estimates(made: FloatArray) -> list[Estimate]:
    """Of figures (1 + b, k): those of the first row, with intervals from the others."""
    low, high = np.quantile(made[1:], [0.5 - 0.5 * LEVEL, 0.5 + 0.5 * LEVEL], axis=0)
    return [Estimate(*map(float, x)) for x in zip(made[0], low, high, strict=True)]


def false_alarms(declared: np.ndarray, live_time_s: FloatArray) -> tuple[Estimate, Estimate]:
    """Share of rooms alone with anything declared, and false alarms an hour of live time."""
    alarms = declared.any(axis=1)
    per_spectrum = share(int(alarms.sum()), alarms.size)
    names, hours = int(declared.sum()), float(live_time_s.sum()) / 3600.0
    # Poisson interval after Garwood
    from scipy.stats import chi2

    low = 0.5 * float(chi2.ppf(0.025, 2 * names)) if names else 0.0
    high = 0.5 * float(chi2.ppf(0.975, 2 * names + 2))
    return per_spectrum, Estimate(names / hours, low / hours, high / hours)


@dataclass(frozen=True)
class Detection:
    """Probability of detection in bins of net counts: `edges` (k + 1,), `share` (k,)."""

    edges: FloatArray
    share: tuple[Estimate, ...]
    counts_for_half: float
    """Net counts at which half are detected, by interpolation; nan where never."""
    counts_for_90: float


def detection(net_counts: FloatArray, detected: np.ndarray) -> Detection:
    """Detection of single sources with net counts (n,)."""
    bins = np.digitize(net_counts, COUNT_EDGES) - 1
    shares = [
        share(int(detected[bins == k].sum()), int((bins == k).sum()))
        for k in range(COUNT_EDGES.size - 1)
    ]
    return Detection(
        COUNT_EDGES, tuple(shares), _reaches(net_counts, detected, 0.5),
        _reaches(net_counts, detected, 0.9),
    )  # fmt: skip


def _reaches(net_counts: FloatArray, detected: np.ndarray, wanted: float) -> float:
    """Counts at which an isotonic fit of detection against counts reaches a share."""
    from scipy.optimize import isotonic_regression

    if not net_counts.size:
        return float("nan")
    order = np.argsort(net_counts)
    fitted = isotonic_regression(detected[order].astype(float)).x
    reached = np.flatnonzero(fitted >= wanted)
    return float(net_counts[order][reached[0]]) if reached.size else float("nan")


def confusion(present: np.ndarray, declared: np.ndarray) -> FloatArray:
    """Of single sources (rows, F): share of spectra in which each was named (F, F + 1).

    The last column is "nothing". Rows of sources that were never there are nan.
    """
    families = present.shape[1]
    single = present.sum(axis=1) == 1
    made = np.full((families, families + 1), np.nan)
    for k in range(families):
        rows = declared[single & present[:, k]]
        if len(rows):
            made[k, :families] = rows.mean(axis=0)
            made[k, families] = (~rows.any(axis=1)).mean()
    return made


def reliability(
    probability: FloatArray, true: np.ndarray, bins: int = 10
) -> tuple[FloatArray, tuple[Estimate, ...], FloatArray]:
    """Mean probability, share that is true, and number, in bins of probability (n,)."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    number = np.bincount(place, minlength=bins)
    mean = np.bincount(place, probability, bins) / np.maximum(number, 1)
    hits = np.bincount(place, true, bins)
    shares = tuple(share(int(h), int(n)) for h, n in zip(hits, number, strict=True))
    return mean, shares, number.astype(float)


def expected_calibration_error(probability: FloatArray, true: np.ndarray, bins: int = 10) -> float:
    """Mean over all answers (n,) of the difference between probability and share that is true."""
    mean, shares, number = reliability(probability, true, bins)
    known = number > 0
    observed = np.array([s.value for s in shares])
    difference = np.abs(observed[known] - mean[known])
    return float((number[known] * difference).sum() / number.sum())


def coverage(answered: Answered, method: str, families: np.ndarray) -> Estimate:
    """Share of 95 % intervals of net rates that hold the truth.

    Of sources that are there, among `families` (F,), and were declared with an interval.
    """
    answers = answered.answers[method]
    rate = answered.net_counts / answered.live_time_s[:, None]
    chosen = answered.present & answers.declared & np.isfinite(answers.low_cps) & families
    holds = (answers.low_cps <= rate) & (rate <= answers.high_cps)
    return share(int(holds[chosen].sum()), int(chosen.sum()))

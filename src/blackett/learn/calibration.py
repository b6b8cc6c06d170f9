"""Probabilities that mean what they say, and thresholds with a stated error; numpy alone.

Fitted on data that no training step has seen. Temperature: C. Guo et al., ICML 2017 (arXiv
1706.04599). Split conformal prediction: V. Vovk, A. Gammerman & G. Shafer, Algorithmic Learning in
a Random World (2005); the finite-sample rank is from A. Angelopoulos & S. Bates (arXiv 2107.07511).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray

__all__ = [
    "Isotonic",
    "conformal_quantile",
    "expected_calibration_error",
    "reliability",
    "temperature",
    "threshold_at",
]


def temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The T > 0 for which the likelihood of `labels` under expit(logits / T) is largest.

    Arrays of one shape. Raises InputError for empty arrays or a single label.
    """
    z, y = np.ravel(np.asarray(logits, float)), np.ravel(np.asarray(labels, bool))
    if y.size == 0 or y.all() or not y.any():
        raise InputError("a temperature needs labels of both kinds")

    def cost(log_t: float) -> float:
        scaled = z * np.exp(-log_t)
        return float(np.mean(np.logaddexp(0.0, scaled) - y * scaled))

    from scipy import optimize  # slow to import, and not needed to answer

    found = optimize.minimize_scalar(cost, bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(found.x))


@dataclass(frozen=True, eq=False)
class Isotonic:
    """A non-decreasing map from scores to probabilities: `score` and `probability`, both (k,).

    Between the knots straight lines, outside the nearest knot.
    """

    score: FloatArray
    probability: FloatArray

    @classmethod
    def fit(cls, scores: ArrayLike, labels: ArrayLike, knots: int = 30) -> Isotonic:
        """Least squares over all non-decreasing maps, thinned to at most `knots` knots.

        Raises InputError for empty or unequal arrays.
        """
        s, y = np.ravel(np.asarray(scores, float)), np.ravel(np.asarray(labels, float))
        if s.size == 0 or s.size != y.size:
            raise InputError(f"{s.size} scores and {y.size} labels: give as many, at least one")
        order = np.argsort(s, kind="stable")
        from scipy import optimize  # as above

        level = optimize.isotonic_regression(y[order]).x
        blocks = np.flatnonzero(np.diff(level, prepend=-1.0, append=2.0))
        at = np.array([s[order][a:b].mean() for a, b in pairwise(blocks)])
        height = level[blocks[:-1]]
        keep = np.unique(np.linspace(0, at.size - 1, min(knots, at.size)).round().astype(int))
        return cls(frozen(at[keep]), frozen(height[keep]))

    def __call__(self, scores: ArrayLike) -> FloatArray:
        """Probabilities, the shape of `scores`."""
        return np.asarray(np.interp(np.asarray(scores, float), self.score, self.probability))


def reliability(
    probability: ArrayLike, labels: ArrayLike, bins: int = 15, least: float = 0.0
) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Mean probability, share of true labels and number in each of the filled bins, (k,) each.

    Bins of equal width from 0 to 1; answers below `least` are left out.
    """
    p, y = np.ravel(np.asarray(probability, float)), np.ravel(np.asarray(labels, float))
    p, y = p[p >= least], y[p >= least]
    place = np.minimum((p * bins).astype(int), bins - 1)
    number = np.bincount(place, minlength=bins)
    filled = number > 0
    mean = np.bincount(place, p, bins)[filled] / number[filled]
    share = np.bincount(place, y, bins)[filled] / number[filled]
    return mean, share, number[filled]


def expected_calibration_error(
    probability: ArrayLike, labels: ArrayLike, bins: int = 15, least: float = 0.0
) -> float:
    """Mean of |probability - share of true labels| over the answers, by bins of probability.

    Where most answers are near 0, as with a hundred sources, it is small for any network: `least`
    leaves out the answers below it.
    """
    mean, share, number = reliability(probability, labels, bins, least)
    if number.sum() == 0:
        raise InputError("no answer is left to judge the calibration by")
    return float(np.abs(mean - share) @ number / number.sum())


def threshold_at(scores: ArrayLike, false_alarm_rate: float) -> float:
    """The score that a share `false_alarm_rate` of these scores, all of absent things, exceeds.

    By the rank ceil((1 - rate)(n + 1)): with a new exchangeable score the rate holds on average.
    Raises InputError where fewer than 1 / rate scores are given: the rate cannot be stated.
    """
    return conformal_quantile(scores, 1.0 - false_alarm_rate)


def conformal_quantile(scores: ArrayLike, coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n scores: a new one lies below with >= `coverage`.

    Raises InputError for too few scores or a coverage outside (0, 1).
    """
    s = np.sort(np.ravel(np.asarray(scores, float)))
    if not 0.0 < coverage < 1.0:
        raise InputError(f"coverage {coverage} must lie between 0 and 1")
    rank = int(np.ceil((s.size + 1) * coverage - 1e-9))
    if rank > s.size:
        raise InputError(f"{s.size} scores are too few for a rate of {1.0 - coverage:.3g}")
    return float(s[rank - 1])

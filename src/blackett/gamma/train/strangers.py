"""Spectra of nothing known: real ones moved along the energy axis.

A network learns the answer "unknown" only from examples. A stranger is made of the counts of a
simulated source, all energies multiplied by one factor far from 1: its peaks, continuum and
scatter hang together as those of a nuclide do, but no nuclide has them. Its counts are thinned to a
chosen number and added to another spectrum. (Learning from outliers: D. Hendrycks, M. Mazeika & T.
Dietterich, ICLR 2019, arXiv 1812.04606.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.random import Generator

    from blackett.arrays import FloatArray

__all__ = ["moved_counts", "stretch"]

DOWN, UP = (0.4, 0.87), (1.15, 2.5)
"""Ranges of the factor: out of reach of any error of an axis."""


def stretch(rng: Generator) -> float:
    """A factor drawn from `DOWN` or `UP`, uniform in its logarithm."""
    low, high = DOWN if rng.random() < 0.5 else UP
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def moved_counts(
    counts: np.ndarray, axis: FloatArray, factor: float, share: float, other_axis: FloatArray,
    channels: int, rng: Generator,
) -> np.ndarray:  # fmt: skip
    """Counts (channels,) on `other_axis` of a share of `counts`, energies times `factor`.

    Axes are a0, a1, a2 in keV; the last channel of `counts`, its overflow, is left out. Events
    that fall outside the other axis are lost.
    """
    kept = rng.binomial(counts[:-1], min(share, 1.0))
    place = rng.random(int(kept.sum()))
    return _moved(kept, axis, factor, place, other_axis, channels)


@njit(cache=True)
def _moved(
    kept: np.ndarray, axis: FloatArray, factor: float, place: FloatArray, other: FloatArray,
    channels: int,
) -> np.ndarray:  # fmt: skip
    made = np.zeros(channels, np.int64)
    event = 0
    for c in range(kept.size):
        for _ in range(kept[c]):
            at = c - 0.5 + place[event]
            event += 1
            energy = factor * (axis[0] + (axis[1] + axis[2] * at) * at)
            under = other[1] ** 2 + 4.0 * other[2] * (energy - other[0])
            if under <= 0.0:
                continue
            channel = int(np.floor(2.0 * (energy - other[0]) / (other[1] + np.sqrt(under)) + 0.5))
            if 0 <= channel < channels - 1:
                made[channel] += 1
    return made

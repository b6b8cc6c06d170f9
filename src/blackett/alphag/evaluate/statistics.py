"""Statistics of residuals, of many samples at once: arrays (b, N) in, (b,) out; nan is no entry.

A sample with too few entries for a statistic gives nan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import norm

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "CORE_WINDOW", "LEAST_CORE", "LEAST_FWHM", "core_fit", "fwhm", "mean", "share", "trimmed_mean",
]  # fmt: skip

CORE_WINDOW: Final = 2.0
"""Half width of the window in which the core is fitted, in units of its sigma."""
LEAST_CORE: Final = 20
"""Entries that a fit of the core needs."""
LEAST_FWHM: Final = 100
"""Entries that a full width at half maximum needs."""
TRIM: Final = 0.05
"""Share of entries cut off at either end for the trimmed mean."""
_INSIDE = float(2 * norm.cdf(CORE_WINDOW) - 1)
_SHRINK = float(np.sqrt(1 - 2 * CORE_WINDOW * norm.pdf(CORE_WINDOW) / _INSIDE))
_ITERATIONS = 100
_FAR = 5e4  # values beyond count as this one
_SHIFT = 1e6
_STEPS = 120  # bins of the peak's histogram, over 12 sigma
_REACH = 6.0
_SMOOTH = 0.25  # width of the kernel, in sigma of the core


def mean(values: FloatArray) -> FloatArray:
    """Means of the entries."""
    count = np.isfinite(values).sum(axis=-1)
    return np.asarray(_ratio(np.nansum(values, axis=-1), count))


def share(true: np.ndarray, of: np.ndarray) -> FloatArray:
    """Share of the entries `of` (boolean) for which `true` holds, too."""
    return np.asarray(_ratio((true & of).sum(axis=-1), of.sum(axis=-1)))


def trimmed_mean(values: FloatArray) -> FloatArray:
    """Means without the lowest and the highest 5 % of the entries."""
    ordered = np.sort(values, axis=-1)  # nan last
    count = np.isfinite(values).sum(axis=-1)
    cut = (TRIM * count).astype(np.int64)
    sums = np.concatenate([np.zeros((len(values), 1)), np.nancumsum(ordered, axis=-1)], axis=-1)
    rows = np.arange(len(values))
    return np.asarray(_ratio(sums[rows, count - cut] - sums[rows, cut], count - 2 * cut))


def core_fit(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and sigma of the Gaussian core: maximum likelihood of a Gaussian cut off at 2 sigma.

    The window moves with the fit until it stands still: sigma is the standard deviation inside,
    over 0.8796, what the cut leaves of a Gaussian's. Tails beyond the window do not count.
    """
    rows = _Ordered.of(values)
    centre, width = rows.quantile(0.5), (rows.quantile(0.84135) - rows.quantile(0.15865)) / 2
    few = rows.count < LEAST_CORE
    moving = np.flatnonzero(~few & (width > 0))
    for _ in range(_ITERATIONS):
        if not moving.size:
            break
        reach = CORE_WINDOW * width[moving]
        mean_, square = rows.moments(moving, centre[moving] - reach, centre[moving] + reach)
        sigma = np.sqrt(square) / _SHRINK
        change = np.abs(sigma - width[moving]) + np.abs(mean_ - centre[moving])
        centre[moving], width[moving] = mean_, sigma
        moving = moving[(change > 1e-5 * sigma) & np.isfinite(sigma)]
    return np.where(few, np.nan, centre), np.where(few, np.nan, width)


@dataclass(frozen=True, eq=False)
class _Ordered:
    """Rows (b, N) in order, all in one rising array: row k is shifted by k times `_SHIFT`."""

    count: np.ndarray
    flat: FloatArray
    sums: FloatArray  # (b, N + 1) of the values before each place
    squares: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> _Ordered:
        known = np.isfinite(values)
        ordered = np.sort(np.where(known, np.clip(values, -_FAR, _FAR), 2 * _FAR), axis=-1)
        shifted = ordered + _SHIFT * np.arange(len(values))[:, None]
        first = np.zeros((len(values), 1))
        sums, squares = (
            np.concatenate([first, np.cumsum(power, axis=-1)], axis=-1)
            for power in (ordered, ordered**2)
        )
        return cls(known.sum(axis=-1), shifted.ravel(), sums, squares)

    def quantile(self, share_: float) -> FloatArray:
        """The value below which a share of each row's entries lies; nan for a row without any."""
        rows, size = np.arange(self.count.size), self.sums.shape[1] - 1
        if not size:
            return np.full(rows.size, np.nan)
        place = np.minimum((share_ * self.count).astype(np.int64), size - 1)
        found = self.flat[rows * size + place] - _SHIFT * rows
        return np.where(self.count > 0, found, np.nan)

    def moments(self, rows: IntArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, ...]:
        """Mean and variance of the entries between two values of each of some rows."""
        size = self.sums.shape[1] - 1
        a, b = (np.searchsorted(self.flat, v + _SHIFT * rows) - rows * size for v in (low, high))
        first = _ratio(self.sums[rows, b] - self.sums[rows, a], b - a)
        second = _ratio(self.squares[rows, b] - self.squares[rows, a], b - a)
        return first, np.maximum(second - first**2, 0)


def fwhm(values: FloatArray, centre: FloatArray, sigma: FloatArray) -> FloatArray:
    """Full widths at half maximum of the smoothed histogram, about a core that `core_fit` found.

    Bins of 0.1 core sigma over 12 sigma, smoothed with a Gaussian of 0.25 sigma, which is taken off
    the width in quadrature; half height is met by straight lines between bins, nearest to the
    highest bin.
    """
    known = np.isfinite(sigma) & (sigma > 0) & (np.isfinite(values).sum(axis=-1) >= LEAST_FWHM)
    found = np.full(len(values), np.nan)
    if known.any():
        scaled = (values[known] - centre[known, None]) / sigma[known, None]
        width = _width_at_half(_histogram(scaled) @ _kernel())
        kernel = 2 * np.sqrt(2 * np.log(2)) * _SMOOTH
        found[known] = np.sqrt(np.maximum(width**2 - kernel**2, 0)) * sigma[known]
    return found


def _histogram(scaled: FloatArray) -> FloatArray:
    """Counts (b, bins) of numbers within +-6."""
    inside = np.abs(scaled) < _REACH
    place = np.where(inside, (scaled + _REACH) * (_STEPS / (2 * _REACH)), 0).astype(np.int64)
    cell = place + _STEPS * np.arange(len(scaled))[:, None]
    counts = np.bincount(cell[inside], minlength=_STEPS * len(scaled))
    return counts.reshape(len(scaled), _STEPS).astype(np.float64)


def _kernel() -> FloatArray:
    bins = np.arange(_STEPS) * 2 * _REACH / _STEPS
    return np.asarray(np.exp(-0.5 * ((bins[:, None] - bins) / _SMOOTH) ** 2))


def _width_at_half(heights: FloatArray) -> FloatArray:
    """Distance, in bins' units, of the crossings of half the maximum to its left and right."""
    rows, top = np.arange(len(heights)), heights.argmax(axis=1)
    half = heights[rows, top] / 2
    below, bins = heights < half[:, None], np.arange(heights.shape[1])
    left = np.where(below & (bins < top[:, None]), bins, 0).max(axis=1)
    right = np.where(below & (bins > top[:, None]), bins, heights.shape[1] - 1).min(axis=1)
    up = _ratio(half - heights[rows, left], heights[rows, left + 1] - heights[rows, left])
    down = _ratio(half - heights[rows, right], heights[rows, right - 1] - heights[rows, right])
    return np.asarray((right - down - left - up) * 2 * _REACH / heights.shape[1])


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, nan where b is 0."""
    return np.where(b == 0, np.nan, a / np.where(b == 0, 1, b))

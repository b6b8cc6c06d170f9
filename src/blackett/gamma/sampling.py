"""Exact random numbers for simulated counts, compiled: no normal approximation anywhere.

Each spectrum has a generator of its own, a position and an odd step (uint64), so that its counts
do not depend on how spectra are shared out: SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA
2014, 453). The functions take both and return the new position beside the deviate; plain numbers,
because counting references to arrays would cost more than the deviates.

Counts are Poisson either by walking along the expectation in exponential steps, at a cost for each
event, or by transformed rejection, at a cost for each channel.
"""

from __future__ import annotations

import math

import numpy as np
from numba import int64, njit
from scipy.special import ndtr, ndtri

from blackett.arrays import frozen

__all__ = ["REJECTION_FROM", "exponential", "normal", "poisson", "probability", "uniform"]

REJECTION_FROM = 10.0
"""Means from which a count is drawn by transformed rejection, whose proof needs 10 or more."""


# --- tables: constants of the compiled code -----------------------------------------------


def _layers(n: int = 256) -> np.ndarray:
    """Right ends (n + 1,) of the layers of the exponential's ziggurat, the base first.

    G. Marsaglia, W. W. Tsang, J. Stat. Softw. 5 (2000) 8: r = 7.69711747013104972 for 256 layers.
    """
    ends = np.zeros(n + 1)
    ends[1] = 7.69711747013104972
    area = (ends[1] + 1.0) * math.exp(-ends[1])
    ends[0] = area * math.exp(ends[1])
    for k in range(2, n):
        ends[k] = -math.log(area / ends[k - 1] + math.exp(-ends[k - 1]))
    return ends


_CELLS, _TAIL_CELLS = 4096, 16
_TAIL = 2.6600674686174597
"""Minus the quantile of 16/4096."""
_QUANTILES = frozen([0.0, *ndtri(np.arange(1, _CELLS) / _CELLS), 0.0], np.float32)
_ENDS = frozen(_layers())
_HEIGHTS = frozen(np.exp(-_ENDS))
_REACH, _PER_SIGMA = 8.0, 32.0
_BELOW = frozen(ndtr(np.arange(-_REACH, _REACH + 0.5 / _PER_SIGMA, 1.0 / _PER_SIGMA)), np.float32)


# --- deviates -----------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _bits(position, step):  # type: ignore[no-untyped-def]
    position += step
    z = (position ^ (position >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31)), position


@njit(cache=True, nogil=True)
def uniform(position, step):  # type: ignore[no-untyped-def]
    """A number above 0 and below 1."""
    bits, position = _bits(position, step)
    return (float(int64(bits >> np.uint64(12))) + 0.5) * (1.0 / 4503599627370496.0), position


@njit(cache=True, nogil=True, error_model="numpy")
def exponential(position, step):  # type: ignore[no-untyped-def]
    """An exponential deviate of mean 1, by the ziggurat of `_layers`."""
    while True:
        bits, position = _bits(position, step)
        layer = int64(bits & np.uint64(255))
        x = float(int64(bits >> np.uint64(11))) * (1.0 / 9007199254740992.0) * _ENDS[layer]
        if x < _ENDS[layer + 1]:
            return x, position
        u, position = uniform(position, step)
        if layer == 0:
            return _ENDS[1] - math.log(u), position
        if _HEIGHTS[layer] + u * (_HEIGHTS[layer + 1] - _HEIGHTS[layer]) < math.exp(-x):
            return x, position


@njit(cache=True, nogil=True, error_model="numpy")
def _tail(position, step, side):  # type: ignore[no-untyped-def]
    """A normal deviate beyond +-2.66 (G. Marsaglia, Technometrics 6 (1964) 101)."""
    while True:
        u, position = uniform(position, step)
        v, position = uniform(position, step)
        beyond = -math.log(u) * (1.0 / _TAIL)
        if -2.0 * math.log(v) > beyond * beyond:
            return math.copysign(_TAIL + beyond, side), position


@njit(cache=True, nogil=True, error_model="numpy")
def normal(position, step):  # type: ignore[no-untyped-def]
    """A normal deviate: a table of quantiles, linear between (1e-4 off at most), exact tails."""
    place, position = uniform(position, step)
    place *= _CELLS
    cell = int64(place)
    if cell < _TAIL_CELLS or cell >= _CELLS - _TAIL_CELLS:
        return _tail(position, step, place - 0.5 * _CELLS)
    low = _QUANTILES[cell]
    return low + (place - cell) * (_QUANTILES[cell + 1] - low), position


@njit(cache=True, nogil=True, error_model="numpy")
def probability(x):  # type: ignore[no-untyped-def]
    """The normal distribution function at x, from a table, to 1e-4."""
    place = (min(max(x, -_REACH), _REACH - 1e-6) + _REACH) * _PER_SIGMA
    cell = int64(place)
    return _BELOW[cell] + (place - cell) * (_BELOW[cell + 1] - _BELOW[cell])


@njit(cache=True, nogil=True, error_model="numpy")
def _log_factorial(k):  # type: ignore[no-untyped-def]
    """ln k! by Stirling's series from 10 on (1e-10), by the product below."""
    if k < 10:
        product = 1.0
        for i in range(2, k + 1):
            product *= i
        return math.log(product)
    x = k + 1.0
    series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / (x * x)) / (x * x)) / x
    return (x - 0.5) * math.log(x) - x + 0.9189385332046727 + series


@njit(cache=True, nogil=True, error_model="numpy")
def _rejected(position, step, mean):  # type: ignore[no-untyped-def]
    """A Poisson count of mean >= 10 (W. Hoermann, Insurance Math. Econ. 12 (1993) 39, PTRS)."""
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    squeeze = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, position = uniform(position, step)
        v, position = uniform(position, step)
        u -= 0.5
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= squeeze:
            return int64(k), position
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        scale = math.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b))
        if scale <= k * math.log(mean) - mean - _log_factorial(int64(k)):
            return int64(k), position


@njit(cache=True, nogil=True, error_model="numpy")
def poisson(position, step, mean):  # type: ignore[no-untyped-def]
    """A Poisson count of any mean >= 0."""
    if mean >= REJECTION_FROM:
        return _rejected(position, step, mean)
    count = 0
    reached, position = exponential(position, step)
    while reached < mean:
        count += 1
        gap, position = exponential(position, step)
        reached += gap
    return count, position

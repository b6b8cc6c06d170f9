"""Fast random numbers inside the compiled loops: one 64-bit draw serves several 13-bit quantiles.

SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), seeded from the run's generator. Gaussian and
avalanche values are read from tables of 8192 quantiles, which end at 3.8 standard deviations.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from blackett.arrays import IntArray

__all__ = [
    "exponential",
    "lower",
    "next_bits",
    "poisson",
    "seeded",
    "thirteen",
    "uniform",
    "upper",
]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_MASK = np.uint64(8191)
_S32, _HALF = np.uint64(32), np.uint64(0xFFFFFFFF)
_UNIT, _HALF_UNIT = 1.0 / (1 << 53), 1.0 / (1 << 32)
_MOST = 500.0  # largest mean whose exp(-mean) the products of `poisson` are compared with


def seeded(rng: np.random.Generator) -> IntArray:
    """The state (1,), uint64, seeded from a generator."""
    return rng.integers(0, 1 << 64, 1, dtype=np.uint64)


@numba.njit(cache=True, inline="always")
def next_bits(state: IntArray) -> Any:
    """64 random bits."""
    state[0] += _STEP
    bits = state[0]
    bits = (bits ^ (bits >> _S30)) * _FIRST
    bits = (bits ^ (bits >> _S27)) * _SECOND
    return bits ^ (bits >> _S31)


@numba.njit(cache=True, inline="always")
def thirteen(bits: Any, k: int) -> Any:
    """The k-th (0-3) group of 13 bits, a place in a table of 8192."""
    return np.int64((bits >> np.uint64(13 * k)) & _MASK)


@numba.njit(cache=True, inline="always")
def upper(bits: Any) -> float:
    """Uniform in (0, 1), from the upper half of the bits."""
    return (np.float64(bits >> _S32) + 0.5) * _HALF_UNIT


@numba.njit(cache=True, inline="always")
def lower(bits: Any) -> float:
    """Uniform in (0, 1), from the lower half of the bits."""
    return (np.float64(bits & _HALF) + 0.5) * _HALF_UNIT


@numba.njit(cache=True)
def uniform(state: IntArray) -> float:
    """Uniform in (0, 1]."""
    return (np.float64(next_bits(state) >> _S11) + 1.0) * _UNIT


@numba.njit(cache=True)
def exponential(state: IntArray) -> float:
    """Exponential of mean 1."""
    return -log(uniform(state))


@numba.njit(cache=True)
def poisson(mean: float, state: IntArray) -> int:
    """Poisson, in a time that grows with the mean; 0 for a mean of 0 or below."""
    count, left = 0, mean
    while left > 0:
        product, least = uniform(state), exp(-min(left, _MOST))
        while product > least:
            count += 1
            product *= uniform(state)
        left -= _MOST
    return count

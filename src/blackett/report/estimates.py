"""Numbers with an interval, and the bootstrap that gives one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray

__all__ = ["LEVEL", "Estimate", "bootstrap", "bootstrap_all"]

LEVEL: Final = 0.6827
"""Content of the intervals where no other is asked for: one standard deviation of a Gaussian."""
_CELLS = 4_000_000  # numbers resampled at a time


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its interval; nan where the data do not give it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """The number to the second digit of its interval: '3.45 (3.41 to 3.52)'."""
        if not np.isfinite(self.value):
            return "–"
        places = self._places()
        value = f"{self.value:.{places}f}"
        if not (np.isfinite(self.low) and np.isfinite(self.high)):
            return value
        return f"{value} ({self.low:.{places}f} to {self.high:.{places}f})"

    def _places(self) -> int:
        """Decimals that show two digits of half the interval, of the value where there is none."""
        half = (self.high - self.low) / 2
        scale = half if np.isfinite(half) and half > 0 else abs(self.value) / 10
        return 0 if scale == 0 else int(np.clip(1 - np.floor(np.log10(scale)), 0, 12))


def bootstrap(
    statistic: Callable[[FloatArray], ArrayLike],
    rng: np.random.Generator,
    values: ArrayLike,
    n: int = 200,
    level: float = LEVEL,
) -> Estimate:
    """A statistic of the rows of `values` (N,) or (N, k), with a central percentile interval.

    `statistic` takes many samples at once, shape (b, N) or (b, N, k), and returns (b,): its value
    comes from the data, the interval from n samples of N rows drawn with replacement. Samples for
    which it is nan are left out; without any row, or without a value, all is nan. Raises
    `InputError` for n < 2, a level outside 0..1, or a statistic of another shape.
    """

    def one(samples: FloatArray) -> FloatArray:
        found = np.asarray(statistic(samples), np.float64)
        if found.shape != (len(samples),):
            raise InputError(f"the statistic gave {found.shape} for {len(samples)} samples")
        return found[:, None]

    if not np.size(values):
        return Estimate(np.nan, np.nan, np.nan)
    return bootstrap_all(one, rng, values, n, level)[0]


def bootstrap_all(
    statistic: Callable[[FloatArray], ArrayLike],
    rng: np.random.Generator,
    values: ArrayLike,
    n: int = 200,
    level: float = LEVEL,
) -> tuple[Estimate, ...]:
    """Several statistics of the same samples: as `bootstrap`, with a statistic that returns
    (b, m) and can take samples without rows."""
    if n < 2 or not 0 < level < 1:
        raise InputError(f"bootstrap of {n} samples, level {level}: give n >= 2 and 0 < level < 1")
    data = np.asarray(values, np.float64)
    if data.ndim not in (1, 2):
        raise InputError(f"bootstrap takes values of shape (N,) or (N, k), not {data.shape}")
    found = np.asarray(statistic(data[None]), np.float64)
    if found.ndim != 2 or len(found) != 1:
        raise InputError(f"the statistic gave {found.shape} for one sample, not (1, m)")
    if not len(data):
        return tuple(Estimate(np.nan, np.nan, np.nan) for _ in found[0])
    block = max(1, min(n, _CELLS // data.size))
    counts = [min(block, n - done) for done in range(0, n, block)]
    draws = (data[rng.integers(0, len(data), (count, len(data)))] for count in counts)
    drawn = np.concatenate([np.asarray(statistic(draw), np.float64) for draw in draws])
    return tuple(_estimate(*pair, level) for pair in zip(found[0], drawn.T, strict=True))


def _estimate(value: float, drawn: FloatArray, level: float) -> Estimate:
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or known.size < 2:
        return Estimate(float(value), np.nan, np.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(low), float(high))

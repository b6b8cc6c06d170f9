"""What a check finds, and what it is handed: no truth anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.report import Estimate

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["NOTHING", "Finding", "Found", "unknown"]

NOTHING: Final = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Finding:
    """A number that a check took from the data.

    `check`, `quantity` and `where` name it; `estimate` with its interval (`report.LEVEL`) is nan
    where the data do not give it, and `note` then says why; `expected`, what it would be if all
    were well, in words with its source; `p_value`, of the hypothesis that nothing is there to see,
    nan where there is none; `reference`, the same number in another report, nan without.
    """

    check: str
    quantity: str
    where: str
    method: str
    entries: int
    estimate: Estimate
    expected: str
    note: str = ""
    p_value: float = float("nan")
    reference: Estimate = NOTHING

    @property
    def tension(self) -> float:
        """Difference to the reference over the half widths of both intervals in quadrature."""
        own, other = ((e.high - e.low) / 2 for e in (self.estimate, self.reference))
        width = float(np.hypot(own, other))
        return (self.estimate.value - self.reference.value) / width if width > 0 else float("nan")


def unknown(
    check: str, quantity: str, where: str, method: str, entries: int, expected: str, why: str
) -> Finding:
    """A finding without a number."""
    return Finding(check, quantity, where, method, entries, NOTHING, expected, why)


@dataclass(frozen=True, eq=False)
class Found:
    """What one method says about n events: `position_mm` (n, 3) and `covariance_mm2` (n, 3, 3), nan
    where there is none; `status` (n,), words of `vertex.STATUSES`; `p_cosmic` (n,), nan where the
    method has none."""

    method: str
    position_mm: FloatArray
    covariance_mm2: FloatArray
    status: np.ndarray
    p_cosmic: FloatArray

    def __post_init__(self) -> None:
        n = len(self.status)
        shapes = {"position_mm": (n, 3), "covariance_mm2": (n, 3, 3), "p_cosmic": (n,)}
        for name, shape in shapes.items():
            array = frozen(getattr(self, name))
            if array.shape != shape:
                raise InputError(f"Found.{name}: shape {array.shape}, not {shape}")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.status)

    @property
    def kept(self) -> np.ndarray:
        """True (n,) for a vertex whose event is not called a cosmic muon (p_cosmic above 1/2)."""
        return np.isfinite(self.position_mm[:, 2]) & ~(self.p_cosmic > 0.5)

    @property
    def in_space(self) -> np.ndarray:
        """As `kept`, with x and y known, too (a method may give z alone)."""
        return self.kept & np.isfinite(self.position_mm).all(axis=1)

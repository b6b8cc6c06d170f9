"""What the digitisation hands on: columns of space points and bar hits, by event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from blackett.arrays import IntArray

__all__ = ["BAR_COLUMNS", "POINT_COLUMNS", "Digitised"]

POINT_COLUMNS = (
    "x_mm", "y_mm", "z_mm", "sigma_rphi_mm", "sigma_z_mm", "sigma_r_mm", "amplitude",
    "pad_amplitude", "time_ns", "wire", "track",
)  # fmt: skip
BAR_COLUMNS = ("bar", "top_ns", "bottom_ns", "top_counts", "bottom_counts")


@dataclass(frozen=True, eq=False)
class Digitised:
    """Events as the detector sees them, before they become `event.EventBatch` (same columns there).

    `points` and `bars` map `POINT_COLUMNS` and `BAR_COLUMNS` to arrays; event k holds their rows
    offset[k] to offset[k + 1] - 1. `trigger` (n,): patterns of 16 bits.
    """

    point_offset: IntArray
    points: dict[str, np.ndarray]
    bar_offset: IntArray
    bars: dict[str, np.ndarray]
    trigger: IntArray

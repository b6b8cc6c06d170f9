"""Settings of the preparation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from blackett.errors import InputError

__all__ = ["DEFAULT", "Settings"]


@dataclass(frozen=True)
class Settings:
    """Settings of `prepare`; lengths in mm. Those of the search mean what they mean in
    `robust.Settings`."""

    r_min_mm: float = 105.0
    r_max_mm: float = 173.5
    """Points outside these radii take no part in fits; near a track they still go to its slot."""
    unknown_rphi_mm: float = 1.3
    unknown_z_mm: float = 1.5
    unknown_r_mm: float = 0.4
    """Errors of points that come without (files with positions alone)."""
    axial_scale: float = 1.0
    """Factor on the correction of the points' z for the drift by the radial field near the ends
    (Langevin estimate, `drift`); 0 leaves points as they are."""
    thin_points: int = 300
    """Events with more points are searched with every second one, all take part in the fits."""
    most_searched: int = 4000
    """Most points that the search takes: of larger events, every third one, and so on."""
    link_mm: float = 9.0
    trials: int = 150
    least_points: int = 8
    least_sparse: int = 8
    """Points that a track needs to be found among every second point."""
    least_span_mm: float = 15.0
    near_mm: float = 4.0
    road_mm: float = 5.0
    cut: float = 10.0
    share: float = 0.5
    radial_mm: float = 0.35
    """Common shift of a track's points along r that is not known (time of the pulses)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "axial_scale" else 1e-9
            if not (np.isfinite(value) and value >= least):
                raise InputError(f"{field.name} = {value}: give a finite number > 0")
        if self.share > 1:
            raise InputError(f"share = {self.share}: give a share from 0 to 1")


DEFAULT: Final = Settings()

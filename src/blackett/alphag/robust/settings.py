"""Settings of the robust reconstruction and what it assumes about particles."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from blackett.errors import InputError

__all__ = ["DEFAULT", "SPECTRA", "Settings"]

SPECTRA: Final = {
    211: (
        (35, 50, 70, 95, 125, 160, 200, 250, 320, 420, 600, 1000),
        (0.008, 0.018, 0.047, 0.087, 0.143, 0.207, 0.295, 0.363, 0.440, 0.437, 0.189),
    ),
    11: ((20, 35, 50, 70, 110, 200, 1000), (0.491, 0.338, 0.303, 0.330, 0.290, 0.210)),
    2212: ((200, 320, 420, 600, 1000), (0.027, 0.025, 0.020, 0.006)),
}
"""By species (pions, electrons of converted photons, protons): edges of bins of momentum (MeV/c) at
the entry into the gas, and tracks of 25 points or more an event in each bin, both charges together.
Counted in 3000 simulated events (recipe disc, fast mode, seed 11)."""


@dataclass(frozen=True)
class Settings:
    """Settings of `reconstruct_batch`; lengths in mm."""

    r_min_mm: float = 105.0
    r_max_mm: float = 173.5
    """Points outside these radii are left out: around the wires the drift is not one of radius
    alone."""
    unknown_rphi_mm: float = 1.3
    unknown_z_mm: float = 1.5
    unknown_r_mm: float = 0.4
    """Errors of points that come without (files with positions alone)."""
    most_points: int = 10_000
    """Events with more points are not tried."""
    link_mm: float = 9.0
    """Points closer than this belong to one group."""
    trials: int = 400
    """Most triplets tried in a group for one track."""
    least_points: int = 8
    least_span_mm: float = 15.0
    """Least range of radii that a track's points cover."""
    near_mm: float = 4.0
    """Distance at which a point no longer supports a triplet."""
    road_mm: float = 6.0
    """Distance at which a point no longer takes part in a fit."""
    cut: float = 16.0
    """chi2 of a point at which its weight is half, and above which it is left over."""
    share: float = 0.5
    """Independent part of a track's points, which share clusters and wires: about 40 of the 80-90
    of a track."""
    rounds: int = 2
    """Times that points go to the track they fit best and tracks are fitted again."""
    radial_mm: float = 0.35
    """Common shift of a track's points along r that is not known (time of the pulses)."""
    scattering: float = 1.0
    """Factor on the width of multiple scattering."""
    opening_mev: float = 0.8
    """Angle of a pair's electron to the photon, in each projection, times its momentum."""
    trap_radius_mm: float = 24.0
    """Radius of the disc where atoms annihilate: the prior in x and y."""
    stray: float = 0.1
    """Share of tracks that have nothing to do with the vertex."""
    stray_area_mm2: float = 60_000.0
    """Area over which those are spread, across and along z."""
    heat: float = 16.0
    """Factor on all covariances at the start of the vertex fit."""

    draws: int = 255
    """Half the number of points at which the posterior is sampled around each of its modes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{field.name} = {value}: give a finite number > 0")
        for name in ("share", "stray"):
            if getattr(self, name) > 1:
                raise InputError(f"{name} = {getattr(self, name)}: give a share from 0 to 1")


DEFAULT: Final = Settings()

"""What the columns of the prepared arrays mean: the contract between training and serving."""

from __future__ import annotations

import hashlib
import json
from enum import IntEnum, auto
from typing import Final

__all__ = [
    "EVENT_COLUMNS",
    "LAYOUT",
    "LINES",
    "LINE_COLUMNS",
    "MOST_KEPT",
    "POINT_COLUMNS",
    "TRACK_COLUMNS",
    "Line",
    "Point",
    "Track",
    "Whole",
    "layout_sha256",
]

LAYOUT: Final = 2
"""Number of the layout; it grows when a column is added or means something else."""
LINES: Final = 4
"""Lines of a track: that of a charged particle from the trap, and those of photons that converted
in the outer chamber or beyond, in the shields, and in the coils."""
MOST_KEPT: Final = 16
"""Tracks of an event that a network sees: those with most points. The points of others go to the
remainder."""


class _Columns(IntEnum):
    """Columns counted from 0."""

    @staticmethod
    def _generate_next_value_(_name: str, _start: int, count: int, _last: list[int]) -> int:
        return count


class Track(_Columns):
    """Features of a track, none of which changes when the event is turned about z or (material and
    field apart) moved along it.

    Curvatures in units of 1e-3/mm; sizes without bound through asinh, or as natural logarithms.
    """

    curvature = auto()
    """asinh of the fitted one at the entry into the gas, signed (negative: positive charge)."""
    log_curvature_error = auto()
    curvature_pull = auto()
    """asinh of curvature over its error."""
    nominal_curvature = auto()
    """asinh of the one that the line takes: the fit conditioned on what pions have."""
    field = auto()
    """B_z at the entry, tesla."""
    radial_field = auto()
    """B_r at the entry times the sign of z, tesla."""
    log_points = auto()
    """Logarithm of the points / 60."""
    log_chi2 = auto()
    """Logarithm of chi2 a point."""
    first_radius = auto()
    """Gap between the cathode and the innermost point / 30 mm; conversions start late."""
    last_radius = auto()
    """(Radius of the outermost point in the drift volume - 173.5 mm) / 30 mm."""
    slope = auto()
    """asinh of dz/ds."""
    radial_heading = auto()
    """Sine of the angle between heading and radius at the entry."""
    closest_approach = auto()
    """asinh of the signed distance of closest approach to the axis / 25 mm."""
    log_error_across = auto()
    """Logarithm of the fit's error (mm) across, at the closest approach."""
    log_error_z = auto()
    log_scatter_z = auto()
    """Logarithm of the standard deviation (mm) of scattering along z at p beta = 300 MeV."""
    z_on_axis = auto()
    """asinh of (z at the closest approach - anchor) / 25 mm."""
    first_across = auto()
    """asinh of the distance to the first vertex, across, in standard deviations; sign turned so
    that the closest approach is positive."""
    first_along = auto()
    """The same along z."""
    first_share = auto()
    """Share (0 to 1) of the track in the first vertex."""
    log_ionisation = auto()
    """Logarithm of avalanche size per mm of path, mean of the lower six of ten stretches of the
    track, / 50; 0 where unknown."""
    log_pad_ionisation = auto()
    """The same of the pads' counts."""
    log_ionisation_tail = auto()
    """Logarithm of the mean of all ten stretches over that of the lower six."""
    ionisation_known = auto()
    occupied = auto()
    """Share of the ten stretches that hold points."""
    points_per_mm = auto()
    """Of path, / 2."""
    thickness_wall = auto()
    """Radiation lengths on the way from the entry to the closest approach: beyond r = 100 mm."""
    thickness_shields = auto()
    """69-100 mm."""
    thickness_coils = auto()
    """40-69 mm."""
    thickness_inner = auto()
    """Inside 40 mm."""
    energy_loss = auto()
    """Of the nominal pion on that way / 20 MeV."""
    way = auto()
    """Arc from the entry to the closest approach / 100 mm, in projection."""
    across_inner = auto()
    """Mean residual across over its error of the mean, asinh, in the inner third of the points'
    radii."""
    across_middle = auto()
    across_outer = auto()
    z_inner = auto()
    """The same along z."""
    z_middle = auto()
    z_outer = auto()
    log_rms_across = auto()
    """Logarithm of the root mean square of residuals over the points' errors."""
    log_rms_z = auto()
    neighbours = auto()
    """Other tracks within 0.3 rad and 40 mm at the entry, / 2."""
    nearest_azimuth = auto()
    """To the nearest of all other tracks at the entry (0.3 rad count as 40 mm): azimuth / 0.3 rad,
    at most 10."""
    nearest_z = auto()
    """Its distance along z / 40 mm, at most 10."""
    nearest_heading = auto()
    """Its cosine of the angle to this track."""
    agreeing = auto()
    """Other tracks that pass the axis at the same z within 2 standard deviations, / 2."""
    collinear = auto()
    """Half the logarithm of 1 + chi2 of the hypothesis that this track and its best partner are
    one particle that crossed the chamber, at most 6; 6 without a partner."""
    bar_matched = auto()
    """1 where a bar was hit within 0.3 rad and 300 mm of the track's continuation."""
    bar_azimuth = auto()
    """Its distance / 0.1 rad."""
    bar_z = auto()
    """Its distance along z / 100 mm."""
    bar_time = auto()
    """Its time less that of the event's first bar / 2 ns."""
    log_bar_counts = auto()
    """Logarithm of its geometric mean amplitude / 20 000."""
    inner_points = auto()
    """Share of the points in the inner third of the drift volume (r < 131 mm)."""
    outer_points = auto()
    """Share of the points beyond r = 152 mm."""


class Line(_Columns):
    """One of a track's nominal lines where it passes closest to the z axis; mm, rad, 1/mm.

    `cov_...` and `kink_...`: covariance of (shift across the heading, psi, z, lambda), lower
    triangle by rows, of the fit and of scattering with p beta = 300 MeV. `mode_...`: shift of those
    four when the nominal curvature moves by one standard deviation of what is not known of it; its
    outer product is part of `cov_...`.
    """

    x = auto()
    y = auto()
    z = auto()
    """Less that of the anchor."""
    cosine = auto()
    """Of the outward heading in projection."""
    sine = auto()
    slope = auto()
    curvature = auto()
    cov_aa = auto()
    cov_pa = auto()
    cov_pp = auto()
    cov_za = auto()
    cov_zp = auto()
    cov_zz = auto()
    cov_la = auto()
    cov_lp = auto()
    cov_lz = auto()
    cov_ll = auto()
    kink_aa = auto()
    kink_pa = auto()
    kink_pp = auto()
    kink_za = auto()
    kink_zp = auto()
    kink_zz = auto()
    kink_la = auto()
    kink_lp = auto()
    kink_lz = auto()
    kink_ll = auto()
    mode_a = auto()
    mode_p = auto()
    mode_z = auto()
    mode_l = auto()


class Point(_Columns):
    """A point. Residuals and arc are those to the track of its slot, 0 in the remainder."""

    owned = auto()
    """1 with a track, else 0."""
    across = auto()
    """Residual across the heading / 1.3 mm."""
    along_z = auto()
    """Residual along z / 1.5 mm."""
    arc = auto()
    """Arc from the entry into the gas / 30 mm."""
    radius = auto()
    """(r - 140 mm) / 30 mm."""
    z = auto()
    """asinh of (z - anchor) / 50 mm."""
    cosine = auto()
    """Of the azimuth."""
    sine = auto()
    log_sigma_rphi = auto()
    """Logarithm of the error / 1 mm."""
    log_sigma_z = auto()
    log_sigma_r = auto()
    log_amplitude = auto()
    """Logarithm of the avalanche size / 40; 0 where unknown."""
    log_pad_amplitude = auto()
    """Logarithm of the pad's counts / 50; 0 where unknown."""
    time = auto()
    """(Time - 2200 ns) / 1300 ns; 0 where unknown."""
    known = auto()
    """1 for a place that is finite; all other columns are 0 where it is 0."""


class Whole(_Columns):
    """An event as a whole."""

    log_points = auto()
    """Logarithm of the points / 600."""
    log_remainder = auto()
    """Logarithm of 1 + the points in the remainder, less 4."""
    remainder_share = auto()
    tracks = auto()
    """Kept / 5."""
    tracks_left_out = auto()
    """Found beyond those kept / 5."""
    anchor_z = auto()
    """/ 1000 mm."""
    log_z_spread = auto()
    """Logarithm of 1 mm + the weighted rms distance of tracks to the first vertex along z, less
    2."""
    first_tracks = auto()
    """Sum of the tracks' shares in the first vertex / 3."""
    first_x = auto()
    """First vertex / 24 mm; turns with the event."""
    first_y = auto()
    log_first_sigma_z = auto()
    """Logarithm of its error along z, mm."""
    log_first_chi2 = auto()
    """Logarithm of 1 + weighted chi2 over tracks."""
    collinear = auto()
    """Smallest of the tracks'."""
    bars = auto()
    """Bars hit / 5."""
    opposite = auto()
    """Pairs of bars more than 105 degrees apart / 5."""
    flight = auto()
    """Largest time of flight between such bars times c over their distance (1 for a muon); at most
    3."""
    flight_muon = auto()
    """exp(-((time of flight - distance / c) / 0.5 ns)^2 / 2), largest of all such pairs."""
    bars_spread = auto()
    """Standard deviation of the times of all bars / 1 ns, at most 5."""
    trigger_known = auto()
    trigger_groups = auto()
    """Groups of wires in the trigger pattern / 5."""
    trigger_clusters = auto()
    """Separate clusters of them / 3."""
    log_amplitude = auto()
    """Logarithm of the sum of avalanche sizes / 40 000; 0 where unknown."""
    field = auto()
    """B_z on the axis at the anchor, tesla."""
    thickness = auto()
    """Radiation lengths at normal incidence at the anchor."""
    thickness_inner = auto()
    """Those inside r = 40 mm."""
    no_track = auto()


TRACK_COLUMNS: Final = tuple(c.name for c in Track)
LINE_COLUMNS: Final = tuple(c.name for c in Line)
POINT_COLUMNS: Final = tuple(c.name for c in Point)
EVENT_COLUMNS: Final = tuple(c.name for c in Whole)


def layout_sha256() -> str:
    """SHA-256 of the meaning of the columns: networks of another layout do not fit."""
    meaning = [LAYOUT, MOST_KEPT, LINES, TRACK_COLUMNS, LINE_COLUMNS, POINT_COLUMNS, EVENT_COLUMNS]
    return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()

"""Features of the tracks of an event (see `layout.Track`)."""

from __future__ import annotations

from math import asinh, atan2, cos, hypot, log, pi, sin, sqrt
from typing import TYPE_CHECKING

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import CATHODE_RADIUS_MM
from blackett.alphag.geometry.field import interpolate
from blackett.alphag.preparation import anchor
from blackett.alphag.preparation.inwards import ENERGY_LOSS, ERROR, STATE, THICKNESS, WAY
from blackett.alphag.preparation.layout import Line, Track
from blackett.alphag.preparation.tally import (
    COUNT,
    FIRST_R,
    KNOWN,
    LAST_R,
    PATH,
    SQUARE_ACROSS,
    SQUARE_Z,
    STRETCHES,
    SUM_CHI2,
    SUMS,
    truncated,
)
from blackett.alphag.robust.fit import KAPPA, LAMBDA, PSI, X, Y, Z

if TYPE_CHECKING:
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray, IntArray

__all__ = ["compare_tracks", "describe_fit", "describe_line", "describe_points", "describe_vertex"]

_UNIT = 1e-3  # 1/mm: curvature of a pion of 300 MeV/c in 1 T
_NEAR_RAD, _NEAR_MM = 0.3, 40.0
_ALIGNED_RAD = 0.5  # headings of one particle's two tracks are opposite within this
_MOST = 6.0


@kernel
def describe_fit(world: Apparatus, t: FloatArray, work: FloatArray, row: FloatArray) -> None:
    """Features of the helix t and of its way in; `work` as `nominal_line` leaves it."""
    error, s = work[ERROR : ERROR + 5], work[STATE]
    width = sqrt(error[2, 2])
    bx, by, bz = interpolate(world.field_step, world.b_r, world.b_z, t[X], t[Y], t[Z])
    r = hypot(t[X], t[Y])
    radial = (bx * t[X] + by * t[Y]) / r
    row[Track.curvature] = asinh(t[KAPPA] / _UNIT)
    row[Track.log_curvature_error] = log(width / _UNIT)
    row[Track.curvature_pull] = asinh(t[KAPPA] / width)
    row[Track.field] = bz
    row[Track.radial_field] = radial if t[Z] > 0 else -radial
    row[Track.slope] = asinh(t[LAMBDA])
    row[Track.radial_heading] = (t[X] * sin(t[PSI]) - t[Y] * cos(t[PSI])) / r
    row[Track.thickness_wall], row[Track.thickness_shields] = s[THICKNESS], s[THICKNESS + 1]
    row[Track.thickness_coils], row[Track.thickness_inner] = s[THICKNESS + 2], s[THICKNESS + 3]
    row[Track.energy_loss] = s[ENERGY_LOSS] / 20
    row[Track.way] = -s[WAY] / 100


@kernel
def describe_line(line: FloatArray, row: FloatArray) -> None:
    """Features of a nominal line."""
    reach = line[Line.y] * line[Line.cosine] - line[Line.x] * line[Line.sine]
    row[Track.nominal_curvature] = asinh(line[Line.curvature] / _UNIT)
    row[Track.closest_approach] = asinh(reach / 25)
    row[Track.log_error_across] = 0.5 * log(max(line[Line.cov_aa], 1e-4))
    row[Track.log_error_z] = 0.5 * log(max(line[Line.cov_zz], 1e-4))
    row[Track.log_scatter_z] = 0.5 * log(max(line[Line.kink_zz], 1e-4))


@kernel
def describe_points(tally: FloatArray, charge: FloatArray, share: float, row: FloatArray) -> None:
    """Features of a track's own points."""
    count = max(tally[COUNT], 1.0)
    row[Track.log_points] = log(count / 60)
    row[Track.log_chi2] = 0.5 * log(max(tally[SUM_CHI2] / count, 1e-2))
    row[Track.first_radius] = (tally[FIRST_R] - CATHODE_RADIUS_MM) / 30
    row[Track.last_radius] = (tally[LAST_R] - 173.5) / 30
    row[Track.log_rms_across] = 0.5 * log(max(tally[SQUARE_ACROSS] / count, 1e-2))
    row[Track.log_rms_z] = 0.5 * log(max(tally[SQUARE_Z] / count, 1e-2))
    for third in range(3):
        c = SUMS + 3 * third
        root = sqrt(share / max(tally[c], 1.0))
        row[Track.across_inner + third] = asinh(tally[c + 1] * root)
        row[Track.z_inner + third] = asinh(tally[c + 2] * root)
    row[Track.inner_points] = tally[SUMS] / count
    row[Track.outer_points] = tally[SUMS + 6] / count
    row[Track.points_per_mm] = 0.5 * count / max(tally[PATH], 1.0)
    occupied = 0.0
    for b in range(STRETCHES):
        occupied += min(charge[2, b], 1.0)
    row[Track.occupied] = occupied / STRETCHES
    if tally[KNOWN] > 0.5 * count:
        low, mean = truncated(charge[0])
        low_pad, _ = truncated(charge[1])
        row[Track.ionisation_known] = 1.0
        row[Track.log_ionisation] = log(max(low, 1.0) / 50)
        row[Track.log_pad_ionisation] = log(max(low_pad, 1.0) / 50)
        row[Track.log_ionisation_tail] = log(max(mean, 1.0) / max(low, 1.0))


@kernel
def describe_vertex(line: FloatArray, term: FloatArray, z: float, row: FloatArray) -> None:
    """Features of a track against the first vertex at height z."""
    row[Track.z_on_axis] = asinh((line[Line.z] - z) / 25)
    side = 1.0 if row[Track.closest_approach] > 0 else -1.0
    row[Track.first_across] = side * asinh(term[anchor.ACROSS])
    row[Track.first_along] = asinh(term[anchor.ALONG])
    row[Track.first_share] = term[anchor.SHARE]


@kernel
def compare_tracks(
    helix: FloatArray, track: IntArray, lines: FloatArray, kept: int, rows: FloatArray
) -> float:
    """Features of every track among the others; returns the smallest `collinear`."""
    smallest = _MOST
    for k in range(kept):
        row, t = rows[k], helix[track[k]]
        least, row[Track.nearest_azimuth], row[Track.nearest_z] = 1e9, 10.0, 10.0
        row[Track.collinear] = _MOST
        for j in range(kept):
            if j == k:
                continue
            other = helix[track[j]]
            turn = abs(_turned(atan2(t[Y], t[X]) - atan2(other[Y], other[X]))) / _NEAR_RAD
            away = abs(t[Z] - other[Z]) / _NEAR_MM
            row[Track.neighbours] += 0.5 if turn < 1 and away < 1 else 0.0
            if hypot(turn, away) < least:
                least = hypot(turn, away)
                row[Track.nearest_azimuth], row[Track.nearest_z] = turn, min(away, 10.0)
                row[Track.nearest_heading] = _cosine(lines[k], lines[j])
            off2 = (lines[k, Line.z] - lines[j, Line.z]) ** 2
            row[Track.agreeing] += 0.5 if off2 < 4 * _variance(lines[k], lines[j]) else 0.0
            row[Track.collinear] = min(row[Track.collinear], _mismatch(lines[k], lines[j]))
        smallest = min(smallest, row[Track.collinear])
    return float(smallest)


@kernel
def _variance(a: FloatArray, b: FloatArray) -> float:
    """Of the difference of two lines' z on the axis."""
    total = a[Line.cov_zz] + a[Line.kink_zz] + b[Line.cov_zz] + b[Line.kink_zz]
    return float(max(total, 1e-6))


@kernel
def _turned(angle: float) -> float:
    """An angle brought to -pi..pi."""
    return angle - 2 * pi * round(angle / (2 * pi))


@kernel
def _cosine(a: FloatArray, b: FloatArray) -> float:
    """Cosine of the angle in space between two lines."""
    flat = a[Line.cosine] * b[Line.cosine] + a[Line.sine] * b[Line.sine]
    product = (1 + a[Line.slope] ** 2) * (1 + b[Line.slope] ** 2)
    return float((flat + a[Line.slope] * b[Line.slope]) / sqrt(product))


@kernel
def _mismatch(a: FloatArray, b: FloatArray) -> float:
    """Half the logarithm of 1 + chi2 of two lines as one particle: opposite headings, the same z
    and the same closest approach; at most 6."""
    flat = a[Line.cosine] * b[Line.cosine] + a[Line.sine] * b[Line.sine]
    if flat > -0.8:
        return _MOST
    cross = a[Line.cosine] * b[Line.sine] - a[Line.sine] * b[Line.cosine]
    side_a = a[Line.y] * a[Line.cosine] - a[Line.x] * a[Line.sine]
    side_b = b[Line.y] * b[Line.cosine] - b[Line.x] * b[Line.sine]
    psi2 = a[Line.cov_pp] + a[Line.kink_pp] + b[Line.cov_pp] + b[Line.kink_pp]
    lambda2 = a[Line.cov_ll] + a[Line.kink_ll] + b[Line.cov_ll] + b[Line.kink_ll]
    side2 = a[Line.cov_aa] + a[Line.kink_aa] + b[Line.cov_aa] + b[Line.kink_aa]
    chi2 = cross * cross / max(psi2, 1e-9)
    chi2 += (a[Line.slope] + b[Line.slope]) ** 2 / max(lambda2, 1e-9)
    chi2 += (a[Line.z] - b[Line.z]) ** 2 / _variance(a, b)
    chi2 += (side_a + side_b) ** 2 / max(side2, 1e-6)
    return float(min(0.5 * log(1 + chi2), _MOST))

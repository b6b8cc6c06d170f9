"""Points in the form of `robust.fit`, and the tracks in them at half the cost.

Large events are searched with every second point, which halves the search; then every point goes
to the track that it fits best, and each track is fitted to all of its points.
"""

from __future__ import annotations

from math import cos, hypot, isfinite, sin
from typing import TYPE_CHECKING, Final, NamedTuple

from blackett.alphag.drift import arrival
from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import CATHODE_RADIUS_MM, CHAMBER_HALF_LENGTH_MM
from blackett.alphag.preparation.layout import MOST_KEPT
from blackett.alphag.robust.fit import (
    BACKWARDS_MM,
    FREE,
    LAMBDA,
    PR,
    PSI,
    PX,
    PY,
    PZ,
    SIGMA_R,
    SIGMA_RPHI,
    SIGMA_Z,
    chi2_of,
    distance_across,
    distance_along,
    fit_helix,
    to_radius,
)

if TYPE_CHECKING:
    from blackett.alphag.drift import DriftTable
    from blackett.arrays import FloatArray, IntArray

__all__ = ["ACROSS", "ALONG", "ARC", "CHI2", "Plan", "assign", "corrected_z", "fill", "fit", "rank",
           "residuals"]  # fmt: skip

ACROSS, ALONG, ARC, CHI2 = range(4)
"""Columns of the residuals."""
_BEYOND: Final = -10  # label of a point outside the radii of fits, near track k: _BEYOND - k
_REFIT_STEPS = 3
_CORRECTED_FROM_MM = 697.5  # the drift is radial inside
_FARTHEST_R_MM = 190.0


class Plan(NamedTuple):
    """Settings as compiled code sees them, besides those of the search."""

    unknown_rphi_mm: float
    unknown_z_mm: float
    unknown_r_mm: float
    axial_scale: float
    radial_mm: float
    thin_points: int
    most_searched: int


@kernel
def corrected_z(plan: Plan, table: DriftTable, x: float, y: float, z: float) -> float:
    """z (mm) of a point less the drift by the radial field; 0 for a place that is not finite."""
    if not (isfinite(x) and isfinite(y) and isfinite(z)):
        return 0.0
    r = hypot(x, y)
    if plan.axial_scale == 0 or abs(z) < _CORRECTED_FROM_MM or abs(z) > CHAMBER_HALF_LENGTH_MM:
        return z
    if r < CATHODE_RADIUS_MM or r > _FARTHEST_R_MM:
        return z
    _, _, shift = arrival(table.by_radius, table.by_height, r, z)
    return z - plan.axial_scale * shift


@kernel
def fill(
    plan: Plan, x: float, y: float, z: float, rphi: float, sigma_z: float, sigma_r: float,
    row: FloatArray,
) -> None:  # fmt: skip
    """One row of points; one that is nowhere lies on the axis, where no track is sought."""
    known = isfinite(x) and isfinite(y) and isfinite(z)
    row[PX], row[PY], row[PZ] = (x, y, z) if known else (0.0, 0.0, 0.0)
    row[PR] = hypot(row[PX], row[PY])
    row[SIGMA_RPHI] = _error(rphi, plan.unknown_rphi_mm)
    row[SIGMA_Z] = _error(sigma_z, plan.unknown_z_mm)
    row[SIGMA_R] = _error(sigma_r, plan.unknown_r_mm)


@kernel
def _error(given: float, unknown: float) -> float:
    """An error (mm) between 0.01 and 1000, `unknown` where it is no number above 0."""
    known = given if isfinite(given) and given > 0 else unknown
    return min(max(known, 0.01), 1000.0)


@kernel
def assign(
    points: FloatArray, helix: FloatArray, found: int, r_min: float, r_max: float, road: float,
    cut: float, label: IntArray, least: FloatArray,
) -> None:  # fmt: skip
    """Give every point to the track that it fits best, or to none (`FREE`)."""
    for i in range(points.shape[0]):
        label[i], least[i] = FREE, cut
    for k in range(found):
        t = helix[k]
        c, s, z_road = cos(t[PSI]), sin(t[PSI]), road * (1 + abs(t[LAMBDA]))
        for i in range(points.shape[0]):
            p = points[i]
            d = distance_across(t, c, s, p[PX], p[PY])
            if abs(d) > road:
                continue
            e, arc = distance_along(t, c, s, p[PX], p[PY], p[PZ])
            if abs(e) < z_road and arc > BACKWARDS_MM:
                chi2 = chi2_of(t, p, d, e, arc)
                if chi2 < least[i]:
                    inside = r_min < p[PR] < r_max
                    label[i], least[i] = k if inside else _BEYOND - k, chi2


@kernel
def fit(
    points: FloatArray, label: IntArray, helix: FloatArray, info: FloatArray, found: int,
    road: float, cut: float, share: float, least_points: int, count: IntArray, work: FloatArray,
) -> None:  # fmt: skip
    """Fit every track to its points; `count` is 0 for one that lost them or its way inwards."""
    for k in range(found):
        t = helix[k]
        used = fit_helix(
            points, label, t, k, road, cut, share, _REFIT_STEPS, info[k], work
        )  # fmt: skip
        good = used >= least_points and to_radius(t, CATHODE_RADIUS_MM, 0.0)
        count[k] = used if good else 0


@kernel
def rank(count: IntArray, found: int, track: IntArray, slot: IntArray) -> int:
    """Number the tracks by falling count: track[slot], and slot[track] (-1: not kept); returns how
    many are kept, at most `MOST_KEPT`."""
    for k in range(found):
        slot[k] = -1
    kept = 0
    while kept < MOST_KEPT:
        best = -1
        for k in range(found):
            if slot[k] < 0 and count[k] > 0 and (best < 0 or count[k] > count[best]):
                best = k
        if best < 0:
            break
        track[kept], slot[best] = best, kept
        kept += 1
    return kept


@kernel
def residuals(
    points: FloatArray, label: IntArray, helix: FloatArray, slot: IntArray, track: IntArray,
    kept: int, road: float, out: FloatArray,
) -> None:  # fmt: skip
    """Turn labels into slots (-1: remainder) and write residuals, arc and chi2 of owned points."""
    for k in range(kept):
        t = helix[track[k]]
        c, s, z_road = cos(t[PSI]), sin(t[PSI]), road * (1 + abs(t[LAMBDA]))
        for i in range(points.shape[0]):
            if label[i] != track[k] and label[i] != _BEYOND - track[k]:
                continue
            p = points[i]
            d = distance_across(t, c, s, p[PX], p[PY])
            e, arc = distance_along(t, c, s, p[PX], p[PY], p[PZ])
            if abs(d) < road and abs(e) < z_road:
                out[i, ACROSS], out[i, ALONG], out[i, ARC] = d, e, arc
                out[i, CHI2] = chi2_of(t, p, d, e, arc)
            else:
                label[i] = FREE
    for i in range(points.shape[0]):
        old = label[i] if label[i] > _BEYOND else _BEYOND - label[i]
        label[i] = slot[old] if old >= 0 else -1

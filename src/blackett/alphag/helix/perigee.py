"""Helix from its closest approach to the axis: the five numbers of the weighted fit.

A helix is a row of five: c = 1 / 2 Rc (1/mm, signed: above 0 it turns towards growing azimuth),
phi0, the direction at the closest approach (rad), D, the signed distance there (mm), lambda =
dz/ds and z0, z there; s is the arc length across the axis. The closest approach lies at
(-D sin phi0, D cos phi0) and the particle leaves it along (cos phi0, sin phi0). These are the
parameters of agana; its second branch, the far side of the circle, is the first branch of
(-c, phi0 + pi, -D), so one branch serves.
"""

from __future__ import annotations

from math import asin, cos, sin, sqrt
from typing import TYPE_CHECKING, Final

from blackett.alphag.geometry.compiled import kernel

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = [
    "PERIGEE_SIZE",
    "arc_at_radius",
    "at_radius",
    "position_at_arc",
    "position_variance",
    "transverse_momentum_mev",
]

PERIGEE_SIZE: Final = 5
"""Numbers of a helix: c, phi0, D, lambda, z0."""
_MEV_PER_T_MM = 0.29979
_SMALL = 1e-4


@kernel
def transverse_momentum_mev(c: float, field_t: float) -> float:
    """Transverse momentum (MeV/c) of a particle of unit charge, 0.29979 B |Rc|."""
    return float(_MEV_PER_T_MM * field_t / (2 * max(abs(c), 1e-12)))


@kernel
def at_radius(c: float, distance: float, r: float) -> tuple[float, float]:
    """Place on the helix at distance r from the axis: along phi0 and across it (mm).

    Where the helix does not reach r, the nearest to it on the line through its centre.
    """
    across = distance + c * (r * r - distance * distance) / (1 + 2 * c * distance)
    return sqrt(max(r * r - across * across, 0.0)), across


@kernel
def arc_at_radius(helix: FloatArray, r: float) -> float:
    """Arc length s (mm) at distance r from the axis, on the way out; 0 inside the closest
    approach."""
    along, across = at_radius(helix[0], helix[2], r)
    chord = sqrt(along * along + (across - helix[2]) ** 2) if r > abs(helix[2]) else 0.0
    b = min(max(helix[0] * chord, -1.0), 1.0)
    return float(chord * (asin(b) / b if abs(b) > _SMALL else 1 + b * b / 6))


@kernel
def _from_perigee(c: float, s: float) -> tuple[float, float]:
    """Displacement after arc s, along phi0 and across it (mm)."""
    turn = 2 * c * s
    if abs(turn) < _SMALL:
        return s * (1 - turn * turn / 6), s * turn / 2
    return s * sin(turn) / turn, s * (1 - cos(turn)) / turn


@kernel
def position_at_arc(helix: FloatArray, s: float) -> tuple[float, float, float]:
    """Point (x, y, z) after arc s (mm) from the closest approach; s may be negative."""
    along, across = _from_perigee(helix[0], s)
    across += helix[2]
    cos0, sin0 = cos(helix[1]), sin(helix[1])
    x, y = along * cos0 - across * sin0, along * sin0 + across * cos0
    return x, y, helix[4] + helix[3] * s


@kernel
def position_variance(
    helix: FloatArray, variance: FloatArray, s: float
) -> tuple[float, float, float]:
    """Variances (mm2) of x, y, z at a fixed arc s from those of the five numbers, taken as
    independent."""
    c, cos0, sin0 = helix[0], cos(helix[1]), sin(helix[1])
    along, across = _from_perigee(c, s)
    turn = 2 * c * s
    if abs(turn) < _SMALL:
        d_along, d_across = -2 * turn * s * s / 3, s * s
    else:
        d_along = (s * cos(turn) - along) / c
        d_across = (s * sin(turn) - across) / c
    x = along * cos0 - (across + helix[2]) * sin0
    y = along * sin0 + (across + helix[2]) * cos0
    v_x = variance[0] * (d_along * cos0 - d_across * sin0) ** 2
    v_y = variance[0] * (d_along * sin0 + d_across * cos0) ** 2
    v_x += variance[1] * y * y + variance[2] * sin0 * sin0
    v_y += variance[1] * x * x + variance[2] * cos0 * cos0
    return v_x, v_y, variance[3] * s * s + variance[4]

"""Motion in the magnetic field: exact helix steps, rotations and boosts, in compiled code.

Lengths in mm, momenta in MeV/c, fields in tesla. A positive particle turns clockwise seen from +z
where the field points along +z.
"""

from __future__ import annotations

from math import cos, sin, sqrt
from typing import Final

import numpy as np

from blackett.alphag.geometry.compiled import kernel

__all__ = ["boosted_energy_momentum", "deflected", "helix_step", "isotropic_direction", "kicked"]

CURVATURE: Final = 0.299792458
"""Curvature (1/mm) of a particle of charge 1 with 1 MeV/c in 1 T."""
_STRAIGHT = 1e-9
_SMALL = 0.25**2


@kernel
def helix_step(
    x: float, y: float, z: float, ux: float, uy: float, uz: float,
    bx: float, by: float, bz: float, charge_over_p: float, step: float,
) -> tuple[float, float, float, float, float, float]:  # fmt: skip
    """Position and direction after a step of arc length `step` mm in a uniform field."""
    b = sqrt(bx * bx + by * by + bz * bz)
    k = CURVATURE * charge_over_p * b
    if abs(k) < _STRAIGHT:
        return x + step * ux, y + step * uy, z + step * uz, ux, uy, uz
    inverse = 1 / b
    hx, hy, hz = bx * inverse, by * inverse, bz * inverse
    along = ux * hx + uy * hy + uz * hz
    px, py, pz = ux - along * hx, uy - along * hy, uz - along * hz
    cx, cy, cz = uy * hz - uz * hy, uz * hx - ux * hz, ux * hy - uy * hx
    turn = k * step
    sine, cosine = _sine_over(turn), _versine_over(turn)
    s, c = turn * sine, 1 - turn * cosine
    a1, a2, a3 = step * sine, step * cosine, along * step
    return (
        x + a1 * px + a2 * cx + a3 * hx,
        y + a1 * py + a2 * cy + a3 * hy,
        z + a1 * pz + a2 * cz + a3 * hz,
        c * px + s * cx + along * hx,
        c * py + s * cy + along * hy,
        c * pz + s * cz + along * hz,
    )


@kernel
def _sine_over(x: float) -> float:
    """sin(x) / x, by its series below 0.25, where that is exact to rounding."""
    q = x * x
    if q < _SMALL:
        return 1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72)))
    return sin(x) / x


@kernel
def _versine_over(x: float) -> float:
    """(1 - cos(x)) / x, by its series below 0.25."""
    q = x * x
    if q < _SMALL:
        return x / 2 * (1 - q / 12 * (1 - q / 30 * (1 - q / 56 * (1 - q / 90))))
    return (1 - cos(x)) / x


@kernel
def deflected(
    ux: float, uy: float, uz: float, cos_theta: float, phi: float
) -> tuple[float, float, float]:
    """The unit vector at polar angle theta and azimuth phi about a unit vector."""
    sin_theta = sqrt(max(1 - cos_theta * cos_theta, 0.0))
    return tilted(ux, uy, uz, sin_theta * cos(phi), sin_theta * sin(phi), cos_theta)


@kernel
def kicked(
    ux: float, uy: float, uz: float, angle_x: float, angle_y: float
) -> tuple[float, float, float]:
    """A unit vector turned by an angle (at most pi) whose projections on two axes are given."""
    angle = min(sqrt(angle_x * angle_x + angle_y * angle_y), np.pi)
    scale = _sine_over(angle)
    cosine = 1 - angle * _versine_over(angle)
    return tilted(ux, uy, uz, scale * angle_x, scale * angle_y, cosine)


@kernel
def tilted(
    ux: float, uy: float, uz: float, a: float, b: float, c: float
) -> tuple[float, float, float]:
    """The unit vector with components a, b across a unit vector and c along it."""
    t = sqrt(ux * ux + uy * uy)
    if t < 1e-9:
        sign = 1.0 if uz > 0 else -1.0
        return a, b * sign, c * sign
    inverse = 1 / t
    vx = c * ux + (a * ux * uz - b * uy) * inverse
    vy = c * uy + (a * uy * uz + b * ux) * inverse
    vz = c * uz - a * t
    norm = 1 / sqrt(vx * vx + vy * vy + vz * vz)
    return vx * norm, vy * norm, vz * norm


@kernel
def isotropic_direction(rng: np.random.Generator) -> tuple[float, float, float]:
    """A unit vector, uniform on the sphere."""
    c, phi = 2 * rng.random() - 1, 2 * np.pi * rng.random()
    s = sqrt(1 - c * c)
    return s * cos(phi), s * sin(phi), c


@kernel
def boosted_energy_momentum(
    energy: float, px: float, py: float, pz: float, vx: float, vy: float, vz: float
) -> tuple[float, float, float, float]:
    """(E, p) in the laboratory of a particle whose frame moves with velocity v (units of c)."""
    v2 = vx * vx + vy * vy + vz * vz
    gamma = 1 / sqrt(1 - v2)
    along = px * vx + py * vy + pz * vz
    factor = gamma * gamma / (gamma + 1) * along + gamma * energy
    return gamma * (energy + along), px + factor * vx, py + factor * vy, pz + factor * vz

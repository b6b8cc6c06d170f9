"""Motion in the magnetic field: exact helix steps, rotations and boosts, in compiled code.

Lengths in mm, momenta in MeV/c, fields in tesla. A positive particle turns clockwise seen from +z
where the field points along +z.
"""

from __future__ import annotations

from math import cos, sin, sqrt
from typing import Final

import numpy as np

from blackett.alphag.geometry.compiled import kernel

__all__ = ["boosted_energy_momentum", "deflected", "helix_step", "isotropic_direction"]

CURVATURE: Final = 0.299792458
"""Curvature (1/mm) of a particle of charge 1 with 1 MeV/c in 1 T."""
_STRAIGHT = 1e-9


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
    hx, hy, hz = bx / b, by / b, bz / b
    along = ux * hx + uy * hy + uz * hz
    px, py, pz = ux - along * hx, uy - along * hy, uz - along * hz
    cx, cy, cz = uy * hz - uz * hy, uz * hx - ux * hz, ux * hy - uy * hx
    s, c = sin(k * step), cos(k * step)
    a1, a2, a3 = s / k, (1 - c) / k, along * step
    return (
        x + a1 * px + a2 * cx + a3 * hx,
        y + a1 * py + a2 * cy + a3 * hy,
        z + a1 * pz + a2 * cz + a3 * hz,
        c * px + s * cx + along * hx,
        c * py + s * cy + along * hy,
        c * pz + s * cz + along * hz,
    )


@kernel
def deflected(
    ux: float, uy: float, uz: float, cos_theta: float, phi: float
) -> tuple[float, float, float]:
    """The unit vector at polar angle theta and azimuth phi about a unit vector."""
    sin_theta = sqrt(max(1 - cos_theta * cos_theta, 0.0))
    a, b = sin_theta * cos(phi), sin_theta * sin(phi)
    t = sqrt(ux * ux + uy * uy)
    if t < 1e-9:
        sign = 1.0 if uz > 0 else -1.0
        return a, b * sign, cos_theta * sign
    vx = cos_theta * ux + (a * ux * uz - b * uy) / t
    vy = cos_theta * uy + (a * uy * uz + b * ux) / t
    vz = cos_theta * uz - a * t
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

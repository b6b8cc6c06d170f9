"""From a track's fit to its one nominal line at the axis.

The chamber hardly measures momentum, so that a fit's curvature is conditioned on what pions have:
0 with the rms of their 1/p. What remains of the curvature gives the nominal momentum, for the
bending and the energy loss on the way in. The way in goes through the field and the layers at the
track's own z, as in `robust.lines`; kinks are those of p beta = 300 MeV, so that their covariance
scales with (300 MeV / p beta)^2.
"""

from __future__ import annotations

from math import cos, isfinite, sin, sqrt
from typing import TYPE_CHECKING, NamedTuple

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.field import interpolate
from blackett.alphag.geometry.layers import boundary_distance, locate
from blackett.alphag.particles import mass_of
from blackett.alphag.preparation.layout import Line
from blackett.alphag.robust.cholesky import factor, invert
from blackett.alphag.robust.fit import KAPPA, LAMBDA, PSI, X, Y, Z, arc_terms
from blackett.alphag.transport.apparatus import DENSITY, X0_MM
from blackett.alphag.transport.energy_loss import restricted_loss
from blackett.alphag.transport.motion import CURVATURE, helix_step

if TYPE_CHECKING:
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray

__all__ = ["ENERGY_LOSS", "ERROR", "STATE", "THICKNESS", "WAY", "Pion", "nominal_line"]

# state on the way inwards: x, y, z, direction, energy (MeV), arc from the entry (mm, negative),
# steps, sums of kink^2 times arc^0, arc^1, arc^2, and radiation lengths by group of layers
UX, UY, UZ, ENERGY, ARC, STEPS, KINKS = range(3, 10)
THICKNESS = 12
"""First of four columns of the state: radiation lengths beyond r = 100 mm, 69, 40, and inside."""
STATE = 16
"""Row of `work` with the state."""
ENERGY_LOSS, WAY, ERROR = ENERGY, ARC, 5
"""Columns of the state with energy loss (MeV) and arc in the end; first row of the fit's error."""
_PION = 211
_STEP_MM = 20.0
_MOST_STEPS = 120
_LOSS_CUT_MEV = 1.0  # harder collisions are rare: the typical loss, not the mean


class Pion(NamedTuple):
    """What a track is taken for: rms of 1/p, limits of the momentum p (MeV/c) at the entry,
    variance of a kink in one radiation length, and `Settings.radial_mm`."""

    inverse_p: float
    low_mev: float
    high_mev: float
    kink2: float
    radial_mm: float


@kernel
def nominal_line(
    world: Apparatus, pion: Pion, t: FloatArray, info: FloatArray, line: FloatArray,
    work: FloatArray,
) -> bool:  # fmt: skip
    """Write the line of helix t (see `layout.Line`) and leave the way in work[STATE], the fit's
    covariance in work[ERROR:]. False for a fit that is singular, or whose line is not finite."""
    for i in range(5):
        for j in range(5):
            work[i, j] = info[i, j]
    if not factor(work, 5):
        return False
    error, cov, move, s = work[ERROR : ERROR + 5], work[11:16], work[10], work[STATE]
    invert(work, error, 5)
    error[3, 3] += (pion.radial_mm * t[LAMBDA]) ** 2
    _, _, bz = interpolate(world.field_step, world.b_r, world.b_z, t[X], t[Y], t[Z])
    scale = CURVATURE * abs(bz) * sqrt(1 + t[LAMBDA] ** 2)
    spread = error[2, 2] + (scale * pion.inverse_p) ** 2
    for i in range(5):
        move[i] = -error[i, 2] * t[KAPPA] / spread
        for j in range(5):
            cov[i, j] = error[i, j] - error[i, 2] * error[2, j] / spread
    kappa = t[KAPPA] + move[2]
    inverse_p = sqrt(max(kappa * kappa + cov[2, 2], 0.0)) / max(scale, 1e-9)
    momentum = 1 / min(max(inverse_p, 1 / pion.high_mev), 1 / pion.low_mev)
    bend = -kappa / scale if bz > 0 else (kappa / scale if bz < 0 else 0.0)
    _start(t, move, momentum, s)
    entry = s[ENERGY]
    while _step(world, pion, bend * momentum, s):
        pass
    _write(world, s, bend * momentum, line)
    _carry(cov, kappa, s, line, work[STATE + 1 : STATE + 5])
    s[ENERGY_LOSS] = s[ENERGY] - entry
    good = isfinite(s[ENERGY_LOSS])
    for c in range(line.size):
        good &= isfinite(line[c])
    return bool(good)


@kernel
def _start(t: FloatArray, move: FloatArray, momentum: float, s: FloatArray) -> None:
    """State at the entry, heading inwards, of the helix with its parameters moved."""
    psi, slope = t[PSI] + move[1], t[LAMBDA] + move[4]
    ut = 1 / sqrt(1 + slope * slope)
    s[0], s[1] = t[X] - move[0] * sin(t[PSI]), t[Y] + move[0] * cos(t[PSI])
    s[2] = t[Z] + move[3]
    s[UX], s[UY], s[UZ] = -ut * cos(psi), -ut * sin(psi), -ut * slope
    s[ENERGY] = sqrt(mass_of(_PION) ** 2 + momentum * momentum)
    for c in range(ARC, THICKNESS + 4):
        s[c] = 0.0


@kernel
def _step(world: Apparatus, pion: Pion, charge: float, s: FloatArray) -> bool:
    """Move inwards through one layer at most; False at the closest approach or outside.

    `charge` is what bends: that of the particle times its momentum's share that the nominal
    curvature stands for.
    """
    if s[0] * s[UX] + s[1] * s[UY] >= 0 or s[STEPS] >= _MOST_STEPS:
        return False
    i, j = locate(world, s[0], s[1], s[2])
    if i < 0:
        return False
    step = boundary_distance(world, i, j, s[0], s[1], s[2], s[UX], s[UY], s[UZ]) + 1e-4
    across = sqrt(s[UX] ** 2 + s[UY] ** 2)
    nearest = -(s[0] * s[UX] + s[1] * s[UY]) / max(across * across, 1e-12) + 1e-3
    step = min(step, min(nearest, _STEP_MM))
    h, mass, r = 0.5 * step, mass_of(_PION), sqrt(s[0] ** 2 + s[1] ** 2)
    p = sqrt(s[ENERGY] ** 2 - mass * mass)
    bx, by, bz = interpolate(
        world.field_step, world.b_r, world.b_z,
        s[0] + h * s[UX], s[1] + h * s[UY], s[2] + h * s[UZ],
    )  # fmt: skip
    moved = helix_step(s[0], s[1], s[2], s[UX], s[UY], s[UZ], bx, by, bz, -charge / p, step)
    s[0], s[1], s[2], s[UX], s[UY], s[UZ] = moved
    s[ARC] -= step * across
    s[STEPS] += 1
    m = world.material[i, j]
    if world.table[m, DENSITY] > 0:
        x0, middle = step / world.table[m, X0_MM], s[ARC] + h * across
        s[KINKS] += pion.kink2 * x0
        s[KINKS + 1] += pion.kink2 * x0 * middle
        s[KINKS + 2] += pion.kink2 * x0 * middle * middle
        s[THICKNESS + _group(r)] += x0
        s[ENERGY] += restricted_loss(world.table, m, _PION, s[ENERGY], _LOSS_CUT_MEV) * step
    return True


@kernel
def _group(r: float) -> int:
    """Group of layers of a step inwards from radius r (mm)."""
    if r > 100:
        return 0
    if r > 69:
        return 1
    return 2 if r > 40.2 else 3


@kernel
def _write(world: Apparatus, s: FloatArray, charge: float, line: FloatArray) -> None:
    """Place, heading and curvature of the line through state s, and its kinks' covariance."""
    ut = max(sqrt(s[UX] ** 2 + s[UY] ** 2), 1e-6)
    slope = -s[UZ] / ut
    line[Line.x], line[Line.y], line[Line.z] = s[0], s[1], s[2]
    line[Line.cosine], line[Line.sine], line[Line.slope] = -s[UX] / ut, -s[UY] / ut, slope
    _, _, bz = interpolate(world.field_step, world.b_r, world.b_z, s[0], s[1], s[2])
    p = sqrt(s[ENERGY] ** 2 - mass_of(_PION) ** 2)
    line[Line.curvature] = -charge * CURVATURE * bz / (p * ut)
    turn, lean, end = 1 + slope * slope, (1 + slope * slope) ** 2, s[ARC]
    m0, m1, m2 = s[KINKS], s[KINKS + 1], s[KINKS + 2]
    lever2, lever = m0 * end * end - 2 * m1 * end + m2, m0 * end - m1
    for c in range(10):
        line[Line.kink_aa + c] = 0.0
    line[Line.kink_aa], line[Line.kink_pa] = turn * lever2, turn * lever
    line[Line.kink_pp], line[Line.kink_zz] = turn * m0, lean * lever2
    line[Line.kink_lz], line[Line.kink_ll] = lean * lever, lean * m0


@kernel
def _carry(
    cov: FloatArray, kappa: float, s: FloatArray, line: FloatArray, jacobian: FloatArray
) -> None:
    """Covariance of the fit (5, 5) and its part along the curvature, carried to the line."""
    _fill_jacobian(jacobian, kappa, line[Line.slope], s[ARC])
    width = sqrt(max(cov[2, 2], 1e-30))
    for m in range(4):
        along = 0.0
        for i in range(5):
            along += jacobian[m, i] * cov[i, 2]
        line[Line.mode_a + m] = along / width
        for n in range(m + 1):
            total = 0.0
            for i in range(5):
                if jacobian[m, i] != 0.0:
                    for j in range(5):
                        total += jacobian[m, i] * cov[i, j] * jacobian[n, j]
            line[Line.cov_aa + m * (m + 1) // 2 + n] = total


@kernel
def _fill_jacobian(jacobian: FloatArray, kappa: float, slope: float, arc: float) -> None:
    """Change of (across, psi, z, lambda) after an arc with (across, psi, kappa, z, lambda) before
    it."""
    sine, cosine, a, b, c, f = arc_terms(kappa, arc)
    for m in range(4):
        for i in range(5):
            jacobian[m, i] = 0.0
    jacobian[0, 0], jacobian[0, 1], jacobian[0, 2] = cosine, a, c
    jacobian[1, 1], jacobian[1, 2] = 1.0, arc
    jacobian[2, 0], jacobian[2, 1], jacobian[2, 2] = -slope * sine, -slope * b, -slope * f
    jacobian[2, 3], jacobian[2, 4], jacobian[3, 4] = 1.0, arc, 1.0

"""From a track's fit to its nominal lines at the axis: a pion's, and those of photons.

The chamber hardly measures momentum, so that a fit's curvature is conditioned on what pions have:
0 with the rms of their 1/p. What remains of the curvature gives the nominal momentum, for the
bending and the energy loss on the way in. The way in goes through the field and the layers at the
track's own z, as in `robust.lines`; kinks are those of p beta = 300 MeV, so that their covariance
scales with (300 MeV / p beta)^2.

A photon's line is that of an electron, whose curvature is conditioned on what electrons have,
followed to a group of layers (`LEAVING_MM`); there it leaves the electron's helix and goes on
straight, so that only what lies outside has scattered it.
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

__all__ = ["ENERGY_LOSS", "ERROR", "LEAVING_MM", "STATE", "THICKNESS", "WAY", "Nominal",
           "nominal_lines"]  # fmt: skip

# state on the way inwards: x, y, z, direction, energy (MeV), arc from the entry (mm, negative),
# steps, sums of kink^2 times arc^0, arc^1, arc^2, and radiation lengths by group of layers
UX, UY, UZ, ENERGY, ARC, STEPS, KINKS = range(3, 10)
THICKNESS = 12
"""First of four columns of the state: radiation lengths beyond r = 100 mm, 69, 40, and inside."""
_MOVE, _COV = 10, 11
STATE = 16
"""Row of `work` with the state."""
ENERGY_LOSS, WAY, ERROR = ENERGY, ARC, 5
"""Columns of the state with energy loss (MeV) and arc in the end; first row of the fit's error."""
LEAVING_MM = (93.5, 73.0, 40.2)
"""Radii at which photons' lines leave the helix: outer chamber and wall, shields, coils."""
_PION, _ELECTRON = 211, 11
_STEP_MM = 20.0
_MOST_STEPS = 120
_MOST_MEV = 1000.0
_LOSS_CUT_MEV = 1.0  # harder collisions are rare: the typical loss, not the mean


class Nominal(NamedTuple):
    """What a track is taken for: rms of 1/p of pions and of electrons, limits of the momentum p
    (MeV/c) of pions at the entry, least one of electrons, variance of a kink in one radiation
    length, and `Settings.radial_mm`."""

    inverse_p: float
    inverse_electron: float
    low_mev: float
    high_mev: float
    low_electron_mev: float
    kink2: float
    radial_mm: float


@kernel
def nominal_lines(
    world: Apparatus, nominal: Nominal, t: FloatArray, info: FloatArray, lines: FloatArray,
    work: FloatArray,
) -> bool:  # fmt: skip
    """Write the lines of helix t (see `layout.Line`), lines (1 + photons', columns): the pion's,
    then photons', by falling radius at which they leave; leave the pion's way in in work[STATE]
    and the fit's covariance in work[ERROR:]. False for a fit that is singular, or has a line that
    is not finite."""
    for i in range(5):
        for j in range(5):
            work[i, j] = info[i, j]
    if not factor(work, 5):
        return False
    error = work[ERROR : ERROR + 5]
    invert(work, error, 5)
    error[3, 3] += (nominal.radial_mm * t[LAMBDA]) ** 2
    _photons(world, nominal, t, error, lines, work)
    _pion(world, nominal, t, error, lines[0], work)
    good = True
    for k in range(lines.shape[0]):
        for c in range(lines.shape[1]):
            good &= isfinite(lines[k, c])
    return bool(good and isfinite(work[STATE, ENERGY_LOSS]))


@kernel
def _pion(
    world: Apparatus, nominal: Nominal, t: FloatArray, error: FloatArray, line: FloatArray,
    work: FloatArray,
) -> None:  # fmt: skip
    """The charged particle's line, to the closest approach."""
    s, cov = work[STATE], work[_COV : _COV + 5]
    kappa, charge = _conditioned(
        world, nominal.inverse_p, nominal.low_mev, nominal.high_mev, _PION, t, error, work
    )
    entry = s[ENERGY]
    while _step(world, nominal, _PION, charge, s):
        pass
    _write(world, s, charge, line)
    _carry(cov, kappa, s, 0.0, line, work[STATE + 1 : STATE + 5])
    s[ENERGY_LOSS] = s[ENERGY] - entry


@kernel
def _photons(
    world: Apparatus, nominal: Nominal, t: FloatArray, error: FloatArray, lines: FloatArray,
    work: FloatArray,
) -> None:  # fmt: skip
    """Straight lines from where an electron's helix meets each radius, or from its closest
    approach where that lies farther out."""
    s, cov = work[STATE], work[_COV : _COV + 5]
    kappa, charge = _conditioned(
        world, nominal.inverse_electron, nominal.low_electron_mev, _MOST_MEV, _ELECTRON, t, error,
        work,
    )  # fmt: skip
    for k in range(len(LEAVING_MM)):
        while s[0] ** 2 + s[1] ** 2 > LEAVING_MM[k] ** 2:
            if not _step(world, nominal, _ELECTRON, charge, s):
                break
        straight = _write_straight(s, lines[1 + k])
        _carry(cov, kappa, s, straight, lines[1 + k], work[STATE + 1 : STATE + 5])


@kernel
def _conditioned(
    world: Apparatus, inverse_rms: float, low_mev: float, high_mev: float, pdg: int, t: FloatArray,
    error: FloatArray, work: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Condition the fit on the curvature of a species: covariance into work[_COV:], the state at
    the entry into work[STATE]; returns the curvature, and what bends: the charge times the
    momentum's share that the curvature stands for."""
    move, cov, s = work[_MOVE], work[_COV : _COV + 5], work[STATE]
    _, _, bz = interpolate(world.field_step, world.b_r, world.b_z, t[X], t[Y], t[Z])
    scale = CURVATURE * abs(bz) * sqrt(1 + t[LAMBDA] ** 2)
    spread = error[2, 2] + (scale * inverse_rms) ** 2
    for i in range(5):
        move[i] = -error[i, 2] * t[KAPPA] / spread
        for j in range(5):
            cov[i, j] = error[i, j] - error[i, 2] * error[2, j] / spread
    kappa = t[KAPPA] + move[2]
    inverse_p = sqrt(max(kappa * kappa + cov[2, 2], 0.0)) / max(scale, 1e-9)
    momentum = 1 / min(max(inverse_p, 1 / high_mev), 1 / low_mev)
    bend = -kappa / scale if bz > 0 else (kappa / scale if bz < 0 else 0.0)
    _start(t, move, momentum, mass_of(pdg), s)
    return kappa, bend * momentum


@kernel
def _start(t: FloatArray, move: FloatArray, momentum: float, mass: float, s: FloatArray) -> None:
    """State at the entry, heading inwards, of the helix with its parameters moved."""
    psi, slope = t[PSI] + move[1], t[LAMBDA] + move[4]
    ut = 1 / sqrt(1 + slope * slope)
    s[0], s[1] = t[X] - move[0] * sin(t[PSI]), t[Y] + move[0] * cos(t[PSI])
    s[2] = t[Z] + move[3]
    s[UX], s[UY], s[UZ] = -ut * cos(psi), -ut * sin(psi), -ut * slope
    s[ENERGY] = sqrt(mass * mass + momentum * momentum)
    for c in range(ARC, THICKNESS + 4):
        s[c] = 0.0


@kernel
def _step(world: Apparatus, nominal: Nominal, pdg: int, charge: float, s: FloatArray) -> bool:
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
    h, mass, r = 0.5 * step, mass_of(pdg), sqrt(s[0] ** 2 + s[1] ** 2)
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
        s[KINKS] += nominal.kink2 * x0
        s[KINKS + 1] += nominal.kink2 * x0 * middle
        s[KINKS + 2] += nominal.kink2 * x0 * middle * middle
        s[THICKNESS + _group(r)] += x0
        s[ENERGY] += restricted_loss(world.table, m, pdg, s[ENERGY], _LOSS_CUT_MEV) * step
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
    _write_kinks(s, s[ARC], line)


@kernel
def _write_straight(s: FloatArray, line: FloatArray) -> float:
    """The straight line through state s where it passes closest to the axis, and the kinks'
    covariance there; returns the way from s (mm, negative inwards)."""
    ut = max(sqrt(s[UX] ** 2 + s[UY] ** 2), 1e-6)
    cosine, sine, slope = -s[UX] / ut, -s[UY] / ut, -s[UZ] / ut
    reach = s[0] * cosine + s[1] * sine
    line[Line.x], line[Line.y] = s[0] - reach * cosine, s[1] - reach * sine
    line[Line.z] = s[2] - reach * slope
    line[Line.cosine], line[Line.sine], line[Line.slope] = cosine, sine, slope
    line[Line.curvature] = 0.0
    _write_kinks(s, s[ARC] - reach, line)
    return float(-reach)


@kernel
def _write_kinks(s: FloatArray, end: float, line: FloatArray) -> None:
    """Covariance of the kinks gathered in state s, at arc `end` from the entry."""
    slope = line[Line.slope]
    turn, lean = 1 + slope * slope, (1 + slope * slope) ** 2
    m0, m1, m2 = s[KINKS], s[KINKS + 1], s[KINKS + 2]
    lever2, lever = m0 * end * end - 2 * m1 * end + m2, m0 * end - m1
    for c in range(10):
        line[Line.kink_aa + c] = 0.0
    line[Line.kink_aa], line[Line.kink_pa] = turn * lever2, turn * lever
    line[Line.kink_pp], line[Line.kink_zz] = turn * m0, lean * lever2
    line[Line.kink_lz], line[Line.kink_ll] = lean * lever, lean * m0


@kernel
def _carry(
    cov: FloatArray, kappa: float, s: FloatArray, straight: float, line: FloatArray,
    jacobian: FloatArray,
) -> None:  # fmt: skip
    """Covariance of the fit (5, 5) and its part along the curvature, carried to the line: along
    the arc of state s, then `straight` on."""
    _fill_jacobian(jacobian, kappa, line[Line.slope], s[ARC])
    for i in range(5):
        jacobian[0, i] += straight * jacobian[1, i]
        jacobian[2, i] += straight * jacobian[3, i]
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

"""From a track's entry into the gas back to the trap: what each kind of particle would have been.

The chamber hardly measures momentum (a pion's curvature is as large as its error), and scattering
goes with it. So a track is not one line but a mixture: for each species, charge and bin of momentum
the measured helix is conditioned on that curvature, followed inwards through the field and the
layers at its own z, with the energy it had lost given back and every layer's scattering at its
lever arm, to where it passes the axis. An electron's line leaves the helix in each group of layers
where a photon may have converted, and goes on straight as the photon did.

A line is a row of `COLUMNS` numbers: logarithm of its weight, a point (mm), the heading's cosine
and sine, lambda = dz/ds, curvature (1/mm), and the covariance of (shift across the heading, psi, z,
lambda), lower triangle by rows.
"""

from __future__ import annotations

from math import cos, exp, log, sin, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.field import interpolate
from blackett.alphag.geometry.layers import boundary_distance, locate
from blackett.alphag.particles import mass_of
from blackett.alphag.robust.cholesky import factor, invert
from blackett.alphag.robust.fit import KAPPA, LAMBDA, PSI, X, Y, Z, arc_terms
from blackett.alphag.transport.apparatus import DENSITY, X0_MM
from blackett.alphag.transport.energy_loss import restricted_loss
from blackett.alphag.transport.motion import CURVATURE, helix_step

if TYPE_CHECKING:
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray

__all__ = ["COLUMNS", "Particles", "lines_of"]

COLUMNS: Final = 18
LOG_WEIGHT, LINE_X, LINE_Y, LINE_Z, COSINE, SINE, SLOPE, CURVE, COVARIANCE = range(9)
# state on the way inwards: x, y, z, direction, energy (MeV), arc from the entry (mm, negative),
# radiation lengths crossed, steps, and sums of kink^2 times arc^0, arc^1, arc^2
UX, UY, UZ, ENERGY, ARC, CROSSED, STEPS, KINKS = range(3, 11)
_STATE = 13
ELECTRON: Final = 11
_STEP_MM = 15.0
_MOST_STEPS = 150
_FARTHEST2 = 25.0  # square of the pull at which a hypothesis is left out
_LOSS_CUT_MEV = 1.0  # harder collisions are rare: the typical loss, not the mean
_PAIRS_PER_X0 = 7 / 9


class Particles(NamedTuple):
    """What may have made a track, as compiled code sees it.

    `kind` (n, 2): PDG number of the positive particle, charge; `number` (n, 5): tracks an event
    expected, lower and upper momentum (MeV/c) at the entry, mean and width of 1/p. `conversion_mm`:
    radii at which an electron's line may leave the helix, falling; `opening_mev`: its angle to the
    photon times its momentum; `scattering_mev`: width of scattering times p beta, over the square
    root of the thickness; `radial_mm`: shift of all points of a track along r; `least_weight`:
    smallest weight that is kept.
    """

    kind: FloatArray
    number: FloatArray
    conversion_mm: FloatArray
    opening_mev: float
    scattering_mev: float
    radial_mm: float
    least_weight: float


@kernel
def lines_of(
    world: Apparatus, particles: Particles, t: FloatArray, info: FloatArray, lines: FloatArray,
    first: int, work: FloatArray,
) -> int:  # fmt: skip
    """Write a track's lines from row `first` on, weights summing to 1; returns the row after them.

    A singular fit gives none.
    """
    for i in range(5):
        for j in range(5):
            work[i, j] = info[i, j]
    if not factor(work, 5):
        return first
    error = work[5:10]
    invert(work, error, 5)
    _add_radial(t, particles.radial_mm, error)
    end = first
    for k in range(particles.kind.shape[0]):
        end = _hypothesis(world, particles, k, t, error, lines, end, work)
    return _pruned(lines, first, end, particles.least_weight)


@kernel
def _add_radial(t: FloatArray, radial_mm: float, error: FloatArray) -> None:
    """A common shift of the points along r moves the helix along z by lambda times it."""
    error[3, 3] += (radial_mm * t[LAMBDA]) ** 2


@kernel
def _pruned(lines: FloatArray, first: int, end: int, least: float) -> int:
    """Drop light lines and normalise the rest."""
    best = -1e300
    for i in range(first, end):
        best = max(best, lines[i, LOG_WEIGHT])
    kept, total = first, 0.0
    for i in range(first, end):
        if lines[i, LOG_WEIGHT] > best + log(least):
            total += exp(lines[i, LOG_WEIGHT] - best)
            for c in range(COLUMNS):
                lines[kept, c] = lines[i, c]
            kept += 1
    for i in range(first, kept):
        lines[i, LOG_WEIGHT] -= best + log(total)
    return kept


@kernel
def _hypothesis(
    world: Apparatus, particles: Particles, k: int, t: FloatArray, error: FloatArray,
    lines: FloatArray, row: int, work: FloatArray,
) -> int:  # fmt: skip
    """Condition the fit on a species' curvature and follow it inwards; returns the next row."""
    pdg, charge, number = int(particles.kind[k, 0]), particles.kind[k, 1], particles.number[k]
    _, _, bz = interpolate(world.field_step, world.b_r, world.b_z, t[X], t[Y], t[Z])
    scale = -charge * CURVATURE * bz * sqrt(1 + t[LAMBDA] ** 2)
    if number[0] <= 0 or abs(scale) < 1e-9:
        return row
    spread = error[2, 2] + (scale * number[4]) ** 2
    missed = scale * number[3] - t[KAPPA]
    if missed * missed > _FARTHEST2 * spread:
        return row
    move, cov, s = work[10], work[11:16], work[16]
    for i in range(5):
        move[i] = error[i, 2] * missed / spread
        for j in range(5):
            cov[i, j] = error[i, j] - error[i, 2] * error[2, j] / spread
    inverse_p = abs(t[KAPPA] + move[2]) / abs(scale)
    momentum = 1 / min(max(inverse_p, 0.67 / number[2]), 1.2 / number[1])
    _start(t, move, momentum, mass_of(pdg), s)
    log_weight = log(number[0]) - 0.5 * (missed * missed / spread + log(spread))
    if pdg == ELECTRON:
        return _photons(world, particles, charge, t, log_weight, cov, lines, row, work)
    while _step(world, particles, pdg, charge, s):
        pass
    _, _, bz = interpolate(world.field_step, world.b_r, world.b_z, s[0], s[1], s[2])
    pt = sqrt(s[ENERGY] ** 2 - mass_of(pdg) ** 2) * max(sqrt(s[UX] ** 2 + s[UY] ** 2), 1e-3)
    _line(t, s, 0.0, -charge * CURVATURE * bz / pt, log_weight, cov, lines[row])
    return row + 1


@kernel
def _start(t: FloatArray, move: FloatArray, momentum: float, mass: float, s: FloatArray) -> None:
    """State at the entry, heading inwards, of the helix with its parameters moved."""
    psi, slope = t[PSI] + move[1], t[LAMBDA] + move[4]
    ut = 1 / sqrt(1 + slope * slope)
    s[0], s[1] = t[X] - move[0] * sin(t[PSI]), t[Y] + move[0] * cos(t[PSI])
    s[2] = t[Z] + move[3]
    s[UX], s[UY], s[UZ] = -ut * cos(psi), -ut * sin(psi), -ut * slope
    s[ENERGY] = sqrt(mass * mass + momentum * momentum)
    for c in range(ARC, _STATE):
        s[c] = 0.0


@kernel
def _photons(
    world: Apparatus, particles: Particles, charge: float, t: FloatArray, log_weight: float,
    cov: FloatArray, lines: FloatArray, row: int, work: FloatArray,
) -> int:  # fmt: skip
    """Follow an electron inwards; a photon's line leaves it in every group of layers."""
    s, passed = work[16], 0.0
    for group in range(particles.conversion_mm.size):
        edge2 = particles.conversion_mm[group] ** 2
        while s[0] ** 2 + s[1] ** 2 > edge2:
            if not _step(world, particles, ELECTRON, charge, s):
                break
        if s[CROSSED] > passed:
            share = (s[CROSSED] - passed) * exp(-_PAIRS_PER_X0 * passed)
            opening2 = (particles.opening_mev / s[ENERGY]) ** 2
            _line(t, s, opening2, 0.0, log_weight + log(share), cov, lines[row])
            row += 1
            passed = s[CROSSED]
    return row


@kernel
def _step(world: Apparatus, particles: Particles, pdg: int, charge: float, s: FloatArray) -> bool:
    """Move inwards through one layer at most; False at the closest approach or outside."""
    if s[0] * s[UX] + s[1] * s[UY] >= 0 or s[STEPS] >= _MOST_STEPS:
        return False
    i, j = locate(world, s[0], s[1], s[2])
    if i < 0:
        return False
    step = boundary_distance(world, i, j, s[0], s[1], s[2], s[UX], s[UY], s[UZ]) + 1e-4
    across = sqrt(s[UX] ** 2 + s[UY] ** 2)
    nearest = -(s[0] * s[UX] + s[1] * s[UY]) / max(across * across, 1e-12) + 1e-3
    step = min(step, min(nearest, _STEP_MM))
    h, mass = 0.5 * step, mass_of(pdg)
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
        x0 = step / world.table[m, X0_MM]
        theta2 = (particles.scattering_mev * s[ENERGY] / (p * p)) ** 2 * x0
        middle = s[ARC] + h * across
        s[CROSSED] += x0
        s[KINKS] += theta2
        s[KINKS + 1] += theta2 * middle
        s[KINKS + 2] += theta2 * middle * middle
        s[ENERGY] += restricted_loss(world.table, m, pdg, s[ENERGY], _LOSS_CUT_MEV) * step
    return True


@kernel
def _line(
    t: FloatArray, s: FloatArray, opening2: float, kappa: float, log_weight: float,
    cov: FloatArray, line: FloatArray,
) -> None:  # fmt: skip
    """The line through state s. Without curvature it goes on straight to its closest approach to
    the axis, with a kink of variance `opening2` where it is now.
    """
    ut = max(sqrt(s[UX] ** 2 + s[UY] ** 2), 1e-6)
    cosine, sine, slope = -s[UX] / ut, -s[UY] / ut, -s[UZ] / ut
    reach = s[0] * cosine + s[1] * sine if kappa == 0.0 else 0.0
    line[LOG_WEIGHT] = log_weight
    line[LINE_X], line[LINE_Y] = s[0] - reach * cosine, s[1] - reach * sine
    line[LINE_Z] = s[2] - reach * slope
    line[COSINE], line[SINE], line[SLOPE], line[CURVE] = cosine, sine, slope, kappa
    arc, end = s[ARC], s[ARC] - reach
    _transported(cov, t[KAPPA], slope, arc, -reach, line)
    turn, lean = 1 + slope * slope, (1 + slope * slope) ** 2
    m0 = s[KINKS] + opening2
    m1 = s[KINKS + 1] + opening2 * arc
    m2 = s[KINKS + 2] + opening2 * arc * arc
    lever2 = m0 * end * end - 2 * m1 * end + m2
    lever = m0 * end - m1
    c = COVARIANCE
    line[c] += turn * lever2
    line[c + 1] += turn * lever
    line[c + 2] += turn * m0
    line[c + 5] += lean * lever2
    line[c + 8] += lean * lever
    line[c + 9] += lean * m0


@kernel
def _transported(
    cov: FloatArray, kappa: float, slope: float, arc: float, straight: float, line: FloatArray
) -> None:
    """Covariance of the fit (5, 5) carried along an arc and then straight on, into the line."""
    sine, cosine, a, b, c, f = arc_terms(kappa, arc)
    end = arc + straight
    # rows: across, psi, z, lambda at the end; columns: across, psi, kappa, z, lambda at the entry
    for m in range(4):
        for n in range(m + 1):
            total = 0.0
            for i in range(5):
                left = _jacobian(m, i, sine, cosine, a, b, c, f, slope, arc, straight, end)
                if left != 0.0:
                    for j in range(5):
                        right = _jacobian(n, j, sine, cosine, a, b, c, f, slope, arc, straight, end)
                        total += left * cov[i, j] * right
            line[COVARIANCE + m * (m + 1) // 2 + n] = total


@kernel
def _jacobian(
    m: int, i: int, sine: float, cosine: float, a: float, b: float, c: float, f: float,
    slope: float, arc: float, straight: float, end: float,
) -> float:  # fmt: skip
    if m == 0:
        if i == 0:
            return cosine
        if i == 1:
            return a + straight
        return c + straight * arc if i == 2 else 0.0
    if m == 1:
        if i == 1:
            return 1.0
        return arc if i == 2 else 0.0
    if m == 2:
        if i == 0:
            return -slope * sine
        if i == 1:
            return -slope * b
        if i == 2:
            return -slope * f
        return 1.0 if i == 3 else end
    return 1.0 if i == 4 else 0.0

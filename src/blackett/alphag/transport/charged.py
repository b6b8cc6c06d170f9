"""Following one charged particle through field and matter, step by step."""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import BAR_COUNT
from blackett.alphag.geometry.field import interpolate
from blackett.alphag.geometry.layers import GAS, SCINTILLATOR, boundary_distance, locate
from blackett.alphag.particles import (
    PION_MEV,
    SPEED_OF_LIGHT_MM_NS,
    charge_of,
    lifetime_mm_of,
    mass_of,
)
from blackett.alphag.transport.apparatus import (
    DENSITY,
    IONISATION,
    MUON_CAPTURE,
    NUCLEAR_FM,
    PION_PER_MM,
    PROTON_SHARE,
    STILL_MEV,
    X0_MM,
    Z_SCATTER,
    Apparatus,
    electron_threshold,
)
from blackett.alphag.transport.energy_loss import delta_rays_per_mm, restricted_loss
from blackett.alphag.transport.hadrons import elastic_cosine, reaction_factor
from blackett.alphag.transport.interactions import (
    decay,
    emit_delta,
    emit_photon,
    momentum_of,
    pion_reaction,
    rest,
)
from blackett.alphag.transport.motion import CURVATURE, deflected, helix_step
from blackett.alphag.transport.scattering import scattered
from blackett.alphag.transport.showers import brems_rate, brems_soft_loss
from blackett.alphag.transport.state import (
    ABANDONED,
    BARS,
    DECAY,
    DEPOSIT,
    ENERGY,
    ESCAPED,
    GAS_PATH,
    GAS_PX,
    GAS_RADIUS,
    GAS_X,
    HADRONIC,
    PATH,
    SEGMENTS,
    STOPPED,
    TIME,
    UX,
    UY,
    UZ,
    Scratch,
    X,
    Y,
    Z,
)

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["follow_charged"]

_PUSH_MM = 1e-4  # past a boundary
_TURN = 0.1  # largest angle (rad) turned in a step in solids
_SAGITTA_MM = 0.1  # of a step in the gas; in vacuum, whichever of the two is longer
_LOSS = 0.15  # largest share of its energy that a particle loses in a step
_VACUUM_STEP_MM = 30.0
_FRESH = 0.002  # change of kinetic energy after which loss and rates are taken anew
_BAR_PITCH = 2 * np.pi / BAR_COUNT


@kernel
def follow_charged(
    world: Apparatus, s: FloatArray, pdg: int, scratch: Scratch, rng: np.random.Generator
) -> int:
    """Follow the particle in `s` to its end; segments, hits and children go to `scratch`.

    Returns how it ended; `s` is left as it was there.
    """
    mass = mass_of(pdg)
    rates, known, known_m, loss, total = scratch.rates, -1.0, -1, 0.0, 0.0
    i, j = locate(world, s[X], s[Y], s[Z])
    while i >= 0:
        m, kinetic = world.material[i, j], s[ENERGY] - mass
        if kinetic < _threshold(world, m, pdg, s):
            return _stop(world, s, pdg, mass, m, scratch, rng)
        if _given_up(world, s, scratch):
            return ABANDONED
        if m != known_m or abs(kinetic - known) > _FRESH * kinetic:
            loss = _mean_loss(world, m, pdg, s[ENERGY])
            total = _fill_rates(world, m, pdg, mass, s[ENERGY], rates)
            known, known_m = kinetic, m
        step = _step_limit(world, s, mass, i, j, m, loss)
        distance = -log(1 - rng.random()) / total if total > 0 else 1e9
        _advance(world, s, pdg, mass, m, min(step, distance), loss, scratch, rng)
        if distance <= step:
            end = _happen(world, s, pdg, m, rates, scratch, rng)
            if end > 0:
                return end
        i, j = _relocated(world, i, j, s[X], s[Y], s[Z])
    return ESCAPED


@kernel
def _relocated(world: Apparatus, i: int, j: int, x: float, y: float, z: float) -> tuple[int, int]:
    """As `locate`, from the slice and shell of a point nearby."""
    r = sqrt(x * x + y * y)
    if r >= world.r_edges[0, -1] or z < world.z_edges[0] or z >= world.z_edges[-1]:
        return -1, -1
    while z >= world.z_edges[i + 1]:
        i += 1
    while z < world.z_edges[i]:
        i -= 1
    j = min(j, world.shells[i] - 1)
    while j + 1 < world.shells[i] and r >= world.r_edges[i, j + 1]:
        j += 1
    while r < world.r_edges[i, j]:
        j -= 1
    return i, j


@kernel
def _threshold(world: Apparatus, m: int, pdg: int, s: FloatArray) -> float:
    """Kinetic energy (MeV) below which a particle is stopped where it is; none in vacuum."""
    if abs(pdg) == 11:
        return electron_threshold(world, m, s)
    return STILL_MEV if world.table[m, DENSITY] == 0 else world.heavy


@kernel
def _given_up(world: Apparatus, s: FloatArray, scratch: Scratch) -> bool:
    full = scratch.counts[SEGMENTS] >= scratch.segments.shape[0] - 1
    full |= scratch.counts[BARS] >= scratch.bars.shape[0] - 1
    return bool(full or s[PATH] > world.max_path or s[TIME] > world.max_time)


@kernel
def _stop(
    world: Apparatus, s: FloatArray, pdg: int, mass: float, m: int,
    scratch: Scratch, rng: np.random.Generator,
) -> int:  # fmt: skip
    """Deposit what is left; unstable particles then decay or are captured."""
    kinetic = s[ENERGY] - mass
    s[DEPOSIT] += kinetic
    s[ENERGY] = mass
    if m == GAS:
        _record_segment(s, s[X], s[Y], s[Z], s[TIME], 0.0, 0.0, kinetic, scratch)
    elif m == SCINTILLATOR:
        _record_bar(s, s[X], s[Y], s[Z], s[TIME], kinetic, scratch)
    if abs(pdg) in (13, 211):
        return rest(s, pdg, world.table[m, MUON_CAPTURE], scratch, rng)
    return STOPPED


@kernel
def _mean_loss(world: Apparatus, m: int, pdg: int, energy: float) -> float:
    """Continuous loss (MeV/mm): collisions below the delta cut, photons below the brems cut."""
    if world.table[m, DENSITY] == 0:
        return 0.0
    cut = world.delta_gas if m == GAS else world.delta_solid
    loss = restricted_loss(world.table, m, pdg, energy, cut)
    if abs(pdg) == 11:
        loss += brems_soft_loss(energy, world.brems, world.table[m, X0_MM])
    return loss


@kernel
def _step_limit(
    world: Apparatus, s: FloatArray, mass: float, i: int, j: int, m: int, loss: float
) -> float:
    """The longest step allowed: to the boundary, by curvature, by energy loss, by material."""
    boundary = boundary_distance(world, i, j, s[X], s[Y], s[Z], s[UX], s[UY], s[UZ])
    step = boundary + _PUSH_MM
    p = momentum_of(s[ENERGY], mass)
    radius = p / (CURVATURE * world.b_max)
    bent = sqrt(8 * _SAGITTA_MM * radius)
    if world.table[m, DENSITY] == 0:
        return min(step, max(bent, _TURN * radius), _VACUUM_STEP_MM)
    step = min(step, bent if m == GAS else _TURN * radius)
    step = min(step, world.gas_step if m == GAS else world.solid_step)
    if loss > 0:
        step = min(step, max(_LOSS * (s[ENERGY] - mass) / loss, 1e-3))
    return step


@kernel
def _fill_rates(
    world: Apparatus, m: int, pdg: int, mass: float, energy: float, rates: FloatArray
) -> float:
    """Rates per mm of decay, delta ray, bremsstrahlung, pion reaction, elastic; returns the sum."""
    rates[:] = 0.0
    kind = abs(pdg)
    if kind in (13, 211):
        rates[0] = mass / (momentum_of(energy, mass) * lifetime_mm_of(pdg))
    if world.table[m, DENSITY] > 0:
        cut = world.delta_gas if m == GAS else world.delta_solid
        rates[1] = delta_rays_per_mm(world.table, m, pdg, energy, cut)
        if kind == 11:
            rates[2] = brems_rate(energy, world.brems, world.table[m, X0_MM])
        elif kind == 211:
            factor = reaction_factor(energy - PION_MEV) * world.pion_reaction
            rates[3] = world.table[m, PION_PER_MM] * factor
            rates[4] = rates[3] * world.pion_elastic
    return float(rates[0] + rates[1] + rates[2] + rates[3] + rates[4])


@kernel
def _advance(
    world: Apparatus, s: FloatArray, pdg: int, mass: float, m: int, step: float, loss: float,
    scratch: Scratch, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Move along the helix, then lose energy and scatter; record the step in gas or
    scintillator.
    """
    x, y, z, t = s[X], s[Y], s[Z], s[TIME]
    p = momentum_of(s[ENERGY], mass)
    beta = p / s[ENERGY]
    bx, by, bz = interpolate(
        world.field_step, world.b_r, world.b_z,
        x + 0.5 * step * s[UX], y + 0.5 * step * s[UY], z + 0.5 * step * s[UZ],
    )  # fmt: skip
    moved = helix_step(x, y, z, s[UX], s[UY], s[UZ], bx, by, bz, charge_of(pdg) / p, step)
    s[X], s[Y], s[Z], s[UX], s[UY], s[UZ] = moved
    s[TIME] += step / (beta * SPEED_OF_LIGHT_MM_NS)
    s[PATH] += step
    if world.table[m, DENSITY] == 0:
        return
    lost = min(_fluctuated(world, m, pdg, s[ENERGY], loss * step, step, rng), s[ENERGY] - mass)
    s[ENERGY] -= lost
    s[DEPOSIT] += lost
    s[UX], s[UY], s[UZ] = scattered(world.table, m, p, beta, step, s[UX], s[UY], s[UZ], rng)
    if m == GAS:
        _enter_gas(s, x, y, z, p, moved)
        s[GAS_PATH] += step
        s[GAS_RADIUS] = max(s[GAS_RADIUS], sqrt(s[X] * s[X] + s[Y] * s[Y]))
        _record_segment(s, x, y, z, t, step, p / mass, lost, scratch)
    elif m == SCINTILLATOR:
        _record_bar(s, x, y, z, t, lost, scratch)


@kernel
def _fluctuated(
    world: Apparatus, m: int, pdg: int, energy: float, mean: float, step: float,
    rng: np.random.Generator,
) -> float:  # fmt: skip
    """Loss in a step: in solids the mean with the Gaussian straggling of collisions below the
    cut.
    """
    if m == GAS or mean <= 0:
        return mean
    beta2 = 1 - (mass_of(pdg) / energy) ** 2
    cut = min(world.delta_solid, 0.5 * energy)
    variance = world.table[m, IONISATION] / (2 * beta2) * step * cut
    width = min(sqrt(variance), mean / 2)
    return max(mean + width * rng.standard_normal(), 0.0)


@kernel
def _enter_gas(
    s: FloatArray, x: float, y: float, z: float, p: float,
    moved: tuple[float, float, float, float, float, float],
) -> None:  # fmt: skip
    """Note position and momentum at the first step in the gas (direction: that of its chord)."""
    if s[GAS_PATH] > 0:
        return
    dx, dy, dz = moved[0] - x, moved[1] - y, moved[2] - z
    length = sqrt(dx * dx + dy * dy + dz * dz)
    s[GAS_X], s[GAS_X + 1], s[GAS_X + 2] = x, y, z
    s[GAS_PX], s[GAS_PX + 1], s[GAS_PX + 2] = p * dx / length, p * dy / length, p * dz / length


@kernel
def _record_segment(
    s: FloatArray, x: float, y: float, z: float, t: float, step: float, beta_gamma: float,
    lost: float, scratch: Scratch,
) -> None:  # fmt: skip
    n = scratch.counts[SEGMENTS]
    row = scratch.segments[n]
    row[0], row[1], row[2] = x, y, z
    row[3], row[4], row[5] = s[X], s[Y], s[Z]
    row[6], row[7], row[8], row[9] = t, step, beta_gamma, lost
    scratch.counts[SEGMENTS] = n + 1


@kernel
def _record_bar(
    s: FloatArray, x: float, y: float, z: float, t: float, lost: float, scratch: Scratch
) -> None:
    """Add to the hit of the bar where the step ends, or open a new hit where it began."""
    bar = np.floor(np.arctan2(s[Y], s[X]) / _BAR_PITCH + 0.5) % BAR_COUNT
    n = scratch.counts[BARS]
    if n > 0 and scratch.bars[n - 1, 0] == bar:
        scratch.bars[n - 1, 5] += lost
        return
    row = scratch.bars[n]
    row[0], row[1], row[2], row[3], row[4], row[5] = bar, x, y, z, t, lost
    scratch.counts[BARS] = n + 1


@kernel
def _happen(
    world: Apparatus, s: FloatArray, pdg: int, m: int, rates: FloatArray,
    scratch: Scratch, rng: np.random.Generator,
) -> int:  # fmt: skip
    """One discrete process, drawn by its rate; returns how the particle ended, 0 if it goes on."""
    kinetic = s[ENERGY] - mass_of(pdg)
    u, which = rng.random() * rates.sum(), 0
    while which < 4 and u >= rates[which]:
        u -= rates[which]
        which += 1
    if kinetic <= 0:
        return 0
    if which == 0:
        decay(s, pdg, scratch, rng)
        return DECAY
    if which == 3:
        pion_reaction(s, pdg, world.table[m, PROTON_SHARE], scratch, rng)
        return HADRONIC
    _radiate(world, s, pdg, m, which, scratch, rng)
    return 0


@kernel
def _radiate(
    world: Apparatus, s: FloatArray, pdg: int, m: int, which: int,
    scratch: Scratch, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Delta ray (1), bremsstrahlung (2), or elastic scattering off a nucleus (4)."""
    mass = mass_of(pdg)
    if which == 1:
        cut = world.delta_gas if m == GAS else world.delta_solid
        if delta_rays_per_mm(world.table, m, pdg, s[ENERGY], cut) > 0:
            emit_delta(s, pdg, cut, electron_threshold(world, m, s), scratch, rng)
    elif which == 2:
        if s[ENERGY] > world.brems + mass:
            emit_photon(s, max(world.table[m, Z_SCATTER], 1.0), world.brems, scratch, rng)
    else:
        cosine = elastic_cosine(momentum_of(s[ENERGY], mass), world.table[m, NUCLEAR_FM], rng)
        turned = deflected(s[UX], s[UY], s[UZ], cosine, 2 * np.pi * rng.random())
        s[UX], s[UY], s[UZ] = turned

# mypy: disable-error-code="no-any-return"
"""Monte Carlo of photons, electrons and positrons in a set of boxes: energy left in the crystal.

Photons are followed collision by collision. Electrons and positrons go by condensed history: steps
of a few per cent energy loss, one deflection per step at a random hinge with the first two moments
of the multiple-scattering distribution (J. Sempau et al., Nucl. Instrum. Methods B 132 (1997) 377),
steps shortened near surfaces, continuous loss in collisions, and bremsstrahlung photons one by one.
Positrons annihilate at rest. Fluorescence is that of the K shells. Below `ELECTRON_CUT_KEV` (range
about 1 micrometre in the crystals) electrons stop on the spot.

Energies in keV, lengths in mm. One generator, one run: a seed reproduces it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from blackett.gamma.boxes import (
    Box,
    Scene,
    clearance,
    move,
    region_at,
    scene,
    to_surface,
    turn,
)
from blackett.gamma.electrons import BREMSSTRAHLUNG_CUT_KEV, QUANTILES
from blackett.gamma.photons import (
    COHERENT,
    ELECTRON_MASS_KEV,
    INCOHERENT,
    PHOTOELECTRIC,
    k_vacancy,
    locate,
    pair_electron_kev,
    sample_coherent,
    sample_compton,
    sample_process,
    total_per_mm,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from blackett.arrays import FloatArray

__all__ = ["ELECTRON_CUT_KEV", "PHOTON_CUT_KEV", "Box", "Scene", "deposits_kev", "scene"]

ELECTRON_CUT_KEV = 10.0
PHOTON_CUT_KEV = 1.0
LOSS_PER_STEP = 0.06
STEP_NEAR_SURFACE = 0.3  # of the distance to the nearest surface, but at least
SHORTEST_STEP = 0.01  # of the residual range
NUDGE_MM = 1e-7  # past a surface, so that a particle is never on it
PHOTON, ELECTRON, POSITRON = -1, 0, 1
STACK = 256


# -------------------------------------------------------------------------------- bookkeeping

# A particle is a row of eight numbers, see `boxes`.


@njit(cache=True, error_model="numpy")
def _push(
    stack: FloatArray,
    top: int,
    kind: int,
    energy: float,
    at: FloatArray,
    cos: float,
    rng: Generator,
) -> int:
    """Put a particle at the place of another, turned off its direction; returns the new top."""
    if top >= len(stack):
        raise RuntimeError("particle stack is full")
    stack[top, :] = at
    stack[top, 0], stack[top, 1] = kind, energy
    turn(stack[top], cos, rng)
    return top + 1


@njit(cache=True, error_model="numpy")
def _dipole_cosine(kinetic_kev: float, rng: Generator) -> float:
    """From 1/(1 - beta cos)^2, the angle of pair electrons and of bremsstrahlung photons."""
    gamma = 1.0 + kinetic_kev / ELECTRON_MASS_KEV
    beta = math.sqrt(1.0 - 1.0 / (gamma * gamma))
    u = 2.0 * rng.random() - 1.0
    return (u + beta) / (1.0 + beta * u)


@njit(cache=True, error_model="numpy")
def _photoelectron_cosine(kinetic_kev: float, rng: Generator) -> float:
    """Sauter's distribution for the K shell (F. Sauter, Ann. Phys. 403 (1931) 454)."""
    gamma = 1.0 + kinetic_kev / ELECTRON_MASS_KEV
    beta = math.sqrt(1.0 - 1.0 / (gamma * gamma))
    a = 1.0 / beta - 1.0
    extra = 0.5 * beta * gamma * (gamma - 1.0) * (gamma - 2.0)
    highest = 2.0 * (1.0 / a + extra)
    while True:
        u = rng.random()
        nu = 2.0 * a * (2.0 * u + (a + 2.0) * math.sqrt(u)) / ((a + 2.0) ** 2 - 4.0 * u)
        if rng.random() * highest < (2.0 - nu) * (1.0 / (a + nu) + extra):
            return 1.0 - nu


# ------------------------------------------------------------------------------------ photons


@njit(cache=True, error_model="numpy")
def _follow_photon(
    s: Scene, at: FloatArray, stack: FloatArray, top: int, rng: Generator
) -> tuple[float, int]:
    """Follow one photon to its end; returns energy left in the crystal and the stack's top."""
    deposit = 0.0
    while at[1] > PHOTON_CUT_KEV:
        region, surface = region_at(s, at[2], at[3], at[4]), to_surface(s, at)
        if region < 0:
            if surface == np.inf:
                return deposit, top
            move(at, surface + NUDGE_MM)
            continue
        material = s.material[region]
        i, f = locate(s.photons, at[1])
        flight = -math.log(1.0 - rng.random()) / total_per_mm(s.photons, material, i, f)
        if flight >= surface:
            move(at, surface + NUDGE_MM)
            continue
        move(at, flight)
        process = sample_process(s.photons, material, i, f, rng)
        if process == COHERENT:
            turn(at, sample_coherent(s.photons, material, at[1], rng), rng)
        elif process == INCOHERENT:
            top = _scatter(s, material, at, stack, top, rng)
        elif process == PHOTOELECTRIC:
            local, top = _absorb(s, material, at, stack, top, rng)
            deposit += local if region == s.crystal else 0.0
        else:
            top = _make_pair(at, stack, top, rng)
    if at[1] > 0.0 and region_at(s, at[2], at[3], at[4]) == s.crystal:
        deposit += at[1]
    return deposit, top


@njit(cache=True, error_model="numpy")
def _scatter(
    s: Scene, material: int, at: FloatArray, stack: FloatArray, top: int, rng: Generator
) -> int:
    """Compton scattering: the photon goes on, its electron goes on the stack.

    The electron takes the whole energy transfer, binding energy included, and the direction of the
    momentum transfer.
    """
    before = at[1]
    after, cos = sample_compton(s.photons, material, before, rng)
    u, v, w = at[5], at[6], at[7]
    turn(at, cos, rng)
    at[1] = after
    if top >= len(stack):
        raise RuntimeError("particle stack is full")
    electron = stack[top]
    electron[:] = at
    electron[0], electron[1] = ELECTRON, before - after
    qx, qy, qz = before * u - after * at[5], before * v - after * at[6], before * w - after * at[7]
    q = math.sqrt(qx * qx + qy * qy + qz * qz)
    if q > 0.0:
        electron[5], electron[6], electron[7] = qx / q, qy / q, qz / q
    return top + 1


@njit(cache=True, error_model="numpy")
def _absorb(
    s: Scene, material: int, at: FloatArray, stack: FloatArray, top: int, rng: Generator
) -> tuple[float, int]:
    """Photoelectric absorption: the row becomes the K X-ray (or ends); returns what stays here."""
    binding, x_ray = k_vacancy(s.photons, material, at[1], rng)
    kinetic = at[1] - binding
    top = _push(stack, top, ELECTRON, kinetic, at, _photoelectron_cosine(kinetic, rng), rng)
    at[1] = x_ray
    turn(at, 2.0 * rng.random() - 1.0, rng)
    return binding - x_ray, top


@njit(cache=True, error_model="numpy")
def _make_pair(at: FloatArray, stack: FloatArray, top: int, rng: Generator) -> int:
    """Pair production: the photon ends, electron and positron go on the stack."""
    electron = pair_electron_kev(at[1], rng)
    positron = max(at[1] - 2.0 * ELECTRON_MASS_KEV - electron, 0.0)
    top = _push(stack, top, ELECTRON, electron, at, _dipole_cosine(electron, rng), rng)
    top = _push(stack, top, POSITRON, positron, at, _dipole_cosine(positron, rng), rng)
    at[1] = 0.0
    return top


# ---------------------------------------------------------------------- electrons and positrons


@njit(cache=True, error_model="numpy")
def _place(s: Scene, kinetic_kev: float) -> tuple[int, float]:
    """Index and fraction on the electron grid, clamped."""
    grid = s.electrons.ln_energy
    place = (math.log(kinetic_kev) - grid[0]) / (grid[1] - grid[0])
    i = min(max(int(place), 0), len(grid) - 2)
    return i, min(max(place - i, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def _after_path(s: Scene, row: FloatArray, left_mm: float) -> float:
    """Kinetic energy with which this much path to rest is left."""
    grid = s.electrons.ln_energy
    if left_mm <= row[0]:
        return max(left_mm / row[0] * math.exp(grid[0]), 0.0)
    i = min(int(np.searchsorted(row, left_mm)), len(grid) - 1) - 1
    f = (left_mm - row[i]) / (row[i + 1] - row[i])
    return math.exp(grid[i] + f * (grid[i + 1] - grid[i]))


@njit(cache=True, error_model="numpy")
def _deflection_cosine(first: float, second: float, rng: Generator) -> float:
    """One deflection with the given numbers of first and second transport mean free paths.

    Two uniform pieces in mu = (1 - cos)/2 that meet at b, with the right mean of mu and mu^2.
    """
    mean = 0.5 * (1.0 - math.exp(-first))
    square = mean - (1.0 - math.exp(-second)) / 6.0
    b = (2.0 * mean - 3.0 * square) / (1.0 - 2.0 * mean)
    a = 1.0 - 2.0 * mean + b
    mu = b * rng.random() if rng.random() < a else b + (1.0 - b) * rng.random()
    return 1.0 - 2.0 * mu


@njit(cache=True, error_model="numpy")
def _radiate(
    s: Scene,
    material: int,
    at: FloatArray,
    path_mm: float,
    stack: FloatArray,
    top: int,
    rng: Generator,
) -> int:
    """Perhaps emit one bremsstrahlung photon after a stretch of path; takes its energy off."""
    if at[1] <= BREMSSTRAHLUNG_CUT_KEV:
        return top
    i, f = _place(s, at[1])
    row = s.electrons.radiation[material]
    if rng.random() >= path_mm * (row[i] + f * (row[i + 1] - row[i])):
        return top
    quantiles = s.electrons.photon_share[material, i]
    u = rng.random() * (QUANTILES - 1)
    q = min(int(u), QUANTILES - 2)
    share = quantiles[q] + (u - q) * (quantiles[q + 1] - quantiles[q])
    photon = BREMSSTRAHLUNG_CUT_KEV * math.exp(share * math.log(at[1] / BREMSSTRAHLUNG_CUT_KEV))
    top = _push(stack, top, PHOTON, photon, at, _dipole_cosine(at[1], rng), rng)
    at[1] = max(at[1] - photon, 0.0)
    return top


@njit(cache=True, error_model="numpy")
def _path_at(s: Scene, row: FloatArray, kinetic_kev: float) -> float:
    """Path to rest at a kinetic energy."""
    i, f = _place(s, kinetic_kev)
    return row[i] + f * (row[i + 1] - row[i])


@njit(cache=True, error_model="numpy")
def _lose(
    s: Scene,
    material: int,
    at: FloatArray,
    path: float,
    stack: FloatArray,
    top: int,
    rng: Generator,
) -> tuple[float, int]:
    """Energy loss along a stretch of path, perhaps with a photon; returns the loss left behind."""
    row = s.electrons.path_mm[int(at[0]), material]
    after = _after_path(s, row, _path_at(s, row, at[1]) - path)
    lost = at[1] - after
    at[1] = after
    return lost, _radiate(s, material, at, path, stack, top, rng)


@njit(cache=True, error_model="numpy")
def _advance(
    s: Scene,
    material: int,
    at: FloatArray,
    distance: float,
    stack: FloatArray,
    top: int,
    rng: Generator,
) -> tuple[float, bool, int]:
    """Go straight, losing energy, as far as the next surface.

    Returns the energy left behind, whether a surface stopped it, and the stack's top.
    """
    surface = to_surface(s, at)
    stopped = surface <= distance
    path = min(surface, distance)
    move(at, path + (NUDGE_MM if stopped else 0.0))
    lost, top = _lose(s, material, at, path, stack, top, rng)
    return lost, stopped, top


@njit(cache=True, error_model="numpy")
def _stay(
    s: Scene, region: int, at: FloatArray, stack: FloatArray, top: int, rng: Generator
) -> tuple[float, int]:
    """Slow down an electron that cannot cross the crystal's surface: only its radiation moves."""
    material = s.material[region]
    row = s.electrons.path_mm[ELECTRON, material]
    lost = 0.0
    while at[1] > BREMSSTRAHLUNG_CUT_KEV:
        after = 0.75 * at[1]
        path = _path_at(s, row, at[1]) - _path_at(s, row, after)
        lost += at[1] - after
        at[1] = after
        top = _radiate(s, material, at, path, stack, top, rng)
    return lost + at[1], top


@njit(cache=True, error_model="numpy")
def _step(
    s: Scene,
    region: int,
    at: FloatArray,
    left: float,
    clear: float,
    stack: FloatArray,
    top: int,
    rng: Generator,
) -> tuple[float, int]:
    """One condensed step with a random hinge; returns the energy left behind and the stack's top.

    `left` is the path to rest, `clear` the distance to the crystal's surface.
    """
    charge, material = int(at[0]), s.material[region]
    i, f = _place(s, at[1])
    row = s.electrons.path_mm[charge, material]
    step = left - _path_at(s, row, (1.0 - LOSS_PER_STEP) * at[1])
    step = min(step, max(STEP_NEAR_SURFACE * clear, SHORTEST_STEP * left))
    first = s.electrons.first[charge, material]
    second = s.electrons.second[charge, material]
    g1, g2 = first[i] + f * (first[i + 1] - first[i]), second[i] + f * (second[i + 1] - second[i])
    cos = _deflection_cosine(step * g1, step * g2, rng)
    hinge = rng.random() * step
    if region == s.crystal and step < clear:
        move(at, hinge)
        turn(at, cos, rng)
        move(at, step - hinge)
        return _lose(s, material, at, step, stack, top, rng)
    before, stopped, top = _advance(s, material, at, hinge, stack, top, rng)
    if stopped or at[1] <= ELECTRON_CUT_KEV:
        return before, top
    turn(at, cos, rng)
    after, _, top = _advance(s, material, at, step - hinge, stack, top, rng)
    return before + after, top


@njit(cache=True, error_model="numpy")
def _follow_electron(
    s: Scene, at: FloatArray, stack: FloatArray, top: int, rng: Generator
) -> tuple[float, int]:
    """Follow an electron or positron; returns energy left in the crystal and the stack's top."""
    deposit, charge = 0.0, int(at[0])
    while at[1] > ELECTRON_CUT_KEV:
        region = region_at(s, at[2], at[3], at[4])
        if region < 0:
            surface = to_surface(s, at)
            if surface == np.inf:
                return deposit, top
            move(at, surface + NUDGE_MM)
            continue
        left = _path_at(s, s.electrons.path_mm[charge, s.material[region]], at[1])
        clear = clearance(s, region, at)
        stays = left < clear and charge == ELECTRON
        if stays:
            lost, top = _stay(s, region, at, stack, top, rng)
        else:
            lost, top = _step(s, region, at, left, clear, stack, top, rng)
        deposit += lost if region == s.crystal else 0.0
        if stays:
            return deposit, top
    if region_at(s, at[2], at[3], at[4]) == s.crystal:
        deposit += at[1]
    return deposit, _annihilate(at, stack, top, rng) if charge == POSITRON else top


@njit(cache=True, error_model="numpy")
def _annihilate(at: FloatArray, stack: FloatArray, top: int, rng: Generator) -> int:
    """Two annihilation photons back to back from a positron at rest."""
    top = _push(stack, top, PHOTON, ELECTRON_MASS_KEV, at, 2.0 * rng.random() - 1.0, rng)
    if top >= len(stack):
        raise RuntimeError("particle stack is full")
    stack[top] = stack[top - 1]
    stack[top, 5:] *= -1.0
    return top + 1


# ---------------------------------------------------------------------------------- histories


@njit(cache=True, error_model="numpy")
def deposits_kev(s: Scene, photons: FloatArray, rng: Generator) -> FloatArray:
    """Energy in keV that each photon leaves in the crystal, (n,).

    `photons`: (n, 7) rows of energy keV, place x, y, z mm, direction u, v, w (unit vector).
    """
    made = np.zeros(len(photons))
    stack = np.empty((STACK, 8))
    at = np.empty(8)
    for n in range(len(photons)):
        stack[0, 0] = PHOTON
        stack[0, 1:] = photons[n]
        top = 1
        while top > 0:
            top -= 1
            at[:] = stack[top]
            if at[0] == PHOTON:
                deposit, top = _follow_photon(s, at, stack, top, rng)
            else:
                deposit, top = _follow_electron(s, at, stack, top, rng)
            made[n] += deposit
    return made

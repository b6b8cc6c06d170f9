"""What particles do at a point: decays, captures, reactions, and the children they leave."""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.gun.nuclei import MAX_PROTONS, PROTON_RANGE_MEV, PROTONS_PER_ABSORPTION
from blackett.alphag.particles import (
    ELECTRON,
    ELECTRON_MEV,
    MUON_MEV,
    NUCLEON_MEV,
    PHOTON,
    PION_MEV,
    PION_ZERO_MEV,
    POSITRON,
    PROTON,
    PROTON_MEV,
    SPEED_OF_LIGHT_MM_NS,
    lifetime_mm_of,
    mass_of,
)
from blackett.alphag.transport.energy_loss import delta_ray_energy
from blackett.alphag.transport.hadrons import ABSORBED, EXCHANGED, delta_cosine, pion_fate
from blackett.alphag.transport.motion import (
    boosted_energy_momentum,
    deflected,
    isotropic_direction,
)
from blackett.alphag.transport.showers import (
    brems_photon,
    compton_energy,
    emission_cosine,
    pair_share,
)
from blackett.alphag.transport.state import (
    BREMS,
    COMPTON,
    DECAY,
    DELTA,
    DEPOSIT,
    ENERGY,
    HADRONIC,
    PAIR,
    TIME,
    UX,
    UY,
    UZ,
    Scratch,
    push_particle,
)

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["compton", "decay", "emit_delta", "emit_photon", "make_pair", "pion_reaction", "rest"]

_DECAY_MOMENTUM = (PION_MEV**2 - MUON_MEV**2) / (2 * PION_MEV)
_MICHEL_MAX = (MUON_MEV**2 + ELECTRON_MEV**2) / (2 * MUON_MEV)
_PROTON_LOW_MEV, _PROTON_HIGH_MEV = PROTON_RANGE_MEV


@kernel
def momentum_of(energy: float, mass: float) -> float:
    """Momentum (MeV/c) at a total energy."""
    return sqrt(max(energy * energy - mass * mass, 0.0))


@kernel
def decay(s: FloatArray, pdg: int, scratch: Scratch, rng: np.random.Generator) -> None:
    """pi -> mu nu or mu -> e nu nu (Michel spectrum, unpolarised); neutrinos are dropped."""
    ux, uy, uz = isotropic_direction(rng)
    if abs(pdg) == 211:
        child = -13 if pdg > 0 else 13
        p, mass = _DECAY_MOMENTUM, MUON_MEV
    else:
        child = 11 if pdg > 0 else -11
        mass = ELECTRON_MEV
        p = momentum_of(max(_michel_share(rng) * _MICHEL_MAX, mass), mass)
    energy = sqrt(p * p + mass * mass)
    v = momentum_of(s[ENERGY], mass_of(pdg)) / s[ENERGY]
    _, px, py, pz = boosted_energy_momentum(
        energy, p * ux, p * uy, p * uz, v * s[UX], v * s[UY], v * s[UZ]
    )
    push_particle(scratch, s, child, DECAY, px, py, pz)


@kernel
def _michel_share(rng: np.random.Generator) -> float:
    """Electron energy over its maximum: density x^2 (3 - 2x)."""
    while True:
        x = rng.random()
        if rng.random() < x * x * (3 - 2 * x):
            return x


@kernel
def rest(
    s: FloatArray, pdg: int, capture: float, scratch: Scratch, rng: np.random.Generator
) -> int:
    """A particle has stopped: pi+ and muons decay after a while, pi- and some mu- are captured.

    What a captured pi- or mu- knocks out of its nucleus does not reach the gas and is not made.
    Returns how the particle ended: `DECAY` or `HADRONIC`.
    """
    if pdg == -211:
        return HADRONIC
    rate = SPEED_OF_LIGHT_MM_NS / lifetime_mm_of(pdg)
    caught = capture if pdg == 13 else 0.0
    s[TIME] -= log(1 - rng.random()) / (rate + caught)
    if rng.random() * (rate + caught) < caught:
        return HADRONIC
    s[ENERGY] = mass_of(pdg)
    decay(s, pdg, scratch, rng)
    return DECAY


@kernel
def emit_delta(
    s: FloatArray, pdg: int, cut: float, followed: float, scratch: Scratch, rng: np.random.Generator
) -> None:
    """A collision with an electron at rest: energy and momentum go to the delta ray exactly.

    A delta ray below `followed` MeV is deposited.
    """
    mass = mass_of(pdg)
    kinetic = delta_ray_energy(pdg, s[ENERGY], cut, rng)
    p, pd = momentum_of(s[ENERGY], mass), sqrt(kinetic * (kinetic + 2 * ELECTRON_MEV))
    cosine = min(kinetic * (s[ENERGY] + ELECTRON_MEV) / (pd * p), 1.0)
    vx, vy, vz = deflected(s[UX], s[UY], s[UZ], cosine, 2 * np.pi * rng.random())
    px, py, pz = p * s[UX] - pd * vx, p * s[UY] - pd * vy, p * s[UZ] - pd * vz
    norm = sqrt(px * px + py * py + pz * pz)
    s[UX], s[UY], s[UZ] = px / norm, py / norm, pz / norm
    s[ENERGY] -= kinetic
    if kinetic < followed:
        s[DEPOSIT] += kinetic
    else:
        push_particle(scratch, s, ELECTRON, DELTA, pd * vx, pd * vy, pd * vz)


@kernel
def emit_photon(
    s: FloatArray, z: float, cut: float, scratch: Scratch, rng: np.random.Generator
) -> None:
    """Bremsstrahlung; the electron keeps its direction."""
    k = brems_photon(s[ENERGY], cut, z, rng)
    if k <= 0:
        return
    cosine = emission_cosine(s[ENERGY], rng)
    vx, vy, vz = deflected(s[UX], s[UY], s[UZ], cosine, 2 * np.pi * rng.random())
    s[ENERGY] -= k
    push_particle(scratch, s, PHOTON, BREMS, k * vx, k * vy, k * vz)


@kernel
def make_pair(s: FloatArray, z: float, scratch: Scratch, rng: np.random.Generator) -> None:
    """Photon -> e- e+, back to back in azimuth; the nucleus takes the missing momentum."""
    share = pair_share(s[ENERGY], z, rng)
    phi = 2 * np.pi * rng.random()
    for pdg, energy in ((ELECTRON, share * s[ENERGY]), (POSITRON, (1 - share) * s[ENERGY])):
        p = momentum_of(energy, ELECTRON_MEV)
        ux, uy, uz = deflected(s[UX], s[UY], s[UZ], emission_cosine(energy, rng), phi)
        push_particle(scratch, s, pdg, PAIR, p * ux, p * uy, p * uz)
        phi += np.pi


@kernel
def compton(s: FloatArray, cut: float, scratch: Scratch, rng: np.random.Generator) -> None:
    """Compton scattering off an electron at rest; a recoil below `cut` is deposited."""
    energy, cosine = compton_energy(s[ENERGY], rng)
    vx, vy, vz = deflected(s[UX], s[UY], s[UZ], cosine, 2 * np.pi * rng.random())
    px = s[ENERGY] * s[UX] - energy * vx
    py = s[ENERGY] * s[UY] - energy * vy
    pz = s[ENERGY] * s[UZ] - energy * vz
    recoil = s[ENERGY] - energy
    s[ENERGY], s[UX], s[UY], s[UZ] = energy, vx, vy, vz
    if recoil > cut:
        push_particle(scratch, s, ELECTRON, COMPTON, px, py, pz)
    else:
        s[DEPOSIT] += recoil


@kernel
def pion_reaction(
    s: FloatArray, pdg: int, proton_share: float, scratch: Scratch, rng: np.random.Generator
) -> None:
    """A pion reacts with a nucleus and ends; its children go on."""
    fate = pion_fate(s[ENERGY] - PION_MEV, rng)
    if fate == ABSORBED:
        _absorb(s, scratch, rng)
    elif fate == EXCHANGED:
        _neutral_pion(s, scratch, rng)
    else:
        _quasi_free(s, pdg, proton_share, scratch, rng)


@kernel
def _absorb(s: FloatArray, scratch: Scratch, rng: np.random.Generator) -> None:
    left = s[ENERGY]
    for _ in range(MAX_PROTONS):
        if rng.random() * MAX_PROTONS > PROTONS_PER_ABSORPTION:
            continue
        kinetic = _PROTON_LOW_MEV + (_PROTON_HIGH_MEV - _PROTON_LOW_MEV) * rng.random()
        left -= kinetic
        if left < 0:
            break
        ux, uy, uz = isotropic_direction(rng)
        p = momentum_of(kinetic + PROTON_MEV, PROTON_MEV)
        push_particle(scratch, s, PROTON, HADRONIC, p * ux, p * uy, p * uz)


@kernel
def _neutral_pion(s: FloatArray, scratch: Scratch, rng: np.random.Generator) -> None:
    """Charge exchange: a pi0 of the pion's energy decays at once into two photons."""
    v = momentum_of(s[ENERGY], PION_ZERO_MEV) / s[ENERGY]
    k = PION_ZERO_MEV / 2
    ux, uy, uz = isotropic_direction(rng)
    for sign in (1.0, -1.0):
        q = sign * k
        _, px, py, pz = boosted_energy_momentum(
            k, q * ux, q * uy, q * uz, v * s[UX], v * s[UY], v * s[UZ]
        )
        push_particle(scratch, s, PHOTON, HADRONIC, px, py, pz)


@kernel
def _quasi_free(
    s: FloatArray, pdg: int, proton_share: float, scratch: Scratch, rng: np.random.Generator
) -> None:
    """Elastic scattering off a nucleon at rest, 1 + 3 cos^2 in the centre of mass."""
    p = momentum_of(s[ENERGY], PION_MEV)
    total = s[ENERGY] + NUCLEON_MEV
    v = p / total
    mass2 = total * total - p * p
    square = (mass2 - (PION_MEV + NUCLEON_MEV) ** 2) * (mass2 - (NUCLEON_MEV - PION_MEV) ** 2)
    q = sqrt(max(square, 0.0) / (4 * mass2))
    ux, uy, uz = deflected(s[UX], s[UY], s[UZ], delta_cosine(rng), 2 * np.pi * rng.random())
    vx, vy, vz = v * s[UX], v * s[UY], v * s[UZ]
    energy = sqrt(q * q + PION_MEV**2)
    _, px, py, pz = boosted_energy_momentum(energy, q * ux, q * uy, q * uz, vx, vy, vz)
    push_particle(scratch, s, pdg, HADRONIC, px, py, pz)
    if rng.random() < proton_share:
        energy = sqrt(q * q + NUCLEON_MEV**2)
        _, px, py, pz = boosted_energy_momentum(energy, -q * ux, -q * uy, -q * uz, vx, vy, vz)
        push_particle(scratch, s, PROTON, HADRONIC, px, py, pz)

"""What the nucleus that an antiproton annihilates on does to the pions.

A model with named knobs, not a cascade code: no model describes all prong data of antiprotons at
rest on nuclei. The defaults are judgements within the ranges of the ALPHA-g notes: a pion is
absorbed with probability 0.10-0.20, scattered inelastically with 0.06, changes charge with a few
percent; an absorption makes 0-3 protons of 50-150 MeV. Vary them as the hadron-model systematic.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from blackett.alphag.gun.phase_space import boosted, isotropic, two_body_momentum
from blackett.alphag.particles import (
    NUCLEON_MEV,
    PI_MINUS,
    PI_PLUS,
    PI_ZERO,
    PION_MEV,
    PION_ZERO_MEV,
    PROTON,
    PROTON_MEV,
)
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "ALUMINIUM",
    "FREE_PROTON",
    "GOLD",
    "MAX_PROTONS",
    "PROTONS_PER_ABSORPTION",
    "PROTON_RANGE_MEV",
    "STEEL",
    "Nucleus",
    "Particles",
    "rescattered",
]

MAX_PROTONS: Final = 3
"""Most protons of an absorbed pion."""
PROTON_RANGE_MEV: Final = (50.0, 150.0)
"""Their kinetic energies."""
PROTONS_PER_ABSORPTION: Final = 1.2
"""Mean number of such protons, as the presets and the transport have it."""
_SCATTER_TABLE = np.linspace(-1, 1, 2001)


class Particles(NamedTuple):
    """Particles in the making: event number, PDG number, four-momentum (E, px, py, pz) in MeV."""

    event: IntArray
    pdg: IntArray
    momentum: FloatArray


@dataclass(frozen=True)
class Nucleus:
    """A wall material as the annihilation sees it; all fields but the name are probabilities or
    means.
    """

    name: str
    neutron_share: float
    """Share of annihilations on a neutron (default presets: N/A of the nucleus)."""
    absorption: float = 0.0
    """Probability that a pion is absorbed."""
    inelastic: float = 0.0
    """Probability that a pion scatters quasi-freely off a nucleon and leaves."""
    charge_exchange: float = 0.0
    """Probability that a pion changes charge by one."""
    protons_per_absorption: float = 0.0
    """Mean number of protons of 50-150 MeV per absorbed pion, 0 to 3."""

    def __post_init__(self) -> None:
        for field in fields(self)[1:]:
            value, limit = getattr(self, field.name), 1.0
            if field.name == "protons_per_absorption":
                limit = float(MAX_PROTONS)
            if not 0 <= value <= limit:
                raise InputError(f"{field.name} = {value}: give a number from 0 to {limit:g}")
        if self.absorption + self.inelastic + self.charge_exchange > 1:
            raise InputError(f"{self.name}: the three pion probabilities sum to more than 1")


FREE_PROTON: Final = Nucleus("free proton", 0.0)
"""Hydrogen, or the published simulation: no nucleus."""
ALUMINIUM: Final = Nucleus("aluminium", 14 / 27, 0.12, 0.06, 0.03, PROTONS_PER_ABSORPTION)
STEEL: Final = Nucleus("steel", 30 / 56, 0.15, 0.06, 0.03, PROTONS_PER_ABSORPTION)
GOLD: Final = Nucleus("gold", 118 / 197, 0.18, 0.06, 0.03, PROTONS_PER_ABSORPTION)


def rescattered(pions: Particles, nucleus: Nucleus, rng: np.random.Generator) -> Particles:
    """The pions and protons that leave the nucleus; the order of particles is not kept."""
    fate = rng.random(pions.event.size)
    edges = np.cumsum([nucleus.absorption, nucleus.inelastic, nucleus.charge_exchange])
    absorbed, scattered, exchanged = (
        _chosen(pions, (fate >= low) & (fate < high))
        for low, high in zip([0.0, *edges[:2]], edges, strict=True)
    )
    return _joined(
        [
            _chosen(pions, fate >= edges[2]),
            _protons(absorbed, nucleus.protons_per_absorption, rng),
            _quasi_free(scattered, 1 - nucleus.neutron_share, rng),
            _exchanged(exchanged, rng),
        ]
    )


def _chosen(particles: Particles, mask: FloatArray) -> Particles:
    return Particles(*(array[mask] for array in particles))


def _joined(parts: list[Particles]) -> Particles:
    return Particles(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _protons(absorbed: Particles, mean: float, rng: np.random.Generator) -> Particles:
    """Protons from absorptions, as long as the pion's energy lasts."""
    n = absorbed.event.size
    count = rng.binomial(MAX_PROTONS, mean / MAX_PROTONS, n)
    kinetic = rng.uniform(*PROTON_RANGE_MEV, (n, MAX_PROTONS))
    made = np.arange(MAX_PROTONS) < count[:, None]
    made &= np.cumsum(kinetic, axis=1) <= absorbed.momentum[:, :1]
    energy = kinetic[made] + PROTON_MEV
    p = np.sqrt(energy**2 - PROTON_MEV**2)
    vectors = p[:, None] * isotropic(p.size, rng)
    event = np.repeat(absorbed.event, made.sum(axis=1))
    return Particles(
        event, np.full(p.size, PROTON), np.concatenate([energy[:, None], vectors], axis=1)
    )


def _quasi_free(pions: Particles, proton_share: float, rng: np.random.Generator) -> Particles:
    """Elastic scattering off a nucleon at rest, 1 + 3 cos^2 in their centre of mass (Delta)."""
    n = pions.event.size
    total = pions.momentum.copy()
    total[:, 0] += NUCLEON_MEV
    velocity = total[:, 1:] / total[:, :1]
    mass = np.sqrt(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1))
    pion_mass = np.where(pions.pdg == PI_ZERO, PION_ZERO_MEV, PION_MEV)
    p = two_body_momentum(mass, pion_mass, np.full(n, NUCLEON_MEV))
    vector = p[:, None] * _delta_directions(velocity, rng)
    pion = np.concatenate([np.sqrt(p**2 + pion_mass**2)[:, None], vector], axis=1)
    nucleon = np.concatenate([np.sqrt(p**2 + NUCLEON_MEV**2)[:, None], -vector], axis=1)
    struck = rng.random(n) < proton_share
    return _joined(
        [
            Particles(pions.event, pions.pdg, boosted(pion, velocity)),
            Particles(
                pions.event[struck],
                np.full(int(struck.sum()), PROTON),
                _on_shell(boosted(nucleon, velocity)[struck], PROTON_MEV),
            ),
        ]
    )


def _delta_directions(axis: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Unit vectors at polar angles of density 1 + 3 cos^2 to the given axes (n, 3)."""
    n = len(axis)
    cdf = (_SCATTER_TABLE + _SCATTER_TABLE**3 + 2) / 4
    cos, phi = np.interp(rng.random(n), cdf, _SCATTER_TABLE), rng.uniform(0, 2 * np.pi, n)
    sin = np.sqrt(1 - cos**2)
    ez = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    helper = np.where(np.abs(ez[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    ex = np.cross(helper, ez)
    ex /= np.linalg.norm(ex, axis=1, keepdims=True)
    ey = np.cross(ez, ex)
    return np.asarray(
        cos[:, None] * ez + (sin * np.cos(phi))[:, None] * ex + (sin * np.sin(phi))[:, None] * ey
    )


def _exchanged(pions: Particles, rng: np.random.Generator) -> Particles:
    """Charge changed by one, energy and direction kept."""
    charged = np.where(rng.random(pions.event.size) < 0.5, PI_PLUS, PI_MINUS)
    pdg = np.where(pions.pdg == PI_ZERO, charged, PI_ZERO)
    mass = np.where(pdg == PI_ZERO, PION_ZERO_MEV, PION_MEV)
    energy = np.maximum(pions.momentum[:, 0], mass)
    p = np.sqrt(energy**2 - mass**2)
    old = np.linalg.norm(pions.momentum[:, 1:], axis=1)
    vectors = pions.momentum[:, 1:] * (p / np.maximum(old, 1e-12))[:, None]
    return Particles(pions.event, pdg, np.concatenate([energy[:, None], vectors], axis=1))


def _on_shell(momentum: FloatArray, mass: float) -> FloatArray:
    energy = np.sqrt((momentum[:, 1:] ** 2).sum(axis=1) + mass**2)
    return np.concatenate([energy[:, None], momentum[:, 1:]], axis=1)

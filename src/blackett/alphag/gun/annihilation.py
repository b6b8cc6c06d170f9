"""Antiprotons annihilating at rest: the particles that leave the wall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.gun.channels import Channel, neutron_channels, proton_channels
from blackett.alphag.gun.nuclei import FREE_PROTON, GOLD, STEEL, Nucleus, Particles, rescattered
from blackett.alphag.gun.phase_space import boosted, isotropic, phase_space
from blackett.alphag.gun.records import Primaries, Vertices
from blackett.alphag.particles import (
    DALITZ_SHARE,
    ELECTRON,
    ELECTRON_MEV,
    NUCLEON_MEV,
    PHOTON,
    PI_ZERO,
    PION_ZERO_MEV,
    POSITRON,
    PROTON_MEV,
)

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["annihilate", "annihilate_on_wall", "neutral_pion_products", "pions"]

_WALL_CHANGE_MM = -380.0  # electrodes below, bare UHV tube above


def annihilate(
    vertices: Vertices, rng: np.random.Generator, *, nucleus: Nucleus = FREE_PROTON
) -> Primaries:
    """One annihilation at each vertex: charged pions, protons, photons and Dalitz pairs.

    Energies in MeV, all particles at time 0 of their event. The two 511 keV photons of the positron
    are left out: they make nothing in the gas.
    """
    leaving = rescattered(pions(len(vertices), rng, nucleus.neutron_share), nucleus, rng)
    neutral = leaving.pdg == PI_ZERO
    products = neutral_pion_products(Particles(*(a[neutral] for a in leaving)), rng)
    parts = zip((a[~neutral] for a in leaving), products, strict=True)
    event, pdg, momentum = (np.concatenate(pair) for pair in parts)
    order = np.argsort(event, kind="stable")
    event = event[order]
    return Primaries(
        len(vertices),
        event,
        pdg[order],
        vertices.position_mm[event],
        momentum[order, 1:],
        np.zeros(event.size),
    )


def annihilate_on_wall(
    vertices: Vertices,
    rng: np.random.Generator,
    *,
    electrodes: Nucleus = GOLD,
    tube: Nucleus = STEEL,
) -> Primaries:
    """As `annihilate`, on the (gold-plated) electrodes below z = -380 mm and the steel tube
    above.
    """
    below = vertices.position_mm[:, 2] < _WALL_CHANGE_MM
    parts = []
    for mask, nucleus in ((below, electrodes), (~below, tube)):
        chosen = np.flatnonzero(mask)
        some = Vertices(vertices.position_mm[chosen], vertices.time_s[chosen])
        made = annihilate(some, rng, nucleus=nucleus)
        parts.append((chosen[made.event], made.pdg, made.position_mm, made.momentum_mev))
    event, pdg, position, momentum = (np.concatenate(a) for a in zip(*parts, strict=True))
    order = np.argsort(event, kind="stable")
    return Primaries(
        len(vertices),
        event[order],
        pdg[order],
        position[order],
        momentum[order],
        np.zeros(event.size),
    )


def pions(n: int, rng: np.random.Generator, neutron_share: float = 0.0) -> Particles:
    """Pions of n annihilations at rest, before the nucleus acts on them; neutral ones undecayed."""
    on_neutron = rng.random(n) < neutron_share
    parts = []
    for channels, events, partner in (
        (proton_channels(), np.flatnonzero(~on_neutron), PROTON_MEV),
        (neutron_channels(), np.flatnonzero(on_neutron), 2 * NUCLEON_MEV - PROTON_MEV),
    ):
        shares = np.array([c.share for c in channels])
        drawn = rng.choice(shares.size, size=events.size, p=shares / shares.sum())
        parts += [
            _channel_pions(c, events[drawn == i], PROTON_MEV + partner, rng)
            for i, c in enumerate(channels)
        ]
    return Particles(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _channel_pions(
    channel: Channel, events: IntArray, mass: float, rng: np.random.Generator
) -> Particles:
    momenta = phase_space(mass, channel.masses_mev, events.size, rng)
    bodies = len(channel.pdg)
    return Particles(
        np.repeat(events, bodies), np.tile(channel.pdg, events.size), momenta.reshape(-1, 4)
    )


def neutral_pion_products(pions: Particles, rng: np.random.Generator) -> Particles:
    """Two photons for each neutral pion, or e+ e- photon (Dalitz) in 1.17 % of decays."""
    dalitz = rng.random(pions.event.size) < DALITZ_SHARE
    velocity = pions.momentum[:, 1:] / pions.momentum[:, :1]
    parts = []
    for mask, rest, pdg in (
        (~dalitz, _photon_pairs(int((~dalitz).sum()), rng), (PHOTON, PHOTON)),
        (dalitz, _dalitz(int(dalitz.sum()), rng), (ELECTRON, POSITRON, PHOTON)),
    ):
        speed = np.repeat(velocity[mask][:, None, :], len(pdg), axis=1)
        parts.append(
            Particles(
                np.repeat(pions.event[mask], len(pdg)),
                np.tile(pdg, int(mask.sum())),
                boosted(rest, speed).reshape(-1, 4),
            )
        )
    return Particles(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _photon_pairs(n: int, rng: np.random.Generator) -> FloatArray:
    half = PION_ZERO_MEV / 2
    direction = isotropic(n, rng)
    vectors = half * np.stack([direction, -direction], axis=1)
    return np.concatenate([np.full((n, 2, 1), half), vectors], axis=2)


def _dalitz(n: int, rng: np.random.Generator) -> FloatArray:
    """(e-, e+, photon) at rest: pair mass from Kroll and Wada, Phys. Rev. 98 (1955) 1355."""
    mass = _pair_mass(n, rng)
    photon = (PION_ZERO_MEV**2 - mass**2) / (2 * PION_ZERO_MEV)
    direction = isotropic(n, rng)
    pair_velocity = -(photon / (PION_ZERO_MEV - photon))[:, None] * direction
    p = np.sqrt(mass**2 / 4 - ELECTRON_MEV**2)
    vectors = p[:, None] * isotropic(n, rng)
    pair = np.stack(
        [np.concatenate([mass[:, None] / 2, s * vectors], axis=1) for s in (1, -1)], axis=1
    )
    moving = boosted(pair, np.repeat(pair_velocity[:, None, :], 2, axis=1))
    gamma = np.concatenate([photon[:, None], photon[:, None] * direction], axis=1)
    return np.concatenate([moving, gamma[:, None, :]], axis=1)


def _pair_mass(n: int, rng: np.random.Generator) -> FloatArray:
    """Masses from the inverse of the tabulated distribution in ln m^2."""
    edges = np.linspace(np.log(4 * ELECTRON_MEV**2), np.log(PION_ZERO_MEV**2), 2001)
    square = np.exp((edges[1:] + edges[:-1]) / 2)
    ratio = 4 * ELECTRON_MEV**2 / square
    density = np.sqrt(1 - ratio) * (1 + ratio / 2) * (1 - square / PION_ZERO_MEV**2) ** 3
    cdf = np.concatenate([[0.0], np.cumsum(density)])
    return np.asarray(np.exp(np.interp(rng.random(n) * cdf[-1], cdf, edges) / 2))

"""Energy loss of charged particles: restricted Bethe loss and explicit delta rays.

Collisions that free an electron of more than a cut are made one by one; all others are the
restricted mean loss, with Gaussian straggling in solids (in the gas the drift stage makes the
clusters).
"""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.particles import ELECTRON_MEV, mass_of
from blackett.alphag.transport.apparatus import DENSITY, EXCITATION_MEV, IONISATION, STERNHEIMER

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = [
    "delta_ray_energy",
    "delta_rays_per_mm",
    "density_effect",
    "max_transfer",
    "restricted_loss",
]


@kernel
def density_effect(table: FloatArray, m: int, beta_gamma: float) -> float:
    """delta of the Bethe formula, by Sternheimer and Peierls' parameters."""
    x = np.log10(beta_gamma)
    c, x0 = table[m, STERNHEIMER], table[m, STERNHEIMER + 1]
    x1, a = table[m, STERNHEIMER + 2], table[m, STERNHEIMER + 3]
    if x < x0:
        return 0.0
    delta = 4.60517 * x - c
    if x < x1:
        delta += a * (x1 - x) ** 3
    return float(max(delta, 0.0))


@kernel
def max_transfer(pdg: int, energy: float) -> float:
    """Largest energy (MeV) that a collision gives to an electron; half the energy of an
    electron.
    """
    mass = mass_of(pdg)
    if abs(pdg) == 11:
        return (energy - mass) / 2
    gamma = energy / mass
    ratio = ELECTRON_MEV / mass
    square = gamma * gamma - 1
    return 2 * ELECTRON_MEV * square / (1 + 2 * gamma * ratio + ratio * ratio)


@kernel
def restricted_loss(table: FloatArray, m: int, pdg: int, energy: float, cut: float) -> float:
    """Mean loss (MeV/mm) to collisions below `cut` MeV.

    Heavy particles: Particle Data Group, passage of particles, restricted energy loss. Electrons
    and positrons: Berger and Seltzer's formula with Moller's cross section.
    """
    if table[m, DENSITY] == 0:
        return 0.0
    mass = mass_of(pdg)
    gamma = energy / mass
    beta2 = 1 - 1 / (gamma * gamma)
    delta = density_effect(table, m, sqrt(gamma * gamma - 1))
    if abs(pdg) == 11:
        return _electron_loss(table, m, gamma, beta2, delta, cut)
    most = max_transfer(pdg, energy)
    upper = min(cut, most)
    square = table[m, EXCITATION_MEV] ** 2
    bracket = 0.5 * log(2 * ELECTRON_MEV * (gamma * gamma - 1) * upper / square)
    bracket -= beta2 / 2 * (1 + upper / most) + delta / 2
    return float(max(table[m, IONISATION] / beta2 * bracket, 0.0))


@kernel
def _electron_loss(
    table: FloatArray, m: int, gamma: float, beta2: float, delta: float, cut: float
) -> float:
    tau = gamma - 1
    up = min(cut / ELECTRON_MEV, tau / 2)
    excitation = table[m, EXCITATION_MEV] / ELECTRON_MEV
    f = -1 - beta2 + log((tau - up) * up) + tau / (tau - up)
    f += (up * up / 2 + (2 * tau + 1) * log(1 - up / tau)) / (gamma * gamma)
    bracket = log(2 * (gamma + 1) / (excitation * excitation)) + f - delta
    return float(max(table[m, IONISATION] / (2 * beta2) * bracket, 0.0))


@kernel
def delta_rays_per_mm(table: FloatArray, m: int, pdg: int, energy: float, cut: float) -> float:
    """Collisions per mm that free an electron of more than `cut` MeV.

    d2N/dx dT = K/2 Z/A density / beta^2 (1 - beta^2 T/Tmax) / T^2 (Particle Data Group); for
    electrons and positrons without the bracket, the leading term of Moller's cross section.
    """
    most = max_transfer(pdg, energy)
    if most <= cut:
        return 0.0
    mass = mass_of(pdg)
    beta2 = 1 - (mass / energy) ** 2
    count = 1 / cut - 1 / most
    if abs(pdg) != 11:
        count -= beta2 / most * log(most / cut)
    return float(table[m, IONISATION] / (2 * beta2) * max(count, 0.0))


@kernel
def delta_ray_energy(pdg: int, energy: float, cut: float, rng: np.random.Generator) -> float:
    """Kinetic energy (MeV) of a delta ray above the cut."""
    most = max_transfer(pdg, energy)
    mass = mass_of(pdg)
    beta2 = 1 - (mass / energy) ** 2
    while True:
        u = rng.random()
        transfer = cut / (1 - u * (1 - cut / most))
        if abs(pdg) == 11 or rng.random() < 1 - beta2 * transfer / most:
            return transfer

"""Photons and electrons at MeV to GeV energies: pair production, Compton scattering,
bremsstrahlung.

Energy sharing follows Bethe and Heitler with the screening functions of Butcher and Messel (Nucl.
Phys. 20, 1960, 15) and the Coulomb correction above 50 MeV; angles follow Tsai's distribution in u
= E theta / m as sampled in EGS and Geant4 (0.25 and 0.75 of two exponentials).
"""

from __future__ import annotations

from math import cos, exp, log, pi, sqrt
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.constants import FINE_STRUCTURE
from blackett.alphag.particles import ELECTRON_MEV

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = [
    "attenuation",
    "brems_photon",
    "brems_rate",
    "brems_soft_loss",
    "compton_energy",
    "emission_cosine",
    "energy_node",
    "pair_share",
]

_LOWEST_MEV = 0.1  # PHOTON_ENERGIES_MEV: 40 nodes a decade from here
_NODES_PER_DECADE = 40.0


@kernel
def energy_node(energy: float) -> float:
    """Place of an energy (MeV) among the nodes of the attenuation table."""
    return float(np.log10(max(energy, _LOWEST_MEV) / _LOWEST_MEV) * _NODES_PER_DECADE)


@kernel
def attenuation(photons: FloatArray, m: int, node: float) -> tuple[float, float]:
    """Inverse mean free paths (per mm) for pair production and Compton scattering."""
    node = min(node, photons.shape[1] - 1.001)
    k = int(node)
    w = node - k
    pair = (1 - w) * photons[m, k, 0] + w * photons[m, k + 1, 0]
    return pair, (1 - w) * photons[m, k, 1] + w * photons[m, k + 1, 1]


@kernel
def _screening(delta: float) -> tuple[float, float]:
    if delta > 1:
        both = 21.12 - 4.184 * log(delta + 0.952)
        return both, both
    return (
        20.867 - 3.242 * delta + 0.625 * delta * delta,
        20.209 - 1.930 * delta - 0.086 * delta * delta,
    )


@kernel
def _coulomb(z: float, energy: float) -> float:
    """Half of F(Z): what the nucleus' charge takes off the screening functions."""
    f = 4 / 3 * log(z)
    if energy > 50:
        a = (z * FINE_STRUCTURE) ** 2
        f += 4 * a * (1 / (1 + a) + 0.20206 - 0.0369 * a + 0.0083 * a * a)
    return f


@kernel
def pair_share(energy: float, z: float, rng: np.random.Generator) -> float:
    """Share of the photon's energy that the electron of a pair gets."""
    least = ELECTRON_MEV / energy
    scale, off = 136 * least / z ** (1 / 3), _coulomb(z, energy)
    most = max(_screening(4 * scale)[0] - off, 1e-3)
    while True:
        e = least + (1 - 2 * least) * rng.random()
        f1, f2 = _screening(scale / (e * (1 - e)))
        density = (e * e + (1 - e) ** 2) * (f1 - off) + 2 / 3 * e * (1 - e) * (f2 - off)
        if rng.random() * most < density or most <= 1e-3:
            return e


@kernel
def emission_cosine(energy: float, rng: np.random.Generator) -> float:
    """Cosine of the angle between a lepton of this energy and the photon it meets or makes."""
    a = 0.625 if rng.random() < 0.25 else 1.875
    u = -log((1 - rng.random()) * (1 - rng.random())) / a
    return cos(min(u * ELECTRON_MEV / energy, pi))


@kernel
def compton_energy(energy: float, rng: np.random.Generator) -> tuple[float, float]:
    """Scattered photon's energy (MeV) and cosine, by Klein and Nishina (Butcher and Messel's
    way).
    """
    k = energy / ELECTRON_MEV
    low = 1 / (1 + 2 * k)
    a1, a2 = -log(low), (1 - low * low) / 2
    while True:
        if rng.random() * (a1 + a2) < a1:
            share = exp(-a1 * rng.random())
        else:
            share = sqrt(low * low + (1 - low * low) * rng.random())
        t = (1 - share) / (k * share)
        if rng.random() < 1 - share * t * (2 - t) / (1 + share * share):
            return share * energy, 1 - t


@kernel
def brems_rate(energy: float, cut: float, x0_mm: float) -> float:
    """Photons above `cut` per mm at complete screening: 4/3 - 4/3 y + y^2 over y X0 (PDG)."""
    if energy <= cut:
        return 0.0
    y = cut / energy
    return (4 / 3 * (-log(y) - 1 + y) + (1 - y * y) / 2) / x0_mm


@kernel
def brems_soft_loss(energy: float, cut: float, x0_mm: float) -> float:
    """Loss (MeV/mm) to photons below `cut`."""
    return 4 / 3 * min(cut, energy) / x0_mm


@kernel
def brems_photon(energy: float, cut: float, z: float, rng: np.random.Generator) -> float:
    """A photon's energy (MeV) for a rate at complete screening; 0 if true screening forbids it."""
    low = cut / energy
    while True:
        y = low ** rng.random()
        if rng.random() < 1 - y + 0.75 * y * y:
            break
    if y > 1 - ELECTRON_MEV / energy:
        return 0.0
    off = _coulomb(z, energy)
    full = _spectrum(y, 0.0, off)
    delta = 136 * ELECTRON_MEV / (energy * z ** (1 / 3)) * y / (1 - y)
    return y * energy if rng.random() * full < _spectrum(y, delta, off) else 0.0


@kernel
def _spectrum(y: float, delta: float, off: float) -> float:
    f1, f2 = _screening(delta)
    left = 1 - y
    return (1 + left * left) * (f1 - off) - 2 / 3 * left * (f2 - off)

"""Pions meeting nuclei: how often, and what comes out.

Reaction rate: the pion interaction length of the Particle Data Group (high energy), raised around
the Delta(1232) and lowered towards zero energy with the shape of measured reaction cross sections
(Ashery et al., Phys. Rev. C 23, 1981, 2173: about 1.8 times the high-energy value at 180 MeV on
iron; the shape here is a Breit-Wigner curve of that height, good to about 20 %). Of the reactions
a share falling with energy is absorption, 0.1 charge exchange, the rest quasi-free scattering off
a nucleon. An absorption makes 0-3 protons of 50-150 MeV, as in the annihilating nucleus. Elastic
scattering off whole nuclei has the rate of the reactions and exp(-q^2 R^2 / 3).
"""

from __future__ import annotations

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.constants import HBAR_C_MEV_FM

__all__ = [
    "ABSORBED",
    "EXCHANGED",
    "SCATTERED",
    "delta_cosine",
    "elastic_cosine",
    "pion_fate",
    "reaction_factor",
]

ABSORBED, EXCHANGED, SCATTERED = 0, 1, 2
_DELTA_MEV = 180.0  # kinetic energy
_HALF_WIDTH_MEV = 110.0
_EXCESS = 0.8
_RISE_MEV = 30.0
_EXCHANGE_SHARE = 0.1


@kernel
def reaction_factor(kinetic: float) -> float:
    """Reaction cross section over its high-energy value, for a pion's kinetic energy in MeV."""
    w = (kinetic - _DELTA_MEV) / _HALF_WIDTH_MEV
    return (1 + _EXCESS / (1 + w * w)) * kinetic / (kinetic + _RISE_MEV)


@kernel
def absorption_share(kinetic: float) -> float:
    """Share of absorption among reactions: 0.65 below the Delta, 0.5 on it, 0.25 far above."""
    return 0.25 + 0.40 / (1 + (kinetic / 230.0) ** 2)


@kernel
def pion_fate(kinetic: float, rng: np.random.Generator) -> int:
    """What a reaction does to a pion: `ABSORBED`, `EXCHANGED` or `SCATTERED`."""
    u = rng.random()
    absorbed = absorption_share(kinetic)
    if u < absorbed:
        return ABSORBED
    return EXCHANGED if u < absorbed + _EXCHANGE_SHARE else SCATTERED


@kernel
def elastic_cosine(p: float, nuclear_fm: float, rng: np.random.Generator) -> float:
    """Cosine of elastic scattering off a nucleus of rms radius R: exp(-q^2 R^2 / 3) in q^2."""
    slope = (p * nuclear_fm / HBAR_C_MEV_FM) ** 2 / 3
    most = 1 - np.exp(-4 * slope)
    return float(1 + np.log(1 - most * rng.random()) / (2 * slope))


@kernel
def delta_cosine(rng: np.random.Generator) -> float:
    """Cosine with density 1 + 3 cos^2."""
    if rng.random() < 0.5:
        return 2 * rng.random() - 1
    return float(np.cbrt(2 * rng.random() - 1))

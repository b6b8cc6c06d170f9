"""Cross sections of photons above 0.1 MeV: pair production and Compton scattering.

Photoelectric absorption and coherent scattering are left out: neither makes a particle that reaches
the chamber gas from photons of MeV energies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.geometry.constants import ELECTRON_MEV

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["compton_per_atom", "pair_per_atom"]

# microbarn; polynomials in ln(E/m): the fit of the Geant4 Physics Reference Manual ("BetheHeitler")
# to the tables of Hubbell, Gimm and Overbo (1980), good to 5 % from 1.5 MeV to 100 GeV
_PAIR_FIT = np.array(
    [
        [8.7842e2, -1.9625e3, 1.2949e3, -2.0028e2, 1.2575e1, -2.8333e-1],
        [-1.0342e1, 1.7692e1, -8.2381, 1.3063, -9.0815e-2, 2.3586e-3],
        [-4.5263e2, 1.1161e3, -8.6749e2, 2.1773e2, -2.0467e1, 6.5372e-1],
    ]
)
_FIT_LOW_MEV = 1.5


def pair_per_atom(energies_mev: FloatArray, z: FloatArray) -> FloatArray:
    """Pair production, nucleus and electrons, in barn per atom: shape (elements, energies).

    Below 1.5 MeV the fit is continued to threshold as ((E - 2m)/(1.5 MeV - 2m))^2.
    """
    fitted = np.clip(energies_mev, _FIT_LOW_MEV, 1e5)
    powers = np.log(fitted / ELECTRON_MEV)[None, :] ** np.arange(6)[:, None]
    f1, f2, f3 = _PAIR_FIT @ powers
    zs = z[:, None]
    barn = 1e-6 * zs * (zs + 1) * (f1 + f2 * zs + f3 / zs)
    above = np.clip(energies_mev - 2 * ELECTRON_MEV, 0, None)
    edge = np.minimum(above / (_FIT_LOW_MEV - 2 * ELECTRON_MEV), 1.0) ** 2
    return np.asarray(np.maximum(barn, 0.0) * edge)


def compton_per_atom(energies_mev: FloatArray, z: FloatArray) -> FloatArray:
    """Klein-Nishina cross section of Z free electrons, in barn per atom: (elements, energies)."""
    k = energies_mev / ELECTRON_MEV
    log = np.log1p(2 * k)
    first = (1 + k) / k**2 * (2 * (1 + k) / (1 + 2 * k) - log / k)
    per_electron = 2 * np.pi * 0.0794078 * (first + log / (2 * k) - (1 + 3 * k) / (1 + 2 * k) ** 2)
    return np.outer(z, per_electron)

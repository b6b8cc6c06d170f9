"""Electrons and positrons in matter, 1 keV to 3 MeV: stopping, range, deflection, bremsstrahlung.

Everything the condensed-history transport needs, tabulated for a stack of materials on one grid
of kinetic energies. Energies in keV, lengths in mm.

* Collision stopping power: Berger and Seltzer's form of Bethe's formula with Sternheimer's density
  effect (ICRU Report 37 (1984), equations 2.9 to 2.12; R. M. Sternheimer and R. F. Peierls, Phys.
  Rev. B 3 (1971) 3681), mean excitation energies of ICRU 37 added by Bragg's rule.
* Bremsstrahlung: Born approximation without screening (H. W. Koch and J. W. Motz, Rev. Mod. Phys.
  31 (1959) 920, formula 3BN), less the screening of formula 3BS(e), times Elwert's Coulomb factor
  and (Z + 1)/Z for the electrons of the atom.
* Elastic scattering: Rutherford with Moliere's screening angle (G. Moliere, Z. Naturforsch. 2a
  (1947) 133) and McKinley and Feshbach's factor for spin (Phys. Rev. 74 (1948) 1759).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.gamma.matter import (
    HIGHEST_KEV,
    LOWEST_KEV,
    Material,
    atomic_number,
    data_rows,
)
from blackett.gamma.phototables import ELECTRON_MASS_KEV, FINE_STRUCTURE, R_E_SQUARED_BARN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray

__all__ = [
    "BREMSSTRAHLUNG_CUT_KEV",
    "ElectronTables",
    "bremsstrahlung_barn",
    "collision_stopping_kev_mm",
    "electron_tables",
    "mean_excitation_ev",
    "radiative_stopping_kev_mm",
    "transport_per_mm",
]

BREMSSTRAHLUNG_CUT_KEV = 10.0  # photons above are followed, energy below is lost continuously
GRID = 240
QUANTILES = 65
ELECTRON, POSITRON = 0, 1  # first axis of the tables that depend on the charge


class ElectronTables(NamedTuple):
    """Arrays read by the transport; axes c charge (electron, positron), m materials, t energies."""

    ln_energy: FloatArray  # (t,) equally spaced
    stopping: FloatArray  # (c, m, t) keV/mm, collisions and bremsstrahlung below the cut
    path_mm: FloatArray  # (c, m, t) path to rest at that stopping
    first: FloatArray  # (c, m, t) inverse first transport mean free path, 1/mm
    second: FloatArray  # (c, m, t) inverse second transport mean free path, 1/mm
    radiation: FloatArray  # (m, t) bremsstrahlung photons above the cut, 1/mm
    photon_share: FloatArray  # (m, t, q) quantiles of ln(k/cut) / ln(T/cut)


def electron_tables(stack: Sequence[Material]) -> ElectronTables:
    """Tables for a stack of materials, in the order of the stack."""
    energy = np.geomspace(LOWEST_KEV, HIGHEST_KEV, GRID)
    radiation = [_radiation(m, energy) for m in stack]
    soft = np.array([r[0] for r in radiation])
    stopping = np.array(
        [[collision_stopping_kev_mm(m, energy, c) for m in stack] for c in (ELECTRON, POSITRON)]
    )
    moments = np.array(
        [[transport_per_mm(m, energy, c) for m in stack] for c in (ELECTRON, POSITRON)]
    )
    return ElectronTables(
        ln_energy=np.log(energy),
        stopping=stopping + soft,
        path_mm=_path(energy, stopping + soft),
        first=np.ascontiguousarray(moments[:, :, 0]),
        second=np.ascontiguousarray(moments[:, :, 1]),
        radiation=np.array([r[1] for r in radiation]),
        photon_share=np.array([r[2] for r in radiation]),
    )


def _path(energy: FloatArray, stopping: FloatArray) -> FloatArray:
    """Path to rest (CSDA range); below the grid the stopping power is taken as constant."""
    integrand = energy / stopping
    steps = 0.5 * (integrand[..., 1:] + integrand[..., :-1]) * np.diff(np.log(energy))
    first = energy[0] / stopping[..., :1]
    return np.cumsum(np.concatenate([first, steps], axis=-1), axis=-1)


# ---------------------------------------------------------------------------------- collisions


def mean_excitation_ev(of: Material) -> float:
    """Mean excitation energy in eV: Bragg's rule over the electrons of each element.

    Elements in compounds take ICRU 37's values for condensed compounds (table 5.1): 1.13 times
    the element's value except for H, C, N, O, F and Cl.
    """
    rows = {r[1]: (float(r[3]), float(r[4])) for r in data_rows("elements.csv")[1:]}
    column = 0 if len(of.mass_fractions) == 1 else 1
    atoms = of.atoms_per_barn_cm()
    electrons = {symbol: n * atomic_number(symbol) for symbol, n in atoms.items()}
    ln_sum = sum(n * math.log(rows[symbol][column]) for symbol, n in electrons.items())
    return math.exp(ln_sum / sum(electrons.values()))


def _density_effect(of: Material, energy_kev: FloatArray, excitation_ev: float) -> FloatArray:
    """Sternheimer and Peierls' general formula for condensed matter."""
    # Plasma energy 28.816 eV x sqrt(density x Z/A): electrons/mm3 over 1e21 N_A per g.
    z_over_a_density = of.electrons_per_mm3() / 6.02214076e20
    c = 1.0 + 2.0 * math.log(excitation_ev / (28.816 * math.sqrt(z_over_a_density)))
    x1, limit, shift = (3.0, 5.215, 1.5) if excitation_ev >= 100.0 else (2.0, 3.681, 1.0)
    x0 = 0.2 if c < limit else 0.326 * c - shift
    tau = energy_kev / ELECTRON_MASS_KEV
    x = 0.5 * np.log10(tau * (tau + 2.0))
    a = (c - 4.606 * x0) / (x1 - x0) ** 3
    between = 4.606 * x - c + a * np.maximum(x1 - x, 0.0) ** 3
    return np.where(x < x0, 0.0, between)


def collision_stopping_kev_mm(
    of: Material, energy_kev: FloatArray, charge: int = ELECTRON
) -> FloatArray:
    """Collision stopping power in keV/mm of electrons (0) or positrons (1), same shape."""
    tau = energy_kev / ELECTRON_MASS_KEV
    beta2 = tau * (tau + 2.0) / (tau + 1.0) ** 2
    excitation = mean_excitation_ev(of)
    if charge == ELECTRON:
        f = (1.0 - beta2) * (1.0 + tau**2 / 8.0 - (2.0 * tau + 1.0) * math.log(2.0))
    else:
        t = tau + 2.0
        f = 2.0 * math.log(2.0) - beta2 / 12.0 * (23.0 + 14.0 / t + 10.0 / t**2 + 4.0 / t**3)
    bracket = 2.0 * np.log(1000.0 * energy_kev / excitation) + np.log1p(tau / 2.0) + f
    bracket = bracket - _density_effect(of, energy_kev, excitation)
    # 2 pi r_e^2 m c^2 per electron; 1 barn = 1e-22 mm2
    front = 2.0 * math.pi * R_E_SQUARED_BARN * 1e-22 * ELECTRON_MASS_KEV * of.electrons_per_mm3()
    return np.asarray(front / beta2 * bracket)


# ------------------------------------------------------------------------------- bremsstrahlung


def bremsstrahlung_barn(z: int, energy_kev: FloatArray, photon_kev: FloatArray) -> FloatArray:
    """k dsigma/dk in barn for one atom, electron energy and photon energy broadcast together.

    Zero where the photon energy is not below the electron's.
    """
    k = photon_kev / ELECTRON_MASS_KEV
    e0 = 1.0 + energy_kev / ELECTRON_MASS_KEV
    e = np.maximum(e0 - k, 1.0 + 1e-6)
    born = _born(e0, e, k) - _screening(z, e0, e, k)
    scale = FINE_STRUCTURE * R_E_SQUARED_BARN * z * (z + 1.0) * _icru_scale(z, energy_kev)
    return np.where(e0 - k > 1.0, scale * np.maximum(born, 0.0) * _elwert(z, e0, e), 0.0)


def _icru_scale(z: int, energy_kev: FloatArray) -> FloatArray:
    """What brings the formula to the radiative losses of ICRU 37 (Seltzer and Berger).

    Fitted to the rates of photons above 10 keV in water, Al, Ge, NaI, W and Pb that PEGS4 tables
    normalised to ICRU 37 give (wheel `ompmc` 0.4.0); the formula alone is within 23 % of them.
    """
    nodes = np.log([50.0, 100.0, 200.0, 300.0, 500.0, 1000.0, 2000.0, 3000.0])
    strength = [0.0, 0.4, 0.85, 1.0, 1.03, 0.85, 0.5, 0.3]
    return np.asarray(1.0 + (0.0053 * z - 0.19) * np.interp(np.log(energy_kev), nodes, strength))


def _born(e0: FloatArray, e: FloatArray, k: FloatArray) -> FloatArray:
    """Koch and Motz 3BN without its front factor alpha Z^2 r_e^2/k."""
    p0, p = np.sqrt(e0**2 - 1.0), np.sqrt(e**2 - 1.0)
    l0, l1 = 2.0 * np.log(e0 + p0), 2.0 * np.log(e + p)
    big = 2.0 * np.log((e0 * e + p0 * p - 1.0) / k)
    first = 4.0 / 3.0 - 2.0 * e0 * e * (p**2 + p0**2) / (p * p0) ** 2
    first = first + l0 * e / p0**3 + l1 * e0 / p**3 - l0 * l1 / (p0 * p)
    ratio = 8.0 / 3.0 * e0 * e / (p0 * p) + k**2 * ((e0 * e) ** 2 + (p0 * p) ** 2) / (p0 * p) ** 3
    tail = (e0 * e + p0**2) / p0**3 * l0 - (e0 * e + p**2) / p**3 * l1
    tail = tail + 2.0 * k * e0 * e / (p * p0) ** 2
    return np.asarray(p / p0 * (first + big * (ratio + 0.5 * k / (p0 * p) * tail)))


def _screening(z: int, e0: FloatArray, e: FloatArray, k: FloatArray) -> FloatArray:
    """What screening by the atom's electrons takes off, in the same units (Koch and Motz 3BS)."""
    delta = 136.0 * z ** (-1.0 / 3.0) * k / (e0 * e)
    far = 21.12 - 4.184 * np.log(delta + 0.952)
    phi1 = np.where(delta <= 1.0, 20.867 - 3.242 * delta + 0.625 * delta**2, far)
    phi2 = np.where(delta <= 1.0, 20.209 - 1.930 * delta - 0.086 * delta**2, far)
    bare = np.log(2.0 * e0 * e / k) - 0.5
    less = [np.maximum(bare - (phi / 4.0 - math.log(z) / 3.0), 0.0) for phi in (phi1, phi2)]
    y = e / e0
    return np.asarray(4.0 * ((1.0 + y**2) * less[0] - 2.0 / 3.0 * y * less[1]))


def _elwert(z: int, e0: FloatArray, e: FloatArray) -> FloatArray:
    """Elwert's factor (Ann. Phys. 426 (1939) 178)."""
    turn = 2.0 * math.pi * z * FINE_STRUCTURE
    beta0, beta = np.sqrt(1.0 - e0**-2.0), np.sqrt(1.0 - e**-2.0)
    return np.asarray(beta0 * -np.expm1(-turn / beta0) / (beta * -np.expm1(-turn / beta)))


def _material_bremsstrahlung(
    of: Material, energy_kev: FloatArray, photon_kev: FloatArray
) -> FloatArray:
    """k dsigma/dk of a material in 1/mm."""
    atoms = of.atoms_per_barn_cm().items()
    parts = [
        0.1 * n * bremsstrahlung_barn(atomic_number(s), energy_kev, photon_kev) for s, n in atoms
    ]
    return np.asarray(np.sum(parts, axis=0))


def radiative_stopping_kev_mm(of: Material, energy_kev: FloatArray) -> FloatArray:
    """Radiative stopping power in keV/mm, same shape as the energies (one axis)."""
    share = np.linspace(0.0005, 0.9995, 1000)
    spectrum = _material_bremsstrahlung(of, energy_kev[:, None], energy_kev[:, None] * share)
    return np.asarray(energy_kev * spectrum.mean(axis=1))


def _radiation(of: Material, energy: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Soft radiative stopping (t,), hard photons per mm (t,), quantiles of their energy (t, q)."""
    cut = BREMSSTRAHLUNG_CUT_KEV
    low = np.minimum(cut, energy)[:, None] * np.linspace(0.005, 0.995, 100)
    soft = np.minimum(cut, energy) * _material_bremsstrahlung(of, energy[:, None], low).mean(axis=1)
    span = np.log(np.maximum(energy, cut * 1.0001) / cut)
    place = np.linspace(0.0, 1.0, 400)
    photon = cut * np.exp(span[:, None] * place)
    spectrum = _material_bremsstrahlung(
        of, energy[:, None], np.minimum(photon, 0.9999 * HIGHEST_KEV)
    )
    steps = 0.5 * (spectrum[:, 1:] + spectrum[:, :-1]) * span[:, None] / 399.0
    running = np.concatenate([np.zeros((len(energy), 1)), np.cumsum(steps, axis=1)], axis=1)
    hard = np.where(energy > cut, running[:, -1], 0.0)
    wanted = np.linspace(0.0, 1.0, QUANTILES)
    quantiles = [
        np.interp(wanted * row[-1], row, place) if row[-1] > 0.0 else wanted for row in running
    ]
    return soft, hard, np.array(quantiles)


# --------------------------------------------------------------------------- elastic scattering


def transport_per_mm(of: Material, energy_kev: FloatArray, charge: int = ELECTRON) -> FloatArray:
    """Inverse first and second transport mean free paths, (2, t) in 1/mm.

    First: mean of 1 - cos per mm; second: mean of 3/2 (1 - cos^2) per mm.
    """
    atoms = of.atoms_per_barn_cm().items()
    parts = [0.1 * n * _transport_barn(atomic_number(s), energy_kev, charge) for s, n in atoms]
    return np.asarray(np.sum(parts, axis=0))


def _transport_barn(z: int, energy_kev: FloatArray, charge: int) -> FloatArray:
    """Both transport cross sections of one atom, (2, t) in barn; Z (Z + 1) counts its electrons."""
    tau = (energy_kev / ELECTRON_MASS_KEV)[:, None]
    p2 = tau * (tau + 2.0)
    beta2 = p2 / (tau + 1.0) ** 2
    # Thomas-Fermi radius 0.885 Z^(-1/3) a_0; hbar/(m c a_0) is the fine structure constant
    chi = FINE_STRUCTURE * z ** (1.0 / 3.0) / 0.885
    screening = chi**2 / (4.0 * p2) * (1.13 + 3.76 * (z * FINE_STRUCTURE) ** 2 / beta2)
    # mu = (1 - cos)/2 on nodes equal in ln(mu + screening)
    share = np.linspace(0.0, 1.0, 400)
    v = screening * ((1.0 + screening) / screening) ** share
    mu = np.clip(v - screening, 0.0, 1.0)
    half, beta = np.sqrt(mu), np.sqrt(beta2)
    sign = 1.0 if charge == ELECTRON else -1.0
    spin = 1.0 - beta2 * mu + sign * math.pi * FINE_STRUCTURE * z * beta * half * (1.0 - half)
    front = R_E_SQUARED_BARN * z * (z + 1.0) / (p2 * beta2)
    # dsigma/dOmega = front/(4 v^2), dOmega = 4 pi dmu, dmu = v dln v
    weight = front * math.pi / v * spin
    ln_v = np.log(v)
    moments = [2.0 * mu, 6.0 * mu * (1.0 - mu)]
    return np.array([np.trapezoid(weight * m, ln_v, axis=1) for m in moments])

"""Materials of the apparatus and the numbers of the passage of particles through them.

Radiation lengths, ionisation constants, Moliere constants, pion interaction lengths and photon
cross sections, all per mm, for every material of `data/materials.csv`. A compound's numbers follow
from its elements by mass fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.alphag.geometry.constants import ATOMIC_MEV_CM2_MOL, ELECTRON_MEV, FINE_STRUCTURE
from blackett.alphag.geometry.photon_attenuation import compton_per_atom, pair_per_atom
from blackett.alphag.geometry.tables import read_table
from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = [
    "PHOTON_ENERGIES_MEV",
    "Element",
    "Material",
    "MaterialTable",
    "elements",
    "material",
    "material_table",
    "materials",
]

_AVOGADRO_PER_MOL_BARN = 0.602214076  # atoms per mol times cm2 per barn
PHOTON_ENERGIES_MEV = frozen(np.geomspace(0.1, 1e5, 241))
"""Nodes of the photon attenuation tables."""


@dataclass(frozen=True)
class Element:
    """An element: units as in `data/elements.csv`."""

    symbol: str
    z: int
    a: float
    x0_g_cm2: float
    excitation_ev: float
    pion_length_g_cm2: float
    muon_capture_per_us: float


@dataclass(frozen=True)
class Material:
    """A material: density (g/cm3), gas or solid, and (element, mass fraction) pairs."""

    name: str
    density_g_cm3: float
    gas: bool
    composition: tuple[tuple[Element, float], ...]

    def mean(self, value: str) -> float:
        """Mass-weighted mean of an attribute of the elements."""
        return sum(w * float(getattr(e, value)) for e, w in self.composition)

    @property
    def z_over_a(self) -> float:
        """Electrons per unit of atomic mass (mol/g)."""
        return sum(w * e.z / e.a for e, w in self.composition)

    @property
    def x0_mm(self) -> float:
        """Radiation length; infinite in vacuum."""
        inverse = sum(w / e.x0_g_cm2 for e, w in self.composition) * self.density_g_cm3
        return 10 / inverse if inverse else np.inf

    @property
    def excitation_ev(self) -> float:
        """Mean excitation energy by Bragg's rule (logarithmic mean over electrons)."""
        log = sum(w * e.z / e.a * np.log(e.excitation_ev) for e, w in self.composition)
        return float(np.exp(log / self.z_over_a))


class MaterialTable(NamedTuple):
    """Arrays over materials, in the order of `materials()`, for compiled code. Lengths are per
    mm.
    """

    x0_mm: FloatArray
    density: FloatArray  # g/cm3
    ionisation: FloatArray  # 0.307075 MeV cm2/mol Z/A density, MeV/mm
    excitation_mev: FloatArray
    sternheimer: FloatArray  # (n, 4): C, x0, x1, a of the density effect (power 3)
    moliere: FloatArray  # chi_c^2 (p beta)^2 per mm, MeV2/mm
    screening: FloatArray  # chi_a^2 p^2 without the Born factor, MeV2
    z_scatter: FloatArray  # mean Z as scattering sees it
    nuclear_fm: FloatArray  # rms radius of the scattering nuclei
    pion_per_mm: FloatArray  # inverse pion interaction length
    proton_share: FloatArray  # Z/A of the nuclei that absorb pions
    muon_capture: FloatArray  # rate of capture of bound negative muons, 1/ns
    pair_per_mm: FloatArray  # (n, energies)
    compton_per_mm: FloatArray  # (n, energies)


@cache
def elements() -> dict[str, Element]:
    """The shipped elements by symbol."""
    return {
        row["symbol"]: Element(
            row["symbol"],
            int(row["z"]),
            *(float(value) for value in list(row.values())[2:]),
        )
        for row in read_table("elements.csv")
    }


@cache
def materials() -> tuple[Material, ...]:
    """The shipped materials; the first is vacuum."""
    return tuple(
        Material(
            row["name"],
            float(row["density_g_cm3"]),
            row["gas"] == "1",
            tuple(_parts(row["composition"])),
        )
        for row in read_table("materials.csv")
    )


def _parts(text: str) -> list[tuple[Element, float]]:
    pairs = [part.split(":") for part in text.split(";") if part]
    return [(elements()[symbol], float(fraction)) for symbol, fraction in pairs]


def material(name: str) -> Material:
    """The material of this name; raises `InputError` with the names known."""
    for entry in materials():
        if entry.name == name:
            return entry
    known = ", ".join(m.name for m in materials())
    raise InputError(f"unknown material {name!r}; known: {known}")


def material_table(density_scale: float = 1.0) -> MaterialTable:
    """Constants of all materials; `density_scale` multiplies every density but gas and
    scintillator.

    Raises `InputError` unless the scale is finite and not negative.
    """
    if not (np.isfinite(density_scale) and density_scale >= 0):
        raise InputError(f"material scale {density_scale}: give a finite number >= 0")
    columns = [_constants(m, _scale_of(m, density_scale)) for m in materials()]
    return MaterialTable(
        *(frozen(np.array([c[i] for c in columns])) for i in range(len(columns[0])))
    )


def _scale_of(entry: Material, density_scale: float) -> float:
    return 1.0 if entry.gas or entry.name == "scintillator" else density_scale


def _constants(m: Material, scale: float) -> tuple[float | FloatArray, ...]:
    """One row of `MaterialTable` for a material with its density multiplied by `scale`."""
    density = m.density_g_cm3 * scale
    if density == 0:
        zeros = np.zeros(PHOTON_ENERGIES_MEV.size)
        return (np.inf, 0.0, 0.0, 1.0, np.zeros(4), 0.0, 1.0, 0.0, 1.0, 0.0, 0.5, 0.0, zeros, zeros)
    scatter = np.array([w * e.z * (e.z + 1) / e.a for e, w in m.composition])
    share = scatter / scatter.sum()
    z = np.array([float(e.z) for e, _ in m.composition])
    a = np.array([e.a for e, _ in m.composition])
    return (
        m.x0_mm / scale,
        density,
        0.1 * ATOMIC_MEV_CM2_MOL * m.z_over_a * density,
        m.excitation_ev * 1e-6,
        _sternheimer(m),
        # Moliere's chi_c^2 = 0.157 MeV2 cm2/mol Z(Z+1)/A x / (p beta)^2
        # (Bethe, Phys. Rev. 89, 1953, 1256)
        0.0157 * scatter.sum() * density,
        # chi_0 = hbar / (p a), Thomas-Fermi radius a = 0.885 Bohr Z^(-1/3)
        (ELECTRON_MEV * FINE_STRUCTURE / 0.885) ** 2 * float(np.exp(share @ np.log(z ** (2 / 3)))),
        float(share @ z),
        float(share @ np.where(a > 1.5, 0.82 * np.cbrt(a) + 0.58, 0.84)),
        0.1 * density * sum(w / e.pion_length_g_cm2 for e, w in m.composition),
        m.z_over_a,
        _muon_capture_per_ns(m),
        _per_mm(m, density, pair_per_atom(PHOTON_ENERGIES_MEV, z)),
        _per_mm(m, density, compton_per_atom(PHOTON_ENERGIES_MEV, z)),
    )


def _muon_capture_per_ns(m: Material) -> float:
    """Capture rate averaged over atoms, which catch muons in proportion to Z (Fermi and Teller)."""
    rate = sum(w * e.z / e.a * e.muon_capture_per_us for e, w in m.composition)
    return 1e-3 * rate / m.z_over_a


def _per_mm(m: Material, density: float, barn_per_atom: FloatArray) -> FloatArray:
    """Attenuation per mm from cross sections (elements, energies) in barn per atom."""
    weights = np.array([w / e.a for e, w in m.composition])
    return 0.1 * density * _AVOGADRO_PER_MOL_BARN * weights @ barn_per_atom


def _sternheimer(m: Material) -> FloatArray:
    """C, x0, x1, a of the density effect: Sternheimer and Peierls, Phys. Rev. B 3 (1971) 3681."""
    plasma_ev = 28.816 * np.sqrt(m.density_g_cm3 * m.z_over_a)
    c = 2 * np.log(m.excitation_ev / plasma_ev) + 1
    x0, x1 = _gas_range(c) if m.gas else _solid_range(c, m.excitation_ev)
    return np.array([c, x0, x1, (c - 4.606 * x0) / (x1 - x0) ** 3])


def _gas_range(c: float) -> tuple[float, float]:
    limits = [(10.0, 1.6), (10.5, 1.7), (11.0, 1.8), (11.5, 1.9), (12.25, 2.0)]
    for limit, x0 in limits:
        if c < limit:
            return x0, 4.0
    return (2.0, 5.0) if c < 13.804 else (0.326 * c - 2.5, 5.0)


def _solid_range(c: float, excitation_ev: float) -> tuple[float, float]:
    if excitation_ev < 100:
        return (0.2 if c < 3.681 else 0.326 * c - 1.0), 2.0
    return (0.2 if c < 5.215 else 0.326 * c - 1.5), 3.0

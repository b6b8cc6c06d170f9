"""Materials and their photon cross sections.

Element cross sections are XCOM's (M. J. Berger et al., NIST Standard Reference Database 8):
photoelectric, incoherent (bound Compton), coherent (Rayleigh), and pair + triplet production, 1 keV
to 3 MeV. Compositions and densities, with their sources, are in data/materials.csv.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike
    from scipy.interpolate import PchipInterpolator

    from blackett.arrays import FloatArray

__all__ = [
    "HIGHEST_KEV",
    "LOWEST_KEV",
    "PROCESSES",
    "Material",
    "atomic_number",
    "atomic_weight",
    "attenuation_per_mm",
    "compound",
    "data_rows",
    "edges_kev",
    "element_barn",
    "material",
    "materials",
]

LOWEST_KEV, HIGHEST_KEV = 1.0, 3000.0
PROCESSES = ("photoelectric", "incoherent", "coherent", "pair")
AVOGADRO_PER_BARN = 0.602214076  # (barn/atom) / (g/mol) -> cm2/g


@dataclass(frozen=True)
class Material:
    """A homogeneous material.

    `mass_fractions` holds (element symbol, fraction by mass) pairs that sum to one.
    """

    name: str
    density_g_cm3: float
    mass_fractions: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        """Check the figures; raises InputError."""
        if not self.density_g_cm3 > 0.0:
            raise InputError(f"{self.name}: density {self.density_g_cm3} g/cm3 must be positive")
        for symbol, fraction in self.mass_fractions:
            atomic_number(symbol)
            if not fraction > 0.0:
                raise InputError(f"{self.name}: mass fraction {fraction} of {symbol} not positive")
        total = sum(fraction for _, fraction in self.mass_fractions)
        if abs(total - 1.0) > 1e-6:
            raise InputError(f"{self.name}: mass fractions sum to {total:.8g} and must sum to 1")

    def atoms_per_barn_cm(self) -> dict[str, float]:
        """Atoms of each element per barn and cm: times barn, the coefficient in 1/cm."""
        scale = self.density_g_cm3 * AVOGADRO_PER_BARN
        return {symbol: scale * w / atomic_weight(symbol) for symbol, w in self.mass_fractions}

    def electrons_per_mm3(self) -> float:
        """Electrons per mm3."""
        atoms = self.atoms_per_barn_cm()
        return 1e21 * sum(n * atomic_number(symbol) for symbol, n in atoms.items())


@cache
def _elements() -> Mapping[str, tuple[int, float]]:
    """Atomic number and weight by symbol."""
    return {row[1]: (int(row[0]), float(row[2])) for row in data_rows("elements.csv")[1:]}


def _element(symbol: str) -> tuple[int, float]:
    if symbol not in _elements():
        raise InputError(f"unknown element {symbol!r}; H to Pu (Z 1 to 94) are known")
    return _elements()[symbol]


def atomic_number(symbol: str) -> int:
    """Atomic number of an element, 1 to 94; raises InputError for an unknown symbol."""
    return _element(symbol)[0]


def atomic_weight(symbol: str) -> float:
    """Standard atomic weight in g/mol; raises InputError for an unknown symbol."""
    return _element(symbol)[1]


def from_weights(name: str, density_g_cm3: float, weights: Mapping[str, float]) -> Material:
    """A material from any positive numbers proportional to the masses of its elements."""
    total = sum(weights.values())
    fractions = tuple((symbol, weight / total) for symbol, weight in weights.items())
    return Material(name, density_g_cm3, fractions)


def formula_counts(formula: str) -> dict[str, float]:
    """Atoms of each element in a formula without brackets, such as Gd3Al2Ga3O12 or UO2."""
    parts = re.findall(r"([A-Z][a-z]?)(\d*\.?\d*)", formula)
    if not parts or "".join(symbol + count for symbol, count in parts) != formula:
        raise InputError(f"cannot read formula {formula!r}; write it as Gd3Al2Ga3O12, no brackets")
    counts: dict[str, float] = {}
    for symbol, count in parts:
        atomic_number(symbol)
        counts[symbol] = counts.get(symbol, 0.0) + (float(count) if count else 1.0)
    return counts


def compound(formula: str, density_g_cm3: float, name: str) -> Material:
    """A material from a chemical formula; raises InputError if the formula cannot be read."""
    counts = formula_counts(formula)
    return from_weights(name, density_g_cm3, {s: n * atomic_weight(s) for s, n in counts.items()})


def blend(name: str, density_g_cm3: float, parts: Mapping[str, float]) -> Material:
    """A material from formulae and their weights, such as the oxides of a rock."""
    weights: dict[str, float] = {}
    for formula, weight in parts.items():
        masses = {s: n * atomic_weight(s) for s, n in formula_counts(formula).items()}
        for symbol, mass in masses.items():
            share = weight * mass / sum(masses.values())
            weights[symbol] = weights.get(symbol, 0.0) + share
    return from_weights(name, density_g_cm3, weights)


@cache
def materials() -> Mapping[str, Material]:
    """All named materials, from data/materials.csv."""
    made = {}
    for name, density, parts, _ in data_rows("materials.csv")[1:]:
        words = parts.split()
        weights = {f: float(w) for f, w in zip(words[::2], words[1::2], strict=True)}
        made[name] = blend(name, float(density), weights)
    return MappingProxyType(made)


def material(name: str) -> Material:
    """The named material; raises InputError, naming all known ones, if there is none."""
    known = materials()
    if name not in known:
        raise InputError(f"unknown material {name!r}; known: {', '.join(sorted(known))}")
    return known[name]


def data_rows(name: str) -> list[list[str]]:
    """Rows of a CSV file in the package's data folder."""
    text = resources.files("blackett.gamma").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))


@cache
def _element_tables() -> dict[tuple[int, str], FloatArray]:
    """XCOM points (n, 2) in keV and barn by (z, process)."""
    tables: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for z, process, energy, barn in data_rows("cross_sections.csv")[1:]:
        tables.setdefault((int(z), process), []).append((float(energy), float(barn)))
    return {key: np.array(points) for key, points in tables.items()}


def edges_kev(symbol: str) -> FloatArray:
    """Absorption edges of an element above 1 keV, ascending."""
    energies = _element_tables()[atomic_number(symbol), "photoelectric"][:, 0]
    return np.asarray(energies[1:][np.diff(energies) == 0.0])


@cache
def _segments(z: int, process: str) -> tuple[FloatArray, tuple[PchipInterpolator, ...]]:
    """Edges and the log-log interpolant of each stretch between them."""
    from scipy.interpolate import PchipInterpolator  # slow to import, and only needed here

    table = _element_tables()[z, process]
    cuts = np.flatnonzero(np.diff(table[:, 0]) == 0.0) + 1
    pieces = np.split(np.log(table), cuts)
    return table[cuts, 0], tuple(PchipInterpolator(p[:, 0], p[:, 1]) for p in pieces)


def element_barn(symbol: str, energy_kev: ArrayLike, process: str) -> FloatArray:
    """Cross section of one atom in barn at each energy (same shape), 1 to 3000 keV.

    `process` is one of `PROCESSES` or "total". Points of XCOM are joined by monotone cubics in
    log-log between edges; an energy on an edge counts as above it. Pair production falls to zero
    at 1022 keV as the cube of the energy above threshold (W. Heitler, The Quantum Theory of
    Radiation, section 26).
    Raises InputError outside the range or for an unknown process or element.
    """
    energy = np.asarray(energy_kev, dtype=np.float64)
    if energy.size and not (energy.min() >= LOWEST_KEV and energy.max() <= HIGHEST_KEV):
        raise InputError(f"energies must lie in {LOWEST_KEV:g} to {HIGHEST_KEV:g} keV")
    z = atomic_number(symbol)
    if process == "total":
        return np.asarray(np.sum([element_barn(symbol, energy, p) for p in PROCESSES], axis=0))
    if process not in PROCESSES:
        raise InputError(f"unknown process {process!r}; one of {', '.join(PROCESSES)}, total")
    edges, pieces = _segments(z, process)
    which = np.searchsorted(edges, energy, side="right")
    first = max(float(_element_tables()[z, process][0, 0]), LOWEST_KEV)
    log_energy, barn = np.log(np.maximum(energy, first)), np.empty_like(energy)
    for i, piece in enumerate(pieces):
        barn = np.where(
            which == i, np.exp(piece(np.where(which == i, log_energy, piece.x[0]))), barn
        )
    return barn * _near_threshold(energy, first) if process == "pair" else barn


def _near_threshold(energy: FloatArray, first: float) -> FloatArray:
    """Factor on the first tabulated pair cross section below its energy."""
    above = np.maximum(energy - 1021.998, 0.0) / (first - 1021.998)
    return np.asarray(np.minimum(above, 1.0) ** 3)


def attenuation_per_mm(of: Material, energy_kev: ArrayLike, process: str = "total") -> FloatArray:
    """Linear attenuation coefficient in 1/mm at each energy (same shape) for a process or "total".

    Raises InputError outside 1 to 3000 keV or for an unknown process.
    """
    atoms = of.atoms_per_barn_cm()
    parts = [n * element_barn(symbol, energy_kev, process) for symbol, n in atoms.items()]
    return np.asarray(0.1 * np.sum(parts, axis=0))

"""Bremsstrahlung of beta emitters: the continuum that the line tables do not hold.

Betas and conversion electrons come to rest in the source, its container or the case of a detector
and radiate while they stop (external bremsstrahlung); a beta also radiates as it is born (internal
bremsstrahlung), which in water or plastic is a third of the whole. Photons are given where they
are born, per bin and decay, for a material that stops all electrons; absorbing them is the scene's
task.

* Beta spectra: p W q^2 times Fermi's function of a point charge and, for unique forbidden branches,
  the shape factor of their order (H. F. Schopper, Weak Interactions and Nuclear Beta Decay (1966);
  H. Behrens and J. Janecke, Landolt-Bornstein I/4 (1969)). Non-unique forbidden branches take the
  allowed shape, except Bi-210's, whose shape is measured. Left out: screening and exchange.
* External: every electron of energy T is met on its way down from its start, so photons of energy
  k are born at the rate (dsigma/dk)/S(T) for each keV that it loses; with C(T) electrons
  starting above T, dN/dk = integral of C(T) n dsigma/dk(T) / S(T) over T > k (continuous slowing
  down). Cross section and stopping powers: `blackett.gamma.electrons`, scaled to ICRU 37.
* Internal: J. K. Knipp and G. E. Uhlenbeck, Physica 3 (1936) 425, and F. Bloch, Phys. Rev. 50
  (1936) 272, without Coulomb corrections.

    >>> photons(source("Y-90"), material("water"), [15.0, 100.0, 3000.0])
    array([...])
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from blackett.arrays import FloatArray, frozen
from blackett.errors import InputError, MissingDataError
from blackett.gamma.electrons import (
    ELECTRON,
    POSITRON,
    bremsstrahlung_barn,
    collision_stopping_kev_mm,
    radiative_stopping_kev_mm,
)
from blackett.gamma.matter import LOWEST_KEV, Material, atomic_number
from blackett.gamma.nuclides import nuclide, read_table
from blackett.gamma.photons import ELECTRON_MASS_KEV, FINE_STRUCTURE
from blackett.gamma.sources import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = [
    "HIGHEST_ELECTRON_KEV",
    "Branch",
    "Members",
    "beta_spectrum",
    "branches",
    "electron_photons",
    "external_photons",
    "internal_photons",
    "kinetic_energy_kev",
    "library_mean_kev",
    "photons",
    "positron_ratio",
]

Members: TypeAlias = "Source | Sequence[tuple[str, float]]"
"""A source, or its members as (nuclide, activity per activity of the source)."""

HIGHEST_ELECTRON_KEV = 6000.0
NODES = 420  # kinetic energies from 1 keV, 2.1 % apart
FINEST_SPLIT = 0.08  # widest step in ln(photon energy) that two Gauss points integrate
UNIQUE = {"unique-1": 1, "unique-2": 2, "unique-3": 3}
NO_FACTOR = (0.0, 0.0)
# 1 + a W + b W^2: A. Grau Carles and A. Grau Malonda, Nucl. Phys. A 596 (1996) 83 (Bi-210)
MEASURED = {"Bi-210": (-0.46, 0.0586)}


# --------------------------------------------------------------------------------- beta spectra


@dataclass(frozen=True, slots=True)
class Branch:
    """Betas of one end point, or electrons of one energy (`shape` "line"), per decay.

    `kind` is beta-, beta+ or electron; `forbiddenness` the order of a unique forbidden branch, 0
    for all others. `factor` (a, b) multiplies the shape by 1 + a W + b W^2, W the total energy in
    units of m c^2.
    """

    kind: str
    energy_kev: float
    per_decay: float
    forbiddenness: int
    factor: tuple[float, float] = NO_FACTOR


@cache
def _rows() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in read_table("betas"):
        found.setdefault(row["nuclide"], []).append(row)
    return found


@cache
def branches(name: str) -> tuple[Branch, ...]:
    """Branches of a nuclide; none where they hold too little energy (see data/README.md).

    Raises InputError for an unknown nuclide.
    """
    rows = _rows().get(nuclide(name).name, [])
    return tuple(_branch(row) for row in rows if row["shape"] != "library")


def _branch(row: dict[str, str]) -> Branch:
    factor = MEASURED[row["nuclide"]] if row["shape"] == "measured" else NO_FACTOR
    energy, per_decay = float(row["energy_kev"]), float(row["per_decay"])
    return Branch(row["kind"], energy, per_decay, UNIQUE.get(row["shape"], 0), factor)


def library_mean_kev(name: str, kind: str = "beta-") -> float:
    """The evaluated library's own mean energy of all betas of a kind, in keV per decay.

    Raises MissingDataError where `betas.csv` holds none.
    """
    for row in _rows().get(nuclide(name).name, []):
        if row["kind"] == f"{kind} mean":
            return float(row["energy_kev"])
    raise MissingDataError(f"betas.csv holds no mean {kind} energy of {nuclide(name).name}")


def beta_spectrum(
    end_point_kev: float,
    z_daughter: int,
    kinetic_kev: ArrayLike,
    forbiddenness: int = 0,
    *,
    factor: tuple[float, float] = NO_FACTOR,
    positron: bool = False,
) -> FloatArray:
    """Betas per keV at each kinetic energy (same shape), normalised to one beta.

    `forbiddenness` 0 is the allowed shape (also used for non-unique forbidden branches), 1 to 3 the
    unique forbidden ones; `factor` as in `Branch`. Zero at and above the end point. Raises
    InputError for an end point outside 1 to 6000 keV, a charge outside 1 to 110, or another
    forbiddenness.
    """
    if not LOWEST_KEV < end_point_kev < HIGHEST_ELECTRON_KEV:
        raise InputError(
            f"end point {end_point_kev:g} keV must lie between {LOWEST_KEV:g} and "
            f"{HIGHEST_ELECTRON_KEV:g} keV"
        )
    if not 1 <= z_daughter <= 110 or forbiddenness not in range(4):
        raise InputError(
            f"charge {z_daughter} must be 1 to 110 and forbiddenness {forbiddenness} 0 to 3"
        )
    charge = -z_daughter if positron else z_daughter
    energy = np.asarray(kinetic_kev, dtype=np.float64)
    # nodes equal in the square root resolve the low end, where positrons of high charge vanish
    fine = end_point_kev * np.linspace(0.01, 1.0, 400) ** 2
    norm = np.trapezoid(_shape(fine, end_point_kev, charge, forbiddenness, factor), fine)
    return np.asarray(_shape(energy, end_point_kev, charge, forbiddenness, factor) / norm)


def _shape(
    energy: FloatArray, end_point: float, charge: int, order: int, factor: tuple[float, float]
) -> FloatArray:
    """Spectrum without its normalisation; `charge` of the daughter is negative for positrons."""
    tau = np.maximum(energy, 1e-3) / ELECTRON_MASS_KEV
    w, p = tau + 1.0, np.sqrt(tau * (tau + 2.0))
    q = np.maximum(end_point - energy, 0.0) / ELECTRON_MASS_KEV
    terms = [_coulomb_at(charge, k, p) for k in range(1, order + 2)]
    forbidden = sum(
        term
        * p ** (2 * k - 2)
        * q ** (2 * (order - k + 1))
        / (math.factorial(2 * k - 1) * math.factorial(2 * (order - k) + 3))
        for k, term in enumerate(terms, start=1)
    )
    measured = 1.0 + factor[0] * w + factor[1] * w**2
    return np.asarray(p * w * q**2 * forbidden * measured)


def _coulomb_at(charge: int, k: int, p: FloatArray) -> FloatArray:
    """Coulomb function at momenta p (units of m c), interpolated from its table."""
    ln_p, ln_f = _coulomb_table(charge, k)
    return np.exp(np.interp(np.log(p), ln_p, ln_f))


@cache
def _coulomb_table(charge: int, k: int) -> tuple[FloatArray, FloatArray]:
    ln_p = np.linspace(math.log(1e-3), math.log(14.0), 600)
    return ln_p, _ln_coulomb(charge, k, np.exp(ln_p))


def _ln_coulomb(charge: int, k: int, p: FloatArray) -> FloatArray:
    """ln F_(k-1) of a point charge at the nuclear radius; F_0 is Fermi's function.

    F_(k-1) = [(2k-1)!/(k-1)!]^2 2k (k + g) e^(pi y) (2pR)^(2(g-k)) |Gamma(g + iy)/Gamma(1 + 2g)|^2
    with g = sqrt(k^2 - (alpha Z)^2), y = alpha Z W/p (Behrens and Janecke), 1 without charge.
    """
    from scipy.special import loggamma

    az = FINE_STRUCTURE * charge
    g = math.sqrt(k**2 - az**2)
    y = az * np.sqrt(p**2 + 1.0) / p
    front = 2.0 * math.lgamma(2 * k) - 2.0 * math.lgamma(k) + math.log(2.0 * k * (k + g))
    gammas = 2.0 * loggamma(g + 1j * y).real - 2.0 * math.lgamma(1.0 + 2.0 * g)
    radius = _nuclear_radius(abs(charge))
    return np.asarray(front + math.pi * y + 2.0 * (g - k) * np.log(2.0 * p * radius) + gammas)


def _nuclear_radius(z: int) -> float:
    """1.2 fm A^(1/3) in electron Compton wavelengths (386.159 fm), A of the stable isobar.

    A from the valley of the semi-empirical mass formula, Z = A/(1.98 + 0.0155 A^(2/3)). It enters
    only the shapes of forbidden branches, and weakly.
    """
    a = 2.0 * z
    for _ in range(30):
        a = z * (1.98 + 0.0155 * a ** (2.0 / 3.0))
    return float(1.2 * a ** (1.0 / 3.0) / 386.159)


# ------------------------------------------------------------------------- electrons of a source


@cache
def kinetic_energy_kev() -> FloatArray:
    """The grid of kinetic energies, 1 to 6000 keV, that everything below is integrated on."""
    return frozen(np.geomspace(LOWEST_KEV, HIGHEST_ELECTRON_KEV, NODES))


@cache
def _betas_per_kev(name: str) -> FloatArray:
    """Betas per keV and decay on the grid, (charge, node)."""
    energy, found = kinetic_energy_kev(), np.zeros((2, NODES))
    z = nuclide(name).z
    for branch in branches(name):
        if branch.kind == "electron":
            continue
        positron = branch.kind == "beta+"
        charge = -(z - 1) if positron else z + 1
        order, factor = branch.forbiddenness, branch.factor
        shape = _shape(energy, branch.energy_kev, charge, order, factor)
        share = shape / np.trapezoid(shape, energy)
        found[POSITRON if positron else ELECTRON] += branch.per_decay * share
    return frozen(found)


@cache
def _starting_above(name: str) -> FloatArray:
    """Electrons and positrons per decay starting above each grid energy, (charge, node)."""
    energy, density = kinetic_energy_kev(), _betas_per_kev(name)
    steps = 0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(energy)
    above = np.concatenate([np.cumsum(steps[:, ::-1], axis=1)[:, ::-1], np.zeros((2, 1))], axis=1)
    for branch in branches(name):
        if branch.kind == "electron":
            above[ELECTRON] += branch.per_decay * (energy < branch.energy_kev)
    return frozen(above)


def _pairs(of: Members) -> Sequence[tuple[str, float]]:
    return of.members if isinstance(of, Source) else of


# ------------------------------------------------------------------------------------- photons


def photons(of: Members, material: Material, edges_kev: ArrayLike) -> FloatArray:
    """Bremsstrahlung photons born in each energy bin per decay of the source, (bins,).

    External in `material`, which is thick enough to stop every electron, plus internal. `edges_kev`
    (bins + 1) ascend from 1 keV or more. Raises InputError for other edges or unknown nuclides.
    """
    return external_photons(of, material, edges_kev) + internal_photons(of, edges_kev)


def external_photons(of: Members, material: Material, edges_kev: ArrayLike) -> FloatArray:
    """Photons per bin and decay from electrons and positrons that stop in `material`, (bins,)."""
    matrix = _external_matrix(material, _checked(edges_kev))
    above = sum((r * _starting_above(n) for n, r in _pairs(of)), np.zeros((2, NODES)))
    return np.asarray(np.einsum("cbt,ct->b", matrix, above))


def electron_photons(energy_kev: float, material: Material, edges_kev: ArrayLike) -> FloatArray:
    """Photons per bin from one electron of this energy that stops in `material`, (bins,).

    Raises InputError for an energy outside 1 to 6000 keV.
    """
    if not LOWEST_KEV <= energy_kev <= HIGHEST_ELECTRON_KEV:
        raise InputError(
            f"electron energy {energy_kev:g} keV must lie in {LOWEST_KEV:g} to "
            f"{HIGHEST_ELECTRON_KEV:g} keV"
        )
    matrix = _external_matrix(material, _checked(edges_kev))
    return np.asarray(matrix[ELECTRON] @ (kinetic_energy_kev() < energy_kev))


def internal_photons(of: Members, edges_kev: ArrayLike) -> FloatArray:
    """Photons per bin and decay radiated in the beta decays themselves, (bins,)."""
    matrix = _internal_matrix(_checked(edges_kev))
    betas = sum((r * _betas_per_kev(n) for n, r in _pairs(of)), np.zeros((2, NODES)))
    return np.asarray(matrix @ betas.sum(axis=0))


def positron_ratio(z: float, energy_kev: FloatArray) -> FloatArray:
    """Radiative stopping power of positrons over that of electrons, same shape as the energies.

    Fit to L. Kim et al., Phys. Rev. A 33 (1986) 3002, as in F. Salvat, PENELOPE (2001), eq. 3.141.
    """
    t = np.log1p(1e6 / z**2 * energy_kev / ELECTRON_MASS_KEV)
    terms = (-1.2359e-1, 6.1274e-2, -3.1516e-2, 7.7446e-3, -1.0595e-3, 7.0568e-5, -1.8080e-6)
    return np.asarray(-np.expm1(sum(c * t ** (i + 1) for i, c in enumerate(terms))))


def _checked(edges_kev: ArrayLike) -> tuple[float, ...]:
    edges = np.asarray(edges_kev, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not np.all(np.diff(edges) > 0.0):
        raise InputError("photon energy edges must be one ascending row of at least two")
    if not (edges[0] >= LOWEST_KEV and math.isfinite(edges[-1])):
        raise InputError(f"photon energy edges must be finite, from {LOWEST_KEV:g} keV")
    return tuple(edges.tolist())


def _points(edges: tuple[float, ...]) -> tuple[FloatArray, FloatArray, list[int]]:
    """Photon energies (s, t, 2) and weights in ln k of split bins below each grid energy.

    Each split bin ends at the grid energy where it would pass it, so that no electron gives a
    photon above its own energy. Third: the first split of each bin.
    """
    fine, first = [edges[0]], []
    for low, high in pairwise(edges):
        count = math.ceil(math.log(high / low) / FINEST_SPLIT)
        first.append(len(fine) - 1)
        fine += np.geomspace(low, high, count + 1)[1:].tolist()
    ln_edges, ln_energy = np.log(fine), np.log(kinetic_energy_kev())
    ends = np.minimum(ln_edges[:, None], ln_energy)
    half = 0.5 * np.diff(ends, axis=0)
    middle = ends[:-1] + half
    gauss = np.array([-1.0, 1.0]) / math.sqrt(3.0)
    return np.exp(middle[..., None] + half[..., None] * gauss), half, first


def _trapezoid_weights() -> FloatArray:
    """Weights of the grid's energies in an integral over the kinetic energy, (node,) in keV."""
    energy = kinetic_energy_kev()
    weights = np.zeros(NODES)
    weights[1:] += 0.5 * np.diff(energy)
    weights[:-1] += 0.5 * np.diff(energy)
    return weights


@lru_cache(maxsize=64)
def _external_matrix(of: Material, edges: tuple[float, ...]) -> FloatArray:
    """Photons per bin for one electron or positron passing a grid energy, (charge, bin, node)."""
    photon, half, first = _points(edges)
    energy = kinetic_energy_kev()
    sums = np.zeros((2, len(half), NODES))
    inside = half > 0.0
    node = np.nonzero(inside)[1]
    for symbol, atoms in of.atoms_per_barn_cm().items():
        z = atomic_number(symbol)
        per_atom = bremsstrahlung_barn(z, energy[node, None], photon[inside]).sum(axis=-1)
        per_mm = 0.1 * atoms * half[inside] * per_atom
        sums[ELECTRON][inside] += per_mm
        sums[POSITRON][inside] += per_mm * positron_ratio(z, energy)[node]
    matrix = np.add.reduceat(sums, first, axis=1)
    weights = _trapezoid_weights()
    return frozen(matrix * (weights / _stopping(of))[:, None, :])


@lru_cache(maxsize=64)
def _stopping(of: Material) -> FloatArray:
    """Total stopping power in keV/mm, (charge, node); positrons radiate as in the mean element."""
    energy = kinetic_energy_kev()
    coarse = np.geomspace(LOWEST_KEV, HIGHEST_ELECTRON_KEV, 40)
    radiative = np.interp(np.log(energy), np.log(coarse), radiative_stopping_kev_mm(of, coarse))
    collision = [collision_stopping_kev_mm(of, energy, c) for c in (ELECTRON, POSITRON)]
    atoms = of.atoms_per_barn_cm()
    squares = sum(n * atomic_number(symbol) ** 2 for symbol, n in atoms.items())
    mean_z = squares / sum(n * atomic_number(symbol) for symbol, n in atoms.items())
    lost = np.array([radiative, radiative * positron_ratio(mean_z, energy)])
    return frozen(np.array(collision) + lost)


@lru_cache(maxsize=64)
def _internal_matrix(edges: tuple[float, ...]) -> FloatArray:
    """Photons per bin for betas that would have had each grid energy, (bin, node) in keV."""
    photon, half, first = _points(edges)
    per_ln_k = _knipp_uhlenbeck(kinetic_energy_kev()[:, None], photon).sum(axis=-1) * half
    return frozen(np.add.reduceat(per_ln_k, first, axis=0) * _trapezoid_weights())


def _knipp_uhlenbeck(energy_kev: FloatArray, photon_kev: FloatArray) -> FloatArray:
    """k dN/dk for a beta that without radiating has this kinetic energy; 0 for photons above it."""
    w0 = 1.0 + energy_kev / ELECTRON_MASS_KEV
    w = np.maximum(w0 - photon_kev / ELECTRON_MASS_KEV, 1.0 + 1e-9)
    p0, p = np.sqrt(w0**2 - 1.0), np.sqrt(w**2 - 1.0)
    factor = (w0**2 + w**2) / (w0 * p) * np.log(w + p) - 2.0
    emitted = FINE_STRUCTURE / math.pi * p / p0 * factor
    return np.where(photon_kev < energy_kev, emitted, 0.0)

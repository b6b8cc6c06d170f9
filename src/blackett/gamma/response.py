"""Energy that photons leave in a detector's crystal: tabulated responses, and direct Monte Carlo.

A `ResponseMatrix` holds, for each tabulated photon energy, the yields of the sharp features (full
energy, escape of 511 keV photons and of K X-rays, annihilation photons caught from the housing) and
the continuum on two stretches of equal bins: from zero to the Compton edge, and from there to
the full energy. Both stretch with the photon energy, so that interpolation keeps the edges sharp.

Incidences and what "one photon" means:
* "front": an isotropic point source on the crystal's axis, 50 mm before its front face, through the
  housing; yields are counts per photon that would enter the front face were there no housing.
* "isotropic": photons from all sides; yields are counts per unit fluence (photons/mm2), in mm2.

Nothing here knows resolution, light yield or threshold. The tables are made by
tools/build_response.py from `transport`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError, MissingDataError
from blackett.gamma.detector import Detector, detector
from blackett.gamma.matter import material

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator
    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.transport import Box, Scene

__all__ = [
    "COMPTON_BINS",
    "INCIDENCES",
    "UPPER_BINS",
    "BareResponse",
    "Incidence",
    "ResponseMatrix",
    "bare_response",
    "bare_scene",
    "compton_edge_kev",
    "face_photons",
    "housed_scene",
    "response",
    "response_name",
]

Incidence = Literal["front", "isotropic"]
INCIDENCES: tuple[Incidence, ...] = ("front", "isotropic")
FRONT_DISTANCE_MM = 50.0
COMPTON_BINS, UPPER_BINS = 128, 40
ELECTRON_MASS_KEV = 510.99895


def compton_edge_kev(energy_kev: ArrayLike) -> FloatArray:
    """Largest energy a photon can leave in one scattering off a free electron, same shape."""
    energy = np.asarray(energy_kev, dtype=np.float64)
    return np.asarray(energy * 2.0 * energy / (ELECTRON_MASS_KEV + 2.0 * energy))


def continuum_place(deposit_kev: FloatArray, energy_kev: FloatArray) -> FloatArray:
    """Position of a deposit on the continuum's bins, 0 to COMPTON_BINS + UPPER_BINS (broadcast)."""
    edge = compton_edge_kev(energy_kev)
    below = COMPTON_BINS * deposit_kev / edge
    above = COMPTON_BINS + UPPER_BINS * (deposit_kev - edge) / (energy_kev - edge)
    return np.clip(np.where(deposit_kev < edge, below, above), 0.0, COMPTON_BINS + UPPER_BINS)


# ------------------------------------------------------------------------------------ tabulated


@dataclass(frozen=True)
class ResponseMatrix:
    """Response of one crystal in its housing to photons of one incidence.

    Energies outside `energies_kev` are refused, never extrapolated.
    """

    name: str
    """Name of the tabulated crystal and incidence."""
    energies_kev: FloatArray
    """(n,) incident energies of the table, ascending."""
    losses_kev: FloatArray
    """(f,) energy that a sharp feature lacks: 0, 511, 1022, then K lines of the crystal."""
    yields: FloatArray
    """(n, f) counts in each feature."""
    annihilation: FloatArray
    """(n,) counts of exactly 511 keV, from pairs made in the housing."""
    continuum: FloatArray
    """(n, COMPTON_BINS + UPPER_BINS) counts in each stretched bin."""

    def full_energy(self, energy_kev: ArrayLike) -> FloatArray:
        """Counts in the full-energy peak per photon (or mm2), same shape as the energies."""
        energy = np.atleast_1d(np.asarray(energy_kev, dtype=np.float64))
        made = self._features(energy)[0][:, 0]
        return np.asarray(made.reshape(np.shape(energy_kev)))

    def total(self, energy_kev: ArrayLike) -> FloatArray:
        """Counts of any deposit per photon (or mm2), same shape as the energies."""
        energy = np.atleast_1d(np.asarray(energy_kev, dtype=np.float64))
        sharp, annihilation = self._features(energy)
        i, t = self._located(energy)
        smooth = self.continuum.sum(axis=1)
        made = sharp.sum(axis=1) + annihilation + (1.0 - t) * smooth[i] + t * smooth[i + 1]
        return np.asarray(made.reshape(np.shape(energy_kev)))

    def peaks(
        self, line_energies_kev: ArrayLike, weights: ArrayLike
    ) -> tuple[FloatArray, FloatArray]:
        """Sharp features of a set of lines: deposited energies and counts, flat and unsorted.

        `line_energies_kev` and `weights` (photons, or photons/mm2): (l,). Features below zero or
        without counts are left out. Raises InputError for energies outside the table.
        """
        energy, weight = _lines(line_energies_kev, weights)
        sharp, annihilation = self._features(energy)
        deposits = energy[:, None] - self.losses_kev
        counts = sharp * weight[:, None]
        places = np.append(deposits[deposits > 0.0], ELECTRON_MASS_KEV)
        heights = np.append(counts[deposits > 0.0], np.sum(annihilation * weight))
        seen = heights != 0.0
        return places[seen], heights[seen]

    def smooth(
        self, line_energies_kev: ArrayLike, weights: ArrayLike, edges_kev: ArrayLike
    ) -> FloatArray:
        """Continuum of a set of lines in bins of deposited energy, (b,) counts."""
        energy, weight = _lines(line_energies_kev, weights)
        edges = np.asarray(edges_kev, dtype=np.float64)
        i, t = self._located(energy)
        running = self._running
        rows = (1.0 - t)[:, None] * running[i] + t[:, None] * running[i + 1]
        place = continuum_place(np.maximum(edges, 0.0)[None, :], energy[:, None])
        low = np.minimum(place.astype(np.int64), rows.shape[1] - 2)
        first = np.take_along_axis(rows, low, axis=1)
        second = np.take_along_axis(rows, low + 1, axis=1)
        cumulative = first + (place - low) * (second - first)
        return np.diff(weight @ cumulative)

    def deposit(
        self, line_energies_kev: ArrayLike, weights: ArrayLike, edges_kev: ArrayLike
    ) -> FloatArray:
        """Spectrum of deposited energy before resolution, (b,) counts in the bins of `edges_kev`.

        `line_energies_kev`, `weights` (photons, or photons/mm2): (l,); `edges_kev`: (b + 1,)
        ascending. A sharp feature goes wholly into the bin that holds it. What falls outside the
        edges is left out. Raises InputError for energies outside the table.
        """
        edges = np.asarray(edges_kev, dtype=np.float64)
        places, heights = self.peaks(line_energies_kev, weights)
        made = self.smooth(line_energies_kev, weights, edges)
        inside = (places >= edges[0]) & (places < edges[-1])
        which = np.searchsorted(edges, places[inside], side="right") - 1
        return made + np.bincount(which, heights[inside], minlength=len(made))

    def matrix(self, incident_energies_kev: ArrayLike, edges_kev: ArrayLike) -> FloatArray:
        """`deposit` of one photon of each incident energy, (l, b)."""
        energies = np.atleast_1d(np.asarray(incident_energies_kev, dtype=np.float64))
        return np.array([self.deposit([energy], [1.0], edges_kev) for energy in energies])

    def _located(self, energy: FloatArray) -> tuple[IntArray, FloatArray]:
        """Index of the tabulated energy below, and the fraction in ln E to the next."""
        low, high = self.energies_kev[0], self.energies_kev[-1]
        if energy.size and not (energy.min() >= low and energy.max() <= high):
            raise InputError(
                f"{self.name}: photon energies {energy.min():g} to {energy.max():g} keV, "
                f"the response covers {low:g} to {high:g} keV"
            )
        grid = np.log(self.energies_kev)
        x = np.log(energy)
        i = np.clip(np.searchsorted(grid, x, side="right") - 1, 0, len(grid) - 2)
        return i, (x - grid[i]) / (grid[i + 1] - grid[i])

    def _features(self, energy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sharp yields (l, f), power laws between tabulated energies, and annihilation (l,)."""
        i, t = self._located(energy)
        low, high = self.yields[i], self.yields[i + 1]
        share = t[:, None]
        both = (low > 0.0) & (high > 0.0)
        safe_low, safe_high = np.where(both, low, 1.0), np.where(both, high, 1.0)
        power = safe_low ** (1.0 - share) * safe_high**share
        sharp = np.where(both, power, (1.0 - share) * low + share * high)
        return sharp, (1.0 - t) * self.annihilation[i] + t * self.annihilation[i + 1]

    @cached_property
    def _running(self) -> FloatArray:
        """(n, bins + 1) continuum summed from zero."""
        return np.pad(np.cumsum(self.continuum, axis=1), ((0, 0), (1, 0)))


def _lines(energies: ArrayLike, weights: ArrayLike) -> tuple[FloatArray, FloatArray]:
    energy = np.atleast_1d(np.asarray(energies, dtype=np.float64))
    weight = np.atleast_1d(np.asarray(weights, dtype=np.float64))
    if energy.shape != weight.shape or energy.ndim != 1:
        raise InputError(f"{energy.shape} line energies need as many weights, not {weight.shape}")
    return energy, weight


def response_name(of: Detector) -> str:
    """Name of the table of a detector; models with the same crystal and housing share it."""
    size = "x".join(f"{edge:g}" for edge in of.size_mm)
    return f"response-{of.crystal}-{size}"


@cache
def _table(name: str) -> Mapping[str, FloatArray]:
    """Arrays of a shipped table."""
    path = resources.files("blackett.gamma").joinpath("data", f"{name}.npz")
    if not path.is_file():
        raise MissingDataError(
            f"no response table {name}.npz in the package; make it with tools/build_response.py"
        )
    with resources.as_file(path) as file, np.load(file, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files if stored[key].dtype.kind == "f"}


@cache
def response(of: Detector | str, incidence: Incidence = "front") -> ResponseMatrix:
    """The tabulated response of a detector (or its name) for "front" or "isotropic" photons.

    Raises InputError for an unknown detector or incidence, MissingDataError without a table.
    """
    if incidence not in INCIDENCES:
        raise InputError(f"unknown incidence {incidence!r}; one of {', '.join(INCIDENCES)}")
    name = response_name(detector(of) if isinstance(of, str) else of)
    table = _table(name)
    return ResponseMatrix(
        name=f"{name} {incidence}",
        energies_kev=frozen(table["energies_kev"]),
        losses_kev=frozen(table["losses_kev"]),
        yields=frozen(table[f"{incidence}_yields"]),
        annihilation=frozen(table[f"{incidence}_annihilation"]),
        continuum=frozen(table[f"{incidence}_continuum"]),
    )


# ---------------------------------------------------------------------------------- Monte Carlo


class BareResponse(NamedTuple):
    """Spectrum of energy left in a bare crystal."""

    edges_kev: FloatArray
    """(b + 1,) bin edges, 1 keV apart; the last bin holds the full energy."""
    per_entering_photon: FloatArray
    """(b,) counts per photon that enters the front face."""
    full_energy: float
    """Counts within 2.5 keV of the full energy, per entering photon."""
    total: float
    """Counts of any deposit, per entering photon."""


def bare_scene(of: Detector) -> Scene:
    """The crystal alone in vacuum, ready for `transport.deposits_kev`."""
    from blackett.gamma.transport import scene  # numba loads only when needed

    return scene(_crystal(of))


def housed_scene(of: Detector) -> Scene:
    """The crystal in its housing."""
    from blackett.gamma.transport import Box, scene

    layers = [Box(layer.low_mm, layer.high_mm, material(layer.material)) for layer in of.housing]
    return scene(_crystal(of), layers)


def _crystal(of: Detector) -> Box:
    from blackett.gamma.transport import Box

    x, y, depth = of.size_mm
    return Box((-0.5 * x, -0.5 * y, 0.0), (0.5 * x, 0.5 * y, depth), material(of.crystal))


def face_photons(
    size_mm: tuple[float, float], energy_kev: float, distance_mm: float, n: int, rng: Generator
) -> FloatArray:
    """Photons of an isotropic point source on the axis that enter a rectangular face at z = 0.

    (n, 7) rows of energy, place just before the face and direction, as `transport.deposits_kev`
    takes them. Drawn by rejection from the cone around the face, so every row weighs the same.
    """
    half = 0.5 * np.asarray(size_mm)
    lowest = distance_mm / np.sqrt(distance_mm**2 + np.sum(half**2))
    rows: list[FloatArray] = []
    while sum(len(r) for r in rows) < n:
        w = rng.uniform(lowest, 1.0, n)
        phi = rng.uniform(0.0, 2.0 * np.pi, n)
        across = np.sqrt(1.0 - w**2)
        direction = np.column_stack([across * np.cos(phi), across * np.sin(phi), w])
        place = direction / w[:, None] * distance_mm
        place[:, 2] = -1e-6
        hit = np.all(np.abs(place[:, :2]) < half, axis=1)
        rows.append(np.column_stack([np.full(n, energy_kev), place, direction])[hit])
    return np.concatenate(rows)[:n]


def bare_response(
    of: Detector | str, energy_kev: float, distance_mm: float, photons: int, rng: Generator
) -> BareResponse:
    """Monte Carlo of the bare crystal before an isotropic point source on its axis.

    Raises InputError for an energy outside 10 to 3000 keV, a distance that is not positive, or no
    photons.
    """
    from blackett.gamma.transport import deposits_kev

    if not 10.0 <= energy_kev <= 3000.0:
        raise InputError(f"photon energy {energy_kev:g} keV; 10 to 3000 keV is covered")
    if not (distance_mm > 0.0 and photons > 0):
        raise InputError(f"distance {distance_mm:g} mm and photons {photons} must be positive")
    model = detector(of) if isinstance(of, str) else of
    rows = face_photons(model.size_mm[:2], energy_kev, distance_mm, photons, rng)
    deposits = deposits_kev(bare_scene(model), rows, rng)
    edges = np.arange(np.floor(energy_kev) + 2.0)
    counts, _ = np.histogram(deposits[deposits > 0.0], edges)
    return BareResponse(
        edges_kev=frozen(edges),
        per_entering_photon=frozen(counts / photons),
        full_energy=float(np.mean(deposits > energy_kev - 2.5)),
        total=float(np.mean(deposits > 0.0)),
    )

"""Natural background: what a spectrometer sees with no source near it.

Three ways to say it:

    physical    fluence rates of potassium, uranium and thorium in walls or soil, radon progeny in
                the air, and cosmic rays, from `natural_background`; a response folds them to counts
    measured    a recorded spectrum, smoothed, with only the wanted difference of its natural
                components added (`measured_rate`, `with_components`, `blend`)
    seed        the fixed continuum formula of the first RadiaCode training project
                (`seed_continuum`), kept for comparison

Rates are per second, fluence rates per cm2 and second, concentrations in Bq/kg and Bq/m3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.gamma import bremsstrahlung
from blackett.gamma.kernels import (
    BINS,
    ELECTRON_KEV,
    HIGHEST_KEV,
    LOWEST_KEV,
    Fluence,
    centres_kev,
    edges_kev,
    interpolate,
    kernel,
    sharp_lines_kev,
)
from blackett.gamma.layers import pass_through, shield_layer
from blackett.gamma.matter import material
from blackett.gamma.sources import source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator
    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray
    from blackett.gamma.spectrum import Spectrum

__all__ = [
    "PLACES",
    "Concentrations",
    "FluenceRate",
    "blend",
    "cosmic_photons",
    "cosmic_scale",
    "environment",
    "environment_continuum",
    "inside_lead",
    "measured_rate",
    "muon_deposits",
    "natural_background",
    "present_amounts",
    "sample_concentrations",
    "seed_continuum",
    "smoothed",
    "with_components",
]

PLACES = ("walls", "ground", "concrete medium", "soil medium")
"""A room of 4 x 3 x 2.5 m with 150 mm of concrete all around; 1 m above soil; deep in concrete or
soil. Activity per kilogram lies in the solid."""

U235_PER_U238 = 0.0461
"""Activity of U-235 for each of U-238 in natural uranium (0.72 % of atoms)."""


# ------------------------------------------------------------------------------------- fluence


@dataclass(frozen=True)
class FluenceRate:
    """Fluence rate at the detector from all sides (obliquity 1.5).

    `line_kev`, `lines_per_cm2_s` (L,): sharp lines; `continuum_per_cm2_s` (BINS,) in the bins of
    `kernels.edges_kev`.
    """

    line_kev: FloatArray
    lines_per_cm2_s: FloatArray
    continuum_per_cm2_s: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("line_kev", "lines_per_cm2_s", "continuum_per_cm2_s"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def total_per_cm2_s(self) -> float:
        """All photons."""
        return float(self.lines_per_cm2_s.sum() + self.continuum_per_cm2_s.sum())

    def scaled(self, factor: float) -> FluenceRate:
        """The same spectrum, `factor` times as strong."""
        return FluenceRate(
            self.line_kev, factor * self.lines_per_cm2_s, factor * self.continuum_per_cm2_s
        )

    def plus(self, other: FluenceRate) -> FluenceRate:
        """Both together."""
        return FluenceRate(
            np.concatenate([self.line_kev, other.line_kev]),
            np.concatenate([self.lines_per_cm2_s, other.lines_per_cm2_s]),
            self.continuum_per_cm2_s + other.continuum_per_cm2_s,
        )


def environment(place: str, energies_kev: ArrayLike, photons_per_decay: ArrayLike) -> FluenceRate:
    """Fluence rate of lines (L,) emitted uniformly in a place, for 1 Bq/kg.

    In "room air" for 1 Bq/m3. Lines outside 10 to 3000 keV are left out: below they do not leave
    matter, above there are fewer than 1 in 1000. Raises InputError for an unknown place.
    """
    energies, photons = np.asarray(energies_kev), np.asarray(photons_per_decay)
    inside = (energies >= LOWEST_KEV) & (energies <= HIGHEST_KEV)
    energies, photons = energies[inside], photons[inside]
    table = _environment_table(place, energies)
    per_unit = _per_unit(place)
    at_line = photons * (table.direct + table.coherent)
    return FluenceRate(
        np.concatenate([energies, sharp_lines_kev()]),
        per_unit * np.concatenate([at_line, photons @ table.sharp]),
        per_unit * table.summed(photons),
    )


def environment_continuum(place: str, photons_per_decay: ArrayLike) -> FluenceRate:
    """Fluence rate of a continuum (BINS,) emitted uniformly in a place, as `environment`."""
    photons = np.asarray(photons_per_decay, dtype=np.float64)
    alive = centres_kev() >= LOWEST_KEV
    table = _environment_table(place, centres_kev()[alive])
    continuum = table.summed(photons[alive])
    continuum[alive] += photons[alive] * (table.direct + table.coherent)
    sharp = photons[alive] @ table.sharp
    per_unit = _per_unit(place)
    return FluenceRate(sharp_lines_kev(), per_unit * sharp, per_unit * continuum)


def _environment_table(place: str, energies: FloatArray) -> Fluence:
    if place not in (*PLACES, "room air"):
        raise InputError(f"place {place!r}; one of {', '.join(PLACES)}, room air")
    return interpolate(kernel(f"environment/{place}").fluence, energies)


def _per_unit(place: str) -> float:
    """Kernels are for one photon a gram, or in room air a cubic metre."""
    return 1.0 if place == "room air" else 1e-3


@cache
def _series(name: str, place: str) -> FluenceRate:
    """A natural series in equilibrium: K-40, U-238 (with Ra-226 and U-235), Th-232 or Rn-222."""
    parts = {"U-238": (("U-238", 1.0), ("Ra-226", 1.0), ("U-235", U235_PER_U238))}
    found = [_member(*part, place) for part in parts.get(name, ((name, 1.0),))]
    total = found[0]
    for more in found[1:]:
        total = total.plus(more)
    return total


def _member(name: str, share: float, place: str) -> FluenceRate:
    """Lines of one source, and the bremsstrahlung of its betas where they stop."""
    emitter = source(name)
    lines = emitter.lines()
    stopped_in = {"soil medium": "soil", "ground": "soil", "room air": "air"}.get(place, "concrete")
    # the few bins below 5 keV, which nothing leaves, are squeezed together there
    edges = np.maximum(edges_kev(), 5.0 + 1e-3 * np.arange(BINS + 1))
    continuum = bremsstrahlung.photons(emitter, material(stopped_in), edges)
    rate = environment(place, lines.energy_kev, lines.photons_per_decay)
    return rate.plus(environment_continuum(place, continuum)).scaled(share)


# ------------------------------------------------------------------------------ concentrations


@dataclass(frozen=True)
class Concentrations:
    """What makes the background of a place. Raises InputError for a negative value."""

    k40_bq_kg: float = 400.0
    u238_bq_kg: float = 35.0
    th232_bq_kg: float = 30.0
    radon_bq_m3: float = 40.0
    cosmic: float = 1.0
    """In units of the cosmic radiation in the open at sea level (`cosmic_scale`)."""

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in vars(self).items():
            if not value >= 0.0:
                raise InputError(f"{name} = {value}: must not be negative")


PRIORS = {
    "k40_bq_kg": (400.0, 0.65),
    "u238_bq_kg": (35.0, 0.80),
    "th232_bq_kg": (30.0, 0.80),
    "radon_bq_m3": (40.0, 1.0),
    "cosmic": (0.9, 0.25),
}
"""Median and standard deviation of the logarithm. Medians: UNSCEAR 2008, Annex B (soils: K 400,
U 35, Th 30 Bq/kg; indoor radon 40 Bq/m3); widths so that 95 % span about the world, 100-1500,
5-200, 5-200 Bq/kg and 5-500 Bq/m3. Cosmic: sea level to about 1 km, under up to several floors."""


def sample_concentrations(rng: Generator) -> Concentrations:
    """One place drawn from the log-normal `PRIORS`."""
    return Concentrations(
        **{name: m * math.exp(s * rng.standard_normal()) for name, (m, s) in PRIORS.items()}
    )


RADON_EQUILIBRIUM = 0.4
"""Activity of the progeny in room air for each of radon (UNSCEAR 2008, Annex B)."""


def natural_background(of: Concentrations, place: str = "walls") -> Mapping[str, FluenceRate]:
    """Fluence rates by component: K-40, U-238, Th-232, Rn-222 and cosmic photons.

    Radon progeny are spread evenly in the air of the tabulated room. Cosmic muons leave charge, not
    photons: see `muon_deposits`. Raises InputError for an unknown place.
    """
    return {
        "K-40": _series("K-40", place).scaled(of.k40_bq_kg),
        "U-238": _series("U-238", place).scaled(of.u238_bq_kg),
        "Th-232": _series("Th-232", place).scaled(of.th232_bq_kg),
        "Rn-222": _series("Rn-222", "room air").scaled(of.radon_bq_m3 * RADON_EQUILIBRIUM),
        "cosmic": cosmic_photons().scaled(of.cosmic),
    }


# -------------------------------------------------------------------------------------- cosmic

COSMIC_PER_LOG = 0.012  # photons / cm2 s per unit of ln E, see cosmic_photons
COSMIC_BEND_KEV = 80.0
COSMIC_511 = 0.004  # photons / cm2 s


@cache
def cosmic_photons() -> FluenceRate:
    """Cosmic-ray photons at sea level, 10 to 3000 keV: an order-of-magnitude description.

    dPhi/dlnE = 0.012 / (1 + (80 keV/E)²) per cm2 and second, the 1/E of an electromagnetic cascade
    cut off by photoelectric absorption in air, and 0.004 per cm2 and second at 511 keV. Our own
    parametrisation, good to about a factor of two: its level keeps photons above 3 MeV from adding
    more to a 1 cm3 crystal than the overflow counts that muons leave unexplained.
    """
    edges = np.maximum(edges_kev(), LOWEST_KEV)
    # integral of dE/E / (1 + (b/E)²) is ln(E² + b²)/2
    running = 0.5 * np.log(edges**2 + COSMIC_BEND_KEV**2)
    continuum = COSMIC_PER_LOG * np.diff(running)
    return FluenceRate(frozen([ELECTRON_KEV]), frozen([COSMIC_511]), continuum)


def cosmic_scale(altitude_m: float, shielding: float = 0.8) -> float:
    """Cosmic dose rate relative to the open at sea level; `shielding` 1 outdoors, 0.8 in houses.

    0.21 exp(-1.649 z) + 0.79 exp(0.4528 z), z in km (A. Bouville, W. M. Lowder, Rad. Prot. Dosim.
    24 (1988) 293, as adopted by UNSCEAR 2000, Annex B). Raises InputError beyond 0 to 15 km.
    """
    if not 0.0 <= altitude_m <= 15_000.0 or not shielding >= 0.0:
        raise InputError(f"altitude {altitude_m} m (0 to 15000), shielding {shielding} (0 or more)")
    z = altitude_m / 1000.0
    return shielding * (0.21 * math.exp(-1.649 * z) + 0.79 * math.exp(0.4528 * z))


MUON_VERTICAL_PER_CM2_S_SR = 0.0106
"""Vertical muon intensity at sea level: 1 per cm2 and minute through a horizontal plane with the
cos² law (Particle Data Group, Cosmic Rays), divided by pi/2."""


def muon_deposits(
    side_mm: float, kev_per_mm: float, deposit_edges_kev: ArrayLike
) -> tuple[FloatArray, float]:
    """Counts per second by deposited energy in a cube, and those above the last edge, at sea level.

    Muons come with cos² of the zenith angle and leave `kev_per_mm` (CsI: 560, the minimum of
    1.243 MeV cm2/g) along straight chords; no straggling, no delta rays. `deposit_edges_kev` is
    (n + 1,). Raises InputError for a size or stopping power that is not positive.
    """
    if not (side_mm > 0.0 and kev_per_mm > 0.0):
        raise InputError(f"side {side_mm} mm and {kev_per_mm} keV/mm must be positive")
    chords, weights = _unit_cube_chords()
    rate = weights * MUON_VERTICAL_PER_CM2_S_SR * 0.01 * side_mm**2
    deposits = chords * side_mm * kev_per_mm
    edges = np.asarray(deposit_edges_kev, dtype=np.float64)
    counts, _ = np.histogram(deposits, bins=edges, weights=rate)
    return counts, float(rate[deposits > edges[-1]].sum())


@cache
def _unit_cube_chords(n: int = 24) -> tuple[FloatArray, FloatArray]:
    """Chords through the unit cube and their weights: steradian x projected area x cos² zenith."""
    middle = (np.arange(n) + 0.5) / n
    cos, phi = np.meshgrid(middle, 0.5 * math.pi * middle, indexing="ij")
    sin = np.sqrt(1.0 - cos**2)
    down = np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=-1).reshape(-1, 3)
    solid_angle = 2.0 * math.pi / n**2
    spots = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)
    chords, weights = [], []
    for face in range(3):  # by symmetry one face of each pair, one quadrant of azimuth
        others = [k for k in range(3) if k != face]
        start = np.zeros((len(spots), 3))
        start[:, others] = spots
        reach = (1.0 - start[None]) / down[:, None]
        chords.append(reach.min(axis=2))
        weight = solid_angle * down[:, face] * down[:, 2] ** 2 / n**2
        weights.append(np.broadcast_to(weight[:, None], chords[-1].shape))
    return frozen(np.ravel(chords)), frozen(np.ravel(weights))


# ---------------------------------------------------------------------------------------- lead


def inside_lead(rates: Mapping[str, FluenceRate], thickness_mm: float) -> Mapping[str, FluenceRate]:
    """The same components inside a lead castle, with lead's K X-rays.

    Through the wall along its normal, as all rays to the middle of a sphere go. Cosmic photons are
    made anew in the lead: their spectrum passes the inner 3 mm only, a rough description. Radon is
    outside. Raises InputError for a thickness beyond the tabulated 50 mm.
    """
    return {
        name: _through_lead(rate, min(thickness_mm, 3.0) if name == "cosmic" else thickness_mm)
        for name, rate in rates.items()
    }


def _through_lead(rate: FluenceRate, thickness_mm: float) -> FluenceRate:
    lines = rate.line_kev
    continuum = np.zeros((len(lines), BINS))
    continuum[0] = rate.continuum_per_cm2_s
    zero, sharp = np.zeros(len(lines)), np.zeros((len(lines), len(sharp_lines_kev())))
    state = Fluence(lines, rate.lines_per_cm2_s.copy(), zero, continuum, sharp, zero + 1.5)
    behind = pass_through(shield_layer("lead", thickness_mm), state)
    return FluenceRate(
        np.concatenate([lines, sharp_lines_kev()]),
        np.concatenate([behind.direct + behind.coherent, behind.sharp.sum(0)]),
        behind.scattered.sum(0),
    )


# ---------------------------------------------------------------------------------------- seed


def seed_continuum(energy_kev: ArrayLike, hump: float = 1.0) -> FloatArray:
    """The seed project's CsI(Tl) continuum at each energy (same shape), arbitrary units.

    hump exp(-(E-110)²/(2 s²)) + 0.45 exp(-E/240) + 0.04 exp(-E/700), s = 55 keV below 110 keV and
    50 above, not below 0.008 of its maximum (the README at commit 75d271c696). The seed leaves
    the hump's amplitude open, and whether the floor counts from the maximum or the sum: 1 and the
    maximum are taken. Measured rooms have 2-3 times less at 400-1600 keV (docs/background.md).
    Raises InputError for negative energies.
    """
    energy = np.asarray(energy_kev, dtype=np.float64)
    if energy.size and not energy.min() >= 0.0:
        raise InputError("seed_continuum needs energies of 0 keV or more")
    largest = _seed_shape(np.arange(0.0, 300.0, 0.1), hump).max()
    return np.asarray(np.maximum(_seed_shape(energy, hump), 0.008 * largest))


def _seed_shape(energy: FloatArray, hump: float) -> FloatArray:
    width = np.where(energy < 110.0, 55.0, 50.0)
    bell = hump * np.exp(-((energy - 110.0) ** 2) / (2.0 * width**2))
    return np.asarray(bell + 0.45 * np.exp(-energy / 240.0) + 0.04 * np.exp(-energy / 700.0))


# ------------------------------------------------------------------------------------ measured


def smoothed(values: ArrayLike, sigma: float) -> FloatArray:
    """Gaussian smoothing (n,) over `sigma` channels, normalised by the weight inside at the ends.

    A constant stays constant; a width below 0.1 channel changes nothing. Raises InputError for a
    negative width.
    """
    array = np.asarray(values, dtype=np.float64)
    if not sigma >= 0.0:
        raise InputError(f"smoothing width {sigma} channels must not be negative")
    if sigma < 0.1:
        return array.copy()
    reach = min(math.ceil(5.0 * sigma), len(array) - 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    inside = np.convolve(np.ones_like(array), weights)[reach : reach + len(array)]
    return np.asarray(np.convolve(array, weights)[reach : reach + len(array)] / inside)


def measured_rate(recorded: Spectrum, sigma: float = 0.0) -> FloatArray:
    """Counts per second (n,) in each channel of a recorded background, smoothed over `sigma`.

    Overflow and masked channels are zero and lend nothing to their neighbours.
    """
    usable = recorded.usable
    rate = np.where(usable, recorded.counts, 0.0) / recorded.live_time_s
    inside = np.maximum(smoothed(usable, sigma), 1e-12)
    return np.where(usable, smoothed(rate, sigma) / inside, 0.0)


def blend(
    measured: ArrayLike, modelled: ArrayLike, wanted_cps: float, measured_share: float = 0.7
) -> FloatArray:
    """Measured and modelled shapes (n,), each normalised, mixed and scaled to `wanted_cps`.

    The seed project's hybrid has 0.7 measured. Natural peaks lie in both shapes: do not add more,
    use `with_components` for other amounts. Raises InputError for empty shapes or a share beyond
    0 to 1.
    """
    shapes = [np.asarray(values, dtype=np.float64) for values in (measured, modelled)]
    if shapes[0].shape != shapes[1].shape or not all(shape.sum() > 0.0 for shape in shapes):
        raise InputError("both shapes need the same channels and a positive sum")
    if not 0.0 <= measured_share <= 1.0 or not wanted_cps >= 0.0:
        raise InputError(f"share {measured_share} (0 to 1), rate {wanted_cps} cps (0 or more)")
    first, second = (shape / shape.sum() for shape in shapes)
    return np.asarray(wanted_cps * (measured_share * first + (1.0 - measured_share) * second))


def present_amounts(measured: ArrayLike, templates: ArrayLike, live_time_s: float) -> FloatArray:
    """How much (K,) of each template (K, n) is in a measured rate (n,): none negative.

    Least squares with the Poisson weights of the recorded counts.
    """
    rate, columns = np.asarray(measured, dtype=np.float64), np.asarray(templates, dtype=np.float64)
    if columns.ndim != 2 or columns.shape[1:] != rate.shape:
        raise InputError(f"templates {columns.shape} do not fit a rate of shape {rate.shape}")
    weight = np.sqrt(live_time_s / np.maximum(rate, 1.0 / live_time_s))
    amounts, _ = nnls((columns * weight).T, rate * weight)
    return np.asarray(amounts)


def with_components(
    measured: ArrayLike, templates: ArrayLike, wanted: ArrayLike, present: ArrayLike
) -> FloatArray:
    """A measured rate (n,) in which the components (K, n) have the `wanted` amounts (K,).

    Only the difference to what is `present` (K,) is added or taken away, so that no natural peak
    counts twice; nothing becomes negative.
    """
    change = np.asarray(wanted, dtype=np.float64) - np.asarray(present, dtype=np.float64)
    added = change @ np.asarray(templates, dtype=np.float64)
    return np.asarray(np.maximum(np.asarray(measured, dtype=np.float64) + added, 0.0))

"""From photons at the detector's place to counts by deposited energy, before light and resolution.

Deposits lie in bins uniform in the square root of the energy. Unscattered photons of a point
source enter by the front face, all others come from every side. The responses to the bins of
scattered fluence are folded once for each detector and kept.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.gamma.bremsstrahlung import photons as external_and_internal
from blackett.gamma.kernels import LOWEST_KEV, edges_kev, sharp_lines_kev
from blackett.gamma.matter import atomic_number, data_rows
from blackett.gamma.matter import material as material_named
from blackett.gamma.response import response
from blackett.gamma.scene import fluence, solid_angle_fraction

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.background import FluenceRate
    from blackett.gamma.detector import Detector
    from blackett.gamma.scene import Scene
    from blackett.gamma.sources import Source

__all__ = [
    "HIGHEST_KEV",
    "bremsstrahlung_of",
    "coincidence_sums",
    "counted",
    "deposit_edges_kev",
    "deposited",
    "deposited_in_scenes",
    "k_lines",
    "lines_of",
    "peak_counts",
    "seen_share",
]

HIGHEST_KEV = 3100.0
PAIR_STEP_KEV = 2.0
FAINTEST_LINE = 1e-4
"""Lines with less than this share of a source's photons are left out."""


@cache
def deposit_edges_kev(bins: int) -> FloatArray:
    """Edges (bins + 1,) of deposited energy, 0 to 3100 keV, uniform in the square root."""
    return frozen(HIGHEST_KEV * np.linspace(0.0, 1.0, bins + 1) ** 2)


@cache
def lines_of(source: Source) -> tuple[FloatArray, FloatArray]:
    """Energies (n,) in keV and photons per decay (n,) of a source's lines that matter."""
    table = source.lines()
    inside = (table.energy_kev >= LOWEST_KEV) & (table.energy_kev < 2999.0)
    inside &= table.photons_per_decay >= FAINTEST_LINE * table.photons_per_decay.sum()
    return frozen(table.energy_kev[inside]), frozen(table.photons_per_decay[inside])


@cache
def k_lines(element: str) -> tuple[FloatArray, FloatArray]:
    """Energies (n,) in keV and shares (n,) of an element's K X-rays."""
    row = next(r for r in data_rows("fluorescence.csv")[1:] if int(r[0]) == atomic_number(element))
    numbers = np.array([float(value) for value in row[5:]])
    energies, shares = numbers[0::2], numbers[1::2]
    return frozen(energies), frozen(shares / shares.sum())


@cache
def bremsstrahlung_of(source: Source, material: str = "glass") -> tuple[FloatArray, FloatArray]:
    """Energies (n,) and photons per decay (n,) of a source's bremsstrahlung, in 80 narrow bins."""
    edges = np.linspace(np.sqrt(15.0), np.sqrt(2900.0), 81) ** 2
    photons = external_and_internal(source, material_named(material), edges)
    return frozen(0.5 * (edges[1:] + edges[:-1])), frozen(photons)


def seen_share(instrument: Detector, distance_mm: float) -> float:
    """Share of 4 pi that the crystal's front face takes from a source before its middle."""
    width, height, depth = instrument.size_mm
    return float(solid_angle_fraction(width, height, max(distance_mm - 0.5 * depth, 0.5)))


def deposited(
    energies_kev: FloatArray, photons: FloatArray, scene: Scene, instrument: Detector, bins: int
) -> FloatArray:
    """Counts per decay by deposited energy (bins,) of `photons` (n,) per decay at energies (n,)."""
    return np.asarray(deposited_in_scenes(energies_kev, photons, (scene,), instrument, bins)[0])


def deposited_in_scenes(
    energies_kev: FloatArray,
    photons: FloatArray,
    scenes: tuple[Scene, ...],
    instrument: Detector,
    bins: int,
) -> FloatArray:
    """As `deposited`, for several scenes at once: (scenes, bins).

    With `photons` (k, n), k spectra of the same energies: (scenes, k, bins).
    """
    front = response(instrument.name, "front")
    around = response(instrument.name, "isotropic")
    head_on = front.matrix(energies_kev, deposit_edges_kev(bins))
    # coherently scattered photons keep their energy: the front's shape, at the rate from all sides
    sideways = around.total(energies_kev) / np.maximum(front.total(energies_kev), 1e-12)
    made = []
    for scene in scenes:
        seen = fluence(energies_kev, scene)
        share = seen_share(instrument, scene.reference_mm)
        head_on_share = seen.reference_per_mm2 * sideways if seen.spread else share
        direct = photons * seen.direct * head_on_share
        coherent = photons * seen.coherent * seen.reference_per_mm2 * sideways
        rest = np.concatenate([photons @ seen.scattered, photons @ seen.sharp], axis=-1)
        made.append(
            (direct + coherent) @ head_on
            + (rest * seen.reference_per_mm2) @ _around(instrument.name, bins)
        )
    return np.maximum(np.array(made), 0.0)  # differences of running sums round either way


@cache
def _around(name: str, bins: int) -> FloatArray:
    """Counts (fluence bins + sharp lines, bins) per unit fluence (1/mm2) from all sides."""
    edges = edges_kev()
    energies = np.concatenate([0.5 * (edges[1:] + edges[:-1]), sharp_lines_kev()])
    inside = energies > LOWEST_KEV
    made = np.zeros((energies.size, bins))
    made[inside] = response(name, "isotropic").matrix(energies[inside], deposit_edges_kev(bins))
    return frozen(made)


def counted(seen: FluenceRate, instrument: Detector, bins: int) -> FloatArray:
    """Counts per second by deposited energy (bins,) of a fluence rate from all sides."""
    lines = seen.line_kev
    some = (seen.lines_per_cm2_s > 0) & (lines > LOWEST_KEV)
    at_lines = response(instrument.name, "isotropic").deposit(
        lines[some], 0.01 * seen.lines_per_cm2_s[some], deposit_edges_kev(bins)
    )
    around = _around(instrument.name, bins)[: seen.continuum_per_cm2_s.size]
    total = at_lines + 0.01 * seen.continuum_per_cm2_s @ around
    return np.maximum(total, 0.0)  # differences of running sums round to either side of zero


def coincidence_sums(source: Source, instrument: Detector, bins: int) -> FloatArray:
    """Counts (bins,) of two photons of one decay seen together, per decay and squared solid angle.

    Both unscattered and in the open: times the square of `seen_share`, the counts of a source at a
    distance. Zeros for a source without pairs.
    """
    pairs = source.coincidences()
    inside = (pairs.energy_1_kev > LOWEST_KEV) & (pairs.energy_2_kev > LOWEST_KEV)
    inside &= (pairs.energy_1_kev < 2990.0) & (pairs.energy_2_kev < 2990.0)
    inside &= pairs.pairs_per_decay > 1e-3 * pairs.pairs_per_decay.max(initial=0.0)
    if not inside.any():
        return np.zeros(bins)
    first, second = pairs.energy_1_kev[inside], pairs.energy_2_kev[inside]
    energies, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    edges = np.arange(0.0, HIGHEST_KEV + PAIR_STEP_KEV, PAIR_STEP_KEV)
    rows = response(instrument.name, "front").matrix(energies, edges)
    size = 2 * rows.shape[1]
    spectra = np.fft.rfft(rows, size, axis=1)
    one, two = place[: first.size], place[first.size :]
    together = (pairs.pairs_per_decay[inside][:, None] * spectra[one] * spectra[two]).sum(axis=0)
    sums = np.maximum(np.fft.irfft(together, size)[: rows.shape[1]], 0.0)
    # the sum of bins i and j is centred on edge i + j + 1: half of it lies on either side
    running = np.concatenate([[0.0, 0.0], np.cumsum(sums)])
    cumulative = 0.5 * (running[:-1] + running[1:])[: edges.size]
    return np.diff(np.interp(deposit_edges_kev(bins), edges, cumulative))


def peak_counts(
    instrument: Detector, scene: Scene, energies_kev: FloatArray, photons: FloatArray
) -> FloatArray:
    """Counts per decay in the full-energy peak of each line (n,), unscattered photons only."""
    seen = fluence(energies_kev, scene)
    if seen.spread:
        full = response(instrument.name, "isotropic").full_energy(energies_kev)
        return seen.reference_per_mm2 * photons * seen.direct * full
    full = response(instrument.name, "front").full_energy(energies_kev)
    return seen_share(instrument, scene.reference_mm) * photons * seen.direct * full

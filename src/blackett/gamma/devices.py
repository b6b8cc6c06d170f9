"""Units of one detector by the thousand: the draws of `simulation.draw_unit`, all at once.

The spreads are those of `draw_unit`, with two liberties that training needs: one unit in seven has
a resolution beyond the range seen, and the width may rise faster or slower with energy than the
law of the model. Resolutions come from a table of `LEVELS` widths, each with its folding matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from blackett.arrays import frozen
from blackett.gamma.detector import detector
from blackett.gamma.folding import HIGHEST_KEV, deposit_edges_kev
from blackett.gamma.simulation import BINS, CALIBRATED_AT_KEV

if TYPE_CHECKING:
    from numpy.random import Generator

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.detector import Detector

__all__ = [
    "CELLS",
    "CELL_STEP",
    "LEVELS",
    "MOST_CHANNELS",
    "Devices",
    "Resolutions",
    "draw_devices",
    "resolutions",
    "tabulated",
]

MOST_CHANNELS = 1024
"""Finer spectra are drawn with their channels grouped into so many."""
LEVELS = 96
TAIL_SHARE = 0.15
TAIL_LOW, TAIL_HIGH = 0.93, 1.12
"""So many units have a width out of the range seen, down to and up to these multiples of it."""
TILT_SIGMA = 0.04
"""Relative change of a unit's width against the law of its model, per e-fold of energy."""
STEP = float(np.sqrt(HIGHEST_KEV)) / BINS
CELL_STEP = 2.0 * STEP
"""Width in sqrt(keV) of the cells of measured energy in which expectations are folded."""
CELLS = int(np.ceil(60.0 / CELL_STEP))
"""They reach to 3600 keV."""
SIGMAS = 5.0


# --- resolution --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Resolutions:
    """Widths (L,) of a detector's units with their folding matrices; arrays read-only.

    `sigma_kev` (L, BINS) at each bin of deposited energy; a count in bin j becomes `band[l, j, k]`
    counts in cell `first[l, j] + k` of measured energy, (L, BINS, taps), float32.
    """

    fwhm_662_percent: FloatArray
    tilt: FloatArray
    sigma_kev: np.ndarray
    first: np.ndarray
    band: np.ndarray


@cache
def resolutions(name: str) -> Resolutions:
    """The `LEVELS` resolutions from which units of a detector (by name) are drawn."""
    instrument = detector(name)
    low, high = instrument.resolution.range_662_percent
    place = (np.arange(LEVELS) + 0.5) / LEVELS
    tail = 0.5 * TAIL_SHARE
    fwhm = np.interp(
        place, [0.0, tail, 1.0 - tail, 1.0], [TAIL_LOW * low, low, high, TAIL_HIGH * high]
    )
    # the golden section spreads the tilts evenly over the widths
    tilt = TILT_SIGMA * ndtri((np.arange(LEVELS) * 0.6180339887498949 + 0.5) % 1.0 * 0.98 + 0.01)
    return tabulated(instrument, fwhm, tilt)


def tabulated(instrument: Detector, fwhm_662_percent: FloatArray, tilt: FloatArray) -> Resolutions:
    """Folding matrices of some widths at 662 keV (L,) and tilts (L,)."""
    edges = deposit_edges_kev(BINS)
    centres = np.maximum(0.5 * (edges[1:] + edges[:-1]), 3.0)
    sigma = np.array(
        [
            instrument.fwhm_kev(centres, percent) / 2.35482 * (centres / 661.657) ** slope
            for percent, slope in zip(fwhm_662_percent, tilt, strict=True)
        ]
    )
    reach = SIGMAS * sigma.max(axis=0)
    lowest = np.sqrt(np.maximum(edges[:-1] - reach, 0.0)) / CELL_STEP
    taps = int(np.ceil((np.sqrt(edges[1:] + reach) / CELL_STEP - np.floor(lowest)).max())) + 1
    first = np.minimum(np.floor(lowest).astype(np.int64), CELLS - taps)
    band = np.array([_band(row, first, taps) for row in sigma])
    return Resolutions(
        frozen(fwhm_662_percent),
        frozen(tilt),
        frozen(sigma, np.float32),
        frozen(first, np.int64),
        frozen(band, np.float32),
    )


def _band(sigma_kev: FloatArray, first: IntArray, taps: int) -> FloatArray:
    """One folding matrix (BINS, taps); counts are spread over their bin (three-point Gauss)."""
    cells = ((first[:, None] + np.arange(taps + 1)) * CELL_STEP) ** 2
    total = np.zeros((BINS, taps))
    nodes, weights = np.polynomial.legendre.leggauss(3)
    for node, weight in zip(nodes, weights, strict=True):
        energy = ((np.arange(BINS) + 0.5 + 0.5 * node) * STEP) ** 2
        total += 0.5 * weight * np.diff(ndtr((cells - energy[:, None]) / sigma_kev[:, None]))
    return total


# --- units ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Devices:
    """n units; the fields of `simulation.Unit` as arrays (n,), `level` a row of `Resolutions`.

    `parabola` (n, 3), highest power first, turns light into energy on the stored axis.
    """

    level: IntArray
    channels: IntArray
    coefficients_kev: FloatArray
    threshold_kev: FloatArray
    threshold_width_kev: FloatArray
    gain_error: FloatArray
    offset_error_kev: FloatArray
    light_power: FloatArray
    parabola: FloatArray
    dead_time_s: FloatArray
    resolving_time_s: FloatArray


def draw_devices(instrument: Detector, n: int, rng: Generator) -> Devices:
    """n units with the spreads of `simulation.draw_unit`, 1024 channels at most."""
    few = (instrument.name == "radiacode-101") & (rng.random(n) < 0.5)
    channels = np.where(few, 256, min(instrument.channels, MOST_CHANNELS))
    factor = instrument.range_kev[1] / 3000.0 * 1024 / channels
    a0, a1, a2 = (
        rng.normal(mean, sigma, n) for mean, sigma in ((-2.0, 6.0), (2.39, 0.05), (3.6e-4, 0.5e-4))
    )
    power = rng.uniform(0.0, 1.3, n)
    spread = instrument.threshold_spread_kev
    low_us, high_us = instrument.dead_time_us
    return Devices(
        level=rng.integers(0, LEVELS, n),
        channels=channels,
        coefficients_kev=np.stack([a0, a1 * factor, np.maximum(a2, 1e-5) * factor**2], axis=1),
        threshold_kev=np.maximum(rng.normal(instrument.threshold_kev, spread, n), 2.0),
        threshold_width_kev=rng.uniform(1.0, 6.0, n),
        gain_error=_truncated(rng, 0.015, 0.04, n),
        offset_error_kev=_truncated(rng, 4.0, 12.0, n),
        light_power=power,
        parabola=_parabola(instrument, power),
        dead_time_s=1e-6 * rng.uniform(low_us, high_us, n),
        resolving_time_s=1e-6 * rng.uniform(0.2, 4.0, n),
    )


def _truncated(rng: Generator, sigma: float, most: float, n: int) -> FloatArray:
    low = ndtr(-most / sigma)
    return np.asarray(sigma * ndtri(rng.uniform(low, 1.0 - low, n)))


def _parabola(instrument: Detector, power: FloatArray) -> FloatArray:
    """Least-squares parabolas (n, 3) from light to energy at the lines where owners calibrate."""
    at = np.array(CALIBRATED_AT_KEV)
    light = at * instrument.light_yield(at) ** power[:, None] / 1000.0
    powers = np.stack([light**2, light, np.ones_like(light)], axis=2)
    normal = np.einsum("nki,nkj->nij", powers, powers)
    right = np.einsum("nki,k->ni", powers, at)
    return np.asarray(
        np.linalg.solve(normal, right[:, :, None])[:, :, 0] * np.array([1e-6, 1e-3, 1.0])
    )

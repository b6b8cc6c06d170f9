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
from blackett.gamma.folding import HIGHEST_KEV
from blackett.gamma.simulation import BINS, CALIBRATED_AT_KEV

if TYPE_CHECKING:
    from numpy.random import Generator

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.detector import Detector

__all__ = [
    "CELLS",
    "CELL_STEP",
    "DEPOSIT_NODES",
    "LEVELS",
    "MOST_CHANNELS",
    "Devices",
    "Resolutions",
    "at_nodes",
    "draw_devices",
    "node_energies_kev",
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
VECTOR = 8
"""Numbers that a processor adds at once: rows are a multiple of it long."""
DEPOSIT_NODES = BINS // 2 + 2 * VECTOR
"""Nodes of deposited energy, a cell apart from 0 keV on, between which the counts of `BINS` are
shared (`at_nodes`); the last ones are there to fill up."""
SHARED = 0.75
"""Share of a bin's counts that goes to the nearer of the two nodes beside it."""
SIGMAS = 4.5
"""Reach of a folding matrix: 7e-6 of the counts lie farther out and are lost."""
TOGETHER = 4
"""Nodes whose counts reach the same cells."""


# --- resolution --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Resolutions:
    """Widths (L,) of a detector's units with their folding matrices; arrays read-only.

    `sigma_kev` (L, DEPOSIT_NODES) at each node of deposited energy; a count at node j becomes
    `matrix(l)[j, k]` counts in cell `first[l, j] + k` of measured energy. The matrices, of
    `taps` (L,) columns each, lie one after the other in `band`, float32, from `start` (L,) on.
    """

    fwhm_662_percent: FloatArray
    tilt: FloatArray
    sigma_kev: np.ndarray
    first: np.ndarray
    taps: np.ndarray
    start: np.ndarray
    band: np.ndarray

    def matrix(self, level: int) -> np.ndarray:
        """Folding matrix (DEPOSIT_NODES, taps) of one width."""
        start, taps = self.start[level], self.taps[level]
        return self.band[start : start + DEPOSIT_NODES * taps].reshape(DEPOSIT_NODES, taps)


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
    nodes = node_energies_kev()
    at = np.clip(nodes, 3.0, HIGHEST_KEV)
    sigma = np.array(
        [
            instrument.fwhm_kev(at, percent) / 2.35482 * (at / 661.657) ** slope
            for percent, slope in zip(fwhm_662_percent, tilt, strict=True)
        ]
    )
    first, taps = zip(*(_reached(nodes, row) for row in sigma), strict=True)
    bands = [_band(nodes, *row).ravel() for row in zip(sigma, first, taps, strict=True)]
    return Resolutions(
        frozen(fwhm_662_percent),
        frozen(tilt),
        frozen(sigma, np.float32),
        frozen(first, np.int64),
        frozen(taps, np.int64),
        frozen(np.cumsum([0, *(band.size for band in bands[:-1])]), np.int64),
        frozen(np.concatenate(bands), np.float32),
    )


def node_energies_kev() -> FloatArray:
    """Deposited energies (DEPOSIT_NODES,) of the nodes."""
    return np.asarray((np.arange(DEPOSIT_NODES) * CELL_STEP) ** 2)


def at_nodes(rates: np.ndarray) -> np.ndarray:
    """Rates (..., BINS) by deposited energy, shared between nodes: (..., DEPOSIT_NODES) float32.

    Sums and means stay; the variance in sqrt(keV) grows by 3/4 of a bin's width squared, which the
    folding matrices take back.
    """
    left, right = rates[..., 0::2], rates[..., 1::2]
    made = np.zeros((*rates.shape[:-1], DEPOSIT_NODES))
    made[..., : BINS // 2] = SHARED * left + (1.0 - SHARED) * right
    made[..., 1 : BINS // 2 + 1] += (1.0 - SHARED) * left + SHARED * right
    return made.astype(np.float32)


def _reached(nodes_kev: FloatArray, sigma_kev: FloatArray) -> tuple[IntArray, int]:
    """First cell that each node reaches (DEPOSIT_NODES,), the same for TOGETHER, and how many."""
    low = np.sqrt(np.maximum(nodes_kev - SIGMAS * sigma_kev, 0.0)) / CELL_STEP
    high = np.sqrt(nodes_kev + SIGMAS * sigma_kev) / CELL_STEP
    lowest = np.floor(low.reshape(-1, TOGETHER).min(axis=1))
    taps = int(np.ceil((high.reshape(-1, TOGETHER).max(axis=1) - lowest).max())) + 1
    taps = -(-taps // VECTOR) * VECTOR
    first = np.minimum(lowest.astype(np.int64), CELLS - taps)
    return np.repeat(first, TOGETHER), taps


def _band(nodes_kev: FloatArray, sigma_kev: FloatArray, first: IntArray, taps: int) -> FloatArray:
    """One folding matrix (DEPOSIT_NODES, taps).

    Its width is less than the resolution by what `at_nodes` adds to the variance, 3/4, less the
    1/12 of counts that lie evenly in their bin, of the bin's width squared.
    """
    bin_kev = 2.0 * np.sqrt(np.maximum(nodes_kev, 1.0)) * STEP
    added = (SHARED - 1.0 / 12.0) * bin_kev**2
    inner = np.sqrt(np.maximum(sigma_kev**2 - added, 0.25 * sigma_kev**2))
    cells = ((first[:, None] + np.arange(taps + 1)) * CELL_STEP) ** 2
    return np.asarray(np.diff(ndtr((cells - nodes_kev[:, None]) / inner[:, None])))


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
    light = at[:, None] / 1000.0 * np.exp(np.log(instrument.light_yield(at))[:, None] * power)
    square = light**2
    one, two, three, four = (m.sum(axis=0) for m in (light, square, square * light, square**2))
    many = np.full(power.size, float(at.size))
    normal = np.stack([four, three, two, three, two, one, two, one, many], axis=1)
    right = np.stack([at @ square, at @ light, np.full(power.size, at.sum())], axis=1)
    solved = np.linalg.solve(normal.reshape(-1, 3, 3), right[:, :, None])[:, :, 0]
    return np.asarray(solved * np.array([1e-6, 1e-3, 1.0]))

"""What is uncertain about a spectrum whatever it holds: axis, shapes, pile-up, tails.

All of it is on the groups of a `Grouped`: B of them, B + 1 edges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma.likelihood import shape_modes
from blackett.gamma.templates import GAIN_SIGMA

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.templates import Library
    from blackett.gamma.unmix.grouping import Grouped
    from blackett.gamma.unmix.settings import Settings

__all__ = [
    "dispersion", "modes", "pile_up", "shade", "smoothed", "softness", "upper_tail", "warps",
]  # fmt: skip

BEND_KNOTS_KEV = (25.0, 45.0, 80.0, 140.0, 240.0, 380.0, 560.0, 850.0, 1300.0, 1900.0, 2700.0)
REFERENCE_FWHM = 2.33
"""Scale on which shapes err, keV of FWHM at 1 keV: 9 % at 662 keV, growing as the square root."""
RESOLVING_TIME_S = 10e-6
"""Pulses closer than about this add up: prior width of the pile-up columns. Measured dead times are
5 to 18 us, and CsI(Tl) has a slow component of some microseconds."""
PARTIAL = np.arange(0.05, 1.0, 0.1)
TAIL_FWHM = 1.2
"""Length, in FWHM, over which tails of peaks towards higher energies fall by e."""


SHADE_POWER = -0.3
"""What some g/cm2 of silicate rock keep away falls about so with the energy: mass attenuation
0.17, 0.10, 0.07 and 0.05 cm2/g at 100, 350, 800 and 1460 keV (XCOM), and less by saturation."""


def softness(centre_kev: FloatArray) -> FloatArray:
    """How much worse templates are known at soft energies, a factor on their errors (B,).

    Below some 35 keV windows, dead layers, thresholds and L X-rays are hardly known.
    """
    return np.asarray(1.0 + 12.0 / (1.0 + (centre_kev / 27.0) ** 8))


def modes(data: Grouped, settings: Settings) -> FloatArray:
    """Logarithms (M, B) of the shape for one unit of each mode: broad and fine errors, and one
    more or less layer before the crystal, or another threshold (photoelectric, as E^-3)."""
    centre = data.centres_kev
    widths = np.diff(data.edges_kev) / (REFERENCE_FWHM * np.sqrt(np.maximum(centre, 10.0)))
    position = np.cumsum(widths) - 0.5 * widths
    soft = softness(centre)
    broad = shape_modes(position, settings.shape_sigma * soft, settings.shape_length)
    fine = shape_modes(position, settings.fine_sigma * soft, settings.fine_length, 0.05)
    layer = -np.minimum((settings.window_kev / np.maximum(centre, 1.0)) ** 3, 3.0)
    return np.ascontiguousarray(np.vstack([broad, fine, layer[None, :]]))


def shade(data: Grouped, settings: Settings) -> FloatArray:
    """Loss of the logarithm (B,) of a measured background for one unit of shading by the sample.

    Zeros where no background was measured: a modelled one is fitted as it is.
    """
    if data.background_ratio == 0.0:
        return np.zeros(data.counts.size)
    softer = (np.maximum(data.centres_kev, 10.0) / 100.0) ** SHADE_POWER
    return np.asarray(settings.shade_sigma * np.minimum(softer, 1.5))


def dispersion(data: Grouped, widths: FloatArray, settings: Settings) -> FloatArray:
    """Over-dispersion (B,): more where the spectrum is steep, for peaks are not quite Gaussian.

    `widths` (B,) are those of the groups in FWHM.

    An error of `edge_sigma` FWHM in the place or width of an edge changes the counts there by that
    times the slope of their logarithm.
    """
    smooth = smoothed(data.counts, 1.5) + 1.0
    slope = np.gradient(np.log(smooth)) / np.maximum(widths, 1e-3)
    return np.asarray(
        np.hypot(settings.epsilon * softness(data.centres_kev), settings.edge_sigma * slope)
    )


def warps(edges_kev: FloatArray, library: Library, settings: Settings) -> FloatArray:
    """Axis errors (J, B + 1), keV per unit normal: gain, offset, and hats in the logarithm of E."""
    energy = np.maximum(edges_kev, 1.0)
    log_knots = np.log(BEND_KNOTS_KEV)
    steadiness = library.gain_sigma / GAIN_SIGMA
    hats = [
        np.interp(np.log(energy), log_knots, np.eye(log_knots.size)[j])
        * steadiness
        * (
            settings.bend_sigma_kev * (1.0 + 3.0 * np.exp(-energy / 40.0))
            + settings.bend_sigma * energy
        )
        for j in range(log_knots.size)
    ]
    gain = library.gain_sigma * edges_kev
    offset = np.full_like(edges_kev, library.offset_sigma_kev)
    return np.ascontiguousarray(np.vstack([gain, offset, *hats]))


def pile_up(data: Grouped) -> tuple[FloatArray, FloatArray]:
    """Random sums of two pulses: the spectrum convolved with itself, wholly and partially.

    Pulses that overlap in part add a part of the second one: its share is taken as uniform.
    Returned are two columns (2, B), normalised, and the prior sigma (2,) of their counts.
    """
    step = 4.0
    grid = np.arange(0.0, 3000.0 + step, step)
    cumulative = np.interp(grid, data.edges_kev, np.concatenate([[0.0], np.cumsum(data.counts)]))
    total = float(cumulative[-1])
    if total <= 0:
        return np.zeros((0, data.counts.size)), np.zeros(0)
    size = 2 * (grid.size - 1)
    whole = np.fft.rfft(np.diff(cumulative) / total, size)
    parts = [np.diff(np.interp(grid / share, grid, cumulative)) / total for share in PARTIAL]
    second = np.fft.rfft(np.mean(parts, axis=0), size)
    columns = []
    for other in (whole, second):
        sums = np.maximum(np.fft.irfft(whole * other, size)[: grid.size - 1], 0.0)
        # the sum of bins i and j is spread evenly about edge i + j + 1
        running = np.concatenate([[0.0, 0.0], np.cumsum(sums)])[: grid.size + 1]
        at_edges = 0.5 * (running[:-1] + running[1:])[: grid.size]
        columns.append(np.diff(np.interp(data.edges_kev, grid, at_edges)))
    prior = total * total / data.live_time_s * RESOLVING_TIME_S
    return np.array(columns), np.full(2, prior)


def upper_tail(data: Grouped, position: FloatArray) -> FloatArray:
    """Every count spread exponentially to higher energies: (1, B), normalised.

    Peaks of silicon photomultipliers have such tails, by afterpulses and a restless baseline, of
    about one count in a hundred; they carry no information on what emitted them.
    """
    distance = (position[:, None] - position[None, :]) / TAIL_FWHM
    spread = np.where(distance > 0, np.exp(-np.maximum(distance, 0.0)), 0.0)
    tail = spread @ (data.counts / max(float(data.counts.sum()), 1.0))
    return np.asarray((tail / max(float(tail.sum()), 1e-9))[None, :])


def smoothed(values: FloatArray, sigma: float) -> FloatArray:
    """Values (B,) folded with a Gaussian of `sigma` groups, mirrored at the ends.

    `scipy.ndimage.gaussian_filter1d`, whose import alone takes a tenth of a whole identification.
    """
    reach = int(4.0 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    ends = np.pad(values.astype(np.float64), reach, mode="symmetric")
    return np.convolve(ends, weights / weights.sum(), "valid")

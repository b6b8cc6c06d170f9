"""Simulated spectra: what one unit of a detector records of a rate of deposited energy.

A `Unit` is a device as it leaves the shelf: its resolution, its threshold, and an energy axis that
somebody calibrated, so with the errors seen on real ones: gain within 4 %, offset within 12 keV,
and a bend because light is not proportional to energy while the stored axis is a parabola. `record`
turns counts per second by deposited energy into a `Spectrum` with Poisson counts, dead time, random
summing and an overflow channel: the same type as a measured one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.special import ndtr

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.folding import deposit_edges_kev, deposited, lines_of
from blackett.gamma.room import draw_room
from blackett.gamma.sources import source as source_named
from blackett.gamma.spectrum import Spectrum

if TYPE_CHECKING:
    from numpy.random import Generator

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.scene import Scene

__all__ = [
    "BINS",
    "Unit",
    "draw_unit",
    "expected_counts",
    "nominal_unit",
    "record",
    "simulate_room",
    "source_rate",
]

BINS = 1024
"""Bins of deposited energy."""
CALIBRATED_AT_KEV = (59.5, 238.6, 661.7, 1460.8, 2614.5)
"""Lines at which owners calibrate; between them the parabola departs from the light curve."""


@dataclass(frozen=True)
class Unit:
    """One device. Energies stored in files are apparent: `apparent_kev` of the true ones.

    `coefficients_kev` are those written into files; `fwhm_662_percent` the resolution;
    `light_power` scales the non-proportionality (1: the published curve, 0: none).
    """

    detector: Detector
    coefficients_kev: tuple[float, float, float]
    channels: int
    fwhm_662_percent: float
    threshold_kev: float
    threshold_width_kev: float
    gain_error: float
    offset_error_kev: float
    light_power: float
    dead_time_s: float
    resolving_time_s: float

    def apparent_kev(self, energy_kev: FloatArray) -> FloatArray:
        """Energy on the stored axis at which a true energy appears, same shape."""
        light = _light(self, energy_kev)
        at = np.array(CALIBRATED_AT_KEV)
        parabola = np.polyfit(_light(self, at), at, 2)
        return np.asarray(
            np.polyval(parabola, light) * (1.0 + self.gain_error) + self.offset_error_kev
        )

    def true_edges_kev(self) -> FloatArray:
        """True energies (channels + 1,) of the channel edges."""
        stored = EnergyCalibration(self.coefficients_kev).edges_kev(self.channels)
        energy = np.geomspace(0.5, 6000.0, 4000)
        return np.interp(stored, self.apparent_kev(energy), energy, left=0.0)


def _light(unit: Unit, energy_kev: FloatArray) -> FloatArray:
    yield_ = unit.detector.light_yield(np.clip(energy_kev, 10.0, None))
    return np.asarray(energy_kev * yield_**unit.light_power)


def nominal_unit(detector: Detector) -> Unit:
    """A unit in the middle of every spread, with a perfect calibration."""
    span = detector.range_kev[1] / detector.channels
    return Unit(
        detector=detector,
        coefficients_kev=(0.0, 0.83 * span, 0.13 * span / detector.channels),
        channels=detector.channels,
        fwhm_662_percent=detector.resolution.fwhm_662_percent,
        threshold_kev=detector.threshold_kev,
        threshold_width_kev=3.0,
        gain_error=0.0,
        offset_error_kev=0.0,
        light_power=0.0,
        dead_time_s=detector.dead_time_us[0] * 1e-6,
        resolving_time_s=1e-6,
    )


def draw_unit(detector: Detector, rng: Generator) -> Unit:
    """A unit with resolution, threshold, axis and axis errors from the spreads of real ones."""
    low, high = detector.resolution.range_662_percent
    few = detector.name == "radiacode-101" and rng.random() < 0.5
    channels = 256 if few else detector.channels
    a0, a1, a2 = rng.normal(-2.0, 6.0), rng.normal(2.39, 0.05), rng.normal(3.6e-4, 0.5e-4)
    factor = detector.range_kev[1] / 3000.0 * 1024 / channels
    return Unit(
        detector=detector,
        coefficients_kev=(a0, a1 * factor, max(a2, 1e-5) * factor**2),
        channels=channels,
        fwhm_662_percent=rng.uniform(low, high),
        threshold_kev=max(rng.normal(detector.threshold_kev, detector.threshold_spread_kev), 2.0),
        threshold_width_kev=rng.uniform(1.0, 6.0),
        gain_error=_truncated(rng, 0.015, 0.04),
        offset_error_kev=_truncated(rng, 4.0, 12.0),
        light_power=rng.uniform(0.0, 1.3),
        dead_time_s=rng.uniform(*detector.dead_time_us) * 1e-6,
        resolving_time_s=rng.uniform(0.2, 4.0) * 1e-6,
    )


def _truncated(rng: Generator, sigma: float, most: float) -> float:
    return float(stats.truncnorm.rvs(-most / sigma, most / sigma, scale=sigma, random_state=rng))


# --- recording -------------------------------------------------------------------


def expected_counts(rate: FloatArray, unit: Unit, real_time_s: float) -> tuple[FloatArray, float]:
    """Expected counts by channel (channels,), overflow in the last, and the live time.

    `rate` (BINS,) are counts per second by deposited energy in the bins of `deposit_edges_kev`.
    """
    rate = _with_random_sums(rate, unit.resolving_time_s)
    edges = deposit_edges_kev(BINS)
    centres = 0.5 * (edges[1:] + edges[:-1])
    sigma = unit.detector.fwhm_kev(np.maximum(centres, 3.0), unit.fwhm_662_percent) / 2.35482
    at = unit.true_edges_kev()
    shares = ndtr((at[:, None] - centres[None, :]) / sigma[None, :])
    cumulative = shares @ (rate * _triggered(unit, centres))
    total = float((rate * _triggered(unit, centres)).sum())
    by_channel = np.maximum(np.diff(cumulative), 0.0)
    by_channel[-1] += max(total - cumulative[-1], 0.0)
    live_time_s = real_time_s / (1.0 + total * unit.dead_time_s)
    return by_channel * live_time_s, live_time_s


def _triggered(unit: Unit, energy_kev: FloatArray) -> FloatArray:
    return np.asarray(ndtr((energy_kev - unit.threshold_kev) / unit.threshold_width_kev))


def _with_random_sums(rate: FloatArray, resolving_time_s: float) -> FloatArray:
    """Rate with pairs of pulses closer than the resolving time joined (first order)."""
    total = float(rate.sum())
    share = 1.0 - np.exp(-total * resolving_time_s)
    if share < 1e-6:
        return rate
    edges = deposit_edges_kev(BINS)
    fine = np.arange(0.0, 6404.0, 4.0)
    by_energy = np.diff(np.interp(fine, edges, np.concatenate([[0.0], np.cumsum(rate)])))
    size = 2 * by_energy.size
    sums = np.fft.irfft(np.fft.rfft(by_energy / total, size) ** 2, size)[: by_energy.size]
    # the sum of bins i and j is centred on edge i + j + 1: half of it lies on either side
    running = np.concatenate([[0.0, 0.0], np.cumsum(np.maximum(sums, 0.0))])
    cumulative = 0.5 * (running[:-1] + running[1:])[: fine.size]
    pairs = np.diff(np.interp(edges, fine, cumulative))
    pairs[-1] += 1.0 - pairs.sum()
    summed: FloatArray = rate * (1.0 - share) + 0.5 * total * share * pairs
    return summed


def record(
    rate: FloatArray, unit: Unit, real_time_s: float, rng: Generator, name: str = "simulated"
) -> Spectrum:
    """A spectrum of this unit: Poisson counts of the expectation.

    `rate` (BINS,) in counts per second by deposited energy. Raises InputError for rates that are
    negative or not finite, or a time that is not positive.
    """
    if rate.shape != (BINS,) or not np.all(np.isfinite(rate)) or rate.min() < 0:
        raise InputError("rate must be 1024 finite counts per second, none negative")
    if not real_time_s > 0:
        raise InputError(f"a recording of {real_time_s} s: the time must be positive")
    expected, live_time_s = expected_counts(rate, unit, real_time_s)
    return Spectrum(
        counts=frozen(rng.poisson(expected), np.int64),
        calibration=EnergyCalibration(unit.coefficients_kev),
        live_time_s=live_time_s,
        real_time_s=real_time_s,
        device=unit.detector.title,
        name=name,
        comment="simulated by blackett",
        overflow_channel=unit.channels - 1,
        live_time_rule="simulated",
    )


# --- scenes ----------------------------------------------------------------------


def source_rate(name: str, activity_bq: float, scene: Scene, detector: Detector) -> FloatArray:
    """Counts per second by deposited energy (BINS,) of a source in a scene."""
    energies, photons = lines_of(source_named(name))
    per_decay = deposited(energies, photons, scene, detector, BINS)
    return activity_bq * per_decay


def simulate_room(detector: Detector, real_time_s: float, rng: Generator) -> Spectrum:
    """A background recording: a drawn room, a drawn unit, all priors on."""
    return record(
        draw_room(detector, BINS, rng), draw_unit(detector, rng), real_time_s, rng,
        "simulated background",
    )  # fmt: skip

"""What the compiled digitisation needs to know of the chamber: tables, gains, numbers."""

from __future__ import annotations

from functools import cache, partial
from math import erf
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import numpy as np
from scipy.special import gammaincinv, ndtri

from blackett.alphag.drift import drift_table
from blackett.alphag.geometry.dimensions import CHAMBER_HALF_LENGTH_MM, PADS_RADIUS_MM
from blackett.alphag.geometry.layers import GAS
from blackett.alphag.geometry.tables import read_numbers
from blackett.alphag.particles import PI_PLUS, PION_MEV
from blackett.alphag.transport.apparatus import Settings, build_apparatus, record
from blackett.alphag.transport.energy_loss import restricted_loss
from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.alphag.digitise.settings import DigitiseSettings
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Chamber", "build_chamber", "packed"]

BINS: Final = 311
"""Samples after time 0: 411 less the 100 before it, as in the experiment's simulation."""
BIN_NS: Final = 16.0
WIRES: Final = 256
PITCH_RAD: Final = 2 * np.pi / WIRES
COLUMNS: Final = 32
WIRES_PER_COLUMN: Final = 8
ROWS: Final = 576
ROW_MM: Final = 4.0
HALF_LENGTH_MM: Final = CHAMBER_HALF_LENGTH_MM
WIRE_PEAK_COUNTS: Final = 80.50
PROFILE_PADS: Final = 6
"""Pads on either side that an avalanche reaches."""
PROFILE_STEPS: Final = 64
_FAST_PARCELS, _ALL = 3, 1_000_000
_W_ARGON_EV, _W_CARBON_DIOXIDE_EV = 26.0, 33.0
_CLUSTERS_PER_CM = (29.0, 34.0)  # argon, carbon dioxide, pure
_ARGON_SHARE = 0.7
_MINIMUM_BETA_GAMMA = 3.5
_TAIL_POWER = -1.08  # of the responses beyond the last bin published


class Chamber(NamedTuple):
    """The chamber with its settings as arrays and numbers; amplitudes in units of avalanche size.

    `truth_..` is the drift that electrons follow, `assumed_..` the one that reconstruction uses
    (`drift.DriftTable`).
    """

    truth_by_radius: FloatArray
    truth_by_height: FloatArray
    assumed_by_time: FloatArray
    cluster_cdf: FloatArray  # of 1, 2, .. electrons
    cluster_guide: IntArray  # (1024,) first entry of the cdf at or above each 1024th
    clusters_per_mev: float
    attachment_per_ns: float
    parcels: int  # in which a cluster's electrons drift, at most
    normal: FloatArray  # (8192,) float32 quantiles of the unit Gaussian
    avalanche: FloatArray  # (8192,) float32 quantiles of one electron's avalanche size
    wire_direction: FloatArray  # (256, 2) cosine and sine of the wires' azimuths
    wire_gain: FloatArray  # (256,), 0 if dead
    wire_calibration: FloatArray  # multiplies what is measured
    wire_response: FloatArray  # (311,) float32, peak 1
    wire_numbers: FloatArray  # noise, threshold counts, threshold size, full scale
    cross_talk: FloatArray  # (4,) shares of a signal that neighbours show, negative
    unfolding: FloatArray  # (33,) what undoes it, centred
    pad_gain: FloatArray  # (32, 576), 0 if dead
    pad_calibration: FloatArray
    pad_known_gain: FloatArray  # product of both: 1 but for errors, 0 if dead
    pad_response: FloatArray
    pad_numbers: FloatArray  # noise, threshold counts, threshold size, full scale, counts per size
    pad_noise: float  # of a deconvolved size
    least_pads: int
    pad_profile: FloatArray  # (65, 13): charge on pads by the avalanche's place on the middle one
    pad_sigma_mm: float
    column_share: FloatArray  # (8,) of the charge that the wire's own column gets
    pair_all: bool
    merge_adjacent: bool
    noise_points: float
    windows: IntArray  # of the deconvolution: wires' offset and length, pads'
    trigger_bins: int
    # of a point: time spread beyond the bin (ns), floor along z (mm), squares of the diffusion
    # along and across the drift (mm2 per mm)
    errors: FloatArray


@cache
def build_chamber(settings: DigitiseSettings, delta_cut_mev: float = 0.010) -> Chamber:
    """The chamber with these settings.

    `delta_cut_mev`: electrons freed with more are tracks of their own (`transport.Settings`), so
    that clusters end there. Raises `InputError` for a cut below one ion pair.
    """
    wires, pads, points = settings.wires, settings.pads, settings.points
    rng = numbered(settings.calibration_seed, 0)
    wire_gain, wire_calibration = _gains((WIRES,), wires.gain_spread, wires.dead_fraction, rng)
    pad_gain, pad_calibration = _gains((COLUMNS, ROWS), pads.gain_spread, pads.dead_fraction, rng)
    responses, cdf = _responses(), _cluster_cdf(delta_cut_mev)
    truth = drift_table(settings.drift)
    return Chamber(
        truth_by_radius=truth.by_radius,
        truth_by_height=truth.by_height,
        assumed_by_time=drift_table(truncated=points.truncated_lorentz).by_time,
        cluster_cdf=cdf,
        cluster_guide=frozen(np.searchsorted(cdf, np.arange(1024) / 1024), np.int64),
        clusters_per_mev=settings.gas.clusters_per_cm / 10 / _minimum_loss(delta_cut_mev),
        parcels=_FAST_PARCELS if settings.mode == "fast" else _ALL,
        attachment_per_ns=settings.gas.attachment_per_us / 1000,
        normal=_quantiles(ndtri, 0.0, 1.0),
        avalanche=_quantiles(
            partial(gammaincinv, settings.gas.polya_shape + 1), wires.size_per_electron, None
        ),
        wire_direction=_wire_direction(),
        wire_gain=wire_gain,
        wire_calibration=wire_calibration,
        wire_response=responses[0],
        wire_numbers=frozen(
            [wires.noise_counts, wires.threshold_counts, wires.threshold_size,
             wires.full_scale_counts]
        ),
        cross_talk=frozen([-wires.cross_talk_scale * share for share in wires.cross_talk]),
        unfolding=_unfolding(wires.cross_talk),
        pad_gain=pad_gain,
        pad_calibration=pad_calibration,
        pad_known_gain=frozen(pad_gain * pad_calibration),
        pad_response=responses[1],
        pad_numbers=frozen(
            [pads.noise_counts, pads.threshold_counts, pads.threshold_size,
             pads.full_scale_counts, pads.counts_per_size]
        ),
        pad_noise=_DECONVOLUTION_NOISE * pads.noise_counts / pads.counts_per_size,
        least_pads=pads.least_pads,
        pad_profile=_profile(pads.width_mm),
        pad_sigma_mm=float(np.hypot(pads.width_mm, ROW_MM / np.sqrt(12))),
        column_share=_column_share(pads.column_width_mm),
        pair_all=points.pair_all,
        merge_adjacent=points.merge_adjacent,
        noise_points=points.noise_points,
        windows=frozen([*wires.window, *pads.window], np.int64),
        trigger_bins=int(settings.trigger.prompt_window_ns / BIN_NS),
        errors=_errors(settings),
    )  # fmt: skip


def packed(chamber: Chamber) -> Chamber:
    """The chamber as one numpy record, which compiled code takes as a pointer."""
    arrays = {name: np.asarray(value) for name, value in chamber._asdict().items()}
    return cast("Chamber", record(arrays))


_DECONVOLUTION_NOISE = 3.6  # noise of a deconvolved pad size over a sample's: fitted to full mode
_CALIBRATION_ERROR = 0.02  # of a channel's gain, assumed


def _gains(
    shape: tuple[int, ...], spread: float, dead: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """True gains (0 where dead) and what calibration multiplies measured amplitudes with."""
    gain = np.exp(spread * rng.standard_normal(shape))
    calibration = (1 + _CALIBRATION_ERROR * rng.standard_normal(shape)) / gain
    return frozen(np.where(rng.random(shape) < dead, 0.0, gain)), frozen(calibration)


def _wire_direction() -> FloatArray:
    azimuth = (np.arange(WIRES) + 0.5) * PITCH_RAD
    return frozen(np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1))


def _errors(settings: DigitiseSettings) -> FloatArray:
    points, share = settings.points, settings.points.diffusion_share
    along, across = (
        (share * um * 1e-3) ** 2 / 10
        for um in (settings.drift.longitudinal_um, settings.drift.transverse_um)
    )
    return frozen([points.time_spread_ns, points.z_floor_mm, along, across])


def _quantiles(
    inverse: Callable[[FloatArray], FloatArray], mean: float, sigma: float | None
) -> FloatArray:
    """8192 equally likely values with the mean (and standard deviation) given."""
    values = inverse((np.arange(8192) + 0.5) / 8192)
    values = values * mean / values.mean() if sigma is None else values * sigma / values.std()
    return frozen(values, np.float32)


def _cluster_cdf(delta_cut_mev: float) -> FloatArray:
    """Cumulative shares of cluster sizes in the mixture, up to the delta-ray cut.

    Fischle, Heintze and Schmidt, Nucl. Instrum. Methods A 301 (1991) 202 (recalled), mixed by
    clusters.
    """
    argon, other = _mixture()
    largest = int(delta_cut_mev * 1e6 / (argon * _W_ARGON_EV + other * _W_CARBON_DIOXIDE_EV))
    if largest < 1:
        raise InputError(f"delta-ray cut of {delta_cut_mev} MeV: give at least 30 eV (3e-5)")
    table = read_numbers("cluster_sizes.csv")
    n = np.arange(1, max(largest, len(table)) + 1)
    shares = table[-1, 1:] / n[:, None] ** 2.0
    shares[: len(table) - 1] = table[:-1, 1:]
    mixed = (shares @ np.array([argon, other]))[:largest]
    return frozen(np.cumsum(mixed) / mixed.sum())


def _mixture() -> tuple[float, float]:
    """Shares of clusters made in argon and in carbon dioxide."""
    argon = _ARGON_SHARE * _CLUSTERS_PER_CM[0]
    other = (1 - _ARGON_SHARE) * _CLUSTERS_PER_CM[1]
    return argon / (argon + other), other / (argon + other)


def _minimum_loss(delta_cut_mev: float) -> float:
    """Restricted loss of a pion at minimum ionisation in the chamber gas, MeV/mm."""
    table: FloatArray = build_apparatus(Settings())["table"]  # type: ignore[index]
    energy_mev = PION_MEV * np.hypot(1.0, _MINIMUM_BETA_GAMMA)
    return restricted_loss(table, GAS, PI_PLUS, energy_mev, delta_cut_mev)


def _responses() -> tuple[FloatArray, FloatArray]:
    """Wire and pad response in each bin (float32), between the published bins joined smoothly."""
    table = read_numbers("unit_response.csv")
    bins = np.arange(BINS)
    joined = []
    for column in (1, 2):
        early = np.interp(bins, table[:, 0], table[:, column])
        late = np.exp(
            np.interp(np.log(bins + 1e-9), np.log(table[8:, 0]), np.log(table[8:, column]))
        )
        values = np.where(bins <= table[-5, 0] / 2, early, late)
        values[200:] = table[-1, column] * (bins[200:] / 200) ** _TAIL_POWER
        joined.append(frozen(values, np.float32))
    return joined[0], joined[1]


def _unfolding(cross_talk: tuple[float, ...], reach: int = 16) -> FloatArray:
    """The row of the inverse of the cross-talk matrix, centred, on a ring of wires."""
    row = np.zeros(WIRES)
    row[0] = 1
    for k, share in enumerate(cross_talk, start=1):
        row[[k, -k]] = -share
    inverse = np.fft.ifft(1 / np.fft.fft(row)).real
    return frozen(np.roll(inverse, reach)[: 2 * reach + 1], np.float32)


def _profile(width_mm: float) -> FloatArray:
    """Charge on 13 pads by the avalanche's place on the middle one, 1 for a pad centred under
    it."""
    place = (np.arange(PROFILE_STEPS + 1) / PROFILE_STEPS - 0.5) * ROW_MM
    centre = ROW_MM * np.arange(-PROFILE_PADS, PROFILE_PADS + 1)
    edge = np.vectorize(lambda x: 0.5 * erf(x / width_mm / np.sqrt(2)))
    offset = centre - place[:, None]
    share = edge(offset + ROW_MM / 2) - edge(offset - ROW_MM / 2)
    return frozen(share / (2 * edge(ROW_MM / 2)), np.float32)


def _column_share(width_mm: float) -> FloatArray:
    """Share of a wire's induced charge that falls on its own column, by the wire's place in it."""
    k = np.arange(WIRES_PER_COLUMN)
    from_border = (np.minimum(k, WIRES_PER_COLUMN - 1 - k) + 0.5) * PITCH_RAD * PADS_RADIUS_MM
    return frozen([0.5 * (1 + erf(d / width_mm / np.sqrt(2))) for d in from_border])

"""What a network sees of a spectrum: one function for training and for serving.

Counts of the spectrum and of its background are shared, without loss, from the axis stored with
them onto `BINS` bins of equal width in the square root of the energy, in which a scintillator's
resolution is nearly constant. Square roots of counts then have the same variance in every bin
(M. S. Bartlett, J. R. Stat. Soc. Suppl. 3 (1936) 68; 3/8: F. J. Anscombe, Biometrika 35 (1948)
246). A row of features holds, in this order:

* the spectrum, sqrt(BINS x counts / all counts): noise 0.5 sqrt(BINS / all counts) in each bin;
* the background in the same form, zeros where there is none;
* their difference in standard deviations, asinh of 2 (sqrt(N + 3/8) - sqrt(r B + 3/8)) /
  sqrt(1 + r) with r the ratio of live times; zeros without a background;
* the `SCALARS`; one place for each of `DETECTORS`, 1 for the one used, else 0.

    >>> prepare([spectrum]).shape  # doctest: +SKIP
    (1, 590)
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numba import njit

from blackett.errors import InputError
from blackett.gamma.detector import detector_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray
    from blackett.gamma.spectrum import Spectrum

__all__ = [
    "BINS",
    "BIN_EDGES_KEV",
    "DETECTORS",
    "FEATURES",
    "GENERIC",
    "RANGE_KEV",
    "SCALARS",
    "Batch",
    "counts_of",
    "detector_index",
    "layout_sha256",
    "prepare",
    "prepare_batch",
    "scaled_channels",
]

BINS = 192
"""Bins of equal width in sqrt(E): between four and five in a FWHM of 9 % at 662 keV."""
RANGE_KEV = (30.0, 2800.0)
"""From above the lower thresholds of the supported detectors to above the 2614.5 keV peak."""
BIN_EDGES_KEV = np.linspace(RANGE_KEV[0] ** 0.5, RANGE_KEV[1] ** 0.5, BINS + 1) ** 2
BIN_EDGES_KEV.setflags(write=False)
SCALARS = (
    "log10(counts + 1) - 3",
    "log10(live time / s) - 2.5",
    "log10(counts per second + 0.01)",
    "1 with a background, else 0",
    "log10(background counts + 1) - 3",
    "log10(background live time / s) - 3",
    "asinh of the net counts in standard deviations / 3",
    "log2(channels / 1024) / 2",
)
"""What the scalar features are; counts are those inside `RANGE_KEV`, sums without background 0."""
DETECTORS = (
    "radiacode-101",
    "radiacode-102",
    "radiacode-103",
    "radiacode-103g",
    "radiacode-110",
    "generic",
)
"""Detectors that a network knows; generic stands for one of them, unknown which."""
GENERIC = DETECTORS.index("generic")
EARLIER_CHANNELS = 1023
FEATURES = 3 * BINS + len(SCALARS) + len(DETECTORS)
"""Length of a row of features."""


class Batch(Protocol):
    """What `prepare_batch` needs of a batch of n simulated spectra.

    Rows with fewer channels than the arrays are wide fill the first ones. The last channel of a
    row is its overflow.
    """

    @property
    def counts(self) -> np.ndarray:
        """Counts, (n, channels)."""

    @property
    def channels(self) -> np.ndarray:
        """Channels in use, (n,)."""

    @property
    def coefficients_kev(self) -> np.ndarray:
        """Stored axis, (n, 3)."""

    @property
    def live_time_s(self) -> np.ndarray:
        """Live times, (n,)."""

    @property
    def background(self) -> np.ndarray:
        """Counts of the background on the same axis, (n, channels)."""

    @property
    def background_live_time_s(self) -> np.ndarray:
        """Live times of the background, (n,); 0 where there is none."""


def layout_sha256() -> str:
    """SHA-256 of the meaning of the features: networks of another layout do not fit."""
    meaning = {"bins": BINS, "range_kev": RANGE_KEV, "scalars": SCALARS, "detectors": DETECTORS}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def detector_index(name: str) -> int:
    """Place of a detector in `DETECTORS`; InputError for one that no network was trained on."""
    if name not in DETECTORS:
        raise InputError(
            f"no network knows detector {name!r}; it was trained on {', '.join(DETECTORS)}"
        )
    return DETECTORS.index(name)


# --- measured spectra ----------------------------------------------------------------


def prepare(spectra: Sequence[Spectrum], detector_name: str | None = None) -> np.ndarray:
    """Features (n, FEATURES) float32 of spectra with their attached backgrounds.

    `detector_name` holds for all; without it each spectrum's `device` decides, "generic" where it
    names none. Raises InputError for an uncalibrated spectrum or a detector of another family.
    """
    features = np.zeros((len(spectra), FEATURES), np.float32)
    for row, spectrum in zip(features, spectra, strict=True):
        index = detector_index(detector_name or _detector_name(spectrum))
        room = spectrum.background
        counted, edges = _usable(spectrum), spectrum.edges_kev
        _prepare_row(
            counted, edges, spectrum.live_time_s,
            counted if room is None else _usable(room),
            edges if room is None else room.edges_kev,
            0.0 if room is None else room.live_time_s, index, BIN_EDGES_KEV, row,
        )  # fmt: skip
    return features


def _detector_name(spectrum: Spectrum) -> str:
    found = detector_for(f"{spectrum.device} {spectrum.serial}")
    return "generic" if found is None else found.name


def _usable(spectrum: Spectrum) -> np.ndarray:
    return np.where(spectrum.usable, spectrum.counts, 0)


def counts_of(features: np.ndarray) -> FloatArray:
    """Counts between 30 and 2800 keV that rows of features stand for, (n,)."""
    return np.asarray(10.0 ** (features[:, 3 * BINS].astype(np.float64) + 3.0) - 1.0)


# --- batches -------------------------------------------------------------------------


def prepare_batch(batch: Batch, detector: np.ndarray, threads: int = 1) -> np.ndarray:
    """Features (n, FEATURES) float32 of a batch; `detector` (n,) are places in `DETECTORS`.

    The same numbers, bit for bit, as `prepare` gives for the same spectra, whatever the number of
    threads.
    """
    n = batch.counts.shape[0]
    features = np.zeros((n, FEATURES), np.float32)
    cuts = np.linspace(0, n, threads + 1).astype(int)
    pieces = [slice(a, b) for a, b in pairwise(cuts)]

    def work(piece: slice) -> None:
        _prepare_rows(
            batch.counts[piece], batch.channels[piece].astype(np.int64),
            batch.coefficients_kev[piece].astype(np.float64),
            batch.live_time_s[piece].astype(np.float64), batch.background[piece],
            batch.background_live_time_s[piece].astype(np.float64),
            detector[piece].astype(np.int64), BIN_EDGES_KEV, features[piece],
        )  # fmt: skip

    if threads == 1:
        work(pieces[0])
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, pieces))
    return features


@njit(cache=True, nogil=True)
def _prepare_rows(
    counts: np.ndarray, channels: np.ndarray, coefficients: FloatArray, live_s: FloatArray,
    background: np.ndarray, background_live_s: FloatArray, detector: np.ndarray,
    bin_edges: FloatArray, out: np.ndarray,
) -> None:  # fmt: skip
    usable = np.zeros(counts.shape[1], np.int64)
    usable_room = np.zeros(counts.shape[1], np.int64)
    for i in range(counts.shape[0]):
        n = channels[i]
        edges = np.empty(n + 1)
        for c in range(n + 1):
            at = c - 0.5
            edges[c] = coefficients[i, 0] + (coefficients[i, 1] + coefficients[i, 2] * at) * at
        usable[: n - 1] = counts[i, : n - 1]
        usable_room[: n - 1] = background[i, : n - 1]
        usable[n - 1] = usable_room[n - 1] = 0
        _prepare_row(
            usable[:n], edges, live_s[i], usable_room[:n], edges, background_live_s[i],
            detector[i], bin_edges, out[i],
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _prepare_row(
    counts: np.ndarray, edges: FloatArray, live_s: float, background: np.ndarray,
    background_edges: FloatArray, background_live_s: float, detector: int, bin_edges: FloatArray,
    out: np.ndarray,
) -> None:  # fmt: skip
    """One row of features, written into `out`."""
    bins = bin_edges.size - 1
    spectrum = _shared(counts, edges, bin_edges)
    total = spectrum.sum()
    _write_shape(spectrum, total, out[:bins])
    scalars = out[3 * bins :]
    scalars[0] = np.log10(total + 1.0) - 3.0
    scalars[1] = np.log10(live_s) - 2.5
    scalars[2] = np.log10(total / live_s + 0.01)
    scalars[7] = 0.5 * np.log2(counts.size / 1024.0)
    scalars[8 + detector] = 1.0
    if background_live_s > 0.0:
        room = _shared(background, background_edges, bin_edges)
        _write_shape(room, room.sum(), out[bins : 2 * bins])
        ratio = live_s / background_live_s
        _write_difference(spectrum, room, ratio, out[2 * bins : 3 * bins])
        scalars[3] = 1.0
        scalars[4] = np.log10(room.sum() + 1.0) - 3.0
        scalars[5] = np.log10(background_live_s) - 3.0
        net = total - ratio * room.sum()
        scalars[6] = np.arcsinh(net / np.sqrt(total + ratio**2 * room.sum() + 1.0)) / 3.0


@njit(cache=True, nogil=True)
def _shared(counts: np.ndarray, edges: FloatArray, bin_edges: FloatArray) -> FloatArray:
    """Counts shared onto the bins by overlap, evenly inside a channel; those outside are lost."""
    made = np.zeros(bin_edges.size - 1)
    last = made.size
    j = 0
    for c in range(counts.size):
        low, high = edges[c], edges[c + 1]
        if counts[c] == 0 or high <= bin_edges[0]:
            continue
        if low >= bin_edges[last]:
            break
        density = counts[c] / (high - low)
        while j < last - 1 and bin_edges[j + 1] <= low:
            j += 1
        k = j
        while k < last and bin_edges[k] < high:
            made[k] += density * (min(high, bin_edges[k + 1]) - max(low, bin_edges[k]))
            k += 1
    return made


@njit(cache=True, nogil=True)
def _write_shape(counts: FloatArray, total: float, out: np.ndarray) -> None:
    if total > 0.0:
        scale = counts.size / total
        for b in range(counts.size):
            out[b] = np.sqrt(scale * counts[b])


@njit(cache=True, nogil=True)
def _write_difference(
    spectrum: FloatArray, background: FloatArray, ratio: float, out: np.ndarray
) -> None:
    norm = 2.0 / np.sqrt(1.0 + ratio)
    for b in range(spectrum.size):
        step = np.sqrt(spectrum[b] + 0.375) - np.sqrt(ratio * background[b] + 0.375)
        out[b] = np.arcsinh(norm * step)


# --- the earlier network --------------------------------------------------------------


def scaled_channels(counts: np.ndarray) -> np.ndarray:
    """What the earlier network sees of counts (n, 1024): channels 0 to 1022 divided by the largest,
    (n, 1023) float32; empty rows stay 0. Raises InputError for another number of channels."""
    if counts.ndim != 2 or counts.shape[1] != EARLIER_CHANNELS + 1:
        raise InputError(f"counts of shape {counts.shape}: the earlier network takes 1024 channels")
    spectrum = counts[:, :EARLIER_CHANNELS].astype(np.float32)
    return np.asarray(spectrum / np.maximum(spectrum.max(axis=1, keepdims=True), 1.0))

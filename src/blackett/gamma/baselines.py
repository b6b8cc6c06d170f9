"""The simple methods that a better one must beat, each as a score for every source.

All three see what the rest see: the spectrum on its stored axis, and its background where there is
one. They know the library's templates and lines, and nothing of axis errors.

* `nearest_template`: the one source whose template has the largest cosine with the net spectrum, as
  centroid classifiers do;
* `nonnegative_least_squares`: a weighted NNLS of all templates to the net spectrum; the score is
  the rise of chi-squared without a source;
* `peak_search`: peaks by a second-difference filter (M. A. Mariscotti, Nucl. Instrum. Methods 50
  (1967) 309), then sources by the share of their expected lines among the peaks, one after
  another: a peak is explained once.

A score means nothing by itself: evaluation sets one threshold a method, at equal false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from blackett.gamma.detector import detector
from blackett.gamma.room import room_components
from blackett.gamma.sources import observable_sources
from blackett.gamma.spectrum import rebin
from blackett.gamma.templates import CONTINUUM, library

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.spectrum import Spectrum

__all__ = ["nearest_template", "nonnegative_least_squares", "peak_search"]

LOWEST_KEV, HIGHEST_KEV, BINS = 33.0, 2900.0, 256
FEWEST_LINE_SHARE = 0.15
"""Lines weaker than this share of a source's strongest peak are not asked for."""
WINDOW_FWHM = 0.5
"""A peak belongs to a line nearer than this share of the width at half maximum."""
PEAK_SIGMA, MOST_SIGMA = 3.0, 30.0
MOST_SOURCES = 6


@dataclass(frozen=True)
class _Net:
    """A spectrum in bins uniform in sqrt(E): counts, the background's share, and its variance."""

    counts: FloatArray
    expected: FloatArray
    variance: FloatArray

    @property
    def values(self) -> FloatArray:
        return self.counts - self.expected


@cache
def _edges_kev() -> FloatArray:
    return np.linspace(np.sqrt(LOWEST_KEV), np.sqrt(HIGHEST_KEV), BINS + 1) ** 2


@cache
def _names() -> tuple[str, ...]:
    return tuple(source.name for source in observable_sources())


@cache
def _templates(name: str) -> tuple[FloatArray, np.ndarray]:
    """Templates (columns, BINS) at the nominal width, each of sum 1, and the source of each."""
    templates = library(name)
    level = round(templates.nominal_width)
    grid_kev = (np.arange(templates.by_energy.shape[1]) * templates.grid_step) ** 2
    place = np.interp(_edges_kev(), grid_kev, np.arange(grid_kev.size))
    low = np.minimum(place.astype(int), grid_kev.size - 2)
    part = (place - low)[:, None]
    cumulative = templates.by_energy[level]
    rows = np.diff((1 - part) * cumulative[low] + part * cumulative[low + 1], axis=0).T
    known = np.array([n != CONTINUUM for n in templates.source_of])
    of = np.array([_names().index(n) for n in np.array(templates.source_of)[known]])
    rows = np.maximum(rows[known], 0.0)
    return rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-300), of


@cache
def _typical_room(name: str) -> FloatArray:
    """Counts (BINS,) of sum 1 of the typical room, for spectra without a background."""
    rate = np.sum([c.rate for c in room_components(detector(name), 1024)[:5]], axis=0)
    edges = 3100.0 * np.linspace(0.0, 1.0, rate.size + 1) ** 2
    shape = rebin(rate, edges, _edges_kev()).counts
    return np.asarray(shape / shape.sum())


def _net(spectrum: Spectrum, name: str) -> _Net:
    edges = _edges_kev()
    counts = rebin(np.where(spectrum.usable, spectrum.counts, 0), spectrum.edges_kev, edges).counts
    room = spectrum.background
    if room is None:
        # nothing is known of the room's rate: as much as the lower quarter of the channels allows
        shape = _typical_room(name)
        scale = float(np.quantile(counts / np.maximum(shape, 1e-9), 0.25))
        return _Net(counts, scale * shape, counts + 0.01 * (scale * shape) ** 2 + 1.0)
    ratio = spectrum.live_time_s / room.live_time_s
    seen = rebin(np.where(room.usable, room.counts, 0), room.edges_kev, edges).counts
    return _Net(counts, ratio * seen, counts + ratio**2 * seen + 1.0)


def nearest_template(spectrum: Spectrum, name: str) -> FloatArray:
    """Scores (S,) in the registry's order, 0 for all but the nearest source: the cosine times a
    rising function of the net counts' significance, so that an empty net spectrum names nothing."""
    net = _net(spectrum, name)
    rows, of = _templates(name)
    values = net.values
    cosine = rows @ values / np.sqrt((rows**2).sum(axis=1) * max((values**2).sum(), 1e-9))
    significance = max(float(values.sum()), 0.0) / np.sqrt(net.variance.sum())
    best = int(cosine.argmax())
    scores = np.zeros(len(_names()))
    scores[of[best]] = max(float(cosine[best]), 0.0) * significance
    return scores


def nonnegative_least_squares(spectrum: Spectrum, name: str) -> FloatArray:
    """Scores (S,) in the registry's order: square root of the rise of chi-squared without the
    source's columns, all others kept."""
    net = _net(spectrum, name)
    rows, of = _templates(name)
    weight = 1.0 / np.sqrt(net.variance)
    amplitudes, _ = nnls((rows * weight).T, net.values * weight, maxiter=2000)
    part = np.zeros((len(_names()), BINS))
    np.add.at(part, of, amplitudes[:, None] * rows)
    residual = (net.values - amplitudes @ rows) * weight
    part *= weight
    return np.asarray(np.sqrt(np.maximum((part**2 + 2 * residual * part).sum(axis=1), 0.0)))


def peak_search(spectrum: Spectrum, name: str) -> FloatArray:
    """Scores (S,) in the registry's order: significance of a source's peaks that no better source
    explains, weighted with the share that each should have."""
    filtered = _significance(_net(spectrum, name), name)
    near, weight = _asked(name)
    free = np.where(filtered > PEAK_SIGMA, np.minimum(filtered, MOST_SIGMA), 0.0)
    scores = np.zeros(len(_names()))
    for _ in range(MOST_SOURCES):
        seen = np.where(near, free, 0.0).max(axis=2)  # (S, lines)
        found = (weight * (seen > 0)).sum(axis=1) * (weight * seen).sum(axis=1)
        found[scores > 0] = 0.0
        best = int(found.argmax())
        if found[best] <= 0:
            break
        scores[best] = found[best]
        free[near[best].any(axis=0)] = 0.0
    return scores


@cache
def _asked(name: str) -> tuple[np.ndarray, FloatArray]:
    """Bins near each asked line (S, lines, BINS), and each line's share of all (S, lines)."""
    templates = library(name)
    edges = _edges_kev()
    centres = 0.5 * (edges[1:] + edges[:-1])
    lines = []
    for source in _names():
        energies, shares = templates.peaks_of(source)
        asked = (energies > LOWEST_KEV) & (shares[0] >= FEWEST_LINE_SHARE * shares[0].max())
        lines.append((energies[asked], shares[0][asked]))
    most = max(energies.size for energies, _ in lines)
    near = np.zeros((len(lines), most, BINS), dtype=bool)
    weight = np.zeros((len(lines), most))
    for i, (energies, shares) in enumerate(lines):
        width = np.array([templates.fwhm_kev(e, templates.nominal_width) for e in energies])
        if energies.size:
            reach = WINDOW_FWHM * width[:, None]
            near[i, : energies.size] = np.abs(centres - energies[:, None]) < reach
            weight[i, : energies.size] = shares / shares.sum()
    return near, weight


@cache
def _kernels(name: str) -> FloatArray:
    """Second-difference filters (BINS, BINS): a Gaussian's width positive, its sides negative."""
    edges = _edges_kev()
    centres = 0.5 * (edges[1:] + edges[:-1])
    sigma = np.asarray(detector(name).fwhm_kev(centres)) / 2.35482
    u = (centres[None, :] - centres[:, None]) / sigma[:, None]
    made = (1.0 - u**2) * np.exp(-0.5 * u**2) * np.diff(edges)[None, :]
    positive = np.where(made > 0, made, 0.0).sum(axis=1, keepdims=True)
    negative = np.where(made < 0, -made, 0.0).sum(axis=1, keepdims=True)
    made = np.where(made > 0, made, made * positive / negative)  # a flat continuum gives zero
    return np.asarray(made)


def _significance(net: _Net, name: str) -> FloatArray:
    """Filtered net counts over their standard error (BINS,)."""
    kernels = _kernels(name) / np.diff(_edges_kev())[None, :]
    return np.asarray((kernels @ net.values) / np.sqrt((kernels**2) @ net.variance))

"""Nuclides that do not exist: random lines through the same physics as real ones.

A network that must say "unknown" has to know what is in its library, not what looks unphysical. An
invented nuclide has one to six lines between 30 and 2800 keV and, in half of the cases, the K
X-rays of some element, in scenes where sources are met; light, resolution and axis are those of a
drawn unit. Some come out close to a real source: as in life.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.gamma.appearances import BINS
from blackett.gamma.detector import detector
from blackett.gamma.devices import MOST_CHANNELS, at_nodes, draw_devices
from blackett.gamma.folding import deposit_edges_kev, deposited_in_scenes, k_lines, peak_counts
from blackett.gamma.mixtures import SHAPES, detector_tables, peaks_at_nodes
from blackett.gamma.recording import Drawn, Recorded, record_drawn
from blackett.gamma.scene import Scene
from blackett.seeds import numbered

if TYPE_CHECKING:
    from numpy.random import Generator

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.recording import Tables

__all__ = ["INVENTED", "draw_lines", "invented_counts"]

INVENTED = 400
"""Nuclides for each detector."""
MOST_LINES, LINES_KEV = 6, (30.0, 2800.0)
X_RAY_SHARE, X_RAYS_PER_LINE = 0.5, (0.1, 2.0)
ELEMENTS = ("Ag", "Sn", "I", "Ba", "Ce", "Sm", "Gd", "Er", "Yb", "W", "Ir", "Hg", "Pb", "Th", "U")
SCENES = (
    Scene(50.0, surroundings="bench"),
    Scene(50.0, surroundings="desk"),
    Scene(50.0, shield=(("iron", 2.0),), surroundings="desk"),
    Scene(50.0, shield=(("water", 40.0),), surroundings="room"),
)
SHAPE_ERROR, PEAKS = (0.02, 0.10), (0.5, 1.1)
"""As in `TrainingRecipe`."""
SEED = 20_260_101
"""Of the inventions: the same in every run."""


class Inventions(NamedTuple):
    """What one detector shows of all of them: rows (INVENTED x SCENES), a nuclide's together."""

    tables: Tables
    counts_per_decay: FloatArray


def draw_lines(rng: Generator) -> tuple[FloatArray, FloatArray]:
    """Energies (n,) in keV and photons per decay (n,) of an invented nuclide, the strongest 1."""
    number = int(rng.integers(1, MOST_LINES + 1))
    low, high = np.log(LINES_KEV)
    energies = np.exp(rng.uniform(low, high, number))
    photons = rng.dirichlet(np.full(number, 0.7)) + 1e-3
    if rng.random() < X_RAY_SHARE:
        lines, shares = k_lines(str(rng.choice(ELEMENTS)))
        inside = lines > 1.0
        energies = np.concatenate([energies, lines[inside]])
        strength = rng.uniform(*X_RAYS_PER_LINE)
        photons = np.concatenate([photons, strength * shares[inside]])
    return energies, photons / photons.max()


@cache
def inventions(name: str) -> Inventions:
    """The invented nuclides of a detector (some seconds)."""
    instrument = detector(name)
    drawn = [draw_lines(numbered(SEED, k)) for k in range(INVENTED)]
    energies = np.concatenate([e for e, _ in drawn])
    photons = np.zeros((INVENTED, energies.size))
    place = 0
    for row, (_, strength) in zip(photons, drawn, strict=True):
        row[place : place + strength.size] = strength
        place += strength.size
    order = np.argsort(energies)
    energies, photons = energies[order], photons[:, order]
    seen = deposited_in_scenes(energies, photons, SCENES, instrument, BINS)
    rows = seen.transpose(1, 0, 2).reshape(-1, BINS)
    peaks = _peaks(energies, photons, instrument).transpose(1, 0, 2).reshape(-1, BINS)
    at_peak = np.nonzero(peaks)
    tables = detector_tables(name)._replace(
        deposits=at_nodes(rows),
        **peaks_at_nodes(
            np.searchsorted(at_peak[0], np.arange(len(rows) + 1)),
            at_peak[1],
            np.minimum(peaks, rows)[at_peak].astype(np.float32),
        ),
    )
    return Inventions(tables, rows.sum(axis=1))


def _peaks(energies: FloatArray, photons: FloatArray, instrument: Detector) -> FloatArray:
    """Counts per decay in full-energy peaks, (SCENES, INVENTED, BINS)."""
    bins = np.searchsorted(deposit_edges_kev(BINS), energies, side="right") - 1
    made = np.zeros((len(SCENES), len(photons), BINS))
    for of_scene, scene in zip(made, SCENES, strict=True):
        at_line = photons * peak_counts(instrument, scene, energies, np.ones_like(energies))
        for k, b in enumerate(bins):
            of_scene[:, b] += at_line[:, k]
    return made


def invented_counts(
    name: str, wanted: FloatArray, channels: np.ndarray, axis: FloatArray, rng: Generator
) -> np.ndarray:
    """Counts (n, 1024) of one invented nuclide each, about `wanted` (n,) in all.

    `channels` (n,) and `axis` (n, 3), a0, a1, a2 in keV, are those of the spectra they go into.
    """
    found, n = inventions(name), wanted.size
    out = Recorded(
        np.zeros((n, MOST_CHANNELS), np.int32), np.zeros(n),
        np.zeros((n, 0), np.int32), np.zeros(n), np.zeros(n),
    )  # fmt: skip
    drawn = _drawn(found, name, wanted, channels, axis, rng)
    record_drawn(np.arange(n), found.tables, drawn, out)
    return out.counts


def _drawn(
    found: Inventions, name: str, wanted: FloatArray, channels: np.ndarray, axis: FloatArray,
    rng: Generator,
) -> Drawn:  # fmt: skip
    """Each nuclide as a mixture of two scenes in one second, without room or dead time."""
    n = wanted.size
    units = draw_devices(detector(name), n, rng)
    scene = rng.integers(0, len(SCENES), (n, 2))
    row = len(SCENES) * rng.integers(0, INVENTED, n)[:, None] + scene
    second = rng.uniform(0.0, 1.0, n)
    share = np.stack([1.0 - second, second], axis=1)
    decays = wanted / (share * found.counts_per_decay[row]).sum(axis=1)
    nothing, one = np.zeros(n), np.ones(n)
    return Drawn(
        state=rng.integers(0, 2**64, (n, 2), dtype=np.uint64) | np.array([0, 1], np.uint64),
        group_first=np.arange(n + 1),
        group_around=np.zeros(n, bool),
        group_shape=_shape_errors(n, rng),
        term_first=2 * np.arange(n + 1),
        term_row=row.ravel(),
        term_rate=(share * decays[:, None]).ravel().astype(np.float32),
        term_peaks=np.repeat(rng.uniform(*PEAKS, n) - 1.0, 2).astype(np.float32),
        room=np.zeros((n, found.tables.rooms.shape[0]), np.float32),
        room_shape=np.zeros((n, SHAPES), np.float32),
        recorded=np.zeros((n, found.tables.recorded.shape[0]), np.float32),
        level=units.level,
        channels=channels.astype(np.int64),
        coefficients_kev=axis.astype(np.float64),
        threshold_kev=units.threshold_kev,
        threshold_width_kev=units.threshold_width_kev,
        gain=1.0 + units.gain_error,
        offset_kev=units.offset_error_kev,
        light_power=units.light_power,
        parabola=units.parabola,
        dead_time_s=nothing,
        resolving_time_s=nothing,
        real_time_s=one,
        background_time_s=nothing,
        background_gain=one,
        background_scale=one,
        background_radon=one,
    )


def _shape_errors(n: int, rng: Generator) -> np.ndarray:
    sigma = rng.uniform(*SHAPE_ERROR, n)[:, None]
    return (sigma * rng.standard_normal((n, SHAPES))).astype(np.float32)

"""Simulation on the fly: spectra of drawn mixtures in drawn rooms on drawn units, by the batch.

    for batch in simulate("default", 100_000, generator(1)): ...

All parameters of a batch are drawn from one generator, the counts of each spectrum from one of its
own: the same bytes for any number of threads. `simulation` is the slow exact reference.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.errors import InputError
from blackett.gamma.appearances import appearances, passing
from blackett.gamma.background import seed_continuum
from blackett.gamma.batches import SpectrumBatch
from blackett.gamma.compositions import compose
from blackett.gamma.counting import NODE_STEP, NODES
from blackett.gamma.devices import (
    CELL_STEP,
    CELLS,
    MOST_CHANNELS,
    SHARED,
    at_nodes,
    draw_devices,
    node_energies_kev,
    resolutions,
)
from blackett.gamma.recipe import TrainingRecipe, find_recipe
from blackett.gamma.recording import PEAK, Drawn, Recorded, Tables, record_drawn
from blackett.gamma.rooms import draw_weights, room_columns
from blackett.gamma.scene import solid_angle_fraction
from blackett.gamma.sources import registry_hash
from blackett.gamma.spectrum import rebin
from blackett.gamma.templates import LOCAL_CPS_PER_CM3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.random import Generator

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.spectrum import Spectrum

__all__ = ["BATCH", "SHAPES", "detector_tables", "measured_cells", "peaks_at_nodes", "simulate"]

BATCH = 1024
"""Spectra in a batch."""
SHAPES = 6
"""Cosines in ln E that make up a smooth error of shape."""
SHAPE_FROM_KEV, SHAPE_TO_KEV = 15.0, 3100.0
SEED_CPS, SEED_FACTORS = 5.0, (0.3, 3.0)
SEED_CONTINUUM = 0.7
SEED_NATURAL = (("K-40", 0.95, 0.5, 5.0), ("Rn-222", 0.80, 0.1, 2.0), ("Th-232", 0.60, 0.05, 1.0))
"""The seed's background: rate, factor, share of the continuum; name, chance, Bq from and to."""
TERMS = 2
"""Appearances that make up a source."""


def simulate(
    recipe: TrainingRecipe | str | Path,
    n: int,
    rng: Generator,
    detector: str | None = None,
    measured: Spectrum | None = None,
    threads: int = 1,
) -> Iterator[SpectrumBatch]:
    """n spectra in batches of up to 1024, of a recipe or of one that `find_recipe` finds.

    `detector` (a name) replaces the recipe's, `measured` is a recorded background that makes up
    `measured_share` of each room's counts. Raises InputError for n < 1, threads < 1, an unknown
    recipe or detector, or a measured background without energy axis or counts.
    """
    chosen = recipe if isinstance(recipe, TrainingRecipe) else find_recipe(recipe)
    if n < 1 or threads < 1:
        raise InputError(f"{n} spectra in {threads} threads: give numbers of at least 1")
    names = chosen.detectors if detector is None else (detector,)
    for name in names:
        appearances(name)
    cells = None if measured is None else measured_cells(measured)
    return _batches(chosen, names, n, rng, cells, threads)


def _batches(
    recipe: TrainingRecipe,
    names: tuple[str, ...],
    n: int,
    rng: Generator,
    measured: np.ndarray | None,
    threads: int,
) -> Iterator[SpectrumBatch]:
    for k, start in enumerate(range(0, n, BATCH)):
        yield _batch(recipe, names[k % len(names)], min(BATCH, n - start), rng, measured, threads)


def measured_cells(recorded: Spectrum) -> np.ndarray:
    """A recorded background as a normalised shape (CELLS,) over measured energy, float32.

    Overflow and masked channels are left out. Raises InputError if nothing is left, or if the
    spectrum has no energy axis.
    """
    edges = (np.arange(CELLS + 1) * CELL_STEP) ** 2
    cells = rebin(np.where(recorded.usable, recorded.counts, 0), recorded.edges_kev, edges).counts
    if not cells.sum() > 0.0:
        raise InputError("the measured background has no counts on its energy axis")
    return np.asarray(cells / cells.sum(), dtype=np.float32)


# --- tables ------------------------------------------------------------------------------


@cache
def detector_tables(name: str) -> Tables:
    """What all spectra of one detector share; `recorded` holds the seed's continuum."""
    looks, widths = appearances(name), resolutions(name)
    energy = np.maximum((np.arange(NODES + 1) * NODE_STEP) ** 2, 10.0)
    return Tables(
        deposits=at_nodes(looks.deposits),
        **peaks_at_nodes(looks.peak_first, looks.peak_bin, looks.peak_counts),
        rooms=at_nodes(room_columns(name)),
        recorded=_seed_cells(looks.detector)[None, :],
        shapes=_shapes(),
        sigma_kev=widths.sigma_kev,
        first=widths.first,
        taps=widths.taps,
        start=widths.start,
        band=widths.band,
        log_yield=np.log(looks.detector.light_yield(energy)),
    )


def peaks_at_nodes(first: IntArray, bins: IntArray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """The same peaks shared between the two nodes beside their bins, like `at_nodes`."""
    left = bins // 2
    near = np.where(bins % 2 == 0, SHARED, 1.0 - SHARED)
    peaks = np.empty((bins.size, 2), PEAK)
    peaks["node"] = np.stack([left, left + 1], axis=1)
    peaks["counts"] = np.stack([near * counts, (1.0 - near) * counts], axis=1)
    return {"peak_first": 2 * first, "peaks": peaks.ravel()}


def _seed_cells(instrument: Detector) -> np.ndarray:
    """The seed's continuum between the ends of a detector's range, normalised (CELLS,)."""
    edges = (np.arange(CELLS + 1) * CELL_STEP) ** 2
    low, high = instrument.range_kev
    inside = np.diff(np.clip(edges, low, high))
    cells = inside * seed_continuum(0.5 * (edges[1:] + edges[:-1]))
    return np.asarray(cells / cells.sum(), dtype=np.float32)


@cache
def _room_sums(name: str) -> FloatArray:
    """Counts per second of each column of a room that pass the threshold."""
    return np.asarray(room_columns(name).astype(np.float64) @ passing(appearances(name).detector))


@cache
def _shapes() -> np.ndarray:
    """Cosines (SHAPES, DEPOSIT_NODES) of ln E with a mean square that falls with their number.

    Coefficients of unit variance make a smooth random function of unit variance.
    """
    energy = np.maximum(node_energies_kev(), SHAPE_FROM_KEV)
    place = np.log(energy / SHAPE_FROM_KEV) / np.log(SHAPE_TO_KEV / SHAPE_FROM_KEV)
    order = np.arange(1, SHAPES + 1)[:, None]
    size = 1.0 / order
    return np.asarray(
        np.sqrt(2.0 / (size**2).sum()) * size * np.cos(np.pi * order * place), dtype=np.float32
    )


# --- one batch ---------------------------------------------------------------------------


def _batch(
    recipe: TrainingRecipe,
    name: str,
    n: int,
    rng: Generator,
    measured: np.ndarray | None,
    threads: int,
) -> SpectrumBatch:
    tables = detector_tables(name)
    if measured is not None:
        tables = tables._replace(recorded=np.stack([tables.recorded[0], measured]))
    mixture = _Mixture(recipe, name, n, rng, measured is not None)
    drawn = mixture.drawn()
    out = Recorded(
        np.zeros((n, MOST_CHANNELS), np.int32), np.zeros(n),
        np.zeros((n, MOST_CHANNELS), np.int32), np.zeros(n),
        np.zeros(drawn.group_around.size),
    )  # fmt: skip
    _record(tables, drawn, out, threads)
    return mixture.batch(drawn, out)


def _record(tables: Tables, drawn: Drawn, out: Recorded, threads: int) -> None:
    # neighbours of one resolution share its folding matrix in the processor's cache
    order = np.argsort(drawn.level, kind="stable")
    if threads == 1:
        record_drawn(order, tables, drawn, out)
        return
    with ThreadPoolExecutor(threads) as pool:
        pieces = np.array_split(order, 4 * threads)
        for work in [pool.submit(record_drawn, piece, tables, drawn, out) for piece in pieces]:
            work.result()


class _Mixture:
    """The draws of one batch of n spectra of one detector, from one generator."""

    def __init__(
        self, recipe: TrainingRecipe, name: str, n: int, rng: Generator, measured: bool
    ) -> None:
        self.recipe, self.n, self.rng, self.measured = recipe, n, rng, measured
        self.looks, self.tables = appearances(name), detector_tables(name)
        self.devices = draw_devices(self.looks.detector, n, rng)
        self.real_time_s = self._times()
        self.distance_mm = self._log_uniform(recipe.distance_mm)
        self.room, self.recorded = self._rooms()
        self.room_cps = self.room @ self._room_sums() + self.recorded.sum(axis=1)
        self.room_counts = self.room_cps * self.real_time_s
        self.composed = compose(recipe, n, rng)
        around, around_cps = self._around()
        source = np.concatenate([self.composed.source, around], axis=1)
        self.in_row, self.column = np.nonzero(source >= 0)
        self.source = source[self.in_row, self.column]
        self.is_around = self.column >= self.composed.source.shape[1]
        self.term_row, self.term_share, self.counts_per_decay = self._terms()
        self.activity_bq = self._activities(around_cps)

    # -- places and times --

    def _log_uniform(self, between: tuple[float, float]) -> FloatArray:
        low, high = np.log(between)
        return np.asarray(np.exp(self.rng.uniform(low, high, self.n)))

    def _times(self) -> FloatArray:
        wide = self.rng.random(self.n) < self.recipe.wide_share
        usual = self._log_uniform(self.recipe.real_time_s)
        return np.where(wide, self._log_uniform(self.recipe.wide_time_s), usual)

    def _rooms(self) -> tuple[FloatArray, FloatArray]:
        """Weights of the columns of rooms, and counts per second of recorded shapes."""
        n, tables = self.n, self.tables
        recorded: FloatArray = np.zeros((n, 1 + self.measured))
        room: FloatArray
        if self.recipe.background == "seed":
            room = np.zeros((n, tables.rooms.shape[0]))
            rate = SEED_CPS * self.rng.uniform(*SEED_FACTORS, n)
            recorded[:, 0] = SEED_CONTINUUM * rate
        else:
            room = draw_weights(n, self.rng)
            rate = room @ self._room_sums()
        if self.measured:
            kept = 1.0 - self.recipe.measured_share
            room, recorded = kept * room, kept * recorded
            recorded[:, 1] = self.recipe.measured_share * rate
        return room, recorded

    def _room_sums(self) -> FloatArray:
        return _room_sums(self.looks.detector.name)

    def _around(self) -> tuple[IntArray, FloatArray]:
        """Natural sources nearer than the walls, -1 for none, and their amounts, (n, 3) each.

        Amounts are counts per second; with the seed's background becquerels.
        """
        rng, n = self.rng, self.n
        if self.recipe.background == "seed":
            names = [name for name, *_ in SEED_NATURAL]
            there = rng.random((n, 3)) < [chance for _, chance, *_ in SEED_NATURAL]
            low, high = zip(*((a, b) for *_, a, b in SEED_NATURAL), strict=True)
            amount = rng.uniform(low, high, (n, 3))
        else:
            names = list(LOCAL_CPS_PER_CM3)
            there = rng.random((n, 3)) < self.recipe.local_share
            volume_cm3 = self.looks.detector.volume_mm3 / 1000.0
            sigma = volume_cm3 * np.array(list(LOCAL_CPS_PER_CM3.values()))
            amount = sigma * np.abs(rng.standard_normal((n, 3)))
        places = [self.looks.sources.index(name) for name in names]
        return np.where(there, places, -1), amount

    # -- sources --

    def _terms(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """Appearances (G, 2) of each source, their shares, and counts per decay of both (G,)."""
        looks, rng, groups = self.looks, self.rng, self.source.size
        choice = _choice(looks.detector.name, self.recipe.geometry == "distance")
        row = choice.rows(self.source, rng.random((TERMS, groups)))
        mixed = rng.random(groups) < self.recipe.two_looks
        second = np.where(mixed, rng.uniform(0.0, 1.0, groups), 0.0)
        share = np.stack([1.0 - second, second], axis=1) * self._place_factor(row)
        return row, share, (share * looks.counts_per_decay[row]).sum(axis=1)

    def _place_factor(self, row: IntArray) -> FloatArray:
        """Photons that reach the crystal over those of the tabulated place, (G, 2)."""
        own = self.looks.own_share[row]
        if self.recipe.geometry == "all enter":
            return 1.0 / own
        width, height, depth = self.looks.detector.size_mm
        front = np.maximum(self.distance_mm - 0.5 * depth, 0.5)
        share = solid_angle_fraction(width, height, front)[self.in_row]
        return np.where(np.isnan(own), 1.0, share[:, None] / own)

    def _activities(self, around_cps: FloatArray) -> FloatArray:
        """Activity of each source (G,)."""
        own = self._own_activities()
        composed = self.composed
        width = composed.source.shape[1]
        anchor = np.zeros(self.n)
        is_first = self.column == 0
        anchor[self.in_row[is_first]] = own[is_first]
        at = self.in_row, np.minimum(self.column, width - 1)
        ratio = composed.ratio[at]
        made = np.where(np.isnan(ratio), own, ratio * anchor[self.in_row])
        if self.recipe.activity_bq:
            made[made <= composed.least_bq[at]] = 0.0
        nearer = around_cps[self.in_row, np.maximum(self.column - width, 0)]
        if self.recipe.background != "seed":
            nearer = nearer / self.counts_per_decay
        return np.where(self.is_around, nearer, self._limited(made))

    def _limited(self, activity_bq: FloatArray) -> FloatArray:
        """All sources of a spectrum weakened together where one has more counts than allowed."""
        if self.recipe.activity_bq:
            return activity_bq
        time_s = self.real_time_s[self.in_row]
        counts = np.where(self.is_around, 0.0, activity_bq * self.counts_per_decay * time_s)
        most = np.zeros(self.n)
        np.maximum.at(most, self.in_row, counts)
        allowed = np.minimum(self.recipe.net_counts[1], self.recipe.most_cps * self.real_time_s)
        allowed = np.maximum(allowed, self.recipe.least_sigma * np.sqrt(self.room_counts))
        weaker = np.minimum(1.0, allowed / np.maximum(most, 1e-300))
        return np.asarray(activity_bq * weaker[self.in_row])

    def _own_activities(self) -> FloatArray:
        """Activity of each source by its own draw (G,)."""
        recipe, rng, size = self.recipe, self.rng, self.source.size
        if recipe.activity_bq:
            at = self.in_row, np.minimum(self.column, self.composed.source.shape[1] - 1)
            low, high = self.composed.low_bq[at], self.composed.high_bq[at]
            if recipe.activity_scale == "linear":
                return rng.uniform(low, high)
            return np.exp(rng.uniform(np.log(low), np.log(high)))
        time_s = self.real_time_s[self.in_row]
        noise = np.sqrt(self.room_counts[self.in_row])
        low = np.maximum(recipe.net_counts[0], recipe.least_sigma * noise)
        high = np.maximum(np.minimum(recipe.net_counts[1], recipe.most_cps * time_s), low)
        counts = np.exp(rng.uniform(np.log(low), np.log(high), size))
        return counts / (time_s * self.counts_per_decay)

    # -- what the kernel sees --

    def drawn(self) -> Drawn:
        """All draws as flat arrays."""
        rng, n, groups, recipe = self.rng, self.n, self.source.size, self.recipe
        units = self.devices
        given = rng.random(n) < recipe.background_share
        terms = self.term_share * self.activity_bq[:, None]
        peaks = rng.uniform(*recipe.peaks, groups) - 1.0
        return Drawn(
            state=_states(n, rng),
            group_first=np.searchsorted(self.in_row, np.arange(n + 1)),
            group_around=self.is_around,
            group_shape=self._shape(recipe.shape_error, groups),
            term_first=TERMS * np.arange(groups + 1),
            term_row=self.term_row.ravel(),
            term_rate=terms.ravel().astype(np.float32),
            term_peaks=np.repeat(peaks, TERMS).astype(np.float32),
            room=self.room.astype(np.float32),
            room_shape=self._shape(recipe.room_shape_error, n),
            recorded=self.recorded.astype(np.float32),
            level=units.level,
            channels=units.channels,
            coefficients_kev=units.coefficients_kev,
            threshold_kev=units.threshold_kev,
            threshold_width_kev=units.threshold_width_kev,
            gain=1.0 + units.gain_error,
            offset_kev=units.offset_error_kev,
            light_power=units.light_power,
            parabola=units.parabola,
            dead_time_s=units.dead_time_s,
            resolving_time_s=units.resolving_time_s,
            real_time_s=self.real_time_s,
            background_time_s=np.where(given, self._log_uniform(recipe.background_time_s), 0.0),
            background_gain=1.0 + recipe.background_gain_sigma * rng.standard_normal(n),
            background_scale=np.exp(recipe.background_rate_sigma * rng.standard_normal(n)),
            background_radon=np.exp(recipe.background_radon_sigma * rng.standard_normal(n)),
        )

    def _shape(self, rms: tuple[float, float], size: int) -> np.ndarray:
        """Coefficients (size, SHAPES) of smooth errors."""
        sigma = self.rng.uniform(*rms, size)[:, None]
        return (sigma * self.rng.standard_normal((size, SHAPES))).astype(np.float32)

    def batch(self, drawn: Drawn, out: Recorded) -> SpectrumBatch:
        """The batch with its truth."""
        many = len(self.looks.sources)
        truth = np.zeros((2, self.n, many), np.float32)
        own = ~self.is_around
        at = self.in_row[own], self.source[own]
        truth[0][at], truth[1][at] = self.activity_bq[own], out.net[own]
        return SpectrumBatch(
            counts=out.counts,
            channels=drawn.channels,
            coefficients_kev=drawn.coefficients_kev,
            live_time_s=out.live_time_s,
            real_time_s=self.real_time_s,
            background=out.background,
            background_live_time_s=out.background_live_time_s,
            activity_bq=truth[0],
            expected_net=truth[1],
            present=truth[1] >= self.recipe.least_net,
            scenario=self.composed.scenario,
            distance_mm=self.distance_mm,
            detector=self.looks.detector.name,
            sources=self.looks.sources,
            registry_sha256=_registry(),
        )


@cache
def _registry() -> str:
    return registry_hash()


class _Choice(NamedTuple):
    """How an appearance of a source is chosen: running sums (A,) of the chances of all of them,
    the sum before each source (S,), its first and its last drawable appearance (S,)."""

    upto: FloatArray
    before: FloatArray
    first: IntArray
    last: IntArray

    def rows(self, source: IntArray, place: FloatArray) -> IntArray:
        """Appearances (G, terms) of sources (G,) for uniform numbers (terms, G)."""
        found = np.searchsorted(self.upto, self.before[source] + place, side="right")
        return np.clip(found, self.first[source], self.last[source]).T


@cache
def _choice(name: str, extended: bool) -> _Choice:
    """Chances of the appearances to a detector; without a place there are no extended sources."""
    looks = appearances(name)
    begin, chance = looks.first[:-1], looks.chance
    if not extended:
        points = np.where(np.isfinite(looks.own_share), chance, 0.0)
        total = np.add.reduceat(points, begin)
        chance = points / np.repeat(total, np.diff(looks.first))
    upto, drawable = np.cumsum(chance), np.flatnonzero(chance)
    last = drawable[np.searchsorted(drawable, looks.first[1:]) - 1]
    return _Choice(upto, np.concatenate([[0.0], upto])[begin], begin, last)


def _states(n: int, rng: Generator) -> np.ndarray:
    """Starts and odd increments (n, 2) of the generators of n spectra."""
    state = rng.integers(0, 2**64, (n, 2), dtype=np.uint64)
    state[:, 1] |= np.uint64(1)
    return state

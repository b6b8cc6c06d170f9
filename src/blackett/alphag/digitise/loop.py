"""The loop over events, compiled: electrons, hits, points; one core, any number of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from blackett.alphag.digitise.draws import seeded
from blackett.alphag.digitise.electrons import electron_room, free_electrons
from blackett.alphag.digitise.fast import hits_directly, new_sketch
from blackett.alphag.digitise.hits import clear, is_full, new_hits, trigger_pattern
from blackett.alphag.digitise.points import (
    make_points,
    new_matching,
)
from blackett.alphag.digitise.records import POINT_COLUMNS
from blackett.alphag.digitise.waveforms import hits_from_waveforms, new_board

if TYPE_CHECKING:
    from blackett.alphag.digitise.chamber import Chamber
    from blackett.alphag.digitise.electrons import Steps
    from blackett.alphag.digitise.fast import Sketch
    from blackett.alphag.digitise.hits import Hits
    from blackett.alphag.digitise.points import Matching
    from blackett.alphag.digitise.waveforms import Board
    from blackett.arrays import IntArray

__all__ = ["run_fast", "run_full"]

_MOST_POINTS = 50_000  # of one event
_COLUMNS = len(POINT_COLUMNS)
_kernel = numba.njit(cache=True, error_model="numpy")


def run_fast(
    chamber: Chamber, steps: Steps, first: IntArray, rng: np.random.Generator
) -> tuple[np.ndarray, IntArray, IntArray, int]:
    """Points of events whose steps are rows first[k]..first[k + 1], without waveforms.

    Returns rows of points (`POINT_COLUMNS`), their number and the wire pattern of each event, and
    the event that does not fit into the work space (-1 for none).
    """
    return _fast(chamber, steps, first, new_sketch(), _space(), seeded(rng))


def run_full(
    chamber: Chamber, steps: Steps, first: IntArray, rng: np.random.Generator
) -> tuple[np.ndarray, IntArray, IntArray, int]:
    """As `run_fast`, through waveforms.

    The loop is written twice, for numba's cache holds no function that is handed another one.
    """
    return _full(chamber, steps, first, new_board(), _space(), seeded(rng))


class _Space(NamedTuple):
    """Electrons, hits, scratch and points of one event."""

    place: IntArray
    value: np.ndarray
    scratch: np.ndarray
    hits: Hits
    matching: Matching
    rows: np.ndarray


def _space() -> _Space:
    place, value = electron_room()
    hits = new_hits()
    matching = new_matching(len(place), len(hits.place))
    return _Space(
        place,
        value,
        np.empty((3, 6)),
        hits,
        matching,
        np.empty((_MOST_POINTS, _COLUMNS), np.float32),
    )


@_kernel
def _fast(
    chamber: Chamber, steps: Steps, first: IntArray, work: Sketch, space: _Space, state: IntArray
) -> tuple[np.ndarray, IntArray, IntArray, int]:
    place, value, scratch, hits, matching, rows = space
    events = first.size - 1
    counts, pattern = np.zeros(events, np.int64), np.zeros(events, np.int64)
    table, used = np.empty((1024, _COLUMNS), np.float32), 0
    for k in range(events):
        n = free_electrons(chamber, steps, first[k], first[k + 1], place, value, scratch, state)
        if n < 0:
            return table[:used], counts, pattern, k
        clear(hits)
        hits_directly(chamber, place, value, n, work, hits, state)
        pattern[k] = trigger_pattern(hits.wire_size, hits.busy, chamber.trigger_bins)
        counts[k] = make_points(chamber, place, value, n, hits, matching, rows, state)
        if is_full(hits) or counts[k] < 0:
            return table[:used], counts, pattern, k
        table = _extended(table, used, rows[: counts[k]])
        used += counts[k]
    return table[:used], counts, pattern, -1


@_kernel
def _full(
    chamber: Chamber, steps: Steps, first: IntArray, work: Board, space: _Space, state: IntArray
) -> tuple[np.ndarray, IntArray, IntArray, int]:
    place, value, scratch, hits, matching, rows = space
    events = first.size - 1
    counts, pattern = np.zeros(events, np.int64), np.zeros(events, np.int64)
    table, used = np.empty((1024, _COLUMNS), np.float32), 0
    for k in range(events):
        n = free_electrons(chamber, steps, first[k], first[k + 1], place, value, scratch, state)
        if n < 0:
            return table[:used], counts, pattern, k
        clear(hits)
        hits_from_waveforms(chamber, place, value, n, work, hits, state)
        pattern[k] = trigger_pattern(hits.wire_size, hits.busy, chamber.trigger_bins)
        counts[k] = make_points(chamber, place, value, n, hits, matching, rows, state)
        if is_full(hits) or counts[k] < 0:
            return table[:used], counts, pattern, k
        table = _extended(table, used, rows[: counts[k]])
        used += counts[k]
    return table[:used], counts, pattern, -1


@_kernel
def _extended(table: np.ndarray, used: int, rows: np.ndarray) -> np.ndarray:
    """The table with rows added after those in use, moved to twice the room where it is full."""
    if used + len(rows) > len(table):
        larger = np.empty((2 * (used + len(rows)), table.shape[1]), np.float32)
        larger[:used] = table[:used]
        table = larger
    table[used : used + len(rows)] = rows
    return table

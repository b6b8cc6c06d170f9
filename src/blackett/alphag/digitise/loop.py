"""The loop over events, compiled: electrons, hits, points; one core, any number of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from blackett.alphag.digitise.chamber import packed
from blackett.alphag.digitise.draws import seeded
from blackett.alphag.digitise.electrons import electron_room, free_electrons
from blackett.alphag.digitise.fast import hits_directly, new_sketch
from blackett.alphag.digitise.hits import is_full, new_hits, trigger_pattern
from blackett.alphag.digitise.points import (
    make_points,
    new_matching,
)
from blackett.alphag.digitise.records import POINT_COLUMNS
from blackett.alphag.digitise.waveforms import hits_from_waveforms, new_board

if TYPE_CHECKING:
    from blackett.alphag.digitise.chamber import Chamber
    from blackett.alphag.digitise.electrons import Electrons, Steps
    from blackett.alphag.digitise.fast import Sketch
    from blackett.alphag.digitise.hits import Hits
    from blackett.alphag.digitise.points import Matching
    from blackett.alphag.digitise.waveforms import Board
    from blackett.arrays import IntArray

__all__ = ["run"]

_MOST_POINTS = 50_000  # of one event
_USUAL_POINTS = 1024  # of one event, with room to spare; memory not written to costs nothing
_COLUMNS = len(POINT_COLUMNS)
_kernel = numba.njit(cache=True, error_model="numpy")


def run(
    chamber: Chamber, steps: Steps, first: IntArray, rng: np.random.Generator, *, full: bool
) -> tuple[np.ndarray, IntArray, IntArray, int]:
    """Points of events whose steps are rows first[k]..first[k + 1]; `full`: by way of waveforms.

    Returns the points, read-only (`POINT_COLUMNS`, points), their number and the wire pattern of
    each event, and the event that does not fit into the work space (-1 for none).
    """
    found = _run(packed(chamber), steps, first, full, _work_space(), seeded(rng))
    table, used, counts, pattern, overflow = found
    table.setflags(write=False)
    return table[:, :used], counts, pattern, overflow


class _Work(NamedTuple):
    """Electrons, hits and scratch of one event; what the modes need to make hits."""

    electrons: Electrons
    scratch: np.ndarray
    hits: Hits
    matching: Matching
    sketch: Sketch
    board: Board


def _work_space() -> _Work:
    electrons, hits = electron_room(), new_hits()
    matching = new_matching(len(electrons["place"]), len(hits["place"]))  # type: ignore[index]
    return _Work(electrons, np.empty((3, 6)), hits, matching, new_sketch(), new_board())


@_kernel
def _run(
    chamber: Chamber, steps: Steps, first: IntArray, full: bool, work: _Work, state: IntArray
) -> tuple[np.ndarray, int, IntArray, IntArray, int]:
    electrons, scratch, hits, matching, sketch, board = work
    events = first.size - 1
    counts, pattern = np.zeros(events, np.int64), np.zeros(events, np.int64)
    table, used = np.empty((_COLUMNS, _USUAL_POINTS * events + _MOST_POINTS), np.float32), 0
    for k in range(events):
        if not free_electrons(chamber, steps, first[k], first[k + 1], electrons, scratch, state):
            return table, used, counts, pattern, k
        if full:
            hits_from_waveforms(chamber, electrons, board, hits, state)
        else:
            hits_directly(chamber, electrons, sketch, hits, state)
        pattern[k] = trigger_pattern(hits.wire, hits.first_wire, chamber.trigger_bins)
        if used + _MOST_POINTS > table.shape[1]:
            table = _larger(table, used, 2 * table.shape[1])
        out = table[:, used : used + _MOST_POINTS]
        counts[k] = make_points(chamber, electrons, hits, matching, out, state)
        if is_full(hits) or counts[k] < 0:
            return table, used, counts, pattern, k
        used += counts[k]
    return table, used, counts, pattern, -1


@_kernel
def _larger(table: np.ndarray, used: int, room: int) -> np.ndarray:
    larger = np.empty((table.shape[0], room), np.float32)
    larger[:, :used] = table[:, :used]
    return larger

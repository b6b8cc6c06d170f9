"""The loop over events and particles, compiled; one core, any number of events."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from blackett.alphag.particles import mass_of
from blackett.alphag.transport.charged import follow_charged
from blackett.alphag.transport.interactions import momentum_of
from blackett.alphag.transport.photons import follow_photon
from blackett.alphag.transport.state import (
    BAR_SIZE,
    BARS,
    DEPOSIT,
    ENERGY,
    GAS_PATH,
    GAS_RADIUS,
    GAS_X,
    OVERFLOW,
    SEGMENT_SIZE,
    SEGMENTS,
    STACK,
    STATE_SIZE,
    TIME,
    UX,
    UY,
    UZ,
    Scratch,
    X,
    Y,
    Z,
    push,
)

if TYPE_CHECKING:
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray, IntArray

__all__ = ["TRACK_SIZE", "Raw", "run"]

TRACK_SIZE = 23  # start (3), time, momentum (3); end (3), time, momentum (3); deposit; gas path,
# gas radius; first gas point (3) and momentum (3)
_KIND_SIZE = 5  # event, pdg, parent, made by, ended by


class Raw(NamedTuple):
    """Tables as the engine fills them, cut to the rows in use (see `records`)."""

    tracks: FloatArray
    kinds: IntArray
    segments: FloatArray
    segment_track: IntArray
    bars: FloatArray
    bar_track: IntArray


@numba.njit(cache=True, error_model="numpy")
def _room_float(table: FloatArray, rows: int) -> FloatArray:
    if rows <= table.shape[0]:
        return table
    larger = np.empty((max(2 * table.shape[0], rows), table.shape[1]))
    larger[: table.shape[0]] = table
    return larger


@numba.njit(cache=True, error_model="numpy")
def _room_int(table: IntArray, rows: int) -> IntArray:
    if rows <= table.shape[0]:
        return table
    larger = np.empty((max(2 * table.shape[0], rows), table.shape[1]), np.int64)
    larger[: table.shape[0]] = table
    return larger


@numba.njit(cache=True, error_model="numpy")
def _load(scratch: Scratch, s: FloatArray) -> int:
    """Take the top of the stack into the state vector; returns its PDG number."""
    n = scratch.counts[STACK] - 1
    scratch.counts[STACK], scratch.counts[SEGMENTS], scratch.counts[BARS] = n, 0, 0
    row, pdg = scratch.stack[n], scratch.kinds[n, 0]
    s[:] = 0.0
    s[X], s[Y], s[Z], s[TIME] = row[0], row[1], row[2], row[3]
    p = sqrt(row[4] ** 2 + row[5] ** 2 + row[6] ** 2)
    mass = mass_of(pdg)
    s[ENERGY] = sqrt(p * p + mass * mass)
    scale = 1 / p if p > 0 else 0.0
    s[UX], s[UY], s[UZ] = row[4] * scale, row[5] * scale, row[6] * scale
    if p == 0:
        s[UZ] = 1.0
    return int(pdg)


@numba.njit(cache=True, error_model="numpy")
def _end_of_track(row: FloatArray, s: FloatArray, pdg: int) -> None:
    p = momentum_of(s[ENERGY], mass_of(pdg))
    row[7], row[8], row[9], row[10] = s[X], s[Y], s[Z], s[TIME]
    row[11], row[12], row[13] = p * s[UX], p * s[UY], p * s[UZ]
    row[14], row[15], row[16] = s[DEPOSIT], s[GAS_PATH], s[GAS_RADIUS]
    for k in range(6):
        row[17 + k] = s[GAS_X + k] if s[GAS_PATH] > 0 else np.nan


@numba.njit(cache=True, error_model="numpy")
def _start_of_event(
    scratch: Scratch, pdg: IntArray, starts: FloatArray, first: int, last: int
) -> None:
    for k in range(last - 1, first - 1, -1):
        r = starts[k]
        push(scratch, pdg[k], -1, 0, r[0], r[1], r[2], r[3], r[4], r[5], r[6])


@numba.njit(cache=True, error_model="numpy")
def run(
    world: Apparatus,
    offsets: IntArray,
    pdg: IntArray,
    starts: FloatArray,
    rng: np.random.Generator,
    scratch: Scratch,
) -> tuple[FloatArray, IntArray, FloatArray, IntArray, FloatArray, IntArray, bool]:
    """Follow all particles of all events; offsets (n + 1) delimit the events' rows of `starts`.

    Returns the columns of `Raw` and whether a stack ran over.
    """
    s = np.zeros(STATE_SIZE)
    rows = 64 * offsets.size  # roomier than usual: memory not written to costs nothing
    tracks: FloatArray
    segments: FloatArray
    bars: FloatArray
    kinds: IntArray
    segment_track: IntArray
    bar_track: IntArray
    tracks, kinds = np.empty((rows, TRACK_SIZE)), np.empty((rows, _KIND_SIZE), np.int64)
    segments, segment_track = np.empty((8 * rows, SEGMENT_SIZE)), np.empty((8 * rows, 1), np.int64)
    bars, bar_track = np.empty((rows, BAR_SIZE)), np.empty((rows, 1), np.int64)
    n, n_seg, n_bar = 0, 0, 0
    for event in range(offsets.size - 1):
        _start_of_event(scratch, pdg, starts, offsets[event], offsets[event + 1])
        while scratch.counts[STACK] > 0:
            tracks, kinds = _room_float(tracks, n + 1), _room_int(kinds, n + 1)
            scratch.track[0] = n
            top = scratch.counts[STACK] - 1
            tracks[n, :3], tracks[n, 3:7] = scratch.stack[top, :3], scratch.stack[top, 3:]
            kinds[n, 0], kinds[n, 1:4] = event, scratch.kinds[top]
            kind = _load(scratch, s)
            if kind == 22:
                kinds[n, 4] = follow_photon(world, s, scratch, rng)
            else:
                kinds[n, 4] = follow_charged(world, s, kind, scratch, rng)
            _end_of_track(tracks[n], s, kind)
            k = scratch.counts[SEGMENTS]
            segments, segment_track = (
                _room_float(segments, n_seg + k),
                _room_int(segment_track, n_seg + k),
            )
            segments[n_seg : n_seg + k], segment_track[n_seg : n_seg + k] = scratch.segments[:k], n
            n_seg += k
            k = scratch.counts[BARS]
            bars, bar_track = _room_float(bars, n_bar + k), _room_int(bar_track, n_bar + k)
            bars[n_bar : n_bar + k], bar_track[n_bar : n_bar + k] = scratch.bars[:k], n
            n_bar += k
            n += 1
    overflow = scratch.counts[OVERFLOW] > 0
    return (
        tracks[:n], kinds[:n], segments[:n_seg], segment_track[:n_seg, 0],
        bars[:n_bar], bar_track[:n_bar, 0], overflow,
    )  # fmt: skip

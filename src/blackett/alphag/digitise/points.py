"""From wire hits and pad peaks to space points, ghosts included."""

from __future__ import annotations

from math import cos, sin, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.alphag.digitise.chamber import (
    BIN_NS,
    BINS,
    COLUMNS,
    HALF_LENGTH_MM,
    PITCH_RAD,
    WIRES,
    WIRES_PER_COLUMN,
)
from blackett.alphag.digitise.draws import exponential, poisson, uniform
from blackett.alphag.digitise.electrons import BIN, SIZE, TRACK, WIRE, ZED
from blackett.alphag.digitise.hits import (
    COLUMN,
    PEAK_BIN,
    PEAK_SIGMA_Z,
    PEAK_SIZE,
    PEAK_Z,
    ROW,
)
from blackett.alphag.drift import ANODE_RADIUS_MM, origin
from blackett.alphag.geometry.compiled import kernel

if TYPE_CHECKING:
    from blackett.alphag.digitise.chamber import Chamber
    from blackett.alphag.digitise.hits import Hits
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Matching", "make_points", "new_matching"]

_MOST_CANDIDATES = 4096
_WIRE, _PEAK, _FREE = range(3)
_SAME_ROW = 2  # pads within which two peaks of neighbouring bins or columns are one
_TRACK_REACH_MM = 10.0
_QUANTUM_NS = BIN_NS / sqrt(12.0)
_QUANTUM_RAD = PITCH_RAD / sqrt(12.0)


class Matching(NamedTuple):
    """Scratch: peaks by (column, bin), electrons by (bin, wire), candidates of one bin."""

    first: IntArray  # (32 * 311 + 1,)
    order: IntArray
    head: IntArray  # (311, 256)
    next: IntArray
    pairs: IntArray  # (n, 3): wire, peak, free
    size: FloatArray


def new_matching(electrons: int, peaks: int) -> Matching:
    """Empty work space for as many electrons and peaks."""
    n = _MOST_CANDIDATES
    return Matching(
        np.zeros(COLUMNS * BINS + 1, np.int64),
        np.empty(peaks, np.int64),
        np.full((BINS, WIRES), -1, np.int32),
        np.empty(electrons, np.int32),
        np.empty((n, 3), np.int32),
        np.empty(n, np.float32),
    )


@kernel
def make_points(
    chamber: Chamber, place: IntArray, value: FloatArray, n_electrons: int, hits: Hits, m: Matching,
    out: FloatArray, state: IntArray,
) -> int:  # fmt: skip
    """Write the event's points, in time order, as rows of `out` (see `records.POINT_COLUMNS`).

    Returns how many; -1 if they do not fit into `out`, or the pairs of a bin into `m`.
    """
    _index_peaks(hits.place, hits.n_peaks[0], m.first, m.order)
    for i in range(n_electrons):
        b, w = place[i, BIN], place[i, WIRE]
        m.next[i], m.head[b, w] = m.head[b, w], i
    noise_share, n = chamber.noise_points / BINS, 0
    for b in range(BINS):
        count = _candidates(hits, b, m.first, m.order, m.pairs, m.size)
        if count == m.size.size:
            n = -1
            break
        if not chamber.pair_all:
            _one_to_one(hits.value, m.pairs, m.size, count)
        if count:
            n = _emit(chamber, place, value, hits, b, count, m, out, n)
        for _ in range(poisson(noise_share, state)):
            n = _noise_point(chamber, b, out, n, state)
    m.head[:] = -1
    return n if n < out.shape[0] else -1


@kernel
def _index_peaks(place: IntArray, n: int, first: IntArray, order: IntArray) -> None:
    """Counting sort of the peaks by column and bin."""
    first[:] = 0
    for i in range(n):
        first[place[i, COLUMN] * BINS + place[i, PEAK_BIN] + 1] += 1
    for k in range(COLUMNS * BINS):
        first[k + 1] += first[k]
    for i in range(n - 1, -1, -1):
        cell = place[i, COLUMN] * BINS + place[i, PEAK_BIN] + 1
        first[cell] -= 1
        order[first[cell]] = i
    for k in range(COLUMNS * BINS):
        first[k] = first[k + 1]
    first[COLUMNS * BINS] = n


@kernel
def _candidates(
    hits: Hits, b: int, first: IntArray, order: IntArray, pairs: IntArray, size: FloatArray
) -> int:
    """Pairs of a wire hit of this bin with pad peaks of its column, in this bin and the next."""
    busy, wire_size, place, n = hits.busy, hits.wire_size, hits.place, 0
    for column in range(COLUMNS):
        if busy[b, column]:
            for wire in range(column * WIRES_PER_COLUMN, (column + 1) * WIRES_PER_COLUMN):
                if wire_size[b, wire] > 0:
                    start = n
                    n = _pairs(place, b, column, wire, first, order, pairs, n)
                    for k in range(start, n):
                        size[k] = wire_size[b, wire]
    return n


@kernel
def _pairs(
    place: IntArray, b: int, column: int, wire: int, first: IntArray, order: IntArray,
    pairs: IntArray, n: int,
) -> int:  # fmt: skip
    start = n
    for other in (b, b - 1, b + 1):
        if other < 0 or other >= BINS:
            continue
        cell = column * BINS + other
        for k in range(first[cell], first[cell + 1]):
            peak = order[k]
            if n < pairs.shape[0] and not _known(place, pairs, start, n, peak):
                pairs[n, _WIRE], pairs[n, _PEAK], pairs[n, _FREE] = wire, peak, 1
                n += 1
    return n


@kernel
def _known(place: IntArray, pairs: IntArray, start: int, end: int, peak: int) -> bool:
    """Whether this peak of a neighbouring bin is one that the wire is already paired with."""
    for k in range(start, end):
        if abs(place[pairs[k, _PEAK], ROW] - place[peak, ROW]) <= _SAME_ROW:
            return True
    return False


@kernel
def _one_to_one(value: FloatArray, pairs: IntArray, size: FloatArray, n: int) -> None:
    """Keep, by falling product of amplitudes, pairs whose wire and peak are both unused.

    Pairs come sorted by column, and only those of one column share a wire or a peak.
    """
    start = 0
    while start < n:
        column, end = pairs[start, _WIRE] // WIRES_PER_COLUMN, start + 1
        while end < n and pairs[end, _WIRE] // WIRES_PER_COLUMN == column:
            end += 1
        _match(value, pairs, size, start, end)
        start = end


@kernel
def _match(value: FloatArray, pairs: IntArray, size: FloatArray, start: int, end: int) -> None:
    """`_one_to_one` for the pairs of one column."""
    for _ in range(start, end):
        best, strength = -1, 0.0
        for k in range(start, end):
            product = size[k] * value[pairs[k, _PEAK], PEAK_SIZE]
            if pairs[k, _FREE] == 1 and product > strength:
                best, strength = k, product
        if best < 0:
            break
        pairs[best, _FREE] = 2
        for k in range(start, end):
            shared = pairs[k, _WIRE] == pairs[best, _WIRE] or pairs[k, _PEAK] == pairs[best, _PEAK]
            if k != best and shared:
                pairs[k, _FREE] = 0


@kernel
def _emit(
    chamber: Chamber, place: IntArray, value: FloatArray, hits: Hits, b: int, count: int,
    m: Matching, out: FloatArray, n: int,
) -> int:  # fmt: skip
    """Points of one bin; neighbouring wires on one pad row make one, on the strongest wire."""
    by_time, errors, scale = chamber.assumed.by_time, chamber.errors, chamber.pad_numbers[4]
    merge, peaks, peak_value = chamber.merge_adjacent, hits.place, hits.value
    pairs, sizes, head, following = m.pairs, m.size, m.head, m.next
    for k in range(count):
        if not pairs[k, _FREE]:
            continue
        best, size = k, sizes[k]
        if merge:
            best, size = _merged(peaks, count, pairs, sizes, k)
        wire, peak = pairs[best, _WIRE], pairs[best, _PEAK]
        pairs[best, _FREE] = 0
        z = peak_value[peak, PEAK_Z]
        if n < out.shape[0] and _point(by_time, errors, wire, b, z, out[n]):
            out[n, 4] = sqrt(peak_value[peak, PEAK_SIGMA_Z] ** 2 + errors[1] ** 2)
            out[n, 6], out[n, 7] = size, peak_value[peak, PEAK_SIZE] * scale
            out[n, 10] = _maker(place, value, head, following, wire, b, z)
            n += 1
    return n


@kernel
def _merged(
    place: IntArray, count: int, pairs: IntArray, sizes: FloatArray, start: int
) -> tuple[int, float]:
    """The strongest of a run of neighbouring wires on one pad row, and the sum of its sizes."""
    best, size, last = start, sizes[start], start
    for k in range(start + 1, count):
        step = pairs[k, _WIRE] - pairs[last, _WIRE]
        if step > 1:
            break
        near = abs(place[pairs[k, _PEAK], ROW] - place[pairs[last, _PEAK], ROW]) <= _SAME_ROW
        if step == 1 and pairs[k, _FREE] and near:
            pairs[k, _FREE] = 0
            size += sizes[k]
            last = k
            if sizes[k] > sizes[best]:
                best = k
    return best, size


@kernel
def _point(
    by_time: FloatArray, errors: FloatArray, wire: int, b: int, z: float, row: FloatArray
) -> bool:
    """Place a point at the wire's centre and the bin's, less the assumed drift; False if outside
    it."""
    t = (b + 0.5) * BIN_NS
    r, gained, radial, turning = origin(by_time, t, z)
    if not r > 0:
        return False
    phi = (wire + 0.5) * PITCH_RAD - gained
    row[0], row[1], row[2] = r * cos(phi), r * sin(phi), z
    depth = max(ANODE_RADIUS_MM - r, 0.0)
    angle2 = _QUANTUM_RAD**2 + (turning * _QUANTUM_NS) ** 2
    time2 = _QUANTUM_NS**2 + errors[0] * errors[0]
    row[3] = sqrt(r * r * angle2 + errors[3] * depth)
    row[5] = sqrt(radial * radial * time2 + errors[2] * depth)
    row[8], row[9] = t, wire
    return True


@kernel
def _maker(
    place: IntArray,
    value: FloatArray,
    head: IntArray,
    following: IntArray,
    wire: int,
    b: int,
    z: float,
) -> int:
    """Track of the largest avalanche near a point; -1 if there is none (a ghost)."""
    for other in (b, b - 1, b + 1):
        if other < 0 or other >= BINS:
            continue
        best, track, i = 0.0, -1, head[other, wire]
        while i >= 0:
            if abs(value[i, ZED] - z) < _TRACK_REACH_MM and value[i, SIZE] > best:
                best, track = value[i, SIZE], place[i, TRACK]
            i = following[i]
        if track >= 0:
            return track
    return -1


@kernel
def _noise_point(chamber: Chamber, b: int, out: FloatArray, n: int, state: IntArray) -> int:
    """A random point just above the thresholds."""
    wire, z = int(WIRES * uniform(state)) % WIRES, HALF_LENGTH_MM * (2 * uniform(state) - 1)
    least, pad_least = chamber.wire_numbers[2], chamber.pad_numbers[2]
    if n < out.shape[0] and _point(chamber.assumed.by_time, chamber.errors, wire, b, z, out[n]):
        out[n, 4], out[n, 6] = 2.0, least * (1 + exponential(state))
        out[n, 7] = pad_least * chamber.pad_numbers[4] * (1 + exponential(state))
        out[n, 10] = -1
        n += 1
    return n

"""From wire hits and pad peaks to space points, ghosts included."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from blackett.alphag.digitise.chamber import (
    BIN_NS,
    BINS,
    HALF_LENGTH_MM,
    PITCH_RAD,
    WIRES,
    WIRES_PER_COLUMN,
)
from blackett.alphag.digitise.draws import exponential, next_bits, poisson, uniform, upper
from blackett.alphag.digitise.electrons import SIZE, TRACK, WIRE, ZED
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
from blackett.alphag.transport.apparatus import blank

if TYPE_CHECKING:
    from blackett.alphag.digitise.chamber import Chamber
    from blackett.alphag.digitise.electrons import Electrons
    from blackett.alphag.digitise.hits import Hits
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Matching", "make_points", "new_matching"]

_MOST_CANDIDATES = 4096
_WIRE, _PEAK, _FREE = range(3)
_SAME_ROW = 2  # pads within which two peaks of neighbouring bins or columns are one
_TRACK_REACH_MM = 10.0
_QUANTUM_NS = BIN_NS / sqrt(12.0)
_QUANTUM_RAD = PITCH_RAD / sqrt(12.0)


class Matching(Protocol):
    """Scratch: peaks by bin, electrons of one bin by wire, candidates of one bin, random points."""

    first: IntArray  # (312,)
    order: IntArray
    head: IntArray  # (256,), 0 for none, else a number from 1
    next: IntArray
    pairs: IntArray  # (n, 3): wire, peak, free
    size: FloatArray
    noise: IntArray  # (311,)


def new_matching(electrons: int, peaks: int) -> Matching:
    """Empty work space for as many electrons and peaks."""
    n = _MOST_CANDIDATES
    room = {
        "first": (np.uint32, (BINS + 1,)), "order": (np.uint32, (peaks,)),
        "head": (np.uint32, (WIRES,)), "next": (np.uint32, (electrons,)),
        "pairs": (np.int32, (n, 3)), "size": (np.float32, (n,)), "noise": (np.int64, (BINS,)),
    }  # fmt: skip
    return cast("Matching", blank(room))


@kernel
def make_points(
    chamber: Chamber, electrons: Electrons, hits: Hits, m: Matching, out: np.ndarray,
    state: IntArray,
) -> int:  # fmt: skip
    """Write the event's points, in time order, as columns of `out` (see `records.POINT_COLUMNS`).

    Returns how many; -1 if they do not fit into `out`, or the pairs of a bin into `m`.
    """
    _index_peaks(hits.place, hits.n_peaks[0], m.first, m.order)
    m.noise[:] = 0
    for _ in range(poisson(chamber.noise_points, state)):
        m.noise[int(upper(next_bits(state)) * BINS)] += 1
    n = 0
    for b in range(BINS):
        count = _candidates(hits, b, m)
        if count == m.size.size:
            return -1
        if not chamber.pair_all:
            _one_to_one(hits.value, m.pairs, m.size, count)
        if count:
            _list(electrons, b, m)
            n = _emit(chamber, electrons, hits, b, count, m, out, n)
        for _ in range(m.noise[b]):
            n = _noise_point(chamber, b, out, n, state)
    return n if n < out.shape[1] else -1


@kernel
def _index_peaks(place: IntArray, n: int, first: IntArray, order: IntArray) -> None:
    """Counting sort of the peaks by bin."""
    first[:] = 0
    for i in range(n):
        first[place[i, PEAK_BIN] + 1] += 1
    for b in range(BINS):
        first[b + 1] += first[b]
    for i in range(n - 1, -1, -1):
        b = place[i, PEAK_BIN] + 1
        first[b] -= 1
        order[first[b]] = i
    for b in range(BINS):
        first[b] = first[b + 1]
    first[BINS] = n


@kernel
def _candidates(hits: Hits, b: int, m: Matching) -> int:
    """Pairs of a wire hit of this bin with pad peaks of its column, in this bin and the next."""
    n = 0
    for hit in range(hits.first_wire[b], hits.first_wire[b + 1]):
        start = n
        n = _pairs(hits.place, b, hits.wire[hit], m, n)
        for k in range(start, n):
            m.size[k] = hits.wire_size[hit]
    return n


@kernel
def _pairs(place: IntArray, b: int, wire: int, m: Matching, n: int) -> int:
    pairs, start, column = m.pairs, n, wire // WIRES_PER_COLUMN
    for other in (b, b - 1, b + 1):
        if other < 0 or other >= BINS:
            continue
        for k in range(m.first[other], m.first[other + 1]):
            peak = m.order[k]
            if place[peak, COLUMN] != column:
                continue
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
def _list(electrons: Electrons, b: int, m: Matching) -> None:
    """Linked lists of the bin's electrons by wire."""
    m.head[:] = 0
    for i in range(electrons.first[b], electrons.first[b + 1]):
        wire = electrons.place[i, WIRE]
        m.next[i], m.head[wire] = m.head[wire], i + 1


@kernel
def _emit(
    chamber: Chamber, electrons: Electrons, hits: Hits, b: int, count: int, m: Matching,
    out: FloatArray, n: int,
) -> int:  # fmt: skip
    """Points of one bin; neighbouring wires on one pad row make one, on the strongest wire."""
    errors, scale = chamber.errors, chamber.pad_numbers[4]
    peak_value, pairs, sizes = hits.value, m.pairs, m.size
    for k in range(count):
        if not pairs[k, _FREE]:
            continue
        best, size = k, sizes[k]
        if chamber.merge_adjacent:
            best, size = _merged(hits.place, count, pairs, sizes, k)
        wire, peak = pairs[best, _WIRE], pairs[best, _PEAK]
        pairs[best, _FREE] = 0
        z = peak_value[peak, PEAK_Z]
        if n < out.shape[1] and _point(chamber, wire, b, z, out, n):
            out[4, n] = sqrt(peak_value[peak, PEAK_SIGMA_Z] ** 2 + errors[1] ** 2)
            out[6, n], out[7, n] = size, peak_value[peak, PEAK_SIZE] * scale
            out[10, n] = _maker(electrons, m, wire, b, z)
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
def _point(chamber: Chamber, wire: int, b: int, z: float, out: FloatArray, n: int) -> bool:
    """Place a point at the wire's centre and the bin's, less the assumed drift; False if outside
    it."""
    errors, t = chamber.errors, (b + 0.5) * BIN_NS
    r, gained, radial, turning = origin(chamber.assumed_by_time, t, z)
    if not r > 0:
        return False
    c, s = _turned_back(chamber.wire_direction[wire], gained)
    out[0, n], out[1, n], out[2, n] = r * c, r * s, z
    depth = max(ANODE_RADIUS_MM - r, 0.0)
    angle2 = _QUANTUM_RAD**2 + (turning * _QUANTUM_NS) ** 2
    time2 = _QUANTUM_NS**2 + errors[0] * errors[0]
    out[3, n] = sqrt(r * r * angle2 + errors[3] * depth)
    out[5, n] = sqrt(radial * radial * time2 + errors[2] * depth)
    out[8, n], out[9, n] = t, wire
    return True


@kernel
def _turned_back(direction: FloatArray, angle: float) -> tuple[float, float]:
    """A unit vector (cos, sin) turned by -angle; to 1e-10 for the drift's angles, below 0.2 rad."""
    q = angle * angle
    c = 1 - q / 2 * (1 - q / 12 * (1 - q / 30))
    s = angle * (1 - q / 6 * (1 - q / 20 * (1 - q / 42)))
    return direction[0] * c + direction[1] * s, direction[1] * c - direction[0] * s


@kernel
def _maker(electrons: Electrons, m: Matching, wire: int, b: int, z: float) -> int:
    """Track of the largest avalanche near a point; -1 if there is none (a ghost)."""
    place, value, best, track = electrons.place, electrons.value, 0.0, -1
    i = m.head[wire]
    while i > 0:
        k = i - 1
        if abs(value[k, ZED] - z) < _TRACK_REACH_MM and value[k, SIZE] > best:
            best, track = value[k, SIZE], place[k, TRACK]
        i = m.next[k]
    if track < 0 and b > 0:
        track = _neighbour(electrons, wire, b - 1, z)
    if track < 0 and b + 1 < BINS:
        track = _neighbour(electrons, wire, b + 1, z)
    return track


@kernel
def _neighbour(electrons: Electrons, wire: int, b: int, z: float) -> int:
    """As `_maker`, of a bin whose electrons are not listed."""
    place, value, best, track = electrons.place, electrons.value, 0.0, -1
    for i in range(electrons.first[b], electrons.first[b + 1]):
        near = place[i, WIRE] == wire and abs(value[i, ZED] - z) < _TRACK_REACH_MM
        if near and value[i, SIZE] > best:
            best, track = value[i, SIZE], place[i, TRACK]
    return track


@kernel
def _noise_point(chamber: Chamber, b: int, out: FloatArray, n: int, state: IntArray) -> int:
    """A random point just above the thresholds."""
    wire, z = int(WIRES * uniform(state)) % WIRES, HALF_LENGTH_MM * (2 * uniform(state) - 1)
    least, pad_least = chamber.wire_numbers[2], chamber.pad_numbers[2]
    if n < out.shape[1] and _point(chamber, wire, b, z, out, n):
        out[4, n], out[6, n] = 2.0, least * (1 + exponential(state))
        out[7, n] = pad_least * chamber.pad_numbers[4] * (1 + exponential(state))
        out[10, n] = -1
        n += 1
    return n

"""Fast mode: from electrons at the wires to hits directly, with the full mode's thresholds and
errors.

Charges of a wire and bin are summed; charges of a column and bin are summed in groups along z that
two avalanches could be told apart in, and each group makes one peak on its pads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from blackett.alphag.digitise.chamber import (
    BINS,
    COLUMNS,
    HALF_LENGTH_MM,
    PROFILE_PADS,
    PROFILE_STEPS,
    ROW_MM,
    ROWS,
    WIRE_PEAK_COUNTS,
    WIRES,
    WIRES_PER_COLUMN,
)
from blackett.alphag.digitise.draws import next_bits, thirteen
from blackett.alphag.digitise.electrons import SIZE, WIRE, ZED
from blackett.alphag.digitise.hits import add_peak
from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.transport.apparatus import blank

if TYPE_CHECKING:
    from blackett.alphag.digitise.chamber import Chamber
    from blackett.alphag.digitise.electrons import Electrons
    from blackett.alphag.digitise.hits import Hits
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Sketch", "hits_directly", "new_sketch"]

MERGE_MM = 10.0
"""Distance from a group's centre within which another avalanche joins it."""
WIRE_LOSS = 1.4
"""Size that a hit needs, over the threshold: the deconvolution loses some to neighbouring bins."""
WIRE_NOISE = 1.5
"""Noise of a wire's size over that of one sample, in units of size."""
NOISE_SHARE = 0.85
"""Noise drawn on a pad over that of the full mode: the rest comes with times."""
_MOST_GROUPS = 400_000
_SUM, _MOMENT = range(2)


class Sketch(Protocol):
    """Charge of one event: groups on the columns, in linked lists by column within a bin."""

    head: IntArray  # (32,), 0 for none, else a number from 1
    next: IntArray
    cell: IntArray  # (n, 2): column and bin
    group: FloatArray  # (n, 2): size, and size times z
    busy: IntArray  # (311,) bits of the columns that have wire hits
    wires: FloatArray  # (256,)
    pads: FloatArray  # (576,)


def new_sketch() -> Sketch:
    """Empty work space."""
    room = {
        "head": (np.uint32, (COLUMNS,)), "next": (np.uint32, (_MOST_GROUPS,)),
        "cell": (np.uint32, (_MOST_GROUPS, 2)), "group": (np.float32, (_MOST_GROUPS, 2)),
        "busy": (np.int64, (BINS,)), "wires": (np.float32, (WIRES,)),
        "pads": (np.float32, (ROWS,)),
    }  # fmt: skip
    return cast("Sketch", blank(room))


@kernel
def hits_directly(
    chamber: Chamber, electrons: Electrons, sketch: Sketch, hits: Hits, state: IntArray
) -> None:
    """Wire hits and pad peaks of an event's electrons, without waveforms."""
    groups, n = 0, 0
    for b in range(BINS):
        start, hits.first_wire[b] = groups, n
        charged, groups = _collect(chamber, electrons, b, groups, sketch)
        sketch.busy[b], n = _keep_hits(chamber, charged, sketch.wires, n, hits, state)
        for g in range(start, groups):
            sketch.head[sketch.cell[g, 0]] = 0
    hits.first_wire[BINS], hits.n_peaks[0] = n, 0
    _make_peaks(chamber, sketch, groups, hits, state)
    if groups == _MOST_GROUPS:  # no room for another: refuse the event
        hits.n_peaks[0] = hits.place.shape[0]


@kernel
def _collect(
    chamber: Chamber, electrons: Electrons, b: int, groups: int, sketch: Sketch
) -> tuple[int, int]:
    """Add charges of a bin to their wires, and to the pads of their column and the nearest other.

    Returns bits of the columns with charge on their wires, and the number of groups.
    """
    place, value, first = electrons.place, electrons.value, electrons.first
    share, gain, charged = chamber.column_share, chamber.wire_gain, 0
    for i in range(first[b], first[b + 1]):
        wire, z, size = place[i, WIRE], value[i, ZED], value[i, SIZE]
        column, k = wire // WIRES_PER_COLUMN, wire % WIRES_PER_COLUMN
        sketch.wires[wire] += size * min(gain[wire], 1.0)
        charged |= 1 << column
        groups = _join(sketch, column, b, z, share[k] * size, groups)
        if share[k] < 0.95:
            other = (column + (1 if k >= WIRES_PER_COLUMN // 2 else -1)) % COLUMNS
            groups = _join(sketch, other, b, z, (1 - share[k]) * size, groups)
    return charged, groups


@kernel
def _join(sketch: Sketch, column: int, b: int, z: float, size: float, groups: int) -> int:
    """Add charge to a group of a column, or start one; returns the number of groups."""
    head, following, group = sketch.head, sketch.next, sketch.group
    i = head[column]
    while i > 0:
        k = i - 1
        if abs(z * group[k, _SUM] - group[k, _MOMENT]) < MERGE_MM * group[k, _SUM]:
            group[k, _SUM] += size
            group[k, _MOMENT] += size * z
            return groups
        i = following[k]
    if groups == _MOST_GROUPS:
        return groups
    group[groups, _SUM], group[groups, _MOMENT] = size, size * z
    sketch.cell[groups, 0], sketch.cell[groups, 1] = column, b
    following[groups], head[column] = head[column], groups + 1
    return groups + 1


@kernel
def _keep_hits(
    chamber: Chamber, charged: int, wires: FloatArray, n: int, hits: Hits, state: IntArray
) -> tuple[int, int]:
    """Wire hits of a bin, with noise and threshold; clears the charge on the wires.

    Returns bits of the columns that have hits, and the number of hits.
    """
    noise = WIRE_NOISE * chamber.wire_numbers[0] / WIRE_PEAK_COUNTS
    least, busy = WIRE_LOSS * chamber.wire_numbers[2], 0
    for column in range(COLUMNS):
        if not charged >> column & 1:
            continue
        for w in range(column * WIRES_PER_COLUMN, (column + 1) * WIRES_PER_COLUMN):
            if wires[w] > 0:
                size = wires[w] + noise * chamber.normal[thirteen(next_bits(state), 0)]
                wires[w] = 0
                if size >= least:
                    hits.wire[n], hits.wire_size[n] = w, size
                    busy |= 1 << column
                    n += 1
    return busy, n


@kernel
def _make_peaks(chamber: Chamber, sketch: Sketch, groups: int, hits: Hits, state: IntArray) -> None:
    """Peaks of all groups that a wire hit could be matched with."""
    sigma_pad, least = chamber.pad_noise, chamber.pad_numbers[2]
    noise = NOISE_SHARE * sigma_pad
    profile, gain, normal = chamber.pad_profile, chamber.pad_known_gain, chamber.normal
    sigma, least_pads = chamber.pad_sigma_mm, chamber.least_pads
    group, pads = sketch.group, sketch.pads
    for i in range(groups):
        column, b = sketch.cell[i, 0], sketch.cell[i, 1]
        if group[i, _SUM] > least and _wanted(sketch.busy, column, b):
            z = group[i, _MOMENT] / group[i, _SUM]
            best = _spread(profile, gain[column], normal, noise, z, group[i, _SUM], pads, state)
            if pads[best] > least:
                add_peak(hits, column, b, best, pads, sigma_pad, sigma, least, least_pads)
            for row in range(max(best - 6, 0), min(best + 7, ROWS)):
                pads[row] = 0


@kernel
def _wanted(busy: IntArray, column: int, b: int) -> bool:
    near = busy[b] | busy[max(b - 1, 0)] | busy[min(b + 1, BINS - 1)]
    return bool(near >> column & 1)


@kernel
def _spread(
    profile: FloatArray, gain: FloatArray, normal: FloatArray, noise: float, z: float, size: float,
    pads: FloatArray, state: IntArray,
) -> int:  # fmt: skip
    """Sizes that one group of charge makes on pads, with their gains and noise; returns the
    highest."""
    place = (z + HALF_LENGTH_MM) / ROW_MM
    row = min(max(int(place), 0), ROWS - 1)
    step = int((place - row) * PROFILE_STEPS + 0.5)
    best, bits = row, next_bits(state)
    low = max(row - 3, 0)
    for r in range(low, min(row + 4, ROWS)):
        if r == row:
            bits = next_bits(state)
        if gain[r] > 0:
            charge = gain[r] * size * profile[step, r - row + PROFILE_PADS]
            pads[r] = charge + noise * normal[thirteen(bits, (r - low) % 4)]
            if pads[r] > pads[best]:
                best = r
    return best

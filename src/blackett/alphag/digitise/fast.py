"""Fast mode: from electrons at the wires to hits directly, with the full mode's thresholds and
errors.

Charges of a wire and bin are summed; charges of a column and bin are summed in groups along z that
two avalanches could be told apart in, and each group makes one peak on its pads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
    WIRES_PER_COLUMN,
)
from blackett.alphag.digitise.draws import next_bits, thirteen
from blackett.alphag.digitise.electrons import BIN, SIZE, WIRE, ZED
from blackett.alphag.digitise.hits import add_peak
from blackett.alphag.geometry.compiled import kernel

if TYPE_CHECKING:
    from blackett.alphag.digitise.chamber import Chamber
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


class Sketch(NamedTuple):
    """Groups of charge of one event, in linked lists by (column, bin)."""

    head: IntArray  # (32 * 311,), -1 for none
    used: IntArray  # number of cells in use and of groups, then the cells
    next: IntArray
    group: FloatArray  # (n, 2): size, and size times z
    pads: FloatArray  # (576,)


def new_sketch() -> Sketch:
    """Empty work space."""
    cells = COLUMNS * BINS
    return Sketch(
        np.full(cells, -1, np.int32),
        np.zeros(cells + 2, np.int32),
        np.empty(_MOST_GROUPS, np.int32),
        np.empty((_MOST_GROUPS, 2), np.float32),
        np.zeros(ROWS, np.float32),
    )


@kernel
def hits_directly(
    chamber: Chamber, place: IntArray, value: FloatArray, n: int, sketch: Sketch, hits: Hits,
    state: IntArray,
) -> None:  # fmt: skip
    """Wire hits and pad peaks of n electrons, without waveforms."""
    _collect(chamber, place, value, n, sketch, hits)
    noise = WIRE_NOISE * chamber.wire_numbers[0] / WIRE_PEAK_COUNTS
    least = WIRE_LOSS * chamber.wire_numbers[2]
    _keep_hits(hits.wire_size, hits.busy, noise, least, chamber.normal, state)
    _make_peaks(chamber, sketch, hits, state)
    if sketch.used[1] >= sketch.next.size:  # no room for another group: refuse the event
        hits.n_peaks[0] = hits.place.shape[0]
    sketch.used[:2] = 0


@kernel
def _collect(
    chamber: Chamber, place: IntArray, value: FloatArray, n: int, sketch: Sketch, hits: Hits
) -> None:
    """Add charges to their wires, and to the pads of their column and the nearest other."""
    share, gain, wire_size, busy = (
        chamber.column_share,
        chamber.wire_gain,
        hits.wire_size,
        hits.busy,
    )
    head, used, following, group = sketch.head, sketch.used, sketch.next, sketch.group
    for i in range(n):
        wire, b, z, size = place[i, WIRE], place[i, BIN], value[i, ZED], value[i, SIZE]
        column, k = wire // WIRES_PER_COLUMN, wire % WIRES_PER_COLUMN
        wire_size[b, wire] += size * min(gain[wire], 1.0)
        busy[b, column] = 1
        _join(head, used, following, group, column * BINS + b, z, share[k] * size)
        if share[k] < 0.95:
            other = (column + (1 if k >= WIRES_PER_COLUMN // 2 else -1)) % COLUMNS
            _join(head, used, following, group, other * BINS + b, z, (1 - share[k]) * size)


@kernel
def _join(
    head: IntArray, used: IntArray, following: IntArray, group: FloatArray, cell: int, z: float,
    size: float,
) -> None:  # fmt: skip
    """Add charge to a group of a cell, or start one."""
    i = head[cell]
    if i < 0:
        used[used[0] + 2] = cell
        used[0] += 1
    while i >= 0:
        if abs(z * group[i, _SUM] - group[i, _MOMENT]) < MERGE_MM * group[i, _SUM]:
            group[i, _SUM] += size
            group[i, _MOMENT] += size * z
            return
        i = following[i]
    new = used[1]
    if new < following.size:
        group[new, _SUM], group[new, _MOMENT] = size, size * z
        following[new], head[cell] = head[cell], new
        used[1] = new + 1


@kernel
def _keep_hits(
    wire_size: FloatArray, busy: IntArray, noise: float, least: float, normal: FloatArray,
    state: IntArray,
) -> None:  # fmt: skip
    """Noise and threshold; columns without a hit left are no longer busy."""
    for b in range(BINS):
        for column in range(COLUMNS):
            if not busy[b, column]:
                continue
            found = 0
            for w in range(column * WIRES_PER_COLUMN, (column + 1) * WIRES_PER_COLUMN):
                size = wire_size[b, w]
                if size > 0:
                    size += noise * normal[thirteen(next_bits(state), 0)]
                    wire_size[b, w] = size if size >= least else 0.0
                    if size >= least:
                        found = 1
            busy[b, column] = found


@kernel
def _make_peaks(chamber: Chamber, sketch: Sketch, hits: Hits, state: IntArray) -> None:
    """Peaks of all groups that a wire hit could be matched with."""
    sigma_pad, least = chamber.pad_noise, chamber.pad_numbers[2]
    noise = NOISE_SHARE * sigma_pad
    profile, gain, normal = chamber.pad_profile, chamber.pad_known_gain, chamber.normal
    sigma, least_pads = chamber.pad_sigma_mm, chamber.least_pads
    head, group, pads = sketch.head, sketch.group, sketch.pads
    for k in range(2, sketch.used[0] + 2):
        cell = sketch.used[k]
        column, b = cell // BINS, cell % BINS
        i = head[cell] if _wanted(hits.busy, column, b) else -1
        while i >= 0:
            if group[i, _SUM] > least:
                z = group[i, _MOMENT] / group[i, _SUM]
                best = _spread(profile, gain[column], normal, noise, z, group[i, _SUM], pads, state)
                if pads[best] > least:
                    add_peak(hits, column, b, best, pads, sigma_pad, sigma, least, least_pads)
                pads[max(best - 6, 0) : best + 7] = 0
            i = sketch.next[i]
        head[cell] = -1


@kernel
def _wanted(busy: IntArray, column: int, b: int) -> bool:
    for other in range(max(b - 1, 0), min(b + 2, BINS)):  # noqa: SIM110 (compiled)
        if busy[other, column]:
            return True
    return False


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

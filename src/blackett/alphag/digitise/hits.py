"""Work space of one event: wire hits, pad peaks, and the place of a pad peak along z."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from blackett.alphag.digitise.chamber import (
    BINS,
    HALF_LENGTH_MM,
    ROW_MM,
    ROWS,
    WIRES,
)
from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.transport.apparatus import blank

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Hits", "add_peak", "is_full", "new_hits", "trigger_pattern"]

COLUMN, PEAK_BIN, ROW = range(3)
"""Columns of the peaks' table of integers."""
PEAK_Z, PEAK_SIGMA_Z, PEAK_SIZE = range(3)
"""Columns of their table of numbers."""
_MOST_PEAKS = 200_000
_GROUP_WIRES = 16  # of the trigger
_HALF_WINDOW = 2  # pads on either side of the highest that place a peak
_FARTHEST_MM = 5.0
_FIT_EFFICIENCY_MM = 5.7  # error of a peak's place times amplitude over pad noise


class Hits(Protocol):
    """Hits of one event.

    `wire` and `wire_size` (avalanche size): wire hits in order of bin and wire, those of bin b in
    rows first_wire[b]..first_wire[b + 1] - 1. `place` and `value` (n, 3): peaks on pads, in any
    order; `n_peaks` (1,).
    """

    wire: IntArray
    wire_size: FloatArray
    first_wire: IntArray
    place: IntArray
    value: FloatArray
    n_peaks: IntArray


def new_hits() -> Hits:
    """Empty work space."""
    room = {
        "wire": (np.uint32, (BINS * WIRES,)), "wire_size": (np.float32, (BINS * WIRES,)),
        "first_wire": (np.uint32, (BINS + 1,)),
        "place": (np.int32, (_MOST_PEAKS, 3)), "value": (np.float32, (_MOST_PEAKS, 3)),
        "n_peaks": (np.int64, (1,)),
    }  # fmt: skip
    return cast("Hits", blank(room))


@kernel
def is_full(hits: Hits) -> bool:
    """Whether there is no room for another peak: the event is then refused."""
    return bool(hits.n_peaks[0] >= hits.place.shape[0])


@kernel
def add_peak(
    hits: Hits, column: int, time_bin: int, row: int, pads: FloatArray, noise: float, sigma: float,
    least_size: float, least_pads: int,
) -> None:  # fmt: skip
    """Place a peak whose highest pad is `row`; pads[row - 2 .. row + 2] hold sizes of a column and
    bin.

    Straight line through ln a + x^2 / 2 sigma^2 against x, weighted with a^2: the Gaussian of the
    induced charge with its known width. Kept only if it lies within 5 mm of the highest pad, as in
    the experiment's chain.
    """
    weight, wx, wxx, wy, wxy, count = 0.0, 0.0, 0.0, 0.0, 0.0, 0
    for k in range(max(-_HALF_WINDOW, -row), min(_HALF_WINDOW, ROWS - 1 - row) + 1):
        a, x = pads[row + k], k * ROW_MM
        if a <= least_size:
            continue
        y = log(a) + x * x / (2 * sigma * sigma)
        w = a * a
        weight, wx, wxx, count = weight + w, wx + w * x, wxx + w * x * x, count + 1
        wy, wxy = wy + w * y, wxy + w * x * y
    n = hits.n_peaks[0]
    if count < max(least_pads, 2) or is_full(hits):
        return
    offset = (weight * wxy - wx * wy) / (weight * wxx - wx * wx) * sigma * sigma
    z = (row + 0.5) * ROW_MM - HALF_LENGTH_MM + offset
    if abs(offset) > _FARTHEST_MM or abs(z) >= HALF_LENGTH_MM:
        return
    hits.place[n, COLUMN], hits.place[n, PEAK_BIN], hits.place[n, ROW] = column, time_bin, row
    hits.value[n, PEAK_Z], hits.value[n, PEAK_SIZE] = z, pads[row]
    hits.value[n, PEAK_SIGMA_Z] = _FIT_EFFICIENCY_MM * noise / pads[row]
    hits.n_peaks[0] = n + 1


@kernel
def trigger_pattern(wire: IntArray, first_wire: IntArray, window_bins: int) -> int:
    """Bit g is set if one of the 16 wires of group g has a hit within the window after the first
    hit."""
    start = 0
    while start < BINS and first_wire[start + 1] == 0:
        start += 1
    pattern = 0
    for k in range(first_wire[min(start + window_bins, BINS)]):
        pattern |= 1 << (wire[k] // _GROUP_WIRES)
    return pattern

"""Work space of one event: wire hits, pad peaks, and the place of a pad peak along z."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.alphag.digitise.chamber import (
    BINS,
    COLUMNS,
    HALF_LENGTH_MM,
    ROW_MM,
    ROWS,
    WIRES,
    WIRES_PER_COLUMN,
)
from blackett.alphag.geometry.compiled import kernel

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Hits", "add_peak", "clear", "is_full", "new_hits", "trigger_pattern"]

COLUMN, PEAK_BIN, ROW = range(3)
"""Columns of the peaks' table of integers."""
PEAK_Z, PEAK_SIGMA_Z, PEAK_SIZE = range(3)
"""Columns of their table of numbers."""
_MOST_PEAKS = 200_000
_HALF_WINDOW = 2  # pads on either side of the highest that place a peak
_FARTHEST_MM = 5.0
_FIT_EFFICIENCY_MM = 5.7  # error of a peak's place times amplitude over pad noise


class Hits(NamedTuple):
    """Hits of one event.

    `wire_size` (311, 256): avalanche size of a hit, 0 for none; `busy` (311, 32): 1 where the
    wires over a column may have hits; `place` and `value` (n, 3): peaks on pads; `n_peaks` (1,).
    """

    wire_size: FloatArray
    busy: IntArray
    place: IntArray
    value: FloatArray
    n_peaks: IntArray


def new_hits() -> Hits:
    """Empty work space."""
    return Hits(
        np.zeros((BINS, WIRES), np.float32),
        np.zeros((BINS, COLUMNS), np.int8),
        np.empty((_MOST_PEAKS, 3), np.int32),
        np.empty((_MOST_PEAKS, 3), np.float32),
        np.zeros(1, np.int64),
    )


@kernel
def clear(hits: Hits) -> None:
    """Forget the event; hits are only where a column is busy."""
    for b in range(BINS):
        for column in range(COLUMNS):
            if hits.busy[b, column]:
                hits.busy[b, column] = 0
                for w in range(column * WIRES_PER_COLUMN, (column + 1) * WIRES_PER_COLUMN):
                    hits.wire_size[b, w] = 0
    hits.n_peaks[0] = 0


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
def trigger_pattern(wire_size: FloatArray, busy: IntArray, window_bins: int) -> int:
    """Bit g is set if one of the 16 wires of group g has a hit within the window after the first
    hit."""
    pattern, last = 0, BINS
    for b in range(BINS):
        if b >= last:
            break
        for column in range(COLUMNS):
            if not busy[b, column]:
                continue
            for w in range(column * WIRES_PER_COLUMN, (column + 1) * WIRES_PER_COLUMN):
                if wire_size[b, w] > 0:
                    last = min(last, b + window_bins)
                    pattern |= 1 << (column // 2)
    return pattern

"""Counts in channels from expected counts in cells of measured energy, compiled.

The expectation below each channel edge is read off running sums over the cells; channels that
expect many counts draw them each by itself, all others share one number of events, which find
their channels one by one through a guide table. Both are exact.

Functions here get arrays one by one and never as members of a tuple: counting the references to
them would cost more than the sums.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit

from blackett.gamma.devices import CELL_STEP, CELLS
from blackett.gamma.sampling import REJECTION_FROM, poisson, uniform

__all__ = [
    "FINITE",
    "GUIDE",
    "NODES",
    "NODE_STEP",
    "add_fixed",
    "channel_edges",
    "count",
    "expected",
]

GUIDE = 2048
"""Parts of the guide table by which events find their channel."""
NODES = 256
NODE_STEP = 80.0 / NODES
"""Nodes of a unit's axis, uniform in sqrt(keV) to 6400 keV, where pairs of pulses end."""
FINITE = {"nnan", "ninf", "nsz"}
"""What the compiler may take for granted: numbers are finite. It may not change the order of sums,
so that a seed makes the same bytes whichever process has compiled what."""


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def channel_edges(place, channels, roots):  # type: ignore[no-untyped-def]
    """Square root of the true energy, in cells, of the lower edge of each channel.

    `place` (NODES + 1,) is the channel at each node of true energy.
    """
    c = 0
    for node in range(NODES):
        upto = place[node + 1] if node < NODES - 1 else 1.0 * channels
        slope = (NODE_STEP / CELL_STEP) / (place[node + 1] - place[node])
        begin = node * (NODE_STEP / CELL_STEP) - place[node] * slope
        while c < upto and c < channels:
            roots[c] = min(max(begin + c * slope, 0.0), CELLS - 1e-9)
            c += 1


@njit(cache=True, nogil=True, fastmath=FINITE)
def _fit_curve(cells, curve):  # type: ignore[no-untyped-def]
    """Expected counts below a place in each cell, as cubics (4, CELLS + 1) in 0 to 1.

    Cubic Hermite, with derivatives at the edges of the cells to fourth order, not below zero.
    """
    total, upto, slope = 0.0, curve[0], curve[1]
    for j in range(CELLS):
        upto[j] = total
        total += cells[j]
    upto[CELLS] = total
    for j in range(2, CELLS - 1):
        near, far = cells[j - 1] + cells[j], cells[j - 2] + cells[j + 1]
        slope[j] = max((7.0 * near - far) * (1.0 / 12.0), 0.0)
    slope[0], slope[1], slope[CELLS - 1], slope[CELLS] = 0.0, cells[0], cells[CELLS - 1], 0.0
    square, cube = curve[2], curve[3]
    for j in range(CELLS):
        square[j] = 3.0 * cells[j] - 2.0 * slope[j] - slope[j + 1]
        cube[j] = slope[j] + slope[j + 1] - 2.0 * cells[j]


@njit(cache=True, nogil=True, fastmath=FINITE)
def expected(cells, roots, channels, curve, below):  # type: ignore[no-untyped-def]
    """Expected counts (channels + 1,) below each channel edge."""
    _fit_curve(cells, curve)
    for c in range(channels):
        k = np.uint32(roots[c])
        x = roots[c] - k
        below[c] = curve[0, k] + x * (curve[1, k] + x * (curve[2, k] + x * curve[3, k]))
    below[channels] = curve[0, CELLS]


@njit(cache=True, nogil=True, fastmath=FINITE)
def add_fixed(cells, roots, channels, scale, below):  # type: ignore[no-untyped-def]
    """The same for counts that are spread evenly over their cells: recorded ones may be ragged."""
    k, total = 0, 0.0
    for c in range(channels):
        while k < int64(roots[c]):
            total += cells[k]
            k += 1
        below[c] += scale * (total + (roots[c] - k) * cells[k])
    while k < CELLS:
        total += cells[k]
        k += 1
    below[channels] += scale * total


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def count(below, time_s, counts, channels, guide, position, step):  # type: ignore[no-untyped-def]
    """Add Poisson counts to `counts` (channels,); `below` is used up."""
    upto, last = 0.0, below[0]
    for c in range(channels):
        mean = max(below[c + 1] - last, 0.0) * time_s
        last = below[c + 1]
        if mean >= REJECTION_FROM:
            found, position = poisson(position, step, mean)
            counts[c] += found
        else:
            upto += mean
        below[c + 1] = upto
    n, position = poisson(position, step, upto)
    if n > 0:
        _guide(below, channels, guide)
        position = _share_out(n, below, counts, guide, position, step)
    return position


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def _guide(below, channels, guide):  # type: ignore[no-untyped-def]
    """Scale running sums (channels + 1,) to GUIDE, and tell the channel where each part begins.

    `guide[g]` is the first channel that ends beyond g or a little before (H.-C. Chen, Y. Asau, AIIE
    Trans. 6 (1974) 163). The last one has no end.
    """
    scale = GUIDE / below[channels]
    guide[:] = 0
    for c in range(channels):
        below[c + 1] *= scale
        guide[min(int64(below[c + 1]) + 1, GUIDE)] = c + 1
    reached = guide[0]
    for g in range(GUIDE):
        reached = max(reached, guide[g])
        guide[g] = reached
    below[channels] = 2.0 * GUIDE


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def _share_out(n, below, counts, guide, position, step):  # type: ignore[no-untyped-def]
    """n events put into channels by what `_guide` has made."""
    for _ in range(n):
        u, position = uniform(position, step)
        place = u * GUIDE
        c = int64(guide[int64(place)])
        c += int64(place >= below[c + 1])  # mostly enough, and no branch
        while place >= below[c + 1]:
            c += 1
        counts[c] += 1
    return position

"""Counts of many drawn spectra, compiled: the fast counterpart of `simulation.record`.

For each spectrum the rates by deposited energy of its room and sources are added up, each bent by
its smooth error of shape, spread by the resolution and put on the unit's axis. Channels that expect
many counts draw them each by itself, all others share one number of events, put into channels one
by one. Both are exact and follow `simulation.expected_counts`: threshold, dead time, random sums
(event by event), overflow in the last channel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import int64, njit

from blackett.gamma.devices import CELL_STEP, CELLS, DEPOSIT_NODES, MOST_CHANNELS, TOGETHER
from blackett.gamma.folding import HIGHEST_KEV
from blackett.gamma.rooms import RADON
from blackett.gamma.sampling import (
    REJECTION_FROM,
    normal,
    poisson,
    probability,
    uniform,
)

__all__ = ["NODES", "NODE_STEP", "Drawn", "Recorded", "Tables", "record_drawn"]

GUIDE = 2048
"""Parts of the guide table by which events find their channel."""
NODES = 256
NODE_STEP = 80.0 / NODES
"""Nodes of a unit's axis, uniform in sqrt(keV) to 6400 keV, where pairs of pulses end."""


class Tables(NamedTuple):
    """What all spectra of one detector share."""

    deposits: np.ndarray  # (A, DEPOSIT_NODES) float32, counts per decay
    peak_first: np.ndarray  # (A + 1,)
    peak_node: np.ndarray
    peak_counts: np.ndarray
    rooms: np.ndarray  # (R, DEPOSIT_NODES) float32
    recorded: np.ndarray  # (M, CELLS) float32, shapes of measured energy, not folded again
    shapes: np.ndarray  # (6, DEPOSIT_NODES) float32, smooth functions of the energy
    sigma_kev: np.ndarray  # (L, DEPOSIT_NODES) float32
    first: np.ndarray  # (DEPOSIT_NODES,), the same for TOGETHER nodes
    band: np.ndarray  # (L, DEPOSIT_NODES, taps) float32
    log_yield: np.ndarray  # (NODES + 1,) ln of the light for each keV


class Drawn(NamedTuple):
    """n spectra as drawn: their sources in groups of terms, their rooms, units and times.

    Spectrum i has the groups from `group_first[i]`, group g the terms from `term_first[g]`, each a
    row of deposits at a rate in decays per second with its peaks changed by a factor.
    """

    state: np.ndarray  # (n, 2) uint64
    group_first: np.ndarray  # (n + 1,)
    group_around: np.ndarray  # (G,) True: part of the room, in the background too
    group_shape: np.ndarray  # (G, 6) float32
    term_first: np.ndarray  # (G + 1,)
    term_row: np.ndarray
    term_rate: np.ndarray  # float32
    term_peaks: np.ndarray  # float32, relative change of the peaks
    room: np.ndarray  # (n, R) float32
    room_shape: np.ndarray  # (n, 6) float32
    recorded: np.ndarray  # (n, M) float32
    level: np.ndarray
    channels: np.ndarray
    coefficients_kev: np.ndarray
    threshold_kev: np.ndarray
    threshold_width_kev: np.ndarray
    gain: np.ndarray  # 1 + error
    offset_kev: np.ndarray
    light_power: np.ndarray
    parabola: np.ndarray
    dead_time_s: np.ndarray
    resolving_time_s: np.ndarray
    real_time_s: np.ndarray
    background_time_s: np.ndarray  # 0: none
    background_gain: np.ndarray  # the unit's gain then, over that of now
    background_scale: np.ndarray
    background_radon: np.ndarray


class Recorded(NamedTuple):
    """Where the results go."""

    counts: np.ndarray  # (n, MOST_CHANNELS) int32
    live_time_s: np.ndarray
    background: np.ndarray
    background_live_time_s: np.ndarray
    net: np.ndarray  # (G,) expected counts of each group


@njit(cache=True, nogil=True, fastmath=True)
def _add(total, row, weight):  # type: ignore[no-untyped-def]
    scale = np.float32(weight)
    for j in range(total.size):
        total[j] += scale * row[j]


@njit(cache=True, nogil=True, fastmath=True)
def _bend(rate, shapes, size, total, shares):  # type: ignore[no-untyped-def]
    """Add a rate times 1 + x + x²/2 to `total`, and return how much of it passes the threshold.

    That is exp(x) to second order, x a sum of smooth functions of some size each.
    """
    passed = np.float32(0.0)
    for j in range(rate.size):
        x = (
            (size[0] * shapes[0, j] + size[1] * shapes[1, j])
            + (size[2] * shapes[2, j] + size[3] * shapes[3, j])
            + (size[4] * shapes[4, j] + size[5] * shapes[5, j])
        )
        bent = rate[j] * (np.float32(1.0) + x * (np.float32(1.0) + np.float32(0.5) * x))
        total[j] += bent
        passed += bent * shares[j]
    return passed


@njit(cache=True, nogil=True, fastmath=True)
def _group(g, tables, drawn, total, shares, rate):  # type: ignore[no-untyped-def]
    """Add one group's counts per second by deposited energy to `total`; those that pass."""
    rate[:] = 0.0
    for t in range(drawn.term_first[g], drawn.term_first[g + 1]):
        row, bq, peaks = drawn.term_row[t], drawn.term_rate[t], drawn.term_peaks[t]
        if bq == 0.0:
            continue
        _add(rate, tables.deposits[row], bq)
        if peaks != 0.0:
            for k in range(tables.peak_first[row], tables.peak_first[row + 1]):
                rate[tables.peak_node[k]] += bq * peaks * tables.peak_counts[k]
    return _bend(rate, tables.shapes, drawn.group_shape[g], total, shares)


@njit(cache=True, nogil=True, fastmath=True)
def _room(i, tables, drawn, around, shares, rate):  # type: ignore[no-untyped-def]
    """Counts per second by deposited energy of a spectrum's room, into `around`."""
    rate[:] = 0.0
    for k in range(tables.rooms.shape[0]):
        if drawn.room[i, k] > 0.0:
            _add(rate, tables.rooms[k], drawn.room[i, k])
    around[:] = 0.0
    _bend(rate, tables.shapes, drawn.room_shape[i], around, shares)


@njit(cache=True, nogil=True, fastmath=True)
def _triggered(threshold_kev, width_kev, shares):  # type: ignore[no-untyped-def]
    """Share of pulses that pass the threshold, by deposited energy."""
    sure = int64(math.sqrt(threshold_kev + 8.0 * width_kev) * (1.0 / CELL_STEP)) + 1  # type: ignore[call-overload]
    for j in range(sure, shares.size):
        shares[j] = 1.0
    for j in range(min(sure, shares.size)):
        root = j * CELL_STEP
        shares[j] = probability((root * root - threshold_kev) / width_kev)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _axis(i, drawn, tables, gain, place):  # type: ignore[no-untyped-def]
    """Channel, counted from the lower edge of channel 0, at each node of true energy."""
    a0, a1, a2 = drawn.coefficients_kev[i]
    p2, p1, p0 = drawn.parabola[i]
    power, offset = drawn.light_power[i], drawn.offset_kev[i]
    for k in range(place.size):
        light = (k * NODE_STEP) ** 2 * _exp(power * tables.log_yield[k])
        above = (p0 + light * (p1 + light * p2)) * gain + offset - a0
        place[k] = 2.0 * above / (a1 + math.sqrt(a1 * a1 + 4.0 * a2 * above)) + 0.5


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    """exp(x) for |x| < 1/2 to 1e-8: the series, which the compiler can do for many at once."""
    y = 1.0 + x * (1.0 / 7.0) * (1.0 + x * (1.0 / 8.0))
    for k in (6.0, 5.0, 4.0, 3.0, 2.0, 1.0):
        y = 1.0 + x * y / k
    return y


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _channel(energy_kev, place, top):  # type: ignore[no-untyped-def]
    """Channel of a measured energy: -1 below channel 0, all above the axis in the last."""
    node = min(math.sqrt(max(energy_kev, 0.0)) * (1.0 / NODE_STEP), NODES - 1e-6)
    k = int64(node)  # type: ignore[call-overload]
    channel = place[k] + (node - k) * (place[k + 1] - place[k])
    found = min(int64(channel), top)
    return found if channel >= 0.0 and energy_kev > 0.0 else -1


@njit(cache=True, nogil=True, fastmath=True)
def _fold(nodes, first, band, cells):  # type: ignore[no-untyped-def]
    """Spread counts by deposited energy with the resolution, into cells of measured energy."""
    cells[:] = 0.0
    taps = band.shape[1]
    for j in range(0, nodes.size, TOGETHER):
        n0, n1, n2, n3 = nodes[j], nodes[j + 1], nodes[j + 2], nodes[j + 3]
        b0, b1, b2, b3 = band[j], band[j + 1], band[j + 2], band[j + 3]
        reached = cells[first[j] : first[j] + taps]
        for k in range(taps):
            reached[k] += (n0 * b0[k] + n1 * b1[k]) + (n2 * b2[k] + n3 * b3[k])


@njit(cache=True, nogil=True, fastmath=True)
def _cumulate(cells, running, slope):  # type: ignore[no-untyped-def]
    """Running sums (CELLS + 1,) and their derivative at the edges, to fourth order."""
    n = cells.size
    total = 0.0
    for j in range(n):
        running[j] = total
        total += cells[j]
    running[n] = total
    for j in range(2, n - 1):
        near, far = cells[j - 1] + cells[j], cells[j - 2] + cells[j + 1]
        slope[j] = max((7.0 * near - far) * (1.0 / 12.0), 0.0)
    slope[0], slope[1], slope[n - 1], slope[n] = 0.0, cells[0], cells[n - 1], 0.0


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _edges(place, channels, roots):  # type: ignore[no-untyped-def]
    """Square root of the true energy, in cells, of the lower edge of each channel."""
    c = 0
    for node in range(NODES):
        upto = place[node + 1] if node < NODES - 1 else 1.0 * channels
        slope = (NODE_STEP / CELL_STEP) / (place[node + 1] - place[node])
        begin = node * (NODE_STEP / CELL_STEP) - place[node] * slope
        while c < upto and c < channels:
            roots[c] = min(max(begin + c * slope, 0.0), CELLS - 1e-9)
            c += 1


@njit(cache=True, nogil=True, fastmath=True)
def _upto(roots, channels, running, slope, below):  # type: ignore[no-untyped-def]
    """Expected counts (channels + 1,) below each channel edge: cubic Hermite between cells."""
    for c in range(channels):
        k = int64(roots[c])
        x = roots[c] - k
        y = 1.0 - x
        ends = running[k] * y * y * (1.0 + 2.0 * x) + running[k + 1] * x * x * (1.0 + 2.0 * y)
        below[c] = ends + x * y * (slope[k] * y - slope[k + 1] * x)
    below[channels] = running[CELLS]


@njit(cache=True, nogil=True, fastmath=True)
def _add_fixed(roots, channels, cells, scale, below):  # type: ignore[no-untyped-def]
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


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _channels(below, time_s, counts, channels, guide, position, step):  # type: ignore[no-untyped-def]
    """Poisson counts of the folded expectation: channel by channel where there are many.

    The others share one Poisson count, put into channels event by event.
    """
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
        position = _shared_out(n, below, counts, channels, guide, position, step)
    return position


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _shared_out(n, below, counts, channels, guide, position, step):  # type: ignore[no-untyped-def]
    """n events put into channels by running sums `below` (channels + 1,), through a guide table.

    `guide[g]` is the first channel that ends beyond g of guide.size equal parts of the sum (H.-C.
    Chen, Y. Asau, AIIE Trans. 6 (1974) 163).
    """
    scale, g = guide.size / below[channels], 0
    for c in range(channels):
        below[c + 1] *= scale
        while g < below[c + 1] and g < guide.size:
            guide[g] = c
            g += 1
    while g < guide.size:
        guide[g] = channels - 1
        g += 1
    for _ in range(n):
        u, position = uniform(position, step)
        place = u * guide.size
        c = guide[int64(place)]
        while below[c + 1] <= place and c < channels - 1:
            c += 1
        counts[c] += 1
    return position


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _pairs(i, rate, mean, place, counts, position, step, tables, drawn, work):  # type: ignore[no-untyped-def]
    """Pulses that are the sum of two deposits, drawn one by one."""
    n, position = poisson(position, step, mean)
    if n == 0:
        return position
    total = 0.0
    for j in range(DEPOSIT_NODES):
        total += rate[j]
        work[j] = total
    top, sigma = drawn.channels[i] - 1, tables.sigma_kev[drawn.level[i]]
    for _ in range(n):
        one, position = _deposit(work, position, step)
        two, position = _deposit(work, position, step)
        energy = one + two
        node = int64(min(math.sqrt(energy) * (1.0 / CELL_STEP), DEPOSIT_NODES - 1.0))  # type: ignore[call-overload]
        passing = probability((energy - drawn.threshold_kev[i]) / drawn.threshold_width_kev[i])
        u, position = uniform(position, step)
        x, position = normal(position, step)
        # above the table the width goes with the root of the energy
        wide = sigma[node] * max(math.sqrt(energy / HIGHEST_KEV), 1.0)
        channel = _channel(energy + wide * x, place, top)
        if u < passing and channel >= 0:
            counts[channel] += 1
    return position


@njit(cache=True, nogil=True)
def _deposit(running, position, step):  # type: ignore[no-untyped-def]
    """One deposited energy from running sums (DEPOSIT_NODES,)."""
    u, position = uniform(position, step)
    wanted = u * running[DEPOSIT_NODES - 1]
    root = min(np.searchsorted(running[:DEPOSIT_NODES], wanted), DEPOSIT_NODES - 1) * CELL_STEP
    return root * root, position


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _take(i, rate, cells, time_s, place, counts, tables, drawn, work):  # type: ignore[no-untyped-def]
    """Draw one recording; returns live time and the share of pulses that pass on their own."""
    shares, seen, folded, running, slope, sums, roots, guide = work
    total, passed = np.float32(0.0), np.float32(0.0)
    for j in range(DEPOSIT_NODES):
        seen[j] = rate[j] * shares[j]
        total += rate[j]
        passed += seen[j]
    lost = 1.0 - math.exp(-total * drawn.resolving_time_s[i])
    fixed = 0.0
    for j in range(cells.size):
        fixed += cells[j]
    pulses = passed * (1.0 - lost) + 0.5 * lost * total + fixed
    live_time_s = time_s / (1.0 + pulses * drawn.dead_time_s[i])
    position, step, channels = drawn.state[i, 0], drawn.state[i, 1], drawn.channels[i]
    joined = 0.5 * lost * total * live_time_s
    position = _pairs(i, rate, joined, place, counts, position, step, tables, drawn, sums)
    alone = live_time_s * (1.0 - lost)
    _fold(seen, tables.first, tables.band[drawn.level[i]], folded)
    _cumulate(folded, running, slope)
    _edges(place, channels, roots)
    _upto(roots, channels, running, slope, sums)
    if fixed > 0.0:
        _add_fixed(roots, channels, cells, live_time_s / alone, sums)
    position = _channels(sums, alone, counts, channels, guide, position, step)
    drawn.state[i, 0] = position
    return live_time_s, 1.0 - lost


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _record_one(i, tables, drawn, out, work):  # type: ignore[no-untyped-def]
    """Foreground and background of spectrum i."""
    parts, around, rate, group, cells, place = work
    shares = parts[0]
    _triggered(drawn.threshold_kev[i], drawn.threshold_width_kev[i], shares)
    _room(i, tables, drawn, around, shares, group)
    first, stop = drawn.group_first[i], drawn.group_first[i + 1]
    for g in range(first, stop):
        if drawn.group_around[g]:
            _group(g, tables, drawn, around, shares, group)
    rate[:] = around
    for g in range(first, stop):
        if not drawn.group_around[g]:
            out.net[g] = _group(g, tables, drawn, rate, shares, group)
    _fixed(i, 1.0, tables, drawn, cells)
    _axis(i, drawn, tables, drawn.gain[i], place)
    out.live_time_s[i], single = _take(
        i, rate, cells, drawn.real_time_s[i], place, out.counts[i], tables, drawn, parts
    )
    for g in range(first, stop):
        out.net[g] *= out.live_time_s[i] * single
    if drawn.background_time_s[i] > 0.0:
        radon = drawn.room[i, RADON] * (drawn.background_radon[i] - 1.0)
        _add(around, tables.rooms[RADON], radon)
        for j in range(DEPOSIT_NODES):
            around[j] = max(around[j], np.float32(0.0)) * np.float32(drawn.background_scale[i])
        _fixed(i, drawn.background_scale[i], tables, drawn, cells)
        _axis(i, drawn, tables, drawn.gain[i] * drawn.background_gain[i], place)
        out.background_live_time_s[i], _ = _take(
            i, around, cells, drawn.background_time_s[i], place, out.background[i], tables, drawn,
            parts,
        )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=True)
def _fixed(i, scale, tables, drawn, cells):  # type: ignore[no-untyped-def]
    """Counts per second by measured energy that were recorded, not simulated."""
    cells[:] = 0.0
    for k in range(tables.recorded.shape[0]):
        if drawn.recorded[i, k] > 0.0:
            _add(cells, tables.recorded[k], scale * drawn.recorded[i, k])


@njit(cache=True, nogil=True)
def record_drawn(numbers, tables, drawn, out):  # type: ignore[no-untyped-def]
    """Draw the counts of the spectra `numbers`; the same whoever draws them, in any order."""
    shares, seen, around, rate, group = np.zeros((5, DEPOSIT_NODES), np.float32)
    parts = (
        shares, seen, np.zeros(CELLS, np.float32), np.zeros(CELLS + 1), np.zeros(CELLS + 1),
        np.zeros(MOST_CHANNELS + 1), np.zeros(MOST_CHANNELS), np.zeros(GUIDE, np.int16),
    )  # fmt: skip
    work = parts, around, rate, group, np.zeros(CELLS, np.float32), np.zeros(NODES + 1)
    for i in numbers:
        _record_one(i, tables, drawn, out, work)

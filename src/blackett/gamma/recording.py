"""Counts of many drawn spectra, compiled: the fast counterpart of `simulation.record`.

For each spectrum the rates by deposited energy of its room and sources are added up, each bent by
its smooth error of shape. Few counts are then drawn event by event: deposit, resolution, axis,
channel. Many are drawn channel by channel from the folded expectation. Both are exact and follow
`simulation.expected_counts`: threshold, dead time, random sums (event by event in either case),
overflow in the last channel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import int64, njit

from blackett.gamma.devices import CELL_STEP, CELLS, STEP
from blackett.gamma.folding import HIGHEST_KEV
from blackett.gamma.rooms import RADON
from blackett.gamma.sampling import (
    REJECTION_FROM,
    exponential,
    normal,
    poisson,
    probability,
    uniform,
)
from blackett.gamma.simulation import BINS

__all__ = ["EVENTS_BELOW", "NODES", "NODE_STEP", "Drawn", "Recorded", "Tables", "record_drawn"]

EVENTS_BELOW = 1000.0
"""Expected counts below which events are drawn one by one."""
NODES = 256
NODE_STEP = 80.0 / NODES
"""Nodes of a unit's axis, uniform in sqrt(keV) to 6400 keV, where pairs of pulses end."""


class Tables(NamedTuple):
    """What all spectra of one detector share."""

    deposits: np.ndarray  # (A, BINS) float32, counts per decay
    peak_first: np.ndarray  # (A + 1,)
    peak_bin: np.ndarray
    peak_counts: np.ndarray
    rooms: np.ndarray  # (R, BINS) float32
    recorded: np.ndarray  # (M, CELLS) float32, shapes of measured energy, not folded again
    shapes: np.ndarray  # (K, BINS) float32, smooth functions of the energy
    sigma_kev: np.ndarray  # (L, BINS) float32
    first: np.ndarray  # (BINS,)
    band: np.ndarray  # (L, BINS, taps) float32
    log_yield: np.ndarray  # (NODES + 1,) ln of the light for each keV


class Drawn(NamedTuple):
    """n spectra as drawn: their sources in groups of terms, their rooms, units and times.

    Spectrum i has the groups from `group_first[i]`, group g the terms from `term_first[g]`, each a
    row of deposits at a rate in decays per second with its peaks changed by a factor.
    """

    state: np.ndarray  # (n, 2) uint64
    group_first: np.ndarray  # (n + 1,)
    group_around: np.ndarray  # (G,) True: part of the room, in the background too
    group_shape: np.ndarray  # (G, K) float32
    term_first: np.ndarray  # (G + 1,)
    term_row: np.ndarray
    term_rate: np.ndarray  # float32
    term_peaks: np.ndarray  # float32, relative change of the peaks
    room: np.ndarray  # (n, R) float32
    room_shape: np.ndarray  # (n, K) float32
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
def _bend(rate, shapes, coefficients, work):  # type: ignore[no-untyped-def]
    """Multiply a rate by 1 + x + x²/2, exp(x) to second order, x a sum of smooth functions."""
    work[:] = 0.0
    for k in range(coefficients.size):
        _add(work, shapes[k], coefficients[k])
    for j in range(rate.size):
        x = work[j]
        rate[j] *= np.float32(1.0) + x * (np.float32(1.0) + np.float32(0.5) * x)


@njit(cache=True, nogil=True, fastmath=True)
def _group(g, tables, drawn, rate, work):  # type: ignore[no-untyped-def]
    """Counts per second by deposited energy of one group, into `rate`."""
    rate[:] = 0.0
    for t in range(drawn.term_first[g], drawn.term_first[g + 1]):
        row, bq, peaks = drawn.term_row[t], drawn.term_rate[t], drawn.term_peaks[t]
        _add(rate, tables.deposits[row], bq)
        if peaks != 0.0:
            for k in range(tables.peak_first[row], tables.peak_first[row + 1]):
                rate[tables.peak_bin[k]] += bq * peaks * tables.peak_counts[k]
    _bend(rate, tables.shapes, drawn.group_shape[g], work)


@njit(cache=True, nogil=True, fastmath=True)
def _room(i, tables, drawn, rate, work):  # type: ignore[no-untyped-def]
    """Counts per second by deposited energy of a spectrum's room, into `rate`."""
    rate[:] = 0.0
    for k in range(tables.rooms.shape[0]):
        if drawn.room[i, k] > 0.0:
            _add(rate, tables.rooms[k], drawn.room[i, k])
    _bend(rate, tables.shapes, drawn.room_shape[i], work)


@njit(cache=True, nogil=True, fastmath=True)
def _triggered(threshold_kev, width_kev, shares):  # type: ignore[no-untyped-def]
    """Share of pulses that pass the threshold, by bin of deposited energy."""
    sure = int64(math.sqrt(threshold_kev + 8.0 * width_kev) * (1.0 / STEP)) + 1  # type: ignore[call-overload]
    for j in range(sure, shares.size):
        shares[j] = 1.0
    for j in range(min(sure, shares.size)):
        root = (j + 0.5) * STEP
        shares[j] = probability((root * root - threshold_kev) / width_kev)


@njit(cache=True, nogil=True, fastmath=True)
def _axis(i, drawn, tables, gain, place):  # type: ignore[no-untyped-def]
    """Channel, counted from the lower edge of channel 0, at each node of true energy."""
    a0, a1, a2 = drawn.coefficients_kev[i]
    p2, p1, p0 = drawn.parabola[i]
    power, offset = drawn.light_power[i], drawn.offset_kev[i]
    for k in range(place.size):
        energy = (k * NODE_STEP) ** 2
        light = energy * math.exp(power * tables.log_yield[k])
        above = (p0 + light * (p1 + light * p2)) * gain + offset - a0
        place[k] = 2.0 * above / (a1 + math.sqrt(a1 * a1 + 4.0 * a2 * above)) + 0.5


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _channel(energy_kev, place, top):  # type: ignore[no-untyped-def]
    """Channel of a measured energy: -1 below channel 0, all above the axis in the last."""
    node = min(math.sqrt(max(energy_kev, 0.0)) * (1.0 / NODE_STEP), NODES - 1e-6)
    k = int64(node)  # type: ignore[call-overload]
    channel = place[k] + (node - k) * (place[k + 1] - place[k])
    found = min(int64(channel), top)
    return found if channel >= 0.0 and energy_kev > 0.0 else -1


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _events(rate, time_s, sigma_kev, place, counts, top, position, step):  # type: ignore[no-untyped-def]
    """Counts drawn one by one: steps of exponential length along the expected deposits."""
    begin = 0.0
    reached, position = exponential(position, step)
    for j in range(rate.size):
        expected = rate[j] * time_s
        while reached < begin + expected:
            root = (j + (reached - begin) / expected) * STEP
            x, position = normal(position, step)
            channel = _channel(root * root + sigma_kev[j] * x, place, top)
            if channel >= 0:
                counts[channel] += 1
            gap, position = exponential(position, step)
            reached += gap
        begin += expected
    return position


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _fixed_events(cells, time_s, place, counts, top, position, step):  # type: ignore[no-untyped-def]
    """The same for counts by measured energy."""
    begin = 0.0
    reached, position = exponential(position, step)
    for j in range(cells.size):
        expected = cells[j] * time_s
        while reached < begin + expected:
            root = (j + (reached - begin) / expected) * CELL_STEP
            channel = _channel(root * root, place, top)
            if channel >= 0:
                counts[channel] += 1
            gap, position = exponential(position, step)
            reached += gap
        begin += expected
    return position


@njit(cache=True, nogil=True, fastmath=True)
def _fold(rate, first, band, cells):  # type: ignore[no-untyped-def]
    """Add counts by deposited energy, spread by the resolution, to cells of measured energy."""
    taps = band.shape[1]
    for j in range(rate.size):
        here, row = rate[j], band[j]
        reached = cells[first[j] : first[j] + taps]
        for k in range(taps):
            reached[k] += here * row[k]


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
    node = 0
    for c in range(channels):
        while node < NODES - 1 and place[node + 1] <= c:
            node += 1
        share = (c - place[node]) / (place[node + 1] - place[node])
        roots[c] = min(max(node + share, 0.0) * (NODE_STEP / CELL_STEP), CELLS - 1e-9)


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
def _channels(below, time_s, counts, channels, position, step):  # type: ignore[no-untyped-def]
    """Poisson counts channel by channel of the folded expectation."""
    reached, position = exponential(position, step)
    for c in range(channels):
        mean = max(below[c + 1] - below[c], 0.0) * time_s
        if mean >= REJECTION_FROM:
            found, position = poisson(position, step, mean)
            counts[c] += found
            continue
        while reached < mean:
            counts[c] += 1
            gap, position = exponential(position, step)
            reached += gap
        reached -= mean
    return position


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _pairs(i, rate, mean, place, counts, position, step, tables, drawn, work):  # type: ignore[no-untyped-def]
    """Pulses that are the sum of two deposits, drawn one by one."""
    n, position = poisson(position, step, mean)
    if n == 0:
        return position
    total = 0.0
    for j in range(BINS):
        total += rate[j]
        work[j] = total
    top, sigma = drawn.channels[i] - 1, tables.sigma_kev[drawn.level[i]]
    for _ in range(n):
        one, position = _deposit(work, position, step)
        two, position = _deposit(work, position, step)
        energy = one + two
        bin_ = int64(min(math.sqrt(energy) * (1.0 / STEP), BINS - 1.0))  # type: ignore[call-overload]
        passing = probability((energy - drawn.threshold_kev[i]) / drawn.threshold_width_kev[i])
        u, position = uniform(position, step)
        x, position = normal(position, step)
        # above the table the width goes with the root of the energy
        wide = sigma[bin_] * max(math.sqrt(energy / HIGHEST_KEV), 1.0)
        channel = _channel(energy + wide * x, place, top)
        if u < passing and channel >= 0:
            counts[channel] += 1
    return position


@njit(cache=True, nogil=True)
def _deposit(running, position, step):  # type: ignore[no-untyped-def]
    """One deposited energy from running sums (BINS,)."""
    u, position = uniform(position, step)
    wanted = u * running[BINS - 1]
    j = min(np.searchsorted(running[:BINS], wanted), BINS - 1)
    before = running[j - 1] if j > 0 else 0.0
    root = (j + (wanted - before) / max(running[j] - before, 1e-300)) * STEP
    return root * root, position


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _take(i, rate, cells, time_s, place, counts, tables, drawn, work):  # type: ignore[no-untyped-def]
    """Draw one recording; returns live time and the share of pulses that pass on their own."""
    shares, seen, folded, running, slope, sums, roots = work
    total, passed = 0.0, 0.0
    for j in range(BINS):
        seen[j] = rate[j] * shares[j]
        total += rate[j]
        passed += seen[j]
    lost = 1.0 - math.exp(-total * drawn.resolving_time_s[i])
    passed = passed * (1.0 - lost) + 0.5 * lost * total
    fixed = 0.0
    for j in range(cells.size):
        fixed += cells[j]
    passed += fixed
    live_time_s = time_s / (1.0 + passed * drawn.dead_time_s[i])
    position, step = drawn.state[i, 0], drawn.state[i, 1]
    level, channels = drawn.level[i], drawn.channels[i]
    joined = 0.5 * lost * total * live_time_s
    position = _pairs(i, rate, joined, place, counts, position, step, tables, drawn, sums)
    alone = live_time_s * (1.0 - lost)
    if passed * live_time_s < EVENTS_BELOW:
        top, sigma = channels - 1, tables.sigma_kev[level]
        position = _events(seen, alone, sigma, place, counts, top, position, step)
        position = _fixed_events(cells, live_time_s, place, counts, top, position, step)
    else:
        folded[:] = 0.0
        _fold(seen, tables.first, tables.band[level], folded)
        _cumulate(folded, running, slope)
        _edges(place, channels, roots)
        _upto(roots, channels, running, slope, sums)
        if fixed > 0.0:
            _add_fixed(roots, channels, cells, live_time_s / alone, sums)
        position = _channels(sums, alone, counts, channels, position, step)
    drawn.state[i, 0] = position
    return live_time_s, 1.0 - lost


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _record_one(i, tables, drawn, out, work):  # type: ignore[no-untyped-def]
    """Foreground and background of spectrum i."""
    parts, around, rate, group, bend, cells, place = work
    shares = parts[0]
    _triggered(drawn.threshold_kev[i], drawn.threshold_width_kev[i], shares)
    _room(i, tables, drawn, around, bend)
    first, stop = drawn.group_first[i], drawn.group_first[i + 1]
    for g in range(first, stop):
        if drawn.group_around[g]:
            _group(g, tables, drawn, group, bend)
            _add(around, group, 1.0)
    rate[:] = around
    for g in range(first, stop):
        if not drawn.group_around[g]:
            _group(g, tables, drawn, group, bend)
            _add(rate, group, 1.0)
            total = 0.0
            for j in range(BINS):
                total += group[j] * shares[j]
            out.net[g] = total
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
        for j in range(BINS):
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
    parts = (
        np.zeros(BINS, np.float32), np.zeros(BINS, np.float32), np.zeros(CELLS, np.float32),
        np.zeros(CELLS + 1), np.zeros(CELLS + 1), np.zeros(BINS + 1), np.zeros(BINS),
    )  # fmt: skip
    work = (
        parts, np.zeros(BINS, np.float32), np.zeros(BINS, np.float32), np.zeros(BINS, np.float32),
        np.zeros(BINS, np.float32), np.zeros(CELLS, np.float32), np.zeros(NODES + 1),
    )  # fmt: skip
    for i in numbers:
        _record_one(i, tables, drawn, out, work)

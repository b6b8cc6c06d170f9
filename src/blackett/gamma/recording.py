"""Counts of many drawn spectra, compiled: the fast counterpart of `simulation.record`.

For each spectrum the rates by deposited energy of its room and sources are added up, each bent by
its smooth error of shape, spread by the resolution and put on the unit's axis. Channels that expect
many counts draw them each by itself, all others share one number of events, put into channels one
by one. Both are exact and follow `simulation.expected_counts`: threshold, dead time, random sums
(event by event), overflow in the last channel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import int64, njit

from blackett.gamma.counting import (
    FINITE,
    GUIDE,
    NODE_STEP,
    NODES,
    add_fixed,
    channel_edges,
    count,
    expected,
)
from blackett.gamma.devices import CELL_STEP, CELLS, DEPOSIT_NODES, MOST_CHANNELS, TOGETHER
from blackett.gamma.folding import HIGHEST_KEV
from blackett.gamma.rooms import RADON
from blackett.gamma.sampling import normal, poisson, probability, uniform

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PEAK", "Drawn", "Recorded", "Tables", "record_drawn"]

PEAK = np.dtype([("node", np.uint32), ("counts", np.float32)])
"""Counts per decay of full-energy peaks at a node of deposited energy."""
UNIT = np.dtype([
    ("level", np.int64), ("channels", np.int64), ("coefficients_kev", np.float64, 3),
    ("threshold_kev", np.float64), ("threshold_width_kev", np.float64), ("gain", np.float64),
    ("offset_kev", np.float64), ("light_power", np.float64), ("parabola", np.float64, 3),
    ("dead_time_s", np.float64), ("resolving_time_s", np.float64), ("real_time_s", np.float64),
    ("background_time_s", np.float64), ("background_gain", np.float64),
    ("background_scale", np.float64), ("background_radon", np.float64),
])  # fmt: skip
"""The numbers of one spectrum among the arrays of `Drawn`, together in memory."""
TERM = np.dtype([("row", np.int64), ("rate", np.float32), ("peaks", np.float32)])
"""The same of one term of a source."""


class Tables(NamedTuple):
    """What all spectra of one detector share."""

    deposits: np.ndarray  # (A, DEPOSIT_NODES) float32, counts per decay
    peak_first: np.ndarray  # (A + 1,)
    peaks: np.ndarray  # of PEAK, those of row a from peak_first[a] on
    rooms: np.ndarray  # (R, DEPOSIT_NODES) float32
    recorded: np.ndarray  # (M, CELLS) float32, shapes of measured energy, not folded again
    shapes: np.ndarray  # (6, DEPOSIT_NODES) float32, smooth functions of the energy
    sigma_kev: np.ndarray  # (L, DEPOSIT_NODES) float32
    first: np.ndarray  # (L, DEPOSIT_NODES), the same for TOGETHER nodes
    taps: np.ndarray  # (L,)
    start: np.ndarray  # (L,)
    band: np.ndarray  # float32, folding matrices as in `devices.Resolutions`
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


# --- rates by deposited energy --------------------------------------------------------------


@njit(cache=True, nogil=True, fastmath=FINITE)
def _add(total, row, weight):  # type: ignore[no-untyped-def]
    scale = np.float32(weight)
    for j in range(total.size):
        total[j] += scale * row[j]


@njit(cache=True, nogil=True, fastmath=FINITE)
def _sum(values):  # type: ignore[no-untyped-def]
    """Sum of a multiple of 8 numbers, in 8 parts: quick, in an order that no compiler changes."""
    s0, s1, s2, s3 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    s4, s5, s6, s7 = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for j in range(0, values.size, 8):
        s0 += values[j]
        s1 += values[j + 1]
        s2 += values[j + 2]
        s3 += values[j + 3]
        s4 += values[j + 4]
        s5 += values[j + 5]
        s6 += values[j + 6]
        s7 += values[j + 7]
    return ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))


@njit(cache=True, nogil=True, fastmath=FINITE)
def _bend(rate, shapes, size, total, shares):  # type: ignore[no-untyped-def]
    """Add a rate times 1 + x + x²/2 to `total`, and return how much of it passes the threshold.

    That is exp(x) to second order, x a sum of smooth functions of some size each. The rate is used
    up.
    """
    a, b, c, d, e, f = size[0], size[1], size[2], size[3], size[4], size[5]
    n = DEPOSIT_NODES
    for j in range(DEPOSIT_NODES):
        x = (
            (a * shapes[j] + b * shapes[n + j])
            + (c * shapes[2 * n + j] + d * shapes[3 * n + j])
            + (e * shapes[4 * n + j] + f * shapes[5 * n + j])
        )
        bent = rate[j] * (np.float32(1.0) + x * (np.float32(1.0) + np.float32(0.5) * x))
        total[j] += bent
        rate[j] = bent * shares[j]
    return _sum(rate)


@njit(cache=True, nogil=True, fastmath=FINITE)
def _sum_terms(terms, begin, end, deposits, peak_first, peaks, rate):  # type: ignore[no-untyped-def]
    """Counts per second by deposited energy of one source, into `rate`."""
    rate[:] = np.float32(0.0)
    for t in range(begin, end):
        row, bq, change = terms[t].row, terms[t].rate, terms[t].peaks
        if bq == 0.0:
            continue
        _add(rate, deposits[row], bq)
        if change != 0.0:
            for k in range(peak_first[row], peak_first[row + 1]):
                rate[peaks[k].node] += bq * change * peaks[k].counts


@njit(cache=True, nogil=True, fastmath=FINITE)
def _add_groups(  # type: ignore[no-untyped-def]
    around, begin, end, group_around, group_shape, term_first, terms, deposits, peak_first, peaks,
    shapes, shares, group, total, net,
):  # fmt: skip
    """Add the sources of a spectrum that are (or are not) part of its room to `total`."""
    for g in range(begin, end):
        if group_around[g] == around:
            _sum_terms(terms, term_first[g], term_first[g + 1], deposits, peak_first, peaks, group)
            net[g] = _bend(group, shapes, group_shape[g], total, shares)


@njit(cache=True, nogil=True, fastmath=FINITE)
def _mix(weights, rows, total):  # type: ignore[no-untyped-def]
    """Rows of a table by their weights, into `total`."""
    total[:] = np.float32(0.0)
    for k in range(weights.size):
        if weights[k] > 0.0:
            _add(total, rows[k], weights[k])


@njit(cache=True, nogil=True, fastmath=FINITE)
def _triggered(threshold_kev, width_kev, shares):  # type: ignore[no-untyped-def]
    """Share of pulses that pass the threshold, by deposited energy."""
    sure = int64(math.sqrt(threshold_kev + 8.0 * width_kev) * (1.0 / CELL_STEP)) + 1  # type: ignore[call-overload]
    for j in range(sure, shares.size):
        shares[j] = 1.0
    for j in range(min(sure, shares.size)):
        root = j * CELL_STEP
        shares[j] = probability((root * root - threshold_kev) / width_kev)


# --- the unit's axis and resolution -----------------------------------------------------------


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def _axis(unit, log_yield, gain, place):  # type: ignore[no-untyped-def]
    """Channel, counted from the lower edge of channel 0, at each node of true energy."""
    a0, a1, a2 = unit.coefficients_kev[0], unit.coefficients_kev[1], unit.coefficients_kev[2]
    p2, p1, p0 = unit.parabola[0], unit.parabola[1], unit.parabola[2]
    power, offset = unit.light_power, unit.offset_kev
    for k in range(NODES + 1):
        light = (k * NODE_STEP) ** 2 * _exp(power * log_yield[k])
        above = (p0 + light * (p1 + light * p2)) * gain + offset - a0
        place[k] = 2.0 * above / (a1 + math.sqrt(a1 * a1 + 4.0 * a2 * above)) + 0.5


@njit(cache=True, nogil=True, fastmath=FINITE, inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    """exp(x) for |x| < 1/2 to 1e-8: the series, which the compiler can do for many at once."""
    y = 1.0 + x * (1.0 / 7.0) * (1.0 + x * (1.0 / 8.0))
    for inverse in (1.0 / 6.0, 1.0 / 5.0, 1.0 / 4.0, 1.0 / 3.0, 1.0 / 2.0, 1.0):
        y = 1.0 + x * inverse * y
    return y


@njit(cache=True, nogil=True, fastmath=FINITE)
def _fold(nodes, first, taps, band, cells):  # type: ignore[no-untyped-def]
    """Spread counts by deposited energy with the resolution, into cells of measured energy."""
    cells[:] = np.float32(0.0)
    for j in range(0, DEPOSIT_NODES, TOGETHER):
        n0, n1, n2, n3 = nodes[j], nodes[j + 1], nodes[j + 2], nodes[j + 3]
        rows = band[j * taps : (j + TOGETHER) * taps]
        reached = cells[first[j] : first[j] + taps]
        for k in range(taps):
            reached[k] += (n0 * rows[k] + n1 * rows[taps + k]) + (
                n2 * rows[2 * taps + k] + n3 * rows[3 * taps + k]
            )


# --- pulses on top of each other ----------------------------------------------------------------


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def _channel(energy_kev, place, top):  # type: ignore[no-untyped-def]
    """Channel of a measured energy: -1 below channel 0, all above the axis in the last."""
    node = min(math.sqrt(max(energy_kev, 0.0)) * (1.0 / NODE_STEP), NODES - 1e-6)
    k = int64(node)  # type: ignore[call-overload]
    channel = place[k] + (node - k) * (place[k + 1] - place[k])
    found = min(int64(channel), top)
    return found if channel >= 0.0 and energy_kev > 0.0 else -1


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def _pairs(n, unit, rate, sigma_kev, place, counts, position, step, running):  # type: ignore[no-untyped-def]
    """n pulses that are the sum of two deposits, drawn one by one."""
    total = 0.0
    for j in range(DEPOSIT_NODES):
        total += rate[j]
        running[j] = total
    for _ in range(n):
        one, position = _deposit(running, position, step)
        two, position = _deposit(running, position, step)
        energy = one + two
        node = int64(min(math.sqrt(energy) * (1.0 / CELL_STEP), DEPOSIT_NODES - 1.0))  # type: ignore[call-overload]
        passing = probability((energy - unit.threshold_kev) / unit.threshold_width_kev)
        u, position = uniform(position, step)
        x, position = normal(position, step)
        # above the table the width goes with the root of the energy
        wide = sigma_kev[node] * max(math.sqrt(energy / HIGHEST_KEV), 1.0)
        channel = _channel(energy + wide * x, place, unit.channels - 1)
        if u < passing and channel >= 0:
            counts[channel] += 1
    return position


@njit(cache=True, nogil=True, fastmath=FINITE)
def _deposit(running, position, step):  # type: ignore[no-untyped-def]
    """One deposited energy from running sums (DEPOSIT_NODES,)."""
    u, position = uniform(position, step)
    wanted = u * running[DEPOSIT_NODES - 1]
    root = min(np.searchsorted(running[:DEPOSIT_NODES], wanted), DEPOSIT_NODES - 1) * CELL_STEP
    return root * root, position


# --- whole recordings -----------------------------------------------------------------------------


def record_drawn(numbers: np.ndarray, tables: Tables, drawn: Drawn, out: Recorded) -> None:
    """Draw the counts of the spectra `numbers`; the same whoever draws them, in any order.

    The compiled functions get arrays one by one: counting the references to members of tuples, for
    each use of each, costs as much as the sums.
    """
    _record(
        numbers, drawn.state, _together(UNIT, {n: getattr(drawn, n) for n in UNIT.names or ()}),
        _together(TERM, {n: getattr(drawn, f"term_{n}") for n in TERM.names or ()}),
        drawn.group_first, drawn.group_around, drawn.group_shape, drawn.term_first, drawn.room,
        drawn.room_shape, drawn.recorded, *tables._replace(shapes=tables.shapes.ravel()), *out,
    )  # fmt: skip


def _together(kind: np.dtype[np.void], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Arrays of one length as the fields of one array."""
    made = np.empty(len(next(iter(arrays.values()))), kind)
    for name, array in arrays.items():
        made[name] = array
    return made


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def _record(  # type: ignore[no-untyped-def]
    numbers, state, units, terms, group_first, group_around, group_shape, term_first, room,
    room_shape, recorded, deposits, peak_first, peaks, rooms, measured, shapes, sigma_kev, first,
    taps, start, band, log_yield, counts, live_time_s, background, background_live_time_s, net,
):  # fmt: skip
    """Foreground and background of the spectra `numbers`."""
    # each by itself: rows unpacked from one array could lie apart, for all the compiler knows
    shares, around = np.zeros(DEPOSIT_NODES, np.float32), np.zeros(DEPOSIT_NODES, np.float32)
    rate, group = np.zeros(DEPOSIT_NODES, np.float32), np.zeros(DEPOSIT_NODES, np.float32)
    cells, place = np.zeros(CELLS, np.float32), np.zeros(NODES + 1)
    seen, folded = np.zeros(DEPOSIT_NODES, np.float32), np.zeros(CELLS, np.float32)
    curve = np.zeros((4, CELLS + 1))
    below, roots = np.zeros(MOST_CHANNELS + 1), np.zeros(MOST_CHANNELS)
    guide = np.zeros(GUIDE + 1, np.uint16)
    for i in numbers:
        unit, begin, end = units[i], group_first[i], group_first[i + 1]
        _triggered(unit.threshold_kev, unit.threshold_width_kev, shares)
        _mix(room[i], rooms, group)
        around[:] = np.float32(0.0)
        _bend(group, shapes, room_shape[i], around, shares)
        _add_groups(
            True, begin, end, group_around, group_shape, term_first, terms, deposits, peak_first,
            peaks, shapes, shares, group, around, net,
        )  # fmt: skip
        rate[:] = around
        _add_groups(
            False, begin, end, group_around, group_shape, term_first, terms, deposits, peak_first,
            peaks, shapes, shares, group, rate, net,
        )  # fmt: skip
        _mix(recorded[i], measured, cells)
        _axis(unit, log_yield, unit.gain, place)
        live_time_s[i], single, state[i, 0] = _take(
            unit, unit.real_time_s, rate, cells, shares, sigma_kev, first, taps, start, band, place,
            counts[i], state[i, 0], state[i, 1], seen, folded, curve, below, roots, guide,
        )  # fmt: skip
        for g in range(begin, end):
            net[g] *= live_time_s[i] * single
        if unit.background_time_s > 0.0:
            _add(around, rooms[RADON], room[i, RADON] * (unit.background_radon - 1.0))
            _scale(around, unit.background_scale)
            _scale(cells, unit.background_scale)
            _axis(unit, log_yield, unit.gain * unit.background_gain, place)
            background_live_time_s[i], _, state[i, 0] = _take(
                unit, unit.background_time_s, around, cells, shares, sigma_kev, first, taps, start,
                band, place, background[i], state[i, 0], state[i, 1], seen, folded, curve, below,
                roots, guide,
            )  # fmt: skip


@njit(cache=True, nogil=True, fastmath=FINITE, error_model="numpy")
def _take(  # type: ignore[no-untyped-def]
    unit, time_s, rate, cells, shares, sigma_kev, first, taps, start, band, place, counts, position,
    step, seen, folded, curve, below, roots, guide,
):  # fmt: skip
    """Draw one recording into `counts`; live time, share of pulses on their own, new position."""
    for j in range(DEPOSIT_NODES):
        seen[j] = rate[j] * shares[j]
    total, passed, fixed = _sum(rate), _sum(seen), _sum(cells)
    lost = 1.0 - math.exp(-total * unit.resolving_time_s)
    pulses = passed * (1.0 - lost) + 0.5 * lost * total + fixed
    live_time_s = time_s / (1.0 + pulses * unit.dead_time_s)
    joined, position = poisson(position, step, 0.5 * lost * total * live_time_s)
    if joined > 0:
        position = _pairs(
            joined, unit, rate, sigma_kev[unit.level], place, counts, position, step, below
        )
    _fold(seen, first[unit.level], taps[unit.level], band[start[unit.level] :], folded)
    channel_edges(place, unit.channels, roots)
    expected(folded, roots, unit.channels, curve, below)
    if fixed > 0.0:
        add_fixed(cells, roots, unit.channels, 1.0 / (1.0 - lost), below)
    position = count(
        below, live_time_s * (1.0 - lost), counts, unit.channels, guide, position, step
    )
    return live_time_s, 1.0 - lost, position


@njit(cache=True, nogil=True, fastmath=FINITE)
def _scale(rates, factor):  # type: ignore[no-untyped-def]
    """Rates that would be negative, a factor of radon below none, are none."""
    for j in range(rates.size):
        rates[j] = max(rates[j], np.float32(0.0)) * np.float32(factor)

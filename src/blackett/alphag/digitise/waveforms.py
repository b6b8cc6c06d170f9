"""Full mode: waveforms of wires and pads, and the greedy deconvolution of the experiment's
chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import numba
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
from blackett.alphag.digitise.electrons import BIN, PHASE, SIZE, WIRE, ZED
from blackett.alphag.digitise.hits import add_peak
from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.transport.apparatus import blank

if TYPE_CHECKING:
    from blackett.alphag.digitise.chamber import Chamber
    from blackett.alphag.digitise.electrons import Electrons
    from blackett.alphag.digitise.hits import Hits
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Board", "deconvolve", "hits_from_waveforms", "new_board"]

_REACH = 16  # wires on either side that the cross-talk is undone with
_NEAR = 4  # wires on either side that cross-talk reaches
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": True, "_nrt": False}
_vector = numba.njit(cache=True, **_OPTIONS)


class Board(Protocol):
    """Charge and signals of all channels of one event."""

    wire_charge: np.ndarray  # (256, 311)
    wire_signal: np.ndarray  # (256, 311) without, and
    wire_seen: np.ndarray  # (256, 311) with cross-talk, noise and saturation
    wire_active: np.ndarray  # (256,) 1 charge, 2 only near it
    wire_hits: np.ndarray  # (256,) whether the signal passes the threshold
    wire_size: np.ndarray  # (256, 311), deconvolved
    pad_charge: np.ndarray  # (32, 576, 311)
    pad_size: np.ndarray  # (32, 576, 311), deconvolved
    pad_active: np.ndarray  # (32, 576)
    wave: np.ndarray  # (311,) scratch


def new_board() -> Board:
    """Empty work space."""
    wires, pads = (np.float32, (WIRES, BINS)), (np.float32, (COLUMNS, ROWS, BINS))
    room = {
        "wire_charge": wires, "wire_signal": wires, "wire_seen": wires, "wire_size": wires,
        "wire_active": (np.int8, (WIRES,)), "wire_hits": (np.int8, (WIRES,)),
        "pad_charge": pads, "pad_size": pads, "pad_active": (np.int8, (COLUMNS, ROWS)),
        "wave": (np.float32, (BINS,)),
    }  # fmt: skip
    return cast("Board", blank(room))


@kernel
def hits_from_waveforms(
    chamber: Chamber, electrons: Electrons, board: Board, hits: Hits, state: IntArray
) -> None:
    """Wire hits and pad peaks of an event's electrons by way of their waveforms."""
    _collect(chamber, electrons.place, electrons.value, electrons.first[BINS], board)
    _wire_signals(chamber, board, state)
    _wire_hits(chamber, board, hits)
    hits.n_peaks[0] = 0
    for column in range(COLUMNS):
        for row in range(ROWS):
            if board.pad_active[column, row]:
                _pad_sizes(chamber, column, row, board, state)
    _pad_peaks(chamber, board, hits)
    _reset(board)


@kernel
def _collect(chamber: Chamber, place: IntArray, value: FloatArray, n: int, board: Board) -> None:
    """Sum charge by channel and bin; an electron off the bin's centre is shared with the next
    bin."""
    shares, profile = chamber.column_share, chamber.pad_profile
    charge, pads, active = board.wire_charge, board.pad_charge, board.pad_active
    for i in range(n):
        wire, z, phase = place[i, WIRE], value[i, ZED], value[i, PHASE]
        board.wire_active[wire] = 1
        column, k = wire // WIRES_PER_COLUMN, wire % WIRES_PER_COLUMN
        other = (column + (1 if k >= WIRES_PER_COLUMN // 2 else -1)) % COLUMNS
        for step in range(2):
            b = place[i, BIN] + step * (1 if phase >= 0.5 else -1)
            share = abs(phase - 0.5) if step else 1 - abs(phase - 0.5)
            if b < 0 or b >= BINS:
                continue
            size = share * value[i, SIZE]
            charge[wire, b] += size
            _induce(profile, b, z, shares[k] * size, pads[column], active[column])
            if shares[k] < 0.99:
                _induce(profile, b, z, (1 - shares[k]) * size, pads[other], active[other])


@kernel
def _induce(
    profile: FloatArray, b: int, z: float, size: float, pads: FloatArray, active: IntArray
) -> None:
    place = (z + HALF_LENGTH_MM) / ROW_MM
    row = int(place)
    step = int((place - row) * PROFILE_STEPS + 0.5)
    low, high = max(row - PROFILE_PADS, 0), min(row + PROFILE_PADS, ROWS - 1)
    for r in range(low, high + 1):
        pads[r, b] += size * profile[step, r - row + PROFILE_PADS]
        active[r] = 1


@_vector
def _convolve(charge: FloatArray, response: FloatArray, scale: float, wave: FloatArray) -> None:
    wave[:] = 0
    for b in range(BINS):
        if charge[b] != 0:
            q = np.float32(charge[b] * scale)
            for k in range(BINS - b):
                wave[b + k] += q * response[k]


@_vector
def _scale(source: FloatArray, factor: float, wave: FloatArray) -> None:
    share = np.float32(factor)
    for b in range(BINS):
        wave[b] = share * source[b]


@_vector
def _largest(wave: FloatArray) -> float:
    largest = wave[0]
    for b in range(BINS):
        largest = max(largest, wave[b])
    return float(largest)


@_vector
def deconvolve(
    wave: FloatArray, response: FloatArray, offset: int, length: int, floor: float, out: FloatArray
) -> None:
    """Non-negative greedy deconvolution of a waveform, which is used up; sizes by bin go to `out`.

    At each bin the smallest ratio of signal to response over bins offset..offset + length - 1 of
    the response is a size; above `floor` it is taken and its response subtracted.
    """
    out[:] = 0
    for b in range(BINS - offset - length):
        size = np.float32(1e30)
        for k in range(offset, offset + length):
            size = min(size, wave[b + k] / response[k])
        if size > floor:
            out[b] = size
            for k in range(BINS - b):
                wave[b + k] -= size * response[k]


@kernel
def _measure(
    normal: FloatArray, wave: FloatArray, noise: float, full_scale: float, state: IntArray
) -> float:
    """Add noise, clip and round to counts; returns the largest sample."""
    largest = 0.0
    for b in range(BINS):
        value = np.rint(wave[b] + noise * normal[thirteen(next_bits(state), 0)])
        wave[b] = min(max(value, -full_scale), full_scale)
        largest = max(largest, wave[b])
    return largest


@_vector
def _add_neighbours(
    source: FloatArray, active: IntArray, wire: int, shares: FloatArray, wave: FloatArray
) -> None:
    """Add shares[k - 1] of the signals of wires wire +- k."""
    for k in range(1, shares.size + 1):
        for other in ((wire + k) % WIRES, (wire - k) % WIRES):
            if active[other]:
                share = np.float32(shares[k - 1])
                for b in range(BINS):
                    wave[b] += share * source[other, b]


@kernel
def _wire_signals(chamber: Chamber, board: Board, state: IntArray) -> None:
    """Signals with cross-talk, noise and saturation on all wires with charge or near it."""
    signal, seen, active = board.wire_signal, board.wire_seen, board.wire_active
    for w in range(WIRES):
        if active[w] == 1:
            scale = WIRE_PEAK_COUNTS * chamber.wire_gain[w]
            _convolve(board.wire_charge[w], chamber.wire_response, scale, signal[w])
            for k in range(-_NEAR, _NEAR + 1):
                if active[(w + k) % WIRES] == 0:
                    active[(w + k) % WIRES] = 2
                    signal[(w + k) % WIRES] = 0
    noise, full_scale = chamber.wire_numbers[0], chamber.wire_numbers[3]
    for w in range(WIRES):
        if active[w]:
            _scale(signal[w], 1.0, seen[w])
            _add_neighbours(signal, active, w, chamber.cross_talk, seen[w])
            if chamber.wire_gain[w] > 0:
                _measure(chamber.normal, seen[w], noise, full_scale, state)
            else:
                seen[w] = 0


@kernel
def _wire_hits(chamber: Chamber, board: Board, hits: Hits) -> None:
    """Undo the cross-talk, deconvolve and apply thresholds."""
    threshold, least = chamber.wire_numbers[1], chamber.wire_numbers[2]
    wave = board.wave
    for w in range(WIRES):
        board.wire_hits[w] = board.wire_active[w] and _largest(board.wire_seen[w]) >= threshold
        if not board.wire_hits[w]:
            continue
        _scale(board.wire_seen[w], chamber.unfolding[_REACH], wave)
        _add_neighbours(
            board.wire_seen, board.wire_active, w, chamber.unfolding[_REACH + 1 :], wave
        )
        _scale(wave, chamber.wire_calibration[w] / WIRE_PEAK_COUNTS, wave)
        sizes = board.wire_size[w]
        deconvolve(
            wave, chamber.wire_response, chamber.windows[0], chamber.windows[1], least / 2, sizes
        )
    n = 0
    for b in range(BINS):
        hits.first_wire[b] = n
        for w in range(WIRES):
            if board.wire_hits[w] and board.wire_size[w, b] >= least:
                hits.wire[n], hits.wire_size[n] = w, board.wire_size[w, b]
                n += 1
    hits.first_wire[BINS] = n


@kernel
def _pad_sizes(chamber: Chamber, column: int, row: int, board: Board, state: IntArray) -> None:
    """Deconvolved sizes of one pad; all zero if its waveform does not pass."""
    numbers = chamber.pad_numbers
    noise, threshold, least, full_scale, per_size = (
        numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    )  # fmt: skip
    gain, wave, sizes = chamber.pad_gain[column, row], board.wave, board.pad_size[column, row]
    sizes[:] = 0
    if gain == 0:
        return
    _convolve(board.pad_charge[column, row], chamber.pad_response, per_size * gain, wave)
    if _measure(chamber.normal, wave, noise, full_scale, state) < threshold:
        return
    _scale(wave, chamber.pad_calibration[column, row] / per_size, wave)
    deconvolve(wave, chamber.pad_response, chamber.windows[2], chamber.windows[3], least / 2, sizes)


@kernel
def _pad_peaks(chamber: Chamber, board: Board, hits: Hits) -> None:
    """Local maxima along the pads of each column and bin."""
    least, sigma, least_pads = chamber.pad_numbers[2], chamber.pad_sigma_mm, chamber.least_pads
    noise = chamber.pad_noise
    for column in range(COLUMNS):
        sizes, active = board.pad_size[column], board.pad_active[column]
        for row in range(ROWS):
            if not active[row]:
                continue
            for b in range(BINS):
                a = sizes[row, b]
                rising = row == 0 or a > sizes[row - 1, b]
                falling = row + 1 == ROWS or a >= sizes[row + 1, b]
                if a > least and rising and falling:
                    add_peak(hits, column, b, row, sizes[:, b], noise, sigma, least, least_pads)


@kernel
def _reset(board: Board) -> None:
    for w in range(WIRES):
        if board.wire_active[w]:
            board.wire_charge[w] = 0
            board.wire_active[w] = 0
    for column in range(COLUMNS):
        for row in range(ROWS):
            if board.pad_active[column, row]:
                board.pad_charge[column, row] = 0
                board.pad_size[column, row] = 0
                board.pad_active[column, row] = 0

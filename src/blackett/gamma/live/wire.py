"""The RadiaCode's wire protocol: what an emulator must speak and a careful reader must check.

Little endian throughout. A request is u32 length, u16 command, u8 0, u8 sequence (0x80 to 0x9F),
arguments; a reply is the same header, then the payload. Facts: cdump/radiacode 0.4.0 and its
documentation; i24 differences are three bytes without padding.

Decoding of DATA_BUF stands here because the library's own loses a whole buffer over one unknown
event or a cut record, and all that follows a gap in the sequence.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from radiacode.bytes_buffer import BytesBuffer
from radiacode.decoders.spectrum import decode_RC_VS_SPECTRUM

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration

if TYPE_CHECKING:
    from blackett.arrays import IntArray

__all__ = [
    "COMMANDS",
    "STRINGS",
    "BufferRecords",
    "RareRecord",
    "RealTimeRecord",
    "SpectrumString",
    "decode_buffer",
    "decode_spectrum",
    "encode_event",
    "encode_rare",
    "encode_real_time",
    "encode_spectrum",
    "encode_unknown",
    "encode_version",
    "string_in",
]

COMMANDS = {
    "get_status": 0x0005, "set_exchange": 0x0007, "get_version": 0x000A, "get_serial": 0x000B,
    "signature": 0x0101, "set_time": 0x0A04, "write_register": 0x0825, "read_string": 0x0826,
    "write_string": 0x0827, "batch_read": 0x082A,
}  # fmt: skip
STRINGS = {
    "configuration": 0x02, "serial": 0x08, "message": 0x0F, "data_buf": 0x100, "registers": 0x101,
    "spectrum": 0x200, "calibration": 0x202, "accumulated": 0x205,
}  # fmt: skip

DOSE_TO_USV = 1e4
"""The device's dose unit is the roentgen; 1 R is taken as 10 000 µSv, as its screen does."""

# -------------------------------------------------------------------------------------- spectrum

_SIZE_OF = ((2, 1), (3, 2), (4, 3), (5, 4))
"""Code of a run of differences, and its bytes a channel."""
MOST_IN_RUN = 0x0FFF


def encode_spectrum(
    counts: IntArray, seconds: int, coefficients_kev: tuple[float, float, float], form: int
) -> bytes:
    """A spectrum string: u32 seconds, three f32 coefficients, counts (n,) in format 0 or 1.

    Raises InputError for another format, or counts that 32 bits cannot hold.
    """
    if form not in (0, 1):
        raise InputError(f"spectrum format {form} must be 0 or 1")
    if counts.min() < 0 or counts.max() >= 2**31:
        raise InputError("counts must be from 0 to 2^31 - 1 in each channel")
    head = struct.pack("<I3f", seconds, *coefficients_kev)
    body = counts.astype("<u4").tobytes() if form == 0 else _runs(counts.tolist())
    return head + body


def _runs(counts: list[int]) -> bytes:
    """Format 1: runs of channels of one code; u16 = length << 4 | code, then the values."""
    before = [0, *counts[:-1]]
    codes = [_code(now, last) for now, last in zip(counts, before, strict=True)]
    made, start = bytearray(), 0
    for i in range(1, len(codes) + 1):
        if i == len(codes) or codes[i] != codes[start] or i - start == MOST_IN_RUN:
            made += struct.pack("<H", (i - start) << 4 | codes[start])
            for now, last in zip(counts[start:i], before[start:i], strict=True):
                made += _value(codes[start], now, last)
            start = i
    return bytes(made)


def _code(now: int, last: int) -> int:
    if now == 0:
        return 0
    if now < 256 and not -128 <= now - last < 128:
        return 1
    return next(
        code for code, size in _SIZE_OF if -(half := 1 << (8 * size - 1)) <= now - last < half
    )


def _value(code: int, now: int, last: int) -> bytes:
    if code == 0:
        return b""
    if code == 1:
        return bytes([now])
    return (now - last).to_bytes(dict(_SIZE_OF)[code], "little", signed=True)


# -------------------------------------------------------------------------------------- DATA_BUF


@dataclass(frozen=True)
class RealTimeRecord:
    """Rates as the device averages them, about once a second."""

    cps: float
    cps_error_percent: float
    dose_usv_h: float
    dose_error_percent: float


@dataclass(frozen=True)
class RareRecord:
    """Environment, once a minute or less."""

    temperature_c: float
    battery_percent: float


@dataclass(frozen=True)
class BufferRecords:
    """The newest of each kind in one buffer, its events, and what was odd about it."""

    real_time: RealTimeRecord | None
    rare: RareRecord | None
    events: tuple[int, ...]
    notes: tuple[str, ...]


_SIZES = {(0, 0): 15, (0, 1): 8, (0, 2): 16, (0, 3): 14, (0, 4): 16, (0, 5): 16, (0, 6): 6,
          (0, 7): 4, (0, 8): 6, (0, 9): 6}  # fmt: skip
"""Payload bytes of each record type (eid, gid)."""
_SAMPLES = {(1, 1): 8, (1, 2): 16, (1, 3): 14}
"""Bytes a sample of the types that begin with u16 samples, u32 milliseconds."""
_HEAD = struct.Struct("<BBBi")
LAST_EVENT = 22
RESET_EVENT = 19


def decode_buffer(data: bytes) -> BufferRecords:
    """All that a DATA_BUF string tells; never raises.

    Reading goes on after a sequence gap and an unknown event; it ends at a type of unknown length
    or a cut record. Each is noted. Values that are not finite or not possible are left out.
    """
    real_time: RealTimeRecord | None = None
    rare: RareRecord | None = None
    events: list[int] = []
    notes: list[str] = []
    position, expected = 0, None
    while position < len(data):
        size = _size(data, position)
        if size is None or position + size > len(data):
            notes.append(_end_note(data, position, size))
            break
        sequence, eid, gid, _ = _HEAD.unpack_from(data, position)
        if expected is not None and sequence != expected:
            notes.append(f"records {expected} to {(sequence - 1) % 256} of the buffer are missing")
        expected = (sequence + 1) % 256
        payload = data[position + _HEAD.size : position + size]
        position += size
        if (eid, gid) == (0, 0):
            real_time = _real_time(payload, notes) or real_time
        elif (eid, gid) == (0, 3):
            rare = _rare(payload, notes) or rare
        elif (eid, gid) == (0, 7):
            events.append(payload[0])
            if payload[0] > LAST_EVENT:
                notes.append(f"event {payload[0]} of the device is not known")
    return BufferRecords(real_time, rare, tuple(events), tuple(notes))


def _size(data: bytes, position: int) -> int | None:
    """Bytes of the record at `position`, its head included; None if its length is not known."""
    if position + _HEAD.size > len(data):
        return len(data) + 1
    kind = (data[position + 1], data[position + 2])
    if kind in _SIZES:
        return _HEAD.size + _SIZES[kind]
    if kind not in _SAMPLES:
        return None
    if position + _HEAD.size + 6 > len(data):
        return len(data) + 1
    (samples,) = struct.unpack_from("<H", data, position + _HEAD.size)
    return int(_HEAD.size + 6 + _SAMPLES[kind] * samples)


def _end_note(data: bytes, position: int, size: int | None) -> str:
    if size is None:
        kind = f"{data[position + 1]}/{data[position + 2]}"
        return f"record type {kind} of the buffer is not known: the rest was left out"
    return f"the last record of the buffer was cut after {len(data) - position} bytes"


def _real_time(payload: bytes, notes: list[str]) -> RealTimeRecord | None:
    cps, dose, cps_error, dose_error, _, _ = struct.unpack("<ffHHHB", payload)
    if not (0.0 <= cps < 1e7 and 0.0 <= dose < 1e3):
        notes.append(f"rates {cps:g} cps, {dose:g} R/h are not possible: left out")
        return None
    return RealTimeRecord(cps, cps_error / 10.0, dose * DOSE_TO_USV, dose_error / 10.0)


def _rare(payload: bytes, notes: list[str]) -> RareRecord | None:
    _, _, temperature, charge, _ = struct.unpack("<IfHHH", payload)
    celsius, percent = (temperature - 2000) / 100.0, charge / 100.0
    if not (-60.0 <= celsius <= 120.0 and 0.0 <= percent <= 101.0):
        notes.append(f"{celsius:g} °C, battery {percent:g} % are not possible: left out")
        return None
    return RareRecord(celsius, percent)


def _record(sequence: int, eid: int, gid: int, payload: bytes) -> bytes:
    return _HEAD.pack(sequence % 256, eid, gid, 0) + payload


def encode_real_time(
    sequence: int, cps: float, dose_usv_h: float, cps_error_percent: float,
    dose_error_percent: float,
) -> bytes:  # fmt: skip
    """A record of rates as it stands in DATA_BUF."""
    errors = [
        min(round(10 * percent), 65535) for percent in (cps_error_percent, dose_error_percent)
    ]
    payload = struct.pack("<ffHHHB", cps, dose_usv_h / DOSE_TO_USV, *errors, 0, 0)
    return _record(sequence, 0, 0, payload)


def encode_rare(sequence: int, seconds: int, temperature_c: float, battery_percent: float) -> bytes:
    """A record of dose time, temperature and battery as it stands in DATA_BUF."""
    temperature, charge = round(100 * temperature_c) + 2000, round(100 * battery_percent)
    return _record(sequence, 0, 3, struct.pack("<IfHHH", seconds, 0.0, temperature, charge, 0))


def encode_event(sequence: int, event: int) -> bytes:
    """A record of an event, known or not, as it stands in DATA_BUF."""
    return _record(sequence, 0, 7, struct.pack("<BBH", event, 0, 0))


def encode_version(boot: tuple[int, int], target: tuple[int, int], date: str) -> bytes:
    """The payload of GET_VERSION; both versions as (major, minor)."""
    text = date.encode("ascii")
    return b"".join(
        struct.pack("<HHB", minor, major, len(text)) + text for major, minor in (boot, target)
    )


def encode_unknown(sequence: int) -> bytes:
    """A record of a type that nobody has described, to be met without harm."""
    return _record(sequence, 9, 9, b"\x01\x02\x03")


# --------------------------------------------------------------------------------------- reading

_MODELS_CHANNELS = (256, 1024)


@dataclass(frozen=True)
class SpectrumString:
    """A decoded and checked SPECTRUM string."""

    seconds: int
    coefficients_kev: tuple[float, float, float]
    counts: IntArray
    """Counts (256 or 1024,), int64, read-only."""


def decode_spectrum(data: bytes, form: int) -> SpectrumString:
    """A SPECTRUM string in format 0 or 1, decoded by the library and checked here.

    Raises InputError when it is damaged: cut, of another length, negative or beyond 2^31 counts,
    an axis that is not finite and rising.
    """
    if form not in (0, 1):
        raise InputError(f"spectrum format {form} of the device is not known: 0 and 1 are")
    try:
        decoded = decode_RC_VS_SPECTRUM(BytesBuffer(data), form)
    except Exception as error:  # the library raises Exception itself for an unknown code
        raise InputError(f"spectrum of {len(data)} bytes cannot be decoded: {error}") from None
    counts = np.array(decoded.counts, dtype=np.int64)
    if counts.size not in _MODELS_CHANNELS:
        raise InputError(f"a spectrum of {counts.size} channels: 256 or 1024 are expected")
    if counts.min() < 0 or counts.max() >= 2**31:
        raise InputError(f"counts from {counts.min()} to {counts.max()} are not possible")
    # the shortest decimals that stand for the device's single precision numbers
    axis = tuple(float(str(np.float32(a))) for a in (decoded.a0, decoded.a1, decoded.a2))
    EnergyCalibration(axis).edges_kev(counts.size)
    seconds = round(decoded.duration.total_seconds())
    return SpectrumString(seconds, (axis[0], axis[1], axis[2]), frozen(counts, np.int64))


def string_in(payload: bytes) -> bytes:
    """The data of a reply to a string request; one stray trailing NUL is taken off.

    Raises InputError for a refusal or a length that does not fit.
    """
    if len(payload) < 8:
        raise InputError(f"a reply of {len(payload)} bytes is cut: at least 8 are needed")
    code, length = struct.unpack_from("<II", payload)
    data = payload[8:]
    if code != 1:
        raise InputError(f"the device refused to give the string (code {code})")
    if len(data) == length + 1 and data.endswith(b"\0"):
        data = data[:-1]
    if len(data) != length:
        raise InputError(f"a string of {len(data)} bytes that should have {length}")
    return data

"""A RadiaCode without hardware: speaks the wire protocol where the library expects its USB link.

    device = EmulatedRadiaCode(SimulatedScene(scenario("Cs-137 appears after 30 s")), clock, rng)
    link = device.connect()                   # stands in for radiacode's `Usb`

The unmodified `radiacode` library runs on such a link. The device goes on counting between links,
as a real one does; faults of all kinds can be injected (`faults`). Demonstrations, tests and people
without a device use the same emulator. Rates are averages over ten seconds; the dose rate is the
energy left in the crystal over its mass: no calibrated dose.
"""

from __future__ import annotations

import errno
import struct
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING

import numpy as np
import usb.core
from radiacode.bytes_buffer import BytesBuffer
from radiacode.transports.usb import ConnectionClosed, DeviceNotFound, MultipleUSBReadFailure

from blackett.errors import InputError
from blackett.gamma.live import wire
from blackett.gamma.live.wire import COMMANDS, STRINGS
from blackett.gamma.matter import material

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.live.clock import Clock
    from blackett.gamma.live.faults import Fault, Faults, Request
    from blackett.gamma.live.scenario import Play

__all__ = ["EmulatedLink", "EmulatedRadiaCode"]

TIMEOUT_S = 3.0
RARE_EVERY_S = 60.0
MOST_RECORDS = 30
"""Records that DATA_BUF holds at most; what a real device holds is not known."""
AVERAGED_S = 10.0
_NO_STRING = struct.pack("<II", 0, 0)
_NAME_OF_COMMAND = {code: name for name, code in COMMANDS.items()}
_NAME_OF_STRING = {code: name for name, code in STRINGS.items()}


class EmulatedLink:
    """One connection to an emulated device, in place of `radiacode.transports.usb.Usb`."""

    def __init__(self, device: EmulatedRadiaCode) -> None:
        self._device = device
        self._closed = False
        self.late: deque[bytes] = deque()
        """Replies that come too late and stand in the way of the next."""

    def execute(self, request: bytes) -> BytesBuffer:
        """The reply to one request with its length prefix; raises what the USB link raises."""
        if self._closed:
            raise ConnectionClosed("USB connection is closed")
        return BytesBuffer(self._device.answer(self, request))

    def close(self) -> None:
        """End the connection; the device goes on counting."""
        self._closed = True


class EmulatedRadiaCode:
    """The device: counts what `play` gives as the clock passes, and answers requests.

    `form` is the spectrum format (0 or 1), `already_s` the seconds that it had counted before the
    start. `requests` counts all requests by name, so that a test can see that nothing was changed
    on the device.
    """

    def __init__(
        self, play: Play, clock: Clock, rng: Generator, *, form: int = 1, already_s: int = 0,
        serial: str = "", firmware: tuple[int, int] = (4, 14), faults: Faults | None = None,
    ) -> None:  # fmt: skip
        if form not in (0, 1):
            raise InputError(f"spectrum format {form} must be 0 or 1")
        self._play, self._clock, self._rng, self._faults = play, clock, rng, faults
        self.form, self.firmware = form, firmware
        self.serial = serial or _serial_of(play.instrument.title)
        self.coefficients_kev = play.coefficients_kev
        self.requests = Counter[str]()
        self._lock = threading.Lock()
        self._begin_s = self._counted_to_s = clock.now()
        self._zero_s = self._begin_s - already_s
        self._counts = np.zeros(play.channels, dtype=np.int64)
        self._counts += play.counts_between(0.0, 1e-3, rng)
        if already_s:
            self._counts += rng.poisson(np.full(play.channels, 0.01 * already_s))
        self._gone_until_s = -np.inf
        self._recent = deque([(self._begin_s, 0, 0.0)])  # begin, counts, keV of each piece
        self._buffer: deque[bytes] = deque(maxlen=MOST_RECORDS)
        self._sequence = 0
        self._rated_at_s = self._rare_at_s = -np.inf
        self._delivered: IntArray | None = None
        self._sent = 0
        self._kev_of = _energies(play)
        self._crystal_kg = (
            play.instrument.volume_mm3 * 1e-6 * material(play.instrument.crystal).density_g_cm3
        )

    @property
    def sent(self) -> int:
        """Counts that the delivered spectra show since the first of them, over all resets."""
        return self._sent

    def connect(self) -> EmulatedLink:
        """A new link; raises the library's DeviceNotFound while the device is away."""
        if self._clock.now() < self._gone_until_s:
            raise DeviceNotFound
        return EmulatedLink(self)

    # -- answering ----------------------------------------------------------------------------

    def answer(self, link: EmulatedLink, request: bytes) -> bytes:
        """Header and payload of the reply; raises what a USB link raises on a fault."""
        with self._lock:
            self._count()
            length, command, _, sequence = struct.unpack_from("<IHBB", request)
            if length != len(request) - 4 or not 0x80 <= sequence <= 0x9F:
                raise usb.core.USBError("the device does not understand this request", 0, errno.EIO)
            name = _NAME_OF_COMMAND.get(command, "unknown")
            kind = self._kind(name, request[8:])
            fault = self._faults.next(kind) if self._faults is not None else None
            payload = self._payload(name, request[8:], fault)
            reply = self._damaged(link, request[4:8] + payload, fault)
            if kind == "spectrum" and fault in (None, "stray NUL", "reset", "recalibration"):
                self._note_delivery()
            return reply

    def _kind(self, name: str, arguments: bytes) -> Request:
        string = self._string_name(name, arguments)
        self.requests[f"{name} {string}".strip()] += 1
        if string == "spectrum" and name == "read_string":
            return "spectrum"
        return "data_buf" if string == "data_buf" else "other"

    def _string_name(self, name: str, arguments: bytes) -> str:
        if name not in ("read_string", "write_string") or len(arguments) < 4:
            return ""
        return _NAME_OF_STRING.get(struct.unpack_from("<I", arguments)[0], "unknown")

    def _payload(self, name: str, arguments: bytes, fault: Fault | None) -> bytes:
        if name == "read_string":
            return self._string(self._string_name(name, arguments), fault)
        if name == "get_version":
            return wire.encode_version((4, 1), self.firmware, "Jan 01 2026 00:00:00")
        if name == "write_string" and self._string_name(name, arguments) == "spectrum":
            self._reset()
        if name in ("write_register", "write_string"):
            return struct.pack("<I", 1)
        if name == "get_serial":
            return struct.pack("<III", 8, 0x12345678, 0x9ABCDEF0)
        return struct.pack("<I", 0)  # set_exchange, set_time, status: four bytes nobody reads

    def _string(self, name: str, fault: Fault | None) -> bytes:
        made: dict[str, Callable[[], bytes]] = {
            "configuration": lambda: f"[Params]\nSpecFormatVersion={self.form}\n".encode("cp1251"),
            "serial": lambda: self.serial.encode("ascii"),
            "message": lambda: b"",
            "calibration": lambda: struct.pack("<3f", *self.coefficients_kev),
            "spectrum": lambda: self._spectrum(fault),
            "accumulated": lambda: self._spectrum(None),
            "data_buf": lambda: self._data_buf(fault),
        }
        if name not in made or fault == "refused string":
            return _NO_STRING
        data = made[name]()
        length = len(data) + 7 if fault == "wrong length" else len(data)
        return struct.pack("<II", 1, length) + data + (b"\0" if fault == "stray NUL" else b"")

    def _damaged(self, link: EmulatedLink, reply: bytes, fault: Fault | None) -> bytes:
        if fault in ("timeout", "late reply"):
            if fault == "late reply":
                link.late.append(reply)
            self._clock.sleep(TIMEOUT_S, threading.Event())
            raise usb.core.USBTimeoutError("Operation timed out", 0, errno.ETIMEDOUT)
        if fault == "empty packets":
            raise MultipleUSBReadFailure("3 USB Read Failures in sequence")
        if fault in ("disconnect", "unplugged", "stolen link"):
            away_s = 0.0 if fault == "disconnect" else float(self._rng.uniform(2.0, 20.0))
            self._gone_until_s = self._clock.now() + away_s
            link.close()
            raise usb.core.USBError("No such device (it may have been disconnected)", 0, 19)
        if fault == "short frame":
            return reply[: max(len(reply) // 2, 1)]
        if fault == "wrong header":
            return bytes([reply[0] ^ 0xFF]) + reply[1:]
        if link.late:
            link.late.append(reply)
            return link.late.popleft()
        return reply

    # -- counting -----------------------------------------------------------------------------

    def _count(self) -> None:
        now = self._clock.now()
        begin, end = self._counted_to_s - self._begin_s, now - self._begin_s
        if end <= begin:
            return
        new = self._play.counts_between(begin, end, self._rng)
        self._counts += new
        self._counted_to_s = now
        self._recent.append((now - (end - begin), int(new.sum()), float(new @ self._kev_of)))
        while len(self._recent) > 1 and self._recent[0][0] < now - AVERAGED_S:
            self._recent.popleft()
        self._write_records(now)

    def _write_records(self, now: float) -> None:
        if now - self._rated_at_s >= 1.0:
            self._rated_at_s = now
            self._record(self._real_time(now))
        if now - self._rare_at_s >= RARE_EVERY_S:
            self._rare_at_s = now
            seconds = int(now - self._zero_s)
            self._record(wire.encode_rare(self._sequence, seconds, 24.5, 87.0))

    def _real_time(self, now: float) -> bytes:
        seconds = max(now - self._recent[0][0], 0.1)
        counts = sum(n for _, n, _ in self._recent)
        kev_per_s = sum(kev for _, _, kev in self._recent) / seconds
        usv_h = kev_per_s * 1.602177e-16 / self._crystal_kg * 3600.0 * 1e6
        error = 100.0 / max(counts, 1) ** 0.5
        return wire.encode_real_time(self._sequence, counts / seconds, usv_h, error, 1.2 * error)

    def _record(self, record: bytes) -> None:
        self._buffer.append(record)
        self._sequence += 1

    def _reset(self) -> None:
        """Somebody resets the spectrum on the device."""
        self._counts[:] = 0
        self._zero_s = self._clock.now()
        self._delivered = None if self._delivered is None else np.zeros_like(self._counts)
        self._record(wire.encode_event(self._sequence, wire.RESET_EVENT))

    def _note_delivery(self) -> None:
        if self._delivered is not None:
            self._sent += int((self._counts - self._delivered).sum())
        self._delivered = self._counts.copy()

    # -- strings ------------------------------------------------------------------------------

    def _spectrum(self, fault: Fault | None) -> bytes:
        if fault == "reset":
            self._reset()
        if fault == "recalibration":
            a0, a1, a2 = self.coefficients_kev
            self.coefficients_kev = (a0 + 0.5, a1 * 1.001, a2)
        seconds, axis = int(self._clock.now() - self._zero_s), self.coefficients_kev
        if fault == "few channels":
            return wire.encode_spectrum(self._counts[:2], seconds, axis, self.form)
        if fault == "axis not a number":
            axis = (float("nan"), axis[1], axis[2])
        if fault == "negative counts":  # 0xFFFFFFFF in each form
            run = struct.pack("<Hb", 1 << 4 | 2, -1) if self.form else struct.pack("<I", 2**32 - 1)
            return struct.pack("<I3f", seconds, *axis) + run * self._counts.size
        return wire.encode_spectrum(self._counts, seconds, axis, self.form)

    def _data_buf(self, fault: Fault | None) -> bytes:
        if fault == "sequence gap":
            self._record(self._real_time(self._clock.now()))
            self._sequence += 3
            self._record(self._real_time(self._clock.now()))
        if fault == "unknown event":
            self._record(wire.encode_event(self._sequence, 200))
        if fault == "impossible rates":
            self._record(wire.encode_real_time(self._sequence, float("nan"), -1.0, 1.0, 1.0))
        data = b"".join(self._buffer)
        self._buffer.clear()
        if fault == "unknown record":
            return data + wire.encode_unknown(self._sequence)
        return data[:-3] if fault == "cut record" else data


def _serial_of(title: str) -> str:
    """A serial number of the model's kind; zeros say that no such device was made."""
    return f"RC-{title.partition('-')[2] or '103'}-000000"


def _energies(play: Play) -> FloatArray:
    """Energy of each channel (channels,), not below zero."""
    c = np.arange(play.channels)
    a0, a1, a2 = play.coefficients_kev
    return np.maximum(a0 + a1 * c + a2 * c**2, 0.0)

"""The device behind one owner thread: it alone talks to the library, once a period.

Any failure closes the link; a new library object is made after a pause that doubles from half a
second to half a minute, shortened at random so that many hosts do not knock in step. The device
counts on meanwhile, so an interruption loses no counts. Unplugging, replugging and a phone that
takes the Bluetooth link are all met in this way. What was read goes to a callback in this thread.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from blackett.gamma.formats.radiacode import device_of
from blackett.gamma.live import wire
from blackett.gamma.live.link import LinkError, library_errors, open_link
from blackett.gamma.live.messages import NO_DEVICE, Aged, DeviceHealth, DeviceInfo, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from blackett.gamma.live.clock import Clock
    from blackett.gamma.live.link import Connector, RawSink
    from blackett.gamma.live.messages import DeviceState

__all__ = ["Device"]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STALE_PERIODS = 3.0
_LOG = logging.getLogger(__name__)


class Device:
    """One instrument, polled by its own thread; `health` may be asked from any thread.

    `on_link` is told of each new link (before its first reading), `on_raw` of each raw string
    before it is decoded, `on_reading` of each reading; all in the owner thread.
    """

    def __init__(
        self,
        connector: Connector,
        clock: Clock,
        rng: Generator,
        on_reading: Callable[[Reading], None],
        on_raw: RawSink = lambda _name, _data: None,
        on_link: Callable[[DeviceInfo, int], None] = lambda _info, _form: None,
        period_s: float | None = None,
    ) -> None:
        self._connector, self._clock, self._rng = connector, clock, rng
        self._on_reading, self._on_raw, self._on_link = on_reading, on_raw, on_link
        self.period_s = connector.period_s if period_s is None else period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._own, name="radiacode-owner", daemon=True)
        self._lock = threading.Lock()
        self._info = NO_DEVICE
        self._state: DeviceState = "absent"
        self._since_s = clock.now()
        self._error = ""
        self._error_at_s: float | None = None
        self._next_try_s: float | None = None
        self._connections = self._failures = 0
        self._newest: Reading | None = None
        self._rates = _Newest[wire.RealTimeRecord]()
        self._rare = _Newest[wire.RareRecord]()

    def start(self) -> None:
        """Begin to look for the device and to read it."""
        self._thread.start()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Close the link and end the thread; a second call does nothing."""
        self._stop.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def health(self) -> DeviceHealth:
        """State of the link now, with the age of every value."""
        with self._lock:
            now = self._clock.now()
            newest = self._newest
            age = None if newest is None else now - newest.received_s
            state = self._state
            if state == "connected" and age is not None and age > STALE_PERIODS * self.period_s:
                state = "stale"
            rare, rare_age = self._rare.at(now)
            return DeviceHealth(
                state=state,
                since_s=self._since_s,
                device=self._info,
                last_error=self._error,
                last_error_at_s=self._error_at_s,
                retry_in_s=None if self._next_try_s is None else max(self._next_try_s - now, 0.0),
                connections=self._connections,
                spectrum_age_s=age,
                rates_age_s=self._rates.at(now)[1],
                temperature_c=Aged(None if rare is None else rare.temperature_c, rare_age),
                battery_percent=Aged(None if rare is None else rare.battery_percent, rare_age),
            )

    # -- the owner thread ---------------------------------------------------------------------

    def _own(self) -> None:
        while not self._stop.is_set():
            try:
                self._hold_link()
            except LinkError as error:
                self._note_failure(error)
                self._clock.sleep(self._pause_s(), self._stop)

    def _hold_link(self) -> None:
        """Open a link and read until it breaks (LinkError) or the end is asked for."""
        radio = open_link(self._connector, self._on_raw)
        try:
            form = self._greet(radio)
            due = self._clock.now()
            while not self._stop.is_set():
                self._on_reading(self._poll(radio, form))
                due = max(due + self.period_s, self._clock.now())
                self._clock.sleep(due - self._clock.now(), self._stop)
        finally:
            _close(radio)

    def _greet(self, radio: Any) -> int:
        """Who answers; returns its spectrum format."""
        with library_errors():
            serial = str(radio.serial_number()).strip("\0 \n")
            (_, (major, minor, _)) = radio.fw_version()
            form = int(radio._spectrum_format_version)
        model = device_of(serial, "")[0]
        info = DeviceInfo(model, serial, f"{major}.{minor}", self._connector.kind, 0)
        with self._lock:
            self._info = info
            self._connections += 1
            self._next_try_s = None
        self._on_link(info, form)
        return form

    def _poll(self, radio: Any, form: int) -> Reading:
        with library_errors():
            buffer = wire.decode_buffer(radio.read_request(wire.STRINGS["data_buf"]).data())
            buffered_s = self._clock.now()
            data = radio.read_request(wire.STRINGS["spectrum"]).data()
            received_s = self._clock.now()
            spectrum = wire.decode_spectrum(data, form)
        with self._lock:
            self._rates.take(buffer.real_time, buffered_s)
            self._rare.take(buffer.rare, buffered_s)
            self._newest = _reading(spectrum, received_s, self._rates, self._rare, buffer.notes)
            self._info = replace(self._info, channels=self._newest.channels)
            self._failures = 0
            self._enter("connected")
            return self._newest

    def _enter(self, state: DeviceState) -> None:
        if state != self._state:
            _LOG.info("device %s", state)
            self._state, self._since_s = state, self._clock.now()

    def _note_failure(self, error: LinkError) -> None:
        with self._lock:
            self._failures += 1
            self._error, self._error_at_s = str(error), self._clock.now()
            if self._failures == 1:  # once for each loss, not for each attempt
                _LOG.warning("device lost: %s", error)
            self._enter("absent" if error.absent else "retrying")

    def _pause_s(self) -> float:
        longest = min(FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE_S)
        pause_s = float(longest * self._rng.uniform(0.5, 1.0))
        with self._lock:
            self._next_try_s = self._clock.now() + pause_s
        return pause_s


T = TypeVar("T")


class _Newest(Generic[T]):
    """The newest record of a kind and when it came."""

    def __init__(self) -> None:
        self.record: T | None = None
        self.at_s: float | None = None

    def take(self, record: T | None, at_s: float) -> None:
        if record is not None:
            self.record, self.at_s = record, at_s

    def at(self, now: float) -> tuple[T | None, float | None]:
        """The record and its age."""
        return self.record, None if self.at_s is None else now - self.at_s


def _reading(
    spectrum: wire.SpectrumString, received_s: float, rates: _Newest[wire.RealTimeRecord],
    rare: _Newest[wire.RareRecord], notes: tuple[str, ...],
) -> Reading:  # fmt: skip
    made = Reading(
        received_s, spectrum.counts, spectrum.seconds, spectrum.coefficients_kev, notes=notes
    )
    if rates.record is not None:
        made = replace(made, rates_at_s=rates.at_s, **vars(rates.record))
    if rare.record is not None:
        made = replace(made, rare_at_s=rare.at_s, **vars(rare.record))
    return made


def _close(radio: Any) -> None:
    try:
        with library_errors():
            radio.close()
    except LinkError as error:  # it is gone anyway
        _LOG.debug("closing the link: %s", error)

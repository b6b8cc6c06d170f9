"""A running measurement: device, recording and analysis joined, updates published.

Three threads: the device's owner, which records and hands over readings; the publisher, which turns
them into updates at once; and the analyst, which identifies what the stream asks for. When that is
slower than the beat, looks are left out and no counts.
"""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import BlackettError, InputError
from blackett.gamma.identification import choose_detector, identify_with_fit
from blackett.gamma.live.clock import SystemClock
from blackett.gamma.live.compilation import compile_away
from blackett.gamma.live.continuity import Continuity
from blackett.gamma.live.device import Device
from blackett.gamma.live.exports import exported
from blackett.gamma.live.messages import NO_DEVICE, DeviceInfo, Rate, Update
from blackett.gamma.live.overlay import fit_curves
from blackett.gamma.live.recording import Recording
from blackett.gamma.live.stream import Rules, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.gamma.identification import Identification
    from blackett.gamma.live.clock import Clock
    from blackett.gamma.live.link import Connector
    from blackett.gamma.live.messages import Reading
    from blackett.gamma.live.recording import Name
    from blackett.gamma.live.session import ExportFormat
    from blackett.gamma.live.stream import Question
    from blackett.gamma.spectrum import Spectrum
    from blackett.gamma.unmix import Unmixed

__all__ = ["Measurement"]

KEPT_UPDATES = 600
KEPT_NOTES = 20
_LOG = logging.getLogger(__name__)


class Measurement:
    """A `session.LiveSession` on a device, real or emulated.

    `recording` is a file to begin or to go on with; None records into a folder that is deleted at
    the end. `detector_name` is needed where the serial number does not tell the model. Raises
    FileFormatError for a `recording` that is another kind of file.
    """

    def __init__(
        self,
        connector: Connector,
        clock: Clock | None = None,
        recording: Path | None = None,
        rules: Rules | None = None,
        detector_name: str | None = None,
        seed: int | None = None,
        period_s: float | None = None,
    ) -> None:
        self.clock = SystemClock() if clock is None else clock
        self._folder = (
            tempfile.TemporaryDirectory(prefix="blackett-") if recording is None else None
        )
        path = Path(self._folder.name) / "recording.sqlite" if self._folder else recording
        assert path is not None  # noqa: S101 (one of both is there)
        self._recording = Recording(path)
        self._detector_name = detector_name
        self._stream = Stream(lambda *about: self._identified(*about)[0], rules)
        before = self._recording.last()
        self._continuity = Continuity(None if before is None else before.reading)
        self._serial = "" if before is None else before.device.serial
        self._answering: DeviceInfo = NO_DEVICE
        self._device = Device(
            connector, self.clock, np.random.default_rng(seed), self._take, self._record,
            self._greet, period_s,
        )  # fmt: skip
        self._inbox: deque[tuple[DeviceInfo, Reading]] = deque()
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._publisher = threading.Thread(target=self._publish_all, name="publisher", daemon=True)
        self._analyst = threading.Thread(target=self._analyse, name="analyst", daemon=True)
        self._ring: deque[Update] = deque(maxlen=KEPT_UPDATES)
        self._published = threading.Condition()
        self._sequence = 0
        self._identification_ms: float | None = None
        self._notes: deque[str] = deque(maxlen=KEPT_NOTES)
        self._newest: Reading | None = None
        self._stream_lock = threading.RLock()
        self._asked = threading.Condition()
        self._compiled: set[str] = set()
        self._started = False

    # -- what a page needs --------------------------------------------------------------------

    def start(self) -> None:
        """Begin; returns at once. A device that is absent is waited for."""
        if not self._started:
            self._started = True
            self._publisher.start()
            self._analyst.start()
            self._device.start()

    def stop(self) -> None:
        """End: the link is closed, the recording complete. A second call does nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._started:
            self._device.stop()
            for waiting, thread in ((self._news, self._publisher), (self._asked, self._analyst)):
                with waiting:
                    waiting.notify_all()
                thread.join(15.0)
        self._recording.close()
        with self._published:
            self._published.notify_all()
        if self._folder is not None:
            self._folder.cleanup()

    def latest(self) -> Update | None:
        """The newest update; None before the first."""
        with self._published:
            return self._ring[-1] if self._ring else None

    def updates(self, after: int) -> list[Update]:
        """The kept updates with a sequence number above `after`, oldest first."""
        with self._published:
            return [update for update in self._ring if update.sequence > after]

    def wait(self, after: int, timeout: float) -> Update | None:
        """The newest update above `after`, waiting up to `timeout` seconds; None if none came."""
        with self._published:
            self._published.wait_for(lambda: self._sequence > after or self._stop.is_set(), timeout)
            return self._ring[-1] if self._ring and self._sequence > after else None

    def export(self, form: ExportFormat) -> bytes:
        """The whole recording as a file of this format; raises InputError if it is empty."""
        if self._folder is not None and self._stop.is_set():
            raise InputError("the recording was temporary, and the measurement has ended")
        return exported(self._recording.path, form)

    def set_background(self, background: Spectrum | None) -> None:
        """Use this measured background from now on; None: back to a learned or modelled one.

        Raises InputError for a spectrum without an energy axis.
        """
        with self._stream_lock:
            self._stream.set_background(background)

    @property
    def recording_path(self) -> Path:
        """The file that is recorded into."""
        return self._recording.path

    # -- the device's thread ------------------------------------------------------------------

    def _greet(self, info: DeviceInfo, form: int) -> None:
        self._answering = info
        self._kept(lambda: self._recording.add_link(self.clock.now(), info, form))

    def _record(self, name: Name, data: bytes) -> None:
        self._kept(lambda: self._recording.add_raw(self.clock.now(), name, data))

    def _kept(self, write: Callable[[], None]) -> None:
        """Record; a full disk is told once and stops neither the measurement nor later attempts."""
        try:
            write()
        except sqlite3.Error as error:
            self._note(f"the recording cannot be written: {error}")

    def _take(self, reading: Reading) -> None:
        with self._news:
            self._inbox.append((self._answering, reading))
            self._news.notify_all()

    # -- the publisher's thread ---------------------------------------------------------------

    def _publish_all(self) -> None:
        beat_s = 1.2 * self._device.period_s / getattr(self.clock, "speed", 1.0)
        while not self._stop.is_set():
            with self._news:
                self._news.wait_for(lambda: bool(self._inbox) or self._stop.is_set(), beat_s)
                readings = list(self._inbox)
                self._inbox.clear()
            for device, reading in readings:
                self._add(device, reading)
            if not readings:
                self._publish(with_row=False)
            with self._asked:
                self._asked.notify_all()

    def _add(self, device: DeviceInfo, reading: Reading) -> None:
        with self._stream_lock:
            self._newest = reading
            if self._serial not in ("", device.serial):
                self._note(f"another device, {device.serial}, took the place of {self._serial}")
                self._continuity = Continuity()
                self._stream.restart()
            self._serial = device.serial
            self._stream.device, self._stream.serial = device.model, device.serial
            for note in reading.notes:
                self._note(note)
            one = self._continuity.step(reading)
            for change in self._stream.add(one) if one is not None else []:
                self._note(change.text)
            self._publish(with_row=one is not None)

    # -- the analyst's thread -----------------------------------------------------------------

    def _analyse(self) -> None:
        while not self._stop.is_set():
            with self._stream_lock:
                asked = self._stream.question()
            if asked is not None:
                self._compile_for(asked.spectrum)
                self._look(asked)
                continue
            with self._asked:
                self._asked.wait(1.0)

    def _compile_for(self, spectrum: Spectrum) -> None:
        """Before the first look at a detector's spectra: compile, if that was never done here."""
        name = choose_detector(spectrum, self._detector_name)[0].name
        if name not in self._compiled:
            self._compiled.add(name)
            compile_away("identification", name, self._stop, self._note)

    def _look(self, asked: Question) -> None:
        began = time.perf_counter()
        try:
            found, unmixed = self._identified(asked.spectrum, asked.background)
        except BlackettError as error:
            self._note(f"not identified: {error}")
            return
        with self._stream_lock:
            self._identification_ms = 1e3 * (time.perf_counter() - began)
            self._stream.take(asked, found, None if unmixed is None else fit_curves(unmixed))
            self._publish(with_row=False)

    def _identified(
        self, spectrum: Spectrum, background: Spectrum | None
    ) -> tuple[Identification, Unmixed | None]:
        return identify_with_fit(spectrum, background, detector_name=self._detector_name)

    def _note(self, text: str) -> None:
        with self._stream_lock:
            if text not in self._notes:
                _LOG.info(text)
                self._notes.append(text)

    def _publish(self, with_row: bool) -> None:
        with self._stream_lock:
            self._publish_locked(with_row)

    def _publish_locked(self, with_row: bool) -> None:
        health, now, s = self._device.health(), self.clock.now(), self._stream
        update = Update(
            sequence=self._sequence + 1,
            time_s=now,
            health=health,
            since_start=s.since_start(),
            window=s.window(),
            stretch=s.stretch(),
            waterfall=s.row() if with_row else None,
            cps=s.cps(now),
            device_cps=_rate(self._newest, "cps", now),
            dose_usv_h=_rate(self._newest, "dose_usv_h", now),
            identification=None if s.newest is None else s.newest.found,
            identified_at_s=None if s.newest is None else s.newest.time_s,
            identification_ms=self._identification_ms,
            fit=None if s.newest is None else s.newest.fit,
            history=s.history(),
            decision=s.decision(),
            background="modelled" if s.newest is None else s.newest.background,
            notes=tuple(self._notes),
        )
        with self._published:
            self._sequence = update.sequence
            self._ring.append(update)
            self._published.notify_all()


def _rate(reading: Reading | None, name: str, now: float) -> Rate:
    """A rate of the device with its age; empty when it never came."""
    value = None if reading is None else getattr(reading, name)
    if reading is None or value is None or reading.rates_at_s is None:
        return Rate()
    error = reading.cps_error_percent if name == "cps" else reading.dose_error_percent
    return Rate(value, error, now - reading.rates_at_s)

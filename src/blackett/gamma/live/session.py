"""A live measurement as one object: start it, take its updates, export what it recorded."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from blackett.errors import FileFormatError, InputError

if TYPE_CHECKING:
    from blackett.gamma.live.clock import Clock
    from blackett.gamma.live.link import Connector
    from blackett.gamma.live.messages import Update
    from blackett.gamma.live.scenario import Play
    from blackett.gamma.spectrum import Spectrum

__all__ = ["ExportFormat", "LiveSession", "live_session"]

ExportFormat: TypeAlias = Literal["n42", "xml", "rcspg", "csv"]


class LiveSession(Protocol):
    """What the web page, the JSON lines and MQTT need of a measurement; safe from any thread."""

    def start(self) -> None:
        """Begin; returns at once. A device that is absent is waited for."""

    def stop(self) -> None:
        """End: the link is closed, the recording complete. A second call does nothing."""

    def latest(self) -> Update | None:
        """The newest update; None before the first."""

    def updates(self, after: int) -> list[Update]:
        """The kept updates with a sequence number above `after`, oldest first."""

    def wait(self, after: int, timeout: float) -> Update | None:
        """The newest update above `after`, waiting up to `timeout` seconds; None if none came."""

    def export(self, form: ExportFormat) -> bytes:
        """The whole recording as a file of this format; raises InputError if it is empty."""

    def set_background(self, background: Spectrum | None) -> None:
        """Use this measured background from now on; None: back to a learned or modelled one.

        Raises InputError for a spectrum without an energy axis.
        """


def live_session(
    *,
    simulate: str | None = None,
    replay: Path | None = None,
    usb: str | None = None,
    bluetooth: str | None = None,
    record: Path | None = None,
    background: Spectrum | None = None,
    detector: str | None = None,
    speed: float = 1.0,
    seed: int = 1,
) -> LiveSession:
    """A session, not yet started, on what the arguments name; without any, on the first USB device.

    `simulate` is a scenario (`scenario.scenario`), `replay` a spectrum, spectrogram or recording;
    `usb` a serial number, `bluetooth` an address. `record` is the file to record into, begun or
    gone on with; left out, a real device is recorded into a new file in the user's data folder and
    an emulated one into a file that is deleted at the end. `speed` and `seed` are those of an
    emulated device. Raises InputError for arguments that contradict each other.
    """
    from blackett.gamma.live.measurement import Measurement

    named = [n for n, v in (("--simulate", simulate), ("--replay", replay), ("--usb", usb),
                            ("--bluetooth", bluetooth)) if v is not None]  # fmt: skip
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} contradict each other: give one of them")
    virtual = simulate is not None or replay is not None
    if speed != 1.0 and not virtual:
        raise InputError("--speed needs --simulate or --replay: a real device has its own time")
    if virtual:
        connector, clock = _emulated(_play(simulate, replay), speed, seed)
        made = Measurement(connector, clock, record, detector_name=detector, seed=seed)
    else:
        path = _new_recording() if record is None else record
        made = Measurement(_real(usb, bluetooth), None, path, detector_name=detector)
    made.set_background(background)
    return made


def _play(simulate: str | None, replay: Path | None) -> Play:
    from blackett.gamma.live.compilation import compile_away
    from blackett.gamma.live.scenario import SimulatedScene, play_file, scenario

    if replay is not None:
        return play_file(replay)
    of = scenario(simulate or "")
    compile_away("scene", of.detector, Event())
    return SimulatedScene(of)


def _emulated(play: Play, speed: float, seed: int) -> tuple[Connector, Clock]:
    from blackett.gamma.live.clock import VirtualClock
    from blackett.gamma.live.emulator import EmulatedRadiaCode
    from blackett.gamma.live.link import emulated
    from blackett.seeds import generator

    clock = VirtualClock(speed)
    return emulated(EmulatedRadiaCode(play, clock, generator(seed)).connect), clock


def _real(serial: str | None, address: str | None) -> Connector:
    from blackett.gamma.live import link

    return link.usb(serial or None) if address is None else link.bluetooth(address)


def _new_recording() -> Path:
    """A new file in the user's data folder."""
    base = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    folder = (Path(base) if base else Path.home() / ".local" / "share") / "blackett" / "recordings"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileFormatError(str(folder), "", f"cannot be made: {error.strerror}") from None
    return folder / f"live-{datetime.now(UTC):%Y%m%d-%H%M%S}.sqlite"

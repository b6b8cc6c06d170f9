"""A recording as files that other programs read: N42, RadiaCode XML, CSV, and rcspg spectrograms.

Spectra start at the first reading of the recording: what the device had counted before is taken
off. A new spectrum begins where the energy axis or the device changed; a reset does not end one.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats import write
from blackett.gamma.formats.radiacode import DEAD_TIME_S, LIVE_DEAD_TIME
from blackett.gamma.live import wire
from blackett.gamma.live.continuity import Continuity
from blackett.gamma.live.recording import sparse_readings
from blackett.gamma.spectrum import Spectrum

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.live.continuity import Increment
    from blackett.gamma.live.messages import DeviceInfo

__all__ = ["EXPORT_FORMATS", "exported", "recorded_rows", "recorded_spectra"]

EXPORT_FORMATS = ("n42", "xml", "rcspg", "csv")
FEW, MOST_ROWS = 100, 7000
"""Steps for sums over a recording, and rows of its spectrogram: 1024 channels in fewer rows than
readers of rcspg allow (`formats.parsing.MAX_CELLS`)."""
FILETIME_EPOCH_S = 11_644_473_600
"""Seconds from 1601, where Windows' FILETIME begins, to 1970."""


@dataclass
class _Part:
    """Increments on one axis of one device."""

    device: DeviceInfo
    counts: IntArray
    begin_s: float
    coefficients_kev: tuple[float, float, float]
    seconds: float = 0.0
    rows: list[tuple[float, float, IntArray]] = field(default_factory=list)  # end, seconds, counts

    def add(self, one: Increment) -> None:
        self.counts = self.counts + one.counts
        self.seconds += one.seconds
        self.rows.append((one.end_s, one.seconds, one.counts))


def _parts(path: Path, most: int) -> list[_Part]:
    """The recording in about `most` steps, cut where spectra cannot be added up.

    Raises InputError if it is empty.
    """
    made: list[_Part] = []
    continuity, serial = Continuity(), None
    for recorded in sparse_readings(path, most):
        if recorded.device.serial != serial:
            continuity, serial = Continuity(), recorded.device.serial
            one, fresh = continuity.step(recorded.reading), True
        else:
            one, fresh = continuity.step(recorded.reading), False
        if fresh or (one is not None and one.kind == "recalibrated"):
            reading = recorded.reading
            zero = np.zeros_like(reading.counts)
            made.append(_Part(recorded.device, zero, reading.received_s, reading.coefficients_kev))
        if one is not None:
            made[-1].add(one)
    full = [part for part in made if part.seconds > 0.0]
    if not full:
        raise InputError("the recording is empty: no two readings have come yet")
    return full


def recorded_spectra(path: Path) -> list[Spectrum]:
    """The spectra of a recording, one for each axis; raises InputError if it is empty."""
    return [_spectrum(part) for part in _parts(path, FEW)]


def _spectrum(part: _Part) -> Spectrum:
    live_s = max(part.seconds - DEAD_TIME_S * float(part.counts.sum()), 0.1 * part.seconds)
    return Spectrum(
        counts=part.counts,
        calibration=EnergyCalibration(part.coefficients_kev),
        live_time_s=live_s,
        real_time_s=part.seconds,
        device=part.device.model,
        serial=part.device.serial,
        start=datetime.fromtimestamp(part.begin_s, UTC),
        name="live recording",
        overflow_channel=int(part.counts.size) - 1,
        live_time_rule=LIVE_DEAD_TIME,
    )


def recorded_rows(path: Path) -> tuple[Spectrum, IntArray, FloatArray]:
    """The newest spectrum of a recording, with its counts (r, channels) and seconds (r,) by beat.

    Raises InputError if the recording is empty.
    """
    part = _parts(path, MOST_ROWS)[-1]
    counts = np.array([row[2] for row in part.rows], dtype=np.int64)
    return _spectrum(part), counts, np.array([row[1] for row in part.rows])


def exported(path: Path, form: str) -> bytes:
    """The recording as a file: XML holds every axis that was used, the others the newest alone.

    Raises InputError for an unknown format or an empty recording.
    """
    if form not in EXPORT_FORMATS:
        raise InputError(f"format {form!r} must be one of {', '.join(EXPORT_FORMATS)}")
    if form == "rcspg":
        return _rcspg(_parts(path, MOST_ROWS)[-1]).encode("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"recording.{form}"
        spectra = recorded_spectra(path)
        write(file, spectra if form == "xml" else spectra[-1:], form)
        return file.read_bytes()


def _rcspg(part: _Part) -> str:
    """The Android app's spectrogram, as `blackett.gamma.formats.rcspg` describes it.

    Zeros at the ends of rows are cut.
    """
    zero = wire.encode_spectrum(np.zeros_like(part.counts), 0, part.coefficients_kev, 0)
    start = datetime.fromtimestamp(part.begin_s, UTC)
    head = [
        "Spectrogram: live recording",
        f"Time: {start:%Y-%m-%d %H:%M:%S}",
        f"Timestamp: {_filetime(part.begin_s)}",
        f"Accumulation time: {round(part.seconds)}",
        f"Channels: {part.counts.size}",
        f"Device serial: {part.device.serial}",
        "Flags: 1",
        "Comment: ",
    ]
    lines = ["\t".join(head), "Spectrum: " + zero.hex(" ").upper()]
    for end_s, seconds, counts in part.rows:
        last = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else 0
        cells = [str(_filetime(end_s)), f"{seconds:.3f}", *map(str, counts[:last].tolist())]
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def _filetime(unix_s: float) -> int:
    return round((unix_s + FILETIME_EPOCH_S) * 1e7)

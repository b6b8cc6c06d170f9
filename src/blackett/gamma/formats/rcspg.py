"""RadiaCode spectrograms (`.rcspg`): Android text and iOS JSON, told apart by content.

Android: line 1 names fields (tab separated), line 2 is a hex dump of what the device had
accumulated BEFORE the recording (u32 seconds, three f32 coefficients, u32 counts): its energy
calibration is used, its counts are not. Then one row per interval: FILETIME, seconds, counts;
zeros at the end of a row are cut by the app and put back here.
iOS (as read by VibeEngineering-LLC/waterfall-viewer, no public file is known): `channelCount`,
`coefficients`, `startTimeTimestamp`, `spectrums` of `pulses`, `collectTime`, `timestamp`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import FloatArray, IntArray, frozen
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats import parsing, radiacode
from blackett.gamma.formats.jsontree import Node, parse_json
from blackett.gamma.formats.parsing import fail
from blackett.gamma.spectrum import MAX_CHANNELS, Spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS_MAX = 1e9


@dataclass(frozen=True)
class Spectrogram:
    """Spectra of consecutive intervals of one recording, and their sum."""

    counts: IntArray
    """Counts by interval and channel, shape (n_rows, n_channels), read-only."""
    seconds: FloatArray
    """Real time of each interval, seconds, shape (n_rows,), read-only."""
    end: tuple[datetime, ...]
    """Time stamp of each interval, as in the file (UTC)."""
    total: Spectrum
    """The whole recording: counts and real times summed over the intervals."""


def read_android(document: str) -> Spectrogram:
    """A text spectrogram; raises FileFormatError (without file name) when it breaks the format."""
    lines = document.split("\n")
    head = _fields(lines[0])
    n_channels = parsing.whole(_get(head, "Channels"), "line 1, Channels", 2, MAX_CHANNELS)
    calibration = _calibration(lines[1] if len(lines) > 1 else "", n_channels)
    rows = [(i, line.rstrip("\r")) for i, line in enumerate(lines[2:], start=3) if line.strip()]
    _check_rows(len(rows), n_channels)
    parsed = [_row(line, i, n_channels) for i, line in rows]
    serial = parsing.text(head.get("Device serial", ""), "line 1, Device serial")
    return _spectrogram(
        parsed,
        calibration,
        serial=serial,
        start=parsing.filetime(head["Timestamp"], "line 1, Timestamp")
        if head.get("Timestamp")
        else None,
        name=parsing.text(head.get("Spectrogram", ""), "line 1, Spectrogram"),
        comment=parsing.text(head.get("Comment", ""), "line 1, Comment"),
    )


_Row = tuple[datetime, float, IntArray]


def _fields(line: str) -> dict[str, str]:
    pairs = (cell.partition(":") for cell in line.rstrip("\r").split("\t"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _get(head: dict[str, str], key: str) -> str:
    if key not in head:
        raise fail("line 1", f"must hold the field {key!r}")
    return head[key]


def _check_rows(n_rows: int, n_channels: int) -> None:
    if not 1 <= n_rows <= parsing.MAX_ROWS or n_rows * n_channels > parsing.MAX_CELLS:
        raise fail(
            "",
            f"must hold 1 to {parsing.MAX_ROWS} rows and at most {parsing.MAX_CELLS} counts, "
            f"not {n_rows} rows of {n_channels}",
        )


def _calibration(line: str, n_channels: int) -> EnergyCalibration:
    key, _, dump = line.partition(":")
    compact = re.sub(r"\s", "", dump)
    if key.strip() != "Spectrum" or not re.fullmatch(r"([0-9A-Fa-f]{2})+", compact):
        raise fail("line 2", "must be 'Spectrum:' and a hex dump")
    if len(compact) != 2 * (16 + 4 * n_channels):
        raise fail("line 2", f"must dump {16 + 4 * n_channels} bytes, not {len(compact) // 2}")
    values = np.frombuffer(bytes.fromhex(compact)[4:16], "<f4").astype(np.float64)
    if not np.isfinite(values).all():
        raise fail("line 2", "must hold finite calibration coefficients")
    # the shortest decimals that stand for the device's single precision numbers
    return EnergyCalibration(tuple(float(str(np.float32(a))) for a in values))


def _row(line: str, number: int, n_channels: int) -> _Row:
    cells = line.split("\t")
    place = f"line {number}"
    if len(cells) < 2 or len(cells) - 2 > n_channels + 1:
        raise fail(place, f"must hold a time, seconds and at most {n_channels} counts")
    end = parsing.filetime(cells[0], f"{place}, time")
    seconds = _bounded(parsing.seconds(cells[1], f"{place}, seconds"), place)
    words = cells[2:-1] if cells[-1].strip() == "" else cells[2:]
    return end, seconds, _padded(words, n_channels, place)


def _bounded(seconds: float, place: str) -> float:
    if seconds > _SECONDS_MAX:
        raise fail(place, f"must last at most {_SECONDS_MAX:g} s")
    return seconds


def _padded(words: Sequence[str], n_channels: int, place: str) -> IntArray:
    if len(words) > n_channels:
        raise fail(place, f"must hold at most {n_channels} counts, not {len(words)}")
    row = np.zeros(n_channels, dtype=np.int64)
    row[: len(words)] = [
        parsing.whole(w, f"{place}, channel {c}", 0, 2**48) for c, w in enumerate(words)
    ]
    return row


def _spectrogram(
    rows: list[_Row],
    calibration: EnergyCalibration | None,
    *,
    serial: str,
    start: datetime | None,
    name: str,
    comment: str,
) -> Spectrogram:
    counts = frozen(np.stack([row[2] for row in rows]), np.int64)
    seconds = frozen([row[1] for row in rows])
    device = radiacode.device_of(serial, "")[0] or "RadiaCode"
    real_s, total = float(seconds.sum()), int(counts.sum())
    live_s, rule = radiacode.live_time(device, real_s, total, "sum of rows")
    whole = Spectrum(
        counts=counts.sum(axis=0),
        calibration=calibration,
        live_time_s=live_s,
        real_time_s=real_s,
        device=device,
        serial=serial,
        start=start,
        name=name,
        comment=comment,
        overflow_channel=radiacode.overflow_channel(device, counts.shape[1]),
        live_time_rule=rule,
    )
    return Spectrogram(counts, seconds, tuple(row[0] for row in rows), whole)


# -- iOS ---------------------------------------------------------------------------------------


def read_ios(document: str) -> Spectrogram:
    """A JSON spectrogram; raises FileFormatError (without file name) when it breaks the format."""
    root = parse_json(document)
    n_channels = root.need("channelCount").whole(2, MAX_CHANNELS)
    entries = root.need("spectrums").items()
    _check_rows(len(entries), n_channels)
    values = [a.number() for a in root.need("coefficients").items()]
    start = root.get("startTimeTimestamp")
    return _spectrogram(
        [_ios_row(entry, n_channels) for entry in entries],
        EnergyCalibration(tuple(values)) if any(values) else None,
        serial=_optional(root, "serialNumber"),
        start=None if start is None else _epoch_ms(start),
        name=_optional(root, "name"),
        comment=_optional(root, "comment"),
    )


def _optional(root: Node, key: str) -> str:
    node = root.get(key)
    return "" if node is None else node.text()


def _ios_row(entry: Node, n_channels: int) -> _Row:
    pulses = entry.need("pulses").items()
    if len(pulses) > n_channels:
        raise fail(entry.place, f"must hold at most {n_channels} pulses, not {len(pulses)}")
    row = np.zeros(n_channels, dtype=np.int64)
    row[: len(pulses)] = [p.whole(0, 2**48) for p in pulses]
    node = entry.need("collectTime")
    seconds = node.number()
    if seconds <= 0:
        raise fail(node.place, "must be above 0 seconds")
    return _epoch_ms(entry.need("timestamp")), _bounded(seconds, node.place), row


def _epoch_ms(node: Node) -> datetime:
    ms = node.number()
    if not 0 <= ms <= 2.5e14:
        raise fail(node.place, "must be milliseconds since 1970")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)

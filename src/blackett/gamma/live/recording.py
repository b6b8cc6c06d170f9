"""The recording: every raw string of the device, written before it is decoded, never changed.

One SQLite file in write-ahead mode. Each poll is one committed transaction, so a program that is
killed at any moment has lost at most the poll that was under way; the device counts on, and the
next program to open the same file goes on where the last one stopped. A spectrum string holds all
counts since the device's last reset, so that not even the pause loses counts.
A day at one poll a second takes 100 to 200 MB.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from blackett.errors import FileFormatError, InputError
from blackett.gamma.live import wire
from blackett.gamma.live.continuity import GAP_S
from blackett.gamma.live.messages import DeviceInfo, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Recorded", "Recording", "readings", "sparse_readings"]

APPLICATION_ID = 0x626C6B74
"""Marks an SQLite file as one of ours (the letters blkt)."""
VERSION = 1
SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE link (
  id INTEGER PRIMARY KEY, at_s REAL NOT NULL, model TEXT NOT NULL, serial TEXT NOT NULL,
  firmware TEXT NOT NULL, transport TEXT NOT NULL, form INTEGER NOT NULL
);
CREATE TABLE raw (
  id INTEGER PRIMARY KEY, link INTEGER NOT NULL REFERENCES link (id), at_s REAL NOT NULL,
  name TEXT NOT NULL CHECK (name IN ('data_buf', 'spectrum')), data BLOB NOT NULL
);
"""
Name = Literal["data_buf", "spectrum"]


class Recording:
    """An open recording; append from any thread.

    Raises FileFormatError for a file that is something else or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA busy_timeout = 5000")
            new = not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if new:
                self._db.executescript(f"PRAGMA journal_mode = WAL; BEGIN; {SCHEMA} COMMIT;")
            _check(self._db, path)
            self._db.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error as error:
            raise FileFormatError(str(path), "", f"cannot be opened as SQLite: {error}") from None
        self._link: int | None = None
        self._pending: list[tuple[int, float, Name, bytes]] = []

    def add_link(self, at_s: float, info: DeviceInfo, form: int) -> None:
        """A new link: what follows came through it. Raises sqlite3.Error, as on a full disk."""
        with self._lock:
            row = (at_s, info.model, info.serial, info.firmware, info.transport, form)
            made = self._db.execute(
                "INSERT INTO link (at_s, model, serial, firmware, transport, form) "
                "VALUES (?, ?, ?, ?, ?, ?)", row,
            )  # fmt: skip
            self._link = made.lastrowid
            self._pending.clear()

    def add_raw(self, at_s: float, name: Name, data: bytes) -> None:
        """A raw string; the spectrum, the last of a poll, commits. Raises sqlite3.Error."""
        with self._lock:
            if self._link is None:
                return  # the link's first strings come after its introduction
            self._pending.append((self._link, at_s, name, data))
            if name != "spectrum":
                return
            rows, self._pending = self._pending, []
            self._db.execute("BEGIN")
            try:
                self._db.executemany(
                    "INSERT INTO raw (link, at_s, name, data) VALUES (?, ?, ?, ?)", rows
                )
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def last(self) -> Recorded | None:
        """The newest reading in the file: from there a measurement goes on; None if it is empty."""
        newest = list(readings(self.path, newest=1))
        return newest[-1] if newest else None

    def close(self) -> None:
        """Complete the file."""
        with self._lock:
            self._db.close()


def _check(db: sqlite3.Connection, path: Path) -> None:
    marks = [
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    ]
    if marks != [APPLICATION_ID, VERSION]:
        raise FileFormatError(str(path), "", "must be a recording of blackett, or a new file")


@dataclass(frozen=True)
class Recorded:
    """One reading of a recording, and the device that gave it."""

    reading: Reading
    device: DeviceInfo


def readings(path: Path, newest: int | None = None) -> Iterator[Recorded]:
    """The readings of a recording in their order, or the `newest` of them; damaged ones left out.

    Rates and environment are those of the same poll. Raises FileFormatError for another file.
    """
    with closing(_opened(path)) as db:
        links = _links(db)
        least = 0
        if newest is not None:
            found = db.execute(
                "SELECT min(id) FROM (SELECT id FROM raw WHERE name = 'spectrum' "
                "ORDER BY id DESC LIMIT ?)", (newest,),
            ).fetchone()[0]  # fmt: skip
            least = found or 0
        rows = db.execute(
            "SELECT link, at_s, name, data FROM raw WHERE id >= ? ORDER BY id", (least,)
        )
        yield from _decoded(rows, links)


def _links(db: sqlite3.Connection) -> dict[int, tuple[str, str, str, str, int]]:
    rows = db.execute("SELECT id, model, serial, firmware, transport, form FROM link")
    return {row[0]: row[1:] for row in rows}


_Row = tuple[int, int, float, bytes]  # id, link, time, head of the spectrum string


def sparse_readings(path: Path, most: int) -> Iterator[Recorded]:
    """About `most` readings of a recording, and all at which something other than counts changed.

    Counts are cumulative: differences between any two readings add up to the same sum, as long as
    no reset and no new axis lies between them. Both sides of each are given, the first and the
    last reading too; a damaged one is replaced by its neighbour. Without rates and environment.
    """
    with closing(_opened(path)) as db:
        links = _links(db)
        rows: list[_Row] = db.execute(
            "SELECT id, link, at_s, substr(data, 1, 16) FROM raw "
            "WHERE name = 'spectrum' ORDER BY id"
        ).fetchall()
        done = 0
        for place in _places(rows, most):
            for i in (*range(place, done - 1, -1), *range(place + 1, len(rows))):
                made = next(_decoded(_row(db, rows[i][0]), links), None) if i >= done else None
                if made is not None:
                    yield made
                    done = i + 1
                    break


def _row(db: sqlite3.Connection, number: int) -> Iterator[tuple[int, float, Name, bytes]]:
    return db.execute("SELECT link, at_s, name, data FROM raw WHERE id = ?", (number,))


def _places(rows: list[_Row], most: int) -> list[int]:
    """Where to read: evenly, at both ends, and on both sides of whatever changed."""
    if not rows:
        return []
    step = max(-(-len(rows) // most), 1)
    chosen = {*range(0, len(rows), step), len(rows) - 1}
    for i in range(1, len(rows)):
        (_, link, at_s, head), (_, next_link, next_s, next_head) = rows[i - 1], rows[i]
        fell = int.from_bytes(next_head[:4], "little") < int.from_bytes(head[:4], "little")
        if link != next_link or fell or head[4:] != next_head[4:] or next_s - at_s > GAP_S:
            chosen |= {i - 1, i}
    return sorted(chosen)


def _opened(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise FileFormatError(str(path), "", "must be a file")
    try:
        db = sqlite3.connect(path)
        _check(db, path)
    except sqlite3.Error as error:
        raise FileFormatError(str(path), "", f"cannot be read as SQLite: {error}") from None
    return db


def _decoded(
    rows: Iterator[tuple[int, float, Name, bytes]], links: dict[int, tuple[str, str, str, str, int]]
) -> Iterator[Recorded]:
    buffer, buffer_s = wire.BufferRecords(None, None, (), ()), 0.0
    for link, at_s, name, data in rows:
        if name == "data_buf":
            buffer, buffer_s = wire.decode_buffer(data), at_s
            continue
        model, serial, firmware, transport, form = links[link]
        try:
            spectrum = wire.decode_spectrum(data, form)
        except InputError:
            continue  # a damaged reply: the device was asked again
        made = Reading(
            at_s, spectrum.counts, spectrum.seconds, spectrum.coefficients_kev, notes=buffer.notes
        )
        if buffer.real_time is not None:
            made = replace(made, rates_at_s=buffer_s, **vars(buffer.real_time))
        if buffer.rare is not None:
            made = replace(made, rare_at_s=buffer_s, **vars(buffer.rare))
        info = DeviceInfo(model, serial, firmware, transport, made.channels)  # type: ignore[arg-type]
        buffer = wire.BufferRecords(None, None, (), ())
        yield Recorded(made, info)

"""Strict reading of numbers, times and texts out of files; every refusal is a FileFormatError.

The helpers know the place and the rule but not the file: `blackett.gamma.formats.read_bytes` adds
its name. Limits are for measured data: real files have 256 to 16,384 channels and 5 kB to 1.3 MB.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import FileFormatError
from blackett.gamma.spectrum import MAX_CHANNELS, MAX_TEXT, MAX_TOTAL_COUNTS, Spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import IntArray

MAX_BYTES = 32 * 2**20
"""Largest file read: 25 times the largest real recording known, small enough to hold in memory."""
MAX_SPECTRA = 4096
MAX_ROWS = 100_000
"""Rows of a spectrogram: ten weeks at one a minute."""
MAX_CELLS = 8_000_000
"""Counts in one file, all rows and spectra together."""

_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"\+?\d{1,19}(\.0{0,19})?", re.ASCII)
_DURATION = re.compile(
    r"P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,15}(?:\.\d{1,40})?)S)?)?",
    re.ASCII,
)
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d{1,12})?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_CODECS = ("utf-8", "us-ascii", "iso-8859-1", "windows-1251", "windows-1252")
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([\w-]{1,40})["']""")
_FILETIME_ZERO = datetime(1601, 1, 1, tzinfo=UTC)


def fail(place: str, rule: str) -> FileFormatError:
    """The error to raise at a place in the file that is being read."""
    return FileFormatError("", place, rule)


def shown(value: str) -> str:
    """A value from a file as it may stand in a message: quoted and short."""
    return repr(value if len(value) <= 40 else value[:37] + "...")


def number(word: str, place: str) -> float:
    """A finite decimal number; refuses nan, inf, underscores, hex and anything else."""
    word = word.strip()
    if not _NUMBER.fullmatch(word):
        raise fail(place, f"must be a decimal number, not {shown(word)}")
    value = float(word)
    if not math.isfinite(value):
        raise fail(place, f"must be a finite number, not {shown(word)}")
    return value


def whole(word: str, place: str, low: int = 0, high: int = MAX_TOTAL_COUNTS - 1) -> int:
    """A whole number from low to high; `12.0` is accepted, `12.5` is not."""
    word = word.strip()
    if not _WHOLE.fullmatch(word):
        raise fail(place, f"must be a whole number of at most 19 digits, not {shown(word)}")
    value = int(word.partition(".")[0])
    if not low <= value <= high:
        raise fail(place, f"must be from {low} to {high}, not {shown(word)}")
    return value


def seconds(word: str, place: str) -> float:
    """A duration in seconds, above 0."""
    value = number(word, place)
    if value <= 0:
        raise fail(place, f"must be above 0 seconds, not {shown(word.strip())}")
    return value


def duration(word: str, place: str) -> float:
    """Seconds of an ISO 8601 duration of days, hours, minutes, seconds, such as PT1H2.5S."""
    match = _DURATION.fullmatch(word.strip())
    if match is None or not any(match.groups()):
        raise fail(place, f"must be a duration such as PT613.5S, not {shown(word.strip())}")
    days, hours, minutes, secs = (float(part or 0) for part in match.groups())
    total = 86400 * days + 3600 * hours + 60 * minutes + secs
    if total <= 0:
        raise fail(place, f"must be above 0 seconds, not {shown(word.strip())}")
    return total


def stamp(word: str, place: str) -> datetime | None:
    """A date and time, ISO 8601; None when empty."""
    if not word.strip():
        return None
    match = _STAMP.fullmatch(word.strip())
    if match is None:
        raise fail(place, f"must be a time such as 2024-05-25T23:25:26, not {shown(word.strip())}")
    text = match[1].replace(" ", "T") + (match[2] or "")[:7] + (match[3] or "")
    return _calendar(text, place)


def _calendar(text: str, place: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise fail(place, f"is no date and time: {error}") from None


def filetime(word: str, place: str) -> datetime:
    """A Windows FILETIME, 100 ns since 1601-01-01 UTC, to the microsecond."""
    ticks = whole(word, place, 1, 2_600_000_000_000_000_000)
    return _FILETIME_ZERO + timedelta(microseconds=ticks // 10)


def lines(document: str) -> list[str]:
    """Lines of a text, whatever ends them: LF, CR LF or CR, and nothing else."""
    return document.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def with_backgrounds(pairs: list[tuple[bool, Spectrum]]) -> list[Spectrum]:
    """Spectra, each marked whether it is a background: a single background joins all others.

    Several backgrounds are returned as spectra of their own, since nothing says whose they are.
    """
    backgrounds = [spectrum for is_background, spectrum in pairs if is_background]
    others = [spectrum for is_background, spectrum in pairs if not is_background]
    if not others or len(backgrounds) != 1:
        return [spectrum for _, spectrum in pairs]
    return [spectrum.with_background(backgrounds[0]) for spectrum in others]


def counts(words: Sequence[str], place: str) -> IntArray:
    """Counts of consecutive channels; refuses fractions, signs and numbers beyond 2^62."""
    if not 2 <= len(words) <= MAX_CHANNELS:
        raise fail(place, f"must hold 2 to {MAX_CHANNELS} channels, not {len(words)}")
    values = [whole(w, f"{place}, channel {c}") for c, w in enumerate(words)]
    return np.array(values, dtype=np.int64)


def text(value: str, place: str) -> str:
    """A free text without blanks at its ends; refuses NUL and more than 65,536 characters."""
    if len(value) > MAX_TEXT or "\0" in value:
        raise fail(place, f"must be text of at most {MAX_TEXT} characters without NUL")
    return value.strip()


def decoded(data: bytes) -> tuple[str, tuple[str, ...]]:
    """A file as text, and a sentence when bytes had to be replaced.

    The byte order mark or the XML declaration names the encoding, UTF-8 otherwise. Stray bytes are
    replaced by U+FFFD, which no number accepts, in XML alone; NUL is refused everywhere.
    """
    mark, codec = _encoding(data)
    body = data[len(mark) :]
    notes: tuple[str, ...] = ()
    try:
        result = body.decode(codec)
    except UnicodeDecodeError as error:
        if not body.lstrip().startswith(b"<"):
            raise fail(f"byte {error.start + len(mark)}", f"must be {codec} text") from None
        result = body.decode(codec, "replace")
        notes = (f"bytes that are no {codec} were replaced (first: {error.start + len(mark)})",)
    if "\0" in result:
        raise fail(f"character {result.index(chr(0))}", "must be text without NUL")
    return result, notes


def _encoding(data: bytes) -> tuple[bytes, str]:
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return mark, codec
    declared = _DECLARED.match(data)
    if declared is None:
        return b"", "utf-8"
    name = declared[1].decode().lower()
    if name not in _CODECS:
        raise fail("line 1", f"encoding must be one of {', '.join(_CODECS)}, not {name[:40]!r}")
    return b"", name

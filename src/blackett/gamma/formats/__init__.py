"""Spectrum files: read them whatever their extension says, write them whole or not at all.

    spectra = read("rock.xml")                  # list of Spectrum, backgrounds attached
    write("rock.n42", spectra)

The format is decided by content. Anything that cannot be read gives one FileFormatError that names
the file, the place and the rule. What each format holds: docs/formats.md.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blackett.errors import FileFormatError, InputError, MissingExtraError
from blackett.files import write_whole
from blackett.gamma.formats import parsing
from blackett.gamma.formats.csv_text import read_csv, write_csv
from blackett.gamma.formats.n42 import ROOTS as N42_ROOTS
from blackett.gamma.formats.n42 import read_n42, write_n42
from blackett.gamma.formats.npes import read_npes, write_npes
from blackett.gamma.formats.radiacode_xml import ROOT as XML_ROOT
from blackett.gamma.formats.radiacode_xml import read_xml, write_xml
from blackett.gamma.formats.rcspg import Spectrogram, read_android, read_ios
from blackett.gamma.formats.spe import read_spe, write_spe
from blackett.gamma.formats.specutils import read_other
from blackett.gamma.formats.writing import check_plain
from blackett.gamma.spectrum import Spectrum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Spectrogram", "read", "read_bytes", "read_spectrogram", "write"]


@dataclass(frozen=True)
class _Format:
    """One format: its name (and extension), what its files begin with, how to read and write it."""

    name: str
    begins: re.Pattern[str]
    read: Callable[[str], list[Spectrum]]
    write: Callable[[Sequence[Spectrum]], str] | None = None


def _root(*names: str) -> re.Pattern[str]:
    """Begin of an XML text: anything that is no element, then a root element of these names.

    Groups are atomic and possessive, so that no text makes the match slow.
    """
    before = r"\s*+(?:(?><!--.*?-->|<\?[^>]*>|<!DOCTYPE[^<>\[]*(?:\[[^\]]*\])?\s*>)\s*+){0,50}+"
    root = rf"<(?:[\w.-]+:)?(?:{'|'.join(names)})[\s>/]"
    return re.compile(rf"{before}{root}", re.DOTALL)


def _read_android_total(document: str) -> list[Spectrum]:
    return [read_android(document).total]


def _read_ios_total(document: str) -> list[Spectrum]:
    return [read_ios(document).total]


_TEXTS = (b"<", b"{", b"$", b"#", b"Spectrogram:", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""What no binary file begins with: a byte order mark, or the first characters of a text format."""
_CSV_CELL = r"[ \t]{0,40}[+-]?[\d.]{1,60}(?:[eE][+-]?\d{1,4})?[ \t]{0,40}"
_CSV_LINE = rf"{_CSV_CELL}(?:[,;\t ]{_CSV_CELL}){{0,2}}\r?\n"
_CSV_HEAD = r"(?:[ \t]*+(?:#[^\n]*+)?\n)*+(?:[A-Za-z\"'][^\n]{0,200}\n)?"
_FORMATS = (
    _Format("xml", _root(XML_ROOT), read_xml, write_xml),
    _Format("n42", _root(*N42_ROOTS), read_n42, write_n42),
    _Format("spe", re.compile(r"\s*\$[A-Z0-9_]+:"), read_spe, write_spe),
    _Format("rcspg", re.compile("Spectrogram:"), _read_android_total),
    _Format("json", re.compile(r'\s*\{(?=[\s\S]*"schemaVersion")'), read_npes, write_npes),
    _Format("rcspg-ios", re.compile(r'\s*\{(?=[\s\S]*"spectrums")'), _read_ios_total),
    _Format(
        "csv",
        re.compile(rf"{_CSV_HEAD}(?:{_CSV_LINE}){{2}}"),
        read_csv,
        write_csv,
    ),
)


def read(
    path: str | Path, *, live_time_s: float | None = None, others: bool = True
) -> list[Spectrum]:
    """All spectra of a file, each with the background that the file gives it.

    `live_time_s` is used where the file states no time, and only there. With `others`, files of
    other kinds are given to SandiaSpecUtils where that is installed.
    Raises FileFormatError when it cannot be opened or read, naming file, place and rule.
    """
    return read_bytes(_file_bytes(Path(path)), str(path), live_time_s=live_time_s, others=others)


def read_bytes(
    data: bytes, name: str, *, live_time_s: float | None = None, others: bool = True
) -> list[Spectrum]:
    """As `read`, for the content of a file; `name` stands in messages and in `source_file`."""
    with _naming(name):
        text, notes = _text(data)
        known = next((known for known in _FORMATS if text and known.begins.match(text)), None)
        if known is None:
            spectra = _others(data, name, others)
        elif known.read is read_csv:
            spectra = read_csv(text, live_time_s)
        else:
            spectra = known.read(text)
        return [_sourced(spectrum, name, notes) for spectrum in spectra]


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Errors from inside a file leave as one FileFormatError that names it."""
    try:
        yield
    except FileFormatError as error:
        raise FileFormatError(name, error.place, error.rule) from None
    except InputError as error:
        raise FileFormatError(name, "", str(error)) from None


def _text(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Content as text and the notes of decoding it; no text when it begins like none we know."""
    if len(data) > parsing.MAX_BYTES:
        raise parsing.fail("", f"must have at most {parsing.MAX_BYTES} bytes")
    if not data.strip():
        raise parsing.fail("", "must not be empty")
    try:
        return parsing.decoded(data)
    except FileFormatError:
        if data.lstrip().startswith(_TEXTS):
            raise
        return "", ()


def _others(data: bytes, name: str, others: bool) -> list[Spectrum]:
    names = ", ".join(known.name for known in _FORMATS)
    if not others:
        raise parsing.fail("", f"must be one of the formats {names}")
    try:
        return read_other(data, name)
    except MissingExtraError as error:
        raise parsing.fail("", f"must be one of the formats {names} ({error})") from None


def read_spectrogram(path: str | Path) -> Spectrogram:
    """The intervals of a `.rcspg` file one by one, and their sum; raises FileFormatError."""
    name = str(path)
    with _naming(name):
        text, _ = _text(_file_bytes(Path(path)))
        rows = read_ios(text) if text.lstrip().startswith("{") else read_android(text)
        return replace(rows, total=replace(rows.total, source_file=name))


def _file_bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise FileFormatError(str(path), "", "must be a file")
        with path.open("rb") as file:
            return file.read(parsing.MAX_BYTES + 1)
    except OSError as error:
        raise FileFormatError(str(path), "", f"cannot be opened: {error.strerror}") from None


def _sourced(spectrum: Spectrum, name: str, notes: tuple[str, ...]) -> Spectrum:
    back = spectrum.background
    return replace(
        spectrum,
        source_file=name,
        warnings=notes + spectrum.warnings,
        background=None if back is None else replace(back, source_file=name),
    )


def write(
    path: str | Path,
    spectra: Spectrum | Sequence[Spectrum],
    format: str | None = None,  # noqa: A002
) -> None:
    """Write spectra to a file, whole or not at all.

    `format` is one of xml, n42, spe, csv, json; without it the extension decides.
    Raises InputError for an unknown format and for what the format cannot hold.
    """
    target = Path(path)
    writers = {known.name: known.write for known in _FORMATS if known.write is not None}
    wanted = format or target.suffix.lower().removeprefix(".")
    if wanted not in writers:
        raise InputError(f"format must be one of {', '.join(writers)}, not {wanted!r}")
    listed = [spectra] if isinstance(spectra, Spectrum) else list(spectra)
    if not listed:
        raise InputError("there must be at least one spectrum to write")
    encode = writers[wanted]
    if wanted != "csv":
        check_plain(listed, wanted)
    write_whole(target, encode(listed).encode("utf-8"))

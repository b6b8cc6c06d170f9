"""IAEA SPE text files: `$KEY:` lines, each followed by its lines. One spectrum a file.

Holds: counts, polynomial calibration, live and real time, device, serial number, start (whole
seconds, no zone), name, comment. `$MCA_CAL` is preferred to `$ENER_FIT`, which has two
coefficients only; without both the spectrum is uncalibrated.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats import parsing, radiacode
from blackett.gamma.formats.parsing import fail
from blackett.gamma.formats.writing import decimal, one_line
from blackett.gamma.spectrum import MAX_CHANNELS, Spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import IntArray

_SERIAL = "Serial number:"
_DATE = re.compile(r"(\d\d?)/(\d\d?)/(\d{4})\s+(\d\d?):(\d\d?):(\d\d?)(\.\d{1,9})?", re.ASCII)

_Block = tuple[int, list[str]]  # line of the key, lines below it


def read_spe(document: str) -> list[Spectrum]:
    """The spectrum of the file; raises FileFormatError (without the file's name)."""
    blocks = _blocks(parsing.lines(document))
    counts = _counts(blocks)
    live_s, real_s = _times(blocks)
    stated, serial = _instrument(blocks)
    device, warnings = radiacode.device_of(serial, stated)
    return [
        Spectrum(
            counts=counts,
            calibration=_calibration(blocks),
            live_time_s=live_s,
            real_time_s=real_s,
            device=device,
            serial=serial,
            start=_start(blocks),
            name=_text(blocks, "SPEC_ID"),
            comment=_text(blocks, "SPEC_REM"),
            overflow_channel=radiacode.overflow_channel(device, counts.size),
            live_time_rule=radiacode.LIVE_STATED,
            warnings=warnings,
        )
    ]


def _blocks(lines: list[str]) -> dict[str, _Block]:
    """Lines by key; free text is kept as it stands, a key that comes twice is refused."""
    blocks: dict[str, _Block] = {}
    here: list[str] = []
    for i, line in enumerate(lines, start=1):
        match = re.fullmatch(r"\$([A-Z0-9_]{1,40}):\s*", line)
        if match is None:
            here.append(line)
            continue
        if match[1] in blocks:
            raise fail(f"line {i}", f"must not repeat ${match[1]}:")
        here = []
        blocks[match[1]] = (i, here)
    return blocks


def _need(blocks: dict[str, _Block], key: str) -> _Block:
    if key not in blocks:
        raise fail("", f"must contain ${key}:")
    return blocks[key]


def _text(blocks: dict[str, _Block], key: str) -> str:
    line, lines = blocks.get(key, (0, []))
    return parsing.text("\n".join(lines), f"line {line}, ${key}")


def _words(block: _Block, n_lines: int = 1) -> list[str]:
    return " ".join(block[1][:n_lines]).split()


def _counts(blocks: dict[str, _Block]) -> IntArray:
    block = _need(blocks, "DATA")
    place = f"line {block[0]}, $DATA"
    limits = _words(block)
    if len(limits) != 2:
        raise fail(place, "must begin with the first and the last channel")
    first, last = (parsing.whole(w, place, 0, MAX_CHANNELS - 1) for w in limits)
    if first != 0:
        raise fail(place, f"must begin at channel 0, not {first}")
    words = " ".join(block[1][1:]).split()
    if len(words) != last + 1:
        raise fail(place, f"says {last + 1} channels, but {len(words)} are there")
    return parsing.counts(words, place)


def _times(blocks: dict[str, _Block]) -> tuple[float, float | None]:
    """Live and real time; the real time may be missing."""
    block = _need(blocks, "MEAS_TIM")
    place = f"line {block[0]}, $MEAS_TIM"
    words = _words(block)
    if not 1 <= len(words) <= 2:
        raise fail(place, "must hold the live and the real time")
    live_s = parsing.seconds(words[0], place)
    return live_s, parsing.seconds(words[1], place) if len(words) == 2 else None


def _start(blocks: dict[str, _Block]) -> datetime | None:
    line, lines = blocks.get("DATE_MEA", (0, []))
    stated = "".join(lines[:1]).strip()
    if not stated:
        return None
    match = _DATE.fullmatch(stated)
    if match is None:
        raise fail(f"line {line + 1}", f"must be MM/DD/YYYY hh:mm:ss, not {parsing.shown(stated)}")
    month, day, year, hour, minute, second = (int(g) for g in match.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError as error:
        raise fail(f"line {line + 1}", f"is no date and time: {error}") from None


def _calibration(blocks: dict[str, _Block]) -> EnergyCalibration | None:
    if "MCA_CAL" in blocks:
        values = _mca_values(blocks["MCA_CAL"])
    elif "ENER_FIT" in blocks:
        line = blocks["ENER_FIT"][0]
        values = [parsing.number(w, f"line {line + 1}") for w in _words(blocks["ENER_FIT"])]
    else:
        return None
    return EnergyCalibration(tuple(values)) if any(values) else None


def _mca_values(block: _Block) -> list[float]:
    """Number of coefficients on one line, on the next the coefficients and their unit."""
    line, lines = block
    words = " ".join(lines[1:2]).split()
    unit = words.pop() if words and words[-1].isalpha() else "keV"
    if unit.lower() != "kev":
        raise fail(f"line {line + 2}", f"must be in keV, not {parsing.shown(unit)}")
    n = parsing.whole("".join(lines[:1]), f"line {line + 1}", 0, 100)
    if n != len(words):
        raise fail(f"line {line + 1}", f"says {n} coefficients, but {len(words)} are there")
    return [parsing.number(w, f"line {line + 2}") for w in words]


def _instrument(blocks: dict[str, _Block]) -> tuple[str, str]:
    lines = _text(blocks, "DEVICE_ID").split("\n")
    serials = [s.removeprefix(_SERIAL).strip() for s in lines if s.startswith(_SERIAL)]
    models = [s.strip() for s in lines if not s.startswith(_SERIAL)]
    return models[0] if models else "", serials[0] if serials else ""


# -- writing -----------------------------------------------------------------------------------


def write_spe(spectra: Sequence[Spectrum]) -> str:
    """One spectrum as SPE; raises InputError for what the format cannot hold."""
    if len(spectra) != 1 or spectra[0].background is not None:
        raise InputError(
            "SPE holds one spectrum and no background: write each to a file of its own, "
            "after with_background(None)"
        )
    spectrum = spectra[0]
    words = "\n".join(map(str, spectrum.counts.tolist()))
    real = "" if spectrum.real_time_s is None else f" {decimal(spectrum.real_time_s)}"
    blocks = [
        ("SPEC_ID", one_line(spectrum.name, "name")),
        ("SPEC_REM", _free(spectrum.comment)),
        ("DEVICE_ID", _write_instrument(spectrum)),
        ("DATE_MEA", _write_start(spectrum.start)),
        ("MEAS_TIM", f"{decimal(spectrum.live_time_s)}{real}"),
        ("DATA", f"0 {spectrum.n_channels - 1}\n{words}"),
        ("MCA_CAL", _write_calibration(spectrum)),
    ]
    body = "".join(f"${key}:\n{value}\n" for key, value in blocks if value)
    return (body + "$ENDRECORD:\n").replace("\n", "\r\n")


def _free(value: str) -> str:
    if value != value.strip() or "\r" in value or any(s[:1] == "$" for s in value.split("\n")):
        raise InputError(
            "SPE holds no comment with '$' at the start of a line or blanks at its ends"
        )
    return value


def _write_instrument(spectrum: Spectrum) -> str:
    device, serial = one_line(spectrum.device, "device"), one_line(spectrum.serial, "serial")
    if device.startswith((_SERIAL, "$")):
        raise InputError(f"SPE holds no device named {device[:40]!r}")
    lines = ([device] if device else []) + ([f"{_SERIAL} {serial}"] if serial else [])
    return "\n".join(lines)


def _write_start(start: datetime | None) -> str:
    if start is None:
        return ""
    if start.tzinfo is not None or start.microsecond:
        raise InputError("SPE holds a start of whole seconds without zone: replace it first")
    return start.strftime("%m/%d/") + f"{start.year:04d}" + start.strftime(" %H:%M:%S")


def _write_calibration(spectrum: Spectrum) -> str:
    axis = spectrum.calibration
    if axis is None:
        return ""
    if not isinstance(axis, EnergyCalibration):
        raise InputError("SPE holds a polynomial calibration only: write CSV instead")
    values = axis.coefficients_kev
    return f"{len(values)}\n{' '.join(map(repr, values))} keV"

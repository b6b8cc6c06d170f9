"""Spectra as columns of text: counts; or channel or energy and counts; or a background beside.

There is no standard, so the rules are written here:
- `#` begins a comment line; `# key: value` gives a field (live_time_s, real_time_s, device, serial,
  start, name, comment, calibration_kev, overflow_channel, and the first two of the background
  with `background_` before). One line of words before the numbers names the columns.
- One column: counts. Two: channel or energy, counts. Three: the same and background counts, on
  the same axis. Separator: comma, semicolon, tab or blanks.
- A first column 0, 1, 2, ... or 1, 2, 3, ... is a channel number unless its heading says energy.
- Energies are those of channel centres (of lower edges under the heading `lower_edge_kev`, with
  the comment `upper_edge_kev`; our own form for tables). A quadratic that meets every printed
  value within one unit of its last place becomes the calibration, else the table itself does.
- Live time: the comment `live_time_s`; else the rule of TKA files, in which the first two values
  hold live and real time in whole seconds; else the argument; else FileFormatError. A time is
  never guessed. The TKA rule is taken to hold only when both values are at least 10, the second
  is 1 to 1.1 times the first, and each of the next two is at most one hundredth of it. The two
  values stay in the raw counts but are masked, and a warning says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyAxis, EnergyCalibration, TabulatedCalibration
from blackett.gamma.formats import parsing, radiacode
from blackett.gamma.formats.parsing import fail
from blackett.gamma.formats.writing import decimal, one_line
from blackett.gamma.spectrum import MAX_CHANNELS, Spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray, IntArray

LIVE_ARGUMENT = "live time given by the caller"
LIVE_FIRST_CHANNELS = "live and real time in the first two channels (TKA rule)"
_LOWER_EDGES, _UPPER_EDGE = "lower_edge_kev", "upper_edge_kev"
_FIELD = re.compile(r"#\s*([a-z_]{1,40}):[ \t]?(.*)")
_WORDS = re.compile(r"[A-Za-z_(\[\"'][^\n]*")


@dataclass(frozen=True)
class _Table:
    """A file cut into its parts."""

    fields: dict[str, str]
    heading: str
    columns: list[list[str]]
    line: int


def read_csv(document: str, live_time_s: float | None = None) -> list[Spectrum]:
    """The spectrum of the file, with the background of a third column.

    Raises FileFormatError (without the file's name), also where no live time is to be had.
    """
    table = _table(document)
    place = f"lines from {table.line}"
    counts = parsing.counts(table.columns[-1 if len(table.columns) < 3 else 1], place)
    axis = _axis(table, counts.size)
    main = _spectrum(table, counts, axis, "", live_time_s)
    if len(table.columns) == 3:
        beside = parsing.counts(table.columns[2], f"{place}, background")
        back = _spectrum(table, beside, axis, "background_", None)
        main = main.with_background(back)
    return [main]


def _table(document: str) -> _Table:
    fields: dict[str, str] = {}
    heading, rows, first = "", list[list[str]](), 0
    for i, raw in enumerate(parsing.lines(document), start=1):
        line = raw.strip()
        if not line:
            continue
        if line.startswith("#"):
            match = _FIELD.fullmatch(line)
            if match:
                fields[match[1]] = match[2].strip()
        elif not rows and not heading and _WORDS.fullmatch(line):
            heading = line.lower()
        else:
            first = first or i
            rows.append(_cells(line, i, len(rows[0]) if rows else 0))
        if len(rows) > MAX_CHANNELS:
            raise fail(f"line {i}", f"must hold at most {MAX_CHANNELS} channels")
    if len(rows) < 2:
        raise fail("", "must hold at least 2 rows of numbers")
    return _Table(fields, heading, [list(column) for column in zip(*rows, strict=True)], first)


def _cells(line: str, number: int, expected: int) -> list[str]:
    cells = [c.strip() for c in re.split(r"\s*[,;\t]\s*|\s+", line) if c.strip()]
    if not 1 <= len(cells) <= 3 or (expected and len(cells) != expected):
        raise fail(f"line {number}", f"must hold {expected or '1 to 3'} columns, not {len(cells)}")
    return cells


def _axis(table: _Table, n_channels: int) -> EnergyAxis | None:
    stated = table.fields.get("calibration_kev")
    if stated is not None:
        return EnergyCalibration(
            tuple(parsing.number(w, "# calibration_kev") for w in stated.split())
        )
    if len(table.columns) == 1:
        return None
    words = table.columns[0]
    energies = np.array([parsing.number(w, f"line {table.line + i}") for i, w in enumerate(words)])
    if table.heading.startswith(_LOWER_EDGES):
        last = parsing.number(table.fields.get(_UPPER_EDGE, ""), f"# {_UPPER_EDGE}")
        return TabulatedCalibration(np.append(energies, last))
    first = energies[0]
    is_number = first in (0, 1) and np.array_equal(energies, first + np.arange(n_channels))
    if is_number and not re.search(r"energy|kev", table.heading):
        return None
    if np.abs(energies).max() > 1e6:
        raise fail(f"line {table.line}", "energies must be below 1e6 keV")
    return _smooth(energies, _rounding(words, energies)) or TabulatedCalibration.from_centres(
        energies
    )


def _rounding(words: list[str], energies: FloatArray) -> FloatArray:
    """One unit of the last printed place, for d decimals or s significant digits at most."""
    digits = [re.sub(r"[eE].*|^[+-]", "", w) for w in words]
    decimals = max(len(d.partition(".")[2]) for d in digits)
    significant = max(len(d.replace(".", "").lstrip("0")) for d in digits)
    size = np.floor(np.log10(np.maximum(np.abs(energies), 1e-30)))
    return np.asarray(np.maximum(10.0**-decimals, 10.0 ** (size + 1 - significant)))


def _smooth(energies: FloatArray, rounding: FloatArray) -> EnergyCalibration | None:
    """The quadratic through printed energies, if it meets them all within their rounding."""
    if energies.size < 8:
        return None
    channels = np.arange(energies.size, dtype=np.float64)
    fit = np.polynomial.Polynomial.fit(channels, energies, 2, w=1 / rounding).convert()
    if np.all(np.abs(fit(channels) - energies) <= rounding):
        return EnergyCalibration(tuple(float(a) for a in fit.coef))
    return None


def _spectrum(
    table: _Table, counts: IntArray, axis: EnergyAxis | None, prefix: str, given_s: float | None
) -> Spectrum:
    fields = table.fields
    live_s, real_s, rule = _times(table, counts, prefix, given_s)
    serial = parsing.text(fields.get("serial", ""), "# serial")
    device, warnings = radiacode.device_of(serial, fields.get("device", ""))
    masked = tuple(
        parsing.whole(w, "# masked_channels", 0, counts.size - 1)
        for w in fields.get("masked_channels", "").split()
    )
    if rule == LIVE_FIRST_CHANNELS:
        masked = (0, 1)
        warnings += ("channels 0 and 1 hold live and real time, not counts: masked",)
    over = fields.get("overflow_channel")
    return Spectrum(
        counts=counts,
        calibration=axis,
        live_time_s=live_s,
        real_time_s=real_s,
        device=device,
        serial=serial,
        start=parsing.stamp(fields.get(f"{prefix}start", ""), "# start"),
        name=fields.get(f"{prefix}name", ""),
        comment=fields.get(f"{prefix}comment", ""),
        overflow_channel=radiacode.overflow_channel(device, counts.size)
        if over is None
        else parsing.whole(over, "# overflow_channel", 0, counts.size - 1),
        masked_channels=masked,
        live_time_rule=rule,
        warnings=warnings,
    )


def _times(
    table: _Table, counts: IntArray, prefix: str, given_s: float | None
) -> tuple[float, float | None, str]:
    live, real = (table.fields.get(f"{prefix}{key}_time_s") for key in ("live", "real"))
    real_s = None if real is None else parsing.seconds(real, f"# {prefix}real_time_s")
    if live is not None:
        return parsing.seconds(live, f"# {prefix}live_time_s"), real_s, radiacode.LIVE_STATED
    if _holds_times(counts):
        return float(counts[0]), float(counts[1]), LIVE_FIRST_CHANNELS
    if given_s is not None:
        return given_s, real_s, LIVE_ARGUMENT
    of = "background " if prefix else ""
    way = "" if prefix else "pass live_time_s, or "
    line = f"'# {prefix}live_time_s: 300'"
    raise fail("", f"states no {of}live time: {way}write a line {line} into it")


def _holds_times(counts: IntArray) -> bool:
    """Whether the first two values are live and real time; the rule is in the module's text."""
    if counts.size < 16:
        return False
    live, real = int(counts[0]), int(counts[1])
    return live >= 10 and live <= real <= 1.1 * live and int(counts[2:4].max()) * 100 <= live


# -- writing -----------------------------------------------------------------------------------


def write_csv(spectra: Sequence[Spectrum]) -> str:
    """One spectrum, with a background on the same axis; raises InputError for anything else."""
    if len(spectra) != 1:
        raise InputError(f"CSV is written one spectrum a file, not {len(spectra)}")
    main = spectra[0]
    back = main.background
    if back is not None:
        _check_beside(main, back)
    lines = [f"# {key}: {value}" for key, value in _write_fields(main, "") if value]
    if back is not None:
        lines += [f"# {key}: {value}" for key, value in _write_fields(back, "background_") if value]
    axis_words, axis_name = _write_axis(main)
    columns = [axis_words, main.counts.tolist()] + ([back.counts.tolist()] if back else [])
    lines.append(f"{axis_name},counts" + (",background_counts" if back else ""))
    lines += [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join(lines) + "\n"


def _check_beside(main: Spectrum, back: Spectrum) -> None:
    same = ("n_channels", "calibration", "device", "serial", "overflow_channel", "masked_channels")
    differing = [key for key in same if getattr(main, key) != getattr(back, key)]
    if differing:
        raise InputError(f"CSV holds a background of the same {', '.join(differing)} only")


def _write_fields(spectrum: Spectrum, prefix: str) -> list[tuple[str, str]]:
    real, start, over = spectrum.real_time_s, spectrum.start, spectrum.overflow_channel
    own = [
        (f"{prefix}live_time_s", decimal(spectrum.live_time_s)),
        (f"{prefix}real_time_s", "" if real is None else decimal(real)),
        (f"{prefix}start", "" if start is None else start.isoformat()),
        (f"{prefix}name", one_line(spectrum.name, "name")),
        (f"{prefix}comment", one_line(spectrum.comment, "comment")),
    ]
    if prefix:
        return own
    axis = spectrum.calibration
    tabulated = isinstance(axis, TabulatedCalibration)
    return [
        *own,
        ("device", one_line(spectrum.device, "device")),
        ("serial", one_line(spectrum.serial, "serial")),
        ("masked_channels", " ".join(map(str, spectrum.masked_channels))),
        ("overflow_channel", "" if over is None else str(over)),
        (
            "calibration_kev",
            " ".join(map(repr, axis.coefficients_kev))
            if isinstance(axis, EnergyCalibration)
            else "",
        ),
        (_UPPER_EDGE, repr(float(spectrum.edges_kev[-1])) if tabulated else ""),
    ]


def _write_axis(spectrum: Spectrum) -> tuple[list[float], str]:
    if isinstance(spectrum.calibration, TabulatedCalibration):
        return spectrum.edges_kev[:-1].tolist(), _LOWER_EDGES
    return list(range(spectrum.n_channels)), "channel"

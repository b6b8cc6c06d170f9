"""Vertices as the collaboration's CSV: `R<run>_vertices.csv`, metres, empty cells where there is
none."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.errors import FileFormatError, InputError
from blackett.files import written_aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray, IntArray

__all__ = ["VertexTable", "read_vertices", "write_vertices"]

_COLUMNS = (
    "serial_number",
    "trg_time",
    "reconstructed_x",
    "reconstructed_y",
    "reconstructed_z",
)


@dataclass(frozen=True, eq=False)
class VertexTable:
    """Reconstructed vertices: `serial_number` (n,), `trigger_time_s` (n,), `position_mm` (n, 3),
    nan where there is none."""

    serial_number: IntArray
    trigger_time_s: FloatArray
    position_mm: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "serial_number", frozen(self.serial_number, np.int64))
        for name in ("trigger_time_s", "position_mm"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        n = self.serial_number.size
        if self.trigger_time_s.shape != (n,) or self.position_mm.shape != (n, 3):
            raise InputError(f"vertices: give {n} times and {n} rows of x, y, z")

    def __len__(self) -> int:
        return self.serial_number.size


def write_vertices(path: str | Path, vertices: VertexTable, comments: Sequence[str] = ()) -> None:
    """Write vertices in metres, comments first as `#` lines; whole or not at all."""
    if any("\n" in line or "\r" in line for line in comments):
        raise InputError("comments of a CSV file must be single lines")
    lines = [*(f"# {line}" for line in comments), ",".join(_COLUMNS)]
    rows = zip(
        vertices.serial_number.tolist(), vertices.trigger_time_s.tolist(),
        (vertices.position_mm / 1000).tolist(), strict=True,
    )  # fmt: skip
    for serial, time, position in rows:
        cells = ["" if np.isnan(value) else repr(value) for value in position]
        lines.append(",".join([str(serial), repr(time), *cells]))
    with written_aside(path) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_vertices(path: str | Path) -> VertexTable:
    """Read vertices, metres to mm; other columns are passed over.

    Raises `FileFormatError` naming the line for a missing column, a cell that is no number, or a
    vertex of which only a part is given.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(str(path), "", f"cannot be read: {error}") from error
    lines = [(k, x) for k, x in enumerate(text.splitlines(), 1) if x and not x.startswith("#")]
    if not lines:
        raise FileFormatError(str(path), "", "holds no header line")
    names = [name.strip() for name in lines[0][1].split(",")]
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise FileFormatError(str(path), f"line {lines[0][0]}", f"lacks the columns {missing}")
    rows = [_row(str(path), k, names, line) for k, line in lines[1:]]
    table = np.array(rows).reshape(-1, 5)
    return VertexTable(table[:, 0], table[:, 1], 1000 * table[:, 2:])


def _row(path: str, number: int, names: list[str], line: str) -> list[float]:
    cells = dict(zip(names, next(csv.reader([line])), strict=False))
    try:
        row = [float(cells[name]) if cells[name].strip() else np.nan for name in _COLUMNS]
    except (KeyError, ValueError) as error:
        raise FileFormatError(
            path, f"line {number}", f"has a cell that is no number: {error}"
        ) from error
    if np.isnan(row[:2]).any() or not row[0].is_integer():
        raise FileFormatError(path, f"line {number}", "needs a whole serial number and a time")
    if np.isnan(row[2:]).any() and not np.isnan(row[2:]).all():
        raise FileFormatError(path, f"line {number}", "must give all of x, y, z or none")
    return row

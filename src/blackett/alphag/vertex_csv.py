"""Vertices of any method as CSV: one row an event, none dropped, `#` lines on what made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.vertex import STATUSES
from blackett.errors import InputError
from blackett.files import written_aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from blackett.alphag.vertex import Vertices

__all__ = ["COLUMNS", "write_vertex_csv"]

COLUMNS = (
    "event", "x_mm", "y_mm", "z_mm", "var_x_mm2", "var_y_mm2", "var_z_mm2", "cov_xy_mm2",
    "cov_xz_mm2", "cov_yz_mm2", "p_cosmic", "n_points", "n_tracks", "status",
)  # fmt: skip
"""Cells are empty where a method gives no value; the status says why there is no vertex."""


def write_vertex_csv(
    path: str | Path, parts: Iterable[Vertices], comments: Mapping[str, str]
) -> Iterator[Vertices]:
    """Write answers as they come and hand each part on; the file appears whole, at the end, or
    not at all.

    `comments` become lines `# name: text`. Raises `InputError` for a line break in one.
    """
    lines = [f"# {name}: {text}" for name, text in comments.items()]
    if any("\n" in line or "\r" in line for line in lines):
        raise InputError("comments of a CSV file must be single lines")
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join([*lines, ",".join(COLUMNS)]) + "\n")
        for part in parts:
            file.writelines(_rows(part))
            yield part


def _rows(part: Vertices) -> Iterator[str]:
    covariance = part.covariance_mm2
    upper = [covariance[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
    numbers = np.column_stack([part.position_mm, *upper, part.p_cosmic])
    whole = zip(part.number, part.n_points, part.n_tracks, part.status, strict=True)
    for row, (number, n_points, n_tracks, status) in zip(numbers, whole, strict=True):
        cells = ["" if np.isnan(value) else f"{value:.7g}" for value in row]
        last = f"{n_points},{n_tracks},{STATUSES[status]}\n"
        yield ",".join([str(number), *cells, last])

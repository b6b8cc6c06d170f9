"""The shipped tables of `data/`: CSV with `#` comments and one line of column names."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from blackett.arrays import frozen

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["read_numbers", "read_table"]


def read_table(name: str) -> list[dict[str, str]]:
    """Rows of a table by column name, comments left out."""
    text = files("blackett.alphag").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@cache
def read_numbers(name: str) -> FloatArray:
    """A table that holds numbers alone, shape (rows, columns)."""
    return frozen([[float(value) for value in row.values()] for row in read_table(name)])

"""What a report holds: sections of text, tables and pictures, and the numbers as data."""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.figure import Figure

    from blackett.report.estimates import Estimate

__all__ = ["Block", "Cell", "Picture", "Report", "Section", "Table", "Text"]

Cell: TypeAlias = "str | int | float | Estimate | None"
_DOTS_PER_INCH = 130


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells under named columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str


@dataclass(frozen=True)
class Picture:
    """A drawn picture, PNG bytes, and what it shows."""

    png: bytes
    caption: str


Block: TypeAlias = Text | Table | Picture


@dataclass
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: list[Block] = field(default_factory=list)


class Report:
    """A report under construction; `write` makes the files.

    `provenance` says how it came to be: version, command, seed, hashes of data and models.
    """

    def __init__(self, title: str, provenance: Mapping[str, str]) -> None:
        self.title = title
        self.provenance = dict(provenance)
        self.sections: list[Section] = []
        self.data: dict[str, Any] = {}

    def section(self, title: str) -> None:
        """Begin a section; what follows belongs to it."""
        self.sections.append(Section(title))

    def text(self, text: str) -> None:
        """Add a paragraph of plain text."""
        self._add(Text(text))

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str = ""
    ) -> None:
        """Add a table; raises `InputError` unless every row has a cell for each column."""
        made = tuple(tuple(row) for row in rows)
        for row in made:
            if len(row) != len(columns):
                raise InputError(f"table of {len(columns)} columns: a row has {len(row)} cells")
        self._add(Table(tuple(columns), made, caption))

    def figure(self, figure: Figure, caption: str) -> None:
        """Draw a matplotlib figure now, with the Agg backend, and add it."""
        self._add(Picture(_png(figure), caption))

    def numbers(self, key: str, value: Any) -> None:
        """Note a number, `Estimate`, array, record, or mapping or list of these, for the JSON file.

        Raises `InputError` for a key that is taken, and for values that JSON cannot hold.
        """
        if key in self.data or key in ("title", "provenance"):
            raise InputError(f"numbers of the key {key!r} are in the report already")
        self.data[key] = plain(value)

    def _add(self, block: Block) -> None:
        if not self.sections:
            self.section("")
        self.sections[-1].blocks.append(block)


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    canvas = FigureCanvasAgg(figure)
    canvas.print_figure(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
    return buffer.getvalue()


def plain(value: Any) -> Any:
    """A value as JSON can hold it: numbers that are not finite become None, arrays lists."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    raise InputError(f"a report's numbers cannot hold a {type(value).__name__}: {value!r:.80}")

"""The files of a report, written aside and renamed: the old file or the new one, never half."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blackett.errors import InputError
from blackett.files import write_whole
from blackett.report.html import page

if TYPE_CHECKING:
    from blackett.report.document import Report

__all__ = ["write"]


def write(report: Report, folder: str | Path) -> None:
    """Write `report.html` and `report.json` into a folder, which is made if it is not there.

    The JSON object holds `title`, `provenance` and the keys of `Report.numbers`. Raises
    `InputError` if the folder cannot be made or written to.
    """
    place = Path(folder)
    data = {"title": report.title, "provenance": report.provenance, **report.data}
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    try:
        place.mkdir(parents=True, exist_ok=True)
        write_whole(place / "report.json", text.encode())
        write_whole(place / "report.html", page(report).encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error

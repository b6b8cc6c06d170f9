"""The files of a report, written aside and renamed: the old file or the new one, never half."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from blackett.errors import InputError
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
        _replace(place / "report.json", text)
        _replace(place / "report.html", page(report))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error


def _replace(target: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    aside = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(_mode(target))
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    """Permissions of the file that is there, or those that the process gives by default."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask

"""Files written aside and renamed: the old file or the new one, never half of one."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["write_whole", "written_aside"]


@contextmanager
def written_aside(path: str | Path) -> Iterator[Path]:
    """A name in the same folder to write to; renamed to `path` at the end, removed after an error.

    It has the same extension. A new file gets the permissions that the process gives by default, an
    old one keeps its own. Raises InputError if the folder cannot be written to.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(target.suffix, f".{target.stem}.", target.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.chmod(_mode(target))
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_whole(path: str | Path, data: bytes) -> None:
    """Write a file aside and rename it. Raises InputError if the folder cannot be written to."""
    with written_aside(path) as aside:
        aside.write_bytes(data)


def _mode(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask

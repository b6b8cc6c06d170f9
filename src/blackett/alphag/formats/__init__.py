"""Event files: Parquet (the collaboration's public columns and ours), their ROOT trees, vertices
as CSV.

    for event in read("shard-00000.parquet"): ...
    write_parquet("events.parquet", batches)

Everything streams: memory is that of one batch. Files are written aside and renamed. What cannot
be read gives one `FileFormatError` that names the file, the place and the rule.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blackett.alphag.formats.parquet import (
    parquet_events,
    parquet_metadata,
    read_parquet,
    write_parquet,
)
from blackett.alphag.formats.root import RootNames, read_root
from blackett.alphag.formats.shards import (
    Shard,
    data_sha256,
    planned_shards,
    write_shard,
    write_shards,
)
from blackett.alphag.formats.vertices import VertexTable, read_vertices, write_vertices
from blackett.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.alphag.event import Event, EventBatch

__all__ = [
    "RootNames",
    "Shard",
    "VertexTable",
    "data_sha256",
    "parquet_events",
    "parquet_metadata",
    "planned_shards",
    "read",
    "read_batches",
    "read_parquet",
    "read_root",
    "read_vertices",
    "write_parquet",
    "write_shard",
    "write_shards",
    "write_vertices",
]


def read(path: str | Path) -> Iterator[Event]:
    """Events of a Parquet or ROOT file, or of all Parquet files of a folder in order of name."""
    return (event for batch in read_batches(path) for event in batch)


def read_batches(path: str | Path) -> Iterator[EventBatch]:
    """The same in batches. Raises `FileFormatError` for anything else, or an empty folder."""
    place = Path(path)
    if place.is_dir():
        files = sorted(place.glob("[!.]*.parquet"))  # those with a dot are still being written
        if not files:
            raise FileFormatError(str(path), "", "the folder holds no *.parquet file")
        for file in files:
            yield from read_parquet(file)
    elif _begins_with(place, b"root"):
        yield from read_root(place)
    else:
        yield from read_parquet(place)


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise FileFormatError(str(path), "", f"cannot be opened: {error.strerror}") from error

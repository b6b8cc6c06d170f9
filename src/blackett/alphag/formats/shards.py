"""A sample as a folder of shards: each made on its own from the run's seed, kept if it is there."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blackett.alphag.formats.parquet import parquet_events, parquet_metadata, write_parquet
from blackett.errors import FileFormatError, InputError
from blackett.shards import Shard, completed, planned_shards, shard_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from blackett.alphag.event import EventBatch

__all__ = ["Shard", "data_sha256", "planned_shards", "write_shard", "write_shards"]


def write_shards(
    folder: str | Path,
    shards: list[Shard],
    make: Callable[[Shard], Iterable[EventBatch]],
    metadata: Mapping[str, str],
    workers: int = 1,
    cluster: str = "",
) -> Iterator[tuple[Shard, bool]]:
    """Make the shards that are missing; yields each shard as it is done, and whether it was made
    now.

    `make` must be importable by name (or a partial of such a function), for it runs in `workers`
    processes, or on the Dask cluster with its scheduler at `cluster`, whose workers see the same
    folder. A shard in the folder is kept if it holds the same number of events and the same
    metadata, the command apart. Raises `InputError` if it does not (another recipe, seed or
    version), and as `shards.completed`.
    """
    place = shard_folder(folder)
    missing = []
    for shard in shards:
        if _is_done(place / shard.name, shard, metadata):
            yield shard, False
        else:
            missing.append(shard)
    job = partial(write_shard, str(place), make=make, metadata=dict(metadata))
    yield from ((shard, True) for shard, _ in completed(job, missing, workers, cluster))


def write_shard(
    folder: str,
    shard: Shard,
    *,
    make: Callable[[Shard], Iterable[EventBatch]],
    metadata: Mapping[str, str],
) -> Shard:
    """Make one shard and write it; the unit of work of any scheduler."""
    noted = {**metadata, "shard": str(shard.index), "first_event": str(shard.first)}
    write_parquet(Path(folder) / shard.name, make(shard), noted)
    return shard


def _is_done(path: Path, shard: Shard, metadata: Mapping[str, str]) -> bool:
    if not path.exists():
        return False
    try:
        noted, count = parquet_metadata(path), parquet_events(path)
    except FileFormatError:
        return False  # half a file of another program: made anew
    different = [k for k, value in metadata.items() if k != "command" and noted.get(k) != value]
    if different or count != shard.count:
        raise InputError(
            f"{path} is there already, of {count} events and with other {different or 'length'}: "
            "give another folder, or remove it"
        )
    return True


def data_sha256(path: Path) -> str:
    """SHA-256 of a file, or of the finished Parquet files of a folder one after the other.

    Raises FileFormatError for what cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for file in sorted(path.glob("[!.]*.parquet")) if path.is_dir() else [path]:
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise FileFormatError(str(path), "", f"cannot be read: {error.strerror}") from error
    return digest.hexdigest()

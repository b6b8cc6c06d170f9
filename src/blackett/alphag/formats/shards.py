"""A sample as a folder of shards: each made on its own from the run's seed, kept if it is there."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blackett.alphag.formats.parquet import parquet_events, parquet_metadata, write_parquet
from blackett.errors import FileFormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from blackett.alphag.event import EventBatch

__all__ = ["Shard", "planned_shards", "write_shard", "write_shards"]


@dataclass(frozen=True)
class Shard:
    """Piece `index` of a sample: events `first` to `first + count - 1`."""

    index: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """File name."""
        return f"shard-{self.index:05d}.parquet"


def planned_shards(events: int, per_shard: int) -> list[Shard]:
    """The shards of a sample; raises `InputError` unless both numbers are at least 1."""
    if events < 1 or per_shard < 1:
        raise InputError(f"{events} events in shards of {per_shard}: give numbers of at least 1")
    starts = range(0, events, per_shard)
    return [Shard(k, s, min(per_shard, events - s)) for k, s in enumerate(starts)]


def write_shards(
    folder: str | Path,
    shards: list[Shard],
    make: Callable[[Shard], Iterable[EventBatch]],
    metadata: Mapping[str, str],
    workers: int = 1,
) -> Iterator[tuple[Shard, bool]]:
    """Make the shards that are missing; yields each shard as it is done, and whether it was made
    now.

    `make` must be importable by name (or a partial of such a function), for it runs in `workers`
    processes. A shard in the folder is kept if it holds the same number of events and the same
    metadata, the command apart. Raises `InputError` if it does not (another recipe, seed or
    version), or for less than one worker.
    """
    if workers < 1:
        raise InputError(f"{workers} workers: give at least 1")
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made a folder: {error.strerror}") from error
    missing = []
    for shard in shards:
        if _is_done(place / shard.name, shard, metadata):
            yield shard, False
        else:
            missing.append(shard)
    job = partial(write_shard, str(place), make=make, metadata=dict(metadata))
    if workers == 1:
        for shard in missing:
            yield job(shard), True
    else:
        yield from ((shard, True) for shard in _in_processes(job, missing, workers))


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


def _in_processes(
    job: Callable[[Shard], Shard], missing: list[Shard], workers: int
) -> Iterator[Shard]:
    """Shards as they are done; no more than twice as many submitted as there are workers."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting, running = iter(missing), set()
        try:
            for shard in waiting:
                running.add(pool.submit(job, shard))
                if len(running) >= 2 * workers:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in running:
                future.cancel()


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

"""A sample as a folder of shards: each made on its own from the run's seed, by any scheduler.

A shard is the same whether one process makes all, many do, or the workers of a Dask cluster.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from blackett.errors import InputError, MissingDataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Shard", "completed", "planned_shards", "shard_folder"]

T = TypeVar("T")
CONNECT_S = 20.0
"""How long a scheduler may take to answer."""


@dataclass(frozen=True)
class Shard:
    """Piece `index` of a sample: items `first` to `first + count - 1`."""

    index: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """File name."""
        return f"shard-{self.index:05d}.parquet"


def planned_shards(items: int, per_shard: int) -> list[Shard]:
    """The shards of a sample; raises `InputError` unless both numbers are at least 1."""
    if items < 1 or per_shard < 1:
        raise InputError(f"{items} items in shards of {per_shard}: give numbers of at least 1")
    starts = range(0, items, per_shard)
    return [Shard(k, s, min(per_shard, items - s)) for k, s in enumerate(starts)]


def shard_folder(folder: str | Path) -> Path:
    """The folder, made if it is not there; raises `InputError` if it cannot be."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made a folder: {error.strerror}") from error
    return place


def completed(
    job: Callable[[Shard], T], shards: Iterable[Shard], workers: int = 1, cluster: str = ""
) -> Iterator[tuple[Shard, T]]:
    """What `job` makes of each shard, as it is done.

    `job` must be importable by name (or a partial of such a function): it runs in `workers`
    processes, or on the Dask cluster with its scheduler at `cluster` (tcp://HOST:PORT). Raises
    `InputError` for less than one worker or a malformed address, `MissingExtraError` without Dask,
    `MissingDataError` for a scheduler that does not answer or has no workers.
    """
    if workers < 1:
        raise InputError(f"{workers} workers: give at least 1")
    if cluster:
        with _cluster(cluster) as (executor, size):
            yield from _in_executor(executor, job, shards, 2 * size)
    elif workers == 1:
        for shard in shards:
            yield shard, job(shard)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield from _in_executor(pool, job, shards, 2 * workers)


def _in_executor(
    pool: Executor, job: Callable[[Shard], T], shards: Iterable[Shard], ahead: int
) -> Iterator[tuple[Shard, T]]:
    """Results as they come; no more than `ahead` shards are under way at a time."""
    running = {}
    try:
        for shard in shards:
            running[pool.submit(job, shard)] = shard
            if len(running) >= ahead:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        for future in running:
            future.cancel()


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """An executor on a Dask cluster, and its number of threads."""
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError("distributed", "cluster", "--cluster") from error
    try:
        client: Any = Client(address, timeout=CONNECT_S)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise MissingDataError(f"no Dask scheduler answers at {address}: {error}") from error
    except ValueError as error:
        raise InputError(f"cluster {address!r}: give tcp://HOST:PORT ({error})") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise MissingDataError(f"the Dask cluster at {address} has no workers")
        with client.get_executor(pure=False) as executor:
            yield executor, threads

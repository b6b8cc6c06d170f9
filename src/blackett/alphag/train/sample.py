"""Events on disk as the networks see them: prepared once, then drawn by number; without torch.

Each Parquet shard becomes a folder of .npy files, which are mapped into memory. Points of an event
are rows of one array with offsets. Batch number i of a run is the same in any process and at any
time: the events of all shards are gone through in an order that its pass fixes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from blackett.alphag.cloud import CLOUD, innermost
from blackett.alphag.formats import read_parquet
from blackett.errors import FileFormatError, InputError
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from blackett.alphag.event import EventBatch
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Form", "Sample", "open_sample", "order_of"]

Form = Literal["cloud", "tracks"]
"""What is kept of an event: its 800 innermost points, or the arrays of `preparation`."""
_RAGGED = ("points", "slot")
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Sample:
    """Events of one or more shards: arrays by name, and where each event's points are.

    `arrays` hold a list each, one array a shard; `first` (shards + 1,) numbers the events.
    """

    arrays: Mapping[str, Sequence[np.ndarray]]
    first: IntArray

    def __len__(self) -> int:
        return int(self.first[-1])

    def take(self, rows: IntArray) -> dict[str, np.ndarray]:
        """Arrays of some events, in their order; `count` (k,) tells the rows of each in `points`
        and, if there, `slot`."""
        shard = np.searchsorted(self.first, rows, side="right") - 1
        order = np.argsort(shard, kind="stable")
        back = np.argsort(order, kind="stable")
        used, begin = np.unique(shard[order], return_index=True)
        parts = [
            self._of_shard(int(s), rows[group] - self.first[s])
            for s, group in zip(used, np.split(order, begin[1:]), strict=True)
        ]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return _reordered(found, back)

    def _of_shard(self, shard: int, local: IntArray) -> dict[str, np.ndarray]:
        offset = self.arrays["offset"][shard]
        start, count = offset[local], offset[local + 1] - offset[local]
        place = _ranges(start, count)
        taken = {
            name: values[shard][place if name in _RAGGED else local]
            for name, values in self.arrays.items()
            if name != "offset"
        }
        return {**taken, "count": count}

    @cached_property
    def truth(self) -> tuple[FloatArray, np.ndarray]:
        """Vertices (n, 3) in mm, nan for cosmic muons, and whether each is one."""
        return np.concatenate(self.arrays["vertex"]), np.concatenate(self.arrays["cosmic"])

    @cached_property
    def tracks(self) -> IntArray:
        """Numbers of tracks (n,) that are seen, of prepared events."""
        return np.concatenate([mask.sum(axis=1) for mask in self.arrays["mask"]]).astype(np.int64)

    def head(self, most: int) -> IntArray:
        """Numbers of the first events, at most so many from each kind (annihilation, cosmic)."""
        cosmic = self.truth[1]
        kinds = [np.flatnonzero(cosmic == kind)[:most] for kind in (False, True)]
        found: IntArray = np.sort(np.concatenate(kinds))
        return found


def _ranges(start: IntArray, count: IntArray) -> IntArray:
    """start[0], start[0] + 1, ... for each of the counts, one after the other."""
    if not count.size:
        return np.zeros(0, np.int64)
    begin = np.cumsum(count) - count
    rows: IntArray = np.arange(int(count.sum())) + np.repeat(start - begin, count)
    return rows


def _reordered(found: dict[str, np.ndarray], order: IntArray) -> dict[str, np.ndarray]:
    count = found["count"]
    rows = _ranges((np.cumsum(count) - count)[order], count[order])
    return {name: v[rows if name in _RAGGED else order] for name, v in found.items()}


def order_of(seed: int, batch: int, index: int, events: int) -> IntArray:
    """Numbers of the events of batch `index`: pass after pass through all, each in its own order.

    Raises InputError for fewer events than a batch.
    """
    if events < batch:
        raise InputError(f"{events} events are too few for batches of {batch}")
    start = index * batch
    parts = []
    while batch:
        turn, place = divmod(start, events)
        piece = numbered(seed, turn).permutation(events)[place : place + batch]
        parts.append(piece)
        start, batch = start + piece.size, batch - piece.size
    return np.concatenate(parts)


def open_sample(
    folders: Sequence[Path],
    form: Form,
    cache: Path,
    tell: Callable[[str], None] = lambda _: None,
) -> Sample:
    """The events of folders of simulated Parquet shards, prepared into `cache` where they are not.

    Raises FileFormatError for a folder without shards, or a shard without truth.
    """
    shards = [file for folder in folders for file in _shards(folder)]
    pieces = []
    for number, shard in enumerate(shards):
        place = cache / _name(shard, form)
        if not place.is_dir():
            _write(shard, form, place)
            tell(f"prepared {number + 1} of {len(shards)}: {shard.name}")
        pieces.append({f.stem: np.load(f, mmap_mode="r") for f in sorted(place.glob("*.npy"))})
    lengths = [len(piece["vertex"]) for piece in pieces]
    arrays = {name: [piece[name] for piece in pieces] for name in pieces[0]}
    return Sample(arrays, np.concatenate([[0], np.cumsum(lengths)]))


def _shards(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.parquet"))
    if not found:
        raise FileFormatError(str(folder), "", "the folder holds no *.parquet file")
    return found


def _name(shard: Path, form: Form) -> str:
    """A name that changes with the file and with what is made of it."""
    state = shard.stat()
    facts = [str(shard.resolve()), state.st_size, state.st_mtime_ns, form, _meaning(form)]
    return f"{shard.stem}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}"


def _meaning(form: Form) -> str:
    if form == "cloud":
        return f"{_VERSION} {CLOUD}"
    from blackett.alphag.preparation.layout import layout_sha256

    return f"{_VERSION} {layout_sha256()}"


def _write(shard: Path, form: Form, place: Path) -> None:
    """Prepare a shard into a folder that appears whole or not at all."""
    make = _cloud if form == "cloud" else _tracks
    parts = [make(batch) | _truth(shard, batch) for batch in read_parquet(shard)]
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    aside.mkdir(parents=True)
    for name in parts[0]:
        values = [part[name] for part in parts]
        np.save(aside / f"{name}.npy", _chained(values) if name == "offset" else _stacked(values))
    try:
        aside.rename(place)
    except OSError:  # another process was first
        shutil.rmtree(aside)


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts)


def _chained(offsets: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(o) for o in offsets]))])


def _truth(shard: Path, batch: EventBatch) -> dict[str, np.ndarray]:
    if batch.vertex_mm is None or batch.cosmic is None:
        raise FileFormatError(str(shard), "target", "events must have their truth")
    return {"vertex": batch.vertex_mm, "cosmic": batch.cosmic}


def _cloud(batch: EventBatch) -> dict[str, np.ndarray]:
    points, offset = innermost(batch)
    return {"points": points, "offset": offset}


def _tracks(batch: EventBatch) -> dict[str, np.ndarray]:
    """The prepared arrays for `MOST_KEPT` tracks; points as float16, whose columns are of order 1,
    and `slot` from 0 to `MOST_KEPT`, the remainder."""
    from blackett.alphag.preparation import MOST_KEPT, prepare

    made = prepare(batch)
    missing = MOST_KEPT - made.mask.shape[1]
    own = made.slot % (made.mask.shape[1] + 1)
    slot = np.where(own == made.mask.shape[1], MOST_KEPT, own).astype(np.int8)

    def padded(values: np.ndarray) -> np.ndarray:
        return np.pad(values, [(0, 0), (0, missing), *[(0, 0)] * (values.ndim - 2)])

    return {
        "tracks": padded(made.tracks), "mask": padded(made.mask), "lines": padded(made.lines),
        "event": made.event, "anchor": made.anchor_mm, "points": made.points.astype(np.float16),
        "slot": slot, "offset": batch.point_offset,
    }  # fmt: skip

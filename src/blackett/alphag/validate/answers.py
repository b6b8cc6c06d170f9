"""Methods run over a stream of events: what they say, and the halves of muons among their
tracks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.evaluate import method_and_settings
from blackett.alphag.evaluate.sample import first_events
from blackett.alphag.event import EventBatch, joined
from blackett.alphag.reconstruction import reconstruct_batches
from blackett.alphag.validate.halves import Halves, joined_halves, split_tracks
from blackett.alphag.validate.records import Found
from blackett.alphag.vertex import STATUSES
from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from blackett.alphag.vertex import Vertices

__all__ = ["answered", "gathered"]


def gathered(
    paths: Sequence[str | Path], method: str, limit: int | None = None, workers: int = 1
) -> tuple[Found, Halves]:
    """A method, NAME or NAME:PRESET, on the first `limit` events of files.

    Raises `InputError` for an unknown method or files without events.
    """
    columns: list[tuple[np.ndarray, ...]] = []
    halves = []
    for batch, vertices in answered(first_events(paths, limit), method, workers):
        columns.append(
            (vertices.position_mm, vertices.covariance_mm2, vertices.status, vertices.p_cosmic)
        )
        halves.append(split_tracks(batch, vertices.point_track))
    if not columns:
        raise InputError("no events: give files that hold some")
    position, covariance, status, p_cosmic = map(np.concatenate, zip(*columns, strict=True))
    words = np.array(STATUSES)[status]
    return Found(method, position, covariance, words, p_cosmic), joined_halves(halves)


def answered(
    batches: Iterable[EventBatch], method: str, workers: int = 1
) -> Iterator[tuple[EventBatch, Vertices]]:
    """Pieces of the stream with a method's answers; memory is that of the pieces under way."""
    waiting: deque[EventBatch] = deque()

    def noted() -> Iterator[EventBatch]:
        for batch in batches:
            waiting.append(batch)
            yield batch

    name, settings = method_and_settings(method)
    start = 0
    for part in reconstruct_batches(noted(), name, settings, workers):
        while start == len(waiting[0]):
            waiting.popleft()
            start = 0
        end = start + len(part)
        yield _piece(waiting[0], start, end), part
        start = end


def _piece(batch: EventBatch, start: int, end: int) -> EventBatch:
    return joined([batch[k] for k in range(start, end)])

"""From events to vertices by any method: one batch, a stream, or several processes.

    for vertex in reconstruct(alphag.read("sample"), "helix-hough"): ...

A method is a module with `reconstruct_batch(batch, settings)` and `DEFAULT`, its settings (a frozen
dataclass); `PRESETS` names further sets where it has some. A method with a trained network has
`settings_from(folder)`, settings with the network in a folder, and `described(settings)`, which
names it by its SHA-256. A method is loaded when it is first used, and sees neither the truth of an
event nor the tracks that made its points.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from blackett.alphag.event import EventBatch, joined
from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from blackett.alphag.event import Event
    from blackett.alphag.vertex import Vertex, Vertices

__all__ = [
    "METHODS",
    "described",
    "preset",
    "presets",
    "reconstruct",
    "reconstruct_batch",
    "reconstruct_batches",
    "settings_hash",
]

METHODS: Final = {
    "helix-hough": "blackett.alphag.vertexing.hough",
    "helix-chain": "blackett.alphag.vertexing.chain",
    "helix-robust": "blackett.alphag.robust",
    "pear": "blackett.alphag.pear",
    "blackett": "blackett.alphag.network",
}
"""Modules of the methods."""
PIECE: Final = 500
"""Events that are reconstructed at a time."""


def presets(method: str) -> dict[str, Any]:
    """Settings of a method by name, "default" first. Raises `InputError` for an unknown method."""
    module = _module(method)
    return {"default": module.DEFAULT, **getattr(module, "PRESETS", {})}


def preset(method: str, name: str) -> Any:
    """One of a method's settings: by name, or of a trained network by the folder that holds it.

    Raises `InputError` for an unknown method or name.
    """
    known, module = presets(method), _module(method)
    if name in known:
        return known[name]
    if not hasattr(module, "settings_from"):
        raise InputError(f"preset {name!r} of {method}: give one of {sorted(known)}")
    return module.settings_from(name)


def described(method: str, settings: Any = None) -> dict[str, Any]:
    """All settings of a method (None: its default), with a network as its SHA-256.

    Raises as `reconstruct_batch` where a network cannot be loaded.
    """
    module = _module(method)
    chosen = module.DEFAULT if settings is None else settings
    found: dict[str, Any] = getattr(module, "described", asdict)(chosen)
    return found


def settings_hash(method: str, settings: Any = None) -> str:
    """SHA-256, hexadecimal, of a method's name and `described`."""
    text = json.dumps([method, described(method, settings)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def reconstruct(
    events: Iterable[Event], method: str, settings: Any = None, workers: int = 1
) -> Iterator[Vertex]:
    """An answer for every event, in their order; memory is that of some hundreds of events.

    Raises `InputError` for an unknown method, settings of another method, or no worker.
    """
    parts = reconstruct_batches(_gathered(events), method, settings, workers)
    return (vertex for part in parts for vertex in part)


def reconstruct_batch(batch: EventBatch, method: str, settings: Any = None) -> Vertices:
    """The answers for the events of a batch, in their order; errors as `reconstruct`."""
    vertices: Vertices = _function(method, settings)(_without_truth(batch, 0, len(batch)))
    return vertices


def reconstruct_batches(
    batches: Iterable[EventBatch], method: str, settings: Any = None, workers: int = 1
) -> Iterator[Vertices]:
    """The answers in pieces of up to 500 events, in their order; errors as `reconstruct`."""
    if workers < 1:
        raise InputError(f"{workers} workers: give at least 1")
    function = _function(method, settings)
    pieces = (piece for batch in batches for piece in _pieces(batch))
    return map(function, pieces) if workers == 1 else _in_processes(function, pieces, workers)


def _module(method: str) -> Any:
    if method not in METHODS:
        raise InputError(f"method {method!r}: give one of {sorted(METHODS)}")
    return importlib.import_module(METHODS[method])


def _function(method: str, settings: Any) -> Callable[[EventBatch], Vertices]:
    module = _module(method)
    chosen = module.DEFAULT if settings is None else settings
    if type(chosen) is not type(module.DEFAULT):
        raise InputError(
            f"{method} takes {type(module.DEFAULT).__name__}, not {type(chosen).__name__}"
        )
    return partial(module.reconstruct_batch, settings=chosen)


def _gathered(events: Iterable[Event]) -> Iterator[EventBatch]:
    waiting = iter(events)
    while piece := list(islice(waiting, PIECE)):
        yield joined(piece)


def _pieces(batch: EventBatch) -> Iterator[EventBatch]:
    for start in range(0, len(batch), PIECE):
        yield _without_truth(batch, start, min(start + PIECE, len(batch)))


def _without_truth(batch: EventBatch, start: int, end: int) -> EventBatch:
    """Some events of a batch, with what a detector can know of them."""
    points = slice(batch.point_offset[start], batch.point_offset[end])
    bars = slice(batch.bar_offset[start], batch.bar_offset[end])
    columns = {name: getattr(batch.points, name)[points] for name in batch.points.names()}
    columns["track"] = np.full(points.stop - points.start, -1)
    return EventBatch(
        batch.number[start:end],
        batch.point_offset[start : end + 1] - points.start,
        type(batch.points)(**columns),
        batch.bar_offset[start : end + 1] - bars.start,
        batch.bars.rows(bars),
        batch.trigger[start:end],
    )


def _in_processes(
    function: Callable[[EventBatch], Vertices], pieces: Iterator[EventBatch], workers: int
) -> Iterator[Vertices]:
    """Answers in order; no more pieces under way than twice the workers."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = deque(pool.submit(function, piece) for piece in islice(pieces, 2 * workers))
        try:
            while running:
                done = running.popleft().result()
                running.extend(pool.submit(function, piece) for piece in islice(pieces, 1))
                yield done
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

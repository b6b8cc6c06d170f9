"""Methods of vertex reconstruction on the same simulated events: metrics, pictures, one report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.evaluate.metrics import DEFINITIONS, GROUPS, Scores, in_common, score
from blackett.alphag.evaluate.page import build
from blackett.alphag.evaluate.rejection import REJECTION, Rejection, rejection
from blackett.alphag.evaluate.sample import (
    Answers,
    Sample,
    drawn_from_floor,
    first_events,
    method_and_settings,
    read_answers,
    read_sample,
    reconstructed,
    sample_of,
)
from blackett.alphag.event import joined
from blackett.alphag.reconstruction import reconstruct_batch
from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from blackett.alphag.event import Event
    from blackett.alphag.vertex import Vertex
    from blackett.report import Report

__all__ = [
    "DEFINITIONS", "GROUPS", "REJECTION", "Answers", "Rejection", "Sample", "Scores", "compare",
    "drawn_from_floor", "evaluate", "method_and_settings", "read_answers", "read_sample",
    "reconstructed", "rejection", "sample_of", "score",
]  # fmt: skip

_SHOWN: Final = (0.5, 0.9, 0.99)
"""Quantiles of the distance in z of the events that are displayed."""
_FIRST: Final = 500
"""Events among which they are chosen."""


def evaluate(
    paths: Sequence[str | Path],
    methods: Sequence[str],
    vertices: Mapping[str, str | Path],
    rng: np.random.Generator,
    provenance: Mapping[str, str],
    limit: int | None = None,
    workers: int = 1,
) -> Iterator[str | Report]:
    """Run `methods`, read the answers of others from CSV files, and compare them all.

    Yields lines on the progress and, last, the report. Raises `InputError` without a method or with
    a name given twice, `MissingDataError` for events without truth, `FileFormatError` for files
    that cannot be read or are of other events.
    """
    if not paths:
        raise InputError("no events: give Parquet files, or folders of them")
    _check_names(methods, vertices)
    sample = read_sample(paths, limit)
    yield f"{len(sample)} events, {int(sample.annihilations.sum())} with a true vertex"
    read = [read_answers(path, name, sample) for name, path in vertices.items()]
    every = []
    for method in methods:
        every.append(reconstructed(first_events(paths, limit), method, workers))
        yield f"{method}: {int(every[-1].found.sum())} answers"
    yield compare(sample, [*every, *read], _displayed(paths, methods, limit), rng, provenance)


def compare(
    sample: Sample,
    every: Sequence[Answers],
    shown: Sequence[tuple[Event, Vertex, str]],
    rng: np.random.Generator,
    provenance: Mapping[str, str],
) -> Report:
    """The report on answers for the same events, with the floor as a method of its own where the
    truth allows it."""
    drawn = drawn_from_floor(sample, rng)
    methods = [*every, drawn] if drawn.found.any() else list(every)
    scores = [score(sample, answers, drawn, rng) for answers in methods]
    common = in_common(sample, methods, drawn, rng)
    rejections = [r for a in every if (r := rejection(sample, a, rng)) is not None]
    return build(sample, methods, scores, common, shown, provenance, rejections)


def _check_names(methods: Sequence[str], vertices: Mapping[str, str | Path]) -> None:
    names = [*methods, *vertices, "floor"]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"methods {twice} are named twice ('floor' is always there): rename them")
    if len(names) == 1:
        raise InputError("nothing to evaluate: give methods to run, or files of vertices")
    for method in methods:
        method_and_settings(method)


def _displayed(
    paths: Sequence[str | Path], methods: Sequence[str], limit: int | None
) -> list[tuple[Event, Vertex, str]]:
    """A typical, a poor and a bad answer of the last method among the first events."""
    if not methods:
        return []
    few = _FIRST if limit is None else min(limit, _FIRST)
    events = [event for batch in first_events(paths, few) for event in batch]
    vertices = reconstruct_batch(joined(events), *method_and_settings(methods[-1]))
    true = np.array([np.nan if e.truth is None else e.truth.vertex_mm[2] for e in events])
    distance = np.abs(vertices.position_mm[:, 2] - true)
    order = np.argsort(distance)[: int(np.isfinite(distance).sum())]
    chosen = {int(order[int(q * (len(order) - 1))]): None for q in _SHOWN} if len(order) else {}
    return [(events[k], vertices[k], methods[-1]) for k in chosen]

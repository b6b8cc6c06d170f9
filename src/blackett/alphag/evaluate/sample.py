"""The events of an evaluation, and what each method says about them, in the same order."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.alphag.event import EventBatch, joined
from blackett.alphag.floor import floor_covariance
from blackett.alphag.formats import read_batches
from blackett.alphag.reconstruction import preset, reconstruct_batches
from blackett.alphag.transport import Process
from blackett.alphag.vertex import STATUSES
from blackett.alphag.vertex_csv import COLUMNS
from blackett.arrays import frozen
from blackett.errors import FileFormatError, InputError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "Answers",
    "Sample",
    "drawn_from_floor",
    "first_events",
    "method_and_settings",
    "read_answers",
    "read_sample",
    "reconstructed",
    "sample_of",
]

_CHARGED = (11, 13, 211, 2212)
_PREDICTION_TOLERANCE_MM = 0.01


@dataclass(frozen=True, eq=False)
class Sample:
    """Truth of n events: `number`, `vertex_mm` (n, 3) (nan for a cosmic muon), `n_points`;
    `tracks`, charged particles made at the vertex that crossed the gas (-1 unknown); `floor_mm2`
    (n, 3, 3), nan where there is no floor; `trigger` (n,), wire pattern (-1 unknown, as all are
    where it is left out)."""

    number: IntArray
    vertex_mm: FloatArray
    n_points: IntArray
    tracks: IntArray
    floor_mm2: FloatArray
    trigger: IntArray | None = None

    def __post_init__(self) -> None:
        if self.trigger is None:
            object.__setattr__(self, "trigger", np.full(len(self.number), -1))

    def __len__(self) -> int:
        return len(self.number)

    @property
    def annihilations(self) -> np.ndarray:
        """True (n,) for events that have a true vertex."""
        return np.asarray(np.isfinite(self.vertex_mm).all(axis=1))


@dataclass(frozen=True, eq=False)
class Answers:
    """What a method says about n events: `position_mm` (n, 3) and `covariance_mm2` (n, 3, 3), nan
    where there is none (x and y of a method that gives z alone); `status` (n,), words; `p_cosmic`
    (n,), nan where the method has none, as everywhere if it is left out."""

    name: str
    position_mm: FloatArray
    covariance_mm2: FloatArray
    status: np.ndarray
    p_cosmic: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.status)
        if self.p_cosmic is None:
            object.__setattr__(self, "p_cosmic", np.full(n, np.nan))
        shapes = {"position_mm": (n, 3), "covariance_mm2": (n, 3, 3), "p_cosmic": (n,)}
        for name, shape in shapes.items():
            array = frozen(getattr(self, name))
            if array.shape != shape:
                raise InputError(f"Answers.{name}: shape {array.shape}, not {shape}")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.status)

    @property
    def found(self) -> np.ndarray:
        """True (n,) where there is a z."""
        return np.asarray(np.isfinite(self.position_mm[:, 2]))


def first_events(paths: Sequence[str | Path], limit: int | None) -> Iterator[EventBatch]:
    """Batches of files or folders one after the other, up to `limit` events."""
    left = limit
    for path in paths:
        for batch in read_batches(path):
            if left is not None and left <= len(batch):
                yield joined([batch[k] for k in range(left)]) if left < len(batch) else batch
                return
            left = None if left is None else left - len(batch)
            yield batch


def read_sample(paths: Sequence[str | Path], limit: int | None = None) -> Sample:
    """Truth and floor of the first `limit` events of files.

    Events whose truth has no tracks (the public columns alone) get no floor. Raises
    `MissingDataError` for events without truth, `InputError` if there is no annihilation.
    """
    if limit is not None and limit < 1:
        raise InputError(f"{limit} events: give at least 1")
    sample = sample_of(first_events(paths, limit))
    if not sample.annihilations.any():
        raise InputError(f"none of {len(sample)} events is an annihilation with a true vertex")
    return sample


def sample_of(batches: Iterable[EventBatch]) -> Sample:
    """Truth and floor of the events of batches. Raises as `read_sample`."""
    parts = [_truth(batch) for batch in batches]
    if not parts:
        raise InputError("there is no event to evaluate")
    return Sample(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _truth(batch: EventBatch) -> tuple[np.ndarray, ...]:
    if batch.vertex_mm is None or batch.tracks is None or batch.track_offset is None:
        raise MissingDataError(
            "these events carry no true vertex, as measured ones do not: nothing to evaluate "
            "against. 'blackett alphag reconstruct' gives their vertices"
        )
    n, tracks = len(batch), np.full(len(batch), -1)
    floor = np.full((n, 3, 3), np.nan)
    if len(batch.tracks):
        event = np.repeat(np.arange(n), np.diff(batch.track_offset))
        own = batch.tracks.made_by == Process.PRIMARY
        own &= np.isin(np.abs(batch.tracks.pdg), _CHARGED)
        tracks = np.bincount(event[own], minlength=n)
        floor[:] = floor_covariance(batch)
    vertex = np.asarray(batch.vertex_mm, np.float64)
    return batch.number, vertex, np.diff(batch.point_offset), tracks, floor, batch.trigger


def reconstructed(batches: Iterable[EventBatch], method: str, workers: int = 1) -> Answers:
    """The answers of a method, NAME or NAME:PRESET, for the events of all batches.

    Raises `InputError` for an unknown method or preset, as `reconstruct_batches` does.
    """
    name, settings = method_and_settings(method)
    words = np.array(STATUSES)
    parts = [
        (part.position_mm, part.covariance_mm2, part.status, part.p_cosmic)
        for part in reconstruct_batches(batches, name, settings, workers)
    ]
    position, covariance, status, muon = (np.concatenate(c) for c in zip(*parts, strict=True))
    return Answers(method, position, covariance, words[status], muon)


def method_and_settings(method: str) -> tuple[str, Any]:
    """Name and settings of NAME or NAME:PRESET. Raises `InputError` if there is none."""
    name, _, chosen = method.partition(":")
    return name, preset(name, chosen or "default")


def drawn_from_floor(sample: Sample, rng: np.random.Generator) -> Answers:
    """What an estimator that reaches the floor would say: the truth and a draw from each event's
    floor covariance."""
    known = np.isfinite(sample.floor_mm2).all(axis=(1, 2)) & sample.annihilations
    position = np.full((len(sample), 3), np.nan)
    root = np.linalg.cholesky(sample.floor_mm2[known])
    drawn = np.einsum("nij,nj->ni", root, rng.normal(size=(len(root), 3)))
    position[known] = sample.vertex_mm[known] + drawn
    status = np.where(known, "ok", "no track")
    return Answers("floor", position, sample.floor_mm2, status)


def read_answers(path: str | Path, name: str, sample: Sample) -> Answers:
    """A method's answers from a CSV file: of `blackett alphag reconstruct`, or `target,prediction`.

    Rows must be those of the sample's events, in their order; rows beyond them are passed over.
    Raises `FileFormatError` naming the line for anything else.
    """
    header, rows = _table(str(path), len(sample))
    if header[: len(COLUMNS)] == list(COLUMNS):
        return _vertices(str(path), name, rows, sample)
    if header[:2] == ["target", "prediction"]:
        return _predictions(str(path), name, rows, sample)
    raise FileFormatError(
        str(path), "header",
        f"must be that of 'blackett alphag reconstruct' ({','.join(COLUMNS[:4])}, ...) or "
        f"target,prediction, not {','.join(header)[:80]!r}",
    )  # fmt: skip


def _table(path: str, n: int) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header's names and the first n rows with their line numbers, `#` lines left out."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            lines = ((k, line) for k, line in enumerate(file, 1) if not line.startswith("#"))
            cells = ((k, next(csv.reader([line]))) for k, line in lines if line.strip())
            header = next(cells, (0, []))[1]
            rows = [row for row, _ in zip(cells, range(n), strict=False)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(path, "", f"cannot be read: {error}") from error
    if len(rows) < n:
        raise FileFormatError(path, "", f"holds {len(rows)} rows for the {n} events evaluated")
    return [word.strip() for word in header], rows


def _vertices(path: str, name: str, rows: list[tuple[int, list[str]]], sample: Sample) -> Answers:
    table = np.array([_numbers(path, k, row[:11], 11) for k, row in rows])
    same = table[:, 0] == sample.number
    if not same.all():
        k = int(np.argmin(same))
        raise FileFormatError(
            path, f"line {rows[k][0]}",
            f"is of event {rows[k][1][0]} where the sample has event {sample.number[k]}: give the "
            "vertices of the same events in the same order",
        )  # fmt: skip
    status = np.array([row[-1].strip() for _, row in rows])
    x, y, z, xy, xz, yz = table[:, 4:10].T
    covariance = np.stack([x, xy, xz, xy, y, yz, xz, yz, z], axis=1).reshape(-1, 3, 3)
    return Answers(name, table[:, 1:4], covariance, status, table[:, 10])


def _predictions(
    path: str, name: str, rows: list[tuple[int, list[str]]], sample: Sample
) -> Answers:
    table = np.array([_numbers(path, k, row[:2], 2) for k, row in rows])
    far = np.abs(table[:, 0] - sample.vertex_mm[:, 2]) > _PREDICTION_TOLERANCE_MM
    if far.any():
        k = int(np.argmax(far))
        raise FileFormatError(
            path, f"line {rows[k][0]}",
            f"has the target {rows[k][1][0]} where the sample has z = {sample.vertex_mm[k, 2]:.4f} "
            "mm: give the predictions of the same events in the same order",
        )  # fmt: skip
    position = np.full((len(rows), 3), np.nan)
    position[:, 2] = table[:, 1]
    status = np.where(np.isfinite(table[:, 1]), "ok", "no prediction")
    unknown = np.full((len(rows), 3, 3), np.nan)
    return Answers(name, position, unknown, status)


def _numbers(path: str, line: int, cells: list[str], width: int) -> list[float]:
    """Cells as numbers, nan where they are empty."""
    if len(cells) < width:
        raise FileFormatError(path, f"line {line}", f"has {len(cells)} cells, not {width}")
    try:
        return [float(cell) if cell.strip() else np.nan for cell in cells]
    except ValueError as error:
        raise FileFormatError(path, f"line {line}", f"has a cell that is no number: {error}") from (
            error
        )

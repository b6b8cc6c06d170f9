"""What a method says about simulated atoms and muons, reduced to what counting needs; kept in a
file, so that a budget can be made again without reconstructing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.evaluate.sample import first_events, method_and_settings
from blackett.alphag.gravity.straight import line_residuals_mm2
from blackett.alphag.reconstruction import reconstruct_batches, settings_hash
from blackett.alphag.vertex import joined
from blackett.arrays import frozen
from blackett.errors import InputError, MissingDataError
from blackett.files import written_aside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blackett.alphag.event import EventBatch
    from blackett.alphag.vertex import Vertices
    from blackett.arrays import FloatArray

__all__ = ["Judged", "judge"]


@dataclass(frozen=True, eq=False)
class Judged:
    """n simulated events and a method's answers, all (n,): `true_z_mm` (nan: cosmic muon), `z_mm`
    and `r_mm` (nan: no vertex), `n_tracks`, `p_cosmic` (nan: the method has none) and `line_mm2`,
    the classical discriminator (`straight`)."""

    true_z_mm: FloatArray
    z_mm: FloatArray
    r_mm: FloatArray
    n_tracks: FloatArray
    p_cosmic: FloatArray
    line_mm2: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            array = frozen(getattr(self, field.name))
            if array.shape != (len(self.true_z_mm),):
                raise InputError(f"Judged.{field.name}: shape {array.shape}, not (n,)")
            object.__setattr__(self, field.name, array)

    def __len__(self) -> int:
        return len(self.true_z_mm)

    @property
    def cosmic(self) -> np.ndarray:
        """True (n,) for muons."""
        return np.asarray(np.isnan(self.true_z_mm))


def judge(
    paths: Sequence[str | Path],
    method: str,
    kept: str | Path | None = None,
    data_hash: str = "",
    workers: int = 1,
) -> Judged:
    """Reconstruct all events of files or folders by a method, NAME or NAME:PRESET.

    With `kept`, a file: read from there if it holds the same method, settings and events
    (`data_hash`), else made and written. Raises `MissingDataError` for events without truth.
    """
    name, settings = method_and_settings(method)
    key = f"{settings_hash(name, settings)} {data_hash}"
    place = None if kept is None else Path(kept)
    if place is not None and place.exists():
        with np.load(place) as columns:
            if str(columns["key"]) == key:
                return Judged(*(columns[field.name] for field in fields(Judged)))
    parts = [
        _columns(batch, vertices) for batch, vertices in _answers(paths, name, settings, workers)
    ]
    made = Judged(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    if place is not None:
        with written_aside(place) as aside:
            noted = {field.name: getattr(made, field.name) for field in fields(Judged)}
            np.savez_compressed(aside, key=np.array(key), **noted)
    return made


def _answers(
    paths: Sequence[str | Path], name: str, settings: object, workers: int
) -> Iterator[tuple[EventBatch, Vertices]]:
    """Batches with their answers; the pieces of a batch never reach into the next."""
    waiting: deque[EventBatch] = deque()

    def noted() -> Iterator[EventBatch]:
        for batch in first_events(paths, None):
            waiting.append(batch)
            yield batch

    pieces: list[Vertices] = []
    for piece in reconstruct_batches(noted(), name, settings, workers):
        pieces.append(piece)
        if sum(len(part) for part in pieces) == len(waiting[0]):
            yield waiting.popleft(), joined(pieces)
            pieces = []


def _columns(batch: EventBatch, vertices: Vertices) -> tuple[FloatArray, ...]:
    if batch.vertex_mm is None or batch.cosmic is None:
        raise MissingDataError(
            "these events carry no truth, as measured ones do not: a response is measured on "
            "simulated ones ('blackett alphag simulate')"
        )
    x, y, z = vertices.position_mm.T
    true = np.where(batch.cosmic, np.nan, batch.vertex_mm[:, 2])
    tracks = np.asarray(vertices.n_tracks, np.float64)
    line = line_residuals_mm2(batch, vertices)
    return true, z, np.hypot(x, y), tracks, vertices.p_cosmic, line

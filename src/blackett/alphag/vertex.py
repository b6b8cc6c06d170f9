"""Vertices: what every reconstruction says about an event, and what is left over of it.

A method answers every event. Where it gives no vertex the position is nan and `status` says why.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blackett.arrays import FloatArray, IntArray

__all__ = ["STATUSES", "Vertex", "Vertices", "joined"]

STATUSES: Final = (
    "ok",  # a vertex of two tracks or more
    "one track",  # a vertex from one track and what is known of the trap
    "no points",
    "no track",
    "too few tracks",  # tracks, but too few that this method can use
    "not converged",
    "too many points",  # more than the method takes: not tried
)
"""What a method may say; a vertex is given for "ok" and "one track", and by networks, which answer
from points alone, for "no track" too."""


@dataclass(frozen=True, eq=False)
class Vertex:
    """One event's answer.

    `position_mm` (3,) and `covariance_mm2` (3, 3), nan without a vertex; `p_cosmic`, probability
    of a cosmic muon, nan where the method has none; `status`, one of `STATUSES`; `n_tracks`, tracks
    that make the vertex; `point_track` (n_points,), int32: track of each point, in the method's own
    numbering, -1 for the remainder that no track uses.
    """

    number: int
    position_mm: FloatArray
    covariance_mm2: FloatArray
    p_cosmic: float
    n_tracks: int
    status: str
    point_track: IntArray

    @property
    def n_points(self) -> int:
        """Points of the event."""
        return len(self.point_track)


@dataclass(frozen=True, eq=False)
class Vertices:
    """The answers for n events as arrays; indexing and iterating give `Vertex`es.

    `number` (n,); `position_mm` (n, 3); `covariance_mm2` (n, 3, 3); `p_cosmic` (n,); `n_tracks`
    (n,); `status` (n,), int8 index into `STATUSES`; `point_track` (rows,), int32, of the points of
    all events, delimited by `point_offset` (n + 1,), as in the `EventBatch`.
    """

    number: IntArray
    position_mm: FloatArray
    covariance_mm2: FloatArray
    p_cosmic: FloatArray
    n_tracks: IntArray
    status: IntArray
    point_offset: IntArray
    point_track: IntArray

    def __post_init__(self) -> None:
        n, rows = len(self.number), len(self.point_track)
        shapes = {
            "number": (np.int64, (n,)), "position_mm": (np.float64, (n, 3)),
            "covariance_mm2": (np.float64, (n, 3, 3)), "p_cosmic": (np.float64, (n,)),
            "n_tracks": (np.int32, (n,)), "status": (np.int8, (n,)),
            "point_offset": (np.int64, (n + 1,)), "point_track": (np.int32, (rows,)),
        }  # fmt: skip
        for name, (kind, shape) in shapes.items():
            array = frozen(getattr(self, name), kind)
            if array.shape != shape:
                raise InputError(f"Vertices.{name}: shape {array.shape}, not {shape}")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.number)

    @property
    def found(self) -> np.ndarray:
        """True (n,) where there is a vertex."""
        return np.asarray(np.isfinite(self.position_mm).all(axis=1))

    @property
    def n_points(self) -> IntArray:
        """Points of each event (n,)."""
        return np.diff(self.point_offset)

    def __getitem__(self, k: int) -> Vertex:
        if not -len(self) <= k < len(self):
            raise IndexError(k)
        k %= len(self)
        return Vertex(
            int(self.number[k]),
            self.position_mm[k],
            self.covariance_mm2[k],
            float(self.p_cosmic[k]),
            int(self.n_tracks[k]),
            STATUSES[self.status[k]],
            self.point_track[self.point_offset[k] : self.point_offset[k + 1]],
        )

    def __iter__(self) -> Iterator[Vertex]:
        return (self[k] for k in range(len(self)))


def joined(parts: Sequence[Vertices]) -> Vertices:
    """Several answers as one, in their order. Raises `InputError` for none."""
    if not parts:
        raise InputError("no vertices to join: give at least one part")
    columns = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Vertices)
        if f.name != "point_offset"
    }
    lengths = np.concatenate([part.n_points for part in parts])
    return Vertices(point_offset=np.concatenate([[0], np.cumsum(lengths)]), **columns)

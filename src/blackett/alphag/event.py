"""Events: space points with their errors, hits on the barrel, and (simulated ones) the truth.

A simulated and a measured event are the same type. `Event` is one event, `EventBatch` many of them
as struct of arrays with offsets; indexing and iterating a batch gives `Event`s that share its
arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blackett.alphag.digitise.records import Digitised
    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "BarHits",
    "Event",
    "EventBatch",
    "SpacePoints",
    "Truth",
    "TruthTracks",
    "as_events",
    "joined",
]

Table = TypeVar("Table", bound="_Table")


class _Table:
    """Columns of equal length, one row for each element of an event."""

    KINDS: ClassVar[dict[str, type]] = {}
    """Columns that are not float32."""
    VECTORS: ClassVar[frozenset[str]] = frozenset()
    """Columns of shape (n, 3)."""

    def __post_init__(self) -> None:
        n = len(getattr(self, next(iter(self.names()))))
        for name in self.names():
            array = _read_only(getattr(self, name), self.KINDS.get(name, np.float32))
            shape = (n, 3) if name in self.VECTORS else (n,)
            if array.shape != shape:
                raise InputError(f"{type(self).__name__}.{name}: shape {array.shape}, not {shape}")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.names()))))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(f.name for f in fields(cls))  # type: ignore[arg-type]

    @classmethod
    def empty(cls, rows: int = 0) -> Self:
        """A table of zeros."""
        return cls(**{n: np.zeros((rows, 3) if n in cls.VECTORS else rows) for n in cls.names()})

    def rows(self, chosen: slice | IntArray) -> Self:
        """Some of the rows."""
        return type(self)(**{name: getattr(self, name)[chosen] for name in self.names()})


def _read_only(values: Any, kind: type) -> np.ndarray:
    """A read-only array; one that is already so is shared, not copied."""
    if isinstance(values, np.ndarray) and values.dtype == kind and not values.flags.writeable:
        return values
    return frozen(values, kind)


@dataclass(frozen=True, eq=False)
class SpacePoints(_Table):
    """Space points in time order, float32 columns of length n.

    `x_mm`, `y_mm`, `z_mm`; standard errors `sigma_rphi_mm` (along the circumference),
    `sigma_z_mm`, `sigma_r_mm`; `amplitude`, the wire's avalanche size; `pad_amplitude`, the
    largest pad's, in counts; `time_ns`, centre of the 16 ns bin; `wire`, anode wire (int16, -1
    unknown); `track`, simulated track that made it (int32, row of the event's `TruthTracks`; -1
    noise, ghost or not in that table).
    """

    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray
    sigma_rphi_mm: FloatArray
    sigma_z_mm: FloatArray
    sigma_r_mm: FloatArray
    amplitude: FloatArray
    pad_amplitude: FloatArray
    time_ns: FloatArray
    wire: IntArray
    track: IntArray

    KINDS: ClassVar[dict[str, type]] = {"wire": np.int16, "track": np.int32}

    @property
    def xyz_mm(self) -> FloatArray:
        """Positions, shape (n, 3)."""
        return np.stack([self.x_mm, self.y_mm, self.z_mm], axis=1)

    @property
    def r_mm(self) -> FloatArray:
        """Distances to the axis."""
        return np.hypot(self.x_mm, self.y_mm)


@dataclass(frozen=True, eq=False)
class BarHits(_Table):
    """Hits on the barrel scintillator, float32 columns of length n.

    `bar` (int16, 0-63); `top_ns`, `bottom_ns`, times at the ends at +z and -z; `top_counts`,
    `bottom_counts`, amplitudes. Position along z: light speed x (bottom - top) / 2.
    """

    bar: IntArray
    top_ns: FloatArray
    bottom_ns: FloatArray
    top_counts: FloatArray
    bottom_counts: FloatArray

    KINDS: ClassVar[dict[str, type]] = {"bar": np.int16}


@dataclass(frozen=True, eq=False)
class TruthTracks(_Table):
    """Simulated charged particles that crossed the gas, float32 columns of length n.

    `pdg` (int32), `made_by` (int8, `transport.Process`); `start_mm`, `momentum_mev` (n, 3), where
    and with what it was made; `entry_mm`, `entry_momentum_mev` (n, 3), at its first step in the
    gas; `gas_path_mm`, its path there.
    """

    pdg: IntArray
    made_by: IntArray
    start_mm: FloatArray
    momentum_mev: FloatArray
    entry_mm: FloatArray
    entry_momentum_mev: FloatArray
    gas_path_mm: FloatArray

    KINDS: ClassVar[dict[str, type]] = {"pdg": np.int32, "made_by": np.int8}
    VECTORS: ClassVar[frozenset[str]] = frozenset(
        ("start_mm", "momentum_mev", "entry_mm", "entry_momentum_mev")
    )


@dataclass(frozen=True, eq=False)
class Truth:
    """What a simulated event was: `vertex_mm` (3,), nan for a cosmic muon; `time_s` since the
    start of the release; `cosmic`; `tracks`."""

    vertex_mm: FloatArray
    time_s: float
    cosmic: bool
    tracks: TruthTracks


@dataclass(frozen=True, eq=False)
class Event:
    """One event: its number, points, bar hits, trigger pattern (16 bits; -1 unknown) and truth."""

    number: int
    points: SpacePoints
    bars: BarHits
    trigger: int = -1
    truth: Truth | None = None

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, eq=False)
class EventBatch:
    """Many events: tables of all their rows, and offsets (n + 1) that delimit the events' rows.

    `number` (n,), int64; `trigger` (n,), int32. Truth, all or nothing: `vertex_mm` (n, 3),
    `time_s` and `cosmic` (n,), `tracks` with `track_offset`.
    """

    number: IntArray
    point_offset: IntArray
    points: SpacePoints
    bar_offset: IntArray
    bars: BarHits
    trigger: IntArray
    vertex_mm: FloatArray | None = None
    time_s: FloatArray | None = None
    cosmic: np.ndarray | None = None
    track_offset: IntArray | None = None
    tracks: TruthTracks | None = None

    def __post_init__(self) -> None:
        n = len(self.number)
        kinds: dict[str, Any] = {"number": np.int64, "trigger": np.int32, "vertex_mm": np.float32}
        kinds |= {"time_s": np.float64, "cosmic": np.bool_}
        for name, kind in kinds.items():
            if getattr(self, name) is not None:
                array = _read_only(getattr(self, name), kind)
                if len(array) != n:
                    raise InputError(f"{name} holds {len(array)} rows for {n} events")
                object.__setattr__(self, name, array)
        for name, table in (("point", self.points), ("bar", self.bars), ("track", self.tracks)):
            if table is not None:
                self._check_offsets(f"{name}_offset", len(table))
        truth = [self.vertex_mm, self.time_s, self.cosmic, self.track_offset, self.tracks]
        if any(t is None for t in truth) != all(t is None for t in truth):
            raise InputError(
                "truth is all or nothing: vertex_mm, time_s, cosmic, track_offset, tracks"
            )

    def _check_offsets(self, name: str, rows: int) -> None:
        offset = _read_only(getattr(self, name), np.int64)
        ends = offset.size == len(self.number) + 1 and offset[0] == 0 and offset[-1] == rows
        if not ends or np.diff(offset).min(initial=0) < 0:
            raise InputError(
                f"{name} must rise from 0 to the {rows} rows of its table, one step an event"
            )
        object.__setattr__(self, name, offset)

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, k: int) -> Event:
        if not -len(self) <= k < len(self):
            raise IndexError(k)
        k %= len(self)
        points = self.points.rows(slice(self.point_offset[k], self.point_offset[k + 1]))
        bars = self.bars.rows(slice(self.bar_offset[k], self.bar_offset[k + 1]))
        return Event(int(self.number[k]), points, bars, int(self.trigger[k]), self._truth(k))

    def _truth(self, k: int) -> Truth | None:
        if self.vertex_mm is None or self.time_s is None or self.cosmic is None:
            return None
        if self.tracks is None or self.track_offset is None:
            return None
        offset = self.track_offset
        tracks = self.tracks.rows(slice(offset[k], offset[k + 1]))
        return Truth(self.vertex_mm[k], float(self.time_s[k]), bool(self.cosmic[k]), tracks)

    def __iter__(self) -> Iterator[Event]:
        return (self[k] for k in range(len(self)))


def as_events(digitised: Digitised, first: int = 0) -> EventBatch:
    """The events of a digitisation, numbered from `first`, without truth."""
    return EventBatch(
        np.arange(first, first + len(digitised.trigger)),
        digitised.point_offset,
        SpacePoints(**digitised.points),
        digitised.bar_offset,
        BarHits(**digitised.bars),
        digitised.trigger,
    )


def joined(events: Sequence[Event]) -> EventBatch:
    """A batch of single events; truth is kept if all of them have it."""
    truths = [event.truth for event in events]
    known = [truth for truth in truths if truth is not None]
    batch = EventBatch(
        np.array([event.number for event in events], np.int64),
        _offsets([len(event.points) for event in events]),
        _stacked(SpacePoints, [event.points for event in events]),
        _offsets([len(event.bars) for event in events]),
        _stacked(BarHits, [event.bars for event in events]),
        np.array([event.trigger for event in events], np.int32),
    )
    if len(known) < len(events) or not events:
        return batch
    return replace(
        batch,
        vertex_mm=np.stack([truth.vertex_mm for truth in known]),
        time_s=np.array([truth.time_s for truth in known]),
        cosmic=np.array([truth.cosmic for truth in known]),
        track_offset=_offsets([len(truth.tracks) for truth in known]),
        tracks=_stacked(TruthTracks, [truth.tracks for truth in known]),
    )


def _offsets(lengths: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _stacked(kind: type[Table], tables: Sequence[Table]) -> Table:
    if not tables:
        return kind.empty()
    return kind(**{n: np.concatenate([getattr(t, n) for t in tables]) for n in kind.names()})

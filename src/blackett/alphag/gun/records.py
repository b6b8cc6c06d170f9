"""What the gun hands on: where atoms annihilate, and the particles that start there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Primaries", "Vertices"]


@dataclass(frozen=True, eq=False)
class Vertices:
    """Where and when atoms annihilate.

    Attributes: `position_mm` (n, 3); `time_s` (n,), since the start of the release (0 if untimed).
    """

    position_mm: FloatArray
    time_s: FloatArray

    def __post_init__(self) -> None:
        position, time = frozen(self.position_mm), frozen(self.time_s)
        if position.ndim != 2 or position.shape[1] != 3 or time.shape != position.shape[:1]:
            raise InputError(
                f"vertices of shape {position.shape} with times {time.shape}: give (n, 3) and (n,)"
            )
        if not (np.isfinite(position).all() and np.isfinite(time).all()):
            raise InputError("vertices hold values that are not finite; give finite numbers")
        object.__setattr__(self, "position_mm", position)
        object.__setattr__(self, "time_s", time)

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, eq=False)
class Primaries:
    """Particles at their start, sorted by event.

    Attributes: `n_events`; per particle `event` (from 0), `pdg` (PDG number), `position_mm` (n, 3),
    `momentum_mev` (n, 3), `time_ns` (n,). Events without particles are allowed.
    """

    n_events: int
    event: IntArray
    pdg: IntArray
    position_mm: FloatArray
    momentum_mev: FloatArray
    time_ns: FloatArray

    def __post_init__(self) -> None:
        for name, kind in (("event", np.int64), ("pdg", np.int64)):
            object.__setattr__(self, name, frozen(getattr(self, name), kind))
        for name in ("position_mm", "momentum_mev", "time_ns"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        n = self.event.size
        shapes = [a.shape for a in (self.pdg, self.position_mm, self.momentum_mev, self.time_ns)]
        if shapes != [(n,), (n, 3), (n, 3), (n,)]:
            raise InputError(f"particles of shapes {shapes} for {n} event numbers do not agree")
        if n and (np.diff(self.event).min(initial=0) < 0 or self.event[0] < 0):
            raise InputError("event numbers must start at 0 or above and never fall")
        if n and self.event[-1] >= self.n_events:
            raise InputError(f"event {self.event[-1]} of only {self.n_events} events")

    def __len__(self) -> int:
        return self.event.size

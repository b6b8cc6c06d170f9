"""What the transport hands on: tracks, their steps in the gas, and hits on the barrel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["BarrelHits", "GasSegments", "Process", "Tracks", "Transported"]


class Process(IntEnum):
    """How a particle came to be, or ended."""

    PRIMARY = 0
    DECAY = 1
    PAIR = 2
    COMPTON = 3
    BREMSSTRAHLUNG = 4
    DELTA_RAY = 5
    HADRONIC = 6
    ESCAPED = 10
    STOPPED = 11
    ABANDONED = 12


@dataclass(frozen=True, eq=False)
class Tracks:
    """Every particle followed, one row each, sorted by event; a row's number is its track number.

    Attributes (n rows): `event`, `pdg`, `parent` (track number, -1 for primaries), `made_by`,
    `ended_by` (`Process`); `start_mm`, `start_momentum_mev`, `end_mm`, `end_momentum_mev` (n, 3);
    `start_ns`, `end_ns`; `deposit_mev`, energy left in matter along the way; `gas_path_mm`, path in
    the chamber gas; `gas_radius_mm`, largest radius reached there (0 if never); `gas_entry_mm` and
    `gas_momentum_mev` (n, 3) at its first step in the gas, NaN if never. A pion that reacts ends;
    the scattered one is a new track.
    """

    event: IntArray
    pdg: IntArray
    parent: IntArray
    made_by: IntArray
    ended_by: IntArray
    start_mm: FloatArray
    start_ns: FloatArray
    start_momentum_mev: FloatArray
    end_mm: FloatArray
    end_ns: FloatArray
    end_momentum_mev: FloatArray
    deposit_mev: FloatArray
    gas_path_mm: FloatArray
    gas_radius_mm: FloatArray
    gas_entry_mm: FloatArray
    gas_momentum_mev: FloatArray

    def __len__(self) -> int:
        return self.event.size


@dataclass(frozen=True, eq=False)
class GasSegments:
    """Steps of charged particles in 109.25 < r < 190 mm, |z| < 1152 mm, sorted by event and track.

    Attributes (n rows): `event`, `track` (row of `Tracks`), `pdg`; `start_mm`, `end_mm` (n, 3);
    `time_ns` at the start; `length_mm` (arc, at most the settings' gas step; 0 for what a stopped
    particle leaves); `beta_gamma` at the start; `loss_mev`, mean energy left by collisions below
    the delta-ray cut: clusters of freed electrons are drawn from it, or from `beta_gamma`, later.
    """

    event: IntArray
    track: IntArray
    pdg: IntArray
    start_mm: FloatArray
    end_mm: FloatArray
    time_ns: FloatArray
    length_mm: FloatArray
    beta_gamma: FloatArray
    loss_mev: FloatArray

    def __len__(self) -> int:
        return self.event.size


@dataclass(frozen=True, eq=False)
class BarrelHits:
    """Passages of charged particles through scintillator bars, one row for each track and bar.

    Attributes (n rows): `event`, `track`, `bar` (0-63, bar 0 centred on phi = 0); `position_mm`
    (n, 3) and `time_ns` where the particle enters the bar; `energy_mev` left in it.
    """

    event: IntArray
    track: IntArray
    bar: IntArray
    position_mm: FloatArray
    time_ns: FloatArray
    energy_mev: FloatArray

    def __len__(self) -> int:
        return self.event.size


@dataclass(frozen=True, eq=False)
class Transported:
    """Events after transport: `n_events` and three tables."""

    n_events: int
    tracks: Tracks
    gas: GasSegments
    barrel: BarrelHits

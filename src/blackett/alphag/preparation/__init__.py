"""What our network sees of an event: tracks with their nominal lines, and every point.

    prepared = prepare(batch)

"Network refines helix": tracks are found and fitted (`finding`, with `robust`'s finder), each is
followed back to the trap as one nominal pion and as an electron of a converted photon
(`inwards`), a first vertex is fitted whose z becomes
the origin (`anchor`), and everything that tells momentum, species, quality and origin of a track
becomes a feature (`features`, `tally`, `barrel`). The same function serves training and
reconstruction. `layout` says what each column means.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import log
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.drift import drift_table
from blackett.alphag.preparation.finding import Plan
from blackett.alphag.preparation.inwards import Nominal
from blackett.alphag.preparation.kernels import Clouds, Filled, new_scratch, prepare_events
from blackett.alphag.preparation.layout import (
    EVENT_COLUMNS,
    LAYOUT,
    LINE_COLUMNS,
    LINES,
    MOST_KEPT,
    POINT_COLUMNS,
    TRACK_COLUMNS,
    layout_sha256,
)
from blackett.alphag.preparation.settings import DEFAULT, Settings
from blackett.alphag.robust.finder import Search
from blackett.alphag.robust.settings import SPECTRA
from blackett.alphag.transport.apparatus import Settings as TransportSettings
from blackett.alphag.transport.apparatus import build_apparatus

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "DEFAULT",
    "EVENT_COLUMNS",
    "LAYOUT",
    "LINES",
    "LINE_COLUMNS",
    "MOST_KEPT",
    "POINT_COLUMNS",
    "TRACK_COLUMNS",
    "Prepared",
    "Settings",
    "layout_sha256",
    "prepare",
]

_KINK_MEV = 13.6 * (1 + 0.038 * log(1.2))  # Particle Data Group; 1.2 X0 on the way
_NOMINAL_MEV = 300.0
_LOW_MEV, _HIGH_MEV, _LOW_ELECTRON_MEV = 120.0, 600.0, 20.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """n events as a network sees them; T is the largest number of tracks in one of them, at least
    1 and at most `MOST_KEPT`.

    `tracks` (n, T, len(TRACK_COLUMNS)), float32, zeros where there is no track; `mask` (n, T),
    float32, 1 where there is one; `lines` (n, T, LINES, len(LINE_COLUMNS)), float32; `points`
    (rows, len(POINT_COLUMNS)), float32, every point in the events' own order; `slot` (rows,),
    int64, event x (T + 1) + track, track T being the remainder; `event` (n, len(EVENT_COLUMNS)),
    float32;
    `anchor_mm` (n, 3), the origin, on the axis; `point_track` (rows,), int32, the track of each
    point, -1 for the remainder; `n_tracks` (n,), int32.
    """

    tracks: np.ndarray
    mask: np.ndarray
    lines: np.ndarray
    points: np.ndarray
    slot: IntArray
    event: np.ndarray
    anchor_mm: FloatArray
    point_track: IntArray
    n_tracks: IntArray

    def __len__(self) -> int:
        return len(self.event)


def prepare(batch: EventBatch, settings: Settings = DEFAULT) -> Prepared:
    """What a network sees of the events of a batch; truth is not looked at."""
    n, rows, s = len(batch), len(batch.points), settings
    p, bars = batch.points, batch.bars
    filled = Filled(
        np.zeros((n, MOST_KEPT, len(TRACK_COLUMNS)), np.float32),
        np.zeros((n, MOST_KEPT, LINES, len(LINE_COLUMNS)), np.float32),
        np.zeros((rows, len(POINT_COLUMNS)), np.float32),
        np.zeros((n, len(EVENT_COLUMNS)), np.float32),
        np.zeros((n, 3)), np.zeros(n, np.int32), np.full(rows, -1, np.int32),
    )  # fmt: skip
    clouds = Clouds(
        batch.point_offset, p.x_mm, p.y_mm, p.z_mm, p.sigma_rphi_mm, p.sigma_z_mm, p.sigma_r_mm,
        p.amplitude, p.pad_amplitude, p.time_ns, batch.bar_offset, bars.bar, bars.top_ns,
        bars.bottom_ns, bars.top_counts, bars.bottom_counts, batch.trigger,
    )  # fmt: skip
    room = new_scratch(_most(batch.point_offset), _most(batch.bar_offset))
    prepare_events(
        clouds,
        _plan(s),
        _search(s, s.least_points),
        _search(s, s.least_sparse),
        _nominal(s),
        _apparatus(),
        drift_table(),
        room,
        filled,
    )
    return _trimmed(batch, filled)


def _most(offset: IntArray) -> int:
    return int(np.diff(offset).max(initial=0))


def _trimmed(batch: EventBatch, filled: Filled) -> Prepared:
    """With as many slots for tracks as the events need."""
    tracks, lines, points, event, anchor, kept, point_track = filled
    most = max(int(kept.max(initial=1)), 1)
    mask = (np.arange(most) < kept[:, None]).astype(np.float32)
    own = np.where(point_track >= 0, point_track, most)
    slot = np.repeat(np.arange(len(batch)), np.diff(batch.point_offset)) * (most + 1) + own
    arrays = (
        np.ascontiguousarray(tracks[:, :most]), mask, np.ascontiguousarray(lines[:, :most]),
        points, slot, event, anchor, point_track, kept,
    )  # fmt: skip
    for array in arrays:
        array.setflags(write=False)
    return Prepared(*arrays)


@cache
def _apparatus() -> Apparatus:
    return build_apparatus(TransportSettings())


def _search(s: Settings, least_points: int) -> Search:
    return Search(
        s.r_min_mm, s.r_max_mm, s.link_mm, s.trials, least_points, s.least_span_mm, s.near_mm,
        s.road_mm, s.cut, s.share, 0,
    )  # fmt: skip


def _plan(s: Settings) -> Plan:
    return Plan(
        s.unknown_rphi_mm, s.unknown_z_mm, s.unknown_r_mm, s.axial_scale, s.radial_mm,
        int(s.thin_points), int(s.most_searched),
    )  # fmt: skip


@cache
def _nominal(s: Settings) -> Nominal:
    """rms of 1/p of the pions and electrons that `robust` expects at the entry."""
    return Nominal(
        _inverse_rms(211), _inverse_rms(11), _LOW_MEV, _HIGH_MEV, _LOW_ELECTRON_MEV,
        (_KINK_MEV / _NOMINAL_MEV) ** 2, s.radial_mm,
    )  # fmt: skip


def _inverse_rms(pdg: int) -> float:
    edges, counts = (np.array(values, float) for values in SPECTRA[pdg])
    middle = np.sqrt(edges[1:] * edges[:-1])
    return float(np.sqrt(np.average(middle**-2.0, weights=counts)))

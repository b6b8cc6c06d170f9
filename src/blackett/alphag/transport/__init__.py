"""Transport: charged particles and photons through field, trap, vessel, gas and barrel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.transport.apparatus import Settings, build_apparatus
from blackett.alphag.transport.engine import Raw, run
from blackett.alphag.transport.records import (
    BarrelHits,
    GasSegments,
    Process,
    Tracks,
    Transported,
)
from blackett.alphag.transport.state import new_scratch
from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.alphag.gun.records import Primaries

__all__ = [
    "BarrelHits",
    "GasSegments",
    "Process",
    "Settings",
    "Tracks",
    "Transported",
    "transport",
]

_FOLLOWED = (22, 11, -11, 13, -13, 211, -211, 2212)


def transport(
    primaries: Primaries, rng: np.random.Generator, settings: Settings | None = None
) -> Transported:
    """Follow all particles of `primaries` through the apparatus, on one core.

    Raises `InputError` for a particle that is not followed, for values that are not finite, and if
    an event's shower has more waiting particles than the stack holds.
    """
    _check(primaries)
    world = build_apparatus(settings or Settings())
    offsets = np.searchsorted(primaries.event, np.arange(primaries.n_events + 1))
    columns = (primaries.position_mm, primaries.time_ns[:, None], primaries.momentum_mev)
    starts = np.ascontiguousarray(np.concatenate(columns, axis=1))
    result = run(world, offsets, np.asarray(primaries.pdg), starts, rng, new_scratch())
    if result[-1]:
        raise InputError(
            "a shower has more than 8192 waiting particles; raise the cuts of Settings "
            "(brems_cut_mev, delta_cut_solid_mev, photon_cut_mev)"
        )
    return _records(primaries.n_events, Raw(*result[:-1]))


def _check(primaries: Primaries) -> None:
    strange = sorted(set(np.unique(primaries.pdg).tolist()) - set(_FOLLOWED))
    if strange:
        raise InputError(f"PDG numbers {strange} are not followed; followed: {_FOLLOWED}")
    for name in ("position_mm", "momentum_mev", "time_ns"):
        if not np.isfinite(getattr(primaries, name)).all():
            raise InputError(f"{name} of the primaries holds values that are not finite")


def _records(n_events: int, raw: Raw) -> Transported:
    event, pdg = raw.kinds[:, 0], raw.kinds[:, 1]
    whole = [frozen(raw.kinds[:, k], np.int64) for k in range(5)]
    parts = [(0, 3), (3, 4), (4, 7), (7, 10), (10, 11), (11, 14), (14, 15), (15, 16), (16, 17)]
    columns = [_columns(raw.tracks, low, high) for low, high in [*parts, (17, 20), (20, 23)]]
    track, hit = raw.segment_track, raw.bar_track
    gas = [
        _columns(raw.segments, *ends) for ends in ((0, 3), (3, 6), (6, 7), (7, 8), (8, 9), (9, 10))
    ]
    kinds = [frozen(a, np.int64) for a in (event[track], track, pdg[track])]
    bars = [_columns(raw.bars, *ends) for ends in ((1, 4), (4, 5), (5, 6))]
    hits = [frozen(a, np.int64) for a in (event[hit], hit, raw.bars[:, 0])]
    return Transported(
        n_events, Tracks(*whole, *columns), GasSegments(*kinds, *gas), BarrelHits(*hits, *bars)
    )


def _columns(table: np.ndarray, low: int, high: int) -> np.ndarray:
    return frozen(table[:, low] if high == low + 1 else table[:, low:high])

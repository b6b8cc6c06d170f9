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
    from collections.abc import Callable

    from blackett.alphag.gun.records import Primaries

__all__ = [
    "BarrelHits",
    "GasSegments",
    "Process",
    "Settings",
    "Tracks",
    "Transported",
    "transport",
    "transport_apart",
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
    starts = _starts(primaries)
    result = run(world, offsets, np.asarray(primaries.pdg), starts, rng, new_scratch())
    _check_room(result[-1])
    return _records(primaries.n_events, Raw(*result[:-1]))


def transport_apart(
    primaries: Primaries,
    rng_of: Callable[[int], np.random.Generator],
    settings: Settings | None = None,
) -> Transported:
    """As `transport`, the k-th particle with a generator of its own, `rng_of(k)`.

    With the same generators a changed setting then moves each particle's fate as little as it can:
    what happens to one does not shift the random numbers of the next. Raises as `transport`.
    """
    _check(primaries)
    world, scratch = build_apparatus(settings or Settings()), new_scratch()
    starts, pdg, alone = _starts(primaries), np.asarray(primaries.pdg), np.array([0, 1])
    nothing = run(world, alone[:1], pdg[:0], starts[:0], rng_of(0), scratch)
    parts, first = [Raw(*nothing[:-1])], 0
    for k, event in enumerate(primaries.event.tolist()):
        *tables, full = run(world, alone, pdg[k : k + 1], starts[k : k + 1], rng_of(k), scratch)
        _check_room(full)
        part: Raw = Raw(*tables)  # type: ignore[arg-type]
        part.kinds[:, 0] = event
        part.kinds[part.kinds[:, 2] >= 0, 2] += first
        parts.append(
            part._replace(
                segment_track=part.segment_track + first, bar_track=part.bar_track + first
            )
        )
        first += len(part.tracks)
    columns = (np.concatenate(tables) for tables in zip(*parts, strict=True))
    return _records(primaries.n_events, Raw(*columns))


def _starts(primaries: Primaries) -> np.ndarray:
    """Place, time and momentum of each particle, (n, 7)."""
    columns = (primaries.position_mm, primaries.time_ns[:, None], primaries.momentum_mev)
    return np.ascontiguousarray(np.concatenate(columns, axis=1))


def _check_room(full: bool) -> None:
    if full:
        raise InputError(
            "a shower has more than 8192 waiting particles; raise the cuts of Settings "
            "(brems_cut_mev, delta_cut_solid_mev, photon_cut_mev)"
        )


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

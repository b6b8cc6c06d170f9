"""Barrel scintillator: light at both ends of the bars, and the trigger's clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.digitise.records import BAR_COLUMNS
from blackett.alphag.geometry.dimensions import BAR_HALF_LENGTH_MM

if TYPE_CHECKING:
    from blackett.alphag.digitise.settings import Barrel
    from blackett.alphag.transport.records import BarrelHits
    from blackett.arrays import FloatArray, IntArray

__all__ = ["bar_hits", "trigger_clusters"]

_SAME_PULSE_NS = 50.0  # passages through one bar closer than this make one pulse, assumed


def bar_hits(
    passages: BarrelHits, n_events: int, barrel: Barrel, rng: np.random.Generator
) -> tuple[IntArray, dict[str, np.ndarray]]:
    """Offsets (n_events + 1) and hits of bars whose two ends pass the threshold, ordered by bar.

    Passages through a bar within 50 ns are one hit: amplitudes add, the earliest light gives the
    times.
    """
    order = np.lexsort((passages.time_ns, passages.bar, passages.event))
    event, bar, time = passages.event[order], passages.bar[order], passages.time_ns[order]
    fresh = np.ones(order.size, bool)
    fresh[1:] = (event[1:] != event[:-1]) | (bar[1:] != bar[:-1])
    fresh[1:] |= time[1:] - time[:-1] > _SAME_PULSE_NS
    starts = np.flatnonzero(fresh)
    z = passages.position_mm[order, 2]
    ends = [
        _end(passages.energy_mev[order], time, distance, starts, barrel, rng)
        for distance in (BAR_HALF_LENGTH_MM - z, BAR_HALF_LENGTH_MM + z)
    ]
    kept = np.minimum(ends[0][1], ends[1][1]) >= barrel.threshold_counts
    offset = np.searchsorted(event[starts][kept], np.arange(n_events + 1))
    columns = (bar[starts], ends[0][0], ends[1][0], ends[0][1], ends[1][1])
    return offset, dict(zip(BAR_COLUMNS, (column[kept] for column in columns), strict=True))


def _end(
    energy: FloatArray, time: FloatArray, distance: FloatArray, starts: IntArray, barrel: Barrel,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Times (ns) and amplitudes (counts) at one end of the bars."""
    if not starts.size:
        return np.empty(0), np.empty(0)
    light = energy * barrel.counts_per_mev * np.exp(-distance / barrel.attenuation_mm)
    counts = np.add.reduceat(light, starts)
    first = np.minimum.reduceat(time + distance / barrel.light_speed_mm_ns, starts)
    counts = counts * (1 + barrel.energy_resolution * rng.standard_normal(starts.size))
    return first + barrel.time_resolution_ns * rng.standard_normal(starts.size), counts


def trigger_clusters(pattern: IntArray) -> IntArray:
    """Separate clusters of neighbouring groups on the ring of 16, for each pattern of 16 bits.

    The experiment's table of patterns is not public; two or more may be taken for its trigger.
    """
    bits = (np.asarray(pattern, np.int64)[..., None] >> np.arange(16)) & 1
    starts = (bits == 1) & (np.roll(bits, 1, axis=-1) == 0)
    return np.where(bits.all(axis=-1), 1, starts.sum(axis=-1))

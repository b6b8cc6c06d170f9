"""Tracks as chains of near points from the outside in, after the adaptive finder of agana."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["SIMULATION", "ChainSettings", "find_chains_of_events", "outside_in"]


@dataclass(frozen=True)
class ChainSettings:
    """Cuts of the chain finder; every default is that of agana for data."""

    most_points: int = 5000
    """Larger events are dropped."""
    inner_radius_mm: float = 109.2
    """Points below it are not used."""
    outer_radius_mm: float = 173.0
    """Points above it, in the amplification region, are not used."""
    seed_radius_mm: float = 168.0
    """Once there is a track, the next must start at this radius or above."""
    reach_mm: float = 8.1
    """Step to the next point of a chain, in three dimensions."""
    reach_growth: float = 1.1
    """Each repeat starts with a reach larger by this factor ..."""
    longest_reach_mm: float = 45.1
    """... up to this one."""
    stop_radius_mm: float = 110.0
    """A chain whose last point lies above it is walked again."""
    last_radius_mm: float = 135.0
    """The last point of a track lies at this radius or below."""
    least_points: int = 29
    """Points that a track needs beside its seed."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"chain: {f.name} = {value}: give a finite number above 0")
        if self.reach_growth <= 1:
            raise InputError(f"chain: reach_growth = {self.reach_growth}: give more than 1")


SIMULATION: Final = ChainSettings(stop_radius_mm=109.0, least_points=7)
"""agana's cuts for simulated events."""


class _Cuts(NamedTuple):
    """`ChainSettings` for compiled code."""

    inner_radius_mm: float
    outer_radius_mm: float
    seed_radius_mm: float
    reach_mm: float
    reach_growth: float
    longest_reach_mm: float
    stop_radius_mm: float
    last_radius_mm: float
    least_points: int


def outside_in(points_mm: FloatArray, amplitude: FloatArray, offset: IntArray) -> IntArray:
    """Order of the rows (n,) by event, falling distance to the axis, falling amplitude."""
    event = np.repeat(np.arange(len(offset) - 1), np.diff(offset))
    radius = np.hypot(points_mm[:, 0], points_mm[:, 1])
    return np.lexsort((-np.asarray(amplitude), -radius, event))


def find_chains_of_events(
    points_mm: FloatArray,
    amplitude: FloatArray,
    offset: IntArray,
    settings: ChainSettings | None = None,
) -> np.ndarray:
    """Track of each point (n,), int32: 0, 1, ... anew in each event, -1 for the remainder.

    `points_mm` (n, 3), `amplitude` (n,) for the order of points at one radius, `offset` (events +
    1,). Raises `InputError` for points of another shape.
    """
    settings = settings or ChainSettings()
    points = np.ascontiguousarray(points_mm, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"points of shape {points.shape}: give (n, 3)")
    order = outside_in(points, amplitude, offset)
    sizes = np.diff(offset)
    usual = np.where(sizes <= settings.most_points, sizes, 0)
    label: np.ndarray = np.empty(len(points), np.int32)
    sorted_label: np.ndarray = np.full(len(points), -1, np.int32)
    chain = np.zeros(int(usual.max(initial=0)), np.int64)
    cuts = _Cuts(**{name: getattr(settings, name) for name in _Cuts._fields})
    _find_all(points[order], np.asarray(offset, np.int64), usual, cuts, chain, sorted_label)
    label[order] = sorted_label
    return label


@kernel
def _find_all(
    points: FloatArray, offset: IntArray, sizes: IntArray, cuts: _Cuts, chain: IntArray,
    label: IntArray,
) -> None:  # fmt: skip
    for k in range(sizes.size):
        begin, end = offset[k], offset[k] + sizes[k]
        _find(points[begin:end], cuts, chain, label[begin:end])


@kernel
def _radius2(points: FloatArray, i: int) -> float:
    return float(points[i, 0] ** 2 + points[i, 1] ** 2)


@kernel
def _find(points: FloatArray, cuts: _Cuts, chain: IntArray, label: IntArray) -> None:
    begin, end = 0, points.shape[0]
    while begin < end and not _radius2(points, begin) < cuts.outer_radius_mm**2:
        begin += 1
    while end > begin and not _radius2(points, end - 1) > cuts.inner_radius_mm**2:
        end -= 1
    tracks = 0
    for seed in range(begin, end):
        if tracks > 0 and _radius2(points, seed) < cuts.seed_radius_mm**2:
            break
        if label[seed] < 0:
            n = _grow(points, seed, end, cuts, chain, label)
            last2 = _radius2(points, chain[n - 1])
            if n - 1 >= cuts.least_points and last2 <= cuts.last_radius_mm**2:
                for i in range(n):
                    label[chain[i]] = tracks
                tracks += 1


@kernel
def _grow(
    points: FloatArray, seed: int, end: int, cuts: _Cuts, chain: IntArray, label: IntArray
) -> int:
    """Write a chain from its seed inwards; returns its length, the seed counted."""
    chain[0] = seed
    n = _walk(points, end, cuts.reach_mm, cuts.reach_mm, chain, 1, label)
    reach = cuts.reach_mm * cuts.reach_growth
    while reach <= cuts.longest_reach_mm:
        if _radius2(points, chain[n - 1]) <= cuts.stop_radius_mm**2:
            break
        n = _walk(points, end, reach, cuts.reach_mm, chain, n, label)
        reach *= cuts.reach_growth
    return n


@kernel
def _walk(
    points: FloatArray, end: int, reach: float, usual: float, chain: IntArray, n: int,
    label: IntArray,
) -> int:  # fmt: skip
    """Append unused points within reach of the last, further in; after the first the usual reach
    holds."""
    last = chain[n - 1]
    for i in range(last + 1, end):
        dx, dy = points[i, 0] - points[last, 0], points[i, 1] - points[last, 1]
        dz = points[i, 2] - points[last, 2]
        if dx * dx + dy * dy + dz * dz <= reach * reach and label[i] < 0:
            chain[n], last, reach = i, i, usual
            n += 1
    return n

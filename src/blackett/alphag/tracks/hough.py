"""Tracks by conformal mapping and Hough transform, after the public Rust reconstruction `alpha-g`.

A circle through the axis is a line in u = x / r^2, v = y / r^2. Each point votes for the lines
rho = u cos(theta) + v sin(theta) through it; the points of the fullest cell, linked by steps of at
most 30 mm, are a cluster. It is removed and the next one sought: if that is larger it takes its
place, else the cluster is a track.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import atan2, floor, isfinite, pi
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["HoughSettings", "find_tracks", "find_tracks_of_events"]

_LEAST_BINS = 8


@dataclass(frozen=True)
class HoughSettings:
    """Cuts of the clustering; every default is that of `alpha-g` physics 0.1.4 but the last."""

    theta_bins: int = 230
    """Bins of theta over 2 pi."""
    rho_bins: int = 250
    """Bins of rho from 0."""
    smallest_radius_mm: float = 109.2
    """rho ends at the inverse of this radius, the inner cathode."""
    link_mm: float = 30.0
    """Longest step between neighbours of a cluster, in three dimensions."""
    least_points: int = 13
    """Points that a track needs."""
    most_points: int = 20000
    """Larger events are not searched (ours: keeps the time of any event bounded)."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"hough: {f.name} = {value}: give a finite number above 0")
        if self.theta_bins < _LEAST_BINS:
            raise InputError(f"hough: theta_bins = {self.theta_bins}: give {_LEAST_BINS} or more")


class _Space(NamedTuple):
    """Votes, the edges of theta and what stands in the kernels' work arrays, for n points."""

    cosine: FloatArray  # (2 theta_bins + 1,), twice round
    sine: FloatArray
    change: IntArray  # (rho_bins + 1, theta_bins), int32: of the votes from one rho to the next
    votes: IntArray  # (2, theta_bins), int32: at the rho that is reached, and the most so far
    rho_width: float
    link2: float
    uv: FloatArray  # (2, n), in widths of rho
    state: IntArray  # (n,), int8: _USED, _FREE
    found: IntArray  # (n,): points of the fullest cell, linked ones first
    best: IntArray  # (n,): points of the candidate


_USED, _FREE = 0, 1


def find_tracks(points_mm: FloatArray, settings: HoughSettings | None = None) -> np.ndarray:
    """Track of each point (n,), int32: 0, 1, ... in the order found, -1 for the remainder.

    `points_mm` (n, 3); points with a coordinate that is not finite stay in the remainder.
    Raises `InputError` for another shape.
    """
    return find_tracks_of_events(points_mm, np.array([0, len(points_mm)]), settings)


def find_tracks_of_events(
    points_mm: FloatArray, offset: IntArray, settings: HoughSettings | None = None
) -> np.ndarray:
    """The same for the points of many events, delimited by `offset` (n + 1,); tracks are numbered
    anew in each event."""
    settings = settings or HoughSettings()
    points = np.ascontiguousarray(points_mm, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"points of shape {points.shape}: give (n, 3)")
    labels: np.ndarray = np.full(len(points), -1, np.int32)
    sizes = np.diff(offset)
    usual = np.where(sizes <= settings.most_points, sizes, 0)
    space = _new_space(settings, int(usual.max(initial=0)))
    _find_all(points, np.asarray(offset, np.int64), usual, settings.least_points, space, labels)
    return labels


def _new_space(settings: HoughSettings, n: int) -> _Space:
    edges = np.arange(2 * settings.theta_bins + 1) * (2 * np.pi / settings.theta_bins)
    return _Space(
        np.cos(edges),
        np.sin(edges),
        np.zeros((settings.rho_bins + 1, settings.theta_bins), np.int32),
        np.zeros((2, settings.theta_bins), np.int32),
        1 / settings.smallest_radius_mm / settings.rho_bins,
        settings.link_mm**2,
        np.zeros((2, n)),
        np.zeros(n, np.int8),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )


@kernel
def _find_all(
    points: FloatArray, offset: IntArray, sizes: IntArray, least: int, space: _Space,
    labels: IntArray,
) -> None:  # fmt: skip
    for k in range(sizes.size):
        if sizes[k] >= least:
            begin, end = offset[k], offset[k] + sizes[k]
            _find(points[begin:end], least, space, labels[begin:end])


@kernel
def _find(points: FloatArray, least: int, space: _Space, labels: IntArray) -> None:
    state, best = space.state, space.best
    space.change[:] = 0
    _prepare(points, space)
    for i in range(points.shape[0]):
        if state[i] == _FREE:
            _vote(space, i, 1)
    track, size = 0, _largest_cluster(points, space)
    while size >= least:
        _take(space, size)
        other = _largest_cluster(points, space)
        while other > size:
            for i in range(size):
                state[best[i]] = _FREE
                _vote(space, best[i], 1)
            size = other
            _take(space, size)
            other = _largest_cluster(points, space)
        for i in range(size):
            labels[best[i]] = track
        track, size = track + 1, other


@kernel
def _take(space: _Space, size: int) -> None:
    """Make the found cluster the candidate and take away its votes."""
    for i in range(size):
        space.best[i] = space.found[i]
        space.state[space.found[i]] = _USED
        _vote(space, space.found[i], -1)


@kernel
def _prepare(points: FloatArray, space: _Space) -> None:
    uv, state, width = space.uv, space.state, space.rho_width
    for i in range(points.shape[0]):
        r2 = points[i, 0] ** 2 + points[i, 1] ** 2
        state[i] = _FREE if r2 > 0 and isfinite(r2 + points[i, 2]) else _USED
        if state[i] == _FREE:
            uv[0, i], uv[1, i] = points[i, 0] / r2 / width, points[i, 1] / r2 / width


@kernel
def _vote(space: _Space, i: int, weight: int) -> None:
    """Add to every cell that the point's curve crosses, rho >= 0: half of all theta."""
    cosine, sine, change = space.cosine, space.sine, space.change
    u, v = space.uv[0, i], space.uv[1, i]
    bins, end = change.shape[1], change.shape[0] - 1
    first = floor((atan2(v, u) / (2 * pi) - 0.25) * bins) % bins
    left = u * cosine[first] + v * sine[first]
    for k in range(first, first + bins // 2 + 2):
        right = u * cosine[k + 1] + v * sine[k + 1]
        low, high = min(left, right), max(left, right)
        left = right
        if high >= 0:
            b = k - bins if k >= bins else k
            change[min(int(max(low, 0.0)), end), b] += weight
            change[min(int(high) + 1, end), b] -= weight


@kernel
def _fullest(change: IntArray, votes: IntArray) -> tuple[int, int, int]:
    """Cell of most votes, the first of equals: theta bin, rho bin, votes."""
    now, most = votes[0], votes[1]
    votes[:] = 0
    for cell in range(change.shape[0] - 1):
        row = change[cell]
        for b in range(row.size):
            now[b] += row[b]
            most[b] = max(most[b], now[b])
    best = 0
    for b in range(most.size):
        best = b if most[b] > most[best] else best
    sum_here = 0
    for cell in range(change.shape[0] - 1):
        sum_here += change[cell, best]
        if sum_here == most[best]:
            return best, cell, most[best]
    return best, 0, 0


@kernel
def _largest_cluster(points: FloatArray, space: _Space) -> int:
    """Put the largest linked part of the fullest cell first in `found`; returns its size."""
    theta, rho, votes = _fullest(space.change, space.votes)
    if votes == 0:
        return 0
    n = _members(space, points.shape[0], theta, rho)
    found, start, best_start, best_size = space.found, 0, 0, 0
    while start < n - best_size:  # what is left could be larger
        end = _linked(points, found, start, n, space.link2)
        if end - start > best_size:
            best_start, best_size = start, end - start
        start = end
    for k in range(best_size):
        found[k] = found[best_start + k]
    return best_size


@kernel
def _members(space: _Space, n: int, theta: int, rho: int) -> int:
    """Free points that voted for a cell."""
    cosine, sine, uv, count = space.cosine, space.sine, space.uv, 0
    for i in range(n):
        if space.state[i] == _FREE:
            left = uv[0, i] * cosine[theta] + uv[1, i] * sine[theta]
            right = uv[0, i] * cosine[theta + 1] + uv[1, i] * sine[theta + 1]
            high = floor(max(left, right))
            if high >= rho and floor(max(min(left, right), 0.0)) <= rho:
                space.found[count] = i
                count += 1
    return count


@kernel
def _linked(points: FloatArray, found: IntArray, start: int, n: int, link2: float) -> int:
    """Move all that is linked to found[start] behind it; returns where that part ends."""
    end, at = start + 1, start
    while at < end:
        i = found[at]
        for k in range(end, n):
            j = found[k]
            dx, dy = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1]
            if dx * dx + dy * dy + (points[i, 2] - points[j, 2]) ** 2 <= link2:
                found[k], found[end] = found[end], j
                end += 1
        at += 1
    return end

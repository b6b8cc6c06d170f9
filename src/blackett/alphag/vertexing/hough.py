"""helix-hough: Hough clusters, unweighted helix fits and an unweighted vertex.

After the public Rust reconstruction `alpha-g`, physics 0.1.4. It knows no errors; ours is the
covariance, from how far the tracks miss the vertex.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import hypot, pi
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.helix.centred import (
    HELIX_SIZE,
    axis_turn,
    direction,
    nearest_turn,
    position,
    start_helix,
)
from blackett.alphag.helix.simplex import OF_HELIX, OF_VERTEX, SIMPLEX_SHAPE, minimise
from blackett.alphag.helix.symmetric import inverse3
from blackett.alphag.tracks.hough import HoughSettings, find_tracks_of_events
from blackett.alphag.vertex import STATUSES, Vertices
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.arrays import FloatArray, IntArray

__all__ = ["DEFAULT", "HoughVertexSettings", "reconstruct_batch"]

_OK, _TOO_FEW = STATUSES.index("ok"), STATUSES.index("too few tracks")
_NO_POINTS, _NO_TRACK = STATUSES.index("no points"), STATUSES.index("no track")
_TOO_MANY = STATUSES.index("too many points")
_PARALLEL = 1e-8  # mm^-2, keeps the covariance of parallel tracks finite: 10 m along them


@dataclass(frozen=True)
class HoughVertexSettings:
    """Cuts of helix-hough; every default is that of `alpha-g` but the last three."""

    clusters: HoughSettings = field(default_factory=HoughSettings)
    most_iterations: int = 100
    """Of the simplex, for each helix and for the vertex."""
    least_arc_mm: float = 35.0
    """Arc length between the outermost points that a track of a vertex exceeds."""
    axis_distance_mm: float = 53.0
    """Distance of a track's circle to the axis, |R - hypot(x0, y0)|, below which it is used."""
    split_mm: float = 34.0
    """Gap along z, at the closest approach to the axis, that separates two vertices."""
    scatter_across_mm: float = 30.0
    """Ours, for the covariance: usual distance of a track from the vertex across the axis."""
    scatter_along_mm: float = 15.0
    """The same in the plane of track and axis."""
    scatter_freedom: float = 4.0
    """Degrees of freedom that these count beside the event's own: n - 2 across, n - 1 along."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name != "clusters" and not (np.isfinite(value) and value > 0):
                raise InputError(f"helix-hough: {f.name} = {value}: give a finite number above 0")


DEFAULT: Final = HoughVertexSettings()
"""The original has one set of cuts, for data and simulation."""


class _Cuts(NamedTuple):
    """`HoughVertexSettings` for compiled code."""

    most_iterations: int
    least_arc_mm: float
    axis_distance_mm: float
    split_mm: float
    scatter_across_mm: float
    scatter_along_mm: float
    scatter_freedom: float


class _Work(NamedTuple):
    """Scratch, for n points and m tracks of the largest event."""

    points: FloatArray  # (3, n): of one track
    helices: FloatArray  # (m, 6): of usable tracks
    group: FloatArray  # (m, 6): of the tracks of one vertex
    at_axis: FloatArray  # (m,): their z at the closest approach
    order: IntArray  # (m,)
    frame: FloatArray  # (2, 3)
    simplex: FloatArray


class _Out(NamedTuple):
    """Answers for one event a row."""

    position: FloatArray
    covariance: FloatArray
    n_tracks: IntArray
    status: IntArray


def reconstruct_batch(batch: EventBatch, settings: HoughVertexSettings = DEFAULT) -> Vertices:
    """The answers of helix-hough for all events, in their order.

    `covariance_mm2`: (sum of a a^T / A^2 + b b^T / B^2)^-1 over the tracks, a and b the directions
    across a track at the vertex, horizontal and in its plane with the axis. A^2: mean of the
    squared distances along a, over n - 2 degrees of freedom, and of `scatter_across_mm`^2 over
    `scatter_freedom`; B^2 the same along b, over n - 1. `p_cosmic` is nan: the method has none.
    """
    points = batch.points.xyz_mm.astype(np.float64)
    label = find_tracks_of_events(points, batch.point_offset, settings.clusters)
    out, n = _empty(len(batch)), np.diff(batch.point_offset)
    work = _new_work(int(n.max(initial=0)), int(label.max(initial=-1)) + 1)
    _fit_all(points, batch.point_offset, label, _cuts(settings), work, out)
    out.status[n == 0] = _NO_POINTS
    out.status[n > settings.clusters.most_points] = _TOO_MANY
    return Vertices(
        number=batch.number, position_mm=out.position, covariance_mm2=out.covariance,
        p_cosmic=np.full(len(batch), np.nan), n_tracks=out.n_tracks, status=out.status,
        point_offset=batch.point_offset, point_track=label,
    )  # fmt: skip


def _cuts(settings: HoughVertexSettings) -> _Cuts:
    return _Cuts(**{name: getattr(settings, name) for name in _Cuts._fields})


def _empty(n: int) -> _Out:
    nan = np.full((n, 3, 3), np.nan)
    return _Out(nan[:, 0].copy(), nan, np.zeros(n, np.int32), np.full(n, _NO_TRACK, np.int8))


def _new_work(n: int, tracks: int) -> _Work:
    helices = np.zeros((2, tracks, HELIX_SIZE))
    return _Work(
        np.zeros((3, n)), helices[0], helices[1], np.zeros(tracks), np.zeros(tracks, np.int64),
        np.zeros((2, 3)), np.zeros(SIMPLEX_SHAPE),
    )  # fmt: skip


@kernel
def _fit_all(
    points: FloatArray, offset: IntArray, label: IntArray, cuts: _Cuts, work: _Work, out: _Out
) -> None:
    for k in range(offset.size - 1):
        begin, end = offset[k], offset[k + 1]
        tracks = -1
        for i in range(begin, end):
            tracks = max(tracks, label[i])
        if tracks >= 0:
            n = _usable(points[begin:end], label[begin:end], tracks + 1, cuts, work)
            n = _group(n, cuts.split_mm, work)
            out.status[k] = _TOO_FEW
            if n >= 2:
                _vertex(n, cuts, work, out.position[k], out.covariance[k])
                out.status[k], out.n_tracks[k] = _OK, n


@kernel
def _usable(points: FloatArray, label: IntArray, tracks: int, cuts: _Cuts, work: _Work) -> int:
    """Fit every track; keep the helices that pass the cuts, by growing z at the axis."""
    count = 0
    for track in range(tracks):
        n = 0
        for i in range(label.size):
            if label[i] == track:
                work.points[0, n], work.points[1, n] = points[i, 0], points[i, 1]
                work.points[2, n] = points[i, 2]
                n += 1
        helix = work.helices[count]
        start_helix(work.points[0], work.points[1], work.points[2], n, helix)
        minimise(OF_HELIX, helix, HELIX_SIZE, work.points, n, cuts.most_iterations, work.simplex)
        near = abs(helix[3] - hypot(helix[0], helix[1])) < cuts.axis_distance_mm
        if near and _arc(helix, work.points, n) > cuts.least_arc_mm:
            work.at_axis[count] = position(helix, axis_turn(helix))[2]
            _insert(work.order, work.at_axis, count)
            count += 1
    return count


@kernel
def _arc(helix: FloatArray, points: FloatArray, n: int) -> float:
    """Length of the helix (mm) between the points nearest to its ends."""
    low, high = pi, -pi
    for i in range(n):
        turn = nearest_turn(helix, points[0, i], points[1, i], points[2, i])
        low, high = min(low, turn), max(high, turn)
    return hypot(helix[3], helix[5] / (2 * pi)) * (high - low)


@kernel
def _insert(order: IntArray, value: FloatArray, new: int) -> None:
    """Put a number into an order by growing value."""
    at = new
    while at > 0 and value[order[at - 1]] > value[new]:
        order[at] = order[at - 1]
        at -= 1
    order[at] = new


@kernel
def _group(n: int, split: float, work: _Work) -> int:
    """Move the largest group along z to the front of `order`; returns its size.

    Groups end at gaps of `split` or more; of two equal ones the larger sum of radii wins.
    """
    begin, best, best_size, best_radii = 0, 0, 0, 0.0
    for k in range(n):
        last, order, z = k == n - 1, work.order, work.at_axis
        if last or z[order[k + 1]] - z[order[k]] >= split:
            radii = 0.0
            for i in range(begin, k + 1):
                radii += work.helices[order[i], 3]
            size = k + 1 - begin
            if size > best_size or (size == best_size and radii > best_radii):
                best, best_size, best_radii = begin, size, radii
            begin = k + 1
    for i in range(best_size):
        work.order[i] = work.order[best + i]
    return best_size


@kernel
def _vertex(n: int, cuts: _Cuts, work: _Work, place: FloatArray, covariance: FloatArray) -> None:
    """Fit the point nearest to the first n helices of `order`, and its covariance."""
    place[:] = 0.0
    for i in range(n):
        place[2] += work.at_axis[work.order[i]] / n
        for k in range(HELIX_SIZE):
            work.group[i, k] = work.helices[work.order[i], k]
    minimise(OF_VERTEX, place, 3, work.group, n, cuts.most_iterations, work.simplex)
    freedom = cuts.scatter_freedom
    across2, along2 = freedom * cuts.scatter_across_mm**2, freedom * cuts.scatter_along_mm**2
    for i in range(n):
        miss = _frame(work.group[i], place, work.frame)
        across2, along2 = across2 + miss[0] ** 2, along2 + miss[1] ** 2
    _covariance(n, across2 / (n - 2 + freedom), along2 / (n - 1 + freedom), place, work, covariance)


@kernel
def _frame(helix: FloatArray, place: FloatArray, frame: FloatArray) -> tuple[float, float]:
    """Write the directions across a track nearest to a place, horizontal and upright, as rows;
    returns how far the place lies from it along each."""
    turn = nearest_turn(helix, place[0], place[1], place[2])
    x, y, z = position(helix, turn)
    t_x, t_y, t_z = direction(helix, turn)
    flat = hypot(t_x, t_y)
    frame[0, 0], frame[0, 1], frame[0, 2] = -t_y / flat, t_x / flat, 0.0
    frame[1, 0], frame[1, 1], frame[1, 2] = -t_z * t_x / flat, -t_z * t_y / flat, flat
    off_x, off_y, off_z = place[0] - x, place[1] - y, place[2] - z
    across = off_x * frame[0, 0] + off_y * frame[0, 1]
    along = off_x * frame[1, 0] + off_y * frame[1, 1] + off_z * frame[1, 2]
    return across, along


@kernel
def _covariance(
    n: int, across2: float, along2: float, place: FloatArray, work: _Work, covariance: FloatArray
) -> None:
    """Write the inverse of the sum of the tracks' weights."""
    covariance[:] = 0.0
    frame = work.frame
    for i in range(n):
        _frame(work.group[i], place, frame)
        for a in range(3):
            for b in range(3):
                covariance[a, b] += frame[0, a] * frame[0, b] / across2
                covariance[a, b] += frame[1, a] * frame[1, b] / along2
    for a in range(3):
        covariance[a, a] += _PARALLEL
    inverse3(covariance, 1.0)

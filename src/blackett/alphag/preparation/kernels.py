"""The loop over events, in compiled code."""

from __future__ import annotations

from math import asinh, isfinite, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import CATHODE_RADIUS_MM, CHAMBER_HALF_LENGTH_MM
from blackett.alphag.geometry.field import interpolate
from blackett.alphag.preparation.anchor import CHI2, SHARE, first_vertex
from blackett.alphag.preparation.barrel import describe_bars, locate_bars, match_bars
from blackett.alphag.preparation.features import (
    compare_tracks,
    describe_fit,
    describe_line,
    describe_points,
    describe_vertex,
)
from blackett.alphag.preparation.finding import (
    ACROSS,
    ALONG,
    ARC,
    assign,
    corrected_z,
    fill,
    fit,
    rank,
    residuals,
)
from blackett.alphag.preparation.inwards import nominal_lines
from blackett.alphag.preparation.layout import LINES, MOST_KEPT, Line, Point, Whole
from blackett.alphag.preparation.tally import STRETCHES, TALLIES, count_points, ionise
from blackett.alphag.robust.finder import MOST_TRACKS, find_tracks
from blackett.alphag.robust.fit import FREE, PR, PX, PY, PZ, SIGMA_R, SIGMA_RPHI, SIGMA_Z
from blackett.alphag.transport.apparatus import DENSITY, X0_MM

if TYPE_CHECKING:
    from blackett.alphag.drift import DriftTable
    from blackett.alphag.preparation.finding import Plan
    from blackett.alphag.preparation.inwards import Nominal
    from blackett.alphag.robust.finder import Search
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Clouds", "Filled", "Scratch", "new_scratch", "prepare_events"]

_INNER_MM = 40.2
_PASSES = 2  # of giving points to tracks and fitting them
_ROOM = 2 * MOST_TRACKS  # tracks of two searches


class Clouds(NamedTuple):
    """The columns of an `EventBatch` that are used."""

    offset: IntArray
    x: FloatArray
    y: FloatArray
    z: FloatArray
    sigma_rphi: FloatArray
    sigma_z: FloatArray
    sigma_r: FloatArray
    amplitude: FloatArray
    pad: FloatArray
    time: FloatArray
    bar_offset: IntArray
    bar: IntArray
    top: FloatArray
    bottom: FloatArray
    top_counts: FloatArray
    bottom_counts: FloatArray
    trigger: IntArray


class Filled(NamedTuple):
    """The arrays of `Prepared` that are filled, with room for `MOST_KEPT` tracks an event."""

    tracks: FloatArray
    lines: FloatArray
    points: FloatArray
    event: FloatArray
    anchor_mm: FloatArray
    kept: IntArray
    point_track: IntArray


class Scratch(NamedTuple):
    """Work space for one event."""

    points: FloatArray
    thinned: FloatArray
    off: FloatArray
    least: FloatArray
    height: FloatArray
    label: IntArray
    rest: IntArray
    group: IntArray
    member: IntArray
    order: IntArray
    helix: FloatArray
    info: FloatArray
    work: FloatArray
    hits: FloatArray
    own: IntArray
    track: IntArray
    slot: IntArray
    lines: FloatArray
    terms: FloatArray
    tally: FloatArray
    charge: FloatArray
    vertex: FloatArray


def new_scratch(most_points: int, most_bars: int) -> Scratch:
    """Work space for events of at most so many points and bar hits."""
    n = max(most_points, 1)
    return Scratch(
        np.zeros((n, 7)), np.zeros((n, 7)), np.zeros((n, 4)), np.zeros(n), np.zeros(n),
        np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64),
        np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros((_ROOM, 6)), np.zeros((_ROOM, 5, 5)),
        np.zeros((24, 16)), np.zeros((max(most_bars, 1), 4)), np.zeros(_ROOM, np.int64),
        np.zeros(_ROOM, np.int64), np.zeros(_ROOM, np.int64),
        np.zeros((MOST_KEPT, LINES, len(Line))), np.zeros((MOST_KEPT, 10)),
        np.zeros((MOST_KEPT, TALLIES)), np.zeros((MOST_KEPT, 3, STRETCHES)), np.zeros(3),
    )  # fmt: skip


@numba.njit(cache=True, error_model="numpy")
def prepare_events(
    clouds: Clouds, plan: Plan, search: Search, sparse: Search, nominal: Nominal, world: Apparatus,
    table: DriftTable, w: Scratch, out: Filled,
) -> None:  # fmt: skip
    """Fill `out`, event after event; `sparse` is the search among part of the points."""
    for k in range(clouds.offset.size - 1):
        first, last = clouds.offset[k], clouds.offset[k + 1]
        n = last - first
        for i in range(n):
            j = first + i
            w.height[i] = corrected_z(plan, table, clouds.x[j], clouds.y[j], clouds.z[j])
        w.order[:n] = np.argsort(w.height[:n], kind="mergesort")
        _gather(clouds, plan, first, n, w)
        found = _find(plan, search, sparse, n, w)
        kept = _keep(search, n, found, w)
        kept = _lines(world, nominal, kept, w, out.tracks[k])
        _slots(search, n, kept, w)
        variance = first_vertex(w.lines[:, 0], kept, w.vertex, w.terms, w.work)
        z = _origin(n, kept, w)
        out.anchor_mm[k, 2], out.kept[k] = z, kept
        _describe_tracks(clouds, search, first, n, kept, w, out.tracks[k])
        _describe_bars(clouds, k, kept, w, out.tracks[k], out.event[k])
        _describe_event(clouds, k, n, found, kept, variance, z, w, out.event[k])
        _describe_place(world, z, out.event[k])
        out.event[k, Whole.collinear] = compare_tracks(
            w.helix, w.track, w.lines[:, 0], kept, out.tracks[k]
        )
        for i in range(kept):
            for j in range(LINES):
                w.lines[i, j, Line.z] -= z
                _copy(w.lines[i, j], out.lines[k, i, j])
        _write_points(clouds, first, n, z, w, out)


@kernel
def _copy(source: FloatArray, target: FloatArray) -> None:
    for c in range(source.size):
        target[c] = source[c]


@kernel
def _gather(clouds: Clouds, plan: Plan, first: int, n: int, w: Scratch) -> None:
    """The event's points sorted by z."""
    for i in range(n):
        j = first + w.order[i]
        fill(
            plan, clouds.x[j], clouds.y[j], w.height[w.order[i]] if isfinite(clouds.z[j]) else
            clouds.z[j], clouds.sigma_rphi[j], clouds.sigma_z[j], clouds.sigma_r[j], w.points[i],
        )  # fmt: skip


@kernel
def _find(plan: Plan, search: Search, sparse: Search, n: int, w: Scratch) -> int:
    """Tracks of the event, from every second point (or fewer) where there are many, then among what
    is left."""
    stride = 1 if n <= plan.thin_points else 2
    stride = max(stride, (n + plan.most_searched - 1) // plan.most_searched)
    m = 0
    for i in range(n):
        if w.order[i] % stride == 0:
            _copy(w.points[i], w.thinned[m])
            m += 1
    found = find_tracks(
        w.thinned[:m], sparse if stride > 1 else search, w.label[:m], w.group, w.member, w.least,
        w.helix, w.info, w.work,
    )  # fmt: skip
    return int(found + _find_more(search, n, found, w)) if stride == 2 else int(found)


@kernel
def _find_more(search: Search, n: int, found: int, w: Scratch) -> int:
    """Tracks among all points that none of the `found` takes, in the rows after theirs."""
    _assign(search, n, found, w)
    m = 0
    for i in range(n):
        if w.label[i] == FREE:
            _copy(w.points[i], w.thinned[m])
            m += 1
    more = find_tracks(
        w.thinned[:m], search, w.rest[:m], w.group, w.member, w.least, w.helix[found:],
        w.info[found:], w.work,
    )  # fmt: skip
    return int(more)


@kernel
def _assign(search: Search, n: int, found: int, w: Scratch) -> None:
    assign(
        w.points[:n], w.helix, found, search.r_min_mm, search.r_max_mm, search.road_mm, search.cut,
        w.label[:n], w.least,
    )  # fmt: skip


@kernel
def _keep(search: Search, n: int, found: int, w: Scratch) -> int:
    """Give all points to the tracks, fit them, and number those that are kept."""
    s = search
    for _ in range(_PASSES):
        _assign(search, n, found, w)
        fit(
            w.points[:n], w.label[:n], w.helix, w.info, found, s.road_mm, s.cut, s.share,
            s.least_points, w.own, w.work,
        )  # fmt: skip
    return int(rank(w.own, found, w.track, w.slot))


@kernel
def _lines(world: Apparatus, nominal: Nominal, kept: int, w: Scratch, rows: FloatArray) -> int:
    """Nominal lines and what is known of the way in; returns how many tracks are left."""
    left = 0
    for i in range(kept):
        k = w.track[i]
        if nominal_lines(world, nominal, w.helix[k], w.info[k], w.lines[left], w.work):
            describe_fit(world, w.helix[k], w.work, rows[left])
            describe_line(w.lines[left, 0], rows[left])
            w.track[left], w.slot[k] = k, left
            left += 1
        else:
            w.slot[k] = -1
    return left


@kernel
def _slots(search: Search, n: int, kept: int, w: Scratch) -> None:
    residuals(
        w.points[:n], w.label[:n], w.helix, w.slot, w.track, kept, search.road_mm, w.off
    )  # fmt: skip


@kernel
def _origin(n: int, kept: int, w: Scratch) -> float:
    """Height of the first vertex, or the median of the points without a track; inside the chamber.

    Points that are nowhere count as at 0 where all are.
    """
    z = w.vertex[2] if kept else 0.0
    if kept == 0 and n > 0:
        z = 0.5 * (w.points[(n - 1) // 2, PZ] + w.points[n // 2, PZ])
    return float(min(max(z, -CHAMBER_HALF_LENGTH_MM), CHAMBER_HALF_LENGTH_MM))


@kernel
def _describe_tracks(
    clouds: Clouds, search: Search, first: int, n: int, kept: int, w: Scratch, rows: FloatArray
) -> None:
    points, slot = w.points[:n], w.label[:n]
    count_points(
        points, slot, w.off, w.helix, w.track, kept, search.r_min_mm, search.r_max_mm, w.tally
    )
    ionise(
        points, clouds.amplitude[first : first + n], clouds.pad[first : first + n], w.order, slot,
        w.off, w.helix, w.track, kept, w.tally, w.charge,
    )  # fmt: skip
    for i in range(kept):
        describe_points(w.tally[i], w.charge[i], search.share, rows[i])
        describe_vertex(w.lines[i, 0], w.terms[i], w.vertex[2], rows[i])


@kernel
def _describe_bars(
    clouds: Clouds, k: int, kept: int, w: Scratch, rows: FloatArray, event: FloatArray
) -> None:
    first, last = clouds.bar_offset[k], clouds.bar_offset[k + 1]
    located = locate_bars(
        clouds.bar[first:last], clouds.top[first:last], clouds.bottom[first:last],
        clouds.top_counts[first:last], clouds.bottom_counts[first:last], w.hits,
    )  # fmt: skip
    hits = w.hits[:located]
    describe_bars(hits, event)
    for i in range(kept):
        match_bars(hits, w.helix[w.track[i]], rows[i])


@kernel
def _describe_event(
    clouds: Clouds, k: int, n: int, found: int, kept: int, variance: float, z: float, w: Scratch,
    row: FloatArray,
) -> None:  # fmt: skip
    rest, total = 0, 0.0
    first = clouds.offset[k]
    for i in range(n):
        rest += int(w.label[i] < 0)
        if isfinite(clouds.amplitude[first + i]):
            total += clouds.amplitude[first + i]
    row[Whole.log_points] = log(max(n, 1) / 600)
    row[Whole.log_remainder], row[Whole.remainder_share] = log(1.0 + rest) - 4, rest / max(n, 1)
    row[Whole.tracks], row[Whole.tracks_left_out] = kept / 5, (found - kept) / 5
    row[Whole.no_track] = 0.0 if kept else 1.0
    row[Whole.anchor_z] = z / 1000
    row[Whole.log_amplitude] = log(total / 40_000) if total > 0 else 0.0
    pattern = clouds.trigger[k]
    if pattern >= 0:
        groups, clusters = _pattern(pattern)
        row[Whole.trigger_known] = 1.0
        row[Whole.trigger_groups], row[Whole.trigger_clusters] = groups / 5, clusters / 3
    if kept:
        _describe_first(kept, variance, w, row)


@kernel
def _pattern(bits: int) -> tuple[int, int]:
    """Groups that are set in a trigger pattern, and separate clusters of them on the ring of 16."""
    groups, clusters = 0, 0
    for i in range(16):
        on, before = (bits >> i) & 1, (bits >> ((i + 15) % 16)) & 1
        groups += on
        clusters += on * (1 - before)
    return groups, 1 if groups == 16 else clusters


@kernel
def _describe_first(kept: int, variance: float, w: Scratch, row: FloatArray) -> None:
    share, chi2, spread = 0.0, 0.0, 0.0
    for i in range(kept):
        share += w.terms[i, SHARE]
        chi2 += w.terms[i, SHARE] * w.terms[i, CHI2]
        spread += w.terms[i, SHARE] * (w.lines[i, 0, Line.z] - w.vertex[2]) ** 2
    row[Whole.first_tracks] = share / 3
    row[Whole.log_z_spread] = log(1 + sqrt(spread / max(share, 1e-6))) - 2
    row[Whole.log_first_chi2] = log(1 + chi2)
    row[Whole.first_x], row[Whole.first_y] = w.vertex[0] / 24, w.vertex[1] / 24
    row[Whole.log_first_sigma_z] = 0.5 * log(max(variance, 1e-3))


@kernel
def _describe_place(world: Apparatus, z: float, row: FloatArray) -> None:
    """Field and material at the height of the origin."""
    _, _, bz = interpolate(world.field_step, world.b_r, world.b_z, 0.0, 0.0, z)
    row[Whole.field] = bz
    i = min(int(np.searchsorted(world.z_edges, z, side="right")), world.shells.size) - 1
    for j in range(world.shells[i]):
        m, r = world.material[i, j], world.r_edges[i, j]
        if world.table[m, DENSITY] > 0 and r < CATHODE_RADIUS_MM:
            x0 = (min(world.r_edges[i, j + 1], CATHODE_RADIUS_MM) - r) / world.table[m, X0_MM]
            row[Whole.thickness] += x0
            row[Whole.thickness_inner] += x0 if r < _INNER_MM else 0.0


@kernel
def _write_points(clouds: Clouds, first: int, n: int, z: float, w: Scratch, out: Filled) -> None:
    """Rows of the points, in the event's own order."""
    for i in range(n):
        j = first + w.order[i]
        row, p, slot = out.points[j], w.points[i], w.label[i]
        out.point_track[j] = slot
        if not (isfinite(clouds.x[j]) and isfinite(clouds.y[j]) and isfinite(clouds.z[j])):
            continue
        row[Point.known] = 1.0
        row[Point.radius], row[Point.z] = (p[PR] - 140) / 30, asinh((p[PZ] - z) / 50)
        row[Point.cosine], row[Point.sine] = p[PX] / max(p[PR], 1e-6), p[PY] / max(p[PR], 1e-6)
        row[Point.log_sigma_rphi], row[Point.log_sigma_z] = log(p[SIGMA_RPHI]), log(p[SIGMA_Z])
        row[Point.log_sigma_r] = log(p[SIGMA_R])
        a, q, t = clouds.amplitude[j], clouds.pad[j], clouds.time[j]
        row[Point.log_amplitude] = _log_size(a / 40)
        row[Point.log_pad_amplitude] = _log_size(q / 50)
        row[Point.time] = min(max((t - 2200) / 1300, -10.0), 10.0) if isfinite(t) else 0.0
        if slot >= 0:
            row[Point.owned] = 1.0
            row[Point.across], row[Point.along_z] = w.off[i, ACROSS] / 1.3, w.off[i, ALONG] / 1.5
            row[Point.arc] = w.off[i, ARC] / 30


@kernel
def _log_size(size: float) -> float:
    """Logarithm of a size, between those of 1e-3 and 1e5; 0 where it is unknown."""
    return log(min(max(size, 1e-3), 1e5)) if isfinite(size) and size > 0 else 0.0

"""Tracks of an event: linked groups of points, three-point helices in them, and fits.

Points closer than a link length belong to one group. In a group, helices through three of its
points are tried; the one that most points lie near is fitted to all points of the event that
follow it, which mends tracks that are broken; its points are taken away, and the search goes on
with what is left. The triplets come from a fixed sequence, so that the same event gives the same
tracks.
"""

from __future__ import annotations

from math import atan2, cos, hypot, sin, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import CATHODE_RADIUS_MM
from blackett.alphag.robust.fit import (
    BACKWARDS_MM,
    FREE,
    KAPPA,
    LAMBDA,
    PR,
    PSI,
    PX,
    PY,
    PZ,
    X,
    Y,
    Z,
    chi2_of,
    distance_across,
    distance_along,
    fit_helix,
    residuals,
    to_radius,
)

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["MOST_TRACKS", "Search", "find_tracks", "link"]

MOST_TRACKS: Final = 40
"""Tracks kept of an event."""
_MOST_FAILURES = 4  # a group that gives so many candidates that are no tracks is given up
_LEFT_OVER = -2  # too close to a track to begin another one
_TRIED = -3  # in a group that gave no more tracks
_AWAY = -4  # outside the radii that are used


class Search(NamedTuple):
    """Settings of the search, as compiled code sees them."""

    r_min_mm: float
    r_max_mm: float
    link_mm: float
    trials: int
    least_points: int
    least_span_mm: float
    near_mm: float
    road_mm: float
    cut: float
    share: float
    rounds: int


@kernel
def link(points: FloatArray, link_mm: float, group: IntArray) -> None:
    """Number the groups of linked points; the points are sorted by z."""
    n = points.shape[0]
    for i in range(n):
        group[i] = i
    for i in range(n):
        j = i + 1
        while j < n and points[j, PZ] - points[i, PZ] < link_mm:
            d2 = (points[j, PX] - points[i, PX]) ** 2 + (points[j, PY] - points[i, PY]) ** 2
            if d2 + (points[j, PZ] - points[i, PZ]) ** 2 < link_mm * link_mm:
                a, b = _root(group, i), _root(group, j)
                group[max(a, b)] = min(a, b)
            j += 1
    for i in range(n):
        group[i] = _root(group, i)


@kernel
def _root(group: IntArray, i: int) -> int:
    while group[i] != i:
        group[i] = group[group[i]]
        i = group[i]
    return i


@kernel
def find_tracks(
    points: FloatArray, search: Search, label: IntArray, group: IntArray, member: IntArray,
    least: FloatArray, helix: FloatArray, info: FloatArray, work: FloatArray,
) -> int:  # fmt: skip
    """Find and fit tracks; returns how many rows of `helix` (n, 6) and `info` (n, 5, 5) are filled.

    `label` (n_points,) gets each point's track, negative if it has none. A helix's reference point
    is where it enters the gas; tracks that do not come from inside it are not kept.
    """
    n, found = points.shape[0], 0
    for i in range(n):
        inside = search.r_min_mm < points[i, PR] < search.r_max_mm
        label[i] = FREE if inside else _AWAY
    link(points, search.link_mm, group)
    for first in range(n):
        failures = 0
        while group[first] == first and found < MOST_TRACKS and failures < _MOST_FAILURES:
            t = helix[found]
            if not _best_triplet(points, search, label, group, first, member, t, work):
                break
            if not _fitted(points, search, label, t, info[found], work):
                _give_up(label, group, first)
                break
            if _take(points, search, label, t, found):
                found += 1
            else:
                failures += 1
    for _ in range(search.rounds):
        _assign(points, search, label, helix, found, least)
        found = _refit(points, search, label, helix, info, found, work)
    _assign(points, search, label, helix, found, least)
    return found


@kernel
def _assign(
    points: FloatArray,
    search: Search,
    label: IntArray,
    helix: FloatArray,
    found: int,
    least: FloatArray,
) -> None:
    """Give every point to the track that it fits best, or to none."""
    for i in range(points.shape[0]):
        if label[i] != _AWAY:
            label[i] = FREE
    for k in range(found):
        t, reach = helix[k], search.road_mm
        c, s, z_reach = cos(t[PSI]), sin(t[PSI]), reach * (1 + abs(t[LAMBDA]))
        for i in range(points.shape[0]):
            p = points[i]
            d = distance_across(t, c, s, p[PX], p[PY])
            if abs(d) > reach or label[i] == _AWAY:
                continue
            e, arc = distance_along(t, c, s, p[PX], p[PY], p[PZ])
            if abs(e) < z_reach and arc > BACKWARDS_MM:
                chi2 = chi2_of(t, p, d, e, arc)
                if chi2 < (least[i] if label[i] >= 0 else search.cut):
                    label[i], least[i] = k, chi2


@kernel
def _refit(
    points: FloatArray, search: Search, label: IntArray, helix: FloatArray, info: FloatArray,
    found: int, work: FloatArray,
) -> int:  # fmt: skip
    """Fit every track to the points it was given; drops those that lost them."""
    kept = 0
    for k in range(found):
        t = helix[kept]
        if k > kept:
            for c in range(6):
                t[c] = helix[k, c]
        count = fit_helix(
            points, label, t, k, search.road_mm, search.cut, search.share, 4, info[kept], work
        )
        if count >= search.least_points and to_radius(t, CATHODE_RADIUS_MM, 0.0):
            kept += 1
    return kept


@kernel
def _give_up(label: IntArray, group: IntArray, which: int) -> None:
    for i in range(label.shape[0]):
        if group[i] == which and label[i] == FREE:
            label[i] = _TRIED


@kernel
def _best_triplet(
    points: FloatArray, search: Search, label: IntArray, group: IntArray, which: int,
    member: IntArray, t: FloatArray, work: FloatArray,
) -> bool:  # fmt: skip
    """Helix through three free points of the group that most of its points lie near."""
    n = 0
    for i in range(points.shape[0]):
        if group[i] == which and label[i] == FREE:
            member[n] = i
            n += 1
    if n < search.least_points:
        return False
    best, state, trial, wanted = 0.0, 12345 + n, 0, search.trials
    probe = work[8]
    while trial < wanted:
        trial += 1
        state = (state * 1103515245 + 12345) % 2147483648
        i = member[(state >> 8) % n]
        state = (state * 1103515245 + 12345) % 2147483648
        j = member[(state >> 8) % n]
        state = (state * 1103515245 + 12345) % 2147483648
        k = member[(state >> 8) % n]
        if not _through(points, i, j, k, probe):
            continue
        score = _score(points, member, n, probe, search.near_mm)
        if score > best:
            best = score
            for c in range(6):
                t[c] = probe[c]
            wanted = min(wanted, _enough(score / n))
    return best > 0.6 * search.least_points


@kernel
def _enough(share: float) -> int:
    """Trials that find with 99.9 % a triplet of a track that holds this share of the points."""
    return int(12 / max(share**3, 1e-3)) + 20


@kernel
def _through(points: FloatArray, i: int, j: int, k: int, t: FloatArray) -> bool:
    """Helix through three points, from the innermost; False if they are too close or far off it."""
    if points[i, PR] > points[j, PR]:
        i, j = j, i
    if points[j, PR] > points[k, PR]:
        j, k = k, j
    if points[i, PR] > points[j, PR]:
        i, j = j, i
    if points[k, PR] - points[i, PR] < 12 or min(
        points[j, PR] - points[i, PR], points[k, PR] - points[j, PR]
    ) < 0.2 * (points[k, PR] - points[i, PR]):
        return False
    ax, ay = points[j, PX] - points[i, PX], points[j, PY] - points[i, PY]
    bx, by = points[k, PX] - points[i, PX], points[k, PY] - points[i, PY]
    la, lb, lc = hypot(ax, ay), hypot(bx, by), hypot(bx - ax, by - ay)
    if min(la, min(lb, lc)) < 3:
        return False
    kappa = 2 * (ax * by - ay * bx) / (la * lb * lc)
    if abs(kappa) > 0.03 or abs(kappa) * lb > 1.9:
        return False
    # the chord's heading less half of the turn along it
    turn = kappa * lb / 2
    half = sqrt(1 - turn * turn)
    ux, uy = (bx * half + by * turn) / lb, (by * half - bx * turn) / lb
    t[X], t[Y], t[Z] = points[i, PX], points[i, PY], points[i, PZ]
    t[PSI], t[KAPPA], t[LAMBDA] = atan2(uy, ux), kappa, 0.0
    _, dz, arc = residuals(t, points[k, PX], points[k, PY], points[k, PZ])
    t[LAMBDA] = dz / max(arc, 1.0)
    _, e, _ = residuals(t, points[j, PX], points[j, PY], points[j, PZ])
    return bool(abs(e) < 5 + abs(t[LAMBDA]))


@kernel
def _score(points: FloatArray, member: IntArray, n: int, t: FloatArray, near_mm: float) -> float:
    """Points near a helix, each counted less the farther it is."""
    score, z_near = 0.0, near_mm * (1 + 0.5 * abs(t[LAMBDA]))
    c, s = cos(t[PSI]), sin(t[PSI])
    for m in range(n):
        p = points[member[m]]
        d = distance_across(t, c, s, p[PX], p[PY])
        if abs(d) < near_mm:
            e, arc = distance_along(t, c, s, p[PX], p[PY], p[PZ])
            if abs(e) < z_near and arc > BACKWARDS_MM:
                score += 1 - 0.5 * ((d / near_mm) ** 2 + (e / z_near) ** 2)
    return score


@kernel
def _fitted(
    points: FloatArray, search: Search, label: IntArray, t: FloatArray, info: FloatArray,
    work: FloatArray,
) -> bool:  # fmt: skip
    """Fit a candidate, first in a wide road, then at its entry into the gas in a narrow one."""
    road, cut, share = search.road_mm, search.cut, search.share
    wide = 2.0 * road
    if fit_helix(points, label, t, FREE, wide, 4 * cut, share, 4, info, work) == 0:
        return False
    if abs(t[KAPPA]) > 0.03:
        return False
    to_radius(t, CATHODE_RADIUS_MM, 0.0)
    return bool(fit_helix(points, label, t, FREE, road, cut, share, 6, info, work) > 0)


@kernel
def _take(points: FloatArray, search: Search, label: IntArray, t: FloatArray, number: int) -> bool:
    """Give the track its points; False, its points set aside, if it does not come from inside."""
    count, low, high = 0, 1e9, 0.0
    c, s, z_road = cos(t[PSI]), sin(t[PSI]), search.road_mm * (1 + abs(t[LAMBDA]))
    for i in range(points.shape[0]):
        p = points[i]
        d = distance_across(t, c, s, p[PX], p[PY])
        if label[i] == FREE and abs(d) < search.road_mm:
            e, arc = distance_along(t, c, s, p[PX], p[PY], p[PZ])
            if abs(e) > z_road or arc < BACKWARDS_MM:
                continue
            if chi2_of(t, p, d, e, arc) < search.cut:
                label[i] = number
                count += 1
                low, high = min(low, p[PR]), max(high, p[PR])
            else:
                label[i] = _LEFT_OVER
    inside = hypot(t[X], t[Y]) < CATHODE_RADIUS_MM + 1
    radial = t[X] * cos(t[PSI]) + t[Y] * sin(t[PSI])
    good = inside and radial > 0 and high - low > search.least_span_mm
    if good and count >= search.least_points:
        return True
    for i in range(points.shape[0]):
        if label[i] == number:
            label[i] = _LEFT_OVER
    return False

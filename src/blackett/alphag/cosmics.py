"""Is this event a cosmic muon? The discriminator "helix-cosmic", on the tracks of a reconstruction.

    vertices = reconstruct_batch(batch, "helix-robust")
    p = p_cosmic(batch, vertices)

A muon crosses the chamber as one line: its two tracks join, it passes the axis at any distance,
nothing else is there, and the bars it hits differ in time by its flight. The pair of tracks that
one parabola fits best gives the quantities of `FEATURES` (agana joins pairs in the same way and
takes the smallest mean squared residual), a logistic function of them the probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, log, pi, sin
from typing import TYPE_CHECKING, Final

import numba
import numpy as np
from scipy.special import expit

from blackett.alphag.geometry import BAR_COUNT
from blackett.alphag.geometry.compiled import kernel
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.alphag.vertex import Vertices
    from blackett.arrays import FloatArray, IntArray

__all__ = ["DEFAULT", "FEATURES", "Settings", "features", "p_cosmic"]

FEATURES: Final = {
    "residual": "logarithm of 0.3 mm2 plus the mean squared distance of the line's points from it",
    "curvature": "logarithm of 1e-4 / mm plus the line's curvature",
    "impact": "its distance from the axis, in units of 100 mm",
    "slope": "|dz/ds| of the line, at most 5",
    "off_line": "logarithm of the share of points off the line (3 added to points of either kind)",
    "other_tracks": "tracks beside the line's, at most 6",
    "flight": (
        "difference (ns, at most 4) between the times of two bars and the flight of light between "
        "their hits, of the pair where it is smallest; 0 without a pair"
    ),
    "no_flight": "1 if no two bars are more than 105 degrees apart",
    "single": "1 if the line is a single track, the only one",
}
"""What the probability follows from."""
_MOST_TRACKS: Final = 8
"""Tracks, those with most points, that are paired."""
_LEAST_POINTS = 8
_NEAR_ACROSS_MM, _NEAR_ALONG_MM = 12.0, 24.0
_LIGHT_MM_NS: Final = 299.79
_BARS_MM: Final = 233.0
_BACK_TO_BACK_RAD: Final = 105 * pi / 180  # as agana's pairs of bars
_MOST_FLIGHT_NS = 4.0
_X, _Y, _Z, _UX, _UY, _D0, _D1, _D2, _SLOPE = range(9)


@dataclass(frozen=True)
class Settings:
    """Weights of the logistic function, and what turns times of bars into places."""

    weights: tuple[float, ...] = (0.0,) * 9
    """Of `FEATURES`, in their order."""
    constant: float = 0.0
    muons_per_annihilation: float = 1.0
    """Muons expected for each annihilation, both with a track: odds are multiplied by it."""
    light_speed_mm_ns: float = 120.9
    """Effective, in the bars (public fit to data)."""

    def __post_init__(self) -> None:
        numbers = np.array([*self.weights, self.constant])
        if numbers.size != len(FEATURES) + 1 or not np.isfinite(numbers).all():
            raise InputError(f"weights {self.weights}: give {len(FEATURES)} finite numbers")
        if not (self.muons_per_annihilation > 0 and self.light_speed_mm_ns > 0):
            raise InputError("muons_per_annihilation and light_speed_mm_ns must be above 0")


DEFAULT: Final = Settings(
    (-0.8196, -0.9058, 3.63, 1.231, -0.6412, -1.323, -2.341, -1.108, 0.1046), -5.788
)
"""Fitted by `tools/fit_alphag_cosmics.py` to tracks of helix-robust in simulated events, fast mode:
the even ones of the first 4000 of recipe disc, seed 101, and 12 000 of recipe cosmics, seed 102."""


def p_cosmic(batch: EventBatch, vertices: Vertices, settings: Settings = DEFAULT) -> FloatArray:
    """Probability (n,) that each event is a cosmic muon; nan where there is no track.

    `vertices`: any reconstruction's answers for the events, with the track of each point.
    """
    found = features(batch, vertices, settings.light_speed_mm_ns)
    score = found @ np.array(settings.weights) + settings.constant
    return np.asarray(expit(score + log(settings.muons_per_annihilation)))


def features(batch: EventBatch, vertices: Vertices, light_speed_mm_ns: float = 120.9) -> FloatArray:
    """`FEATURES` of every event, (n, 9); nan where there is no track of 8 points."""
    if len(vertices.point_track) != len(batch.points):
        raise InputError(f"tracks of {len(vertices.point_track)} points for {len(batch.points)}")
    found = np.full((len(batch), len(FEATURES)), np.nan)
    xyz = np.asarray(batch.points.xyz_mm, np.float64)
    known = np.asarray(np.isfinite(xyz).all(axis=1))
    label = np.where(known, vertices.point_track, -1).astype(np.int64)
    bars = np.stack([batch.bars.bar, batch.bars.top_ns, batch.bars.bottom_ns], axis=1)
    _fill(
        np.where(known[:, None], xyz, 1e6), label, np.asarray(batch.point_offset),
        bars.astype(np.float64), np.asarray(batch.bar_offset), light_speed_mm_ns, found,
    )  # fmt: skip
    return found


@numba.njit(cache=True, error_model="numpy")
def _fill(
    xyz: FloatArray, label: IntArray, offset: IntArray, bars: FloatArray, bar_offset: IntArray,
    light: float, found: FloatArray,
) -> None:  # fmt: skip
    line, best = np.zeros(9), np.zeros(9)
    count, order = np.zeros(64, np.int64), np.zeros(_MOST_TRACKS, np.int64)
    for k in range(len(offset) - 1):
        points, tracks = xyz[offset[k] : offset[k + 1]], label[offset[k] : offset[k + 1]]
        n_tracks, n_used = _longest(tracks, count, order)
        residual = _best_line(points, tracks, order, n_used, line, best)
        if residual < np.inf:
            _of_line(points, best, residual, found[k])
            found[k, 5] = min(max(n_tracks - 2, 0), 6)
            found[k, 8] = 1.0 if n_tracks == 1 else 0.0
            found[k, 6], found[k, 7] = _flight(bars[bar_offset[k] : bar_offset[k + 1]], light)


@kernel
def _longest(label: IntArray, count: IntArray, order: IntArray) -> tuple[int, int]:
    """Number of tracks of 8 points or more; fills `order` with those of most points, and says how
    many."""
    count[:] = 0
    for t in label:
        if 0 <= t < len(count):
            count[t] += 1
    tracks, used = 0, 0
    for t in range(len(count)):
        if count[t] >= _LEAST_POINTS:
            tracks += 1
    while used < min(tracks, len(order)):
        longest = 0
        for t in range(len(count)):
            if count[t] > count[longest]:
                longest = t
        order[used], count[longest] = longest, 0
        used += 1
    return tracks, used


@kernel
def _best_line(
    xyz: FloatArray, label: IntArray, order: IntArray, used: int, line: FloatArray,
    best: FloatArray,
) -> float:  # fmt: skip
    """Mean squared distance (mm2) from the line that joins two tracks best (or one, if it is
    alone); inf without a track."""
    least = np.inf
    for a in range(used):
        for b in range(a + 1 if used > 1 else a, used):
            residual = _fit(xyz, label, order[a], order[b], line)
            if residual < least:
                least = residual
                for k in range(len(line)):
                    best[k] = line[k]
    return least


@kernel
def _fit(xyz: FloatArray, label: IntArray, i: int, j: int, line: FloatArray) -> float:
    """Fill `line` with the fit to the points of two tracks: their centre, the direction in which
    they extend across the axis, a parabola across it and a line along z; returns the mean squared
    distance."""
    n, x, y, z, xx, xy, yy = 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(label)):
        if label[k] == i or label[k] == j:
            px, py = xyz[k, 0], xyz[k, 1]
            n, x, y, z = n + 1, x + px, y + py, z + xyz[k, 2]
            xx, xy, yy = xx + px * px, xy + px * py, yy + py * py
    x, y, z = x / n, y / n, z / n
    xx, xy, yy = xx / n - x * x, xy / n - x * y, yy / n - y * y
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    line[_X], line[_Y], line[_Z] = x, y, z
    line[_UX], line[_UY] = np.cos(angle), np.sin(angle)
    line[_D0:] = 0.0
    s2, s3, s4, sd, ssd, sz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(label)):
        if label[k] == i or label[k] == j:
            s, d, dz = _beside(line, xyz[k])
            s2, s3, s4 = s2 + s * s, s3 + s**3, s4 + s**4
            sd, ssd, sz = sd + s * d, ssd + s * s * d, sz + s * dz
    # s^2 made orthogonal to 1 and s: s^2 - (s3 / s2) s - s2 / n
    square = s4 - s3 * s3 / s2 - s2 * s2 / n
    bend = (ssd - s3 / s2 * sd) / square if square > 1e-6 * s4 else 0.0
    line[_D2] = bend
    line[_D1] = sd / s2 - bend * s3 / s2
    line[_D0] = -bend * s2 / n
    line[_SLOPE] = sz / s2
    total = 0.0
    for k in range(len(label)):
        if label[k] == i or label[k] == j:
            _, d, dz = _beside(line, xyz[k])
            total += d * d + dz * dz
    return total / n


@kernel
def _beside(line: FloatArray, p: FloatArray) -> tuple[float, float, float]:
    """Place of a point along the line, and its distances from it across and along z."""
    x, y = p[0] - line[_X], p[1] - line[_Y]
    s = x * line[_UX] + y * line[_UY]
    d = y * line[_UX] - x * line[_UY]
    off = d - (line[_D0] + (line[_D1] + line[_D2] * s) * s)
    return s, off, p[2] - line[_Z] - line[_SLOPE] * s


@kernel
def _of_line(xyz: FloatArray, line: FloatArray, residual: float, out: FloatArray) -> None:
    """The features of the line itself and of the points about it."""
    near, total = 0, 0
    for k in range(len(xyz)):
        if xyz[k, 0] < 1e5:
            _, across, along = _beside(line, xyz[k])
            total += 1
            if abs(across) < _NEAR_ACROSS_MM and abs(along) < _NEAR_ALONG_MM:
                near += 1
    s = -(line[_X] * line[_UX] + line[_Y] * line[_UY])
    d = line[_X] * line[_UY] - line[_Y] * line[_UX]
    out[0] = log(0.3 + residual)
    out[1] = log(1e-4 + 2 * abs(line[_D2]))
    out[2] = abs(d - (line[_D0] + (line[_D1] + line[_D2] * s) * s)) / 100
    out[3] = min(abs(line[_SLOPE]), 5.0)
    out[4] = log((total - near + 3) / (total + 3))


@kernel
def _flight(bars: FloatArray, light: float) -> tuple[float, float]:
    """`flight` and `no_flight`: of all pairs of bars far enough apart."""
    best, none = _MOST_FLIGHT_NS, 1.0
    for a in range(len(bars)):
        for b in range(a):
            turn = abs(bars[a, 0] - bars[b, 0]) * 2 * pi / BAR_COUNT
            turn = min(turn, 2 * pi - turn)
            if turn > _BACK_TO_BACK_RAD:
                none = 0.0
                later = (bars[a, 1] + bars[a, 2] - bars[b, 1] - bars[b, 2]) / 2
                higher = light * (bars[a, 2] - bars[a, 1] - bars[b, 2] + bars[b, 1]) / 2
                path = hypot(2 * _BARS_MM * sin(turn / 2), higher)
                best = min(best, abs(abs(later) - path / _LIGHT_MM_NS))
    return (0.0 if none else best), none

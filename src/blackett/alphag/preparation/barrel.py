"""The barrel scintillator: hits that continue tracks, and pairs that a muon makes."""

from __future__ import annotations

from math import asinh, atan2, cos, exp, hypot, isfinite, log, pi, sin, sqrt
from typing import TYPE_CHECKING, Final

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import (
    BAR_COUNT,
    BAR_INNER_RADIUS_MM,
    BAR_OUTER_RADIUS_MM,
)
from blackett.alphag.preparation.layout import Track, Whole
from blackett.alphag.robust.fit import KAPPA, LAMBDA, PSI, X, Y, Z, arc_terms

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["LIGHT_SPEED_MM_NS", "describe_bars", "locate_bars", "match_bars"]

LIGHT_SPEED_MM_NS: Final = 120.9
"""Effective light speed in a bar (fit of the experiment to its data)."""
PHI, HEIGHT, TIME, COUNTS = range(4)
"""Columns of the located hits."""
_C_MM_NS = 299.792458
_RADIUS_MM = 0.5 * (BAR_INNER_RADIUS_MM + BAR_OUTER_RADIUS_MM)
_OPPOSITE_RAD = 105 * pi / 180  # the experiment's definition
_REACH_RAD, _REACH_MM = 0.3, 300.0  # and its matching
_MUON_NS = 0.5
_MOST_SPREAD_NS = 5.0


@kernel
def locate_bars(
    bar: IntArray, top: FloatArray, bottom: FloatArray, top_counts: FloatArray,
    bottom_counts: FloatArray, hits: FloatArray,
) -> int:  # fmt: skip
    """Azimuth, z (mm), mean time of both ends (ns) and mean amplitude of every hit; returns how
    many. Hits on no bar, or without a time at both ends, are left out."""
    n = 0
    for i in range(bar.size):
        known = isfinite(top[i]) and isfinite(bottom[i]) and 0 <= bar[i] < BAR_COUNT
        if known and isfinite(top_counts[i]) and isfinite(bottom_counts[i]):
            hits[n, PHI] = 2 * pi * bar[i] / BAR_COUNT
            hits[n, HEIGHT] = 0.5 * LIGHT_SPEED_MM_NS * (bottom[i] - top[i])
            hits[n, TIME] = 0.5 * (top[i] + bottom[i])
            hits[n, COUNTS] = sqrt(max(1.0 * top_counts[i] * bottom_counts[i], 1.0))
            n += 1
    return n


@kernel
def match_bars(hits: FloatArray, t: FloatArray, row: FloatArray) -> None:
    """Features of the hit nearest to where helix t crosses the barrel."""
    s, good = _arc_to(t, _RADIUS_MM)
    if not good or hits.shape[0] == 0:
        return
    _, _, a, b, _, _ = arc_terms(t[KAPPA], s)
    c, n = cos(t[PSI]), sin(t[PSI])
    phi, z = atan2(t[Y] + a * n + b * c, t[X] + a * c - b * n), t[Z] + t[LAMBDA] * s
    first, best, least = hits[0, TIME], -1, 1.0
    for i in range(hits.shape[0]):
        first = min(first, hits[i, TIME])
        turn, away = _turned(hits[i, PHI] - phi) / _REACH_RAD, (hits[i, HEIGHT] - z) / _REACH_MM
        if abs(turn) < 1 and abs(away) < 1 and hypot(turn, away) < least:
            best, least = i, hypot(turn, away)
    if best >= 0:
        row[Track.bar_matched] = 1.0
        row[Track.bar_azimuth] = _turned(hits[best, PHI] - phi) / 0.1
        row[Track.bar_z] = (hits[best, HEIGHT] - z) / 100
        row[Track.bar_time] = asinh((hits[best, TIME] - first) / 2)
        row[Track.log_bar_counts] = log(hits[best, COUNTS] / 20_000)


@kernel
def _arc_to(t: FloatArray, r_mm: float) -> tuple[float, bool]:
    """Arc at which a helix from inside reaches a radius, by Newton's steps."""
    s, c, n = r_mm - hypot(t[X], t[Y]), cos(t[PSI]), sin(t[PSI])
    for _ in range(8):
        _, _, a, b, _, _ = arc_terms(t[KAPPA], s)
        x, y, heading = t[X] + a * c - b * n, t[Y] + a * n + b * c, t[PSI] + t[KAPPA] * s
        r = hypot(x, y)
        if abs(r - r_mm) < 0.1:
            return s, True
        s += (r_mm - r) / max((x * cos(heading) + y * sin(heading)) / max(r, 1.0), 0.2)
    return s, False


@kernel
def _turned(angle: float) -> float:
    return angle - 2 * pi * round(angle / (2 * pi))


@kernel
def describe_bars(hits: FloatArray, row: FloatArray) -> None:
    """Features of all hits of an event, and of pairs on opposite sides."""
    n, total, square = hits.shape[0], 0.0, 0.0
    row[Whole.bars] = n / 5
    for i in range(n):
        total += hits[i, TIME] - hits[0, TIME]
        square += (hits[i, TIME] - hits[0, TIME]) ** 2
        for j in range(i):
            turn = abs(_turned(hits[i, PHI] - hits[j, PHI]))
            if turn > _OPPOSITE_RAD:
                row[Whole.opposite] += 0.2
                apart = hypot(2 * _RADIUS_MM * sin(turn / 2), hits[i, HEIGHT] - hits[j, HEIGHT])
                took = abs(hits[i, TIME] - hits[j, TIME])
                ratio = min(took * _C_MM_NS / apart, 3.0)
                row[Whole.flight] = max(row[Whole.flight], ratio)
                likely = exp(-0.5 * ((took - apart / _C_MM_NS) / _MUON_NS) ** 2)
                row[Whole.flight_muon] = max(row[Whole.flight_muon], likely)
    if n > 1:
        variance = max(square / n - (total / n) ** 2, 0.0)
        row[Whole.bars_spread] = min(sqrt(variance), _MOST_SPREAD_NS)

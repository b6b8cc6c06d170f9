"""How well two tracks of an event make one muon: the classical sign of a cosmic ray.

A muon that crosses the trap leaves two tracks on one line. Every pair of tracks on opposite sides
of the axis is fitted as one line that may bend a little in the field; the smallest mean squared
distance of the points is the discriminator, as in the public ALPHA-g analysis (which takes pairs of
at least 29 points, of any azimuths).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.alphag.vertex import Vertices
    from blackett.arrays import FloatArray

__all__ = ["line_residuals_mm2", "pair_residual_mm2"]

LEAST_POINTS: Final = 29
"""Points that a pair of tracks needs."""
MOST_COSINE: Final = -0.5
"""Of the angle between the azimuths of a pair's middles: a muon through the trap comes and goes on
opposite sides, the pieces of one broken track do not."""
MOST_BEND_MM: Final = 10.0
"""Of a line over half its length: a muon of 0.5 GeV/c over 360 mm. More would let two tracks with a
kink between them pass for one."""
_LEAST_TRACK = 7
_MOST_TRACKS = 8  # the longest; more pairs cost time and hold no muon


def line_residuals_mm2(batch: EventBatch, vertices: Vertices) -> FloatArray:
    """Smallest mean squared distance from one bent line of any pair of an event's tracks (n,);
    infinite for events without a pair."""
    points = np.stack([batch.points.x_mm, batch.points.y_mm, batch.points.z_mm], axis=1)
    points = points.astype(np.float64)
    offset, found = batch.point_offset, np.full(len(batch), np.inf)
    for k in range(len(batch)):
        rows = slice(int(offset[k]), int(offset[k + 1]))
        found[k] = _smallest(points[rows], np.asarray(vertices.point_track[rows]))
    return found


def _smallest(points: FloatArray, track: np.ndarray) -> float:
    names, counts = np.unique(track[track >= 0], return_counts=True)
    longest = np.argsort(-counts, kind="stable")[:_MOST_TRACKS]
    chosen = [names[k] for k in longest if counts[k] >= _LEAST_TRACK]
    parts = [points[track == name] for name in chosen]
    pairs = (np.concatenate(pair) for pair in combinations(parts, 2) if _opposite(*pair))
    return min((pair_residual_mm2(p) for p in pairs if len(p) >= LEAST_POINTS), default=np.inf)


def _opposite(a: FloatArray, b: FloatArray) -> bool:
    """Whether two tracks lie on opposite sides of the axis."""
    u, v = a[:, :2].mean(axis=0), b[:, :2].mean(axis=0)
    return bool(u @ v < MOST_COSINE * np.hypot(*u) * np.hypot(*v))


def pair_residual_mm2(points: FloatArray) -> float:
    """Mean squared distance of points (n, 3) from a line that bends in the horizontal direction
    across it, as in the solenoid, by up to `MOST_BEND_MM` at its ends."""
    centred = points - points.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, 2]
    level = np.array([-axis[1], axis[0], 0.0])
    if not level.any():  # straight up: any direction will do
        level[0] = 1.0
    level /= np.linalg.norm(level)
    along = centred @ axis
    along = along / float(np.max(np.abs(along)))
    line = np.stack([np.ones(along.size), along], axis=1)
    bent, upright = centred @ level, centred @ np.cross(axis, level)
    curve = _off_line(line, along**2)
    left = _off_line(line, bent)
    best = float(curve @ left) / max(float(curve @ curve), 1e-12)
    bend = np.clip(best, -MOST_BEND_MM, MOST_BEND_MM)
    squares = ((left - bend * curve) ** 2).sum() + (_off_line(line, upright) ** 2).sum()
    return float(squares / len(points))


def _off_line(line: FloatArray, values: FloatArray) -> FloatArray:
    """What a straight line leaves of values."""
    return np.asarray(values - line @ np.linalg.lstsq(line, values, rcond=None)[0])

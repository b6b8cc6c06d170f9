"""Events as the published networks see them: 800 points (x, y, z) in mm, innermost first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.arrays import FloatArray, IntArray

__all__ = ["CLOUD", "cloud", "innermost", "repeated"]

CLOUD: Final = 800
"""Points of an event."""


def cloud(batch: EventBatch, most: int = CLOUD) -> FloatArray:
    """Clouds (n, most, 3), float32: points by rising x2 + y2, the first `most`, repeated in turn if
    there are fewer (data path of `ALPHA-g-Experiment/reco`); zeros for an event without points."""
    points, offset = innermost(batch, most)
    return repeated(points, offset[:-1], np.diff(offset), most)


def innermost(batch: EventBatch, most: int = CLOUD) -> tuple[FloatArray, IntArray]:
    """The `most` points of each event that lie nearest to the axis, in this order, and offsets.

    Points (rows, 3), float32; points that are not finite are left out.
    """
    xyz = batch.points.xyz_mm
    event = np.repeat(np.arange(len(batch)), np.diff(batch.point_offset))
    known = np.isfinite(xyz).all(axis=1)
    xyz, event = xyz[known], event[known]
    order = np.lexsort((xyz[:, 0] ** 2 + xyz[:, 1] ** 2, event))
    count = np.bincount(event, minlength=len(batch))
    start = np.cumsum(count) - count
    place = np.arange(order.size) - start[event]
    kept = order[place < most]
    offset = np.concatenate([[0], np.cumsum(np.minimum(count, most))])
    return np.ascontiguousarray(xyz[kept], np.float32), offset


def repeated(points: FloatArray, start: IntArray, count: IntArray, most: int = CLOUD) -> FloatArray:
    """Rows start..start + count of each event, in turn, until there are `most`: (n, most, 3)."""
    turn = np.arange(most) % np.maximum(count, 1)[:, None]
    if not len(points):
        return np.zeros((len(count), most, 3), np.float32)
    rows = np.minimum(start[:, None] + turn, len(points) - 1)
    return np.where((count > 0)[:, None, None], points[rows], 0.0).astype(np.float32)

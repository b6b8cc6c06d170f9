"""Event records: shapes, sharing, joining."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.alphag.event import (
    BarHits,
    Event,
    EventBatch,
    SpacePoints,
    Truth,
    TruthTracks,
    joined,
)
from blackett.errors import InputError


def points(n: int, start: float = 0.0) -> SpacePoints:
    return SpacePoints(
        *(start + np.arange(n) + k for k in range(9)), np.arange(n), np.arange(n) - 1
    )


def event(number: int, n: int, truth: bool = True) -> Event:
    what = Truth(np.array([1.0, 2, number]), 0.5, number % 2 == 1, TruthTracks.empty(number))
    return Event(
        number, points(n, 10.0 * number), BarHits.empty(n // 2), 7, what if truth else None
    )


def test_joining_and_indexing_are_inverse() -> None:
    events = [event(k, n) for k, n in enumerate([3, 0, 5])]
    batch = joined(events)
    assert len(batch) == 3
    for before, after in zip(events, batch, strict=True):
        assert after.number == before.number and after.trigger == 7
        np.testing.assert_array_equal(after.points.xyz_mm, before.points.xyz_mm)
        assert len(after.bars) == len(before.bars)
        assert after.truth is not None and before.truth is not None
        assert after.truth.cosmic == before.truth.cosmic
        assert len(after.truth.tracks) == len(before.truth.tracks)
    assert batch[-1].number == 2
    with pytest.raises(IndexError):
        batch[3]


def test_truth_is_all_or_nothing() -> None:
    assert joined([event(0, 2), event(1, 2, truth=False)]).vertex_mm is None
    batch = joined([event(0, 2)])
    with pytest.raises(InputError, match="all or nothing"):
        EventBatch(
            batch.number, batch.point_offset, batch.points, batch.bar_offset, batch.bars,
            batch.trigger, batch.vertex_mm,
        )  # fmt: skip


def test_arrays_cannot_be_changed_and_are_shared() -> None:
    batch = joined([event(0, 4)])
    with pytest.raises(ValueError, match="read-only"):
        batch.points.x_mm[0] = 1
    assert np.shares_memory(batch[0].points.x_mm, batch.points.x_mm)


def test_columns_must_agree() -> None:
    columns = [np.zeros(3)] * 10
    with pytest.raises(InputError, match=r"SpacePoints.track"):
        SpacePoints(*columns, np.zeros(2))
    with pytest.raises(InputError, match=r"TruthTracks\.start_mm"):
        TruthTracks(*[np.zeros(2)] * 7)


def test_offsets_must_fit() -> None:
    batch = joined([event(0, 4)])
    with pytest.raises(InputError, match="point_offset"):
        EventBatch(batch.number, [0, 3], batch.points, batch.bar_offset, batch.bars, batch.trigger)


def test_empty() -> None:
    assert len(joined([])) == 0
    assert SpacePoints.empty().xyz_mm.shape == (0, 3)

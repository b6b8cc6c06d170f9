"""Cumulative counters to increments: resets, new axes, gaps, devices that were off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackett.gamma.live.continuity import Continuity
from blackett.gamma.live.messages import Reading

AXIS = (0.0, 10.0, 0.0)


def reading(
    at_s: float, counts: list[int], device_s: int, axis: tuple[float, float, float] = AXIS
) -> Reading:
    return Reading(at_s, np.array(counts), device_s, axis)


def test_the_first_reading_is_the_start() -> None:
    tracked = Continuity()
    assert tracked.step(reading(100.0, [5, 6, 7], 50)) is None
    one = tracked.step(reading(101.1, [5, 8, 7], 51))
    assert one is not None
    assert (one.counts.tolist(), one.kind) == ([0, 2, 0], "regular")
    assert one.seconds == pytest.approx(1.1)


def test_a_fall_of_any_counter_is_a_reset() -> None:
    for counts, device_s in (([9, 0, 9], 60), ([9, 9, 9], 2)):
        tracked = Continuity(reading(100.0, [5, 6, 7], 50))
        one = tracked.step(reading(110.0, counts, device_s))
        assert one is not None
        assert (one.kind, one.counts.tolist()) == ("reset", counts)
        assert one.begin_s >= 100.0
        assert one.seconds <= 10.0


def test_a_new_axis_or_other_channels_are_told() -> None:
    tracked = Continuity(reading(100.0, [5, 6, 7], 50))
    one = tracked.step(reading(101.0, [5, 6, 9], 51, (0.0, 10.1, 0.0)))
    assert one is not None
    assert (one.kind, one.counts.tolist()) == ("recalibrated", [0, 0, 2])
    one = tracked.step(reading(102.0, [1, 2], 52))
    assert one is not None
    assert (one.kind, one.counts.tolist()) == ("recalibrated", [0, 0])


def test_a_gap_keeps_its_counts() -> None:
    tracked = Continuity(reading(100.0, [5, 6, 7], 50))
    one = tracked.step(reading(400.0, [50, 6, 7], 350))
    assert one is not None
    assert (one.kind, one.counts.tolist(), one.seconds) == ("gap", [45, 0, 0], 300.0)


def test_time_that_the_device_was_off_does_not_count() -> None:
    tracked = Continuity(reading(100.0, [5, 6, 7], 50))
    one = tracked.step(reading(400.0, [9, 6, 7], 70))
    assert one is not None
    assert one.seconds == 20.0


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=1, max_size=30))
def test_increments_add_up_to_what_came(new: list[list[int]]) -> None:
    tracked, shown, total = Continuity(), np.array([3, 1, 4, 1]), np.zeros(4, dtype=np.int64)
    tracked.step(reading(0.0, shown.tolist(), 10))
    for second, counts in enumerate(new, start=1):
        shown = shown + counts
        one = tracked.step(reading(float(second), shown.tolist(), 10 + second))
        assert one is not None
        total += one.counts
    assert total.tolist() == np.sum(new, axis=0).tolist()


def test_late_stamps_are_put_back() -> None:
    tracked, seconds = Continuity(), []
    for second, late_s in enumerate((0.3, 0.3, 0.3, 4.3, 3.3, 2.3, 1.3, 0.3, 0.3)):
        one = tracked.step(reading(1000.0 + second + late_s, [second] * 3, second))
        seconds.append(one.seconds if one is not None else 0.0)
    assert max(seconds) <= 2.0
    assert sum(seconds) == pytest.approx(8.0, abs=0.1)

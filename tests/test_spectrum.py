from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration, TabulatedCalibration
from blackett.gamma.spectrum import Spectrum, rebin

AXIS = EnergyCalibration((0.5, 1.0))  # edges 0, 1, 2, ... keV


def spectrum(counts: Any = (1, 2, 3, 4), **fields: Any) -> Spectrum:
    return Spectrum(np.asarray(counts), **{"calibration": AXIS, "live_time_s": 10.0, **fields})


def test_holds_what_it_was_given() -> None:
    one = spectrum(overflow_channel=3, real_time_s=11)
    assert (one.n_channels, one.total_counts, one.overflow_counts) == (4, 10, 4)
    assert one.cps == 1.0
    assert one.usable.tolist() == [True, True, True, False]
    assert one.edges_kev.tolist() == [0, 1, 2, 3, 4]
    assert one.centres_kev.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert one.counts.dtype == np.int64
    assert not one.counts.flags.writeable
    assert spectrum(name=" rock ").name == "rock"


def test_counts_are_a_copy() -> None:
    raw = np.array([1, 2])
    one = spectrum(raw)
    raw[0] = 99
    assert one.counts.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("counts", "rule"),
    [
        ([1, -1], "channel 1 has -1"),
        ([1.0, 2.5], "whole numbers"),
        ([1.0, np.nan], "whole numbers"),
        ([1.0, np.inf], "whole numbers"),
        ([1], "2 to 65536 channels"),
        ([[1, 2], [3, 4]], "one row"),
        (np.zeros(65_537), "2 to 65536 channels"),
        ([2**61, 2**61], "less than 2"),
        ([2**63, 1], "2\\^62"),
        (["1", "2"], "must be numbers"),
        ([10**30, 1], "must be numbers"),
        ([True, False], "must be numbers"),
    ],
)
def test_refuses_counts(counts: Any, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        spectrum(counts)


@pytest.mark.parametrize("name", ["live_time_s", "real_time_s"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e300, "10", True])
def test_refuses_times(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        spectrum(**{name: value})


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"overflow_channel": 4}, "overflow_channel"),
        ({"masked_channels": (4,)}, "masked_channels"),
        ({"masked_channels": (1, 0)}, "masked_channels"),
        ({"calibration": EnergyCalibration((0, -1))}, "rise"),
        ({"name": "a\0b"}, "name must be text"),
        ({"comment": "x" * 70_000}, "comment must be text"),
        ({"start": "today"}, "start"),
        ({"comment": "\ud800"}, "surrogates"),
    ],
)
def test_refuses_fields(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        spectrum(**fields)


def test_a_background_has_no_background() -> None:
    inner = spectrum().with_background(spectrum())
    with pytest.raises(InputError, match="background"):
        spectrum(background=inner)
    assert spectrum().with_background(inner).background == spectrum()


def test_without_axis_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match="recalibrate"):
        _ = spectrum(calibration=None).edges_kev
    assert spectrum(calibration=None).recalibrate(AXIS) == spectrum()


def test_equality_sees_every_field() -> None:
    assert spectrum() == spectrum()
    assert spectrum() != spectrum([1, 2, 3, 5])
    assert spectrum() != spectrum(serial="RC-103-000001")
    assert spectrum() != 7


def test_add() -> None:
    both = spectrum(real_time_s=11).add(spectrum([5, 5, 5, 5], real_time_s=12, live_time_s=9))
    assert both.counts.tolist() == [6, 7, 8, 9]
    assert (both.live_time_s, both.real_time_s) == (19, 23)
    assert spectrum().add(spectrum(real_time_s=12)).real_time_s is None
    with pytest.raises(InputError, match="add up"):
        spectrum().add(spectrum(calibration=None))


def test_subtract_scales_by_live_time_and_carries_the_variance() -> None:
    net = spectrum([10, 20]).subtract(spectrum([4, 8], live_time_s=20.0))
    assert net.counts.tolist() == [8, 16]
    assert net.variance.tolist() == [10 + 4 / 4, 20 + 8 / 4]
    assert spectrum([10, 20]).with_background(spectrum([1, 1])).subtract().counts[0] == 9
    with pytest.raises(InputError, match="no background"):
        spectrum().subtract()


def test_subtract_moves_a_background_from_another_axis() -> None:
    coarse = Spectrum(
        np.array([2, 4, 100]), TabulatedCalibration(np.array([0.0, 2, 4, 6])), 10.0,
        overflow_channel=2,
    )  # fmt: skip
    net = spectrum([10, 10, 10, 10, 50], overflow_channel=4).subtract(coarse)
    assert net.counts.tolist() == [9, 9, 8, 8, -50]
    assert net.variance.tolist() == [10.5, 10.5, 11, 11, 150]
    with pytest.raises(InputError, match="no energy calibration"):
        spectrum().subtract(spectrum(calibration=None))


def test_rebin_by_hand() -> None:
    moved = rebin(np.array([4, 8]), np.array([0.0, 1, 3]), [0.5, 2, 2.5])
    assert moved.counts.tolist() == [2 + 4, 2]
    assert moved.variance.tolist() == [0.25 * 4 + 0.25 * 8, 0.0625 * 8]
    assert (moved.below, moved.above) == (2, 2)


def test_rebin_leaves_overflow_and_masked_channels_out() -> None:
    one = spectrum([300, 2, 3, 99], overflow_channel=3, masked_channels=(0,))
    assert one.rebin([0, 4]).counts.tolist() == [5]
    assert one.cps == pytest.approx(10.4)


@pytest.mark.parametrize("edges", [[1], [1, 1], [2, 1], [0, np.nan], [[0, 1]]])
def test_rebin_refuses_edges(edges: Any) -> None:
    with pytest.raises(InputError, match="edges"):
        spectrum().rebin(edges)


def test_group_is_exact() -> None:
    one = spectrum([1, 2, 3, 4], overflow_channel=3, masked_channels=(0, 1)).group(2)
    assert one.counts.tolist() == [3, 7]
    assert one.edges_kev.tolist() == [0, 2, 4]
    assert (one.overflow_channel, one.masked_channels) == (1, (0,))
    with pytest.raises(InputError, match="group"):
        spectrum().group(3)


def test_trim_keeps_the_energies() -> None:
    one = spectrum(overflow_channel=3, masked_channels=(1,)).trim(1, 3)
    assert one.counts.tolist() == [2, 3]
    assert one.edges_kev.tolist() == [1, 2, 3]
    assert (one.overflow_channel, one.masked_channels) == (None, (0,))
    assert spectrum(overflow_channel=3).trim(2, 4).overflow_channel == 1
    table = TabulatedCalibration(np.array([0.0, 1, 3, 6, 10]))
    assert spectrum(calibration=table).trim(1, 3).edges_kev.tolist() == [1, 3, 6]
    with pytest.raises(InputError, match="take"):
        spectrum().trim(3, 4)

from __future__ import annotations

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration, TabulatedCalibration

RC110 = EnergyCalibration((3.5093544, 2.3624456, 4.0645464e-4))


def test_energy_is_that_of_the_centre_and_edges_lie_half_a_channel_away() -> None:
    axis = EnergyCalibration((1.0, 2.0, 0.25))
    assert axis.energy_kev([0, 1, 2]).tolist() == [1.0, 3.25, 6.0]
    assert axis.edges_kev(2).tolist() == [0.0625, 2.0625, 4.5625]
    assert axis.edges_kev(3)[1] == axis.energy_kev(0.5)


def test_published_example_of_an_rc110() -> None:
    """Facts on the energy axis: 3.5 keV at channel 0, 2845.7 keV at channel 1023."""
    assert RC110.energy_kev([0, 1023]) == pytest.approx([3.5, 2845.7], abs=0.05)


def test_conversion_of_the_vendor_app() -> None:
    old = EnergyCalibration((1.9060767, 9.45942, 0.00813342))
    new = old.for_channels(256, 1024)
    assert new.coefficients_kev == pytest.approx((1.9060767, 9.45942 / 4, 0.00813342 / 16))
    assert new.for_channels(1024, 256).coefficients_kev == pytest.approx(old.coefficients_kev)
    with pytest.raises(InputError, match="channel numbers"):
        old.for_channels(1, 1024)


def test_grouping_four_channels_keeps_their_edges() -> None:
    assert np.allclose(RC110.resampled(0, 4).edges_kev(256), RC110.edges_kev(1024)[::4])


def test_channel_inverts_polynomials_of_every_degree() -> None:
    for coefficients in [(1, 2), (1, 2, -4e-4), (1, 2, 3e-4), (-6, 2.4, 4e-4, -1e-8)]:
        axis = EnergyCalibration(coefficients)
        assert np.allclose(axis.channel(axis.energy_kev([0, 7.25, 900])), [0, 7.25, 900])
    with pytest.raises(InputError, match="outside the range"):
        EnergyCalibration((0, 1, -1e-3)).channel(251.0)  # the parabola ends at 250 keV


@pytest.mark.parametrize(
    "coefficients", [(), (1.0,), (0.0, float("nan")), (0.0, float("inf")), (0.0,) + (1.0,) * 10]
)
def test_refuses_coefficients(coefficients: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="2 to 10 finite coefficients"):
        EnergyCalibration(coefficients)


@pytest.mark.parametrize("coefficients", [(0, 0), (0, -1), (0, 1, -1e-3), (5, 1e300, 1e300)])
def test_axis_must_rise_over_the_channels_in_use(coefficients: tuple[float, ...]) -> None:
    axis = EnergyCalibration(coefficients)
    with pytest.raises(InputError):
        axis.edges_kev(1024)


def test_axis_may_fall_beyond_the_channels_in_use() -> None:
    assert EnergyCalibration((0, 1, -1e-3)).edges_kev(256).size == 257


def test_table_from_centres() -> None:
    table = TabulatedCalibration.from_centres([1, 2, 4])
    assert table.edges.tolist() == [0.5, 1.5, 3.0, 5.0]
    assert table.energy_kev([0, 1]).tolist() == [1.0, 2.25]
    assert table.channel([0.5, 3.0, 5.0]).tolist() == [-0.5, 1.5, 2.5]
    assert table.edges_kev(3).tolist() == table.edges.tolist()
    assert not table.edges.flags.writeable


def test_table_refuses() -> None:
    table = TabulatedCalibration(np.array([0.0, 1, 2, 3]))
    with pytest.raises(InputError, match="3 channels used for 4"):
        table.edges_kev(4)
    with pytest.raises(InputError, match="outside"):
        table.channel(3.5)
    with pytest.raises(InputError, match="outside"):
        table.energy_kev(3)
    with pytest.raises(InputError, match="rise"):
        TabulatedCalibration(np.array([0.0, 2, 1]))
    with pytest.raises(InputError, match="at least 2 centres"):
        TabulatedCalibration.from_centres([1])
    assert table != TabulatedCalibration(np.array([0.0, 1, 2, 4]))

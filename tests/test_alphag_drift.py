"""Drift: the published table, both directions, knobs."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.alphag import drift
from blackett.alphag.drift import DriftSettings, drift_table
from blackett.alphag.geometry.tables import read_table
from blackett.errors import InputError

ROWS = np.array([[float(v) for v in row.values()] for row in read_table("drift_table.csv")])
HEIGHTS = [0.0, 800.0, 900.0, 1000.0, 1100.0, 1150.0]


@pytest.mark.parametrize("k", range(6))
def test_times_are_those_of_the_table_to_its_rounding(k: int) -> None:
    t = drift.drift_time_ns(ROWS[:, 0], HEIGHTS[k])
    assert np.abs(t - ROWS[:, 1 + 2 * k]).max() < 1.0


@pytest.mark.parametrize("k", range(6))
def test_azimuths_are_those_of_the_table_where_it_has_them(k: int) -> None:
    stored = ROWS[:, 2 + 2 * k]
    smooth = 1e3 * drift.lorentz_azimuth_rad(ROWS[:, 0], HEIGHTS[k])
    assert np.abs(smooth - stored)[stored > 0].max() < 0.06
    assert (smooth > 0).all()
    cut = 1e3 * drift.lorentz_azimuth_rad(ROWS[:, 0], HEIGHTS[k], drift_table(truncated=True))
    clear = np.abs(smooth - 30) > 1.0  # the cut is smeared over one node of the grid
    assert np.abs(cut - stored)[clear].max() < 0.06
    assert clear.sum() >= 17


@pytest.mark.parametrize("z", [0.0, 300.0, -760.0, 850.0, -975.0, 1048.0, 1140.0])
def test_reconstruction_undoes_the_drift(z: float) -> None:
    r = np.linspace(109.3, 181.3, 200)
    t, a = drift.drift_time_ns(r, z), drift.lorentz_azimuth_rad(r, z)
    back, subtracted = drift.reconstructed_origin(t, z)
    assert np.abs(back - r).max() < 0.25  # one step across the corner at the field wires
    inside = r < 173
    assert np.abs(back - r)[inside].max() < 0.02
    assert np.abs(subtracted - a).max() < 2e-3


def test_azimuth_has_no_step_and_the_truncated_one_has() -> None:
    r = np.linspace(110, 181, 2000)
    smooth = drift.lorentz_azimuth_rad(r, 0.0)
    stepped = drift.lorentz_azimuth_rad(r, 0.0, drift_table(truncated=True))
    assert np.abs(np.diff(smooth)).max() < 2e-3
    assert np.abs(stepped[14:] - stepped[:-14]).max() > 0.028  # across half a mm


def test_same_above_and_below_and_constant_in_the_middle() -> None:
    r = np.linspace(110, 180, 50)
    assert (drift.drift_time_ns(r, 905.0) == drift.drift_time_ns(r, -905.0)).all()
    assert (drift.drift_time_ns(r, 0.0) == drift.drift_time_ns(r, 697.0)).all()


def test_first_bin_is_where_the_public_clouds_begin() -> None:
    r, _ = drift.reconstructed_origin(np.full(5, 8.0), np.array([0.0, 500, -700, 1000, 1100]))
    assert ((r > 181.43) & (r < 181.60)).all()


def test_charge_from_behind_the_wires_arrives_late_again() -> None:
    t = drift.drift_time_ns([182.0, 183.2, 185.6, 188.0, 190.3], 0.0)
    np.testing.assert_allclose(t, [0, 30, 69, 96, 179], atol=2.5)


def test_past_the_end_is_nothing() -> None:
    r, a = drift.reconstructed_origin([4400.0, 4000.0, -1.0], [0.0, 1150.0, 0.0])
    assert np.isnan(r).all() and np.isnan(a).all()


def test_knobs_scale_times_and_azimuths() -> None:
    table = drift_table(DriftSettings(time_scale=1.02, lorentz_scale=0.95))
    assert drift.drift_time_ns(130.0, 0.0, table) == pytest.approx(
        1.02 * drift.drift_time_ns(130.0, 0.0), rel=1e-9
    )
    assert drift.lorentz_azimuth_rad(130.0, 0.0, table) == pytest.approx(
        0.95 * drift.lorentz_azimuth_rad(130.0, 0.0), rel=1e-9
    )
    r, _ = drift.reconstructed_origin(drift.drift_time_ns(130.0, 0.0, table), 0.0, table)
    assert r == pytest.approx(130.0, abs=0.05)


def test_radial_field_pushes_away_from_the_centre_near_the_ends() -> None:
    table = drift_table()
    for sign in (1, -1):
        shift = drift.arrival(table.by_radius, table.by_height, 110.0, sign * 1000.0)[2]
        assert shift == pytest.approx(sign * 0.9, abs=0.05)
    assert drift.arrival(table.by_radius, table.by_height, 110.0, 300.0)[2] == 0
    off = drift_table(DriftSettings(axial_scale=0.0))
    assert drift.arrival(off.by_radius, off.by_height, 110.0, 1000.0)[2] == 0


@pytest.mark.parametrize(("r", "z"), [(100.0, 0.0), (192.0, 0.0), (150.0, 1200.0), (np.nan, 0.0)])
def test_drift_from_outside_the_gas_is_refused(r: float, z: float) -> None:
    with pytest.raises(InputError, match=r"109-190\.7"):
        drift.drift_time_ns(r, z)


@pytest.mark.parametrize("name", ["time_scale", "lorentz_scale", "longitudinal_um"])
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(InputError, match=name):
        DriftSettings(**{name: -1.0})
    with pytest.raises(InputError, match="time_scale"):
        DriftSettings(time_scale=0.0)

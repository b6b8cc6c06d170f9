"""Physics of the drift chamber: speeds, diffusion, charge and points of a straight track."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.alphag import drift
from blackett.alphag.digitise import DigitiseSettings, Points, digitise_gas
from blackett.alphag.digitise.chamber import build_chamber
from blackett.alphag.event import SpacePoints
from blackett.alphag.transport.records import GasSegments
from blackett.seeds import generator

if TYPE_CHECKING:
    from blackett.arrays import IntArray

MINIMUM_LOSS_MEV_MM = 28 / 10 / build_chamber(DigitiseSettings()).clusters_per_mev


def straight_tracks(n: int, phi: np.ndarray, z: float, slope: float = 0.0) -> GasSegments:
    """n radial tracks, one an event, at minimum ionisation, climbing `slope` mm per mm."""
    r = np.linspace(109.3, 189.9, 18)
    rows = r.size - 1
    event = np.repeat(np.arange(n), rows)
    inner, outer = np.tile(r[:-1], n), np.tile(r[1:], n)
    azimuth = np.repeat(phi, rows)

    def at(radius: np.ndarray) -> np.ndarray:
        height = z + slope * (radius - 109.3)
        return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], axis=1)

    length = (outer - inner) * np.hypot(1, slope)
    return GasSegments(
        event, event, np.full(event.size, 211), at(inner), at(outer), np.zeros(event.size),
        length, np.full(event.size, 3.5), length * MINIMUM_LOSS_MEV_MM,
    )  # fmt: skip


def seen(
    n: int, settings: DigitiseSettings, z: float = 10.0
) -> tuple[IntArray, SpacePoints, np.ndarray]:
    phi = generator(3).uniform(0, 2 * np.pi, n)
    offset, columns, _ = digitise_gas(straight_tracks(n, phi, z), n, generator(4), settings)
    return offset, SpacePoints(**columns), phi


def test_drift_speeds_are_those_of_the_gas() -> None:
    r = np.array([172.0, 160.0, 149.0, 136.0, 122.0, 109.6])
    speed = -0.4e3 / (drift.drift_time_ns(r + 0.2, 0.0) - drift.drift_time_ns(r - 0.2, 0.0))
    np.testing.assert_allclose(speed, [12.5, 13.5, 14.8, 16.4, 18.4, 20.4], rtol=0.03)


def test_diffusion_over_the_whole_drift() -> None:
    table = drift.drift_table()
    time, azimuth, along_z = drift.diffusion(table.by_height, 109.3, 0.0, 4276.0)
    assert along_z == pytest.approx(0.40, abs=0.02)
    assert azimuth * 145 == pytest.approx(0.40, abs=0.03)
    assert 20 < time < 30
    at_end = drift.diffusion(table.by_height, 109.3, 1150.0, 3943.0)[2]
    assert at_end < along_z  # a smaller Lorentz angle, a shorter path


def test_ionisation_is_that_of_the_mixture() -> None:
    chamber = build_chamber(DigitiseSettings())
    sizes = np.diff(np.concatenate([[0], chamber.cluster_cdf]))
    mean = (sizes * np.arange(1, sizes.size + 1)).sum()
    per_mev = chamber.clusters_per_mev * mean
    assert 1e6 / per_mev == pytest.approx(28, rel=0.15)  # eV per pair: 26 argon, 33 carbon dioxide
    assert 28 * mean == pytest.approx(84, rel=0.25)  # below the delta-ray cut; all: 84 per cm
    assert 0.6 < sizes[0] < 0.75


@pytest.mark.parametrize("mode", ["fast", "full"])
def test_points_lie_on_the_track(mode: str) -> None:
    n = 60
    settings = DigitiseSettings(mode=mode, points=Points(noise_points=0.0))
    offset, points, phi = seen(n, settings)
    event = np.repeat(np.arange(n), np.diff(offset))
    assert 50 < np.diff(offset).mean() < 270
    inside = points.r_mm < 172
    turn = np.angle(np.exp(1j * (np.arctan2(points.y_mm, points.x_mm) - phi[event])))
    along = (turn * points.r_mm)[inside]
    dz = points.z_mm[inside] - 10.0
    assert abs(np.median(along)) < 0.1
    assert abs(np.median(dz)) < 0.1
    assert 0.9 < width(along) < 1.6
    assert 0.6 < width(dz) < 2.0
    assert (np.abs(dz) < 6).mean() > 0.93


def width(values: np.ndarray) -> float:
    low, high = np.percentile(values, [16, 84])
    return float(high - low) / 2


def test_fast_mode_gives_what_full_mode_gives() -> None:
    n = 150
    found = [seen(n, DigitiseSettings(mode=mode)) for mode in ("fast", "full")]
    counts = [np.diff(offset).mean() for offset, _, _ in found]
    assert counts[0] == pytest.approx(counts[1], rel=0.15)
    widths = [width(points.z_mm - 10.0) for _, points, _ in found]
    assert widths[0] == pytest.approx(widths[1], rel=0.25)
    errors = [np.median(points.sigma_rphi_mm) for _, points, _ in found]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)


def test_truncated_azimuth_bends_tracks_only_outside_its_step() -> None:
    parity = DigitiseSettings(points=Points(truncated_lorentz=True, noise_points=0.0))
    offset, points, phi = seen(200, parity)
    turn = np.arctan2(points.y_mm, points.x_mm) - np.repeat(phi, np.diff(offset))
    turn = np.angle(np.exp(1j * turn))
    assert abs(np.median(turn[points.r_mm < 160])) < 1.5e-3
    outside = (points.r_mm > 167) & (points.r_mm < 173)
    assert np.median(turn[outside]) > 0.010  # as in the experiment's own clouds

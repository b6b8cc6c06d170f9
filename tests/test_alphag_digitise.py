"""Digitisation: deconvolution, channels, matching, bars, trigger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from blackett.alphag.digitise import (
    Barrel,
    DigitiseSettings,
    Gas,
    Pads,
    Points,
    Trigger,
    Wires,
    digitise_gas,
    trigger_clusters,
)
from blackett.alphag.digitise.bars import bar_hits
from blackett.alphag.digitise.chamber import build_chamber
from blackett.alphag.digitise.draws import poisson, seeded
from blackett.alphag.digitise.points import _one_to_one
from blackett.alphag.digitise.waveforms import deconvolve
from blackett.alphag.event import BarHits, SpacePoints
from blackett.alphag.transport.records import BarrelHits, GasSegments
from blackett.errors import InputError
from blackett.seeds import generator

QUIET = Points(noise_points=0.0)


def dots(where: list[tuple[float, float, float]], loss_mev: float = 0.0005) -> GasSegments:
    """Energy left at points (r, phi, z), one event each."""
    r, phi, z = np.array(where, float).T
    at = np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1)
    n = len(where)
    return GasSegments(
        np.arange(n), np.arange(n), np.full(n, 11), at, at, np.zeros(n), np.zeros(n), np.ones(n),
        np.full(n, loss_mev),
    )  # fmt: skip


def seen(gas: GasSegments, settings: DigitiseSettings, seed: int = 1) -> SpacePoints:
    n = int(gas.event.max()) + 1
    return SpacePoints(**digitise_gas(gas, n, generator(seed), settings)[1])


@pytest.mark.parametrize("mode", ["fast", "full"])
def test_a_dot_of_charge_comes_back_where_it_was(mode: str) -> None:
    gas = dots([(150.0, 1.0, 100.0)] * 40, loss_mev=0.002)
    points = seen(gas, DigitiseSettings(mode=mode, points=QUIET))
    assert len(points) >= 40
    assert (points.track >= 0).mean() > 0.9
    weight = points.amplitude
    assert np.average(points.r_mm, weights=weight) == pytest.approx(150.0, abs=0.5)
    assert np.average(points.z_mm, weights=weight) == pytest.approx(100.0, abs=0.5)
    phi = np.arctan2(points.y_mm, points.x_mm)
    assert np.average(phi, weights=weight) == pytest.approx(1.0, abs=0.025)  # one wire


@pytest.mark.parametrize("mode", ["fast", "full"])
def test_one_seed_reproduces_and_another_differs(mode: str) -> None:
    gas, settings = dots([(140.0, 2.0, -300.0)] * 5), DigitiseSettings(mode=mode)
    first, second, third = (seen(gas, settings, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.xyz_mm, second.xyz_mm)
    assert not np.array_equal(first.z_mm, third.z_mm)


@pytest.mark.parametrize("mode", ["fast", "full"])
def test_dead_channels_and_thresholds_silence(mode: str) -> None:
    gas = dots([(140.0, 2.0, -300.0)] * 5)
    for change in (
        {"wires": Wires(dead_fraction=1.0)},
        {"pads": Pads(dead_fraction=1.0)},
        {"wires": Wires(threshold_size=1e9)},
        {"gas": Gas(attachment_per_us=1e3)},
    ):
        settings: Any = DigitiseSettings(mode=mode, points=QUIET, **change)
        assert len(seen(gas, settings)) == 0


def test_points_sit_on_wires_and_bins_in_order_of_time() -> None:
    settings = DigitiseSettings(points=QUIET)
    points = seen(dots([(130.0, 0.3, 5.0), (170.0, 4.0, 700.0)] * 10), settings)
    np.testing.assert_array_equal((points.time_ns - 8.0) % 16.0, 0)
    assert ((points.wire >= 0) & (points.wire < 256)).all()
    for k in np.unique(points.track):
        assert (np.diff(points.time_ns[points.track == k]) >= 0).all()
    assert (points.sigma_rphi_mm > 0.7).all() and (points.sigma_z_mm >= 0.5).all()


def test_two_tracks_in_one_column_and_bin_make_ghosts() -> None:
    pitch = 2 * np.pi / 256
    both = np.array(
        [[150 * np.cos(1.0 + d), 150 * np.sin(1.0 + d), z] for d, z in ((0, 0), (3 * pitch, 200))]
    )
    events = 60
    for all_pairs in (True, False):
        many = GasSegments(
            np.repeat(np.arange(events), 2), np.arange(2 * events), np.full(2 * events, 11),
            np.tile(both, (events, 1)), np.tile(both, (events, 1)), np.zeros(2 * events),
            np.zeros(2 * events), np.ones(2 * events), np.full(2 * events, 0.002),
        )  # fmt: skip
        points = seen(many, DigitiseSettings(points=replace(QUIET, pair_all=all_pairs)))
        ghosts = (points.track < 0).mean()
        assert ghosts > 0.3 if all_pairs else ghosts < 0.3


def test_noise_points_are_spread_over_the_chamber() -> None:
    n = 200
    empty = dots([(150.0, 1.0, 0.0)] * n, loss_mev=0.0)
    points = seen(empty, DigitiseSettings(points=Points(noise_points=5.0)))
    assert len(points) == pytest.approx(5 * n * 268 / 311, rel=0.1)  # those in reach of the drift
    assert (points.track == -1).all()
    assert np.std(points.z_mm) == pytest.approx(2304 / np.sqrt(12), rel=0.1)


@pytest.mark.parametrize("mode", ["fast", "full"])
def test_an_event_too_large_is_refused_not_cut(mode: str) -> None:
    settings = DigitiseSettings(mode=mode, points=Points(noise_points=70_000.0))
    with pytest.raises(InputError, match="event 0 is too large"):
        seen(dots([(150.0, 1.0, 0.0)]), settings)
    with pytest.raises(InputError, match="event 0 is too large"):
        seen(dots([(150.0, 1.0, 0.0)], loss_mev=50.0), DigitiseSettings(mode=mode))


def test_deconvolution_recovers_isolated_charges_exactly() -> None:
    chamber = build_chamber(DigitiseSettings())
    response = chamber.wire_response
    truth = np.zeros(response.size, np.float32)
    truth[[20, 60, 61, 150]] = [30, 12, 50, 7]
    wave = np.convolve(truth, response)[: response.size].astype(np.float32)
    out = np.empty_like(truth)
    deconvolve(wave, response, 0, 6, 1.0, out)
    np.testing.assert_allclose(out, truth, atol=0.01)
    assert np.abs(wave).max() < 0.05


def test_responses_pass_through_the_published_bins() -> None:
    chamber = build_chamber(DigitiseSettings())
    for values, peak, at, tail in (
        (chamber.wire_response, 2, 0.256, 0.009),
        (chamber.pad_response, 11, 0.991, 0.009),
    ):
        assert values.argmax() == peak and values[peak] == 1
        assert values[10] == pytest.approx(at, abs=1e-3)
        assert values[200] == pytest.approx(tail, abs=1e-3)
        assert (np.diff(values[12:]) <= 0).all()


def test_cross_talk_is_undone() -> None:
    chamber = build_chamber(DigitiseSettings())
    row = np.concatenate([chamber.cross_talk[::-1], [1.0], chamber.cross_talk])
    undone = np.convolve(row, chamber.unfolding)
    assert undone[undone.size // 2] == pytest.approx(1.0, abs=1e-4)
    undone[undone.size // 2] = 0
    assert np.abs(undone).max() < 2e-3


def test_column_shares_are_the_published_ones() -> None:
    share = build_chamber(DigitiseSettings()).column_share
    np.testing.assert_allclose(
        share / share[3],
        np.array([1, 1.337, 1.509, 1.564, 1.564, 1.509, 1.337, 1]) / 1.564,
        atol=0.015,
    )


def test_gains_belong_to_the_calibration_seed() -> None:
    first, second = (build_chamber(DigitiseSettings(calibration_seed=s)) for s in (1, 2))
    assert not np.array_equal(first.pad_gain, second.pad_gain)
    assert (first.pad_gain == 0).mean() == pytest.approx(0.033, abs=0.005)
    alive = first.pad_gain[first.pad_gain > 0]
    assert np.std(alive) == pytest.approx(0.08, rel=0.1)


def passages(
    bar: list[int], time: list[float], z: float = 100.0, energy: float = 4.0
) -> BarrelHits:
    n = len(bar)
    position = np.tile([230.0, 0.0, z], (n, 1))
    return BarrelHits(
        np.zeros(n, int), np.arange(n), np.array(bar), position, np.array(time), np.full(n, energy)
    )


def test_bar_times_give_z_and_close_passages_are_one_hit() -> None:
    exact = Barrel(time_resolution_ns=0.0, energy_resolution=0.0)
    offset, columns = bar_hits(passages([3, 3, 9], [1.0, 5.0, 2.0]), 2, exact, generator(1))
    bars = BarHits(**columns)
    assert offset.tolist() == [0, 2, 2]
    assert bars.bar.tolist() == [3, 9]
    z = exact.light_speed_mm_ns * (bars.bottom_ns - bars.top_ns) / 2
    np.testing.assert_allclose(z, 100.0, atol=0.01)
    assert bars.top_counts[0] == pytest.approx(2 * bars.top_counts[1])
    assert bars.top_ns[0] == pytest.approx(1.0 + 1200 / 120.9, abs=1e-3)


def test_bars_need_both_ends() -> None:
    _, bars = bar_hits(passages([3], [0.0], energy=0.01), 1, Barrel(), generator(1))
    assert len(bars["bar"]) == 0
    offset, bars = bar_hits(passages([], []), 3, Barrel(), generator(1))
    assert offset.tolist() == [0, 0, 0, 0] and len(bars["bar"]) == 0


@pytest.mark.parametrize(
    ("pattern", "clusters"),
    [(0, 0), (1, 1), (0b101, 2), (0b11, 1), (0x8001, 1), (0xFFFF, 1), (0x8101, 2)],
)
def test_trigger_clusters_on_the_ring(pattern: int, clusters: int) -> None:
    assert trigger_clusters(np.array([pattern])).tolist() == [clusters]


def test_pattern_marks_the_groups_hit() -> None:
    group = 2 * np.pi / 16
    gas = dots([(178.0, 2.5 * group, 0.0), (178.0, 9.5 * group, 0.0)], loss_mev=0.003)
    both = replace(gas, event=np.zeros(2, int))
    _, _, pattern = digitise_gas(both, 1, generator(1), DigitiseSettings())
    assert pattern.tolist() == [(1 << 2) | (1 << 9)]


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (Gas, {"clusters_per_cm": -1.0}),
        (Wires, {"dead_fraction": 1.5}),
        (Wires, {"cross_talk": (0.5, 0.0, 0.0, 0.0)}),
        (Wires, {"noise_counts": float("nan")}),
        (Pads, {"width_mm": 0.0}),
        (Pads, {"window": (-1, 3)}),
        (Wires, {"window": (0, 0)}),
        (Points, {"noise_points": -1.0}),
        (Barrel, {"attenuation_mm": 0.0}),
        (Trigger, {"prompt_window_ns": -5.0}),
        (DigitiseSettings, {"mode": "slow"}),
    ],
)
def test_settings_are_checked(record: Any, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"give|above 0"):
        record(**change)


def test_pairs_of_each_column_are_matched_as_if_all_were_matched_at_once() -> None:
    """By falling product of amplitudes, wires and peaks used once: columns do not touch."""
    rng = generator(81)
    for _ in range(50):
        wire = np.sort(rng.integers(0, 40, rng.integers(1, 60)))
        n = wire.size
        peak = 4 * (wire // 8) + rng.integers(0, 4, n)  # four peaks in a column
        pairs = np.stack([wire, peak, np.ones(n)], axis=1).astype(np.int32)
        size = rng.uniform(1, 9, n).astype(np.float32)
        value = rng.uniform(1, 9, (20, 3)).astype(np.float32)
        wanted = np.zeros(n, bool)
        for k in np.argsort(-size * value[peak, 2]):
            taken = (wire[wanted] == wire[k]) | (peak[wanted] == peak[k])
            wanted[k] = not taken.any()
        _one_to_one(value, pairs, size, n)
        assert ((pairs[:, 2] > 0) == wanted).all()


def test_the_guide_of_cluster_sizes_begins_at_or_before_the_size() -> None:
    chamber = build_chamber(DigitiseSettings())
    u = 1 - generator(82).random(100_000)
    guide = chamber.cluster_guide
    start = guide[np.minimum((u * guide.size).astype(int), guide.size - 1)]
    size = np.minimum(np.searchsorted(chamber.cluster_cdf, u), chamber.cluster_cdf.size - 1)
    assert (start <= size).all()
    assert (start == size).mean() > 0.95


@pytest.mark.parametrize("mean", [0.0, 0.5, 14.0, 1200.0])
def test_poisson_numbers_have_their_mean_and_variance(mean: float) -> None:
    state = seeded(generator(83))
    drawn = np.array([poisson(mean, state) for _ in range(4000)])
    assert drawn.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 4000))
    assert drawn.var() == pytest.approx(mean, rel=0.1)

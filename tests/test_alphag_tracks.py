"""Track finders: which points belong together, and what no point may do to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackett.alphag.helix import perigee
from blackett.alphag.tracks import (
    ChainSettings,
    HoughSettings,
    find_chains_of_events,
    find_tracks,
    find_tracks_of_events,
)
from blackett.alphag.tracks.chain import SIMULATION, outside_in
from blackett.errors import InputError


def track(phi: float, z0: float, n: int = 80, outer: float = 181.0, **other: float) -> np.ndarray:
    values = {"pt": 250.0, "slope": 0.5} | other
    helix = np.array([0.15 / values["pt"], phi, 5.0, values["slope"], z0])
    radii = np.linspace(outer, 110.0, n)
    arcs = [perigee.arc_at_radius(helix, r) for r in radii]
    return np.array([perigee.position_at_arc(helix, s) for s in arcs])


def chains(points: np.ndarray, settings: ChainSettings | None = None) -> np.ndarray:
    offset = np.array([0, len(points)])
    return find_chains_of_events(points, np.ones(len(points)), offset, settings)


THREE = [track(0.0, 0.0), track(2.0, 30.0), track(-1.5, -200.0)]


@pytest.mark.parametrize("find", [find_tracks, chains])
def test_separate_tracks_are_found_whole(find: object) -> None:
    points = np.concatenate(THREE) + np.random.default_rng(1).normal(0, 0.5, (240, 3))
    order = np.random.default_rng(2).permutation(240)
    label = find(points[order])  # type: ignore[operator]
    assert label.dtype == np.int32
    for k in range(3):
        mine = label[np.isin(order, np.arange(80 * k, 80 * k + 80))]
        counts = np.bincount(mine[mine >= 0])
        assert counts.max() >= (80 if find is find_tracks else 60)
        assert (counts > 0).sum() == 1
    assert len(set(label[label >= 0])) == 3


def test_hough_needs_13_points_and_linked_steps() -> None:
    assert (find_tracks(track(0, 0, n=12)) == -1).all()
    assert (find_tracks(track(0, 0, n=13)) == 0).all()
    broken = track(0, 0, n=20)
    broken[10:, 2] += 45.0
    assert (find_tracks(broken) == -1).all()
    assert (find_tracks(broken, HoughSettings(link_mm=60.0)) == 0).all()


def test_hough_takes_the_largest_of_one_direction_first() -> None:
    """Two tracks over one another in azimuth share a cell; each is one linked part of it."""
    label = find_tracks(np.concatenate([track(0.3, 0, n=40), track(0.3, 300, n=60)]))
    assert set(label[:40]) == {1} and set(label[40:]) == {0}


def reference_hough(points: np.ndarray, least: int = 13) -> np.ndarray:
    """The clustering as the method's description has it, without any bookkeeping."""
    edges = np.arange(231) * 2 * np.pi / 230
    r2 = (points[:, :2] ** 2).sum(axis=1)
    uv = points[:, :2] / r2[:, None] * 109.2 * 250
    rho = uv @ np.array([np.cos(edges), np.sin(edges)])
    low, high = np.minimum(rho[:, :-1], rho[:, 1:]), np.maximum(rho[:, :-1], rho[:, 1:])
    cells = np.arange(250)
    crossed = (high >= 0)[..., None] & (np.floor(np.maximum(low, 0))[..., None] <= cells)
    crossed &= np.floor(high)[..., None] >= cells  # (n, 230, 250)

    def best(free: np.ndarray) -> np.ndarray:
        votes = crossed[free].sum(axis=0)
        cell = np.unravel_index(votes.argmax(), votes.shape)
        members = free[crossed[(free, *cell)]]
        parts: list[list[int]] = []
        while members.size:
            part, rest = [members[0]], list(members[1:])
            for i in part:
                near = [j for j in rest if np.linalg.norm(points[i] - points[j]) <= 30]
                part += near
                rest = [j for j in rest if j not in near]
            parts.append(part)
            members = np.array(rest, int)
        return np.array(max(parts, key=len)) if parts else np.empty(0, int)

    label, free, track_number = np.full(len(points), -1), np.arange(len(points)), 0
    while True:
        chosen = best(free)
        if len(chosen) < least:
            return label
        while len(other := best(np.setdiff1d(free, chosen))) > len(chosen):
            chosen = other
        label[chosen], free = track_number, np.setdiff1d(free, chosen)
        track_number += 1


@pytest.mark.parametrize("seed", range(4))
def test_hough_is_what_its_description_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tracks = [track(rng.uniform(-3, 3), rng.uniform(-60, 60), n=25, pt=rng.uniform(60, 300))
              for _ in range(4)]  # fmt: skip
    noise = rng.normal(0, 1, (30, 3))
    noise[:, :2] *= rng.uniform(110, 180, (30, 1)) / np.hypot(*noise[:, :2].T)[:, None]
    points = np.concatenate([*tracks, noise]) + rng.normal(0, 0.7, (130, 3))
    np.testing.assert_array_equal(find_tracks(points), reference_hough(points))


def test_chain_cuts() -> None:
    whole = track(0, 0)
    used = np.hypot(*whole[:, :2].T) < 173
    np.testing.assert_array_equal(chains(whole), np.where(used, 0, -1))
    assert (chains(track(0, 0, n=30)) == -1).all()  # 26 below 173 mm: too few
    assert (chains(track(0, 0, n=30), SIMULATION) == 0).sum() == 26
    outer = whole[np.hypot(*whole[:, :2].T) > 137]
    assert (chains(outer, replace(SIMULATION, least_points=20)) == -1).all()
    late = np.concatenate([whole, track(2.0, 0, outer=166.0)])
    assert (chains(late)[80:] == -1).all()  # the second may not begin at 166 mm
    assert (chains(late[80:]) >= 0).all()  # the first may


@pytest.mark.parametrize(("gap_mm", "bridged"), [(20.0, True), (50.0, False)])
def test_chain_reaches_further_when_it_is_stuck(gap_mm: float, bridged: bool) -> None:
    whole = track(0, 0, n=160, slope=0.0, pt=1e5)
    r = np.hypot(*whole[:, :2].T)
    label = chains(whole[(r < 130 - gap_mm / 2) | (r > 130 + gap_mm / 2)], ChainSettings())
    inside = label[np.hypot(*whole[(r < 130 - gap_mm / 2) | (r > 130 + gap_mm / 2)][:, :2].T) < 129]
    assert (inside == 0).any() == bridged


def test_order_is_by_event_radius_and_amplitude() -> None:
    points = np.array([[110, 0, 0], [120, 0, 0], [0, 120, 0], [150, 0, 0], [160, 0, 0.0]])
    order = outside_in(points, np.array([1, 2, 3, 1, 1.0]), np.array([0, 3, 5]))
    assert order.tolist() == [2, 1, 0, 4, 3]


def test_events_are_apart() -> None:
    points, offset = np.concatenate(THREE), np.array([0, 80, 80, 160, 240])
    label = find_tracks_of_events(points, offset)
    assert (label == 0).all()
    found = find_chains_of_events(points, np.ones(240), offset)
    assert set(found) == {-1, 0}


@pytest.mark.parametrize("find", [find_tracks, chains])
def test_odd_points_are_left_over(find: object) -> None:
    good = THREE[0]
    odd = np.array([[np.nan, 120, 0], [0, 0, 0], [np.inf, 0, 3], [130, 20, np.nan], [1e-9, 0, 0]])
    label = find(np.concatenate([odd, good]))  # type: ignore[operator]
    assert (label[:5] == -1).all()
    assert (label[5:] == 0).sum() > 60
    assert find(np.empty((0, 3))).size == 0  # type: ignore[operator]
    assert find(odd[:1]).tolist() == [-1]  # type: ignore[operator]


def test_events_beyond_a_limit_are_not_searched() -> None:
    points = np.concatenate(THREE)
    assert (find_tracks(points, HoughSettings(most_points=239)) == -1).all()
    assert (chains(points, ChainSettings(most_points=239)) == -1).all()


@given(st.integers(0, 2**32), st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_labels_are_numbers_without_gaps(seed: int, n: int) -> None:
    points = np.random.default_rng(seed).uniform(-190, 190, (n, 3)) * np.array([1, 1, 0.1])
    for label, least in ((find_tracks(points), 13), (chains(points, SIMULATION), 8)):
        counts = np.bincount(label[label >= 0])
        assert (counts >= least).all()


@pytest.mark.parametrize("kind", [HoughSettings, ChainSettings])
def test_bad_settings_and_shapes_are_refused(kind: type) -> None:
    with pytest.raises(InputError, match="above 0"):
        kind(most_points=0)
    with pytest.raises(InputError, match="more than 1"):
        ChainSettings(reach_growth=1.0)
    with pytest.raises(InputError, match="8 or more"):
        HoughSettings(theta_bins=7)
    for find in (find_tracks, chains):
        with pytest.raises(InputError, match="shape"):
            find(np.zeros((4, 2)))

"""Vertices: two tracks meet where they were made, cuts decide what takes part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iminuit import Minuit

from blackett.alphag.event import BarHits, Event, EventBatch, SpacePoints, joined
from blackett.alphag.helix import perigee
from blackett.alphag.vertex import STATUSES, Vertex, Vertices
from blackett.alphag.vertexing import chain, hough
from blackett.alphag.vertexing.joint import fit_vertex, new_joint, start_vertex
from blackett.errors import InputError

METHODS = [hough, chain]


def through(
    vertex: np.ndarray, phi: float, pt: float = 300.0, slope: float = 0.4, charge: int = 1
) -> np.ndarray:
    """Perigee helix (5,) of a particle that leaves a point in a direction."""
    c = charge * 0.29979 / (2 * pt)
    centre = vertex[:2] + np.array([-np.sin(phi), np.cos(phi)]) / (2 * c)
    distance = np.sign(c) * np.hypot(*centre) - 0.5 / c
    phi0 = np.arctan2(-np.sign(c) * centre[0], np.sign(c) * centre[1])
    turned = np.angle(np.exp(1j * (phi - phi0)))
    return np.array([c, phi0, distance, slope, vertex[2] - slope * turned / (2 * c)])


def points_of(helix: np.ndarray, n: int = 80) -> np.ndarray:
    arcs = [perigee.arc_at_radius(helix, r) for r in np.linspace(180.5, 110, n)]
    return np.array([perigee.position_at_arc(helix, s) for s in arcs])


def event_of(points: np.ndarray, number: int = 0, sigma_mm: float = 1.0) -> Event:
    n = len(points)
    table = {name: np.zeros(n) for name in SpacePoints.empty().names()}
    table |= dict(zip(("x_mm", "y_mm", "z_mm"), points.T, strict=True))
    table |= {f"sigma_{k}_mm": np.full(n, sigma_mm) for k in ("rphi", "z", "r")}
    return Event(number, SpacePoints(**table), BarHits.empty())


def star(
    vertex: tuple[float, float, float],
    phis: tuple[float, ...],
    sigma_mm: float = 0.02,
    seed: int = 0,
) -> Event:
    """Tracks of either charge from one point; helix-chain refuses fits that are too perfect."""
    rng, place = np.random.default_rng(seed), np.array(vertex)
    clouds = [
        points_of(through(place, phi, 250 + 60 * k, 0.5 - 0.4 * k, (-1) ** k))
        for k, phi in enumerate(phis)
    ]
    points = np.concatenate(clouds)
    return event_of(points + rng.normal(0, 1, points.shape) * sigma_mm)


def answer(method: object, event: Event, **other: object) -> Vertex:
    settings_ = replace(method.DEFAULT, **other)  # type: ignore[attr-defined]
    return method.reconstruct_batch(joined([event]), settings_)[0]  # type: ignore[attr-defined]


def test_helix_of_the_tests_goes_through_its_point() -> None:
    vertex = np.array([12.0, -7.0, 55.0])
    for charge in (-1, 1):
        helix = through(vertex, 0.8, 200.0, 0.3, charge)
        places = [perigee.position_at_arc(helix, s) for s in np.linspace(-60, 60, 1201)]
        assert np.linalg.norm(np.array(places) - vertex, axis=1).min() < 0.06


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("phis", [(0.3, 2.0), (0.0, 2.1, -2.1), (0.5, 1.6, 3.0, -1.5)])
def test_perfect_tracks_meet_at_their_vertex(method: object, phis: tuple[float, ...]) -> None:
    vertex = (9.0, -6.0, 310.0)
    found = answer(method, star(vertex, phis))
    assert found.status == "ok" and found.n_tracks == len(phis)
    # hough stops after 100 iterations of its simplex, wherever it is then
    np.testing.assert_allclose(found.position_mm, vertex, atol=4.0 if method is hough else 0.4)
    assert (np.linalg.eigvalsh(found.covariance_mm2) > 0).all()
    assert found.point_track.max() == len(phis) - 1


@pytest.mark.parametrize("method", METHODS)
def test_noise_moves_the_vertex_by_millimetres(method: object) -> None:
    off = [
        answer(method, star((5.0, 10.0, -400.0), (0.2, 2.2, -2.0), 1.0, seed)).position_mm
        - (5.0, 10.0, -400.0)
        for seed in range(12)
    ]
    assert np.all(np.median(np.abs(off), axis=0) < (14.0, 14.0, 5.0))


@pytest.mark.parametrize("method", METHODS)
def test_turning_the_event_turns_the_vertex(method: object) -> None:
    event = star((9.0, -6.0, 310.0), (0.0, 2.1, -2.1), 0.5)
    found = answer(method, event)
    turn = 2 * np.pi * 23 / 230  # ten bins of theta
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    other = answer(method, event_of(event.points.xyz_mm @ rotation.T))
    # neither knows it exactly: a simplex that stops early, weights along x and y
    np.testing.assert_allclose(other.position_mm, rotation @ found.position_mm, atol=2.0)


@pytest.mark.parametrize("method", METHODS)
def test_straight_cosmic_gives_a_vertex_on_its_line(method: object) -> None:
    line = np.array([[15.0, t, 0.3 * t] for t in np.linspace(-180, 180, 260)])
    line = line[np.hypot(line[:, 0], line[:, 1]) > 110]
    found = answer(method, event_of(line + np.random.default_rng(1).normal(0, 0.3, line.shape)))
    assert found.status == "ok" and found.n_tracks == 2
    away = found.position_mm - (15, found.position_mm[1], 0.3 * found.position_mm[1])
    assert np.abs(away).max() < 15.0
    sigma = np.sqrt(np.diag(found.covariance_mm2))
    assert sigma[1] > 3 * sigma[0]  # along the line nothing is known


def one_track() -> Event:
    return star((0.0, 0.0, 0.0), (0.3,))


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (event_of(np.empty((0, 3))), "no points"),
        (event_of(np.array([[120.0, 0, 3]])), "no track"),
        (event_of(np.full((30, 3), np.nan)), "no track"),
        (one_track(), "too few tracks"),
        (event_of(np.random.default_rng(1).uniform(-170, 170, (20, 3))), "no track"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_events_without_vertex_say_why(method: object, event: Event, status: str) -> None:
    found = answer(method, event)
    assert found.status == status and found.n_tracks == 0
    assert np.isnan(found.position_mm).all() and np.isnan(found.covariance_mm2).all()
    assert found.n_points == len(event)


def test_events_too_large_are_said_to_be() -> None:
    event = star((0.0, 0.0, 0.0), (0.0, 2.0))
    few = replace(chain.DEFAULT.chains, most_points=100)
    assert answer(chain, event, chains=few).status == "too many points"
    clusters = replace(hough.DEFAULT.clusters, most_points=100)
    assert answer(hough, event, clusters=clusters).status == "too many points"


def test_hough_takes_the_largest_group_along_z() -> None:
    up, down = np.array([0, 0, 60.0]), np.array([0, 0, -60.0])
    clouds = [points_of(through(up, phi)) for phi in (0.0, 2.0, -2.0)]
    clouds += [points_of(through(down, phi, slope=-0.2)) for phi in (1.0, -1.0)]
    found = answer(hough, event_of(np.concatenate(clouds)))
    assert found.n_tracks == 3 and found.position_mm[2] == pytest.approx(60, abs=4)
    apart = answer(hough, event_of(np.concatenate(clouds[2:4])))
    assert apart.status == "too few tracks"
    assert answer(hough, event_of(np.concatenate(clouds[2:4])), split_mm=500.0).status == "ok"


def test_chain_leaves_out_the_helix_that_does_not_agree() -> None:
    place = np.array([0, 0, 0.0])
    clouds = [points_of(through(place, phi, slope=0.1)) for phi in (0.0, 2.0, -2.0)]
    stray = points_of(through(np.array([0, 0, 60.0]), 1.0, slope=0.1))
    noise = np.random.default_rng(1).normal(0, 0.02, (320, 3))
    event = event_of(np.concatenate([*clouds, stray]) + noise)
    found = answer(chain, event)
    assert found.n_tracks == 3 and np.abs(found.position_mm).max() < 0.5
    assert set(found.point_track) == {-1, 0, 1, 2, 3}
    wide = answer(chain, event, vertex_chi2=1e9)
    assert wide.n_tracks == 4


def test_chain_cuts_helices_by_distance_and_chi_square() -> None:
    event = star((0.0, 40.0, 0.0), (0.0, np.pi), 1.0)
    assert answer(chain, event).status == "ok"
    assert answer(chain, event, axis_distance_mm=30.0).status == "no track"
    assert answer(chain, event, radial_chi2=0.01).status == "no track"
    assert answer(chain, event, axial_chi2=0.01).status == "no track"
    assert answer(chain, event, least_points=200).status == "no track"


def test_points_without_errors_get_the_stated_ones() -> None:
    event = star((5.0, 5.0, 5.0), (0.0, 2.0))
    blind = event_of(event.points.xyz_mm, sigma_mm=np.nan)
    known = {"unknown_sigma_rphi_mm": 1.0, "unknown_sigma_z_mm": 1.0, "unknown_sigma_r_mm": 1.0}
    np.testing.assert_allclose(
        answer(chain, blind, **known).position_mm, answer(chain, event).position_mm
    )


def joint_of(seed: int, n: int) -> object:
    rng = np.random.default_rng(seed)
    joint = new_joint(n)
    for k in range(n):
        place = rng.normal(0, 4, 3)
        phi = 2 * np.pi * k / n + rng.normal(0, 0.4)
        joint.helix[k] = through(place, phi, rng.uniform(80, 500), rng.normal(), (-1) ** k)
        joint.variance[k] = np.array([1e-5, 0.03, 4.0, 0.05, 5.0]) ** 2
        joint.chosen[k] = k
    return joint


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_minimum_of_the_vertex_is_that_of_minuit(seed: int, n: int) -> None:
    joint = joint_of(seed, n)
    start_vertex(joint, n, 22.275)
    start = np.concatenate([joint.vertex, joint.arc[:n]])
    ours = fit_vertex(joint, n)

    def chi2(p: np.ndarray) -> float:
        total = 0.0
        for helix, variance, s in zip(joint.helix, joint.variance, p[3:], strict=True):
            off = p[:3] - np.array(perigee.position_at_arc(helix, s))
            total += float((off**2 / perigee.position_variance(helix, variance, s)).sum())
        return total

    minuit = Minuit(chi2, start)
    minuit.errors = [1.0] * (3 + n)
    minuit.migrad()
    assert ours == pytest.approx(minuit.fval, abs=0.02)
    sigma = np.array(minuit.errors)[:3]
    assert np.all(np.abs(joint.vertex - np.array(minuit.values)[:3]) < 0.1 * sigma)


@given(st.integers(0, 10_000), st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_every_event_is_answered(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    events = [event_of(rng.normal(0, 100, (n, 3)), 7), one_track(), event_of(np.empty((0, 3)), 9)]
    for method in METHODS:
        found = method.reconstruct_batch(joined(events))
        assert found.number.tolist() == [7, 0, 9]
        assert found.found.tolist() == [
            status == "ok" for status in (STATUSES[k] for k in found.status)
        ]
        assert np.isfinite(found.covariance_mm2[found.found]).all()


def test_an_empty_batch_is_answered() -> None:
    none = EventBatch(
        np.empty(0, int), np.zeros(1, int), SpacePoints.empty(), np.zeros(1, int), BarHits.empty(),
        np.empty(0, int),
    )  # fmt: skip
    for method in METHODS:
        found: Vertices = method.reconstruct_batch(none)
        assert len(found) == 0


def test_bad_settings_are_refused() -> None:
    with pytest.raises(InputError, match="split_mm"):
        hough.HoughVertexSettings(split_mm=-1.0)
    with pytest.raises(InputError, match="vertex_chi2"):
        chain.ChainVertexSettings(vertex_chi2=0.0)

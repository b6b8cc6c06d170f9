"""The robust reconstruction: closure, symmetry, tracks from elsewhere, odd input."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from blackett.alphag import robust
from blackett.alphag.event import BarHits, EventBatch, SpacePoints, joined
from blackett.alphag.geometry import CATHODE_RADIUS_MM, ray_thickness
from blackett.alphag.robust import DEFAULT, Settings, fit, lines, reconstruct_batch
from blackett.alphag.simulation import RECIPES, simulate_batches
from blackett.alphag.transport.motion import helix_step
from blackett.alphag.vertex import STATUSES, Vertices
from blackett.errors import InputError
from blackett.seeds import generator

ERRORS_MM = (1.3, 1.2, 0.3)  # r-phi, z, r


@cache
def disc(material: float, n: int = 400) -> EventBatch:
    recipe = RECIPES["disc"]
    transport = replace(recipe.transport, material_scale=material)
    return next(simulate_batches(replace(recipe, transport=transport), n, generator(5)))


@cache
def answers(material: float) -> Vertices:
    return reconstruct_batch(disc(material))


def core_width(values: np.ndarray) -> float:
    """Standard deviation of the normal distribution with the same central half."""
    return float(np.diff(np.percentile(values, [25, 75]))[0] / 1.349)


def pulls(batch: EventBatch, vertices: Vertices) -> np.ndarray:
    found, sigma = vertices.found, np.sqrt(np.diagonal(vertices.covariance_mm2, axis1=1, axis2=2))
    return ((vertices.position_mm - batch.vertex_mm) / sigma)[found]


def track(
    start: tuple[float, float, float], psi: float, slope: float, p_over_q: float,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Points (n, 3) in the gas of a helix in 1 T, with the errors above."""
    ut = 1 / np.hypot(1, slope)
    state = (*start, ut * np.cos(psi), ut * np.sin(psi), ut * slope)
    points = []
    for _ in range(2000):
        state = helix_step(*state, 0.0, 0.0, 1.0, 1 / p_over_q, 0.5 / ut)
        r, phi = np.hypot(state[0], state[1]), np.arctan2(state[1], state[0])
        if r > 172:
            break
        if r > 111:
            r, phi = r + rng.normal(0, ERRORS_MM[2]), phi + rng.normal(0, ERRORS_MM[0]) / r
            z = state[2] + rng.normal(0, ERRORS_MM[1])
            points.append((r * np.cos(phi), r * np.sin(phi), z))
    return np.array(points)


def event(xyz: np.ndarray) -> EventBatch:
    n = len(xyz)
    columns = {name: np.zeros(n) for name in SpacePoints.names()}
    names = ("x_mm", "y_mm", "z_mm", "sigma_rphi_mm", "sigma_z_mm", "sigma_r_mm")
    values = (*np.reshape(xyz, (n, 3)).T, *(np.full(n, e) for e in ERRORS_MM))
    columns |= dict(zip(names, values, strict=True))
    none = BarHits.empty()
    return EventBatch(
        np.array([7]), np.array([0, n]), SpacePoints(**columns), np.array([0, 0]), none,
        np.array([-1]),
    )  # fmt: skip


def test_helix_fit_closes() -> None:
    rng, found = generator(2), []
    for _ in range(300):
        psi, slope = rng.uniform(-0.4, 0.4), rng.uniform(-1, 1)
        p = rng.choice([-1, 1]) * rng.uniform(150, 500)
        xyz = track((109.0, -8.0, 30.0), psi, slope, p, rng)
        r = np.hypot(xyz[:, 0], xyz[:, 1])
        points = np.column_stack([xyz, r, *(np.full(len(r), e) for e in ERRORS_MM)])
        helix = np.array([109.0, -8.0, 30.0, psi, 0.0, slope])
        info, work = np.zeros((5, 5)), np.zeros((20, 16))
        label = np.full(len(r), fit.FREE)
        assert fit.fit_helix(points, label, helix, fit.FREE, 30.0, 1e3, 1.0, 20, info, work)
        across, axial, arc = fit.residuals(helix, 109.0, -8.0, 30.0)
        pt = p / np.hypot(1, slope)
        error = np.sqrt(np.diag(np.linalg.inv(info)))
        kappa, slope_error = -0.299792458 / pt - helix[4], slope - helix[5]
        found.append(
            [across / error[0], kappa / error[2], axial / error[3], slope_error / error[4]]
        )
        assert abs(arc) < 5
    assert np.std(found, axis=0) == pytest.approx(1, abs=0.13)
    assert np.abs(np.mean(found, axis=0)).max() < 0.25


@pytest.mark.parametrize("height", [-600.0, 0.0, 500.0])
def test_way_inwards_sees_the_material_of_its_height(height: float) -> None:
    particles, world = robust._particles(DEFAULT), robust._apparatus()
    state = np.zeros(16)
    state[:7] = CATHODE_RADIUS_MM, 0.0, height, -1.0, 0.0, 0.0, 1e7
    while lines._step(world, particles, 211, 1.0, state):
        pass
    thickness = ray_thickness(np.array([[0.0, 0.0, height]]), np.array([[1.0, 0.0, 0.0]]))
    assert state[lines.CROSSED] == pytest.approx(thickness[0], rel=0.01)
    assert abs(state[0]) < 0.1


def test_pulls_with_scattering() -> None:
    for column in pulls(disc(1.0), answers(1.0)).T:
        assert core_width(column) == pytest.approx(1, abs=0.2)


def test_without_material_the_vertex_is_better() -> None:
    residual = [
        core_width((answers(m).position_mm - disc(m).vertex_mm)[answers(m).found, 2])
        for m in (0.0, 1.0)
    ]
    assert residual[0] < 0.6 * residual[1] < 4


def test_every_event_is_answered() -> None:
    batch, vertices = disc(1.0), answers(1.0)
    assert np.array_equal(vertices.number, batch.number)
    assert vertices.found.mean() > 0.98
    good = np.isin(vertices.status, [STATUSES.index("ok"), STATUSES.index("one track")])
    assert np.array_equal(good, vertices.found)
    assert (np.linalg.eigvalsh(vertices.covariance_mm2[good]) > 0).all()
    assert (vertices.n_tracks[good] >= 1).all()
    assert vertices.point_track.min() == -1


def test_turning_the_event_turns_the_vertex() -> None:
    batch, before = disc(1.0), answers(1.0)
    points = replace(batch.points, x_mm=-batch.points.y_mm, y_mm=batch.points.x_mm)
    after = reconstruct_batch(replace(batch, points=points))
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.array_equal(after.status, before.status)
    found = before.found
    expected = before.position_mm[found] @ turn.T
    assert np.mean(np.abs(after.position_mm[found] - expected).max(axis=1) < 1e-3) > 0.98
    covariance = turn @ before.covariance_mm2[found] @ turn.T
    near = np.isclose(after.covariance_mm2[found], covariance, rtol=1e-3, atol=1e-3).all((1, 2))
    assert near.mean() > 0.98


def three_tracks(rng: np.random.Generator) -> list[np.ndarray]:
    vertex = (6.0, 9.0, 100.0)
    directions = ((0.3, 0.4, 300.0), (2.2, -0.6, -280.0), (-1.7, 0.1, 350.0))
    return [track(vertex, psi, slope, p, rng) for psi, slope, p in directions]


def test_a_pair_from_elsewhere_does_not_pull_the_vertex() -> None:
    rng = generator(3)
    three = three_tracks(rng)
    start = (-94.0, -10.0, 330.0)  # a conversion in the vacuum chamber, 230 mm higher
    pair = [track(start, 3.2, 0.1, p, rng) for p in (90.0, -110.0)]
    alone = reconstruct_batch(event(np.concatenate(three)))
    disturbed = reconstruct_batch(event(np.concatenate(three + pair)))
    assert alone.n_tracks[0] == disturbed.n_tracks[0] == 3
    shift = np.abs(disturbed.position_mm - alone.position_mm)
    assert (shift < 0.3 * np.sqrt(np.diagonal(alone.covariance_mm2[0]))).all()
    assert alone.position_mm[0] == pytest.approx([6, 9, 100], abs=10)


def test_one_track_gives_a_wide_answer() -> None:
    vertices = reconstruct_batch(event(three_tracks(generator(4))[0]))
    assert STATUSES[vertices.status[0]] == "one track"
    sigma = np.sqrt(np.diagonal(vertices.covariance_mm2[0]))
    assert (np.abs(vertices.position_mm[0] - [6, 9, 100]) < 4 * sigma).all()
    assert sigma[2] > 3


@pytest.mark.parametrize(
    ("xyz", "status"),
    [
        (np.empty((0, 3)), "no points"),
        (np.array([[150.0, 0.0, 0.0]]), "no track"),
        (np.full((40, 3), np.nan), "no track"),
        (np.zeros((40, 3)), "no track"),
        (np.full((400, 3), 120.0), "no track"),
        (np.full((10_001, 3), 120.0), "too many points"),
    ],
)
def test_odd_events(xyz: np.ndarray, status: str) -> None:
    vertices = reconstruct_batch(event(xyz))
    assert STATUSES[vertices.status[0]] == status
    assert not vertices.found[0]
    assert (vertices.point_track == -1).all()


def test_points_without_errors_are_used() -> None:
    batch = event(np.concatenate(three_tracks(generator(5))))
    unknown = np.full(len(batch.points), np.nan)
    points = replace(batch.points, sigma_rphi_mm=unknown, sigma_z_mm=unknown, sigma_r_mm=unknown)
    vertices = reconstruct_batch(replace(batch, points=points))
    assert vertices.position_mm[0] == pytest.approx([6, 9, 100], abs=10)


def test_answers_do_not_depend_on_the_batch() -> None:
    batch, vertices = disc(1.0), answers(1.0)
    single = reconstruct_batch(joined([batch[k] for k in (3, 1)]))
    assert np.array_equal(single.position_mm, vertices.position_mm[[3, 1]], equal_nan=True)


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.5}, {"road_mm": np.nan}])
def test_wrong_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Settings(**wrong)  # type: ignore[arg-type]

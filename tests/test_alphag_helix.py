"""Helices: geometry against general minimisers, fits that return what made the points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iminuit import Minuit
from scipy.optimize import minimize, minimize_scalar

from blackett.alphag.helix import centred, perigee, simplex, weighted
from blackett.alphag.helix.symmetric import inverse3, solve3

RADII = np.linspace(110.0, 172.0, 60)


def perigee_helix(pt_mev: float = 250.0, charge: int = 1, **other: float) -> np.ndarray:
    values = {"phi": 0.7, "distance": 12.0, "slope": 0.6, "z0": -40.0} | other
    c = charge * 0.29979 / (2 * pt_mev)
    return np.array([c, values["phi"], values["distance"], values["slope"], values["z0"]])


def points_of(helix: np.ndarray, radii: np.ndarray = RADII) -> np.ndarray:
    arcs = [perigee.arc_at_radius(helix, r) for r in radii]
    return np.array([perigee.position_at_arc(helix, s) for s in arcs])


def to_fit(points: np.ndarray, sigma_mm: float = 1.0) -> np.ndarray:
    """Rows of `weighted.fit_perigee` with equal errors along x, y, z."""
    weights = np.full((3, len(points)), sigma_mm**-2)
    return np.vstack([points.T, np.hypot(*points.T[:2]), weights])


def fitted(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    helix, variance = np.zeros(5), np.zeros(5)
    normal = np.zeros(weighted.NORMAL_SHAPE)
    chi2 = weighted.fit_perigee(points, points.shape[1], helix, variance, normal)
    return helix, variance, chi2


def smeared(helix: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points with errors across the radius, and their different weights."""
    true, n = points_of(helix), len(RADII)
    phi = np.arctan2(true[:, 1], true[:, 0]) + rng.normal(0, 1.3, n) / RADII
    sx2 = (np.cos(phi) * 0.3) ** 2 + (np.sin(phi) * 1.3) ** 2
    sy2 = (np.sin(phi) * 0.3) ** 2 + (np.cos(phi) * 1.3) ** 2
    x, y, z = RADII * np.cos(phi), RADII * np.sin(phi), true[:, 2] + rng.normal(0, 1.5, n)
    return np.vstack([x, y, z, RADII, 1 / sx2, 1 / sy2, np.full(n, 1.5**-2)])


angles = st.floats(-3.0, 3.0)


@given(angles, st.floats(-3.1, 3.1), st.floats(20, 3000), st.floats(-2000, 2000), angles)
@settings(max_examples=60, deadline=None)
def test_nearest_turn_is_the_nearest(
    phase: float, turn: float, radius: float, pitch: float, off: float
) -> None:
    helix = np.array([30.0, -20.0, 5.0, radius, phase, pitch])
    x, y, z = centred.position(helix, turn)
    x, y, z = x + off, y - off / 2, z + 2 * off
    found = centred.nearest_turn(helix, x, y, z)

    def squared(t: float) -> float:
        return float(np.sum((np.array(centred.position(helix, t)) - (x, y, z)) ** 2))

    best = minimize_scalar(
        squared, bounds=(max(turn - 0.6, -np.pi), min(turn + 0.6, np.pi)), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    assert -np.pi <= found <= np.pi
    assert squared(found) <= best.fun + 1e-6


@given(angles, st.floats(20, 5000), st.floats(-4000, 4000))
@settings(max_examples=60, deadline=None)
def test_sum_over_points_is_that_of_single_points(
    phase: float, radius: float, pitch: float
) -> None:
    rng = np.random.default_rng(1)
    helix = np.array([30.0, -20.0, 5.0, radius, phase, pitch])
    turns = rng.uniform(-1, 1, 50) * min(2.9, 100 / radius)
    points = np.array([centred.position(helix, t) for t in turns])
    points += rng.normal(0, 1.5, points.shape)
    single = sum(centred.squared_distance(helix, *point) for point in points)
    total = centred.squared_distances(helix, *np.ascontiguousarray(points.T), 50)
    assert total == pytest.approx(single, rel=1e-5)


def test_circle_through_three_points_and_through_a_line() -> None:
    x0, y0, radius = centred.circle(3 + 5, 4, 3, 4 + 5, 3 - 5, 4)
    assert (x0, y0, radius) == pytest.approx((3, 4, 5))
    x0, y0, radius = centred.circle(110, 0, 140, 0, 170, 0)
    assert radius == 1e6 and abs(y0) == pytest.approx(1e6) and x0 == pytest.approx(140)


@pytest.mark.parametrize("charge", [-1, 1])
def test_simplex_comes_near_a_perfect_helix(charge: int) -> None:
    points = np.ascontiguousarray(points_of(perigee_helix(charge=charge)).T)
    helix = np.zeros(centred.HELIX_SIZE)
    centred.start_helix(*points, len(RADII), helix)
    start = centred.squared_distances(helix, *points, len(RADII))
    assert start < 1e-6  # three points of a perfect helix give it
    helix[:3] += 2.0
    left = simplex.minimise(
        simplex.OF_HELIX, helix, 6, points, len(RADII), 100, np.zeros(simplex.SIMPLEX_SHAPE)
    )
    assert np.sqrt(left / len(RADII)) < 0.7
    assert left == pytest.approx(centred.squared_distances(helix, *points, len(RADII)))


def test_simplex_is_nelder_and_mead() -> None:
    """Same iterations as scipy's, which has the same first simplex and coefficients."""
    rng = np.random.default_rng(3)
    points = np.ascontiguousarray((points_of(perigee_helix()) + rng.normal(0, 1, (60, 3))).T)
    start = np.zeros(6)
    centred.start_helix(*points, 60, start)

    def value(helix: np.ndarray) -> float:
        return float(centred.squared_distances(np.ascontiguousarray(helix), *points, 60))

    theirs = minimize(
        value, start, method="Nelder-Mead",
        options={"maxiter": 100, "maxfev": 10_000, "xatol": 0, "fatol": 0},
    )  # fmt: skip
    work = np.zeros(simplex.SIMPLEX_SHAPE)
    ours = simplex.minimise(simplex.OF_HELIX, start, 6, points, 60, 100, work)
    assert ours == pytest.approx(theirs.fun, rel=1e-6)
    np.testing.assert_allclose(start, theirs.x, rtol=1e-6)


@pytest.mark.parametrize("charge", [-1, 1])
@pytest.mark.parametrize("pt", [40.0, 150.0, 600.0, 1e5])
@pytest.mark.parametrize("phi", [-3.0, -1.0, 0.5, 2.8])
def test_perfect_points_give_their_helix_back(charge: int, pt: float, phi: float) -> None:
    made = perigee_helix(pt, charge, phi=phi)
    helix, _, chi2 = fitted(to_fit(points_of(made)))
    assert max(chi2) < 1e-3
    np.testing.assert_allclose(points_of(helix, np.array([22.3, 60, 180])),
                               points_of(made, np.array([22.3, 60, 180])), atol=0.05)  # fmt: skip
    assert perigee.transverse_momentum_mev(helix[0], 1.0) == pytest.approx(pt, rel=0.01)


def test_straight_track_through_the_axis() -> None:
    line = np.stack([RADII * 0.6, RADII * 0.8, 3 - 0.5 * RADII], axis=1)
    helix, _, chi2 = fitted(to_fit(line))
    assert max(chi2) < 1e-6
    assert abs(helix[0]) < 1e-8 and abs(helix[2]) < 1e-3
    assert helix[3:] == pytest.approx([-0.5, 3.0], abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_minimum_is_that_of_minuit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = perigee_helix(
        rng.uniform(80, 600), (-1) ** seed, phi=rng.uniform(-3, 3), distance=rng.uniform(-40, 40)
    )
    points = smeared(made, rng)
    helix, variance, chi2 = fitted(points)

    def radial(curvature_radius: float, phi: float, distance: float) -> float:
        c = 0.5 / curvature_radius
        place = np.array([perigee.at_radius(c, distance, r) for r in points[3]])
        x = place[:, 0] * np.cos(phi) - place[:, 1] * np.sin(phi)
        y = place[:, 0] * np.sin(phi) + place[:, 1] * np.cos(phi)
        return float(points[4] @ (x - points[0]) ** 2 + points[5] @ (y - points[1]) ** 2)

    start = (0.5 / helix[0] * 1.02, helix[1] + 0.002, helix[2] + 0.2)
    minuit = Minuit(radial, *start)
    minuit.errors = (abs(start[0]) / 50, 0.01, 1.0)
    minuit.migrad(ncall=500)
    minuit.hesse()
    assert chi2[0] == pytest.approx(minuit.fval, abs=0.01)
    off = (helix[1:3] - np.array(minuit.values)[1:]) / np.array(minuit.errors)[1:]
    assert np.all(np.abs(off) < 0.05)
    np.testing.assert_allclose(np.sqrt(variance[1:3]), np.array(minuit.errors)[1:], rtol=0.3)


def test_pulls_are_those_that_the_original_chi_square_gives() -> None:
    """dx and dy of a point count as two measurements though the radius is taken as exact, which
    makes c, phi0 and D look better than they are; the axial fit knows nothing of their errors."""
    rng = np.random.default_rng(7)
    made, pulls = perigee_helix(), []
    for _ in range(300):
        helix, variance, _ = fitted(smeared(made, rng))
        pulls.append((helix - made) / np.sqrt(variance))
    width = np.std(pulls, axis=0)
    assert np.all(np.abs(np.mean(pulls, axis=0))[:4] < 0.3)
    assert np.all((width[:3] > 1.2) & (width[:3] < 1.8))
    assert width[3] == pytest.approx(1.0, abs=0.12)
    assert 1.2 < width[4] < 2.0


@given(st.floats(-0.004, 0.004), angles, st.floats(-30, 30), st.floats(-100, 200))
@settings(max_examples=60, deadline=None)
def test_position_variance_is_that_of_finite_differences(
    c: float, phi: float, distance: float, arc: float
) -> None:
    helix = np.array([c, phi, distance, 0.8, 12.0])
    sigma = np.array([1e-5, 0.01, 0.7, 0.02, 1.1])
    expected = np.zeros(3)
    for k, step in enumerate(1e-3 * sigma):
        up, down = helix.copy(), helix.copy()
        up[k], down[k] = up[k] + step, down[k] - step
        ends = np.array([perigee.position_at_arc(h, arc) for h in (up, down)])
        expected += ((ends[0] - ends[1]) / 2e-3) ** 2
    found = perigee.position_variance(helix, sigma**2, arc)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


def test_too_few_places_do_not_converge() -> None:
    one = np.repeat(points_of(perigee_helix())[:1], 12, axis=0)
    assert np.inf in fitted(to_fit(one))[2]


def test_small_matrices() -> None:
    rng = np.random.default_rng(2)
    root = rng.normal(size=(3, 3))
    a = root @ root.T + np.eye(3)
    inverse = a.copy()
    assert inverse3(inverse, 2.0)
    np.testing.assert_allclose(inverse @ a, 2 * np.eye(3), atol=1e-9)
    assert not inverse3(np.zeros((3, 3)), 1.0)
    g, step = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    assert solve3(np.vstack([a, g]), 0.5, step)
    np.testing.assert_allclose((a + 0.5 * np.diag(np.diag(a))) @ step, -g)

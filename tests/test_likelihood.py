"""The likelihood of grouped spectra: derivatives, limits known exactly, recovery of truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from blackett.gamma import likelihood
from blackett.gamma.likelihood import Problem, minimise, shape_modes, start_vector

STEP = np.sqrt(3100.0) / 512
GRID = (np.arange(513) * STEP) ** 2
WIDTHS = (0.85, 1.0, 1.2)


def column(lines: dict[float, float], slope_kev: float) -> np.ndarray:
    """Cumulative template of lines on an exponential continuum, at three resolutions."""
    continuum = 1.0 - np.exp(-GRID / slope_kev)
    made = []
    for width in WIDTHS:
        sigma = {energy: width * 60 * np.sqrt(energy / 662) / 2.355 for energy in lines}
        peaks = sum(i * ndtr((GRID - e) / sigma[e]) for e, i in lines.items())
        cumulative = 3 * sum(lines.values()) * continuum + peaks
        made.append((cumulative - cumulative[0]) / (cumulative[-1] - cumulative[0]))
    return np.array(made)


COLUMNS = np.array(
    [column({1461.0: 0.02}, 110), column({662.0: 1.0}, 200), column({1173.0: 1, 1332.0: 1}, 400)]
)


def edges() -> np.ndarray:
    made = [20.0]
    while made[-1] < 2800:
        made.append(made[-1] + 20 * np.sqrt(made[-1] / 662))
    return np.array(made)


def problem(counts: np.ndarray, **changes: object) -> Problem:
    at, n = edges(), counts.size
    plain = Problem(
        counts=counts.astype(float),
        background=np.zeros(n),
        background_ratio=0.0,
        background_sigma=(0.03, 0.03),
        shade=np.zeros(n),
        columns=COLUMNS,
        grid_step=STEP,
        fixed=np.zeros((0, n)),
        edges_kev=at,
        warps=np.vstack([0.015 * at, np.full(n + 1, 4.0)]),
        modes=shape_modes(np.arange(n) / 3.0, np.full(n, 0.05), 5.0),
        epsilon=np.full(n, 0.01),
        logarithmic=np.array([True, False, False]),
        prior_centre=np.array([np.log(3000.0), 0.0, 0.0]),
        prior_sigma=np.array([1.5, np.inf, np.inf]),
        width_centre=1.0,
        width_sigma=0.7,
        tilt_sigma=0.3,
    )
    return plain._replace(**changes)


def expected(amplitudes: list[float], gain: float = 1.0, offset_kev: float = 0.0) -> np.ndarray:
    true = edges() * gain + offset_kev
    cumulative = np.array([np.interp(true, GRID, c[1]) for c in COLUMNS])
    return np.asarray(np.array(amplitudes) @ np.diff(cumulative, axis=1))


def test_gradient_is_the_derivative_of_the_objective() -> None:
    rng = np.random.default_rng(1)
    p = problem(rng.poisson(expected([3000, 500, 200])))
    vector = start_vector(p, np.array([2800.0, 600.0, 150.0]))
    vector[3:] += 0.1 * rng.normal(size=vector.size - 3)
    gradient = likelihood._evaluate(p, vector, True)[1]
    for q in range(vector.size):
        step = 1e-5 * max(1.0, abs(vector[q]))
        up, down = vector.copy(), vector.copy()
        up[q] += step
        down[q] -= step
        slope = likelihood._evaluate(p, up, False)[0] - likelihood._evaluate(p, down, False)[0]
        assert gradient[q] == pytest.approx(slope / (2 * step), rel=1e-3, abs=1e-3)


def test_recovers_amplitudes_gain_and_offset() -> None:
    rng = np.random.default_rng(2)
    truth = [3000.0, 800.0, 400.0]
    p = problem(rng.poisson(expected(truth, gain=1.015, offset_kev=-4.0)))
    fit = minimise(p, start_vector(p, np.array([2000.0, 500.0, 500.0])))
    assert fit.amplitudes == pytest.approx(truth, rel=0.15)
    at = np.array([662.0, 1332.0])
    found = at + fit.warp[0] * 0.015 * at + fit.warp[1] * 4.0
    assert found == pytest.approx(1.015 * at - 4.0, abs=8.0)


def test_absent_source_stays_at_its_bound() -> None:
    p = problem(expected([3000.0, 0.0, 400.0]).round())
    fit = minimise(p, start_vector(p, np.array([3000.0, 50.0, 400.0])))
    assert 0.0 <= fit.amplitudes[1] < 25.0


def test_profiled_background_is_the_maximum_of_both_likelihoods() -> None:
    source, counts, background, ratio = 7.0, 19.0, 30.0, 0.4
    beta = likelihood._profiled_background(source, counts, background, ratio)
    trial = np.linspace(0.5 * beta, 1.5 * beta, 20001)
    minus_log = source + ratio * trial - counts * np.log(source + ratio * trial)
    minus_log += trial - background * np.log(trial)
    assert beta == pytest.approx(trial[np.argmin(minus_log)], rel=1e-3)


def test_measured_background_of_zero_counts_leaves_the_source_alone() -> None:
    counts = expected([0.0, 800.0, 0.0]).round()
    p = problem(counts, background_ratio=0.5, logarithmic=np.array([False, False, False]))
    fit = minimise(p, start_vector(p, np.array([0.0, 500.0, 0.0])))
    assert fit.background.sum() < 0.02 * counts.sum()
    assert fit.amplitudes[1] == pytest.approx(800.0, rel=0.1)


def test_likelihood_ratio_of_an_absent_source_follows_half_chi_squared() -> None:
    """Of 200 spectra without the source, 2 ln L exceeds 2.71 in about 5 % (one-sided)."""
    rng = np.random.default_rng(3)
    mu, above, n = expected([400.0, 0.0, 0.0]), 0, 200
    for _ in range(n):
        p = problem(rng.poisson(mu))
        without = p._replace(
            columns=p.columns[:1], logarithmic=p.logarithmic[:1],
            prior_centre=p.prior_centre[:1], prior_sigma=p.prior_sigma[:1],
        )  # fmt: skip
        null = minimise(without, start_vector(without, np.array([400.0])))
        start = start_vector(p, np.array([400.0, 10.0, 0.0]), null)
        fixed = likelihood.bounds(p)
        fixed[1][2] = 0.0
        other = minimise(p, start, bound=fixed)
        above += 2 * (null.objective - other.objective) > 2.71
    assert 1 <= above <= 24


def test_modes_have_the_variance_asked_for() -> None:
    sigma = np.linspace(0.02, 0.08, 60)
    modes = shape_modes(np.arange(60) / 3.0, sigma, 4.0)
    assert np.sqrt((modes**2).sum(0)) == pytest.approx(sigma, rel=0.02)


def test_misfit_is_zero_where_counts_meet_the_expectation() -> None:
    n = np.array([0.0, 1.0, 50.0])
    assert likelihood.misfit(n, np.array([1e-9, 1.0, 50.0]), np.full(3, 0.02)) == pytest.approx(
        0.0, abs=1e-6
    )
    poisson = likelihood.misfit(n, np.full(3, 7.0), np.zeros(3))
    dispersed = likelihood.misfit(n, np.full(3, 7.0), np.full(3, 1e-4))
    assert dispersed == pytest.approx(poisson, rel=1e-5)

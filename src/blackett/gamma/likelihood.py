# mypy: disable-error-code="no-any-return"
"""The likelihood of a grouped spectrum under a sum of templates with uncertain shape and axis.

Expected counts in group b, with the true energies e_b of its edges:

    mu_b = shape_b * sum_k a_k [C_k(e_{b+1}) - C_k(e_b)]  +  sum_f a_f F_fb  +  scale * background_b

* C_k is the cumulative template of column k after the detector's resolution. It is tabulated for a
  few widths; a fitted width interpolates between them.
* e_b is the stored energy of the edge plus a fitted warp: gain, offset, and small local bends.
* shape_b = exp(sum_m theta_m B_mb) is a smooth factor near one: templates are never exact. Its
  prior is a Gaussian process (`shape_modes`), so that theta has unit normal priors.
* F are columns that are given in groups already and know no warp (pile-up, made from the data).
* A measured background enters with its own Poisson error: its expectation is profiled in each
  group (the "W statistic" of X-ray astronomy, Cash 1979, Wachter et al. 1979). Its scale and what
  the sample keeps away of it, soft photons more, are fitted.
* What is left, bin by bin, is over-dispersed: counts follow a negative binomial whose variance is
  mu + (epsilon mu)^2.

`minimise` finds the penalised maximum by Levenberg-Marquardt steps with the expected curvature and
the bounds a >= 0. All of it is numba: a fit of 130 groups and 60 parameters takes a few
milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blackett.arrays import FloatArray

__all__ = [
    "Fit",
    "Problem",
    "bounds",
    "cumulative_at",
    "groups_of",
    "minimise",
    "misfit",
    "shape_modes",
    "start_vector",
    "width_at",
    "widths_at",
]

NODES_PER_LENGTH = 6
"""Nodes of a Gaussian process in one correlation length; between them modes are interpolated."""
HIGHEST_SIGMA = 4.0
"""Amplitudes with a half-normal prior end at this many of its sigmas."""
LEAST_EXPECTED = 1e-9
"""Expected counts in a group are kept above this, so that logarithms exist."""


class Problem(NamedTuple):
    """What `minimise` needs. B groups, K columns, F fixed columns, L widths, J warps, M modes."""

    counts: FloatArray  # (B,)
    background: FloatArray  # (B,) counts of the measured background; zeros when there is none
    background_ratio: float  # live time over the background's live time; 0 when there is none
    background_sigma: tuple[float, float]  # prior errors of its scale, below one and above
    shade: FloatArray  # (B,) loss of its logarithm per unit of shading (half-normal)
    columns: FloatArray  # (K, L, G + 1) cumulative templates on a grid uniform in sqrt(E/keV)
    grid_step: float  # step of that grid, sqrt(keV)
    fixed: FloatArray  # (F, B)
    edges_kev: FloatArray  # (B + 1,) stored energies of the group edges
    warps: FloatArray  # (J, B + 1) keV of true energy per unit of each warp parameter (unit normal)
    modes: FloatArray  # (M, B) logarithm of the shape per unit of each mode (unit normal)
    epsilon: FloatArray  # (B,) relative over-dispersion
    logarithmic: np.ndarray  # (K + F,) bool: amplitude is exp(parameter), with a log-normal prior
    prior_centre: FloatArray  # (K + F,) counts (log of counts where logarithmic)
    prior_sigma: FloatArray  # (K + F,) the same; inf: no prior
    width_centre: float  # prior of the width index, 0 .. L - 1
    width_sigma: float
    tilt_sigma: float  # prior of the change of the width index with ln(E / 300 keV), about zero


class Fit(NamedTuple):
    """A penalised maximum of the likelihood.

    `objective` is minus the logarithm of the posterior density up to a constant of the counts: half
    of a difference of 2 x objective is a log-likelihood ratio.
    """

    objective: float
    amplitudes: FloatArray  # (K + F,) counts
    width: float  # index into the tabulated widths, at 300 keV
    tilt: float  # change of the index with ln(E / 300 keV)
    background_scale: float
    background_factor: FloatArray  # (B,) what scale and shade make of the background
    warp: FloatArray  # (J,)
    shape: FloatArray  # (M,)
    expected: FloatArray  # (B,)
    parts: FloatArray  # (K + F, B) expected counts of each column
    background: FloatArray  # (B,) expected background counts in the spectrum
    edges_kev: FloatArray  # (B + 1,) true energies of the group edges
    shading: float  # in units of `Problem.shade`
    parameters: FloatArray  # (P,) amplitudes (or their logarithms), width, scale, ... as below
    free: np.ndarray  # (P,) bool: not an amplitude that is held at zero
    jacobian: FloatArray  # (P, B) change of the expected counts with each parameter
    weights: FloatArray  # (B,) inverse variance of each group
    pull: FloatArray  # (B,) (expected - observed) / variance
    curvature: FloatArray  # (P, P) expected Fisher information plus priors
    iterations: int


# Parameters in one vector: amplitudes (K + F), width, background scale, tilt, warps (J), modes (M),
# shading.


def shape_modes(
    position: FloatArray, sigma: FloatArray, length: float, share: float = 1e-3
) -> FloatArray:
    """Leading modes (M, B) of a Gaussian process over the groups.

    `position` (B,) is in units of the local FWHM, `sigma` (B,) the relative standard deviation and
    `length` the correlation length in the same units as `position`. Modes that carry less than
    `share` of the largest are left out.
    """
    reach = float(position[-1] - position[0])
    nodes = np.linspace(position[0], position[-1], int(NODES_PER_LENGTH * reach / length) + 3)
    at_nodes = np.interp(nodes, position, sigma)
    distance = (nodes[:, None] - nodes[None, :]) / length
    covariance = np.outer(at_nodes, at_nodes) * np.exp(-0.5 * distance**2)
    values, vectors = np.linalg.eigh(covariance)
    kept = values > share * values[-1]
    modes = (vectors[:, kept] * np.sqrt(values[kept])).T[::-1]
    return np.array([np.interp(position, nodes, mode) for mode in modes])


@njit(cache=True, fastmath=False)
def _amplitudes(p: FloatArray, logarithmic: np.ndarray) -> FloatArray:
    a = p[: logarithmic.size].copy()
    for k in range(a.size):
        if logarithmic[k]:
            a[k] = np.exp(min(a[k], 50.0))
    return a


@njit(cache=True)
def _log_energy(energy_kev: float) -> float:
    """ln(E / 300 keV), held below 20 keV and above 3 MeV."""
    return np.log(min(max(energy_kev, 20.0), 3000.0) / 300.0)


@njit(cache=True)
def width_at(energy_kev: float, width: float, tilt: float) -> float:
    """Width index at an energy, for the index at 300 keV and its change with the logarithm."""
    return width + tilt * _log_energy(energy_kev)


def widths_at(energies_kev: FloatArray, width: float, tilt: float) -> FloatArray:
    """As `width_at`, for energies (n,)."""
    return width + tilt * np.log(np.clip(energies_kev, 20.0, 3000.0) / 300.0)


@njit(cache=True)
def _interpolate(
    columns: FloatArray,
    grid_step: float,
    energy_kev: float,
    width: float,
    values: FloatArray,
    slopes: FloatArray,
    widenings: FloatArray,
) -> None:
    """Cumulative value, density (per keV) and change per width step of each column at an energy."""
    n_widths, n_points = columns.shape[1], columns.shape[2]
    lower = min(max(int(np.floor(width)), 0), max(n_widths - 2, 0))
    share = min(max(width - lower, 0.0), 1.0) if n_widths > 1 else 0.0
    upper = min(lower + 1, n_widths - 1)
    x = np.sqrt(max(energy_kev, 0.0)) / grid_step
    i = min(int(x), n_points - 2)
    t = min(x - i, 1.0)
    per_kev = 0.0
    if energy_kev > 0.01 and x < n_points - 1:
        per_kev = 1.0 / (2.0 * np.sqrt(energy_kev) * grid_step)
    for k in range(columns.shape[0]):
        low = columns[k, lower, i] * (1 - t) + columns[k, lower, i + 1] * t
        high = columns[k, upper, i] * (1 - t) + columns[k, upper, i + 1] * t
        values[k] = low + share * (high - low)
        widenings[k] = high - low
        d_low = columns[k, lower, i + 1] - columns[k, lower, i]
        d_high = columns[k, upper, i + 1] - columns[k, upper, i]
        slopes[k] = (d_low + share * (d_high - d_low)) * per_kev


@njit(cache=True)
def cumulative_at(
    columns: FloatArray, grid_step: float, edges_kev: FloatArray, width: float, tilt: float
) -> FloatArray:
    """Columns (K, L, G + 1) at energies (E,), for a width index and its tilt: (K, E)."""
    n_columns = columns.shape[0]
    out = np.empty((n_columns, edges_kev.size))
    values, slopes, widenings = np.empty(n_columns), np.empty(n_columns), np.empty(n_columns)
    for e in range(edges_kev.size):
        at = width_at(edges_kev[e], width, tilt)
        _interpolate(columns, grid_step, edges_kev[e], at, values, slopes, widenings)
        out[:, e] = values
    return out


@njit(cache=True)
def groups_of(
    by_energy: FloatArray,
    grid_step: float,
    edges_kev: FloatArray,
    width: float,
    tilt: float,
    out: NDArray[np.floating[Any]],
) -> None:
    """Shares `out` (B, N) in groups with edges (B + 1,) of columns stored by energy (L, G + 1, N).

    Differences of what `cumulative_at` gives, for many columns side by side.
    """
    n_widths, n_points, n_columns = by_energy.shape
    before = np.empty(n_columns)
    for e in range(edges_kev.size):
        at = width_at(edges_kev[e], width, tilt)
        lower = min(max(int(np.floor(at)), 0), max(n_widths - 2, 0))
        share = min(max(at - lower, 0.0), 1.0) if n_widths > 1 else 0.0
        upper = min(lower + 1, n_widths - 1)
        x = np.sqrt(max(edges_kev[e], 0.0)) / grid_step
        i = min(int(x), n_points - 2)
        t = min(x - i, 1.0)
        for n in range(n_columns):
            low = (1 - t) * by_energy[lower, i, n] + t * by_energy[lower, i + 1, n]
            high = (1 - t) * by_energy[upper, i, n] + t * by_energy[upper, i + 1, n]
            value = (1 - share) * low + share * high
            if e > 0:
                out[e - 1, n] = value - before[n]
            before[n] = value


@njit(cache=True)
def _profiled_background(source: float, counts: float, background: float, ratio: float) -> float:
    """Expected background counts (in the background's own time) that maximise both likelihoods."""
    if ratio <= 0.0:
        return 0.0
    b = ratio * (counts + background) - (1.0 + ratio) * source
    root = np.sqrt(b * b + 4.0 * ratio * (1.0 + ratio) * background * source)
    return max((b + root) / (2.0 * ratio * (1.0 + ratio)), 0.0)


@njit(cache=True)
def _log_term(counts: float, mu: float, epsilon: float) -> float:
    """Minus the log-likelihood of one group, zero for a perfect fit."""
    mu = max(mu, LEAST_EXPECTED)
    if epsilon * epsilon * max(mu, counts) < 1e-7:  # Poisson, and no cancellation
        return mu - counts + (counts * np.log(counts / mu) if counts > 0 else 0.0)
    r = 1.0 / (epsilon * epsilon)
    value = (counts + r) * np.log((r + mu) / (r + counts))
    return value + (counts * np.log(counts / mu) if counts > 0 else 0.0)


@njit(cache=True)
def misfit(counts: FloatArray, expected: FloatArray, epsilon: FloatArray) -> FloatArray:
    """Minus the log-likelihood of each group (B,), zero for a perfect fit."""
    out = np.empty(counts.size)
    for b in range(counts.size):
        out[b] = _log_term(counts[b], expected[b], epsilon[b])
    return out


@njit(cache=True)
def _evaluate(  # noqa: C901 - one pass over the groups: numba gains nothing from pieces
    problem: Problem, p: FloatArray, want_derivatives: bool
) -> tuple[
    float, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray,
    FloatArray, FloatArray, FloatArray,
]:  # fmt: skip
    """Objective at `p`; with derivatives also gradient, curvature and all expectations."""
    n_linear = problem.logarithmic.size
    n_columns, n_groups = problem.columns.shape[0], problem.counts.size
    n_warps, n_modes = problem.warps.shape[0], problem.modes.shape[0]
    n_parameters = n_linear + 3 + n_warps + n_modes + 1
    a = _amplitudes(p, problem.logarithmic)
    width, scale, tilt = p[n_linear], p[n_linear + 1], p[n_linear + 2]
    warp, theta = p[n_linear + 3 : n_linear + 3 + n_warps], p[n_linear + 3 + n_warps : -1]

    edges = problem.edges_kev.copy()
    for j in range(n_warps):
        edges += warp[j] * problem.warps[j]
    cumulative = np.empty((2, n_columns))
    slopes = np.empty((2, n_columns))
    widenings = np.empty((2, n_columns))
    parts = np.zeros((n_linear, n_groups))
    jacobian = np.zeros((n_parameters, n_groups)) if want_derivatives else np.zeros((1, 1))
    expected = np.empty(n_groups)
    background_part = np.zeros(n_groups)
    gradient = np.zeros(n_parameters)
    weights = np.zeros(n_groups)
    pulls = np.zeros(n_groups)
    objective = 0.0
    _interpolate(
        problem.columns, problem.grid_step, edges[0], width_at(edges[0], width, tilt),
        cumulative[0], slopes[0], widenings[0],
    )  # fmt: skip
    for b in range(n_groups):
        now, before = (b + 1) % 2, b % 2
        _interpolate(
            problem.columns, problem.grid_step, edges[b + 1], width_at(edges[b + 1], width, tilt),
            cumulative[now], slopes[now], widenings[now],
        )  # fmt: skip
        log_shape = 0.0
        for m in range(n_modes):
            log_shape += theta[m] * problem.modes[m, b]
        shape = np.exp(min(max(log_shape, -3.0), 3.0))
        templated = 0.0
        for k in range(n_columns):
            parts[k, b] = a[k] * shape * max(cumulative[now, k] - cumulative[before, k], 0.0)
            templated += parts[k, b]
        source = templated
        for f in range(n_columns, n_linear):
            parts[f, b] = a[f] * problem.fixed[f - n_columns, b]
            source += parts[f, b]
        unscaled = problem.background_ratio * np.exp(-p[-1] * problem.shade[b])
        ratio = unscaled * max(scale, 0.0)
        beta = _profiled_background(source, problem.counts[b], problem.background[b], ratio)
        background_part[b] = ratio * beta
        mu = max(source + ratio * beta, LEAST_EXPECTED)
        expected[b] = mu
        # over-dispersion belongs to the templates, not to a background that was measured
        epsilon = problem.epsilon[b] * source / mu
        objective += _log_term(problem.counts[b], mu, epsilon)
        if ratio > 0.0:
            objective += _log_term(problem.background[b], beta, 0.0)
        if not want_derivatives:
            continue
        dispersion = 1.0 + epsilon * epsilon * mu
        pull = (mu - problem.counts[b]) / (mu * dispersion)
        pulls[b] = pull
        weights[b] = 1.0 / (mu * dispersion + ratio * ratio * beta)
        for k in range(n_columns):
            step = shape * max(cumulative[now, k] - cumulative[before, k], 0.0)
            jacobian[k, b] = step * (a[k] if problem.logarithmic[k] else 1.0)
        for f in range(n_columns, n_linear):
            jacobian[f, b] = problem.fixed[f - n_columns, b] * (
                a[f] if problem.logarithmic[f] else 1.0
            )
        widening, tilting, upper_density, lower_density = 0.0, 0.0, 0.0, 0.0
        upper_log, lower_log = _log_energy(edges[b + 1]), _log_energy(edges[b])
        for k in range(n_columns):
            widening += a[k] * (widenings[now, k] - widenings[before, k])
            tilting += a[k] * (upper_log * widenings[now, k] - lower_log * widenings[before, k])
            upper_density += a[k] * slopes[now, k]
            lower_density += a[k] * slopes[before, k]
        jacobian[n_linear, b] = shape * widening
        jacobian[n_linear + 1, b] = unscaled * beta
        jacobian[n_linear + 2, b] = shape * tilting
        for j in range(n_warps):
            jacobian[n_linear + 3 + j, b] = shape * (
                upper_density * problem.warps[j, b + 1] - lower_density * problem.warps[j, b]
            )
        for m in range(n_modes):
            jacobian[n_linear + 3 + n_warps + m, b] = templated * problem.modes[m, b]
        jacobian[n_parameters - 1, b] = -ratio * beta * problem.shade[b]
        for q in range(n_parameters):
            gradient[q] += jacobian[q, b] * pull

    curvature = np.zeros((1, 1))
    if want_derivatives:
        curvature = (jacobian * weights) @ jacobian.T
    objective += _priors(problem, p, gradient, curvature, want_derivatives)
    return (
        objective, gradient, curvature, expected, parts, background_part, edges,
        jacobian, weights, pulls,
    )  # fmt: skip


@njit(cache=True)
def _priors(
    problem: Problem,
    p: FloatArray,
    gradient: FloatArray,
    curvature: FloatArray,
    want_derivatives: bool,
) -> float:
    """Minus the logarithm of the priors; adds to gradient and curvature in place."""
    n_linear, total = problem.logarithmic.size, 0.0
    for q in range(p.size):
        if q < n_linear:
            centre, sigma = problem.prior_centre[q], problem.prior_sigma[q]
        elif q == n_linear:
            centre, sigma = problem.width_centre, problem.width_sigma
        elif q == n_linear + 1:
            centre, sigma = 1.0, problem.background_sigma[1 if p[q] > 1.0 else 0]
        elif q == n_linear + 2:
            centre, sigma = 0.0, problem.tilt_sigma
        else:
            centre, sigma = 0.0, 1.0
        if np.isinf(sigma):
            continue
        distance = (p[q] - centre) / sigma
        total += 0.5 * distance * distance
        if want_derivatives:
            gradient[q] += distance / sigma
            curvature[q, q] += 1.0 / (sigma * sigma)
    return total


@njit(cache=True)
def _step(
    gradient: FloatArray,
    curvature: FloatArray,
    damping: float,
    p: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
) -> FloatArray:
    """A damped Newton step with bounds: parameters pushed against a bound are held there."""
    n = p.size
    held = np.zeros(n, dtype=np.bool_)
    for _ in range(8):
        free = np.flatnonzero(~held)
        matrix = np.empty((free.size, free.size))
        side = np.empty(free.size)
        for i in range(free.size):
            side[i] = -gradient[free[i]]
            for j in range(free.size):
                matrix[i, j] = curvature[free[i], free[j]]
            matrix[i, i] += damping * curvature[free[i], free[i]] + 1e-12
        solved = np.linalg.solve(matrix, side)
        step = np.zeros(n)
        step[free] = solved
        violated = False
        for i in range(free.size):
            q = free[i]
            at_bottom = p[q] <= lowest[q] and step[q] < 0.0
            at_top = p[q] >= highest[q] and step[q] > 0.0
            if at_bottom or at_top:
                held[q] = True
                violated = True
        if not violated:
            break
    return np.minimum(np.maximum(p + step, lowest), highest)


@njit(cache=True)
def _minimise(
    problem: Problem,
    start: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
    tolerance: float,
    most_iterations: int,
) -> tuple[FloatArray, tuple[Any, ...], int]:
    p = np.minimum(np.maximum(start, lowest), highest)
    damping = 1e-3
    state = _evaluate(problem, p, True)
    iterations = 0
    for _ in range(most_iterations):
        iterations += 1
        improved, gain = False, 0.0
        for _ in range(8):
            trial = _step(state[1], state[2], damping, p, lowest, highest)
            objective = _evaluate(problem, trial, False)[0]
            if objective < state[0]:
                gain = state[0] - objective
                p, improved = trial, True
                damping = max(damping * 0.2, 1e-7)
                break
            damping *= 8.0
        if not improved:
            break
        state = _evaluate(problem, p, True)
        if gain < tolerance:
            break
    return p, state, iterations


def bounds(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest value of every parameter, in the order of the parameter vector."""
    n_widths = problem.columns.shape[1]
    n_rest = problem.warps.shape[0] + problem.modes.shape[0]
    least = np.where(problem.logarithmic, -20.0, 0.0)
    lowest = np.concatenate([least, [0.0, 0.5, -2.0], np.full(n_rest, -5.0), [0.0]])
    half_normal = ~problem.logarithmic & np.isfinite(problem.prior_sigma)
    most = np.where(half_normal, HIGHEST_SIGMA * problem.prior_sigma, np.inf)
    highest = np.concatenate([most, [n_widths - 1.0, 2.0, 2.0], np.full(n_rest + 1, 5.0)])
    return lowest, highest


def start_vector(problem: Problem, amplitudes: FloatArray, like: Fit | None = None) -> FloatArray:
    """Parameter vector with these amplitudes; nuisances of an earlier fit, or at their priors."""
    first = np.where(problem.logarithmic, np.log(np.maximum(amplitudes, 1e-6)), amplitudes)
    if like is None:
        rest = np.zeros(problem.warps.shape[0] + problem.modes.shape[0] + 1)
        return np.concatenate([first, [problem.width_centre, 1.0, 0.0], rest])
    return np.concatenate(
        [
            first, [like.width, like.background_scale, like.tilt], like.warp, like.shape,
            [like.shading],
        ]
    )  # fmt: skip


def minimise(
    problem: Problem,
    start: FloatArray,
    tolerance: float = 0.01,
    most_iterations: int = 40,
    bound: tuple[FloatArray, FloatArray] | None = None,
) -> Fit:
    """The penalised maximum near `start` (a vector of `start_vector`).

    `tolerance` ends the search when a step gains less than this in the objective. `bound` replaces
    the natural bounds (lowest, highest); equal ones fix a parameter.
    """
    lowest, highest = bounds(problem) if bound is None else bound
    p, state, iterations = _minimise(problem, start, lowest, highest, tolerance, most_iterations)
    n_linear, n_warps = problem.logarithmic.size, problem.warps.shape[0]
    # the logarithm of an amplitude has no bound to be held at, and is negative below one count
    logarithms = np.append(problem.logarithmic, np.zeros(p.size - n_linear, dtype=bool))
    objective, _, curvature, expected, parts, background, edges, jacobian, weights, pull = state
    scale = float(p[n_linear + 1])
    return Fit(
        objective=float(objective),
        amplitudes=_amplitudes(p, problem.logarithmic),
        width=float(p[n_linear]),
        background_scale=scale,
        background_factor=scale * np.exp(-p[-1] * problem.shade),
        tilt=float(p[n_linear + 2]),
        warp=p[n_linear + 3 : n_linear + 3 + n_warps],
        shape=p[n_linear + 3 + n_warps : -1],
        expected=expected,
        parts=parts,
        background=background,
        edges_kev=edges,
        shading=float(p[-1]),
        parameters=p,
        free=(p > 0) | (np.arange(p.size) >= n_linear) | logarithms,
        jacobian=jacobian,
        weights=weights,
        pull=pull,
        curvature=curvature,
        iterations=iterations,
    )

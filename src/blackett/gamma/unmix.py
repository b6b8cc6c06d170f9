"""Full-spectrum Poisson unmixing: which templates does this spectrum need?

A spectrum is grouped into whole channels of about a third of the detector's resolution and
described by a background (measured, or modelled with wide priors) plus a few of the library's
templates, with the energy axis, the resolution and a smooth shape error as nuisances
(`likelihood`).

1. `propose` searches all templates at once on a coarse lattice of gains and offsets. It works in
   the quadratic approximation, whitened with the covariance of counting and shape errors, so that
   each lattice point is one small non-negative least-squares problem.
2. `prune` fits the proposals with the full likelihood and drops every source that the data do not
   need; `grow` adds what the score test still asks for; they alternate until nothing changes.
3. What stays is declared; what is near is a candidate; a peak or continuum that nothing explains
   makes the answer "unknown".

Significances are of likelihood ratios at the refitted nuisances, not of net counts over errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import nnls

from blackett.errors import InputError
from blackett.gamma import likelihood
from blackett.gamma.likelihood import Fit, Problem, cumulative_at, many_at
from blackett.gamma.templates import GAIN_SIGMA

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.templates import Library

__all__ = ["Grouped", "Settings", "Task", "Unmixed", "group", "task", "unmix"]


@dataclass(frozen=True)
class Settings:
    """Priors and limits of the unmixing; the defaults are those of every published number."""

    lowest_kev: float = 33.0
    """Groups of a scintillator start here; those of germanium at the start of its range."""
    highest_kev: float = 2850.0
    groups_per_fwhm: float = 3.0
    window_kev: float = 25.0
    """Energy at which absorption before the crystal is uncertain by a factor of e."""
    bend_sigma: float = 0.004
    """Prior of local departures of a scintillator's axis, relative part; germanium is steadier."""
    bend_sigma_kev: float = 0.8
    """The same in keV; up to four times as much below 40 keV, where light is least proportional."""
    shape_sigma: float = 0.08
    """Shape error of a template over about `shape_length` resolutions: scatter, shielding."""
    shape_length: float = 5.0
    fine_sigma: float = 0.04
    """Shape error over about `fine_length` resolutions: peak shapes, blends, line intensities."""
    fine_length: float = 1.5
    epsilon: float = 0.01
    """Over-dispersion of each group."""
    fluorescence_sigma: float = 0.03
    """Prior share of all counts that are X-rays excited in heavy elements near the source."""
    tail_sigma: float = 0.02
    """Prior share of all counts in the tails that peaks have towards higher energies."""
    edge_sigma: float = 0.03
    """Error of peak positions and widths in units of the FWHM, beyond the fitted ones."""
    background_scale_sigma: float = 0.1
    """Prior of the live-time scale of a measured background: rooms change, samples shade."""
    needed: float = 36.0
    """Twice the log-likelihood ratio at which a common source is declared."""
    fewest_counts: int = 30


DEFAULT = Settings()
BEND_KNOTS_KEV = (25.0, 45.0, 80.0, 140.0, 240.0, 380.0, 560.0, 850.0, 1300.0, 1900.0, 2700.0)
LATTICE = [(g, o) for g in (-2.4, -1.2, 0.0, 1.2, 2.4) for o in (-2.0, 0.0, 2.0)]
"""Gains and offsets to start from, in units of their prior sigmas."""
REFERENCE_FWHM = 2.33
"""Scale on which shapes err, keV of FWHM at 1 keV: 9 % at 662 keV, growing as the square root."""
MOST_SOURCES = 8
PROPOSAL_SLACK = 20.0
"""A second proposal is worth fitting if its objective is within this of the best."""
NEW_SOURCE_COST, MORE_SCENE_COST = 9.0, 4.0
"""Gain in chi-squared for which a common source, or another scene of one that is in, is tried."""


@dataclass(frozen=True)
class Grouped:
    """Counts in groups of whole channels (so still Poisson), with their stored edges.

    `counts` and `background` are (B,), `first_channel` (B + 1,), `edges_kev` (B + 1,).
    """

    counts: FloatArray
    background: FloatArray
    background_ratio: float
    first_channel: IntArray
    edges_kev: FloatArray
    live_time_s: float


@dataclass(frozen=True)
class Task:
    """A grouped spectrum with all that is needed to fit any set of library columns to it."""

    data: Grouped
    library: Library
    settings: Settings
    warps: FloatArray  # (J, B + 1)
    modes: FloatArray  # (M, B)
    epsilon: FloatArray  # (B,)
    fixed: FloatArray  # (F, B) pile-up
    fixed_sigma: FloatArray  # (F,)
    room: bool  # the background is modelled


@dataclass(frozen=True)
class Evidence:
    """How much the data need one source.

    `ratio` is twice the log-likelihood ratio of leaving the source out, over the fit's strain;
    `counts` are its fitted counts above the detector's lowest energy.
    """

    name: str
    counts: float
    ratio: float


@dataclass(frozen=True)
class Unmixed:
    """The answer of `unmix` before it is put into words."""

    task: Task
    fit: Fit
    active: tuple[int, ...]
    declared: tuple[Evidence, ...]


# --- preparing ---------------------------------------------------------------


def group(
    counts: IntArray,
    edges_kev: FloatArray,
    fwhm_kev: FloatArray,
    lowest_kev: float,
    live_time_s: float,
    background: tuple[FloatArray, float] | None,
    settings: Settings = DEFAULT,
) -> Grouped:
    """Join channels into groups of about FWHM / `groups_per_fwhm`.

    `counts` (n,), `edges_kev` (n + 1,), `fwhm_kev` (n,) at the channels' centres; `background` are
    counts on the same channels and their live time. Raises InputError when fewer than five groups
    lie inside the energy limits.
    """
    inside = np.flatnonzero(
        (edges_kev[:-1] >= lowest_kev) & (edges_kev[1:] <= settings.highest_kev)
    )
    if inside.size < 5:
        raise InputError(
            f"only {inside.size} channels lie between {lowest_kev:g} and "
            f"{settings.highest_kev:g} keV: is the energy calibration right?"
        )
    starts = [int(inside[0])]
    for channel in inside[1:]:
        width = edges_kev[channel] - edges_kev[starts[-1]]
        if width >= fwhm_kev[channel] / settings.groups_per_fwhm:
            starts.append(int(channel))
    starts.append(int(inside[-1]) + 1)
    first = np.array(starts)
    sums = np.concatenate([[0.0], np.cumsum(counts, dtype=float)])
    ratio, grouped_background = 0.0, np.zeros(first.size - 1)
    if background is not None:
        background_sums = np.concatenate([[0.0], np.cumsum(background[0], dtype=float)])
        grouped_background = np.diff(background_sums[first])
        ratio = live_time_s / background[1]
    return Grouped(
        np.diff(sums[first]), grouped_background, ratio, first, edges_kev[first], live_time_s
    )


def task(data: Grouped, library: Library, settings: Settings = DEFAULT) -> Task:
    """Nuisances and fixed columns for fitting `library` to `data`."""
    centre = 0.5 * (data.edges_kev[1:] + data.edges_kev[:-1])
    widths = np.diff(data.edges_kev) / (REFERENCE_FWHM * np.sqrt(np.maximum(centre, 10.0)))
    position = np.cumsum(widths) - 0.5 * widths
    # peaks err on the scale of this detector's resolution, shapes on that of a scintillator's
    resolved = np.diff(data.edges_kev) / library.detector.fwhm_kev(np.maximum(centre, 10.0))
    # below some 35 keV windows, dead layers, thresholds and L X-rays are hardly known
    soft = 1.0 + 12.0 / (1.0 + (centre / 27.0) ** 8)
    modes = np.vstack(
        [
            likelihood.shape_modes(position, settings.shape_sigma * soft, settings.shape_length),
            likelihood.shape_modes(
                position, settings.fine_sigma * soft, settings.fine_length, 0.05
            ),
            # one more or less layer before the crystal, or another threshold: photoelectric, E^-3
            -np.minimum((settings.window_kev / np.maximum(centre, 1.0)) ** 3, 3.0)[None, :],
        ]
    )
    fixed, sigma = _pile_up(data)
    tail = _upper_tail(data, np.cumsum(resolved))
    fixed = np.vstack([fixed, tail])
    sigma = np.append(sigma, settings.tail_sigma * max(float(data.counts.sum()), 1.0))
    return Task(
        data=data,
        library=library,
        settings=settings,
        warps=_warps(data.edges_kev, library, settings),
        modes=np.ascontiguousarray(modes),
        epsilon=_dispersion(data, resolved, soft, settings),
        fixed=fixed,
        fixed_sigma=sigma,
        room=data.background_ratio == 0.0,
    )


def _dispersion(
    data: Grouped, widths: FloatArray, soft: FloatArray, settings: Settings
) -> FloatArray:
    """Over-dispersion (B,): more where the spectrum is steep, for peaks are not quite Gaussian.

    An error of `edge_sigma` FWHM in the place or width of an edge changes the counts there by that
    times the slope of their logarithm.
    """
    smooth = gaussian_filter1d(data.counts, 1.5) + 1.0
    slope = np.gradient(np.log(smooth)) / np.maximum(widths, 1e-3)
    return np.asarray(np.hypot(settings.epsilon * soft, settings.edge_sigma * slope))


def _warps(edges_kev: FloatArray, library: Library, settings: Settings) -> FloatArray:
    """Axis errors (J, B + 1), keV per unit normal: gain, offset, and hats in the logarithm of E."""
    energy = np.maximum(edges_kev, 1.0)
    log_knots = np.log(BEND_KNOTS_KEV)
    steadiness = library.gain_sigma / GAIN_SIGMA
    hats = [
        np.interp(np.log(energy), log_knots, np.eye(log_knots.size)[j])
        * steadiness
        * (
            settings.bend_sigma_kev * (1.0 + 3.0 * np.exp(-energy / 40.0))
            + settings.bend_sigma * energy
        )
        for j in range(log_knots.size)
    ]
    gain = library.gain_sigma * edges_kev
    offset = np.full_like(edges_kev, library.offset_sigma_kev)
    return np.ascontiguousarray(np.vstack([gain, offset, *hats]))


RESOLVING_TIME_S = 10e-6
"""Pulses closer than about this add up: prior width of the pile-up columns. Measured dead times are
5 to 18 us, and CsI(Tl) has a slow component of some microseconds."""
PARTIAL = np.arange(0.05, 1.0, 0.1)


def _pile_up(data: Grouped) -> tuple[FloatArray, FloatArray]:
    """Random sums of two pulses: the spectrum convolved with itself, wholly and partially.

    Pulses that overlap in part add a part of the second one: its share is taken as uniform.
    Returned are two columns (2, B), normalised, and the prior sigma (2,) of their counts.
    """
    step = 4.0
    grid = np.arange(0.0, 3000.0 + step, step)
    cumulative = np.interp(grid, data.edges_kev, np.concatenate([[0.0], np.cumsum(data.counts)]))
    total = float(cumulative[-1])
    if total <= 0:
        return np.zeros((0, data.counts.size)), np.zeros(0)
    size = 2 * (grid.size - 1)
    whole = np.fft.rfft(np.diff(cumulative) / total, size)
    parts = [np.diff(np.interp(grid / share, grid, cumulative)) / total for share in PARTIAL]
    second = np.fft.rfft(np.mean(parts, axis=0), size)
    columns = []
    for other in (whole, second):
        sums = np.maximum(np.fft.irfft(whole * other, size)[: grid.size - 1], 0.0)
        # the sum of bins i and j is spread evenly about edge i + j + 1
        running = np.concatenate([[0.0, 0.0], np.cumsum(sums)])[: grid.size + 1]
        at_edges = 0.5 * (running[:-1] + running[1:])[: grid.size]
        columns.append(np.diff(np.interp(data.edges_kev, grid, at_edges)))
    prior = total * total / data.live_time_s * RESOLVING_TIME_S
    return np.array(columns), np.full(2, prior)


TAIL_FWHM = 1.2
"""Length, in FWHM, over which tails of peaks towards higher energies fall by e."""


def _upper_tail(data: Grouped, position: FloatArray) -> FloatArray:
    """Every count spread exponentially to higher energies: (1, B), normalised.

    Peaks of silicon photomultipliers have such tails, by afterpulses and a restless baseline, of
    about one count in a hundred; they carry no information on what emitted them.
    """
    distance = (position[:, None] - position[None, :]) / TAIL_FWHM
    spread = np.where(distance > 0, np.exp(-np.maximum(distance, 0.0)), 0.0)
    tail = spread @ (data.counts / max(float(data.counts.sum()), 1.0))
    return np.asarray((tail / max(float(tail.sum()), 1e-9))[None, :])


# --- the problem for a set of columns ------------------------------------------


def _problem(t: Task, active: tuple[int, ...]) -> Problem:
    """The likelihood of background columns (if modelled) plus the active library columns."""
    return problem_with(t, t.library.columns(active))


def problem_with(t: Task, own: FloatArray) -> Problem:
    """The likelihood of the columns of no source plus any columns (K, L, G + 1).

    Of no source are the modelled background, unless one was measured, and X-rays that any source
    excites in heavy elements near it.
    """
    library, data = t.library, t.data
    log_normal = library.room.logarithmic if t.room else np.zeros(0, dtype=bool)
    n_x, n_plain = library.fluorescence.shape[0], own.shape[0] + t.fixed.shape[0]
    columns = [library.room.columns] if t.room else []
    centre, sigma = np.zeros(0), np.zeros(0)
    if t.room:
        centre = np.where(log_normal, library.room.centre + np.log(data.live_time_s), 0.0)
        sigma = library.room.sigma * np.where(log_normal, 1.0, data.live_time_s)
    x_sigma = t.settings.fluorescence_sigma * max(float(data.counts.sum()), 1.0)
    return Problem(
        counts=t.data.counts,
        background=t.data.background,
        background_ratio=t.data.background_ratio,
        background_sigma=t.settings.background_scale_sigma,
        columns=np.ascontiguousarray(np.concatenate([*columns, library.fluorescence, own])),
        grid_step=library.grid_step,
        fixed=t.fixed,
        edges_kev=data.edges_kev,
        warps=t.warps,
        modes=t.modes,
        epsilon=t.epsilon,
        logarithmic=np.concatenate([log_normal, np.zeros(n_x + n_plain, dtype=bool)]),
        prior_centre=np.concatenate([centre, np.zeros(n_x + n_plain)]),
        prior_sigma=np.concatenate(
            [sigma, np.full(n_x, x_sigma), np.full(own.shape[0], np.inf), t.fixed_sigma]
        ),
        width_centre=library.nominal_width,
        width_sigma=library.width_sigma,
        tilt_sigma=library.tilt_sigma,
    )


def n_room(t: Task) -> int:
    """Number of leading columns that belong to no source (see `problem_with`)."""
    return (len(t.library.room.columns) if t.room else 0) + len(t.library.fluorescence)


def templates_at(t: Task, edges_kev: FloatArray, width: float, tilt: float = 0.0) -> FloatArray:
    """All library columns (N, B) in the groups whose true edges are given, at one width."""
    library = t.library
    at_edges = many_at(library.by_energy, library.grid_step, edges_kev, width, tilt)
    return (at_edges[1:] - at_edges[:-1]).T


# --- proposing -------------------------------------------------------------------


@dataclass(frozen=True)
class _Proposal:
    active: tuple[int, ...]
    amplitudes: FloatArray  # of room columns, then active
    gain: float  # in units of the prior's sigma, as is the offset
    offset: float
    objective: float


@dataclass(frozen=True)
class _Metric:
    """Inverse covariance of the counts about any model near them: counting and shape errors.

    Covariance = diag(variance) + U U', with the shape modes in U (B, M); applied by Woodbury's
    identity, so that nothing of size B x B is ever made.
    """

    variance: FloatArray  # (B,)
    scaled: FloatArray  # (B, M) U / variance
    core: FloatArray  # (M, M) (1 + U' U / variance)^-1
    root: FloatArray  # (B, M) scaled times the Cholesky root of core

    def apply(self, columns: FloatArray) -> FloatArray:
        """Inverse covariance times each row of (N, B)."""
        flat = columns / self.variance
        return flat - ((columns @ self.scaled) @ self.core) @ self.scaled.T

    def squares(self, columns: FloatArray) -> FloatArray:
        """x' C^-1 x of each row of (N, B)."""
        along = columns @ self.root
        square = (columns * columns) @ (1.0 / self.variance)
        return np.asarray(square - (along * along).sum(axis=1))


def _metric(t: Task) -> _Metric:
    data = t.data
    smooth = np.maximum(gaussian_filter1d(data.counts, 1.0), 0.3)
    scaled_background = data.background_ratio * data.background
    own = np.maximum(smooth - scaled_background, 0.1 * smooth) if not t.room else smooth
    variance = smooth + data.background_ratio * scaled_background + (t.epsilon * own) ** 2
    modes = [own * t.modes]
    if not t.room:
        modes.append(t.settings.background_scale_sigma * scaled_background[None, :])
    u = np.vstack(modes).T
    scaled = u / variance[:, None]
    core = np.linalg.inv(np.eye(u.shape[1]) + u.T @ scaled)
    return _Metric(variance, scaled, core, scaled @ np.linalg.cholesky(core))


def propose(t: Task, with_continua: tuple[bool, ...]) -> list[list[_Proposal]]:
    """The best sets of columns on the lattice of gains and offsets, best first.

    One list for each of `with_continua`: whether continua of unknown origin are offered, too.
    """
    metric = _metric(t)
    net = t.data.counts - t.data.background_ratio * t.data.background
    found: list[list[_Proposal]] = [[] for _ in with_continua]
    for gain, offset in LATTICE:
        columns = _columns_at(t, gain, offset)
        squares = np.maximum(metric.squares(columns), 1e-300)
        for proposals, with_continuum in zip(found, with_continua, strict=True):
            chosen, amplitudes, left = _pursue(t, columns, squares, net, metric, with_continuum)
            active = tuple(int(c) - n_room(t) for c in chosen[n_room(t) :])
            objective = 0.5 * (left + gain**2 + offset**2)
            proposals.append(_Proposal(active, amplitudes, gain, offset, objective))
    return [sorted(proposals, key=lambda p: p.objective) for proposals in found]


def _columns_at(t: Task, gain: float, offset: float) -> FloatArray:
    """Columns (K, B), those of no source first, at a gain and offset in units of their sigmas."""
    library = t.library
    edges = t.data.edges_kev * (1 + gain * library.gain_sigma) + offset * library.offset_sigma_kev
    common = library.fluorescence
    if t.room:
        common = np.concatenate([library.room.columns, common])
    nominal = library.nominal_width
    own = np.diff(cumulative_at(common, library.grid_step, edges, nominal, 0.0))
    return np.concatenate([own.T, templates_at(t, edges, nominal).T], axis=1).T


def _pursue(
    t: Task,
    columns: FloatArray,
    squares: FloatArray,
    net: FloatArray,
    metric: _Metric,
    with_continuum: bool,
) -> tuple[list[int], FloatArray, float]:
    """Orthogonal matching pursuit with non-negative amplitudes.

    The columns of no source are always in. Returns columns, amplitudes and the misfit (chi-squared)
    plus the cost of the columns taken.
    """
    n_background = n_room(t)
    chosen = list(range(n_background))
    amplitudes, misfit = _nnls(columns[chosen], net, metric)
    penalty = 0.0
    for _ in range(2 * MOST_SOURCES):
        cost = np.concatenate(
            [
                np.zeros(n_background),
                _costs(t, [c - n_background for c in chosen[n_background:]], with_continuum),
            ]
        )
        pull = metric.apply((net - amplitudes @ columns[chosen])[None, :])[0]
        gain = np.maximum(columns @ pull, 0.0) ** 2 / squares - cost
        gain[chosen] = -np.inf
        best = int(np.argmax(gain))
        trial, trial_misfit = _nnls(columns[[*chosen, best]], net, metric)
        if misfit - trial_misfit < cost[best]:
            break
        chosen.append(best)
        amplitudes, misfit = trial, trial_misfit
        penalty += cost[best]
    return chosen, amplitudes, misfit + penalty


def offered(t: Task, with_continuum: bool) -> np.ndarray:
    """Columns (N,) that may be taken: those with a line inside the groups."""
    inside = t.library.reach_kev > t.data.edges_kev[0]
    return np.asarray(inside if with_continuum else inside & ~t.library.is_continuum)


def _costs(t: Task, active: list[int], with_continuum: bool) -> FloatArray:
    """Chi-squared that each library column (N,) must win to be proposed beside the active ones."""
    library = t.library
    more = library.same_source[list(active)].any(axis=0)
    cost = np.where(more, MORE_SCENE_COST, NEW_SOURCE_COST - 2.0 * library.log_prior)
    return np.where(offered(t, with_continuum), cost, np.inf)


def _nnls(columns: FloatArray, net: FloatArray, metric: _Metric) -> tuple[FloatArray, float]:
    """Non-negative amplitudes of rows of (K, B) and the misfit (net - a columns)' C^-1 (...)."""
    whole = float(metric.squares(net[None, :])[0])
    if columns.shape[0] == 0:
        return np.zeros(0), whole
    weighted = metric.apply(columns)
    gram, side = weighted @ columns.T, weighted @ net
    factor = np.linalg.cholesky(gram + 1e-9 * np.diag(np.diag(gram)) + 1e-30 * np.eye(len(gram)))
    amplitudes, _ = nnls(factor.T, solve_triangular(factor, side, lower=True))
    return amplitudes, whole - float(2.0 * amplitudes @ side - amplitudes @ gram @ amplitudes)


# --- fitting, pruning, growing -----------------------------------------------------


def _fit(t: Task, active: tuple[int, ...], like: Fit | None, amplitudes: FloatArray) -> Fit:
    problem = _problem(t, active)
    return likelihood.minimise(problem, likelihood.start_vector(problem, amplitudes, like))


def _first_fit(t: Task, proposal: _Proposal) -> Fit:
    problem = _problem(t, proposal.active)
    total = max(float(t.data.counts.sum()), 1.0)
    amplitudes = np.concatenate([proposal.amplitudes, np.zeros(t.fixed.shape[0])])
    n_log = int(problem.logarithmic.sum())
    amplitudes[:n_log] = np.maximum(amplitudes[:n_log], 0.02 * total)
    start = likelihood.start_vector(problem, amplitudes)
    first_warp = problem.logarithmic.size + 3
    start[first_warp] = proposal.gain
    start[first_warp + 1] = proposal.offset
    return likelihood.minimise(problem, start)


def _without(
    t: Task, fit: Fit, active: tuple[int, ...], gone: set[int]
) -> tuple[Fit, tuple[int, ...]]:
    """The fit with some positions of `active` left out."""
    n_background = n_room(t)
    kept = [i for i in range(len(active)) if i not in gone]
    rows = [*range(n_background), *(n_background + i for i in kept)]
    rows += list(range(n_background + len(active), fit.amplitudes.size))
    left = tuple(active[i] for i in kept)
    return _fit(t, left, fit, fit.amplitudes[rows]), left


def columns_by_source(t: Task, active: tuple[int, ...]) -> dict[str, set[int]]:
    """Positions in `active` of each source's columns."""
    places: dict[str, set[int]] = {}
    for i, column in enumerate(active):
        places.setdefault(t.library.source_of[column], set()).add(i)
    return places


def needed(t: Task, name: str) -> float:
    """Twice the log-likelihood ratio at which this source is declared, in a fit that is good."""
    return t.settings.needed - 2.0 * t.library.log_prior_of(name)


def deviance(t: Task, fit: Fit) -> float:
    """Twice the log-likelihood short of a perfect fit, measured background included."""
    epsilon = t.epsilon * np.maximum(fit.expected - fit.background, 0.0) / fit.expected
    total = float(likelihood.misfit(t.data.counts, fit.expected, epsilon).sum())
    if not t.room:
        beta = fit.background / (t.data.background_ratio * fit.background_scale)
        none = np.zeros_like(beta)
        total += float(likelihood.misfit(t.data.background, beta, none).sum())
    return 2.0 * total


def parameters_used(fit: Fit) -> float:
    """Effective number of fitted parameters: priors leave less than one of each."""
    counting = (fit.jacobian * fit.weights) @ fit.jacobian.T
    return float(np.trace(np.linalg.solve(fit.curvature + 1e-9 * np.eye(len(counting)), counting)))


def strain(t: Task, fit: Fit) -> float:
    """Misfit for each degree of freedom, at least 1: ratios are worth that much less.

    R. T. Birge (Phys. Rev. 40 (1932) 207) enlarges errors by the square root of chi-squared over
    degrees of freedom. Misfits of peaks stretch over a resolution, so it is taken of single groups
    and of as many neighbours as one peak covers, whichever is larger.
    """
    groups = fit.expected.size
    free = max(groups - parameters_used(fit), 0.2 * groups)
    residual = (t.data.counts - fit.expected) * np.sqrt(fit.weights)
    neighbours = np.ones(round(t.settings.groups_per_fwhm))
    together = np.convolve(residual, neighbours, mode="valid") / np.sqrt(neighbours.size)
    return max(deviance(t, fit) / free, float(np.mean(together**2)) * groups / free, 1.0)


def _ratio(
    t: Task, fit: Fit, active: tuple[int, ...], gone: set[int]
) -> tuple[float, Fit, tuple[int, ...]]:
    """Twice the log-likelihood ratio of leaving out some columns over the fit's strain, and the fit
    without them.

    A second scene of the same source is taxed with 2, as by Akaike.
    """
    other, left = _without(t, fit, active, gone)
    ratio = 2.0 * (other.objective - fit.objective) - 2.0 * (len(gone) - 1)
    return ratio / strain(t, fit), other, left


def _quadratic_ratios(t: Task, fit: Fit, active: tuple[int, ...]) -> dict[str, float]:
    """The same to second order at the fit (Wald): cheap, good enough to see who is in danger."""
    first = n_room(t)
    free = (fit.parameters > 0) | (np.arange(fit.parameters.size) >= fit.amplitudes.size)
    places = np.flatnonzero(free)
    covariance = strain(t, fit) * np.linalg.inv(
        fit.curvature[np.ix_(places, places)] + 1e-9 * np.eye(places.size)
    )
    rank = {int(place): i for i, place in enumerate(places)}
    ratios = {}
    for name, own in columns_by_source(t, active).items():
        rows = [rank[first + i] for i in sorted(own) if first + i in rank]
        amplitudes = fit.parameters[places[rows]]
        block = covariance[np.ix_(rows, rows)]
        ratios[name] = float(amplitudes @ np.linalg.solve(block, amplitudes)) if rows else 0.0
    return ratios


def prune(t: Task, fit: Fit, active: tuple[int, ...]) -> tuple[Fit, tuple[int, ...]]:
    """Leave out, one by one, the sources that the data do not need.

    The second-order ratios say whom to try first; a source far from danger is not tried.
    """
    while active:
        quick = _quadratic_ratios(t, fit, active)
        margin = {name: quick[name] / needed(t, name) for name in quick}
        suspects = [name for name in sorted(margin, key=lambda n: margin[n]) if margin[name] < 4.0]
        for name in suspects[:3]:
            ratio, other, left = _ratio(t, fit, active, columns_by_source(t, active)[name])
            if ratio < needed(t, name):
                fit, active = other, left
                break
        else:
            return fit, active
    return fit, active


def scores(fit: Fit, columns: FloatArray) -> FloatArray:
    """Score test of each column (N, B) against a fit: predicted gain in twice the likelihood."""
    free = (fit.parameters > 0) | (np.arange(fit.parameters.size) >= fit.amplitudes.size)
    jacobian = fit.jacobian[free]
    curvature = fit.curvature[np.ix_(free, free)] + 1e-9 * np.eye(int(free.sum()))
    cross = (columns * fit.weights) @ jacobian.T
    information = (columns**2 * fit.weights).sum(axis=1)
    information -= (cross * cho_solve(cho_factor(curvature), cross.T).T).sum(axis=1)
    slope = -(columns @ fit.pull)
    return np.where(
        (slope > 0) & (information > 0), slope**2 / np.maximum(information, 1e-300), 0.0
    )


def grow(
    t: Task, fit: Fit, active: tuple[int, ...], with_continuum: bool
) -> tuple[Fit, tuple[int, ...]]:
    """Add the column that the score test asks for most, if it keeps its promise; else return as is.

    A second scene of a source already there is cheaper than a new source.
    """
    gain = all_scores(Unmixed(t, fit, active, ()))
    present = {t.library.source_of[c] for c in active}
    more = np.array([name in present for name in t.library.source_of])
    new = t.settings.needed - 2.0 * t.library.log_prior
    cost = np.where(more, 2.0 * MORE_SCENE_COST, new)
    cost[~offered(t, with_continuum)] = np.inf
    cost[list(active)] = np.inf
    for best in np.argsort(cost - gain)[:3]:
        if gain[best] < 0.5 * cost[best] or not np.isfinite(cost[best]):
            continue
        trial = (*active, int(best))
        place = fit.amplitudes.size - t.fixed.shape[0]
        start = np.insert(fit.amplitudes, place, max(0.01 * fit.expected.sum(), 1.0))
        other = _fit(t, trial, fit, start)
        if 2.0 * (fit.objective - other.objective) >= cost[best] * strain(t, other):
            return other, trial
    return fit, active


def _settle(t: Task, proposal: _Proposal, with_continuum: bool) -> tuple[Fit, tuple[int, ...]]:
    fit, active = prune(t, _first_fit(t, proposal), proposal.active)
    for _ in range(MOST_SOURCES):
        grown, more = grow(t, fit, active, with_continuum)
        if more == active:
            break
        fit, active = prune(t, grown, more)
    return fit, active


def unmix(t: Task) -> Unmixed:
    """Declare the sources that this spectrum needs; see the module's text."""
    # soft continua are part of a modelled room; beside a measured one they are news
    with_continua = (False,) if t.room else (False, True)
    proposed = propose(t, with_continua)
    tried = [
        found
        for proposals, with_continuum in zip(proposed, with_continua, strict=True)
        for found in _settled(t, proposals, with_continuum)
    ]
    fit, active = min(tried, key=lambda found: found[0].objective + _cost(t, found[1]))
    fit, active, ratios = _certain(t, fit, active)
    first, places = n_room(t), columns_by_source(t, active)
    declared = [
        Evidence(
            name,
            float(sum(fit.amplitudes[first + i] for i in own)),
            ratios[name],
        )
        for name, own in places.items()
    ]
    return Unmixed(t, fit, active, tuple(sorted(declared, key=lambda e: -e.ratio)))


def _settled(
    t: Task, proposals: list[_Proposal], with_continuum: bool
) -> list[tuple[Fit, tuple[int, ...]]]:
    """Fits of the best proposals, at most two different sets of columns."""
    distinct = {p.active: p for p in reversed(proposals)}
    close = sorted(distinct.values(), key=lambda p: p.objective)[:2]
    return [
        _settle(t, p, with_continuum)
        for p in close
        if p.objective < close[0].objective + PROPOSAL_SLACK
    ]


def _certain(
    t: Task, fit: Fit, active: tuple[int, ...]
) -> tuple[Fit, tuple[int, ...], dict[str, float]]:
    """The exact ratio of every source, without those that do not pass it."""
    while True:
        tried = {n: _ratio(t, fit, active, own) for n, own in columns_by_source(t, active).items()}
        worst = min(tried, key=lambda n: tried[n][0] - needed(t, n), default=None)
        if worst is None or tried[worst][0] >= needed(t, worst):
            return fit, active, {name: found[0] for name, found in tried.items()}
        _, fit, active = tried[worst]


def _cost(t: Task, active: tuple[int, ...]) -> float:
    names = {t.library.source_of[c] for c in active}
    return 0.5 * sum(needed(t, name) for name in names) + 4.0 * (len(active) - len(names))


def all_scores(unmixed: Unmixed) -> FloatArray:
    """Score test of every library column (N,) against the final fit."""
    t, fit = unmixed.task, unmixed.fit
    shape = np.exp(np.clip(fit.shape @ t.modes, -3, 3))
    return scores(fit, templates_at(t, fit.edges_kev, fit.width, fit.tilt) * shape)

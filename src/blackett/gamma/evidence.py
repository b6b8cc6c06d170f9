"""What a fitted mixture proves: intervals, limits, lines, and peaks that nothing explains.

Everything here reads an `Unmixed` and refits it where a likelihood has to be profiled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, gammaln, ndtr, ndtri, xlogy

from blackett.gamma import likelihood
from blackett.gamma.unmix import (
    deviance,
    n_room,
    offered,
    parameters_used,
    problem_with,
    scores,
    templates_at,
)

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.likelihood import Fit, Problem
    from blackett.gamma.unmix import Unmixed

__all__ = [
    "Goodness",
    "LineEvidence",
    "Peak",
    "goodness",
    "interval",
    "limits",
    "line_evidence",
    "unexplained_peaks",
]

LEAST_SEEN = 0.01
"""Sources with a smaller share of their counts in the groups have no detection limit."""
LOOK_SIGMA = 0.8
"""Share of each look that may be in what a source truly looks like, beyond the fitted mixture; with
it, 95 % intervals hold 95 % of drawn scenes (docs/identification.md)."""
CLOSE_SIGMA = 0.05
"""An end of an interval is found when its distance in sigma is right to this."""
SIGMA_PER_FWHM = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))


@dataclass(frozen=True)
class Goodness:
    """Deviance of the fit over its degrees of freedom, and the chance of a worse one."""

    deviance_per_dof: float
    p_value: float


@dataclass(frozen=True)
class Peak:
    """A peak-shaped excess over the fit."""

    energy_kev: float
    net_counts: float
    significance_sigma: float


@dataclass(frozen=True)
class LineEvidence:
    """One line of a declared source in the data.

    `observed_kev` is the centroid on the stored axis of the counts that the fit ascribes to nothing
    else; `significance_sigma` their number over the error of counting and of the rest of the fit.
    """

    energy_kev: float
    observed_kev: float
    net_counts: float
    significance_sigma: float


# --- intervals and limits ------------------------------------------------------


def _joined(unmixed: Unmixed, name: str) -> tuple[Problem, FloatArray, int]:
    """The problem with all columns of one source joined in their fitted shares.

    Returns the problem, a start vector and the position of the joined column's amplitude.
    """
    t, fit = unmixed.task, unmixed.fit
    first = n_room(t)
    places = unmixed.mixture.sources[name]
    own = t.library.columns(unmixed.active)
    amplitudes = fit.amplitudes[first : first + len(unmixed.active)]
    chosen = sorted(places)
    total = max(amplitudes[chosen].sum(), 1e-9)
    joined = np.tensordot(amplitudes[chosen] / total, own[chosen], axes=1)
    rest = [i for i in range(len(unmixed.active)) if i not in places]
    problem = problem_with(t, np.concatenate([joined[None], own[rest]]))
    start = np.concatenate(
        [
            fit.amplitudes[:first], [total], amplitudes[rest],
            fit.amplitudes[first + len(unmixed.active) :],
        ]
    )  # fmt: skip
    return problem, likelihood.start_vector(problem, start, fit), first


def interval(unmixed: Unmixed, name: str, level: float = 0.95) -> tuple[float, float]:
    """Profile-likelihood interval of a declared source's counts, widened by what its look may be.

    For the profile the shares of its looks are held, every other amplitude and all nuisances are
    refitted; `_widening` is for the looks, and the root of the strain for a fit that is not good.
    """
    problem, start, place = _joined(unmixed, name)
    best = likelihood.minimise(problem, start)
    target = float(ndtri(0.5 * (1.0 + level)))
    spread = np.sqrt(np.linalg.inv(best.curvature + 1e-9 * np.eye(start.size))[place, place])
    centre = best.amplitudes[place]
    wider = math.sqrt(unmixed.mixture.strain) * _widening(unmixed, name, best, place)
    low = _crossing(problem, best, place, centre, -target * spread, target)
    high = _crossing(problem, best, place, centre, target * spread, target)
    return max(centre - wider * (centre - low), 0.0), centre + wider * (high - centre)


def _widening(unmixed: Unmixed, name: str, best: Fit, place: int) -> float:
    """Factor on the error of a source's counts because its look is not quite any mixture fitted.

    Between the looks that were taken and the true scene lies what any look might add: each one's
    difference from the fitted mixture, at the same counts, is a further nuisance with a normal
    prior of `LOOK_SIGMA`, to first order about the fit `best` with the looks joined at `place`.
    """
    t = unmixed.task
    columns = t.library.columns(t.library.columns_of(name))
    cumulative = likelihood.cumulative_at(
        columns, t.library.grid_step, best.edges_kev, best.width, best.tilt
    )
    looks = best.amplitudes[place] * np.diff(cumulative) * np.exp(best.shape @ t.modes)
    apart = LOOK_SIGMA * (looks - best.parts[place])
    free = np.flatnonzero(best.free)
    at = int(np.searchsorted(free, place))
    curvature = best.curvature[np.ix_(free, free)] + 1e-9 * np.eye(free.size)
    held = np.linalg.inv(curvature)
    cross = (apart * best.weights) @ best.jacobian[free].T  # (looks, P)
    own = (apart * best.weights) @ apart.T + np.eye(len(apart))
    # Schur complement: what the looks add to the variance of the joined amplitude
    lost = cross @ held
    added = lost[:, at] @ np.linalg.solve(own - lost @ cross.T, lost[:, at])
    return math.sqrt(1.0 + float(added) / held[at, at])


def _crossing(
    problem: Problem, best: Fit, place: int, centre: float, step: float, target: float
) -> float:
    """Amplitude at which sqrt(2 delta F) reaches `target`, by secants from a first step."""
    lowest, highest = likelihood.bounds(problem)
    amplitude, like = centre + step, best
    for _ in range(4):
        held = max(amplitude, 0.0)
        lowest[place] = highest[place] = held
        start = likelihood.start_vector(problem, like.amplitudes, like)
        start[place] = held
        like = likelihood.minimise(problem, start, bound=(lowest, highest))
        root = np.sqrt(max(2.0 * (like.objective - best.objective), 1e-9))
        if (held == 0.0 and root < target) or abs(root - target) < CLOSE_SIGMA:
            return held
        amplitude = centre + np.clip(target / root, 0.3, 3.0) * (held - centre)
    return max(float(amplitude), 0.0)


def limits(unmixed: Unmixed, level: float = 0.95) -> dict[str, float]:
    """Detection limits in counts of the sources that are not declared (ISO 11929, k = 1.645).

    The decision threshold is k sigma(0), the detection limit solves y = k sigma(0) + k sigma(y),
    with sigma from the Fisher information after all nuisances, for the source in the open.
    """
    t, fit = unmixed.task, unmixed.fit
    library = t.library
    named = {e.name for e in unmixed.declared}
    rows = [library.source_of.index(n) for n in dict.fromkeys(library.source_of) if n not in named]
    columns = templates_at(t, fit.edges_kev, fit.width, fit.tilt)[:, rows].T * _shape(unmixed)
    seen = (columns.sum(axis=1) > LEAST_SEEN) & offered(t, with_continuum=False)[rows]
    rows, columns = [row for row, some in zip(rows, seen, strict=True) if some], columns[seen]
    k = float(ndtri(level))
    null = _amplitude_sigma(fit, columns, np.zeros(len(rows)))
    limit = 2.0 * k * null
    for _ in range(5):
        limit = k * (null + _amplitude_sigma(fit, columns, limit))
    return {library.source_of[row]: float(value) for row, value in zip(rows, limit, strict=True)}


def _amplitude_sigma(fit: Fit, columns: FloatArray, amplitude: FloatArray) -> FloatArray:
    """Standard deviation of each column's amplitude (N,) were it present with `amplitude` (N,)."""
    inverse = np.linalg.inv(fit.curvature + 1e-9 * np.eye(fit.parameters.size))
    cross = (columns * fit.weights) @ fit.jacobian.T
    lost = np.einsum("np,pq,nq->n", cross, inverse, cross)
    counting = 1.0 / fit.weights[None, :] + amplitude[:, None] * columns
    alone = (columns**2 * fit.weights).sum(axis=1)
    information = (columns**2 / counting).sum(axis=1) * np.maximum(1.0 - lost / alone, 1e-6)
    return np.asarray(1.0 / np.sqrt(np.maximum(information, 1e-300)))


def _shape(unmixed: Unmixed) -> FloatArray:
    return np.exp(np.clip(unmixed.fit.shape @ unmixed.task.modes, -3.0, 3.0))


# --- lines and peaks -----------------------------------------------------------


def _peaks_in_groups(unmixed: Unmixed, energies_kev: FloatArray) -> FloatArray:
    """Shares (B, n) of peaks at true energies (n,) in the groups."""
    fit = unmixed.fit
    width = likelihood.widths_at(energies_kev, fit.width, fit.tilt)
    sigma = SIGMA_PER_FWHM * unmixed.task.library.fwhm_kev(energies_kev, width)
    return np.diff(ndtr((fit.edges_kev[:, None] - energies_kev) / sigma), axis=0)


def line_evidence(unmixed: Unmixed, name: str, energy_kev: float, share: float) -> LineEvidence:
    """What the data hold at one line of a declared source.

    `share` is the fraction of the source's fitted counts in the full-energy peak of this line.
    """
    t, fit = unmixed.task, unmixed.fit
    first = n_room(t)
    places = unmixed.mixture.sources[name]
    own = sum(fit.parts[first + i] for i in places)
    peak = _peaks_in_groups(unmixed, np.array([energy_kev]))[:, 0]
    if not peak.max(initial=0.0) > 1e-3:  # outside the groups
        return LineEvidence(energy_kev, energy_kev, 0.0, 0.0)
    inside = peak > 0.05 * peak.max()
    total = sum(fit.amplitudes[first + i] for i in places)
    line = np.minimum(share * total * peak, own)
    rest = fit.expected - line
    net = (t.data.counts - rest)[inside]
    covered = max(float(peak[inside].sum()), 1e-9)
    variance = (1.0 / fit.weights)[inside].sum() + (0.02 * rest[inside].sum()) ** 2
    centre = 0.5 * (t.data.edges_kev[1:] + t.data.edges_kev[:-1])[inside]
    positive = np.maximum(net, 0.0)
    observed = float((centre * positive).sum() / positive.sum()) if positive.any() else energy_kev
    return LineEvidence(
        energy_kev, observed, float(net.sum()) / covered, float(net.sum() / np.sqrt(variance))
    )


def unexplained_peaks(unmixed: Unmixed, least_sigma: float) -> list[Peak]:
    """Peaks of at least `least_sigma` that the fit does not explain, strongest first.

    The smaller of two significances counts: the score test's, which knows the nuisances, and that
    of the Poisson likelihood ratio, which is right for a few counts where hardly any are expected.
    """
    t, fit = unmixed.task, unmixed.fit
    centres = 0.5 * (fit.edges_kev[1:] + fit.edges_kev[:-1])
    columns = _peaks_in_groups(unmixed, centres)
    widths = t.library.fwhm_kev(centres, np.full(centres.size, fit.width))
    sigma = np.sqrt(scores(fit, columns))
    peaks = []
    left = np.where(sigma >= least_sigma, sigma, 0.0)
    while left.max(initial=0.0) > 0.0:
        best = int(np.argmax(left))
        net, ratio = _added_peak(t.data.counts, fit.expected, columns[:, best])
        significance = min(float(sigma[best]), math.sqrt(ratio))
        if significance >= least_sigma:
            peaks.append(Peak(float(centres[best]), net, significance))
        left[np.abs(centres - centres[best]) < 1.5 * widths[best]] = 0.0
    return sorted(peaks, key=lambda peak: -peak.significance_sigma)


def _added_peak(counts: FloatArray, expected: FloatArray, peak: FloatArray) -> tuple[float, float]:
    """Counts of a peak added to a fixed expectation, and twice the Poisson log-likelihood ratio."""
    share, total = peak / expected, float(peak.sum())
    highest = float(counts.sum()) / max(total, 1e-9) + 1.0
    low, high = 0.0, highest
    for _ in range(60):  # the slope falls with the amplitude: bisect to its zero
        middle = 0.5 * (low + high)
        rising = float((counts * share / (1.0 + middle * share)).sum()) > total
        low, high = (middle, high) if rising else (low, middle)
    ratio = 2.0 * (float((counts * np.log1p(low * share)).sum()) - low * total)
    return low, max(ratio, 0.0)


# --- goodness of fit -------------------------------------------------------------


@cache
def _deviance_moments() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean and variance of the Poisson deviance of one group for a table of expectations."""
    expected = np.geomspace(1e-4, 60.0, 120)
    n = np.arange(0, 400)
    mean, variance = np.empty_like(expected), np.empty_like(expected)
    for i, mu in enumerate(expected):
        probability = np.exp(xlogy(n, mu) - mu - gammaln(n + 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            deviance = 2.0 * (mu - n + np.where(n > 0, n * np.log(n / mu), 0.0))
        mean[i] = (probability * deviance).sum()
        variance[i] = (probability * deviance**2).sum() - mean[i] ** 2
    return expected, mean, variance


def goodness(unmixed: Unmixed) -> Goodness:
    """Deviance against its expectation for Poisson counts (also where a group expects 0.1)."""
    t, fit = unmixed.task, unmixed.fit
    total = deviance(t, fit)
    table, means, variances = _deviance_moments()
    at = np.clip(fit.expected, table[0], table[-1])
    mean = float(np.interp(at, table, means).sum())
    variance = float(np.interp(at, table, variances).sum())
    dof = max(mean - parameters_used(fit), 0.2 * mean, 1.0)
    # a scaled chi-squared with the right mean and variance
    scale = variance / (2.0 * mean)
    p_value = float(chdtrc(dof / scale, total / scale))
    return Goodness(total / dof, p_value)

"""A fitted mixture: how well it fits, and how much the data need, or miss, each source."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma import likelihood
from blackett.gamma.unmix.problem import (
    Task,
    columns_by_source,
    n_room,
    needed,
    offered,
    problem_with,
    templates_at,
)

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.likelihood import Fit

__all__ = [
    "Evidence",
    "Mixture",
    "Unmixed",
    "counts_of",
    "deviance",
    "parameters_used",
    "ratio",
    "required",
    "rival_ratio",
    "scores",
    "wald_ratios",
    "without",
]


FAINT_SHARE = 0.02
"""Share of another source's counts below which a source has to be proved by the fit alone."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """A set of library columns fitted to a task; what is derived from the fit is worked out once.

    `active` are the library columns, in the order of their amplitudes after those of no source.
    """

    task: Task
    fit: Fit
    active: tuple[int, ...]
    _refits: dict[tuple[int, ...], Mixture] = field(default_factory=dict, repr=False)

    @property
    def first(self) -> int:
        """Position of the first active column's amplitude."""
        return n_room(self.task)

    @cached_property
    def sources(self) -> dict[str, set[int]]:
        """Positions in `active` of each source's columns."""
        return columns_by_source(self.task, self.active)

    @cached_property
    def strain(self) -> float:
        """Misfit for each degree of freedom, at least 1: ratios are worth that much less.

        R. T. Birge (Phys. Rev. 40 (1932) 207) enlarges errors by the square root of chi-squared
        over degrees of freedom. Misfits of peaks stretch over a resolution, so it is taken of
        single groups and of as many neighbours as one peak covers, whichever is larger.
        """
        t, fit = self.task, self.fit
        groups = fit.expected.size
        free = max(groups - parameters_used(fit), 0.2 * groups)
        residual = (t.data.counts - fit.expected) * np.sqrt(fit.weights)
        neighbours = np.ones(round(t.settings.groups_per_fwhm))
        together = np.convolve(residual, neighbours, mode="valid") / np.sqrt(neighbours.size)
        of_peaks = float(np.mean(together**2)) * groups / free
        return max(deviance(t, fit) / free, of_peaks, 1.0)

    @cached_property
    def scores(self) -> FloatArray:
        """Score test of every library column (N,): predicted gain in twice the log-likelihood."""
        fit = self.fit
        shape = np.exp(np.clip(fit.shape @ self.task.modes, -3, 3))
        columns = templates_at(self.task, fit.edges_kev, fit.width, fit.tilt)
        return scores(fit, columns, shape)

    def refitted(self, active: tuple[int, ...], start: FloatArray) -> Mixture:
        """Another set of columns, fitted from a parameter vector."""
        if active not in self._refits:
            problem = problem_with(self.task, self.task.library.columns(active))
            fit = likelihood.minimise(problem, start)
            self._refits[active] = Mixture(self.task, fit, active)
        return self._refits[active]


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

    mixture: Mixture
    declared: tuple[Evidence, ...]

    @property
    def task(self) -> Task:
        """The grouped spectrum with its nuisances."""
        return self.mixture.task

    @property
    def fit(self) -> Fit:
        """The final fit."""
        return self.mixture.fit

    @property
    def active(self) -> tuple[int, ...]:
        """Library columns of the final fit."""
        return self.mixture.active


# --- goodness ----------------------------------------------------------------------


def deviance(t: Task, fit: Fit) -> float:
    """Twice the log-likelihood short of a perfect fit, measured background included."""
    epsilon = t.epsilon * np.maximum(fit.expected - fit.background, 0.0) / fit.expected
    total = float(likelihood.misfit(t.data.counts, fit.expected, epsilon).sum())
    if not t.room:
        beta = fit.background / (t.data.background_ratio * fit.background_factor)
        none = np.zeros_like(beta)
        total += float(likelihood.misfit(t.data.background, beta, none).sum())
    return 2.0 * total


def parameters_used(fit: Fit) -> float:
    """Effective number of fitted parameters: priors leave less than one of each."""
    counting = (fit.jacobian * fit.weights) @ fit.jacobian.T
    return float(np.trace(np.linalg.solve(fit.curvature + 1e-9 * np.eye(len(counting)), counting)))


# --- what the data need ------------------------------------------------------------


def without(m: Mixture, name: str) -> Mixture:
    """The fit with one source left out, all else refitted."""
    gone = m.sources[name]
    kept = tuple(column for i, column in enumerate(m.active) if i not in gone)
    return m.refitted(kept, np.delete(m.fit.parameters, [m.first + i for i in gone]))


def ratio(m: Mixture, name: str) -> float:
    """Twice the log-likelihood ratio of leaving out one source, over the fit's strain.

    A second scene of the same source is taxed with 2, as by Akaike.
    """
    gain = 2.0 * (without(m, name).fit.objective - m.fit.objective)
    return (gain - 2.0 * (len(m.sources[name]) - 1)) / m.strain


def required(m: Mixture, name: str) -> float:
    """Twice the log-likelihood ratio that a source needs beside the others of a mixture.

    A network's word lowers it (`hybrid`), but not for a source with less than `FAINT_SHARE` of the
    counts of another: templates err by as much, and the network learned from the same ones.
    """
    wanted = needed(m.task, name)
    if m.task.told is None or counts_of(m, name) >= FAINT_SHARE * max(
        counts_of(m, other) for other in m.sources
    ):
        return wanted
    return max(wanted, m.task.settings.needed - 2.0 * m.task.library.log_prior_of(name))


def counts_of(m: Mixture, name: str) -> float:
    """Fitted counts of a source."""
    return float(sum(m.fit.amplitudes[m.first + i] for i in m.sources[name]))


def rival_ratio(m: Mixture, name: str) -> float:
    """As `ratio`, of the best other source in the place of this one; 0 where there is none."""
    t, left = m.task, without(m, name)
    taken = np.isin(t.library.source_of, [name, *left.sources])
    gain = np.where(offered(t, with_continuum=False) & ~taken, left.scores, 0.0)
    best = int(np.argmax(gain))
    if not gain[best] > 0.0:
        return 0.0
    start = np.insert(left.fit.parameters, left.first + len(left.active), counts_of(m, name))
    other = left.refitted((*left.active, best), start)
    return max(2.0 * (left.fit.objective - other.fit.objective) / m.strain, 0.0)


def wald_ratios(m: Mixture) -> dict[str, float]:
    """The same to second order at the fit: cheap, good enough to see who is in danger."""
    fit = m.fit
    places = np.flatnonzero(fit.free)
    covariance = m.strain * np.linalg.inv(
        fit.curvature[np.ix_(places, places)] + 1e-9 * np.eye(places.size)
    )
    rank = {int(place): i for i, place in enumerate(places)}
    ratios = {}
    for name, own in m.sources.items():
        rows = [rank[m.first + i] for i in sorted(own) if m.first + i in rank]
        amplitudes = fit.parameters[places[rows]]
        block = covariance[np.ix_(rows, rows)]
        ratios[name] = float(amplitudes @ np.linalg.solve(block, amplitudes)) if rows else 0.0
    return ratios


def scores(fit: Fit, columns: FloatArray, shape: FloatArray | float = 1.0) -> FloatArray:
    """Score test of each column (B, N) against a fit: predicted gain in twice the likelihood.

    `shape` (B,) multiplies every column. Columns that the data do not pull upwards score nothing.
    """
    slope = -(fit.pull * shape) @ columns
    wanted = np.flatnonzero(slope > 0)
    columns = columns[:, wanted]
    weighted = fit.jacobian[fit.free] * (fit.weights * shape)
    curvature = fit.curvature[np.ix_(fit.free, fit.free)] + 1e-9 * np.eye(len(weighted))
    lost = np.linalg.solve(np.linalg.cholesky(curvature), weighted) @ columns
    information = (fit.weights * shape * shape) @ (columns * columns)
    information -= np.einsum("pn,pn->n", lost, lost)
    found = np.zeros(slope.size)
    found[wanted] = np.where(
        information > 0, slope[wanted] ** 2 / np.maximum(information, 1e-300), 0.0
    )
    return found

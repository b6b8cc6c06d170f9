"""From proposals to an answer: fit, leave out what is not needed, add what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma import likelihood
from blackett.gamma.unmix.mixture import (
    Evidence,
    Mixture,
    Unmixed,
    counts_of,
    ratio,
    required,
    wald_ratios,
    without,
)
from blackett.gamma.unmix.problem import Task, offered, problem_with
from blackett.gamma.unmix.proposal import MORE_SCENE_COST, MOST_SOURCES, Proposal, propose

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["grow", "prune", "unmix"]

PROPOSAL_SLACK = 20.0
"""A second proposal is worth fitting if its objective is within this of the best."""
MOST_SUSPECTS, IN_DANGER = 3, 4.0
"""Sources whose second-order ratio is below this many times what is needed are tried, at most so
many."""


def unmix(t: Task) -> Unmixed:
    """Declare the sources that this spectrum needs; see the package's text."""
    # soft continua are part of a modelled room; beside a measured one they are news
    with_continua = [False] if t.room else [False, True]
    offers = [offered(t, with_continuum) for with_continuum in with_continua]
    if t.expected is not None:
        offers.append(offers[0] & t.expected)
        with_continua.append(False)
    fitted: dict[tuple[object, ...], Mixture] = {}
    tried = [
        _settled(_fitted(t, proposal, fitted), with_continuum)
        for proposals, with_continuum in zip(propose(t, offers), with_continua, strict=True)
        for proposal in _close(proposals)
    ]
    best = _certain(min(tried, key=lambda m: m.fit.objective + _cost(m)))
    declared = [Evidence(name, counts_of(best, name), ratio(best, name)) for name in best.sources]
    return Unmixed(best, tuple(sorted(declared, key=lambda e: -e.ratio)))


def _close(proposals: list[Proposal]) -> list[Proposal]:
    """The best proposals, at most two different sets of columns."""
    distinct = {p.active: p for p in reversed(proposals)}
    best = sorted(distinct.values(), key=lambda p: p.objective)[:2]
    return [p for p in best if p.objective < best[0].objective + PROPOSAL_SLACK]


def _fitted(t: Task, proposal: Proposal, fitted: dict[tuple[object, ...], Mixture]) -> Mixture:
    """The full likelihood at a proposal; `fitted` remembers those that were met before."""
    key = (proposal.active, proposal.gain, proposal.offset)
    if key not in fitted:
        fitted[key] = _first_fit(t, proposal)
    return fitted[key]


def _first_fit(t: Task, proposal: Proposal) -> Mixture:
    problem = problem_with(t, t.library.columns(proposal.active))
    total = max(float(t.data.counts.sum()), 1.0)
    amplitudes = np.concatenate([proposal.amplitudes, np.zeros(t.fixed.shape[0])])
    n_log = int(problem.logarithmic.sum())
    amplitudes[:n_log] = np.maximum(amplitudes[:n_log], 0.02 * total)
    start = likelihood.start_vector(problem, amplitudes)
    first_warp = problem.logarithmic.size + 3
    start[first_warp] = proposal.gain
    start[first_warp + 1] = proposal.offset
    return Mixture(t, likelihood.minimise(problem, start), proposal.active)


def _settled(m: Mixture, with_continuum: bool) -> Mixture:
    """Pruned and grown until nothing changes."""
    m = prune(m)
    for _ in range(MOST_SOURCES):
        grown = grow(m, with_continuum)
        if grown is m:
            break
        m = prune(grown)
    return m


def prune(m: Mixture) -> Mixture:
    """Leave out, one by one, the sources that the data do not need.

    The second-order ratios say whom to try first; a source far from danger is not tried.
    """
    while m.active:
        quick = wald_ratios(m)
        margin = {name: quick[name] / required(m, name) for name in quick}
        suspects = [n for n in sorted(margin, key=lambda n: margin[n]) if margin[n] < IN_DANGER]
        for name in suspects[:MOST_SUSPECTS]:
            if ratio(m, name) < required(m, name):
                m = without(m, name)
                break
        else:
            return m
    return m


def grow(m: Mixture, with_continuum: bool) -> Mixture:
    """Add the column that the score test asks for most, if it keeps its promise; else return as is.

    A second scene of a source already there is cheaper than a new source.
    """
    gain, cost = m.scores, _growing_costs(m, with_continuum)
    for best in np.argsort(cost - gain)[:3]:
        if gain[best] < 0.5 * cost[best] or not np.isfinite(cost[best]):
            continue
        place = m.first + len(m.active)
        start = np.insert(m.fit.parameters, place, max(0.01 * m.fit.expected.sum(), 1.0))
        other = m.refitted((*m.active, int(best)), start)
        name = m.task.library.source_of[best]
        wanted = cost[best] if name in m.sources else max(cost[best], required(other, name))
        if 2.0 * (m.fit.objective - other.fit.objective) >= wanted * other.strain:
            return other
    return m


def _growing_costs(m: Mixture, with_continuum: bool) -> FloatArray:
    """Gain in twice the log-likelihood for which each library column (N,) is added."""
    t = m.task
    more = t.library.same_source[list(m.active)].any(axis=0)
    new = t.settings.needed - 2.0 * t.log_odds
    cost = np.where(more, 2.0 * MORE_SCENE_COST, new)
    cost[~offered(t, with_continuum)] = np.inf
    cost[list(m.active)] = np.inf
    return cost


def _certain(m: Mixture) -> Mixture:
    """The mixture without the sources that do not pass the exact test."""
    while m.sources:
        worst = min(m.sources, key=lambda n: ratio(m, n) - required(m, n))
        if ratio(m, worst) >= required(m, worst):
            break
        m = without(m, worst)
    return m


def _cost(m: Mixture) -> float:
    """What the sources of a mixture cost in its objective, and second looks."""
    return 0.5 * sum(required(m, n) for n in m.sources) + 4.0 * (len(m.active) - len(m.sources))

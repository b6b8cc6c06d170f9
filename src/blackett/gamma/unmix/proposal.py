"""Which columns might a spectrum need? A search over all templates, gains and offsets at once.

It works in the quadratic approximation, whitened with the covariance of counting and shape errors,
so that each point of the lattice is one small non-negative least-squares problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from blackett.gamma import likelihood
from blackett.gamma.unmix.nuisances import smoothed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blackett.arrays import FloatArray
    from blackett.gamma.unmix.problem import Task

__all__ = ["MORE_SCENE_COST", "MOST_SOURCES", "Proposal", "propose"]

LATTICE = [(g, o) for g in (-2.4, -1.2, 0.0, 1.2, 2.4) for o in (-2.0, 0.0, 2.0)]
"""Gains and offsets to start from, in units of their prior sigmas."""
MOST_SOURCES = 8
NEW_SOURCE_COST, MORE_SCENE_COST = 9.0, 4.0
"""Gain in chi-squared for which a common source, or another scene of one that is in, is tried."""


@dataclass(frozen=True)
class Proposal:
    """A set of columns worth fitting. `objective` is half of chi-squared, costs and priors."""

    active: tuple[int, ...]
    amplitudes: FloatArray  # of the columns of no source, then of the active ones
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
    root: FloatArray  # (B, M) U / variance times the Cholesky root of (1 + U' U / variance)^-1

    def apply(self, columns: FloatArray) -> FloatArray:
        """Inverse covariance times each row of (K, B)."""
        return columns / self.variance - (columns @ self.root) @ self.root.T

    def squares(self, columns: NDArray[np.floating[Any]]) -> FloatArray:
        """x' C^-1 x of each column of (B, N), in the precision of the columns."""
        along = self.root.T.astype(columns.dtype) @ columns
        counting = (1.0 / self.variance).astype(columns.dtype) @ (columns * columns)
        return np.asarray(counting - np.einsum("mn,mn->n", along, along), dtype=np.float64)


def _metric(t: Task) -> _Metric:
    data = t.data
    smooth = np.maximum(smoothed(data.counts, 1.0), 0.3)
    scaled_background = data.background_ratio * data.background
    own = np.maximum(smooth - scaled_background, 0.1 * smooth) if not t.room else smooth
    variance = smooth + data.background_ratio * scaled_background + (t.epsilon * own) ** 2
    modes = [own * t.modes]
    if not t.room:
        modes.append(max(t.settings.background_scale_sigma) * scaled_background[None, :])
        modes.append((t.shade * scaled_background)[None, :])
    u = np.vstack(modes).T
    scaled = u / variance[:, None]
    core = np.linalg.inv(np.eye(u.shape[1]) + u.T @ scaled)
    return _Metric(variance, scaled @ np.linalg.cholesky(core))


def propose(t: Task, offers: Sequence[np.ndarray]) -> list[list[Proposal]]:
    """The best sets of columns on the lattice of gains and offsets, best first.

    One list for each of `offers`: the columns (N,) bool that may be taken.
    """
    metric = _metric(t)
    net = t.data.counts - t.data.background_ratio * t.data.background
    found: list[list[Proposal]] = [[] for _ in offers]
    for gain, offset in LATTICE:
        pursuit = _Pursuit(t, metric, net, gain, offset)
        for proposals, offer in zip(found, offers, strict=True):
            chosen, amplitudes, left = pursuit.run(offer)
            objective = 0.5 * (left + gain**2 + offset**2)
            proposals.append(Proposal(tuple(chosen), amplitudes, gain, offset, objective))
    return [sorted(proposals, key=lambda p: p.objective) for proposals in found]


class _Pursuit:
    """Orthogonal matching pursuit with non-negative amplitudes at one point of the lattice."""

    def __init__(
        self, t: Task, metric: _Metric, net: FloatArray, gain: float, offset: float
    ) -> None:
        library = t.library
        stored = t.data.edges_kev
        edges = stored * (1 + gain * library.gain_sigma) + offset * library.offset_sigma_kev
        step, width = library.grid_step, library.nominal_width
        self.t, self.metric, self.net = t, metric, net
        common = likelihood.cumulative_at(t.common, step, edges, width, 0.0)
        self.common = np.diff(common)
        # single precision is plenty for choosing what to fit, and twice as fast
        self.own = np.empty((net.size, library.by_energy.shape[2]), dtype=np.float32)
        likelihood.groups_of(library.by_energy, step, edges, width, 0.0, self.own)
        self.squares = np.maximum(metric.squares(self.own), 1e-30)
        self.pulled = metric.apply(net[None, :])[0]

    def run(self, offer: np.ndarray) -> tuple[list[int], FloatArray, float]:
        """Library columns, amplitudes (those of no source first), and the misfit (chi-squared) plus
        the cost of the columns taken."""
        chosen: list[int] = []
        columns = self.common
        weighted = self.metric.apply(columns)
        amplitudes, misfit = self._amplitudes(columns, weighted, np.zeros(len(columns)))
        penalty = 0.0
        for _ in range(2 * MOST_SOURCES):
            cost = _costs(self.t, chosen, offer)
            pull = self.pulled - amplitudes @ weighted
            gain = np.maximum(pull.astype(np.float32) @ self.own, 0.0) ** 2 / self.squares - cost
            gain[chosen] = -np.inf
            best = int(np.argmax(gain))
            column = self.own[:, best].astype(np.float64)[None, :]
            columns = np.concatenate([columns, column])
            weighted = np.concatenate([weighted, self.metric.apply(column)])
            trial, trial_misfit = self._amplitudes(columns, weighted, np.append(amplitudes, 0.0))
            if misfit - trial_misfit < cost[best]:
                break
            chosen.append(best)
            amplitudes, misfit = trial, trial_misfit
            penalty += cost[best]
        return chosen, amplitudes, misfit + penalty

    def _amplitudes(
        self, columns: FloatArray, weighted: FloatArray, start: FloatArray
    ) -> tuple[FloatArray, float]:
        """Non-negative amplitudes of rows (K, B) and the misfit (net - a columns)' C^-1 (...)."""
        gram, side = weighted @ columns.T, weighted @ self.net
        regular = gram + np.diag(1e-9 * np.diag(gram) + 1e-30)
        amplitudes = non_negative(regular, side, start)
        whole = float(self.net @ self.pulled)
        return amplitudes, whole - float(2.0 * amplitudes @ side - amplitudes @ gram @ amplitudes)


def _costs(t: Task, active: list[int], offer: np.ndarray) -> FloatArray:
    """Chi-squared that each library column (N,) must win to be proposed beside the active ones."""
    library = t.library
    more = library.same_source[active].any(axis=0)
    new = np.maximum(NEW_SOURCE_COST - 2.0 * t.log_odds, MORE_SCENE_COST)
    cost = np.where(more, MORE_SCENE_COST, new)
    return np.where(offer, cost, np.inf)


@njit(cache=True)
def non_negative(gram: FloatArray, side: FloatArray, start: FloatArray) -> FloatArray:
    """The x >= 0 (K,) that minimises x' gram x / 2 - side' x, from a feasible start.

    The active-set method of C. L. Lawson and R. J. Hanson (Solving Least Squares Problems, 1974,
    chapter 23) on normal equations (R. Bro and S. de Jong, J. Chemometrics 11 (1997) 393): a start
    that is positive where the answer is costs one solution. `gram` (K, K) is positive definite.
    """
    x = start.copy()
    passive = x > 0.0
    slack = 1e-10 * np.abs(side).max()
    for _ in range(3 * x.size):
        for _ in range(x.size + 1):
            rows = np.flatnonzero(passive)
            if rows.size == 0:
                break
            solved = np.linalg.solve(gram[rows][:, rows], side[rows])
            if solved.min() > 0.0:
                x[:] = 0.0
                x[rows] = solved
                break
            # as far towards the solution as none turns negative: the first reaches zero
            share, first = 1.0, -1
            for i in range(rows.size):
                if solved[i] <= 0.0:
                    reach = x[rows[i]] / max(x[rows[i]] - solved[i], 1e-300)
                    if first < 0 or reach < share:
                        share, first = reach, i
            x[rows] += share * (solved - x[rows])
            x[rows[first]] = 0.0
            for i in range(rows.size):
                passive[rows[i]] = x[rows[i]] > 0.0
        pull = side - gram @ x
        pull[passive] = -np.inf
        best = np.argmax(pull)
        if pull[best] <= slack:
            break
        passive[best] = True
    return x

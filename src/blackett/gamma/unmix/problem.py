"""A grouped spectrum with all that is needed to fit any set of library columns to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma import likelihood
from blackett.gamma.likelihood import Problem
from blackett.gamma.unmix import nuisances
from blackett.gamma.unmix.settings import DEFAULT, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blackett.arrays import FloatArray
    from blackett.gamma.templates import Library
    from blackett.gamma.unmix.grouping import Grouped

__all__ = [
    "Task",
    "Told",
    "columns_by_source",
    "n_room",
    "needed",
    "offered",
    "problem_with",
    "task",
    "templates_at",
]


@dataclass(frozen=True)
class Told:
    """What a network makes of the same spectrum: logits of presence by source, and of something
    unknown."""

    logit: Mapping[str, float]
    unknown: float


@dataclass(frozen=True)
class Task:
    """A grouped spectrum with the nuisances, fixed columns and priors of a fit."""

    data: Grouped
    library: Library
    settings: Settings
    warps: FloatArray  # (J, B + 1)
    modes: FloatArray  # (M, B)
    shade: FloatArray  # (B,) what a sample may keep away of a measured background
    epsilon: FloatArray  # (B,)
    fixed: FloatArray  # (F, B) pile-up and tails
    fixed_sigma: FloatArray  # (F,)
    room: bool  # the background is modelled
    log_odds: FloatArray  # (N,) prior odds of each column's source relative to a common one
    expected: np.ndarray | None = None  # (N,) bool: columns from which one proposal is made
    told: Told | None = None  # a network's word, where one was asked

    @cached_property
    def common(self) -> FloatArray:
        """Columns (K, L, G + 1) of no source.

        They are the modelled background, unless one was measured, and X-rays that any source
        excites in heavy elements near it.
        """
        parts = [self.library.room.columns] if self.room else []
        return np.ascontiguousarray(np.concatenate([*parts, self.library.fluorescence]))


def task(data: Grouped, library: Library, settings: Settings = DEFAULT) -> Task:
    """Nuisances and fixed columns for fitting `library` to `data`."""
    # peaks err on the scale of this detector's resolution, shapes on that of a scintillator's
    resolved = np.diff(data.edges_kev) / library.detector.fwhm_kev(
        np.maximum(data.centres_kev, 10.0)
    )
    piled, sigma = nuisances.pile_up(data)
    tail = nuisances.upper_tail(data, np.cumsum(resolved))
    total = max(float(data.counts.sum()), 1.0)
    return Task(
        data=data,
        library=library,
        settings=settings,
        warps=nuisances.warps(data.edges_kev, library, settings),
        modes=nuisances.modes(data, settings),
        shade=nuisances.shade(data, settings),
        epsilon=nuisances.dispersion(data, resolved, settings),
        fixed=np.vstack([piled, tail]),
        fixed_sigma=np.append(sigma, settings.tail_sigma * total),
        room=data.background_ratio == 0.0,
        log_odds=library.log_prior,
    )


def problem_with(t: Task, own: FloatArray) -> Problem:
    """The likelihood of the columns of no source plus any columns (K, L, G + 1)."""
    library, data = t.library, t.data
    total = max(float(data.counts.sum()), 1.0)
    log_normal = library.room.logarithmic if t.room else np.zeros(0, dtype=bool)
    n_x, n_plain = library.fluorescence.shape[0], own.shape[0] + t.fixed.shape[0]
    centre, sigma = np.zeros(0), np.zeros(0)
    if t.room:
        centre = np.where(log_normal, library.room.centre + np.log(data.live_time_s), 0.0)
        sigma = library.room.sigma * np.where(log_normal, 1.0, data.live_time_s)
    x_sigma = np.full(n_x, t.settings.fluorescence_sigma * total)
    return Problem(
        counts=data.counts,
        background=data.background,
        background_ratio=data.background_ratio,
        background_sigma=t.settings.background_scale_sigma,
        shade=t.shade,
        columns=np.ascontiguousarray(np.concatenate([t.common, own])),
        grid_step=library.grid_step,
        fixed=t.fixed,
        edges_kev=data.edges_kev,
        warps=t.warps,
        modes=t.modes,
        epsilon=t.epsilon,
        logarithmic=np.concatenate([log_normal, np.zeros(n_x + n_plain, dtype=bool)]),
        prior_centre=np.concatenate([centre, np.zeros(n_x + n_plain)]),
        prior_sigma=np.concatenate([sigma, x_sigma, np.full(own.shape[0], np.inf), t.fixed_sigma]),
        width_centre=library.nominal_width,
        width_sigma=library.width_sigma,
        tilt_sigma=library.tilt_sigma,
    )


def n_room(t: Task) -> int:
    """Number of leading columns that belong to no source (see `Task.common`)."""
    return len(t.common)


def templates_at(t: Task, edges_kev: FloatArray, width: float, tilt: float = 0.0) -> FloatArray:
    """All library columns (B, N) in the groups whose true edges are given, at one width."""
    library = t.library
    made = np.empty((edges_kev.size - 1, library.by_energy.shape[2]))
    likelihood.groups_of(library.by_energy, library.grid_step, edges_kev, width, tilt, made)
    return made


def offered(t: Task, with_continuum: bool) -> np.ndarray:
    """Columns (N,) that may be taken: those with a line inside the groups."""
    inside = t.library.reach_kev > t.data.edges_kev[0]
    return np.asarray(inside if with_continuum else inside & ~t.library.is_continuum)


def columns_by_source(t: Task, active: Sequence[int]) -> dict[str, set[int]]:
    """Positions in `active` of each source's columns."""
    places: dict[str, set[int]] = {}
    for i, column in enumerate(active):
        places.setdefault(t.library.source_of[column], set()).add(i)
    return places


def needed(t: Task, name: str) -> float:
    """Twice the log-likelihood ratio at which this source is declared, in a fit that is good."""
    return t.settings.needed - 2.0 * float(t.log_odds[t.library.source_of.index(name)])

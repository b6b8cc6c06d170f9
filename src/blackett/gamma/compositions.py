"""Which sources are in each of many spectra, and in what proportion: scenarios put to work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.gamma.recipe import MOST_COMPANIONS
from blackett.gamma.sources import observable_sources

if TYPE_CHECKING:
    from numpy.random import Generator

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.recipe import Companion, Scenario, TrainingRecipe

__all__ = ["Composition", "compose"]

MOST = 6
"""Sources that a scenario draws."""
WIDTH = MOST + MOST_COMPANIONS + 1
"""Columns of a composition: drawn sources, companions, uranium-235."""
JITTER = (0.8, 1.2)
URANIUM_235 = {0.0461: 0.8, 0.012: 0.2}
"""U-235 over U-238 by activity, and how often: natural (see `decay`), depleted to 0.2 % of
atoms."""


@dataclass(frozen=True, eq=False)
class Composition:
    """Sources of n spectra, (n, WIDTH) each; `scenario` (n,).

    `source` is a place among the observable sources, -1 for none. `ratio` is the activity over that
    of column 0, NaN where a source has an amount of its own; `low_bq`, `high_bq` its range, where
    the recipe draws activities, and `least_bq` the activity below which it is left out.
    """

    scenario: IntArray
    source: IntArray
    ratio: FloatArray
    low_bq: FloatArray
    high_bq: FloatArray
    least_bq: FloatArray


def compose(recipe: TrainingRecipe, n: int, rng: Generator) -> Composition:
    """Draw the sources of n spectra."""
    shares = np.array([s.share for s in recipe.scenarios])
    scenario = rng.choice(shares.size, n, p=shares / shares.sum())
    low, high = recipe.activity_bq or (0.0, 0.0)
    made = Composition(
        scenario,
        np.full((n, WIDTH), -1),
        np.full((n, WIDTH), np.nan),
        np.full((n, WIDTH), low),
        np.full((n, WIDTH), high),
        np.zeros((n, WIDTH)),
    )
    for number, kind in enumerate(recipe.scenarios):
        rows = np.flatnonzero(scenario == number)
        if rows.size:
            _fill(recipe, kind, made, rows, rng)
    if recipe.uranium_235:
        _add_uranium_235(made, rng)
    _drop_repeated(made.source)
    return made


@cache
def _places(names: tuple[str, ...]) -> IntArray:
    order = {s.name: k for k, s in enumerate(observable_sources())}
    if unknown := sorted(set(names) - set(order)):
        raise InputError(f"scenario of {unknown}: give observable sources (blackett gamma sources)")
    return frozen([order[name] for name in names], np.int64)


def _fill(
    recipe: TrainingRecipe, kind: Scenario, made: Composition, rows: IntArray, rng: Generator
) -> None:
    """Sources of the spectra `rows`, all of one scenario."""
    if kind.all_of:
        drawn = np.tile(_places(kind.sources), (rows.size, 1))
    else:
        drawn = _drawn(recipe, kind, rows.size, rng)
    made.source[rows, : drawn.shape[1]] = drawn
    if kind.together:
        made.ratio[rows, 1 : drawn.shape[1]] = rng.uniform(*JITTER, (rows.size, drawn.shape[1]))[
            :, 1:
        ]
    if kind.activity_bq:
        made.low_bq[rows], made.high_bq[rows] = kind.activity_bq
    for k, companion in enumerate(kind.companions):
        _accompany(companion, made, rows, MOST + k, rng)


def _drawn(recipe: TrainingRecipe, kind: Scenario, n: int, rng: Generator) -> IntArray:
    """Sources (n, highest count), -1 where there are fewer."""
    low, high = kind.count
    groups = [_places(names) for names in kind.one_of_each]
    columns = [group[rng.integers(0, group.size, n)] for group in groups[:high]]
    if len(columns) < high:
        pool, upto = _pool(kind.sources, recipe.rarity_weights, recipe.uniform_share)
        rest = np.searchsorted(upto, rng.random((high - len(columns), n)), side="right")
        columns += list(pool[rest])
    drawn = np.stack(columns, axis=1) if columns else np.zeros((n, 0), dtype=np.int64)
    if groups:
        drawn = rng.permuted(drawn, axis=1)
    many = rng.integers(low, high + 1, n)
    return np.where(np.arange(high) < many[:, None], drawn, -1)


@cache
def _pool(
    names: tuple[str, ...], rarity_weights: tuple[float, ...], uniform_share: float
) -> tuple[IntArray, FloatArray]:
    """Sources that a scenario of these names (empty: all) draws from, and running sums of their
    chances without the last, 1."""
    if names:
        pool = _places(names)
        return pool, frozen(np.arange(1, pool.size) / pool.size)
    by_rarity = dict(zip(("common", "occasional", "rare"), rarity_weights, strict=True))
    weights = np.array([by_rarity[s.rarity] for s in observable_sources()])
    even, uneven = uniform_share / weights.size, 1.0 - uniform_share
    chances = even + uneven * weights / weights.sum()
    return frozen(np.arange(weights.size), np.int64), frozen(np.cumsum(chances)[:-1])


def _accompany(
    companion: Companion, made: Composition, rows: IntArray, column: int, rng: Generator
) -> None:
    """Put a companion into a column of some of the spectra `rows`."""
    rows = rows[rng.random(rows.size) < companion.chance]
    made.source[rows, column] = _places((companion.name,))[0]
    if companion.ratio:
        made.ratio[rows, column] = rng.uniform(companion.ratio[0], companion.ratio[1], rows.size)
    if companion.activity_bq:
        made.low_bq[rows, column], made.high_bq[rows, column] = companion.activity_bq
    made.least_bq[rows, column] = companion.least_bq


def _add_uranium_235(made: Composition, rng: Generator) -> None:
    """Uranium-235 beside uranium-238, which goes to column 0, where it was not drawn by itself.

    A scenario that draws its sources together must name uranium-238 first.
    """
    u238, u235 = _places(("U-238", "U-235"))
    free = np.asarray(np.isnan(made.ratio).all(axis=1))
    rows, columns = np.nonzero((made.source[:, :MOST] == u238) & free[:, None])
    made.source[rows, columns] = made.source[rows, 0]
    made.source[rows, 0] = u238
    without = np.asarray((made.source[:, 0] == u238) & ~np.any(made.source == u235, axis=1))
    made.source[without, -1] = u235
    made.ratio[without, -1] = rng.choice(
        list(URANIUM_235), int(without.sum()), p=list(URANIUM_235.values())
    )


def _drop_repeated(source: IntArray) -> None:
    """A source that stands in two columns counts once."""
    rows = np.flatnonzero((source >= 0).sum(axis=1) > 1)
    some = source[rows]
    for column in range(1, source.shape[1]):
        seen = (some[:, :column] == some[:, column, None]).any(axis=1)
        some[seen, column] = -1
    source[rows] = some

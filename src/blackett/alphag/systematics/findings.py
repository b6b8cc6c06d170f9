"""The study: every method in every world, resumable, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.evaluate import method_and_settings
from blackett.alphag.systematics.answers import World, answer_missing, load
from blackett.alphag.systematics.comparison import counting, effects
from blackett.alphag.systematics.variations import NOMINAL, chosen_variations
from blackett.errors import InputError
from blackett.seeds import generator
from blackett.shards import completed, planned_shards

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from blackett.alphag.simulation import Recipe
    from blackett.alphag.systematics.variations import Variation
    from blackett.report import Estimate

__all__ = ["Finding", "in_all", "study"]


@dataclass(frozen=True)
class Finding:
    """What one variation does to one method: `effects` by the names of `RESOLUTION` (on the sample
    over all z) and `COUNTING` (on the sample that is counted)."""

    method: str
    variation: Variation
    effects: dict[str, Estimate]


def study(
    recipe: Recipe,
    counted: Recipe,
    methods: Sequence[str],
    events: int,
    folder: Path,
    seed: int,
    names: tuple[str, ...] = (),
    workers: int = 1,
) -> Iterator[str | list[Finding]]:
    """Answer what is missing in `folder`, one file a world and method, then compare.

    Yields lines on the progress and, last, the findings. `names` picks variations. Raises
    `InputError` for unknown or repeated methods, unknown variations, recipes of one name, or files
    in the folder that were made otherwise.
    """
    _check(recipe, counted, methods)
    variations = chosen_variations(names)
    worlds = [World(r, v, events, seed) for r in (recipe, counted) for v in variations]
    for world in worlds:
        for method in methods:
            load(folder, world, method)
    job = partial(answer_missing, folder, worlds, list(methods))
    pieces = planned_shards(len(worlds), 1)
    for done, (piece, ran) in enumerate(completed(job, pieces, workers), 1):
        world = worlds[piece.index]
        how = ", ".join(f"{method} {n} events" for method, n in ran.items()) or "kept"
        yield f"{done} of {len(worlds)}  {world.recipe.name}: {world.variation.label}  {how}"
    yield [
        Finding(method, v, _effects(folder, (recipe, counted), v, method, events, seed))
        for method in methods
        for v in variations
        if v is not NOMINAL
    ]


def _check(recipe: Recipe, counted: Recipe, methods: Sequence[str]) -> None:
    for method in methods:
        method_and_settings(method)
    if not methods or len(set(methods)) < len(methods):
        raise InputError(f"methods {list(methods)}: give at least one, each once")
    if recipe.name == counted.name:
        raise InputError(f"both samples are of the recipe {recipe.name!r}: give two")


def _effects(
    folder: Path, recipes: tuple[Recipe, Recipe], variation: Variation, method: str, events: int,
    seed: int,
) -> dict[str, Estimate]:  # fmt: skip
    base = next(v for v in chosen_variations(()) if v.name == variation.against)
    rng = generator(seed)
    nominal, other = (
        load(folder, World(recipes[0], v, events, seed), method) for v in (base, variation)
    )
    found = effects(nominal, other, rng)
    nominal, other = (
        load(folder, World(recipes[1], v, events, seed), method) for v in (base, variation)
    )
    return found | counting(nominal, other, rng)


def in_all(findings: Sequence[Finding], effect: str) -> tuple[float, float]:
    """Quadratic sum of an effect over all quantities of one method, and how much of it the events'
    number alone would give.

    Of a quantity varied to both sides the larger effect counts, times the variation's `share`.
    """
    groups: dict[str, tuple[float, float]] = {}
    for finding in findings:
        found, share = finding.effects[effect], finding.variation.share
        if share and np.isfinite(found.value):
            size = (share * abs(found.value), share * (found.high - found.low) / 2)
            groups[finding.variation.group] = max(groups.get(finding.variation.group, size), size)
    sizes = np.array(list(groups.values())).reshape(-1, 2)
    total, noise = np.sqrt((np.nan_to_num(sizes) ** 2).sum(axis=0))
    return float(total), float(noise)

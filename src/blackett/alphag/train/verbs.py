"""What `blackett alphag train` does (see `blackett.cli`)."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from dataclasses import replace
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from blackett.learn.told import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.alphag.train.recipe import Recipe

__all__ = ["train"]


def train(
    recipe: Annotated[Path, arg(help_behavior_hint="(required)")],
    data: tuple[Path, ...],
    validation: tuple[Path, ...],
    out: Path,
    cache: Path | None = None,
    resume: bool = False,
    steps: int | None = None,
    seed: int | None = None,
) -> Iterator[Any]:
    """Train a network for the vertex on simulated events, calibrate it, write it with its card.

    A run that was killed goes on with --resume from its last checkpoint, at most one epoch back.

    Args:
        recipe: TOML file of settings, such as recipes/alphag/blackett.toml.
        data: Folders of simulated events, one or more.
        validation: Folders of other events: they choose the checkpoint and calibrate.
        out: Folder of the run: vertex.onnx, vertex.json (the card), curves.png, history.csv.
        cache: Folder for prepared events, to share them between runs; default: OUT/prepared.
        resume: Go on with the run in the folder.
        steps: Steps of the optimiser, instead of the recipe's.
        seed: Seed, instead of the recipe's.
    """
    from blackett.alphag.train.recipe import find_recipe

    chosen = _changed(find_recipe(recipe), steps, seed)
    yield f"{chosen.name}: {chosen.fit.steps} steps into {out}"

    def work(tell: Callable[[str], None]) -> None:
        from blackett.alphag.train.run import train as run

        made = run(chosen, data, validation, out, cache, resume, tell)
        tell(f"{made.network} with {made.card.name} and {made.curves.name}")

    yield from told(work)


def _changed(chosen: Recipe, steps: int | None, seed: int | None) -> Recipe:
    fitted = chosen.fit
    if steps is not None:
        warmup = min(fitted.warmup_steps, steps // 10)
        fitted = replace(fitted, steps=steps, warmup_steps=warmup)
    if seed is not None:
        fitted = replace(fitted, seed=seed)
    return replace(chosen, fit=fitted)

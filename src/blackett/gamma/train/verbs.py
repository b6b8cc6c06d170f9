"""What `blackett gamma train` does (see `blackett.cli`)."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from dataclasses import replace
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from blackett.learn.told import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.gamma.train.recipe import Recipe

__all__ = ["train"]


def train(
    recipe: Annotated[Path, arg(help_behavior_hint="(required)")],
    out: Path,
    resume: bool = False,
    test: bool = False,
    steps: int | None = None,
    seed: int | None = None,
    calibrate: bool = False,
) -> Iterator[Any]:
    """Train a network on spectra simulated as it goes, calibrate it, write it with its card.

    A run that was killed goes on with --resume from its last checkpoint, at most one epoch back.

    Args:
        recipe: TOML file of settings, such as recipes/gamma/quick.toml.
        out: Folder of the run: network.onnx, network.json (the card), curves.png, history.csv.
        resume: Go on with the run in the folder.
        test: A quick try of the recipe: of vega.toml 5 short epochs, of others 20 small steps.
        steps: Steps of the optimiser, instead of the recipe's.
        seed: Seed, instead of the recipe's.
        calibrate: Only calibrate and score the network in the folder again.
    """
    from blackett.gamma.train.recipe import find_recipe

    chosen = find_recipe(recipe)
    fitted = chosen.fit
    if steps is not None:
        fitted = replace(fitted, steps=steps, warmup_steps=min(fitted.warmup_steps, steps // 10))
    if seed is not None:
        fitted = replace(fitted, seed=seed)
    chosen = replace(chosen, fit=fitted)
    if test:
        chosen = _tried(chosen)
    if calibrate:
        yield from told(lambda tell: _calibrate(chosen, out, tell))
        return
    yield f"{chosen.name}: {fitted.steps if not test else chosen.fit.steps} steps into {out}"
    yield from told(lambda tell: _work(chosen, out, resume, tell))


def _work(chosen: Recipe, out: Path, resume: bool, tell: Callable[[str], None]) -> None:
    if chosen.network.kind == "vega":
        from blackett.gamma.train.vega import train_vega

        fitted = train_vega(chosen, out, resume, tell)
        tell(f"{fitted.best}: validation loss {fitted.best_loss:.5f} after {fitted.steps} steps")
        return
    from blackett.gamma.train.run import train as run

    made = run(chosen, out, resume, tell)
    tell(f"{made.network} with {made.card.name} and {made.curves.name}")


def _calibrate(chosen: Recipe, out: Path, tell: Callable[[str], None]) -> None:
    from blackett.gamma.train.run import recalibrate

    made = recalibrate(chosen, out, tell)
    tell(f"{made.card}")


def _tried(chosen: Recipe) -> Recipe:
    if chosen.network.kind == "vega":
        from blackett.gamma.train.vega import quick

        return quick(chosen)
    data = replace(chosen.data, batch=256, validation=256, calibration=12_000, test=1000)
    fit = replace(chosen.fit, steps=20, steps_per_epoch=10, warmup_steps=2)
    return replace(chosen, name=f"{chosen.name}-test", data=data, fit=fit)

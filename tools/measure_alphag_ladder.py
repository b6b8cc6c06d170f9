"""Networks for the vertex after equal processor time on the same events, from points to lines.

python tools/measure_alphag_ladder.py --data TRAIN --validation VALID --out DIR [--seconds 180]

Each rung is timed over a few steps, then trained for the steps that fit, with its learning rate
falling to zero at the last. Writes DIR/ladder.json.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 (tyro reads the signature)

import torch
import tyro

from blackett.alphag.train.examples import CloudExamples, SlotExamples
from blackett.alphag.train.losses import CloudLoss, SlotLoss
from blackett.alphag.train.recipe import CLOUDS, Data, NetworkShape, Recipe, Terms
from blackett.alphag.train.run import build, train
from blackett.alphag.train.sample import open_sample
from blackett.learn.settings import Settings

_TRIAL_STEPS = 4


@dataclass(frozen=True)
class Arguments:
    """Folders and price."""

    data: tuple[Path, ...]
    validation: tuple[Path, ...]
    out: Path
    cache: Path
    seconds: float = 180.0
    """Of processor time, each."""
    rungs: tuple[str, ...] = ("pear", "edges", "set", "slots", "blackett")


def recipe_of(kind: str) -> Recipe:
    """The rung's settings but for its steps."""
    cloud = kind in CLOUDS
    data = Data(batch=64, validation=4000, points=256) if cloud else Data(256, 4000)
    width = 64 if cloud else 80
    # l1: the same robust loss for all that know z alone
    terms = Terms(first="l1", then="l1") if cloud else Terms()
    rate = 4e-3 if kind == "pear" else 2e-3
    fit = Settings(
        learning_rate=rate, gradient_clip=0.0 if kind == "pear" else 1.0, accelerator="cpu",
        weight_decay=0.0, precision="bf16-mixed" if kind == "pear" else "32-true",
    )  # fmt: skip
    return Recipe(kind, data, NetworkShape(kind, width=width), terms, fit)  # type: ignore[arg-type]


def seconds_a_step(recipe: Recipe, arguments: Arguments) -> float:
    """Processor time of a step of training."""
    cloud = recipe.network.kind in CLOUDS
    sample = open_sample(arguments.data, "cloud" if cloud else "tracks", arguments.cache)
    examples = (CloudExamples if cloud else SlotExamples)(recipe, sample, sample)
    loss = CloudLoss(recipe.loss) if cloud else SlotLoss(recipe.loss)
    network = build(recipe.network)
    torch.set_num_threads(1)
    for step in range(_TRIAL_STEPS + 1):
        if step == 1:
            started = time.process_time()
        batch = {k: torch.from_numpy(v) for k, v in examples.batch(step).items()}
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in recipe.fit.precision):
            value = loss(network, batch)["loss"]
        value.backward()  # type: ignore[no-untyped-call]
    return (time.process_time() - started) / _TRIAL_STEPS


def main(arguments: Arguments) -> None:
    """Train and score all rungs."""
    rows = []
    for kind in arguments.rungs:
        recipe = recipe_of(kind)
        steps = max(int(arguments.seconds / seconds_a_step(recipe, arguments)), 10)
        fit = replace(recipe.fit, steps=steps, steps_per_epoch=steps, warmup_steps=steps // 20)
        before = time.process_time()
        made = train(
            replace(recipe, fit=fit), arguments.data, arguments.validation,
            arguments.out / kind, arguments.cache,
        )  # fmt: skip
        card = json.loads(made.card.read_text(encoding="utf-8"))
        rows.append(
            {
                "rung": kind, "parameters": card["parameters"],
                "events_shown": card["training"]["events_shown"],
                "cpu_seconds": round(time.process_time() - before), **card["validation_scores"],
            }
        )  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
        (arguments.out / "ladder.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Arguments))

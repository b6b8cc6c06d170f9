"""What `blackett alphag VERB` does. Each verb is a generator of what to show (see
`blackett.cli`)."""

from __future__ import annotations

import time
from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.alphag.formats import Shard
    from blackett.alphag.simulation import Recipe

__all__ = ["make_shard", "simulate"]


def simulate(
    recipe: Annotated[str, arg(help_behavior_hint="(required)")],
    events: int,
    out: Path,
    mode: Literal["fast", "full"] | None = None,
    seed: int = 1,
    workers: int = 1,
    shard_events: int = 5000,
) -> Iterator[Any]:
    """Simulate events into a folder of Parquet shards; a second run makes the shards that are
    missing.

    Args:
        recipe: disc, wall, release, cosmics, or a TOML file of settings.
        events: How many events.
        out: Folder of the sample.
        mode: fast (ionisation to points) or full (waveforms); the recipe's where left out.
        seed: Reproduces the sample, whatever the number of workers.
        workers: Processes.
        shard_events: Events in a file.
    """
    from blackett.alphag import formats

    chosen = _recipe(recipe, mode)
    shards = formats.planned_shards(events, shard_events)
    noted = _provenance(chosen, recipe, events, seed, shard_events)
    started, made, done = time.monotonic(), 0, 0
    make = partial(make_shard, chosen, seed)
    for shard, fresh in formats.write_shards(out, shards, make, noted, workers):
        done += shard.count
        made += shard.count if fresh else 0
        rate = made / max(time.monotonic() - started, 1e-9)
        yield f"{shard.name}  {done} of {events} events  " + (f"{rate:.0f}/s" if fresh else "kept")
    yield f"{out}: {events} events in {len(shards)} shards, {made} made now"


def _recipe(name: str, mode: str | None) -> Recipe:
    from blackett.alphag.simulation import find_recipe

    chosen = find_recipe(name)
    return chosen if mode is None else replace(chosen, digitise=replace(chosen.digitise, mode=mode))


def make_shard(chosen: Recipe, seed: int, shard: Shard) -> Iterator[EventBatch]:
    """Batches of one shard, from its own generator."""
    from blackett.alphag.simulation import simulate_batches
    from blackett.seeds import numbered

    return simulate_batches(chosen, shard.count, numbered(seed, shard.index), shard.first)


def _provenance(
    chosen: Recipe, name: str, events: int, seed: int, shard_events: int
) -> dict[str, str]:
    """What every shard says about its making: the same for any number of workers."""
    import json
    from dataclasses import asdict

    import blackett
    from blackett.alphag.simulation import recipe_hash

    command = (
        f"blackett alphag simulate --recipe {Path(name).name} --events {events} "
        f"--mode {chosen.digitise.mode} --seed {seed} --shard-events {shard_events}"
    )
    return {
        "blackett_version": blackett.__version__,
        "command": command,
        "seed": str(seed),
        "shard_events": str(shard_events),
        "recipe": json.dumps(asdict(chosen), sort_keys=True),
        "recipe_sha256": recipe_hash(chosen),
    }

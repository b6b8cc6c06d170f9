"""What `blackett alphag VERB` does. Each verb is a generator of what to show (see
`blackett.cli`)."""

from __future__ import annotations

import time
from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.alphag.formats import Shard, VertexTable
    from blackett.alphag.simulation import Recipe
    from blackett.alphag.vertex import Vertices

__all__ = ["make_shard", "reconstruct", "simulate"]

_SHOW_EVERY_S = 5.0


def simulate(
    recipe: Annotated[str, arg(help_behavior_hint="(required)")],
    events: int,
    out: Path,
    mode: Literal["fast", "full"] | None = None,
    seed: int = 1,
    workers: int = 1,
    cluster: str = "",
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
        cluster: Address of a Dask scheduler (tcp://HOST:PORT) whose workers see the folder.
        shard_events: Events in a file.
    """
    from blackett.alphag import formats

    chosen = _recipe(recipe, mode)
    shards = formats.planned_shards(events, shard_events)
    noted = _provenance(chosen, recipe, events, seed, shard_events)
    started, made, done = time.monotonic(), 0, 0
    make = partial(make_shard, chosen, seed)
    for shard, fresh in formats.write_shards(out, shards, make, noted, workers, cluster):
        done += shard.count
        made += shard.count if fresh else 0
        rate = made / max(time.monotonic() - started, 1e-9)
        yield f"{shard.name}  {done} of {events} events  " + (f"{rate:.0f}/s" if fresh else "kept")
    yield f"{out}: {events} events in {len(shards)} shards, {made} made now"


def reconstruct(
    file: Annotated[Path, Positional],
    method: Annotated[str, arg(help_behavior_hint="(required)")],
    out: Path,
    preset: str = "default",
    model: Path | None = None,
    workers: int = 1,
    run_csv: Path | None = None,
) -> Iterator[Any]:
    """Reconstruct the vertex of every event of a file, or of a folder of Parquet files, into a CSV
    file with one row an event.

    Args:
        file: Events: Parquet, ROOT, or a folder of Parquet files.
        method: helix-hough, helix-chain, helix-robust, pear or blackett.
        out: CSV file to write.
        preset: Named settings of the method: default; for helix-chain also data, simulation.
        model: Folder with vertex.onnx and vertex.json, for pear (needed) and blackett (else the
            network of the package).
        workers: Processes.
        run_csv: Write the vertices in the collaboration's form too; events need trigger times.
    """
    from blackett.alphag import formats, vertex_csv
    from blackett.alphag.reconstruction import preset as find_preset
    from blackett.alphag.reconstruction import reconstruct_batches
    from blackett.errors import InputError

    if model is not None and preset != "default":
        raise InputError(f"--preset {preset} and --model {model}: give one of the two")
    settings, times = find_preset(method, preset if model is None else str(model)), _Times()
    notes = _reconstruction_notes(file, method, preset, settings)
    batches = formats.read_batches(file) if run_csv is None else times.noted(file)
    parts = reconstruct_batches(batches, method, settings, workers)
    started, done, found, shown = time.monotonic(), 0, 0, time.monotonic()
    for part in vertex_csv.write_vertex_csv(out, parts, notes):
        done, found = done + len(part), found + int(part.found.sum())
        times.add(part)
        if time.monotonic() - shown > _SHOW_EVERY_S:
            shown = time.monotonic()
            yield f"{done} events  {done / (shown - started):.0f}/s"
    if run_csv is not None:
        formats.write_vertices(run_csv, times.table(), [f"{k}: {v}" for k, v in notes.items()])
    yield f"{out}: {done} events, {found} with a vertex"


class _Times:
    """Trigger times of events that stream by, and their vertices."""

    def __init__(self) -> None:
        self.times_s: list[Any] = []
        self.parts: list[Any] = []

    def noted(self, file: Path) -> Iterator[EventBatch]:
        """The batches of a file. Raises `InputError` where an event has no time."""
        import numpy as np

        from blackett.alphag import formats
        from blackett.errors import InputError

        for batch in formats.read_batches(file):
            if batch.time_s is None or not np.isfinite(batch.time_s).all():
                raise InputError(
                    f"{file}: holds events without a trigger time, which --run-csv needs: leave "
                    "it out"
                )
            self.times_s.append(batch.time_s)
            yield batch

    def add(self, part: Vertices) -> None:
        """Keep the answers if times are kept."""
        if self.times_s:
            self.parts.append((part.number, part.position_mm))

    def table(self) -> VertexTable:
        """Everything as the collaboration's table."""
        import numpy as np

        from blackett.alphag.formats import VertexTable

        numbers, places = zip(*self.parts, strict=True)
        return VertexTable(
            np.concatenate(numbers), np.concatenate(self.times_s), np.concatenate(places)
        )


def _reconstruction_notes(file: Path, method: str, preset: str, settings: Any) -> dict[str, str]:
    """What the CSV file says about its making: the same for any number of workers."""
    import json

    import blackett
    from blackett.alphag.formats import data_sha256
    from blackett.alphag.reconstruction import described, settings_hash

    command = f"blackett alphag reconstruct {file.name} --method {method} --preset {preset}"
    return {
        "blackett_version": blackett.__version__,
        "command": command,
        "data_sha256": data_sha256(file),
        "method": method,
        "settings": json.dumps(described(method, settings), sort_keys=True),
        "settings_sha256": settings_hash(method, settings),
    }


def _recipe(name: str, mode: str | None) -> Recipe:
    from blackett.alphag.simulation import find_recipe

    chosen = find_recipe(name)
    return chosen if mode is None else replace(chosen, digitise=replace(chosen.digitise, mode=mode))


def make_shard(chosen: Recipe, seed: int, shard: Shard) -> Iterator[EventBatch]:
    """Batches of one shard, from its own generator, uncertain settings drawn if the recipe says
    so."""
    from blackett.alphag.simulation import simulate_batches
    from blackett.alphag.systematics import drawn
    from blackett.seeds import numbered

    own = drawn(chosen, numbered(seed, shard.index, 0))
    return simulate_batches(own, shard.count, numbered(seed, shard.index), shard.first)


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

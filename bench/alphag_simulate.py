"""Events per second of `blackett alphag simulate`, gun to written shard, by mode and workers.

    python bench/alphag_simulate.py [--seconds 20] [--workers 2]

Prints one JSON object and keeps it in bench/alphag_simulate.json. Compiling is left out. Events per
second are by the clock, so that they need a quiet machine; the times are of the processor.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections import deque
from dataclasses import replace
from functools import partial
from pathlib import Path

import tyro

from blackett.alphag.formats import planned_shards, write_parquet, write_shards
from blackett.alphag.simulation import RECIPES, Recipe, simulate_batches
from blackett.alphag.verbs import make_shard
from blackett.seeds import generator


def per_event_ms(recipe: Recipe, events: int, *, written: bool) -> float:
    """Processor time for one event on one core, with or without writing; the least of three."""

    def make(seed: int, n: int) -> None:
        batches = simulate_batches(recipe, n, generator(seed))
        if written:
            write_parquet(Path(folder) / "events.parquet", batches)
        else:
            deque(batches, maxlen=0)

    with tempfile.TemporaryDirectory() as folder:
        make(1, 200)
        times = []
        for _ in range(3):
            start = time.process_time()
            make(2, events)
            times.append(time.process_time() - start)
    return 1e3 * min(times) / events


def written_per_second(recipe: Recipe, events: int, workers: int) -> float:
    """Wall-clock rate of writing shards, from the first shard done to the last."""
    with tempfile.TemporaryDirectory() as folder:
        shards = planned_shards(events, max(events // (4 * workers), 1))
        make = partial(make_shard, recipe, 1)
        first = 0.0
        for done, _ in enumerate(write_shards(folder, shards, make, {}, workers), start=1):
            if done == workers:
                first = time.monotonic()
        left = sum(shard.count for shard in shards[workers:])
        return left / (time.monotonic() - first)


def main(seconds: float = 20.0, workers: int = 2) -> None:
    found: dict[str, object] = {
        "python": platform.python_version(), "processors": os.cpu_count(),
        "load_before": os.getloadavg()[0], "workers": workers,
    }  # fmt: skip
    for mode in ("fast", "full"):
        recipe = replace(RECIPES["disc"], digitise=replace(RECIPES["disc"].digitise, mode=mode))
        one = per_event_ms(recipe, 500, written=False)
        events = max(int(1e3 * seconds * workers / one) // 8 * 8, 8 * workers)
        found[mode] = {
            "ms_per_event_one_core": round(one, 3),
            "ms_per_event_one_core_written": round(per_event_ms(recipe, 500, written=True), 3),
            "events_per_second_written": round(written_per_second(recipe, events, workers), 1),
        }
    text = json.dumps(found, indent=1)
    Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    tyro.cli(main)

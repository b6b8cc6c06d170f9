"""Events per second of the classical reconstructions, from file to CSV file.

    python bench/alphag_reconstruct.py [--events 4000] [--workers 2] [--methods helix-hough ...]
    python bench/alphag_reconstruct.py --methods blackett pear:FOLDER

Prints one JSON object and keeps it in bench/alphag_reconstruct.json: processor time of an event for
the method alone, and for all from file to CSV in one process; and rates by the clock on the wall,
once the processes are at work, which mean something on a quiet machine only (`load_before`).
Compiling is left out. Events: the disc recipe in full mode. A trained network is named with its
folder, METHOD:FOLDER; results are kept under the method's name, those of other methods stay.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import tyro

from blackett.alphag.formats import read_batches, write_parquet
from blackett.alphag.reconstruction import (
    METHODS,
    PIECE,
    preset,
    reconstruct_batch,
    reconstruct_batches,
)
from blackett.alphag.simulation import RECIPES, simulate_batches
from blackett.alphag.vertex_csv import write_vertex_csv
from blackett.seeds import generator


def simulated(path: Path, events: int) -> None:
    recipe = RECIPES["disc"]
    full = replace(recipe, digitise=replace(recipe.digitise, mode="full"))
    write_parquet(path, simulate_batches(full, events, generator(1)))


def per_event_ms(path: Path, method: str, settings: Any) -> float:
    """Processor time of one event, the least over the batches of the file."""
    batches = list(read_batches(path))
    reconstruct_batch(batches[0], method, settings)
    taken = []
    for batch in batches:
        start = time.process_time()
        reconstruct_batch(batch, method, settings)
        taken.append(1e3 * (time.process_time() - start) / len(batch))
    return min(taken)


def written(path: Path, method: str, settings: Any, workers: int) -> tuple[float, float]:
    """From file to CSV once every process is at work: events per second by the wall, and this
    process's own time (ms) an event."""
    with tempfile.TemporaryDirectory() as folder:
        parts = reconstruct_batches(read_batches(path), method, settings, workers)
        done, begin, own, early = 0, 0.0, 0.0, 2 * workers * PIECE
        for part in write_vertex_csv(Path(folder) / "vertices.csv", parts, {}):
            done += len(part)
            if done == early:
                begin, own = time.monotonic(), time.process_time()
        later = done - early
        rate = later / (time.monotonic() - begin)
        return round(rate, 1), round(1e3 * (time.process_time() - own) / later, 3)


def measured(path: Path, named: str, workers: int) -> tuple[str, dict[str, float]]:
    """A method's name and its numbers; METHOD or METHOD:FOLDER."""
    method, _, folder = named.partition(":")
    chosen = preset(method, folder or "default")
    alone, whole = per_event_ms(path, method, chosen), written(path, method, chosen, 1)
    shared = written(path, method, chosen, workers)
    return method, {
        "ms_per_event_one_core": round(alone, 3),
        "ms_per_event_file_to_csv": whole[1],
        "events_per_second_one_process": whole[0],
        f"events_per_second_{workers}_processes": shared[0],
        f"parent_ms_per_event_{workers}_processes": shared[1],
    }


def main(
    events: int = 6000, workers: int = 2, methods: tuple[str, ...] = ("helix-hough", "helix-chain")
) -> None:
    kept = Path(__file__).with_suffix(".json")
    old = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    found = {name: old[name] for name in METHODS if name in old}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        simulated(path, events)
        for named in methods:
            load = os.getloadavg()[0]
            method, numbers = measured(path, named, workers)
            found[method] = {
                "python": platform.python_version(), "processors": os.cpu_count(),
                "load_before": round(load, 1), "events": events, **numbers,
            }  # fmt: skip
    text = json.dumps(found, indent=1)
    kept.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    tyro.cli(main)

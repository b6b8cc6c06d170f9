"""What `blackett gamma simulate` does (see `blackett.cli`)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.gamma.recipe import TrainingRecipe
    from blackett.gamma.spectrum import Spectrum

__all__ = ["simulate"]

MEASURED_BACKGROUND = "MEASURED_BACKGROUND_PATH"
"""The environment variable by which the seed project names a measured background."""


def simulate(
    num_samples: int,
    out: Path,
    detector: str | None = None,
    recipe: str = "default",
    measured_background: Path | None = None,
    activity_bq: tuple[float, float] | None = None,
    duration_s: tuple[float, float] | None = None,
    slices: int = 0,
    seed: int = 1,
    workers: int = 1,
    cluster: str = "",
    shard_samples: int = 4096,
) -> Iterator[Any]:
    """Simulate labelled spectra into a folder of Parquet shards; a second run makes the shards that
    are missing.

    Args:
        num_samples: How many spectra.
        out: Folder of the data set.
        detector: Instrument (radiacode-103, ...); the recipe's where left out.
        recipe: default, seed-v3, background, or a TOML file of settings.
        measured_background: A recorded background that makes up 0.7 of each room; also taken from
            the environment variable MEASURED_BACKGROUND_PATH.
        activity_bq: Lowest and highest activity of each source, instead of the recipe's amounts.
        duration_s: Shortest and longest measurement in seconds, instead of the recipe's.
        slices: Also tell the counts apart by time, in so many equal parts.
        seed: Reproduces the data set, whatever the number of workers.
        workers: Processes.
        cluster: Scheduler of a Dask cluster (tcp://HOST:PORT), instead of processes.
        shard_samples: Spectra in a file.
    """
    import blackett
    from blackett.gamma.dataset import Sample, dataset_metadata, write_dataset
    from blackett.gamma.recipe import find_recipe

    chosen = _changed(find_recipe(recipe), activity_bq, duration_s)
    recorded = _measured(measured_background)
    sample = Sample(chosen, num_samples, seed, detector, recorded, slices, shard_samples)
    command = _command(sample, recipe, activity_bq, duration_s, recorded)
    noted = dataset_metadata(sample, command, blackett.__version__)
    started, made, done = time.monotonic(), 0, 0
    for shard, fresh in write_dataset(out, sample, noted, workers, cluster):
        done += shard.count
        made += shard.count if fresh else 0
        rate = made / max(time.monotonic() - started, 1e-9)
        yield f"{shard.name}  {done} of {num_samples} spectra  " + (
            f"{rate:.0f}/s" if fresh else "kept"
        )
    yield f"{out}: {num_samples} spectra, {made} made now"


def _changed(
    recipe: TrainingRecipe,
    activity_bq: tuple[float, float] | None,
    duration_s: tuple[float, float] | None,
) -> TrainingRecipe:
    """The recipe with the ranges given on the command line."""
    if activity_bq is not None:
        recipe = replace(recipe, activity_bq=activity_bq)
    if duration_s is not None:
        recipe = replace(recipe, real_time_s=duration_s, wide_share=0.0)
    return recipe


def _measured(given: Path | None) -> Spectrum | None:
    """The measured background of the command line, or else of the environment."""
    from blackett.gamma.formats import read

    named = os.environ.get(MEASURED_BACKGROUND)
    path = given if given is not None else Path(named) if named else None
    if path is None:
        return None
    spectra = read(path)
    if len(spectra) != 1:
        raise InputError(f"{path} holds {len(spectra)} spectra: a background must be one")
    return spectra[0]


def _command(
    sample: Any,
    recipe: str,
    activity_bq: tuple[float, float] | None,
    duration_s: tuple[float, float] | None,
    recorded: Spectrum | None,
) -> str:
    """The command that makes the same data set again; no folder, no number of workers."""
    words = [f"blackett gamma simulate --num-samples {sample.spectra}"]
    words += [f"--recipe {Path(recipe).name} --seed {sample.seed}"]
    words += [f"--detector {sample.detector}"] if sample.detector else []
    words += [f"--activity-bq {activity_bq[0]:g} {activity_bq[1]:g}"] if activity_bq else []
    words += [f"--duration-s {duration_s[0]:g} {duration_s[1]:g}"] if duration_s else []
    words += [f"--measured-background {recorded.source_file}"] if recorded else []
    words += [f"--slices {sample.slices}"] if sample.slices else []
    return " ".join([*words, f"--shard-samples {sample.shard_spectra}"])

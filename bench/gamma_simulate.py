"""Simulated spectra per second on one core, beside numpy's Poisson counts of the same expectation.

    python bench/gamma_simulate.py [--spectra 16384] [--repeats 3] [--out FILE]

Each row is a recipe with all variation on and about so many counts a spectrum. `numpy` draws counts
of ready expectations with `Generator.poisson`, nothing else. Processor time, median of repeats, the
two in turn; compiling and tables are left out. Prints one JSON object, and keeps it if asked to.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path  # noqa: TC003 (tyro reads the signature)
from statistics import median

import numpy as np
import tyro

from blackett.gamma.mixtures import simulate
from blackett.gamma.recipe import RECIPES, TrainingRecipe
from blackett.seeds import generator

PRIOR_PER_S, PYRIID_PER_S = 47.6, 64.0
"""The seed project's generator and PyRIID with its own mixture in each spectrum, as measured
elsewhere on one core each (facts collected for this project)."""
EACH = 512


def recipe_of(counts: float, background: bool) -> TrainingRecipe:
    """The default recipe with about `counts` counts a spectrum, a third of them from the room."""
    time_s = counts / 20.0
    return replace(
        RECIPES["default"], real_time_s=(time_s, time_s), wide_share=0.0, least_sigma=0.0,
        net_counts=(0.35 * counts, 0.55 * counts), background_share=float(background),
        background_time_s=(time_s, time_s),
    )  # fmt: skip


def spectra_per_second(recipe: TrainingRecipe, n: int, seed: int) -> tuple[float, np.ndarray]:
    """Rate in processor time, and counts of some spectra."""
    start, counts = time.process_time(), np.zeros((0, 0))
    for batch in simulate(recipe, n, generator(seed)):
        counts = batch.counts
    return n / (time.process_time() - start), counts


def poisson_per_second(expected: np.ndarray, seed: int) -> float:
    """Rate of numpy's Poisson counts of given expectations (n, channels)."""
    rng = generator(seed)
    start = time.process_time()
    for row in expected:
        rng.poisson(row)
    return len(expected) / (time.process_time() - start)


def smoothed(counts: np.ndarray) -> np.ndarray:
    """Expectations of the same sizes and about the same shapes as the counts."""
    kernel = np.ones(25) / 25.0
    return np.array([np.convolve(row, kernel, "same") for row in counts[:EACH].astype(float)])


def row(counts: float, background: bool, spectra: int, repeats: int) -> dict[str, float]:
    recipe = recipe_of(counts, background)
    _, some = spectra_per_second(recipe, 2048, 1)
    expected = smoothed(some)
    ours, theirs = [], []
    for seed in range(2, 2 + repeats):
        ours.append(spectra_per_second(recipe, spectra, seed)[0])
        theirs.append(poisson_per_second(expected, seed))
    rate, poisson = median(ours), median(theirs)
    return {
        "counts": round(float(some.sum(axis=1).mean()), 1),
        "with_background": background,
        "spectra_per_s": round(rate),
        "recordings_per_s": round(rate * (1 + background)),
        "numpy_poisson_per_s": round(poisson),
        "ratio_to_numpy_poisson": round(rate / poisson, 2),
        "ratio_to_prior_system": round(rate / PRIOR_PER_S),
        "ratio_to_pyriid": round(rate / PYRIID_PER_S),
    }


def main(spectra: int = 16384, repeats: int = 3, out: Path | None = None) -> None:
    """Measure.

    Args:
        spectra: Spectra in a run.
        repeats: Runs; the median counts.
        out: A file for the result.
    """
    rows = [
        row(counts, background, spectra, repeats)
        for counts in (100.0, 1000.0, 10_000.0, 100_000.0)
        for background in (False, True)
    ]
    found = {
        "python": platform.python_version(), "numpy": np.__version__,
        "processors": os.cpu_count(), "load_average": os.getloadavg(),
        "rows": rows,
    }  # fmt: skip
    text = json.dumps(found, indent=1)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    tyro.cli(main)

"""Measure the two helix-fit reconstructions on disc samples, and what each ingredient does.

    python tools/measure_alphag_helix.py [--events 3000] [--picture FILE]

Prints the tables of docs/alphag-reconstruction.md and draws its picture. Intervals are the
standard deviation of 200 bootstrap samples.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 (tyro reads the signature)
from typing import Any

import numpy as np
import tyro
from matplotlib.figure import Figure

from blackett.alphag.digitise.settings import DigitiseSettings, Points
from blackett.alphag.evaluate.statistics import core_fit, fwhm
from blackett.alphag.event import EventBatch
from blackett.alphag.reconstruction import reconstruct_batch
from blackett.alphag.simulation import RECIPES, simulate_batches
from blackett.alphag.vertex import Vertices, joined
from blackett.alphag.vertexing import chain, hough
from blackett.seeds import generator

SEED = 11
RESAMPLES = 200
Batches = list[EventBatch]


@dataclass(frozen=True)
class Case:
    """One row: a method with settings on a sample."""

    name: str
    sample: str
    method: str
    settings: Any


MAIN = [
    Case("helix-hough", "full", "helix-hough", hough.DEFAULT),
    Case("helix-chain, data", "full", "helix-chain", chain.DEFAULT),
    Case("helix-chain, simulation", "full", "helix-chain", chain.PRESETS["simulation"]),
    Case("helix-hough, fast mode", "fast", "helix-hough", hough.DEFAULT),
    Case("helix-chain, data, fast mode", "fast", "helix-chain", chain.DEFAULT),
]
INGREDIENTS = [
    Case("helix-hough", "full", "helix-hough", hough.DEFAULT),
    Case("points of pions alone", "pions", "helix-hough", hough.DEFAULT),
    Case("1000 iterations", "full", "helix-hough", replace(hough.DEFAULT, most_iterations=1000)),
    Case("both", "pions", "helix-hough", replace(hough.DEFAULT, most_iterations=1000)),
    Case("every wire with every pad", "pairs", "helix-hough", hough.DEFAULT),
    Case("Lorentz angle cut off", "lorentz", "helix-hough", hough.DEFAULT),
    Case("helix-chain", "full", "helix-chain", chain.DEFAULT),
    Case("points of pions alone", "pions", "helix-chain", chain.DEFAULT),
    Case(
        "a third of the scattering",
        "full",
        "helix-chain",
        replace(chain.DEFAULT, radiation_length_mm=3 * chain.DEFAULT.radiation_length_mm),
    ),
    Case(
        "agana's unchanged helix cuts (15, 8, 40 mm)",
        "full",
        "helix-chain",
        replace(chain.DEFAULT, radial_chi2=15.0, axial_chi2=8.0, axis_distance_mm=40.0),
    ),
    Case("every wire with every pad", "pairs", "helix-chain", chain.DEFAULT),
    Case("Lorentz angle cut off", "lorentz", "helix-chain", chain.DEFAULT),
]


def samples(events: int) -> dict[str, Batches]:
    """Disc samples of the same atoms, digitised in several ways."""
    ways = {
        "full": DigitiseSettings(mode="full"),
        "fast": DigitiseSettings(mode="fast"),
        "pairs": DigitiseSettings(mode="full", points=Points(pair_all=True)),
        "lorentz": DigitiseSettings(mode="full", points=Points(truncated_lorentz=True)),
    }
    made = {
        name: list(
            simulate_batches(replace(RECIPES["disc"], digitise=way), events, generator(SEED))
        )
        for name, way in ways.items()
    }
    return made | {"pions": [pions_alone(batch) for batch in made["full"]]}


def pions_alone(batch: EventBatch) -> EventBatch:
    """Events with only the points that a charged pion made."""
    if batch.tracks is None or batch.track_offset is None:
        raise ValueError("the sample has no truth")
    start = np.repeat(batch.track_offset[:-1], np.diff(batch.point_offset))
    track = np.asarray(batch.points.track, np.int64)
    pdg = np.append(batch.tracks.pdg, 0)[np.where(track >= 0, start + track, -1)]
    kept = np.abs(pdg) == 211
    offset = np.concatenate([[0], np.cumsum(kept)])[batch.point_offset]
    return replace(batch, points=batch.points.rows(np.flatnonzero(kept)), point_offset=offset)


def answers(case: Case, batches: Batches) -> tuple[Vertices, np.ndarray]:
    """What the method says, and the residuals (n, 3), nan without a vertex."""
    found = joined([reconstruct_batch(b, case.method, case.settings) for b in batches])
    true = np.concatenate([b.vertex_mm for b in batches if b.vertex_mm is not None])
    return found, found.position_mm - true


def figures(found: Vertices, off: np.ndarray) -> dict[str, tuple[float, float]]:
    """Value and standard error of every figure."""
    z, sigma = off[:, 2], np.sqrt(found.covariance_mm2[:, 2, 2])
    rng = np.random.default_rng(1)
    whole = np.arange(len(z))[None, :]
    drawn = rng.integers(0, len(z), (RESAMPLES, len(z)))

    def estimate(statistic: Any, values: np.ndarray) -> tuple[float, float]:
        return float(statistic(values[whole])[0]), float(np.std(statistic(values[drawn])))

    def quantile(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.nanpercentile(np.abs(values), 68.27, axis=-1))

    def within(limit: float) -> Any:
        return lambda v: 100 * np.nansum(np.abs(v) < limit, axis=-1) / np.isfinite(v).sum(axis=-1)

    return {
        "efficiency, %": estimate(lambda v: 100 * np.isfinite(v).mean(axis=-1), z),
        "FWHM, mm": estimate(lambda v: fwhm(v, *core_fit(v)), z),
        "core sigma, mm": estimate(lambda v: core_fit(v)[1], z),
        "68 % within, mm": estimate(quantile, z),
        "within 5 mm, %": estimate(within(5), z),
        "beyond 50 mm, %": estimate(lambda v: 100 - within(50)(v), z),
        "core centre, mm": estimate(lambda v: core_fit(v)[0], z),
        "x: 68 % within, mm": estimate(quantile, off[:, 0]),
        "pull of z, core": estimate(lambda v: core_fit(v)[1], z / sigma),
        "pull of z, 68 %": estimate(quantile, z / sigma),
        "tracks found an event": (tracks_found(found), 0.0),
        "tracks of the vertex": (float(found.n_tracks[found.found].mean()), 0.0),
        "points of a track": (float(track_sizes(found).mean()), 0.0),
        "points of no track, %": (100 * float((found.point_track < 0).mean()), 0.0),
    }


def tracks_found(found: Vertices) -> float:
    """Mean number of clusters or chains."""
    pairs = zip(found.point_offset[:-1], found.point_offset[1:], strict=True)
    return float(np.mean([found.point_track[a:b].max(initial=-1) + 1 for a, b in pairs]))


def track_sizes(found: Vertices) -> np.ndarray:
    """Points of every track."""
    event = np.repeat(np.arange(len(found)), found.n_points)
    used = found.point_track >= 0
    label = event[used] * 10_000 + found.point_track[used]
    return np.asarray(np.unique(label, return_counts=True)[1])


def table(cases: list[Case], made: dict[str, Batches]) -> dict[str, np.ndarray]:
    """Print a table of some cases; returns their residuals along z."""
    residuals = {}
    columns = {}
    for case in cases:
        found, off = answers(case, made[case.sample])
        residuals[case.name] = off[:, 2]
        columns[case] = figures(found, off)
    names = list(next(iter(columns.values())))
    lines = [["", *(case.name for case in cases)], ["---"] * (len(cases) + 1)]
    for name in names:
        cells = [columns[case][name] for case in cases]
        lines.append([name, *(f"{v:.3g} ± {e:.2g}" if e else f"{v:.3g}" for v, e in cells)])
    sys.stdout.write("".join("| " + " | ".join(line) + " |\n" for line in lines) + "\n")
    return residuals


def truth(batches: Batches) -> str:
    """How many tracks there truly are."""
    pions, rest, events = 0, 0, 0
    for batch in batches:
        if batch.tracks is not None:
            long = np.asarray(batch.tracks.gas_path_mm) > 35
            pion = np.abs(batch.tracks.pdg) == 211
            pions, rest = pions + int((pion & long).sum()), rest + int((~pion & long).sum())
            events += len(batch)
    return f"true tracks of more than 35 mm: {pions / events:.2f} pions, {rest / events:.2f} others"


def draw(residuals: dict[str, np.ndarray], path: Path) -> None:
    """Histogram of the residuals with their cores, and the share beyond a distance."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    near, far = figure.subplots(1, 2)
    edges, fine = np.linspace(-60, 60, 81), np.linspace(-60, 60, 400)
    for (name, z), colour in zip(residuals.items(), ("tab:blue", "tab:orange"), strict=True):
        good = z[np.isfinite(z)]
        centre, width = (float(a[0]) for a in core_fit(z[None, :]))
        near.hist(good, edges, histtype="step", color=colour, label=name)
        inside = (np.abs(good - centre) < 2 * width).sum() / 0.9545
        bell = np.exp(-(((fine - centre) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
        near.plot(fine, inside * bell * 1.5, ":", color=colour, label=f"core, {width:.1f} mm")
        size = np.sort(np.abs(good))
        far.plot(size, 1 - np.arange(size.size) / size.size, color=colour, label=name)
    near.set(xlabel="z, reconstructed - true / mm", ylabel="events per 1.5 mm")
    far.set(xlabel="distance d along z / mm", ylabel="share of vertices farther than d")
    far.set(xscale="log", yscale="log", xlim=(0.5, 2000), ylim=(2e-3, 1.1))
    for axes in (near, far):
        axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=100)


def main(events: int = 3000, picture: Path | None = None) -> None:
    """Print everything, and draw the picture if a file is named."""
    made = samples(events)
    sys.stdout.write(truth(made["full"]) + "\n\n")
    residuals = table(MAIN, made)
    if picture is not None:
        draw({c.name: residuals[c.name] for c in MAIN[:2]}, picture)
    table(INGREDIENTS[:6], made)
    table(INGREDIENTS[6:], made)


if __name__ == "__main__":
    tyro.cli(main)

"""The picture of an identification: counts, fit, components, residuals, line labels."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma import unmix

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from blackett.arrays import FloatArray
    from blackett.gamma.identification import Identification
    from blackett.gamma.unmix import Unmixed

__all__ = ["draw", "save"]

# Okabe and Ito's colours, told apart by colour-blind readers
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")


def draw(found: Identification, unmixed: Unmixed) -> Figure:
    """Two panels over the true energy: counts with every component, and residuals in sigma."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    edges = np.maximum(unmixed.fit.edges_kev, 1.0)
    per_kev = 1.0 / np.diff(edges)
    data = unmixed.task.data
    top.stairs(data.counts * per_kev, edges, color="0.25", lw=1.0, label="counts")
    top.stairs(unmixed.fit.expected * per_kev, edges, color="black", lw=1.6, alpha=0.8, label="fit")
    background = _background(unmixed)
    if background.any():
        top.stairs(background * per_kev, edges, color="0.6", fill=True, alpha=0.4, label="background")
    for colour, (name, part) in zip(COLOURS * 4, _components(unmixed).items(), strict=False):
        top.stairs(part * per_kev, edges, color=colour, lw=1.4, label=name)
        _label_lines(top, found, name, colour, unmixed)
    _frame(top, data.counts * per_kev, found)
    _residuals(bottom, unmixed, edges)
    return figure


def save(found: Identification, unmixed: Unmixed, path: Path) -> None:
    """Draw to a PNG file, written aside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part.png")
    draw(found, unmixed).savefig(aside, dpi=110)
    os.replace(aside, path)


def _background(unmixed: Unmixed) -> FloatArray:
    """Measured background plus whatever models the room and the pile-up, (B,)."""
    first, stop = unmix.n_room(unmixed.task), unmix.n_room(unmixed.task) + len(unmixed.active)
    parts = unmixed.fit.parts
    background: FloatArray = unmixed.fit.background + parts[:first].sum(0) + parts[stop:].sum(0)
    return background


def _components(unmixed: Unmixed) -> dict[str, FloatArray]:
    first = unmix.n_room(unmixed.task)
    return {
        name: sum((unmixed.fit.parts[first + i] for i in places), np.zeros(1))
        for name, places in unmix.columns_by_source(unmixed.task, unmixed.active).items()
    }


def _label_lines(
    top: Axes, found: Identification, name: str, colour: str, unmixed: Unmixed
) -> None:
    """The name of a line above the data at its energy."""
    edges, counts = unmixed.fit.edges_kev, unmixed.task.data.counts
    density = counts / np.diff(edges)
    for nuclide in found.nuclides:
        if nuclide.nuclide != name:
            continue
        for line in nuclide.lines:
            place = int(np.clip(np.searchsorted(edges, line.energy_kev) - 1, 0, counts.size - 1))
            near = density[max(place - 2, 0) : place + 3].max()
            top.annotate(
                f"{name} {line.energy_kev:.0f}", (line.energy_kev, max(near, 1e-3) * 1.15),
                rotation=90, ha="center", va="bottom", fontsize=7, color=colour,
            )  # fmt: skip


def _frame(top: Axes, density: FloatArray, found: Identification) -> None:
    positive = density[density > 0]
    highest = positive.max() if positive.size else 1.0
    lowest = max(positive.min() if positive.size else 1e-3, highest * 1e-6)
    top.set_yscale("log")
    top.set_ylim(lowest * 0.5, highest * 8.0)
    top.set_ylabel("counts per keV")
    names = ", ".join(f"{n.nuclide} ({n.significance_sigma:.0f} sigma)" for n in found.nuclides)
    top.set_title(f"{found.file}  {found.detector}  {names or found.verdict}", fontsize=10)
    top.legend(fontsize=8, ncols=2)
    top.grid(alpha=0.25)


def _residuals(bottom: Axes, unmixed: Unmixed, edges: FloatArray) -> None:
    residual = (unmixed.task.data.counts - unmixed.fit.expected) * np.sqrt(unmixed.fit.weights)
    bottom.stairs(residual, edges, color="0.25", lw=1.0)
    bottom.axhline(0.0, color="black", lw=0.6)
    bottom.set_xscale("symlog", linthresh=400, linscale=2.0)
    ticks = [30, 60, 100, 200, 300, 400, 662, 1000, 1461, 2000, 2614]
    bottom.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=8)
    bottom.set_xlim(edges[0], edges[-1])
    bottom.set_ylim(-6, 6)
    bottom.set_ylabel("residual / sigma")
    bottom.set_xlabel("energy / keV, as fitted")
    bottom.grid(alpha=0.25)

"""Draw events: x-y and r-z, points coloured by the track that made them, vertex and bar hits.

python tools/plot_alphag_event.py out.png [--recipe disc] [--events 3] [--seed 1] [--mode fast]
python tools/plot_alphag_event.py out.png --file shard-00000.parquet
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path  # noqa: TC003 (tyro reads the signature)
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro

from blackett.alphag import formats
from blackett.alphag.simulation import find_recipe, simulate
from blackett.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.alphag.event import Event


def main(
    out: Annotated[Path, tyro.conf.Positional],
    recipe: str = "disc",
    events: int = 3,
    seed: int = 1,
    mode: Literal["fast", "full"] = "fast",
    file: Path | None = None,
) -> None:
    """Draw the first events of a file, or simulated ones, one row each."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    source: Iterator[Event]
    if file is not None:
        source = formats.read(file)
    else:
        chosen = find_recipe(recipe)
        chosen = replace(chosen, digitise=replace(chosen.digitise, mode=mode))
        source = simulate(chosen, events, generator(seed))
    chosen_events = list(islice(source, events))
    figure, axes = plt.subplots(
        len(chosen_events), 2, figsize=(13, 5.5 * len(chosen_events)), squeeze=False,
        width_ratios=(1, 1.3),
    )  # fmt: skip
    for (left, right), event in zip(axes, chosen_events, strict=True):
        draw(left, right, event)
    figure.tight_layout()
    figure.savefig(out, dpi=110)


def draw(left: Any, right: Any, event: Event) -> None:
    """One event in x-y and in z against signed radius (upper half of the chamber up)."""
    points = event.points
    ghost = points.track < 0
    colour = np.where(ghost, 0, points.track % 10)
    sign = np.where(points.y_mm >= 0, 1, -1)
    for axis, x, y in ((left, points.x_mm, points.y_mm), (right, points.z_mm, sign * points.r_mm)):
        axis.scatter(x[ghost], y[ghost], s=3, color="0.75")
        axis.scatter(x[~ghost], y[~ghost], s=5, c=colour[~ghost], cmap="tab10", vmin=0, vmax=9)
    for radius in (24.0, 109.25, 174.0, 182.0, 190.0):
        angle = np.linspace(0, 2 * np.pi, 200)
        left.plot(radius * np.cos(angle), radius * np.sin(angle), color="0.6", lw=0.6)
        for side in (-1, 1):
            right.axhline(side * radius, color="0.6", lw=0.6)
    bar = event.bars.bar * (2 * np.pi / 64)
    left.scatter(233 * np.cos(bar), 233 * np.sin(bar), marker="s", color="k", s=20)
    if event.truth is not None and not event.truth.cosmic:
        x, y, z = event.truth.vertex_mm
        left.plot(x, y, "k+", ms=12)
        right.plot(z, np.copysign(np.hypot(x, y), y), "k+", ms=12)
    left.set(aspect="equal", xlim=(-250, 250), ylim=(-250, 250), xlabel="x / mm", ylabel="y / mm")
    right.set(xlabel="z / mm", ylabel="r / mm (sign of y)", ylim=(-200, 200))
    left.set_title(f"event {event.number}: {len(points)} points, {len(event.bars)} bars")


if __name__ == "__main__":
    tyro.cli(main)

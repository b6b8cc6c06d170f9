"""Learning curves as a picture."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_history", "save_curves"]


def read_history(history: Path) -> dict[str, list[float]]:
    """Columns of history.csv."""
    with history.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def save_curves(history: Path, picture: Path) -> Path:
    """Draw every loss in history.csv against the step, training and validation; returns the path.

    A thin line shows the learning rate on an axis of its own.
    """
    from matplotlib.figure import Figure

    columns = read_history(history)
    step = columns["step"]
    names = [n for n in columns if n not in {"step", "learning_rate"} and not n.startswith("val_")]
    figure = Figure(figsize=(3.4 * len(names), 3.0), dpi=90, layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(step, columns[name], "-", color="#1f77b4", label="training")
        if f"val_{name}" in columns:
            axes.plot(step, columns[f"val_{name}"], "o-", ms=2.5, color="#d62728", label="fresh")
        axes.set(title=name, xlabel="step")
        rate = axes.twinx()
        rate.plot(step, columns["learning_rate"], ":", lw=0.8, color="0.5")
        rate.set_yticks([])
        axes.legend(fontsize=7)
    figure.savefig(picture, metadata={"Software": None})
    return picture

"""Scores against events seen, from the histories of training runs, for docs/alphag-networks.png.

python tools/plot_alphag_training.py NAME=RUN [NAME=RUN ...] --out docs/alphag-networks.png
"""

from __future__ import annotations

import json
from pathlib import Path

import tyro
from matplotlib.figure import Figure

from blackett.learn.curves import read_history

_PANELS = {
    "width": "central 68 %, half (mm)",
    "mae": "MAE (mm)",
    "beyond_50mm": "beyond 50 mm",
}


def main(runs: tyro.conf.Positional[tuple[str, ...]], out: Path) -> None:
    """Draw three scores of z on the events of validation for each run, NAME=FOLDER."""
    figure = Figure(figsize=(9.6, 3.0), dpi=100, layout="constrained")
    axes = figure.subplots(1, len(_PANELS))
    for run in runs:
        name, _, folder = run.partition("=")
        columns = read_history(Path(folder) / "history.csv")
        card = json.loads((Path(folder) / "vertex.json").read_text(encoding="utf-8"))
        seen = [step * card["recipe"]["data"]["batch"] for step in columns["step"]]
        for axis, score in zip(axes, _PANELS, strict=True):
            axis.loglog(seen, columns[f"val_{score}"], "o-", ms=3, label=name)
    for axis, label in zip(axes, _PANELS.values(), strict=True):
        axis.set(xlabel="events seen", ylabel=label)
        axis.grid(alpha=0.3, which="both")
    axes[0].legend(fontsize=8)
    figure.savefig(out, metadata={"Software": None})


if __name__ == "__main__":
    tyro.cli(main)

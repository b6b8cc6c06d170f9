"""Draw what a training run left: losses, detection against significance, coverage of intervals.

python tools/plot_network.py build/network --out docs/networks.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from blackett.learn.curves import read_history

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = (1, 2, 5, 10, 20, 50)


def losses(axes: Axes, history: dict[str, list[float]]) -> None:
    """Cross-entropy of presence against the step."""
    axes.plot(history["step"], history["presence"], label="training")
    axes.plot(history["step"], history["val_presence"], "o-", ms=2.5, label="fresh spectra")
    axes.set(xlabel="step", ylabel="cross-entropy of presence")
    axes.legend(fontsize=8)


def detection(axes: Axes, scores: dict[str, Any]) -> None:
    """Share of sources declared, by expected net counts over the root of all counts."""
    for key in ("at_0.01", "at_0.001", "at_0.0001"):
        if key not in scores:
            continue
        rows = scores[key]["detected_by_significance"][1:-1]
        at = [np.sqrt(row["from"] * row["to"]) for row in rows]
        share = np.array([row["declared"] for row in rows])
        errors = np.abs(share[:, 1:] - share[:, :1]).T
        axes.errorbar(at, share[:, 0], errors, fmt="o-", ms=3, label=key.removeprefix("at_"))
    axes.set(xlabel="net counts / √all counts", ylabel="share declared", xscale="log", ylim=(0, 1))
    axes.set_xticks(TICKS, [str(t) for t in TICKS])
    axes.minorticks_off()
    axes.legend(fontsize=8, title="false-alarm rate", title_fontsize=8)


def coverage(axes: Axes, scores: dict[str, Any]) -> None:
    """Share of true net counts inside the intervals, by predicted net counts."""
    for level in ("0.68", "0.95"):
        rows = [r for r in scores["coverage"] if r[level] is not None]
        share = np.array([r[level] for r in rows])
        at = [r["log10_net_from"] + 0.25 for r in rows]
        errors = np.abs(share[:, 1:] - share[:, :1]).T
        axes.errorbar(at, share[:, 0], errors, fmt="o", ms=3, label=f"{level} interval")
        axes.axhline(float(level), lw=0.8, color="0.5")
    axes.set(xlabel="log10 of predicted net counts", ylabel="share covered", ylim=(0.5, 1.0))
    axes.legend(fontsize=8, loc="lower right")


def main() -> None:
    """Draw one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    scores = json.loads((options.run / "network.json").read_text(encoding="utf-8"))["scores"]
    figure = Figure(figsize=(11, 3.4), dpi=90, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    losses(left, read_history(options.run / "history.csv"))
    detection(middle, scores)
    coverage(right, scores)
    figure.savefig(options.out, metadata={"Software": None})


if __name__ == "__main__":
    main()

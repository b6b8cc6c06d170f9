"""Pictures of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from blackett.arrays import FloatArray
    from blackett.gamma.evaluate.metrics import Detection, Scores
    from blackett.report import Estimate

__all__ = [
    "confusion_picture",
    "detection_by_source_picture",
    "detection_picture",
    "f1_picture",
    "reliability_picture",
]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
"""Okabe and Ito's palette, told apart by the colour-blind."""
MARKERS = "osD^vPX"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def f1_picture(of: Mapping[str, Mapping[str, Scores]], counts: Sequence[int]) -> Figure:
    """Micro and macro F1 of each method against net counts; `of` by suite, then method."""
    figure = _figure(9.0, 3.8)
    for axes, (name, title) in zip(
        figure.subplots(1, 2, sharey=True),
        (("micro_f1", "micro F1"), ("macro_f1", "macro F1")),
        strict=True,
    ):
        for k, method in enumerate(next(iter(of.values()))):
            points = [getattr(of[f"counts-{n}"][method], name) for n in counts]
            place = np.array(counts) * (1 + 0.03 * (k - 2))
            _with_bars(axes, place, points, k, method)
        axes.set(xscale="log", xlabel="net counts", title=title, ylim=(0, 1))
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False)
    return figure


def _with_bars(axes, x: FloatArray, points: Sequence[Estimate], k: int, label: str) -> None:  # type: ignore[no-untyped-def]
    value = np.array([p.value for p in points])
    bars = np.array([[p.value - p.low, p.high - p.value] for p in points]).T
    axes.errorbar(
        x, value, np.maximum(bars, 0.0), color=COLOURS[k % 7], marker=MARKERS[k % 7],
        markersize=5, linewidth=1.4, capsize=2, label=label,
    )  # fmt: skip


def detection_picture(curves: Mapping[str, Detection]) -> Figure:
    """Probability of detection of single sources against net counts, by method."""
    figure = _figure(6.5, 4.0)
    axes = figure.subplots()
    for k, (method, curve) in enumerate(curves.items()):
        centres = np.sqrt(curve.edges[1:] * curve.edges[:-1]) * (1 + 0.02 * (k - 2))
        _with_bars(axes, centres, curve.share, k, method)
    axes.set(xscale="log", xlabel="net counts", ylabel="detected and named", ylim=(0, 1.02))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    return figure


def detection_by_source_picture(of: Mapping[str, tuple[FloatArray, np.ndarray]]) -> Figure:
    """Net counts (n,) of single sources and whether each was detected (n,), by name."""
    figure = _figure(7.5, 0.125 * len(of) + 1.2)
    axes = figure.subplots()
    for row, (counts, hit) in enumerate(of.values()):
        axes.scatter(counts[~hit], np.full((~hit).sum(), row), s=9, facecolors="none",
                     edgecolors="0.55", linewidths=0.6)  # fmt: skip
        axes.scatter(counts[hit], np.full(hit.sum(), row), s=9, color=COLOURS[0])
    axes.set_yticks(range(len(of)), list(of))
    axes.tick_params(axis="y", labelsize=5.5)
    axes.set(xscale="log", xlabel="net counts", ylim=(len(of), -1))
    axes.grid(alpha=0.25, axis="x")
    return figure


def reliability_picture(
    curves: Mapping[str, tuple[FloatArray, tuple[Estimate, ...], FloatArray]],
) -> Figure:
    """Share that is true against probability stated, by method."""
    figure = _figure(4.8, 4.5)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    for k, (method, (mean, shares, number)) in enumerate(curves.items()):
        known = number >= 5
        _with_bars(axes, mean[known], [s for s, n in zip(shares, known, strict=True) if n],
                   k, method)  # fmt: skip
    axes.set(xlabel="probability stated", ylabel="share that is true", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    return figure


def confusion_picture(matrix: FloatArray, names: Sequence[str]) -> Figure:
    """Confusion matrix (F, F + 1) of the sources that were there (rows)."""
    rows = np.flatnonzero(~np.isnan(matrix).all(axis=1))
    named = np.nansum(matrix[:, :-1], axis=0) > 0
    columns = np.union1d(rows, np.flatnonzero(named))
    shown = np.concatenate([matrix[np.ix_(rows, columns)], matrix[rows, -1:]], axis=1)
    figure = _figure(max(5.0, 0.13 * columns.size + 2.0), max(4.5, 0.13 * rows.size + 1.5))
    axes = figure.subplots()
    image = axes.imshow(shown, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(columns.size + 1), [*(names[int(c)] for c in columns), "nothing"])
    axes.set_yticks(range(rows.size), [names[int(r)] for r in rows])
    axes.tick_params(labelsize=5.5)
    axes.tick_params(axis="x", rotation=90)
    axes.set(xlabel="named", ylabel="there")
    figure.colorbar(image, ax=axes, label="share of spectra", shrink=0.6)
    return figure

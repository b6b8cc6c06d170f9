"""Pictures of an evaluation: true against reconstructed z, residuals, bias, resolution, pulls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from blackett.alphag.evaluate.metrics import GROUPS
from blackett.alphag.evaluate.rejection import EFFICIENCIES, SLICES_MM, background_curve
from blackett.alphag.evaluate.statistics import CORE_WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from blackett.alphag.evaluate.metrics import Grouping, Scores
    from blackett.alphag.evaluate.rejection import Rejection
    from blackett.alphag.evaluate.sample import Answers, Sample
    from blackett.arrays import FloatArray

__all__ = [
    "against_true", "background", "by_group", "by_slice", "kept_along_z", "pulls", "residuals",
    "tails",
]  # fmt: skip

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""From Okabe and Ito's palette, told apart by colour-blind readers; markers differ, too."""
MARKERS: Final = ("o", "s", "^", "D", "v", "P")
_HALF_LENGTH_MM = 1150.0
_RESIDUAL_RANGE_MM = 40.0
_FLOOR_STYLE = {"color": "0.35", "marker": "_", "ls": "--"}


def style_of(k: int, name: str) -> dict[str, Any]:
    """Line and marker of the k-th method; the floor is dashed grey."""
    if name == "floor":
        return dict(_FLOOR_STYLE)
    return {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "ls": "-"}


def against_true(sample: Sample, every: Sequence[Answers]) -> Figure:
    """Reconstructed against true z, one panel a method, events in bins of 20 mm."""
    figure, axes = _panels(len(every), height=3.6)
    edges = np.arange(-_HALF_LENGTH_MM, _HALF_LENGTH_MM + 1, 20.0)
    limit = (-_HALF_LENGTH_MM, _HALF_LENGTH_MM)
    true = sample.vertex_mm[:, 2]
    known = [np.isfinite(true) & a.found for a in every]
    tables = [
        np.histogram2d(true[k], a.position_mm[k, 2], bins=[edges, edges])[0]
        for k, a in zip(known, every, strict=True)
    ]
    norm = LogNorm(vmin=1, vmax=max(2.0, *(float(table.max()) for table in tables)))
    for axis, answers, chosen, table in zip(axes, every, known, tables, strict=True):
        filled = np.ma.masked_equal(table.T, 0)
        image = axis.pcolormesh(edges, edges, filled, norm=norm, cmap="viridis")
        axis.set(xlim=limit, ylim=limit, aspect="equal", xlabel="true z / mm")
        r = _correlation(true[chosen], answers.position_mm[chosen, 2])
        axis.set_title(f"{answers.name}  (r = {r:.5f})", fontsize=10)
    axes[0].set_ylabel("reconstructed z / mm")
    figure.colorbar(image, ax=list(axes), label="events", shrink=0.8)
    return figure


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson's r, nan for fewer than three pairs or no spread."""
    if len(a) < 3 or not (a.std() > 0 and b.std() > 0):
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def residuals(sample: Sample, every: Sequence[Answers], scores: Sequence[Scores]) -> Figure:
    """Residuals of z with the Gaussian of the core, one panel a method."""
    figure, axes = _panels(len(every), height=3.3)
    for k, (axis, answers, found) in enumerate(zip(axes, every, scores, strict=True)):
        values = _residual(sample, answers)
        edges = np.linspace(-_RESIDUAL_RANGE_MM, _RESIDUAL_RANGE_MM, 81)
        colour = style_of(k, answers.name)["color"]
        axis.hist(values, edges.tolist(), color=colour, alpha=0.45, histtype="stepfilled")
        centre, sigma = (found.overall[key].value for key in ("core_mean_mm", "core_sigma_mm"))
        if sigma > 0:
            _gaussian(axis, values, centre, sigma, edges[1] - edges[0])
        width = found.overall["fwhm_mm"].value
        text = f"core {sigma:.2f} mm\nFWHM {width:.1f} mm"
        axis.text(0.97, 0.95, text, ha="right", va="top", transform=axis.transAxes, fontsize=9)
        axis.set(xlabel="reconstructed − true z / mm", xlim=(edges[0], edges[-1]))
        axis.set_title(answers.name, fontsize=10)
    axes[0].set_ylabel("events in 1 mm")
    return figure


def _gaussian(axis: Axes, values: FloatArray, centre: float, sigma: float, width: float) -> None:
    """The fitted core, full inside the window and dotted outside."""
    from scipy.stats import norm

    reach = CORE_WINDOW * sigma
    share = 2 * norm.cdf(CORE_WINDOW) - 1
    height = (np.abs(values - centre) < reach).sum() / share * width
    for low, high, dashes in (
        (centre - reach, centre + reach, "-"),
        (centre - 2 * reach, centre - reach, ":"),
        (centre + reach, centre + 2 * reach, ":"),
    ):
        x = np.linspace(low, high, 100)
        axis.plot(x, height * norm.pdf(x, centre, sigma), color="k", lw=1.4, ls=dashes)


def tails(sample: Sample, every: Sequence[Answers]) -> Figure:
    """Share of all events that are off by more than a distance, or have no answer."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axis = figure.subplots()
    distance = np.geomspace(0.5, 1500, 200)
    n = int(sample.annihilations.sum())
    for k, answers in enumerate(every):
        size = np.sort(np.abs(_residual(sample, answers)))
        share = 1 - np.searchsorted(size, distance, side="right") / n
        style = {**style_of(k, answers.name), "marker": ""}
        axis.plot(distance, share, label=answers.name, lw=1.6, **style)
    axis.set(xscale="log", yscale="log", xlabel="distance in z / mm", ylim=(5e-4, 1.05))
    axis.set_ylabel("share of events farther off,\nor without an answer")
    _finish(axis)
    return figure


def by_slice(scores: Sequence[Scores]) -> Figure:
    """Bias, core sigma and efficiency in slices of true z, with bootstrap intervals."""
    figure = Figure(figsize=(9, 8.6), layout="constrained")
    grouping = GROUPS[0]
    centres = (np.array(grouping.edges[1:]) + np.array(grouping.edges[:-1])) / 2
    axes = figure.subplots(3, 1, sharex=True)
    rows = [
        ("trimmed_mean_mm", "trimmed mean\nresidual / mm"),
        ("core_sigma_mm", "core sigma / mm"),
        ("efficiency", "efficiency"),
    ]
    for axis, (key, label) in zip(axes, rows, strict=True):
        for k, found in enumerate(scores):
            if key == "trimmed_mean_mm" and found.name == "floor":
                continue
            shift = 8.0 * (k - (len(scores) - 1) / 2)
            _with_intervals(axis, centres + shift, found, grouping, key, style_of(k, found.name))
        axis.set_ylabel(label)
        _finish(axis, legend=axis is axes[1])
    axes[0].axhline(0, color="0.6", lw=0.8)
    axes[0].set_ylim(*_largest_bias(scores))
    axes[1].set_ylim(bottom=0)
    axes[2].set_xlabel("true z / mm")
    return figure


def _largest_bias(scores: Sequence[Scores]) -> tuple[float, float]:
    """Limits that hold the bias of every slice, up to 15 mm."""
    entries = [g["trimmed_mean_mm"].value for s in scores for g in s.groups["by_slice"] if g]
    largest = float(np.nanmax(np.abs([*entries, 1.0])))
    return -min(1.3 * largest, 15.0), min(1.3 * largest, 15.0)


def by_group(scores: Sequence[Scores]) -> Figure:
    """Core sigma by tracks, azimuth and radius of the true vertex."""
    known = [g for g in GROUPS[1:] if g.key in scores[0].groups]
    figure, axes = _panels(len(known), height=3.6, share_y=False)
    for axis, grouping in zip(axes, known, strict=True):
        places = np.arange(len(grouping.edges) - 1.0)
        for k, found in enumerate(scores):
            shift = 0.1 * (k - (len(scores) - 1) / 2)
            style = {**style_of(k, found.name), "ls": ""}
            _with_intervals(axis, places + shift, found, grouping, "core_sigma_mm", style)
        labels = [grouping.label(k) for k in range(len(places))]
        crowded = len(labels) > 5
        axis.set_xticks(places, labels, rotation=60 if crowded else 0, fontsize=8)
        axis.set(xlabel=grouping.quantity)
        axis.set_ylim(bottom=0)
        _finish(axis, legend=axis is axes[0])
    axes[0].set_ylabel("core sigma of z / mm")
    return figure


def pulls(sample: Sample, every: Sequence[Answers], scores: Sequence[Scores]) -> Figure:
    """Residual over own sigma of the methods that give one, against the unit Gaussian."""
    from scipy.stats import norm

    pairs = [(k, a, s) for k, (a, s) in enumerate(zip(every, scores, strict=True))]
    chosen = [p for p in pairs if np.isfinite(p[2].overall["pull_std"].value)]
    figure, axes = _panels(max(len(chosen), 1), height=3.3)
    edges = np.linspace(-6, 6, 61)
    x = np.linspace(-6, 6, 200)
    for axis, (k, answers, found) in zip(axes, chosen, strict=False):
        sigma = np.sqrt(answers.covariance_mm2[:, 2, 2])
        values = (answers.position_mm[:, 2] - sample.vertex_mm[:, 2]) / sigma
        values = values[np.isfinite(values)]
        weight = np.full(values.size, 1 / (values.size * (edges[1] - edges[0])))
        colour = style_of(k, answers.name)["color"]
        axis.hist(
            values, edges.tolist(), weights=weight, color=colour, alpha=0.45, histtype="stepfilled"
        )
        axis.plot(x, norm.pdf(x), color="k", lw=1.2)
        text = f"core {found.overall['pull_std'].value:.2f}"
        axis.text(0.97, 0.95, text, ha="right", va="top", transform=axis.transAxes, fontsize=9)
        axis.set(xlabel="residual / own sigma", xlim=(-6, 6))
        axis.set_title(answers.name, fontsize=10)
    axes[0].set_ylabel("density")
    return figure


def background(sample: Sample, every: Sequence[Answers]) -> Figure:
    """Background (Hz) against the share of annihilations kept, one line a method; where no muon is
    left the line ends."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axis = figure.subplots()
    shares = np.concatenate([np.linspace(0.5, 0.99, 99), np.linspace(0.9905, 1.0, 20)])
    for k, answers in enumerate(every):
        rate, kept = background_curve(sample, answers, shares.tolist())
        style = {**style_of(k, answers.name), "marker": ""}
        axis.plot(shares[kept > 0], rate[kept > 0], label=answers.name, lw=1.6, **style)
    axis.set(yscale="log", xlabel="share of answered annihilations kept", ylabel="muons kept / Hz")
    _finish(axis)
    return figure


def kept_along_z(rejections: Sequence[Rejection]) -> Figure:
    """Share of answered annihilations kept in slices of true z, one panel an efficiency."""
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    axes = figure.subplots(len(EFFICIENCIES), 1, sharex=True)
    centres = (SLICES_MM[1:] + SLICES_MM[:-1]) / 2
    for i, (axis, share) in enumerate(zip(axes, EFFICIENCIES, strict=True)):
        for k, found in enumerate(rejections):
            number = found.n_answered[0] / len(centres)
            error = np.sqrt(share * (1 - share) / number)
            style = style_of(k, found.name)
            axis.errorbar(
                centres, found.slices[i], yerr=error, ms=4, lw=1, label=found.name, **style
            )
        axis.axhspan(share - 0.005, share + 0.005, color="0.93", zorder=0)
        axis.set_ylabel("share kept")
        _finish(axis, legend=i == 0)
    axes[-1].set_xlabel("true z / mm")
    return figure


def _panels(n: int, height: float, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """A row of panels, in two rows from five on."""
    columns = n if n <= 4 else (n + 1) // 2
    rows = -(-n // columns)
    figure = Figure(figsize=(max(2.8 * columns, 5), height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y).ravel()
    for axis in grid[n:]:
        axis.remove()
    return figure, list(grid[:n])


def _residual(sample: Sample, answers: Answers) -> FloatArray:
    values = answers.position_mm[:, 2] - sample.vertex_mm[:, 2]
    return np.asarray(values[np.isfinite(values)])


def _with_intervals(
    axis: Axes, places: FloatArray, found: Scores, grouping: Grouping, key: str,
    style: dict[str, Any],
) -> None:  # fmt: skip
    entries = [g[key] if g else None for g in found.groups[grouping.key]]
    known = [k for k, e in enumerate(entries) if e is not None and np.isfinite(e.value)]
    value, low, high = (
        np.array([getattr(entries[k], name) for k in known], np.float64)
        for name in ("value", "low", "high")
    )
    spread = np.clip(np.nan_to_num([value - low, high - value]), 0, None)
    axis.errorbar(
        places[known], value, yerr=spread, ms=4, lw=1.0, elinewidth=0.9, label=found.name, **style
    )


def _finish(axis: Axes, legend: bool = True) -> None:
    axis.grid(color="0.9", lw=0.6)
    axis.set_axisbelow(True)
    if legend:
        axis.legend(fontsize=8, frameon=False)

"""The report of a study: a table and a picture for every method, and what is varied and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from blackett.alphag.evaluate.pictures import COLOURS, MARKERS
from blackett.alphag.systematics.comparison import COUNTING, DOWN_MM, RESOLUTION, UP_MM
from blackett.alphag.systematics.findings import in_all
from blackett.report import LEVEL, Report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from blackett.alphag.systematics.findings import Finding
    from blackett.alphag.systematics.variations import Variation
    from blackett.report import Cell

__all__ = ["build", "picture"]

_TICKS = (-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100)
_SHOWN = {
    "shift_mm": "shift of z / mm",
    "core_percent": "core sigma / %",
    "efficiency_points": "efficiency / points",
    "ratio_percent": "up over down / %",
}


def build(
    findings: Sequence[Finding], samples: tuple[str, str], events: int,
    provenance: Mapping[str, str],
) -> Report:  # fmt: skip
    """The report on a study with `events` annihilations of each of two samples."""
    report = Report("ALPHA-g systematic effects", provenance)
    by_method = {m: [f for f in findings if f.method == m] for m in _methods(findings)}
    _summary(report, by_method, samples, events)
    report.section("Every variation")
    for method, own in by_method.items():
        rows = [_row(f) for f in own]
        report.table(
            ["variation", "counted", *RESOLUTION, *COUNTING], rows, f"{method}: change by effect"
        )
    _variations(report, findings)
    report.section("What the numbers are")
    report.table(["number", "definition"], [[k, v] for k, v in (RESOLUTION | COUNTING).items()])
    report.numbers("interval_level", LEVEL)
    report.numbers("n_events", events)
    report.numbers("definitions", RESOLUTION | COUNTING)
    report.numbers("regions_mm", {"down": DOWN_MM, "up": UP_MM})
    report.numbers("methods", {method: _record(own) for method, own in by_method.items()})
    return report


def _methods(findings: Sequence[Finding]) -> list[str]:
    return list(dict.fromkeys(f.method for f in findings))


def _summary(
    report: Report, by_method: Mapping[str, Sequence[Finding]], samples: tuple[str, str],
    events: int,
) -> None:  # fmt: skip
    report.section("Summary")
    report.text(
        f"{events} annihilations of the recipe {samples[0]!r} (shift, resolution, efficiency) and "
        f"{events} of {samples[1]!r} (counts in the regions), the same in every world, with the "
        "same random numbers as far as can be. No reconstruction knows of a variation. Intervals "
        f"are {100 * LEVEL:.0f} % of paired bootstrap samples of the annihilations."
    )
    report.figure(picture(by_method), "Change by effect; axes are linear around 0 and then roots.")
    keys = [*RESOLUTION, *COUNTING]
    rows: list[list[Cell]] = []
    for method, own in by_method.items():
        sums = [in_all(own, key) for key in keys]
        rows.append([method, "all effects", *(total for total, _ in sums)])
        rows.append([method, "of which noise", *(noise for _, noise in sums)])
    report.table(
        ["method", "", *keys], rows,
        "Quadratic sum over all quantities, each with its share; of both sides the larger. Noise: "
        "what the number of events alone would give.",
    )  # fmt: skip


def _row(finding: Finding) -> list[Cell]:
    variation, found = finding.variation, finding.effects
    return [variation.label, variation.share, *(found[key] for key in (*RESOLUTION, *COUNTING))]


def _variations(report: Report, findings: Sequence[Finding]) -> None:
    report.section("What is varied")
    seen: dict[str, Variation] = {f.variation.label: f.variation for f in findings}
    rows = [[label, v.source, f"{v.share:.3g}", v.against] for label, v in seen.items()]
    report.table(["variation", "source of its size", "counted", "against"], rows)


def _record(own: Sequence[Finding]) -> dict[str, Any]:
    """As the JSON file holds it."""
    totals = {key: in_all(own, key) for key in (*RESOLUTION, *COUNTING)}
    return {
        "variations": [
            {
                "name": f.variation.name, "change": f.variation.change,
                "source": f.variation.source, "against": f.variation.against,
                "share": f.variation.share, "group": f.variation.group, **f.effects,
            }
            for f in own
        ],
        "all": {key: {"sum": total, "noise": noise} for key, (total, noise) in totals.items()},
    }  # fmt: skip


def picture(by_method: Mapping[str, Sequence[Finding]]) -> Figure:
    """Four effects of every variation, one row a variation, with intervals."""
    labels = list(dict.fromkeys(f.variation.label for own in by_method.values() for f in own))
    height = 1.3 + 0.24 * len(labels)
    figure = Figure(figsize=(11.5, height), layout="constrained")
    axes = figure.subplots(1, len(_SHOWN), sharey=True)
    for axis, (key, label) in zip(axes, _SHOWN.items(), strict=True):
        for k, (method, own) in enumerate(by_method.items()):
            place = {f.variation.label: f.effects[key] for f in own}
            shift = 0.22 * (k - (len(by_method) - 1) / 2)
            rows = [(i + shift, place[name]) for i, name in enumerate(labels) if name in place]
            _draw(axis, rows, k, method)
        axis.axvline(0, color="0.6", lw=0.8)
        axis.set_xscale("function", functions=(_root, _square))
        low, high = axis.get_xlim()
        crowded = max(-low, high) > 20
        axis.set_xticks([v for v in _TICKS if low <= v <= high and not (crowded and abs(v) == 1)])
        axis.set_xlabel(label)
        axis.grid(color="0.9", lw=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(axis="x", labelsize=8)
    axes[0].set_yticks(range(len(labels)), labels, fontsize=8)
    axes[0].set_ylim(len(labels) - 0.4, -0.6)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False)
    return figure


def _draw(axis: Axes, rows: Sequence[tuple[float, Any]], k: int, method: str) -> None:
    known = [(y, e) for y, e in rows if np.isfinite([e.value, e.low, e.high]).all()]
    y = [place for place, _ in known]
    x = np.array([e.value for _, e in known])
    ends = np.array([[e.value - e.low, e.high - e.value] for _, e in known]).reshape(-1, 2)
    axis.errorbar(
        x, y, xerr=np.clip(ends, 0, None).T, ls="", ms=3.5, lw=0.9, label=method,
        color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)],
    )  # fmt: skip


def _root(x: np.ndarray) -> np.ndarray:
    """Signed roots, straight near 0, so that large and small effects are seen together."""
    return np.asarray(np.sign(x) * (np.sqrt(1 + 2 * np.abs(x)) - 1))


def _square(y: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(y) * ((1 + np.abs(y)) ** 2 - 1) / 2)

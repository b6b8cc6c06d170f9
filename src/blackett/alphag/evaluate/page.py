"""The report of an evaluation: tables, pictures, definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.evaluate import pictures
from blackett.alphag.evaluate.displays import display
from blackett.alphag.evaluate.metrics import DEFINITIONS, GROUPS
from blackett.alphag.evaluate.rejection import REJECTION
from blackett.report import LEVEL, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from blackett.alphag.evaluate.metrics import Grouping, Scores
    from blackett.alphag.evaluate.rejection import Rejection
    from blackett.alphag.evaluate.sample import Answers, Sample
    from blackett.alphag.event import Event
    from blackett.alphag.vertex import Vertex
    from blackett.report import Cell, Estimate

__all__ = ["build"]

_MAIN = (
    "efficiency", "core_sigma_mm", "fwhm_mm", "mae_mm", "rmse_mm", "within_5mm", "within_10mm",
    "within_15mm", "beyond_50mm", "good_10mm",
)  # fmt: skip
_HONEST = (
    "mean_mm", "trimmed_mean_mm", "sigma_mm", "pull_std", "coverage_68", "coverage_95",
    "floor_sigma_mm", "floor_core_sigma_mm", "core_over_floor", "floor_pull_std",
)  # fmt: skip
_COMMON = (
    "core_sigma_mm", "fwhm_mm", "mae_mm", "rmse_mm", "within_5mm", "within_10mm", "beyond_50mm",
)  # fmt: skip
_IN_GROUP = ("efficiency", "core_sigma_mm", "trimmed_mean_mm", "within_10mm", "floor_sigma_mm")


def build(
    sample: Sample,
    every: Sequence[Answers],
    scores: Sequence[Scores],
    common: tuple[int, Mapping[str, Mapping[str, Estimate]]],
    shown: Iterable[tuple[Event, Vertex, str]],
    provenance: Mapping[str, str],
    rejections: Sequence[Rejection] = (),
) -> Report:
    """The report; `shown` are events to display with a method's answers, `rejections` of methods
    that tell muons."""
    report = Report("ALPHA-g vertex reconstruction", provenance)
    _summary(report, sample, scores, common)
    _z(report, sample, every, scores)
    _dependence(report, scores)
    _honesty(report, sample, every, scores)
    _muons(report, sample, every, rejections)
    _displays(report, shown)
    _definitions(report)
    _numbers(report, sample, scores, common)
    return report


def _summary(
    report: Report,
    sample: Sample,
    scores: Sequence[Scores],
    common: tuple[int, Mapping[str, Mapping[str, Estimate]]],
) -> None:
    n, true = len(sample), int(sample.annihilations.sum())
    report.section("Summary")
    report.text(
        f"{true} annihilations with a known vertex, the same for every method"
        + (f" ({n - true} cosmic muons left out)" if n > true else "")
        + f". Intervals are {100 * LEVEL:.0f} % of bootstrap samples of the events."
    )
    if not np.isfinite(sample.floor_mm2).any():
        report.text(
            "The events carry no true tracks: there is no Cramér-Rao floor and no split by tracks."
        )
    else:
        report.text(
            "The floor is the Cramér-Rao bound of every event from its true tracks, material and "
            "points: charged particles from the vertex, and electrons of photons from it. The row "
            "'floor' draws each event's residual from its own bound."
        )
    _table(report, "Residuals of z, every method on the events it answers", _MAIN, scores)
    report.table(
        ["method", *_COMMON],
        [[name, *(found[key] for key in _COMMON)] for name, found in common[1].items()],
        f"The same {common[0]} events that all methods answer",
    )
    rows = [_across(found) for found in scores]
    names = [f"{axis} {key}" for axis in "xy" for key in ("core_sigma_mm", "rmse_mm")]
    report.table(["method", *names], rows, "Across the axis")


def _across(found: Scores) -> list[Cell]:
    both = [axis[key] for axis in (found.x, found.y) for key in ("core_sigma_mm", "rmse_mm")]
    return [found.name, *both]


def _table(report: Report, caption: str, keys: Sequence[str], scores: Sequence[Scores]) -> None:
    rows: list[list[Cell]] = [
        [s.name, s.n_events, *(s.overall[key] for key in keys)] for s in scores
    ]
    report.table(["method", "n_events", *keys], rows, caption)


def _z(report: Report, sample: Sample, every: Sequence[Answers], scores: Sequence[Scores]) -> None:
    report.section("Residuals of z")
    answered = [a for a in every if a.name != "floor"]
    report.figure(
        pictures.against_true(sample, answered),
        "Reconstructed against true z; r is Pearson's correlation.",
    )
    report.figure(
        pictures.residuals(sample, every, scores),
        "Residuals of z. Line: the Gaussian of the core, dotted outside the window of its fit.",
    )
    report.figure(
        pictures.tails(sample, every),
        "Share of all events whose z is off by more than a distance, or that have no answer.",
    )


def _dependence(report: Report, scores: Sequence[Scores]) -> None:
    report.section("Bias, resolution and efficiency along z")
    report.figure(
        pictures.by_slice(scores), "In slices of 100 mm of true z, with bootstrap intervals."
    )
    report.section("Resolution by tracks, azimuth and radius")
    report.figure(pictures.by_group(scores), "Core sigma of z by what is true of the event.")
    grouping = next(g for g in GROUPS if g.key == "by_tracks")
    if grouping.key not in scores[0].groups:
        return
    rows = [
        _in_group(found, grouping, k) for found in scores for k in range(len(grouping.edges) - 1)
    ]
    report.table(["method", grouping.quantity, "events", *_IN_GROUP], [r for r in rows if r])


def _in_group(found: Scores, grouping: Grouping, k: int) -> list[Cell]:
    """A row of a table by groups; empty where the group holds no event."""
    group = found.groups[grouping.key][k]
    if group is None:
        return []
    head: list[Cell] = [found.name, grouping.label(k), found.counts[grouping.key][k]]
    return [*head, *(group[key] for key in _IN_GROUP)]


def _honesty(
    report: Report, sample: Sample, every: Sequence[Answers], scores: Sequence[Scores]
) -> None:
    report.section("Bias, own sigma and distance to the floor")
    _table(report, "", _HONEST, scores)
    report.figure(
        pictures.pulls(sample, every, scores),
        "Residual of z over the sigma that the method gives; line: unit Gaussian.",
    )
    report.section("What methods say where they give no vertex")
    words = sorted({word for found in scores for word in found.statuses})
    rows: list[list[Cell]] = [
        [found.name, *(found.statuses.get(word, 0) for word in words)] for found in scores
    ]
    report.table(["method", *words], rows)


def _muons(
    report: Report, sample: Sample, every: Sequence[Answers], rejections: Sequence[Rejection]
) -> None:
    if not rejections:
        return
    report.section("Cosmic muons")
    first = rejections[0]
    report.text(
        f"{first.n_annihilations} annihilations and {first.n_muons} muons. Kept are events that a "
        "method answers, up to a threshold of its p_cosmic that keeps a share of the annihilations "
        "it answers."
    )
    head = ["method", "annihilations kept", "auc", *next(iter(first.at.values()))]
    rows: list[list[Cell]] = [
        [found.name, share, found.auc, *numbers.values()]
        for found in rejections
        for share, numbers in found.at.items()
    ]
    report.table(head, rows, "At three efficiencies")
    named = [a for a in every if a.name in {found.name for found in rejections}]
    report.figure(
        pictures.background(sample, named),
        "Muons kept, at the flux of the sky, against the share of the answered annihilations kept.",
    )
    report.figure(
        pictures.kept_along_z(rejections),
        "Share of the answered annihilations kept in slices of true z, at 90, 95 and 99 % in all.",
    )
    report.table(["number", "definition"], [[k, v] for k, v in REJECTION.items()])
    report.numbers("cosmic_muons", {found.name: found.record() for found in rejections})


def _displays(report: Report, shown: Iterable[tuple[Event, Vertex, str]]) -> None:
    chosen = list(shown)
    if chosen:
        report.section("Events")
    for event, vertex, method in chosen:
        report.figure(
            display(event, vertex, method),
            f"Event {event.number}: across, along the axis, in space. Colours: tracks of {method}; "
            "grey: points on none; squares: bars; cross: true vertex; ring: reconstructed.",
        )


def _definitions(report: Report) -> None:
    report.section("What the numbers are")
    report.table(["number", "definition"], [[k, v] for k, v in DEFINITIONS.items()])


def _numbers(
    report: Report,
    sample: Sample,
    scores: Sequence[Scores],
    common: tuple[int, Mapping[str, Mapping[str, Estimate]]],
) -> None:
    true = int(sample.annihilations.sum())
    report.numbers("sample", {"n_events": true, "n_cosmic": len(sample) - true})
    report.numbers("interval_level", LEVEL)
    report.numbers("definitions", DEFINITIONS)
    report.numbers("methods", {found.name: found.record() for found in scores})
    both = {name: dict(found) for name, found in common[1].items()}
    report.numbers("common", {"n_events": common[0], "methods": both})

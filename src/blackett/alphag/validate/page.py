"""The report of the checks: what each expects, what came out, and what could not be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.validate import pictures
from blackett.alphag.validate.differences import pairs
from blackett.report import LEVEL, Report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blackett.alphag.validate.edges import Feature, FeatureFit
    from blackett.alphag.validate.halves import Halves
    from blackett.alphag.validate.records import Finding, Found
    from blackett.alphag.validate.ring import Ring, Zone
    from blackett.report import Cell

__all__ = ["CHECKS", "Checked", "build"]

CHECKS: Final = {
    "ring": (
        "Wall: the ring across the axis",
        "Atoms annihilate on the wall, so that vertices make a ring. A smeared ring with its "
        "centre free, and tails, is fitted in zones of z where the wall has one radius. A method "
        "that pulls vertices towards the axis (a prior) shows a ring that is too small.",
    ),
    "z": (
        "Steps along z",
        "Released atoms leave edges at the mirror coils and a line on the step of the electrodes. "
        "Features below 5 sigma count as not seen; samples without release have none.",
    ),
    "azimuth": (
        "Flatness in azimuth",
        "Relative amplitudes of Fourier terms of the vertices' azimuth. p is Rayleigh's: the "
        "probability that a flat distribution gives as much.",
    ),
    "halves": (
        "Muons as two tracks",
        "The halves of a through-going muon, fitted apart with their common curvature, are "
        "compared at the closest approach to the axis. The width over root 2 is the resolution of "
        "one extrapolated track; pulls test its errors.",
    ),
    "difference": (
        "Methods against each other",
        "z of two methods on the same events, by what the first of them says: a vertex of two "
        "tracks or more (good), of one, or none (failed).",
    ),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Checked:
    """All that was checked: methods, halves by method, ring and feature fits, and the numbers."""

    found: tuple[Found, ...]
    halves: dict[str, Halves]
    rings: dict[str, list[tuple[Zone, Ring | None, list[Finding]]]]
    features: dict[str, list[tuple[Feature, FeatureFit | None, list[Finding]]]]
    findings: tuple[Finding, ...]


def build(checked: Checked, provenance: Mapping[str, str]) -> Report:
    """The report of the checks."""
    report = Report("ALPHA-g checks without truth", provenance)
    _summary(report, checked)
    for check, (title, words) in CHECKS.items():
        few = [f for f in checked.findings if f.check == check]
        if not few:
            continue
        report.section(title)
        report.text(words)
        _picture(report, check, checked)
        _table(report, few)
    report.numbers("interval_level", LEVEL)
    report.numbers("events", len(checked.found[0]))
    report.numbers("checks", list(checked.findings))
    return report


def _summary(report: Report, checked: Checked) -> None:
    report.section("Summary")
    report.text(
        f"{len(checked.found[0])} events, the same for every method; nothing here uses the truth "
        f"of a simulated event. Intervals hold {100 * LEVEL:.0f} %. A dash says that the data do "
        "not give the number, the note why. Vertices that a method calls cosmic muons (p_cosmic "
        "above 1/2) are left out."
    )
    rows: list[list[Cell]] = [
        [f.method, len(f), int(np.isfinite(f.position_mm[:, 2]).sum()), int(f.kept.sum()),
         len(checked.halves[f.method])]
        for f in checked.found
    ]  # fmt: skip
    report.table(["method", "events", "answers", "vertices kept", "muons split"], rows)


def _table(report: Report, findings: Sequence[Finding]) -> None:
    rows: list[list[Cell]] = [
        [f.method, f.where, f.quantity, f.entries, f.estimate, f.expected, f.p_value, f.note]
        for f in findings
    ]
    columns = ["method", "where", "number", "entries", "found", "expected", "p", "note"]
    if any(np.isfinite(f.reference.value) for f in findings):
        columns += ["reference", "sigma apart"]
        for row, f in zip(rows, findings, strict=True):
            row += [f.reference, f.tension]
    report.table(columns, rows)


def _picture(report: Report, check: str, checked: Checked) -> None:
    if check == "ring":
        fits = {m: {z.name: (z, ring) for z, ring, _ in rows} for m, rows in checked.rings.items()}
        figure = pictures.rings(checked.found, fits)
        report.figure(figure, "Distance from the fitted centre; dashed: fit; line: the wall.")
    elif check == "z":
        seen = {m: [(f, fit) for f, fit, _ in rows] for m, rows in checked.features.items()}
        figure = pictures.features(checked.found, seen)
        report.figure(figure, "Vertices along z; dashed: fit where a feature is seen.")
    elif check == "azimuth":
        report.figure(pictures.azimuth(checked.found), "Vertices by azimuth, over their mean.")
    elif check == "halves" and any(map(len, checked.halves.values())):
        figure = pictures.halves(checked.halves)
        report.figure(figure, "Differences over their errors; line: unit Gaussian.")
    elif check == "difference":
        figure = pictures.differences(list(pairs(checked.found)))
        report.figure(figure, "Differences of z of two methods.")

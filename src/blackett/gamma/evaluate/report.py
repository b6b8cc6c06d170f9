"""The report of an evaluation: tables, pictures and numbers of all suites and methods."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma.evaluate import metrics, pictures
from blackett.gamma.evaluate.answers import families, hard_families
from blackett.gamma.evaluate.runs import SHIPPED, collected
from blackett.report import Estimate, Report
from blackett.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from blackett.gamma.evaluate.answers import Files
    from blackett.gamma.evaluate.plan import Plan
    from blackett.gamma.evaluate.runs import Answered
    from blackett.report.document import Cell

__all__ = ["evaluation_report"]

COUNTS = (100, 1000, 10000)
SOURCE_EDGES = (20.0, 200.0, 2000.0, 20000.0)
"""Bins of net counts for the detection of one source."""
PROBABLE = 0.01
"""Probabilities below are not judged: nearly all sources are nearly impossible."""
DECLARING = ("hybrid", "unmix", "net", "vega")
"""Methods that declare by a rule of their own."""


def evaluation_report(
    plan: Plan,
    methods: Sequence[str],
    folder: Path,
    provenance: Mapping[str, str],
    false_alarm: float = 0.01,
    files: Files = SHIPPED,
) -> Report:
    """All figures, from the answers that `runs.run` left in `folder`."""
    suites = {s.name: collected(plan, s, methods, folder, files) for s in plan.suites}
    made = _Made(plan, tuple(methods), suites, false_alarm)
    report = Report("Identification: methods side by side", provenance)
    made.comparison(report)
    made.alarms(report)
    made.detections(report)
    made.calibration(report)
    made.stresses(report)
    made.confusions(report)
    return report


class _Made:
    """Answers of all suites, with the thresholds; each part of the report is a method."""

    def __init__(
        self, plan: Plan, methods: tuple[str, ...], of: Mapping[str, Answered], false_alarm: float
    ) -> None:
        self.methods, self.false_alarm, self.of = methods, false_alarm, of
        self.suites = plan.suites
        background = self.of["background"]
        self.limits = {
            m: metrics.threshold(background.answers[m].score, false_alarm) for m in methods
        }
        self.shipped = tuple(m for m in methods if m in DECLARING)

    def declared(self, suite: Answered, method: str) -> np.ndarray:
        """What a method names at the common rate of false alarms, (n, F)."""
        return np.asarray(suite.answers[method].score > self.limits[method])

    def compared(self, name: str) -> metrics.Compared:
        suite, rooms = self.of[name], self.of["background"]
        return metrics.compared(
            suite.present,
            {m: suite.answers[m].score for m in self.methods},
            {m: rooms.answers[m].score for m in self.methods},
            self.false_alarm,
            generator(1),
        )

    def comparison(self, report: Report) -> None:
        """Methods at three numbers of counts, at equal false alarms and as shipped."""
        report.section("At equal false alarms")
        report.text(
            f"Each method's threshold is set so that {100 * self.false_alarm:g} % of "
            f"{len(self.of['background'].live_time_s)} spectra of rooms alone have anything named. "
            "One to three sources, drawn by how often owners meet them, share the net counts above "
            "33 keV; scenes, rooms, units and their axis errors are drawn anew each time. Rn-222 "
            "counts as Ra-226, Th-228 as Th-232. Intervals: 95 %, bootstrap over spectra and over "
            "the rooms that set the thresholds."
        )
        compared = {f"counts-{n}": self.compared(f"counts-{n}") for n in COUNTS}
        by_suite = {name: of.scores for name, of in compared.items()}
        report.figure(
            pictures.f1_picture(by_suite, COUNTS), "F1 against net counts, at equal false alarms."
        )
        columns = ["net counts", "method", "precision", "recall", "micro F1", "macro F1", "exact"]
        report.table(columns, [
            [f"{n:,}", m, *asdict_values(s)]
            for n in COUNTS for m, s in by_suite[f"counts-{n}"].items()
        ])  # fmt: skip
        report.numbers("equal_false_alarms", {k: _plain(v) for k, v in by_suite.items()})
        report.numbers("thresholds", self.limits)
        self._ahead(report, compared)
        self._as_shipped(report, columns)

    def _ahead(self, report: Report, compared: Mapping[str, metrics.Compared]) -> None:
        """How far the first method is ahead of the others, on the same spectra."""
        ahead = {name: of.ahead for name, of in compared.items()}
        report.table(
            ["net counts", "method", "micro F1", "macro F1"],
            [
                [f"{n:,}", m, x.micro_f1, x.macro_f1]
                for n in COUNTS
                for m, x in ahead[f"counts-{n}"].items()
            ],
            f"By how much {self.methods[0]} is ahead. The same spectra and rooms are resampled for "
            "both: where an interval holds 0, they are not told apart.",
        )
        report.numbers(
            "ahead", {k: {m: dict(vars(x)) for m, x in v.items()} for k, v in ahead.items()}
        )

    def _as_shipped(self, report: Report, columns: Sequence[str]) -> None:
        report.section("As shipped")
        report.text("The same spectra, with each method's own rule for what it declares.")
        shipped = {
            f"counts-{n}": {
                m: metrics.scores(self.of[f"counts-{n}"].present,
                                  self.of[f"counts-{n}"].answers[m].declared, generator(1))
                for m in self.shipped
            }
            for n in COUNTS
        }  # fmt: skip
        report.table(columns, [
            [f"{n:,}", m, *asdict_values(s)]
            for n in COUNTS for m, s in shipped[f"counts-{n}"].items()
        ])  # fmt: skip
        report.numbers("as_shipped", {k: _plain(v) for k, v in shipped.items()})

    def alarms(self, report: Report) -> None:
        """False alarms of each method's own rule on rooms alone."""
        report.section("False alarms as shipped")
        suite = self.of["background"]
        rows: list[list[Cell]] = []
        noted = {}
        for m in self.shipped:
            each, hourly = metrics.false_alarms(suite.answers[m].declared, suite.live_time_s)
            unknown = metrics.share(
                int((suite.answers[m].unknown > 0.5).sum()), len(suite.live_time_s)
            )
            rows.append([m, each, hourly, unknown])
            noted[m] = {"per_spectrum": each, "per_hour": hourly, "unknown": unknown}
        report.table(["method", "a spectrum", "an hour of background", "unknown a spectrum"], rows)
        report.numbers("false_alarms", noted)

    def detections(self, report: Report) -> None:
        """Detection probability of single sources against counts."""
        report.section("Detection against counts")
        suite = self.of["detection"]
        counts = suite.net_counts.sum(axis=1)
        hit = {m: (self.declared(suite, m) & suite.present).any(axis=1) for m in self.methods}
        curves = {m: metrics.detection(counts, hit[m]) for m in self.methods}
        report.text(
            "One source, every source equally likely, at equal false alarms. "
            "Detected: the right name is among those given."
        )
        report.figure(pictures.detection_picture(curves), "Detection probability of one source.")
        report.table(
            ["method", "half detected from", "90 % from"],
            [[m, c.counts_for_half, c.counts_for_90] for m, c in curves.items()],
            "Net counts, by isotonic regression.",
        )
        report.numbers("detection", {m: asdict(c) for m, c in curves.items()})
        self._by_source(report, suite, counts, hit[self.methods[0]])

    def _by_source(
        self, report: Report, suite: Answered, counts: np.ndarray, hit: np.ndarray
    ) -> None:
        """Detection of every source against counts, by the first method."""
        best = self.methods[0]
        shown: dict[str, tuple[np.ndarray, np.ndarray]] = {
            families()[k]: (counts[suite.present[:, k]], hit[suite.present[:, k]])
            for k in np.flatnonzero(suite.present.any(axis=0))
        }
        noted = {}
        rows: list[list[Cell]] = []
        for name, (n, found) in shown.items():
            curve = metrics.detection(n, found)
            bins = [found[(n >= low) & (n < high)] for low, high in pairwise(SOURCE_EDGES)]
            shares = [metrics.share(int(x.sum()), x.size) for x in bins]
            rows.append([name, n.size, *shares, curve.counts_for_half])
            noted[name] = {
                "spectra": n.size, "edges": SOURCE_EDGES, "share": shares,
                "counts_for_half": curve.counts_for_half,
            }  # fmt: skip
        report.figure(
            pictures.detection_by_source_picture(shown),
            f"Every single source that {best} was shown: filled where it was detected.",
        )
        columns = [f"{low:,.0f} to {high:,.0f}" for low, high in pairwise(SOURCE_EDGES)]
        report.table(
            ["source", "spectra", *columns, "half detected from"], rows,
            f"Share detected by {best}, by source and net counts.",
        )  # fmt: skip
        report.numbers("detection_by_source", noted)

    def calibration(self, report: Report) -> None:
        """Reliability of probabilities and coverage of rate intervals."""
        report.section("Calibration")
        hard = hard_families(self.suites[0].conditions.detector)
        curves, errors, noted = {}, {}, {}
        rows: list[list[Cell]] = []
        for m in self.shipped:
            p, true = self._probabilities(m)
            curves[m] = metrics.reliability(p, true)
            errors[m] = metrics.expected_calibration_error(p, true)
            held = [metrics.coverage(self.of[f"counts-{n}"], m, hard) for n in COUNTS]
            rows.append([m, errors[m], *held])
            noted[m] = {"ece": errors[m], "coverage_95": dict(zip(COUNTS, held, strict=True))}
        if not curves:
            report.text("No method with probabilities was asked.")
            return
        report.figure(
            pictures.reliability_picture(curves),
            f"Of all sources given {100 * PROBABLE:g} % or more: the share that is true.",
        )
        report.table(
            ["method", "ECE", *(f"95 % interval holds, {n:,} counts" for n in COUNTS)], rows,
            "Intervals of sources with less than a tenth of their counts below 60 keV, where "
            "methods begin to count at different energies.",
        )  # fmt: skip
        report.numbers("calibration", noted)

    def _probabilities(self, method: str) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities from `PROBABLE` on, and what is true, in the three suites."""
        p, true = [], []
        for n in COUNTS:
            suite = self.of[f"counts-{n}"]
            stated = 1.0 / (1.0 + np.exp(-np.clip(suite.answers[method].score, -30.0, 30.0)))
            said = stated >= PROBABLE
            p.append(stated[said])
            true.append(suite.present[said])
        return np.concatenate(p), np.concatenate(true)

    def stresses(self, report: Report) -> None:
        """Micro F1 of each method in every stress suite."""
        names = [s for s in self.suites if s.name.startswith(("stress-", "mixture-"))]
        if not names:
            return
        report.section("Stress")
        report.text("Micro F1 at equal false alarms, 2,000 net counts, one condition moved.")
        table = {s.name: self.compared(s.name) for s in names}
        report.table(
            ["condition", *self.methods],
            [[s.title, *(table[s.name].scores[m].micro_f1 for m in self.methods)] for s in names],
        )
        report.table(
            ["condition", *self.methods[1:]],
            [
                [s.title, *(table[s.name].ahead[m].micro_f1 for m in self.methods[1:])]
                for s in names
            ],
            f"By how much {self.methods[0]} is ahead in micro F1.",
        )
        report.numbers("stress", {k: _plain(v.scores) for k, v in table.items()})
        report.numbers(
            "stress_ahead",
            {k: {m: dict(vars(x)) for m, x in v.ahead.items()} for k, v in table.items()},
        )

    def confusions(self, report: Report) -> None:
        """What single sources are taken for, by the first method."""
        report.section("Confusion")
        suite, best = self.of["detection"], self.methods[0]
        matrix = metrics.confusion(suite.present, self.declared(suite, best))
        report.figure(
            pictures.confusion_picture(matrix, families()),
            f"{best}, single sources of 20 to 20,000 net counts: what each is named.",
        )
        wrong = [
            (matrix[i, j], families()[i], families()[j])
            for i, j in np.argwhere(np.nan_to_num(matrix[:, :-1]) > 0.1)
            if i != j
        ]
        report.table(
            ["there", "named", "share of spectra"],
            [[there, named, float(s)] for s, there, named in sorted(wrong, reverse=True)[:25]],
            "The most frequent wrong names.",
        )
        report.numbers("confusion", {
            families()[i]: {
                [*families(), "nothing"][j]: float(matrix[i, j])
                for j in np.flatnonzero(matrix[i] > 0)
            }
            for i in np.flatnonzero(suite.present.any(axis=0))
        })  # fmt: skip


def asdict_values(of: metrics.Scores) -> list[Estimate]:
    """The figures in their order."""
    return list(vars(of).values())


def _plain(of: Mapping[str, metrics.Scores]) -> dict[str, dict[str, Estimate]]:
    return {method: dict(vars(s)) for method, s in of.items()}

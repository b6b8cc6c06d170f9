"""Checks of vertices and tracks that need no truth: ready for measured events.

Where the wall of the trap, the edges of its coils, the chamber's symmetry and cosmic muons say what
must come out, it is compared with what comes out (docs/alphag-validation.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from blackett.alphag.evaluate import method_and_settings
from blackett.alphag.validate.answers import gathered
from blackett.alphag.validate.azimuth import azimuth_findings
from blackett.alphag.validate.differences import difference_findings, pairs
from blackett.alphag.validate.edges import feature_findings, separation
from blackett.alphag.validate.halves import half_findings
from blackett.alphag.validate.page import Checked, build
from blackett.alphag.validate.records import Finding, Found
from blackett.alphag.validate.reference import compared, read_reference
from blackett.alphag.validate.ring import ring_findings
from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from blackett.alphag.validate.halves import Halves
    from blackett.report import Report

__all__ = ["Finding", "Found", "check", "validate"]


def validate(
    paths: Sequence[str | Path],
    methods: Sequence[str],
    rng: np.random.Generator,
    provenance: Mapping[str, str],
    cosmics: Sequence[str | Path] = (),
    limit: int | None = None,
    workers: int = 1,
    reference: str | Path | None = None,
) -> Iterator[str | Report]:
    """Run `methods` on the events of files and check what they say.

    `cosmics`: files of muons for the split-track test; without, muons are looked for among the
    events themselves. `reference`: report.json of another run, as of simulated events, whose
    numbers are set beside these. Yields lines on the progress and, last, the report. Raises
    `InputError` without files or methods, for a method given twice or unknown, and a limit below
    1; `FileFormatError` for files that cannot be read.
    """
    _check_names(paths, methods, limit)
    other = {} if reference is None else read_reference(reference)
    found, halves = [], {}
    for method in methods:
        answers, inside = gathered(paths, method, limit, workers)
        if cosmics:
            _, inside = gathered(cosmics, method, limit, workers)
        found.append(answers)
        halves[method] = inside
        yield (
            f"{method}: {int(answers.kept.sum())} vertices of {len(answers)} events, "
            f"{len(inside)} through-going muons"
        )
    made = check(found, halves, rng)
    yield build(replace(made, findings=compared(made.findings, other)), provenance)


def check(
    found: Sequence[Found], halves: Mapping[str, Halves], rng: np.random.Generator
) -> Checked:
    """All checks of methods on the same events."""
    rings = {f.method: ring_findings(f) for f in found}
    features = {f.method: feature_findings(f) for f in found}
    findings = [x for rows in rings.values() for *_, few in rows for x in few]
    for f in found:
        findings += [x for *_, few in features[f.method] for x in few]
        fits = {feature.name: fit for feature, fit, _ in features[f.method] if fit}
        findings.append(separation(f, fits))
        findings += azimuth_findings(f)
        findings += half_findings(halves[f.method], f.method, rng)
    for first, second in pairs(found):
        findings += difference_findings(first, second, rng)
    return Checked(tuple(found), dict(halves), rings, features, tuple(findings))


def _check_names(paths: Sequence[str | Path], methods: Sequence[str], limit: int | None) -> None:
    if not paths:
        raise InputError("no events: give files, or folders of Parquet files")
    if limit is not None and limit < 1:
        raise InputError(f"{limit} events: give at least 1")
    if not methods or len(set(methods)) < len(methods):
        raise InputError(f"methods {list(methods)}: give at least one, and none twice")
    for method in methods:
        method_and_settings(method)

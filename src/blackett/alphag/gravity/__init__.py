"""From z to g: release of trapped antihydrogen, what the detector counts, the fit of gravity, and
its error budget for each method of reconstruction.

    field -> atoms -> escape -> curve ┐
    judged -> response ---------------┴-> likelihood -> budget -> page
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from blackett.alphag.gravity.atoms import Release, release, sample_atoms
from blackett.alphag.gravity.budget import Budget, Setting, budget_of, closure, needs
from blackett.alphag.gravity.curve import EscapeCurve, fit_curve
from blackett.alphag.gravity.escape import EscapeTable, shipped_escapes, shipped_landings
from blackett.alphag.gravity.field import Trap
from blackett.alphag.gravity.judged import judge
from blackett.alphag.gravity.likelihood import Campaign, Counts, Fit, Model, Priors, fit
from blackett.alphag.gravity.page import Improvement, Study, build
from blackett.alphag.gravity.response import Response, Selection, measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np

__all__ = [
    "Budget", "Campaign", "Counts", "EscapeCurve", "EscapeTable", "Fit", "Model", "Priors",
    "Release", "Response", "Selection", "Setting", "Study", "Trap", "budget_of", "build", "closure",
    "fit", "fit_curve", "improvements", "judge", "measure", "release", "responses_of",
    "sample_atoms", "shipped_escapes", "shipped_landings", "study",
]  # fmt: skip


def responses_of(
    paths: Sequence[str | Path],
    methods: Sequence[str],
    selection: Selection,
    folder: Path,
    data_hash: str,
    workers: int = 1,
) -> Iterator[Response]:
    """The response of each method; its answers are kept in `folder` for the next time."""
    for method in methods:
        kept = folder / f"answers-{method.replace(':', '-')}.npz"
        yield measure(judge(paths, method, kept, data_hash, workers), method, selection)


def study(
    responses: Sequence[Response],
    campaign: Campaign,
    priors: Priors,
    a_g: float,
    toys: int,
    rng: np.random.Generator,
) -> Study:
    """Everything of a report, from measured responses and the shipped escapes."""
    table, landings = shipped_escapes(), shipped_landings()
    curve = fit_curve(table)
    settings = [Setting(r, landings, curve, campaign, priors, a_g) for r in responses]
    return Study(
        Trap(),
        table,
        settings,
        [budget_of(s) for s in settings],
        [needs(s) for s in settings],
        [closure(s, toys, rng) for s in settings],
        improvements(settings),
    )


def improvements(settings: Sequence[Setting]) -> list[Improvement]:
    """Changes to the first setting, one at a time, then all of them with the last method."""
    first = settings[0]
    dark = replace(first.response, background_hz=dict.fromkeys(first.response.background_hz, 0.0))
    changes = [
        ("as it is", first),
        ("100 times the atoms at -10 and +10 g, monitor to 0.2 %", _calibrated(first)),
        ("no cosmic background", replace(first, response=dark)),
        ("10 times the releases", _ten_times(first)),
        *((f"reconstruction by {s.response.method}", s) for s in settings[1:]),
        (
            f"{settings[-1].response.method}, calibration and 10 times the releases",
            _calibrated(_ten_times(settings[-1])),
        ),
    ]
    return [_improvement(name, setting) for name, setting in changes]


def _calibrated(setting: Setting) -> Setting:
    c = setting.campaign
    better = replace(c, calibration_atoms=100 * c.calibration_atoms, monitor=0.002)
    return replace(setting, campaign=better)


def _ten_times(setting: Setting) -> Setting:
    c = setting.campaign
    more = replace(
        c, atoms_per_bias=10 * c.atoms_per_bias, releases_per_bias=10 * c.releases_per_bias
    )
    return replace(setting, campaign=more)


def _improvement(name: str, setting: Setting) -> Improvement:
    found = budget_of(setting)
    return Improvement(
        name, found.statistical, found.alone["efficiency"], found.detector, found.total
    )

"""The report of a budget: tables, pictures, and the numbers behind them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from blackett.alphag.gravity import pictures
from blackett.alphag.gravity.budget import EXTERNAL_G, PUBLISHED_G
from blackett.alphag.gravity.field import TESLA_PER_MM, well_of
from blackett.alphag.gravity.likelihood import NUISANCES
from blackett.alphag.gravity.response import REGIONS, acceptance
from blackett.report import Estimate, Report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blackett.alphag.gravity.budget import Budget, Closure, Needs, Setting
    from blackett.alphag.gravity.escape import EscapeTable
    from blackett.alphag.gravity.field import Trap
    from blackett.report import Cell

__all__ = ["Improvement", "Study", "build"]

LEFT_OUT: Final = (
    "Left out: the release of the long octupole before the ramp and the background fields of the "
    "magnets (octupole end turns, the field off the solenoid's axis, currents induced by the "
    "ramp, its true shape), spin flips, the spread of atoms over their states, production in the "
    "trap and the cooling that goes with it, pile-up of annihilations in the chamber, dead time, "
    "measured trigger efficiency, cosmic showers, and cuts on the time of flight between bars. "
    "The field model and the initial energies enter as terms of their recalled size alone."
)


@dataclass(frozen=True)
class Improvement:
    """A change of the campaign or the detector, and the budget that it gives, in g."""

    name: str
    statistical: float
    efficiency: float
    detector: float
    total: float


@dataclass(frozen=True)
class Study:
    """All that a report shows, one entry a method where it depends on one."""

    trap: Trap
    table: EscapeTable
    settings: Sequence[Setting]
    budgets: Sequence[Budget]
    needs: Sequence[Needs]
    closures: Sequence[Closure]
    improvements: Sequence[Improvement]


def build(study: Study, provenance: Mapping[str, str]) -> Report:
    """The report of a study."""
    report = Report("From z to g: error budget of the ALPHA-g gravity measurement", provenance)
    _budget(report, study)
    _improvements(report, study)
    _detector(report, study)
    _release(report, study)
    _fits(report, study)
    report.section("What the model leaves out")
    report.text(LEFT_OUT)
    _numbers(report, study)
    return report


def _budget(report: Report, study: Study) -> None:
    campaign, a_g = study.settings[0].campaign, study.settings[0].a_g
    report.section("Error budget in units of g")
    report.text(
        f"{campaign.atoms:.0f} escaping atoms at {len(campaign.biases_g)} biases "
        f"({campaign.releases_per_bias:g} releases of {campaign.window_s:g} s each), "
        f"{campaign.calibration_atoms:g} more at each of -10 and +10 g, true a_g = {a_g:g} g. Each "
        "term is what a fit of the mean counts adds in quadrature to its statistical error when "
        "that nuisance parameter alone is free within its prior; in brackets, what the whole error "
        "loses when it is known exactly. Published, as recalled: finite data 0.06, up/down "
        "efficiency 0.12, other detector terms 0.01, field model 0.16, initial energy 0.03 g."
    )
    report.table(
        ["term", "published (recalled)", *(b.method for b in study.budgets)], _terms(study.budgets)
    )
    report.figure(
        pictures.budget_terms(study.budgets), "The terms of each method, on a logarithmic axis."
    )
    rows: list[list[Cell]] = [
        [name, *(getattr(b.priors, name) for b in study.budgets)] for name in NUISANCES
    ]
    report.table(
        ["prior (standard deviation)", *(b.method for b in study.budgets)], rows,
        "efficiency, background and its ratio follow from the campaign; the others are assumed",
    )  # fmt: skip


def _terms(budgets: Sequence[Budget]) -> list[list[Cell]]:
    def row(name: str, published: float | None, values: Sequence[Cell]) -> list[Cell]:
        return [name, published, *values]

    rows = [
        row("statistical", PUBLISHED_G["statistical"], [b.statistical for b in budgets]),
        row("  of it, noise of the background", None, [b.background_noise for b in budgets]),
    ]
    for name in NUISANCES:
        cells = [f"{b.alone[name]:.4f} ({b.removed[name]:.4f})" for b in budgets]
        rows.append(row(name, PUBLISHED_G.get(name), cells))
    rows.append(row("all of the detector", None, [b.detector for b in budgets]))
    rows += [row(name, value, [value] * len(budgets)) for name, value in EXTERNAL_G.items()]
    rows.append(row("total", None, [b.total for b in budgets]))
    shift = [b.uncorrected_g for b in budgets]
    rows.append(row("shift if efficiencies were taken as equal", None, shift))
    rows.append(
        row("finite simulation behind the curve (not in total)", None,
            [b.simulation for b in budgets])
    )  # fmt: skip
    return rows


def _improvements(report: Report, study: Study) -> None:
    report.section("What each improvement buys, and what 1 % needs")
    report.table(
        ["change", "statistical", "efficiency", "all of the detector", "total"],
        [[i.name, i.statistical, i.efficiency, i.detector, i.total] for i in study.improvements],
        f"From {study.budgets[0].method} and the campaign above, one change at a time; g",
    )
    names = list(asdict(study.needs[0]))
    report.table(
        ["for 0.005 g each, 0.01 g together", *(b.method for b in study.budgets)],
        [[name, *(getattr(n, name) for n in study.needs)] for name in names],
        "atoms: escaping, at the biases; efficiency and background_ratio: relative, below over "
        "above; calibration_atoms: a side, with a perfect monitor",
    )


def _detector(report: Report, study: Study) -> None:
    report.section("Response of the detector")
    measured = [s.response for s in study.settings]
    report.figure(
        pictures.responses(measured),
        "Efficiency after selection and bias in bins of 50 mm of true z (grey: counting regions); "
        "share of residuals beyond a distance.",
    )
    rows: list[list[Cell]] = []
    for setting, found in zip(study.settings, study.budgets, strict=True):
        r, counted = setting.response, acceptance(setting.response, setting.landings)
        rates = [_rate(setting, name) for name in REGIONS]
        shares = [float(v) for v in counted.ravel()]
        rows.append([r.method, r.by, *shares, found.ratio, *rates])
    report.table(
        ["method", "cut on", "down in down", "down in up", "up in down", "up in up",
         "counted below / above", "background down / Hz", "background up / Hz"],
        rows, "Chance that an escaped atom is counted, and muons after selection, by region",
    )  # fmt: skip


def _rate(setting: Setting, name: str) -> Estimate:
    value = setting.response.background_hz[name]
    error = setting.response.background_error_hz[name]
    return Estimate(value, max(value - error, 0.0), value + error)


def _release(report: Report, study: Study) -> None:
    setting, trap = study.settings[0], study.trap
    well = well_of(trap, 0.0, 0.0)
    report.section("The release")
    report.text(
        f"Well of {well.depth_k:.2f} K. 1 g over the {trap.distance_mm:.1f} mm between the coils "
        f"is {1e4 * TESLA_PER_MM * trap.distance_mm:.2f}e-4 T. Half of the atoms leave either way "
        f"at a bias of {setting.curve.balance_g(setting.a_g):.2f} g for a_g = {setting.a_g:g} g; "
        f"there the share changes by {setting.curve.slope_per_g(setting.a_g, setting.a_g):.3f} "
        "a g."
    )
    report.figure(pictures.trap_field(trap, setting.a_g), "Field on the axis; energy near the end.")
    report.figure(
        pictures.escape_curve(study.table, setting.curve),
        "Simulated escapes and the fitted curves; deviance per degree of freedom "
        f"{setting.curve.deviance_per_dof:.2f}.",
    )
    shares = [setting.landings.share(*REGIONS[name], name) for name in REGIONS]
    report.figure(
        pictures.landing_heights(setting.landings),
        "Where escaped atoms annihilate; bands: counting regions, which hold "
        f"{shares[0]:.2f} of the down and {shares[1]:.2f} of the up atoms.",
    )


def _fits(report: Report, study: Study) -> None:
    report.section("Closure: fits of toy campaigns")
    rows: list[list[Cell]] = [
        [b.method, c.n, c.mean, c.width, c.covered]
        for b, c in zip(study.budgets, study.closures, strict=True)
    ]
    columns = ["method", "toys", "mean pull", "width of pulls", "share within one error"]
    report.table(columns, rows, "(fitted - true) / error; 0.683 within one error if Gaussian")


def _numbers(report: Report, study: Study) -> None:
    names = [b.method for b in study.budgets]
    campaign = asdict(study.settings[0].campaign)
    report.numbers("campaign", {**campaign, "a_g": study.settings[0].a_g})
    report.numbers("external_g", EXTERNAL_G)
    report.numbers("published_g", PUBLISHED_G)
    report.numbers("budgets", dict(zip(names, map(_record, study.budgets), strict=True)))
    report.numbers("needs", dict(zip(names, study.needs, strict=True)))
    report.numbers("closure", dict(zip(names, study.closures, strict=True)))
    report.numbers("improvements", list(study.improvements))
    report.numbers("responses", {s.response.method: _response(s) for s in study.settings})
    curve = study.settings[0].curve
    report.numbers("curve", curve)
    report.numbers("escapes", study.table)
    report.numbers("trap", study.trap)


def _record(found: Budget) -> dict[str, Any]:
    return {**asdict(found), "total": found.total}


def _response(setting: Setting) -> dict[str, Any]:
    """All but the residuals, of which only quantiles."""
    record = asdict(setting.response)
    residuals = record.pop("residuals_mm")
    shares = (0.005, 0.025, 0.16, 0.5, 0.84, 0.975, 0.995)
    places = [float(residuals[int(s * (len(residuals) - 1))]) for s in shares]
    counted = acceptance(setting.response, setting.landings)
    return {
        **record, "residual_shares": shares, "residual_quantiles_mm": places, "counted": counted
    }  # fmt: skip

"""An identification as people read it in a terminal: at most 100 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

    from blackett.gamma.evidence import LineEvidence
    from blackett.gamma.identification import Identification, NuclideFound

__all__ = ["as_table"]

VERDICTS = {
    "background": "nothing above background",
    "identified": "identified",
    "unknown": "something above background that no source in the library explains",
    "insufficient": "too few counts to say anything",
}
BACKGROUNDS = {
    "embedded": "background measured, embedded in the file",
    "file": "background measured, from its own file",
    "modelled": "no background given: modelled (a measured one makes answers sharper)",
}
LIMITS_A_ROW = 5


def as_table(found: Identification) -> Group:
    """Heading, table of nuclides with their lines, candidates, limits, fit and warnings."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = []
    if found.nuclides:
        parts += [_nuclides(found), *map(Text, _meanings(found)), Text("")]
    if found.candidates:
        near = ", ".join(f"{c.nuclide} {c.probability:.0%}" for c in found.candidates)
        parts.append(Text(f"possible, not declared: {near}"))
    if found.not_detected:
        parts.append(_limits(found))
    parts.append(Text(_fit(found), style="dim"))
    parts += [Text(f"note: {warning}", style="yellow") for warning in found.warnings]
    indented = [Padding(part, (0, 0, 0, 2)) for part in parts]
    return Group(Text(_heading(found), style="bold"), *indented, Text(""))


def _heading(found: Identification) -> str:
    number = f" [{found.spectrum}]" if found.spectrum else ""
    rate = found.counts / found.live_time_s
    return (
        f"{found.file or 'spectrum'}{number}: {VERDICTS[found.verdict]}\n"
        f"  {found.detector}, {found.live_time_s:.6g} s, {found.counts} counts ({rate:.3g}/s)"
    )


def _nuclides(found: Identification) -> RenderableType:
    """One row for each line; what belongs to the nuclide stands in its first row."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("nuclide", style="bold", no_wrap=True)
    for head in ("probability", "sigma", "counts/s", "(95 %)"):
        table.add_column(head, justify="left" if head == "(95 %)" else "right", no_wrap=True)
    for head in ("line keV", "seen at", "sigma"):
        table.add_column(head, justify="right", no_wrap=True)
    for nuclide in found.nuclides:
        for number, line in enumerate(nuclide.lines or (None,)):
            cells = _cells(nuclide)
            table.add_row(*(cells if number == 0 else [""] * len(cells)), *_line(line))
    return table


def _cells(nuclide: NuclideFound) -> tuple[str, ...]:
    return (
        nuclide.nuclide,
        "> 0.999" if nuclide.probability > 0.999 else f"{nuclide.probability:.3f}",
        f"{nuclide.significance_sigma:.1f}",
        _figures(nuclide.net_cps),
        _interval(nuclide.net_cps_interval_95),
    )


def _interval(interval: tuple[float, float]) -> str:
    return f"{_figures(interval[0])} to {_figures(interval[1])}"


def _figures(value: float) -> str:
    """Three significant figures, without an exponent from 0.001 to a million."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:.0f}" if 100.0 <= rounded < 1e6 else f"{rounded:.3g}"


def _line(line: LineEvidence | None) -> tuple[str, str, str]:
    if line is None:
        return "", "", ""
    return f"{line.energy_kev:.1f}", f"{line.observed_kev:.0f}", f"{line.significance_sigma:.1f}"


def _meanings(found: Identification) -> list[str]:
    """Activities, and what each name stands for where it is more than one nuclide."""
    from blackett.gamma.sources import source

    lines = []
    for nuclide in found.nuclides:
        known = source(nuclide.nuclide)
        said = [known.title] if len(known.members) > 1 else []
        if nuclide.activity_bq is not None and nuclide.activity_bq_interval_95 is not None:
            within = _interval(nuclide.activity_bq_interval_95)
            said.append(f"{_figures(nuclide.activity_bq)} Bq ({within}) at the given distance")
        if said:
            lines.append(f"{nuclide.nuclide}: {', '.join(said)}")
    return lines


def _limits(found: Identification) -> RenderableType:
    """Detection limits in columns."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    cells = [f"{n.nuclide:<7} {n.mda_cps:.2g}" for n in found.not_detected]
    for first in range(0, len(cells), LIMITS_A_ROW):
        table.add_row(*cells[first : first + LIMITS_A_ROW])
    return Group(Text("not detected; counts/s that would be, 95 % (ISO 11929):"), table)


def _fit(found: Identification) -> str:
    text = BACKGROUNDS[found.background]
    if found.calibration is not None and found.goodness_of_fit is not None:
        axis, fit = found.calibration, found.goodness_of_fit
        text += (
            f"\nenergy axis x {axis.gain:.4f} {axis.offset_kev:+.1f} keV; "
            f"FWHM {axis.fwhm_662_percent:.1f} % at 662 keV; "
            f"misfit {fit.deviance_per_dof:.2f} (ideal 1)"
        )
    return text

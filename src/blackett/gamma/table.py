"""An identification as people read it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

    from blackett.gamma.identification import Identification, Line, NuclideFound

__all__ = ["as_table"]

VERDICTS = {
    "background": "nothing above background",
    "identified": "identified",
    "unknown": "something above background that no source in the library explains",
    "insufficient": "too few counts to say anything",
}


def as_table(found: Identification) -> Group:
    """Heading, table of nuclides, candidates and warnings."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(_heading(found), style="bold")]
    if found.nuclides:
        parts.append(_nuclides(found))
    if found.candidates:
        near = ", ".join(f"{c.nuclide} ({c.probability:.0%})" for c in found.candidates)
        parts.append(Text(f"considered, not declared: {near}"))
    if found.not_detected:
        parts.append(_limits(found))
    parts.append(Text(_fit(found), style="dim"))
    parts += [Text(f"note: {warning}", style="yellow") for warning in found.warnings]
    return Group(*parts, Text(""))


def _heading(found: Identification) -> str:
    rate = found.counts / found.live_time_s
    return (
        f"{found.file or 'spectrum'} [{found.spectrum}] {found.detector}, {found.live_time_s:g} s, "
        f"{found.counts} counts ({rate:.3g}/s): {VERDICTS[found.verdict]}"
    )


def _nuclides(found: Identification) -> RenderableType:
    from rich.table import Table

    table = Table("nuclide", "probability", "sigma", "net counts/s [95 %]", box=None, pad_edge=False)
    with_activity = any(n.activity_bq is not None for n in found.nuclides)
    if with_activity:
        table.add_column("activity Bq [95 %]")
    table.add_column("lines: keV (read at, sigma)")
    for nuclide in found.nuclides:
        cells = [
            nuclide.nuclide,
            f"{nuclide.probability:.4f}",
            f"{nuclide.significance_sigma:.1f}",
            _with_interval(nuclide.net_cps, nuclide.net_cps_interval_95),
        ]
        if with_activity:
            cells.append(_activity(nuclide))
        table.add_row(*cells, "; ".join(_line(line) for line in nuclide.lines))
    return table


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3g} [{interval[0]:.3g}, {interval[1]:.3g}]"


def _activity(nuclide: NuclideFound) -> str:
    if nuclide.activity_bq is None or nuclide.activity_bq_interval_95 is None:
        return ""
    return _with_interval(nuclide.activity_bq, nuclide.activity_bq_interval_95)


def _line(line: Line) -> str:
    return f"{line.energy_kev:.1f} ({line.observed_kev:.1f}, {line.significance_sigma:.1f})"


def _limits(found: Identification) -> RenderableType:
    from rich.text import Text

    limits = ", ".join(f"{n.nuclide} {n.mda_cps:.2g}" for n in found.not_detected)
    return Text(f"detection limits (counts/s, 95 %): {limits}")


def _fit(found: Identification) -> str:
    background = {"modelled": "modelled (none given)"}.get(found.background, found.background)
    text = f"background {background}; method {found.method}"
    if found.calibration is not None and found.goodness_of_fit is not None:
        axis, fit = found.calibration, found.goodness_of_fit
        text += (
            f"; true energy = {axis.gain:.4f} x stored {axis.offset_kev:+.1f} keV, "
            f"FWHM {axis.fwhm_662_percent:.1f} % at 662; deviance/dof {fit.deviance_per_dof:.2f}"
        )
    return text

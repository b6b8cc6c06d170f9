"""Pictures of a budget: the field, the release, the curve, the response, the terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from blackett.alphag.evaluate.pictures import COLOURS, style_of
from blackett.alphag.gravity.budget import EXTERNAL_G
from blackett.alphag.gravity.field import KELVIN_PER_T, TESLA_PER_MM, field_at, mirror_strengths
from blackett.alphag.gravity.response import REGIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from blackett.alphag.gravity.budget import Budget
    from blackett.alphag.gravity.curve import EscapeCurve
    from blackett.alphag.gravity.escape import EscapeTable, Landings
    from blackett.alphag.gravity.field import Trap
    from blackett.alphag.gravity.response import Response
    from blackett.arrays import FloatArray

__all__ = ["budget_terms", "escape_curve", "landing_heights", "responses", "trap_field"]

_RAMP = (1.0, 0.5, 0.1, 0.0)
_LATE_T = 0.002


def trap_field(trap: Trap, a_g: float = 1.0) -> Figure:
    """|B| on the axis during the ramp, and the last of the well with gravity at three biases."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    wide, late = figure.subplots(1, 2)
    z = np.arange(-1000.0, -149.0, 1.0)
    for k, share in enumerate(_RAMP):
        strengths = mirror_strengths(trap, share * trap.mirror_t, 0.0)
        label = f"{100 * share:.0f} % of the mirrors"
        wide.plot(z, _axis(trap, z, strengths), color=COLOURS[k], label=label)
    wide.set(xlabel="z / mm", ylabel="|B| on the axis / T")
    wide.legend(fontsize=8)
    near = np.arange(trap.lower_mm - 80, trap.upper_mm + 80, 1.0)
    for k, bias in enumerate((a_g - 3, a_g, a_g + 3)):
        strengths = mirror_strengths(trap, _LATE_T, bias)
        energy = _axis(trap, near, strengths) + a_g * TESLA_PER_MM * near
        energy = (energy - energy[np.abs(near - trap.octupole_centre_mm).argmin()]) * KELVIN_PER_T
        late.plot(near, 1000 * energy, color=COLOURS[k], label=f"bias {bias:+g} g")
    late.set(xlabel="z / mm", ylabel="energy / mK", ylim=(-3, 4))
    late.set_title(f"mirrors at {1000 * _LATE_T:g} mT, a_g = {a_g:g} g", fontsize=10)
    late.legend(fontsize=8)
    for axis in (wide, late):
        _mark(axis, trap)
    return figure


def _axis(trap: Trap, z: FloatArray, strengths: tuple[float, float]) -> FloatArray:
    return field_at(trap, np.stack([0 * z, 0 * z, z], axis=1), *strengths)[:, 0]


def _mark(axis: Axes, trap: Trap) -> None:
    for name, centre in (("A", trap.lower_mm), ("G", trap.upper_mm)):
        axis.axvline(centre, color="0.6", lw=0.8, ls=":")
        axis.text(centre, axis.get_ylim()[1], name, ha="center", va="bottom", fontsize=9)


def escape_curve(table: EscapeTable, curve: EscapeCurve) -> Figure:
    """Share of the escaped atoms that leave downwards against bias, simulated and fitted."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axis = figure.subplots()
    bias = np.linspace(-3.3, 3.3, 200)
    for k, a_g in enumerate(np.unique(table.a_g)):
        chosen = (table.a_g == a_g) & (np.abs(table.bias_g) <= 3.5)
        n = table.down[chosen] + table.up[chosen]
        share = table.down[chosen] / n
        style = style_of(k, "")
        axis.errorbar(
            table.bias_g[chosen], share, np.sqrt(np.maximum(share * (1 - share), 1 / n) / n),
            color=style["color"], marker=style["marker"], ls="", ms=4, label=f"a_g = {a_g:+g} g",
        )  # fmt: skip
        axis.plot(bias, curve.down(bias, float(a_g)), color=style["color"])
    axis.set(xlabel="bias / g (A stronger than G)", ylabel="share leaving downwards", ylim=(0, 1))
    axis.axhline(0.5, color="0.7", lw=0.8)
    axis.legend(fontsize=9)
    return figure


def landing_heights(landings: Landings) -> Figure:
    """Where the escaped atoms annihilate, and the counting regions."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axis = figure.subplots()
    width = np.diff(landings.edges_mm)
    for name, counts, colour in (("down", landings.down, 0), ("up", landings.up, 1)):
        share = counts / counts.sum() / width
        axis.stairs(share, landings.edges_mm, color=COLOURS[colour], fill=True, alpha=0.6)
        axis.axvspan(*REGIONS[name], color=COLOURS[colour], alpha=0.12, lw=0)
    axis.set(xlabel="z / mm", ylabel="share of a side / mm", xlim=(-1000, -100), yscale="log")
    return figure


def responses(measured: Sequence[Response]) -> Figure:
    """Efficiency and bias along z, and the share of residuals beyond a distance, by method."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    efficiency, bias, tails = figure.subplots(1, 3)
    for k, r in enumerate(measured):
        style = {**style_of(k, r.method), "ms": 3.5, "lw": 1}
        efficiency.errorbar(r.centres_mm, r.efficiency, r.efficiency_error, **style, label=r.method)
        bias.errorbar(r.centres_mm, r.bias_mm, r.bias_error_mm, **style)
        far = np.sort(np.abs(r.residuals_mm))
        left = 1 - (np.arange(len(far)) + 1) / len(far)
        tails.plot(far, left, color=style["color"])
    efficiency.set(xlabel="z / mm", ylabel="efficiency")
    bias.set(xlabel="z / mm", ylabel="bias / mm")
    tails.set(
        xlabel="distance / mm", ylabel="share of residuals beyond", yscale="log", xlim=(0, 200),
        ylim=(1e-4, 1),
    )  # fmt: skip
    for axis in (efficiency, bias):
        for low, high in REGIONS.values():
            axis.axvspan(low, high, color="0.9", zorder=0)
    efficiency.legend(fontsize=8)
    return figure


def budget_terms(budgets: Sequence[Budget]) -> Figure:
    """The terms of each method's budget as bars."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axis = figure.subplots()
    names = ["statistical", *(n for n in budgets[0].alone if budgets[0].alone[n] > 0)]
    width = 0.8 / len(budgets)
    for k, found in enumerate(budgets):
        terms = [found.statistical, *(found.alone[n] for n in names[1:]), found.simulation]
        terms += [found.detector, *EXTERNAL_G.values()]
        place = np.arange(len(terms)) + (k - (len(budgets) - 1) / 2) * width
        axis.bar(place, terms, width, color=COLOURS[k % len(COLOURS)], label=found.method)
    labels = [*names, "simulation", "detector", *EXTERNAL_G]
    axis.set_xticks(range(len(labels)), [n.replace("_", "\n") for n in labels], fontsize=8)
    axis.set(ylabel="uncertainty of a_g / g", yscale="log", ylim=(1e-4, 0.5))
    axis.legend(fontsize=8)
    return figure

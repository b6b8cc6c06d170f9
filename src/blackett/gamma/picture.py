"""The picture of an identification: counts, fit, components, residuals, line labels.

The axis is uniform in the square root of the energy, where a scintillator's peaks are equally wide
everywhere. Neighbouring groups are joined, for the eye only, until the fit expects some counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri

from blackett.files import written_aside
from blackett.gamma import unmix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.identification import Identification
    from blackett.gamma.unmix import Unmixed

__all__ = ["draw", "save"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""From Okabe and Ito's palette, told apart by colour-blind readers; dashes differ, too."""
DASHES = ("-", "--", "-.", ":")
LEAST_SHOWN, MOST_JOINED = 6.0, 5
"""Groups are joined until this many counts are expected, at most so many."""
LEAST_OTHER = 0.005
"""Share of all counts from which X-rays, pile-up and tails are drawn."""
LABEL_GAP = 0.019
"""Least distance of line labels, as a share of the axis."""
TICKS_KEV = (
    30,
    50,
    100,
    150,
    200,
    300,
    400,
    500,
    662,
    800,
    1000,
    1250,
    1461,
    1750,
    2000,
    2300,
    2614,
)


@dataclass(frozen=True)
class _View:
    """What is drawn: `first` (D + 1,) are the groups where drawn bins begin, at `edges_kev`."""

    first: IntArray
    edges_kev: FloatArray

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum over the groups of each drawn bin, (D,)."""
        return np.asarray(np.add.reduceat(values, self.first[:-1]))

    def per_kev(self, counts: FloatArray) -> FloatArray:
        """Counts per keV of each drawn bin (D,) from counts by group."""
        return np.asarray(self.sums(counts) / np.diff(self.edges_kev))

    @property
    def centres_kev(self) -> FloatArray:
        """Middle of each drawn bin (D,), in sqrt(E)."""
        roots = np.sqrt(self.edges_kev)
        return np.asarray((0.5 * (roots[1:] + roots[:-1])) ** 2)


def draw(found: Identification, unmixed: Unmixed) -> Figure:
    """Two panels over the fitted energy: counts with every component, and residuals in sigma."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4.2, 1))
    view = _view(unmixed)
    _draw_fit(top, unmixed, view)
    colours = _draw_components(top, unmixed, view)
    _draw_counts(top, unmixed.task.data.counts, view)
    _frame(top, unmixed, view)
    _label_lines(top, found, unmixed, view, colours)
    _residuals(bottom, unmixed, view)
    top.set_title(_title(found), fontsize=10)
    figure.legend(loc="outside upper center", fontsize=9, ncols=6, frameon=False)
    return figure


def save(found: Identification, unmixed: Unmixed, path: Path) -> None:
    """Draw to a PNG file, written aside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        draw(found, unmixed).savefig(aside, dpi=130)


def _view(unmixed: Unmixed) -> _View:
    expected = unmixed.fit.expected
    first, gathered = [0], 0.0
    for group, counts in enumerate(expected[:-1]):
        gathered += float(counts)
        if gathered >= LEAST_SHOWN or group + 1 - first[-1] >= MOST_JOINED:
            first.append(group + 1)
            gathered = 0.0
    if len(first) > 1 and gathered + expected[-1] < LEAST_SHOWN:
        first.pop()
    at = np.array([*first, expected.size])
    return _View(at, np.maximum(unmixed.fit.edges_kev, 1.0)[at])


def _title(found: Identification) -> str:
    names = ", ".join(f"{n.nuclide} ({n.significance_sigma:.0f} sigma)" for n in found.nuclides)
    where = f"{Path(found.file).name or 'spectrum'}, {found.detector}, {found.live_time_s:.0f} s"
    return f"{where}: {names or found.verdict}"


# --- the upper panel ---------------------------------------------------------------


def _draw_counts(top: Axes, counts: FloatArray, view: _View) -> None:
    """Points with exact 68 % intervals of a Poisson mean (Garwood); empty bins have none."""
    number, width = view.sums(counts), np.diff(view.edges_kev)
    some = number > 0
    low = 0.5 * chdtri(2 * number[some], 0.841345)
    high = 0.5 * chdtri(2 * number[some] + 2, 0.158655)
    top.errorbar(
        view.centres_kev[some], number[some] / width[some],
        yerr=np.array([number[some] - low, high - number[some]]) / width[some],
        fmt="o", ms=2.6, lw=0.8, color="0.15", zorder=5, label="counts",
    )  # fmt: skip


def _draw_fit(top: Axes, unmixed: Unmixed, view: _View) -> None:
    background, other = _background(unmixed), _other(unmixed)
    label = "modelled background" if unmixed.task.room else "measured background"
    top.stairs(
        view.per_kev(background),
        view.edges_kev,
        color="0.82",
        fill=True,
        baseline=1e-9,
        label=label,
    )  # fmt: skip
    if other.sum() > LEAST_OTHER * unmixed.fit.expected.sum():
        top.stairs(
            view.per_kev(other), view.edges_kev, color="0.45", lw=1.0, ls=":", baseline=None,
            label="X-rays, pile-up, tails",
        )  # fmt: skip
    top.stairs(
        view.per_kev(unmixed.fit.expected), view.edges_kev, color="black", lw=1.2, baseline=None,
        zorder=4, label="fit",
    )  # fmt: skip


def _draw_components(top: Axes, unmixed: Unmixed, view: _View) -> dict[str, str]:
    """One line for each source; returns its colour by name."""
    colours = {}
    for number, (name, part) in enumerate(_components(unmixed).items()):
        colours[name] = COLOURS[number % len(COLOURS)]
        top.stairs(
            view.per_kev(part), view.edges_kev, color=colours[name], lw=1.7, baseline=None,
            zorder=3, ls=DASHES[number % len(DASHES)], label=name,
        )  # fmt: skip
    return colours


def _n_room(unmixed: Unmixed) -> int:
    return len(unmixed.task.library.room.columns) if unmixed.task.room else 0


def _background(unmixed: Unmixed) -> FloatArray:
    """The room's expected counts (B,), measured or modelled."""
    rooms: FloatArray = unmixed.fit.parts[: _n_room(unmixed)].sum(axis=0)
    return unmixed.fit.background + rooms


def _other(unmixed: Unmixed) -> FloatArray:
    """Expected counts (B,) of X-rays from heavy elements near the source, pile-up and tails."""
    first = unmix.n_room(unmixed.task)
    parts = unmixed.fit.parts
    stop = first + len(unmixed.active)
    other: FloatArray = parts[_n_room(unmixed) : first].sum(axis=0) + parts[stop:].sum(axis=0)
    return other


def _components(unmixed: Unmixed) -> dict[str, FloatArray]:
    """Expected counts (B,) of each source, strongest first."""
    first = unmix.n_room(unmixed.task)
    made = {
        name: np.asarray(unmixed.fit.parts[[first + i for i in places]].sum(axis=0))
        for name, places in unmix.columns_by_source(unmixed.task, unmixed.active).items()
    }
    return dict(sorted(made.items(), key=lambda item: -item[1].sum()))


def _frame(top: Axes, unmixed: Unmixed, view: _View) -> None:
    """Logarithmic counts, at most five decades, with room for the labels above."""
    density = view.per_kev(unmixed.task.data.counts)
    fitted = view.per_kev(unmixed.fit.expected)
    highest = max(float(density.max()), float(fitted.max()), 1e-3)
    lowest = max(0.3 * float(fitted.min()), 1e-5 * highest)
    top.set_yscale("log")
    top.set_ylim(lowest, highest * (highest / lowest) ** 0.4)
    top.set_ylabel("counts per keV")
    top.grid(alpha=0.25, lw=0.5)


# --- labels ------------------------------------------------------------------------


def _label_lines(
    top: Axes, found: Identification, unmixed: Unmixed, view: _View, colours: dict[str, str]
) -> None:
    """Names of lines side by side along the top, each with a thin lead to the data."""
    labels = sorted(_labels(found, unmixed))
    inside = [one for one in labels if view.edges_kev[0] <= one[0] <= view.edges_kev[-1]]
    low, high = np.sqrt(view.edges_kev[[0, -1]])
    wanted = np.array([(np.sqrt(energy) - low) / (high - low) for energy, _, _ in inside])
    density = np.maximum(view.per_kev(unmixed.task.data.counts), view.per_kev(unmixed.fit.expected))
    for (energy, text, name), at in zip(inside, _spread(wanted, LABEL_GAP), strict=True):
        place = int(np.clip(np.searchsorted(view.edges_kev, energy) - 1, 0, density.size - 1))
        colour = colours.get(name, "black")
        label_at = (low + at * (high - low)) ** 2
        floor, ceiling = np.log(top.get_ylim())
        foot, head = (float(np.exp(floor + x * (ceiling - floor))) for x in (0.765, 0.80))
        start = max(density[max(place - 1, 0) : place + 2].max() * 1.25, np.exp(floor))
        top.plot(
            [energy, energy, label_at], [start, max(foot * 0.8, start), head], color=colour, lw=0.6
        )
        top.text(
            label_at, head * 1.15, text, rotation=90, ha="center", va="bottom", fontsize=7.5,
            color=colour,
        )  # fmt: skip


def _labels(found: Identification, unmixed: Unmixed) -> list[tuple[float, str, str]]:
    """Energy, text and source of each label; lines that nothing explains are marked with "?"."""
    labels = [
        (line.energy_kev, f"{nuclide.nuclide} {line.energy_kev:.0f}", nuclide.nuclide)
        for nuclide in found.nuclides
        for line in nuclide.lines
    ]
    if found.unknown_probability > 0.5:
        from blackett.gamma.evidence import unexplained_peaks

        peaks = unexplained_peaks(unmixed, 5.0)[:3]
        labels += [(p.energy_kev, f"? {p.energy_kev:.0f}", "") for p in peaks]
    return labels


def _spread(wanted: FloatArray, gap: float) -> FloatArray:
    """Places (n,) nearest to the `wanted` ones, ascending, at least `gap` apart, inside 0 to 1.

    Least squares with the order kept is isotonic regression of what is left after taking the gaps
    off (pool adjacent violators).
    """
    pools: list[tuple[float, int]] = []  # mean and size
    for number, place in enumerate(wanted):
        mean, size = float(place) - number * gap, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    flat = [mean for mean, size in pools for _ in range(size)]
    last = max(1.0 - 0.5 * gap - gap * (len(flat) - 1), 0.5 * gap)
    return np.asarray(np.clip(flat, 0.5 * gap, last) + gap * np.arange(len(flat)))


# --- the lower panel ---------------------------------------------------------------


def _residuals(bottom: Axes, unmixed: Unmixed, view: _View) -> None:
    left = view.sums(unmixed.task.data.counts - unmixed.fit.expected)
    sigma = np.sqrt(view.sums(1.0 / unmixed.fit.weights))
    residual = left / sigma
    most = max(4.0, 1.1 * float(np.abs(residual).max()))
    bottom.axhspan(-2.0, 2.0, color="0.93", lw=0)
    bottom.axhspan(-1.0, 1.0, color="0.86", lw=0)
    bottom.axhline(0.0, color="black", lw=0.6)
    bottom.plot(view.centres_kev, residual, "o", ms=2.6, color="0.15")
    bottom.set_xscale("function", functions=(_root, np.square))
    shown = [tick for tick in TICKS_KEV if view.edges_kev[0] <= tick <= view.edges_kev[-1]]
    bottom.set_xticks(shown, [str(tick) for tick in shown], fontsize=8)
    bottom.set_xticks([], minor=True)
    bottom.set_xlim(float(view.edges_kev[0]), float(view.edges_kev[-1]))
    bottom.set_ylim(-most, most)
    bottom.set_ylabel("residual / sigma")
    bottom.set_xlabel("energy / keV (fitted axis)")


def _root(energy_kev: FloatArray) -> FloatArray:
    return np.sqrt(np.maximum(energy_kev, 0.0))

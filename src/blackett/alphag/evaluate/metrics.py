"""The metrics of vertex reconstruction, each with a bootstrap interval; `DEFINITIONS` says what
each is.

Residuals are reconstructed minus true, of events with a true vertex. Shares and widths are of
events that have an answer; `efficiency` says how many have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from blackett.alphag.evaluate.statistics import core_fit, fwhm, mean, share, trimmed_mean
from blackett.report import Estimate, bootstrap_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blackett.alphag.evaluate.sample import Answers, Sample
    from blackett.arrays import FloatArray, IntArray

__all__ = ["DEFINITIONS", "GROUPS", "Scores", "in_common", "score"]

SAMPLES: Final = 100
"""Bootstrap samples."""
DEFINITIONS: Final = {
    "efficiency": "share of events with an answer",
    "core_sigma_mm": (
        "sigma of the Gaussian core of the residuals of z: maximum likelihood of a Gaussian cut "
        "off at 2 sigma about its mean, the window moving with the fit"
    ),
    "core_mean_mm": "mean of the same Gaussian",
    "fwhm_mm": (
        "full width at half maximum of the residuals' histogram (bins of 0.1 core sigma, smoothed "
        "by 0.25, which is taken off in quadrature)"
    ),
    "mean_mm": "mean residual",
    "trimmed_mean_mm": "mean residual without the lowest and the highest 5 %",
    "mae_mm": "mean absolute residual",
    "rmse_mm": "root of the mean squared residual, tails included",
    "within_5mm": "share of answers with a residual below 5 mm",
    "within_10mm": "the same below 10 mm",
    "within_15mm": "the same below 15 mm",
    "beyond_50mm": "share of answers off by more than 50 mm",
    "good_10mm": "share of all events with an answer within 10 mm",
    "pull_std": "core sigma of residual over the answer's own sigma",
    "coverage_68": "share of answers within one own sigma (68.27 % if Gaussian and honest)",
    "coverage_95": "share of answers within 1.96 own sigma (95 %)",
    "sigma_mm": "root of the mean of the smaller 90 % of own variances",
    "floor_sigma_mm": "mean Cramér-Rao sigma of z of the answered events (largest 5 % left out)",
    "floor_core_sigma_mm": "core sigma of residuals drawn from the floor, same answered events",
    "core_over_floor": "core_sigma_mm over floor_core_sigma_mm",
    "floor_pull_std": "core sigma of residual over the event's floor sigma; 1 is the floor",
}
"""What each number is."""
_LIMITS = (5.0, 10.0, 15.0)
_DZ, _SIGMA, _FLOOR, _DRAWN = range(4)


@dataclass(frozen=True)
class Grouping:
    """A split of events by something true of them: n + 1 edges and a name of the quantity."""

    key: str
    quantity: str
    edges: tuple[float, ...]

    def index(self, values: FloatArray) -> IntArray:
        """Group of each value, -1 outside."""
        place = np.searchsorted(self.edges, values, side="right") - 1
        return np.where((place < len(self.edges) - 1) & np.isfinite(values), place, -1)

    def label(self, k: int) -> str:
        """The group in words."""
        low, high = self.edges[k], self.edges[k + 1]
        if self.key == "by_tracks":
            return f"{low:.0f}" if np.isfinite(high) else f"{low:.0f}+"
        return f"{low:g} to {high:g}"


GROUPS: Final = (
    Grouping("by_slice", "true z / mm", tuple(np.arange(-1150.0, 1151.0, 100.0).tolist())),
    Grouping("by_tracks", "true tracks in the gas", (0.0, 1.0, 2.0, 3.0, 4.0, np.inf)),
    Grouping("by_phi", "true azimuth of the vertex / deg", tuple(np.arange(-180.0, 181.0, 45.0))),
    Grouping("by_r", "true radius of the vertex / mm", (0.0, 6.0, 12.0, 18.0, 24.5)),
)
"""The splits reported: slices of 100 mm, tracks, azimuth and radius."""


@dataclass(frozen=True, eq=False)
class Scores:
    """A method's numbers: `overall`, `x` and `y` by the names of `DEFINITIONS`, `groups` by
    `Grouping.key` (one mapping a group, None where it holds no event), `statuses` with counts."""

    name: str
    n_events: int
    n_found: int
    overall: dict[str, Estimate]
    x: dict[str, Estimate]
    y: dict[str, Estimate]
    groups: dict[str, list[dict[str, Estimate] | None]]
    counts: dict[str, list[int]]
    statuses: dict[str, int]

    def record(self) -> dict[str, Any]:
        """As the JSON file holds it."""
        grouped = {
            g.key: [
                {"from": g.edges[k], "to": g.edges[k + 1], "n_events": n, **(found or {})}
                for k, (n, found) in enumerate(
                    zip(self.counts[g.key], self.groups[g.key], strict=True)
                )
            ]
            for g in GROUPS
            if g.key in self.groups
        }
        plain = {"n_events": self.n_events, "n_found": self.n_found, **self.overall}
        return {**plain, "x": self.x, "y": self.y, **grouped, "statuses": self.statuses}


def score(sample: Sample, answers: Answers, drawn: Answers, rng: np.random.Generator) -> Scores:
    """All numbers of a method; `drawn` are residuals drawn from the floor on the same events."""
    true = sample.annihilations
    by_axis = [_columns(sample, answers, drawn, axis)[true] for axis in range(3)]
    groups: dict[str, list[dict[str, Estimate] | None]] = {}
    counts: dict[str, list[int]] = {}
    for grouping, values in grouped_by(sample):
        index = grouping.index(values[true])
        members = [by_axis[2][index == k] for k in range(len(grouping.edges) - 1)]
        counts[grouping.key] = [len(rows) for rows in members]
        groups[grouping.key] = [_measured(rows, rng) if len(rows) else None for rows in members]
    words, numbers = np.unique(answers.status[true], return_counts=True)
    x, y, z = (_measured(columns, rng) for columns in by_axis)
    return Scores(
        answers.name, int(true.sum()), int((answers.found & true).sum()), z, x, y, groups, counts,
        dict(zip(words.tolist(), numbers.tolist(), strict=True)),
    )  # fmt: skip


def in_common(
    sample: Sample, every: Sequence[Answers], drawn: Answers, rng: np.random.Generator
) -> tuple[int, Mapping[str, dict[str, Estimate]]]:
    """Number of events that all methods answer, and each method's numbers on these alone."""
    both = sample.annihilations & np.logical_and.reduce([a.found for a in every])
    columns = {a.name: _columns(sample, a, drawn, 2)[both] for a in every}
    return int(both.sum()), {name: _measured(rows, rng) for name, rows in columns.items()}


def grouped_by(sample: Sample) -> list[tuple[Grouping, FloatArray]]:
    """The splits that the sample's truth allows, with their quantity of each event."""
    x, y, z = sample.vertex_mm.T
    values = {
        "by_slice": z, "by_tracks": sample.tracks.astype(np.float64),
        "by_phi": np.degrees(np.arctan2(y, x)), "by_r": np.hypot(x, y),
    }  # fmt: skip
    known = [g for g in GROUPS if g.key != "by_tracks" or (sample.tracks >= 0).any()]
    return [(g, values[g.key]) for g in known]


def _columns(sample: Sample, answers: Answers, drawn: Answers, axis: int) -> FloatArray:
    """Residual, own sigma, floor sigma, residual drawn from the floor (n, 4): nan without answer
    (and without floor)."""
    residual = answers.position_mm[:, axis] - sample.vertex_mm[:, axis]
    sigma, floor = (
        np.sqrt(np.where(c[:, axis, axis] > 0, c[:, axis, axis], np.nan))
        for c in (answers.covariance_mm2, sample.floor_mm2)
    )
    floor_drawn = drawn.position_mm[:, axis] - sample.vertex_mm[:, axis]
    none = np.isnan(residual)
    others = [np.where(none, np.nan, c) for c in (sigma, floor, floor_drawn)]
    return np.stack([residual, *others], axis=1)


def _measured(columns: FloatArray, rng: np.random.Generator) -> dict[str, Estimate]:
    found = bootstrap_all(_statistics, rng, columns, SAMPLES)
    return dict(zip(DEFINITIONS, found, strict=True))


def _statistics(samples: FloatArray) -> FloatArray:
    """All of `DEFINITIONS` for samples (b, N, 4), in its order: (b, m)."""
    dz, sigma, floor, drawn = np.moveaxis(samples, -1, 0)
    answered, size = np.isfinite(dz), np.abs(dz)
    centre, width = core_fit(dz)
    floor_width = core_fit(drawn)[1]
    whole = max(dz.shape[1], 1)
    own = np.isfinite(sigma) & answered
    with np.errstate(invalid="ignore"):
        columns = [
            answered.sum(axis=1) / whole, width, centre, fwhm(dz, centre, width), mean(dz),
            trimmed_mean(dz), mean(size), np.sqrt(mean(dz**2)),
            *(share(size < limit, answered) for limit in _LIMITS), share(size > 50, answered),
            (size < 10).sum(axis=1) / whole, core_fit(dz / sigma)[1],
            share(size < sigma, own), share(size < 1.96 * sigma, own), np.sqrt(_lower(sigma**2)),
            trimmed_mean(floor), floor_width, width / floor_width, core_fit(dz / floor)[1],
        ]  # fmt: skip
    return np.stack(columns, axis=1)


def _lower(values: FloatArray) -> FloatArray:
    """Means of the smaller 90 %."""
    ordered = np.sort(values, axis=1)
    kept = (0.9 * np.isfinite(values).sum(axis=1)).astype(np.int64)
    rank = np.arange(values.shape[1])
    return mean(np.where(rank < kept[:, None], ordered, np.nan))

"""What a variation does to a method's answers, from the same annihilations in both worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.evaluate.statistics import core_fit, mean, share, trimmed_mean
from blackett.report import Estimate, bootstrap_all

if TYPE_CHECKING:
    from blackett.alphag.systematics.answers import Answered
    from blackett.arrays import FloatArray

__all__ = ["COUNTING", "DOWN_MM", "RESOLUTION", "UP_MM", "counting", "effects"]

DOWN_MM: Final = (-871.0, -671.0)
"""Region in which atoms that fell are counted (notes of the experiment)."""
UP_MM: Final = (-415.0, -215.0)
"""Region in which atoms that rose are counted."""
RESOLUTION: Final = {
    "shift_mm": (
        "trimmed mean of varied minus nominal z of the same annihilation, of those answered in both"
    ),
    "shift_bottom_mm": "the same of true z below -900 mm",
    "shift_centre_mm": "the same of |z| < 300 mm",
    "shift_top_mm": "the same of z above 900 mm",
    "bias_mm": "change of the trimmed mean residual, each world's own answers",
    "core_percent": "change of the core sigma of z, in percent of it",
    "width_68_percent": "change of the distance within which 68.27 % of the answers lie",
    "beyond_50_points": "change of the share of answers off by more than 50 mm, in points (0.01)",
    "efficiency_points": "change of the share of events with an answer, in points (0.01)",
}
"""Effects on answers anywhere in z, and what each is."""
COUNTING: Final = {
    "down_percent": "change of the events counted in the lower region, in percent",
    "up_percent": "the same of the upper region",
    "ratio_percent": "change of counted up over counted down, in percent",
}
"""Effects on counts."""
_SAMPLES: Final = 200
_END_MM, _CENTRE_MM = 900.0, 300.0
_LEAST = 10  # events that a change of counts needs


def effects(nominal: Answered, other: Answered, rng: np.random.Generator) -> dict[str, Estimate]:
    """`RESOLUTION` with paired bootstrap intervals."""
    columns = np.stack(
        [nominal.z_mm - nominal.true_mm, other.z_mm - other.true_mm, nominal.true_mm], axis=1
    )
    found = bootstrap_all(_resolution, rng, columns, _SAMPLES)
    return dict(zip(RESOLUTION, found, strict=True))


def counting(nominal: Answered, other: Answered, rng: np.random.Generator) -> dict[str, Estimate]:
    """`COUNTING` with paired bootstrap intervals."""
    columns = np.stack(
        [_inside(a.z_mm, region) for region in (DOWN_MM, UP_MM) for a in (nominal, other)], axis=1
    )
    return dict(zip(COUNTING, bootstrap_all(_counts, rng, columns, _SAMPLES), strict=True))


def _resolution(samples: FloatArray) -> FloatArray:
    """`RESOLUTION` of samples (b, N, 3) of nominal residual, varied residual, true z: (b, 9)."""
    before, after, z = np.moveaxis(samples, -1, 0)
    moved = after - before
    places = (z == z, z < -_END_MM, np.abs(z) < _CENTRE_MM, z > _END_MM)
    shifts = [trimmed_mean(np.where(place, moved, np.nan)) for place in places]
    cores, widths, tails, answered, biases = (
        [statistic(values) for values in (before, after)]
        for statistic in (_core, _width_68, _tail, _answered, trimmed_mean)
    )
    return np.stack(
        [
            *shifts, biases[1] - biases[0], _percent(cores), _percent(widths),
            100 * (tails[1] - tails[0]), 100 * (answered[1] - answered[0]),
        ],
        axis=1,
    )  # fmt: skip


def _core(residual: FloatArray) -> FloatArray:
    return core_fit(residual)[1]


def _width_68(residual: FloatArray) -> FloatArray:
    ordered = np.sort(np.abs(residual), axis=1)  # nan last
    count = np.isfinite(residual).sum(axis=1)
    place = np.maximum(np.ceil(0.6827 * count).astype(np.int64) - 1, 0)
    return np.where(count > 0, ordered[np.arange(len(ordered)), place], np.nan)


def _tail(residual: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return share(np.abs(residual) > 50, np.isfinite(residual))


def _answered(residual: FloatArray) -> FloatArray:
    return mean(np.isfinite(residual).astype(np.float64))


def _counts(samples: FloatArray) -> FloatArray:
    """`COUNTING` of samples (b, N, 4): in the lower region nominal, varied, in the upper the
    same."""
    total = samples.sum(axis=1)
    total = np.where(total >= _LEAST, total, np.nan)
    down, up = total[:, 1] / total[:, 0], total[:, 3] / total[:, 2]
    return 100 * (np.stack([down, up, up / down], axis=1) - 1)


def _inside(z_mm: FloatArray, region: tuple[float, float]) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return ((z_mm > region[0]) & (z_mm < region[1])).astype(np.float64)


def _percent(pair: list[FloatArray]) -> FloatArray:
    return 100 * (pair[1] / pair[0] - 1)

"""Two methods on the same events: their difference along z, by what the first one says.

What both get wrong alike does not show; the difference bounds the sum of what they get wrong apart.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.evaluate.statistics import LEAST_CORE, core_fit, fwhm, mean, trimmed_mean
from blackett.alphag.validate.records import Finding, unknown
from blackett.report import bootstrap, bootstrap_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blackett.alphag.validate.records import Found
    from blackett.arrays import FloatArray

__all__ = ["CATEGORIES", "category", "difference_findings", "pairs"]

CATEGORIES: Final = ("good", "one track", "failed")
"""What the first method of a pair says: a vertex of two tracks or more, of one, or none."""
_FAR_MM = 50.0
_QUANTITIES = (
    ("core_mean_mm", "0"), ("core_sigma_mm", "the two resolutions in quadrature, less what they "
    "share"), ("fwhm_mm", "2.355 core sigma for a Gaussian"), ("trimmed_mean_mm", "0"),
    ("beyond_50mm", "small: one of the two is far off"),
    ("pull_std", "at most 1: errors in common make it smaller"),
)  # fmt: skip


def pairs(every: Sequence[Found]) -> Iterator[tuple[Found, Found]]:
    """All pairs of methods, in their order."""
    return combinations(every, 2)


def category(found: Found) -> np.ndarray:
    """Index (n,) into `CATEGORIES` of every event."""
    kept = np.isfinite(found.position_mm[:, 2])
    return np.where(~kept, 2, np.where(found.status == "one track", 1, 0))


def difference_findings(first: Found, second: Found, rng: np.random.Generator) -> list[Finding]:
    """Numbers of z(second) - z(first) in each category of the first method."""
    return [
        finding
        for k, name in enumerate(CATEGORIES)
        for finding in _in_category(first, second, category(first) == k, name, rng)
    ]


def _in_category(
    first: Found, second: Found, inside: np.ndarray, name: str, rng: np.random.Generator
) -> list[Finding]:
    method = f"{second.method} - {first.method}"
    where = f"{first.method}: {name}"
    if name == "failed":
        answered = np.isfinite(second.position_mm[inside, 2])
        return [_answers(method, where, answered, second, rng)]
    both = inside & first.kept & second.kept
    delta = second.position_mm[both, 2] - first.position_mm[both, 2]
    sigma = np.sqrt(first.covariance_mm2[both, 2, 2] + second.covariance_mm2[both, 2, 2])
    if delta.size < LEAST_CORE:
        why = f"{delta.size} events with two answers: a fit needs {LEAST_CORE}"
        return [unknown("difference", "core_sigma_mm", where, method, delta.size, "", why)]
    found = bootstrap_all(_statistics, rng, np.stack([delta, delta / sigma], axis=1))
    return [
        Finding("difference", key, where, method, delta.size, estimate, expected)
        for (key, expected), estimate in zip(_QUANTITIES, found, strict=True)
        if np.isfinite(estimate.value)
    ]


def _answers(
    method: str, where: str, answered: np.ndarray, second: Found, rng: np.random.Generator
) -> Finding:
    """Share of the events without a vertex of the first method that the second one answers."""
    head = ("difference", "answered", where, method, len(answered))
    expected = f"share that {second.method} answers: no difference can be taken"
    if len(answered) < LEAST_CORE:
        return unknown(*head, expected, f"{len(answered)} events: {LEAST_CORE} are asked for")
    return Finding(*head, bootstrap(mean, rng, answered.astype(np.float64)), expected)


def _statistics(samples: FloatArray) -> FloatArray:
    """The numbers of `_QUANTITIES` of samples (b, N, 2) of differences and pulls."""
    delta, pull = samples[..., 0], samples[..., 1]
    centre, sigma = core_fit(delta)
    columns = (
        centre, sigma, fwhm(delta, centre, sigma), trimmed_mean(delta),
        mean((np.abs(delta) > _FAR_MM).astype(np.float64)), core_fit(pull)[1],
    )  # fmt: skip
    return np.stack(columns, axis=-1)

"""Compiled random numbers: uniform, exponential, normal and Poisson, against their laws."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import stats

from blackett.gamma import sampling
from blackett.gamma.sampling import exponential, normal, poisson, probability, uniform

STEP = np.uint64(0x9E3779B97F4A7C15)


@njit
def _drawn(kind, n, position, step, mean):  # type: ignore[no-untyped-def]
    made = np.empty(n)
    for i in range(n):
        if kind == 0:
            made[i], position = uniform(position, step)
        elif kind == 1:
            made[i], position = exponential(position, step)
        elif kind == 2:
            made[i], position = normal(position, step)
        else:
            made[i], position = poisson(position, step, mean)
    return made


def drawn(kind: str, n: int, seed: int = 1, mean: float = 0.0) -> np.ndarray:
    kinds = ("uniform", "exponential", "normal", "poisson")
    return np.asarray(_drawn(kinds.index(kind), n, np.uint64(seed), STEP, mean))


@pytest.mark.parametrize(
    ("kind", "law"),
    [("uniform", stats.uniform), ("exponential", stats.expon), ("normal", stats.norm)],
)
def test_deviates_follow_their_law(kind: str, law: stats.rv_continuous) -> None:
    values = drawn(kind, 200_000)
    assert stats.kstest(values, law.cdf).pvalue > 1e-3
    # neighbours are independent
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 4.0 / np.sqrt(values.size)


def test_tails_are_there() -> None:
    values = drawn("normal", 2_000_000)
    for edge in (2.66, 3.0, 4.0):
        expected = stats.norm.sf(edge) * values.size
        for side in (values > edge, values < -edge):
            assert abs(side.sum() - expected) < 4.5 * np.sqrt(expected)
    assert values.std() == pytest.approx(1.0, abs=4.0 / np.sqrt(2 * values.size) + 1e-4)
    late = drawn("exponential", 2_000_000)
    expected = np.exp(-8.0) * late.size
    assert abs((late > 8.0).sum() - expected) < 4.5 * np.sqrt(expected)


@pytest.mark.parametrize("mean", [0.05, 0.3, 1.0, 3.0, 9.99, 10.0, 12.5, 40.0, 700.0, 1e5])
def test_poisson_counts_have_mean_variance_and_shape(mean: float) -> None:
    n = 200_000
    counts = drawn("poisson", n, seed=7, mean=mean)
    assert counts.mean() == pytest.approx(mean, abs=4.5 * np.sqrt(mean / n))
    # the variance of a sample variance: (mu + 2 mu^2) / n
    assert counts.var() == pytest.approx(mean, abs=4.5 * np.sqrt((mean + 2 * mean**2) / n))
    edges = np.unique(stats.poisson.ppf(np.linspace(0.02, 0.98, 25), mean))
    seen = np.histogram(counts, [-1, *(edges + 0.5), np.inf])[0]
    expected = n * np.diff([0.0, *stats.poisson.cdf(edges, mean), 1.0])
    assert stats.chisquare(seen, expected, sum_check=False).pvalue > 1e-3


def test_no_counts_are_expected_of_nothing() -> None:
    assert drawn("poisson", 100, mean=0.0).sum() == 0


def test_streams_of_other_seeds_differ() -> None:
    one, two = drawn("uniform", 1000, seed=1), drawn("uniform", 1000, seed=2)
    assert not np.intersect1d(one, two).size
    assert np.array_equal(one, drawn("uniform", 1000, seed=1))


def test_probability_is_the_normal_distribution_function() -> None:
    x = np.linspace(-9.0, 9.0, 3001)
    found = np.array([probability(v) for v in x])
    assert np.abs(found - stats.norm.cdf(x)).max() < 1e-4
    assert (np.diff(found) >= 0.0).all()


def test_ziggurat_layers_have_equal_areas() -> None:
    ends, heights = sampling._ENDS, sampling._HEIGHTS
    areas = ends[1:-1] * np.diff(heights)[1:]
    assert areas == pytest.approx(np.full(areas.size, (ends[1] + 1) * np.exp(-ends[1])), rel=1e-6)

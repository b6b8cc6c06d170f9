"""What a fit proves: intervals that cover, limits that limit, honest goodness, peaks, lines."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from blackett.gamma import evidence
from blackett.gamma import unmix as unmixing
from blackett.gamma.folding import deposit_edges_kev
from blackett.gamma.likelihood import minimise, start_vector
from blackett.gamma.simulation import BINS, expected_counts, record
from blackett.gamma.unmix import Mixture, Unmixed, task, unmix
from simulated import NATURAL, few, grouped, perfect_unit, room, source, spectrum

if TYPE_CHECKING:
    from blackett.gamma.spectrum import Spectrum

pytestmark = pytest.mark.xdist_group("unmix")

SOME = ("Cs-137", "Co-60", "Na-22")
TRUTH_CPS, TIME_S = 2.0, 900.0


@cache
def recorded(n: int = 40) -> tuple[Unmixed, ...]:
    """Spectra of Cs-137 in a room, each by another unit, unmixed with a few sources."""
    return tuple(
        unmix(task(grouped(spectrum(s, {"Cs-137": TRUTH_CPS}, TIME_S)), few(*SOME)))
        for s in range(n)
    )


def test_intervals_cover_the_truth() -> None:
    """Of 40 intervals of 95 %, 34 to 40 hold the truth (99 % of binomial outcomes)."""
    truth = expected_counts(source("Cs-137", TRUTH_CPS), perfect_unit(), TIME_S)[0].sum()
    covered = 0
    for found in recorded():
        assert [e.name for e in found.declared] == ["Cs-137"]
        low, high = evidence.interval(found, "Cs-137")
        assert 0.0 <= low < high
        covered += low <= truth <= high
    assert covered >= 34


def test_narrower_intervals_lie_inside() -> None:
    found = recorded()[0]
    (low, high), (inner_low, inner_high) = (
        evidence.interval(found, "Cs-137", level) for level in (0.95, 0.68)
    )
    assert low < inner_low < inner_high < high
    ratio = (high - low) / (inner_high - inner_low)
    assert ratio == pytest.approx(1.96 / 0.994, rel=0.15)


def test_goodness_is_not_absurd_where_the_model_is_true() -> None:
    """Priors soak up some noise, so p-values are not uniform, but neither all small nor all one."""
    p = np.array([evidence.goodness(found).p_value for found in recorded()])
    ratio = np.array([evidence.goodness(found).deviance_per_dof for found in recorded()])
    assert np.mean(p < 0.01) < 0.15
    assert np.mean(p > 0.99) < 0.3
    assert 0.8 < np.median(ratio) < 1.2


def test_a_line_of_no_source_is_found() -> None:
    """One count per second at 900 keV, where none of the few sources has a line."""
    rng = np.random.default_rng(3)
    stray = np.zeros(BINS)
    stray[np.searchsorted(deposit_edges_kev(BINS), 900.0) - 1] = 1.0
    rate = room(1) + source("Cs-137", 2.0) + stray
    found = unmix(task(grouped(record(rate, perfect_unit(), 1800.0, rng)), few(*SOME)))
    peaks = evidence.unexplained_peaks(found, 5.0)
    assert min(abs(peak.energy_kev - 900.0) for peak in peaks) < 40.0
    assert peaks[0].significance_sigma > 8.0
    assert [p.significance_sigma for p in peaks] == sorted(
        [p.significance_sigma for p in peaks], reverse=True
    )
    assert evidence.goodness(found).p_value < 0.01


def test_true_models_have_no_unexplained_peaks() -> None:
    found = [evidence.unexplained_peaks(u, 5.0) for u in recorded()]
    assert sum(bool(peaks) for peaks in found) <= 2


# --- limits -----------------------------------------------------------------------------------


def test_limits_shrink_with_time_and_leave_out_what_is_declared() -> None:
    limits = {}
    for time_s in (400.0, 6400.0):
        seen = spectrum(5, {"Cs-137": 3.0}, time_s, perfect_unit())
        found = unmix(task(grouped(seen), few(*SOME)))
        cps = {name: n / time_s for name, n in evidence.limits(found).items()}
        assert set(cps) == {"Co-60", "Na-22", *NATURAL}
        assert all(0.0 < value < 10.0 for value in cps.values())
        limits[time_s] = cps
    for name in ("Co-60", "Na-22"):
        # between 1/16 (free of background) and 1 (systematic); Poisson alone would give 1/4
        assert 1 / 16 < limits[6400.0][name] / limits[400.0][name] < 0.7


def test_sources_at_their_limit_stand_out_from_none() -> None:
    """Beside a measured background, counts at the limit pass the decision threshold in 95 %.

    The score's square root is the amplitude over its error, the threshold 1.645.
    """
    rng = np.random.default_rng(8)
    unit = perfect_unit()
    background = record(room(1), unit, 4 * TIME_S, rng)
    blank = unmix(task(grouped(record(room(1), unit, TIME_S, rng), background), few("Co-60")))
    limit = evidence.limits(blank)["Co-60"]
    weak = source("Co-60", 1.0)
    weak = weak * limit / expected_counts(weak, unit, TIME_S)[0].sum()
    present, absent = (
        [sigma_of_cobalt(record(rate, unit, TIME_S, rng), background) for _ in range(40)]
        for rate in (room(1) + weak, room(1))
    )
    assert np.mean(np.array(present) > 1.645) > 0.8
    assert np.mean(np.array(absent) > 1.645) < 0.2


def sigma_of_cobalt(seen: Spectrum, background: Spectrum) -> float:
    """Significance by the score test of Co-60 on a bench against the background alone."""
    some = few("Co-60")
    made = task(grouped(seen, background), some)
    problem = unmixing.problem_with(made, some.columns(()))
    fit = minimise(problem, start_vector(problem, np.zeros(problem.logarithmic.size)))
    asked = Mixture(made, fit, ()).scores
    return float(np.sqrt(asked[some.columns_of("Co-60")[0]]))


# --- lines -----------------------------------------------------------------------------------


def test_lines_of_a_declared_source_are_in_the_data() -> None:
    found = recorded()[0]
    energies, shares = found.task.library.peaks_of("Cs-137")
    line = evidence.line_evidence(found, "Cs-137", 661.657, float(shares[0][-1]))
    assert energies[-1] == pytest.approx(661.657, abs=0.01)
    assert line.observed_kev == pytest.approx(661.657, abs=35.0)  # the unit's axis is wrong
    assert line.significance_sigma > 8.0
    assert 0.0 < line.net_counts < TRUTH_CPS * TIME_S


def test_a_line_outside_the_groups_proves_nothing() -> None:
    line = evidence.line_evidence(recorded()[0], "Cs-137", 4.47, 0.01)
    assert (line.net_counts, line.significance_sigma) == (0.0, 0.0)


def test_expected_deviance_of_a_poisson_group() -> None:
    """Mean and variance tend to 1 and 2 for many counts, and follow Monte Carlo for few."""
    table, mean, variance = evidence._deviance_moments()
    assert mean[-1] == pytest.approx(1.0, abs=0.02)
    assert variance[-1] == pytest.approx(2.0, abs=0.1)
    i = int(np.searchsorted(table, 0.5))
    mu = table[i]
    n = stats.poisson.rvs(mu, size=200_000, random_state=1)
    deviance = 2 * (mu - n + np.where(n > 0, n * np.log(np.maximum(n, 1) / mu), 0.0))
    assert mean[i] == pytest.approx(deviance.mean(), rel=0.02)
    assert variance[i] == pytest.approx(deviance.var(), rel=0.05)

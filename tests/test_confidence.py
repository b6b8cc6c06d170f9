"""Thresholds, sets and intervals keep what they state on fresh outcomes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma.confidence import (
    DETECTABLE_SIGMA,
    OWN_ALONE,
    Confidence,
    Outcome,
    Strangeness,
)
from blackett.gamma.train.scores import area_under_curve


def outcome(seed: int, n: int = 30_000, sources: int = 4) -> Outcome:
    """A network whose logits are overdone twice and whose sigmas are too small by half."""
    rng = np.random.default_rng(seed)
    counts = 10 ** rng.uniform(2.0, 5.0, n)
    present = rng.random((n, sources)) < 0.2
    net = np.where(present, counts[:, None] * 10 ** rng.uniform(-2.0, -0.3, (n, sources)), 0.0)
    significance = net / np.sqrt(counts)[:, None]
    evidence = rng.normal(np.where(present, np.minimum(significance, 30.0), 0.0), 1.0)
    sigma = 0.1 + 1.0 / np.maximum(significance, 0.1)
    share = np.log(np.maximum(net, 0.1) / counts[:, None]) + sigma * rng.normal(size=net.shape)
    strange = rng.random(n) < 0.1
    return Outcome(
        logit=2.0 * (3.0 * evidence - 5.0),
        log_share=share,
        log_sigma=np.log(0.5 * sigma),
        unknown=rng.normal(np.where(strange, 3.0, 0.0), 1.0),
        misfit=rng.chisquare(100, n) / 100,
        counts=counts,
        present=present,
        expected_net=net,
        strange=strange,
    )


@pytest.fixture(scope="module")
def fitted() -> Confidence:
    return Confidence.fit(outcome(1))


def test_false_alarms_come_at_the_stated_rate(fitted: Confidence) -> None:
    fresh = outcome(2, 100_000)
    absent = ~fresh.present
    for rate in (1e-2, 1e-3):
        alarms = fresh.logit > fitted.threshold(rate)
        share = [alarms[absent[:, s], s].mean() for s in range(4)]
        np.testing.assert_allclose(share, rate, rtol=0.6)
        score = fitted.strangeness(fresh.strangeness_inputs)
        strange = score[~fresh.strange] > fitted.unknown_threshold(rate)
        assert strange.mean() == pytest.approx(rate, rel=0.6)
    assert np.all(fitted.threshold(1e-3) > fitted.threshold(1e-2))


def test_a_rate_that_was_not_fitted_is_refused(fitted: Confidence) -> None:
    assert set(fitted.thresholds) == {1e-2, 1e-3}  # 30,000 spectra do not reach 1e-4
    with pytest.raises(InputError, match=r"false-alarm rate 0.0001: the card keeps 0.01, 0.001"):
        fitted.threshold(1e-4)


def test_probabilities_undo_what_is_overdone() -> None:
    rng, base = np.random.default_rng(3), outcome(3)
    true = rng.beta(0.3, 1.5, base.logit.shape)
    found = replace(
        base,
        logit=2.0 * np.log(true / (1.0 - true) + 1e-9),
        present=rng.random(true.shape) < true,
        expected_net=np.full(true.shape, 5000.0),
    )
    made = Confidence.fit(found)
    assert made.temperature == pytest.approx(2.0, rel=0.03)
    np.testing.assert_allclose(made.probability(found.logit), true, atol=0.02)


def test_intervals_cover_in_every_band(fitted: Confidence) -> None:
    fresh = outcome(4, 60_000)
    reported = fresh.present & (fresh.logit > fitted.threshold(1e-2))
    log_net, sigma = fresh.log_net[reported], fresh.log_sigma[reported]
    true = fresh.expected_net[reported]
    for level in (0.68, 0.95):
        low, high = fitted.interval(log_net, sigma, level)
        inside = (true >= low) & (true <= high)
        assert inside.mean() == pytest.approx(level, abs=0.01)
        for edge in (2.0, 3.0, 4.0):
            band = (log_net > edge * np.log(10)) & (log_net < (edge + 0.5) * np.log(10))
            assert inside[band].mean() == pytest.approx(level, abs=0.04)


def test_sets_hold_all_detectable_sources_with_their_coverage(fitted: Confidence) -> None:
    fresh = outcome(5, 60_000)
    fresh = fresh.where(~fresh.strange & fresh.detectable.any(axis=1))
    for coverage in (0.8, 0.9, 0.95):
        inside = fresh.logit >= fitted.set_threshold(coverage)
        complete = ~(fresh.detectable & ~inside).any(axis=1)
        assert complete.mean() == pytest.approx(coverage, abs=0.012)


def test_detectable_means_strong_and_present() -> None:
    found = outcome(6, 100)
    strong = found.expected_net > DETECTABLE_SIGMA * np.sqrt(found.counts + 1.0)[:, None]
    np.testing.assert_array_equal(found.detectable, strong & found.present)


def test_a_card_gives_the_same_confidence(fitted: Confidence) -> None:
    again = Confidence.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_allclose(again.threshold(1e-2), fitted.threshold(1e-2), atol=1e-4)
    z = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(again.probability(z), fitted.probability(z))
    np.testing.assert_allclose(again.unknown(z), fitted.unknown(z), atol=1e-3)
    for a, b in zip(again.interval(z, z, 0.95), fitted.interval(z, z, 0.95), strict=True):
        np.testing.assert_allclose(a, b, rtol=0.05)


def test_strangeness_combines_what_each_alone_cannot_tell(fitted: Confidence) -> None:
    fresh = outcome(8)
    noisy = replace(
        fresh,
        unknown=fresh.strange + np.random.default_rng(1).normal(size=fresh.strange.size),
        misfit=np.exp(fresh.strange + np.random.default_rng(2).normal(size=fresh.strange.size)),
    )
    score = Strangeness.fit(noisy.strangeness_inputs, noisy.strange)(noisy.strangeness_inputs)
    assert area_under_curve(score, fresh.strange) > 0.82
    assert area_under_curve(noisy.unknown, fresh.strange) < 0.78
    assert area_under_curve(noisy.misfit, fresh.strange) < 0.78
    np.testing.assert_allclose(OWN_ALONE(noisy.strangeness_inputs), noisy.unknown, atol=1e-9)


def test_too_few_spectra_are_refused() -> None:
    with pytest.raises(InputError, match="spectra are too few"):
        Confidence.fit(outcome(7, 100))

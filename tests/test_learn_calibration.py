"""Calibrated probabilities, thresholds with a stated rate, conformal quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from blackett.errors import InputError
from blackett.learn import (
    Isotonic,
    conformal_quantile,
    expected_calibration_error,
    reliability,
    temperature,
    threshold_at,
)


def drawn(seed: int, n: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels whose probability is exactly expit(logit)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 2.0, n)
    return logits, rng.random(n) < expit(logits)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_temperature_finds_how_much_logits_are_overdone(true: float) -> None:
    logits, labels = drawn(1)
    assert temperature(logits * true, labels) == pytest.approx(true, rel=0.03)


def test_temperature_needs_both_labels() -> None:
    with pytest.raises(InputError, match="both kinds"):
        temperature([1.0, 2.0], [True, True])


def test_calibration_error_tells_honest_from_overconfident() -> None:
    logits, labels = drawn(2)
    assert expected_calibration_error(expit(logits), labels) < 0.01
    assert expected_calibration_error(expit(3.0 * logits), labels) > 0.05


def test_calibration_error_by_hand() -> None:
    # two bins: mean 0.1 with one of four true, mean 0.9 with all of two true
    p, y = [0.1] * 4 + [0.9] * 2, [1, 0, 0, 0, 1, 1]
    expected = (4 * 0.15 + 2 * 0.1) / 6
    assert expected_calibration_error(p, y, bins=10) == pytest.approx(expected)
    assert expected_calibration_error(p, y, bins=10, least=0.5) == pytest.approx(0.1)
    mean, share, number = reliability(p, y, bins=10)
    np.testing.assert_allclose(mean, [0.1, 0.9])
    np.testing.assert_allclose(share, [0.25, 1.0])
    np.testing.assert_array_equal(number, [4, 2])


def test_isotonic_is_monotone_and_recovers_the_probabilities() -> None:
    logits, labels = drawn(3)
    fitted = Isotonic.fit(logits, labels)
    assert np.all(np.diff(fitted.probability) >= 0)
    at = np.linspace(-4, 3, 15)
    np.testing.assert_allclose(fitted(at), expit(at), atol=0.05)
    assert fitted([-100.0])[0] == fitted.probability[0]


def test_isotonic_wants_as_many_labels_as_scores() -> None:
    with pytest.raises(InputError, match="2 scores and 1 labels"):
        Isotonic.fit([1.0, 2.0], [True])


def test_threshold_keeps_its_false_alarm_rate_on_fresh_scores() -> None:
    rng = np.random.default_rng(4)
    limit = threshold_at(rng.standard_normal(50_000), 0.01)
    assert np.mean(rng.standard_normal(50_000) > limit) == pytest.approx(0.01, abs=0.0025)


def test_conformal_quantile_covers_on_average_even_for_few_scores() -> None:
    rng = np.random.default_rng(5)
    inside = [rng.random() <= conformal_quantile(rng.random(19), 0.9) for _ in range(6000)]
    assert np.mean(inside) == pytest.approx(18 / 20, abs=0.012)


def test_too_few_scores_for_a_rate_are_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        threshold_at(np.arange(50.0), 0.01)
    with pytest.raises(InputError, match="between 0 and 1"):
        conformal_quantile([1.0], 1.0)

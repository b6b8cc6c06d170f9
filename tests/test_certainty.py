"""Probabilities of the answers of the fit: monotone in the evidence, weights as fitted."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from blackett.gamma.certainty import (
    NETWORK_LOGITS,
    candidate_terms,
    certainty,
    declared_terms,
    strangeness,
)

METHODS = ("unmix", "hybrid")


@pytest.mark.parametrize("method", METHODS)
def test_more_evidence_never_makes_an_answer_less_probable(method: str) -> None:
    of = certainty(method)
    margins = [of.of_declared(100.0, 100.0 - m, 0.0, 0.0) for m in (-50, -5, 0, 5, 50, 500)]
    assert np.all(np.diff(margins) > 0)
    words = [of.of_declared(100.0, 50.0, p, 0.0) for p in (-9.0, -2.0, 0.0, 3.0, 9.0)]
    assert np.all(np.diff(words) >= 0)
    gains = [of.of_candidate(g, 0.0, 0.0) for g in (0.0, 4.0, 20.0, 200.0)]
    assert np.all(np.diff(gains) > 0)


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_are_probabilities_of_any_evidence(method: str) -> None:
    of = certainty(method)
    for ratio, rival, prior in ((0.0, 0.0, -1e9), (1e12, 0.0, 1e9), (0.0, 1e12, 0.0)):
        assert 0.0 <= of.of_declared(ratio, rival, prior, prior) <= 1.0
        assert 0.0 <= of.of_candidate(ratio, prior, prior) <= 1.0


def test_a_fit_that_no_other_source_can_match_outvotes_a_network_that_denies() -> None:
    of = certainty("hybrid")
    assert of.of_declared(1000.0, 0.0, -30.0, 0.0) > 0.5
    assert of.of_declared(40.0, 38.0, -30.0, 0.0) < 0.5


def test_a_network_decides_between_look_alikes() -> None:
    of = certainty("hybrid")
    assert of.of_declared(40.0, 40.0, 4.0, 0.0) > 0.8
    assert of.of_declared(40.0, 40.0, -2.0, 0.0) < 0.5


def test_terms_and_weights_belong_together() -> None:
    text = resources.files("blackett.gamma").joinpath("data/certainty.json").read_text("utf-8")
    data = json.loads(text)
    assert set(data["weights"]) == set(METHODS)
    assert len(data["terms"]["declared"]) == declared_terms(1.0, 0.0, 0.0, 0.0).size
    assert len(data["terms"]["candidate"]) == candidate_terms(1.0, 0.0, 0.0).size
    for method in METHODS:
        of = certainty(method)
        assert of.declared.shape == (4,)
        assert of.candidate.shape == (4,)
        assert min(of.declared[1:]) >= 0.0
        assert min(of.candidate[1:]) >= 0.0


def test_a_networks_word_counts_within_bounds() -> None:
    low, high = NETWORK_LOGITS
    assert declared_terms(1.0, 0.0, -50.0, 0.0)[2] == low
    assert declared_terms(1.0, 0.0, 50.0, 0.0)[2] == high


def test_what_no_network_believes_and_no_template_fits_is_strange() -> None:
    assert strangeness(4.0, 1.0) < 0.05
    assert strangeness(-4.0, 1.0) < strangeness(-4.0, 1.5) < strangeness(-4.0, 4.0)
    assert strangeness(-4.0, 2.0) > 0.5


def test_the_weights_belong_to_the_shipped_network() -> None:
    """A new network needs `tools/calibrate_identification.py` anew."""
    data = resources.files("blackett.gamma").joinpath("data")
    fitted = json.loads(data.joinpath("certainty.json").read_text("utf-8"))["network_sha256"]
    assert fitted == json.loads(data.joinpath("identifier.json").read_text("utf-8"))["sha256"]

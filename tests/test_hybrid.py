"""A network and a fit together: odds, proof against the network's word, records, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.errors import FileFormatError, InputError
from blackett.gamma import hybrid, identification
from blackett.gamma import unmix as unmixing
from blackett.gamma.confidence import NET_BANDS, Confidence
from blackett.gamma.hybrid import Combination
from blackett.gamma.identification import identify, identify_with_fit
from blackett.gamma.network import Predictions
from blackett.gamma.sources import observable_sources
from blackett.gamma.templates import CONTINUUM, library
from blackett.gamma.unmix import task, unmix
from blackett.learn.calibration import Isotonic
from simulated import DETECTOR, few, grouped, perfect_unit, spectrum

if TYPE_CHECKING:
    from blackett.gamma.spectrum import Spectrum

pytestmark = pytest.mark.xdist_group("unmix")

SOURCES = tuple(s.name for s in observable_sources())
ALL = library(DETECTOR.name)


def told(live_time_s: float = 600.0, unknown: float = -5.0, **p: float) -> Predictions:
    """What a network might say of one spectrum: a probability for each source, else 0.01."""
    probability = np.array([p.get(name.replace("-", "_"), 0.01) for name in SOURCES])
    bands = len(NET_BANDS) - 1
    confidence = Confidence(
        temperature=1.0,
        thresholds={1e-3: np.zeros(len(SOURCES))},
        sets={},
        quantiles={0.68: np.tile([-1.0, 1.0], (bands, 1)), 0.95: np.tile([-2.0, 2.0], (bands, 1))},
        unknown=Isotonic(np.array([-1.0, 1.0]), np.array([0.1, 0.9])),
        unknown_thresholds={1e-3: 0.0},
    )
    return Predictions(
        SOURCES, confidence,
        logit=np.log(probability / (1.0 - probability))[None],
        net_cps=np.full((1, len(SOURCES)), 2.0),
        log_sigma=np.full((1, len(SOURCES)), np.log(0.1)),
        unknown_logit=np.array([unknown]),
        misfit=np.ones(1),
        live_time_s=np.array([live_time_s]),
    )  # fmt: skip


def needed(combination: Combination = hybrid.FITTED, **p: float) -> dict[str, float]:
    made = hybrid.with_odds(task(grouped(spectrum(7, {}, 60.0)), ALL), told(**p), combination)
    return {name: unmixing.needed(made, name) for name in (*SOURCES, CONTINUUM)}


def names(found: unmixing.Unmixed) -> set[str]:
    return {e.name for e in found.declared}


# --- odds -----------------------------------------------------------------------------------


def test_what_is_needed_follows_the_networks_odds_within_bounds() -> None:
    like = Combination(needed=20.0, weight=1.5, least=9.0, most=60.0)
    found = needed(like, Cs_137=0.5, Co_60=0.9, Am_241=0.1, K_40=1.0 - 1e-9, I_131=1e-9)
    assert found["Cs-137"] == pytest.approx(20.0)
    assert found["Co-60"] == pytest.approx(20.0 - 3.0 * np.log(9.0))
    assert found["Am-241"] == pytest.approx(20.0 + 3.0 * np.log(9.0))
    assert found["K-40"] == pytest.approx(9.0)
    assert found["I-131"] == pytest.approx(60.0)


def test_continua_keep_their_odds() -> None:
    made = task(grouped(spectrum(7, {}, 60.0)), ALL)
    assert needed()[CONTINUUM] == unmixing.needed(made, CONTINUUM)


def test_the_fitted_combination_is_sane() -> None:
    """Every source can be declared and every source can be refused, whatever the network says."""
    assert 0.0 < hybrid.FITTED.weight < 5.0
    assert 4.0 < hybrid.FITTED.least < hybrid.FITTED.needed < hybrid.FITTED.most < 200.0


# --- fits under a network's odds ----------------------------------------------------------------


def test_weak_source_is_declared_with_the_network_and_not_without() -> None:
    unit = perfect_unit()
    room = spectrum(31, {}, 3600.0, unit)
    weak = task(grouped(spectrum(32, {"Cs-137": 0.22}, 600.0, unit), room), ALL)
    assert names(unmix(weak)) == set()
    assert names(unmix(hybrid.with_odds(weak, told(Cs_137=0.999)))) == {"Cs-137"}


def test_a_networks_word_alone_declares_nothing() -> None:
    room = task(grouped(spectrum(33, {}, 600.0)), ALL)
    certain = dict.fromkeys(("Cs_137", "Co_60", "Am_241", "I_131"), 0.9999)
    assert names(unmix(hybrid.with_odds(room, told(**certain)))) == set()


def test_a_source_that_the_network_misses_is_found_all_the_same() -> None:
    strong = task(grouped(spectrum(34, {"Cs-137": 5.0}, 600.0)), ALL)
    assert names(unmix(hybrid.with_odds(strong, told(Cs_137=1e-6)))) == {"Cs-137"}


def test_a_networks_word_counts_nothing_for_a_source_that_another_outshines() -> None:
    library = few("Co-60", "Cs-137")
    seen = grouped(spectrum(38, {"Co-60": 60.0, "Cs-137": 0.3}, 300.0))
    t = hybrid.with_odds(task(seen, library), told(Cs_137=0.999, Co_60=0.999))
    mixture = unmix(t).mixture
    assert "Co-60" in mixture.sources
    if "Cs-137" not in mixture.sources:
        column = library.columns_of("Cs-137")[0]
        place = mixture.first + len(mixture.active)
        start = np.insert(mixture.fit.parameters, place, 90.0)
        mixture = mixture.refitted((*mixture.active, column), start)
    assert unmixing.required(mixture, "Co-60") == unmixing.needed(t, "Co-60")
    assert unmixing.required(mixture, "Cs-137") == t.settings.needed > unmixing.needed(t, "Cs-137")


# --- answers -------------------------------------------------------------------------------------


class Shipped:
    """A network that says the same of every spectrum."""

    name, sha256 = "test", "0" * 64

    def __init__(self, answer: Predictions) -> None:
        self.answer = answer
        self.asked: list[tuple[Spectrum, str]] = []

    def predict(self, spectra: list[Spectrum], detector: str) -> Predictions:
        self.asked += [(s, detector) for s in spectra]
        return replace(self.answer, live_time_s=np.array([s.live_time_s for s in spectra]))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Shipped:
    made = Shipped(told(Cs_137=0.99, Co_60=0.2, unknown=2.0))
    monkeypatch.setattr(identification, "shipped_network", lambda: made)
    return made


def test_hybrid_answers_with_fit_and_names_both_models(network: Shipped) -> None:
    seen = spectrum(35, {"Cs-137": 5.0}, 600.0)
    found, unmixed = identify_with_fit(seen, method="hybrid")
    assert unmixed is not None
    assert (found.method, found.verdict) == ("hybrid", "identified")
    assert [n.nuclide for n in found.nuclides] == ["Cs-137"]
    assert found.nuclides[0].lines
    assert "test" in found.model.name
    assert found.model.sha256 != identify(seen, method="unmix").model.sha256


def test_network_sees_the_background_and_the_detector(network: Shipped) -> None:
    seen, room = spectrum(36, {"Cs-137": 5.0}, 600.0), spectrum(37, {}, 600.0)
    identify(seen, room, "net", detector_name="radiacode-110")
    ((asked, detector),) = network.asked
    assert asked.background is not None
    assert np.array_equal(asked.background.counts, room.counts)
    assert detector == "radiacode-110"


def test_network_alone_gives_a_record_without_proof(network: Shipped) -> None:
    seen = spectrum(35, {"Cs-137": 5.0}, 600.0)
    found, unmixed = identify_with_fit(seen, method="net")
    assert unmixed is None
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (record["method"], record["verdict"]) == ("net", "identified")
    (caesium,) = record["nuclides"]
    assert (caesium["nuclide"], caesium["probability"]) == ("Cs-137", 0.99)
    assert caesium["net_cps"] == 2.0
    low, high = caesium["net_cps_interval_95"]
    assert (low, high) == pytest.approx((2.0 * np.exp(-0.2), 2.0 * np.exp(0.2)))
    assert caesium["lines"] == []
    assert record["goodness_of_fit"] is record["calibration"] is None
    assert record["candidates"][0] == {"nuclide": "Co-60", "probability": 0.2}
    assert record["model"] == {"name": "test", "version": found.model.version, "sha256": "0" * 64}
    assert any("no fit" in warning for warning in record["warnings"])


def test_network_alone_may_say_unknown_or_background() -> None:
    seen = spectrum(35, {}, 600.0)
    for logit, verdict in ((2.0, "unknown"), (-2.0, "background")):
        made = Shipped(told(unknown=logit))
        assert identify(seen, method="net", network=made).verdict == verdict


def test_a_strong_source_that_the_network_denies_is_named() -> None:
    seen = spectrum(34, {"Cs-137": 5.0}, 600.0)
    found = identify(seen, method="hybrid", network=Shipped(told(Cs_137=1e-6)))
    assert [n.nuclide for n in found.nuclides] == ["Cs-137"]


def test_what_may_be_many_things_is_unknown_and_no_name() -> None:
    """Annihilation quanta alone: every positron emitter would do, and the network likes none."""
    unit = perfect_unit()
    seen, room = spectrum(39, {"F-18": 2.0}, 600.0, unit), spectrum(40, {}, 3600.0, unit)
    liked = dict.fromkeys(("F_18", "Ga_68", "Ge_68", "Cu_64", "Sr_82", "Kr_85", "Sr_85"), 0.02)
    found = identify(seen, room, "hybrid", network=Shipped(told(**liked)))
    assert found.nuclides == ()
    assert found.verdict == "unknown"
    assert found.unknown_probability > 0.5
    assert {c.nuclide for c in found.candidates} & {"F-18", "Ga-68", "Ge-68", "Cu-64", "Sr-82"}
    assert any("may be" in warning for warning in found.warnings)


# --- refusals ------------------------------------------------------------------------------------


def test_detectors_of_other_families_are_answered_by_the_fit_with_a_note(network: Shipped) -> None:
    seen = spectrum(35, {"Cs-137": 5.0}, 600.0)
    found = identify(seen, method="hybrid", detector_name="csi-generic")
    assert found.method == "unmix"
    assert any("csi-generic" in warning for warning in found.warnings)
    assert network.asked == []
    with pytest.raises(InputError, match="csi-generic"):
        identify(seen, method="net", detector_name="csi-generic")


def test_what_needs_a_fit_is_refused_of_a_network(network: Shipped) -> None:
    seen = spectrum(35, {"Cs-137": 5.0}, 600.0)
    with pytest.raises(InputError, match="hybrid"):
        identify(seen, method="net", distance_mm=100.0)
    with pytest.raises(InputError, match="hybrid"):
        identify(seen, method="net", with_limits=True)


def test_missing_weights_are_an_error_and_no_silent_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from blackett.gamma import network as module

    monkeypatch.setattr(module, "SHIPPED", "absent.onnx")
    identification.shipped_network.cache_clear()
    seen = spectrum(35, {"Cs-137": 5.0}, 600.0)
    for method in ("hybrid", "net"):
        with pytest.raises(FileFormatError, match="absent"):
            identify(seen, method=method)
    identification.shipped_network.cache_clear()

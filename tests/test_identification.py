"""The answer as a record: the contract field by field, the choice of detector, and errors."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blackett import gamma
from blackett.errors import InputError
from blackett.gamma.background import Concentrations, natural_background
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.folding import counted
from blackett.gamma.identification import (
    DEFAULT_METHOD,
    Identification,
    choose_detector,
    identify,
    identify_with_fit,
)
from blackett.gamma.simulation import BINS, draw_unit, record, source_rate
from blackett.gamma.spectrum import Spectrum
from simulated import BENCH, DETECTOR, perfect_unit, room, spectrum

pytestmark = pytest.mark.xdist_group("unmix")

FIELDS = {
    "file", "spectrum", "detector", "live_time_s", "counts", "verdict", "nuclides", "candidates",
    "not_detected", "unknown_probability", "goodness_of_fit", "calibration", "background", "model",
    "method", "warnings",
}  # fmt: skip
NUCLIDE_FIELDS = {
    "nuclide", "probability", "significance_sigma", "net_cps", "net_cps_interval_95",
    "activity_bq", "activity_bq_interval_95", "lines",
}  # fmt: skip
LINE_FIELDS = {"energy_kev", "observed_kev", "net_counts", "significance_sigma"}


@pytest.fixture(scope="module")
def caesium() -> Spectrum:
    return spectrum(21, {"Cs-137": 5.0}, 1800.0)


@pytest.fixture(scope="module")
def answer(caesium: Spectrum) -> Identification:
    return identify(caesium, distance_mm=50.0, with_limits=True)


def plain(counts: np.ndarray, device: str = "", serial: str = "") -> Spectrum:
    return Spectrum(counts, EnergyCalibration((0.0, 2.9)), 100.0, device=device, serial=serial)


# --- contract ---------------------------------------------------------------------------------


def test_answer_is_json_with_the_fields_of_the_contract(answer: Identification) -> None:
    record = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert set(record) == FIELDS
    assert record["verdict"] == "identified"
    assert (record["spectrum"], record["detector"]) == (0, "radiacode-103")
    assert record["background"] == "modelled"
    assert record["method"] == DEFAULT_METHOD
    assert set(record["goodness_of_fit"]) == {"deviance_per_dof", "p_value"}
    assert set(record["calibration"]) == {"gain", "offset_kev", "fwhm_662_percent"}
    assert set(record["model"]) == {"name", "version", "sha256"}
    assert len(record["model"]["sha256"]) == 64
    assert isinstance(record["warnings"], list)


def test_counts_and_times_are_those_of_the_spectrum(
    answer: Identification, caesium: Spectrum
) -> None:
    assert answer.counts == caesium.total_counts
    assert answer.live_time_s == caesium.live_time_s


def test_nuclide_is_named_with_rate_interval_and_lines(answer: Identification) -> None:
    record = answer.to_dict()
    (found,) = record["nuclides"]
    assert set(found) == NUCLIDE_FIELDS
    assert found["nuclide"] == "Cs-137"
    assert 0.99 < found["probability"] <= 1.0
    assert found["significance_sigma"] > 10.0
    low, high = found["net_cps_interval_95"]
    assert 0.0 < low <= found["net_cps"] <= high
    assert found["net_cps"] == pytest.approx(5.0, rel=0.3)
    assert all(set(line) == LINE_FIELDS for line in found["lines"])
    assert any(line["energy_kev"] == pytest.approx(661.657, abs=0.1) for line in found["lines"])


def test_activity_follows_from_the_distance(answer: Identification, caesium: Spectrum) -> None:
    (found,) = answer.nuclides
    assert found.activity_bq is not None
    assert found.activity_bq_interval_95 is not None
    low, high = found.activity_bq_interval_95
    assert low <= found.activity_bq <= high
    # what the simulation took: 5 counts per second at 50 mm on a bench
    truth = 5.0 / source_rate("Cs-137", 1.0, BENCH, DETECTOR).sum()
    assert found.activity_bq == pytest.approx(truth, rel=0.4)
    (far,) = identify(caesium, distance_mm=500.0).nuclides
    assert far.activity_bq is not None
    assert 60.0 < far.activity_bq / found.activity_bq < 130.0


def test_without_distance_there_is_no_activity(caesium: Spectrum) -> None:
    found = identify(caesium)
    assert [n.activity_bq for n in found.nuclides] == [None]
    assert found.nuclides[0].activity_bq_interval_95 is None
    assert found.not_detected == ()


def test_limits_name_every_other_source(answer: Identification) -> None:
    names = [n.nuclide for n in answer.not_detected]
    assert "Cs-137" not in names
    assert {"Co-60", "Am-241", "K-40"} <= set(names)
    assert names == sorted(names)
    assert all(0.0 < n.mda_cps < 100.0 for n in answer.not_detected)


def test_background_alone_is_background() -> None:
    found = identify(spectrum(22, {}, 900.0))
    assert found.verdict == "background"
    assert found.nuclides == ()
    assert found.unknown_probability < 0.5


def test_calibration_is_found(caesium: Spectrum) -> None:
    seen = spectrum(23, {"Cs-137": 5.0, "Co-60": 5.0}, unit=perfect_unit(gain_error=0.02))
    found = identify(seen)
    assert found.calibration is not None
    at = found.calibration.gain * 1.02 * 1000.0 + found.calibration.offset_kev
    assert at == pytest.approx(1000.0, abs=15.0)
    assert found.calibration.fwhm_662_percent == pytest.approx(8.6, abs=0.7)


def test_measured_background_by_argument_or_embedded() -> None:
    unit = perfect_unit()
    room = spectrum(24, {}, 3600.0, unit)
    seen = spectrum(25, {"Cs-137": 1.0}, 1200.0, unit)
    by_file, embedded = identify(seen, room), identify(seen.with_background(room))
    assert (by_file.background, embedded.background) == ("file", "embedded")
    assert by_file.nuclides == embedded.nuclides
    assert [n.nuclide for n in by_file.nuclides] == ["Cs-137"]


@pytest.mark.parametrize("seed", [1, 5])
def test_a_mass_of_soil_holds_natural_series_alone(seed: int) -> None:
    """Softer than any piece of rock: a place brighter than the one of the background, shaded."""
    rich = Concentrations(
        k40_bq_kg=1000.0, u238_bq_kg=60.0, th232_bq_kg=70.0, radon_bq_m3=0.0, cosmic=0.0
    )
    deep = natural_background(rich, "soil medium").values()
    soil = 0.5 * np.sum([counted(rate, DETECTOR, BINS) for rate in deep], axis=0)
    rng = np.random.default_rng(seed)
    unit = draw_unit(DETECTOR, rng)
    here = record(0.7 * room(1) + soil, unit, 1800.0, rng)
    found = identify(here, record(room(1), unit, 20_000.0, rng), method="unmix")
    names = {n.nuclide for n in found.nuclides}
    assert names
    assert names <= {"K-40", "Ra-226", "Rn-222", "Th-232", "Th-228"}


def test_background_on_another_axis_is_shared_by_overlap() -> None:
    room = spectrum(26, {}, 3600.0, perfect_unit(coefficients_kev=(-4.0, 2.5, 3e-4)))
    seen = spectrum(27, {"Co-60": 2.0}, 1200.0, perfect_unit())
    assert [n.nuclide for n in identify(seen, room).nuclides] == ["Co-60"]


def test_answer_can_be_had_with_its_fit(caesium: Spectrum) -> None:
    found, unmixed = identify_with_fit(caesium)
    assert unmixed is not None
    assert found == identify(caesium)
    assert found.counts >= unmixed.task.data.counts.sum()


# --- insufficient ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 5])
def test_too_few_counts_are_insufficient(n: int) -> None:
    counts = np.zeros(1024, dtype=int)
    counts[200 : 200 + n] = 1
    found, fit = identify_with_fit(plain(counts, "RadiaCode-103"))
    assert fit is None
    assert found.verdict == "insufficient"
    assert found.nuclides == ()
    assert found.goodness_of_fit is None
    assert any(f"only {n} counts" in warning for warning in found.warnings)
    json.dumps(found.to_dict(), allow_nan=False)


# --- detector ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "serial", "name"),
    [
        ("RadiaCode-110", "", "radiacode-110"),
        ("", "RC-102-001537", "radiacode-102"),
        ("RadiaCode-101", "RC-103G-000001", "radiacode-103g"),  # the serial number wins
        ("some HPGe", "", "hpge"),
    ],
)
def test_detector_is_read_from_the_file(device: str, serial: str, name: str) -> None:
    found, notes = choose_detector(plain(np.zeros(1024), device, serial), None)
    assert (found.name, notes) == (name, ())


def test_detector_by_flag_wins() -> None:
    found, notes = choose_detector(plain(np.zeros(1024), "RadiaCode-110"), "nai-2x2")
    assert (found.name, notes) == ("nai-2x2", ())


def test_detector_is_guessed_from_the_sharpness_with_a_note() -> None:
    centres = np.arange(8192) * 0.35
    for name, width in (("hpge", 0.7), ("csi-generic", 25.0)):
        rate = 20 * np.exp(-centres / 400) + 400 / width * np.exp(
            -0.5 * ((centres - 661.7) / width) ** 2
        )
        counts = np.random.default_rng(4).poisson(rate)
        seen = Spectrum(counts, EnergyCalibration((0.0, 0.35)), 100.0, device="box")
        found, notes = choose_detector(seen, None)
        assert found.name == name
        (note,) = notes
        assert "'box'" in note
        assert "--detector" in note


# --- errors -----------------------------------------------------------------------------------


def test_wrong_options_say_what_is_allowed(caesium: Spectrum) -> None:
    with pytest.raises(InputError, match=r"method 'magic'.*unmix"):
        identify(caesium, method="magic")
    with pytest.raises(InputError, match=r"unknown detector 'x'.*radiacode-103"):
        identify(caesium, detector_name="x")
    for distance_mm in (0.0, -5.0, 1e9, math.nan):
        with pytest.raises(InputError, match="distance"):
            identify(caesium, distance_mm=distance_mm)


@pytest.mark.parametrize("name", [None, "radiacode-103"])
def test_uncalibrated_spectrum_is_refused(caesium: Spectrum, name: str | None) -> None:
    bare = replace(caesium.recalibrate(None), device="")
    with pytest.raises(InputError, match="no energy calibration"):
        identify(bare, detector_name=name)


def test_uncalibrated_background_is_refused(caesium: Spectrum) -> None:
    with pytest.raises(InputError, match="no energy calibration"):
        identify(caesium, caesium.recalibrate(None))


def test_an_axis_out_of_range_is_refused(caesium: Spectrum) -> None:
    with pytest.raises(InputError, match="calibration"):
        identify(caesium.recalibrate(EnergyCalibration((0.0, 0.01))))


def test_all_spectra_of_a_file_at_once() -> None:
    """`gamma.identify(gamma.read(path))` answers each spectrum, numbered from 0."""
    example = Path(__file__).parents[1] / "examples" / "simulated-cs137-radiacode-103.xml"
    spectra = gamma.read(example)
    together = gamma.identify(spectra + spectra)
    assert [found.spectrum for found in together] == [0, 1]
    assert [n.nuclide for n in together[1].nuclides] == ["Cs-137"]

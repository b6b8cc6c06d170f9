"""The public names, exactly."""

from __future__ import annotations

import importlib

import pytest

import blackett
from blackett import gamma

PUBLIC = {
    "blackett.gamma": [
        "Detector", "EnergyCalibration", "Identification", "Scene", "Spectrum", "SpectrumBatch",
        "identify", "read", "read_bytes", "simulate", "write",
    ],
    "blackett.cli": ["VERBS", "main"],
    "blackett.errors": [
        "BlackettError", "Failure", "FileFormatError", "InputError", "MissingDataError",
        "MissingExtraError",
    ],
    "blackett.gamma.evidence": [
        "Goodness", "LineEvidence", "Peak", "goodness", "interval", "limits", "line_evidence",
        "unexplained_peaks",
    ],
    "blackett.gamma.folding": [
        "HIGHEST_KEV", "bremsstrahlung_of", "coincidence_sums", "counted", "deposit_edges_kev",
        "deposited", "deposited_in_scenes", "k_lines", "lines_of", "peak_counts", "seen_share",
    ],
    "blackett.gamma.identification": [
        "Calibration", "Candidate", "DEFAULT_METHOD", "Identification", "METHODS", "Model",
        "NotDetected", "NuclideFound", "choose_detector", "identify", "identify_with_fit",
    ],
    "blackett.gamma.confidence": [
        "COVERAGES", "DETECTABLE_SIGMA", "LEVELS", "OWN_ALONE", "RATES", "Confidence", "Outcome",
        "Strangeness", "joint_energy", "strangeness_inputs",
    ],
    "blackett.gamma.network": ["Network", "Predictions", "load", "open_model"],
    "blackett.gamma.preparation": [
        "BINS", "BIN_EDGES_KEV", "Batch", "DETECTORS", "FEATURES", "GENERIC", "RANGE_KEV",
        "SCALARS", "counts_of", "detector_index", "layout_sha256", "prepare", "prepare_batch",
        "scaled_channels",
    ],
    "blackett.gamma.train": [
        "Recipe", "Trained", "calibrate", "find_recipe", "read_recipe", "train",
    ],
    "blackett.learn": [
        "Fitted", "Isotonic", "Model", "Settings", "conformal_quantile",
        "expected_calibration_error", "fit", "reliability", "save_curves", "save_onnx",
        "temperature", "threshold_at", "write_card",
    ],
    "blackett.gamma.likelihood": [
        "Fit", "Problem", "bounds", "cumulative_at", "groups_of", "minimise", "misfit",
        "shape_modes", "start_vector", "width_at", "widths_at",
    ],
    "blackett.gamma.room": ["RoomComponent", "draw_room", "room_components"],
    "blackett.gamma.simulation": [
        "BINS", "Unit", "draw_unit", "expected_counts", "nominal_unit", "record", "simulate_room",
        "source_rate",
    ],
    "blackett.gamma.templates": [
        "CONTINUUM", "EXTENDED_SCENES", "GAIN_SIGMA", "LOCAL_CPS_PER_CM3", "LOG_PRIOR", "Library",
        "Look", "OFFSET_SIGMA_KEV", "REFERENCE_MM", "RoomColumns", "STOPPER_OF", "library",
    ],
    "blackett.gamma.unmix": [
        "DEFAULT", "Evidence", "Grouped", "Mixture", "Settings", "Task", "Told", "Unmixed",
        "columns_by_source", "deviance", "group", "n_room", "needed", "offered", "parameters_used",
        "problem_with", "ratio", "required", "rival_ratio", "scores", "task",
        "templates_at", "unmix", "without",
    ],
}  # fmt: skip


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_these(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(PUBLIC[module])
    for name in found.__all__:
        assert getattr(found, name) is not None


def test_package_shows_its_names_and_no_others() -> None:
    assert dir(gamma) == gamma.__all__
    with pytest.raises(AttributeError, match="no attribute 'guess'"):
        _ = gamma.guess


def test_names_of_the_package_are_those_of_its_modules() -> None:
    assert gamma.Spectrum.__module__ == "blackett.gamma.spectrum"
    assert gamma.identify.__module__ == "blackett.gamma.identification"


def test_version_is_the_installed_one() -> None:
    from importlib.metadata import version

    assert version("blackett") == blackett.__version__

"""Detector records: resolution against measured widths, names found in files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from blackett.errors import InputError
from blackett.gamma.detector import (
    SCINTILLATOR_KNEE_KEV,
    Resolution,
    detector,
    detector_for,
    detectors,
)
from blackett.gamma.matter import material

# Measured FWHM by unit, (keV, FWHM keV): five RadiaCode units, then three published curves.
MEASURED = [
    [(59.5, 23.1), (122, 26.4), (354, 51.8), (662, 79.6)],
    [(59.5, 17.0), (239, 39.0), (2614, 126.0)],
    [(122, 22.1), (344, 41.8), (662, 67.1), (1332, 86.1), (1408, 84.5)],
    [(59.5, 15.5), (239, 34.0), (609, 57.7), (2614, 139.0)],
    [(1461, 80.4), (2614, 120.0)],
    [(609, 53.6), (1461, 84.5), (2614, 109.0)],
    [(30, 9.1), (59.5, 16.2), (122, 25.3), (239, 36.4), (662, 60.2), (1332, 81.9), (2614, 103.0)],
    [(122, 20.5), (239, 34.4), (511, 53.9), (662, 61.8), (1173, 82.1), (2614, 116.0)],
]


def misfit(parameters: np.ndarray) -> np.ndarray:
    """Differences in ln FWHM, each unit with its own scale and the same weight."""
    knee, scales = parameters[0], parameters[1:]
    parts = []
    for scale, unit in zip(scales, MEASURED, strict=True):
        energy, width = np.array(unit).T
        parts.append(np.log(scale * energy / np.sqrt(energy + knee) / width) / np.sqrt(len(unit)))
    return np.concatenate(parts)


def test_the_knee_is_the_least_squares_one() -> None:
    fit = least_squares(misfit, [10.0, *([2.3] * len(MEASURED))])
    assert fit.x[0] == pytest.approx(SCINTILLATOR_KNEE_KEV, abs=4.0)
    here = misfit(np.array([SCINTILLATOR_KNEE_KEV, *fit.x[1:]]))
    assert np.abs(here).max() < 0.12


@given(energy=st.floats(1.0, 3000.0), name=st.sampled_from(sorted(detectors())))
def test_width_is_sane_everywhere(energy: float, name: str) -> None:
    model = detector(name)
    width, wider = float(model.fwhm_kev(energy)), float(model.fwhm_kev(energy * 1.01))
    assert 0.0 < width <= wider
    assert wider / width < 1.011  # never faster than the energy itself
    assert width < 1.2 * energy


def test_the_unit_is_its_width_at_662() -> None:
    model = detector("radiacode-103")
    assert float(model.fwhm_kev(661.657)) == pytest.approx(0.086 * 661.657)
    assert float(model.fwhm_kev(661.657, 12.0)) == pytest.approx(0.12 * 661.657)
    ratio = model.fwhm_kev([60.0, 2614.0], 12.0) / model.fwhm_kev([60.0, 2614.0])
    assert ratio == pytest.approx([12.0 / 8.6] * 2)


def test_germanium_widths() -> None:
    assert detector("hpge").fwhm_kev([122.0, 1332.0]) == pytest.approx([1.0, 1.9], abs=0.03)


def test_bad_energies_and_widths() -> None:
    with pytest.raises(InputError):
        detector("hpge").fwhm_kev([0.0])
    with pytest.raises(InputError):
        detector("hpge").light_yield(-1.0)
    with pytest.raises(InputError, match="noise"):
        Resolution(0.1, (0.1, 0.2), noise_kev=2.0).fwhm_kev(100.0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("RadiaCode-102", "radiacode-102"),
        ("RC-110-001537", "radiacode-110"),
        ("RC-103G-000123", "radiacode-103g"),
        ("RadiaCode 103G", "radiacode-103g"),
        ("RC-103-012013 RadiaCode-102", "radiacode-103"),
        ("RadiaCode-101 CsI(Tl) 1 cm3", "radiacode-101"),
        ("HPGe Detective-EX100", "hpge"),
        ("NaI(Tl) custom", "nai-2x2"),
        ("AtomSpectra2 40x63", "nai-2x2"),
        ("CsI Kromek D3S", "csi-generic"),
        ("radiacode-103", "radiacode-103"),
    ],
)
def test_names_in_files(text: str, name: str) -> None:
    found = detector_for(text)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("text", ["", "Geiger counter", "RC-10345", "NaIve", "arc-1039"])
def test_unknown_names(text: str) -> None:
    assert detector_for(text) is None


def test_every_model_is_complete() -> None:
    for name, model in detectors().items():
        assert model.name == name == detector(name).name
        assert detector_for(model.title) == model
        low, high = model.resolution.range_662_percent
        assert low <= model.resolution.fwhm_662_percent <= high
        assert 0.0 < model.range_kev[0] < model.range_kev[1]
        material(model.crystal)
        for layer in model.housing:
            material(layer.material)
            assert all(a < b for a, b in zip(layer.low_mm, layer.high_mm, strict=True))
        assert float(model.light_yield(661.657)) == pytest.approx(1.0, abs=0.01)
    with pytest.raises(InputError, match="radiacode-103g"):
        detector("radiacode-104")


def test_sensitivity_ratio_of_the_larger_crystal() -> None:
    small, large = detector("radiacode-103"), detector("radiacode-110")
    assert large.volume_mm3 / small.volume_mm3 == pytest.approx(2.744)
    assert large.face_mm2 / small.face_mm2 == pytest.approx(1.96)

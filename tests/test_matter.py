"""Materials and cross sections, against XCOM's printed values and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackett.errors import InputError
from blackett.gamma.matter import (
    PROCESSES,
    Material,
    attenuation_per_mm,
    compound,
    edges_kev,
    element_barn,
    material,
    materials,
)

ENERGIES = st.floats(1.0, 3000.0)


def cm2_per_g(name: str, energy_kev: float, process: str = "total") -> float:
    return float(
        10.0 * attenuation_per_mm(material(name), energy_kev, process)
        / material(name).density_g_cm3
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "energy_kev", "process", "expected"),
    [
        ("csi", 100.0, "photoelectric", 1.816),
        ("csi", 100.0, "total", 2.035),
        ("csi", 661.657, "photoelectric", 0.01078),
        ("csi", 661.657, "incoherent", 0.0634),
        ("csi", 661.657, "total", 0.0775),
        ("water", 30.0, "total", 0.3756),  # NIST mass attenuation tables from here on
        ("water", 1000.0, "total", 0.07072),
        ("lead", 100.0, "total", 5.549),
        ("lead", 1250.0, "total", 0.05876),
        ("aluminium", 60.0, "total", 0.2778),
        ("air", 100.0, "total", 0.1541),
        ("concrete", 600.0, "total", 0.08236),
    ],
)
def test_printed_values(name: str, energy_kev: float, process: str, expected: float) -> None:
    assert cm2_per_g(name, energy_kev, process) == pytest.approx(expected, rel=4e-3)


@pytest.mark.parametrize(("energy", "barn"), [(1332.0, 0.0776), (2614.0, 1.207), (3000.0, 1.561)])
def test_pair_production_in_iodine(energy: float, barn: float) -> None:
    assert float(element_barn("I", energy, "pair")) == pytest.approx(barn, rel=3e-3)


def test_pair_production_starts_at_twice_the_electron_mass() -> None:
    assert float(element_barn("I", 1021.9, "pair")) == 0.0
    near = element_barn("I", np.linspace(1022.1, 1100.0, 50), "pair")
    assert np.all(near > 0.0)
    assert np.all(np.diff(near) > 0.0)


@pytest.mark.parametrize(
    ("symbol", "edge", "jump"), [("I", 33.169, 6.04), ("Gd", 50.239, 5.54), ("Pb", 88.005, 4.73)]
)
def test_k_edges(symbol: str, edge: float, jump: float) -> None:
    assert edges_kev(symbol)[-1] == pytest.approx(edge, abs=2e-3)
    below, above = element_barn(symbol, [edge - 0.01, edge + 0.01], "photoelectric")
    assert above / below == pytest.approx(jump, rel=0.02)  # jump ratios of xraylib


@given(energy=ENERGIES, name=st.sampled_from(sorted(materials())))
def test_total_is_the_sum_of_positive_processes(energy: float, name: str) -> None:
    parts = [float(attenuation_per_mm(material(name), energy, p)) for p in PROCESSES]
    assert all(part >= 0.0 for part in parts)
    assert sum(parts) == pytest.approx(float(attenuation_per_mm(material(name), energy)))


def test_shape_is_kept() -> None:
    assert attenuation_per_mm(material("water"), np.full((2, 3), 60.0)).shape == (2, 3)
    assert attenuation_per_mm(material("water"), 60.0).shape == ()


def test_compound_fractions() -> None:
    water = dict(compound("H2O", 1.0, "mine").mass_fractions)
    assert water["H"] == pytest.approx(2 * 1.008 / (2 * 1.008 + 15.999), rel=1e-5)
    assert compound("CsI", 4.51, "mine").electrons_per_mm3() == pytest.approx(1.129e21, rel=1e-3)


@pytest.mark.parametrize("formula", ["", "Gd3(AlGa)5O12", "csi", "H2O!", "Xx2"])
def test_bad_formulae(formula: str) -> None:
    with pytest.raises(InputError):
        compound(formula, 1.0, "bad")


def test_bad_materials_and_energies() -> None:
    with pytest.raises(InputError, match="unobtainium"):
        material("unobtainium")
    with pytest.raises(InputError, match="sum to"):
        Material("half", 1.0, (("H", 0.5),))
    with pytest.raises(InputError, match="density"):
        Material("void", 0.0, (("H", 1.0),))
    with pytest.raises(InputError, match="3000"):
        attenuation_per_mm(material("water"), 3001.0)
    with pytest.raises(InputError, match="fission"):
        attenuation_per_mm(material("water"), 100.0, "fission")

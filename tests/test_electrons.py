"""Electrons in matter, against the printed tables of ICRU Report 37 (ESTAR)."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.gamma.electrons import (
    POSITRON,
    collision_stopping_kev_mm,
    electron_tables,
    radiative_stopping_kev_mm,
    transport_per_mm,
)
from blackett.gamma.matter import material


@pytest.mark.parametrize(
    ("name", "energy_kev", "expected"),
    [
        ("water", 10.0, 22.56), ("water", 100.0, 4.115), ("water", 1000.0, 1.849),
        ("aluminium", 1000.0, 1.465), ("lead", 1000.0, 1.003),
    ],
)  # fmt: skip
def test_collision_stopping(name: str, energy_kev: float, expected: float) -> None:
    m = material(name)
    mev_cm2_g = collision_stopping_kev_mm(m, np.array([energy_kev]))[0] / 100.0 / m.density_g_cm3
    assert mev_cm2_g == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("name", "energy_kev", "expected"), [("water", 1000.0, 0.0128), ("water", 3000.0, 0.0425)]
)
def test_radiative_stopping(name: str, energy_kev: float, expected: float) -> None:
    m = material(name)
    mev_cm2_g = radiative_stopping_kev_mm(m, np.array([energy_kev]))[0] / 100.0 / m.density_g_cm3
    assert mev_cm2_g == pytest.approx(expected, rel=0.08)


def test_range_in_water() -> None:
    tables = electron_tables([material("water")])
    path = np.interp(np.log(1000.0), tables.ln_energy, tables.path_mm[0, 0])
    assert path == pytest.approx(4.37, rel=0.02)  # CSDA range 0.437 g/cm2


def test_tables_are_positive_and_monotone() -> None:
    tables = electron_tables([material("csi"), material("abs")])
    assert np.all(tables.stopping > 0.0)
    assert np.all(np.diff(tables.path_mm, axis=-1) > 0.0)
    followed = tables.ln_energy > np.log(5.0)  # Moliere's screening means little below
    assert np.all(np.diff(tables.first[..., followed], axis=-1) < 0.0)
    assert np.all(tables.first <= tables.second)
    assert np.all(np.diff(tables.photon_share, axis=-1) >= 0.0)
    assert np.all(tables.radiation[:, tables.ln_energy < np.log(10.0)] == 0.0)


def test_positrons_scatter_less_than_electrons() -> None:
    energy = np.array([50.0, 500.0])
    lead = material("lead")
    assert np.all(transport_per_mm(lead, energy, POSITRON) < transport_per_mm(lead, energy))

"""Tabulated responses: conservation, interpolation, and agreement with direct Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackett.errors import InputError, MissingDataError
from blackett.gamma import response as module
from blackett.gamma.detector import detector, detectors
from blackett.gamma.response import (
    INCIDENCES,
    ResponseMatrix,
    bare_response,
    compton_edge_kev,
    face_photons,
    housed_scene,
    response,
)
from blackett.gamma.transport import deposits_kev

WIDE = np.linspace(0.0, 3010.0, 1506)
ENERGIES = st.floats(10.0, 3000.0)
MODELS = st.sampled_from(sorted(detectors()))
WAYS = st.sampled_from(INCIDENCES)


def without(table: ResponseMatrix, i: int) -> ResponseMatrix:
    """The table less one energy."""
    keep = np.delete(np.arange(len(table.energies_kev)), i)
    return ResponseMatrix(
        "less one", table.energies_kev[keep], table.losses_kev, table.yields[keep],
        table.annihilation[keep], table.continuum[keep],
    )  # fmt: skip


@given(energy=ENERGIES, name=MODELS, incidence=WAYS)
@settings(max_examples=40, deadline=None)
def test_counts_are_conserved(energy: float, name: str, incidence: str) -> None:
    table = response(name, incidence)
    spectrum = table.deposit([energy], [2.0], WIDE)
    assert np.all(spectrum >= -1e-12)
    assert spectrum.sum() == pytest.approx(2.0 * float(table.total(energy)), rel=1e-6)
    assert spectrum[WIDE[:-1] > energy].sum() == 0.0


@given(energy=ENERGIES, name=MODELS)
@settings(max_examples=40, deadline=None)
def test_bins_do_not_matter(energy: float, name: str) -> None:
    table = response(name, "isotropic")
    fine, coarse = table.deposit([energy], [1.0], WIDE), table.deposit([energy], [1.0], WIDE[::5])
    assert fine.reshape(-1, 5).sum(axis=1) == pytest.approx(coarse, abs=1e-9)


def test_lines_add_up() -> None:
    table = response("radiacode-103")
    lines, weights = np.array([59.541, 661.657, 2614.511]), np.array([1.0, 0.5, 3.0])
    both = table.deposit(lines, weights, WIDE)
    assert both == pytest.approx(weights @ table.matrix(lines, WIDE))


@pytest.mark.parametrize("incidence", INCIDENCES)
def test_peaks_lie_at_exact_energies(incidence: str) -> None:
    places, heights = response("radiacode-103", incidence).peaks([2614.511], [1.0])
    for expected in (2614.511, 2614.511 - 510.99895, 2614.511 - 2 * 510.99895, 510.99895):
        assert np.min(np.abs(places - expected)) < 1e-6
    assert np.all(heights > 0.0)
    double, full = heights[np.argmin(np.abs(places - 1592.513))], heights[np.argmax(places)]
    assert double > full  # as EGSnrc finds for a 10 mm cube


def test_never_above_one_per_entering_photon() -> None:
    table = response("radiacode-103")
    energies = np.geomspace(10.0, 3000.0, 300)
    full, total = table.full_energy(energies), table.total(energies)
    assert np.all((full > 0.0) & (full < total))
    assert full.max() < 0.95
    assert total.max() < 1.1  # scatter from the housing adds a little to the direct photons


@pytest.mark.parametrize("incidence", INCIDENCES)
@pytest.mark.parametrize("name", ["radiacode-103", "radiacode-103g", "radiacode-110"])
def test_interpolation_leaving_one_out(name: str, incidence: str) -> None:
    """Twice the spacing of the table: four times its interpolation error, and its noise."""
    table = response(name, incidence)
    grid = table.energies_kev
    off, shape = [], []
    for i in range(1, len(grid) - 1):
        if grid[i] < 20.0 or np.min(np.diff(np.log(grid[max(i - 2, 0) : i + 3]))) < 0.02:
            continue  # beside a K edge
        less = without(table, i)
        off.append(float(less.full_energy(grid[i]) / table.full_energy(grid[i]) - 1.0))
        edges = np.linspace(0.0, grid[i] * 1.02, 60)
        both = [t.deposit([grid[i]], [1.0], edges) for t in (less, table)]
        shape.append(np.abs(both[0] - both[1]).sum() / both[1].sum())
    assert np.sqrt(np.mean(np.square(off))) < 0.015
    assert np.median(shape) < 0.02
    assert np.max(shape) < 0.06


def test_table_agrees_with_direct_monte_carlo() -> None:
    """A point source far off the tabulated energies, photons aimed at the face only."""
    model, energy, n = detector("radiacode-103"), 700.0, 120_000
    rng = np.random.default_rng(31)
    rows = face_photons(model.size_mm[:2], energy, 50.0, n, rng)
    rows[:, 1:4] -= 40.0 * rows[:, 4:7] / rows[:, 6:7]  # back to before the case
    deposits = deposits_kev(housed_scene(model), rows, rng)
    direct = np.mean(np.abs(deposits - energy) < 1e-3)
    tabulated = float(response(model).full_energy(energy))
    assert tabulated == pytest.approx(direct, abs=4.0 * np.sqrt(direct / n) + 0.015 * direct)
    band = (0.45 * energy, float(compton_edge_kev(energy)) - 10.0)
    plateau = response(model).deposit([energy], [1.0], np.array(band))[0]
    inside = np.mean((deposits > band[0]) & (deposits < band[1]))
    assert inside < plateau < 1.2 * inside  # the table adds photons scattered in from beside


def test_isotropic_area_of_a_black_crystal() -> None:
    """A 10 mm cube stops most photons of 100 keV: mean projected area 150 mm2, less housing."""
    area = float(response("radiacode-103", "isotropic").total(100.0))
    assert 0.75 * 150.0 < area < 150.0


def test_bare_response_is_the_contract() -> None:
    made = bare_response("radiacode-103", 661.657, 50.0, 40_000, np.random.default_rng(32))
    assert made.full_energy == pytest.approx(0.0603, abs=0.005)
    assert made.total == pytest.approx(0.240, abs=0.01)
    assert made.per_entering_photon.sum() == pytest.approx(made.total)
    assert len(made.edges_kev) == len(made.per_entering_photon) + 1
    assert made.edges_kev[-1] > 661.657
    again = bare_response("radiacode-103", 661.657, 50.0, 40_000, np.random.default_rng(32))
    assert np.array_equal(again.per_entering_photon, made.per_entering_photon)


def test_bad_requests() -> None:
    table = response("radiacode-103")
    with pytest.raises(InputError, match="3000"):
        table.deposit([3001.0], [1.0], WIDE)
    with pytest.raises(InputError, match="weights"):
        table.deposit([300.0, 400.0], [1.0], WIDE)
    with pytest.raises(InputError, match="sideways"):
        response("radiacode-103", "sideways")
    rng = np.random.default_rng(0)
    for energy, distance, photons in ((5.0, 50.0, 10), (662.0, 0.0, 10), (662.0, 50.0, 0)):
        with pytest.raises(InputError):
            bare_response("radiacode-103", energy, distance, photons, rng)
    with pytest.raises(MissingDataError, match="build_response"):
        module._table("response-unbuilt")


def test_read_only() -> None:
    assert not response("radiacode-103").continuum.flags.writeable

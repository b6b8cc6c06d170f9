"""Photon physics: tables against their sources, samples against differential cross sections."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from blackett.errors import InputError
from blackett.gamma import photons
from blackett.gamma.matter import attenuation_per_mm, material
from blackett.gamma.photons import PhotonTables, photon_tables

STACK = ("csi", "gagg", "water", "lead")
CSI, GAGG, WATER, LEAD = range(4)
N = 100_000


@pytest.fixture(scope="module")
def tables() -> PhotonTables:
    return photon_tables([material(name) for name in STACK])


@njit
def totals(t, m, energies):
    out = np.empty(len(energies))
    for n in range(len(energies)):
        i, f = photons.locate(t, energies[n])
        out[n] = photons.total_per_mm(t, m, i, f)
    return out


@njit
def compton_samples(t, m, energy, n, rng):
    out = np.empty((n, 2))
    for k in range(n):
        out[k, 0], out[k, 1] = photons.sample_compton(t, m, energy, rng)
    return out


@njit
def coherent_samples(t, m, energy, n, rng):
    return np.array([photons.sample_coherent(t, m, energy, rng) for _ in range(n)])


@njit
def differentials(t, m, energy, cosines):
    out = np.empty((2, len(cosines)))
    for k in range(len(cosines)):
        out[0, k] = photons.compton_per_sr(t, m, energy, cosines[k])
        out[1, k] = photons.coherent_per_sr(t, m, energy, cosines[k])
    return out


@njit
def vacancies(t, m, energy, n, rng):
    out = np.empty((n, 2))
    for k in range(n):
        out[k, 0], out[k, 1] = photons.k_vacancy(t, m, energy, rng)
    return out


@njit
def processes(t, m, energy, n, rng):
    i, f = photons.locate(t, energy)
    return np.array([photons.sample_process(t, m, i, f, rng) for _ in range(n)])


@njit
def pair_electrons(energy, n, rng):
    return np.array([photons.pair_electron_kev(energy, rng) for _ in range(n)])


@pytest.mark.parametrize("m", range(4))
def test_lookup_meets_the_cross_sections(tables: PhotonTables, m: int) -> None:
    energies = np.exp(np.random.default_rng(m).uniform(np.log(5.0), np.log(3000.0), 2000))
    expected = attenuation_per_mm(material(STACK[m]), energies)
    assert totals(tables, m, energies) == pytest.approx(expected, rel=5e-4)


def test_lookup_at_an_edge_and_at_the_ends(tables: PhotonTables) -> None:
    below, above = totals(tables, CSI, np.array([35.984, 35.985]))
    assert above / below > 1.7
    ends = totals(tables, CSI, np.array([1.0, 3000.0]))
    assert ends == pytest.approx(attenuation_per_mm(material("csi"), [1.0, 3000.0]), rel=1e-3)


@pytest.mark.parametrize("energy", [20.0, 59.5, 661.657, 2614.5])
def test_differentials_integrate_to_the_totals(tables: PhotonTables, energy: float) -> None:
    u = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 3000)])
    per_sr = differentials(tables, CSI, energy, 1.0 - 2.0 * u**2)
    whole = np.trapezoid(per_sr * 8.0 * np.pi * u, u, axis=1)
    m = material("csi")
    expected = [float(attenuation_per_mm(m, energy, p)) for p in ("incoherent", "coherent")]
    assert whole == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("m", "energy"), [(CSI, 30.0), (CSI, 661.657), (WATER, 59.5)])
def test_sampled_angles_follow_the_differentials(
    tables: PhotonTables, m: int, energy: float
) -> None:
    rng = np.random.default_rng(3)
    edges = np.linspace(-1.0, 1.0, 21)
    fine = np.linspace(-1.0, 1.0, 40_001)
    per_sr = differentials(tables, m, energy, fine)
    drawn = [
        compton_samples(tables, m, energy, N, rng)[:, 1],
        coherent_samples(tables, m, energy, N, rng),
    ]
    for cosines, density in zip(drawn, per_sr, strict=True):
        expected = np.histogram(fine, edges, weights=density)[0]
        expected = expected[:-1] / expected.sum() * N  # without the forward peak's own bin
        counts = np.histogram(cosines, edges)[0][:-1]
        chi2 = np.sum((counts - expected) ** 2 / np.maximum(expected, 1.0))
        assert chi2 < 60.0  # 19 bins, and 0.3 % of quadrature


def test_compton_energy_is_broadened_around_klein_nishina(tables: PhotonTables) -> None:
    energy, cosine = compton_samples(tables, CSI, 661.657, N, np.random.default_rng(4)).T
    off = energy - np.array([photons.compton_energy(661.657, c) for c in cosine])
    assert abs(np.median(off)) < 1.0
    assert 4.0 < np.percentile(np.abs(off), 68) < 16.0
    assert np.all((energy > 0.0) & (energy < 661.657))


def test_backscatter_energies() -> None:
    assert photons.compton_energy(661.657, -1.0) == pytest.approx(184.3, abs=0.1)
    assert photons.compton_energy(2614.5, -1.0) == pytest.approx(232.8, abs=0.1)


def test_process_shares(tables: PhotonTables) -> None:
    drawn = np.bincount(processes(tables, CSI, 2614.5, N, np.random.default_rng(5)), minlength=4)
    m = material("csi")
    whole = float(attenuation_per_mm(m, 2614.5))
    names = ("photoelectric", "incoherent", "coherent", "pair")
    share = np.array([float(attenuation_per_mm(m, 2614.5, name)) for name in names]) / whole
    assert np.abs(drawn / N - share).max() < 5.0 * np.sqrt(0.25 / N)


def test_k_x_rays_of_csi(tables: PhotonTables) -> None:
    drawn = vacancies(tables, CSI, 59.54, N, np.random.default_rng(6))
    assert np.mean(drawn[:, 1] > 0.0) == pytest.approx(0.755, abs=0.01)  # K share x yield
    assert set(np.round(np.unique(drawn[:, 1]), 1)) == {
        0.0, 28.3, 28.6, 30.6, 31.0, 32.3, 33.0, 35.0, 35.8,
    }  # fmt: skip
    assert np.all(vacancies(tables, CSI, 33.1, 1000, np.random.default_rng(6))[:, 1] == 0.0)
    between = vacancies(tables, CSI, 35.0, N, np.random.default_rng(6))[:, 1]
    assert between.max() < 33.2  # only iodine can


def test_pair_energies_are_symmetric_and_bounded() -> None:
    kinetic = pair_electrons(2614.5, N, np.random.default_rng(7)) / (2614.5 - 1021.998)
    assert 0.0 < kinetic.min() < kinetic.max() < 1.0
    assert kinetic.mean() == pytest.approx(0.5, abs=0.005)
    assert 0.24 < kinetic.std() < 0.26  # a dome; 0.289 would be flat, 0.224 a parabola


def test_rotation_keeps_length_and_angle() -> None:
    rng = np.random.default_rng(8)
    for cos in (-1.0, -0.3, 0.7, 1.0):
        start = rng.normal(size=3)
        start /= np.linalg.norm(start)
        for axis in (start, np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, -1.0])):
            turned = photons.rotated(*axis, cos, rng.uniform(0.0, 6.28))
            assert np.linalg.norm(turned) == pytest.approx(1.0)
            assert np.dot(turned, axis) == pytest.approx(cos)


def test_a_seed_reproduces(tables: PhotonTables) -> None:
    first, second = (
        compton_samples(tables, CSI, 662.0, 100, np.random.default_rng(9)) for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_no_materials() -> None:
    with pytest.raises(InputError):
        photon_tables([])

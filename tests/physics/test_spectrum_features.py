"""Where the features of a spectrum must lie, from kinematics alone."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.gamma.detector import detector
from blackett.gamma.matter import attenuation_per_mm, material
from blackett.gamma.response import bare_scene, compton_edge_kev, face_photons
from blackett.gamma.transport import Box, deposits_kev, scene

ME = 510.99895


def bare(energy_kev: float, n: int, seed: int) -> np.ndarray:
    model = detector("radiacode-103")
    rng = np.random.default_rng(seed)
    rows = face_photons(model.size_mm[:2], energy_kev, 50.0, n, rng)
    return deposits_kev(bare_scene(model), rows, rng)


@pytest.mark.parametrize(
    ("energy", "edge"),
    [(356.0, 207.3), (511.0, 340.7), (661.66, 477.3), (1332.5, 1118.1), (2614.5, 2381.8)],
)
def test_compton_edge_formula(energy: float, edge: float) -> None:
    assert compton_edge_kev(energy) == pytest.approx(edge, abs=0.1)


@pytest.mark.parametrize("energy", [661.657, 1332.492])
def test_the_continuum_falls_at_the_compton_edge(energy: float) -> None:
    deposits = bare(energy, 80_000, 1)
    edge = float(compton_edge_kev(energy))
    counts, edges = np.histogram(deposits, np.arange(edge - 80.0, edge + 81.0, 10.0))
    steepest = edges[1 + int(np.argmax(counts[:-1] - counts[1:]))]
    assert steepest == pytest.approx(edge, abs=11.0)
    assert counts[:6].mean() > 3.0 * counts[-6:].mean()


def test_escape_peaks_are_sharp_and_in_place() -> None:
    energy = 2614.511
    deposits = bare(energy, 80_000, 2)
    for lost in (ME, 2.0 * ME):
        peak = np.sum(np.abs(deposits - (energy - lost)) < 0.5)
        beside = np.sum(np.abs(deposits - (energy - lost) - 6.0) < 5.0) / 10.0
        assert peak > 8.0 * beside + 20.0


def test_k_x_ray_escape() -> None:
    deposits = bare(59.541, 20_000, 3)
    lost = 59.541 - deposits[(deposits > 22.0) & (deposits < 38.0)]
    lines = np.array([28.317, 28.612, 30.625, 30.973])
    near = np.min(np.abs(lost[:, None] - lines), axis=1) < 0.01
    assert np.mean(near) > 0.7


def test_never_above_the_interaction_probability() -> None:
    longest = np.sqrt(10.0**2 + 2.0 * (10.0 * 5.0 / 50.0) ** 2)  # through the cube, steepest ray
    for energy in (30.0, 100.0, 356.0, 1000.0, 2614.5):
        deposits = bare(energy, 20_000, 4)
        mu = float(attenuation_per_mm(material("csi"), energy))
        highest = 1.0 - np.exp(-mu * longest)
        full, total = np.mean(deposits > energy - 1.0), np.mean(deposits > 0.0)
        assert full <= total <= highest + 4.0 * np.sqrt(highest / 20_000)


def test_electron_escape_lowers_the_full_energy_peak() -> None:
    """Interactions within an electron range of the surface lose energy: 1 mm against 10 mm."""
    thin = scene(Box((-5.0, -5.0, 0.0), (5.0, 5.0, 1.0), material("csi")))
    rows = np.tile([661.657, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0], (200_000, 1))
    deposits = deposits_kev(thin, rows, np.random.default_rng(5))
    photo = 1.0 - np.exp(-float(attenuation_per_mm(material("csi"), 661.657, "photoelectric")))
    full = np.mean(deposits > 661.0)
    assert 0.3 * photo < full < 0.9 * photo

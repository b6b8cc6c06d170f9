"""Transport: conservation, geometry, attenuation, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma.matter import attenuation_per_mm, material
from blackett.gamma.transport import Box, Scene, deposits_kev, scene


def cube(name: str, edge: float) -> Box:
    half = 0.5 * edge
    return Box((-half, -half, 0.0), (half, half, edge), material(name))


def beam(energy: float, n: int, z: float = -1.0) -> np.ndarray:
    """A pencil beam on the axis, towards positive z."""
    return np.tile([energy, 0.0, 0.0, z, 0.0, 0.0, 1.0], (n, 1))


@pytest.fixture(scope="module")
def small() -> Scene:
    return scene(cube("csi", 10.0))


def test_a_large_crystal_keeps_all() -> None:
    rows = beam(2614.5, 200)
    rows[:, 3] = 1000.0
    deposits = deposits_kev(scene(cube("csi", 2000.0)), rows, np.random.default_rng(1))
    assert deposits == pytest.approx(np.full(200, 2614.5), abs=1e-6)


@pytest.mark.parametrize("energy", [20.0, 80.0, 661.657, 2614.5])
def test_interaction_probability_is_attenuation(small: Scene, energy: float) -> None:
    n = 40_000
    deposits = deposits_kev(small, beam(energy, n), np.random.default_rng(2))
    csi = material("csi")
    losing = [attenuation_per_mm(csi, energy, p) for p in ("photoelectric", "incoherent", "pair")]
    at_once = 1.0 - np.exp(-10.0 * float(sum(losing)))
    seen = np.mean(deposits > 0.0)
    # Coherent scattering only changes the path a little.
    assert seen == pytest.approx(at_once, abs=5.0 * np.sqrt(0.25 / n) + 0.002)
    assert deposits.max() <= energy + 1e-6
    assert deposits.min() >= 0.0


def test_missing_photons_leave_nothing(small: Scene) -> None:
    rows = beam(662.0, 100)
    rows[:, 1] = 6.0
    assert not deposits_kev(small, rows, np.random.default_rng(3)).any()
    rows = beam(662.0, 100)
    rows[:, 6] = -1.0
    assert not deposits_kev(small, rows, np.random.default_rng(3)).any()


def test_housing_attenuates_and_scatters() -> None:
    lead = Box((-50.0, -50.0, -6.0), (50.0, 50.0, -1.0), material("lead"))
    shielded = scene(cube("csi", 10.0), [lead])
    n, energy = 40_000, 661.657
    through = deposits_kev(shielded, beam(energy, n, -10.0), np.random.default_rng(4))
    bare = deposits_kev(scene(cube("csi", 10.0)), beam(energy, n), np.random.default_rng(5))
    passed = np.exp(-5.0 * float(attenuation_per_mm(material("lead"), energy)))
    full = [np.mean(d > energy - 0.001) for d in (through, bare)]
    assert full[0] == pytest.approx(passed * full[1], rel=0.08)
    lead_x_rays = np.mean((through > 70.0) & (through < 90.0))
    assert lead_x_rays > 1.5 * np.mean((bare > 70.0) & (bare < 90.0)) * passed


def test_the_crystal_cuts_into_its_housing() -> None:
    around = Box((-20.0, -20.0, -1.0), (20.0, 20.0, 20.0), material("air"))
    n = 20_000
    inside = deposits_kev(scene(cube("csi", 10.0), [around]), beam(60.0, n, -5.0),
                          np.random.default_rng(6))  # fmt: skip
    alone = deposits_kev(scene(cube("csi", 10.0)), beam(60.0, n, -5.0), np.random.default_rng(6))
    assert np.mean(inside > 59.9) == pytest.approx(np.mean(alone > 59.9), abs=0.015)


def test_a_seed_reproduces(small: Scene) -> None:
    first, second = (
        deposits_kev(small, beam(1332.0, 500), np.random.default_rng(7)) for _ in range(2)
    )
    other = deposits_kev(small, beam(1332.0, 500), np.random.default_rng(8))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_inside_out_boxes_are_refused() -> None:
    with pytest.raises(InputError, match="csi"):
        scene(Box((0.0, 0.0, 1.0), (1.0, 1.0, 0.0), material("csi")))

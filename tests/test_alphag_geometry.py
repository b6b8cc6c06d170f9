"""The apparatus: material by z, the solenoid's field, the tables as data."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.alphag import geometry
from blackett.alphag.geometry.field import field_table
from blackett.alphag.geometry.layers import GAS, SCINTILLATOR, boundary_distance, locate
from blackett.alphag.geometry.photon_attenuation import compton_per_atom, pair_per_atom
from blackett.errors import InputError

# z (mm): total X/X0 without the chamber wall, and g/cm2, of the ray tracing of the public CAD
TOTALS = [
    (-1130, 0.54, 7.3), (-1067, 1.27, 17.9), (-1045, 0.98, 14.1), (-930, 0.86, 12.3),
    (-805, 0.98, 14.1), (-787, 1.48, 20.8), (-770, 1.20, 17.8), (-747, 1.02, 15.0),
    (-727, 0.92, 13.8), (-627, 1.15, 16.9), (-607, 0.92, 13.8), (-487, 0.92, 13.8),
    (-327, 0.97, 14.3), (-307, 1.37, 19.1), (-200, 0.97, 14.3), (-47, 0.76, 10.6),
    (-7, 0.82, 11.5), (73, 0.82, 11.5), (200, 0.97, 14.3), (313, 1.24, 17.3), (333, 1.00, 14.6),
    (413, 0.90, 13.3), (433, 1.13, 16.4), (553, 1.13, 16.4), (653, 0.90, 13.3), (753, 1.00, 14.6),
    (773, 0.73, 10.1), (793, 1.28, 17.7), (900, 0.83, 11.5), (1100, 0.54, 7.3),
]  # fmt: skip
RANGES = [
    (-707, 0.72, 0.80), (-647, 0.72, 0.80), (-387, 0.72, 0.80), (-357, 0.87, 0.90),
    (-270, 0.76, 0.85), (-120, 0.76, 0.85), (130, 0.76, 0.85), (270, 0.76, 0.85),
    (453, 0.73, 0.78), (633, 0.73, 0.78), (1040, 0.94, 1.12), (1060, 0.94, 1.12),
]  # fmt: skip


def radial(z: float, unit: str = "x0", azimuth: float = 0.3) -> float:
    start, along = [[0.0, 0.0, z]], [[np.cos(azimuth), np.sin(azimuth), 0.0]]
    return float(
        geometry.ray_thickness(np.array(start), np.array(along), unit=unit, r_to_mm=103.0)[0]
    )


@pytest.mark.parametrize(("z", "x0", "g_cm2"), TOTALS)
def test_material_by_z(z: float, x0: float, g_cm2: float) -> None:
    assert radial(z) == pytest.approx(x0, rel=0.03)
    assert radial(z, "g_cm2") == pytest.approx(g_cm2, rel=0.08)


@pytest.mark.parametrize(("z", "low", "high"), RANGES)
def test_material_where_the_source_gives_a_range(z: float, low: float, high: float) -> None:
    assert 0.97 * low <= radial(z) <= 1.03 * high


def test_mean_material() -> None:
    z = np.linspace(-1039, 1039, 1040)
    start, along = np.stack([0 * z, 0 * z, z], 1), np.tile([1.0, 0.0, 0.0], (z.size, 1))
    x0 = geometry.ray_thickness(start, along, r_to_mm=103.0)
    mass = geometry.ray_thickness(start, along, unit="g_cm2", r_to_mm=103.0)
    assert x0.mean() == pytest.approx(0.91, rel=0.02)
    assert mass.mean() == pytest.approx(13.2, rel=0.02)


def test_inner_wall_of_the_chamber_and_slanted_rays() -> None:
    start = np.array([[0.0, 0.0, -600.0]])
    along = np.array([[1.0, 0.0, 0.0]])
    wall = geometry.ray_thickness(start, along, r_from_mm=103.4)[0]
    assert wall == pytest.approx(0.026, rel=0.01)
    slanted = np.array([[np.sin(1.0), 0.0, np.cos(1.0)]])
    thickness = geometry.ray_thickness(start, slanted, r_from_mm=103.4)[0]
    assert thickness == pytest.approx(wall / np.sin(1.0), rel=1e-3)
    with pytest.raises(InputError, match="x0"):
        geometry.ray_thickness(start, along, unit="kg")


def test_layers_do_not_overlap_and_fill_the_world() -> None:
    world = geometry.cells()
    assert (np.diff(world.z_edges) > 0).all()
    for i, count in enumerate(world.shells):
        edges = world.r_edges[i, : count + 1]
        assert edges[0] == 0
        assert edges[-1] == geometry.WORLD_RADIUS_MM
        assert (np.diff(edges) > 0).all()


def test_electrodes_are_the_annihilation_wall() -> None:
    z = np.array([-1140.0, -900.0, -755.0, -600.0, -381.0, -379.0, 500.0])
    assert geometry.wall_radius_mm(z).tolist() == [24.0, 14.8, 14.8, 22.2, 22.2, 24.0, 24.0]


def test_boundaries_are_where_points_change_cell() -> None:
    world, rng = geometry.cells(), np.random.default_rng(1)
    for _ in range(2000):
        x, y = rng.uniform(-170, 170, 2)
        z = rng.uniform(-1300, 1300)
        u = rng.normal(size=3)
        u /= np.linalg.norm(u)
        i, j = locate(world, x, y, z)
        d = boundary_distance(world, i, j, x, y, z, *u)
        before, after = max(d - 1e-6, 0), d + 1e-6
        assert locate(world, x + before * u[0], y + before * u[1], z + before * u[2]) == (i, j)
        assert locate(world, x + after * u[0], y + after * u[1], z + after * u[2]) != (i, j)


@pytest.mark.parametrize(
    ("name", "x0_mm"),
    [("steel", 17.4), ("copper", 14.4), ("aluminium", 89.0), ("octupole", 58.0),
     ("mirror_coil", 40.0), ("analysis_coil", 48.0), ("corrector", 95.0), ("g10", 5.75 / 0.026)],
)  # fmt: skip
def test_radiation_lengths(name: str, x0_mm: float) -> None:
    assert geometry.material(name).x0_mm == pytest.approx(x0_mm, rel=0.01)


def test_numbers_of_gas_and_scintillator() -> None:
    names = [m.name for m in geometry.materials()]
    assert (names[0], names[GAS], names[SCINTILLATOR]) == ("vacuum", "chamber_gas", "scintillator")
    world = geometry.cells()
    middle = int(np.searchsorted(world.z_edges, 0.0)) - 1
    assert world.material[locate(world, 150.0, 0.0, 1.0)] == GAS
    assert world.material[locate(world, 230.0, 0.0, 1.0)] == SCINTILLATOR
    assert world.material[middle, 0] == 0


def test_gas() -> None:
    gas = geometry.material("chamber_gas")
    assert sum(w for _, w in gas.composition) == pytest.approx(1, abs=1e-3)
    moles = {e.symbol: w / e.a for e, w in gas.composition}
    assert moles["Ar"] / moles["C"] == pytest.approx(70 / 30, rel=5e-3)
    assert moles["O"] / moles["C"] == pytest.approx(2, rel=5e-3)


def test_compositions_sum_to_one() -> None:
    for m in geometry.materials()[1:]:
        assert sum(w for _, w in m.composition) == pytest.approx(1, abs=2e-3), m.name


def test_unknown_material_and_scales() -> None:
    with pytest.raises(InputError, match="steel"):
        geometry.material("unobtainium")
    with pytest.raises(InputError, match=">= 0"):
        geometry.material_table(-1)
    with pytest.raises(InputError, match="field scale"):
        geometry.solenoid(float("nan"))
    thin, full = geometry.material_table(0.5), geometry.material_table()
    names = [m.name for m in geometry.materials()]
    steel, gas = names.index("steel"), names.index("chamber_gas")
    assert thin.x0_mm[steel] == pytest.approx(2 * full.x0_mm[steel])
    assert thin.x0_mm[gas] == full.x0_mm[gas]


def test_field_reproduces_the_map() -> None:
    field, rows = geometry.solenoid(), field_table()
    for r, bz, br in ((0.0, 1, None), (140.0, 2, 3), (190.0, 4, 5)):
        for sign in (1, -1):
            b = field.at(np.full(len(rows), r), 0.0, sign * rows[:, 0])
            np.testing.assert_allclose(b[:, 2], rows[:, bz], atol=1e-3)
            if br is not None:
                np.testing.assert_allclose(b[:, 0], sign * rows[:, br], atol=1e-3)
    assert field.at(0.0, 0.0, 1000.0)[0, 2] == pytest.approx(0.7733, abs=5e-4)


def test_field_has_neither_divergence_nor_curl() -> None:
    field, h = geometry.solenoid(), 5.0
    r, z = np.meshgrid(np.arange(20.0, 190.0, 10), np.arange(-1150.0, 1151, 50))
    r, z = r.ravel(), z.ravel()

    def b(radius: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = field.at(radius, 0.0, height)
        return values[:, 0], values[:, 2]

    flux = ((r + h) * b(r + h, z)[0] - (r - h) * b(r - h, z)[0]) / (2 * h * r)
    divergence = flux + (b(r, z + h)[1] - b(r, z - h)[1]) / (2 * h)
    curl = (b(r, z + h)[0] - b(r, z - h)[0]) / (2 * h) - (b(r + h, z)[1] - b(r - h, z)[1]) / (2 * h)
    largest_gradient = 3e-3  # T/mm
    assert np.abs(divergence).max() < 0.02 * largest_gradient
    assert np.abs(curl).max() < 0.02 * largest_gradient


def test_field_outside_and_scaled() -> None:
    field = geometry.solenoid(0.5)
    assert field.at(0.0, 0.0, 0.0)[0, 2] == pytest.approx(0.5, abs=5e-4)
    assert (field.at(0.0, 0.0, 5000.0) == 0).all()


def test_photon_cross_sections() -> None:
    energies, z = np.array([1.0, 100.0, 1e4]), np.array([26.0])
    pair, compton = pair_per_atom(energies, z)[0], compton_per_atom(energies, z)[0]
    assert pair[0] == 0  # below threshold
    limit = 7 / 9 * 55.845 / (0.602214 * 13.84)  # of complete screening
    assert pair[2] == pytest.approx(limit, rel=0.03)
    assert pair[1] == pytest.approx(0.72 * limit, rel=0.05)
    assert compton[0] == pytest.approx(26 * 0.2112, rel=1e-3)  # Klein-Nishina at 1 MeV, barn

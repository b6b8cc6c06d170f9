"""Scenes: interpolated kernels, layers, limits, and the geometry helpers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackett.errors import InputError
from blackett.gamma.kernels import (
    BINS,
    Fluence,
    centres_kev,
    edges_kev,
    interpolate,
    kernel,
    kernel_names,
    sharp_lines_kev,
)
from blackett.gamma.layers import SHIELD_MATERIALS, SURROUNDINGS, pass_through, shield_layer
from blackett.gamma.matter import attenuation_per_mm, material
from blackett.gamma.scene import EXTENDED, Scene, fluence, photons_entering, solid_angle_fraction

CS137 = 661.657
ALL = [
    name
    for group in ("around", "shield", "extended", "environment")
    for name in kernel_names(group)
]


@pytest.mark.parametrize("name", ALL)
def test_tables_are_sound(name):
    """Nothing negative, no continuum above the incident energy, nothing created from nothing."""
    table = kernel(name).fluence
    parts = (table.direct, table.coherent, table.scattered, table.sharp)
    assert all(np.isfinite(part).all() and (part >= 0).all() for part in parts)
    assert ((table.obliquity >= 1.0) & (table.obliquity <= np.sqrt(3) + 1e-3)).all()
    above = edges_kev()[None, :-1] > table.energy_kev[:, None]
    assert table.scattered[above].sum() == 0.0
    no_pairs = table.energy_kev < 1022.0
    assert table.sharp[no_pairs][:, 0].sum() == 0.0


def test_every_class_has_its_tables():
    assert {n.split("/")[1] for n in kernel_names("around")} == set(SURROUNDINGS)
    assert {n.split("/")[1] for n in kernel_names("extended")} == set(EXTENDED)
    assert {n.split("/")[1] for n in kernel_names("shield")} == set(SHIELD_MATERIALS.values())


def test_a_node_gives_its_row_back():
    table = kernel("around/room/150").fluence
    found = interpolate(table, table.energy_kev[5:])
    assert found.scattered == pytest.approx(table.scattered[5:], rel=1e-9, abs=1e-15)
    assert found.direct == pytest.approx(table.direct[5:], rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.floats(10.0, 3000.0), st.sampled_from(ALL))
def test_between_nodes_amounts_lie_between_and_nothing_is_lost(energy, name):
    table = kernel(name).fluence
    amount = table.scattered.sum(1)
    found = interpolate(table, [energy])
    upper = np.clip(np.searchsorted(table.energy_kev, energy), 1, len(amount) - 1)
    low, high = sorted(amount[upper - 1 : upper + 1])
    assert low * (1 - 1e-9) <= found.scattered.sum() <= high * (1 + 1e-9)
    assert (found.scattered >= 0).all()
    assert found.scattered[0, edges_kev()[:-1] >= energy].sum() == 0.0


def test_the_backscatter_edge_moves_with_the_energy():
    """Made-up table: everything at 180 degrees. Between nodes it must stay at 180 degrees."""
    nodes = np.array([400.0, 700.0])
    rows = np.zeros((2, BINS))
    for row, energy in zip(rows, nodes, strict=True):
        row[np.searchsorted(edges_kev(), energy / (1 + 2 * energy / 511.0)) - 1] = 1.0
    flat = np.ones(2)
    table = Fluence(nodes, flat, 0 * flat, rows, np.zeros((2, len(sharp_lines_kev()))), flat)
    for energy in (450.0, 550.0, 650.0):
        mean = interpolate(table, [energy]).scattered[0] @ centres_kev()
        assert mean == pytest.approx(energy / (1 + 2 * energy / 511.0), abs=5.0)


@pytest.mark.parametrize("energy", [5.0, 3100.0, np.nan])
def test_energies_outside_the_tables_are_refused(energy):
    with pytest.raises(InputError, match="to 3000"):
        fluence([energy], Scene())


def test_direct_transmission_is_exact():
    energies = np.array([59.54, 122.06, CS137, 2614.5])
    shield = (("lead", 2.0), ("copper", 1.5), ("acrylic", 3.0))
    seen = fluence(energies, Scene(200.0, shield, "open"))
    layers = (*shield, ("air", 200.0))
    depth = sum(attenuation_per_mm(material(name), energies) * t for name, t in layers)
    assert seen.direct == pytest.approx(np.exp(-depth), rel=1e-12)
    assert seen.reference_per_mm2 == pytest.approx(1 / (4 * np.pi * 200**2))


def test_a_vanishing_shield_does_nothing():
    energies = np.array([100.0, CS137, 1460.8])
    bare, thin = (fluence(energies, Scene(100.0, s, "bench")) for s in ((), (("lead", 1e-6),)))
    assert thin.scattered == pytest.approx(bare.scattered, rel=1e-3, abs=1e-8)
    assert thin.sharp == pytest.approx(bare.sharp, abs=1e-5)


@pytest.mark.parametrize("name", ["polyethylene", "aluminium", "iron", "lead"])
def test_buildup_grows_with_thickness(name):
    share = [
        float(seen.indirect[0] / seen.direct[0])
        for t in (0.5, 2.0, 4.0, 9.0, 14.0)
        for seen in [fluence([CS137], Scene(200.0, ((name, t),), "open"))]
    ]
    assert np.all(np.diff(share) > 0)


def test_two_thin_layers_are_one_thick_one():
    one = fluence([CS137], Scene(200.0, (("iron", 8.0),), "open"))
    two = fluence([CS137], Scene(200.0, (("iron", 4.0), ("iron", 4.0)), "open"))
    assert two.direct == pytest.approx(one.direct)
    assert two.indirect == pytest.approx(one.indirect, rel=0.15)


def test_lead_glows_only_above_its_k_edge():
    x_rays = (sharp_lines_kev() > 72) & (sharp_lines_kev() < 88)
    below, above = fluence([87.0, 120.0], Scene(200.0, (("lead", 1.0),), "open")).sharp[:, x_rays]
    assert below.sum() == 0.0
    assert above.sum() > 0.005


def test_a_layer_is_linear():
    layer, energies = shield_layer("iron", 3.0), np.array([300.0, 900.0])
    base = fluence(energies, Scene(50.0, (), "room"))
    plain = Fluence(
        energies,
        *(getattr(base, f) for f in ("direct", "coherent", "scattered", "sharp", "obliquity")),
    )
    double = Fluence(
        energies,
        2 * plain.direct,
        2 * plain.coherent,
        2 * plain.scattered,
        2 * plain.sharp,
        plain.obliquity,
    )
    once, twice = pass_through(layer, plain), pass_through(layer, double)
    assert twice.scattered == pytest.approx(2 * once.scattered)
    assert twice.obliquity == pytest.approx(once.obliquity)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distance_mm": 5.0}, "15 to 500"),
        ({"distance_mm": 800.0}, "15 to 500"),
        ({"distance_mm": None}, "15 to 500"),
        ({"surroundings": "moon"}, "open, bench"),
        ({"extended": "jar"}, "distance_mm=None"),
        ({"distance_mm": None, "extended": "brick"}, "jar, soil bag"),
        ({"shield": (("lead", 60.0),)}, "up to 50 mm"),
        ({"shield": (("lead", 0.0),)}, "above 0"),
        ({"shield": (("gold", 1.0),)}, "one of"),
    ],
)
def test_scenes_reject_what_they_cannot_do(arguments, message):
    with pytest.raises(InputError, match=message):
        Scene(**arguments)


def test_the_open_reaches_farther():
    near, far = (fluence([CS137], Scene(d, (), "open")) for d in (500.0, 2000.0))
    assert far.indirect == pytest.approx(4 * near.indirect, rel=0.05)


@pytest.mark.parametrize("name", EXTENDED)
def test_extended_sources_give_fluence(name):
    seen = fluence([30.0, 186.2, 1460.8], Scene(None, (), "bench", name))
    assert (seen.direct > 0).all()
    assert seen.direct[2] > 0.2 * seen.direct[0]
    assert (seen.indirect > 0).all()


def test_a_thick_source_hides_its_own_x_rays():
    seen = fluence([30.0, 1460.8], Scene(None, (), "open", "rock"))
    assert seen.direct[0] < 0.5 * seen.direct[1]


@pytest.mark.parametrize("energy", [100.0, CS137, 1460.8, 2614.5])
def test_a_large_rock_is_half_a_space(energy):
    """Unscattered fluence at the surface of a half space is half of 1/mu, of a whole one."""
    seen = fluence([energy], Scene(None, (), "open", "outcrop"))
    per_mm3 = float(seen.direct[0]) * seen.reference_per_mm2 * (400.0 * 1000.0 * 1000.0)
    half_space = 0.5 / float(attenuation_per_mm(material("granite"), energy))
    assert per_mm3 == pytest.approx(half_space, rel=0.06)  # its rim and its depth are finite


def test_scatter_grows_with_the_size_of_a_rock():
    build_up = [
        float(seen.indirect[0] / seen.direct[0])
        for name in ("mineral", "rock", "outcrop")
        for seen in [fluence([CS137], Scene(None, (), "open", name))]
    ]
    deep = interpolate(kernel("environment/concrete medium").fluence, [CS137])
    build_up.append(float(deep.indirect[0] / deep.direct[0]))
    assert build_up == sorted(build_up)
    assert build_up[2] > 1.5 * build_up[1]


# Six faces of a cube see a sixth each; the reference fractions are those of the EGSnrc geometries.
@pytest.mark.parametrize(
    ("size", "distance", "fraction"),
    [(10.0, 5.0, 1 / 6), (10.0, 50.0, 0.003152), (14.0, 50.0, 0.006119)],
)
def test_solid_angle_of_a_face(size, distance, fraction):
    assert solid_angle_fraction(size, size, distance) == pytest.approx(fraction, rel=2e-4)


def test_solid_angles_add_up_off_axis():
    whole = solid_angle_fraction(20.0, 10.0, 30.0, 4.0, -7.0)
    left, right = (solid_angle_fraction(10.0, 10.0, 30.0, 4.0 + dx, -7.0) for dx in (5.0, -5.0))
    assert left + right == pytest.approx(whole)
    with pytest.raises(InputError, match="positive"):
        solid_angle_fraction(10.0, 10.0, 0.0)


def test_photons_entering_a_cube():
    seen = photons_entering(fluence([CS137], Scene(55.0, (), "open")), 10.0)
    assert seen.direct[0] == pytest.approx(0.003152, rel=2e-3)  # air takes 0.05 %
    room = photons_entering(fluence([CS137], Scene(200.0, (), "room")), 10.0)
    bare = fluence([CS137], Scene(200.0, (), "room"))
    expected = bare.indirect * bare.obliquity * 100.0 * bare.reference_per_mm2
    assert room.indirect == pytest.approx(expected)


def test_an_extended_source_has_no_solid_angle():
    seen = fluence([CS137], Scene(None, (), "open", "glass"))
    entering = photons_entering(seen, 10.0)
    assert seen.spread
    fluence_only = seen.direct * seen.obliquity * 100.0 * seen.reference_per_mm2
    assert entering.direct == pytest.approx(fluence_only)
    with pytest.raises(InputError, match="not reach"):
        photons_entering(seen, 40.0)

"""Monte Carlo of the surroundings: geometry, attenuation, closure and determinism."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma.kernels import centres_kev, sharp_lines_kev
from blackett.gamma.matter import attenuation_per_mm, material
from blackett.gamma.photons import coherent_per_sr, compton_per_sr, photon_tables
from blackett.gamma.surroundings import fluence_at, fluence_in_medium
from blackett.gamma.world import (
    Box,
    World,
    box_source,
    point_source,
    points_in_boxes,
    shown_volume_mm3,
)

SHELL = World(
    (Box("lead", (-20, -20, -20), (20, 20, 20)), Box("air", (-10, -10, -10), (10, 10, 10)))
)


def test_box_rejects_inverted_corners():
    with pytest.raises(InputError, match="not below"):
        Box("water", (0, 0, 0), (1, 0, 1))


def test_later_boxes_override_earlier_ones():
    numbers = SHELL.topmost(np.array([[0.0, 0, 0], [15, 0, 0], [30, 0, 0]]))
    assert numbers.tolist() == [1, 0, -1]


def test_volume_is_what_shows():
    assert shown_volume_mm3(SHELL, (0,)) == pytest.approx(40**3 - 20**3)
    assert shown_volume_mm3(SHELL, (0, 1)) == pytest.approx(40**3)


def test_points_fill_the_shell_evenly(rng):
    points = points_in_boxes(SHELL, (0,), 20_000, rng)
    assert points.shape == (20_000, 3)
    assert (np.abs(points).max(axis=1) > 10).all()
    assert (np.abs(points) < 20).all()
    assert np.abs(points.mean(axis=0)).max() < 0.5
    outer = (np.abs(points).max(axis=1) > 15).mean()  # (40³ - 30³) / (40³ - 20³)
    assert outer == pytest.approx(37 / 56, abs=0.015)


def test_a_covered_box_has_no_points(rng):
    covered = World((Box("water", (0, 0, 0), (1, 1, 1)), Box("air", (-1, -1, -1), (2, 2, 2))))
    with pytest.raises(InputError, match="covered"):
        points_in_boxes(covered, (0,), 10, rng)


@pytest.mark.parametrize("energy", [30.0, 88.1, 661.657, 2614.5])
def test_direct_fluence_is_attenuated_exactly(energy, rng):
    lead, water = (20.0, 21.5), (40.0, 70.0)
    boxes = [
        Box(m, (x[0], -50, -50), (x[1], 50, 50)) for m, x in (("lead", lead), ("water", water))
    ]
    found = fluence_at(World(tuple(boxes)), point_source(100, 0, 0), energy, 10, rng).direct
    depth = sum(
        length * float(attenuation_per_mm(material(name), energy))
        for name, length in (("lead", 1.5), ("water", 30.0), ("air", 68.5))
    )
    assert found == pytest.approx(np.exp(-depth) / (4 * np.pi * 100**2), rel=1e-3)


def test_oblique_rays_see_longer_paths(rng):
    slab = World((Box("water", (40, -500, -500), (60, 500, 500)),))
    source = point_source(100, 100, 0)
    mu = float(attenuation_per_mm(material("water"), 200.0))
    air = float(attenuation_per_mm(material("air"), 200.0))
    depth = np.sqrt(2) * (20 * mu + 80 * air)
    found = fluence_at(slab, source, 200.0, 10, rng).direct
    assert found == pytest.approx(np.exp(-depth) / (4 * np.pi * 2e4), rel=1e-3)


def test_thin_slab_scatters_once_as_the_cross_section_says(rng):
    """Numerical integral over a thin plate, coherent and incoherent, against the Monte Carlo."""
    plate = Box("water", (36.0, -30.0, -30.0), (37.0, 30.0, 30.0))
    found = fluence_at(World((plate,)), point_source(30, 0, 0), 662.0, 60_000, rng)
    air = fluence_at(World(), point_source(30, 0, 0), 662.0, 30_000, rng)
    tables = photon_tables([material("water")])
    side = np.linspace(-29.75, 29.75, 120)
    y, z = np.meshgrid(side, side)
    points = np.stack([np.full(y.size, 36.5), y.ravel(), z.ravel()], axis=1)
    inward = points - [30.0, 0, 0]
    r1, r2 = np.linalg.norm(inward, axis=1), np.linalg.norm(points, axis=1)
    cos = -(inward * points).sum(1) / (r1 * r2)
    per_sr = np.array([differential(tables, 662.0, c) for c in cos])
    once = 0.25 * np.sum(per_sr / (4 * np.pi * r1**2 * r2**2))
    error = np.hypot(found.error, air.error)
    assert error < 0.05 * once
    assert found.indirect - air.indirect == pytest.approx(once, abs=3 * error + 0.04 * once)


def differential(tables, energy, cos):
    return compton_per_sr(tables, 0, energy, cos) + coherent_per_sr(tables, 0, energy, cos)


def test_every_photon_in_an_infinite_medium_ends_in_absorption(rng):
    """Fluence times the photoelectric coefficient sums to one absorption a photon."""
    concrete = material("concrete")
    tally, _ = fluence_in_medium("concrete", 662.0, 20_000, rng)
    absorbed = tally.direct * attenuation_per_mm(concrete, 662.0, "photoelectric")
    absorbed += tally.coherent * attenuation_per_mm(concrete, 662.0, "photoelectric")
    seen = centres_kev() > 10.0
    mu = attenuation_per_mm(concrete, centres_kev()[seen], "photoelectric")
    assert absorbed + tally.continuum[seen] @ mu == pytest.approx(1.0, abs=0.02)


def test_annihilation_follows_pair_production(rng):
    """In an infinite medium: two quanta per pair, seen as sharp 511 keV fluence over 1/mu."""
    lead = material("lead")
    tally, _ = fluence_in_medium("lead", 2614.5, 40_000, rng)
    mu_511 = float(attenuation_per_mm(lead, 511.0) - attenuation_per_mm(lead, 511.0, "coherent"))
    whole = np.append(tally.continuum, tally.direct + tally.coherent)
    energies = np.append(centres_kev(), 2614.5)
    above = energies > 1022.0
    pairs = whole[above] @ attenuation_per_mm(lead, energies[above], "pair")
    assert sharp_lines_kev()[0] == pytest.approx(511.0, abs=0.01)
    assert tally.sharp[0] * mu_511 == pytest.approx(2 * pairs, rel=0.05)


def test_lead_x_rays_need_photons_above_the_k_edge(rng):
    box = World((Box("lead", (20, -30, -30), (21, 30, 30)),))
    below, above = (fluence_at(box, point_source(60, 0, 0), e, 4000, rng) for e in (87.0, 150.0))
    x_rays = (sharp_lines_kev() > 72) & (sharp_lines_kev() < 88)
    assert below.sharp.sum() == 0.0
    assert above.sharp[x_rays].sum() > 0.01 / (4 * np.pi * 60**2)


def test_one_seed_gives_one_answer():
    source = box_source(SHELL, 0)
    first, again, other = (
        fluence_at(SHELL, source, 300.0, 500, np.random.default_rng(s)).continuum for s in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_refuses_a_detector_in_matter_and_energies_out_of_range(rng):
    with pytest.raises(InputError, match="in lead"):
        fluence_at(SHELL, point_source(50, 0, 0), 100.0, 10, rng, (15.0, 0, 0))
    with pytest.raises(InputError, match="allowed 10 to 3000"):
        fluence_at(SHELL, point_source(50, 0, 0), 5.0, 10, rng)
    with pytest.raises(InputError, match="allowed 10 to 3000"):
        fluence_in_medium("soil", 4000.0, 10, rng)


@pytest.fixture
def rng():
    return np.random.default_rng(20)

"""The shipped kernels against the Monte Carlo that makes them, between the nodes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from blackett.gamma.kernels import centres_kev
from blackett.gamma.scene import Scene, fluence
from blackett.gamma.surroundings import fluence_at
from blackett.gamma.world import Box, World, point_source

TOOL = Path(__file__).parents[2] / "tools" / "build_scenes.py"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_scenes", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_scenes"] = module
    spec.loader.exec_module(module)
    return module


def shares(continuum):
    """Below 100, 100 to 200, 200 to 300, above 300 keV, as shares."""
    which = np.searchsorted([100.0, 200.0, 300.0], centres_kev())
    return np.bincount(which, continuum, minlength=4) / continuum.sum()


@pytest.mark.parametrize(
    ("name", "distance", "energy"), [("desk", 85.0, 570.0), ("room", 250.0, 1250.0)]
)
def test_interpolated_surroundings_agree_with_a_direct_run(build, name, distance, energy):
    rng = np.random.default_rng(3)
    world, source = build.around(name, distance), point_source(distance, 0, 0)
    run = fluence_at(world, source, energy, 40_000, rng)
    table = fluence([energy], Scene(distance, (), name))
    unit = table.reference_per_mm2
    error, expected = run.error / unit, run.indirect / unit
    assert table.indirect[0] == pytest.approx(expected, abs=3 * error + 0.1 * expected)
    assert table.obliquity[0] == pytest.approx(run.obliquity, abs=0.05)
    assert shares(table.scattered[0]) == pytest.approx(shares(run.continuum), abs=0.05)


@pytest.mark.parametrize(("name", "t", "energy"), [("lead", 5.0, 720.0), ("iron", 8.0, 300.0)])
def test_interpolated_shields_agree_with_a_direct_run(name, t, energy):
    rng = np.random.default_rng(4)
    slab = Box(name, (195 - t, -60, -60), (195, 60, 60))
    run = fluence_at(World((slab,)), point_source(200, 0, 0), energy, 30_000, rng)
    table = fluence([energy], Scene(200.0, ((name, t),), "open"))
    error = run.error / table.reference_per_mm2
    expected = run.indirect / table.reference_per_mm2
    assert table.indirect[0] == pytest.approx(expected, abs=3 * error + 0.06 * expected)
    assert shares(table.scattered[0]) == pytest.approx(shares(run.continuum), abs=0.04)


def test_backscatter_strength_spans_what_rooms_do():
    """150-250 keV fluence from around, Cs-137 at 50 mm: nothing in the open, most on a floor."""
    hump = (centres_kev() > 150) & (centres_kev() < 250)
    found = {
        name: fluence([661.657], Scene(50.0, (), name)).scattered[0, hump].sum()
        for name in ("open", "bench", "desk", "floor", "room")
    }
    assert found["open"] < 0.003
    assert found["open"] < found["bench"] < found["desk"]
    assert found["bench"] == pytest.approx(found["room"], rel=0.35)
    assert 0.02 < found["bench"] < found["floor"] < 0.25


def test_the_hump_lies_at_straight_back():
    """Between 180 degrees (184 keV) and 120 degrees (225 keV) for Cs-137."""
    row = fluence([661.657], Scene(50.0, (), "desk")).scattered[0]
    assert 184 - 5 < centres_kev()[np.argmax(row)] < 225
    assert row[(centres_kev() > 320) & (centres_kev() < 600)].sum() < 0.2 * row.sum()

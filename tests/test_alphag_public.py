"""The public names of `blackett.alphag`, and what importing and using them loads."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from blackett import alphag
from blackett.errors import InputError
from blackett.seeds import generator

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [
    "BarHits", "Event", "EventBatch", "Recipe", "SpacePoints", "Truth", "TruthTracks", "Vertex",
    "Vertices", "find_recipe", "read", "read_batches", "reconstruct", "reconstruct_batch",
    "simulate", "simulate_batches", "write_parquet",
]  # fmt: skip


def test_public_names_are_these() -> None:
    assert alphag.__all__ == dir(alphag) == NAMES
    assert all(getattr(alphag, name) is not None for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'guess'"):
        _ = alphag.guess


def test_names_are_those_of_the_modules() -> None:
    assert alphag.Event.__module__ == "blackett.alphag.event"
    assert alphag.read.__module__ == "blackett.alphag.formats"
    assert alphag.simulate.__module__ == "blackett.alphag.simulation"


def loaded(code: str) -> list[str]:
    """Which of the heavy packages a fresh Python has loaded after some code."""
    heavy = ["numba", "scipy", "pyarrow", "uproot", "awkward", "matplotlib", "torch"]
    code += f"; import sys; print(*[m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout.split()


def test_records_load_nothing_heavy_and_reading_loads_no_simulation() -> None:
    assert loaded("from blackett.alphag import Event, EventBatch, __all__") == []
    assert loaded("from blackett.alphag import read, write_parquet") == ["pyarrow"]


def test_simulate_write_and_read_give_the_same_events(tmp_path: Path) -> None:
    made = list(alphag.simulate("disc", 12, generator(1)))
    path = tmp_path / "events.parquet"
    chosen = alphag.find_recipe("disc")
    alphag.write_parquet(path, alphag.simulate_batches(chosen, 12, generator(1)))
    back = list(alphag.read(path))
    assert [event.number for event in back] == list(range(12))
    for one, other in zip(made, back, strict=True):
        assert (one.points.xyz_mm == other.points.xyz_mm).all()
        assert one.truth is not None and other.truth is not None
        assert (one.truth.vertex_mm == other.truth.vertex_mm).all()


def test_simulate_refuses_at_once() -> None:
    with pytest.raises(InputError, match="cosmics"):
        alphag.simulate("sphere", 1, generator(1))
    with pytest.raises(InputError, match="at least 1"):
        alphag.simulate("disc", 0, generator(1))

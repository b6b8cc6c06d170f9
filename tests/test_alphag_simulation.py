"""From recipe to events and to files: recipes, truth, seeds, workers, the command."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blackett.alphag import formats
from blackett.alphag.simulation import (
    RECIPES,
    Recipe,
    Sample,
    find_recipe,
    read_recipe,
    recipe_hash,
    simulate,
    simulate_batches,
)
from blackett.cli import main
from blackett.errors import InputError
from blackett.seeds import generator

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "recipes" / "alphag" / "simulate").glob("*.toml"))


def test_every_recipe_has_its_file() -> None:
    assert [path.stem for path in FILES] == sorted(RECIPES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recipe_files_are_complete_and_are_the_named_recipes(path: Path) -> None:
    assert find_recipe(path) == RECIPES[path.stem]
    text = path.read_text(encoding="utf-8")
    tree = [RECIPES[path.stem]]
    while tree:
        record = tree.pop()
        for name, value in vars(record).items():
            if hasattr(value, "__dataclass_fields__"):
                tree.append(value)
            else:
                assert f"\n{name} = " in text, f"{path.name} leaves out {name}"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("name = ", "not TOML"),
        ("colour = 1", "unknown"),
        ("[sample]\nkind = 3", "must be of type str"),
        ("[sample]\nkind = 'moon'", "give a kind of"),
        ("sample = 3", "must be a table"),
        ("[digitise.wires]\ncross_talk = [0.1]", "list of 4 values"),
        ("[digitise.pads]\nleast_pads = 2.5", "must be of type int"),
        ("[sample]\ncosmic_share = 2", "from 0 to 1"),
    ],
)
def test_bad_recipes_are_refused(text: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        read_recipe(text)


def test_unknown_recipes_are_refused() -> None:
    with pytest.raises(InputError, match="cosmics"):
        find_recipe("sphere")
    with pytest.raises(InputError, match="cannot be read"):
        find_recipe("nowhere.toml")
    with pytest.raises(InputError, match="at least 1"):
        list(simulate(RECIPES["disc"], 0, generator(1)))


def test_hash_follows_every_setting() -> None:
    changed = replace(RECIPES["disc"], sample=Sample(radius_mm=23.0))
    assert len({recipe_hash(r) for r in (*RECIPES.values(), changed)}) == 5


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_events_have_points_and_consistent_truth(name: str) -> None:
    events = list(simulate(RECIPES[name], 40, generator(3)))
    assert [event.number for event in events] == list(range(40))
    assert sum(len(event) for event in events) > 40 * 30
    assert sum(len(event.bars) for event in events) > 20
    for event in events:
        truth = event.truth
        assert truth is not None
        assert truth.cosmic == (name == "cosmics") == np.isnan(truth.vertex_mm).all()
        made = event.points.track
        assert made.max(initial=-1) < len(truth.tracks)
        assert (truth.tracks.gas_path_mm > 0).all()
        r = np.hypot(*truth.tracks.entry_mm[:, :2].T)
        assert ((r > 109.2) & (r < 190.1)).all()


def test_points_lie_near_the_tracks_that_made_them() -> None:
    events = list(simulate(RECIPES["disc"], 60, generator(5)))
    offsets = []
    for event in events:
        assert event.truth is not None
        tracks, points = event.truth.tracks, event.points
        for k in np.flatnonzero((np.abs(tracks.pdg) == 211) & (tracks.gas_path_mm > 60)):
            first = np.flatnonzero((points.track == k) & (points.r_mm < 113))
            entry = tracks.entry_mm[k]
            if np.hypot(*entry[:2]) < 110 and first.size:
                offsets.append(np.median(points.xyz_mm[first], axis=0)[2] - entry[2])
    assert len(offsets) > 60
    assert np.percentile(np.abs(offsets), 68) < 4.0  # a few mm inside the cathode, at any slope


def test_cosmic_share_mixes_both_kinds() -> None:
    mixed = Recipe("mixed", Sample(cosmic_share=0.5))
    (batch,) = list(simulate_batches(mixed, 60, generator(1)))
    assert batch.cosmic is not None and batch.vertex_mm is not None
    assert 15 < batch.cosmic.sum() < 45
    assert np.array_equal(np.isnan(batch.vertex_mm).all(axis=1), batch.cosmic)


def test_full_mode_runs_the_same_events() -> None:
    fast = RECIPES["disc"]
    full = replace(fast, digitise=replace(fast.digitise, mode="full"))
    (one,), (other,) = (list(simulate_batches(r, 50, generator(7))) for r in (fast, full))
    np.testing.assert_array_equal(one.vertex_mm, other.vertex_mm)
    assert len(one.points) == pytest.approx(len(other.points), rel=0.25)


WORDS = ["alphag", "simulate", "--recipe", "disc", "--events", "60", "--shard-events", "20"]


def test_command_writes_the_same_bytes_for_any_number_of_workers_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeded = [*WORDS, "--seed", "5", "--out"]
    assert main([*seeded, str(tmp_path / "1")]) == 0
    line = [sys.executable, "-c", "import sys; from blackett.cli import main; sys.exit(main())"]
    words = [*seeded, str(tmp_path / "2"), "--workers", "2"]
    ran = subprocess.run([*line, *words], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for k in range(3):
        name = f"shard-{k:05d}.parquet"
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    assert [event.number for event in formats.read(tmp_path / "1")] == list(range(60))
    capsys.readouterr()
    assert main([*seeded, str(tmp_path / "1")]) == 0
    assert "0 made now" in capsys.readouterr().out
    assert main([*WORDS, "--seed", "6", "--out", str(tmp_path / "1")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_dask_cluster_makes_the_same_events(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    words = [*WORDS, "--seed", "5", "--out"]
    assert main([*words, str(tmp_path / "1")]) == 0
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        there = [str(tmp_path / "2"), "--cluster", cluster.scheduler_address]
        assert main([*words, *there]) == 0
    for one in sorted((tmp_path / "1").iterdir()):
        assert one.read_bytes() == (tmp_path / "2" / one.name).read_bytes()


def test_shards_say_how_they_were_made(tmp_path: Path) -> None:
    assert main([*WORDS[:4], "--events", "5", "--seed", "7", "--out", str(tmp_path)]) == 0
    noted = formats.parquet_metadata(tmp_path / "shard-00000.parquet")
    assert noted["seed"] == "7" and noted["recipe_sha256"] == recipe_hash(RECIPES["disc"])
    assert noted["command"].startswith("blackett alphag simulate --recipe disc --events 5")

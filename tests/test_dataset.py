"""Data sets: the same bytes however they are made, resumed after a kill, refused when mixed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from blackett import cli
from blackett.errors import FileFormatError, InputError
from blackett.gamma import formats
from blackett.gamma.batches import ARRAYS
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.dataset import Sample, made_shard, read_dataset, read_slices, write_dataset
from blackett.gamma.mixtures import simulate
from blackett.gamma.recipe import find_recipe
from blackett.gamma.spectrum import Spectrum
from blackett.seeds import numbered
from blackett.shards import Shard, completed, planned_shards

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["gamma", "simulate", "--num-samples", "60", "--shard-samples", "25", "--seed", "3"]


def run(folder: Path, *more: str) -> int:
    return cli.main([*WORDS, "--out", str(folder), *more])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "set"
    assert run(folder) == 0
    return folder


def test_shards_hold_what_was_simulated(made: Path) -> None:
    assert list(contents(made)) == [f"shard-0000{k}.parquet" for k in range(3)]
    batches = list(read_dataset(made))
    assert [len(b) for b in batches] == [25, 25, 10]
    (again,) = simulate("default", 25, numbered(3, 1))
    for name in ARRAYS:
        assert np.array_equal(getattr(batches[1], name), getattr(again, name)), name
    assert batches[1].sources == again.sources
    assert batches[1].registry_sha256 == again.registry_sha256
    assert batches[1].detector == "radiacode-103"
    assert [len(b) for b in read_dataset(made / "shard-00002.parquet")] == [10]


def test_shards_say_how_they_were_made(made: Path) -> None:
    noted = pq.read_schema(made / "shard-00001.parquet").metadata
    assert noted[b"seed"] == b"3"
    assert noted[b"shard"] == b"1"
    assert noted[b"first_spectrum"] == b"25"
    assert noted[b"measured_background_sha256"] == b"none"
    for name in (b"registry_sha256", b"recipe_sha256"):
        assert len(noted[name]) == 64
    words = noted[b"command"].decode()
    assert words == (
        "blackett gamma simulate --num-samples 60 --recipe default --seed 3 --shard-samples 25"
    )
    assert b"blackett_version" in noted


def test_two_processes_make_the_same_bytes(made: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "two", "--workers", "2") == 0
    assert contents(tmp_path / "two") == contents(made)


def test_a_dask_cluster_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        # workers inside this process still get everything through the scheduler
        assert run(tmp_path / "dask", "--cluster", cluster.scheduler_address) == 0
    assert contents(tmp_path / "dask") == contents(made)


def test_a_scheduler_that_is_not_there_is_named() -> None:
    pytest.importorskip("distributed")
    shards = planned_shards(1, 1)
    with pytest.raises(InputError, match="tcp://HOST:PORT"):
        list(completed(len, shards, cluster="nonsense://here"))  # type: ignore[arg-type]


def test_a_second_run_makes_what_is_missing(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "part"
    folder.mkdir()
    (folder / "shard-00000.parquet").write_bytes((made / "shard-00000.parquet").read_bytes())
    (folder / "shard-00001.parquet").write_bytes(b"PAR1 half of it")
    assert run(folder) == 0
    assert contents(folder) == contents(made)
    shown = capsys.readouterr().out
    assert "shard-00000.parquet  25 of 60 spectra  kept" in shown
    assert "60 spectra, 35 made now" in shown


def test_shards_of_another_recipe_are_not_mixed_in(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in (["--seed", "4"], ["--recipe", "seed-v3"], ["--slices", "2"]):
        assert run(made, *other) == 2
        assert "is there already" in capsys.readouterr().err


def test_time_slices_add_up(tmp_path: Path) -> None:
    assert run(tmp_path / "s", "--slices", "6", "--recipe", "seed-v3") == 0
    for batch, slices in zip(
        read_dataset(tmp_path / "s"), read_slices(tmp_path / "s"), strict=True
    ):
        assert slices.shape == (len(batch), 6, 1024)
        assert np.array_equal(slices.sum(axis=1), batch.counts)
        per_slice = slices.sum(axis=(0, 2))
        assert per_slice / per_slice.sum() == pytest.approx(np.full(6, 1 / 6), abs=0.02)


def test_ranges_and_background_come_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Spectrum(
        np.full(1024, 7), EnergyCalibration((0.0, 2.9, 0.0)), 3600.0, device="RadiaCode-103"
    )
    file = tmp_path / "room.n42"
    formats.write(file, [room])
    ranges = ["--activity-bq", "5", "6", "--duration-s", "30", "40"]
    assert run(tmp_path / "one", *ranges, "--measured-background", str(file)) == 0
    monkeypatch.setenv("MEASURED_BACKGROUND_PATH", str(file))
    assert run(tmp_path / "two", *ranges) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    monkeypatch.delenv("MEASURED_BACKGROUND_PATH")
    assert run(tmp_path / "three", *ranges) == 0
    assert contents(tmp_path / "three") != contents(tmp_path / "two")
    for batch in read_dataset(tmp_path / "one"):
        assert 30.0 <= batch.real_time_s.min() <= batch.real_time_s.max() <= 40.0


@pytest.mark.parametrize(
    ("more", "match"),
    [
        (["--num-samples", "0"], "at least 1"),
        (["--workers", "0"], "workers"),
        (["--slices", "-1"], "slices"),
        (["--seed", "-1"], "seed"),
        (["--detector", "geiger"], "unknown detector"),
        (["--duration-s", "9", "3"], "rising"),
        (["--activity-bq", "9", "3"], "activity_bq"),
        (["--recipe", "none.toml"], "cannot be read"),
    ],
)
def test_wrong_usage_says_what_is_allowed(
    more: list[str], match: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "x", *more) == 2
    assert match in capsys.readouterr().err


def test_what_is_no_data_set_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no shard"):
        list(read_dataset(tmp_path))
    (tmp_path / "shard-00000.parquet").write_bytes(b"no parquet")
    with pytest.raises(FileFormatError, match="not a Parquet file"):
        list(read_dataset(tmp_path))
    with pytest.raises(FileFormatError, match="no such file"):
        list(read_dataset(tmp_path / "gone.parquet"))
    with pytest.raises(FileFormatError, match="time slices"):
        list(read_slices(made))
    table = pq.read_table(made / "shard-00000.parquet")
    other = {**table.schema.metadata, b"registry_sha256": b"0"}
    pq.write_table(table.replace_schema_metadata(other), tmp_path / "other.parquet")
    with pytest.raises(FileFormatError, match="simulate anew"):
        list(read_dataset(tmp_path / "other.parquet"))


def test_shards_are_planned_and_made_alone() -> None:
    assert planned_shards(25, 10) == [Shard(0, 0, 10), Shard(1, 10, 10), Shard(2, 20, 5)]
    sample = Sample(find_recipe("background"), 20, shard_spectra=10)
    one, two = (made_shard(sample, {}, Shard(k, 10 * k, 10)) for k in (0, 1))
    assert one != two
    assert one == made_shard(sample, {}, Shard(0, 0, 10))


def test_a_killed_run_leaves_no_half_shard(tmp_path: Path) -> None:
    sample = Sample(find_recipe("background"), 20, shard_spectra=10)
    run_of_it = write_dataset(tmp_path, sample, {"seed": "1"})
    assert next(run_of_it) == (Shard(0, 0, 10), True)
    run_of_it.close()
    assert [path.name for path in tmp_path.iterdir()] == ["shard-00000.parquet"]

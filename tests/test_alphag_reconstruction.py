"""From files to vertices: every method answers every event, in order, in the CSV of the command."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett import alphag
from blackett.alphag import formats
from blackett.alphag.event import EventBatch, SpacePoints
from blackett.alphag.reconstruction import (
    METHODS,
    preset,
    presets,
    reconstruct,
    reconstruct_batch,
    reconstruct_batches,
    settings_hash,
)
from blackett.alphag.vertex import STATUSES, Vertices
from blackett.alphag.vertex import joined as joined_vertices
from blackett.alphag.vertex_csv import COLUMNS, write_vertex_csv
from blackett.alphag.vertexing import chain, hough
from blackett.cli import main
from blackett.errors import InputError
from blackett.seeds import generator

if TYPE_CHECKING:
    from pathlib import Path

HELIX = ("helix-hough", "helix-chain")


@pytest.fixture(scope="module")
def batch() -> EventBatch:
    (made,) = alphag.simulate_batches(alphag.find_recipe("disc"), 300, generator(5))
    return made


@pytest.fixture(scope="module")
def sample(batch: EventBatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "events.parquet"
    formats.write_parquet(path, [batch])
    return path


@pytest.mark.parametrize("method", HELIX)
def test_disc_sample_is_reconstructed_as_published(batch: EventBatch, method: str) -> None:
    """Half of the events within a published core width or two; details in the documentation."""
    found = reconstruct_batch(batch, method)
    assert found.number.tolist() == batch.number.tolist()
    assert found.found.mean() > 0.8
    assert batch.vertex_mm is not None
    off = (found.position_mm - batch.vertex_mm)[found.found]
    assert np.median(np.abs(off[:, 2])) < 11.0
    assert np.abs(np.median(off, axis=0)).max() < 4.0
    sigma = np.sqrt(found.covariance_mm2[found.found][:, 2, 2])
    assert 0.6 < np.percentile(np.abs(off[:, 2]) / sigma, 68) < 1.6


@pytest.mark.parametrize("method", HELIX)
def test_streams_batches_and_pieces_agree(batch: EventBatch, method: str) -> None:
    whole = reconstruct_batch(batch, method)
    streamed = list(reconstruct(iter(batch), method))
    assert [v.number for v in streamed] == whole.number.tolist()
    np.testing.assert_array_equal([v.position_mm for v in streamed], whole.position_mm)
    parts = joined_vertices(list(reconstruct_batches([batch, batch], method)))
    np.testing.assert_array_equal(parts.position_mm[300:], whole.position_mm)
    np.testing.assert_array_equal(parts.point_track[: len(whole.point_track)], whole.point_track)


def test_truth_is_not_seen(batch: EventBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[EventBatch] = []

    def spy(given: EventBatch, settings: object) -> Vertices:
        seen.append(given)
        return true(given, settings)  # type: ignore[arg-type]

    true = hough.reconstruct_batch
    monkeypatch.setattr(hough, "reconstruct_batch", spy)
    reconstruct_batch(batch, "helix-hough")
    assert seen[0].vertex_mm is None and seen[0].tracks is None
    assert (seen[0].points.track == -1).all() and (batch.points.track >= 0).any()
    assert len(seen[0].bars) == len(batch.bars)


@pytest.mark.parametrize("method", HELIX)
def test_bare_public_clouds_are_reconstructed(batch: EventBatch, method: str) -> None:
    """Only x, y, z known, as in the collaboration's files."""
    nan = np.full(len(batch.points), np.nan)
    unknown = {name: nan for name in SpacePoints.empty().names() if name.startswith("sigma")}
    unknown |= {"amplitude": nan, "pad_amplitude": nan, "time_ns": nan}
    bare = replace(batch, points=replace(batch.points, **unknown))
    found, full = reconstruct_batch(bare, method), reconstruct_batch(batch, method)
    assert found.found.mean() == pytest.approx(full.found.mean(), abs=0.06)
    if method == "helix-hough":
        np.testing.assert_array_equal(found.position_mm, full.position_mm)


def test_settings_have_names_and_hashes() -> None:
    assert set(METHODS) >= set(HELIX)
    assert presets("helix-chain")["simulation"] == preset("helix-chain", "simulation")
    assert preset("helix-chain", "data") == chain.DEFAULT == preset("helix-chain", "default")
    assert preset("helix-chain", "simulation").chains.least_points == 7
    hashes = {settings_hash(m) for m in HELIX}
    hashes |= {settings_hash("helix-chain", preset("helix-chain", "simulation"))}
    hashes |= {settings_hash("helix-hough", replace(hough.DEFAULT, split_mm=35.0))}
    assert len(hashes) == 4


def test_wrong_use_is_refused(batch: EventBatch) -> None:
    with pytest.raises(InputError, match="helix-hough"):
        reconstruct_batch(batch, "helix")
    with pytest.raises(InputError, match="HoughVertexSettings"):
        reconstruct_batch(batch, "helix-hough", chain.DEFAULT)
    with pytest.raises(InputError, match="simulation"):
        preset("helix-chain", "guess")
    with pytest.raises(InputError, match="at least 1"):
        reconstruct_batches([batch], "helix-hough", workers=0)


def rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    return head, list(csv.DictReader(lines[len(head) :]))


@pytest.mark.parametrize("method", HELIX)
def test_command_writes_a_row_for_every_event(
    sample: Path, batch: EventBatch, method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "vertices.csv"
    words = ["alphag", "reconstruct", str(sample), "--method", method, "--out", str(out)]
    assert main(words) == 0
    found = reconstruct_batch(batch, method)
    assert f"300 events, {found.found.sum()} with a vertex" in capsys.readouterr().out
    head, table = rows(out)
    names = [line.split(":")[0] for line in head]
    assert names == ["# blackett_version", "# command", "# data_sha256", "# method", "# settings",
                     "# settings_sha256"]  # fmt: skip
    assert settings_hash(method) in head[-1] and str(sample.parent) not in "".join(head)
    assert tuple(table[0]) == COLUMNS
    assert [int(row["event"]) for row in table] == batch.number.tolist()
    assert [row["status"] for row in table] == [STATUSES[k] for k in found.status]
    for row, vertex in zip(table, found, strict=True):
        assert int(row["n_points"]) == vertex.n_points
        assert row["p_cosmic"] == ""
        if vertex.status == "ok":
            assert float(row["z_mm"]) == pytest.approx(vertex.position_mm[2], rel=1e-6, abs=1e-6)
            covariance = vertex.covariance_mm2
            assert float(row["var_y_mm2"]) == pytest.approx(covariance[1, 1], rel=1e-6)
            assert float(row["cov_xz_mm2"]) == pytest.approx(covariance[0, 2], rel=1e-6)
        else:
            assert row["x_mm"] == row["var_z_mm2"] == row["cov_xy_mm2"] == ""


def test_workers_write_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    words = ["alphag", "reconstruct", str(sample), "--method", "helix-hough", "--out"]
    assert main([*words, str(tmp_path / "1.csv")]) == 0
    code = "import sys; from blackett.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", code, *words, str(tmp_path / "2.csv"), "--workers", "2"]
    ran = subprocess.run(line, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_command_writes_the_form_of_the_collaboration(sample: Path, tmp_path: Path) -> None:
    words = ["alphag", "reconstruct", str(sample), "--method", "helix-hough"]
    run = tmp_path / "R1_vertices.csv"
    assert main([*words, "--out", str(tmp_path / "v.csv"), "--run-csv", str(run)]) == 0
    theirs, (_, ours) = formats.read_vertices(run), rows(tmp_path / "v.csv")
    assert len(theirs) == 300
    z = [float(row["z_mm"] or "nan") for row in ours]
    np.testing.assert_allclose(theirs.position_mm[:, 2], z, rtol=1e-6, atol=1e-6)


def test_command_says_what_is_wrong(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["alphag", "reconstruct", str(sample), "--out", str(tmp_path / "v.csv"), "--method"]
    assert main([*words, "guess"]) == 2
    assert "helix-chain" in capsys.readouterr().err
    assert main([*words, "helix-hough", "--preset", "guess"]) == 2
    assert main([*words, "helix-hough", "--workers", "0"]) == 2
    words[2] = str(tmp_path / "nothing.parquet")
    assert main([*words, "helix-hough"]) == 1
    assert "nothing.parquet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_events_without_times_have_no_table_of_the_collaboration(
    batch: EventBatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = EventBatch(*(getattr(batch, n) for n in (
        "number", "point_offset", "points", "bar_offset", "bars", "trigger")))  # fmt: skip
    path, out = tmp_path / "data.parquet", tmp_path / "v.csv"
    formats.write_parquet(path, [bare])
    words = ["alphag", "reconstruct", str(path), "--method", "helix-hough", "--out", str(out)]
    assert main([*words, "--run-csv", str(tmp_path / "R.csv")]) == 2
    assert "trigger time" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["data.parquet"]
    assert main(words) == 0


def test_an_interrupted_file_does_not_appear(batch: EventBatch, tmp_path: Path) -> None:
    part = reconstruct_batch(batch, "helix-hough")
    writing = write_vertex_csv(tmp_path / "v.csv", [part, part], {"command": "x"})
    next(writing)
    writing.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="single lines"):
        next(write_vertex_csv(tmp_path / "v.csv", [part], {"command": "x\ny"}))

"""Evaluation: statistics against formulas, scores of made-up methods, files, report, verb."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import trim_mean

from blackett.alphag.evaluate import (
    DEFINITIONS,
    Answers,
    Sample,
    compare,
    drawn_from_floor,
    read_answers,
    read_sample,
    sample_of,
    score,
)
from blackett.alphag.evaluate.metrics import GROUPS, in_common
from blackett.alphag.evaluate.statistics import core_fit, fwhm, mean, share, trimmed_mean
from blackett.alphag.event import joined
from blackett.alphag.formats import read_batches, write_parquet
from blackett.alphag.reconstruction import reconstruct_batch
from blackett.alphag.simulation import find_recipe, simulate_batches
from blackett.alphag.vertex_csv import write_vertex_csv
from blackett.cli import main
from blackett.errors import FileFormatError, InputError, MissingDataError
from blackett.report import write
from blackett.seeds import generator

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

N = 3000
SIGMA_MM = 3.0


@pytest.fixture(scope="module")
def sample() -> Sample:
    """Made-up truth: uniform in z and in a disc, with one floor for all."""
    rng = generator(41)
    r, phi = 24 * np.sqrt(rng.random(N)), rng.uniform(-np.pi, np.pi, N)
    z = rng.uniform(-1100, 1100, N)
    vertex = np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1)
    floor = np.broadcast_to(np.diag([36.0, 36.0, SIGMA_MM**2 / 4]), (N, 3, 3))
    return Sample(np.arange(N), vertex, np.full(N, 500), rng.integers(0, 6, N), floor)


def smeared(sample: Sample, name: str = "fake", lost: float = 0.1, tail: float = 0.05) -> Answers:
    """A method of 3 mm in z with an honest sigma, some answers lost and some 200 mm off."""
    rng, n = generator(42), len(sample)
    position = sample.vertex_mm + rng.normal(size=(n, 3)) * [6.0, 6.0, SIGMA_MM]
    far = rng.random(n) < tail
    position[far, 2] += 200 * rng.choice([-1, 1], int(far.sum()))
    gone = rng.random(n) < lost
    position[gone] = np.nan
    covariance = np.where(gone[:, None, None], np.nan, np.diag([36.0, 36.0, SIGMA_MM**2]))
    return Answers(name, position, covariance, np.where(gone, "no track", "ok"))


# --- statistics --------------------------------------------------------------------


def gaussian(sigma: float, shape: tuple[int, int], seed: int = 43) -> FloatArray:
    return generator(seed).normal(1.0, sigma, shape)


def test_core_of_a_gaussian_is_its_sigma() -> None:
    centre, sigma = core_fit(gaussian(2.5, (50, 4000)))
    assert sigma.mean() == pytest.approx(2.5, rel=0.01)
    assert sigma.std() < 0.02 * 2.5
    assert centre.mean() == pytest.approx(1.0, abs=0.02)


def test_core_does_not_see_tails_nor_missing_entries() -> None:
    values = gaussian(2.5, (1, 8000))
    whole = core_fit(values)[1][0]
    values[0, ::10] = np.nan
    values[0, 1::20] = 1e6
    values[0, 3::40] = -300.0
    assert core_fit(values)[1][0] == pytest.approx(whole, rel=0.04)


def test_core_needs_entries() -> None:
    values = np.full((3, 100), np.nan)
    values[1, :19], values[2, :50] = gaussian(1, (1, 19)), 7.0
    centre, sigma = core_fit(values)
    assert np.isnan(sigma[:2]).all() and np.isnan(centre[:2]).all()
    assert (centre[2], sigma[2]) == (7.0, 0.0)
    assert np.isnan(core_fit(np.empty((2, 0)))[1]).all()


def test_width_of_a_gaussian_and_of_a_box() -> None:
    values = gaussian(2.5, (40, 5000))
    found = fwhm(values, *core_fit(values))
    assert found.mean() == pytest.approx(2.3548 * 2.5, rel=0.02)
    assert found.std() < 0.06 * found.mean()
    few = values[:, :90]
    assert np.isnan(fwhm(few, *core_fit(few))).all()


def test_width_of_two_gaussians_is_that_of_their_sum() -> None:
    """Half height of 0.7 N(1) + 0.3 N(3), from the densities."""
    rng = generator(44)
    wide = rng.random((20, 20_000)) < 0.3
    values = rng.normal(size=wide.shape) * np.where(wide, 3.0, 1.0)
    x = np.linspace(0, 5, 100_001)
    density = 0.7 * np.exp(-0.5 * x**2) + 0.1 * np.exp(-0.5 * (x / 3) ** 2)
    expected = 2 * x[np.argmax(density < density[0] / 2)]
    assert fwhm(values, *core_fit(values)).mean() == pytest.approx(expected, rel=0.03)


def test_means_and_shares() -> None:
    values = gaussian(2.0, (2, 1000))
    values[1, 500:] = np.nan
    expected = [trim_mean(values[0], 0.05), trim_mean(values[1, :500], 0.05)]
    assert trimmed_mean(values) == pytest.approx(expected)
    assert mean(values) == pytest.approx(np.nanmean(values, axis=1))
    assert np.isnan(mean(np.full((1, 3), np.nan))[0])
    assert share(np.array([[True, True, False]]), np.array([[True, False, True]]))[0] == 0.5


# --- scores ------------------------------------------------------------------------


def test_scores_of_a_method_of_known_quality(sample: Sample) -> None:
    found = score(sample, smeared(sample), drawn_from_floor(sample, generator(45)), generator(46))
    value = {name: estimate.value for name, estimate in found.overall.items()}
    expected = {
        "efficiency": (0.9, 0.02), "core_sigma_mm": (3.0, 0.15), "fwhm_mm": (7.06, 0.6),
        "mae_mm": (0.95 * 2.39 + 0.05 * 200, 1.2), "rmse_mm": (200 * np.sqrt(0.05), 3.0),
        "within_5mm": (0.95 * 0.904, 0.02), "within_10mm": (0.949, 0.015),
        "beyond_50mm": (0.05, 0.015), "good_10mm": (0.9 * 0.949, 0.02), "pull_std": (1.0, 0.05),
        "coverage_68": (0.95 * 0.683, 0.03), "coverage_95": (0.95 * 0.95, 0.02),
        "sigma_mm": (3.0, 1e-6), "floor_sigma_mm": (1.5, 1e-6), "core_over_floor": (2.0, 0.15),
        "floor_pull_std": (2.0, 0.1), "floor_core_sigma_mm": (1.5, 0.08),
        "trimmed_mean_mm": (0.0, 1.0),
    }  # fmt: skip
    for name, (wanted, tolerance) in expected.items():
        assert value[name] == pytest.approx(wanted, abs=tolerance), name
    assert set(value) == set(DEFINITIONS)
    assert all(e.low <= e.high for e in found.overall.values())
    assert found.x["core_sigma_mm"].value == pytest.approx(6.0, rel=0.05)
    assert found.statuses == {"no track": N - found.n_found, "ok": found.n_found}


def test_groups_share_out_the_events(sample: Sample) -> None:
    found = score(sample, smeared(sample), drawn_from_floor(sample, generator(45)), generator(46))
    assert {g.key for g in GROUPS} == set(found.groups)
    for grouping in GROUPS:
        assert sum(found.counts[grouping.key]) == N
        widths = [g["core_sigma_mm"].value for g in found.groups[grouping.key] if g]
        assert np.nanmedian(widths) == pytest.approx(3.0, rel=0.1)
    assert len(found.groups["by_slice"]) == 23
    assert found.record()["by_tracks"][4]["from"] == 4


def test_the_floor_reaches_itself(sample: Sample) -> None:
    drawn = drawn_from_floor(sample, generator(47))
    found = score(sample, drawn, drawn, generator(48))
    assert found.overall["floor_pull_std"].value == pytest.approx(1.0, abs=0.05)
    assert found.overall["core_over_floor"].value == 1.0
    assert found.overall["coverage_95"].value == pytest.approx(0.95, abs=0.015)


def test_common_events_are_those_that_all_answer(sample: Sample) -> None:
    one, two = smeared(sample, "one", lost=0.3), smeared(sample, "two", lost=0.0)
    drawn = drawn_from_floor(sample, generator(49))
    n, found = in_common(sample, [one, two], drawn, generator(50))
    assert n == int((one.found & two.found).sum())
    assert found["one"]["efficiency"].value == found["two"]["efficiency"].value == 1.0


def test_muons_have_no_part_in_the_scores(sample: Sample) -> None:
    vertex = sample.vertex_mm.copy()
    vertex[::2] = np.nan
    mixed = replace(sample, vertex_mm=vertex)
    drawn = drawn_from_floor(mixed, generator(51))
    assert score(mixed, smeared(sample), drawn, generator(52)).n_events == N // 2


def test_a_method_that_never_answers_is_reported(sample: Sample) -> None:
    few = Sample(*(getattr(sample, n)[:60] for n in (
        "number", "vertex_mm", "n_points", "tracks", "floor_mm2")))  # fmt: skip
    empty = Answers(
        "silent", np.full((60, 3), np.nan), np.full((60, 3, 3), np.nan), np.full(60, "no track")
    )
    report = compare(few, [empty], [], generator(53), {})
    found = report.data["methods"]["silent"]
    assert found["efficiency"]["value"] == 0.0
    assert found["core_sigma_mm"] == {"value": None, "low": None, "high": None}
    assert report.data["common"]["n_events"] == 0


def test_no_method_beats_the_floor() -> None:
    """The best classical method on simulated events, along z and across, by tracks."""
    (batch,) = simulate_batches(find_recipe("disc"), 500, generator(62))
    vertices = reconstruct_batch(batch, "helix-robust")
    status = np.where(vertices.found, "ok", "no track")
    answers = Answers("robust", vertices.position_mm, vertices.covariance_mm2, status)
    sample = sample_of([batch])
    found = score(sample, answers, drawn_from_floor(sample, generator(63)), generator(64))
    for numbers in (found.overall, found.x, found.y):
        pull = numbers["floor_pull_std"]
        assert pull.high + (pull.high - pull.low) > 1.0  # two intervals of its statistical error
        assert pull.value < 2.0  # and the floor is near enough to be worth a comparison


# --- files -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 simulated events with everything."""
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    write_parquet(path, simulate_batches(find_recipe("disc"), 120, generator(61)))
    return path


@pytest.fixture(scope="module")
def public(events: Path) -> Path:
    """The same events with the collaboration's two columns alone."""
    path = events.parent / "public.parquet"
    pq.write_table(pq.read_table(events).select(["target", "point_cloud"]), path)
    return path


def answers_csv(events: Path, path: Path, method: str = "helix-hough") -> Path:
    parts = [reconstruct_batch(batch, method) for batch in read_batches(events)]
    for _ in write_vertex_csv(path, parts, {"command": "test"}):
        pass
    return path


def test_vertices_from_a_csv_file_are_those_of_the_method(events: Path, tmp_path: Path) -> None:
    (batch,) = read_batches(events)
    vertices = reconstruct_batch(batch, "helix-hough")
    read = read_answers(answers_csv(events, tmp_path / "v.csv"), "hough", read_sample([events]))
    assert (read.found == vertices.found).all()
    assert read.position_mm[read.found] == pytest.approx(vertices.position_mm[read.found], rel=1e-5)
    assert read.covariance_mm2[read.found] == pytest.approx(
        vertices.covariance_mm2[read.found], rel=1e-5
    )
    assert read.status[0] == vertices[0].status


def test_vertices_of_other_events_are_refused(events: Path, tmp_path: Path) -> None:
    path, sample = answers_csv(events, tmp_path / "v.csv"), read_sample([events])
    lines = path.read_text(encoding="utf-8").splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("event")) + 1
    for text, problem in (
        (lines[:-1], "119 rows"),
        ([*lines[:head], lines[head + 1], lines[head], *lines[head + 2 :]], "event 1 where"),
        ([*lines[:head], lines[head].replace(",", ",x", 1), *lines[head + 1 :]], "no number"),
        ([*lines[:head], "0,1", *lines[head + 1 :]], "2 cells"),
        (["a,b", *lines[head:]], "header"),
    ):
        path.write_text("\n".join(text), encoding="utf-8")
        with pytest.raises(FileFormatError, match=problem):
            read_answers(path, "hough", sample)
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_answers(tmp_path / "none.csv", "hough", sample)


def test_predictions_of_z_alone(events: Path, tmp_path: Path) -> None:
    sample = read_sample([events])
    path, z = tmp_path / "predictions.csv", sample.vertex_mm[:, 2]
    rows = [f"{a},{a + 2}" for a in z]
    path.write_text("\n".join(["target,prediction", *rows]) + "\n", encoding="utf-8")
    read = read_answers(path, "net", sample)
    assert read.position_mm[:, 2] == pytest.approx(z + 2)
    assert np.isnan(read.position_mm[:, :2]).all() and np.isnan(read.covariance_mm2).all()
    rows[5] = "0.0,1.0"
    path.write_text("\n".join(["target,prediction", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match="line 7"):
        read_answers(path, "net", sample)


def test_events_without_truth_are_refused(events: Path, tmp_path: Path) -> None:
    (batch,) = read_batches(events)
    bare = joined([replace(event, truth=None) for event in batch])
    write_parquet(tmp_path / "measured.parquet", [bare])
    with pytest.raises(MissingDataError, match="no true vertex"):
        read_sample([tmp_path / "measured.parquet"])


def test_first_events_of_several_files(events: Path) -> None:
    assert len(read_sample([events, events])) == 240
    assert len(read_sample([events, events], 130)) == 130
    assert len(read_sample([events], 7)) == 7
    with pytest.raises(InputError, match="at least 1"):
        read_sample([events], 0)


# --- the report and the verb -------------------------------------------------------


def keys_of(found: dict[str, Any]) -> set[str]:
    return set(found) - {"n_events", "n_found", "x", "y", "statuses"} - {g.key for g in GROUPS}


def test_one_command_evaluates_methods_and_files(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = answers_csv(events, tmp_path / "v.csv")
    words = ["alphag", "evaluate", str(events), "--methods", "helix-hough"]
    words += ["--vertices", f"again={csv}", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert "helix-hough" in capsys.readouterr().out
    data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    methods = data["methods"]
    assert list(methods) == ["helix-hough", "again", "floor"]
    assert data["sample"] == {"n_events": 120, "n_cosmic": 0}
    for found in methods.values():
        assert keys_of(found) == set(DEFINITIONS)
        assert {g.key for g in GROUPS} <= set(found)
    one, two = (methods[name]["efficiency"]["value"] for name in ("helix-hough", "again"))
    assert one == two > 0.8
    assert set(data["provenance"]) >= {"version", "command", "seed", "data events.parquet"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") >= 9 and "http" not in page.replace("http-equiv", "")


def test_the_collaborations_schema_is_evaluated_by_one_command(
    public: Path, tmp_path: Path
) -> None:
    """Files with `target` and `point_cloud` alone: no point errors, no tracks, hence no floor."""
    words = [
        "alphag",
        "evaluate",
        str(public),
        "--methods",
        "helix-hough",
        "helix-chain:simulation",
    ]
    assert main([*words, "--out", str(tmp_path)]) == 0
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert list(data["methods"]) == ["helix-hough", "helix-chain:simulation"]
    for found in data["methods"].values():
        assert found["efficiency"]["value"] > 0.7
        assert found["within_15mm"]["value"] > 0.5
        assert "by_tracks" not in found and len(found["by_slice"]) == 23
        assert found["floor_sigma_mm"]["value"] is None


def test_one_seed_gives_one_report(events: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ["alphag", "evaluate", str(events), "--methods", "helix-hough", "--events", "40"]
        assert main([*words, "--out", str(tmp_path / name)]) == 0
    a, b = ((tmp_path / n / "report.json").read_text(encoding="utf-8") for n in ("a", "b"))
    assert a == b


@pytest.mark.parametrize(
    ("words", "status", "problem"),
    [
        (["--methods"], 2, "nothing to evaluate"),
        (["--methods", "guess"], 2, "guess"),
        (["--methods", "helix-hough:guess"], 2, "preset 'guess'"),
        (["--vertices", "pear"], 2, "NAME=FILE"),
        (["--vertices", "floor=x.csv"], 1, "cannot be read"),
        (["--methods", "helix-hough", "helix-hough"], 2, "named twice"),
    ],
)
def test_wrong_usage_is_said(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str],
    status: int, problem: str,
) -> None:  # fmt: skip
    assert main(["alphag", "evaluate", str(events), "--out", str(tmp_path), *words]) == status
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_report_of_many_methods_can_be_drawn(sample: Sample, tmp_path: Path) -> None:
    every = [smeared(sample, f"method {k}") for k in range(4)]
    z_only = np.full((N, 3), np.nan)
    z_only[:, 2] = sample.vertex_mm[:, 2] + 1
    every.append(Answers("net", z_only, np.full((N, 3, 3), np.nan), np.full(N, "ok")))
    few = slice(0, 300)
    cut = Sample(*(getattr(sample, n)[few] for n in (
        "number", "vertex_mm", "n_points", "tracks", "floor_mm2")))  # fmt: skip
    short = [
        Answers(a.name, a.position_mm[few], a.covariance_mm2[few], a.status[few]) for a in every
    ]
    write(compare(cut, short, [], generator(71), {}), tmp_path)
    assert (tmp_path / "report.html").stat().st_size > 100_000


def test_the_page_defines_every_number() -> None:
    page = (Path(__file__).parents[1] / "docs" / "alphag-evaluation.md").read_text(encoding="utf-8")
    for name in [*DEFINITIONS, *(g.key for g in GROUPS)]:
        assert f"`{name}`" in page, name


def test_pyarrow_writes_the_public_schema(public: Path) -> None:
    schema = pq.read_schema(public)
    assert schema.field("target").type == pa.list_(pa.float32(), 3)
    assert schema.names == ["target", "point_cloud"]

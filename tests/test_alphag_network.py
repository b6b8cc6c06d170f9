"""The methods "blackett" and "pear": an answer for every event, through ONNX files whose answers
are known (small graphs made here), and networks that are refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from blackett.alphag import formats, network, pear, preparation
from blackett.alphag.cloud import cloud
from blackett.alphag.event import BarHits, EventBatch, SpacePoints, joined
from blackett.alphag.preparation.layout import LINES, Line, Point, Track, Whole
from blackett.alphag.reconstruction import (
    preset,
    reconstruct,
    reconstruct_batch,
    settings_hash,
)
from blackett.alphag.simulation import RECIPES, simulate_batches
from blackett.alphag.vertex import STATUSES
from blackett.cli import main
from blackett.errors import FileFormatError, InputError, MissingDataError
from blackett.learn.model import Model, write_card
from blackett.seeds import generator

COVARIANCE = (9.0, 1.0, 16.0, 2.0, 3.0, 25.0)


@cache
def batch() -> EventBatch:
    """Disc events, a muon's, and one without a point."""
    atoms = next(simulate_batches(RECIPES["disc"], 150, generator(41)))
    muons = next(simulate_batches(RECIPES["cosmics"], 5, generator(42)))
    empty = replace(atoms[0], points=SpacePoints.empty(), bars=BarHits.empty(), number=999)
    return joined([*atoms, *muons, empty])


def constant(name: str, values: Any, kind: type = np.int64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, kind), name)


def vertex_graph(tracks: int | str = "tracks", scale: float = 24.0) -> onnx.ModelProto:
    """x and y of the first vertex; z, relative to the origin, the number of finite points in the
    remainder's slot; the same covariance for all; the logit, the number of tracks less 2."""
    inputs = [
        helper.make_tensor_value_info("tracks", TensorProto.FLOAT, ["events", tracks, len(Track)]),
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["events", tracks]),
        helper.make_tensor_value_info(
            "lines", TensorProto.FLOAT, ["events", tracks, LINES, len(Line)]
        ),
        helper.make_tensor_value_info("points", TensorProto.FLOAT, ["rows", len(Point)]),
        helper.make_tensor_value_info("slot", TensorProto.INT64, ["rows"]),
        helper.make_tensor_value_info("event", TensorProto.FLOAT, ["events", len(Whole)]),
    ]
    node = helper.make_node
    nodes = [
        node("Shape", ["mask"], ["shape"]),
        node("Gather", ["shape", "zero"], ["n"]),
        node("Gather", ["shape", "one"], ["t"]),
        node("Add", ["t", "one"], ["slots"]),
        node("Mul", ["n", "slots"], ["all"]),
        node("ConstantOfShape", ["all"], ["nothing"]),
        node("Gather", ["points", "known"], ["finite"], axis=1),
        node("ScatterElements", ["nothing", "slot", "finite"], ["sums"], reduction="add"),
        node("Concat", ["n", "slots"], ["grid"], axis=0),
        node("Reshape", ["sums", "grid"], ["counts"]),
        node("Gather", ["counts", "last"], ["z"], axis=1),
        node("Gather", ["event", "xy"], ["first"], axis=1),
        node("Mul", ["first", "scale"], ["scaled"]),
        node("Concat", ["scaled", "z"], ["position"], axis=1),
        node("Concat", ["n", "six"], ["wanted"], axis=0),
        node("Expand", ["same", "wanted"], ["covariance"]),
        node("ReduceSum", ["mask", "one"], ["number"], keepdims=0),
        node("Sub", ["number", "two"], ["logit_cosmic"]),
    ]
    kept = [
        constant("zero", [0]), constant("one", [1]), constant("last", [-1]), constant("six", [6]),
        constant("known", int(Point.known)), constant("xy", [Whole.first_x, Whole.first_y]),
        constant("scale", scale, np.float32), constant("same", [COVARIANCE], np.float32),
        constant("two", 2.0, np.float32),
    ]  # fmt: skip
    outputs = [
        helper.make_tensor_value_info("position", TensorProto.FLOAT, ["events", 3]),
        helper.make_tensor_value_info("covariance", TensorProto.FLOAT, ["events", 6]),
        helper.make_tensor_value_info("logit_cosmic", TensorProto.FLOAT, ["events"]),
    ]
    return model_of(helper.make_graph(nodes, "vertex", inputs, outputs, kept))


def pear_graph() -> onnx.ModelProto:
    """The mean z of the 800 points."""
    points = helper.make_tensor_value_info("points", TensorProto.FLOAT, ["rows", 800, 3])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["rows"])
    nodes = [
        helper.make_node("Gather", ["points", "height"], ["heights"], axis=2),
        helper.make_node("ReduceMean", ["heights", "axis"], ["z"], keepdims=0),
    ]
    kept = [constant("height", 2), constant("axis", [1])]
    return model_of(helper.make_graph(nodes, "pear", [points], [z], kept))


def model_of(graph: onnx.GraphProto) -> onnx.ModelProto:
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    onnx.checker.check_model(made)
    return made


def saved(folder: Path, graph: onnx.ModelProto, **facts: Any) -> str:
    """Write a network and its card; returns the folder."""
    folder.mkdir(exist_ok=True)
    onnx.save(graph, folder / "vertex.onnx")
    known = {
        "name": "made here", "kind": "blackett", "layout_sha256": preparation.layout_sha256(),
        "settings": asdict(preparation.DEFAULT),
    }  # fmt: skip
    facts = {key: value for key, value in {**known, **facts}.items() if value is not None}
    write_card(folder / "vertex.json", folder / "vertex.onnx", facts)
    return str(folder)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> network.Settings:
    return network.Settings(saved(tmp_path_factory.mktemp("ours"), vertex_graph()))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> pear.Settings:
    folder = tmp_path_factory.mktemp("theirs")
    return pear.Settings(saved(folder, pear_graph(), kind="pear", sigma_z_mm=7.0))


def test_every_event_gets_its_own_answer(ours: network.Settings) -> None:
    """Events go in the order of their tracks and come back in their own; no point is lost."""
    found, prepared = reconstruct_batch(batch(), "blackett", ours), preparation.prepare(batch())
    some = found.n_points > 0
    assert found.number.tolist() == batch().number.tolist()
    np.testing.assert_array_equal(found.found, some)
    first = 24 * prepared.event[:, [Whole.first_x, Whole.first_y]]
    np.testing.assert_allclose(found.position_mm[some, :2], first[some], atol=1e-4)
    event = np.repeat(np.arange(len(batch())), np.diff(batch().point_offset))
    left = np.bincount(event[prepared.point_track < 0], minlength=len(batch()))
    z = prepared.anchor_mm[:, 2] + left
    np.testing.assert_allclose(found.position_mm[some, 2], z[some], atol=1e-3)
    chance = 1 / (1 + np.exp(2.0 - prepared.n_tracks))
    np.testing.assert_allclose(found.p_cosmic[some], chance[some], atol=1e-6)
    np.testing.assert_array_equal(found.point_track, prepared.point_track)
    matrix = found.covariance_mm2[0]
    np.testing.assert_array_equal(matrix[np.tril_indices(3)], COVARIANCE)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_status_says_what_the_answer_stands_on(ours: network.Settings) -> None:
    found, prepared = reconstruct_batch(batch(), "blackett", ours), preparation.prepare(batch())
    words = np.array(STATUSES)[found.status]
    assert words[-1] == "no points" and np.isnan(found.position_mm[-1]).all()
    assert np.isnan(found.p_cosmic[-1])
    assert ((words == "no track") == ((prepared.n_tracks == 0) & (found.n_points > 0))).all()
    assert ((words == "ok") == (found.n_tracks > 1)).all()
    assert ((words == "one track") == (found.n_tracks == 1)).all()
    assert (found.n_tracks <= prepared.n_tracks).all() and (words == "ok").sum() > 100


def test_points_without_a_track_get_an_answer(ours: network.Settings) -> None:
    lonely = replace(batch()[0], points=batch()[0].points.rows(slice(0, 3)))
    found = reconstruct_batch(joined([lonely]), "blackett", ours)
    assert STATUSES[found.status[0]] == "no track" and found.n_tracks[0] == 0
    assert np.isfinite(found.position_mm).all() and np.isfinite(found.covariance_mm2).all()


def test_streams_and_fixed_numbers_of_slots_agree(ours: network.Settings, tmp_path: Path) -> None:
    whole = reconstruct_batch(batch(), "blackett", ours)
    streamed = np.array([v.position_mm for v in reconstruct(iter(batch()), "blackett", ours)])
    np.testing.assert_allclose(streamed, whole.position_mm, atol=1e-4)
    fixed = network.Settings(saved(tmp_path, vertex_graph(preparation.MOST_KEPT)))
    assert network.load(fixed.folder).tracks == preparation.MOST_KEPT
    again = reconstruct_batch(batch(), "blackett", fixed)
    np.testing.assert_allclose(again.position_mm, whole.position_mm, atol=1e-4)


def test_answer_that_is_no_number_is_said_to_be_none(tmp_path: Path) -> None:
    broken = network.Settings(saved(tmp_path, vertex_graph(scale=float("nan"))))
    found = reconstruct_batch(batch(), "blackett", broken)
    assert not found.found.any()
    assert {STATUSES[k] for k in found.status[found.n_points > 0]} == {"not converged"}


def test_preparation_is_that_of_the_card(tmp_path: Path) -> None:
    chosen = preparation.Settings(axial_scale=0.0, least_points=20)
    settings = network.Settings(saved(tmp_path, vertex_graph(), settings=asdict(chosen)))
    found = reconstruct_batch(batch(), "blackett", settings)
    expected = preparation.prepare(batch(), chosen)
    assert (expected.point_track != preparation.prepare(batch()).point_track).any()
    np.testing.assert_array_equal(found.point_track, expected.point_track)


def test_pear_gives_z_alone(theirs: pear.Settings) -> None:
    found = reconstruct_batch(batch(), "pear", theirs)
    some = found.n_points > 0
    np.testing.assert_array_equal(found.found, some)
    mean = cloud(batch())[:, :, 2].mean(axis=1)
    np.testing.assert_allclose(found.position_mm[some, 2], mean[some], atol=0.01)
    assert not found.position_mm[some, :2].any()
    np.testing.assert_array_equal(found.covariance_mm2[0], np.diag([144.0, 144.0, 49.0]))
    assert np.isnan(found.p_cosmic).all() and not found.n_tracks.any()
    assert (found.point_track == -1).all()
    assert {STATUSES[k] for k in found.status} == {"ok", "no points"}


def test_hash_of_settings_is_that_of_the_network(ours: network.Settings, tmp_path: Path) -> None:
    copy = network.Settings(saved(tmp_path / "copy", vertex_graph()))
    other = network.Settings(saved(tmp_path / "other", vertex_graph(scale=25.0)))
    assert settings_hash("blackett", ours) == settings_hash("blackett", copy)
    assert settings_hash("blackett", ours) != settings_hash("blackett", other)
    assert preset("blackett", ours.folder) == ours
    assert preset("pear", "somewhere") == pear.Settings("somewhere")


@pytest.mark.parametrize("method", ["blackett", "pear"])
def test_command_takes_a_folder(
    method: str, ours: network.Settings, theirs: pear.Settings, tmp_path: Path
) -> None:
    events, out = tmp_path / "events.parquet", tmp_path / "vertices.csv"
    formats.write_parquet(events, [batch()])
    folder = (ours if method == "blackett" else theirs).folder
    words = ["alphag", "reconstruct", str(events), "--method", method, "--out", str(out)]
    assert main([*words, "--model", folder]) == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    card = json.loads((tmp_path / folder / "vertex.json").read_text(encoding="utf-8"))
    assert any(card["sha256"] in line for line in lines if line.startswith("# settings:"))
    assert not any(folder in line for line in lines)
    assert len([line for line in lines if not line.startswith("#")]) == len(batch()) + 1
    assert main([*words, "--model", folder, "--preset", "data"]) == 2
    assert main([*words[:-3], "helix-hough", *words[-2:], "--model", folder]) == 2


def test_no_weights_no_answer(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="--model FOLDER"):
        reconstruct_batch(batch(), "pear")
    for method in ("pear", "blackett"):
        with pytest.raises(MissingDataError, match=r"vertex\.onnx"):
            reconstruct_batch(batch(), method, preset(method, str(tmp_path)))
    with pytest.raises(InputError, match="Settings"):
        reconstruct_batch(batch(), "blackett", preparation.DEFAULT)


def test_shipped_network_answers_where_there_is_one() -> None:
    """Without weights in the package the method says how to get them."""
    try:
        found = reconstruct_batch(batch(), "blackett")
    except MissingDataError as error:
        assert "blackett alphag train" in str(error)
        return
    assert batch().vertex_mm is not None
    off = np.abs(found.position_mm[:150, 2] - batch().vertex_mm[:150, 2])
    assert np.isfinite(off[found.n_points[:150] > 0]).all()
    assert np.nanmedian(off) < 5.0


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({"kind": "pear"}, "kind"),
        ({"kind": None}, "kind"),
        ({"layout_sha256": "0"}, "layout_sha256"),
        ({"settings": {"of": "another"}}, "settings"),
        ({"settings": {"share": 7}}, "settings"),
        ({"settings": None}, "settings"),
    ],
)
def test_foreign_cards_are_refused(facts: dict[str, Any], place: str, tmp_path: Path) -> None:
    folder = saved(tmp_path, vertex_graph(), **facts)
    with pytest.raises(FileFormatError) as caught:
        network.load(folder)
    assert caught.value.place == place


def test_foreign_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="takes"):
        network.load(saved(tmp_path / "a", pear_graph()))
    with pytest.raises(FileFormatError, match="takes"):
        pear.load(saved(tmp_path / "b", vertex_graph(), kind="pear", sigma_z_mm=7.0))
    for k, sigma in enumerate((None, "wide", -1.0)):
        folder = saved(tmp_path / f"c{k}", pear_graph(), kind="pear", sigma_z_mm=sigma)
        with pytest.raises(FileFormatError, match="sigma_z_mm"):
            pear.load(folder)
    folder = saved(tmp_path / "d", vertex_graph())
    onnx.save(vertex_graph(scale=1.0), tmp_path / "d" / "vertex.onnx")
    with pytest.raises(FileFormatError, match="SHA-256"):
        network.load(folder)


def test_model_casts_to_the_networks_types_and_keeps_its_lengths(ours: network.Settings) -> None:
    model = Model.load(*(Path(ours.folder) / f"vertex.{end}" for end in ("onnx", "json")))
    shapes = [(2, 3, len(Track)), (2, 3), (2, 3, LINES, len(Line)), (5, len(Point)), (5,),
              (2, len(Whole))]  # fmt: skip
    given = [np.zeros(shape) for shape in shapes]  # float64, slots too
    assert model.run(*given)["position"].shape == (2, 3)
    with pytest.raises(InputError, match="the network takes"):
        model.run(*given[:-1], np.zeros((2, len(Whole) + 1)))
    with pytest.raises(InputError, match="the network takes"):
        model.run(*given[:-1])

"""Trials, baselines and the comparison of methods."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma import baselines
from blackett.gamma.detector import detector
from blackett.gamma.evaluate import (
    METHODS,
    Files,
    Plan,
    Suite,
    evaluation_report,
    metrics,
    planned,
    run,
)
from blackett.gamma.evaluate.answers import families, method, places
from blackett.gamma.evaluate.plan import draw_chunk
from blackett.gamma.evaluate.runs import collected
from blackett.gamma.trials import Conditions, draw_sources, draw_trial, offered_names
from blackett.report import write
from blackett.seeds import generator

DETECTOR = "radiacode-103"
STRONG = Conditions(net_counts=20000.0, shield=(), live_time_s=(600.0, 600.0))
BASELINES = ("nnls", "nearest", "peaks")


def test_trial_holds_the_counts_that_were_asked_for() -> None:
    room = draw_trial((), Conditions(net_counts=0.0, live_time_s=(600.0, 600.0)), generator(5))
    full = draw_trial(("Co-60",), STRONG, generator(5))
    assert room.present == () and room.spectrum.background is not None
    assert full.net_counts == (20000.0,)
    beside = full.spectrum.background
    assert beside is not None
    scale = full.spectrum.live_time_s / beside.live_time_s
    above = full.spectrum.centres_kev > 45.0
    net = (full.spectrum.counts - scale * beside.counts)[above].sum()
    assert net == pytest.approx(20000.0, rel=0.05)


def test_conditions_are_held() -> None:
    fixed = Conditions(gain_error=0.04, offset_error_kev=12.0, background="none", shield=())
    trial = draw_trial(("K-40",), fixed, generator(1))
    assert trial.spectrum.background is None
    with pytest.raises(InputError, match="live_time_s"):
        Conditions(live_time_s=(10.0, 1.0))


def test_series_never_come_twice() -> None:
    rng = generator(2)
    names = ("Ra-226", "Rn-222", "Th-232", "Th-228")
    for _ in range(50):
        drawn = draw_sources(names, 4, rng)
        assert not {"Ra-226", "Rn-222"} <= set(drawn)
        assert not {"Th-232", "Th-228"} <= set(drawn)


def test_offered_names_leave_out_what_lies_below_the_range() -> None:
    names = offered_names(detector(DETECTOR))
    assert {"Cs-137", "Co-60", "Am-241"} <= set(names)
    assert not {"I-125", "Pd-103"} & set(names)


@pytest.mark.parametrize(
    "method", [baselines.nearest_template, baselines.nonnegative_least_squares]
)
def test_baselines_name_a_strong_source_on_a_true_axis(method) -> None:  # type: ignore[no-untyped-def]
    true_axis = Conditions(
        net_counts=50000.0, gain_error=0.0, offset_error_kev=0.0, shield=(), distance_mm=(50, 51)
    )
    for name in ("Cs-137", "Co-60", "Am-241"):
        trial = draw_trial((name,), true_axis, generator(3))
        scores = method(trial.spectrum, DETECTOR)
        assert baselines._names()[int(scores.argmax())] == name


def test_peak_search_finds_the_lines_of_cobalt_and_nothing_in_an_empty_net() -> None:
    trial = draw_trial(("Co-60",), STRONG, generator(4))
    scores = baselines.peak_search(trial.spectrum, DETECTOR)
    assert scores[baselines._names().index("Co-60")] > 3.0
    room = draw_trial((), Conditions(net_counts=0.0), generator(4))
    assert baselines.peak_search(room.spectrum, DETECTOR).max() < 3.0


def test_scores_of_known_declarations() -> None:
    present = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=bool)
    declared = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=bool)
    found = metrics.scores(present, declared, generator(1))
    assert found.micro_precision.value == pytest.approx(3 / 4)
    assert found.micro_recall.value == pytest.approx(3 / 4)
    assert found.macro_f1.value == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found.exact.value == pytest.approx(2 / 4)
    assert found.micro_f1.low < found.micro_f1.value < found.micro_f1.high


def test_threshold_gives_the_false_alarms_asked_for() -> None:
    score = generator(1).normal(size=(1000, 5))
    limit = metrics.threshold(score, 0.01)
    assert (score > limit).any(axis=1).sum() == 10
    with pytest.raises(InputError, match="give at least"):
        metrics.threshold(score[:100], 0.01)


def test_a_better_method_is_ahead_and_an_equal_one_is_not() -> None:
    rng = generator(8)
    present = rng.random((400, 6)) < 0.2
    signal, noise = 3.0 * present, rng.normal(size=(3, 400, 6))
    rooms = dict(zip("abc", rng.normal(size=(3, 500, 6)), strict=True))
    rooms["c"] = rooms["a"]
    score = {"a": signal + noise[0], "b": 0.5 * signal + noise[1], "c": signal + noise[0]}
    found = metrics.compared(present, score, rooms, 0.02, generator(1))
    assert found.scores.keys() == {"a", "b", "c"} and found.ahead.keys() == {"b", "c"}
    difference = found.scores["a"].micro_f1.value - found.scores["b"].micro_f1.value
    assert found.ahead["b"].micro_f1.value == pytest.approx(difference)
    assert found.ahead["b"].micro_f1.low > 0 < found.ahead["b"].macro_f1.low
    assert set(vars(found.ahead["c"].micro_f1).values()) == {0.0}


def test_figures_at_a_threshold_are_those_of_the_declarations() -> None:
    rng = generator(9)
    present = rng.random((200, 4)) < 0.3
    score = 3.0 * present + rng.normal(size=present.shape)
    rooms = rng.normal(size=(200, 4))
    at_once = metrics.compared(present, {"a": score}, {"a": rooms}, 0.05, generator(1)).scores["a"]
    alone = metrics.scores(present, score > metrics.threshold(rooms, 0.05), generator(1))
    for name, estimate in vars(alone).items():
        assert getattr(at_once, name).value == estimate.value
    wide, narrow = at_once.micro_f1, alone.micro_f1
    assert wide.high - wide.low > narrow.high - narrow.low  # thresholds are uncertain, too


def test_calibration_error_of_a_liar_and_of_an_honest_one() -> None:
    rng = generator(6)
    p = rng.random(20000)
    assert metrics.expected_calibration_error(p, rng.random(p.size) < p) < 0.02
    assert metrics.expected_calibration_error(p, rng.random(p.size) < 0.5 * p) > 0.2


def test_detection_reaches_half_where_it_does() -> None:
    rng = generator(7)
    counts = np.exp(rng.uniform(np.log(20), np.log(20000), 4000))
    hit = rng.random(4000) < 1 / (1 + (500 / counts) ** 3)
    curve = metrics.detection(counts, hit)
    assert curve.counts_for_half == pytest.approx(500, rel=0.2)
    assert curve.share[-1].value == pytest.approx(1.0, abs=0.02)


def test_confusion_rows_are_shares() -> None:
    present = np.eye(3, dtype=bool)[[0, 0, 1]]
    declared = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
    matrix = metrics.confusion(present, declared)
    assert matrix[0].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert matrix[1].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert np.isnan(matrix[2]).all()


def small_plan() -> Plan:
    usual = Conditions()
    suites = [Suite("background", "rooms", Conditions(net_counts=0.0), 32, 0)]
    suites += [
        Suite(f"counts-{n}", f"{n}", Conditions(net_counts=float(n)), 5) for n in (100, 1000, 10000)
    ]
    suites += [
        Suite("detection", "one", usual, 8, 1, net_counts=(20.0, 20000.0)),
        Suite("stress-base", "base", usual, 4),
    ]
    return Plan(tuple(suites))


def test_every_source_comes_in_turn_among_the_singles() -> None:
    names = offered_names(detector(DETECTOR))
    plan = planned(trials=20, backgrounds=100, detections=len(names) + 4, stresses=0)
    suite = plan.suite("detection")
    assert len(plan.suites) == 5 and suite.in_turn
    second = draw_chunk(plan, suite, 1)
    assert [t.present for t in second] == [(n,) for n in names[20:40]]
    with pytest.raises(InputError, match="0 detections"):
        planned(detections=0)


def test_chunks_do_not_depend_on_each_other() -> None:
    plan = planned(trials=25, backgrounds=100, detections=20)
    suite = plan.suite("counts-1000")
    first, second = draw_chunk(plan, suite, 0), draw_chunk(plan, suite, 1)
    assert [t.present for t in first] != [t.present for t in second]
    again = draw_chunk(plan, suite, 1)
    assert [t.spectrum for t in again] == [t.spectrum for t in second]


def test_report_of_a_small_plan(tmp_path: Path) -> None:
    plan, answers = small_plan(), tmp_path / "answers"
    progress = list(run(plan, BASELINES, answers))
    assert progress[-1] == (7, 7)
    assert list(run(plan, BASELINES, answers)) == [(7, 7)]
    with pytest.raises(InputError, match="answers other spectra"):
        _with_answers_to_other_spectra(plan, tmp_path / "answers")
    suite = collected(plan, plan.suite("detection"), BASELINES, answers)
    assert suite.present.sum() == 8 and (suite.net_counts[suite.present] > 0).all()
    write(evaluation_report(plan, BASELINES, answers, {"command": "test"}, 0.1), tmp_path)
    noted = json.loads((tmp_path / "report.json").read_text())
    ahead = noted["ahead"]["counts-10000"]
    assert ahead.keys() == {"nearest", "peaks"} and ahead["peaks"]["micro_f1"]["value"] <= 1
    assert sum(s["spectra"] for s in noted["detection_by_source"].values()) == 8
    assert sum(len(row) > 0 for row in noted["confusion"].values()) >= 1
    strong = noted["equal_false_alarms"]["counts-10000"]
    assert 0 <= strong["nnls"]["micro_f1"]["value"] <= 1
    assert "Stress" in (tmp_path / "report.html").read_text()


def _with_answers_to_other_spectra(plan: Plan, folder: Path) -> None:
    file = next(folder.glob("stress-base-*-peaks.npz"))
    kept = file.read_bytes()
    with np.load(file) as arrays:
        np.savez(file, **{**arrays, "spectra": np.array("of another version")})
    try:
        collected(plan, plan.suite("stress-base"), BASELINES, folder)
    finally:
        file.write_bytes(kept)


def test_unknown_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="known methods"):
        next(run(small_plan(), ("oracle",), tmp_path))
    assert {"unmix", *BASELINES} <= set(METHODS)


def test_a_network_that_is_not_shipped_answers_under_its_own_name(tmp_path: Path) -> None:
    shipped = Path(str(resources.files("blackett.gamma"))) / "data" / "identifier.onnx"
    plan, files = small_plan(), Files(network=shipped)
    assert files.label("net") == files.label("net").replace("hybrid", "net") != "net"
    assert files.label("unmix") == "unmix"
    spectra = [t.spectrum for t in draw_chunk(plan, plan.suite("counts-10000"), 0)]
    ours = method("net", Files())(spectra, DETECTOR)
    theirs = method("net", files)(spectra, DETECTOR)
    np.testing.assert_array_equal(ours.score, theirs.score)
    assert files.warnings(("hybrid", "net")) == ()  # the same weights under another name
    other = tmp_path / "other.onnx"
    other.write_bytes(shipped.read_bytes() + b" ")
    assert "calibrated for the shipped" in Files(network=other).warnings(("hybrid",))[0]
    assert Files(network=other).warnings(("net",)) == Files().warnings(("hybrid",)) == ()
    with pytest.raises(InputError, match="no such file"):
        Files(network=tmp_path / "none.onnx")
    with pytest.raises(InputError, match="--vega FILE"):
        next(run(plan, ("vega",), tmp_path))


def test_the_earlier_network_answers_for_what_it_knows(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from blackett.learn.export import save_onnx
    from blackett.learn.model import write_card

    class Stub(torch.nn.Module):
        def forward(self, spectrum):  # type: ignore[no-untyped-def]
            return spectrum[:, :2] - 0.5, spectrum[:, :2]

    file = save_onnx(
        Stub(), [torch.zeros(2, 1023)], ["spectrum"], ["presence", "activity"], tmp_path / "v.onnx"
    )
    write_card(file.with_suffix(".json"), file, {"isotopes": ["Rn-222", "Pb-214"]})
    plan = small_plan()
    spectra = [t.spectrum for t in draw_chunk(plan, plan.suite("counts-100"), 0)]
    found = method("vega", Files(vega=file))(spectra, DETECTOR)
    known = places(["Ra-226"])[0]
    expected = [s.counts[0] / s.counts[:1023].max() - 0.5 for s in spectra]
    assert found.score[:, known] == pytest.approx(np.array(expected), abs=1e-6)
    assert np.isneginf(np.delete(found.score, known, axis=1)).all()


def test_every_source_has_a_score_of_network_and_fit() -> None:
    plan = small_plan()
    spectra = [t.spectrum for t in draw_chunk(plan, plan.suite("counts-1000"), 0)[:2]]
    for name in ("net", "hybrid", "unmix"):
        found = method(name, Files())(spectra, DETECTOR)
        assert np.isfinite(found.score).sum(axis=1).min() > 80
        assert (np.abs(found.score) <= 30.0).sum() == np.isfinite(found.score).sum()
        if name != "net":
            # what is named has at least one half, and ranks first
            assert (found.score[found.declared] >= 0.0).all()


def test_families_join_what_looks_the_same() -> None:
    columns = places(["Rn-222", "Ra-226", "Th-228", "Th-232"])
    assert columns[0] == columns[1] and columns[2] == columns[3]
    assert "Rn-222" not in families()

"""A training run from recipe to card, small; recipes; strangers; the earlier network's sample."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma.preparation import counts_of
from blackett.gamma.train import find_recipe, read_recipe
from blackett.gamma.train.examples import Examples
from blackett.gamma.train.invented import draw_lines, invented_counts
from blackett.gamma.train.recipe import Data
from blackett.gamma.train.scores import area_under_curve, wilson
from blackett.gamma.train.strangers import DOWN, UP, moved_counts, stretch
from blackett.recipes import settings_hash
from peaks import AXIS, NAMES, simulate

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytestmark = pytest.mark.xdist_group("learn")

RECIPES = sorted((Path(__file__).parents[1] / "recipes" / "gamma").glob("*.toml"))
TINY = read_recipe(
    """
    name = "tiny"
    [data]
    batch = 128
    block = 4
    validation = 256
    calibration = 2000
    test = 1000
    detectors = ["radiacode-102", "radiacode-103"]
    [network]
    width = 64
    [fit]
    steps = 40
    steps_per_epoch = 20
    learning_rate = 3e-3
    """
)


# --- recipes ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["network", "quick", "vega"])
def test_recipes_parse_and_name_what_they_set(name: str) -> None:
    path = next(p for p in RECIPES if p.stem == name)
    recipe = find_recipe(path)
    assert recipe.name == name
    assert settings_hash(recipe) != settings_hash(replace(recipe, name="other"))


def test_vega_recipe_is_the_one_of_the_facts() -> None:
    fit = find_recipe(next(p for p in RECIPES if p.stem == "vega")).fit
    assert (fit.optimizer, fit.learning_rate, fit.weight_decay) == ("adam", 1e-3, 1e-4)
    assert (fit.schedule, fit.plateau_factor, fit.plateau_patience) == ("plateau", 0.5, 5)
    assert (fit.least_rate, fit.stop_patience, fit.stop_gain) == (1e-6, 10, 1e-4)
    assert fit.epochs == 100
    assert fit.steps_per_epoch * 64 == 0.8 * 200_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[data", "is not TOML"),
        ("[dat]\nbatch = 1", r"unknown \['dat'\]"),
        ("[data]\nbatch = 1.5", "batch = 1.5: must be of type int"),
        ("[network]\nkind = 'big'", "must be one of"),
        ("[data]\ndetectors = ['hpge']", "detectors"),
        ("[data]\ngeneric_share = 2", "between 0 and 1"),
        ("fit = 3", "must be a table"),
    ],
)
def test_recipes_with_faults_are_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_recipe(text)


def test_a_missing_recipe_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        find_recipe(tmp_path / "none.toml")


# --- examples --------------------------------------------------------------------


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    first, second = (Examples(TINY.data, 5, simulate) for _ in range(2))
    second.batch(3)
    for name, values in first.batch(7).items():
        np.testing.assert_array_equal(values, second.batch(7)[name])
    assert not np.array_equal(first.batch(8)["features"], first.batch(7)["features"])


def test_a_block_is_gone_through_twice_and_then_forgotten() -> None:
    examples = Examples(TINY.data, 5, simulate)
    first, second, other = (
        [examples.batch(i)["features"] for i in range(start, start + 4)] for start in (0, 4, 8)
    )
    rows = [np.sort(np.concatenate(part)[:, 576:].sum(axis=1)) for part in (first, second, other)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(rows[0], rows[2])


def test_truth_goes_with_the_features() -> None:
    examples = Examples(replace(TINY.data, stranger_share=0.0), 1, simulate)
    spectra = examples.spectra(0)
    batch = examples.arrays(spectra)
    counts = counts_of(batch["features"])
    row, source = np.argwhere(spectra.present)[0]
    net = np.exp(batch["log_share"][row, source]) * counts[row]
    assert net == pytest.approx(spectra.expected_net[row, source], rel=1e-4)
    assert batch["present"].sum() == spectra.present.sum()
    assert not batch["unknown"].any()


def test_left_out_sources_are_never_shown() -> None:
    data = replace(TINY.data, leave_out=("Cs-137", "Co-60"), batch=512)
    examples = Examples(data, 2, simulate)
    assert len(examples.sources) == len(NAMES) - 2
    assert not {"Cs-137", "Co-60"} & set(examples.sources)
    spectra, full = examples.spectra(0), examples.unfiltered(0)
    gone = full.present[:, [NAMES.index("Cs-137"), NAMES.index("Co-60")]].any(axis=1)
    assert gone.any()
    assert len(spectra) == 512 - gone.sum()
    assert spectra.present.shape[1] == len(NAMES) - 2


def test_leaving_out_what_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="H-3 are no observable sources"):
        Examples(replace(TINY.data, leave_out=("H-3",)), 1, simulate)


# --- strangers -------------------------------------------------------------------


def test_a_stranger_is_the_source_at_other_energies() -> None:
    counts = np.zeros(1024, int)
    counts[200:210] = 1000
    made = moved_counts(counts, np.array(AXIS), 1.5, 1.0, np.array(AXIS), 1024,
                        np.random.default_rng(1))  # fmt: skip
    at = np.polynomial.polynomial.polyval(np.arange(1024.0), AXIS)
    assert made.sum() == counts.sum()
    expected = 1.5 * (counts @ at) / counts.sum()
    assert made @ at / made.sum() == pytest.approx(expected, rel=2e-3)
    other = np.array([5.0, 9.5, 8e-3])
    coarse = moved_counts(counts, np.array(AXIS), 1.5, 0.3, other, 256, np.random.default_rng(1))
    at = np.polynomial.polynomial.polyval(np.arange(256.0), other)
    assert coarse.sum() == pytest.approx(0.3 * counts.sum(), rel=0.1)
    assert coarse @ at / coarse.sum() == pytest.approx(expected, rel=5e-3)


def test_factors_stay_clear_of_one() -> None:
    rng = np.random.default_rng(1)
    drawn = np.array([stretch(rng) for _ in range(500)])
    inside = ((drawn >= DOWN[0]) & (drawn <= DOWN[1])) | ((drawn >= UP[0]) & (drawn <= UP[1]))
    assert inside.all()
    assert 0.4 < (drawn < 1).mean() < 0.6


def test_strangers_are_marked_and_add_counts() -> None:
    data = Data(batch=400, detectors=("radiacode-103",), stranger_share=0.5, generic_share=0.0)
    without = Examples(replace(data, stranger_share=0.0), 3, simulate).spectra(0)
    spectra = Examples(data, 3, simulate).spectra(0)
    more = spectra.counts.sum(axis=1) - without.counts.sum(axis=1)
    np.testing.assert_array_equal(more > 0, spectra.unknown)
    assert 0.2 < spectra.unknown.mean() < 0.5
    np.testing.assert_array_equal(spectra.present, without.present)


def test_invented_nuclides_follow_the_physics() -> None:
    rng = np.random.default_rng(4)
    lines = [draw_lines(rng) for _ in range(200)]
    assert all(p.max() == 1.0 and p.size == e.size and (p > 0).all() for e, p in lines)
    assert {e.size for e, _ in lines} >= {1, 2, 3, 4, 5, 6}
    n = 60
    axis = np.tile(AXIS, (n, 1))
    wanted = np.full(n, 4000.0)
    made = invented_counts("radiacode-103", wanted, np.full(n, 1024), axis, rng)
    # the threshold takes some; sums of shape errors and peaks move the rest by some ten percent
    assert np.median(made.sum(axis=1)) == pytest.approx(4000.0, rel=0.2)
    few = invented_counts("radiacode-103", wanted, np.full(n, 256), axis * [1, 4, 16], rng)
    assert not few[:, 256:].any() and few.any(axis=1).all()


def test_the_same_strangers_come_again() -> None:
    axis, n = np.tile(AXIS, (5, 1)), np.full(5, 1024)
    one, two = (
        invented_counts("radiacode-103", np.full(5, 500.0), n, axis, np.random.default_rng(7))
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


# --- a whole run -------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    from blackett.gamma.train import train

    said: list[str] = []
    made = train(TINY, tmp_path_factory.mktemp("tiny"), progress=said.append, simulate=simulate)
    return made, said


def test_a_run_leaves_network_card_and_curves(trained) -> None:
    made, said = trained
    card = json.loads(made.card.read_text(encoding="utf-8"))
    assert card["training"]["spectra_shown"] == 40 * 128
    assert card["recipe"]["fit"]["steps"] == 40
    assert card["sources"] == list(NAMES)
    assert card["scores"] == json.loads(json.dumps(made.scores))
    assert made.curves.stat().st_size > 10_000
    assert "calibrating" in said


def test_the_loss_falls(trained) -> None:
    from blackett.learn.curves import read_history

    made, _ = trained
    history = read_history(made.card.parent / "history.csv")
    assert history["loss"][-1] < history["loss"][0]
    assert history["val_unknown"][-1] < 0.69


def test_scores_hold_their_numbers(trained) -> None:
    scores = trained[0].scores
    assert scores["ece"] < 0.02
    share, low, high = scores["at_0.01"]["backgrounds_with_a_name"]
    assert low <= share <= high
    assert scores["at_0.01"]["recall_by_source"].keys() == set(NAMES)
    assert 0.0 <= scores["unknown_auroc"] <= 1.0


def test_onnx_and_torch_agree(trained) -> None:
    from blackett.gamma.models import build
    from blackett.gamma.network import open_model

    made, _ = trained
    network = build("compact", len(NAMES), 64, TINY.network.blocks)
    saved = torch.load(made.network.parent / "best.ckpt", weights_only=False)["state_dict"]
    network.load_state_dict({k.removeprefix("network."): v for k, v in saved.items()})
    features = Examples(TINY.data, 9, simulate).batch(0)["features"]
    with torch.no_grad():
        expected = network(torch.from_numpy(features))
    found = open_model(made.network).run(features)
    for name, values in expected._asdict().items():
        np.testing.assert_allclose(found[name], values.numpy(), atol=2e-4, rtol=2e-4)


# --- the earlier network -------------------------------------------------------------


def test_vega_labels_mark_members_and_only_own_activity() -> None:
    from blackett.gamma.train.vega import ISOTOPES, labels

    present = np.zeros((2, len(NAMES)), bool)
    activity = np.zeros((2, len(NAMES)))
    present[0, NAMES.index("Th-232")], activity[0, NAMES.index("Th-232")] = True, 50.0
    present[1, NAMES.index("Cs-137")], activity[1, NAMES.index("Cs-137")] = True, 5000.0
    shown, target = labels(present, activity)
    assert len(ISOTOPES) == 82
    names = {ISOTOPES[i] for i in np.flatnonzero(shown[0])}
    assert {"Th-232", "Ac-228", "Pb-212", "Tl-208"} <= names
    assert {ISOTOPES[i] for i in np.flatnonzero(shown[1])} == {"Cs-137", "Ba-137m"}
    assert target[0].sum() == pytest.approx(0.05)
    assert target[1, ISOTOPES.index("Cs-137")] == 1.0


def test_vega_sample_is_split_once_and_made_anew() -> None:
    from blackett.gamma.train.vega import Sample

    recipe = replace(TINY, data=replace(TINY.data, batch=8, detectors=("radiacode-103",)))
    sample = Sample(recipe, 50, simulate)
    training, validation, test = sample.parts()
    assert (training.size, validation.size, test.size) == (40, 5, 5)
    assert set(training) | set(validation) | set(test) == set(range(50))
    batch = sample.batch(3)
    np.testing.assert_array_equal(batch["spectrum"], sample.batch(3)["spectrum"])
    assert batch["spectrum"].shape == (8, 1023)
    assert batch["spectrum"].max(axis=1) == pytest.approx(1.0)
    seen = {sample.training_batch(i)["spectrum"].sum() for i in range(40)}
    assert len(seen) == 40


def test_vega_loss_by_hand() -> None:
    from blackett.gamma.train.vega import vega_loss

    batch = {
        "spectrum": torch.zeros(1, 2),
        "present": torch.tensor([[1.0, 0.0]]),
        "activity": torch.tensor([[0.5, 0.9]]),
    }
    logits, activity = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.1, 7.0]])
    values = vega_loss(lambda _: (logits, activity), batch)
    assert values["presence"].item() == pytest.approx(np.log(2.0))
    assert values["huber"].item() == pytest.approx(0.5 * 0.4**2 / 2)
    assert values["loss"].item() == pytest.approx(np.log(2.0) + 0.1 * 0.04)


def test_vega_wants_one_detector(tmp_path: Path) -> None:
    from blackett.gamma.train.vega import train_vega

    with pytest.raises(InputError, match="one detector"):
        train_vega(TINY, tmp_path, simulate=simulate)
    one = replace(TINY.data, detectors=("radiacode-103",))
    with pytest.raises(InputError, match="steps_per_epoch 3"):
        train_vega(
            replace(TINY, data=one, fit=replace(TINY.fit, steps_per_epoch=3)),
            tmp_path,
            simulate=simulate,
        )


@pytest.mark.long
def test_vega_learns_and_resumes_in_its_quick_test(tmp_path: Path) -> None:
    from blackett.gamma.train.vega import quick, train_vega
    from blackett.learn.curves import read_history

    recipe = quick(find_recipe(next(p for p in RECIPES if p.stem == "vega")))
    few = replace(recipe.fit, steps=16, steps_per_epoch=8)
    recipe = replace(recipe, data=replace(recipe.data, batch=8), fit=few)
    fitted = train_vega(recipe, tmp_path, simulate=simulate)
    assert fitted.steps == 16
    longer = replace(recipe, fit=replace(few, steps=24))
    assert train_vega(longer, tmp_path, resume=True, simulate=simulate).steps == 24
    history = read_history(tmp_path / "history.csv")
    assert history["step"] == [8, 16, 24]
    assert history["loss"][-1] < history["loss"][0]


# --- scores ----------------------------------------------------------------------


def test_wilson_interval_known_case() -> None:
    # 8 of 10: 0.49 to 0.943 (Wilson)
    assert wilson(8, 10) == pytest.approx([0.8, 0.49016, 0.94332], abs=2e-5)
    assert wilson(0, 0) is None


def test_area_under_curve() -> None:
    truth = np.array([False, False, True, True])
    assert area_under_curve(np.array([0.0, 1.0, 2.0, 3.0]), truth) == 1.0
    assert area_under_curve(np.array([0.0, 2.0, 1.0, 3.0]), truth) == 0.75
    assert area_under_curve(np.ones(4), truth) == 0.5


# --- sources never shown ---------------------------------------------------------------


def test_left_out_sources_are_scored(tmp_path: Path) -> None:
    from blackett.gamma.train import train

    data = replace(TINY.data, leave_out=("Cs-137", "Co-60", "K-40"), test=8000, calibration=1500)
    made = train(replace(TINY, data=data, fit=replace(TINY.fit, steps=20)), tmp_path,
                 simulate=simulate)  # fmt: skip
    found = made.scores["left_out"]
    assert found["sources"] == ["Cs-137", "Co-60", "K-40"]
    assert 20 < found["spectra_of_one_left_out_source"] < 500
    assert found["spectra_of_known_sources"] > 1000
    assert all(0.0 <= a <= 1.0 for a in found["auroc_against_known_sources"].values())
    low, high = found["known_called_unknown"][1:]
    assert 0.0 <= low < high < 0.2


# --- the verb ------------------------------------------------------------------------


def test_verb_tells_its_progress_and_guards_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blackett.gamma.train.verbs import train as verb

    monkeypatch.setattr("blackett.gamma.simulate", simulate, raising=False)
    quick = next(p for p in RECIPES if p.stem == "quick")
    said = list(verb(quick, tmp_path / "run", test=True, seed=7))
    assert said[0].startswith("quick-test: 20 steps into")
    steps = [line.split("  ")[0] for line in said if line.startswith("step")]
    assert steps == ["step 10", "step 20"]
    assert said[-1].endswith("network.onnx with network.json and curves.png")
    card = json.loads((tmp_path / "run" / "network.json").read_text(encoding="utf-8"))
    assert card["recipe"]["fit"]["seed"] == 7
    with pytest.raises(InputError, match="holds a run: resume it"):
        list(verb(quick, tmp_path / "run", test=True))
    with pytest.raises(InputError, match="no run to resume"):
        list(verb(quick, tmp_path / "other", resume=True, test=True))

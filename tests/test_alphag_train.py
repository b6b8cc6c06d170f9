"""Training for the vertex: recipes, samples on disk, losses, calibration, whole small runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from blackett import alphag
from blackett.alphag.cloud import cloud
from blackett.alphag.formats import read_parquet, write_parquet
from blackett.alphag.preparation import MOST_KEPT, prepare
from blackett.alphag.preparation.layout import Whole
from blackett.alphag.train import find_recipe, read_recipe
from blackett.alphag.train.recipe import Terms
from blackett.alphag.train.sample import open_sample, order_of
from blackett.errors import FileFormatError, InputError
from blackett.learn import Model
from blackett.seeds import generator

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytestmark = pytest.mark.xdist_group("learn")

from blackett.alphag.models.slots import Answer  # noqa: E402
from blackett.alphag.train import calibration  # noqa: E402
from blackett.alphag.train.calibration import (  # noqa: E402
    ENDS_MM,
    LEVELS_MM,
    SHARES,
    _Broken,
    ends_of,
    knots_of,
    levels_of,
)
from blackett.alphag.train.examples import SLOT_INPUTS, SlotExamples, z_scores  # noqa: E402
from blackett.alphag.train.losses import CloudLoss, SlotLoss, in_pieces, log_density  # noqa: E402
from blackett.alphag.train.run import build, train  # noqa: E402

RECIPES = Path(__file__).parents[1] / "recipes" / "alphag"
OURS = read_recipe(
    """
    name = "tiny"
    [data]
    batch = 40
    validation = 60
    [network]
    width = 16
    blocks = 1
    points = 8
    [loss]
    ramp_begin = 0.0
    ramp_end = 0.01
    [fit]
    steps = 6
    steps_per_epoch = 2
    schedule = "constant"
    """
)
CLOUD = read_recipe(
    """
    name = "tiny-pear"
    [data]
    batch = 8
    validation = 20
    points = 100
    few_points = 30
    few_share = 0.5
    [network]
    kind = "pear"
    members = 2
    [fit]
    steps = 2
    steps_per_epoch = 1
    optimizer = "adam"
    precision = "bf16-mixed"
    """
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of disc events and one of cosmic muons."""
    folder = tmp_path_factory.mktemp("sample")
    for name, recipe, seed, n in (
        ("a", "disc", 1, 90),
        ("b", "disc", 2, 50),
        ("c", "cosmics", 3, 60),
    ):
        batches = alphag.simulate_batches(alphag.find_recipe(recipe), n, generator(seed))
        write_parquet(folder / f"{name}.parquet", batches, {"command": name, "seed": str(seed)})
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


# --- recipes ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pear", "pear-2023", "blackett"])
def test_recipes_parse_and_build_their_network(name: str) -> None:
    recipe = find_recipe(RECIPES / f"{name}.toml")
    assert recipe.name == recipe.network.kind == name
    number = sum(p.numel() for p in build(recipe.network).parameters())
    expected = {"pear": 3_459_394, "pear-2023": 2_658_369}
    assert number == expected.get(name, number)


def test_pear_recipe_is_the_published_one_where_it_says_so() -> None:
    recipe = find_recipe(RECIPES / "pear.toml")
    assert (recipe.data.points, recipe.loss.huber_mm) == (800, 1.0)
    assert (recipe.loss.first, recipe.loss.then) == ("huber", "l1")
    assert (recipe.fit.optimizer, recipe.fit.weight_decay) == ("adam", 0.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[data]\nbatch = 1", "batch is 1"),
        ("[data]\nfew_points = 900", "few_points is 900"),
        ("[data]\nfew_share = 2.0", "few_share is 2.0"),
        ("[network]\nkind = 'big'", "must be one of"),
        ("[loss]\nramp_begin = 0.5\nramp_end = 0.1", "rising"),
        ("[loss]\ncosmic = -1.0", "cosmic is -1.0"),
        ("[fit]\nsteps = 700\nsteps_per_epoch = 500", "not a whole number of epochs"),
    ],
)
def test_recipes_with_faults_are_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_recipe(text)


# --- samples ---------------------------------------------------------------------


def test_every_pass_sees_every_event_once() -> None:
    seen = np.concatenate([order_of(3, 7, i, 21) for i in range(9)])
    for turn in np.split(seen, 3):
        assert sorted(turn) == list(range(21))
    assert not np.array_equal(seen[:21], seen[21:42])
    np.testing.assert_array_equal(order_of(3, 7, 5, 21), seen[35:42])
    across = order_of(3, 15, 1, 21)  # events 15-30: the end of one pass and the begin of the next
    np.testing.assert_array_equal(across, seen[15:30])


def test_too_few_events_are_said() -> None:
    with pytest.raises(InputError, match="too few for batches of 50"):
        order_of(1, 50, 0, 49)


def test_clouds_on_disk_are_those_of_the_files(sample: Path, cache: Path) -> None:
    from blackett.alphag.cloud import repeated

    opened = open_sample([sample], "cloud", cache)
    assert len(opened) == 200
    rows = np.array([150, 3, 95, 199, 90])
    taken = opened.take(rows)
    start = np.cumsum(taken["count"]) - taken["count"]
    found = repeated(taken["points"], start, taken["count"])
    whole = [cloud(batch) for name in "abc" for batch in read_parquet(sample / f"{name}.parquet")]
    np.testing.assert_array_equal(found, np.concatenate(whole)[rows])
    np.testing.assert_array_equal(taken["cosmic"], [True, False, False, True, False])


def test_prepared_events_on_disk_are_those_of_the_files(sample: Path, cache: Path) -> None:
    opened = open_sample([sample], "tracks", cache)
    batch = next(iter(read_parquet(sample / "b.parquet")))
    made = prepare(batch)
    taken = opened.take(90 + np.arange(len(batch)))
    tracks = made.mask.shape[1]
    np.testing.assert_array_equal(taken["mask"][:, :tracks], made.mask)
    np.testing.assert_array_equal(taken["lines"][:, :tracks], made.lines)
    assert not taken["mask"][:, tracks:].any()
    np.testing.assert_allclose(taken["points"], made.points, rtol=2e-3, atol=1e-3)
    local = made.slot % (tracks + 1)
    np.testing.assert_array_equal(taken["slot"], np.where(local == tracks, MOST_KEPT, local))
    np.testing.assert_array_equal(taken["vertex"], batch.vertex_mm)


def test_prepared_events_are_kept(sample: Path, cache: Path) -> None:
    open_sample([sample], "cloud", cache)
    said: list[str] = []
    open_sample([sample], "cloud", cache, said.append)
    assert said == []


def test_a_folder_without_events_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"no \*.parquet"):
        open_sample([tmp_path], "cloud", tmp_path)


def test_events_without_truth_are_refused(sample: Path, tmp_path: Path) -> None:
    batch = next(iter(read_parquet(sample / "a.parquet")))
    hidden = replace(
        batch, vertex_mm=None, time_s=None, cosmic=None, tracks=None, track_offset=None
    )
    write_parquet(tmp_path / "x.parquet", [hidden])
    with pytest.raises(FileFormatError, match="must have their truth"):
        open_sample([tmp_path], "cloud", tmp_path / "cache")


# --- losses ------------------------------------------------------------------------


def test_huber_gives_way_to_l1() -> None:
    class Fixed(torch.nn.Module):
        def each(self, points: torch.Tensor) -> torch.Tensor:
            return points[:, :, 0]

    loss = CloudLoss(Terms(switch=0.5, huber_mm=1.0))
    batch = {
        "points": torch.tensor([[[0.5], [3.0]]]),  # two members
        "vertex": torch.zeros(1, 3),
        "progress": torch.tensor([0.2]),
    }
    assert loss(Fixed(), batch)["loss"].item() == pytest.approx((0.125 + 2.5) / 2)
    late = batch | {"progress": torch.tensor([0.6])}
    assert loss(Fixed(), late)["loss"].item() == pytest.approx(1.75)


def answer(n: int, seed: int = 1) -> Answer:
    torch.manual_seed(seed)
    factor = torch.randn(n, 6, dtype=torch.float64)
    factor[:, [0, 2, 5]] = factor[:, [0, 2, 5]].abs() + 0.5
    widths = torch.cumsum(torch.rand(n, 3, dtype=torch.float64), 1)
    return Answer(
        (torch.randn(n, 3).double(),), torch.randn(n, 3).double(), factor,
        torch.log_softmax(torch.randn(n, 3).double(), 1), widths, torch.randn(n).double(),
    )  # fmt: skip


def test_density_is_that_of_the_mixture() -> None:
    found, true = answer(5), torch.randn(5, 3, dtype=torch.float64)
    for k in range(5):
        lower = np.zeros((3, 3))
        lower[np.tril_indices(3)] = found.factor[k]
        covariance = (lower @ lower.T)[np.ix_([1, 2, 0], [1, 2, 0])]  # from z, x, y to x, y, z
        total = sum(
            np.exp(found.log_share[k, c].item())
            * multivariate_normal.pdf(
                true[k], found.vertex[k], covariance * np.exp(2 * found.log_scale[k, c].item())
            )
            for c in range(3)
        )
        expected = np.log(total) + 1.5 * np.log(2 * np.pi)
        assert log_density(found, true)[k].item() == pytest.approx(expected)


def test_cosmics_teach_no_vertex_and_nothing_becomes_nan() -> None:
    found = answer(4)
    for part in (found.vertex, found.factor, found.cosmic):
        part.requires_grad_(True)

    class Fixed(torch.nn.Module):
        def answer(self, *inputs: torch.Tensor) -> Answer:
            rows = inputs[5][:, 0].long()
            return Answer((found.steps[0][rows],), *(part[rows] for part in found[1:]))

    vertex = torch.zeros(4, 3).double()
    vertex[1] = torch.nan
    batch = {
        "tracks": torch.zeros(4, 2, 1), "mask": torch.ones(4, 2), "lines": torch.zeros(4, 2, 1, 1),
        "points": torch.zeros(0, 1), "slot": torch.zeros(0).long(),
        "event": torch.arange(4.0)[:, None],
        "vertex": vertex, "cosmic": torch.tensor([0.0, 1.0, 0.0, 0.0]).double(),
        "progress": torch.tensor([0.5]),
    }  # fmt: skip
    loss = SlotLoss(Terms())(Fixed(), batch)["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    for part in (found.vertex, found.factor):
        assert torch.isfinite(part.grad).all()
        assert not part.grad[1].any()
    assert found.cosmic.grad[1] < 0


# --- scores and calibration --------------------------------------------------------


def test_scores_weigh_width_and_bias() -> None:
    rng = np.random.default_rng(1)
    true = rng.uniform(-1100, 1100, 40_000)
    residual = rng.normal(0, 4.0, true.size)
    good = z_scores(residual, true)
    assert good["width"] == pytest.approx(4.0, rel=0.02)
    assert good["bias"] < 0.12
    tilted = z_scores(residual + np.sign(true), true)
    assert tilted["bias"] == pytest.approx(1.0, abs=0.05)
    assert tilted["loss"] - good["loss"] > 0.8


def test_knots_mend_the_size_and_never_fall() -> None:
    rng = np.random.default_rng(1)
    sigma = np.exp(rng.uniform(0, 3, 30_000))
    at, factor = knots_of(sigma, 1.5 * sigma * rng.normal(size=sigma.size))
    np.testing.assert_allclose(np.exp(factor), 1.5, rtol=0.08)
    at, factor = knots_of(sigma, rng.normal(size=sigma.size))
    assert (np.diff(at + factor) >= -1e-12).all()


def test_heavy_tails_share_the_miss_between_both_shares() -> None:
    rng = np.random.default_rng(1)
    sigma = np.full(20_000, 3.0)
    residual = 3.0 * rng.standard_t(3, sigma.size)
    at, factor = knots_of(sigma, residual)
    pull = np.abs(residual) / (sigma * np.exp(np.interp(np.log(sigma), at, factor)))
    one, two = (pull < 1).mean() - 0.6827, (pull < 1.96).mean() - 0.95
    assert one > 0.005 and two < -0.005
    assert one == pytest.approx(-two, abs=0.006)


def test_ends_are_the_trimmed_means_and_the_middle_is_left() -> None:
    rng = np.random.default_rng(1)
    z = rng.uniform(-1100, 1100, 200_000)
    bias = np.interp(np.abs(z), [800, 1100], [0.0, -1.2])  # inwards
    tails = np.where(rng.random(z.size) < 0.01, -80.0, 0.0)
    found = ends_of(bias + tails + 3 * rng.normal(size=z.size), z)
    assert found.shape == ENDS_MM.shape and found[0] == 0
    np.testing.assert_allclose(
        found[1:], -np.interp(ENDS_MM[1:], [800, 1100], [0.0, -1.2]), atol=0.15
    )


def test_levels_keep_the_same_share_at_every_height() -> None:
    rng = np.random.default_rng(1)
    z = rng.uniform(-1100, 1100, 200_000)
    logit = (1 + np.abs(z) / 1100) * rng.normal(size=z.size) + (z / 800) ** 2
    for share, found in zip(SHARES, levels_of(logit, z), strict=True):
        kept = logit < np.interp(np.abs(z), LEVELS_MM, found)
        for a in range(-1100, 1100, 100):
            inside = (z > a) & (z < a + 100)
            assert kept[inside].mean() == pytest.approx(share, abs=0.012)


def test_calibrated_network_moves_ends_and_levels() -> None:
    class Fixed(torch.nn.Module):
        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            n = len(inputs[5])
            covariance = torch.tensor([[4.0, 0.1, 4.0, 0.2, 0.3, 9.0]]).repeat(n, 1)
            return torch.ones(n, 3), covariance, torch.full((n,), 2.0)

    found = calibration.Calibration(
        np.log([3.0]), np.log([1.5]), np.log([2.0]), np.log([2.0]),
        np.array([0.0, 0.1, 0.2, 0.3, 0.4]),
        np.stack([np.linspace(a, b, 7) for a, b in ((0, 1), (1, 1.5), (3, 4))]),
        np.array([0.0, 3.0, 4.0]),
    )  # fmt: skip
    network = calibration.Calibrated(Fixed(), found)
    event = torch.zeros(3, len(Whole))
    event[:, Whole.anchor_z] = torch.tensor([0.2, -0.951, 1.099])
    v, c, logit = network(*(torch.zeros(0) for _ in range(5)), event)
    torch.testing.assert_close(v[:, 2], torch.tensor([1.0, 1 - 0.2, 1.4]), atol=1e-4, rtol=0)
    torch.testing.assert_close(v[:, :2], torch.ones(3, 2))
    z = np.abs([201.0, -950.0, 1100.0])
    expected = [np.interp(2.0, [np.interp(h, LEVELS_MM, row) for row in found.levels], [0, 3, 4])
                for h in z]  # fmt: skip
    np.testing.assert_allclose(logit, expected, rtol=1e-4)
    expected = torch.tensor([16.0, 0.4, 16.0, 0.6, 0.9, 20.25])
    torch.testing.assert_close(c, expected.repeat(3, 1))


def test_pieces_of_a_batch_answer_like_the_whole(sample: Path, cache: Path) -> None:
    opened = open_sample([sample], "tracks", cache)
    examples = SlotExamples(OURS, opened, opened)
    torch.manual_seed(1)
    network = build(OURS.network).eval()
    batch = {name: torch.from_numpy(values) for name, values in examples.batch(1).items()}
    assert (batch["mask"].sum(1).diff() >= 0).all()
    with torch.no_grad():
        whole = network.answer(*(batch[name] for name in SLOT_INPUTS))
        parts = in_pieces(network, batch)
    for a, b in zip((whole.steps[-1], *whole[1:]), (parts.steps[-1], *parts[1:]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-2)


def test_broken_line_is_an_interpolation() -> None:
    at, height = np.array([0.0, 1.0, 1.5, 4.0]), np.array([0.2, -0.1, 0.3, 0.0])
    x = np.linspace(-2, 6, 50)
    found = _Broken(at, height)(torch.tensor(x, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(found, np.interp(x, at, height), atol=1e-5)


# --- whole runs ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(sample: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("run")
    return train(OURS, [sample], [sample], folder, cache)


def test_a_run_leaves_network_card_and_curves(trained) -> None:
    card = json.loads(trained.card.read_text(encoding="utf-8"))
    assert card["kind"] == "blackett"
    assert card["training"]["events_shown"] == 6 * 40
    assert card["data"] == [{"command": "a", "seed": "1"}]
    assert card["validation_scores"]["width"] == pytest.approx(trained.scores["width"], rel=1e-3)
    assert len(card["calibration"]["sigma_z_mm"]) == len(card["calibration"]["factor_z"])
    assert trained.curves.stat().st_size > 5000


def test_served_and_prepared_answers_agree(trained, sample: Path, cache: Path) -> None:
    model = Model.load(trained.network, trained.card)
    batch = next(iter(read_parquet(sample / "b.parquet")))
    made = prepare(batch)
    served = model.run(*(getattr(made, name) for name in SLOT_INPUTS))
    opened = open_sample([sample], "tracks", cache)
    from blackett.alphag.train.examples import slot_arrays

    stored = slot_arrays(opened.take(90 + np.arange(len(batch))))
    again = model.run(*(stored[name] for name in SLOT_INPUTS))
    for name, values in served.items():
        np.testing.assert_allclose(again[name], values, rtol=0.05, atol=0.5)
    assert served["position"].shape == (50, 3)
    assert served["covariance"].shape == (50, 6)


def test_a_run_goes_on_to_the_same_weights(
    trained, sample: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the weights are compared: nothing is exported
    monkeypatch.setattr("blackett.alphag.train.run.export", lambda *_: (tmp_path / "v.onnx", {}))
    short = replace(OURS, fit=replace(OURS.fit, steps=4))
    train(short, [sample], [sample], tmp_path, cache)
    train(OURS, [sample], [sample], tmp_path, cache, resume=True)
    first, second = (
        torch.load(folder / "last.ckpt", weights_only=False)["state_dict"]
        for folder in (trained.network.parent, tmp_path)
    )
    assert first.keys() == second.keys()
    for name, values in first.items():
        torch.testing.assert_close(second[name], values, rtol=0, atol=0)


def test_pear_runs_in_mixed_precision_with_few_points_first(
    sample: Path, cache: Path, tmp_path: Path
) -> None:
    made = train(CLOUD, [sample], [sample], tmp_path, cache)
    card = json.loads(made.card.read_text(encoding="utf-8"))
    assert card["kind"] == "pear"
    assert card["parameters"] == 2 * 3_459_394
    model = Model.load(made.network, made.card)
    batch = next(iter(read_parquet(sample / "b.parquet")))
    z = model.run(cloud(batch, 100))["z"]
    assert z.shape == (50,)
    assert np.isfinite(z).all()


def test_few_points_are_drawn_anew_and_then_all(sample: Path, cache: Path) -> None:
    from blackett.alphag.train.examples import CloudExamples

    opened = open_sample([sample], "cloud", cache)
    examples = CloudExamples(CLOUD, opened, opened)
    assert examples.batch(0)["points"].shape == (8, 30, 3)
    assert examples.batch(1)["points"].shape == (8, 100, 3)
    np.testing.assert_array_equal(examples.batch(0)["points"], examples.batch(0)["points"])


def test_a_batch_is_the_same_whenever_it_is_asked_for(sample: Path, cache: Path) -> None:
    opened = open_sample([sample], "tracks", cache)
    first, second = (SlotExamples(OURS, opened, opened) for _ in range(2))
    second.batch(3)
    for name, values in first.batch(2).items():
        np.testing.assert_array_equal(values, second.batch(2)[name])


def test_verb_tells_its_progress_and_guards_the_folder(
    sample: Path, cache: Path, tmp_path: Path
) -> None:
    from blackett.alphag.train.verbs import train as verb

    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        '[data]\nbatch = 20\nvalidation = 20\npoints = 60\n[network]\nkind = "edges"\nwidth = 8\n'
        '[fit]\nsteps_per_epoch = 1\n',
        encoding="utf-8",
    )  # fmt: skip
    said = list(verb(recipe, (sample,), (sample,), tmp_path / "run", cache, steps=2, seed=5))
    assert said[0].startswith("default: 2 steps into")
    assert [line.split("  ")[0] for line in said if line.startswith("step")] == ["step 1", "step 2"]
    card = json.loads((tmp_path / "run" / "vertex.json").read_text(encoding="utf-8"))
    assert card["recipe"]["fit"]["seed"] == 5
    with pytest.raises(InputError, match="holds a run: resume it"):
        list(verb(recipe, (sample,), (sample,), tmp_path / "run", cache))
    with pytest.raises(InputError, match="no run to resume"):
        list(verb(recipe, (sample,), (sample,), tmp_path / "other", cache, resume=True))


TWO = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
import torch.distributed as distributed
from test_alphag_train import OURS
from blackett.alphag.train.run import train
sample, cache, folder = map(Path, sys.argv[1:])
fit = replace(OURS.fit, devices=2, accelerator="cpu", steps=2)
train(replace(OURS, fit=fit), [sample], [sample], folder, cache)
state = torch.load(folder / "last.ckpt", weights_only=False)["state_dict"]
torch.save(state, folder / f"rank{{distributed.get_rank()}}.pt")
"""


@pytest.mark.long
def test_two_processes_train_one_network(sample: Path, cache: Path, tmp_path: Path) -> None:
    open_sample([sample], "tracks", cache)
    script, folder = tmp_path / "two.py", tmp_path / "run"
    script.write_text(TWO.format(tests=str(Path(__file__).parent)), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", script, sample, cache, folder]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    first, second = (torch.load(folder / f"rank{r}.pt") for r in (0, 1))
    for name, values in first.items():
        torch.testing.assert_close(second[name], values)
    card = json.loads((folder / "vertex.json").read_text(encoding="utf-8"))
    assert card["training"]["events_shown"] == 2 * 2 * 40
    shutil.rmtree(folder)

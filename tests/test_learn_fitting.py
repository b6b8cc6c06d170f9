"""One training loop: it learns, it resumes to the same weights, it exports what it learned."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from blackett.errors import FileFormatError, InputError
from blackett.learn import Model, Settings, write_card
from blackett.learn.curves import read_history

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytestmark = pytest.mark.xdist_group("learn")

TRUE = np.array([1.0, -2.0, 0.5], np.float32)


def batch_at(index: int) -> dict[str, np.ndarray]:
    """Points near a plane."""
    rng = np.random.default_rng([7, index])
    x = rng.normal(size=(64, 3)).astype(np.float32)
    return {"x": x, "y": x @ TRUE + 0.01 * rng.normal(size=64).astype(np.float32)}


def loss(network, batch):
    return {"loss": torch.nn.functional.mse_loss(network(batch["x"])[:, 0], batch["y"])}


def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Linear(3, 1)


def weights(of: torch.nn.Module) -> np.ndarray:
    return of.weight.detach().numpy().copy()[0]


SETTINGS = Settings(
    steps=60, steps_per_epoch=20, learning_rate=0.3, weight_decay=0.0, warmup_steps=5
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    from blackett.learn import fit

    folder, made = tmp_path_factory.mktemp("run"), network()
    fit(made, loss, batch_at, SETTINGS, folder, validation=[batch_at(10_000)])
    return folder, weights(made)


def test_fit_finds_the_plane_and_leaves_its_curves(undisturbed: tuple[Path, np.ndarray]) -> None:
    folder, found = undisturbed
    np.testing.assert_allclose(found, TRUE, atol=0.1)
    history = read_history(folder / "history.csv")
    assert history["step"] == [20, 40, 60]
    assert history["val_loss"][-1] < 0.05 * history["loss"][0]
    assert (folder / "curves.png").stat().st_size > 5000
    assert (folder / "log" / "metrics.csv").exists()


class KilledError(Exception):
    """Stands for a kill between two steps."""


def test_a_killed_run_resumes_to_the_same_weights(
    tmp_path: Path, undisturbed: tuple[Path, np.ndarray]
) -> None:
    from blackett.learn import fit

    def until_50(index: int) -> dict[str, np.ndarray]:
        if index == 50:
            raise KilledError
        return batch_at(index)

    fresh = [batch_at(10_000)]
    with pytest.raises(KilledError):
        fit(network(), loss, until_50, SETTINGS, tmp_path, validation=fresh)
    made, asked = network(), []

    def noted(index: int) -> dict[str, np.ndarray]:
        asked.append(index)
        return batch_at(index)

    fitted = fit(made, loss, noted, SETTINGS, tmp_path, validation=fresh, resume=True)
    np.testing.assert_array_equal(weights(made), undisturbed[1])
    assert asked == list(range(40, 60))
    assert fitted.steps == 60
    assert read_history(fitted.history)["step"] == [20, 40, 60]


def test_a_folder_with_a_run_is_not_overwritten(undisturbed: tuple[Path, np.ndarray]) -> None:
    from blackett.learn import fit

    with pytest.raises(InputError, match="holds a run: resume"):
        fit(network(), loss, batch_at, SETTINGS, undisturbed[0])


def test_nothing_to_resume_is_said(tmp_path: Path) -> None:
    from blackett.learn import fit

    with pytest.raises(InputError, match="no run to resume"):
        fit(network(), loss, batch_at, SETTINGS, tmp_path, resume=True)


def test_plateau_lowers_the_rate_and_early_stopping_ends(tmp_path: Path) -> None:
    from blackett.learn import fit

    settings = Settings(
        steps=400, steps_per_epoch=10, learning_rate=1e-6, optimizer="adam", schedule="plateau",
        plateau_patience=1, least_rate=1e-12, stop_patience=4, stop_gain=1e-2,
    )  # fmt: skip
    fitted = fit(network(), loss, batch_at, settings, tmp_path, validation=[batch_at(10_000)])
    assert fitted.steps == 50
    assert read_history(fitted.history)["learning_rate"][-1] < 1e-6


def test_workers_give_the_same_run(tmp_path: Path, undisturbed: tuple[Path, np.ndarray]) -> None:
    from dataclasses import replace

    from blackett.learn import fit

    made = network()
    fit(made, loss, batch_at, replace(SETTINGS, workers=2), tmp_path,
        validation=[batch_at(10_000)])  # fmt: skip
    np.testing.assert_array_equal(weights(made), undisturbed[1])


# --- export ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from blackett.learn import save_onnx

    folder = tmp_path_factory.mktemp("onnx")
    onnx = save_onnx(network(), [torch.zeros(2, 3)], ["x"], ["y"], folder / "plane.onnx")
    write_card(folder / "plane.json", onnx, {"name": "plane"})
    return onnx


def test_onnx_answers_like_torch_for_any_number_of_rows(exported: Path) -> None:
    model = Model.load(exported, exported.with_suffix(".json"))
    assert model.card["name"] == "plane"
    for n in (1, 5, 300):
        x = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
        np.testing.assert_allclose(
            model.run(x)["y"], network()(torch.from_numpy(x)).detach().numpy(), atol=1e-6
        )


def test_wrong_shape_is_refused(exported: Path) -> None:
    model = Model.load(exported, exported.with_suffix(".json"))
    with pytest.raises(InputError, match=r"inputs \[\(2, 4\)\]"):
        model.run(np.zeros((2, 4), np.float32))


def test_a_changed_file_is_refused(exported: Path, tmp_path: Path) -> None:
    changed = tmp_path / "plane.onnx"
    changed.write_bytes(exported.read_bytes() + b"\0")
    with pytest.raises(FileFormatError, match="SHA-256"):
        Model.load(changed, exported.with_suffix(".json"))


@pytest.mark.parametrize("text", ["[1]", "{", '{"format": "other"}'])
def test_a_card_that_is_none_is_refused(exported: Path, tmp_path: Path, text: str) -> None:
    card = tmp_path / "plane.json"
    card.write_text(text, encoding="utf-8")
    with pytest.raises(FileFormatError, match="is not"):
        Model.load(exported, card)


def test_a_card_of_garbage_weights_is_refused(tmp_path: Path) -> None:
    onnx = tmp_path / "a.onnx"
    onnx.write_bytes(b"not a network")
    write_card(tmp_path / "a.json", onnx, {})
    with pytest.raises(FileFormatError, match="is not a network"):
        Model.load(onnx, tmp_path / "a.json")
    with pytest.raises(FileFormatError, match="cannot be read"):
        Model.load(tmp_path / "b.onnx", tmp_path / "a.json")


def test_card_begins_with_format_and_hash(exported: Path) -> None:
    card = json.loads(exported.with_suffix(".json").read_text(encoding="utf-8"))
    assert list(card)[:2] == ["format", "sha256"]


def test_reading_a_network_needs_no_torch(exported: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from blackett.learn import Model;"
        "Model.load(Path(sys.argv[1]), Path(sys.argv[2])); print('torch' in sys.modules)"
    )
    card = exported.with_suffix(".json")
    ran = subprocess.run(
        [sys.executable, "-c", code, exported, card], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "False"


# --- settings --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"warmup_steps": 10_000}, "warmup_steps 10000 reach"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"plateau_factor": 1.5}, "plateau_factor is 1.5"),
    ],
)
def test_contradictions_are_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Settings(**wrong)


def test_cosine_rises_then_falls_to_its_least() -> None:
    settings = Settings(steps=1000, warmup_steps=100, learning_rate=1e-3, least_rate=1e-5)
    shares = [settings.rate_share(step) for step in range(1001)]
    assert shares[0] < 0.02
    assert max(shares) == shares[100] == pytest.approx(1.0)
    assert shares[-1] == pytest.approx(0.01)
    assert np.all(np.diff(shares[100:]) < 0)


# --- several processes ---------------------------------------------------------------

TWO = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from dataclasses import replace
import numpy as np
from test_learn_fitting import SETTINGS, batch_at, loss, network, weights
from blackett.learn import fit
import torch.distributed as distributed

asked = []
def noted(index):
    asked.append(index)
    return batch_at(index)

made = network()
folder = Path(sys.argv[1])
fit(made, loss, noted, replace(SETTINGS, devices=2, accelerator="cpu"), folder)
rank = distributed.get_rank()
np.savez(folder / f"rank{{rank}}.npz", asked=asked, weights=weights(made))
"""


@pytest.mark.long
def test_two_processes_share_the_batches_and_agree(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(TWO.format(tests=str(Path(__file__).parent)), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", script, tmp_path]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    first, second = (np.load(tmp_path / f"rank{r}.npz") for r in (0, 1))
    assert first["asked"].tolist() == list(range(0, 120, 2))
    assert second["asked"].tolist() == list(range(1, 120, 2))
    np.testing.assert_array_equal(first["weights"], second["weights"])
    np.testing.assert_allclose(first["weights"], TRUE, atol=0.1)

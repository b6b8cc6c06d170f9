"""A training run from its recipe to an ONNX file with a card: fit, calibrate, export."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import blackett
from blackett.alphag.formats import parquet_metadata
from blackett.alphag.models.pear import Ensemble, Pear, Pear2023
from blackett.alphag.models.rungs import EdgeNetwork, SetNetwork
from blackett.alphag.models.slots import Shape, SlotNetwork
from blackett.alphag.preparation import DEFAULT, layout_sha256
from blackett.alphag.train.calibration import Calibrated, calibration_of
from blackett.alphag.train.examples import SLOT_INPUTS, CloudExamples, SlotExamples
from blackett.alphag.train.losses import CloudLoss, SlotLoss
from blackett.alphag.train.recipe import CLOUDS
from blackett.alphag.train.sample import Sample, open_sample
from blackett.learn.export import save_onnx
from blackett.learn.fitting import fit
from blackett.learn.model import write_card
from blackett.recipes import settings_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from blackett.alphag.train.recipe import NetworkShape, Recipe

__all__ = ["Trained", "build", "export", "train"]

NAME = "vertex"
"""File name of the network and its card in a run's folder."""
_SCALE_EVENTS = 4000
_EXAMPLE_EVENTS = 8


@dataclass(frozen=True)
class Trained:
    """What a run leaves: the network, its card, the picture of its learning curves."""

    network: Path
    card: Path
    curves: Path
    scores: dict[str, float]


def build(shape: NetworkShape) -> torch.nn.Module:
    """The network of a recipe, with new weights."""
    if shape.kind in CLOUDS:
        return Ensemble([_cloud_network(shape) for _ in range(shape.members)])
    learned = shape.kind == "blackett"
    return SlotNetwork(Shape(shape.width, shape.blocks, 4, shape.points, learned))


def _cloud_network(shape: NetworkShape) -> torch.nn.Module:
    if shape.kind == "pear":
        return Pear()
    if shape.kind == "pear-2023":
        return Pear2023(shape.dropout)
    return EdgeNetwork(shape.width) if shape.kind == "edges" else SetNetwork(shape.width)


def train(
    recipe: Recipe,
    data: Sequence[Path],
    validation: Sequence[Path],
    folder: Path,
    cache: Path | None = None,
    resume: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train the network of a recipe on folders of simulated shards, calibrate it, write its card.

    Checkpoints are chosen on the first events of the folders of `validation`, and the answers are
    calibrated on all of them (`calibration`). Prepared
    events go to `cache` (default: prepared/ in the run's folder). A run that was killed goes on
    with `resume`. Of several processes (DDP) the first exports, and alone has scores. Raises
    InputError for a folder that holds a run, FileFormatError for no events.
    """
    examples = _examples(recipe, data, validation, cache or folder / "prepared", progress)
    torch.manual_seed(recipe.fit.seed)
    network = build(recipe.network)
    if isinstance(network, SlotNetwork) and isinstance(examples, SlotExamples):
        _learn_scales(network, examples)
    number = sum(p.numel() for p in network.parameters())
    progress(f"{recipe.network.kind}: {number} parameters, {len(examples.training)} events")
    started, cost = time.monotonic(), time.process_time()

    def tell(step: int, loss: float, fresh: float | None) -> None:
        seconds, spent = time.monotonic() - started, time.process_time() - cost
        score = np.nan if fresh is None else fresh
        known = f"step {step}  loss {loss:.4f}  fresh {score:.3f}"
        progress(f"{known}  {seconds:.0f} s, {spent:.0f} s of CPU")

    loss = CloudLoss(recipe.loss) if isinstance(examples, CloudExamples) else SlotLoss(recipe.loss)
    fitted = fit(
        network, loss, examples.batch, recipe.fit, folder,
        validation=examples.judge, resume=resume, progress=tell,
    )  # fmt: skip
    spent = {
        "seconds_of_last_start": round(time.monotonic() - started),
        "cpu_seconds_of_last_start": round(time.process_time() - cost),
    }
    facts = _facts(recipe, data, validation, network, fitted.steps, spent)
    onnx, scores = folder / f"{NAME}.onnx", dict[str, float]()
    if not (torch.distributed.is_initialized() and torch.distributed.get_rank()):
        onnx, scores = export(network, examples, facts, folder)
    return Trained(onnx, onnx.with_suffix(".json"), fitted.curves, scores)


def _examples(
    recipe: Recipe,
    data: Sequence[Path],
    validation: Sequence[Path],
    cache: Path,
    progress: Callable[[str], None],
) -> CloudExamples | SlotExamples:
    cloud = recipe.network.kind in CLOUDS

    def opened(folders: Sequence[Path]) -> Sample:
        return open_sample(folders, "cloud" if cloud else "tracks", cache, progress)

    kind = CloudExamples if cloud else SlotExamples
    return kind(recipe, opened(data), opened(validation))


def _learn_scales(network: SlotNetwork, examples: SlotExamples) -> None:
    from blackett.alphag.train.examples import slot_arrays

    rng = np.random.default_rng(examples.recipe.fit.seed)
    number = len(examples.training)
    rows = rng.choice(number, min(_SCALE_EVENTS, number), replace=False)
    made = slot_arrays(examples.training.take(rows))
    shown = (torch.from_numpy(made[name]) for name in ("tracks", "mask", "points", "event"))
    network.learn_scales(*shown)


def export(
    network: torch.nn.Module,
    examples: CloudExamples | SlotExamples,
    facts: dict[str, Any],
    folder: Path,
) -> tuple[Path, dict[str, float]]:
    """Calibrate a fitted network on the events of validation and write it with its card."""
    network.eval()
    scores = examples.judge(network)
    onnx = folder / f"{NAME}.onnx"
    if isinstance(examples, CloudExamples):
        residual, _ = examples.residuals(network)
        low, high = np.quantile(residual, [0.15866, 0.84134])
        facts = facts | {"sigma_z_mm": float(high - low) / 2}
        shape = (_EXAMPLE_EVENTS, examples.recipe.data.points, 3)
        save_onnx(network, [torch.zeros(shape)], ["points"], ["z"], onnx)
    else:
        assert isinstance(network, SlotNetwork)  # noqa: S101 (by the kind of the recipe)
        found = calibration_of(network, examples)
        facts = facts | {"calibration": found.to_dict()}
        _save_slots(Calibrated(network, found), examples, onnx)
    write_card(onnx.with_suffix(".json"), onnx, facts | {"validation_scores": _rounded(scores)})
    return onnx, scores


def _save_slots(network: torch.nn.Module, examples: SlotExamples, onnx: Path) -> None:
    made, _ = next(examples.pieces())
    tensors = [torch.from_numpy(made[name]) for name in SLOT_INPUTS]
    save_onnx(
        network, tensors, SLOT_INPUTS, ["position", "covariance", "logit_cosmic"], onnx,
        [("events", "tracks")] * 3 + [("points",)] * 2 + [("events",)],
    )  # fmt: skip


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(float(value), 5) for name, value in scores.items()}


def _facts(
    recipe: Recipe,
    data: Sequence[Path],
    validation: Sequence[Path],
    network: torch.nn.Module,
    steps: int,
    spent: dict[str, int],
) -> dict[str, Any]:
    cloud = recipe.network.kind in CLOUDS
    known = {"points": recipe.data.points} if cloud else {
        "layout_sha256": layout_sha256(), "settings": asdict(DEFAULT),
    }  # fmt: skip
    return {
        "name": recipe.name,
        "kind": "pear" if cloud else "blackett",
        **known,
        "version": blackett.__version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": asdict(recipe),
        "recipe_sha256": settings_hash(recipe),
        "parameters": sum(p.numel() for p in network.parameters()),
        "data": [_origin(folder) for folder in data],
        "validation": [_origin(folder) for folder in validation],
        "training": {
            "seed": recipe.fit.seed,
            "steps": steps,
            "events_shown": steps * recipe.data.batch * recipe.fit.devices,
            **spent,
            "machine": f"{platform.machine()}, {recipe.fit.threads} thread(s)",
            "torch": torch.__version__.split("+")[0],
        },
    }


def _origin(folder: Path) -> dict[str, str]:
    """How the events of a folder were made, as its first shard says."""
    noted = parquet_metadata(sorted(folder.glob("*.parquet"))[0])
    return {name: noted[name] for name in ("command", "recipe_sha256", "seed") if name in noted}

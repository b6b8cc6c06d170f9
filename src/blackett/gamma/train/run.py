"""A training run from its recipe to a network with a card: fit, export, calibrate, score."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import blackett
from blackett import gamma
from blackett.errors import InputError
from blackett.gamma.confidence import Confidence, Outcome
from blackett.gamma.models import OUTPUTS, build, parameters
from blackett.gamma.network import misfit, open_model, raw_answers
from blackett.gamma.preparation import FEATURES, counts_of, layout_sha256
from blackett.gamma.sources import registry_hash
from blackett.gamma.train.examples import CALIBRATION, LEFT_OUT, TEST, Examples
from blackett.gamma.train.losses import Loss
from blackett.gamma.train.openset import left_out_scores
from blackett.gamma.train.scores import confusion_matrix, scores
from blackett.learn.export import save_onnx
from blackett.learn.fitting import fit
from blackett.learn.model import Model, write_card
from blackett.recipes import settings_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blackett.gamma.train.recipe import Recipe

__all__ = ["Trained", "calibrate", "outcome", "recalibrate", "train"]

NAME = "network"
"""File name of the network and its card in a run's folder."""
_CALIBRATED = ("format", "sha256", "confidence", "scores", "confusion_matrix", "calibration")
"""Entries of a card that a calibration writes."""


@dataclass(frozen=True)
class Trained:
    """What a run leaves: the network, its card, the picture of its learning curves."""

    network: Path
    card: Path
    curves: Path
    scores: dict[str, Any]


def train(
    recipe: Recipe,
    folder: Path,
    resume: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    simulate: Callable[..., Iterator[Any]] | None = None,
) -> Trained:
    """Train the network of a recipe into a folder, calibrate it, score it, write its card.

    A run that was killed goes on with `resume`. `simulate` replaces `gamma.simulate`.
    Raises InputError for a folder that holds a run, or for a recipe that does not fit.
    """
    examples = Examples(recipe.data, recipe.fit.seed, simulate or gamma.simulate)
    torch.manual_seed(recipe.fit.seed)
    shape = recipe.network
    network = build(shape.kind, len(examples.sources), shape.width, shape.blocks)
    progress(f"{shape.kind}: {parameters(network)} parameters, {len(examples.sources)} sources")
    started = time.monotonic()

    def tell(step: int, loss: float, fresh: float | None) -> None:
        seconds = time.monotonic() - started
        progress(f"step {step}  loss {loss:.4f}  fresh {fresh or np.nan:.4f}  {seconds:.0f} s")

    fresh = [examples.fresh(i) for i in range(_pieces(recipe))]
    fitted = fit(
        network, Loss(recipe.loss), examples.batch, recipe.fit, folder,
        validation=fresh, resume=resume, progress=tell,
    )  # fmt: skip
    onnx = save_onnx(
        network, [torch.zeros(2, FEATURES)], ["features"], list(OUTPUTS), folder / f"{NAME}.onnx"
    )
    facts = _facts(recipe, examples, network, fitted.steps, time.monotonic() - started)
    write_card(folder / f"{NAME}.json", onnx, facts)
    progress("calibrating")
    found = calibrate(onnx, examples, recipe, facts)
    return Trained(onnx, onnx.with_suffix(".json"), fitted.curves, found)


def _pieces(recipe: Recipe) -> int:
    return max(recipe.data.validation // recipe.data.batch, 1)


def calibrate(
    onnx: Path, examples: Examples, recipe: Recipe, facts: dict[str, Any]
) -> dict[str, Any]:
    """Fit the confidence on fresh spectra, score on others, write both into the card."""
    model = open_model(onnx)
    confidence = Confidence.fit(outcome(model, examples, CALIBRATION, recipe.data.calibration))
    found = outcome(model, examples, TEST, recipe.data.test)
    judged = scores(found, confidence, examples.sources)
    if recipe.data.leave_out:
        judged["left_out"] = left_out_scores(
            model, examples, confidence, LEFT_OUT, recipe.data.test
        )
    write_card(
        onnx.with_suffix(".json"),
        onnx,
        {
            **facts,
            "confidence": confidence.to_dict(),
            "scores": judged,
            "confusion_matrix": confusion_matrix(found, confidence, examples.sources),
        },
    )
    return judged


def recalibrate(
    recipe: Recipe,
    folder: Path,
    progress: Callable[[str], None] = lambda _: None,
    simulate: Callable[..., Iterator[Any]] | None = None,
) -> Trained:
    """Calibrate and score the network that is in a folder again, on the data of a recipe.

    The weights stay; the card says what they are calibrated on. Raises FileFormatError where the
    folder holds no network, InputError where the recipe leaves out other sources.
    """
    onnx = folder / f"{NAME}.onnx"
    card = open_model(onnx).card
    examples = Examples(recipe.data, recipe.fit.seed, simulate or gamma.simulate)
    if list(examples.sources) != card["sources"]:
        raise InputError("the recipe leaves out other sources than the network's own did")
    facts = {name: value for name, value in card.items() if name not in _CALIBRATED}
    facts["calibration"] = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": blackett.__version__,
        "data": asdict(recipe.data),
        "seed": recipe.fit.seed,
    }
    progress("calibrating")
    found = calibrate(onnx, examples, recipe, facts)
    return Trained(onnx, onnx.with_suffix(".json"), folder / "curves.png", found)


def outcome(model: Model, examples: Examples, first: int, n: int) -> Outcome:
    """Answers of a network to about `n` fresh spectra from batch number `first` on."""
    parts: list[dict[str, np.ndarray]] = []
    for spectra in examples.many(first, n):
        features = examples.features(spectra)
        raw = raw_answers(model, features)
        parts.append(
            {
                "logit": raw["presence"], "log_share": raw["log_share"],
                "log_sigma": raw["log_sigma"], "unknown": raw["unknown"],
                "misfit": misfit(features, raw["shape"]),
                "counts": counts_of(features), "present": spectra.present,
                "expected_net": spectra.expected_net, "strange": spectra.unknown,
            }
        )  # fmt: skip
    return Outcome(**{name: np.concatenate([p[name] for p in parts]) for name in parts[0]})


def _simulated(recipe: Recipe, steps: int) -> int:
    data = recipe.data
    blocks = -(-steps * recipe.fit.devices // (data.block * data.passes))
    return blocks * data.block * data.batch


def _facts(
    recipe: Recipe, examples: Examples, network: torch.nn.Module, steps: int, seconds: float
) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "version": blackett.__version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "sources": list(examples.sources),
        "registry_sha256": registry_hash(),
        "layout_sha256": layout_sha256(),
        "recipe": asdict(recipe),
        "recipe_sha256": settings_hash(recipe),
        "parameters": parameters(network),
        "training": {
            "seed": recipe.fit.seed,
            "steps": steps,
            "spectra_shown": steps * recipe.data.batch * recipe.fit.devices,
            "spectra_simulated": _simulated(recipe, steps),
            "seconds_of_last_start": round(seconds),
            "machine": f"{platform.machine()}, {recipe.fit.threads} thread(s)",
            "torch": torch.__version__.split("+")[0],
        },
    }

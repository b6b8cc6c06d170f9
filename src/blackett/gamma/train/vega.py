"""The earlier CNN-FCNN with its own data, labels, loss and schedule, for a fair comparison.

As the facts collected from its public code have it: a spectrum of channels 0 to 1022 divided by its
maximum; 82 isotopes, present for a source and its daughters, activity (over 1000 Bq) only for the
source itself; cross-entropy plus 0.1 times a Huber loss, masked, over all 82; Adam with L2 1e-4;
rate 1e-3 halved after five epochs without gain; 80/10/10 % of a fixed sample; stop after ten. The
sample is drawn anew from its seed when it is needed instead of being stored.
"""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, huber_loss

import blackett
from blackett import gamma
from blackett.errors import InputError
from blackett.gamma.models import VEGA_CHANNELS, Vega, parameters
from blackett.gamma.preparation import scaled_channels
from blackett.gamma.sources import observable_sources, registry_hash
from blackett.gamma.sources import source as source_named
from blackett.learn.export import save_onnx
from blackett.learn.fitting import Fitted, fit
from blackett.learn.model import write_card
from blackett.recipes import settings_hash
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from blackett.gamma.train.recipe import Recipe

__all__ = ["ISOTOPES", "Sample", "quick", "train_vega", "vega_loss"]

ISOTOPES: Final = tuple(sorted((
    "K-40", "U-238", "Th-232", "U-235", "Be-7", "C-14", "Na-22", "Th-234", "Pa-234m", "U-234",
    "Th-230", "Ra-226", "Rn-222", "Po-218", "Pb-214", "Bi-214", "Po-214", "Pb-210", "Bi-210",
    "Po-210", "Ra-228", "Ac-228", "Th-228", "Ra-224", "Rn-220", "Po-216", "Pb-212", "Bi-212",
    "Tl-208", "Po-212", "Th-231", "Pa-231", "Ac-227", "Pb-211", "Bi-211", "Tl-207", "Am-241",
    "Cs-137", "Ba-137m", "Co-60", "Ba-133", "Cd-109", "Eu-152", "Eu-154", "Mn-54", "Zn-65",
    "Co-57", "Sr-85", "Y-88", "Ce-139", "Sn-113", "Hg-203", "Se-75", "Ir-192", "Tc-99m", "I-131",
    "I-123", "F-18", "Ga-67", "In-111", "Tl-201", "Lu-177", "Sm-153", "Xe-133", "Ra-223",
    "Cs-134", "Ru-106", "Rh-106", "Ce-144", "Pr-144", "Sb-125", "Sr-90", "Y-90", "I-129",
    "Co-58", "Fe-59", "Cr-51", "Ta-182", "Sc-46", "Au-198", "Ag-110m", "Hf-181",
)))  # fmt: skip
"""Its 82 isotopes, sorted as plain text: the order of its outputs."""
FULL_BQ = 1000.0
HUBER_WEIGHT = 0.1
SPLIT = (0.8, 0.9)
SPLIT_SEED = 42
FEWEST_BATCHES = 8
QUICK_EPOCHS, QUICK_PATIENCE, QUICK_BATCHES = 5, 3, 10


def labels(present: np.ndarray, activity_bq: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Presence and activity over 1000 Bq, (n, 82) float32, of sources (n, S).

    S are the observable sources in their order. A source marks its members; only its own activity
    is a target.
    """
    shown = np.zeros((present.shape[0], len(ISOTOPES)), np.float32)
    activity = np.zeros_like(shown)
    for column, source in enumerate(observable_sources()):
        rows = present[:, column]
        for name, _ in source_named(source.name).members:
            if name in ISOTOPES:
                shown[rows, ISOTOPES.index(name)] = 1.0
        if source.name in ISOTOPES:
            own = np.minimum(np.nan_to_num(activity_bq[rows, column]) / FULL_BQ, 1.0)
            activity[rows, ISOTOPES.index(source.name)] = own
    return shown, activity


def vega_loss(network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cross-entropy + 0.1 Huber(prediction x mask, target x mask), means over batch and 82."""
    logits, activity = network(batch["spectrum"])
    presence = binary_cross_entropy_with_logits(logits, batch["present"])
    mask = batch["present"]
    regression = huber_loss(activity * mask, batch["activity"] * mask)
    return {"loss": presence + HUBER_WEIGHT * regression, "presence": presence, "huber": regression}


@dataclass(frozen=True, eq=False)
class Sample:
    """A fixed sample in pieces of one batch, made from the seed when asked for."""

    recipe: Recipe
    batches: int
    simulate: Callable[..., Iterator[Any]]

    @property
    def order(self) -> np.ndarray:
        """Numbers of the batches, shuffled once: training, validation, test in this order."""
        return np.random.default_rng(SPLIT_SEED).permutation(self.batches)

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of the batches for training, validation and test: 80, 10 and 10 %."""
        cuts = [max(int(share * self.batches), 1) for share in SPLIT]
        training, validation, test = np.split(self.order, cuts)
        return training, validation, test

    def batch(self, number: int) -> dict[str, np.ndarray]:
        """Batch of the sample: spectrum (n, 1023), present and activity (n, 82)."""
        data = self.recipe.data
        rng = numbered(self.recipe.fit.seed, int(number))
        made = list(self.simulate(data.simulation, data.batch, rng, detector=data.detectors[0]))
        counts = np.concatenate([b.counts for b in made])
        shown, activity = labels(
            np.concatenate([b.present for b in made]),
            np.concatenate([b.activity_bq for b in made]),
        )
        return {"spectrum": scaled_channels(counts), "present": shown, "activity": activity}

    def training_batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index` of a run: each epoch goes through the training part in an order anew."""
        training = self.parts()[0]
        epoch, place = divmod(index, training.size)
        order = numbered(self.recipe.fit.seed, 2**31 + epoch).permutation(training)
        return self.batch(int(order[place]))


def quick(recipe: Recipe) -> Recipe:
    """The recipe's quick test: 5 epochs of 10 batches, patience 3."""
    fewer = replace(
        recipe.fit, steps=QUICK_EPOCHS * QUICK_BATCHES, steps_per_epoch=QUICK_BATCHES,
        stop_patience=QUICK_PATIENCE,
    )  # fmt: skip
    return replace(recipe, name=f"{recipe.name}-test", fit=fewer)


def train_vega(
    recipe: Recipe,
    folder: Path,
    resume: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    simulate: Callable[..., Iterator[Any]] | None = None,
) -> Fitted:
    """Train it as its recipe says; network.onnx and network.json, its card, go into the folder.

    Raises InputError for a recipe with several detectors, or with fewer than 8 steps an epoch.
    """
    if len(recipe.data.detectors) != 1:
        raise InputError("this network knows one detector: name one in [data] detectors")
    per_epoch = recipe.fit.steps_per_epoch
    if per_epoch < FEWEST_BATCHES:
        raise InputError(
            f"steps_per_epoch {per_epoch}: a tenth must be left to validate on, give 8"
        )
    sample = Sample(recipe, round(per_epoch / SPLIT[0]), simulate or gamma.simulate)
    torch.manual_seed(recipe.fit.seed)

    def tell(step: int, loss: float, fresh: float | None) -> None:
        progress(f"step {step}  loss {loss:.5f}  fresh {fresh or np.nan:.5f}")

    validation = [sample.batch(int(i)) for i in sample.parts()[1]]
    network, started = Vega(), time.monotonic()
    fitted = fit(
        network, vega_loss, sample.training_batch, recipe.fit, folder,
        validation=validation, resume=resume, progress=tell,
    )  # fmt: skip
    _export(network, recipe, fitted, time.monotonic() - started, folder)
    return fitted


def _export(network: Vega, recipe: Recipe, fitted: Fitted, seconds: float, folder: Path) -> None:
    """Write the network without torch, and its card."""
    onnx = save_onnx(
        network, [torch.zeros(2, VEGA_CHANNELS)], ["spectrum"], ["presence", "activity"],
        folder / "network.onnx",
    )  # fmt: skip
    facts = {
        "name": recipe.name,
        "version": blackett.__version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "isotopes": list(ISOTOPES),
        "registry_sha256": registry_hash(),
        "recipe": asdict(recipe),
        "recipe_sha256": settings_hash(recipe),
        "parameters": parameters(network),
        "training": {
            "seed": recipe.fit.seed,
            "steps": fitted.steps,
            "spectra_shown": fitted.steps * recipe.data.batch,
            "validation_loss": fitted.best_loss,
            "seconds_of_last_start": round(seconds),
            "machine": f"{platform.machine()}, {recipe.fit.threads} thread(s)",
            "torch": torch.__version__.split("+")[0],
        },
    }
    write_card(onnx.with_suffix(".json"), onnx, facts)

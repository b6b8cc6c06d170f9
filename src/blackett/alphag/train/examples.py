"""The numbered batches of a run, and the scores by which its checkpoints are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from blackett.alphag.cloud import repeated
from blackett.alphag.train.sample import Sample, order_of
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blackett.alphag.train.recipe import Recipe
    from blackett.arrays import FloatArray, IntArray

__all__ = ["SLOT_INPUTS", "CloudExamples", "SlotExamples", "z_scores"]

SLOT_INPUTS = ("tracks", "mask", "lines", "points", "slot", "event")
"""Inputs of `models.SlotNetwork`, in order."""
_FEW = 1_000_000_001  # first number of the draws of fewer points
_SLICES_MM = np.linspace(-1100, 1100, 23)
_MAE_WEIGHT = 0.1
_PIECE = 500


@dataclass(frozen=True)
class CloudExamples:
    """Batches of clouds, annihilations alone: points (n, k, 3), vertex (n, 3), progress."""

    recipe: Recipe
    training: Sample
    validation: Sample

    @cached_property
    def _signal(self) -> IntArray:
        return np.flatnonzero(~self.training.truth[1])

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch number `index`."""
        data, fit = self.recipe.data, self.recipe.fit
        rows = self._signal[order_of(fit.seed, data.batch, index, self._signal.size)]
        progress = _progress(self.recipe, index)
        made = self._clouds(self.training.take(rows))
        if data.few_points and progress < data.few_share:
            chosen = numbered(fit.seed, _FEW + index).permutation(data.points)[: data.few_points]
            made["points"] = np.ascontiguousarray(made["points"][:, chosen])
        return {**made, "progress": np.array([progress], np.float32)}

    def _clouds(self, taken: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        count = taken["count"]
        start = np.cumsum(count) - count
        points = repeated(taken["points"], start, count, self.recipe.data.points)
        return {"points": points, "vertex": taken["vertex"]}

    def judge(self, network: torch.nn.Module) -> dict[str, float]:
        """Scores of z on the events of validation, see `z_scores`."""
        found, true = self.residuals(network)
        return z_scores(found, true)

    def residuals(self, network: torch.nn.Module) -> tuple[FloatArray, FloatArray]:
        """Reconstructed less true z, and true z, of the annihilations of validation."""
        rows = self.validation.head(self.recipe.data.validation)
        rows = rows[~self.validation.truth[1][rows]]
        found, true = [], []
        for taken in _pieces(self.validation, rows):
            made = self._clouds(taken)
            with torch.no_grad():
                found.append(network(torch.from_numpy(made["points"])).float().numpy())
            true.append(made["vertex"][:, 2])
        z = np.concatenate(true).astype(np.float64)
        return np.concatenate(found) - z, z


@dataclass(frozen=True)
class SlotExamples:
    """Batches of prepared events: `SLOT_INPUTS`, vertex less the anchor, cosmic, progress."""

    recipe: Recipe
    training: Sample
    validation: Sample

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch number `index`, sorted by numbers of tracks."""
        recipe = self.recipe
        rows = order_of(recipe.fit.seed, recipe.data.batch, index, len(self.training))
        rows = _by_tracks(self.training, rows)
        made = slot_arrays(self.training.take(rows))
        return {**made, "progress": np.array([_progress(recipe, index)], np.float32)}

    def judge(self, network: torch.nn.Module) -> dict[str, float]:
        """Scores on the events of validation: of z, the likelihood, and of cosmic muons."""
        from blackett.alphag.train.losses import in_pieces, log_density

        residual, true, density, cosmic, logit = [], [], [], [], []
        for made, anchor in self.pieces():
            tensors = {name: torch.from_numpy(values) for name, values in made.items()}
            with torch.no_grad():
                found = in_pieces(network, tensors)
                density.append(log_density(found, tensors["vertex"]).numpy())
            residual.append(found.vertex.numpy()[:, 2] - made["vertex"][:, 2])
            true.append(made["vertex"][:, 2] + anchor[:, 2])
            cosmic.append(made["cosmic"] > 0)
            logit.append(found.cosmic.numpy())
        muon = np.concatenate(cosmic)
        scores = z_scores(np.concatenate(residual)[~muon], np.concatenate(true)[~muon])
        scores["likelihood"] = -float(np.concatenate(density)[~muon].mean())
        scores["cosmic"] = _cross_entropy(np.concatenate(logit), muon)
        return scores

    def pieces(
        self, everything: bool = False
    ) -> Iterator[tuple[dict[str, np.ndarray], FloatArray]]:
        """Arrays of the events of validation as `batch` has them, and anchors (n, 3): those that
        choose the checkpoint, or all of the folders; sorted by numbers of tracks."""
        most = len(self.validation) if everything else self.recipe.data.validation
        rows = _by_tracks(self.validation, self.validation.head(most))
        for taken in _pieces(self.validation, rows):
            yield slot_arrays(taken), taken["anchor"]


def slot_arrays(taken: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `models.SlotNetwork` and its loss want, from `Sample.take`."""
    n = len(taken["count"])
    event = np.repeat(np.arange(n, dtype=np.int64), taken["count"])
    slots = taken["mask"].shape[1] + 1
    return {
        **{name: taken[name] for name in ("tracks", "mask", "lines", "event")},
        "points": taken["points"].astype(np.float32),
        "slot": event * slots + taken["slot"],
        "vertex": (taken["vertex"] - taken["anchor"]).astype(np.float32),
        "cosmic": taken["cosmic"].astype(np.float32),
    }


def _by_tracks(sample: Sample, rows: IntArray) -> IntArray:
    """Numbers of events sorted by their numbers of tracks, so that few slots stay empty."""
    return rows[np.argsort(sample.tracks[rows], kind="stable")]


def _pieces(sample: Sample, rows: IntArray) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, rows.size, _PIECE):
        yield sample.take(rows[start : start + _PIECE])


def _progress(recipe: Recipe, index: int) -> float:
    return index / (recipe.fit.steps * recipe.fit.devices)


def _cross_entropy(logit: FloatArray, label: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0.0, logit) - label * logit))


def z_scores(residual_mm: FloatArray, true_mm: FloatArray) -> dict[str, float]:
    """Scores in mm of residuals (n,) at true z (n,), bias and resolution together in "loss".

    `width`: half of what holds the central 68.27 %; `bias`: mean over slices of 100 mm of the size
    of the 5 %-trimmed mean; `loss` = width + bias + 0.1 mae.
    """
    low, high = np.quantile(residual_mm, [0.15866, 0.84134])
    width, mae = float(high - low) / 2, float(np.abs(residual_mm).mean())
    means = trimmed_means(residual_mm, true_mm)
    bias = float(np.nanmean(np.abs(means))) if np.isfinite(means).any() else 0.0
    return {
        "loss": width + bias + _MAE_WEIGHT * mae, "width": width, "bias": bias, "mae": mae,
        "beyond_50mm": float(np.mean(np.abs(residual_mm) > 50)),
    }  # fmt: skip


def trimmed_means(residual_mm: FloatArray, true_mm: FloatArray) -> FloatArray:
    """Means by slice of 100 mm of true z, without the lowest and highest 5 %; nan below 20."""
    place = np.digitize(true_mm, _SLICES_MM) - 1
    found = np.full(_SLICES_MM.size - 1, np.nan)
    for k in range(found.size):
        inside = np.sort(residual_mm[place == k])
        cut = int(0.05 * inside.size)
        if inside.size >= 20:
            found[k] = inside[cut : inside.size - cut].mean()
    return found

"""What the compact networks are asked to make small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from blackett.gamma.preparation import BINS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from blackett.gamma.models import Answer
    from blackett.gamma.train.recipe import Weights

__all__ = ["Loss"]

FARTHEST = 30.0
"""Residuals of a rate are cut here, in standard deviations: one bad row does not shake the rest."""
SHAPE_ERROR = 0.02
"""Variance of the expected spectrum that is not counting noise."""


class Loss:
    """The sum of the terms of `Weights`; callable as `learn.fit` wants it."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss and its terms, before weighting, for a batch of `Examples.arrays`."""
        answer: Answer = network(batch["features"])
        terms = {
            "presence": _presence(answer, batch),
            "rate": _rate(answer, batch),
            "unknown": cross_entropy(answer.unknown, batch["unknown"]),
            "shape": _shape(answer, batch),
        }
        weighted = [getattr(self.weights, name) * value for name, value in terms.items()]
        return {"loss": torch.stack(weighted).sum(), **terms}


def _presence(answer: Answer, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of presence, summed over sources: a proper score, so probabilities are meant.

    A source too weak to be seen counts as present; it teaches the network its prior probability.
    """
    each = cross_entropy(answer.presence, batch["present"], reduction="none")
    return each.sum(dim=1).mean()


def _rate(answer: Answer, batch: dict[str, Tensor]) -> Tensor:
    """Normal likelihood of ln(net / all counts) of the sources present.

    Each term is multiplied by its sigma, not differentiated, so that rows with a large sigma still
    teach the mean (M. Seitzer et al., ICLR 2022, arXiv 2203.09168, beta = 0.5).
    """
    sigma = torch.exp(answer.log_sigma)
    residual = ((batch["log_share"] - answer.log_share) / sigma).clamp(-FARTHEST, FARTHEST)
    each = (0.5 * residual.square() + answer.log_sigma) * sigma.detach()
    return (each * batch["present"]).sum(dim=1).mean()


def _shape(answer: Answer, batch: dict[str, Tensor]) -> Tensor:
    """Squared error of the expected spectrum over noise and model variance, mean over bins."""
    seen = batch["features"][:, :BINS]
    counts = 10.0 ** (batch["features"][:, 3 * BINS] + 3.0)
    variance = 0.25 * BINS / counts + SHAPE_ERROR
    return ((answer.shape - seen).square().mean(dim=1) / variance).mean()

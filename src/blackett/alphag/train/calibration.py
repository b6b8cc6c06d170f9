"""Covariances that mean what they say: a monotone scale for each size of the network's own error.

Fitted on events that no step of training has seen: in bins of the predicted error along z, and
across, the factor that lets 68.27 % of the residuals lie within one standard deviation. Between the
bins' centres the logarithm of the factor is a straight line, beyond them constant; it is part of
the exported network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from blackett.alphag.train.examples import SLOT_INPUTS

if TYPE_CHECKING:
    from blackett.alphag.models.slots import SlotNetwork
    from blackett.alphag.train.examples import SlotExamples
    from blackett.arrays import FloatArray

__all__ = ["Calibrated", "Scales", "calibration_of", "knots_of"]

_BINS = 10
_ONE_SIGMA = 0.682689
_LEAST = 100  # events of a bin


@dataclass(frozen=True, eq=False)
class Scales:
    """Logarithms of predicted errors (mm) and of the factors on them, along z and across."""

    log_z: FloatArray
    factor_z: FloatArray
    log_across: FloatArray
    factor_across: FloatArray

    def to_dict(self) -> dict[str, Any]:
        """For the card: errors in mm and factors."""
        rows = {
            "sigma_z_mm": np.exp(self.log_z), "factor_z": np.exp(self.factor_z),
            "sigma_across_mm": np.exp(self.log_across), "factor_across": np.exp(self.factor_across),
        }  # fmt: skip
        return {name: [round(float(v), 4) for v in values] for name, values in rows.items()}


def knots_of(sigma: FloatArray, residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Logarithms of errors (k,) and of the factors that they need, from events' predicted errors
    and residuals (n,) each; the calibrated error never falls where the predicted one rises."""
    order = np.argsort(sigma)
    bins = max(min(_BINS, sigma.size // _LEAST), 1)
    at, factor = [], []
    for part in np.array_split(order, bins):
        at.append(float(np.log(sigma[part]).mean()))
        factor.append(float(np.log(np.quantile(np.abs(residual[part]) / sigma[part], _ONE_SIGMA))))
    rising = np.maximum.accumulate(np.array(at) + np.array(factor))
    return np.array(at), rising - np.array(at)


def calibration_of(network: SlotNetwork, examples: SlotExamples) -> Scales:
    """The scales of a network, from the annihilations of validation."""
    rows = []
    for made, _ in examples.pieces():
        with torch.no_grad():
            position, covariance, _ = network(*(torch.from_numpy(made[n]) for n in SLOT_INPUTS))
        residual = position.numpy() - made["vertex"]
        sigma = np.sqrt(covariance.numpy()[:, [0, 2, 5]])
        rows.append(np.concatenate([residual, sigma], axis=1)[made["cosmic"] == 0])
    table = np.concatenate(rows).astype(np.float64)
    across = np.sqrt((table[:, 3] ** 2 + table[:, 4] ** 2) / 2)
    log_z, factor_z = knots_of(table[:, 5], table[:, 2])
    log_across, factor_across = knots_of(
        np.concatenate([across, across]), np.concatenate([table[:, 0], table[:, 1]])
    )
    return Scales(log_z, factor_z, log_across, factor_across)


class Calibrated(nn.Module):
    """A `SlotNetwork` whose covariance is scaled by `Scales`."""

    def __init__(self, network: SlotNetwork, scales: Scales) -> None:
        super().__init__()
        self.network = network
        self.z, self.across = (
            _Broken(scales.log_z, scales.factor_z),
            _Broken(scales.log_across, scales.factor_across),
        )

    def forward(
        self, tracks: Tensor, mask: Tensor, lines: Tensor, points: Tensor, slot: Tensor,
        event: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """As the network."""
        position, covariance, cosmic = self.network(tracks, mask, lines, points, slot, event)
        c = covariance
        z = torch.exp(self.z(0.5 * torch.log(c[:, 5])))
        across = torch.exp(self.across(0.5 * torch.log((c[:, 0] + c[:, 2]) / 2)))
        t, both = across * across, across * z
        scale = torch.stack([t, t, t, both, both, z * z], dim=1)
        return position, c * scale, cosmic


class _Broken(nn.Module):
    """Straight lines between knots, constant beyond, from hinges: runs anywhere."""

    at: Tensor
    change: Tensor

    def __init__(self, at: FloatArray, height: FloatArray) -> None:
        super().__init__()
        slope = np.diff(height) / np.maximum(np.diff(at), 1e-9)
        change = np.diff(slope, prepend=0.0, append=0.0)
        self.register_buffer("at", torch.tensor(at, dtype=torch.float32))
        self.register_buffer("change", torch.tensor(change, dtype=torch.float32))
        self.first = float(height[0])

    def forward(self, x: Tensor) -> Tensor:
        hinges = torch.relu(x[:, None] - self.at)
        return self.first + (hinges * self.change).sum(1)

"""What is set right after training, on events that no step of training has seen.

Errors: in bins of the predicted error along z, and across, the one factor with which the shares of
residuals within 1 and within 1.96 standard deviations are both as near as can be to 68.27 and 95 %;
tails are heavier than a normal density's, so that no factor meets both. Between the bins' centres
the logarithm of the factor is a straight line, beyond them constant.

Ends: tracks towards the near end leave the chamber, so that mistaken vertices lie inside. What is
left of that in trimmed means is taken off z, odd in z and nothing in the middle (`ENDS_MM`).

Cosmic muons: logits are mapped by straight lines whose corners are even functions of z, so that one
threshold keeps the same share of annihilations at every height (`LEVELS_MM`, `SHARES`).

All of it is part of the exported network, and of its card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from blackett.alphag.preparation.layout import Whole
from blackett.alphag.train.examples import SLOT_INPUTS

if TYPE_CHECKING:
    from blackett.alphag.models.slots import SlotNetwork
    from blackett.alphag.train.examples import SlotExamples
    from blackett.arrays import FloatArray

__all__ = ["Calibrated", "Calibration", "calibration_of", "ends_of", "knots_of", "levels_of"]

ENDS_MM: Final = np.array([700.0, 850.0, 950.0, 1025.0, 1100.0])
"""|z| between which the correction of z is a straight line; 0 at the first and inside."""
LEVELS_MM: Final = np.array([0.0, 200.0, 400.0, 700.0, 900.0, 1000.0, 1100.0])
"""|z| between which the levels of the logit are straight lines."""
SHARES: Final = (0.90, 0.95, 0.99)
"""Shares of the annihilations below the levels that are made the same everywhere."""
_BINS = 10
_ONE_SIGMA, _TWO_SIGMA = 0.682689, 0.95
_TWO = 1.959964
_FACTORS = np.exp(np.linspace(-1.5, 1.5, 601))
_LEAST = 100  # events of a bin
_SLICE_MM = 50.0
_TRIM = 0.05
_ROUNDS = 30


@dataclass(frozen=True, eq=False)
class Calibration:
    """Logarithms of predicted errors (mm) and of the factors on them, along z and across; `ends`
    (mm outwards) at `ENDS_MM`; `levels` (3, knots), the logits below which `SHARES` of the
    annihilations lie at `LEVELS_MM`, and `level` (3,), those of all heights together."""

    log_z: FloatArray
    factor_z: FloatArray
    log_across: FloatArray
    factor_across: FloatArray
    ends: FloatArray
    levels: FloatArray
    level: FloatArray

    def to_dict(self) -> dict[str, Any]:
        """As the card holds it; errors and factors, not their logarithms."""
        rows = {
            "sigma_z_mm": np.exp(self.log_z), "factor_z": np.exp(self.factor_z),
            "sigma_across_mm": np.exp(self.log_across), "factor_across": np.exp(self.factor_across),
            "ends_at_mm": ENDS_MM, "ends_outwards_mm": self.ends,
            "cosmic_levels_at_mm": LEVELS_MM, "cosmic_shares": np.array(SHARES),
            "cosmic_levels": self.levels, "cosmic_level": self.level,
        }  # fmt: skip
        return {name: np.round(values, 4).tolist() for name, values in rows.items()}


def knots_of(sigma: FloatArray, residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Logarithms of errors (k,) and of the factors that they need, from events' predicted errors
    and residuals (n,) each; the calibrated error never falls where the predicted one rises."""
    order = np.argsort(sigma)
    bins = max(min(_BINS, sigma.size // _LEAST), 1)
    at, factor = [], []
    for part in np.array_split(order, bins):
        at.append(float(np.log(sigma[part]).mean()))
        factor.append(float(np.log(_factor(np.abs(residual[part]) / sigma[part]))))
    rising = np.maximum.accumulate(np.array(at) + np.array(factor)) - np.array(at)
    whole = np.abs(residual) / sigma / np.exp(np.interp(np.log(sigma), at, rising))
    return np.array(at), rising + np.log(_factor(whole))


def _factor(pull: FloatArray) -> float:
    """The factor on errors with which the shares of sizes of pulls (n,) within 1 and 1.96 miss
    theirs by least, the larger miss counting."""
    ranked = np.sort(pull)
    one = np.searchsorted(ranked, _FACTORS) / pull.size - _ONE_SIGMA
    two = np.searchsorted(ranked, _TWO * _FACTORS) / pull.size - _TWO_SIGMA
    miss = np.maximum(np.abs(one), np.abs(two))
    # of a flat bottom the middle
    return float(np.exp(np.log(_FACTORS[miss <= miss.min() + 1e-9]).mean()))


def ends_of(outwards: FloatArray, z: FloatArray) -> FloatArray:
    """Correction (mm outwards) at `ENDS_MM` from residuals, positive outwards, and z (n,) each:
    straight lines through the trimmed means of slices of |z|."""
    means, at, weight = _by_slice(outwards, z, ENDS_MM[0], _trimmed_mean)
    if not at.size:
        return np.zeros(ENDS_MM.size)
    found = _straight(ENDS_MM, at, means, weight, first=1)
    return np.concatenate([[0.0], -found])


def levels_of(logit: FloatArray, z: FloatArray) -> FloatArray:
    """Levels (3, knots) at `LEVELS_MM` below which `SHARES` of annihilations lie, from logits and z
    (n,) each: about every knot the share is met with the weight that the knot has."""
    hats = np.stack([np.interp(np.abs(z), LEVELS_MM, unit) for unit in np.eye(LEVELS_MM.size)])
    found = np.array([_level(logit, hats, share) for share in SHARES])
    for k in range(1, len(found)):
        found[k] = np.maximum(found[k], found[k - 1] + 1e-3)
    return found


def _level(logit: FloatArray, hats: FloatArray, share: float) -> FloatArray:
    """Heights at knots, one after the other the weighted quantile that the others leave it."""
    height = np.full(len(hats), float(np.quantile(logit, share)))
    for _ in range(_ROUNDS):
        for k, hat in enumerate(hats):
            near = hat > 0.01
            if near.sum() < _LEAST:
                continue
            others = height @ hats[:, near] - height[k] * hat[near]
            wanted = (logit[near] - others) / hat[near]
            order = np.argsort(wanted)
            mass = np.cumsum(hat[near][order])
            place = min(int(np.searchsorted(mass, share * mass[-1])), order.size - 1)
            height[k] = wanted[order[place]]
    return height


def _by_slice(values: FloatArray, z: FloatArray, least_mm: float, of: Any) -> list[FloatArray]:
    """`of` the values of each slice of |z|, middle of the slice, square root of its events."""
    place = np.floor((np.abs(z) - least_mm) / _SLICE_MM).astype(int)
    most = int((ENDS_MM[-1] - least_mm) / _SLICE_MM)
    rows = [
        (of(values[place == k]), least_mm + (k + 0.5) * _SLICE_MM, np.sqrt(np.sum(place == k)))
        for k in range(most)
        if np.sum(place == k) >= _LEAST
    ]
    return list(np.array(rows).T) if rows else [np.zeros(0)] * 3


def _trimmed_mean(values: FloatArray) -> float:
    cut = int(_TRIM * values.size)
    return float(np.sort(values)[cut : values.size - cut].mean())


def _straight(
    knots: FloatArray, at: FloatArray, height: FloatArray, weight: FloatArray, first: int = 0
) -> FloatArray:
    """Heights at knots[first:] of the straight lines that fit best, 0 at the knots before. Faint
    ridge towards lines without a bend, for knots that no slice is near."""
    if not at.size:
        return np.zeros(knots.size - first)
    hats = np.stack([np.interp(at, knots, unit) for unit in np.eye(knots.size)[first:]], axis=1)
    bend = 1e-3 * np.diff(np.eye(knots.size - first), 1, axis=0)
    rows = np.concatenate([hats * weight[:, None], bend])
    right = np.concatenate([height * weight, np.zeros(len(bend))])
    return np.asarray(np.linalg.lstsq(rows, right, rcond=None)[0], np.float64)


def calibration_of(network: SlotNetwork, examples: SlotExamples) -> Calibration:
    """What a network needs, from all annihilations of the folders of validation."""
    rows = []
    for made, anchor in examples.pieces(everything=True):
        with torch.no_grad():
            found = network(*(torch.from_numpy(made[n]) for n in SLOT_INPUTS))
        position, covariance, cosmic = (values.numpy() for values in found)
        columns = (position - made["vertex"], np.sqrt(covariance[:, [0, 2, 5]]),
                   (position + anchor)[:, 2:], cosmic[:, None])  # fmt: skip
        rows.append(np.concatenate(columns, axis=1)[made["cosmic"] == 0])
    table = np.concatenate(rows).astype(np.float64)
    return _calibration(table[:, :3], table[:, 3:6], table[:, 6], table[:, 7])


def _calibration(
    residual: FloatArray, sigma: FloatArray, z: FloatArray, logit: FloatArray
) -> Calibration:
    """From residuals and errors (n, 3), found z (n,) and logits (n,) of annihilations."""
    # bias is one at a true height; found ones fold what lies there with the errors
    true = z - residual[:, 2]
    ends = ends_of(np.sign(true) * residual[:, 2], true)
    z_residual = residual[:, 2] + np.sign(z) * np.interp(np.abs(z), ENDS_MM, ends)
    across = np.sqrt((sigma[:, 0] ** 2 + sigma[:, 1] ** 2) / 2)
    return Calibration(
        *knots_of(sigma[:, 2], z_residual),
        *knots_of(np.concatenate([across, across]), np.concatenate(list(residual[:, :2].T))),
        ends, levels_of(logit, z), np.quantile(logit, SHARES),
    )  # fmt: skip


class Calibrated(nn.Module):
    """A `SlotNetwork` with its `Calibration`."""

    def __init__(self, network: SlotNetwork, found: Calibration) -> None:
        super().__init__()
        self.network = network
        self.z, self.across = (
            _Broken(found.log_z, found.factor_z),
            _Broken(found.log_across, found.factor_across),
        )
        self.ends = _Broken(ENDS_MM, found.ends)
        self.corners = nn.ModuleList(_Broken(LEVELS_MM, row) for row in found.levels)
        self.level = tuple(float(value) for value in found.level)

    def forward(
        self, tracks: Tensor, mask: Tensor, lines: Tensor, points: Tensor, slot: Tensor,
        event: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """As the network."""
        position, covariance, cosmic = self.network(tracks, mask, lines, points, slot, event)
        z = position[:, 2] + 1000 * event[:, Whole.anchor_z]
        outwards = torch.sign(z) * self.ends(z.abs())
        moved = torch.cat([position[:, :2], position[:, 2:] + outwards[:, None]], dim=1)
        return moved, self._scaled(covariance), self._levelled(cosmic, z.abs())

    def _levelled(self, logit: Tensor, height: Tensor) -> Tensor:
        """Corners at `levels` go to `level`; beyond the outer ones the lines go on."""
        low, middle, high = (corner(height) for corner in self.corners)
        a, b, c = self.level
        below = b + (b - a) * (logit - middle) / (middle - low)
        above = b + (c - b) * (logit - middle) / (high - middle)
        return torch.where(logit < middle, below, above)

    def _scaled(self, c: Tensor) -> Tensor:
        z = torch.exp(self.z(0.5 * torch.log(c[:, 5])))
        across = torch.exp(self.across(0.5 * torch.log((c[:, 0] + c[:, 2]) / 2)))
        t, both = across * across, across * z
        return c * torch.stack([t, t, t, both, both, z * z], dim=1)


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

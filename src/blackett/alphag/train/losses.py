"""What the networks are asked to make small. `progress` in a batch is the share of steps done."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import huber_loss, smooth_l1_loss

if TYPE_CHECKING:
    from torch import Tensor, nn

    from blackett.alphag.models.slots import Answer
    from blackett.alphag.train.recipe import Terms

__all__ = ["CloudLoss", "SlotLoss", "in_pieces", "log_density"]

_PIECES = 4
_STEP_MM = 3.0  # where the loss of the layer's steps turns from a parabola into a line
_ORDER = (2, 0, 1)  # of x, y, z in a factor


class CloudLoss:
    """Loss of z alone: `Terms.first` until `Terms.switch`, then `Terms.then`."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss in mm of a batch with points (n, k, 3) and vertex (n, 3), mean over members."""
        each: Tensor = network.each(batch["points"])  # type: ignore[operator]
        residual = each - batch["vertex"][:, 2:]
        late = float(batch["progress"]) >= self.terms.switch
        kind = self.terms.then if late else self.terms.first
        mae = residual.abs().mean()
        return {"loss": _of(kind, residual, self.terms.huber_mm), "mae": mae.detach()}


def _of(kind: str, residual: Tensor, huber_mm: float) -> Tensor:
    if kind == "l1":
        return residual.abs().mean()
    if kind == "l2":
        return residual.square().mean()
    return huber_loss(residual, torch.zeros_like(residual), delta=huber_mm)


class SlotLoss:
    """Position, likelihood, steps of the layer and cosmics, as `Terms` weights them."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss and its terms; `vertex` (n, 3) is relative to the anchor, nan for cosmics."""
        found = in_pieces(network, batch)
        cosmic = batch["cosmic"]
        real = cosmic < 0.5
        # nan would come back through the gradient of what is left out
        vertex = torch.nan_to_num(batch["vertex"])
        true = vertex[real]
        ramp = self._ramp(float(batch["progress"]))
        huber = smooth_l1_loss(found.vertex[real], true, beta=_STEP_MM) / _STEP_MM
        steps = torch.stack(
            [smooth_l1_loss(s[real], true, beta=_STEP_MM) / _STEP_MM for s in found.steps]
        ).sum()
        terms = {
            "huber": huber,
            "likelihood": -log_density(found, vertex)[real].mean(),
            "steps": steps,
            "cosmic": cross_entropy(found.cosmic, cosmic),
        }
        loss = (1 - ramp) * huber + ramp * terms["likelihood"]
        loss = loss + self.terms.steps * steps + self.terms.cosmic * terms["cosmic"]
        # before the ramp the covariance learns already, about a mean that stands still
        return {"loss": loss, **{name: value.detach() for name, value in terms.items()}}

    def _ramp(self, progress: float) -> float:
        begin, end = self.terms.ramp_begin, self.terms.ramp_end
        return min(max((progress - begin) / (end - begin), 0.02), 1.0)


def in_pieces(network: nn.Module, batch: dict[str, Tensor]) -> Answer:
    """The network's answer, `_PIECES` pieces of the batch apart, each with as many slots as its
    events need: in a batch that is sorted by tracks few stay empty."""
    mask = batch["mask"]
    n, most = mask.shape
    event, own = batch["slot"] // (most + 1), batch["slot"] % (most + 1)
    row = torch.searchsorted(event, torch.arange(n + 1, device=event.device))
    edges = [n * k // _PIECES for k in range(_PIECES + 1)]
    parts: list[Answer] = []
    for a, b in itertools.pairwise(edges):
        if a == b:
            continue
        here, tracks = slice(int(row[a]), int(row[b])), max(int(mask[a:b].sum(1).max()), 1)
        slot = (event[here] - a) * (tracks + 1) + own[here].clamp(max=tracks)
        parts.append(network.answer(  # type: ignore[operator]
            batch["tracks"][a:b, :tracks], mask[a:b, :tracks], batch["lines"][a:b, :tracks],
            batch["points"][here], slot, batch["event"][a:b],
        ))  # fmt: skip
    steps = tuple(torch.cat(each) for each in zip(*(p.steps for p in parts), strict=True))
    rest = (torch.cat(each) for each in zip(*(p[1:] for p in parts), strict=True))
    kind: type[Answer] = type(parts[0])
    return kind(steps, *rest)


def log_density(found: Answer, vertex: Tensor) -> Tensor:
    """Logarithm of the mixture's density (1/mm3) at vertices (n, 3), up to 1.5 log(2 pi)."""
    f = found.factor.unbind(1)
    z, x, y = (vertex - found.vertex)[:, list(_ORDER)].unbind(1)
    uz = z / f[0]
    ux = (x - f[1] * uz) / f[2]
    uy = (y - f[3] * uz - f[4] * ux) / f[5]
    chi2 = (uz * uz + ux * ux + uy * uy)[:, None]
    width = found.log_scale
    each = found.log_share - 3 * width - 0.5 * chi2 * torch.exp(-2 * width)
    volume = torch.log(f[0] * f[2] * f[5])
    return torch.logsumexp(each, dim=1) - volume

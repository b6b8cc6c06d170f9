"""Rungs of the ladder between PEAR and ours that see points alone: edge convolution, set
transformer.

Both answer as `Pear` does, points (n, k, 3) in mm to z (n,), from fewer points.
"""

from __future__ import annotations

import itertools

from blackett.alphag.models.slots import Block
from blackett.errors import MissingExtraError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("torch", "train", "building a network") from error

__all__ = ["EdgeNetwork", "SetNetwork"]

_SCALE_MM = 100.0
_NEIGHBOURS = 8
_SEEDS = 8
_HEADS = 4


def _centred(points: Tensor) -> tuple[Tensor, Tensor]:
    """Points about their median z, / 100 mm, and that z."""
    lower = points[:, :, 2].topk((points.shape[1] + 1) // 2, dim=1, largest=False)
    z = lower.values.amax(dim=1)  # the median, in operations that ONNX has
    moved = torch.cat([points[..., :2], points[..., 2:] - z[:, None, None]], dim=2)
    return moved / _SCALE_MM, z


class EdgeConvolution(nn.Module):
    """Largest over the nearest neighbours j of f(x_i, x_j - x_i): Y. Wang et al., ACM Trans. Graph.
    38 (2019) 146."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.own, self.other = nn.Linear(into, out), nn.Linear(into, out, bias=False)
        self.norm = nn.LayerNorm(out)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:  # x (n, k, into), near (n, k, neighbours)
        away = self.other(x)
        rows = near.flatten(1)[:, :, None].expand(-1, -1, away.shape[2])
        # f is linear before the maximum, so that f(x_i, x_j - x_i) = own(x_i) + other(x_j)
        largest = away.gather(1, rows).unflatten(1, near.shape[1:]).amax(dim=2)
        moved: Tensor = torch.relu(self.norm(self.own(x) - away + largest))
        return moved


class EdgeNetwork(nn.Module):
    """Three edge convolutions among the 8 nearest points in space; their largest and mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (3, width, width, 2 * width)
        pairs = itertools.pairwise(widths)
        self.layers = nn.ModuleList(EdgeConvolution(a, b) for a, b in pairs)
        self.head = nn.Sequential(
            nn.Linear(4 * width, 2 * width), nn.ReLU(), nn.Linear(2 * width, 1)
        )

    def forward(self, points: Tensor) -> Tensor:
        """z (n,) in mm of points (n, k, 3)."""
        x, z = _centred(points)
        with torch.no_grad():
            square = (x * x).sum(dim=2)
            apart = square[:, :, None] + square[:, None, :] - 2.0 * x @ x.transpose(1, 2)
            near = apart.topk(_NEIGHBOURS, dim=2, largest=False).indices
        for layer in self.layers:
            x = layer(x, near)
        pooled = torch.cat([x.max(dim=1).values, x.mean(dim=1)], dim=1)
        answer: Tensor = self.head(pooled)[:, 0] * _SCALE_MM + z
        return answer


class Look(nn.Module):
    """What seeds (n, seeds, width) take from points (n, k, width) by attention with four heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ask, self.offer = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, seeds: Tensor, x: Tensor) -> Tensor:
        q = self.ask(seeds).unflatten(2, (_HEADS, -1))
        k, v = self.offer(x).unflatten(2, (2, _HEADS, -1)).unbind(2)
        score = torch.einsum("nshc,nkhc->nhsk", q, k) / q.shape[3] ** 0.5
        taken = torch.einsum("nhsk,nkhc->nshc", torch.softmax(score, dim=3), v)
        answer: Tensor = self.out(taken.flatten(2))
        return answer


class SetNetwork(nn.Module):
    """Learned seeds that look at all points and at each other, twice (J. Lee et al., ICML 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.points = nn.Sequential(
            nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.seeds = nn.Parameter(torch.randn(_SEEDS, width))
        self.looks = nn.ModuleList(Look(width) for _ in range(2))
        self.talks = nn.ModuleList(Block(width, _HEADS) for _ in range(2))
        self.head = nn.Linear(_SEEDS * width, 1)

    def forward(self, points: Tensor) -> Tensor:
        """z (n,) in mm of points (n, k, 3)."""
        x, z = _centred(points)
        x = self.points(x)
        seeds, alike = self.seeds.expand(x.shape[0], -1, -1), x.new_zeros(())
        for look, talk in zip(self.looks, self.talks, strict=True):
            seeds = talk(seeds + look(seeds, x), alike)
        answer: Tensor = self.head(seeds.flatten(1))[:, 0] * _SCALE_MM + z
        return answer

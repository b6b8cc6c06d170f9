"""Rungs of the ladder between PEAR and ours that see points alone: edge convolution, set
transformer.

Both answer as `Pear` does, points (n, k, 3) in mm to z (n,), from fewer points.
"""

from __future__ import annotations

import itertools

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


def _centred(points: Tensor) -> tuple[Tensor, Tensor]:
    """Points about their median z, / 100 mm, and that z."""
    z = points[:, :, 2].median(dim=1).values
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
        n, _k, _ = x.shape
        away = self.other(x)
        rows = torch.arange(n, device=x.device)[:, None, None]
        # f is linear before the maximum, so that f(x_i, x_j - x_i) = own(x_i) + other(x_j)
        largest = away[rows, near].max(dim=2).values
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
            near = torch.cdist(x, x).topk(_NEIGHBOURS, dim=2, largest=False).indices
        for layer in self.layers:
            x = layer(x, near)
        pooled = torch.cat([x.max(dim=1).values, x.mean(dim=1)], dim=1)
        answer: Tensor = self.head(pooled)[:, 0] * _SCALE_MM + z
        return answer


class SetNetwork(nn.Module):
    """Learned seeds that look at all points and at each other, twice (J. Lee et al., ICML 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.points = nn.Sequential(
            nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.seeds = nn.Parameter(torch.randn(_SEEDS, width))
        self.looks = nn.ModuleList(
            nn.MultiheadAttention(width, 4, batch_first=True) for _ in range(2)
        )
        self.talks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.head = nn.Linear(_SEEDS * width, 1)

    def forward(self, points: Tensor) -> Tensor:
        """z (n,) in mm of points (n, k, 3)."""
        x, z = _centred(points)
        x = self.points(x)
        seeds = self.seeds.expand(len(x), -1, -1)
        for look, talk in zip(self.looks, self.talks, strict=True):
            seeds = talk(seeds + look(seeds, x, x, need_weights=False)[0])
        answer: Tensor = self.head(seeds.flatten(1))[:, 0] * _SCALE_MM + z
        return answer

"""PEAR: the published network for z, a PointNet with a shift network in front.

Layer by layer after the configuration of its public successor (`ALPHA-g-Experiment/reco`, facts
collected from the public code): every convolution has kernel 1 and, like every hidden linear layer,
is followed by batch normalisation and ReLU; no dropout, no regulariser of the transform. 3,459,394
parameters with the shift network, 2,658,369 without. The version of 2023 has no shift network, z
scaled to 0..1 over the length of the chamber, and dropout in its head.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from blackett.errors import MissingExtraError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("torch", "train", "building a network") from error

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HALF_LENGTH_MM", "Ensemble", "Pear", "Pear2023"]

HALF_LENGTH_MM = 1152.0
"""Half the active length: the scale of z in the version of 2023."""


class Exact(nn.Linear):
    """A linear layer that no mixed precision rounds: millimetres on two metres need it."""

    def forward(self, x: Tensor) -> Tensor:  # (..., into) -> (..., out)
        device = x.device.type
        if not torch.is_autocast_enabled(device):
            return super().forward(x)
        with torch.autocast(device, enabled=False):
            exact: Tensor = super().forward(x.float())
            return exact


def _layer(into: int, out: int, kind: type[nn.Linear] = nn.Linear) -> list[nn.Module]:
    """On points this is the convolution of kernel 1."""
    return [kind(into, out), nn.BatchNorm1d(out), nn.ReLU()]


class Pooled(nn.Module):
    """Layers on points, then the largest of each channel: (n, points, c) -> (n, last width)."""

    def __init__(self, widths: Sequence[int], kind: type[nn.Linear] = nn.Linear) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(widths))
        kinds = [kind, *(nn.Linear for _ in pairs[1:])]
        layers = [_layer(a, b, k) for (a, b), k in zip(pairs, kinds, strict=True)]
        self.layers = nn.Sequential(*(module for layer in layers for module in layer))

    def forward(self, x: Tensor) -> Tensor:
        n, points, width = x.shape
        each = self.layers(x.reshape(n * points, width)).reshape(n, points, -1)
        # the gradient of amax goes to all equal points and costs more than the layers do
        return each.max(dim=1).values if self.training else torch.amax(each, dim=1)


def _head(out: int, dropout: float = 0.0, kind: type[nn.Linear] = nn.Linear) -> nn.Sequential:
    """1024 -> 512 -> 256 -> out."""
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*_layer(1024, 512), *_layer(512, 256), *drop, kind(256, out))


class Shift(nn.Module):
    """A first idea of z (mm) from the cloud, (n, points, 3) -> (n,)."""

    def __init__(self) -> None:
        super().__init__()
        self.pooled, self.head = Pooled((3, 64, 128, 1024), Exact), _head(1, kind=Exact)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.head(self.pooled(x))[:, 0]
        return z


class Transform(nn.Module):
    """A 64 x 64 matrix from 64 features of every point, near the identity: (n, points, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.pooled, self.head = Pooled((64, 64, 128, 1024)), _head(64 * 64)
        self.register_buffer("identity", torch.eye(64).flatten(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        matrix: Tensor = (self.head(self.pooled(x)) + self.identity).reshape(-1, 64, 64)
        return matrix


class Pear(nn.Module):
    """Points (n, 800, 3) in mm, see `blackett.alphag.cloud`, to the z (n,) of the vertex in mm."""

    def __init__(self, shift: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.shift = Shift() if shift else None
        self.first = nn.Sequential(*_layer(3, 64, Exact))
        self.transform = Transform()
        self.pooled = Pooled((64, 128, 1024))
        self.head = _head(1, dropout, Exact)

    def forward(self, points: Tensor) -> Tensor:
        """z (n,) in mm of points (n, k, 3)."""
        if self.shift is None:
            return self._centred(points)
        z: Tensor = self.shift(points)  # (n,)
        moved = torch.cat([points[..., :2], points[..., 2:] - z[:, None, None]], dim=2)
        return self._centred(moved) + z

    def _centred(self, points: Tensor) -> Tensor:
        n, number, _ = points.shape
        features = self.first(points.reshape(n * number, 3)).reshape(n, number, 64)
        turned = torch.bmm(features, self.transform(features).transpose(1, 2))
        z: Tensor = self.head(self.pooled(turned))[:, 0]
        return z


class Pear2023(nn.Module):
    """The version of 2023: z of points and vertex on a scale from 0 to 1 inside, mm outside."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.network = Pear(shift=False, dropout=dropout)

    def forward(self, points: Tensor) -> Tensor:
        """z (n,) in mm of points (n, k, 3) in mm."""
        z = 0.5 * (1.0 + points[..., 2:] / HALF_LENGTH_MM)
        share: Tensor = self.network(torch.cat([points[..., :2], z], dim=2))
        return (2.0 * share - 1.0) * HALF_LENGTH_MM


class Ensemble(nn.Module):
    """Several networks that learn side by side; their mean is the answer."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def each(self, points: Tensor) -> Tensor:
        """The answers of all members, (n, members)."""
        return torch.stack([member(points) for member in self.members], dim=1)

    def forward(self, points: Tensor) -> Tensor:
        """The mean answer, (n,)."""
        return self.each(points).mean(dim=1)

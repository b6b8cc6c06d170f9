"""Boxes of matter, where photons start in them, and how large they are.

Lengths in mm. The detector's place is the origin unless stated otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from blackett.arrays import FloatArray

__all__ = [
    "Box",
    "World",
    "box_source",
    "point_source",
    "points_in_boxes",
    "shown_volume_mm3",
]


@dataclass(frozen=True)
class Box:
    """An axis-aligned box of one material; in a world, later boxes override earlier ones."""

    material: str
    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]

    def __post_init__(self) -> None:
        """Check the corners; raises InputError."""
        if not all(lo < hi for lo, hi in zip(self.low_mm, self.high_mm, strict=True)):
            raise InputError(f"box of {self.material}: low {self.low_mm} not below {self.high_mm}")

    def contains(self, points: FloatArray) -> np.ndarray:
        """Which of `points` (n, 3) lie inside, shape (n,)."""
        return np.asarray(((points > self.low_mm) & (points < self.high_mm)).all(axis=1))


@dataclass(frozen=True)
class World:
    """Boxes in a sea of `outside`; what lies farther than `limit_mm` does not matter."""

    boxes: tuple[Box, ...] = ()
    outside: str = "air"
    limit_mm: float = 20_000.0

    def topmost(self, points: FloatArray) -> np.ndarray:
        """Number of the box that fills each of `points` (n, 3); -1 outside all, shape (n,)."""
        found = np.full(len(points), -1)
        for number, box in enumerate(self.boxes):
            found[box.contains(points)] = number
        return found

    def material_names(self) -> tuple[str, ...]:
        """Materials in use, the one outside first, none twice."""
        return tuple(dict.fromkeys([self.outside, *(box.material for box in self.boxes)]))


def points_in_boxes(
    world: World, numbers: tuple[int, ...], n: int, rng: np.random.Generator
) -> FloatArray:
    """`n` points (n, 3) uniform in what shows of the boxes `numbers`, not covered by later ones.

    Raises InputError if (almost) nothing of them shows.
    """
    low = np.min([world.boxes[i].low_mm for i in numbers], axis=0)
    high = np.max([world.boxes[i].high_mm for i in numbers], axis=0)
    parts: list[FloatArray] = []
    kept, tried = 0, 0
    while kept < n:
        points = rng.uniform(low, high, (max(2 * n, 1000), 3))
        points = points[np.isin(world.topmost(points), numbers)]
        tried, kept = tried + 1, kept + len(points)
        parts.append(points)
        if tried > 1000:
            raise InputError(f"boxes {numbers}: almost all covered by later boxes")
    return np.asarray(np.concatenate(parts)[:n])


def shown_volume_mm3(world: World, numbers: tuple[int, ...]) -> float:
    """Exact volume in mm3 of what shows of boxes `numbers`."""
    axes = [
        np.unique([corner[k] for box in world.boxes for corner in (box.low_mm, box.high_mm)])
        for k in range(3)
    ]
    middles = np.meshgrid(*[0.5 * (a[1:] + a[:-1]) for a in axes], indexing="ij")
    sizes = np.meshgrid(*[np.diff(a) for a in axes], indexing="ij")
    cells = np.column_stack([m.ravel() for m in middles])
    volumes = (sizes[0] * sizes[1] * sizes[2]).ravel()
    return float(volumes[np.isin(world.topmost(cells), numbers)].sum())


def point_source(x_mm: float, y_mm: float, z_mm: float) -> Callable[[int, Generator], FloatArray]:
    """A point source, for `fluence_at`."""
    return lambda n, _rng: np.tile([x_mm, y_mm, z_mm], (n, 1))


def box_source(world: World, *numbers: int) -> Callable[[int, Generator], FloatArray]:
    """A source uniform in what shows of the numbered boxes of a world, for `fluence_at`."""
    return lambda n, rng: points_in_boxes(world, numbers, n, rng)

# mypy: disable-error-code="no-any-return"
"""Boxes of material in vacuum, and the way of a particle through them.

A particle is a row of eight numbers: kind, kinetic energy (of a photon: energy) in keV, place x, y,
z in mm, direction u, v, w (unit vector).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from blackett.errors import InputError
from blackett.gamma.electrons import ElectronTables, electron_tables
from blackett.gamma.photons import PhotonTables, photon_tables, rotated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.matter import Material

__all__ = ["Box", "Scene", "clearance", "move", "region_at", "scene", "to_surface", "turn"]


@dataclass(frozen=True)
class Box:
    """An axis-aligned box of one material, from `low_mm` to `high_mm` (x, y, z)."""

    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]
    material: Material


class Scene(NamedTuple):
    """Boxes as arrays, later ones cut into earlier ones, with the tables of their materials."""

    low: FloatArray  # (b, 3) mm
    high: FloatArray  # (b, 3) mm
    material: IntArray  # (b,) index into the tables
    crystal: int  # index of the box whose deposits count
    photons: PhotonTables
    electrons: ElectronTables


def scene(crystal: Box, housing: Sequence[Box] = ()) -> Scene:
    """A crystal inside, or beside, boxes of housing in vacuum.

    Housing boxes may contain each other and the crystal, the inner one after the outer one; the
    crystal cuts into all. Raises InputError for a box turned inside out.
    """
    boxes = [*housing, crystal]
    for box in boxes:
        if not all(low < high for low, high in zip(box.low_mm, box.high_mm, strict=True)):
            raise InputError(
                f"box of {box.material.name}: {box.low_mm} must lie below {box.high_mm}"
            )
    stack = list(dict.fromkeys(box.material for box in boxes))
    return Scene(
        low=np.array([box.low_mm for box in boxes], dtype=np.float64),
        high=np.array([box.high_mm for box in boxes], dtype=np.float64),
        material=np.array([stack.index(box.material) for box in boxes], dtype=np.int64),
        crystal=len(boxes) - 1,
        photons=photon_tables(stack),
        electrons=electron_tables(stack),
    )


@njit(cache=True, error_model="numpy")
def region_at(s: Scene, x: float, y: float, z: float) -> int:
    """The innermost box that holds a point; -1 for the vacuum outside."""
    for b in range(len(s.material) - 1, -1, -1):
        low, high = s.low[b], s.high[b]
        if low[0] < x < high[0] and low[1] < y < high[1] and low[2] < z < high[2]:
            return b
    return -1


@njit(cache=True, error_model="numpy")
def _box_crossing(low: FloatArray, high: FloatArray, at: FloatArray) -> float:
    """Distance along the particle's line to the first surface of a box; infinite if it misses."""
    near, far = -np.inf, np.inf
    for axis in range(3):
        place, slope = at[2 + axis], at[5 + axis]
        if slope == 0.0:
            if place <= low[axis] or place >= high[axis]:
                return np.inf
            continue
        one, two = (low[axis] - place) / slope, (high[axis] - place) / slope
        near, far = max(near, min(one, two)), min(far, max(one, two))
    if near >= far or far <= 0.0:
        return np.inf
    return near if near > 0.0 else far


@njit(cache=True, error_model="numpy")
def to_surface(s: Scene, at: FloatArray) -> float:
    """Distance to the next surface of any box."""
    nearest = np.inf
    for b in range(len(s.material)):
        nearest = min(nearest, _box_crossing(s.low[b], s.high[b], at))
    return nearest


@njit(cache=True, error_model="numpy")
def clearance(s: Scene, region: int, at: FloatArray) -> float:
    """How far an electron can go in any direction without crossing the crystal's surface."""
    low, high = s.low[s.crystal], s.high[s.crystal]
    if region == s.crystal:
        nearest = np.inf
        for axis in range(3):
            place = at[2 + axis]
            nearest = min(nearest, place - low[axis], high[axis] - place)
        return nearest
    square = 0.0
    for axis in range(3):
        gap = max(low[axis] - at[2 + axis], at[2 + axis] - high[axis], 0.0)
        square += gap * gap
    return math.sqrt(square)


@njit(cache=True, error_model="numpy")
def move(at: FloatArray, distance: float) -> None:
    """Go straight."""
    for axis in range(3):
        at[2 + axis] += distance * at[5 + axis]


@njit(cache=True, error_model="numpy")
def turn(at: FloatArray, cos: float, rng: Generator) -> None:
    """Deflect by an angle at a random azimuth."""
    phi = 2.0 * math.pi * rng.random()
    at[5], at[6], at[7] = rotated(at[5], at[6], at[7], cos, phi)

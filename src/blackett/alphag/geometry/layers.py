"""Where each material stands: coaxial layers in slices of z, and straight rays through them.

From the axis outwards: electrodes, UHV tube, octupole or former, mirror coils with their former
(section by section along z), then everywhere the outer UHV wall, the copper shield and the outer
vacuum chamber; inside |z| < 1152 mm the walls and the gas of the chamber; the scintillator barrel.
End plates of the chamber, air and everything outside the cold bore are left out.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import (
    BAR_HALF_LENGTH_MM,
    BAR_INNER_RADIUS_MM,
    BAR_OUTER_RADIUS_MM,
    CATHODE_RADIUS_MM,
    CHAMBER_HALF_LENGTH_MM,
    INNER_WALL_RADIUS_MM,
    OUTER_WALL_RADIUS_MM,
    PADS_RADIUS_MM,
    TUBE_RADIUS_MM,
    WORLD_HALF_LENGTH_MM,
    WORLD_RADIUS_MM,
)
from blackett.alphag.geometry.materials import material, materials
from blackett.alphag.geometry.tables import read_table
from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "GAS",
    "SCINTILLATOR",
    "Cells",
    "Layer",
    "boundary_distance",
    "cells",
    "layers_at",
    "locate",
    "ray_thickness",
    "wall_radius_mm",
]

_MIDDLE_RADIUS_MM = 26.2
_OUTER_RADIUS_MM = 40.5
GAS: Final = 1
SCINTILLATOR: Final = 10


@dataclass(frozen=True)
class Layer:
    """A coaxial shell of one material (an index into `materials()`), radii in mm."""

    r_inner_mm: float
    r_outer_mm: float
    material: int


class CellArrays(Protocol):
    """Anything that holds the arrays of `Cells`."""

    @property
    def z_edges(self) -> FloatArray: ...
    @property
    def r_edges(self) -> FloatArray: ...
    @property
    def material(self) -> IntArray: ...
    @property
    def shells(self) -> IntArray: ...


class Cells(NamedTuple):
    """Slices of z and shells of r, for compiled code.

    Slice i spans z_edges[i]..z_edges[i+1]; its shell j spans r_edges[i, j]..r_edges[i, j+1] and
    holds material[i, j]; shells[i] counts them. Everything outside is not followed.
    """

    z_edges: FloatArray
    r_edges: FloatArray
    material: IntArray
    shells: IntArray


_ALWAYS = (  # outer UHV wall, copper shield, outer vacuum chamber
    (70.0, 72.0, "steel"),
    (75.0, 76.5, "copper"),
    (92.0, 95.0, "steel"),
)
_CHAMBER = (
    (INNER_WALL_RADIUS_MM, CATHODE_RADIUS_MM, "g10"),
    (CATHODE_RADIUS_MM, PADS_RADIUS_MM, "chamber_gas"),
    (PADS_RADIUS_MM, OUTER_WALL_RADIUS_MM, "g10"),
)


def wall_radius_mm(z_mm: FloatArray) -> FloatArray:
    """Radius of the surface that an atom meets at height z: an electrode or the UHV tube."""
    z = np.asarray(z_mm, np.float64)
    radius = np.full(z.shape, TUBE_RADIUS_MM)
    for row in read_table("electrodes.csv"):
        inside = (z >= float(row["z_low_mm"])) & (z < float(row["z_high_mm"]))
        radius[inside] = float(row["r_inner_mm"])
    return radius


def layers_at(z_mm: float) -> tuple[Layer, ...]:
    """All shells at a height, from the axis outwards, gaps left out."""
    shells = [*_electrode(z_mm), *_sections(z_mm), *_ALWAYS]
    if abs(z_mm) < CHAMBER_HALF_LENGTH_MM:
        shells += _CHAMBER
    if abs(z_mm) < BAR_HALF_LENGTH_MM:
        shells.append((BAR_INNER_RADIUS_MM, BAR_OUTER_RADIUS_MM, "scintillator"))
    return tuple(Layer(lo, hi, _index(name)) for lo, hi, name in shells)


def _index(name: str) -> int:
    return materials().index(material(name))


def _electrode(z_mm: float) -> list[tuple[float, float, str]]:
    for row in read_table("electrodes.csv"):
        if float(row["z_low_mm"]) <= z_mm < float(row["z_high_mm"]):
            return [(float(row["r_inner_mm"]), float(row["r_outer_mm"]), "aluminium")]
    return []


def _sections(z_mm: float) -> list[tuple[float, float, str]]:
    for row in read_table("material_by_z.csv"):
        if float(row["z_low_mm"]) <= z_mm < float(row["z_high_mm"]):
            return [
                *_stack(TUBE_RADIUS_MM, f"steel:{row['uhv_tube']}"),
                *_stack(_MIDDLE_RADIUS_MM, row["middle"]),
                *_stack(_OUTER_RADIUS_MM, row["outer"]),
            ]
    raise InputError(f"z = {z_mm} mm: the material table covers |z| < {WORLD_HALF_LENGTH_MM} mm")


def _stack(radius_mm: float, text: str) -> list[tuple[float, float, str]]:
    """Shells outwards from a radius for 'material:X/X0+material:X/X0'."""
    shells = []
    for part in filter(None, text.split("+")):
        name, thickness = part.split(":")
        outer = radius_mm + float(thickness) * material(name).x0_mm
        shells.append((radius_mm, outer, name))
        radius_mm = outer
    return shells


@cache
def cells() -> Cells:
    """The apparatus as slices and shells; gaps are shells of vacuum (material 0)."""
    cuts = {-WORLD_HALF_LENGTH_MM, WORLD_HALF_LENGTH_MM}
    cuts |= {s * half for s in (-1, 1) for half in (CHAMBER_HALF_LENGTH_MM, BAR_HALF_LENGTH_MM)}
    for table in ("electrodes.csv", "material_by_z.csv"):
        cuts |= {float(row[k]) for row in read_table(table) for k in ("z_low_mm", "z_high_mm")}
    edges = sorted(cuts)
    columns = [_filled(layers_at((a + b) / 2)) for a, b in itertools.pairwise(edges)]
    width = max(len(shells) for shells in columns)
    r_edges = np.full((len(columns), width + 1), WORLD_RADIUS_MM)
    kind = np.zeros((len(columns), width), np.int64)
    for i, shells in enumerate(columns):
        r_edges[i, : len(shells)] = [s.r_inner_mm for s in shells]
        kind[i, : len(shells)] = [s.material for s in shells]
    counts = [len(shells) for shells in columns]
    return Cells(frozen(edges), frozen(r_edges), frozen(kind, np.int64), frozen(counts, np.int64))


def _filled(layers: tuple[Layer, ...]) -> list[Layer]:
    """The layers with vacuum in the gaps, from the axis to the cold bore."""
    filled, radius = [], 0.0
    for layer in layers:
        if layer.r_inner_mm > radius + 1e-9:
            filled.append(Layer(radius, layer.r_inner_mm, 0))
        filled.append(layer)
        radius = layer.r_outer_mm
    return [*filled, Layer(radius, WORLD_RADIUS_MM, 0)]


@kernel
def locate(world: CellArrays, x: float, y: float, z: float) -> tuple[int, int]:
    """Slice and shell of a point in mm; (-1, -1) outside the world."""
    r = np.sqrt(x * x + y * y)
    if r >= world.r_edges[0, -1] or z < world.z_edges[0] or z >= world.z_edges[-1]:
        return -1, -1
    i, above = 0, world.shells.size
    while above - i > 1:
        middle = (i + above) // 2
        if z >= world.z_edges[middle]:
            i = middle
        else:
            above = middle
    j = 0
    while j + 1 < world.shells[i] and r >= world.r_edges[i, j + 1]:
        j += 1
    return i, j


@kernel
def boundary_distance(
    world: CellArrays, i: int, j: int, x: float, y: float, z: float, ux: float, uy: float, uz: float
) -> float:
    """Distance (mm) along a straight line to the edge of slice i, shell j, from a point inside."""
    distance = 1e9
    if uz > 1e-12:
        distance = (world.z_edges[i + 1] - z) / uz
    elif uz < -1e-12:
        distance = (world.z_edges[i] - z) / uz
    a = ux * ux + uy * uy
    if a < 1e-18:
        return max(distance, 0.0)
    b = x * ux + y * uy
    r2 = x * x + y * y
    outer = (np.sqrt(max(b * b + a * (world.r_edges[i, j + 1] ** 2 - r2), 0.0)) - b) / a
    distance = min(distance, outer)
    inner = b * b + a * (world.r_edges[i, j] ** 2 - r2)
    if b < 0 and inner > 0:
        distance = min(distance, (-b - np.sqrt(inner)) / a)
    return float(max(distance, 0.0))


@kernel
def _ray(
    world: Cells,
    weight: FloatArray,
    start: FloatArray,
    direction: FloatArray,
    r_from: float,
    r_to: float,
) -> float:
    x, y, z = start
    ux, uy, uz = direction
    total = 0.0
    i, j = locate(world, x, y, z)
    while i >= 0:
        r = np.sqrt(x * x + y * y)
        if r >= r_to and x * ux + y * uy > 0:
            break
        step = boundary_distance(world, i, j, x, y, z, ux, uy, uz) + 1e-6
        if r >= r_from - 1e-6:
            total += step * weight[world.material[i, j]]
        x, y, z = x + step * ux, y + step * uy, z + step * uz
        i, j = locate(world, x, y, z)
    return total


def ray_thickness(
    start_mm: FloatArray,
    direction: FloatArray,
    *,
    unit: str = "x0",
    r_from_mm: float = 0.0,
    r_to_mm: float = CATHODE_RADIUS_MM,
) -> FloatArray:
    """Material on straight rays from points (n, 3) along unit vectors (n, 3) out to a radius.

    `unit` is "x0" (radiation lengths) or "g_cm2". Only material beyond `r_from_mm` counts. A ray
    that leaves the apparatus before `r_to_mm` gives what it met. Raises `InputError` for another
    unit.
    """
    if unit not in ("x0", "g_cm2"):
        raise InputError(f"unit {unit!r}: give 'x0' or 'g_cm2'")
    weight = np.array([1 / m.x0_mm if unit == "x0" else m.density_g_cm3 / 10 for m in materials()])
    pairs = zip(np.atleast_2d(start_mm), np.atleast_2d(direction), strict=True)
    rays = [_ray(cells(), weight, *pair, r_from_mm, r_to_mm) for pair in pairs]
    return np.array(rays)

"""The apparatus: dimensions, the solenoid's field, materials and where they stand."""

from __future__ import annotations

from blackett.alphag.geometry.dimensions import (
    BAR_COUNT,
    BAR_HALF_LENGTH_MM,
    BAR_INNER_RADIUS_MM,
    BAR_OUTER_RADIUS_MM,
    CATHODE_RADIUS_MM,
    CHAMBER_HALF_LENGTH_MM,
    INNER_WALL_RADIUS_MM,
    OUTER_WALL_RADIUS_MM,
    PADS_RADIUS_MM,
    TRAP_RADIUS_MM,
    TUBE_RADIUS_MM,
    WORLD_HALF_LENGTH_MM,
    WORLD_RADIUS_MM,
)
from blackett.alphag.geometry.field import Field, solenoid
from blackett.alphag.geometry.layers import (
    Cells,
    Layer,
    cells,
    layers_at,
    ray_thickness,
    wall_radius_mm,
)
from blackett.alphag.geometry.materials import (
    Material,
    MaterialTable,
    material,
    material_table,
    materials,
)

__all__ = [
    "BAR_COUNT",
    "BAR_HALF_LENGTH_MM",
    "BAR_INNER_RADIUS_MM",
    "BAR_OUTER_RADIUS_MM",
    "CATHODE_RADIUS_MM",
    "CHAMBER_HALF_LENGTH_MM",
    "INNER_WALL_RADIUS_MM",
    "OUTER_WALL_RADIUS_MM",
    "PADS_RADIUS_MM",
    "TRAP_RADIUS_MM",
    "TUBE_RADIUS_MM",
    "WORLD_HALF_LENGTH_MM",
    "WORLD_RADIUS_MM",
    "Cells",
    "Field",
    "Layer",
    "Material",
    "MaterialTable",
    "cells",
    "layers_at",
    "material",
    "material_table",
    "materials",
    "ray_thickness",
    "solenoid",
    "wall_radius_mm",
]

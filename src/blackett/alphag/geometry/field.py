"""The solenoid's field B(r, z), with its fall-off at the ends.

The public map is given here at r = 0, 140 and 190 mm. It is continued to every (r, z) by ring
currents outside the chamber, fitted to the map: whatever their strength, the field of rings has no
divergence and no curl inside them, is even (B_z) and odd (B_r) in z, and falls off beyond the map
as a coil's. Octupole and mirror coils are not in it: their field inside the gas is not public.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ellipe, ellipk

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import WORLD_HALF_LENGTH_MM, WORLD_RADIUS_MM
from blackett.alphag.geometry.tables import read_numbers
from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray

__all__ = ["Field", "field_table", "interpolate", "solenoid"]

_RING_RADIUS_MM = 270.0  # outside the cold bore; fits the map to 0.1 mT rms
_RING_SPACING_MM = 40.0
_RING_EXTENT_MM = 1500.0
_RIDGE = 1e-3  # relative damping of the ring currents
_STEP_MM = 5.0


@dataclass(frozen=True, eq=False)
class Field:
    """The solenoid field on a grid of (r, |z|), both from 0 in steps of `step_mm`.

    Attributes: `b_r` and `b_z`, shape (n_r, n_z), tesla.
    """

    step_mm: float
    b_r: FloatArray
    b_z: FloatArray

    def at(self, x_mm: ArrayLike, y_mm: ArrayLike, z_mm: ArrayLike) -> FloatArray:
        """Field vectors (n, 3) in tesla at points; zero outside the grid."""
        x, y, z = (np.atleast_1d(np.asarray(v, np.float64)) for v in (x_mm, y_mm, z_mm))
        x, y, z = np.broadcast_arrays(x, y, z)
        points = zip(x, y, z, strict=True)
        return np.array([interpolate(self.step_mm, self.b_r, self.b_z, *p) for p in points])


@kernel
def interpolate(
    step_mm: float, b_r: FloatArray, b_z: FloatArray, x: float, y: float, z: float
) -> tuple[float, float, float]:
    """B (tesla) at a point in mm, linear between the nodes of a `Field`; zero outside the grid."""
    r = np.sqrt(x * x + y * y)
    u, v = r / step_mm, abs(z) / step_mm
    i, j = int(u), int(v)
    if i + 1 >= b_r.shape[0] or j + 1 >= b_r.shape[1]:
        return 0.0, 0.0, 0.0
    u -= i
    v -= j
    w00, w10, w01, w11 = (1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v
    radial = w00 * b_r[i, j] + w10 * b_r[i + 1, j] + w01 * b_r[i, j + 1] + w11 * b_r[i + 1, j + 1]
    axial = w00 * b_z[i, j] + w10 * b_z[i + 1, j] + w01 * b_z[i, j + 1] + w11 * b_z[i + 1, j + 1]
    if z < 0:
        radial = -radial
    if r < 1e-9:
        return 0.0, 0.0, axial
    return radial * x / r, radial * y / r, axial


def solenoid(scale: float = 1.0) -> Field:
    """The solenoid field, the map multiplied by `scale`.

    Raises `InputError` unless `scale` is finite and not negative (0 is a run without field).
    """
    if not (np.isfinite(scale) and scale >= 0):
        raise InputError(f"field scale {scale}: give a finite number >= 0 (1 is the published map)")
    b_r, b_z = _grid()
    return Field(_STEP_MM, frozen(scale * b_r), frozen(scale * b_z))


def field_table() -> FloatArray:
    """The shipped rows of the map: z (mm), B_z(0), B_z(140), B_r(140), B_z(190), B_r(190) (T)."""
    return read_numbers("solenoid_field.csv")


@cache
def _grid() -> tuple[FloatArray, FloatArray]:
    r = np.arange(0.0, WORLD_RADIUS_MM + _STEP_MM, _STEP_MM)
    z = np.arange(0.0, WORLD_HALF_LENGTH_MM + 2 * _STEP_MM, _STEP_MM)
    grid_r, grid_z = (g.ravel() for g in np.meshgrid(r, z, indexing="ij"))
    centres, currents = _ring_currents()
    b_r, b_z = np.zeros(grid_r.size), np.zeros(grid_r.size)
    for centre, current in zip(centres, currents, strict=True):
        pair_r, pair_z = _ring_pair(grid_r, grid_z, centre)
        b_r += current * pair_r
        b_z += current * pair_z
    shape = (r.size, z.size)
    return b_r.reshape(shape), b_z.reshape(shape)


def _ring_currents() -> tuple[FloatArray, FloatArray]:
    """Centres (mm) and strengths of the ring pairs: damped least squares on the map's rows."""
    rows = field_table()
    centres = np.arange(_RING_SPACING_MM / 2, _RING_EXTENT_MM, _RING_SPACING_MM)
    columns = [(0.0, 1, 1), (140.0, 2, 1), (140.0, 3, 0), (190.0, 4, 1), (190.0, 5, 0)]
    matrix = np.concatenate(
        [
            np.stack([_ring_pair(np.full(len(rows), r), rows[:, 0], c)[axis] for c in centres], 1)
            for r, _, axis in columns
        ]
    )
    target = np.concatenate([rows[:, column] for _, column, _ in columns])
    damping = _RIDGE * np.eye(centres.size)
    padded = np.concatenate([target, np.zeros(centres.size)])
    return centres, np.linalg.lstsq(np.vstack([matrix, damping]), padded, rcond=None)[0]


def _ring_pair(r: FloatArray, z: FloatArray, centre: float) -> tuple[FloatArray, FloatArray]:
    """(B_r, B_z) of rings of unit strength at z = +-centre, from complete elliptic integrals."""
    b_r, b_z = np.zeros(r.size), np.zeros(r.size)
    for height in (z - centre, z + centre):
        outer, inner = (
            (_RING_RADIUS_MM + r) ** 2 + height**2,
            (_RING_RADIUS_MM - r) ** 2 + height**2,
        )
        m = 4 * _RING_RADIUS_MM * r / outer
        k, e = ellipk(m), ellipe(m)
        b_z += (k + (_RING_RADIUS_MM**2 - r**2 - height**2) / inner * e) / np.sqrt(outer)
        tilt = (_RING_RADIUS_MM**2 + r**2 + height**2) / inner * e - k
        b_r += np.where(r > 0, height * tilt / (np.where(r > 0, r, 1) * np.sqrt(outer)), 0)
    return b_r, b_z

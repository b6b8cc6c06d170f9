"""Drift of electrons in the chamber: radius to time and azimuth, and back.

The public drift table of the `alpha-g` reconstruction (Garfield++ with the field map): times and
Lorentz azimuths at six heights, the same for +z and -z. Along r it is a straight line in the
region of the wires and a cubic r(t) inside the field wires, in steps of 8 ns; along z it is
constant to 697.5 mm and joined smoothly between the heights known. It stores azimuths below 30
mrad as 0, which makes a step of 5 mm near r = 165 mm: electrons here follow a smooth azimuth, and
the step is a choice of reconstruction (`truncated=True`) for parity with the experiment's chain.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from math import sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np
from scipy.interpolate import PchipInterpolator

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.field import field_table
from blackett.alphag.geometry.tables import read_numbers
from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray

__all__ = [
    "ANODE_RADIUS_MM",
    "DriftSettings",
    "DriftTable",
    "arrival",
    "diffusion",
    "drift_table",
    "drift_time_ns",
    "lorentz_azimuth_rad",
    "origin",
    "reconstructed_origin",
]

ANODE_RADIUS_MM: Final = 182.0
FIELD_WIRE_RADIUS_MM: Final = 174.0
_LINE_TO_MM = 173.9  # the last step of the straight line lies at the field wires
TRUNCATION_RAD: Final = 0.030
_CENTRAL_LINE = (-0.05656, 181.933)  # r(t) at z = 0 outside the field wires, mm/ns and mm
_TIME_STEP_NS = 8.0
_TIMES = 545  # 0..4352 ns
_R_LOW_MM, _R_STEP_MM, _RADII = 109.0, 0.25, 328  # to 190.75 mm
_Z_LOW_MM, _Z_STEP_MM, _HEIGHTS = 697.5, 5.0, 92  # to 1152.5 mm
_PER_Z_STEP = 1 / _Z_STEP_MM
# cubic of the azimuth at |z| < 697.5 mm (mrad; ns), from the same table
_AZIMUTH = (3.817, 3.82797e-2, -7.55361e-6, 1.56176e-9)
# behind the wires the time rises again: an older public table of the detector simulation
_BEHIND_MM = (182.0, 183.2, 185.6, 188.0, 190.3)
_BEHIND_NS = (0.0, 30.0, 69.0, 96.0, 179.0)
# drift along z by the radial field, from r = 110 mm to the wires: Langevin estimate, omega tau =
# 0.29 / T
_AXIAL_Z_MM = (0.0, 800.0, 850.0, 900.0, 950.0, 1000.0, 1050.0, 1100.0, 1150.0)
_AXIAL_MM = (0.0, 0.0, 0.1, 0.4, 0.7, 0.9, 0.8, 0.6, 0.4)
_OMEGA_TAU_PER_T = 0.29


@dataclass(frozen=True)
class DriftSettings:
    """Knobs of the drift, all >= 0; at their defaults the published table holds."""

    time_scale: float = 1.0
    """Multiplies all drift times (a change of gas or voltage)."""
    lorentz_scale: float = 1.0
    """Multiplies the Lorentz azimuth."""
    axial_scale: float = 1.0
    """Multiplies the drift along z by the radial field near the ends, which no reconstruction
    corrects."""
    longitudinal_um: float = 154.0
    """Diffusion along the drift, um per square root of cm (gas table: 142-165 at 500-1100 V/cm)."""
    transverse_um: float = 145.0
    """Diffusion across the drift (gas table: 134-156)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value >= 0):
                raise InputError(f"drift {field.name} = {value}: give a finite number >= 0")
        if self.time_scale == 0:
            raise InputError("drift time_scale = 0: give a number above 0")


class DriftTable(NamedTuple):
    """Drift on grids of |z| and r, or of |z| and time, for compiled code (see `arrival`, `origin`).

    `by_radius` (heights, radii, 2): time (ns) and azimuth gained (rad); `by_time` (heights, times,
    2): radius (mm) and azimuth, nan past the end; `by_height` (heights, 5): end of the table (ns),
    drift along z from the cathode (mm), path over radius crossed, and diffusion along and across
    the drift (mm per square root of mm).
    """

    by_radius: FloatArray
    by_time: FloatArray
    by_height: FloatArray


@cache
def drift_table(settings: DriftSettings | None = None, *, truncated: bool = False) -> DriftTable:
    """The drift table with these settings; `truncated` sets azimuths below 30 mrad to 0."""
    s = settings or DriftSettings()
    nodes = [_node(z) for z in _node_heights()]
    radius = _along_z(np.array([node[0] for node in nodes]))
    azimuth = _along_z(np.array([node[1] for node in nodes]))
    time, gained = _by_radius(radius, azimuth)
    if truncated:
        gained, azimuth = (np.where(a < TRUNCATION_RAD, 0.0, a) for a in (gained, azimuth))
    radius, azimuth = _rescaled(radius, azimuth, s)
    outside = radius < _R_LOW_MM
    grid = _heights()
    end = _TIME_STEP_NS * ((~outside).sum(axis=1) - 1)
    tilt = _OMEGA_TAU_PER_T * np.interp(grid, *field_table()[:, [0, 2]].T)
    height = np.empty((_HEIGHTS, 5))
    height[:, 0] = end
    height[:, 1] = s.axial_scale * np.interp(grid, _AXIAL_Z_MM, _AXIAL_MM)
    height[:, 2] = np.sqrt(1 + tilt**2)
    height[:, 3:] = np.array([s.longitudinal_um, s.transverse_um]) * 1e-3 / np.sqrt(10)
    kept = np.where(outside[..., None], np.nan, np.stack([radius, azimuth], axis=-1))
    arriving = np.stack([time * s.time_scale, gained * s.lorentz_scale], axis=-1)
    return DriftTable(frozen(arriving), frozen(kept), frozen(height))


def drift_time_ns(
    radius_mm: ArrayLike, z_mm: ArrayLike, table: DriftTable | None = None
) -> FloatArray:
    """Time at which charge from (r, z) reaches the wires, shape of the broadcast inputs.

    Raises `InputError` outside the gas (109 to 190.7 mm, |z| <= 1152 mm).
    """
    return _mapped(radius_mm, z_mm, table or drift_table())[0]


def lorentz_azimuth_rad(
    radius_mm: ArrayLike, z_mm: ArrayLike, table: DriftTable | None = None
) -> FloatArray:
    """Azimuth that charge from (r, z) gains on its way; raises `InputError` outside the gas."""
    return _mapped(radius_mm, z_mm, table or drift_table())[1]


def reconstructed_origin(
    time_ns: ArrayLike, z_mm: ArrayLike, table: DriftTable | None = None
) -> tuple[FloatArray, FloatArray]:
    """Radius (mm) and azimuth to subtract (rad) of charge that arrives at a time; nan outside the
    table."""
    t, z = np.broadcast_arrays(np.asarray(time_ns, np.float64), np.asarray(z_mm, np.float64))
    chosen = table or drift_table()
    found = _origins(chosen, t.ravel(), z.ravel())
    return found[0].reshape(t.shape), found[1].reshape(t.shape)


def _mapped(
    radius_mm: ArrayLike, z_mm: ArrayLike, table: DriftTable
) -> tuple[FloatArray, FloatArray]:
    r, z = np.broadcast_arrays(np.asarray(radius_mm, np.float64), np.asarray(z_mm, np.float64))
    if not ((r >= _R_LOW_MM) & (r <= 190.7) & (np.abs(z) <= 1152.5)).all():
        raise InputError(
            "drift from outside the gas: give radii of 109-190.7 mm and |z| <= 1152 mm"
        )
    found = _arrivals(table, r.ravel(), z.ravel())
    return found[0].reshape(r.shape), found[1].reshape(r.shape)


@numba.njit(cache=True, error_model="numpy")
def _arrivals(table: DriftTable, r: FloatArray, z: FloatArray) -> FloatArray:
    found = np.empty((3, r.size))
    for k in range(r.size):
        found[0, k], found[1, k], found[2, k] = arrival(
            table.by_radius, table.by_height, r[k], z[k]
        )
    return found


@numba.njit(cache=True, error_model="numpy")
def _origins(table: DriftTable, t: FloatArray, z: FloatArray) -> FloatArray:
    found = np.empty((2, t.size))
    for k in range(t.size):
        found[0, k], found[1, k], _, _ = origin(table.by_time, t[k], z[k])
    return found


@kernel
def _height(z: float) -> tuple[int, float]:
    """Node below |z| and the weight of the one above."""
    u = (abs(z) - _Z_LOW_MM) * _PER_Z_STEP
    if u <= 0:
        return 0, 0.0
    i = min(int(u), _HEIGHTS - 2)
    return i, min(u - i, 1.0)


@kernel
def arrival(
    by_radius: FloatArray, by_height: FloatArray, r: float, z: float
) -> tuple[float, float, float]:
    """Time (ns), azimuth gained (rad) and drift along z (mm, away from the centre) of charge at
    (r, z)."""
    i, w = _height(z)
    u = min(max((r - _R_LOW_MM) / _R_STEP_MM, 0.0), _RADII - 1.001)
    j = int(u)
    v = u - j
    t = (1 - v) * by_radius[i, j, 0] + v * by_radius[i, j + 1, 0]
    a = (1 - v) * by_radius[i, j, 1] + v * by_radius[i, j + 1, 1]
    if w == 0:
        return t, a, 0.0
    t2 = (1 - v) * by_radius[i + 1, j, 0] + v * by_radius[i + 1, j + 1, 0]
    a2 = (1 - v) * by_radius[i + 1, j, 1] + v * by_radius[i + 1, j + 1, 1]
    t, a = (1 - w) * t + w * t2, (1 - w) * a + w * a2
    shift = ((1 - w) * by_height[i, 1] + w * by_height[i + 1, 1]) * min(t / by_height[i, 0], 1.0)
    return t, a, shift if z > 0 else -shift


@kernel
def diffusion(by_height: FloatArray, r: float, z: float, t: float) -> tuple[float, float, float]:
    """Standard deviations in time (ns), azimuth (rad) and z (mm) of an electron from (r, z).

    The path is longer than the radius crossed by the Lorentz angle, which follows B_z(140 mm, z).
    """
    i, w = _height(z)
    depth = abs(ANODE_RADIUS_MM - r)
    root = sqrt(depth * ((1 - w) * by_height[i, 2] + w * by_height[i + 1, 2]))
    across = by_height[0, 4] * root
    return (
        by_height[0, 3] * root * t / max(depth, 0.1),
        across / (0.5 * (r + ANODE_RADIUS_MM)),
        across,
    )


@kernel
def origin(by_time: FloatArray, t: float, z: float) -> tuple[float, float, float, float]:
    """Radius (mm) and azimuth gained (rad) of charge that arrives at time t, and their slopes per
    ns.

    nan outside the table.
    """
    i, w = _height(z)
    u = t / _TIME_STEP_NS
    j = int(u)
    if t < 0 or j + 1 >= _TIMES or abs(z) > _Z_LOW_MM + _Z_STEP_MM * (_HEIGHTS - 1):
        return np.nan, np.nan, np.nan, np.nan
    v = u - j
    r, a = by_time[i, j, 0], by_time[i, j, 1]
    dr, da = by_time[i, j + 1, 0] - r, by_time[i, j + 1, 1] - a
    if w > 0:
        r2, a2 = by_time[i + 1, j, 0], by_time[i + 1, j, 1]
        dr += w * (by_time[i + 1, j + 1, 0] - r2 - dr)
        da += w * (by_time[i + 1, j + 1, 1] - a2 - da)
        r, a = r + w * (r2 - r), a + w * (a2 - a)
    return r + v * dr, a + v * da, dr / _TIME_STEP_NS, da / _TIME_STEP_NS


def _rows() -> FloatArray:
    return read_numbers("drift_table.csv")


def _cubics() -> FloatArray:
    return read_numbers("drift_polynomials.csv")


def _node_heights() -> FloatArray:
    return _cubics()[:, 0]


def _heights() -> FloatArray:
    return np.asarray(_Z_LOW_MM + _Z_STEP_MM * np.arange(_HEIGHTS), np.float64)


def _node(z_mm: float) -> tuple[FloatArray, FloatArray]:
    """r (mm) and smooth azimuth (rad) at one of the heights known, in steps of 8 ns."""
    k = int(np.flatnonzero(_node_heights() == z_mm)[0])
    t = np.arange(_TIMES, dtype=np.float64) * _TIME_STEP_NS
    line = np.polyfit(_rows()[:3, 1 + 2 * k], _rows()[:3, 0], 1)
    if k == 0:
        line = np.array(_CENTRAL_LINE)
    outer = np.asarray(np.polyval(line, t), np.float64)
    inner = np.asarray(np.polyval(_cubics()[k, :0:-1], t), np.float64)
    return np.where(outer >= _LINE_TO_MM, outer, inner), _smooth_azimuth(k, t)


def _smooth_azimuth(k: int, t: FloatArray) -> FloatArray:
    """The azimuth stored, continued where it is cut off as a power of the central one.

    The power is that of the last two stretches of the table carried one further, which keeps what
    is continued below the cut, as it must be, and leads to 0 at the wires.
    """
    central = np.asarray(np.polyval(_AZIMUTH[::-1], t) * 1e-3, np.float64)
    if k == 0:
        return central
    known = _rows()[_rows()[:, 2 + 2 * k] > 0]
    time, stored = known[:, 1 + 2 * k], known[:, 2 + 2 * k]
    there = np.polyval(_AZIMUTH[::-1], time)
    powers = np.diff(np.log(stored)) / np.diff(np.log(there))
    ratio = np.asarray(PchipInterpolator(time, stored / there)(np.clip(t, time[0], time[-1])))
    beyond = np.minimum(central * 1e3 / there[0], 1.0) ** (2 * powers[0] - powers[1])
    return np.asarray(np.where(t < time[0], 1e-3 * stored[0] * beyond, central * ratio))


def _along_z(nodes: FloatArray) -> FloatArray:
    """Values at the heights known, carried to all of the grid; shape (heights, times)."""
    z = np.concatenate([[_Z_LOW_MM], _node_heights()[1:]])
    joined = PchipInterpolator(z, nodes, axis=0, extrapolate=True)
    return np.asarray(joined(_heights()))


def _by_radius(radius: FloatArray, azimuth: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Times and azimuths on the grid of radii, by inverting r(t) at each height."""
    r = _R_LOW_MM + _R_STEP_MM * np.arange(_RADII)
    t = np.arange(_TIMES, dtype=np.float64) * _TIME_STEP_NS
    time, gained = np.empty((_HEIGHTS, _RADII)), np.empty((_HEIGHTS, _RADII))
    for i in range(_HEIGHTS):
        time[i] = np.interp(r, radius[i, ::-1], t[::-1])
        behind = r > ANODE_RADIUS_MM
        time[i, behind] = np.interp(r[behind], _BEHIND_MM, _BEHIND_NS)
        gained[i] = np.interp(time[i], t, azimuth[i])
        gained[i, behind] = azimuth[i, 0]
    return time, gained


def _rescaled(
    radius: FloatArray, azimuth: FloatArray, s: DriftSettings
) -> tuple[FloatArray, FloatArray]:
    """r(t) and azimuth(t) of a drift with other times and azimuths."""
    t = np.arange(_TIMES, dtype=np.float64) * _TIME_STEP_NS
    radius = np.array([np.interp(t, t * s.time_scale, row) for row in radius])
    azimuth = np.array([np.interp(t, t * s.time_scale, row) for row in azimuth])
    return radius, azimuth * s.lorentz_scale

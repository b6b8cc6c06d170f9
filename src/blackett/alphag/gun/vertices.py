"""Samples of annihilation points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.geometry.dimensions import CHAMBER_HALF_LENGTH_MM
from blackett.alphag.geometry.layers import wall_radius_mm
from blackett.alphag.geometry.tables import read_table
from blackett.alphag.gun.records import Vertices
from blackett.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray, IntArray

__all__ = ["at_points", "in_disc", "on_wall", "released"]

DISC_RADIUS_MM: Final = 24.0
DISC_HALF_LENGTH_MM: Final = 1100.0
_ESCAPE_SHARE = (0.0, 0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99, 1.0)
_ESCAPE_S = (
    20.0,
    24.0,
    51.0,
    77.0,
    83.0,
    85.2,
    86.0,
    86.1,
    86.2,
)  # all escaped atoms; first and last taken
_FOURFOLD = (510.0, 510.0, 160.0, 160.0)  # weights of 22.5 degree bins, "up" atoms


def in_disc(
    n: int,
    rng: np.random.Generator,
    *,
    radius_mm: float = DISC_RADIUS_MM,
    half_length_mm: float = DISC_HALF_LENGTH_MM,
) -> Vertices:
    """Uniform in the cross section and in z: the published training sample (r 24 mm, |z| < 1100).

    Raises `InputError` for a negative radius or a length beyond the chamber.
    """
    _check_extent(radius_mm, half_length_mm)
    r, phi = radius_mm * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    return _untimed(r, phi, rng.uniform(-half_length_mm, half_length_mm, n))


def on_wall(
    n: int,
    rng: np.random.Generator,
    *,
    z_low_mm: float = -DISC_HALF_LENGTH_MM,
    z_high_mm: float = DISC_HALF_LENGTH_MM,
) -> Vertices:
    """On the inner surface of electrodes and UHV tube, uniform in azimuth and in z."""
    if not -CHAMBER_HALF_LENGTH_MM <= z_low_mm <= z_high_mm <= CHAMBER_HALF_LENGTH_MM:
        raise InputError(
            f"wall from {z_low_mm} to {z_high_mm} mm: give rising limits within "
            f"+-{CHAMBER_HALF_LENGTH_MM} mm"
        )
    z = rng.uniform(z_low_mm, z_high_mm, n)
    return _untimed(wall_radius_mm(z), rng.uniform(0, 2 * np.pi, n), z)


def released(n: int, rng: np.random.Generator, *, up_share: float = 0.5) -> Vertices:
    """Atoms released by ramping down the mirror coils, timed, mixing the files "up" and "down".

    z and time follow the shares and medians of `data/release.csv`; within a row z is uniform and
    the time has the shape of all escape times, bent so that its median is the row's. "Up" atoms
    show the fourfold azimuth of the octupole, "down" atoms none. Raises `InputError` unless 0 <=
    share <= 1.
    """
    if not 0 <= up_share <= 1:
        raise InputError(f"up share {up_share}: give a number from 0 to 1")
    rows = read_table("release.csv")
    up = rng.random(n) < up_share
    row = np.where(up, _drawn(rows, "up", n, rng), _drawn(rows, "down", n, rng))
    z = rng.uniform(_column(rows, "z_low_mm")[row], _column(rows, "z_high_mm")[row])
    low, high = _column(rows, "r_low_mm")[row], _column(rows, "r_high_mm")[row]
    r = np.sqrt(rng.uniform(low**2, high**2))
    phi = np.where(up, _fourfold(n, rng), rng.uniform(0, 2 * np.pi, n))
    median = np.where(up, _column(rows, "up_median_s")[row], _column(rows, "down_median_s")[row])
    position = np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1)
    return Vertices(position, _escape_times(median, rng))


def at_points(points_mm: ArrayLike) -> Vertices:
    """Fixed points (n, 3) at time 0, one event each."""
    points = np.atleast_2d(np.asarray(points_mm, np.float64))
    return Vertices(points, np.zeros(len(points)))


def _check_extent(radius_mm: float, half_length_mm: float) -> None:
    if not (radius_mm >= 0 and 0 <= half_length_mm <= CHAMBER_HALF_LENGTH_MM):
        raise InputError(
            f"disc of radius {radius_mm} mm and half length {half_length_mm} mm: give a radius "
            f">= 0 and a half length from 0 to {CHAMBER_HALF_LENGTH_MM}"
        )


def _untimed(r: FloatArray, phi: FloatArray, z: FloatArray) -> Vertices:
    return Vertices(np.stack([r * np.cos(phi), r * np.sin(phi), z], axis=1), np.zeros(z.size))


def _column(rows: list[dict[str, str]], name: str) -> FloatArray:
    return np.array([float(row[name]) for row in rows])


def _drawn(rows: list[dict[str, str]], name: str, n: int, rng: np.random.Generator) -> IntArray:
    share = _column(rows, name)
    return np.asarray(rng.choice(share.size, size=n, p=share / share.sum()))


def _fourfold(n: int, rng: np.random.Generator) -> FloatArray:
    weights = np.tile(_FOURFOLD, 4)
    sector = rng.choice(weights.size, size=n, p=weights / weights.sum())
    return np.asarray((sector + rng.random(n)) * 2 * np.pi / weights.size)


def _escape_times(median_s: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Times whose quantile function is that of all atoms at u^g, g set by the median."""
    share = np.interp(median_s, _ESCAPE_S, _ESCAPE_SHARE)
    power = np.log(share) / np.log(0.5)
    return np.asarray(np.interp(rng.random(median_s.size) ** power, _ESCAPE_SHARE, _ESCAPE_S))

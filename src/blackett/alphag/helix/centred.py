"""Helix about a centre: the six numbers of the unweighted fit, and its distance to points.

x = x0 + R cos(t + p0), y = y0 + R sin(t + p0), z = z0 + h t / 2 pi, -pi <= t <= pi (helix of the
public Rust reconstruction `alpha-g`). A helix is a row of six: x0, y0, z0, R, p0 and the pitch h,
in mm and rad. p0 and z0 choose where t = 0 lies, so that five of the six count.
"""

from __future__ import annotations

from math import atan2, cos, hypot, pi, sin, sqrt
from typing import TYPE_CHECKING, Any, Final, cast

import numba

from blackett.alphag.geometry.compiled import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.arrays import FloatArray

__all__ = [
    "HELIX_SIZE",
    "axis_turn",
    "circle",
    "direction",
    "nearest_turn",
    "position",
    "squared_distance",
    "squared_distances",
    "start_helix",
    "wrapped",
]

HELIX_SIZE: Final = 6
"""Numbers of a helix: x0, y0, z0, R, p0, h."""
_NEWTON_STEPS = 20
_FLAT = 1e-9
_STRAIGHT_MM = 1e6


@kernel
def wrapped(angle: float) -> float:
    """The same angle within -pi..pi."""
    return angle - 2 * pi * round(angle / (2 * pi))


@kernel
def position(helix: FloatArray, turn: float) -> tuple[float, float, float]:
    """Point (x, y, z) at turn t (rad)."""
    phase = turn + helix[4]
    x, y = helix[0] + helix[3] * cos(phase), helix[1] + helix[3] * sin(phase)
    return x, y, helix[2] + helix[5] * turn / (2 * pi)


@kernel
def direction(helix: FloatArray, turn: float) -> tuple[float, float, float]:
    """Unit tangent at turn t (rad), towards growing t."""
    rise = helix[5] / (2 * pi)
    length, phase = hypot(helix[3], rise), turn + helix[4]
    return -helix[3] * sin(phase) / length, helix[3] * cos(phase) / length, rise / length


@kernel
def axis_turn(helix: FloatArray) -> float:
    """Turn where the helix comes closest to the z axis."""
    return wrapped(atan2(-helix[1], -helix[0]) - helix[4])


@kernel
def nearest_turn(helix: FloatArray, x: float, y: float, z: float) -> float:
    """Turn of the point of the helix nearest to (x, y, z), within -pi..pi.

    Kepler's equation R rho sin(t - a) + k (k t + z0 - z) = 0 by at most 20 Newton steps from the
    nearest point of the circle; rho and a: distance and turn of the point about the centre.
    """
    dx, dy, rise = x - helix[0], y - helix[1], helix[5] / (2 * pi)
    around = wrapped(atan2(dy, dx) - helix[4])
    product, turn = helix[3] * hypot(dx, dy), around
    for _ in range(_NEWTON_STEPS):
        slope = product * cos(turn - around) + rise * rise
        value = product * sin(turn - around) + rise * (rise * turn + helix[2] - z)
        step = value / slope if slope > _FLAT else value / (product + rise * rise + _FLAT)
        turn = min(max(turn - step, -pi), pi)
        if abs(step) < _FLAT:
            break
    return turn


@kernel
def squared_distance(helix: FloatArray, x: float, y: float, z: float) -> float:
    """Squared distance (mm2) of a point to the helix."""
    px, py, pz = position(helix, nearest_turn(helix, x, y, z))
    return (px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2


def _vector_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop so that it may be done several elements at a time."""
    options: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}
    options["fastmath"] = {"reassoc", "contract", "nsz"}
    return cast("Callable[..., Any]", numba.njit(**options)(function))


@_vector_kernel
def squared_distances(
    helix: FloatArray, x: FloatArray, y: FloatArray, z: FloatArray, n: int
) -> float:
    """Sum of the squared distances (mm2) of the first n points to the helix.

    As `squared_distance`, without trigonometric functions of each point: the turn about the centre
    by halving its tangent three times and the series of the arc tangent, the nearest point by one
    Newton step from the linear solution. Exact to 1e-6 of the distance for points whose nearest
    point lies within 0.5 rad of the nearest on the circle: all points of a track.
    """
    x0, y0, z0, radius, rise = helix[0], helix[1], helix[2], helix[3], helix[5] / (2 * pi)
    cos0, sin0, rise2 = cos(helix[4]), sin(helix[4]), (helix[5] / (2 * pi)) ** 2
    total = 0.0
    for i in range(n):
        dx, dy = x[i] - x0, y[i] - y0
        along, across = dx * cos0 + dy * sin0, dy * cos0 - dx * sin0
        rho = sqrt(along * along + across * across)
        tangent = across / max(rho + along, 1e-9)  # of half the turn
        tangent = tangent / (1 + sqrt(1 + tangent * tangent))
        tangent = tangent / (1 + sqrt(1 + tangent * tangent))
        u = tangent * tangent
        series = 1 / 9 - u * (1 / 11 - u * (1 / 13 - u * (1 / 15 - u / 17)))
        series = 1 - u * (1 / 3 - u * (1 / 5 - u * (1 / 7 - u * series)))
        around = 8 * tangent * series
        dz, product = z[i] - z0 - rise * around, radius * rho
        d = rise * dz / (product + rise2)
        d = min(max(d, -0.5), 0.5)
        d2 = d * d
        sine = d * (1 - d2 * (1 / 6 - d2 * (1 / 120 - d2 / 5040)))
        cosine = 1 - d2 * (0.5 - d2 * (1 / 24 - d2 / 720))
        d = d - (product * sine - rise * (dz - rise * d)) / (product * cosine + rise2)
        d = min(max(d, max(-pi - around, -0.5)), min(pi - around, 0.5))
        d2 = d * d
        fall = d2 * (1 - d2 * (1 / 12 - d2 * (1 / 360 - d2 / 20160)))  # 2 (1 - cos d)
        total += (rho - radius) ** 2 + product * fall + (dz - rise * d) ** 2
    return total


@kernel
def circle(
    x1: float, y1: float, x2: float, y2: float, x3: float, y3: float
) -> tuple[float, float, float]:
    """Centre (x, y) and radius of the circle through three points.

    Points on a line give the circle of radius 1 km through the outer ones.
    """
    ax, ay, bx, by = x2 - x1, y2 - y1, x3 - x1, y3 - y1
    cross, a2, b2 = 2 * (ax * by - ay * bx), ax * ax + ay * ay, bx * bx + by * by
    radius = sqrt(a2 * b2 * ((bx - ax) ** 2 + (by - ay) ** 2)) / max(abs(cross), 1e-300)
    if radius < _STRAIGHT_MM:
        return x1 + (by * a2 - ay * b2) / cross, y1 + (ax * b2 - bx * a2) / cross, radius
    length = max(sqrt(b2), 1e-300)
    side = 1.0 if cross >= 0 else -1.0
    cx, cy = (x1 + x3) / 2 - side * _STRAIGHT_MM * by / length, 0.0
    cy = (y1 + y3) / 2 + side * _STRAIGHT_MM * bx / length
    return cx, cy, _STRAIGHT_MM


@kernel
def start_helix(x: FloatArray, y: FloatArray, z: FloatArray, n: int, helix: FloatArray) -> None:
    """Write a first helix of n points: the circle through the innermost, outermost and mid-radius
    point, t = 0 towards the centre of mass, the pitch from the innermost and outermost."""
    inner, outer, middle = 0, 0, 0
    mean_x, mean_y, mean_z = 0.0, 0.0, 0.0
    for i in range(n):
        r = hypot(x[i], y[i])
        inner = i if r < hypot(x[inner], y[inner]) else inner
        outer = i if r > hypot(x[outer], y[outer]) else outer
        mean_x, mean_y, mean_z = mean_x + x[i] / n, mean_y + y[i] / n, mean_z + z[i] / n
    half = (hypot(x[inner], y[inner]) + hypot(x[outer], y[outer])) / 2
    for i in range(n):
        if abs(hypot(x[i], y[i]) - half) < abs(hypot(x[middle], y[middle]) - half):
            middle = i
    x0, y0, radius = circle(x[inner], y[inner], x[middle], y[middle], x[outer], y[outer])
    angle = atan2(y[inner] - y0, x[inner] - x0) - atan2(y[outer] - y0, x[outer] - x0)
    angle = wrapped(angle)
    helix[0], helix[1], helix[2], helix[3] = x0, y0, mean_z, radius
    helix[4] = atan2(mean_y - y0, mean_x - x0)
    helix[5] = 2 * pi * (z[inner] - z[outer]) / angle if angle != 0 else 0.0

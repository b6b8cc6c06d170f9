"""Weighted fit of a helix from its closest approach: first in the plane, then along z.

The radial chi-square, sum of (dx / sx)^2 + (dy / sy)^2 at the measured distance from the axis, and
the axial one of z against arc length are those of agana; it minimises the first with MIGRAD, here
a Levenberg-Marquardt iteration in c = 1 / 2 Rc does, which passes through straight tracks.
"""

from __future__ import annotations

from math import atan2, cos, inf, isfinite, pi, sin
from typing import TYPE_CHECKING, Final

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.helix.perigee import arc_at_radius, at_radius
from blackett.alphag.helix.symmetric import inverse3, solve3

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["NORMAL_SHAPE", "POINT_ROWS", "fit_perigee"]

POINT_ROWS: Final = 7
"""Rows of the points to fit: x, y, z, r (mm) and the weights 1 / sx^2, 1 / sy^2, 1 / sz^2."""
NORMAL_SHAPE: Final = (4, 3)
"""Shape of the work space: the normal matrix and, below, the gradient."""
_X, _Y, _Z, _R, _WX, _WY, _WZ = range(7)
_START_C = 0.5 / 1000.0  # Rc = 1 m
_STEPS = 60
_TOLERANCE = 1e-7
_LEAST_ALONG_MM = 1e-3


@kernel
def fit_perigee(
    points: FloatArray, n: int, helix: FloatArray, variance: FloatArray, normal: FloatArray
) -> tuple[float, float]:
    """Fit n points; writes the helix and the variances of its five numbers.

    `points` (7, n or more) as `POINT_ROWS` says. Returns the radial and the axial chi-square; inf
    where a fit does not converge, then the helix means nothing. Two starts are tried, of either
    sign of curvature, and the smaller radial chi-square wins.
    """
    inner, outer = _ends(points, n)
    best = inf
    for sign in (-1, 1):
        trial = _radial(points, n, inner, outer, sign, variance, normal)
        if trial[0] < best:
            best, helix[0], helix[1], helix[2] = trial
    if best == inf or not _radial_variance(points, n, helix, variance, normal):
        return inf, inf
    return best, _axial(points, n, helix, variance)


@kernel
def _ends(points: FloatArray, n: int) -> tuple[int, int]:
    """The innermost and the outermost point."""
    inner, outer = 0, 0
    for i in range(n):
        inner = i if points[_R, i] < points[_R, inner] else inner
        outer = i if points[_R, i] > points[_R, outer] else outer
    return inner, outer


@kernel
def _start(points: FloatArray, inner: int, outer: int) -> tuple[float, float]:
    """phi0 and D of the straight line from the innermost to the outermost point."""
    x, y = points[_X, inner], points[_Y, inner]
    phi = atan2(points[_Y, outer] - y, points[_X, outer] - x)
    return phi, y * cos(phi) - x * sin(phi)


@kernel
def _radial(
    points: FloatArray, n: int, inner: int, outer: int, sign: int, step: FloatArray,
    normal: FloatArray,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Chi-square (inf: not converged), c, phi0, D from one start; `step` is scratch."""
    phi, distance = _start(points, inner, outer)
    c, damping = sign * _START_C, 1e-3
    chi2 = _normal(points, n, c, phi, distance, normal)
    for _ in range(_STEPS):
        if not solve3(normal, damping, step):
            damping *= 10
            continue
        new = _chi2(points, n, c + step[0], phi + step[1], distance + step[2])
        if new <= chi2:
            c, phi, distance = c + step[0], phi + step[1], distance + step[2]
            done = chi2 - new < _TOLERANCE * (1 + new)
            chi2, damping = _normal(points, n, c, phi, distance, normal), damping / 10
            if done:
                return chi2, c, phi - 2 * pi * round(phi / (2 * pi)), distance
        elif damping > 1e12:  # no way down: at the minimum to rounding
            return chi2, c, phi - 2 * pi * round(phi / (2 * pi)), distance
        else:
            damping *= 10
    return inf, c, phi, distance


@kernel
def _chi2(points: FloatArray, n: int, c: float, phi: float, distance: float) -> float:
    total, cos0, sin0 = 0.0, cos(phi), sin(phi)
    for i in range(n):
        along, across = at_radius(c, distance, points[_R, i])
        dx = along * cos0 - across * sin0 - points[_X, i]
        dy = along * sin0 + across * cos0 - points[_Y, i]
        total += points[_WX, i] * dx * dx + points[_WY, i] * dy * dy
    return total if isfinite(total) else inf


@kernel
def _normal(
    points: FloatArray, n: int, c: float, phi: float, distance: float, normal: FloatArray
) -> float:
    """Write J^T W J and, in its last row, J^T W of the residuals; returns the chi-square."""
    normal[:] = 0.0
    total, cos0, sin0, stretch = 0.0, cos(phi), sin(phi), 1 + 2 * c * distance
    for i in range(n):
        r2 = points[_R, i] ** 2 - distance**2
        along, across = at_radius(c, distance, points[_R, i])
        slope = -across / max(along, _LEAST_ALONG_MM)  # d along / d across
        by_c = r2 / stretch**2
        by_d = 1 - 2 * c * (distance * stretch + c * r2) / stretch**2
        x, y = along * cos0 - across * sin0, along * sin0 + across * cos0
        turn_x, turn_y = slope * cos0 - sin0, slope * sin0 + cos0
        _add(normal, points[_WX, i], turn_x * by_c, -y, turn_x * by_d, x - points[_X, i])
        _add(normal, points[_WY, i], turn_y * by_c, x, turn_y * by_d, y - points[_Y, i])
        total += points[_WX, i] * (x - points[_X, i]) ** 2
        total += points[_WY, i] * (y - points[_Y, i]) ** 2
    return total


@kernel
def _add(
    normal: FloatArray, weight: float, j0: float, j1: float, j2: float, residual: float
) -> None:
    normal[0, 0] += weight * j0 * j0
    normal[0, 1] += weight * j0 * j1
    normal[0, 2] += weight * j0 * j2
    normal[1, 1] += weight * j1 * j1
    normal[1, 2] += weight * j1 * j2
    normal[2, 2] += weight * j2 * j2
    normal[3, 0] += weight * j0 * residual
    normal[3, 1] += weight * j1 * residual
    normal[3, 2] += weight * j2 * residual


@kernel
def _radial_variance(
    points: FloatArray, n: int, helix: FloatArray, variance: FloatArray, normal: FloatArray
) -> bool:
    """Diagonal of the inverse of the normal matrix; False if it has none."""
    _normal(points, n, helix[0], helix[1], helix[2], normal)
    if not inverse3(normal, 1.0):
        return False
    for k in range(3):
        variance[k] = normal[k, k]
    return True


@kernel
def _axial(points: FloatArray, n: int, helix: FloatArray, variance: FloatArray) -> float:
    """Weighted straight line z0 + lambda s; returns its chi-square, inf for points of one arc."""
    w, s_w, z_w, ss, sz = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        weight, z = points[_WZ, i], points[_Z, i]
        s = arc_at_radius(helix, points[_R, i])
        w, s_w, z_w = w + weight, s_w + weight * s, z_w + weight * z
        ss, sz = ss + weight * s * s, sz + weight * s * z
    determinant = w * ss - s_w * s_w
    if not determinant > 1e-12 * w * ss:
        return inf
    helix[3] = (w * sz - s_w * z_w) / determinant
    helix[4] = (ss * z_w - s_w * sz) / determinant
    variance[3], variance[4] = w / determinant, ss / determinant
    total = 0.0
    for i in range(n):
        s = arc_at_radius(helix, points[_R, i])
        total += points[_WZ, i] * (points[_Z, i] - helix[4] - helix[3] * s) ** 2
    return total if isfinite(total) else inf

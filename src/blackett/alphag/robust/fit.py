"""Helix through space points: Gauss-Newton with each point's errors and redescending weights.

A helix is a row of six numbers: a point (x, y, z) on it, the heading psi of its projection, the
signed curvature kappa = d psi / d s (1/mm; s is the arc in the projection), and lambda = dz/ds.
Its errors are those of five parameters: a shift across the heading, psi, kappa, z, lambda.
"""

from __future__ import annotations

from math import atan2, cos, hypot, sin, sqrt
from typing import TYPE_CHECKING, Final

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.robust.cholesky import factor, solve

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "arc_terms",
    "chi2_of",
    "distance_across",
    "distance_along",
    "fit_helix",
    "residuals",
    "to_radius",
]

X, Y, Z, PSI, KAPPA, LAMBDA = range(6)
PX, PY, PZ, PR, SIGMA_RPHI, SIGMA_Z, SIGMA_R = range(7)
"""Columns of the points."""
FREE: Final = -1
"""Label of a point that no track uses."""
BACKWARDS_MM: Final = -60.0
"""Points farther back on a helix than this are on the other side of the chamber."""
_STRAIGHT = 1e-7
_KAPPA_PRIOR = 0.01  # 1/mm: a particle of 30 MeV/c; keeps short tracks finite
_LAMBDA_PRIOR = 20.0


@kernel
def distance_across(t: FloatArray, cosine: float, sine: float, x: float, y: float) -> float:
    """Signed distance (mm) of a point from the helix in projection; psi by cosine and sine."""
    dx, dy, k = x - t[X], y - t[Y], t[KAPPA]
    b = dy * cosine - dx * sine
    q = dx * dx + dy * dy
    return float((2 * b - k * q) / (1 + sqrt(max(1 - 2 * k * b + k * k * q, 0.0))))


@kernel
def distance_along(
    t: FloatArray, cosine: float, sine: float, x: float, y: float, z: float
) -> tuple[float, float]:
    """Distance (mm) of a point from the helix along z, and its arc s."""
    dx, dy, k = x - t[X], y - t[Y], t[KAPPA]
    a, b = dx * cosine + dy * sine, dy * cosine - dx * sine
    arc = atan2(k * a, 1 - k * b) / k if abs(k) > _STRAIGHT else a
    return z - t[Z] - t[LAMBDA] * arc, arc


@kernel
def residuals(t: FloatArray, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Distances (mm) of a point from the helix, in projection (signed) and along z, and its arc."""
    cosine, sine = cos(t[PSI]), sin(t[PSI])
    axial, arc = distance_along(t, cosine, sine, x, y, z)
    return distance_across(t, cosine, sine, x, y), axial, arc


@kernel
def arc_terms(k: float, s: float) -> tuple[float, float, float, float, float, float]:
    """sin ks, cos ks and, over arc s: sin(ks)/k, (1 - cos ks)/k, (1 - cos ks)/k^2,
    (ks - sin ks)/k^2.

    Shifts at s by one unit: across by (cos, sin/k, (1-cos)/k^2) and along by (sin, (1-cos)/k, last)
    for a shift, a turn and a change of curvature at 0.
    """
    a = k * s
    sine, cosine = sin(a), cos(a)
    if abs(a) < 1e-3:
        return sine, cosine, s, a * s / 2, s * s / 2, a * s * s / 6
    return sine, cosine, sine / k, (1 - cosine) / k, (1 - cosine) / (k * k), (a - sine) / (k * k)


@kernel
def point_weights(t: FloatArray, p: FloatArray, arc: float) -> tuple[float, float, float]:
    """Inverse covariance (across, both, z) of a point's residuals: its errors along r, r-phi and z
    seen from the helix."""
    heading = t[PSI] + t[KAPPA] * arc
    ux, uy = p[PX] / p[PR], p[PY] / p[PR]
    tangent_r = cos(heading) * ux + sin(heading) * uy
    tangent_f = sin(heading) * ux - cos(heading) * uy
    var_f, var_r = p[SIGMA_RPHI] ** 2, p[SIGMA_R] ** 2
    across = var_f * tangent_r**2 + var_r * tangent_f**2
    along = var_f * tangent_f**2 + var_r * tangent_r**2
    # in (r, phi) the heading is (tangent_r, tangent_f), its normal (-tangent_f, tangent_r)
    both = t[LAMBDA] * (var_r - var_f) * tangent_r * tangent_f
    axial = p[SIGMA_Z] ** 2 + t[LAMBDA] ** 2 * along
    determinant = across * axial - both * both
    return axial / determinant, -both / determinant, across / determinant


@kernel
def chi2_of(t: FloatArray, p: FloatArray, across: float, axial: float, arc: float) -> float:
    """chi2 of a point from its distances to the helix."""
    w_d, w_de, w_e = point_weights(t, p, arc)
    return w_d * across * across + 2 * w_de * across * axial + w_e * axial * axial


@kernel
def fit_helix(
    points: FloatArray, label: IntArray, t: FloatArray, wanted: int, road_mm: float, cut: float,
    share: float, steps: int, info: FloatArray, work: FloatArray,
) -> int:  # fmt: skip
    """Improve helix t with the points labelled `wanted` within `road_mm`; returns how many.

    `info` (5, 5): its information; `share`: independent part of the points. Fewer than 4 points or
    a singular fit give 0.
    """
    count = 0
    for _ in range(steps):
        count = _normal_equations(points, label, t, wanted, road_mm, cut, share, info, work)
        if count < 4:
            return 0
        for i in range(5):
            for j in range(5):
                work[i, j] = info[i, j]
        if not factor(work, 5):
            return 0
        solve(work, work[5], 5)
        move = work[5]
        t[X] -= move[0] * sin(t[PSI])
        t[Y] += move[0] * cos(t[PSI])
        t[PSI] += move[1]
        t[KAPPA] += move[2]
        t[Z] += move[3]
        t[LAMBDA] += move[4]
        if abs(move[0]) < 0.01 and abs(move[1]) < 1e-4 and abs(move[3]) < 0.01:
            break
    return count


@kernel
def _normal_equations(
    points: FloatArray, label: IntArray, t: FloatArray, wanted: int, road_mm: float, cut: float,
    share: float, info: FloatArray, work: FloatArray,
) -> int:  # fmt: skip
    """Sum information into `info` and the gradient into work[5]."""
    gradient = work[5]
    for i in range(5):
        gradient[i] = 0.0
        for j in range(5):
            info[i, j] = 0.0
    info[2, 2] = 1 / _KAPPA_PRIOR**2
    info[4, 4] = 1 / _LAMBDA_PRIOR**2
    gradient[2] = -t[KAPPA] * info[2, 2]
    gradient[4] = -t[LAMBDA] * info[4, 4]
    count, c, s, z_road = 0, cos(t[PSI]), sin(t[PSI]), road_mm * (1 + abs(t[LAMBDA]))
    for i in range(points.shape[0]):
        if label[i] != wanted:
            continue
        d = distance_across(t, c, s, points[i, PX], points[i, PY])
        if abs(d) < road_mm:
            e, arc = distance_along(t, c, s, points[i, PX], points[i, PY], points[i, PZ])
            if abs(e) < z_road and arc > BACKWARDS_MM:
                count += 1
                _add_point(t, points[i], d, e, arc, cut, share, info, work)
    return count


@kernel
def _add_point(
    t: FloatArray, p: FloatArray, d: float, e: float, arc: float, cut: float, share: float,
    info: FloatArray, work: FloatArray,
) -> None:  # fmt: skip
    w_d, w_de, w_e = point_weights(t, p, arc)
    chi2 = w_d * d * d + 2 * w_de * d * e + w_e * e * e
    weight = share / (1 + (chi2 / cut) ** 2)
    w_d, w_de, w_e = weight * w_d, weight * w_de, weight * w_e
    sine, cosine, a, b, c, f = arc_terms(t[KAPPA], arc)
    gradient, across, axial, slope = work[5], work[6], work[7], t[LAMBDA]
    across[0], across[1], across[2], across[3], across[4] = cosine, a, c, 0.0, 0.0
    axial[0], axial[1], axial[2], axial[3], axial[4] = (
        -slope * sine, -slope * b, -slope * f, 1.0, arc,
    )  # fmt: skip
    for i in range(5):
        left = w_d * across[i] + w_de * axial[i]
        right = w_de * across[i] + w_e * axial[i]
        gradient[i] += left * d + right * e
        for j in range(5):
            info[i, j] += left * across[j] + right * axial[j]


@kernel
def to_radius(t: FloatArray, r_mm: float, start: float) -> bool:
    """Move the helix's reference point to where it crosses a radius outwards, near arc `start`.

    False, and nothing changed, if it does not cross it outwards within a quarter turn.
    """
    s = start
    for _ in range(12):
        _, _, a, b, _, _ = arc_terms(t[KAPPA], s)
        c, n = cos(t[PSI]), sin(t[PSI])
        x, y = t[X] + a * c - b * n, t[Y] + a * n + b * c
        r, heading = hypot(x, y), t[PSI] + t[KAPPA] * s
        slope = (x * cos(heading) + y * sin(heading)) / max(r, 1e-6)
        if slope < 0.1:
            return False
        if abs(r - r_mm) < 1e-3:
            t[X], t[Y], t[Z] = x, y, t[Z] + t[LAMBDA] * s
            t[PSI] = heading
            return True
        s += max(min((r_mm - r) / slope, 30.0), -30.0)
    return False

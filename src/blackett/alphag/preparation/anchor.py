"""A first vertex: weighted least squares on the nominal lines, with weights that fall with chi2.

It begins at the height where most lines pass the axis and cools down from there, as an adaptive fit
does (Fruehwirth, Waltenberger and Vanlaer, CMS Note 2007/008). Its z is the origin of everything
that a network sees.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.preparation.layout import Line
from blackett.alphag.robust.cholesky import factor, invert, solve

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["ACROSS", "ALONG", "CHI2", "SHARE", "first_vertex"]

ACROSS, ALONG, CHI2, SHARE = range(4)
"""Columns of what `first_vertex` says of a track: distances in standard deviations, and weight."""
W11, W12, W22, S, D, E = range(4, 10)
_PRIOR_MM = 12.0  # half the disc's radius
_WIDE_MM2 = 4.0  # added to the variances where lines are compared on the axis
_CUT = 9.0  # chi2 of two distances at which a weight is half
_HEATS = (25.0, 5.0, 1.5, 1.0, 1.0)
_LENGTH_MM = 1152.0  # damps a step along z; no prior


@kernel
def first_vertex(
    lines: FloatArray, kept: int, vertex: FloatArray, terms: FloatArray, work: FloatArray
) -> float:
    """Write the vertex (3,) of `kept` lines, its tracks' `terms` and its covariance, work[4:7];
    returns the variance along z, 0 without a line.

    `terms` (kept, 10).
    """
    if kept == 0:
        return 0.0
    vertex[0], vertex[1], vertex[2] = 0.0, 0.0, _mode(lines, kept)
    for heat in _HEATS:
        _improve(lines, kept, vertex, heat, terms, work)
    for k in range(kept):
        _distance(lines[k], vertex, terms[k])
        terms[k, SHARE] = _weight(terms[k, CHI2])
    invert(work, work[4:7], 3)
    return float(work[6, 2])


@kernel
def _weight(chi2: float) -> float:
    return 1 / (1 + (chi2 / _CUT) ** 2)


@kernel
def _mode(lines: FloatArray, kept: int) -> float:
    """The height of the line that most others pass the axis near."""
    best, height = -1.0, 0.0
    for k in range(kept):
        total = 0.0
        for j in range(kept):
            variance = _WIDE_MM2 + _axial(lines[j]) + _axial(lines[k])
            off = lines[j, Line.z] - lines[k, Line.z]
            far = (lines[j, Line.x] ** 2 + lines[j, Line.y] ** 2) / 400.0
            total += 1 / (1 + off * off / variance) / (1 + far) / sqrt(variance)
        if total > best:
            best, height = total, lines[k, Line.z]
    return float(height)


@kernel
def _axial(line: FloatArray) -> float:
    """Variance along z on the axis, with the trap's width seen under the slope."""
    spread = _PRIOR_MM * line[Line.slope]
    return float(line[Line.cov_zz] + line[Line.kink_zz] + spread * spread)


@kernel
def _distance(line: FloatArray, v: FloatArray, term: FloatArray) -> None:
    """Distances of v from a line, their inverse covariance and chi2."""
    dx, dy = v[0] - line[Line.x], v[1] - line[Line.y]
    s = dx * line[Line.cosine] + dy * line[Line.sine]
    d = dy * line[Line.cosine] - dx * line[Line.sine] - 0.5 * line[Line.curvature] * s * s
    e = v[2] - line[Line.z] - line[Line.slope] * s
    c, k = Line.cov_aa, Line.kink_aa
    v11 = line[c] + line[k]
    v11 += s * (2 * (line[c + 1] + line[k + 1]) + s * (line[c + 2] + line[k + 2]))
    v22 = line[c + 5] + line[k + 5]
    v22 += s * (2 * (line[c + 8] + line[k + 8]) + s * (line[c + 9] + line[k + 9]))
    v12 = line[c + 3] + s * (line[c + 4] + line[c + 6] + s * line[c + 7])
    determinant = max(v11 * v22 - v12 * v12, 1e-12)
    w11, w12, w22 = v22 / determinant, -v12 / determinant, v11 / determinant
    term[W11], term[W12], term[W22], term[S], term[D], term[E] = w11, w12, w22, s, d, e
    term[ACROSS], term[ALONG] = d / sqrt(max(v11, 1e-12)), e / sqrt(max(v22, 1e-12))
    term[CHI2] = w11 * d * d + 2 * w12 * d * e + w22 * e * e


@kernel
def _improve(
    lines: FloatArray, kept: int, v: FloatArray, heat: float, terms: FloatArray, work: FloatArray
) -> None:
    """One step at a temperature; work[0:3] is left with the factor of the information."""
    matrix, gradient = work[0:3], work[3]
    for i in range(3):
        gradient[i] = 0.0
        for j in range(3):
            matrix[i, j] = 0.0
    radial, axial = 1 / _PRIOR_MM**2, 1 / _LENGTH_MM**2
    matrix[0, 0], matrix[1, 1], matrix[2, 2] = radial, radial, axial
    gradient[0], gradient[1] = -v[0] * radial, -v[1] * radial
    for k in range(kept):
        _distance(lines[k], v, terms[k])
        _add(lines[k], terms[k], _weight(terms[k, CHI2] / heat), matrix, gradient)
    if factor(matrix, 3):
        solve(matrix, gradient, 3)
        for i in range(3):
            v[i] += gradient[i]


@kernel
def _add(
    line: FloatArray, term: FloatArray, w: float, matrix: FloatArray, gradient: FloatArray
) -> None:
    """Add a line's information and gradient with weight w."""
    cosine, sine, slope = line[Line.cosine], line[Line.sine], line[Line.slope]
    bend = line[Line.curvature] * term[S]
    ax, ay = -sine - bend * cosine, cosine - bend * sine
    bx, by = -slope * cosine, -slope * sine
    w11, w12, w22 = w * term[W11], w * term[W12], w * term[W22]
    left = w11 * term[D] + w12 * term[E]
    right = w12 * term[D] + w22 * term[E]
    gradient[0] -= ax * left + bx * right
    gradient[1] -= ay * left + by * right
    gradient[2] -= right
    matrix[0, 0] += ax * ax * w11 + 2 * ax * bx * w12 + bx * bx * w22
    matrix[1, 0] += ax * ay * w11 + (ax * by + ay * bx) * w12 + bx * by * w22
    matrix[1, 1] += ay * ay * w11 + 2 * ay * by * w12 + by * by * w22
    matrix[2, 0] += ax * w12 + bx * w22
    matrix[2, 1] += ay * w12 + by * w22
    matrix[2, 2] += w22

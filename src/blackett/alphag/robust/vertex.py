"""One vertex from all lines of all tracks: an annealed fit of mixtures.

Every track says, of a vertex v, the sum over its lines of weight times the normal density of the
line's distance to v (across the heading and along z, with the covariance that the line has there),
or that it has nothing to do with it. The product over tracks and the prior of the trap is climbed
by expectation and maximisation: shares of the lines at the present vertex, then the weighted least
squares vertex. A temperature multiplies all covariances and falls to 1, as in adaptive vertex fits
(Fruehwirth, Waltenberger and Vanlaer, CMS Note 2007/008); the climb begins on every track.
"""

from __future__ import annotations

from math import exp, log, pi
from typing import TYPE_CHECKING

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import CHAMBER_HALF_LENGTH_MM
from blackett.alphag.robust.cholesky import factor, solve
from blackett.alphag.robust.lines import (
    COSINE,
    COVARIANCE,
    CURVE,
    LINE_X,
    LINE_Y,
    LINE_Z,
    LOG_WEIGHT,
    SINE,
    SLOPE,
)
from blackett.alphag.robust.posterior import integrate

if TYPE_CHECKING:
    from blackett.alphag.robust.posterior import Prior
    from blackett.arrays import FloatArray, IntArray

__all__ = ["fit_vertex"]

LOG_TERM, R1, R2, W11, W12, W22, ARC = range(7)
_TEMPERATURES = 4
_STEPS = 4
_LAST_STEPS = 30
_HEATED_STEPS = 3
_SAME_START_MM = 3.0
_MODES = 3
_SAME_MODE_MM = 10.0
_COOLEST = 2.0  # last temperature: at 1 a climb ends on single sharp lines
_WORTH = 8.0  # maxima whose logarithm lies lower by more than this are left out
_MODES_ROW, _STARTS_ROW = 8, 30


@kernel
def fit_vertex(
    lines: FloatArray, offset: IntArray, tracks: int, prior: Prior, normal: FloatArray,
    vertex: FloatArray, covariance: FloatArray, shares: FloatArray, work: FloatArray,
    terms: FloatArray,
) -> bool:  # fmt: skip
    """Vertex (3,) and its covariance (3, 3) from the lines offset[k]..offset[k + 1] of each track.

    `normal` (n, 3): standard normal numbers for the integration. `shares` (tracks,): how far each
    belongs to the vertex. False if there is no line.
    """
    if offset[tracks] == offset[0]:
        return False
    cosine, sine = lines[offset[0], COSINE], lines[offset[0], SINE]
    _turn_lines(lines, offset[0], offset[tracks], cosine, -sine)
    starts, modes = work[_STARTS_ROW : _STARTS_ROW + tracks], work[_MODES_ROW:_STARTS_ROW]
    _heated(lines, offset, tracks, prior, starts, shares, work, terms)
    found = _find_modes(lines, offset, tracks, prior, starts, modes, shares, work, terms)
    if found == 0:
        return False
    integrate(lines, offset, tracks, prior, normal, modes, found, vertex, covariance, work)
    for c in range(3):
        work[4, c] = vertex[c]
    _climb_step(lines, offset, tracks, prior, 1.0, work[4], shares, work, terms)
    _turn(vertex, 0, 1, cosine, sine)
    for c in range(3):
        _turn(covariance[c], 0, 1, cosine, sine)
    for c in range(3):
        _turn(covariance[:, c], 0, 1, cosine, sine)
    return True


@kernel
def _turn(v: FloatArray, i: int, j: int, cosine: float, sine: float) -> None:
    """Turn two components of a vector."""
    v[i], v[j] = cosine * v[i] - sine * v[j], sine * v[i] + cosine * v[j]


@kernel
def _turn_lines(lines: FloatArray, first: int, end: int, cosine: float, sine: float) -> None:
    """Turn the event about z, so that the points sampled turn with it."""
    for i in range(first, end):
        _turn(lines[i], LINE_X, LINE_Y, cosine, sine)
        _turn(lines[i], COSINE, SINE, cosine, sine)


@kernel
def _find_modes(
    lines: FloatArray, offset: IntArray, tracks: int, prior: Prior, starts: FloatArray,
    modes: FloatArray, shares: FloatArray, work: FloatArray, terms: FloatArray,
) -> int:  # fmt: skip
    """Climb from the best starts; returns how many modes (six rows each: place, Cholesky factor of
    its information, room for sums) are filled."""
    found, top = 0, -1e300
    while found < _MODES:
        k = _next_start(starts, tracks)
        if k < 0:
            break
        value = _climb(lines, offset, tracks, prior, starts[k], shares, work, terms)
        starts[k, 3] = -1e300
        if value > top - _WORTH and _is_new(modes, found, starts[k]):
            mode = modes[6 * found : 6 * found + 6]
            for c in range(3):
                mode[0, c] = starts[k, c]
                for d in range(c + 1):
                    mode[1 + c, d] = work[c, d]
            found, top = found + 1, max(top, value)
    return found


@kernel
def _is_new(modes: FloatArray, found: int, v: FloatArray) -> bool:
    new = True
    for m in range(found):
        new &= abs(modes[6 * m, 2] - v[2]) > _SAME_MODE_MM
    return new


@kernel
def _heated(
    lines: FloatArray, offset: IntArray, tracks: int, prior: Prior, starts: FloatArray,
    shares: FloatArray, work: FloatArray, terms: FloatArray,
) -> None:  # fmt: skip
    """A few steps at high temperature from where each track's heaviest line passes the axis."""
    for k in range(tracks):
        starts[k, 2], starts[k, 3] = 1e9, -1e300
        if offset[k + 1] == offset[k]:
            continue
        heaviest = offset[k]
        for i in range(offset[k], offset[k + 1]):
            if lines[i, LOG_WEIGHT] > lines[heaviest, LOG_WEIGHT]:
                heaviest = i
        line = lines[heaviest]
        r2 = line[LINE_X] ** 2 + line[LINE_Y] ** 2
        scale = 1 / (1 + r2 / (4 * prior.sigma_mm**2))
        starts[k, 0], starts[k, 1] = scale * line[LINE_X], scale * line[LINE_Y]
        starts[k, 2] = line[LINE_Z]
        for _ in range(_HEATED_STEPS):
            starts[k, 3] = _climb_step(
                lines, offset, tracks, prior, prior.heat, starts[k], shares, work, terms
            )
        for other in range(k):
            if abs(starts[other, 2] - starts[k, 2]) < _SAME_START_MM:
                starts[k, 3] = -1e300


@kernel
def _next_start(starts: FloatArray, tracks: int) -> int:
    best, value = -1, -1e299
    for k in range(tracks):
        if starts[k, 3] > value:
            best, value = k, starts[k, 3]
    return best


@kernel
def _climb(
    lines: FloatArray, offset: IntArray, tracks: int, prior: Prior, v: FloatArray,
    shares: FloatArray, work: FloatArray, terms: FloatArray,
) -> float:  # fmt: skip
    """Cool down from a start; returns the logarithm of the posterior reached."""
    heat, value = prior.heat, 0.0
    for k in range(_TEMPERATURES):
        temperature = _COOLEST * (heat / _COOLEST) ** (1 - (k + 1) / _TEMPERATURES)
        for _ in range(_STEPS if k + 1 < _TEMPERATURES else _LAST_STEPS):
            x, y, z = v[0], v[1], v[2]
            value = _climb_step(lines, offset, tracks, prior, temperature, v, shares, work, terms)
            if abs(v[0] - x) + abs(v[1] - y) + abs(v[2] - z) < 0.02:
                break
    return value


@kernel
def _climb_step(
    lines: FloatArray, offset: IntArray, tracks: int, prior: Prior, temperature: float,
    v: FloatArray, shares: FloatArray, work: FloatArray, terms: FloatArray,
) -> float:  # fmt: skip
    """One step of the vertex; returns the logarithm of the posterior before it.

    work[0:3] is left with the Cholesky factor of the information at that vertex.
    """
    matrix, gradient = work[0:3], work[3]
    for i in range(3):
        gradient[i] = 0.0
        for j in range(3):
            matrix[i, j] = 0.0
    inverse = 1 / prior.sigma_mm**2
    axial = 1 / CHAMBER_HALF_LENGTH_MM**2
    matrix[0, 0], matrix[1, 1], matrix[2, 2] = inverse, inverse, axial
    gradient[0], gradient[1], gradient[2] = -v[0] * inverse, -v[1] * inverse, -v[2] * axial
    total = -0.5 * (inverse * (v[0] * v[0] + v[1] * v[1]) + axial * v[2] * v[2])
    stray = log(prior.stray) + prior.log_stray
    for k in range(tracks):
        if offset[k + 1] > offset[k]:
            total += _track_terms(lines, offset[k], offset[k + 1], v, temperature, stray, terms)
            shares[k] = _add_track(lines, offset[k], offset[k + 1], matrix, gradient, terms)
        else:
            shares[k] = 0.0
    if factor(matrix, 3):
        solve(matrix, gradient, 3)
        for c in range(3):
            v[c] += gradient[c]
    return float(total)


@kernel
def _track_terms(
    lines: FloatArray, first: int, end: int, v: FloatArray, temperature: float, stray: float,
    terms: FloatArray,
) -> float:  # fmt: skip
    """Fill terms (shares of the lines, residuals, inverse covariances); log of the track's sum."""
    best = stray
    for i in range(first, end):
        _distance(lines[i], v, temperature, terms[i])
        best = max(best, terms[i, LOG_TERM])
    total = exp(stray - best)
    for i in range(first, end):
        terms[i, LOG_TERM] = exp(terms[i, LOG_TERM] - best)
        total += terms[i, LOG_TERM]
    for i in range(first, end):
        terms[i, LOG_TERM] /= total
    return log(total) + best


@kernel
def _distance(line: FloatArray, v: FloatArray, temperature: float, term: FloatArray) -> None:
    """Residuals of a vertex from a line, their inverse covariance, and the log of weight x
    density."""
    dx, dy = v[0] - line[LINE_X], v[1] - line[LINE_Y]
    s = dx * line[COSINE] + dy * line[SINE]
    across = dy * line[COSINE] - dx * line[SINE] - 0.5 * line[CURVE] * s * s
    axial = v[2] - line[LINE_Z] - line[SLOPE] * s
    c = COVARIANCE
    v11 = temperature * (line[c] + s * (2 * line[c + 1] + s * line[c + 2]))
    v22 = temperature * (line[c + 5] + s * (2 * line[c + 8] + s * line[c + 9]))
    v12 = temperature * (line[c + 3] + s * (line[c + 4] + line[c + 6] + s * line[c + 7]))
    determinant = max(v11 * v22 - v12 * v12, 1e-12)
    w11, w12, w22 = v22 / determinant, -v12 / determinant, v11 / determinant
    chi2 = w11 * across * across + 2 * w12 * across * axial + w22 * axial * axial
    term[LOG_TERM] = line[LOG_WEIGHT] - 0.5 * (chi2 + log(determinant)) - log(2 * pi)
    term[R1], term[R2], term[ARC] = across, axial, s
    term[W11], term[W12], term[W22] = w11, w12, w22


@kernel
def _add_track(
    lines: FloatArray, first: int, end: int, matrix: FloatArray, gradient: FloatArray,
    terms: FloatArray,
) -> float:  # fmt: skip
    """Add a track's information and gradient; returns its share in the vertex."""
    share = 0.0
    for i in range(first, end):
        w = terms[i, LOG_TERM]
        share += w
        if w < 1e-4:
            continue
        cosine, sine, slope = lines[i, COSINE], lines[i, SINE], lines[i, SLOPE]
        bend = lines[i, CURVE] * terms[i, ARC]
        ax, ay = -sine - bend * cosine, cosine - bend * sine
        bx, by = -slope * cosine, -slope * sine
        w11, w12, w22 = w * terms[i, W11], w * terms[i, W12], w * terms[i, W22]
        left = w11 * terms[i, R1] + w12 * terms[i, R2]
        right = w12 * terms[i, R1] + w22 * terms[i, R2]
        gradient[0] -= ax * left + bx * right
        gradient[1] -= ay * left + by * right
        gradient[2] -= right
        matrix[0, 0] += ax * ax * w11 + 2 * ax * bx * w12 + bx * bx * w22
        matrix[1, 0] += ax * ay * w11 + (ax * by + ay * bx) * w12 + bx * by * w22
        matrix[1, 1] += ay * ay * w11 + 2 * ay * by * w12 + by * by * w22
        matrix[2, 0] += ax * w12 + bx * w22
        matrix[2, 1] += ay * w12 + by * w22
        matrix[2, 2] += w22
    return share

"""The posterior of a vertex, and its mean and covariance by importance sampling.

Around each maximum a fixed set of normal points is drawn, wider than the maximum, and weighted by
posterior over the density they were drawn from.
"""

from __future__ import annotations

from math import exp, log, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import CHAMBER_HALF_LENGTH_MM
from blackett.alphag.robust.cholesky import invert
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

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Prior", "integrate"]

_EDGE_MM = 1.5  # softness of the trap's edge
_WIDER = 1.4  # of the points drawn, over the maximum at the last temperature
_SQUARES = 10
_MOMENTS = 11


class Prior(NamedTuple):
    """What is known before: the trap's spread in x and y (mm), the share of tracks that have
    nothing to do with the vertex and the logarithm of their density (1/mm2), and the heat of the
    first climb."""

    sigma_mm: float
    stray: float
    log_stray: float
    heat: float


@kernel
def integrate(
    lines: FloatArray, offset: IntArray, tracks: int, prior: Prior, normal: FloatArray,
    modes: FloatArray, found: int, vertex: FloatArray, covariance: FloatArray, work: FloatArray,
) -> None:  # fmt: skip
    """Posterior by importance sampling around the modes: mean of the heaviest, and the second
    moment of all about it.

    To that the covariance of the points drawn is added, over the number of them that effectively
    count, so that a few heavy points do not feign certainty.
    """
    v, top = work[6], -1e300
    for m in range(found):
        for c in range(_MOMENTS):
            modes[6 * m + 4, c] = 0.0
    for m in range(found):
        for i in range(normal.shape[0]):
            _sample(modes[6 * m], modes[6 * m + 1 : 6 * m + 4], normal[i], v)
            value = _log_posterior(lines, offset, tracks, prior, v)
            value -= _log_proposal(modes, found, v)
            if value > top:
                _rescale(modes, found, exp(top - value))
                top = value
            near = 6 * _nearest(modes, found, v)
            _add_sample(modes[near + 4], exp(value - top), v, modes[near])
    _summarise(modes, found, vertex, covariance, work)


@kernel
def _summarise(
    modes: FloatArray, found: int, vertex: FloatArray, covariance: FloatArray, work: FloatArray
) -> None:
    best, total = 0, 0.0
    for m in range(found):
        total += modes[6 * m + 4, 0]
        if modes[6 * m + 4, 0] > modes[6 * best + 4, 0]:
            best = m
    chosen, mean = modes[6 * best + 4], work[6]
    for c in range(3):
        vertex[c] = modes[6 * best, c] + chosen[1 + c] / chosen[0]
    invert(modes[6 * best + 1 : 6 * best + 4], covariance, 3)
    share = _WIDER**2 * chosen[_SQUARES] / chosen[0] ** 2
    k = 4
    for c in range(3):
        for d in range(c + 1):
            moment = 0.0
            for m in range(found):
                sums = modes[6 * m + 4]
                mean[0], mean[1] = modes[6 * m, c] - vertex[c], modes[6 * m, d] - vertex[d]
                moment += sums[k] + sums[1 + c] * mean[1] + sums[1 + d] * mean[0]
                moment += sums[0] * mean[0] * mean[1]
            covariance[c, d] = moment / total + share * covariance[c, d]
            covariance[d, c] = covariance[c, d]
            k += 1


@kernel
def _rescale(modes: FloatArray, found: int, factor: float) -> None:
    for m in range(found):
        for c in range(_SQUARES):
            modes[6 * m + 4, c] *= factor
        modes[6 * m + 4, _SQUARES] *= factor * factor


@kernel
def _nearest(modes: FloatArray, found: int, v: FloatArray) -> int:
    best = 0
    for m in range(1, found):
        if abs(modes[6 * m, 2] - v[2]) < abs(modes[6 * best, 2] - v[2]):
            best = m
    return best


@kernel
def _add_sample(sums: FloatArray, w: float, v: FloatArray, mode: FloatArray) -> None:
    """Sums of weights, first and second moments about the mode (lower triangle), and squares."""
    sums[0] += w
    sums[_SQUARES] += w * w
    k = 4
    for c in range(3):
        sums[1 + c] += w * (v[c] - mode[c])
        for d in range(c + 1):
            sums[k] += w * (v[c] - mode[c]) * (v[d] - mode[d])
            k += 1


@kernel
def _sample(mode: FloatArray, root: FloatArray, normal: FloatArray, v: FloatArray) -> None:
    """A point of the normal distribution whose information has this Cholesky factor."""
    for c in range(2, -1, -1):
        total = normal[c] * _WIDER
        for d in range(c + 1, 3):
            total -= root[d, c] * (v[d] - mode[d])
        v[c] = mode[c] + total / root[c, c]


@kernel
def _log_proposal(modes: FloatArray, found: int, v: FloatArray) -> float:
    """Logarithm of the density that points are drawn from, but for a constant."""
    total = 0.0
    for m in range(found):
        root = modes[6 * m + 1 : 6 * m + 4]
        x, y, z = v[0] - modes[6 * m, 0], v[1] - modes[6 * m, 1], v[2] - modes[6 * m, 2]
        a = root[0, 0] * x + root[1, 0] * y + root[2, 0] * z
        b = root[1, 1] * y + root[2, 1] * z
        c = root[2, 2] * z
        total += (
            root[0, 0]
            * root[1, 1]
            * root[2, 2]
            * exp(-0.5 * (a * a + b * b + c * c) / (_WIDER * _WIDER))
        )
    return log(max(total, 1e-300))


@kernel
def _log_posterior(
    lines: FloatArray, offset: IntArray, tracks: int, prior: Prior, v: FloatArray
) -> float:
    radius = 2 * prior.sigma_mm
    edge = (v[0] * v[0] + v[1] * v[1] - radius * radius) / (2 * radius * _EDGE_MM)
    total = -edge if edge > 30 else -log(1 + exp(edge))
    total -= 0.5 * (v[2] / CHAMBER_HALF_LENGTH_MM) ** 2
    stray = prior.stray * exp(prior.log_stray) * 2 * pi
    for k in range(tracks):
        density = stray
        for i in range(offset[k], offset[k + 1]):
            density += _density(lines[i], v)
        total += log(density)
    return float(total)


@kernel
def _density(line: FloatArray, v: FloatArray) -> float:
    """2 pi x weight x normal density of a vertex's distance from a line."""
    dx, dy = v[0] - line[LINE_X], v[1] - line[LINE_Y]
    s = dx * line[COSINE] + dy * line[SINE]
    across = dy * line[COSINE] - dx * line[SINE] - 0.5 * line[CURVE] * s * s
    axial = v[2] - line[LINE_Z] - line[SLOPE] * s
    c = COVARIANCE
    v11 = line[c] + s * (2 * line[c + 1] + s * line[c + 2])
    v22 = line[c + 5] + s * (2 * line[c + 8] + s * line[c + 9])
    v12 = line[c + 3] + s * (line[c + 4] + line[c + 6] + s * line[c + 7])
    determinant = max(v11 * v22 - v12 * v12, 1e-12)
    chi2 = (v22 * across * across - 2 * v12 * across * axial + v11 * axial * axial) / determinant
    return exp(line[LOG_WEIGHT] - 0.5 * chi2) / sqrt(determinant)

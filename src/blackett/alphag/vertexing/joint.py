"""The point closest to several helices with errors: agana's vertex chi-square.

Sum over helices and over x, y, z of (vertex - helix(s))^2 / variance(s), minimised over the vertex
and the arc s of each helix. agana uses Minuit; here Levenberg and Marquardt's iteration, in which
each arc is eliminated from the equations, gives the same minimum. For two helices it is the
smallest sum of d^2 / (s1^2 + s2^2) over both arcs, with the vertex at the weighted mean.
"""

from __future__ import annotations

from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.helix.perigee import (
    PERIGEE_SIZE,
    arc_at_radius,
    position_at_arc,
    position_variance,
)
from blackett.alphag.helix.symmetric import solve3

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Joint", "fit_vertex", "new_joint", "start_vertex"]

_STEPS = 100
_TOLERANCE = 1e-7
_ARC_STEP_MM = 0.02
_LEAST_CURVATURE = 1e-12


class Joint(NamedTuple):
    """Helices of an event and the state of a fit; m is the largest number of helices."""

    helix: FloatArray  # (m, 5)
    variance: FloatArray  # (m, 5)
    chosen: IntArray  # (m,): rows of the helices in the fit
    arc: FloatArray  # (m,): of the chosen, mm
    vertex: FloatArray  # (3,)
    normal: FloatArray  # (4, 3): without damping its upper triangle inverts to the covariance
    step: FloatArray  # (3,)
    slopes: FloatArray  # (m, 5): what the eliminated arcs need


def new_joint(m: int) -> Joint:
    """Work space for m helices."""
    return Joint(
        np.zeros((m, PERIGEE_SIZE)), np.zeros((m, PERIGEE_SIZE)), np.zeros(m, np.int64),
        np.zeros(m), np.zeros(3), np.zeros((4, 3)), np.zeros(3), np.zeros((m, 5)),
    )  # fmt: skip


@kernel
def start_vertex(joint: Joint, n: int, r: float) -> None:
    """Start the first n chosen helices at radius r, and the vertex at the mean weighted by
    errors."""
    sums = joint.step
    joint.vertex[:] = 0.0
    sums[:] = 0.0
    for k in range(n):
        helix, variance = joint.helix[joint.chosen[k]], joint.variance[joint.chosen[k]]
        joint.arc[k] = arc_at_radius(helix, r)
        place = position_at_arc(helix, joint.arc[k])
        spread = position_variance(helix, variance, joint.arc[k])
        for i in range(3):
            joint.vertex[i] += place[i] / spread[i]
            sums[i] += 1 / spread[i]
    for i in range(3):
        joint.vertex[i] /= sums[i]


@kernel
def fit_vertex(joint: Joint, n: int) -> float:
    """Fit `vertex` and the first n of `arc` from where they stand.

    Returns the chi-square and leaves `normal` at the minimum; inf if there is no convergence.
    """
    damping, chi2 = 1e-3, _chi2(joint, n)
    for _ in range(_STEPS):
        _normal(joint, n, damping)
        new = inf
        if solve3(joint.normal, damping, joint.step):
            _move(joint, n, damping, 1.0)
            new = _chi2(joint, n)
            if not new <= chi2:
                _move(joint, n, damping, -1.0)
        if new <= chi2:
            done = chi2 - new < _TOLERANCE * (1 + new)
            chi2, damping = new, max(damping / 10, 1e-9)
        else:
            done = damping > 1e12 and chi2 < inf  # no way down: at the minimum to rounding
            damping *= 10
        if done:
            _normal(joint, n, 0.0)
            return chi2
    return inf


@kernel
def _residuals(joint: Joint, k: int, arc: float) -> tuple[float, float, float]:
    """(vertex - helix) / standard error along x, y, z, for the k-th chosen helix at an arc."""
    row, vertex = joint.chosen[k], joint.vertex
    x, y, z = position_at_arc(joint.helix[row], arc)
    v_x, v_y, v_z = position_variance(joint.helix[row], joint.variance[row], arc)
    return (vertex[0] - x) / sqrt(v_x), (vertex[1] - y) / sqrt(v_y), (vertex[2] - z) / sqrt(v_z)


@kernel
def _chi2(joint: Joint, n: int) -> float:
    total = 0.0
    for k in range(n):
        rx, ry, rz = _residuals(joint, k, joint.arc[k])
        total += rx * rx + ry * ry + rz * rz
    return total if isfinite(total) else inf


@kernel
def _normal(joint: Joint, n: int, damping: float) -> None:
    """Normal equations of the vertex; each arc is eliminated, and what its step needs kept."""
    normal, slopes = joint.normal, joint.slopes
    normal[:] = 0.0
    for k in range(n):
        arc, row = joint.arc[k], joint.chosen[k]
        residual = _residuals(joint, k, arc)
        after = _residuals(joint, k, arc + _ARC_STEP_MM)
        before = _residuals(joint, k, arc - _ARC_STEP_MM)
        variance = position_variance(joint.helix[row], joint.variance[row], arc)
        slopes[k, 3] = slopes[k, 4] = 0.0
        for i in range(3):
            by_arc = (after[i] - before[i]) / (2 * _ARC_STEP_MM)
            slopes[k, i] = by_arc / sqrt(variance[i])
            slopes[k, 3] += by_arc * residual[i]
            slopes[k, 4] += by_arc * by_arc
        curvature = max(slopes[k, 4] * (1 + damping), _LEAST_CURVATURE)
        for i in range(3):
            normal[i, i] += 1 / variance[i]
            normal[3, i] += residual[i] / sqrt(variance[i])
            normal[3, i] -= slopes[k, i] * slopes[k, 3] / curvature
            for j in range(3):
                normal[i, j] -= slopes[k, i] * slopes[k, j] / curvature


@kernel
def _move(joint: Joint, n: int, damping: float, sign: float) -> None:
    """Go one step, or back."""
    step, slopes = joint.step, joint.slopes
    for k in range(n):
        pull = slopes[k, 3] + slopes[k, 0] * step[0] + slopes[k, 1] * step[1]
        pull += slopes[k, 2] * step[2]
        curvature = max(slopes[k, 4] * (1 + damping), _LEAST_CURVATURE)
        joint.arc[k] -= sign * pull / curvature
    for i in range(3):
        joint.vertex[i] += sign * step[i]

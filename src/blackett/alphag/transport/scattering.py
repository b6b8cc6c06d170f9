"""Multiple scattering with its tail: soft collisions together, hard ones one by one.

Screened Rutherford scattering with Moliere's screening angle (Bethe, Phys. Rev. 89, 1953, 1256) is
split at an angle that a step exceeds about half a time on average: smaller deflections are summed
as a Gaussian with their own variance, larger ones are drawn singly and cut off by the size of the
nucleus. Both together give Moliere's distribution without a fit.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.constants import FINE_STRUCTURE, HBAR_C_MEV_FM
from blackett.alphag.transport.apparatus import MOLIERE, NUCLEAR_FM, SCREENING, Z_SCATTER
from blackett.alphag.transport.motion import deflected, kicked

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["scattered", "screening_angle_squared"]

_HARD_PER_STEP = 0.5


@kernel
def screening_angle_squared(table: FloatArray, m: int, p: float, beta: float) -> float:
    """chi_a^2 (rad2): screening by the atom, with Moliere's correction to the Born
    approximation.
    """
    alpha = table[m, Z_SCATTER] * FINE_STRUCTURE / beta
    return float(table[m, SCREENING] / (p * p) * (1.13 + 3.76 * alpha * alpha))


@kernel
def scattered(
    table: FloatArray, m: int, p: float, beta: float, step: float,
    ux: float, uy: float, uz: float, rng: np.random.Generator,
) -> tuple[float, float, float]:  # fmt: skip
    """Direction after a step (mm) through material m."""
    chi_c2 = table[m, MOLIERE] * step / (p * beta) ** 2
    chi_a2 = screening_angle_squared(table, m, p, beta)
    if chi_c2 <= 0:
        return ux, uy, uz
    split2 = min(max(chi_c2 / _HARD_PER_STEP - chi_a2, 0.0), 1.0)
    ratio = split2 / chi_a2
    variance = chi_c2 / 2 * (log(1 + ratio) - ratio / (1 + ratio))
    width = sqrt(variance)
    ux, uy, uz = kicked(
        ux, uy, uz, width * rng.standard_normal(), width * rng.standard_normal()
    )  # fmt: skip
    mean, path = chi_c2 / (split2 + chi_a2), 0.0
    while True:  # a Poisson number: exponential gaps that fit into the mean
        path -= log(1 - rng.random())
        if path > mean:
            return ux, uy, uz
        cos_theta = _hard_cosine(table[m, NUCLEAR_FM], p, beta, split2, chi_a2, rng)
        ux, uy, uz = deflected(ux, uy, uz, cos_theta, 2 * np.pi * rng.random())


@kernel
def _hard_cosine(
    nuclear_fm: float, p: float, beta: float, split2: float, chi_a2: float, rng: np.random.Generator
) -> float:
    """Cosine of one hard deflection; 1 if the size of the nucleus or the spin forbids it."""
    square = (split2 + chi_a2) / (1 - rng.random()) - chi_a2  # (2 sin(theta/2))^2
    if square > 4:
        return 1.0
    size = nuclear_fm * p / HBAR_C_MEV_FM
    allowed = exp(-square * size * size / 3) * (1 - beta * beta * square / 4)
    return 1 - square / 2 if rng.random() < allowed else 1.0

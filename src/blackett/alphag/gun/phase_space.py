"""n-body phase space at rest, unweighted, for many events at once.

Raubold and Lynch's method (F. James, CERN 68-15, 1968): invariant masses of growing groups from
sorted uniform numbers, isotropic two-body decays from the first pair up, weight = product of the
two-body momenta, unweighted by acceptance against its maximum over all group masses.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["boosted", "isotropic", "phase_space", "two_body_momentum"]


_CHUNK = 100_000


def two_body_momentum(mass: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Momentum of each product of a two-body decay at rest (zero below threshold)."""
    square = (mass**2 - (first + second) ** 2) * (mass**2 - (first - second) ** 2)
    return np.sqrt(np.maximum(square, 0)) / (2 * mass)


def isotropic(n: int, rng: np.random.Generator) -> FloatArray:
    """Unit vectors (n, 3), uniform on the sphere."""
    cos, phi = rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    sin = np.sqrt(1 - cos**2)
    return np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=1)


def boosted(momenta: FloatArray, velocity: FloatArray) -> FloatArray:
    """Four-momenta (..., 4) as (E, px, py, pz) seen where their frame moves with `velocity` (...,
    3).
    """
    gamma = 1 / np.sqrt(1 - (velocity**2).sum(-1))
    along = (momenta[..., 1:] * velocity).sum(-1)
    energy = gamma * (momenta[..., 0] + along)
    factor = gamma**2 / (gamma + 1) * along + gamma * momenta[..., 0]
    return np.concatenate([energy[..., None], momenta[..., 1:] + factor[..., None] * velocity], -1)


def phase_space(
    mass_mev: float, masses_mev: list[float], n: int, rng: np.random.Generator
) -> FloatArray:
    """Four-momenta (n, bodies, 4), MeV, of unweighted decays at rest of a mass into bodies.

    Raises `InputError` with fewer than two bodies or too little mass.
    """
    masses = np.asarray(masses_mev, np.float64)
    if masses.size < 2 or masses.sum() >= mass_mev:
        raise InputError(
            f"phase space of {mass_mev} MeV into masses {masses_mev}: give two or more bodies "
            "whose masses sum to less"
        )
    groups = _accepted_groups(mass_mev, masses, n, rng)
    return _decay_chain(groups, masses, rng)


def _accepted_groups(
    mass: float, masses: FloatArray, n: int, rng: np.random.Generator
) -> FloatArray:
    """Invariant masses (n, bodies) of the groups of the first 1, 2, .. bodies, unweighted."""
    bound = _weight_bound(mass, tuple(masses.tolist()))
    found: list[FloatArray] = []
    missing = n
    while missing > 0:
        trial = _trial_groups(mass, masses, min(4 * missing + 64, _CHUNK), rng)
        weight = two_body_momentum(trial[:, 1:], trial[:, :-1], masses[1:]).prod(axis=1)
        kept = trial[rng.random(len(trial)) * bound < weight][:missing]
        found.append(kept)
        missing -= len(kept)
    return np.concatenate(found) if found else np.empty((0, masses.size))


def _trial_groups(mass: float, masses: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    inner = np.sort(rng.random((n, masses.size - 2)), axis=1)
    steps = np.concatenate([np.zeros((n, 1)), inner, np.ones((n, 1))], axis=1)
    return np.asarray(np.cumsum(masses) + steps * (mass - masses.sum()))


@cache
def _weight_bound(mass: float, masses: tuple[float, ...]) -> float:
    """The largest weight, found by moving the group masses apart from equal steps."""
    array = np.array(masses)
    if array.size == 2:
        return float(two_body_momentum(np.array(mass), array[0], array[1]))

    def loss(logits: FloatArray) -> float:
        gaps = np.exp(logits - logits.max())
        inner = np.concatenate([[0.0], np.cumsum(gaps / gaps.sum())])
        groups = np.cumsum(array) + inner * (mass - array.sum())
        return float(-np.log(two_body_momentum(groups[1:], groups[:-1], array[1:]).prod()))

    best = minimize(loss, np.zeros(array.size - 1), method="BFGS", options={"gtol": 1e-9})
    return 1.0001 * float(np.exp(-best.fun))


def _decay_chain(groups: FloatArray, masses: FloatArray, rng: np.random.Generator) -> FloatArray:
    n, bodies = groups.shape
    out = np.zeros((n, bodies, 4))
    for k in range(1, bodies):
        p = two_body_momentum(groups[:, k], groups[:, k - 1], masses[k])
        vector = p[:, None] * isotropic(n, rng)
        energy = np.sqrt(p**2 + groups[:, k - 1] ** 2)[:, None]
        if k == 1:  # a body alone may have no mass, and no frame to boost from
            out[:, 0] = np.concatenate([energy, vector], axis=1)
        else:
            velocity = np.repeat((vector / energy)[:, None, :], k, axis=1)
            out[:, :k] = boosted(out[:, :k], velocity)
        out[:, k, 0] = np.sqrt(p**2 + masses[k] ** 2)
        out[:, k, 1:] = -vector
    return out

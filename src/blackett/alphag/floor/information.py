"""What the points of each track say about its vertex: 3 x 3 information matrices.

Fisher information F = J^T W J over the vertex, direction and momentum of the track and its kinks,
which are known a priori to their Highland widths; all but (x, y, z) is eliminated by the Schur
complement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from blackett.alphag.floor.paths import (
    NODES_MM,
    PARAMETERS,
    STATIONS,
    Work,
    derivatives,
    kink_variance,
    new_work,
    walk,
)
from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.particles import charge_of, mass_of
from blackett.alphag.transport.motion import CURVATURE
from blackett.arrays import frozen

if TYPE_CHECKING:
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Measured", "TrueTracks", "track_information"]

_NODES = np.array(NODES_MM)
_AT_VERTEX_MM = 1e-3  # a particle made nearer to the vertex was made there
_ANGLE_PRIOR = 1.0  # 1/rad2: directions are bounded
_MOMENTUM_PRIOR = 1e-6  # relative: none, but the matrix stays regular without field


@dataclass(frozen=True, eq=False)
class TrueTracks:
    """Charged particles: `pdg` (n,); `vertex_mm` (n, 3) where the annihilation was; `made_mm` and
    `momentum_mev` (n, 3) where and with what each was made, at the vertex or by a photon from it;
    the momentum `entry_mev` (n,) with which each reached the gas."""

    pdg: IntArray
    vertex_mm: FloatArray
    made_mm: FloatArray
    momentum_mev: FloatArray
    entry_mev: FloatArray


@dataclass(frozen=True, eq=False)
class Measured:
    """Points of tracks: radius and standard errors (mm), sorted by track; `offset` (tracks + 1)
    delimits the tracks' rows. Errors are those of independent points."""

    offset: IntArray
    r_mm: FloatArray
    sigma_rphi_mm: FloatArray
    sigma_z_mm: FloatArray
    sigma_r_mm: FloatArray


def track_information(
    world: Apparatus, tracks: TrueTracks, points: Measured, curvature_prior_per_mm: float
) -> FloatArray:
    """Information on (x, y, z), shape (tracks, 3, 3), 1/mm2; zero for a track whose true path does
    not lead through the gas.

    `curvature_prior_per_mm` is the spread of curvatures (transverse, signed) that are known to
    occur; infinity for no such knowledge.
    """
    n = len(tracks.pdg)
    table = np.zeros((n, PARAMETERS, PARAMETERS))
    made, momentum, vertex = (
        np.asarray(a, np.float64) for a in (tracks.made_mm, tracks.momentum_mev, tracks.vertex_mm)
    )
    errors = (points.sigma_rphi_mm, points.sigma_z_mm, points.sigma_r_mm)
    fill(
        world, np.asarray(tracks.pdg, np.int64), np.concatenate([vertex, made, momentum], axis=1),
        np.asarray(tracks.entry_mev, np.float64), points.offset,
        np.stack([points.r_mm, *errors], axis=1).astype(np.float64),
        curvature_prior_per_mm**-2.0, new_work(), table,
    )  # fmt: skip
    kept, others = table[:, :3, :3], table[:, 3:, 3:]
    cross = table[:, :3, 3:]
    usable = table[:, 3, 3] > 0
    found = np.zeros((n, 3, 3))
    solved = np.linalg.solve(others[usable], cross[usable].transpose(0, 2, 1))
    found[usable] = kept[usable] - cross[usable] @ solved
    return cast("FloatArray", frozen((found + found.transpose(0, 2, 1)) / 2))


@kernel
def fill(
    world: Apparatus, pdg: IntArray, truth: FloatArray, entry: FloatArray, offset: IntArray,
    points: FloatArray, curvature_weight: float, w: Work, table: FloatArray,
) -> None:  # fmt: skip
    """Information matrices of all tracks over all their parameters; zero if there is no path."""
    for t in range(pdg.size):
        mass = mass_of(pdg[t])
        neutral, p = _start(truth[t], mass, w)
        least = np.sqrt(entry[t] * entry[t] + mass * mass)
        if not walk(world, pdg[t], w.state, least, neutral, w.stations):
            continue
        reached = derivatives(world, pdg[t], w.states[0], neutral, w)
        if reached < 2:
            continue
        information = table[t]
        for i in range(offset[t], offset[t + 1]):
            _add_point(points[i], w, reached, information)
        transverse = p * np.sqrt(w.states[0, 3] ** 2 + w.states[0, 4] ** 2)
        curvature = CURVATURE * charge_of(pdg[t]) / transverse
        _add_priors(p, mass, w, curvature * curvature * curvature_weight, information)


@kernel
def _start(row: FloatArray, mass: float, w: Work) -> tuple[float, float]:
    """States at the vertex and where the particle was made; returns the flight of the photon that
    made it (mm, 0 if none) and its momentum.

    `row`: vertex, place, momentum. The path of an electron begins along its photon.
    """
    at_vertex, made = w.states[0], w.state
    dx, dy, dz = row[3] - row[0], row[4] - row[1], row[5] - row[2]
    flight = np.sqrt(dx * dx + dy * dy + dz * dz)
    p = np.sqrt(row[6] ** 2 + row[7] ** 2 + row[8] ** 2)
    neutral = flight if flight > _AT_VERTEX_MM else 0.0
    for i in range(3):
        at_vertex[i], made[i] = row[i], row[3 + i]
        direction = (row[3 + i] - row[i]) / flight if neutral > 0 else row[6 + i] / p
        at_vertex[3 + i], made[3 + i] = direction, direction
    at_vertex[6] = made[6] = np.sqrt(p * p + mass * mass)
    return neutral, p


@kernel
def _add_point(point: FloatArray, w: Work, reached: int, information: FloatArray) -> None:
    """Add a point's r phi and z at its radius; a radial error acts through the path's slope."""
    r, sigma_r = point[0], point[3]
    n = int(np.searchsorted(_NODES, r)) - 1
    n = max(n, 0)
    if n + 1 >= reached:
        return
    u = (r - _NODES[n]) / (_NODES[n + 1] - _NODES[n])
    incidence = (1 - u) * w.nominal[n, 2] + u * w.nominal[n + 1, 2]
    climb = (1 - u) * w.nominal[n, 3] + u * w.nominal[n + 1, 3]
    weight_rphi = r * r / (point[1] ** 2 + (incidence * sigma_r) ** 2)
    weight_z = 1 / (point[2] ** 2 + (climb * sigma_r) ** 2)
    one, two = w.jacobian[n], w.jacobian[n + 1]
    for a in range(PARAMETERS):
        phi_a, z_a = (1 - u) * one[0, a] + u * two[0, a], (1 - u) * one[1, a] + u * two[1, a]
        for b in range(PARAMETERS):
            phi_b = (1 - u) * one[0, b] + u * two[0, b]
            z_b = (1 - u) * one[1, b] + u * two[1, b]
            information[a, b] += weight_rphi * phi_a * phi_b + weight_z * z_a * z_b


@kernel
def _add_priors(
    p: float, mass: float, w: Work, momentum_weight: float, information: FloatArray
) -> None:
    """Add what is known beforehand: directions, curvature, kinks."""
    information[3, 3] += _ANGLE_PRIOR
    information[4, 4] += _ANGLE_PRIOR
    information[5, 5] += momentum_weight + _MOMENTUM_PRIOR
    beta2 = p * p / (p * p + mass * mass)
    for k in range(STATIONS):
        variance = kink_variance(w.stations, k, beta2)
        weight = 1 / variance if variance > 0 else 1.0
        information[6 + 2 * k, 6 + 2 * k] += weight
        information[7 + 2 * k, 7 + 2 * k] += weight

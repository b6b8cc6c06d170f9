"""The true path of a particle from its vertex to the gas, and how it moves with every parameter.

Compiled. A path is walked once through the real layers: what it crosses is gathered at a few
stations, each a length of path with a thickness, a loss of energy and a place where the particle
may be deflected. It is then flown again with each parameter shifted a little. An electron of a
converted photon flies straight from the vertex to the conversion, where its angle to the photon is
one more deflection.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.field import interpolate
from blackett.alphag.geometry.layers import GAS, boundary_distance, locate
from blackett.alphag.particles import charge_of, mass_of
from blackett.alphag.transport.apparatus import DENSITY, X0_MM
from blackett.alphag.transport.energy_loss import restricted_loss
from blackett.alphag.transport.interactions import momentum_of
from blackett.alphag.transport.motion import helix_step

if TYPE_CHECKING:
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray

__all__ = [
    "NODES_MM",
    "PARAMETERS",
    "STATIONS",
    "Work",
    "copy",
    "derivatives",
    "kink_variance",
    "new_work",
    "walk",
]

STATIONS: Final = 8
"""Passages inwards (or the conversion of a photon), then outwards through seven zones of radius."""
PARAMETERS: Final = 6 + 2 * STATIONS
"""x, y, z, two angles and the relative momentum at the vertex; two angles at each station."""
NODES_MM: Final = tuple(np.linspace(109.25, 173.5, 13).tolist())
"""Radii in the gas at which paths are compared."""
_ZONES_MM = np.array([26.2, 40.5, 60.0, 73.5, 85.0, 100.0])  # outer radii of the zones but the last
_NODES = np.array(NODES_MM)
_STEP_MM = 5.0
_MOST_STEPS = 2000
_SHIFT_MM, _SHIFT_RAD, _SHIFT_MOMENTUM = 0.05, 1e-4, 1e-3
_LEAST_COSINE = 0.3  # of incidence across the axis, below which a path no longer leads outwards
# columns of a station
PATH, THICKNESS, P_BETA, LOSS, ANGLE2 = range(5)
# state: position, direction, energy
_E = 6


class Work(NamedTuple):
    """Work space of one track."""

    stations: FloatArray  # (STATIONS, 5)
    states: FloatArray  # (STATIONS + 1, 7): at the vertex and behind each station
    state: FloatArray  # (7,): of the particle on its way
    nominal: FloatArray  # (nodes, 4): azimuth, z, tangent of incidence, dz/dr
    shifted: FloatArray  # (nodes, 4)
    jacobian: FloatArray  # (nodes, 2, PARAMETERS) of azimuth and z


def new_work() -> Work:
    """Empty work space."""
    n = len(NODES_MM)
    return Work(
        np.zeros((STATIONS, 5)), np.zeros((STATIONS + 1, 7)), np.zeros(7),
        np.zeros((n, 4)), np.zeros((n, 4)), np.zeros((n, 2, PARAMETERS)),
    )  # fmt: skip


@kernel
def copy(source: FloatArray, target: FloatArray) -> None:
    """Copy a state."""
    for i in range(source.size):
        target[i] = source[i]


@kernel
def kink_variance(stations: FloatArray, k: int, beta2: float) -> float:
    """Variance (rad2) of either plane angle of the deflection at a station, 0 if there is none.

    Highland's width of all that is crossed (Particle Data Group), shared out by thickness; for a
    conversion the angle m/E of its electron.
    """
    total = 0.0
    for i in range(stations.shape[0]):
        total += stations[i, THICKNESS]
    if stations[k, THICKNESS] == 0:
        return float(stations[k, ANGLE2])
    correction = max(1 + 0.038 * np.log(total / beta2), 0.3)
    width = 13.6 / stations[k, P_BETA] * correction
    return float(width * width * stations[k, THICKNESS] + stations[k, ANGLE2])


@kernel
def walk(
    world: Apparatus, pdg: int, s: FloatArray, least: float, neutral: float, stations: FloatArray
) -> bool:
    """Walk from state `s` to the gas by mean losses, and gather what is crossed in `stations`.

    The energy stays above `least`, that of the real particle when it reached the gas. `neutral` is
    the flight (mm) of the photon that made it, 0 for a particle made at the vertex. False if the
    path does not lead to the gas.
    """
    stations[:] = 0.0
    mass, path = mass_of(pdg), neutral
    for _ in range(_MOST_STEPS):
        i, j = locate(world, s[0], s[1], s[2])
        if i < 0:
            return False
        m = world.material[i, j]
        if m == GAS:
            return _gathered(stations, neutral, mass / s[_E])
        p = momentum_of(s[_E], mass)
        boundary = boundary_distance(world, i, j, s[0], s[1], s[2], s[3], s[4], s[5])
        step = min(boundary + 1e-4, _STEP_MM)
        inwards = s[0] * s[3] + s[1] * s[4] < 0 and neutral == 0
        r = sqrt(s[0] ** 2 + s[1] ** 2)
        _move(world, s, charge_of(pdg) / p, step)
        r = 0.5 * (r + sqrt(s[0] ** 2 + s[1] ** 2))
        if world.table[m, DENSITY] > 0:
            k = 0 if inwards else 1 + int(np.searchsorted(_ZONES_MM, r))
            thickness = step / world.table[m, X0_MM]
            stations[k, PATH] += thickness * (path + 0.5 * step)
            stations[k, THICKNESS] += thickness
            stations[k, P_BETA] += thickness * p * p / s[_E]
            loss = max(min(_loss(world, m, pdg, s[_E], step), s[_E] - least), 0.0)
            stations[k, LOSS] += loss
            s[_E] -= loss
        path += step
    return False


@kernel
def _loss(world: Apparatus, m: int, pdg: int, energy: float, step: float) -> float:
    """Mean loss (MeV) in a step: collisions, and radiation of electrons (E / X0)."""
    loss = restricted_loss(world.table, m, pdg, energy, world.delta_solid)
    if abs(pdg) == 11:
        loss += energy / world.table[m, X0_MM]
    return loss * step


@kernel
def _gathered(stations: FloatArray, neutral: float, opening: float) -> bool:
    """Sums to means; a station where nothing was crossed stands where the one before does."""
    if neutral > 0:
        stations[0, PATH], stations[0, ANGLE2] = neutral, opening * opening
    path = stations[0, PATH] if neutral > 0 else 0.0
    for k in range(stations.shape[0]):
        if stations[k, THICKNESS] > 0:
            stations[k, PATH] /= stations[k, THICKNESS]
            stations[k, P_BETA] /= stations[k, THICKNESS]
            path = stations[k, PATH]
        stations[k, PATH] = path
    return True


@kernel
def _move(world: Apparatus, s: FloatArray, charge_over_p: float, step: float) -> None:
    """Move the state along the helix of the field at the middle of the step."""
    bx, by, bz = interpolate(
        world.field_step, world.b_r, world.b_z,
        s[0] + 0.5 * step * s[3], s[1] + 0.5 * step * s[4], s[2] + 0.5 * step * s[5],
    )  # fmt: skip
    moved = helix_step(s[0], s[1], s[2], s[3], s[4], s[5], bx, by, bz, charge_over_p, step)
    s[0], s[1], s[2], s[3], s[4], s[5] = moved


@kernel
def derivatives(world: Apparatus, pdg: int, start: FloatArray, neutral: float, w: Work) -> int:
    """Azimuth and z at the nodes and their derivatives by all parameters, from the state `start` at
    the vertex; returns how many nodes the path reaches, the least of all shifts."""
    copy(start, w.states[0])
    copy(start, w.state)
    reached = _fly(world, pdg, 0, neutral, w, w.nominal, True)
    w.jacobian[:] = 0.0
    for a in range(PARAMETERS):
        k = 0 if a < 6 else (a - 6) // 2 + 1
        if reached == 0 or (k > 0 and not _deflects(w.stations[k - 1])):
            continue
        copy(w.states[k], w.state)
        shift = _shifted(pdg, a, w.state)
        reached = min(reached, _fly(world, pdg, k, neutral, w, w.shifted, False))
        for n in range(reached):
            turn = w.shifted[n, 0] - w.nominal[n, 0]
            turn -= 2 * np.pi * np.floor(turn / (2 * np.pi) + 0.5)
            w.jacobian[n, 0, a] = turn / shift
            w.jacobian[n, 1, a] = (w.shifted[n, 1] - w.nominal[n, 1]) / shift
    return reached


@kernel
def _deflects(station: FloatArray) -> bool:
    return bool(station[THICKNESS] > 0 or station[ANGLE2] > 0)


@kernel
def _shifted(pdg: int, a: int, s: FloatArray) -> float:
    """Shift parameter a of a state; returns by how much."""
    if a < 3:
        s[a] += _SHIFT_MM
        return _SHIFT_MM
    if a == 5:
        mass = mass_of(pdg)
        p = momentum_of(s[_E], mass) * (1 + _SHIFT_MOMENTUM)
        s[_E] = sqrt(p * p + mass * mass)
        return _SHIFT_MOMENTUM
    t = max(sqrt(s[3] * s[3] + s[4] * s[4]), 1e-9)
    if a % 2 == 1:  # about z
        vx, vy, vz = -s[4] / t, s[3] / t, 0.0
    else:  # towards the axis of z
        vx, vy, vz = -s[3] * s[5] / t, -s[4] * s[5] / t, t
    s[3] += _SHIFT_RAD * vx
    s[4] += _SHIFT_RAD * vy
    s[5] += _SHIFT_RAD * vz
    norm = 1 / sqrt(s[3] * s[3] + s[4] * s[4] + s[5] * s[5])
    s[3], s[4], s[5] = s[3] * norm, s[4] * norm, s[5] * norm
    return _SHIFT_RAD


@kernel
def _fly(
    world: Apparatus, pdg: int, first: int, neutral: float, w: Work, out: FloatArray, keep: bool
) -> int:
    """Fly `w.state` from behind station `first` (0: from the vertex) over all nodes.

    Returns how many nodes were reached; with `keep` the states on the way go to `w.states`.
    """
    s, mass = w.state, mass_of(pdg)
    path = w.stations[first - 1, PATH] if first > 0 else 0.0
    for k in range(first, STATIONS):
        step = w.stations[k, PATH] - path
        if step > 0:
            straight = k == 0 and neutral > 0
            charge = 0.0 if straight else charge_of(pdg)
            _move(world, s, charge / momentum_of(s[_E], mass), step)
            path = w.stations[k, PATH]
        s[_E] = max(s[_E] - w.stations[k, LOSS], 1.001 * mass)
        if keep:
            copy(s, w.states[k + 1])
    charge_over_p = charge_of(pdg) / momentum_of(s[_E], mass)
    for n in range(_NODES.size):
        if not _to_radius(world, s, charge_over_p, _NODES[n]):
            return n
        r2 = s[0] * s[0] + s[1] * s[1]
        outwards = s[0] * s[3] + s[1] * s[4]
        out[n, 0], out[n, 1] = np.arctan2(s[1], s[0]), s[2]
        out[n, 2] = (s[0] * s[4] - s[1] * s[3]) / outwards
        out[n, 3] = s[5] * sqrt(r2) / outwards
    return int(_NODES.size)


@kernel
def _to_radius(world: Apparatus, s: FloatArray, charge_over_p: float, radius: float) -> bool:
    """Move the state outwards to a radius (mm), line by line; False if it turns before."""
    for _ in range(12):
        gap = radius * radius - s[0] * s[0] - s[1] * s[1]
        a, b = s[3] * s[3] + s[4] * s[4], s[0] * s[3] + s[1] * s[4]
        if abs(gap) < 1e-8 * radius:
            return bool(b > _LEAST_COSINE * radius * sqrt(a))
        square = b * b + a * gap
        if not square > 0 or a < 1e-6:
            return False
        _move(world, s, charge_over_p, (sqrt(square) - b) / a)
    return False

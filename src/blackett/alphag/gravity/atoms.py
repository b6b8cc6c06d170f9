"""Trapped antihydrogen atoms, and their flight while the mirror coils ramp down.

An atom is a low-field seeker of one Bohr magneton whose spin follows the field, in the potential
mu_B |B| + m a_g g z. Its path is integrated by leapfrog (kick, drift, kick), which is symplectic:
in a field that stands still the error of the energy swings and does not grow (E. Hairer, C. Lubich
and G. Wanner, Acta Numerica 12 (2003) 399).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import TRAP_RADIUS_MM
from blackett.alphag.geometry.layers import wall_radius_mm
from blackett.alphag.gravity.field import (
    KELVIN_PER_T,
    MU_OVER_M,
    TESLA_PER_MM,
    Trap,
    axial_table,
    field_and_gradient,
    field_at,
    mirror_strengths,
    well_of,
)
from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["FATES", "Atoms", "Endings", "Release", "energies_t", "release", "sample_atoms"]

FATES: Final = ("trapped", "annihilated", "left")
"""What became of an atom: still between the coils, on the wall, or out of the region followed."""
_LOW_MM, _HIGH_MM, _WALL_STEP_MM = -1000.0, 0.0, 2.0  # region followed
_TRIALS = 20_000


@dataclass(frozen=True)
class Release:
    """How atoms are held and released."""

    trap: Trap = field(default_factory=Trap)
    ramp_s: float = 20.0
    """Both mirrors fall linearly from `Trap.mirror_t` to nothing; the bias stays."""
    wait_s: float = 1.0
    """Followed after the ramp."""
    step_s: float = 4e-5
    """Of the integration."""
    top_energy: float = 1.0
    """Largest initial energy above the bottom, over the depth of the well."""
    temperature_k: float = 0.0
    """Of a Boltzmann distribution of initial energies; 0: uniform in phase space, as of atoms made
    far hotter than the well is deep."""
    axial: bool = False
    """Motion along the axis alone: quick, without walls and without the exchange of energy between
    motions."""

    def __post_init__(self) -> None:
        times = (self.ramp_s, self.step_s)
        if not (min(times) > 0 and self.wait_s >= 0 and np.isfinite([*times, self.wait_s]).all()):
            raise InputError(f"ramp {self.ramp_s} s, step {self.step_s} s: give finite times > 0")
        if not (0 < self.top_energy <= 1 and self.temperature_k >= 0):
            raise InputError(
                f"top_energy {self.top_energy}, temperature_k {self.temperature_k}: give a share "
                "in 0..1 and a temperature >= 0"
            )


@dataclass(frozen=True, eq=False)
class Atoms:
    """n atoms: `position_mm` (n, 3) and `velocity_mm_s` (n, 3)."""

    position_mm: FloatArray
    velocity_mm_s: FloatArray

    def __post_init__(self) -> None:
        for name in ("position_mm", "velocity_mm_s"):
            array = frozen(getattr(self, name))
            if array.shape != (len(self.position_mm), 3):
                raise InputError(f"Atoms.{name}: shape {array.shape}, not (n, 3)")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.position_mm)


@dataclass(frozen=True, eq=False)
class Endings:
    """How the flights of n atoms ended: `position_mm` (n, 3), `velocity_mm_s` (n, 3), `time_s` (n,)
    since the start of the ramp, `fate` (n,), index into `FATES`."""

    position_mm: FloatArray
    velocity_mm_s: FloatArray
    time_s: FloatArray
    fate: IntArray

    def side(self, trap: Trap) -> IntArray:
        """-1 below coil A, +1 above coil G, 0 between them or still trapped (n,)."""
        z = self.position_mm[:, 2]
        outside = np.where(z < trap.lower_mm, -1, np.where(z > trap.upper_mm, 1, 0))
        return np.where(self.fate == 0, 0, outside)


def energies_t(
    trap: Trap, atoms: Atoms | Endings, low_t: float, high_t: float, a_g: float
) -> FloatArray:
    """Total energies (n,) over mu_B, tesla, for mirrors of given strengths."""
    size = field_at(trap, atoms.position_mm, low_t, high_t)[:, 0]
    kinetic = (atoms.velocity_mm_s**2).sum(axis=1) / (2 * MU_OVER_M)
    return np.asarray(size + kinetic + a_g * TESLA_PER_MM * atoms.position_mm[:, 2])


def sample_atoms(settings: Release, n: int, rng: np.random.Generator) -> Atoms:
    """n atoms, uniform in the phase space of the well at zero bias and gravity, up to its depth
    (times `top_energy`), weighted with exp(-E / kT) where a temperature is given.

    Drawn by rejection: places uniform in the cylinder of the wall between the coils, momenta in
    the ball that the depth allows. In axial mode what lies across the axis is left out.
    """
    if n < 1:
        raise InputError(f"{n} atoms: give at least 1")
    trap, well = settings.trap, well_of(settings.trap, 0.0, 0.0)
    strengths = mirror_strengths(trap, trap.mirror_t, 0.0)
    top = settings.top_energy * well.depth_t
    places, speeds, found = [], [], 0
    while found < n:
        drawn = _trials(trap, top, rng)
        above = energies_t(trap, drawn, *strengths, 0.0) - well.bottom_t
        kept = above < top
        if settings.temperature_k > 0:
            weight = np.exp(-above * KELVIN_PER_T / settings.temperature_k)
            kept &= rng.random(_TRIALS) < weight
        places.append(drawn.position_mm[kept])
        speeds.append(drawn.velocity_mm_s[kept])
        found += int(kept.sum())
    across = np.array([0.0, 0.0, 1.0]) if settings.axial else np.ones(3)
    return Atoms(np.concatenate(places)[:n] * across, np.concatenate(speeds)[:n] * across)


def _trials(trap: Trap, top_t: float, rng: np.random.Generator) -> Atoms:
    """Places in the cylinder, velocities in the ball of kinetic energy `top_t`."""
    r, phi = TRAP_RADIUS_MM * np.sqrt(rng.random(_TRIALS)), rng.uniform(0, 2 * np.pi, _TRIALS)
    z = rng.uniform(trap.lower_mm, trap.upper_mm, _TRIALS)
    direction = rng.normal(size=(_TRIALS, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    speed = np.sqrt(2 * MU_OVER_M * top_t) * np.cbrt(rng.random(_TRIALS))
    return Atoms(np.stack([r * np.cos(phi), r * np.sin(phi), z], 1), speed[:, None] * direction)


def release(settings: Release, atoms: Atoms, bias_g: float, a_g: float) -> Endings:
    """Fly atoms through the ramp at a bias and a gravity, both in units of g."""
    return fly(settings, atoms, bias_g, a_g, settings.ramp_s, settings.ramp_s + settings.wait_s)


def fly(
    settings: Release, atoms: Atoms, bias_g: float, a_g: float, ramp_s: float, until_s: float
) -> Endings:
    """Fly atoms for a time; the mirrors fall over `ramp_s` (infinite: they stay)."""
    trap = settings.trap
    full = mirror_strengths(trap, trap.mirror_t, bias_g)
    empty = mirror_strengths(trap, 0.0, bias_g)
    state = np.concatenate([atoms.position_mm, atoms.velocity_mm_s], axis=1)
    ending = np.zeros((len(atoms), 2))
    mirrors = np.array([*full, *empty, ramp_s])
    steps = int(np.ceil(until_s / settings.step_s))
    _fly_all(
        axial_table(trap), mirrors, a_g * TESLA_PER_MM, settings.step_s, steps,
        settings.axial, _walls(), state, ending,
    )  # fmt: skip
    return Endings(
        frozen(state[:, :3]),
        frozen(state[:, 3:]),
        frozen(ending[:, 0]),
        frozen(ending[:, 1], np.int64),
    )


def _walls() -> FloatArray:
    """Radius of the wall in cells of 2 mm from -1000 mm."""
    z = np.arange(_LOW_MM, _HIGH_MM, _WALL_STEP_MM) + _WALL_STEP_MM / 2
    return wall_radius_mm(z)


@kernel
def _wall(walls: FloatArray, z: float) -> float:
    k = int((z - _LOW_MM) / _WALL_STEP_MM)
    radius: float = walls[min(max(k, 0), walls.shape[0] - 1)]
    return radius


@kernel
def _to_wall(walls: FloatArray, state: FloatArray, x: float, y: float, z: float) -> None:
    """Put an atom that was at (x, y, z) and has just crossed the wall onto it: onto the face of a
    step where the wall has become narrower, else onto its surface."""
    narrow = _wall(walls, state[2])
    dx, dy, dz = state[0] - x, state[1] - y, state[2] - z
    a, b, c = dx * dx + dy * dy, x * dx + y * dy, x * x + y * y - narrow * narrow
    share = (np.sqrt(max(b * b - a * c, 0.0)) - b) / a if a > 0 else 1.0
    if c > 0:  # it was outside the narrower part: it has met the face of the step
        cell = state[2] / _WALL_STEP_MM
        edge = _WALL_STEP_MM * (np.ceil(cell) if dz < 0 else np.floor(cell))
        share = (edge - z) / dz
    share = min(max(share, 0.0), 1.0)
    state[0] = x + share * (state[0] - x)
    state[1] = y + share * (state[1] - y)
    state[2] = z + share * (state[2] - z)


@kernel
def _fly_all(
    table: FloatArray,
    mirrors: FloatArray,
    weight: float,
    step: float,
    steps: int,
    axial: bool,
    walls: FloatArray,
    states: FloatArray,
    endings: FloatArray,
) -> None:
    """Move all atoms (rows x, y, z, vx, vy, vz) to their ends; rows of `endings`: time, fate."""
    kick = -0.5 * step * MU_OVER_M
    for n in range(states.shape[0]):
        state = states[n]
        b = field_and_gradient(table, mirrors[0], mirrors[1], state[0], state[1], state[2])
        k, fate = 0, 0
        x, y, z = state[0], state[1], state[2]
        while fate == 0 and k < steps:
            k += 1
            x, y, z = state[0], state[1], state[2]
            state[3] += kick * b[1]
            state[4] += kick * b[2]
            state[5] += kick * (b[3] + weight)
            for j in range(3):
                state[j] += step * state[j + 3]
            gone = min(k * step / mirrors[4], 1.0)
            low = mirrors[0] + gone * (mirrors[2] - mirrors[0])
            high = mirrors[1] + gone * (mirrors[3] - mirrors[1])
            b = field_and_gradient(table, low, high, state[0], state[1], state[2])
            state[3] += kick * b[1]
            state[4] += kick * b[2]
            state[5] += kick * (b[3] + weight)
            radius = _wall(walls, state[2])
            if state[0] * state[0] + state[1] * state[1] > radius * radius and not axial:
                fate = 1
            elif state[2] < _LOW_MM or state[2] > _HIGH_MM:
                fate = 2
        if fate == 1:
            _to_wall(walls, state, x, y, z)
        endings[n, 0], endings[n, 1] = k * step, fate

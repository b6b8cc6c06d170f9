"""Where the source lies: distance, shields, surroundings, extended sources, and their fluence.

A scene turns each emitted photon into fluence at the detector's place. Layers act one after
another: an extended source scatters and absorbs in itself, each shield transmits and scatters what
reaches it, the surroundings add what comes back from table, floor and walls. Direct transmission is
exact, exp(-mu t); the scattered part comes from the kernels of `blackett.gamma.kernels`.

    >>> scene = Scene(100.0, shield=(("lead", 5.0),), surroundings="bench")
    >>> seen = fluence([661.657], scene)
    >>> counts_per_photon = seen.direct * seen.reference_per_mm2 * 100.0  # entering 1 cm2, direct
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.gamma.kernels import Fluence, interpolate, kernel
from blackett.gamma.layers import (
    SHIELD_MATERIALS,
    SURROUNDINGS,
    bare,
    check_shield,
    pass_through,
    shield_layer,
    surroundings_layer,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray

__all__ = [
    "EXTENDED",
    "FARTHEST_MM",
    "NEAREST_MM",
    "SHIELD_MATERIALS",
    "SURROUNDINGS",
    "Scene",
    "SceneFluence",
    "fluence",
    "photons_entering",
    "solid_angle_fraction",
]

EXTENDED = ("jar", "soil bag", "rock", "mineral", "ore", "glass", "glaze", "rod", "marinelli",
            "radon air", "radon plate-out", "outcrop")  # fmt: skip
"""Sources with a size; docs/scenes.md gives their dimensions."""

NEAREST_MM, FARTHEST_MM = 15.0, 500.0


@dataclass(frozen=True)
class Scene:
    """A source's place. Raises InputError for a value that is not allowed.

    `distance_mm` from the source to the crystal's centre, 15 to 500 (in the open up to 3000), or
    None for an extended source, whose place is part of its definition. `shield` lists
    (material, mm) from the source outwards.
    """

    distance_mm: float | None = 100.0
    shield: tuple[tuple[str, float], ...] = ()
    surroundings: str = "bench"
    extended: str | None = None

    def __post_init__(self) -> None:
        """Check all fields."""
        if self.surroundings not in SURROUNDINGS:
            raise InputError(
                f"surroundings {self.surroundings!r}; one of {', '.join(SURROUNDINGS)}"
            )
        if self.extended is not None and self.extended not in EXTENDED:
            raise InputError(f"extended source {self.extended!r}; one of {', '.join(EXTENDED)}")
        self._check_distance()
        for name, thickness in self.shield:
            check_shield(name, thickness)

    def _check_distance(self) -> None:
        if self.extended is not None:
            if self.distance_mm is not None:
                raise InputError("an extended source touches the detector: give distance_mm=None")
            return
        farthest = 6 * FARTHEST_MM if self.surroundings == "open" else FARTHEST_MM
        if self.distance_mm is None or not NEAREST_MM <= self.distance_mm <= farthest:
            raise InputError(
                f"distance {self.distance_mm} mm; {NEAREST_MM:g} to {farthest:g} mm "
                f"with surroundings {self.surroundings!r}"
            )

    @property
    def reference_mm(self) -> float:
        """Distance of a point source, or of the middle of an extended one."""
        if self.extended is not None:
            return kernel(f"extended/{self.extended}").reference_mm
        assert self.distance_mm is not None  # noqa: S101  (checked above)
        return self.distance_mm


@dataclass(frozen=True)
class SceneFluence(Fluence):
    """`Fluence` in units of `reference_per_mm2`, 1/(4 pi d²), for each photon emitted.

    With `spread` (an extended source) the direct part comes from many directions, too: fold it with
    the isotropic response, never with a solid angle.
    """

    reference_per_mm2: float
    spread: bool


def fluence(energies_kev: ArrayLike, scene: Scene) -> SceneFluence:
    """Fluence at the detector's place for each emitted energy (L,), per photon emitted.

    In units of the bare unscattered fluence 1/(4 pi d²). Raises InputError for energies outside 10
    to 3000 keV.
    """
    energies = np.atleast_1d(np.asarray(energies_kev, dtype=np.float64))
    distance = float(scene.reference_mm)
    air = distance if scene.extended is None else 0.0  # an extended source's kernel has its air
    now = _emitted(energies, scene.extended)
    for name, thickness in scene.shield:
        now = pass_through(shield_layer(name, float(thickness)), now)
    now = pass_through(surroundings_layer(scene.surroundings, distance, air), now)
    return SceneFluence(
        **vars(now),
        reference_per_mm2=0.25 / math.pi / distance**2,
        spread=scene.extended is not None,
    )


def _emitted(energies: FloatArray, extended: str | None) -> Fluence:
    """Fluence before any shield."""
    if extended is None:
        return bare(energies)
    return interpolate(kernel(f"extended/{extended}").fluence, energies)


# ---------------------------------------------------------------------------------------- geometry


def solid_angle_fraction(
    width_mm: float, height_mm: float, distance_mm: ArrayLike, x_mm: float = 0.0, y_mm: float = 0.0
) -> FloatArray:
    """Share of 4 pi that a rectangle takes, seen from a point `distance_mm` in front of its plane.

    The point's foot lies (x_mm, y_mm) from the rectangle's middle. Exact: four corners, each
    atan(a b / (d sqrt(a² + b² + d²))) (H. Gotoh, H. Yagi, Nucl. Instrum. Methods 96 (1971) 485).
    Raises InputError unless all sizes and distances are positive.
    """
    d = np.asarray(distance_mm, dtype=np.float64)
    if not (width_mm > 0.0 and height_mm > 0.0 and np.all(d > 0.0)):
        raise InputError(
            f"rectangle {width_mm} x {height_mm} mm from {d.tolist()} mm: all must be positive"
        )
    total = np.zeros_like(d)
    for a in (0.5 * width_mm - x_mm, 0.5 * width_mm + x_mm):
        for b in (0.5 * height_mm - y_mm, 0.5 * height_mm + y_mm):
            total = total + np.arctan(a * b / (d * np.sqrt(a * a + b * b + d * d)))
    return np.asarray(total / (4.0 * math.pi))


def photons_entering(seen: SceneFluence, side_mm: float) -> SceneFluence:
    """Photons that enter a cube of side `side_mm` per photon emitted, for each part of the fluence.

    The direct part of a point source by the exact solid angle of the front face, all else as
    fluence x face x obliquity; in the result `reference_per_mm2` and `obliquity` are 1. Raises
    InputError for a cube that reaches the source.
    """
    distance = math.sqrt(0.25 / math.pi / seen.reference_per_mm2) - 0.5 * side_mm
    if distance <= 0.0 or not side_mm > 0.0:
        raise InputError(f"a cube of {side_mm} mm must be positive and not reach the source")
    rest = seen.obliquity * side_mm**2 * seen.reference_per_mm2
    front = float(solid_angle_fraction(side_mm, side_mm, distance))
    return replace(
        seen,
        direct=(rest if seen.spread else front) * seen.direct,
        coherent=rest * seen.coherent,
        scattered=rest[:, None] * seen.scattered,
        sharp=rest[:, None] * seen.sharp,
        obliquity=np.ones_like(rest),
        reference_per_mm2=1.0,
    )

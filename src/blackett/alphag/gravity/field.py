"""The magnetic minimum in which atoms are held and from which they are released.

On the axis: the solenoid of the public map and two mirror coils, A below and G above, thin current
sheets of finite length whose field is known in closed form (J. D. Jackson, Classical
Electrodynamics, problem 5.3). Off the axis their field follows from the axial one by the expansion
that has no divergence and no curl (W. Glaser, Grundlagen der Elektronenoptik, 1952),

    B_z = b - r^2 b''/4 + r^4 b''''/64,    B_r = -r b'/2 + r^3 b'''/16.

The octupole is the leading term of straight conductors of finite length, the gradient of
F(z) r^4 cos 4 phi. The solenoid's field is taken as that of its axis. Energies are in tesla: those
of a low-field seeker over its moment, one Bohr magneton, so that an atom of ordinary hydrogen's
weight gains 1.770e-3 T a metre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.constants import g as gravity_m_s2
from scipy.constants import physical_constants
from scipy.interpolate import PchipInterpolator
from scipy.special import ellipe, ellipk

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.dimensions import TRAP_RADIUS_MM
from blackett.alphag.geometry.field import field_table
from blackett.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray

__all__ = [
    "KELVIN_PER_T", "MU_OVER_M", "TESLA_PER_MM", "Trap", "Well", "axial_table", "coil_field",
    "field_and_gradient", "field_at", "mirror_strengths", "well_of",
]  # fmt: skip

_MU = physical_constants["Bohr magneton"][0]
_MASS = physical_constants["proton mass"][0] + physical_constants["electron mass"][0]
TESLA_PER_MM: Final = float(_MASS * gravity_m_s2 / _MU / 1000)
"""m g / mu_B: what one millimetre of height costs hydrogen, 1.770e-6 T."""
MU_OVER_M: Final = float(_MU / _MASS * 1e6)
"""mu_B / m, mm^2/s^2 per tesla."""
KELVIN_PER_T: Final = float(_MU / physical_constants["Boltzmann constant"][0])
"""mu_B / k: 0.6717 K per tesla."""
TABLE_LOW_MM: Final = -1002.0
TABLE_STEP_MM: Final = 0.25
TABLE_ROWS: Final = 4017
_FLAT_MM = 600.0  # the map's field is the same up to here


@dataclass(frozen=True)
class Trap:
    """Coils of the trap, and the fields that they make. Positions: public CAD."""

    lower_mm: float = -671.1
    """Centre of mirror coil A."""
    upper_mm: float = -415.0
    """Centre of mirror coil G."""
    coil_radius_mm: float = 45.0
    """Mean of the winding (42.6 to 47.3)."""
    coil_length_mm: float = 35.0
    """Not public: between 32 and 48 by where the CAD's material shows a coil."""
    mirror_t: float = 0.80
    """Field of each mirror at its centre before the ramp: an axial well of 0.74 T or 0.5 K."""
    octupole_t: float = 1.54
    """Of the octupole at r = 22.275 mm. Not public: that of the earlier trap, assumed."""
    octupole_radius_mm: float = 32.2
    """Mean of the windings (25.4 to 39)."""
    octupole_centre_mm: float = -543.0
    octupole_half_length_mm: float = 195.0
    """Not public: public simulated atoms that leave upwards meet the tube near z = -345 mm."""

    def __post_init__(self) -> None:
        sizes = (self.coil_radius_mm, self.coil_length_mm, self.octupole_radius_mm)
        if not (min(sizes) > 0 and self.upper_mm > self.lower_mm):
            raise InputError(
                f"trap from {self.lower_mm} to {self.upper_mm} mm with coils of {sizes} mm: give a "
                "lower coil below the upper one, and lengths > 0"
            )
        if not (self.mirror_t > 0 and self.octupole_t > 0):
            raise InputError(
                f"mirror {self.mirror_t} T, octupole {self.octupole_t} T: give fields > 0"
            )

    @property
    def distance_mm(self) -> float:
        """From coil A to coil G."""
        return self.upper_mm - self.lower_mm

    def bias_t(self, bias_g: float) -> float:
        """Field of A minus field of G at this bias: `bias_g` times the weight of hydrogen from A
        to G. Gravity of a_g = bias_g is balanced by it."""
        return bias_g * TESLA_PER_MM * self.distance_mm


@dataclass(frozen=True)
class Well:
    """The well before the ramp: `bottom_t`, lowest energy; `axial_t` and `radial_t`, depth to the
    lower of the two saddles on the axis and to the wall between the coils."""

    bottom_t: float
    axial_t: float
    radial_t: float

    @property
    def depth_t(self) -> float:
        """Energy above the bottom with which an atom can escape."""
        return min(self.axial_t, self.radial_t)

    @property
    def depth_k(self) -> float:
        """The depth as a temperature."""
        return self.depth_t * KELVIN_PER_T


def axial_table(trap: Trap) -> FloatArray:
    """What the kernels need of each height, nodes every 0.25 mm from -1002 to 2 mm (rows).

    Columns: field on the axis of coil A at unit strength and its six derivatives, of coil G the
    same, the octupole's F and three derivatives, the solenoid's field and slope; T and mm.
    """
    z = TABLE_LOW_MM + TABLE_STEP_MM * np.arange(TABLE_ROWS, dtype=np.float64)
    coils = [_coil(z - centre, trap) for centre in (trap.lower_mm, trap.upper_mm)]
    low = trap.octupole_centre_mm - trap.octupole_half_length_mm
    high = trap.octupole_centre_mm + trap.octupole_half_length_mm
    ends = [_octupole_end(z - end, trap.octupole_radius_mm) for end in (low, high)]
    octupole = trap.octupole_t / (8 * TRAP_RADIUS_MM**3) * (ends[0] - ends[1])
    return np.ascontiguousarray(np.concatenate([*coils, octupole, _solenoid(z)]).T)


def _coil(x: FloatArray, trap: Trap) -> FloatArray:
    """Axial field of a sheet with unit field at its centre, and six derivatives (7, n)."""
    half, radius = trap.coil_length_mm / 2, trap.coil_radius_mm
    peak = 2 * half / np.hypot(half, radius)
    return np.asarray((_edge(x + half, radius) - _edge(x - half, radius)) / peak)


def _edge(x: FloatArray, a: float) -> FloatArray:
    """x / sqrt(x^2 + a^2) and its six derivatives: one end of a current sheet of radius a."""
    s, c = x * x, a * a
    q = s + c
    parts = [
        x / np.sqrt(q),
        c * q**-1.5,
        -3 * c * x * q**-2.5,
        c * (12 * s - 3 * c) * q**-3.5,
        c * x * (45 * c - 60 * s) * q**-4.5,
        c * (45 * c * c - 540 * c * s + 360 * s * s) * q**-5.5,
        c * x * (6300 * c * s - 1575 * c * c - 2520 * s * s) * q**-6.5,
    ]
    return np.stack(parts)


def _octupole_end(x: FloatArray, a: float) -> FloatArray:
    """Share of the full gradient, -1 to 1, at x from the end of straight conductors at radius a,
    and three derivatives: the normalised integral of (a^2 + x^2)^(-9/2)."""
    s, c = x / np.hypot(x, a), a * a / (x * x + a * a)
    share = 2.1875 * s * (1 - s**2 + 0.6 * s**4 - s**6 / 7)
    second = -19.6875 / a**2
    parts = [
        share, 2.1875 / a * c**4.5, second * s * c**5, second / a * c**5.5 * (c - 10 * s * s)
    ]  # fmt: skip
    return np.stack(parts)


def _solenoid(z: FloatArray) -> FloatArray:
    """The map's field on the axis and its slope (2, n): flat within 600 mm, monotone cubics between
    the published heights beyond, so that the map's rounding makes no wells."""
    rows = field_table()
    known = rows[rows[:, 0] >= _FLAT_MM]
    curve = PchipInterpolator(known[:, 0], known[:, 1])
    height = np.maximum(np.abs(z), _FLAT_MM)
    slope = np.where(np.abs(z) > _FLAT_MM, curve.derivative()(height) * np.sign(z), 0.0)
    return np.stack([curve(height), slope])


@kernel
def field_and_gradient(
    table: FloatArray, low: float, high: float, x: float, y: float, z: float
) -> tuple[float, float, float, float]:
    """|B| (T) and its gradient (T/mm) at a point (mm); `low` and `high` are the strengths of the
    mirrors A and G. Between nodes of the table by Taylor series, beyond it as at its end."""
    k = min(max(int((z - TABLE_LOW_MM) / TABLE_STEP_MM + 0.5), 0), table.shape[0] - 1)
    d = min(max(z - TABLE_LOW_MM - k * TABLE_STEP_MM, -TABLE_STEP_MM), TABLE_STEP_MM)
    t = table[k]
    b6 = low * t[6] + high * t[13]
    b5 = low * t[5] + high * t[12]
    b4 = low * t[4] + high * t[11]
    b3 = low * t[3] + high * t[10]
    b2 = low * t[2] + high * t[9]
    b1 = low * t[1] + high * t[8]
    b0 = low * t[0] + high * t[7]
    b0 += d * (b1 + d / 2 * (b2 + d / 3 * (b3 + d / 4 * (b4 + d / 5 * b5))))
    b1 += d * (b2 + d / 2 * (b3 + d / 3 * (b4 + d / 4 * b5)))
    b2 += d * (b3 + d / 2 * (b4 + d / 3 * b5))
    b3 += d * (b4 + d / 2 * (b5 + d / 3 * b6))
    b4 += d * (b5 + d / 2 * b6)
    b5 += d * b6
    g0 = t[14] + d * (t[15] + d / 2 * (t[16] + d / 3 * t[17]))
    g1 = t[15] + d * (t[16] + d / 2 * t[17])
    g2 = t[16] + d * t[17]
    rho = x * x + y * y
    q = t[18] + d * t[19] + b0 + rho * (rho * b4 / 64 - b2 / 4)
    q_z = t[19] + b1 + rho * (rho * b5 / 64 - b3 / 4)
    p, p_z = rho * b3 / 16 - b1 / 2, rho * b4 / 16 - b2 / 2
    q_rho, p_rho = rho * b4 / 32 - b2 / 4, b3 / 16
    # powers of x + iy: real and imaginary parts
    c2, s2 = x * x - y * y, 2 * x * y
    c3, s3 = x * c2 - y * s2, x * s2 + y * c2
    c4 = c2 * c2 - s2 * s2
    bx, by, bz = x * p + 4 * g0 * c3, y * p - 4 * g0 * s3, q + g1 * c4
    xx = p + 2 * x * x * p_rho + 12 * g0 * c2
    yy = p + 2 * y * y * p_rho - 12 * g0 * c2
    xy = 2 * x * y * p_rho - 12 * g0 * s2
    zx, zy = 2 * x * q_rho + 4 * g1 * c3, 2 * y * q_rho - 4 * g1 * s3
    xz, yz, zz = x * p_z + 4 * g1 * c3, y * p_z - 4 * g1 * s3, q_z + g2 * c4
    size = np.sqrt(bx * bx + by * by + bz * bz)
    over = 1 / size
    return (
        size,
        (bx * xx + by * xy + bz * zx) * over,
        (bx * xy + by * yy + bz * zy) * over,
        (bx * xz + by * yz + bz * zz) * over,
    )


@kernel
def _fill(table: FloatArray, low: float, high: float, at: FloatArray, out: FloatArray) -> None:
    for k in range(at.shape[0]):
        found = field_and_gradient(table, low, high, at[k, 0], at[k, 1], at[k, 2])
        for j in range(4):
            out[k, j] = found[j]


def mirror_strengths(trap: Trap, common_t: float, bias_g: float) -> tuple[float, float]:
    """Strengths of A and G (T, each coil's own field at its centre) for which the field on the axis
    at their centres, solenoid and other coil included, is that of the solenoid at z = 0 plus
    `common_t`, plus (A) and minus (G) half of the bias."""
    table = axial_table(trap)
    centres = np.array([[0, 0, trap.lower_mm], [0, 0, trap.upper_mm]], np.float64)
    columns = np.empty((3, 2, 4))
    for row, (low, high) in zip(columns, ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)), strict=True):
        _fill(table, low, high, centres, row)
    alone = columns[0, :, 0]
    matrix = (columns[1:, :, 0] - alone).T
    wanted = _solenoid(np.zeros(1))[0, 0] + common_t + np.array([0.5, -0.5]) * trap.bias_t(bias_g)
    low, high = np.linalg.solve(matrix, wanted - alone)
    return float(low), float(high)


def field_at(trap: Trap, points_mm: ArrayLike, low_t: float, high_t: float) -> FloatArray:
    """|B| (T) and its gradient (T/mm), columns of (n, 4), at points (n, 3)."""
    points = np.ascontiguousarray(np.atleast_2d(np.asarray(points_mm, np.float64)))
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"points of shape {points.shape}: give (n, 3), mm")
    out = np.empty((len(points), 4))
    _fill(axial_table(trap), low_t, high_t, points, out)
    return out


def well_of(trap: Trap, bias_g: float, a_g: float, common_t: float | None = None) -> Well:
    """Bottom and depths of the well, gravity included. Raises `InputError` if there is none."""
    strengths = mirror_strengths(trap, trap.mirror_t if common_t is None else common_t, bias_g)
    z = np.arange(trap.lower_mm - 40, trap.upper_mm + 40, 0.5)
    axis = field_at(trap, np.stack([0 * z, 0 * z, z], 1), *strengths)[:, 0]
    axis = axis + a_g * TESLA_PER_MM * z
    inside = np.flatnonzero((z > trap.lower_mm) & (z < trap.upper_mm))
    place = inside[np.argmin(axis[inside])]
    bottom = float(axis[place])
    saddle = min(float(axis[:place].max()), float(axis[place:].max()))
    wall = float(_wall(trap, z[inside], strengths, a_g).min())
    if saddle <= bottom or wall <= bottom:
        raise InputError(f"trap without a well at bias {bias_g} g, a_g {a_g} g: give more field")
    return Well(bottom, saddle - bottom, wall - bottom)


def _wall(trap: Trap, z: FloatArray, strengths: tuple[float, float], a_g: float) -> FloatArray:
    """Energies on the wall between the coils, at the azimuths of the octupole's poles and gaps."""
    parts = [
        np.stack([0 * z + TRAP_RADIUS_MM * np.cos(phi), 0 * z + TRAP_RADIUS_MM * np.sin(phi), z], 1)
        for phi in np.arange(4) * np.pi / 8
    ]
    fields = [field_at(trap, part, *strengths)[:, 0] for part in parts]
    return np.asarray(np.concatenate([f + a_g * TESLA_PER_MM * z for f in fields]))


def coil_field(
    radius_mm: float, length_mm: float, r_mm: ArrayLike, z_mm: ArrayLike, loops: int = 200
) -> tuple[FloatArray, FloatArray]:
    """(B_r, B_z) of a current sheet of unit field at its centre, from loops by complete elliptic
    integrals: the reference for the expansion about the axis.

    Shapes of `r_mm` and `z_mm` (from the coil's centre) are those of the results.
    """
    r, z = np.broadcast_arrays(np.asarray(r_mm, np.float64), np.asarray(z_mm, np.float64))
    b_r, b_z, centre = np.zeros(r.shape), np.zeros(r.shape), 0.0
    for place in (np.arange(loops) + 0.5) / loops * length_mm - length_mm / 2:
        part_r, part_z = _loop(radius_mm, r, z - place)
        b_r, b_z = b_r + part_r, b_z + part_z
        centre += radius_mm**2 / (radius_mm**2 + place**2) ** 1.5
    return b_r / centre, b_z / centre


def _loop(a: float, r: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Field of a loop of radius a, times 2 / (mu_0 I): a^2 / (a^2 + z^2)^1.5 on its axis."""
    outer, inner = (a + r) ** 2 + z**2, (a - r) ** 2 + z**2
    k, e = ellipk(4 * a * r / outer), ellipe(4 * a * r / outer)
    scale = 1 / (np.pi * np.sqrt(outer))
    b_z = scale * (k + (a**2 - r**2 - z**2) / inner * e)
    near = np.where(r > 0, r, 1.0)
    b_r = np.where(r > 0, scale * z / near * ((a**2 + r**2 + z**2) / inner * e - k), 0.0)
    return np.asarray(b_r), np.asarray(b_z)

# mypy: disable-error-code="no-any-return"
"""Photon interactions: tables for a stack of materials, and sampling of every process.

Everything a photon does in matter between 1 keV and 3 MeV, as numba functions on `PhotonTables`.
Energies in keV, lengths in mm, angles by their cosine. Random numbers come from the generator
passed in, so that one seed reproduces a run.

Cross sections: XCOM (see `matter`). Incoherent scattering: Klein-Nishina times the scattering
function S, Doppler broadened with the Compton profile of the material (impulse approximation,
Ribberfors and Berggren, Phys. Rev. A 26 (1982) 3325). Coherent scattering: Thomson times the
squared form factor. S and F of EPDL97, profiles of Biggs et al. (1975), K-shell data of
xraylib 4.3.0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from blackett.gamma.phototables import (
    COHERENT,
    ELECTRON_MASS_KEV,
    FINE_STRUCTURE,
    HC_KEV_ANGSTROM,
    INCOHERENT,
    PAIR,
    PHOTOELECTRIC,
    R_E_SQUARED_BARN,
    PhotonTables,
    klein_nishina_barn,
    photon_tables,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from blackett.arrays import FloatArray

__all__ = [
    "COHERENT",
    "ELECTRON_MASS_KEV",
    "FINE_STRUCTURE",
    "HC_KEV_ANGSTROM",
    "INCOHERENT",
    "PAIR",
    "PHOTOELECTRIC",
    "R_E_SQUARED_BARN",
    "PhotonTables",
    "coefficient",
    "coherent_per_sr",
    "compton_energy",
    "compton_per_sr",
    "k_vacancy",
    "locate",
    "pair_electron_kev",
    "photon_tables",
    "rotated",
    "sample_coherent",
    "sample_compton",
    "sample_process",
    "total_per_mm",
]


# ------------------------------------------------------------------------------------ coefficients


@njit(cache=True, error_model="numpy")
def locate(tables: PhotonTables, energy_kev: float) -> tuple[int, float]:
    """Grid index and fraction of an energy, clamped to the tabulated range."""
    grid = tables.ln_energy
    x = math.log(energy_kev)
    step = int((x - grid[0]) * tables.per_step)
    if step < 0:
        return 0, 0.0
    if step >= len(tables.start) - 1:
        return len(grid) - 2, 1.0
    i = tables.start[step]
    while grid[i + 1] <= x and i < len(grid) - 2:
        i += 1
    return i, min(max((x - grid[i]) / (grid[i + 1] - grid[i]), 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def total_per_mm(tables: PhotonTables, material: int, i: int, f: float) -> float:
    """Total attenuation coefficient at a located energy."""
    row = tables.total[material]
    return row[i] + f * (row[i + 1] - row[i])


@njit(cache=True, error_model="numpy")
def coefficient(tables: PhotonTables, material: int, process: int, i: int, f: float) -> float:
    """Coefficient of one process in 1/mm at a located energy."""
    row = tables.coefficient[material, process]
    return row[i] + f * (row[i + 1] - row[i])


@njit(cache=True, error_model="numpy")
def sample_process(tables: PhotonTables, material: int, i: int, f: float, rng: Generator) -> int:
    """One of PHOTOELECTRIC, INCOHERENT, COHERENT, PAIR."""
    left = rng.random() * total_per_mm(tables, material, i, f)
    for process in range(3):
        left -= coefficient(tables, material, process, i, f)
        if left < 0.0:
            return process
    return PAIR if tables.coefficient[material, PAIR, i] > 0.0 else INCOHERENT


# ------------------------------------------------------------------------------------ differential


@njit(cache=True, error_model="numpy")
def compton_energy(energy_kev: float, cos: float) -> float:
    """Energy after scattering off a free electron at rest."""
    return energy_kev / (1.0 + energy_kev / ELECTRON_MASS_KEV * (1.0 - cos))


@njit(cache=True, error_model="numpy")
def _at_x(ln_x: FloatArray, values: FloatArray, x: float) -> float:
    """Linear in ln x, held constant outside the nodes."""
    if x <= 0.0:
        return values[0]
    place = (math.log(x) - ln_x[0]) / (ln_x[1] - ln_x[0])
    if place <= 0.0:
        return values[0]
    i = int(place)
    if i >= len(values) - 1:
        return values[-1]
    return values[i] + (place - i) * (values[i + 1] - values[i])


@njit(cache=True, error_model="numpy")
def _scattering_at(tables: PhotonTables, material: int, x: float) -> float:
    """Summed S at a momentum transfer; it falls as x^2 below the first node."""
    first = math.exp(tables.ln_x[0])
    low = min(x / first, 1.0)
    return _at_x(tables.ln_x, tables.scattering[material], x) * low * low


@njit(cache=True, error_model="numpy")
def compton_per_sr(tables: PhotonTables, material: int, energy_kev: float, cos: float) -> float:
    """Incoherent coefficient per mm and steradian, normalised to the tabulated total."""
    i, _ = locate(tables, energy_kev)
    x = energy_kev / HC_KEV_ANGSTROM * math.sqrt(max(0.5 * (1.0 - cos), 0.0))
    scale = tables.incoherent_scale[material, i]
    return scale * klein_nishina_barn(energy_kev, cos) * _scattering_at(tables, material, x)


@njit(cache=True, error_model="numpy")
def coherent_per_sr(tables: PhotonTables, material: int, energy_kev: float, cos: float) -> float:
    """Coherent coefficient per mm and steradian, normalised to the tabulated total."""
    i, _ = locate(tables, energy_kev)
    x = energy_kev / HC_KEV_ANGSTROM * math.sqrt(max(0.5 * (1.0 - cos), 0.0))
    form = _at_x(tables.ln_x, tables.form[material], x)
    thomson = 0.5 * R_E_SQUARED_BARN * (1.0 + cos * cos)
    return tables.coherent_scale[material, i] * thomson * form


# ---------------------------------------------------------------------------------------- sampling


@njit(cache=True, error_model="numpy")
def _klein_nishina_cosine(energy_kev: float, rng: Generator) -> float:
    """Composition and rejection (J. C. Butcher and H. Messel, Nucl. Phys. 20 (1960) 15)."""
    a = energy_kev / ELECTRON_MASS_KEV
    low = 1.0 / (1.0 + 2.0 * a)
    log_part, square_part = -math.log(low), 0.5 * (1.0 - low * low)
    while True:
        if rng.random() * (log_part + square_part) < log_part:
            ratio = math.exp(-log_part * rng.random())
        else:
            ratio = math.sqrt(low * low + (1.0 - low * low) * rng.random())
        one_minus_cos = (1.0 - ratio) / (ratio * a)
        sin2 = one_minus_cos * (2.0 - one_minus_cos)
        if rng.random() < 1.0 - ratio * sin2 / (1.0 + ratio * ratio):
            return 1.0 - one_minus_cos


@njit(cache=True, error_model="numpy")
def _doppler_ratio(k: float, cos: float, p: float) -> float:
    """E'/E for k = E/E'(free) and projected momentum p (m_e c), in the impulse approximation.

    Solves k r - 1 = p sqrt(1 + r^2 - 2 r cos) for r.
    """
    p2 = p * p
    root = abs(p) * math.sqrt(max(1.0 - 2.0 * k * cos + k * k - p2 * (1.0 - cos * cos), 0.0))
    return (k - p2 * cos + math.copysign(root, p)) / (k * k - p2)


@njit(cache=True, error_model="numpy")
def sample_compton(
    tables: PhotonTables, material: int, energy_kev: float, rng: Generator
) -> tuple[float, float]:
    """Scattered energy (keV) and cosine of the scattering angle."""
    x_max = energy_kev / HC_KEV_ANGSTROM
    highest = _scattering_at(tables, material, x_max)
    while True:
        cos = _klein_nishina_cosine(energy_kev, rng)
        x = x_max * math.sqrt(max(0.5 * (1.0 - cos), 0.0))
        if rng.random() * highest <= _scattering_at(tables, material, x):
            break
    k = energy_kev / compton_energy(energy_kev, cos)
    while True:
        u = rng.random()
        i = int(np.searchsorted(tables.profile_integral[material], u))
        p = tables.momenta[max(i - 1, 0)] + rng.random() * (tables.momenta[1] - tables.momenta[0])
        ratio = _doppler_ratio(k, cos, p if rng.random() < 0.5 else -p)
        if 0.0 < ratio < 1.0:
            return ratio * energy_kev, cos


@njit(cache=True, error_model="numpy")
def sample_coherent(
    tables: PhotonTables, material: int, energy_kev: float, rng: Generator
) -> float:
    """Cosine of the coherent scattering angle."""
    integral = tables.form_integral[material]
    x2_max = (energy_kev / HC_KEV_ANGSTROM) ** 2
    top = _integral_at(tables, integral, x2_max)
    while True:
        cos = 1.0 - 2.0 * _integral_inverse(tables, integral, rng.random() * top) / x2_max
        cos = max(cos, -1.0)
        if rng.random() < 0.5 * (1.0 + cos * cos):
            return cos


@njit(cache=True, error_model="numpy")
def _integral_at(tables: PhotonTables, integral: FloatArray, x2: float) -> float:
    x = 0.5 * math.log(x2)
    i = int((x - tables.ln_x[0]) / (tables.ln_x[1] - tables.ln_x[0]))
    if x <= tables.ln_x[0]:
        return integral[0] * x2 / math.exp(2.0 * tables.ln_x[0])
    if i >= len(integral) - 1:
        return integral[-1]
    low, high = math.exp(2.0 * tables.ln_x[i]), math.exp(2.0 * tables.ln_x[i + 1])
    return integral[i] + (integral[i + 1] - integral[i]) * (x2 - low) / (high - low)


@njit(cache=True, error_model="numpy")
def _integral_inverse(tables: PhotonTables, integral: FloatArray, value: float) -> float:
    """x^2 at which the integral reaches the value."""
    i = np.searchsorted(integral, value)
    if i == 0:
        return math.exp(2.0 * tables.ln_x[0]) * value / integral[0]
    low, high = math.exp(2.0 * tables.ln_x[i - 1]), math.exp(2.0 * tables.ln_x[i])
    return low + (high - low) * (value - integral[i - 1]) / (integral[i] - integral[i - 1])


@njit(cache=True, error_model="numpy")
def k_vacancy(
    tables: PhotonTables, material: int, energy_kev: float, rng: Generator
) -> tuple[float, float]:
    """After photoelectric absorption: binding energy of the shell (keV), and the energy of the K
    X-ray that follows, 0 if none.

    Outer shells bind with 0.14 of the K edge (the L edges of Z = 30 to 60 lie at 0.12 to 0.16);
    their relaxation is taken as local. The K share rises from the edge towards a limit as
    limit - (limit - edge)/u, u = E/E_K, which meets Kissel's values within 0.3 %.
    """
    i, _ = locate(tables, energy_kev)
    entry, last = tables.element_start[material], tables.element_start[material + 1] - 1
    u = rng.random()
    while entry < last and tables.photo_share[entry, i] < u:
        entry += 1
    edge, at_edge, limit, k_yield = tables.k_shell[entry]
    share = limit - (limit - at_edge) * edge / energy_kev
    if energy_kev <= edge or edge == 0.0 or rng.random() > share:
        return min(0.14 * edge, 0.5 * energy_kev), 0.0
    if rng.random() > k_yield:
        return edge, 0.0
    line, u = 0, rng.random()
    while line < 3 and tables.k_lines[entry, line, 1] < u:
        line += 1
    return edge, tables.k_lines[entry, line, 0]


@njit(cache=True, error_model="numpy")
def _pair_shape(energy: float, positron: float) -> float:
    """Bethe-Heitler share of the positron's total energy, unscreened Born approximation.

    All energies in units of m_e c^2; arbitrary scale (H. Bethe, W. Heitler, Proc. Roy. Soc. A 146
    (1934) 83, equation 21).
    """
    electron = energy - positron
    if positron <= 1.0 or electron <= 1.0:
        return 0.0
    pp, pm = math.sqrt(positron * positron - 1.0), math.sqrt(electron * electron - 1.0)
    lp, lm = 2.0 * math.log(positron + pp), 2.0 * math.log(electron + pm)
    ee, qq = positron * electron, pp * pm
    big = 2.0 * math.log((ee + qq + 1.0) / energy)
    first = -4.0 / 3.0 - 2.0 * ee * (pp * pp + pm * pm) / (qq * qq)
    second = lm * positron / pm**3 + lp * electron / pp**3 - lp * lm / qq
    third = energy * energy / qq**3 * (ee * ee + qq * qq) - 8.0 / 3.0 * ee / qq
    fourth = (ee - pp * pp) / pp**3 * lp + (ee - pm * pm) / pm**3 * lm + 2.0 * energy * ee / qq**2
    return qq / energy**3 * (first + second + big * (third - 0.5 * energy / qq * fourth))


@njit(cache=True, error_model="numpy")
def pair_electron_kev(energy_kev: float, rng: Generator) -> float:
    """Kinetic energy of the electron of a pair; the positron has the rest above 1022 keV."""
    energy = energy_kev / ELECTRON_MASS_KEV
    free = energy - 2.0
    highest = 0.0
    for i in range(1, 8):
        highest = max(highest, _pair_shape(energy, 1.0 + free * i / 8.0))
    while True:
        share = rng.random()
        if rng.random() * 1.1 * highest < _pair_shape(energy, 1.0 + free * share):
            return (1.0 - share) * free * ELECTRON_MASS_KEV


@njit(cache=True, error_model="numpy")
def rotated(u: float, v: float, w: float, cos: float, phi: float) -> tuple[float, float, float]:
    """The unit vector (u, v, w) turned by an angle (its cosine) at azimuth phi."""
    sin = math.sqrt(max(1.0 - cos * cos, 0.0))
    a, b = sin * math.cos(phi), sin * math.sin(phi)
    across = math.sqrt(u * u + v * v)
    if across < 1e-8:
        return a, b, math.copysign(cos, w * cos)
    return (
        u * cos + (a * u * w - b * v) / across,
        v * cos + (a * v * w + b * u) / across,
        w * cos - a * across,
    )

"""Cosmic muons: the flux that the collaboration uses, and muons that cross the apparatus.

J(p, theta) = 1600 (p + 2.68)^-3.175 p^0.279 cos^n(theta) per m2 s sr GeV/c with p in GeV/c from
0.01 to 1000 and n = max(0.1, 2.856 - 0.655 ln p): Bonechi et al. (ADAMO data), as in EcoMug (D.
Pagano et al., NIM A 1014 (2021) 165732). theta is the angle to the vertical, which is the trap
axis.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.geometry.dimensions import (
    BAR_HALF_LENGTH_MM,
    CHAMBER_HALF_LENGTH_MM,
    PADS_RADIUS_MM,
    WORLD_RADIUS_MM,
)
from blackett.alphag.gun.records import Primaries
from blackett.alphag.particles import MUON_MINUS, MUON_PLUS
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["cosmic_muons", "muon_flux", "muon_rate_hz"]

CHARGE_RATIO: Final = 1.27
"""mu+ / mu- at sea level, a few GeV (Particle Data Group, cosmic rays)."""
_MOMENTUM_GEV = (0.01, 1000.0)
_LOG_MOMENTUM = (float(np.log(_MOMENTUM_GEV[0])), float(np.log(_MOMENTUM_GEV[1])))
_CELLS = (600, 400)
_ENTRY_RADIUS_MM = WORLD_RADIUS_MM - 1e-3


def muon_flux(momentum_gev: FloatArray, cos_zenith: FloatArray) -> FloatArray:
    """Muons per m2 s sr GeV/c; zero outside 0.01-1000 GeV/c and below the horizon."""
    p = np.clip(momentum_gev, *_MOMENTUM_GEV)
    inside = (p == momentum_gev) & (np.asarray(cos_zenith) > 0)
    power = np.maximum(0.1, 2.856 - 0.655 * np.log(p))
    flux = 1600 * (p + 2.68) ** -3.175 * p**0.279 * np.clip(cos_zenith, 1e-12, 1) ** power
    return np.asarray(np.where(inside, flux, 0.0))


def muon_rate_hz(
    radius_mm: float = PADS_RADIUS_MM, half_length_mm: float = CHAMBER_HALF_LENGTH_MM
) -> float:
    """Muons per second that cross an upright cylinder in the open."""
    if not (radius_mm > 0 and half_length_mm > 0):
        raise InputError(f"cylinder of {radius_mm} by {half_length_mm} mm: give two lengths > 0")
    return float(_crossing_table(radius_mm, half_length_mm).sum())


def cosmic_muons(
    n: int, rng: np.random.Generator, *, charge_ratio: float = CHARGE_RATIO
) -> Primaries:
    """n muons entering the cold bore (r 250 mm, |z| < 1300 mm), one an event, at time 0.

    They come at `muon_rate_hz(250, 1300)`. Raises `InputError` for a charge ratio below 0.
    """
    if not charge_ratio >= 0:
        raise InputError(f"charge ratio {charge_ratio}: give a number >= 0 (mu+ per mu-)")
    momentum_gev, cos = _drawn(n, rng)
    phi = rng.uniform(0, 2 * np.pi, n)
    sin = np.sqrt(1 - cos**2)
    direction = np.stack([sin * np.cos(phi), sin * np.sin(phi), -cos], axis=1)
    positive = rng.random(n) * (1 + charge_ratio) < charge_ratio
    return Primaries(
        n,
        np.arange(n),
        np.where(positive, MUON_PLUS, MUON_MINUS),
        _entry_points(cos, phi, rng),
        1000 * momentum_gev[:, None] * direction,
        np.zeros(n),
    )


def _edges() -> tuple[FloatArray, FloatArray]:
    return np.linspace(*_LOG_MOMENTUM, _CELLS[0] + 1), np.linspace(0, 1, _CELLS[1] + 1)


@cache
def _crossing_table(radius_mm: float, half_length_mm: float) -> FloatArray:
    """Rate (Hz) in cells of ln p and cos theta through the projected area of the cylinder."""
    log_p, cos = _edges()
    p = np.exp((log_p[1:] + log_p[:-1]) / 2)[:, None]
    c = ((cos[1:] + cos[:-1]) / 2)[None, :]
    top, side = _projected_m2(radius_mm, half_length_mm, c)
    cell = 2 * np.pi * (cos[1] - cos[0]) * (log_p[1] - log_p[0]) * p
    return np.asarray(muon_flux(p, c) * (top + side) * cell)


def _projected_m2(
    radius_mm: float, half_length_mm: float, cos: FloatArray
) -> tuple[FloatArray, FloatArray]:
    top = np.pi * (radius_mm / 1000) ** 2 * cos
    return top, 4 * radius_mm * half_length_mm / 1e6 * np.sqrt(1 - cos**2)


def _drawn(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Momenta (GeV/c) and cosines of muons into the cold bore: a cell, then a place in it."""
    table = _crossing_table(WORLD_RADIUS_MM, BAR_HALF_LENGTH_MM)
    cdf = np.cumsum(table.ravel())
    cell = np.searchsorted(cdf, rng.random(n) * cdf[-1], side="right")
    row, column = np.unravel_index(np.minimum(cell, cdf.size - 1), table.shape)
    log_p, cos = _edges()
    p = np.exp(log_p[row] + rng.random(n) * (log_p[1] - log_p[0]))
    return p, cos[column] + rng.random(n) * (cos[1] - cos[0])


def _entry_points(cos: FloatArray, phi: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Uniform over the face of the cold bore that a direction sees."""
    n = cos.size
    top, side = _projected_m2(WORLD_RADIUS_MM, BAR_HALF_LENGTH_MM, cos)
    on_top = rng.random(n) * (top + side) < top
    r = np.where(on_top, _ENTRY_RADIUS_MM * np.sqrt(rng.random(n)), _ENTRY_RADIUS_MM)
    facing = phi + np.pi + np.arcsin(rng.uniform(-1, 1, n))
    angle = np.where(on_top, rng.uniform(0, 2 * np.pi, n), facing)
    z = np.where(on_top, BAR_HALF_LENGTH_MM, rng.uniform(-1, 1, n) * BAR_HALF_LENGTH_MM)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=1)

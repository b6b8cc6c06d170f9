"""Flatness in azimuth: Fourier amplitudes of the vertices' azimuth and Rayleigh's test.

A dead sector, a displaced trap or a twisted Lorentz correction that goes with azimuth makes low
harmonics. Atoms that leave upwards show a true fourfold structure, that of the octupole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.validate.records import Finding, unknown
from blackett.alphag.validate.ring import ZONES, chosen
from blackett.report import Estimate

if TYPE_CHECKING:
    from blackett.alphag.validate.records import Found
    from blackett.arrays import FloatArray

__all__ = ["HARMONICS", "amplitude", "azimuth_findings", "azimuths", "rayleigh_p"]

HARMONICS: Final = (1, 2, 4, 8)
LEAST: Final = 100
"""Vertices that a test needs."""
_EXPECTED = {
    1: "0, unless the trap is off the chamber's axis or a side is blind",
    4: "0; released atoms going up show the octupole's structure",
}


def amplitude(phi_rad: FloatArray, harmonic: int) -> FloatArray:
    """Relative amplitude a of 1 + a cos(n phi - psi): twice the length of the mean of exp(i n phi),
    over the last axis."""
    return np.asarray(2 * np.abs(np.exp(1j * harmonic * phi_rad).mean(axis=-1)))


def rayleigh_p(phi_rad: FloatArray, harmonic: int) -> float:
    """Probability that flat azimuths give an amplitude as large: exp(-N a^2 / 4), with the next
    order in 1/N (Mardia and Jupp, Directional Statistics, 6.3)."""
    n = phi_rad.size
    k = n * float(amplitude(phi_rad, harmonic)) ** 2 / 4
    correction = 1 + (2 * k - k * k) / (4 * n)
    return float(np.clip(np.exp(-k) * correction, 0.0, 1.0)) if k < 50 else float(np.exp(-k))


def azimuths(found: Found, inside: np.ndarray) -> FloatArray:
    """Azimuths (rad) of some vertices."""
    x, y = found.position_mm[inside, 0], found.position_mm[inside, 1]
    return np.asarray(np.arctan2(y, x))


def azimuth_findings(found: Found) -> list[Finding]:
    """Amplitude and Rayleigh's p of each harmonic in the zones of z."""
    return [
        _harmonic(found.method, zone.name, azimuths(found, chosen(found, zone)), n)
        for zone in ZONES
        for n in HARMONICS
    ]


def _harmonic(method: str, where: str, phi: FloatArray, n: int) -> Finding:
    """The interval is the error of either component, sqrt(2 / N), cut at 0."""
    expected = _EXPECTED.get(n, "0")
    head = ("azimuth", f"amplitude_{n}", where, method, phi.size)
    if phi.size < LEAST:
        return unknown(*head, expected, f"{phi.size} vertices: a test needs {LEAST}")
    value, error = float(amplitude(phi, n)), float(np.sqrt(2 / phi.size))
    estimate = Estimate(value, max(value - error, 0.0), value + error)
    chance = np.sqrt(np.pi / phi.size)  # mean of the amplitude where all is flat
    note = f"flat azimuths give {chance:.3f} on average"
    return Finding(*head, estimate, expected, note, rayleigh_p(phi, n))

"""The particles of the simulation: masses, charges, lifetimes and decays, from the Particle Data
Group.

Particles are named by their PDG Monte Carlo numbers. Neutrons and neutrinos are not followed; eta,
omega and kaons are not made, for the published channel table has pions only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.constants import ELECTRON_MEV
from blackett.errors import InputError

__all__ = [
    "DALITZ_SHARE",
    "ELECTRON",
    "ELECTRON_MEV",
    "MUON_MEV",
    "MUON_MINUS",
    "MUON_PLUS",
    "NUCLEON_MEV",
    "PARTICLES",
    "PHOTON",
    "PION_MEV",
    "PION_ZERO_MEV",
    "PI_MINUS",
    "PI_PLUS",
    "PI_ZERO",
    "POSITRON",
    "PROTON",
    "PROTON_MEV",
    "SPEED_OF_LIGHT_MM_NS",
    "Particle",
    "charge_of",
    "lifetime_mm_of",
    "mass_of",
    "particle",
]

SPEED_OF_LIGHT_MM_NS: Final = 299.792458
MUON_MEV: Final = 105.6583755
PION_MEV: Final = 139.57039
PION_ZERO_MEV: Final = 134.9768
PROTON_MEV: Final = 938.27209
NUCLEON_MEV: Final = 938.918754
"""Mean of proton and neutron."""
PHOTON: Final = 22
ELECTRON: Final = 11
POSITRON: Final = -11
MUON_MINUS: Final = 13
MUON_PLUS: Final = -13
PI_PLUS: Final = 211
PI_MINUS: Final = -211
PI_ZERO: Final = 111
PROTON: Final = 2212
DALITZ_SHARE: Final = 0.01174
"""pi0 -> e+ e- gamma; the rest is taken as two photons."""
_PION_CTAU_MM: Final = 7804.5
_MUON_CTAU_MM: Final = 658638.0


@dataclass(frozen=True)
class Particle:
    """A particle: PDG number, mass, charge in units of e, mean life (infinite if stable)."""

    name: str
    pdg: int
    mass_mev: float
    charge: int
    lifetime_ns: float
    decay: str


_INFINITE = float("inf")
PARTICLES: Final = (
    Particle("photon", PHOTON, 0.0, 0, _INFINITE, ""),
    Particle("electron", ELECTRON, ELECTRON_MEV, -1, _INFINITE, ""),
    Particle("positron", POSITRON, ELECTRON_MEV, 1, _INFINITE, ""),
    Particle("mu-", MUON_MINUS, MUON_MEV, -1, 2196.98, "e- and two neutrinos"),
    Particle("mu+", MUON_PLUS, MUON_MEV, 1, 2196.98, "e+ and two neutrinos"),
    Particle("pi+", PI_PLUS, PION_MEV, 1, 26.033, "mu+ neutrino (99.99 %)"),
    Particle(
        "pi-", PI_MINUS, PION_MEV, -1, 26.033, "mu- neutrino (99.99 %); captured when at rest"
    ),
    Particle("pi0", PI_ZERO, PION_ZERO_MEV, 0, 8.5e-8, "two photons, e+ e- photon (1.174 %)"),
    Particle("proton", PROTON, PROTON_MEV, 1, _INFINITE, ""),
)


def particle(pdg: int) -> Particle:
    """The particle with this PDG number; raises `InputError` with the numbers known."""
    for entry in PARTICLES:
        if entry.pdg == pdg:
            return entry
    known = ", ".join(f"{p.pdg} ({p.name})" for p in PARTICLES)
    raise InputError(f"PDG number {pdg} is not followed here; known: {known}")


@kernel
def mass_of(pdg: int) -> float:
    """Mass in MeV of a particle of `PARTICLES`."""
    kind = abs(pdg)
    if kind == 11:
        return ELECTRON_MEV
    if kind == 13:
        return MUON_MEV
    if kind == 211:
        return PION_MEV
    if kind == 2212:
        return PROTON_MEV
    return PION_ZERO_MEV if kind == 111 else 0.0


@kernel
def charge_of(pdg: int) -> float:
    """Charge in units of e: leptons' PDG numbers are positive for the negative ones."""
    kind = abs(pdg)
    if kind in (22, 111):
        return 0.0
    sign = 1.0 if pdg > 0 else -1.0
    return -sign if kind in (11, 13) else sign


@kernel
def lifetime_mm_of(pdg: int) -> float:
    """c tau in mm; infinite for particles that are stable here."""
    kind = abs(pdg)
    if kind == 211:
        return _PION_CTAU_MM
    return _MUON_CTAU_MM if kind == 13 else float("inf")

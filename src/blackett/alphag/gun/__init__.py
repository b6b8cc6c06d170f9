"""The gun: where atoms annihilate, the particles that come out, and cosmic muons."""

from __future__ import annotations

from blackett.alphag.gun.annihilation import annihilate, annihilate_on_wall
from blackett.alphag.gun.muons import cosmic_muons, muon_flux, muon_rate_hz
from blackett.alphag.gun.nuclei import ALUMINIUM, FREE_PROTON, GOLD, STEEL, Nucleus
from blackett.alphag.gun.records import Primaries, Vertices
from blackett.alphag.gun.vertices import at_points, in_disc, on_wall, released

__all__ = [
    "ALUMINIUM",
    "FREE_PROTON",
    "GOLD",
    "STEEL",
    "Nucleus",
    "Primaries",
    "Vertices",
    "annihilate",
    "annihilate_on_wall",
    "at_points",
    "cosmic_muons",
    "in_disc",
    "muon_flux",
    "muon_rate_hz",
    "on_wall",
    "released",
]

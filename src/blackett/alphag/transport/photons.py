"""Following one photon on its straight line to a conversion, a last Compton scattering, or out."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.geometry.layers import boundary_distance, locate
from blackett.alphag.particles import SPEED_OF_LIGHT_MM_NS
from blackett.alphag.transport.apparatus import Z_SCATTER, Apparatus, electron_threshold
from blackett.alphag.transport.interactions import compton, make_pair
from blackett.alphag.transport.showers import attenuation, energy_node
from blackett.alphag.transport.state import (
    DEPOSIT,
    ENERGY,
    ESCAPED,
    PAIR,
    STOPPED,
    TIME,
    UX,
    UY,
    UZ,
    Scratch,
    X,
    Y,
    Z,
)

if TYPE_CHECKING:
    import numpy as np

    from blackett.arrays import FloatArray

__all__ = ["follow_photon"]

_PUSH_MM = 1e-6


@kernel
def follow_photon(
    world: Apparatus, s: FloatArray, scratch: Scratch, rng: np.random.Generator
) -> int:
    """Follow the photon in `s` to its end and return how it ended; children go to `scratch`."""
    while s[ENERGY] > world.photon:
        node = energy_node(s[ENERGY])
        m = _to_interaction(world, s, node, rng)
        if m < 0:
            return ESCAPED
        pair, scatter = attenuation(world.photons, m, node)
        if rng.random() * (pair + scatter) < pair:
            make_pair(s, world.table[m, Z_SCATTER], scratch, rng)
            return PAIR
        cut = electron_threshold(world, m, s)
        compton(s, cut, scratch, rng)
    s[DEPOSIT] += s[ENERGY]
    s[ENERGY] = 0.0
    return STOPPED


@kernel
def _to_interaction(world: Apparatus, s: FloatArray, node: float, rng: np.random.Generator) -> int:
    """Move to the next interaction; returns the material there, -1 if the photon leaves."""
    depth = -log(1 - rng.random())
    while True:
        i, j = locate(world, s[X], s[Y], s[Z])
        if i < 0:
            return -1
        m = world.material[i, j]
        step = _PUSH_MM + boundary_distance(world, i, j, s[X], s[Y], s[Z], s[UX], s[UY], s[UZ])
        pair, scatter = attenuation(world.photons, m, node)
        total = pair + scatter
        if total * step >= depth:
            _move(s, depth / total)
            return int(m)
        depth -= total * step
        _move(s, step)


@kernel
def _move(s: FloatArray, step: float) -> None:
    s[X] += step * s[UX]
    s[Y] += step * s[UY]
    s[Z] += step * s[UZ]
    s[TIME] += step / SPEED_OF_LIGHT_MM_NS

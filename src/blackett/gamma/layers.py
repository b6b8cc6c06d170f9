"""Shields and surroundings as layers between an emitted photon and the detector.

A layer transmits what reaches it, exp(-mu t) exactly, and adds what it scatters, from the kernels
of `blackett.gamma.kernels`: between tabulated slabs interpolated in thickness, in units of
depth x exp(-depth), which varies slowly; between tabulated distances in their logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.gamma.kernels import (
    BINS,
    LOWEST_KEV,
    Fluence,
    centres_kev,
    interpolate,
    kernel,
    kernel_names,
    sharp_lines_kev,
)
from blackett.gamma.matter import attenuation_per_mm, material

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.arrays import FloatArray

__all__ = [
    "SHIELD_MATERIALS",
    "SURROUNDINGS",
    "Layer",
    "bare",
    "check_shield",
    "pass_through",
    "shield_layer",
    "surroundings_layer",
]

SURROUNDINGS = ("open", "bench", "desk", "floor", "room")
"""In order: air alone; a wooden bench with a concrete floor and a wall; the same with 20 mm of
water right behind the source; both on a concrete floor; a bench in a concrete room."""

SHIELD_MATERIALS = {
    **{m: m for m in ("polyethylene", "aluminium", "iron", "tin", "tungsten", "lead")},
    **dict.fromkeys(("water", "acrylic", "abs", "ptfe", "wood", "tissue"), "polyethylene"),
    **dict.fromkeys(
        ("glass", "concrete", "ceramic", "granite", "soil", "brick", "plasterboard"), "aluminium"
    ),
    **dict.fromkeys(("steel", "stainless steel", "copper", "brass"), "iron"),
    "cadmium": "tin",
}
"""Materials allowed in a shield, with the tabulated one whose scatter they share at equal electrons
per area. Their direct transmission is always their own."""


@dataclass(frozen=True)
class Layer:
    """What one layer (a shield, the surroundings) makes of photons on their way to the detector.

    `transmission(energies)` is the direct part (L,), `scatter(energies)` the `Fluence` of a unit
    incident fluence at each energy.
    """

    transmission: Callable[[FloatArray], FloatArray]
    scatter: Callable[[FloatArray], Fluence]


def pass_through(layer: Layer, incoming: Fluence) -> Fluence:
    """Fluence behind a layer: every part of the incoming one transmitted or scattered once more.

    Continuum below LOWEST_KEV is absorbed. The obliquity is that of all indirect parts, each with
    the directions it had when it was last scattered.
    """
    transmitted = layer.transmission(incoming.energy_kev)
    lines = layer.scatter(incoming.energy_kev)
    at_line = incoming.direct + incoming.coherent
    coherent = incoming.coherent * transmitted + at_line * lines.coherent
    scattered = at_line[:, None] * lines.scattered
    sharp = at_line[:, None] * lines.sharp
    fresh = at_line * lines.indirect
    if incoming.scattered.any() or incoming.sharp.any():
        down, glow = _bin_matrices(layer)
        kept, sharp_down, sharp_glow = _sharp_matrices(layer)
        scattered += incoming.scattered @ down + incoming.sharp @ sharp_down
        sharp += incoming.scattered @ glow + incoming.sharp * kept + incoming.sharp @ sharp_glow
    total = coherent + scattered.sum(1) + sharp.sum(1)
    old = np.maximum(total - fresh, 0.0)
    oblique = fresh * lines.obliquity + old * incoming.obliquity
    return Fluence(
        incoming.energy_kev,
        incoming.direct * transmitted,
        coherent,
        scattered,
        sharp,
        np.where(total > 0.0, oblique / np.maximum(fresh + old, 1e-300), 1.0),
    )


@cache
def _sharp_matrices(layer: Layer) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What a layer makes of sharp lines: kept (S,), to bins (S, BINS), to sharp lines (S, S)."""
    rows = layer.scatter(sharp_lines_kev())
    return layer.transmission(sharp_lines_kev()) + rows.coherent, rows.scattered, rows.sharp


@cache
def _bin_matrices(layer: Layer) -> tuple[FloatArray, FloatArray]:
    """What a layer makes of the continuum: to bins (BINS, BINS), to sharp lines (BINS, S)."""
    alive = centres_kev() >= LOWEST_KEV
    energies = centres_kev()[alive]
    rows = layer.scatter(energies)
    down = np.zeros((BINS, BINS))
    down[alive] = rows.scattered
    down[alive, alive] += layer.transmission(energies) + rows.coherent
    glow = np.zeros((BINS, rows.sharp.shape[1]))
    glow[alive] = rows.sharp
    return down, glow


def bare(energies_kev: FloatArray) -> Fluence:
    """Photons that have met nothing yet: direct 1, all else 0."""
    n = len(energies_kev)
    sharp = np.zeros((n, len(sharp_lines_kev())))
    return Fluence(energies_kev, np.ones(n), np.zeros(n), np.zeros((n, BINS)), sharp, np.ones(n))


# ------------------------------------------------------------------------------------------ shields


def optical_depth(name: str, thickness_mm: float, energies: FloatArray) -> FloatArray:
    return np.asarray(attenuation_per_mm(material(name), energies) * thickness_mm)


@cache
def _thicknesses(tabulated: str) -> tuple[float, ...]:
    names = [n.split("/") for n in kernel_names("shield")]
    return tuple(sorted(float(t) for _, m, t in names if m == tabulated))


def _like(name: str, thickness_mm: float) -> tuple[str, float]:
    """The tabulated material and the thickness of it with as many electrons per area."""
    tabulated = SHIELD_MATERIALS[name]
    ratio = material(name).electrons_per_mm3() / material(tabulated).electrons_per_mm3()
    return tabulated, thickness_mm * ratio


def check_shield(name: str, thickness_mm: float) -> None:
    """Raises InputError for a material or thickness without tabulated scatter."""
    if name not in SHIELD_MATERIALS:
        raise InputError(f"shield of {name!r}; one of {', '.join(sorted(SHIELD_MATERIALS))}")
    tabulated, equivalent = _like(name, thickness_mm)
    thickest = _thicknesses(tabulated)[-1]
    if not 0.0 < equivalent <= thickest * (1.0 + 1e-9):
        allowed = thickness_mm * thickest / equivalent if equivalent > 0.0 else thickest
        raise InputError(
            f"{thickness_mm:g} mm of {name}; above 0 and up to {allowed:.4g} mm in one layer "
            "(several layers may follow each other)"
        )


@cache
def shield_layer(name: str, thickness_mm: float) -> Layer:
    """The layer of a slab between source and detector; raises InputError as `check_shield`."""
    check_shield(name, thickness_mm)
    table = _shield_table(*_like(name, thickness_mm))

    def transmission(energies: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-optical_depth(name, thickness_mm, energies)))

    def scatter(energies: FloatArray) -> Fluence:
        found = interpolate(table, energies)
        depth = optical_depth(name, thickness_mm, energies)
        scale = depth * np.exp(-depth)
        return replace(
            found, coherent=scale * found.coherent, scattered=scale[:, None] * found.scattered
        )

    return Layer(transmission, scatter)


@cache
def _shield_table(tabulated: str, thickness_mm: float) -> Fluence:
    """Scatter between tabulated thicknesses; continuum in units of depth x exp(-depth)."""
    nodes = _thicknesses(tabulated)
    if thickness_mm <= nodes[0]:
        thinnest = _per_depth(tabulated, nodes[0])
        return replace(thinnest, sharp=thinnest.sharp * thickness_mm / nodes[0])
    upper = min(int(np.searchsorted(nodes, thickness_mm)), len(nodes) - 1)
    low, high = nodes[upper - 1], nodes[upper]
    share = (thickness_mm - low) / (high - low)
    return _blend(_per_depth(tabulated, low), _per_depth(tabulated, high), share)


@cache
def _per_depth(tabulated: str, thickness_mm: float) -> Fluence:
    """A slab's scatter over depth x exp(-depth); nothing where less than 1e-13 gets through."""
    table = kernel(f"shield/{tabulated}/{thickness_mm:g}").fluence
    depth = optical_depth(tabulated, thickness_mm, table.energy_kev)
    open_enough = depth < 30.0
    scale = np.where(open_enough, np.exp(np.minimum(depth, 30.0)) / depth, 0.0)
    return replace(
        table, coherent=scale * table.coherent, scattered=scale[:, None] * table.scattered
    )


def _blend(a: Fluence, b: Fluence, share: float) -> Fluence:
    """Between two tables: amounts geometrically, shapes and directions linearly."""
    unsharp = _mix(a.coherent + a.scattered.sum(1), b.coherent + b.scattered.sum(1), share)
    sharp = _mix(a.sharp.sum(1), b.sharp.sum(1), share)
    return replace(
        a,
        coherent=unsharp[0] * a.coherent + unsharp[1] * b.coherent,
        scattered=unsharp[0][:, None] * a.scattered + unsharp[1][:, None] * b.scattered,
        sharp=sharp[0][:, None] * a.sharp + sharp[1][:, None] * b.sharp,
        obliquity=(1 - share) * a.obliquity + share * b.obliquity,
    )


def _mix(a: FloatArray, b: FloatArray, share: float) -> tuple[FloatArray, FloatArray]:
    """Weights of two rows whose sum then amounts to a^(1 - share) b^share, or linear from zero."""
    both = (a > 1e-30) & (b > 1e-30)
    ratio = np.where(both, b, 1.0) / np.where(both, a, 1.0)
    return (1.0 - share) * ratio**share, share * ratio ** (share - 1.0)


# ------------------------------------------------------------------------------------- surroundings


@cache
def _distances(name: str) -> tuple[float, ...]:
    names = [n.split("/") for n in kernel_names("around")]
    return tuple(sorted(float(d) for _, m, d in names if m == name))


@cache
def surroundings_layer(name: str, distance_mm: float, air_mm: float) -> Layer:
    """The layer of whatever stands around a source at a distance, with `air_mm` of air between."""
    table = _around(name, distance_mm)

    def transmission(energies: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-optical_depth("air", air_mm, energies)))

    return Layer(transmission, lambda energies: interpolate(table, energies))


def _around(name: str, distance_mm: float) -> Fluence:
    """Scatter between tabulated distances; nearer as at the nearest, in the open in proportion."""
    nodes = _distances(name)
    at = float(np.clip(distance_mm, nodes[0], nodes[-1]))
    upper = min(max(int(np.searchsorted(nodes, at)), 1), len(nodes) - 1)
    low, high = nodes[upper - 1], nodes[upper]
    share = math.log(at / low) / math.log(high / low)
    near, far = (kernel(f"around/{name}/{d:g}").fluence for d in (low, high))
    table = _blend(near, far, share)
    if name != "open" or at == distance_mm:
        return table
    scale = distance_mm / at
    return replace(
        table,
        coherent=scale * table.coherent,
        scattered=scale * table.scattered,
        sharp=scale * table.sharp,
    )

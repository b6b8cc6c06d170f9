"""Events of varied worlds from the same annihilations and, as far as can be, the same random
numbers.

Every annihilation, every particle on its way and every event's digitisation has a generator of its
own, so that what a variation changes in one particle or event leaves the others' draws alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag import gun
from blackett.alphag.digitise import digitise
from blackett.alphag.digitise.chamber import BIN_NS, BINS
from blackett.alphag.event import EventBatch, SpacePoints, as_events, joined
from blackett.alphag.gun import Primaries
from blackett.alphag.simulation import annihilated, drawn_vertices
from blackett.alphag.transport import BarrelHits, GasSegments, Tracks, Transported, transport_apart
from blackett.errors import InputError
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.alphag.event import Event
    from blackett.alphag.simulation import Recipe, Sample
    from blackett.alphag.systematics.variations import Variation
    from blackett.arrays import FloatArray, IntArray

__all__ = ["BLOCK", "displaced", "varied_batches"]

BLOCK: Final = 250
"""Events made at a time."""
_VERTICES, _ATOMS, _PARTICLES, _DIGITISE, _SECOND, _SECOND_PARTICLES = range(6)


def varied_batches(
    nominal: Recipe, variation: Variation, n: int, seed: int, first_block: int = 0
) -> Iterator[tuple[EventBatch, FloatArray]]:
    """n events of a varied recipe in batches, without truth, and their true vertices (m, 3).

    The same seed gives the same annihilations whatever the variation and n. `first_block` leaves
    out as many batches of `BLOCK` events. Raises `InputError` for a recipe with cosmic muons in it
    or n < 1.
    """
    if n < 1 or nominal.sample.kind == "cosmics" or nominal.sample.cosmic_share:
        raise InputError(
            f"{n} events of the recipe {nominal.name!r}: give at least 1, of annihilations alone"
        )
    recipe = variation.recipe(nominal)
    for block in range(first_block, -(-n // BLOCK)):
        yield _block(recipe, variation, min(BLOCK, n - block * BLOCK), seed, block)


def _block(
    recipe: Recipe, variation: Variation, n: int, seed: int, block: int
) -> tuple[EventBatch, FloatArray]:
    """The first n events of a batch: all of it is drawn, so that they do not depend on n."""
    vertices = drawn_vertices(recipe.sample, BLOCK, numbered(seed, block, _VERTICES))
    particles = annihilated(recipe.sample, vertices, numbered(seed, block, _ATOMS))
    origin = [(_PARTICLES, k) for k in range(len(particles))]
    if variation.pile_up:
        rng = numbered(seed, block, _SECOND)
        second = _second(variation.pile_up, recipe.sample, rng)
        origin += [(_SECOND_PARTICLES, k) for k in range(len(second))]
        particles, order = _overlaid(particles, second)
        origin = [origin[k] for k in order.tolist()]
    moved = transport_apart(
        _first_events(particles, n), lambda k: numbered(seed, block, *origin[k]), recipe.transport
    )
    events = [
        _digitised(part, recipe, numbered(seed, block, _DIGITISE, k), block * BLOCK + k)
        for k, part in enumerate(_by_event(moved))
    ]
    batch = displaced(joined(events), variation.shift_mm, variation.tilt_mrad)
    return batch, np.asarray(vertices.position_mm)[:n]


def _first_events(particles: Primaries, n: int) -> Primaries:
    rows = slice(0, int(np.searchsorted(particles.event, n)))
    columns = {k: v[rows] for k, v in vars(particles).items() if k != "n_events"}
    return Primaries(n_events=n, **columns)


def _digitised(part: Transported, recipe: Recipe, rng: np.random.Generator, number: int) -> Event:
    cut = recipe.transport.delta_cut_gas_mev
    return as_events(digitise(part, rng, recipe.digitise, delta_cut_mev=cut), number)[0]


def _second(kind: str, sample: Sample, rng: np.random.Generator) -> Primaries:
    """What comes on top of a batch, at a random time within the samples that are read out."""
    if kind == "cosmic":
        made = gun.cosmic_muons(BLOCK, rng)
    else:
        made = annihilated(sample, drawn_vertices(sample, BLOCK, rng), rng)
    delay = rng.uniform(0, BINS * BIN_NS, BLOCK)
    return replace(made, time_ns=made.time_ns + delay[made.event])


def _overlaid(first: Primaries, second: Primaries) -> tuple[Primaries, IntArray]:
    """Particles of both in the same events, and the rows (of first, then second) they are."""
    event = np.concatenate([first.event, second.event])
    order = np.argsort(event, kind="stable")
    names = ("pdg", "position_mm", "momentum_mev", "time_ns")
    columns = [np.concatenate([getattr(first, a), getattr(second, a)])[order] for a in names]
    return Primaries(first.n_events, event[order], *columns), order


def _by_event(moved: Transported) -> Iterator[Transported]:
    """Each event on its own."""
    tables: tuple[Tracks | GasSegments | BarrelHits, ...] = (moved.tracks, moved.gas, moved.barrel)
    edges = [np.searchsorted(t.event, np.arange(moved.n_events + 1)).tolist() for t in tables]
    for k in range(moved.n_events):
        parts = [
            _rows(table, slice(edge[k], edge[k + 1]))
            for table, edge in zip(tables, edges, strict=True)
        ]
        yield Transported(1, *parts)


def _rows(table: Tracks | GasSegments | BarrelHits, rows: slice):  # type: ignore[no-untyped-def]
    columns = {name: column[rows] for name, column in vars(table).items()}
    return type(table)(**{**columns, "event": np.zeros_like(columns["event"])})


def displaced(
    batch: EventBatch, shift_mm: tuple[float, float, float], tilt_mrad: float
) -> EventBatch:
    """Events as a chamber sees them that sits beside its place in the trap by `shift_mm` and is
    turned about its centre, around x, by `tilt_mrad`: places are read in the chamber's frame."""
    if not (any(shift_mm) or tilt_mrad):
        return batch
    angle, points = 1e-3 * tilt_mrad, batch.points
    x, y, z = (np.asarray(points.xyz_mm, np.float64) - shift_mm).T
    turned = {
        "x_mm": x,
        "y_mm": np.cos(angle) * y + np.sin(angle) * z,
        "z_mm": np.cos(angle) * z - np.sin(angle) * y,
    }
    columns = {name: turned.get(name, getattr(points, name)) for name in points.names()}
    return replace(batch, points=SpacePoints(**columns))

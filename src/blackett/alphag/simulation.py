"""From a recipe to events: gun, transport and digitisation in a row.

    for event in simulate("disc", 1000, generator(1)): ...

Work goes in batches of a fixed number of events, so that one generator gives the same events
however many are asked for at a time; samples of many shards take one generator a shard.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag import gun
from blackett.alphag.digitise import DigitiseSettings, digitise
from blackett.alphag.event import EventBatch, SpacePoints, TruthTracks, as_events
from blackett.alphag.gun import Primaries, Vertices
from blackett.alphag.transport import Settings as TransportSettings
from blackett.alphag.transport import transport
from blackett.errors import InputError
from blackett.recipes import read_settings, settings_from_toml, settings_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.alphag.event import Event
    from blackett.alphag.transport import Transported
    from blackett.arrays import IntArray

__all__ = [
    "RECIPES",
    "Recipe",
    "Sample",
    "Variation",
    "annihilated",
    "drawn_vertices",
    "find_recipe",
    "read_recipe",
    "recipe_hash",
    "simulate",
    "simulate_batches",
]

BATCH: Final = 500
_KINDS = ("disc", "wall", "release", "cosmics")
_NUCLEI = ("hydrogen", "wall")


@dataclass(frozen=True)
class Sample:
    """Where atoms annihilate, and the share of cosmic muons."""

    kind: str = "disc"
    """disc: uniform in a cross section and in z; wall: on the trap's wall; release: atoms released
    by ramping down the mirror coils, timed; cosmics: muons alone."""
    radius_mm: float = 24.0
    """Of the disc."""
    half_length_mm: float = 1100.0
    """Largest |z| of disc and wall."""
    up_share: float = 0.5
    """Share of released atoms from the published "up" file."""
    nucleus: str = "hydrogen"
    """hydrogen: free protons, parity with the published sample; wall: gold below z = -380 mm,
    steel above."""
    cosmic_share: float = 0.0
    """Share of events that are a cosmic muon instead."""

    def __post_init__(self) -> None:
        if self.kind not in _KINDS or self.nucleus not in _NUCLEI:
            raise InputError(
                f"sample kind {self.kind!r} on {self.nucleus!r}: give a kind of {_KINDS} and a "
                f"nucleus of {_NUCLEI}"
            )
        if not 0 <= self.cosmic_share <= 1:
            raise InputError(f"cosmic_share {self.cosmic_share}: give a number from 0 to 1")


@dataclass(frozen=True)
class Variation:
    """Whether uncertain settings are drawn anew for every shard (`systematics.varied`)."""

    scale: float = 0.0
    """How many times the standard deviations of what is known of them; 0 leaves all as it
    stands."""

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= 3:
            raise InputError(f"variation.scale {self.scale}: give a number from 0 to 3")


@dataclass(frozen=True)
class Recipe:
    """All settings of a simulated sample."""

    name: str = "disc"
    sample: Sample = field(default_factory=Sample)
    variation: Variation = field(default_factory=Variation)
    transport: TransportSettings = field(default_factory=TransportSettings)
    digitise: DigitiseSettings = field(default_factory=DigitiseSettings)


RECIPES: Final = {
    "disc": Recipe("disc"),
    "wall": Recipe("wall", Sample("wall", nucleus="wall")),
    "release": Recipe("release", Sample("release", nucleus="wall")),
    "cosmics": Recipe("cosmics", Sample("cosmics")),
}
"""The recipes of `recipes/alphag/simulate/`, by name."""


def find_recipe(name: str | Path) -> Recipe:
    """A recipe by its name, or from a TOML file; raises `InputError` if there is none."""
    if str(name) in RECIPES:
        return RECIPES[str(name)]
    path = Path(name)
    if path.suffix != ".toml":
        raise InputError(f"recipe {str(name)!r}: give one of {sorted(RECIPES)}, or a .toml file")
    return read_settings(Recipe, path)


def read_recipe(text: str, place: str = "recipe") -> Recipe:
    """A recipe from TOML text; what it does not name keeps its default.

    Raises `InputError` for text that is no TOML, an unknown name or a value of the wrong type.
    """
    return settings_from_toml(Recipe, text, place)


def recipe_hash(chosen: Recipe) -> str:
    """SHA-256 of all settings, hexadecimal."""
    return settings_hash(chosen)


def simulate(recipe: Recipe | str | Path, n: int, rng: np.random.Generator) -> Iterator[Event]:
    """n events with truth, numbered from 0, of a recipe or of one that `find_recipe` finds.

    Raises `InputError` for n < 1 or an unknown recipe.
    """
    chosen = recipe if isinstance(recipe, Recipe) else find_recipe(recipe)
    return (event for batch in simulate_batches(chosen, n, rng) for event in batch)


def simulate_batches(
    chosen: Recipe, n: int, rng: np.random.Generator, first: int = 0
) -> Iterator[EventBatch]:
    """n events in batches of up to 500, numbered from `first`.

    Raises `InputError` for n < 1, and for a recipe whose settings are still to be drawn.
    """
    if n < 1:
        raise InputError(f"{n} events: give at least 1")
    if chosen.variation.scale:
        raise InputError(
            f"variation.scale = {chosen.variation.scale}: such a recipe is one for each shard; "
            "draw it with systematics.drawn(recipe, rng), or use 'blackett alphag simulate'"
        )
    return _batches(chosen, n, rng, first)


def _batches(chosen: Recipe, n: int, rng: np.random.Generator, first: int) -> Iterator[EventBatch]:
    for start in range(0, n, BATCH):
        yield _batch(chosen, min(BATCH, n - start), rng, first + start)


def _batch(chosen: Recipe, n: int, rng: np.random.Generator, first: int) -> EventBatch:
    share = 1.0 if chosen.sample.kind == "cosmics" else chosen.sample.cosmic_share
    cosmic = rng.random(n) < share
    vertices = drawn_vertices(chosen.sample, int((~cosmic).sum()), rng)
    particles = _merged(
        n,
        cosmic,
        annihilated(chosen.sample, vertices, rng),
        gun.cosmic_muons(int(cosmic.sum()), rng),
    )
    moved = transport(particles, rng, chosen.transport)
    cut = chosen.transport.delta_cut_gas_mev
    seen = as_events(digitise(moved, rng, chosen.digitise, delta_cut_mev=cut), first)
    vertex, time = np.full((n, 3), np.nan), np.full(n, np.nan)
    vertex[~cosmic], time[~cosmic] = vertices.position_mm, vertices.time_s
    offset, tracks, row = _truth_tracks(moved)
    return replace(
        seen, points=_renumbered(seen.points, row),
        vertex_mm=vertex, time_s=time, cosmic=cosmic, track_offset=offset, tracks=tracks,
    )  # fmt: skip


def drawn_vertices(sample: Sample, n: int, rng: np.random.Generator) -> Vertices:
    """Where and when n atoms annihilate."""
    if sample.kind == "wall":
        limit = sample.half_length_mm
        return gun.on_wall(n, rng, z_low_mm=-limit, z_high_mm=limit)
    if sample.kind == "release":
        return gun.released(n, rng, up_share=sample.up_share)
    return gun.in_disc(n, rng, radius_mm=sample.radius_mm, half_length_mm=sample.half_length_mm)


def annihilated(sample: Sample, vertices: Vertices, rng: np.random.Generator) -> Primaries:
    """The particles of an annihilation at each vertex."""
    if not len(vertices):
        none, vectors = np.empty(0), np.empty((0, 3))
        return Primaries(0, none.astype(int), none.astype(int), vectors, vectors, none)
    if sample.nucleus == "wall":
        return gun.annihilate_on_wall(vertices, rng)
    return gun.annihilate(vertices, rng)


def _merged(n: int, cosmic: np.ndarray, atoms: Primaries, muons: Primaries) -> Primaries:
    """Particles of both kinds of events under the numbers that `cosmic` gives them."""
    event = np.concatenate(
        [np.flatnonzero(~cosmic)[atoms.event], np.flatnonzero(cosmic)[muons.event]]
    )
    order = np.argsort(event, kind="stable")
    names = ("pdg", "position_mm", "momentum_mev", "time_ns")
    columns = [np.concatenate([getattr(atoms, a), getattr(muons, a)])[order] for a in names]
    return Primaries(n, event[order], *columns)


def _truth_tracks(moved: Transported) -> tuple[IntArray, TruthTracks, IntArray]:
    """Offsets and truth of the tracks that crossed the gas; their rows within their event by track
    number, -1 for the others, and once more at the end for the points of no track."""
    tracks = moved.tracks
    kept = np.flatnonzero(np.asarray(tracks.gas_path_mm) > 0)
    offset = np.searchsorted(tracks.event[kept], np.arange(moved.n_events + 1))
    row = np.full(len(tracks) + 1, -1)
    row[kept] = np.arange(kept.size) - offset[tracks.event[kept]]
    table = TruthTracks(
        tracks.pdg[kept],
        tracks.made_by[kept],
        tracks.start_mm[kept],
        tracks.start_momentum_mev[kept],
        tracks.gas_entry_mm[kept],
        tracks.gas_momentum_mev[kept],
        tracks.gas_path_mm[kept],
    )
    return offset, table, row


def _renumbered(points: SpacePoints, row: IntArray) -> SpacePoints:
    """Points whose track numbers are rows of their event's truth."""
    return replace(points, track=row[points.track])

"""Where did this antihydrogen atom annihilate?

    >>> from blackett import alphag
    >>> from blackett.seeds import generator
    >>> events = list(alphag.simulate("disc", 100, generator(1)))  # doctest: +SKIP
    >>> events = list(alphag.read("shard-00000.parquet"))  # doctest: +SKIP
    >>> vertices = list(alphag.reconstruct(events, "helix-hough"))  # doctest: +SKIP

Importing this package is quick and silent; each name below loads what it needs on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackett.lazy import on_first_use

if TYPE_CHECKING:
    from blackett.alphag.event import BarHits, Event, EventBatch, SpacePoints, Truth, TruthTracks
    from blackett.alphag.formats import read, read_batches, write_parquet
    from blackett.alphag.reconstruction import reconstruct, reconstruct_batch
    from blackett.alphag.simulation import Recipe, find_recipe, simulate, simulate_batches
    from blackett.alphag.vertex import Vertex, Vertices

__all__ = [
    "BarHits",
    "Event",
    "EventBatch",
    "Recipe",
    "SpacePoints",
    "Truth",
    "TruthTracks",
    "Vertex",
    "Vertices",
    "find_recipe",
    "read",
    "read_batches",
    "reconstruct",
    "reconstruct_batch",
    "simulate",
    "simulate_batches",
    "write_parquet",
]
_HOME = {
    "BarHits": "event",
    "Event": "event",
    "EventBatch": "event",
    "Recipe": "simulation",
    "SpacePoints": "event",
    "Truth": "event",
    "TruthTracks": "event",
    "Vertex": "vertex",
    "Vertices": "vertex",
    "find_recipe": "simulation",
    "read": "formats",
    "read_batches": "formats",
    "reconstruct": "reconstruction",
    "reconstruct_batch": "reconstruction",
    "simulate": "simulation",
    "simulate_batches": "simulation",
    "write_parquet": "formats",
}

__getattr__ = on_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__

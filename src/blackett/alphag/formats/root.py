"""Space points from the experiment's ROOT trees, where the members of `StoredEvent` are split.

Read through uproot (extra `root`). Branches are found by the last part of their name, so that
prefixes of split collections do not matter. The default names are those of the public analysis
classes as recalled; `RootNames` sets others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.alphag.event import BarHits, EventBatch, SpacePoints
from blackett.errors import FileFormatError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RootNames", "read_root"]

_EVENTS_AT_A_TIME = 1000


@dataclass(frozen=True)
class RootNames:
    """Names of the tree and of the split members (last part of the branch name)."""

    tree: str = "StoreEventTree"
    event: str = "fEventNumber"
    x: str = "fx"
    y: str = "fy"
    z: str = "fz"
    phi_error: str = "ferrphi"
    z_error: str = "ferrz"
    r_error: str = "ferrr"
    wire: str = "fw"
    time: str = "ft"
    height: str = "fH"


def read_root(path: str | Path, names: RootNames | None = None) -> Iterator[EventBatch]:
    """Events of a tree in batches of up to 1000; positions and errors in mm, azimuth errors in rad.

    Raises `MissingExtraError` without uproot, `FileFormatError` if the tree or a member is not
    there, or not split. Errors, wire, time and height are nan (-1) where the file has none.
    """
    chosen = names or RootNames()
    uproot = _uproot()
    try:
        with uproot.open(path) as file:
            if chosen.tree not in file:
                raise FileFormatError(str(path), "", f"has no tree {chosen.tree}")
            yield from _batches(str(path), file[chosen.tree], chosen)
    except (OSError, KeyError, TypeError, ValueError, uproot.DeserializationError) as error:
        raise FileFormatError(str(path), "", f"cannot be read as ROOT: {error}") from error


def _uproot() -> Any:
    try:
        import awkward  # noqa: F401
        import uproot
    except ImportError as error:
        raise MissingExtraError("uproot and awkward", "root", "reading ROOT files") from error
    return uproot


def _batches(path: str, tree: Any, names: RootNames) -> Iterator[EventBatch]:
    found = {key.replace("/", ".").split(".")[-1]: key for key in tree.keys(recursive=True)}
    for name in (names.event, names.x, names.y, names.z):
        if name not in found:
            raise FileFormatError(
                path, names.tree, f"has no split member {name}; there are {sorted(found)[:20]}"
            )
    wanted = [n for n in names.__dict__.values() if n in found]
    for start in range(0, tree.num_entries, _EVENTS_AT_A_TIME):
        stop = min(start + _EVENTS_AT_A_TIME, tree.num_entries)
        arrays = {n: tree[found[n]].array(entry_start=start, entry_stop=stop) for n in wanted}
        yield _batch(arrays, names, stop - start)


def _batch(arrays: dict[str, Any], names: RootNames, n: int) -> EventBatch:
    import awkward as ak

    counts = ak.to_numpy(ak.num(arrays[names.x]))
    offset = np.concatenate([[0], np.cumsum(counts)])
    flat = {name: ak.to_numpy(ak.flatten(a)) for name, a in arrays.items() if name != names.event}
    unknown = np.full(int(offset[-1]), np.nan)
    radius = np.hypot(flat[names.x], flat[names.y])
    points = SpacePoints(
        flat[names.x],
        flat[names.y],
        flat[names.z],
        radius * flat.get(names.phi_error, unknown),
        flat.get(names.z_error, unknown),
        flat.get(names.r_error, unknown),
        flat.get(names.height, unknown),
        unknown,
        flat.get(names.time, unknown),
        flat.get(names.wire, np.full(unknown.size, -1)),
        np.full(unknown.size, -1),
    )
    number = ak.to_numpy(arrays[names.event])
    return EventBatch(
        number, offset, points, np.zeros(n + 1, np.int64), BarHits.empty(), np.full(n, -1)
    )

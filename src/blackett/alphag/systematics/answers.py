"""What methods answer in one varied world: worked out once, and kept in a file of its own."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

import blackett
from blackett.alphag.evaluate import method_and_settings
from blackett.alphag.reconstruction import reconstruct_batch, settings_hash
from blackett.alphag.systematics.events import BLOCK, varied_batches
from blackett.alphag.systematics.variations import Variation, file_name
from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.files import written_aside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blackett.alphag.simulation import Recipe
    from blackett.arrays import FloatArray
    from blackett.shards import Shard

__all__ = ["Answered", "World", "answer", "answer_missing", "load"]


@dataclass(frozen=True)
class World:
    """A variation of a recipe, with the number of events and the seed."""

    recipe: Recipe
    variation: Variation
    events: int
    seed: int

    def path(self, folder: Path, method: str) -> Path:
        """The file of a method's answers."""
        name = f"{file_name(self.variation)}.npz"
        return folder / "answers" / f"{self.recipe.name}-{method.replace(':', '-')}" / name

    def key(self, method: str) -> str:
        """SHA-256 of everything that the answers follow from, but for the number of events."""
        named = method_and_settings(method)
        changed = asdict(self.variation) | {"source": "", "share": 0.0}
        facts = [
            blackett.__version__, settings_hash(*named), asdict(self.recipe), changed, self.seed,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Answered:
    """z of n events: `true_mm`, and `z_mm` as a method gives it, nan where it gives none."""

    true_mm: FloatArray
    z_mm: FloatArray

    def __post_init__(self) -> None:
        for name in ("true_mm", "z_mm"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


def answer(world: World, methods: Sequence[str], first_block: int = 0) -> dict[str, Answered]:
    """The answers of methods to the events of one world, from a batch of events on."""
    true = [np.empty(0)]
    found = {method: [np.empty(0)] for method in methods}
    for batch, vertices in varied_batches(
        world.recipe, world.variation, world.events, world.seed, first_block
    ):
        true.append(vertices[:, 2])
        for method in methods:
            name, settings = method_and_settings(method)
            found[method].append(reconstruct_batch(batch, name, settings).position_mm[:, 2])
    z = np.concatenate(true)
    return {method: Answered(z, np.concatenate(parts)) for method, parts in found.items()}


def answer_missing(
    folder: Path, worlds: Sequence[World], methods: Sequence[str], piece: Shard
) -> dict[str, int]:
    """Answer and file what `folder` lacks of one world, the piece's; returns the events by
    method that were new."""
    world = worlds[piece.index]
    kept = {method: load(folder, world, method) for method in methods}
    blocks = {m: len(a.z_mm) // BLOCK for m, a in kept.items() if len(a.z_mm) < world.events}
    for first in set(blocks.values()):
        same = [m for m in methods if blocks.get(m) == first]
        for method, new in answer(world, same, first).items():
            old, n = kept[method], first * BLOCK
            columns = ((old.true_mm, new.true_mm), (old.z_mm, new.z_mm))
            whole = Answered(*(np.concatenate([a[:n], b]) for a, b in columns))
            _save(world.path(folder, method), world.key(method), whole)
    return {method: world.events - first * BLOCK for method, first in blocks.items()}


def _save(path: Path, key: str, answered: Answered) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be made a folder: {error.strerror}") from error
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, key=key, true_mm=answered.true_mm, z_mm=answered.z_mm)


def load(folder: Path, world: World, method: str) -> Answered:
    """Answers on file to the world's first events, as many as are wanted and there (none without a
    file). Raises `InputError` where they are of other settings, or no answers at all."""
    path = world.path(folder, method)
    if not path.exists():
        return Answered(np.empty(0), np.empty(0))
    try:
        with np.load(path, allow_pickle=False) as stored:
            key, true, z = (stored[name] for name in ("key", "true_mm", "z_mm"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no file of answers: remove it ({error})") from error
    if str(key) != world.key(method):
        raise InputError(
            f"{path}: was made with another recipe, variation, method, seed or version: give "
            "another folder, or remove it"
        )
    return Answered(true[: world.events], z[: world.events])

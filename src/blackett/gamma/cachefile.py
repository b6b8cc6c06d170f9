"""Arrays that take seconds to make, kept in the user's cache folder.

A file's name holds the hash of everything its arrays are made from: tables, code, detector.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
import zipfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["PHYSICS", "content_hash", "kept_arrays"]

KEPT_VERSIONS = 3
"""Files of one name that stay in the cache, the newest."""
IN_USE_S = 3600.0
"""A file younger than this stays in any case: another process may be using it."""
logger = logging.getLogger(__name__)

PHYSICS = (
    "data/cross_sections.csv", "data/elements.csv", "data/lines.csv", "data/decays.csv",
    "data/nuclides.csv", "data/sources.csv", "data/scenes.npz", "data/betas.csv",
    "data/coincidences.csv", "data/fluorescence.csv", "data/materials.csv",
    "background.py", "bremsstrahlung.py", "decay.py", "detector.py", "electrons.py", "folding.py",
    "kernels.py", "layers.py", "matter.py", "nuclides.py", "photons.py", "phototables.py",
    "response.py", "scene.py", "sources.py",
)  # fmt: skip
"""Files of the package that counts by deposited energy depend on, beside the response table."""


def content_hash(made_from: Sequence[str]) -> str:
    """SHA-256 (hexadecimal) of files of the package: what arrays are made from, code included."""
    digest = hashlib.sha256()
    package = resources.files("blackett.gamma")
    for name in made_from:
        digest.update((package / name).read_bytes())
    return digest.hexdigest()


def kept_arrays(
    name: str, sha256: str, build: Callable[[], Mapping[str, np.ndarray]]
) -> Mapping[str, np.ndarray]:
    """The arrays called `name`, from the user's cache folder or built anew and kept there.

    `sha256` is the `content_hash` of all they are made from.
    """
    path = _folder() / f"{name}-{sha256[:16]}.npz"
    kept = _loaded(path)
    if kept is None:
        kept = build()
        _keep(kept, path)
    return kept


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "blackett"


def _loaded(path: Path) -> Mapping[str, np.ndarray] | None:
    """Kept arrays; None if there are none, or damaged ones."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _keep(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write aside and rename; a cache that cannot be written is only slower next time."""
    aside = path.with_name(f"{path.stem}-{os.getpid()}.part.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(aside, **arrays)  # type: ignore[arg-type]
        aside.replace(path)
        _forget_old(path)
    except OSError as error:
        logger.warning("%s is not kept: %s", path.name, error)
        if aside.exists():
            aside.unlink()


def _forget_old(path: Path) -> None:
    """Remove old versions of the file just written."""
    name = path.name.rpartition("-")[0]
    written = {p: p.stat().st_mtime for p in path.parent.glob(f"{name}-{'?' * 16}.npz")}
    for old in sorted(written, key=lambda p: -written[p])[KEPT_VERSIONS:]:
        if written[old] < time.time() - IN_USE_S:
            old.unlink(missing_ok=True)

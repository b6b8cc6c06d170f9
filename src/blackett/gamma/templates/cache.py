"""Templates are built once and kept in the user's cache folder.

A file's name holds the hash of everything its templates are made from: tables, code, detector.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
import zipfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma.detector import detector
from blackett.gamma.response import response_name
from blackett.gamma.templates.columns import Axis, Kept, Library, RoomColumns

if TYPE_CHECKING:
    from blackett.gamma.detector import Detector

__all__ = ["library"]

logger = logging.getLogger(__name__)

MADE_FROM = (
    "data/cross_sections.csv", "data/elements.csv", "data/lines.csv", "data/decays.csv",
    "data/nuclides.csv", "data/sources.csv", "data/scenes.npz", "data/betas.csv",
    "data/coincidences.csv", "data/fluorescence.csv", "data/materials.csv",
    "background.py", "bremsstrahlung.py", "detector.py",
    "electrons.py", "photons.py", "phototables.py",
    "decay.py", "folding.py", "kernels.py", "layers.py", "matter.py", "nuclides.py", "response.py",
    "room.py", "scene.py", "sources.py",
    "templates/building.py", "templates/columns.py", "templates/looks.py",
)  # fmt: skip
"""What templates depend on, beside the detector's response table."""
KEPT_VERSIONS = 4
"""Files of one detector that stay in the cache, the newest; each has some 40 MB."""
IN_USE_S = 3600.0
"""A file younger than this stays in any case: another process may be writing it."""


def _content_hash(instrument: Detector) -> str:
    """SHA-256 of the tables and the code that templates are made from."""
    digest = hashlib.sha256()
    package = resources.files("blackett.gamma")
    for name in (*MADE_FROM, f"data/{response_name(instrument)}.npz"):
        digest.update((package / name).read_bytes())
    return digest.hexdigest()


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "blackett"


@cache
def library(name: str) -> Library:
    """The templates of a detector (by name), from the user's cache folder or built anew."""
    instrument = detector(name)
    sha256 = _content_hash(instrument)
    path = _cache_folder() / f"templates-{name}-{sha256[:16]}.npz"
    kept = _loaded(path)
    if kept is None:
        from blackett.gamma.templates.building import build

        kept = build(name)
        _keep(kept, path)
    return _assembled(instrument, sha256, kept)


def _keep(kept: Kept, path: Path) -> None:
    """Write aside and rename; a cache that cannot be written is only slower next time."""
    aside = path.with_name(f"{path.stem}-{os.getpid()}.part.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(aside, **kept._asdict())
        aside.replace(path)
        _forget_old(path)
    except OSError as error:
        logger.warning("templates are not kept: %s", error)
        if aside.exists():
            aside.unlink()


def _forget_old(path: Path) -> None:
    """Remove old versions of the file just written, and pieces that killed runs left."""
    name = path.name.rpartition("-")[0]
    written = {p: p.stat().st_mtime for p in path.parent.glob(f"{name}-*.npz")}
    newest_first = sorted(written, key=lambda p: -written[p])
    for old in newest_first[KEPT_VERSIONS:]:
        if written[old] < time.time() - IN_USE_S:
            old.unlink(missing_ok=True)


def _loaded(path: Path) -> Kept | None:
    """Kept arrays; None if there are none, or damaged ones."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return Kept(**{name: file[name] for name in Kept._fields})
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _assembled(instrument: Detector, sha256: str, kept: Kept) -> Library:
    axis = Axis(*kept.axis.tolist())
    return Library(
        detector=instrument,
        by_energy=np.ascontiguousarray(kept.by_energy),
        source_of=tuple(kept.source_of.tolist()),
        own_share=kept.own_share,
        line_kev=kept.line_kev,
        line_share=kept.line_share,
        counts_per_decay=kept.counts_per_decay,
        reach_kev=kept.reach_kev,
        log_prior=kept.log_prior,
        widths=kept.widths,
        room=RoomColumns(
            kept.room_columns, kept.room_logarithmic, kept.room_centre, kept.room_sigma
        ),
        fluorescence=kept.fluorescence.astype(np.float64),
        sha256=sha256,
        **axis._asdict(),
    )

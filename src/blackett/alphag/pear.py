"""The method "pear": the published ensemble of PointNets, retrained on our events, without torch.

    vertices = reconstruct_batch(batch, Settings("runs/pear"))

PEAR sees the places of 800 points and gives z alone (`cloud`, `models.pear`). Its x and y are those
of the axis, with the variance of the disc that atoms annihilate in (radius 24 mm: 144 mm2 each);
its error along z is one number for all events, measured on validation events and noted on its card.
The weights are large (14 MB a network) and not part of the package: give their folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from blackett.alphag.cloud import cloud
from blackett.alphag.network import open_model
from blackett.alphag.vertex import STATUSES, Vertices
from blackett.errors import FileFormatError, MissingDataError

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.arrays import FloatArray
    from blackett.learn.model import Model

__all__ = ["DEFAULT", "Settings", "described", "load", "reconstruct_batch", "settings_from"]

CHUNK: Final = 16
"""Events that go through the network at a time; a point is 1024 numbers inside."""
DISC_VARIANCE_MM2: Final = 144.0
"""R^2 / 4 of a uniform disc of R = 24 mm: variance of x and of y."""
_OK, _NO_POINTS = STATUSES.index("ok"), STATUSES.index("no points")


@dataclass(frozen=True)
class Settings:
    """Which ensemble answers."""

    folder: str = ""
    """Folder with vertex.onnx and vertex.json; there is none in the package."""


DEFAULT: Final = Settings()


def settings_from(folder: str) -> Settings:
    """Settings with the ensemble in a folder."""
    return Settings(folder)


def described(settings: Settings = DEFAULT) -> dict[str, Any]:
    """What stands for these settings in a file: the ensemble's name and SHA-256, not its folder.

    Raises as `load`.
    """
    card = load(settings.folder).card
    return {"network": card.get("name", ""), "model_sha256": card["sha256"]}


def reconstruct_batch(batch: EventBatch, settings: Settings = DEFAULT) -> Vertices:
    """z of every event with a finite point; x = y = 0 with the disc's variance. Raises as `load`.

    There are no tracks: all points are in the remainder, and `p_cosmic` is nan.
    """
    model = load(settings.folder)
    n, rows = len(batch), len(batch.points)
    event = np.repeat(np.arange(n), np.diff(batch.point_offset))
    known = np.isfinite(batch.points.xyz_mm).all(axis=1)
    seen = np.bincount(event[known], minlength=n) > 0
    position, covariance = np.full((n, 3), np.nan), np.full((n, 3, 3), np.nan)
    position[seen, :2] = 0.0
    position[seen, 2] = _heights(model, cloud(batch)[seen])
    sigma = float(model.card["sigma_z_mm"])
    covariance[seen] = np.diag([DISC_VARIANCE_MM2, DISC_VARIANCE_MM2, sigma * sigma])
    return Vertices(
        batch.number, position, covariance, np.full(n, np.nan),
        np.zeros(n, np.int64),
        np.where(seen, _OK, _NO_POINTS), batch.point_offset, np.full(rows, -1),
    )  # fmt: skip


def _heights(model: Model, clouds: FloatArray) -> FloatArray:
    """z (n,) of clouds (n, 800, 3)."""
    parts = [
        model.run(clouds[start : start + CHUNK])["z"] for start in range(0, len(clouds), CHUNK)
    ]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)


def load(folder: str) -> Model:
    """The ensemble in a folder, read once.

    Raises MissingDataError without a folder or where there is none in it, FileFormatError where it
    is broken, of another kind, or without an error along z on its card.
    """
    if not folder:
        raise MissingDataError(
            "the weights of pear are not part of the package: train them with 'blackett alphag "
            "train --recipe pear', and give their folder, --method pear --model FOLDER"
        )
    return _loaded(str(Path(folder).resolve()))


@cache
def _loaded(folder: str) -> Model:
    model = open_model(Path(folder), "pear", ("points",), ("z",))
    sigma = model.card.get("sigma_z_mm")
    if not (isinstance(sigma, int | float) and sigma > 0):
        raise FileFormatError(
            str(Path(folder) / "vertex.json"), "sigma_z_mm", f"is {sigma!r}: must be a number > 0"
        )
    return model

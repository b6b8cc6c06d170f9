"""What answers, for the page: the fitting method, and the cards of installed networks."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import blackett
from blackett.gamma.answer import DEFAULT_METHOD
from blackett.gamma.detector import detector, detectors

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["cards"]

_FIT = (
    "The whole spectrum is fitted with simulated templates of every source and a background; "
    "energy axis, resolution and shapes are fitted along. A source is declared when the data need "
    "it by the ratio of likelihoods"
)
METHODS = {
    "unmix": ("Full-spectrum Poisson fit", f"{_FIT}."),
    "hybrid": (
        "Full-spectrum Poisson fit with a network",
        f"{_FIT} and by the prior odds that the network below gives it.",
    ),
    "net": ("Network alone", "The network below names the sources of the spectrum by itself."),
}
"""Title and description of every method of `identification`."""
FOLDER = "data"
"""Networks of the package: NAME.onnx beside its card NAME.json."""


def cards() -> dict[str, Any]:
    """The method, and every network of the package with its card; none is made up."""
    title, text = METHODS[DEFAULT_METHOD]
    return {
        "method": {
            "name": DEFAULT_METHOD,
            "title": title,
            "version": blackett.__version__,
            "text": text,
            "others": [METHODS[name][0] for name in METHODS if name != DEFAULT_METHOD],
            "detectors": [detector(name).title for name in detectors()],
        },
        "networks": networks(files("blackett.gamma").joinpath(FOLDER)),
    }


def networks(folder: Traversable) -> list[dict[str, Any]]:
    """Every network in a folder: its card (None without one) and the hash of its file."""
    found = [path for path in folder.iterdir() if path.name.endswith(".onnx")]
    return [_network(path, folder) for path in sorted(found, key=lambda path: path.name)]


def _network(path: Traversable, folder: Traversable) -> dict[str, Any]:
    name = path.name.removesuffix(".onnx")
    card = folder.joinpath(f"{name}.json")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    told = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else None
    return {
        "name": name,
        "card": told,
        "sha256": sha256,
        "is_the_cards": told is not None and told.get("sha256") == sha256,
    }

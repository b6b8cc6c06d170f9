"""Training of the networks, from a recipe to calibrated weights; needs the extra `train`.

train(find_recipe("recipes/gamma/quick.toml"), Path("build/quick"))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blackett.gamma.train.recipe import Recipe, find_recipe, read_recipe
    from blackett.gamma.train.run import Trained, calibrate, train

_HOME = {
    "Recipe": "recipe",
    "Trained": "run",
    "calibrate": "run",
    "find_recipe": "recipe",
    "read_recipe": "recipe",
    "train": "run",
}
__all__ = [
    "Recipe",
    "Trained",
    "calibrate",
    "find_recipe",
    "read_recipe",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

"""Training of the networks, from a recipe to calibrated weights; needs the extra `train`.

train(find_recipe("recipes/gamma/quick.toml"), Path("build/quick"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackett.lazy import on_first_use

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

__getattr__ = on_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__

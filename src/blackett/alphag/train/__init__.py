"""Training of the networks for the vertex, from a recipe to calibrated weights; extra `train`.

train(find_recipe("recipes/alphag/blackett.toml"), [Path("train")], [Path("valid")], Path("run"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackett.lazy import on_first_use

if TYPE_CHECKING:
    from blackett.alphag.train.recipe import Recipe, find_recipe, read_recipe
    from blackett.alphag.train.run import Trained, build, train

_HOME = {
    "Recipe": "recipe",
    "Trained": "run",
    "build": "run",
    "find_recipe": "recipe",
    "read_recipe": "recipe",
    "train": "run",
}
__all__ = ["Recipe", "Trained", "build", "find_recipe", "read_recipe", "train"]

__getattr__ = on_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__

"""Systematic effects: the same annihilations in worlds that no reconstruction is told of.

    for shown in study(recipe, counting, methods, 2000, Path("out"), seed=1): ...
    recipe = varied(recipe, rng)  # every uncertain setting drawn anew: training on many worlds

A `Knob` is a setting that is not known exactly, a `Variation` one change of the world.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blackett.alphag.systematics.comparison import COUNTING, RESOLUTION, counting, effects
    from blackett.alphag.systematics.findings import study
    from blackett.alphag.systematics.knobs import KNOBS, Knob, drawn, varied
    from blackett.alphag.systematics.variations import VARIATIONS, Variation

__all__ = [
    "COUNTING", "KNOBS", "RESOLUTION", "VARIATIONS", "Knob", "Variation", "counting", "drawn",
    "effects", "study", "varied",
]  # fmt: skip
_HOME = {
    "COUNTING": "comparison", "KNOBS": "knobs", "RESOLUTION": "comparison",
    "VARIATIONS": "variations", "Knob": "knobs", "Variation": "variations",
    "counting": "comparison", "drawn": "knobs",
    "effects": "comparison", "study": "findings", "varied": "knobs",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)

"""The networks for the vertex: PEAR as published, ours, and the rungs of the ladder between.

    network = build(NetworkShape("blackett"))

Needs the extra `train`; answers come from ONNX files without it.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Ensemble", "Pear", "Pear2023", "Shape", "SlotNetwork"]

_HOME = {
    "Ensemble": "pear",
    "Pear": "pear",
    "Pear2023": "pear",
    "Shape": "slots",
    "SlotNetwork": "slots",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

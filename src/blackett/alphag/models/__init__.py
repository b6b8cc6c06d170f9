"""The networks for the vertex: PEAR as published, ours, and the rungs of the ladder between.

    network = build(NetworkShape("blackett"))

Needs the extra `train`; answers come from ONNX files without it.
"""

from __future__ import annotations

from blackett.lazy import on_first_use

__all__ = ["Ensemble", "Pear", "Pear2023", "Shape", "SlotNetwork"]

_HOME = {
    "Ensemble": "pear",
    "Pear": "pear",
    "Pear2023": "pear",
    "Shape": "slots",
    "SlotNetwork": "slots",
}

__getattr__ = on_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__

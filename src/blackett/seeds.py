"""Random generators: one seed reproduces a run, whatever the number of workers."""

from __future__ import annotations

import numpy as np

__all__ = ["generator", "numbered"]


def generator(seed: int) -> np.random.Generator:
    """The generator of a run with this seed (PCG64)."""
    return np.random.default_rng(seed)


def numbered(seed: int, *index: int) -> np.random.Generator:
    """The generator of piece `index` of a run (or of a piece of a piece): independent of how pieces
    are shared out."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=index))

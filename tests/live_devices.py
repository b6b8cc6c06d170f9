"""Emulated devices that tests of the live part share."""

from __future__ import annotations

import numpy as np

from blackett.arrays import frozen
from blackett.gamma.detector import detector
from blackett.gamma.live.scenario import Recorded


def play(channels: int = 1024, cps: float = 10.0) -> Recorded:
    """Counts at a constant rate, falling with energy, for hours."""
    c = np.arange(channels) * 1024 / channels
    counts = np.random.default_rng(1).poisson(6.8e8 / channels**2 * np.exp(-c / 150.0))
    axis = (0.0, 2.4 * 1024 / channels, 0.0)
    return Recorded(counts[None, :], frozen([counts.sum() / cps]), axis, detector("radiacode-103"))

"""Constants of physics that several modules need, from CODATA and the Particle Data Group."""

from __future__ import annotations

from typing import Final

__all__ = ["ATOMIC_MEV_CM2_MOL", "ELECTRON_MEV", "FINE_STRUCTURE", "HBAR_C_MEV_FM"]

ELECTRON_MEV: Final = 0.51099895
"""Mass of the electron."""
FINE_STRUCTURE: Final = 1 / 137.036
HBAR_C_MEV_FM: Final = 197.327
ATOMIC_MEV_CM2_MOL: Final = 0.307075
"""K = 4 pi N r_e^2 m of the Bethe formula."""

"""Dimensions of the ALPHA-g radial time projection chamber, mm, from the public reconstruction
code and CAD.

z is the vertical trap axis, up positive, 0 at the chamber's centre; phi = 0 along +x. The solenoid
field points along +z.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BAR_COUNT",
    "BAR_HALF_LENGTH_MM",
    "BAR_INNER_RADIUS_MM",
    "BAR_OUTER_RADIUS_MM",
    "CATHODE_RADIUS_MM",
    "CHAMBER_HALF_LENGTH_MM",
    "INNER_WALL_RADIUS_MM",
    "OUTER_WALL_RADIUS_MM",
    "PADS_RADIUS_MM",
    "TRAP_RADIUS_MM",
    "TUBE_RADIUS_MM",
    "WORLD_HALF_LENGTH_MM",
    "WORLD_RADIUS_MM",
]

CHAMBER_HALF_LENGTH_MM: Final = 1152.0
"""Half of the active length."""
INNER_WALL_RADIUS_MM: Final = 103.5
"""Inner face of the inner wall (G10, 5.75 mm)."""
CATHODE_RADIUS_MM: Final = 109.25
"""Inner edge of the gas."""
PADS_RADIUS_MM: Final = 190.0
"""Outer edge of the gas: the segmented readout cathode."""
OUTER_WALL_RADIUS_MM: Final = 194.0
"""Outer face of the outer wall (G10, 4 mm)."""
BAR_COUNT: Final = 64
"""Scintillator bars of the barrel; bar 0 is centred on phi = 0."""
BAR_INNER_RADIUS_MM: Final = 223.0
BAR_OUTER_RADIUS_MM: Final = 243.0
BAR_HALF_LENGTH_MM: Final = 1300.0
TRAP_RADIUS_MM: Final = 22.275
"""Radius of the trap in the public simulation."""
TUBE_RADIUS_MM: Final = 24.0
"""Inner radius of the inner UHV tube: the wall where no electrode stands inside it."""
WORLD_RADIUS_MM: Final = 250.0
"""Cold bore of the solenoid: particles that leave it are not followed."""
WORLD_HALF_LENGTH_MM: Final = 1310.0

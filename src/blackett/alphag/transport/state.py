"""The particle being followed, the stack of those that wait, and how they end: compiled helpers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.transport.apparatus import record
from blackett.alphag.transport.records import Process

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Scratch", "new_scratch", "push", "push_particle"]

# state vector of the particle being followed
X, Y, Z, TIME, UX, UY, UZ, ENERGY, DEPOSIT, PATH, GAS_PATH, GAS_RADIUS = range(12)
GAS_X, GAS_PX = 12, 15
STATE_SIZE: Final = 18

# the numbers of `Process`, for compiled code
PRIMARY, DECAY, PAIR, COMPTON, BREMS, DELTA, HADRONIC, ESCAPED, STOPPED, ABANDONED = (
    process.value for process in Process
)

STACK, SEGMENTS, BARS, OVERFLOW = range(4)
SEGMENT_SIZE: Final = 10  # start (3), end (3), time, arc length, beta gamma, loss (MeV)
BAR_SIZE: Final = 6  # bar, position (3), time, energy (MeV)
_STACK_LENGTH = 8192
_SEGMENT_LENGTH = 20_000
_BAR_LENGTH = 256


class Scratch(Protocol):
    """Work space of one event: waiting particles, and steps and hits of the current one."""

    stack: FloatArray  # x, y, z, t, px, py, pz
    kinds: IntArray  # pdg, parent, process
    segments: FloatArray
    bars: FloatArray
    counts: IntArray  # of STACK, SEGMENTS, BARS; OVERFLOW is 1 if the stack ran over
    track: IntArray  # number of the track being followed
    rates: FloatArray  # of the discrete processes of the current step


def new_scratch() -> Scratch:
    """Empty work space."""
    arrays: dict[str, FloatArray | IntArray | np.float64] = {
        "stack": np.zeros((_STACK_LENGTH, 7)),
        "kinds": np.zeros((_STACK_LENGTH, 3), np.int64),
        "segments": np.zeros((_SEGMENT_LENGTH, SEGMENT_SIZE)),
        "bars": np.zeros((_BAR_LENGTH, BAR_SIZE)),
        "counts": np.zeros(4, np.int64),
        "track": np.zeros(1, np.int64),
        "rates": np.zeros(5),
    }
    return cast("Scratch", record(arrays))


@kernel
def push(
    scratch: Scratch, pdg: int, parent: int, process: int,
    x: float, y: float, z: float, t: float, px: float, py: float, pz: float,
) -> None:  # fmt: skip
    """Put a particle on the stack."""
    n = scratch.counts[STACK]
    if n >= scratch.stack.shape[0]:
        scratch.counts[OVERFLOW] = 1
        return
    row = scratch.stack[n]
    row[0], row[1], row[2], row[3], row[4], row[5], row[6] = x, y, z, t, px, py, pz
    kind = scratch.kinds[n]
    kind[0], kind[1], kind[2] = pdg, parent, process
    scratch.counts[STACK] = n + 1


@kernel
def push_particle(
    scratch: Scratch, s: FloatArray, pdg: int, process: int, px: float, py: float, pz: float
) -> None:
    """Put a child of the current particle on the stack, where that one is."""
    push(scratch, pdg, scratch.track[0], process, s[X], s[Y], s[Z], s[TIME], px, py, pz)

"""Electrons freed along tracks: clusters, drift, diffusion and avalanche, one electron at a
time."""

from __future__ import annotations

from math import atan2, floor, sqrt
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np

from blackett.alphag.digitise.chamber import BIN_NS, BINS, HALF_LENGTH_MM, PITCH_RAD, WIRES
from blackett.alphag.digitise.draws import exponential, lower, next_bits, poisson, thirteen, upper
from blackett.alphag.drift import FIELD_WIRE_RADIUS_MM, arrival, diffusion
from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.transport.apparatus import blank

if TYPE_CHECKING:
    from blackett.alphag.digitise.chamber import Chamber
    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "BIN",
    "PHASE",
    "SIZE",
    "TRACK",
    "WIRE",
    "ZED",
    "Electrons",
    "Steps",
    "electron_room",
    "free_electrons",
]

WIRE, BIN, TRACK = range(3)
"""Columns of the electrons' table of integers."""
PHASE, ZED, SIZE = range(3)
"""Columns of their table of numbers: place inside the bin (0-1), z (mm), avalanche size."""
_MOST_ELECTRONS = 1_000_000
_PIECE_MM = 6.0
_CORNER_MM = (FIELD_WIRE_RADIUS_MM - 1.5, FIELD_WIRE_RADIUS_MM + 1.0)
_ANODES_MM = 181.0
_PER_RAD, _RING = 1 / PITCH_RAD, WIRES - 1  # a mask: 256 wires
_TIME, _PHI, _Z, _S_TIME, _S_PHI, _S_Z = range(6)


class Steps(NamedTuple):
    """Steps of charged particles in the gas (columns of `transport.GasSegments`)."""

    start_mm: FloatArray
    end_mm: FloatArray
    time_ns: FloatArray
    loss_mev: FloatArray
    track: IntArray


class Electrons(Protocol):
    """Electrons of one event: columns (n, 3) of integers and of numbers, sorted by bin.

    Those of bin b are rows first[b]..first[b + 1] - 1; `freed_place` and `freed_value` hold them in
    the order in which they were freed.
    """

    freed_place: IntArray
    freed_value: FloatArray
    place: IntArray
    value: FloatArray
    first: IntArray


def electron_room() -> Electrons:
    """Empty work space."""
    integers, numbers = (np.uint32, (_MOST_ELECTRONS, 3)), (np.float32, (_MOST_ELECTRONS, 3))
    room = {
        "freed_place": integers, "freed_value": numbers, "place": integers, "value": numbers,
        "first": (np.uint32, (BINS + 1,)),
    }  # fmt: skip
    return cast("Electrons", blank(room))


@kernel
def free_electrons(
    chamber: Chamber, steps: Steps, first: int, last: int, electrons: Electrons,
    scratch: FloatArray, state: IntArray,
) -> bool:  # fmt: skip
    """Fill the tables with the electrons of steps first..last-1; False if they are too many.

    Clusters are a Poisson process along a step, in proportion to its loss. Drift and diffusion are
    taken every few mm and joined by lines, except across a corner of t(r), where each cluster has
    its own. `scratch` (3, 6).
    """
    by_radius, by_height = chamber.truth_by_radius, chamber.truth_by_height
    place, value = electrons.freed_place, electrons.freed_value
    a, b, here = scratch[0], scratch[1], scratch[2]
    n, r_a = 0, 0.0
    for s in range(first, last):
        start, end, time, track = (
            steps.start_mm[s],
            steps.end_mm[s],
            steps.time_ns[s],
            steps.track[s],
        )
        pieces = _pieces(start, end)
        mean = chamber.clusters_per_mev * steps.loss_mev[s] / pieces
        if mean > place.shape[0]:
            return False
        if s == first or not _continues(steps.end_mm[s - 1], start, track, steps.track[s - 1]):
            r_a = _drifted(by_radius, by_height, start, end, 0.0, time, a)
        for piece in range(pieces):
            r_b = _drifted(by_radius, by_height, start, end, (piece + 1) / pieces, time, b)
            turn = b[_PHI] - a[_PHI]
            b[_PHI] -= 2 * np.pi * floor(turn / (2 * np.pi) + 0.5)
            bent = _bent(min(r_a, r_b), max(r_a, r_b))
            for _ in range(poisson(mean, state)):
                bits = next_bits(state)
                u = upper(bits)
                if bent:
                    _drifted(by_radius, by_height, start, end, (piece + u) / pieces, time, here)
                else:
                    for k in range(6):
                        here[k] = a[k] + u * (b[k] - a[k])
                size = _cluster_size(chamber.cluster_cdf, chamber.cluster_guide, lower(bits))
                if n + size > place.shape[0]:
                    return False
                n = _multiply(
                    chamber.normal, chamber.avalanche, chamber.attachment_per_ns, here, size,
                    chamber.parcels, track, place, value, n, state,
                )  # fmt: skip
            for k in range(6):
                a[k] = b[k]
            r_a = r_b
    _sort_by_bin(place, value, n, electrons.first, electrons.place, electrons.value)
    return True


@kernel
def _sort_by_bin(
    freed_place: IntArray, freed_value: FloatArray, n: int, first: IntArray, place: IntArray,
    value: FloatArray,
) -> None:  # fmt: skip
    """Counting sort of the electrons."""
    first[:] = 0
    for i in range(n):
        first[freed_place[i, BIN] + 1] += 1
    for b in range(BINS):
        first[b + 1] += first[b]
    for i in range(n - 1, -1, -1):
        b = freed_place[i, BIN] + 1
        first[b] -= 1
        for k in range(3):
            place[first[b], k], value[first[b], k] = freed_place[i, k], freed_value[i, k]
    for b in range(BINS):
        first[b] = first[b + 1]
    first[BINS] = n


@kernel
def _bent(low: float, high: float) -> bool:
    """Whether the drift time has a corner between two radii: at the field wires or the anodes."""
    return (low < _CORNER_MM[1] and high > _CORNER_MM[0]) or high > _ANODES_MM


@kernel
def _continues(end: FloatArray, start: FloatArray, track: int, before: int) -> bool:
    """Whether a step begins where the one before ended: its drift there is known."""
    same = track == before
    for k in range(3):
        same = same and end[k] == start[k]
    return same


@kernel
def _pieces(start: FloatArray, end: FloatArray) -> int:
    square = 0.0
    for k in range(3):
        square += (end[k] - start[k]) ** 2
    return 1 + int(sqrt(square) / _PIECE_MM)


@kernel
def _cluster_size(cdf: FloatArray, guide: IntArray, u: float) -> int:
    k = guide[int(u * guide.size)]
    while u > cdf[k] and k + 1 < cdf.size:
        k += 1
    return int(k) + 1


@kernel
def _drifted(
    by_radius: FloatArray, by_height: FloatArray, start: FloatArray, end: FloatArray, u: float,
    time: float, out: FloatArray,
) -> float:  # fmt: skip
    """Where and when the charge of a point on a step arrives, with its spread; returns its
    radius."""
    x = start[0] + u * (end[0] - start[0])
    y = start[1] + u * (end[1] - start[1])
    z = start[2] + u * (end[2] - start[2])
    r = sqrt(x * x + y * y)
    t, gained, shift = arrival(by_radius, by_height, r, z)
    out[_TIME], out[_PHI], out[_Z] = t + time, atan2(y, x) + gained, z + shift
    out[_S_TIME], out[_S_PHI], out[_S_Z] = diffusion(by_height, r, z, t)
    return r


@kernel
def _multiply(
    normal: FloatArray, avalanche: FloatArray, attachment: float, here: FloatArray, size: int,
    parcels: int, track: int, place: IntArray, value: FloatArray, n: int, state: IntArray,
) -> int:  # fmt: skip
    """Diffuse and multiply the electrons of one cluster, in at most `parcels` of equal number."""
    parts = min(size, parcels)
    share = size / parts
    for _ in range(parts):
        bits = next_bits(state)
        t = (here[_TIME] + here[_S_TIME] * normal[thirteen(bits, 0)]) / BIN_NS
        phi = here[_PHI] + here[_S_PHI] * normal[thirteen(bits, 1)]
        z = here[_Z] + here[_S_Z] * normal[thirteen(bits, 2)]
        if t < 0 or t >= BINS or abs(z) >= HALF_LENGTH_MM:
            continue
        if attachment > 0 and exponential(state) < t * BIN_NS * attachment:
            continue
        b = int(t)
        place[n, WIRE] = int(floor(phi * _PER_RAD)) & _RING  # noqa: RUF046 (compiled: floor gives a float)
        place[n, BIN], place[n, TRACK] = b, track
        value[n, PHASE], value[n, ZED] = t - b, z
        value[n, SIZE] = share * avalanche[thirteen(bits, 3)]
        n += 1
    return n

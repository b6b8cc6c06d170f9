"""Nelder and Mead's simplex for the unweighted fits of a helix and of a vertex.

Reflection 1, expansion 2, contraction 1/2, shrinking 1/2; the first simplex is the start and one
more corner for each parameter, 5 % off, or by a fixed step where the parameter is 0 (2.5e-4 in the
original, whose lengths are metres: 0.25 mm here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.helix.centred import HELIX_SIZE, squared_distance, squared_distances

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["OF_HELIX", "OF_VERTEX", "SIMPLEX_SHAPE", "minimise"]

OF_HELIX: Final = 0
"""The parameters are a helix, the rows of `data` the points' x, y, z: shape (3, n)."""
OF_VERTEX: Final = 1
"""The parameters are a point, the rows of `data` helices: shape (n, 6)."""
SIMPLEX_SHAPE: Final = (HELIX_SIZE + 4, HELIX_SIZE + 1)
"""Shape of the work space: the corners and three trial points, with the value behind each."""
_RELATIVE_STEP = 0.05
_ZERO_STEP = (0.25, 0.25, 0.25, 0.25, 2.5e-4, 0.25)  # mm; p0 in rad


@kernel
def _value(kind: int, at: FloatArray, data: FloatArray, n: int) -> float:
    if kind == OF_HELIX:
        return float(squared_distances(at, data[0], data[1], data[2], n))
    total = 0.0
    for i in range(n):
        total += squared_distance(data[i], at[0], at[1], at[2])
    return total


@kernel
def minimise(
    kind: int, start: FloatArray, size: int, data: FloatArray, n: int, most: int, work: FloatArray
) -> float:
    """Minimise the sum of squared distances over the first `size` numbers of `start`, in place.

    At most `most` iterations; `work` has `SIMPLEX_SHAPE`, `data` holds n points or helices (see
    `OF_HELIX`, `OF_VERTEX`). Returns the smallest sum (mm2).
    """
    last, mean = size, size + 1  # rows: corners, then their mean and two trial points
    trial, other = size + 2, size + 3
    for row in range(size + 1):
        for k in range(size):
            work[row, k] = start[k]
        if row > 0:
            k = row - 1
            work[row, k] += start[k] * _RELATIVE_STEP if start[k] != 0 else _ZERO_STEP[k]
        work[row, size] = _value(kind, work[row], data, n)
    for _ in range(most):
        _sort(work, size)
        _average(work, size, mean)
        _mix(kind, work, mean, last, -1.0, trial, size, data, n)
        if work[trial, size] < work[0, size]:
            _mix(kind, work, mean, last, -2.0, other, size, data, n)
            _copy(work, other if work[other, size] < work[trial, size] else trial, last, size)
        elif work[trial, size] < work[last - 1, size]:
            _copy(work, trial, last, size)
        else:
            outside = work[trial, size] < work[last, size]
            _mix(kind, work, mean, last, -0.5 if outside else 0.5, other, size, data, n)
            if work[other, size] < min(work[trial, size], work[last, size]):
                _copy(work, other, last, size)
            else:
                for row in range(1, size + 1):
                    _mix(kind, work, 0, row, 0.5, row, size, data, n)
    _sort(work, size)
    for k in range(size):
        start[k] = work[0, k]
    return float(work[0, size])


@kernel
def _sort(work: FloatArray, size: int) -> None:
    """Corners by growing value."""
    for row in range(1, size + 1):
        at = row
        while at > 0 and work[at, size] < work[at - 1, size]:
            for k in range(size + 1):
                work[at, k], work[at - 1, k] = work[at - 1, k], work[at, k]
            at -= 1


@kernel
def _average(work: FloatArray, size: int, mean: int) -> None:
    """Mean of all corners but the last."""
    for k in range(size):
        work[mean, k] = 0.0
        for row in range(size):
            work[mean, k] += work[row, k] / size


@kernel
def _mix(
    kind: int, work: FloatArray, centre: int, corner: int, share: float, into: int, size: int,
    data: FloatArray, n: int,
) -> None:  # fmt: skip
    """Put centre + share (corner - centre) into a row, and its value behind it."""
    for k in range(size):
        work[into, k] = work[centre, k] + share * (work[corner, k] - work[centre, k])
    work[into, size] = _value(kind, work[into], data, n)


@kernel
def _copy(work: FloatArray, source: int, target: int, size: int) -> None:
    for k in range(size + 1):
        work[target, k] = work[source, k]

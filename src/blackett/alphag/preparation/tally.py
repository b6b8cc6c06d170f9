"""What the points of a track say besides the fit: residuals, radii, ionisation."""

from __future__ import annotations

from math import cos, isfinite, sin, sqrt
from typing import TYPE_CHECKING

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.preparation.finding import ACROSS, ALONG, ARC, CHI2
from blackett.alphag.robust.fit import KAPPA, LAMBDA, PR, PSI, PX, PY, SIGMA_R, SIGMA_RPHI, SIGMA_Z

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["COUNT", "FIRST_R", "LAST_R", "STRETCHES", "SUMS", "TALLIES", "count_points", "ionise",
           "truncated"]  # fmt: skip

COUNT, SUM_CHI2, FIRST_R, LAST_R, SQUARE_ACROSS, SQUARE_Z, PATH, KNOWN = range(8)
SUMS = 8
"""From here three thirds of: points, sum across, sum along z."""
TALLIES = 17
STRETCHES = 10
"""Parts of a track that are compared by their ionisation."""
_THIRDS_MM = (131.0, 152.0)
_LOWEST = 6
_LEAST_MM = 10.0


@kernel
def count_points(
    points: FloatArray, slot: IntArray, off: FloatArray, helix: FloatArray, track: IntArray,
    kept: int, r_min: float, r_max: float, tally: FloatArray,
) -> None:  # fmt: skip
    """Fill tally (kept, TALLIES) from the points between the radii."""
    for k in range(kept):
        for c in range(TALLIES):
            tally[k, c] = 0.0
        tally[k, FIRST_R] = 1e9
    for i in range(points.shape[0]):
        p, k = points[i], slot[i]
        if k < 0 or not r_min < p[PR] < r_max:
            continue
        row, slope = tally[k], helix[track[k], LAMBDA]
        d = off[i, ACROSS] / p[SIGMA_RPHI]
        e = off[i, ALONG] / sqrt(p[SIGMA_Z] ** 2 + (slope * p[SIGMA_R]) ** 2)
        row[COUNT] += 1
        row[SUM_CHI2] += off[i, CHI2]
        row[FIRST_R], row[LAST_R] = min(row[FIRST_R], p[PR]), max(row[LAST_R], p[PR])
        row[SQUARE_ACROSS] += d * d
        row[SQUARE_Z] += e * e
        third = SUMS + 3 * (int(p[PR] > _THIRDS_MM[0]) + int(p[PR] > _THIRDS_MM[1]))
        row[third] += 1
        row[third + 1] += d
        row[third + 2] += e


@kernel
def ionise(
    points: FloatArray, amplitude: FloatArray, pad: FloatArray, order: IntArray, slot: IntArray,
    off: FloatArray, helix: FloatArray, track: IntArray, kept: int, tally: FloatArray,
    charge: FloatArray,
) -> None:  # fmt: skip
    """Avalanche size and pad counts per mm of path: charge (kept, 3, STRETCHES), the third row
    counting points. Path of the whole track (mm) into its tally."""
    for k in range(kept):
        for c in range(3):
            for b in range(STRETCHES):
                charge[k, c, b] = 0.0
    for i in range(points.shape[0]):
        k = slot[i]
        if k < 0 or not tally[k, FIRST_R] <= points[i, PR] <= tally[k, LAST_R]:
            continue
        row, length = tally[k], max(tally[k, LAST_R] - tally[k, FIRST_R], _LEAST_MM)
        b = min(int((points[i, PR] - row[FIRST_R]) / length * STRETCHES), STRETCHES - 1)
        a, q = amplitude[order[i]], pad[order[i]]
        steep = _path_over_radius(helix[track[k]], points[i], off[i, ARC])
        row[PATH] += steep
        charge[k, 2, b] += 1
        if isfinite(a) and isfinite(q) and a > 0 and q > 0:
            row[KNOWN] += 1
            charge[k, 0, b] += a / steep
            charge[k, 1, b] += q / steep
    for k in range(kept):
        length = max(tally[k, LAST_R] - tally[k, FIRST_R], _LEAST_MM)
        tally[k, PATH] *= length / max(tally[k, COUNT], 1.0)
        for b in range(STRETCHES):
            charge[k, 0, b] *= STRETCHES / length
            charge[k, 1, b] *= STRETCHES / length


@kernel
def _path_over_radius(t: FloatArray, p: FloatArray, arc: float) -> float:
    """Path in space over radius crossed, at a point; at most 10."""
    heading = t[PSI] + t[KAPPA] * arc
    radial = abs(p[PX] * cos(heading) + p[PY] * sin(heading)) / p[PR]
    return float(sqrt(1 + t[LAMBDA] ** 2) / max(radial, 0.1 * sqrt(1 + t[LAMBDA] ** 2)))


@kernel
def truncated(values: FloatArray) -> tuple[float, float]:
    """Mean of the lowest six of `values` (STRETCHES,), which are sorted, and mean of all."""
    for i in range(1, STRETCHES):
        j = i
        while j > 0 and values[j] < values[j - 1]:
            values[j], values[j - 1] = values[j - 1], values[j]
            j -= 1
    low, total = 0.0, 0.0
    for i in range(STRETCHES):
        total += values[i]
        if i < _LOWEST:
            low += values[i]
    return low / _LOWEST, total / STRETCHES

"""Through-going muons as two tracks: how well do the halves agree in the middle?

A muon that crosses the inside of the chamber leaves two tracks of one line. Each half is fitted on
its own, with the curvature of both together, and both say where the muon passed closest to the axis
and at which slope. The differences have the width of two tracks' errors there: resolution and
pulls of tracks without any truth. Scattering in trap and vessel comes on top, so that only stiff
muons are taken. (A kink across the axis cannot be told from curvature.)

In the plane across the axis a track is y = d + psi s + kappa s^2 / 2 along the line s through both
halves (the fourth order is below 0.1 mm for the curvatures that are taken), and z = z0 + lambda s.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.evaluate.statistics import LEAST_CORE, core_fit
from blackett.alphag.robust.settings import DEFAULT as ROBUST
from blackett.alphag.validate.records import Finding, unknown
from blackett.arrays import frozen
from blackett.report import Estimate, bootstrap_all

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch, SpacePoints
    from blackett.arrays import FloatArray, IntArray

__all__ = ["QUANTITIES", "Halves", "half_findings", "joined_halves", "split_tracks"]

LEAST_POINTS: Final = 20
"""Points of each half."""
LEAST_SPAN_MM: Final = 35.0
"""Range of radii that each half covers."""
MOST_CURVATURE: Final = 3e-4
"""1/mm, of both halves together: transverse momenta above 1 GeV/c in 1 T."""
MOST_IMPACT_MM: Final = 80.0
"""Of the line from the axis: a muon farther out stays close to the gas, where halves touch."""
MOST_KINK: Final = 0.5
"""Largest difference of the halves' slopes: far beyond its error."""
LEAST_SHARE: Final = 0.8
"""Of all points on tracks, what the two halves hold."""
R_RANGE_MM: Final = (ROBUST.r_min_mm, ROBUST.r_max_mm)
_ROUNDS = 4
_CUT = 16.0  # chi2 at which a point's weight is half
QUANTITIES: Final = {
    "d_mm": "across the muon's heading",
    "z_mm": "along z",
    "slope_1e3": "in dz/ds, times 1000",
}
"""Differences of the halves (outgoing less incoming) at the closest approach to the axis."""


@dataclass(frozen=True, eq=False)
class Halves:
    """Differences of the halves of n muons in the order of `QUANTITIES`, and their expected errors:
    `difference` and `sigma` (n, 3); `curvature` (n,), 1/mm; `impact_mm` (n,), distance of the line
    from the axis; `z_mm` (n,), height there."""

    difference: FloatArray
    sigma: FloatArray
    curvature: FloatArray
    impact_mm: FloatArray
    z_mm: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, frozen(getattr(self, field.name)))

    def __len__(self) -> int:
        return len(self.curvature)


def joined_halves(parts: list[Halves]) -> Halves:
    """Several as one; none gives no muon."""
    empty = Halves(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0), np.empty(0))
    columns = ([getattr(part, f.name) for part in [empty, *parts]] for f in fields(Halves))
    return Halves(*(np.concatenate(column) for column in columns))


def split_tracks(batch: EventBatch, point_track: IntArray) -> Halves:
    """The halves of all muons that cross the inside of the chamber, from the tracks that a method
    gave the points (-1: none)."""
    points = _points(batch, point_track)
    if not len(points["half"]):
        return joined_halves([])
    frame = _frame(points)
    return _compared(points, frame)


def _points(batch: EventBatch, point_track: IntArray) -> dict[str, np.ndarray]:
    """Points of the two largest tracks of every event that may be a muon: columns by name; `half`
    is 2 k and 2 k + 1 for the k-th such event."""
    p = batch.points
    event = np.repeat(np.arange(len(batch)), np.diff(batch.point_offset))
    r = np.hypot(p.x_mm, p.y_mm, dtype=np.float64)
    usable = (point_track >= 0) & (r > R_RANGE_MM[0]) & (r < R_RANGE_MM[1])
    index = np.flatnonzero(usable)
    half = _halves(event[index], point_track[index].astype(np.int64), r[index], len(batch))
    index, half = index[half >= 0], half[half >= 0]
    columns = {"half": half, "r": r[index]}
    for name in ("x_mm", "y_mm", "z_mm"):
        columns[name[0]] = np.asarray(getattr(p, name)[index], np.float64)
    return columns | _errors(p, index)


def _errors(p: SpacePoints, index: IntArray) -> dict[str, np.ndarray]:
    """Standard errors along r-phi, z and r; those of `robust` where a file has none."""
    typical = {"rphi": ROBUST.unknown_rphi_mm, "z": ROBUST.unknown_z_mm, "r": ROBUST.unknown_r_mm}
    found = {}
    for name, value in typical.items():
        given = np.asarray(getattr(p, f"sigma_{name}_mm")[index], np.float64)
        found[f"sigma_{name}"] = np.where(given > 0, given, value)
    return found


def _halves(event: IntArray, track: IntArray, r: FloatArray, n: int) -> IntArray:
    """Number of the half that each point belongs to; -1 for none."""
    key = event * (track.max(initial=0) + 1) + track
    keys, place, count = np.unique(key, return_inverse=True, return_counts=True)
    owner = keys // (track.max(initial=0) + 1)
    low, high = np.full(len(keys), np.inf), np.full(len(keys), -np.inf)
    np.minimum.at(low, place, r)
    np.maximum.at(high, place, r)
    order = np.lexsort((-count, owner))
    rank = np.empty(len(keys), np.int64)
    starts = np.searchsorted(owner[order], np.arange(n))
    rank[order] = np.arange(len(keys)) - starts[owner[order]]
    good = (rank < 2) & (count >= LEAST_POINTS) & (high - low >= LEAST_SPAN_MM)
    held = np.bincount(owner[good], count[good], n)
    total = np.bincount(owner, count, n)
    chosen = (np.bincount(owner[good], minlength=n) == 2) & (held >= LEAST_SHARE * total)
    number = np.cumsum(chosen) - 1
    half = np.where(good & chosen[owner], 2 * number[owner] + rank, -1)
    return np.asarray(half[place])


def _mean_by(half: IntArray, values: FloatArray, n: int) -> FloatArray:
    return np.asarray(np.bincount(half, values, n) / np.maximum(np.bincount(half, minlength=n), 1))


def _frame(points: dict[str, np.ndarray]) -> dict[str, FloatArray]:
    """For every muon: heading (cosine, sine) of the line from the centre of one half to that of the
    other, downwards along z as muons fly, and its point closest to the axis."""
    half = points["half"]
    n = int(half.max()) // 2 + 1
    x, y, z = (_mean_by(half, points[k], 2 * n).reshape(n, 2) for k in "xyz")
    sign = np.where(z[:, 1] <= z[:, 0], 1.0, -1.0)  # from the upper half to the lower one
    dx, dy = sign * (x[:, 1] - x[:, 0]), sign * (y[:, 1] - y[:, 0])
    length = np.maximum(np.hypot(dx, dy), 1e-6)
    c, s = dx / length, dy / length
    across = y[:, 0] * c - x[:, 0] * s
    return {"c": c, "s": s, "x": -across * s, "y": across * c}


def _compared(points: dict[str, np.ndarray], frame: dict[str, FloatArray]) -> Halves:
    """Fit the halves and take their differences; muons only."""
    half = points["half"]
    k, n = half // 2, len(frame["c"])
    c, s = frame["c"][k], frame["s"][k]
    dx, dy = points["x"] - frame["x"][k], points["y"] - frame["y"][k]
    along, across = dx * c + dy * s, dy * c - dx * s
    slope = _slopes(half, along, points["z"], n)
    weight_d, weight_z = _weights(points, c, s, slope[k])
    bend = _curvature(k, along, across, weight_d, n)
    straight = across - bend[k] * along**2 / 2
    d = _lines(half, along, straight, weight_d, 2 * n)
    z = _lines(half, along, points["z"], weight_z, 2 * n)
    upper = _mean_by(half, along, 2 * n).reshape(n, 2).argmin(axis=1)
    one, two = 2 * np.arange(n) + upper, 2 * np.arange(n) + 1 - upper
    columns = [(d, 0, 1.0), (z, 0, 1.0), (z, 1, 1e3)]
    difference = np.stack([f * (v[two, i] - v[one, i]) for v, i, f in columns], axis=1)
    sigma = np.stack([f * np.hypot(v[two, i + 2], v[one, i + 2]) for v, i, f in columns], axis=1)
    ends = _mean_by(half, along, 2 * n)
    impact, height = np.hypot(frame["x"], frame["y"]), (z[one, 0] + z[two, 0]) / 2
    good = (ends[one] < 0) & (ends[two] > 0) & (np.abs(bend) < MOST_CURVATURE)
    good &= impact < MOST_IMPACT_MM
    good &= np.isfinite(difference).all(axis=1) & (np.abs(difference[:, 2]) < 1e3 * MOST_KINK)
    return Halves(difference[good], sigma[good], bend[good], impact[good], height[good])


def _slopes(half: IntArray, along: FloatArray, z: FloatArray, n: int) -> FloatArray:
    """dz/ds from the centres of both halves, (n,)."""
    s, height = (_mean_by(half, values, 2 * n).reshape(n, 2) for values in (along, z))
    run = s[:, 1] - s[:, 0]
    return np.asarray((height[:, 1] - height[:, 0]) / np.where(np.abs(run) > 1e-6, run, np.nan))


def _weights(
    points: dict[str, np.ndarray], c: FloatArray, s: FloatArray, slope: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Inverse variances of a point's distance from the line across it and along z; points of a
    track share clusters, so only a part of each counts (as in `robust`)."""
    r = points["r"]
    radial = (points["x"] * c + points["y"] * s) / r  # cosine of the heading to the radius
    var_f, var_r = points["sigma_rphi"] ** 2, points["sigma_r"] ** 2
    across = var_f * radial**2 + var_r * (1 - radial**2)
    along = var_r * radial**2 + var_f * (1 - radial**2)
    return ROBUST.share / across, ROBUST.share / (points["sigma_z"] ** 2 + slope**2 * along)


def _curvature(
    muon: IntArray, s: FloatArray, y: FloatArray, weight: FloatArray, n: int
) -> FloatArray:
    """kappa (n,) of y = d + psi s + kappa s^2 / 2 through all points of each muon."""
    terms = np.stack([np.ones_like(s), s / 100, (s / 100) ** 2 / 2])
    w = weight.copy()
    for _ in range(_ROUNDS):
        matrix = np.empty((n, 3, 3))
        for i in range(3):
            for j in range(3):
                matrix[:, i, j] = np.bincount(muon, w * terms[i] * terms[j], n)
        right = np.stack([np.bincount(muon, w * t * y, n) for t in terms], axis=1)
        matrix += 1e-9 * np.eye(3)
        found = np.linalg.solve(matrix, right[..., None])[..., 0]
        missed = y - (found[muon] * terms.T).sum(axis=1)
        w = weight / (1 + (weight / ROBUST.share * missed**2 / _CUT) ** 2)
    return np.asarray(found[:, 2] / 1e4)


def _lines(half: IntArray, s: FloatArray, y: FloatArray, weight: FloatArray, n: int) -> FloatArray:
    """Weighted straight lines, outliers down-weighted: value and slope at s = 0 and their errors,
    (n, 4); nan for a half without spread."""
    w = weight.copy()
    for _ in range(_ROUNDS):
        sums = [np.bincount(half, w * a, n) for a in (np.ones_like(s), s, s * s, y, s * y)]
        total, first, second, level, product = sums
        determinant = total * second - first**2
        determinant = np.where(determinant > 1e-9, determinant, np.nan)
        value = (second * level - first * product) / determinant
        slope = (total * product - first * level) / determinant
        missed = y - value[half] - slope[half] * s
        w = weight / (1 + (weight / ROBUST.share * missed**2 / _CUT) ** 2)
    errors = (np.sqrt(second / determinant), np.sqrt(total / determinant))
    return np.stack([value, slope, *errors], axis=1)


def half_findings(halves: Halves, method: str, rng: np.random.Generator) -> list[Finding]:
    """Offset, width and pull of every difference, and the resolution of one track that follows."""
    where = f"muons, pT > {_least_momentum():.1f} GeV/c"
    if len(halves) < LEAST_CORE:
        why = f"{len(halves)} through-going muons: a fit needs {LEAST_CORE}"
        return [unknown("halves", "resolution_d_mm", where, method, len(halves), "", why)]
    return [
        finding
        for k, (name, words) in enumerate(QUANTITIES.items())
        for finding in _of_quantity(halves, k, name, words, where, method, rng)
    ]


def _least_momentum() -> float:
    """Transverse momentum (GeV/c) at the largest curvature that is taken, in 1 T."""
    return 0.299792458 / MOST_CURVATURE / 1e3


def _of_quantity(
    halves: Halves, k: int, name: str, words: str, where: str, method: str,
    rng: np.random.Generator,
) -> list[Finding]:  # fmt: skip
    delta = halves.difference[:, k]
    offset, width, pull = bootstrap_all(
        _statistics, rng, np.stack([delta, delta / halves.sigma[:, k]], axis=1)
    )
    own = np.median(halves.sigma[:, k]) / np.sqrt(2)
    root = Estimate(*(v / np.sqrt(2) for v in (width.value, width.low, width.high)))
    common = (where, method, len(halves))
    note = f"difference of the halves {words}"
    return [
        Finding("halves", f"offset_{name}", *common, offset, "0", note),
        Finding(
            "halves", f"resolution_{name}", *common, root,
            f"own error of a half, {own:.2f}, and scattering", note + ", core width over root 2",
        ),
        Finding("halves", f"pull_{name}", *common, pull, "1, above it by scattering", note),
    ]  # fmt: skip


def _statistics(samples: FloatArray) -> FloatArray:
    centre, sigma = core_fit(samples[..., 0])
    return np.stack([centre, sigma, core_fit(samples[..., 1])[1]], axis=-1)

"""helix-chain: chains of points, weighted helix fits and a weighted vertex that grows.

After agana, the collaboration's C++ analysis: best pair of helices first, then every helix that
agrees. Its errors are diagonal and its scattering material is uniform; both are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import hypot, inf, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from blackett.alphag.geometry.compiled import kernel
from blackett.alphag.helix.perigee import (
    arc_at_radius,
    position_at_arc,
    transverse_momentum_mev,
)
from blackett.alphag.helix.symmetric import inverse3
from blackett.alphag.helix.weighted import NORMAL_SHAPE, POINT_ROWS, fit_perigee
from blackett.alphag.particles import PION_MEV
from blackett.alphag.tracks.chain import SIMULATION as SIMULATION_CHAINS
from blackett.alphag.tracks.chain import ChainSettings, find_chains_of_events
from blackett.alphag.vertex import STATUSES, Vertices
from blackett.alphag.vertexing.joint import fit_vertex, new_joint, start_vertex
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.alphag.vertexing.joint import Joint
    from blackett.arrays import FloatArray, IntArray

__all__ = ["DEFAULT", "PRESETS", "ChainVertexSettings", "reconstruct_batch"]

_OK, _TOO_FEW = STATUSES.index("ok"), STATUSES.index("too few tracks")
_NO_POINTS, _NO_TRACK = STATUSES.index("no points"), STATUSES.index("no track")
_NOT_CONVERGED, _TOO_MANY = STATUSES.index("not converged"), STATUSES.index("too many points")


@dataclass(frozen=True)
class ChainVertexSettings:
    """Cuts of helix-chain; every default is that of agana for data but the last three."""

    chains: ChainSettings = field(default_factory=ChainSettings)
    least_points: int = 10
    """Points that a helix needs."""
    least_chi2: float = 1e-6
    """Of a good helix's fits, per degree of freedom: 2 N - 3 radial, N - 2 axial."""
    radial_chi2: float = 100.0
    """Radial chi-square per degree of freedom that a good helix stays below."""
    axial_chi2: float = 20.0
    """Axial chi-square per degree of freedom that a good helix stays below."""
    axis_distance_mm: float = 60.0
    """Distance D to the axis that a good helix stays below."""
    vertex_chi2: float = 12.0
    """Chi-square of the vertex over 2 n - 3 that a further helix must keep it below."""
    field_t: float = 1.0
    """Solenoid field, for the momentum."""
    radiation_length_mm: float = 32.087
    """Of what lies between the two radii below (average of ALPHA-2): about three times the real
    thickness."""
    scatter_mev: float = 14.1
    """Constant of the scattering angle, over p beta, by the root of the radiation lengths."""
    cathode_radius_mm: float = 109.2
    """Where scattering ends ..."""
    trap_radius_mm: float = 22.275
    """... and where it begins, and where arcs of the vertex fit start."""
    unknown_sigma_rphi_mm: float = 1.3
    """Ours: error of points that carry none (judged from the wires' pitch, 4.47 mm / sqrt 12)."""
    unknown_sigma_z_mm: float = 1.5
    """Ours: what agana writes for points seeded by the truth."""
    unknown_sigma_r_mm: float = 0.4
    """Ours: judged from the time bins and diffusion."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name != "chains" and not value > 0:  # inf: no cut
                raise InputError(f"helix-chain: {f.name} = {value}: give a number above 0")


DEFAULT: Final = ChainVertexSettings()
PRESETS: Final = {
    "data": DEFAULT,
    "simulation": replace(
        DEFAULT, chains=SIMULATION_CHAINS, radial_chi2=inf, axial_chi2=inf, axis_distance_mm=110.0
    ),
}
"""Settings by name: agana's for data, and its wider ones for simulated events."""


class _Cuts(NamedTuple):
    """`ChainVertexSettings` for compiled code."""

    least_points: int
    least_chi2: float
    radial_chi2: float
    axial_chi2: float
    axis_distance_mm: float
    vertex_chi2: float
    field_t: float
    radiation_length_mm: float
    scatter_mev: float
    cathode_radius_mm: float
    trap_radius_mm: float


class _Out(NamedTuple):
    """Answers for one event a row."""

    position: FloatArray
    covariance: FloatArray
    n_tracks: IntArray
    status: IntArray


def reconstruct_batch(batch: EventBatch, settings: ChainVertexSettings = DEFAULT) -> Vertices:
    """The answers of helix-chain for all events, in their order.

    `covariance_mm2` is that of the vertex chi-square, the helices' errors taken as they are.
    `p_cosmic` is nan: the method has none.
    """
    points, offset = batch.points.xyz_mm.astype(np.float64), batch.point_offset
    label = find_chains_of_events(points, batch.points.amplitude, offset, settings.chains)
    columns, n = _columns(batch, settings), np.diff(offset)
    nan = np.full((len(batch), 3, 3), np.nan)
    status: np.ndarray = np.full(len(batch), _NO_TRACK, np.int8)
    out = _Out(nan[:, 0].copy(), nan, np.zeros(len(batch), np.int32), status)
    scratch = np.zeros((POINT_ROWS, int(n.max(initial=0))))
    joint, cuts = new_joint(int(label.max(initial=-1)) + 1), _cuts(settings)
    _fit_all(columns, offset, label, cuts, scratch, np.zeros(NORMAL_SHAPE), joint, out)
    out.status[n == 0] = _NO_POINTS
    out.status[n > settings.chains.most_points] = _TOO_MANY
    return Vertices(
        number=batch.number, position_mm=out.position, covariance_mm2=out.covariance,
        p_cosmic=np.full(len(batch), np.nan), n_tracks=out.n_tracks, status=out.status,
        point_offset=offset, point_track=label,
    )  # fmt: skip


def _cuts(settings: ChainVertexSettings) -> _Cuts:
    return _Cuts(**{name: getattr(settings, name) for name in _Cuts._fields})


def _columns(batch: EventBatch, settings: ChainVertexSettings) -> FloatArray:
    """x, y, z, r and the weights of x, y, z of all points: shape (7, n)."""
    points = batch.points
    xyz = points.xyz_mm.astype(np.float64)
    r2 = xyz[:, 0] ** 2 + xyz[:, 1] ** 2
    around = _known(points.sigma_rphi_mm, settings.unknown_sigma_rphi_mm) ** 2
    out = _known(points.sigma_r_mm, settings.unknown_sigma_r_mm) ** 2
    along = _known(points.sigma_z_mm, settings.unknown_sigma_z_mm) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):  # a point on the axis is in no chain
        cos2, sin2 = xyz[:, 0] ** 2 / r2, xyz[:, 1] ** 2 / r2
    weights = [1 / (cos2 * out + sin2 * around), 1 / (sin2 * out + cos2 * around), 1 / along]
    return np.stack([*xyz.T, np.sqrt(r2), *weights])


def _known(sigma: FloatArray, otherwise: float) -> FloatArray:
    """Errors as float64, with a stated value where a point has none."""
    values = sigma.astype(np.float64)
    return np.where(np.isfinite(values) & (values > 0), values, otherwise)


@kernel
def _fit_all(
    columns: FloatArray, offset: IntArray, label: IntArray, cuts: _Cuts, scratch: FloatArray,
    normal: FloatArray, joint: Joint, out: _Out,
) -> None:  # fmt: skip
    for k in range(offset.size - 1):
        begin, end = offset[k], offset[k + 1]
        n = _helices(columns[:, begin:end], label[begin:end], cuts, scratch, normal, joint)
        if n == 1:
            out.status[k] = _TOO_FEW
        elif n > 1:
            used = _vertex(n, cuts, joint)
            out.status[k] = _OK if used >= 2 else _NOT_CONVERGED
            if used >= 2:
                out.n_tracks[k] = used
                for i in range(3):
                    out.position[k, i] = joint.vertex[i]
                    for j in range(3):
                        out.covariance[k, i, j] = joint.normal[i, j]


@kernel
def _helices(
    columns: FloatArray, label: IntArray, cuts: _Cuts, scratch: FloatArray, normal: FloatArray,
    joint: Joint,
) -> int:  # fmt: skip
    """Fit every chain; keep the good helices, the straightest first."""
    tracks, count = 0, 0
    for i in range(label.size):
        tracks = max(tracks, label[i] + 1)
    for track in range(tracks):
        n = 0
        for i in range(label.size):
            if label[i] == track:
                for row in range(POINT_ROWS):
                    scratch[row, n] = columns[row, i]
                n += 1
        helix, variance = joint.helix[count], joint.variance[count]
        if n >= cuts.least_points:
            radial, axial = fit_perigee(scratch, n, helix, variance, normal)
            if _is_good(radial / (2 * n - 3), axial / (n - 2), helix, cuts):
                _scatter(helix, variance, cuts)
                _sink(joint, count)
                count += 1
    return count


@kernel
def _is_good(radial: float, axial: float, helix: FloatArray, cuts: _Cuts) -> bool:
    fits = cuts.least_chi2 < radial < inf and cuts.least_chi2 < axial < inf
    fits = fits and radial < cuts.radial_chi2 and axial < cuts.axial_chi2
    return bool(fits and abs(helix[2]) < cuts.axis_distance_mm)


@kernel
def _scatter(helix: FloatArray, variance: FloatArray, cuts: _Cuts) -> None:
    """Add a thick scatterer's variances: 1 for angles, 1/3 of the length squared for places."""
    outer = position_at_arc(helix, arc_at_radius(helix, cuts.cathode_radius_mm))
    inner = position_at_arc(helix, arc_at_radius(helix, cuts.trap_radius_mm))
    length2 = (outer[0] - inner[0]) ** 2 + (outer[1] - inner[1]) ** 2 + (outer[2] - inner[2]) ** 2
    slant2 = 1 + helix[3] ** 2
    p = transverse_momentum_mev(helix[0], cuts.field_t) * sqrt(slant2)
    beta = p / hypot(p, PION_MEV)
    angle2 = (cuts.scatter_mev / (p * beta)) ** 2 * sqrt(length2) / cuts.radiation_length_mm
    variance[1] += angle2 * slant2
    variance[2] += angle2 * length2 / 3
    variance[3] += angle2 * slant2 * slant2
    variance[4] += angle2 * length2 / 3 * slant2


@kernel
def _sink(joint: Joint, new: int) -> None:
    """Move a new helix up to its place by growing |c|."""
    helix, variance = joint.helix, joint.variance
    at = new
    while at > 0 and abs(helix[at, 0]) < abs(helix[at - 1, 0]):
        for k in range(helix.shape[1]):
            helix[at, k], helix[at - 1, k] = helix[at - 1, k], helix[at, k]
            variance[at, k], variance[at - 1, k] = variance[at - 1, k], variance[at, k]
        at -= 1


@kernel
def _vertex(n: int, cuts: _Cuts, joint: Joint) -> int:
    """Fit the best pair, then add what agrees; returns the helices used, 0 without convergence.

    Leaves the vertex in `joint.vertex`, its covariance in the first rows of `joint.normal`.
    """
    first, second = _best_pair(n, cuts.trap_radius_mm, joint)
    if first < 0:
        return 0
    used = _refit_pair(first, second, cuts.trap_radius_mm, joint)
    for k in range(n):
        if k not in (first, second):
            used = _improved(k, used, cuts.vertex_chi2, joint)
    fit_vertex(joint, used)
    return used if inverse3(joint.normal, 1.0) else 0


@kernel
def _best_pair(n: int, r: float, joint: Joint) -> tuple[int, int]:
    """The two helices of smallest chi-square; -1 if no pair converges."""
    best, first, second = inf, -1, -1
    for i in range(n):
        for j in range(i + 1, n):
            joint.chosen[0], joint.chosen[1] = i, j
            start_vertex(joint, 2, r)
            chi2 = fit_vertex(joint, 2)
            if chi2 < best:
                best, first, second = chi2, i, j
    return first, second


@kernel
def _refit_pair(first: int, second: int, r: float, joint: Joint) -> int:
    joint.chosen[0], joint.chosen[1] = first, second
    start_vertex(joint, 2, r)
    fit_vertex(joint, 2)
    return 2


@kernel
def _improved(k: int, used: int, most: float, joint: Joint) -> int:
    """Add helix k if the vertex stays good; otherwise leave everything as it was."""
    arc, vertex = joint.arc, joint.vertex
    x, y, z = vertex[0], vertex[1], vertex[2]
    joint.chosen[used] = k
    arc[used] = arc_at_radius(joint.helix[k], hypot(x, y))
    n = used + 1
    chi2 = fit_vertex(joint, n)
    if chi2 / (2 * n - 3) < most:
        return n
    vertex[0], vertex[1], vertex[2] = x, y, z
    fit_vertex(joint, used)
    return used

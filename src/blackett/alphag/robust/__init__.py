"""The robust reconstruction, "helix-robust": helix fits at their best.

    vertices = reconstruct_batch(batch)

Tracks are found and fitted with their points' errors (`finder`, `fit`); each is followed back to
the trap as every particle that it may have been, with the material at its own height (`lines`); and
one vertex is fitted to all of them (`vertex`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import log
from typing import TYPE_CHECKING

import numba
import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from blackett.alphag.cosmics import p_cosmic
from blackett.alphag.robust.finder import MOST_TRACKS, Search, find_tracks
from blackett.alphag.robust.lines import COLUMNS, Particles, lines_of
from blackett.alphag.robust.posterior import Prior
from blackett.alphag.robust.settings import (
    DEFAULT,
    SPECTRA,
    Settings,
)
from blackett.alphag.robust.vertex import fit_vertex
from blackett.alphag.transport.apparatus import Settings as TransportSettings
from blackett.alphag.transport.apparatus import build_apparatus
from blackett.alphag.vertex import STATUSES, Vertices

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch
    from blackett.alphag.transport.apparatus import Apparatus
    from blackett.arrays import FloatArray, IntArray

__all__ = ["DEFAULT", "Settings", "reconstruct_batch"]

_CONVERSION_MM = (103.0, 91.0, 69.0, 40.5, 24.0)  # inner faces of the groups of layers
_HIGHLAND_MEV = 13.6 * (1 + 0.038 * log(1.2))  # Particle Data Group; 1.2 X0 on the way
_LINES = MOST_TRACKS * 200
_OK, _ONE_TRACK, _NO_POINTS, _NO_TRACK, _TOO_MANY = (
    STATUSES.index(s) for s in ("ok", "one track", "no points", "no track", "too many points")
)


def reconstruct_batch(batch: EventBatch, settings: Settings = DEFAULT) -> Vertices:
    """The vertex of every event, from its space points alone.

    Status "ok" is a vertex that two tracks or more point to; "one track" is one track's, with what
    is known of the trap. The covariance is the second moment of the posterior about the answer.
    `p_cosmic` comes from the tracks and the bars (`blackett.alphag.cosmics`).
    """
    points, offset, order = _sorted_points(batch, settings)
    n = len(batch)
    position, covariance = np.full((n, 3), np.nan), np.full((n, 3, 3), np.nan)
    tracks, status = np.zeros(n, np.int64), np.full(n, _NO_TRACK)
    label = np.full(len(points), -1)
    _reconstruct(
        points, offset, settings.most_points, _search(settings), _apparatus(),
        _particles(settings), _prior(settings), _normal(settings.draws), position, covariance,
        tracks, status, label,
    )  # fmt: skip
    point_track = np.empty(len(points), np.int64)
    point_track[order] = np.where(label >= 0, label, -1)
    found = Vertices(
        batch.number, position, covariance, np.full(n, np.nan), tracks, status, offset, point_track
    )
    return replace(found, p_cosmic=p_cosmic(batch, found))


def _sorted_points(batch: EventBatch, s: Settings) -> tuple[FloatArray, IntArray, IntArray]:
    """Columns of `fit` for all points, sorted by event and z; offsets; and the order.

    Points that are nowhere are put where none are used.
    """
    p, offset = batch.points, np.asarray(batch.point_offset)
    xyz = np.where(np.isfinite(p.xyz_mm).all(axis=1, keepdims=True), p.xyz_mm, 0.0)
    errors = (
        _known(p.sigma_rphi_mm, s.unknown_rphi_mm),
        _known(p.sigma_z_mm, s.unknown_z_mm),
        _known(p.sigma_r_mm, s.unknown_r_mm),
    )
    columns = (xyz[:, 0], xyz[:, 1], xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1]), *errors)
    event = np.repeat(np.arange(len(batch)), np.diff(offset))
    order = np.lexsort((xyz[:, 2], event))
    return np.stack(columns, axis=1).astype(np.float64)[order], offset, order


def _known(sigma_mm: FloatArray, unknown_mm: float) -> FloatArray:
    return np.where(np.isfinite(sigma_mm) & (sigma_mm > 0), sigma_mm, unknown_mm)


@cache
def _apparatus() -> Apparatus:
    return build_apparatus(TransportSettings())


def _search(s: Settings) -> Search:
    return Search(
        s.r_min_mm, s.r_max_mm, s.link_mm, s.trials, s.least_points, s.least_span_mm, s.near_mm,
        s.road_mm, s.cut, s.share, s.rounds,
    )  # fmt: skip


@cache
def _particles(s: Settings) -> Particles:
    kind, number = [], []
    for pdg, (edges, counts) in SPECTRA.items():
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
            width = (1 / low - 1 / high) / np.sqrt(12)
            for charge in (-1.0, 1.0):
                kind.append((pdg, charge))
                number.append((count / 2, low, high, (1 / low + 1 / high) / 2, width))
    return Particles(
        np.array(kind, np.float64), np.array(number), np.array(_CONVERSION_MM), s.opening_mev,
        s.scattering * _HIGHLAND_MEV, s.radial_mm, 1e-3,
    )  # fmt: skip


def _prior(s: Settings) -> Prior:
    return Prior(s.trap_radius_mm / 2, s.stray, -log(s.stray_area_mm2), s.heat)


@cache
def _normal(draws: int) -> FloatArray:
    """Standard normal numbers (2 x draws, 3) from a Sobol sequence and its mirror image."""
    uniform = qmc.Sobol(3, scramble=False).random(draws + 1)[1:]
    half = ndtri(uniform)
    return np.concatenate([half, -half])


@numba.njit(cache=True, error_model="numpy")
def _reconstruct(
    points: FloatArray, offset: IntArray, most_points: int, search: Search, world: Apparatus,
    particles: Particles, prior: Prior, normal: FloatArray, position: FloatArray,
    covariance: FloatArray, tracks: IntArray, status: IntArray, label: IntArray,
) -> None:  # fmt: skip
    group, member = np.empty(most_points, np.int64), np.empty(most_points, np.int64)
    least = np.empty(most_points)
    helix, info = np.zeros((MOST_TRACKS, 6)), np.zeros((MOST_TRACKS, 5, 5))
    work, wide = np.zeros((20, 16)), np.zeros((40 + MOST_TRACKS, MOST_TRACKS))
    lines, terms = np.zeros((_LINES, COLUMNS)), np.zeros((_LINES, 7))
    ends, shares = np.zeros(MOST_TRACKS + 1, np.int64), np.zeros(MOST_TRACKS)
    for k in range(len(offset) - 1):
        first, last = offset[k], offset[k + 1]
        if first == last:
            status[k] = _NO_POINTS
            continue
        if last - first > most_points:
            status[k] = _TOO_MANY
            continue
        found = find_tracks(
            points[first:last], search, label[first:last], group, member, least, helix, info, work
        )
        for t in range(found):
            ends[t + 1] = lines_of(world, particles, helix[t], info[t], lines, ends[t], work)
        if fit_vertex(
            lines, ends, found, prior, normal, position[k], covariance[k], shares, wide, terms
        ):
            tracks[k] = max(int(np.sum(shares[:found] > 0.5)), 1)
            status[k] = _OK if tracks[k] > 1 else _ONE_TRACK

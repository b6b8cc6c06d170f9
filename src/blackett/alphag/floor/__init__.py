"""The Cramér-Rao floor: the smallest covariance that a vertex of an event can have.

From the simulation's truth. Tracks are the charged particles made at the annihilation, and the
electrons of photons from it that converted; each is followed through the layers that it really
crosses, and measured by the points that it really made. Points are assigned without error, energy
loss is known, scattering is Gaussian with Highland's widths.

What is left out makes the floor a little too high: decay muons and the products of reactions point
back to the vertex, too; the two electrons of a photon are taken as independent; points of r > 173
mm are not used. What makes it too low: single large scatterings.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from blackett.alphag.floor.information import Measured, TrueTracks, track_information
from blackett.alphag.transport import Process, Settings
from blackett.alphag.transport.apparatus import build_apparatus
from blackett.arrays import frozen
from blackett.errors import InputError, MissingDataError

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch, SpacePoints, TruthTracks
    from blackett.arrays import FloatArray, IntArray

__all__ = ["FloorSettings", "floor_covariance", "usable_tracks"]

_CHARGED = (11, 13, 211, 2212)
_PHOTON_COSINE = (
    0.98  # of an electron with the line from the vertex, for its photon to be from there
)


@dataclass(frozen=True)
class FloorSettings:
    """What the floor assumes."""

    disc_radius_mm: float = 24.0
    """Radius of the disc in which the vertex is known to lie: variance R^2/4 in x and in y;
    infinite for no such knowledge. z is flat."""
    rphi_variance: float = 1.7
    """Variance of the smooth trend of a track's points along r-phi, over that of independent points
    with their stated errors. Neighbours share a wire: correlated within 3 mm of radius, the other
    way round to 6 mm (tests/test_alphag_floor.py measures it, fast mode; full mode: 2.1)."""
    z_variance: float = 1.55
    """The same along z: neighbours are nearly independent, the stated errors too small by 10 %."""
    r_max_mm: float = 173.0
    """Points beyond lie among the field and anode wires, where the stated errors do not hold."""
    least_points: int = 5
    """Points that a track needs to be used."""
    photons: bool = True
    """Use converted photons; False leaves charged particles from the vertex alone."""
    curvature_prior_per_mm: float = 1.5e-3
    """Spread of transverse curvatures of annihilation pions in 1 T; infinite for no such
    knowledge."""
    transport: Settings = field(default_factory=Settings)
    """Field and material of the simulation."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in ("transport", "photons") and not value > 0:
                raise InputError(f"floor {f.name} = {value}: give a number above 0")


_DEFAULT: Final = FloorSettings()


def floor_covariance(batch: EventBatch, settings: FloorSettings = _DEFAULT) -> FloatArray:
    """Smallest covariance of (x, y, z), shape (n, 3, 3), mm2; nan for events without a usable
    track.

    Raises `MissingDataError` if the events carry no truth.
    """
    tracks, track_offset = _truth(batch)
    event = np.repeat(np.arange(len(batch)), np.diff(track_offset))
    chosen, points = _usable(batch, tracks, track_offset, settings)
    entry = np.asarray(tracks.entry_momentum_mev, np.float64)[chosen]
    truth = TrueTracks(
        tracks.pdg[chosen], _vertices(batch)[event[chosen]], tracks.start_mm[chosen],
        tracks.momentum_mev[chosen], np.linalg.norm(entry, axis=1),
    )  # fmt: skip
    world = build_apparatus(settings.transport)
    found = track_information(world, truth, points, settings.curvature_prior_per_mm)
    total = np.zeros((len(batch), 3, 3))
    np.add.at(total, event[chosen], found)
    known = total[:, 2, 2] > 0
    total += np.diag([4 / settings.disc_radius_mm**2] * 2 + [0.0])
    covariance = np.full((len(batch), 3, 3), np.nan)
    covariance[known] = np.linalg.inv(total[known])
    return cast("FloatArray", frozen(covariance))


def usable_tracks(batch: EventBatch, settings: FloorSettings = _DEFAULT) -> IntArray:
    """Number of tracks of each event (n,) that the floor uses, electrons of photons included.

    Raises as `floor_covariance`.
    """
    tracks, offset = _truth(batch)
    event = np.repeat(np.arange(len(batch)), np.diff(offset))
    chosen, _ = _usable(batch, tracks, offset, settings)
    counts: IntArray = np.bincount(event[chosen], minlength=len(batch))
    return counts


def _vertices(batch: EventBatch) -> FloatArray:
    return np.asarray(batch.vertex_mm, np.float64)


def _truth(batch: EventBatch) -> tuple[TruthTracks, IntArray]:
    if batch.tracks is None or batch.track_offset is None or (len(batch) and not len(batch.tracks)):
        raise MissingDataError(
            "the floor needs the simulation's truth, tracks included: give events of "
            "'blackett alphag simulate'"
        )
    return batch.tracks, batch.track_offset


def _usable(
    batch: EventBatch, tracks: TruthTracks, track_offset: IntArray, settings: FloorSettings
) -> tuple[IntArray, Measured]:
    """Rows of the tracks that are used, and their points."""
    points = batch.points
    own = np.asarray(points.track, np.int64)
    track = own + np.repeat(track_offset[:-1], np.diff(batch.point_offset))
    good = (own >= 0) & (points.r_mm <= settings.r_max_mm) & _measured(points)
    rows = np.flatnonzero(good)
    rows = rows[np.argsort(track[rows], kind="stable")]
    counts = np.bincount(track[rows], minlength=len(tracks))
    event = np.repeat(np.arange(len(batch)), np.diff(track_offset))
    vertex = _vertices(batch)[event]
    used = (tracks.made_by == Process.PRIMARY) & np.isin(np.abs(tracks.pdg), _CHARGED)
    if settings.photons:
        used |= _from_photons(tracks, vertex)
    used &= (counts >= settings.least_points) & np.isfinite(vertex).all(axis=1)
    rows = rows[used[track[rows]]]
    offset = np.concatenate([[0], np.cumsum(counts[used])]).astype(np.int64)
    measured = Measured(
        offset,
        points.r_mm[rows],
        points.sigma_rphi_mm[rows] * np.sqrt(settings.rphi_variance),
        points.sigma_z_mm[rows] * np.sqrt(settings.z_variance),
        points.sigma_r_mm[rows],
    )
    return np.flatnonzero(used), measured


def _from_photons(tracks: TruthTracks, vertex: FloatArray) -> np.ndarray:
    """True for electrons made by photons that came straight from the vertex."""
    flight = np.asarray(tracks.start_mm, np.float64) - vertex
    momentum = np.asarray(tracks.momentum_mev, np.float64)
    lengths = np.linalg.norm(flight, axis=1) * np.linalg.norm(momentum, axis=1)
    along = (flight * momentum).sum(axis=1) > _PHOTON_COSINE * lengths
    return np.asarray((tracks.made_by == Process.PAIR) & along)


def _measured(points: SpacePoints) -> np.ndarray:
    errors = (points.sigma_rphi_mm, points.sigma_z_mm, points.sigma_r_mm)
    return cast("np.ndarray", np.all([np.isfinite(e) & (e > 0) for e in errors], axis=0))

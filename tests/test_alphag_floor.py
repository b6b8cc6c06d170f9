"""The Cramér-Rao floor: against formulas, against the published toy, against the simulation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from blackett.alphag import gun
from blackett.alphag.event import EventBatch, joined
from blackett.alphag.floor import FloorSettings, floor_covariance, usable_tracks
from blackett.alphag.floor.information import Measured, TrueTracks, track_information
from blackett.alphag.floor.paths import (
    NODES_MM,
    STATIONS,
    derivatives,
    kink_variance,
    new_work,
    walk,
)
from blackett.alphag.geometry import ray_thickness
from blackett.alphag.simulation import find_recipe, simulate_batches
from blackett.alphag.transport import Process, Settings
from blackett.alphag.transport.apparatus import Apparatus, build_apparatus, record
from blackett.alphag.transport.energy_loss import restricted_loss
from blackett.alphag.transport.motion import helix_step
from blackett.errors import InputError, MissingDataError
from blackett.seeds import generator

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

EMPTY = build_apparatus(Settings(field_scale=0.0, material_scale=0.0))
REAL = build_apparatus(Settings())
PION = 139.57039


@pytest.fixture(scope="module")
def batch() -> EventBatch:
    (made,) = simulate_batches(find_recipe("disc"), 500, generator(21))
    return made


def spread(values: FloatArray) -> float:
    """Half of the central 68 %."""
    low, high = np.percentile(values, [15.865, 84.135])
    return float(high - low) / 2


def one_track(
    world: Apparatus, direction: FloatArray, points: int = 40, sigma: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Information of a fast track from the axis with equal points, and the points' radii."""
    radius = np.linspace(112.0, 172.0, points)
    track = TrueTracks(
        np.array([211]),
        np.zeros((1, 3)),
        np.zeros((1, 3)),
        1000 * direction[None],
        np.array([900.0]),
    )
    errors = np.full(points, sigma)
    measured = Measured(np.array([0, points]), radius, errors, errors, np.full(points, 1e-6))
    return track_information(world, track, measured, np.inf)[0], radius


# --- against formulas --------------------------------------------------------------


def test_a_straight_line_is_extrapolated_as_regression_says() -> None:
    information, r = one_track(EMPTY, np.array([1.0, 0.0, 0.0]))
    expected = 1 / r.size + r.mean() ** 2 / ((r - r.mean()) ** 2).sum()
    assert 1 / information[2, 2] == pytest.approx(expected, rel=1e-4)
    assert abs(information[0]).max() < 1e-6 * information[2, 2]  # nothing is known along the track


def test_a_climbing_line_measures_across_itself() -> None:
    """z at the vertex moves with x by the slope: the information is that of z - slope x."""
    slope = 0.7
    direction = np.array([1.0, 0.0, slope]) / np.hypot(1, slope)
    information, _ = one_track(EMPTY, direction)
    assert information[0, 0] == pytest.approx(slope**2 * information[2, 2], rel=1e-3)
    assert information[0, 2] == pytest.approx(-slope * information[2, 2], rel=1e-3)


def test_perfect_points_leave_the_scattering() -> None:
    """Points that tell the line outside exactly: kinks times their paths from the vertex
    remain."""
    world = build_apparatus(Settings(field_scale=0.0))
    information, _ = one_track(world, np.array([1.0, 0.0, 0.0]), sigma=1e-4)
    stations = walked(world, np.array([1.0, 0.0, 0.0]))
    beta2 = 1 / (1 + (PION / 1000) ** 2)
    variances = [kink_variance(stations, k, beta2) for k in range(STATIONS)]
    expected = (np.array(variances) * stations[:, 0] ** 2).sum()
    assert 1 / information[2, 2] == pytest.approx(expected, rel=0.01)


def walked(world: Apparatus, direction: FloatArray) -> FloatArray:
    work = new_work()
    state = np.array([0.0, 0.0, 0.0, *direction, np.hypot(1000.0, PION)])
    assert walk(world, 211, state, np.hypot(900.0, PION), 0.0, work.stations)
    return work.stations


def test_stations_hold_the_material_of_the_table() -> None:
    direction = np.array([0.0, 0.9, np.sqrt(0.19)])
    stations = walked(build_apparatus(Settings(field_scale=0.0)), direction)
    ray = ray_thickness(np.zeros((1, 3)), direction[None])
    assert stations[:, 1].sum() == pytest.approx(ray[0], rel=1e-3)
    assert (np.diff(stations[:, 0]) >= 0).all()


def test_derivatives_are_those_of_a_helix() -> None:
    """Without material, by the exact helix in the field at z = 0."""
    world = build_apparatus(Settings(material_scale=0.0))
    work, p = new_work(), 300.0
    start = np.array([5.0, -3.0, 2.0, 0.8, 0.36, 0.48, np.hypot(p, PION)])
    assert walk(world, 211, start.copy(), np.hypot(p, PION), 0.0, work.stations)
    assert derivatives(world, 211, start, 0.0, work) == len(NODES_MM)
    for a, (index, step) in enumerate([(0, 0.05), (1, 0.05), (2, 0.05)]):
        moved = start.copy()
        moved[index] += step
        one, two = on_helix(start, p), on_helix(moved, p)
        assert work.jacobian[:, 0, a] == pytest.approx((two[0] - one[0]) / step, abs=2e-6)
        assert work.jacobian[:, 1, a] == pytest.approx((two[1] - one[1]) / step, abs=2e-3)
    one, two = on_helix(start, p), on_helix(start, p * 1.001)
    assert work.jacobian[:, 0, 5] == pytest.approx((two[0] - one[0]) / 1e-3, rel=0.02)


def on_helix(start: FloatArray, p: float) -> tuple[FloatArray, FloatArray]:
    """Azimuth and z where a helix in 1 T meets the nodes."""
    arc = np.linspace(0, 260, 40_001)
    path = np.array([helix_step(*start[:6], 0.0, 0.0, 1.0, 1 / p, s)[:3] for s in arc])
    radius = np.hypot(path[:, 0], path[:, 1])
    kept = slice(int(np.argmin(radius)), None)
    azimuth = np.arctan2(path[kept, 1], path[kept, 0])
    nodes = np.array(NODES_MM)
    return np.interp(nodes, radius[kept], azimuth), np.interp(nodes, radius[kept], path[kept, 2])


# --- against the published toy -----------------------------------------------------

TOY_LAYERS = ((26.0, .05, .9), (36.0, .20, 3.6), (44.0, .26, 4.2), (88.0, .22, 3.5),
              (95.0, .15, 2.5), (106.0, .026, 2.2))  # fmt: skip


def toy_world() -> Apparatus:
    """The six thin cylinders of the facts' toy, scaled to 0.9 X0, and the gas, in a field of 1 T.

    Arrays keep the shapes of the real apparatus, so that nothing is compiled anew.
    """
    real, thickness, scale = cast("Any", REAL), 0.2, 0.9 / sum(x for _, x, _ in TOY_LAYERS)
    arrays = {name: np.array(real[name]) for name in real.dtype.names}
    table, edges, kinds = arrays["table"], [0.0], []
    for m, (radius, x0, loss) in enumerate(TOY_LAYERS, start=2):
        table[m] = table[-1]
        table[m, 0], table[m, 2] = thickness / (x0 * scale), 1.0
        table[m, 2] = loss * scale / (thickness * least_loss(table, m))
        edges += [radius - thickness / 2, radius + thickness / 2]
        kinds += [0, m]
    _, width = arrays["material"].shape
    edges += [109.25, 190.0] + [250.0] * (width - len(kinds) - 2)
    kinds += [0, 1] + [0] * (width - len(kinds) - 2)
    arrays["r_edges"][:] = edges
    arrays["material"][:] = kinds
    arrays["shells"][:] = 15
    arrays["b_r"][:], arrays["b_z"][:] = 0.0, 1.0
    return cast("Apparatus", record(cast("Any", arrays)))


def least_loss(table: FloatArray, m: int) -> float:
    """Loss of a minimum-ionising pion per mm where the table's ionisation is 1 MeV/mm."""
    return min(restricted_loss(table, m, 211, g * PION, 1.0) for g in np.linspace(2, 6, 40))


def toy_sigmas(world: Apparatus, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """sigma of z (nan without a track) and number of tracks of n annihilations in a disc."""
    vertices = gun.in_disc(n, rng, radius_mm=22.275, half_length_mm=1.0)
    born = gun.annihilate(vertices, rng)
    charged = np.abs(born.pdg) == 211
    p = np.linalg.norm(born.momentum_mev[charged], axis=1)
    tracks = TrueTracks(
        born.pdg[charged], born.position_mm[charged], born.position_mm[charged],
        born.momentum_mev[charged], np.zeros(len(p)),
    )  # fmt: skip
    radius, share = np.linspace(112, 173, 16), np.sqrt(40 / 16)
    k = len(p)
    errors = [np.full(16 * k, sigma / share) for sigma in (1.3, 1.5, 0.4)]
    # the toy's radial error is that of one point, too
    points = Measured(np.arange(0, 16 * k + 1, 16), np.tile(radius, k), *errors)
    found = track_information(world, tracks, points, np.inf)
    used = found[:, 2, 2] > 0
    total = np.zeros((n, 3, 3))
    np.add.at(total, born.event[charged], found)
    counts = np.bincount(born.event[charged][used], minlength=n)
    total += np.diag([1 / 11.1**2, 1 / 11.1**2, 1e-8])
    return np.where(counts > 0, np.sqrt(np.linalg.inv(total)[:, 2, 2]), np.nan), counts


def test_the_toy_of_the_facts_comes_out() -> None:
    """Disc, 0.9 X0, base points: median 3.45 mm; 8.2, 4.1, 3.2, 2.7 mm by tracks; core 2.85 mm."""
    rng = generator(31)
    sigma, counts = toy_sigmas(toy_world(), 3000, rng)
    known = np.isfinite(sigma)
    assert known.mean() == pytest.approx(0.956, abs=0.02)
    assert np.median(sigma[known]) == pytest.approx(3.45, rel=0.1)
    for k, expected in ((1, 8.2), (2, 4.1), (3, 3.2), (4, 2.7)):
        assert np.median(sigma[known & (counts == k)]) == pytest.approx(expected, rel=0.2)
    drawn = rng.normal(size=(50, int(known.sum()))) * sigma[known]
    assert (np.abs(drawn) < 5).mean() == pytest.approx(0.772, abs=0.03)


# --- against the simulation --------------------------------------------------------


def test_pions_reach_the_gas_where_paths_and_kinks_say(batch: EventBatch) -> None:
    """Differences between simulated entries and scattering-free paths, over the kinks' widths."""
    assert batch.tracks is not None
    tracks, work = batch.tracks, new_work()
    pulls = []
    for k in np.flatnonzero((tracks.made_by == Process.PRIMARY) & (np.abs(tracks.pdg) == 211)):
        momentum, entry = (
            np.asarray(a[k], np.float64) for a in (tracks.momentum_mev, tracks.entry_momentum_mev)
        )
        p, least = np.linalg.norm(momentum), np.hypot(np.linalg.norm(entry), PION)
        start = np.array([*tracks.start_mm[k].astype(float), *momentum / p, np.hypot(p, PION)])
        pdg = int(tracks.pdg[k])
        if not walk(REAL, pdg, start.copy(), least, 0.0, work.stations):
            continue
        if not derivatives(REAL, pdg, start, 0.0, work):
            continue
        pulls.append(entry_pulls(tracks.entry_mm[k].astype(float), p, work))
    z, phi = np.array(pulls).T
    assert len(z) > 800
    assert spread(z) == pytest.approx(1.0, abs=0.08)
    assert spread(phi) == pytest.approx(1.05, abs=0.1)  # the loss fluctuates, too
    assert abs(np.median(z)) < 0.1 and abs(np.median(phi)) < 0.15


def entry_pulls(entry: FloatArray, p: float, work: Any, mass: float = PION) -> tuple[float, float]:
    beta2 = p * p / (p * p + mass * mass)
    kinks = [kink_variance(work.stations, k, beta2) for k in range(STATIONS)]
    variance = work.jacobian[0, :, 6:] ** 2 @ np.repeat(kinks, 2)
    turn = np.arctan2(entry[1], entry[0]) - work.nominal[0, 0]
    turn = np.angle(np.exp(1j * turn))
    dz = entry[2] - work.nominal[0, 1]
    return dz / np.sqrt(variance[1]), turn / np.sqrt(variance[0])


def test_trends_of_points_have_the_variances_that_the_floor_assumes() -> None:
    """Mean and slope of a track's residuals, in units of what independent points would give."""
    rng, trends = generator(22), []
    for batch in simulate_batches(find_recipe("disc"), 1000, rng):
        trends += track_trends(batch)
    rphi, z = (np.array([t[a] for t in trends]) for a in (0, 1))
    settings = FloorSettings()
    for trend, variance in ((rphi, settings.rphi_variance), (z, settings.z_variance)):
        mean = np.mean([spread(trend[:, k]) ** 2 for k in range(2)])
        assert mean == pytest.approx(variance, rel=0.2)


def track_trends(batch: EventBatch) -> list[tuple[FloatArray, FloatArray]]:
    """For pions that cross the gas of the uniform field: normalised mean and slope of r phi, z."""
    found = []
    for event in batch:
        assert event.truth is not None
        tracks = event.truth.tracks
        for k in range(len(tracks)):
            momentum = tracks.entry_momentum_mev[k].astype(float)
            p = float(np.linalg.norm(momentum))
            rows = (event.points.track == k) & (event.points.r_mm < 173)
            steep = abs(momentum[2]) > 0.75 * p or abs(tracks.entry_mm[k][2]) > 500
            pion = tracks.made_by[k] == Process.PRIMARY and abs(tracks.pdg[k]) == 211
            if not pion or steep or p < 120 or tracks.gas_path_mm[k] < 80 or rows.sum() < 40:
                continue
            entry = tracks.entry_mm[k].astype(float)
            charge = float(np.sign(tracks.pdg[k]))
            found.append(trend_of(event.points.rows(np.flatnonzero(rows)), entry, momentum, charge))
    return found


def trend_of(
    points: Any, entry: FloatArray, momentum: FloatArray, charge: float
) -> tuple[FloatArray, FloatArray]:
    p = float(np.linalg.norm(momentum))
    arc = np.linspace(0, 160, 321)
    path = np.array(
        [helix_step(*entry, *(momentum / p), 0.0, 0.0, 1.0, charge / p, s) for s in arc]
    )
    x, y, z, ux, uy, uz = path.T
    radius = np.hypot(x, y)
    kept = slice(0, int(np.argmax(radius)) + 1)
    r = points.r_mm

    def at(values: FloatArray) -> FloatArray:
        return np.asarray(np.interp(r, radius[kept], values[kept]))

    turn = np.arctan2(points.y_mm, points.x_mm) - at(np.unwrap(np.arctan2(y, x)))
    outwards = (x * ux + y * uy) / radius
    incidence, climb = at((x * uy - y * ux) / radius / outwards), at(uz / outwards)
    residual = (np.angle(np.exp(1j * turn)) * r, points.z_mm - at(z))
    error = (
        np.hypot(points.sigma_rphi_mm, incidence * points.sigma_r_mm),
        np.hypot(points.sigma_z_mm, climb * points.sigma_r_mm),
    )
    good = np.abs(residual[1]) < 6
    basis = np.stack([np.ones(good.sum()), (r[good] - 140) / 30], axis=1)
    fits = []
    for value, sigma in zip(residual, error, strict=True):
        scaled = basis / sigma[good][:, None]
        root = np.linalg.cholesky(scaled.T @ scaled)
        fits.append(np.linalg.solve(root, scaled.T @ (value[good] / sigma[good])))
    return fits[0], fits[1]


# --- of a batch --------------------------------------------------------------------


def test_covariances_of_a_batch(batch: EventBatch) -> None:
    covariance, tracks = floor_covariance(batch), usable_tracks(batch)
    known = np.isfinite(covariance).all(axis=(1, 2))
    assert (known == (tracks > 0)).mean() > 0.99
    assert known.mean() > 0.98
    assert (np.linalg.eigvalsh(covariance[known]) > 0).all()
    assert np.sqrt(covariance[known, 0, 0]).max() <= 12.0  # the disc's own spread
    sigma = np.sqrt(covariance[:, 2, 2])
    medians = [np.median(sigma[known & (tracks == k)]) for k in (1, 3, 5)]
    assert medians == sorted(medians, reverse=True)
    assert not covariance.flags.writeable


def test_photons_add_information(batch: EventBatch) -> None:
    every, charged = (
        floor_covariance(batch, FloorSettings(photons=photons)) for photons in (True, False)
    )
    known = np.isfinite(charged).all(axis=(1, 2))
    assert 0.88 < known.mean() < 0.98
    assert np.isfinite(every[known]).all()
    assert (np.linalg.eigvalsh(charged[known] - every[known]) > -1e-6).all()
    ratio = np.median(np.sqrt(every[known, 2, 2])) / np.median(np.sqrt(charged[known, 2, 2]))
    assert 0.7 < ratio < 0.9


def test_electrons_of_photons_meet_the_gas_where_their_photon_says(batch: EventBatch) -> None:
    """Against the simulation: the line from the vertex, the angle of the pair and the kinks."""
    assert batch.tracks is not None and batch.track_offset is not None
    assert batch.vertex_mm is not None
    tracks, work, z = batch.tracks, new_work(), []
    event = np.repeat(np.arange(len(batch)), np.diff(batch.track_offset))
    for k in np.flatnonzero(tracks.made_by == Process.PAIR):
        momentum, entry = (
            np.asarray(a[k], np.float64) for a in (tracks.momentum_mev, tracks.entry_momentum_mev)
        )
        vertex, made = batch.vertex_mm[event[k]].astype(float), tracks.start_mm[k].astype(float)
        p, flight = float(np.linalg.norm(momentum)), float(np.linalg.norm(made - vertex))
        line = (made - vertex) / flight
        if line @ momentum < 0.98 * p or p < 40 or np.linalg.norm(entry) < 0.5 * p:
            continue
        start, there = (np.array([*place, *line, p]) for place in (vertex, made))
        pdg = int(tracks.pdg[k])
        if not walk(REAL, pdg, there, float(np.linalg.norm(entry)), flight, work.stations):
            continue
        if derivatives(REAL, pdg, start, flight, work):
            z.append(entry_pulls(tracks.entry_mm[k].astype(float), p, work, mass=0.511)[0])
    assert len(z) > 300
    assert spread(np.array(z)) == pytest.approx(1.0, abs=0.2)


def test_worse_points_and_less_knowledge_raise_the_floor(batch: EventBatch) -> None:
    base = floor_covariance(batch)
    known = np.isfinite(base).all(axis=(1, 2))
    for other, least in (
        (FloorSettings(rphi_variance=4.0), 1.0),
        (FloorSettings(z_variance=4.0), 1.0),
        (FloorSettings(disc_radius_mm=100.0), 1.0),
        (FloorSettings(curvature_prior_per_mm=np.inf), 1.0),
        (FloorSettings(transport=Settings(material_scale=1.2)), 0.95),  # other paths
    ):
        worse = floor_covariance(batch, other)
        both = known & np.isfinite(worse).all(axis=(1, 2))
        found = [np.diagonal(c[both], axis1=1, axis2=2) for c in (base, worse)]
        assert (found[1] > found[0] * (1 - 1e-4)).mean() >= least, other


def test_turning_the_event_turns_the_covariance(batch: EventBatch) -> None:
    assert batch.tracks is not None
    base, turn = floor_covariance(batch), 0.7
    matrix = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]]
    )
    vectors = {n: getattr(batch.tracks, n) @ matrix.T for n in batch.tracks.VECTORS}
    xyz = batch.points.xyz_mm @ matrix.T
    points = replace(batch.points, x_mm=xyz[:, 0], y_mm=xyz[:, 1])
    turned = replace(
        batch,
        tracks=replace(batch.tracks, **vectors),
        points=points,
        vertex_mm=np.asarray(batch.vertex_mm) @ matrix.T,
    )
    found = floor_covariance(turned)
    known = np.isfinite(base).all(axis=(1, 2)) & np.isfinite(found).all(axis=(1, 2))
    assert known.sum() >= np.isfinite(base[:, 0, 0]).sum() - 2
    expected = matrix @ base[known] @ matrix.T
    scale = np.trace(expected, axis1=1, axis2=2)
    off = np.abs(found[known] - expected).max(axis=(1, 2)) / scale
    assert np.quantile(off, 0.95) < 5e-3  # slow electrons on the edge of turning back are not


def test_events_without_tracks_or_truth() -> None:
    (muons,) = simulate_batches(find_recipe("cosmics"), 20, generator(23))
    assert np.isfinite(floor_covariance(muons)).all(axis=(1, 2)).sum() <= 20
    bare = joined([replace(event, truth=None) for event in muons])
    with pytest.raises(MissingDataError, match="truth"):
        floor_covariance(bare)
    with pytest.raises(InputError, match="least_points"):
        FloorSettings(least_points=0)

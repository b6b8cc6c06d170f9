"""Transport: conservation, geometry, each process against its formula."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.alphag import geometry
from blackett.alphag.geometry.layers import locate
from blackett.alphag.gun import Primaries, annihilate, at_points, in_disc
from blackett.alphag.particles import mass_of
from blackett.alphag.transport import Process, Settings, Transported, transport
from blackett.alphag.transport.apparatus import build_apparatus
from blackett.alphag.transport.charged import _relocated
from blackett.alphag.transport.energy_loss import max_transfer, restricted_loss
from blackett.alphag.transport.hadrons import delta_cosine, elastic_cosine, reaction_factor
from blackett.alphag.transport.motion import deflected, helix_step, kicked
from blackett.alphag.transport.showers import (
    brems_photon,
    brems_rate,
    brems_soft_loss,
    compton_energy,
    pair_share,
)
from blackett.errors import InputError

NAMES = [m.name for m in geometry.materials()]
TABLE = np.asarray(build_apparatus(Settings())["table"])  # type: ignore[index]


def beam(
    pdg: int, p_mev: float, n: int, *, z_mm: float = -40.0, cos_theta: float = 0.0, seed: int = 1,
    **knobs: float,
) -> tuple[np.ndarray, Transported]:  # fmt: skip
    """n particles from the axis at one polar angle; returns their directions and the events."""
    rng = np.random.default_rng(seed)
    phi, sin = rng.uniform(0, 2 * np.pi, n), np.sqrt(1 - cos_theta**2)
    u = np.stack([sin * np.cos(phi), sin * np.sin(phi), np.full(n, cos_theta)], axis=1)
    start = np.tile([0.0, 0.0, z_mm], (n, 1))
    primaries = Primaries(n, np.arange(n), np.full(n, pdg), start, p_mev * u, np.zeros(n))
    return u, transport(primaries, rng, Settings(**knobs))


@pytest.fixture(scope="module")
def events() -> Transported:
    rng = np.random.default_rng(5)
    return transport(annihilate(in_disc(400, rng), rng), rng)


def energy(pdg: np.ndarray, momentum: np.ndarray) -> np.ndarray:
    mass = np.array([mass_of(int(k)) for k in pdg])
    return np.sqrt((momentum**2).sum(axis=1) + mass**2)


def test_energy_is_conserved_by_every_track_but_neutrinos_and_nuclei(events: Transported) -> None:
    t = events.tracks
    start, end = energy(t.pdg, t.start_momentum_mev), energy(t.pdg, t.end_momentum_mev)
    freed = np.isin(t.made_by, (Process.COMPTON, Process.DELTA_RAY))
    given = start - np.where(freed, 0.51099895, 0.0)
    child = (t.parent >= 0) & ~np.isin(t.made_by, (Process.DECAY, Process.HADRONIC, Process.PAIR))
    spent = np.bincount(t.parent[child], given[child], minlength=len(t))
    np.testing.assert_allclose(start - end - t.deposit_mev - spent, 0, atol=1e-6)
    pair = t.made_by == Process.PAIR
    made = np.bincount(t.parent[pair], start[pair], minlength=len(t))
    converted = t.ended_by == Process.PAIR
    np.testing.assert_allclose(made[converted], end[converted], rtol=1e-9)
    assert converted.sum() > 300


def test_reactions_and_decays_never_make_energy(events: Transported) -> None:
    t = events.tracks
    child = np.isin(t.made_by, (Process.DECAY, Process.HADRONIC))
    start = energy(t.pdg, t.start_momentum_mev)
    gained = start - np.where(t.pdg == 2212, 938.27209, 0.0)
    made = np.bincount(t.parent[child], gained[child], minlength=len(t))
    end = energy(t.pdg, t.end_momentum_mev)
    assert (made[made > 0] <= end[made > 0] + 1.0).all()  # 1 MeV: proton against mean nucleon


def test_children_start_where_parents_were(events: Transported) -> None:
    t = events.tracks
    child = t.parent >= 0
    parent = t.parent[child]
    assert (parent < np.flatnonzero(child)).all()
    assert (t.event[child] == t.event[parent]).all()
    assert (t.start_ns[child] >= t.start_ns[parent]).all()
    ends = np.isin(t.made_by[child], (Process.PAIR, Process.DECAY, Process.HADRONIC))
    np.testing.assert_array_equal(t.start_mm[child][ends], t.end_mm[parent][ends])


def test_segments_lie_in_the_gas_and_join(events: Transported) -> None:
    g = events.gas
    for points in (g.start_mm, g.end_mm):
        r = np.hypot(points[:, 0], points[:, 1])
        assert r.min() > 109.25 - 0.5
        assert r.max() < 190 + 0.5
        assert np.abs(points[:, 2]).max() < 1152.5
    assert (np.diff(g.track) >= 0).all()
    assert g.length_mm.max() <= 5.0
    chord = np.linalg.norm(g.end_mm - g.start_mm, axis=1)
    assert (chord <= g.length_mm + 1e-9).all()
    follows = (np.diff(g.track) == 0) & (g.time_ns[1:] > g.time_ns[:-1])
    gap = np.linalg.norm(g.start_mm[1:] - g.end_mm[:-1], axis=1)[follows]
    assert np.median(gap) == 0
    np.testing.assert_array_equal(g.pdg, events.tracks.pdg[g.track])
    path = np.bincount(g.track, g.length_mm, minlength=len(events.tracks))
    np.testing.assert_allclose(path, events.tracks.gas_path_mm, atol=1e-9)


def test_barrel_hits(events: Transported) -> None:
    b = events.barrel
    r = np.hypot(b.position_mm[:, 0], b.position_mm[:, 1])
    assert len(b) > 400
    assert r.min() > 223 - 0.1
    assert r.max() < 243.5
    phi = np.arctan2(b.position_mm[:, 1], b.position_mm[:, 0])
    off = np.abs((phi / (2 * np.pi / 64) - b.bar + 32) % 64 - 32)
    assert np.quantile(off, 0.9) < 0.56
    assert set(np.unique(b.bar)) <= set(range(64))
    assert 1 < np.median(b.time_ns) < 3


def test_records_are_read_only_and_reproducible() -> None:
    first, second = (
        transport(annihilate(in_disc(20, np.random.default_rng(3)), np.random.default_rng(4)),
                  np.random.default_rng(5))
        for _ in range(2)
    )  # fmt: skip
    np.testing.assert_array_equal(first.gas.start_mm, second.gas.start_mm)
    assert not first.tracks.start_mm.flags.writeable


def test_without_material_and_field_tracks_are_straight() -> None:
    u, r = beam(-13, 300.0, 200, cos_theta=0.4, field_scale=0, material_scale=0)
    t = r.tracks
    primary = t.parent == -1
    direction = t.gas_momentum_mev[primary] / 300
    np.testing.assert_allclose(direction, u, atol=1e-9)


def test_helix_sagitta_in_one_tesla() -> None:
    """Curvature 0.3 B / p, positive particles clockwise seen from +z."""
    for pdg, sign in ((-13, -1.0), (13, 1.0)):
        u, r = beam(pdg, 200.0, 50, material_scale=0, z_mm=0.0)
        t = r.tracks
        primary = t.parent == -1
        p = np.linalg.norm(t.gas_momentum_mev[primary], axis=1)
        np.testing.assert_allclose(p, 200, rtol=1e-9)
        entry = t.gas_entry_mm[primary]
        across = np.cross(u, entry)[:, 2]
        radius = 200 / 0.299792458
        expected = sign * (109.25**2 / (2 * radius))  # chord c: distance c^2 / 2R from the tangent
        np.testing.assert_allclose(across, expected, rtol=2e-3)


def test_helix_step_is_exact() -> None:
    """Many small steps give one large one, and the momentum does not change."""
    state = (10.0, -5.0, 3.0, 0.6, 0.0, 0.8)
    field = (0.1, -0.2, 0.97)
    once = helix_step(*state, *field, -1 / 150, 400.0)
    many = state
    for _ in range(400):
        many = helix_step(*many, *field, -1 / 150, 1.0)
    np.testing.assert_allclose(once, many, atol=1e-9)
    assert np.linalg.norm(once[3:]) == pytest.approx(1)
    straight = helix_step(*state, 0.0, 0.0, 0.0, 1.0, 10.0)
    np.testing.assert_allclose(straight[:3], [16.0, -5.0, 11.0])


def test_deflections_keep_their_angle() -> None:
    for axis in ([0, 0, 1.0], [0, 0, -1.0], [0.6, 0, 0.8], [0, -1.0, 0]):
        v = deflected(*axis, 0.3, 1.1)
        assert np.dot(v, axis) == pytest.approx(0.3)
        assert np.linalg.norm(v) == pytest.approx(1)


def test_a_cell_is_found_from_any_other() -> None:
    world, rng = build_apparatus(Settings()), np.random.default_rng(85)
    before = locate(world, 0.0, 0.0, 0.0)
    for point in rng.uniform(-1, 1, (300, 3)) * [180, 180, 1400]:
        found = locate(world, *point)
        assert _relocated(world, *before, *point) == found
        before = found if found[0] >= 0 else before


@pytest.mark.parametrize("angle", [1e-6, 0.2, 0.3, 3.0])
def test_a_kick_is_a_deflection(angle: float) -> None:
    """On both sides of 0.25, below which sine and cosine come from their series."""
    kick = kicked(0.6, 0.0, 0.8, angle * np.cos(1.1), angle * np.sin(1.1))
    np.testing.assert_allclose(kick, deflected(0.6, 0.0, 0.8, np.cos(angle), 1.1), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "minimum"), [("copper", 1.403), ("aluminium", 1.615), ("steel", 1.45)]
)
def test_bethe_minimum(name: str, minimum: float) -> None:
    """Particle Data Group, minimum ionisation (MeV cm2/g), muon at beta gamma 3.4."""
    m = NAMES.index(name)
    loss = restricted_loss(TABLE, m, 13, 105.658 * np.hypot(1, 3.4), 1e9)
    assert loss * 10 / geometry.materials()[m].density_g_cm3 == pytest.approx(minimum, rel=0.02)


def test_electron_collision_loss() -> None:
    """NIST ESTAR, aluminium, 1 MeV: 1.465 MeV cm2/g."""
    loss = restricted_loss(TABLE, NAMES.index("aluminium"), 11, 1.511, 1e9)
    assert loss * 10 / 2.70 == pytest.approx(1.465, rel=0.02)


def test_loss_above_and_below_the_cut_make_the_whole() -> None:
    """Restricted loss plus the energy of delta rays equals the unrestricted Bethe loss."""
    m, energy_mev, cut = NAMES.index("steel"), 500.0, 1.0
    most = max_transfer(211, energy_mev)
    beta2 = 1 - (139.57039 / energy_mev) ** 2
    k = TABLE[m, 2] / (2 * beta2)
    hard = k * (np.log(most / cut) - beta2 * (most - cut) / most)
    soft = restricted_loss(TABLE, m, 211, energy_mev, cut)
    whole = restricted_loss(TABLE, m, 211, energy_mev, 1e9)
    assert soft + hard == pytest.approx(whole, rel=1e-6)


def test_radiative_loss_is_energy_over_radiation_length() -> None:
    """1 GeV electrons in copper: E / X0 within 6 %, from the photons actually drawn."""
    rng, e, cut, x0 = np.random.default_rng(1), 1000.0, 2.0, 14.35
    drawn = np.array([brems_photon(e, cut, 29.0, rng) for _ in range(20_000)])
    loss = brems_rate(e, cut, x0) * drawn.mean() + brems_soft_loss(e, cut, x0)
    assert loss == pytest.approx(e / x0, rel=0.06)
    assert drawn[drawn > 0].min() >= cut


def test_pairs_share_evenly_and_compton_obeys_kinematics() -> None:
    rng = np.random.default_rng(2)
    share = np.array([pair_share(200.0, 26.0, rng) for _ in range(20_000)])
    assert share.mean() == pytest.approx(0.5, abs=0.007)
    assert share.min() > 0.51 / 200
    assert share.std() > 0.26  # deeper than flat (0.289) only a little, symmetric
    drawn = np.array([compton_energy(5.0, rng) for _ in range(20_000)])
    kinematic = 5.0 / (1 + 5.0 / 0.51099895 * (1 - drawn[:, 1]))
    np.testing.assert_allclose(drawn[:, 0], kinematic, rtol=1e-9)
    cos, k = np.linspace(-1, 1, 20_001), 5.0 / 0.51099895
    ratio = 1 / (1 + k * (1 - cos))
    weight = ratio**2 * (ratio + 1 / ratio - 1 + cos**2)
    mean = (weight * ratio).sum() / weight.sum() * 5.0
    assert drawn[:, 0].mean() == pytest.approx(mean, rel=0.02)


def test_hadron_angles() -> None:
    rng = np.random.default_rng(3)
    cos = np.array([delta_cosine(rng) for _ in range(20_000)])
    assert cos.mean() == pytest.approx(0, abs=0.02)
    assert (cos**2).mean() == pytest.approx((1 / 3 + 3 / 5) / 2, abs=0.01)
    elastic = np.array([elastic_cosine(300.0, 3.7, rng) for _ in range(20_000)])
    q2 = 2 * (1 - elastic) * 300.0**2
    assert q2.mean() == pytest.approx(3 * (197.327 / 3.7) ** 2, rel=0.03)
    assert reaction_factor(180.0) == pytest.approx(1.8 * 180 / 210)


@pytest.mark.parametrize(("p_mev", "reach"), [(116.0, False), (140.0, True)])
def test_pions_stop_in_the_material(p_mev: float, reach: bool) -> None:
    """119 MeV/c are needed for 10.6 g/cm2, 124 with the chamber wall's 1.06."""
    _, r = beam(211, p_mev, 200, pion_reaction_scale=0)
    share = np.isfinite(r.tracks.gas_momentum_mev[r.tracks.parent == -1, 0]).mean()
    assert share > 0.95 if reach else share < 0.05


def test_pions_decay_in_flight_by_their_lifetime() -> None:
    p, n = 100.0, 4000
    _, r = beam(211, p, n, material_scale=0, field_scale=0, cos_theta=0.0)
    t = r.tracks
    primary = t.parent == -1
    decayed = (t.ended_by[primary] == Process.DECAY) & (np.hypot(*t.end_mm[primary, :2].T) < 109.25)
    expected = 1 - np.exp(-109.25 / (7804.5 * p / 139.57039))
    assert decayed.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / n))
    muons = t.made_by == Process.DECAY
    muons &= (t.pdg == -13) & (np.hypot(*t.start_mm[:, :2].T) < 109)
    parent = t.end_momentum_mev[t.parent[muons]]
    e_pi, e_mu = np.hypot(p, 139.57039), energy(t.pdg[muons], t.start_momentum_mev[muons])
    product = e_pi * e_mu - (parent * t.start_momentum_mev[muons]).sum(axis=1)
    np.testing.assert_allclose(product / 139.57039, 109.778, rtol=1e-4)  # muon energy at rest


def test_stopped_pions_make_muons_and_positrons_in_time() -> None:
    _, r = beam(211, 100.0, 500, pion_reaction_scale=0)
    t = r.tracks
    muons, positrons = t.pdg == -13, (t.pdg == -11) & (t.made_by == Process.DECAY)
    assert muons.sum() == pytest.approx(500, abs=10)
    assert positrons.sum() == pytest.approx(muons.sum(), abs=15)
    wait = t.start_ns[positrons] - t.start_ns[t.parent[positrons]]
    assert wait.mean() == pytest.approx(2197, rel=0.2)
    assert energy(t.pdg[positrons], t.start_momentum_mev[positrons]).max() < 80


def test_stopped_negative_pions_are_captured() -> None:
    _, r = beam(-211, 100.0, 200, pion_reaction_scale=0)
    stopped = r.tracks.parent == -1
    assert (r.tracks.ended_by[stopped] == Process.HADRONIC).mean() > 0.9


def test_reactions_scale_with_their_knob() -> None:
    share = []
    for scale in (0.0, 1.0, 2.0):
        _, r = beam(211, 300.0, 2000, z_mm=-607.0, pion_reaction_scale=scale)
        t = r.tracks
        primary = t.parent == -1
        early = np.hypot(*t.end_mm[primary, :2].T) < 109.25
        share.append(((t.ended_by[primary] == Process.HADRONIC) & early).mean())
    assert share[0] == 0
    assert 0.10 < share[1] < 0.16
    assert np.log(1 - share[2]) == pytest.approx(2 * np.log(1 - share[1]), rel=0.2)


def test_photon_conversion_follows_the_material() -> None:
    n = 4000
    _, r = beam(22, 300.0, n, z_mm=-607.0)
    t = r.tracks
    primary = t.parent == -1
    radius = np.hypot(*t.end_mm[primary, :2].T)
    converted = (t.ended_by[primary] == Process.PAIR) & (radius < 109.25)
    x0 = geometry.ray_thickness(np.array([[0.0, 0, -607]]), np.array([[1.0, 0, 0]]))[0]
    expected = 1 - np.exp(-0.86 * 7 / 9 * x0)  # 300 MeV: 0.86 of complete screening
    assert converted.mean() == pytest.approx(expected, abs=0.04)


def test_zero_momentum_and_empty_events() -> None:
    primaries = Primaries(3, [1], [-13], [[0.0, 0, 0]], [[0.0, 0, 0]], [0.0])
    t = transport(primaries, np.random.default_rng(1)).tracks
    assert t.ended_by[0] == Process.DECAY
    none = Primaries(5, [], [], np.empty((0, 3)), np.empty((0, 3)), [])
    assert len(transport(none, np.random.default_rng(1)).tracks) == 0


def test_wrong_input_is_refused() -> None:
    rng = np.random.default_rng(1)
    kaon = Primaries(1, [0], [321], [[0.0, 0, 0]], [[0.0, 0, 1]], [0.0])
    with pytest.raises(InputError, match="321"):
        transport(kaon, rng)
    broken = Primaries(1, [0], [22], [[0.0, 0, 0]], [[np.nan, 0, 1]], [0.0])
    with pytest.raises(InputError, match="momentum_mev"):
        transport(broken, rng)
    for knob in ("gas_step_mm", "brems_cut_mev"):
        with pytest.raises(InputError, match=knob):
            Settings(**{knob: 0.0})
    with pytest.raises(InputError, match="field_scale"):
        Settings(field_scale=-1.0)


def test_rotation_about_the_axis_changes_nothing() -> None:
    """Mean tracks per event from points at opposite azimuths agree."""
    means = []
    for x in (20.0, -20.0):
        rng = np.random.default_rng(9)
        vertices = at_points(np.tile([x, 0.0, 100.0], (800, 1)))
        t = transport(annihilate(vertices, rng), rng).tracks
        means.append((np.isfinite(t.gas_momentum_mev[:, 0]) & (np.abs(t.pdg) == 211)).sum() / 800)
    assert means[0] == pytest.approx(means[1], abs=0.15)

"""The gun: conservation, samples, knobs, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackett.alphag import gun
from blackett.alphag.gun.annihilation import neutral_pion_products, pions
from blackett.alphag.gun.channels import neutron_channels, proton_channels
from blackett.alphag.gun.nuclei import Particles, rescattered
from blackett.alphag.gun.phase_space import phase_space, two_body_momentum
from blackett.alphag.particles import (
    NUCLEON_MEV,
    PI_ZERO,
    PION_MEV,
    PION_ZERO_MEV,
    PROTON,
    PROTON_MEV,
)
from blackett.errors import InputError


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 300), min_size=2, max_size=6), st.floats(1, 2000), st.integers(0, 99))
def test_phase_space_conserves_energy_and_momentum(
    masses: list[float], extra: float, seed: int
) -> None:
    total = sum(masses) + extra
    p = phase_space(total, masses, 20, rng(seed))
    np.testing.assert_allclose(p.sum(axis=1), [[total, 0, 0, 0]] * 20, atol=1e-6 * total)
    square = p[..., 0] ** 2 - (p[..., 1:] ** 2).sum(axis=-1)
    np.testing.assert_allclose(square, [np.square(masses)] * 20, atol=1e-6 * total**2)


def test_three_body_phase_space_fills_the_dalitz_plot_evenly() -> None:
    p = phase_space(1000.0, [0.0, 0.0, 0.0], 40_000, rng())
    first, second = p[:, 0, 0], p[:, 1, 0]  # energies: flat in the triangle E1, E2 < 500 < E1 + E2
    counts, _, _ = np.histogram2d(first, second, bins=[5, 5], range=[[0, 500], [0, 500]])
    inside = [counts[i, j] for i in range(5) for j in range(5) if i + j > 4]
    expected = 40_000 / 12.5
    assert np.abs(np.array(inside) - expected).max() < 5 * np.sqrt(expected)


def test_two_body_momentum_is_a_pion_decay() -> None:
    p = two_body_momentum(np.array(PION_MEV), np.array(105.6583755), np.array(0.0))
    assert float(p) == pytest.approx(29.79, abs=0.01)


def test_phase_space_needs_mass() -> None:
    with pytest.raises(InputError, match="two or more"):
        phase_space(100.0, [60.0, 60.0], 1, rng())


@pytest.mark.parametrize(("channels", "charge"), [(proton_channels(), 0), (neutron_channels(), -1)])
def test_channels(channels: tuple, charge: int) -> None:
    assert sum(c.share for c in channels) == pytest.approx(1)
    assert all(c.n_plus - c.n_minus == charge for c in channels)


def test_annihilation_on_a_neutron_has_charge_minus_one_and_energy() -> None:
    made = pions(3000, rng(), neutron_share=1.0)
    charge = np.bincount(made.event, np.sign(made.pdg) * (made.pdg != PI_ZERO))
    assert (charge == -1).all()
    energy = np.bincount(made.event, made.momentum[:, 0])
    np.testing.assert_allclose(energy, 2 * NUCLEON_MEV)


def test_annihilation_on_a_free_proton_conserves_everything() -> None:
    p = gun.annihilate(gun.in_disc(3000, rng()), rng(2))
    mass = np.where(np.abs(p.pdg) == 211, PION_MEV, np.where(np.abs(p.pdg) == 11, 0.51099895, 0.0))
    energy = np.sqrt((p.momentum_mev**2).sum(axis=1) + mass**2)
    np.testing.assert_allclose(np.bincount(p.event, energy), 2 * PROTON_MEV, rtol=1e-6)
    for axis in range(3):
        np.testing.assert_allclose(np.bincount(p.event, p.momentum_mev[:, axis]), 0, atol=1e-6)
    charge = np.where(
        np.abs(p.pdg) == 211, np.sign(p.pdg), np.where(p.pdg == 22, 0, -np.sign(p.pdg))
    )
    assert (np.bincount(p.event, charge) == 0).all()


def test_neutral_pions_make_photons_and_dalitz_pairs() -> None:
    n = 40_000
    momentum = np.tile([np.hypot(300, PION_ZERO_MEV), 0.0, 0.0, 300.0], (n, 1))
    made = neutral_pion_products(Particles(np.arange(n), np.full(n, PI_ZERO), momentum), rng())
    total = np.stack([np.bincount(made.event, made.momentum[:, k]) for k in range(4)], axis=1)
    np.testing.assert_allclose(total, momentum, atol=1e-6)
    dalitz = (made.pdg == 11).sum() / n
    assert dalitz == pytest.approx(0.01174, abs=4 * np.sqrt(0.0117 / n))


def test_nucleus_absorbs_scatters_and_exchanges_at_its_rates() -> None:
    n = 50_000
    momentum = np.tile([np.hypot(300, PION_MEV), 300.0, 0.0, 0.0], (n, 1))
    beam = Particles(np.arange(n), np.full(n, 211), momentum)
    made = rescattered(beam, gun.Nucleus("test", 0.5, 0.2, 0.1, 0.05, 1.5), rng())
    assert (made.pdg == 211).sum() / n == pytest.approx(0.75, abs=0.01)
    assert (made.pdg == PI_ZERO).sum() / n == pytest.approx(0.05, abs=0.005)
    unchanged = (made.pdg == 211) & (made.momentum[:, 1] == 300.0)
    assert unchanged.sum() / n == pytest.approx(0.65, abs=0.01)
    protons = made.pdg == PROTON
    kinetic = made.momentum[protons, 0] - PROTON_MEV
    assert protons.sum() / n == pytest.approx(0.2 * 1.5 + 0.1 * 0.5, abs=0.015)
    assert kinetic.min() >= 0
    square = made.momentum[protons, 0] ** 2 - (made.momentum[protons, 1:] ** 2).sum(axis=1)
    np.testing.assert_allclose(square, PROTON_MEV**2, rtol=1e-9)


def test_absorption_never_makes_energy() -> None:
    slow = np.tile([PION_MEV + 1, np.sqrt((PION_MEV + 1) ** 2 - PION_MEV**2), 0.0, 0.0], (5000, 1))
    beam = Particles(np.arange(5000), np.full(5000, -211), slow)
    made = rescattered(
        beam, gun.Nucleus("test", 0.5, absorption=1, protons_per_absorption=3), rng()
    )
    spent = np.bincount(made.event, made.momentum[:, 0] - PROTON_MEV, minlength=5000)
    assert spent.max() <= PION_MEV + 1


def test_disc_is_flat() -> None:
    v = gun.in_disc(50_000, rng())
    r2 = (v.position_mm[:, :2] ** 2).sum(axis=1)
    assert r2.mean() == pytest.approx(24**2 / 2, rel=0.02)
    assert v.position_mm[:, 2].std() == pytest.approx(635, rel=0.01)
    assert np.abs(v.position_mm[:, 2]).max() <= 1100


def test_wall_sample_lies_on_the_wall() -> None:
    v = gun.on_wall(5000, rng(), z_low_mm=-746, z_high_mm=-381)
    np.testing.assert_allclose(np.hypot(*v.position_mm[:, :2].T), 22.2)


@pytest.mark.parametrize(("up_share", "down"), [(0.0, 0.891), (1.0, 0.113)])
def test_release_counts_up_and_down(up_share: float, down: float) -> None:
    z = gun.released(50_000, rng(), up_share=up_share).position_mm[:, 2]
    below, above = (z < -671).sum(), (z > -415).sum()
    assert below / (below + above) == pytest.approx(down, abs=0.01)


def test_release_times_and_azimuth() -> None:
    v = gun.released(50_000, rng(), up_share=0.5)
    assert np.median(v.time_s) == pytest.approx(83, abs=1.5)
    assert np.quantile(v.time_s, 0.95) == pytest.approx(86, abs=0.3)
    assert v.time_s.min() >= 20
    up = gun.released(50_000, rng(), up_share=1.0).position_mm
    down = gun.released(50_000, rng(), up_share=0.0).position_mm
    fourth = [np.abs(np.exp(4j * np.arctan2(p[:, 1], p[:, 0])).mean()) for p in (up, down)]
    assert fourth[0] > 0.3
    assert fourth[1] < 0.02


def test_wall_annihilations_take_the_nucleus_of_their_height() -> None:
    points = np.repeat([[22.2, 0, -600.0], [24.0, 0, 300.0]], 4000, axis=0)
    none = gun.Nucleus("all absorbed", 0.5, absorption=1.0)
    p = gun.annihilate_on_wall(gun.at_points(points), rng(), electrodes=none, tube=gun.FREE_PROTON)
    assert p.n_events == 8000
    assert p.event.min() >= 4000  # nothing leaves the electrodes
    np.testing.assert_array_equal(p.position_mm, points[p.event])


def test_same_seed_same_events() -> None:
    first, second = (gun.annihilate(gun.in_disc(50, rng(7)), rng(8)) for _ in range(2))
    np.testing.assert_array_equal(first.momentum_mev, second.momentum_mev)
    assert not first.momentum_mev.flags.writeable


def test_muons_come_from_above_and_enter() -> None:
    m = gun.cosmic_muons(20_000, rng())
    p = np.linalg.norm(m.momentum_mev, axis=1)
    assert (m.momentum_mev[:, 2] <= 0).all()
    r = np.hypot(*m.position_mm[:, :2].T)
    assert (r < 250).all()
    inward = (m.position_mm[:, :2] * m.momentum_mev[:, :2]).sum(axis=1) < 0
    assert (inward | (m.position_mm[:, 2] == 1300)).all()
    assert p.min() >= 10
    assert (m.pdg == -13).mean() == pytest.approx(1.27 / 2.27, abs=0.012)


@pytest.mark.parametrize(
    "call",
    [
        lambda: gun.in_disc(1, rng(), radius_mm=-1),
        lambda: gun.in_disc(1, rng(), half_length_mm=2000),
        lambda: gun.on_wall(1, rng(), z_low_mm=5, z_high_mm=-5),
        lambda: gun.released(1, rng(), up_share=1.5),
        lambda: gun.cosmic_muons(1, rng(), charge_ratio=-1),
        lambda: gun.muon_rate_hz(0.0, 1.0),
        lambda: gun.Nucleus("x", 0.5, absorption=1.2),
        lambda: gun.Nucleus("x", 0.5, absorption=0.7, inelastic=0.7),
        lambda: gun.Vertices(np.zeros((2, 2)), np.zeros(2)),
        lambda: gun.at_points([[0.0, 0.0, np.nan]]),
        lambda: gun.Primaries(1, [0, 1], [22, 22], np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2)),
        lambda: gun.Primaries(2, [1, 0], [22, 22], np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2)),
    ],
)
def test_wrong_input_is_refused(call: object) -> None:
    with pytest.raises(InputError):
        call()  # type: ignore[operator]

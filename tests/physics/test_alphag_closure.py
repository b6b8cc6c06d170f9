"""Closure of gun and transport against published numbers and model references."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.alphag import geometry, gun
from blackett.alphag.gun.annihilation import pions
from blackett.alphag.particles import PI_ZERO
from blackett.alphag.transport import Process, Settings, Transported, transport

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = 4000
CHARGED = (211, -211)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def disc() -> tuple[gun.Primaries, Transported]:
    """The disc sample: default settings, free protons."""
    primaries = gun.annihilate(gun.in_disc(EVENTS, rng(1)), rng(2))
    return primaries, transport(primaries, rng(3))


def charged_only(primaries: gun.Primaries) -> gun.Primaries:
    k = np.isin(primaries.pdg, CHARGED)
    return gun.Primaries(
        primaries.n_events,
        primaries.event[k],
        primaries.pdg[k],
        primaries.position_mm[k],
        primaries.momentum_mev[k],
        primaries.time_ns[k],
    )


def test_multiplicity_and_momenta_of_the_channel_table() -> None:
    """Charged 3.05, pi0 1.91 (1.93 with the table's shares), 4.2/43.3/48.2/4.3 % with 0/2/4/6."""
    n = 40_000
    made = pions(n, rng(4))
    charged = made.pdg != PI_ZERO
    count = np.bincount(made.event[charged], minlength=n)
    assert count.mean() == pytest.approx(3.05, abs=0.03)
    assert (~charged).sum() / n == pytest.approx(1.92, abs=0.03)
    shares = np.bincount(count, minlength=7)[[0, 2, 4, 6]] / n
    np.testing.assert_allclose(shares, [0.042, 0.433, 0.482, 0.043], atol=0.01)
    p = np.linalg.norm(made.momentum[charged, 1:], axis=1)
    assert p.mean() == pytest.approx(344, rel=0.015)
    expected = [107, 170, 319, 523, 673]
    np.testing.assert_allclose(np.percentile(p, [5, 16, 50, 84, 95]), expected, rtol=0.04)
    assert made.momentum[:, 0].mean() == pytest.approx(378, rel=0.01)


def test_prongs_on_neutrons_resemble_deuterium() -> None:
    """Recalled bubble-chamber shares of 1, 3, 5 charged pions: 16, 60, 23 %."""
    made = pions(20_000, rng(5), neutron_share=1.0)
    count = np.bincount(made.event[made.pdg != PI_ZERO], minlength=20_000)
    shares = np.bincount(count, minlength=6)[[1, 3, 5]] / 20_000
    np.testing.assert_allclose(shares, [0.16, 0.60, 0.23], atol=0.03)


def test_momentum_spectrum_overlaps_the_model_reference(shared_dir: Path) -> None:
    """Geant4's Fritiof in hydrogen: model output that is softer and has more pions; order only."""
    path = shared_dir / "reference" / "pbar" / "geant4_pbar_hydrogen_momentum.csv"
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    model = np.array([float(r["pi_plus"]) + float(r["pi_minus"]) for r in rows])
    edges = np.array([float(rows[0]["p_lo"]), *(float(r["p_hi"]) for r in rows)])
    made = pions(20_000, rng(6))
    charged = made.pdg != PI_ZERO
    p = np.linalg.norm(made.momentum[charged, 1:], axis=1)
    ours = np.histogram(p, edges)[0]
    overlap = np.minimum(ours / ours.sum(), model / model.sum()).sum()
    assert overlap > 0.88
    assert charged.sum() / 20_000 == pytest.approx(model.sum() / 10_000, rel=0.15)


def test_charge_balance_on_nuclei_resembles_the_model_reference() -> None:
    """Geant4 on gold: 1.30 pi+ and 1.97 pi-; absorption is ours alone, so compare the ratio."""
    p = gun.annihilate(gun.in_disc(20_000, rng(7)), rng(8), nucleus=gun.GOLD)
    plus, minus = (p.pdg == 211).sum(), (p.pdg == -211).sum()
    assert plus / minus == pytest.approx(1.30 / 1.97, rel=0.08)


def test_muon_rates() -> None:
    """101, 54 and 11 Hz through r < 190, 109 and 24 mm; 2.3 m long."""
    assert gun.muon_rate_hz() == pytest.approx(101, rel=0.01)
    assert gun.muon_rate_hz(109.0) == pytest.approx(54, rel=0.01)
    assert gun.muon_rate_hz(24.0) == pytest.approx(11, rel=0.02)
    vertical = gun.muon_flux(np.geomspace(0.01, 1000, 4000), np.array(1.0))
    assert np.trapezoid(vertical, np.geomspace(0.01, 1000, 4000)) == pytest.approx(90, rel=0.02)


def test_muons_reach_the_chamber_at_their_rate() -> None:
    n = 8000
    muons = gun.cosmic_muons(n, rng(9))
    result = transport(muons, rng(10))
    seen = np.unique(result.gas.event[np.abs(result.gas.pdg) == 13]).size / n
    rate = seen * gun.muon_rate_hz(geometry.WORLD_RADIUS_MM, geometry.BAR_HALF_LENGTH_MM)
    assert rate == pytest.approx(101, rel=0.05)
    momentum = np.linalg.norm(muons.momentum_mev, axis=1)
    assert 1500 < np.median(momentum) < 2700  # 1.6 GeV/c on a horizontal surface, harder sideways


def test_converted_photons(disc: tuple[gun.Primaries, Transported]) -> None:
    """2.0 an event; complete screening at every energy would give 2.4, the notes estimate 2.3."""
    primaries, result = disc
    t = result.tracks
    photon = (t.parent == -1) & (t.pdg == 22)
    radius = np.hypot(t.end_mm[:, 0], t.end_mm[:, 1])
    inside = photon & (t.ended_by == Process.PAIR) & (radius < 109.25)
    converted = inside.sum() / EVENTS
    assert converted == pytest.approx(2.05, abs=0.1)
    some = np.flatnonzero(primaries.pdg == 22)[:3000]
    along = primaries.momentum_mev[some]
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    thickness = geometry.ray_thickness(primaries.position_mm[some], along)
    screened = (1 - np.exp(-7 / 9 * thickness)).mean() * (primaries.pdg == 22).sum() / EVENTS
    assert screened == pytest.approx(2.44, rel=0.03)
    events = np.unique(t.event[inside]).size / EVENTS
    assert events == pytest.approx(0.83, abs=0.03)
    zone = np.histogram(radius[inside], [0, 26.2, 60, 77, 96, 110])[0] / inside.sum()
    assert (zone > [0.1, 0.3, 0.12, 0.08, 0.005]).all()  # everywhere where matter stands


def test_tracks_in_gas_with_pions_only() -> None:
    """4.5/7.3/40/19/27/3 % with 0..>=5 tracks: vertices at z = 0, no nuclear reactions."""
    n = 6000
    vertices = gun.in_disc(n, rng(11), half_length_mm=0.0)
    primaries = charged_only(gun.annihilate(vertices, rng(12)))
    t = transport(primaries, rng(13), Settings(pion_reaction_scale=0)).tracks
    reaches = (t.parent == -1) & (t.gas_radius_mm > 173)
    count = np.minimum(np.bincount(t.event[reaches], minlength=n), 5)
    shares = np.bincount(count, minlength=6) / n
    np.testing.assert_allclose(shares, [0.045, 0.073, 0.40, 0.19, 0.27, 0.03], atol=0.025)


def test_nuclear_reactions_take_8_to_13_percent_of_pions(
    disc: tuple[gun.Primaries, Transported],
) -> None:
    t = disc[1].tracks
    pion = (t.parent == -1) & np.isin(t.pdg, CHARGED)
    fast = np.linalg.norm(t.start_momentum_mev, axis=1) > 200
    early = np.hypot(t.end_mm[:, 0], t.end_mm[:, 1]) < 109.25
    central = pion & fast & (np.abs(t.start_momentum_mev[:, 2]) < 100)
    share = (t.ended_by[central & early] == Process.HADRONIC).sum() / central.sum()
    assert 0.08 < share < 0.15


@pytest.mark.parametrize("p_mev", [200.0, 300.0, 600.0])
def test_scattering_has_highland_width_and_a_tail(p_mev: float) -> None:
    """68 % of projected angles within Highland's theta0 (5 %), and more than Gauss beyond 3
    sigma.
    """
    n, z = 6000, -40.0
    r = rng(14)
    phi = r.uniform(0, 2 * np.pi, n)
    u = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    start = np.tile([0.0, 0.0, z], (n, 1))
    beam = gun.Primaries(n, np.arange(n), np.full(n, -13), start, p_mev * u, np.zeros(n))
    t = transport(beam, r, Settings(field_scale=0)).tracks
    ok = (t.parent == -1) & np.isfinite(t.gas_momentum_mev[:, 0])
    leaving = t.gas_momentum_mev[ok]
    p_out = np.linalg.norm(leaving, axis=1)
    direction = leaving / p_out[:, None]
    side = np.cross([0.0, 0.0, 1.0], u[t.event[ok]])
    angle = np.arcsin((direction * side).sum(axis=1))
    x0 = geometry.ray_thickness(start[:1], u[:1])[0]
    widths = []
    for p in (p_mev, p_out.mean()):
        beta = p / np.hypot(p, 105.658)
        widths.append(13.6 / (beta * p) * np.sqrt(x0) * (1 + 0.038 * np.log(x0 / beta**2)))
    measured = np.percentile(np.abs(angle), 68.27)
    assert measured == pytest.approx(np.sqrt(widths[0] * widths[1]), rel=0.06)
    tail = (np.abs(angle) > 3 * measured).mean()
    assert 0.0045 < tail < 0.02


@pytest.mark.parametrize(("pdg", "threshold_mev"), [(211, 124.0), (-13, 103.5), (2212, 450.0)])
def test_stopping_momenta(pdg: int, threshold_mev: float) -> None:
    """10.6 g/cm2 stop pions of 119, muons of 99, protons of 436 MeV/c; here with 1.06 more."""
    n = 300
    r = rng(15)
    passed = []
    for factor in (0.93, 1.07):
        phi = r.uniform(0, 2 * np.pi, n)
        u = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
        start = np.tile([0.0, 0.0, -40.0], (n, 1))
        p = factor * threshold_mev * u
        beam = gun.Primaries(n, np.arange(n), np.full(n, pdg), start, p, np.zeros(n))
        t = transport(beam, r, Settings(pion_reaction_scale=0)).tracks
        passed.append(np.isfinite(t.gas_momentum_mev[t.parent == -1, 0]).mean())
    assert passed[0] < 0.1
    assert passed[1] > 0.85


def test_restricted_loss_in_the_gas(disc: tuple[gun.Primaries, Transported]) -> None:
    """2.4 keV/cm in all at minimum; collisions below 10 keV leave 1.8-2.1 of it."""
    g = disc[1].gas
    mip = np.isin(g.pdg, CHARGED) & (g.beta_gamma > 2.5) & (g.beta_gamma < 4.5)
    loss = 1e4 * g.loss_mev[mip].sum() / g.length_mm[mip].sum()
    assert 1.75 < loss < 2.15


def test_material_of_released_atoms_differs_up_and_down() -> None:
    """Mean over vertices: 1.04 X0 below A, 0.94 above G (ray tracing of the CAD)."""
    v = gun.released(3000, rng(16), up_share=0.5).position_mm
    out = v.copy()
    out[:, 2] = 0
    along = out / np.linalg.norm(out, axis=1, keepdims=True)
    start = np.zeros_like(v)
    start[:, 2] = v[:, 2]
    x0 = geometry.ray_thickness(start, along, r_to_mm=103.0)
    below, above = x0[v[:, 2] < -671].mean(), x0[v[:, 2] > -415].mean()
    assert below == pytest.approx(1.04, rel=0.06)
    assert above == pytest.approx(0.94, rel=0.06)

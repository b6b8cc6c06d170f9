"""Background: the seed's formula, the physical model, muons, and measured spectra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackett.errors import InputError
from blackett.gamma.background import (
    MUON_VERTICAL_PER_CM2_S_SR,
    PLACES,
    Concentrations,
    FluenceRate,
    blend,
    cosmic_photons,
    cosmic_scale,
    environment,
    inside_lead,
    measured_rate,
    muon_deposits,
    natural_background,
    present_amounts,
    sample_concentrations,
    seed_continuum,
    smoothed,
    with_components,
)
from blackett.gamma.kernels import centres_kev, sharp_lines_kev
from blackett.gamma.matter import attenuation_per_mm, material
from blackett.gamma.response import response
from blackett.gamma.spectrum import Spectrum

BANDS_KEV = [20.0, 100.0, 400.0, 1000.0, 1600.0, 2800.0]


# ---- seed


def test_seed_continuum_is_its_formula():
    at_hump = 1.0 + 0.45 * np.exp(-110 / 240) + 0.04 * np.exp(-110 / 700)
    above = np.exp(-0.5 * 2.0**2) + 0.45 * np.exp(-210 / 240) + 0.04 * np.exp(-210 / 700)
    below = np.exp(-0.5) + 0.45 * np.exp(-55 / 240) + 0.04 * np.exp(-55 / 700)
    assert seed_continuum([110.0, 210.0, 55.0]) == pytest.approx([at_hump, above, below])


def test_seed_continuum_has_a_floor_and_the_shares_of_the_facts():
    energy = np.arange(20.0, 2800.0, 0.5)
    values = seed_continuum(energy)
    assert values.min() == pytest.approx(0.008 * values.max(), rel=1e-4)
    assert energy[values.argmax()] == pytest.approx(106, abs=1)
    counts, _ = np.histogram(energy, BANDS_KEV, weights=values)
    assert 100 * counts / counts.sum() == pytest.approx([31, 50, 10.5, 2.6, 4.8], abs=1.0)


def test_seed_continuum_refuses_negative_energies():
    with pytest.raises(InputError, match="0 keV"):
        seed_continuum([-1.0])


# ---- physical


def fold(rates, edges=BANDS_KEV):
    """Counts per second of a RadiaCode-103 in bands of deposited energy."""
    matrix = response("radiacode-103", "isotropic")
    low, total = matrix.energies_kev[0], 0.0
    for rate in rates:
        energies = np.append(centres_kev(), rate.line_kev)
        weights = 0.01 * np.append(rate.continuum_per_cm2_s, rate.lines_per_cm2_s)
        kept = energies >= low
        total = total + matrix.deposit(energies[kept], weights[kept], edges)
    return total


def test_direct_fluence_in_a_medium_is_one_over_mu_rho():
    rate = environment("concrete medium", [1460.82], [1.0])
    concrete = material("concrete")
    mu_rho = 10.0 * float(attenuation_per_mm(concrete, 1460.82)) / concrete.density_g_cm3
    assert rate.lines_per_cm2_s[0] == pytest.approx(1e-3 / mu_rho, rel=5e-3)


@pytest.mark.parametrize("energy", [238.6, 1460.8, 2614.5])
def test_rooms_and_ground_stay_below_the_infinite_medium(energy):
    medium, walls, ground = (
        environment(p, [energy], [1.0]).total_per_cm2_s
        for p in ("concrete medium", "walls", "ground")
    )
    assert 0.5 * medium < walls < medium
    assert 0.15 * medium < ground < 0.6 * medium


def test_room_counts_are_what_radiacodes_measure():
    """Four 1 cm3 devices in rooms: 5.3 to 11 cps; 79 to 90 % below 400 keV (facts, section 8.5)."""
    photons = fold(natural_background(Concentrations()).values())
    muons, overflow = muon_deposits(10.0, 560.0, BANDS_KEV)
    counts = photons + muons
    assert 5.0 < counts.sum() < 12.0
    shares = 100 * counts / counts.sum()
    assert 36 < shares[0] < 48
    assert 46 < shares[1] < 56
    assert 3.3 < shares[2] < 5.5
    assert 0.6 < shares[3] < 1.5
    assert 0.2 < shares[4] < 0.45
    # the RC-103's overflow: 0.19 % of 11 cps
    assert overflow == pytest.approx(0.021, rel=0.2)


def test_the_mode_lies_where_it_is_measured():
    edges = np.arange(20.0, 300.0, 2.0)
    counts = smoothed(fold(natural_background(Concentrations()).values(), edges), 3.0)
    assert 65.0 < edges[np.argmax(counts)] < 90.0


def test_components_scale_with_concentration():
    once, twice = (natural_background(Concentrations(k40_bq_kg=k)) for k in (300.0, 600.0))
    assert twice["K-40"].total_per_cm2_s == pytest.approx(2 * once["K-40"].total_per_cm2_s)
    assert twice["Th-232"].total_per_cm2_s == pytest.approx(once["Th-232"].total_per_cm2_s)


def test_the_potassium_line_is_there_once():
    rate = natural_background(Concentrations())["K-40"]
    assert np.count_nonzero(np.abs(rate.line_kev - 1460.8) < 0.1) == 1


def test_lead_removes_the_room_and_glows():
    room = natural_background(Concentrations())
    lead = inside_lead(room, 30.0)
    assert fold(lead.values()).sum() < 0.08 * fold(room.values()).sum()
    x_rays = (sharp_lines_kev() > 72) & (sharp_lines_kev() < 88)
    glow = sum(
        rate.lines_per_cm2_s[-len(sharp_lines_kev()) :][x_rays].sum() for rate in lead.values()
    )
    assert glow > 0
    with pytest.raises(InputError, match="up to 50"):
        inside_lead(room, 200.0)


def test_priors_are_log_normal_and_seeded():
    drawn = [sample_concentrations(np.random.default_rng(k)).k40_bq_kg for k in range(400)]
    assert np.median(drawn) == pytest.approx(400.0, rel=0.12)
    assert np.std(np.log(drawn)) == pytest.approx(0.65, rel=0.15)
    first, again = (sample_concentrations(np.random.default_rng(7)) for _ in range(2))
    assert first == again


def test_concentrations_and_places_are_checked():
    with pytest.raises(InputError, match="th232_bq_kg"):
        Concentrations(th232_bq_kg=-1.0)
    with pytest.raises(InputError, match="walls, ground"):
        natural_background(Concentrations(), "moon")
    assert all(natural_background(Concentrations(), p)["U-238"].total_per_cm2_s > 0 for p in PLACES)


def test_fluence_rates_add_and_freeze():
    rate = FluenceRate(np.array([511.0]), np.array([2.0]), np.ones_like(centres_kev()))
    assert rate.plus(rate.scaled(2.0)).total_per_cm2_s == pytest.approx(3 * rate.total_per_cm2_s)
    with pytest.raises(ValueError, match="read-only"):
        rate.lines_per_cm2_s[0] = 1.0


# ---- cosmic


def test_cosmic_scale_is_one_at_sea_level_and_grows():
    assert cosmic_scale(0.0, shielding=1.0) == pytest.approx(1.0)
    at_2_km = 0.21 * np.exp(-3.298) + 0.79 * np.exp(0.9056)
    assert cosmic_scale(2000.0, 0.8) == pytest.approx(0.8 * at_2_km)
    with pytest.raises(InputError, match="altitude"):
        cosmic_scale(-10.0)


def test_cosmic_photons_follow_one_over_e():
    rate = cosmic_photons()
    decade = (centres_kev() > 300) & (centres_kev() < 3000)
    assert rate.continuum_per_cm2_s[decade].sum() == pytest.approx(0.012 * np.log(10), rel=0.06)


def test_muon_rate_through_a_cube():
    """cos² law: each pair of faces sees pi/2 of top, and as much from the sides together."""
    counts, overflow = muon_deposits(10.0, 560.0, np.arange(0.0, 12_001.0))
    assert counts.sum() + overflow == pytest.approx(np.pi * MUON_VERTICAL_PER_CM2_S_SR, rel=0.01)
    assert overflow == 0.0


def test_mean_muon_chord_is_volume_over_projected_area():
    edges = np.arange(0.0, 12_001.0, 5.0)
    counts, _ = muon_deposits(10.0, 560.0, edges)
    mean = np.sum(counts * 0.5 * (edges[1:] + edges[:-1])) / counts.sum()
    # integral of cos² over the half sphere (2 pi/3) times volume, over the rate (pi): 2/3 side
    assert mean == pytest.approx(560.0 * 10.0 * 2 / 3, rel=0.01)
    with pytest.raises(InputError, match="positive"):
        muon_deposits(0.0, 560.0, edges)


# ---- measured


@given(st.floats(0.0, 40.0), st.integers(2, 80), st.floats(0.1, 1e6))
def test_a_constant_stays_constant(sigma, n, level):
    assert smoothed(np.full(n, level), sigma) == pytest.approx(np.full(n, level))


def test_smoothing_spreads_a_line_and_keeps_it_in_place():
    line = np.zeros(101)
    line[50] = 1.0
    wide = smoothed(line, 3.0)
    assert wide.sum() == pytest.approx(1.0)
    assert wide.argmax() == 50
    assert wide[50] == pytest.approx(1 / (3 * np.sqrt(2 * np.pi)), rel=1e-3)
    with pytest.raises(InputError, match="negative"):
        smoothed(line, -1.0)


def test_blend_keeps_rate_and_shares():
    measured, modelled = np.array([4.0, 0.0, 0.0]), np.array([0.0, 1.0, 3.0])
    assert blend(measured, modelled, 10.0) == pytest.approx([7.0, 0.75, 2.25])
    with pytest.raises(InputError, match="positive sum"):
        blend(measured, np.zeros(3), 1.0)
    with pytest.raises(InputError, match="share"):
        blend(measured, modelled, 1.0, 1.5)


def test_natural_peaks_are_not_counted_twice():
    """Wanting what is already there changes nothing; wanting twice adds it once."""
    x = np.arange(200.0)
    peaks = np.array([np.exp(-0.5 * ((x - c) / 6) ** 2) for c in (60.0, 140.0)])
    continuum = np.exp(-x / 80)
    recorded = continuum + np.array([0.5, 0.2]) @ peaks
    present = present_amounts(recorded, np.vstack([peaks, continuum]), 1e5)
    assert present == pytest.approx([0.5, 0.2, 1.0], rel=1e-6)
    assert with_components(recorded, peaks, present[:2], present[:2]) == pytest.approx(recorded)
    doubled = with_components(recorded, peaks, 2 * present[:2], present[:2])
    assert doubled - recorded == pytest.approx(np.array([0.5, 0.2]) @ peaks)
    removed = with_components(recorded, peaks, [0.0, 0.0], present[:2])
    assert removed == pytest.approx(continuum, abs=1e-6)


def test_a_measured_rate_leaves_the_overflow_out():
    counts = np.full(1024, 20)
    counts[-1] = 5000
    recorded = Spectrum(counts, calibration=None, live_time_s=10.0, overflow_channel=1023)
    rate = measured_rate(recorded, 2.0)
    assert rate[-1] == 0.0
    assert rate[:-1] == pytest.approx(np.full(1023, 2.0))

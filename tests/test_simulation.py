"""Simulated recordings: Poisson counts, dead time, random sums, overflow, axes, seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma import simulation
from blackett.gamma.detector import detector, detectors
from blackett.gamma.folding import deposit_edges_kev
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import (
    BINS,
    Unit,
    draw_unit,
    expected_counts,
    nominal_unit,
    record,
    simulate_room,
    source_rate,
)

if TYPE_CHECKING:
    from blackett.gamma.spectrum import Spectrum

RC103 = detector("radiacode-103")
EDGES = deposit_edges_kev(BINS)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])


def line(energy_kev: float, cps: float) -> np.ndarray:
    """A rate with all counts in the bin of one energy."""
    rate = np.zeros(BINS)
    rate[np.searchsorted(EDGES, energy_kev) - 1] = cps
    return rate


def flat(cps: float) -> np.ndarray:
    inside = (CENTRES > 100.0) & (CENTRES < 2000.0)
    return np.where(inside, cps / inside.sum(), 0.0)


def ideal(**changes: float) -> Unit:
    """The nominal unit without dead time and random sums."""
    return replace(nominal_unit(RC103), **{"dead_time_s": 0.0, "resolving_time_s": 0.0} | changes)


# --- counts and times --------------------------------------------------------------


def test_counts_are_poisson_of_the_expectation() -> None:
    expected, live = expected_counts(flat(20.0), ideal(), 100.0)
    rng = np.random.default_rng(5)
    drawn = np.array([record(flat(20.0), ideal(), 100.0, rng).counts for _ in range(30)])
    assert live == 100.0
    assert expected.sum() == pytest.approx(2000.0, rel=1e-3)
    assert drawn.sum(axis=1).mean() == pytest.approx(expected.sum(), abs=4 * np.sqrt(2000 / 30))
    likely = expected > 1.0
    chi_squared = (drawn[:, likely] - expected[likely]) ** 2 / expected[likely]
    assert chi_squared.mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / chi_squared.size) + 0.01)


def test_dead_time_shortens_the_live_time() -> None:
    rate, unit = flat(10_000.0), ideal(dead_time_s=10e-6)
    counts, live = expected_counts(rate, unit, 60.0)
    assert live == pytest.approx(60.0 / 1.1, rel=1e-3)
    assert counts.sum() / live == pytest.approx(10_000.0, rel=1e-3)
    seen = record(rate, unit, 60.0, np.random.default_rng(1))
    assert (seen.live_time_s, seen.real_time_s) == (live, 60.0)


def test_random_sums_use_up_two_pulses_each() -> None:
    rate = flat(5000.0)
    summed = simulation._with_random_sums(rate, 1e-6)
    share = 1.0 - np.exp(-5000.0 * 1e-6)
    single = (1.0 - share) * rate
    pairs = summed - single
    assert pairs.min() > -1e-9
    assert single.sum() + 2.0 * pairs.sum() == pytest.approx(5000.0, rel=1e-9)
    # first order: 1 in rate x resolving time is lost to a partner, energy is conserved
    assert (summed @ CENTRES) / (rate @ CENTRES) == pytest.approx(1.0, abs=2e-3)


def test_random_sums_of_a_line_lie_at_twice_its_energy() -> None:
    at = CENTRES[np.searchsorted(EDGES, 661.657) - 1]
    summed = simulation._with_random_sums(line(661.657, 1000.0), 2e-6)
    pairs = np.where(CENTRES > 1000.0, summed, 0.0)
    assert pairs @ CENTRES / pairs.sum() == pytest.approx(2 * at, abs=2.5)
    assert pairs.sum() == pytest.approx(0.5 * 1000.0 * (1 - np.exp(-0.002)), rel=1e-6)


def test_few_pulses_have_no_random_sums() -> None:
    rate = flat(0.5)
    assert simulation._with_random_sums(rate, 1e-6) is rate


def test_overflow_channel_holds_what_is_above() -> None:
    unit = ideal(coefficients_kev=(0.0, 1.0, 0.0))  # 0 to 1023.5 keV
    counts, _ = expected_counts(line(2000.0, 3.0) + line(500.0, 7.0), unit, 1000.0)
    assert counts[-1] == pytest.approx(3000.0, rel=1e-3)
    assert counts[:-1].sum() == pytest.approx(7000.0, rel=1e-3)
    seen = record(line(2000.0, 3.0), unit, 1000.0, np.random.default_rng(0))
    assert seen.overflow_channel == 1023
    assert seen.overflow_counts == seen.total_counts


def test_threshold_takes_half_at_its_energy() -> None:
    at = CENTRES[np.searchsorted(EDGES, 60.0) - 1]
    for threshold, share in ((at, 0.5), (at - 30.0, 1.0), (at + 30.0, 0.0)):
        unit = ideal(threshold_kev=threshold, threshold_width_kev=3.0)
        assert expected_counts(line(60.0, 100.0), unit, 10.0)[0].sum() == pytest.approx(
            1000.0 * share, abs=2.0
        )


# --- axis and resolution -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["radiacode-103", "radiacode-103g", "radiacode-110", "hpge"])
def test_nominal_unit_puts_caesium_where_it_belongs(name: str) -> None:
    device = detector(name)
    unit = replace(nominal_unit(device), dead_time_s=0.0, resolving_time_s=0.0)
    seen = record(line(661.657, 1000.0), unit, 1000.0, np.random.default_rng(2))
    at = CENTRES[np.searchsorted(EDGES, 661.657) - 1]
    centres, counts = seen.centres_kev[:-1], seen.counts[:-1]
    sigma = device.fwhm_kev(at) / 2.3548
    mean = counts @ centres / counts.sum()
    assert mean == pytest.approx(at, abs=5 * sigma / 1000 + 0.05)
    spread = np.sqrt(counts @ (centres - mean) ** 2 / counts.sum())
    channel = np.diff(seen.edges_kev)[np.argmax(counts)]
    assert spread == pytest.approx(np.hypot(sigma, channel / np.sqrt(12)), rel=0.03)


def test_gain_and_offset_move_peaks_on_the_stored_axis() -> None:
    unit = ideal(gain_error=0.03, offset_error_kev=-8.0)
    energy = np.array([59.5, 661.657, 1460.8])
    assert unit.apparent_kev(energy) == pytest.approx(1.03 * energy - 8.0, abs=1e-6)
    assert np.interp(unit.apparent_kev(energy), *stored_and_true(unit)) == pytest.approx(
        energy, abs=1.0
    )


def stored_and_true(unit: Unit) -> tuple[np.ndarray, np.ndarray]:
    seen = record(flat(1.0), unit, 1.0, np.random.default_rng(0))
    return seen.edges_kev, unit.true_edges_kev()


def test_light_curve_bends_the_axis_between_calibrated_lines() -> None:
    unit = ideal(light_power=1.0)
    at = np.array(simulation.CALIBRATED_AT_KEV)
    assert np.abs(unit.apparent_kev(at) - at).max() < 12.0
    between = np.array([30.0, 120.0, 400.0])
    bend = unit.apparent_kev(between) - between
    assert 0.5 < np.abs(bend).max() < 15.0
    assert ideal(light_power=0.0).apparent_kev(between) == pytest.approx(between, abs=1e-6)


@pytest.mark.parametrize("name", list(detectors()))
def test_drawn_units_are_within_the_spreads_of_real_ones(name: str) -> None:
    device = detector(name)
    low, high = device.resolution.range_662_percent
    rng = np.random.default_rng(11)
    for _ in range(60):
        unit = draw_unit(device, rng)
        assert abs(unit.gain_error) <= 0.04
        assert abs(unit.offset_error_kev) <= 12.0
        assert low <= unit.fwhm_662_percent <= high
        assert unit.threshold_kev >= 2.0
        assert np.all(np.diff(unit.true_edges_kev()) >= 0.0)
        span = unit.true_edges_kev()[-1]
        assert 0.75 * device.range_kev[1] < span < 1.3 * device.range_kev[1]
    assert {draw_unit(device, rng).channels for _ in range(12)} == (
        {256, 1024} if name == "radiacode-101" else {device.channels}
    )


def test_errors_of_drawn_axes_have_their_spread() -> None:
    rng = np.random.default_rng(12)
    units = [draw_unit(RC103, rng) for _ in range(400)]
    assert np.std([u.gain_error for u in units]) == pytest.approx(0.0148, rel=0.15)
    assert np.std([u.offset_error_kev for u in units]) == pytest.approx(3.95, rel=0.15)


# --- whole recordings ----------------------------------------------------------------------


def test_one_seed_one_recording() -> None:
    def made(seed: int) -> Spectrum:
        return simulate_room(RC103, 120.0, np.random.default_rng(seed))

    first, again, other = made(3), made(3), made(4)
    assert first.counts.tobytes() == again.counts.tobytes()
    assert first == again
    assert first != other
    assert first.device == "RadiaCode-103"
    assert first.real_time_s == 120.0
    assert first.total_counts > 0


def test_source_rate_is_proportional_to_the_activity() -> None:
    scene = Scene(50.0, surroundings="bench")
    one, many = (source_rate("Cs-137", bq, scene, RC103) for bq in (1.0, 3000.0))
    assert many == pytest.approx(3000.0 * one)
    assert one.min() >= 0.0
    # half the photons of Cs-137 per decay, 0.3 % of the sphere: some counts per thousand decays
    assert 5e-4 < one.sum() < 5e-3


@pytest.mark.parametrize(
    ("rate", "time_s"),
    [
        (np.zeros(7), 1.0),
        (np.full(BINS, -1.0), 1.0),
        (np.full(BINS, np.nan), 1.0),
        (np.ones(BINS), 0.0),
        (np.ones(BINS), float("nan")),
    ],
)
def test_refuses_what_cannot_be_recorded(rate: np.ndarray, time_s: float) -> None:
    with pytest.raises(InputError):
        record(rate, ideal(), time_s, np.random.default_rng(0))

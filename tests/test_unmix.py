"""Unmixing simulated spectra: groups, exact answers, silence on background, axis errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import nnls

from blackett.errors import InputError
from blackett.gamma import unmix as unmixing
from blackett.gamma.folding import deposit_edges_kev
from blackett.gamma.likelihood import cumulative_at
from blackett.gamma.simulation import BINS, record
from blackett.gamma.templates import library
from blackett.gamma.unmix import Grouped, Settings, Unmixed, group, task, unmix, without
from blackett.gamma.unmix.nuisances import smoothed
from blackett.gamma.unmix.proposal import non_negative
from simulated import DETECTOR, few, grouped, perfect_unit, room, spectrum

pytestmark = pytest.mark.xdist_group("unmix")

ALL = library(DETECTOR.name)


def names(found: Unmixed) -> set[str]:
    return {e.name for e in found.declared}


# --- groups -----------------------------------------------------------------------------


def grouped_flat(counts: np.ndarray, **changes: float) -> Grouped:
    edges = np.linspace(0.0, 3000.0, counts.size + 1)
    width = 60.0 * np.sqrt(np.maximum(edges[1:], 1.0) / 662.0)
    return group(counts, edges, width, 30.0, 100.0, None, Settings(**changes))


def test_groups_are_whole_channels_and_keep_every_count() -> None:
    counts = np.random.default_rng(0).poisson(50.0, 1024)
    made = grouped_flat(counts)
    edges = np.linspace(0.0, 3000.0, 1025)
    inside = (edges[:-1] >= 30.0) & (edges[1:] <= 2850.0)
    assert made.counts.sum() == counts[inside].sum()
    assert np.all(np.diff(made.first_channel) >= 1)
    assert made.edges_kev == pytest.approx(edges[made.first_channel])
    for b in (0, 17, made.counts.size - 1):
        first, stop = made.first_channel[b : b + 2]
        assert made.counts[b] == counts[first:stop].sum()


def test_groups_are_about_a_third_of_the_resolution() -> None:
    made = grouped_flat(np.ones(1024, dtype=int))
    centre = 0.5 * (made.edges_kev[1:] + made.edges_kev[:-1])
    in_fwhm = np.diff(made.edges_kev)[:-1] / (60.0 * np.sqrt(centre[:-1] / 662.0))
    coarse = in_fwhm[centre[:-1] > 200.0]  # below, one channel is the least there is
    assert np.all((coarse > 0.33 - 0.1) & (coarse < 0.33 + 0.1))
    finer = grouped_flat(np.ones(1024, dtype=int), groups_per_fwhm=6.0)
    assert finer.counts.size > 1.4 * made.counts.size


def test_background_is_grouped_with_the_spectrum() -> None:
    counts, edges = np.arange(1024), np.linspace(0.0, 3000.0, 1025)
    made = group(counts, edges, np.full(1024, 60.0), 30.0, 100.0, (2.0 * counts, 400.0))
    assert made.background == pytest.approx(2.0 * made.counts)
    assert made.background_ratio == 0.25


def test_an_axis_without_channels_in_range_is_refused() -> None:
    with pytest.raises(InputError, match="calibration"):
        group(np.ones(1024, dtype=int), np.linspace(0, 20, 1025), np.ones(1024), 30.0, 1.0, None)


# --- answers --------------------------------------------------------------------------------


def test_two_sources_in_a_room_are_named_and_no_others() -> None:
    found = unmix(task(grouped(spectrum(1, {"Cs-137": 3.0, "Co-60": 3.0})), ALL))
    assert names(found) == {"Cs-137", "Co-60"}
    for evidence in found.declared:
        assert evidence.ratio > unmixing.needed(found.task, evidence.name)
        assert evidence.counts == pytest.approx(3.0 * 1800.0, rel=0.3)
    assert [e.ratio for e in found.declared] == sorted([e.ratio for e in found.declared])[::-1]


@pytest.mark.parametrize("name", ["Am-241", "Ra-226", "Th-232", "I-131"])
def test_a_source_alone_is_named(name: str) -> None:
    found = unmix(task(grouped(spectrum(2, {name: 5.0})), ALL))
    assert names(found) == {name}


def test_background_alone_declares_nothing() -> None:
    """20 drawn units in four drawn rooms, ten minutes each."""
    for seed in range(20):
        seen = spectrum(100 + seed, {}, real_time_s=600.0, room_seed=seed % 4)
        assert names(unmix(task(grouped(seen), ALL))) == set(), seed


def test_measured_background_of_the_same_room_is_used() -> None:
    unit = perfect_unit(gain_error=0.01)
    room = spectrum(3, {}, 7200.0, unit)
    data = grouped(spectrum(4, {"Cs-137": 0.5}, 1800.0, unit), room)
    made = task(data, ALL)
    assert not made.room
    found = unmix(made)
    assert names(found) == {"Cs-137"}
    assert found.fit.background.sum() == pytest.approx(0.25 * data.background.sum(), rel=0.1)
    assert names(unmix(task(grouped(spectrum(5, {}, 1800.0, unit), room), ALL))) == set()


@pytest.mark.parametrize(
    ("gain", "offset_kev"), [(0.03, 0.0), (-0.03, 0.0), (0.0, 8.0), (0.0, -8.0), (0.02, -6.0)]
)
def test_axis_errors_are_found(gain: float, offset_kev: float) -> None:
    """Stored energies are (1 + gain) E + offset: the fit must undo it where there are lines."""
    unit = perfect_unit(gain_error=gain, offset_error_kev=offset_kev)
    seen = spectrum(6, {"Cs-137": 5.0, "Co-60": 5.0, "Am-241": 5.0}, 1800.0, unit)
    some = few("Cs-137", "Co-60", "Am-241", "Na-22", "Eu-152", "Ra-226", "Th-232")
    found = unmix(task(grouped(seen), some))
    assert names(found) == {"Cs-137", "Co-60", "Am-241"}
    true = np.array([59.54, 661.657, 1332.49])
    stored = (1.0 + gain) * true + offset_kev
    fitted = np.interp(stored, found.task.data.edges_kev, found.fit.edges_kev)
    assert np.all(np.abs(fitted - true) < 0.15 * DETECTOR.fwhm_kev(true))


def test_a_source_needs_more_evidence_the_rarer_it_is() -> None:
    made = task(grouped(spectrum(7, {}, 60.0)), ALL)
    common, rare = (unmixing.needed(made, name) for name in ("Cs-137", "Hf-181"))
    assert common == made.settings.needed
    assert rare > common + 4.0


def test_answers_do_not_depend_on_chance() -> None:
    data = grouped(spectrum(8, {"Na-22": 4.0}, 600.0))
    first, again = unmix(task(data, ALL)), unmix(task(data, ALL))
    assert first.declared == again.declared
    assert first.active == again.active


def test_scores_ask_for_what_was_left_out() -> None:
    seen = spectrum(9, {"Cs-137": 3.0, "Co-60": 1.0})
    found = unmix(task(grouped(seen), few("Cs-137", "Co-60"))).mixture
    library = found.task.library
    assert found.scores.max() < 30.0
    asked = without(found, "Co-60").scores
    best = {n: max(asked[list(library.columns_of(n))]) for n in set(library.source_of)}
    assert best["Co-60"] > 50.0
    assert best["Co-60"] == max(best.values())


def test_a_source_that_the_odds_favour_needs_less() -> None:
    made = task(grouped(spectrum(7, {}, 60.0)), ALL)
    likely = replace(made, log_odds=made.log_odds + 5.0)
    assert unmixing.needed(likely, "Cs-137") == unmixing.needed(made, "Cs-137") - 10.0


def test_scores_know_components_of_less_than_one_count() -> None:
    """Logarithms of amplitudes below one count are negative and still free parameters."""
    found = unmix(task(grouped(spectrum(7, {}, 60.0)), few("Cs-137"))).mixture
    logarithmic = np.flatnonzero(found.task.library.room.logarithmic)
    assert (found.fit.parameters[logarithmic] < 0.0).any()
    assert found.fit.free[logarithmic].all()
    held = np.setdiff1d(np.arange(found.fit.amplitudes.size), logarithmic)
    assert np.array_equal(found.fit.free[held], found.fit.amplitudes[held] > 0.0)


# --- pieces ---------------------------------------------------------------------------------


@pytest.mark.parametrize("warm", [False, True])
def test_non_negative_least_squares_agree_with_scipy(warm: bool) -> None:
    rng = np.random.default_rng(12)
    for n in (1, 3, 20):
        matrix, side = rng.normal(size=(40, n)), rng.normal(size=40)
        expected, _ = nnls(matrix, side)
        start = np.maximum(expected + 0.3 * rng.normal(size=n), 0.0) if warm else np.zeros(n)
        gram, pull = matrix.T @ matrix, matrix.T @ side
        assert non_negative(gram, pull, start) == pytest.approx(expected, abs=1e-9)


def test_all_templates_in_groups_are_those_of_the_fit() -> None:
    made = task(grouped(spectrum(7, {}, 60.0)), few("Cs-137"))
    edges, width, tilt = made.data.edges_kev, 2.3, 0.2
    side_by_side = unmixing.templates_at(made, edges, width, tilt)
    columns = made.library.columns(range(len(made.library.source_of)))
    one_by_one = cumulative_at(columns, made.library.grid_step, edges, width, tilt)
    assert side_by_side == pytest.approx(np.diff(one_by_one).T, abs=1e-12)


# --- beside a measured background -------------------------------------------------------------


def shaded(share: float, g_cm2: float) -> np.ndarray:
    """A room's counts per second while silicate rock fills a share of all directions."""
    edges = deposit_edges_kev(BINS)
    energy = np.maximum(0.5 * (edges[1:] + edges[:-1]), 10.0)
    attenuation_cm2_g = 0.17 * (100.0 / energy) ** 0.42  # XCOM, SiO2: 0.17 at 100 keV, 0.05 at 1.5
    return np.asarray(room(1) * (1.0 - share * -np.expm1(-attenuation_cm2_g * g_cm2)))


@pytest.mark.parametrize("seed", [3, 4])
def test_rock_that_only_shades_a_background_is_no_source(seed: int) -> None:
    rng, unit = np.random.default_rng(seed), perfect_unit()
    before = record(room(1), unit, 200_000.0, rng)
    beside_rock = record(shaded(0.3, 6.0), unit, 100_000.0, rng)
    data = grouped(beside_rock, before)
    found = unmix(task(data, few("Cs-137")))
    assert names(found) == set()
    assert found.fit.shading > 0.5
    assert found.fit.background_factor[0] < found.fit.background_factor[-1] < 1.02
    unshaded = unmix(task(data, few("Cs-137"), Settings(shade_sigma=1e-4)))
    assert found.fit.objective < unshaded.fit.objective
    assert names(unshaded) & {"Ra-226", "K-40", "Th-232"}  # what the shade would be taken for


# --- documentation ----------------------------------------------------------------------------

DOCS = Path(__file__).parents[1] / "docs" / "identification.md"
STATED = {
    "lowest_kev": "({:g} keV for scintillators)", "needed": "<  {:g} - 2 ln odds",
    "window_kev": "({:g} keV/E)", "bend_sigma": "\u03c3 {:.1%} of E",
    "bend_sigma_kev": "of E + {:g} keV", "shape_sigma": "\u03c3 {:.0%}, length 5 FWHM",
    "shape_length": "8 %, length {:g} FWHM", "fine_sigma": "\u03c3 {:.0%}, length 1.5 FWHM",
    "fine_length": "4 %, length {:g} FWHM", "epsilon": "| {:.0%} (times",
    "edge_sigma": "and {:.0%} of a FWHM",
    "background_scale_sigma": "\u03c3 {0[0]:g} below 1 and {0[1]:g} above |",
    "shade_sigma": "half-normal, \u03c3 {:.0%} at 100 keV",
    "tail_sigma": "half-normal, \u03c3 {:.0%} of all counts | silicon",
    "fluorescence_sigma": "half-normal, \u03c3 {:.0%} of all counts | any source",
    "fewest_counts": "fewer than {:g} counts",
}  # fmt: skip
"""How the page states the values of `Settings`."""


@pytest.mark.parametrize("name", STATED)
def test_documented_priors_are_those_in_use(name: str) -> None:
    text = DOCS.read_text(encoding="utf-8").replace(" %", "%").replace("\u2212", "-")
    wanted = STATED[name].replace(" %", "%").format(getattr(Settings(), name))
    assert wanted in text


def test_smoothing_is_scipys() -> None:
    from scipy.ndimage import gaussian_filter1d

    counts = np.random.default_rng(1).poisson(5.0, 60)
    for sigma in (1.0, 1.5):
        expected = gaussian_filter1d(counts.astype(float), sigma)
        assert smoothed(counts, sigma) == pytest.approx(expected, rel=1e-12)

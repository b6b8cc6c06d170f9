"""Unmixing simulated spectra: groups, exact answers, silence on background, axis errors."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma import unmix as unmixing
from blackett.gamma.templates import library
from blackett.gamma.unmix import Grouped, Settings, Unmixed, group, task, unmix
from simulated import DETECTOR, few, grouped, perfect_unit, spectrum

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
    found = unmix(task(grouped(seen), few("Cs-137", "Co-60")))
    library_names = found.task.library.source_of
    assert unmixing.all_scores(found).max() < 30.0
    gone = unmixing.columns_by_source(found.task, found.active)["Co-60"]
    fit, active = unmixing._without(found.task, found.fit, found.active, gone)
    asked = unmixing.all_scores(Unmixed(found.task, fit, active, ()))
    best = {n: max(asked[list(found.task.library.columns_of(n))]) for n in set(library_names)}
    assert best["Co-60"] > 50.0

"""What holds for every spectrum: counts are conserved, encoding and decoding are inverse."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackett.gamma.formats import read_bytes
from blackett.gamma.formats.csv_text import write_csv
from blackett.gamma.formats.n42 import write_n42
from blackett.gamma.formats.npes import write_npes
from blackett.gamma.formats.radiacode_xml import write_xml
from blackett.gamma.formats.spe import write_spe
from blackett.gamma.spectrum import Spectrum, rebin
from properties.strategies import calibrations, counts, spectra, tables

if TYPE_CHECKING:
    from blackett.gamma.calibration import EnergyCalibration

WRITERS = {"xml": write_xml, "n42": write_n42, "csv": write_csv, "spe": write_spe}


def as_held(spectrum: Spectrum) -> Spectrum:
    """Without what a reader adds."""
    back = spectrum.background
    return replace(
        spectrum,
        source_file="",
        live_time_rule="",
        warnings=(),
        background=None if back is None else as_held(back),
    )


@pytest.mark.parametrize("form", ["xml", "n42", "csv"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reading_after_writing_gives_the_same_spectrum(form: str, data: st.DataObject) -> None:
    spectrum = data.draw(spectra())
    text = WRITERS[form]([spectrum])
    [again] = read_bytes(text.encode(), "x", others=False)
    assert as_held(again) == as_held(spectrum)
    assert WRITERS[form]([again]) == text


@settings(max_examples=60, deadline=None)
@given(spectra(zones=False, background=False))
def test_spe_holds_one_spectrum(spectrum: Spectrum) -> None:
    if any(text.startswith("$") for text in (spectrum.comment, spectrum.name)):
        return
    text = write_spe([spectrum])
    [again] = read_bytes(text.encode(), "x", others=False)
    assert as_held(again) == as_held(spectrum)
    assert write_spe([again]) == text


@settings(max_examples=60, deadline=None)
@given(spectra(), st.integers(1, 10**7))
def test_json_holds_whole_seconds(spectrum: Spectrum, seconds: int) -> None:
    spectrum = replace(
        spectrum, live_time_s=seconds, real_time_s=seconds, device="NaI", background=None
    )
    text = write_npes([spectrum])
    [again] = read_bytes(text.encode(), "x", others=False)
    assert as_held(again) == as_held(spectrum)
    assert write_npes([again]) == text


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_csv_holds_any_table_of_edges(data: st.DataObject) -> None:
    table = data.draw(tables(12))
    spectrum = Spectrum(np.array(data.draw(counts(12))), table, 10.0)
    text = write_csv([spectrum])
    [again] = read_bytes(text.encode(), "x", others=False)
    assert again.calibration == table
    assert write_csv([again]) == text


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_rebin_makes_and_loses_no_count(data: st.DataObject) -> None:
    n_old, n_new = data.draw(st.integers(2, 40)), data.draw(st.integers(2, 40))
    old, new = data.draw(tables(n_old)).edges, data.draw(tables(n_new)).edges
    values = np.array(data.draw(counts(n_old)))
    moved = rebin(values, old, new)
    total = moved.below + moved.counts.sum() + moved.above
    assert total == pytest.approx(values.sum(), rel=1e-12, abs=1e-9)
    assert np.all(moved.counts >= 0)
    assert np.all(moved.variance <= moved.counts * (1 + 1e-12) + 1e-12)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rebin_agrees_with_exact_fractions(data: st.DataObject) -> None:
    old, new = data.draw(tables(6)).edges, data.draw(tables(5)).edges
    values = np.array(data.draw(counts(6, 1000)))
    moved = rebin(values, old, new)
    for j in range(5):
        exact, variance = Fraction(0), Fraction(0)
        for i in range(6):
            low, high = max(old[i], new[j]), min(old[i + 1], new[j + 1])
            if high > low:
                part = (Fraction(high) - Fraction(low)) / (Fraction(old[i + 1]) - Fraction(old[i]))
                exact += part * int(values[i])
                variance += part**2 * int(values[i])
        assert moved.counts[j] == pytest.approx(float(exact), rel=1e-9, abs=1e-9)
        assert moved.variance[j] == pytest.approx(float(variance), rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(spectra(background=False), st.integers(1, 1000))
def test_what_is_added_is_subtracted_again(spectrum: Spectrum, times: int) -> None:
    twice = spectrum.add(spectrum)
    assert twice.total_counts == 2 * spectrum.total_counts
    assert twice.live_time_s == 2 * spectrum.live_time_s
    net = replace(
        spectrum, counts=spectrum.counts * times, live_time_s=spectrum.live_time_s * times
    ).subtract(spectrum)
    assert np.allclose(net.counts, 0, atol=1e-9 * times * spectrum.counts.max())
    assert np.allclose(net.variance, spectrum.counts * (times + times**2), rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(calibrations(), st.lists(st.floats(-0.5, 1023.5), min_size=1, max_size=20))
def test_channel_is_the_inverse_of_energy(axis: EnergyCalibration, channels: list[float]) -> None:
    assert np.allclose(axis.channel(axis.energy_kev(channels)), channels, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(calibrations(), st.integers(0, 100), st.sampled_from([1, 2, 4, 8]))
def test_resampled_edges_lie_on_old_edges(axis: EnergyCalibration, first: int, step: int) -> None:
    old = axis.edges_kev(1024)
    new = axis.resampled(first, step).edges_kev((1024 - first) // step)
    assert np.allclose(new, old[first::step][: new.size], rtol=1e-12, atol=1e-9)

"""What a network sees: the same numbers in training and serving, no count made or lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration, TabulatedCalibration
from blackett.gamma.preparation import (
    BIN_EDGES_KEV,
    BINS,
    DETECTORS,
    FEATURES,
    GENERIC,
    RANGE_KEV,
    counts_of,
    detector_index,
    layout_sha256,
    prepare,
    prepare_batch,
)
from blackett.gamma.spectrum import Spectrum, rebin

AXES = {1024: (-3.0, 2.39, 3.6e-4), 256: (1.9, 9.46, 8.1e-3)}
BACKGROUND, DIFFERENCE, SCALARS = BINS, 2 * BINS, 3 * BINS


@dataclass
class Rows:
    """A batch as the simulation gives it."""

    counts: np.ndarray
    channels: np.ndarray
    coefficients_kev: np.ndarray
    live_time_s: np.ndarray
    background: np.ndarray
    background_live_time_s: np.ndarray


def rows(n: int, seed: int) -> Rows:
    """Falling spectra of both kinds, half of them with a background, axes and times at random."""
    rng = np.random.default_rng(seed)
    channels = rng.choice([256, 1024], n)
    made = Rows(
        np.zeros((n, 1024), np.int32), channels.astype(np.int16), np.zeros((n, 3)),
        rng.uniform(5.0, 5000.0, n), np.zeros((n, 1024), np.int32),
        np.where(rng.random(n) < 0.5, rng.uniform(60.0, 1e5, n), 0.0),
    )  # fmt: skip
    for i, many in enumerate(channels):
        falling = np.exp(-np.arange(many) * 8.0 / many)
        made.coefficients_kev[i] = np.array(AXES[many]) * rng.uniform(0.95, 1.05, 3)
        made.counts[i, :many] = rng.poisson(falling * 10 ** rng.uniform(-2, 3))
        if made.background_live_time_s[i]:
            made.background[i, :many] = rng.poisson(falling * 10 ** rng.uniform(-2, 3))
    return made


def as_spectrum(batch: Rows, i: int, device: str) -> Spectrum:
    many = int(batch.channels[i])
    axis = EnergyCalibration(tuple(batch.coefficients_kev[i]))
    room = None
    if batch.background_live_time_s[i]:
        room = Spectrum(batch.background[i, :many], axis, batch.background_live_time_s[i],
                        overflow_channel=many - 1)  # fmt: skip
    return Spectrum(batch.counts[i, :many], axis, batch.live_time_s[i], device=device,
                    overflow_channel=many - 1, background=room)  # fmt: skip


def test_training_and_serving_see_the_same_bits() -> None:
    batch = rows(200, 1)
    places = np.arange(200) % len(DETECTORS)
    trained = prepare_batch(batch, places)
    devices = ["" if d == "generic" else d for d in DETECTORS]
    served = prepare([as_spectrum(batch, i, devices[p]) for i, p in enumerate(places)])
    np.testing.assert_array_equal(trained, served)
    assert trained.dtype == np.float32
    assert trained.shape == (200, FEATURES)
    assert np.isfinite(trained).all()


def test_threads_change_no_bit() -> None:
    batch = rows(101, 2)
    places = np.full(101, GENERIC)
    np.testing.assert_array_equal(
        prepare_batch(batch, places), prepare_batch(batch, places, threads=3)
    )


@pytest.mark.parametrize("channels", [256, 1024])
def test_counts_are_shared_as_by_rebin(channels: int) -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(20.0, channels)
    counts[-1] = 999  # overflow: must not enter
    spectrum = Spectrum(counts, EnergyCalibration(AXES[channels]), 100.0,
                        overflow_channel=channels - 1)  # fmt: skip
    row = prepare([spectrum])[0]
    expected = rebin(counts[:-1], spectrum.edges_kev[:-1], BIN_EDGES_KEV).counts
    total = expected.sum()
    np.testing.assert_allclose(np.square(row[:BINS]) * total / BINS, expected, rtol=1e-5)
    assert counts_of(row[None])[0] == pytest.approx(total, rel=1e-5)
    assert row[SCALARS + 7] == 0.5 * np.log2(channels / 1024)


def test_bins_are_of_equal_width_in_the_root_of_energy() -> None:
    assert (BIN_EDGES_KEV[0], BIN_EDGES_KEV[-1]) == pytest.approx(RANGE_KEV)
    np.testing.assert_allclose(np.diff(np.sqrt(BIN_EDGES_KEV), n=2), 0.0, atol=1e-12)


def test_noise_is_the_same_in_every_bin() -> None:
    # 3000 recordings of one falling spectrum: the spread of sqrt is 1/2 in units of one count
    rng = np.random.default_rng(4)
    axis = EnergyCalibration((0.0, 3.0))
    mean = 4000.0 * np.exp(-np.arange(1024) / 400.0)
    seen = prepare([Spectrum(rng.poisson(mean), axis, 1.0) for _ in range(1500)])
    spread = seen[:, :BINS].std(axis=0) / np.sqrt(BINS / mean.sum())
    whole = slice(120, 180)  # where a bin holds many channels, so few counts are shared
    np.testing.assert_allclose(spread[whole].mean(), 0.5, rtol=0.05)
    assert spread[whole].std() < 0.05


def test_difference_is_standard_normal_where_only_background_is() -> None:
    rng = np.random.default_rng(5)
    axis = EnergyCalibration((0.0, 3.0))
    made = []
    for _ in range(400):
        room = Spectrum(rng.poisson(np.full(1024, 60.0)), axis, 3000.0)
        made.append(Spectrum(rng.poisson(np.full(1024, 20.0)), axis, 1000.0, background=room))
    z = np.sinh(prepare(made)[:, DIFFERENCE + 120 : DIFFERENCE + 180])
    assert abs(z.mean()) < 0.1
    assert z.std() == pytest.approx(1.0, abs=0.1)


def test_without_a_background_its_places_are_zero() -> None:
    spectrum = Spectrum(np.full(1024, 3), EnergyCalibration((0.0, 3.0)), 10.0)
    row = prepare([spectrum])[0]
    assert not row[BACKGROUND:SCALARS].any()
    assert not row[SCALARS + 3 : SCALARS + 7].any()
    with_room = prepare([spectrum.with_background(spectrum)])[0]
    assert with_room[SCALARS + 3] == 1.0
    np.testing.assert_array_equal(with_room[:BINS], with_room[BACKGROUND:DIFFERENCE])
    assert not with_room[DIFFERENCE:SCALARS].any()


def test_an_empty_spectrum_is_finite() -> None:
    row = prepare([Spectrum(np.zeros(256, int), EnergyCalibration((0.0, 9.0)), 1.0)])[0]
    assert np.isfinite(row).all()
    assert not row[:SCALARS].any()


def test_masked_channels_and_tabulated_axes_are_understood() -> None:
    axis = EnergyCalibration((0.0, 3.0))
    counts = np.full(1000, 4)
    plain = Spectrum(counts, axis, 10.0)
    table = plain.recalibrate(TabulatedCalibration(plain.edges_kev))
    np.testing.assert_array_equal(prepare([plain]), prepare([table]))
    masked = Spectrum(counts, axis, 10.0, masked_channels=(300,))
    assert counts_of(prepare([masked]))[0] == pytest.approx(
        counts_of(prepare([plain]))[0] - 4, rel=1e-6
    )


def test_detector_comes_from_the_file_or_by_name() -> None:
    spectrum = Spectrum([1, 2, 3], EnergyCalibration((0.0, 900.0)), 1.0, device="RadiaCode-110")
    one_hot = SCALARS + 8
    assert prepare([spectrum])[0, one_hot + detector_index("radiacode-110")] == 1.0
    assert prepare([spectrum], "generic")[0, one_hot + GENERIC] == 1.0
    assert prepare([spectrum])[0, one_hot:].sum() == 1.0


def test_what_no_network_knows_is_refused() -> None:
    spectrum = Spectrum([1, 2, 3], EnergyCalibration((0.0, 900.0)), 1.0, device="HPGe")
    with pytest.raises(InputError, match="no network knows detector 'hpge'"):
        prepare([spectrum])
    with pytest.raises(InputError, match="no energy calibration"):
        prepare([spectrum.recalibrate(None)], "generic")


def test_a_changed_layout_shows() -> None:
    """Networks in use were trained on this meaning of features: they do not fit another."""
    assert layout_sha256().startswith(LAYOUT)


LAYOUT = "0fae0167b353f606"

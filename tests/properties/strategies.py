"""Hypothesis strategies for calibrations and spectra, for use by any test."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from hypothesis import strategies as st

from blackett.gamma.calibration import EnergyCalibration, TabulatedCalibration
from blackett.gamma.spectrum import Spectrum

LINE = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20
).map(str.strip)
"""One line of text without control characters, no blanks at its ends."""

SECONDS = st.floats(1e-3, 1e9)
WHOLE_SECONDS = st.integers(1, 10**8).map(float)


@st.composite
def calibrations(draw: st.DrawFn) -> EnergyCalibration:
    """Rising quadratics like those of real devices, up to 1024 channels."""
    a0 = draw(st.floats(-15, 15))
    a1 = draw(st.floats(0.1, 12))
    a2 = draw(st.floats(-a1 / 4096, a1 / 256))
    return EnergyCalibration((a0, a1, a2))


@st.composite
def tables(draw: st.DrawFn, n_channels: int) -> TabulatedCalibration:
    """Any strictly increasing edges."""
    steps = draw(st.lists(st.floats(1e-3, 50), min_size=n_channels, max_size=n_channels))
    start = draw(st.floats(-20, 20))
    return TabulatedCalibration(start + np.concatenate([[0.0], np.cumsum(steps)]))


def counts(n_channels: int, largest: int = 10**9) -> st.SearchStrategy[list[int]]:
    """Counts a channel, many of them zero."""
    one = st.one_of(st.just(0), st.integers(0, 30), st.integers(0, largest))
    return st.lists(one, min_size=n_channels, max_size=n_channels)


def starts(*, zones: bool) -> st.SearchStrategy[datetime | None]:
    """Times to the second without zone, or to the microsecond with or without one."""
    plain = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
    if not zones:
        return st.none() | plain.map(lambda t: t.replace(microsecond=0))
    offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
    return st.none() | plain | st.builds(lambda t, z: t.replace(tzinfo=z), plain, offsets)


@st.composite
def spectra(draw: st.DrawFn, *, zones: bool = True, background: bool = True) -> Spectrum:
    """Spectra of 2 to 40 channels with all fields that files hold; polynomial axis or none."""
    n_channels = draw(st.integers(2, 40))
    shared: dict[str, Any] = {
        "calibration": draw(st.none() | calibrations()),
        "device": draw(st.sampled_from(["", "RadiaCode-103", "Some NaI(Tl) 2x2"])),
    }
    main = draw(_alone(n_channels, shared, zones=zones))
    if background and draw(st.booleans()):
        main = main.with_background(draw(_alone(n_channels, shared, zones=zones)))
    return main


@st.composite
def _alone(draw: st.DrawFn, n_channels: int, shared: dict[str, Any], *, zones: bool) -> Spectrum:
    return Spectrum(
        np.array(draw(counts(n_channels)), dtype=np.int64),
        live_time_s=draw(SECONDS),
        real_time_s=draw(st.none() | SECONDS),
        start=draw(starts(zones=zones)),
        name=draw(LINE),
        comment=draw(LINE),
        **shared,
    )

"""The wire protocol: our encoder against the library's decoder, and our reading of DATA_BUF."""

from __future__ import annotations

import datetime
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from radiacode.bytes_buffer import BytesBuffer
from radiacode.decoders.databuf import decode_VS_DATA_BUF
from radiacode.decoders.spectrum import decode_counts_v1, decode_RC_VS_SPECTRUM
from radiacode.types import RareData, RealTimeData

from blackett.errors import InputError
from blackett.gamma.live import wire

AXIS = (-6.283, 2.4383, 0.000382)


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        (4, b"\x00\x00\x01", 65_536),
        (4, b"\xff\xff\xff", -1),
        (4, b"\x00\x00\x80", -(2**23)),
        (2, b"\x80", -128),
        (3, b"\x00\x80", -(2**15)),
        (5, b"\x00\x00\x00\x80", -(2**31)),
        (1, b"\xff", 255),
        (0, b"", 0),
    ],
)
def test_one_channel_of_each_code(code: int, value: bytes, expected: int) -> None:
    run = struct.pack("<H", 1 << 4 | code) + value
    assert decode_counts_v1(BytesBuffer(run)) == [expected]


def test_differences_of_three_bytes_are_not_padded() -> None:
    counts = np.zeros(256, dtype=np.int64)
    counts[10], counts[11] = 70_000, 69_999
    data = wire.encode_spectrum(counts, 5, AXIS, 1)
    assert bytes.fromhex("701101") in data  # +70 000 as i24
    assert wire.decode_spectrum(data, 1).counts.tolist() == counts.tolist()


@settings(deadline=None)
@given(
    form=st.sampled_from([0, 1]),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.05, 1.0, 100.0, 4e4, 6e6, 2**31 - 1.0]),
    seconds=st.integers(0, 2**32 - 1),
)
def test_spectra_come_back_whole(form: int, seed: int, scale: float, seconds: int) -> None:
    rng = np.random.default_rng(seed)
    values = scale * rng.random(256) ** rng.integers(1, 12)
    counts = (values * (rng.random(256) > 0.3)).astype(np.int64).tolist()
    data = wire.encode_spectrum(np.array(counts, dtype=np.int64), seconds, AXIS, form)
    by_library = decode_RC_VS_SPECTRUM(BytesBuffer(data), form)
    assert by_library.counts == counts
    ours = wire.decode_spectrum(data, form)
    assert ours.counts.tolist() == counts
    assert (ours.seconds, ours.coefficients_kev) == (seconds, AXIS)


def test_runs_are_much_shorter_than_words() -> None:
    counts = np.random.default_rng(1).poisson(30.0 * np.exp(-np.arange(1024) / 150.0))
    sizes = [len(wire.encode_spectrum(counts, 1, AXIS, form)) for form in (0, 1)]
    assert sizes[0] == 16 + 4 * 1024
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize(
    ("data", "form", "told"),
    [
        (struct.pack("<I3f", 1, *AXIS) + b"\0" * 8, 0, "2 channels"),
        (struct.pack("<I3f", 1, float("nan"), 2.4, 0.0) + b"\0" * 1024, 0, "finite"),
        (struct.pack("<I3f", 1, 0.0, -2.4, 0.0) + b"\0" * 1024, 0, "must rise"),
        (struct.pack("<I3f", 1, *AXIS) + b"\xff" * 1024, 0, "not possible"),
        (struct.pack("<I3fH", 1, *AXIS, 1 << 4 | 7), 1, "cannot be decoded"),
        (b"\x01\x02", 0, "cannot be decoded"),
        (b"", 3, "format 3"),
    ],
)
def test_damaged_spectra_are_refused(data: bytes, form: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        wire.decode_spectrum(data, form)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_readers(data: bytes) -> None:
    wire.decode_buffer(data)
    for read in (lambda: wire.decode_spectrum(data, 1), lambda: wire.string_in(data)):
        with suppress(InputError):
            read()


def buffer(*records: bytes) -> bytes:
    return b"".join(records)


def test_rates_and_environment_agree_with_the_library() -> None:
    data = buffer(
        wire.encode_real_time(7, 12.5, 0.11, 4.0, 5.5), wire.encode_rare(8, 60, 24.5, 87.0)
    )
    real, rare = decode_VS_DATA_BUF(BytesBuffer(data), datetime.datetime(2026, 1, 1))
    assert isinstance(real, RealTimeData)
    assert isinstance(rare, RareData)
    ours = wire.decode_buffer(data)
    assert ours.real_time == wire.RealTimeRecord(
        real.count_rate, real.count_rate_err, real.dose_rate * 1e4, real.dose_rate_err
    )
    assert ours.real_time.dose_usv_h == pytest.approx(0.11, rel=1e-6)
    assert (
        ours.rare
        == wire.RareRecord(rare.temperature, rare.charge_level)
        == wire.RareRecord(24.5, 87.0)
    )
    assert ours.notes == ()


def test_an_unknown_event_loses_nothing() -> None:
    rates = wire.encode_real_time(2, 5.0, 0.1, 9.0, 9.0)
    data = buffer(wire.encode_event(1, 200), rates, wire.encode_event(3, 19))
    with pytest.raises(ValueError, match="200"):
        decode_VS_DATA_BUF(BytesBuffer(data), datetime.datetime(2026, 1, 1))
    ours = wire.decode_buffer(data)
    assert ours.events == (200, 19)
    assert ours.real_time is not None
    assert ours.notes == ("event 200 of the device is not known",)


def test_reading_goes_on_after_a_gap() -> None:
    data = buffer(
        wire.encode_real_time(1, 5.0, 0.1, 9.0, 9.0), wire.encode_real_time(5, 6.0, 0.1, 9.0, 9.0)
    )
    assert len(decode_VS_DATA_BUF(BytesBuffer(data), datetime.datetime(2026, 1, 1))) == 1
    ours = wire.decode_buffer(data)
    assert ours.real_time is not None
    assert ours.real_time.cps == 6.0
    assert "missing" in ours.notes[0]


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        (wire.encode_unknown(2), "type 9/9"),
        (wire.encode_rare(2, 1, 20.0, 50.0)[:-1], "cut"),
        (b"\x02\x00", "cut"),
        (wire.encode_real_time(2, float("nan"), 0.1, 1.0, 1.0), "not possible"),
        (wire.encode_rare(2, 1, 300.0, 50.0), "not possible"),
    ],
)
def test_what_came_before_damage_stays(tail: bytes, told: str) -> None:
    ours = wire.decode_buffer(wire.encode_real_time(1, 5.0, 0.1, 9.0, 9.0) + tail)
    assert ours.real_time is not None
    assert ours.real_time.cps == 5.0
    assert told in ours.notes[0]


def test_a_string_keeps_its_length() -> None:
    assert wire.string_in(struct.pack("<II", 1, 3) + b"abc") == b"abc"
    assert wire.string_in(struct.pack("<II", 1, 3) + b"abc\0") == b"abc"
    for wrong in (b"abc", struct.pack("<II", 0, 0), struct.pack("<II", 1, 3) + b"ab"):
        with pytest.raises(InputError):
            wire.string_in(wrong)

"""The recording: nothing lost by a kill, going on in the same file, exports that add up."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from blackett.errors import FileFormatError, InputError
from blackett.gamma import formats
from blackett.gamma.live.clock import ManualClock
from blackett.gamma.live.continuity import Continuity
from blackett.gamma.live.device import Device
from blackett.gamma.live.emulator import EmulatedRadiaCode
from blackett.gamma.live.exports import exported, recorded_rows, recorded_spectra
from blackett.gamma.live.faults import FAULTS, ListedFaults, RandomFaults
from blackett.gamma.live.link import emulated
from blackett.gamma.live.messages import DeviceInfo, Reading
from blackett.gamma.live.recording import Recording, readings, sparse_readings
from live_devices import play


def record(made: EmulatedRadiaCode, clock: ManualClock, path: Path, until_s: float = 60.0) -> float:
    """Record the device for some virtual seconds; returns how many, for it polls until it stops."""
    recording, enough, begin_s = Recording(path), threading.Event(), clock.now()
    newest_s = begin_s

    def take(reading: Reading) -> None:
        nonlocal newest_s
        newest_s = reading.received_s
        if newest_s - begin_s >= until_s:
            enough.set()

    device = Device(
        emulated(made.connect), clock, np.random.default_rng(3),
        take,
        lambda name, data: recording.add_raw(clock.now(), name, data),
        lambda info, form: recording.add_link(clock.now(), info, form),
    )  # fmt: skip
    device.start()
    assert enough.wait(60.0), device.health()
    device.stop()
    recording.close()
    return newest_s - begin_s


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def made(clock: ManualClock) -> EmulatedRadiaCode:
    return EmulatedRadiaCode(play(), clock, np.random.default_rng(5), already_s=500)


def test_the_sum_over_the_log_is_the_sum_sent(
    made: EmulatedRadiaCode, clock: ManualClock, tmp_path: Path
) -> None:
    lasted_s = record(made, clock, tmp_path / "log.sqlite")
    (spectrum,) = recorded_spectra(tmp_path / "log.sqlite")
    assert spectrum.total_counts == made.sent > 0
    assert spectrum.real_time_s == pytest.approx(lasted_s, abs=2.5)
    assert spectrum.device == "RadiaCode-103"
    assert spectrum.overflow_channel == 1023
    first, second, *_ = readings(tmp_path / "log.sqlite")
    assert first.reading.counts.sum() > 0  # what the device had counted before: not ours
    assert second.reading.cps is not None


def test_faults_leave_a_log_that_adds_up(clock: ManualClock, tmp_path: Path) -> None:
    faults = RandomFaults(np.random.default_rng(8), 0.2)
    made = EmulatedRadiaCode(play(), clock, np.random.default_rng(5), faults=faults)
    record(made, clock, tmp_path / "log.sqlite", 2000.0)
    assert len(faults.injected) > 100
    continuity, slowly = Continuity(), 0
    for recorded in readings(tmp_path / "log.sqlite"):
        one = continuity.step(recorded.reading)
        slowly += int(one.counts.sum()) if one is not None else 0
    assert slowly == made.sent
    for most in (1, 7, 10_000):
        sparse = list(sparse_readings(tmp_path / "log.sqlite", most))
        ids = [r.reading.received_s for r in sparse]
        assert ids == sorted(set(ids))
    total = sum(s.total_counts for s in recorded_spectra(tmp_path / "log.sqlite"))
    assert total == made.sent


@pytest.mark.long
def test_a_thousand_faults_leave_a_log_that_adds_up(clock: ManualClock, tmp_path: Path) -> None:
    faults = RandomFaults(np.random.default_rng(9), 0.2)
    made = EmulatedRadiaCode(play(), clock, np.random.default_rng(5), faults=faults)
    record(made, clock, tmp_path / "log.sqlite", 20_000.0)
    assert len(faults.injected) >= 1000
    assert set(faults.injected) == set(FAULTS)
    assert sum(s.total_counts for s in recorded_spectra(tmp_path / "log.sqlite")) == made.sent
    for one in (recorded.reading for recorded in readings(tmp_path / "log.sqlite")):
        assert one.counts.min() >= 0
        assert np.isfinite(one.coefficients_kev).all()
        assert one.rates_at_s is None or one.rates_at_s <= one.received_s
        for value in (one.cps, one.dose_usv_h):
            assert value is None or 0.0 <= value < 1000.0  # never what an impossible record says


def test_a_second_run_goes_on_in_the_same_file(
    made: EmulatedRadiaCode, clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "log.sqlite"
    begin_s = clock.now()
    record(made, clock, path, 30.0)
    recording = Recording(path)
    last = recording.last()
    recording.close()
    clock.advance(500.0)
    again_s = clock.now()
    lasted_s = record(made, clock, path, 30.0)
    assert last is not None
    (spectrum,) = recorded_spectra(path)
    assert spectrum.total_counts == made.sent
    assert again_s - begin_s > 530.0
    assert spectrum.real_time_s == pytest.approx(again_s + lasted_s - begin_s, abs=2.5)


@pytest.mark.parametrize("form", ["n42", "xml", "csv", "rcspg"])
def test_exports_are_read_back_with_every_count(
    form: str, made: EmulatedRadiaCode, clock: ManualClock, tmp_path: Path
) -> None:
    lasted_s = record(made, clock, tmp_path / "log.sqlite")
    file = tmp_path / f"export.{form}"
    file.write_bytes(exported(tmp_path / "log.sqlite", form))
    (spectrum,) = formats.read(file)
    assert spectrum.total_counts == made.sent
    assert spectrum.real_time_s == pytest.approx(lasted_s, abs=2.5)
    assert spectrum.calibration is not None
    assert spectrum.centres_kev[100] == pytest.approx(240.0, rel=1e-5)
    if form == "rcspg":
        rows = formats.read_spectrogram(file)
        _, counts, seconds = recorded_rows(tmp_path / "log.sqlite")
        assert np.array_equal(rows.counts, counts)
        assert rows.seconds == pytest.approx(seconds, abs=1e-3)


def test_a_new_axis_begins_a_new_spectrum(clock: ManualClock, tmp_path: Path) -> None:
    made = EmulatedRadiaCode(
        play(), clock, np.random.default_rng(5), faults=ListedFaults(["recalibration"], after=40)
    )
    record(made, clock, tmp_path / "log.sqlite")
    spectra = recorded_spectra(tmp_path / "log.sqlite")
    assert len(spectra) == 2
    assert sum(s.total_counts for s in spectra) == made.sent
    assert spectra[0].calibration != spectra[1].calibration
    for form, n in (("xml", 2), ("n42", 1), ("csv", 1), ("rcspg", 1)):
        read = formats.read_bytes(exported(tmp_path / "log.sqlite", form), form)
        assert len(read) == n
        assert read[-1].total_counts == spectra[-1].total_counts


def test_other_files_are_refused(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.sqlite"
    text.write_text("this is no database, and long enough to be read as a header of one" * 20)
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE x (y)")
    db.close()
    for path in (text, other, tmp_path / "no" / "folder.sqlite"):
        with pytest.raises(FileFormatError):
            Recording(path)
    with pytest.raises(FileFormatError):
        list(readings(tmp_path / "none.sqlite"))


def test_an_empty_recording_cannot_be_exported(tmp_path: Path) -> None:
    Recording(tmp_path / "log.sqlite").close()
    with pytest.raises(InputError, match="empty"):
        exported(tmp_path / "log.sqlite", "n42")
    with pytest.raises(InputError, match="pdf"):
        exported(tmp_path / "log.sqlite", "pdf")


def test_a_damaged_string_in_the_log_is_left_out(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "log.sqlite")
    recording.add_link(0.0, DeviceInfo("RadiaCode-103", "RC-103-1", "4.1", "usb", 0), 1)
    recording.add_raw(1.0, "spectrum", b"\x00\x01")
    assert recording.last() is None
    assert list(readings(recording.path)) == []
    recording.close()


RECORDER = """
import sys
import numpy as np
from pathlib import Path
sys.path.insert(0, {tests!r})
from blackett.gamma.live.clock import VirtualClock
from blackett.gamma.live.device import Device
from blackett.gamma.live.emulator import EmulatedRadiaCode
from blackett.gamma.live.link import emulated
from blackett.gamma.live.recording import Recording
from live_devices import play
clock = VirtualClock(50.0)
made = EmulatedRadiaCode(play(), clock, np.random.default_rng(5))
recording = Recording(Path({path!r}))
device = Device(
    emulated(made.connect), clock, np.random.default_rng(3),
    lambda reading: print(int(reading.counts.sum()), flush=True),
    lambda name, data: recording.add_raw(clock.now(), name, data),
    lambda info, form: recording.add_link(clock.now(), info, form),
)
device.start()
device._thread.join()
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX systems")
@pytest.mark.parametrize("after_lines", [3, 57])
def test_a_kill_loses_nothing_that_was_shown(after_lines: int, tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    code = RECORDER.format(path=str(path), tests=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        shown = [int(ran.stdout.readline()) for _ in range(after_lines)]
        time.sleep(0.013)
        ran.send_signal(signal.SIGKILL)
        shown += [int(line) for line in ran.stdout.read().split()]
    recorded = [int(r.reading.counts.sum()) for r in readings(path)]
    # each reading was committed before it was shown; one more may have been under way
    assert recorded[: len(shown)] == shown
    assert len(recorded) <= len(shown) + 1
    recording = Recording(path)
    last = recording.last()
    recording.close()
    assert last is not None
    assert int(last.reading.counts.sum()) == recorded[-1]

"""The device thread on an emulated RadiaCode: the library as it is, every fault, no lost count."""

from __future__ import annotations

import struct
import threading
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import radiacode
import radiacode.radiacode
from radiacode.bytes_buffer import BytesBuffer

from blackett.errors import InputError
from blackett.gamma.live.clock import ManualClock
from blackett.gamma.live.continuity import Continuity
from blackett.gamma.live.device import Device
from blackett.gamma.live.emulator import EmulatedRadiaCode
from blackett.gamma.live.faults import FAULTS, Fault, Faults, ListedFaults, RandomFaults
from blackett.gamma.live.link import (
    LinkError,
    Tap,
    _link_error,
    emulated,
    library_errors,
    open_link,
)
from live_devices import play

if TYPE_CHECKING:
    from blackett.gamma.live.messages import Reading

CHANGING = {"set_exchange", "set_time", "write_register"}


def device(
    clock: ManualClock, faults: Faults | None = None, **options: object
) -> EmulatedRadiaCode:
    played = play(options.pop("channels", 1024))  # type: ignore[arg-type]
    rng = np.random.default_rng(5)
    return EmulatedRadiaCode(played, clock, rng, faults=faults, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize("channels", [256, 1024])
def test_the_unmodified_library_runs_on_it(
    form: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    made = device(clock, form=form, channels=channels, already_s=100, serial="RC-102-000007")
    monkeypatch.setattr(radiacode.radiacode, "Usb", lambda **_: made.connect())
    with radiacode.RadiaCode() as radio:
        assert radio.serial_number() == "RC-102-000007"
        assert radio.fw_version()[1][:2] == (4, 14)
        first = radio.spectrum()
        clock.advance(60.0)
        second = radio.spectrum()
        assert len(second.counts) == channels
        assert (second.duration - first.duration).total_seconds() == 60
        gained = sum(second.counts) - sum(first.counts)
        assert gained == made.sent
        assert abs(gained - 600) < 5 * 600**0.5
        records = radio.data_buf()
        rates = [r for r in records if isinstance(r, radiacode.RealTimeData)]
        assert rates[-1].count_rate == pytest.approx(10.0, rel=0.3)
        assert 0.02 < rates[-1].dose_rate * 1e4 < 2.0
        assert [a0 == pytest.approx(b0, rel=1e-6) for a0, b0 in
                zip(radio.energy_calib(), made.coefficients_kev, strict=True)]  # fmt: skip
        radio.spectrum_reset()
        assert sum(radio.spectrum().counts) == 0


class Watched:
    """A device with everything that its readings show."""

    def __init__(
        self, made: EmulatedRadiaCode, clock: ManualClock, enough: threading.Event
    ) -> None:
        self.readings: list[Reading] = []
        self.total, self.kinds = 0, Counter[str]()
        self.continuity = Continuity()
        self.made, self.enough = made, enough
        self.until = lambda: len(self.readings) >= 50
        self.device = Device(emulated(made.connect), clock, np.random.default_rng(3), self.take)

    def take(self, reading: Reading) -> None:
        self.readings.append(reading)
        one = self.continuity.step(reading)
        if one is not None:
            self.total += int(one.counts.sum())
            self.kinds[one.kind] += 1
        if self.until():
            self.enough.set()

    def run(self) -> None:
        self.device.start()
        assert self.enough.wait(120.0), self.device.health()
        self.device.stop()


def watched(faults: Faults | None = None, **options: object) -> Watched:
    clock = ManualClock()
    return Watched(device(clock, faults, **options), clock, threading.Event())


def test_a_quiet_hour_loses_nothing_and_changes_nothing() -> None:
    seen = watched(already_s=1000)
    seen.run()
    health = seen.device.health()
    assert health.state == "connected"
    assert health.connections == 1
    assert health.device.model == "RadiaCode-103"
    assert health.device.channels == 1024
    assert health.temperature_c.value == 24.5
    assert health.last_error == ""
    assert seen.total == seen.made.sent > 0
    assert set(seen.kinds) == {"regular"}
    writing = {r for r in seen.made.requests if not r.startswith(("read_string", "get_"))}
    assert writing == CHANGING
    assert seen.readings[-1].dose_usv_h is not None
    assert 0.02 < seen.readings[-1].dose_usv_h < 2.0


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_is_survived(fault: Fault) -> None:
    seen = watched(ListedFaults([fault] * 3, after=20, every=10))
    seen.run()
    assert seen.total == seen.made.sent
    assert not seen.made._faults.waiting  # type: ignore[union-attr]
    if fault == "reset":
        assert seen.kinds["reset"] == 3
    if fault == "recalibration":
        assert seen.kinds["recalibrated"] == 3
    for before, after in pairwise(seen.readings):
        assert after.received_s > before.received_s
        assert after.rates_at_s is None or after.rates_at_s <= after.received_s


def storm(n: int, probability: float) -> set[Fault]:
    faults = RandomFaults(np.random.default_rng(n), probability)
    seen = watched(faults)
    seen.until = lambda: len(faults.injected) >= n and seen.readings[-1].received_s > 0
    seen.run()
    assert len(faults.injected) >= n
    assert seen.total == seen.made.sent
    assert seen.device.health().last_error != ""
    return set(faults.injected)


def test_two_hundred_faults_lose_no_count() -> None:
    assert storm(300, 0.15) == set(FAULTS)


@pytest.mark.long
def test_a_thousand_faults_lose_no_count() -> None:
    kinds = set.union(*(storm(1000, probability) for probability in (0.05, 0.15, 0.3)))
    assert kinds == set(FAULTS)


def test_a_device_that_comes_late_is_waited_for() -> None:
    clock = ManualClock()
    made = device(clock)
    made._gone_until_s = clock.now() + 100.0
    seen = Watched(made, clock, threading.Event())
    assert seen.device.health().state == "absent"
    seen.run()
    health = seen.device.health()
    assert health.state == "connected"
    assert "no RadiaCode was found" in health.last_error


def test_old_values_are_called_stale() -> None:
    seen = watched()
    seen.run()
    clock = seen.device._clock
    assert isinstance(clock, ManualClock)
    clock.advance(10.0)
    health = seen.device.health()
    assert health.state == "stale"
    assert health.spectrum_age_s == pytest.approx(11.0, abs=1.1)
    assert health.rates_age_s == pytest.approx(11.0, abs=1.1)


@pytest.mark.parametrize("firmware", [(3, 9), (4, 7)])
def test_old_firmware_is_told(firmware: tuple[int, int]) -> None:
    made = device(ManualClock(), firmware=firmware)
    with pytest.raises(LinkError, match="firmware"):
        open_link(emulated(made.connect), lambda _name, _data: None)


def test_errors_say_what_to_do() -> None:
    from usb.core import NoBackendError, USBError

    assert "libusb" in str(_link_error(NoBackendError("No backend available")))
    assert "udev" in str(_link_error(USBError("Access denied", -3, 13)))
    assert _link_error(NoBackendError("x")).absent
    with pytest.raises(LinkError, match="AssertionError"), library_errors():
        raise AssertionError
    with pytest.raises(KeyboardInterrupt), library_errors():
        raise KeyboardInterrupt


class Echo:
    """A transport that gives one reply."""

    def __init__(self, reply: bytes) -> None:
        self.reply = reply

    def execute(self, request: bytes) -> BytesBuffer:
        assert request
        return BytesBuffer(self.reply)

    def close(self) -> None:
        pass


def test_headers_and_lengths_are_checked_before_the_library_asserts() -> None:
    request = struct.pack("<IHBBI", 8, 0x0826, 0, 0x85, 0x200)
    kept: list[tuple[str, bytes]] = []
    whole = request[4:8] + struct.pack("<II", 1, 3) + b"abc"
    sink = lambda name, data: kept.append((name, data))  # noqa: E731
    assert Tap(Echo(whole), sink).execute(request).data() == whole
    assert kept == [("spectrum", b"abc")]
    for wrong in (b"\xff" + whole[1:], whole[:-1], b""):
        with pytest.raises(InputError):
            Tap(Echo(wrong), sink).execute(request)
    assert len(kept) == 1


def test_faults_are_checked() -> None:
    with pytest.raises(InputError):
        ListedFaults(["gremlins"])  # type: ignore[list-item]
    with pytest.raises(InputError):
        RandomFaults(np.random.default_rng(1), 2.0)
    with pytest.raises(InputError):
        device(ManualClock(), form=2)

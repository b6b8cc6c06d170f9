"""Links through the library's own transports: Bluetooth on a pretended adapter, USB on none."""

from __future__ import annotations

import struct
import threading
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from bleak.exc import BleakError

from blackett.gamma.live import link
from blackett.gamma.live.clock import ManualClock
from blackett.gamma.live.continuity import Continuity
from blackett.gamma.live.device import Device
from blackett.gamma.live.emulator import EmulatedLink, EmulatedRadiaCode
from live_devices import play

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.gamma.live.messages import Reading


class Adapter:
    """What `bleak.BleakClient` is to the library, with an emulated device at the other end.

    Notifications come in pieces of odd lengths. `steal` is the phone that takes the link.
    """

    def __init__(self, made: EmulatedRadiaCode) -> None:
        self.made, self.busy, self.clients = made, 0, list[Client]()

    def __call__(self, address: str, disconnected_callback: Callable[..., None]) -> Client:
        assert address == "AA:BB:CC:DD:EE:FF"
        self.clients.append(Client(self, disconnected_callback))
        return self.clients[-1]

    def steal(self, attempts: int) -> None:
        self.busy = attempts
        self.clients[-1].lost()


class Client:
    def __init__(self, adapter: Adapter, lost: Callable[..., None]) -> None:
        self.adapter, self._lost, self._asked = adapter, lost, b""
        self._link: EmulatedLink | None = None
        self._told: Callable[..., None] = print
        self._sizes = cycle((4, 1, 20, 7, 182))

    def lost(self) -> None:
        self._lost(self)

    async def connect(self) -> None:
        if self.adapter.busy:
            self.adapter.busy -= 1
            raise BleakError("device is in use")
        self._link = self.adapter.made.connect()

    async def start_notify(self, _uuid: str, handler: Callable[..., None]) -> None:
        self._told = handler

    async def write_gatt_char(self, _uuid: str, chunk: bytes, response: bool) -> None:
        assert len(chunk) <= 18
        assert not response
        self._asked += chunk
        if len(self._asked) < 4 + struct.unpack_from("<I", self._asked)[0]:
            return
        asked, self._asked = self._asked, b""
        assert self._link is not None
        reply = self._link.execute(asked).data()
        data = struct.pack("<I", len(reply)) + reply
        while data:
            size = next(self._sizes)
            self._told(None, bytearray(data[:size]))
            data = data[size:]

    async def disconnect(self) -> None:
        if self._link is not None:
            self._link.close()


def test_bluetooth_in_odd_pieces_and_a_phone_that_takes_the_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ManualClock()
    made = EmulatedRadiaCode(play(), clock, np.random.default_rng(5))
    adapter = Adapter(made)
    monkeypatch.setattr("radiacode.transports.bluetooth.BleakClient", adapter)
    continuity, enough = Continuity(), threading.Event()
    readings: list[Reading] = []
    states: list[str] = []
    total = 0

    def take(reading: Reading) -> None:
        nonlocal total
        readings.append(reading)
        one = continuity.step(reading)
        total += int(one.counts.sum()) if one is not None else 0
        if len(readings) == 10:
            adapter.steal(attempts=3)
        if len(readings) == 20:
            enough.set()

    device = Device(link.bluetooth("AA:BB:CC:DD:EE:FF"), clock, np.random.default_rng(3), take)
    note = device._note_failure

    def noted(error: link.LinkError) -> None:
        note(error)
        states.append(device.health().state)

    monkeypatch.setattr(device, "_note_failure", noted)
    device.start()
    assert enough.wait(60.0), device.health()
    device.stop()
    assert states == ["retrying", "absent", "absent", "absent"]
    assert total == made.sent > 0
    health = device.health()
    assert (health.state, health.connections) == ("connected", 2)
    assert health.device.transport == "bluetooth"
    assert "device is in use" in health.last_error
    gaps = np.diff([r.received_s for r in readings[:10]])
    assert gaps == pytest.approx(2.0)  # Bluetooth bears one command a second


def test_usb_without_a_device_or_without_libusb_says_so() -> None:
    device = Device(link.usb("RC-103-1"), ManualClock(), np.random.default_rng(1), lambda _: None)
    try:
        link.open_link(device._connector, lambda _name, _data: None)
    except link.LinkError as error:
        assert error.absent
        assert "libusb" in str(error) or "no RadiaCode was found" in str(error)
    else:
        pytest.skip("a RadiaCode is plugged in")

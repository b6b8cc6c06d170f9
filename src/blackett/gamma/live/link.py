"""Links to a RadiaCode through the `radiacode` library, with every failure told as one error.

The library is used as it is; what is added stands at its transport seam. A `Tap` sees each request
and reply: it checks the header (the library's own checks are asserts, gone under `python -O`),
keeps the raw strings for the recording before anything is decoded, and is the one place where
replies are counted. All failures of library, USB and Bluetooth leave `library_errors` as LinkError.

Opening a link always sets the device's clock to the host's local time and its time base to zero:
the library does so and cannot be asked not to. Nothing else is ever written to the device.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from blackett.errors import BlackettError, InputError
from blackett.gamma.live import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Connector",
    "Found",
    "LinkError",
    "Tap",
    "bluetooth",
    "emulated",
    "found_bluetooth",
    "found_usb",
    "library_errors",
    "open_link",
    "usb",
]

USB_VENDOR, USB_PRODUCT = 0x0483, 0xF123
UDEV_RULE = 'SUBSYSTEM=="usb", ATTRS{idVendor}=="0483", ATTRS{idProduct}=="f123", TAG+="uaccess"'
NO_LIBUSB = (
    "libusb is not installed: install libusb-1.0-0 (Debian, Ubuntu), libusb (Homebrew), or libusb "
    "by Zadig (Windows)"
)
NO_BLUETOOTH = "Bluetooth cannot be used: is there an adapter, switched on, and BlueZ on Linux?"
NO_PERMISSION = (
    "no permission to open the USB device: put the line\n"
    f"  {UDEV_RULE}\ninto /etc/udev/rules.d/99-radiacode.rules, run 'udevadm control --reload' as "
    "root, and plug the device in again"
)
SCAN_S = 8.0
RawSink = Callable[[Literal["data_buf", "spectrum"], bytes], None]


class LinkError(BlackettError):
    """The device cannot be reached or does not answer as it should; `absent` if none is found."""

    def __init__(self, message: str, absent: bool = False) -> None:
        self.absent = absent
        super().__init__(message)


class Transport(Protocol):
    """What the library's USB and Bluetooth links, and the emulated one, have in common."""

    def execute(self, request: bytes) -> Any:
        """Header and payload of the reply, as the library's BytesBuffer."""

    def close(self) -> None:
        """Free the device."""


@dataclass(frozen=True)
class Connector:
    """How to make a link: called anew for each, in the owner thread."""

    kind: Literal["usb", "bluetooth", "emulated"]
    make: Callable[[], Transport]
    period_s: float = 1.0
    """Seconds between polls that this link bears: two commands are sent in each."""


def usb(serial: str | None = None) -> Connector:
    """The USB device of this serial number, or the first one."""

    def make() -> Transport:
        from radiacode.transports.usb import Usb

        link: Transport = Usb(serial_number=serial)
        return link

    return Connector("usb", make)


def bluetooth(address: str) -> Connector:
    """The Bluetooth device of this MAC address (on macOS: CoreBluetooth UUID)."""

    def make() -> Transport:
        from radiacode.transports.bluetooth import Bluetooth

        link: Transport = Bluetooth(address)
        return link

    return Connector("bluetooth", make, period_s=2.0)


def emulated(connect: Callable[[], Transport]) -> Connector:
    """An emulated device's `connect`."""
    return Connector("emulated", connect)


class Tap:
    """A transport in front of another: checks headers and hands on raw strings before decoding."""

    def __init__(self, transport: Transport, sink: RawSink) -> None:
        self._transport, self._sink = transport, sink

    def execute(self, request: bytes) -> Any:
        """The reply, its header checked; raises InputError for one that answers something else."""
        reply = self._transport.execute(request)
        data = bytes(reply.data())
        if data[:4] != request[4:8]:
            raise InputError(
                f"the reply {data[:4].hex()} does not answer the request {request[4:8].hex()}"
            )
        name = _string_asked(request)
        if name is not None:
            self._sink(name, wire.string_in(data[4:]))
        return reply

    def close(self) -> None:
        """Free the device."""
        self._transport.close()


def _string_asked(request: bytes) -> Literal["data_buf", "spectrum"] | None:
    """Which of the recorded strings a request asks for."""
    if len(request) < 12 or struct.unpack_from("<H", request, 4)[0] != wire.COMMANDS["read_string"]:
        return None
    string = struct.unpack_from("<I", request, 8)[0]
    if string == wire.STRINGS["data_buf"]:
        return "data_buf"
    return "spectrum" if string == wire.STRINGS["spectrum"] else None


_SEAM = threading.Lock()


def open_link(connector: Connector, sink: RawSink) -> Any:
    """A connected `radiacode.RadiaCode`; raises LinkError.

    The library makes its transport itself, by a name in its module: for the time of the call that
    name stands for ours.
    """
    with library_errors():
        import radiacode.radiacode as library

        tap = Tap(connector.make(), sink)
        with _SEAM:
            original = library.Usb
            library.Usb = lambda serial_number=None: tap  # noqa: ARG005 (the library's argument)
            try:
                return library.RadiaCode()
            finally:
                library.Usb = original


@contextmanager
def library_errors() -> Iterator[None]:
    """Whatever the library, USB or Bluetooth raise leaves as LinkError.

    They raise asserts, ValueError, struct.error, TimeoutError, OSError (USBError), BleakError, two
    pairs of own classes, and plain Exception: no narrower net holds them all.
    """
    try:
        yield
    except LinkError:
        raise
    except Exception as error:
        raise _link_error(error) from error


def _link_error(error: Exception) -> LinkError:
    name = type(error).__name__
    if name == "NoBackendError":
        return LinkError(NO_LIBUSB, absent=True)
    if getattr(error, "errno", None) == 13:
        return LinkError(NO_PERMISSION)
    if name == "DeviceNotFound":
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        return LinkError(f"no RadiaCode was found{cause}: is it switched on, and free?", True)
    if name.startswith("Bleak") or name in ("FileNotFoundError", "DBusError"):
        return LinkError(f"{NO_BLUETOOTH} ({name}: {error})", absent=True)
    if name == "ConnectionClosed":
        return LinkError("the link was closed")
    text = str(error)
    return LinkError(text if isinstance(error, InputError) and text else f"{name}: {text}")


# ---------------------------------------------------------------------------------------- finding


@dataclass(frozen=True)
class Found:
    """A device that could be opened."""

    transport: Literal["usb", "bluetooth"]
    address: str
    """Serial number (USB; empty when it may not be read) or address (Bluetooth)."""
    name: str
    note: str = ""


def found_usb() -> list[Found]:
    """The devices on USB; raises LinkError when libusb is missing."""
    with library_errors():
        import usb.core

        return list(map(_named, usb.core.find(True, idVendor=USB_VENDOR, idProduct=USB_PRODUCT)))


def _named(device: Any) -> Found:
    """A USB device by its texts, which cannot be read without permission to open it."""
    try:
        with library_errors():
            return Found("usb", str(device.serial_number), str(device.product))
    except LinkError:
        return Found("usb", "", "RadiaCode", NO_PERMISSION)


def found_bluetooth() -> list[Found]:
    """The Bluetooth devices in reach, after a scan of eight seconds; LinkError without adapter."""
    with library_errors():
        import asyncio

        from bleak import BleakScanner

        seen = asyncio.run(BleakScanner.discover(timeout=SCAN_S, return_adv=True))
    named = ((d.address, a.local_name or d.name or "", a.rssi) for d, a in seen.values())
    return [
        Found("bluetooth", address, name, f"signal {rssi} dBm")
        for address, name, rssi in named
        if name.startswith("RadiaCode")
    ]

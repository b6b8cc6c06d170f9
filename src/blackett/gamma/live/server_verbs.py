"""What `blackett gamma live` and `blackett gamma serve` do (see `blackett.cli`)."""

from __future__ import annotations

import os
from collections.abc import Iterator  # noqa: TC003 (tyro reads the signatures)
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional  # noqa: TC002

from blackett.errors import InputError

if TYPE_CHECKING:
    import socket

    from blackett.gamma.live.security import Guard
    from blackett.gamma.live.session import LiveSession
    from blackett.gamma.live.state import State
    from blackett.gamma.spectrum import Spectrum

__all__ = ["live", "serve"]

PORT = 8137


def serve(
    files: Positional[tuple[Path, ...]] = (),
    /,
    address: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    name: tuple[str, ...] = (),
    open_page: bool = False,
) -> Iterator[Any]:
    """Show the web page for spectrum files, without a device.

    Args:
        files: Spectra that are there from the start.
        address: Where to listen. Anything but this machine's own address has a token.
        port: First port to try; 0 takes any free one.
        token: At least 16 characters (or in BLACKETT_TOKEN); drawn at random where one is needed.
        name: Host names by which the page is called from elsewhere; may be repeated.
        open_page: Open the page in the browser.
    """
    yield from _serving(None, files, address, port, token, name, open_page)


def live(
    simulate: str | None = None,
    replay: Path | None = None,
    usb: str | None = None,
    bluetooth: str | None = None,
    record: Path | None = None,
    background: Path | None = None,
    detector: str | None = None,
    speed: float = 1.0,
    seed: int = 1,
    jsonl: bool = False,
    spectra: bool = False,
    stop_after_s: float | None = None,
    mqtt: str | None = None,
    address: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    name: tuple[str, ...] = (),
    open_page: bool = False,
) -> Iterator[Any]:
    """Identify what a RadiaCode counts, second by second, and show it in a web page.

    Without --simulate, --replay, --usb or --bluetooth the first device on USB is taken, and waited
    for where there is none. The device is only read: nothing on it is reset or changed but its
    clock.

    Args:
        simulate: An emulated device in a scene, such as "Cs-137 appears after 30 s at 20 cm".
        replay: An emulated device that plays a spectrum, spectrogram or recording.
        usb: Serial number of a device on USB.
        bluetooth: Address of a device on Bluetooth.
        record: File to record into, begun or gone on with.
        background: A spectrum of the background.
        detector: The instrument, where its serial number does not tell.
        speed: Of an emulated device's time.
        seed: Reproduces an emulated device.
        jsonl: One JSON object for each update on stdout, and no page.
        spectra: With --jsonl, the arrays of counts, too.
        stop_after_s: With --jsonl, end after this many seconds.
        mqtt: Publish to this MQTT broker (HOST or HOST:PORT) instead of showing the page.
        address: Where the page listens. Anything but this machine's own address has a token.
        port: First port to try; 0 takes any free one.
        token: At least 16 characters (or in BLACKETT_TOKEN); drawn at random where one is needed.
        name: Host names by which the page is called from elsewhere; may be repeated.
        open_page: Open the page in the browser.
    """
    from blackett.gamma.live.memory import keep_small
    from blackett.gamma.live.session import live_session

    keep_small()
    if jsonl and mqtt is not None:
        raise InputError("--jsonl and --mqtt contradict each other: give one of them")
    session = live_session(
        simulate=simulate, replay=replay, usb=usb, bluetooth=bluetooth, record=record,
        background=_background(background), detector=detector, speed=speed, seed=seed,
    )  # fmt: skip
    session.start()
    try:
        if jsonl:
            from blackett.gamma.live.verbs import stream_lines

            yield from stream_lines(session, spectra, stop_after_s)
        elif mqtt is not None:
            yield from _published(session, mqtt)
        else:
            yield from _serving(session, (), address, port, token, name, open_page)
    finally:
        session.stop()


def _background(file: Path | None) -> Spectrum | None:
    if file is None:
        return None
    from blackett.gamma.formats import read

    spectra = read(file)
    if len(spectra) != 1:
        raise InputError(f"{file} holds {len(spectra)} spectra: a background must be one")
    return spectra[0]


def _published(session: LiveSession, broker: str) -> Iterator[str]:
    from blackett.gamma.live.mqtt import Broker, publish

    host, _, port = broker.rpartition(":") if ":" in broker else (broker, "", "1883")
    if not port.isdecimal():
        raise InputError(f"--mqtt {broker!r} is not HOST or HOST:PORT")
    yield f"publishing to {host}:{port}; end with Ctrl-C"
    for _ in publish(session, Broker(host, int(port))):
        pass


def _serving(
    session: LiveSession | None, files: tuple[Path, ...], address: str, port: int,
    token: str | None, names: tuple[str, ...], open_page: bool,
) -> Iterator[str]:  # fmt: skip
    from blackett.gamma.live import server
    from blackett.gamma.live.security import guard_for
    from blackett.gamma.live.state import State
    from blackett.gamma.live.uploads import Worker

    state = State(session, Worker())
    _put_on_shelf(state, files)
    listening = server.free_port(address, port)
    chosen = token if token is not None else os.environ.get("BLACKETT_TOKEN")
    guard = guard_for(address, listening.getsockname()[1], chosen, names)
    url = _url(address, listening, guard)
    yield f"blackett is at {url} (end with Ctrl-C)"
    if open_page:
        import webbrowser

        webbrowser.open(url)
    try:
        server.serve(guard, state, listening)
    finally:
        state.worker.close()


def _put_on_shelf(state: State, files: tuple[Path, ...]) -> None:
    """Files named on the command line, by the same limited way as uploads."""
    from blackett.gamma.live.uploads import MOST_BYTES

    for path in files:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is no file of at most {MOST_BYTES} bytes")
        state.add_file(path.name, path.read_bytes())


def _url(address: str, listening: socket.socket, guard: Guard) -> str:
    """The address to open; with the token, which is shown here and nowhere else."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, address)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    query = "" if guard.token is None else f"?token={guard.token}"
    return f"http://{host}:{listening.getsockname()[1]}/{query}"

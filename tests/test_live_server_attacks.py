"""The service on a real socket under attack: each attack is refused while a page keeps its beat."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from blackett.gamma.live import bodies, connections
from blackett.gamma.live.events import MOST_STREAMS
from blackett.gamma.live.security import guard_for
from blackett.gamma.live.server import free_port, service
from blackett.gamma.live.state import State
from blackett.gamma.live.uploads import Worker
from simulated_session import SimulatedSession

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("server")
BEAT_S = 0.2


class Running:
    """The service in a thread, with a measurement that beats five times a second."""

    def __init__(self) -> None:
        self.session = SimulatedSession({}, quiet=10**6, period_s=BEAT_S, answer_every=10**6)
        self.session.beat()
        self.session.start()
        listening = free_port("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        guard = guard_for("127.0.0.1", self.port)
        self._worker = Worker()
        self._server = service(guard, State(self.session, self._worker))
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[listening])), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self.session.stop()
        self._server.should_exit = True
        self._thread.join(20.0)
        assert not self._thread.is_alive()
        self._worker.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20.0)

    def head(self, verb: str, path: str, *lines: str) -> bytes:
        words = [f"{verb} {path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", *lines]
        return "\r\n".join([*words, "", ""]).encode()

    def ask(self, verb: str, path: str, *lines: str, body: bytes = b"") -> int:
        with self.connect() as one:
            one.sendall(self.head(verb, path, *lines) + body)
            return status(one)

    def stream(self) -> Events:
        one = self.connect()
        one.sendall(self.head("GET", "/api/live/events"))
        return Events(one)


class Events:
    """An open page: `next` waits for the sequence number of the next update."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self.status = int(self._lines.readline().split()[1])

    def next(self) -> int:
        for line in self._lines:
            if line.startswith(b"id: "):
                return int(line[4:])
        pytest.fail("the stream ended")

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


def status(connection: socket.socket) -> int:
    """Status of the answer on a connection; 0 when it was cut off."""
    with contextlib.suppress(ConnectionError), connection.makefile("rb") as answer:
        line = answer.readline().split()
        return int(line[1]) if line else 0
    return 0


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.stop()


def test_slow_heads_are_refused_while_the_page_keeps_its_beat(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_LIMIT_S", 2.0)
    page = running.stream()
    first = page.next()
    slow = [running.connect() for _ in range(200)]
    for one in slow:
        with contextlib.suppress(ConnectionError):  # refused already
            one.sendall(b"GET / HTTP/1.1\r\nhost: ")
    assert [page.next() for _ in range(10)] == [first + i for i in range(1, 11)]
    told = [status(one) for one in slow]
    assert set(told) <= {408, 503, 0}
    assert told.count(408) >= connections.MOST_CONNECTIONS - 10
    assert told.count(503) >= 60
    for one in slow:
        one.close()
    assert page.next() > first
    assert running.ask("GET", "/api/health") == 200
    page.close()


def test_pages_too_many_are_told_to_come_back(running: Running) -> None:
    pages = [running.stream() for _ in range(MOST_STREAMS)]
    assert {page.status for page in pages} == {200}
    refused = running.stream()
    assert refused.status == 503
    refused.close()
    first = pages[0].next()  # the other pages read nothing and hold nobody up
    assert [pages[0].next() for _ in range(5)] == [first + i for i in range(1, 6)]
    for page in pages:
        page.close()


def test_a_page_that_does_not_read_is_cut_off(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_LIMIT_S", 0.5)
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    lazy.connect(("127.0.0.1", running.port))
    for _ in range(400):  # answers of about 50 kB each that nobody takes
        lazy.sendall(running.head("GET", "/static/vendor/uPlot.iife.min.js"))
    lazy.settimeout(20.0)
    page = running.stream()
    for _ in range(10):
        page.next()
    received = 0
    with contextlib.suppress(ConnectionError):
        while chunk := lazy.recv(65536):
            received += len(chunk)
    assert received < 400 * 51_000
    lazy.close()
    page.close()


def test_an_upload_of_a_gigabyte_is_refused_at_once(running: Running) -> None:
    length = f"content-length: {10**9}"
    assert running.ask("POST", "/api/files", "x-blackett: 1", length) == 413


def test_an_endless_upload_is_refused_at_the_limit(running: Running) -> None:
    with running.connect() as one:
        one.sendall(running.head("POST", "/api/files", "x-blackett: 1",
                                 "transfer-encoding: chunked"))  # fmt: skip
        piece = b"%x\r\n" % 2**16 + b"x" * 2**16 + b"\r\n"
        sent = 0
        with contextlib.suppress(ConnectionError, TimeoutError):
            while sent < 4 * bodies.MOST_BYTES:
                one.sendall(piece)
                sent += len(piece)
        assert sent < 2 * bodies.MOST_BYTES
    assert running.ask("GET", "/api/health") == 200


def test_a_slow_body_is_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_LIMIT_S", 0.5)
    told = running.ask(
        "POST", "/api/files", "x-blackett: 1", "content-length: 1000", body=b"only this"
    )
    assert told == 408


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/%2e%2e/verbs.py",
     "/static/js/../../security.py", "//etc/passwd", "/static/..\\server.py"],
)  # fmt: skip
def test_paths_lead_nowhere(running: Running, path: str) -> None:
    assert running.ask("GET", path) == 404


def test_strangers_are_refused(running: Running) -> None:
    with running.connect() as one:
        one.sendall(b"GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n")
        assert status(one) == 421
    assert running.ask("POST", "/api/background", "origin: http://evil.example",
                       "content-length: 0") == 403  # fmt: skip
    assert running.ask("GET", "/api/live", "upgrade: websocket", "connection: upgrade") == 200


def test_garbage_is_refused(running: Running) -> None:
    with running.connect() as one:
        one.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no http\r\n\r\n")
        assert status(one) == 400
    with running.connect() as one:
        with contextlib.suppress(ConnectionError):
            one.sendall(running.head("GET", "/", f"x: {'y' * 200_000}"))
        assert status(one) in (400, 0)
    assert running.ask("GET", "/api/health") == 200

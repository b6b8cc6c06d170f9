"""What attacks on the live page are answered with, and whether its beat goes on meanwhile.

    python tools/measure_attacks.py

Starts `blackett gamma live` on an emulated device in real time, with a token, and reads its events
as an open page does. Each attack comes from as many connections as it needs; printed are the
statuses (0: the connection was closed), how many beats came meanwhile, and the longest time between
two of them. A beat is a reading of the device, one a second.
"""

from __future__ import annotations

import io
import json
import socket
import threading
import time
import urllib.request
import zipfile
from collections import Counter
from contextlib import ExitStack, suppress
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from measure_dashboard import SCENE, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TOKEN = "a-token-of-this-measurement"
CLIENTS = 200
QUIET_S, HELD_S = 10.0, 25.0
"""Before the first attack; how long slow clients hold on, longer than every limit of time."""
UPLOAD = "/api/files?name=a.xml"


class Page:
    """An open page: when each beat came."""

    def __init__(self, url: str) -> None:
        self.came: list[float] = []
        asked = urllib.request.Request(f"{url}api/live/events", headers=token())
        self._events = urllib.request.urlopen(asked)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            for line in self._events:
                if line.startswith(b"data: ") and json.loads(line[6:])["waterfall"] is not None:
                    self.came.append(time.monotonic())

    def longest(self, since: float) -> tuple[int, float]:
        """Beats since then, and the longest time without one."""
        now = time.monotonic()
        times = [since, *(t for t in self.came if t > since), now]
        return len(times) - 2, max(b - a for a, b in pairwise(times))


def token() -> dict[str, str]:
    """The header that opens the service."""
    return {"authorization": f"Bearer {TOKEN}"}


class Service:
    """Where the attacks go."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url).hostname, urlsplit(url).port

    def head(self, verb: str, path: str, headers: dict[str, str], host: str = "") -> bytes:
        """A request without its body."""
        lines = [f"{verb} {path} HTTP/1.1", f"host: {host or '{}:{}'.format(*self.address)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def connect(self) -> socket.socket:
        """A connection that waits up to a minute."""
        return socket.create_connection(self.address, timeout=60.0)

    def ask(self, data: bytes, more: Iterable[bytes] = ()) -> int:
        """Status of the answer to some bytes."""
        with self.connect() as one:
            with suppress(OSError):  # it may be refused before all is sent
                one.sendall(data)
                for piece in more:
                    one.sendall(piece)
            return status(one)

    def quiet(self) -> int:
        """Status of an honest request, after a while without an attack."""
        time.sleep(QUIET_S)
        return self.ask(self.head("GET", "/api/health", token()))

    def upload(self, data: bytes) -> int:
        """Status of an upload."""
        headers = token() | {"x-blackett": "1", "content-length": f"{len(data)}"}
        return self.ask(self.head("POST", UPLOAD, headers) + data)

    def crowd(self, data: bytes) -> Counter[int]:
        """Statuses of slow clients that send this and then hold on."""
        with ExitStack() as open_ones:
            clients = [open_ones.enter_context(self.connect()) for _ in range(CLIENTS)]
            for one in clients:
                with suppress(OSError):
                    one.sendall(data)
            time.sleep(HELD_S)
            return Counter(status(one) for one in clients)


def status(connection: socket.socket) -> int:
    """Status of the answer on a connection; 0 where it was closed without one."""
    with suppress(OSError, ValueError, IndexError):
        return int(connection.makefile("rb").readline().split()[1])
    return 0


def zip_bomb() -> bytes:
    """256 MB of zeros in 260 kB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.xml", "w") as one:
        for _ in range(16):
            one.write(bytes(2**24))
    return packed.getvalue()


def entity_bomb() -> bytes:
    """Ten to the ninth letters by nine entities."""
    inner = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    return (f'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a0 "aaaaaaaaaa">{inner}]>'
            "<ResultDataFile>&a9;</ResultDataFile>").encode()  # fmt: skip


def endless() -> Iterator[bytes]:
    """A gigabyte in chunks."""
    for _ in range(2**14):
        yield b"%x\r\n" % 2**16 + bytes(2**16) + b"\r\n"


def attacks(at: Service) -> dict[str, Callable[[], Counter[int] | int]]:
    """Each attack by name."""
    mine, change = token(), token() | {"x-blackett": "1"}
    slow = change | {"content-length": "1000"}
    file = at.head("GET", "/static/vendor/uPlot.iife.min.js", mine)
    paths = ("/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/%2e%2e/verbs.py",
             "//etc/passwd", "/api/files/..%2f..%2fetc%2fpasswd/spectra/0")  # fmt: skip
    return {
        "none": at.quiet,
        "entity bomb": lambda: at.upload(entity_bomb()),
        "zip bomb": lambda: at.upload(zip_bomb()),
        "1 GB by its length": lambda: at.ask(
            at.head("POST", UPLOAD, change | {"content-length": f"{2**30}"})
        ),
        "1 GB in chunks": lambda: at.ask(
            at.head("POST", UPLOAD, change | {"transfer-encoding": "chunked"}), endless()
        ),
        "paths": lambda: Counter(at.ask(at.head("GET", path, mine)) for path in paths),
        "foreign host": lambda: at.ask(at.head("GET", "/api/live", mine, "evil.example")),
        "foreign origin": lambda: at.ask(
            at.head("POST", UPLOAD, change | {"origin": "http://evil.example"})
        ),
        "no token": lambda: at.ask(at.head("GET", "/api/live", {})),
        "wrong token": lambda: at.ask(
            at.head("GET", "/api/live", {"authorization": f"Bearer {TOKEN}x"})
        ),
        "200 slow heads": lambda: at.crowd(at.head("GET", "/api/live", mine)[:-4]),
        "200 slow bodies": lambda: at.crowd(at.head("POST", UPLOAD, slow) + b"only this"),
        "200 that do not read": lambda: at.crowd(20 * file),
        "afterwards": at.quiet,
    }


def main() -> None:
    """Attack, one after the other."""
    with running("--simulate", SCENE, "--token", TOKEN) as (_, url):
        url = url.partition("?")[0]
        at, page = Service(url), Page(url)
        while len(page.came) < QUIET_S:
            time.sleep(0.1)
        for name, attack in attacks(at).items():
            began = time.monotonic()
            told = attack()
            time.sleep(max(0.0, 3.0 - (time.monotonic() - began)))
            beats, longest = page.longest(began)
            statuses = told if isinstance(told, Counter) else Counter([told])
            shown = ", ".join(f"{n} x {code}" for code, n in sorted(statuses.items()))
            print(f"{name:<22} {shown:<30} {beats:>3} beats, longest gap {longest:.2f} s",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

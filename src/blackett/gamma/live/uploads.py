"""Files that the page was given: kept as bytes in memory, read by a process that can be killed.

Nothing here takes a path from the web. A file is known by a random id; its name is for showing.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from blackett.errors import BlackettError, InputError
from blackett.gamma.live.worker import read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["MOST_BYTES", "Busy", "Overrun", "Shelf", "Stored", "Worker", "shown_name"]

MOST_BYTES = 8 * 2**20
"""Largest upload."""
MOST_FILES = 32
MOST_STORED = 64 * 2**20
"""All files together."""
MOST_WAITING = 4
"""Jobs in the worker and before it."""
JOB_LIMIT_S = {"read": 30.0, "identify": 120.0, "report": 120.0, "room": 120.0}
"""From a job to its answer, the start of a fresh process included; the first identification on a
machine compiles code and builds templates."""
IDLE_S = 120.0
"""The child ends after this long without a job."""


class Busy(BlackettError):  # noqa: N818
    """Too many jobs are waiting."""


class Overrun(BlackettError):  # noqa: N818
    """A job took too long, or its process died of it."""


class Worker:
    """One child process, started on a job and ended when it was killed or idle for a while."""

    def __init__(self, limits_s: dict[str, float] | None = None, idle_s: float = IDLE_S) -> None:
        self.limits_s, self.idle_s = JOB_LIMIT_S | (limits_s or {}), idle_s
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._closed = False
        self._waiting = 0
        self._count = threading.Lock()
        self._leave: threading.Timer | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def run(self, job: str, files: Sequence[bytes] = (), **options: Any) -> Any:
        """The result of one job; InputError with the child's sentence when the file is refused.

        Raises Busy when too many wait already and Overrun when the job was killed.
        """
        with self._queued(), self._turn:
            self._stay()
            process = self._alive()
            watch = threading.Timer(self.limits_s[job], _kill, (process,))
            watch.start()
            try:
                answer = self._exchange(process, job, files, options)
            finally:
                watch.cancel()
                self._leave_later()
        if not answer:
            raise Overrun(
                f"it took more than {self.limits_s[job]:g} s or too much memory: given up"
            )
        reply = json.loads(answer)
        if "error" in reply:
            raise InputError(reply["error"])
        return reply["result"]

    def close(self) -> None:
        """End the child process, and start no other."""
        self._closed = True
        process = self._process
        if process is not None:
            _kill(process)
        with self._turn:  # whoever waits for its answer learns that it is gone
            self._stay()
            self._drop()

    def _leave_later(self) -> None:
        """End the child when no job came for a while: it holds as much memory as the service."""
        self._leave = threading.Timer(self.idle_s, self._end_idle)
        self._leave.daemon = True
        self._leave.start()

    def _stay(self) -> None:
        if self._leave is not None:
            self._leave.cancel()
            self._leave = None

    def _end_idle(self) -> None:
        with self._turn:
            if self._leave is threading.current_thread():  # no job came in between
                self._drop()

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _discard(process)

    @contextmanager
    def _queued(self) -> Iterator[None]:
        with self._count:
            if self._waiting >= MOST_WAITING:
                raise Busy("too many files are being read: try again in a moment")
            self._waiting += 1
        try:
            yield
        finally:
            with self._count:
                self._waiting -= 1

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise Busy("the service is ending")
        if self._process is not None and self._process.poll() is not None:
            self._drop()
        if self._process is None:
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "blackett.gamma.live.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=environment, start_new_session=True,
            )  # fmt: skip
        return self._process

    def _exchange(
        self, process: subprocess.Popen[bytes], job: str, files: Sequence[bytes],
        options: dict[str, Any],
    ) -> bytes:  # fmt: skip
        """The answer; empty when the process died."""
        out, back = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        try:
            head = {"job": job, "files": len(files), "options": options}
            for frame in (json.dumps(head).encode(), *files):
                write_frame(out, frame)  # type: ignore[arg-type]
            answer = read_frame(back)  # type: ignore[arg-type]
        except OSError:
            answer = b""
        if not answer:
            self._drop()
        return answer


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The process and what it started; its pipes close, so that whoever reads them goes on."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    process.wait()


def _discard(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was still to be sent to it
                pipe.close()


# --- what is kept --------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """One uploaded file; `spectra` are plain records as the worker's job "read" gives them."""

    id: str
    name: str
    data: bytes
    spectra: list[dict[str, Any]]
    live_time_s: float | None
    """Given by the user where the file states none."""

    def to_dict(self) -> dict[str, Any]:
        """What the list of files shows: everything but the numbers."""
        heavy = {"counts", "edges_kev", "background"}
        return {
            "id": self.id,
            "name": self.name,
            "bytes": len(self.data),
            "spectra": [
                {"index": index} | {key: value for key, value in one.items() if key not in heavy}
                for index, one in enumerate(self.spectra)
            ],
        }


class Shelf:
    """The uploaded files of this run, in memory and nowhere else; safe from any thread."""

    def __init__(self) -> None:
        self._files: dict[str, Stored] = {}
        self._lock = threading.Lock()

    def add(
        self, name: str, data: bytes, spectra: list[dict[str, Any]],
        live_time_s: float | None = None,
    ) -> Stored:  # fmt: skip
        """Keep a file. Raises Busy when the shelf is full."""
        with self._lock:
            held = sum(len(file.data) for file in self._files.values())
            if len(self._files) >= MOST_FILES or held + len(data) > MOST_STORED:
                raise Busy(f"there are {len(self._files)} files already: remove some first")
            stored = Stored(secrets.token_hex(8), shown_name(name), data, spectra, live_time_s)
            self._files[stored.id] = stored
            return stored

    def get(self, key: str) -> Stored | None:
        """The file of this id."""
        return self._files.get(key)

    def remove(self, key: str) -> bool:
        """Forget a file; False when there was none."""
        with self._lock:
            return self._files.pop(key, None) is not None

    def all(self) -> list[Stored]:
        """Every file, oldest first."""
        return list(self._files.values())


def shown_name(name: str) -> str:
    """The last part of a name, printable, at most 80 characters: for showing only."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(c for c in last if c.isprintable())[:80].strip()
    return kept or "unnamed"

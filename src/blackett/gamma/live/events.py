"""The beat: every update of the measurement, made into JSON once and sent to all pages.

Server-sent events; a page that reads slowly gets the newest update and misses what came between,
and never holds up anybody else.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from blackett.gamma.live.messages import Update
    from blackett.gamma.live.session import LiveSession

__all__ = ["MOST_STREAMS", "Beat", "EventStream", "TooManyStreams", "history", "short"]

MOST_STREAMS = 16
"""Pages that may be open at a time."""
HEARTBEAT_S = 5.0
"""A comment is sent when nothing else was, so that a dead link is noticed."""
RETRY_MS = 1000
MOST_ROWS = 1800
"""Updates that a page gets when it opens."""


class TooManyStreams(Exception):  # noqa: N818
    """All streams are taken."""


class Beat:
    """Waits for updates of a session in a thread of its own and wakes every stream."""

    def __init__(self, session: LiveSession) -> None:
        self.session = session
        self.streams = 0
        self._sequence, self._event = 0, b""
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to wait for updates; needs a running event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End all streams."""
        self._stopping = True
        async with self._news:
            self._news.notify_all()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        own = CapacityLimiter(1)  # never behind the threads that read files
        while not self._stopping:
            made = await to_thread.run_sync(
                self._made, self._sequence, limiter=own, abandon_on_cancel=True
            )
            if made is not None:
                await self._publish(*made)

    def _made(self, after: int) -> tuple[int, bytes] | None:
        """The next event, in the thread: the newest update and, in short, those it overtook."""
        newest = self.session.wait(after, 1.0)
        if newest is None:
            return None
        between = [u for u in self.session.updates(after) if u.sequence < newest.sequence]
        skipped = [short(update) for update in between] if after else []
        return newest.sequence, _event(newest, after, skipped)

    async def _publish(self, sequence: int, event: bytes) -> None:
        async with self._news:
            self._sequence, self._event = sequence, event
            self._news.notify_all()

    async def stream(self, after: int) -> AsyncIterator[bytes]:
        """Events other than the one already seen, until the page goes away."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        while not self._stopping:
            sequence, event = await self._next(after)
            if sequence == after or not event:
                yield b": still here\n\n"
            else:
                after = sequence
                yield event

    async def _next(self, after: int) -> tuple[int, bytes]:
        """The newest event, waiting up to a heartbeat for another than `after`."""
        async with self._news:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait_for(lambda: self._fresh(after))
            return self._sequence, self._event

    def _fresh(self, after: int) -> bool:
        # a lower number than asked for: the measurement was started anew
        return self._stopping or (self._sequence != after and bool(self._event))


class EventStream(StreamingResponse):
    """One page's stream; it is counted for as long as it lasts."""

    def __init__(self, beat: Beat, after: int) -> None:
        if beat.streams >= MOST_STREAMS:
            raise TooManyStreams
        self.beat = beat
        super().__init__(beat.stream(after), media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until either side ends it."""
        self.beat.streams += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.beat.streams -= 1


def _event(update: Update, previous: int, skipped: list[dict[str, Any]]) -> bytes:
    """`previous` is the event before this one: a page that has seen another missed something."""
    record = update.to_dict() | {"previous": previous, "skipped": skipped}
    text = json.dumps(record, allow_nan=False, separators=(",", ":"))
    return f"id: {update.sequence}\nevent: update\ndata: {text}\n\n".encode()


def history(session: LiveSession) -> list[dict[str, Any]]:
    """The kept updates in short, oldest first."""
    return [short(update) for update in session.updates(0)[-MOST_ROWS:]]


def short(update: Update) -> dict[str, Any]:
    """Rates, dose and waterfall row of an update.

    A row's counts are pairs of channel and counts, one after the other, without the zeros.
    """
    row, view = update.waterfall, update.since_start
    record: dict[str, Any] = {
        "sequence": update.sequence,
        "time_s": update.time_s,
        "cps": update.cps.to_dict(),
        "dose_usv_h": update.dose_usv_h.to_dict(),
        "row": None,
    }
    if row is not None and view is not None:
        some = row.counts.nonzero()[0]
        record["row"] = {
            "time_s": row.time_s,
            "seconds": row.seconds,
            "channels": int(row.counts.size),
            "coefficients_kev": list(view.coefficients_kev),
            "pairs": [int(n) for c in some for n in (c, row.counts[c])],
        }
    return record

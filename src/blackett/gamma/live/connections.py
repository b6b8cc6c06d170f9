"""HTTP connections that cannot be held open for nothing, and not too many of them.

uvicorn waits for ever for the rest of a request and for a client that does not read. Here

    more than MOST_CONNECTIONS at a time    503 at once
    a request head that takes too long      408
    a client that does not take its answer  cut off

so that slow or hostile clients cost little and the page keeps its beat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["HEAD_LIMIT_S", "MOST_CONNECTIONS", "WRITE_LIMIT_S", "BoundedProtocol"]

MOST_CONNECTIONS = 128
HEAD_LIMIT_S = 8.0
"""From the connection, or the last answer on it, to a complete request head."""
WRITE_LIMIT_S = 15.0
"""How long a client may leave its receive buffer full."""


def _bare(status: str, text: str) -> bytes:
    """An answer without the application; the connection closes after it."""
    body = f'{{"error": "{text}"}}'.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    more = "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close"
    return f"{head}\r\n{more}\r\n\r\n".encode() + body


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol with the three limits above."""

    _head: asyncio.TimerHandle | None = None
    _write: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse a connection too many, else start waiting for its first request."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refused = True
            transport.write(_bare("503 Service Unavailable", "too many connections"))
            transport.close()
            return
        self._head = self._later(HEAD_LIMIT_S, self._head_too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._cancel()
        if self._write is not None:
            self._write.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A complete head stops the clock; anything less leaves it running."""
        if self._refused:
            return
        super().data_received(data)
        if self._answering():
            self._cancel()

    def on_response_complete(self) -> None:
        """The clock of the next request on this connection (shorter where it stays idle)."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._answering() and self._head is None:
            self._head = self._later(HEAD_LIMIT_S, self._head_too_slow)

    def pause_writing(self) -> None:
        """The client reads too slowly: it has a while to catch up."""
        super().pause_writing()
        self._write = self._later(WRITE_LIMIT_S, self._abort)

    def resume_writing(self) -> None:
        """It caught up."""
        if self._write is not None:
            self._write.cancel()
            self._write = None
        super().resume_writing()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _cancel(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _later(self, delay_s: float, call: Callable[[], Any]) -> asyncio.TimerHandle:
        return self.loop.call_later(delay_s, call)

    def _head_too_slow(self) -> None:
        self._head = None
        if not self.transport.is_closing() and not self._answering():
            self.transport.write(_bare("408 Request Timeout", "the request took too long"))
            self.transport.close()

    def _abort(self) -> None:
        self.transport.abort()

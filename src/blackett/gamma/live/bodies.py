"""Request bodies: whole, small enough and in time, before any of our code sees them.

longer than allowed         413, by Content-Length before a byte is read
too slow                    408
too many at the same time   503
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from blackett.gamma.live.uploads import MOST_BYTES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["BODY_LIMIT_S", "MOST_BODIES", "UPLOADS_AT", "WholeBodies"]

UPLOADS_AT = "/api/files"
MOST_OTHER_BYTES = 64 * 2**10
BODY_LIMIT_S = 20.0
MOST_BODIES = 6
"""Bodies that are being received at a time: at most this many times 8 MiB of memory."""


class _Refused(Exception):  # noqa: N818
    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text


class WholeBodies:
    """An ASGI application that gets its requests' bodies at once."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._receiving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then pass the request on, or refuse it and close the connection."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        try:
            body = await self._body(scope, receive)
        except _Refused as refused:
            await _refusal(refused)(scope, receive, send)
            return
        await self.app(scope, _once(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        most = MOST_BYTES if scope["path"] == UPLOADS_AT else MOST_OTHER_BYTES
        stated = Headers(scope=scope).get("content-length", "0")
        if not stated.isdecimal() or int(stated) > most:
            raise _Refused(413, f"a request may have at most {most} bytes")
        if self._receiving >= MOST_BODIES:
            raise _Refused(503, "too many uploads at a time: try again in a moment")
        self._receiving += 1
        try:
            async with asyncio.timeout(BODY_LIMIT_S):
                return await _received(receive, most)
        except TimeoutError:
            raise _Refused(408, f"the body took more than {BODY_LIMIT_S:g} s") from None
        finally:
            self._receiving -= 1


async def _received(receive: Receive, most: int) -> bytes:
    parts, length = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "the connection was lost")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > most:
            raise _Refused(413, f"a request may have at most {most} bytes")
        if not message.get("more_body", False):
            return b"".join(parts)


def _once(body: bytes, receive: Receive) -> Receive:
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed


def _refusal(refused: _Refused) -> Response:
    headers = {"connection": "close"} | ({"retry-after": "5"} if refused.status == 503 else {})
    return JSONResponse({"error": refused.text}, refused.status, headers)

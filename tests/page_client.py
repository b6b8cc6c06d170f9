"""A plain client of the service in process: each request in an event loop of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class Page:
    """Requests to an application, with cookies kept; redirects are not followed."""

    def __init__(self, app: ASGIApp, base: str) -> None:
        self._app, self._base, self._cookies = app, base, httpx.Cookies()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, client=("127.0.0.1", 50000))
            async with httpx.AsyncClient(
                transport=transport, base_url=self._base, cookies=self._cookies
            ) as client:
                answer = await client.request(method, path, **options)
                self._cookies = client.cookies
                return answer

        return asyncio.run(asked())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

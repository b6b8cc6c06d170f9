"""Who may talk to the page: checks of Host, Origin, custom header and token before anything else.

The service listens on the loopback address. Other programs of the same user are trusted, web pages
in their browser are not, and neither is anybody else on the network:

    foreign Host        421  a name that is not ours, pointed at us by its owner (DNS rebinding)
    foreign Origin      403  a page of another site talks to us (also by Sec-Fetch-Site)
    no custom header    403  a change asked for by what could be a plain form
    no or wrong token   401  where the service listens beyond the loopback address

Every answer carries a content security policy that allows this server's own files and nothing else.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

from blackett.errors import InputError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CHANGE_HEADER", "Guard", "Protected", "guard_for", "is_loopback"]

CHANGE_HEADER = "x-blackett"
"""Every request that changes something carries it; no HTML form of another site can send it."""
LEAST_TOKEN = 16
COOKIE = "blackett-token"
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=()",
}


@dataclass(frozen=True)
class Guard:
    """The names by which the service may be called (`host:port`), and its token if it has one."""

    hosts: frozenset[str]
    token: str | None = field(default=None, repr=False)

    def accepts(self, token: str) -> bool:
        """True for the right token; takes the same time for every wrong one."""
        return self.token is None or hmac.compare_digest(token.encode(), self.token.encode())


def is_loopback(address: str) -> bool:
    """True for 127.0.0.0/8, ::1 and localhost."""
    if address == "localhost":
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def guard_for(
    address: str, port: int, token: str | None = None, names: tuple[str, ...] = ()
) -> Guard:
    """The guard of a service at `address`; beyond the loopback it always has a token.

    `names` are further host names under which it may be called. A missing token is drawn at random
    (256 bits). Raises InputError for a token of fewer than 16 or other than printable characters.
    """
    if token is not None and (
        len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()
    ):
        raise InputError(f"a token needs at least {LEAST_TOKEN} printable ASCII characters")
    if token is None and not is_loopback(address):
        token = secrets.token_urlsafe(32)
    own = {"127.0.0.1", "localhost", "[::1]", *names}
    if not is_loopback(address) and address not in ("0.0.0.0", "::"):
        own.add(f"[{address}]" if ":" in address else address)
    hosts = {f"{name.lower()}:{port}" for name in own}
    return Guard(frozenset(hosts | ({n.lower() for n in own} if port == 80 else set())), token)


class Protected:
    """An ASGI application behind a guard."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app, self.guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the headers of `HEADERS` added to the answer."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no WebSocket is served
            await send({"type": "websocket.close", "code": 1008})
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._refusal(scope) or self._login(scope) or self._stranger(scope)
        await (answer or self.app)(scope, receive, hardened)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self.guard.hosts:
            known = ", ".join(sorted(self.guard.hosts))
            return _error(421, f"this service answers to {known} only")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() not in self.guard.hosts:
            return _error(403, "requests from pages of other sites are refused")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _visit(headers):
            return _error(403, "requests from pages of other sites are refused")
        if scope["method"] not in ("GET", "HEAD") and headers.get(CHANGE_HEADER) != "1":
            return _error(403, f"a request that changes something needs the header {CHANGE_HEADER}")
        return None

    def _login(self, scope: Scope) -> Response | None:
        """A visit to /?token=... becomes a cookie, so that the token leaves the address bar."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if self.guard.token is None or scope["path"] != "/" or not given:
            return None
        if not self.guard.accepts(given):
            return _error(401, "wrong token", {"www-authenticate": "Bearer"})
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie_name(scope), given, httponly=True, samesite="strict")
        return answer

    def _stranger(self, scope: Scope) -> Response | None:
        if self.guard.accepts(self._token(scope)):
            return None
        told = "a token is needed: open the address that was shown when the service started"
        return _error(401, told, {"www-authenticate": "Bearer"})

    def _token(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return value.strip()
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return ""
        found = cookies.get(self._cookie_name(scope))
        return found.value if found else ""

    def _cookie_name(self, scope: Scope) -> str:
        """Cookies do not know ports: two services on one machine must not share a name."""
        return f"{COOKIE}-{scope['server'][1] if scope.get('server') else 0}"


def _visit(headers: Headers) -> bool:
    """A person who follows a link: nothing is changed and the other page sees nothing of it."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") in (
        "document", None
    )  # fmt: skip


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers)

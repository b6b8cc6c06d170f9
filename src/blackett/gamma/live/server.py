"""The local web page: one application, its protections, and how it is run.

application   `create_app` (routes of `api`, static files, security of `security` and `bodies`)
serving       `serve` (uvicorn on one address, connections bounded by `connections`)
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteError

import blackett
from blackett.errors import BlackettError, InputError
from blackett.gamma.live import api
from blackett.gamma.live.bodies import WholeBodies
from blackett.gamma.live.events import Beat, TooManyStreams
from blackett.gamma.live.security import Protected
from blackett.gamma.live.uploads import Busy, Overrun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import uvicorn
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from blackett.gamma.live.security import Guard
    from blackett.gamma.live.state import State

__all__ = ["create_app", "free_port", "serve", "service"]

STATIC = files("blackett.gamma.live").joinpath("static")
GRACE_S = 2


def create_app(guard: Guard, state: State) -> ASGIApp:
    """The whole service behind its guard. The measurement is neither started nor stopped here."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if state.session is not None:
            state.beat = Beat(state.session)
            state.beat.start()
        yield
        if state.beat is not None:
            await state.beat.stop()

    app = FastAPI(
        title="blackett",
        version=blackett.__version__,
        description="Which radionuclides does this gamma spectrum hold? Not a safety instrument.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.state.blackett = state
    app.include_router(api.router)
    _pages(app)
    _errors(app)
    app.openapi()  # builds every route now: the first page need not wait for it
    return Protected(WholeBodies(app), guard)


def _pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(str(STATIC / "index.html"), headers={"cache-control": "no-cache"})

    @app.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> FileResponse:
        return FileResponse(str(STATIC / "icons/blackett.svg"), media_type="image/svg+xml")

    app.mount("/static", _Static(directory=str(STATIC)), name="static")


class _Static(StaticFiles):
    """Static files that the browser asks about each time: an update shows at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, with a header that keeps caches honest."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["cache-control"] = "no-cache"
        return answer


def _errors(app: FastAPI) -> None:
    """Every error leaves as {"error": sentence}."""

    @app.exception_handler(StarletteError)
    async def _http(_request: Request, problem: StarletteError) -> Response:
        return api.error(problem.status_code, str(problem.detail), dict(problem.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, problem: RequestValidationError) -> Response:
        told = "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in problem.errors()[:5])
        return api.error(422, told)

    @app.exception_handler(BlackettError)
    async def _refused(_request: Request, problem: BlackettError) -> Response:
        if isinstance(problem, Busy):
            return api.error(503, str(problem), {"retry-after": "5"})
        return api.error(422 if isinstance(problem, InputError | Overrun) else 500, str(problem))

    @app.exception_handler(TooManyStreams)
    async def _streams(_request: Request, _problem: TooManyStreams) -> Response:
        return api.error(503, "too many pages are open", {"retry-after": "30"})


# --- serving -------------------------------------------------------------------


def free_port(address: str, wanted: int, tries: int = 20) -> socket.socket:
    """A listening socket at the wanted port or one of the next; 0 takes any.

    Raises InputError when none is free or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in range(wanted, wanted + (tries if wanted else 1)):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address, port))
        except OSError as error:
            listening.close()
            last = error
            continue
        listening.listen(128)
        return listening
    raise InputError(f"cannot listen on {address}, port {wanted} and the next: {last.strerror}")


def service(guard: Guard, state: State) -> uvicorn.Server:
    """The web server, not yet running. Of requests nothing is logged: they may hold a token."""
    import uvicorn

    from blackett.gamma.live.connections import BoundedProtocol

    config = uvicorn.Config(
        create_app(guard, state), http=BoundedProtocol, ws="none", access_log=False,
        log_level=logging.ERROR,
        server_header=False, timeout_keep_alive=5, timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=16 * 2**10, lifespan="on",
    )  # fmt: skip

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """End the open pages first: they would be waited for."""
            if state.beat is not None:
                await state.beat.stop()
            await super().shutdown(sockets)

    return Server(config)


def serve(guard: Guard, state: State, listening: socket.socket) -> None:
    """Serve on a listening socket until interrupted."""
    asyncio.run(service(guard, state).serve(sockets=[listening]))

"""The JSON twin of every view, under /api. Errors are {"error": sentence} with a fitting status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Body, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

import blackett
from blackett.errors import InputError
from blackett.gamma.answer import DEFAULT_METHOD, METHODS
from blackett.gamma.live import backgrounds, catalogue
from blackett.gamma.live.cards import cards
from blackett.gamma.live.events import EventStream, history

if TYPE_CHECKING:
    from blackett.gamma.live.session import LiveSession
    from blackett.gamma.live.state import State, Stored

__all__ = ["router"]

router = APIRouter(prefix="/api")
_EXPORTS = {"n42": "application/xml", "xml": "application/xml", "rcspg": "text/plain",
            "csv": "text/csv"}  # fmt: skip
LIMITS = (
    "This is not a safety instrument and not certified.",
    "Identification is probabilistic: any answer can be wrong, and comes with its probability.",
    "A missing alarm proves nothing: weak, shielded or distant sources stay unseen.",
    "Dose rates are the device's own estimate; activities need a known distance.",
    "If you think that you have found a dangerous source: keep away and call the authorities.",
)  # fmt: skip


def _state(request: Request) -> State:
    state: State = request.app.state.blackett
    return state


def _session(request: Request) -> LiveSession:
    session = _state(request).session
    if session is None:
        raise HTTPException(409, "no device in this run: start it with `blackett gamma live`")
    return session


def _file(request: Request, key: str) -> Stored:
    stored = _state(request).shelf.get(key)
    if stored is None:
        raise HTTPException(404, "there is no such file")
    return stored


def _spectrum(stored: Stored, index: int) -> dict[str, Any]:
    if not 0 <= index < len(stored.spectra):
        raise HTTPException(404, f"there is no spectrum {index}: it has {len(stored.spectra)}")
    return stored.spectra[index]


# --- live ----------------------------------------------------------------------


@router.get("/live")
async def live(request: Request) -> dict[str, Any]:
    """The newest update of the measurement."""
    update = _session(request).latest()
    return {"update": None if update is None else update.to_dict()}


@router.get("/live/events", response_class=StreamingResponse)
async def live_events(request: Request, after: Annotated[int, Query(ge=0)] = 0) -> Response:
    """Updates as server-sent events named "update"; the id of each is its sequence number."""
    beat = _state(request).beat
    if beat is None:
        _session(request)
        raise HTTPException(503, "the service is starting")
    last = request.headers.get("last-event-id", "")
    return EventStream(beat, int(last) if last.isdecimal() and len(last) < 16 else after)


@router.get("/live/history")
async def live_history(request: Request) -> dict[str, Any]:
    """Rates, dose and waterfall rows of the last minutes (rows as pairs of channel and counts)."""
    return {"updates": await run_in_threadpool(history, _session(request))}


@router.get("/live/fit")
async def live_fit(request: Request) -> dict[str, Any]:
    """The parts of a fit to the present stretch of the measurement, for drawing."""
    _session(request)
    return await run_in_threadpool(_state(request).live_fit)


@router.get("/live/export")
async def live_export(request: Request, form: Literal["n42", "xml", "rcspg", "csv"]) -> Response:
    """The whole recording as a file."""
    data = await run_in_threadpool(_session(request).export, form)
    return _download(data, f"recording.{form}", _EXPORTS[form])


# --- files ---------------------------------------------------------------------


@router.get("/files")
async def files(request: Request) -> dict[str, Any]:
    """Every file of this run, without the numbers."""
    return {"files": [stored.to_dict() for stored in _state(request).shelf.all()]}


@router.post("/files", status_code=201)
async def add_file(
    request: Request, name: Annotated[str, Query(max_length=255)] = "unnamed",
    live_time_s: Annotated[float | None, Query(gt=0.0, le=1e9)] = None,
) -> dict[str, Any]:  # fmt: skip
    """Add a spectrum file: its bytes are the body, at most 8 MiB.

    `live_time_s` is used where the file states none, and only there.
    """
    data = await request.body()
    stored = await run_in_threadpool(_state(request).add_file, name, data, live_time_s)
    return stored.to_dict()


@router.delete("/files/{key}")
async def remove_file(request: Request, key: str) -> dict[str, Any]:
    """Forget a file."""
    if not _state(request).shelf.remove(key):
        raise HTTPException(404, "there is no such file")
    return {"removed": key}


@router.get("/files/{key}/spectra/{index}")
async def spectrum(request: Request, key: str, index: int) -> dict[str, Any]:
    """One spectrum with its numbers; overflow and masked channels hold 0."""
    return _spectrum(_file(request, key), index)


Choice = Annotated[str, Query(max_length=64, description="id of the file with the background")]
Method = Annotated[str, Query(max_length=16, description=f"one of {', '.join(METHODS)}")]


@router.get("/files/{key}/spectra/{index}/identification")
async def identification(
    request: Request, key: str, index: int, background: Choice = "", background_index: int = 0,
    detector: Annotated[str | None, Query(max_length=64)] = None,
    distance_mm: float | None = None, limits: bool = False, method: Method = DEFAULT_METHOD,
) -> dict[str, Any]:  # fmt: skip
    """What the spectrum holds, and the curves of the fit."""
    return await _job(
        request, "identify", key, index, background, background_index,
        detector=detector, distance_mm=distance_mm, limits=limits, method=method,
    )  # fmt: skip


@router.get("/files/{key}/spectra/{index}/report")
async def report(
    request: Request, key: str, index: int, background: Choice = "", background_index: int = 0,
    detector: Annotated[str | None, Query(max_length=64)] = None,
    distance_mm: float | None = None, method: Method = DEFAULT_METHOD,
) -> Response:  # fmt: skip
    """The answer as a self-contained page to keep."""
    made = await _job(
        request, "report", key, index, background, background_index,
        detector=detector, distance_mm=distance_mm, limits=False, method=method,
    )  # fmt: skip
    return _download(made["html"].encode(), "report.html", "text/html; charset=utf-8")


async def _job(
    request: Request, job: str, key: str, index: int, background: str, background_index: int,
    **options: Any,
) -> dict[str, Any]:  # fmt: skip
    stored = _file(request, key)
    _spectrum(stored, index)
    data = [stored.data] + ([_file(request, background).data] if background else [])
    result: dict[str, Any] = await run_in_threadpool(
        _state(request).worker.run, job, data, name=stored.name, index=index,
        background_index=background_index, live_time_s=stored.live_time_s, **options,
    )  # fmt: skip
    return result


# --- background ----------------------------------------------------------------


@router.get("/background")
async def background(request: Request) -> dict[str, Any]:
    """Which background the answers use, and the recording of a new one if one is going on."""
    return _state(request).background.to_dict()


@router.post("/background")
async def change_background(
    request: Request,
    action: Annotated[Literal["use", "drop", "record", "finish", "cancel"], Body()],
    file: Annotated[str, Body(max_length=64)] = "",
    index: Annotated[int, Body()] = 0,
) -> dict[str, Any]:
    """Use a file's spectrum, drop the background, or record a new one: record, then finish."""
    state = _state(request)
    if action == "use":
        stored = _file(request, file)
        label, record = stored.name, _spectrum(stored, index)
        await run_in_threadpool(state.background.use, label, record)
    else:
        steps = {
            "drop": state.background.drop,
            "record": state.background.start_recording,
            "finish": state.background.finish,
            "cancel": state.background.cancel,
        }
        await run_in_threadpool(steps[action])
    return state.background.to_dict()


@router.get("/background/export")
async def background_export(request: Request) -> Response:
    """The background in use as a CSV file, to load it again another time."""
    data = await run_in_threadpool(_state(request).background.file)
    return _download(data, "background.csv", _EXPORTS["csv"])


@router.get("/background/continuum")
async def continuum(
    request: Request, csi: bool = False,
    smoothing_channels: Annotated[float, Query(ge=0.0, le=50.0)] = 0.0,
    measured_share: Annotated[float, Query(ge=0.0, le=1.0)] = 0.7,
    detector: Annotated[str, Query(max_length=64)] = "radiacode-103",
    file: Annotated[str, Query(max_length=64)] = "", index: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Measured, modelled and blended background in counts/s a channel, overflow left out.

    The measured one is the spectrum `index` of `file`, or without a file the background in use.
    The modelled one is a typical room of concrete seen by `detector`, or with `csi` the "CsI(Tl)
    continuum" of the first RadiaCode training project. Smoothing is Gaussian over
    `smoothing_channels`, divided by the weight of the kernel inside the spectrum.
    """
    state = _state(request)
    record = _spectrum(_file(request, file), index) if file else state.background.record
    return await run_in_threadpool(
        backgrounds.continuum, state.worker, record, csi, smoothing_channels, measured_share,
        detector,
    )  # fmt: skip


# --- library, models, about ----------------------------------------------------


@router.get("/library")
async def library() -> dict[str, Any]:
    """Every source that can be reported."""
    return {"sources": await run_in_threadpool(catalogue.catalogue)}


@router.get("/library/{name}")
async def library_entry(name: str) -> dict[str, Any]:
    """One source: lines, chain, and what it is confused with."""
    try:
        return await run_in_threadpool(catalogue.entry, name)
    except InputError as unknown:
        raise HTTPException(404, str(unknown)) from None


@router.get("/models")
async def models() -> dict[str, Any]:
    """What answers: the method and the networks that are installed, with their cards."""
    return await run_in_threadpool(cards)


@router.get("/about")
async def about(request: Request) -> dict[str, Any]:
    """Version, limits, licences."""
    return {
        "version": blackett.__version__,
        "live": _state(request).session is not None,
        "limits": LIMITS,
        "licences": [
            {"name": "blackett", "licence": "MIT"},
            {"name": "uPlot 1.6.32", "licence": "MIT", "file": "/static/vendor/uPlot.LICENSE"},
        ],
    }


@router.get("/health")
async def health(request: Request) -> dict[str, Any]:
    """Whether the service runs, and the age of its newest update."""
    return await run_in_threadpool(_state(request).health)


def _download(data: bytes, name: str, kind: str) -> Response:
    return Response(data, media_type=kind, headers={
        "content-disposition": f'attachment; filename="{name}"',
        "content-security-policy": "sandbox; default-src 'none'",
    })  # fmt: skip


def error(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer {"error": sentence}."""
    return JSONResponse({"error": text}, status, headers)

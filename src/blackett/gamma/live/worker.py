"""The child process that reads files of strangers: jobs come in on stdin, answers go to stdout.

    python -m blackett.gamma.live.worker

A frame is 8 bytes of length, then that many bytes. A job is a frame of JSON (its name, its options,
the number of files) and a frame for each file; an answer is one frame of JSON, {"result": ...} or
{"error": sentence}. Nothing is unpickled on either side. The parent (`uploads`) kills this process
when a job overruns its time; memory and file sizes are limited here.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

from blackett.errors import BlackettError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.gamma.identification import Identification
    from blackett.gamma.spectrum import Spectrum
    from blackett.gamma.unmix import Unmixed

__all__ = ["MOST_CHANNELS", "MOST_SPECTRA", "main", "read_frame", "write_frame"]

MOST_CHANNELS = 16_384
MOST_SPECTRA = 64
MOST_MEMORY = 3 * 2**30
"""Address space of the process: the numerical libraries reserve half of it at their start."""
MOST_WRITTEN = 64 * 2**20
"""Largest file that it may write (a copy of an upload for SandiaSpecUtils)."""
_LENGTH = struct.Struct("<Q")


def read_frame(stream: BinaryIO) -> bytes:
    """The next frame; empty at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return b""
    return stream.read(_LENGTH.unpack(head)[0])


def write_frame(stream: BinaryIO, data: bytes) -> None:
    """Send one frame."""
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


# --- jobs ----------------------------------------------------------------------


def _spectra(data: bytes, name: str, live_time_s: float | None = None) -> list[Spectrum]:
    from blackett.gamma.formats import read_bytes

    found = read_bytes(data, name, live_time_s=live_time_s)
    if len(found) > MOST_SPECTRA:
        raise InputError(f"{name} holds {len(found)} spectra: the page takes {MOST_SPECTRA}")
    for spectrum in found:
        if spectrum.n_channels > MOST_CHANNELS:
            raise InputError(
                f"{name} has {spectrum.n_channels} channels: the page takes {MOST_CHANNELS}"
            )
    return found


def _read(files: list[bytes], name: str, live_time_s: float | None = None) -> list[dict[str, Any]]:
    """Every spectrum of a file as plain numbers, with its background."""
    from blackett.gamma.live.overlay import axis_and_counts, summary

    made = []
    for spectrum in _spectra(files[0], name, live_time_s):
        room = spectrum.background
        made.append(
            summary(spectrum)
            | axis_and_counts(spectrum)
            | {"background": axis_and_counts(room) if room is not None else None}
        )
    return made


def _answer(
    files: list[bytes], name: str, index: int, background_index: int, detector: str | None,
    distance_mm: float | None, limits: bool, method: str,
    live_time_s: float | None = None,
) -> tuple[Identification, Unmixed | None]:  # fmt: skip
    from dataclasses import replace

    from blackett.gamma.identification import identify_with_fit

    spectrum = _one(_spectra(files[0], name, live_time_s), index)
    room = None
    if len(files) > 1:
        room = _one(_spectra(files[1], "background"), background_index)
        room = replace(room, background=None)
    found, unmixed = identify_with_fit(
        spectrum,
        room,
        method,
        detector_name=detector,
        distance_mm=distance_mm,
        with_limits=limits,
    )
    return replace(found, spectrum=index, file=name), unmixed


def _one(spectra: list[Spectrum], index: int) -> Spectrum:
    if not 0 <= index < len(spectra):
        raise InputError(f"there is no spectrum {index}: the file holds {len(spectra)}")
    return spectra[index]


def _identify(files: list[bytes], **options: Any) -> dict[str, Any]:
    from blackett.gamma.live.overlay import fit_curves

    found, unmixed = _answer(files, **options)
    return {
        "identification": found.to_dict(),
        "fit": fit_curves(unmixed).to_dict() if unmixed is not None else None,
    }


def _report(files: list[bytes], **options: Any) -> dict[str, Any]:
    """A page of its own about one spectrum, with the picture inside."""
    from blackett.gamma.live.report import report_page

    found, unmixed = _answer(files, **options)
    return {"html": report_page(found, unmixed)}


def _room(_files: list[bytes], detector: str) -> dict[str, Any]:
    """Counts per second a channel that a detector expects in a typical room of concrete."""
    return _typical_room(detector)


@cache
def _typical_room(name: str) -> dict[str, Any]:
    import numpy as np

    from blackett.gamma.calibration import EnergyCalibration
    from blackett.gamma.detector import detector
    from blackett.gamma.room import CONCENTRATION_OF, room_components
    from blackett.gamma.simulation import BINS, expected_counts, nominal_unit

    instrument = detector(name)
    parts = room_components(instrument, BINS)[: len(CONCENTRATION_OF)]
    unit = nominal_unit(instrument)
    counts, live_time_s = expected_counts(np.sum([p.rate for p in parts], axis=0), unit, 1.0)
    axis = EnergyCalibration(unit.coefficients_kev)
    return {
        "edges_kev": axis.edges_kev(unit.channels)[:-1].tolist(),  # the last channel overflows
        "cps": (counts / live_time_s)[:-1].tolist(),
        "components": [p.name for p in parts],
    }


_JOBS: dict[str, Callable[..., Any]] = {
    "identify": _identify,
    "read": _read,
    "report": _report,
    "room": _room,
}


# --- the process ---------------------------------------------------------------


def _limit_itself() -> None:
    os.nice(10) if hasattr(os, "nice") else None
    try:
        import resource
    except ImportError:  # no such limits on Windows: time and upload size remain
        return
    for kind, most in (
        (resource.RLIMIT_AS, MOST_MEMORY), (resource.RLIMIT_FSIZE, MOST_WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        _, hard = resource.getrlimit(kind)
        within = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (within, within))


def _done(job: dict[str, Any], files: list[bytes]) -> dict[str, Any]:
    try:
        return {"result": _JOBS[job["job"]](files, **job["options"])}
    except BlackettError as error:
        return {"error": str(error)}
    except (MemoryError, RecursionError) as error:
        return {"error": f"the file needs more memory than is allowed ({type(error).__name__})"}


def main() -> None:
    """Serve jobs until stdin closes."""
    _limit_itself()
    jobs = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints does not mix with the answers
    while head := read_frame(jobs):
        job = json.loads(head)
        files = [read_frame(jobs) for _ in range(job["files"])]
        write_frame(answers, json.dumps(_done(job, files)).encode())


if __name__ == "__main__":
    main()

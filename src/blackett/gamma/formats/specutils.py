"""Files of all other kinds through SandiaSpecUtils (import name `SpecUtils`), where installed.

It is a C++ parser for over a hundred formats: it runs in a process of its own, on a copy of the
file, with limits on time and memory and its chatter thrown away, and hands back plain numbers that
are checked like those of any file. A polynomial is read by our convention (channel centres), any
other axis becomes a table of the channel edges that it gives. It takes 5 us a count off RadiaCode
files as we do.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from blackett.errors import MissingExtraError
from blackett.gamma.calibration import EnergyAxis, EnergyCalibration, TabulatedCalibration
from blackett.gamma.formats import radiacode
from blackett.gamma.formats.jsontree import Node, parse_json
from blackett.gamma.formats.parsing import MAX_SPECTRA, fail, with_backgrounds
from blackett.gamma.spectrum import MAX_CHANNELS, MAX_TOTAL_COUNTS, Spectrum, count_array

TIME_LIMIT_S = 30
MEMORY_LIMIT = 2 * 2**30
_SUFFIX_LENGTH = 8

_PROGRAM = f"""
import json, os, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_LIMIT}, {MEMORY_LIMIT}))
except ImportError:
    pass
out = os.dup(1)
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1)
os.dup2(null, 2)
import SpecUtils
file = SpecUtils.SpecFile()
file.loadFile(sys.argv[1], SpecUtils.ParserType.Auto)
found = []
for m in file.measurements():
    counts = list(m.gammaCounts() or [])
    if len(counts) > {MAX_CHANNELS}:
        sys.exit(3)
    if counts:
        found.append({{
            "counts": counts, "model": str(m.energyCalibrationModel()).split(".")[-1],
            "coefficients": list(m.calibrationCoeffs() or []),
            "edges": list(m.channelEnergies() or []),
            "live": m.liveTime(), "real": m.realTime(), "title": m.title(),
            "background": m.sourceType() == SpecUtils.SourceType.Background,
        }})
reply = {{"model": file.instrumentModel(), "serial": file.instrumentId(), "spectra": found}}
with os.fdopen(out, "w") as pipe:
    json.dump(reply, pipe)
"""


def read_other(data: bytes, name: str) -> list[Spectrum]:
    """Spectra of a file that no reader of ours recognises.

    Raises MissingExtraError without SandiaSpecUtils, FileFormatError when that cannot read it.
    """
    if importlib.util.find_spec("SpecUtils") is None:
        raise MissingExtraError("SandiaSpecUtils", "formats", "reading files of this kind")
    root = parse_json(_run(data, name))
    entries = root.need("spectra").items()
    if not 1 <= len(entries) <= MAX_SPECTRA:
        raise fail("", f"must hold 1 to {MAX_SPECTRA} gamma spectra, not {len(entries)}")
    return with_backgrounds(
        [(entry.need("background").value is True, _spectrum(entry, root)) for entry in entries]
    )


def _run(data: bytes, name: str) -> str:
    suffix = "".join(c for c in Path(name).suffix if c == "." or c.isalnum())[:_SUFFIX_LENGTH]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"file{suffix}"
        copy.write_bytes(data)
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", _PROGRAM, str(copy)],
                capture_output=True,
                timeout=TIME_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise fail("", f"took SandiaSpecUtils more than {TIME_LIMIT_S} s") from None
    if done.returncode != 0:
        raise fail("", "has no format that blackett or SandiaSpecUtils can read")
    return done.stdout.decode("utf-8", "replace")


def _spectrum(entry: Node, root: Node) -> Spectrum:
    counts = count_array([v.number() for v in entry.need("counts").items()])
    if int(counts.sum()) >= MAX_TOTAL_COUNTS:
        raise fail(entry.place, "must hold less than 2^62 counts")
    live_s, real_s = entry.need("live").number(), entry.need("real").number()
    if live_s <= 0:
        raise fail(entry.place, "states no live time")
    serial = root.need("serial").text()
    device, warnings = radiacode.device_of(serial, root.need("model").text())
    return Spectrum(
        counts=counts,
        calibration=_axis(entry, counts.size),
        live_time_s=live_s,
        real_time_s=real_s if real_s > 0 else None,
        device=device,
        serial=serial,
        name=entry.need("title").text(),
        overflow_channel=radiacode.overflow_channel(device, counts.size),
        live_time_rule=f"{radiacode.LIVE_STATED}, read by SandiaSpecUtils",
        warnings=(*warnings, "read by SandiaSpecUtils"),
    )


def _axis(entry: Node, n_channels: int) -> EnergyAxis | None:
    model = entry.need("model").text()
    if model == "Polynomial":
        return EnergyCalibration(tuple(v.number() for v in entry.need("coefficients").items()))
    if model in ("UnspecifiedUsingDefaultPolynomial", "InvalidEquationType"):
        return None
    edges = [v.number() for v in entry.need("edges").items()]
    if len(edges) == n_channels and n_channels > 1:
        edges.append(2 * edges[-1] - edges[-2])
    if len(edges) != n_channels + 1:
        return None
    return TabulatedCalibration(np.array(edges))

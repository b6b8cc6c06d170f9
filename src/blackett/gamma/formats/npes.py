"""NPESv2 JSON, the exchange format of OpenGammaProject/Gamma-MCA (members that it does not know
are refused, as in its schema).

Holds: counts, polynomial calibration, real time in whole seconds (`measurementTime`), device,
start, name, comment, background. There is no live time in it: it is found from the measurement
time as for RadiaCode XML, and a spectrum whose live time would not come back is not written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats import parsing, radiacode
from blackett.gamma.formats.jsontree import Node, parse_json
from blackett.gamma.formats.parsing import fail
from blackett.gamma.spectrum import MAX_CHANNELS, MAX_TOTAL_COUNTS, Spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from blackett.arrays import IntArray

VERSION = "NPESv2"
_MAX_SECONDS = 10**10


@dataclass(frozen=True)
class _Header:
    """What an entry says of both its spectra."""

    device: str
    start: datetime | None
    name: str
    comment: str


def read_npes(document: str) -> list[Spectrum]:
    """All spectra of the file, each with its background.

    Raises FileFormatError (without the file's name) for anything that breaks the schema.
    """
    root = parse_json(document)
    root.only("schemaVersion", "data")
    version = root.need("schemaVersion")
    if version.text() != VERSION:
        raise fail(version.place, f"must be {VERSION!r}")
    entries = root.need("data").items()
    if not 1 <= len(entries) <= parsing.MAX_SPECTRA:
        raise fail("$.data", f"must hold 1 to {parsing.MAX_SPECTRA} entries, not {len(entries)}")
    return [_entry(entry) for entry in entries]


def _entry(entry: Node) -> Spectrum:
    entry.only("deviceData", "sampleInfo", "resultData")
    result = entry.need("resultData")
    result.only("startTime", "endTime", "energySpectrum", "backgroundEnergySpectrum")
    header = _header(entry, result)
    main = _spectrum(result.need("energySpectrum"), header)
    back = result.get("backgroundEnergySpectrum")
    if back is None:
        return main
    of_background = replace(header, start=None, name="", comment="")
    return replace(main, background=_spectrum(back, of_background))


def _header(entry: Node, result: Node) -> _Header:
    device = entry.need("deviceData")
    device.only("softwareName", "deviceName")
    device.need("softwareName").text()
    sample = entry.get("sampleInfo") or Node({}, entry.place)
    sample.only("name", "location", "time", "weight", "volume", "note")
    start, end = result.get("startTime"), result.get("endTime")
    if (start is None) != (end is None):
        raise fail(result.place, "must hold both startTime and endTime, or none")
    return _Header(
        _optional(device, "deviceName"),
        None if start is None else parsing.stamp(start.text(), start.place),
        _optional(sample, "name"),
        _optional(sample, "note"),
    )


def _optional(node: Node, key: str) -> str:
    found = node.get(key)
    return "" if found is None else found.text()


def _spectrum(node: Node, header: _Header) -> Spectrum:
    node.only(
        "numberOfChannels", "energyCalibration", "validPulseCount", "measurementTime", "spectrum"
    )
    counts = _counts(node)
    real_s = float(node.need("measurementTime").whole(1, _MAX_SECONDS))
    live_s, rule = radiacode.live_time(header.device, real_s, int(counts.sum()), node.place)
    axis = node.get("energyCalibration")
    return Spectrum(
        counts=counts,
        calibration=None if axis is None else _calibration(axis),
        live_time_s=live_s,
        real_time_s=real_s,
        device=header.device,
        start=header.start,
        name=header.name,
        comment=header.comment,
        overflow_channel=radiacode.overflow_channel(header.device, counts.size),
        live_time_rule=rule,
    )


def _counts(node: Node) -> IntArray:
    n_channels = node.need("numberOfChannels").whole(2, MAX_CHANNELS)
    listed = node.need("spectrum")
    values = [v.whole(0, MAX_TOTAL_COUNTS - 1) for v in listed.items()]
    if len(values) != n_channels:
        raise fail(listed.place, f"must hold {n_channels} channels, not {len(values)}")
    if sum(values) >= MAX_TOTAL_COUNTS:
        raise fail(listed.place, "must add up to less than 2^62")
    stated = node.get("validPulseCount")
    if stated is not None:
        stated.whole(0, MAX_TOTAL_COUNTS - 1)
    return np.array(values, dtype=np.int64)


def _calibration(node: Node) -> EnergyCalibration:
    node.only("polynomialOrder", "coefficients")
    values = [v.number() for v in node.need("coefficients").items()]
    order = node.need("polynomialOrder")
    if order.whole(0, 100) != len(values) - 1:
        raise fail(order.place, f"does not fit {len(values)} coefficients")
    return EnergyCalibration(tuple(values))


# -- writing -----------------------------------------------------------------------------------


def write_npes(spectra: Sequence[Spectrum]) -> str:
    """The spectra as one document; raises InputError for what the format cannot hold."""
    document = {"schemaVersion": VERSION, "data": [_write_entry(s) for s in spectra]}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _write_entry(spectrum: Spectrum) -> dict[str, object]:
    result: dict[str, object] = {}
    if spectrum.start is not None:
        result = {
            "startTime": spectrum.start.isoformat(),
            "endTime": _end(spectrum.start, spectrum),
        }
    result["energySpectrum"] = _write_spectrum(spectrum, spectrum.device)
    if spectrum.background is not None:
        result["backgroundEnergySpectrum"] = _write_spectrum(spectrum.background, spectrum.device)
    return {
        "deviceData": {"softwareName": "blackett", "deviceName": spectrum.device},
        "sampleInfo": {"name": spectrum.name, "note": spectrum.comment},
        "resultData": result,
    }


def _end(start: datetime, spectrum: Spectrum) -> str:
    try:
        end = start + timedelta(seconds=spectrum.real_time_s or spectrum.live_time_s)
    except OverflowError:
        raise InputError(f"NPESv2 needs an end time, and {start} leaves none") from None
    return end.isoformat()


def _write_spectrum(spectrum: Spectrum, device: str) -> dict[str, object]:
    data: dict[str, object] = {"numberOfChannels": spectrum.n_channels}
    if isinstance(spectrum.calibration, EnergyCalibration):
        values = spectrum.calibration.coefficients_kev
        data["energyCalibration"] = {
            "polynomialOrder": len(values) - 1,
            "coefficients": list(values),
        }
    elif spectrum.calibration is not None:
        raise InputError("NPESv2 holds a polynomial calibration only: write CSV instead")
    return data | {
        "validPulseCount": spectrum.total_counts,
        "measurementTime": _whole_seconds(spectrum, device),
        "spectrum": spectrum.counts.tolist(),
    }


def _whole_seconds(spectrum: Spectrum, device: str) -> int:
    """The measurement time; InputError unless it is whole and gives the live time back."""
    stated = spectrum.real_time_s or spectrum.live_time_s
    real_s = round(stated)
    back_s, rule = radiacode.live_time(device, max(real_s, 1), spectrum.total_counts, "")
    if real_s < 1 or abs(back_s - spectrum.live_time_s) > 1e-9 * back_s or real_s != stated:
        raise InputError(
            f"NPESv2 holds whole seconds and no live time: {stated} s with live time "
            f"{spectrum.live_time_s} s ({rule} expected) would not come back; write XML, N42 or CSV"
        )
    return real_s

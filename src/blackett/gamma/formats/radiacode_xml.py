"""RadiaCode and BecqMoni XML (`ResultDataFile`, FormatVersion 120920).

Holds: counts, polynomial calibration, live and real time, device, serial number, start, name,
comment, one background each. StartTime and EndTime stand before the spectrum that they belong to,
so a file with a background has two pairs. Without `LiveTime` (older RadiaCode apps) the live time
is `MeasurementTime`, a real time, less 5 us a count; other devices: `MeasurementTime` as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats import parsing, radiacode
from blackett.gamma.formats.parsing import fail
from blackett.gamma.formats.writing import decimal, xml_text
from blackett.gamma.formats.xmltree import Element, parse_xml
from blackett.gamma.spectrum import MAX_CHANNELS, Spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from blackett.arrays import IntArray

ROOT = "ResultDataFile"
_BEFORE = {"EnergySpectrum": 0, "BackgroundEnergySpectrum": 1}


def read_xml(document: str) -> list[Spectrum]:
    """All spectra of the file, each with its embedded background.

    Raises FileFormatError (without the file's name) for anything that breaks the format.
    """
    root, notes = parse_xml(document)
    results = [e for e in root.walk() if e.tag == "ResultData"]
    if not 1 <= len(results) <= parsing.MAX_SPECTRA:
        raise fail(
            root.place, f"must hold 1 to {parsing.MAX_SPECTRA} ResultData, not {len(results)}"
        )
    return [_result(result, notes) for result in results]


@dataclass(frozen=True)
class _Header:
    """What a ResultData says of both its spectra."""

    device: str
    name: str
    note: str


def _result(result: Element, notes: tuple[str, ...]) -> Spectrum:
    header = _Header(
        result.string("DeviceConfigReference", "Name"),
        result.string("SampleInfo", "Name"),
        result.string("SampleInfo", "Note"),
    )
    found: dict[str, Spectrum] = {}
    start: datetime | None = None
    for child in result.children:
        if child.tag == "StartTime":
            start = parsing.stamp(child.text, child.place)
        elif child.tag in _BEFORE and child.children:
            if child.tag in found:
                raise fail(child.place, "must stand once in a ResultData")
            found[child.tag] = _spectrum(child, header, start)
            start = None
    if "EnergySpectrum" not in found:
        raise fail(result.place, "must contain an <EnergySpectrum> with data")
    main = found["EnergySpectrum"]
    return replace(
        main,
        background=found.get("BackgroundEnergySpectrum"),
        warnings=notes + main.warnings,
    )


def _spectrum(element: Element, header: _Header, start: datetime | None) -> Spectrum:
    serial = parsing.text(element.string("SerialNumber"), element.place)
    device, warnings = radiacode.device_of(serial, header.device)
    counts = _counts(element)
    total = int(counts.sum())
    live_s, real_s, rule = _times(element, device, total)
    foreground = element.tag == "EnergySpectrum"
    name = element.string("SpectrumName") or (header.name if foreground else "")
    comment = element.string("Comment") or (header.note if foreground else "")
    return Spectrum(
        counts=counts,
        calibration=_calibration(element),
        live_time_s=live_s,
        real_time_s=real_s,
        device=parsing.text(device, element.place),
        serial=serial,
        start=start,
        name=parsing.text(name, element.place),
        comment=parsing.text(comment, element.place),
        overflow_channel=radiacode.overflow_channel(device, counts.size),
        live_time_rule=rule,
        warnings=warnings,
    )


def _counts(element: Element) -> IntArray:
    points = element.need("Spectrum").all("DataPoint")
    counts = parsing.counts([p.text for p in points], f"{element.place}, Spectrum")
    stated = element.need("NumberOfChannels")
    n_channels = parsing.whole(stated.text, stated.place, 2, MAX_CHANNELS)
    if n_channels != counts.size:
        raise fail(stated.place, f"says {n_channels} channels, but {counts.size} are there")
    return counts


def _times(element: Element, device: str, total: int) -> tuple[float, float | None, str]:
    """Live time, real time and the rule; a LiveTime of 0 (BecqMoni) counts as not stated."""
    stated = element.first("MeasurementTime")
    real_s = None if stated is None else parsing.seconds(stated.text, stated.place)
    live = element.first("LiveTime")
    if live is not None and parsing.number(live.text, live.place) != 0:
        return parsing.seconds(live.text, live.place), real_s, radiacode.LIVE_STATED
    if real_s is None:
        raise fail(element.place, "must contain <MeasurementTime> or <LiveTime>")
    live_s, rule = radiacode.live_time(device, real_s, total, element.place)
    return live_s, real_s, rule


def _calibration(element: Element) -> EnergyCalibration | None:
    block = element.first("EnergyCalibration", "Coefficients")
    if block is None:
        return None
    values = [parsing.number(c.text, c.place) for c in block.all("Coefficient")]
    if not any(values):
        return None
    order = element.first("EnergyCalibration", "PolynomialOrder")
    if order is not None and parsing.whole(order.text, order.place) != len(values) - 1:
        raise fail(
            order.place, f"says order {order.text}, but {len(values)} coefficients are there"
        )
    return EnergyCalibration(tuple(values))


# -- writing -----------------------------------------------------------------------------------


def write_xml(spectra: Sequence[Spectrum]) -> str:
    """The spectra as one document; raises InputError for what the format cannot hold."""
    results = "".join(map(_write_result, spectra))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<ResultDataFile xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        "<FormatVersion>120920</FormatVersion>\n"
        f"<ResultDataList>\n{results}</ResultDataList>\n</ResultDataFile>\n"
    )


def _write_result(spectrum: Spectrum) -> str:
    back = spectrum.background
    return (
        "<ResultData>\n"
        f"{_tags('DeviceConfigReference', _tag('Name', spectrum.device))}"
        f"{_tags('SampleInfo', _tag('Name', spectrum.name) + _tag('Note', ''))}"
        f"{_tag('BackgroundSpectrumFile', back.name if back else '')}"
        f"{_write_spectrum('EnergySpectrum', spectrum)}"
        f"{_write_spectrum('BackgroundEnergySpectrum', back) if back else ''}"
        "<Visible>true</Visible>\n</ResultData>\n"
    )


def _write_spectrum(tag: str, spectrum: Spectrum) -> str:
    points = "".join(f"<DataPoint>{n}</DataPoint>\n" for n in spectrum.counts.tolist())
    real = spectrum.real_time_s
    body = (
        f"{_tag('NumberOfChannels', str(spectrum.n_channels))}"
        f"{_tag('SpectrumName', spectrum.name)}"
        f"{_tag('Comment', spectrum.comment)}"
        f"{_tag('SerialNumber', spectrum.serial)}"
        f"{_write_calibration(spectrum)}"
        f"{'' if real is None else _tag('MeasurementTime', decimal(real))}"
        f"{_tag('LiveTime', decimal(spectrum.live_time_s))}"
        f"{_tags('Spectrum', points)}"
    )
    return _write_start(spectrum) + _tags(tag, body)


def _write_start(spectrum: Spectrum) -> str:
    if spectrum.start is None:
        return ""
    start = _tag("StartTime", spectrum.start.isoformat())
    if spectrum.real_time_s is None:
        return start
    try:
        end = spectrum.start + timedelta(seconds=spectrum.real_time_s)
    except OverflowError:
        return start
    return start + _tag("EndTime", end.isoformat())


def _write_calibration(spectrum: Spectrum) -> str:
    axis = spectrum.calibration
    if axis is None:
        return ""
    if not isinstance(axis, EnergyCalibration):
        raise InputError("XML holds a polynomial calibration only: write CSV instead")
    values = axis.coefficients_kev
    listed = "".join(_tag("Coefficient", repr(a)) for a in values)
    order = _tag("PolynomialOrder", str(len(values) - 1))
    return _tags("EnergyCalibration", order + _tags("Coefficients", listed))


def _tag(name: str, value: str) -> str:
    return f"<{name}>{xml_text(value)}</{name}>\n"


def _tags(name: str, inner: str) -> str:
    return f"<{name}>\n{inner}</{name}>\n"

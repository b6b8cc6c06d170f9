"""ANSI N42.42 XML: the 2012 form (namespace .../N42/2011/N42), and the 2006 form for reading.

Holds: counts, polynomial calibration, live and real time, device, serial number, start, name and
comment (as remarks), background. Rules: fractional counts are refused (they are no raw counts);
neutron detectors are passed over; one Background measurement becomes the background of every
other measurement, several are returned as spectra of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats import parsing, radiacode
from blackett.gamma.formats.parsing import fail
from blackett.gamma.formats.writing import one_line, xml_text
from blackett.gamma.formats.xmltree import Element, parse_xml
from blackett.gamma.spectrum import MAX_CHANNELS, Spectrum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blackett.arrays import IntArray

ROOTS = ("RadInstrumentData", "N42InstrumentData")
_NAMESPACE = "http://physics.nist.gov/N42/2011/N42"
_TITLE, _COMMENT = "Title:", "Comment:"
_ZERO_RUN = "CountedZeroes"


@dataclass(frozen=True)
class _File:
    """What a file says of all its measurements."""

    device: str
    serial: str
    calibrations: dict[str, Element]
    neutron: frozenset[str]
    notes: tuple[str, ...]


def read_n42(document: str) -> list[Spectrum]:
    """All gamma spectra of the file.

    Raises FileFormatError (without the file's name) for anything that breaks the format.
    """
    root, notes = parse_xml(document)
    elements = list(root.walk())
    file = _file(elements, notes)
    pairs = [
        (_is_background(measurement, spectrum), _spectrum(measurement, spectrum, file))
        for measurement, spectrum in _spectra(root, file)
    ]
    if not 1 <= len(pairs) <= parsing.MAX_SPECTRA:
        raise fail(
            root.place, f"must hold 1 to {parsing.MAX_SPECTRA} gamma spectra, not {len(pairs)}"
        )
    return parsing.with_backgrounds(pairs)


def _file(elements: list[Element], notes: tuple[str, ...]) -> _File:
    def first(*tags: str) -> str:
        return next((e.text for e in elements if e.tag in tags and e.text), "")

    serial = parsing.text(first("RadInstrumentIdentifier", "InstrumentID"), "instrument")
    stated = parsing.text(first("RadInstrumentModelName", "InstrumentModel"), "instrument")
    device, warnings = radiacode.device_of(serial, stated)
    calibrations = [e for e in elements if e.tag in ("EnergyCalibration", "Calibration")]
    detectors = [e for e in elements if e.tag == "RadDetectorInformation"]
    return _File(
        device,
        serial,
        {_id(e): e for e in calibrations if _id(e)},
        frozenset(_id(e) for e in detectors if e.string("RadDetectorCategoryCode") == "Neutron"),
        notes + warnings,
    )


def _id(element: Element) -> str:
    return element.attributes.get("id", "") or element.attributes.get("ID", "")


def _spectra(root: Element, file: _File) -> Iterator[tuple[Element, Element]]:
    """Each gamma spectrum with the measurement around it (2012: RadMeasurement)."""
    for measurement in root.walk():
        for spectrum in measurement.all("Spectrum"):
            detector = spectrum.attributes.get("radDetectorInformationReference", "")
            if detector not in file.neutron and spectrum.first("ChannelData") is not None:
                yield measurement, spectrum


def _is_background(measurement: Element, spectrum: Element) -> bool:
    code = measurement.string("MeasurementClassCode") or spectrum.string("SourceType")
    return code.lower() == "background"


def _spectrum(measurement: Element, element: Element, file: _File) -> Spectrum:
    counts = _counts(element.need("ChannelData"))
    real = measurement.first("RealTimeDuration") or element.first("RealTime")
    real_s = None if real is None else parsing.duration(real.text, real.place)
    live = element.first("LiveTimeDuration") or element.first("LiveTime")
    if live is None:
        raise fail(element.place, "must contain a live time")
    start = measurement.first("StartDateTime") or element.first("StartTime")
    title, comment = _remarks(measurement)
    return Spectrum(
        counts=counts,
        calibration=_calibration(element, file),
        live_time_s=parsing.duration(live.text, live.place),
        real_time_s=real_s,
        device=file.device,
        serial=file.serial,
        start=None if start is None else parsing.stamp(start.text, start.place),
        name=title,
        comment=comment,
        overflow_channel=radiacode.overflow_channel(file.device, counts.size),
        live_time_rule=radiacode.LIVE_STATED,
        warnings=file.notes,
    )


def _remarks(measurement: Element) -> tuple[str, str]:
    """Name and comment: remarks that begin with 'Title:', and all others."""
    texts = [e.text for e in measurement.all("Remark") if e.text]
    titles = [t for t in texts if t.startswith(_TITLE)]
    rest = [t.removeprefix(_COMMENT).strip() for t in texts if not t.startswith(_TITLE)]
    name = titles[0].removeprefix(_TITLE) if titles else ""
    return parsing.text(name, measurement.place), parsing.text("\n".join(rest), measurement.place)


def _counts(data: Element) -> IntArray:
    code = data.attributes.get("compressionCode") or data.attributes.get("Compression") or "None"
    words = data.text.split()
    if code == _ZERO_RUN:
        words = _unpacked(words, data.place)
    elif code != "None":
        raise fail(data.place, f"compressionCode must be None or {_ZERO_RUN}, not {code[:40]!r}")
    return parsing.counts(words, data.place)


def _unpacked(words: list[str], place: str) -> list[str]:
    """CountedZeroes: every 0 is followed by how many zeros it stands for."""
    result: list[str] = []
    rest = iter(words)
    for word in rest:
        if parsing.number(word, place) != 0:
            result.append(word)
            continue
        run = next(rest, None)
        if run is None:
            raise fail(place, "must tell after each 0 how many zeros it stands for")
        result.extend(["0"] * parsing.whole(run, place, 1, MAX_CHANNELS))
        if len(result) > MAX_CHANNELS:
            raise fail(place, f"must hold at most {MAX_CHANNELS} channels")
    return result


def _calibration(spectrum: Element, file: _File) -> EnergyCalibration | None:
    wanted = spectrum.attributes.get("energyCalibrationReference", "")
    wanted = wanted or spectrum.attributes.get("CalibrationIDs", "").split(" ")[0]
    block: Element | None
    if wanted:
        if wanted not in file.calibrations:
            raise fail(spectrum.place, f"refers to a calibration {wanted[:40]!r} that is not there")
        block = file.calibrations[wanted]
    else:
        inner = [*spectrum.all("Calibration"), *spectrum.all("EnergyCalibration")]
        block = next((e for e in inner if e.attributes.get("Type", "Energy") == "Energy"), None)
    return None if block is None else _polynomial(block)


def _polynomial(block: Element) -> EnergyCalibration | None:
    unit = block.attributes.get("EnergyUnits", "keV")
    if unit != "keV":
        raise fail(block.place, f"must be in keV, not {parsing.shown(unit)}")
    values = block.first("CoefficientValues") or block.first("Equation", "Coefficients")
    if values is None:
        raise fail(block.place, "must hold a polynomial: other axes are not read")
    numbers = [parsing.number(word, values.place) for word in values.text.split()]
    return EnergyCalibration(tuple(numbers)) if any(numbers) else None


# -- writing -----------------------------------------------------------------------------------


def write_n42(spectra: Sequence[Spectrum]) -> str:
    """One spectrum, with its background, as an N42-2012 document.

    Raises InputError for several spectra: N42 names the instrument once and does not say which
    background belongs to which spectrum.
    """
    if len(spectra) != 1:
        raise InputError(f"N42 is written one spectrum a file, not {len(spectra)}")
    main = spectra[0]
    back = main.background
    if back is not None and (back.device, back.serial) != (main.device, main.serial):
        raise InputError("N42 names one instrument: the background is of another one")
    body = _write_axis(main, "cal-fg") + (_write_axis(back, "cal-bg") if back else "")
    body += _write_measurement(main, "fg", "Foreground")
    body += _write_measurement(back, "bg", "Background") if back else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<RadInstrumentData xmlns="{_NAMESPACE}">\n'
        "<RadInstrumentDataCreatorName>blackett</RadInstrumentDataCreatorName>\n"
        f"{_write_instrument(main)}{body}</RadInstrumentData>\n"
    )


def _write_instrument(spectrum: Spectrum) -> str:
    maker = "Radiacode" if radiacode.is_radiacode(spectrum.device) else "unknown"
    return (
        '<RadInstrumentInformation id="instrument">\n'
        f"<RadInstrumentManufacturerName>{maker}</RadInstrumentManufacturerName>\n"
        f"<RadInstrumentIdentifier>{_line(spectrum, 'serial')}</RadInstrumentIdentifier>\n"
        f"<RadInstrumentModelName>{_line(spectrum, 'device')}</RadInstrumentModelName>\n"
        "<RadInstrumentClassCode>Spectroscopic Personal Radiation Detector"
        "</RadInstrumentClassCode>\n"
        "<RadInstrumentVersion>"
        "<RadInstrumentComponentName>Software</RadInstrumentComponentName>"
        "<RadInstrumentComponentVersion>unknown</RadInstrumentComponentVersion>"
        "</RadInstrumentVersion>\n"
        "</RadInstrumentInformation>\n"
        '<RadDetectorInformation id="detector">\n'
        "<RadDetectorCategoryCode>Gamma</RadDetectorCategoryCode>\n"
        f"<RadDetectorKindCode>{_crystal(spectrum.device)}</RadDetectorKindCode>\n"
        "</RadDetectorInformation>\n"
    )


def _crystal(device: str) -> str:
    """N42 code of the scintillator: GAGG in the 103G, CsI in every other RadiaCode."""
    if not radiacode.is_radiacode(device):
        return "Other"
    return "GAGG" if device.upper().endswith("103G") else "CsI"


def _line(spectrum: Spectrum, field: str) -> str:
    return xml_text(one_line(getattr(spectrum, field), field))


def _write_axis(spectrum: Spectrum, name: str) -> str:
    axis = spectrum.calibration
    if axis is None:
        return ""
    if not isinstance(axis, EnergyCalibration):
        raise InputError("N42 is written with a polynomial calibration only: write CSV instead")
    values = " ".join(map(repr, axis.coefficients_kev))
    return (
        f'<EnergyCalibration id="{name}">\n'
        f"<CoefficientValues>{values}</CoefficientValues>\n</EnergyCalibration>\n"
    )


def _write_measurement(spectrum: Spectrum, name: str, code: str) -> str:
    axis = f' energyCalibrationReference="cal-{name}"' if spectrum.calibration else ""
    real, start = spectrum.real_time_s, spectrum.start
    return (
        f'<RadMeasurement id="{name}">\n'
        f"{_write_remark(_TITLE, spectrum.name)}{_write_remark(_COMMENT, spectrum.comment)}"
        f"<MeasurementClassCode>{code}</MeasurementClassCode>\n"
        f"{'' if start is None else _tag('StartDateTime', start.isoformat())}"
        f"{'' if real is None else _tag('RealTimeDuration', _iso(real))}"
        f'<Spectrum id="{name}-spectrum" radDetectorInformationReference="detector"{axis}>\n'
        f"<LiveTimeDuration>{_iso(spectrum.live_time_s)}</LiveTimeDuration>\n"
        f'<ChannelData compressionCode="{_ZERO_RUN}">{_packed(spectrum.counts)}</ChannelData>\n'
        "</Spectrum>\n</RadMeasurement>\n"
    )


def _tag(name: str, value: str) -> str:
    return f"<{name}>{value}</{name}>\n"


def _write_remark(key: str, value: str) -> str:
    return f"<Remark>{key} {xml_text(value)}</Remark>\n" if value else ""


def _iso(seconds: float) -> str:
    """ISO duration in plain decimals, exact to the last digit of the double."""
    return f"PT{np.format_float_positional(seconds, trim='-')}S"


def _packed(counts: IntArray) -> str:
    words: list[str] = []
    zeros = 0
    for count in [*counts.tolist(), None]:
        if count == 0:
            zeros += 1
            continue
        if zeros:
            words += ["0", str(zeros)]
            zeros = 0
        if count is not None:
            words.append(str(count))
    return " ".join(words)

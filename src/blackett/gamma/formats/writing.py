"""What all writers share: texts that the format can hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.gamma.spectrum import Spectrum

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(value: str) -> str:
    """Text as it stands inside an XML element; raises InputError for characters XML cannot hold."""
    bad = _NOT_XML.search(value)
    if bad is not None:
        raise InputError(f"XML cannot hold the character {bad.group()!r} in {value[:60]!r}")
    return escape(value, {"\r": "&#13;"})


def check_plain(spectra: Sequence[Spectrum], form: str) -> None:
    """Refuse masked channels, which would be read back as counts."""
    every = [*spectra, *(s.background for s in spectra if s.background is not None)]
    if any(spectrum.masked_channels for spectrum in every):
        raise InputError(f"{form} cannot say which channels are masked: trim them off or write CSV")


def decimal(value: float) -> str:
    """The shortest decimal that reads back as the same number; whole numbers without a point."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def one_line(value: str, field: str) -> str:
    """Text without line breaks or outer blanks; raises InputError for any other."""
    if value != value.strip() or len(value.splitlines()) > 1:
        raise InputError(f"{field} must be one line without blanks at its ends, not {value[:60]!r}")
    return value

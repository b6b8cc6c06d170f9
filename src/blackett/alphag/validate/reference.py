"""Another report's numbers beside one's own: measured events against simulated ones.

A wall of known radius does not say what a method makes of it (one with a prior draws vertices
towards the axis); the same method on simulated atoms does.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.errors import FileFormatError
from blackett.report import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blackett.alphag.validate.records import Finding

__all__ = ["compared", "read_reference"]

_KEYS = ("check", "quantity", "where", "method")


def read_reference(path: str | Path) -> dict[tuple[str, ...], Estimate]:
    """Estimates by check, quantity, place and method from the report.json of another run.

    Raises `FileFormatError` for a file that is none.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        return {tuple(f[k] for k in _KEYS): _estimate(f["estimate"]) for f in data["checks"]}
    except OSError as error:
        raise FileFormatError(str(path), "", f"cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(
            str(path), "", "is no report.json of 'blackett alphag validate'"
        ) from error


def _estimate(found: Mapping[str, Any]) -> Estimate:
    names = ("value", "low", "high")
    return Estimate(*(np.nan if found[n] is None else float(found[n]) for n in names))


def compared(
    findings: Iterable[Finding], reference: Mapping[tuple[str, ...], Estimate]
) -> tuple[Finding, ...]:
    """The findings with the other report's numbers beside them where it has them."""
    keyed = ((f, tuple(getattr(f, k) for k in _KEYS)) for f in findings)
    return tuple(
        replace(f, reference=reference[key]) if key in reference else f for f, key in keyed
    )

"""Templates are built once and kept in the user's cache folder (`cachefile`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma.cachefile import PHYSICS, content_hash, kept_arrays
from blackett.gamma.detector import detector
from blackett.gamma.response import response_name
from blackett.gamma.templates.columns import Axis, Kept, Library, RoomColumns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blackett.gamma.detector import Detector

__all__ = ["library"]

MADE_FROM = (
    *PHYSICS, "room.py",
    "templates/building.py", "templates/columns.py", "templates/looks.py",
)  # fmt: skip
"""What templates depend on, beside the detector's response table."""


def _made_from(instrument: Detector) -> tuple[str, ...]:
    return (*MADE_FROM, f"data/{response_name(instrument)}.npz")


@cache
def library(name: str) -> Library:
    """The templates of a detector (by name), from the user's cache folder or built anew."""
    instrument = detector(name)
    sha256 = content_hash(_made_from(instrument))

    def build() -> Mapping[str, np.ndarray]:
        from blackett.gamma.templates import building  # slow to import, and seldom needed

        return building.build(name)._asdict()

    return _assembled(instrument, sha256, Kept(**kept_arrays(f"templates-{name}", sha256, build)))


def _assembled(instrument: Detector, sha256: str, kept: Kept) -> Library:
    axis = Axis(*kept.axis.tolist())
    return Library(
        detector=instrument,
        by_energy=np.ascontiguousarray(kept.by_energy),
        source_of=tuple(kept.source_of.tolist()),
        own_share=kept.own_share,
        line_kev=kept.line_kev,
        line_share=kept.line_share,
        counts_per_decay=kept.counts_per_decay,
        reach_kev=kept.reach_kev,
        log_prior=kept.log_prior,
        widths=kept.widths,
        room=RoomColumns(
            kept.room_columns, kept.room_logarithmic, kept.room_centre, kept.room_sigma
        ),
        fluorescence=kept.fluorescence.astype(np.float64),
        sha256=sha256,
        **axis._asdict(),
    )

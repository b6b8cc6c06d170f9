"""The library of templates: what each reportable source looks like to one detector.

A column is the cumulative distribution of counts over true energy, after the detector's
resolution, of one source in one scene, normalised to one count. It lives on a grid uniform in the
square root of the energy, where a scintillator's resolution is nearly constant, and is tabulated
for a few widths.
Non-negative mixtures of a source's looks (`looks`) stand for all shields and surroundings between
them.

`library` builds the columns (`building`) from the response matrices and scene kernels in some
seconds and keeps them in the user's cache folder (`cache`). Using kept ones needs none of the
physics they were made with, so looks are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackett.gamma.templates.cache import library
from blackett.gamma.templates.columns import (
    CONTINUUM,
    GAIN_SIGMA,
    OFFSET_SIGMA_KEV,
    Library,
    RoomColumns,
)
from blackett.lazy import on_first_use

if TYPE_CHECKING:
    from blackett.gamma.templates.building import LOCAL_CPS_PER_CM3, LOG_PRIOR
    from blackett.gamma.templates.looks import EXTENDED_SCENES, REFERENCE_MM, STOPPER_OF, Look

__all__ = [
    "CONTINUUM",
    "EXTENDED_SCENES",
    "GAIN_SIGMA",
    "LOCAL_CPS_PER_CM3",
    "LOG_PRIOR",
    "OFFSET_SIGMA_KEV",
    "REFERENCE_MM",
    "STOPPER_OF",
    "Library",
    "Look",
    "RoomColumns",
    "library",
]
_HOME = {
    "EXTENDED_SCENES": "looks",
    "LOCAL_CPS_PER_CM3": "building",
    "LOG_PRIOR": "building",
    "Look": "looks",
    "REFERENCE_MM": "looks",
    "STOPPER_OF": "looks",
}

__getattr__ = on_first_use(__name__, _HOME)

"""The answer to "which radionuclides?" as a record, the same for every method and user.

`Identification` is what the command line prints, the Python call returns and the web page shows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from blackett.gamma.evidence import Goodness, LineEvidence

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "BackgroundOrigin",
    "Calibration",
    "Candidate",
    "Identification",
    "Model",
    "NotDetected",
    "NuclideFound",
    "Verdict",
]

Verdict = Literal["background", "identified", "unknown", "insufficient"]
BackgroundOrigin = Literal["embedded", "file", "modelled"]
METHODS = ("hybrid", "unmix", "net")
DEFAULT_METHOD = "hybrid"


@dataclass(frozen=True)
class NuclideFound:
    """A source declared present above background."""

    nuclide: str
    probability: float
    significance_sigma: float
    net_cps: float
    net_cps_interval_95: tuple[float, float]
    activity_bq: float | None
    activity_bq_interval_95: tuple[float, float] | None
    lines: tuple[LineEvidence, ...]


@dataclass(frozen=True)
class Candidate:
    """A source considered and not declared."""

    nuclide: str
    probability: float


@dataclass(frozen=True)
class NotDetected:
    """A source that is absent, or weaker than its detection limit (ISO 11929, 95 %)."""

    nuclide: str
    mda_cps: float


@dataclass(frozen=True)
class Calibration:
    """How the fit found the axis and the resolution: true = gain x stored + offset."""

    gain: float
    offset_kev: float
    fwhm_662_percent: float


@dataclass(frozen=True)
class Model:
    """What answered."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Identification:
    """The answer for one spectrum; `to_dict` gives the JSON object of the command line."""

    file: str
    spectrum: int
    detector: str
    live_time_s: float
    counts: int
    verdict: Verdict
    nuclides: tuple[NuclideFound, ...]
    candidates: tuple[Candidate, ...]
    not_detected: tuple[NotDetected, ...]
    unknown_probability: float
    goodness_of_fit: Goodness | None
    calibration: Calibration | None
    background: BackgroundOrigin
    model: Model
    method: str
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return asdict(self)

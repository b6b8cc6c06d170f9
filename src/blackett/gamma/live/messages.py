"""Records of live use, from the device's reading to the update that a page or script shows.

All times are Unix seconds (UTC) by the host's clock, or by the virtual clock of an emulated
device; ages are seconds before the record's own time. Counts are whole numbers. `to_dict` gives
plain types, ready for JSON; a number that is not known is None and never made up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from blackett.arrays import IntArray, frozen

if TYPE_CHECKING:
    from blackett.gamma.identification import Identification
    from blackett.gamma.live.overlay import FitCurves

__all__ = [
    "NO_DEVICE",
    "Aged",
    "Change",
    "ChangeKind",
    "Decision",
    "DeviceHealth",
    "DeviceInfo",
    "DeviceState",
    "ProbabilityHistory",
    "Rate",
    "Reading",
    "SpectrumView",
    "Update",
    "WaterfallRow",
]

DeviceState = Literal["connected", "stale", "retrying", "absent"]
"""connected: values are current. stale: linked, but the newest value is older than three periods.
retrying: the link broke, a new one is being made. absent: no device is found."""
ChangeKind = Literal["arrived", "left", "reset", "recalibrated", "gap"]


@dataclass(frozen=True)
class DeviceInfo:
    """What answers at the other end of the link."""

    model: str
    """Name for people, such as RadiaCode-103; empty when unknown."""
    serial: str
    firmware: str
    transport: Literal["usb", "bluetooth", "emulated", "none"]
    channels: int
    """Channels of its spectrum, the overflow channel included; 0 when unknown."""

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return dict(vars(self))


NO_DEVICE = DeviceInfo("", "", "", "none", 0)


@dataclass(frozen=True)
class Reading:
    """What one poll of the device gave: its counters, and the newest rates and environment.

    Nothing is subtracted here: `counts` are the device's own, since its last reset. Values that
    come rarely are repeated with the time at which they came.
    """

    received_s: float
    """Unix time at which the spectrum's reply was complete."""
    counts: IntArray
    """Cumulative counts (channels,), the overflow channel (the last) included."""
    device_s: int
    """Seconds counted by the device since its last reset."""
    coefficients_kev: tuple[float, float, float]
    """Energy of the centre of channel c: a0 + a1 c + a2 c²."""
    cps: float | None = None
    """Count rate as the device averages it."""
    cps_error_percent: float | None = None
    dose_usv_h: float | None = None
    """Dose rate, µSv/h (the device's roentgen times 10 000)."""
    dose_error_percent: float | None = None
    rates_at_s: float | None = None
    """Unix time at which rate and dose were received."""
    temperature_c: float | None = None
    battery_percent: float | None = None
    rare_at_s: float | None = None
    """Unix time at which temperature and battery were received."""
    notes: tuple[str, ...] = ()
    """What was odd about this poll: unknown events, sequence gaps, in sentences."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", frozen(self.counts, np.int64))

    @property
    def channels(self) -> int:
        """Number of channels, the overflow channel included."""
        return int(self.counts.size)

    @property
    def overflow(self) -> int:
        """Counts of the overflow channel."""
        return int(self.counts[-1])

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return vars(self) | {
            "counts": self.counts.tolist(),
            "coefficients_kev": list(self.coefficients_kev),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Aged:
    """A value and how old it is; both None when it never came."""

    value: float | None = None
    age_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return {"value": self.value, "age_s": self.age_s}


@dataclass(frozen=True)
class Rate:
    """A value with its error of one standard deviation, in per cent, and its age."""

    value: float | None = None
    error_percent: float | None = None
    age_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return {"value": self.value, "error_percent": self.error_percent, "age_s": self.age_s}


@dataclass(frozen=True)
class DeviceHealth:
    """State of the link, and the age of everything that is shown."""

    state: DeviceState
    since_s: float
    """Unix time since which the state holds."""
    device: DeviceInfo = NO_DEVICE
    last_error: str = ""
    """The newest failure in a sentence, kept after recovery; empty if there was none."""
    last_error_at_s: float | None = None
    retry_in_s: float | None = None
    """Seconds until the next attempt, while retrying or absent."""
    connections: int = 0
    """Links made since the start, the present one included."""
    spectrum_age_s: float | None = None
    rates_age_s: float | None = None
    temperature_c: Aged = Aged()
    battery_percent: Aged = Aged()

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return vars(self) | {
            "device": self.device.to_dict(),
            "temperature_c": self.temperature_c.to_dict(),
            "battery_percent": self.battery_percent.to_dict(),
        }


@dataclass(frozen=True)
class SpectrumView:
    """Counts of a stretch of time on their energy axis; the overflow channel stands apart."""

    counts: IntArray
    """Counts a channel (channels - 1,): the usable ones."""
    coefficients_kev: tuple[float, float, float]
    """Energy of the centre of channel c: a0 + a1 c + a2 c²."""
    live_time_s: float
    real_time_s: float
    overflow: int
    """Counts above the axis."""
    begin_s: float | None = None
    """Unix time from which on these counts came; None where nobody knows."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", frozen(self.counts, np.int64))

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return vars(self) | {
            "counts": self.counts.tolist(),
            "coefficients_kev": list(self.coefficients_kev),
        }


@dataclass(frozen=True)
class WaterfallRow:
    """Counts that came since the previous row, on the same channels as the spectra."""

    time_s: float
    """Unix time at the end of the row."""
    seconds: float
    """Length of the row; longer than a period after a gap."""
    counts: IntArray
    """Counts (channels - 1,)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", frozen(self.counts, np.int64))

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return vars(self) | {"counts": self.counts.tolist()}


@dataclass(frozen=True)
class Change:
    """Something that began a new stretch of the measurement."""

    kind: ChangeKind
    """arrived, left: the rate rose or fell; reset, recalibrated: the device's counters or axis
    changed; gap: the device could not be read for a while."""
    time_s: float
    """Unix time at which it happened, as estimated."""
    noticed_s: float
    """Unix time at which it was noticed."""
    text: str
    """One sentence for people."""
    cps_before: float | None = None
    cps_after: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class ProbabilityHistory:
    """The newest probabilities of one nuclide, oldest first; times are Unix seconds."""

    nuclide: str
    times_s: tuple[float, ...]
    probabilities: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return {
            "nuclide": self.nuclide,
            "times_s": list(self.times_s),
            "probabilities": list(self.probabilities),
        }


@dataclass(frozen=True)
class Decision:
    """What the sequential test has declared about the present stretch, and when."""

    verdict: Literal["waiting", "background", "identified", "unknown", "insufficient"]
    """waiting: less than five seconds, or nothing said yet."""
    nuclides: tuple[str, ...]
    """Declared now, in the order of declaration."""
    stable: bool
    """The answer has not changed for a while (`stream.Rules.stable_s`)."""
    since_s: float | None
    """Unix time since which this answer holds."""
    time_to_decision_s: dict[str, float] = field(default_factory=dict)
    """For each declared nuclide: seconds from the begin of the stretch to its declaration."""
    stretch_start_s: float | None = None
    """Unix time at which the present stretch began (the start, a change, a reset)."""
    changes: tuple[Change, ...] = ()
    """The newest changes, oldest first."""
    false_alarms_per_hour: float = 0.0
    """Bound on the rate of false declarations over pure background (docs/live.md)."""

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return vars(self) | {
            "nuclides": list(self.nuclides),
            "time_to_decision_s": dict(self.time_to_decision_s),
            "changes": [change.to_dict() for change in self.changes],
        }


@dataclass(frozen=True)
class Update:
    """One beat of a live measurement: all that a page or a script needs to show."""

    sequence: int
    """Rises by one from update to update, from 1 on."""
    time_s: float
    health: DeviceHealth
    since_start: SpectrumView | None
    """All counts since the start, on the present axis; None before the first reading."""
    window: SpectrumView | None
    """Counts of the newest window (`stream.Rules.window_s`)."""
    stretch: SpectrumView | None
    """Counts since the last change: what the answer is about."""
    waterfall: WaterfallRow | None
    """The row that this beat added; None when no reading came."""
    cps: Rate
    """Count rate, counted by us over the newest seconds, overflow included."""
    device_cps: Rate
    """Count rate as the device averages it."""
    dose_usv_h: Rate
    identification: Identification | None
    """The newest answer, about `stretch` at `identified_at_s`."""
    identified_at_s: float | None
    identification_ms: float | None
    """Time that the identification took."""
    fit: FitCurves | None
    """The parts of the fit behind `identification`, for drawing; None where nothing was fitted."""
    history: tuple[ProbabilityHistory, ...]
    """The tail of the probabilities of everything declared or considered lately."""
    decision: Decision
    background: Literal["set", "learned", "modelled"]
    """Which background the answer used: set by the user, learned from a quiet stretch, or none
    measured (modelled)."""
    notes: tuple[str, ...] = ()
    """What was odd lately, in sentences."""

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""

        def plain(record: Any) -> Any:
            return None if record is None else record.to_dict()

        whole = ("health", "since_start", "window", "stretch", "waterfall", "cps", "device_cps",
                 "dose_usv_h", "identification", "fit", "decision")  # fmt: skip
        return (
            vars(self)
            | {name: plain(getattr(self, name)) for name in whole}
            | {"history": [one.to_dict() for one in self.history], "notes": list(self.notes)}
        )

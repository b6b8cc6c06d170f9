"""What an emulated device sees: sources that come and go in a room, or a recording played again.

A scenario is written as clauses, parted by `;` or new lines, or as TOML:

    Cs-137 appears after 30 s at 20 cm, leaves after 120 s; room 7 cps

A clause about a source names it, then in any order, parted by commas or not:
`37 kBq` or `3 cps` (net, at the detector; 37 kBq where neither is given), `at 20 cm`,
`behind 5 mm of lead`, `as jar` (an extended source), `appears after 30 s`, `leaves after 120 s`.
Others: `room 7 cps` (counts per second of background; the typical room's own where left out),
`room drawn`, `detector radiacode-102`, `unit drawn` (a unit with the axis errors of real ones),
`seed 3`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from blackett.arrays import FloatArray, IntArray, frozen
from blackett.errors import FileFormatError, InputError
from blackett.gamma.detector import Detector, detector
from blackett.gamma.room import CONCENTRATION_OF, draw_room, room_components
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import (
    BINS,
    Unit,
    draw_unit,
    expected_counts,
    nominal_unit,
    source_rate,
)
from blackett.gamma.sources import source
from blackett.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.random import Generator

    from blackett.gamma.spectrum import Spectrum

__all__ = ["Appearance", "Play", "Recorded", "Scenario", "SimulatedScene", "play_file", "scenario"]

DEFAULT_BQ = 37_000.0
"""One microcurie, the usual exempt check source."""
MOST_PIECES = 1000


class Play(Protocol):
    """Something that gives counts as time passes."""

    @property
    def instrument(self) -> Detector:
        """The detector that counts."""

    @property
    def coefficients_kev(self) -> tuple[float, float, float]:
        """Energy axis of the stored channels."""

    @property
    def channels(self) -> int:
        """Channels, the overflow channel (the last) included."""

    def counts_between(self, begin_s: float, end_s: float, rng: Generator) -> IntArray:
        """Counts (channels,) that come between two times since the start, in seconds."""


# ----------------------------------------------------------------------------------- simulated


@dataclass(frozen=True)
class Appearance:
    """One source that comes and goes. Give `activity_bq` or `net_cps`, not both."""

    name: str
    activity_bq: float | None = None
    net_cps: float | None = None
    scene: Scene = field(default_factory=lambda: Scene(200.0))
    arrives_s: float = 0.0
    leaves_s: float = float("inf")

    def __post_init__(self) -> None:
        source(self.name)
        strengths = [v for v in (self.activity_bq, self.net_cps) if v is not None]
        if len(strengths) > 1:
            raise InputError(f"{self.name}: give an activity or counts per second, not both")
        if not all(0.0 <= v < 1e9 for v in strengths):
            raise InputError(f"{self.name}: a strength of {strengths[0]} must be from 0 to 1e9")
        if not 0.0 <= self.arrives_s < self.leaves_s:
            raise InputError(
                f"{self.name} must arrive at 0 s or later and leave after it arrives, "
                f"not at {self.arrives_s:g} and {self.leaves_s:g} s"
            )


@dataclass(frozen=True)
class Scenario:
    """A room, a unit and its visitors; one seed gives one course of events."""

    sources: tuple[Appearance, ...] = ()
    room_cps: float | None = None
    """Background counts per second; None: what the room gives by itself."""
    room: str = "typical"
    """typical: medians of all priors; drawn: one of the rooms of the simulation."""
    unit: str = "nominal"
    """nominal: a perfect calibration; drawn: with the spreads of real units."""
    detector: str = "radiacode-103"
    seed: int = 1

    def __post_init__(self) -> None:
        detector(self.detector)
        if self.room not in ("typical", "drawn") or self.unit not in ("nominal", "drawn"):
            raise InputError(f"room {self.room!r} (typical, drawn), unit {self.unit!r} "
                             "(nominal, drawn)")  # fmt: skip
        if self.room_cps is not None and not 0.0 <= self.room_cps <= 1e5:
            raise InputError(f"a room of {self.room_cps} counts per second: 0 to 1e5 are allowed")


class SimulatedScene:
    """A `Scenario` as counts: piecewise constant expectations, Poisson counts."""

    def __init__(self, of: Scenario, channels: int | None = None) -> None:
        rng = generator(of.seed)
        self.instrument = detector(of.detector)
        unit = (
            draw_unit(self.instrument, rng) if of.unit == "drawn" else nominal_unit(self.instrument)
        )
        self.unit = unit if channels is None else with_channels(unit, channels)
        self._room = _room_rate(of, self.unit, rng)
        self._visitors = [(one, _visitor_rate(one, self.unit)) for one in of.sources]
        times = {t for one in of.sources for t in (one.arrives_s, one.leaves_s) if np.isfinite(t)}
        self._cuts = sorted(times)
        self._expected: dict[int, FloatArray] = {}

    @property
    def coefficients_kev(self) -> tuple[float, float, float]:
        """Energy axis of the stored channels."""
        return self.unit.coefficients_kev

    @property
    def channels(self) -> int:
        """Channels, the overflow channel included."""
        return self.unit.channels

    def expected_per_second(self, time_s: float) -> FloatArray:
        """Expected counts per second (channels,) at a time since the start."""
        piece = int(np.searchsorted(self._cuts, time_s, side="right"))
        if piece not in self._expected:
            here = [rate for one, rate in self._visitors if one.arrives_s <= time_s < one.leaves_s]
            total = np.asarray(self._room + sum(here, np.zeros(BINS)))
            self._expected[piece] = frozen(expected_counts(total, self.unit, 1.0)[0])
        return self._expected[piece]

    def counts_between(self, begin_s: float, end_s: float, rng: Generator) -> IntArray:
        """Counts (channels,) that come between two times since the start, in seconds."""
        cuts = [begin_s, *(c for c in self._cuts if begin_s < c < end_s), end_s]
        expected = np.zeros(self.channels)
        for low, high in pairwise(cuts):
            expected += max(high - low, 0.0) * self.expected_per_second(low)
        return frozen(rng.poisson(expected), np.int64)


def with_channels(unit: Unit, channels: int) -> Unit:
    """The unit with another number of channels on the same energies, as old firmware has them."""
    factor = unit.channels / channels
    a0, a1, a2 = unit.coefficients_kev
    return replace(unit, channels=channels, coefficients_kev=(a0, a1 * factor, a2 * factor**2))


def _room_rate(of: Scenario, unit: Unit, rng: Generator) -> FloatArray:
    if of.room == "drawn":
        rate = draw_room(unit.detector, BINS, rng)
    else:
        rate = _typical_room(unit.detector)
    return np.asarray(rate if of.room_cps is None else rate * (of.room_cps / _cps(rate, unit)))


@cache
def _typical_room(instrument: Detector) -> FloatArray:
    """Counts per second by deposited energy (BINS,) at the medians of all priors."""
    parts = room_components(instrument, BINS)
    return frozen(np.sum([p.rate for p in parts if p.name in CONCENTRATION_OF], axis=0))


def _visitor_rate(one: Appearance, unit: Unit) -> FloatArray:
    if one.net_cps is not None:
        rate = source_rate(one.name, 1.0, one.scene, unit.detector)
        return rate * (one.net_cps / _cps(rate, unit))
    activity = DEFAULT_BQ if one.activity_bq is None else one.activity_bq
    return source_rate(one.name, activity, one.scene, unit.detector)


def _cps(rate: FloatArray, unit: Unit) -> float:
    """Counts per second above the threshold; raises InputError if there are none."""
    counts, live_time_s = expected_counts(rate, unit, 1.0)
    cps = float(counts.sum() / live_time_s)
    if not cps > 0.0:
        raise InputError("a source without photons that this detector counts has no counts/s")
    return cps


# ------------------------------------------------------------------------------------ recorded


class Recorded:
    """A recording played again: each row's counts come in random order during its seconds.

    After one full pass exactly the recorded counts have come; then it begins anew.
    Raises InputError when the recording has no energy axis that a RadiaCode can hold.
    """

    def __init__(
        self, counts: IntArray, seconds: FloatArray, coefficients_kev: tuple[float, float, float],
        instrument: Detector,
    ) -> None:  # fmt: skip
        self._counts, self._ends = counts, np.cumsum(seconds)
        self.coefficients_kev, self.instrument = coefficients_kev, instrument
        self.channels = int(counts.shape[1])
        self._row, self._left, self._played_s = 0, counts[0].copy(), 0.0

    def counts_between(self, begin_s: float, end_s: float, rng: Generator) -> IntArray:
        """Counts (channels,) of the next end_s - begin_s seconds of the recording."""
        made = np.zeros(self.channels, dtype=np.int64)
        to_play = end_s - begin_s
        while to_play > 0.0:
            left_s = float(self._ends[self._row]) - self._played_s
            step = min(to_play, left_s)
            share = 1.0 if to_play >= left_s else step / left_s
            drawn = rng.binomial(self._left, min(max(share, 0.0), 1.0))
            made += drawn
            self._left -= drawn
            self._played_s += step
            to_play -= left_s if to_play >= left_s else to_play
            if share == 1.0:
                self._next_row()
        return made

    def _next_row(self) -> None:
        self._row = (self._row + 1) % self._counts.shape[0]
        self._left = self._counts[self._row].copy()
        if self._row == 0:
            self._played_s = 0.0


def play_file(path: Path) -> Recorded:
    """The recording in any supported file: a spectrogram row by row, or the first spectrum.

    Raises FileFormatError for a file that cannot be read, InputError for one that a RadiaCode
    cannot have made.
    """
    from blackett.gamma import formats

    if _is_recording(path):
        return _own_recording(path)
    try:
        rows = formats.read_spectrogram(path)
        return recorded(rows.total, rows.counts, rows.seconds)
    except FileFormatError:
        spectrum = formats.read(path)[0]
    seconds = spectrum.real_time_s or spectrum.live_time_s
    return recorded(spectrum, spectrum.counts[None, :], frozen([seconds]))


def _is_recording(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False  # the readers of formats say what is wrong


def _own_recording(path: Path) -> Recorded:
    """The newest axis of one of our recordings, beat by beat."""
    from blackett.gamma.live.exports import recorded_rows

    of, counts, seconds = recorded_rows(path)
    return recorded(of, counts, seconds)


def recorded(of: Spectrum, counts: IntArray, seconds: FloatArray) -> Recorded:
    """Rows (r, channels) of a spectrum's recording as something to play; see `Recorded`."""
    from blackett.gamma.calibration import EnergyCalibration
    from blackett.gamma.identification import choose_detector

    if of.n_channels not in (256, 1024) or not isinstance(of.calibration, EnergyCalibration):
        raise InputError(
            "only recordings of 256 or 1024 channels with a polynomial axis can be played as a "
            f"RadiaCode: this one has {of.n_channels} channels"
        )
    coefficients = (*of.calibration.coefficients_kev, 0.0)
    if len(coefficients) > 4 and any(coefficients[3:]):
        raise InputError("a RadiaCode's axis has three coefficients: this recording has more")
    instrument, _ = choose_detector(of, None)
    return Recorded(
        counts, seconds, (coefficients[0], coefficients[1], coefficients[2]), instrument
    )


# ------------------------------------------------------------------------------------- language

_NUMBER = r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?)"
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "min": 60.0, "minutes": 60.0, "h": 3600.0}
_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_BQ = {"bq": 1.0, "kbq": 1e3, "mbq": 1e6}


def scenario(text: str) -> Scenario:
    """A scenario from clauses, or from a TOML file if `text` ends in .toml; see the module.

    Raises InputError that shows the words which are not understood, FileFormatError for TOML.
    """
    if text.strip().endswith(".toml"):
        return _from_toml(Path(text.strip()))
    made = Scenario()
    for clause in re.split(r"[;\n]", text):
        if clause.strip():
            made = _with_clause(made, clause.strip())
    return made


def _with_clause(of: Scenario, clause: str) -> Scenario:
    words = clause.split()
    key, value = words[0].lower(), " ".join(words[1:]).lower()
    if key == "room" and (found := re.fullmatch(rf"{_NUMBER} cps", value)):
        return replace(of, room_cps=float(found[1]))
    if key == "room" and len(words) == 2:
        return replace(of, room=value)
    if key == "unit":
        return replace(of, unit=value)
    if key == "detector":
        return replace(of, detector=value)
    if key == "seed" and value.isdigit():
        return replace(of, seed=int(value))
    if len(of.sources) >= MOST_PIECES:
        raise InputError(f"a scenario may have {MOST_PIECES} sources")
    return replace(of, sources=(*of.sources, _appearance(clause)))


def _phrases() -> tuple[tuple[str, Callable[[re.Match[str]], dict[str, Any]]], ...]:
    """What may follow the name of a source, and the fields that it gives."""
    times, lengths = "|".join(_SECONDS), "|".join(_MM)
    return (
        (rf"{_NUMBER} (bq|kbq|mbq)", lambda m: {"activity_bq": float(m[1]) * _BQ[m[2]]}),
        (rf"{_NUMBER} cps", lambda m: {"net_cps": float(m[1])}),
        (rf"at {_NUMBER} ({lengths})", lambda m: {"distance_mm": float(m[1]) * _MM[m[2]]}),
        (rf"behind {_NUMBER} mm(?: of)? (\w+)", lambda m: {"shield": ((m[2], float(m[1])),)}),
        (rf"(?:appears|arrives) after {_NUMBER} ({times})",
         lambda m: {"arrives_s": float(m[1]) * _SECONDS[m[2]]}),
        (rf"leaves after {_NUMBER} ({times})",
         lambda m: {"leaves_s": float(m[1]) * _SECONDS[m[2]]}),
        (r"as (radon air|radon plate-out|soil bag|\w+)", lambda m: {"extended": m[1]}),
    )  # fmt: skip


def _appearance(clause: str) -> Appearance:
    name, _, rest = clause.partition(" ")
    left, fields = rest.lower().strip(" ,"), dict[str, Any]()
    while left:
        for pattern, read in _phrases():
            found = re.match(rf"(?:and )?{pattern}(?=[\s,]|$)", left)
            if found:
                new = read(found)
                new["shield"] = fields.get("shield", ()) + new.get("shield", ())
                fields |= new
                left = left[found.end() :].strip(" ,")
                break
        else:
            raise InputError(
                f"scenario {clause!r}: cannot read {left!r}; a source is followed by '37 kBq', "
                "'3 cps', 'at 20 cm', 'behind 5 mm of lead', 'as jar', 'appears after 30 s', "
                "'leaves after 120 s'"
            )
    return _placed(name, fields)


def _placed(name: str, fields: dict[str, Any]) -> Appearance:
    extended = fields.pop("extended", None)
    distance = fields.pop("distance_mm", None if extended else 200.0)
    shield = tuple((str(m), float(t)) for m, t in fields.pop("shield", ()))
    return Appearance(name, scene=Scene(distance, shield, extended=extended), **fields)


_TOP = {"room_cps", "room", "unit", "detector", "seed", "source"}
_SOURCE = {"name", "activity_bq", "net_cps", "distance_mm", "shield", "extended", "arrives_s",
           "leaves_s"}  # fmt: skip


def _from_toml(path: Path) -> Scenario:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileFormatError(str(path), "", f"cannot be read as TOML: {error}") from None
    try:
        _only(table, _TOP, "scenario")
        entries: Sequence[dict[str, Any]] = table.pop("source", [])
        for entry in entries:
            _only(entry, _SOURCE, "source")
        return Scenario(
            sources=tuple(_placed(str(e.pop("name", "")), dict(e)) for e in entries), **table
        )
    except (InputError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(str(path), "", str(error)) from None


def _only(table: dict[str, Any], allowed: set[str], what: str) -> None:
    extra = sorted(set(table) - allowed)
    if extra:
        raise InputError(f"{what} has no {extra[0]!r}; it may have {', '.join(sorted(allowed))}")

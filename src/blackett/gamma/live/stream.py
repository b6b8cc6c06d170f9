"""From increments to answers, second by second; pure: it reads no clock and no device.

A measurement is cut into stretches. One begins at the start and at each change of the rate
(`changes`); the answer is about all counts of the present stretch, so that a source is neither
diluted by what came before it nor remembered after it left. A quiet stretch becomes the background
of those after it; a background set by the user comes before a learned one.

    stream.add(increment)            # counts of the last second
    asked = stream.question()        # from five seconds on; None when nothing is due
    stream.take(asked, identify(asked.spectrum, asked.background))   # 50 to 150 ms, elsewhere

A rise that is suspected, but too small to be told as a change, is looked at every second against
what came before it: if a nuclide explains it, it is a change.

A nuclide is declared when `confirm_looks` answers in a row hold it, and withdrawn when
`release_looks` in a row do not. Each answer asks for twice a log-likelihood ratio of 36 and more
(`unmix.Settings.needed`): docs/live.md derives and measures what that means for repeated looks.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.formats.radiacode import DEAD_TIME_S, LIVE_DEAD_TIME
from blackett.gamma.live.changes import ChangeDetector, in_bands
from blackett.gamma.live.decisions import Rules, Standing, count_streaks
from blackett.gamma.live.messages import (
    Change,
    Decision,
    ProbabilityHistory,
    Rate,
    SpectrumView,
    WaterfallRow,
)
from blackett.gamma.spectrum import Spectrum

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.identification import Identification
    from blackett.gamma.live.changes import Detected
    from blackett.gamma.live.continuity import Increment
    from blackett.gamma.live.overlay import FitCurves

__all__ = ["Look", "Question", "Rules", "Stream"]

KEPT_BEATS = 302
"""Increments kept one by one: as many as a change can lie back."""


@dataclass
class _Sum:
    """Counts and seconds that add up."""

    counts: IntArray
    begin_s: float
    end_s: float
    seconds: float = 0.0

    def add(self, one: Increment) -> None:
        self.counts = self.counts + one.counts
        self.seconds += one.seconds
        self.end_s = one.end_s


@dataclass(frozen=True)
class Look:
    """One answer and what it was about."""

    time_s: float
    found: Identification
    background: Literal["set", "learned", "modelled"]
    fit: FitCurves | None = None


@dataclass
class _Stretch:
    """The present stretch: its counts, what was said of them, and a rise that is suspected."""

    total: _Sum
    standing: Standing
    looked_s: float = 0.0
    suspect: Detected | None = None
    suspect_streak: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, eq=False)
class Question:
    """Something to identify; hand the answer back with `Stream.take`."""

    spectrum: Spectrum
    background: Spectrum | None
    origin: Literal["set", "learned", "modelled"]
    end_s: float
    stretch: _Stretch
    suspect: Detected | None
    beat: int


class Stream:
    """State of a live measurement; feed it increments in their order."""

    def __init__(
        self, answer: Callable[[Spectrum, Spectrum | None], Identification],
        rules: Rules | None = None, device: str = "", serial: str = "",
    ) -> None:  # fmt: skip
        self._answer, self.rules = answer, rules or Rules()
        self.device, self.serial = device, serial
        self._set_background: Spectrum | None = None
        self._learned: Spectrum | None = None
        self._kept: deque[Increment] = deque(maxlen=KEPT_BEATS)
        self._beat = 0
        self._whole: _Sum | None = None
        self._stretch: _Stretch | None = None
        self._energies: FloatArray = np.zeros(0)
        self._axis = (0.0, 1.0, 0.0)
        self._detector = ChangeDetector(self.rules.suspicion)
        self._changes: deque[Change] = deque(maxlen=50)
        self._history: deque[tuple[float, dict[str, float]]] = deque(maxlen=self.rules.history)
        self._shown_history: tuple[ProbabilityHistory, ...] = ()
        self.newest: Look | None = None

    # -- taking counts ------------------------------------------------------------------------

    def set_background(self, background: Spectrum | None) -> None:
        """Use a measured background, or none; InputError if it has no energy axis."""
        if background is not None:
            _ = background.edges_kev
        self._set_background = background
        if self._stretch is not None:
            self._stretch.looked_s = 0.0

    def add(self, one: Increment) -> list[Change]:
        """Take the counts between two readings; the changes that they show."""
        changes = [self._note(one)] if one.kind != "regular" else []
        if self._whole is None or one.kind == "recalibrated":
            self._begin(one)
        assert self._whole is not None and self._stretch is not None  # noqa: S101 (just begun)
        self._whole.add(one)
        self._stretch.total.add(one)
        self._kept.append(one)
        self._beat += 1
        found = self._detector.add(one.seconds, in_bands(one.counts, self._energies))
        self._stretch.suspect = self._suspected(found)
        if found is not None and found.ratio >= self.rules.change_threshold:
            changes.append(self._split(found, one.end_s))
        self._changes.extend(changes)
        return changes

    def restart(self) -> None:
        """Forget all counts: another device goes on."""
        self._whole = self._stretch = self._learned = self.newest = None
        self._kept.clear()

    def _suspected(self, found: Detected | None) -> Detected | None:
        """A rise in a quiet stretch that is long enough to serve as background."""
        stretch = self._stretch_now()
        if found is None or not found.risen or stretch.standing.declared:
            return None
        before_s = stretch.total.seconds - self._since(found).seconds
        return found if before_s >= self.rules.quiet_s else None

    def _since(self, found: Detected) -> _Sum:
        """What came after a change."""
        after = list(self._kept)[-found.beats_ago :]
        total = _Sum(np.zeros_like(after[0].counts), after[0].begin_s, after[0].begin_s)
        for one in after:
            total.add(one)
        return total

    def _begin(self, one: Increment) -> None:
        """A first or a new axis: nothing counted before can be added to what follows."""
        self._axis = one.coefficients_kev
        self._energies = EnergyCalibration(self._axis).energy_kev(np.arange(one.counts.size))
        self._whole = _Sum(np.zeros_like(one.counts), one.begin_s, one.begin_s)
        self._kept.clear()
        self._learned = None
        self._new_stretch(_Sum(np.zeros_like(one.counts), one.begin_s, one.begin_s))

    def _new_stretch(self, total: _Sum) -> None:
        self._stretch = _Stretch(total, Standing())
        self.newest = None  # an answer about counts that are no longer shown
        self._detector = ChangeDetector(self.rules.suspicion)

    def _note(self, one: Increment) -> Change:
        texts = {
            "reset": "the device's spectrum was reset by somebody: counting goes on from zero",
            "recalibrated": "the device's energy axis was changed: a new spectrum begins",
            "gap": f"no reading for {one.end_s - one.begin_s:.0f} s: the device counted on",
        }
        kind: Literal["reset", "recalibrated", "gap"] = one.kind  # type: ignore[assignment]
        return Change(kind, one.begin_s, one.end_s, texts[one.kind])

    def _split(self, found: Detected, now: float) -> Change:
        """End the stretch at a change and begin one with what came since."""
        total = self._since(found)
        self._learned = self._quiet_before(total) or self._learned
        self._new_stretch(total)
        for one in list(self._kept)[-found.beats_ago :]:
            self._detector.add(one.seconds, in_bands(one.counts, self._energies))
        kind: Literal["arrived", "left"] = "arrived" if found.risen else "left"
        rates = f"from {found.cps_before:.3g} to {found.cps_after:.3g} counts/s"
        word = "rose" if found.risen else "fell"
        return Change(
            kind, total.begin_s, now, f"the rate {word} {rates}", found.cps_before, found.cps_after
        )

    def _quiet_before(self, after: _Sum) -> Spectrum | None:
        """The stretch without what came after a change, if it was quiet and long.

        Quiet: looked at often enough, and nothing was named in it before the change.
        """
        old = self._stretch_now()
        seconds = old.total.seconds - after.seconds
        first_s, looks = old.standing.first_named_s, old.standing.looks
        named = first_s is not None and first_s <= after.begin_s
        if named or looks < self.rules.confirm_looks or seconds < self.rules.quiet_s:
            return None
        counts = frozen(old.total.counts - after.counts, np.int64)
        return self._spectrum(counts, seconds, old.total.begin_s)

    # -- looking ------------------------------------------------------------------------------

    def due(self) -> bool:
        """Whether a look is worth its time now."""
        return self._suspect_due() or self._regular_due()

    def _suspect_due(self) -> bool:
        suspect = None if self._stretch is None else self._stretch.suspect
        return suspect is not None and suspect.beats_ago >= self.rules.first_answer_s

    def _regular_due(self) -> bool:
        if self._stretch is None:
            return False
        seconds, looked_s = self._stretch.total.seconds, self._stretch.looked_s
        if seconds < self.rules.first_answer_s or seconds <= looked_s:
            return False
        grown = seconds >= (1.0 + self.rules.growth) * looked_s
        return grown or self._stretch.standing.pending(self.rules)

    def question(self) -> Question | None:
        """What to identify now, a suspected rise first; None when nothing is due."""
        if self._stretch is None or not self.due():
            return None
        stretch = self._stretch
        suspect, stretch.suspect = stretch.suspect, None
        if suspect is not None and suspect.beats_ago >= self.rules.first_answer_s:
            rise = self._since(suspect)
            room = self._set_background or self._quiet_before(rise)
            part = self._spectrum(rise.counts, rise.seconds, rise.begin_s)
            return Question(part, room, "learned", rise.end_s, stretch, suspect, self._beat)
        stretch.looked_s = stretch.total.seconds
        room, origin = self._background()
        end_s = stretch.total.end_s
        whole = self.stretch_spectrum()
        return Question(whole, room, origin, end_s, stretch, None, self._beat)

    def take(self, asked: Question, found: Identification, fit: FitCurves | None = None) -> None:
        """The answer to a question, with the curves of its fit to show.

        One about a stretch that has ended is left out.
        """
        if asked.stretch is not self._stretch:
            return
        if asked.suspect is not None:
            self._take_suspect(asked, asked.suspect, found)
            return
        self.newest = Look(asked.end_s, found, asked.origin, fit)
        probabilities = {n.nuclide: n.probability for n in found.nuclides}
        probabilities |= {c.nuclide: c.probability for c in found.candidates}
        self._history.append((asked.end_s, probabilities))
        self._shown_history = self._histories()
        total = self._stretch.total
        self._stretch.standing.judge(found, total.seconds, total.end_s, self.rules)

    def _take_suspect(self, asked: Question, suspect: Detected, found: Identification) -> None:
        """A suspected rise that a nuclide explained often enough becomes a change."""
        streak, named = asked.stretch.suspect_streak, [n.nuclide for n in found.nuclides]
        count_streaks(streak, named, {*streak, *named})
        beats_ago = suspect.beats_ago + self._beat - asked.beat
        if beats_ago > len(self._kept):
            return
        if any(streak[name] >= self.rules.confirm_looks for name in named):
            now = self._kept[-1].end_s
            self._changes.append(self._split(replace(suspect, beats_ago=beats_ago), now))
            self._stretch_now().standing.streak.update({n: streak[n] - 1 for n in named})

    def look(self) -> None:
        """Ask and answer all that is due; raises what the identification raises."""
        while (asked := self.question()) is not None:
            self.take(asked, self._answer(asked.spectrum, asked.background))

    def _background(self) -> tuple[Spectrum | None, Literal["set", "learned", "modelled"]]:
        if self._set_background is not None:
            return self._set_background, "set"
        return (self._learned, "learned") if self._learned is not None else (None, "modelled")

    def stretch_spectrum(self) -> Spectrum:
        """The counts that the answer is about; raises InputError before any came."""
        total = self._stretch_now().total
        return self._spectrum(total.counts, total.seconds, total.begin_s)

    def _spectrum(self, counts: IntArray, seconds: float, begin_s: float) -> Spectrum:
        return Spectrum(
            counts=counts,
            calibration=EnergyCalibration(self._axis),
            live_time_s=_live_s(counts, seconds),
            real_time_s=seconds,
            device=self.device,
            serial=self.serial,
            start=datetime.fromtimestamp(begin_s, UTC),
            name="live",
            overflow_channel=int(counts.size) - 1,
            live_time_rule=LIVE_DEAD_TIME,
        )

    def _stretch_now(self) -> _Stretch:
        if self._stretch is None:
            raise InputError("no counts have come yet")
        return self._stretch

    # -- showing ------------------------------------------------------------------------------

    def since_start(self) -> SpectrumView | None:
        """All counts since the start, or since the axis changed."""
        return None if self._whole is None else self._view_of(self._whole)

    def stretch(self) -> SpectrumView | None:
        """The counts since the last change."""
        return None if self._stretch is None else self._view_of(self._stretch.total)

    def window(self) -> SpectrumView | None:
        """Counts of the newest `window_s` seconds."""
        newest = self._latest(self.rules.window_s)
        if not newest:
            return None
        counts = np.sum([one.counts for one in newest], axis=0)
        return self._view(counts, sum(one.seconds for one in newest), newest[-1].begin_s)

    def row(self) -> WaterfallRow | None:
        """The newest row of the spectrogram."""
        if not self._kept:
            return None
        newest = self._kept[-1]
        return WaterfallRow(newest.end_s, newest.seconds, newest.counts[:-1])

    def cps(self, now: float) -> Rate:
        """Counts per second over the newest seconds, with its Poisson error."""
        newest = self._latest(self.rules.rate_s)
        seconds = sum(one.seconds for one in newest)
        if not seconds:
            return Rate()
        counts = sum(int(one.counts.sum()) for one in newest)
        error = 100.0 / counts**0.5 if counts else None
        return Rate(counts / seconds, error, now - newest[0].end_s)

    def _latest(self, seconds: float) -> list[Increment]:
        """The newest increments that begin less than `seconds` before the end, newest first."""
        made: list[Increment] = []
        for one in reversed(self._kept):
            if self._kept[-1].end_s - one.begin_s > seconds + 0.5 and made:
                break
            made.append(one)
        return made

    def _view_of(self, total: _Sum) -> SpectrumView:
        return self._view(total.counts, total.seconds, total.begin_s)

    def _view(self, counts: IntArray, seconds: float, begin_s: float) -> SpectrumView:
        live_s = _live_s(counts, seconds)
        return SpectrumView(counts[:-1], self._axis, live_s, seconds, int(counts[-1]), begin_s)

    def history(self) -> tuple[ProbabilityHistory, ...]:
        """Probabilities of all that was declared or considered lately, 0 where it was neither.

        The same object until the next look: the updates between share it.
        """
        return self._shown_history

    def _histories(self) -> tuple[ProbabilityHistory, ...]:
        names = dict.fromkeys(name for _, found in self._history for name in found)
        times = tuple(time_s for time_s, _ in self._history)
        return tuple(
            ProbabilityHistory(name, times, tuple(f.get(name, 0.0) for _, f in self._history))
            for name in names
        )

    def decision(self) -> Decision:
        """What is declared now."""
        stretch, rules = self._stretch, self.rules
        if stretch is None or stretch.standing.looks == 0 or self.newest is None:
            start = None if stretch is None else stretch.total.begin_s
            return Decision("waiting", (), False, None, stretch_start_s=start,
                            changes=tuple(self._changes),
                            false_alarms_per_hour=rules.false_alarms_per_hour)  # fmt: skip
        standing, since = stretch.standing, stretch.standing.answer_since_s
        return Decision(
            verdict=standing.verdict(self.newest.found, rules),
            nuclides=tuple(standing.declared),
            stable=since is not None and stretch.total.end_s - since >= rules.stable_s,
            since_s=since,
            time_to_decision_s=dict(standing.declared),
            stretch_start_s=stretch.total.begin_s,
            changes=tuple(self._changes),
            false_alarms_per_hour=rules.false_alarms_per_hour,
        )


def _live_s(counts: IntArray, seconds: float) -> float:
    """Live time by the constant of the maker's app, never less than a tenth of the real time."""
    return max(seconds - DEAD_TIME_S * float(counts.sum()), 0.1 * seconds, 1e-3)

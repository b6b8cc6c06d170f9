"""When is an answer an answer? The rule that turns repeated identifications into declarations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blackett.gamma.identification import Identification

__all__ = ["Rules", "Standing", "count_streaks"]


@dataclass(frozen=True)
class Rules:
    """When to look and what to call an answer; the defaults are those of every published number."""

    first_answer_s: float = 5.0
    """Length of a stretch at its first look."""
    growth: float = 0.01
    """A look is due when the stretch has grown by this share since the last one, or by a beat."""
    window_s: float = 60.0
    """Length of the sliding window that is shown."""
    rate_s: float = 10.0
    """Time over which the shown count rate is taken."""
    change_threshold: float = 16.0
    """Log-likelihood ratio at which the rate is said to have changed (`changes`)."""
    suspicion: float = 9.0
    """Log-likelihood ratio at which a rise is looked at as if it were a change."""
    confirm_looks: int = 5
    release_looks: int = 5
    sure: float = 0.95
    """Probability (calibrated, against the best rival) from which a name is declared: with few
    counts it is sooner clear that something is there than what it is."""
    steady: float = 3.0
    """A less probable name is declared, too, once the stretch is this many times as long as when
    the name first came: what looks alike for ever must not wait for ever."""
    stable_s: float = 5.0
    """An answer that has held this long is called stable."""
    quiet_s: float = 60.0
    """Least length of a quiet stretch that can serve as background."""
    history: int = 120
    """Looks whose probabilities are kept."""
    false_alarms_per_hour: float = 1.0 / 24.0
    """Bound that the thresholds were chosen for, and that was measured (docs/live.md)."""

    def __post_init__(self) -> None:
        numbers = {n: v for n, v in vars(self).items() if not v > 0}
        if numbers:
            raise InputError(f"rules must be above 0: {numbers}")


@dataclass
class Standing:
    """What the looks at one stretch have said so far."""

    looks: int = 0
    streak: Counter[str] = field(default_factory=Counter)
    """Looks in a row that named each nuclide."""
    missing: Counter[str] = field(default_factory=Counter)
    """Looks in a row that did not name a declared one."""
    declared: dict[str, float] = field(default_factory=dict)
    """Declared nuclides, with the seconds from the begin of the stretch to the declaration."""
    begun_s: dict[str, float] = field(default_factory=dict)
    """Length of the stretch at the first of the looks in a row that named each nuclide."""
    first_named_s: float | None = None
    """Unix time at which anything was first named, or called unknown."""
    unknown_streak: int = 0
    answer: tuple[str, ...] = ()
    answer_since_s: float | None = None

    def judge(self, found: Identification, seconds: float, now_s: float, rules: Rules) -> None:
        """Take one look at the stretch, `seconds` long, at Unix time `now_s`."""
        self.looks += 1
        named = [n.nuclide for n in found.nuclides]
        count_streaks(self.streak, named, {*self.streak, *named})
        self.begun_s = {name: self.begun_s.get(name, seconds) for name in named}
        absent = [name for name in self.declared if name not in named]
        count_streaks(self.missing, absent, set(self.declared))
        for one in found.nuclides:
            sure = one.probability >= rules.sure
            sure |= seconds >= rules.steady * self.begun_s[one.nuclide]
            enough = sure and self.streak[one.nuclide] >= rules.confirm_looks
            if enough and one.nuclide not in self.declared:
                self.declared[one.nuclide] = round(seconds, 3)
        for name in absent:
            if self.missing[name] >= rules.release_looks:
                del self.declared[name]
        self.unknown_streak = self.unknown_streak + 1 if found.verdict == "unknown" else 0
        if self.first_named_s is None and (named or self.unknown_streak):
            self.first_named_s = now_s
        answer = (self.verdict(found, rules), *sorted(self.declared))
        if answer != self.answer:
            self.answer, self.answer_since_s = answer, now_s

    def pending(self, rules: Rules) -> bool:
        """Whether something is on its way to be declared or withdrawn."""
        named = {name for name, looks in self.streak.items() if looks}
        return named != set(self.declared) or 0 < self.unknown_streak < rules.confirm_looks

    def verdict(
        self, found: Identification, rules: Rules
    ) -> Literal["background", "identified", "unknown", "insufficient"]:
        """The present answer in a word."""
        if self.declared:
            return "identified"
        if found.verdict == "insufficient":
            return "insufficient"
        return "unknown" if self.unknown_streak >= rules.confirm_looks else "background"


def count_streaks(streaks: Counter[str], present: Iterable[str], known: set[str]) -> None:
    """Count one look: names that are `present` go on, the other `known` ones begin anew."""
    for name in known:
        streaks[name] = streaks[name] + 1 if name in present else 0

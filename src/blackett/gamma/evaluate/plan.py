"""What is asked: suites of trials, each with its conditions, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.gamma.detector import detector
from blackett.gamma.trials import Conditions, draw_sources, draw_trial, offered_names
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from blackett.gamma.trials import Trial

__all__ = ["CHUNK", "Plan", "Suite", "draw_chunk", "planned"]

CHUNK = 20
"""Trials that are drawn from one generator, whatever the number of workers."""
SINGLE, MIXED = 1, 3


@dataclass(frozen=True)
class Suite:
    """Trials under the same conditions. `most_sources` 0: the room alone."""

    name: str
    title: str
    conditions: Conditions
    trials: int
    most_sources: int = MIXED
    exactly: bool = False
    """Exactly `most_sources` sources, not 1 up to that number."""
    net_counts: tuple[float, float] | None = None
    """Log-uniform range of net counts, in place of the conditions' number."""
    in_turn: bool = False
    """One source a spectrum, all of them in turn."""


@dataclass(frozen=True)
class Plan:
    """All suites, and the seed they come from."""

    suites: tuple[Suite, ...]
    seed: int = 1

    def suite(self, name: str) -> Suite:
        """The suite of a name."""
        return next(s for s in self.suites if s.name == name)


def planned(
    trials: int = 200,
    backgrounds: int = 1000,
    detections: int = 1000,
    detector_name: str = "radiacode-103",
    seed: int = 1,
    stresses: int = 100,
) -> Plan:
    """The suites of an evaluation: rooms alone, three numbers of counts, singles over all counts
    with every source in turn, and stresses one at a time (none of 0 spectra).

    Raises InputError for fewer than 20 trials or 100 backgrounds, 1 detection, or 0 stresses.
    """
    if trials < CHUNK or backgrounds < 5 * CHUNK:
        raise InputError(
            f"{trials} trials, {backgrounds} backgrounds: give at least {CHUNK} and {5 * CHUNK}"
        )
    if detections < 1 or stresses < 0:
        raise InputError(f"{detections} detections, {stresses} stresses: give at least 1 and 0")
    usual = Conditions(detector=detector_name)
    suites = [Suite("background", "rooms alone", replace(usual, net_counts=0.0), backgrounds, 0)]
    suites += [
        Suite(f"counts-{n}", f"{n:,} net counts", replace(usual, net_counts=float(n)), trials)
        for n in (100, 1000, 10000)
    ]
    singles = Suite(
        "detection", "one source, 20 to 20,000 net counts", usual, detections, SINGLE,
        net_counts=(20.0, 20000.0), in_turn=True,
    )  # fmt: skip
    return Plan((*suites, singles, *(_stresses(usual, stresses) if stresses else ())), seed)


def _stresses(usual: Conditions, trials: int) -> list[Suite]:
    """One condition moved at a time, up to 3 sources with 2,000 net counts."""
    base = replace(usual, net_counts=2000.0)
    low, high = detector(usual.detector).resolution.range_662_percent
    moved = {
        "base": ("2,000 net counts, all else drawn", base),
        "gain-low": ("axis 4 % low", replace(base, gain_error=-0.04)),
        "gain-high": ("axis 4 % high", replace(base, gain_error=0.04)),
        "offset-low": ("axis 12 keV low", replace(base, offset_error_kev=-12.0)),
        "offset-high": ("axis 12 keV high", replace(base, offset_error_kev=12.0)),
        "sharp": (f"width {low:g} %", replace(base, fwhm_662_percent=low)),
        "broad": ("width 13 %", replace(base, fwhm_662_percent=max(13.0, high))),
        "lead": ("behind 6 mm of lead", replace(base, shield=(("lead", 6.0),))),
        "iron": ("behind 12 mm of iron", replace(base, shield=(("iron", 12.0),))),
        "close": ("15 to 25 mm away, with summing",
                  replace(base, distance_mm=(15.0, 25.0), shield=())),
        "other-room": ("background of another room", replace(base, background="other room")),
        "no-background": ("no background recording", replace(base, background="none")),
    }  # fmt: skip
    suites = [Suite(f"stress-{k}", title, c, trials) for k, (title, c) in moved.items()]
    suites += [
        Suite(f"mixture-{n}", f"exactly {n} sources", base, trials, n, exactly=True)
        for n in (1, 2, 4, 6)
    ]
    return suites


def draw_chunk(plan: Plan, suite: Suite, chunk: int) -> list[Trial]:
    """The trials of one chunk: the same whatever is drawn beside it."""
    position = plan.suites.index(suite)
    rng = numbered(plan.seed, 10_000 * position + chunk)
    count = min(CHUNK, suite.trials - chunk * CHUNK)
    names = offered_names(detector(suite.conditions.detector))
    return [_draw(suite, names, rng, chunk * CHUNK + i) for i in range(count)]


def _draw(suite: Suite, names: tuple[str, ...], rng: Generator, place: int) -> Trial:
    conditions = suite.conditions
    if suite.net_counts is not None:
        counts = float(np.exp(rng.uniform(*np.log(suite.net_counts))))
        conditions = replace(conditions, net_counts=counts)
    present = (names[place % len(names)],) if suite.in_turn else _sources(suite, names, rng)
    return draw_trial(present, conditions, rng)


def _sources(suite: Suite, names: tuple[str, ...], rng: Generator) -> tuple[str, ...]:
    if not suite.most_sources:
        return ()
    draw: Callable[[], tuple[str, ...]] = lambda: draw_sources(  # noqa: E731
        names, suite.most_sources, rng, like_owners=suite.most_sources > 1
    )
    chosen = draw()
    while suite.exactly and len(chosen) != suite.most_sources:
        chosen = draw()
    return chosen

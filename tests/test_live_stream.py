"""Stretches, changes, looks and decisions: the pure part of a live measurement."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.identification import Candidate, Identification, Model, NuclideFound
from blackett.gamma.live.changes import BANDS_KEV, ChangeDetector, in_bands
from blackett.gamma.live.continuity import Increment
from blackett.gamma.live.stream import Rules, Stream
from blackett.gamma.spectrum import Spectrum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AXIS = (0.0, 2.4, 0.0004)
EMPTY = Identification(
    "", 0, "radiacode-103", 1.0, 0, "background", (), (), (), 0.0, None, None, "modelled",
    Model("fake", "0", ""), "fake", (),
)  # fmt: skip


def answering(verdict: str, *names: str, probability: float = 0.99) -> Identification:
    found = tuple(NuclideFound(n, probability, 7.0, 1.0, (0.5, 1.5), None, None, ()) for n in names)
    return replace(EMPTY, verdict=verdict, nuclides=found)  # type: ignore[arg-type]


class Script:
    """Answers in their order, the last one for ever; remembers what it was asked."""

    def __init__(self, *answers: Identification) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Spectrum, Spectrum | None]] = []

    def __call__(self, spectrum: Spectrum, background: Spectrum | None) -> Identification:
        self.asked.append((spectrum, background))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def beats(cps: float, n: int, begin_s: float = 0.0, seed: int = 1) -> Iterator[Increment]:
    rng = np.random.default_rng(seed)
    shape = np.exp(-np.arange(1024) / 120.0)
    for i in range(n):
        counts = rng.poisson(cps * shape / shape.sum())
        yield Increment(begin_s + i, begin_s + i + 1, 1.0, counts, AXIS)


def run(stream: Stream, increments: Iterator[Increment]) -> int:
    looks = 0
    for one in increments:
        stream.add(one)
        if stream.due():
            stream.look()
            looks += 1
    return looks


def test_the_answer_comes_from_five_seconds_on_and_then_every_second() -> None:
    script = Script(EMPTY)
    stream = Stream(script)
    run(stream, beats(7.0, 4))
    assert not script.asked
    assert stream.decision().verdict == "waiting"
    looks = run(stream, beats(7.0, 60, 4.0, seed=2))
    assert looks == 60
    assert stream.decision().verdict == "background"
    assert stream.decision().stable


def test_looks_become_rare_when_a_second_adds_little() -> None:
    script = Script(EMPTY)
    assert run(Stream(script), beats(7.0, 2000)) < 100 + 100 * np.log(20) + 60
    assert script.asked[-1][0].real_time_s > 1900


def test_a_nuclide_needs_five_looks_in_a_row_and_leaves_after_five() -> None:
    yes, no = answering("identified", "Cs-137"), EMPTY
    stream = Stream(Script(yes, yes, no, yes, yes, yes, yes, yes, no, no, no, no, no))
    seen = []
    for one in beats(7.0, 18):
        stream.add(one)
        if stream.due():
            stream.look()
            seen.append(stream.decision().nuclides)
    declared = [bool(names) for names in seen[:13]]
    assert declared == [False] * 7 + [True] * 5 + [False]


def decided(*answers: Identification) -> dict[str, float]:
    """When a stretch that is looked at from 5 s on declares its first name."""
    stream = Stream(Script(*answers))
    for one in beats(7.0, 60):
        stream.add(one)
        if stream.due():
            stream.look()
        if stream.decision().nuclides:
            break
    return stream.decision().time_to_decision_s


def test_a_look_alike_waits_until_it_is_sure() -> None:
    likely = answering("identified", "F-18", probability=0.7)
    right = answering("identified", "Na-22", probability=0.96)
    assert decided(*[likely] * 8, right) == {"Na-22": 17.0}  # five looks, from 13 s on
    grown = [answering("identified", "Na-22", probability=p) for p in (*[0.8] * 7, 0.95)]
    assert decided(*grown) == {"Na-22": 12.0}


def test_what_looks_alike_for_ever_does_not_wait_for_ever() -> None:
    likely = answering("identified", "Th-232", probability=0.7)
    assert decided(EMPTY, likely) == {"Th-232": 18.0}  # three times the 6 s when it first came
    assert decided(likely, EMPTY, likely) == {"Th-232": 21.0}


def test_a_second_nuclide_is_declared_beside_the_first() -> None:
    one, two = answering("identified", "Cs-137"), answering("identified", "Cs-137", "Co-60")
    stream = Stream(Script(*[one] * 10, two))
    run(stream, beats(7.0, 30))
    assert stream.decision().time_to_decision_s == {"Cs-137": 9.0, "Co-60": 19.0}


def test_time_to_decision_counts_from_the_begin_of_the_stretch() -> None:
    stream = Stream(Script(answering("identified", "Cs-137")))
    run(stream, beats(7.0, 20))
    decision = stream.decision()
    assert decision.nuclides == ("Cs-137",)
    assert decision.time_to_decision_s == {"Cs-137": 9.0}
    assert decision.verdict == "identified"
    assert decision.since_s == 9.0
    assert decision.stable


def test_unknown_needs_five_looks_too() -> None:
    stream = Stream(Script(answering("unknown")))
    verdicts = []
    for one in beats(7.0, 9):
        stream.add(one)
        if stream.due():
            stream.look()
            verdicts.append(stream.decision().verdict)
    assert verdicts == [*["background"] * 4, "unknown"]


def test_a_source_that_arrives_and_leaves_cuts_the_stretch() -> None:
    script = Script(EMPTY)
    stream = Stream(script)
    run(stream, beats(7.0, 200))
    run(stream, beats(20.0, 100, 200.0, seed=2))
    run(stream, beats(7.0, 200, 300.0, seed=3))
    arrived, left = stream.decision().changes
    assert (arrived.kind, left.kind) == ("arrived", "left")
    assert arrived.time_s == pytest.approx(200.0, abs=3.0)
    assert left.time_s == pytest.approx(300.0, abs=3.0)
    assert arrived.noticed_s - 200.0 < 15.0
    assert arrived.cps_before == pytest.approx(7.0, rel=0.15)
    assert arrived.cps_after is not None
    assert arrived.cps_after > 15.0
    assert stream.stretch_spectrum().real_time_s == pytest.approx(200.0, abs=3.0)
    backgrounds = [room for _, room in script.asked if room is not None]
    assert backgrounds[0].real_time_s == pytest.approx(200.0, abs=3.0)
    whole = stream.since_start()
    assert whole is not None
    assert whole.real_time_s == 500.0


def test_an_answer_about_an_ended_stretch_is_not_shown_on() -> None:
    stream = Stream(Script(answering("identified", "Cs-137")))
    run(stream, beats(20.0, 100))
    assert stream.newest is not None
    assert any(stream.add(one) for one in beats(7.0, 60, 100.0, seed=3))  # it left
    assert stream.newest is None
    assert stream.decision().verdict == "waiting"
    assert stream.decision().nuclides == ()


def test_a_stretch_with_a_nuclide_is_no_background() -> None:
    script = Script(answering("identified", "Cs-137"))
    stream = Stream(script)
    run(stream, beats(7.0, 200))
    run(stream, beats(20.0, 100, 200.0, seed=2))
    assert len(stream.decision().changes) == 1
    assert all(room is None for _, room in script.asked)


def test_a_stretch_that_was_never_looked_at_is_no_background() -> None:
    script = Script(EMPTY)
    stream = Stream(script)
    for one in beats(7.0, 200):
        stream.add(one)
    run(stream, beats(20.0, 100, 200.0, seed=2))
    assert len(stream.decision().changes) == 1
    assert all(room is None for _, room in script.asked)


def test_unsteady_stamps_of_a_strong_source_are_no_change() -> None:
    stream, rng, at_s = Stream(Script(EMPTY)), np.random.default_rng(4), 0.0
    for one in beats(2000.0, 600):
        late_s = one.end_s + rng.uniform(0.0, 0.3)
        stream.add(replace(one, begin_s=at_s, end_s=late_s, seconds=late_s - at_s))
        at_s = late_s
    assert stream.decision().changes == ()


def test_a_weak_rise_that_a_nuclide_explains_is_a_change() -> None:
    def answer(spectrum: Spectrum, background: Spectrum | None) -> Identification:
        known = background is not None and spectrum.cps > 1.25 * background.cps
        return answering("identified", "Cs-137") if known else EMPTY

    patient = Rules(change_threshold=1e9)
    times = []
    for rules in (patient, replace(patient, suspicion=1e8)):
        stream = Stream(answer, rules)
        run(stream, beats(7.0, 200))
        run(stream, beats(10.5, 100, 200.0, seed=2))
        times.append(stream.decision().time_to_decision_s.get("Cs-137"))
    assert times[0] is not None
    assert times[0] < 60.0
    assert times[1] is None


def test_backgrounds_set_by_the_user_come_first() -> None:
    script = Script(EMPTY)
    stream = Stream(script)
    room = Spectrum(np.full(1024, 5), EnergyCalibration(AXIS), 1000.0)
    stream.set_background(room)
    run(stream, beats(7.0, 10))
    assert script.asked[0][1] is room
    assert stream.newest is not None
    assert stream.newest.background == "set"
    with pytest.raises(InputError):
        stream.set_background(Spectrum(np.ones(1024, int), None, 1.0))


def test_a_new_axis_begins_everything_anew() -> None:
    stream = Stream(Script(EMPTY))
    run(stream, beats(7.0, 50))
    moved = [replace(one, coefficients_kev=(1.0, 2.4, 0.0004)) for one in beats(7.0, 20, 50.0)]
    stream.add(replace(moved[0], kind="recalibrated"))
    for one in moved[1:]:
        stream.add(one)
    whole = stream.since_start()
    assert whole is not None
    assert (whole.real_time_s, whole.coefficients_kev[0]) == (20.0, 1.0)
    assert stream.decision().changes[-1].kind == "recalibrated"


def test_views_keep_the_overflow_apart() -> None:
    counts = np.arange(1024)
    stream = Stream(Script(EMPTY))
    stream.add(Increment(0.0, 2.0, 2.0, counts, AXIS))
    view, row = stream.since_start(), stream.row()
    assert view is not None
    assert row is not None
    assert (view.overflow, view.counts.size, row.counts.size) == (1023, 1023, 1023)
    assert view.counts.sum() + view.overflow == counts.sum()
    rate = stream.cps(3.0)
    assert rate.value == counts.sum() / 2.0
    assert rate.error_percent == pytest.approx(100.0 / counts.sum() ** 0.5)
    assert rate.age_s == 1.0


def test_the_window_slides() -> None:
    stream = Stream(Script(EMPTY), Rules(window_s=10.0))
    run(stream, beats(50.0, 100))
    window = stream.window()
    assert window is not None
    assert window.real_time_s == 10.0
    assert window.counts.sum() == sum(one.counts[:-1].sum() for one in list(beats(50.0, 100))[90:])


def test_histories_of_probability_have_zeros_where_nothing_was_said() -> None:
    maybe = replace(EMPTY, candidates=(Candidate("Co-60", 0.2),))
    stream = Stream(Script(EMPTY, maybe, answering("identified", "Cs-137")))
    run(stream, beats(7.0, 7))
    histories = {h.nuclide: h.probabilities for h in stream.history()}
    assert histories == {"Co-60": (0.0, 0.2, 0.0), "Cs-137": (0.0, 0.0, 0.99)}


def test_the_same_beats_give_the_same_course(answer: Callable[..., Identification]) -> None:
    courses = []
    for _ in range(2):
        stream = Stream(answer)
        run(stream, beats(7.0, 150))
        run(stream, beats(12.0, 60, 150.0, seed=2))
        courses.append((stream.decision(), stream.history()))
    assert courses[0] == courses[1]


@pytest.fixture
def answer() -> Callable[[Spectrum, Spectrum | None], Identification]:
    def by_counts(spectrum: Spectrum, background: Spectrum | None) -> Identification:
        odd = spectrum.total_counts % 3 == 0 or background is not None
        return answering("identified", "Cs-137") if odd else EMPTY

    return by_counts


def test_a_constant_rate_seldom_changes() -> None:
    rng, n = np.random.default_rng(3), 0
    detector = ChangeDetector(Rules().change_threshold, 3)
    for _ in range(5000):
        two = rng.poisson([5.0, 2.0]).astype(float)
        if detector.add(1.0, np.array([two.sum(), *two])) is not None:
            n += 1
    assert n == 0


def test_bands_hold_every_count() -> None:
    energies = EnergyCalibration(AXIS).energy_kev(np.arange(1024))
    counts = np.random.default_rng(1).poisson(3.0, 1024)
    bands = in_bands(counts, energies)
    assert bands.size == len(BANDS_KEV) + 2
    assert bands[0] == bands[1:].sum() == counts.sum()
    assert bands[1] == counts[energies < BANDS_KEV[0]].sum()


def test_rules_check_themselves() -> None:
    with pytest.raises(InputError):
        Rules(window_s=0.0)
    with pytest.raises(InputError):
        ChangeDetector(-1.0)

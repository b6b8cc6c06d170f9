"""A live session without a device for tests: its seconds are simulated, its answers are real."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np

import simulated
from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.identification import identify_with_fit
from blackett.gamma.live.messages import (
    Aged,
    Change,
    Decision,
    DeviceHealth,
    DeviceInfo,
    ProbabilityHistory,
    Rate,
    SpectrumView,
    Update,
    WaterfallRow,
)  # fmt: skip
from blackett.gamma.live.overlay import FitCurves, fit_curves
from blackett.gamma.simulation import expected_counts
from blackett.gamma.spectrum import Spectrum

if TYPE_CHECKING:
    from blackett.gamma.identification import Identification

UNIT = simulated.perfect_unit()
AXIS = tuple(float(a) for a in UNIT.coefficients_kev)
DEVICE = DeviceInfo("RadiaCode-103", "RC-103-000001", "4.14", "emulated", 1024)
START_S = 1_750_000_000.0


class SimulatedSession:
    """A room for `quiet` beats, then sources (name: counts/s) beside it; `beat` adds a second.

    With `running`, a thread beats once in `period_s`.
    """

    def __init__(
        self, sources: dict[str, float], quiet: int = 30, seed: int = 1, period_s: float = 0.0,
        answer_every: int = 2,
    ) -> None:  # fmt: skip
        room = simulated.room(1)
        room = room * 7.0 / room.sum()
        with_source = room + sum(simulated.source(name, cps) for name, cps in sources.items())
        self._rates = [expected_counts(rate, UNIT, 1.0)[0] for rate in (room, with_source)]
        self._quiet, self._rng, self._period_s = quiet, np.random.default_rng(seed), period_s
        self._answer_every = answer_every
        self._rows: list[np.ndarray] = []
        self._axis, self._axis_from = AXIS, 0
        self._updates: list[Update] = []
        self._history: dict[str, list[tuple[float, float]]] = {}
        self._declared: dict[str, float] = {}
        self._answer: tuple[Identification | None, float | None] = (None, None)
        self._news, self._stop = threading.Condition(), threading.Event()
        self._background: Spectrum | None = None
        self._fit: FitCurves | None = None
        self.held = False

    # -- what the page calls ---------------------------------------------------------------------

    def start(self) -> None:
        if self._period_s > 0.0:
            threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def latest(self) -> Update | None:
        return self._updates[-1] if self._updates else None

    def updates(self, after: int) -> list[Update]:
        return [update for update in list(self._updates) if update.sequence > after]

    def wait(self, after: int, timeout: float) -> Update | None:
        with self._news:
            self._news.wait_for(lambda: len(self._updates) > after, timeout)
        newest = self.latest()
        return newest if newest is not None and newest.sequence > after else None

    def export(self, form: str) -> bytes:
        if not self._rows:
            raise InputError("nothing was recorded yet")
        return f"{form} of {len(self._rows)} s".encode()

    def set_background(self, background: Spectrum | None) -> None:
        self._background = background

    # -- the seconds -----------------------------------------------------------------------------

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            if not self.held:
                self.beat()
            due += self._period_s
            self._stop.wait(max(due - time.monotonic(), 0.0))

    def beat(self, n: int = 1) -> Update:
        """Count `n` seconds; returns the last update."""
        for _ in range(n):
            there = len(self._rows) >= self._quiet
            self._rows.append(self._rng.poisson(self._rates[int(there)]))
            update = self._update()
            with self._news:
                self._updates.append(update)
                self._news.notify_all()
        return update

    def another_axis(self) -> tuple[float, float, float]:
        """Somebody calibrates the device: all that is counted from now on has another axis."""
        self._axis, self._axis_from = (AXIS[0] + 3.0, 1.01 * AXIS[1], AXIS[2]), len(self._rows)
        return self._axis

    def _update(self) -> Update:
        n = len(self._rows)
        now = START_S + n
        first = self._quiet if n > self._quiet + 2 else 0
        if n % self._answer_every == 0:
            self._identify(first, now)
        answer, at = self._answer
        cps = float(np.sum(self._rows[-5:])) / min(n, 5)
        names = tuple(one.nuclide for one in answer.nuclides) if answer else ()
        changes = ()
        if first:
            text = "the count rate rose: a source arrived"
            changes = (Change("arrived", START_S + first, START_S + first + 2, text, 7.0, 12.0),)
        return Update(
            sequence=n, time_s=now, health=self._health(n),
            since_start=self._view(0), window=self._view(max(n - 60, 0)), stretch=self._view(first),
            waterfall=WaterfallRow(now, 1.0, self._rows[-1][:-1]),
            cps=Rate(cps, 100.0 / max(cps * min(n, 5), 1.0) ** 0.5, 0.1),
            device_cps=Rate(cps, 12.0, 0.3), dose_usv_h=Rate(0.012 * cps, 14.0, 0.3),
            identification=answer, identified_at_s=at, identification_ms=90.0,
            fit=self._fit,
            history=tuple(
                ProbabilityHistory(name, tuple(t for t, _ in seen), tuple(p for _, p in seen))
                for name, seen in self._history.items()
            ),
            decision=Decision(
                answer.verdict if answer else "waiting", names, n - first > 12, at,
                {name: self._declared[name] - START_S - first for name in names},
                START_S + first, changes, 0.02,
            ),
            background="set" if self._background else "modelled",
        )  # fmt: skip

    def _health(self, n: int) -> DeviceHealth:
        return DeviceHealth(
            "connected", START_S, DEVICE, connections=1, spectrum_age_s=0.2, rates_age_s=0.3,
            temperature_c=Aged(24.5, float(n % 60)), battery_percent=Aged(83.0, float(n % 60)),
        )  # fmt: skip

    def _view(self, first: int) -> SpectrumView:
        first = max(first, self._axis_from)
        rows = np.sum(self._rows[first:], axis=0, dtype=np.int64)
        seconds = float(len(self._rows) - first)
        begin_s = START_S + first
        return SpectrumView(rows[:-1], self._axis, seconds, seconds, int(rows[-1]), begin_s)

    def _identify(self, first: int, now: float) -> None:
        view = self._view(first)
        spectrum = Spectrum(view.counts, EnergyCalibration(AXIS), view.live_time_s)
        found, unmixed = identify_with_fit(
            spectrum, self._background, detector_name="radiacode-103"
        )
        shown = {one.nuclide: one.probability for one in (*found.candidates, *found.nuclides)}
        for name in {*shown, *self._history}:
            self._history.setdefault(name, []).append((now, shown.get(name, 0.0)))
        for one in found.nuclides:
            self._declared.setdefault(one.nuclide, now)
        self._answer = (found, now)
        self._fit = None if unmixed is None else fit_curves(unmixed)

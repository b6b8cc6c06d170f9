"""From the device's cumulative counters to what came since the last reading; nothing is lost.

The device is never reset by us: it counts on from its last reset, and we take differences. A
counter that fell, or device seconds that did, mean that somebody reset the spectrum: then all that
it shows has come since (what came between our last reading and the reset is gone with the device's
own memory of it). Another axis or number of channels is told, so that spectra are not added up
across it.

A busy host stamps readings late. Device seconds are whole, but even: with the smallest difference
of both clocks seen lately, a stamp is put back where the device cannot have been so late.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from blackett.arrays import frozen

if TYPE_CHECKING:
    from blackett.arrays import IntArray
    from blackett.gamma.live.messages import Reading

__all__ = ["Continuity", "Increment"]

AGREE_S = 2.5
"""Device seconds are whole and read a little late: up to this far from the host's they agree."""
REMEMBERED = 600
"""Readings whose difference of host's and device's clock is kept."""
GAP_S = 10.0
"""Readings farther apart than this leave a gap in the spectrogram."""
LEAST_S = 1e-2
"""No increment is shorter, however two readings were stamped."""


@dataclass(frozen=True)
class Increment:
    """Counts of the time between two readings."""

    begin_s: float
    """Unix time at which counting began: the reading before, or the reset."""
    end_s: float
    """Unix time of the reading."""
    seconds: float
    """Time that the device counted, by the host's clock where both agree, else by the device's."""
    counts: IntArray
    """Counts (channels,), the overflow channel included."""
    coefficients_kev: tuple[float, float, float]
    kind: Literal["regular", "gap", "reset", "recalibrated"] = "regular"
    """recalibrated: on another axis or in other channels than before, and empty of counts unless
    the axis alone changed."""


class Continuity:
    """Differences between readings as they come.

    `before` is the reading from which to go on, such as the last one of a recording.
    """

    def __init__(self, before: Reading | None = None) -> None:
        self._before = before
        self._offsets: deque[float] = deque(maxlen=REMEMBERED)

    def step(self, reading: Reading) -> Increment | None:
        """What came since the reading before; None at the first one."""
        before = self._before
        if before is not None and reading.device_s < before.device_s:
            self._offsets.clear()
        reading = self._before = self._stamped(reading)
        if before is None:
            return None
        if reading.channels != before.channels:
            return _increment(before, reading, reading.counts * 0, "recalibrated")
        if reading.device_s < before.device_s or np.any(reading.counts < before.counts):
            began = max(reading.received_s - reading.device_s, before.received_s)
            made = _increment(before, reading, reading.counts, "reset")
            seconds = max(reading.received_s - began, LEAST_S)
            return replace(made, begin_s=began, seconds=seconds)
        new = frozen(reading.counts - before.counts, np.int64)
        if reading.coefficients_kev != before.coefficients_kev:
            return _increment(before, reading, new, "recalibrated")
        late = reading.received_s - before.received_s > GAP_S
        return _increment(before, reading, new, "gap" if late else "regular")

    def _stamped(self, reading: Reading) -> Reading:
        """The reading at the time at which the device must have given it."""
        self._offsets.append(reading.received_s - reading.device_s)
        latest_s = min(self._offsets) + reading.device_s + 1.0
        return replace(reading, received_s=min(reading.received_s, latest_s))


def _increment(
    before: Reading,
    reading: Reading,
    counts: IntArray,
    kind: Literal["regular", "gap", "reset", "recalibrated"],
) -> Increment:
    return Increment(
        before.received_s,
        reading.received_s,
        _counted_s(before, reading),
        frozen(counts, np.int64),
        reading.coefficients_kev,
        kind,
    )


def _counted_s(before: Reading, reading: Reading) -> float:
    """Seconds between two readings that the device counted: it may have been off for a while."""
    by_host = reading.received_s - before.received_s
    by_device = float(reading.device_s - before.device_s)
    if abs(by_host - by_device) <= AGREE_S + 0.001 * by_host:
        return max(by_host, LEAST_S)
    return max(by_device, LEAST_S)

"""Clocks passed into live code: the host's, or a virtual one that runs faster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from blackett.errors import InputError

if TYPE_CHECKING:
    import threading

__all__ = ["Clock", "ManualClock", "SystemClock", "VirtualClock"]

MAX_SPEED = 1e5


class Clock(Protocol):
    """Unix seconds, and waiting in them."""

    def now(self) -> float:
        """Unix time in seconds."""

    def sleep(self, seconds: float, wake: threading.Event) -> bool:
        """Wait until the time has passed (False) or `wake` is set (True)."""


class SystemClock:
    """The host's clock, kept from jumping: Unix time at creation plus monotonic seconds."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Unix time in seconds; never runs backwards."""
        return self._offset + time.monotonic()

    def sleep(self, seconds: float, wake: threading.Event) -> bool:
        """Wait until the time has passed (False) or `wake` is set (True)."""
        return wake.wait(max(seconds, 0.0))


class VirtualClock:
    """Runs `speed` times as fast as the host's clock, from Unix time `start_s` on.

    Raises InputError for a speed that is not above 0 and at most 1e5.
    """

    def __init__(self, speed: float, start_s: float | None = None) -> None:
        if not 0.0 < speed <= MAX_SPEED:
            raise InputError(f"speed {speed} must be above 0 and at most {MAX_SPEED:g}")
        self.speed = speed
        self._begin = time.monotonic()
        self._start_s = time.time() if start_s is None else start_s

    def now(self) -> float:
        """Virtual Unix time in seconds."""
        return self._start_s + (time.monotonic() - self._begin) * self.speed

    def sleep(self, seconds: float, wake: threading.Event) -> bool:
        """Wait until the virtual time has passed (False) or `wake` is set (True)."""
        return wake.wait(max(seconds, 0.0) / self.speed)


class ManualClock:
    """Moves only when told, or by the sleeps of its one user: for runs without waiting."""

    def __init__(self, start_s: float = 1_700_000_000.0) -> None:
        self._now_s = start_s

    def now(self) -> float:
        """Virtual Unix time in seconds."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += max(seconds, 0.0)

    def sleep(self, seconds: float, wake: threading.Event) -> bool:
        """Let the time pass at once; True if `wake` is set."""
        self.advance(seconds)
        return wake.is_set()

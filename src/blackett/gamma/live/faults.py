"""What goes wrong between a RadiaCode and its host, as an emulated device can do it on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator

__all__ = ["FAULTS", "Fault", "Faults", "ListedFaults", "RandomFaults", "applies"]

Request: TypeAlias = Literal["spectrum", "data_buf", "other"]
Fault: TypeAlias = Literal[
    "timeout", "late reply", "short frame", "wrong header", "empty packets", "disconnect",
    "unplugged", "stolen link", "refused string", "wrong length", "stray NUL",
    "sequence gap", "unknown event", "unknown record", "cut record", "impossible rates",
    "reset", "recalibration", "few channels", "axis not a number", "negative counts",
]  # fmt: skip
FAULTS: tuple[Fault, ...] = get_args(Fault)
"""All of them. timeout: no reply in 3 s. late reply: the same, and the reply comes in place of the
next. disconnect: the link breaks in mid-read. unplugged: nothing is found for a while. stolen link:
another program has the device for a while. reset, recalibration: somebody changes the device."""
_OF_BUFFER = {"sequence gap", "unknown event", "unknown record", "cut record", "impossible rates"}
_OF_SPECTRUM = {"reset", "recalibration", "few channels", "axis not a number", "negative counts"}
_OF_STRING = {"refused string", "wrong length", "stray NUL"}


def applies(fault: Fault, request: Request) -> bool:
    """Whether a fault can happen to a request of this kind."""
    if fault in _OF_BUFFER:
        return request == "data_buf"
    if fault in _OF_SPECTRUM:
        return request == "spectrum"
    return fault not in _OF_STRING or request != "other"


class Faults(Protocol):
    """Decides which fault, if any, meets a request."""

    def next(self, request: Request) -> Fault | None:
        """The fault of this request; None for none."""


class ListedFaults:
    """The given faults in their order, each at the first request that it applies to."""

    def __init__(self, faults: Iterable[Fault], after: int = 10, every: int = 3) -> None:
        """The first after `after` requests, then at most one in `every` requests."""
        self.waiting = list(faults)
        self._countdown, self._every = after, every
        wrong = [fault for fault in self.waiting if fault not in FAULTS]
        if wrong:
            raise InputError(f"fault {wrong[0]!r} is not one of {', '.join(FAULTS)}")

    def next(self, request: Request) -> Fault | None:
        """The fault of this request; None for none."""
        self._countdown -= 1
        if self._countdown >= 0 or not self.waiting or not applies(self.waiting[0], request):
            return None
        self._countdown = self._every - 1
        return self.waiting.pop(0)


class RandomFaults:
    """Each request meets a fault with some probability, each kind that applies equally likely."""

    def __init__(
        self, rng: Generator, probability: float, kinds: tuple[Fault, ...] = FAULTS, after: int = 10
    ) -> None:
        if not 0.0 <= probability <= 1.0:
            raise InputError(f"a probability of {probability} must be from 0 to 1")
        self._rng, self._probability, self._kinds = rng, probability, kinds
        self._countdown = after
        self.injected: list[Fault] = []

    def next(self, request: Request) -> Fault | None:
        """The fault of this request; None for none."""
        self._countdown -= 1
        if self._countdown >= 0 or self._rng.random() >= self._probability:
            return None
        fitting = [kind for kind in self._kinds if applies(kind, request)]
        if not fitting:
            return None
        self.injected.append(fitting[int(self._rng.integers(len(fitting)))])
        return self.injected[-1]

"""Every error that blackett raises on purpose.

BlackettError
├── InputError            a value, option or array breaks a stated rule (also a ValueError)
├── FileFormatError       a file cannot be read: names the file, the place and the rule
├── MissingDataError      physics or data needed for the answer are not there
└── MissingExtraError     an optional package is not installed: names the install line
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BlackettError",
    "Failure",
    "FileFormatError",
    "InputError",
    "MissingDataError",
    "MissingExtraError",
]


class BlackettError(Exception):
    """Base of all errors that blackett raises on purpose."""


class InputError(BlackettError, ValueError):
    """A value given by the caller breaks a rule; the message says which, and what is allowed."""


class FileFormatError(BlackettError):
    """A file cannot be read.

    Attributes: `file` as given by the caller, `place` inside it (a line, an element, a byte; empty
    when it is the file as a whole) and `rule`, the sentence that the file breaks.
    """

    def __init__(self, file: str, place: str, rule: str) -> None:
        self.file, self.place, self.rule = file, place, rule
        super().__init__(f"{file}: {place}: {rule}" if place else f"{file}: {rule}")


class MissingDataError(BlackettError):
    """Physics or data needed for the answer are not in the package; nothing is made up instead."""


class MissingExtraError(BlackettError):
    """An optional package is needed; the message holds the line that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"{purpose} needs {package}: pip install 'blackett[{extra}]'")


@dataclass(frozen=True)
class Failure:
    """One thing that failed while the rest goes on: the command line exits with 1 at the end."""

    text: str

"""JSON from strangers: limits on size, depth and numbers, and values that know their place."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn

from blackett.gamma.formats import parsing
from blackett.gamma.formats.parsing import fail

MAX_DEPTH = 32
MAX_BRACKETS = 1_000_000
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKET = re.compile(r"[\[{\]}]")


@dataclass(frozen=True)
class Node:
    """One JSON value and the path to it."""

    value: object
    place: str

    def get(self, key: str) -> Node | None:
        """Member of an object; None when it is missing."""
        members = self.members()
        return Node(members[key], f"{self.place}.{key}") if key in members else None

    def need(self, key: str) -> Node:
        """Member of an object; FileFormatError when it is missing."""
        found = self.get(key)
        if found is None:
            raise fail(self.place, f"must contain {key!r}")
        return found

    def members(self) -> dict[str, object]:
        """The members of an object."""
        if not isinstance(self.value, dict):
            raise fail(self.place, "must be an object")
        return self.value

    def only(self, *keys: str) -> None:
        """Refuse members of other names."""
        strange = sorted(set(self.members()) - set(keys))
        if strange:
            raise fail(
                self.place, f"has the unknown member {parsing.shown(strange[0])}; allowed: {keys}"
            )

    def items(self) -> list[Node]:
        """The values of a list, at most 8 million."""
        if not isinstance(self.value, list) or len(self.value) > parsing.MAX_CELLS:
            raise fail(self.place, f"must be a list of at most {parsing.MAX_CELLS} values")
        return [Node(v, f"{self.place}[{i}]") for i, v in enumerate(self.value)]

    def number(self) -> float:
        """A finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise fail(self.place, "must be a number")
        if abs(self.value) > 1e300 or not math.isfinite(self.value):
            raise fail(self.place, "must be a number of at most 1e300")
        return float(self.value)

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise fail(self.place, "must be a whole number")
        if not low <= self.value <= high:
            raise fail(self.place, f"must be a whole number from {low} to {high}")
        return self.value

    def text(self) -> str:
        """A text without blanks at its ends."""
        if not isinstance(self.value, str):
            raise fail(self.place, "must be text")
        return parsing.text(self.value, self.place)


def parse_json(document: str) -> Node:
    """The root value; raises FileFormatError for anything that is no JSON within the limits."""
    _check_depth(document)
    try:
        value = json.loads(
            document,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_repeats,
        )
    except json.JSONDecodeError as error:
        raise fail(
            f"line {error.lineno}, column {error.colno}", f"is no JSON: {error.msg}"
        ) from None
    return Node(value, "$")


def _check_depth(document: str) -> None:
    depth = 0
    for i, bracket in enumerate(_BRACKET.finditer(_STRING.sub("", document))):
        depth += 1 if bracket.group() in "[{" else -1
        if i > MAX_BRACKETS:
            raise fail("", f"JSON must have at most {MAX_BRACKETS} brackets")
        if depth > MAX_DEPTH:
            raise fail("", f"JSON must be at most {MAX_DEPTH} levels deep")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise fail("", f"JSON whole numbers must have at most 20 digits, not {len(digits)}")
    return int(digits)


def _refuse_constant(word: str) -> NoReturn:
    raise fail("", f"JSON numbers must be finite, not {word}")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise fail("", "JSON objects must not repeat a member")
    return result

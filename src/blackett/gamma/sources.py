"""The sources that are reported: one list for simulation, labels, networks and answers.

A source is a nuclide with the progeny that belong to it, named by its parent: Cs-137 holds Ba-137m,
Th-232 the whole series. `data/sources.csv` says which; the lines follow from the nuclear data. Two
programs agree on the meaning of a label when their `registry_hash` is the same.

    >>> source("Cs-137").members
    (('Cs-137', 1.0), ('Ba-137m', 0.9469945...))
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast, get_args

from blackett.errors import InputError
from blackett.gamma.decay import equilibrium
from blackett.gamma.nuclides import LineTable, PairTable, coincidences, nuclide, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "OBSERVABLE_FROM_KEV",
    "OBSERVABLE_PHOTONS_PER_DECAY",
    "Category",
    "Rarity",
    "Source",
    "observable_sources",
    "registry_hash",
    "source",
    "sources",
    "sources_holding",
]

Category = Literal[
    "natural",
    "calibration",
    "medical",
    "industrial",
    "fission",
    "activation",
    "nuclear-material",
    "other",
]
Rarity = Literal["common", "occasional", "rare"]
"""How often owners of a pocket spectrometer meet a source: common (rocks, consumer goods, check
sources, patients), occasional (a laboratory, a clinic, fallout), rare (a reactor, a research site).
A judgement, to be turned into prior odds; no statistics stand behind it."""

OBSERVABLE_FROM_KEV = 25.0
"""The highest lower threshold of the supported detectors (RadiaCode-103G)."""

OBSERVABLE_PHOTONS_PER_DECAY = 5e-4
"""A source with fewer photons above 25 keV per decay is listed, but never called detected. The
limit lies just under Pu-239 (6.6e-4) and Pu-240 (5.2e-4), met in grams, not in becquerels."""

NEGLIGIBLE_RATIO = 1e-5
"""Progeny with less activity than this per activity of the source are left out of its members."""


@dataclass(frozen=True)
class Source:
    """A reportable source; `members` are (nuclide, activity per activity of the source)."""

    name: str
    title: str
    category: Category
    rarity: Rarity
    members: tuple[tuple[str, float], ...]

    def lines(self) -> LineTable:
        """Photon lines of all members, per decay of the source's namesake, sorted by energy."""
        return _lines(self.members)

    def coincidences(self) -> PairTable:
        """Photon pairs born in one decay of a member, per decay of the source's namesake."""
        return _coincidences(self.members)

    @property
    def photons_above_threshold(self) -> float:
        """Photons above 25 keV per decay."""
        lines = self.lines()
        return float(lines.photons_per_decay[lines.energy_kev > OBSERVABLE_FROM_KEV].sum())

    @property
    def observable(self) -> bool:
        """True if a detector could see it at all: at least 5e-4 photons above 25 keV per decay."""
        return self.photons_above_threshold >= OBSERVABLE_PHOTONS_PER_DECAY


@cache
def _lines(members: tuple[tuple[str, float], ...]) -> LineTable:
    scaled = (nuclide(name).lines.scaled(ratio) for name, ratio in members)
    return LineTable.of([line for table in scaled for line in table])


@cache
def _coincidences(members: tuple[tuple[str, float], ...]) -> PairTable:
    return PairTable.of(
        [
            (first, second, ratio * intensity, emitter)
            for name, ratio in members
            for first, second, intensity, emitter in coincidences(name)
        ]
    )


@cache
def sources() -> tuple[Source, ...]:
    """All sources, sorted by name; the order is part of the registry."""
    return tuple(sorted(map(_source, read_table("sources")), key=lambda s: s.name))


@cache
def observable_sources() -> tuple[Source, ...]:
    """The sources that can be offered as detected, sorted by name."""
    return tuple(s for s in sources() if s.observable)


def source(name: str) -> Source:
    """The source called `name`, in any spelling that `nuclide` understands.

    Raises InputError when the nuclide is unknown, or known but no source of its own; the message
    then names the sources that hold it.
    """
    known = nuclide(name).name
    for candidate in sources():
        if candidate.name == known:
            return candidate
    holders = ", ".join(s.name for s in sources_holding(known)) or "none"
    raise InputError(f"{known} is not reported as a source; sources that hold it: {holders}")


def sources_holding(name: str) -> tuple[Source, ...]:
    """The sources that have the nuclide `name` among their members, largest ratio first."""
    known = nuclide(name).name
    holders = [s for s in sources() if known in dict(s.members)]
    return tuple(sorted(holders, key=lambda s: (s.name != known, -dict(s.members)[known], s.name)))


def registry_hash(of: Iterable[Source] | None = None) -> str:
    """SHA-256 (hexadecimal) over names, members, ratios and lines of `of`, by default all sources.

    Numbers enter with ten significant digits. The order of the sources counts.
    """
    digest = hashlib.sha256()
    for item in sources() if of is None else of:
        digest.update(f"{item.name}\n".encode())
        digest.update("".join(f"{n} {ratio:.10g}\n" for n, ratio in item.members).encode())
        lines = item.lines()
        numbers = lines.energy_kev.tolist(), lines.photons_per_decay.tolist()
        rows = zip(*numbers, lines.kind, lines.emitter, strict=True)
        digest.update("".join(f"{e:.10g} {i:.10g} {k} {n}\n" for e, i, k, n in rows).encode())
    return digest.hexdigest()


def _source(row: dict[str, str]) -> Source:
    category = _one_of(row, "category", get_args(Category))
    rarity = _one_of(row, "rarity", get_args(Rarity))
    return Source(
        nuclide(row["name"]).name,
        row["title"],
        cast("Category", category),
        cast("Rarity", rarity),
        tuple(_members(row).items()),
    )


def _one_of(row: dict[str, str], column: str, allowed: tuple[str, ...]) -> str:
    if row[column] not in allowed:
        raise InputError(
            f"sources.csv: {row['name']}: {column} {row[column]!r}; allowed: {allowed}"
        )
    return row[column]


def _members(row: dict[str, str]) -> dict[str, float]:
    if _one_of(row, "chain", ("all", "alone")) == "alone":
        return {row["name"]: 1.0}
    ratios = equilibrium(row["name"], until=tuple(row["until"].split()))
    for entry in row["set"].split():
        name, _, ratio = entry.partition("=")
        if name not in ratios:
            raise InputError(f"sources.csv: {row['name']}: {name} is not among {list(ratios)}")
        ratios[name] = float(ratio)
    return {name: ratio for name, ratio in ratios.items() if ratio >= NEGLIGIBLE_RATIO}

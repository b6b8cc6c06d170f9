"""Radionuclides: half-lives, decay modes and photon lines, from the tables in `data`.

Lines stand under the nuclide that emits them, in photons per decay of that nuclide: the 661.66 keV
line of a caesium source belongs to Ba-137m. `blackett.gamma.sources` sums chains.
Origin, cuts and cross-check of the tables: `data/README.md`.

    >>> nuclide("cs137").decays[0].daughter
    'Ba-137m'
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from blackett.arrays import FloatArray, frozen
from blackett.errors import FileFormatError, InputError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Decay",
    "Kind",
    "Line",
    "LineTable",
    "Nuclide",
    "PairTable",
    "coincidences",
    "names",
    "nuclide",
    "read_table",
]

Kind = Literal["gamma", "x-ray", "annihilation"]


@dataclass(frozen=True, slots=True)
class Line:
    """One photon line; `photons_per_decay` refers to the nuclide or source asked for."""

    energy_kev: float
    energy_sigma_kev: float
    photons_per_decay: float
    sigma: float
    kind: Kind
    emitter: str


@dataclass(frozen=True, eq=False)
class LineTable:
    """Photon lines sorted by energy, as read-only arrays of one length n.

    `energy_kev` and `energy_sigma_kev` in keV; `photons_per_decay` and its standard deviation
    `sigma` (0: not given by the library) per decay of the nuclide or source asked for; `kind` and
    `emitter` (the nuclide in whose decay the photon is born) as tuples of length n.
    """

    energy_kev: FloatArray
    energy_sigma_kev: FloatArray
    photons_per_decay: FloatArray
    sigma: FloatArray
    kind: tuple[Kind, ...]
    emitter: tuple[str, ...]

    @classmethod
    def of(cls, lines: Sequence[Line]) -> LineTable:
        """The table of `lines`, in any order."""
        ordered = sorted(lines, key=lambda line: (line.energy_kev, line.emitter, line.kind))
        return cls(
            frozen([line.energy_kev for line in ordered]),
            frozen([line.energy_sigma_kev for line in ordered]),
            frozen([line.photons_per_decay for line in ordered]),
            frozen([line.sigma for line in ordered]),
            tuple(line.kind for line in ordered),
            tuple(line.emitter for line in ordered),
        )

    def __len__(self) -> int:
        return len(self.kind)

    def __iter__(self) -> Iterator[Line]:
        columns = self.energy_kev, self.energy_sigma_kev, self.photons_per_decay, self.sigma
        values = (column.tolist() for column in columns)
        yield from map(Line, *values, self.kind, self.emitter)

    def above(self, energy_kev: float) -> LineTable:
        """The lines at or above `energy_kev`."""
        return LineTable.of([line for line in self if line.energy_kev >= energy_kev])

    def scaled(self, factor: float) -> LineTable:
        """The same lines with `factor` times the intensity."""
        intensity, sigma = self.photons_per_decay * factor, self.sigma * factor
        energies = self.energy_kev, self.energy_sigma_kev
        return LineTable(*energies, frozen(intensity), frozen(sigma), self.kind, self.emitter)


@dataclass(frozen=True, eq=False)
class PairTable:
    """Pairs of photons born in the same decay, as read-only arrays of one length n.

    `energy_1_kev` <= `energy_2_kev`, both energies of lines in the line table; `pairs_per_decay`
    of the nuclide or source asked for; `emitter` as a tuple of length n.
    """

    energy_1_kev: FloatArray
    energy_2_kev: FloatArray
    pairs_per_decay: FloatArray
    emitter: tuple[str, ...]

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float, float, str]]) -> PairTable:
        """The table of pairs (energy 1, energy 2, pairs per decay, emitter), in any order."""
        ordered = sorted(pairs)
        numbers = np.array([pair[:3] for pair in ordered], dtype=np.float64).reshape(-1, 3)
        first, second, intensity = (frozen(column) for column in numbers.T)
        return cls(first, second, intensity, tuple(pair[3] for pair in ordered))

    def __len__(self) -> int:
        return len(self.emitter)

    def __iter__(self) -> Iterator[tuple[float, float, float, str]]:
        columns = self.energy_1_kev, self.energy_2_kev, self.pairs_per_decay
        yield from zip(*(column.tolist() for column in columns), self.emitter, strict=True)


@dataclass(frozen=True, slots=True)
class Decay:
    """One decay mode; `daughter` is None for spontaneous fission; `branching` per decay."""

    mode: str
    daughter: str | None
    branching: float
    sigma: float


@dataclass(frozen=True)
class Nuclide:
    """A nuclide: `half_life_s` is infinite for a stable one, `isomer` 0 for the ground state."""

    name: str
    z: int
    a: int
    isomer: int
    half_life_s: float
    half_life_sigma_s: float
    lines_from: str
    decays: tuple[Decay, ...] = field(repr=False)
    lines: LineTable = field(repr=False, compare=False)

    @property
    def is_stable(self) -> bool:
        """Stable, or never seen to decay."""
        return self.half_life_s == float("inf")

    @property
    def decay_constant_per_s(self) -> float:
        """ln 2 / half-life."""
        return float(np.log(2.0)) / self.half_life_s


def read_table(name: str) -> list[dict[str, str]]:
    """Rows of the shipped table `name` (without `.csv`), its '#' lines left out.

    Raises MissingDataError when the package holds no such table.
    """
    header, *rows = _cells(name)
    return [dict(zip(header, row, strict=True)) for row in rows]


def _cells(name: str) -> list[list[str]]:
    """All rows of a table, the header first."""
    path = files("blackett.gamma").joinpath(f"data/{name}.csv")
    if not path.is_file():
        raise MissingDataError(f"the table {name}.csv is missing from blackett.gamma; reinstall")
    with path.open(encoding="utf-8") as file:
        return list(csv.reader(line for line in file if line[0] != "#"))


@cache
def _by_nuclide(name: str, *columns: str) -> dict[str, list[list[str]]]:
    """Rows of a table by its first column; `columns` are what the caller takes them for."""
    header, *rows = _cells(name)
    if header != list(columns):
        raise FileFormatError(f"{name}.csv", "header", f"must be {','.join(columns)}")
    found: dict[str, list[list[str]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


@cache
def _nuclide_rows() -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in read_table("nuclides")}


@cache
def names() -> tuple[str, ...]:
    """Names of all radionuclides in the tables, by atomic number and mass."""
    return tuple(n for n, row in _nuclide_rows().items() if row["half_life_s"] != "inf")


@cache
def nuclide(name: str) -> Nuclide:
    """The nuclide called `name`: "Cs-137", "cs137", "137Cs" and "Ba-137m" are all understood.

    Raises InputError, with the nearest known names, when the tables do not hold it.
    """
    known = _known_name(name)
    row = _nuclide_rows()[known]
    return Nuclide(
        known,
        int(row["z"]),
        int(row["a"]),
        int(row["isomer"]),
        float(row["half_life_s"]),
        float(row["half_life_sigma_s"]),
        row["lines_from"],
        _decays(known),
        _lines(known),
    )


@cache
def coincidences(name: str) -> PairTable:
    """Photon pairs of the nuclide called `name`, per decay; empty where none are tabulated."""
    known = _known_name(name)
    rows = _by_nuclide("coincidences", *_PAIR_COLUMNS).get(known, [])
    return PairTable.of([(float(a), float(b), float(value), name) for name, a, b, value in rows])


def _known_name(name: str) -> str:
    canonical = _canonical(name)
    if canonical in _nuclide_rows():
        return canonical
    near = get_close_matches(canonical, list(_nuclide_rows()), n=4, cutoff=0.5)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    raise InputError(f"{name!r} is not in the nuclear data; write names as Cs-137 or Ag-110m{hint}")


_SYMBOL_FIRST = re.compile(r"([A-Za-z]{1,2})[-_ ]?(\d{1,3})([mnpq]?)", re.IGNORECASE)
_MASS_FIRST = re.compile(r"(\d{1,3})([mnpq]?)[-_ ]?([A-Za-z]{1,2})", re.IGNORECASE)


def _canonical(name: str) -> str:
    """`name` as Cs-137; unchanged where it has no such form."""
    text = name.strip()
    if match := _SYMBOL_FIRST.fullmatch(text):
        symbol, mass, isomer = match.groups()
    elif match := _MASS_FIRST.fullmatch(text):
        mass, isomer, symbol = match.groups()
    else:
        return text
    return f"{symbol.capitalize()}-{mass}{isomer.lower()}"


_PAIR_COLUMNS = "nuclide", "energy_1_kev", "energy_2_kev", "pairs_per_decay"
_DECAY_COLUMNS = "parent", "mode", "daughter", "branching", "sigma"
_LINE_COLUMNS = "nuclide", "energy_kev", "energy_sigma_kev", "photons_per_decay", "sigma", "kind"


def _decays(name: str) -> tuple[Decay, ...]:
    rows = _by_nuclide("decays", *_DECAY_COLUMNS).get(name, [])
    return tuple(Decay(mode, to or None, float(b), float(sigma)) for _, mode, to, b, sigma in rows)


def _lines(name: str) -> LineTable:
    """The rows of one nuclide, which the table keeps sorted by energy."""
    rows = _by_nuclide("lines", *_LINE_COLUMNS).get(name, [])
    if not rows:
        return LineTable.of([])
    emitter, *numbers, kind = zip(*rows, strict=True)
    energy, energy_sigma, intensity, sigma = (frozen(list(map(float, n))) for n in numbers)
    kinds = cast("tuple[Kind, ...]", kind)
    return LineTable(energy, energy_sigma, intensity, sigma, kinds, emitter)

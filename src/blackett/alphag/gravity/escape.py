"""Simulated escapes: how many atoms leave down and up, at each bias and gravity, and where they
annihilate; made piece by piece, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.geometry.tables import read_numbers
from blackett.alphag.gravity.atoms import Release, release, sample_atoms
from blackett.arrays import frozen
from blackett.errors import InputError, MissingDataError
from blackett.files import written_aside
from blackett.recipes import settings_hash
from blackett.seeds import numbered
from blackett.shards import completed, planned_shards, shard_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from blackett.arrays import FloatArray
    from blackett.shards import Shard

__all__ = [
    "BIASES_G", "CALIBRATION_G", "EscapeTable", "Landings", "Point", "points", "read_pieces",
    "shipped_escapes", "shipped_landings", "simulate_escapes",
]  # fmt: skip

BIASES_G: Final = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Eleven biases, as in the published measurement (their values: recalled)."""
CALIBRATION_G: Final = (-10.0, 10.0)
"""Biases at which nearly all atoms leave one way, for the calibration of the detector."""
GRAVITIES: Final = (-1.0, 0.0, 1.0)
"""Gravities simulated for the shipped table."""
LANDING_EDGES_MM: Final = np.arange(-1000.0, 1.0, 5.0)


@dataclass(frozen=True)
class Point:
    """One setting of a release: `a_g` and `bias_g`, both in units of g."""

    a_g: float
    bias_g: float


@dataclass(frozen=True, eq=False)
class EscapeTable:
    """Atoms released at m points: `a_g`, `bias_g`; `down`, `up`, `between` (annihilated between the
    coils) and `trapped`, numbers of atoms (m,)."""

    a_g: FloatArray
    bias_g: FloatArray
    down: FloatArray
    up: FloatArray
    between: FloatArray
    trapped: FloatArray

    def __post_init__(self) -> None:
        for name in ("a_g", "bias_g", "down", "up", "between", "trapped"):
            array = frozen(getattr(self, name))
            if array.shape != (len(self.a_g),):
                raise InputError(f"EscapeTable.{name}: shape {array.shape}, not (m,)")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.a_g)


@dataclass(frozen=True, eq=False)
class Landings:
    """Where escaped atoms annihilate: `edges_mm` (k + 1,) rising; `down` and `up`, numbers of atoms
    of either side in each cell (k,)."""

    edges_mm: FloatArray
    down: FloatArray
    up: FloatArray

    def __post_init__(self) -> None:
        for name, size in (("edges_mm", 1), ("down", 0), ("up", 0)):
            array = frozen(getattr(self, name))
            if array.shape != (len(self.down) + size,):
                raise InputError(f"Landings.{name}: shape {array.shape} for {len(self.down)} cells")
            object.__setattr__(self, name, array)

    @property
    def centres_mm(self) -> FloatArray:
        """Middles of the cells (k,)."""
        return np.asarray((self.edges_mm[1:] + self.edges_mm[:-1]) / 2)

    def share(self, low_mm: float, high_mm: float, side: str) -> float:
        """Share of the atoms of a side ("down", "up") that annihilate between two heights."""
        counts = self.down if side == "down" else self.up
        sums = np.concatenate([[0.0], np.cumsum(counts)])
        return float(np.diff(np.interp([low_mm, high_mm], self.edges_mm, sums))[0] / sums[-1])


def points(
    biases_g: Sequence[float] = (*BIASES_G, *CALIBRATION_G),
    gravities: Sequence[float] = GRAVITIES,
) -> list[Point]:
    """All settings of a table."""
    return [Point(a_g, bias) for a_g in gravities for bias in biases_g]


def simulate_escapes(
    settings: Release,
    at: Sequence[Point],
    atoms: int,
    seed: int,
    folder: str | Path,
    piece: int = 100,
    workers: int = 1,
) -> Iterator[tuple[int, int]]:
    """Release `atoms` atoms at every point, in pieces; each piece is a file of `folder`, and those
    that are there are kept. Yields pieces done and in all.

    The same atoms start at every point, so that the curves differ by physics alone. Raises
    `InputError` for no point, less than one atom, or pieces of other settings in the folder.
    """
    if not at:
        raise InputError("no point to simulate: give at least one bias and gravity")
    place, jobs = shard_folder(folder), planned_shards(atoms, piece)
    _check_settings(place, settings, seed, piece)
    every = [(point, job) for job in jobs for point in at]
    missing = [k for k, (point, job) in enumerate(every) if not _file(place, point, job).exists()]
    done = len(every) - len(missing)
    yield done, len(every)
    make = partial(_make_piece, settings, every, seed, place)
    numbers = [planned_shards(len(every), 1)[k] for k in missing]
    for _ in completed(make, numbers, workers):
        done += 1
        yield done, len(every)


def _check_settings(place: Path, settings: Release, seed: int, piece: int) -> None:
    note, own = place / "settings.json", _note(settings, seed, piece)
    if note.exists():
        if json.loads(note.read_text(encoding="utf-8")) != own:
            raise InputError(f"{place} holds escapes of other settings: give another folder")
        return
    with written_aside(note) as aside:
        aside.write_text(json.dumps(own, indent=1), encoding="utf-8")


def _note(settings: Release, seed: int, piece: int) -> dict[str, object]:
    note = {"settings": asdict(settings), "sha256": settings_hash(settings)}
    return json.loads(json.dumps({**note, "seed": seed, "piece": piece}))  # type: ignore[no-any-return]


def _file(place: Path, point: Point, job: Shard) -> Path:
    return place / f"a{point.a_g:+.3f}_bias{point.bias_g:+.3f}_{job.index:04d}_{job.count}.npy"


def _make_piece(
    settings: Release, every: list[tuple[Point, Shard]], seed: int, place: Path, number: Shard
) -> None:
    """Rows x, y, z, time, fate, side of one piece, float32."""
    point, job = every[number.index]
    atoms = sample_atoms(settings, job.count, numbered(seed, job.index))
    ends = release(settings, atoms, point.bias_g, point.a_g)
    columns = (*ends.position_mm.T, ends.time_s, ends.fate, ends.side(settings.trap))
    with written_aside(_file(place, point, job)) as aside:
        np.save(aside, np.stack(columns, axis=1).astype(np.float32))


def read_pieces(folder: Path, at: Sequence[Point]) -> tuple[EscapeTable, Landings]:
    """The table of the points, and where the atoms land, all biases but those of calibration
    together. Raises `MissingDataError` for a point without a piece."""
    rows, down, up = [], np.zeros(0), np.zeros(0)
    for point in at:
        files = sorted(folder.glob(f"a{point.a_g:+.3f}_bias{point.bias_g:+.3f}_*.npy"))
        if not files:
            raise MissingDataError(f"{folder} holds no atoms at {point}: simulate them first")
        ends = np.concatenate([np.load(file) for file in files])
        side, fate = ends[:, 5], ends[:, 4]
        between = (side == 0) & (fate > 0)
        numbers = [(side < 0).sum(), (side > 0).sum(), between.sum(), (fate == 0).sum()]
        rows.append([point.a_g, point.bias_g, *numbers])
        if point.bias_g not in CALIBRATION_G:
            down = np.concatenate([down, ends[side < 0, 2]])
            up = np.concatenate([up, ends[side > 0, 2]])
    inside = [np.clip(z, LANDING_EDGES_MM[0], LANDING_EDGES_MM[-1]) for z in (down, up)]
    counts = [np.histogram(z, LANDING_EDGES_MM)[0] for z in inside]
    return EscapeTable(*np.array(rows, np.float64).T), Landings(LANDING_EDGES_MM, *counts)


def shipped_escapes() -> EscapeTable:
    """The table of `data/escapes.csv`, made by `tools/build_escapes.py`."""
    return EscapeTable(*read_numbers("escapes.csv").T)


def shipped_landings() -> Landings:
    """Where those atoms annihilate, `data/landings.csv`."""
    low, high, down, up = read_numbers("landings.csv").T
    return Landings(np.concatenate([low, high[-1:]]), down, up)

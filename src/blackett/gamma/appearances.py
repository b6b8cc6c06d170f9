"""Every way in which a source may show itself to one detector, for drawing training spectra.

An appearance is counts by deposited energy, before light and resolution, of one source of one age
in one scene. The full-energy peaks are kept a second time, so that a drawn spectrum may have more
or fewer of them: crystals of real devices differ from a perfect cube. Mixtures of two appearances
of a source stand for all ages, shields and surroundings between them.

`appearances` builds them from the response matrices and scene kernels (about ten seconds) and keeps
them in the user's cache folder, under a name that holds the hash of all they are made from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.gamma.cachefile import PHYSICS, content_hash, kept_arrays
from blackett.gamma.decay import aged
from blackett.gamma.detector import detector
from blackett.gamma.folding import (
    bremsstrahlung_of,
    coincidence_sums,
    deposit_edges_kev,
    deposited_in_scenes,
    k_lines,
    lines_of,
    peak_counts,
    seen_share,
)
from blackett.gamma.response import response_name
from blackett.gamma.scene import Scene
from blackett.gamma.sources import observable_sources
from blackett.gamma.templates import EXTENDED_SCENES, STOPPER_OF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.sources import Source

__all__ = ["AGES_S", "BINS", "Appearances", "appearances", "passing"]

BINS = 1024
"""Bins of deposited energy, the ones of `simulation`."""
HOUR_S, DAY_S, YEAR_S = 3600.0, 86_400.0, 365.25 * 86_400.0

Shield = tuple[tuple[str, float], ...]
POINT_SCENES: tuple[tuple[float, float, Shield, str], ...] = (
    (0.16, 50.0, (), "bench"),
    (0.16, 50.0, (), "desk"),
    (0.06, 50.0, (), "room"),
    (0.03, 50.0, (), "open"),
    (0.03, 50.0, (), "floor"),
    (0.10, 15.0, (), "bench"),
    (0.05, 25.0, (), "desk"),
    (0.03, 150.0, (), "desk"),
    (0.04, 400.0, (), "room"),
    (0.04, 50.0, (("aluminium", 2.0),), "bench"),
    (0.02, 50.0, (("acrylic", 8.0),), "desk"),
    (0.04, 50.0, (("iron", 2.0),), "desk"),
    (0.03, 50.0, (("iron", 12.0),), "desk"),
    (0.02, 50.0, (("iron", 14.0), ("iron", 14.0)), "room"),
    (0.05, 50.0, (("water", 40.0),), "room"),
    (0.03, 100.0, (("water", 40.0), ("water", 40.0)), "desk"),
    (0.02, 100.0, (("concrete", 20.0), ("concrete", 20.0)), "room"),
    (0.03, 50.0, (("lead", 2.0),), "bench"),
    (0.03, 50.0, (("lead", 6.0),), "desk"),
    (0.02, 50.0, (("lead", 15.0),), "desk"),
    (0.01, 50.0, (("tungsten", 5.0),), "bench"),
)
"""Places of a point source, and how often each is drawn: a judgement, not statistics."""
AGED_SCENES = (0, 1, 5, 11, 18)
"""Numbers of the places in which a source of another age is tabulated."""
AGED_SHARE = 0.4
"""Of a source whose look depends on its age, so many are drawn away from equilibrium."""
EXTENDED_SHARE = 0.4
FAINTEST_BREMSSTRAHLUNG = 0.01
"""Sources with less bremsstrahlung in iron than this for each photon of their lines show none."""
EXCITED_PER_DECAY = 1.5
"""K X-rays of tungsten excited in a thoriated rod, an order of magnitude."""
HIDDEN = 1e-4
"""Appearances with a smaller share of the counts of the brightest are not drawn."""
CLOSE_MM = 30.0
"""Nearer than this, photons of one decay are seen together."""

AGES_S: dict[str, tuple[float, ...]] = {
    "Ac-225": (HOUR_S,),
    "Ac-227": (10 * DAY_S, 40 * DAY_S),
    "Am-243": (2 * DAY_S,),
    "Ba-140": (DAY_S, 5 * DAY_S),
    "Ge-68": (HOUR_S,),
    "Lu-177m": (3 * DAY_S,),
    "Mo-99": (2 * HOUR_S, 12 * HOUR_S),
    "Np-237": (5 * DAY_S, 30 * DAY_S),
    "Pb-210": (3 * DAY_S,),
    "Ra-226": (DAY_S, 4 * DAY_S),
    "Sb-125": (20 * DAY_S,),
    "Te-132": (HOUR_S,),
    "Th-228": (DAY_S, 4 * DAY_S),
    "Th-232": (1 * YEAR_S, 5 * YEAR_S, 20 * YEAR_S),
    "Ti-44": (2 * HOUR_S,),
    "U-238": (20 * DAY_S, 60 * DAY_S),
    "Zr-95": (2 * DAY_S, 30 * DAY_S),
}
"""Ages since separation, beside equilibrium, of the sources that change within a user's reach.
Radium that loses radon looks like young radium."""
SEPARATED_WITH = {"Th-232": ("Th-228",)}
"""Isotopes of the same element in the same chain: chemistry leaves them together."""


@dataclass(frozen=True)
class Appearances:
    """All appearances (A) of all observable sources (S) to one detector; arrays read-only.

    `deposits` (A, BINS) float32 are counts per decay of the source's namesake by deposited energy;
    the full-energy peaks among them are again in `peak_bin`, `peak_counts`, from `peak_first[a]` to
    `peak_first[a + 1]`. `counts_per_decay` (A,) are those that pass the nominal threshold.
    `own_share` (A,) is the share of 4 pi that a point source's place gives the crystal, NaN for an
    extended one, and `chance` (A,) how often an appearance is drawn among its source's, which lie
    from `first[s]` to `first[s + 1]`.
    """

    detector: Detector
    sources: tuple[str, ...]
    first: IntArray
    deposits: np.ndarray
    peak_first: IntArray
    peak_bin: IntArray
    peak_counts: np.ndarray
    counts_per_decay: FloatArray
    own_share: FloatArray
    chance: FloatArray


class _Look(NamedTuple):
    """One appearance to be made."""

    source: Source
    scene: Scene
    stopper: str
    excited: str
    chance: float


@cache
def appearances(name: str) -> Appearances:
    """The appearances for a detector (by name), from the user's cache folder or built anew.

    Raises InputError for an unknown detector, and for germanium: training spectra have the 1024
    channels of a scintillator.
    """
    instrument = detector(name)
    if instrument.crystal == "germanium":
        raise InputError(f"{name}: training spectra are those of scintillators, in 1024 channels")
    table = f"data/{response_name(instrument)}.npz"
    files = (*PHYSICS, "appearances.py", "templates/looks.py", table)
    kept = kept_arrays(f"appearances-{name}", content_hash(files), lambda: _build(instrument))
    return _assembled(instrument, kept)


def _assembled(instrument: Detector, kept: Mapping[str, np.ndarray]) -> Appearances:
    counts = kept["deposits"].astype(np.float64) @ passing(instrument)
    return Appearances(
        detector=instrument,
        sources=tuple(s.name for s in observable_sources()),
        first=frozen(kept["first"], np.int64),
        deposits=frozen(kept["deposits"], np.float32),
        peak_first=frozen(kept["peak_first"], np.int64),
        peak_bin=frozen(kept["peak_bin"], np.int64),
        peak_counts=frozen(kept["peak_counts"], np.float32),
        counts_per_decay=frozen(counts),
        own_share=frozen(kept["own_share"]),
        chance=frozen(_visible(kept["chance"], counts, kept["first"])),
    )


@cache
def passing(instrument: Detector) -> FloatArray:
    """Share (BINS,) of pulses that pass the threshold of a unit in the middle of the spread."""
    edges = deposit_edges_kev(BINS)
    return frozen(ndtr((0.5 * (edges[1:] + edges[:-1]) - instrument.threshold_kev) / 3.0))


def _visible(chance: FloatArray, counts: FloatArray, first: IntArray) -> FloatArray:
    """Chances (A,) that add up to 1 for each source, without what shields hide altogether."""
    most = np.maximum.reduceat(counts, first[:-1])
    seen = np.where(counts > HIDDEN * np.repeat(most, np.diff(first)), chance, 0.0)
    return np.asarray(seen / np.repeat(np.add.reduceat(seen, first[:-1]), np.diff(first)))


# --- building ----------------------------------------------------------------------------


def _of_age(source: Source, age_s: float) -> Source:
    """The source `age_s` after its separation, per activity of its namesake now."""
    start = dict.fromkeys((source.name, *SEPARATED_WITH.get(source.name, ())), 1.0)
    now = aged(start, age_s)
    held = {name for name, _ in source.members}
    members = {n: bq / now[source.name] for n, bq in now.items() if n in held}
    return replace(source, members=tuple((n, r) for n, r in members.items() if r > 1e-6))


def _looks(source: Source) -> list[_Look]:
    """All appearances of a source, and how often each is drawn."""
    ages = [_of_age(source, age) for age in AGES_S.get(source.name, ())]
    extended = EXTENDED_SCENES.get(source.name, ())
    points = 1.0 - (EXTENDED_SHARE if extended else 0.0)
    fresh = AGED_SHARE if ages else 0.0
    stopper = "iron" if _shines(source) else ""
    scenes = _point_scenes()
    made = [
        _Look(source, scene, stopper, "", points * (1.0 - fresh) * place[0])
        for place, scene in zip(POINT_SCENES, scenes, strict=True)
    ]
    total = sum(POINT_SCENES[k][0] for k in AGED_SCENES) * max(len(ages), 1)
    made += [
        _Look(young, scenes[k], stopper, "", points * fresh * POINT_SCENES[k][0] / total)
        for young in ages
        for k in AGED_SCENES
    ]
    for name in extended:
        whole = Scene(None, surroundings="bench", extended=name)
        share = EXTENDED_SHARE / len(extended)
        kinds = ("", "W") if name == "rod" else ("",)
        made += [_Look(source, whole, STOPPER_OF[name], x, share / len(kinds)) for x in kinds]
    return made


@cache
def _point_scenes() -> tuple[Scene, ...]:
    return tuple(Scene(mm, shield, around) for _, mm, shield, around in POINT_SCENES)


def _shines(source: Source) -> bool:
    """True if bremsstrahlung in iron matters beside the source's lines."""
    photons = lines_of(source)[1].sum()
    return bool(bremsstrahlung_of(source, "iron")[1].sum() > FAINTEST_BREMSSTRAHLUNG * photons)


def _emissions(kinds: list[tuple[Source, str]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Energies (n,), and photons per decay at them, (kinds, n) of lines and of bremsstrahlung."""
    lines = [lines_of(source) for source, _ in kinds]
    soft = [bremsstrahlung_of(source, stopper) if stopper else None for source, stopper in kinds]
    energies = np.unique(np.concatenate([e for e, _ in (*lines, *filter(None, soft))]))
    made = np.zeros((2, len(kinds), energies.size))
    for row, (line, continuum) in enumerate(zip(lines, soft, strict=True)):
        for part, table in zip(made, (line, continuum), strict=True):
            if table is not None:
                np.add.at(part[row], np.searchsorted(energies, table[0]), table[1])
    return energies, made[0], made[1]


def _deposits(looks: list[_Look], instrument: Detector) -> tuple[FloatArray, FloatArray]:
    """Counts per decay by deposited energy and those in peaks, (looks, BINS) each."""
    kinds = list(dict.fromkeys((look.source, look.stopper) for look in looks))
    scenes = tuple(dict.fromkeys(look.scene for look in looks))
    energies, lines, soft = _emissions(kinds)
    seen = deposited_in_scenes(energies, lines + soft, scenes, instrument, BINS)
    at_line = [peak_counts(instrument, scene, energies, np.ones_like(energies)) for scene in scenes]
    bins = np.searchsorted(deposit_edges_kev(BINS), energies, side="right") - 1
    made, peaks = np.zeros((2, len(looks), BINS))
    for k, look in enumerate(looks):
        kind, scene = kinds.index((look.source, look.stopper)), scenes.index(look.scene)
        made[k] = seen[scene, kind] + _beside(look, instrument)
        peaks[k] = np.bincount(bins, lines[kind] * at_line[scene], BINS)[:BINS]
    return made, np.minimum(peaks, made)


def _beside(look: _Look, instrument: Detector) -> FloatArray:
    """Counts per decay (BINS,) of photons of one decay seen together and of excited X-rays."""
    total = np.zeros(BINS)
    place = look.scene.distance_mm
    if place is not None and place <= CLOSE_MM:
        total += seen_share(instrument, place) ** 2 * _pairs(look.source, instrument)
    if look.excited:
        energies, shares = k_lines(look.excited)
        shares = EXCITED_PER_DECAY * shares
        total += deposited_in_scenes(energies, shares, (look.scene,), instrument, BINS)[0]
    return total


@cache
def _pairs(source: Source, instrument: Detector) -> FloatArray:
    return coincidence_sums(source, instrument, BINS)


def _build(instrument: Detector) -> Mapping[str, np.ndarray]:
    by_source = [_looks(source) for source in observable_sources()]
    looks = [look for of_one in by_source for look in of_one]
    deposits, peaks = _deposits(looks, instrument)
    row, where = np.nonzero(peaks)
    return {
        "first": np.cumsum([0, *(len(of_one) for of_one in by_source)]),
        "deposits": deposits.astype(np.float32),
        "peak_first": np.searchsorted(row, np.arange(len(looks) + 1)),
        "peak_bin": where,
        "peak_counts": peaks[row, where].astype(np.float32),
        "own_share": np.array([_own_share(look.scene, instrument) for look in looks]),
        "chance": np.array([look.chance for look in looks]),
    }


def _own_share(scene: Scene, instrument: Detector) -> float:
    return np.nan if scene.extended else seen_share(instrument, scene.reference_mm)

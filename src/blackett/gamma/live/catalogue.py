"""The library for the page: what is reported, its lines and chains, and what it is confused with.

Everything is computed from the nuclear data of the package.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.gamma.detector import detector
from blackett.gamma.nuclides import nuclide
from blackett.gamma.sources import OBSERVABLE_FROM_KEV, observable_sources, source, sources

if TYPE_CHECKING:
    from blackett.gamma.detector import Detector
    from blackett.gamma.nuclides import LineTable
    from blackett.gamma.sources import Source

__all__ = ["CONFUSED_WITHIN_FWHM", "catalogue", "entry"]

CONFUSED_WITHIN_FWHM = 1.0
"""Lines closer than this share of the resolution overlap so far that they are taken for another."""
PROMINENT = 0.3
"""Another source competes with its lines of at least this share of its strongest one."""
STRONG = 0.05
"""Lines of at least this share of a source's strongest one count when sources are compared."""
MOST_LINES = 80
SHOWN_LINES = 3


@cache
def catalogue() -> list[dict[str, Any]]:
    """Every reportable source in short, sorted by name."""
    return [
        {
            "name": item.name,
            "title": item.title,
            "category": item.category,
            "rarity": item.rarity,
            "observable": item.observable,
            "half_life_s": nuclide(item.name).half_life_s,
            "strongest_kev": [round(e, 1) for e in _strong(item)[0][:SHOWN_LINES].tolist()],
            "members": len(item.members),
        }
        for item in sources()
    ]


@cache
def entry(name: str, detector_name: str = "radiacode-103") -> dict[str, Any]:
    """One source with lines, chain and confusions; raises InputError for an unknown name."""
    item, instrument = source(name), detector(detector_name)
    return {
        "name": item.name,
        "title": item.title,
        "category": item.category,
        "rarity": item.rarity,
        "observable": item.observable,
        "half_life_s": nuclide(item.name).half_life_s,
        "detector": instrument.title,
        "fwhm_662_percent": instrument.resolution.fwhm_662_percent,
        "lines": _lines(item),
        "chain": [_member(name, ratio, item) for name, ratio in item.members],
        "confusions": _confusions(item, instrument),
    }


def _lines(item: Source) -> list[dict[str, Any]]:
    """The strongest lines that the detectors can see, strongest first."""
    table = item.lines().above(OBSERVABLE_FROM_KEV)
    rows = [
        {
            "energy_kev": line.energy_kev,
            "photons_per_decay": line.photons_per_decay,
            "kind": line.kind,
            "emitter": line.emitter,
        }
        for line in table
    ]
    return sorted(rows, key=lambda row: -float(str(row["photons_per_decay"])))[:MOST_LINES]


def _member(name: str, ratio: float, item: Source) -> dict[str, Any]:
    known, inside = nuclide(name), dict(item.members)
    return {
        "name": name,
        "activity_ratio": ratio,
        "half_life_s": known.half_life_s,
        "decays": [
            {"mode": decay.mode, "daughter": decay.daughter, "branching": decay.branching,
             "inside": decay.daughter in inside}
            for decay in known.decays
        ],
    }  # fmt: skip


def _strong(item: Source, share_from: float = STRONG) -> tuple[np.ndarray, np.ndarray]:
    """Energies and intensities of a source's strong lines above threshold, strongest first."""
    table: LineTable = item.lines().above(OBSERVABLE_FROM_KEV)
    if not len(table):
        return np.zeros(0), np.zeros(0)
    order = np.argsort(-table.photons_per_decay)
    energy, share = table.energy_kev[order], table.photons_per_decay[order]
    kept = share >= share_from * share[0]
    return energy[kept], share[kept]


def _confusions(item: Source, instrument: Detector) -> list[dict[str, Any]]:
    """Other sources with strong lines where this one has its own, most alike first.

    `told_apart_kev` are strong lines of this source that the other has not, `missing_kev` such of
    the other: what to look for.
    """
    own, weight = _strong(item)
    if not own.size:
        return []
    found = []
    for other in observable_sources():
        theirs, _ = _strong(other)
        if other.name == item.name or not theirs.size:
            continue
        near = _near(own, theirs, instrument)
        # a source is taken for another by its strongest line
        if _near(own[:1], _strong(other, PROMINENT)[0], instrument)[0]:
            found.append(
                {
                    "name": other.name,
                    "title": other.title,
                    "rarity": other.rarity,
                    "shared": float((weight * near).sum() / weight.sum()),
                    "shared_kev": _rounded(own[near]),
                    "told_apart_kev": _rounded(own[~near]),
                    "missing_kev": _rounded(theirs[~_near(theirs, own, instrument)]),
                }
            )
    order = {"common": 0, "occasional": 1, "rare": 2}
    return sorted(found, key=lambda one: (order[str(one["rarity"])], -float(str(one["shared"]))))


def _near(lines: np.ndarray, others: np.ndarray, instrument: Detector) -> np.ndarray:
    """True for each of `lines` that has one of `others` within reach."""
    reach = CONFUSED_WITHIN_FWHM * instrument.fwhm_kev(lines)
    return np.asarray(np.abs(lines[:, None] - others[None, :]).min(axis=1) <= reach)


def _rounded(energies: np.ndarray) -> list[float]:
    return list(dict.fromkeys(round(float(e), 1) for e in energies))[:6]

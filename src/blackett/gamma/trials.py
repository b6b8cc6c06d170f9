"""Test spectra with known content: one question put to every method of identification.

A trial is drawn with the exact simulation (`simulation.record`: transport tables, scenes, pile-up,
a unit with the axis errors of real ones), not with the fast sampler that networks learn from.
`Conditions` fix what a test holds still; all else is drawn anew for each trial.

    >>> trial = draw_trial(("Cs-137",), Conditions(net_counts=300.0), generator(1))
    >>> trial.present, trial.spectrum.background is not None
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from blackett.errors import InputError
from blackett.gamma.detector import detector
from blackett.gamma.folding import (
    bremsstrahlung_of,
    coincidence_sums,
    deposited,
    lines_of,
    seen_share,
)
from blackett.gamma.room import draw_room
from blackett.gamma.scene import Scene, fluence
from blackett.gamma.simulation import BINS, Unit, draw_unit, record, source_rate
from blackett.gamma.sources import observable_sources
from blackett.gamma.sources import source as source_named
from blackett.gamma.templates import EXTENDED_SCENES, STOPPER_OF

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.spectrum import Spectrum

__all__ = ["Conditions", "Trial", "draw_sources", "draw_trial", "offered_names"]

SHIELDS_MM = {
    "aluminium": (0.5, 10.0), "iron": (0.5, 15.0), "lead": (0.5, 12.0), "water": (5.0, 45.0),
}  # fmt: skip
"""Shields drawn, log-uniform in thickness, each as likely as the others."""
BARE_SHARE = 0.5
EXTENDED_SHARE = 0.5
"""Share of trials in which a source that is met in bulk lies there as a bulk."""
COUNTED_FROM_KEV = 33.0
"""Net counts are those of deposits above this energy, where identification looks."""
RARITY_SHARE = {"common": 4.0, "occasional": 2.0, "rare": 1.0}


@dataclass(frozen=True)
class Conditions:
    """What a test fixes. None, or a range of two numbers: drawn for each trial."""

    net_counts: float = 1000.0
    """Expected counts of all sources together, above 33 keV."""
    detector: str = "radiacode-103"
    live_time_s: tuple[float, float] = (60.0, 1800.0)
    """Log-uniform."""
    background: Literal["same room", "other room", "none"] = "same room"
    """The background recording that goes with it."""
    background_s: tuple[float, float] = (1800.0, 86400.0)
    """Log-uniform."""
    distance_mm: tuple[float, float] = (30.0, 400.0)
    """Of point sources, log-uniform."""
    shield: tuple[tuple[str, float], ...] | None = None
    gain_error: float | None = None
    offset_error_kev: float | None = None
    fwhm_662_percent: float | None = None
    """Width of the unit; None: from the spread of its model."""

    def __post_init__(self) -> None:
        for name in ("live_time_s", "background_s", "distance_mm"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise InputError(f"{name} {low:g} to {high:g}: give two positive numbers, rising")
        if not self.net_counts >= 0:
            raise InputError(f"net_counts {self.net_counts:g}: give a number from 0 on")


@dataclass(frozen=True)
class Trial:
    """A spectrum, with its background where there is one, and what is in it.

    `net_counts` holds the expected counts above 33 keV of each source in `present`.
    """

    spectrum: Spectrum
    present: tuple[str, ...]
    net_counts: tuple[float, ...]


def offered_names(instrument: Detector) -> tuple[str, ...]:
    """Sources that can be seen above 33 keV by an instrument, in the registry's order."""
    return tuple(s.name for s in observable_sources() if _visible(s.name, instrument))


def _visible(name: str, instrument: Detector) -> bool:
    rate = source_rate(name, 1.0, Scene(50.0), instrument)
    return bool(rate[_counted()].sum() > 0.05 * rate.sum() > 0.0)


def draw_sources(
    names: Sequence[str], most: int, rng: Generator, like_owners: bool = True
) -> tuple[str, ...]:
    """1 to `most` different sources, by how often owners meet them, or all equally likely.

    Members of one series (Ra-226 with Rn-222, Th-232 with Th-228) never come together: nothing
    could tell them apart.
    """
    weight = np.array([RARITY_SHARE[source_named(n).rarity] if like_owners else 1 for n in names])
    chosen = rng.choice(names, int(rng.integers(1, most + 1)), False, weight / weight.sum())
    kept = [str(n) for n in chosen]
    for first, second in (("Ra-226", "Rn-222"), ("Th-232", "Th-228")):
        if first in kept and second in kept:
            kept.remove(second)
    return tuple(kept)


def draw_trial(present: Sequence[str], conditions: Conditions, rng: Generator) -> Trial:
    """A spectrum of these sources (none: of the room alone).

    Shares of the net counts are Dirichlet(2, ...). Raises InputError for an unknown source.
    """
    instrument = detector(conditions.detector)
    room = draw_room(instrument, BINS, rng)
    real_time_s = _log_uniform(conditions.live_time_s, rng)
    unit = _unit(instrument, conditions, rng)
    shares = rng.dirichlet(np.full(len(present), 2.0)) if present else np.empty(0)
    net = conditions.net_counts * shares
    rate = room + sum(
        _rate(name, instrument, conditions, rng) * counts / real_time_s
        for name, counts in zip(present, net.tolist(), strict=True)
    )
    spectrum = record(rate, unit, real_time_s, rng)
    beside = _background(room, unit, conditions, rng)
    return Trial(
        spectrum if beside is None else spectrum.with_background(beside),
        tuple(present),
        tuple(net.tolist()),
    )


def trials(
    names: Sequence[Sequence[str]], conditions: Conditions, rng: Generator
) -> Iterator[Trial]:
    """A trial for each list of sources."""
    return (draw_trial(present, conditions, rng) for present in names)


def _background(
    room: FloatArray, unit: Unit, conditions: Conditions, rng: Generator
) -> Spectrum | None:
    if conditions.background == "none":
        return None
    if conditions.background == "other room":
        room = draw_room(unit.detector, BINS, rng)
    return record(room, unit, _log_uniform(conditions.background_s, rng), rng, "background")


def _unit(instrument: Detector, conditions: Conditions, rng: Generator) -> Unit:
    unit = draw_unit(instrument, rng)
    fixed = {
        name: getattr(conditions, name)
        for name in ("gain_error", "offset_error_kev", "fwhm_662_percent")
        if getattr(conditions, name) is not None
    }
    return replace(unit, **fixed)


def _rate(name: str, instrument: Detector, conditions: Conditions, rng: Generator) -> FloatArray:
    """Deposits (BINS,) of a source in a drawn scene, for one count above 33 keV."""
    scene = _scene(name, conditions, rng)
    rate = source_rate(name, 1.0, scene, instrument)
    chosen = source_named(name)
    stopper = STOPPER_OF[scene.extended] if scene.extended else "iron"
    soft = bremsstrahlung_of(chosen, stopper)
    rate = rate + deposited(*soft, scene, instrument, BINS)
    if scene.extended is None and not scene.shield:
        # pairs of one decay, of an unshielded point source
        rate = rate + seen_share(instrument, scene.reference_mm) ** 2 * coincidence_sums(
            chosen, instrument, BINS
        )
    counted = float(rate[_counted()].sum())
    if counted <= 0.0:
        raise InputError(
            f"{name} behind {scene.shield}: no photon arrives above {COUNTED_FROM_KEV:g} keV"
        )
    return rate / counted


def _counted() -> slice:
    """Bins of deposited energy above 33 keV."""
    first = int(np.ceil(np.sqrt(COUNTED_FROM_KEV / 3100.0) * BINS))
    return slice(first, None)


def _scene(name: str, conditions: Conditions, rng: Generator) -> Scene:
    surroundings = str(rng.choice(("bench", "desk", "room")))
    bulk = EXTENDED_SCENES.get(name, ())
    if bulk and rng.random() < EXTENDED_SHARE:
        return Scene(None, surroundings="bench", extended=str(rng.choice(bulk)))
    distance = _log_uniform(conditions.distance_mm, rng)
    shield = conditions.shield
    if shield is None:
        shield = _shield(rng)
    scene = Scene(distance, shield, surroundings)
    # a soft source behind lead would need an absurd activity
    return scene if _passes(name, scene) else replace(scene, shield=())


def _passes(name: str, scene: Scene) -> bool:
    energies, photons = lines_of(source_named(name))
    direct = fluence(energies, scene).direct
    return bool((photons * direct).sum() > 1e-3 * photons.sum())


def _shield(rng: Generator) -> tuple[tuple[str, float], ...]:
    if rng.random() < BARE_SHARE:
        return ()
    material = str(rng.choice(list(SHIELDS_MM)))
    return ((material, _log_uniform(SHIELDS_MM[material], rng)),)


def _log_uniform(span: tuple[float, float], rng: Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(span))))

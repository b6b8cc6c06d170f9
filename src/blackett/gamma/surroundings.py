"""Photons on their way to the detector: Monte Carlo in a world of boxes, fluence at one point.

Photons are followed through axis-aligned boxes of homogeneous materials; electrons are absorbed
where they are set free (no bremsstrahlung). The fluence at the detector's place, with the detector
absent, is scored by the next-event estimator (Kalos, Nucl. Sci. Eng. 16 (1963) 111): every emission
and every scattering adds what it would send straight to the point,

    weight × (probability per steradian) × exp(-optical depth) / distance².

The point must lie in air or vacuum, so that the estimator's variance stays small. In an infinite
homogeneous medium there is no point to aim at; there the collision estimator 1/mu serves.

Lengths are millimetres, energies keV. The detector's place is the origin unless stated otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from blackett.errors import InputError
from blackett.gamma import photons
from blackett.gamma.kernels import BINS, HIGHEST_KEV, LOWEST_KEV, sharp_lines_kev
from blackett.gamma.matter import material
from blackett.gamma.photons import (
    COHERENT,
    INCOHERENT,
    PAIR,
    PhotonTables,
    photon_tables,
)
from blackett.gamma.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from blackett.arrays import FloatArray, IntArray

__all__ = ["Tally", "fluence_at", "fluence_in_medium"]

CONTINUUM, UNSHIFTED, FIRST_SHARP = 0, 1, 2  # what a photon is scored as
NEAREST_MM = 9.0  # from the detector's place; anything nearer is not scored
AIMED = 10.0  # ln of the range of 1 - cos in which emission is drawn towards the detector


class _Place(NamedTuple):
    """What the numba functions need of a world and of the detector's place in it."""

    tables: PhotonTables
    low: FloatArray  # (n, 3) corners of the boxes
    high: FloatArray  # (n, 3)
    fill: IntArray  # (n + 1,) material number outside, then of each box
    limit_mm: float
    target: FloatArray  # (3,) the detector's place
    sharp_kev: FloatArray  # (S,)


class _Scores(NamedTuple):
    """Running sums of fluence, 1/mm2."""

    lines: FloatArray  # (2 + S,): unused, coherent, sharp
    continuum: FloatArray  # (BINS,)
    oblique: FloatArray  # (1,) indirect fluence times |ux| + |uy| + |uz|


@cache
def _tables(names: tuple[str, ...]) -> PhotonTables:
    return photon_tables([material(name) for name in names])


def _place(world: World, target_mm: tuple[float, float, float]) -> _Place:
    names = world.material_names()
    fill = [names.index(world.outside), *(names.index(box.material) for box in world.boxes)]
    return _Place(
        tables=_tables(names),
        low=np.array([box.low_mm for box in world.boxes], dtype=np.float64).reshape(-1, 3),
        high=np.array([box.high_mm for box in world.boxes], dtype=np.float64).reshape(-1, 3),
        fill=np.array(fill, dtype=np.int64),
        limit_mm=world.limit_mm,
        target=np.array(target_mm, dtype=np.float64),
        sharp_kev=np.array(sharp_lines_kev()),
    )


@njit(cache=True)
def _crossings(
    place: _Place, point: FloatArray, direction: FloatArray, enter: FloatArray, leave: FloatArray
) -> None:
    """Distances at which a ray enters and leaves each box; the limit for boxes that it misses."""
    for b in range(len(place.low)):
        first, last = 0.0, place.limit_mm
        for k in range(3):
            if abs(direction[k]) < 1e-12:
                if point[k] <= place.low[b, k] or point[k] >= place.high[b, k]:
                    last = -1.0
                continue
            t1 = (place.low[b, k] - point[k]) / direction[k]
            t2 = (place.high[b, k] - point[k]) / direction[k]
            first = max(first, min(t1, t2))
            last = min(last, max(t1, t2))
        enter[b], leave[b] = (first, last) if last > first else (place.limit_mm, place.limit_mm)


@njit(cache=True)
def _march(
    place: _Place,
    point: FloatArray,
    direction: FloatArray,
    energy: float,
    length_mm: float,
    wanted: float,
) -> tuple[float, float, int]:
    """Follow a ray until its optical depth is `wanted`, or for `length_mm`.

    Returns (distance, optical depth, material there).
    """
    n = len(place.low)
    enter, leave = np.empty(n), np.empty(n)
    _crossings(place, point, direction, enter, leave)
    i, f = photons.locate(place.tables, energy)
    at, depth = 0.0, 0.0
    while at < length_mm:
        top, until = 0, length_mm
        for b in range(n):
            if enter[b] <= at < leave[b]:
                top, until = b + 1, min(until, leave[b])
            elif enter[b] > at:
                until = min(until, enter[b])
        mu = photons.total_per_mm(place.tables, place.fill[top], i, f)
        step = mu * (until - at)
        if depth + step >= wanted:
            return at + (wanted - depth) / mu, wanted, place.fill[top]
        depth += step
        at = until
    return length_mm, depth, -1


@njit(cache=True)
def _towards(place: _Place, point: FloatArray, direction: FloatArray) -> float:
    """Point `direction` from `point` at the detector's place; returns the distance."""
    for k in range(3):
        direction[k] = place.target[k] - point[k]
    distance = math.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
    for k in range(3):
        direction[k] /= distance
    return distance


@njit(cache=True)
def _arriving(
    place: _Place, point: FloatArray, aim: FloatArray, distance: float, energy: float
) -> float:
    """exp(-optical depth) / distance² from a point to the detector's place.

    Nothing from the air within `NEAREST_MM`, where the detector itself would be: there the
    estimator's variance has no bound.
    """
    if distance < NEAREST_MM:
        return 0.0
    _, depth, _ = _march(place, point, aim, energy, distance, np.inf)
    return math.exp(-depth) / (distance * distance)


@njit(cache=True)
def _score(scores: _Scores, value: float, aim: FloatArray, energy: float, kind: int) -> None:
    if kind == CONTINUUM:
        if energy >= LOWEST_KEV:
            index = min(int(BINS * math.sqrt(energy / HIGHEST_KEV)), BINS - 1)
            scores.continuum[index] += value
    else:
        scores.lines[kind] += value
    scores.oblique[0] += value * (abs(aim[0]) + abs(aim[1]) + abs(aim[2]))


@njit(cache=True)
def _score_emission(
    place: _Place, scores: _Scores, point: FloatArray, energy: float, weight: float, kind: int
) -> None:
    """Next-event score of an isotropic emission."""
    aim = np.empty(3)
    distance = _towards(place, point, aim)
    value = weight * _arriving(place, point, aim, distance, energy) / (4.0 * math.pi)
    _score(scores, value, aim, energy, kind)


@njit(cache=True)
def _score_scattering(
    place: _Place,
    scores: _Scores,
    point: FloatArray,
    direction: FloatArray,
    medium: int,
    energy: float,
    weight: float,
    kind: int,
) -> None:
    """Next-event scores of a collision: what incoherent and coherent scattering would send."""
    aim = np.empty(3)
    distance = _towards(place, point, aim)
    cos = direction[0] * aim[0] + direction[1] * aim[1] + direction[2] * aim[2]
    i, f = photons.locate(place.tables, energy)
    mu = photons.total_per_mm(place.tables, medium, i, f)
    left = photons.compton_energy(energy, cos)
    if left >= LOWEST_KEV:
        share = photons.compton_per_sr(place.tables, medium, energy, cos) / mu
        value = weight * share * _arriving(place, point, aim, distance, left)
        _score(scores, value, aim, left, CONTINUUM)
    share = photons.coherent_per_sr(place.tables, medium, energy, cos) / mu
    value = weight * share * _arriving(place, point, aim, distance, energy)
    _score(scores, value, aim, energy, kind)


@njit(cache=True)
def _isotropic(direction: FloatArray, rng: Generator) -> None:
    cos, phi = 2.0 * rng.random() - 1.0, 2.0 * math.pi * rng.random()
    sin = math.sqrt(1.0 - cos * cos)
    direction[0], direction[1], direction[2] = sin * math.cos(phi), sin * math.sin(phi), cos


@njit(cache=True)
def _turn(direction: FloatArray, cos: float, rng: Generator) -> None:
    phi = 2.0 * math.pi * rng.random()
    direction[0], direction[1], direction[2] = photons.rotated(
        direction[0], direction[1], direction[2], cos, phi
    )


@njit(cache=True)
def _sharp_kind(sharp_kev: FloatArray, energy: float) -> int:
    """How an X-ray is scored: as its sharp line, or in the continuum if it is not listed."""
    for s in range(len(sharp_kev)):
        if abs(sharp_kev[s] - energy) < 1e-3:
            return FIRST_SHARP + s
    return CONTINUUM


@njit(cache=True)
def _interact(
    place: _Place, medium: int, direction: FloatArray, energy: float, kind: int, rng: Generator
) -> tuple[float, int, int, bool]:
    """One sampled interaction: (energy, kind, photons that leave, born anew); turns `direction`.

    Two photons leave after pair production, back to back, at 511 keV each.
    """
    tables = place.tables
    i, f = photons.locate(tables, energy)
    process = photons.sample_process(tables, medium, i, f, rng)
    if process == INCOHERENT:
        energy, cos = photons.sample_compton(tables, medium, energy, rng)
        _turn(direction, cos, rng)
        return energy, CONTINUUM, 1, False
    if process == COHERENT:
        _turn(direction, photons.sample_coherent(tables, medium, energy, rng), rng)
        return energy, kind, 1, False
    _isotropic(direction, rng)
    if process == PAIR:
        return photons.ELECTRON_MASS_KEV, FIRST_SHARP, 2, True
    _, x_ray = photons.k_vacancy(tables, medium, energy, rng)
    leaving = 1 if x_ray >= LOWEST_KEV else 0
    return x_ray, _sharp_kind(place.sharp_kev, x_ray), leaving, True


@njit(cache=True)
def _history(
    place: _Place,
    scores: _Scores,
    point: FloatArray,
    direction: FloatArray,
    energy: float,
    weight: float,
    kind: int,
    forced: bool,
    rng: Generator,
) -> None:
    """Follow one photon and its annihilation quanta, scoring every collision.

    With `forced` the first flight ends in a collision, at the weight of its probability.
    """
    waiting, pending = np.empty((16, 6)), 0
    while True:
        depth = -math.log(1.0 - rng.random())
        if forced:
            _, whole, _ = _march(place, point, direction, energy, place.limit_mm, np.inf)
            hit = -math.expm1(-whole)
            depth = -math.log1p(-rng.random() * hit)
            weight, forced = weight * hit, False
        distance, _, medium = _march(place, point, direction, energy, place.limit_mm, depth)
        leaving = 0
        if medium >= 0:
            for k in range(3):
                point[k] += distance * direction[k]
            _score_scattering(place, scores, point, direction, medium, energy, weight, kind)
            energy, kind, leaving, born = _interact(place, medium, direction, energy, kind, rng)
            if born and leaving > 0:
                _score_emission(place, scores, point, energy, leaving * weight, kind)
            if leaving == 2 and pending < len(waiting):
                waiting[pending, :3], waiting[pending, 3:] = point, -direction
                pending += 1
        if leaving > 0 and energy >= LOWEST_KEV:
            continue
        if pending == 0:
            return
        pending -= 1
        point[:], direction[:] = waiting[pending, :3], waiting[pending, 3:]
        energy, kind = photons.ELECTRON_MASS_KEV, FIRST_SHARP


@njit(cache=True)
def _emit(direction: FloatArray, rng: Generator) -> float:
    """Emission direction, half of them drawn nearer to `direction`; returns the weight.

    The drawn density in m = 1 - cos is half isotropic, half uniform in ln m, so that collisions
    close to the line of sight, which count most, are not left to chance.
    """
    m = 2.0 * (rng.random() if rng.random() < 0.5 else math.exp(-AIMED * rng.random()))
    _turn(direction, 1.0 - m, rng)
    aimed = 1.0 / (m * AIMED) if m > 2.0 * math.exp(-AIMED) else 0.0
    return 0.5 / (0.25 + 0.5 * aimed)


@njit(cache=True)
def _run(
    place: _Place, starts: FloatArray, energy: float, scores: _Scores, rng: Generator
) -> float:
    """Histories from each of `starts` (n, 3); returns the direct fluence summed over them."""
    direct = 0.0
    aim, direction, point = np.empty(3), np.empty(3), np.empty(3)
    for h in range(len(starts)):
        distance = _towards(place, starts[h], aim)
        direct += _arriving(place, starts[h], aim, distance, energy) / (4.0 * math.pi)
        point[:], direction[:] = starts[h], aim
        weight = _emit(direction, rng)
        _history(place, scores, point, direction, energy, weight, UNSHIFTED, True, rng)
    return direct


@dataclass(frozen=True)
class Tally:
    """Fluence at the detector's place per emitted photon, 1/mm2.

    `direct`, `coherent`, `error` (one standard deviation of all but the direct part) and
    `obliquity` (as in `kernels.Fluence`) are numbers, `continuum` is (BINS,), `sharp` (S,).
    """

    direct: float
    coherent: float
    continuum: FloatArray
    sharp: FloatArray
    obliquity: float
    error: float
    histories: int

    @property
    def indirect(self) -> float:
        """All but the direct fluence."""
        return float(self.coherent + self.continuum.sum() + self.sharp.sum())


def fluence_at(
    world: World,
    source: Callable[[int, Generator], FloatArray],
    energy_kev: float,
    histories: int,
    rng: Generator,
    target_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Tally:
    """Fluence at `target_mm` of a source of one energy, per emitted photon.

    `source(n, rng)` gives n emission points (n, 3) in mm, for instance `point_source` or
    `box_source`. Raises InputError if the target lies in dense matter or the energy out of range.
    """
    if not LOWEST_KEV <= energy_kev <= HIGHEST_KEV:
        raise InputError(f"energy {energy_kev} keV; allowed {LOWEST_KEV:g} to {HIGHEST_KEV:g} keV")
    _check_target(world, target_mm)
    place = _place(world, target_mm)
    batches = [_batch(place, source(n, rng), energy_kev, rng) for n in _shares(histories, 10)]
    return _tally(batches, histories)


def _shares(total: int, parts: int) -> list[int]:
    """`total` cut into about equal `parts`."""
    return [total * (k + 1) // parts - total * k // parts for k in range(parts)]


def _check_target(world: World, target_mm: tuple[float, float, float]) -> None:
    number = int(world.topmost(np.array([target_mm]))[0])
    filled = world.outside if number < 0 else world.boxes[number].material
    if material(filled).density_g_cm3 > 0.01:
        raise InputError(f"the detector's place lies in {filled}; the estimator needs it in air")


def _batch(place: _Place, starts: FloatArray, energy: float, rng: Generator) -> _Scores:
    """Scores of one batch; `lines[0]` carries the direct fluence."""
    scores = _Scores(np.zeros(2 + len(place.sharp_kev)), np.zeros(BINS), np.zeros(1))
    scores.lines[0] = _run(place, np.ascontiguousarray(starts), energy, scores, rng)
    return scores


def _tally(batches: list[_Scores], histories: int) -> Tally:
    lines = np.array([b.lines for b in batches])
    continuum = np.array([b.continuum for b in batches])
    totals = lines[:, 1:].sum(1) + continuum.sum(1)
    oblique = sum(float(b.oblique[0]) for b in batches)
    spread = float(np.std(totals, ddof=1)) * math.sqrt(len(batches))
    total = float(totals.sum())
    return Tally(
        direct=float(lines[:, 0].sum()) / histories,
        coherent=float(lines[:, 1].sum()) / histories,
        continuum=continuum.sum(0) / histories,
        sharp=lines[:, FIRST_SHARP:].sum(0) / histories,
        obliquity=oblique / total if total > 0.0 else 1.0,
        error=spread / histories,
        histories=histories,
    )


@njit(cache=True)
def _run_medium(
    place: _Place, energy: float, histories: int, scores: _Scores, rng: Generator
) -> None:
    """Collision estimator of fluence times medium volume per emitted photon, mm, in medium 0."""
    point, direction = np.zeros(3), np.empty(3)
    left, kinds = np.empty(16), np.empty(16, dtype=np.int64)
    for _ in range(histories):
        left[0], kinds[0], n = energy, UNSHIFTED, 1
        first = True
        while n > 0:
            n -= 1
            now, kind = left[n], kinds[n]
            i, f = photons.locate(place.tables, now)
            length = 1.0 / photons.total_per_mm(place.tables, 0, i, f)
            if not first:
                _score(scores, length, point, now, kind)
            first = False
            now, kind, leaving, _ = _interact(place, 0, direction, now, kind, rng)
            if now >= LOWEST_KEV:
                for _k in range(min(leaving, 16 - n)):
                    left[n], kinds[n] = now, kind
                    n += 1


def fluence_in_medium(
    name: str, energy_kev: float, histories: int, rng: Generator
) -> tuple[Tally, float]:
    """Fluence inside an infinite medium with a uniform source, or in a small cavity of it.

    The tally is in mm: times photons emitted per mm3, it gives the fluence in 1/mm2. Directions are
    isotropic (obliquity 1.5). The second number is the direct part in g/cm2, 1/(mu/rho): times
    photons emitted per gram, 1/cm2. Raises InputError for an unknown material or energy out of
    range.
    """
    if not LOWEST_KEV <= energy_kev <= HIGHEST_KEV:
        raise InputError(f"energy {energy_kev} keV; allowed {LOWEST_KEV:g} to {HIGHEST_KEV:g} keV")
    place = _place(World((), name), (0.0, 0.0, 0.0))
    i, f = photons.locate(place.tables, energy_kev)
    direct = 1.0 / photons.total_per_mm(place.tables, 0, i, f)
    batches = []
    for n in _shares(histories, 10):
        scores = _Scores(np.zeros(2 + len(place.sharp_kev)), np.zeros(BINS), np.zeros(1))
        _run_medium(place, energy_kev, n, scores, rng)
        scores.lines[0] = n * direct
        batches.append(scores)
    tally = _tally(batches, histories)
    whole = 0.1 * direct * material(name).density_g_cm3
    return replace(tally, obliquity=1.5), whole

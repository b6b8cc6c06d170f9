"""Rebuild the response tables of `blackett.gamma` by Monte Carlo.

    python tools/build_response.py [--crystals csi-10 ...] [--photons 60000] [--seed 1]

Each photon energy of each crystal is one piece with its own generator; finished pieces lie in
build/response and are taken up again after an interruption, so that the same command goes on where
it stopped and gives the same tables. The tables go to src/blackett/gamma/data/response-*.npz.

Raw counts are smoothed: the yields of sharp features along ln E between K edges (penalised second
differences, weighted with the counts), the continuum in its stretched bins along ln E and across
bins (Gaussian kernels of 1.2 energies and 1 bin), with its total kept on its own smooth curve.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d

from blackett.gamma.detector import detectors
from blackett.gamma.matter import edges_kev, material
from blackett.gamma.photons import photon_tables
from blackett.gamma.response import (
    COMPTON_BINS,
    FRONT_DISTANCE_MM,
    INCIDENCES,
    UPPER_BINS,
    continuum_place,
    housed_scene,
    response_name,
)
from blackett.gamma.transport import deposits_kev
from blackett.seeds import numbered

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.transport import Scene

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src" / "blackett" / "gamma" / "data"
ENERGIES = 112
BINS = COMPTON_BINS + UPPER_BINS
MARGIN_MM = 15.0  # of housing around the crystal from which scattered photons are counted
INNER_SHARE = 0.7  # of the photons aimed at the crystal itself
FEATURE_STIFFNESS, TOTAL_STIFFNESS = 3e4, 3e3
STIFF_ABOVE_KEV = 300.0  # below, yields bend more and have counts enough: stiffness falls as E^2


def incident_energies(of: Detector) -> FloatArray:
    """Equal steps in ln E, 10 keV to 3 MeV, with two close neighbours around each K edge."""
    plain = np.geomspace(10.0, 3000.0, ENERGIES)
    k_edges = [max(edges_kev(s), default=0.0) for s, _ in material(of.crystal).mass_fractions]
    both = np.array([e * f for e in k_edges if e > 10.0 for f in (1.0 - 1e-5, 1.0 + 1e-5)])
    far = np.all(np.abs(plain[:, None] / both - 1.0) > 0.01, axis=1) if len(both) else plain > 0
    return np.sort(np.concatenate([plain[far], both]))


def feature_losses(of: Detector) -> FloatArray:
    """0, 511, 1022 keV and the K lines of the crystal above 5 keV."""
    lines = photon_tables([material(of.crystal)]).k_lines[:, :, 0].ravel()
    return np.concatenate([[0.0, 510.99895, 2 * 510.99895], np.unique(lines[lines > 5.0])])


# ------------------------------------------------------------------------------------- sources


def front(of: Detector, energy: float, n: int, rng: np.random.Generator) -> list[FloatArray]:
    """Rows and weights from a point source: aimed at the face, then at its surroundings."""
    half = 0.5 * np.array(of.size_mm[:2])
    outer = half + MARGIN_MM
    inner_rows, inner_weight = _aimed(half, None, energy, int(n * INNER_SHARE), rng)
    rows, weight = _aimed(outer, half, energy, n - len(inner_rows), rng)
    unit = float(np.sum(inner_weight))
    return [np.concatenate([inner_rows, rows]), np.concatenate([inner_weight, weight]) / unit]


def _aimed(
    half: FloatArray, hole: FloatArray | None, energy: float, n: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Photons towards a rectangle at z = 0 less a hole; weights are solid angles."""
    place = np.empty((0, 2))
    while len(place) < n:
        more = rng.uniform(-1.0, 1.0, (n, 2)) * half
        if hole is not None:
            more = more[np.any(np.abs(more) > hole, axis=1)]
        place = np.concatenate([place, more])[:n]
    target = np.column_stack([place, np.full(n, FRONT_DISTANCE_MM)])
    distance = np.linalg.norm(target, axis=1)
    direction = target / distance[:, None]
    area = 4.0 * np.prod(half) - (4.0 * np.prod(hole) if hole is not None else 0.0)
    start = np.tile([energy, 0.0, 0.0, -FRONT_DISTANCE_MM], (n, 1))
    weight = FRONT_DISTANCE_MM / distance**3 * area / n
    return np.column_stack([start, direction]), weight


def isotropic(of: Detector, energy: float, n: int, rng: np.random.Generator) -> list[FloatArray]:
    """Rows and weights (mm2) from all sides: through the crystal's sphere, then around it."""
    radius = 0.5 * float(np.linalg.norm(of.size_mm))
    inner = int(n * INNER_SHARE)
    parts = [(0.0, radius, inner), (radius, radius + MARGIN_MM, n - inner)]
    rows = [_disc(of, energy, low, high, count, rng) for low, high, count in parts]
    weight = [np.full(c, np.pi * (high**2 - low**2) / c) for low, high, c in parts]
    return [np.concatenate(rows), np.concatenate(weight)]


def _disc(
    of: Detector, energy: float, low: float, high: float, n: int, rng: np.random.Generator
) -> FloatArray:
    """Parallel beams from all directions through a ring around the crystal's centre."""
    w = rng.uniform(-1.0, 1.0, n)
    phi = rng.uniform(0.0, 2.0 * np.pi, n)
    across = np.sqrt(1.0 - w**2)
    direction = np.column_stack([across * np.cos(phi), across * np.sin(phi), w])
    first = np.column_stack([-np.sin(phi), np.cos(phi), np.zeros(n)])
    second = np.cross(direction, first)
    r = np.sqrt(rng.uniform(low**2, high**2, n))[:, None]
    turn = rng.uniform(0.0, 2.0 * np.pi, n)[:, None]
    centre = np.array([0.0, 0.0, 0.5 * of.size_mm[2]])
    place = centre + r * (np.cos(turn) * first + np.sin(turn) * second) - 300.0 * direction
    return np.column_stack([np.full(n, energy), place, direction])


SOURCES = {"front": front, "isotropic": isotropic}


# --------------------------------------------------------------------------------------- counts


def piece(
    of: Detector, where: Scene, energy: float, losses: FloatArray, n: int, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Counts of both incidences at one energy: features, annihilation, continuum, squares."""
    made: dict[str, FloatArray] = {}
    for incidence in INCIDENCES:
        rows, weight = SOURCES[incidence](of, energy, n, rng)
        deposit = deposits_kev(where, rows, rng)
        seen = deposit > 0.0
        made |= _sorted(incidence, energy, losses, deposit[seen], weight[seen])
    return made


def _sorted(
    incidence: str, energy: float, losses: FloatArray, deposit: FloatArray, weight: FloatArray
) -> dict[str, FloatArray]:
    sharp = np.abs(deposit[:, None] - (energy - losses)) < 1e-4
    at_511 = (np.abs(deposit - 510.99895) < 1e-4) & ~sharp.any(axis=1)
    rest = ~sharp.any(axis=1) & ~at_511
    place = continuum_place(deposit[rest], np.full(int(rest.sum()), energy))
    bins = np.minimum(place.astype(int), BINS - 1)
    return {
        f"{incidence}_yields": weight @ sharp,
        f"{incidence}_squares": weight**2 @ sharp,
        f"{incidence}_annihilation": np.array(np.sum(weight[at_511])),
        f"{incidence}_continuum": np.asarray(np.bincount(bins, weight[rest], minlength=BINS)),
        f"{incidence}_continuum_squares": np.array(np.sum(weight[rest] ** 2)),
    }


def raw(of: Detector, n: int, seed: int) -> dict[str, FloatArray]:
    """All pieces of a detector, from disk where finished."""
    energies, losses = incident_energies(of), feature_losses(of)
    design = hashlib.sha256(repr((of.crystal, of.size_mm, of.housing)).encode()).hexdigest()[:8]
    folder = ROOT / "build" / "response" / f"{response_name(of)}-{design}-{n}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    where, pieces, started = housed_scene(of), [], time.monotonic()
    for i, energy in enumerate(energies):
        file = folder / f"{i:03d}.npz"
        if not file.exists():
            made = piece(of, where, float(energy), losses, n, numbered(seed, i))
            aside = file.with_name("partial.npz")
            np.savez(aside, allow_pickle=False, **made)
            aside.replace(file)
        with np.load(file) as stored:
            pieces.append({key: stored[key] for key in stored.files})
        if i % 10 == 0 or i == len(energies) - 1:
            spent = time.monotonic() - started
            print(f"{response_name(of)} {i + 1}/{len(energies)} {spent:.0f} s", flush=True)
    counts = {key: np.array([p[key] for p in pieces]) for key in pieces[0]}
    return counts | {"energies_kev": energies, "losses_kev": losses}


# ------------------------------------------------------------------------------------ smoothing


def whittaker(value: FloatArray, weight: FloatArray, stiffness: FloatArray) -> FloatArray:
    """Penalised second differences (E. T. Whittaker, Proc. Edinburgh Math. Soc. 41 (1923) 63)."""
    if len(value) < 4:
        return value
    bend = np.diff(np.eye(len(value)), 2, axis=0)
    return np.asarray(
        np.linalg.solve(np.diag(weight) + bend.T * stiffness[1:-1] @ bend, weight * value)
    )


def smooth_yield(
    value: FloatArray, squares: FloatArray, cuts: list[int], stiffness: FloatArray
) -> FloatArray:
    """Smooth ln(yield) between the cuts, over stretches where the feature was seen."""
    made = np.array(value)
    for start, stop in zip([0, *cuts], [*cuts, len(value)], strict=True):
        seen = np.flatnonzero(value[start:stop] > 0.0) + start
        if len(seen) < 4:
            continue
        span = np.arange(seen[0], stop)
        counted = value[span] > 0.0
        weight = np.where(counted, value[span] ** 2 / np.where(counted, squares[span], 1.0), 0.0)
        log = np.log(np.where(counted, value[span], 1.0))
        made[span] = np.exp(whittaker(log, weight, stiffness[span]))
    return made


def smoothed(counts: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """The shipped arrays of one crystal."""
    energies = counts["energies_kev"]
    cuts = [int(i) + 1 for i in np.flatnonzero(np.diff(np.log(energies)) < 1e-4)]
    made = {"energies_kev": energies, "losses_kev": counts["losses_kev"]}
    stiffness = np.minimum(energies / STIFF_ABOVE_KEV, 1.0) ** 2
    for incidence in INCIDENCES:
        yields, squares = counts[f"{incidence}_yields"], counts[f"{incidence}_squares"]
        columns = [
            smooth_yield(y, s, cuts, FEATURE_STIFFNESS * stiffness)
            for y, s in zip(yields.T, squares.T, strict=True)
        ]
        made[f"{incidence}_yields"] = np.column_stack(columns).astype(np.float32)
        annihilation = counts[f"{incidence}_annihilation"]
        made[f"{incidence}_annihilation"] = gaussian_filter1d(annihilation, 2.0).astype(np.float32)
        continuum = counts[f"{incidence}_continuum"]
        total = smooth_yield(
            continuum.sum(axis=1),
            counts[f"{incidence}_continuum_squares"],
            cuts,
            TOTAL_STIFFNESS * stiffness,
        )
        shape = _smooth_shape(continuum, cuts)
        made[f"{incidence}_continuum"] = (shape * total[:, None]).astype(np.float32)
    return made


def _smooth_shape(continuum: FloatArray, cuts: list[int]) -> FloatArray:
    """Shapes of unit sum, smoothed over energies between cuts and over bins on each stretch."""
    made = np.empty_like(continuum)
    for start, stop in zip([0, *cuts], [*cuts, len(continuum)], strict=True):
        part = gaussian_filter1d(continuum[start:stop], 1.2, axis=0, mode="nearest")
        for low, high in ((0, COMPTON_BINS), (COMPTON_BINS, BINS)):
            made[start:stop, low:high] = gaussian_filter1d(
                part[:, low:high], 1.0, axis=1, mode="nearest"
            )
    return np.asarray(made / np.maximum(made.sum(axis=1, keepdims=True), 1e-300))


def main() -> None:
    """Build every table asked for."""
    models = {response_name(d).removeprefix("response-"): d for d in detectors().values()}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", nargs="+", choices=list(models), default=list(models))
    parser.add_argument("--photons", type=int, default=60_000, help="for each energy and incidence")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for name in given.crystals:
        made = smoothed(raw(models[name], given.photons, given.seed))
        target = DATA / f"{response_name(models[name])}.npz"
        aside = target.with_name(f"partial-{target.name}")
        np.savez_compressed(
            aside, allow_pickle=False, photons=given.photons, seed=given.seed, **made
        )
        aside.replace(target)
        print(f"{target.name}: {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()

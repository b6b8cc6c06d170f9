"""What rocks are called: simulated recordings of large and small masses, beside a background.

    python tools/measure_rocks.py --spectra 200 --method hybrid --out rocks.jsonl
    python tools/measure_rocks.py --spectra 200 --method hybrid --without outcrop --out before.jsonl

Each recording has its own place, unit and model (RadiaCode 101 to 110 in turn), the room's
background beside it, and a mass of natural radioactivity of its own: deep in concrete or soil, on
open ground, or a rock of 80 x 80 x 50 mm. A large mass keeps up to half of the room away. Only in
the last do matter and place agree with a look of the library. Names of the natural series
are right, all others wrong. Finished recordings in --out are not done again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy import stats

from blackett.gamma import identification
from blackett.gamma.background import U235_PER_U238, Concentrations, natural_background
from blackett.gamma.detector import detector
from blackett.gamma.folding import counted
from blackett.gamma.room import draw_room
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import BINS, draw_unit, record, source_rate
from blackett.gamma.templates import library
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.templates import Library

MODELS = ("radiacode-101", "radiacode-102", "radiacode-103", "radiacode-103g", "radiacode-110")
GRANITE = {"k40_bq_kg": (1000.0, 0.5), "u238_bq_kg": (60.0, 0.8), "th232_bq_kg": (70.0, 0.8)}
"""Median and spread (of the logarithm) of concentrations: twice soil's, our choice for granite."""
PLACES = ("concrete medium", "soil medium", "ground", "rock")
NATURAL = {"K-40", "Ra-226", "Rn-222", "Th-232", "Th-228", "U-238", "U-235", "Pb-210"}
ROCK_KG = 0.85
"""Granite of 80 x 80 x 50 mm."""
RICHER = 20.0
"""A rock that somebody takes home has more of everything than the ground has."""


def rock_rate(place: str, instrument: Detector, rng: Generator) -> FloatArray:
    """Counts per second by deposited energy (BINS,) of a drawn mass of rock."""
    of = {name: m * float(np.exp(s * rng.standard_normal())) for name, (m, s) in GRANITE.items()}
    if place != "rock":
        half = 0.5 if place.endswith("medium") else 1.0
        nothing = dict.fromkeys(("radon_bq_m3", "cosmic"), 0.0)
        seen = natural_background(Concentrations(**of, **nothing), place).values()
        return np.asarray(half * np.sum([counted(rate, instrument, BINS) for rate in seen], axis=0))
    scene = Scene(None, surroundings="bench", extended="rock")
    k40, u238, th232 = (RICHER * ROCK_KG * bq_kg for bq_kg in of.values())
    bq = {"K-40": k40, "U-238": u238, "Ra-226": u238, "U-235": U235_PER_U238 * u238}
    return sum(
        (source_rate(name, a, scene, instrument) for name, a in {**bq, "Th-232": th232}.items()),
        np.zeros(BINS),
    )


@cache
def library_without(name: str, extended: tuple[str, ...]) -> Library:
    """A detector's templates without the looks in some extended scenes."""
    whole = library(name)
    gone = [look is not None and (look.scene.extended or "") in extended for look in whole.look_of]
    kept, cut = np.flatnonzero(np.logical_not(gone)), dict[str, Any]()
    for part in fields(whole):
        value = getattr(whole, part.name)
        if isinstance(value, np.ndarray) and len(gone) in value.shape:
            cut[part.name] = value.take(kept, axis=value.shape.index(len(gone)))
        elif isinstance(value, tuple) and len(value) == len(gone):
            cut[part.name] = tuple(value[k] for k in kept)
    return replace(whole, **cut)


def one(index: int, options: argparse.Namespace) -> dict[str, Any]:
    """Answer recording `index` of a run."""
    rng = numbered(options.seed, index)
    instrument = detector(MODELS[index % len(MODELS)])
    place = PLACES[int(rng.integers(len(PLACES)))]
    unit, room = draw_unit(instrument, rng), draw_room(instrument, BINS, rng)
    shade = 1.0 if place == "rock" else 1.0 - 0.5 * rng.random()
    rate = shade * room + rock_rate(place, instrument, rng)
    seconds = float(np.exp(rng.uniform(np.log(300.0), np.log(7200.0))))
    spectrum = record(rate, unit, seconds, rng, "simulated rock")
    own = record(room, unit, 10 * seconds, rng, "simulated room")
    found = identification.identify(spectrum, own, method=options.method)
    return {
        "index": index, "place": place, "counts": found.counts, "verdict": found.verdict,
        "nuclides": [n.nuclide for n in found.nuclides],
    }  # fmt: skip


def summary(answers: list[dict[str, Any]]) -> str:
    """Counts with Clopper-Pearson intervals (95 %)."""
    n, lines = len(answers), []
    kinds: dict[str, Callable[[dict[str, Any]], bool]] = {
        "a wrong name": lambda a: bool(set(a["nuclides"]) - NATURAL),
        "natural names alone": lambda a: bool(a["nuclides"]) and set(a["nuclides"]) <= NATURAL,
        "uranium-235 named": lambda a: "U-235" in a["nuclides"],
        "called unknown": lambda a: a["verdict"] == "unknown",
        "nothing found": lambda a: a["verdict"] == "background",
    }
    for what, holds in kinds.items():
        k = sum(map(holds, answers))
        limits = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
        lines.append(f"{what}: {k} of {n} = {k / n:.3f} [{limits.low:.3f}, {limits.high:.3f}]")
    names = Counter(name for a in answers for name in a["nuclides"])
    return "\n".join([*lines, f"names: {dict(names.most_common())}"])


def main() -> None:
    """Run what is missing, then sum up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spectra", type=int, default=200)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--method", choices=identification.METHODS,
                        default=identification.DEFAULT_METHOD)  # fmt: skip
    parser.add_argument("--without", nargs="*", default=[], help="extended scenes to leave out")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    done: dict[int, dict[str, Any]] = {}
    if options.out.exists():
        lines = options.out.read_text(encoding="utf-8").splitlines()
        done = {answer["index"]: answer for answer in map(json.loads, lines)}
    without = tuple(options.without)
    with (
        mock.patch.object(identification, "library", lambda name: library_without(name, without)),
        options.out.open("a", encoding="utf-8") as out,
    ):
        for index in range(options.spectra):
            if index not in done:
                done[index] = one(index, options)
                out.write(json.dumps(done[index]) + "\n")
    print(summary([done[i] for i in sorted(done) if i < options.spectra]))


if __name__ == "__main__":
    main()

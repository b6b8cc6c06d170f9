"""Compare ways to join a network's odds and the fit, on simulated spectra.

    python tools/compare_hybrid.py --spectra 400 --combination 20,2,9,60 --combination 14,2,9,120

Every other spectrum is a room alone; the rest hold one to three sources of 30 to 30,000 net counts
together (`trials`), for the RadiaCode models in turn, with the room's background beside 60 % of
them. Printed are, for unmix, net and each combination (needed, weight, least, most), the sources
found, missed and wrongly declared.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from unittest import mock

from blackett.gamma import hybrid
from blackett.gamma.detector import detector
from blackett.gamma.hybrid import Combination
from blackett.gamma.identification import identify
from blackett.gamma.network import load
from blackett.gamma.trials import Conditions, Trial, draw_sources, draw_trial, offered_names
from blackett.seeds import numbered

MODELS = ("radiacode-101", "radiacode-102", "radiacode-103", "radiacode-103g", "radiacode-110")
SAME_PHOTONS = ({"Ra-226", "Rn-222"}, {"Th-232", "Th-228"}, {"Ge-68", "Ga-68"})


@dataclass
class Tally:
    """Counts of one method."""

    found: int = 0
    missed: int = 0
    wrong: int = 0
    wrong_in_rooms: int = 0
    cpu_s: list[float] = field(default_factory=list)

    def add(self, names: list[str], present: tuple[str, ...], cpu_s: float) -> None:
        """One answer: the names declared, against the truth."""
        hit = sum(any(_same(n, p) for n in names) for p in present)
        wrong = sum(not any(_same(n, p) for p in present) for n in names)
        self.found += hit
        self.missed += len(present) - hit
        self.wrong += wrong
        self.wrong_in_rooms += 0 if present else wrong
        self.cpu_s.append(cpu_s)

    def __str__(self) -> str:
        precision = self.found / max(self.found + self.wrong, 1)
        recall = self.found / max(self.found + self.missed, 1)
        return (
            f"found {self.found}, missed {self.missed}, wrong {self.wrong} "
            f"({self.wrong_in_rooms} in rooms alone), precision {precision:.3f}, "
            f"recall {recall:.3f}, F1 {2 * precision * recall / max(precision + recall, 1e-9):.3f},"
            f" median {1000 * median(self.cpu_s):.0f} ms"
        )


def _same(one: str, other: str) -> bool:
    return one == other or {one, other} in SAME_PHOTONS


def drawn(index: int, seed: int) -> Trial:
    """Spectrum `index` of a run."""
    rng = numbered(seed, index)
    name = MODELS[index % len(MODELS)]
    conditions = Conditions(
        net_counts=float(10.0 ** rng.uniform(1.5, 4.5)),
        detector=name,
        background="same room" if rng.random() < 0.6 else "none",
    )
    present = draw_sources(offered_names(detector(name)), 3, rng) if index % 2 else ()
    return draw_trial(present, conditions, rng)


def main() -> None:
    """Draw, answer, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", type=Path, help="ONNX file; the shipped one when left out")
    parser.add_argument("--spectra", type=int, default=400)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--combination", action="append", default=[])
    options = parser.parse_args()
    network = load(options.network)
    ways = {name: (name, hybrid.FITTED) for name in ("unmix", "net", "hybrid")}
    for text in options.combination:
        ways[text] = ("hybrid", Combination(*map(float, text.split(","))))
    tallies = {way: Tally() for way in ways}
    for index in range(options.first, options.first + options.spectra):
        trial = drawn(index, options.seed)
        for way, (method, combination) in ways.items():
            start = time.process_time()
            with mock.patch.object(hybrid.with_odds, "__defaults__", (combination,)):
                found = identify(trial.spectrum, method=method, network=network)
            names = [n.nuclide for n in found.nuclides]
            tallies[way].add(names, trial.present, time.process_time() - start)
    for way, tally in tallies.items():
        print(f"{way:<16} {tally}")


if __name__ == "__main__":
    main()

"""How long live identification takes to decide, and how often it is wrong over background.

    python tools/measure_live.py decide --runs 10 --out live-decide.jsonl
    python tools/measure_live.py background --hours 24 --runs 1 --out live-background.jsonl
    python tools/measure_live.py changes --hours 240
    python tools/measure_live.py summary live-decide.jsonl live-background.jsonl

Every run has its own unit and room, drawn as the simulation draws them (rooms of less than 2
counts a second, which are lead castles, are drawn again), and beats of one second go through the
same `Stream` as live ones. The seed of a run does not depend on how work is shared out; finished
runs in --out are not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy import stats

from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.identification import identify
from blackett.gamma.live.changes import ChangeDetector, in_bands
from blackett.gamma.live.continuity import Increment
from blackett.gamma.live.scenario import Appearance, Scenario, SimulatedScene
from blackett.gamma.live.stream import Stream
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.gamma.identification import Identification
    from blackett.gamma.spectrum import Spectrum

NUCLIDES = ("Cs-137", "Co-60", "Am-241", "Ba-133", "Eu-152", "Na-22", "Co-57", "I-131", "Tc-99m",
            "Ra-226", "Th-232", "K-40")  # fmt: skip
QUIET_S = 600
LONGEST_S = 300
WATCHED_S = 60
"""Looks are taken from this long before the source arrives: to save time, none earlier."""
LEAST_ROOM_CPS = 2.0


def scene_of(index: int, cps: float | None, sources: tuple[Appearance, ...]) -> SimulatedScene:
    """The scene of a run: the first room from seed 1000 * index on that is no lead castle."""
    for seed in range(1000 * index, 1000 * index + 100):
        of = Scenario(room="drawn", unit="drawn", seed=seed)
        if SimulatedScene(of).expected_per_second(0.0).sum() >= LEAST_ROOM_CPS:
            drawn = Scenario(sources, cps, "drawn", "drawn", seed=seed)
            return SimulatedScene(drawn)
    raise SystemExit("no open room in 100 draws")


def beats(scene: SimulatedScene, seconds: int, rng: np.random.Generator) -> Iterator[Increment]:
    """Increments of one second each."""
    for t in range(seconds):
        counts = scene.counts_between(float(t), t + 1.0, rng)
        yield Increment(float(t), t + 1.0, 1.0, counts, scene.coefficients_kev)


def answer(spectrum: Spectrum, background: Spectrum | None) -> Identification:
    """What the live session asks for."""
    return identify(spectrum, background)


def decide(
    nuclide: str, index: int, room_cps: float, net_cps: float, quiet_s: int
) -> dict[str, Any]:
    """One run: a source of `net_cps` arrives after `quiet_s` seconds of background."""
    one = Appearance(nuclide, net_cps=net_cps, arrives_s=float(quiet_s))
    scene, rng = scene_of(index, room_cps, (one,)), numbered(17, index)
    stream = Stream(answer, device="RadiaCode-103")
    wrong: list[str] = []
    first: dict[str, Any] = {}
    for beat in beats(scene, quiet_s + LONGEST_S, rng):
        stream.add(beat)
        if beat.end_s <= quiet_s - WATCHED_S or not stream.due():
            continue
        stream.look()
        declared = stream.decision().nuclides
        wrong += [name for name in declared if name != nuclide and name not in wrong]
        if nuclide in declared:
            first = {"declared_s": beat.end_s - quiet_s}
            break
    return {
        "nuclide": nuclide,
        "index": index,
        "room_cps": room_cps,
        "net_cps": net_cps,
        "quiet_s": quiet_s,
        "declared_s": None,
        "wrong": wrong,
        "model": _model(stream),
    } | first


def background(index: int, hours: float) -> dict[str, Any]:
    """One run over pure background at the room's own rate."""
    scene, rng = scene_of(index, None, ()), numbered(23, index)
    stream = Stream(answer, device="RadiaCode-103")
    false: list[dict[str, Any]] = []
    declared: tuple[str, ...] = ()
    unknown = looks = changes = 0
    called_unknown = False
    began = time.perf_counter()
    for beat in beats(scene, round(3600 * hours), rng):
        changes += len(stream.add(beat))
        if not stream.due():
            continue
        stream.look()
        decision, looks = stream.decision(), looks + 1
        new = set(decision.nuclides) - set(declared)
        false += [{"nuclide": name, "at_s": beat.end_s} for name in sorted(new)]
        declared = decision.nuclides
        unknown += decision.verdict == "unknown" and not called_unknown
        called_unknown = decision.verdict == "unknown"
    return {"background": index, "hours": hours, "false": false, "unknown": unknown,
            "changes": changes, "looks": looks,
            "cps": float(scene.expected_per_second(0.0).sum()), "model": _model(stream),
            "took_s": round(time.perf_counter() - began, 1)}  # fmt: skip


def _model(stream: Stream) -> str:
    """What answered: the begin of its hash."""
    return "" if stream.newest is None else stream.newest.found.model.sha256[:12]


def changes(hours: float, cps: float, seed: int) -> None:
    """How often a constant rate is said to have changed, by threshold."""
    scene = SimulatedScene(Scenario(room_cps=cps))
    centres = EnergyCalibration(scene.coefficients_kev).energy_kev(np.arange(scene.channels))
    expected = in_bands(scene.expected_per_second(0.0), centres)[1:]
    rng, detector = numbered(seed, 0), ChangeDetector(1e-9)
    highest = []
    for _ in range(round(hours)):
        bands = rng.poisson(expected, (3600, expected.size)).astype(float)
        found = [detector.add(1.0, np.append(row.sum(), row)) for row in bands]
        highest.append(max((f.ratio for f in found if f is not None), default=0.0))
    for threshold in range(8, 19):
        n = int(np.sum(np.array(highest) >= threshold))
        low, high = interval(n, hours)
        print(f"G >= {threshold}: in {n} of {hours:g} hours, 95 %: {low:.4f} to {high:.4f} an hour")


def interval(n: int, exposure: float) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson rate."""
    low = stats.chi2.ppf(0.025, 2 * n) / 2 / exposure if n else 0.0
    return float(low), float(stats.chi2.ppf(0.975, 2 * n + 2) / 2 / exposure)


def summary(records: list[dict[str, Any]]) -> Iterator[str]:
    """Tables of what was measured."""
    runs = [r for r in records if "nuclide" in r]
    for key in sorted({(r["nuclide"], r["net_cps"], r["quiet_s"]) for r in runs}, key=str):
        mine = [r for r in runs if (r["nuclide"], r["net_cps"], r["quiet_s"]) == key]
        times = sorted(r["declared_s"] or np.inf for r in mine)
        median, ninth = np.quantile(times, [0.5, 0.9], method="inverted_cdf")
        wrong = sum(bool(r["wrong"]) for r in mine)
        below = sum(t < 60 for t in times)
        yield (f"{key[0]:<8} {key[1]:g} cps after {key[2]:>4} s quiet: {len(mine)} runs, median "
               f"{median:.0f} s, 90th percentile {ninth:.0f} s, {below} below 60 s, "
               f"{wrong} with a wrong nuclide before")  # fmt: skip
    rooms = [r for r in records if "background" in r and "hours" in r]
    if rooms:
        hours = sum(r["hours"] for r in rooms)
        for what, n in (("false declarations", sum(len(r["false"]) for r in rooms)),
                        ("calls of unknown", sum(r["unknown"] for r in rooms)),
                        ("false changes", sum(r["changes"] for r in rooms))):  # fmt: skip
            low, high = interval(n, hours)
            yield f"{what}: {n} in {hours:g} h, 95 %: {low:.4f} to {high:.4f} an hour"


def _tasks(a: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    for index in range(a.first, a.first + a.runs):
        if a.what == "background":
            yield (index, a.hours)
        else:
            for nuclide in a.nuclides:
                yield (nuclide, index, a.room_cps, a.net_cps, a.quiet_s)


def _done(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _same(record: dict[str, Any], task: tuple[Any, ...]) -> bool:
    keys = ("background", "hours") if len(task) == 2 else ("nuclide", "index", "room_cps",
                                                             "net_cps", "quiet_s")  # fmt: skip
    return tuple(record.get(key) for key in keys) == task


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("decide", "background", "changes", "summary"))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--room-cps", type=float, default=7.0)
    parser.add_argument("--net-cps", type=float, default=3.0)
    parser.add_argument("--quiet-s", type=int, default=QUIET_S)
    parser.add_argument("--nuclides", nargs="+", default=list(NUCLIDES))
    parser.add_argument("--out", type=Path, default=Path("live.jsonl"))
    a = parser.parse_args()
    if a.what == "changes":
        changes(a.hours, a.room_cps, 1)
        return
    if a.what == "summary":
        print("\n".join(summary([r for file in a.files for r in _done(file)])))
        return
    done = _done(a.out)
    for task in _tasks(a):
        if not any(_same(record, task) for record in done):
            made = decide(*task) if len(task) == 5 else background(*task)
            with a.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(made) + "\n")
    print("\n".join(summary(_done(a.out))))


if __name__ == "__main__":
    main()

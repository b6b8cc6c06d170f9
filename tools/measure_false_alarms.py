"""How often background alone is answered with a nuclide: simulated recordings, all priors on.

    python tools/measure_false_alarms.py --spectra 10000 --seconds 60 --out false-alarms.jsonl

Each recording has its own place, unit and model (RadiaCode 101 to 110 in turn); the seed of
recording i does not depend on how the work is shared out. Finished recordings in --out are not done
again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from scipy import stats

from blackett.gamma.detector import detector
from blackett.gamma.identification import DEFAULT_METHOD, METHODS, identify
from blackett.gamma.network import Network, load
from blackett.gamma.room import draw_room
from blackett.gamma.simulation import (
    BINS,
    draw_unit,
    record,
)
from blackett.seeds import numbered

MODELS = ("radiacode-101", "radiacode-102", "radiacode-103", "radiacode-103g", "radiacode-110")


def one(task: tuple[int, int, float, bool, str, Path | None]) -> dict[str, Any]:
    """Answer recording `index` of a run."""
    index, seed, seconds, with_background, method, network = task
    rng = numbered(seed, index)
    instrument = detector(MODELS[index % len(MODELS)])
    room, unit = draw_room(instrument, BINS, rng), draw_unit(instrument, rng)
    spectrum = record(room, unit, seconds, rng, "simulated background")
    own = record(room, unit, 10 * seconds, rng, "simulated room") if with_background else None
    found = identify(spectrum, own, method, network=_network(network))
    return {
        "index": index, "model": instrument.name, "counts": found.counts, "verdict": found.verdict,
        "nuclides": [n.nuclide for n in found.nuclides],
        "sigma": [round(n.significance_sigma, 2) for n in found.nuclides],
    }  # fmt: skip


@cache
def _network(file: Path | None) -> Network | None:
    return None if file is None else load(file)


def summary(answers: list[dict[str, Any]]) -> str:
    """Counts with Clopper-Pearson intervals (95 %)."""
    n = len(answers)
    lines = []
    for what, wrong in (
        ("a nuclide declared", sum(bool(a["nuclides"]) for a in answers)),
        ("called unknown", sum(a["verdict"] == "unknown" for a in answers)),
    ):
        interval = stats.binomtest(wrong, n).proportion_ci(0.95, method="exact")
        lines.append(
            f"{what}: {wrong} of {n} = {wrong / n:.2e} [{interval.low:.1e}, {interval.high:.1e}]"
        )
    names = Counter(name for a in answers for name in a["nuclides"])
    return "\n".join([*lines, f"names: {dict(names.most_common())}"])


def main() -> None:
    """Run what is missing, then sum up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--with-background", action="store_true", help="give ten times longer room")
    parser.add_argument("--method", choices=METHODS, default=DEFAULT_METHOD)
    parser.add_argument("--network", type=Path, help="ONNX file; the shipped one when left out")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    done: dict[int, dict[str, Any]] = {}
    if options.out.exists():
        lines = options.out.read_text(encoding="utf-8").splitlines()
        done = {answer["index"]: answer for answer in map(json.loads, lines)}
    tasks = [
        (i, options.seed, options.seconds, options.with_background, options.method, options.network)
        for i in range(options.spectra)
        if i not in done
    ]
    with (
        ProcessPoolExecutor(options.workers) as pool,
        options.out.open("a", encoding="utf-8") as out,
    ):
        for answer in pool.map(one, tasks, chunksize=20):
            done[answer["index"]] = answer
            out.write(json.dumps(answer) + "\n")
            out.flush()
            if len(done) % 500 == 0:
                print(f"{len(done)}/{options.spectra}", file=sys.stderr, flush=True)
    print(summary([done[i] for i in sorted(done) if i < options.spectra]))


if __name__ == "__main__":
    main()

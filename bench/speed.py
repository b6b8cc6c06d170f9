"""How long an identification takes: inside a process, with process start, and the import alone.

    scripts/bench                      # prints a table and writes bench/results-DATE.json

CPU seconds on one thread. Every figure is also given as a ratio to a fixed numpy workload that is
timed between the repeats, so that results of different machines, or of a busy one, can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

import blackett
from blackett import gamma
from blackett.gamma.detector import detector
from blackett.gamma.formats import write
from blackett.gamma.room import draw_room
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import BINS, draw_unit, record, simulate_room, source_rate
from workload import workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.gamma.spectrum import Spectrum

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "simulated-cs137-radiacode-103.xml"
PROGRAM = Path(sys.executable).parent / "blackett"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
MIXTURE_CPS = {"Cs-137": 3.0, "Co-60": 4.0, "Am-241": 5.0}


def spectra() -> dict[str, Spectrum]:
    """The three simulated spectra that are timed; all have 1024 channels."""
    rc103, rng = detector("radiacode-103"), np.random.default_rng(7)
    minute = simulate_room(rc103, 60.0, rng)
    rate, scene = draw_room(rc103, BINS, rng), Scene(100.0, surroundings="bench")
    for name, cps in MIXTURE_CPS.items():
        one = source_rate(name, 1.0, scene, rc103)
        rate = rate + cps / one.sum() * one
    mixture = record(rate, draw_unit(rc103, rng), 1800.0, rng, "mixture")
    return {
        "Cs-137 example, background embedded": gamma.read(EXAMPLE)[0],
        "background minute, background modelled": minute,
        "three sources in 1800 s, background modelled": mixture,
    }


def timed(what: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median and quartiles of CPU seconds, and the median ratio to the workload beside each run."""
    what()
    own, ratios = [], []
    for _ in range(repeats):
        reference = workload()
        start = time.process_time()
        what()
        own.append(time.process_time() - start)
        ratios.append(own[-1] / reference)
    low, high = np.quantile(own, (0.25, 0.75))
    return {
        "cpu_s": median(own), "cpu_s_quartile_1": float(low), "cpu_s_quartile_3": float(high),
        "ratio": median(ratios), "repeats": repeats,
    }  # fmt: skip


def command(words: list[str], repeats: int) -> dict[str, float]:
    """CPU and wall seconds of a whole process, after a first run that fills the caches."""
    # Python's own caches too, as on any user's machine
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    runs, ratios = [], []
    for number in range(repeats + 1):
        reference = workload()
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if number:
            runs.append((cpu, wall))
            ratios.append(cpu / reference)
    return {
        "cpu_s": median(cpu for cpu, _ in runs), "wall_s": median(wall for _, wall in runs),
        "ratio": median(ratios), "repeats": repeats,
    }  # fmt: skip


def imported(repeats: int) -> dict[str, float]:
    """CPU seconds of `import blackett.gamma` in a new process, less those of Python itself."""
    code = (
        "import time; t = time.process_time(); import blackett.gamma; "
        "print(time.process_time() - t)"
    )
    words = [sys.executable, "-c", code]
    runs = [
        float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        for _ in range(repeats + 1)
    ]
    return {"cpu_s": median(runs[1:]), "repeats": repeats}


def measure(repeats: int) -> dict[str, Any]:
    """All figures, by name."""
    results: dict[str, Any] = {"workload": {"cpu_s": median(workload() for _ in range(9))}}
    results["import blackett.gamma"] = imported(repeats)
    for name, spectrum in spectra().items():
        results[f"in process: {name}"] = timed(lambda s=spectrum: gamma.identify(s), repeats)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "spectrum.xml"
            write(file, spectrum)
            words = [str(PROGRAM), "gamma", "identify", str(file), "--json"]
            results[f"process: {name}"] = command(words, max(repeats // 3, 3))
    return results


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    named = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": named[0] if named else platform.processor(), "python": platform.python_version(),
        "numpy": np.__version__, "blackett": blackett.__version__, "threads": "1",
        "load_average": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
    }  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    today = datetime.now(UTC).date().isoformat()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / f"results-{today}.json")
    options = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in THREADS):
        parser.error(f"set {', '.join(THREADS)} to 1 (scripts/bench does)")
    results = measure(options.repeats)
    for name, found in results.items():
        wall = f"{found['wall_s']:8.3f} s wall" if "wall_s" in found else ""
        ratio = f"{found['ratio']:7.2f} x workload" if "ratio" in found else ""
        print(f"{name:<58} {found['cpu_s']:8.4f} s cpu {ratio} {wall}")
    options.out.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")
    print(options.out)


if __name__ == "__main__":
    main()

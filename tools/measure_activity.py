"""Activities from simulated spectra against the truth: mean ratio, and coverage of the intervals.

    python tools/measure_activity.py --spectra 25 --seed 7

A point source at 100 mm on a bench giving 8 net counts/s in 200 s, each time another unit and place
of a RadiaCode-103, with 2000 s of measured background.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from blackett.gamma.detector import detector
from blackett.gamma.identification import identify
from blackett.gamma.room import draw_room
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import BINS, draw_unit, record, source_rate
from blackett.seeds import numbered

DISTANCE_MM, NET_CPS, TIME_S = 100.0, 8.0, 200.0


def one(name: str, seed: int, index: int) -> tuple[float, bool] | None:
    """Ratio of the activity to the truth, and whether the interval holds it; None if not found."""
    instrument, rng = detector("radiacode-103"), numbered(seed, index)
    room, unit = draw_room(instrument, BINS, rng), draw_unit(instrument, rng)
    per_bq = source_rate(name, 1.0, Scene(DISTANCE_MM, surroundings="bench"), instrument)
    truth = NET_CPS / float(per_bq.sum())
    spectrum = record(room + truth * per_bq, unit, TIME_S, rng)
    background = record(room, unit, 10 * TIME_S, rng)
    for found in identify(spectrum, background, distance_mm=DISTANCE_MM).nuclides:
        if found.nuclide == name and found.activity_bq and found.activity_bq_interval_95:
            low, high = found.activity_bq_interval_95
            return found.activity_bq / truth, low <= truth <= high
    return None


def main() -> None:
    """Measure for two sources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=int, default=25)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    for name in ("Cs-137", "Co-60"):
        answers = [one(name, options.seed, index) for index in range(options.spectra)]
        found = [answer for answer in answers if answer is not None]
        ratios = np.array([ratio for ratio, _ in found])
        error = ratios.std(ddof=1) / np.sqrt(ratios.size)
        held = sum(inside for _, inside in found)
        print(
            f"{name}: found {len(found)} of {options.spectra}, ratio {ratios.mean():.3f} "
            f"+- {error:.3f}, {held} intervals hold the truth"
        )


if __name__ == "__main__":
    main()

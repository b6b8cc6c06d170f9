"""Make the example spectrum of the demo with our own simulator, and say in it that it is simulated.

    python tools/make_example.py

One drawn RadiaCode-103 in one drawn room: 1800 s of background, then 600 s with Cs-137 at 100 mm,
strong enough for three net counts a second. Writes examples/simulated-cs137-radiacode-103.xml.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma.detector import detector
from blackett.gamma.formats import write
from blackett.gamma.room import draw_room
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import BINS, draw_unit, record, source_rate

if TYPE_CHECKING:
    from blackett.gamma.spectrum import Spectrum

TARGET = Path(__file__).parents[1] / "examples" / "simulated-cs137-radiacode-103.xml"
NET_CPS, REAL_TIME_S, BACKGROUND_S = 3.0, 600.0, 1800.0
START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
COMMENT = "SIMULATED BY BLACKETT, no measurement: {} (tools/make_example.py, seed {})"


def example(seed: int) -> Spectrum:
    """Cs-137 at 100 mm on a bench, with the background of the same unit and room embedded."""
    rng = np.random.default_rng(seed)
    instrument = detector("radiacode-103")
    unit, room = draw_unit(instrument, rng), draw_room(instrument, BINS, rng)
    caesium = source_rate("Cs-137", 1.0, Scene(100.0, surroundings="bench"), instrument)
    activity_bq = NET_CPS / caesium.sum()
    background = record(room, unit, BACKGROUND_S, rng, "SIMULATED BY BLACKETT: background")
    background = replace(background, comment=COMMENT.format("a room", seed))
    spectrum = record(
        room + activity_bq * caesium, unit, REAL_TIME_S, rng, "SIMULATED BY BLACKETT: Cs-137"
    )
    said = f"Cs-137, {activity_bq:.0f} Bq at 100 mm on a bench"
    return replace(spectrum, comment=COMMENT.format(said, seed), start=START, background=background)


def main() -> None:
    """Write the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    spectrum = example(options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write(options.out, spectrum, "xml")
    print(f"{options.out}: {spectrum.total_counts} counts; {spectrum.comment}")


if __name__ == "__main__":
    main()

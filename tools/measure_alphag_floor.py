"""The Cramér-Rao floor of a sample under several assumptions, as Markdown.

python tools/measure_alphag_floor.py DIR [--events 5000]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path  # noqa: TC003 (tyro reads the signature)
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from blackett.alphag.evaluate.sample import first_events
from blackett.alphag.evaluate.statistics import core_fit, fwhm
from blackett.alphag.floor import FloorSettings, floor_covariance
from blackett.alphag.transport import Settings
from blackett.seeds import generator

if TYPE_CHECKING:
    from blackett.alphag.event import EventBatch

BASE = FloorSettings()
CHARGED = replace(BASE, photons=False)
CASES = {
    "charged particles and photons": BASE,
    "charged particles alone": CHARGED,
    "the same, no knowledge of curvature": replace(CHARGED, curvature_prior_per_mm=np.inf),
    "the same, errors of points a third": replace(
        CHARGED, rphi_variance=BASE.rphi_variance / 9, z_variance=BASE.z_variance / 9
    ),
    "the same, errors of points doubled": replace(
        CHARGED, rphi_variance=4 * BASE.rphi_variance, z_variance=4 * BASE.z_variance
    ),
    "the same, 20 % more material": replace(CHARGED, transport=Settings(material_scale=1.2)),
}


def row(name: str, batches: list[EventBatch], settings: FloorSettings) -> str:
    """One line of the table: share of events with a floor, and widths of sigma and of draws."""
    covariance = np.concatenate([floor_covariance(batch, settings) for batch in batches])
    sigma, across = np.sqrt(covariance[:, 2, 2]), np.sqrt(covariance[:, 0, 0])
    known = np.isfinite(sigma)
    drawn = (generator(1).normal(size=(20, int(known.sum()))) * sigma[known]).reshape(1, -1)
    centre, core = core_fit(drawn)
    width = fwhm(drawn, centre, core)
    cells = [
        f"{known.mean():.3f}", f"{np.median(sigma[known]):.2f}", f"{core[0]:.2f}",
        f"{width[0]:.1f}", f"{np.abs(drawn).mean():.2f}", f"{(np.abs(drawn) < 5).mean():.3f}",
        f"{np.median(across[known]):.2f}",
    ]  # fmt: skip
    return f"| {name} | " + " | ".join(cells) + " |\n"


def main(sample: Annotated[Path, tyro.conf.Positional], events: int = 5000) -> None:
    """Print the table for the first events of a sample."""
    batches = list(first_events([sample], events))
    head = ["case", "events", "median sigma", "core", "FWHM", "MAE", "< 5 mm", "median sigma of x"]
    sys.stdout.write("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|\n")
    for name, settings in CASES.items():
        sys.stdout.write(row(name, batches, settings))
        sys.stdout.flush()


if __name__ == "__main__":
    tyro.cli(main)

"""Digitisations of the same disc events, as Markdown: fast against full mode, or what the chosen
settings do and what the others do that were tried (full mode).

python tools/compare_alphag_modes.py [--events 1000] [--what modes|choices|muons]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Literal

import numpy as np
import tyro

from blackett.alphag import gun
from blackett.alphag.digitise import (
    Digitised,
    DigitiseSettings,
    Pads,
    Points,
    Wires,
    digitise,
    trigger_clusters,
)
from blackett.alphag.transport import Transported, transport
from blackett.seeds import generator

SETTINGS = DigitiseSettings()
FULL = replace(SETTINGS, mode="full")
EVERY_PAIR = Points(pair_all=True)
MODES = {
    "fast": SETTINGS,
    "full": FULL,
    "fast, every pair": replace(SETTINGS, points=EVERY_PAIR),
    "full, every pair": replace(FULL, points=EVERY_PAIR),
}
CHOICES = {
    "as chosen": FULL,
    **{f"gain {g}": replace(FULL, wires=Wires(size_per_electron=g)) for g in (10.0, 12.0, 20.0)},
    **{f"pad noise {n}": replace(FULL, pads=Pads(noise_counts=n)) for n in (2.0, 4.0)},
    "pad window (4, 9)": replace(FULL, pads=Pads(window=(4, 9))),
    "every pair": replace(FULL, points=EVERY_PAIR),
    "gain 20, every pair": replace(FULL, wires=Wires(size_per_electron=20.0), points=EVERY_PAIR),
}
NEAR_FULL_SCALE = 1800.0  # counts of 2047


def residuals(moved: Transported, seen: Digitised) -> dict[str, np.ndarray]:
    """Radius, and differences along r-phi and z (mm) between points and the pion that made them.

    Pions that cross the whole gas outwards, away from the wires (r < 172 mm).
    """
    gas, tracks, points = moved.gas, moved.tracks, seen.points
    first = np.searchsorted(gas.track, np.arange(len(tracks) + 1))
    order = np.argsort(points["track"], kind="stable")
    start = np.searchsorted(points["track"][order], np.arange(len(tracks) + 1))
    whole = (np.abs(tracks.pdg) == 211) & (tracks.gas_radius_mm > 185)
    found: dict[str, list[np.ndarray]] = {
        name: [] for name in ("r", "rphi", "z", "count", "pull_z", "pull_rphi")
    }
    for k in np.flatnonzero(whole):
        rows = slice(first[k], first[k + 1])
        path = np.concatenate([gas.start_mm[rows], gas.end_mm[rows][-1:]])
        radius = np.hypot(path[:, 0], path[:, 1])
        if radius[0] > 110 or (np.diff(radius) <= 0).any():
            continue
        mine = order[start[k] : start[k + 1]]
        r = np.hypot(points["x_mm"][mine], points["y_mm"][mine])
        inner = r < 172
        phi = np.interp(r, radius, np.unwrap(np.arctan2(path[:, 1], path[:, 0])))
        turn = np.arctan2(points["y_mm"][mine], points["x_mm"][mine]) - phi
        dz = points["z_mm"][mine] - np.interp(r, radius, path[:, 2])
        found["rphi"].append((np.angle(np.exp(1j * turn)) * r)[inner])
        found["z"].append(dz[inner])
        found["pull_z"].append((dz / points["sigma_z_mm"][mine])[inner])
        found["pull_rphi"].append(found["rphi"][-1] / points["sigma_rphi_mm"][mine][inner])
        found["r"].append(r[inner])
        found["count"].append(np.array([mine.size]))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def width(values: np.ndarray) -> float:
    """Half of the central 68 %."""
    low, high = np.percentile(values, [16, 84])
    return float(high - low) / 2


def summary(moved: Transported, settings: DigitiseSettings) -> dict[str, float]:
    """The numbers of one column."""
    seen = digitise(moved, generator(2), settings)
    counts = np.diff(seen.point_offset)
    found = residuals(moved, seen)
    return {
        "points an event, mean": counts.mean(),
        "points an event, median": float(np.median(counts)),
        "points an event, 99 %": float(np.percentile(counts, 99)),
        "events with at most 2048 points, %": 100 * (counts <= 2048).mean(),
        "events without a point, %": 100 * (counts == 0).mean(),
        "points of a pion that crosses, median": float(np.median(found["count"])),
        "points of no track (ghosts, noise), %": 100 * (seen.points["track"] < 0).mean(),
        "pads above 1800 of 2047 counts, %": 100
        * (seen.points["pad_amplitude"] > NEAR_FULL_SCALE).mean(),
        "width in r-phi, mm": width(found["rphi"]),
        "width in z, mm": width(found["z"]),
        "pull width in r-phi": width(found["pull_rphi"]),
        "pull width in z": width(found["pull_z"]),
        "farther than 5 mm in z, %": 100 * (np.abs(found["z"]) > 5).mean(),
        "farther than 5 mm in r-phi, %": 100 * (np.abs(found["rphi"]) > 5).mean(),
        "median in r-phi, mm": float(np.median(found["rphi"])),
        "median in z, mm": float(np.median(found["z"])),
        "at least 2 trigger clusters, %": 100 * (trigger_clusters(seen.trigger) >= 2).mean(),
        "bar hits an event": len(seen.bars["bar"]) / len(counts),
    }


def print_table(moved: Transported, settings: dict[str, DigitiseSettings]) -> None:
    """Rows of numbers, one column for each digitisation."""
    columns = {name: summary(moved, chosen) for name, chosen in settings.items()}
    sys.stdout.write("| | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|\n")
    for name in next(iter(columns.values())):
        cells = " | ".join(f"{column[name]:.4g}" for column in columns.values())
        sys.stdout.write(f"| {name} | {cells} |\n")


def print_muons(events: int, rng: np.random.Generator) -> None:
    """Shares of muons with two trigger clusters."""
    muons = transport(gun.cosmic_muons(events, rng), rng)
    passing = trigger_clusters(digitise(muons, generator(2), SETTINGS).trigger) >= 2
    crossing = np.bincount(muons.gas.event, minlength=events) > 0
    sys.stdout.write(f"muons into the bore with at least 2 clusters: {100 * passing.mean():.3g} %,")
    sys.stdout.write(f" of those that reach the gas: {100 * passing[crossing].mean():.3g} %\n")


def main(events: int = 1000, what: Literal["modes", "choices", "muons"] = "modes") -> None:
    """Print one of the tables."""
    rng = generator(1)
    if what == "muons":
        print_muons(events, rng)
        return
    moved = transport(gun.annihilate(gun.in_disc(events, rng), rng), rng)
    print_table(moved, MODES if what == "modes" else CHOICES)


if __name__ == "__main__":
    tyro.cli(main)

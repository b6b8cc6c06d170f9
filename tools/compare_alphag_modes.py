"""Fast against full digitisation of the same events: the table of the docs, as Markdown.

python tools/compare_alphag_modes.py [--events 1000] [--recipe disc]
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import tyro

from blackett.alphag import gun
from blackett.alphag.digitise import Digitised, DigitiseSettings, Points, digitise, trigger_clusters
from blackett.alphag.transport import Transported, transport
from blackett.seeds import generator

SETTINGS = DigitiseSettings()


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


def main(events: int = 1000) -> None:
    """Print the table."""
    rng = generator(1)
    moved = transport(gun.annihilate(gun.in_disc(events, rng), rng), rng)
    every_pair = Points(pair_all=True)
    columns = {
        "fast": summary(moved, SETTINGS),
        "full": summary(moved, replace(SETTINGS, mode="full")),
        "fast, every pair": summary(moved, replace(SETTINGS, points=every_pair)),
        "full, every pair": summary(moved, replace(SETTINGS, mode="full", points=every_pair)),
    }
    sys.stdout.write("| | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|\n")
    for name in columns["fast"]:
        cells = " | ".join(f"{column[name]:.4g}" for column in columns.values())
        sys.stdout.write(f"| {name} | {cells} |\n")
    muons = transport(gun.cosmic_muons(events, rng), rng)
    seen = digitise(muons, generator(2), SETTINGS)
    share = 100 * (trigger_clusters(seen.trigger) >= 2).mean()
    crossing = np.bincount(muons.gas.event, minlength=events) > 0
    inside = 100 * (trigger_clusters(seen.trigger)[crossing] >= 2).mean()
    sys.stdout.write(f"\nmuons into the bore with at least 2 clusters: {share:.3g} %, ")
    sys.stdout.write(f"of those that reach the gas: {inside:.3g} %\n")


if __name__ == "__main__":
    tyro.cli(main)

"""Compare the photon and electron transport with EGSnrc, all fifteen bare crystals, at length.

    python tools/check_response.py [--photons 600000] [--seed 5]

Reads ../shared/reference/response, prints the table of docs/response.md and writes the figure
docs/response.png. Takes about five minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blackett.gamma.detector import Detector, detector
from blackett.gamma.response import bare_scene, compton_edge_kev, face_photons
from blackett.gamma.transport import deposits_kev
from blackett.seeds import numbered

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / ".." / "shared" / "reference" / "response"
MODELS = {("CsI", "10"): "radiacode-103", ("CsI", "14"): "radiacode-110",
          ("GAGG", "10"): "radiacode-103g"}  # fmt: skip
SHOWN = ("csi_060keV_10x10x10mm", "csi_662keV_10x10x10mm", "csi_2614keV_10x10x10mm",
         "gagg_662keV_10x10x10mm")  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Our spectrum beside EGSnrc's, in its 1 keV bins (bin n: n - 0.5 to n + 0.5 keV)."""

    name: str
    model: Detector
    energy_kev: float
    ours: np.ndarray
    photons: int
    theirs: np.ndarray
    entering: int

    def ratio(self, mine: float, theirs: float) -> str:
        """Ratio of two counts per entering photon with its statistical error; "-" if too few."""
        if theirs < 30.0:
            return "-"
        value = mine / self.photons / (theirs / self.entering)
        return f"{value:.3f} ± {value * np.sqrt(1.0 / max(mine, 1.0) + 1.0 / theirs):.3f}"

    def net_ratio(self, first: int, last: int) -> str:
        """Ratio of the net counts of bins first..last; "-" below 5 sigma in the reference."""
        (mine, _), (theirs, sigma) = (net(c, first, last) for c in (self.ours, self.theirs))
        if theirs < 5.0 * sigma:
            return "-"
        value = mine / self.photons / (theirs / self.entering)
        spread = np.hypot(net(self.ours, first, last)[1] / mine, sigma / theirs)
        return f"{value:.3f} ± {value * spread:.3f}"


def net(counts: np.ndarray, first: int, last: int) -> tuple[float, float]:
    """Counts above the mean of four bins on each side, and their standard deviation."""
    beside = float(counts[first - 4 : first].sum() + counts[last + 1 : last + 5].sum())
    gross, scale = float(counts[first : last + 1].sum()), (last + 1 - first) / 8.0
    return gross - scale * beside, float(np.sqrt(gross + scale**2 * beside))


def run(row: dict[str, str], photons: int, rng: np.random.Generator) -> Pair:
    """One case: as many photons as asked for, and the reference's counts."""
    theirs = np.genfromtxt(REFERENCE / row["file"], delimiter=",", skip_header=2)[:, 1]
    model = detector(MODELS[row["crystal"], row["size_mm"]])
    energy = float(row["energy_keV"])
    rows = face_photons(model.size_mm[:2], energy, 50.0, photons, rng)
    deposits = deposits_kev(bare_scene(model), rows, rng)
    bins = np.maximum(np.floor(deposits[deposits > 0.0] + 0.5), 1.0).astype(int)
    ours = np.bincount(bins, minlength=len(theirs))[: len(theirs)]
    name = row["file"].removeprefix("egsnrc_").removesuffix(".csv")
    return Pair(name, model, energy, ours, photons, theirs, int(row["entering"]))


def tens(counts: np.ndarray) -> np.ndarray:
    """Sums of ten bins."""
    width = 10 * int(np.ceil(len(counts) / 10))
    return np.asarray(np.pad(counts.astype(float), (0, width - len(counts))).reshape(-1, 10).sum(1))


def distance(pair: Pair) -> tuple[float, float]:
    """Sum of |differences| of the normalised spectra in 10 keV bins, and what noise alone gives."""
    mine, theirs = tens(pair.ours), tens(pair.theirs)
    variance = mine / mine.sum() ** 2 + theirs / theirs.sum() ** 2
    gap = np.abs(mine / mine.sum() - theirs / theirs.sum()).sum()
    return float(gap), float(np.sum(np.sqrt(2.0 / np.pi * variance)))


def table_row(pair: Pair) -> str:
    """One line of the Markdown table."""
    peak = round(pair.energy_kev)
    low, high = (27, 36) if pair.model.crystal == "csi" else (41, 51)
    single, double = round(pair.energy_kev - 511.0), round(pair.energy_kev - 1022.0)
    gap, noise = distance(pair)
    cells = [
        pair.name,
        pair.ratio(pair.ours.sum(), pair.theirs.sum()),
        pair.ratio(pair.ours[peak - 2 :].sum(), pair.theirs[peak - 2 :].sum()),
        pair.net_ratio(peak - high, peak - low) if 50 < peak < 1000 else "-",
        pair.net_ratio(single - 1, single + 1) if peak > 1200 else "-",
        pair.net_ratio(double - 1, double + 1) if peak > 1200 else "-",
        f"{gap:.4f}",
        f"{noise:.4f}",
    ]
    return "| " + " | ".join(cells) + " |"


def figure(pairs: dict[str, Pair]) -> None:
    """Four spectra over the reference, with their ratio in wider bins."""
    import matplotlib.pyplot as plt

    canvas, axes = plt.subplots(2, 2, figsize=(11.0, 7.5), layout="constrained")
    for axis, name in zip(axes.flat, SHOWN, strict=True):
        pair = pairs[name]
        step = 1 if pair.energy_kev < 100.0 else 10
        for counts, photons, style in (
            (pair.theirs, pair.entering, {"color": "0.65", "lw": 3.0, "label": "EGSnrc"}),
            (pair.ours, pair.photons, {"color": "C3", "lw": 1.0, "label": "blackett"}),
        ):
            values = counts if step == 1 else tens(counts)
            edges = np.arange(len(values) + 1) * step - 0.5
            axis.stairs(np.maximum(values / photons / step, 1e-8), edges, **style)
        axis.axvline(float(compton_edge_kev(pair.energy_kev)), color="k", lw=0.6, ls=":")
        crystal = f"{pair.model.crystal} {pair.model.size_mm[0]:g} mm"
        axis.set(
            yscale="log",
            ylim=(1e-7, None),
            xlabel="energy left in the crystal / keV",
            ylabel="counts per entering photon and keV",
            title=f"{crystal}, {pair.energy_kev:g} keV",
        )
    axes[0, 0].legend(frameon=False)
    canvas.savefig(ROOT / "docs" / "response.png", dpi=110)


def main() -> None:
    """Run all cases, print the table, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photons", type=int, default=600_000)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    head = (
        "case | detected | full energy | K escape | single escape | double escape | shape | noise"
    )
    print(f"| {head} |\n|{'---|' * 8}")
    pairs = {}
    with (REFERENCE / "summary.csv").open() as stream:
        for i, row in enumerate(csv.DictReader(stream)):
            pair = run(row, given.photons, numbered(given.seed, i))
            pairs[pair.name] = pair
            print(table_row(pair), flush=True)
    figure(pairs)


if __name__ == "__main__":
    main()

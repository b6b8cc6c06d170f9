"""Draw the figures of docs/scenes.md and docs/background.md.

python tools/plot_scenes.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt
from scipy.special import ndtr

from blackett.gamma.background import (
    Concentrations,
    FluenceRate,
    muon_deposits,
    natural_background,
    seed_continuum,
)
from blackett.gamma.detector import detector
from blackett.gamma.kernels import centres_kev, edges_kev
from blackett.gamma.response import response
from blackett.gamma.scene import Scene, fluence, solid_angle_fraction
from blackett.gamma.sources import source

DOCS = Path(__file__).parents[1] / "docs"
MODEL = "radiacode-103"
BANDS_KEV = np.array([20.0, 100.0, 400.0, 1000.0, 1600.0, 2800.0])
# Counts per second in the bands, published spectra of 1 cm3 devices in rooms
MEASURED = {
    "RC-103, 20 d": [4.17, 5.62, 0.499, 0.120, 0.030],
    "RC-103, 199 d": [2.81, 3.57, 0.301, 0.072, 0.020],
    "RC-101, office": [2.58, 3.38, 0.289, 0.071, 0.023],
    "RC-102, room": [2.31, 2.62, 0.197, 0.035, 0.014],
}


def resolved(counts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts in bins of deposited energy, broadened by the detector's resolution."""
    middles = 0.5 * (edges[1:] + edges[:-1])
    sigma = detector(MODEL).fwhm_kev(middles) / 2.3548
    share = np.diff(ndtr((edges[None, :] - middles[:, None]) / sigma[:, None]), axis=1)
    return np.asarray(counts @ share)


def from_all_sides(rate: FluenceRate, edges: np.ndarray) -> np.ndarray:
    """Counts per second in bins of deposited energy."""
    matrix = response(MODEL, "isotropic")
    energies = np.append(centres_kev(), rate.line_kev)
    weights = 0.01 * np.append(rate.continuum_per_cm2_s, rate.lines_per_cm2_s)
    kept = energies >= matrix.energies_kev[0]
    return np.asarray(matrix.deposit(energies[kept], weights[kept], edges))


def caesium(scene: Scene, edges: np.ndarray) -> np.ndarray:
    """Counts per decay of Cs-137 in a scene with a point source, in bins of deposited energy."""
    lines = source("Cs-137").lines()
    kept = lines.energy_kev > 10.0
    energies, photons = lines.energy_kev[kept], lines.photons_per_decay[kept]
    seen = fluence(energies, scene)
    front = float(solid_angle_fraction(10.0, 10.0, scene.reference_mm - 5.0))
    direct = response(MODEL, "front").deposit(energies, photons * seen.direct * front, edges)
    sides, unit = response(MODEL, "isotropic"), seen.reference_per_mm2
    alive = centres_kev() > sides.energies_kev[0]
    scattered = unit * seen.summed(photons)
    around = sides.deposit(centres_kev()[alive], scattered[alive], edges)
    around = around + sides.deposit(energies, unit * photons * seen.coherent, edges)
    return direct + around


def draw_scenes() -> None:
    """docs/scenes.png: fluence and counts of Cs-137."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    width = np.diff(edges_kev())
    for name in ("open", "bench", "desk", "floor", "room"):
        row = fluence([661.657], Scene(100.0, (), name)).scattered[0]
        axes[0].step(centres_kev(), row / width, where="mid", label=name)
    axes[0].set(
        title="Scattered fluence, 662 keV, source at 100 mm", xlim=(0, 700), ylim=(0, 2.8e-3)
    )
    for shield in (("polyethylene", 20.0), ("aluminium", 10.0), ("iron", 10.0), ("lead", 5.0)):
        row = fluence([661.657], Scene(200.0, (shield,), "open"))
        label = f"{shield[1]:g} mm {shield[0]}, direct {row.direct[0]:.2f}"
        axes[1].step(centres_kev(), row.scattered[0] / width, where="mid", label=label)
    axes[1].set(title="Scattered by a shield, 662 keV", xlim=(0, 700), ylim=(0, 1.7e-3))
    for axis in axes[:2]:
        axis.set(xlabel="keV", ylabel="per keV, unscattered bare fluence = 1")
        axis.legend(frameon=False, fontsize=8)
    edges = np.arange(12.0, 900.0, 2.0)
    for name in ("open", "bench", "desk", "floor"):
        counts = resolved(caesium(Scene(105.0, (), name), edges), edges)
        axes[2].plot(edges[:-1] + 1.0, counts / 2.0, label=name)
    axes[2].set(title="Cs-137 in a RadiaCode-103, 105 mm", xlabel="keV deposited", yscale="log")
    axes[2].set(ylabel="counts per decay and keV", ylim=(1e-8, 3e-5))
    axes[2].legend(frameon=False, fontsize=8)
    figure.savefig(DOCS / "scenes.png", dpi=90)


def draw_background() -> None:
    """docs/background.png: the folded model and the measured bands."""
    figure, axis = plt.subplots(figsize=(9, 5.2), layout="constrained")
    edges = np.arange(12.0, 3000.0, 4.0)
    total = muon_deposits(10.0, 560.0, edges)[0]
    axis.plot(edges[:-1] + 2, resolved(total, edges) / 4, lw=1, label="muons")
    for name, rate in natural_background(Concentrations()).items():
        counts = from_all_sides(rate, edges)
        total = total + counts
        axis.plot(edges[:-1] + 2, resolved(counts, edges) / 4, lw=1, label=name)
    shown = resolved(total, edges)
    axis.plot(edges[:-1] + 2, shown / 4, "k", lw=1.5, label="model, sum")
    seed = seed_continuum(edges[:-1] + 2)
    axis.plot(
        edges[:-1] + 2, seed * total.sum() / seed.sum() / 4, "k:", label="seed formula, same rate"
    )
    for (name, rates), marker in zip(MEASURED.items(), "osv^", strict=True):
        middle = np.sqrt(BANDS_KEV[1:] * BANDS_KEV[:-1])
        axis.plot(middle, rates / np.diff(BANDS_KEV), marker, ms=5, label=name)
    binned, _ = np.histogram(edges[:-1] + 2, BANDS_KEV, weights=shown)
    axis.stairs(binned / np.diff(BANDS_KEV), BANDS_KEV, color="k", lw=0.6, label="model in bands")
    axis.set(xscale="log", yscale="log", xlim=(15, 3000), ylim=(5e-7, 0.15))
    axis.set(xlabel="keV deposited", ylabel="counts per second and keV, 1 cm³ CsI(Tl)")
    axis.legend(frameon=False, fontsize=8, ncol=2)
    figure.savefig(DOCS / "background.png", dpi=90)
    print("cps in bands:", np.round(binned, 4), "sum", round(float(binned.sum()), 2))
    print("mode:", edges[np.argmax(shown)] + 2, "keV")


if __name__ == "__main__":
    draw_scenes()
    draw_background()

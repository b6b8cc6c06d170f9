"""Draw the figures of docs/alphag-simulation.md and print the numbers beside them.

    python tools/plot_alphag_truth.py [--events 20000] [--seed 1] [--out docs]

With a folder of model references (`--references DIR`, files geant4_pbar_*.csv) they are drawn too.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle

from blackett.alphag import geometry, gun
from blackett.alphag.gun.annihilation import pions
from blackett.alphag.particles import PI_ZERO
from blackett.alphag.transport import Process, Settings, Transported, transport
from blackett.seeds import generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from blackett.arrays import FloatArray


def save(figure: Figure, out: Path, name: str) -> None:
    """Write one figure as PNG."""
    figure.tight_layout()
    figure.savefig(out / f"alphag-{name}.png", dpi=110)
    plt.close(figure)


def reference(folder: Path | None, target: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Bin edges and charged-pion counts of a Geant4 reference file, if its folder is given."""
    if folder is None:
        return None
    text = (folder / f"geant4_pbar_{target}_momentum.csv").read_text("utf-8")
    rows = list(csv.DictReader(r for r in text.splitlines() if not r.startswith("#")))
    counts = np.array([float(r["pi_plus"]) + float(r["pi_minus"]) for r in rows])
    edges = np.array([float(rows[0]["p_lo"]), *(float(r["p_hi"]) for r in rows)])
    return edges, counts


def plot_gun(out: Path, n: int, rng: np.random.Generator, folder: Path | None) -> None:
    """Multiplicities and momenta on a free proton, gold, and the model references."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    for nucleus, colour in ((gun.FREE_PROTON, "C0"), (gun.GOLD, "C1")):
        primaries = gun.annihilate(gun.in_disc(n, rng), rng, nucleus=nucleus)
        charged = np.abs(primaries.pdg) == 211
        count = np.bincount(primaries.event[charged], minlength=n)
        shares = np.bincount(count, minlength=8)[:8] / n
        left.step(np.arange(8), shares, where="mid", color=colour, label=nucleus.name)
        p = np.linalg.norm(primaries.momentum_mev[charged], axis=1)
        right.hist(
            p, 50, range=(0, 1000), weights=np.full(p.size, 1 / n), histtype="step", color=colour
        )
        print(f"{nucleus.name}: charged {count.mean():.3f}, 0..7: {np.round(100 * shares, 1)} %")
        print(f"  momentum mean {p.mean():.0f}, {np.percentile(p, [5, 16, 50, 84, 95]).round(0)}")
    for target, colour in (("hydrogen", "C0"), ("gold", "C1")):
        model = reference(folder, target)
        if model:
            label = f"Geant4 FTF, {target}"
            right.stairs(model[1] / 10_000, model[0], color=colour, ls=":", label=label)
    left.set(xlabel="charged pions", ylabel="share of events")
    right.set(xlabel="charged-pion momentum (MeV/c)", ylabel="pions per event and 20 MeV/c")
    left.legend()
    if folder:
        right.legend()
    save(figure, out, "gun")
    made = pions(n, rng)
    print(f"pi0 {np.mean(made.pdg == PI_ZERO) * made.pdg.size / n:.3f} on a free proton")


def plot_material(out: Path) -> None:
    """X/X0 at normal incidence by z, out to the chamber."""
    z = np.arange(-1150.0, 1150, 1.0)
    start, along = np.stack([0 * z, 0 * z, z], 1), np.tile([1.0, 0.0, 0.0], (z.size, 1))
    figure, axes = plt.subplots(figsize=(10, 3.5))
    below: FloatArray = np.zeros(z.size)
    for radius, label in ((26.0, "r < 26 mm"), (40.2, "26-40"), (60.0, "40-60"), (103.0, "60-103")):
        upto = geometry.ray_thickness(start, along, r_to_mm=radius)
        axes.fill_between(z, below, upto, step="mid", label=label, lw=0)
        below = upto
    axes.set(xlabel="z (mm)", ylabel="X / X0", xlim=(-1150, 1150))
    axes.legend(ncols=4)
    save(figure, out, "material")
    inner = np.abs(z) < 1040
    print(f"material: mean {below[inner].mean():.3f} X0 for |z| < 1040 mm")


def plot_field(out: Path) -> None:
    """B_z and B_r against z at the radii of the map."""
    z = np.arange(0.0, 1300, 5)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.3))
    for r in (0.0, 140.0, 190.0):
        b = geometry.solenoid().at(r, 0.0, z)
        left.plot(z, b[:, 2], label=f"r = {r:.0f} mm")
        right.plot(z, b[:, 0])
    left.set(xlabel="z (mm)", ylabel="Bz (T)")
    right.set(xlabel="z (mm)", ylabel="Br (T)")
    left.legend()
    save(figure, out, "field")


def draw_event(xy: Axes, rz: Axes, result: Transported, event: int) -> None:
    """Tracks in the gas (by kind), conversions and barrel hits of one event."""
    gas, tracks = result.gas, result.tracks
    for pdg, colour, label in (
        (211, "C0", "pions"),
        (11, "C1", "electrons"),
        (2212, "C2", "protons"),
    ):
        k = (gas.event == event) & (np.abs(gas.pdg) == pdg)
        points = gas.start_mm[k]
        radius = np.hypot(points[:, 0], points[:, 1])
        xy.plot(points[:, 0], points[:, 1], ".", ms=2, color=colour, label=label)
        rz.plot(points[:, 2], radius, ".", ms=2, color=colour)
    pairs = (tracks.event == event) & (tracks.pdg == 22) & (tracks.ended_by == Process.PAIR)
    primary = (tracks.event == event) & (tracks.parent == -1)
    bars = result.barrel.position_mm[result.barrel.event == event]
    spots = ((tracks.end_mm[pairs], "x", "k", "conversions"),
             (tracks.start_mm[primary][:1], "*", "r", "annihilation"),
             (bars, "s", "0.5", "barrel hits"))  # fmt: skip
    for where, mark, colour, label in spots:
        inside = where[np.hypot(where[:, 0], where[:, 1]) < 245]
        xy.plot(inside[:, 0], inside[:, 1], mark, color=colour, ms=5, ls="", label=label)
        rz.plot(inside[:, 2], np.hypot(inside[:, 0], inside[:, 1]), mark, color=colour, ms=5, ls="")
    for r in (109.25, 190.0):
        xy.add_patch(Circle((0, 0), r, fill=False, color="0.7"))
        rz.axhline(r, color="0.7")
    xy.set(aspect="equal", xlabel="x (mm)", ylabel="y (mm)", xlim=(-250, 250), ylim=(-250, 250))
    rz.set(xlabel="z (mm)", ylabel="r (mm)", ylim=(0, 250))


def plot_transport(out: Path, n: int, rng: np.random.Generator) -> None:
    """Events, conversion radii, and tracks in the gas."""
    primaries = gun.annihilate(gun.in_disc(n, rng), rng)
    transport(gun.annihilate(gun.in_disc(2, rng), rng), rng)  # compiles
    began = time.process_time()
    result = transport(primaries, rng)
    spent = time.process_time() - began
    print(f"transport: {n / spent:.0f} events per second of processor time, one core")
    figure, axes = plt.subplots(2, 3, figsize=(12, 7.5))
    for column, event in enumerate((1, 5, 9)):
        draw_event(axes[0, column], axes[1, column], result, event)
    axes[0, 0].legend(fontsize=6)
    save(figure, out, "events")
    report_tracks(result, n)
    plot_conversions(out, result, n)


def report_tracks(result: Transported, n: int) -> None:
    """Print shares of events by number of tracks, and sizes."""
    t = result.tracks
    reaches = (t.parent == -1) & (np.abs(t.pdg) == 211) & (t.gas_radius_mm > 173)
    count = np.minimum(np.bincount(t.event[reaches], minlength=n), 5)
    print(f"primary pions crossing the gas, 0..>=5: {np.bincount(count, minlength=6) / n * 100} %")
    print(f"tracks {len(t) / n:.1f}, gas steps {len(result.gas) / n:.0f} an event")
    given_up = (t.ended_by == Process.ABANDONED).sum()
    print(f"given up {given_up / n:.4f} an event")


def plot_conversions(out: Path, result: Transported, n: int) -> None:
    """Radii where photons convert; momenta of what enters the gas."""
    t = result.tracks
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5))
    radius = np.hypot(t.end_mm[:, 0], t.end_mm[:, 1])
    pair = (t.parent == -1) & (t.pdg == 22) & (t.ended_by == Process.PAIR) & (radius < 109.25)
    left.hist(radius[pair], 110, range=(0, 110), weights=np.full(pair.sum(), 1 / n))
    left.set(xlabel="radius of conversion (mm)", ylabel="photons per event and mm")
    for pdg, label in ((211, "pions"), (11, "electrons"), (13, "muons"), (2212, "protons")):
        k = (np.abs(t.pdg) == pdg) & np.isfinite(t.gas_momentum_mev[:, 0])
        p = np.linalg.norm(t.gas_momentum_mev[k], axis=1)
        bins = np.geomspace(0.1, 1500, 60).tolist()
        right.hist(p, bins, weights=np.full(p.size, 1 / n), histtype="step", label=label)
        print(f"{label} entering the gas: {p.size / n:.3f} an event")
    right.set(xlabel="momentum at the first step in gas (MeV/c)", ylabel="per event and bin")
    right.set(xscale="log", yscale="log")
    right.legend()
    save(figure, out, "conversions")
    print(f"photons converted before the gas: {pair.sum() / n:.3f} an event")


def plot_scattering(out: Path, n: int, rng: np.random.Generator) -> None:
    """Projected scattering angle of 300 MeV/c muons against Highland's Gaussian."""
    phi = rng.uniform(0, 2 * np.pi, n)
    u = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    start = np.tile([0.0, 0.0, -40.0], (n, 1))
    beam = gun.Primaries(n, np.arange(n), np.full(n, -13), start, 300 * u, np.zeros(n))
    t = transport(beam, rng, Settings(field_scale=0)).tracks
    ok = (t.parent == -1) & np.isfinite(t.gas_momentum_mev[:, 0])
    side = np.cross([0.0, 0.0, 1.0], u[t.event[ok]])
    leaving = t.gas_momentum_mev[ok]
    p_out = np.linalg.norm(leaving, axis=1)
    angle = 1000 * np.arcsin((leaving * side).sum(axis=1) / p_out)
    x0 = geometry.ray_thickness(start[:1], u[:1])[0]
    p = np.sqrt(300 * p_out.mean())
    beta = p / np.hypot(p, 105.658)
    width = 13600 / (beta * p) * np.sqrt(x0) * (1 + 0.038 * np.log(x0 / beta**2))
    print(f"scattering at 300 MeV/c: 68 % {np.percentile(np.abs(angle), 68.27):.1f} mrad,")
    print(f"  Highland {width:.1f}; beyond 3 sigma {(np.abs(angle) > 3 * width).mean():.4f}")
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.hist(angle, 120, range=(-400, 400), density=True, histtype="step", label="simulated")
    x = np.linspace(-400, 400, 400)
    gauss = np.exp(-((x / width) ** 2) / 2) / width / np.sqrt(2 * np.pi)
    axes.plot(x, gauss, label="Gaussian of Highland's width")
    axes.set(yscale="log", ylim=(1e-6, 0.02), xlabel="projected angle (mrad)", ylabel="density")
    axes.legend()
    save(figure, out, "scattering")


def plot_release(out: Path, n: int, rng: np.random.Generator) -> None:
    """z and time of released atoms."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.3))
    for share, label in ((0.0, "down"), (1.0, "up")):
        v = gun.released(n, rng, up_share=share)
        left.hist(v.position_mm[:, 2], 160, range=(-900, -100), histtype="step", label=label)
        right.hist(v.time_s, 70, range=(20, 90), histtype="step")
    left.set(xlabel="z (mm)", ylabel="atoms", yscale="log")
    right.set(xlabel="time (s)", yscale="log")
    left.legend()
    save(figure, out, "release")


def plot_muons(out: Path, n: int, rng: np.random.Generator) -> None:
    """Momentum and zenith angle of muons entering the bore; the rate in the gas."""
    muons = gun.cosmic_muons(n, rng)
    p = np.linalg.norm(muons.momentum_mev, axis=1) / 1000
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.3))
    left.hist(p, np.geomspace(0.01, 1000, 80).tolist(), histtype="step")
    left.set(xscale="log", xlabel="momentum (GeV/c)", ylabel="muons")
    right.hist(np.degrees(np.arccos(-muons.momentum_mev[:, 2] / 1000 / p)), 60, histtype="step")
    right.set(xlabel="angle to the vertical (degrees)")
    save(figure, out, "muons")
    result = transport(muons, rng)
    seen = np.unique(result.gas.event[np.abs(result.gas.pdg) == 13]).size / n
    rate = gun.muon_rate_hz(geometry.WORLD_RADIUS_MM, geometry.BAR_HALF_LENGTH_MM)
    print(f"muons: {gun.muon_rate_hz():.1f} Hz cross r < 190 mm, {rate:.0f} Hz enter the bore,")
    print(f"  {seen * rate:.1f} Hz leave steps in the gas; median {np.median(p):.2f} GeV/c")


def main() -> None:
    """Make all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--references", type=Path, default=None)
    a = parser.parse_args()
    rng = generator(a.seed)
    plot_gun(a.out, a.events, rng, a.references)
    plot_material(a.out)
    plot_field(a.out)
    plot_transport(a.out, a.events, rng)
    plot_scattering(a.out, a.events, rng)
    plot_release(a.out, a.events, rng)
    plot_muons(a.out, a.events, rng)


if __name__ == "__main__":
    main()

"""Rebuild the photon tables of `blackett.gamma` from XCOM and xraylib.

    python tools/build_cross_sections.py

Writes into src/blackett/gamma/data: elements.csv (weights and mean excitation energies),
cross_sections.csv (XCOM photoelectric, incoherent, coherent and pair + triplet cross sections,
1 keV to 3 MeV, with the absorption edges), scattering_functions.csv (incoherent scattering
functions S, form factors F and Compton profiles J) and fluorescence.csv (K edges, K shares, yields
and lines).

Sources, read at build time only:
* XCOM tables (M. J. Berger et al., NIST Standard Reference Database 8) as distributed in the wheel
  `ompmc` 0.4.0; figures are carried over, files are not.
* xraylib 4.3.0 (T. Schoonjans et al., Spectrochim. Acta B 66 (2011) 776; BSD licence): S and F of
  Cullen's EPDL97, Compton profiles of Biggs, Mendelsohn and Mann (1975), K yields of Krause and
  Elam, line energies of Deslattes, radiative rates of Scofield and partial photoelectric cross
  sections of Kissel.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xraylib

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blackett.arrays import FloatArray

DATA = Path(__file__).parents[1] / "src" / "blackett" / "gamma" / "data"
XCOM_WHEEL = "ompmc==0.4.0"
HEAVIEST = 94
HIGHEST_KEV = 3000.0  # XCOM starts at 1 keV
MEAN_LINES = {
    "ka2": ("KL2",),
    "ka1": ("KL3",),
    "kb1": ("KM2", "KM3", "KM4", "KM5"),
    "kb2": ("KN2", "KN3", "KN4", "KN5", "KO2", "KO3"),
}
MOMENTUM_TRANSFERS = np.round(np.geomspace(0.005, 100.0, 56), 6)
PROFILE_MOMENTA = np.concatenate([[0.0], np.round(np.geomspace(0.05, 100.0, 27), 4)])

# Standard atomic weights, Z = 1 to 94 (IUPAC, abridged); mass number where there is none.
WEIGHTS = (
    "1.008 4.0026 6.94 9.0122 10.81 12.011 14.007 15.999 18.998 20.180 22.990 24.305 26.982 28.085 "
    "30.974 32.06 35.45 39.95 39.098 40.078 44.956 47.867 50.942 51.996 54.938 55.845 58.933 "
    "58.693 63.546 65.38 69.723 72.630 74.922 78.971 79.904 83.798 85.468 87.62 88.906 91.224 "
    "92.906 95.95 97 101.07 102.91 106.42 107.87 112.41 114.82 118.71 121.76 127.60 126.90 131.29 "
    "132.91 137.33 138.91 140.12 140.91 144.24 145 150.36 151.96 157.25 158.93 162.50 164.93 "
    "167.26 168.93 173.05 174.97 178.49 180.95 183.84 186.21 190.23 192.22 195.08 196.97 200.59 "
    "204.38 207.2 208.98 209 210 222 223 226 227 232.04 231.04 238.03 237 244"
)
# Mean excitation energies in eV, Z = 1 to 94, ICRU Report 37 (1984), table 4.3.
MEAN_EXCITATION_EV = (
    "19.2 41.8 40 63.7 76 78 82 95 115 137 149 156 166 173 173 180 174 188 190 191 216 233 245 257 "
    "272 286 297 311 322 330 334 350 347 348 343 352 363 366 379 393 417 424 428 441 449 470 470 "
    "469 488 488 487 485 491 482 488 491 501 523 535 546 560 574 580 591 614 628 650 658 674 684 "
    "694 705 718 727 736 746 757 790 790 800 810 823 823 830 825 794 827 826 841 847 878 890 902 "
    "921"
)
# Values in condensed compounds, table 5.1; 1.13 times the element's value for all others.
IN_COMPOUNDS_EV = {1: 19.2, 6: 81.0, 7: 82.0, 8: 106.0, 9: 112.0, 17: 180.0}

Table = list["FloatArray"]


def xcom_tables(folder: Path) -> dict[str, Table]:
    """Element tables by process, index Z - 1, each (points, 2) in keV and barn."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder)]
    subprocess.run([*command, XCOM_WHEEL], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: _parse(archive.read(f"ompmc/data/xcom_{name}.data").decode())
            for name in ("photo", "compton", "rayleigh", "pair", "triplet")
        }


def _parse(text: str) -> Table:
    """Blocks of a count, then pairs ln(E/MeV), ln(sigma/barn)."""
    words, tables, at = text.split(), [], 0
    while at < len(words):
        n = int(words[at])
        pairs = np.array(words[at + 1 : at + 1 + 2 * n], dtype=float).reshape(n, 2)
        tables.append(np.column_stack([1000.0 * np.exp(pairs[:, 0]), np.exp(pairs[:, 1])]))
        at += 1 + 2 * n
    return tables


def _in_range(table: FloatArray) -> FloatArray:
    """The points inside the range and the first one beyond its end."""
    last = int(np.searchsorted(table[:, 0], HIGHEST_KEV)) + 1
    return table[:last]


def pair_and_triplet(pair: FloatArray, triplet: FloatArray) -> FloatArray:
    """Sum of both, on the mesh of the pair table."""
    below = triplet[0, 0]
    extra = np.exp(np.interp(np.log(pair[:, 0]), np.log(triplet[:, 0]), np.log(triplet[:, 1])))
    return np.column_stack([pair[:, 0], pair[:, 1] + np.where(pair[:, 0] < below, 0.0, extra)])


def snap_edges(table: FloatArray, z: int) -> FloatArray:
    """Put both points of the K edge (equal to 5 digits in the source) on xraylib's K energy."""
    edge = float(xraylib.EdgeEnergy(z, xraylib.K_SHELL))
    twins = np.flatnonzero(np.diff(np.log(table[:, 0])) < 1e-5)
    snapped = table.copy()
    for i in twins:
        energy = edge if abs(table[i, 0] / edge - 1.0) < 2e-3 else table[i, 0]
        snapped[i : i + 2, 0] = round(energy, 5)
    return snapped


def cross_section_rows(xcom: dict[str, Table]) -> Iterable[tuple[object, ...]]:
    """Rows z, process, energy_kev, barn."""
    for z in range(1, HEAVIEST + 1):
        photo, compton, rayleigh, pair, triplet = (table[z - 1] for table in xcom.values())
        processes = {
            "photoelectric": snap_edges(_in_range(photo), z),
            "incoherent": _in_range(compton),
            "coherent": _in_range(rayleigh),
            "pair": _in_range(pair_and_triplet(pair, triplet)),
        }
        for process, table in processes.items():
            for energy_kev, barn in table:
                yield z, process, f"{energy_kev:.7g}", f"{barn:.5g}"


def scattering_rows() -> Iterable[tuple[object, ...]]:
    """Rows z, quantity, value at each node (momentum transfer 1/angstrom, or p_z in a.u.)."""
    nodes = ["node"] + [""] * (len(MOMENTUM_TRANSFERS) - len(PROFILE_MOMENTA))
    yield 0, "x", *MOMENTUM_TRANSFERS
    yield 0, "pz", *PROFILE_MOMENTA, *nodes[1:]
    for z in range(1, HEAVIEST + 1):
        yield z, "S", *(f"{xraylib.SF_Compt(z, float(x)):.5g}" for x in MOMENTUM_TRANSFERS)
        yield z, "F", *(f"{xraylib.FF_Rayl(z, float(x)):.5g}" for x in MOMENTUM_TRANSFERS)
        profile = (f"{xraylib.ComptonProfile(z, float(p)):.5g}" for p in PROFILE_MOMENTA)
        yield z, "J", *profile, *nodes[1:]


def element_rows() -> Iterable[tuple[object, ...]]:
    """Rows z, symbol, atomic weight, mean excitation energy pure and in compounds."""
    figures = zip(WEIGHTS.split(), MEAN_EXCITATION_EV.split(), strict=True)
    for z, (weight, excitation) in enumerate(figures, start=1):
        pure = float(excitation)
        bound = IN_COMPOUNDS_EV.get(z, round(1.13 * pure, 1))
        symbol = xraylib.AtomicNumberToSymbol(z)
        yield z, symbol, weight, f"{pure:g}", f"{bound:g}"


def k_share(z: int, ratio: float) -> float:
    """Share of photoelectric absorption in the K shell at `ratio` times the K edge (Kissel)."""
    energy = ratio * float(xraylib.EdgeEnergy(z, xraylib.K_SHELL))
    partial = xraylib.CSb_Photo_Partial(z, xraylib.K_SHELL, energy)
    # The library gives the K shell per electron and the total per atom.
    return 2.0 * float(partial / xraylib.CSb_Photo_Total(z, energy))


def _line(z: int, names: Sequence[str]) -> tuple[float, float]:
    """Rate-weighted energy (keV) and summed rate of a group of K lines; 0, 0 if z has none."""
    lines = []
    for name in names:
        try:
            code = getattr(xraylib, f"{name}_LINE")
            lines.append((xraylib.LineEnergy(z, code), xraylib.RadRate(z, code)))
        except ValueError:
            continue
    rate = sum(rate for _, rate in lines)
    return (sum(e * r for e, r in lines) / rate, rate) if rate > 0 else (0.0, 0.0)


def fluorescence_rows() -> Iterable[tuple[object, ...]]:
    """Rows of K-shell data for every element whose K edge lies above 1 keV."""
    for z in range(11, HEAVIEST + 1):
        edge = float(xraylib.EdgeEnergy(z, xraylib.K_SHELL))
        at_edge, at_twice = k_share(z, 1.001), k_share(z, 2.0)
        lines = [_line(z, names) for names in MEAN_LINES.values()]
        total = sum(rate for _, rate in lines)
        figures = [x for energy, rate in lines for x in (energy, rate / total)]
        limit = 2.0 * at_twice - at_edge
        shown = [edge, at_edge, limit, xraylib.FluorYield(z, xraylib.K_SHELL), *figures]
        yield z, *(f"{x:.6g}" for x in shown)


def cross_check(xcom: dict[str, Table]) -> None:
    """Print the largest difference between XCOM and xraylib, 20 to 900 keV."""
    functions = {
        "photo": xraylib.CSb_Photo,
        "compton": xraylib.CSb_Compt,
        "rayleigh": xraylib.CSb_Rayl,
    }
    for name, function in functions.items():
        for z in (6, 8, 13, 26, 29, 32, 53, 55, 64, 82, 92):
            table = xcom[name][z - 1]
            away = np.abs(table[:, 0] / float(xraylib.EdgeEnergy(z, xraylib.K_SHELL)) - 1.0) > 0.02
            energies, ours = table[(table[:, 0] > 20.0) & (table[:, 0] < 790.0) & away].T
            theirs = np.array([function(z, energy) for energy in energies])
            off = np.abs(theirs / ours - 1.0)
            print(f"{name:9s} Z={z:2d} median {np.median(off):.4f} largest {off.max():.4f}")


def write(name: str, header: Sequence[str] | None, rows: Iterable[tuple[object, ...]]) -> None:
    """Write a CSV aside, then rename it."""
    target = DATA / name
    aside = target.with_suffix(".partial")
    with aside.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if header:
            writer.writerow(header)
        writer.writerows(rows)
    aside.replace(target)
    print(f"{name}: {target.stat().st_size / 1024:.0f} KiB")


def main() -> None:
    """Build all four tables and cross-check the two sources."""
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        xcom = xcom_tables(Path(folder))
    head = ["z", "symbol", "weight_g_mol", "excitation_ev", "excitation_compound_ev"]
    write("elements.csv", head, element_rows())
    write("cross_sections.csv", ["z", "process", "energy_kev", "barn"], cross_section_rows(xcom))
    write("scattering_functions.csv", None, scattering_rows())
    columns = [f"{line}_{what}" for line in MEAN_LINES for what in ("kev", "share")]
    head = ["z", "k_edge_kev", "k_share_edge", "k_share_limit", "k_yield", *columns]
    write("fluorescence.csv", head, fluorescence_rows())
    cross_check(xcom)


if __name__ == "__main__":
    main()

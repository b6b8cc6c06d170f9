"""Tabulated scatter of photons on their way to the detector, and its interpolation.

A kernel says what becomes of one photon that a source emits: the fluence at the detector's place,
in units of a reference fluence, split into

    direct      neither scattered nor absorbed, still at the emitted energy
    coherent    only Rayleigh-scattered, so also at the emitted energy
    scattered   the continuum, in bins uniform in the square root of energy
    sharp       annihilation quanta and K X-rays that arrive unscattered

Between tabulated energies the continuum is interpolated at equal Compton shift,
s = mc²/E' - mc²/E, where one scattering through the angle t sits at s = 1 - cos t for every E:
edges and humps move with the incident energy instead of blurring. `tools/build_scenes.py` makes
the tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from blackett.arrays import frozen
from blackett.errors import InputError, MissingDataError
from blackett.gamma.matter import atomic_number, data_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray, IntArray

__all__ = [
    "BINS",
    "HIGHEST_KEV",
    "LOWEST_KEV",
    "Fluence",
    "Kernel",
    "at_equal_shift",
    "centres_kev",
    "edges_kev",
    "interpolate",
    "kernel",
    "kernel_names",
    "sharp_lines_kev",
]

BINS = 160
HIGHEST_KEV = 3000.0
LOWEST_KEV = 10.0
ELECTRON_KEV = 510.99895  # CODATA 2018
FILE = "scenes.npz"
X_RAY_ELEMENTS = ("Sn", "W", "Pb", "U")


def edges_kev() -> FloatArray:
    """Edges (BINS + 1,) of the fluence bins in keV: 0 to 3000, uniform in the square root."""
    return np.asarray(HIGHEST_KEV * (np.arange(BINS + 1) / BINS) ** 2)


def centres_kev() -> FloatArray:
    """Middles (BINS,) of the fluence bins in keV."""
    edges = edges_kev()
    return np.asarray(0.5 * (edges[1:] + edges[:-1]))


@cache
def sharp_lines_kev() -> FloatArray:
    """Energies (S,) kept sharp: 511 keV, then the K X-rays of `X_RAY_ELEMENTS` above LOWEST_KEV.

    X-rays of other elements are scored in the continuum bins.
    """
    rows = {int(row[0]): row for row in data_rows("fluorescence.csv")[1:]}
    lines = [float(v) for s in X_RAY_ELEMENTS for v in rows[atomic_number(s)][5::2]]
    return frozen([ELECTRON_KEV, *sorted(line for line in lines if line > LOWEST_KEV)])


@dataclass(frozen=True)
class Fluence:
    """Fluence at the detector's place for each of L emitted energies, in units of a reference.

    Shapes: `energy_kev`, `direct`, `coherent` and `obliquity` (L,), `scattered` (L, BINS),
    `sharp` (L, S) on `sharp_kev` (S,). `obliquity` is the mean of |ux| + |uy| + |uz| over the
    directions of everything that is not direct: times fluence and the area of one face, it is the
    number of photons that enter a cube (1 head on, 1.5 from all sides).
    """

    energy_kev: FloatArray
    direct: FloatArray
    coherent: FloatArray
    scattered: FloatArray
    sharp: FloatArray
    obliquity: FloatArray

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for array in (self.energy_kev, self.direct, self.coherent, self.scattered, self.sharp,
                      self.obliquity):  # fmt: skip
            array.setflags(write=False)

    @property
    def sharp_kev(self) -> FloatArray:
        """Energies (S,) of the sharp lines in keV."""
        return sharp_lines_kev()

    @property
    def edges_kev(self) -> FloatArray:
        """Edges (BINS + 1,) of the continuum in keV."""
        return edges_kev()

    @property
    def indirect(self) -> FloatArray:
        """All but the direct fluence (L,)."""
        return np.asarray(self.coherent + self.scattered.sum(1) + self.sharp.sum(1))

    def summed(self, photons: ArrayLike) -> FloatArray:
        """Continuum (BINS,) of a source that emits `photons` (L,) of each energy per decay."""
        return np.asarray(np.asarray(photons, dtype=np.float64) @ self.scattered)


@dataclass(frozen=True)
class Kernel:
    """One tabulated scene: fluence for N incident energies, in units of 1/(4 pi reference_mm²).

    Shapes as in `Fluence`, with N for L. `reference_mm` is the distance of the source, or for an
    extended one that of its middle; 0 for `environment` kernels, which are in cm2 or 1/cm2
    (`blackett.gamma.background`).
    """

    name: str
    reference_mm: float
    fluence: Fluence


def interpolate(table: Fluence, energies_kev: ArrayLike) -> Fluence:
    """Fluence at any energies within the table's, at equal Compton shift (module docstring).

    Raises InputError for an energy outside the tabulated range.
    """
    energies = np.atleast_1d(np.asarray(energies_kev, dtype=np.float64))
    low, weight = _bracket(table.energy_kev, energies)

    def mixed(values: FloatArray) -> FloatArray:
        share = weight.reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray((1 - share) * values[low] + share * values[low + 1])

    direct = np.exp(mixed(np.log(np.maximum(table.direct, 1e-300))))
    scattered = _shifted(table, energies, low, weight)
    return Fluence(
        energies,
        direct,
        mixed(table.coherent),
        scattered,
        mixed(table.sharp),
        mixed(table.obliquity),
    )


def _bracket(nodes: FloatArray, energies: FloatArray) -> tuple[IntArray, FloatArray]:
    """Index of the node below each energy, and the share (0 to 1, in log energy) of the next."""
    if energies.size and not (energies.min() >= nodes[0] and energies.max() <= nodes[-1]):
        raise InputError(
            f"energies {energies.min():.4g} to {energies.max():.4g} keV; scatter is tabulated "
            f"from {nodes[0]:g} to {nodes[-1]:g} keV: leave out lines beyond that"
        )
    low = np.clip(np.searchsorted(nodes, energies, side="right") - 1, 0, len(nodes) - 2)
    log = np.log(nodes)
    return low, np.asarray((np.log(energies) - log[low]) / (log[low + 1] - log[low]))


def _shifted(table: Fluence, energies: FloatArray, low: IntArray, weight: FloatArray) -> FloatArray:
    """Continuum (L, BINS) between tabulated rows `low` and `low + 1`."""
    cumulative = np.zeros((len(table.energy_kev), BINS + 1))
    np.cumsum(table.scattered, axis=1, out=cumulative[:, 1:])
    return np.asarray(
        _between(table.energy_kev, cumulative, energies, low, weight, edges_kev()), np.float64
    )


def at_equal_shift(table: Fluence, rows: IntArray, energies_kev: FloatArray) -> FloatArray:
    """Continua (L, BINS) of `rows` (L,), from 1 up, moved to other incident energies (L,)."""
    return _shifted(table, energies_kev, np.asarray(rows) - 1, np.ones(len(rows)))


@njit(cache=True)
def _between(
    nodes: FloatArray,
    cumulative: FloatArray,
    energies: FloatArray,
    low: IntArray,
    weight: FloatArray,
    edges: FloatArray,
) -> FloatArray:
    """Differences, over bins, of the cumulative continuum interpolated at equal Compton shift."""
    made = np.zeros((len(energies), len(edges) - 1))
    for line in range(len(energies)):
        before = 0.0
        for b in range(len(edges) - 1):
            edge = min(edges[b + 1], energies[line])
            below = _at_shift(nodes[low[line]], cumulative[low[line]], energies[line], edge)
            above = _at_shift(nodes[low[line] + 1], cumulative[low[line] + 1], energies[line], edge)
            now = (1.0 - weight[line]) * below + weight[line] * above
            made[line, b] = now - before
            before = now
            if edge == energies[line]:
                break
    return made


@njit(cache=True)
def _at_shift(node: float, cumulative: FloatArray, energy: float, edge: float) -> float:
    """A row's cumulative continuum where its Compton shift is that from `energy` to `edge`."""
    # 1/at = 1/edge - 1/energy + 1/node
    at = edge / (1.0 + (energy / node - 1.0) * edge / energy)
    place = BINS * math.sqrt(at / HIGHEST_KEV)
    index = min(int(place), BINS - 1)
    # the bin that holds the incident energy is filled up to that energy only
    filled = min(max(BINS * math.sqrt(node / HIGHEST_KEV) - index, 1e-9), 1.0)
    inside = min((place - index) / filled, 1.0)
    found: float = cumulative[index] + inside * (cumulative[index + 1] - cumulative[index])
    return found


@cache
def _tables() -> Mapping[str, Kernel]:
    """All tabulated kernels by name."""
    path = resources.files("blackett.gamma").joinpath("data", FILE)
    if not path.is_file():
        raise MissingDataError(f"data/{FILE} is missing; make it with python tools/build_scenes.py")
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    if not np.allclose(arrays["sharp_kev"], sharp_lines_kev()):
        raise MissingDataError(
            f"data/{FILE} holds other sharp lines; rebuild tools/build_scenes.py"
        )
    return {str(name): _unpacked(arrays, i) for i, name in enumerate(arrays["names"])}


def _unpacked(arrays: Mapping[str, np.ndarray], i: int) -> Kernel:
    """Kernel number i of the file; continua are stored as shares of the largest bin."""
    scattered = arrays["shape"][i].astype(np.float64) * arrays["peak"][i][:, None]
    direct, coherent, sharp, oblique = (
        frozen(arrays[key][i]) for key in ("direct", "coherent", "sharp", "obliquity")
    )
    table = Fluence(
        frozen(arrays["incident_kev"]), direct, coherent, frozen(scattered), sharp, oblique
    )
    return Kernel(str(arrays["names"][i]), float(arrays["reference_mm"][i]), table)


def kernel_names(group: str) -> tuple[str, ...]:
    """Names of tabulated kernels of a group: around, shield, extended or environment."""
    return tuple(name for name in _tables() if name.startswith(f"{group}/"))


def kernel(name: str) -> Kernel:
    """A tabulated kernel; raises InputError, naming its group's members, if there is none."""
    tables = _tables()
    if name not in tables:
        known = ", ".join(kernel_names(name.split("/", maxsplit=1)[0])) or ", ".join(tables)
        raise InputError(f"no tabulated scatter {name!r}; known: {known}")
    return tables[name]

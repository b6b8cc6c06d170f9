"""Photon interaction tables for a stack of materials, read by the functions of `photons`.

Cross sections: XCOM (see `matter`). Scattering functions S and form factors F of EPDL97, Compton
profiles of Biggs et al. (1975), K-shell data of xraylib 4.3.0 (see data/README.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from blackett.errors import InputError
from blackett.gamma.matter import (
    HIGHEST_KEV,
    LOWEST_KEV,
    PROCESSES,
    Material,
    atomic_number,
    data_rows,
    edges_kev,
    element_barn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray, IntArray

__all__ = ["PhotonTables", "klein_nishina_barn", "photon_tables"]

ELECTRON_MASS_KEV = 510.99895
R_E_SQUARED_BARN = 0.0794078  # classical electron radius squared
HC_KEV_ANGSTROM = 12.398420
FINE_STRUCTURE = 1.0 / 137.035999
PHOTOELECTRIC, INCOHERENT, COHERENT, PAIR = range(4)  # in the order of matter.PROCESSES
STEPS = 1200  # of the energy grid, 0.7 % each: linear interpolation of E^-3 errs by 5e-5
X_NODES = 400


class PhotonTables(NamedTuple):
    """Arrays that the numba functions read; made by `photon_tables`.

    Axes: m materials, e (material, element) entries, n energies, q momentum transfers, p momenta.
    """

    ln_energy: FloatArray  # (n,) ascending, edges as two neighbours
    start: IntArray  # (steps + 1,) grid index at the start of each equal step in ln E
    per_step: float  # steps per unit of ln E
    coefficient: FloatArray  # (m, 4, n) 1/mm, processes as in matter.PROCESSES
    total: FloatArray  # (m, n) 1/mm
    element_start: IntArray  # (m + 1,) entries of a material
    photo_share: FloatArray  # (e, n) cumulative share of an element in photoelectric absorption
    k_shell: FloatArray  # (e, 4) K edge keV, K share at the edge, its high-energy limit, K yield
    k_lines: FloatArray  # (e, 4, 2) line keV, cumulative share
    ln_x: FloatArray  # (q,) ln of sin(theta/2)/lambda in 1/angstrom, equally spaced
    scattering: FloatArray  # (m, q) sum of atoms x S, per barn and mm
    form: FloatArray  # (m, q) sum of atoms x F^2, per barn and mm
    form_integral: FloatArray  # (m, q) its integral over x^2
    momenta: FloatArray  # (p,) electron momenta in units of m_e c
    profile_integral: FloatArray  # (m, p) cumulative Compton profile, 0 to 1
    incoherent_scale: FloatArray  # (m, n) tabulated over integrated Klein-Nishina x S
    coherent_scale: FloatArray  # (m, n) tabulated over integrated Thomson x F^2


def photon_tables(stack: Sequence[Material]) -> PhotonTables:
    """Tables for a stack of materials; a material's index is its place in the stack.

    Raises InputError for an empty stack.
    """
    if not stack:
        raise InputError("photon_tables needs at least one material")
    energy = _energy_grid(stack)
    ln_energy = np.log(energy)
    step = (ln_energy[-1] - ln_energy[0]) / STEPS
    starts = np.searchsorted(ln_energy, ln_energy[0] + step * np.arange(STEPS + 1), side="right")
    parts = [_element_coefficients(m, energy) for m in stack]
    coefficients = np.array([p.sum(axis=0) for p in parts])
    scatter = Scattering(stack)
    entries = [atomic_number(s) for m in stack for s, _ in m.mass_fractions]
    counts = [len(m.mass_fractions) for m in stack]
    shells, lines = _k_shells(entries)
    incoherent, coherent = scatter.integrals(energy)
    return PhotonTables(
        ln_energy=ln_energy,
        start=np.minimum(np.maximum(starts - 1, 0), len(energy) - 2).astype(np.int64),
        per_step=1.0 / step,
        coefficient=coefficients,
        total=coefficients.sum(axis=1),
        element_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        photo_share=np.concatenate([_cumulative_share(p[:, PHOTOELECTRIC]) for p in parts]),
        k_shell=shells,
        k_lines=lines,
        ln_x=scatter.ln_x,
        scattering=scatter.incoherent,
        form=scatter.coherent,
        form_integral=scatter.coherent_integral(),
        momenta=scatter.momenta,
        profile_integral=scatter.profile,
        incoherent_scale=coefficients[:, INCOHERENT] / incoherent,
        coherent_scale=coefficients[:, COHERENT] / coherent,
    )


def _energy_grid(stack: Sequence[Material]) -> FloatArray:
    """Equal steps in ln E with every edge of every element as two neighbouring points."""
    plain = np.geomspace(LOWEST_KEV, HIGHEST_KEV, STEPS + 1)
    plain[0], plain[-1] = LOWEST_KEV, HIGHEST_KEV
    symbols = {symbol for m in stack for symbol, _ in m.mass_fractions}
    edges = np.concatenate([edges_kev(symbol) for symbol in symbols])
    return np.unique(np.concatenate([plain, edges, edges * (1.0 - 1e-9)]))


def _element_coefficients(of: Material, energy: FloatArray) -> FloatArray:
    """(elements, 4, n) in 1/mm."""
    atoms = of.atoms_per_barn_cm().items()
    return np.array(
        [[0.1 * n * element_barn(symbol, energy, p) for p in PROCESSES] for symbol, n in atoms]
    )


def _cumulative_share(parts: FloatArray) -> FloatArray:
    running = np.cumsum(parts, axis=0)
    return np.asarray(running / running[-1])


def _k_shells(entries: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """K-shell figures and lines of each entry; zeros where the edge lies below 1 keV."""
    rows = {int(r[0]): [float(v) for v in r[1:]] for r in data_rows("fluorescence.csv")[1:]}
    shells, lines = np.zeros((len(entries), 4)), np.zeros((len(entries), 4, 2))
    for i, z in enumerate(entries):
        if z in rows:
            shells[i] = rows[z][:4]
            lines[i] = np.reshape(rows[z][4:], (4, 2))
            lines[i, :, 1] = np.cumsum(lines[i, :, 1])
    return shells, lines


class Scattering:
    """Scattering functions, form factors and Compton profiles summed over each material."""

    def __init__(self, stack: Sequence[Material]) -> None:
        rows = {(int(r[0]), r[1]): np.array([float(v) for v in r[2:] if v])
                for r in data_rows("scattering_functions.csv")}  # fmt: skip
        x, momenta = rows[0, "x"], rows[0, "pz"]
        self.ln_x = np.linspace(math.log(x[0]), math.log(x[-1]), X_NODES)
        self.momenta = np.linspace(0.0, momenta[-1], 2001) * FINE_STRUCTURE
        sums = [self._sums(m, rows, x, momenta) for m in stack]
        self.incoherent, self.coherent, self.profile = (
            np.array(s) for s in zip(*sums, strict=True)
        )

    def _sums(
        self,
        of: Material,
        rows: dict[tuple[int, str], FloatArray],
        x: FloatArray,
        momenta: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        incoherent, coherent = np.zeros(X_NODES), np.zeros(X_NODES)
        profile = np.zeros(len(self.momenta))
        for symbol, atoms in of.atoms_per_barn_cm().items():
            z = atomic_number(symbol)
            incoherent += (
                0.1 * atoms * np.exp(np.interp(self.ln_x, np.log(x), np.log(rows[z, "S"])))
            )
            ln_form = np.interp(self.ln_x, np.log(x), np.log(np.maximum(rows[z, "F"], 1e-12)))
            coherent += 0.1 * atoms * np.exp(2.0 * ln_form)
            profile += atoms * np.interp(self.momenta / FINE_STRUCTURE, momenta, rows[z, "J"])
        running = np.concatenate([[0.0], np.cumsum(0.5 * (profile[1:] + profile[:-1]))])
        return incoherent, coherent, running / running[-1]

    def coherent_integral(self) -> FloatArray:
        """Integral of the summed F^2 over x^2, from zero to each node."""
        x2 = np.exp(2.0 * self.ln_x)
        pieces = 0.5 * (self.coherent[:, 1:] + self.coherent[:, :-1]) * np.diff(x2)
        return np.cumsum(np.column_stack([self.coherent[:, 0] * x2[0], pieces]), axis=1)

    def integrals(self, energy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Differential coefficients integrated over the sphere, each (m, n) in 1/mm."""
        # Nodes in u = sqrt((1 - cos)/2) resolve the forward peak of coherent scattering.
        u = np.concatenate([[0.0], np.geomspace(1e-5, 1.0, 600)])
        cos = 1.0 - 2.0 * u**2
        coarse = np.geomspace(LOWEST_KEV, HIGHEST_KEV, 300)
        ln_x = np.log(np.maximum(coarse[:, None] / HC_KEV_ANGSTROM * u, 1e-12))
        solid_angle = 2.0 * np.pi * 4.0 * u  # d(cos) = 4 u du
        thomson = 0.5 * R_E_SQUARED_BARN * (1.0 + cos**2)
        electron = np.array([[klein_nishina_barn(e, c) for c in cos] for e in coarse])
        made = []
        for table, weight in ((self.incoherent, electron), (self.coherent, thomson)):
            rows = []
            for values in table:
                function = np.interp(ln_x, self.ln_x, values, left=values[0])
                if table is self.incoherent:  # S falls as x^2 towards zero
                    function *= np.exp(2.0 * np.minimum(ln_x - self.ln_x[0], 0.0))
                total = np.trapezoid(function * weight * solid_angle, u, axis=1)
                rows.append(np.interp(np.log(energy), np.log(coarse), total))
            made.append(np.array(rows))
        return made[0], made[1]


@njit(cache=True, error_model="numpy")
def klein_nishina_barn(energy_kev: float, cos: float) -> float:
    """Barn per free electron and steradian (O. Klein, Y. Nishina, Z. Phys. 52 (1929) 853)."""
    ratio = 1.0 / (1.0 + energy_kev / ELECTRON_MASS_KEV * (1.0 - cos))
    return 0.5 * R_E_SQUARED_BARN * ratio * ratio * (ratio + 1.0 / ratio - 1.0 + cos * cos)

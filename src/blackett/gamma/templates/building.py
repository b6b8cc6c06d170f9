"""Building the templates of a detector from response tables and scene kernels: some seconds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.special import ndtr

from blackett.gamma.detector import detector
from blackett.gamma.folding import (
    HIGHEST_KEV,
    bremsstrahlung_of,
    coincidence_sums,
    deposit_edges_kev,
    deposited_in_scenes,
    k_lines,
    lines_of,
    peak_counts,
    seen_share,
)
from blackett.gamma.room import room_components
from blackett.gamma.sources import observable_sources, source
from blackett.gamma.templates.columns import (
    CONTINUUM,
    GAIN_SIGMA,
    OFFSET_SIGMA_KEV,
    Axis,
    Kept,
    RoomColumns,
)
from blackett.gamma.templates.looks import BENCH, LOCAL_SCENES, looks_of

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.sources import Source

__all__ = ["CONTINUUM_SLOPES_KEV", "LOCAL_CPS_PER_CM3", "LOG_PRIOR", "build"]

LOG_PRIOR = {"common": 0.0, "occasional": -2.5, "rare": -5.0}
"""Prior odds by how often owners of pocket spectrometers meet a source, natural logarithm."""
LOCAL_CPS_PER_CM3 = {"K-40": 0.02, "Ra-226": 0.06, "Th-232": 0.06}
"""Natural activity nearer than the walls, with its peaks unscattered: half-normal prior of its rate
for each cm3 of crystal, of the order of the spread between rooms; bare, and somewhat shielded."""
STEADY = 0.1
"""A germanium detector's axis is better by this."""
TILT_SIGMA = 0.06
"""Prior of the relative change of a unit's width against the model's law, per e-fold of energy."""
FLUORESCENT = ("Pb", "U")
REACH_SHARE = 0.2
EXCITED_PER_DECAY = 1.5
CONTINUUM_SLOPES_KEV = (15.0, 40.0, 100.0, 250.0)


@dataclass(frozen=True)
class Grid:
    """Grid of the columns, and twice finer bins for deposits; both uniform in sqrt(E)."""

    points: int
    widths: tuple[float, ...]

    @property
    def step(self) -> float:
        """Step of the columns' grid, sqrt(keV)."""
        return float(np.sqrt(HIGHEST_KEV) / self.points)

    @property
    def edges_kev(self) -> FloatArray:
        """Energies (points + 1,) at which columns are kept."""
        return np.asarray((np.arange(self.points + 1) * self.step) ** 2)

    @property
    def bins(self) -> int:
        """Number of deposit bins."""
        return 2 * self.points

    @property
    def deposit_edges_kev(self) -> FloatArray:
        """Edges (bins + 1,) of the deposit bins."""
        return deposit_edges_kev(self.bins)


def grid_of(instrument: Detector) -> Grid:
    """The grid of a detector's columns."""
    if instrument.crystal == "germanium":
        return Grid(8192, (0.8, 1.1, 1.6))
    low, high = instrument.resolution.range_662_percent
    nominal = instrument.resolution.fwhm_662_percent
    return Grid(1024, tuple(np.linspace(0.85 * low / nominal, 1.25 * high / nominal, 6)))


def _folding(instrument: Detector, grid: Grid, width: float) -> sparse.csr_array:
    """Matrix (G, deposit bins) from counts by deposited energy to counts by measured energy."""
    edges = grid.deposit_edges_kev
    deposit = 0.5 * (edges[1:] + edges[:-1])
    sigma = width * instrument.fwhm_kev(np.maximum(deposit, 3.0)) / 2.35482
    edges = grid.edges_kev
    first = np.searchsorted(edges, deposit - 5 * sigma) - 1
    last = np.searchsorted(edges, deposit + 5 * sigma)
    rows, columns, values = [], [], []
    for j in range(deposit.size):
        low, high = max(first[j], 0), min(last[j], grid.points)
        share = np.diff(ndtr((edges[low : high + 1] - deposit[j]) / sigma[j]))
        rows.append(np.arange(low, high))
        columns.append(np.full(high - low, j))
        values.append(share)
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_array(entries, shape=(grid.points, deposit.size))


def _cumulative(deposits: FloatArray, foldings: list[sparse.csr_array], floor: int) -> FloatArray:
    """Normalised columns (N, L, G + 1) from deposits (N, bins); counts above grid point `floor`."""
    made = np.zeros((deposits.shape[0], len(foldings), foldings[0].shape[0] + 1))
    for level, folding in enumerate(foldings):
        np.cumsum((folding @ deposits.T).T, axis=1, out=made[:, level, 1:])
    total = made[:, :, -1] - made[:, :, floor]
    made /= np.maximum(total, 1e-300)[:, :, None]
    return made


def _deposits(source: Source, instrument: Detector, grid: Grid) -> FloatArray:
    """Counts per decay by deposited energy, (looks, bins)."""
    energies, photons = lines_of(source)
    looks = looks_of(source, instrument)
    scenes = tuple(dict.fromkeys(look.scene for look in looks))
    seen = deposited_in_scenes(energies, photons, scenes, instrument, grid.bins)
    made = seen[[scenes.index(look.scene) for look in looks]]
    for row, look in zip(made, looks, strict=True):
        if look.peaks != 1.0:
            peaks = (1.0 - look.peaks) * peak_counts(instrument, look.scene, energies, photons)
            row -= np.histogram(energies, grid.deposit_edges_kev, weights=peaks)[0]
        if look.with_sums:
            row += seen_share(instrument, look.scene.reference_mm) ** 2 * coincidence_sums(
                source, instrument, grid.bins
            )
        if look.excited:
            lines, shares = k_lines(look.excited)
            shares = EXCITED_PER_DECAY * shares
            row += deposited_in_scenes(lines, shares, (look.scene,), instrument, grid.bins)[0]
        if look.stopper:
            soft = bremsstrahlung_of(source, look.stopper)
            row += deposited_in_scenes(*soft, (look.scene,), instrument, grid.bins)[0]
    return np.maximum(made, 0.0)


@cache
def _peaks(source: Source, instrument: Detector) -> tuple[FloatArray, FloatArray]:
    """Line energies (n,) and counts per decay in each line's peak, (looks, n)."""
    energies, photons = lines_of(source)
    return energies, np.array(
        [
            look.peaks * peak_counts(instrument, look.scene, energies, photons)
            for look in looks_of(source, instrument)
        ]
    )


def _reach_kev(source: Source, instrument: Detector) -> FloatArray:
    """Energy (looks,) above which `REACH_SHARE` of the counts in all peaks lie."""
    energies, rows = _peaks(source, instrument)
    found = []
    for peaks in rows:
        above = np.cumsum(peaks[::-1])[::-1] >= REACH_SHARE * peaks.sum()
        found.append(float(energies[above].max()))
    return np.array(found)


def build(name: str) -> Kept:
    """All columns of a detector (by name)."""
    instrument = detector(name)
    grid = grid_of(instrument)
    foldings = [_folding(instrument, grid, width) for width in grid.widths]
    floor = int(np.sqrt(instrument.range_kev[0]) / grid.step)
    registry = observable_sources()
    deposits = [_deposits(source, instrument, grid) for source in registry]
    stack = np.concatenate([*deposits, _continua(grid)])
    n_continua = len(CONTINUUM_SLOPES_KEV)
    names = [s.name for s, rows in zip(registry, deposits, strict=True) for _ in rows]
    priors = [LOG_PRIOR[s.rarity] for s, rows in zip(registry, deposits, strict=True) for _ in rows]
    counts_per_decay = stack[:, 2 * floor :].sum(axis=1)
    shares = [_own_share(source, instrument) for source in registry]
    line_kev, peaks = _padded([_peaks(source, instrument) for source in registry], n_continua)
    return Kept(
        by_energy=_cumulative(stack, foldings, floor).transpose(1, 2, 0).astype(np.float32),
        source_of=np.array(names + [CONTINUUM] * n_continua),
        counts_per_decay=counts_per_decay,
        own_share=np.concatenate([*shares, np.full(n_continua, np.nan)]),
        line_kev=line_kev,
        line_share=peaks / counts_per_decay[:, None],
        reach_kev=np.concatenate(
            [*(_reach_kev(source, instrument) for source in registry), np.full(n_continua, np.inf)]
        ),
        log_prior=np.array(priors + [LOG_PRIOR["rare"]] * n_continua),
        fluorescence=_fluorescence(instrument, grid, foldings, floor),
        axis=_axis(instrument, grid),
        widths=np.array(grid.widths),
        **{f"room_{k}": v for k, v in vars(_room(instrument, grid, foldings, floor)).items()},
    )


def _own_share(source: Source, instrument: Detector) -> FloatArray:
    """Share of 4 pi that each look's point source sees (looks,); NaN for an extended one."""
    scenes = [look.scene for look in looks_of(source, instrument)]
    return np.array(
        [
            np.nan if scene.extended is not None else seen_share(instrument, scene.reference_mm)
            for scene in scenes
        ]
    )


def _padded(
    lines: list[tuple[FloatArray, FloatArray]], n_continua: int
) -> tuple[FloatArray, FloatArray]:
    """Line energies, padded with NaN, and peak counts, padded with 0, by column: (N, n) each."""
    most = max(energies.size for energies, _ in lines)
    n_columns = sum(len(rows) for _, rows in lines) + n_continua
    kev, peaks = np.full((n_columns, most), np.nan), np.zeros((n_columns, most))
    first = 0
    for energies, rows in lines:
        stop = first + len(rows)
        kev[first:stop, : energies.size], peaks[first:stop, : energies.size] = energies, rows
        first = stop
    return kev, peaks


def _axis(instrument: Detector, grid: Grid) -> FloatArray:
    """Grid step and priors of axis and width, in the order of `Axis`."""
    germanium = instrument.crystal == "germanium"
    low, high = (p / instrument.resolution.fwhm_662_percent
                 for p in instrument.resolution.range_662_percent)  # fmt: skip
    of_units = np.interp([low, 1.0, high], grid.widths, np.arange(len(grid.widths)))
    steadiness = STEADY if germanium else 1.0
    return np.array(
        Axis(
            grid_step=grid.step,
            nominal_width=of_units[1],
            width_sigma=0.5 * (of_units[2] - of_units[0]),
            tilt_sigma=TILT_SIGMA / (grid.widths[1] - grid.widths[0]),
            gain_sigma=steadiness * GAIN_SIGMA,
            offset_sigma_kev=steadiness * OFFSET_SIGMA_KEV,
        )
    )


def _continua(grid: Grid) -> FloatArray:
    edges = grid.deposit_edges_kev
    return np.array([-np.diff(np.exp(-edges / slope)) for slope in CONTINUUM_SLOPES_KEV])


def _room(
    instrument: Detector, grid: Grid, foldings: list[sparse.csr_array], floor: int
) -> RoomColumns:
    """Columns of the natural background with their priors."""
    rooms = room_components(instrument, grid.bins)
    local = [
        row
        for name in LOCAL_CPS_PER_CM3
        for row in deposited_in_scenes(*lines_of(source(name)), LOCAL_SCENES, instrument, grid.bins)
    ]
    local_cps = np.repeat(list(LOCAL_CPS_PER_CM3.values()), len(LOCAL_SCENES))
    volume_cm3 = instrument.volume_mm3 / 1000.0
    rates = np.array([r.rate for r in rooms])
    counted = rates[:, 2 * floor :].sum(axis=1)
    return RoomColumns(
        columns=_cumulative(np.concatenate([rates, local]), foldings, floor),
        logarithmic=np.array([True] * len(rooms) + [False] * len(local)),
        centre=np.concatenate([np.log(np.maximum(counted, 1e-12)), np.zeros(len(local))]),
        sigma=np.concatenate([[r.sigma for r in rooms], volume_cm3 * local_cps]),
    )


def _fluorescence(
    instrument: Detector, grid: Grid, foldings: list[sparse.csr_array], floor: int
) -> FloatArray:
    """K X-rays of each fluorescent element on a bench, normalised (X, L, G + 1)."""
    seen = []
    for element in FLUORESCENT:
        energies, shares = k_lines(element)
        seen.append(deposited_in_scenes(energies, shares, (BENCH,), instrument, grid.bins)[0])
    return _cumulative(np.array(seen), foldings, floor)

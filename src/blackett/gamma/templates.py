"""The library of templates: what each reportable source looks like to one detector.

A column is the cumulative distribution of counts over true energy, after the detector's
resolution, of one source in one scene, normalised to one count. It lives on a grid uniform in the
square root of the energy, where a scintillator's resolution is nearly constant, and is tabulated
for a few widths.
Non-negative mixtures of a source's scenes stand for all shields and surroundings between them.

`library` builds the columns from the response matrices and scene kernels (some seconds) and keeps
them in the user's cache folder, under a name that holds the hash of everything they are made from.
"""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
from blackett.gamma.response import response_name
from blackett.gamma.room import room_components
from blackett.gamma.scene import Scene
from blackett.gamma.sources import Source, observable_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector

__all__ = [
    "CONTINUUM",
    "Library",
    "RoomColumns",
    "library",
]

logger = logging.getLogger(__name__)

CONTINUUM = "(continuum)"
"""Name of the columns that stand for a continuum of unknown origin, such as bremsstrahlung."""
REFERENCE_MM = 50.0
LOG_PRIOR = {"common": 0.0, "occasional": -2.5, "rare": -5.0}
"""Prior odds by how often owners of pocket spectrometers meet a source, natural logarithm."""


@dataclass(frozen=True)
class Look:
    """One way in which a source shows itself: a scene, and what crystal or container make of it.

    `peaks` scales the full-energy peaks: crystals of real devices have smaller ones than a perfect
    cube. `with_sums` adds pairs of photons of one decay seen together. `stopper` is the material in
    which betas stop and make bremsstrahlung; empty for none. `excited` is an element whose K X-rays
    betas and photons excite, `EXCITED_PER_DECAY`; empty for none.
    """

    scene: Scene
    peaks: float = 1.0
    with_sums: bool = False
    stopper: str = ""
    excited: str = ""


BENCH = Scene(REFERENCE_MM, surroundings="bench")
DESK = Scene(REFERENCE_MM, surroundings="desk")
BEHIND_IRON = Scene(REFERENCE_MM, shield=(("iron", 12.0),), surroundings="desk")
LOCAL_SCENES = (BENCH, BEHIND_IRON)
CLOSE = Scene(15.0, surroundings="bench")
POINT_LOOKS = (
    Look(BENCH),
    Look(DESK),
    Look(Scene(REFERENCE_MM, shield=(("aluminium", 2.0),), surroundings="bench")),
    Look(Scene(REFERENCE_MM, shield=(("iron", 2.0),), surroundings="desk")),
    Look(Scene(REFERENCE_MM, shield=(("water", 40.0),), surroundings="room")),
    Look(BEHIND_IRON),
    Look(Scene(REFERENCE_MM, shield=(("lead", 6.0),), surroundings="desk")),
    Look(BENCH, peaks=0.6),
    Look(DESK, peaks=0.6),
    Look(Scene(REFERENCE_MM, shield=(("water", 40.0),), surroundings="room"), peaks=0.5),
    Look(Scene(REFERENCE_MM, shield=(("lead", 6.0),), surroundings="desk"), peaks=0.5),
    Look(Scene(REFERENCE_MM, shield=(("lead", 15.0),), surroundings="desk"), peaks=0.7),
)
FAINTEST_BREMSSTRAHLUNG = 0.01
"""Sources with less bremsstrahlung in iron than this for each photon of their lines show none."""
EXTENDED_SCENES = {
    "K-40": ("jar", "rock", "marinelli"),
    "Lu-176": ("jar",),
    "Ra-226": ("rock", "mineral", "ore"),
    "Th-232": ("rock", "mineral", "rod"),
    "U-238": ("ore", "glass", "glaze"),
    "U-235": ("ore", "glass", "glaze"),
    "Rn-222": ("radon air", "radon plate-out"),
    "Cs-137": ("soil bag", "marinelli"),
    "Cs-134": ("marinelli",),
    "I-131": ("marinelli",),
}
LOCAL_CPS_PER_CM3 = {"K-40": 0.02, "Ra-226": 0.06, "Th-232": 0.06}
"""Natural activity nearer than the walls, with its peaks unscattered: half-normal prior of its rate
for each cm3 of crystal, of the order of the spread between rooms; bare, and somewhat shielded."""
GAIN_SIGMA, OFFSET_SIGMA_KEV = 0.015, 4.0
"""Priors of the errors of a stored axis: up to 4 % and 12 keV are seen on pocket spectrometers."""
STEADY = 0.1
"""A germanium detector's axis is better by this."""
TILT_SIGMA = 0.06
"""Prior of the relative change of a unit's width against the model's law, per e-fold of energy."""
FLUORESCENT = ("Pb", "U")
STOPPER_OF = {
    "ore": "uraninite", "glass": "uranium glass", "glaze": "uranium glass", "rock": "granite",
    "mineral": "granite", "rod": "thoriated tungsten", "jar": "kcl", "marinelli": "water",
    "soil bag": "soil", "radon air": "air", "radon plate-out": "polyethylene",
}  # fmt: skip
"""Where the betas of an extended source stop."""
REACH_SHARE = 0.2
EXCITED_PER_DECAY = 1.5
CONTINUUM_SLOPES_KEV = (15.0, 40.0, 100.0, 250.0)


@dataclass(frozen=True)
class RoomColumns:
    """Columns that belong to a background that was not measured, with priors of their rates.

    `columns` (K, L, G + 1); `logarithmic` (K,): log-normal prior with `centre` = log(counts/s) and
    `sigma`, else half-normal with `sigma` in counts/s (`centre` 0).
    """

    columns: FloatArray
    logarithmic: np.ndarray
    centre: FloatArray
    sigma: FloatArray


@dataclass(frozen=True)
class Library:
    """All columns of one detector.

    `by_energy` (L, G + 1, N) float32 are the columns, side by side; `source_of` names each column.
    `own_share` (N,) is the share of 4 pi seen by a column's point source, NaN for a column that
    keeps its own place. `line_kev` (N, n), padded with NaN, and `line_share` (N, n) are a column's
    lines and the share of its counts in each one's peak; `reach_kev` (N,) is the energy above which
    a fifth of its peak counts lie. `log_prior` (N,) is the logarithm of the source's prior odds
    relative to a common one. Width index 0 .. L - 1, with the nominal resolution at
    `nominal_width`, the unit-to-unit spread `width_sigma`, and `tilt_sigma` that of its change with
    ln E.
    """

    detector: Detector
    grid_step: float
    by_energy: FloatArray
    source_of: tuple[str, ...]
    own_share: FloatArray
    line_kev: FloatArray
    line_share: FloatArray
    counts_per_decay: FloatArray
    reach_kev: FloatArray
    log_prior: FloatArray
    widths: FloatArray
    nominal_width: float
    width_sigma: float
    tilt_sigma: float
    gain_sigma: float
    offset_sigma_kev: float
    room: RoomColumns
    fluorescence: FloatArray
    """Columns (X, L, G + 1) of K X-rays of `FLUORESCENT` elements, excited near any source."""
    sha256: str

    @cached_property
    def is_continuum(self) -> np.ndarray:
        """True (N,) for columns of unknown origin."""
        return np.array([name == CONTINUUM for name in self.source_of])

    def columns(self, chosen: Sequence[int]) -> FloatArray:
        """Some columns, (K, L, G + 1)."""
        chosen_columns = self.by_energy[:, :, list(chosen)].transpose(2, 0, 1)
        return np.ascontiguousarray(chosen_columns, dtype=np.float64)

    @cached_property
    def look_of(self) -> tuple[Look | None, ...]:
        """The look of each column, None for a continuum; worked out on first use."""
        looks: list[Look | None] = []
        for name in dict.fromkeys(self.source_of):
            none = [None] * len(CONTINUUM_SLOPES_KEV)
            looks += none if name == CONTINUUM else _looks(_source(name), self.detector)
        return tuple(looks)

    @cached_property
    def same_source(self) -> np.ndarray:
        """True (N, N) for columns of one source."""
        names = np.array(self.source_of)
        return np.asarray(names[:, None] == names[None, :])

    def fwhm_kev(self, energy_kev: float, width: float) -> float:
        """Full width at half maximum of a peak at a width index."""
        factor = np.interp(width, np.arange(self.widths.size), self.widths)
        return float(factor * self.detector.fwhm_kev(max(energy_kev, 5.0)))

    def log_prior_of(self, name: str) -> float:
        """Logarithm of the prior odds of a source relative to a common one."""
        return float(self.log_prior[self.source_of.index(name)])

    def columns_of(self, name: str) -> tuple[int, ...]:
        """Positions of a source's columns."""
        return tuple(i for i, source in enumerate(self.source_of) if source == name)

    def counts_per_decay_at(self, column: int, distance_mm: float) -> float:
        """Counts per decay with the source at a distance; an extended one keeps its own place."""
        counts = float(self.counts_per_decay[column])
        here = float(self.own_share[column])
        return counts if np.isnan(here) else counts * seen_share(self.detector, distance_mm) / here

    def peaks_of(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Line energies (n,) of a source and the share of counts (columns, n) in each peak."""
        rows = list(self.columns_of(name))
        lines = np.isfinite(self.line_kev[rows[0]])
        return self.line_kev[rows[0], lines], self.line_share[rows][:, lines]


@cache
def _source(name: str) -> Source:
    return next(s for s in observable_sources() if s.name == name)


# --- building ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """Grid of the columns, and twice finer bins for deposits; both uniform in sqrt(E)."""

    points: int
    widths: tuple[float, ...]

    @property
    def step(self) -> float:
        return float(np.sqrt(HIGHEST_KEV) / self.points)

    @property
    def edges_kev(self) -> FloatArray:
        return np.asarray((np.arange(self.points + 1) * self.step) ** 2)

    @property
    def bins(self) -> int:
        """Number of deposit bins."""
        return 2 * self.points

    @property
    def deposit_edges_kev(self) -> FloatArray:
        return deposit_edges_kev(self.bins)


def _grid(instrument: Detector) -> _Grid:
    if instrument.crystal == "germanium":
        return _Grid(8192, (0.8, 1.1, 1.6))
    low, high = instrument.resolution.range_662_percent
    nominal = instrument.resolution.fwhm_662_percent
    return _Grid(1024, tuple(np.linspace(0.85 * low / nominal, 1.25 * high / nominal, 6)))


def _folding(instrument: Detector, grid: _Grid, width: float) -> sparse.csr_array:
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


def _looks(source: Source, instrument: Detector) -> tuple[Look, ...]:
    """Every look of a source that the library holds."""
    germanium = instrument.crystal == "germanium"
    # tables of a germanium detector are large, and its peaks are those of its size
    looks = [look for look in POINT_LOOKS if look.peaks == 1.0 or not germanium]
    for name in EXTENDED_SCENES.get(source.name, ()):
        whole = Scene(None, surroundings="bench", extended=name)
        looks.append(Look(whole, stopper=STOPPER_OF[name]))
        if name == "rod":
            looks.append(Look(whole, stopper=STOPPER_OF[name], excited="W"))
    if len(source.coincidences()):
        looks.append(Look(CLOSE, with_sums=True))
    if (
        bremsstrahlung_of(source, "iron")[1].sum()
        > FAINTEST_BREMSSTRAHLUNG * lines_of(source)[1].sum()
    ):
        looks.append(Look(BENCH, stopper="iron"))
        if not germanium:
            looks.append(Look(DESK, peaks=0.6, stopper="iron"))
    return tuple(looks)


def _deposits(source: Source, instrument: Detector, grid: _Grid) -> FloatArray:
    """Counts per decay by deposited energy, (looks, bins)."""
    energies, photons = lines_of(source)
    looks = _looks(source, instrument)
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
            for look in _looks(source, instrument)
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


def _build(name: str) -> _Kept:
    instrument = detector(name)
    grid = _grid(instrument)
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
    return _Kept(
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
        **{f"room_{k}": v for k, v in vars(_room(instrument, grid, foldings, floor)).items()},
    )


def _own_share(source: Source, instrument: Detector) -> FloatArray:
    """Share of 4 pi that each look's point source sees (looks,); NaN for an extended one."""
    scenes = [look.scene for look in _looks(source, instrument)]
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


def _width_sigma(instrument: Detector, grid: _Grid) -> float:
    """Prior sigma of the width index: half of the span of units seen."""
    low, high = (p / instrument.resolution.fwhm_662_percent
                 for p in instrument.resolution.range_662_percent)  # fmt: skip
    index = np.interp([low, high], grid.widths, np.arange(len(grid.widths)))
    return float(0.5 * (index[1] - index[0]))


def _continua(grid: _Grid) -> FloatArray:
    edges = grid.deposit_edges_kev
    return np.array([-np.diff(np.exp(-edges / slope)) for slope in CONTINUUM_SLOPES_KEV])


def _room(
    instrument: Detector, grid: _Grid, foldings: list[sparse.csr_array], floor: int
) -> RoomColumns:
    """Columns of the natural background with their priors."""
    rooms = room_components(instrument, grid.bins)
    local = [
        row
        for name in LOCAL_CPS_PER_CM3
        for row in deposited_in_scenes(
            *lines_of(_source(name)), LOCAL_SCENES, instrument, grid.bins
        )
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
    instrument: Detector, grid: _Grid, foldings: list[sparse.csr_array], floor: int
) -> FloatArray:
    """K X-rays of each fluorescent element on a bench, normalised (X, L, G + 1)."""
    seen = []
    for element in FLUORESCENT:
        energies, shares = k_lines(element)
        seen.append(deposited_in_scenes(energies, shares, (BENCH,), instrument, grid.bins)[0])
    return _cumulative(np.array(seen), foldings, floor)


# --- keeping -------------------------------------------------------------------------

MADE_FROM = (
    "data/cross_sections.csv", "data/elements.csv", "data/lines.csv", "data/decays.csv",
    "data/nuclides.csv", "data/sources.csv", "data/scenes.npz", "data/betas.csv",
    "data/coincidences.csv", "data/fluorescence.csv", "data/materials.csv",
    "background.py", "bremsstrahlung.py", "detector.py",
    "electrons.py", "photons.py", "phototables.py",
    "decay.py", "folding.py", "kernels.py", "layers.py", "matter.py", "nuclides.py", "response.py",
    "room.py", "scene.py", "sources.py", "templates.py",
)  # fmt: skip
"""What templates depend on, beside the detector's response table."""


class _Kept(NamedTuple):
    """The arrays of a library as they lie in the cache."""

    by_energy: np.ndarray  # (L, G + 1, N) float32
    source_of: np.ndarray  # (N,) names
    counts_per_decay: FloatArray
    own_share: FloatArray
    line_kev: FloatArray
    line_share: FloatArray
    reach_kev: FloatArray
    log_prior: FloatArray
    fluorescence: FloatArray  # (X, L, G + 1)
    room_columns: FloatArray
    room_logarithmic: np.ndarray
    room_centre: FloatArray
    room_sigma: FloatArray


def _content_hash(instrument: Detector) -> str:
    """SHA-256 of the tables and the code that templates are made from."""
    digest = hashlib.sha256()
    package = resources.files("blackett.gamma")
    for name in (*MADE_FROM, f"data/{response_name(instrument)}.npz"):
        digest.update((package / name).read_bytes())
    return digest.hexdigest()


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "blackett"


@cache
def library(name: str) -> Library:
    """The templates of a detector (by name), from the user's cache folder or built anew."""
    instrument = detector(name)
    sha256 = _content_hash(instrument)
    path = _cache_folder() / f"templates-{name}-{sha256[:16]}.npz"
    kept = _loaded(path)
    if kept is None:
        kept = _build(name)
        _keep(kept, path)
    return _assembled(instrument, sha256, kept)


def _keep(kept: _Kept, path: Path) -> None:
    """Write aside and rename; a cache that cannot be written is only slower next time."""
    aside = path.with_name(f"{path.stem}-{os.getpid()}.part.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(aside, **kept._asdict())
        aside.replace(path)
    except OSError as error:
        logger.warning("templates are not kept: %s", error)
        if aside.exists():
            aside.unlink()


def _loaded(path: Path) -> _Kept | None:
    """Kept arrays; None if there are none, or damaged ones."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return _Kept(**{name: file[name] for name in _Kept._fields})
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None


def _assembled(instrument: Detector, sha256: str, kept: _Kept) -> Library:
    grid = _grid(instrument)
    germanium = instrument.crystal == "germanium"
    names = tuple(str(name) for name in kept.source_of)
    return Library(
        detector=instrument,
        grid_step=grid.step,
        by_energy=np.ascontiguousarray(kept.by_energy),
        source_of=names,
        own_share=kept.own_share,
        line_kev=kept.line_kev,
        line_share=kept.line_share,
        counts_per_decay=kept.counts_per_decay,
        reach_kev=kept.reach_kev,
        log_prior=kept.log_prior,
        widths=np.array(grid.widths),
        nominal_width=float(np.interp(1.0, grid.widths, np.arange(len(grid.widths)))),
        width_sigma=_width_sigma(instrument, grid),
        tilt_sigma=TILT_SIGMA / (grid.widths[1] - grid.widths[0]),
        gain_sigma=(STEADY if germanium else 1.0) * GAIN_SIGMA,
        offset_sigma_kev=(STEADY if germanium else 1.0) * OFFSET_SIGMA_KEV,
        room=RoomColumns(
            kept.room_columns, kept.room_logarithmic, kept.room_centre, kept.room_sigma
        ),
        fluorescence=kept.fluorescence.astype(np.float64),
        sha256=sha256,
    )

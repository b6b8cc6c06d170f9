"""The templates of one detector as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blackett.gamma.sources import source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector
    from blackett.gamma.templates.looks import Look

__all__ = ["CONTINUUM", "GAIN_SIGMA", "OFFSET_SIGMA_KEV", "Axis", "Kept", "Library", "RoomColumns"]

CONTINUUM = "(continuum)"
"""Name of the columns that stand for a continuum of unknown origin, such as bremsstrahlung."""
GAIN_SIGMA, OFFSET_SIGMA_KEV = 0.015, 4.0
"""Priors of the errors of a stored axis: up to 4 % and 12 keV are seen on pocket spectrometers."""


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
        from blackett.gamma.templates.looks import looks_of

        looks: list[Look | None] = []
        for name in dict.fromkeys(self.source_of):
            none = [None] * len(self.columns_of(CONTINUUM))
            looks += none if name == CONTINUUM else looks_of(source(name), self.detector)
        return tuple(looks)

    @cached_property
    def same_source(self) -> np.ndarray:
        """True (N, N) for columns of one source."""
        names = np.array(self.source_of)
        return np.asarray(names[:, None] == names[None, :])

    def fwhm_kev(self, energy_kev: ArrayLike, width: ArrayLike) -> FloatArray:
        """Full widths at half maximum of peaks at energies and width indices, same shape."""
        factor = np.interp(np.asarray(width), np.arange(self.widths.size), self.widths)
        return np.asarray(factor * self.detector.fwhm_kev(np.maximum(energy_kev, 5.0)))

    def log_prior_of(self, name: str) -> float:
        """Logarithm of the prior odds of a source relative to a common one."""
        return float(self.log_prior[self.source_of.index(name)])

    def columns_of(self, name: str) -> tuple[int, ...]:
        """Positions of a source's columns."""
        return tuple(i for i, source in enumerate(self.source_of) if source == name)

    def counts_per_decay_at(self, column: int, distance_mm: float) -> float:
        """Counts per decay with the source at a distance; an extended one keeps its own place."""
        from blackett.gamma.folding import seen_share

        counts = float(self.counts_per_decay[column])
        here = float(self.own_share[column])
        return counts if np.isnan(here) else counts * seen_share(self.detector, distance_mm) / here

    def peaks_of(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Line energies (n,) of a source and the share of counts (columns, n) in each peak."""
        rows = list(self.columns_of(name))
        lines = np.isfinite(self.line_kev[rows[0]])
        return self.line_kev[rows[0], lines], self.line_share[rows][:, lines]


class Axis(NamedTuple):
    """Scales of a library's columns; see the fields of the same name in `Library`."""

    grid_step: float
    nominal_width: float
    width_sigma: float
    tilt_sigma: float
    gain_sigma: float
    offset_sigma_kev: float


class Kept(NamedTuple):
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
    axis: FloatArray  # (6,) as in `Axis`
    widths: FloatArray  # (L,)
    room_columns: FloatArray
    room_logarithmic: np.ndarray
    room_centre: FloatArray
    room_sigma: FloatArray

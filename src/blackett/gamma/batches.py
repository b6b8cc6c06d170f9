"""Simulated spectra by the batch: what a network trains on, with the truth beside it.

The spectra of a batch are those of one detector. Taking one out gives a `Spectrum` like any
measured one, with its background embedded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.detector import detector
from blackett.gamma.devices import MOST_CHANNELS
from blackett.gamma.spectrum import Spectrum

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ARRAYS", "SpectrumBatch"]

ARRAYS = {
    "counts": np.int32, "channels": np.int16, "coefficients_kev": np.float64,
    "live_time_s": np.float64, "real_time_s": np.float64,
    "background": np.int32, "background_live_time_s": np.float64,
    "activity_bq": np.float32, "expected_net": np.float32, "present": np.bool_,
    "scenario": np.int16, "distance_mm": np.float32,
}  # fmt: skip
"""The arrays of a batch and their types."""


@dataclass(frozen=True, eq=False)
class SpectrumBatch:
    """n simulated spectra of one detector and S sources; arrays read-only.

    Raises InputError if the arrays do not fit together.
    """

    counts: np.ndarray
    """(n, 1024) int32 raw counts; a spectrum of 256 channels fills the first 256. The last channel
    of each holds everything above its axis."""
    channels: np.ndarray
    """(n,) int16."""
    coefficients_kev: np.ndarray
    """(n, 3) a0, a1, a2 as stored in the file, so with its errors."""
    live_time_s: np.ndarray
    """(n,)."""
    real_time_s: np.ndarray
    """(n,)."""
    background: np.ndarray
    """(n, 1024) int32: the same unit and room at another time; zeros where there is none."""
    background_live_time_s: np.ndarray
    """(n,); 0 where there is no background."""
    activity_bq: np.ndarray
    """(n, S) float32 activity of each source above the natural background of the room."""
    expected_net: np.ndarray
    """(n, S) float32 expected counts of each source in the foreground."""
    present: np.ndarray
    """(n, S) bool: the source emits into this spectrum, with at least the recipe's net counts."""
    scenario: np.ndarray
    """(n,) int16 number of the recipe's scenario."""
    distance_mm: np.ndarray
    """(n,) float32 distance of point sources from the middle of the crystal."""
    detector: str
    """Name of the model."""
    sources: tuple[str, ...]
    """Names (S,) of the columns: the observable sources in the order of the registry."""
    registry_sha256: str
    """`sources.registry_hash()` of the sources that were simulated."""

    def __post_init__(self) -> None:
        for name, kind in ARRAYS.items():
            array: np.ndarray = np.asarray(getattr(self, name), dtype=kind)
            if array.flags.writeable:
                array = array.view()
                array.setflags(write=False)
            object.__setattr__(self, name, array)
        self._check()

    def _check(self) -> None:
        n, many = len(self.channels), len(self.sources)
        wide = {"counts": MOST_CHANNELS, "background": MOST_CHANNELS, "coefficients_kev": 3}
        wide |= dict.fromkeys(("activity_bq", "expected_net", "present"), many)
        for name in ARRAYS:
            shape = (n, wide[name]) if name in wide else (n,)
            if getattr(self, name).shape != shape:
                raise InputError(f"{name}: shape {getattr(self, name).shape}, must be {shape}")

    def __len__(self) -> int:
        return len(self.channels)

    def __iter__(self) -> Iterator[Spectrum]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Spectrum:
        """One spectrum with its background, like a measured one; no truth is in it."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"spectrum {index} of {len(self)}")
        back = float(self.background_live_time_s[index])
        live, real = float(self.live_time_s[index]), float(self.real_time_s[index])
        background = None
        if back > 0.0:
            background = self._spectrum(index, self.background, back, None, "background")
        return self._spectrum(index, self.counts, live, real, "spectrum").with_background(
            background
        )

    def _spectrum(
        self, index: int, counts: np.ndarray, live_s: float, real_s: float | None, name: str
    ) -> Spectrum:
        channels = int(self.channels[index])
        return Spectrum(
            counts=frozen(counts[index, :channels], np.int64),
            calibration=EnergyCalibration(tuple(map(float, self.coefficients_kev[index]))),
            live_time_s=live_s,
            real_time_s=real_s,
            device=detector(self.detector).title,
            name=f"simulated {name}",
            comment="simulated by blackett",
            overflow_channel=channels - 1,
            live_time_rule="simulated",
        )

    def where(self, rows: np.ndarray) -> SpectrumBatch:
        """Some of the spectra: a mask (n,), or their numbers."""
        others = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ARRAYS}
        return SpectrumBatch(**{name: getattr(self, name)[rows] for name in ARRAYS}, **others)

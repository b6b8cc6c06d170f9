"""Knobs of the digitisation.

Where nothing is public the docstring says "assumed"; where the value was picked among several so
that events look as the published ones do, it says "chosen": an input, which confirms nothing
(docs/alphag-digitisation.md, "What was chosen"). Vary both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from blackett.alphag.drift import DriftSettings
from blackett.errors import InputError

__all__ = ["Barrel", "DigitiseSettings", "Gas", "Pads", "Points", "Trigger", "Wires"]


def _check(record: Any, name: str) -> None:
    for f in fields(record):
        value = getattr(record, f.name)
        if isinstance(value, int | float) and not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name}.{f.name} = {value}: give a finite number >= 0")
        if f.name.endswith(("_fraction", "_efficiency")) and value > 1:
            raise InputError(f"{name}.{f.name} = {value}: give a share from 0 to 1")


def _check_window(window: tuple[int, int], name: str) -> None:
    if not (window[0] >= 0 and window[1] >= 1 and sum(window) <= 64):
        raise InputError(
            f"{name}.window = {window}: give an offset >= 0 and a length >= 1, at most 64 together"
        )


@dataclass(frozen=True)
class Gas:
    """Ionisation and avalanche in Ar/CO2 70/30 at 725 Torr, 293 K."""

    clusters_per_cm: float = 28.0
    """At minimum ionisation; scaled with the restricted Bethe loss of the particle."""
    polya_shape: float = 0.5
    """Gain of one electron: Polya (gamma) with this theta; 0 is exponential. Not public:
    assumed."""
    attachment_per_us: float = 0.0
    """Rate of loss of drifting electrons. Not public: assumed none."""

    def __post_init__(self) -> None:
        _check(self, "gas")


@dataclass(frozen=True)
class Wires:
    """Anode wires: 256, 16 ns bins, avalanche size 1 is 80.5 counts at the peak."""

    size_per_electron: float = 8.0
    """Mean avalanche size of one electron. Not public: chosen among 8, 10, 12 and 20, for few
    saturated pads and few ghosts."""
    gain_spread: float = 0.024
    """Relative spread of wire gains (calibration of 2024: 0.024)."""
    dead_fraction: float = 0.004
    """Share of wires without signal (calibration of 2024: 1 of 256)."""
    noise_counts: float = 60.0
    """Rms of one sample. Not public: assumed."""
    threshold_counts: float = 1000.0
    """A waveform is kept if its largest sample passes (experiment's chain)."""
    threshold_size: float = 10.0
    """A hit is kept if its avalanche size passes (experiment's chain)."""
    cross_talk: tuple[float, float, float, float] = (0.1275, 0.0365, 0.012, 0.0042)
    """Share of a signal, sign inverted, on neighbours 1 to 4 (public calibration)."""
    cross_talk_scale: float = 1.0
    """Multiplies the cross-talk of signals, not what the deconvolution takes off."""
    full_scale_counts: float = 32764.0
    window: tuple[int, int] = (0, 6)
    """Bins (offset, length) of the response whose smallest ratio to the signal is a size; the
    experiment's chain tries offsets 0-1 and lengths 3-12 and keeps the best."""

    def __post_init__(self) -> None:
        _check(self, "wires")
        _check_window(self.window, "wires")
        largest = 0.3 / max(self.cross_talk_scale, 1.0)
        if len(self.cross_talk) != 4 or not all(0 <= c < largest for c in self.cross_talk):
            raise InputError(
                f"wires.cross_talk = {self.cross_talk} times {self.cross_talk_scale}: give four "
                "shares below 0.3"
            )


@dataclass(frozen=True)
class Pads:
    """Pads of the readout cathode: 32 columns by 576 rows, 16 ns bins."""

    counts_per_size: float = 1.224
    """Peak counts that avalanche size 1 makes on the pad under it (public unit response)."""
    width_mm: float = 7.09
    """Sigma of the induced charge along z: 2 x (190.3 - 182) / 2.34 (public simulation)."""
    column_width_mm: float = 6.5
    """Sigma of the induced charge along the circumference: gives the public shares of the eight
    wires under a column (0.64, 0.86, 0.96, 1.00) to 0.01."""
    gain_spread: float = 0.08
    """Relative spread of pad gains (calibration of 2024: central 98 % within 0.916-1.310)."""
    dead_fraction: float = 0.033
    """Share of pads without gain (calibration of 2024)."""
    noise_counts: float = 1.5
    """Rms of one sample. Not public: chosen among 1.5, 2 and 4, for a width along z of 1-1.5
    mm."""
    threshold_counts: float = 200.0
    """A waveform is kept if its largest sample passes (experiment's chain)."""
    threshold_size: float = 10.0
    """A pad takes part in a peak if its deconvolved size passes (experiment's chain)."""
    least_pads: int = 3
    """Pads above threshold that a peak needs."""
    full_scale_counts: float = 2047.0
    window: tuple[int, int] = (8, 3)
    """As for wires. Chosen, outside what the experiment's chain tries (offsets 3-5, lengths 7-12):
    with those, independent noise makes neighbouring pads fire in different bins; near the peak of
    the response they agree."""

    def __post_init__(self) -> None:
        _check(self, "pads")
        _check_window(self.window, "pads")
        for name in ("width_mm", "column_width_mm", "counts_per_size"):
            if getattr(self, name) == 0:
                raise InputError(f"pads.{name} = 0: give a number above 0")


@dataclass(frozen=True)
class Points:
    """From hits to space points."""

    truncated_lorentz: bool = False
    """Reconstruct with azimuths below 30 mrad set to 0, as the experiment's table has them."""
    merge_adjacent: bool = True
    """Merge points of neighbouring wires at the same time and pad peak into one on the stronger
    wire."""
    pair_all: bool = False
    """False: wire hits and pad peaks of a column and bin one to one, by falling amplitude (public
    Rust chain); chosen because 99 % of events then have at most 2048 points, as published.
    True: every wire hit with every peak (agana), with twice the ghosts."""
    time_spread_ns: float = 8.0
    """Error of a point's time beyond the bin's width, for `sigma_r_mm`; 0 is the experiment's
    error."""
    diffusion_share: float = 1.0
    """Share of one electron's diffusion in the errors along r-phi and r; 0 is the experiment's."""
    z_floor_mm: float = 0.5
    """Error along z beyond the pads' noise, for `sigma_z_mm`."""
    noise_points: float = 0.5
    """Mean number of random points an event. Not public: assumed."""

    def __post_init__(self) -> None:
        _check(self, "points")


@dataclass(frozen=True)
class Barrel:
    """Scintillator bars, read at both ends."""

    light_speed_mm_ns: float = 120.9
    """Effective (public fit to data)."""
    time_resolution_ns: float = 0.25
    """At each end. Not public: assumed (gives 21 mm along z)."""
    counts_per_mev: float = 3000.0
    """At the end where the light is made. Not public: assumed."""
    attenuation_mm: float = 2500.0
    """Not public: assumed."""
    threshold_counts: float = 1400.0
    """Both ends must pass (experiment's chain: 1400, or 1000)."""
    energy_resolution: float = 0.15
    """Relative, at each end. Not public: assumed."""

    def __post_init__(self) -> None:
        _check(self, "barrel")
        if self.light_speed_mm_ns == 0 or self.attenuation_mm == 0:
            raise InputError("barrel: light_speed_mm_ns and attenuation_mm must be above 0")


@dataclass(frozen=True)
class Trigger:
    """Pattern of 16 groups of 16 neighbouring wires with a hit inside the prompt window."""

    prompt_window_ns: float = 512.0
    """After the first hit (experiment)."""

    def __post_init__(self) -> None:
        _check(self, "trigger")


@dataclass(frozen=True)
class DigitiseSettings:
    """All knobs from freed electrons to space points."""

    mode: str = "fast"
    """"fast": ionisation to hits directly; "full": waveforms and their deconvolution."""
    calibration_seed: int = 11186
    """Seed of gains and dead channels, which belong to the apparatus, not to the event."""
    drift: DriftSettings = field(default_factory=DriftSettings)
    gas: Gas = field(default_factory=Gas)
    wires: Wires = field(default_factory=Wires)
    pads: Pads = field(default_factory=Pads)
    points: Points = field(default_factory=Points)
    barrel: Barrel = field(default_factory=Barrel)
    trigger: Trigger = field(default_factory=Trigger)

    def __post_init__(self) -> None:
        if self.mode not in ("fast", "full"):
            raise InputError(f"mode {self.mode!r}: give 'fast' or 'full'")

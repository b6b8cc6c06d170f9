"""Digitisation: from steps in the gas and hits on the barrel to events as the experiment sees them.

    settings = DigitiseSettings(mode="full")
    digitised = digitise(transported, rng, settings)

Electrons freed along the tracks drift with diffusion and Lorentz angle to the wires, are
multiplied, and induce charge on the pads. Full mode makes waveforms of all channels and takes them
apart as the experiment's chain does; fast mode goes from avalanches to hits directly. Both then
match wires with pads (docs/alphag-digitisation.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackett.alphag.digitise.bars import bar_hits, trigger_clusters
from blackett.alphag.digitise.chamber import build_chamber
from blackett.alphag.digitise.electrons import Steps
from blackett.alphag.digitise.loop import run
from blackett.alphag.digitise.records import POINT_COLUMNS, Digitised
from blackett.alphag.digitise.settings import (
    Barrel,
    DigitiseSettings,
    Gas,
    Pads,
    Points,
    Trigger,
    Wires,
)
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.alphag.transport.records import GasSegments, Transported
    from blackett.arrays import IntArray

__all__ = [
    "Barrel",
    "DigitiseSettings",
    "Digitised",
    "Gas",
    "Pads",
    "Points",
    "Trigger",
    "Wires",
    "digitise",
    "digitise_gas",
    "trigger_clusters",
]


def digitise(
    transported: Transported,
    rng: np.random.Generator,
    settings: DigitiseSettings | None = None,
    *,
    delta_cut_mev: float = 0.010,
) -> Digitised:
    """What the detector sees of transported particles.

    `track` of the points is a row of `transported.tracks`. `delta_cut_mev` is that of the
    transport.
    """
    chosen = settings or DigitiseSettings()
    offset, points, pattern = digitise_gas(
        transported.gas, transported.n_events, rng, chosen, delta_cut_mev=delta_cut_mev
    )
    bar_offset, bars = bar_hits(transported.barrel, transported.n_events, chosen.barrel, rng)
    return Digitised(offset, points, bar_offset, bars, pattern)


def digitise_gas(
    gas: GasSegments,
    n_events: int,
    rng: np.random.Generator,
    settings: DigitiseSettings,
    *,
    delta_cut_mev: float = 0.010,
) -> tuple[IntArray, dict[str, np.ndarray], IntArray]:
    """Offsets (n_events + 1), points and wire patterns (n_events,) of steps in the gas.

    Raises `InputError` for an event of more than a million electrons or 50,000 points.
    """
    chamber = build_chamber(settings, delta_cut_mev)
    steps = Steps(
        np.ascontiguousarray(gas.start_mm),
        np.ascontiguousarray(gas.end_mm),
        np.asarray(gas.time_ns),
        np.asarray(gas.loss_mev),
        np.asarray(gas.track),
    )
    first = np.searchsorted(gas.event, np.arange(n_events + 1))
    full = settings.mode == "full"
    table, counts, pattern, overflow = run(chamber, steps, first, rng, full=full)
    if overflow >= 0:
        raise InputError(
            f"event {overflow} is too large: more than a million electrons, 200,000 pad peaks, "
            "4096 pairs of wire and pad in one bin or 50,000 points; lower its tracks' path in the "
            "gas (transport setting max_path_mm), the gain or the noise points"
        )
    offset = np.concatenate([[0], np.cumsum(counts)])
    return offset, dict(zip(POINT_COLUMNS, table, strict=True)), pattern

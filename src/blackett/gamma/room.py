"""Natural background as one detector counts it: components with priors, and rooms drawn at random.

`background` gives fluence rates, `folding` makes counts of them. `room_components` are what a fit
uses when no background was measured, each with a wide prior of its rate; `draw_room` draws a whole
place for the simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.gamma.background import (
    PLACES,
    PRIORS,
    Concentrations,
    FluenceRate,
    inside_lead,
    muon_deposits,
    natural_background,
    sample_concentrations,
)
from blackett.gamma.folding import counted, deposit_edges_kev, k_lines
from blackett.gamma.kernels import BINS, ELECTRON_KEV
from blackett.gamma.matter import material

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector

__all__ = ["RoomComponent", "draw_room", "room_components"]

CONCENTRATION_OF = {
    "K-40": "k40_bq_kg", "U-238": "u238_bq_kg", "Th-232": "th232_bq_kg",
    "Rn-222": "radon_bq_m3", "cosmic": "cosmic",
}  # fmt: skip
"""Field of `Concentrations` for each component of the background."""
ONE_OF_EACH = Concentrations(**dict.fromkeys(CONCENTRATION_OF.values(), 1.0))
LEAD_MM = (10.0, 40.0)
"""Thicknesses of the lead castles that stand for all in a fit."""
LOWEST_COUNTED_KEV = 20.0
PLACE_SIGMA = 0.5
"""Extra spread of a component's rate from geometry, of its logarithm."""
LEAD_SHARE, LEAD_SIGMA = 0.1, 2.0
"""A lead castle passes this much of the typical room, give or take: prior of a fit."""
SOFT_SLOPES_KEV = (12.0, 30.0, 120.0, 400.0)
SOFT_CPS_PER_CM2, SOFT_SIGMA = 0.15, 1.5
"""Soft continua from matter that no component describes; median rate for each cm2 of face."""
LINE_CPS_PER_CM2, LINE_SIGMA = 0.005, 2.0
"""Annihilation quanta and X-rays of shields: median rate for each cm2 of face, a wide prior."""
IN_LEAD = 0.05
"""Share of simulated backgrounds taken inside a lead castle."""


@dataclass(frozen=True)
class RoomComponent:
    """Counts per second by deposited energy (bins,) at the prior's median, and the prior.

    `sigma` is of the logarithm of the rate.
    """

    name: str
    rate: FloatArray
    sigma: float

    @property
    def centre(self) -> float:
        """Logarithm of the median counts per second above 20 keV."""
        return math.log(max(float(self.rate.sum()), 1e-12))


def _muons(instrument: Detector, bins: int) -> FloatArray:
    side = float(np.cbrt(instrument.volume_mm3))
    # minimum ionisation of heavy crystals: 1.243 MeV cm2/g in CsI, within 5 % in GAGG, NaI and Ge
    kev_per_mm = 124.3 * material(instrument.crystal).density_g_cm3
    return muon_deposits(side, kev_per_mm, deposit_edges_kev(bins))[0]


def _rates(
    seen: Mapping[str, FluenceRate], cosmic: float, instrument: Detector, bins: int
) -> dict[str, FloatArray]:
    rates = {name: counted(rate, instrument, bins) for name, rate in seen.items()}
    rates["cosmic"] = rates["cosmic"] + cosmic * _muons(instrument, bins)
    return rates


def room_components(instrument: Detector, bins: int) -> tuple[RoomComponent, ...]:
    """Components of an unmeasured background: rooms, open ground, lead castles, soft continua."""
    typical = Concentrations(**{name: median for name, (median, _) in PRIORS.items()})
    sigma = {n: math.hypot(PRIORS[field][1], PLACE_SIGMA) for n, field in CONCENTRATION_OF.items()}
    made = []
    walls = _rates(natural_background(typical), typical.cosmic, instrument, bins)
    made += [RoomComponent(name, rate, sigma[name]) for name, rate in walls.items()]
    ground = natural_background(typical, "soil medium")
    deep = _rates(ground, 0.0, instrument, bins)
    made += [
        RoomComponent(f"{name}, deep", 0.3 * deep[name], sigma[name] + PLACE_SIGMA)
        for name in ("K-40", "U-238", "Th-232")
    ]
    for thickness in LEAD_MM:
        castle = inside_lead(natural_background(typical), thickness)
        inside = _rates(castle, typical.cosmic, instrument, bins)
        made += [
            RoomComponent(f"{name}, in {thickness:g} mm lead", LEAD_SHARE * rate, LEAD_SIGMA)
            for name, rate in inside.items()
            if name != "Rn-222"
        ]
    face_cm2 = instrument.face_mm2 / 100.0
    for name, energies, shares in (
        ("annihilation", np.array([ELECTRON_KEV]), np.array([1.0])),
        ("lead X-rays", *k_lines("Pb")),
    ):
        one = FluenceRate(energies, shares, np.zeros(BINS))
        rate = counted(one, instrument, bins)
        rate *= LINE_CPS_PER_CM2 * face_cm2 / rate.sum()
        made.append(RoomComponent(name, rate, LINE_SIGMA))
    for slope in SOFT_SLOPES_KEV:
        shape = -np.diff(np.exp(-np.maximum(deposit_edges_kev(bins), LOWEST_COUNTED_KEV) / slope))
        rate = SOFT_CPS_PER_CM2 * face_cm2 * shape / shape.sum()
        made.append(RoomComponent(f"soft {slope:g} keV", frozen(rate), SOFT_SIGMA))
    return tuple(made)


@cache
def _unit_rates(instrument: Detector, bins: int, place: str) -> Mapping[str, FloatArray]:
    """Counts per second by deposited energy for one unit of each concentration in a place."""
    return _rates(natural_background(ONE_OF_EACH, place), 1.0, instrument, bins)


def _in_place(instrument: Detector, bins: int, place: str, of: Concentrations) -> FloatArray:
    """Counts per second by deposited energy (bins,) in the open at these concentrations."""
    units = _unit_rates(instrument, bins, place)
    return np.asarray(
        sum(getattr(of, CONCENTRATION_OF[name]) * rate for name, rate in units.items())
    )


def draw_room(instrument: Detector, bins: int, rng: Generator) -> FloatArray:
    """Counts per second by deposited energy (bins,) of a place drawn from the priors."""
    of = sample_concentrations(rng)
    shares = rng.dirichlet((1.0,) * len(PLACES))
    total = np.zeros(bins)
    lead_mm = rng.uniform(5.0, 50.0) if rng.random() < IN_LEAD else 0.0
    leak = 10.0 ** rng.uniform(-3.0, -0.5) if lead_mm else 1.0
    for place, share in zip(PLACES, shares, strict=True):
        # deep inside soil or concrete there is twice the fluence of a half space
        scale = share * (0.5 if place.endswith("medium") else 1.0)
        total += leak * scale * _in_place(instrument, bins, place, of)
        if lead_mm:
            castle = inside_lead(natural_background(of, place), lead_mm)
            total += scale * sum(_rates(castle, of.cosmic, instrument, bins).values())
    return total

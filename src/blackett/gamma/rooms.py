"""Natural backgrounds by the thousand: `room.draw_room` as weights of tabulated columns.

A drawn room is a mixture of K-40, U-238 and Th-232 in four places, radon and cosmic rays, with
random amounts: its counts are linear in 14 columns by deposited energy. `draw_weights` draws those
amounts from the same priors. A room inside a lead castle is a mixture of the same columns behind
tabulated thicknesses of lead; thicknesses between two are mixtures of both.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.gamma import room
from blackett.gamma.background import PLACES, PRIORS, inside_lead, natural_background
from blackett.gamma.cachefile import PHYSICS, content_hash, kept_arrays
from blackett.gamma.detector import detector
from blackett.gamma.response import response_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from blackett.arrays import FloatArray
    from blackett.gamma.detector import Detector

__all__ = ["COLUMNS", "LEAD_MM", "RADON", "draw_weights", "room_columns"]

BINS = 1024
LEAD_MM = (5.0, 7.5, 11.0, 16.0, 23.0, 34.0, 50.0)
"""Tabulated thicknesses of lead castles; 5 to 50 mm are drawn."""
IN_SOLIDS = ("K-40", "U-238", "Th-232")
EVERYWHERE = ("Rn-222", "cosmic")
"""The same in all places of `PLACES`: radon is that of a room's air."""
COLUMNS = len(IN_SOLIDS) * len(PLACES) + len(EVERYWHERE)
"""Columns in the open; each thickness of lead has as many again."""
RADON = len(IN_SOLIDS) * len(PLACES)
"""Position of radon among them."""
MEDIUM = 0.5
"""Deep inside a solid there is twice the fluence of a half space (as in `room.draw_room`)."""


@cache
def room_columns(name: str) -> np.ndarray:
    """Counts per second by deposited energy (COLUMNS x (1 + thicknesses), BINS), float32.

    For 1 Bq/kg, 1 Bq/m3 of radon and the cosmic radiation of sea level; from the user's cache
    folder or built anew (some seconds). Raises InputError for an unknown detector.
    """
    instrument = detector(name)
    files = (*PHYSICS, "room.py", "rooms.py", f"data/{response_name(instrument)}.npz")
    sha256 = content_hash(files)
    kept = kept_arrays(f"rooms-{name}", sha256, lambda: {"columns": _build(instrument)})
    return frozen(kept["columns"], np.float32)


def _build(instrument: Detector) -> FloatArray:
    columns = [_in_all_places(instrument, None)]
    columns += [_in_all_places(instrument, thickness) for thickness in LEAD_MM]
    return np.concatenate(columns)


def _in_all_places(instrument: Detector, lead_mm: float | None) -> FloatArray:
    """The (COLUMNS, BINS) columns in the open, or inside lead."""
    seen = [_in_place(instrument, place, lead_mm) for place in PLACES]
    solids = [rates[name] for name in IN_SOLIDS for rates in seen]
    return np.array([*solids, *(seen[0][name] for name in EVERYWHERE)])


def _in_place(instrument: Detector, place: str, lead_mm: float | None) -> Mapping[str, FloatArray]:
    rates = natural_background(room.ONE_OF_EACH, place)
    if lead_mm is not None:
        rates = inside_lead(rates, lead_mm)
    return room._rates(rates, 1.0, instrument, BINS)


def draw_weights(n: int, rng: Generator) -> FloatArray:
    """Weights (n, COLUMNS x (1 + thicknesses)) of n rooms, distributed as `room.draw_room`."""
    of = {m: mid * np.exp(s * rng.standard_normal(n)) for m, (mid, s) in PRIORS.items()}
    scale = np.where([place.endswith("medium") for place in PLACES], MEDIUM, 1.0)
    shares = scale * rng.dirichlet((1.0,) * len(PLACES), n)
    in_lead = rng.random(n) < room.IN_LEAD
    thickness = rng.uniform(LEAD_MM[0], LEAD_MM[-1], n)
    leak = np.where(in_lead, 10.0 ** rng.uniform(-3.0, -0.5, n), 1.0)
    amounts = {name: of[room.CONCENTRATION_OF[name]][:, None] for name in room.CONCENTRATION_OF}
    solids = [amounts[name] * shares for name in IN_SOLIDS]
    whole = shares.sum(axis=1)[:, None]
    open_air = np.concatenate([*solids, *(amounts[name] * whole for name in EVERYWHERE)], axis=1)
    made = np.zeros((n, 1 + len(LEAD_MM), COLUMNS))
    made[:, 0] = leak[:, None] * open_air
    rows = np.flatnonzero(in_lead)
    made[rows, 1:] = _between(thickness[rows])[:, :, None] * open_air[rows, None, :]
    return np.asarray(made.reshape(n, -1))


def _between(thickness_mm: FloatArray) -> FloatArray:
    """Shares (n, thicknesses) of the two tabulated neighbours of each thickness."""
    nodes = np.array(LEAD_MM)
    above = np.clip(np.searchsorted(nodes, thickness_mm), 1, nodes.size - 1)
    share = (thickness_mm - nodes[above - 1]) / (nodes[above] - nodes[above - 1])
    made = np.zeros((thickness_mm.size, nodes.size))
    rows = np.arange(thickness_mm.size)
    made[rows, above - 1], made[rows, above] = 1.0 - share, share
    return made

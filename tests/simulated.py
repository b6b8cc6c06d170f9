"""Simulated spectra shared by the tests of unmixing, evidence and identification."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma import identification
from blackett.gamma.detector import detector
from blackett.gamma.room import draw_room
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import BINS, Unit, draw_unit, nominal_unit, record, source_rate
from blackett.gamma.templates import Library, library
from blackett.gamma.unmix import DEFAULT, Grouped

if TYPE_CHECKING:
    from blackett.gamma.spectrum import Spectrum

DETECTOR = detector("radiacode-103")
NATURAL = ("K-40", "Ra-226", "Th-232")
BENCH = Scene(50.0, surroundings="bench")


@cache
def room(seed: int) -> np.ndarray:
    """Counts per second by deposited energy of a drawn place that is not a lead castle."""
    rng = np.random.default_rng(seed)
    while True:
        rate = draw_room(DETECTOR, BINS, rng)
        if rate.sum() > 2.0:
            return rate


@cache
def source(name: str, cps: float) -> np.ndarray:
    """Counts per second by deposited energy of a source 50 mm away on a bench."""
    rate = source_rate(name, 1.0, BENCH, DETECTOR)
    return rate * cps / rate.sum()


def spectrum(
    seed: int,
    sources: dict[str, float],
    real_time_s: float = 1800.0,
    unit: Unit | None = None,
    room_seed: int = 1,
) -> Spectrum:
    """A recording of sources (name: counts per second) in a drawn room, by a drawn unit."""
    rng = np.random.default_rng(seed)
    made_by = draw_unit(DETECTOR, rng) if unit is None else unit
    rate = room(room_seed) + sum(source(name, cps) for name, cps in sources.items())
    return record(rate, made_by, real_time_s, rng)


def perfect_unit(**errors: float) -> Unit:
    """The nominal unit, with errors of its axis where asked for."""
    return replace(nominal_unit(DETECTOR), **errors)


@cache
def few(*names: str) -> Library:
    """The library with these sources and the natural ones alone: quick to search."""
    whole = library(DETECTOR.name)
    rows = [i for i, name in enumerate(whole.source_of) if name in {*names, *NATURAL}]
    n, cut = len(whole.source_of), {}
    for field in fields(whole):
        value = getattr(whole, field.name)
        if isinstance(value, np.ndarray) and n in value.shape:
            cut[field.name] = value.take(rows, axis=value.shape.index(n))
        elif isinstance(value, tuple) and len(value) == n:
            cut[field.name] = tuple(value[i] for i in rows)
    return replace(whole, **cut)


def grouped(of: Spectrum, background: Spectrum | None = None) -> Grouped:
    """The spectrum in groups, as identification makes them."""
    return identification._group(of, background, DETECTOR, DEFAULT)

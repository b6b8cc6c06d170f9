"""Settings of a recipe that are not known exactly: how well they are known, and who says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.alphag.simulation import Recipe

__all__ = ["KNOBS", "Knob", "drawn", "setting", "varied", "with_setting"]

_FARTHEST = 2.5  # standard deviations, where draws are cut off


@dataclass(frozen=True)
class Knob:
    """A quantity known to within a factor: all its settings are multiplied by powers of one.

    `settings` are dotted names of a recipe with the power that each goes with; the logarithm of the
    factor is Gaussian with standard deviation `log_sigma`.
    """

    name: str
    log_sigma: float
    settings: tuple[tuple[str, float], ...]
    source: str
    both_sides: bool = True
    """Whether it may also be smaller, where it is varied by one standard deviation."""
    full_mode: bool = False
    """Whether it acts in the full digitisation alone."""

    def at(self, recipe: Recipe, sigmas: float) -> Recipe:
        """The recipe with the quantity so many standard deviations from its value."""
        for name, power in self.settings:
            factor = exp(sigmas * power * self.log_sigma)
            recipe = with_setting(recipe, name, factor * setting(recipe, name))
        return recipe

    def factor(self, sigmas: float) -> float:
        """What the quantity is multiplied by."""
        return exp(sigmas * self.log_sigma)


_CUSTOM = "asked for in the list of systematic effects of the ALPHA-g notes"
KNOBS: Final = (
    Knob("drift speed", log(1.02), (("digitise.drift.time_scale", -1.0),), f"+-2 %: {_CUSTOM}"),
    Knob(
        "magnetic field", log(1.01),
        (("transport.field_scale", 1.0), ("digitise.drift.lorentz_scale", 1.0)),
        f"+-1 %: {_CUSTOM}; the Lorentz azimuth goes with it",
    ),
    Knob(
        "Lorentz angle", log(1.05), (("digitise.drift.lorentz_scale", 1.0),), f"+-5 %: {_CUSTOM}"
    ),
    Knob("material", log(1.10), (("transport.material_scale", 1.0),), f"+-10 %: {_CUSTOM}"),
    Knob(
        "gas gain", log(1.15), (("digitise.wires.size_per_electron", 1.0),),
        "+-15 %, judged: gain is not public",
    ),
    Knob(
        "dead channels", log(2.0),
        (("digitise.wires.dead_fraction", 1.0), ("digitise.pads.dead_fraction", 1.0)),
        "doubled, judged: 1 of 256 wires and 3.3 % of pads in the calibration of 2024",
        both_sides=False,
    ),
    Knob(
        "electronic noise", log(1.5),
        (("digitise.wires.noise_counts", 1.0), ("digitise.pads.noise_counts", 1.0)),
        "half as much again, judged: noise is not public", both_sides=False,
    ),
    Knob(
        "noise points", log(10.0), (("digitise.points.noise_points", 1.0),),
        "ten times as many (5 an event), judged: their number is not public", both_sides=False,
    ),
    Knob(
        "diffusion", log(1.08),
        (
            ("digitise.drift.longitudinal_um", 1.0), ("digitise.drift.transverse_um", 1.0),
            ("digitise.points.diffusion_share", -1.0),
        ),
        "+-8 %: range of the gas table, 142-165 and 134-156 um per square root of cm; the stated "
        "errors of points stay",
    ),
    Knob(
        "axial drift", log(1.3), (("digitise.drift.axial_scale", 1.0),),
        "+-30 %, judged: a Langevin estimate with one constant",
    ),
    Knob(
        "pion reactions", log(1.2), (("transport.pion_reaction_scale", 1.0),),
        "+-20 %: how well the rates are known",
    ),
    Knob(
        "cross-talk", log(1.2), (("digitise.wires.cross_talk_scale", 1.0),),
        "+-20 %, judged: signals differ from what the deconvolution takes off; full mode, against "
        "full mode", full_mode=True,
    ),
)  # fmt: skip
"""What is varied in a recipe."""


def varied(recipe: Recipe, rng: np.random.Generator, scale: float = 1.0) -> Recipe:
    """The recipe with every quantity of `KNOBS` drawn anew within what is known of it.

    `scale` multiplies all standard deviations; draws beyond 2.5 of them are moved there. Raises
    `InputError` for a negative scale, or where a setting leaves its range.
    """
    if not (np.isfinite(scale) and scale >= 0):
        raise InputError(f"variation scale {scale}: give a finite number >= 0")
    draws = np.clip(rng.standard_normal(len(KNOBS)), -_FARTHEST, _FARTHEST)
    for knob, draw in zip(KNOBS, draws.tolist(), strict=True):
        recipe = knob.at(recipe, scale * draw)
    return recipe


def drawn(recipe: Recipe, rng: np.random.Generator) -> Recipe:
    """The recipe of one shard: `varied` by the recipe's own `variation.scale`, which is then 0."""
    if not recipe.variation.scale:
        return recipe
    fixed = replace(recipe, variation=replace(recipe.variation, scale=0.0))
    return varied(fixed, rng, recipe.variation.scale)


def setting(record: Any, name: str) -> Any:
    """A setting by its dotted name. Raises `InputError` if there is none."""
    for part in name.split("."):
        if not hasattr(record, part):
            raise InputError(f"setting {name!r}: {type(record).__name__} has no {part!r}")
        record = getattr(record, part)
    return record


def with_setting(record: Any, name: str, value: Any) -> Any:
    """The record with one setting, by its dotted name, changed. Raises as `setting`."""
    first, _, rest = name.partition(".")
    old = setting(record, first)
    return replace(record, **{first: with_setting(old, rest, value) if rest else value})

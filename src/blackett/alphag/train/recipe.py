"""What a training run is: the settings of a recipe file, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from blackett.errors import InputError
from blackett.learn.settings import Settings
from blackett.recipes import read_settings, settings_from_toml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CLOUDS", "Data", "NetworkShape", "Recipe", "Terms", "find_recipe", "read_recipe"]

CLOUDS = ("pear", "pear-2023", "edges", "set")
"""Kinds of networks that see points alone; the others see prepared tracks."""


@dataclass(frozen=True)
class Data:
    """Which events a step sees; numbers of events."""

    batch: int = 512
    """Events of an optimiser step."""
    validation: int = 10_000
    """Events on which checkpoints are chosen: the first of the folders of validation, of each kind.
    All events of those folders calibrate the answers."""
    points: int = 800
    """Points of a cloud."""
    few_points: int = 0
    """For a beginning at a lower price, so many points, drawn anew at each step; 0: never."""
    few_share: float = 0.0
    """Share of the steps that see `few_points`."""

    def __post_init__(self) -> None:
        for name in ("batch", "validation", "points"):
            if getattr(self, name) < 2:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least 2")
        if not 0 <= self.few_points <= self.points:
            raise InputError(f"few_points is {self.few_points}: 0 to {self.points}, please")
        if not 0.0 <= self.few_share <= 1.0:
            raise InputError(f"few_share is {self.few_share}: it must lie between 0 and 1")


@dataclass(frozen=True)
class NetworkShape:
    """Which network, and how large; `pear` and `pear-2023` have one size."""

    kind: Literal["blackett", "slots", "pear", "pear-2023", "edges", "set"] = "blackett"
    """blackett: slots with all that is learned; slots: nominal lines with learned weights alone;
    pear: with shift network; pear-2023: without, z scaled, dropout; edges: edge convolutions; set:
    a set transformer on points."""
    width: int = 80
    blocks: int = 3
    points: int = 32
    dropout: float = 0.3
    """In the head of pear-2023."""
    members: int = 1
    """Networks of an ensemble of kinds that see points alone, trained side by side."""


@dataclass(frozen=True)
class Terms:
    """What is made small.

    A network for z alone: `first` until `switch` of the steps, then `then`. Ours: Huber's loss of
    the position, which gives way to the likelihood between `ramp_begin` and `ramp_end`.
    """

    first: Literal["huber", "l1", "l2"] = "huber"
    then: Literal["huber", "l1", "l2"] = "l1"
    switch: float = 0.5
    huber_mm: float = 1.0
    """Where Huber's loss turns from a parabola into a line."""
    ramp_begin: float = 0.05
    ramp_end: float = 0.2
    steps: float = 0.1
    """Weight of Huber's loss of each step of the vertex layer."""
    cosmic: float = 1.0
    """Weight of the cross-entropy of cosmic muons."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.ramp_begin < self.ramp_end <= 1.0:
            raise InputError("ramp_begin, ramp_end: rising between 0 and 1, please")
        for name in ("huber_mm", "steps", "cosmic"):
            if getattr(self, name) < 0.0:
                raise InputError(f"{name} is {getattr(self, name)}: it must not be negative")


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run."""

    name: str = "default"
    data: Data = field(default_factory=Data)
    network: NetworkShape = field(default_factory=NetworkShape)
    loss: Terms = field(default_factory=Terms)
    fit: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        if self.fit.steps % self.fit.steps_per_epoch:
            raise InputError(
                f"steps {self.fit.steps} are not a whole number of epochs of "
                f"{self.fit.steps_per_epoch}: an epoch cut short would not be scored"
            )


def find_recipe(path: str | Path) -> Recipe:
    """The recipe in a TOML file; raises InputError if it cannot be read or breaks a rule."""
    return read_settings(Recipe, path)


def read_recipe(text: str) -> Recipe:
    """A recipe from TOML text; what it does not name keeps its default. Raises InputError."""
    return settings_from_toml(Recipe, text, "recipe")

"""What a training run is: the settings of a recipe file, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from blackett.errors import InputError
from blackett.gamma.preparation import DETECTORS
from blackett.learn.settings import Settings
from blackett.recipes import read_settings, settings_from_toml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Data", "NetworkShape", "Recipe", "Weights", "find_recipe", "read_recipe"]


@dataclass(frozen=True)
class Data:
    """What the network is shown; every spectrum is simulated when it is needed, none is kept."""

    simulation: str = "default"
    """Recipe of the simulation."""
    detectors: tuple[str, ...] = DETECTORS[:-1]
    """Models of detectors, in equal shares."""
    batch: int = 1024
    """Spectra of an optimiser step."""
    block: int = 8
    """Batches that are simulated together."""
    passes: int = 2
    """How often a block is gone through, in another order each time, before it is forgotten:
    simulating takes longer than a step."""
    validation: int = 16_384
    """Fresh spectra on which the loss is followed."""
    calibration: int = 200_000
    """Fresh spectra for thresholds and intervals: at least 10 over the lowest false-alarm rate."""
    test: int = 50_000
    """Fresh spectra for the scores of the card."""
    generic_share: float = 0.15
    """Share of spectra whose detector is not told."""
    stranger_share: float = 0.05
    """Share of spectra into which something unknown is mixed, see `examples`."""
    invented_share: float = 0.0
    """So many strangers are invented nuclides (see `invented`), the others sources moved along the
    energy axis (see `strangers`)."""
    leave_out: tuple[str, ...] = ()
    """Sources that the network is never shown, to test its answer "unknown"."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.detectors) - set(DETECTORS[:-1]))
        if unknown or not self.detectors:
            raise InputError(f"detectors {unknown}: choose from {', '.join(DETECTORS[:-1])}")
        for name in ("batch", "block", "passes", "validation", "calibration", "test"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("generic_share", "stranger_share", "invented_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"{name} is {getattr(self, name)}: it must lie between 0 and 1")


@dataclass(frozen=True)
class NetworkShape:
    """Which network, and how large."""

    kind: Literal["compact", "mixer", "vega"] = "compact"
    width: int = 376
    blocks: int = 2


@dataclass(frozen=True)
class Weights:
    """Weights of the terms of the loss."""

    presence: float = 1.0
    """Cross-entropy, summed over sources."""
    rate: float = 0.3
    """Negative log-likelihood of the net counts, summed over the sources present."""
    unknown: float = 0.3
    """Cross-entropy of "something unknown"."""
    shape: float = 0.1
    """Squared error of the expected spectrum, in units of its noise."""


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run."""

    name: str = "default"
    data: Data = field(default_factory=Data)
    network: NetworkShape = field(default_factory=NetworkShape)
    loss: Weights = field(default_factory=Weights)
    fit: Settings = field(default_factory=Settings)


def find_recipe(path: str | Path) -> Recipe:
    """The recipe in a TOML file; raises InputError if it cannot be read or breaks a rule."""
    return read_settings(Recipe, path)


def read_recipe(text: str) -> Recipe:
    """A recipe from TOML text; what it does not name keeps its default. Raises InputError."""
    return settings_from_toml(Recipe, text, "recipe")

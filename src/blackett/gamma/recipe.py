"""What a simulated sample is: the settings of a recipe, and the recipes that come with the package.

default    every observable source, from below the detection limit to 10^5 counts, all that the
           physics leaves uncertain drawn anew for each spectrum
seed-v3    the eleven scenarios of the seed project's third generator with their shares (seed:
           the README at commit 75d271c696 of the RadiaCode training project)
background rooms without a source
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from blackett.errors import InputError
from blackett.gamma.detector import detector
from blackett.recipes import read_settings

__all__ = ["MOST_COMPANIONS", "RECIPES", "Companion", "Scenario", "TrainingRecipe", "find_recipe"]


MOST_COMPANIONS = 4
"""Companions of one scenario."""


def _check_range(name: str, between: tuple[float, ...]) -> None:
    """Raises InputError unless there is nothing, or two positive numbers in order."""
    if between and not (len(between) == 2 and 0.0 < between[0] <= between[1] < float("inf")):
        raise InputError(f"{name} {between}: give two positive numbers, rising, or none")


@dataclass(frozen=True)
class Companion:
    """A source that comes with the first one drawn."""

    name: str
    chance: float = 1.0
    ratio: tuple[float, ...] = ()
    """Its activity over that of the first source, uniform between two numbers; empty: its own."""
    activity_bq: tuple[float, ...] = ()
    """Uniform between two numbers, where the recipe draws activities."""
    least_bq: float = 0.0
    """Left out below this activity, where the recipe draws activities."""

    def __post_init__(self) -> None:
        _check_range(f"companion {self.name}: ratio", self.ratio)
        _check_range(f"companion {self.name}: activity_bq", self.activity_bq)


@dataclass(frozen=True)
class Scenario:
    """One kind of spectrum: how often, and of which sources. Raises InputError for bad values."""

    name: str
    share: float
    """Weight among the scenarios."""
    sources: tuple[str, ...] = ()
    """Drawn from these; empty: from all observable sources, by rarity."""
    count: tuple[int, int] = (1, 1)
    """How many, uniform; one drawn twice counts once."""
    all_of: bool = False
    """All of `sources` instead of some."""
    one_of_each: tuple[tuple[str, ...], ...] = ()
    """One of each of these lists first, the rest of `count` from `sources`."""
    together: bool = False
    """One activity for all, each times a number from 0.8 to 1.2."""
    companions: tuple[Companion, ...] = ()
    activity_bq: tuple[float, ...] = ()
    """Instead of the recipe's range."""

    def __post_init__(self) -> None:
        low, high = self.count
        if not 0 <= low <= high <= 6 or not self.share >= 0.0:
            raise InputError(
                f"scenario {self.name}: count {self.count} (0 to 6, rising), share {self.share}"
            )
        if len(self.companions) > MOST_COMPANIONS or len(self.one_of_each) > 6:
            raise InputError(f"scenario {self.name}: at most 4 companions and 6 lists")
        if self.all_of and not 1 <= len(self.sources) <= 6:
            raise InputError(f"scenario {self.name}: all_of needs 1 to 6 sources")
        _check_range(f"scenario {self.name}: activity_bq", self.activity_bq)


@dataclass(frozen=True)
class TrainingRecipe:
    """All settings of a simulated sample. Raises InputError for values that make no sense.

    Ranges are (lowest, highest).
    """

    name: str = "default"
    detectors: tuple[str, ...] = ("radiacode-103",)
    """Each batch is of one of them, in turn."""
    scenarios: tuple[Scenario, ...] = ()
    rarity_weights: tuple[float, float, float] = (1.0, 0.3, 0.1)
    """Relative frequency of common, occasional and rare sources where any may be drawn."""
    uniform_share: float = 0.5
    """So often the rarity does not matter, so that every source has its share of positives."""
    uranium_235: bool = True
    """Uranium-238 brings uranium-235 along, natural or depleted."""

    net_counts: tuple[float, float] = (2.0, 1e5)
    """Expected counts of each source, log-uniform, unless `activity_bq` is given."""
    least_sigma: float = 0.3
    """No fewer than this many standard deviations of the room's counts."""
    most_cps: float = 20_000.0
    """No source has more counts per second."""
    activity_bq: tuple[float, ...] = ()
    """Activity of each source; empty: `net_counts` are drawn instead."""
    activity_scale: Literal["linear", "log"] = "log"
    geometry: Literal["distance", "all enter"] = "distance"
    """all enter: every photon enters the crystal, a becquerel without a place, as in the seed."""
    distance_mm: tuple[float, float] = (15.0, 500.0)
    """From a point source to the middle of the crystal, log-uniform."""

    real_time_s: tuple[float, float] = (10.0, 7200.0)
    """Log-uniform."""
    wide_time_s: tuple[float, float] = (1.0, 86_400.0)
    wide_share: float = 0.15
    """So often the time is drawn from the wide range."""
    background: Literal["rooms", "seed"] = "rooms"
    """rooms: drawn rooms; seed: the fixed continuum of the seed with random natural peaks."""
    background_share: float = 0.6
    """So often a background recording comes along."""
    background_time_s: tuple[float, float] = (30.0, 86_400.0)
    """Log-uniform."""
    measured_share: float = 0.7
    """Share of a measured background in each room's counts, where one is given."""

    shape_error: tuple[float, float] = (0.02, 0.10)
    """Of a source, rms of the logarithm, smooth in ln E; uniform."""
    room_shape_error: tuple[float, float] = (0.01, 0.06)
    peaks: tuple[float, float] = (0.5, 1.1)
    """Full-energy peaks over those of a perfect crystal; uniform."""
    two_looks: float = 0.5
    """So often a source is a mixture of two of its appearances."""
    local_share: float = 0.3
    """So often natural activity lies nearer than the walls."""
    background_gain_sigma: float = 0.003
    """Change of gain between background and foreground."""
    background_rate_sigma: float = 0.03
    background_radon_sigma: float = 0.3
    """Change of the room and of its radon in between, of the logarithm."""
    least_net: float = 1.0
    """A source is present with so many expected net counts."""

    def __post_init__(self) -> None:
        for name in self.detectors:
            if detector(name).crystal == "germanium":
                raise InputError(f"detectors: {name} is no scintillator")
        for name in _RISING:
            low, high = getattr(self, name)
            if not 0.0 < low <= high < float("inf"):
                raise InputError(f"{name} {(low, high)}: give two positive numbers, rising")
        for name in ("shape_error", "room_shape_error"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= high <= 0.5:
                raise InputError(f"{name} {(low, high)}: give two numbers from 0 to 0.5, rising")
        _check_range("activity_bq", self.activity_bq)
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"{name} {getattr(self, name)}: give a number from 0 to 1")
        if not self.detectors or not sum(s.share for s in self.scenarios) > 0.0:
            raise InputError("a recipe needs a detector, and scenarios with a share")


_RISING = (
    "net_counts", "distance_mm", "real_time_s", "wide_time_s", "background_time_s", "peaks",
)  # fmt: skip
_SHARES = (
    "uniform_share", "wide_share", "background_share", "measured_share", "two_looks", "local_share",
)  # fmt: skip

CALIBRATION = ("Cs-137", "Co-60", "Am-241", "Ba-133", "Eu-152", "Na-22", "Co-57", "Mn-54")
MEDICAL = ("Tc-99m", "I-131", "I-123", "F-18", "Ga-67", "In-111", "Lu-177", "Tl-201")
INDUSTRIAL = ("Ir-192", "Se-75", "Zn-65", "Co-58", "Cd-109")
URANIUM = ("U-238", "Ra-226")
THORIUM = ("Th-232",)
NORM = ("K-40", "Ra-226", "Th-232", "U-238")
POOL = (*CALIBRATION, *MEDICAL, *INDUSTRIAL, *URANIUM, *THORIUM, "Rn-222", "K-40", "Cs-134")
"""The seed's pool of 32 names; its Pb-214 and Bi-214 are our Ra-226 or Rn-222, its Ac-228, Pb-212,
Bi-212 and Tl-208 our Th-232."""

SEED: Final = (
    Scenario("background", 15.0, count=(0, 0)),
    Scenario("calibration", 20.0, CALIBRATION),
    Scenario("medical", 8.0, MEDICAL),
    Scenario("industrial", 5.0, INDUSTRIAL),
    Scenario("uranium chain", 10.0, URANIUM, all_of=True, together=True),
    Scenario("thorium chain", 10.0, THORIUM, all_of=True, together=True),
    Scenario("NORM", 7.0, NORM, (2, 4)),
    Scenario("fallout", 5.0, ("Cs-137",), companions=(
        Companion("Cs-134", ratio=(0.1, 1.0), least_bq=0.5),
        Companion("I-131", 0.3, activity_bq=(1.0, 50.0)),
    )),
    Scenario("mixed", 10.0, POOL, (2, 3)),
    Scenario("complex mix", 5.0, POOL, (4, 6),
             one_of_each=(CALIBRATION, MEDICAL, INDUSTRIAL, URANIUM, THORIUM)),
    Scenario("weak", 5.0, POOL, activity_bq=(0.1, 5.0)),
)  # fmt: skip

WIDE: Final = (
    Scenario("background", 15.0, count=(0, 0)),
    Scenario("single", 40.0),
    Scenario("few", 20.0, count=(2, 3)),
    Scenario("many", 8.0, count=(4, 6)),
    Scenario("natural", 6.0, (*NORM, "Rn-222", "Th-228", "Lu-176"), (1, 4)),
    Scenario("ore", 4.0, ("U-238", "Ra-226"), all_of=True, together=True),
    Scenario("fallout", 4.0, ("Cs-137",), companions=(
        Companion("Cs-134", 0.6, ratio=(0.01, 1.0)),
        Companion("I-131", 0.2), Companion("Sb-125", 0.1), Companion("Ru-106", 0.1),
    )),
    Scenario("patient", 3.0, (*MEDICAL, "Ga-68", "Sm-153", "Xe-133")),
)  # fmt: skip

RECIPES: Final = {
    "default": TrainingRecipe(scenarios=WIDE),
    "seed-v3": TrainingRecipe(
        "seed-v3",
        scenarios=SEED,
        uranium_235=False,
        activity_bq=(1.0, 100.0),
        activity_scale="linear",
        geometry="all enter",
        real_time_s=(60.0, 60.0),
        wide_share=0.0,
        background="seed",
        background_share=0.0,
        shape_error=(0.0, 0.0),
        room_shape_error=(0.0, 0.0),
        peaks=(1.0, 1.0),
        two_looks=0.0,
        local_share=0.0,
    ),
    "background": TrainingRecipe(
        "background", scenarios=(Scenario("background", 1.0, count=(0, 0)),)
    ),
}
"""The recipes of `recipes/gamma/simulate/`, by name."""


def find_recipe(name: str | Path) -> TrainingRecipe:
    """A recipe by its name, or from a TOML file; raises InputError if there is none."""
    if str(name) in RECIPES:
        return RECIPES[str(name)]
    if Path(name).suffix != ".toml":
        raise InputError(f"recipe {str(name)!r}: give one of {sorted(RECIPES)}, or a .toml file")
    return read_settings(TrainingRecipe, name)

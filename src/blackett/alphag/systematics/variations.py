"""The variations: what is changed, by how much, who says so, and how it enters a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from blackett.alphag.systematics.knobs import KNOBS, Knob, with_setting
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.alphag.simulation import Recipe

__all__ = ["NOMINAL", "VARIATIONS", "WAVEFORMS", "Variation", "chosen_variations", "file_name"]

MISALIGNED_MM: Final = 0.5
_HALF_LENGTH_MM = 1152.0
_PILE_UP = ("", "annihilation", "cosmic")


@dataclass(frozen=True)
class Variation:
    """One change of the simulated world that no reconstruction is told of.

    `knob` (one of `KNOBS`) moves by `sigmas`; `settings`, dotted names of the recipe, get values;
    `pile_up` adds a second annihilation or a cosmic muon to each event; the chamber is displaced
    against the trap by `shift_mm` and turned about its centre around x by `tilt_mrad`.
    """

    name: str
    change: str
    source: str
    knob: str = ""
    sigmas: float = 0.0
    settings: tuple[tuple[str, Any], ...] = ()
    pile_up: str = ""
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tilt_mrad: float = 0.0
    against: str = "nominal"
    """Name of the variation it is compared with."""
    share: float = 1.0
    """Factor on its effects in the sum of all: the share of events that it concerns, or of a switch
    that is in doubt; 0 for a check that is no uncertainty."""

    def __post_init__(self) -> None:
        if self.pile_up not in _PILE_UP:
            raise InputError(f"pile_up {self.pile_up!r}: give one of {_PILE_UP}")

    def recipe(self, nominal: Recipe) -> Recipe:
        """The recipe of this world."""
        changed = nominal
        if self.knob:
            changed = next(k for k in KNOBS if k.name == self.knob).at(changed, self.sigmas)
        for name, value in self.settings:
            changed = with_setting(changed, name, value)
        return changed

    @property
    def group(self) -> str:
        """What the changes of one quantity to both sides have in common."""
        return self.knob or self.label

    @property
    def label(self) -> str:
        """Name and change."""
        return f"{self.name}, {self.change}" if self.change else self.name


def _percent(factor: float) -> str:
    return f"x {factor:.3g}" if factor >= 1.45 else f"{100 * (factor - 1):+.2g} %"


NOMINAL: Final = Variation("nominal", "", "the recipe as it is", share=0.0)
_WAVEFORMS = (("digitise.mode", "full"),)
WAVEFORMS: Final = Variation(
    "waveforms", "full mode", "the other digitisation: a check of the fast one",
    settings=_WAVEFORMS, share=0.0,
)  # fmt: skip


def _of_knobs() -> tuple[Variation, ...]:
    return tuple(_of_knob(k, s) for k in KNOBS for s in ((1.0, -1.0) if k.both_sides else (1.0,)))


def _of_knob(knob: Knob, sigmas: float) -> Variation:
    change = _percent(knob.factor(sigmas))
    if not knob.full_mode:
        return Variation(knob.name, change, knob.source, knob.name, sigmas)
    return Variation(
        knob.name, change, knob.source, knob.name, sigmas, _WAVEFORMS, against=WAVEFORMS.name
    )


_SWITCHES = (
    Variation(
        "gain fluctuation", "exponential", "one electron's gain is not public: exponential instead "
        "of Polya(0.5)", settings=(("digitise.gas.polya_shape", 0.0),),
    ),
    Variation(
        "axial drift", "off", "the radial field's drift along z left out; +-30 % is counted",
        settings=(("digitise.drift.axial_scale", 0.0),), share=0.0,
    ),
    Variation(
        "pion reactions", "off", "no nuclear physics in the material; +-20 % is counted",
        settings=(("transport.pion_reaction_scale", 0.0),), share=0.0,
    ),
    Variation(
        "hadron model", "no absorption", "annihilation on free protons instead of the wall's "
        "nuclei; a third of the difference is counted, as absorption is known to 0.10-0.20",
        settings=(("sample.nucleus", "hydrogen"),), share=1 / 3,
    ),
    Variation(
        "pairing", "every wire with every pad", "another reconstruction of points: a check",
        settings=(("digitise.points.pair_all", True),), share=0.0,
    ),
    Variation(
        "pile-up", "a second annihilation", "in every event, at a random time of the 4.98 us that "
        "are read out; counted for 100 annihilations a second: a share of 5e-4",
        pile_up="annihilation", share=5e-4,
    ),
    Variation(
        "pile-up", "a cosmic muon", "in every event, the same; counted for the measured raw rate "
        "of 313 Hz: a share of 1.6e-3", pile_up="cosmic", share=1.6e-3,
    ),
    Variation(
        "misalignment", "0.5 mm in x", "0.5 mm: asked for in the list of the ALPHA-g notes",
        shift_mm=(MISALIGNED_MM, 0.0, 0.0),
    ),
    Variation(
        "misalignment", "0.5 mm in z", "the same along the axis: it is the shift",
        shift_mm=(0.0, 0.0, MISALIGNED_MM),
    ),
    Variation(
        "misalignment", "tilt of 0.43 mrad", "0.5 mm at the ends of the chamber",
        tilt_mrad=1e3 * MISALIGNED_MM / _HALF_LENGTH_MM,
    ),
)  # fmt: skip
VARIATIONS: Final = (*_of_knobs(), *_SWITCHES, WAVEFORMS)
"""All of them, the nominal world apart."""


def file_name(variation: Variation) -> str:
    """A name for files: letters, digits, points and hyphens."""
    text = variation.label.replace("+", "plus ").replace(" -", " minus ")
    return "-".join("".join(c if c.isalnum() or c == "." else " " for c in text).split()).lower()


def chosen_variations(names: tuple[str, ...]) -> tuple[Variation, ...]:
    """The variations of these names (none: all), with those that they are compared with, first.

    Raises `InputError` for a name that there is not.
    """
    known = sorted({v.name for v in VARIATIONS})
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f"variations {unknown}: give some of {known}")
    wanted = [v for v in VARIATIONS if not names or v.name in names]
    bases = [NOMINAL]
    bases += [WAVEFORMS] if any(v.against == WAVEFORMS.name for v in wanted) else []
    return (*bases, *(v for v in wanted if v not in bases))

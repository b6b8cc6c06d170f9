"""The looks of a source: the scenes, and what crystals and containers make of them.

Non-negative mixtures of a source's looks stand for all shields and surroundings between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blackett.gamma.folding import bremsstrahlung_of, lines_of
from blackett.gamma.scene import Scene

if TYPE_CHECKING:
    from blackett.gamma.detector import Detector
    from blackett.gamma.sources import Source

__all__ = [
    "BENCH",
    "CLOSE",
    "EXTENDED_SCENES",
    "LOCAL_SCENES",
    "POINT_LOOKS",
    "REFERENCE_MM",
    "STOPPER_OF",
    "Look",
    "looks_of",
]

REFERENCE_MM = 50.0
"""Distance of point sources; only shapes are used, so that it matters little."""


@dataclass(frozen=True)
class Look:
    """One way in which a source shows itself: a scene, and what crystal or container make of it.

    `peaks` scales the full-energy peaks: crystals of real devices have smaller ones than a perfect
    cube. `with_sums` adds pairs of photons of one decay seen together. `stopper` is the material in
    which betas stop and make bremsstrahlung; empty for none. `excited` is an element whose K X-rays
    betas and photons excite, `EXCITED_PER_DECAY`; empty for none.
    """

    scene: Scene
    peaks: float = 1.0
    with_sums: bool = False
    stopper: str = ""
    excited: str = ""


BENCH = Scene(REFERENCE_MM, surroundings="bench")
DESK = Scene(REFERENCE_MM, surroundings="desk")
BEHIND_IRON = Scene(REFERENCE_MM, shield=(("iron", 12.0),), surroundings="desk")
LOCAL_SCENES = (BENCH, BEHIND_IRON)
"""Where natural activity nearer than the walls lies: bare, and somewhat shielded."""
CLOSE = Scene(15.0, surroundings="bench")
POINT_LOOKS = (
    Look(BENCH),
    Look(DESK),
    Look(Scene(REFERENCE_MM, shield=(("aluminium", 2.0),), surroundings="bench")),
    Look(Scene(REFERENCE_MM, shield=(("iron", 2.0),), surroundings="desk")),
    Look(Scene(REFERENCE_MM, shield=(("water", 40.0),), surroundings="room")),
    Look(BEHIND_IRON),
    Look(Scene(REFERENCE_MM, shield=(("lead", 6.0),), surroundings="desk")),
    Look(BENCH, peaks=0.6),
    Look(DESK, peaks=0.6),
    Look(Scene(REFERENCE_MM, shield=(("water", 40.0),), surroundings="room"), peaks=0.5),
    Look(Scene(REFERENCE_MM, shield=(("lead", 6.0),), surroundings="desk"), peaks=0.5),
    Look(Scene(REFERENCE_MM, shield=(("lead", 15.0),), surroundings="desk"), peaks=0.7),
)
FAINTEST_BREMSSTRAHLUNG = 0.01
"""Sources with less bremsstrahlung in iron than this for each photon of their lines show none."""
EXTENDED_SCENES = {
    "K-40": ("jar", "rock", "marinelli"),
    "Lu-176": ("jar",),
    "Ra-226": ("rock", "mineral", "ore"),
    "Th-232": ("rock", "mineral", "rod"),
    "U-238": ("ore", "glass", "glaze"),
    "U-235": ("ore", "glass", "glaze"),
    "Rn-222": ("radon air", "radon plate-out"),
    "Cs-137": ("soil bag", "marinelli"),
    "Cs-134": ("marinelli",),
    "I-131": ("marinelli",),
}
OUTCROP_SOURCES = ("K-40", "Ra-226", "Th-232")
"""Sources that rocks hold, in masses too large to see the other side. A look of the fit alone: the
simulator that networks learn from draws `EXTENDED_SCENES`."""
STOPPER_OF = {
    "ore": "uraninite", "glass": "uranium glass", "glaze": "uranium glass", "rock": "granite",
    "mineral": "granite", "rod": "thoriated tungsten", "jar": "kcl", "marinelli": "water",
    "soil bag": "soil", "radon air": "air", "radon plate-out": "polyethylene",
    "outcrop": "granite",
}  # fmt: skip
"""Where the betas of an extended source stop."""


def looks_of(source: Source, instrument: Detector) -> tuple[Look, ...]:
    """Every look of a source that the library holds."""
    germanium = instrument.crystal == "germanium"
    # tables of a germanium detector are large, and its peaks are those of its size
    looks = [look for look in POINT_LOOKS if look.peaks == 1.0 or not germanium]
    outcrop = ("outcrop",) if source.name in OUTCROP_SOURCES else ()
    for name in (*EXTENDED_SCENES.get(source.name, ()), *outcrop):
        whole = Scene(None, surroundings="bench", extended=name)
        looks.append(Look(whole, stopper=STOPPER_OF[name]))
        if name == "rod":
            looks.append(Look(whole, stopper=STOPPER_OF[name], excited="W"))
    if len(source.coincidences()):
        looks.append(Look(CLOSE, with_sums=True))
    if (
        bremsstrahlung_of(source, "iron")[1].sum()
        > FAINTEST_BREMSSTRAHLUNG * lines_of(source)[1].sum()
    ):
        looks.append(Look(BENCH, stopper="iron"))
        if not germanium:
            looks.append(Look(DESK, peaks=0.6, stopper="iron"))
    return tuple(looks)

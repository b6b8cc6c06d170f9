"""The spectrometers: crystal, housing, channels, resolution, and how each names itself in files.

Crystals, ranges and resolutions of the RadiaCode family follow the maker's data and the widths
measured on single units (facts collected for this project); the spreads are chosen to span those
units. Housings are plausible arrangements, not drawings: no maker publishes them. Treat the layers
as uncertain by a factor of two, which moves the efficiency at 30 keV by about 20 % and above
100 keV by a few per cent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from blackett.arrays import FloatArray

__all__ = ["Detector", "Layer", "Resolution", "detector", "detector_for", "detectors"]

REFERENCE_KEV = 661.657


@dataclass(frozen=True)
class Layer:
    """A box of housing: material by name, corners in mm.

    The front face of the crystal lies at z = 0 with its centre at x = y = 0, and the crystal
    extends to positive z. Later layers, and the crystal last, cut into earlier ones.
    """

    material: str
    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]


@dataclass(frozen=True)
class Resolution:
    """FWHM^2 = noise^2 + k E^2/(E + knee), with k from the width at 661.657 keV.

    Above the knee this is the square-root law of photon statistics; below, the width falls in
    proportion to the energy, as measured. It is positive and rising everywhere.
    """

    fwhm_662_percent: float
    """The one number that differs from unit to unit."""
    range_662_percent: tuple[float, float]
    """From the best to the worst unit seen."""
    knee_kev: float = 0.0
    noise_kev: float = 0.0

    def fwhm_kev(self, energy_kev: ArrayLike, fwhm_662_percent: float | None = None) -> FloatArray:
        """Full width at half maximum in keV, same shape; optionally of a unit with another width.

        Raises InputError for energies that are not positive, or if the noise alone is wider than
        the width asked for at 662 keV.
        """
        energy = np.asarray(energy_kev, dtype=np.float64)
        if not np.all(energy > 0.0):
            raise InputError("resolution needs positive energies in keV")
        percent = self.fwhm_662_percent if fwhm_662_percent is None else fwhm_662_percent
        at_reference = (0.01 * percent * REFERENCE_KEV) ** 2 - self.noise_kev**2
        if not at_reference > 0.0:
            raise InputError(f"a width of {percent} % at 662 keV is below the electronic noise")
        k = at_reference * (REFERENCE_KEV + self.knee_kev) / REFERENCE_KEV**2
        return np.sqrt(self.noise_kev**2 + k * energy**2 / (energy + self.knee_kev))


@dataclass(frozen=True)
class Detector:
    """A spectrometer model."""

    name: str
    """Short name, as `detector` takes it."""
    title: str
    """Name for people and files."""
    crystal: str
    """Material name of the crystal (see `blackett.gamma.matter.material`)."""
    size_mm: tuple[float, float, float]
    """Crystal edges along x, y (front face) and z (depth)."""
    housing: tuple[Layer, ...]
    resolution: Resolution
    channels: int = 1024
    range_kev: tuple[float, float] = (20.0, 3000.0)
    threshold_kev: float = 15.0
    """Energy at which half of the pulses are counted."""
    threshold_spread_kev: float = 4.0
    """Standard deviation of the threshold from unit to unit."""
    dead_time_us: tuple[float, float] = (5.0, 18.0)
    """From the maker's figure to the longest measured."""

    def fwhm_kev(self, energy_kev: ArrayLike, fwhm_662_percent: float | None = None) -> FloatArray:
        """Width at half maximum in keV, same shape as the energies; see `Resolution.fwhm_kev`."""
        return self.resolution.fwhm_kev(energy_kev, fwhm_662_percent)

    def light_yield(self, energy_kev: ArrayLike) -> FloatArray:
        """Light per keV for photons of each energy relative to 662 keV, same shape.

        Raises InputError for energies that are not positive.
        """
        energy = np.asarray(energy_kev, dtype=np.float64)
        if not np.all(energy > 0.0):
            raise InputError("light yield needs positive energies in keV")
        nodes, values = LIGHT_YIELD[self.crystal]
        return np.interp(np.log(energy), np.log(nodes), values)

    @property
    def face_mm2(self) -> float:
        """Area of the front face."""
        return self.size_mm[0] * self.size_mm[1]

    @property
    def volume_mm3(self) -> float:
        """Volume of the crystal."""
        return self.face_mm2 * self.size_mm[2]


# Photon light yield relative to 662 keV, read off published curves to about 3 %: CsI(Tl) and
# NaI(Tl) W. Mengesha et al., IEEE Trans. Nucl. Sci. 45 (1998) 456 and M. Moszynski et al., Nucl.
# Instrum. Methods A 805 (2016) 25; GAGG(Ce) P. Sibczynski et al., Nucl. Instrum. Methods A 772
# (2015) 112. Germanium counts charge, in proportion.
LIGHT_YIELD: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = MappingProxyType(
    {
        "csi": (
            (10.0, 20.0, 32.0, 37.0, 60.0, 122.0, 356.0, 662.0, 1332.0, 2614.0),
            (1.18, 1.17, 1.13, 1.12, 1.12, 1.08, 1.02, 1.0, 0.985, 0.975),
        ),
        "nai": (
            (10.0, 20.0, 32.0, 37.0, 60.0, 122.0, 356.0, 662.0, 1332.0, 2614.0),
            (1.17, 1.16, 1.14, 1.12, 1.13, 1.09, 1.03, 1.0, 0.985, 0.975),
        ),
        "gagg": (
            (10.0, 22.0, 32.0, 49.0, 52.0, 60.0, 122.0, 356.0, 662.0, 1332.0, 2614.0),
            (0.75, 0.82, 0.86, 0.89, 0.87, 0.88, 0.93, 0.98, 1.0, 1.01, 1.015),
        ),
        "germanium": ((10.0, 3000.0), (1.0, 1.0)),
    }
)

# Least squares over the widths measured on eight RadiaCode units, 59.5 to 2614 keV, each unit with
# its own scale, gives a knee of 23 keV (tests/test_detector.py repeats the fit).
SCINTILLATOR_KNEE_KEV = 23.0


def _pocket_housing(edge: float, thickness: float) -> tuple[Layer, ...]:
    """A pocket device lying on its back, seen through its flat front, crystal near the far end.

    From outside in: 2 mm ABS case filled with air, battery and circuit board, 0.3 mm aluminium
    (light and radio shield), 1 mm PTFE reflector on all faces but the back, where the
    photodiode board sits.
    """
    half, top = 0.5 * edge, _front_gap(thickness, edge)
    return (
        Layer("abs", (-17.5, -12.0 - half, -top), (17.5, 112.0 - half, thickness - top)),
        Layer("air", (-15.5, -10.0 - half, 2.0 - top), (15.5, 110.0 - half, thickness - top - 2.0)),
        Layer("lithium battery", (-12.0, half + 12.0, 2.0), (12.0, half + 52.0, 9.0)),
        Layer("fr4", (-14.0, -half - 8.0, edge + 0.5), (14.0, half + 90.0, edge + 1.5)),
        Layer("aluminium", (-half - 1.3, -half - 1.3, -1.3), (half + 1.3, half + 1.3, edge)),
        Layer("ptfe", (-half - 1.0, -half - 1.0, -1.0), (half + 1.0, half + 1.0, edge)),
    )


def _front_gap(thickness: float, edge: float) -> float:
    """Distance from the case's front to the crystal's front face, with 1.5 mm more behind it."""
    return 0.5 * (thickness - edge) - 0.75


def _canned(
    size: tuple[float, float, float], wall: str, wall_mm: float, gap: str, gap_mm: float
) -> tuple[Layer, ...]:
    """A crystal in a can, open at the back: wall, then a gap of reflector, or air."""
    x, y, z = 0.5 * size[0], 0.5 * size[1], size[2]
    t = gap_mm + wall_mm
    return (
        Layer(wall, (-x - t, -y - t, -t), (x + t, y + t, z)),
        Layer(gap, (-x - gap_mm, -y - gap_mm, -gap_mm), (x + gap_mm, y + gap_mm, z)),
    )


def _germanium_housing(size: tuple[float, float, float]) -> tuple[Layer, ...]:
    """Aluminium end cap 1 mm, 5 mm of vacuum (as air), 0.1 mm dead germanium.

    Between the 0.5 to 1 mm dead layer of a p-type and the implanted contact of an n-type crystal:
    below 60 keV real detectors differ by far more than other housings do.
    """
    x, y, z = 0.5 * size[0], 0.5 * size[1], size[2]
    dead = 0.1
    layer = Layer("germanium", (-x - dead, -y - dead, -dead), (x + dead, y + dead, z))
    return (*_canned(size, "aluminium", 1.0, "air", 5.0), layer)


def _scintillator(percent: float, low: float, high: float) -> Resolution:
    return Resolution(percent, (low, high), knee_kev=SCINTILLATOR_KNEE_KEV)


def _made() -> tuple[Detector, ...]:
    cube, large = (10.0, 10.0, 10.0), (14.0, 14.0, 14.0)
    rc103 = Detector(
        "radiacode-103", "RadiaCode-103", "csi", cube, _pocket_housing(10.0, 18.5),
        _scintillator(8.6, 7.8, 9.4),
    )  # fmt: skip
    germanium, nai, half_inch = (55.0, 55.0, 55.0), (45.0, 45.0, 50.8), (25.4, 25.4, 12.7)
    return (
        replace(rc103, name="radiacode-101", title="RadiaCode-101",
                resolution=_scintillator(9.5, 8.0, 12.5)),
        replace(rc103, name="radiacode-102", title="RadiaCode-102",
                resolution=_scintillator(9.5, 8.5, 11.0)),
        rc103,
        replace(rc103, name="radiacode-103g", title="RadiaCode-103G", crystal="gagg",
                resolution=_scintillator(7.4, 6.8, 8.0), range_kev=(25.0, 3000.0),
                threshold_kev=20.0),
        Detector("radiacode-110", "RadiaCode-110", "csi", large, _pocket_housing(14.0, 22.5),
                 _scintillator(8.4, 7.6, 9.2)),
        # FWHM 1.0 keV at 122 and 1.9 keV at 1332 keV: noise 0.86 keV, 1.47 keV at 662
        Detector("hpge", "HPGe", "germanium", germanium, _germanium_housing(germanium),
                 Resolution(0.2221, (0.18, 0.30), noise_kev=0.858), channels=8192,
                 range_kev=(15.0, 3000.0), threshold_kev=12.0, threshold_spread_kev=5.0,
                 dead_time_us=(5.0, 30.0)),
        # A 2 inch cylinder as a box of the same front area and depth
        Detector("nai-2x2", "NaI(Tl) 2x2 inch", "nai", nai,
                 _canned(nai, "aluminium", 0.8, "ptfe", 1.0), _scintillator(7.2, 6.5, 9.0),
                 range_kev=(20.0, 3000.0), dead_time_us=(2.0, 20.0)),
        # 1 x 1 x 1/2 inch, as in a Kromek D3S
        Detector("csi-generic", "CsI(Tl) 1x1x0.5 inch", "csi", half_inch,
                 _canned(half_inch, "abs", 2.0, "ptfe", 1.0), _scintillator(8.0, 6.5, 10.0),
                 channels=4096, range_kev=(30.0, 3000.0), threshold_kev=25.0),
    )  # fmt: skip


def detectors() -> Mapping[str, Detector]:
    """All detector models by name."""
    return MappingProxyType({d.name: d for d in _made()})


def detector(name: str) -> Detector:
    """The model of this name; raises InputError, naming all models, if there is none."""
    known = detectors()
    if name not in known:
        raise InputError(f"unknown detector {name!r}; known: {', '.join(known)}")
    return known[name]


# Patterns tried in order on names and serial numbers found in files.
_PATTERNS = (
    (r"\bRC[-_ ]?103G", "radiacode-103g"),
    (r"\bRC[-_ ]?(101|102|103|110)(?!\d{2})", "radiacode-{}"),
    (r"RADIACODE[-_ ]*103[-_ ]?G", "radiacode-103g"),
    (r"RADIACODE[-_ ]*(101|102|103|110)", "radiacode-{}"),
    (r"HPGE|GERMANIUM|DETECTIVE|\bGE\(LI\)|POPTOP|\bFALCON\b", "hpge"),
    (r"\bNAI\b|NAI\(TL\)|SODIUM IODIDE|ATOM ?SPECTRA|IDENTIFINDER", "nai-2x2"),
    (r"\bCSI\b|CSI\(TL\)|CAESIUM IODIDE|CESIUM IODIDE|KROMEK|\bD3S\b", "csi-generic"),
)


def detector_for(text: str) -> Detector | None:
    """The model that a name, serial number or description from a file means; None if none is known.

    "RadiaCode-102", "RC-110-001537" (serial number) and "HPGe" are understood; a serial number
    wins over other words beside it.
    """
    for pattern, name in _PATTERNS:
        found = re.search(pattern, text.upper())
        if found:
            return detector(name.format(*found.groups()))
    return None

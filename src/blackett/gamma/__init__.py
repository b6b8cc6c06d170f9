"""Which radionuclides does this gamma spectrum hold?

    >>> from blackett import gamma
    >>> found = gamma.identify(gamma.read("rock.xml"))  # doctest: +SKIP

Importing this package is quick and silent; each name below loads what it needs on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackett.lazy import on_first_use

if TYPE_CHECKING:
    from blackett.gamma.batches import SpectrumBatch
    from blackett.gamma.calibration import EnergyCalibration
    from blackett.gamma.detector import Detector
    from blackett.gamma.formats import read, read_bytes, write
    from blackett.gamma.identification import Identification, identify
    from blackett.gamma.mixtures import simulate
    from blackett.gamma.scene import Scene
    from blackett.gamma.spectrum import Spectrum

__all__ = [
    "Detector",
    "EnergyCalibration",
    "Identification",
    "Scene",
    "Spectrum",
    "SpectrumBatch",
    "identify",
    "read",
    "read_bytes",
    "simulate",
    "write",
]
_HOME = {
    "Detector": "detector",
    "EnergyCalibration": "calibration",
    "Identification": "identification",
    "Scene": "scene",
    "Spectrum": "spectrum",
    "SpectrumBatch": "batches",
    "identify": "identification",
    "read": "formats",
    "read_bytes": "formats",
    "simulate": "mixtures",
    "write": "formats",
}

__getattr__ = on_first_use(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__

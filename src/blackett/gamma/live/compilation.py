"""Compiling away from the service: once on a machine, in a process of its own that ends.

    python -m blackett.gamma.live.compilation identification radiacode-103

The first identification on a machine compiles its kernels and builds the templates of a detector,
half a minute of work, and the memory that a compiler took stays with its process: about 150 MB. So
a child does this first identification, or builds the first emulated scene, and the service finds
the caches filled.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import subprocess
import sys
import threading
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

import blackett
from blackett.gamma.cachefile import kept_arrays

if TYPE_CHECKING:
    from collections.abc import Callable

    from blackett.arrays import IntArray
    from blackett.gamma.live.scenario import SimulatedScene

__all__ = ["Work", "compile_away", "compiled_state", "main"]

Work: TypeAlias = Literal["identification", "scene"]
_LOG = logging.getLogger(__name__)
ROOM_CPS, SECONDS = 10.0, 600.0
"""What the child identifies: enough that every part of the fit is run."""


def compile_away(
    work: Work,
    detector_name: str,
    stop: threading.Event,
    tell: Callable[[str], None] = _LOG.info,
) -> bool:
    """Fill the caches for a detector, if they are not filled yet; False where it did not succeed.

    Waits for the child, which is killed when `stop` is set; `tell` gets a sentence when it starts.
    Without success the service compiles for itself, as correct and larger; the reason is logged.
    """
    began = time.monotonic()

    def build() -> dict[str, np.ndarray]:
        tell(f"first use with {detector_name} here: preparing the {work} takes up to a minute")
        _run_child(work, detector_name, stop)
        return {"seconds": np.array(time.monotonic() - began)}

    try:
        kept_arrays(f"compiled-{work}-{detector_name}", compiled_state(), build)
    except (OSError, subprocess.CalledProcessError) as error:
        _LOG.warning("nothing was compiled ahead: %s", error)
        return False
    return True


def _run_child(work: Work, detector_name: str, stop: threading.Event) -> None:
    """Raises CalledProcessError for a child that failed or was killed."""
    command = [sys.executable, "-m", __name__, work, detector_name]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, env=environment
    ) as child:
        while child.poll() is None:
            if stop.wait(0.1):
                child.kill()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)


def compiled_state() -> str:
    """SHA-256 of what numba's caches depend on: sources, versions, processor, their folder."""
    import numba

    package = Path(str(resources.files("blackett.gamma")))
    compiled = [path for path in sorted(package.rglob("*.py")) if b"njit" in path.read_bytes()]
    sources = [(path, path.stat()) for path in compiled]
    told = [
        blackett.__version__, sys.version, numba.__version__,
        platform.node(), platform.machine(), platform.processor(),
        os.environ.get("NUMBA_CACHE_DIR", ""), os.environ.get("NUMBA_CPU_NAME", ""),
        *(f"{path} {found.st_mtime_ns} {found.st_size}" for path, found in sources),
    ]  # fmt: skip
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def main(work: str, detector_name: str) -> None:
    """Count in an emulated room, and identify it, with and without a background."""
    from blackett.gamma.live.scenario import Appearance, Scenario, SimulatedScene
    from blackett.seeds import generator

    of = Scenario((Appearance("Cs-137", net_cps=1.0),), ROOM_CPS, detector=detector_name)
    scene = SimulatedScene(of)
    counts = scene.counts_between(0.0, SECONDS, generator(1))
    if work == "identification":
        _identify(counts, scene)


def _identify(counts: IntArray, scene: SimulatedScene) -> None:
    from blackett.gamma.calibration import EnergyCalibration
    from blackett.gamma.identification import identify
    from blackett.gamma.spectrum import Spectrum

    axis = EnergyCalibration(scene.coefficients_kev)
    room = Spectrum(counts, axis, SECONDS)
    for background in (None, room):
        identify(room, background, detector_name=scene.instrument.name)


def _end_with_the_service() -> None:
    """Its end of our input closes when the service ends, however that happens."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    main(*sys.argv[1:])

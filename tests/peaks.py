"""A small stand-in for the simulation of spectra: lines on a falling continuum, one axis.

Enough to see that training learns; physics is not what its users test.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.gamma.sources import observable_sources, registry_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

AXIS = (0.0, 2.4, 3e-4)
CENTRES = np.polynomial.polynomial.polyval(np.arange(1024), AXIS)
ROOM = np.exp(-CENTRES / 150.0) + 0.03
ROOM /= ROOM.sum()
NAMES = tuple(s.name for s in observable_sources())


@cache
def template(name: str) -> np.ndarray:
    """Counts by channel of a source, normalised: its four strongest lines, and a continuum."""
    lines = next(s for s in observable_sources() if s.name == name).lines()
    strongest = np.argsort(-lines.photons_per_decay)[:4]
    made = np.exp(-CENTRES / 400.0)
    made *= 0.3 / made.sum()
    share = lines.photons_per_decay[strongest] / lines.photons_per_decay[strongest].sum()
    for energy, part in zip(lines.energy_kev[strongest], share, strict=True):
        sigma = 0.09 * np.sqrt(662.0 * max(energy, 10.0)) / 2.355
        peak = np.exp(-0.5 * ((CENTRES - energy) / sigma) ** 2)
        made += 0.7 * part * peak / max(peak.sum(), 1e-9)
    return made / made.sum()


def simulate(_: str, n: int, rng: np.random.Generator, detector: str) -> Iterator[Any]:
    """Up to two of all sources with 10 to 30,000 counts, for 10 s to 3 h at 5 counts per second."""
    present = np.zeros((n, len(NAMES)), bool)
    net = np.zeros((n, len(NAMES)))
    live = 10 ** rng.uniform(1.0, 4.0, n)
    mean = 5.0 * live[:, None] * ROOM
    for i in range(n):
        for s in rng.choice(len(NAMES), rng.integers(0, 3), replace=False):
            present[i, s], net[i, s] = True, 10 ** rng.uniform(1.0, 4.5)
            mean[i] += net[i, s] * template(NAMES[s])
    room_live = np.where(rng.random(n) < 0.5, 3600.0, 0.0)
    yield SimpleNamespace(
        counts=rng.poisson(mean).astype(np.int32),
        channels=np.full(n, 1024, np.int16),
        coefficients_kev=np.tile(AXIS, (n, 1)),
        live_time_s=live,
        real_time_s=live,
        background=rng.poisson(5.0 * room_live[:, None] * ROOM).astype(np.int32),
        background_live_time_s=room_live,
        activity_bq=(net / 100.0).astype(np.float32),
        expected_net=net.astype(np.float32),
        present=present,
        detector=detector,
        sources=NAMES,
        registry_sha256=registry_hash(),
    )

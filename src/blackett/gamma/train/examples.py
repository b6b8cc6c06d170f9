"""From simulated spectra to what a step of training sees, by number and without torch.

Block i of a run is simulated from the generator (seed, i), so that a batch is the same in any
process and at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from blackett.errors import InputError
from blackett.gamma.preparation import DETECTORS, GENERIC, counts_of, prepare_batch
from blackett.gamma.sources import observable_sources
from blackett.gamma.train.invented import invented_counts
from blackett.gamma.train.strangers import moved_counts, stretch
from blackett.seeds import numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator

    from blackett.arrays import FloatArray
    from blackett.gamma.train.recipe import Data

__all__ = [
    "CALIBRATION",
    "LEFT_OUT",
    "TEST",
    "VALIDATION",
    "Examples",
    "Simulated",
    "Spectra",
    "joined",
]

VALIDATION, CALIBRATION, TEST, LEFT_OUT = (1_000_000_001 + k * 100_000_000 for k in range(4))
"""First numbers of the batches that are not trained on."""
ORDER = 2_000_000_001
"""First number of the orders in which blocks are gone through."""
LEAST_NET = 0.1
"""Net counts below which the logarithm of the share stops to fall."""
STRANGE_SIGMA = (6.0, 300.0)
"""Counts of a stranger over the square root of the other counts, uniform in the logarithm."""


class Simulated(Protocol):
    """What is used of a batch of n simulated spectra of S sources (`blackett.gamma.simulate`)."""

    counts: np.ndarray
    channels: np.ndarray
    coefficients_kev: np.ndarray
    live_time_s: np.ndarray
    background: np.ndarray
    background_live_time_s: np.ndarray
    expected_net: np.ndarray
    present: np.ndarray
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Spectra:
    """n spectra with their truth; arrays as in a simulated batch.

    `detector` (n,) are places in `DETECTORS`; `unknown` (n,) is True where a stranger was added.
    """

    counts: np.ndarray
    channels: np.ndarray
    coefficients_kev: np.ndarray
    live_time_s: np.ndarray
    background: np.ndarray
    background_live_time_s: np.ndarray
    expected_net: np.ndarray
    present: np.ndarray
    detector: np.ndarray
    unknown: np.ndarray

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    def where(self, rows: np.ndarray | np.bool) -> Spectra:
        """Some of the spectra: a mask, or their numbers."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _ARRAYS})


_ARRAYS = tuple(Spectra.__dataclass_fields__)


def joined(batches: list[Simulated], detectors: list[int]) -> Spectra:
    """Several simulated batches as one; `detectors` are the places of their detectors."""
    lengths = [b.counts.shape[0] for b in batches]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(b, name) for b in batches]) for name in _ARRAYS[:-2]
    }
    return Spectra(
        **arrays, detector=np.repeat(detectors, lengths), unknown=np.zeros(sum(lengths), bool)
    )


@dataclass(frozen=True)
class Examples:
    """The numbered batches of a run: `simulate` makes spectra, `data` says which, `seed` fixes."""

    data: Data
    seed: int
    simulate: Callable[..., Iterator[Any]]

    def __post_init__(self) -> None:
        unknown = sorted(set(self.data.leave_out) - set(self.all_sources))
        if unknown:
            raise InputError(f"leave_out: {', '.join(unknown)} are no observable sources")

    @cached_property
    def all_sources(self) -> tuple[str, ...]:
        """Names of the columns of a simulated batch."""
        return tuple(s.name for s in observable_sources())

    @cached_property
    def kept(self) -> np.ndarray:
        """Places of the sources that the network learns."""
        return np.array([i for i, n in enumerate(self.all_sources) if n not in self.data.leave_out])

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that the network learns, in the order of its outputs."""
        return tuple(self.all_sources[i] for i in self.kept)

    def spectra(self, index: int, n: int | None = None) -> Spectra:
        """Batch number `index` of `n` spectra, by default those of a step; left-out ones absent."""
        drawn = self.unfiltered(index, n)
        out = np.setdiff1d(np.arange(len(self.all_sources)), self.kept)
        if out.size:
            drawn = drawn.where(~drawn.present[:, out].any(axis=1))
        return replace(
            drawn,
            present=drawn.present[:, self.kept],
            expected_net=drawn.expected_net[:, self.kept],
        )

    def unfiltered(self, index: int, n: int | None = None) -> Spectra:
        """As `spectra`, with the sources that are left out and all columns."""
        rng = numbered(self.seed, index)
        names = self.data.detectors
        share = np.full(len(names), 1.0 / len(names))
        numbers = rng.multinomial(self.data.batch if n is None else n, share)
        batches, places = [], []
        for name, number in zip(names, numbers, strict=True):
            if number:
                made = list(self.simulate(self.data.simulation, int(number), rng, detector=name))
                batches += made
                places += [DETECTORS.index(name)] * len(made)
        drawn = joined(batches, places)
        return self._disguised(self._with_strangers(drawn, rng), rng)

    def _disguised(self, drawn: Spectra, rng: Generator) -> Spectra:
        hidden = rng.random(len(drawn)) < self.data.generic_share
        return replace(drawn, detector=np.where(hidden, GENERIC, drawn.detector))

    def _with_strangers(self, drawn: Spectra, rng: Generator) -> Spectra:
        hosts = np.flatnonzero(rng.random(len(drawn)) < self.data.stranger_share)
        total = drawn.counts.sum(axis=1)
        low, high = np.log(STRANGE_SIGMA)
        wanted = 1.3 * np.exp(rng.uniform(low, high, hosts.size))
        wanted *= np.sqrt(total[hosts] + 10.0)
        invented = rng.random(hosts.size) < self.data.invented_share
        added = np.zeros((hosts.size, drawn.counts.shape[1]), drawn.counts.dtype)
        added[invented] = self._invented(drawn, hosts[invented], wanted[invented], rng)
        added[~invented] = _moved(drawn, hosts[~invented], wanted[~invented], rng)
        seen = added.sum(axis=1) >= STRANGE_SIGMA[0] * np.sqrt(total[hosts] + 10.0)
        counts, unknown = drawn.counts.copy(), drawn.unknown.copy()
        counts[hosts[seen]] += added[seen]
        unknown[hosts[seen]] = True
        return replace(drawn, counts=counts, unknown=unknown)

    def _invented(
        self, drawn: Spectra, hosts: np.ndarray, wanted: FloatArray, rng: Generator
    ) -> np.ndarray:
        """Counts of invented nuclides to be added to `hosts`, (hosts, channels)."""
        made = np.zeros((hosts.size, drawn.counts.shape[1]), drawn.counts.dtype)
        for place in np.unique(drawn.detector[hosts]):
            rows = np.flatnonzero(drawn.detector[hosts] == place)
            chosen = hosts[rows]
            made[rows] = invented_counts(
                DETECTORS[place], wanted[rows], drawn.channels[chosen],
                drawn.coefficients_kev[chosen], rng,
            )  # fmt: skip
        return made

    def features(self, spectra: Spectra, threads: int = 1) -> np.ndarray:
        """Rows of features, (n, FEATURES)."""
        return prepare_batch(spectra, spectra.detector, threads)

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """What the loss of step `index` needs, by name: see `arrays`."""
        per_pass = self.data.block
        block, place = divmod(index, per_pass * self.data.passes)
        turn, piece = divmod(place, per_pass)
        shown = self._block(block)
        rng = numbered(self.seed, ORDER + block * self.data.passes + turn)
        rows = np.array_split(rng.permutation(len(shown["unknown"])), per_pass)[piece]
        return {name: values[rows] for name, values in shown.items()}

    def _block(self, block: int) -> dict[str, np.ndarray]:
        if block not in self._kept_block:
            self._kept_block.clear()
            n = self.data.batch * self.data.block
            self._kept_block[block] = self.arrays(self.spectra(block, n))
        return self._kept_block[block]

    @cached_property
    def _kept_block(self) -> dict[int, dict[str, np.ndarray]]:
        return {}

    def fresh(self, index: int) -> dict[str, np.ndarray]:
        """A batch that no step sees."""
        return self.arrays(self.spectra(VALIDATION + index))

    def arrays(self, spectra: Spectra) -> dict[str, np.ndarray]:
        """features (n, F), present and log_share (n, S), unknown (n,), all float32."""
        features = self.features(spectra)
        counts = np.maximum(counts_of(features), 1.0)[:, None]
        share = np.maximum(spectra.expected_net, LEAST_NET) / counts
        return {
            "features": features,
            "present": spectra.present.astype(np.float32),
            "log_share": np.log(share).astype(np.float32),
            "unknown": spectra.unknown.astype(np.float32),
        }

    def many(self, first: int, n: int, piece: int = 4096) -> Iterator[Spectra]:
        """About `n` fresh spectra from batch number `first` on, in pieces."""
        for number, start in enumerate(range(0, n, piece)):
            yield self.spectra(first + number, min(piece, n - start))


def _moved(drawn: Spectra, hosts: np.ndarray, wanted: FloatArray, rng: Generator) -> np.ndarray:
    """Counts of moved sources to be added to `hosts`, (hosts, channels), none without a donor."""
    made = np.zeros((hosts.size, drawn.counts.shape[1]), drawn.counts.dtype)
    total = drawn.counts.sum(axis=1)
    donors = np.flatnonzero((drawn.expected_net.sum(axis=1) > 0.7 * total) & (total > 300))
    if not donors.size:
        return made
    for row, (host, donor) in enumerate(zip(hosts, rng.choice(donors, hosts.size), strict=True)):
        channels = int(drawn.channels[host])
        made[row, :channels] = moved_counts(
            drawn.counts[donor, : int(drawn.channels[donor])], drawn.coefficients_kev[donor],
            stretch(rng), wanted[row] / total[donor], drawn.coefficients_kev[host], channels, rng,
        )  # fmt: skip
    return made

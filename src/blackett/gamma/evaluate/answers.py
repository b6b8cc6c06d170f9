"""What each method says to a row of spectra: a score for every source, and what it declares.

Scores of one method can be compared with each other only. Names that stand for the same thing
(Rn-222 and Ra-226, Th-228 and Th-232) are one, with the larger score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.gamma import baselines
from blackett.gamma.detector import detector
from blackett.gamma.folding import deposit_edges_kev
from blackett.gamma.identification import identify
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import BINS, source_rate
from blackett.gamma.sources import observable_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.identification import Identification
    from blackett.gamma.spectrum import Spectrum

__all__ = ["METHODS", "Answers", "Method", "families", "family_of"]

COUNTS_AS: Final = {"Rn-222": "Ra-226", "Th-228": "Th-232"}
UNSCORED = -np.inf


@dataclass(frozen=True)
class Answers:
    """Answers of one method to n spectra, for the F families of sources.

    `score` (n, F), -inf where the method has nothing to say; `declared` (n, F), what it names as
    shipped; `net_cps` (n, F) with `low_cps` and `high_cps`, its 95 % interval, nan where it gives
    none; `unknown` (n,), probability of something outside the library, nan where it has none.
    """

    score: FloatArray
    declared: np.ndarray
    net_cps: FloatArray
    low_cps: FloatArray
    high_cps: FloatArray
    unknown: FloatArray

    def __post_init__(self) -> None:
        n, families_ = np.shape(self.score)
        for name in ("score", "net_cps", "low_cps", "high_cps", "declared"):
            kind = np.bool_ if name == "declared" else np.float64
            array = frozen(getattr(self, name), kind)
            if array.shape != (n, families_):
                raise InputError(f"Answers.{name}: shape {array.shape}, not {(n, families_)}")
            object.__setattr__(self, name, array)
        object.__setattr__(self, "unknown", frozen(self.unknown))


class Method(Protocol):
    """Answers spectra of one detector."""

    def __call__(self, spectra: Sequence[Spectrum], detector_name: str) -> Answers:
        """Answers for each spectrum, in its order."""


@cache
def families() -> tuple[str, ...]:
    """Names of what is told apart, in the registry's order."""
    return tuple(s.name for s in observable_sources() if s.name not in COUNTS_AS)


@cache
def _place() -> Mapping[str, int]:
    row = {name: i for i, name in enumerate(families())}
    return {s.name: row[family_of(s.name)] for s in observable_sources()}


def family_of(name: str) -> str:
    """The name under which a source is counted."""
    return COUNTS_AS.get(name, name)


def places(names: Sequence[str]) -> IntArray:
    """Columns of sources by name."""
    return np.array([_place()[name] for name in names], dtype=np.int64)


@cache
def hard_families(detector_name: str) -> np.ndarray:
    """True (F,) where less than a tenth of the counts lie below 60 keV.

    Methods count from 33 keV on the stored axis, or from 30 keV: for these sources all of them, and
    the truth, mean the same counts.
    """
    edges = deposit_edges_kev(BINS)
    low, high = np.searchsorted(edges, (15.0, 60.0))
    hard = []
    for name in families():
        rate = source_rate(name, 1.0, Scene(50.0), detector(detector_name))
        hard.append(rate[low:high].sum() < 0.1 * rate[low:].sum())
    return np.array(hard)


# --- baselines -------------------------------------------------------------------


def _baseline(score: Callable[[Spectrum, str], FloatArray]) -> Method:
    def method(spectra: Sequence[Spectrum], detector_name: str) -> Answers:
        every = np.array([score(s, detector_name) for s in spectra])
        merged = np.zeros((len(spectra), len(families())))
        np.maximum.at(merged.T, places([s.name for s in observable_sources()]), every.T)
        nothing = np.full(merged.shape, np.nan)
        undeclared = np.zeros(merged.shape, dtype=bool)
        unknown = np.full(len(spectra), np.nan)
        return Answers(merged, undeclared, nothing, nothing, nothing, unknown)

    return method


# --- identification --------------------------------------------------------------


def _identification(method_name: str) -> Method:
    def method(spectra: Sequence[Spectrum], detector_name: str) -> Answers:
        return _from_records(
            [identify(s, method=method_name, detector_name=detector_name) for s in spectra]
        )

    return method


def _from_records(records: Sequence[Identification]) -> Answers:
    shape = (len(records), len(families()))
    score, declared = np.full(shape, UNSCORED), np.zeros(shape, dtype=bool)
    net, low, high = (np.full(shape, np.nan) for _ in range(3))
    for i, record in enumerate(records):
        for candidate in record.candidates:
            k = _place()[candidate.nuclide]
            score[i, k] = max(score[i, k], _log_odds(candidate.probability))
        for found in record.nuclides:
            k = _place()[found.nuclide]
            # probabilities are rounded: among certain ones the significance decides
            strength = _log_odds(found.probability) + 1e-3 * found.significance_sigma
            score[i, k], declared[i, k] = max(score[i, k], strength), True
            net[i, k], (low[i, k], high[i, k]) = found.net_cps, found.net_cps_interval_95
    unknown = np.array([record.unknown_probability for record in records])
    return Answers(score, declared, net, low, high, unknown)


def _log_odds(probability: float) -> float:
    p = min(max(probability, 1e-6), 1.0 - 1e-6)
    return float(np.log(p / (1.0 - p)))


METHODS: Final[Mapping[str, Method]] = {
    "hybrid": _identification("hybrid"),
    "unmix": _identification("unmix"),
    "net": _identification("net"),
    "nnls": _baseline(baselines.nonnegative_least_squares),
    "nearest": _baseline(baselines.nearest_template),
    "peaks": _baseline(baselines.peak_search),
}
"""Methods by the name of the command line, best first."""

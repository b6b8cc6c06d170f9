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
from blackett.gamma.certainty import calibrated_for
from blackett.gamma.conclusion import probabilities
from blackett.gamma.detector import detector
from blackett.gamma.folding import deposit_edges_kev
from blackett.gamma.identification import identify_with_fit, shipped_network
from blackett.gamma.network import load
from blackett.gamma.preparation import scaled_channels
from blackett.gamma.scene import Scene
from blackett.gamma.simulation import BINS, source_rate
from blackett.gamma.sources import observable_sources
from blackett.learn.model import Model, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from blackett.arrays import FloatArray, IntArray
    from blackett.gamma.identification import Identification
    from blackett.gamma.spectrum import Spectrum

__all__ = ["METHODS", "Answers", "Files", "Method", "families", "family_of", "method"]

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


def _identification(method_name: str, network: Path | None) -> Method:
    def method(spectra: Sequence[Spectrum], detector_name: str) -> Answers:
        used = None
        if method_name != "unmix":
            used = shipped_network() if network is None else load(network)
        found = [
            identify_with_fit(s, method=method_name, detector_name=detector_name, network=used)
            for s in spectra
        ]
        if method_name == "net" and used is not None:
            told = used.predict(spectra, detector_name)
            every = [dict(zip(told.sources, p, strict=True)) for p in told.probability.tolist()]
        else:
            every = [{} if fit is None else probabilities(fit) for _, fit in found]
        return _from_records([record for record, _ in found], every)

    return method


def _from_records(
    records: Sequence[Identification], every: Sequence[Mapping[str, float]]
) -> Answers:
    """Answers of records, with the probability of every source that each rests on."""
    shape = (len(records), len(families()))
    score, declared = np.full(shape, UNSCORED), np.zeros(shape, dtype=bool)
    net, low, high = (np.full(shape, np.nan) for _ in range(3))
    for i, (record, probability) in enumerate(zip(records, every, strict=True)):
        for name, p in probability.items():
            k = _place()[name]
            score[i, k] = max(score[i, k], _log_odds(p))
        for found in record.nuclides:
            k = _place()[found.nuclide]
            declared[i, k] = True
            net[i, k], (low[i, k], high[i, k]) = found.net_cps, found.net_cps_interval_95
    unknown = np.array([record.unknown_probability for record in records])
    return Answers(score, declared, net, low, high, unknown)


def _log_odds(probability: float) -> float:
    p = min(max(probability, 1e-13), 1.0 - 1e-13)
    return float(np.log(p / (1.0 - p)))


# --- the earlier network ---------------------------------------------------------


@cache
def _vega_model(file: Path, changed_ns: int) -> Model:  # noqa: ARG001
    """The network in a file, read once for each time at which it was changed: it is large."""
    return Model.load(file, file.with_suffix(".json"))


def _vega(file: Path) -> Method:
    def method(spectra: Sequence[Spectrum], detector_name: str) -> Answers:  # noqa: ARG001
        model = _vega_model(file, file.stat().st_mtime_ns)
        logit = model.run(scaled_channels(np.array([s.counts for s in spectra])))["presence"]
        names = list(model.card["isotopes"])
        score = np.full((len(spectra), len(families())), UNSCORED)
        for source in observable_sources():
            if source.name in names:
                k = _place()[source.name]
                score[:, k] = np.maximum(score[:, k], logit[:, names.index(source.name)])
        nothing = np.full(score.shape, np.nan)
        unknown = np.full(len(spectra), np.nan)
        return Answers(score, score > 0.0, nothing, nothing, nothing, unknown)

    return method


# --- all -------------------------------------------------------------------------

_BASELINES: Final = {
    "nnls": baselines.nonnegative_least_squares,
    "nearest": baselines.nearest_template,
    "peaks": baselines.peak_search,
}
METHODS: Final = ("hybrid", "unmix", "net", "vega", *_BASELINES)
"""Methods by the name of the command line, best first."""


@cache
def _hash_of(file: Path, changed_ns: int) -> str:  # noqa: ARG001
    """SHA-256 of a file, worked out once for each time at which it was changed."""
    return sha256_of(file)


@dataclass(frozen=True)
class Files:
    """Networks (ONNX, each with its card beside it) that answer.

    `network` replaces the shipped one in `net` and `hybrid`; `vega` is the earlier network, which
    is not shipped. Raises InputError for a file that is not there.
    """

    network: Path | None = None
    vega: Path | None = None

    def __post_init__(self) -> None:
        for file in (self.network, self.vega):
            if file is not None and not file.is_file():
                raise InputError(f"{file}: no such file; give the .onnx of blackett gamma train")

    def warnings(self, methods: Sequence[str]) -> tuple[str, ...]:
        """What to know of these networks in the answers of `methods`, in sentences."""
        if self.network is None or "hybrid" not in methods:
            return ()
        if sha256_of(self.network) == calibrated_for():
            return ()
        return (
            f"{self.network}: probabilities of the hybrid were calibrated for the shipped network, "
            "not for this one (tools/calibrate_identification.py): its thresholds at equal false "
            "alarms hold, its own rule and its probabilities may not",
        )

    def label(self, name: str) -> str:
        """Name of a method, with the hash of the network that answers where it is not shipped."""
        file = {"net": self.network, "hybrid": self.network, "vega": self.vega}.get(name)
        return name if file is None else f"{name}-{_hash_of(file, file.stat().st_mtime_ns)[:10]}"


def method(name: str, files: Files) -> Method:
    """A method of `METHODS`; raises InputError for another name, or for vega without its file."""
    if name in _BASELINES:
        return _baseline(_BASELINES[name])
    if name == "vega":
        if files.vega is None:
            raise InputError("method vega: its network is not shipped, name it with --vega FILE")
        return _vega(files.vega)
    if name not in METHODS:
        raise InputError(f"method {name!r}: known methods are {', '.join(METHODS)}")
    return _identification(name, None if name == "unmix" else files.network)

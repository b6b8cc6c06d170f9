"""Answers of a trained network, without torch.

    >>> network = load()  # doctest: +SKIP
    >>> network.predict([spectrum]).probability.shape  # doctest: +SKIP
    (1, 105)

A network is an ONNX file and its card (`learn.model`). It is refused when the file is not the
card's, when the registry of sources has changed since it was trained, or when features mean
something else than they did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackett.arrays import frozen
from blackett.errors import FileFormatError, InputError
from blackett.gamma.cachefile import content_hash, kept_arrays
from blackett.gamma.confidence import Confidence, strangeness_inputs
from blackett.gamma.preparation import (
    BINS,
    DETECTORS,
    FEATURES,
    GENERIC,
    Batch,
    counts_of,
    detector_index,
    layout_sha256,
    prepare,
    prepare_batch,
)
from blackett.gamma.sources import registry_hash
from blackett.learn.model import Model

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.spectrum import Spectrum

__all__ = ["Network", "Predictions", "load", "open_model"]

SHIPPED = "identifier.onnx"
REGISTRY = (
    "data/decays.csv", "data/lines.csv", "data/nuclides.csv", "data/sources.csv",
    "decay.py", "nuclides.py", "sources.py",
)  # fmt: skip
"""Files of the package that the registry of sources depends on."""
MOST_ROWS = 4096
"""Spectra that go through the network at a time."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network says of n spectra; S sources in the order of `sources`, arrays read-only."""

    sources: tuple[str, ...]
    confidence: Confidence
    logit: FloatArray
    """Logit of presence as the network gives it, (n, S)."""
    net_cps: FloatArray
    """Net counts per second between 30 and 2800 keV, if the source is present, (n, S)."""
    log_sigma: FloatArray
    """Logarithm of the standard deviation of ln `net_cps`, as the network gives it, (n, S)."""
    unknown_logit: FloatArray
    """Logit that something is there that is no source, (n,); see `confidence.Strangeness`."""
    misfit: FloatArray
    """Chi-squared per bin of the counts against the spectrum that the network expects, (n,)."""
    live_time_s: FloatArray
    """Live times of the spectra, (n,)."""

    @cached_property
    def probability(self) -> FloatArray:
        """Calibrated probability of presence, (n, S)."""
        return frozen(self.confidence.probability(self.logit))

    @cached_property
    def unknown_probability(self) -> FloatArray:
        """Calibrated probability of something unknown, (n,)."""
        return frozen(self.confidence.unknown(self.unknown_logit))

    @property
    def net_cps_sigma(self) -> FloatArray:
        """Half the width of the 68 % interval of `net_cps`, counts per second, (n, S)."""
        low, high = self.net_cps_interval(0.68)
        return np.asarray(0.5 * (high - low))

    def net_cps_interval(self, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Low and high net counts per second, (n, S) each, at a level of the card (0.68, 0.95)."""
        live = self.live_time_s[:, None]
        log_net = np.log(np.maximum(self.net_cps * live, 1e-12))
        low, high = self.confidence.interval(log_net, self.log_sigma, level)
        return low / live, high / live

    def declared(self, false_alarm_rate: float = 1e-3) -> np.ndarray:
        """True (n, S) where a source is declared; the rate is that of one source in one spectrum.

        Raises InputError for a rate that the card does not keep.
        """
        return np.asarray(self.logit > self.confidence.threshold(false_alarm_rate))

    def unknown(self, false_alarm_rate: float = 1e-3) -> np.ndarray:
        """True (n,) where the spectrum holds something that is none of the sources."""
        return np.asarray(self.unknown_logit > self.confidence.unknown_threshold(false_alarm_rate))

    def sets(self, coverage: float = 0.9) -> np.ndarray:
        """True (n, S) for members of a set that holds all detectable sources with `coverage`."""
        return np.asarray(self.logit >= self.confidence.set_threshold(coverage))

    def named(self, row: int, false_alarm_rate: float = 1e-3) -> list[str]:
        """Names declared in one spectrum, most probable first."""
        chosen = np.flatnonzero(self.declared(false_alarm_rate)[row])
        order = chosen[np.argsort(-self.probability[row, chosen], kind="stable")]
        return [self.sources[i] for i in order]


@dataclass(frozen=True, eq=False)
class Network:
    """A network ready to answer, with its calibration."""

    model: Model
    sources: tuple[str, ...]
    confidence: Confidence

    @property
    def sha256(self) -> str:
        """SHA-256 of the ONNX file."""
        return str(self.model.card["sha256"])

    @property
    def name(self) -> str:
        """Name of the network, that of its recipe."""
        return str(self.model.card["name"])

    def predict(
        self, spectra: Sequence[Spectrum] | Batch, detector: str | np.ndarray | None = None
    ) -> Predictions:
        """Answers for spectra, with the backgrounds attached to them, or for a simulated batch.

        `detector` names the model for all, or is an array (n,) of places in
        `preparation.DETECTORS` for a batch; without it each spectrum's own text decides, or the
        batch's `detector`. Raises InputError for uncalibrated spectra, or for a detector that the
        network does not know.
        """
        if isinstance(spectra, Sequence):
            if isinstance(detector, np.ndarray):
                raise InputError("give measured spectra the name of their detector, or none")
            live = np.array([s.live_time_s for s in spectra], float)
            return self.answer(prepare(spectra, detector), live)
        features = prepare_batch(spectra, _places(spectra, detector))
        return self.answer(features, np.asarray(spectra.live_time_s, float))

    def answer(self, features: np.ndarray, live_time_s: FloatArray) -> Predictions:
        """Answers for rows of features (n, FEATURES)."""
        raw = raw_answers(self.model, features)
        counts, chi2 = counts_of(features), misfit(features, raw["shape"])
        strange = strangeness_inputs(raw["unknown"], raw["presence"], chi2, counts)
        return Predictions(
            self.sources,
            self.confidence,
            frozen(raw["presence"]),
            frozen(np.exp(raw["log_share"]) * (counts / live_time_s)[:, None]),
            frozen(raw["log_sigma"]),
            frozen(self.confidence.strangeness(strange)),
            frozen(chi2),
            frozen(live_time_s),
        )


def misfit(features: np.ndarray, shape: np.ndarray) -> FloatArray:
    """Chi-squared per bin (n,) of the first BINS features against an expected spectrum."""
    variance = 0.25 * BINS / np.maximum(counts_of(features), 1.0)
    return np.asarray(np.square(features[:, :BINS] - shape).mean(axis=1) / variance)


def raw_answers(model: Model, features: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of the network for rows of features, in pieces of `MOST_ROWS`."""
    if not len(features):
        raise InputError("no spectrum given")
    pieces = [
        model.run(features[start : start + MOST_ROWS])
        for start in range(0, len(features), MOST_ROWS)
    ]
    return {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}


def _places(batch: Batch, detector: str | np.ndarray | None) -> np.ndarray:
    chosen = getattr(batch, "detector", DETECTORS[GENERIC]) if detector is None else detector
    if isinstance(chosen, np.ndarray):
        return chosen
    return np.full(len(batch.live_time_s), detector_index(chosen))


def load(path: Path | None = None) -> Network:
    """The shipped network, or the one at `path` (ONNX; its card beside it as .json).

    Raises FileFormatError when it is broken, not the card's, or was trained for another registry
    of sources or other features.
    """
    model = open_model(_shipped() if path is None else path)
    card = model.card
    if "confidence" not in card:
        raise FileFormatError(str(path), "", "has not been calibrated")
    return Network(model, tuple(card["sources"]), Confidence.from_dict(card["confidence"]))


def open_model(path: Path) -> Model:
    """The network at `path` without its calibration; refused like in `load`."""
    model = Model.load(path, path.with_suffix(".json"))
    wanted = {"registry_sha256": _registry_hash(), "layout_sha256": layout_sha256()}
    for name, value in wanted.items():
        if model.card.get(name) != value:
            raise FileFormatError(
                str(path), "card", f"{name} is {model.card.get(name)}, this version's is {value}: "
                "train the network again"
            )  # fmt: skip
    if model.session.get_inputs()[0].shape[1] != FEATURES:
        raise FileFormatError(str(path), "", f"does not take rows of {FEATURES} features")
    return model


@cache
def _registry_hash() -> str:
    """`registry_hash()`, kept in the cache folder: reading all lines takes a tenth of a second."""
    made_from = content_hash(REGISTRY)
    kept = kept_arrays("registry", made_from, lambda: {"sha256": np.array(registry_hash())})
    return str(kept["sha256"])


def _shipped() -> Path:
    return Path(str(resources.files("blackett.gamma") / "data" / SHIPPED))

"""How sure the answers of a network are: fitted once on fresh simulation, kept in its card.

* Probabilities: one temperature for all sources.
* Thresholds: for each source, the logit that a stated share of the spectra WITHOUT it exceeds. They
  hold for the mixture of the simulation: backgrounds, other sources, strangers.
* Sets: the logit above which all detectable sources of a spectrum lie, with a stated coverage over
  spectra (split conformal prediction; its score is the least logit of a detectable source).
  Ready-made packages (MAPIE 1.6) wrap estimators of scikit-learn and offer for several labels at
  once the control of recall, which is what the quantile here does in one line.
* Intervals: quantiles of (ln true - ln predicted) / sigma in bands of predicted net counts, over
  the sources that are present and declared at the highest rate: the ones that are reported.
* Unknown: the network's own logit, the joint energy of its presence logits, the misfit to the
  spectrum that it expects and the counts, combined by a logistic regression with squares and
  products; probability by isotonic regression, thresholds like those of sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.learn.calibration import Isotonic, conformal_quantile, temperature, threshold_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blackett.arrays import FloatArray

__all__ = [
    "COVERAGES",
    "DETECTABLE_SIGMA",
    "LEVELS",
    "OWN_ALONE",
    "RATES",
    "Confidence",
    "Outcome",
    "Strangeness",
    "joint_energy",
    "strangeness_inputs",
]

RATES = (1e-2, 1e-3, 1e-4)
"""False-alarm rates, of one source in one spectrum, for which thresholds are kept."""
COVERAGES = (0.8, 0.9, 0.95)
LEVELS = (0.68, 0.95)
DETECTABLE_SIGMA = 5.0
"""A source counts as detectable when its expected net counts exceed this many times the square root
of all counts."""
NET_BANDS = (0.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 9.0)
"""Edges of the bands of log10(predicted net counts)."""
RIDGE = 1e-5
FARTHEST = 5.0
"""Standard deviations beyond which an input says no more."""
FEWEST = 200
"""Residuals below which a band takes the quantiles of all bands."""
SCARCE = 20
"""Residuals in all bands below which there is nothing to calibrate with."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Answers of a network to n spectra with their truth."""

    logit: FloatArray
    """Presence, (n, S)."""
    log_share: FloatArray
    log_sigma: FloatArray
    unknown: FloatArray
    """The network's own logit of "unknown", (n,)."""
    misfit: FloatArray
    """Chi-squared per bin against the spectrum that the network expects, (n,)."""
    counts: FloatArray
    """All counts of the spectra, (n,)."""
    present: np.ndarray
    """Truth, (n, S)."""
    expected_net: FloatArray
    """Truth, (n, S)."""
    strange: np.ndarray
    """Truth: something unknown is in it, (n,)."""

    def where(self, rows: np.ndarray | np.bool) -> Outcome:
        """Some of the spectra."""
        return Outcome(**{name: getattr(self, name)[rows] for name in Outcome.__annotations__})

    @property
    def detectable(self) -> np.ndarray:
        """Sources present and strong enough, (n, S); see `DETECTABLE_SIGMA`."""
        strong = self.expected_net > DETECTABLE_SIGMA * np.sqrt(self.counts[:, None] + 1.0)
        return np.asarray(self.present & strong)

    @property
    def log_net(self) -> FloatArray:
        """Natural logarithm of the predicted net counts, (n, S)."""
        return np.asarray(self.log_share + np.log(np.maximum(self.counts, 1.0))[:, None])

    @property
    def strangeness_inputs(self) -> FloatArray:
        """What a `Strangeness` looks at, (n, 4)."""
        return strangeness_inputs(self.unknown, self.logit, self.misfit, self.counts)

    @property
    def residual(self) -> FloatArray:
        """(ln true - ln predicted net counts) / sigma, (n, S)."""
        true = np.log(np.maximum(self.expected_net, 0.1))
        return np.asarray((true - self.log_net) / np.exp(self.log_sigma))


@dataclass(frozen=True, eq=False)
class Strangeness:
    """A logit that something unknown is there, of four numbers, their squares and products.

    `centre` and `scale` (4,) standardise the inputs; `weights` (15,) belong to 1, the inputs, and
    their products in the order of the upper triangle.
    """

    centre: FloatArray
    scale: FloatArray
    weights: FloatArray

    @classmethod
    def fit(cls, inputs: FloatArray, strange: np.ndarray) -> Strangeness:
        """Largest likelihood of `strange` (n,) given `inputs` (n, 4), with a faint ridge."""
        unit = cls(inputs.mean(axis=0), inputs.std(axis=0) + 1e-9, np.zeros(15))
        terms, truth = unit._terms(inputs), strange.astype(float)

        def cost(weights: FloatArray) -> tuple[float, FloatArray]:
            logit = terms @ weights
            value = np.mean(np.logaddexp(0.0, logit) - truth * logit) + RIDGE * weights @ weights
            slope = terms.T @ (expit(logit) - truth) / truth.size + 2.0 * RIDGE * weights
            return float(value), slope

        from scipy import optimize  # slow to import, and not needed to answer

        found = optimize.minimize(cost, np.zeros(15), jac=True, method="BFGS")
        return cls(frozen(unit.centre), frozen(unit.scale), frozen(found.x))

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Logits (n,) of inputs (n, 4)."""
        return np.asarray(self._terms(inputs) @ self.weights)

    def _terms(self, inputs: FloatArray) -> FloatArray:
        z = np.clip((inputs - self.centre) / self.scale, -FARTHEST, FARTHEST)
        first, second = np.triu_indices(z.shape[1])
        return np.concatenate([np.ones((len(z), 1)), z, z[:, first] * z[:, second]], axis=1)


OWN_ALONE = Strangeness(np.zeros(4), np.array([1e3, 1.0, 1.0, 1.0]), 1e3 * np.eye(15)[1])
"""The network's own logit and nothing else."""


def strangeness_inputs(
    unknown: FloatArray, logit: FloatArray, misfit: FloatArray, counts: FloatArray
) -> FloatArray:
    """Inputs (n, 4) of a `Strangeness` from the outputs of a network to n spectra."""
    return np.stack(
        [
            unknown,
            joint_energy(logit),
            np.log(np.maximum(misfit, 1e-3)),
            np.log(np.maximum(counts, 0.0) + 1.0),
        ],
        axis=1,
    )


def joint_energy(logit: FloatArray) -> FloatArray:
    """-sum ln(1 + exp(logit)), (n,): low where sources are seen (H. Wang et al., NeurIPS 2021,
    arXiv 2109.14162)."""
    return np.asarray(-np.logaddexp(0.0, logit).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Confidence:
    """Fitted numbers that turn outputs of a network into answers; see the module's text."""

    temperature: float
    thresholds: Mapping[float, FloatArray]
    """Logits (S,) by false-alarm rate."""
    sets: Mapping[float, float]
    """Logit by coverage."""
    quantiles: Mapping[float, FloatArray]
    """Low and high residual (bands, 2) by level."""
    unknown: Isotonic
    unknown_thresholds: Mapping[float, float]
    strangeness: Strangeness = OWN_ALONE

    @classmethod
    def fit(cls, found: Outcome) -> Confidence:
        """Fit everything on fresh spectra; InputError where they are too few for the rates."""
        known = found.where(~found.strange)
        thresholds = {r: _thresholds(known, r) for r in RATES if r * len(known.logit) >= 10}
        if not thresholds:
            raise InputError(f"{len(known.logit)} spectra are too few to calibrate a network")
        reported = found.present & (found.logit > thresholds[max(thresholds)])
        strangeness = Strangeness.fit(found.strangeness_inputs, found.strange)
        score = strangeness(found.strangeness_inputs)
        return cls(
            temperature(found.logit, found.present),
            thresholds,
            {c: _set_threshold(known, c) for c in COVERAGES},
            {level: _quantiles(found, reported, level) for level in LEVELS},
            Isotonic.fit(score, found.strange),
            {r: threshold_at(score[~found.strange], r) for r in thresholds},
            strangeness,
        )

    def probability(self, logit: FloatArray) -> FloatArray:
        """Probability that a source is present, in the mixture of the simulation; any shape."""
        return np.asarray(expit(np.asarray(logit, float) / self.temperature))

    def threshold(self, false_alarm_rate: float) -> FloatArray:
        """Logits (S,) for one of the rates kept; InputError for another."""
        return np.asarray(_kept(self.thresholds, false_alarm_rate, "false-alarm rate"))

    def unknown_threshold(self, false_alarm_rate: float) -> float:
        """Logit of "unknown" for one of the rates kept; InputError for another."""
        return float(_kept(self.unknown_thresholds, false_alarm_rate, "false-alarm rate"))

    def set_threshold(self, coverage: float) -> float:
        """Logit from which a source belongs to the set of this coverage; InputError for another."""
        return float(_kept(self.sets, coverage, "coverage"))

    def interval(
        self, log_net: FloatArray, log_sigma: FloatArray, level: float
    ) -> tuple[FloatArray, FloatArray]:
        """Low and high net counts at a level kept, same shape as the natural logarithms given."""
        low_high = _kept(self.quantiles, level, "level")[_bands(log_net)]
        sigma = np.exp(log_sigma)
        return np.exp(log_net + low_high[..., 0] * sigma), np.exp(
            log_net + low_high[..., 1] * sigma
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain types for a card."""
        return {
            "temperature": self.temperature,
            "thresholds": {str(r): _rounded(t) for r, t in self.thresholds.items()},
            "sets": {str(c): t for c, t in self.sets.items()},
            "detectable_sigma": DETECTABLE_SIGMA,
            "net_bands_log10": list(NET_BANDS),
            "quantiles": {str(level): _rounded(q) for level, q in self.quantiles.items()},
            "unknown": {
                "score": _rounded(self.unknown.score),
                "probability": _rounded(self.unknown.probability, 6),
            },
            "unknown_thresholds": {str(r): t for r, t in self.unknown_thresholds.items()},
            "strangeness": {
                name: np.asarray(getattr(self.strangeness, name)).tolist()
                for name in ("centre", "scale", "weights")
            },
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Confidence:
        """The inverse of `to_dict`; InputError for bands of another version."""
        if tuple(given["net_bands_log10"]) != NET_BANDS:
            raise InputError("the card's bands of net counts are not those of this version")
        unknown = given["unknown"]
        return cls(
            float(given["temperature"]),
            {float(r): frozen(t) for r, t in given["thresholds"].items()},
            {float(c): float(t) for c, t in given["sets"].items()},
            {float(level): frozen(q) for level, q in given["quantiles"].items()},
            Isotonic(frozen(unknown["score"]), frozen(unknown["probability"])),
            {float(r): float(t) for r, t in given["unknown_thresholds"].items()},
            Strangeness(**{name: frozen(v) for name, v in given["strangeness"].items()}),
        )


def _kept(values: Mapping[float, Any], wanted: float, what: str) -> Any:
    if wanted not in values:
        raise InputError(f"{what} {wanted}: the card keeps {', '.join(map(str, values))}")
    return values[wanted]


def _rounded(values: FloatArray, digits: int = 4) -> Any:
    return np.round(values, digits).tolist()


def _thresholds(found: Outcome, rate: float) -> FloatArray:
    return frozen(
        [
            threshold_at(found.logit[~found.present[:, s], s], rate)
            for s in range(found.logit.shape[1])
        ]
    )


def _set_threshold(found: Outcome, coverage: float) -> float:
    least = np.where(found.detectable, found.logit, np.inf).min(axis=1)
    return -conformal_quantile(-least[np.isfinite(least)], coverage)


def _bands(log_net: FloatArray) -> np.ndarray:
    inner = np.array(NET_BANDS[1:-1])
    return np.asarray(np.searchsorted(inner, np.asarray(log_net) / np.log(10.0)))


def _quantiles(found: Outcome, reported: np.ndarray, level: float) -> FloatArray:
    """Low and high residual (bands, 2), equal shares outside on either side."""
    tails = np.array([0.5 - 0.5 * level, 0.5 + 0.5 * level])
    residual, band = found.residual[reported], _bands(found.log_net[reported])
    if residual.size < SCARCE:
        raise InputError(f"{residual.size} sources are declared: too few to calibrate intervals")
    rows = [residual[band == b] for b in range(len(NET_BANDS) - 1)]
    return frozen([np.quantile(r if r.size >= FEWEST else residual, tails) for r in rows])

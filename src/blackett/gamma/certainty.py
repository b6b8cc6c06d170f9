"""How sure the fit's answers are, as counted on simulated spectra.

A likelihood ratio L says that something like this source is there; whether it is this one or one
that looks alike depends on how much better it does than its best rival, and on what else is known.
So the probability of a declared source is a logistic function of

    asinh((L - L of the best rival in its place) / 10),
    the logit that a network gives it (0 without a network),
    the logarithm of its prior odds, by how often owners meet it,

and that of any other source one of ln(1 + gain of the score test) and the same two. The weights are
those of `tools/calibrate_identification.py`, none negative but the constants: more evidence never
makes an answer less probable.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

import numpy as np

from blackett.arrays import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.arrays import FloatArray

__all__ = [
    "Certainty",
    "calibrated_for",
    "candidate_terms",
    "certainty",
    "declared_terms",
    "strangeness",
]

MARGIN_SCALE = 10.0
"""Differences of twice the log-likelihood ratio beyond this count by their logarithm."""
NETWORK_LOGITS = (-2.0, 5.0)
"""Logits of a network outside say no more of a source that the fit needs. One that denies a source
has seen no measured spectrum: it must not outvote a fit that no other source can match."""
STRANGE = np.array([-2.03, -0.465, 3.88])
"""Weights of 1, the network's logit and the logarithm of the deviance per degree of freedom.

Fitted to 125 simulated spectra of 18 nuclides that neither network nor library knew and 55 of known
sources (`tools/measure_unknown.py`), for one such stranger in ten sources (`STRANGERS`)."""


@dataclass(frozen=True, eq=False)
class Certainty:
    """Weights of the terms of a declared source and of a candidate, (4,) each."""

    declared: FloatArray
    candidate: FloatArray

    def of_declared(self, ratio: float, rival: float, logit: float, log_odds: float) -> float:
        """Probability that a declared source is there; arguments as in `declared_terms`."""
        return _logistic(float(self.declared @ declared_terms(ratio, rival, logit, log_odds)))

    def of_candidate(self, gain: float, logit: float, log_odds: float) -> float:
        """Probability that a source is there that the fit does not hold."""
        return _logistic(float(self.candidate @ candidate_terms(gain, logit, log_odds)))


def declared_terms(ratio: float, rival: float, logit: float, log_odds: float) -> FloatArray:
    """Terms (4,) of a source: its likelihood ratio and its best rival's, a network's logit, and the
    logarithm of its prior odds."""
    margin = float(np.arcsinh((ratio - rival) / MARGIN_SCALE))
    return np.array([1.0, margin, _held(logit), log_odds])


def candidate_terms(gain: float, logit: float, log_odds: float) -> FloatArray:
    """Terms (4,) of a source whose score test promises `gain` in twice the log-likelihood."""
    # held, all that a network thinks impossible would be alike
    return np.array([1.0, float(np.log1p(max(gain, 0.0))), logit, log_odds])


def strangeness(believed: float, deviance_per_dof: float) -> float:
    """Probability that a spectrum with sources in its fit holds one that no library knows.

    `believed` is the largest logit that a network gives to a source in the fit.
    """
    misfit = float(np.log(max(deviance_per_dof, 0.5)))
    return _logistic(float(STRANGE @ np.array([1.0, _held(believed), misfit])))


def _held(logit: float) -> float:
    return float(np.clip(logit, *NETWORK_LOGITS))


def _logistic(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 30.0))))


@cache
def calibrated_for() -> str:
    """SHA-256 of the network for which the weights of the hybrid were fitted."""
    return str(json.loads(_text())["network_sha256"])


def _text() -> str:
    return resources.files("blackett.gamma").joinpath("data/certainty.json").read_text("utf-8")


@cache
def certainty(method: Literal["unmix", "hybrid"]) -> Certainty:
    """The fitted weights of a method, from the package's data."""
    weights: dict[str, Sequence[float]] = json.loads(_text())["weights"][method]
    return Certainty(frozen(weights["declared"]), frozen(weights["candidate"]))

"""What a network says, as prior odds of the fit that verifies it, or as an answer of its own.

A network has seen more spectra than any prior can put into words, but proves nothing; the fit knows
the physics of one spectrum. In the hybrid, each source needs

    Lambda >= needed - 2 weight logit(p)

for its likelihood ratio Lambda, with p the network's calibrated probability: what the network
expects needs less proof, what it excludes needs more, within bounds. One start of the search is
made of the sources that the network proposes alone, others of all, so that a source that it misses
is still found; look-alikes, between which the fit can hardly choose, are told apart by odds. Both
look at the same counts, so their evidence does not simply add up: the numbers in `FITTED` come
from simulated spectra (tools/compare_hybrid.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from blackett.gamma.answer import Candidate, NuclideFound
from blackett.gamma.conclusion import MOST_CANDIDATES, Shell
from blackett.gamma.unmix import Told

if TYPE_CHECKING:
    from blackett.gamma.answer import Identification, Verdict
    from blackett.gamma.network import Predictions
    from blackett.gamma.unmix import Task

__all__ = ["FITTED", "Combination", "conclude_alone", "with_odds"]


@dataclass(frozen=True)
class Combination:
    """How a network's log-odds and a likelihood ratio go together."""

    needed: float
    """Twice the log-likelihood ratio needed by a source that the network gives one half."""
    weight: float
    """How much of the network's log-odds counts."""
    least: float
    """No source passes with a smaller ratio, whatever the network says."""
    most: float
    """With a larger ratio every source passes."""


FITTED = Combination(needed=20.0, weight=2.0, least=9.0, most=60.0)
LEAST_PROBABILITY = 1e-6
EXPECTED_FROM = 0.05
"""Sources from this probability on are what the network proposes."""
FALSE_ALARM_RATE = 1e-3
"""Of one source in one spectrum, for the network alone."""


def with_odds(t: Task, told: Predictions, combination: Combination = FITTED) -> Task:
    """The task with prior odds by a network's answer to its spectrum (the first in `told`)."""
    p = np.clip(told.probability[0], LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    needed = combination.needed - 2.0 * combination.weight * np.log(p / (1.0 - p))
    needed = np.clip(needed, combination.least, combination.most)
    by_name = dict(zip(told.sources, (0.5 * (t.settings.needed - needed)).tolist(), strict=True))
    # continua of no source, and sources that the network was not trained on, keep their odds
    columns = zip(t.library.source_of, t.library.log_prior.tolist(), strict=True)
    odds = [by_name.get(name, prior) for name, prior in columns]
    named = {told.sources[i] for i in np.flatnonzero(p >= EXPECTED_FROM)}
    expected = np.array([name in named for name in t.library.source_of])
    logits = dict(zip(told.sources, np.log(p / (1.0 - p)).tolist(), strict=True))
    word = Told(logits, float(told.unknown_logit[0]))
    return replace(t, log_odds=np.array(odds), expected=expected, told=word)


def conclude_alone(shell: Shell, told: Predictions) -> Identification:
    """The answer of a network alone (to the first spectrum in `told`): no lines, no fit."""
    declared = told.declared(FALSE_ALARM_RATE)[0]
    order = np.argsort(-told.probability[0], kind="stable")
    found = tuple(_nuclide(told, int(i)) for i in order if declared[i])
    unknown = bool(told.unknown(FALSE_ALARM_RATE)[0])
    verdict: Verdict = "identified" if found else "unknown" if unknown else "background"
    near = [i for i in order if not declared[i] and told.probability[0, i] >= 0.01]
    return shell.answer(
        verdict,
        warning="a network's word alone: no lines and no fit prove it",
        nuclides=found,
        candidates=tuple(
            Candidate(told.sources[i], round(float(told.probability[0, i]), 4))
            for i in near[:MOST_CANDIDATES]
        ),
        unknown_probability=round(float(told.unknown_probability[0]), 4),
    )


def _nuclide(told: Predictions, i: int) -> NuclideFound:
    """Source i as the network declares it; the significance is its rate over the rate's error."""
    cps, sigma = float(told.net_cps[0, i]), float(told.net_cps_sigma[0, i])
    low, high = _interval(told, i)
    return NuclideFound(
        nuclide=told.sources[i],
        probability=round(float(told.probability[0, i]), 4),
        significance_sigma=cps / sigma if sigma > 0 else 0.0,
        net_cps=cps,
        net_cps_interval_95=(low, high),
        activity_bq=None,
        activity_bq_interval_95=None,
        lines=(),
    )


def _interval(told: Predictions, i: int) -> tuple[float, float]:
    low, high = told.net_cps_interval(0.95)
    return float(low[0, i]), float(high[0, i])

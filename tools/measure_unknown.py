"""Nuclides that neither network nor library knows: are they called unknown, or given wrong names?

    blackett gamma train --recipe recipes/gamma/openset.toml --out build/openset
    python tools/measure_unknown.py --network build/openset/network.onnx --each 8 --known 300

The library is cut to the sources of a network that was trained without some. Answered by the hybrid
are spectra of each left-out source alone (500 to 20,000 net counts) and, of as many as asked for of
`tools/compare_hybrid.py`, those whose sources are all known; of both only strong ones (net counts
above 8 times the square root of all). Printed are areas under the curve of the unknown probability
and of what it is made of, shares of verdicts, and weights for `certainty.STRANGE`.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from scipy import optimize
from scipy.stats import rankdata

from blackett.gamma import identification
from blackett.gamma.certainty import NETWORK_LOGITS
from blackett.gamma.network import load
from blackett.gamma.sources import observable_sources
from blackett.gamma.templates import CONTINUUM, Library, library
from blackett.gamma.trials import Conditions, Trial, draw_trial
from blackett.seeds import numbered
from compare_hybrid import MODELS, drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blackett.gamma.network import Network

STRONG_SIGMA = 8.0
STRANGERS = 0.1
"""Share of strangers among sources for which the printed constant stands."""


@cache
def without_sources(detector: str, gone: frozenset[str]) -> Library:
    """The library of a detector without some sources."""
    whole = library(detector)
    rows = [i for i, name in enumerate(whole.source_of) if name not in gone]
    n = len(whole.source_of)
    cut: dict[str, Any] = {}
    for field in fields(whole):
        value = getattr(whole, field.name)
        if isinstance(value, np.ndarray) and n in value.shape:
            cut[field.name] = value.take(rows, axis=value.shape.index(n))
        elif isinstance(value, tuple) and len(value) == n:
            cut[field.name] = tuple(value[i] for i in rows)
    return replace(whole, **cut)


def strangers(gone: frozenset[str], each: int, seed: int) -> Iterator[Trial]:
    """Spectra of left-out sources."""
    for index in range(each * len(gone)):
        rng = numbered(seed, index)
        conditions = Conditions(
            net_counts=float(10.0 ** rng.uniform(2.7, 4.3)),
            detector=MODELS[index % len(MODELS)],
            background="same room" if rng.random() < 0.6 else "none",
        )
        yield draw_trial((sorted(gone)[index % len(gone)],), conditions, rng)


def strong(trial: Trial) -> bool:
    """Whether anybody could see that something is there."""
    return bool(sum(trial.net_counts) > STRONG_SIGMA * np.sqrt(trial.spectrum.total_counts + 1.0))


def row(trial: Trial, network: Network) -> tuple[float, ...]:
    """Unknown probability, belief, ln deviance, the network's unknown, named, verdict unknown."""
    found, unmixed = identification.identify_with_fit(trial.spectrum, network=network)
    told = network.predict([trial.spectrum], found.detector)
    believed = NETWORK_LOGITS[0]
    if unmixed is not None and unmixed.task.told is not None:
        logits = unmixed.task.told.logit
        needed = [e.name for e in unmixed.declared if e.name != CONTINUUM]
        believed = float(np.clip(max([logits[n] for n in needed], default=0.0), *NETWORK_LOGITS))
    fit = found.goodness_of_fit
    return (
        found.unknown_probability, believed, np.log(max(fit.deviance_per_dof, 0.5)) if fit else 0.0,
        float(told.unknown_logit[0]), float(bool(found.nuclides)),
        float(found.verdict == "unknown"),
    )  # fmt: skip


def area(score: np.ndarray, strange: np.ndarray) -> float:
    """Area under the curve, ties shared."""
    ranks, n = rankdata(score), int(strange.sum())
    return float((ranks[strange].sum() - n * (n + 1) / 2) / (n * (strange.size - n)))


def weights(terms: np.ndarray, strange: np.ndarray) -> np.ndarray:
    """Logistic weights, the constant moved to `STRANGERS`."""

    def cost(w: np.ndarray) -> float:
        z = terms @ w
        return float(np.sum(np.logaddexp(0.0, z) - strange * z) + 0.025 * w @ w)

    found = optimize.minimize(cost, np.zeros(terms.shape[1])).x
    share = strange.mean()
    found[0] += np.log(STRANGERS / (1 - STRANGERS)) - np.log(share / (1 - share))
    return np.asarray(found)


def main() -> None:
    """Draw, answer, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", type=Path, required=True, help="trained without some sources")
    parser.add_argument("--each", type=int, default=8, help="spectra of each left-out source")
    parser.add_argument("--known", type=int, default=300, help="spectra of other sources")
    parser.add_argument("--seed", type=int, default=801)
    options = parser.parse_args()
    network = load(options.network)
    gone = frozenset(s.name for s in observable_sources()) - frozenset(network.sources)
    known = (drawn(i, options.seed + 1) for i in range(options.known))
    trials = [
        *((True, t) for t in strangers(gone, options.each, options.seed) if strong(t)),
        *((False, t) for t in known if t.present and not gone & set(t.present) and strong(t)),
    ]
    strange = np.array([s for s, _ in trials])
    with mock.patch.object(identification, "library", lambda name: without_sources(name, gone)):
        answers = np.array([row(t, network) for _, t in trials])
    print(f"{strange.sum()} strangers, {(~strange).sum()} spectra of known sources")
    names = ("unknown probability", "disbelief", "ln deviance", "network's unknown")
    for name, score in zip(names, answers.T * np.array([1, -1, 1, 1, 1, 1])[:, None], strict=False):
        print(f"area under the curve, {name}: {area(score, strange):.3f}")
    for who, rows in (("strangers", strange), ("known", ~strange)):
        named, unknown = answers[rows, 4:].mean(axis=0)
        print(f"{who}: named {named:.3f}, verdict unknown {unknown:.3f}")
    terms = np.column_stack([np.ones(strange.size), answers[:, 1], answers[:, 2]])
    print("weights of 1, the network's logit, ln deviance:", weights(terms, strange).round(3))


if __name__ == "__main__":
    main()

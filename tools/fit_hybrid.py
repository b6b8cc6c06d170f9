"""Fit how a network's log-odds and likelihood ratios go together, on simulated spectra.

    python tools/fit_hybrid.py --network build/network.onnx --spectra 2000 --out build/hybrid.jsonl

Half of the spectra are rooms alone, the others hold one to three sources of 30 to 30,000 net counts
(`trials`), for all RadiaCode models in turn. Each is unmixed with lenient odds; every source that
stays is a row with its ratio and the network's log-odds, true or false. Two numbers come out of a
logistic fit of all rows: the weight, and the ratio needed at the stated false alarms per spectrum.
Finished spectra in --out are not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from blackett.gamma import hybrid
from blackett.gamma import unmix as unmixing
from blackett.gamma.detector import detector
from blackett.gamma.identification import _group
from blackett.gamma.network import Network, load
from blackett.gamma.sources import source
from blackett.gamma.templates import CONTINUUM, library
from blackett.gamma.trials import Conditions, draw_sources, draw_trial, offered_names
from blackett.gamma.unmix import DEFAULT
from blackett.seeds import numbered

MODELS = ("radiacode-101", "radiacode-102", "radiacode-103", "radiacode-103g", "radiacode-110")
LENIENT = hybrid.Combination(needed=12.0, weight=0.7, least=6.0, most=36.0)
SAME_SERIES = ({"Ra-226", "Rn-222"}, {"Th-232", "Th-228"})
HIGHEST_RATIO = 60.0
"""Ratios above this are as good as this one: certain by either."""


def one(index: int, seed: int, network: Network) -> dict[str, Any]:
    """Rows of one spectrum."""
    rng = numbered(seed, index)
    name = MODELS[index % len(MODELS)]
    conditions = Conditions(
        net_counts=float(10.0 ** rng.uniform(1.5, 4.5)),
        detector=name,
        background="same room" if rng.random() < 0.6 else "none",
    )
    present: tuple[str, ...] = ()
    if index % 2:
        present = draw_sources(offered_names(detector(name)), 3, rng)
    seen = draw_trial(present, conditions, rng).spectrum
    data = _group(seen, seen.background, detector(name), DEFAULT)
    told = network.predict([seen], name)
    t = unmixing.task(data, library(name), DEFAULT)
    rows = []
    if data.counts.sum() >= DEFAULT.fewest_counts:
        found = unmixing.unmix(hybrid.with_odds(t, told, LENIENT)).declared
        p = dict(zip(told.sources, np.clip(told.probability[0], 1e-6, 1 - 1e-6), strict=True))
        rows = [
            {"source": e.name, "ratio": round(e.ratio, 3), "true": _is_true(e.name, present),
             "logit": round(float(np.log(p[e.name] / (1.0 - p[e.name]))), 4),
             "rarity": source(e.name).rarity}
            for e in found if e.name != CONTINUUM
        ]  # fmt: skip
    return {"index": index, "present": present, "rows": rows}


def _is_true(name: str, present: tuple[str, ...]) -> bool:
    return any(name == p or {name, p} in SAME_SERIES for p in present)


def fitted(spectra: list[dict[str, Any]], false_alarms: float) -> str:
    """The combination that follows, and what it gives on the same rows."""
    rows = [row for s in spectra for row in s["rows"]]
    x = np.array([[1.0, 0.5 * min(r["ratio"], HIGHEST_RATIO), r["logit"]] for r in rows])
    true = np.array([r["true"] for r in rows], dtype=float)
    w = _logistic_fit(x, true)
    weight = w[2] / w[1]
    total = np.array([r["ratio"] for r in rows]) + 2.0 * weight * x[:, 2]
    wrong = np.sort(total[true == 0.0])[::-1]
    allowed = int(false_alarms * len(spectra))
    needed = float(wrong[allowed]) if allowed < wrong.size else 0.0
    lines = [
        f"{len(spectra)} spectra, {len(rows)} rows, {int(true.sum())} true",
        f"log-odds = {w[0]:.3f} + {w[1]:.3f} ratio/2 + {w[2]:.3f} logit: weight {weight:.3f}",
        f"needed {needed:.2f} for {false_alarms:g} false declarations a spectrum",
        f"true rows that pass: {np.mean(total[true == 1.0] > needed):.4f}",
    ]
    return "\n".join(lines)


def _logistic_fit(x: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Weights of a logistic regression by Newton steps."""
    w = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ w, -30, 30)))
        curvature = (x * (p * (1.0 - p))[:, None]).T @ x + 1e-6 * np.eye(w.size)
        w += np.linalg.solve(curvature, x.T @ (true - p))
    return w


def main() -> None:
    """Simulate what is missing, then fit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", type=Path, help="ONNX file; the shipped one when left out")
    parser.add_argument("--spectra", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--false-alarms", type=float, default=0.005, help="a spectrum")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    done: dict[int, dict[str, Any]] = {}
    if options.out.exists():
        lines = options.out.read_text(encoding="utf-8").splitlines()
        done = {found["index"]: found for found in map(json.loads, lines)}
    network = load(options.network)
    with options.out.open("a", encoding="utf-8") as out:
        for index in range(options.spectra):
            if index not in done:
                done[index] = one(index, options.seed, network)
                out.write(json.dumps(done[index]) + "\n")
                out.flush()
                if index % 100 == 0:
                    print(f"{index}/{options.spectra}", file=sys.stderr, flush=True)
    chosen = [done[i] for i in sorted(done) if i < options.spectra]
    print(fitted(chosen, options.false_alarms))


if __name__ == "__main__":
    main()

"""How sure are the fit's answers? Counted on simulated spectra, written to the package's data.

    python tools/calibrate_identification.py --spectra 700 --seed 501 --kept build/fit.jsonl
    python tools/calibrate_identification.py --spectra 300 --seed 502 --kept build/new.jsonl --check

Spectra are those of `tools/compare_hybrid.py`: half are rooms alone, the others hold one to three
sources of 30 to 30,000 net counts. The first form fits the weights of `blackett.gamma.certainty` to
the declared sources and candidates of `unmix` and `hybrid` and writes them to
src/blackett/gamma/data/certainty.json; the second prints how well the present weights hold on other
seeds: expected calibration errors by counts, and the coverage of 95 % intervals. Answers in --kept
are not worked out again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, stats

from blackett.gamma.certainty import candidate_terms, certainty, declared_terms
from blackett.gamma.conclusion import beside_the_fit
from blackett.gamma.evidence import interval
from blackett.gamma.identification import identify_with_fit
from blackett.gamma.likelihood import cumulative_at
from blackett.gamma.network import load
from blackett.gamma.templates import CONTINUUM
from blackett.gamma.trials import COUNTED_FROM_KEV
from blackett.gamma.unmix import offered, rival_ratio
from blackett.learn.calibration import expected_calibration_error
from compare_hybrid import _same, drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.gamma.network import Network
    from blackett.gamma.trials import Trial
    from blackett.gamma.unmix import Unmixed

DATA = Path(__file__).parents[1] / "src" / "blackett" / "gamma" / "data" / "certainty.json"
METHODS = ("unmix", "hybrid")
BANDS = ((0.0, 300.0), (300.0, 1000.0), (1000.0, 1e4), (1e4, np.inf))
RIDGE = 1e-3
LEAST = {"declared": (0.5, 0.0, 0.0), "candidates": (0.0, 0.0, 0.0)}
"""Least weights. That of the margin over rivals is a judgement: simulated mixtures hold few sources
that a network denies and the fit proves, measured spectra may."""


def answered(trial: Trial, method: str, network: Network) -> dict[str, Any]:
    """What an answer rests on, and what is true."""
    found, unmixed = identify_with_fit(trial.spectrum, method=method, network=network)
    record: dict[str, Any] = {
        "present": trial.present, "net_counts": trial.net_counts, "counts": found.counts,
        "declared": [], "candidates": [],
    }  # fmt: skip
    if unmixed is None:
        return record
    for needed in unmixed.declared:
        if needed.name == CONTINUUM:
            continue
        counted = _share_counted(unmixed, needed.name)
        record["declared"].append({
            "name": needed.name, "ratio": needed.ratio,
            "rival": rival_ratio(unmixed.mixture, needed.name),
            "beside": beside_the_fit(unmixed.task, needed.name),
            "counts": counted * needed.counts,
            "interval": [counted * x for x in interval(unmixed, needed.name)],
        })  # fmt: skip
    record["candidates"] = _near(unmixed)
    return record


def _near(unmixed: Unmixed) -> list[dict[str, Any]]:
    """All sources that are offered and not declared."""
    t, best = unmixed.task, dict[str, float]()
    gains = unmixed.mixture.scores / unmixed.mixture.strain
    taken = {CONTINUUM, *(e.name for e in unmixed.declared)}
    for column in np.flatnonzero(offered(t, False)).tolist():
        name = t.library.source_of[column]
        if name not in taken:
            best[name] = max(best.get(name, 0.0), float(gains[column]))
    return [{"name": n, "gain": gain, "beside": beside_the_fit(t, n)} for n, gain in best.items()]


def _share_counted(unmixed: Unmixed, name: str) -> float:
    """Share of a source's fitted counts above the energy from which a trial's are counted."""
    library, first = unmixed.task.library, unmixed.mixture.first
    places = sorted(unmixed.mixture.sources[name])
    amplitudes = unmixed.fit.amplitudes[first + np.array(places)]
    at = np.array([COUNTED_FROM_KEV, library.detector.range_kev[1]])
    columns = library.columns([unmixed.active[i] for i in places])
    low, high = cumulative_at(columns, library.grid_step, at, library.nominal_width, 0.0).T
    return float(amplitudes @ (high - low) / max(amplitudes.sum(), 1e-9))


def all_answers(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Answers by method, from the file and worked out where missing."""
    network = load(options.network)
    kept: dict[tuple[int, str], dict[str, Any]] = {}
    if options.kept.exists():
        for line in options.kept.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            kept[one["index"], one["method"]] = one
    options.kept.parent.mkdir(parents=True, exist_ok=True)
    with options.kept.open("a", encoding="utf-8") as out:
        for index in range(options.spectra):
            if (index, METHODS[-1]) in kept:
                continue
            trial = drawn(index, options.seed)
            for method in METHODS:
                one = {"index": index, "method": method, **answered(trial, method, network)}
                kept[index, method] = one
                out.write(json.dumps(one) + "\n")
    return {m: [kept[i, m] for i in range(options.spectra)] for m in METHODS}


# --- from answers to terms and truth --------------------------------------------------------------


def _is_there(name: str, answer: dict[str, Any]) -> bool:
    return any(_same(name, p) for p in answer["present"])


def table(
    answers: Sequence[dict[str, Any]], kind: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Terms (n, k), truth (n,) and counts of the spectrum (n,)."""
    rows = [(one, answer) for answer in answers for one in answer[kind]]
    if kind == "declared":
        terms = [declared_terms(o["ratio"], o["rival"], *o["beside"]) for o, _ in rows]
    else:
        terms = [candidate_terms(o["gain"], *o["beside"]) for o, _ in rows]
    truth = [_is_there(o["name"], a) for o, a in rows]
    return np.array(terms), np.array(truth), np.array([a["counts"] for _, a in rows])


def weights(terms: np.ndarray, truth: np.ndarray, least: Sequence[float]) -> np.ndarray:
    """Logistic weights of largest likelihood, but the constant's none below `least`."""

    def cost(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = terms @ w
        value = float(np.mean(np.logaddexp(0.0, z) - truth * z)) + RIDGE * float(w[1:] @ w[1:])
        slope = terms.T @ (1.0 / (1.0 + np.exp(-z)) - truth) / truth.size
        return value, slope + 2.0 * RIDGE * np.append(0.0, w[1:])

    bounds = [(None, None), *((low, None) for low in least)]
    start = np.zeros(terms.shape[1])
    return np.asarray(optimize.minimize(cost, start, jac=True, bounds=bounds).x)


def errors(p: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    """Expected calibration error of all, and by the counts of the spectrum."""
    found: dict[str, Any] = {"n": int(p.size), "ece": _ece(p, truth)}
    for low, high in ((0.0, 2e3), (2e3, 1e4), (1e4, np.inf)):
        rows = (counts >= low) & (counts < high)
        if rows.sum() >= 20:
            found[f"{low:g} to {high:g} counts"] = [int(rows.sum()), _ece(p[rows], truth[rows])]
    return found


def _ece(p: np.ndarray, truth: np.ndarray) -> float:
    return round(expected_calibration_error(p, truth, bins=10, least=0.01), 4)


def left_out(
    terms: np.ndarray, truth: np.ndarray, least: Sequence[float], folds: int = 5
) -> np.ndarray:
    """Probabilities (n,) of each fold by weights fitted to the others; folds are runs of rows."""
    fold = np.arange(truth.size) * folds // truth.size
    p = np.empty(truth.size)
    for k in range(folds):
        w = weights(terms[fold != k], truth[fold != k], least)
        p[fold == k] = 1.0 / (1.0 + np.exp(-terms[fold == k] @ w))
    return p


def coverage(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Share of 95 % intervals of rightly declared sources that hold the truth, by net counts."""
    rows = []
    for answer in answers:
        for one in answer["declared"]:
            true = sum(
                n
                for p, n in zip(answer["present"], answer["net_counts"], strict=True)
                if _same(one["name"], p)
            )
            if true > 0:
                low, high = one["interval"]
                rows.append((true, low <= true <= high, (high - low) / one["counts"]))
    true, held, width = np.array(rows).T
    found = {}
    for low, high in (*BANDS, (0.0, np.inf)):
        inside = (true >= low) & (true < high)
        k, n = int(held[inside].sum()), int(inside.sum())
        if n:
            limits = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
            found[f"{low:g} to {high:g} net counts"] = {
                "held": f"{k} of {n} = {k / n:.3f} [{limits.low:.2f}, {limits.high:.2f}]",
                "median relative width": round(float(np.median(width[inside])), 3),
            }
    return found


def main() -> None:
    """Answer, then fit or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spectra", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=501)
    parser.add_argument("--network", type=Path, help="ONNX file; the shipped one when left out")
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="judge the weights, do not fit them")
    options = parser.parse_args()
    answers = all_answers(options)
    fitted: dict[str, dict[str, Any]] = {m: {} for m in METHODS}
    report: dict[str, dict[str, Any]] = {m: {} for m in METHODS}
    for method in METHODS:
        ps: list[Any] = []
        truths: list[Any] = []
        sizes: list[Any] = []
        for kind in ("declared", "candidates"):
            terms, truth, counts = table(answers[method], kind)
            if options.check:
                now = certainty(method)
                w = now.declared if kind == "declared" else now.candidate
                p = 1.0 / (1.0 + np.exp(-terms @ w))
            else:
                fitted[method][kind.removesuffix("s")] = (
                    weights(terms, truth, LEAST[kind]).round(4).tolist()
                )
                p = left_out(terms, truth, LEAST[kind])
            report[method][kind] = errors(p, truth, counts)
            ps, truths, sizes = [*ps, p], [*truths, truth], [*sizes, counts]
        both = (np.concatenate(x) for x in (ps, truths, sizes))
        report[method]["both"] = errors(*both)
        report[method]["intervals"] = coverage(answers[method])
    print(json.dumps(report, indent=1))
    if not options.check:
        made = {
            "made_by": f"tools/calibrate_identification.py --spectra {options.spectra} "
            f"--seed {options.seed}",
            "network_sha256": load(options.network).sha256,
            "terms": {
                "declared": ["1", "asinh((L - rival) / 10)", "network logit", "ln odds"],
                "candidate": ["1", "ln(1 + gain)", "network logit", "ln odds"],
            },
            "weights": fitted,
            "left_out_in_five_folds": {m: {k: report[m][k]["ece"] for k in ("declared", "both")}
                                       for m in METHODS},
        }  # fmt: skip
        DATA.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Fit the weights of helix-cosmic (`blackett.alphag.cosmics.Settings`), and say how well they do.

python tools/fit_alphag_cosmics.py ANNIHILATIONS MUONS [--annihilations 10000] [--muons 30000]

Both are folders of simulated events; the first events are taken. Even events are fitted, odd ones
scored.
"""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 (tyro reads the signature)
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro
from scipy.optimize import minimize
from scipy.special import expit

from blackett.alphag.cosmics import FEATURES, features
from blackett.alphag.evaluate.sample import first_events
from blackett.alphag.reconstruction import reconstruct_batch

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

PENALTY = 1e-6


def measured(folder: Path, events: int) -> FloatArray:
    """Features of the first events of a sample that have a track."""
    parts = [
        features(batch, reconstruct_batch(batch, "helix-robust"))
        for batch in first_events([folder], events)
    ]
    found = np.concatenate(parts)
    return np.asarray(found[np.isfinite(found[:, 0])])


def fitted(x: FloatArray, muon: FloatArray) -> FloatArray:
    """Weights and constant of the logistic function; both kinds count alike, however many."""
    centre, spread = x.mean(axis=0), x.std(axis=0)
    columns = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    share = np.where(muon == 1, 0.5 / muon.sum(), 0.5 / (1 - muon).sum())

    def loss(w: FloatArray) -> tuple[float, FloatArray]:
        score = columns @ w
        value = share @ (np.logaddexp(0, score) - muon * score) + PENALTY * w @ w
        return float(value), columns.T @ (share * (expit(score) - muon)) + 2 * PENALTY * w

    w = minimize(loss, np.zeros(columns.shape[1]), jac=True, method="L-BFGS-B").x
    return np.append(w[:-1] / spread, w[-1] - w[:-1] @ (centre / spread))


def main(
    annihilations_folder: Annotated[Path, tyro.conf.Positional],
    muons_folder: Annotated[Path, tyro.conf.Positional],
    annihilations: int = 10_000,
    muons: int = 30_000,
) -> None:
    """Print weights, constant and what they reject."""
    signal, cosmic = measured(annihilations_folder, annihilations), measured(muons_folder, muons)
    x = np.concatenate([signal[::2], cosmic[::2]])
    muon = np.repeat([0.0, 1.0], [len(signal[::2]), len(cosmic[::2])])
    w = fitted(x, muon)
    for name, value in zip((*FEATURES, "constant"), w, strict=True):
        sys.stdout.write(f"{name} {value:.4g}\n")
    good, bad = (np.sort(a[1::2] @ w[:-1] + w[-1]) for a in (signal, cosmic))
    area = np.searchsorted(good, bad).mean() / len(good)
    sys.stdout.write(f"{len(good)} annihilations, {len(bad)} muons with a track; AUC {area:.5f}\n")
    for share in (0.9, 0.95, 0.99):
        left = (bad < np.quantile(good, share)).mean()
        sys.stdout.write(
            f"{100 * share:.0f} % of annihilations kept: {100 * left:.2f} % of muons\n"
        )


if __name__ == "__main__":
    tyro.cli(main)

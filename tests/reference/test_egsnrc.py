"""Our transport against EGSnrc, all fifteen bare crystals of ../shared/reference/response.

Statistics are moderate; tools/check_response.py makes the long comparison of docs/response.md.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.gamma.detector import Detector, detector
from blackett.gamma.response import bare_scene, face_photons
from blackett.gamma.transport import deposits_kev

if TYPE_CHECKING:
    from pathlib import Path

PHOTONS = 100_000
CASES = [
    *(f"csi_{kev}keV_10x10x10mm" for kev in ("030", "060", "080", "100", "186", "511", "662")),
    *(f"csi_{kev}keV_10x10x10mm" for kev in ("911", "1332", "2614")),
    *(f"csi_{kev}keV_14x14x14mm" for kev in ("662", "1461")),
    *(f"gagg_{kev}keV_10x10x10mm" for kev in ("060", "662", "1332")),
]
MODELS = {
    ("CsI", 10): "radiacode-103",
    ("CsI", 14): "radiacode-110",
    ("GAGG", 10): "radiacode-103g",
}


@dataclass(frozen=True)
class Case:
    """One EGSnrc run: figures of summary.csv and counts in 1 keV bins."""

    model: Detector
    energy_kev: float
    entering: int
    figures: dict[str, float]
    counts: np.ndarray


def load(folder: Path, name: str) -> Case:
    file = folder / "reference" / "response" / f"egsnrc_{name}.csv"
    with (file.parent / "summary.csv").open() as stream:
        row = next(r for r in csv.DictReader(stream) if r["file"] == file.name)
    figures = {
        key: float(text) for key, text in row.items() if text and key not in ("file", "crystal")
    }
    return Case(
        detector(MODELS[row["crystal"], int(row["size_mm"])]),
        figures["energy_keV"],
        int(figures["entering"]),
        figures,
        np.genfromtxt(file, delimiter=",", skip_header=2)[:, 1],
    )


def ours(case: Case) -> np.ndarray:
    """Counts in the reference's bins: bin n holds n - 0.5 to n + 0.5 keV, bin 1 all below too."""
    rng = np.random.default_rng(20)
    rows = face_photons(case.model.size_mm[:2], case.energy_kev, 50.0, PHOTONS, rng)
    deposits = deposits_kev(bare_scene(case.model), rows, rng)
    bins = np.maximum(np.floor(deposits[deposits > 0.0] + 0.5), 1.0).astype(int)
    return np.bincount(bins, minlength=len(case.counts))[: len(case.counts)]


def net(counts: np.ndarray, first: int, last: int) -> float:
    """Counts in bins first..last above the mean of four bins on each side."""
    beside = counts[first - 4 : first].sum() + counts[last + 1 : last + 5].sum()
    return float(counts[first : last + 1].sum() - beside / 8.0 * (last + 1 - first))


def assert_agrees(mine: float, theirs: float, case: Case, rel: float, label: str) -> None:
    """Within `rel` or three standard deviations of both runs (counts per entering photon)."""
    sigma = np.sqrt(max(theirs, 1.0 / PHOTONS) * (1.0 / PHOTONS + 1.0 / case.entering))
    off = abs(mine - theirs)
    assert off <= max(rel * theirs, 3.0 * sigma), f"{label}: {mine:.5f}, EGSnrc {theirs:.5f}"


@pytest.mark.parametrize("name", CASES)
def test_bare_crystal(shared_dir: Path, name: str) -> None:
    case = load(shared_dir, name)
    counts = ours(case)
    peak = round(case.energy_kev)
    total = counts.sum() / PHOTONS
    full = counts[peak - 2 :].sum() / PHOTONS
    assert_agrees(total, case.figures["detected_per_entering"], case, 0.05, "detected")
    assert_agrees(full, case.figures["full_energy_per_entering"], case, 0.05, "full energy")
    check_escapes(case, counts, peak)
    check_shape(case, counts)


def check_escapes(case: Case, counts: np.ndarray, peak: int) -> None:
    """Net counts of the escape peaks in the windows of the reference's README."""
    figures = case.figures
    low, high = (27, 36) if case.model.crystal == "csi" else (41, 51)
    windows = {"k_xray_escape_per_entering": (peak - high, peak - low)}
    for lost, label in ((511, "single"), (1022, "double")):
        place = round(case.energy_kev - lost)
        windows[f"{label}_escape_per_entering"] = (place - 1, place + 1)
    for label, (first, last) in windows.items():
        if label not in figures:
            continue
        mine, theirs = (
            net(counts, first, last) / PHOTONS,
            net(case.counts, first, last) / case.entering,
        )
        gross = max(counts[first - 4 : last + 5].sum() / PHOTONS, 1.0 / PHOTONS)
        sigma = np.sqrt(gross * (1.0 / PHOTONS + 1.0 / case.entering))
        assert abs(mine - theirs) <= max(0.1 * theirs, 3.0 * sigma), (label, mine, theirs)


def check_shape(case: Case, counts: np.ndarray) -> None:
    """Sum of |differences| of the normalised spectra in 10 keV bins, beyond what noise gives."""
    width = 10 * int(np.ceil(len(counts) / 10))
    mine, theirs = (
        np.pad(c.astype(float), (0, width - len(c))).reshape(-1, 10).sum(axis=1)
        for c in (counts, case.counts)
    )
    variance = mine / mine.sum() ** 2 + theirs / theirs.sum() ** 2
    noise = np.sum(np.sqrt(2.0 / np.pi * variance))
    distance = np.abs(mine / mine.sum() - theirs / theirs.sum()).sum()
    assert distance < noise + 0.03

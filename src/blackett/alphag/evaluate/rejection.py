"""Rejection of cosmic muons by a method's `p_cosmic`: background against efficiency, and whether
the efficiency is the same everywhere along z.

Of annihilations and muons alike only those that the method answers, with a z and a `p_cosmic`, can
be kept; kept are those of a `p_cosmic` up to a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from blackett.alphag.digitise import trigger_clusters
from blackett.alphag.geometry.dimensions import BAR_HALF_LENGTH_MM, WORLD_RADIUS_MM
from blackett.alphag.gun.muons import muon_rate_hz
from blackett.report import Estimate, bootstrap_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.alphag.evaluate.sample import Answers, Sample
    from blackett.arrays import FloatArray

__all__ = [
    "EFFICIENCIES", "REJECTION", "SLICES_MM", "Rejection", "background_curve", "rejection",
]  # fmt: skip

EFFICIENCIES: Final = (0.90, 0.95, 0.99)
"""Shares of the answered annihilations that are kept, at which the background is given."""
RAW_HZ: Final = 313.0
"""Measured rate of events with a hit on any wire."""
PATTERN_HZ: Final = 66.0
"""Measured rate after the trigger on patterns of wires."""
REJECTION: Final = {
    "auc": "chance that a muon has a larger p_cosmic than an annihilation, both answered",
    "threshold": "p_cosmic up to which events are kept",
    "muons_kept": "share of the answered muons that are kept",
    "raw_hz": (
        "background if all of the 313 Hz of measured events with a wire hit were muons as "
        "simulated: 313 Hz times kept muons over muons with a wire hit"
    ),
    "pattern_hz": (
        "the same of the 66 Hz after the pattern trigger: times kept muons over all, both with two "
        "clusters of wires"
    ),
    "sky_hz": "kept muons at the simulated flux into the bore (153 Hz)",
    "pattern_efficiency": "share of the kept annihilations with two clusters of wires",
    "spread_points": (
        "standard deviation of the efficiency over slices of 100 mm of true z, |z| < 1000 mm, less "
        "what their numbers of events alone give (0 if that is more), in points (0.01)"
    ),
    "slices_chi2": "chi2 per degree of freedom of one efficiency for all slices",
    "up_down_percent": (
        "efficiency in the upper counting region (-415 to -215 mm) over that in the lower (-871 to "
        "-671 mm), less 1, in percent"
    ),
}
"""What each number is."""
_NO_INTERVAL = ("spread_points", "slices_chi2")
_SAMPLES: Final = 100
SLICES_MM: Final = np.arange(-1000.0, 1001.0, 100.0)
"""Edges of the slices of true z."""
_DOWN_MM, _UP_MM = (-871.0, -671.0), (-415.0, -215.0)
_MUON, _P, _HIT, _PASSES, _Z = range(5)


@dataclass(frozen=True, eq=False)
class Rejection:
    """A method's rejection of muons: `auc`; by efficiency (`EFFICIENCIES`) the other numbers of
    `REJECTION`; numbers of events; `slices` (efficiencies, slices), the efficiency along z."""

    name: str
    n_annihilations: int
    n_muons: int
    n_answered: tuple[int, int]
    auc: Estimate
    at: dict[float, dict[str, Estimate]]
    slices: FloatArray

    def record(self) -> dict[str, Any]:
        """As the JSON file holds it."""
        points = [{"efficiency": share, **numbers} for share, numbers in self.at.items()]
        counts = {"n_annihilations": self.n_annihilations, "n_muons": self.n_muons}
        counts |= {"annihilations_answered": self.n_answered[0]}
        counts |= {"muons_answered": self.n_answered[1]}
        return {**counts, "auc": self.auc, "at": points, "slices_mm": SLICES_MM,
                "efficiency_by_slice": self.slices}  # fmt: skip


def rejection(sample: Sample, answers: Answers, rng: np.random.Generator) -> Rejection | None:
    """A method's numbers, with bootstrap intervals; None for a sample without muons, or a method
    without `p_cosmic`."""
    columns = _columns(sample, answers)
    muon, known = columns[:, _MUON] > 0, np.isfinite(columns[:, _P])
    if not ((known & muon).any() and (known & ~muon).any()):
        return None
    names = [name for name in REJECTION if name != "auc"]
    at = {}
    for share in EFFICIENCIES:
        found = bootstrap_all(partial(_at, share), rng, columns, _SAMPLES)
        at[share] = dict(zip(names, found, strict=True))
        for name in _NO_INTERVAL:  # resampling adds the noise that they are about
            at[share][name] = Estimate(at[share][name].value, np.nan, np.nan)
    auc = bootstrap_all(_area, rng, columns[known], _SAMPLES)[0]
    answered = (int((known & ~muon).sum()), int((known & muon).sum()))
    slices = np.stack([_by_slice(columns, at[share]["threshold"].value) for share in EFFICIENCIES])
    return Rejection(answers.name, int((~muon).sum()), int(muon.sum()), answered, auc, at, slices)


def background_curve(
    sample: Sample, answers: Answers, shares: Sequence[float]
) -> tuple[FloatArray, FloatArray]:
    """Background (Hz at the flux of the sky) and muons kept, where shares of the answered
    annihilations are kept."""
    columns = _columns(sample, answers)
    muon, p = columns[:, _MUON] > 0, columns[:, _P]
    known = np.isfinite(p)
    thresholds = np.quantile(p[known & ~muon], shares, method="inverted_cdf")
    kept = np.searchsorted(np.sort(p[known & muon]), thresholds, side="right")
    return kept / muon.sum() * _sky_hz(), kept.astype(np.float64)


def _sky_hz() -> float:
    """Muons a second into the bore, as `gun.cosmic_muons` makes them."""
    return muon_rate_hz(WORLD_RADIUS_MM, BAR_HALF_LENGTH_MM)


def _columns(sample: Sample, answers: Answers) -> FloatArray:
    """Muon (0, 1), p_cosmic (nan without an answer), wire hit, pattern trigger (nan unknown), true
    z: (n, 5)."""
    pattern = np.asarray(sample.trigger)
    hit = np.where(pattern < 0, np.nan, pattern != 0)
    passes = np.where(pattern < 0, np.nan, trigger_clusters(np.maximum(pattern, 0)) >= 2)
    p = np.where(answers.found, np.asarray(answers.p_cosmic), np.nan)
    return np.stack([~sample.annihilations, p, hit, passes, sample.vertex_mm[:, 2]], axis=1)


def _area(samples: FloatArray) -> FloatArray:
    """Areas under the ROC curve of samples (b, N, 5) of answered events: (b, 1)."""
    return np.array([[_area_of(rows[:, _P], rows[:, _MUON] > 0)] for rows in samples])


def _area_of(p: FloatArray, muon: np.ndarray) -> float:
    good, bad = np.sort(p[~muon]), p[muon]
    if not (good.size and bad.size):
        return np.nan
    below = (np.searchsorted(good, bad) + np.searchsorted(good, bad, side="right")) / 2
    return float(below.mean() / good.size)


def _at(share: float, samples: FloatArray) -> FloatArray:
    """The other numbers of `REJECTION` of samples (b, N, 5), at one efficiency."""
    return np.array([_numbers(share, rows) for rows in samples])


def _numbers(share: float, rows: FloatArray) -> list[float]:
    muon, p, hit, passes, _ = rows.T
    atoms, muons = (muon == 0) & np.isfinite(p), muon > 0
    if not (atoms.any() and muons.any()):
        return [np.nan] * (len(REJECTION) - 1)
    threshold = float(np.quantile(p[atoms], share, method="inverted_cdf"))
    kept = p <= threshold
    left = kept & muons
    efficiency = _by_slice(rows, threshold)
    number = _in_slices(rows[atoms], SLICES_MM)
    up, down = (_inside(rows[atoms], region, threshold) for region in (_UP_MM, _DOWN_MM))
    return [
        threshold,
        _ratio(left.sum(), (muons & np.isfinite(p)).sum()),
        RAW_HZ * _ratio(left.sum(), (muons & (hit > 0)).sum()),
        PATTERN_HZ * _ratio((left & (passes > 0)).sum(), (muons & (passes > 0)).sum()),
        _sky_hz() * left.sum() / muons.sum(),
        float(np.mean(passes[kept & atoms])),
        *_flatness(efficiency, number, share),
        100 * (_ratio(up, down) - 1),
    ]  # fmt: skip


def _by_slice(rows: FloatArray, threshold: float) -> FloatArray:
    """Share of the answered annihilations of each slice that are kept; nan for an empty one."""
    atoms = rows[(rows[:, _MUON] == 0) & np.isfinite(rows[:, _P])]
    number = _in_slices(atoms, SLICES_MM)
    kept = _in_slices(atoms[atoms[:, _P] <= threshold], SLICES_MM)
    return np.where(number > 0, kept / np.maximum(number, 1), np.nan)


def _in_slices(atoms: FloatArray, edges: FloatArray) -> FloatArray:
    return np.histogram(atoms[:, _Z], edges)[0].astype(np.float64)


def _flatness(efficiency: FloatArray, number: FloatArray, share: float) -> tuple[float, float]:
    """`spread_points` and `slices_chi2`."""
    used = number > 0
    if used.sum() < 2:
        return np.nan, np.nan
    mean = np.average(efficiency[used], weights=number[used])
    noise = share * (1 - share) / number[used]
    off = (efficiency[used] - mean) ** 2
    freedom = used.sum() - 1
    return (
        float(100 * np.sqrt(max(off.sum() / freedom - noise.mean(), 0.0))),
        float((off / noise).sum() / freedom),
    )


def _inside(atoms: FloatArray, region: tuple[float, float], threshold: float) -> float:
    inside = (atoms[:, _Z] > region[0]) & (atoms[:, _Z] < region[1])
    return _ratio((inside & (atoms[:, _P] <= threshold)).sum(), inside.sum())


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b else float("nan")

"""Edges and a peak of the distribution along z, at places that the apparatus fixes.

Released atoms leave over the mirror coils: in the public simulated atoms few are lost between coils
A and G, so that the density rises at G (and, below the step, towards A), and most of those going
down land on the step of the electrodes at -746 mm, a line a few mm wide. Position and width of such
features test the scale and the offset of z, and resolution, without truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from iminuit import Minuit
from scipy.special import erf
from scipy.stats import chi2, norm

from blackett.alphag.validate.records import Finding, unknown
from blackett.report import Estimate

if TYPE_CHECKING:
    from blackett.alphag.validate.records import Found
    from blackett.arrays import FloatArray

__all__ = ["FEATURES", "SEPARATION_MM", "Feature", "FeatureFit", "feature_findings", "fit_feature"]


@dataclass(frozen=True)
class Feature:
    """An edge, or a peak on an edge, expected at a height (mm)."""

    name: str
    z_mm: float
    peak: bool
    source: str


FEATURES: Final = (
    Feature("electrode step", -746.0, True, "-746 mm (CAD; atoms land on its face, -748 to -744)"),
    Feature("mirror coil A", -671.1, False, "-671.1 mm (CAD), where atoms are lost at its edge"),
    Feature("mirror coil G", -415.0, False, "-415.0 mm (CAD), where atoms are lost at its edge"),
)
SEPARATION_MM: Final = 256.1
"""From A to G (published: 25.6 cm)."""
REACH_MM: Final = 40.0
"""Half width of the window about a feature; the many atoms lost above -355 mm stay outside."""
LEAST: Final = 100
"""Vertices in the window that a fit needs."""
BIN_MM: Final = 2.0
LEAST_SIGMA: Final = 5.0
"""Significance below which a feature counts as not seen."""
_DRIFT_MM = 25.0
_WIDTHS_MM = (0.3, 30.0)
_NAMES = ("z_mm", "width_mm", "below", "above", "peak")


@dataclass(frozen=True, eq=False)
class FeatureFit:
    """A fitted feature: `values` and `errors` of z_mm, width_mm, below, above (vertices in a bin)
    and peak (vertices), its significance in sigma, and the histogram that was fitted."""

    values: dict[str, float]
    errors: dict[str, float]
    sigma: float
    centres_mm: FloatArray
    counts: FloatArray
    converged: bool

    def estimate(self, name: str) -> Estimate:
        """One of the numbers with its interval."""
        value, error = self.values[name], self.errors[name]
        return Estimate(value, value - error, value + error)


def expected_counts(
    z_mm: FloatArray, place: float, width: float, below: float, above: float, peak: float
) -> FloatArray:
    """Vertices in bins of 2 mm: two levels joined by a smeared edge, and a Gaussian line of the
    same place and width."""
    u = (z_mm - place) / width
    edge = below + (above - below) * 0.5 * (1 + erf(u / np.sqrt(2)))
    line = peak * BIN_MM * np.exp(-0.5 * u * u) / (width * np.sqrt(2 * np.pi))
    return np.asarray(edge + line)


def fit_feature(z_mm: FloatArray, feature: Feature) -> FeatureFit:
    """Poisson likelihood fit of an edge (and a peak) in a window about the expected place.

    The significance compares with a constant level for an edge, with an edge alone for a peak
    (Wilks' theorem).
    """
    edges = feature.z_mm + np.arange(-REACH_MM, REACH_MM + BIN_MM / 2, BIN_MM)
    counts = np.histogram(z_mm, edges)[0].astype(np.float64)
    centres = (edges[1:] + edges[:-1]) / 2
    full = _minimised(centres, counts, feature.z_mm, feature.peak, edge=True)
    null = _minimised(centres, counts, feature.z_mm, peak=False, edge=feature.peak)
    free = 1 if feature.peak else 3
    gain = max(float(null.fval or 0.0) - float(full.fval or 0.0), 0.0)
    values = {k: float(full.values[k]) for k in _NAMES}
    errors = {k: float(full.errors[k]) for k in _NAMES}
    return FeatureFit(values, errors, _sigma(gain, free), centres, counts, bool(full.valid))


def _sigma(gain: float, free: int) -> float:
    """Two-sided significance of a gain in -2 ln L; its root, the leading term, far out."""
    p = float(chi2.sf(gain, free))
    return float(norm.isf(p / 2)) if p > 0 else float(np.sqrt(gain))


def _minimised(
    centres: FloatArray, counts: FloatArray, place: float, peak: bool, edge: bool
) -> Minuit:
    def cost(*parameters: float) -> float:
        rate = np.maximum(expected_counts(centres, *parameters), 1e-9)
        return float(2 * (rate - counts * np.log(rate)).sum())

    lower, upper = counts[: len(counts) // 3].mean(), counts[-len(counts) // 3 :].mean()
    level = max(counts.mean(), 1e-3)
    start = (place, 5.0, lower if edge else level, upper if edge else level)
    m = Minuit(cost, *start, max(counts.sum() - len(counts) * max(lower, upper), 1.0) * peak,
               name=_NAMES)  # fmt: skip
    m.limits["z_mm"] = (place - _DRIFT_MM, place + _DRIFT_MM)
    m.limits["width_mm"] = _WIDTHS_MM
    m.limits["below"], m.limits["above"], m.limits["peak"] = (0, None), (0, None), (0, None)
    m.fixed["peak"] = not peak
    if not edge:  # one level: the likelihood of a constant
        m.values["below"] = m.values["above"] = level
        m.fixed["z_mm"] = m.fixed["width_mm"] = m.fixed["below"] = m.fixed["above"] = True
    return m.migrad()


def feature_findings(found: Found) -> list[tuple[Feature, FeatureFit | None, list[Finding]]]:
    """Place and width of every feature; the fit is None where it is not seen."""
    return [(feature, *_of(found, feature)) for feature in FEATURES]


def _of(found: Found, feature: Feature) -> tuple[FeatureFit | None, list[Finding]]:
    z = found.position_mm[found.kept, 2]
    n = int((np.abs(z - feature.z_mm) < REACH_MM).sum())
    head = ("z", "z_mm", feature.name, found.method, n, feature.source)
    if n < LEAST:
        return None, [unknown(*head, f"{n} vertices within {REACH_MM:.0f} mm: a fit needs {LEAST}")]
    fit = fit_feature(z, feature)
    if fit.sigma < LEAST_SIGMA:
        why = f"not seen: {fit.sigma:.1f} sigma, {LEAST_SIGMA:.0f} are asked for"
        return None, [unknown(*head, why)]
    if not (fit.converged and all(np.isfinite(list(fit.errors.values())))):
        return None, [unknown(*head, "the fit did not converge")]
    common = (feature.name, found.method, n)
    seen = f"{fit.sigma:.0f} sigma"
    return fit, [
        Finding("z", "z_mm", *common, fit.estimate("z_mm"), feature.source, seen),
        Finding(
            "z", "width_mm", *common, fit.estimate("width_mm"),
            "resolution along z with the feature's own width",
        ),
    ]  # fmt: skip


def separation(found: Found, fits: dict[str, FeatureFit]) -> Finding:
    """Distance from edge A to edge G: the scale of z."""
    source = f"{SEPARATION_MM} mm (CAD; 25.6 cm published)"
    head = ("z", "separation_mm", "mirror coils A to G", found.method)
    missing = [name for name in ("mirror coil A", "mirror coil G") if name not in fits]
    if missing:
        why = f"no edge at {' and '.join(missing)}"
        return unknown(*head, 0, source, why)
    a, g = (fits[f"mirror coil {letter}"] for letter in "AG")
    value = g.values["z_mm"] - a.values["z_mm"]
    error = float(np.hypot(a.errors["z_mm"], g.errors["z_mm"]))
    entries = int(a.counts.sum() + g.counts.sum())
    return Finding(*head, entries, Estimate(value, value - error, value + error), source)

"""Atoms annihilate on the wall of the trap: vertices make a ring across the axis.

The ring's radius, centre and smear are fitted in zones of z where the wall has one radius. A point
on a ring of radius R, smeared by a Gaussian of width s in x and y, has the density exp(-(r - R)^2 /
2 s^2) I0e(r R / s^2) / 2 pi s^2, r being its distance from the centre and I0e the modified Bessel
function times exp(-|x|); a wide Gaussian about the same centre takes the tails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from iminuit import Minuit
from scipy.special import i0e

from blackett.alphag.validate.records import Finding, unknown
from blackett.report import Estimate

if TYPE_CHECKING:
    from blackett.alphag.validate.records import Found
    from blackett.arrays import FloatArray

__all__ = ["ZONES", "Ring", "Zone", "fit_ring", "ring_findings"]


@dataclass(frozen=True)
class Zone:
    """A stretch of z where the wall has one radius (mm), given with its source."""

    name: str
    z_low_mm: float
    z_high_mm: float
    radius_mm: float
    source: str


ZONES: Final = (
    Zone("lower electrodes", -1100.0, -777.0, 14.8, "14.8 mm (CAD; 14.0 in the release files)"),
    Zone("trap", -731.0, -430.0, 22.2, "22.2 mm (CAD; 22.275 in the public simulation)"),
    Zone("upper tube", -365.0, 1100.0, 24.0, "24.0 mm (CAD)"),
)
"""Ends are 15 mm from the steps of the wall at -762, -746 and -380 mm, and from -415 mm, above
which released atoms of the public files are on 24.0 mm."""
LEAST: Final = 200
"""Vertices that a fit needs."""
_MOST = 20_000  # more are thinned evenly: the fit's own error is then far below the wall's
_FAR_MM = 100.0
_LEAST_GAIN = 9.0
_RADII_MM, _SMEARS_MM = (0.0, 60.0), (0.1, 40.0)
_RESOLVED = 1.5  # radius over smear below which there is no hole in the middle
_NAMES = ("radius_mm", "smear_mm", "x_mm", "y_mm", "tail_share", "tail_mm")


@dataclass(frozen=True)
class Ring:
    """A fitted ring: values and errors of `radius_mm`, `smear_mm`, `x_mm`, `y_mm` (centre),
    `tail_share` and `tail_mm` (width of the tails), all nan where the fit did not converge."""

    values: dict[str, float]
    errors: dict[str, float]
    entries: int

    def estimate(self, name: str) -> Estimate:
        """One of the numbers with its interval, from the curvature of the likelihood."""
        value, error = self.values[name], self.errors[name]
        return Estimate(value, value - error, value + error)

    @property
    def converged(self) -> bool:
        """Whether there are values."""
        return bool(np.isfinite(self.values["radius_mm"]))


def ring_density(
    x_mm: FloatArray, y_mm: FloatArray, radius: float, smear: float, x0: float, y0: float,
    share: float, tail: float,
) -> FloatArray:  # fmt: skip
    """Density (1/mm2) of smeared points of a ring with tails."""
    r = np.hypot(x_mm - x0, y_mm - y0)
    ring = np.exp(-0.5 * ((r - radius) / smear) ** 2) * i0e(r * radius / smear**2) / smear**2
    wide = np.exp(-0.5 * (r / tail) ** 2) / tail**2
    return np.asarray(((1 - share) * ring + share * wide) / (2 * np.pi))


def fit_ring(x_mm: FloatArray, y_mm: FloatArray, start_mm: float) -> Ring:
    """Maximum likelihood fit of a ring to points within 100 mm of the axis.

    Tails are part of it if they lower -2 ln L by more than 9; else their share is 0, without an
    error.
    """
    near = np.hypot(x_mm, y_mm) < _FAR_MM
    x, y = x_mm[near], y_mm[near]
    step = max(-(-len(x) // _MOST), 1)
    x, y = x[::step], y[::step]
    bare, tailed = (_minimised(x, y, start_mm, tails) for tails in (False, True))
    chosen = tailed if _good(tailed) and tailed.fval < bare.fval - _LEAST_GAIN else bare
    good = _good(chosen)
    values = {k: float(chosen.values[k]) if good else np.nan for k in _NAMES}
    errors = {
        k: float(chosen.errors[k]) if good and not chosen.fixed[k] else np.nan for k in _NAMES
    }
    return Ring(values, errors, len(x))


def _minimised(x: FloatArray, y: FloatArray, start_mm: float, tails: bool) -> Any:
    def cost(*parameters: float) -> float:
        return float(-2 * np.log(ring_density(x, y, *parameters) + 1e-300).sum())

    r = np.hypot(x, y)
    smear = float(np.clip((np.quantile(r, 0.84) - np.quantile(r, 0.16)) / 2, 1.0, 20.0))
    m = Minuit(cost, start_mm, smear, 0.0, 0.0, 0.1 * tails, 30.0, name=_NAMES)
    m.limits["radius_mm"], m.limits["smear_mm"] = _RADII_MM, _SMEARS_MM
    m.limits["tail_share"], m.limits["tail_mm"] = (0, 0.9), (10, 80)
    m.fixed["tail_share"] = m.fixed["tail_mm"] = not tails
    return m.migrad()


def _good(fit: Any) -> bool:
    """Whether a fit converged, away from the limits and with a radius known to a half."""
    radius, error = fit.values["radius_mm"], fit.errors["radius_mm"]
    inside = radius < 0.95 * _RADII_MM[1] and fit.values["smear_mm"] < 0.95 * _SMEARS_MM[1]
    return bool(fit.valid and fit.accurate and inside and error < radius / 2)


def ring_findings(found: Found) -> list[tuple[Zone, Ring | None, list[Finding]]]:
    """Radius, smear, smear over own sigma, and centre of the ring in every zone; the ring is None
    where there is no fit."""
    return [(zone, *_in_zone(found, zone)) for zone in ZONES]


def chosen(found: Found, zone: Zone) -> np.ndarray:
    """True (n,) for the vertices of a zone."""
    z = found.position_mm[:, 2]
    return np.asarray(found.in_space & (z > zone.z_low_mm) & (z < zone.z_high_mm))


def _in_zone(found: Found, zone: Zone) -> tuple[Ring | None, list[Finding]]:
    inside = chosen(found, zone)
    n, where = int(inside.sum()), _where(zone)
    if n < LEAST:
        why = f"{n} vertices: a fit needs {LEAST}"
        none = unknown("ring", "radius_mm", where, found.method, n, zone.source, why)
        return None, [none]
    ring = fit_ring(found.position_mm[inside, 0], found.position_mm[inside, 1], zone.radius_mm)
    if not ring.converged:
        none = unknown(
            "ring",
            "radius_mm",
            where,
            found.method,
            n,
            zone.source,
            "no ring is resolved: the fit did not converge",
        )
        return None, [none]
    return ring, list(_findings(found, zone, inside, ring))


def _where(zone: Zone) -> str:
    return f"{zone.name}, {zone.z_low_mm:.0f} to {zone.z_high_mm:.0f} mm"


def _findings(found: Found, zone: Zone, inside: np.ndarray, ring: Ring) -> list[Finding]:
    where, n = _where(zone), ring.entries
    radius, smear = ring.estimate("radius_mm"), ring.estimate("smear_mm")
    note = ""
    if radius.value < _RESOLVED * smear.value:
        note = "smear hides the hole in the middle: radius and smear trade off"
    own = found.covariance_mm2[inside]
    sigma = float(np.nanmedian(np.sqrt((own[:, 0, 0] + own[:, 1, 1]) / 2)))
    ratio = Estimate(smear.value / sigma, smear.low / sigma, smear.high / sigma)
    common = (where, found.method, n)
    return [
        Finding("ring", "radius_mm", *common, radius, zone.source, note),
        Finding("ring", "smear_mm", *common, smear, "the method's resolution across the axis"),
        Finding(
            "ring", "smear_over_sigma", *common, ratio, "1, if sigma across the axis is honest",
            f"median sigma {sigma:.2f} mm" if np.isfinite(sigma) else "the method gives no sigma",
        ),
        Finding("ring", "x_mm", *common, ring.estimate("x_mm"), "0: trap and chamber coaxial"),
        Finding("ring", "y_mm", *common, ring.estimate("y_mm"), "0: trap and chamber coaxial"),
        Finding(
            "ring", "tail_share", *common, ring.estimate("tail_share"),
            "small: badly placed vertices, gas, cosmics",
        ),
    ]  # fmt: skip

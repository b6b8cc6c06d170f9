"""What a method of reconstruction makes of annihilations at each height, and of cosmic muons.

Efficiency, bias and smear come from simulated annihilations with their truth, background from
simulated muons at the rate of the sky. Smear is the whole distribution of residuals, tails
included, not a Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.evaluate.statistics import trimmed_mean
from blackett.alphag.geometry.dimensions import BAR_HALF_LENGTH_MM, WORLD_RADIUS_MM
from blackett.alphag.gun.muons import muon_rate_hz
from blackett.arrays import frozen
from blackett.errors import InputError, MissingDataError
from blackett.report import Estimate

if TYPE_CHECKING:
    from blackett.alphag.gravity.escape import Landings
    from blackett.alphag.gravity.judged import Judged
    from blackett.arrays import FloatArray

__all__ = ["REGIONS", "Response", "Selection", "acceptance", "cosmic_rate_hz", "measure"]

REGIONS: Final = {"down": (-871.0, -671.0), "up": (-415.0, -215.0)}
"""Counting regions, mm: 12.8 to 32.8 cm from the centre of the trap."""
BIN_MM: Final = 50.0
"""Bins of height in which efficiency and bias are measured."""
_LIMITS_MM = (-1000.0, -100.0)
_LEAST = 50  # annihilations that a bin needs


@dataclass(frozen=True)
class Selection:
    """What makes an event count as an annihilation, beyond having a vertex."""

    radius_mm: float = 45.0
    """Largest distance of the vertex from the axis."""
    least_tracks: int = 2
    """Tracks of the vertex, for methods without a probability of their own."""
    kept: float = 0.95
    """Share of the annihilations that pass so far which the cut on cosmic muons keeps: on the
    method's own probability, else on the fit of pairs of tracks as one line."""

    def __post_init__(self) -> None:
        if not (self.radius_mm > 0 and 0 < self.kept <= 1 and self.least_tracks >= 0):
            raise InputError(
                f"selection {self}: give a radius > 0, a share in 0..1 and tracks >= 0"
            )


@dataclass(frozen=True, eq=False)
class Response:
    """A method's response, measured.

    `centres_mm` (k,) of bins of height; of each: `efficiency` and `efficiency_error` (selected over
    all), `bias_mm` and `bias_error_mm` (trimmed mean of residuals); `residuals_mm` (m,), rising, of
    all selected annihilations in these bins less their bin's bias; `background_hz` and its error,
    by region; `cut`, of the discriminator `by`; `events` and `muons` that it comes from.
    """

    method: str
    centres_mm: FloatArray
    efficiency: FloatArray
    efficiency_error: FloatArray
    bias_mm: FloatArray
    bias_error_mm: FloatArray
    residuals_mm: FloatArray
    background_hz: dict[str, float]
    background_error_hz: dict[str, float]
    by: str
    cut: float
    events: int
    muons: int

    def __post_init__(self) -> None:
        names = ("centres_mm", "efficiency", "efficiency_error", "bias_mm", "bias_error_mm")
        for name in (*names, "residuals_mm"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


def cosmic_rate_hz() -> float:
    """Muons a second into the cold bore: those that the recipe "cosmics" simulates."""
    return muon_rate_hz(WORLD_RADIUS_MM, BAR_HALF_LENGTH_MM)


def measure(judged: Judged, method: str, selection: Selection) -> Response:
    """A method's response on a sample of annihilations and of muons.

    Raises `MissingDataError` without muons, or with too few annihilations at a height.
    """
    if not judged.cosmic.any():
        raise MissingDataError(
            "the sample holds no cosmic muons: add one ('blackett alphag simulate --recipe "
            "cosmics'), no background can be measured without"
        )
    score, by = _discriminator(judged)
    basic = _basic(judged, selection, by)
    atoms = basic & ~judged.cosmic
    if not atoms.any():
        raise MissingDataError(f"{method} finds none of the annihilations: no response")
    cut = float(np.quantile(score[atoms], selection.kept))
    selected = basic & (score <= cut)
    edges = np.arange(_LIMITS_MM[0], _LIMITS_MM[1] + 1, BIN_MM)
    index = np.digitize(judged.true_z_mm, edges) - 1  # nan: beyond the last
    bins = [_bin(judged, selected, index == k, edges[k]) for k in range(len(edges) - 1)]
    efficiency, error, bias, bias_error, residuals = zip(*bins, strict=True)
    rates = _background(judged, selected)
    return Response(
        method, (edges[1:] + edges[:-1]) / 2, frozen(efficiency), frozen(error), frozen(bias),
        frozen(bias_error), np.sort(np.concatenate(residuals)),
        {name: rate.value for name, rate in rates.items()},
        {name: rate.high - rate.value for name, rate in rates.items()},
        by, cut, int((index >= 0).sum() - (index == len(edges) - 1).sum()),
        int(judged.cosmic.sum()),
    )  # fmt: skip


def _discriminator(judged: Judged) -> tuple[FloatArray, str]:
    """Larger for muons (n,), and its name."""
    if np.isfinite(judged.p_cosmic).any():
        return np.where(np.isfinite(judged.p_cosmic), judged.p_cosmic, 1.0), "p_cosmic"
    return -judged.line_mm2, "line"


def _basic(judged: Judged, selection: Selection, by: str) -> np.ndarray:
    found = np.isfinite(judged.z_mm) & ~(judged.r_mm > selection.radius_mm)
    enough = judged.n_tracks >= selection.least_tracks
    return np.asarray(found & (enough if by == "line" else True))


def _bin(
    judged: Judged, selected: np.ndarray, here: np.ndarray, low_mm: float
) -> tuple[float, float, float, float, FloatArray]:
    """Efficiency, bias with their errors, and residuals less the bias, of a bin."""
    n, chosen = int(here.sum()), here & selected
    if n < _LEAST or chosen.sum() < _LEAST // 2:
        raise MissingDataError(
            f"only {n} annihilations ({int(chosen.sum())} selected) from {low_mm:g} to "
            f"{low_mm + BIN_MM:g} mm: give a larger sample of the wall or the disc"
        )
    share = float(chosen.sum() / n)
    residual = judged.z_mm[chosen] - judged.true_z_mm[chosen]
    bias = float(trimmed_mean(residual[None])[0])
    middle = np.sort(residual)[int(0.05 * len(residual)) : int(np.ceil(0.95 * len(residual)))]
    error = float(np.std(middle) / np.sqrt(len(middle)))
    return share, float(np.sqrt(share * (1 - share) / n)), bias, error, residual - bias


def _background(judged: Judged, selected: np.ndarray) -> dict[str, Estimate]:
    """Selected muons a second in each region; the interval's upper end holds for none seen, too."""
    per_muon = cosmic_rate_hz() / float(judged.cosmic.sum())
    muons = selected & judged.cosmic
    found = {}
    for name, (low, high) in REGIONS.items():
        count = float((muons & (judged.z_mm >= low) & (judged.z_mm < high)).sum())
        error = np.sqrt(max(count, 1.0))
        value = count * per_muon
        found[name] = Estimate(value, max(value - error * per_muon, 0), value + error * per_muon)
    return found


def acceptance(
    response: Response, landings: Landings, shift_mm: float = 0.0, scale: float = 1.0
) -> FloatArray:
    """Chance (2, 2) that an atom that left [down, up] is counted in the region [down, up].

    A reconstructed height is the true one plus the bias there plus a residual, times `scale` about
    z = 0, plus `shift_mm`.
    """
    z = landings.centres_mm
    efficiency = np.interp(z, response.centres_mm, response.efficiency)
    placed = z + np.interp(z, response.centres_mm, response.bias_mm)
    counted = np.empty((2, 2))
    for column, (low, high) in enumerate(REGIONS.values()):
        ends = [_below(response, (edge - shift_mm) / scale - placed) for edge in (low, high)]
        inside = efficiency * (ends[1] - ends[0])
        for row, atoms in enumerate((landings.down, landings.up)):
            counted[row, column] = float(inside @ atoms / atoms.sum())
    return counted


def _below(response: Response, distance_mm: FloatArray) -> FloatArray:
    """Share of residuals below a distance; between two residuals by a straight line."""
    share = (np.arange(len(response.residuals_mm)) + 0.5) / len(response.residuals_mm)
    return np.interp(distance_mm, response.residuals_mm, share, left=0.0, right=1.0)

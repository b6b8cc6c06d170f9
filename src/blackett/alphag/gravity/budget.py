"""The error budget in units of g: what each source adds to the uncertainty of a_g, for a method of
reconstruction and a campaign of releases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from blackett.alphag.gravity.curve import EscapeCurve
from blackett.alphag.gravity.likelihood import (
    NUISANCES,
    Campaign,
    Fit,
    Model,
    Priors,
    asimov,
    fit,
    toy,
)
from blackett.arrays import frozen
from blackett.errors import InputError
from blackett.report import Estimate

if TYPE_CHECKING:
    from blackett.alphag.gravity.escape import Landings
    from blackett.alphag.gravity.response import Response
    from blackett.arrays import FloatArray

__all__ = [
    "EXTERNAL_G", "PUBLISHED_G", "Budget", "Closure", "Needs", "Setting", "budget_of", "closure",
    "known", "needs",
]  # fmt: skip

EXTERNAL_G: Final = {"field model": 0.16, "initial energy": 0.03}
"""Terms that no detector changes, in g, as recalled of the published measurement."""
PUBLISHED_G: Final = {
    "statistical": 0.06, "efficiency": 0.12, "other detector": 0.01, **EXTERNAL_G
}  # fmt: skip
"""The published budget, in g, as recalled."""
SHARE_G: Final = 0.005
"""Of each of four equal terms of a 1 % measurement."""
_STEP = 1.0  # standard deviations by which a coefficient of the curve is moved
_CALIBRATION_G = (-10.0, 10.0)


@dataclass(frozen=True)
class Setting:
    """What a budget is for: a method's response and a campaign, true gravity `a_g`."""

    response: Response
    landings: Landings
    curve: EscapeCurve
    campaign: Campaign
    priors: Priors
    a_g: float = 1.0

    def model(self, background: bool = True) -> Model:
        """Expected counts, on request without background."""
        made = Model.of(self.curve, self.landings, self.response, self.campaign.exposure_s)
        return made if background else replace(made, background=frozen(np.zeros(2)))

    def error_g(self, priors: Priors, background: bool = True) -> float:
        """Expected error of a_g with these nuisances."""
        model = self.model(background)
        counts = asimov(model, self.campaign, self.a_g)
        return fit(model, counts, priors, start_g=self.a_g).error_g


@dataclass(frozen=True)
class Budget:
    """Terms in g. `alone`: each nuisance with the others known exactly, less the statistical error,
    in quadrature; `removed`: what the total loses, in quadrature, when it becomes known exactly;
    `simulation`: of the finite number of simulated atoms behind the curve. `ratio`: counted share
    of atoms below over that above, which without calibration would shift a_g by `uncorrected_g`."""

    method: str
    statistical: float
    background_noise: float
    alone: dict[str, float]
    removed: dict[str, float]
    detector: float
    simulation: float
    priors: Priors
    ratio: float
    uncorrected_g: float

    @property
    def total(self) -> float:
        """With the simulation and the external terms, in quadrature."""
        return float(np.sqrt(self.detector**2 + sum(v**2 for v in EXTERNAL_G.values())))


@dataclass(frozen=True)
class Needs:
    """What holds each of four terms at 0.005 g, 0.01 g together: `atoms` that escape at the biases;
    relative `efficiency` and `calibration_atoms` a side with a perfect monitor; `z_shift_mm`;
    `background_ratio`, relative."""

    atoms: float
    efficiency: float
    calibration_atoms: float
    z_shift_mm: float
    background_ratio: float


@dataclass(frozen=True)
class Closure:
    """Fits of `n` toy campaigns of known gravity: mean and width of (fitted - true) / error, and
    share of toys within one error of the truth."""

    n: int
    mean: Estimate
    width: Estimate
    covered: Estimate


def known(setting: Setting) -> Priors:
    """The priors with those that the campaign measures itself: relative efficiency by the counts at
    -10 and +10 g, background and its ratio by counting muons alone."""
    campaign, counted = setting.campaign, setting.model().counted[2, 2]
    down = setting.curve.down(np.array(_CALIBRATION_G), setting.a_g)
    below = campaign.calibration_atoms * down[0] * counted[0, 0]
    above = campaign.calibration_atoms * (1 - down[1]) * counted[1, 1]
    noise = campaign.exposure_s * np.array(list(setting.response.background_hz.values()))
    variance = (below + noise[0]) / below**2 + (above + noise[1]) / above**2
    muons = campaign.cosmic_run_s * np.array(list(setting.response.background_hz.values()))
    muons = np.maximum(muons, 1.0)
    return replace(
        setting.priors,
        efficiency=float(np.sqrt(variance + campaign.monitor**2)),
        background=float(1 / np.sqrt(muons.sum())),
        background_ratio=float(np.sqrt((1 / muons).sum())),
    )


def budget_of(setting: Setting) -> Budget:
    """All terms of a setting, by fits of its mean counts."""
    priors = known(setting)
    statistical = setting.error_g(priors.only())
    clean = setting.error_g(priors.only(), background=False)
    alone = {n: _beyond(setting.error_g(priors.only(n)), statistical) for n in NUISANCES}
    whole = setting.error_g(priors)
    removed = {n: _beyond(whole, setting.error_g(priors.without(n))) for n in NUISANCES}
    counted = setting.model().counted[2, 2]
    ratio = float(counted[0].sum() / counted[1].sum())
    simulation = _of_simulation(setting)
    return Budget(
        setting.response.method, statistical, _beyond(statistical, clean), alone, removed, whole,
        simulation, priors, ratio, _uncorrected(setting, ratio),
    )  # fmt: skip


def _beyond(larger: float, smaller: float) -> float:
    return float(np.sqrt(max(larger**2 - smaller**2, 0.0)))


def _uncorrected(setting: Setting, ratio: float) -> float:
    """Shift of a_g where a relative efficiency is there and not known."""
    model, wrong = setting.model(), np.zeros(len(NUISANCES))
    wrong[NUISANCES.index("efficiency")] = np.log(ratio)
    counts = asimov(model, setting.campaign, setting.a_g, wrong)
    found: Fit = fit(model, counts, setting.priors.only(), start_g=setting.a_g)
    return found.a_g - setting.a_g


def _of_simulation(setting: Setting) -> float:
    """Error of a_g by the covariance of the curve's coefficients."""
    values, axes = np.linalg.eigh(setting.curve.covariance)
    shifts = []
    for value, axis in zip(values, axes.T, strict=True):
        moved = setting.curve.coefficients + _STEP * np.sqrt(max(value, 0.0)) * axis
        other = replace(setting, curve=EscapeCurve(moved, setting.curve.covariance))
        counts = asimov(other.model(), setting.campaign, setting.a_g)
        found = fit(setting.model(), counts, setting.priors.only(), start_g=setting.a_g)
        shifts.append((found.a_g - setting.a_g) / _STEP)
    return float(np.sqrt(np.sum(np.square(shifts))))


def needs(setting: Setting, share_g: float = SHARE_G) -> Needs:
    """What a term of `share_g` each asks of a setting."""
    if not share_g > 0:
        raise InputError(f"share of {share_g} g: give a number > 0")
    unit = Priors(0.02, 0.5, 0.0, 0.02, 0.02, 0.0)
    statistical = setting.error_g(unit.only())
    slope = {
        name: _beyond(setting.error_g(unit.only(name)), statistical) / getattr(unit, name)
        for name in ("efficiency", "z_shift_mm", "background_ratio")
    }
    relative = share_g / slope["efficiency"]
    counted = setting.model().counted[2, 2]
    return Needs(
        atoms=setting.campaign.atoms * (statistical / share_g) ** 2,
        efficiency=relative,
        calibration_atoms=float((1 / counted[0, 0] + 1 / counted[1, 1]) / relative**2),
        z_shift_mm=share_g / slope["z_shift_mm"] if slope["z_shift_mm"] > 0 else float("inf"),
        background_ratio=(
            share_g / slope["background_ratio"] if slope["background_ratio"] > 0 else float("inf")
        ),
    )


def closure(setting: Setting, n: int, rng: np.random.Generator) -> Closure:
    """Fit n toys; in each the counts fluctuate, and what was measured of the nuisances about the
    truth by its prior."""
    if n < 2:
        raise InputError(f"{n} toys: give at least 2")
    priors, model = known(setting), setting.model()
    widths = np.array([getattr(priors, name) for name in NUISANCES])
    pulls = np.empty(n)
    for k in range(n):
        counts = toy(model, setting.campaign, setting.a_g, rng)
        found = fit(model, counts, priors, rng.normal(size=widths.size) * widths, setting.a_g)
        pulls[k] = (found.a_g - setting.a_g) / found.error_g
    return _closure(pulls)


def _closure(pulls: FloatArray) -> Closure:
    n = len(pulls)
    mean, width = float(pulls.mean()), float(pulls.std(ddof=1))
    covered = float((np.abs(pulls) < 1).mean())
    errors = width / np.sqrt(n), width / np.sqrt(2 * (n - 1)), np.sqrt(covered * (1 - covered) / n)
    values = (mean, width, covered)
    return Closure(n, *(Estimate(v, v - e, v + e) for v, e in zip(values, errors, strict=True)))

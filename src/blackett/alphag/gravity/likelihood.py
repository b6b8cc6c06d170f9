"""Gravity from counts below and above, at several biases: expected counts, data and fit.

At bias i the mean counts in the two regions are

    m_down = N_i [P_i A_dd + (1 - P_i) A_ud] e^(+eff/2) + B_down,i
    m_up   = N_i [P_i A_du + (1 - P_i) A_uu] e^(-eff/2) + B_up,i

with P_i from the escape curve at (bias_i + bias_offset, a_g), A from the method's response at the
given shift and scale of z, and B the cosmic background of the exposure. The number of atoms N_i is
free at every bias and maximised in closed form. Each nuisance parameter has a Gaussian prior about
what was measured of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from iminuit import Minuit
from scipy.special import xlogy

from blackett.alphag.gravity.escape import BIASES_G
from blackett.alphag.gravity.response import acceptance
from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from blackett.alphag.gravity.curve import EscapeCurve
    from blackett.alphag.gravity.escape import Landings
    from blackett.alphag.gravity.response import Response
    from blackett.arrays import FloatArray

__all__ = ["NUISANCES", "Campaign", "Counts", "Fit", "Model", "Priors", "asimov", "fit", "toy"]

NUISANCES: Final = (
    "efficiency", "z_shift_mm", "z_scale", "background", "background_ratio", "bias_offset_g",
)  # fmt: skip
"""Nuisance parameters, each 0 where the model is exact: see `Priors`."""
_RANGE_G = (-4.0, 5.0)
_SHIFTS_MM = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
_SCALES = np.array([-4e-3, -2e-3, 0.0, 2e-3, 4e-3])


@dataclass(frozen=True)
class Priors:
    """Standard deviations of what is known of each nuisance parameter; 0: known exactly."""

    efficiency: float = 0.11
    """Logarithm of the relative efficiency below over above (0.12 g of the published budget, over
    1.1)."""
    z_shift_mm: float = 0.5
    """Common shift of z (alignment of chamber and trap)."""
    z_scale: float = 5e-4
    """Relative scale of z."""
    background: float = 0.05
    """Logarithm of the background rate."""
    background_ratio: float = 0.02
    """Logarithm of the background below over above."""
    bias_offset_g: float = 0.0
    """Common offset of all biases; what magnetometry leaves open of the field is a term of its own
    in the budget."""

    def __post_init__(self) -> None:
        wrong = {k: v for k, v in asdict(self).items() if not (np.isfinite(v) and v >= 0)}
        if wrong:
            raise InputError(f"priors {wrong}: give standard deviations >= 0")

    def only(self, *names: str) -> Priors:
        """These alone, the others known exactly."""
        return Priors(**{n: getattr(self, n) if n in names else 0.0 for n in NUISANCES})

    def without(self, *names: str) -> Priors:
        """All but these."""
        return replace(self, **dict.fromkeys(names, 0.0))


@dataclass(frozen=True)
class Campaign:
    """What is measured: releases at each of the biases, at the two of calibration, and cosmic
    muons without atoms. The numbers of atoms are those for which the budget has the size that is
    recalled of the published one."""

    biases_g: tuple[float, ...] = BIASES_G
    atoms_per_bias: float = 450.0
    """Atoms that escape downwards or upwards."""
    releases_per_bias: float = 5.0
    window_s: float = 20.0
    """Counting time of each release."""
    calibration_atoms: float = 450.0
    """At -10 g, and as many at +10 g."""
    monitor: float = 0.05
    """Relative knowledge of the ratio of these two numbers, from atoms counted before the ramp
    (assumed)."""
    cosmic_run_s: float = 36000.0
    """Time for which muons alone are counted."""

    def __post_init__(self) -> None:
        positive = {k: v for k, v in asdict(self).items() if k not in ("biases_g", "monitor")}
        wrong = {k: v for k, v in positive.items() if not (np.isfinite(v) and v > 0)}
        if wrong or not self.biases_g or not self.monitor >= 0:
            raise InputError(
                f"campaign of {len(self.biases_g)} biases, monitor {self.monitor}, {wrong}: give "
                "biases, a monitor >= 0 and finite numbers > 0"
            )

    @property
    def exposure_s(self) -> float:
        """Counting time at each bias."""
        return self.releases_per_bias * self.window_s

    @property
    def atoms(self) -> float:
        """Escaping atoms in all, calibration left out."""
        return self.atoms_per_bias * len(self.biases_g)


@dataclass(frozen=True, eq=False)
class Counts:
    """Events counted below and above at m biases (m,)."""

    bias_g: FloatArray
    down: FloatArray
    up: FloatArray

    def __post_init__(self) -> None:
        for name in ("bias_g", "down", "up"):
            array = frozen(getattr(self, name))
            if array.shape != (len(self.bias_g),) or not np.isfinite(array).all():
                raise InputError(f"Counts.{name}: give {len(self.bias_g)} finite numbers")
            object.__setattr__(self, name, array)
        if not len(self.bias_g) or min(self.down.min(), self.up.min()) < 0:
            raise InputError("counts must be of at least one bias, and none below 0")


@dataclass(frozen=True, eq=False)
class Model:
    """Expected counts: the `curve`; `counted` (5, 5, 2, 2), acceptances at shifts and scales;
    `background` (2,), mean background counts at each bias, down and up."""

    curve: EscapeCurve
    counted: FloatArray
    background: FloatArray

    @classmethod
    def of(
        cls, curve: EscapeCurve, landings: Landings, response: Response, exposure_s: float
    ) -> Model:
        """The model of a method's response."""
        grid = [
            [acceptance(response, landings, s, 1 + scale) for scale in _SCALES] for s in _SHIFTS_MM
        ]
        rates = [response.background_hz[name] for name in ("down", "up")]
        return cls(curve, frozen(grid), frozen(exposure_s * np.array(rates)))

    def signal(self, bias_g: FloatArray, a_g: float, nuisances: FloatArray) -> FloatArray:
        """Chances (m, 2) that an escaping atom is counted below and above."""
        efficiency, shift, scale, _, _, offset = nuisances
        down = self.curve.down(bias_g + offset, a_g)[:, None]
        counted = _interpolated(self.counted, shift, scale)
        balance = np.array([np.exp(efficiency / 2), np.exp(-efficiency / 2)])
        return np.asarray((down * counted[0] + (1 - down) * counted[1]) * balance)

    def noise(self, nuisances: FloatArray) -> FloatArray:
        """Mean background counts (2,)."""
        log_rate, log_ratio = nuisances[3], nuisances[4]
        return np.asarray(self.background * np.exp(log_rate + np.array([0.5, -0.5]) * log_ratio))


@dataclass(frozen=True)
class Fit:
    """The result: `a_g` with `error_g`, half of its profile likelihood interval (with nuisances),
    all `nuisances` by name, and the `deviance` at the minimum, priors included."""

    a_g: float
    error_g: float
    nuisances: dict[str, float] = field(default_factory=dict)
    deviance: float = float("nan")


def _interpolated(grid: FloatArray, shift: float, scale: float) -> FloatArray:
    """Acceptances between the nodes, parabolas in both directions; beyond the outer nodes as
    there."""
    rows = np.tensordot(_weights(_SHIFTS_MM, shift), grid, 1)
    return np.asarray(np.tensordot(_weights(_SCALES, scale), rows, 1))


def _weights(nodes: FloatArray, x: float) -> FloatArray:
    """Weights of the nodes in their least squares parabola at x."""
    t = np.clip(x, nodes[0], nodes[-1]) / nodes[-1]
    design = np.vander(nodes / nodes[-1], 3)
    return np.asarray(np.linalg.pinv(design).T @ np.array([t * t, t, 1.0]))


def toy(
    model: Model,
    campaign: Campaign,
    a_g: float,
    rng: np.random.Generator,
    nuisances: FloatArray | None = None,
) -> Counts:
    """Poisson counts of a campaign."""
    mean = _means(model, campaign, a_g, nuisances)
    drawn = rng.poisson(mean).astype(np.float64)
    return Counts(frozen(campaign.biases_g), drawn[:, 0], drawn[:, 1])


def asimov(
    model: Model, campaign: Campaign, a_g: float, nuisances: FloatArray | None = None
) -> Counts:
    """The mean counts of a campaign, for which a fit returns the truth with the expected error."""
    mean = _means(model, campaign, a_g, nuisances)
    return Counts(frozen(campaign.biases_g), mean[:, 0], mean[:, 1])


def _means(
    model: Model, campaign: Campaign, a_g: float, nuisances: FloatArray | None
) -> FloatArray:
    given = np.zeros(len(NUISANCES)) if nuisances is None else nuisances
    bias = np.array(campaign.biases_g)
    signal = campaign.atoms_per_bias * model.signal(bias, a_g, given)
    return np.asarray(signal + model.noise(given))


def fit(
    model: Model,
    counts: Counts,
    priors: Priors,
    measured: FloatArray | None = None,
    start_g: float = 0.0,
) -> Fit:
    """Maximum likelihood of a_g with free numbers of atoms and constrained nuisance parameters.

    `measured` are the centres of the priors (0 if left out). Nuisances whose prior is 0 stay at
    their centres. Raises `InputError` if the fit does not converge or ends at the edge of -4..5 g.
    """
    widths = np.array([getattr(priors, name) for name in NUISANCES])
    centres = np.zeros(len(NUISANCES)) if measured is None else np.asarray(measured, np.float64)
    free = widths > 0
    observed = np.stack([counts.down, counts.up], axis=1)

    def deviance(parameters: FloatArray) -> float:
        pulls = parameters[1:]
        nuisances = centres.copy()
        nuisances[free] += pulls * widths[free]
        signal = model.signal(counts.bias_g, parameters[0], nuisances)
        return _deviance(observed, signal, model.noise(nuisances)) + float(pulls @ pulls)

    names = ["a_g", *(name for name, on in zip(NUISANCES, free, strict=True) if on)]
    minuit = Minuit(deviance, np.array([start_g, *np.zeros(int(free.sum()))]), name=names)
    minuit.limits["a_g"] = _RANGE_G
    minuit.errors = (0.05, *[0.3] * int(free.sum()))
    minuit.migrad()
    return _result(minuit, centres, widths, names)


def _result(minuit: Minuit, centres: FloatArray, widths: FloatArray, names: Collection[str]) -> Fit:
    """The minimum and the interval in which the profile of the deviance rises by 1 (MINOS): second
    derivatives are not accurate where a nuisance is far worse known than counts are."""
    a_g = float(minuit.values["a_g"])
    inside = _RANGE_G[0] + 0.01 < a_g < _RANGE_G[1] - 0.01
    if not minuit.valid or not inside:
        raise InputError(
            f"the fit of a_g does not converge between {_RANGE_G[0]} and {_RANGE_G[1]} g (at "
            f"{a_g:.2f} g): these counts do not follow the escape curve"
        )
    minuit.minos("a_g")
    low, high = (float(getattr(minuit.merrors["a_g"], side)) for side in ("lower", "upper"))
    nuisances = {
        name: float(centre + (minuit.values[name] * width if name in names else 0.0))
        for name, centre, width in zip(NUISANCES, centres, widths, strict=True)
    }
    return Fit(a_g, (high - low) / 2, nuisances, float(minuit.fval or 0.0))


def _deviance(observed: FloatArray, signal: FloatArray, noise: FloatArray) -> float:
    """Poisson deviance of counts (m, 2), the numbers of atoms at their best."""
    mean = np.maximum(_best_atoms(observed, signal, noise)[:, None] * signal + noise, 1e-300)
    terms = mean - observed + xlogy(observed, observed / mean)
    return float(2 * terms.sum())


def _best_atoms(observed: FloatArray, signal: FloatArray, noise: FloatArray) -> FloatArray:
    """The numbers of atoms (m,) that maximise the likelihood: a quadratic equation, as there are
    two counts at each bias."""
    (d, u), (s, t), (b, c) = observed.T, signal.T, noise
    both = s + t
    square = both * s * t
    linear = both * (s * c + t * b) - (d + u) * s * t
    constant = both * b * c - d * s * c - u * t * b
    root = np.sqrt(np.maximum(linear**2 - 4 * square * constant, 0.0))
    return np.asarray(np.maximum((root - linear) / (2 * square), 0.0))

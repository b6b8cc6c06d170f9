"""The share of escaping atoms that leave downwards, smooth in bias and gravity, fitted to simulated
escapes.

What matters is how much the upper barrier tops the lower one, x = a_g - bias in units of g:

    P(down) = 1 / (1 + exp(-eta)),   eta = c0 + c1 t + c2 t^3 + a_g (c3 + c4 t),
    t = x / sqrt(1 + (x / w)^2),

w = 4 g. c0 is what the trap's own asymmetry does at balance, c3 and c4 what gravity does that a
bias does not undo (it acts at every height, the bias at the coils).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from iminuit import Minuit
from scipy.special import expit, xlogy

from blackett.arrays import frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.alphag.gravity.escape import EscapeTable
    from blackett.arrays import FloatArray

__all__ = ["EscapeCurve", "fit_curve"]

WIDTH_G: Final = 4.0
"""Where the curve turns to its limits."""
_TERMS = 5


@dataclass(frozen=True, eq=False)
class EscapeCurve:
    """Coefficients c0 to c4 (5,) with their covariance (5, 5); deviance of the fit over its degrees
    of freedom, nan for a curve that was not fitted."""

    coefficients: FloatArray
    covariance: FloatArray
    deviance_per_dof: float = float("nan")

    def __post_init__(self) -> None:
        shapes = {"coefficients": (_TERMS,), "covariance": (_TERMS, _TERMS)}
        for name, shape in shapes.items():
            array = frozen(getattr(self, name))
            if array.shape != shape:
                raise InputError(f"EscapeCurve.{name}: shape {array.shape}, not {shape}")
            object.__setattr__(self, name, array)

    def down(self, bias_g: FloatArray | float, a_g: FloatArray | float) -> FloatArray:
        """Share that leaves downwards."""
        return np.asarray(expit(np.tensordot(self.coefficients, _design(bias_g, a_g), 1)))

    def slope_per_g(self, bias_g: float, a_g: float) -> float:
        """Change of the share with gravity, per g."""
        ends = self.down(bias_g, np.array([a_g - 0.05, a_g + 0.05]))
        return float((ends[1] - ends[0]) / 0.1)

    def balance_g(self, a_g: float) -> float:
        """The bias at which half of the atoms leave either way, between a_g - 4 and a_g + 4 g."""
        bias = np.linspace(a_g - 4, a_g + 4, 1601)
        return float(np.interp(0.5, self.down(bias, a_g)[::-1], bias[::-1]))


def _design(bias_g: FloatArray | float, a_g: FloatArray | float) -> FloatArray:
    bias, a = np.broadcast_arrays(np.asarray(bias_g, np.float64), np.asarray(a_g, np.float64))
    x = a - bias
    t = x / np.sqrt(1 + (x / WIDTH_G) ** 2)
    return np.stack([np.ones(t.shape), t, t**3, a, a * t])


def fit_curve(table: EscapeTable) -> EscapeCurve:
    """The curve of a table of simulated escapes: binomial maximum likelihood.

    Raises `InputError` if it does not converge.
    """
    n, k = table.down + table.up, table.down
    design = _design(table.bias_g, table.a_g)

    def deviance(c: FloatArray) -> float:
        share = np.clip(expit(c @ design), 1e-12, 1 - 1e-12)
        fitted = xlogy(k, share) + xlogy(n - k, 1 - share)
        exact = xlogy(k, k / n) + xlogy(n - k, 1 - k / n)
        return float(2 * (exact - fitted).sum())

    minuit = Minuit(deviance, np.array([0.0, 0.8, 0.0, 0.0, 0.0]))
    minuit.migrad()
    minuit.hesse()
    if not minuit.valid or minuit.covariance is None:
        raise InputError(f"escape curve of {len(table)} points: the fit does not converge")
    freedom = max(len(table) - _TERMS, 1)
    return EscapeCurve(
        frozen(minuit.values), frozen(minuit.covariance), float(minuit.fval or 0.0) / freedom
    )

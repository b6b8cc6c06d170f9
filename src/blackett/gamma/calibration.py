"""Energy calibrations: which energy belongs to which channel.

The convention, here and nowhere else: a calibration gives the energy of the CENTRE of channel c,
channels count from 0, and channel c reaches from c - 1/2 to c + 1/2. (Programs differ:
sandialabs/SpecUtils reads the polynomial as the lower edge, unixfg/radiacode as the centre; on a
RadiaCode the difference is 1.2 keV.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from blackett.arrays import FloatArray, frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["EnergyAxis", "EnergyCalibration", "TabulatedCalibration"]

MAX_COEFFICIENTS = 10
MAX_KEV = 1e9


@dataclass(frozen=True)
class EnergyCalibration:
    """Polynomial axis E(c) = a0 + a1 c + a2 c^2 + ..., keV at the centre of channel c.

    Raises InputError unless there are 2 to 10 finite coefficients. Whether E rises is checked for
    the channels in use, by `edges_kev`.
    """

    coefficients_kev: tuple[float, ...]
    """a0, a1, a2, ... in keV, keV a channel, keV a channel squared, ..."""

    def __post_init__(self) -> None:
        values = tuple(float(a) for a in self.coefficients_kev)
        if not 2 <= len(values) <= MAX_COEFFICIENTS or not all(map(math.isfinite, values)):
            raise InputError(
                f"an energy calibration needs 2 to {MAX_COEFFICIENTS} finite coefficients, "
                f"not {values}"
            )
        object.__setattr__(self, "coefficients_kev", values)

    def energy_kev(self, channels: ArrayLike) -> FloatArray:
        """Energy at each channel, same shape; whole numbers are centres, halves are edges."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(
                np.polynomial.polynomial.polyval(
                    np.asarray(channels, dtype=np.float64), self.coefficients_kev
                )
            )

    def edges_kev(self, n_channels: int) -> FloatArray:
        """Energies of the channel edges -1/2 ... n_channels - 1/2, shape (n_channels + 1,).

        Raises InputError unless they are strictly increasing.
        """
        return _rising(self.energy_kev(np.arange(n_channels + 1) - 0.5), str(self))

    def channel(self, energy_kev: ArrayLike) -> FloatArray:
        """Fractional channel of each energy, same shape: the inverse on the rising branch.

        Raises InputError for an energy that the polynomial does not reach.
        """
        energy = np.asarray(energy_kev, dtype=np.float64)
        a0, a1, a2 = (*self.coefficients_kev, 0.0)[:3]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            # the root of a2 c^2 + a1 c + a0 - E = 0 with rising E, in the form without cancellation
            channels = 2 * (energy - a0) / (a1 + np.sqrt(a1**2 + 4 * a2 * (energy - a0)))
            if len(self.coefficients_kev) > 3:
                channels = self._newton(channels, energy)
            miss = np.abs(self.energy_kev(channels) - energy)
        if not np.all(miss <= 1e-6 * (1 + np.abs(energy))):
            raise InputError(f"energy outside the range of {self}")
        return np.asarray(channels)

    def _newton(self, start: FloatArray, energy: FloatArray) -> FloatArray:
        slope = np.polynomial.polynomial.polyder(self.coefficients_kev)
        channels = np.nan_to_num(start)
        for _ in range(60):
            step = self.energy_kev(channels) - energy
            channels = channels - step / np.polynomial.polynomial.polyval(channels, slope)
        return channels

    def resampled(self, first: int, step: int) -> EnergyCalibration:
        """The axis of channels made of `step` old ones each, the first beginning at `first`.

        Exact: new channel j has its edges on old edges, its centre at first + step j + (step-1)/2.
        """
        inner = np.polynomial.Polynomial([first + 0.5 * (step - 1), step])
        outer = np.polynomial.Polynomial(self.coefficients_kev)(inner)
        return EnergyCalibration(tuple(float(a) for a in outer.coef))

    def for_channels(self, old: int, new: int) -> EnergyCalibration:
        """Coefficients as the RadiaCode app converts them between channel numbers.

        a_k (old / new)^k: from 256 to 1024 channels a1/4 and a2/16, a0 unchanged (facts of the
        vendor app). This keeps E at equal fractions c / n; `resampled` is the exact regrouping.
        Raises InputError for channel numbers below 2.
        """
        if old < 2 or new < 2:
            raise InputError(f"channel numbers must be at least 2, not {old} and {new}")
        scaled = (a * (old / new) ** k for k, a in enumerate(self.coefficients_kev))
        return EnergyCalibration(tuple(scaled))


@dataclass(frozen=True, eq=False)
class TabulatedCalibration:
    """An axis given by its channel edges, for files that hold energies and no polynomial.

    Raises InputError unless there are at least 3 finite, strictly increasing edges.
    """

    edges: FloatArray
    """Energies of the channel edges, keV, shape (n_channels + 1,), read-only."""

    def __post_init__(self) -> None:
        edges = frozen(self.edges)
        if edges.ndim != 1 or edges.size < 3:
            raise InputError("a tabulated calibration needs at least 3 edges in one row")
        object.__setattr__(self, "edges", _rising(edges, "tabulated calibration"))

    @classmethod
    def from_centres(cls, centres_kev: ArrayLike) -> TabulatedCalibration:
        """Edges midway between neighbouring centres; the outer ones half a step beyond."""
        centres = np.asarray(centres_kev, dtype=np.float64)
        if centres.ndim != 1 or centres.size < 2:
            raise InputError("a tabulated calibration needs at least 2 centres in one row")
        middle = 0.5 * (centres[:-1] + centres[1:])
        low, high = 2 * centres[0] - middle[0], 2 * centres[-1] - middle[-1]
        return cls(np.concatenate([[low], middle, [high]]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TabulatedCalibration):
            return NotImplemented
        return np.array_equal(self.edges, other.edges)

    __hash__ = None  # type: ignore[assignment]

    def edges_kev(self, n_channels: int) -> FloatArray:
        """The first n_channels + 1 edges; InputError when the table has fewer."""
        if not 2 <= n_channels < self.edges.size:
            raise InputError(f"calibration of {self.edges.size - 1} channels used for {n_channels}")
        return self.edges[: n_channels + 1]

    def energy_kev(self, channels: ArrayLike) -> FloatArray:
        """Energy at each channel, straight lines between edges; InputError outside the table."""
        place = np.asarray(channels, dtype=np.float64) + 0.5
        if not np.all((place >= 0) & (place <= self.edges.size - 1)):
            raise InputError(f"channel outside the table of {self.edges.size - 1} channels")
        return np.asarray(np.interp(place, np.arange(self.edges.size), self.edges))

    def channel(self, energy_kev: ArrayLike) -> FloatArray:
        """Fractional channel of each energy, same shape; InputError outside the table."""
        energy = np.asarray(energy_kev, dtype=np.float64)
        if not np.all((energy >= self.edges[0]) & (energy <= self.edges[-1])):
            raise InputError(f"energy outside {self.edges[0]} to {self.edges[-1]} keV")
        return np.asarray(np.interp(energy, self.edges, np.arange(self.edges.size)) - 0.5)

    def resampled(self, first: int, step: int) -> TabulatedCalibration:
        """The axis of channels made of `step` old ones each, the first beginning at `first`."""
        return TabulatedCalibration(self.edges[first::step])


EnergyAxis: TypeAlias = EnergyCalibration | TabulatedCalibration
"""What a spectrum may carry as its energy axis."""


def _rising(edges: FloatArray, what: str) -> FloatArray:
    """The same edges, read-only; raises InputError unless finite and strictly increasing."""
    if not np.all(np.isfinite(edges)) or np.abs(edges).max() > MAX_KEV:
        raise InputError(f"{what}: energies must be finite and below {MAX_KEV:g} keV")
    steps = np.diff(edges)
    if not np.all(steps > 0):
        first = int(np.argmax(steps <= 0))
        raise InputError(f"{what}: energy must rise with the channel, but falls at channel {first}")
    return frozen(edges)

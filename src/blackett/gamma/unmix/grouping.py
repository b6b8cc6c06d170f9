"""Joining channels into groups of about a third of the resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.gamma.unmix.settings import DEFAULT, Settings

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["Grouped", "group"]


@dataclass(frozen=True)
class Grouped:
    """Counts in groups of whole channels (so still Poisson), with their stored edges.

    `counts` and `background` are (B,), `first_channel` (B + 1,), `edges_kev` (B + 1,).
    """

    counts: FloatArray
    background: FloatArray
    background_ratio: float
    first_channel: IntArray
    edges_kev: FloatArray
    live_time_s: float

    @property
    def centres_kev(self) -> FloatArray:
        """Stored energies (B,) in the middle of the groups."""
        return 0.5 * (self.edges_kev[1:] + self.edges_kev[:-1])


def group(
    counts: IntArray,
    edges_kev: FloatArray,
    fwhm_kev: FloatArray,
    lowest_kev: float,
    live_time_s: float,
    background: tuple[FloatArray, float] | None,
    settings: Settings = DEFAULT,
) -> Grouped:
    """Join channels into groups of about FWHM / `groups_per_fwhm`.

    `counts` (n,), `edges_kev` (n + 1,), `fwhm_kev` (n,) at the channels' centres; `background` are
    counts on the same channels and their live time. Raises InputError when fewer than five groups
    lie inside the energy limits.
    """
    inside = np.flatnonzero(
        (edges_kev[:-1] >= lowest_kev) & (edges_kev[1:] <= settings.highest_kev)
    )
    if inside.size < 5:
        raise InputError(
            f"only {inside.size} channels lie between {lowest_kev:g} and "
            f"{settings.highest_kev:g} keV: is the energy calibration right?"
        )
    starts = [int(inside[0])]
    for channel in inside[1:]:
        width = edges_kev[channel] - edges_kev[starts[-1]]
        if width >= fwhm_kev[channel] / settings.groups_per_fwhm:
            starts.append(int(channel))
    starts.append(int(inside[-1]) + 1)
    first = np.array(starts)
    sums = np.concatenate([[0.0], np.cumsum(counts, dtype=float)])
    ratio, grouped_background = 0.0, np.zeros(first.size - 1)
    if background is not None:
        background_sums = np.concatenate([[0.0], np.cumsum(background[0], dtype=float)])
        grouped_background = np.diff(background_sums[first])
        ratio = live_time_s / background[1]
    return Grouped(
        np.diff(sums[first]), grouped_background, ratio, first, edges_kev[first], live_time_s
    )

"""Has the count rate changed, when, and which way? A likelihood ratio of Poisson counts.

For every moment k of the last minutes the counts before it (n1 in T1 seconds, since the stretch
began) are compared with those after it (n2 in T2), in all channels and in bands of energy:

    G = max over k and bands of  n1 ln(n1/T1) + n2 ln(n2/T2) - (n1+n2) ln((n1+n2)/(T1+T2)),

the logarithm of the likelihood ratio of two rates against one (G. Lorden, Ann. Math. Statist. 42
(1971) 1897, with both rates unknown). G is divided by 1 + n2 ((0.3 s / T2)² + 0.02²): times of
readings are good to some tenths of a second, and rates within 2 per cent are called constant. A
change is told when G reaches a threshold, and dated at the best k. Many dependent looks are taken
at G: its threshold comes from simulating constant rates, see `tools/measure_live.py` and
docs/live.md. The window bounds what slow drifts can add up to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

from blackett.errors import InputError

if TYPE_CHECKING:
    from blackett.arrays import FloatArray, IntArray

__all__ = ["BANDS_KEV", "ChangeDetector", "Detected", "in_bands"]

BANDS_KEV = (30.0, 80.0, 150.0, 300.0, 500.0, 800.0)
"""Edges between the bands; the first band begins at the lowest channel, the last has no end."""
WINDOW = 300
"""Beats after a possible change that are looked at."""
LEAST_BEFORE_S, LEAST_AFTER_S = 15.0, 3.0
TIME_ERROR_S, RATE_ERROR = 0.3, 0.02


@dataclass(frozen=True)
class Detected:
    """A change of rate."""

    beats_ago: int
    """Beats that belong to the time after the change."""
    risen: bool
    cps_before: float
    """Of all channels, from the begin of the stretch to the change."""
    cps_after: float
    ratio: float
    """G."""


class ChangeDetector:
    """Looks for a change in beats of (seconds, counts by band); begins anew after each it finds.

    The first column of the counts is the sum over all channels.
    """

    def __init__(self, threshold: float, bands: int = len(BANDS_KEV) + 2) -> None:
        if not threshold > 0.0:
            raise InputError(f"a threshold of {threshold} must be above 0")
        self._threshold = threshold
        self._rows = np.zeros((4 * WINDOW, bands + 1))  # running sums of seconds and counts
        self._n = 1

    def add(self, seconds: float, counts: FloatArray) -> Detected | None:
        """Take one beat, counts (bands,); the change that it completes, if any."""
        if self._n == len(self._rows):  # keep the window and the sums up to its begin
            self._rows[1 : WINDOW + 1] = self._rows[self._n - WINDOW :]
            self._n = WINDOW + 1
        self._rows[self._n, 0] = self._rows[self._n - 1, 0] + seconds
        self._rows[self._n, 1:] = self._rows[self._n - 1, 1:] + counts
        self._n += 1
        return self._look()

    def _look(self) -> Detected | None:
        end = self._rows[self._n - 1]
        before = self._rows[max(self._n - 1 - WINDOW, 1) : self._n - 1]
        t1, t2 = before[:, :1], end[0] - before[:, :1]
        allowed = (t1[:, 0] >= LEAST_BEFORE_S) & (t2[:, 0] >= LEAST_AFTER_S)
        if not allowed.any():
            return None
        before, t1, t2 = before[allowed], t1[allowed], t2[allowed]
        n1, n2 = before[:, 1:], end[1:] - before[:, 1:]
        ratio = xlogy(n1, n1 / t1) + xlogy(n2, n2 / t2) - xlogy(end[1:], end[1:] / end[0])
        ratio /= 1.0 + n2 * ((TIME_ERROR_S / t2) ** 2 + RATE_ERROR**2)
        k, band = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
        if ratio[k, band] < self._threshold:
            return None
        return Detected(
            beats_ago=len(allowed) - int(np.flatnonzero(allowed)[k]),
            risen=bool(n2[k, band] / t2[k, 0] > n1[k, band] / t1[k, 0]),
            cps_before=float(n1[k, 0] / t1[k, 0]),
            cps_after=float(n2[k, 0] / t2[k, 0]),
            ratio=float(ratio[k, band]),
        )


def in_bands(counts: IntArray | FloatArray, energies_kev: FloatArray) -> FloatArray:
    """Counts (channels,) at these energies summed up: (8,) for all channels and each band."""
    band = np.searchsorted(np.asarray(BANDS_KEV), energies_kev, side="right")
    return np.concatenate([[counts.sum()], np.bincount(band, counts, len(BANDS_KEV) + 1)])

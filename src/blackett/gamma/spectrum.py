"""One measured or simulated gamma spectrum: raw integer counts, their times, their energy axis.

Channels count from 0. Counts are raw: the overflow channel, when the instrument has one, is part
of `counts` and left out by `usable` (on a RadiaCode the last channel holds everything above the
graph); so are channels in which an instrument stores something else, such as its times. The energy
convention is fixed in `blackett.gamma.calibration`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Self

import numpy as np

from blackett.arrays import FloatArray, IntArray, frozen
from blackett.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from blackett.gamma.calibration import EnergyAxis

__all__ = [
    "MAX_CHANNELS",
    "MAX_TOTAL_COUNTS",
    "Net",
    "Rebinned",
    "Spectrum",
    "count_array",
    "rebin",
]

MAX_CHANNELS = 65_536
MAX_TOTAL_COUNTS = 2**62
MAX_TEXT = 65_536
_SURROGATE = re.compile("[\ud800-\udfff]")
MIN_SECONDS, MAX_SECONDS = 1e-6, 1e12


@dataclass(frozen=True)
class Rebinned:
    """Counts shared onto other energy bins; `variance` is exact, neighbours are correlated."""

    edges_kev: FloatArray
    """Bin edges, shape (m + 1,)."""
    counts: FloatArray
    """Counts that fall into each bin, shape (m,)."""
    variance: FloatArray
    """Variance of `counts` for Poisson counts in the original channels, shape (m,)."""
    below: float
    """Counts below the first edge."""
    above: float
    """Counts above the last edge."""


@dataclass(frozen=True)
class Net:
    """Counts of a spectrum less a background scaled to the same live time."""

    counts: FloatArray
    """Net counts a channel, shape (n,); may be negative."""
    variance: FloatArray
    """N + B (t / t_b)^2 a channel, shape (n,)."""
    live_time_s: float
    """Live time of the spectrum, to which the background was scaled."""


def rebin(
    counts: FloatArray | IntArray, edges_kev: FloatArray, new_edges_kev: ArrayLike
) -> Rebinned:
    """Share counts onto other bins by the overlap of bin edges; no count is made or lost.

    Counts are taken as spread evenly inside their channel. With f the share of channel i that
    lies in bin j, the new count is sum f N_i and its variance sum f^2 N_i (Poisson N_i); counts
    outside the new edges are returned as `below` and `above`.
    Raises InputError unless the new edges are finite and strictly increasing.
    """
    new = _edges(new_edges_kev)
    cuts = np.union1d(edges_kev, new)
    middle = 0.5 * (cuts[:-1] + cuts[1:])
    source = np.searchsorted(edges_kev, middle, side="right") - 1
    target = np.searchsorted(new, middle, side="right")
    inside = (source >= 0) & (source < counts.size)
    source, target, width = source[inside], target[inside], np.diff(cuts)[inside]
    overlap = np.bincount(source, width, counts.size)[source]
    share = width / overlap
    counted = counts[source]  # each piece is the whole of one channel inside one bin
    value = np.bincount(target, share * counted, new.size + 1)
    variance = np.bincount(target, share**2 * counted, new.size + 1)
    return Rebinned(
        frozen(new), frozen(value[1:-1]), frozen(variance[1:-1]), float(value[0]), float(value[-1])
    )


def _edges(values: ArrayLike) -> FloatArray:
    edges = np.asarray(values, dtype=np.float64)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.isfinite(edges)):
        raise InputError("bin edges must be at least two finite numbers in one row")
    if not np.all(np.diff(edges) > 0):
        raise InputError("bin edges must be strictly increasing")
    return edges


def count_array(values: ArrayLike) -> IntArray:
    """Counts as a read-only int64 array; raises InputError for anything but whole numbers >= 0."""
    array = np.asarray(values)
    if array.ndim != 1 or not 2 <= array.size <= MAX_CHANNELS:
        raise InputError(
            f"counts must be one row of 2 to {MAX_CHANNELS} channels, not shape {array.shape}"
        )
    if array.dtype.kind not in "iuf":
        raise InputError(f"counts must be numbers below 2^62, not {array.dtype}")
    bad = ~((array >= 0) & (array < MAX_TOTAL_COUNTS) & (np.floor(array) == array))
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"counts must be whole numbers from 0 to 2^62 - 1: channel {first} has {array[first]}"
        )
    if float(array.sum(dtype=np.float64)) >= MAX_TOTAL_COUNTS:
        raise InputError("counts must add up to less than 2^62")
    return frozen(array, np.int64)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A gamma spectrum with raw counts; frozen, its arrays are read-only.

    Texts lose blanks at their ends; times are 1e-6 to 1e12 s; counts add up to less than 2^62.
    Raises InputError when a field breaks its rule; the message names the field and the rule.
    """

    counts: IntArray
    """Raw counts a channel, shape (n_channels,), int64, the overflow channel included."""
    calibration: EnergyAxis | None
    """Energy axis; None when the spectrum has none."""
    live_time_s: float
    """Time during which the detector could count, seconds, > 0."""
    real_time_s: float | None = None
    """Time by the clock, seconds, >= live time; None when unknown."""
    device: str = ""
    """Model of the instrument, such as RadiaCode-103; empty when unknown."""
    serial: str = ""
    """Serial number of the instrument, as in the file."""
    start: datetime | None = None
    """Begin of the measurement; without zone where the file has none."""
    name: str = ""
    """Title given by the user."""
    comment: str = ""
    """Free text given by the user."""
    background: Spectrum | None = None
    """Background that belongs to this spectrum (embedded in the same file, or attached)."""
    source_file: str = ""
    """Name of the file that it was read from; empty for anything else."""
    overflow_channel: int | None = None
    """Channel that collects everything above the axis; None when there is none."""
    masked_channels: tuple[int, ...] = ()
    """Channels that hold no counts but something else, such as times; rising order."""
    live_time_rule: str = ""
    """How `live_time_s` was found, in words."""
    warnings: tuple[str, ...] = ()
    """What the reader had to decide or repair, in sentences."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", count_array(self.counts))
        self._check_times()
        self._check_texts()
        if self.calibration is not None:
            self.calibration.edges_kev(self.n_channels)
        over = self.overflow_channel
        if over is not None and not 0 <= over < self.n_channels:
            raise InputError(f"overflow_channel must be one of {self.n_channels} channels: {over}")
        masked = tuple(int(c) for c in self.masked_channels)
        if list(masked) != sorted({c for c in masked if 0 <= c < self.n_channels}):
            raise InputError(f"masked_channels must be rising channel numbers, not {masked[:9]}")
        object.__setattr__(self, "masked_channels", masked)
        if self.background is not None and self.background.background is not None:
            raise InputError("background must not have a background of its own")

    def _check_times(self) -> None:
        for name in ("live_time_s", "real_time_s"):
            value = getattr(self, name)
            if value is None and name == "real_time_s":
                continue
            if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
                raise InputError(f"{name} must be a number of seconds, not {value!r}")
            if not MIN_SECONDS <= value <= MAX_SECONDS:
                raise InputError(
                    f"{name} must be from {MIN_SECONDS:g} to {MAX_SECONDS:g} s, not {value!r}"
                )
            object.__setattr__(self, name, float(value))

    def _check_texts(self) -> None:
        for name in ("device", "serial", "name", "comment", "source_file", "live_time_rule"):
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
                raise InputError(f"{name} must be text of at most {MAX_TEXT} characters")
            if name != "source_file" and _SURROGATE.search(value):
                raise InputError(f"{name} must be text without lone surrogates")
            object.__setattr__(self, name, value.strip())
        if self.start is not None and not isinstance(self.start, datetime):
            raise InputError(f"start must be a datetime or None, not {self.start!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spectrum):
            return NotImplemented
        return np.array_equal(self.counts, other.counts) and all(
            getattr(self, f.name) == getattr(other, f.name)
            for f in fields(self)
            if f.name != "counts"
        )

    __hash__ = None  # type: ignore[assignment]

    # -- what it holds ---------------------------------------------------------------------------

    @property
    def n_channels(self) -> int:
        """Number of channels, the overflow channel included."""
        return int(self.counts.size)

    @property
    def total_counts(self) -> int:
        """Sum of all channels, as in the file: overflow and masked channels included."""
        return int(self.counts.sum())

    @property
    def cps(self) -> float:
        """Counts per second of live time, overflow included, masked channels left out."""
        kept = self.total_counts - int(self.counts[list(self.masked_channels)].sum())
        return kept / self.live_time_s

    @property
    def usable(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """False for the overflow and masked channels, else True; shape (n_channels,), read-only."""
        mask = np.ones(self.n_channels, dtype=bool)
        mask[list(self.masked_channels)] = False
        if self.overflow_channel is not None:
            mask[self.overflow_channel] = False
        mask.setflags(write=False)
        return mask

    @property
    def overflow_counts(self) -> int:
        """Counts in the overflow channel; 0 when there is no such channel."""
        return 0 if self.overflow_channel is None else int(self.counts[self.overflow_channel])

    @property
    def edges_kev(self) -> FloatArray:
        """Energies of the channel edges, shape (n_channels + 1,); InputError if uncalibrated."""
        return self._axis().edges_kev(self.n_channels)

    @property
    def centres_kev(self) -> FloatArray:
        """Energies of the channel centres, shape (n_channels,); InputError if uncalibrated."""
        return self._axis().energy_kev(np.arange(self.n_channels))

    def _axis(self) -> EnergyAxis:
        if self.calibration is None:
            raise InputError(
                f"spectrum {self.name or self.source_file or ''!r} has no energy calibration: "
                "give one with recalibrate(), or --calibration-kev on the command line"
            )
        return self.calibration

    # -- the same counts, seen otherwise ---------------------------------------------------------

    def recalibrate(self, calibration: EnergyAxis | None) -> Self:
        """The same counts on another energy axis."""
        return replace(self, calibration=calibration)

    def with_background(self, background: Spectrum | None) -> Self:
        """The same spectrum with this background attached (its own background is dropped)."""
        if background is not None:
            background = replace(background, background=None)
        return replace(self, background=background)

    def add(self, other: Spectrum) -> Self:
        """Sum of two recordings on the same axis; counts and times add, the rest stays ours.

        Raises InputError when channels, axis or overflow channel differ.
        """
        if not self._same_channels(other):
            raise InputError("only spectra with equal channels, axis, overflow and mask add up")
        both = self.real_time_s is not None and other.real_time_s is not None
        real = (self.real_time_s or 0.0) + (other.real_time_s or 0.0) if both else None
        return replace(
            self,
            counts=self.counts + other.counts,
            live_time_s=self.live_time_s + other.live_time_s,
            real_time_s=real,
            live_time_rule="sum of two recordings",
        )

    def subtract(self, background: Spectrum | None = None) -> Net:
        """Counts less the background scaled by live time, with variance N + B (t / t_b)^2.

        Without an argument the attached background is used. A background on another axis is
        rebinned by overlap first; overflow channels are set against each other.
        Raises InputError when there is no background or the axes cannot be compared.
        """
        other = self.background if background is None else background
        if other is None:
            raise InputError("no background: attach one with with_background() or pass one")
        scale = self.live_time_s / other.live_time_s
        counts, variance = self._on_my_channels(other)
        return Net(
            frozen(self.counts - scale * counts),
            frozen(self.counts + scale**2 * variance),
            self.live_time_s,
        )

    def _same_channels(self, other: Spectrum) -> bool:
        same = ("n_channels", "calibration", "overflow_channel", "masked_channels")
        return all(getattr(self, key) == getattr(other, key) for key in same)

    def _on_my_channels(self, other: Spectrum) -> tuple[FloatArray, FloatArray]:
        if self._same_channels(other):
            return other.counts.astype(np.float64), other.counts.astype(np.float64)
        moved = other.rebin(self.edges_kev)
        counts, variance = moved.counts.copy(), moved.variance.copy()
        if self.overflow_channel is not None:
            counts[self.overflow_channel] = variance[self.overflow_channel] = other.overflow_counts
        return counts, variance

    def rebin(self, new_edges_kev: ArrayLike) -> Rebinned:
        """The usable counts shared onto other energy bins, see the function `rebin`."""
        return rebin(np.where(self.usable, self.counts, 0), self.edges_kev, new_edges_kev)

    def group(self, factor: int) -> Self:
        """Whole groups of `factor` channels summed into one; counts stay exact integers.

        A group that holds the overflow channel becomes the overflow channel, one that holds a
        masked channel is masked.
        Raises InputError unless `factor` divides the number of channels and leaves two or more.
        """
        if factor < 1 or self.n_channels % factor or self.n_channels // factor < 2:
            raise InputError(f"cannot group {self.n_channels} channels by {factor}")
        over = self.overflow_channel
        masked = sorted({c // factor for c in self.masked_channels})
        return replace(
            self,
            counts=self.counts.reshape(-1, factor).sum(axis=1),
            calibration=self.calibration and self.calibration.resampled(0, factor),
            overflow_channel=None if over is None else over // factor,
            masked_channels=tuple(masked),
        )

    def trim(self, first: int, stop: int) -> Self:
        """Channels first to stop - 1 alone, on the same energies.

        Raises InputError unless 0 <= first, first + 2 <= stop <= n_channels.
        """
        if not 0 <= first <= stop - 2 <= self.n_channels - 2:
            raise InputError(f"cannot take channels {first} to {stop} of {self.n_channels}")
        over = self.overflow_channel
        inside = over is not None and first <= over < stop
        return replace(
            self,
            counts=self.counts[first:stop],
            calibration=self.calibration and self.calibration.resampled(first, 1),
            overflow_channel=over - first if over is not None and inside else None,
            masked_channels=tuple(c - first for c in self.masked_channels if first <= c < stop),
        )

"""What a page draws: a spectrum as plain numbers, and the parts of its fit as curves over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.arrays import frozen
from blackett.gamma import unmix

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.spectrum import Spectrum
    from blackett.gamma.unmix import Unmixed

__all__ = ["FitCurves", "axis_and_counts", "fit_curves", "summary"]


def summary(spectrum: Spectrum) -> dict[str, Any]:
    """What a spectrum is, without its counts."""
    return {
        "name": spectrum.name,
        "comment": spectrum.comment,
        "device": spectrum.device,
        "serial": spectrum.serial,
        "start": spectrum.start.isoformat() if spectrum.start else None,
        "channels": spectrum.n_channels,
        "calibrated": spectrum.calibration is not None,
        "live_time_s": spectrum.live_time_s,
        "real_time_s": spectrum.real_time_s,
        "total_counts": spectrum.total_counts,
        "cps": spectrum.cps,
        "overflow_counts": spectrum.overflow_counts,
        "has_background": spectrum.background is not None,
        "live_time_rule": spectrum.live_time_rule,
        "warnings": list(spectrum.warnings),
    }


def axis_and_counts(spectrum: Spectrum) -> dict[str, Any]:
    """Edges (n + 1,) in keV (None without calibration), counts (n,) and live time.

    Overflow and masked channels hold 0 here: they are no part of the axis.
    """
    counts = np.where(spectrum.usable, spectrum.counts, 0)
    edges = spectrum.edges_kev.tolist() if spectrum.calibration is not None else None
    return {
        "edges_kev": edges,
        "counts": counts.tolist(),
        "live_time_s": spectrum.live_time_s,
        "overflow_counts": spectrum.overflow_counts,
    }


@dataclass(frozen=True, eq=False)
class FitCurves:
    """Expected counts of each part of a fit, in its groups of channels on the stored axis.

    Of seven digits: enough for a screen, and half of the memory.
    """

    live_time_s: float
    edges_kev: FloatArray
    """Edges of the groups, (B + 1,)."""
    counts: FloatArray
    """What was counted, (B,)."""
    expected: FloatArray
    """The whole fit, (B,)."""
    background: FloatArray
    """The modelled or measured background, (B,)."""
    other: FloatArray
    """X-rays, pile-up and tails, (B,)."""
    components: tuple[tuple[str, FloatArray], ...]
    """Each source with its curve (B,), strongest first."""

    def to_dict(self) -> dict[str, Any]:
        """Plain types, ready for JSON."""
        return self._plain

    @cached_property
    def _plain(self) -> dict[str, Any]:
        """Worked out once: the same curves go out with every update until the next look."""
        lines = ("edges_kev", "counts", "expected", "background", "other")
        return {"live_time_s": self.live_time_s} | {
            name: _short(getattr(self, name)) for name in lines
        } | {
            "components": [
                {"nuclide": name, "counts": _short(part)} for name, part in self.components
            ]
        }  # fmt: skip


def fit_curves(unmixed: Unmixed) -> FitCurves:
    """The curves of a fit."""
    task, fit = unmixed.task, unmixed.fit
    n_room = len(task.library.room.columns) if task.room else 0
    first, stop = unmix.n_room(task), unmix.n_room(task) + len(unmixed.active)
    background = fit.background + fit.parts[:n_room].sum(axis=0)
    other = fit.parts[n_room:first].sum(axis=0) + fit.parts[stop:].sum(axis=0)
    return FitCurves(
        live_time_s=task.data.live_time_s,
        edges_kev=frozen(task.data.edges_kev, np.float32),
        counts=frozen(task.data.counts, np.float32),
        expected=frozen(fit.expected, np.float32),
        background=frozen(background, np.float32),
        other=frozen(other, np.float32),
        components=tuple((n, frozen(part, np.float32)) for n, part in _components(unmixed)),
    )


def _components(unmixed: Unmixed) -> list[tuple[str, FloatArray]]:
    first = unmix.n_room(unmixed.task)
    places = unmix.columns_by_source(unmixed.task, unmixed.active)
    made = [
        (name, np.asarray(unmixed.fit.parts[[first + i for i in own]].sum(axis=0)))
        for name, own in places.items()
    ]
    return sorted(made, key=lambda pair: -float(pair[1].sum()))


def _short(values: FloatArray) -> list[float]:
    """Numbers of six digits: enough for a screen."""
    return [float(f"{value:.6g}") for value in values]

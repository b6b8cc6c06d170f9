"""The measured background of a run: taken from a file or recorded live; and its continuum view."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.errors import InputError
from blackett.gamma.background import blend, seed_continuum, smoothed
from blackett.gamma.calibration import EnergyCalibration, TabulatedCalibration
from blackett.gamma.formats import write
from blackett.gamma.spectrum import Spectrum, rebin

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.live.messages import SpectrumView, Update
    from blackett.gamma.live.session import LiveSession
    from blackett.gamma.live.uploads import Worker

__all__ = ["Background", "continuum", "spectrum_of"]


def spectrum_of(record: dict[str, Any]) -> Spectrum:
    """The spectrum of a plain record {"edges_kev", "counts", "live_time_s"}.

    Raises InputError without an energy axis.
    """
    if record["edges_kev"] is None:
        raise InputError("this spectrum has no energy calibration: it cannot be a background")
    return Spectrum(
        counts=np.array(record["counts"], dtype=np.int64),
        calibration=TabulatedCalibration(np.array(record["edges_kev"])),
        live_time_s=record["live_time_s"],
    )


@dataclass(frozen=True)
class _Mark:
    """Where a recording began: what had been counted by then is not part of it."""

    view: SpectrumView
    began_s: float
    notes: tuple[str, ...] = ()


class Background:
    """The background in use and the recording of a new one; safe from any thread."""

    def __init__(self, session: LiveSession | None) -> None:
        self._session = session
        self._lock = threading.RLock()
        self._mark: _Mark | None = None
        self.label = ""
        self.record: dict[str, Any] | None = None

    def use(self, label: str, record: dict[str, Any]) -> None:
        """Use a spectrum from now on, in the live measurement too.

        Raises InputError without an energy axis.
        """
        spectrum = spectrum_of(record)
        if self._session is not None:
            self._session.set_background(spectrum)
        kept = {key: record[key] for key in ("edges_kev", "counts", "live_time_s")}
        with self._lock:
            self.label, self.record = label, kept

    def drop(self) -> None:
        """Go back to a learned or modelled background."""
        if self._session is not None:
            self._session.set_background(None)
        with self._lock:
            self.label, self.record = "", None

    def start_recording(self) -> None:
        """Begin, or begin anew: what is counted from now on belongs to the new background."""
        update = self._update()
        with self._lock:
            self._mark = _Mark(_whole(update), update.time_s)

    def finish(self) -> None:
        """End the recording and use it. Raises InputError when nothing was recorded."""
        with self._lock:
            new = self._recorded()
            if new is None:
                raise InputError("no background is being recorded, or nothing was counted yet")
            self.use("recorded here", new)
            self._mark = None

    def cancel(self) -> None:
        """End the recording and forget it."""
        with self._lock:
            self._mark = None

    def file(self) -> bytes:
        """The background in use as a CSV file, to be loaded next time.

        Raises InputError where none is in use.
        """
        with self._lock:
            record = self.record
        if record is None:
            raise InputError("no background is in use: record one, or load one")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "background.csv"
            write(path, spectrum_of(record), "csv")
            return path.read_bytes()

    def to_dict(self) -> dict[str, Any]:
        """The background in use, how far the recording of a new one is, and what disturbs it."""
        with self._lock:
            new, record = self._recorded(), self.record
            return {
                "label": self.label,
                "in_use": None if record is None else _short(record),
                "recording": self._mark is not None,
                "recorded": None if new is None else _short(new),
                "notes": self._notes(),
                "can_record": self._session is not None,
            }

    def _update(self) -> Update:
        update = self._session.latest() if self._session is not None else None
        if update is None or update.since_start is None:
            raise InputError("there is no reading of a device yet: connect one first")
        return update

    def _recorded(self) -> dict[str, Any] | None:
        """Counts since the mark; None where there is none, or nothing came since.

        Where the measurement began anew (another axis, another device), so does the recording.
        """
        if self._mark is None:
            return None
        update = self._update()
        now, mark = _whole(update), self._mark.view
        if now.begin_s != mark.begin_s or now.coefficients_kev != mark.coefficients_kev:
            self._mark = _Mark(_none_of(now), now.begin_s or update.time_s, (BEGAN_ANEW,))
            mark = self._mark.view
        seconds = now.live_time_s - mark.live_time_s
        if seconds <= 0.0:
            return None
        counts = now.counts - mark.counts
        edges = EnergyCalibration(now.coefficients_kev).edges_kev(counts.size)
        return {
            "edges_kev": edges.tolist(), "counts": counts.tolist(), "live_time_s": seconds,
        }  # fmt: skip

    def _notes(self) -> list[str]:
        """What should not happen while a background is recorded."""
        if self._mark is None:
            return []
        decision = self._update().decision
        rates = [c.text for c in decision.changes if c.kind in ("arrived", "left")
                 and c.time_s >= self._mark.began_s]  # fmt: skip
        named = [f"{name} is found: a background with it in would hide it"
                 for name in decision.nuclides]  # fmt: skip
        return [*self._mark.notes, *rates[-1:], *named]


BEGAN_ANEW = "the device or its energy axis changed: the recording began anew"


def _whole(update: Update) -> SpectrumView:
    """All counts since the start; an update without them was refused before."""
    assert update.since_start is not None  # noqa: S101
    return update.since_start


def _none_of(view: SpectrumView) -> SpectrumView:
    """The view before its first count."""
    return replace(
        view, counts=np.zeros_like(view.counts), live_time_s=0.0, real_time_s=0.0, overflow=0
    )


def _short(record: dict[str, Any]) -> dict[str, Any]:
    total, seconds = sum(record["counts"]), record["live_time_s"]
    return {"counts": total, "live_time_s": seconds, "cps": total / seconds}


# --- the continuum view --------------------------------------------------------


def continuum(
    worker: Worker, record: dict[str, Any] | None, csi: bool, smoothing_channels: float,
    measured_share: float, detector: str,
) -> dict[str, Any]:  # fmt: skip
    """Measured (None without a record), modelled and blended rates in counts/s a channel.

    All stand on the measured axis, or on the detector's own without one. The overflow channel is
    left out. The modelled seed continuum has no rate of its own and takes the measured one's, or
    without a record the typical room's.
    """
    room = worker.run("room", detector=detector)
    edges = np.array(room["edges_kev"] if record is None else record["edges_kev"])
    typical = rebin(np.array(room["cps"]), np.array(room["edges_kev"]), edges).counts
    measured = None if record is None else _rate(record, smoothing_channels)
    total = float(typical.sum() if measured is None else measured.sum())
    modelled = _seed(edges, total) if csi else typical
    blended = modelled if measured is None else blend(measured, modelled, total, measured_share)
    return {
        "edges_kev": edges.tolist(),
        "raw_cps": None if record is None else _listed(_rate(record, 0.0)),
        "measured_cps": None if measured is None else _listed(measured),
        "modelled_cps": _listed(modelled),
        "blended_cps": _listed(blended),
        "total_cps": total,
        "model": "CsI(Tl) continuum" if csi else f"typical room of concrete, {detector}",
        "smoothing_channels": smoothing_channels,
        "measured_share": measured_share,
    }


def _rate(record: dict[str, Any], smoothing_channels: float) -> FloatArray:
    """Counts/s a channel; an overflow channel at the end holds no counts of the axis."""
    counts = np.array(record["counts"], dtype=np.float64)
    return smoothed(counts / record["live_time_s"], smoothing_channels)


def _seed(edges_kev: FloatArray, total_cps: float) -> FloatArray:
    centres = np.maximum(0.5 * (edges_kev[1:] + edges_kev[:-1]), 0.0)
    shape = seed_continuum(centres) * np.diff(edges_kev)
    return np.asarray(total_cps * shape / shape.sum())


def _listed(values: FloatArray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]

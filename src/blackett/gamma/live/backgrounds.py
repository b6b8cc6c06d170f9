"""The measured background of a run: taken from a file or recorded live; and its continuum view."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from blackett.errors import InputError
from blackett.gamma.background import blend, seed_continuum, smoothed
from blackett.gamma.calibration import EnergyCalibration, TabulatedCalibration
from blackett.gamma.spectrum import Spectrum, rebin

if TYPE_CHECKING:
    from blackett.arrays import FloatArray
    from blackett.gamma.live.messages import SpectrumView
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


class Background:
    """The background in use and the recording of a new one; safe from any thread."""

    def __init__(self, session: LiveSession | None) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._mark: SpectrumView | None = None
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
        """Begin: everything that is counted from now on belongs to the new background."""
        self._mark = self._view()

    def finish(self) -> None:
        """End the recording and use it. Raises InputError when nothing was recorded."""
        new = self._recorded()
        if new is None:
            raise InputError("no background is being recorded, or nothing was counted yet")
        self.use("recorded here", new)
        self._mark = None

    def cancel(self) -> None:
        """End the recording and forget it."""
        self._mark = None

    def to_dict(self) -> dict[str, Any]:
        """The background in use, and how far the recording of a new one is."""
        new, record = self._recorded(), self.record
        return {
            "label": self.label,
            "in_use": None if record is None else _short(record),
            "recording": self._mark is not None,
            "recorded": None if new is None else _short(new),
            "can_record": self._session is not None,
        }

    def _view(self) -> SpectrumView:
        update = self._session.latest() if self._session is not None else None
        if update is None or update.since_start is None:
            raise InputError("there is no reading of a device yet: connect one first")
        return update.since_start

    def _recorded(self) -> dict[str, Any] | None:
        """Counts since the mark; None without one, or where the measurement began anew."""
        if self._mark is None:
            return None
        now, mark = self._view(), self._mark
        seconds = now.live_time_s - mark.live_time_s
        if seconds <= 0.0 or now.coefficients_kev != mark.coefficients_kev:
            return None
        counts = now.counts - mark.counts
        if counts.min() < 0:
            return None
        edges = EnergyCalibration(now.coefficients_kev).edges_kev(counts.size)
        return {
            "edges_kev": edges.tolist(), "counts": counts.tolist(), "live_time_s": seconds,
        }  # fmt: skip


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

"""What one run of the service holds: the measurement, the files, the worker, the background."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from blackett.errors import InputError
from blackett.gamma.live.backgrounds import Background
from blackett.gamma.live.uploads import Busy, Overrun, Shelf, Stored, Worker

if TYPE_CHECKING:
    from blackett.gamma.live.events import Beat
    from blackett.gamma.live.session import LiveSession

__all__ = ["State", "Stored"]

_NO_FIT = {"sequence": 0, "counts": 0, "stretch_start_s": None, "fit": None}
FIT_EVERY_S = 2.0
"""The curves of the live fit are computed at most this often, however many pages ask."""


class State:
    """Shared by all requests; `session` is None without a device."""

    def __init__(self, session: LiveSession | None, worker: Worker) -> None:
        self.session, self.worker = session, worker
        self.shelf = Shelf()
        self.background = Background(session)
        self.beat: Beat | None = None
        self._fit: dict[str, Any] = _NO_FIT
        self._fit_at = float("-inf")
        self._fitting = threading.Lock()

    def add_file(self, name: str, data: bytes, live_time_s: float | None = None) -> Stored:
        """Read a file in the worker and keep it."""
        if not data:
            raise InputError("the file is empty")
        spectra = self.worker.run("read", [data], name=name, live_time_s=live_time_s)
        return self.shelf.add(name, data, spectra, live_time_s)

    def live_fit(self) -> dict[str, Any]:
        """Curves of the newest stretch, and of what counts; the ones at hand while others come, or
        when the worker is too busy for them."""
        if not self._fitting.acquire(blocking=self._fit["fit"] is None):
            return self._fit
        try:
            if time.monotonic() - self._fit_at >= FIT_EVERY_S:
                with suppress(Busy, Overrun):
                    self._fit = self._fitted()
                self._fit_at = time.monotonic()
            return self._fit
        finally:
            self._fitting.release()

    def _fitted(self) -> dict[str, Any]:
        update = self.session.latest() if self.session is not None else None
        view = update.stretch if update is not None else None
        if update is None or view is None or int(view.counts.sum()) == 0:
            return _NO_FIT
        answer = self.worker.run(
            "fit",
            counts=view.counts.tolist(),
            coefficients_kev=list(view.coefficients_kev),
            live_time_s=view.live_time_s,
            detector=update.identification.detector if update.identification else None,
            room=self.background.record,
        )
        return {
            "sequence": update.sequence,
            "counts": int(view.counts.sum()),
            "stretch_start_s": update.decision.stretch_start_s,
            "fit": answer,
        }

    def health(self) -> dict[str, Any]:
        """Age of the newest update, number of open pages and files."""
        update = self.session.latest() if self.session is not None else None
        return {
            "live": self.session is not None,
            "sequence": update.sequence if update is not None else 0,
            "device": update.health.state if update is not None else "absent",
            "streams": self.beat.streams if self.beat is not None else 0,
            "files": len(self.shelf.all()),
        }

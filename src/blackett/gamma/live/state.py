"""What one run of the service holds: the measurement, the files, the worker, the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blackett.errors import InputError
from blackett.gamma.live.backgrounds import Background
from blackett.gamma.live.uploads import Shelf, Stored, Worker

if TYPE_CHECKING:
    from blackett.gamma.live.events import Beat
    from blackett.gamma.live.session import LiveSession

__all__ = ["State", "Stored"]


class State:
    """Shared by all requests; `session` is None without a device."""

    def __init__(self, session: LiveSession | None, worker: Worker) -> None:
        self.session, self.worker = session, worker
        self.shelf = Shelf()
        self.background = Background(session)
        self.beat: Beat | None = None

    def add_file(self, name: str, data: bytes, live_time_s: float | None = None) -> Stored:
        """Read a file in the worker and keep it."""
        if not data:
            raise InputError("the file is empty")
        spectra = self.worker.run("read", [data], name=name, live_time_s=live_time_s)
        return self.shelf.add(name, data, spectra, live_time_s)

    def live_fit(self) -> dict[str, Any]:
        """Curves of the newest answer, and what they are about."""
        update = self.session.latest() if self.session is not None else None
        if update is None or update.fit is None:
            return {"sequence": 0, "identified_at_s": None, "stretch_start_s": None, "fit": None}
        return {
            "sequence": update.sequence,
            "identified_at_s": update.identified_at_s,
            "stretch_start_s": update.decision.stretch_start_s,
            "fit": update.fit.to_dict(),
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

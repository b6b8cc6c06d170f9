"""What long work tells while it runs."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["told"]


def told(work: Callable[[Callable[[str], None]], None]) -> Iterator[str]:
    """Run `work` in a thread and yield what it tells as it tells it; its errors are raised here."""
    said: queue.Queue[str | BaseException | None] = queue.Queue()

    def run() -> None:
        try:
            work(said.put)
        except BaseException as error:
            said.put(error)
        else:
            said.put(None)

    threading.Thread(target=run, daemon=True).start()
    while (message := said.get()) is not None:
        if isinstance(message, BaseException):
            raise message
        yield message

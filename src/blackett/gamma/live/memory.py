"""Memory of a process that runs for days: what is freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_small"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameters of glibc's mallopt (malloc.h)."""
LARGE_BYTES = 2**20
TRIMMED_BYTES = 8 * 2**20


def keep_small() -> bool:
    """Have glibc use one heap for all threads and give large blocks back; False elsewhere.

    Left alone, each thread grows a heap of its own, and every large block that is freed raises the
    size from which blocks go back, so that a busy service grows for hours without holding more.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):  # musl
        return False
    options = (M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, TRIMMED_BYTES)
    return all(library.mallopt(*option) == 1 for option in options)

"""A fixed piece of numpy work, the unit in which speeds are compared. Never change it."""

from __future__ import annotations

import time

import numpy as np

__all__ = ["workload"]

SIZE, SORTED = 300, 400_000


def workload() -> float:
    """CPU seconds of a matrix product, a decomposition, a sort and exponentials."""
    rng = np.random.default_rng(1)
    matrix, values = rng.normal(size=(SIZE, SIZE)), rng.normal(size=SORTED)
    start = time.process_time()
    product = matrix @ matrix.T + SIZE * np.eye(SIZE)
    np.linalg.cholesky(product)
    np.sort(values)
    np.exp(values).sum()
    return time.process_time() - start

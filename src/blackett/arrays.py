"""Array types of the records that pass between stages, and the one way to freeze an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

__all__ = ["FloatArray", "IntArray", "frozen"]

FloatArray: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"
IntArray: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"


def frozen(values: ArrayLike, dtype: DTypeLike = np.float64) -> np.ndarray:
    """A read-only contiguous copy of `values` as `dtype`, safe inside a frozen record."""
    array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array

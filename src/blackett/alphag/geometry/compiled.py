"""How the hot functions are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["kernel"]

_F = TypeVar("_F", bound="Callable[..., Any]")


def kernel(function: _F) -> _F:
    """Compile a function that makes no array.

    It goes without the counting of references to arrays, which costs ten times the physics. numba's
    cache does not see changes of functions called from another file: delete the `*.nbi` files under
    `__pycache__` after editing one.
    """
    options: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}
    return cast("_F", numba.njit(**options)(function))

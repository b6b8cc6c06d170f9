"""Small symmetric matrices in compiled code: Cholesky factor, solution, inverse."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from blackett.alphag.geometry.compiled import kernel

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["factor", "invert", "solve"]


@kernel
def factor(a: FloatArray, n: int) -> bool:
    """Replace the lower triangle of a (n, n) by its Cholesky factor; False if not positive."""
    for i in range(n):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total -= a[i, k] * a[j, k]
            if i > j:
                a[i, j] = total / a[j, j]
            elif total > 0:
                a[i, i] = sqrt(total)
            else:
                return False
    return True


@kernel
def solve(a: FloatArray, b: FloatArray, n: int) -> None:
    """Replace b (n,) by the solution of L L^T x = b, with L the factor in a."""
    for i in range(n):
        for k in range(i):
            b[i] -= a[i, k] * b[k]
        b[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= a[k, i] * b[k]
        b[i] /= a[i, i]


@kernel
def invert(a: FloatArray, inverse: FloatArray, n: int) -> None:
    """Write the inverse of L L^T, with L the factor in a, into `inverse` (n, n)."""
    for row in range(n):
        for i in range(n):
            inverse[row, i] = 1.0 if i == row else 0.0
        solve(a, inverse[row], n)

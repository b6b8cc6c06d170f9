"""Small symmetric matrices in compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackett.alphag.geometry.compiled import kernel

if TYPE_CHECKING:
    from blackett.arrays import FloatArray

__all__ = ["inverse3", "solve3"]


@kernel
def inverse3(a: FloatArray, scale: float) -> bool:
    """Replace a symmetric positive 3 x 3 matrix by its inverse times a scale.

    False, and the matrix left as it is, if it is not positive.
    """
    xx, xy, xz, yy, yz, zz = a[0, 0], a[0, 1], a[0, 2], a[1, 1], a[1, 2], a[2, 2]
    c_xx, c_xy, c_xz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    determinant = xx * c_xx + xy * c_xy + xz * c_xz
    if not (xx > 0 and xx * yy - xy * xy > 0 and determinant > 0):
        return False
    factor = scale / determinant
    a[0, 0], a[1, 1], a[2, 2] = (
        c_xx * factor,
        (xx * zz - xz * xz) * factor,
        factor * (xx * yy - xy * xy),
    )
    a[0, 1] = a[1, 0] = c_xy * factor
    a[0, 2] = a[2, 0] = c_xz * factor
    a[1, 2] = a[2, 1] = (xy * xz - xx * yz) * factor
    return True


@kernel
def solve3(a: FloatArray, damping: float, step: FloatArray) -> bool:
    """Write into `step` the solution of (A + damping diag A) step = -g; False if A is not positive.

    `a` (4, 3): the upper triangle of A, and g in its last row.
    """
    more = 1 + damping
    xx, yy, zz = a[0, 0] * more, a[1, 1] * more, a[2, 2] * more
    xy, xz, yz = a[0, 1], a[0, 2], a[1, 2]
    c_xx, c_xy, c_xz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    determinant = xx * c_xx + xy * c_xy + xz * c_xz
    if not (xx > 0 and xx * yy - xy * xy > 0 and determinant > 0):
        return False
    g0, g1, g2 = a[3, 0], a[3, 1], a[3, 2]
    c_yy, c_yz, c_zz = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    step[0] = -(c_xx * g0 + c_xy * g1 + c_xz * g2) / determinant
    step[1] = -(c_xy * g0 + c_yy * g1 + c_yz * g2) / determinant
    step[2] = -(c_xz * g0 + c_yz * g1 + c_zz * g2) / determinant
    return True

"""The vertex as a differentiable layer: weighted least squares over the lines of an event.

A line passes the axis at (x, y, z) with heading psi, slope lambda = dz/ds and curvature. Two of its
distances to a vertex v count: across the heading and along z, with the covariance that the line has
there (as in `blackett.alphag.robust.vertex`). The prior is the trap's disc (variance R^2 / 4 in x
and y, R = 24 mm) and a z with an error of its own. Every step is closed form, so that gradients
pass through weights, shifts and covariances; turning an event about z turns the answer.
"""

from __future__ import annotations

from typing import NamedTuple

from blackett.alphag.preparation.layout import Line
from blackett.errors import MissingExtraError

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError("torch", "train", "building a network") from error

__all__ = ["Lines", "Solved", "distances", "lower_triangle", "mixed", "solve"]

FIT = slice(Line.cov_aa, Line.cov_ll + 1)
SCATTERING = slice(Line.kink_aa, Line.kink_ll + 1)
DISC_VARIANCE_MM2 = 144.0
_LEAST_VARIANCE_MM2 = 1e-2
_MOST_CORRELATED = 0.99
_FARTHEST_MM = (60.0, 60.0, 3000.0)


class Lines(NamedTuple):
    """Lines of n events, k each: all (n, k), `covariance` (n, k, 10).

    The covariance is that of (across, psi, z, lambda), lower triangle by rows. `weight` from 0 to 1
    multiplies the information.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    cosine: Tensor
    sine: Tensor
    slope: Tensor
    curve: Tensor
    covariance: Tensor
    weight: Tensor


class Distances(NamedTuple):
    """Distances of lines to a vertex and their covariance, (n, k) each; gradients by vertex."""

    across: Tensor
    axial: Tensor
    v11: Tensor
    v12: Tensor
    v22: Tensor
    ax: Tensor
    ay: Tensor
    bx: Tensor
    by: Tensor


class Solved(NamedTuple):
    """A vertex (n, 3) and the Cholesky factor of its covariance in the order z, x, y: (n, 6)."""

    vertex: Tensor
    factor: Tensor


def mixed(lines: Tensor, log_fit: Tensor, log_scattering: Tensor, known: Tensor) -> Tensor:
    """Covariance (n, k, 10) of lines (n, k, columns of `Line`), both parts scaled by exp of (n, k).

    `known` (n, k), below 1, is the share of the variance along the mode of curvature that is taken
    out of the fit's part first.
    """
    mode = lines[..., Line.mode_a : Line.mode_l + 1].unbind(-1)
    outer = torch.stack([mode[i] * mode[j] for i in range(4) for j in range(i + 1)], dim=-1)
    fit = (lines[..., FIT] - known[..., None] * outer) * torch.exp(log_fit)[..., None]
    return fit + lines[..., SCATTERING] * torch.exp(log_scattering)[..., None]


def distances(v: Tensor, a: Lines) -> Distances:
    """Distances of the lines to vertices v (n, 3)."""
    dx, dy = v[:, 0:1] - a.x, v[:, 1:2] - a.y
    s = dx * a.cosine + dy * a.sine
    turn = a.curve * s
    across = dy * a.cosine - dx * a.sine - 0.5 * turn * s
    axial = v[:, 2:3] - a.z - a.slope * s
    c = a.covariance
    v11 = (c[..., 0] + s * (2 * c[..., 1] + s * c[..., 2])).clamp_min(_LEAST_VARIANCE_MM2)
    v22 = (c[..., 5] + s * (2 * c[..., 8] + s * c[..., 9])).clamp_min(_LEAST_VARIANCE_MM2)
    v12 = c[..., 3] + s * (c[..., 4] + c[..., 6] + s * c[..., 7])
    most = _MOST_CORRELATED * torch.sqrt(v11 * v22)  # rounding must not make it indefinite
    v12 = torch.maximum(torch.minimum(v12, most), -most)
    ax, ay = -a.sine - turn * a.cosine, a.cosine - turn * a.sine
    return Distances(across, axial, v11, v12, v22, ax, ay, -a.slope * a.cosine, -a.slope * a.sine)


def solve(v: Tensor, lines: Lines, prior_z: Tensor, prior_variance: Tensor) -> Solved:
    """One step of weighted least squares from v (n, 3), and its own covariance.

    `prior_z` and `prior_variance` (n,), mm and mm2, are what is known of z without any line.
    """
    d = distances(v, lines)
    share = lines.weight / (d.v11 * d.v22 - d.v12 * d.v12)
    w11, w12, w22 = share * d.v22, -share * d.v12, share * d.v11
    left = w11 * d.across + w12 * d.axial
    right = w12 * d.across + w22 * d.axial
    inverse = 1 / prior_variance
    zx = (d.ax * w12 + d.bx * w22).sum(1)
    zy = (d.ay * w12 + d.by * w22).sum(1)
    zz = w22.sum(1) + inverse
    xx = _form(d.ax, d.bx, d.ax, d.bx, w11, w12, w22) + 1 / DISC_VARIANCE_MM2
    xy = _form(d.ax, d.bx, d.ay, d.by, w11, w12, w22)
    yy = _form(d.ay, d.by, d.ay, d.by, w11, w12, w22) + 1 / DISC_VARIANCE_MM2
    gx = -(d.ax * left + d.bx * right).sum(1) - v[:, 0] / DISC_VARIANCE_MM2
    gy = -(d.ay * left + d.by * right).sum(1) - v[:, 1] / DISC_VARIANCE_MM2
    gz = -right.sum(1) - (v[:, 2] - prior_z) * inverse
    factor = _inverse_factor(xx, xy, yy, zx, zy, zz)
    farthest = v.new_tensor(_FARTHEST_MM)
    moved = v + _applied(factor, gz, gx, gy)
    return Solved(torch.maximum(torch.minimum(moved, farthest), -farthest), factor)


def _form(
    a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor, w11: Tensor, w12: Tensor, w22: Tensor
) -> Tensor:
    return (a1 * a2 * w11 + (a1 * b2 + a2 * b1) * w12 + b1 * b2 * w22).sum(1)


def _inverse_factor(
    xx: Tensor, xy: Tensor, yy: Tensor, zx: Tensor, zy: Tensor, zz: Tensor
) -> Tensor:
    """Lower factor F (n, 6) of the inverse of an information matrix, F F^T, order z, x, y.

    The information is G G^T with G lower in the order y, x, z. With H = G^-1 the covariance is
    H^T H, and H^T is lower when its order is turned round.
    """
    g11 = torch.sqrt(yy)
    g21, g31 = xy / g11, zy / g11
    g22 = torch.sqrt((xx - g21 * g21).clamp_min(1e-12))
    g32 = (zx - g31 * g21) / g22
    g33 = torch.sqrt((zz - g31 * g31 - g32 * g32).clamp_min(1e-12))
    h11, h22, h33 = 1 / g11, 1 / g22, 1 / g33
    h21 = -g21 * h11 * h22
    h32 = -g32 * h22 * h33
    h31 = -(g31 * h11 + g32 * h21) * h33
    return torch.stack([h33, h32, h22, h31, h21, h11], dim=1)


def _applied(factor: Tensor, gz: Tensor, gx: Tensor, gy: Tensor) -> Tensor:
    """Covariance times a vector; (n, 3) in the order x, y, z."""
    f = factor.unbind(1)
    uz = f[0] * gz + f[1] * gx + f[3] * gy
    ux = f[2] * gx + f[4] * gy
    uy = f[5] * gy
    z = f[0] * uz
    x = f[1] * uz + f[2] * ux
    y = f[3] * uz + f[4] * ux + f[5] * uy
    return torch.stack([x, y, z], dim=1)


def lower_triangle(factor: Tensor) -> Tensor:
    """Covariance (n, 6), lower triangle by rows in the order x, y, z, of a factor in z, x, y."""
    a, b, c, d, e, f = factor.unbind(1)  # zz, xz, xx, yz, yx, yy
    xx, xy, yy = b * b + c * c, b * d + c * e, d * d + e * e + f * f
    return torch.stack([xx, xy, yy, a * b, a * d, a * a], dim=1)

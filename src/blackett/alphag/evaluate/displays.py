"""Displays of single events: x-y, r-z and in space, points coloured by the track a method puts them
on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.figure import Figure

from blackett.alphag.evaluate.pictures import COLOURS
from blackett.alphag.geometry import BAR_COUNT, CATHODE_RADIUS_MM, PADS_RADIUS_MM, TUBE_RADIUS_MM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from blackett.alphag.event import Event
    from blackett.alphag.vertex import Vertex

__all__ = ["display"]

_CIRCLES_MM = (TUBE_RADIUS_MM, CATHODE_RADIUS_MM, PADS_RADIUS_MM)
_BARS_MM: Final = 233.0
_REST = "0.75"


def display(event: Event, vertex: Vertex, method: str) -> Figure:
    """One event in three views, with the true vertex (cross) and the method's (ring)."""
    figure = Figure(figsize=(11, 4.1), layout="constrained")
    grid = figure.add_gridspec(1, 3, width_ratios=(1, 1.15, 1.15))
    across, along = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    space: Any = figure.add_subplot(grid[2], projection="3d")
    colours = _colours(vertex)
    _draw_across(across, event, vertex, colours)
    _draw_along(along, event, vertex, colours)
    _draw_space(space, event, vertex, colours)
    figure.suptitle(_title(event, vertex, method), fontsize=10)
    return figure


def _title(event: Event, vertex: Vertex, method: str) -> str:
    words = f"event {event.number}, {method}: {vertex.status}, {vertex.n_tracks} tracks"
    if event.truth is not None and np.isfinite(vertex.position_mm).all():
        off = vertex.position_mm - event.truth.vertex_mm
        sigma = np.sqrt(vertex.covariance_mm2[2, 2])
        words += f"; z off by {off[2]:+.1f} mm (own sigma {sigma:.1f} mm)"
    return words


def _colours(vertex: Vertex) -> list[str]:
    return [_REST if t < 0 else COLOURS[t % len(COLOURS)] for t in vertex.point_track.tolist()]


def _draw_across(axis: Axes, event: Event, vertex: Vertex, colours: list[str]) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in _CIRCLES_MM:
        axis.plot(radius * np.cos(angle), radius * np.sin(angle), color="0.7", lw=0.6)
    axis.scatter(event.points.x_mm, event.points.y_mm, s=3, c=colours)
    bar = event.bars.bar * (2 * np.pi / BAR_COUNT)
    axis.scatter(_BARS_MM * np.cos(bar), _BARS_MM * np.sin(bar), marker="s", color="k", s=14)
    for place, mark in _vertices(event, vertex):
        axis.plot(place[0], place[1], **mark)
    axis.set(aspect="equal", xlim=(-250, 250), ylim=(-250, 250), xlabel="x / mm", ylabel="y / mm")


def _draw_along(axis: Axes, event: Event, vertex: Vertex, colours: list[str]) -> None:
    """Radius, with the sign of y, against z."""
    for radius in _CIRCLES_MM:
        for side in (-1, 1):
            axis.axhline(side * radius, color="0.7", lw=0.6)
    points = event.points
    axis.scatter(points.z_mm, np.copysign(points.r_mm, points.y_mm), s=3, c=colours)
    for place, mark in _vertices(event, vertex):
        axis.plot(place[2], np.copysign(np.hypot(place[0], place[1]), place[1]), **mark)
    axis.set(xlabel="z / mm", ylabel="r / mm, sign of y", ylim=(-200, 200), xlim=_z_range(event))


def _z_range(event: Event) -> tuple[float, float]:
    """Where nearly all points are, and the true vertex."""
    z = np.asarray(event.points.z_mm, np.float64)
    low, high = np.quantile(z, [0.02, 0.98]) if len(event) else (-100.0, 100.0)
    if event.truth is not None and np.isfinite(event.truth.vertex_mm[2]):
        vertex = float(event.truth.vertex_mm[2])
        low, high = min(low, vertex), max(high, vertex)
    return float(low) - 60, float(high) + 60


def _draw_space(axis: Any, event: Event, vertex: Vertex, colours: list[str]) -> None:
    points, (low, high) = event.points, _z_range(event)
    seen = np.flatnonzero((points.z_mm > low) & (points.z_mm < high))
    shown, kept = points.rows(seen), [colours[k] for k in seen]
    axis.scatter(shown.z_mm, shown.x_mm, shown.y_mm, s=2, c=kept, depthshade=False)
    for place, mark in _vertices(event, vertex):
        axis.plot([place[2]], [place[0]], [place[1]], **mark)
    axis.set(xlabel="z / mm", ylabel="x / mm", zlabel="y / mm")
    axis.set(xlim=(low, high), ylim=(-190, 190), zlim=(-190, 190))
    axis.tick_params(labelsize=7)
    axis.locator_params(nbins=5)


def _vertices(event: Event, vertex: Vertex) -> list[tuple[np.ndarray, dict[str, Any]]]:
    """Places of the true and the reconstructed vertex, with their marks."""
    marks: list[tuple[np.ndarray, dict[str, Any]]] = []
    if event.truth is not None:
        cross = {"marker": "x", "color": "k", "ms": 8, "mew": 1.6, "ls": ""}
        marks.append((np.asarray(event.truth.vertex_mm, np.float64), cross))
    ring = {"marker": "o", "color": "#c00000", "ms": 9, "mew": 1.4, "mfc": "none", "ls": ""}
    marks.append((vertex.position_mm, ring))
    return [(place, mark) for place, mark in marks if np.isfinite(place).all()]

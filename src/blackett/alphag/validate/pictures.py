"""Pictures of the checks: ring, features along z, azimuth, halves of muons, differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from blackett.alphag.evaluate.pictures import style_of
from blackett.alphag.validate.azimuth import azimuths
from blackett.alphag.validate.differences import CATEGORIES, category
from blackett.alphag.validate.edges import BIN_MM, FEATURES, REACH_MM, expected_counts
from blackett.alphag.validate.halves import QUANTITIES
from blackett.alphag.validate.ring import ZONES, chosen, ring_density

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blackett.alphag.validate.edges import Feature, FeatureFit
    from blackett.alphag.validate.halves import Halves
    from blackett.alphag.validate.records import Found
    from blackett.alphag.validate.ring import Ring, Zone

__all__ = ["azimuth", "differences", "features", "halves", "rings"]

_RADII_MM = np.linspace(0, 60, 61)
_PULLS = np.linspace(-6, 6, 61)


def rings(
    found: Sequence[Found], fits: Mapping[str, Mapping[str, tuple[Zone, Ring | None]]]
) -> Figure:
    """Distance from the fitted centre, a panel a zone and a colour a method, with the fits."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, len(ZONES))
    for axis, zone in zip(axes, ZONES, strict=True):
        for k, f in enumerate(found):
            ring = fits[f.method][zone.name][1]
            inside = chosen(f, zone)
            centre = (0.0, 0.0) if ring is None else (ring.values["x_mm"], ring.values["y_mm"])
            r = np.hypot(*(f.position_mm[inside, :2] - centre).T)
            colour = style_of(k, f.method)["color"]
            axis.hist(r, _RADII_MM.tolist(), histtype="step", color=colour, label=f.method)
            if ring is not None:
                axis.plot(_RADII_MM, _along_r(ring), color=colour, lw=1, ls="--")
        axis.axvline(zone.radius_mm, color="0.6", lw=0.8)
        axis.set(xlabel="distance from the ring's centre / mm", xlim=(0, 60))
        axis.set_title(f"{zone.name}, {zone.z_low_mm:.0f} to {zone.z_high_mm:.0f} mm", fontsize=10)
    axes[0].set_ylabel("vertices in 1 mm")
    axes[-1].legend(fontsize=8, frameon=False)
    return figure


def _along_r(ring: Ring) -> np.ndarray:
    """The fit as vertices in 1 mm of radius."""
    v, r = ring.values, _RADII_MM
    density = ring_density(
        r + v["x_mm"], np.full(r.shape, v["y_mm"]), v["radius_mm"], v["smear_mm"], v["x_mm"],
        v["y_mm"], v["tail_share"], v["tail_mm"],
    )  # fmt: skip
    return np.asarray(ring.entries * 2 * np.pi * r * density)


def features(
    found: Sequence[Found],
    fits: Mapping[str, Sequence[tuple[Feature, FeatureFit | None]]],
) -> Figure:
    """The distribution of z about each expected feature, with the fits of what is seen."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, len(FEATURES))
    for place, (axis, feature) in enumerate(zip(axes, FEATURES, strict=True)):
        edges = feature.z_mm + np.arange(-REACH_MM, REACH_MM + BIN_MM / 2, BIN_MM)
        fine = np.linspace(edges[0], edges[-1], 400)
        for k, f in enumerate(found):
            colour, fit = style_of(k, f.method)["color"], fits[f.method][place][1]
            z = f.position_mm[f.kept, 2]
            axis.hist(z, edges.tolist(), histtype="step", color=colour, label=f.method)
            if fit is not None:
                axis.plot(fine, expected_counts(fine, *fit.values.values()), color=colour, ls="--")
        axis.axvline(feature.z_mm, color="0.6", lw=0.8)
        axis.set(xlabel="z / mm", xlim=(edges[0], edges[-1]))
        axis.set_title(feature.name, fontsize=10)
    axes[0].set_ylabel(f"vertices in {BIN_MM:.0f} mm")
    axes[-1].legend(fontsize=8, frameon=False)
    return figure


def azimuth(found: Sequence[Found]) -> Figure:
    """Vertices by azimuth in each zone, over their mean."""
    figure = Figure(figsize=(11, 3.0), layout="constrained")
    axes = figure.subplots(1, len(ZONES), sharey=True)
    edges = np.linspace(-180, 180, 17)
    for axis, zone in zip(axes, ZONES, strict=True):
        for k, f in enumerate(found):
            degrees = np.degrees(azimuths(f, chosen(f, zone)))
            weight = np.full(degrees.size, (len(edges) - 1) / max(degrees.size, 1))
            colour = style_of(k, f.method)["color"]
            axis.hist(
                degrees, edges.tolist(), weights=weight, histtype="step", color=colour,
                label=f.method,
            )  # fmt: skip
        axis.axhline(1, color="0.6", lw=0.8)
        axis.set(xlabel="azimuth / degrees", xlim=(-180, 180), xticks=range(-180, 181, 90))
        axis.set_title(zone.name, fontsize=10)
    axes[0].set_ylabel("vertices over their mean")
    axes[-1].legend(fontsize=8, frameon=False)
    return figure


def halves(every: Mapping[str, Halves]) -> Figure:
    """Pulls of the differences of muons' halves, against the unit Gaussian."""
    from scipy.stats import norm

    figure = Figure(figsize=(11, 3.0), layout="constrained")
    axes = figure.subplots(1, len(QUANTITIES), sharey=True)
    for place, (axis, name) in enumerate(zip(axes, QUANTITIES, strict=True)):
        for k, (method, found) in enumerate(every.items()):
            if not len(found):
                continue
            pull = found.difference[:, place] / found.sigma[:, place]
            weight = np.full(pull.size, 1 / (pull.size * (_PULLS[1] - _PULLS[0])))
            colour = style_of(k, method)["color"]
            axis.hist(
                pull, _PULLS.tolist(), weights=weight, histtype="step", color=colour, label=method
            )
        axis.plot(_PULLS, norm.pdf(_PULLS), color="k", lw=0.8)
        axis.set(xlabel="difference over its error", xlim=(-6, 6))
        axis.set_title(f"{name.split('_')[0]}: {QUANTITIES[name]}", fontsize=10)
    axes[0].set_ylabel("density")
    axes[0].legend(fontsize=8, frameon=False)
    return figure


def differences(pairs: Sequence[tuple[Found, Found]]) -> Figure:
    """z of two methods, by what the first one says."""
    figure = Figure(figsize=(3.7 * max(len(pairs), 2), 3.2), layout="constrained")
    axes = figure.subplots(1, len(pairs), squeeze=False)[0]
    edges = np.linspace(-60, 60, 61)
    for axis, (first, second) in zip(axes, pairs, strict=True):
        delta = second.position_mm[:, 2] - first.position_mm[:, 2]
        for k, name in enumerate(CATEGORIES[:2]):
            inside = (category(first) == k) & first.kept & second.kept
            axis.hist(
                delta[inside], edges.tolist(), histtype="step", color=style_of(k, "")["color"],
                label=name,
            )  # fmt: skip
        axis.set(xlabel=f"z({second.method}) − z({first.method}) / mm", xlim=(-60, 60))
        axis.set_yscale("symlog", linthresh=1)
        axis.legend(fontsize=8, frameon=False, title=f"{first.method} says", title_fontsize=8)
    axes[0].set_ylabel("events in 2 mm")
    return figure

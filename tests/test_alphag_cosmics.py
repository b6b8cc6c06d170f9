"""Cosmic muons: the joined line, its features, the probability, rejection at equal efficiency."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.alphag.cosmics import DEFAULT, FEATURES, Settings, features, p_cosmic
from blackett.alphag.evaluate import Answers, Sample, rejection
from blackett.alphag.evaluate.rejection import REJECTION, background_curve
from blackett.alphag.event import BarHits, EventBatch, SpacePoints
from blackett.alphag.formats import write_parquet
from blackett.alphag.reconstruction import reconstruct_batch
from blackett.alphag.simulation import RECIPES, simulate_batches
from blackett.alphag.vertex import STATUSES, Vertices
from blackett.cli import main
from blackett.errors import InputError
from blackett.seeds import generator

if TYPE_CHECKING:
    from pathlib import Path

    from blackett.arrays import FloatArray

NAMES = tuple(FEATURES)
LIGHT_MM_NS = 299.79


def event(
    points: FloatArray, track: list[int] | FloatArray, bars: list[tuple[float, ...]] | None = None
) -> tuple[EventBatch, Vertices]:
    """One event of points (n, 3) with the tracks that a method puts them on."""
    n, hits = len(points), np.array(bars or []).reshape(-1, 3)
    columns = {name: np.zeros(n) for name in SpacePoints.names()}
    columns |= dict(zip(("x_mm", "y_mm", "z_mm"), np.asarray(points, float).T, strict=True))
    counts = np.full(len(hits), 5000.0)
    batch = EventBatch(
        np.array([1]), np.array([0, n]), SpacePoints(**columns), np.array([0, len(hits)]),
        BarHits(hits[:, 0], hits[:, 1], hits[:, 2], counts, counts), np.array([3]),
    )  # fmt: skip
    vertices = Vertices(
        np.array([1]), np.full((1, 3), np.nan), np.full((1, 3, 3), np.nan), np.array([np.nan]),
        np.array([0]), np.array([STATUSES.index("no track")]), np.array([0, n]), np.asarray(track),
    )  # fmt: skip
    return batch, vertices


def of(points: FloatArray, track: list[int] | FloatArray, **more: object) -> dict[str, float]:
    return dict(zip(NAMES, features(*event(points, track, **more))[0].tolist(), strict=True))


def muon(
    impact_mm: float, slope: float = 1.0, kink: float = 0.0, angle: float = 0.4
) -> tuple[FloatArray, FloatArray]:
    """Points of r 110-180 mm on a line (bent by `kink` radians in the middle) and their track, 0
    and 1 on either side."""
    s = np.linspace(-178, 178, 200)
    across = impact_mm + kink / 2 * np.abs(s)
    x, y = np.cos(angle) * s - np.sin(angle) * across, np.sin(angle) * s + np.cos(angle) * across
    points = np.stack([x, y, 300 + slope * s], axis=1)
    inside = (np.hypot(x, y) > 110) & (np.hypot(x, y) < 180)
    return points[inside], (s[inside] > 0).astype(int)


def test_the_line_of_a_straight_muon() -> None:
    found = of(*muon(impact_mm=35.0, slope=1.2))
    assert found["residual"] == pytest.approx(np.log(0.3), abs=1e-6)
    assert found["curvature"] == pytest.approx(np.log(1e-4), abs=1e-6)
    assert found["impact"] == pytest.approx(0.35, abs=1e-6)
    assert found["slope"] == pytest.approx(1.2)
    assert found["off_line"] == pytest.approx(np.log(3 / (3 + len(muon(35.0)[0]))))
    assert (found["other_tracks"], found["single"], found["no_flight"]) == (0, 0, 1)


def test_a_kink_shows_as_curvature() -> None:
    """A parabola through both arms of a kink at the axis, r 110-180 mm, bends by k / 1.4 r."""
    straight, small, large = (np.exp(of(*muon(0.0, kink=k))["curvature"]) for k in (0.0, 0.1, 0.4))
    assert straight < 1.01e-4
    assert large - 1e-4 == pytest.approx(4 * (small - 1e-4), rel=0.1)
    assert large > 1 / 1000


def test_tracks_that_do_not_join_leave_a_residual() -> None:
    points, track = muon(0.0)
    points[track == 1, 2] += np.linspace(0, 60, (track == 1).sum())
    assert np.exp(of(points, track)["residual"]) > 10


def test_curvature_is_that_of_the_circle() -> None:
    """Two tracks on a circle of 2 m: 1/2000 per mm."""
    points, track = muon(0.0, angle=0.0)
    points[:, 1] += 2000 - np.sqrt(2000**2 - points[:, 0] ** 2)
    assert np.exp(of(points, track)["curvature"]) - 1e-4 == pytest.approx(1 / 2000, rel=0.02)


def test_the_best_pair_is_taken_and_the_rest_counted() -> None:
    points, track = muon(20.0)
    stray = np.array([0, 150, 900]) + generator(1).uniform(-20, 20, (30, 3))
    found = of(np.concatenate([points, stray]), np.concatenate([track, np.full(30, 2)]))
    alone = of(points, track)
    assert found["other_tracks"] == 1
    for name in ("residual", "impact", "slope", "curvature"):
        assert found[name] == pytest.approx(alone[name], abs=1e-6)
    share = (30 + 3) / (len(points) + 30 + 3)
    assert found["off_line"] == pytest.approx(np.log(share))


def test_a_single_track_is_a_line_of_its_own() -> None:
    points, track = muon(20.0)
    found = of(points[track == 1], np.zeros((track == 1).sum(), int))
    assert found["single"] == 1 and found["other_tracks"] == 0
    assert found["impact"] == pytest.approx(0.2, abs=1e-3)


def test_features_do_not_change_when_the_event_turns() -> None:
    rng = generator(2)
    points, track = muon(50.0)
    points = points + rng.normal(0, 1.0, points.shape)
    c, s = np.cos(2.1), np.sin(2.1)
    turned = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    one, other = of(points, track), of(turned, track)
    for name in NAMES:
        assert one[name] == pytest.approx(other[name], abs=1e-4), name


def bar(number: int, z_mm: float, time_ns: float) -> tuple[float, float, float]:
    """Times of the ends of a bar that is hit at z."""
    return number, time_ns + (1300 - z_mm) / 120.9, time_ns + (1300 + z_mm) / 120.9


def test_flight_is_the_time_that_light_does_not_explain() -> None:
    points, track = muon(0.0)
    path = np.hypot(466.0, 300.0)
    after = path / LIGHT_MM_NS
    muon_like = of(points, track, bars=[bar(0, 100.0, 0.0), bar(32, -200.0, after)])
    assert muon_like["flight"] == pytest.approx(0, abs=1e-6) and muon_like["no_flight"] == 0
    at_once = of(points, track, bars=[bar(0, 100.0, 5.0), bar(32, -200.0, 5.0)])
    assert at_once["flight"] == pytest.approx(after)
    beside = of(points, track, bars=[bar(0, 0.0, 0.0), bar(10, 0.0, 1.0)])
    assert (beside["flight"], beside["no_flight"]) == (0, 1)


def test_no_track_no_answer() -> None:
    points, _ = muon(0.0)
    assert np.isnan(features(*event(points, np.full(len(points), -1)))).all()
    few = event(points[:7], np.zeros(7, int))
    assert np.isnan(p_cosmic(*few)).all()
    assert np.isnan(p_cosmic(*event(np.empty((0, 3)), []))).all()


def test_points_that_are_nowhere_are_left_out() -> None:
    points, track = muon(10.0)
    lost = np.concatenate([points, [[np.nan, 0, 0], [0, np.inf, 0]]])
    assert of(lost, np.append(track, [0, 1])) == pytest.approx(of(points, track), abs=1e-9)


def test_odds_follow_the_expected_muons() -> None:
    batch, vertices = event(*muon(10.0, kink=0.2))
    even = p_cosmic(batch, vertices)[0]
    rare = p_cosmic(batch, vertices, replace(DEFAULT, muons_per_annihilation=0.1))[0]
    assert rare / (1 - rare) == pytest.approx(0.1 * even / (1 - even))


@pytest.mark.parametrize(
    "change", [{"weights": (1.0,)}, {"constant": np.nan}, {"muons_per_annihilation": 0.0}]
)
def test_bad_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Settings(**change)


def test_tracks_of_other_events_are_refused() -> None:
    batch, _ = event(*muon(10.0))
    _, vertices = event(np.zeros((3, 3)), [0, 0, 0])
    with pytest.raises(InputError, match="tracks of 3 points"):
        features(batch, vertices)


# --- simulated events ----------------------------------------------------------------


@cache
def simulated() -> EventBatch:
    """Muons and annihilations, half and half."""
    recipe = RECIPES["disc"]
    mixed = replace(recipe, sample=replace(recipe.sample, cosmic_share=0.6))
    return next(simulate_batches(mixed, 400, generator(71)))


def test_muons_and_annihilations_are_told_apart() -> None:
    batch = simulated()
    p = reconstruct_batch(batch, "helix-robust").p_cosmic
    known = np.isfinite(p)
    muons, atoms = p[known & batch.cosmic], p[known & ~batch.cosmic]
    assert len(muons) > 50 and len(atoms) > 140
    area = np.mean(muons[:, None] > atoms[None])
    assert area > 0.985
    assert np.median(muons) > 0.97 and np.median(atoms) < 0.02


def test_probabilities_mean_what_they_say() -> None:
    """With both kinds alike in number, of events of mean p a share p are muons."""
    batch = simulated()
    p = reconstruct_batch(batch, "helix-robust").p_cosmic
    known = np.isfinite(p)
    muons, atoms = batch.cosmic[known].sum(), (~batch.cosmic)[known].sum()
    weight = np.where(batch.cosmic, 0.5 / muons, 0.5 / atoms)
    brier = (weight * (p - batch.cosmic) ** 2)[known].sum()
    assert brier < 0.04
    assert (weight * p)[known].sum() == pytest.approx(0.5, abs=0.04)


# --- rejection -----------------------------------------------------------------------


def made_up(dip: bool = False, n: int = 20_000) -> tuple[Sample, Answers]:
    """p is uniform for annihilations; for muons its square root, so that p^2 of them lie below."""
    rng = generator(72)
    z = rng.uniform(-1000, 1000, n)
    vertex = np.stack([np.zeros(n), np.zeros(n), z], axis=1)
    vertex[n // 2 :] = np.nan
    p = np.where(np.isnan(vertex[:, 2]), np.sqrt(rng.random(n)), rng.random(n))
    if dip:
        p = np.where((z > -415) & (z < -215) & (np.arange(n) < n // 2), np.sqrt(p), p)
    pattern = np.where(np.arange(n) % 2 == 0, 0b101, np.where(np.arange(n) % 4 == 1, 1, 0))
    sample = Sample(np.arange(n), vertex, np.full(n, 9), np.full(n, 2), np.full((n, 3, 3), np.nan),
                    pattern)  # fmt: skip
    position = np.where(np.isnan(vertex), 0.0, vertex)
    answers = Answers("m", position, np.full((n, 3, 3), np.nan), np.full(n, "ok"), p)
    return sample, answers


def test_numbers_of_a_known_discriminator() -> None:
    found = rejection(*made_up(), generator(1))
    assert found is not None and set(found.at) == {0.9, 0.95, 0.99}
    assert found.auc.value == pytest.approx(2 / 3, abs=0.01)
    assert found.auc.low < found.auc.value < found.auc.high
    assert set(found.at[0.9]) | {"auc"} == set(REJECTION)
    for share, numbers in found.at.items():
        value = {name: e.value for name, e in numbers.items()}
        assert value["threshold"] == pytest.approx(share, abs=0.01)
        assert value["muons_kept"] == pytest.approx(share**2, abs=0.015)
        assert value["raw_hz"] == pytest.approx(313 * share**2 / 0.75, rel=0.03)
        assert value["pattern_hz"] == pytest.approx(66 * share**2, rel=0.03)
        assert value["sky_hz"] == pytest.approx(153.06 * share**2, rel=0.03)
        assert value["pattern_efficiency"] == pytest.approx(0.5, abs=0.02)
        assert value["spread_points"] < 0.8 and 0.3 < value["slices_chi2"] < 2.0
        assert abs(value["up_down_percent"]) < 3


def test_a_dip_in_z_is_seen() -> None:
    found = rejection(*made_up(dip=True), generator(1))
    assert found is not None
    at = found.at[0.9]
    assert at["slices_chi2"].value > 3 and at["spread_points"].value > 1
    # sqrt(p) <= 0.91 for 0.83 of the region, 0.91 elsewhere
    assert at["up_down_percent"].value == pytest.approx(100 * (0.91 - 1), abs=2.5)


def test_unanswered_events_are_not_kept() -> None:
    sample, answers = made_up()
    lost = np.arange(len(sample)) % 5 == 0
    position = np.where(lost[:, None], np.nan, answers.position_mm)
    fewer = Answers("m", position, answers.covariance_mm2, answers.status, answers.p_cosmic)
    found = rejection(sample, fewer, generator(1))
    assert found is not None and found.n_answered == (8000, 8000)
    assert found.at[0.95]["sky_hz"].value == pytest.approx(0.8 * 153.06 * 0.95**2, rel=0.03)


def test_without_muons_or_probabilities_there_is_nothing_to_say() -> None:
    sample, answers = made_up(n=400)
    plain = Answers("m", answers.position_mm, answers.covariance_mm2, answers.status)
    assert rejection(sample, plain, generator(1)) is None
    atoms = Sample(sample.number[:200], sample.vertex_mm[:200], sample.n_points[:200],
                   sample.tracks[:200], sample.floor_mm2[:200])  # fmt: skip
    assert atoms.trigger is not None and (atoms.trigger == -1).all()
    own = Answers("m", answers.position_mm[:200], answers.covariance_mm2[:200],
                  answers.status[:200], answers.p_cosmic[:200])  # fmt: skip
    assert rejection(atoms, own, generator(1)) is None


def test_unknown_triggers_leave_the_measured_rates_out() -> None:
    sample, answers = made_up(n=2000)
    found = rejection(replace(sample, trigger=None), answers, generator(1))
    assert found is not None
    at = found.at[0.95]
    assert np.isnan(at["raw_hz"].value) and np.isnan(at["pattern_hz"].value)
    assert at["sky_hz"].value > 0


def test_the_curve_rises_to_all_muons() -> None:
    rate, kept = background_curve(*made_up(), [0.1, 0.5, 0.9, 1.0])
    assert (np.diff(rate) > 0).all() and kept[-1] == pytest.approx(10_000, abs=50)
    assert rate[1] == pytest.approx(153.06 * 0.25, rel=0.05)


def test_the_report_has_a_section_on_muons(tmp_path: Path) -> None:
    write_parquet(tmp_path / "mixed.parquet", [simulated()])
    words = ["alphag", "evaluate", str(tmp_path / "mixed.parquet"), "--methods", "helix-robust",
             "helix-hough", "--out", str(tmp_path / "report")]  # fmt: skip
    assert main(words) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert list(report["cosmic_muons"]) == ["helix-robust"]
    found = report["cosmic_muons"]["helix-robust"]
    assert found["auc"]["value"] > 0.985
    assert [at["efficiency"] for at in found["at"]] == [0.9, 0.95, 0.99]
    assert found["n_muons"] == report["sample"]["n_cosmic"]
    assert "Cosmic muons" in (tmp_path / "report" / "report.html").read_text()

"""Checks without truth: each on made-up data of known content, then all on simulated events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.alphag.event import BarHits, EventBatch, SpacePoints
from blackett.alphag.formats import write_parquet
from blackett.alphag.simulation import RECIPES, simulate_batches
from blackett.alphag.validate import Finding, Found, check
from blackett.alphag.validate.answers import answered
from blackett.alphag.validate.azimuth import amplitude, azimuth_findings, rayleigh_p
from blackett.alphag.validate.differences import difference_findings
from blackett.alphag.validate.edges import FEATURES, feature_findings, fit_feature, separation
from blackett.alphag.validate.halves import Halves, half_findings, joined_halves, split_tracks
from blackett.alphag.validate.reference import compared, read_reference
from blackett.alphag.validate.ring import ZONES, fit_ring, ring_findings
from blackett.cli import main
from blackett.errors import FileFormatError
from blackett.report import Estimate
from blackett.seeds import generator

if TYPE_CHECKING:
    from pathlib import Path

    from blackett.arrays import FloatArray, IntArray

SIGMA_MM = 4.0


def on_rings(n: int, seed: int, radius: float = 1.0, fourfold: float = 0.0) -> FloatArray:
    """Vertices on the wall, uniform in z, smeared by 4 mm, a tenth by 30 mm, the axis off by
    (1, -0.5)."""
    rng = generator(seed)
    z = rng.uniform(-1090, 1090, n)
    wall = radius * np.select([z < -762, z < -397], [14.8, 22.2], 24.0)
    phi = rng.uniform(0, 2 * np.pi, n)
    if fourfold:
        phi = phi[rng.random(n) < (1 + fourfold * np.cos(4 * phi)) / (1 + fourfold)]
        z, wall = z[: phi.size], wall[: phi.size]
    smear = np.where(rng.random(phi.size) < 0.1, 30.0, SIGMA_MM)
    place = np.stack([wall * np.cos(phi) + 1, wall * np.sin(phi) - 0.5, z], axis=1)
    return np.asarray(place + smear[:, None] * rng.normal(size=place.shape))


def said(position: FloatArray, method: str = "fake", sigma: float = SIGMA_MM) -> Found:
    """A method that says this of every event."""
    n = len(position)
    covariance = np.broadcast_to(np.diag([sigma**2] * 3), (n, 3, 3))
    return Found(method, position, covariance, np.full(n, "ok"), np.full(n, np.nan))


def one(findings: list[Finding], quantity: str, where: str = "") -> Finding:
    (found,) = [f for f in findings if f.quantity == quantity and where in f.where]
    return found


# --- ring --------------------------------------------------------------------------


def test_ring_has_its_radius_smear_and_centre() -> None:
    rows = ring_findings(said(on_rings(12_000, 1)))
    assert [zone for zone, *_ in rows] == list(ZONES)
    for zone, ring, findings in rows:
        assert ring is not None and ring.converged
        truth = {"radius_mm": zone.radius_mm, "smear_mm": SIGMA_MM, "x_mm": 1.0, "y_mm": -0.5}
        for name, value in truth.items():
            assert abs(ring.values[name] - value) < 4 * ring.errors[name], (zone.name, name)
        assert one(findings, "smear_over_sigma").estimate.value == pytest.approx(1.0, abs=0.1)
        assert ring.values["tail_share"] == pytest.approx(0.1, abs=0.05)


def test_errors_of_the_ring_cover() -> None:
    """Pulls of radius and smear over 40 rings have a width of one."""
    pulls, truth = [], {"radius_mm": 24.0, "smear_mm": 6.0}
    for seed in range(40):
        rng = generator(seed)
        phi = rng.uniform(0, 2 * np.pi, 800)
        x, y = (24 * f(phi) + rng.normal(0, 6, 800) for f in (np.cos, np.sin))
        ring = fit_ring(x, y, 22.2)
        pulls.append([(ring.values[k] - v) / ring.errors[k] for k, v in truth.items()])
    width = np.std(pulls, axis=0)
    assert ((width > 0.7) & (width < 1.35)).all()
    assert (np.abs(np.mean(pulls, axis=0)) < 0.6).all()


def test_too_few_vertices_give_no_ring_but_a_reason() -> None:
    few = ring_findings(said(on_rings(300, 3)))
    zone, ring, (finding,) = few[0]
    assert ring is None and zone.name == "lower electrodes"
    assert np.isnan(finding.estimate.value) and "needs 200" in finding.note


def test_a_method_of_z_alone_has_no_ring_and_no_azimuth() -> None:
    position = on_rings(5000, 4)
    position[:, :2] = np.nan
    found = said(position)
    findings = [f for *_, few in ring_findings(found) for f in few]
    findings += azimuth_findings(found)
    assert findings and all(np.isnan(f.estimate.value) and f.note for f in findings)
    assert found.kept.all() and not found.in_space.any()


def test_vertices_called_cosmic_are_left_out() -> None:
    found = said(on_rings(1000, 5))
    called = replace(found, p_cosmic=np.where(np.arange(1000) < 300, 0.9, 0.1))
    assert int(called.kept.sum()) == 700


# --- steps along z -----------------------------------------------------------------


def released(n: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> FloatArray:
    """z with a line at -746 and edges at -671.1 and -415, smeared by 4 mm."""
    rng = generator(seed)
    parts = [
        rng.uniform(-860, -746, n // 6), np.full(n // 2, -746.0),
        rng.uniform(-746, -671.1, n // 5), rng.uniform(-671.1, -415, n // 12),
        rng.uniform(-415, -200, n // 2),
    ]  # fmt: skip
    z = np.concatenate(parts)
    return np.asarray(scale * z + shift + rng.normal(0, SIGMA_MM, z.size))


def along_z(z: FloatArray) -> Found:
    return said(np.stack([np.zeros(z.size), np.zeros(z.size), z], axis=1))


def test_edges_and_line_are_found_where_they_are() -> None:
    rows = feature_findings(along_z(released(9000, 11)))
    for feature, fit, _ in rows:
        assert fit is not None and fit.sigma > 5
        assert abs(fit.values["z_mm"] - feature.z_mm) < 4 * fit.errors["z_mm"]
        assert abs(fit.values["width_mm"] - SIGMA_MM) < 4 * fit.errors["width_mm"]
    fits = {feature.name: fit for feature, fit, _ in rows if fit}
    apart = separation(along_z(released(9000, 11)), fits)
    assert abs(apart.estimate.value - 256.1) < 3 * (apart.estimate.high - apart.estimate.value)


def test_a_wrong_scale_of_z_shows_in_the_separation() -> None:
    found = along_z(released(20_000, 12, scale=1.03))
    fits = {feature.name: fit for feature, fit, _ in feature_findings(found) if fit}
    apart = separation(found, fits).estimate
    assert apart.low > 256.1 + 3 * (apart.value - apart.low)
    assert apart.value == pytest.approx(1.03 * 256.1, abs=4 * (apart.value - apart.low))


def test_a_flat_sample_shows_no_features() -> None:
    """Fifty flat samples: no feature is claimed, and significances are those of chance."""
    claimed = []
    for seed in range(50):
        z = generator(100 + seed).uniform(-1100, 1100, 20_000)
        claimed += [fit_feature(z, feature).sigma for feature in FEATURES]
    assert max(claimed) < 5
    found = along_z(generator(1).uniform(-1100, 1100, 20_000))
    findings = [f for *_, few in feature_findings(found) for f in few]
    assert all("not seen" in f.note and np.isnan(f.estimate.value) for f in findings)
    assert "no edge" in separation(found, {}).note


def test_too_few_vertices_give_no_feature() -> None:
    findings = [f for *_, few in feature_findings(along_z(np.full(20, -746.0))) for f in few]
    assert all("needs 100" in f.note for f in findings)


# --- azimuth -----------------------------------------------------------------------


def test_rayleigh_p_is_flat_where_azimuth_is() -> None:
    rng = generator(21)
    p = [rayleigh_p(rng.uniform(-np.pi, np.pi, 200), 1) for _ in range(400)]
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.035)


def test_a_fourfold_structure_is_measured() -> None:
    findings = azimuth_findings(said(on_rings(40_000, 22, fourfold=0.4)))
    four = one(findings, "amplitude_4", "upper tube")
    assert four.p_value < 1e-6
    # smeared by 4 mm in 24 mm and by 30 mm for a tenth
    assert 0.15 < four.estimate.low < four.estimate.high < 0.4
    assert one(findings, "amplitude_8", "upper tube").p_value > 1e-3
    assert amplitude(np.zeros((2, 10)), 3) == pytest.approx(2.0)


# --- muons -------------------------------------------------------------------------


def muons(
    n: int, seed: int, kink: float = 0.0, twist_rad: float = 0.0
) -> tuple[EventBatch, IntArray]:
    """Straight muons through the chamber: points on both sides with Gaussian errors; `kink` of the
    slope in the middle (1e-3), all points turned by an azimuth (`twist_rad`) that falls with
    radius."""
    rng = generator(seed)
    rows, tracks, counts = [], [], []
    for _ in range(n):
        psi, impact, slope, z0 = (
            rng.uniform(0, 2 * np.pi), rng.uniform(-70, 70), rng.uniform(-2, 2),
            rng.uniform(-300, 300),
        )  # fmt: skip
        r = np.linspace(112, 172, 40)
        s = np.sqrt(r**2 - impact**2)
        bend = rng.normal(0, 1e-3 * kink) if kink else 0.0
        for side in (-1, 1):
            along, across = side * s, np.full(40, impact)
            x = along * np.cos(psi) - across * np.sin(psi)
            y = along * np.sin(psi) + across * np.cos(psi)
            phi = np.arctan2(y, x) + rng.normal(0, 1.2, 40) / r + twist_rad * (172 - r) / 60
            radius = np.hypot(x, y) + rng.normal(0, 0.3, 40)
            z = z0 + (slope + bend * (side > 0)) * along + rng.normal(0, 1.1, 40)
            rows.append([radius * np.cos(phi), radius * np.sin(phi), z])
            tracks.append(np.full(40, (side + 1) // 2))
        counts.append(80)
    x, y, z = np.concatenate(rows, axis=1)
    size = x.size
    constant = [np.full(size, v) for v in (1.2, 1.1, 0.3, 20.0, 30.0, 1000.0, 5, -1)]
    points = SpacePoints(x, y, z, *constant)
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    batch = EventBatch(
        np.arange(n), offset, points, np.zeros(n + 1, np.int64), BarHits.empty(), np.full(n, -1)
    )
    return batch, np.concatenate(tracks)


def test_halves_of_straight_muons_agree_within_their_errors() -> None:
    """Independent points: errors, taken as for half as many, are too large by root 2."""
    halves = split_tracks(*muons(400, 31))
    assert len(halves) == 400
    pull = halves.difference / halves.sigma * np.sqrt(2)
    assert pull.std(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    assert np.abs(pull.mean(axis=0)).max() < 0.25


def test_a_kink_in_the_middle_shows_in_the_slope() -> None:
    straight, kinked = (split_tracks(*muons(200, 32, kink=k)) for k in (0.0, 30.0))
    widths = [one(half_findings(h, "x", generator(1)), "resolution_slope_1e3").estimate
              for h in (straight, kinked)]  # fmt: skip
    assert widths[1].low > widths[0].high


def test_a_wrong_lorentz_angle_moves_the_halves_apart() -> None:
    """Azimuths off by 10 mrad at the cathode: the line bends, and its halves do not meet."""
    plain, twisted = (split_tracks(*muons(200, 33, twist_rad=t)) for t in (0.0, 0.010))
    offset = [np.median(h.difference[:, 0]) for h in (plain, twisted)]
    assert abs(offset[1]) > 1.0 > abs(offset[0])


def test_events_without_two_long_tracks_are_no_muons() -> None:
    batch, tracks = muons(20, 34)
    single = np.where(tracks == 0, 0, -1)
    assert len(split_tracks(batch, single)) == 0
    assert len(split_tracks(batch, np.full(tracks.size, -1))) == 0
    third = tracks.copy()
    third[20:40] = 2  # halves of 20 points and one of 40: the third holds a quarter of all
    assert len(split_tracks(batch, np.where(np.arange(tracks.size) < 80, third, -1))) == 0
    (finding,) = half_findings(joined_halves([]), "x", generator(1))
    assert np.isnan(finding.estimate.value) and "0 through-going muons" in finding.note


# --- methods against each other ----------------------------------------------------


def test_differences_by_what_the_first_method_says() -> None:
    rng = generator(41)
    true = on_rings(3000, 42)
    first, second = (said(true + rng.normal(0, s, true.shape), m, s)
                     for m, s in (("a", 3.0), ("b", 4.0)))  # fmt: skip
    status, position = first.status.astype("U12"), first.position_mm.copy()
    status[:600], status[600:900] = "one track", "no track"
    position[600:900] = np.nan
    first = replace(first, status=status, position_mm=position)
    findings = difference_findings(first, second, generator(1))
    good = one(findings, "core_sigma_mm", "a: good")
    assert good.entries == 2100 and good.estimate.value == pytest.approx(5.0, rel=0.06)
    assert one(findings, "pull_std", "a: good").estimate.value == pytest.approx(1.0, rel=0.06)
    assert one(findings, "core_sigma_mm", "one track").entries == 600
    assert one(findings, "answered", "failed").estimate.value == 1.0


def test_two_methods_that_never_meet() -> None:
    nowhere = said(np.full((50, 3), np.nan), "a")
    findings = difference_findings(nowhere, said(on_rings(50, 43), "b"), generator(1))
    assert [f.quantity for f in findings] == ["core_sigma_mm", "core_sigma_mm", "answered"]
    assert all(f.note for f in findings[:2])


# --- all together ------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated atoms on the wall and muons, with truth and with positions alone."""
    place = tmp_path_factory.mktemp("validate")
    for name, n in (("wall", 400), ("cosmics", 900)):
        batches = list(simulate_batches(RECIPES[name], n, generator(51)))
        write_parquet(place / f"{name}.parquet", batches)
        write_parquet(place / f"{name}-bare.parquet", map(measured, batches))
    return place


def measured(batch: EventBatch) -> EventBatch:
    """The same events as measured ones: no truth."""
    return replace(batch, vertex_mm=None, time_s=None, cosmic=None, tracks=None, track_offset=None)


def report(words: list[str], out: Path) -> dict[str, object]:
    assert main(["alphag", "validate", *words, "--out", str(out)]) == 0
    assert (out / "report.html").stat().st_size > 50_000
    data: dict[str, object] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return data


def test_one_command_checks_events_without_truth(folder: Path, tmp_path: Path) -> None:
    methods = ["--methods", "helix-hough", "helix-robust"]
    found = [
        report(
            [str(folder / f"wall{end}"), "--cosmics", str(folder / f"cosmics{end}"), *methods],
            tmp_path / end,
        )["checks"]
        for end in (".parquet", "-bare.parquet")
    ]
    assert found[0] == found[1]  # truth is not looked at
    checks = found[0]
    assert isinstance(checks, list)
    assert {c["check"] for c in checks} == {"ring", "z", "azimuth", "halves", "difference"}
    for finding in checks:
        assert finding["estimate"]["value"] is not None or finding["note"], finding
    ring = [c for c in checks if c["quantity"] == "radius_mm" and "upper" in c["where"]]
    assert all(15 < c["estimate"]["value"] < 30 for c in ring if c["estimate"]["value"])


def test_answers_belong_to_their_events(folder: Path) -> None:
    batches = list(simulate_batches(RECIPES["wall"], 700, generator(52)))
    seen = list(answered(batches, "helix-hough"))
    assert [len(part) for _, part in seen] == [500, 200]
    for batch, part in seen:
        assert (batch.number == part.number).all()
        assert (np.diff(batch.point_offset) == part.n_points).all()


def test_report_of_nothing_can_be_made(tmp_path: Path) -> None:
    """One method that answers nothing: every number says why it is missing."""
    nothing = said(np.full((30, 3), np.nan))
    made = check([nothing], {"fake": joined_halves([])}, generator(1))
    assert all(np.isnan(f.estimate.value) and f.note for f in made.findings)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--methods", "guess"], "guess"),
        (["--methods"], "at least one"),
        (["--methods", "helix-hough", "helix-hough"], "none twice"),
        (["--events", "0"], "at least 1"),
    ],
)
def test_wrong_usage_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    words = ["alphag", "validate", str(folder / "wall.parquet"), "--out", str(tmp_path), *words]
    assert main(words) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_halves_refuse_writing() -> None:
    empty = joined_halves([])
    assert isinstance(empty, Halves) and not empty.difference.flags.writeable


def test_another_report_is_set_beside(folder: Path, tmp_path: Path) -> None:
    words = [str(folder / "wall.parquet"), "--methods", "helix-hough"]
    report(words, tmp_path / "one")
    reference = tmp_path / "one" / "report.json"
    data = report([*words, "--events", "300", "--reference", str(reference)], tmp_path / "two")
    checks = data["checks"]
    assert isinstance(checks, list)
    ring = [c for c in checks if c["quantity"] == "radius_mm" and "upper" in c["where"]]
    assert ring and all(c["entries"] < 300 for c in ring)
    assert all("reference" in c for c in checks)
    known = read_reference(reference)
    for c in checks:
        key = tuple(c[k] for k in ("check", "quantity", "where", "method"))
        value = c["reference"]["value"]
        assert (np.nan if value is None else value) == pytest.approx(known[key].value, nan_ok=True)


def test_tension_with_another_report() -> None:
    finding = Finding("ring", "radius_mm", "x", "a", 10, Estimate(24.0, 23.7, 24.3), "24")
    (found,) = compared([finding], {("ring", "radius_mm", "x", "a"): Estimate(22.0, 21.6, 22.4)})
    assert found.tension == pytest.approx(4.0)
    assert np.isnan(compared([finding], {})[0].tension)


@pytest.mark.parametrize("text", ["", "[]", '{"checks": [{"check": 1}]}'])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileFormatError, match="validate"):
        read_reference(path)

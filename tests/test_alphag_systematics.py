"""Systematic effects: knobs, variations, common random numbers, statistics, files, the command."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.alphag import gun
from blackett.alphag.simulation import RECIPES, simulate
from blackett.alphag.simulation import Variation as Drawn
from blackett.alphag.systematics import (
    KNOBS,
    VARIATIONS,
    Knob,
    Variation,
    counting,
    drawn,
    effects,
    varied,
)
from blackett.alphag.systematics.answers import Answered, World, answer, answer_missing, load
from blackett.alphag.systematics.comparison import COUNTING, RESOLUTION
from blackett.alphag.systematics.events import BLOCK, displaced, varied_batches
from blackett.alphag.systematics.findings import Finding, in_all, study
from blackett.alphag.systematics.knobs import setting, with_setting
from blackett.alphag.systematics.variations import NOMINAL, chosen_variations, file_name
from blackett.alphag.transport import transport_apart
from blackett.alphag.verbs import make_shard
from blackett.cli import main
from blackett.errors import InputError
from blackett.report import Estimate
from blackett.seeds import generator, numbered
from blackett.shards import Shard

if TYPE_CHECKING:
    from pathlib import Path

    from blackett.alphag.event import EventBatch

WALL = RECIPES["wall"]


def first(variation: Variation, n: int = 8, seed: int = 3) -> tuple[EventBatch, np.ndarray]:
    return next(varied_batches(WALL, variation, n, seed))


def named(text: str) -> Variation:
    return next(v for v in VARIATIONS if file_name(v) == text)


# --- knobs and variations ------------------------------------------------------------


@pytest.mark.parametrize("knob", KNOBS, ids=lambda k: k.name)
def test_a_knob_multiplies_its_settings_by_powers_of_one_factor(knob: Knob) -> None:
    changed = knob.at(WALL, 1.5)
    for name, power in knob.settings:
        expected = setting(WALL, name) * knob.factor(1.5) ** power
        assert setting(changed, name) == pytest.approx(expected)
    assert changed != WALL and knob.source


def test_drift_speed_of_two_percent_more_shortens_drift_times() -> None:
    faster = next(k for k in KNOBS if k.name == "drift speed").at(WALL, 1.0)
    assert faster.digitise.drift.time_scale == pytest.approx(1 / 1.02)


def test_stated_errors_do_not_follow_the_diffusion() -> None:
    wider = next(k for k in KNOBS if k.name == "diffusion").at(WALL, 2.0).digitise
    plain = WALL.digitise
    product = wider.points.diffusion_share * wider.drift.longitudinal_um
    assert product == pytest.approx(plain.points.diffusion_share * plain.drift.longitudinal_um)


def test_drawn_recipes_differ_and_are_reproducible() -> None:
    one, same, other = (varied(WALL, generator(seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert varied(WALL, generator(1), 0.0) == WALL
    scales = [varied(WALL, generator(s)).digitise.drift.time_scale for s in range(300)]
    assert np.std(np.log(scales)) == pytest.approx(np.log(1.02), rel=0.12)
    assert np.abs(np.log(scales)).max() <= 2.5 * np.log(1.02) + 1e-12
    with pytest.raises(InputError, match="scale"):
        varied(WALL, generator(1), -1.0)


def test_a_recipe_says_how_its_shards_are_drawn() -> None:
    wanted = replace(WALL, variation=Drawn(1.0))
    made = drawn(wanted, generator(5))
    assert made.variation.scale == 0 and made != WALL
    assert drawn(WALL, generator(5)) is WALL
    assert made == drawn(wanted, generator(5))
    with pytest.raises(InputError, match=r"variation\.scale"):
        next(simulate(wanted, 1, generator(5)))
    with pytest.raises(InputError, match="0 to 3"):
        Drawn(-1.0)


def test_every_shard_has_settings_of_its_own() -> None:
    """The atoms of a shard are those of the plain recipe; what is seen of them is not."""
    shards = [Shard(k, 2 * k, 2) for k in range(2)]
    wanted = replace(WALL, variation=Drawn(1.0))
    for shard in shards:
        plain, other = (next(iter(make_shard(r, 6, shard))) for r in (WALL, wanted))
        assert np.array_equal(plain.vertex_mm, other.vertex_mm)
        assert not np.array_equal(plain.points.z_mm, other.points.z_mm)
        again = next(iter(make_shard(wanted, 6, shard)))
        assert np.array_equal(again.points.z_mm, other.points.z_mm)


def test_settings_by_dotted_names() -> None:
    changed = with_setting(WALL, "digitise.pads.noise_counts", 2.5)
    assert changed.digitise.pads.noise_counts == 2.5
    assert with_setting(changed, "digitise.pads.noise_counts", 1.5) == WALL
    with pytest.raises(InputError, match="no 'nosie'"):
        with_setting(WALL, "digitise.nosie", 1.0)


def test_variations_have_sources_files_and_change_something() -> None:
    assert len({file_name(v) for v in VARIATIONS}) == len(VARIATIONS)
    for v in VARIATIONS:
        assert v.source and v.share >= 0
        changes = v.recipe(WALL) != WALL or v.pile_up or any(v.shift_mm) or v.tilt_mrad
        assert changes, v.label
    with pytest.raises(InputError, match="pile_up"):
        Variation("x", "", "y", pile_up="muons")


def test_variations_are_chosen_with_what_they_are_compared_with() -> None:
    chosen = chosen_variations(("cross-talk",))
    assert [v.name for v in chosen] == ["nominal", "waveforms", "cross-talk", "cross-talk"]
    assert all(v.against in {w.name for w in chosen_variations(())} for v in VARIATIONS)
    with pytest.raises(InputError, match="'typo'"):
        chosen_variations(("typo",))


# --- events --------------------------------------------------------------------------


def test_particles_followed_apart_do_not_disturb_each_other() -> None:
    atoms = gun.annihilate(gun.in_disc(4, generator(1)), generator(2))
    seeds = (5, 6)
    one, other = (
        transport_apart(atoms, lambda k, seed=seed: numbered(seed if k == 0 else 5, k))
        for seed in seeds
    )
    rest = [moved.gas.start_mm[moved.gas.event > 0] for moved in (one, other)]
    assert len(rest[0]) > 100 and np.array_equal(*rest)
    assert not np.array_equal(one.tracks.end_mm[0], other.tracks.end_mm[0])
    for table, owner in ((one.gas, one.gas.track), (one.barrel, one.barrel.track)):
        assert np.array_equal(one.tracks.event[owner], table.event)
        assert (np.diff(table.event) >= 0).all()
    children = one.tracks.parent >= 0
    assert np.array_equal(one.tracks.event[one.tracks.parent[children]], one.tracks.event[children])
    assert (one.tracks.parent[children] < np.flatnonzero(children)).all()


def test_the_same_annihilations_whatever_the_world_and_the_number() -> None:
    plain, true = first(NOMINAL)
    _, few = first(NOMINAL, 3)
    faster, same = first(named("drift-speed-plus-2"))
    assert np.array_equal(true, same) and np.array_equal(true[:3], few)
    assert true.shape == (8, 3) and plain.vertex_mm is None
    assert not np.array_equal(plain.points.x_mm, faster.points.x_mm)
    again, _ = first(NOMINAL)
    assert np.array_equal(plain.points.z_mm, again.points.z_mm)


def test_a_change_of_drift_time_keeps_every_electron() -> None:
    """With common random numbers the points of both worlds lie at the same heights."""
    worlds = (NOMINAL, named("drift-speed-plus-2"))
    plain, faster = ([event.points.z_mm for event in first(world)[0]] for world in worlds)
    other = [event.points.z_mm for event in first(NOMINAL, seed=4)[0]]
    share = np.linspace(0.05, 0.95, 19)

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.median(np.abs(np.quantile(a, share) - np.quantile(b, share))))

    rich = [k for k in range(len(plain)) if min(len(plain[k]), len(other[k])) > 100]
    assert len(rich) >= 5
    assert max(apart(plain[k], faster[k]) for k in rich) < 4.0
    assert np.median([apart(plain[k], other[k]) for k in rich]) > 50.0


def test_batches_go_on_where_others_end() -> None:
    whole = [z for _, z in varied_batches(WALL, NOMINAL, BLOCK + 2, 4)]
    rest = [z for _, z in varied_batches(WALL, NOMINAL, BLOCK + 2, 4, 1)]
    assert [len(z) for z in whole] == [BLOCK, 2]
    assert len(rest) == 1 and np.array_equal(rest[0], whole[1])


@pytest.mark.parametrize("kind", ["annihilation", "cosmic"])
def test_pile_up_adds_points_and_keeps_those_of_the_first(kind: str) -> None:
    plain, true = first(NOMINAL)
    both, same = first(Variation("pile-up", kind, "test", pile_up=kind))
    assert np.array_equal(true, same)
    assert len(both.points) > len(plain.points)
    few = (np.diff(both.point_offset) < 0.8 * np.diff(plain.point_offset)).sum()
    assert few == 0


def test_a_displaced_chamber_reads_places_in_its_own_frame() -> None:
    batch, _ = first(NOMINAL)
    moved = displaced(batch, (0.5, 0.0, -0.25), 0.0)
    assert np.allclose(moved.points.x_mm, batch.points.x_mm - 0.5, atol=1e-4)
    assert np.allclose(moved.points.z_mm, batch.points.z_mm + 0.25, atol=2e-4)
    turned = displaced(batch, (0.0, 0.0, 0.0), 10.0)
    distance = [np.linalg.norm(b.points.xyz_mm, axis=1) for b in (batch, turned)]
    assert np.allclose(*distance, rtol=1e-6)
    expected = batch.points.y_mm + 0.01 * batch.points.z_mm
    assert np.allclose(turned.points.y_mm, expected, atol=0.05)
    assert displaced(batch, (0.0, 0.0, 0.0), 0.0) is batch


def test_cosmic_samples_are_refused() -> None:
    with pytest.raises(InputError, match="annihilations alone"):
        next(varied_batches(RECIPES["cosmics"], NOMINAL, 10, 1))
    with pytest.raises(InputError, match="at least 1"):
        next(varied_batches(WALL, NOMINAL, 0, 1))


# --- effects -------------------------------------------------------------------------


def answered(n: int = 4000) -> Answered:
    rng = generator(8)
    true = rng.uniform(-1100, 1100, n)
    return Answered(true, true + rng.normal(0, 3.0, n))


def test_a_shift_is_found_with_a_small_interval() -> None:
    plain = answered()
    rng = generator(9)
    moved = plain.z_mm + 0.2 + rng.normal(0, 0.5, len(plain.z_mm))
    found = effects(plain, Answered(plain.true_mm, moved), generator(1))
    assert set(found) == set(RESOLUTION)
    for name in ("shift_mm", "shift_bottom_mm", "shift_centre_mm", "shift_top_mm"):
        assert found[name].value == pytest.approx(0.2, abs=0.05), name
    assert found["shift_mm"].high - found["shift_mm"].low < 0.03  # unpaired: 0.19
    assert found["bias_mm"].value == pytest.approx(0.2, abs=0.06)
    assert found["efficiency_points"].value == 0
    assert found["core_percent"].value == pytest.approx(1.4, abs=1.5)


def test_widths_tails_and_efficiency() -> None:
    plain = answered()
    z = plain.true_mm + 1.2 * (plain.z_mm - plain.true_mm)
    z[:400] = np.nan
    z[400:580] += 100
    found = effects(plain, Answered(plain.true_mm, z), generator(1))
    assert found["efficiency_points"].value == pytest.approx(-10)
    assert found["beyond_50_points"].value == pytest.approx(5)
    assert found["core_percent"].value == pytest.approx(20, abs=4)
    assert found["width_68_percent"].value == pytest.approx(26, abs=5)


def test_counts_in_the_regions() -> None:
    plain = answered()
    z = np.where(plain.z_mm < 0, np.nan, plain.z_mm)
    z[plain.z_mm < -500] = plain.z_mm[plain.z_mm < -500]
    up = (plain.z_mm > -415) & (plain.z_mm < -215)
    z[up] = np.where(np.arange(up.sum()) % 10 == 0, np.nan, plain.z_mm[up])
    found = counting(plain, Answered(plain.true_mm, z), generator(1))
    assert set(found) == set(COUNTING)
    assert found["down_percent"].value == 0 == found["down_percent"].low
    assert found["up_percent"].value == pytest.approx(-10, abs=0.3)
    assert found["ratio_percent"].value == pytest.approx(-10, abs=0.3)


def test_no_answers_give_no_numbers() -> None:
    plain = answered(200)
    none = Answered(plain.true_mm, np.full(200, np.nan))
    found = effects(plain, none, generator(1))
    assert np.isnan(found["shift_mm"].value) and found["efficiency_points"].value == -100
    assert counting(none, none, generator(1))["ratio_percent"].value != 0


def test_the_sum_takes_the_larger_side_of_each_quantity() -> None:
    def finding(knob: str, value: float, share: float = 1.0) -> Finding:
        variation = Variation(knob, f"{value}", "test", knob=knob, share=share)
        return Finding("m", variation, {"shift_mm": Estimate(value, value - 0.1, value + 0.1)})

    found = [finding("material", 3.0), finding("material", -4.0), finding("gas gain", -3.0)]
    assert in_all(found, "shift_mm") == pytest.approx((5.0, 0.1 * np.sqrt(2)))
    found += [finding("diffusion", 1000.0, 0.0), finding("axial drift", 24.0, 0.5)]
    assert in_all(found, "shift_mm")[0] == pytest.approx(13.0)
    assert in_all([], "shift_mm") == (0.0, 0.0)


# --- files and the command -----------------------------------------------------------


def test_answers_are_kept_and_completed(tmp_path: Path) -> None:
    method = "helix-hough"
    world = World(WALL, NOMINAL, 5, 3)
    assert answer_missing(tmp_path, [world], [method], Shard(0, 0, 1)) == {method: 5}
    stored = load(tmp_path, world, method)
    direct = answer(world, [method])[method]
    assert np.array_equal(stored.z_mm, direct.z_mm, equal_nan=True)
    assert answer_missing(tmp_path, [world], [method], Shard(0, 0, 1)) == {}
    more = replace(world, events=7)
    assert answer_missing(tmp_path, [more], [method], Shard(0, 0, 1)) == {method: 7}
    assert np.array_equal(load(tmp_path, world, method).z_mm, stored.z_mm, equal_nan=True)
    with pytest.raises(InputError, match="another folder"):
        load(tmp_path, replace(world, seed=4), method)
    world.path(tmp_path, method).write_bytes(b"no file of numpy")
    with pytest.raises(InputError, match="remove it"):
        load(tmp_path, world, method)


def test_the_command_writes_a_report_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["alphag", "systematics", "--methods", "helix-hough", "--events", "12", "--out",
             str(tmp_path), "--variations", "misalignment", "hadron model"]  # fmt: skip
    assert main(words) == 0
    assert "kept" not in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    rows = report["methods"]["helix-hough"]["variations"]
    assert [row["name"] for row in rows] == ["hadron model"] + 3 * ["misalignment"]
    assert set(RESOLUTION) | set(COUNTING) <= set(rows[0])
    shifted = next(row for row in rows if row["change"] == "0.5 mm in z")
    assert shifted["shift_mm"]["value"] == pytest.approx(-0.5, abs=0.1)
    assert report["methods"]["helix-hough"]["all"]["shift_mm"]["sum"] > 0.4
    text = (tmp_path / "report.html").read_text()
    assert "<img" in text and "misalignment" in text
    assert main(words) == 0
    assert capsys.readouterr().out.count("kept") == 2 * 5
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert main([*words, "--seed", "2"]) == 2
    assert "another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"methods": ()}, "at least one"),
        ({"methods": ("helix-hough", "helix-hough")}, "each once"),
        ({"methods": ("helix",)}, "give one of"),
        ({"counted": WALL}, "two"),
        ({"names": ("nothing",)}, "variations"),
        ({"recipe": RECIPES["cosmics"]}, "annihilations alone"),
    ],
)
def test_wrong_studies_are_refused(change: dict[str, object], rule: str, tmp_path: Path) -> None:
    given = {"recipe": WALL, "counted": RECIPES["release"], "methods": ("helix-hough",)}
    chosen = given | {"names": ("misalignment",)} | change
    with pytest.raises(InputError, match=rule):
        list(study(**chosen, events=3, folder=tmp_path, seed=1))

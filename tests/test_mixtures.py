"""Simulation on the fly: batches, labels, scenarios, the same bytes for one seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blackett import gamma
from blackett.errors import InputError
from blackett.gamma.appearances import appearances
from blackett.gamma.batches import ARRAYS, SpectrumBatch
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.mixtures import measured_cells, simulate
from blackett.gamma.recipe import RECIPES, Companion, Scenario, TrainingRecipe, find_recipe
from blackett.gamma.room import draw_room
from blackett.gamma.rooms import draw_weights, room_columns
from blackett.gamma.sources import observable_sources, registry_hash
from blackett.gamma.spectrum import Spectrum
from blackett.seeds import generator

RC103 = appearances("radiacode-103").detector


def many(recipe: str | TrainingRecipe, n: int, seed: int, **options: object) -> SpectrumBatch:
    """n spectra in one batch (up to the batch length)."""
    (made,) = simulate(recipe, n, generator(seed), **options)  # type: ignore[arg-type]
    return made


@pytest.fixture(scope="module")
def default() -> SpectrumBatch:
    return many("default", 1024, 1)


# --- batches -----------------------------------------------------------------------------


def test_batch_has_the_promised_arrays(default: SpectrumBatch) -> None:
    n, s = 1024, len(observable_sources())
    assert len(default) == n
    assert default.sources == tuple(source.name for source in observable_sources())
    assert default.registry_sha256 == registry_hash()
    shapes = {"counts": (n, 1024), "background": (n, 1024), "coefficients_kev": (n, 3)}
    shapes |= dict.fromkeys(("activity_bq", "expected_net", "present"), (n, s))
    for name, kind in ARRAYS.items():
        array = getattr(default, name)
        assert array.shape == shapes.get(name, (n,))
        assert array.dtype == kind
        assert not array.flags.writeable
    assert default.counts.min() >= 0


def test_one_spectrum_is_like_a_measured_one(default: SpectrumBatch) -> None:
    given = int(np.flatnonzero(default.background_live_time_s > 0)[0])
    bare = int(np.flatnonzero(default.background_live_time_s == 0)[0])
    spectrum = default[given]
    assert isinstance(spectrum, gamma.Spectrum)
    assert spectrum.total_counts == default.counts[given].sum()
    assert spectrum.background is not None
    assert spectrum.background.total_counts == default.background[given].sum()
    assert spectrum.device == "RadiaCode-103"
    assert spectrum.overflow_channel == 1023
    assert default[bare].background is None
    assert len(list(default.where(np.arange(5)))) == 5
    with pytest.raises(IndexError):
        default[1024]


def test_shapes_must_fit(default: SpectrumBatch) -> None:
    with pytest.raises(InputError, match="counts: shape"):
        replace(default, counts=default.counts[:, :512])


def test_detectors_take_turns_and_256_channels_fill_the_first() -> None:
    recipe = replace(find_recipe("default"), detectors=("radiacode-101", "radiacode-103"))
    first, second = simulate(recipe, 1024 + 64, generator(2))
    assert (first.detector, second.detector) == ("radiacode-101", "radiacode-103")
    few = first.channels == 256
    assert 0.4 < few.mean() < 0.6
    assert first.counts[few, 256:].sum() == 0
    assert first.counts[few, :256].sum() > 0
    assert first[int(np.flatnonzero(few)[0])].n_channels == 256


def test_same_seed_same_bytes_for_any_number_of_threads() -> None:
    one, two = many("default", 200, 3), many("default", 200, 3, threads=3)
    for name in ARRAYS:
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    assert many("default", 200, 4).counts.tobytes() != one.counts.tobytes()


@pytest.mark.parametrize(
    ("recipe", "n", "options", "match"),
    [
        ("default", 0, {}, "0 spectra"),
        ("default", 1, {"threads": 0}, "threads"),
        ("nonsense", 1, {}, "give one of"),
        ("default", 1, {"detector": "hpge"}, "scintillators"),
        ("default", 1, {"detector": "geiger"}, "unknown detector"),
    ],
)
def test_bad_wishes_are_refused(recipe: str, n: int, options: dict, match: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=match):
        next(simulate(recipe, n, generator(1), **options))


# --- truth -------------------------------------------------------------------------------


def test_expected_net_counts_are_those_above_the_room() -> None:
    """Summed over many spectra, counts less background = expected net counts."""
    steady = dict.fromkeys(
        ("background_rate_sigma", "background_radon_sigma", "background_gain_sigma"), 0.0
    )
    recipe = replace(
        find_recipe("default"), background_share=1.0, real_time_s=(600.0, 600.0),
        background_time_s=(6e5, 6e5), wide_share=0.0, net_counts=(1000.0, 1000.0), **steady,
    )  # fmt: skip
    batch = many(recipe, 400, 5)
    scale = batch.live_time_s / batch.background_live_time_s
    net = batch.counts.sum(axis=1) - scale * batch.background.sum(axis=1)
    sigma = np.sqrt(batch.counts.sum(axis=1) + scale**2 * batch.background.sum(axis=1) + 1.0)
    pull = (net - batch.expected_net.sum(axis=1)) / sigma
    assert abs(pull.mean()) < 4.5 / np.sqrt(400)
    assert pull.std() == pytest.approx(1.0, abs=0.15)


def test_labels_say_what_emits_above_the_background(default: SpectrumBatch) -> None:
    assert np.array_equal(default.present, default.expected_net >= 1.0)
    background = default.scenario == 0
    assert 0.1 < background.mean() < 0.2
    assert not default.present[background].any()
    assert default.present[~background].any(axis=1).mean() > 0.95
    assert (default.activity_bq[default.present] > 0.0).all()
    assert default.present.sum(axis=1).max() <= 11


def test_every_source_has_positives() -> None:
    positives = np.zeros(len(observable_sources()), dtype=int)
    for batch in simulate("default", 8 * 1024, generator(6)):
        positives += batch.present.sum(axis=0)
    assert positives.min() > 20
    common = [s.rarity == "common" for s in observable_sources()]
    assert positives[common].mean() > 2 * positives[~np.array(common)].mean()


def test_counts_reach_from_below_the_detection_limit_to_a_hundred_thousand() -> None:
    net = np.concatenate([
        batch.expected_net[batch.present] for batch in simulate("default", 4096, generator(7))
    ])  # fmt: skip
    decades = np.histogram(np.log10(net), [0, 1, 2, 3, 4, 5])[0] / net.size
    assert decades.min() > 0.03
    assert net.max() < 2e5


def test_uranium_brings_its_own_uranium_235() -> None:
    recipe = replace(find_recipe("default"), scenarios=(Scenario("u", 1.0, ("U-238",)),))
    batch = many(recipe, 300, 8)
    u238, u235 = (batch.sources.index(name) for name in ("U-238", "U-235"))
    ratio = batch.activity_bq[:, u235] / batch.activity_bq[:, u238]
    assert np.unique(np.round(ratio, 4)) == pytest.approx([0.012, 0.0461])
    assert (ratio > 0.03).mean() == pytest.approx(0.8, abs=0.1)


def test_companions_follow_the_first_source() -> None:
    fallout = Scenario("f", 1.0, ("Cs-137",), companions=(Companion("Cs-134", 0.5, (0.1, 0.2)),))
    batch = many(replace(find_recipe("default"), scenarios=(fallout,)), 400, 9)
    cs137, cs134 = (batch.activity_bq[:, batch.sources.index(n)] for n in ("Cs-137", "Cs-134"))
    there = cs134 > 0
    assert there.mean() == pytest.approx(0.5, abs=0.11)
    ratio = (cs134 / cs137)[there]
    assert 0.0999 < ratio.min() < ratio.max() < 0.2001


def test_sources_drawn_together_have_one_activity() -> None:
    batch = many("seed-v3", 1024, 10)
    chain = batch.scenario == 4
    u238, ra226 = (batch.activity_bq[chain, batch.sources.index(n)] for n in ("U-238", "Ra-226"))
    assert chain.sum() > 50
    assert 0.79 < (ra226 / u238).min() < (ra226 / u238).max() < 1.21


def test_seed_scenarios_have_their_shares() -> None:
    recipe = RECIPES["seed-v3"]
    assert [s.share for s in recipe.scenarios] == [15, 20, 8, 5, 10, 10, 7, 5, 10, 5, 5]
    scenario = np.concatenate([b.scenario for b in simulate(recipe, 8192, generator(11))])
    found = np.bincount(scenario, minlength=11) / scenario.size
    wanted = np.array([s.share for s in recipe.scenarios]) / 100.0
    assert found == pytest.approx(wanted, abs=0.02)
    batch = many(recipe, 1024, 12)
    assert batch.real_time_s == pytest.approx(np.full(1024, 60.0))
    weak = batch.scenario == 10
    assert batch.activity_bq[weak].max() <= 5.0
    assert 50.0 < batch.activity_bq.max() <= 120.0
    many_sources = (batch.activity_bq[batch.scenario == 9] > 0).sum(axis=1)
    assert 2 <= many_sources.min() <= many_sources.max() <= 6


# --- rooms -------------------------------------------------------------------------------


def test_rooms_have_the_distribution_of_drawn_rooms() -> None:
    rng = generator(13)
    fast = draw_weights(3000, rng) @ room_columns("radiacode-103").astype(np.float64)
    slow = np.array([draw_room(RC103, 1024, rng) for _ in range(120)])
    quantiles = [0.1, 0.25, 0.5, 0.75, 0.9]
    for part in (slice(60, 300), slice(300, 600), slice(600, 1024)):
        ours, theirs = np.log(fast[:, part].sum(axis=1)), np.log(slow[:, part].sum(axis=1))
        spread = theirs.std() / np.sqrt(120)
        assert np.quantile(ours, quantiles) == pytest.approx(
            np.quantile(theirs, quantiles), abs=6 * spread
        )


def recorded_room() -> Spectrum:
    rng = generator(14)
    axis = EnergyCalibration((0.0, 3.0, 0.0))
    bump = 200.0 * np.exp(-0.5 * ((np.arange(1024) - 400) / 10.0) ** 2)
    return Spectrum(rng.poisson(bump), axis, 1000.0, overflow_channel=1023)


def test_measured_background_makes_up_its_share() -> None:
    cells = measured_cells(recorded_room())
    assert cells.sum() == pytest.approx(1.0, rel=1e-5)
    batch = many("background", 200, 15, measured=recorded_room())
    edges = [s.edges_kev for s in batch]
    inside = np.array([
        c[:-1][(e[1:-1] > 1050) & (e[:-2] < 1350)].sum() for c, e in zip(batch.counts, edges,
                                                                         strict=True)
    ])  # fmt: skip
    share = inside.sum() / batch.counts.sum()
    assert 0.65 < share < 0.76
    empty = Spectrum(np.zeros(1024, int), EnergyCalibration((0.0, 3.0)), 10.0)
    with pytest.raises(InputError, match="no counts"):
        measured_cells(empty)


# --- recipes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(RECIPES))
def test_recipe_files_are_the_recipes(name: str) -> None:
    from conftest import ROOT

    assert find_recipe(ROOT / "recipes" / "gamma" / "simulate" / f"{name}.toml") == RECIPES[name]


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"detectors": ("hpge",)}, "no scintillator"),
        ({"net_counts": (5.0, 1.0)}, "rising"),
        ({"activity_bq": (1.0,)}, "two positive numbers"),
        ({"wide_share": 1.5}, "from 0 to 1"),
        ({"scenarios": ()}, "scenarios"),
    ],
)
def test_recipes_refuse_nonsense(changed: dict, match: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=match):
        replace(RECIPES["default"], **changed)
    with pytest.raises(InputError, match="count"):
        Scenario("x", 1.0, count=(3, 2))
    unknown = replace(RECIPES["default"], scenarios=(Scenario("x", 1.0, ("Unobtainium",)),))
    with pytest.raises(InputError, match="Unobtainium"):
        next(simulate(unknown, 10, generator(1)))

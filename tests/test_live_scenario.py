"""What an emulated device sees: the language of scenarios, and recordings played again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.arrays import frozen
from blackett.errors import BlackettError, FileFormatError, InputError
from blackett.gamma.calibration import EnergyCalibration
from blackett.gamma.detector import detector
from blackett.gamma.formats import write
from blackett.gamma.live.scenario import (
    Appearance,
    Recorded,
    SimulatedScene,
    play_file,
    scenario,
)
from blackett.gamma.spectrum import Spectrum

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng


def test_clauses_say_what_they_mean() -> None:
    made = scenario(
        "Cs-137 3 cps appears after 30 s at 20 cm, leaves after 2 min; room 7 cps; unit drawn; "
        "seed 5\nCo-60 100 kBq behind 5 mm of lead, behind 2 mm iron; K-40 4000 Bq as jar"
    )
    assert (made.room_cps, made.unit, made.seed) == (7.0, "drawn", 5)
    cs, co, k = made.sources
    assert (cs.net_cps, cs.arrives_s, cs.leaves_s, cs.scene.distance_mm) == (
        3.0,
        30.0,
        120.0,
        200.0,
    )
    assert co.activity_bq == 1e5
    assert co.scene.shield == (("lead", 5.0), ("iron", 2.0))
    assert (k.scene.extended, k.scene.distance_mm) == ("jar", None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Cs-137 flies away", "flies away"),
        ("Xx-999 at 20 cm", "Xx-999"),
        ("Cs-137 at 2 km", "at 2 km"),
        ("Cs-137 at 3 m", "3000"),
        ("Cs-137 leaves after 5 s, appears after 9 s", "leave after it arrives"),
        ("Cs-137 3 cps 4 Bq", "not both"),
        ("room blue", "blue"),
        ("unit odd", "odd"),
        ("detector geiger", "geiger"),
    ],
)
def test_what_is_not_understood_is_shown(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        scenario(text)


def test_toml_says_the_same_as_clauses(tmp_path: Path) -> None:
    file = tmp_path / "scene.toml"
    file.write_text(
        'room_cps = 7.0\nseed = 5\n[[source]]\nname = "Cs-137"\nnet_cps = 3.0\n'
        'arrives_s = 30.0\nshield = [["lead", 2.0]]\n'
    )
    said = scenario("room 7 cps; seed 5; Cs-137 3 cps, appears after 30 s, behind 2 mm of lead")
    assert scenario(str(file)) == said
    for wrong in ("rooms = 1", "[[source]]\nname = 3", "=", 'source = "x"'):
        file.write_text(wrong)
        with pytest.raises(FileFormatError):
            scenario(str(file))
    with pytest.raises(FileFormatError):
        scenario(str(tmp_path / "none.toml"))


def test_sources_come_and_go_with_their_rates() -> None:
    scene = SimulatedScene(
        scenario("Cs-137 3 cps appears after 30 s, leaves after 60 s; room 7 cps")
    )
    rates = [scene.expected_per_second(t).sum() for t in (0.0, 29.9, 30.0, 59.9, 60.0)]
    assert rates == pytest.approx([7.0, 7.0, 10.0, 10.0, 7.0], rel=2e-3)
    counts = scene.counts_between(0.0, 90.0, RNG(1)).sum()
    assert abs(counts - 720) < 5 * 720**0.5
    assert scene.channels == 1024


def test_256_channels_hold_the_same_energies() -> None:
    few = SimulatedScene(scenario("Cs-137 3 cps; room 7 cps"), channels=256)
    many = SimulatedScene(scenario("Cs-137 3 cps; room 7 cps"))
    assert few.channels == 256
    ends = [EnergyCalibration(s.coefficients_kev).edges_kev(s.channels)[-1] for s in (few, many)]
    assert ends[0] == pytest.approx(ends[1], rel=0.005)
    total = [s.expected_per_second(0.0).sum() for s in (few, many)]
    assert total[0] == pytest.approx(total[1], rel=0.01)


def test_a_recording_is_played_to_the_last_count() -> None:
    counts = RNG(2).poisson(3.0, (3, 256)).astype(np.int64)
    played = Recorded(
        counts, frozen([10.0, 5.0, 20.0]), (0.0, 10.0, 0.0), detector("radiacode-101")
    )
    rng = RNG(3)
    rows = [sum(played.counts_between(t, t + 2.5, rng) for t in np.arange(a, b, 2.5))
            for a, b in ((0.0, 10.0), (10.0, 15.0), (15.0, 35.0))]  # fmt: skip
    assert all(np.array_equal(row, was) for row, was in zip(rows, counts, strict=True))
    again = played.counts_between(35.0, 70.0, rng)
    assert np.array_equal(again, counts.sum(axis=0))
    assert np.array_equal(played.counts_between(70.0, 140.0, rng), 2 * counts.sum(axis=0))


def test_only_what_a_radiacode_can_record_is_played(tmp_path: Path) -> None:
    counts = RNG(4).poisson(5.0, 256)
    calibration = EnergyCalibration((0.0, 10.0, 0.001))
    good = Spectrum(counts, calibration, 100.0, 101.0, device="RadiaCode-101")
    write(tmp_path / "good.n42", good)
    played = play_file(tmp_path / "good.n42")
    assert played.channels == 256
    assert played.counts_between(0.0, 101.0, RNG(1)).sum() == counts.sum()
    write(tmp_path / "bad.n42", Spectrum(np.ones(300, int), calibration, 100.0))
    with pytest.raises(InputError, match="300 channels"):
        play_file(tmp_path / "bad.n42")
    with pytest.raises(BlackettError):
        play_file(tmp_path / "none.n42")


def test_an_appearance_checks_itself() -> None:
    with pytest.raises(InputError):
        Appearance("Cs-137", activity_bq=-1.0)

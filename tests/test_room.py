"""Natural background as a detector counts it: components of a fit, and rooms drawn at random."""

from __future__ import annotations

import math

import numpy as np
import pytest

from blackett.gamma import room
from blackett.gamma.detector import detector
from blackett.gamma.folding import deposit_edges_kev
from blackett.gamma.room import draw_room, room_components

RC103 = detector("radiacode-103")
BINS = 1024
CENTRES = 0.5 * (deposit_edges_kev(BINS)[1:] + deposit_edges_kev(BINS)[:-1])


@pytest.fixture(scope="module")
def components() -> tuple[room.RoomComponent, ...]:
    return room_components(RC103, BINS)


@pytest.fixture(scope="module")
def rooms() -> np.ndarray:
    """Rates (16, BINS) of places that are not lead castles."""
    rng = np.random.default_rng(7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "IN_LEAD", 0.0)
        return np.array([draw_room(RC103, BINS, rng) for _ in range(16)])


def test_components_are_positive_with_finite_priors(
    components: tuple[room.RoomComponent, ...],
) -> None:
    assert len({c.name for c in components}) == len(components)
    for component in components:
        assert component.rate.shape == (BINS,)
        assert np.all(np.isfinite(component.rate))
        assert component.rate.min() >= 0.0
        assert component.rate.sum() > 0.0
        assert math.isfinite(component.centre)
        assert 0.0 < component.sigma < 10.0


def test_components_have_the_features_of_their_names(
    components: tuple[room.RoomComponent, ...],
) -> None:
    by_name = {c.name: c.rate for c in components}
    for name, energy in (("K-40", 1460.8), ("Th-232", 2614.5), ("annihilation", 511.0)):
        place = int(np.searchsorted(deposit_edges_kev(BINS), energy)) - 1
        beside = by_name[name][place + 3 : place + 8].mean()
        assert by_name[name][place] > 5.0 * beside, name
    assert by_name["K-40"][CENTRES > 1475.0].sum() < 1e-3 * by_name["K-40"].sum()
    assert by_name["lead X-rays"][CENTRES > 90.0].sum() < 1e-3 * by_name["lead X-rays"].sum()
    soft = [by_name[f"soft {slope:g} keV"] for slope in room.SOFT_SLOPES_KEV]
    means = [(CENTRES * rate).sum() / rate.sum() for rate in soft]
    assert means == sorted(means)


def test_lead_takes_most_of_the_open_room(components: tuple[room.RoomComponent, ...]) -> None:
    by_name = {c.name: c.rate.sum() for c in components}
    for name in ("K-40", "U-238", "Th-232"):
        castles = [rate for key, rate in by_name.items() if key.startswith(f"{name}, in ")]
        assert castles
        assert max(castles) < 0.3 * by_name[name]


def test_rooms_count_as_rooms_do(rooms: np.ndarray) -> None:
    """1 cm3 of CsI counts 1 to 60 per second in nearly every place outside lead."""
    rates = rooms.sum(axis=1)
    assert np.mean((rates > 1.0) & (rates < 60.0)) >= 0.87  # about 95 %: at most 2 of 16 outside
    assert 3.0 < np.median(rates) < 20.0
    assert np.all(np.isfinite(rooms))
    assert rooms.min() >= 0.0


def test_rooms_differ_in_more_than_their_rate(rooms: np.ndarray) -> None:
    hard = rooms[:, CENTRES > 1000.0].sum(axis=1) / rooms.sum(axis=1)
    assert hard.std() / hard.mean() > 0.05


def test_one_seed_one_room() -> None:
    first, again, other = (
        draw_room(RC103, BINS, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_lead_castle_counts_less_and_shows_its_x_rays(
    monkeypatch: pytest.MonkeyPatch, rooms: np.ndarray
) -> None:
    monkeypatch.setattr(room, "IN_LEAD", 1.0)
    rates = [draw_room(RC103, BINS, np.random.default_rng(s)).sum() for s in range(2)]
    assert np.median(rates) < 0.4 * np.median(rooms.sum(axis=1))


def test_a_larger_crystal_counts_more(rooms: np.ndarray) -> None:
    large = draw_room(detector("radiacode-110"), BINS, np.random.default_rng(3))
    small = draw_room(RC103, BINS, np.random.default_rng(3))
    assert 1.8 < large.sum() / small.sum() < 3.0  # 1.96 by area, 2.74 by volume

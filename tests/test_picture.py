"""The picture: counts are conserved, labels keep apart, a file is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackett.gamma import picture, read
from blackett.gamma.identification import Identification, identify_with_fit

if TYPE_CHECKING:
    from blackett.gamma.unmix import Unmixed

EXAMPLE = Path(__file__).parents[1] / "examples" / "simulated-cs137-radiacode-103.xml"
PLACES = st.lists(st.floats(0.0, 1.0), max_size=40).map(sorted)


@pytest.fixture(scope="module")
def answered() -> tuple[Identification, Unmixed]:
    found, unmixed = identify_with_fit(read(EXAMPLE)[0])
    assert unmixed is not None
    return found, unmixed


@given(wanted=PLACES)
def test_labels_keep_apart_in_order_and_inside(wanted: list[float]) -> None:
    places = picture._spread(np.array(wanted), 0.02)
    assert np.all(np.diff(places) >= 0.02 - 1e-12)
    assert np.all((places > 0.0) & (places < 1.0))


def test_labels_with_room_stay_where_they_belong() -> None:
    wanted = np.array([0.1, 0.3, 0.7])
    assert picture._spread(wanted, 0.02) == pytest.approx(wanted)


def test_joined_groups_conserve_counts(answered: tuple[Identification, Unmixed]) -> None:
    counts = answered[1].task.data.counts
    view = picture._view(answered[1])
    assert view.sums(counts).sum() == counts.sum()
    assert (view.per_kev(counts) * np.diff(view.edges_kev)).sum() == pytest.approx(counts.sum())
    assert np.all(np.diff(view.edges_kev) > 0.0)


def test_parts_add_up_to_the_fit(answered: tuple[Identification, Unmixed]) -> None:
    unmixed = answered[1]
    total = picture._background(unmixed) + picture._other(unmixed)
    total = total + sum(picture._components(unmixed).values())
    assert total == pytest.approx(unmixed.fit.expected, rel=1e-6, abs=1e-6)


def test_picture_names_the_source_and_is_written_whole(
    answered: tuple[Identification, Unmixed], tmp_path: Path
) -> None:
    texts = [text.get_text() for text in picture.draw(*answered).axes[0].texts]
    assert "Cs-137 662" in texts
    picture.save(*answered, tmp_path / "folder" / "answer.png")
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["answer.png"]
    assert (tmp_path / "folder" / "answer.png").read_bytes().startswith(b"\x89PNG")

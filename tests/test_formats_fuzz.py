"""A small share of the damaged files of `scripts/fuzz`, in every test run."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

TOOL = Path(__file__).parents[1] / "tools" / "fuzz_formats.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_formats", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_seeds_are_read_whole(fuzz: ModuleType) -> None:
    verdicts = {name: fuzz.check(name, data, 5.0) for name, data in fuzz.seeds()}
    assert set(verdicts.values()) == {"read"}
    assert len(verdicts) == 9


def test_damaged_files_give_spectra_or_one_error(fuzz: ModuleType) -> None:
    tally = Counter(fuzz.check(name, data, 5.0) for name, data in fuzz.damaged(2000, seed=7))
    assert tally["refused"] > 1000
    assert tally["read"] > 50


def test_the_check_notices_counts_that_stand_nowhere(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, data = next((n, d) for n, d in fuzz.seeds() if n == "recording.csv")
    wrong = [s.add(s) for s in fuzz.formats.read_bytes(data, name)]
    monkeypatch.setattr(fuzz.formats, "read_bytes", lambda *_, **__: wrong)
    with pytest.raises(AssertionError, match="stand nowhere"):
        fuzz.check(name, data, 5.0)

"""Kept arrays: made once, made anew when their sources change or the file is damaged."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.gamma import cachefile
from blackett.gamma.cachefile import content_hash, kept_arrays

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "blackett"


def test_arrays_are_built_once(folder: Path) -> None:
    built = []

    def build() -> dict[str, np.ndarray]:
        built.append(1)
        return {"a": np.arange(3.0)}

    for _ in range(2):
        assert np.array_equal(kept_arrays("x", content_hash(("decay.py",)), build)["a"], [0, 1, 2])
    assert len(built) == 1
    (file,) = folder.iterdir()
    file.write_bytes(b"damaged")
    kept_arrays("x", content_hash(("decay.py",)), build)
    kept_arrays("x", content_hash(("sources.py",)), build)
    assert len(built) == 3
    assert len(list(folder.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_only_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert (
        kept_arrays("x", content_hash(("decay.py",)), lambda: {"a": np.ones(2)})["a"].sum() == 2.0
    )
    assert "is not kept" in caplog.text


def test_old_versions_are_forgotten(folder: Path) -> None:
    folder.mkdir()
    other = folder / f"x-long-{0:016x}.npz"
    other.write_bytes(b"")
    os.utime(other, (1e9, 1e9))
    for k in range(6):
        path = folder / f"x-{k:016d}.npz"
        path.write_bytes(b"")
        os.utime(path, (1e9 + k, 1e9 + k))
    kept_arrays("x", content_hash(("decay.py",)), lambda: {"a": np.ones(2)})
    assert len(list(folder.glob(f"x-{'?' * 16}.npz"))) == cachefile.KEPT_VERSIONS
    assert other.exists()

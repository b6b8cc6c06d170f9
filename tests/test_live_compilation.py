"""Compiling away from the service: once for each state of the machine, in a child that ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from blackett.gamma.live import compilation
from blackett.gamma.live.compilation import compile_away, compiled_state

if TYPE_CHECKING:
    from pathlib import Path

NAME = "radiacode-103"
MISSES = """
import sys
from numba.core.dispatcher import Dispatcher
from blackett.gamma.live.compilation import main
main("identification", "radiacode-103")
found = [value for name, module in list(sys.modules.items()) if name.startswith("blackett")
         for value in vars(module).values() if isinstance(value, Dispatcher)]
print(sum(sum(one.stats.cache_hits.values()) for one in found),
      sum(sum(one.stats.cache_misses.values()) for one in found))
"""


@pytest.fixture
def empty_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which nothing was compiled or built yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    return tmp_path


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What children would have been started."""
    started: list[tuple[str, str]] = []
    monkeypatch.setattr(
        compilation, "_run_child", lambda work, name, _: started.append((work, name))
    )
    return started


def test_a_child_is_started_once_for_each_work_and_detector(
    empty_caches: Path, children: list[tuple[str, str]]
) -> None:
    told: list[str] = []
    for name in (NAME, NAME, "radiacode-102"):
        assert compile_away("identification", name, threading.Event(), told.append)
    assert compile_away("scene", NAME, threading.Event(), told.append)
    wanted = [("identification", NAME), ("identification", "radiacode-102"), ("scene", NAME)]
    assert children == wanted
    assert len(told) == len(wanted)
    assert all("first use" in sentence for sentence in told)


def test_another_place_for_compiled_code_is_another_state(
    empty_caches: Path, children: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compiled_state()
    assert compiled_state() == before
    compile_away("scene", NAME, threading.Event())
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(empty_caches / "elsewhere"))
    assert compiled_state() != before
    compile_away("scene", NAME, threading.Event())
    assert len(children) == 2


def test_a_child_that_fails_is_told_and_tried_again(
    empty_caches: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert not compile_away("scene", "no such detector", threading.Event())
    assert len([line for line in caplog.messages if "nothing was compiled" in line]) == 2


def test_the_end_of_the_service_ends_the_child(empty_caches: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert not compile_away("identification", NAME, stop)


@pytest.mark.long
def test_after_the_child_nothing_is_left_to_compile(empty_caches: Path) -> None:
    assert compile_away("identification", NAME, threading.Event())
    command = [sys.executable, "-c", MISSES]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True)
    hits, misses = map(int, done.stdout.split())
    assert hits > 5
    assert misses == 0

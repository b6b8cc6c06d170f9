"""What a service frees goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from blackett.gamma.live import memory

GROWN = """
import sys, threading
from pathlib import Path
from blackett.gamma.live.memory import keep_small

def heaps():
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sum(int(l.split()[0].split("-")[0], 16) % 2**26 == 0 and "---p" not in l for l in lines)

assert keep_small()
before = heaps()
def work():
    kept = [bytes(1000 + i) for i in range(20000)]
threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
print(heaps() - before)
"""
glibc = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="needs glibc"
)


@glibc
def test_threads_share_one_heap() -> None:
    ran = subprocess.run([sys.executable, "-c", GROWN], capture_output=True, text=True, check=True)
    assert int(ran.stdout) == 0


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not memory.keep_small()

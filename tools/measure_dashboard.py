"""How quick and how light the live page is: from the device's reply to pixels, processor, memory.

    python tools/measure_dashboard.py [SECONDS]        needs Chromium and Playwright

Starts `blackett gamma live` on an emulated device in real time, opens the page, and prints the time
from the device's reply to the frame that shows it, and what the service and its worker use.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SCENE = "Cs-137 6 cps appears after 10 s at 20 cm; room 7 cps"
LISTEN = """async (seconds) => {
  const { listen, state } = await import('/static/js/stream.js');
  const found = [];
  const forget = listen((what) => {
    if (what !== 'update' || !state.update.waterfall) return;
    const replied = state.update.time_s - state.update.health.spectrum_age_s;
    const drawing = performance.now() - state.receivedMs;
    const came = Date.now() / 1000 - replied - drawing / 1000;
    const shown = () => found.push([Date.now() / 1000 - replied, came, drawing / 1000]);
    requestAnimationFrame(() => setTimeout(shown));
  });
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  forget();
  return found;
}"""


def usage(pids: list[int]) -> tuple[float, float]:
    """Processor seconds and megabytes in memory of these processes (Linux)."""
    seconds = megabytes = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        megabytes += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return seconds, megabytes


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    lists = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for listed in lists for child in listed.split()]


def main(seconds: float) -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    command = [shutil.which("blackett") or "blackett", "gamma", "live", "--simulate", SCENE]
    with (
        subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as service,
        sync_playwright() as play,
    ):
        assert service.stdout is not None  # noqa: S101
        url = service.stdout.readline().split()[3]
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url)
        page.wait_for_selector(".keys .s-room", timeout=120_000)
        time.sleep(5.0)
        parts = {"service": [service.pid], "worker": children(service.pid)}
        before = {name: usage(pids)[0] for name, pids in parts.items()}
        began = time.monotonic()
        delays = 1e3 * np.array(page.evaluate(LISTEN, seconds))
        lasted = time.monotonic() - began
        for name, values in zip(
            ("reply to pixels", "of it to the page", "drawing"), delays.T, strict=True
        ):
            low, middle, high = np.percentile(values, [50, 95, 100])
            print(f"{name}: median {low:.0f} ms, 95 % {middle:.0f} ms, longest {high:.0f} ms")
        for name, pids in parts.items():
            used, megabytes = usage(pids)
            share = 100 * (used - before[name]) / lasted
            print(f"{name}: {share:.1f} % of one core, {megabytes:.0f} MB")
        print(f"{len(delays)} beats in {lasted:.0f} s")
        browser.close()
        service.terminate()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)

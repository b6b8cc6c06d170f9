"""How quick and how light the live page is: from the device's reply to pixels, processor, memory.

    python tools/measure_dashboard.py page --seconds 120      needs Chromium and Playwright
    python tools/measure_dashboard.py soak --hours 8 --speed 16 --out soak.csv
    python tools/measure_dashboard.py slope soak.csv

`page` starts `blackett gamma live` on an emulated device in real time, opens the page, and prints
the time from the device's reply to the frame that shows it, and what the service uses. `soak` runs
the service at a higher speed, with sources that come and go, so that it identifies all the time,
and one reader of its events; `slope` fits a line to the memory by emulated hour. Memory is what
Linux calls RSS; PSS, where pages shared with other processes count by their share; and anonymous,
without files (libraries), whose pages come and go as others need the machine's memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Iterator

SCENE = "Cs-137 6 cps appears after 10 s at 20 cm; room 7 cps"
SOAKED = ("Cs-137", "Co-60", "Am-241", "K-40")
"""Sources of the soak: one an hour, for half an hour each."""
FIRST_LOOK_S = 5.0
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


def usage(pids: list[int]) -> dict[str, float]:
    """Processor seconds, and RSS, PSS and own memory in MB of these processes (Linux)."""
    total = {"cpu_s": 0.0, "rss_mb": 0.0, "pss_mb": 0.0, "anonymous_mb": 0.0}
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total["cpu_s"] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, kilobytes = line.split()[:2]
            if name in ("Rss:", "Pss:", "Anonymous:"):
                total[f"{name[:-1].lower()}_mb"] += int(kilobytes) / 1024
    return total


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    lists = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for listed in lists for child in listed.split()]


@contextmanager
def running(*options: str) -> Iterator[tuple[int, str]]:
    """The service: its process id and address."""
    command = [shutil.which("blackett") or "blackett", "gamma", "live", *options, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None  # noqa: S101
        yield service.pid, service.stdout.readline().split()[3]
        service.terminate()


# --- the page ------------------------------------------------------------------


def page(seconds: float) -> None:
    """Delays of each beat, and processor and memory while they were measured."""
    from playwright.sync_api import sync_playwright

    with running("--simulate", SCENE) as (pid, url), sync_playwright() as play:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1440, "height": 900})
        shown.goto(url)
        shown.wait_for_selector(".keys .s-room", timeout=120_000)
        time.sleep(5.0)
        before, began = usage([pid]), time.monotonic()
        delays = 1e3 * np.array(shown.evaluate(LISTEN, seconds))
        lasted = time.monotonic() - began
        after, workers = usage([pid]), children(pid)
        browser.close()
    for name, values in zip(
        ("reply to pixels", "of it to the page", "drawing"), delays.T, strict=True
    ):
        low, middle, high = np.percentile(values, [50, 95, 100])
        print(f"{name}: median {low:.0f} ms, 95 % {middle:.0f} ms, longest {high:.0f} ms")
    share = 100 * (after["cpu_s"] - before["cpu_s"]) / lasted
    print(f"service: {share:.1f} % of one core, RSS {after['rss_mb']:.0f} MB, "
          f"PSS {after['pss_mb']:.0f} MB, {len(workers)} other processes")  # fmt: skip
    print(f"{len(delays)} beats in {lasted:.0f} s; load {os.getloadavg()[0]:.1f}")


# --- hours ---------------------------------------------------------------------


def scene(hours: float) -> str:
    """A source in every hour, from its 15th to its 45th minute."""
    names = [(h, SOAKED[h % len(SOAKED)]) for h in range(int(np.ceil(hours)))]
    visits = [f"{name} 4 cps appears after {60 * h + 15} min, leaves after {60 * h + 45} min"
              for h, name in names]  # fmt: skip
    return "; ".join([*visits, "room 7 cps"])


def soak(hours: float, speed: float, out: Path) -> None:
    """Samples of memory, four for each emulated hour and more, until the time is over."""
    with running("--simulate", scene(hours), "--speed", f"{speed:g}") as (pid, url):
        page = Reader()
        address = f"{url}api/live/events"
        threading.Thread(target=page.read, args=(address,), daemon=True).start()
        first, began = None, time.monotonic()
        with out.open("w", encoding="utf-8") as file:
            file.write("hours,rss_mb,pss_mb,anonymous_mb,cpu_s,updates,beats,looks,left_out,"
                       "declared\n")  # fmt: skip
            while True:
                time.sleep(max(10.0, 100.0 / speed))
                with urllib.request.urlopen(f"{url}api/live") as answer:
                    update = json.load(answer)["update"]
                first = update["time_s"] if first is None else first
                passed = (update["time_s"] - first) / 3600
                used = usage([pid, *children(pid)])
                names = "+".join(update["decision"]["nuclides"])
                file.write(f"{passed:.4f},{used['rss_mb']:.2f},{used['pss_mb']:.2f},"
                           f"{used['anonymous_mb']:.2f},{used['cpu_s']:.2f},"
                           f"{update['sequence']},{page.beats},{page.looks},{page.left_out},"
                           f"{names}\n")  # fmt: skip
                file.flush()
                if passed >= hours:
                    break
    print(f"{hours:g} emulated hours in {time.monotonic() - began:.0f} s")
    slope(out)


class Reader:
    """An open page: it takes events until the service ends, and counts beats and looks."""

    def __init__(self) -> None:
        self.beats = self.looks = self.left_out = 0
        self._looked_s = self._length_s = self._begin_s = 0.0

    def read(self, url: str) -> None:
        """Take events until the service ends."""
        with suppress(OSError), urllib.request.urlopen(url) as events:
            for line in events:
                if line.startswith(b"data: "):
                    self._take(json.loads(line[6:]))

    def _take(self, event: dict[str, Any]) -> None:
        rows = [event["waterfall"], *(one["row"] for one in event["skipped"])]
        self.beats += sum(row is not None for row in rows)
        begin_s, looked_s = event["decision"]["stretch_start_s"], event["identified_at_s"]
        if begin_s != self._begin_s:
            self._begin_s, self._length_s = begin_s, 0.0
        if looked_s is not None and looked_s != self._looked_s:
            self._looked_s, self.looks = looked_s, self.looks + 1
            self._skip_to(looked_s - begin_s)

    def _skip_to(self, length_s: float) -> None:
        """Count the looks that were due before this one: every second, then at 1 % of growth."""
        due = max(self._length_s + 1.0, np.ceil(1.01 * self._length_s), FIRST_LOOK_S)
        while due < length_s - 0.5:
            self.left_out += 1
            due = max(due + 1.0, np.ceil(1.01 * due))
        self._length_s = length_s


def slope(path: Path) -> None:
    """Memory against time from the second hour on, by means of half hours."""
    rows = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(0, 1, 2, 3))
    for name, column in (("RSS", 1), ("PSS", 2), ("anonymous", 3)):
        halves = np.floor(2 * rows[:, 0])
        kept = [h for h in np.unique(halves) if h >= 2]
        means = np.array([rows[halves == h][:, [0, column]].mean(axis=0) for h in kept])
        fit = stats.linregress(means[:, 0], means[:, 1])
        wide = stats.t.ppf(0.975, len(kept) - 2) * fit.stderr
        print(f"{name}: {means[0, 1]:.1f} MB in the third half hour, {means[-1, 1]:.1f} MB in the "
              f"last; {fit.slope:+.2f} MB an hour, 95 %: {fit.slope - wide:+.2f} to "
              f"{fit.slope + wide:+.2f}")  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("page", "soak", "slope"))
    parser.add_argument("file", nargs="?", type=Path, default=Path("soak.csv"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--speed", type=float, default=16.0)
    parser.add_argument("--out", type=Path, default=Path("soak.csv"))
    a = parser.parse_args()
    if a.what == "page":
        page(a.seconds)
    elif a.what == "soak":
        soak(a.hours, a.speed, a.out)
    else:
        slope(a.file)


if __name__ == "__main__":
    main()

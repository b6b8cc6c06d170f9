"""The page in a real browser: what people see, by mouse, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import pictures

from simulated_session import SimulatedSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright", reason="needs Playwright: pip install 'blackett[dev]'")
pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        pictures.CHROMIUM is None,
        reason="needs Chromium: apt-get install chromium (scripts/test does it as root)",
    ),
]
DOCS = Path(__file__).parents[2] / "docs" / "images"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with pictures.chromium() as made:
        yield made


@pytest.fixture(scope="module")
def still() -> Iterator[pictures.Service]:
    """The service on a measurement that stands still."""
    made = pictures.Service(pictures.still_session())
    yield made
    made.stop()
    made.state.worker.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Page]:
    """A desk page that fails the test for any error, or any request that is not to this machine."""
    with pictures.opened(browser, 1440, "light") as page:
        told: list[str] = []

        def only_here(route: Any) -> None:
            if route.request.url.startswith("http://127.0.0.1:"):
                route.continue_()
            else:
                told.append(route.request.url)
                route.abort()

        page.context.route("**/*", only_here)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on(
            "console", lambda m: told.append(m.text) if m.type in ("error", "warning") else None
        )
        yield page
        assert told == []


# --- live ----------------------------------------------------------------------


def test_a_source_appears_on_an_emulated_device(watched: Page) -> None:
    from blackett.gamma.live.session import live_session

    scene = "Cs-137 40 cps appears after 60 s at 20 cm; room 7 cps"
    session = live_session(simulate=scene, speed=2.0, seed=3)
    running = pictures.Service(session)
    watched.goto(running.url)
    watched.wait_for_selector(".headline >> text=Listening")
    session.start()
    watched.wait_for_selector(".link[data-state=connected]")
    assert "Cs-137" not in watched.inner_text(".answer-box")
    watched.wait_for_selector(".answer-box[data-state=identified]")
    assert watched.inner_text(".headline") == "Cs-137"
    card = watched.locator("[data-nuclide='Cs-137']")
    assert "661.7 keV" in card.inner_text()
    assert "Time to decision" in card.inner_text()
    assert "The rate rose" in watched.inner_text(".events")
    watched.goto("about:blank")
    running.stop()
    session.stop()
    running.state.worker.close()


def test_a_dropped_connection_comes_back_by_itself(browser: Browser) -> None:
    session = SimulatedSession({}, quiet=10**6, period_s=0.5, answer_every=10**6)
    session.beat()
    session.start()
    running = pictures.Service(session)
    with pictures.opened(browser, 1440, "light") as page:
        page.goto(running.url)
        page.wait_for_selector(".link[data-state=connected]")
        running.stop()
        page.wait_for_selector("text=The connection to the service is lost")
        assert "old" in (page.get_attribute(".answer", "class") or "")
        before = session.beat(5).sequence
        running.start()
        page.wait_for_selector(".link[data-state=connected]")
        page.wait_for_selector("text=The connection to the service is lost", state="hidden")
        rows = (
            "import('/static/js/stream.js').then(({state}) => state.history.map(h => h.sequence))"
        )
        # what was missed is fetched: no number is left out
        whole = f"all.at(-1) > {before} && all.every((n, i) => n === all[0] + i)"
        page.wait_for_function(f"{rows}.then(all => {whole})")
        page.goto("about:blank")
    session.stop()
    running.stop()
    running.state.worker.close()


def test_old_numbers_are_not_shown_as_current(watched: Page, still: pictures.Service) -> None:
    watched.goto(still.url)
    watched.wait_for_selector(".headline >> text=Cs-137")
    watched.wait_for_selector(".answer.old")  # nothing has come since: the numbers have aged
    assert "ago" in watched.inner_text(".kicker")
    assert "old" in watched.inner_text(".figures")


def test_zoom_scales_and_keys(watched: Page, still: pictures.Service) -> None:
    pictures.show(watched, still, "live")
    watched.keyboard.press("l")
    assert watched.locator("[aria-pressed=true] >> text=√").count() == 1
    over = watched.locator(".u-over").first
    box = over.bounding_box()
    assert box is not None
    over.hover(position={"x": box["width"] * 0.4, "y": 60})
    watched.wait_for_selector(".readout b >> text=keV")
    watched.mouse.down()
    watched.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60, steps=4)
    watched.mouse.up()
    pressed = watched.locator("button[data-value=window]")
    pressed.focus()
    watched.keyboard.press("Enter")
    assert pressed.get_attribute("aria-pressed") == "true"
    watched.keyboard.press("0")
    for number, view in enumerate(pictures.VIEWS, 1):
        watched.keyboard.press(str(number))
        watched.wait_for_selector(f"#main[data-view={view}]")
    watched.keyboard.press("t")
    assert watched.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_waterfall_lies_under_the_spectrum(watched: Page, still: pictures.Service) -> None:
    """The bright column of the 662 keV line is where the chart has 662 keV."""
    watched.add_init_script(
        "localStorage.setItem('theme', 'dark');"
        "window.charts = []; let kept; Object.defineProperty(window, 'uPlot', { get: () => kept,"
        " set: (made) => { kept = class extends made {"
        " constructor(...a) { super(...a); charts.push(this); } }; } });"
    )
    pictures.show(watched, still, "live")
    at, wide, sums = watched.evaluate(
        """() => { const u = charts.findLast(c => c.series.length > 3); const c = document.querySelector('.waterfall');
        const d = c.getContext('2d').getImageData(0, 0, c.width, 60).data; const sums = new Array(c.width).fill(0);
        for (let i = 0; i < d.length; i += 4) sums[(i / 4) % c.width] += d[i] + d[i + 1];
        return [u.valToPos(661.7, 'x', true), u.valToPos(720, 'x', true) - u.valToPos(600, 'x', true), sums]; }"""  # noqa: E501
    )
    low, high = round(at - wide), round(at + wide)
    brightest = low + int(np.argmax(np.convolve(sums[low:high], np.ones(9), "same")))
    assert abs(brightest - at) < 0.5 * wide


# --- files and background ------------------------------------------------------


def test_a_dropped_file_is_identified_and_a_bad_one_told(
    watched: Page, still: pictures.Service, tmp_path: Path
) -> None:
    pictures.show(watched, still, "files")
    watched.wait_for_selector("[data-nuclide='Cs-137']")
    with watched.expect_download() as report:
        watched.click("text=Report")
    assert "Cs-137" in report.value.path().read_text(encoding="utf-8")
    watched.goto("about:blank")


def test_a_refused_file_shows_the_sentence(browser: Browser, still: pictures.Service) -> None:
    with pictures.opened(browser, 1440, "light") as page:  # 422 itself is a console error
        page.goto(f"{still.url}#/files")
        bad = {"name": "bad.xml", "mimeType": "text/xml", "buffer": b"<ResultDataFile><oops"}
        page.set_input_files("input[type=file]", [bad])
        page.wait_for_selector(".note >> text=bad.xml")
        timeless = {"name": "a.csv", "mimeType": "text/csv",
                    "buffer": b"energy_kev,counts\n" + b"".join(b"%d,3\n" % (3 * i) for i in range(900))}  # noqa: E501  # fmt: skip
        page.set_input_files("input[type=file]", [timeless])
        page.fill(".note input[type=number]", "600")
        page.click("text=Read it")
        page.wait_for_selector(".file >> text=a.csv")
        page.click("[aria-label='Remove a.csv']")
        page.wait_for_selector(".file >> text=a.csv", state="detached")


def test_the_continuum_toggle_changes_the_model(watched: Page, still: pictures.Service) -> None:
    pictures.show(watched, still, "background")
    assert "typical room" in watched.inner_text(".keys")
    watched.click("label:has-text('CsI(Tl) continuum')")
    watched.wait_for_selector(".keys >> text=Modelled: CsI(Tl) continuum")


# --- every view ----------------------------------------------------------------

CONTRAST = """() => {
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => { for (let n = node; n; n = n.parentElement) { const c = parse(getComputedStyle(n).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !node.checkVisibility() || node.closest("svg, noscript, option, .skip") || !node.getClientRects().length) continue;
    const style = getComputedStyle(node), size = parseFloat(style.fontSize);
    const [a, b] = [light(parse(style.color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) poor.push([walk.currentNode.textContent.trim().slice(0, 40), ratio]);
  }
  return poor; }"""  # noqa: E501


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_views_can_be_read(
    browser: Browser, still: pictures.Service, width: int, theme: str
) -> None:
    """Contrast by WCAG AA, nothing wider than the screen, every control with a name."""
    with pictures.opened(browser, width, theme) as page:
        for view in pictures.VIEWS:
            pictures.show(page, still, view)
            assert page.evaluate(CONTRAST) == [], view
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
            nameless = page.evaluate(
                "[...document.querySelectorAll('button, a, input, select')].filter(n => "
                "n.checkVisibility() && !n.innerText?.trim() && !n.ariaLabel &&"
                "!n.closest('label')).map(n => n.outerHTML)"
            )
            assert nameless == [], view


def _blocks(data: bytes, columns: int, rows: int) -> np.ndarray:
    """Mean lightness of a picture in blocks (rows, columns)."""
    from PIL import Image

    grey = Image.open(io.BytesIO(data)).convert("L")
    return np.asarray(grey.resize((columns, rows), Image.Resampling.BOX), dtype=float)


@pytest.mark.parametrize(("width", "theme"), pictures.LOOKS)
def test_views_look_like_their_pictures(
    browser: Browser, still: pictures.Service, width: int, theme: str
) -> None:
    """Panels in the same places: sizes within a fifth, coarse lightness alike; fonts may differ."""
    from PIL import Image

    with pictures.opened(browser, width, theme) as page:
        for view in pictures.VIEWS:
            kept = (DOCS / pictures.name_of(view, width, theme)).read_bytes()
            assert len(kept) < 150_000
            pictures.show(page, still, view)
            now = pictures.picture(page)
            sizes = [Image.open(io.BytesIO(data)).size for data in (kept, now)]
            assert sizes[0][0] == sizes[1][0] == width
            assert 0.8 < sizes[1][1] / sizes[0][1] < 1.25, view
            rows = max(8, sizes[0][1] // 60)
            first, second = (_blocks(data, 24, rows) for data in (kept, now))
            assert np.abs(first - second).mean() < 20.0, view

"""The pictures of every view in docs/images: taken by `scripts/screenshots`, compared by the tests.

python tests/browser/pictures.py docs/images
"""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from blackett.gamma.live.security import guard_for
from blackett.gamma.live.server import free_port, service
from blackett.gamma.live.state import State
from blackett.gamma.live.uploads import Worker
from simulated_session import SimulatedSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

EXAMPLE = Path(__file__).parents[2] / "examples" / "simulated-cs137-radiacode-103.xml"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
LOOKS = ((1440, "light"), (390, "dark"))
VIEWS = {
    "live": ("#/live", ".chart canvas >> nth=0", "Cs-137"),
    "files": ("#/files", ".chart canvas >> nth=0", "Cs-137"),
    "background": ("#/background", ".chart canvas >> nth=0", "Modelled"),
    "library": ("#/library/Th-232", ".sticks", "Ra-228"),
    "models": ("#/models", "h2 >> nth=0", "Full-spectrum Poisson fit"),
    "about": ("#/about", "h2 >> nth=0", "What it is not"),
}
"""Address, something drawn and a word that each view must show before its picture is taken."""


class Service:
    """The page on a free port in a thread of its own; `stop` and `start` again keep the port."""

    def __init__(self, session: Any) -> None:
        self.state = State(session, Worker())
        self.port = 0
        self.start()

    def start(self) -> None:
        listening = free_port("127.0.0.1", self.port)
        self.port = listening.getsockname()[1]
        self._server = service(guard_for("127.0.0.1", self.port), self.state)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[listening])), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30.0)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def still_session() -> SimulatedSession:
    """A measurement that stands still two minutes after a source came."""
    session = SimulatedSession({"Cs-137": 6.0}, quiet=60, answer_every=15)
    session.beat(180)
    return session


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of the system, without its sandbox: the tests may run as root."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, width: int, theme: Any) -> Iterator[Page]:
    """A page of one width and theme; leaves no context open."""
    height = 900 if width > 600 else 844
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, timezone_id="UTC",
        locale="en-GB",
    )  # fmt: skip
    context.set_default_timeout(150_000)
    yield context.new_page()
    context.close()


def show(page: Page, running: Service, view: str) -> None:
    """Open a view and wait until what it stands for is there."""
    url = running.url
    address, drawn, word = VIEWS[view]
    page.goto(url + address)
    page.wait_for_selector(f"#main[data-view={view}]")
    if view == "files":
        page.wait_for_selector(".drop")
        if not page.request.get(f"{url}api/files").json()["files"]:
            page.set_input_files("input[type=file]", EXAMPLE)
    if view == "live":
        page.wait_for_selector(".keys .s-room")  # the fit has come
        running.state.session.beat()  # one more second, or the numbers would be shown as old
        page.wait_for_selector(".answer:not(.old)")
    page.wait_for_selector(f"#main >> text={word} >> nth=0")
    page.wait_for_selector(drawn)
    page.wait_for_function("document.fonts.ready.then(() => true)")


def picture(page: Page) -> bytes:
    """The whole page as a small PNG."""
    from PIL import Image

    whole = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    small = io.BytesIO()
    whole.quantize(128, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def name_of(view: str, width: int, theme: str) -> str:
    """File name of a picture."""
    return f"dashboard-{view}-{width}-{theme}.png"


def take_all(folder: Path) -> None:
    """Every view in every look."""
    folder.mkdir(parents=True, exist_ok=True)
    running = Service(still_session())
    with chromium() as browser:
        for width, theme in LOOKS:
            with opened(browser, width, theme) as page:
                for view in VIEWS:
                    show(page, running, view)
                    (folder / name_of(view, width, theme)).write_bytes(picture(page))
    running.stop()
    running.state.worker.close()


if __name__ == "__main__":
    take_all(Path(sys.argv[1]))

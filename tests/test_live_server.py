"""The service by its JSON interface, in process: every view's twin, and what it refuses."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import time
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blackett.errors import InputError
from blackett.gamma.answer import DEFAULT_METHOD, METHODS
from blackett.gamma.formats import read_bytes
from blackett.gamma.live import bodies, uploads
from blackett.gamma.live.backgrounds import BEGAN_ANEW
from blackett.gamma.live.security import CHANGE_HEADER, guard_for, is_loopback
from blackett.gamma.live.server import STATIC, create_app
from blackett.gamma.live.state import State
from blackett.gamma.live.uploads import Busy, Overrun, Shelf, Worker, shown_name
from page_client import Page
from simulated_session import SimulatedSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import httpx

pytestmark = pytest.mark.xdist_group("server")
CHANGE = {CHANGE_HEADER: "1"}
BASE = "http://127.0.0.1:8137"
EXAMPLE = Path(__file__).parents[1] / "examples" / "simulated-cs137-radiacode-103.xml"
TOKEN = "sixteen-or-more-characters"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.close()


@pytest.fixture(scope="module")
def session() -> SimulatedSession:
    made = SimulatedSession({"Cs-137": 8.0}, quiet=20, answer_every=30)
    made.beat(60)
    return made


def client(state: State, token: str | None = None, base: str = BASE) -> Page:
    app = create_app(guard_for("127.0.0.1", 8137, token), state)
    return Page(app, base)


@pytest.fixture
def live(session: SimulatedSession, worker: Worker) -> Page:
    return client(State(session, worker))


@pytest.fixture
def files_only(worker: Worker) -> Page:
    return client(State(None, worker))


def add(page: Page, data: bytes, name: str = "a.xml") -> httpx.Response:
    return page.post("/api/files", params={"name": name}, content=data, headers=CHANGE)


def act(page: Page, action: str) -> httpx.Response:
    return page.post("/api/background", json={"action": action}, headers=CHANGE)


# --- views ---------------------------------------------------------------------


def test_live_twin_tells_the_newest_update(live: Page) -> None:
    update = live.get("/api/live").json()["update"]
    assert update["sequence"] == 60
    assert update["decision"]["nuclides"] == ["Cs-137"]
    assert len(update["stretch"]["counts"]) == 1023


def test_history_holds_every_count(live: Page, session: SimulatedSession) -> None:
    rows = [one["row"] for one in live.get("/api/live/history").json()["updates"]]
    newest = session.latest()
    assert newest is not None
    assert newest.since_start is not None
    assert sum(sum(row["pairs"][1::2]) for row in rows) == newest.since_start.counts.sum()


def test_live_fit_adds_up(live: Page) -> None:
    made = live.get("/api/live/fit").json()
    fit = made["fit"]
    update = live.get("/api/live").json()["update"]
    assert fit == update["fit"]
    assert made["identified_at_s"] == update["identified_at_s"]
    parts = [fit["background"], fit["other"], *(c["counts"] for c in fit["components"])]
    summed = [sum(bins) for bins in zip(*parts, strict=True)]
    assert summed == pytest.approx(fit["expected"], rel=1e-3, abs=1e-3)
    assert [c["nuclide"] for c in fit["components"]] == ["Cs-137"]
    assert len(fit["edges_kev"]) == len(fit["counts"]) + 1


def test_export_is_a_download_that_runs_nothing(live: Page) -> None:
    answer = live.get("/api/live/export", params={"form": "csv"})
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert live.get("/api/live/export", params={"form": "../etc"}).status_code == 422


def test_without_a_device_live_says_so(files_only: Page) -> None:
    answer = files_only.get("/api/live")
    assert answer.status_code == 409
    assert "blackett gamma live" in answer.json()["error"]
    assert files_only.get("/api/about").json()["live"] is False


def test_a_file_is_read_identified_reported_and_removed(files_only: Page) -> None:
    added = add(files_only, EXAMPLE.read_bytes(), "rock.xml")
    assert added.status_code == 201
    key = added.json()["id"]
    (listed,) = files_only.get("/api/files").json()["files"]
    assert listed["name"] == "rock.xml"
    assert listed["spectra"][0]["device"] == "RadiaCode-103"
    spectrum = files_only.get(f"/api/files/{key}/spectra/0").json()
    assert sum(spectrum["counts"]) + spectrum["overflow_counts"] == spectrum["total_counts"]
    made = files_only.get(f"/api/files/{key}/spectra/0/identification").json()
    assert [n["nuclide"] for n in made["identification"]["nuclides"]] == ["Cs-137"]
    report = files_only.get(f"/api/files/{key}/spectra/0/report")
    assert report.headers["content-disposition"].startswith("attachment")
    assert "Cs-137" in report.text
    assert "<script" not in report.text
    assert files_only.get(f"/api/files/{key}/spectra/7").status_code == 404
    assert files_only.delete(f"/api/files/{key}", headers=CHANGE).status_code == 200
    assert files_only.get(f"/api/files/{key}/spectra/0").status_code == 404


def test_a_live_time_is_taken_where_the_file_has_none(files_only: Page) -> None:
    data = b"energy_kev,counts\n" + b"\n".join(b"%d,%d" % (3 * i, i % 7) for i in range(900))
    assert "live time" in add(files_only, data, "a.csv").json()["error"]
    given = files_only.post(
        "/api/files", params={"name": "a.csv", "live_time_s": 300}, content=data, headers=CHANGE
    ).json()
    assert given["spectra"][0]["live_time_s"] == 300.0
    made = files_only.get(f"/api/files/{given['id']}/spectra/0/identification").json()
    assert made["identification"]["live_time_s"] == 300.0


def test_the_method_can_be_chosen(files_only: Page) -> None:
    from blackett.gamma.live.cards import METHODS as DESCRIBED

    assert set(DESCRIBED) == set(METHODS)
    place = f"/api/files/{add(files_only, EXAMPLE.read_bytes()).json()['id']}/spectra/0"
    asked = {"method": "guess"}
    refused = files_only.get(f"{place}/identification", params=asked)
    assert refused.status_code == 422
    assert "unmix" in refused.json()["error"]
    made = files_only.get(f"{place}/identification", params={"method": "unmix"}).json()
    assert made["identification"]["method"] == "unmix"


def test_a_chosen_background_is_used(files_only: Page) -> None:
    keys = [add(files_only, EXAMPLE.read_bytes()).json()["id"] for _ in range(2)]
    made = files_only.get(
        f"/api/files/{keys[0]}/spectra/0/identification", params={"background": keys[1]}
    ).json()
    assert made["identification"]["background"] == "file"
    assert made["identification"]["verdict"] == "background"  # the same spectrum less itself


def test_report_shows_a_hostile_name_as_text(files_only: Page) -> None:
    name = "<script>alert(1)<script>.xml"
    key = add(files_only, EXAMPLE.read_bytes(), name).json()["id"]
    report = files_only.get(f"/api/files/{key}/spectra/0/report").text
    assert "<script" not in report
    assert "&lt;script&gt;" in report


# --- background ----------------------------------------------------------------


def test_a_background_is_recorded_and_used(worker: Worker) -> None:
    session = SimulatedSession({}, quiet=1000, answer_every=1000)
    session.beat(5)
    page = client(State(session, worker))
    assert (
        page.post("/api/background", json={"action": "finish"}, headers=CHANGE).status_code == 422
    )
    assert page.post("/api/background", json={"action": "record"}, headers=CHANGE).json()[
        "recording"
    ]
    session.beat(20)
    recorded = page.get("/api/background").json()["recorded"]
    assert recorded["live_time_s"] == pytest.approx(20.0)
    done = act(page, "finish").json()
    assert done["in_use"] == recorded
    assert session._background is not None
    assert int(session._background.counts.sum()) == recorded["counts"]
    act(page, "drop")
    assert session._background is None


def test_the_background_in_use_is_saved_and_loaded_again(worker: Worker) -> None:
    session = SimulatedSession({}, quiet=1000, answer_every=1000)
    session.beat(5)
    page = client(State(session, worker))
    assert page.get("/api/background/export").status_code == 422
    act(page, "record")
    session.beat(30)
    in_use = act(page, "finish").json()["in_use"]
    saved = page.get("/api/background/export")
    assert "background.csv" in saved.headers["content-disposition"]
    (read,) = read_bytes(saved.content, "background.csv")
    assert read.total_counts == in_use["counts"]
    assert read.live_time_s == pytest.approx(in_use["live_time_s"])
    assert session._background is not None
    assert read.edges_kev == pytest.approx(session._background.edges_kev, abs=1e-3)


def test_a_new_axis_begins_the_recording_anew(worker: Worker) -> None:
    session = SimulatedSession({}, quiet=1000, answer_every=1000)
    session.beat(50)
    page = client(State(session, worker))
    act(page, "record")
    session.beat(20)
    assert page.get("/api/background").json()["notes"] == []
    other = session.another_axis()
    session.beat(7)
    now = page.get("/api/background").json()
    assert now["recorded"]["live_time_s"] == pytest.approx(7.0)
    assert now["notes"] == [BEGAN_ANEW]
    session.beat(5)
    done = act(page, "finish").json()
    assert done["in_use"]["live_time_s"] == pytest.approx(12.0)
    assert session._background is not None
    assert session._background.centres_kev[1] == pytest.approx(other[0] + other[1], abs=0.1)


def test_recording_can_begin_anew_and_tells_what_disturbs_it(worker: Worker) -> None:
    session = SimulatedSession({"Cs-137": 8.0}, quiet=20, answer_every=30)
    session.beat(10)
    page = client(State(session, worker))
    act(page, "record")
    session.beat(50)
    notes = page.get("/api/background").json()["notes"]
    assert any("rate rose" in note for note in notes)
    assert any("Cs-137" in note for note in notes)
    assert act(page, "record").json()["recorded"] is None
    session.beat(3)
    assert page.get("/api/background").json()["recorded"]["live_time_s"] == pytest.approx(3.0)


def test_continuum_keeps_the_rate_and_hides_the_overflow(files_only: Page) -> None:
    key = add(files_only, EXAMPLE.read_bytes()).json()["id"]
    asked = {"file": key, "smoothing_channels": 8.0}
    made = files_only.get("/api/background/continuum", params=asked | {"csi": True}).json()
    assert made["model"] == "CsI(Tl) continuum"
    assert sum(made["modelled_cps"]) == pytest.approx(made["total_cps"], rel=1e-3)
    assert sum(made["blended_cps"]) == pytest.approx(made["total_cps"], rel=1e-3)
    assert made["measured_cps"][-1] < 0.01 * max(made["measured_cps"])
    room = files_only.get("/api/background/continuum", params=asked).json()
    assert room["modelled_cps"] != made["modelled_cps"]
    assert room["model"].startswith("typical room")


def test_smoothing_keeps_a_constant_to_the_ends(worker: Worker) -> None:
    from blackett.gamma.live.backgrounds import continuum

    record = {"edges_kev": [10.0 + 2.5 * i for i in range(1001)], "counts": [40] * 1000,
              "live_time_s": 8.0}  # fmt: skip
    made = continuum(worker, record, True, 20.0, 1.0, "radiacode-103")
    assert made["measured_cps"] == pytest.approx([5.0] * 1000)


def test_continuum_of_an_unknown_detector_is_refused(files_only: Page) -> None:
    asked = {"detector": "sundial"}
    assert files_only.get("/api/background/continuum", params=asked).status_code == 422


# --- library, models, about ----------------------------------------------------


def test_library_tells_lines_chain_and_confusions(files_only: Page) -> None:
    sources = {one["name"]: one for one in files_only.get("/api/library").json()["sources"]}
    assert sources["Cs-137"]["strongest_kev"][0] == pytest.approx(661.7)
    thorium = files_only.get("/api/library/Th-232").json()
    assert [m["name"] for m in thorium["chain"]][:2] == ["Th-232", "Ra-228"]
    assert thorium["lines"][0]["energy_kev"] == pytest.approx(238.6, abs=0.1)
    caesium = files_only.get("/api/library/Cs-137").json()
    radium = next(one for one in caesium["confusions"] if one["name"] == "Ra-226")
    assert 351.9 in radium["missing_kev"]
    assert files_only.get("/api/library/Xx-1").status_code == 404


def test_models_shows_only_what_is_there(files_only: Page, tmp_path: Path) -> None:
    from blackett.gamma.live.cards import networks

    assert files_only.get("/api/models").json()["method"]["name"] == DEFAULT_METHOD
    sha256 = hashlib.sha256(b"weights").hexdigest()
    for name in ("alone", "changed", "right"):
        (tmp_path / f"{name}.onnx").write_bytes(b"weights")
    (tmp_path / "right.json").write_text(f'{{"sha256": "{sha256}"}}', encoding="utf-8")
    (tmp_path / "changed.json").write_text('{"sha256": "0"}', encoding="utf-8")
    found = {one["name"]: one for one in networks(tmp_path)}
    assert [one["is_the_cards"] for one in found.values()] == [False, False, True]
    assert found["alone"]["card"] is None
    assert found["right"]["sha256"] == sha256
    assert networks(tmp_path / "..") == []


def test_every_path_is_described_without_a_foreign_page(files_only: Page) -> None:
    paths = files_only.get("/api/openapi.json").json()["paths"]
    assert {"/api/live", "/api/files", "/api/background/continuum", "/api/library"} <= set(paths)
    assert files_only.get("/docs").status_code == 404


# --- static files --------------------------------------------------------------


def test_vendored_files_are_the_ones_named() -> None:
    readme = (STATIC / "vendor" / "README.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"\| (uPlot[\w.]+) \| `(\w{64})` \|", readme))
    assert set(named) == {"uPlot.iife.min.js", "uPlot.min.css"}
    for name, wanted in named.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == wanted


def test_pages_name_no_other_host() -> None:
    own = [p for p in Path(str(STATIC)).rglob("*") if p.is_file() and "vendor" not in p.parts]
    assert len(own) > 15
    for path in own:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), path


def test_markup_has_no_inline_script_or_style() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", page)


# --- refusals ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/about", "/static/js/app.js"])
def test_answers_carry_the_protecting_headers(files_only: Page, path: str) -> None:
    headers = files_only.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8137", "127.0.0.1:9999", "127.0.0.1.evil.example:8137", ""],
)
def test_foreign_hosts_are_misdirected(files_only: Page, host: str) -> None:
    assert files_only.get("/api/about", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8137", "localhost:8137", "[::1]:8137"])
def test_own_names_are_answered(files_only: Page, host: str) -> None:
    assert files_only.get("/api/about", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
)
def test_pages_of_other_sites_are_forbidden(files_only: Page, headers: dict[str, str]) -> None:
    assert files_only.get("/api/files", headers=headers).status_code == 403
    posted = files_only.post("/api/files", content=b"x", headers=CHANGE | headers)
    assert posted.status_code == 403


def test_own_origin_is_answered(files_only: Page) -> None:
    headers = {"origin": BASE, "sec-fetch-site": "same-origin"}
    assert files_only.get("/api/files", headers=headers).status_code == 200


def test_changes_need_the_header(files_only: Page) -> None:
    assert files_only.post("/api/files", content=b"x").status_code == 403
    assert files_only.delete("/api/files/abc").status_code == 403


def test_no_token_and_wrong_token_are_refused(worker: Worker) -> None:
    page = client(State(None, worker), TOKEN)
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"},
                    {"cookie": "blackett-token-8137=wrong"}):  # fmt: skip
        refused = page.get("/api/about", headers=headers)
        assert refused.status_code == 401
        assert TOKEN not in refused.text
    assert page.get("/", params={"token": "wrong"}).status_code == 401
    assert page.get("/static/js/app.js").status_code == 401
    assert page.get("/api/about", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_visit_with_the_token_becomes_a_cookie(worker: Worker) -> None:
    page = client(State(None, worker), TOKEN)
    visit = page.get("/", params={"token": TOKEN})
    assert visit.status_code == 303
    assert visit.headers["location"] == "/"
    cookie = visit.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert page.get("/api/about").status_code == 200


def test_beyond_the_loopback_there_is_always_a_token() -> None:
    assert guard_for("127.0.0.1", 1).token is None
    drawn = {guard_for("192.168.1.5", 1).token for _ in range(2)} | {guard_for("0.0.0.0", 1).token}
    assert len(drawn) == 3
    assert all(token is not None and len(token) > 40 for token in drawn)
    assert "192.168.1.5:1" in guard_for("192.168.1.5", 1).hosts
    assert TOKEN not in repr(guard_for("127.0.0.1", 1, TOKEN))
    with pytest.raises(InputError, match="16"):
        guard_for("0.0.0.0", 1, "short")


def test_loopback_is_told_apart() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost", "127.8.8.8")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example")))


# --- hostile files -------------------------------------------------------------

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a0 "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    + "]><ResultDataFile>&a9;</ResultDataFile>"
).encode()
HUGE = b"<ResultDataFile>" + b"<a>" * 100_000
ZEROS = bytes(64 * 2**20)


def gzip_bomb() -> bytes:
    """64 MB of zeros in 65 kB."""
    return gzip.compress(ZEROS)


def zip_bomb() -> bytes:
    """256 MB of zeros in 260 kB, under the name of a spectrum."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.xml", "w") as one:
        for _ in range(4):
            one.write(ZEROS)
    return packed.getvalue()


BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""RFC 9285."""


def deflate_bomb() -> bytes:
    """The address of a spectrum (RADDATA, as in QR codes) that inflates to 64 MB."""
    packed = zlib.compress(ZEROS, 9)
    pairs = (packed[i] * 256 + packed[i + 1] for i in range(0, len(packed) - 1, 2))
    digits = (BASE45[n % 45] + BASE45[n // 45 % 45] + BASE45[n // 2025] for n in pairs)
    return f"RADDATA://G0/000/{''.join(digits)}".encode()


NUMBERS = b"# live_time_s: 300\nchannel,counts\n" + b"\n".join(b"%d,1" % i for i in range(40_000))


@pytest.mark.parametrize(
    ("data", "told"),
    [(BOMB, ""), (HUGE, ""), (gzip_bomb, ""), (zip_bomb, ""), (deflate_bomb, ""),
     (b"PK\x03\x04" + b"\0" * 1000, ""), (b"", "empty"), (NUMBERS, "channels"), (b"\0" * 5000, "")],
    ids=["entities", "depth", "gzip", "zip", "deflate", "no zip", "nothing", "channels", "zeros"],
)  # fmt: skip
def test_hostile_files_are_refused_with_a_sentence(
    files_only: Page, data: bytes | Callable[[], bytes], told: str
) -> None:
    refused = add(files_only, data() if callable(data) else data)
    assert refused.status_code == 422
    assert told in refused.json()["error"]
    assert files_only.get("/api/files").json()["files"] == []


def test_a_packed_body_is_not_unpacked(files_only: Page) -> None:
    refused = files_only.post(
        "/api/files?name=a.xml",
        content=gzip_bomb(),
        headers=CHANGE | {"content-encoding": "gzip"},
    )
    assert refused.status_code in (415, 422)
    assert files_only.get("/api/files").json()["files"] == []


def test_a_body_too_long_is_refused_before_it_comes(files_only: Page) -> None:
    headers = CHANGE | {"content-length": str(10**9)}
    refused = files_only.post("/api/files", content=b"x", headers=headers)
    assert refused.status_code == 413
    assert refused.headers["connection"] == "close"


def test_a_body_without_a_length_is_cut_at_the_limit(
    files_only: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 1000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    assert files_only.post("/api/files", content=chunks(), headers=CHANGE).status_code == 413


def test_other_bodies_are_small(files_only: Page) -> None:
    body = {"action": "drop", "file": "x" * 100_000}
    assert files_only.post("/api/background", json=body, headers=CHANGE).status_code == 413


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/..%2f..%2fserver.py", "/static/%2e%2e/server.py",
     "/static//etc/passwd", "/api/files/..%2f..%2fetc%2fpasswd/spectra/0", "/static/js/%00"],
)  # fmt: skip
def test_paths_lead_nowhere(files_only: Page, path: str) -> None:
    answer = files_only.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_names_are_for_showing_only() -> None:
    assert shown_name("../../etc/passwd") == "passwd"
    assert shown_name("C:\\secret\\rock.xml") == "rock.xml"
    assert shown_name("a\x00b\n.xml") == "ab.xml"
    assert shown_name("/") == "unnamed"
    assert len(shown_name("x" * 500)) == 80


def test_an_overrun_is_killed_and_the_next_job_is_done() -> None:
    worker = Worker({"identify": 0.02})
    data = EXAMPLE.read_bytes()
    try:
        with pytest.raises(Overrun, match=r"0\.02 s"):
            worker.run("identify", [data], name="a", index=0, background_index=0, detector=None,
                       distance_mm=None, limits=False, method="unmix")  # fmt: skip
        assert len(worker.run("read", [data], name="a")) == 1
    finally:
        worker.close()


def wait_until(wanted: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_too_many_jobs_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_WAITING", 0)
    with pytest.raises(Busy, match="try again"):
        Worker().run("read", [b"x"], name="a")
    page = client(State(None, Worker()))
    assert add(page, b"x").status_code == 503


def test_the_shelf_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    shelf = Shelf()
    for name in ("a", "b"):
        shelf.add(name, b"x", [])
    with pytest.raises(Busy, match="remove some"):
        shelf.add("c", b"x", [])
    assert shelf.remove(shelf.all()[0].id)
    assert not shelf.remove("none")


def test_before_an_answer_there_are_no_curves() -> None:
    early = SimulatedSession({}, quiet=20, answer_every=30)
    early.beat(3)
    assert State(early, Worker()).live_fit()["fit"] is None
    assert State(None, Worker()).live_fit()["fit"] is None


def test_an_idle_worker_ends_and_comes_back() -> None:
    worker = Worker(idle_s=0.2)
    data = EXAMPLE.read_bytes()
    try:
        assert len(worker.run("read", [data], name="a")) == 1
        first = worker.pid
        assert first is not None
        wait_until(lambda: worker.pid is None)
        assert len(worker.run("read", [data], name="a")) == 1
        assert worker.pid not in (None, first)
    finally:
        worker.close()

"""Reports: estimates and their bootstrap, the page, the numbers, the files."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.report import Estimate, Report, bootstrap, bootstrap_all, write
from blackett.seeds import generator

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

UGLY = '<script>alert("x")</script> & "quotes"'


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href") and v is not None]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def drawing() -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [1, 0])
    return figure


def report() -> Report:
    made = Report(UGLY, {"command": f"blackett {UGLY}"})
    for title in (UGLY, "Second", "Third"):
        made.section(title)
        made.text(UGLY)
    made.table([UGLY, "value"], [[UGLY, Estimate(1.0, 0.9, 1.1)], [None, np.nan]], UGLY)
    made.figure(drawing(), UGLY)
    made.numbers("resolution", {"a": Estimate(1.0, np.nan, np.inf), "b": np.arange(2)})
    return made


def test_page_is_whole_escaped_and_needs_nothing(tmp_path: Path) -> None:
    write(report(), tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert sum(UGLY in part for part in page.texts) >= 9  # title, headings, texts, cells, captions
    assert all(link.startswith(("#", "data:image/png;base64,iVBOR")) for link in page.links)
    assert len([link for link in page.links if link.startswith("data:")]) == 1
    assert "http" not in text and "url(" not in text


def test_json_holds_the_numbers_and_null_for_what_is_not_finite(tmp_path: Path) -> None:
    write(report(), tmp_path)
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert data["title"] == UGLY
    assert data["provenance"] == {"command": f"blackett {UGLY}"}
    assert data["resolution"] == {"a": {"value": 1.0, "low": None, "high": None}, "b": [0, 1]}


def test_writing_replaces_whole_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    write(report(), folder)
    write(Report("second", {}), folder)
    assert sorted(p.name for p in folder.iterdir()) == ["report.html", "report.json"]
    assert "second" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        write(report(), tmp_path / "file")


def test_rows_must_fit_and_keys_must_be_new() -> None:
    made = report()
    with pytest.raises(InputError, match="2 columns"):
        made.table(["a", "b"], [[1]])
    with pytest.raises(InputError, match="resolution"):
        made.numbers("resolution", 1)
    with pytest.raises(InputError, match="provenance"):
        made.numbers("provenance", 1)
    with pytest.raises(InputError, match="object"):
        made.numbers("other", [object()])


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(3.4512, 3.41, 3.52), "3.451 (3.410 to 3.520)"),
        (Estimate(0.95618, 0.9535, 0.9588), "0.9562 (0.9535 to 0.9588)"),
        (Estimate(1234.5, 1200.0, 1270.0), "1234 (1200 to 1270)"),
        (Estimate(2.0, np.nan, np.nan), "2.00"),
        (Estimate(0.0, 0.0, 0.0), "0 (0 to 0)"),
        (Estimate(np.nan, np.nan, np.nan), "–"),
    ],
)
def test_estimates_show_two_digits_of_their_interval(estimate: Estimate, text: str) -> None:
    assert str(estimate) == text


def test_bootstrap_of_a_mean_has_the_width_of_its_error_and_covers_it() -> None:
    rng = generator(1)
    widths, inside = [], 0
    for _ in range(200):
        found = bootstrap(lambda x: x.mean(axis=1), rng, rng.normal(2.0, 3.0, 400), 200)
        widths.append((found.high - found.low) / 2)
        inside += found.low < 2.0 < found.high
    assert np.mean(widths) == pytest.approx(3.0 / 20, rel=0.03)
    assert inside / 200 == pytest.approx(0.6827, abs=4 * np.sqrt(0.68 * 0.32 / 200))


def test_bootstrap_takes_rows_together() -> None:
    rng = generator(2)
    a = rng.normal(size=500)
    rows = np.stack([a, a + 1], axis=1)
    found = bootstrap(lambda x: (x[..., 1] - x[..., 0]).mean(axis=1), rng, rows)
    assert (found.low, found.high) == pytest.approx((1.0, 1.0))
    pair = bootstrap_all(lambda x: x.mean(axis=1), rng, rows)
    assert pair[1].value - pair[0].value == pytest.approx(1.0)


def test_bootstrap_does_not_depend_on_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = generator(3).normal(size=50)
    whole = bootstrap(lambda x: x.mean(axis=1), generator(4), values, 30)
    monkeypatch.setattr("blackett.report.estimates._CELLS", 200)
    assert bootstrap(lambda x: x.mean(axis=1), generator(4), values, 30) == whole


def test_bootstrap_without_data_or_value_gives_nan() -> None:
    empty = bootstrap(lambda x: x.mean(axis=1), generator(5), np.empty(0))
    assert np.isnan([empty.value, empty.low, empty.high]).all()
    (none,) = bootstrap_all(lambda x: x.sum(axis=1)[:, None], generator(5), np.empty(0))
    assert np.isnan([none.value, none.low, none.high]).all()
    never = bootstrap(lambda x: np.full(len(x), np.nan), generator(5), np.ones(3))
    assert np.isnan([never.value, never.low, never.high]).all()


def test_bootstrap_says_what_is_wrong() -> None:
    with pytest.raises(InputError, match="n >= 2"):
        bootstrap(lambda x: x.mean(axis=1), generator(6), np.ones(3), 1)
    with pytest.raises(InputError, match="shape"):
        bootstrap(lambda x: x.mean(axis=1), generator(6), np.ones((2, 2, 2)))
    with pytest.raises(InputError, match="statistic"):
        bootstrap(lambda x: x, generator(6), np.ones(3))

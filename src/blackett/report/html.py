"""The page of a report: one file with its style and pictures inside, no script, no network."""

from __future__ import annotations

import base64
import math
from html import escape
from typing import TYPE_CHECKING

from blackett.report.document import Picture, Table, Text
from blackett.report.estimates import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blackett.report.document import Block, Cell, Report, Section

__all__ = ["page"]

_SENTENCE = 40  # characters from which a cell is text
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --soft: #5d646d; --line: #dfe3e8;
  --band: #f5f7f9; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e6ea; --paper: #15181c; --soft: #a0a8b3; --line: #333a43; --band: #1d2127;
    --link: #78b4f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 76rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .4rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-top: .5rem;
  border-top: 1px solid var(--line); }
p { max-width: 46rem; white-space: pre-line; }
a { color: var(--link); text-decoration: none; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
figure { margin: 1.2rem 0; }
figure img { display: block; width: 100%; height: auto; background: #fff; border-radius: 6px;
  border: 1px solid var(--line); }
figcaption, caption { color: var(--soft); font-size: .92rem; text-align: left; padding: .4rem 0; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
tbody tr:nth-child(odd) td { background: var(--band); }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); }
th.text, td.text { text-align: left; white-space: normal; min-width: 15rem; }
td small { color: var(--soft); display: block; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .25rem 1rem;
  font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }
@media (max-width: 40rem) { body { padding: .8rem .7rem 2rem; } dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .5rem; } th, td { padding: .28rem .5rem; } }
@media print { body { max-width: none; } figure, tr { break-inside: avoid; } }
"""


def page(report: Report) -> str:
    """The whole page as text; everything that the report holds is escaped."""
    title = escape(report.title)
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
            *_contents(report.sections),
            *(part for k, section in enumerate(report.sections) for part in _section(k, section)),
            *_provenance(report.provenance),
            "</body>\n</html>\n",
        ]
    )


def _contents(sections: list[Section]) -> Iterator[str]:
    named = [(k, section.title) for k, section in enumerate(sections) if section.title]
    if len(named) > 2:
        links = (f'<a href="#s{k}">{escape(title)}</a>' for k, title in named)
        yield f"<nav>{' '.join(links)}</nav>\n"


def _section(number: int, section: Section) -> Iterator[str]:
    yield f'<section id="s{number}">\n'
    if section.title:
        yield f"<h2>{escape(section.title)}</h2>\n"
    yield from map(_block, section.blocks)
    yield "</section>\n"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>\n"
    if isinstance(block, Table):
        return _table(block)
    return _picture(block)


def _picture(picture: Picture) -> str:
    data, caption = base64.b64encode(picture.png).decode("ascii"), escape(picture.caption)
    image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}\n<figcaption>{caption}</figcaption></figure>\n"


def _table(table: Table) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    kinds = [_kind(values) for values in zip(*table.rows, strict=True)] or [""] * len(table.columns)
    pairs = zip(table.columns, kinds, strict=True)
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in pairs)
    rows = (
        "".join(f"<td{kind}>{cell(v)}</td>" for v, kind in zip(row, kinds, strict=True))
        for row in table.rows
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>\n"
    )


def _kind(column: tuple[Cell, ...]) -> str:
    """Sentences are set as text; names and numbers are not broken."""
    return ' class="text"' if any(isinstance(v, str) and len(v) > _SENTENCE for v in column) else ""


def cell(value: Cell) -> str:
    """A table's cell as HTML: numbers to four digits, the interval of an estimate set small."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, Estimate):
        number, _, interval = str(value).partition(" ")
        return f"{number} <small>{interval}</small>" if interval else number
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


def _provenance(provenance: Mapping[str, str]) -> Iterator[str]:
    if provenance:
        rows = (f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in provenance.items())
        yield f'<section id="made">\n<h2>How this was made</h2>\n<dl>{"".join(rows)}</dl>\n'
        yield "</section>\n"

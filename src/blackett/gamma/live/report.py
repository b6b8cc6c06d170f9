"""A self-contained page about one identification: the answer, its reasons, the picture inside."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import blackett
from blackett.gamma.table import BACKGROUNDS, VERDICTS

if TYPE_CHECKING:
    from blackett.gamma.identification import Identification, NuclideFound
    from blackett.gamma.unmix import Unmixed

__all__ = ["report_page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.8rem; margin-bottom: .2rem; } img { width: 100%; height: auto; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .25rem 1rem .25rem 0;
  text-align: left; border-bottom: 1px solid #d5d9de; } .dim { color: #57606a; }
"""


def report_page(found: Identification, unmixed: Unmixed | None) -> str:
    """HTML text without scripts or outside links; `unmixed` None gives no picture."""
    parts = [
        f"<h1>{escape(_headline(found))}</h1>",
        f"<p class=dim>{escape(found.file)}, spectrum {found.spectrum}; {escape(found.detector)}, "
        f"{found.live_time_s:.6g} s, {found.counts} counts. {BACKGROUNDS[found.background]}.</p>",
    ]
    if unmixed is not None:
        parts.append(
            f'<img alt="spectrum and fit" src="data:image/png;base64,{_picture(found, unmixed)}">'
        )
    parts += [_table(found.nuclides)] if found.nuclides else []
    if found.candidates:
        near = ", ".join(f"{c.nuclide} {c.probability:.0%}" for c in found.candidates)
        parts.append(f"<p>Considered and not declared: {escape(near)}.</p>")
    parts += [f"<p>Note: {escape(warning)}.</p>" for warning in found.warnings]
    parts.append(
        f"<p class=dim>blackett {blackett.__version__}, model {escape(found.model.name)} "
        f"{escape(found.model.sha256[:16])}. Identification is probabilistic; this is not a safety "
        "instrument, and a missing alarm proves nothing.</p>"
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(found.file)}</title>"
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def _headline(found: Identification) -> str:
    names = ", ".join(nuclide.nuclide for nuclide in found.nuclides)
    return names or VERDICTS[found.verdict].capitalize()


def _picture(found: Identification, unmixed: Unmixed) -> str:
    from blackett.gamma.picture import draw

    buffer = io.BytesIO()
    draw(found, unmixed).savefig(buffer, dpi=110, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _table(nuclides: tuple[NuclideFound, ...]) -> str:
    rows = "".join(map(_row, nuclides))
    heads = ("Nuclide", "Probability", "Significance", "Net counts/s (95 %)", "Lines seen at, keV")
    return f"<table><tr>{''.join(f'<th>{h}</th>' for h in heads)}</tr>{rows}</table>"


def _row(nuclide: NuclideFound) -> str:
    low, high = nuclide.net_cps_interval_95
    lines = ", ".join(
        f"{line.energy_kev:.1f} ({line.significance_sigma:.1f} sigma)" for line in nuclide.lines
    )
    cells = (
        nuclide.nuclide,
        "> 0.999" if nuclide.probability > 0.999 else f"{nuclide.probability:.3f}",
        f"{nuclide.significance_sigma:.1f} sigma",
        f"{nuclide.net_cps:.3g} ({low:.3g} to {high:.3g})",
        lines,
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"

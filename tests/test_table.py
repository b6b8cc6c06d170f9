"""The answer as text: what it says, and that it fits a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from blackett.gamma.evidence import Goodness, LineEvidence
from blackett.gamma.identification import (
    Calibration,
    Candidate,
    Identification,
    Model,
    NotDetected,
    NuclideFound,
)
from blackett.gamma.table import as_table

LINES = (LineEvidence(238.6, 236.1, 5120.0, 30.1), LineEvidence(911.2, 904.7, 900.0, 9.7))
THORIUM = NuclideFound("Th-232", 0.99991, 41.2, 1234.5, (1200.4, 1301.0), None, None, LINES)
ANSWER = Identification(
    file="rock.xml", spectrum=0, detector="radiacode-103", live_time_s=3600.0, counts=25931,
    verdict="identified", nuclides=(THORIUM,), candidates=(Candidate("Ra-226", 0.03),),
    not_detected=tuple(NotDetected(f"Cs-{n}", 1.0 / n) for n in range(130, 143)),
    unknown_probability=0.01, goodness_of_fit=Goodness(1.04, 0.31),
    calibration=Calibration(1.013, -2.1, 9.3), background="embedded",
    model=Model("unmix", "0.1.0", ""), method="unmix", warnings=("a note",),
)  # fmt: skip


def text(found: Identification, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(as_table(found))
    return out.getvalue()


def test_says_all() -> None:
    said = text(ANSWER)
    for piece in (
        "rock.xml: identified", "25931 counts (7.2/s)", "Th-232", "> 0.999", "41.2", "1230",
        "1200 to 1300", "238.6", "236", "30.1", "911.2", "thorium-232 series", "Ra-226 3%",
        "Cs-142", "x 1.0130 -2.1 keV", "9.3 %", "1.04", "note: a note",
    ):  # fmt: skip
        assert piece in said


@pytest.mark.parametrize("width", [80, 100])
def test_fits_and_keeps_its_columns(width: int) -> None:
    with_activity = replace(THORIUM, activity_bq=321000.0, activity_bq_interval_95=(3e5, 2.5e6))
    said = text(replace(ANSWER, nuclides=(with_activity,)), width)
    assert max(map(len, said.splitlines())) <= width
    row = next(line for line in said.splitlines() if "238.6" in line)
    assert row.split()[0] == "Th-232"
    assert row.split()[-1] == "30.1"
    assert "321000 Bq (300000 to 2.5e+06)" in said


@pytest.mark.parametrize(
    ("verdict", "said"), [("background", "nothing above"), ("unknown", "no source in the library")]
)
def test_without_nuclides(verdict: str, said: str) -> None:
    found = replace(ANSWER, verdict=verdict, nuclides=())
    assert said in text(found)
    assert "probability" not in text(found)

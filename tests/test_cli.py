"""The command line as a user meets it: a subprocess, its exit status, its two streams."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import blackett
from blackett import gamma
from simulated import perfect_unit, spectrum

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("unmix")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from blackett.cli import main; sys.exit(main())"]
    return subprocess.run(
        [*command, *map(str, words)], capture_output=True, text=True, encoding="utf-8"
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three spectrum files: caesium, background of the same room, and one that is none."""
    folder, unit = tmp_path_factory.mktemp("spectra"), perfect_unit()
    made = {name: folder / f"{name}.xml" for name in ("caesium", "room")}
    gamma.write(made["caesium"], [spectrum(31, {"Cs-137": 5.0}, 900.0, unit)])
    gamma.write(made["room"], [spectrum(32, {}, 1800.0, unit)])
    made["bad"] = folder / "bad.xml"
    made["bad"].write_text("<ResultDataFile><oops", encoding="utf-8")
    return made


def test_help_lists_every_verb() -> None:
    ran = run("--help")
    assert ran.returncode == 0
    assert ran.stderr == ""
    for verb in ("gamma identify", "gamma response", "gamma sources", "alphag simulate"):
        assert f"blackett {verb}" in ran.stdout


def test_version() -> None:
    assert run("--version").stdout == f"blackett {blackett.__version__}\n"


@pytest.mark.parametrize("words", [(), ("gamma",), ("gamma", "guess"), ("weather", "today")])
def test_wrong_verbs_are_wrong_usage(words: tuple[str, ...]) -> None:
    ran = run(*words)
    assert ran.returncode == 2
    assert "usage: blackett" in ran.stdout + ran.stderr


def test_verbs_tell_their_options() -> None:
    ran = run("gamma", "identify", "--help")
    assert ran.returncode == 0
    for option in ("--background", "--json", "--plot", "--limits", "--detector", "--distance-mm"):
        assert option in ran.stdout


def test_unknown_options_are_wrong_usage() -> None:
    assert run("gamma", "identify", "x.xml", "--frobnicate").returncode == 2
    assert run("gamma", "identify").returncode == 2


def test_json_is_one_object_a_line_and_a_bad_file_stops_nothing(files: dict[str, Path]) -> None:
    ran = run("gamma", "identify", files["bad"], files["caesium"], "--json")
    assert ran.returncode == 1
    failed, found = map(json.loads, ran.stdout.splitlines())
    assert set(failed) == {"file", "error"}
    assert failed["file"] == str(files["bad"])
    assert "bad.xml" in failed["error"]
    assert found["file"] == str(files["caesium"])
    assert found["spectrum"] == 0
    assert found["detector"] == "radiacode-103"
    assert [n["nuclide"] for n in found["nuclides"]] == ["Cs-137"]


def test_absent_file_is_told(tmp_path: Path) -> None:
    ran = run("gamma", "identify", tmp_path / "none.xml")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "none.xml" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_table_background_and_picture(files: dict[str, Path], tmp_path: Path) -> None:
    ran = run(
        "gamma", "identify", files["caesium"],
        "--background", files["room"], "--plot", tmp_path / "new" / "pictures",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "Cs-137" in ran.stdout
    assert "{" not in ran.stdout
    (picture,) = (tmp_path / "new" / "pictures").iterdir()
    assert picture.name == "caesium.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


def test_wrong_values_are_wrong_usage_or_told(files: dict[str, Path]) -> None:
    ran = run("gamma", "identify", files["caesium"], "--detector", "sundial")
    assert ran.returncode in (1, 2)
    assert "unknown detector 'sundial'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_sources_and_one_source() -> None:
    ran = run("gamma", "sources", "Cs-137", "--json")
    record = json.loads(ran.stdout)
    assert record["source"] == "Cs-137"
    assert any(abs(line["energy_kev"] - 661.657) < 0.01 for line in record["lines"])
    assert run("gamma", "sources", "Xx-1").returncode == 2

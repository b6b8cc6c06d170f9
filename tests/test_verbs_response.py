"""`blackett gamma response`: the contract of its output, and the physics behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from blackett import cli
from blackett.gamma.matter import attenuation_per_mm, material

if TYPE_CHECKING:
    from pytest import CaptureFixture

BARE = ("--detector", "radiacode-103", "--energy-kev", "661.657", "--distance-mm", "50", "--bare")


def answer(capsys: CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert cli.main(["gamma", "response", *words, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    read: dict[str, Any] = json.loads(out)
    return read


def test_bare_contract(capsys: CaptureFixture[str]) -> None:
    read = answer(capsys, *BARE)
    assert set(read) == {"edges_kev", "per_entering_photon", "full_energy", "total"}
    assert len(read["edges_kev"]) == len(read["per_entering_photon"]) + 1
    assert sum(read["per_entering_photon"]) == pytest.approx(read["total"], abs=1e-9)
    # EGSnrc, bare 10 mm cube, same geometry: docs/response.md
    assert read["full_energy"] == pytest.approx(0.060, abs=0.004)
    assert read["total"] == pytest.approx(0.240, abs=0.006)


def test_bare_is_reproduced_by_its_seed(capsys: CaptureFixture[str]) -> None:
    few = (*BARE, "--photons", "2000")
    first, again = answer(capsys, *few), answer(capsys, *few)
    other = answer(capsys, *few, "--seed", "2")
    assert first == again
    assert first["per_entering_photon"] != other["per_entering_photon"]


def test_scene_contract(capsys: CaptureFixture[str]) -> None:
    read = answer(capsys, "--energy-kev", "661.657", "--surroundings", "open")
    energies, counts = np.array(read["energies_kev"]), np.array(read["per_emitted_photon"])
    assert energies.size == counts.size == 1024
    assert counts.min() >= 0.0
    assert counts.sum() == pytest.approx(read["total"], rel=1e-9)
    peak = np.abs(energies - 661.657) < 100.0
    assert energies[peak][np.argmax(counts[peak])] == pytest.approx(661.657, abs=4.0)
    above = counts[:-1][np.abs(energies[:-1] - 661.657) < 90.0].sum()
    assert read["full_energy"] == pytest.approx(above, rel=0.12)  # some scatter lies under it


def test_shields_absorb_as_the_law_says(capsys: CaptureFixture[str]) -> None:
    scene = ("--energy-kev", "661.657", "--surroundings", "open", "--distance-mm", "100")
    bare = answer(capsys, *scene)
    one = answer(capsys, *scene, "--shield", "lead:3")
    two = answer(capsys, *scene, "--shield", "lead:3", "--shield", "iron:2")
    lead = attenuation_per_mm(material("lead"), [661.657])[0]
    iron = attenuation_per_mm(material("iron"), [661.657])[0]
    assert one["full_energy"] / bare["full_energy"] == pytest.approx(np.exp(-3 * lead), rel=1e-6)
    assert two["full_energy"] / one["full_energy"] == pytest.approx(np.exp(-2 * iron), rel=1e-6)


def test_extended_source_needs_no_distance(capsys: CaptureFixture[str]) -> None:
    read = answer(capsys, "--energy-kev", "1460.8", "--extended", "jar")
    assert 0.0 < read["full_energy"] < read["total"] < 0.1


def test_text_for_people(capsys: CaptureFixture[str]) -> None:
    assert cli.main(["gamma", "response", *BARE, "--photons", "20000"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("661.657 keV, counts per entering photon\n  full energy 0.0")
    rows = [line for line in out.splitlines() if " keV  " in line]
    assert len(rows) == 30
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--energy-kev", "5"), "10"),
        (("--energy-kev", "662", "--shield", "lead3"), "MATERIAL:MM"),
        (("--energy-kev", "662", "--shield", "butter:3"), "butter"),
        (("--energy-kev", "662", "--surroundings", "moon"), "moon"),
        (("--energy-kev", "662", "--detector", "geiger"), "geiger"),
        (("--energy-kev", "662", "--extended", "jar", "--distance-mm", "50"), "distance_mm=None"),
        ((*BARE, "--shield", "lead:3"), "--bare has no scene"),
        ((*BARE, "--photons", "0"), "positive"),
        ((*BARE[:-3], "--distance-mm", "0", "--bare"), "positive"),
    ],
)
def test_wrong_values_are_refused(
    capsys: CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert cli.main(["gamma", "response", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err

"""The registry of reportable sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blackett.errors import InputError
from blackett.gamma import sources as module
from blackett.gamma.nuclides import Line, LineTable, coincidences, nuclide
from blackett.gamma.sources import (
    Source,
    observable_sources,
    registry_hash,
    source,
    sources,
    sources_holding,
)
from test_nuclides import SEED_NAMES

PURE_BETA = ["H-3", "C-14", "Ni-63", "P-32", "Sr-90", "Y-90", "Ca-45", "Tc-99", "Fe-55", "Rb-87"]


def line_near(name: str, energy_kev: float) -> list[Line]:
    return [line for line in source(name).lines() if abs(line.energy_kev - energy_kev) < 0.3]


def test_sorted_unique_and_of_useful_size():
    listed = [s.name for s in sources()]
    assert listed == sorted(set(listed))
    assert 95 <= len(observable_sources()) <= 115


def test_every_seed_nuclide_belongs_to_a_source_or_is_the_end_of_one():
    orphans = {name for name in SEED_NAMES if not sources_holding(name)}
    assert orphans == {"U-234"}  # its 53 keV line (0.12 %) is in no reported source


def test_every_source_holds_itself_first_with_ratio_one():
    for item in sources():
        assert item.members[0] == (item.name, 1.0)
        assert all(0 < ratio < 3 for _, ratio in item.members), item.name


@pytest.mark.parametrize("name", PURE_BETA)
def test_beta_emitters_are_listed_and_not_observable(name):
    assert not source(name).observable


@pytest.mark.parametrize("name", ["K-40", "Am-241", "Pu-239", "Cr-51", "Lu-177", "I-125", "U-238"])
def test_photon_emitters_are_observable(name):
    assert source(name).observable


def test_caesium_line_is_counted_once():
    found = line_near("Cs-137", 661.66)
    assert [line.emitter for line in found] == ["Ba-137m"]
    assert found[0].photons_per_decay == pytest.approx(0.851, abs=0.003)


def test_thallium_line_per_thorium_decay():
    (found,) = line_near("Th-232", 2614.5)
    assert found.photons_per_decay == pytest.approx(0.3594 * 0.9975, rel=2e-3)


def test_cadmium_line_comes_from_the_isomer():
    (found,) = line_near("Cd-109", 88.03)
    assert found.emitter == "Ag-109m"
    assert found.photons_per_decay == pytest.approx(0.0364, rel=0.03)


def test_series_hold_what_they_should():
    def members(name: str) -> set[str]:
        return set(dict(source(name).members))

    assert {"Pb-214", "Bi-214", "Pb-210"} <= members("Ra-226")
    assert not {"Ra-226", "Pb-210"} & members("Rn-222")
    assert members("U-238") == {"U-238", "Th-234", "Pa-234m", "Pa-234"}
    assert members("U-235") == {"U-235", "Th-231"}
    assert "Ac-228" in members("Th-232") - members("Th-228")
    assert {"Th-227", "Ra-223", "Bi-211"} <= members("Ac-227")
    assert "Th-227" not in members("Ra-223")
    assert members("Tc-99m") == {"Tc-99m"}
    assert members("Mo-99") == {"Mo-99", "Tc-99m"}
    assert members("Ge-68") == {"Ge-68", "Ga-68"}


def test_radon_has_no_radium_line():
    assert line_near("Ra-226", 186.2)
    assert not line_near("Rn-222", 186.2)


def test_lead_210_in_radium_is_the_documented_share():
    assert dict(source("Ra-226").members)["Pb-210"] == 0.9


def test_lines_are_the_sum_over_members():
    for item in sources():
        lines = item.lines()
        expected = sum(
            ratio * nuclide(name).lines.photons_per_decay.sum() for name, ratio in item.members
        )
        assert lines.photons_per_decay.sum() == pytest.approx(expected, rel=1e-12, abs=0)
        assert np.all(np.diff(lines.energy_kev) >= 0)


def test_unknown_and_unreported_names():
    with pytest.raises(InputError, match="not in the nuclear data"):
        source("Xx-999")
    with pytest.raises(InputError, match=r"Bi-214 is not reported.*Ra-226"):
        source("Bi-214")
    assert source("137cs") is source("Cs-137")


def test_holders_come_with_the_namesake_first():
    assert [s.name for s in sources_holding("Ra-223")] == ["Ra-223", "Ac-227"]
    assert {s.name for s in sources_holding("Tl-208")} >= {"Th-232", "Th-228"}


def test_hash_is_stable_and_a_sha256():
    assert registry_hash() == registry_hash(sources())
    assert len(registry_hash()) == 64
    assert registry_hash(sources()[::-1]) != registry_hash()


def test_hash_changes_with_a_member_and_with_a_line(monkeypatch):
    cobalt = source("Co-60")
    before = registry_hash([cobalt])
    assert registry_hash([replace(cobalt, members=(("Co-60", 0.999),))]) != before

    def other_lines(_members: object) -> LineTable:
        first, *rest = nuclide("Co-60").lines
        return LineTable.of([replace(first, energy_kev=first.energy_kev + 0.01), *rest])

    monkeypatch.setattr(module, "_lines", other_lines)
    assert registry_hash([cobalt]) != before


def test_bad_rows_are_refused():
    row = {"name": "Co-60", "title": "cobalt-60", "category": "calibration", "rarity": "common"}
    row |= {"chain": "all", "until": "", "set": ""}
    assert isinstance(module._source(row), Source)
    for column, value in [("category", "tasty"), ("rarity", "often"), ("chain", "some")]:
        with pytest.raises(InputError, match=f"{column} '{value}'"):
            module._source(row | {column: value})
    with pytest.raises(InputError, match="Cs-137 is not among"):
        module._source(row | {"set": "Cs-137=0.5"})


def test_coincidences_scale_with_the_member():
    thorium = [p for p in source("Th-232").coincidences() if p[3] == "Tl-208"]
    own = list(coincidences("Tl-208"))
    ratio = dict(source("Th-232").members)["Tl-208"]
    assert len(thorium) == len(own) > 0
    assert thorium[0][2] == pytest.approx(ratio * own[0][2], rel=1e-12)
    assert len(source("Cs-137").coincidences()) == 0

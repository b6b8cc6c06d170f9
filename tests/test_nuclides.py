"""Nuclear data read as records, and the tables as data."""

from __future__ import annotations

import numpy as np
import pytest

from blackett.errors import FileFormatError, InputError, MissingDataError
from blackett.gamma.nuclides import (
    Line,
    LineTable,
    PairTable,
    _by_nuclide,
    coincidences,
    names,
    nuclide,
    read_table,
)

SEED_TEXT = """
K-40 U-238 Th-232 U-235 Be-7 C-14 Na-22 Th-234 Pa-234m U-234 Th-230 Ra-226 Rn-222 Po-218 Pb-214
Bi-214 Po-214 Pb-210 Bi-210 Po-210 Ra-228 Ac-228 Th-228 Ra-224 Rn-220 Po-216 Pb-212 Bi-212 Tl-208
Po-212 Th-231 Pa-231 Ac-227 Pb-211 Bi-211 Tl-207 Am-241 Cs-137 Ba-137m Co-60 Ba-133 Cd-109 Eu-152
Eu-154 Mn-54 Zn-65 Co-57 Sr-85 Y-88 Ce-139 Sn-113 Hg-203 Se-75 Ir-192 Tc-99m I-131 I-123 F-18 Ga-67
In-111 Tl-201 Lu-177 Sm-153 Xe-133 Ra-223 Cs-134 Ru-106 Rh-106 Ce-144 Pr-144 Sb-125 Sr-90 Y-90
I-129 Co-58 Fe-59 Cr-51 Ta-182 Sc-46 Au-198 Ag-110m Hf-181
"""
SEED_NAMES = SEED_TEXT.split()


def test_all_seed_names_are_known():
    assert len(set(SEED_NAMES)) == 82
    assert set(SEED_NAMES) <= set(names())


def test_table_holds_at_least_130_radionuclides():
    assert len(names()) >= 130
    assert len(set(names())) == len(names())


@pytest.mark.parametrize("text", ["Cs-137", "cs137", "137Cs", "Cs137", "CS-137", " 137-cs "])
def test_spellings(text):
    assert nuclide(text).name == "Cs-137"


@pytest.mark.parametrize("text", ["Ba-137m", "ba137m", "137mBa", "Ba-137M"])
def test_isomer_spellings(text):
    assert nuclide(text).name == "Ba-137m"
    assert nuclide(text).isomer == 1


def test_unknown_name_offers_close_matches():
    with pytest.raises(InputError, match=r"Cs-138.*Cs-13"):
        nuclide("Cs-138")
    with pytest.raises(InputError, match="write names as"):
        nuclide("kryptonite")


def test_stable_nuclide_is_known_and_not_listed():
    assert nuclide("Ba-137").is_stable
    assert not nuclide("Ba-137").decays
    assert "Ba-137" not in names()


def test_missing_table_is_an_error():
    with pytest.raises(MissingDataError, match="no_such_table"):
        read_table("no_such_table")


def test_other_columns_are_an_error():
    with pytest.raises(FileFormatError, match=r"lines\.csv: header: must be nuclide,colour"):
        _by_nuclide("lines", "nuclide", "colour")


def test_half_lives_are_positive():
    for name in names():
        assert 0 < nuclide(name).half_life_s < np.inf
        assert nuclide(name).half_life_sigma_s >= 0


def test_decay_constant():
    cobalt = nuclide("Co-60")
    assert cobalt.decay_constant_per_s * cobalt.half_life_s == pytest.approx(np.log(2), rel=1e-14)


def test_branching_sums_to_one():
    for name in names():
        decays = nuclide(name).decays
        sigma = sum(d.sigma**2 for d in decays) ** 0.5
        assert decays, name
        assert abs(sum(d.branching for d in decays) - 1) <= max(sigma, 1e-6), name


def test_closed_under_decay():
    known = {row["name"] for row in read_table("nuclides")}
    for name in names():
        for decay in nuclide(name).decays:
            assert (decay.daughter in known) or (decay.mode.endswith("sf")), (name, decay)


def test_decay_conserves_mass_number_and_charge():
    change = {"beta-": (1, 0), "ec/beta+": (-1, 0), "it": (0, 0), "alpha": (-2, -4)}
    for name in names():
        parent = nuclide(name)
        for decay in parent.decays:
            if decay.daughter and decay.mode in change:
                daughter = nuclide(decay.daughter)
                step = daughter.z - parent.z, daughter.a - parent.a
                assert step == change[decay.mode], (name, decay)


def test_lines_are_sorted_positive_and_above_the_cut():
    for name in names():
        lines = nuclide(name).lines
        assert np.all(np.diff(lines.energy_kev) >= 0), name
        assert np.all(lines.energy_kev >= 5.0), name
        assert np.all(lines.photons_per_decay > 0), name
        assert np.all(lines.sigma >= 0), name
        assert set(lines.emitter) <= {name}


def test_every_table_row_belongs_to_a_known_nuclide():
    known = {row["name"] for row in read_table("nuclides")}
    assert {row["nuclide"] for row in read_table("lines")} <= known
    assert {row["parent"] for row in read_table("decays")} <= known
    assert {row["nuclide"] for row in read_table("coincidences")} <= known


def test_no_line_exceeds_what_one_decay_can_emit():
    for name in names():
        lines = nuclide(name).lines
        limit = np.where(np.array(lines.kind) == "annihilation", 2.0, 1.0)
        gammas = np.array(lines.kind) != "x-ray"
        slack = 1 + 3 * lines.sigma + 0.01
        assert np.all(lines.photons_per_decay[gammas] <= (limit * slack)[gammas]), name


def test_annihilation_is_its_own_kind():
    assert list(nuclide("F-18").lines.kind).count("annihilation") == 1
    rhodium = [line for line in nuclide("Rh-106").lines if abs(line.energy_kev - 511.86) < 0.2]
    assert [line.kind for line in rhodium] == ["gamma"]


def test_line_table_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        nuclide("Co-60").lines.energy_kev[0] = 1.0


def test_line_table_round_trip_above_and_scaled():
    lines = [
        Line(20.0, 0.1, 0.5, 0.01, "x-ray", "A"),
        Line(10.0, 0.1, 0.2, 0.02, "gamma", "B"),
    ]
    table = LineTable.of(lines)
    assert list(table) == lines[::-1]
    assert list(table.above(15.0)) == lines[:1]
    assert table.scaled(2.0).photons_per_decay.tolist() == [0.4, 1.0]
    assert table.scaled(2.0).sigma.tolist() == [0.04, 0.02]
    assert len(LineTable.of([])) == 0


def test_pair_table():
    table = PairTable.of([(3.0, 4.0, 0.5, "B"), (1.0, 2.0, 0.1, "A")])
    assert list(table) == [(1.0, 2.0, 0.1, "A"), (3.0, 4.0, 0.5, "B")]
    assert len(PairTable.of([])) == 0
    assert len(coincidences("H-3")) == 0

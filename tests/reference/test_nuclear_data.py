"""Shipped nuclear data against reference values and against the library that they come from."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from blackett.gamma.nuclides import coincidences, names, nuclide
from blackett.gamma.sources import source

ROOT = Path(__file__).parents[2]

# (nuclide, energy in keV, photons per 100 decays, tolerance in the same unit). ENDF/B-VIII.0 as
# read independently; the tolerance is the last digit or the distance to JEFF-4.0 / DDEP.
LINES = [
    ("Ba-137m", 661.657, 89.90, 0.05),
    ("Co-60", 1173.228, 99.85, 0.03),
    ("Co-60", 1332.492, 99.983, 0.01),
    ("Am-241", 59.541, 35.9, 0.1),
    ("Am-241", 26.34, 2.27, 0.05),
    ("Ba-133", 356.01, 62.05, 0.05),
    ("Ba-133", 302.85, 18.33, 0.05),
    ("Ba-133", 80.998, 34.06, 0.05),
    ("Ba-133", 30.97, 64.9, 0.5),
    ("Eu-152", 121.78, 28.67, 0.3),
    ("Eu-152", 344.28, 26.56, 0.1),
    ("Eu-152", 1408.01, 21.07, 0.2),
    ("Lu-176", 306.78, 93.6, 0.3),
    ("Lu-176", 201.83, 78.0, 0.3),
    ("Lu-176", 88.34, 14.5, 0.2),
    ("Ra-226", 186.21, 3.59, 0.05),
    ("Pb-214", 351.93, 35.6, 0.2),
    ("Pb-214", 295.22, 18.42, 0.1),
    ("Bi-214", 609.31, 45.49, 0.1),
    ("Bi-214", 1120.29, 14.92, 0.1),
    ("Bi-214", 1764.49, 15.30, 0.1),
    ("Pb-212", 238.63, 43.6, 0.2),
    ("Tl-208", 2614.51, 99.75, 0.1),
    ("Tl-208", 583.19, 85.0, 0.3),
    ("Ac-228", 911.20, 26.2, 0.8),
    ("Ac-228", 968.97, 15.9, 0.5),
    ("K-40", 1460.82, 10.66, 0.05),
    ("I-131", 364.49, 81.5, 0.3),
    ("Tc-99m", 140.51, 89.0, 0.5),
    ("Se-75", 264.66, 58.9, 0.2),
    ("Se-75", 136.00, 58.3, 0.6),
    ("Ir-192", 316.51, 82.7, 0.2),
    ("Ir-192", 468.07, 47.8, 0.3),
    ("Na-22", 1274.54, 99.94, 0.05),
    ("Na-22", 511.0, 179.9, 0.5),
    ("F-18", 511.0, 193.5, 0.5),
    ("Bi-207", 569.70, 97.75, 0.1),
    ("Bi-207", 1063.66, 74.5, 0.4),
    ("U-235", 185.72, 57.2, 0.3),
    ("U-235", 143.76, 10.96, 0.1),
    ("Pa-234m", 1001.03, 0.842, 0.01),
    ("Th-234", 63.29, 3.67, 0.09),
    ("Th-234", 92.38, 2.13, 0.06),
    ("Co-57", 122.06, 85.6, 0.3),
    ("Co-57", 14.41, 9.16, 0.2),
    ("Th-227", 235.97, 12.6, 0.4),
]

# Half-lives: NUBASE2020 (F. G. Kondev et al., Chin. Phys. C 45 (2021) 030001), rounded.
DAY_S, YEAR_S = 86400.0, 365.2422 * 86400.0
HALF_LIVES_S = {
    "Cs-137": 30.04 * YEAR_S,
    "Co-60": 5.271 * YEAR_S,
    "Am-241": 432.6 * YEAR_S,
    "K-40": 1.248e9 * YEAR_S,
    "U-238": 4.463e9 * YEAR_S,
    "Th-232": 1.40e10 * YEAR_S,
    "Ra-226": 1600 * YEAR_S,
    "Rn-222": 3.8215 * DAY_S,
    "Tc-99m": 6.0066 * 3600,
    "I-131": 8.0249 * DAY_S,
    "F-18": 109.77 * 60,
    "Ag-110m": 249.863 * DAY_S,
    "Lu-177m": 160.4 * DAY_S,
}


@pytest.mark.parametrize(("name", "energy_kev", "per_100", "tolerance"), LINES)
def test_intensity(name, energy_kev, per_100, tolerance):
    near = [line for line in nuclide(name).lines if abs(line.energy_kev - energy_kev) < 0.3]
    strongest = max(near, key=lambda line: line.photons_per_decay)
    assert strongest.energy_kev == pytest.approx(energy_kev, abs=0.1)
    assert 100 * strongest.photons_per_decay == pytest.approx(per_100, abs=tolerance)


@pytest.mark.parametrize("name", HALF_LIVES_S)
def test_half_life(name):
    assert nuclide(name).half_life_s == pytest.approx(HALF_LIVES_S[name], rel=6e-3)


def test_uncertainty_of_a_line_is_kept():
    (line,) = [x for x in nuclide("Ac-228").lines if abs(x.energy_kev - 911.2) < 0.1]
    assert 100 * line.sigma == pytest.approx(0.8, abs=0.1)


def test_silver_x_rays_of_cadmium():
    """22.1 keV K-alpha: 37.0 under Cd-109 itself, 55.0 per 100 decays with the isomer (K-alpha 1).

    K-alpha 1 and 2 lie within 1 % and are one row here; K-alpha 2 / K-alpha 1 = 0.53 for silver.
    """

    def alpha(lines) -> float:
        return sum(x.photons_per_decay for x in lines if 21.5 < x.energy_kev < 22.5)

    assert 100 * alpha(nuclide("Cd-109").lines) == pytest.approx(37.0 * 1.53, rel=0.02)
    assert 100 * alpha(source("Cd-109").lines()) == pytest.approx(55.0 * 1.53, rel=0.02)


@pytest.mark.parametrize(
    ("name", "energies_kev"),
    [("Ir-192", (205.8, 484.6, 588.6)), ("Se-75", (96.7, 198.6, 303.9)), ("Ac-228", (964.8,))],
)
def test_lines_that_older_tables_lack(name, energies_kev):
    for energy_kev in energies_kev:
        assert any(abs(x.energy_kev - energy_kev) < 0.2 for x in nuclide(name).lines)


def test_x_rays_lines_of_one_nuclide_are_apart():
    for name in names():
        energies = [x.energy_kev for x in nuclide(name).lines if x.kind == "x-ray"]
        assert all(b > a for a, b in pairwise(energies)), name


@pytest.mark.long
def test_tables_are_what_the_libraries_say(monkeypatch, tmp_path):
    """Build the tables anew and compare byte by byte; needs sandy and endf."""
    if not (find_spec("sandy") and find_spec("endf")):
        pytest.skip("needs the build-time packages sandy and endf")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import build_nuclides

    monkeypatch.setattr(build_nuclides, "DATA", tmp_path)
    build_nuclides.main()
    for table in ("nuclides", "decays", "lines"):
        shipped = ROOT / f"src/blackett/gamma/data/{table}.csv"
        assert _rows(tmp_path / f"{table}.csv") == _rows(shipped), table


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.reader(line for line in file if not line.startswith("#")))


# (nuclide, keV, keV, pairs per decay, tolerance). Co-60, Y-88, Cs-134, Bi-207: product of intensity
# and branching of simple cascades, as in any table of true-coincidence corrections; Na-22: two
# annihilation photons with the 1274.5 keV photon in 89.9 % of decays; Lu-176: 307 and 202 follow
# each other in all but the beta branch to the 998 keV level (0.7 %), 202 being converted (0.21).
PAIRS = [
    ("Co-60", 1173.228, 1332.492, 0.9983, 0.001),
    ("Na-22", 511.0, 1274.537, 1.798, 0.004),
    ("Y-88", 898.04, 1836.06, 0.936, 0.01),
    ("Cs-134", 604.72, 795.86, 0.8546, 0.01),
    ("Bi-207", 569.70, 1063.66, 0.729, 0.01),
    ("Lu-176", 201.83, 306.78, 0.73, 0.02),
    ("Sc-46", 889.28, 1120.55, 0.9997, 0.002),
    ("Tl-208", 583.19, 2614.51, 0.850, 0.01),
    ("Ba-133", 81.0, 356.01, 0.2295, 0.004),
    ("Eu-152", 121.78, 1408.01, 0.098, 0.004),
]


@pytest.mark.parametrize(("name", "first_kev", "second_kev", "expected", "tolerance"), PAIRS)
def test_pair(name, first_kev, second_kev, expected, tolerance):
    found = [
        value
        for a, b, value, _ in coincidences(name)
        if abs(a - first_kev) < 0.1 and abs(b - second_kev) < 0.1
    ]
    assert found == [pytest.approx(expected, abs=tolerance)]


def test_iodine_125_sums_two_x_rays():
    """Capture empties the K shell in 0.80, the 35.5 keV transition once more in 0.80 of decays.

    Both yield a K X-ray with 0.875 (Te): 0.80 x 0.80 x 0.875 squared = 0.49 pairs per decay.
    """
    total = sum(v for a, b, v, _ in coincidences("I-125") if b < 33.0)
    assert total == pytest.approx(0.49, abs=0.02)


def test_pairs_join_listed_lines_and_exceed_neither():
    for name in names():
        lines = {x.energy_kev: x for x in nuclide(name).lines}
        for a, b, value, emitter in coincidences(name):
            twice = [2 if lines[e].kind == "annihilation" else 1 for e in (a, b)]
            assert a <= b
            assert emitter == name
            assert 1e-3 <= value <= 1.00001 * twice[1] * lines[a].photons_per_decay, (name, a, b)
            assert value <= 1.00001 * twice[0] * lines[b].photons_per_decay, (name, a, b)


def test_photons_in_company_are_limited_by_the_multiplicity():
    """Sum over b of pairs(a, b) = E[n_a N_b] <= max(n_a) E[N_b]; n_a is 1 for a gamma line, 2 for
    annihilation and K X-rays. Five per cent are left to the two evaluations that meet here."""
    for name in names():
        lines = nuclide(name).lines
        total = lines.photons_per_decay.sum()
        company = dict.fromkeys(lines.energy_kev.tolist(), 0.0)
        for a, b, value, _ in coincidences(name):
            if a != b:
                company[a] += value
                company[b] += value
        for line in lines:
            most = 1 if line.kind == "gamma" else 2
            others = total - line.photons_per_decay
            assert company[line.energy_kev] <= 1.05 * most * others, (name, line)


def test_nuclides_that_need_coincidences_have_them():
    expected = """Co-60 Eu-152 Eu-154 Ba-133 Cs-134 Y-88 Na-22 Bi-207 Lu-176 Tl-208 Bi-214 Ac-228
    Se-75 Ir-192 Sb-124 Sb-125 Co-57 Ag-110m Sc-46 In-111 Ho-166m Hf-177m I-125"""
    assert [n for n in expected.split() if len(coincidences(n)) == 0] == []

"""Compare the adopted decay library with a second one and write the README's nuclear data part.

Used by `build_nuclides.py`. Lines are compared for the parent together with its isomeric daughters,
because libraries differ in which of the two carries a line (Bi-207 and Pb-207m).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from decay_library import (
    ANNIHILATION_KEV,
    EXCEPTIONS,
    LOST_ENERGY_SHARE,
    LOWEST_KEV,
    WEAKEST_PER_DECAY,
    XRAY_GROUP_SPAN,
    Key,
    Library,
    Photon,
    decays,
    is_stable,
    name_of,
    photons,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STRONG_PER_DECAY = 0.01
SIGMAS, RELATIVE = 3.0, 0.03
SAME_LINE_KEV = 1.2
XRAYS_FROM_KEV = 20.0
BEGIN, END = "<!-- nuclear data: begin -->", "<!-- nuclear data: end -->"


class Disagreement(NamedTuple):
    """One quantity on which the libraries differ."""

    nuclide: str
    what: str
    adopted: float
    adopted_sigma: float
    check: float
    check_sigma: float


def with_isomers(library: Library, key: Key) -> list[Photon]:
    """Photons per decay of `key` and of the isomers that it feeds, in equilibrium."""
    record = library.record(key)
    found = photons(record)
    for decay in decays(key, record):
        if decay.daughter and decay.daughter[2] and decay.daughter in library.sections:
            share = decay.branching
            found += [
                p._replace(intensity=p.intensity * share, sigma=p.sigma * share)
                for p in with_isomers(library, decay.daughter)
            ]
    return sorted(found)


def differ(row: Disagreement) -> bool:
    """Apart by more than 3 combined sigma and more than 3 %."""
    apart = abs(row.adopted - row.check)
    sigma = (row.adopted_sigma**2 + row.check_sigma**2) ** 0.5
    return apart > SIGMAS * sigma and apart > RELATIVE * max(row.adopted, row.check)


def compare(adopted: Library, check: Library, keys: Sequence[Key]) -> Iterator[Disagreement]:
    """Every disagreement in half-life, gamma line or summed X-rays."""
    for key in keys:
        if not is_stable(adopted.record(key)) and key in check.sections:
            rows = [*_half_life(adopted, check, key), *_lines(adopted, check, key)]
            yield from filter(differ, rows)


def _half_life(adopted: Library, check: Library, key: Key) -> Iterator[Disagreement]:
    first, second = adopted.record(key), check.record(key)
    if not is_stable(second):
        values = (float(v) for v in (*first["T1/2"], *second["T1/2"]))
        yield Disagreement(name_of(key), "half-life, s", *values)


def _lines(adopted: Library, check: Library, key: Key) -> Iterator[Disagreement]:
    name = name_of(key)
    first, second = with_isomers(adopted, key), with_isomers(check, key)
    energies = [p.energy for p in first + second if p.kind != "x-ray" and _strong(p)]
    for energy in _distinct(energies):
        values = _near(first, energy), _near(second, energy)
        what = "annihilation" if abs(energy - ANNIHILATION_KEV) < 0.05 else f"{energy:.2f} keV"
        yield Disagreement(name, what, *values[0], *values[1])
    values = _xrays(first), _xrays(second)
    if max(values[0][0], values[1][0]) > STRONG_PER_DECAY:
        yield Disagreement(name, f"X-rays above {XRAYS_FROM_KEV:g} keV", *values[0], *values[1])


def _strong(photon: Photon) -> bool:
    return photon.intensity > STRONG_PER_DECAY


def _distinct(energies: Sequence[float]) -> list[float]:
    found: list[float] = []
    for energy in sorted(energies):
        if not found or energy - found[-1] > SAME_LINE_KEV:
            found.append(energy)
    return found


def _near(found: Sequence[Photon], energy: float) -> tuple[float, float]:
    same = [p for p in found if p.kind != "x-ray" and abs(p.energy - energy) <= SAME_LINE_KEV]
    return sum(p.intensity for p in same), sum(p.sigma**2 for p in same) ** 0.5


def _xrays(found: Sequence[Photon]) -> tuple[float, float]:
    same = [p for p in found if p.kind == "x-ray" and p.energy > XRAYS_FROM_KEV]
    return sum(p.intensity for p in same), sum(p.sigma for p in same)


def _pair(value: float, sigma: float) -> str:
    return f"{value:.4g} ± {sigma:.2g}"


def readme_section(
    adopted: Library, check: Library, keys: Sequence[Key], rows: dict[str, int]
) -> str:
    """The nuclear data part of the data README, with the table of disagreements."""
    found = list(compare(adopted, check, keys))
    unstable = sum(not is_stable(adopted.record(key)) for key in keys)
    table = "\n".join(
        f"| {d.nuclide} | {d.what} | {_pair(d.adopted, d.adopted_sigma)} "
        f"| {_pair(d.check, d.check_sigma)} |"
        for d in found
    )
    return README.format(
        adopted=adopted.title,
        check=check.title,
        sandy=version("sandy"),
        unstable=unstable,
        stable=len(keys) - unstable,
        n_decays=rows["decays"],
        n_lines=rows["lines"],
        lowest=LOWEST_KEV,
        weakest=WEAKEST_PER_DECAY,
        lost=100 * LOST_ENERGY_SHARE,
        span=100 * XRAY_GROUP_SPAN,
        count=len(found),
        same=SAME_LINE_KEV,
        xrays=XRAYS_FROM_KEV,
        strong=100 * STRONG_PER_DECAY,
        exceptions="\n".join(f"  * {name}: {why}." for name, why in EXCEPTIONS.items()),
        table=table,
    )


def write_readme(path: Path, section: str) -> None:
    """Replace the part between the markers, or add it at the end."""
    text = path.read_text() if path.exists() else "# Data of blackett.gamma\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    aside = path.with_suffix(".md.new")
    aside.write_text(f"{before.rstrip()}\n\n{BEGIN}\n{section}\n{END}\n{after.lstrip()}")
    aside.replace(path)


README = """## Nuclear data

`nuclides.csv`, `decays.csv` and `lines.csv` are derived from the {adopted} decay sublibrary
(National Nuclear Data Center, Brookhaven; D. A. Brown et al., Nuclear Data Sheets 148 (2018) 1),
as distributed in the `sandy` {sandy} package, by `tools/build_nuclides.py`. Every sigma is one
standard deviation as the library gives it; 0 means that it gives none.

* {unstable} radionuclides and {stable} stable end points: a list of starting points and everything
  that they decay to. `inf` as half-life means stable or never seen to decay. {n_decays} decay
  modes, {n_lines} lines.
* A line stands under the nuclide that emits it, in photons per decay of that nuclide: 661.66 keV
  under Ba-137m, 88.03 keV under Ag-109m, 2614.5 keV under Tl-208. The program sums chains. In
  {adopted} Bi-207 carries its lines itself and does not feed Pb-207m, and what it calls Rh-102
  (207 d) and Rh-102m (3.7 y) stands the other way round in {check}.
* `kind` is gamma, x-ray or annihilation (the library keeps the last two under one radiation type).
* Left out: photons below {lowest:g} keV, and lines below {weakest:g} per decay as long as all that
  is left out holds less than {lost:g} % of the nuclide's photon energy.
* X-ray lines of one nuclide within {span:g} % in energy are one row at their mean energy, weighted
  by intensity.
* Not in the tables: photons of spontaneous fission, and bremsstrahlung of beta particles.
* Lines taken from {check} instead (column `lines_from` of `nuclides.csv`):
{exceptions}
* `coincidences.csv`: photon pairs born in one decay, from 1e-3 per decay, by
  `tools/build_coincidences.py` from the level schemes of ENSDF (NNDC, in the JSON form of paceENSDF
  0.6.3). Of 723 gamma pairs above 1 % per decay that paceENSDF lists too, 638 agree within 10 %;
  most others cross a level that lives longer than 1 us, where paceENSDF sets no time limit. ENSDF
  holds no scheme for isomeric transitions (those of Lu-177m are missing).

### Sources

`sources.csv`, written by hand, lists the sources that are reported, of what they consist and how
often they are met. Choices made there:

* Progeny stand in the equilibrium reached long after separation, counting only progeny that die
  faster than the parent (`blackett.gamma.decay.equilibrium`): 0.967 Tc-99m per Mo-99, 2.20 Nb-95
  per Zr-95. `until` cuts a chain where chemistry or time keeps it cut: U-238 ends before U-234,
  U-235 before Pa-231, Rn-222 before Pb-210.
* Ra-226 carries 0.9 Pb-210 (with Bi-210 and Po-210) per Ra-226, between minerals (1) and luminous
  paint of the years 1920 to 1960 (0.75 to 0.95 by now).
* Not sources of their own, because nothing but time separates them from one that is listed: Ra-224,
  Pb-212 and thoron progeny (Th-228), Ra-228 (Th-232 without Th-228), C-11, N-13 and O-15 (F-18).
* Some listed sources differ little and are for the context to decide: Ge-68 and Ga-68; Ra-226 and
  Rn-222 (186 keV); Ac-227 and Ra-223 (Th-227); Pu-239 and Pu-240; Am-243 and Np-239.
* A source is observable from 5e-4 photons above 25 keV per decay; the pure beta emitters are listed
  so that the program knows their names, and are never called detected.
* `rarity` is a judgement of how often owners of a pocket spectrometer meet a source.

### Disagreements with {check}

Compared: half-lives, gamma lines and annihilation above {strong:g} % per decay (summed within
{same:g} keV), and the sum of X-rays above {xrays:g} keV (below, {check} gives one mean line a
shell), each for a nuclide together with the isomers that it feeds. Listed: the {count} differences
above 3 combined sigma and above 3 %. Intensities are photons per decay.

| nuclide | quantity | {adopted} | {check} |
|---|---|---|---|
{table}
"""

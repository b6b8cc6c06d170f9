"""Build `betas.csv`: beta branches and conversion electrons, for bremsstrahlung.

    python tools/build_betas.py               # needs: pip install sandy endf

Reads ENDF/B-VIII.0 from the archive inside the `sandy` package, offline, for every nuclide of
`nuclides.csv`, and writes `betas.csv` and its part of `README.md` in `src/blackett/gamma/data`.
"""

from __future__ import annotations

import csv
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from build_nuclides import DATA, number, write_table
from decay_library import ADOPTED, is_stable, key_of, read_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BETA_MINUS, BETA_PLUS, ELECTRON = "beta-", "beta+", "electron"
STYPS = {1: BETA_MINUS, 2: BETA_PLUS, 8: ELECTRON}  # ENDF-102 section 8.4
SHAPES = {0: "allowed", 1: "allowed", 2: "unique-1", 3: "unique-2"}
# What the library calls allowed and is not.
KNOWN_SHAPES = {
    "K-40": "unique-3",  # 4- to 0+
    "Bi-210": "measured",  # 1- to 0+, far from allowed; the factor is in bremsstrahlung.py
}
LOWEST_KEV = 150.0  # slower ones radiate 0.1 % of their energy in glass, all of it below
LOWEST_PER_DECAY_KEV = 20.0
LOST_SHARE = 2e-3  # rows with the least intensity x energy^2 are left out up to this share
TWO_MASSES_KEV = 1021.99790  # CODATA 2018


class Row(NamedTuple):
    """One branch or one conversion line; energies in keV, intensity per decay."""

    kind: str
    energy: float
    intensity: float
    shape: str

    @property
    def weight(self) -> float:
        """What it radiates goes with the square of its energy."""
        return self.intensity * self.energy**2


def rows_of(name: str, record: dict[str, Any]) -> list[Row]:
    """All branches and electrons of a nuclide, without cuts."""
    found = []
    for spectrum in record.get("spectra", []):
        kind = STYPS.get(int(spectrum["STYP"]), "")
        if kind:
            factor = float(spectrum["FD"][0])
            found += [_row(name, kind, factor, line) for line in spectrum.get("discrete", [])]
    return [r for r in found if r.intensity > 0.0 and r.energy > 0.0]


def _row(name: str, kind: str, factor: float, line: dict[str, Any]) -> Row:
    """Electron capture lines give the energy of the transition and the positrons in RIS."""
    energy, share = float(line["ER"][0]) / 1e3, line["RI"]
    if kind == BETA_PLUS:
        energy, share = energy - TWO_MASSES_KEV, line["RIS"]
    shape = "line" if kind == ELECTRON else SHAPES[int(line["TYPE"])]
    if kind == BETA_MINUS:
        shape = KNOWN_SHAPES.get(name, shape)
    return Row(kind, energy, factor * float(share[0]), shape)


def mean_kev(record: dict[str, Any], kind: str) -> float:
    """The library's own mean energy of all betas or electrons of a kind, keV per decay."""
    found = [s for s in record.get("spectra", []) if STYPS.get(int(s["STYP"])) == kind]
    return sum(float(s["ER_AV"][0]) / 1e3 for s in found)


def worth_keeping(record: dict[str, Any], rows: Sequence[Row]) -> list[Row]:
    """Rows above 150 keV less the weakest; none where they hold under 20 keV per decay."""
    high = [r for r in rows if r.energy > LOWEST_KEV]
    electrons = sum(r.energy * r.intensity for r in high if r.kind == ELECTRON)
    betas = sum(mean_kev(record, kind) for kind in (BETA_MINUS, BETA_PLUS))
    if not high or electrons + betas < LOWEST_PER_DECAY_KEV:
        return []
    allowed, kept = LOST_SHARE * sum(r.weight for r in high), list(high)
    for row in sorted(high, key=lambda r: r.weight):
        allowed -= row.weight
        if allowed < 0.0:
            break
        kept.remove(row)
    return sorted(kept, key=lambda r: (r.kind, -r.energy))


def table_rows(names: Sequence[str]) -> Iterator[list[Any]]:
    """Rows of betas.csv; a mean row closes each kind of beta."""
    library = read_library(*ADOPTED)
    for name in names:
        record = library.record(key_of(name))
        kept = [] if is_stable(record) else worth_keeping(record, rows_of(name, record))
        for row in kept:
            yield [name, row.kind, f"{row.energy:.2f}", number(row.intensity), row.shape]
        for kind in (BETA_MINUS, BETA_PLUS):
            if any(r.kind == kind for r in kept):
                yield [name, f"{kind} mean", f"{mean_kev(record, kind):.3f}", 1, "library"]


def shipped_names() -> list[str]:
    """Names in nuclides.csv, in its order."""
    with (DATA / "nuclides.csv").open(encoding="utf-8") as file:
        table = csv.DictReader(line for line in file if not line.startswith("#"))
        return [row["name"] for row in table]


BEGIN, END = "<!-- betas: begin -->", "<!-- betas: end -->"
README = """## Beta particles and conversion electrons

`betas.csv`, by `tools/build_betas.py` from the same ENDF/B-VIII.0 sublibrary, is what
`blackett.gamma.bremsstrahlung` radiates from: {rows} rows for {nuclides} nuclides.

* `kind` is beta- or beta+ (`energy_kev` is the end point, for positrons the energy of the
  transition less 1021.998 keV) or electron (conversion and Auger, a line); `per_decay` is per decay
  of the nuclide itself. `beta- mean` and `beta+ mean` hold the library's own mean energy of all
  betas of that kind in keV per decay, kept to check spectra against.
* `shape` is allowed, unique-1 or unique-2 (forbidden unique of that order), as the library says.
  It does not tell allowed from non-unique forbidden. Changed here: K-40 (4- to 0+, called allowed
  there, its mean energy that of unique-2) is unique-3; Bi-210 is measured (factor and source in
  `bremsstrahlung.py`).
* Intensities are the library's; where its level schemes do not balance, the betas of a nuclide sum
  to more than one: Pa-234 1.19, U-240 and Tl-210 1.03, all others under 1.02.
* Left out: branches and lines below {lowest:g} keV; nuclides whose betas and electrons above that
  hold less than {least:g} keV per decay; and of the rest of each nuclide the rows with the least
  intensity x energy^2, together less than {lost:.1%} of its sum, since what an electron radiates
  while it stops goes with the square of its energy.
"""


def write_readme(path: Path, section: str) -> None:
    """Replace or append the part between the markers."""
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2].lstrip("\n")
    path.write_text(f"{head.rstrip()}\n\n{BEGIN}\n{section}\n{END}\n{tail}", encoding="utf-8")


def main() -> None:
    """Write the table and its part of the README."""
    rows = list(table_rows(shipped_names()))
    about = [
        "Beta branches (end points) and conversion electrons, per decay of the nuclide.",
        f"Source: {ADOPTED[0]} decay data, from sandy {version('sandy')}.",
        "Built by tools/build_betas.py; do not edit. See README.md.",
    ]
    count = write_table("betas", about, "nuclide kind energy_kev per_decay shape", rows)
    section = README.format(
        rows=count,
        nuclides=len({row[0] for row in rows}),
        lowest=LOWEST_KEV,
        least=LOWEST_PER_DECAY_KEV,
        lost=LOST_SHARE,
    )
    write_readme(DATA / "README.md", section)
    print(f"betas.csv: {count} rows")


if __name__ == "__main__":
    main()

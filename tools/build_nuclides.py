"""Build the nuclear data tables of `blackett.gamma` from an evaluated decay library.

    python tools/build_nuclides.py            # needs: pip install sandy endf

Reads ENDF/B-VIII.0 (adopted) and JEFF-4.0 (cross-check) from the archives inside the `sandy`
package, offline, and writes `nuclides.csv`, `decays.csv`, `lines.csv` and the nuclear data part of
`README.md` in `src/blackett/gamma/data`.
"""

from __future__ import annotations

import csv
import io
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from check_nuclides import readme_section, write_readme
from decay_library import (
    ADOPTED,
    CHECK,
    EXCEPTIONS,
    Key,
    Library,
    decays,
    is_stable,
    key_of,
    name_of,
    photons,
    read_library,
    worth_keeping,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

DATA = Path(__file__).parents[1] / "src/blackett/gamma/data"
# Starting points; everything that they decay to is added.
WANTED = """
natural     H-3 Be-7 C-14 Na-22 Al-26 Cl-36 K-40 Rb-87 La-138 Sm-147 Lu-176 Re-187
            U-238 U-235 Th-232 Pb-210 Ra-226 Ra-228 Th-228 Ac-227 Fr-223 At-218 Hg-206
calibration Am-241 Cs-137 Co-60 Ba-133 Cd-109 Eu-152 Eu-154 Eu-155 Mn-54 Zn-65 Co-57 Co-56 Sr-85
            Y-88 Ce-139 Sn-113 Hg-203 Bi-207 Pb-207m Ti-44 Ge-68 Gd-153 Ag-108m Ho-166m Fe-55
            Rh-102 Rh-102m Rh-101 Sm-145 Nb-93m Nb-94 Pm-145 Pm-146 Eu-150 Lu-173 Lu-174 Hf-172
            Hf-178n Tl-204 W-181 V-48 V-49 Np-236 Se-72
medical     Tc-99m Mo-99 I-131 I-123 I-124 I-125 F-18 Ga-67 Ga-68 In-111 Tl-201 Lu-177 Lu-177m
            Sm-153 Xe-133 Xe-133m Xe-127 Ra-223 Ac-225 Cu-64 Cu-67 Zr-89 Re-186 Re-188 W-188 Rb-82
            Sr-82 Kr-81m Rb-81 C-11 N-13 O-15 P-32 P-33 Er-169 Ho-166 Tb-161 Pd-103 Sn-117m Y-90
            Sr-89 Pb-203 Pb-212 At-211 Sc-44 Sc-47 Ca-47 Ca-45 Th-226 Bi-213 Au-199 Ho-163 Cs-131
industrial  Se-75 Ir-192 Yb-169 Tm-170 Kr-85 Pm-147 Ni-63 Sb-124 Br-82 Na-24
fission     Cs-134 Cs-136 Ru-103 Ru-106 Ce-141 Ce-143 Ce-144 Sb-125 Sb-127 Sr-90 Sr-91 I-129 I-132
            I-133 I-135 Te-132 Te-129m Te-131m Te-127m Ba-140 La-140 Zr-95 Nb-95 Nb-95m Zr-97 Nd-147
            Pm-149 Pm-151 Y-91 Tc-99 Sm-151 Xe-131m Xe-135 Kr-85m Kr-88 Rb-86 Rh-105 Ag-111 Sn-126
            Eu-156 Pr-143 Se-79
activation  Co-58 Fe-59 Cr-51 Ta-182 Sc-46 Au-198 Ag-110m Hf-181 Hf-175 K-42 Al-28 Ar-41 Mn-56 As-74
            As-76 Sb-122 W-185 W-187 Ir-194 Tb-160 Cd-115 In-114m Sn-117m Te-123m Hg-197 Eu-152m
            Zn-69m Ga-72 Cs-132 Rb-84 Rb-83 Bi-206 Bi-205 Os-191 Os-185 Re-184 Pt-195m Ba-131 Y-87
            Gd-159 Dy-165 Tm-171 Lu-176m S-35 Cl-38 Mg-27 V-52 Zr-88 Nb-92m Tc-95m Tc-96 Au-195
material    Np-237 Np-239 U-232 U-233 U-234 U-237 Th-229 Th-230 Th-231 Th-234 Pa-231 Pa-233 Pa-234
            Pa-234m Pu-236 Pu-238 Pu-239 Pu-240 Pu-241 Pu-242 Am-242m Am-243 Cm-242 Cm-243 Cm-244
            Cf-249 Cf-252 Bk-249 Ra-225 Po-208 Po-209 Po-210 Bi-210 Po-218 Po-212
"""
CATEGORIES = (
    "natural",
    "calibration",
    "medical",
    "industrial",
    "fission",
    "activation",
    "material",
)


def wanted_names() -> list[str]:
    """The starting points of the chains, each once."""
    return sorted(set(WANTED.split()) - set(CATEGORIES))


def closure(library: Library, names: Iterable[str]) -> list[Key]:
    """The named nuclides and everything reachable from them by decay, sorted."""
    todo, seen = [key_of(n) for n in names], set[Key]()
    while todo:
        key = todo.pop()
        if key not in seen:
            seen.add(key)
            todo += [d.daughter for d in decays(key, library.record(key)) if d.daughter]
    return sorted(seen)


def write_table(
    name: str, about: Sequence[str], columns: str, rows: Iterable[Sequence[Any]]
) -> int:
    """Write one CSV file under a '#' header, aside and then renamed; the number of rows."""
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in about)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns.split())
    table = list(rows)
    writer.writerows(table)
    aside = DATA / f"{name}.csv.new"
    aside.write_text(text.getvalue())
    aside.replace(DATA / f"{name}.csv")
    return len(table)


def header(what: str) -> list[str]:
    """Origin lines at the top of every table."""
    return [
        what,
        f"Source: {ADOPTED[0]} decay data (exceptions: README.md), from sandy {version('sandy')}.",
        "Built by tools/build_nuclides.py; do not edit. See README.md.",
    ]


def number(value: float) -> str:
    """Six significant digits; 0 where the library gives no sigma."""
    return f"{value:.6g}"


def nuclide_rows(library: Library, keys: Iterable[Key]) -> Iterator[list[Any]]:
    """Rows of nuclides.csv."""
    for key in keys:
        record = library.record(key)
        half_life = ("inf", "0") if is_stable(record) else map(number, record["T1/2"])
        yield [name_of(key), *key, *half_life, CHECK[0] if _is_exception(key) else ADOPTED[0]]


def decay_rows(library: Library, keys: Iterable[Key]) -> Iterator[list[Any]]:
    """Rows of decays.csv."""
    for key in keys:
        for decay in decays(key, library.record(key)):
            daughter = name_of(decay.daughter) if decay.daughter else ""
            branching = f"{decay.branching:.8g}", number(decay.sigma)
            yield [name_of(key), decay.mode, daughter, *branching]


def _is_exception(key: Key) -> bool:
    return name_of(key) in EXCEPTIONS


def line_rows(adopted: Library, check: Library, keys: Iterable[Key]) -> Iterator[list[Any]]:
    """Rows of lines.csv."""
    for key in keys:
        library = check if _is_exception(key) else adopted
        for p in worth_keeping(photons(library.record(key))):
            energy = f"{p.energy:.3f}", f"{p.energy_sigma:.3f}"
            yield [name_of(key), *energy, number(p.intensity), number(p.sigma), p.kind]


def write_tables(adopted: Library, check: Library, keys: Sequence[Key]) -> dict[str, int]:
    """Write the three tables; rows by table."""
    return {
        "nuclides": write_table(
            "nuclides",
            header("Half-lives in seconds (inf: stable) with one standard deviation."),
            "name z a isomer half_life_s half_life_sigma_s lines_from",
            nuclide_rows(adopted, keys),
        ),
        "decays": write_table(
            "decays",
            header("Decay modes; branching per decay. Spontaneous fission has no daughter."),
            "parent mode daughter branching sigma",
            decay_rows(adopted, keys),
        ),
        "lines": write_table(
            "lines",
            header("Photons per decay of the emitting nuclide (progeny are rows of their own)."),
            "nuclide energy_kev energy_sigma_kev photons_per_decay sigma kind",
            line_rows(adopted, check, keys),
        ),
    }


def main() -> None:
    """Build the tables and the cross-check."""
    adopted, check = read_library(*ADOPTED), read_library(*CHECK)
    keys = closure(adopted, wanted_names())
    rows = write_tables(adopted, check, keys)
    write_readme(DATA / "README.md", readme_section(adopted, check, keys, rows))
    print(*(f"{name}.csv: {count} rows" for name, count in rows.items()), sep="\n")


if __name__ == "__main__":
    main()

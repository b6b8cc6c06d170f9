"""Simulate the release of trapped atoms and write `data/escapes.csv` and `data/landings.csv`.

    python tools/build_escapes.py FOLDER --atoms 500

FOLDER keeps the pieces: a run that was stopped, or is asked for more atoms, goes on from them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from blackett.alphag.gravity.atoms import Release
from blackett.alphag.gravity.escape import (
    EscapeTable,
    Landings,
    points,
    read_pieces,
    simulate_escapes,
)

DATA = Path(__file__).parents[1] / "src" / "blackett" / "alphag" / "data"


def main() -> None:
    """Simulate what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--atoms", type=int, default=500)
    parser.add_argument("--piece", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=DATA)
    given = parser.parse_args()
    pieces = simulate_escapes(
        Release(),
        points(),
        given.atoms,
        given.seed,
        given.folder,
        given.piece,
        given.workers,
    )
    for done, total in pieces:
        print(f"{done} of {total} pieces", flush=True)
    table, landings = read_pieces(given.folder, points())
    write_escapes(given.out / "escapes.csv", table)
    write_landings(given.out / "landings.csv", landings)


def write_escapes(path: Path, table: EscapeTable) -> None:
    """Numbers of atoms by gravity and bias."""
    columns = (table.a_g, table.bias_g, table.down, table.up, table.between, table.trapped)
    rows = [",".join(f"{value:g}" for value in row) for row in zip(*columns, strict=True)]
    head = "# released atoms by gravity and bias (g): leaving below A, above G, lost between, left"
    names = "a_g,bias_g,down,up,between,trapped"
    path.write_text("\n".join([head, names, *rows]) + "\n", encoding="utf-8")


def write_landings(path: Path, landings: Landings) -> None:
    """Numbers of escaped atoms by height, empty cells too."""
    edges = landings.edges_mm
    columns = zip(edges[:-1], edges[1:], landings.down, landings.up, strict=True)
    rows = [",".join(f"{value:g}" for value in row) for row in columns]
    head = "# where released atoms annihilate, all biases of the measurement and gravities together"
    path.write_text("\n".join([head, "z_low_mm,z_high_mm,down,up", *rows]) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""Identify the measured spectra beside the checkout and write the answers, a table, and pictures.

    python tools/score_real.py --data ../shared/data/real-dev \
        --scorer ../shared/tools/score_identify.py --prefix radiacode/ --core --out build/real

The folder holds results.jsonl, table.md and a picture of every answer that is not just the label.
The measured files themselves are not part of this project.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from blackett.errors import BlackettError
from blackett.gamma import formats
from blackett.gamma.identification import (
    DEFAULT_METHOD,
    METHODS,
    Identification,
    identify_with_fit,
)
from blackett.gamma.network import Network, load
from blackett.gamma.picture import save

CONFIDENCES = ("unsure", "likely", "certain")


def chosen(options: argparse.Namespace) -> list[dict[str, str]]:
    """Rows of the index that are asked for."""
    least = CONFIDENCES.index(options.min_confidence)
    with (options.data / "index.csv").open(encoding="utf-8", newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if row["file"].startswith(options.prefix)
            and (row["core"] == "y" or not options.core)
            and CONFIDENCES.index(row["label_confidence"]) >= least
        ]


def answer(
    row: dict[str, str], options: argparse.Namespace, network: Network | None
) -> dict[str, Any]:
    """One JSON object of the contract; a picture beside it when the answer is not the label."""
    file = row["file"]
    try:
        spectrum = formats.read(options.data / file)[0]
        found, unmixed = identify_with_fit(spectrum, method=options.method, network=network)
    except BlackettError as error:
        return {"file": file, "error": str(error)}
    found = replace(found, file=file)
    if unmixed is not None and set(row["labels"].split(";")) != names(found):
        save(found, unmixed, options.out / f"{Path(file).stem}.png")
    return found.to_dict()


def names(found: Identification) -> set[str]:
    """What is declared, or "background"."""
    return {n.nuclide for n in found.nuclides} or {found.verdict}


def line(row: dict[str, str], given: dict[str, Any]) -> str:
    """A row of the table."""
    if "error" in given:
        said = f"error: {given['error']}"
    else:
        said = ", ".join(
            f"{n['nuclide']} ({n['significance_sigma']:.0f} sigma)" for n in given["nuclides"]
        )
        said = said or given["verdict"]
    labels = row["labels"].replace(";", ", ")
    return f"| {Path(row['file']).name} | {row['detector']} | {labels} | {said} |"


def main() -> None:
    """Answer, write, score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scorer", type=Path, required=True)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--core", action="store_true")
    parser.add_argument("--min-confidence", choices=CONFIDENCES, default="likely")
    parser.add_argument("--method", choices=METHODS, default=DEFAULT_METHOD)
    parser.add_argument("--network", type=Path, help="ONNX file; the shipped one when left out")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = chosen(options)
    network = load(options.network) if options.network else None
    answers = [answer(row, options, network) for row in rows]
    results = options.out / "results.jsonl"
    results.write_text("".join(json.dumps(a) + "\n" for a in answers), encoding="utf-8")
    table = ["| file | detector | label | answer |", "|---|---|---|---|"]
    table += [line(row, given) for row, given in zip(rows, answers, strict=True)]
    (options.out / "table.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    command = [sys.executable, str(options.scorer), "--index", str(options.data / "index.csv"),
               "--results", str(results), "--prefix", options.prefix,
               "--min-confidence", options.min_confidence]  # fmt: skip
    subprocess.run([*command, *(["--core"] if options.core else [])], check=True)


if __name__ == "__main__":
    main()

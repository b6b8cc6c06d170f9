"""Write recipes/alphag/simulate/*.toml: complete settings, under docstrings from the source.

    python tools/write_alphag_recipes.py

Run it after a default or a docstring of the settings has changed.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from blackett.alphag.simulation import RECIPES

FOLDER = Path(__file__).parents[1] / "recipes" / "alphag" / "simulate"
HEADS = {
    "disc": "Annihilations uniform in a disc of 24 mm and in z, on free protons: parity with the "
    "published training sample.",
    "wall": "Annihilations on the wall of the trap (gold-plated electrodes below z = -380 mm, "
    "steel tube above), uniform in z.",
    "release": "Atoms released by ramping down the mirror coils: heights, times and azimuths of "
    "the published files.",
    "cosmics": "Cosmic muons through the apparatus, without annihilations.",
}


def docstrings(kind: type) -> dict[str, str]:
    """Texts under the fields of a dataclass."""
    node = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(node, ast.ClassDef)  # noqa: S101
    found = {}
    for line, text in zip(node.body, node.body[1:], strict=False):
        named = isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        if named and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[line.target.id] = " ".join(str(text.value.value).split())  # type: ignore[attr-defined]
    return found


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def lines(record: Any, prefix: str = "") -> list[str]:
    """The settings of a record, tables last."""
    texts, out, tables = docstrings(type(record)), [], []
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value):
            tables.append((f"{prefix}{field.name}", value))
            continue
        out += [f"# {line}" for line in textwrap.wrap(texts.get(field.name, ""), 96)]
        out.append(f"{field.name} = {toml(value)}")
    for name, value in tables:
        out += ["", f"[{name}]", *lines(value, f"{name}.")]
    return out


def main() -> None:
    """Write all recipes."""
    for name, recipe in RECIPES.items():
        head = [f"# {line}" for line in textwrap.wrap(HEADS[name], 96)]
        use = f"# Use: blackett alphag simulate --recipe {name} --events 100000 --out DIR"
        text = "\n".join([*head, use, "", *lines(recipe)]) + "\n"
        (FOLDER / f"{name}.toml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

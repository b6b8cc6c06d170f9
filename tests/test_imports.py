"""Imports point one way: base → provenance → learn, report → siblings → command line."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "blackett"

LAYERS = [
    {"errors", "units", "arrays", "seeds", "files", "lazy"},
    {"provenance", "shards", "recipes"},
    {"learn", "report"},
    {"gamma", "alphag"},
    {"cli"},
]
FLOW = {
    "gamma": [
        "data", "matter", "nuclides", "decay", "sources", "calibration", "spectrum",
        "phototables", "photons", "kernels", "layers", "world", "surroundings", "electrons",
        "boxes", "bremsstrahlung",
        "transport", "detector", "response", "background", "scene", "folding", "cachefile", "room",
        "templates",
        "simulation", "appearances", "rooms", "devices", "sampling", "counting",
        "recording",
        "recipe", "compositions", "batches", "mixtures", "formats", "dataset", "dataset_verbs",
        "preparation", "confidence", "models", "network",
        "train", "likelihood", "unmix", "evidence", "answer", "certainty", "conclusion", "hybrid",
        "identification", "trials", "baselines", "evaluate", "picture", "table", "live", "verbs",
    ],
    "alphag": [
        "data", "geometry", "particles", "gun", "transport", "drift", "digitise", "event",
        "simulation", "formats", "cloud", "helix", "tracks", "vertex", "vertex_csv", "vertexing",
        "cosmics", "robust", "preparation", "dataset", "models", "network", "pear", "train",
        "floor", "reconstruction", "evaluate", "validate",
        "systematics", "gravity", "verbs",
    ],
}  # fmt: skip
WITH_TORCH = {"learn", "models", "train"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def parts(path: Path) -> tuple[str, ...]:
    """('gamma', 'formats', 'n42') for src/blackett/gamma/formats/n42.py."""
    names = path.relative_to(PACKAGE).with_suffix("").parts
    return names[:-1] if names[-1] == "__init__" else names


def imported(path: Path) -> list[tuple[str, ...]]:
    """Every blackett module that a file imports, wherever in the file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found += [tuple(n.split(".")[1:]) for n in names if n.startswith("blackett.")]
    return found


def layer(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


def test_every_module_has_its_place() -> None:
    for path in modules():
        names = parts(path)
        if not names:
            continue
        assert any(names[0] in names_of_layer for names_of_layer in LAYERS), path
        if names[0] in FLOW and len(names) > 1:
            assert names[1] in FLOW[names[0]], f"{path}: give it a place in the flow"


@pytest.mark.parametrize("path", modules(), ids=lambda path: ".".join(parts(path)))
def test_imports_point_one_way(path: Path) -> None:
    here = parts(path)
    if not here:
        return
    for target in imported(path):
        if not layer(target[0]) <= layer(here[0]):
            pytest.fail(f"{'.'.join(here)} imports {'.'.join(target)}")
        if target[0] == here[0] and here[0] in FLOW and len(here) > 1 and len(target) > 1:
            flow = FLOW[here[0]]
            if target[1] in flow:
                assert flow.index(target[1]) <= flow.index(here[1]), (here, target)
        assert {here[0], target[0]} != {"gamma", "alphag"}, (here, target)


def test_torch_stays_where_models_are_trained() -> None:
    for path in modules():
        if WITH_TORCH & set(parts(path)):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert not any(name.split(".")[0] in {"torch", "lightning"} for name in names), path


@pytest.mark.parametrize("module", ["blackett", "blackett.gamma", "blackett.alphag"])
def test_import_is_silent_and_light(module: str) -> None:
    heavy = ["torch", "matplotlib", "pandas", "radioactivedecay", "numba", "scipy"]
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
    assert ran.stderr == ""

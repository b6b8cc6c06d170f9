"""The notebooks of `examples/`: clean in git, and every cell runs."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def run(source: str, names: dict[str, Any]) -> Any:
    """Execute a cell as a notebook does: the value of a last expression is its output."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == ["alphag_evaluation.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_holds_no_outputs(path: Path) -> None:
    assert all(not c["outputs"] and c["execution_count"] is None for c in cells(path))


def test_evaluation_notebook_runs(capsys: pytest.CaptureFixture[str]) -> None:
    mpl.use("Agg")
    names: dict[str, Any] = {}
    shown = [run("".join(c["source"]), names) for c in cells(EXAMPLES / "alphag_evaluation.ipynb")]
    figures = [value for value in shown if isinstance(value, Figure)]
    assert len(figures) == 3 and all(figure.axes for figure in figures)
    core = names["scores"][0].overall["core_sigma_mm"].value
    assert 2 < core < 6
    assert "helix-robust" in capsys.readouterr().out

"""`blackett alphag systematics`: a generator of what to show (see `blackett.cli`)."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blackett.alphag.systematics.findings import Finding

__all__ = ["systematics"]


def systematics(
    out: Path,
    methods: tuple[str, ...] = ("helix-hough", "helix-robust"),
    events: int = 2000,
    recipe: str = "wall",
    counted: str = "release",
    variations: tuple[str, ...] = (),
    seed: int = 1,
    workers: int = 1,
) -> Iterator[Any]:
    """Simulate the same annihilations in worlds that differ from what a reconstruction assumes, and
    write what each difference does to every method: report.html and report.json.

    Answers are kept in OUT/answers; a second run works out what is missing.

    Args:
        out: Folder of the report and of the answers.
        methods: Methods to run, NAME or NAME:PRESET.
        events: Annihilations of each sample.
        recipe: Sample for shifts, resolution and efficiency: disc, wall, release or a TOML file.
        counted: Sample for counts in the upper and lower region.
        variations: Names of variations, as in the report; all where left out.
        seed: Reproduces the events, whatever the number of workers.
        workers: Processes.
    """
    from blackett.alphag.simulation import find_recipe
    from blackett.alphag.systematics.findings import study
    from blackett.alphag.systematics.page import build
    from blackett.report import write

    chosen, regions = find_recipe(recipe), find_recipe(counted)
    shown: str | list[Finding]
    for shown in study(chosen, regions, methods, events, out, seed, variations, workers):
        if isinstance(shown, str):
            yield shown
            continue
        noted = _provenance(methods, events, recipe, counted, variations, seed)
        write(build(shown, (chosen.name, regions.name), events, noted), out)
    yield f"{out / 'report.html'}, {out / 'report.json'}"


def _provenance(
    methods: tuple[str, ...], events: int, recipe: str, counted: str, variations: tuple[str, ...],
    seed: int,
) -> dict[str, str]:  # fmt: skip
    """What the report says about its making; the same for any number of workers."""
    import shlex

    import blackett
    from blackett.alphag.evaluate import method_and_settings
    from blackett.alphag.reconstruction import settings_hash
    from blackett.alphag.simulation import find_recipe, recipe_hash

    words = ["blackett", "alphag", "systematics", "--methods", *methods]
    words += ["--events", str(events), "--recipe", Path(recipe).name]
    words += ["--counted", Path(counted).name, "--seed", str(seed)]
    words += ["--variations", *variations] if variations else []
    noted = {"version": blackett.__version__, "command": shlex.join(words), "seed": str(seed)}
    for name in (recipe, counted):
        noted[f"recipe {Path(name).name}"] = f"sha256 {recipe_hash(find_recipe(name))}"
    for method in methods:
        noted[f"settings {method}"] = f"sha256 {settings_hash(*method_and_settings(method))}"
    return noted

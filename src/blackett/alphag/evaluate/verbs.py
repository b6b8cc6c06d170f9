"""`blackett alphag evaluate`: a generator of what to show (see `blackett.cli`)."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.report import Report

__all__ = ["evaluate"]


def evaluate(
    files: Annotated[tuple[Path, ...], Positional, arg(metavar="EVENTS")],
    out: Path,
    methods: tuple[str, ...] = ("helix-hough", "helix-chain", "helix-robust"),
    vertices: UseAppendAction[tuple[str, ...]] = (),
    events: int | None = None,
    workers: int = 1,
    seed: int = 1,
) -> Iterator[Any]:
    """Compare methods of vertex reconstruction on the same simulated events; writes report.html
    and report.json.

    Args:
        files: Events with their truth: Parquet (ours, or the collaboration's point_cloud and
            target), or folders of it.
        out: Folder of the report.
        methods: Methods to run, NAME or NAME:PRESET; none with --methods alone.
        vertices: NAME=FILE, answers of another method for the same events in the same order: CSV
            of 'blackett alphag reconstruct', or with columns target,prediction (z, mm). May be
            repeated.
        events: Only so many, the first.
        workers: Processes.
        seed: Of the bootstrap and of the residuals drawn from the floor.
    """
    from blackett.alphag.evaluate import evaluate as run
    from blackett.report import write
    from blackett.seeds import generator

    named = dict(_named(text) for text in vertices)
    noted = _provenance(files, methods, named, events, seed)
    shown: str | Report
    for shown in run(files, methods, named, generator(seed), noted, events, workers):
        if isinstance(shown, str):
            yield shown
        else:
            yield from _headline(shown)
            write(shown, out)
    yield f"{out / 'report.html'}, {out / 'report.json'}"


def _named(text: str) -> tuple[str, Path]:
    from blackett.errors import InputError

    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise InputError(f"--vertices {text}: give NAME=FILE, as in --vertices pear=vertices.csv")
    return name, Path(file)


def _headline(report: Report) -> Iterator[str]:
    """A line for each method."""
    for name, found in report.data["methods"].items():
        efficiency, core, width, far = (
            found[key]["value"] for key in ("efficiency", "core_sigma_mm", "fwhm_mm", "beyond_50mm")
        )
        words = [f"{name:<14}"]
        words += ["-" if efficiency is None else f"efficiency {efficiency:.3f}"]
        words += ["" if core is None else f"core {core:.2f} mm"]
        words += ["" if width is None else f"FWHM {width:.1f} mm"]
        words += ["" if far is None else f"beyond 50 mm {100 * far:.1f} %"]
        yield "  ".join(filter(None, words))


def _provenance(
    files: Sequence[Path],
    methods: Sequence[str],
    named: dict[str, Path],
    events: int | None,
    seed: int,
) -> dict[str, str]:
    """What the report says about its making; the same for any number of workers."""
    import blackett
    from blackett.alphag.evaluate.sample import method_and_settings
    from blackett.alphag.formats import data_sha256
    from blackett.alphag.reconstruction import settings_hash

    command = ["blackett alphag evaluate", *(file.name for file in files)]
    command += ["--methods", *methods]
    command += [f"--vertices {name}={file.name}" for name, file in named.items()]
    command += [] if events is None else [f"--events {events}"]
    noted = {
        "version": blackett.__version__,
        "command": " ".join([*command, f"--seed {seed}"]),
        "seed": str(seed),
    }
    noted |= {f"data {file.name}": f"sha256 {data_sha256(file)}" for file in files}
    noted |= {f"vertices {name}": f"sha256 {data_sha256(file)}" for name, file in named.items()}
    for method in methods:
        noted[f"settings {method}"] = f"sha256 {settings_hash(*method_and_settings(method))}"
    return noted

"""`blackett alphag validate`: a generator of what to show (see `blackett.cli`)."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.report import Report

__all__ = ["validate"]


def validate(
    files: Annotated[tuple[Path, ...], Positional, arg(metavar="EVENTS")],
    out: Path,
    methods: tuple[str, ...] = ("helix-robust", "helix-chain"),
    cosmics: tuple[Path, ...] = (),
    reference: Path | None = None,
    events: int | None = None,
    workers: int = 1,
    seed: int = 1,
) -> Iterator[Any]:
    """Check vertices and tracks without truth: ring of the wall, edges along z, azimuth, muons as
    two tracks, methods against each other; writes report.html and report.json.

    Args:
        files: Events, measured or simulated: Parquet, ROOT, or folders of Parquet files.
        out: Folder of the report.
        methods: Methods to run, NAME or NAME:PRESET.
        cosmics: Files of cosmic muons for the split-track test; without, muons are looked for
            among the events.
        reference: The report.json of another run, as of simulated events: its numbers beside
            these.
        events: Only so many, the first.
        workers: Processes.
        seed: Of the bootstrap.
    """
    from blackett.alphag.formats import data_sha256
    from blackett.alphag.validate import validate as run
    from blackett.report import write
    from blackett.seeds import generator

    noted = _provenance(files, cosmics, methods, events, seed)
    if reference is not None:
        noted["reference"] = f"{reference.name}, sha256 {data_sha256(reference)}"
    rng = generator(seed)
    shown: str | Report
    for shown in run(files, methods, rng, noted, cosmics, events, workers, reference):
        if isinstance(shown, str):
            yield shown
        else:
            yield from _lines(shown)
            write(shown, out)
    yield f"{out / 'report.html'}, {out / 'report.json'}"


_SHOWN = ("radius_mm", "z_mm", "separation_mm", "resolution_d_mm", "resolution_z_mm",
          "core_sigma_mm")  # fmt: skip


def _lines(report: Report) -> Iterator[str]:
    """The main numbers of each check, one a line."""
    from blackett.report import Estimate

    for found in report.data["checks"]:
        if found["quantity"] in _SHOWN:
            known = [v if v is not None else float("nan") for v in found["estimate"].values()]
            words = str(Estimate(*known)) + (f"  [{found['note']}]" if known[0] != known[0] else "")
            yield f"{found['method']:<28} {found['where']:<36} {found['quantity']:<16} {words}"


def _provenance(
    files: Sequence[Path],
    cosmics: Sequence[Path],
    methods: Sequence[str],
    events: int | None,
    seed: int,
) -> dict[str, str]:
    """What the report says about its making; the same for any number of workers."""
    import blackett
    from blackett.alphag.evaluate import method_and_settings
    from blackett.alphag.formats import data_sha256
    from blackett.alphag.reconstruction import settings_hash

    command = ["blackett alphag validate", *(file.name for file in files)]
    command += ["--methods", *methods]
    command += ["--cosmics", *(file.name for file in cosmics)] if cosmics else []
    command += [] if events is None else [f"--events {events}"]
    noted = {
        "version": blackett.__version__,
        "command": " ".join([*command, f"--seed {seed}"]),
        "seed": str(seed),
    }
    noted |= {f"data {file.name}": f"sha256 {data_sha256(file)}" for file in (*files, *cosmics)}
    for method in methods:
        noted[f"settings {method}"] = f"sha256 {settings_hash(*method_and_settings(method))}"
    return noted

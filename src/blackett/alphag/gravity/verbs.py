"""`blackett alphag gravity`: a generator of what to show (see `blackett.cli`)."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blackett.alphag.gravity import Study
    from blackett.report import Report

__all__ = ["gravity"]


def gravity(
    sample: Annotated[tuple[Path, ...], arg(metavar="EVENTS")],
    out: Path,
    methods: tuple[str, ...] = ("helix-hough", "helix-robust"),
    a_g: float = 1.0,
    atoms_per_bias: float = 450.0,
    releases_per_bias: float = 5.0,
    calibration_atoms: float = 450.0,
    kept: float = 0.95,
    toys: int = 100,
    workers: int = 1,
    seed: int = 1,
) -> Iterator[Any]:
    """Error budget of the gravity measurement in units of g, by method of reconstruction; writes
    report.html and report.json.

    Args:
        sample: Simulated events with their truth, annihilations and cosmic muons: files or folders
            of 'blackett alphag simulate', as of its recipes wall (or disc) and cosmics.
        out: Folder of the report, and of each method's answers, which a second run does not make
            again.
        methods: Methods of reconstruction, NAME or NAME:PRESET; the first is the one that
            improvements are counted from.
        a_g: True gravity, in g.
        atoms_per_bias: Escaping atoms at each of 11 biases.
        releases_per_bias: Releases in which they come; each lets in 20 s of cosmic muons.
        calibration_atoms: Escaping atoms at -10 g, and as many at +10 g.
        kept: Share of the annihilations that the cut on cosmic muons keeps.
        toys: Toy campaigns fitted to check the fit.
        workers: Processes.
        seed: Of the toys.
    """
    from blackett.alphag.evaluate.sample import method_and_settings
    from blackett.alphag.gravity import Campaign, Priors, Selection, build, responses_of, study
    from blackett.errors import InputError
    from blackett.report import write
    from blackett.seeds import generator
    from blackett.shards import shard_folder

    if not methods or len(set(methods)) < len(methods):
        raise InputError(f"methods {list(methods)}: give at least one, none of them twice")
    for method in methods:
        method_and_settings(method)
    campaign = Campaign(
        atoms_per_bias=atoms_per_bias,
        releases_per_bias=releases_per_bias,
        calibration_atoms=calibration_atoms,
    )
    selection = Selection(kept=kept)
    noted = _provenance(sample, methods, campaign, selection, a_g, toys, seed)
    measured = []
    data_hash = " ".join(noted[f"data {path.name}"] for path in sample)
    for response in responses_of(sample, methods, selection, shard_folder(out), data_hash, workers):
        measured.append(response)
        yield f"{response.method}: response on {response.events} annihilations, " + (
            f"{response.muons} muons"
        )
    made = study(measured, campaign, Priors(), a_g, toys, generator(seed))
    report: Report = build(made, noted)
    yield from _headline(made)
    write(report, out)
    yield f"{out / 'report.html'}, {out / 'report.json'}"


def _headline(made: Study) -> Iterator[str]:
    """A line for each method."""
    for found in made.budgets:
        yield (
            f"{found.method:<14}  statistical {found.statistical:.3f}  efficiency "
            f"{found.alone['efficiency']:.3f}  detector {found.detector:.3f}  total "
            f"{found.total:.3f} g"
        )


def _provenance(
    sample: Sequence[Path],
    methods: Sequence[str],
    campaign: Any,
    selection: Any,
    a_g: float,
    toys: int,
    seed: int,
) -> dict[str, str]:
    """What the report says about its making; the same for any number of workers."""
    import blackett
    from blackett.alphag.evaluate.sample import method_and_settings
    from blackett.alphag.formats import data_sha256
    from blackett.alphag.reconstruction import settings_hash

    command = ["blackett alphag gravity --sample", *(path.name for path in sample), "--methods"]
    command += [*methods, f"--a-g {a_g:g} --atoms-per-bias {campaign.atoms_per_bias:g}"]
    command += [f"--releases-per-bias {campaign.releases_per_bias:g}"]
    command += [f"--calibration-atoms {campaign.calibration_atoms:g} --kept {selection.kept:g}"]
    noted = {
        "version": blackett.__version__,
        "command": " ".join([*command, f"--toys {toys} --seed {seed}"]),
        "seed": str(seed),
    }
    noted |= {f"data {path.name}": f"sha256 {data_sha256(path)}" for path in sample}
    for method in methods:
        noted[f"settings {method}"] = f"sha256 {settings_hash(*method_and_settings(method))}"
    return noted

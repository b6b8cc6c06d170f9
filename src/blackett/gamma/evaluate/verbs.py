"""What `blackett gamma evaluate` does (see `blackett.cli`)."""

from __future__ import annotations

import time
from collections.abc import Iterator  # noqa: TC003 (tyro reads the signature)
from pathlib import Path  # noqa: TC003
from typing import Any

from blackett.errors import InputError

__all__ = ["evaluate"]


def evaluate(
    out: Path,
    methods: tuple[str, ...] = ("hybrid", "unmix", "net", "nnls", "nearest", "peaks"),
    trials: int = 200,
    backgrounds: int = 1000,
    detections: int = 1000,
    detector: str = "radiacode-103",
    false_alarm: float = 0.01,
    stress: bool = True,
    stresses: int = 100,
    seed: int = 1,
    workers: int = 1,
    network: Path | None = None,
    vega: Path | None = None,
) -> Iterator[Any]:
    """Compare methods of identification on the same simulated spectra: report.html, report.json.

    A second run answers what is missing.

    Args:
        out: Folder of the report, and of the answers (`answers/`).
        methods: hybrid, unmix, net, vega, nnls, nearest, peaks; the first is shown in most detail.
        trials: Spectra in each suite of mixtures.
        backgrounds: Spectra of rooms alone, which set the thresholds.
        detections: Spectra of single sources, every source in turn.
        detector: Name of the instrument.
        false_alarm: Share of rooms alone with anything named, the same for all methods.
        stress: Also the suites with one condition moved.
        stresses: Spectra in each of these.
        seed: Reproduces the trials, whatever the number of workers.
        workers: Processes.
        network: Another network than the shipped one for net and hybrid: network.onnx of
            blackett gamma train.
        vega: The earlier network, as blackett gamma train --recipe vega.toml leaves it.
    """
    from blackett.gamma.evaluate import Files, evaluation_report, planned, run
    from blackett.report import write

    if backgrounds * false_alarm < 3:
        raise InputError(
            f"{backgrounds} backgrounds cannot set a threshold for a false-alarm share of "
            f"{false_alarm:g}: give at least {int(3 / false_alarm) + 1}"
        )
    stresses = stresses if stress else 0
    plan = planned(trials, backgrounds, detections, detector, seed, stresses)
    answers, files = out / "answers", Files(network, vega)
    warnings = files.warnings(methods)
    yield from (f"warning: {w}" for w in warnings)
    started = time.monotonic()
    for done, total in run(plan, methods, answers, workers, files):
        if done % 10 == 0 or done == total:
            yield f"{done} of {total} parts, {time.monotonic() - started:.0f} s"
    options = {
        "methods": " ".join(methods), "trials": trials, "backgrounds": backgrounds,
        "detections": detections, "detector": detector, "false-alarm": false_alarm, "seed": seed,
    }  # fmt: skip
    command = "blackett gamma evaluate " + " ".join(f"--{k} {v}" for k, v in options.items())
    command += f" --stresses {stresses}" if stress else " --no-stress"
    noted = _provenance(command, seed)
    noted |= {f"{m}_network": files.label(m) for m in methods if files.label(m) != m}
    noted |= {"warning": "; ".join(warnings)} if warnings else {}
    write(evaluation_report(plan, methods, answers, noted, false_alarm, files), out)
    yield f"{out / 'report.html'}"


def _provenance(command: str, seed: int) -> dict[str, str]:
    import blackett
    from blackett.gamma.sources import registry_hash

    return {
        "blackett_version": blackett.__version__,
        "command": command,
        "seed": str(seed),
        "registry_sha256": registry_hash(),
    }

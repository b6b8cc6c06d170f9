"""Trials put to methods, in processes, chunk by chunk; a second run answers what is missing."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from blackett.errors import InputError
from blackett.files import written_aside
from blackett.gamma.evaluate.answers import Answers, Files, families, method, places
from blackett.gamma.evaluate.plan import CHUNK, draw_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from blackett.arrays import FloatArray
    from blackett.gamma.evaluate.plan import Plan, Suite
    from blackett.gamma.trials import Trial

__all__ = ["Answered", "run"]

SHIPPED = Files()
"""The network that comes with the package answers."""
_ARRAYS = ("present", "net_counts", "live_time_s", "total_counts")


@dataclass(frozen=True)
class Answered:
    """A suite with its truth and all answers.

    `present` (n, F) bool and `net_counts` (n, F), expected counts above 33 keV by family of
    sources; `live_time_s` and `total_counts` (n,); `answers` by method.
    """

    present: np.ndarray
    net_counts: FloatArray
    live_time_s: FloatArray
    total_counts: FloatArray
    answers: Mapping[str, Answers]


def run(
    plan: Plan, methods: Sequence[str], folder: Path, workers: int = 1, files: Files = SHIPPED
) -> Iterator[tuple[int, int]]:
    """Answer what is missing in `folder`; yields chunks done and chunks in all.

    Raises InputError for an unknown method or one without its file, or fewer than one worker.
    """
    if workers < 1:
        raise InputError(f"{workers} workers: there must be one")
    for name in methods:
        method(name, files)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [
        (suite, chunk)
        for suite in plan.suites
        for chunk in range(-(-suite.trials // CHUNK))
        if _missing(plan, suite, chunk, [files.label(m) for m in methods], folder)
    ]
    total = sum(-(-suite.trials // CHUNK) for suite in plan.suites)
    yield total - len(wanted), total
    work = partial(_answer_chunk, plan, methods=tuple(methods), folder=folder, files=files)
    if workers == 1:
        for k, (suite, chunk) in enumerate(wanted, 1):
            work(suite, chunk)
            yield total - len(wanted) + k, total
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = [pool.submit(work, suite, chunk) for suite, chunk in wanted]
        for k, job in enumerate(as_completed(jobs), 1):
            job.result()
            yield total - len(wanted) + k, total


def collected(
    plan: Plan, suite: Suite, methods: Sequence[str], folder: Path, files: Files = SHIPPED
) -> Answered:
    """What `run` left of one suite.

    Raises InputError where chunks are missing, and where methods answered different spectra: those
    of a version that simulated otherwise.
    """
    truth: dict[str, list[np.ndarray]] = {name: [] for name in _ARRAYS}
    columns: dict[str, dict[str, list[np.ndarray]]] = {
        m: {f.name: [] for f in fields(Answers)} for m in methods
    }
    for chunk in range(-(-suite.trials // CHUNK)):
        try:
            with np.load(_truth_path(plan, suite, chunk, folder)) as kept:
                for name in _ARRAYS:
                    truth[name].append(kept[name])
                asked = _asked(kept)
            for m in methods:
                path = _path(plan, suite, chunk, files.label(m), folder)
                with np.load(path) as kept:
                    if _asked(kept) != asked:
                        raise InputError(
                            f"{path} answers other spectra than were drawn last: take another "
                            "folder, or remove this one"
                        )
                    for name, parts in columns[m].items():
                        parts.append(kept[name])
        except OSError as error:
            raise InputError(f"{suite.name}, chunk {chunk}: not answered yet") from error
    answers = {
        m: Answers(**{name: np.concatenate(parts) for name, parts in columns[m].items()})
        for m in methods
    }
    return Answered(**{n: np.concatenate(p) for n, p in truth.items()}, answers=answers)


# --- a chunk ---------------------------------------------------------------------


def _answer_chunk(
    plan: Plan, suite: Suite, chunk: int, methods: Sequence[str], folder: Path, files: Files
) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    trials = draw_chunk(plan, suite, chunk)
    truth = _truth(trials)
    _save(_truth_path(plan, suite, chunk, folder), truth)
    for name in methods:
        path = _path(plan, suite, chunk, files.label(name), folder)
        if not path.exists():
            answers = method(name, files)([t.spectrum for t in trials], suite.conditions.detector)
            made = {f.name: getattr(answers, f.name) for f in fields(Answers)}
            _save(path, made | {"spectra": truth["spectra"]})


def _truth(trials: Sequence[Trial]) -> dict[str, np.ndarray]:
    present = np.zeros((len(trials), len(families())), dtype=bool)
    net = np.zeros(present.shape)
    for i, trial in enumerate(trials):
        columns = places(trial.present)
        present[i, columns] = True
        np.add.at(net[i], columns, trial.net_counts)
    return {
        "present": present,
        "net_counts": net,
        "live_time_s": np.array([t.spectrum.live_time_s for t in trials]),
        "total_counts": np.array([float(t.spectrum.total_counts) for t in trials]),
        "spectra": np.array(_hash_of(trials)),
    }


def _hash_of(trials: Sequence[Trial]) -> str:
    """Hash of the counts of all spectra of a chunk."""
    return hashlib.sha256(b"".join(t.spectrum.counts.tobytes() for t in trials)).hexdigest()


def _asked(kept: Mapping[str, np.ndarray]) -> str:
    """Hash of the spectra that a file is about; of none before hashes were kept."""
    return str(kept["spectra"]) if "spectra" in kept else ""


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file that a killed run leaves whole, or not at all."""
    with written_aside(path) as aside:
        np.savez_compressed(aside, **arrays)  # type: ignore[arg-type]


def _missing(plan: Plan, suite: Suite, chunk: int, labels: Sequence[str], folder: Path) -> bool:
    paths = [_path(plan, suite, chunk, label, folder) for label in labels]
    return not all(p.exists() for p in (_truth_path(plan, suite, chunk, folder), *paths))


def _key(plan: Plan, suite: Suite) -> str:
    """Changes with the seed, the suite and its place in the plan, on which its trials depend."""
    text = f"{plan.seed} {plan.suites.index(suite)} {suite!r} {families()}"
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _truth_path(plan: Plan, suite: Suite, chunk: int, folder: Path) -> Path:
    return folder / f"{suite.name}-{_key(plan, suite)}-{chunk:04d}-truth.npz"


def _path(plan: Plan, suite: Suite, chunk: int, label: str, folder: Path) -> Path:
    return folder / f"{suite.name}-{_key(plan, suite)}-{chunk:04d}-{label}.npz"

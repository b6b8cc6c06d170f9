"""Simulated data sets on disk: a folder of Parquet shards that say how they were made.

    for batch in read_dataset("training"): ...

A row is a spectrum: raw counts, times, the stored energy axis, the background recorded with it,
and the truth (scenario, sources with activity and expected net counts). A row group is a batch. A
shard depends on the seed, its number and the recipe alone.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blackett.errors import FileFormatError, InputError
from blackett.files import write_whole
from blackett.gamma.batches import ARRAYS, SpectrumBatch
from blackett.gamma.devices import MOST_CHANNELS
from blackett.gamma.mixtures import simulate
from blackett.gamma.sources import observable_sources, registry_hash
from blackett.recipes import settings_hash
from blackett.seeds import numbered
from blackett.shards import completed, planned_shards, shard_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blackett.gamma.recipe import TrainingRecipe
    from blackett.gamma.spectrum import Spectrum
    from blackett.shards import Shard

__all__ = ["Sample", "dataset_metadata", "made_shard", "read_dataset", "read_slices",
           "write_dataset"]  # fmt: skip

SHARD_SPECTRA = 4096
MOST_SLICES = 86_400
_LISTED = ("activity_bq", "expected_net", "present")
_WIDE = {"counts": MOST_CHANNELS, "background": MOST_CHANNELS, "coefficients_kev": 3}


@dataclass(frozen=True)
class Sample:
    """What a data set is made of. Raises InputError for numbers that make no sense.

    `measured` is a recorded background for the rooms. With `slices`, the counts of each spectrum
    are also told apart by time, in so many equal parts of its duration.
    """

    recipe: TrainingRecipe
    spectra: int
    seed: int = 1
    detector: str | None = None
    measured: Spectrum | None = None
    slices: int = 0
    shard_spectra: int = SHARD_SPECTRA

    def __post_init__(self) -> None:
        if self.spectra < 1 or self.shard_spectra < 1:
            raise InputError(
                f"{self.spectra} spectra in shards of {self.shard_spectra}: give at least 1"
            )
        if not 0 <= self.slices <= MOST_SLICES:
            raise InputError(f"{self.slices} slices: give 0 (none) to {MOST_SLICES}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed {self.seed}: give a number from 0 to 2^63 - 1")


# --- writing -----------------------------------------------------------------------------


def write_dataset(
    folder: str | Path,
    sample: Sample,
    metadata: Mapping[str, str],
    workers: int = 1,
    cluster: str = "",
) -> Iterator[tuple[Shard, bool]]:
    """Make the shards that are missing; yields each as it is done, and whether it was made now.

    `metadata` is what every shard says about its making. Work is done in `workers` processes, or by
    the Dask cluster whose scheduler is at `cluster`; the bytes are the same. Raises InputError for
    a folder that holds shards of another recipe, seed or version, and as `shards.completed`.
    """
    place = shard_folder(folder)
    missing = []
    for shard in planned_shards(sample.spectra, sample.shard_spectra):
        if _is_done(place / shard.name, shard, metadata):
            yield shard, False
        else:
            missing.append(shard)
    job = _Job(sample, dict(metadata))
    for shard, data in completed(job, missing, workers, cluster):
        write_whole(place / shard.name, data)
        yield shard, True


@dataclass(frozen=True)
class _Job:
    """The work on one shard, as it travels to another process."""

    sample: Sample
    metadata: dict[str, str]

    def __call__(self, shard: Shard) -> bytes:
        return made_shard(self.sample, self.metadata, shard)


def made_shard(sample: Sample, metadata: Mapping[str, str], shard: Shard) -> bytes:
    """One shard as the bytes of its file."""
    rng = numbered(sample.seed, shard.index)
    noted = {**metadata, "shard": str(shard.index), "first_spectrum": str(shard.first)}
    buffer = io.BytesIO()
    writer = None
    for batch in simulate(sample.recipe, shard.count, rng, sample.detector, sample.measured):
        table = _table(batch)
        if sample.slices:
            parts = _sliced(batch.counts, sample.slices, rng)
            table = table.append_column("slices", parts)
        if writer is None:
            schema = table.schema.with_metadata(noted)
            writer = pq.ParquetWriter(buffer, schema, compression="zstd", use_dictionary=False)
        writer.write_table(table.cast(writer.schema))
    if writer is not None:
        writer.close()
    return buffer.getvalue()


def _table(batch: SpectrumBatch) -> pa.Table:
    columns: dict[str, Any] = {"detector": pa.array([batch.detector] * len(batch))}
    for name in ARRAYS:
        values = getattr(batch, name)
        if name in _WIDE:
            columns[name] = _fixed(values)
        elif name not in _LISTED:
            columns[name] = pa.array(values)
    row, source = np.nonzero((batch.activity_bq > 0.0) | batch.present)
    offsets = pa.array(np.searchsorted(row, np.arange(len(batch) + 1)).astype(np.int32))
    columns["source"] = pa.ListArray.from_arrays(offsets, pa.array(source.astype(np.int16)))
    for name in _LISTED:
        values = pa.array(getattr(batch, name)[row, source])
        columns[name] = pa.ListArray.from_arrays(offsets, values)
    return pa.table(columns)


def _fixed(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _sliced(counts: np.ndarray, slices: int, rng: np.random.Generator) -> pa.Array:
    """Counts by time, (slices x channels) for each spectrum: each count at any time alike."""
    shares = np.full(slices, 1.0 / slices)
    parts = [
        rng.multinomial(row, shares).T.astype(np.int32).ravel() if row.any()
        else np.zeros(slices * row.size, np.int32)
        for row in counts
    ]  # fmt: skip
    return _fixed(np.array(parts))


def _is_done(path: Path, shard: Shard, metadata: Mapping[str, str]) -> bool:
    if not path.exists():
        return False
    try:
        with _opened(path) as file:
            noted, count = _noted(file), file.metadata.num_rows
    except FileFormatError:
        return False  # half a file of another program: made anew
    different = [k for k, value in metadata.items() if k != "command" and noted.get(k) != value]
    if different or count != shard.count:
        raise InputError(
            f"{path} is there already, of {count} spectra and with other "
            f"{different or 'length'}: give another folder, or remove it"
        )
    return True


def dataset_metadata(sample: Sample, command: str, version: str) -> dict[str, str]:
    """What every shard says about its making: the same for any number of workers."""
    import hashlib

    background = "none"
    if sample.measured is not None:
        background = hashlib.sha256(sample.measured.counts.tobytes()).hexdigest()
    return {
        "blackett_version": version,
        "command": command,
        "seed": str(sample.seed),
        "detector": sample.detector or " ".join(sample.recipe.detectors),
        "shard_spectra": str(sample.shard_spectra),
        "slices": str(sample.slices),
        "recipe": sample.recipe.name,
        "recipe_sha256": settings_hash(sample.recipe),
        "scenarios": json.dumps([s.name for s in sample.recipe.scenarios]),
        "measured_background_sha256": background,
        "sources": json.dumps([s.name for s in observable_sources()]),
        "registry_sha256": registry_hash(),
    }


# --- reading -----------------------------------------------------------------------------


def read_dataset(path: str | Path) -> Iterator[SpectrumBatch]:
    """The batches of a data set: a folder of shards in order, or one file.

    Raises FileFormatError for a folder without shards, a file that is no shard, or one made with
    another list of sources than this version has.
    """
    for file, _ in _files(path):
        names = tuple(json.loads(_noted(file).get("sources", "[]")))
        registry = _noted(file)["registry_sha256"]
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            yield _batch(table, names, registry)


def read_slices(path: str | Path) -> Iterator[np.ndarray]:
    """Counts by time, (n, slices, 1024) int32 for each batch of `read_dataset`.

    Raises FileFormatError as `read_dataset`, and for a data set without slices.
    """
    for file, name in _files(path):
        if "slices" not in file.schema_arrow.names:
            raise FileFormatError(name, "", "holds no time slices: simulate with --slices")
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, ["slices"])["slices"].combine_chunks()
            yield _values(column).reshape(len(column), -1, MOST_CHANNELS)


def _files(path: str | Path) -> Iterator[tuple[pq.ParquetFile, str]]:
    place = Path(path)
    names = sorted(place.glob("shard-*.parquet")) if place.is_dir() else [place]
    if not names:
        raise FileFormatError(str(path), "", "the folder holds no shard-*.parquet file")
    for name in names:
        with _opened(name) as file:
            if _noted(file).get("registry_sha256") != registry_hash():
                raise FileFormatError(
                    str(name), "registry_sha256",
                    "the sources are not those of this version: simulate anew",
                )  # fmt: skip
            yield file, str(name)


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise FileFormatError(str(path), "", "there is no such file") from error
    except (pa.ArrowException, OSError) as error:
        raise FileFormatError(str(path), "", f"is not a Parquet file: {error}") from error


def _noted(file: pq.ParquetFile) -> dict[str, str]:
    noted = file.schema_arrow.metadata or {}
    return {k.decode(): v.decode() for k, v in noted.items() if not k.startswith(b"ARROW")}


def _batch(table: pa.Table, sources: tuple[str, ...], registry: str) -> SpectrumBatch:
    n = table.num_rows
    arrays: dict[str, Any] = {}
    for name in ARRAYS:
        if name in _WIDE:
            arrays[name] = _values(table[name].combine_chunks()).reshape(n, _WIDE[name])
        elif name not in _LISTED:
            arrays[name] = table[name].to_numpy()
    listed = table["source"].combine_chunks()
    offsets = listed.offsets.to_numpy()
    at = np.repeat(np.arange(n), np.diff(offsets)), _values(listed)
    for name in _LISTED:
        arrays[name] = np.zeros((n, len(sources)), ARRAYS[name])
        arrays[name][at] = _values(table[name].combine_chunks())
    return SpectrumBatch(
        **arrays,
        detector=table["detector"][0].as_py(),
        sources=sources,
        registry_sha256=registry,
    )


def _values(column: pa.Array) -> np.ndarray:
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False))

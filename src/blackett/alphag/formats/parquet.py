"""Events as Parquet: the collaboration's public columns first, ours beside them.

Public: `target`, fixed list of 3 float32 (vertex, mm; nan for a cosmic muon), `point_cloud`, list
of fixed lists of 3 float32 (mm), `label`, float32 (1 signal, 0 cosmic). Ours: `event`, `trigger`,
`time_s`, and lists named `point_...`, `bar_...` and `track_...` after the columns of
`event.SpacePoints`, `event.BarHits` and `event.TruthTracks`. A file with the public columns alone
can be read; what it does not hold is nan, or -1 for numbers of channels and tracks.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blackett.alphag.event import BarHits, EventBatch, SpacePoints, TruthTracks
from blackett.errors import FileFormatError, InputError
from blackett.files import written_aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from blackett.arrays import FloatArray, IntArray

__all__ = ["parquet_events", "parquet_metadata", "read_parquet", "write_parquet"]

_ROWS = 4096  # events read at a time
_VECTOR = pa.list_(pa.float32(), 3)
_XYZ = ("x_mm", "y_mm", "z_mm")


def write_parquet(
    path: str | Path, batches: Iterable[EventBatch], metadata: Mapping[str, str] | None = None
) -> int:
    """Write batches one after the other, each a row group; returns the number of events.

    Memory is that of one batch. All batches must have truth, or none. The file appears whole or not
    at all. Raises `InputError` if there is no batch.
    """
    count = 0
    with written_aside(path) as aside, _writer(aside, metadata or {}) as write:
        for batch in batches:
            write(_table(batch))
            count += len(batch)
        if not count:
            raise InputError(f"{path}: no event to write")
    return count


@contextmanager
def _writer(path: Path, metadata: Mapping[str, str]) -> Iterator[Any]:
    writer: pq.ParquetWriter | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer
        if writer is None:
            schema = table.schema.with_metadata(dict(metadata))
            writer = pq.ParquetWriter(
                path,
                schema,
                compression="snappy",
                use_dictionary=False,
                column_encoding=_encodings(schema),
                write_statistics=[c.name for c in schema if not pa.types.is_nested(c.type)],
            )
        if table.schema.names != writer.schema.names:
            raise InputError("some events have truth and some have not: write them to two files")
        writer.write_table(table.cast(writer.schema))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _encodings(schema: pa.Schema) -> dict[str, str]:
    """Bytes of numbers split by place, which compresses better by a quarter."""
    encodings = {}
    for column in schema:
        kind, path = column.type, column.name
        while pa.types.is_nested(kind):
            kind, path = kind.value_type, path + ".list.element"
        if pa.types.is_floating(kind):
            encodings[path] = "BYTE_STREAM_SPLIT"
    return encodings


def _table(batch: EventBatch) -> pa.Table:
    columns: dict[str, pa.Array] = {"event": pa.array(batch.number)}
    if batch.vertex_mm is not None and batch.cosmic is not None:
        columns["target"] = _vectors(batch.vertex_mm)
        columns["label"] = pa.array(np.where(batch.cosmic, 0, 1).astype(np.float32))
        columns["time_s"] = pa.array(batch.time_s)
    columns["point_cloud"] = _lists(batch.point_offset, batch.points.xyz_mm)
    columns["trigger"] = pa.array(batch.trigger)
    columns |= _columns("point", batch.point_offset, batch.points, skip=_XYZ)
    columns |= _columns("bar", batch.bar_offset, batch.bars)
    if batch.tracks is not None and batch.track_offset is not None:
        columns |= _columns("track", batch.track_offset, batch.tracks)
    return pa.table(columns)


def _columns(
    prefix: str,
    offset: IntArray,
    table: SpacePoints | BarHits | TruthTracks,
    skip: tuple[str, ...] = (),
) -> dict[str, pa.Array]:
    names = [name for name in table.names() if name not in skip]
    return {f"{prefix}_{name}": _lists(offset, getattr(table, name)) for name in names}


def _vectors(values: FloatArray) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, type=_VECTOR)


def _lists(offset: IntArray, values: np.ndarray) -> pa.Array:
    inner = _vectors(values) if values.ndim == 2 else pa.array(values)
    return pa.ListArray.from_arrays(pa.array(offset.astype(np.int32)), inner)


def parquet_metadata(path: str | Path) -> dict[str, str]:
    """What the writer noted about the file; raises `FileFormatError` if it is no Parquet."""
    with _opened(path) as file:
        noted = file.schema_arrow.metadata or {}
        return {k.decode(): v.decode() for k, v in noted.items() if not k.startswith(b"ARROW")}


def parquet_events(path: str | Path) -> int:
    """Number of events in a file; raises `FileFormatError` if it is no Parquet."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def read_parquet(path: str | Path) -> Iterator[EventBatch]:
    """Events of a file in batches of up to 4096.

    Raises `FileFormatError` if it is no Parquet, has no `point_cloud`, or a column of another type.
    """
    with _opened(path) as file:
        _check_schema(str(path), file.schema_arrow)
        first = 0
        for record in file.iter_batches(_ROWS):
            yield _checked(str(path), record, first)
            first += record.num_rows


@contextmanager
def _opened(path: str | Path) -> Iterator[pq.ParquetFile]:
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise FileFormatError(str(path), "", "there is no such file") from error
    except (pa.ArrowException, OSError) as error:
        raise FileFormatError(str(path), "", f"is not a Parquet file: {error}") from error
    with file:
        try:
            yield file
        except (pa.ArrowException, OSError) as error:
            raise FileFormatError(str(path), "", f"is damaged: {error}") from error


def _checked(path: str, record: pa.RecordBatch, first: int) -> EventBatch:
    try:
        return _batch(path, record, first)
    except (TypeError, ValueError) as error:
        raise FileFormatError(path, "", f"holds columns that do not fit: {error}") from error


def _check_schema(path: str, schema: pa.Schema) -> None:
    if "point_cloud" not in schema.names:
        raise FileFormatError(path, "columns", "must have point_cloud (lists of x, y, z in mm)")
    kind = schema.field("point_cloud").type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (lists and _is_vector(kind.value_type)):
        raise FileFormatError(path, "point_cloud", f"must hold lists of 3 numbers, not {kind}")
    if "target" in schema.names and not _is_vector(schema.field("target").type):
        raise FileFormatError(path, "target", "must hold 3 numbers (x, y, z in mm)")


def _is_vector(kind: Any) -> bool:
    if pa.types.is_fixed_size_list(kind):
        return bool(kind.list_size == 3 and pa.types.is_floating(kind.value_type))
    return bool(pa.types.is_list(kind) and pa.types.is_floating(kind.value_type))


def _batch(path: str, record: pa.RecordBatch, first: int) -> EventBatch:
    n = record.num_rows
    names = set(record.schema.names)
    offset, xyz = _unlisted(path, "point_cloud", record.column("point_cloud"))
    given = dict(zip(_XYZ, xyz.reshape(-1, 3).T, strict=True))
    points = _rows(path, record, "point", SpacePoints, offset, given)
    bar_offset = np.zeros(n + 1, np.int64)
    if "bar_bar" in names:
        bar_offset, _ = _unlisted(path, "bar_bar", record.column("bar_bar"))
    bars = _rows(path, record, "bar", BarHits, bar_offset, {})
    number = record.column("event").to_numpy() if "event" in names else np.arange(first, first + n)
    trigger = record.column("trigger").to_numpy() if "trigger" in names else np.full(n, -1)
    truth = _truth(path, record) if "target" in names else ()
    return EventBatch(number, offset, points, bar_offset, bars, trigger, *truth)


def _truth(path: str, record: pa.RecordBatch) -> tuple[Any, ...]:
    n, names = record.num_rows, record.schema.names
    target = record.column("target")
    flat = np.asarray(target.flatten().to_numpy(zero_copy_only=False), np.float32)
    if target.null_count or flat.size != 3 * n:
        raise FileFormatError(path, "target", "must hold 3 numbers in every row")
    vertex = flat.reshape(-1, 3)
    time = record.column("time_s").to_numpy() if "time_s" in names else np.full(n, np.nan)
    cosmic = np.zeros(n, bool)
    if "label" in names:
        label = record.column("label").to_numpy(zero_copy_only=False)
        cosmic = np.asarray(label, np.float32) == 0
    offset = np.zeros(n + 1, np.int64)
    if "track_pdg" in names:
        offset, _ = _unlisted(path, "track_pdg", record.column("track_pdg"))
    return vertex, time, cosmic, offset, _rows(path, record, "track", TruthTracks, offset, {})


def _rows(
    path: str,
    record: pa.RecordBatch,
    prefix: str,
    kind: Any,
    offset: IntArray,
    given: dict[str, Any],
) -> Any:
    """A table of `event` from the columns that are there; the others are unknown."""
    columns, rows = dict(given), int(offset[-1])
    for name in kind.names():
        if name in columns:
            continue
        if f"{prefix}_{name}" in record.schema.names:
            found, values = _unlisted(path, f"{prefix}_{name}", record.column(f"{prefix}_{name}"))
            if not np.array_equal(found, offset):
                raise FileFormatError(path, f"{prefix}_{name}", "is not as long as its neighbours")
            columns[name] = values.reshape(-1, 3) if name in kind.VECTORS else values
        else:
            shape = (rows, 3) if name in kind.VECTORS else (rows,)
            columns[name] = np.full(shape, -1 if name in kind.KINDS else np.nan)
    return kind(**columns)


def _unlisted(path: str, name: str, column: pa.Array) -> tuple[IntArray, np.ndarray]:
    """Offsets from 0 and the flat values of a column of lists."""
    if column.null_count:
        raise FileFormatError(path, name, "must have a list in every row")
    offset = column.offsets.to_numpy().astype(np.int64)
    values = column.flatten()
    if values.null_count:
        raise FileFormatError(path, name, "must not hold empty values")
    if pa.types.is_nested(values.type):
        values = values.flatten()
    offset = offset - offset[0]
    array = values.to_numpy(zero_copy_only=False)
    if pa.types.is_nested(column.type.value_type) and array.size != 3 * offset[-1]:
        raise FileFormatError(path, name, "must hold 3 numbers for each point")
    return offset, array

"""Event files: round trips, the public schema, streaming, damage, shards, vertices, ROOT."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blackett.alphag import formats
from blackett.alphag.event import BarHits, EventBatch, SpacePoints, TruthTracks
from blackett.alphag.formats import VertexTable
from blackett.errors import FileFormatError, InputError, MissingExtraError
from blackett.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blackett.alphag.formats.shards import Shard


def batch(n: int = 7, seed: int = 1, first: int = 0, truth: bool = True) -> EventBatch:
    rng = generator(seed)
    lengths = [rng.integers(0, k, n) for k in (9, 4, 5)]
    offsets = [np.concatenate([[0], np.cumsum(length)]) for length in lengths]
    rows = [int(offset[-1]) for offset in offsets]
    columns = [rng.normal(0, 100, rows[0]) for _ in range(9)]
    points = SpacePoints(*columns, rng.integers(0, 256, rows[0]), rng.integers(-1, 3, rows[0]))
    bars = BarHits(rng.integers(0, 64, rows[1]), *(rng.random(rows[1]) for _ in range(4)))
    tracks = TruthTracks(
        rng.integers(-300, 300, rows[2]), rng.integers(0, 7, rows[2]),
        *(rng.normal(0, 50, (rows[2], 3)) for _ in range(4)), rng.random(rows[2]),
    )  # fmt: skip
    known = (rng.normal(0, 9, (n, 3)), rng.random(n), rng.random(n) < 0.5, offsets[2], tracks)
    return EventBatch(
        np.arange(first, first + n), offsets[0], points, offsets[1], bars,
        rng.integers(0, 1 << 16, n), *(known if truth else ()),
    )  # fmt: skip


def assert_same(one: EventBatch, other: EventBatch) -> None:
    for name in (
        "number",
        "point_offset",
        "bar_offset",
        "trigger",
        "vertex_mm",
        "time_s",
        "cosmic",
    ):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for table in ("points", "bars", "tracks"):
        a, b = getattr(one, table), getattr(other, table)
        assert (a is None) == (b is None)
        for name in a.names() if a is not None else ():
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.mark.parametrize("truth", [True, False])
def test_parquet_round_trip_is_exact(tmp_path: Path, truth: bool) -> None:
    before = batch(40, truth=truth)
    path = tmp_path / "events.parquet"
    assert formats.write_parquet(path, [before], {"seed": "1"}) == 40
    (after,) = list(formats.read_batches(path))
    assert_same(before, after)
    assert formats.parquet_metadata(path) == {"seed": "1"}
    assert formats.parquet_events(path) == 40
    events = list(formats.read(path))
    assert events[3].number == 3
    assert (events[3].truth is not None) == truth


def test_several_batches_are_one_file_and_a_folder_is_read_in_order(tmp_path: Path) -> None:
    for k in range(3):
        parts = [batch(5, 10 * k, 10 * k), batch(5, 10 * k + 1, 10 * k + 5)]
        formats.write_parquet(tmp_path / f"{k}.parquet", parts)
    assert [event.number for event in formats.read(tmp_path)] == list(range(30))


def test_files_that_are_still_being_written_are_no_part_of_a_folder(tmp_path: Path) -> None:
    formats.write_parquet(tmp_path / "a.parquet", [batch(2)])
    (tmp_path / ".b.1a2b3c.parquet").touch()
    assert [len(part) for part in formats.read_batches(tmp_path)] == [2]


def test_public_columns_are_as_published(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    formats.write_parquet(path, [batch()])
    schema = pq.read_schema(path)
    assert schema.field("target").type == pa.list_(pa.float32(), 3)
    assert schema.field("point_cloud").type == pa.list_(pa.list_(pa.float32(), 3))
    assert schema.field("label").type == pa.float32()


def test_a_file_of_the_collaboration_is_read(tmp_path: Path) -> None:
    vector = pa.list_(pa.float32(), 3)
    clouds = [[[100.0, 50.0, 3.0], [120.0, 60.0, 4.0]], [], [[1.0, 2.0, 3.0]]]
    table = pa.table(
        {
            "target": pa.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], vector),
            "point_cloud": pa.array(clouds, pa.list_(vector)),
            "label": pa.array([1.0, 0.0, 1.0], pa.float32()),
        }
    )
    path = tmp_path / "theirs.parquet"
    pq.write_table(table, path)
    events = list(formats.read(path))
    assert [len(event) for event in events] == [2, 0, 1]
    np.testing.assert_array_equal(events[0].points.xyz_mm, clouds[0])
    assert np.isnan(events[0].points.sigma_z_mm).all()
    assert (events[0].points.wire == -1).all()
    truths = [event.truth for event in events]
    assert [truth is not None and truth.cosmic for truth in truths] == [False, True, False]
    pq.write_table(table.select(["point_cloud"]), path)
    assert [event.truth for event in formats.read(path)] == [None] * 3


@pytest.mark.parametrize("drop", ["point_sigma_z_mm", "event", "bar_bar", "track_pdg", "time_s"])
def test_our_columns_may_be_missing(tmp_path: Path, drop: str) -> None:
    path = tmp_path / "events.parquet"
    formats.write_parquet(path, [batch()])
    table = pq.read_table(path)
    prefix = drop.split("_")[0] if drop.startswith(("bar", "track")) else drop
    kept = [n for n in table.schema.names if not n.startswith(prefix)]
    pq.write_table(table.select(kept), path)
    assert len(list(formats.read(path))) == 7


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    with pytest.raises(FileFormatError, match="cannot be opened"):
        list(formats.read(path))
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(FileFormatError, match="not a Parquet file"):
        list(formats.read(path))
    formats.write_parquet(path, [batch(50)])
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[200:4000] = bytes(len(broken[200:4000]))
    path.write_bytes(bytes(broken))
    with pytest.raises(FileFormatError, match=r"events\.parquet"):
        list(formats.read(path))
    with pytest.raises(FileFormatError, match=r"no \*\.parquet"):
        (tmp_path / "empty").mkdir()
        list(formats.read(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("column", "kind", "rule"),
    [
        ("point_cloud", pa.list_(pa.float32()), "lists of 3 numbers"),
        ("point_cloud", pa.string(), "lists of 3 numbers"),
        ("other", pa.list_(pa.float32()), "must have point_cloud"),
    ],
)
def test_other_columns_are_refused(
    tmp_path: Path, column: str, kind: pa.DataType, rule: str
) -> None:
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({column: pa.array([None], kind)}), path)
    with pytest.raises(FileFormatError, match=rule):
        list(formats.read(path))


@pytest.mark.parametrize(
    ("name", "values"),
    [("event", ["a"]), ("trigger", ["b"]), ("point_track", [["c"]]), ("label", ["signal"])],
)
def test_columns_of_strange_types_are_refused(
    tmp_path: Path, name: str, values: list[object]
) -> None:
    path = tmp_path / "events.parquet"
    vector = pa.list_(pa.float32(), 3)
    table = {
        "point_cloud": pa.array([[[1.0, 2.0, 3.0]]], pa.list_(vector)),
        "target": pa.array([[1.0, 2.0, 3.0]], vector),
        name: pa.array(values),
    }
    pq.write_table(pa.table(table), path)
    with pytest.raises(FileFormatError, match="do not fit"):
        list(formats.read(path))


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        formats.write_parquet(tmp_path / "none" / "events.parquet", [batch()])
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be made a folder"):
        list(formats.write_shards(tmp_path / "file", formats.planned_shards(1, 1), make_shard, {}))


def test_clouds_of_two_numbers_a_point_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    cloud = pa.array([[[1.0, 2.0]]], pa.list_(pa.list_(pa.float64())))
    pq.write_table(pa.table({"point_cloud": cloud}), path)
    with pytest.raises(FileFormatError, match="3 numbers for each point"):
        list(formats.read(path))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    formats.write_parquet(path, [batch(3)])
    before = path.read_bytes()

    def failing() -> Iterator[EventBatch]:
        yield batch(3)
        raise InputError("stop")

    for bad in (failing(), iter(()), iter([batch(2), batch(2, truth=False)])):
        with pytest.raises(InputError):
            formats.write_parquet(path, bad)
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["events.parquet"]


def test_a_long_stream_needs_the_memory_of_a_batch(tmp_path: Path) -> None:
    """Of 40 batches of 3.4 MB no more than three live at a time, in Python and in Arrow."""
    path, arrow_bytes = tmp_path / "long.parquet", []
    start = pa.total_allocated_bytes()
    seen: list[weakref.ref[EventBatch]] = []

    def live(new: EventBatch) -> int:
        seen.append(weakref.ref(new))
        return sum(reference() is not None for reference in seen)

    def watched() -> Iterator[EventBatch]:
        for _ in range(40):
            made = wide_batch()
            assert live(made) <= 3
            arrow_bytes.append(pa.total_allocated_bytes() - start)
            yield made

    assert formats.write_parquet(path, watched()) == 8000
    assert max(arrow_bytes) < 3 * 3.4e6
    read = 0
    for part in formats.read_batches(path):
        assert live(part) <= 3
        read += len(part)
    assert read == 8000


def wide_batch() -> EventBatch:
    """200 events of 400 points."""
    rows = 200 * 400
    points = SpacePoints(*[np.zeros(rows, np.float32)] * 9, np.zeros(rows), np.zeros(rows))
    offset = np.arange(201) * 400
    return EventBatch(np.arange(200), offset, points, np.zeros(201), BarHits.empty(), np.zeros(200))


def test_vertices_round_trip_in_metres(tmp_path: Path) -> None:
    path = tmp_path / "R1_vertices.csv"
    position = np.array([[1.5, -2.25, 300.0], [np.nan] * 3, [0.0, 0.0, -1000.0]])
    before = VertexTable(np.array([1, 5, 9]), np.array([0.25, 1.5, 2.0]), position)
    formats.write_vertices(path, before, ["made by a test"])
    lines = path.read_text().splitlines()
    assert lines[0] == "# made by a test"
    assert lines[1] == "serial_number,trg_time,reconstructed_x,reconstructed_y,reconstructed_z"
    assert lines[3] == "5,1.5,,,"
    after = formats.read_vertices(path)
    np.testing.assert_allclose(after.position_mm, position)
    np.testing.assert_array_equal(after.serial_number, [1, 5, 9])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "no header"),
        ("serial_number,trg_time\n", "lacks the columns"),
        ("HEAD\n1,0.5,x,0,0\n", "line 2: has a cell"),
        ("HEAD\n1,0.5,1,,0\n", "all of x, y, z"),
        ("HEAD\n1.5,0.5,1,1,0\n", "whole serial number"),
        ("HEAD\n1,,1,1,0\n", "needs a whole serial number and a time"),
        ("HEAD\n1\n", "line 2"),
    ],
)
def test_bad_vertices_name_the_line(tmp_path: Path, text: str, rule: str) -> None:
    head = "serial_number,trg_time,reconstructed_x,reconstructed_y,reconstructed_z"
    path = tmp_path / "v.csv"
    path.write_text(text.replace("HEAD", head))
    with pytest.raises(FileFormatError, match=rule):
        formats.read_vertices(path)


def make_shard(shard: Shard) -> Iterator[EventBatch]:
    yield batch(shard.count, shard.index, shard.first)


def test_shards_are_made_once_and_checked(tmp_path: Path) -> None:
    shards = formats.planned_shards(25, 10)
    assert [s.count for s in shards] == [10, 10, 5]
    noted = {"seed": "1"}
    assert [fresh for _, fresh in formats.write_shards(tmp_path, shards, make_shard, noted)] == [
        True
    ] * 3
    (tmp_path / "shard-00001.parquet").unlink()
    again = dict(formats.write_shards(tmp_path, shards, make_shard, noted))
    assert [again[s] for s in shards] == [False, True, False]
    assert [event.number for event in formats.read(tmp_path)] == list(range(25))
    with pytest.raises(InputError, match=r"is there already.*seed"):
        list(formats.write_shards(tmp_path, shards, make_shard, {"seed": "2"}))
    with pytest.raises(InputError, match="workers"):
        list(formats.write_shards(tmp_path, shards, make_shard, noted, workers=0))
    with pytest.raises(InputError, match="at least 1"):
        formats.planned_shards(0, 10)


def test_half_a_file_is_made_anew(tmp_path: Path) -> None:
    shards = formats.planned_shards(5, 5)
    (tmp_path / shards[0].name).write_bytes(b"PAR1")
    assert [fresh for _, fresh in formats.write_shards(tmp_path, shards, make_shard, {})] == [True]


def root_file(path: Path, prefix: str = "", drop: str = "") -> None:
    reason = "needs uproot and awkward, absent here: pip install 'blackett[root]'"
    uproot = pytest.importorskip("uproot", reason=reason)
    ak = pytest.importorskip("awkward", reason=reason)
    columns = {
        "fEventNumber": np.array([4, 5, 6], np.int32),
        "fx": ak.Array([[100.0, 110.0], [], [120.0]]),
        "fy": ak.Array([[1.0, 2.0], [], [3.0]]),
        "fz": ak.Array([[-5.0, 6.0], [], [7.0]]),
        "ferrz": ak.Array([[1.0, 1.1], [], [1.2]]),
        "ferrphi": ak.Array([[0.007, 0.008], [], [0.009]]),
        "fw": ak.Array([[3, 4], [], [250]]),
    }
    columns = {f"{prefix}{n}": v for n, v in columns.items() if n != drop}
    with uproot.recreate(path) as file:
        file.mktree("StoreEventTree", {n: uproot_kind(v) for n, v in columns.items()})
        file["StoreEventTree"].extend(columns)


def uproot_kind(values: object) -> object:
    return values.dtype if isinstance(values, np.ndarray) else values.type.content  # type: ignore[attr-defined]


def test_root_trees_are_read(tmp_path: Path) -> None:
    path = tmp_path / "tree.root"
    root_file(path)
    events = list(formats.read(path))
    assert [event.number for event in events] == [4, 5, 6]
    assert [len(event) for event in events] == [2, 0, 1]
    np.testing.assert_allclose(events[0].points.xyz_mm, [[100, 1, -5], [110, 2, 6]])
    np.testing.assert_allclose(events[0].points.sigma_rphi_mm, [0.7, 0.88], rtol=1e-3)
    assert events[2].points.wire.tolist() == [250]
    assert np.isnan(events[2].points.sigma_r_mm).all()


def test_a_root_member_that_is_not_split_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tree.root"
    root_file(path, drop="fz")
    with pytest.raises(FileFormatError, match="no split member fz"):
        list(formats.read(path))
    with pytest.raises(FileFormatError, match="has no tree Other"):
        list(formats.read_root(path, formats.RootNames(tree="Other")))
    path.write_bytes(b"root and nothing more")
    with pytest.raises(FileFormatError, match="cannot be read as ROOT"):
        list(formats.read(path))


@pytest.mark.parametrize("hidden", ["uproot", "awkward"])
def test_root_without_its_extra_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    path = tmp_path / "tree.root"
    path.write_bytes(b"root")
    monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'blackett\[root\]'"):
        list(formats.read(path))

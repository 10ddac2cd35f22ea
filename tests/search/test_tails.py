"""A tail gives back what was appended, cuts what was torn, and notices every flipped bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.programs.errors import RunError
from graftwork.search.schema import SCHEMAS
from graftwork.search.tails import TableWriter, Tail, read_tail

SCHEMA = SCHEMAS["events"]
GROUPS = (("start", ""), ("stop", "GWB1 00000010 00000000 00000000"), ("error", "text " * 30))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Bytes of a tail with one batch for each of GROUPS."""
    path = tmp_path_factory.mktemp("tail") / "tail-000001.arrows"
    write(path, GROUPS)
    return path.read_bytes()


def write(path: Path, groups: Sequence[tuple[str, str]]) -> None:
    tail = Tail(path, SCHEMA)
    for number, (kind, message) in enumerate(groups):
        tail.append(pa.RecordBatch.from_pylist([{"kind": kind, "message": message, "group": number}], schema=SCHEMA))
    tail.sync()
    tail.close()


def kinds(table: pa.Table) -> list[str]:
    column: list[str] = table["kind"].to_pylist()
    return column


def test_what_was_appended_is_read_back_with_the_tables_schema(tmp_path: Path) -> None:
    write(tmp_path / "tail", GROUPS)
    contents = read_tail(tmp_path / "tail", SCHEMA)
    assert contents.torn_bytes == 0
    assert contents.table.schema.equals(SCHEMA, check_metadata=True)
    assert [(row["kind"], row["message"]) for row in contents.table.to_pylist()] == list(GROUPS)


def test_a_tail_is_a_plain_ipc_stream_for_other_readers(written: bytes) -> None:
    assert kinds(pa.ipc.open_stream(written).read_all()) == ["start", "stop", "error"]


def test_a_torn_tail_loses_only_what_is_incomplete(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tail"
    sizes = [*range(0, len(written) - 1, 23), len(written) - 1, len(written)]
    seen = []
    for size in sizes:
        path.write_bytes(written[:size])
        contents = read_tail(path, SCHEMA)
        assert kinds(contents.table) == ["start", "stop", "error"][: contents.table.num_rows]
        seen.append(contents.table.num_rows)
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2, 3}
    assert seen[-2:] == [2, 3]  # the last byte completes the last batch


def test_zeros_after_the_last_batch_are_torn_and_not_damage(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "tail").write_bytes(written + bytes(4096))
    assert read_tail(tmp_path / "tail", SCHEMA).torn_bytes == 4096
    assert read_tail(tmp_path / "tail", SCHEMA).table.num_rows == 3


@given(data=st.data())
def test_every_flipped_bit_is_noticed_with_file_and_batch_named(
    written: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(written) * 8 - 1))
    damaged = bytearray(written)
    damaged[at // 8] ^= 1 << at % 8
    path = tmp_path_factory.mktemp("damaged") / "tail-000001.arrows"
    path.write_bytes(damaged)
    with pytest.raises(RunError, match=r"tail-000001.arrows: batch \d at byte \d+ is damaged"):
        read_tail(path, SCHEMA)


def test_a_writer_goes_on_in_the_next_tail_after_a_rotation(tmp_path: Path) -> None:
    writer = TableWriter(tmp_path, "events", after=6)
    writer.append([])
    writer.append([{"kind": "start"}, {"kind": "stop"}])
    assert (writer.n_rows, writer.n_bytes > 0) == (2, True)
    full = writer.rotate()
    assert kinds(full.table) == ["start", "stop"]
    assert (writer.n_rows, writer.n_bytes) == (0, 0)
    writer.append([{"kind": "resume"}])
    writer.sync()
    writer.close()
    assert [path.name for path in sorted((tmp_path / "events").iterdir())] == ["tail-000007.arrows", "tail-000008.arrows"]
    assert kinds(read_tail(tmp_path / "events" / "tail-000008.arrows", SCHEMA).table) == ["resume"]

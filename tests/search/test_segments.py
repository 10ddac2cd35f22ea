"""Sealed rows are each in one file that counts, at every instant, and damage is noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graftwork.programs.errors import RunError
from graftwork.search import segments as segments_module
from graftwork.search.manifest import Manifest, load_manifest, publish
from graftwork.search.schema import TABLES, TableName
from graftwork.search.segments import compact, read_tables, recover, seal
from graftwork.search.tails import FullTail, TableWriter


def append(directory: Path, name: TableName, rows: Sequence[dict[str, object]], *, after: int = 0) -> FullTail:
    """Leave a tail with these rows behind, one batch each, as a dead writer would."""
    writer = TableWriter(directory, name, after=after)
    for row in rows:
        writer.append([row])
    return writer.rotate()


def events(directory: Path) -> list[str]:
    kinds: list[str] = read_tables(directory, ["events"])["events"]["kind"].to_pylist()
    return kinds


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A lineage with two events in a segment and one in a tail."""
    recover(tmp_path)
    full = append(tmp_path, "events", [{"kind": "start"}, {"kind": "resume"}])
    seal(tmp_path, Manifest(), {"events": full}, group=2)
    append(tmp_path, "events", [{"kind": "stop"}], after=1)
    return tmp_path


def test_segment_and_tail_are_read_as_one_table_in_order(sealed: Path) -> None:
    assert events(sealed) == ["start", "resume", "stop"]
    assert [path.name for path in sorted((sealed / "events").iterdir())] == ["segment-000001.parquet", "tail-000002.arrows"]


def test_a_segment_is_plain_parquet_with_zstd(sealed: Path) -> None:
    path = sealed / "events" / "segment-000001.parquet"
    assert pq.read_table(path)["kind"].to_pylist() == ["start", "resume"]
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_recovery_seals_every_tail_once_and_changes_nothing_the_second_time(sealed: Path) -> None:
    recovered = recover(sealed).manifest
    assert [segment.rows for segment in recovered.tables["events"].segments] == [2, 1]
    assert recover(sealed).manifest == recovered == load_manifest(sealed)
    assert events(sealed) == ["start", "resume", "stop"]
    assert not list(sealed.glob("*/*.arrows"))


def test_a_crash_between_segment_and_manifest_counts_the_rows_once(sealed: Path) -> None:
    before = (sealed / "manifest.json").read_bytes()
    recover(sealed)
    (sealed / "manifest.json").write_bytes(before)
    append(sealed, "events", [{"kind": "stop"}], after=1)
    assert events(sealed) == ["start", "resume", "stop"]
    recover(sealed)
    assert events(sealed) == ["start", "resume", "stop"]


def test_a_crash_between_manifest_and_the_removal_of_the_tail_counts_the_rows_once(sealed: Path) -> None:
    tail = sealed / "events" / "tail-000002.arrows"
    content = tail.read_bytes()
    recover(sealed)
    tail.write_bytes(content)
    assert events(sealed) == ["start", "resume", "stop"]
    recover(sealed)
    assert not tail.exists()


def test_rows_of_a_group_that_was_never_ended_are_cut(tmp_path: Path) -> None:
    recover(tmp_path)
    append(tmp_path, "scores", [{"candidate": 0, "group": 1}, {"candidate": 1, "group": 2}])
    append(tmp_path, "decisions", [{"kind": "tell", "number": 0, "group": 1, "n_rows": 1}])
    assert read_tables(tmp_path, ["scores"])["scores"]["candidate"].to_pylist() == [0]
    recovery = recover(tmp_path)
    assert recovery.manifest.group == 1
    assert recovery.cuts == ("scores: cut 0 bytes and 1 rows of a write that was under way",)
    assert read_tables(tmp_path, ["scores"])["scores"]["candidate"].to_pylist() == [0]


def test_a_decision_whose_rows_a_power_cut_took_is_cut_with_all_after_it(tmp_path: Path) -> None:
    recover(tmp_path)
    append(tmp_path, "scores", [{"candidate": 0, "group": 1}, {"candidate": 2, "group": 3}])
    append(tmp_path, "decisions", [{"kind": "tell", "number": number, "group": number + 1, "n_rows": 1} for number in range(3)])
    recover(tmp_path)
    tables = read_tables(tmp_path, ["scores", "decisions"])
    assert tables["decisions"]["number"].to_pylist() == [0]
    assert tables["scores"]["candidate"].to_pylist() == [0]


@pytest.mark.parametrize("file", ["events/segment-000001.parquet", "manifest.json"])
def test_a_flipped_bit_anywhere_in_a_sealed_file_is_noticed_and_the_file_named(sealed: Path, file: str) -> None:
    path = sealed / file
    intact = path.read_bytes()
    for at in range(0, len(intact), max(1, len(intact) // 150)):
        damaged = bytearray(intact)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        if path.suffix == ".json" and not bytes([intact[at]]).strip():
            continue  # white space between JSON tokens holds nothing
        with pytest.raises(RunError, match=f"{path.name} is damaged"):
            events(sealed)
    path.write_bytes(intact)
    assert events(sealed) == ["start", "resume", "stop"]


def test_a_missing_manifest_beside_tables_is_refused_and_never_made_anew(sealed: Path) -> None:
    (sealed / "manifest.json").unlink()
    for read in (events, recover):
        with pytest.raises(RunError, match=r"manifest\.json is missing"):
            read(sealed)
    assert not (sealed / "manifest.json").exists()


def test_a_missing_segment_is_named(sealed: Path) -> None:
    (sealed / "events" / "segment-000001.parquet").unlink()
    with pytest.raises(RunError, match=r"segment-000001\.parquet"):
        events(sealed)


def test_an_empty_lineage_has_every_table_without_rows(tmp_path: Path) -> None:
    assert load_manifest(tmp_path) == Manifest()
    publish(tmp_path, Manifest())
    assert [table.num_rows for table in read_tables(tmp_path, TABLES).values()] == [0] * len(TABLES)


def fill(directory: Path, n_segments: int, *, rows: Sequence[int] = (3,)) -> Manifest:
    """A lineage with so many segments of so many events, in turns, numbered through."""
    manifest, numbers = recover(directory).manifest, count()
    for number in range(n_segments):
        full = append(directory, "events", [{"kind": str(next(numbers))} for _ in range(rows[number % len(rows)])], after=number)
        manifest = compact(directory, seal(directory, manifest, {"events": full}, group=number))
    return manifest


def test_small_segments_are_merged_in_order_and_their_files_removed(tmp_path: Path) -> None:
    manifest = fill(tmp_path, 35)
    segments = manifest.tables["events"].segments
    assert [segment.rows for segment in segments] == [93, 3, 3, 3, 3]
    assert [path.name for path in sorted((tmp_path / "events").iterdir())] == sorted(segment.file for segment in segments)
    assert events(tmp_path) == [str(number) for number in range(105)]
    assert recover(tmp_path).manifest == manifest


def test_a_crash_while_segments_are_merged_counts_the_rows_once(tmp_path: Path) -> None:
    before = fill(tmp_path, 15)
    full = append(tmp_path, "events", [{"kind": "last"}], after=15)
    manifest = seal(tmp_path, before, {"events": full}, group=16)
    there = {path.name: path.read_bytes() for path in (tmp_path / "events").iterdir()}
    merged = compact(tmp_path, manifest)
    rows = events(tmp_path)
    for name, content in there.items():  # the old files are still there
        (tmp_path / "events" / name).write_bytes(content)
    assert events(tmp_path) == rows
    publish(tmp_path, manifest)  # and the manifest still lists them
    assert events(tmp_path) == rows
    assert recover(tmp_path).manifest == manifest
    assert sorted(there) == sorted(path.name for path in (tmp_path / "events").iterdir())
    assert merged != manifest


@pytest.mark.parametrize("rows", [(3,), (3, 5), (5, 3, 3)])
def test_merging_costs_the_same_for_each_row_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: tuple[int, ...]
) -> None:
    written = Counter[str]()
    write = pq.ParquetWriter.write_table

    def counted(writer: pq.ParquetWriter, table: pa.Table, **options: object) -> None:
        written.update(table["kind"].to_pylist())
        write(writer, table, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", counted)
    monkeypatch.setattr(segments_module, "_LEVELS", (4, 64, 1024))
    manifest = fill(tmp_path, 300, rows=rows)
    assert len(manifest.tables["events"].segments) < 3 * 16 * len(set(rows))
    assert set(written.values()) <= {1, 2, 3}

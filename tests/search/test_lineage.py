"""Nothing that was acknowledged is lost, nothing is paid for twice, one process writes, and trouble is told in one line."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from graftwork.evaluators.call_store import Booked, CallStore, RecordedCall
from graftwork.programs.errors import RunError
from graftwork.programs.model import Usage
from graftwork.search.lineage import Lineage
from graftwork.search.record import canonical, open_run
from graftwork.search.recorded_calls import LineageCallStore
from graftwork.search.snapshot import Snapshot
from graftwork.search.state import State
from graftwork.search.strategy import Strategy
from tests.evaluators.test_gateway import CallStoreConformance

from .lineage_values import brief, evaluation, files, program, reply, reservation, result, settlement

WRITER = """
import sys
from pathlib import Path
from graftwork.search.lineage import Lineage
from graftwork.search.recorded_calls import LineageCallStore
from tests.search.lineage_values import brief, reservation, result, settlement
run_dir, first = Path(sys.argv[1]), int(sys.argv[2])
with Lineage(run_dir, seal_rows=23) as lineage:
    calls = LineageCallStore(lineage)
    for number in range(first, first + 10_000):
        lineage.brief(brief(number))
        calls.reserve(reservation(str(number), draw=str(number)))
        calls.settle(settlement(str(number)))
        lineage.result(result(number))
        if number % 10 == 0:
            lineage.commit()
        print(lineage.n_durable - 1, flush=True)
"""
REPOSITORY = Path(__file__).parents[2]


def write_and_kill(run_dir: Path, first: int, *, after_s: float) -> int:
    """Let a process write results from `first` on, kill it some seconds after its first, and return the last acknowledged."""
    command = [sys.executable, "-c", WRITER, str(run_dir), str(first)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(after_s)
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
        assert process.wait() == -signal.SIGKILL
    return int([line for line in lines if line.endswith("\n")][-1])


def test_kills_at_random_moments_lose_no_acknowledged_row_and_double_none(tmp_path: Path) -> None:
    rng, told = random.Random(0), 0
    for _ in range(14):
        acknowledged = write_and_kill(tmp_path, told, after_s=rng.uniform(0.0, 0.3))
        tables = open_run(tmp_path).tables()
        numbers = tables["candidates"]["number"].to_pylist()
        told = len(numbers)
        # What was under way may have been written, whole, without the word of it coming out.
        assert numbers == list(range(told))
        assert told > acknowledged
        assert tables["scores"].num_rows == 5 * told
        assert tables["spans"].num_rows == 2 * 3 * told
        tells = tables["decisions"].to_pylist()
        assert [row["number"] for row in tells if row["kind"] == "tell"] == numbers
    assert told > 23
    with Lineage(tmp_path) as lineage:
        calls = LineageCallStore(lineage)
        assert all(calls.find("k", str(number)) is not None for number in range(told))
    assert open_run(tmp_path).candidates.num_rows == told


def test_a_result_is_read_back_while_the_run_goes_on_and_after_it(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        lineage.brief(brief(1))
        lineage.result(result(1))
        lineage.commit()
        live = open_run(tmp_path).tables()
        assert [live[name].num_rows for name in ("candidates", "scores", "spans", "decisions")] == [1, 5, 6, 2]
        assert files(tmp_path, "*/*.arrows")
    assert not files(tmp_path, "*/*.arrows")
    sealed = open_run(tmp_path).tables()
    assert {name: table.to_pylist() for name, table in sealed.items()} == {name: table.to_pylist() for name, table in live.items()}


def test_rows_are_sealed_by_number_and_by_age_whatever_the_clock_does(tmp_path: Path) -> None:
    now = [1000.0]

    def sealed(*tables: str, n_tails: int = 0) -> bool:
        """Whether there are segments of these tables and so many live tails, soon: sealing is done in the background."""
        for _ in range(500):
            there = [path.parent.name for path in files(tmp_path, "*/*.parquet")]
            if there == list(tables) and len(files(tmp_path, "*/*.arrows")) == n_tails:
                return True
            time.sleep(0.01)
        return False

    with Lineage(tmp_path, clock=lambda: now[0], seal_rows=10, seal_s=30.0) as lineage:
        lineage.result(result(0))
        lineage.commit()
        assert not files(tmp_path, "*/*.parquet")
        lineage.result(result(1))
        lineage.commit()
        assert sealed("scores", "spans", n_tails=3)
        now[0] = 1031.0
        lineage.event("start", "")
        assert sealed("candidates", "decisions", "events", "scores", "spans", "texts")
        now[0] = 500.0
        lineage.event("resume", "")
        assert sealed("candidates", "decisions", "events", "events", "scores", "spans", "texts")
        now[0] = 520.0
        lineage.event("stop", "")
        assert len(files(tmp_path, "*/*.arrows")) == 1
    assert open_run(tmp_path).events["kind"].to_pylist() == ["start", "resume", "stop"]


def test_what_waits_is_durable_soon_and_counted_then(tmp_path: Path) -> None:
    with Lineage(tmp_path, commit_s=3600.0) as lineage:
        lineage.result(result(0))
        assert lineage.n_durable == 0
        assert open_run(tmp_path).candidates.num_rows == 0
        lineage.commit()
        assert lineage.n_durable == 1
        assert open_run(tmp_path).candidates.num_rows == 1
    with Lineage(tmp_path, commit_s=0.001) as lineage:
        lineage.result(result(1))
        while lineage.n_durable < 2:
            time.sleep(0.001)
        assert open_run(tmp_path).candidates.num_rows == 2


def test_snapshots_sealing_and_full_memory_do_not_wait_for_each_other(tmp_path: Path) -> None:
    state = State.start(Strategy(name="s", operators={}), 0)
    with Lineage(tmp_path, seal_rows=2, commit_s=0.001) as lineage:
        for number in range(150):
            lineage.result(result(number))
            lineage.snapshot(Snapshot.of(state, ()))
            if number % 3 == 0:
                lineage.commit()
    assert open_run(tmp_path).candidates.num_rows == 150
    assert (tmp_path / "lineage" / "state.json").is_file()


def test_texts_are_kept_once_across_restarts(tmp_path: Path) -> None:
    for first in (0, 10):
        with Lineage(tmp_path) as lineage:
            for number in (first, first + 1, 1):
                lineage.result(result(number))
    record = open_run(tmp_path)
    assert record.texts.num_rows == len(set(record.texts["digest"].to_pylist())) == 4
    rows = record.candidates.to_pylist()
    assert [record.source(row) for row in rows] == [program(row["number"]).source for row in rows]


def test_threads_write_side_by_side_and_lose_nothing(tmp_path: Path) -> None:
    with Lineage(tmp_path, seal_rows=15) as lineage:
        calls = LineageCallStore(lineage)

        def call() -> None:
            for number in range(60):
                calls.reserve(reservation(str(number), draw=str(number)))
                calls.settle(settlement(str(number)))

        gateway = threading.Thread(target=call)
        gateway.start()
        for number in range(60):
            lineage.result(result(number))
            lineage.commit()
            assert open_run(tmp_path).candidates.num_rows == number + 1
        gateway.join()
    tables = open_run(tmp_path).tables()
    assert (tables["calls"].num_rows, tables["candidates"].num_rows, tables["scores"].num_rows) == (120, 60, 300)


def test_a_second_writer_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    with Lineage(tmp_path), pytest.raises(RunError, match="being written by process"):
        Lineage(tmp_path)
    Lineage(tmp_path).close()


def test_a_closed_lineage_refuses_writes_and_closes_twice(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    lineage.close()
    lineage.close()
    with pytest.raises(RunError, match="is closed"):
        lineage.event("stop", "")


def test_a_full_disk_is_one_line_and_what_was_there_stays(tmp_path: Path) -> None:
    # A limit on the size of files fails a write as a full disk does: in the middle of it.
    limited = "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n" + WRITER.replace("23", "100_000")
    command = [sys.executable, "-c", limited, str(tmp_path), "0"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("graftwork.programs.errors.RunError: cannot write ")
    assert "File too large" in last
    acknowledged = int(done.stdout.splitlines()[-1]) + 1
    assert acknowledged > 3
    for _ in range(2):
        numbers = open_run(tmp_path).candidates["number"].to_pylist()
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= acknowledged
        Lineage(tmp_path).close()


def test_a_run_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*Not a directory"):
        Lineage(tmp_path / "file" / "run")


def test_a_damaged_tail_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        lineage.result(result(99))
        lineage.commit()
        (tail,) = files(tmp_path, "decisions/*.arrows")
        content = tail.read_bytes()
    (tmp_path / "lineage" / "decisions" / "tail-999999.arrows").write_bytes(content[:900] + b"?" + content[901:])
    with pytest.raises(RunError, match=r"tail-999999.arrows: batch \d at byte \d+ is damaged"):
        Lineage(tmp_path)
    assert files(tmp_path, "decisions/tail-999999.arrows")


def test_what_was_cut_is_told_as_an_event(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        lineage.event("start", "")
        (tail,) = files(tmp_path, "events/*.arrows")
        content = tail.read_bytes()
    (tmp_path / "lineage" / "events" / "tail-000002.arrows").write_bytes(content + content[:100])
    Lineage(tmp_path).close()
    last = open_run(tmp_path).events.to_pylist()[-1]
    assert (last["kind"], last["message"]) == ("repair", "events: cut 100 bytes and 0 rows of a write that was under way")


def test_a_further_evaluation_and_decisions_are_rows(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        lineage.result(result(0))
        lineage.decision("open_split", number=0, detail={"split": "test"})
        lineage.evaluation(0, "test", evaluation())
        lineage.decision("champion", number=0, detail="the seed")
    tables = open_run(tmp_path).tables()
    assert tables["scores"]["split"].to_pylist() == ["val"] * 3 + ["train"] * 2 + ["test"] * 3
    decisions = [(row["kind"], row["detail"]) for row in tables["decisions"].to_pylist()]
    assert decisions == [
        ("tell", '{"status":"evaluated"}'),
        ("open_split", '{"split":"test"}'),
        ("evaluation", '{"cases":3,"mean":0.0,"split":"test"}'),
        ("champion", '"the seed"'),
    ]


class TestLineageCallStore(CallStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[CallStore]:
        with Lineage(tmp_path) as lineage:
            yield LineageCallStore(lineage)


def test_a_reopened_store_finds_every_reply_and_books_what_is_open(tmp_path: Path) -> None:
    with Lineage(tmp_path) as lineage:
        first = LineageCallStore(lineage)
        first.reserve(reservation("1"))
        first.settle(settlement("1"))
        first.reserve(reservation("2", draw="other"))
    with Lineage(tmp_path) as lineage:
        second = LineageCallStore(lineage)
        assert second.find("k", "search/0/0#0") == RecordedCall(reply=reply(), usage=reply().usage)
        assert second.find("k", "other") is None
        assert list(second.booked()) == list(first.booked())
        assert sum((entry.usage for entry in second.booked()), Usage()) == Usage(input_tokens=110, output_tokens=55, usd=0.375, calls=2)
        second.settle(settlement("2"))
        assert list(second.booked()) == [Booked(role="task", usage=Usage(input_tokens=20, output_tokens=10, usd=0.25, calls=2))]


def test_the_same_search_with_other_times_and_another_order_of_calls_has_the_same_canonical_lineage(tmp_path: Path) -> None:
    for name, calls, seconds in (("one", "abc", 0.1), ("two", "cab", 7.0)):
        with Lineage(tmp_path / name, clock=partial(next, count(1000 * seconds)), seal_rows=4) as lineage:
            store = LineageCallStore(lineage)
            for place, draw in enumerate(calls):
                store.reserve(reservation(f"{name}{place}", draw=draw, candidate=place))
            for place in range(len(calls)):
                store.settle(settlement(f"{name}{place}", seconds=seconds))
            for number in range(5):
                lineage.brief(brief(number))
                lineage.result(result(number, seconds=seconds))
    assert canonical(tmp_path / "one") == canonical(tmp_path / "two")

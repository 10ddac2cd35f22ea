"""A run answers SQL, and SQL reaches nothing but the run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from graftwork.programs.errors import ConfigError, UserError
from graftwork.search.lineage import Lineage
from graftwork.search.record import open_run
from graftwork.search.schema import SCHEMAS
from graftwork.search.sql import Queries

from .lineage_values import AWKWARD, program, result
from .test_ancestry import write_run


def ask(run_dir: Path, query: str) -> list[tuple[object, ...]]:
    with Queries(open_run(run_dir)) as queries:
        return list(queries.ask(query).rows)


def test_tables_and_views_answer_joined(tmp_path: Path) -> None:
    write_run(tmp_path)
    rows = ask(
        tmp_path,
        "select number, value, length(programs.source) = n_chars from candidates join programs using (number) "
        "join scores on candidate = number where split = 'val' and number > 2 order by number",
    )
    assert rows == [(3, 0.75, True), (4, 1.0, True)]


def test_a_run_is_asked_while_it_is_written_and_its_sealed_and_live_rows_are_one_table(tmp_path: Path) -> None:
    with Lineage(tmp_path, seal_rows=2) as lineage:
        for number in range(5):
            lineage.result(result(number))
            lineage.commit()
            assert ask(tmp_path, "select count(*), max(number) from candidates") == [(number + 1, number)]
        assert ask(tmp_path, "select failure_message from scores where failure_kind is not null limit 1") == [
            (AWKWARD.encode("utf-8", "backslashreplace").decode(),)
        ]
        assert ask(tmp_path, "from programs where number = 3") == [(3, program(3).source)]


def test_every_column_of_every_table_is_described_with_its_type(tmp_path: Path) -> None:
    write_run(tmp_path)
    with Queries(open_run(tmp_path)) as queries:
        described = {table.name: table.columns for table in queries.described()}
        listed = list(queries.ask(queries.listing).rows)
    assert described.keys() == {*SCHEMAS, "programs"}
    assert all(list(described[name]) == schema.names for name, schema in SCHEMAS.items())
    assert (described["candidates"]["parents"], described["calls"]["usd"]) == ("BIGINT[]", "DOUBLE")
    assert len(listed) == sum(map(len, described.values()))


def test_a_name_that_two_columns_have_is_kept_for_both(tmp_path: Path) -> None:
    write_run(tmp_path)
    with Queries(open_run(tmp_path)) as queries:
        assert queries.ask("select 1 as a, 2 as a, 3 as a").columns == ("a", "a_2", "a_3")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select scor from candidates", "candidates has number, operator, island"),
        ("select c.scor from scores c", "scores has candidate, split"),
        ("select 1 from candidate", "there are calls, candidates, decisions, events, programs, scores, spans, texts"),
        ("selec 1", "syntax error"),
        ("", "this is none"),
        ("select 1; select 2", "this is SELECT, SELECT"),
        ("drop table candidates", "this is DROP"),
        ("set memory_limit = '1GB'", "this is SET"),
        ("select cast(operator as int) from candidates", "Could not convert string 'seed'"),
    ],
)
def test_what_is_no_query_is_one_clear_line(tmp_path: Path, query: str, said: str) -> None:
    write_run(tmp_path)
    with pytest.raises(UserError) as caught:
        ask(tmp_path, query)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "select * from '{file}'",
        "select * from read_csv('{file}')",
        "select * from read_text('{file}')",
        "select * from read_blob('{file}')",
        "select * from read_json('{file}')",
        "select * from read_parquet('{file}')",
        "select * from glob('{folder}/*')",
        "select * from 'http://127.0.0.1:9/x.csv'",
        "copy (select 1) to '{folder}/written'",
        "attach '{folder}/written'",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "select getenv('HOME')",
        "explain analyze copy (select 1) to '{folder}/written'",
        "export database '{folder}/written'",
        "select * from record",
        "select * from secret",
    ],
)
def test_sql_reaches_no_file_no_network_and_no_variable(tmp_path: Path, query: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    write_run(tmp_path / "run")
    with pytest.raises(UserError):
        ask(tmp_path / "run", query.format(file=secret, folder=tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"secret.csv", "run"}


QUESTIONS = Path(__file__).resolve().parents[2] / "docs" / "questions.md"


@pytest.mark.parametrize("query", re.findall(r"^```sql\n(.*?)^```$", QUESTIONS.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE))
def test_the_questions_of_the_page_are_answered(tmp_path: Path, query: str) -> None:
    write_run(tmp_path)
    with Lineage(tmp_path) as lineage:
        lineage.result(result(5))
    no_winner = "list_distinct" in query  # the run's one candidate of two parents is as good as the better one
    assert bool(ask(tmp_path, query)) is not no_winner


def test_without_duckdb_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigError, match=r"pip install 'graftwork\[sql\]'"):
        Queries(open_run(tmp_path))

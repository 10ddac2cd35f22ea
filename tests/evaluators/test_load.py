"""Task files and tasks made in Python: every mistake is one clear line, and loading leaves nothing behind."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from graftwork.evaluators.environment import Environment
from graftwork.evaluators.load import load_task, make_task
from graftwork.evaluators.task import Example, Limits, Score
from graftwork.programs.errors import TaskError

PROGRAM = '''"""Doubles numbers."""


def double(n):
    return n * 2


def solve(n):
    return double(n)
'''
TASK = """
import graftwork as gw

task = gw.task("program.py", [(n, 2 * n) for n in range(8)], lambda output, example: output == example.target)
"""
POLICY = "def solve(observation, n):\n    return n if observation else 0\n"
ROWS = [({"n": n}, 2 * n) for n in range(8)]


def _equal(output: object, example: Example) -> bool:
    return output == example.target


def _never(example: Example) -> Environment:
    raise AssertionError(f"an environment was made for {example}")


def _folder(tmp_path: Path, task: str = TASK, **files: str) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "task.py").write_text(textwrap.dedent(task))
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    return tmp_path


def test_a_folder_and_its_file_give_the_same_task(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    task = load_task(folder)
    assert (task.name, task.entry, task.description) == ("program", "solve", "Doubles numbers.")
    assert task.seed.names == ("double", "solve")
    assert sum(map(len, task.splits.values())) == 8
    assert load_task(str(folder / "task.py")).splits == task.splits


def test_a_program_may_be_given_as_text() -> None:
    task = make_task(PROGRAM, ROWS, _equal, name="doubling", score_range=(-1, 1), limits=Limits(calls=0), frozen=["double"])
    assert (task.seed.source, task.name, task.lo, set(task.frozen)) == (PROGRAM, "doubling", -1.0, {"double"})


def test_a_relative_program_is_looked_for_in_the_working_directory_outside_a_task_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    load_task(_folder(folder))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaskError, match=f"no program file {tmp_path}/program.py"):
        make_task("program.py", ROWS, _equal)
    (tmp_path / "program.py").write_text(PROGRAM)
    assert make_task("program.py", ROWS, _equal).name == "program"


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("x = 1", "must define `task`, and does not: end it with"),
        ("task = {}", r"must come from `gw.task\(program, examples, score\)`, not be a dict"),
        ("x = 1\n1 / 0", r"raised ZeroDivisionError: division by zero \(line 2 of .*task.py\)"),
        ("x = = 1", r"raised SyntaxError: invalid syntax \(task.py, line 1\)"),
        ("import no_such_module_at_all", "raised ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        (TASK.replace("program.py", "missing.py"), r"task.py, line 4: there is no program file .*/missing.py: give its path relative"),
        (TASK.replace("2 * n) for n in range(8)", "0) for n in (1, 1)"), r"line 4: examples\[1\] is the same as examples\[0\]"),
    ],
)
def test_a_mistake_in_a_task_file_is_one_line_with_its_place(tmp_path: Path, task: str, message: str) -> None:
    modules = set(sys.modules)
    with pytest.raises(TaskError, match=message) as caught:
        load_task(_folder(tmp_path, task))
    assert "\n" not in str(caught.value)
    assert not {name for name in set(sys.modules) - modules if name.startswith("graftwork_task_")}


def test_a_missing_task_file_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"must hold a task.py.*`graftwork init`"):
        load_task(tmp_path)
    with pytest.raises(TaskError, match=r"there is no task file .*/nowhere: give a folder"):
        load_task(tmp_path / "nowhere")


def test_each_task_finds_its_own_neighbours_and_none_stay_behind(tmp_path: Path) -> None:
    task = """
        import graftwork as gw
        from numbers_to_double import NUMBERS

        task = gw.task("program.py", [(n, 2 * n) for n in NUMBERS], lambda output, example: output == example.target)
    """
    path = list(sys.path)
    for name, number in (("a", 1), ("b", 3)):
        (tmp_path / name).mkdir()
        loaded = load_task(_folder(tmp_path / name, task, numbers_to_double=f"NUMBERS = [{number}]"))
        assert [example.inputs["n"] for example in loaded.splits["val"]] == [number]
        assert not {"numbers_to_double", "task", "program"} & set(sys.modules)
    assert sys.path == path


def test_a_module_of_a_neighbours_name_is_there_again_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = type(sys)("numbers_to_double")
    monkeypatch.setitem(sys.modules, "numbers_to_double", other)
    task = "import numbers_to_double\nassert numbers_to_double.NUMBERS\n" + TASK
    load_task(_folder(tmp_path, task, numbers_to_double="NUMBERS = [1]"))
    assert sys.modules["numbers_to_double"] is other


def test_a_task_file_may_define_dataclasses_and_audits(tmp_path: Path) -> None:
    task = """
        from __future__ import annotations
        from dataclasses import dataclass, field
        import graftwork as gw

        @dataclass(frozen=True)
        class Target:
            n: int
            more: tuple[int, ...] = field(default=())

        task = gw.task("program.py", [(n, Target(n)) for n in range(3)], lambda output, example: output == example.target.n)
    """
    loaded = load_task(_folder(tmp_path, task))
    assert loaded.scorer(2, Example(id="", inputs={}, target=loaded.splits["val"][0].target)) in (True, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score_range": (1, 0)}, r"score_range must be \(lowest, highest\), and 1 is not below 0"),
        ({"score_range": (0, float("inf"))}, "two finite numbers"),
        ({"score_range": 1}, "two finite numbers"),
        ({"entry": "answer"}, "must define the entry 'answer', and has double, solve"),
        ({"frozen": ["treble"]}, r"must name components of the program \(double, solve\), not 'treble'"),
        ({"frozen": "double"}, "must be a list of names, not 'double'"),
        ({"packages": ["no_such_package_at_all"]}, "'no_such_package_at_all' is not: install it"),
        ({"packages": ["os.path"]}, "'os.path' is not"),
        ({"limits": {"calls": 1}}, "limits must be gw.Limits"),
        ({"limits": Limits(timeout_s=0)}, "limits.timeout_s must be a number above 0, not 0"),
        ({"repeats": 0}, "whole numbers from 1 to 1000, not 0"),
        ({"repeats": True}, "whole numbers from 1 to 1000, not True"),
        ({"repeats": 2.0}, "whole numbers from 1 to 1000, not 2.0"),
        ({"repeats": {"val": "3"}}, "whole numbers from 1 to 1000, not '3'"),
        ({"repeats": {"validation": 3}}, r"by split \(train, val, confirm, test\); 'validation' is no split"),
        ({"name": "a/b"}, "usable as a file's, not 'a/b'"),
        ({"confirm_share": 1}, "at least 0 and below 1"),
        ({"examples": {"val": []}}, "val is empty"),
        ({"examples": [({"m": 1}, 1)]}, r"inputs must fit the entry solve\(n\): example 0 of val lacks n"),
        ({"examples": [({"n": 1, "m": 1}, 1)]}, "example 0 of val has m"),
        ({"transfer": {"large": [({"m": 1}, 1)]}}, "example 0 of large lacks n"),
        ({"score": "exact"}, "score must be a function"),
        ({"score": lambda _output: 1.0}, r"must take \(output, example\)"),
        ({"program": PROGRAM + "\nx = ="}, "the program 'task' cannot be read: line 11"),
        ({"program": PROGRAM.replace("return double", "return treble")}, r"must pass its check, line 9, solve: .*treble"),
        (
            {"program": PROGRAM.replace("def double", "import subprocess\n\ndef double").replace("n * 2", "subprocess.run(n)")},
            "line 4: .*subprocess",
        ),
        ({"program": 7}, "a path or a program's text, not a int"),
        ({"scorer": _equal}, "no option 'scorer'; it has name, score_range"),
        ({"score": None}, "a task needs a score"),
        ({"environment": object}, r"with an environment the entry must take 'observation', and solve\(n\) does not: add the parameter"),
        ({"environment": 7, "program": POLICY}, "environment must be a function from an example to an environment, not a int"),
        ({"environment": object, "program": POLICY, "examples": [({"n": 1, "observation": 1}, 1)]}, "example 0 of val has observation"),
        ({"evaluate": len}, "a task with `evaluate` has no examples, as its function sees to everything: leave out a score"),
        ({"evaluate": len, "score": None}, "leave out examples"),
        ({"evaluate": len, "score": None, "examples": (), "audits": []}, "leave out audits"),
        ({"evaluate": 7, "score": None, "examples": ()}, "evaluate must be a plain function of a program that can be called, not a int"),
        ({"evaluate": lambda: 1.0, "score": None, "examples": ()}, "evaluate must take one argument, the program"),
        ({"evaluate": len, "score": None, "examples": (), "entry": "answer"}, "must define the entry 'answer'"),
        ({"limits": Limits(steps=0)}, "limits.steps must be a number above 0, not 0"),
    ],
)
def test_a_mistake_in_a_task_is_one_line_that_says_what_to_do(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"program": PROGRAM, "examples": ROWS, "score": _equal, **options}
    with pytest.raises(TaskError, match=message) as caught:
        make_task(**given)
    assert "\n" not in str(caught.value)


def test_inputs_may_leave_out_what_has_a_default() -> None:
    program = "def solve(n, *, factor=2):\n    return n * factor\n"
    rows = [({"n": 1}, 2), ({"n": 1, "factor": 3}, 3)]
    assert make_task(program, {"val": rows}, _equal).splits["val"][1].inputs == {"n": 1, "factor": 3}


def test_a_task_with_an_environment_needs_no_score_and_gives_the_entry_an_observation() -> None:
    task = make_task(POLICY, [(1, 2), (2, 3)], environment=_never, score_range=(-5, 5))
    assert task.splits["val"][0].inputs.keys() == {"n"}
    assert task.parameters == ("n", "observation")
    episode = {"actions": [1], "rewards": [9.0], "total": 9.0, "steps": 1, "done": True, "observation": None}
    score = task.scorer(episode, task.splits["val"][0])
    assert isinstance(score, Score)
    assert score.value == 5.0


def test_examples_are_run_as_often_as_the_task_says() -> None:
    examples = {"train": ROWS[:2], "val": ROWS[2:5]}
    alike = make_task(PROGRAM, examples, _equal, repeats=3, transfer={"far": ROWS[:1]})
    assert [alike.n_runs(name) for name in ("train", "val", "test", "far")] == [6, 9, 0, 3]
    some = make_task(PROGRAM, examples, _equal, repeats={"val": 2}, transfer={"far": ROWS[5:6]})
    assert [some.n_runs(name) for name in ("train", "val", "far")] == [2, 6, 1]
    assert some.repeats_by_id == {example.id: 2 for example in some.splits["val"]}
    assert make_task(PROGRAM, examples, _equal).repeats_by_id == {}


def test_an_async_score_is_refused() -> None:
    async def score(_output: object, _example: Example) -> float:
        return 1.0

    with pytest.raises(TaskError, match="not an async one"):
        make_task(PROGRAM, ROWS, score)  # type: ignore[arg-type]  # the mistake under test

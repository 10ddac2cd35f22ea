"""Folders in the OpenEvolve layout as tasks, and what their evaluators may return."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop

from graftwork.evaluators.evaluate import evaluate
from graftwork.evaluators.evaluation import Case, Evaluation, Outcome, Work
from graftwork.evaluators.foreign_metrics import combined_score
from graftwork.evaluators.foreign_run import ForeignRunner
from graftwork.evaluators.foreign_task import WORST
from graftwork.evaluators.load import load_task
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.sandbox import SandboxLevel, probe
from graftwork.evaluators.task import Limits
from graftwork.programs.errors import InfrastructureError, TaskError

from .pool_programs import EchoRelay

needs_sandbox = pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine")
PROGRAM = "def f(x):\n    return x + 1\n"
EVALUATOR = "def evaluate(path):\n    return {'combined_score': 1.0}\n"


def folder_with(path: Path, *, program: str | None = PROGRAM, evaluator: str | None = EVALUATOR, config: str = "") -> Path:
    """A folder in the layout."""
    for name, text in (("initial_program.py", program), ("evaluator.py", evaluator), ("config.yaml", config or None)):
        if text is not None:
            (path / name).write_text(text, encoding="utf-8")
    return path


def evaluated(folder: Path, sandbox: SandboxLevel = "standard") -> Evaluation:
    """The evaluation of a folder's program."""
    task = load_task(folder)

    async def run() -> Evaluation:
        pool = LocalPool(EchoRelay(), slots=1, sandbox=sandbox)
        try:
            return await evaluate(task.seed, task.splits["val"], task=task, pool=pool, candidate=1)
        finally:
            await pool.aclose()

    return uvloop.run(run())


def test_a_folder_is_a_task_whose_scores_are_forgeable(tmp_path: Path) -> None:
    task = load_task(folder_with(tmp_path))
    assert task.forgeable
    assert task.entry == ""
    assert task.seed.source == PROGRAM
    ids = [example.id for split in task.splits.values() for example in split]
    assert len(ids) == len(set(ids)) == 3


def test_a_task_file_comes_first(tmp_path: Path) -> None:
    (folder_with(tmp_path) / "task.py").write_text("task = 1\n", encoding="utf-8")
    with pytest.raises(TaskError, match="must come from"):
        load_task(tmp_path)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"evaluator": None}, "has initial_program.py but no evaluator.py"),
        ({"program": None}, "has evaluator.py but no initial_program.py"),
        ({"program": "def f(:\n"}, "initial_program.py: line 1: not Python"),
        ({"program": "# EVOLVE-BLOCK-START\n" + PROGRAM}, "EVOLVE-BLOCK-START without"),
        ({"program": PROGRAM + "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n"}, "nothing can change"),
        ({"program": "print(1)\n"}, "nothing can change"),
        ({"program": "import no_such_package\n" + PROGRAM}, "imports 'no_such_package', which is not installed"),
        ({"evaluator": "import no_such_package\n" + EVALUATOR}, "imports 'no_such_package', which is not installed"),
        ({"evaluator": "x = 1\n"}, "must define `evaluate"),
        ({"config": "evaluator:\n  timeout: soon\n"}, "evaluator.timeout"),
        ({"config": "a: [\n"}, "readable YAML"),
        ({"config": "made: 2024-13-45\n"}, "readable YAML: month must be in"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_clear_line(tmp_path: Path, parts: dict[str, str | None], message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        load_task(folder_with(tmp_path, **parts))  # type: ignore[arg-type]  # the names are those of the parameters
    assert "\n" not in str(caught.value)


def test_a_configuration_is_honoured_as_far_as_it_concerns_us(tmp_path: Path) -> None:
    config = (
        "max_iterations: 3\nllm: {}\nprompt:\n  system_message: Do it.\nevaluator:\n  timeout: 7\n  cascade_evaluation: false\ndatabase:\n"
    )
    task = load_task(folder_with(tmp_path, evaluator=EVALUATOR + "def evaluate_stage1(path):\n    return {}\n", config=config))
    assert (task.limits.timeout_s, task.description) == (7.0, "Do it.")
    assert task.foreign is not None
    assert task.foreign.thresholds is None


def test_what_stands_outside_the_blocks_is_frozen(tmp_path: Path) -> None:
    program = f"# EVOLVE-BLOCK-START\n{PROGRAM}# EVOLVE-BLOCK-END\n\n\ndef g(x):\n    return f(x)\n"
    task = load_task(folder_with(tmp_path, program=program))
    assert task.frozen == {"g"}
    assert "def g(x):" in task.fixed


@pytest.mark.parametrize(
    ("metrics", "score"),
    [
        ({"combined_score": 2, "a": 5.0}, 2.0),
        ({"a": 1.0, "b": 2.0, "ok": True, "note": "x", "error": 9.0}, 1.5),
        ({"combined_score": "broken", "a": 1.0}, 1.0),
        ({"error": 0.0}, None),
        ({}, None),
    ],
)
def test_metrics_as_one_number(metrics: dict[str, object], score: float | None) -> None:
    assert combined_score(metrics) == score


@needs_sandbox
@pytest.mark.parametrize(
    ("body", "value", "feedback"),
    [
        ("return {'combined_score': 0.5, 'note': 'well'}", 0.5, "combined_score 0.5, note well"),
        ("return {'a': 1, 'b': 2.0}", 1.5, "a 1, b 2"),
        ("import numpy\n    return {'combined_score': numpy.float32(0.5), 'ok': numpy.bool_(True)}", 0.5, "combined_score 0.5, ok True"),
        (
            "import openevolve.evaluation_result as given\n    return given.EvaluationResult({'combined_score': 1.0}, {'log': b'said'})",
            1.0,
            "combined_score 1\nlog: said",
        ),
    ],
)
def test_what_an_evaluator_returns_is_a_score_with_feedback(tmp_path: Path, body: str, value: float, feedback: str) -> None:
    evaluation = evaluated(folder_with(tmp_path, evaluator=f"def evaluate(path):\n    {body}\n"))
    assert evaluation.forgeable
    assert evaluation.values == (value,)
    assert evaluation.judgements[0].score.feedback == feedback


@needs_sandbox
def test_the_numbers_that_an_evaluator_returns_are_metrics_as_many_as_are_kept(tmp_path: Path) -> None:
    body = "return {'combined_score': 1.0, 'note': 'well', 'x' * 65: 1.0} | {f'm{n}': n for n in range(40)}"
    evaluation = evaluated(folder_with(tmp_path, evaluator=f"def evaluate(path):\n    {body}\n"))
    assert dict(evaluation.objectives.metrics) == {"combined_score": 1.0} | {f"m{n}": float(n) for n in range(31)}


@needs_sandbox
@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("return {'combined_score': float('nan')}", "invalid", "metrics must be finite numbers, and combined_score is not"),
        ("return {'combined_score': 1e300}", "invalid", "within"),
        ("return {'error': 'no luck'}", "crash", "gave no number: error no luck"),
        ("return None", "crash", "an evaluator returns a dict"),
        ("raise ValueError('bad')", "crash", "ValueError: bad"),
        ("raise SystemExit(3)", "crash", "exited with 3"),
    ],
)
def test_what_is_no_score_is_a_failure(tmp_path: Path, body: str, kind: str, message: str) -> None:
    evaluation = evaluated(folder_with(tmp_path, evaluator=f"def evaluate(path):\n    {body}\n"))
    assert evaluation.values == (WORST,)
    (failure,) = evaluation.failures
    assert failure.kind == kind
    assert message in failure.message


STAGED = """
from openevolve.evaluation_result import EvaluationResult

def evaluate(path):
    raise AssertionError

def evaluate_stage1(path):
    return {"a": %s}

def evaluate_stage2(path):
    %s

def evaluate_stage3(path):
    return EvaluationResult({"c": 1.0}, {"third": "reached"})
"""


@needs_sandbox
@pytest.mark.parametrize(
    ("first", "second", "value", "feedback"),
    [
        ("0.1", "return {'b': 1.0}", 0.1, "a 0.1"),
        ("0.5", "return {'b': 0.2}", 0.35, "a 0.5, b 0.2"),
        ("1.0", "return {'b': 1.0}", 1.0, "a 1, b 1, c 1\nthird: reached"),
        ("1.0", "raise ValueError('later')", 0.5, "a 1, stage2_passed 0"),
    ],
)
def test_a_stage_is_reached_when_the_one_before_passes_its_threshold(
    tmp_path: Path, first: str, second: str, value: float, feedback: str
) -> None:
    evaluation = evaluated(folder_with(tmp_path, evaluator=STAGED % (first, second)))
    assert evaluation.mean == pytest.approx(value)
    assert evaluation.judgements[0].score.feedback.startswith(feedback)


@needs_sandbox
def test_processes_threads_and_temporary_files_work_in_an_evaluator(tmp_path: Path) -> None:
    evaluator = """
import asyncio, multiprocessing, os, shutil, signal, subprocess, sys, tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

def square(x):
    return x * x

def evaluate(path):
    found = {}
    with ProcessPoolExecutor(2) as pool:
        found["pool"] = sum(pool.map(square, range(4)))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found["spawn"] = sum(pool.map(square, range(4)))
    with ThreadPoolExecutor(2) as pool:
        found["threads"] = sum(pool.map(square, range(4)))
    found["subprocess"] = float(subprocess.run([sys.executable, "-c", "print(14)"], capture_output=True, text=True).stdout)
    sleeper = multiprocessing.Process(target=signal.pause)
    sleeper.start()
    sleeper.terminate()
    sleeper.join(10)
    found["terminated"] = 14.0 if sleeper.exitcode == -15 else 0.0
    found["loop"] = asyncio.run(asyncio.sleep(0, 14.0))
    with tempfile.TemporaryDirectory() as folder:
        found["copied"] = 14.0 if os.path.exists(shutil.copy(path, folder)) else 0.0
    return found
"""
    evaluation = evaluated(folder_with(tmp_path, evaluator=evaluator))
    assert evaluation.values == (14.0,), evaluation.judgements[0]


class Answering(ForeignRunner):
    """Runs no process: answers come from a list, in order."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__(locked=True)
        self._users = (65534, None)
        self._answers = list(answers)
        self.asked: list[int | None] = []

    async def _answer(self, work: Work, case: Case, user: int | None) -> tuple[bytes, str]:  # noqa: ARG002 - as the base class has them
        self.asked.append(user)
        await asyncio.sleep(0)
        return self._answers.pop(0), "its last words"


DONE = b'{"stopped": ["timeout", "late"], "said": "", "cpu_s": 0.0}'
UNREAD = b'{"unstarted": "user 65534 cannot read it"}'


async def outcomes(runner: ForeignRunner, n: int) -> list[Outcome | BaseException]:
    """What comes of evaluations at the same time."""
    work = Work(candidate=0, source="", digest="", entry="", cases=(), limits=Limits())
    return await asyncio.gather(*(runner.outcome(work, Case(example_id="", inputs={})) for _ in range(n)), return_exceptions=True)


@pytest.mark.parametrize("answer", [b"", b'{"stopped": [', b"\xff"])
def test_a_lost_host_is_our_own_trouble_and_changes_no_later_user(answer: bytes) -> None:
    runner = Answering(answer, DONE)
    (lost,) = uvloop.run(outcomes(runner, 1))
    assert isinstance(lost, InfrastructureError)
    assert "was lost: its last words" in str(lost)
    uvloop.run(outcomes(runner, 1))
    assert runner.asked == [65534, 65534]


def test_what_the_ordinary_user_cannot_read_is_evaluated_by_root_from_then_on() -> None:
    runner = Answering(UNREAD, UNREAD, DONE, DONE, DONE)
    assert all(isinstance(outcome, Outcome) for outcome in uvloop.run(outcomes(runner, 2)))
    uvloop.run(outcomes(runner, 1))
    assert runner.asked == [65534, 65534, None, None, None]


def test_the_weak_sandbox_evaluates_as_well(tmp_path: Path) -> None:
    assert evaluated(folder_with(tmp_path), "weak").values == (1.0,)


@needs_sandbox
def test_equal_programs_draw_equal_random_numbers(tmp_path: Path) -> None:
    evaluator = "import random, numpy\n\ndef evaluate(path):\n    return {'a': random.random() + numpy.random.random() + hash('x') % 7}\n"
    folder = folder_with(tmp_path, evaluator=evaluator)
    assert evaluated(folder).values == evaluated(folder).values

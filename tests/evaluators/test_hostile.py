"""What a hostile program tries, one by one, and what stops it. One pool for all: no attack may reach the next case."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from graftwork.evaluators.evaluation import Outcome
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.sandbox import probe
from graftwork.evaluators.scorers import numeric
from graftwork.evaluators.task import Example, Limits, Score

from .attack import PRELUDE
from .attacks import AREAS
from .hostile_page import PAGE, page
from .pool_programs import EchoRelay, children_left, kind_of, make_work, templates

pytestmark = pytest.mark.skipif(bool(probe().missing), reason="the sandbox does not hold on this machine")

ATTACKS = {name: attack for area in AREAS.values() for name, attack in area.items()}


@pytest.fixture(scope="module")
def targets() -> Iterator[Mapping[str, object]]:
    """Things worth attacking, all there and all open to everybody: a template may run as another user than we do."""
    with (
        tempfile.TemporaryDirectory() as name,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        folder = Path(name)
        (folder / "secret").write_text("secret")
        unix.bind(str(folder / "unix"))
        for path, mode in ((folder, 0o777), (folder / "secret", 0o666), (folder / "unix", 0o777)):
            path.chmod(mode)
        unix.listen()
        yield {
            "driver": os.getpid(),
            "secret": str(folder / "secret"),
            "outside": str(folder / "outside"),
            "source": str(Path(__file__).resolve().parents[2] / "evaluators" / "worker.py"),
            "home": str(Path.home()),
            "packages": str(Path(pytest.__file__).parents[1]),
            "port": tcp.getsockname()[1],
            "unix": str(folder / "unix"),
        }


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    os.environ["OPENAI_API_KEY"] = "sk-secret"
    pool = LocalPool(EchoRelay(), slots=2)
    run(pool, "return 1", {})
    (template,) = templates()
    yield pool
    assert templates() == [template], "the template was lost"
    assert children_left(template) == []
    asyncio.run(pool.aclose())
    del os.environ["OPENAI_API_KEY"]


def run(pool: LocalPool, body: str, there: Mapping[str, object], *, timeout_s: float = 3.0) -> Outcome:
    limits = Limits(timeout_s=timeout_s, memory_mb=256, calls=4)
    (outcome,) = asyncio.run(pool.run(make_work(f"{PRELUDE}    {body}\n", {"there": dict(there)}, limits=limits)))
    return outcome


def message_of(outcome: Outcome) -> str:
    return outcome.failure.message if outcome.failure is not None else ""


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{name}: {attack.stopped_by}") for name, attack in ATTACKS.items()])
def test_an_attack_is_stopped(name: str, pool: LocalPool, targets: Mapping[str, object]) -> None:
    attack = ATTACKS[name]
    outcome = run(pool, attack.body, targets, timeout_s=attack.timeout_s)
    if attack.hidden and "No such file" in message_of(outcome):
        return
    assert kind_of(outcome) == attack.kind, outcome.failure
    assert outcome.output == attack.output
    assert attack.message in message_of(outcome)
    if attack.scorer_says:
        score = numeric()(outcome.output, Example(id="", inputs={}, target=1))
        assert isinstance(score, Score)
        assert attack.scorer_says in score.invalid
    assert Path(str(targets["secret"])).read_text() == "secret"
    assert not Path(str(targets["outside"])).exists()
    assert len(outcome.spans) <= 600
    assert len(message_of(outcome)) <= 4_000
    assert len(outcome.stdout) <= 2 * Limits().stdout_bytes
    assert "\x1b" not in outcome.stdout


def test_there_are_attacks_of_every_area_and_each_has_a_name_of_its_own() -> None:
    assert len(ATTACKS) == sum(map(len, AREAS.values())) >= 200
    assert all(AREAS.values())


@pytest.mark.parametrize(
    "frame",
    [
        {"kind": "result", "id": 0},
        {"kind": "result", "id": 0, "output": 1},
        {"kind": "result", "id": 0, "output": 1, "stdout": None},
        {"kind": "result", "id": 0, "failure": [], "stdout": ""},
        {"kind": "result", "id": 0, "failure": {"kind": ["crash"], "message": "m"}, "stdout": ""},
        {"kind": "result", "id": 0, "failure": {"kind": "crash", "message": {}}, "stdout": ""},
        {"kind": "call", "id": 1},
        {"kind": "call", "id": 1, "body": [], "component": "c", "path": "0", "span": "0", "occurrence": 0},
        {"kind": "call", "id": 1, "body": {"messages": {}}, "component": "c", "path": "0", "span": "0", "occurrence": 0},
        {"kind": "call", "id": 1, "body": {"messages": []}, "component": 1, "path": "0", "span": "0", "occurrence": 0},
        {"kind": "call", "id": 1, "body": {"messages": []}, "component": "c", "path": [], "span": {}, "occurrence": 0},
        {"kind": "span", "id": 1},
        {"kind": "span", "id": 1, "span": []},
        {"kind": "span", "id": 1, "span": {"feeds": [None], "path": "0"}},
        {"kind": "step", "id": 1},
        {"kind": "case", "id": 1},
    ],
)
def test_a_frame_that_makes_no_sense_is_the_programs_fault(frame: Mapping[str, object], pool: LocalPool) -> None:
    outcome = run(pool, f"send({json.dumps(frame)!r})\n    os._exit(0)", {})
    assert kind_of(outcome) == "invalid"
    assert "broke the protocol" in message_of(outcome)


def test_the_page_of_hostile_programs_tells_what_is_run() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.evaluators.hostile_page"


def test_after_the_attacks_a_good_program_runs_as_ever(pool: LocalPool) -> None:
    assert run(pool, "return sum(range(10))", {}).output == 45

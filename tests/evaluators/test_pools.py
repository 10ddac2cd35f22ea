"""What every pool must do; the local one and the one on Ray are held to the same."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from graftwork.evaluators.evaluation import Outcome, Work
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.loop_thread import LoopThread
from graftwork.evaluators.pool import Pool, ProgramCall, Relay, Relayed
from graftwork.evaluators.ray_pool import RayPool
from graftwork.evaluators.stage import LiveStage
from graftwork.evaluators.task import Foreign, Limits
from graftwork.programs.errors import CeilingReached, ConfigError, InfrastructureError, TaskError
from graftwork.programs.failure import Failure

from .pool_programs import EchoRelay, FailingRelay, Switch, children_left, kind_of, live_children, make_work, processes_with, templates
from .worlds import BISECTS, Corridor, Guessing, episode_of, staged

T = TypeVar("T")

IDENTITY = "def solve(x):\n    return x\n"
SLEEPING = "import time\ndef solve(seconds, n=0):\n    time.sleep(seconds)\n    return seconds\n"
ASKS = """
from graftwork.programs import prompt, vote

@prompt
def shout(text: str) -> str:
    '''Repeat: {text}'''

def solve(text):
    return [shout(text), shout(text)]
"""
MISBEHAVIOURS = {
    "loops for ever": ("def solve():\n    while True:\n        pass\n", "timeout"),
    "loops and swallows everything": (
        "def solve():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\n",
        "timeout",
    ),
    "leaves by os._exit(0)": ("import os\ndef solve():\n    os._exit(0)\n", "crash"),
    "leaves by sys.exit": ("import sys\ndef solve():\n    sys.exit(0)\n", "crash"),
    "raises": ("def solve():\n    return 1 / 0\n", "crash"),
    "recurses for ever": ("def solve():\n    return solve()\n", "crash"),
    "dies by a signal": ("import ctypes\ndef solve():\n    ctypes.string_at(0)\n", "crash"),
    "allocates 8 GB": ("def solve():\n    return len(bytearray(8 << 30))\n", "memory"),
    "fills a list": ("def solve():\n    kept = []\n    while True:\n        kept.append('x' * 1_000_000 + str(len(kept)))\n", "memory"),
    "starts a grandchild by subprocess": (
        "import subprocess\ndef solve():\n    subprocess.Popen(['sleep', '1000'])\n    return 1\n",
        "forbidden",
    ),
    "starts a grandchild by fork": (
        "import os, time\ndef solve():\n    if os.fork() == 0:\n        time.sleep(1000)\n    return 1\n",
        "forbidden",
    ),
    "returns NaN": ("def solve():\n    return {'a': [1.0, float('nan')]}\n", "invalid"),
    "returns what cannot be encoded": ("def solve():\n    return {1, 2}\n", "invalid"),
    "returns too much": ("def solve():\n    return 'x' * 5_000_000\n", "invalid"),
    "has no entry": ("def other():\n    return 1\n", "crash"),
}
ECHOES = "def solve(observation):\n    return observation\n"
# A program that writes to its socket itself, as no honest one does; `observation` is what it was called with.
RAW = """
import json, os, stat, struct

def wire():
    return next(fd for fd in range(3, 1024) if is_socket(fd))

def is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False

def send(**frame):
    text = json.dumps(frame).encode()
    os.write(wire(), struct.pack(">I", len(text)) + text)

def step(n, action=0):
    send(kind="step", id=n, action=action, span=str(50 + n))

def solve(observation):
    %s
"""
HOSTILE_EPISODES = {
    "acts twice on one observation": ("step(1); step(2)", "acted twice on one observation"),
    "acts after the end": ("step(1); os.read(wire(), 9999); step(2)", "acted after the episode's end"),
    "ends before the environment": ("send(kind='result', id=0, output=9, stdout='')", "ended before its episode did"),
    "claims another episode's output": ("send(kind='result', id=0, output={'total': 9.0}, stdout='')", "ended before its episode did"),
    "acts with a megabyte": ("return 'x' * 1_000_000", "its action cannot be used"),
    "sends a megabyte": ("step(1, 'x' * 1_000_000); os.read(wire(), 9999)", "its action cannot be taken"),
    "acts with what is no JSON": ("return {1, 2}", "its action cannot be encoded"),
    "names a step by nonsense": ("send(kind='step', id=1, action=0, span='../x')", "expected a call path"),
    "claims to have seen a step": (
        "send(kind='span', id=0, span={'path': '7', 'component': 'environment', 'kind': 'step', 'feeds': []})",
        "expected one of",
    ),
}


class PoolConformance(ABC):
    """Held by every implementation of `Pool`, each of which has one pool of two slots for all its tests."""

    pool: Pool
    switch: Switch

    @pytest.fixture
    def relay(self) -> EchoRelay:
        return EchoRelay()

    def use(self, relay: Relay, body: Callable[[Pool], Coroutine[Any, Any, T]]) -> T:
        """Run `body` with the pool, whose calls go to the relay."""
        self.switch.relay = relay
        return asyncio.run(body(self.pool))

    @abstractmethod
    def templates(self) -> list[int]:
        """The pool's template processes."""

    @abstractmethod
    def workers(self) -> list[int]:
        """Processes whose loss the pool must survive, besides templates."""

    def run(self, work: Work, relay: Relay | None = None) -> tuple[Outcome, ...]:
        return self.use(relay or EchoRelay(), lambda pool: pool.run(work))

    def test_outcomes_come_in_the_order_of_the_cases(self) -> None:
        source = "import time\ndef solve(x):\n    time.sleep(0.2 if x == 0 else 0)\n    return x\n"
        outcomes = self.run(make_work(source, *({"x": n} for n in range(5))))
        assert [outcome.output for outcome in outcomes] == [0, 1, 2, 3, 4]
        assert [outcome.example_id for outcome in outcomes] == ["e0", "e1", "e2", "e3", "e4"]

    def test_outcomes_can_be_had_as_they_come(self) -> None:
        source = "import time\ndef solve(x):\n    time.sleep(1.5 if x == 0 else 0)\n    return x\n"

        async def stream(pool: Pool) -> list[object]:
            return [outcome.output async for outcome in pool.stream(make_work(source, *({"x": n} for n in range(4))))]

        outputs = self.use(EchoRelay(), stream)
        assert sorted(map(str, outputs)) == ["0", "1", "2", "3"]
        assert outputs[0] != 0

    def test_a_stream_that_is_left_kills_its_children(self) -> None:
        async def leave(pool: Pool) -> None:
            stream = pool.stream(make_work(SLEEPING, {"seconds": 0}, {"seconds": 60}))
            async for outcome in stream:
                assert outcome.output == 0
                break
            await stream.aclose()
            assert await asyncio.to_thread(children_left, *self.templates()) == []

        self.use(EchoRelay(), leave)

    def test_a_program_with_one_case_does_not_wait_for_one_with_many(self) -> None:
        async def both(pool: Pool) -> bool:
            many = asyncio.ensure_future(pool.run(make_work(SLEEPING, *({"seconds": 0.2, "n": n} for n in range(14)))))
            await asyncio.sleep(0.3)
            await pool.run(make_work(SLEEPING, {"seconds": 0}))
            done = many.done()
            await many
            return done

        assert not self.use(EchoRelay(), both)

    def test_large_inputs_arrive_as_they_are(self) -> None:
        text = "x" * 300_000
        work = make_work("def solve(text):\n    return len(text)\n", {"text": text}, {"text": text + "y"})
        for _ in range(2):
            assert [outcome.output for outcome in self.run(work)] == [300_000, 300_001]

    @pytest.mark.parametrize("name", MISBEHAVIOURS)
    def test_what_a_program_does_wrong_is_a_failure_of_its_own(self, name: str) -> None:
        source, kind = MISBEHAVIOURS[name]
        (outcome,) = self.run(make_work(source, limits=Limits(timeout_s=1.0 if kind == "timeout" else 20.0)))
        assert kind_of(outcome) == kind
        assert outcome.output is None

    def test_a_foreign_evaluator_scores_a_program(self, tmp_path: Path) -> None:
        (tmp_path / "evaluator.py").write_text(
            "def evaluate(path):\n    return {'size': float(len(open(path).read()))}\n", encoding="utf-8"
        )
        work = replace(make_work("x = 1\n", limits=Limits(timeout_s=60.0, memory_mb=1024)), foreign=Foreign(folder=str(tmp_path)))
        (outcome,) = self.run(work)
        assert outcome.output == {"metrics": {"size": 6.0}, "artifacts": {}}, outcome

    def test_printing_a_gigabyte_succeeds_and_is_bounded(self) -> None:
        source = "def solve():\n    for _ in range(1024):\n        print('x' * 1_000_000)\n    print('the end')\n    return 1\n"
        (outcome,) = self.run(make_work(source, limits=Limits(timeout_s=30.0, stdout_bytes=1000)))
        assert outcome.output == 1
        assert len(outcome.stdout) < 1100
        assert outcome.stdout.startswith("xxx")
        assert outcome.stdout.endswith("the end\n")

    def test_after_all_that_nothing_is_left_and_good_programs_run_at_full_speed(self) -> None:
        async def before_and_after(pool: Pool) -> tuple[float, float, list[int]]:
            good = make_work(IDENTITY, *({"x": n} for n in range(10)))
            await pool.run(good)
            before = await _seconds(pool.run(good))
            bad = [pool.run(make_work(source, limits=Limits(timeout_s=0.5))) for source, _ in MISBEHAVIOURS.values()]
            await asyncio.gather(*bad)
            return before, await _seconds(pool.run(good)), children_left(*self.templates())

        before, after, left = self.use(EchoRelay(), before_and_after)
        assert left == []
        assert after < 5 * before + 0.5

    def test_random_numbers_repeat_with_the_case_and_differ_between_repeats(self) -> None:
        work = make_work("import random\ndef solve():\n    return random.random()\n", repeats=2)
        first, second = self.run(work), self.run(work)
        assert [one.output for one in first] == [one.output for one in second]
        assert first[0].output != first[1].output

    def test_sets_of_text_have_one_order_whichever_process_runs_the_program(self) -> None:
        work = make_work("def solve():\n    return [hash(str(n)) for n in range(3)]\n")
        assert self.run(work)[0].output == self.run(work)[0].output

    def test_model_calls_are_relayed_with_canonical_draws(self, relay: EchoRelay) -> None:
        (outcome,) = self.run(make_work(ASKS, {"text": "abc"}, purpose="confirm"), relay)
        assert outcome.output == ["REPEAT: ABC", "REPEAT: ABC"]
        assert [call.draw for call in relay.calls] == ["confirm/0/#0", "confirm/0/#1"]
        assert {(call.candidate, call.component, call.example_id, call.max_calls) for call in relay.calls} == {(7, "shout", "e0", 16)}
        assert outcome.usage.calls == 2
        assert outcome.usage.tokens == 10
        seen = [span for span in outcome.spans if span.kind == "model_call"]
        assert [(span.component, span.claimed, span.output) for span in seen] == [("shout", False, '"REPEAT: ABC"')] * 2
        assert all(span.claimed for span in outcome.spans if span.kind != "model_call")
        assert {"prompt", "function"} <= {span.kind for span in outcome.spans}

    def test_parallel_calls_overlap_and_leave_the_same_trace(self) -> None:
        source = ASKS.replace("[shout(text), shout(text)]", "vote(8, shout, text)")
        work = make_work(source, {"text": "abc"})
        relay = EchoRelay(wait_s=0.3)
        (first,) = self.run(work, relay)
        (second,) = self.run(work)
        assert first.output == "REPEAT: ABC"
        assert first.seconds < 8 * 0.3
        assert len({call.draw for call in relay.calls}) == 8
        assert [(span.path, span.kind) for span in first.spans] == [(span.path, span.kind) for span in second.spans]

    def test_calls_beyond_the_cap_fail_with_budget(self, relay: EchoRelay) -> None:
        (outcome,) = self.run(make_work(ASKS, {"text": "abc"}, limits=Limits(calls=1)), relay)
        assert kind_of(outcome) == "budget"
        assert len(relay.calls) == 1

    def test_waiting_for_a_model_does_not_count_as_the_programs_time(self) -> None:
        (outcome,) = self.run(make_work(ASKS, {"text": "abc"}, limits=Limits(timeout_s=1.0)), EchoRelay(wait_s=0.9))
        assert outcome.failure is None
        assert outcome.seconds > 1.7

    def test_a_failure_of_the_model_is_not_the_programs(self) -> None:
        (outcome,) = self.run(make_work(ASKS, {"text": "abc"}), FailingRelay(Failure(kind="model", message="503 twice")))
        assert outcome.failure is not None
        assert (outcome.failure.kind, outcome.failure.message, outcome.failure.component) == ("model", "503 twice", "shout")

    def test_a_spent_budget_stops_the_work(self) -> None:
        with pytest.raises(CeilingReached, match="all is spent"):
            self.run(make_work(ASKS, {"text": "abc"}, {"text": "def"}), FailingRelay(CeilingReached("all is spent")))

    def test_an_error_that_nobody_expects_is_infrastructure(self) -> None:
        with pytest.raises(InfrastructureError, match="RecursionError: too deep"):
            self.run(make_work(ASKS, {"text": "abc"}), FailingRelay(RecursionError("too deep")))

    def test_a_package_that_is_not_there_is_one_clear_error(self) -> None:
        with pytest.raises(ConfigError, match="'no_such_package' cannot be imported"):
            self.run(make_work(IDENTITY, {"x": 1}, packages=("no_such_package",)))

    def test_packages_can_be_used_and_their_arrays_returned(self) -> None:
        source = "import numpy as np\ndef solve():\n    return np.arange(3) * 0.5\n"
        (outcome,) = self.run(make_work(source, packages=("numpy",)))
        assert outcome.output == [0.0, 0.5, 1.0]

    def play(self, work: Work, factory: Callable[..., Any], *, target: object = None, strict: bool = True) -> tuple[Outcome, ...]:
        """What a program does in environments; afterwards none is left."""

        async def play(pool: Pool) -> tuple[Outcome, ...]:
            async with staged(work, factory, target=target, strict=strict) as stage:
                outcomes = await pool.run(replace(work, stage=stage))
                assert stage.n_live == 0
                return outcomes

        return self.use(EchoRelay(), play)

    def test_a_policy_acts_step_by_step_in_one_process_and_its_episode_is_the_output(self) -> None:
        Guessing.closed.clear()
        first, second = self.play(make_work(BISECTS, {"high": 100}, {"high": 50}), Guessing, target=37)
        rewards = [-1.0, -1.0, -1.0]
        assert first.output == {
            "actions": [50, 25, 37],
            "rewards": rewards,
            "total": -3.0,
            "steps": 3,
            "done": True,
            "observation": "lower",
        }
        assert episode_of(second)["actions"] == [25, 38, 31, 34, 36, 37]
        assert Guessing.closed == [37, 37]
        steps = [span for span in first.spans if span.kind == "step"]
        assert [(span.component, span.claimed, span.inputs) for span in steps[:1]] == [("environment", False, '{"action": 50}')]
        assert [span.kind for span in first.spans] == ["function", "step"] * 3

    def test_an_environment_has_a_seed_by_example_and_repeat_whatever_the_program(self) -> None:
        work = make_work(ECHOES, repeats=2, limits=Limits(steps=1))
        first, second = self.play(work, Corridor)
        assert first.output != second.output
        other = replace(work, digest="e" * 32, source="def solve(observation):\n    return 0\n")
        assert [episode_of(one)["observation"] for one in self.play(other, Corridor)] == [
            episode_of(first)["actions"][0],
            episode_of(second)["actions"][0],
        ]

    def test_an_episode_is_cut_off_after_its_steps(self) -> None:
        (outcome,) = self.play(make_work(ECHOES, limits=Limits(steps=3)), Corridor)
        episode = episode_of(outcome)
        assert (episode["steps"], episode["total"], episode["done"]) == (3, 1.5, False)

    def test_time_in_the_environment_is_not_the_programs(self) -> None:
        work = make_work(ECHOES, limits=Limits(steps=3, timeout_s=0.5))
        (outcome,) = self.play(work, lambda example, seed: Corridor(example, seed=seed, wait_s=0.4))
        assert outcome.failure is None
        assert outcome.seconds > 1.1

    def test_a_policy_that_stalls_is_stopped_by_its_clock(self) -> None:
        work = make_work("import time\ndef solve(observation):\n    time.sleep(60)\n", limits=Limits(timeout_s=0.5))
        assert kind_of(self.play(work, Corridor)[0]) == "timeout"

    def test_an_action_against_the_rules_is_the_programs_failure(self) -> None:
        (outcome,) = self.play(make_work("def solve(observation, high):\n    return high + 1\n", {"high": 9}), Guessing, target=3)
        message = "a guess is a whole number from 1 to 9, not 10"
        assert outcome.failure == Failure(kind="invalid", message=message, component="solve")
        assert [span.error for span in outcome.spans if span.kind == "step"] == [f"invalid: {message}"]

    def test_what_an_environment_raises_is_its_authors_mistake(self) -> None:
        def broken(example: object, seed: int) -> Corridor:
            return Corridor(example, seed=seed, raises=KeyError("door"))  # type: ignore[arg-type] # the example is not looked at

        work = make_work(ECHOES, {}, limits=Limits(steps=3))
        with pytest.raises(TaskError, match=r"on example e0 the environment's `step` raised KeyError: 'door' \(line \d+ of .*worlds\.py\)"):
            self.play(work, broken)
        (outcome,) = self.play(work, broken, strict=False)
        assert kind_of(outcome) == "invalid"

    @pytest.mark.parametrize("name", HOSTILE_EPISODES)
    def test_a_hostile_policy_gets_nowhere(self, name: str) -> None:
        body, message = HOSTILE_EPISODES[name]
        work = make_work(RAW % body, limits=Limits(timeout_s=5.0, steps=1 if "after" in name else 3))
        # Slow enough that what is sent at once comes while the first is answered.
        (outcome,) = self.play(work, functools.partial(Corridor, wait_s=0.3 if "twice" in name else 0.0))
        assert kind_of(outcome) == "invalid"
        assert message in str(outcome.failure)

    def test_a_case_that_is_lost_begins_again_in_a_fresh_environment(self) -> None:
        made: list[Guessing] = []

        def slow(example: Any) -> Guessing:
            made.append(Guessing(example))
            return made[-1]

        async def lose(pool: Pool) -> tuple[Outcome, ...]:
            source = "import time\n" + BISECTS.replace("    return", "    time.sleep(0.4)\n    return")
            work = make_work(source, {"high": 100})
            await pool.run(make_work(IDENTITY, {"x": 1}))
            async with staged(work, slow, target=37) as stage:
                task = asyncio.create_task(pool.run(replace(work, stage=stage)))
                await asyncio.sleep(0.7)
                for victim in self.workers():
                    os.kill(victim, signal.SIGKILL)
                outcomes = await task
                assert await _none_left(stage)
                return outcomes

        (outcome,) = self.use(EchoRelay(), lose)
        assert episode_of(outcome)["actions"] == [50, 25, 37]
        assert len(made) == 2

    def test_a_cancelled_episode_leaves_no_environment(self) -> None:
        async def cancel(pool: Pool) -> bool:
            work = make_work(ECHOES, limits=Limits(steps=10**6, timeout_s=60.0))
            async with staged(work, Corridor) as stage:
                task = asyncio.create_task(pool.run(replace(work, stage=stage)))
                while not stage.n_live:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                return await _none_left(stage)

        assert self.use(EchoRelay(), cancel)

    def test_cancelling_kills_the_children(self) -> None:
        async def cancel(pool: Pool) -> list[int]:
            await pool.run(make_work(IDENTITY, {"x": 1}))
            endless = make_work("def solve():\n    while True:\n        pass\n", limits=Limits(timeout_s=60.0), repeats=2)
            task = asyncio.create_task(pool.run(endless))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return children_left(*self.templates())

        assert self.use(EchoRelay(), cancel) == []

    @pytest.mark.parametrize("what", ["children", "templates", "workers"])
    def test_a_lost_process_is_replaced_and_nothing_is_scored(self, what: str) -> None:
        async def lose(pool: Pool) -> tuple[Outcome, ...]:
            await pool.run(make_work(IDENTITY, {"x": 1}))
            slow = make_work("import time\ndef solve(x):\n    time.sleep(1.5)\n    return x\n", {"x": 1}, {"x": 2})
            task = asyncio.create_task(pool.run(slow))
            await asyncio.sleep(0.7)
            victims = self.workers() if what == "workers" else self.templates()
            victims = live_children(*victims) if what == "children" else victims
            assert victims
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            return await task

        assert [outcome.output for outcome in self.use(EchoRelay(), lose)] == [1, 2]

    def test_a_program_that_is_killed_again_has_failed(self) -> None:
        source = "import os\n" + ASKS.replace("return [shout(text), shout(text)]", "shout(text)\n    os.kill(os.getpid(), 9)")
        relay = EchoRelay()
        (outcome,) = self.run(make_work(source, {"text": "x"}), relay)
        assert kind_of(outcome) == "crash"
        assert "signal 9" in str(outcome.failure)
        assert len(relay.calls) == 2


async def _none_left(stage: LiveStage, *, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while stage.n_live and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.05)
    return stage.n_live == 0


async def _seconds(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def close_while_it_runs(pool: Pool) -> None:
    running = asyncio.create_task(pool.run(make_work("import time\n\ndef solve():\n    time.sleep(60)")))
    await asyncio.sleep(0.5)
    await pool.aclose()
    await asyncio.wait_for(running, 10)


class TestLocalPool(PoolConformance):
    @pytest.fixture(autouse=True)
    def _pool(self, local: tuple[LocalPool, Switch]) -> None:
        self.pool, self.switch = local

    def templates(self) -> list[int]:
        return templates()

    def workers(self) -> list[int]:
        return self.templates()

    def test_a_closed_pool_says_so(self) -> None:
        async def close_and_run() -> None:
            pool = LocalPool(EchoRelay(), slots=1)
            await pool.aclose()
            await pool.run(make_work(IDENTITY, {"x": 1}))

        with pytest.raises(InfrastructureError, match="closed"):
            asyncio.run(close_and_run())

    def test_what_runs_when_a_pool_is_closed_is_told_so(self) -> None:
        with pytest.raises(InfrastructureError, match="closed"):
            asyncio.run(close_while_it_runs(LocalPool(EchoRelay(), slots=1)))

    def test_a_pool_on_anothers_thread_asks_there_and_leaves_it_running(self) -> None:
        threads: list[str] = []
        room = LoopThread("room")

        class Where(EchoRelay):
            async def call(self, call: ProgramCall) -> Relayed:
                threads.append(threading.current_thread().name)
                return await super().call(call)

        async def name() -> str:
            return threading.current_thread().name

        async def use() -> tuple[Outcome, ...]:
            pool = LocalPool(Where(), slots=1, thread=room)
            try:
                return await pool.run(make_work(ASKS, {"text": "hi"}))
            finally:
                await pool.aclose()

        try:
            (outcome,) = asyncio.run(use())
            assert kind_of(outcome) == "success"
            assert threads == ["room", "room"]
            assert room.run(name()) == "room"
        finally:
            room.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPool:
    """A pool on a cluster of its own, whose processes carry a mark in their environment."""

    pool: RayPool
    switch: Switch
    mark: str


@pytest.fixture(scope="module")
def shared() -> Iterator[SharedPool]:
    mark, switch, handler = uuid.uuid4().hex, Switch(), signal.getsignal(signal.SIGTERM)
    os.environ.update(GRAFTWORK_TEST_MARK=mark, OPENAI_API_KEY="sk-secret")
    pool = RayPool(switch, slots=2, slots_per_actor=1)
    try:
        # Until Ray is there, this process does the work.
        assert asyncio.run(pool.run(make_work(IDENTITY, {"x": 1})))[0].output == 1
        assert processes_with(title="ray::_Evaluator", variable=mark) == []
        asyncio.run(pool.ready())
        assert signal.getsignal(signal.SIGTERM) is handler
        yield SharedPool(pool=pool, switch=switch, mark=mark)
    finally:
        with pytest.raises(InfrastructureError, match="closed"):
            asyncio.run(close_while_it_runs(pool))
        del os.environ["GRAFTWORK_TEST_MARK"], os.environ["OPENAI_API_KEY"]
    ends = time.monotonic() + 10  # they were told to end
    while (left := processes_with(title="ray", variable=mark)) and time.monotonic() < ends:
        time.sleep(0.1)
    assert left == []


@pytest.mark.slow
class TestRayPool(PoolConformance):
    @pytest.fixture(autouse=True)
    def _cluster(self, shared: SharedPool) -> None:
        self.pool, self.switch, self.mark = shared.pool, shared.switch, shared.mark

    def templates(self) -> list[int]:
        return [template for worker in self.workers() for template in processes_with(parent=worker)]

    def workers(self) -> list[int]:
        return processes_with(title="ray::_Evaluator", variable=self.mark)

    def test_actors_hold_no_key(self) -> None:
        assert self.workers()
        assert processes_with(title="ray::_Evaluator", variable="OPENAI_API_KEY=sk-secret") == []

    def test_an_idle_actor_sleeps(self) -> None:
        worker = self.workers()[0]
        before = wake_ups(worker)
        time.sleep(0.5)
        # A main thread that waits for Ray wakes up fifty times meanwhile.
        assert wake_ups(worker) - before < 10

    def test_a_ray_of_ours_follows_no_logs_and_kills_nothing_for_memory(self) -> None:
        (monitor,) = processes_with(title="log_monitor.py", variable=self.mark)
        arguments = Path(f"/proc/{monitor}/cmdline").read_text().split("\0")
        (logs,) = [Path(argument.partition("=")[2]) for argument in arguments if argument.startswith("--logs-dir=")]
        assert "Beginning to track" not in (logs / "log_monitor.log").read_text()
        assert "MemoryMonitor disabled" in (logs / "raylet.out").read_text()


def wake_ups(process: int) -> int:
    """How often the main thread of a process has woken up."""
    status = Path(f"/proc/{process}/task/{process}/status").read_text()
    return int(dict(line.split(":\t") for line in status.splitlines())["voluntary_ctxt_switches"])


def test_ray_client_addresses_are_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match=r"ray://head:10001: Ray Client loses the cluster"):
        RayPool(EchoRelay(), slots=1, address="ray://head:10001")


def test_an_address_where_nobody_listens_is_refused_at_once() -> None:
    async def run() -> None:
        pool = RayPool(EchoRelay(), slots=1, address="127.0.0.1:1")
        try:
            await pool.run(make_work(IDENTITY, {"x": 1}))
        finally:
            await pool.aclose()

    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 .* start one with"):
        asyncio.run(run())

"""LiveStage: the environments of the episodes under way, in the driver; each on a thread of its own, from its making to its closing."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Self

from graftwork.programs.errors import GraftworkError, InfrastructureError, TaskError
from graftwork.programs.failure import Failure
from graftwork.programs.wire import to_json

from .blame import blaming
from .claims import bounded, trouble_with
from .environment import Environment, EnvironmentFactory
from .evaluation import Case, Stepped, case_seed
from .task import Example

__all__ = ["MAX_OBSERVATION_BYTES", "LiveStage", "first_observation"]

MAX_OBSERVATION_BYTES: Final = 1024 * 1024
_PATIENCE_S: Final = 300.0
_CLOSE_S: Final = 10.0
_MESSAGE_CHARACTERS: Final = 400
_OURS: Final = "environment"  # stands where a program's digest does: parent and child meet the same world


class LiveStage:
    """A `EpisodeStage` in this process, to be entered as a context. Can be used from any loop.

    Args:
        factory: Makes an environment from an example.
        examples: By id; a case's own inputs take the place of its example's.
        strict: Whether whatever an environment raises at a step is its author's mistake, as with the seed program. Evolved programs act as
            nobody thought of: what the environment cannot take is `invalid` then.
        patience_s: Wall seconds for one answer.
    """

    def __init__(
        self, factory: EnvironmentFactory, examples: Mapping[str, Example], *, strict: bool = True, patience_s: float = _PATIENCE_S
    ) -> None:
        self._factory = factory
        self._examples = examples
        self._strict = strict
        self._patience_s = patience_s
        self._live: dict[str, _Live] = {}
        self._fault: TaskError | None = None
        self._over = False

    @property
    def n_live(self) -> int:
        """Environments that are not closed yet."""
        return len(self._live)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close every environment that is left; what one of them raised at that is raised now, if nothing else is."""
        self._over = True
        await asyncio.gather(*map(self.leave, tuple(self._live)))
        if self._fault is not None and error is None:
            raise self._fault

    async def enter(self, run_id: str, case: Case) -> Stepped:
        """Make a new environment and begin; see `EpisodeStage`."""
        if self._over:
            raise InfrastructureError("the work that this episode belongs to has ended")
        example = replace(self._examples[case.example_id], inputs=case.inputs)
        live = self._live[run_id] = _Live(example, self._patience_s)
        return await live.does(lambda: live.begin(self._factory, repeat=case.repeat))

    async def step(self, run_id: str, action: object) -> Stepped:
        """Take one action; see `EpisodeStage`."""
        live = self._live.get(run_id)
        if live is None:
            raise InfrastructureError("the environment of this episode is gone")
        return await live.does(lambda: live.step(action, strict=self._strict))

    async def leave(self, run_id: str) -> None:
        """Close the run's environment; see `EpisodeStage`."""
        live = self._live.pop(run_id, None)
        if live is not None:
            try:
                await live.close()
            except TaskError as error:
                self._fault = self._fault or error


def first_observation(factory: EnvironmentFactory, example: Example) -> object:
    """What an episode on an example begins with.

    Raises:
        TaskError: If the environment is at fault.
    """
    live = _Live(example, _PATIENCE_S)

    async def look() -> object:
        try:
            return (await live.does(lambda: live.begin(factory, repeat=0))).observation
        finally:
            await live.close()

    with ThreadPoolExecutor(1) as thread:  # the caller may have a running loop, as notebooks do
        return thread.submit(asyncio.run, look()).result()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Something that a thread is to do, and where the result goes."""

    what: Callable[[], Stepped]
    future: Future[Stepped] = field(default_factory=Future)

    def do(self) -> None:
        """Do it. What is ours to raise goes to whoever waits, and nobody waits for ever."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.what())
        except GraftworkError as error:
            self.future.set_exception(error)
        finally:
            if not self.future.done():
                self.future.set_exception(InfrastructureError("the thread of an environment ended"))


class _Live:
    """One environment and its thread."""

    def __init__(self, example: Example, patience_s: float) -> None:
        self._example = example
        self._patience_s = patience_s
        self._environment: Environment | None = None
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon: one that hangs must not keep the process from ending.
        threading.Thread(target=self._work, name="environment", daemon=True).start()

    async def does(self, what: Callable[[], Stepped]) -> Stepped:
        """Have the thread do something.

        Raises:
            TaskError: If it takes longer than we wait.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._done(what)
        except TimeoutError:
            raise TaskError(f"{self._where} gave no answer within {self._patience_s:g} s: mend it") from None

    async def _done(self, what: Callable[[], Stepped]) -> Stepped:
        job = _Job(what=what)
        self._jobs.put(job)
        return await asyncio.wrap_future(job.future)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.do()

    def begin(self, factory: EnvironmentFactory, *, repeat: int) -> Stepped:
        """Make it and reset it; on its thread."""
        seeded = {"seed": case_seed(_OURS, self._example.id, repeat) % 2**32} if _takes_seed(factory) else {}
        with blaming(f"{self._where} raised when it was made:"):
            self._environment = factory(self._example, **seeded)
        with blaming(f"{self._where}'s `reset` raised"):
            given = self._environment.reset()
        return Stepped(observation=self._observation(given, "reset"))

    def step(self, action: object, *, strict: bool) -> Stepped:
        """Take an action; on its thread."""
        assert self._environment is not None  # noqa: S101 (made when the run entered)
        try:
            with blaming(f"{self._where}'s `step` raised"):
                try:
                    given = self._environment.step(action)
                except ValueError as error:
                    return _refused(str(error) or "the environment refused the action")
            return self._stepped(given)
        except TaskError as error:
            if strict:
                raise
            return _refused(str(error))

    async def close(self) -> None:
        """Close it and end its thread; one that hangs is left alone, and ends with the process.

        Raises:
            TaskError: If its `close` raises.
        """

        def end() -> Stepped:
            close = getattr(self._environment, "close", None)
            with blaming(f"{self._where}'s `close` raised"):
                if callable(close):
                    close()
            return Stepped()

        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._done(end)
        except TimeoutError:
            return
        finally:
            self._jobs.put(None)

    @property
    def _where(self) -> str:
        return f"on example {self._example.id} the environment"

    def _stepped(self, given: object) -> Stepped:
        parts = given if isinstance(given, tuple | list) else ()
        if len(parts) != 3:
            came = f"{len(parts)} values" if parts else f"a {type(given).__name__}"
            hint = " (of Gymnasium's five, the third is terminated or truncated)" if len(parts) == 5 else ""
            raise TaskError(f"{self._where}'s `step` must return (observation, reward, done), not {came}{hint}")
        reward, done = _plain(parts[1]), _plain(parts[2])
        if isinstance(reward, bool) or not isinstance(reward, int | float) or not math.isfinite(reward):
            raise TaskError(f"{self._where}'s reward must be a finite number, not {reward!r:.80}")
        if not isinstance(done, bool):
            raise TaskError(f"{self._where}'s `done` must be True or False, not {done!r:.80}")
        return Stepped(observation=self._observation(parts[0], "step"), reward=float(reward), done=done)

    def _observation(self, given: object, method: str) -> object:
        value, trouble = None, ""
        try:
            value = to_json(given)
            trouble = trouble_with(value, MAX_OBSERVATION_BYTES)
        except (TypeError, RecursionError) as error:
            trouble = str(error)
        if trouble:
            raise TaskError(f"{self._where}'s `{method}` must give an observation of JSON values: {trouble}")
        return value


def _takes_seed(factory: EnvironmentFactory) -> bool:
    try:
        return "seed" in inspect.signature(factory).parameters
    except ValueError:
        return False  # a built-in that tells no signature


def _refused(why: str) -> Stepped:
    return Stepped(failure=Failure(kind="invalid", message=bounded(why, _MESSAGE_CHARACTERS)))


def _plain(value: object) -> object:
    """A number or a truth as Python's own, where numpy made it."""
    try:
        return to_json(value)
    except TypeError:
        return value

"""CaseRun: one case in one child: hand it over, relay its calls, keep its time, and say what came of it.

Everything that the child sends is hostile: sizes and numbers are capped, frames are taken in turn with the other children's, and a
failure that is not the program's is believed only if the gateway reported it here and the program did not go on after it. The first
result stands; it ends the child, and nothing after it is read.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, Final

from graftwork.programs.errors import GraftworkError, InfrastructureError, TaskError, WireError
from graftwork.programs.failure import FAULTS_OF_THE_PROGRAM, Failure, FailureKind
from graftwork.programs.model import Usage
from graftwork.programs.trace import Span
from graftwork.programs.wire import FrameReader, encode_frame, to_json

from .channel import MAX_CALL_BYTES, MAX_SPANS
from .child import CONFINED
from .claims import bounded, call_path, claimed_failure, claimed_span, small_count, trouble_with
from .clock import Clock
from .episode import Episode
from .evaluation import Case, Outcome, Work, case_seed
from .pool import ProgramCall, Relay, Relayed
from .relay import Trouble
from .running import MAX_ACTION_BYTES
from .scratch import MAX_BYTES, MAX_FILES, disk_is_full, is_overfull
from .task import Limits
from .template_client import Child, Exit

__all__ = ["CaseRun", "cpu_limit_s", "death"]

_CONFINED_WITHIN_S: Final = 30.0
_SPANS_BEYOND_CAP: Final = 100
_MAX_SPAN_BYTES: Final = 64 * 1024
_MAX_SPAN_TEXT: Final = 4_000
_CALLS_BEYOND_CAP: Final = 1_000
_MAX_ASKING: Final = 32  # twice what `parallel` can have under way
_SCRATCH_CHECK_S: Final = 0.5
_LEAVES_WITHIN_S: Final = 0.2
_NEARLY_ALL: Final = 0.8


def cpu_limit_s(limits: Limits) -> int:
    """CPU seconds after which the kernel stops a child: a little more than its wall seconds."""
    return math.ceil(limits.timeout_s) + 1


class CaseRun:
    """One run of a program on one case. Use once: `outcome`.

    Args:
        work: The program and its limits.
        case: What it runs on.
        child: Freshly forked.
        relay: Where its model calls go.
        again: Whether the case runs once more where something outside kills its child, such as the kernel when memory is short. A
            program that brings that about is killed again, and has failed.
    """

    def __init__(self, work: Work, case: Case, *, child: Child, relay: Relay, again: bool = False) -> None:
        self._work, self._case, self._child, self._relay, self._again = work, case, child, relay, again
        limits = work.limits
        largest = max(limits.output_bytes, MAX_CALL_BYTES) + 8 * limits.stdout_bytes + _MAX_SPAN_BYTES
        self._frames = FrameReader(max_bytes=largest)
        self._bytes_left = largest + limits.calls * MAX_CALL_BYTES + MAX_SPANS * _MAX_SPAN_BYTES
        self._run_id = os.urandom(16).hex()
        self._episode = Episode(work.stage, run_id=self._run_id, case=case, limits=limits) if work.stage is not None else None
        if self._episode is not None:
            self._bytes_left += limits.steps * 2 * MAX_ACTION_BYTES
        self._sending = asyncio.Lock()
        self._asking: set[asyncio.Task[None]] = set()
        self._asked: dict[str, Relayed | None] = {}  # by the path of its span
        self._excuses: dict[str, FailureKind] = {}  # failures of the model or ours that no later answer followed, by branch
        self._n_calls = self._n_spans = 0
        self._spans: dict[str, Span] = {}
        self._result: tuple[object, Failure | None, str] | None = None
        self._stopped: Failure | None = None
        self._fatal: GraftworkError | None = None
        self._clock: Clock | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def outcome(self) -> Outcome:
        """Run the case to its end.

        Raises:
            InfrastructureError: If the child could not be confined, the template was lost, the relay raised what nobody expects, or, where
                the case runs once more, something outside killed the child.
            TaskError: If the inputs are too large, or are not JSON, or the environment is at fault.
            CeilingReached: Or whatever else the relay raises on purpose: the work stops.
        """
        try:
            frame = self._case_frame(await self._episode.begin() if self._episode is not None else None)
            return await self._run(await self._await_confinement(frame))
        finally:
            for task in self._asking:
                task.cancel()
            self._child.close()
            if self._episode is not None:
                with suppress(InfrastructureError):  # the driver is gone, and with it the environment
                    await self._episode.leave()

    async def _await_confinement(self, frame: bytes) -> bytes:
        """Hand the case over, which the child takes once it is confined, and wait for its word that it is; what came with that."""
        try:
            async with asyncio.timeout(_CONFINED_WITHIN_S):
                await self._send(frame)
                said = await self._child.receive()
        except TimeoutError:
            raise InfrastructureError("a child gave no word") from None
        if not said:
            ended = await asyncio.shield(self._child.exited)
            raise InfrastructureError(f"a child ended before it was confined, with wait status {ended.status}")
        if not said.startswith(CONFINED):
            raise InfrastructureError(f"a child could not be confined: {said[1:].decode(errors='replace')}")
        return said.removeprefix(CONFINED)

    async def _run(self, data: bytes) -> Outcome:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._clock = Clock(self._work.limits.timeout_s, self._expire)
        self._watch = loop.call_later(_SCRATCH_CHECK_S, self._look_at_scratch)
        try:
            await self._listen(data or await self._child.receive())
            if self._result is not None:
                self._clock.stop()
                self._watch.cancel()
                # It ends by itself, as a rule.
                self._watch = loop.call_later(_LEAVES_WITHIN_S, self._child.kill)
            ended = await asyncio.shield(self._child.exited)
            if self._asking:
                # Calls that are under way are paid for and count, also when nobody is there to read the reply.
                await asyncio.gather(*self._asking, return_exceptions=True)
        finally:
            self._clock.stop()
            self._watch.cancel()
        if self._fatal is not None:
            raise self._fatal
        return self._judge(ended, seconds=loop.time() - started)

    async def _listen(self, data: bytes) -> None:
        """Take frames until the result is there, the child closes its end, or it breaks the protocol."""
        try:
            while data:
                self._count(data)
                for frame in self._frames.feed(data):
                    self._take(frame)
                    if self._result is not None:
                        return
                    while len(self._asking) >= _MAX_ASKING:
                        await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)
                data = await self._child.receive()
        except WireError as error:
            self._stop(Failure(kind="invalid", message=f"it broke the protocol: {error}"))

    def _count(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise WireError("it sent more than a program can have to say")

    async def _send(self, frame: bytes) -> None:
        async with self._sending:
            with suppress(OSError):  # the child has ended
                await self._child.send(frame)

    def _stop(self, failure: Failure) -> None:
        self._stopped = self._stopped or failure
        self._child.kill()

    def _expire(self) -> None:
        self._stop(Failure(kind="timeout", message=f"it ran for more than {self._work.limits.timeout_s:g} s"))

    def _look_at_scratch(self) -> None:
        if is_overfull(self._child.scratch):
            limit = f"{MAX_FILES} files or {MAX_BYTES >> 20} MiB"
            self._stop(Failure(kind="forbidden", message=f"it wrote more than {limit} to its directory"))
        else:
            self._watch = asyncio.get_running_loop().call_later(_SCRATCH_CHECK_S, self._look_at_scratch)

    def _case_frame(self, observation: object) -> bytes:
        work, case = self._work, self._case
        seed = case_seed(work.digest, case.example_id, case.repeat)
        program: dict[str, object] = {"source": work.source, "digest": work.digest, "entry": work.entry}
        limits = {"output_bytes": work.limits.output_bytes, "stdout_bytes": work.limits.stdout_bytes}
        if work.hook is not None:
            program |= {"hook": asdict(work.hook), "purpose": work.purpose, "repeat": case.repeat}
        if self._episode is not None:
            program |= {"episode": {"observation": observation}}
        example = {"example_id": case.example_id, "inputs": to_json(case.inputs), "seed": seed, "limits": limits}
        try:
            return encode_frame({"kind": "case", "id": 0, **program, **example})
        except WireError as error:
            raise TaskError(f"the inputs of example {case.example_id} cannot be sent to a program: {error}") from None

    def _take(self, frame: Mapping[str, Any]) -> None:
        if frame["kind"] == "result":
            self._result = self._checked_result(frame)
        elif frame["kind"] == "call":
            self._take_call(frame)
        elif frame["kind"] == "span":
            self._take_span(frame)
        elif frame["kind"] == "step" and self._episode is not None:
            self._take_step(frame, self._episode)
        else:
            raise WireError(f"a child sends no frame {frame['kind']!r}")

    def _take_span(self, frame: Mapping[str, Any]) -> None:
        self._n_spans += 1
        if self._n_spans > MAX_SPANS + _SPANS_BEYOND_CAP:
            raise WireError(f"it sent {self._n_spans} spans")
        span = claimed_span(frame.get("span"))
        if len(self._spans) < MAX_SPANS:
            self._spans.setdefault(span.path, span)

    def _checked_result(self, frame: Mapping[str, Any]) -> tuple[object, Failure | None, str]:
        stdout = bounded(frame.get("stdout"), 2 * self._work.limits.stdout_bytes)
        if "failure" not in frame:
            if "output" not in frame:
                raise WireError("a result has an output or a failure")
            if self._episode is not None:
                return self._end_of(self._episode), None, stdout
            trouble = trouble_with(frame["output"], self._work.limits.output_bytes)
            return (None, Failure(kind="invalid", message=trouble), stdout) if trouble else (frame["output"], None, stdout)
        failure = claimed_failure(frame["failure"])
        if failure.kind not in FAULTS_OF_THE_PROGRAM.union(self._excuses.values()):
            raise WireError(f"it claims a failure of kind {failure.kind!r} that nobody else saw")
        return None, failure, stdout

    def _take_call(self, frame: Mapping[str, Any]) -> None:
        limits, number = self._work.limits, frame["id"]
        self._n_calls += 1
        if self._n_calls > limits.calls + _CALLS_BEYOND_CAP:
            raise WireError(f"it asked for {self._n_calls} model calls")
        path, span, occurrence = call_path(frame.get("path")), call_path(frame.get("span")), small_count(frame.get("occurrence"))
        component, body = bounded(frame.get("component"), 200), frame.get("body")
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            raise WireError("a call's body is an object with messages")
        if span in self._asked:
            raise WireError(f"two calls at {span!r}")
        if self._stopped is not None:
            # It was killed; what it still had under way is not paid for.
            return
        if trouble := trouble_with(body, MAX_CALL_BYTES):
            self._answer(self._refuse(number, Failure(kind="invalid", message=f"the request cannot be sent: {trouble}")))
        elif self._n_calls > limits.calls:
            self._answer(self._refuse(number, Failure(kind="budget", message=f"it may make {limits.calls} model calls")))
        else:
            self._asked[span] = None
            draw = f"{self._work.purpose}/{self._case.repeat}/{path}#{occurrence}"
            self._answer(self._ask(self._program_call(body, component=component, path=path, draw=draw), span, number=number))

    def _take_step(self, frame: Mapping[str, Any], episode: Episode) -> None:
        span, action = call_path(frame.get("span")), frame.get("action")
        if span in self._asked:
            raise WireError(f"two calls at {span!r}")
        if self._stopped is not None:
            return
        if (refusal := episode.accept(action)) is not None:
            self._stop(replace(refusal, component=self._work.entry))
            return
        self._asked[span] = None
        self._answer(self._step(episode, action, span, number=frame["id"]))

    async def _step(self, episode: Episode, action: object, path: str, *, number: int) -> None:
        assert self._clock is not None  # noqa: S101 (it runs while frames are taken)
        loop, started = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        self._clock.pause()
        try:
            stepped = await episode.step(action)
        finally:
            self._clock.resume()
        if (span := episode.span(path, action, stepped, seconds=loop.time() - started)) is not None:
            self._spans[path] = span
        if stepped.failure is not None:
            self._stop(replace(stepped.failure, component=self._work.entry))
        else:
            await self._send(encode_frame({"kind": "step", "id": number, "observation": stepped.observation, "ended": episode.ended}))

    def _end_of(self, episode: Episode) -> object:
        if not episode.ended:
            raise WireError("it ended before its episode did")
        return episode.output

    def _program_call(self, body: Mapping[str, object], *, component: str, path: str, draw: str) -> ProgramCall:
        return ProgramCall(
            candidate=self._work.candidate,
            digest=self._work.digest,
            example_id=self._case.example_id,
            body=body,
            component=component,
            path=path,
            draw=draw,
            run_id=self._run_id,
            max_calls=self._work.limits.calls,
            max_tokens=self._work.limits.max_tokens,
        )

    def _answer(self, answering: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(answering)
        self._asking.add(task)
        task.add_done_callback(self._asking_ended)

    async def _ask(self, call: ProgramCall, span: str, *, number: int) -> None:
        assert self._clock is not None  # noqa: S101 (it runs while frames are taken)
        self._clock.pause()
        try:
            relayed = await self._relay.call(call)
        finally:
            self._clock.resume()
        self._asked[span] = relayed
        self._spans[span] = _model_call_span(span, call, relayed)
        self._note_excuse(call.path, relayed.failure)
        if relayed.failure is not None:
            await self._refuse(number, relayed.failure)
        else:
            await self._send(encode_frame({"kind": "reply", "id": number, "reply": to_json(relayed.reply)}))

    async def _refuse(self, number: int, failure: Failure) -> None:
        await self._send(encode_frame({"kind": "reply", "id": number, "failure": {"kind": failure.kind, "message": failure.message}}))

    def _note_excuse(self, branch: str, failure: Failure | None) -> None:
        """Keep a failure that is not the program's; an answer shows that its branch, and those inside, went on after theirs.

        Branches beside it go on in any case: `parallel` raises what one of them raised once all have ended.
        """
        inside = f"{branch}." if branch else ""
        self._excuses = {path: kind for path, kind in self._excuses.items() if not f"{path}.".startswith(inside)}
        if failure is not None and not failure.is_the_programs:
            self._excuses[branch] = failure.kind

    def _asking_ended(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # One that nobody expects, such as a fault of ours that a hostile body finds, must not end the run.
            trouble = Trouble.of(error).error
            trouble.__cause__ = error
            self._fatal = self._fatal or trouble
            self._child.kill()

    def _judge(self, ended: Exit, *, seconds: float) -> Outcome:
        output, failure, stdout = self._result or (None, death(ended, self._work.limits), "")
        if self._stopped is not None and (self._result is None or self._stopped.kind != "timeout"):
            output, failure = None, self._stopped
        if self._again and self._result is None and self._stopped is None and _was_killed(ended, self._work.limits):
            raise InfrastructureError("something outside killed its child")
        if failure is not None and failure.is_the_programs and disk_is_full(self._child.scratch.parent):
            # Which programs fail then is no matter of theirs. What one may write itself is far less than a disk.
            raise InfrastructureError(f"the disk that holds {self._child.scratch.parent} is full")
        # In the order of the call tree, so that neither trace nor sum depends on which branch was faster.
        spans = sorted(self._spans.values(), key=lambda span: [int(step) for step in span.path.split(".") if step])
        relayed = [self._asked[path] for path in sorted(self._asked)]
        return Outcome(
            example_id=self._case.example_id,
            repeat=self._case.repeat,
            output=output,
            failure=failure,
            spans=tuple(spans),
            usage=sum((one.usage for one in relayed if one is not None), Usage()),
            stdout=stdout,
            seconds=seconds,
            cpu_s=ended.cpu_s,
        )


def death(ended: Exit, limits: Limits) -> Failure:
    """Why a child ended without a result."""
    if ended.excess:
        return Failure(kind="forbidden", message=ended.excess)
    code = os.waitstatus_to_exitcode(ended.status)
    if code >= 0:
        return Failure(kind="crash", message=f"it exited with code {code} instead of returning")
    if -code == signal.SIGXCPU or (-code == signal.SIGKILL and ended.cpu_s >= cpu_limit_s(limits)):
        return Failure(kind="timeout", message=f"it used more than {cpu_limit_s(limits)} CPU seconds")
    if -code == signal.SIGSYS:
        return Failure(kind="forbidden", message="it made a system call that the sandbox does not know")
    if ended.grown_kb >= _NEARLY_ALL * limits.memory_mb * 1024:
        return Failure(kind="memory", message=f"it died with nearly all of its {limits.memory_mb} MiB in use")
    return Failure(kind="crash", message=f"it was ended by signal {-code} ({signal.strsignal(-code)})")


def _was_killed(ended: Exit, limits: Limits) -> bool:
    """Whether a SIGKILL ended it that neither a limit nor the template sent."""
    return os.waitstatus_to_exitcode(ended.status) == -signal.SIGKILL and death(ended, limits).kind == "crash"


def _model_call_span(path: str, call: ProgramCall, relayed: Relayed) -> Span:
    return Span(
        path=path,
        component=call.component,
        kind="model_call",
        inputs=bounded(json.dumps(call.body, ensure_ascii=False), _MAX_SPAN_TEXT),
        output=bounded(json.dumps(relayed.reply.text, ensure_ascii=False), _MAX_SPAN_TEXT) if relayed.reply is not None else "",
        error=bounded(f"{relayed.failure.kind}: {relayed.failure.message}".splitlines()[0], 400) if relayed.failure is not None else "",
        seconds=relayed.seconds,
        input_tokens=relayed.usage.input_tokens,
        output_tokens=relayed.usage.output_tokens,
        claimed=False,
    )

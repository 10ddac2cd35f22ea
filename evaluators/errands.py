"""Errands: work that goes to a worker elsewhere over the relay's connection, and outcomes that come back; one frame each way for a case.

`RemoteWorker` stands in the driver, where dispatch takes it for any host; `ErrandRunner` stands beside the worker. Large inputs cross
once: both ends keep them by the same rule, so that the driver knows what the other has. Frames: `work` with `work`, `stage` and `case`,
whose `inputs` are left out where they are kept, and `keep` with their size where they are to be; `cancel`; `outcome` with `outcome` or
`trouble`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from graftwork.programs.errors import InfrastructureError, TaskError, WireError
from graftwork.programs.export import Hook
from graftwork.programs.failure import Failure
from graftwork.programs.model import Usage
from graftwork.programs.trace import Feed, Span
from graftwork.programs.wire import encode_frame, to_json

from .evaluation import Case, Outcome, Work
from .relay import MAX_OUTCOME_BYTES, RelayClient, RelayedStage, RelayServer, Trouble
from .task import Foreign, Limits

__all__ = ["ErrandRunner", "RemoteWorker"]

_LARGE_BYTES: Final = 64 * 1024
_KEPT_BYTES: Final = 64 * 1024 * 1024


class RemoteWorker:
    """A worker elsewhere as the dispatcher sees it: a `Host`, and the `Guest` that the relay server gets to know it by.

    Args:
        server: Where it calls.
        name: What it says it is called.
        slots: Cases that it runs at the same time.

    Attributes:
        name: What it says it is called.
        arrived: Done when it has called; an `InfrastructureError` if it was lost before.
        lost: Done when its connection has ended, or it was given up.
    """

    def __init__(self, server: RelayServer, name: str, *, slots: int) -> None:
        self.name = name
        self._server = server
        self._slots = slots
        self._send: Callable[[bytes], None] | None = None
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any] | None]] = {}
        self._kept = _Kept()
        self._last_id = 0
        loop = asyncio.get_running_loop()
        self.arrived: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        server.invite(name, self)

    @property
    def slots(self) -> int:
        """Cases that it runs at the same time."""
        return self._slots

    async def run(self, work: Work) -> tuple[Outcome, ...] | None:
        """Have every case run; None if the worker is lost. Cancelling it cancels the cases there.

        Raises:
            GraftworkError: What the worker raised on purpose; `InfrastructureError` for what nobody expects.
            TaskError: If the inputs cannot be sent.
        """
        with self._server.staging(work.stage) as stage:
            asked: dict[int, asyncio.Future[Mapping[str, Any] | None]] = {}
            try:
                for case in work.cases:
                    self._last_id += 1
                    asked[self._last_id] = self._asked(self._last_id, work, case, stage)
                return _outcomes(await asyncio.gather(*asked.values()))
            finally:
                for number in asked:
                    if self._waiting.pop(number, None) is not None and self._send is not None:
                        self._send(encode_frame({"kind": "cancel", "id": number}))

    def _asked(self, number: int, work: Work, case: Case, stage: str) -> asyncio.Future[Mapping[str, Any] | None]:
        future: asyncio.Future[Mapping[str, Any] | None] = asyncio.get_running_loop().create_future()
        if self._send is None:
            future.set_result(None)
        else:
            self._send(self._frame(number, work, case, stage))
            self._waiting[number] = future
        return future

    def _frame(self, number: int, work: Work, case: Case, stage: str) -> bytes:
        fields: dict[str, object] = {"example_id": case.example_id, "repeat": case.repeat}
        frame: dict[str, Any] = {
            "kind": "work",
            "id": number,
            "stage": stage,
            "work": to_json(replace(work, cases=(), stage=None)),
            "case": fields,
        }
        if self._kept.get(case.example_id) is case.inputs:
            return encode_frame(frame)
        fields["inputs"] = to_json(case.inputs)
        try:
            data = encode_frame(frame)
            if len(data) > _LARGE_BYTES:
                self._kept.put(case.example_id, case.inputs, len(data))
                data = encode_frame(frame | {"keep": len(data)})
        except WireError as error:
            raise TaskError(f"the inputs of example {case.example_id} cannot be sent to a program: {error}") from None
        return data

    def greet(self, send: Callable[[bytes], None]) -> None:
        """It is there; see `Guest`."""
        self._send = send
        if not self.arrived.done():
            self.arrived.set_result(None)

    def take(self, frame: Mapping[str, Any]) -> None:
        """It sends an outcome; see `Guest`."""
        future = self._waiting.pop(frame["id"], None)
        if future is not None and not future.done():
            future.set_result(frame)

    def lose(self) -> None:
        """Give it up: whoever waits for it hears that it is lost. Calling it twice is harmless."""
        if self.lost.done():
            return
        self.lost.set_result(None)
        self._send = None
        self._server.disinvite(self.name)
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
        if not self.arrived.done():
            self.arrived.set_exception(InfrastructureError("it was lost before it called"))
            self.arrived.exception()  # perhaps nobody waits


class ErrandRunner:
    """Takes errands from a relay server and has them run.

    Args:
        client: To the server.
        run: Runs a work of one case, such as a worker's `run` whose relay is the client.
    """

    def __init__(self, client: RelayClient, run: Callable[[Work], Awaitable[tuple[Outcome, ...]]]) -> None:
        self._client = client
        self._run_work = run
        self._kept = _Kept()
        self._running: dict[int, asyncio.Task[None]] = {}

    async def serve(self, name: str) -> None:
        """Call the server and take errands until the connection ends; what runs then is cancelled.

        Args:
            name: What the server knows it by.

        Raises:
            InfrastructureError: If the server cannot be reached.
        """
        over = asyncio.Event()
        await self._client.introduce(name, self._take, over.set)
        await over.wait()
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _take(self, frame: Mapping[str, Any]) -> None:
        number = frame["id"]
        if frame["kind"] == "cancel":
            if number in self._running:
                self._running[number].cancel()
            return
        work = self._work(frame)
        task = self._running[number] = asyncio.get_running_loop().create_task(self._run(number, work))
        task.add_done_callback(lambda _: self._running.pop(number, None))

    def _work(self, frame: Mapping[str, Any]) -> Work:
        """The work, with its one case; large inputs are kept in the order in which they come."""
        fields = frame["case"]
        if "inputs" not in fields:
            fields["inputs"] = self._kept.get(fields["example_id"])
        elif "keep" in frame:
            self._kept.put(fields["example_id"], fields["inputs"], frame["keep"])
        stage = RelayedStage(self._client, frame["stage"]) if frame["stage"] else None
        return replace(_work(frame["work"]), cases=(Case(**fields),), stage=stage)

    async def _run(self, number: int, work: Work) -> None:
        """Run it and say what came of it; whatever goes wrong is told: who asked would wait for ever."""
        (done,) = await asyncio.gather(self._encoded(number, work), return_exceptions=True)
        if isinstance(done, BaseException):
            done = encode_frame({"kind": "outcome", "id": number, "trouble": to_json(Trouble.of(done))})
        self._client.send(done)

    async def _encoded(self, number: int, work: Work) -> bytes:
        (outcome,) = await self._run_work(work)
        fields = {name: to_json(getattr(outcome, name)) for name in ("failure", "spans", "usage")}
        plain = {name: getattr(outcome, name) for name in ("example_id", "repeat", "output", "stdout", "seconds", "cpu_s")}
        return encode_frame({"kind": "outcome", "id": number, "outcome": {**plain, **fields}}, max_bytes=MAX_OUTCOME_BYTES)


class _Kept:
    """Large inputs by example, the latest up to a size; two that are told the same hold the same."""

    def __init__(self) -> None:
        self._inputs: OrderedDict[str, tuple[Mapping[str, object], int]] = OrderedDict()
        self._n_bytes = 0

    def get(self, example_id: str) -> Mapping[str, object] | None:
        return self._inputs.get(example_id, (None, 0))[0]

    def put(self, example_id: str, inputs: Mapping[str, object], n_bytes: int) -> None:
        self._n_bytes += n_bytes - self._inputs.pop(example_id, ({}, 0))[1]
        self._inputs[example_id] = (inputs, n_bytes)
        while self._n_bytes > _KEPT_BYTES:
            self._n_bytes -= self._inputs.popitem(last=False)[1][1]


def _outcomes(frames: list[Mapping[str, Any] | None]) -> tuple[Outcome, ...] | None:
    there = [frame for frame in frames if frame is not None]
    for frame in there:
        if "trouble" in frame:
            raise Trouble(**frame["trouble"]).error
    return tuple(_outcome(frame["outcome"]) for frame in there) if len(there) == len(frames) else None


def _outcome(fields: Mapping[str, Any]) -> Outcome:
    spans = (Span(**{**span, "feeds": tuple(Feed(**feed) for feed in span["feeds"])}) for span in fields["spans"])
    failure = fields["failure"]
    values = {"spans": tuple(spans), "usage": Usage(**fields["usage"]), "failure": None if failure is None else Failure(**failure)}
    return Outcome(**{**fields, **values})


def _work(fields: Mapping[str, Any]) -> Work:
    hook, foreign = fields["hook"], fields["foreign"]
    if foreign is not None:
        thresholds = foreign["thresholds"]
        foreign = Foreign(folder=foreign["folder"], thresholds=None if thresholds is None else tuple(thresholds))
    values = {
        "packages": tuple(fields["packages"]),
        "limits": Limits(**fields["limits"]),
        "hook": None if hook is None else Hook(**hook),
        "foreign": foreign,
    }
    return Work(**{**fields, **values})

"""The relay over a socket: a server beside the gateway, and a client for workers elsewhere.

Both sides prove that they know a random token (HMAC-SHA256 over both nonces) before any frame. Then frames of `programs/wire.py`, many at
a time: `call` with `call`; `step` with `stage`, `run_id` and what is to be done there (`enter` a case, take an `action`, or `leave`);
`reply` with `relayed` or `stepped`, or with `trouble` (kind, message). A client that says `hello` with a `name` that the server was told
of is a guest: what else passes on its connection is its and its host's matter (`errands.py`).
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from graftwork.programs.errors import CeilingReached, ConfigError, EndpointError, GraftworkError, InfrastructureError, TaskError, WireError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, ToolCall, Usage
from graftwork.programs.wire import FrameKind, FrameReader, encode_frame, to_json

from .evaluation import Case, EpisodeStage, Stepped
from .pool import ProgramCall, Relay, Relayed

__all__ = ["MAX_OUTCOME_BYTES", "Guest", "RelayAddress", "RelayClient", "RelayServer", "RelayedStage", "Trouble"]

MAX_OUTCOME_BYTES: Final = 64 * 1024 * 1024  # the longest frame that a client may send: an output of 16 MiB and its trace fit
_NONCE_BYTES: Final = 32
_HANDSHAKE_S: Final = 10.0
_CHUNK: Final = 256 * 1024
_ERRORS: Final[tuple[type[GraftworkError], ...]] = (CeilingReached, EndpointError, ConfigError, TaskError, InfrastructureError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAddress:
    """Where a relay server listens, and the proof that one may call it.

    Attributes:
        host: Name or address.
        port: TCP port.
        token: Secret of this server; not shown when printed.
    """

    host: str
    port: int
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An exception of ours that crosses a process boundary.

    Attributes:
        kind: Name of its class.
        message: What it says.
    """

    kind: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> Trouble:
        """What to send for an exception; one that nobody expects becomes `InfrastructureError`, with its name in the message."""
        for expected in _ERRORS:
            if isinstance(error, expected):
                return cls(kind=expected.__name__, message=str(error))
        return cls(kind=InfrastructureError.__name__, message=f"{type(error).__name__}: {error}")

    @property
    def error(self) -> GraftworkError:
        """The exception again."""
        return {expected.__name__: expected for expected in _ERRORS}.get(self.kind, InfrastructureError)(self.message)


class Guest(Protocol):
    """Who stands in the driver for a client that is sent work."""

    def greet(self, send: Callable[[bytes], None]) -> None:
        """The client is there, and can be sent frames."""
        ...

    def take(self, frame: Mapping[str, Any]) -> None:
        """Take a frame that the client sent."""
        ...

    def lose(self) -> None:
        """The connection has ended."""
        ...


class RelayServer:
    """Lets authenticated clients use a relay. Belongs to the loop that starts it.

    Args:
        relay: What the calls are passed to.
        host: Address to listen on: where clients on other machines reach it, and nobody else should.
    """

    def __init__(self, relay: Relay, *, host: str = "127.0.0.1") -> None:
        self._relay = relay
        self._host = host
        self._token = secrets.token_bytes(32)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._stages: dict[str, EpisodeStage] = {}
        self._guests: dict[str, Guest] = {}

    def invite(self, name: str, guest: Guest) -> None:
        """Expect a client that says it is called so."""
        self._guests[name] = guest

    def disinvite(self, name: str) -> None:
        """Expect it no more; harmless for one that has come."""
        self._guests.pop(name, None)

    @contextmanager
    def staging(self, stage: EpisodeStage | None) -> Iterator[str]:
        """Let clients reach a stage by the name that this gives; an empty one where there is none."""
        name = secrets.token_hex(8) if stage is not None else ""
        if stage is not None:
            self._stages[name] = stage
        try:
            yield name
        finally:
            self._stages.pop(name, None)

    async def start(self) -> RelayAddress:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, self._host, 0)
        port = self._server.sockets[0].getsockname()[1]
        return RelayAddress(host=self._host, port=port, token=self._token)

    async def aclose(self) -> None:
        """Stop listening and drop every connection. Calling it twice is harmless."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._attend(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering: set[asyncio.Task[None]] = set()
        entered: dict[str, EpisodeStage] = {}  # by run, of this connection
        try:
            if await self._is_friend(reader, writer):
                await self._serve(reader, writer, answering, entered)
        except (OSError, EOFError, TimeoutError, WireError):
            # The client is gone, or none of ours. Either way it hears nothing more.
            pass
        finally:
            for answer in answering:
                answer.cancel()
            await asyncio.gather(*(stage.leave(run_id) for run_id, stage in entered.items()), return_exceptions=True)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _is_friend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        ours = secrets.token_bytes(_NONCE_BYTES)
        writer.write(ours)
        async with asyncio.timeout(_HANDSHAKE_S):
            theirs = await reader.readexactly(_NONCE_BYTES)
            proof = await reader.readexactly(_NONCE_BYTES)
        if not hmac.compare_digest(proof, _proof(self._token, b"client", ours + theirs)):
            return False
        writer.write(_proof(self._token, b"server", ours + theirs))
        return True

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answering: set[asyncio.Task[None]],
        entered: dict[str, EpisodeStage],
    ) -> None:
        frames, guest = FrameReader(max_bytes=MAX_OUTCOME_BYTES), None
        try:
            while data := await reader.read(_CHUNK):
                for frame in frames.feed(data):
                    if frame["kind"] in ("call", "step"):
                        task = asyncio.create_task(self._answer(frame, writer, entered))
                        answering.add(task)
                        task.add_done_callback(answering.discard)
                    elif guest is not None:
                        guest.take(frame)
                    elif frame["kind"] == "hello" and (guest := self._guests.pop(str(frame.get("name")), None)) is not None:
                        guest.greet(writer.write)
                    else:
                        raise WireError("a guest says its name first, and is expected")
        finally:
            if guest is not None:
                guest.lose()

    async def _answer(self, frame: Mapping[str, Any], writer: asyncio.StreamWriter, entered: dict[str, EpisodeStage]) -> None:
        (done,) = await asyncio.gather(self._made(frame, entered), return_exceptions=True)
        if isinstance(done, BaseException):
            done = encode_frame({"kind": "reply", "id": frame["id"], "trouble": to_json(Trouble.of(done))})
        with suppress(OSError):
            writer.write(done)
            await writer.drain()

    async def _made(self, frame: Mapping[str, Any], entered: dict[str, EpisodeStage]) -> bytes:
        """Have the call or the step made; the reply, encoded. Whatever goes wrong with either is told: who asked would wait for ever."""
        if frame["kind"] == "step":
            return encode_frame({"kind": "reply", "id": frame["id"], "stepped": to_json(await self._stepped(frame, entered))})
        relayed = await self._relay.call(ProgramCall(**frame["call"]))
        return encode_frame({"kind": "reply", "id": frame["id"], "relayed": to_json(relayed)})

    async def _stepped(self, frame: Mapping[str, Any], entered: dict[str, EpisodeStage]) -> Stepped:
        stage, run_id = self._stages.get(frame["stage"]), frame["run_id"]
        if "enter" in frame:
            if stage is None:
                raise InfrastructureError("the work that this episode belongs to has ended")
            entered[run_id] = stage
            return await stage.enter(run_id, Case(**frame["enter"]))
        if "action" in frame:
            if run_id not in entered:
                raise InfrastructureError("the environment of this episode went with the connection that began it")
            return await entered[run_id].step(run_id, frame["action"])
        if run_id in entered:
            await entered.pop(run_id).leave(run_id)
        return Stepped()


class RelayClient:
    """A relay through a server's socket; connects with the first call, and again after a loss. Belongs to one loop.

    Args:
        address: The server's.
    """

    def __init__(self, address: RelayAddress) -> None:
        self._address = address
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._last_id = 0
        self._on_frame: Callable[[Mapping[str, Any]], None] | None = None
        self._on_loss: Callable[[], None] | None = None

    async def introduce(self, name: str, on_frame: Callable[[Mapping[str, Any]], None], on_loss: Callable[[], None]) -> None:
        """Connect as a guest.

        Args:
            name: That the server was told of.
            on_frame: Called with each frame that answers none of ours.
            on_loss: Called when the connection has ended.

        Raises:
            InfrastructureError: The server cannot be reached.
        """
        self._on_frame, self._on_loss = on_frame, on_loss
        (await self._connected()).write(encode_frame({"kind": "hello", "id": 0, "name": name}))

    def send(self, data: bytes) -> None:
        """Send an encoded frame that asks for no answer; it goes nowhere when the connection was lost."""
        if self._writer is not None:
            self._writer.write(data)

    async def call(self, call: ProgramCall) -> Relayed:
        """Have one model call made.

        Raises:
            CeilingReached: The run's budget is spent.
            EndpointError: The endpoint refuses key or model.
            InfrastructureError: The server cannot be reached, or the connection was lost.
        """
        return _relayed((await self.exchange("call", call=to_json(call)))["relayed"])

    async def exchange(self, kind: FrameKind, **fields: object) -> Mapping[str, Any]:
        """Send a frame; the frame that answers it.

        Raises:
            GraftworkError: What the other side raised, or that the connection was lost.
        """
        writer = await self._connected()
        self._last_id += 1
        number = self._last_id
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            writer.write(encode_frame({"kind": kind, "id": number, **fields}))
            await writer.drain()
            return await future
        except OSError as error:
            raise InfrastructureError(f"the connection to the gateway was lost: {error}") from None
        finally:
            self._waiting.pop(number, None)

    async def aclose(self) -> None:
        """Close the connection; calls that wait fail. Calling it twice is harmless."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                try:
                    async with asyncio.timeout(_HANDSHAKE_S):
                        reader, self._writer = await self._connect()
                except (OSError, EOFError, TimeoutError) as error:
                    raise InfrastructureError(f"the gateway cannot be reached: {error!r}") from None
                self._listening = asyncio.create_task(self._listen(reader, self._writer))
            return self._writer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        try:
            await self._shake_hands(reader, writer)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _shake_hands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await reader.readexactly(_NONCE_BYTES), secrets.token_bytes(_NONCE_BYTES)
        writer.write(ours + _proof(self._address.token, b"client", theirs + ours))
        proof = await reader.readexactly(_NONCE_BYTES)
        if not hmac.compare_digest(proof, _proof(self._address.token, b"server", theirs + ours)):
            raise ConnectionRefusedError("who listens there does not know the token")

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader()
        try:
            while data := await reader.read(_CHUNK):
                for frame in frames.feed(data):
                    self._deliver(frame)
        except (OSError, WireError):
            # Like an end: whoever waits is told below.
            pass
        finally:
            self._writer = None
            writer.close()
            if self._on_loss is not None:
                self._on_loss()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(InfrastructureError("the connection to the gateway was lost"))

    def _deliver(self, frame: Mapping[str, Any]) -> None:
        if frame["kind"] != "reply" and self._on_frame is not None:
            self._on_frame(frame)
            return
        future = self._waiting.get(frame["id"])
        if future is None or future.done():
            return
        if "trouble" in frame:
            future.set_exception(Trouble(**frame["trouble"]).error)
        else:
            future.set_result(frame)


class RelayedStage:
    """A stage through a relay client.

    Args:
        client: To the server that holds it.
        name: What `RelayServer.staging` calls it.
    """

    def __init__(self, client: RelayClient, name: str) -> None:
        self._client = client
        self._name = name

    async def enter(self, run_id: str, case: Case) -> Stepped:
        """Make a new environment and begin; see `EpisodeStage`."""
        return await self._does(run_id, enter=to_json(case))

    async def step(self, run_id: str, action: object) -> Stepped:
        """Take one action; see `EpisodeStage`."""
        return await self._does(run_id, action=action)

    async def leave(self, run_id: str) -> None:
        """Close the run's environment; see `EpisodeStage`."""
        await self._does(run_id)

    async def _does(self, run_id: str, **what: object) -> Stepped:
        answer = await self._client.exchange("step", stage=self._name, run_id=run_id, **what)
        fields = answer["stepped"]
        failure = fields["failure"]
        return Stepped(**{**fields, "failure": None if failure is None else Failure(**failure)})


def _proof(token: bytes, side: bytes, nonces: bytes) -> bytes:
    return hmac.digest(token, side + nonces, "sha256")


def _relayed(value: Mapping[str, Any]) -> Relayed:
    reply, failure = value["reply"], value["failure"]
    return Relayed(
        reply=None if reply is None else _reply(reply),
        failure=None if failure is None else Failure(**failure),
        usage=Usage(**value["usage"]),
        seconds=value["seconds"],
    )


def _reply(value: Mapping[str, Any]) -> Reply:
    fields = {**value, "tool_calls": tuple(ToolCall(**call) for call in value["tool_calls"]), "usage": Usage(**value["usage"])}
    return Reply(**fields)

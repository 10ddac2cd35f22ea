"""The relay over a socket: calls and errors come through, strangers do not."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.pool import ProgramCall, Relay, Relayed
from graftwork.evaluators.relay import RelayAddress, RelayClient, RelayServer, Trouble
from graftwork.programs.errors import CeilingReached, EndpointError, GraftworkError, InfrastructureError
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, ToolCall, Usage

from .pool_programs import EchoRelay, FailingRelay

T = TypeVar("T")


def make_call(text: str = "hello", *, draw: str = "search/0/#0") -> ProgramCall:
    return ProgramCall(
        candidate=3,
        digest="d",
        example_id="e",
        body={"messages": [{"role": "user", "content": text}]},
        component="c",
        path="0",
        draw=draw,
        run_id="r",
        max_calls=4,
        max_tokens=9,
    )


def with_server(relay: Relay, body: Callable[[RelayAddress], Awaitable[T]]) -> T:
    async def serve() -> T:
        server = RelayServer(relay)
        try:
            return await body(await server.start())
        finally:
            await server.aclose()
            await server.aclose()

    return asyncio.run(serve())


def with_client(relay: Relay, body: Callable[[RelayClient], Awaitable[T]]) -> T:
    async def use(address: RelayAddress) -> T:
        client = RelayClient(address)
        try:
            return await body(client)
        finally:
            await client.aclose()

    return with_server(relay, use)


class Canned:
    """Gives one answer to every call."""

    def __init__(self, relayed: Relayed) -> None:
        self._relayed = relayed

    async def call(self, call: ProgramCall) -> Relayed:
        assert call.draw
        return self._relayed


class SlowestFirst:
    """Answers earlier calls later."""

    def __init__(self) -> None:
        self._wait_s = 0.5

    async def call(self, call: ProgramCall) -> Relayed:
        self._wait_s /= 2
        await asyncio.sleep(self._wait_s)
        return Relayed(reply=Reply(text=call.draw), usage=Usage())


def test_a_call_arrives_as_it_was_sent() -> None:
    relay = EchoRelay()
    relayed = with_client(relay, lambda client: client.call(make_call("äöü \U0001f600")))
    assert relay.calls == [make_call("äöü \U0001f600")]
    assert relayed.reply is not None
    assert relayed.reply.text == "ÄÖÜ \U0001f600"
    assert relayed.usage == Usage(input_tokens=3, output_tokens=2, usd=0.1, calls=1)


@given(st.text(), st.text(), st.booleans())
def test_every_answer_comes_back_equal(text: str, other: str, failed: bool) -> None:  # noqa: FBT001 (hypothesis gives it)
    calls = (ToolCall(id="i", name=other, arguments=text),)
    reply = Reply(text=text, tool_calls=calls, finish_reason="tool_calls", usage=Usage(calls=1), model="m", refusal=other or None)
    failure = Failure(kind="model", message=text, component=other, detail=text)
    relayed = Relayed(reply=None if failed else reply, failure=failure if failed else None, usage=Usage(usd=0.5), seconds=1.25)
    assert with_client(Canned(relayed), lambda client: client.call(make_call())) == relayed


def test_answers_overtake_each_other() -> None:
    async def ask(client: RelayClient) -> list[str]:
        done: list[str] = []

        async def one(draw: str) -> None:
            relayed = await client.call(make_call(draw=draw))
            assert relayed.reply is not None
            assert relayed.reply.text == draw
            done.append(draw)

        await asyncio.gather(*(one(f"d{n}") for n in range(4)))
        return done

    assert with_client(SlowestFirst(), ask) == ["d3", "d2", "d1", "d0"]


@pytest.mark.parametrize("error", [CeilingReached("spent"), EndpointError("no key"), InfrastructureError("gone")])
def test_our_errors_cross_with_their_class(error: GraftworkError) -> None:
    with pytest.raises(type(error), match=str(error)):
        with_client(FailingRelay(error), lambda client: client.call(make_call()))


def test_an_error_that_nobody_expects_is_infrastructure_and_named() -> None:
    assert isinstance(Trouble.of(ZeroDivisionError("by zero")).error, InfrastructureError)
    with pytest.raises(InfrastructureError, match="ZeroDivisionError: by zero"):
        with_client(FailingRelay(ZeroDivisionError("by zero")), lambda client: client.call(make_call()))


def test_an_answer_that_cannot_be_sent_is_told_all_the_same() -> None:
    large = Relayed(reply=Reply(text="x" * 17_000_000), usage=Usage())
    with pytest.raises(InfrastructureError, match="a frame may have"):
        with_client(Canned(large), lambda client: asyncio.wait_for(client.call(make_call()), 20))


def test_a_client_without_the_token_is_dropped() -> None:
    relay = EchoRelay()

    async def intrude(address: RelayAddress) -> None:
        client = RelayClient(replace(address, token=bytes(32)))
        with pytest.raises(InfrastructureError, match="cannot be reached"):
            await client.call(make_call())

    with_server(relay, intrude)
    assert relay.calls == []
    assert "token" not in repr(RelayAddress(host="h", port=1, token=b"secret"))


def test_a_stranger_that_skips_the_handshake_hears_a_nonce_only() -> None:
    async def intrude(address: RelayAddress) -> bytes:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(bytes(64) + b'\x00\x00\x00\x1f{"kind":"call","id":1,"call":{}}')
        heard = await reader.read()
        writer.close()
        await writer.wait_closed()
        return heard

    assert len(with_server(EchoRelay(), intrude)) == 32


def test_a_server_that_does_not_know_the_token_is_not_called() -> None:
    left = asyncio.Event()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(32))
        theirs = await reader.readexactly(64)
        writer.write(hmac.digest(b"wrong", b"server" + bytes(32) + theirs[:32], "sha256"))
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        left.set()

    async def call() -> None:
        async with await asyncio.start_server(pretend, "127.0.0.1", 0) as server:
            client = RelayClient(RelayAddress(host="127.0.0.1", port=server.sockets[0].getsockname()[1], token=bytes(32)))
            with pytest.raises(InfrastructureError, match="does not know the token"):
                await client.call(make_call())
            await left.wait()

    asyncio.run(call())


def test_a_lost_connection_fails_those_who_wait_and_the_next_call_connects_again() -> None:
    complaints: list[object] = []

    async def lose() -> list[type[BaseException]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        server = RelayServer(EchoRelay(wait_s=30.0))
        client = RelayClient(await server.start())
        waiting = asyncio.create_task(client.call(make_call()))
        await asyncio.sleep(0.2)
        await server.aclose()
        errors = [
            *await asyncio.gather(waiting, return_exceptions=True),
            *await asyncio.gather(client.call(make_call()), return_exceptions=True),
        ]
        await client.aclose()
        return [type(error) for error in errors if isinstance(error, BaseException)]

    assert asyncio.run(lose()) == [InfrastructureError, InfrastructureError]
    assert complaints == []

"""What every `Model` must do, whatever stands behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from graftwork.programs.errors import CallFailed
from graftwork.programs.model import Model, Reply

__all__ = ["ModelConformance", "body_of", "using"]

T = TypeVar("T")


def body_of(text: str) -> dict[str, object]:
    """A request with one message."""
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 8}


def using(model: Model, act: Callable[[Model], Awaitable[T]]) -> T:
    """What an act on a model gives, on a loop of its own; the model is closed at the end."""

    async def run() -> T:
        try:
            return await act(model)
        finally:
            await model.aclose()

    return asyncio.run(run())


class ModelConformance:
    """A subclass gives a fixture `model` that answers `ping` with `pong`, rejects `bad`, and is in trouble at `broken`."""

    def test_a_reply_has_its_text_and_is_counted_as_one_call(self, model: Model) -> None:
        reply = using(model, lambda m: m.complete(body_of("ping"), draw="0"))
        assert reply.text == "pong"
        assert reply.usage.calls == 1
        assert reply.usage.input_tokens > 0
        assert reply.usage.output_tokens > 0

    def test_the_same_request_and_draw_may_be_asked_again(self, model: Model) -> None:
        async def twice(model: Model) -> tuple[Reply, Reply]:
            return await model.complete(body_of("ping"), draw="0"), await model.complete(body_of("ping"), draw="0")

        first, second = using(model, twice)
        assert first == second

    def test_many_requests_may_be_in_flight_at_the_same_time(self, model: Model) -> None:
        async def many(model: Model) -> list[Reply]:
            return await asyncio.gather(*[model.complete(body_of("ping"), draw=str(number)) for number in range(8)])

        assert [reply.text for reply in using(model, many)] == ["pong"] * 8

    @pytest.mark.parametrize(("text", "kind"), [("bad", "invalid"), ("broken", "model")])
    def test_a_call_without_a_reply_says_whose_fault_it_is(self, model: Model, text: str, kind: str) -> None:
        with pytest.raises(CallFailed) as caught:
            using(model, lambda m: m.complete(body_of(text), draw="0"))
        assert caught.value.failure.kind == kind
        assert caught.value.failure.message

    def test_the_body_is_left_as_it_was(self, model: Model) -> None:
        body = body_of("ping")
        using(model, lambda m: m.complete(body, draw="0"))
        assert body == body_of("ping")

    def test_it_can_be_used_on_another_loop_and_closed_twice(self, model: Model) -> None:
        for _ in range(2):
            assert using(model, lambda m: m.complete(body_of("ping"), draw="0")).text == "pong"
        asyncio.run(model.aclose())

    def test_its_alias_names_it(self, model: Model) -> None:
        assert model.alias

"""The scripted model, and none."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from graftwork.programs.errors import CallFailed
from graftwork.programs.failure import Failure
from graftwork.programs.model import Model, Reply, Usage
from graftwork.programs.scripted import NoModel, ScriptedModel

from .conformance import ModelConformance, body_of, using


def _script(body: Mapping[str, object], draw: str) -> str | Reply | CallFailed:
    text = str(body["messages"])
    if "bad" in text:
        return CallFailed(Failure(kind="invalid", message="rejected"))
    if "broken" in text:
        return CallFailed(Failure(kind="model", message="503"))
    return f"draw {draw}" if "draw" in text else "pong"


class TestScriptedModel(ModelConformance):
    @pytest.fixture
    def model(self) -> Model:
        return ScriptedModel(script=_script)


def test_the_draw_tells_equal_requests_apart() -> None:
    model = ScriptedModel(script=_script)
    assert using(model, lambda m: m.complete(body_of("draw"), draw="7")).text == "draw 7"


def test_a_scripted_reply_is_given_as_it_is() -> None:
    reply = Reply(text="x", usage=Usage(input_tokens=5, output_tokens=2, usd=0.5, calls=1))
    assert using(ScriptedModel(script=lambda *_: reply), lambda m: m.complete(body_of("ping"), draw="0")) is reply


def test_a_scripted_latency_is_waited_for() -> None:
    started = time.perf_counter()
    using(ScriptedModel(script=_script, latency_s=lambda *_: 0.05), lambda m: m.complete(body_of("ping"), draw="0"))
    assert time.perf_counter() - started >= 0.05


def test_a_run_without_a_model_says_so() -> None:
    with pytest.raises(CallFailed, match="this run has no model") as caught:
        using(NoModel(), lambda m: m.complete(body_of("ping"), draw="0"))
    assert caught.value.failure.kind == "invalid"

"""Every parameter that a search may change, end to end: a program in its sandboxed child, the real gateway, a scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from graftwork.evaluators.call_store import MemoryCallStore
from graftwork.evaluators.evaluation import Outcome
from graftwork.evaluators.gateway import Gateway, GatewaySettings
from graftwork.evaluators.ledger import Ceilings, Ledger
from graftwork.evaluators.local_pool import LocalPool
from graftwork.evaluators.prices import Price
from graftwork.programs.check import check
from graftwork.programs.model import Reply, ToolCall, Usage
from graftwork.programs.parse import parse
from graftwork.programs.scripted import ScriptedModel

from .pool_programs import Switch, make_work

Body = Mapping[str, Any]
HEAD = """\
from dataclasses import dataclass
from typing import Literal, Optional, TypedDict

from graftwork.programs import parallel, prompt, retry, tool, vote


"""
USAGE = Usage(input_tokens=1000, output_tokens=10)
PRICES = {"cheap": Price(input_usd_per_mtok=1.0), "dear": Price(input_usd_per_mtok=50.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One parameter.

    Attributes:
        source: The program, below the imports.
        reply: What the model says, as a function of the request and the draw.
        output: What comes back.
        sees: What must stand in the first request, as JSON text.
        n_calls: How often the model is asked.
    """

    source: str
    reply: Callable[[Body, str], str | Reply] = field(default=lambda body, draw: "fine")
    output: object = "fine"
    sees: Sequence[str] = ()
    n_calls: int = 1


def typed(annotation: str, *, before: str = "", solve: str = "return ask(text)") -> str:
    return f'{before}@prompt\ndef ask(text: str) -> {annotation}:\n    """Read it."""\n\n\ndef solve(text):\n    {solve}\n'


def says(text: str) -> Callable[[Body, str], str | Reply]:
    return lambda body, draw: text


def calls_a_tool(body: Body, draw: str) -> str | Reply:
    told = [message for message in body["messages"] if message["role"] == "tool"]
    if body.get("tool_choice") == "none":
        return f"stopped after {len(told)}"
    call = ToolCall(id=f"c{len(told)}", name="double", arguments='{"n": 21}')
    return Reply(text="", tool_calls=(call,), usage=USAGE, finish_reason="tool_calls")


def answers_the_tool(body: Body, draw: str) -> str | Reply:
    told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
    return f"it is {told[0]}" if told else calls_a_tool(body, draw)


TOOL = '@tool\ndef double(n: int) -> int:\n    """Twice a number."""\n    return 2 * n\n\n\n'
POINT = "@dataclass\nclass Point:\n    x: int\n    y: float = 0.5\n\n\n"
LINE = POINT + "@dataclass\nclass Line:\n    start: Point\n    name: Optional[str] = None\n\n\n"
CASES = {
    "instruction": Case(source=typed("str"), sees=("Read it.",)),
    "instruction with places": Case(
        source='@prompt\ndef ask(text: str) -> str:\n    """Read {text} aloud."""\n\n\ndef solve(text):\n    return ask(text)\n',
        sees=("Read it all aloud.",),
    ),
    "demonstrations": Case(
        source='DEMOS = [{"inputs": {"text": "one"}, "output": 1}]\n\n\n' + typed("int").replace("@prompt", "@prompt(demos=DEMOS)"),
        reply=says("7"),
        output=7,
        sees=('"text: one"', '"role": "assistant"'),
    ),
    "decoding": Case(
        source=typed("str").replace("@prompt", "@prompt(temperature=0.25, top_p=0.5, max_tokens=9)"),
        sees=('"temperature": 0.25', '"top_p": 0.5', '"max_tokens": 9'),
    ),
    "model by name": Case(source=typed("str").replace("@prompt", '@prompt(model="dear")'), sees=('"model": "dear"',)),
    "model by a constant": Case(
        source='MODEL = "cheap"\n\n\n' + typed("str").replace("@prompt", "@prompt(model=MODEL)"), sees=('"model": "cheap"',)
    ),
    "tool and its description": Case(
        source=TOOL + typed("str").replace("@prompt", "@prompt(tools=[double])"),
        reply=answers_the_tool,
        output="it is 42",
        sees=("Twice a number.", '"n": {"type": "integer"}'),
        n_calls=2,
    ),
    "bounded tool loop": Case(
        source=TOOL + typed("str").replace("@prompt", "@prompt(tools=[double])"), reply=calls_a_tool, output="stopped after 5", n_calls=6
    ),
    "function": Case(source="def twice(x):\n    return x * 2\n\n\n" + typed("str", solve="return twice(ask(text))"), output="finefine"),
    "loop over calls": Case(source=typed("str", solve="return [ask(word) for word in text.split()]"), output=["fine"] * 2, n_calls=2),
    "vote": Case(
        source=typed("int", solve="return vote(3, ask, text)"),
        reply=lambda body, draw: "5" if "/1#" in draw else "4",
        output=4,
        n_calls=3,
    ),
    "parallel": Case(
        source=typed("str", solve="return parallel(*[lambda word=word: ask(word) for word in text.split()])"),
        output=["fine"] * 2,
        n_calls=2,
    ),
    "retry": Case(
        source=typed("int", solve="return retry(3, ask, text)"),
        reply=lambda body, draw: "8" if draw.endswith("#1") else "none",
        output=8,
        n_calls=3,
    ),
    "str": Case(source=typed("str"), reply=says("a word"), output="a word"),
    "int": Case(source=typed("int"), reply=says("about 1,200"), output=1200),
    "float": Case(source=typed("float"), reply=says("2.5"), output=2.5),
    "bool": Case(source=typed("bool"), reply=says("Yes."), output=True),
    "literal": Case(source=typed('Literal["red", "blue"]'), reply=says("Blue"), output="blue", sees=("red",)),
    "list": Case(source=typed("list[int]"), reply=says('{"value": [1, 2]}'), output=[1, 2], sees=("json_schema",)),
    "dict": Case(source=typed("dict[str, float]"), reply=says('{"a": 1.5}'), output={"a": 1.5}),
    "optional, given": Case(source=typed("Optional[int]"), reply=says("3"), output=3),
    "optional, none": Case(source=typed("int | None"), reply=says("none"), output=None),
    "dataclass": Case(source=typed("Point", before=POINT), reply=says('{"x": 2}'), output={"x": 2, "y": 0.5}),
    "nested dataclasses": Case(
        source=typed("list[Line]", before=LINE),
        reply=says('{"value": [{"start": {"x": 1, "y": 2.0}, "name": null}]}'),
        output=[{"start": {"x": 1, "y": 2.0}, "name": None}],
    ),
    "typed dictionary": Case(
        source=typed("Row", before="class Row(TypedDict):\n    x: int\n\n\n"), reply=says('{"x": 4}'), output={"x": 4}
    ),
    "pydantic model": Case(
        source="from pydantic import BaseModel\n\n\n" + typed("Item", before="class Item(BaseModel):\n    size: int\n\n\n"),
        reply=says('{"size": 4}'),
        output={"size": 4},
    ),
}


class Bench:
    """One pool and, for each program, a gateway of its own. Pools keep to their own loop thread, so that each run may have its own."""

    def __init__(self, pool: LocalPool, switch: Switch) -> None:
        self._pool = pool
        self._switch = switch

    def run(self, source: str, script: Callable[[Body, str], str | Reply]) -> tuple[Outcome, list[Body], Ledger]:
        bodies: list[Body] = []

        def answer(body: Body, draw: str) -> Reply:
            bodies.append(body)
            said = script(body, draw)
            return said if isinstance(said, Reply) else Reply(text=said, usage=USAGE)

        ledger = Ledger(Ceilings())
        models = {"task": ScriptedModel(script=answer), "proposer": ScriptedModel(alias="other", script=answer)}
        settings = GatewaySettings(prices={"task": PRICES["cheap"], "proposer": Price(input_usd_per_mtok=7.0)}, named_models=PRICES)
        gateway = Gateway(models, MemoryCallStore(), ledger=ledger, settings=settings)  # type: ignore[arg-type]  # keys are roles
        self._switch.relay = gateway
        try:
            packages = ("pydantic",) if "pydantic" in source else ()
            (outcome,) = asyncio.run(self._pool.run(make_work(HEAD + source, {"text": "it all"}, packages=packages)))
        finally:
            gateway.close()
        return outcome, bodies, ledger


@pytest.fixture
def bench(local: tuple[LocalPool, Switch]) -> Bench:
    return Bench(*local)


@pytest.mark.parametrize("name", CASES)
def test_a_parameter_works_from_the_text_to_the_endpoint_and_back(bench: Bench, name: str) -> None:
    case = CASES[name]
    defects = check(parse(HEAD + case.source), entry="solve", parameters=["text"], packages=["pydantic"], models=PRICES)
    assert [str(item) for item in defects if item.severity == "error"] == []
    outcome, bodies, _ = bench.run(case.source, case.reply)
    assert (outcome.failure, outcome.output) == (None, case.output)
    assert len(bodies) == case.n_calls
    assert [piece for piece in case.sees if piece not in json.dumps(bodies[0], ensure_ascii=False)] == []
    kinds = {span.kind for span in outcome.spans}
    assert {"prompt", "model_call"} <= kinds
    assert ("tool" in kinds) == ("tools=" in case.source)


@pytest.mark.parametrize(
    ("option", "role", "usd"),
    [("", "task", 1.0), ('model="task"', "task", 1.0), ('model="dear"', "task", 50.0), ('model="proposer"', "proposer", 7.0)],
)
def test_each_model_is_booked_at_its_own_price(bench: Bench, option: str, role: str, usd: float) -> None:
    outcome, bodies, ledger = bench.run(typed("str").replace("@prompt", f"@prompt({option})"), says("fine"))
    assert outcome.output == "fine"
    assert {name: used.usd for name, used in ledger.spent.items() if used.calls} == {role: pytest.approx(usd / 1000)}
    assert bodies[0].get("model") == ("dear" if "dear" in option else None)


def test_a_model_that_the_run_does_not_know_is_refused_by_check_and_by_the_gateway(bench: Bench) -> None:
    source = typed("str").replace("@prompt", '@prompt(model="huge")')
    (defect,) = check(parse(HEAD + source), entry="solve", parameters=["text"], models=["cheap", "task"])
    assert str(defect) == (
        "error: line 7, ask: the run has no model 'huge': it has cheap, task; name one of them, or add it with --also-model NAME"
    )
    outcome, bodies, _ = bench.run(source, says("fine"))
    assert outcome.failure is not None
    assert outcome.failure.kind == "invalid"
    assert bodies == []


def test_before_the_run_is_known_any_name_passes() -> None:
    program = parse(HEAD + typed("str").replace("@prompt", '@prompt(model="huge")'))
    assert [item for item in check(program, entry="solve", parameters=["text"]) if item.severity == "error"] == []

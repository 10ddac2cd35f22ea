"""Prompts, tools and plain functions at run time: through a session, traced; and alone."""

from __future__ import annotations

import inspect
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from graftwork.programs import prompt, tool
from graftwork.programs.recording import MAX_SPANS_OF_ONE, bounded_json
from graftwork.programs.runtime import PromptFailed, PromptInvalid, trace_functions, using_session

from .endpoint import completion, serving
from .sessions import Asked, RecordingSession, loaded, text_of

MATHS = '''
from graftwork.programs import parallel, prompt, retry, tool, vote

@tool
def calculate(expression: str) -> float:
    """The value of an expression."""
    return float(eval(expression))

@prompt
def plan(question: str) -> str:
    """List the steps."""

@prompt(tools=[calculate], temperature=0.0)
def work(question: str, steps: str) -> float:
    """Follow the steps."""

def solve(question: str) -> float:
    return work(question, plan(question))

def thrice(question: str) -> float:
    return vote(3, work, question, "one step")

def again(question: str) -> float:
    return work(question, "x") + work(question, "x")

def both(question: str) -> tuple:
    return parallel(lambda: (plan(question), plan(question)), lambda: plan(question)) + parallel(lambda: plan(question))
'''


def _calls(*expressions: str) -> Mapping[str, Any]:
    calls = [{"id": str(n), "name": "calculate", "arguments": text} for n, text in enumerate(expressions)]
    return {"text": "", "tool_calls": calls, "finish_reason": "tool_calls"}


def _mathematician(asked: Asked) -> str | Mapping[str, Any]:
    if asked.component == "plan":
        return "add the two numbers"
    if asked.body["messages"][-1]["role"] == "tool":
        return f"The answer is {text_of(asked.body)}"
    return _calls('{"expression": "20 + 22"}')


def test_a_prompt_keeps_its_name_its_instruction_and_its_signature() -> None:
    @prompt(temperature=0.5)
    def name(of: str) -> str:
        """Name it."""
        raise NotImplementedError

    assert name.__name__ == "name"
    assert name.__doc__ == "Name it."
    assert list(inspect.signature(name).parameters) == ["of"]
    assert callable(name.__wrapped__)  # type: ignore[attr-defined]  # `functools.wraps` sets it


def test_an_unknown_option_is_refused_with_those_there_are() -> None:
    with pytest.raises(TypeError, match="takes tools, demos, model, temperature, max_tokens, top_p, not temprature"):
        prompt(temprature=1.0)  # type: ignore[call-overload]  # that is the mistake


def test_a_program_is_traced_as_a_call_tree_with_what_fed_what() -> None:
    session = RecordingSession(script=_mathematician)
    with loaded(MATHS) as program, using_session(session):
        trace_functions(program.__dict__)
        assert program.solve("What is 20 + 22?") == 42.0
    assert [(span.path, span.component, span.kind, span.output) for span in session.tree] == [
        ("0", "solve", "function", "42.0"),
        ("0.0", "plan", "prompt", '"add the two numbers"'),
        ("0.1", "work", "prompt", "42.0"),
        ("0.1.1", "calculate", "tool", "42.0"),
    ]
    work = session.tree[2]
    assert work.inputs == '{"question": "What is 20 + 22?", "steps": "add the two numbers"}'
    assert [(feed.path, feed.parameter, feed.kind) for feed in work.feeds] == [("0.0", "steps", "exact")]
    assert (work.input_tokens, work.output_tokens) == (10, 6)
    assert all(span.claimed and span.seconds > 0 for span in session.spans)
    assert [asked.span for asked in session.asked] == ["0.0.0", "0.1.0", "0.1.2"]


def test_a_text_inside_an_argument_or_a_demonstration_is_a_weaker_edge() -> None:
    source = '''
from graftwork.programs import prompt
@prompt
def first() -> str:
    """One."""
@prompt
def second(text: str, more: list) -> str:
    """Two."""
def solve():
    a = first()
    return second("so: " + a, []), second("short", [["x", "<" + a + ">"]]), second("", [a])
'''
    session = RecordingSession(script=lambda _: "a telling text")
    with loaded(source) as program, using_session(session):
        program.solve()
    edges = [[(feed.path, feed.parameter, feed.kind) for feed in span.feeds] for span in session.tree]
    assert edges[1] == [("0", "text", "contains")]
    assert edges[2][0] == ("0", "", "contains")
    assert edges[3][0] == ("0", "more", "exact")


def test_a_short_text_that_is_equal_by_chance_is_no_edge() -> None:
    source = '''
from graftwork.programs import prompt
@prompt
def ask(text: str) -> str:
    """Ask."""
def solve():
    ask("first")
    return ask("".join(["y", "es"]))
'''
    session = RecordingSession(script=lambda _: "yes")
    with loaded(source) as program, using_session(session):
        program.solve()
    assert [span.feeds for span in session.spans] == [(), ()]


def test_equal_requests_are_told_apart_by_branch_and_count_never_by_arrival() -> None:
    def slow_first(asked: Asked) -> str:
        time.sleep(0.03 if asked.path == "0" else 0.0)
        return f"{asked.path}#{asked.occurrence}"

    session = RecordingSession(script=slow_first)
    with loaded(MATHS) as program, using_session(session):
        assert program.both("q") == (("0#0", "0#1"), "1#0", "0#2")


def test_the_draw_of_a_call_stays_when_calls_before_it_come_or_go() -> None:
    def draws(body: str) -> list[tuple[str, int]]:
        session = RecordingSession(script=lambda _: "1")
        with loaded(MATHS.replace("return vote(3,", f"{body}; return vote(3,")) as program, using_session(session):
            program.thrice("q")
        return sorted((asked.path, asked.occurrence) for asked in session.asked if asked.component == "work")

    assert draws("pass") == draws("plan(question)") == [("0", 0), ("1", 0), ("2", 0)]


def test_paths_are_unique_and_do_not_depend_on_which_branch_is_faster() -> None:
    def trace(slow: str) -> list[tuple[str, str, object]]:
        def answer(asked: Asked) -> str:
            time.sleep(0.02 * (asked.path == slow))
            return "a telling text"

        session = RecordingSession(script=answer)
        with loaded(MATHS) as program, using_session(session):
            trace_functions(program.__dict__)
            program.both("q")
        return [(span.path, span.component, span.feeds) for span in session.tree]

    first = trace("0")
    assert len({path for path, _, _ in first}) == len(first) == 5
    assert first == trace("1")


def test_a_reply_that_cannot_be_read_is_asked_for_once_more_with_the_reason() -> None:
    session = RecordingSession(script=lambda asked: "many" if len(asked.body["messages"]) == 2 else "42")
    with loaded(MATHS) as program, using_session(session):
        assert program.work("q", "s") == 42.0
    assert session.asked[1].body["messages"][2:] == [
        {"role": "assistant", "content": "many"},
        {
            "role": "user",
            "content": "This could not be read: expected a number, the reply has none. Reply with one number. If you explain, put it last.",
        },
    ]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"text": "many", "finish_reason": "length"}, r"work: expected a number, the reply has none \(cut off at max_tokens\)"),
        ({"text": ""}, "work: the reply is empty"),
        ({"text": "", "refusal": "I will not"}, "work: the model refused: I will not"),
    ],
)
def test_a_second_bad_reply_is_a_failure_of_the_program(reply: Mapping[str, Any], said: str) -> None:
    session = RecordingSession(script=lambda _: reply)
    with loaded(MATHS) as program, using_session(session), pytest.raises(PromptInvalid, match=said) as caught:
        program.work("q", "s")
    assert (caught.value.kind, caught.value.component) == ("invalid", "work")
    assert isinstance(caught.value, PromptFailed | ValueError)
    assert len(session.asked) == 2
    assert session.spans[0].error.startswith("PromptInvalid: work: ")
    assert session.spans[0].output == ""


def test_a_failed_call_reaches_the_program_with_its_own_kind() -> None:
    def broke(asked: Asked) -> str:
        raise PromptFailed("budget", "16 calls are used up", component=asked.component)

    session = RecordingSession(script=broke)
    with loaded(MATHS) as program, using_session(session), pytest.raises(PromptFailed) as caught:
        program.solve("q")
    assert caught.value.kind == "budget"
    assert not isinstance(caught.value, ValueError)
    assert session.spans[0].error == "PromptFailed: 16 calls are used up"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"expression": "1 / 0"}', "error: ZeroDivisionError: division by zero"),
        ('{"expression": ', "error: JSONDecodeError: "),
        ("[1]", "error: TypeError: expected a JSON object of arguments"),
        ('{"wrong": 1}', "error: TypeError: calculate() got an unexpected keyword argument 'wrong'"),
    ],
)
def test_a_tools_error_goes_back_to_the_model_as_text(arguments: str, told: str) -> None:
    session = RecordingSession(script=lambda asked: _calls(arguments) if len(session.asked) == 1 else "7")
    with loaded(MATHS) as program, using_session(session):
        assert program.work("q", "s") == 7.0
    asked, answered = session.asked[1].body["messages"][-2:]
    assert asked["tool_calls"] == [{"id": "0", "type": "function", "function": {"name": "calculate", "arguments": arguments}}]
    assert answered["tool_call_id"] == "0"
    assert answered["content"].startswith(told)


@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "<tool_call>\n{}\n</tool_call>"])
def test_a_tool_call_that_a_small_model_spells_out_is_made(around: str) -> None:
    spelt = around.replace("{}", '{"name": "calculate", "arguments": {"expression": "3 * 4 + 12"}}')
    session = RecordingSession(script=lambda asked: spelt if len(session.asked) == 1 else f"it is {text_of(asked.body)}")
    with loaded(MATHS) as program, using_session(session):
        assert program.work("q", "s") == 24.0
    assert session.asked[1].body["messages"][-1] == {"role": "tool", "tool_call_id": "call_0", "content": "24.0"}


@pytest.mark.parametrize(
    "text", ['{"name": "search", "arguments": {}} 7', '{"name": "search", "arguments": 7}', '{"x": 7}', "{7", "[" * 9 + "7"]
)
def test_other_json_in_a_reply_is_its_text(text: str) -> None:
    session = RecordingSession(script=lambda _: text)
    with loaded(MATHS) as program, using_session(session):
        assert program.work("q", "s") == 7.0
    assert len(session.asked) == 1


def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    unknown = {"text": "", "tool_calls": [{"id": "0", "name": "search", "arguments": "{}"}]}
    session = RecordingSession(script=lambda _: unknown if len(session.asked) == 1 else "7")
    with loaded(MATHS) as program, using_session(session):
        program.work("q", "s")
    assert text_of(session.asked[1].body) == "error: LookupError: there is no tool 'search', only calculate"


def test_a_model_that_only_calls_tools_is_stopped_after_six_turns() -> None:
    session = RecordingSession(script=lambda _: {**_calls('{"expression": "1"}'), "text": "at last 5"})
    with loaded(MATHS) as program, using_session(session):
        assert program.work("q", "s") == 5.0
    assert len(session.asked) == 6
    assert session.asked[-1].body["tool_choice"] == "none"


def test_what_a_tool_may_not_do_is_not_hidden_from_the_sandbox() -> None:
    source = MATHS.replace("return float(eval(expression))", "raise PermissionError('socket')")
    with loaded(source) as program, using_session(RecordingSession(script=_mathematician)), pytest.raises(PermissionError):
        program.solve("q")


HOT = """
def inner(x):
    return x + 1

def middle(x):
    return inner(x)

def outer(n):
    return sum(middle(i) for i in range(n))

def fall(n):
    return n and fall(n - 1)
"""


def test_plain_functions_have_spans_to_depth_two_and_are_counted_beyond() -> None:
    session = RecordingSession(script=lambda _: "")
    with loaded(HOT) as program, using_session(session):
        counts = trace_functions(program.__dict__)
        program.outer(3)
    assert [(span.path, span.component) for span in session.tree] == [
        ("0", "outer"),
        ("0.0", "middle"),
        ("0.1", "middle"),
        ("0.2", "middle"),
    ]
    assert counts == {"inner": 3, "middle": 0, "outer": 0}


def test_hot_functions_get_their_own_code_back_once_the_spans_are_used_up() -> None:
    session = RecordingSession(script=lambda _: "")
    with loaded(HOT) as program, using_session(session):
        originals = program.inner, program.middle
        trace_functions(program.__dict__)
        assert program.middle is not originals[1]
        program.outer(2000)
        assert (program.inner, program.middle) == originals
    assert Counter(span.component for span in session.spans) == {"outer": 1, "middle": MAX_SPANS_OF_ONE}


def test_tracing_takes_no_recursion_from_a_function_that_calls_itself() -> None:
    with loaded(HOT) as program, using_session(RecordingSession(script=lambda _: "")):
        trace_functions(program.__dict__)
        assert program.fall(sys.getrecursionlimit() // 2 + 100) == 0


def test_a_large_output_is_not_kept_alive_by_the_trace() -> None:
    source = """
import weakref
class Big(list):
    pass
def make():
    return Big(range(20_000))
def solve():
    return weakref.ref(make())() is None
"""
    with loaded(source) as program, using_session(RecordingSession(script=lambda _: "")):
        trace_functions(program.__dict__)
        assert program.solve() is True


def test_arrays_of_any_shape_are_traced_and_only_the_same_one_is_an_edge() -> None:
    source = """
import numpy as np
def make(shape):
    return np.zeros(shape)
def take(array):
    return 1
def solve():
    first, second = make(1000), make(1000)
    return take(second) + take(make(()))
"""
    session = RecordingSession(script=lambda _: "")
    with loaded(source) as program, using_session(session):
        trace_functions(program.__dict__)
        assert program.solve() == 2
    edges = {span.path: [(feed.path, feed.kind) for feed in span.feeds] for span in session.spans if span.component == "take"}
    assert edges == {"0.2": [("0.1", "exact")], "0.4": [("0.3", "exact")]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": (1, 2.5, None)}, '{"a": [1, 2.5, null]}'),
        (float("nan"), '"nan"'),
        (object(), '"<object>"'),
        ([10**5000], '["<int>"]'),
    ],
)
def test_any_value_is_shown(value: object, text: str) -> None:
    assert bounded_json(value) == text


@pytest.mark.parametrize(
    "value", ["x" * 10**6, list(range(10**6)), [[[["y" * 100] * 100] * 100] * 100] * 100, {i: i for i in range(10**5)}]
)
def test_what_is_shown_is_bounded(value: object) -> None:
    assert len(bounded_json(value)) <= 4000


def test_what_is_not_shown_is_not_looked_at() -> None:
    class Endless(Mapping[str, object]):
        seen = 0

        def __getitem__(self, key: str) -> object:
            return key

        def __iter__(self) -> Iterator[str]:
            for number in itertools.count():
                self.seen += 1
                yield str(number)

        def __len__(self) -> int:
            return 10**9

    endless = Endless()
    assert len(bounded_json([endless, endless])) <= 4000
    assert endless.seen < 1_000


STUBBORN = """
from dataclasses import dataclass, field
from graftwork.programs import tool

class Bag(dict):
    __getattr__ = dict.__getitem__

class Sealed:
    def __getattribute__(self, name):
        raise KeyError(name)

class Untold(str):
    def __len__(self):
        raise ValueError("no length")

@dataclass
class Unset:
    later: int = field(init=False)

class Silent(Exception):
    def __str__(self):
        raise OSError("no text")

@tool
def take(*values):
    return values[0]

def fail(value):
    raise Silent

def solve():
    values = [Bag(a=1), Sealed(), Untold("text"), Unset()]
    taken = [take(value, values) for value in values]
    try:
        fail(values)
    except Silent:
        return taken[0].a, len(taken)
"""


def test_values_whose_own_code_raises_when_it_is_looked_at_are_traced_by_their_type() -> None:
    session = RecordingSession(script=lambda _: "")
    with loaded(STUBBORN) as program, using_session(session):
        trace_functions(program.__dict__)
        assert program.solve() == (1, 4)
    outputs = [span.output for span in session.spans if span.component == "take"]
    assert outputs == ['{"a": 1}', '"<Sealed>"', '"<Untold>"', '"<Unset>"']
    assert [span.error for span in session.spans if span.component == "fail"] == ["Silent: "]


def test_a_value_that_contains_itself_is_shown() -> None:
    value: list[object] = []
    value.append(value)
    assert bounded_json(value).count("…") == 1


@tool
def double(x: int) -> int:
    """Twice x."""
    return 2 * x


def test_a_tool_alone_is_the_function_that_it_was() -> None:
    assert double(4) == 8


def _python(source: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=path | environ, check=False, timeout=60)


def test_a_program_alone_asks_the_endpoint_directly() -> None:
    with serving(lambda _: completion("It is 7")) as endpoint:
        source = MATHS + "\nprint(work('q', 's'))"
        done = _python(source, OPENAI_BASE_URL=endpoint.url, OPENAI_API_KEY="k", GRAFTWORK_MODEL="small")
    assert (done.stdout, done.stderr) == ("7.0\n", "")
    assert endpoint.requests[0]["model"] == "small"
    assert endpoint.requests[0]["temperature"] == 0.0


def test_a_program_alone_without_a_model_says_what_to_set() -> None:
    assert "no model: set GRAFTWORK_MODEL" in _python(MATHS + "\nsolve('q')").stderr


def test_the_runtime_needs_the_standard_library_only() -> None:
    source = "import sys, graftwork.programs.runtime; print(*sorted({n.split('.')[0] for n in sys.modules} - sys.stdlib_module_names))"
    done = _python(source)
    assert done.returncode == 0
    assert {name for name in done.stdout.split() if not name.startswith("_")} <= {"graftwork", "sitecustomize"}


def test_public_names_stay_functions_when_their_module_is_imported_first() -> None:
    done = _python(
        "import graftwork.programs.parse\nfrom graftwork.programs import parse, export\nprint(callable(parse), callable(export))"
    )
    assert (done.stdout, done.stderr) == ("True True\n", "")

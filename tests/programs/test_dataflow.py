"""Data flow: form by form, and against what is seen in traces of programs that run."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftwork.programs.dataflow import Flow, flows, nearest_flows
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.runtime import trace_functions, using_session

from .flowing import Answers, flowing
from .sessions import RecordingSession, loaded

HEAD = '''from functools import partial
from heapq import heappush
from io import StringIO
from graftwork.programs import parallel, prompt, retry, tool, vote

HINTS = ["a", "b"]
DEMOS = []

@prompt
def plan(q: str) -> str:
    """Plan."""

@prompt
def work(q: str, steps: str = "") -> str:
    """Work."""

def clean(text):
    return text.strip()

def note(box, item):
    box.append(item)

def apply(function, item):
    return function(item)

def shout(function):
    def louder(*given):
        return plan(function(*given))
    return louder

@shout
def loud(text):
    return text.upper()

def failing(text):
    plan(text)
    return float(text)

STATE = ""

def keep(text):
    global STATE
    STATE = plan(text)

class Memory:
    def __init__(self):
        self.items = []

    def remember(self, text):
        self.items.append(text)

    def text(self):
        return self.items[0]

class Worker:
    def __init__(self, text):
        self.text = text

    def go(self):
        work(self.text)

class Busy(Worker):
    tired = False

class Holder:
    def __init__(self, text):
        self.text = text

    def kept(self):
        return self.text

'''


def into(body: str, *targets: str) -> set[str]:
    """What flows into some inputs, as `source>target.parameter`; what a function gives back has no parameter."""
    program = parse(f"{HEAD}def solve(q):\n    {body}\n")
    found = (flow for flow in flows(program, "solve") if flow.target in targets)
    return {f"{flow.source}>{flow.target}.{flow.parameter}" for flow in found}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return work(plan(q))", "plan>work.q"),
        ("return work(q, steps=plan(q))", "q>work.q plan>work.steps"),
        ("return work(*[plan(q)])", "plan>work.q plan>work.steps"),
        ("return work(**{'q': plan(q)})", "plan>work.q plan>work.steps"),
        ("x = plan(q)\n    x = work(x)\n    return work(x)", "plan>work.q work>work.q"),
        ("x = plan(q)\n    x = 'other'\n    return work(x)", ""),
        ("x, y = plan(q), 'b'\n    return work(y, x)", "plan>work.steps"),
        ("x, *y = plan(q)\n    return work(y)", "plan>work.q"),
        ("x = 'a'\n    x += plan(q)\n    return work(x)", "plan>work.q"),
        ("x = f'so: {plan(q)!r:>{3}}'\n    return work(x)", "plan>work.q"),
        ("d = {}\n    d['k'] = plan(q)\n    return work(d['z'])", "plan>work.q"),
        ("d = Holder('')\n    d.text = plan(q)\n    return work(d.text)", "plan>work.q"),
        ("return work(Holder(plan(q)).kept())", "plan>work.q"),
        ("box = []\n    box.append(plan(q))\n    return work(box)", "plan>work.q"),
        ("box = []\n    heappush(box, plan(q))\n    return work(box)", "plan>work.q"),
        ("box = []\n    note(box, plan(q))\n    return work(box)", "plan>work.q"),
        ("HINTS.append(plan(q))\n    return work(HINTS)", "HINTS>work.q plan>work.q"),
        ("for x in plan(q):\n        work(x)", "plan>work.q"),
        ("x = q\n    for _ in range(3):\n        work(x)\n        x = plan(x)", "q>work.q plan>work.q"),
        (
            "x = ''\n    for y in q:\n        if y:\n            x = plan(y)\n            break\n        x = ''\n    return work(x)",
            "plan>work.q",
        ),
        ("while x := plan(q):\n        work(x)", "plan>work.q"),
        ("x = ''\n    if q:\n        x = plan(q)\n    return work(x)", "plan>work.q"),
        ("x = plan(q)\n    if q:\n        return x\n    else:\n        x = ''\n    return work(x)", ""),
        ("if plan(q) == 'yes':\n        return work('a')", ""),
        ("return work('a' if plan(q) else 'b')", ""),
        ("return work(plan(q) or 'b')", "plan>work.q"),
        ("try:\n        x = plan(q)\n        x = ''\n    except ValueError:\n        return work(x)", "plan>work.q"),
        (
            "x = ''\n    for y in q:\n        try:\n            continue\n        finally:\n            x = plan(y)\n    return work(x)",
            "plan>work.q",
        ),
        ("try:\n        for x in plan(q):\n            x = ''\n    except E:\n        return work(x)", "plan>work.q"),
        ("with open(plan(q)) as x:\n        return work(x)", "plan>work.q"),
        ("match plan(q):\n        case {'k': x, **rest}:\n            return work(x, rest)", "plan>work.q plan>work.steps"),
        ("return [work(x) for y in plan(q) for x in y if x]", "plan>work.q"),
        ("return {plan(q): work(k) for k in HINTS}", "HINTS>work.q"),
        ("return work(clean(plan(q)))", "clean>work.q plan>work.q"),
        ("return work(len(sorted(plan(q).split(), key=str.lower)))", "plan>work.q"),
        ("f = lambda x: work(x)\n    return f(plan(q))", "plan>work.q"),
        ("def f(x, y=plan(q)):\n        return work(x, y)\n    return f('a')", "plan>work.steps"),
        ("def f():\n        return work(x)\n    x = plan(q)\n    return f()", "plan>work.q"),
        ("x = ''\n    def f():\n        nonlocal x\n        x = plan(q)\n    f()\n    return work(x)", "plan>work.q"),
        ("box = []\n    def f():\n        box.append(plan(q))\n    f()\n    return work(box)", "plan>work.q"),
        ("def f():\n        return q\n    q += plan(q)\n    return work(f())", "plan>work.q q>work.q"),
        ("return list(map(work, plan(q)))", "plan>work.q plan>work.steps"),
        ("return apply(work, plan(q))", "plan>work.q plan>work.steps"),
        ("return work(apply(plan, ''))", "apply>work.q plan>work.q"),
        ("f = {'a': plan, 'b': clean}['a']\n    return work(f(''))", "plan>work.q clean>work.q"),
        ("return vote(3, work, q, plan(q))", "q>work.q plan>work.steps"),
        ("return retry(2, plan, q, accept=lambda x: work(x))", "plan>work.q"),
        ("return work(parallel(lambda: plan(q), lambda: clean(q))[0], '')", "plan>work.q clean>work.q q>work.q"),
        ("return work(partial(plan, '')())", "plan>work.q"),
        ("return clean(work(plan(q)))", "plan>work.q"),
        ("import json\n    return work(json.dumps([plan(q)]))", "plan>work.q"),
        ("def g():\n        yield plan(q)\n    return [work(x) for x in g()]", "plan>work.q"),
        ("try:\n        return float(plan(q))\n    except ValueError as e:\n        return work(str(e))", "plan>work.q q>work.q"),
        (
            "try:\n        return failing(q)\n    except ValueError as e:\n        return work(str(e))",
            "failing>work.q plan>work.q q>work.q",
        ),
        (
            "def f():\n        float(plan(q))\n    try:\n        f()\n    except ValueError as e:\n        return work(str(e))",
            "plan>work.q q>work.q",
        ),
        ("m = Memory()\n    m.remember(plan(q))\n    return work(m.text())", "plan>work.q"),
        ("d = {}\n    d.setdefault('k', []).append(plan(q))\n    return work(d['k'][0])", "plan>work.q"),
        ("d = {}\n    setattr(d, 'k', plan(q))\n    return work(d.k)", "plan>work.q"),
        ("d = StringIO()\n    d.write(plan(q))\n    return work(d.getvalue())", "plan>work.q"),
        ("return Busy(plan(q)).go()", "plan>work.q"),
        ("class A(Worker):\n        x = 1\n    return A(plan(q)).go()", "plan>work.q q>work.q"),
        ("return work(loud(q))", "loud>work.q plan>work.q q>work.q shout>work.q"),
        ("keep(q)\n    return work(STATE)", "STATE>work.q plan>work.q"),
        ("while not (x := plan(q)):\n        raise ValueError\n    return work(x)", "plan>work.q"),
        ("plans = [plan for plan in (q, q)]\n    f = lambda: work(plan(q))\n    return f()", "plan>work.q"),
    ],
)
def test_what_reaches_a_prompt(body: str, expected: str) -> None:
    assert into(body, "work") == set(expected.split())


def test_a_prompt_passes_nothing_through_and_functions_do() -> None:
    assert into("return clean(work(q))", "solve", "clean") == {"work>clean.text", "work>clean.", "clean>solve.", "work>solve."}


def test_flow_is_found_through_functions_that_call_each_other() -> None:
    source = HEAD + (
        "def odd(q, n):\n    return work(q) if n else even(q, n - 1)\n\n"
        "def even(q, n):\n    return clean(odd(plan(q), n))\n\ndef solve(q):\n    return even(q, 3)\n"
    )
    found = {(flow.source, flow.target, flow.parameter) for flow in flows(parse(source), "solve")}
    assert {("plan", "odd", "q"), ("plan", "even", "q"), ("plan", "work", "q"), ("odd", "clean", "text"), ("work", "solve", "")} <= found


def test_tools_options_and_inputs_are_told_apart() -> None:
    source = HEAD + (
        '@tool\ndef look(key: str) -> str:\n    """Look."""\n    return key\n\n'
        '@prompt(tools=[look], demos=DEMOS)\ndef ask(q: str) -> str:\n    """Ask."""\n\ndef solve(q):\n    return ask(HINTS[0] + q)\n'
    )
    assert set(flows(parse(source), "solve")) == {
        Flow(source="look", target="ask", parameter="", kind="tool"),
        Flow(source="DEMOS", target="ask", parameter="demos", kind="option"),
        Flow(source="HINTS", target="ask", parameter="q", kind="constant"),
        Flow(source="q", target="ask", parameter="q", kind="input"),
        Flow(source="ask", target="solve", parameter="", kind="output"),
    }


def test_the_nearest_flows_lead_through_no_other_function() -> None:
    program = parse(HEAD + "def solve(q):\n    return work(clean(plan(q)))\n")
    told = {(flow.source, flow.target, flow.parameter) for flow in nearest_flows(program, "solve")}
    assert told == {("q", "plan", "q"), ("plan", "clean", "text"), ("clean", "work", "q"), ("work", "solve", "")}


def test_an_unknown_entry_is_told() -> None:
    with pytest.raises(ProgramError, match="no component 'main'"):
        flows(parse("def solve():\n    return 1\n"), "main")


def test_a_text_that_no_person_writes_ends_too() -> None:
    names = [f"x{n}" for n in range(200)]
    chain = "\n".join(f"        {a} = {b}" for a, b in pairwise(names))
    nested = "".join(f"{'    ' * (n + 1)}for y{n} in x0:\n" for n in range(40)) + "    " * 41 + "x0 = plan(x0)\n"
    body = f"    {' = '.join(names)} = q\n    for _ in q:\n{chain}\n        {names[-1]} = plan(q)\n{nested}    return work(x0)\n"
    program = parse(f"{HEAD}def solve(q):\n{body}")
    assert Flow(source="plan", target="work", parameter="q", kind="output") in flows(program, "solve")


@settings(max_examples=50, deadline=None)
@given(source=flowing(), seed=st.integers(0, 999))
def test_every_edge_that_a_trace_shows_is_one_that_data_flow_allows(source: str, seed: int) -> None:
    allowed = {(flow.source, flow.target, flow.parameter) for flow in flows(parse(source), "solve")}
    session = RecordingSession(script=Answers(seed))
    with loaded(source) as program, using_session(session), contextlib.suppress(ValueError):
        trace_functions(program.__dict__)
        program.solve("what is it?")
    named = {span.path: span for span in session.spans}
    prompts = [span for span in session.spans if span.kind == "prompt"]
    for span in prompts:
        # A model's words are unlike all others; what a function gives back may be what it was given.
        seen = [feed for feed in span.feeds if feed.parameter and named[feed.path].kind == "prompt"]
        assert {(named[feed.path].component, span.component, feed.parameter) for feed in seen} <= allowed

"""Worst case: the bound on model calls, form by form, and against what programs really do."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftwork.programs.check import check
from graftwork.programs.parse import parse
from graftwork.programs.runtime import using_session
from graftwork.programs.worst_case import worst_case_calls

from .flowing import Answers, flowing
from .sessions import RecordingSession, loaded

HEAD = '''from functools import cache, partial
from graftwork.programs import parallel, prompt, retry, tool, vote

K = 3
STYLES = ["a", "b"]
ROUTES = {"a": "x", "b": "y"}

@tool
def look(x: int) -> int:
    """Look."""
    return x

@prompt
def ask(q: str) -> str:
    """Ask."""

@prompt(tools=[look])
def search(q: str) -> str:
    """Search."""

def both(q):
    return ask(q) + ask(q)

def plain(n):
    return plain(n - 1)

def solve(q):
'''

ONE = 2
"""Calls of one prompt without tools: a reply that cannot be read is asked for again."""


def bound(body: str) -> int | None:
    return worst_case_calls(parse(HEAD + "    " + body + "\n"), "solve")


@pytest.mark.parametrize(
    ("body", "prompts"),
    [
        ("return q", 0),
        ("return plain(q)", 0),
        ("for x in q:\n        plain(x)", 0),
        ("return ask(ask(q))", 2),
        ("return both(both(q))", 4),
        ("return search(q)", 6),
        ("return ask(q) if q else both(q)", 2),
        ("return ask(q) or ask(q)", 2),
        ("if q:\n        return ask(q)\n    return both(q)", 2),
        ("if q:\n        a = ask(q)\n    else:\n        a = q\n    return both(a)", 3),
        ("match q:\n        case 1:\n            ask(q)\n        case _:\n            both(q)", 2),
        (
            "try:\n        ask(q)\n    except E:\n        both(q)\n    except F:\n        ask(q)\n    finally:\n        ask(q)",
            4,
        ),
        ("for _ in range(K):\n        ask(q)\n    else:\n        ask(q)", 4),
        ("for i in range(1, 7, 2):\n        ask(q)", 3),
        ("n = min(K, len(q))\n    for i in range(n):\n        ask(q)", 3),
        ("for s in STYLES:\n        for t in (1, 2, 3):\n            ask(q)", 6),
        ("for i, (s, r) in enumerate(zip(STYLES, reversed(q))):\n        ask(q)", 2),
        ("for k, v in ROUTES.items():\n        ask(q)", 2),
        ("return [ask(x) for x in q[:3] for s in STYLES if ask(s)]", 12),
        ("return [ask(x) for x in q[-2:]]", 2),
        ("return vote(K, ask, q)", 3),
        ("return vote(2, lambda: both(q))", 4),
        ("return retry(3, ask, q, accept=lambda x: bool(ask(x)))", 6),
        ("return parallel(lambda: ask(q), partial(both, q))", 3),
        ("return parallel(*[lambda: ask(q) for _ in range(4)])", 4),
        ("return parallel(*[partial(ask, q)] * K)", 3),
        ("return list(map(ask, STYLES))", 2),
        ("f = lambda x: both(x)\n    return f(q) + f(q)", 4),
        ("def f(x):\n        return ask(x)\n    return vote(5, f, q)", 5),
        ("styles = ['a', 'b', 'c']\n    return [ask(s) for s in styles]", 3),
        ("try:\n        plain(q)\n    except* E:\n        both(q)\n    except* F:\n        ask(q)", 3),
        ("def helper():\n        def ask(x):\n            return x\n        return ''\n    return ask(q) + helper()", 1),
    ],
)
def test_bounded_forms_have_their_bound(body: str, prompts: int) -> None:
    assert bound(body) == prompts * ONE


@pytest.mark.parametrize(
    "body",
    [
        "for x in q:\n        ask(x)",
        "while q:\n        q = ask(q)",
        "return solve(ask(q))",
        "return [ask(x) for x in ask(q).split()]",
        "return vote(len(q), ask, q)",
        "return vote(int(ask(q)), ask, q)",
        "return sorted(q, key=ask)",
        "table = {'a': ask}\n    return table[q](q)",
        "f = ask\n    return f(q)",
        "STYLES.append(q)\n    return [ask(s) for s in STYLES]",
        "styles = ['a']\n    styles += q\n    return [ask(s) for s in styles]",
        "styles = ['a']\n    plain(styles)\n    return [ask(s) for s in styles]",
        "global K\n    K = q\n    return vote(K, ask, q)",
        "def f(x):\n        return f(ask(x))\n    return f(q)",
        "def f():\n        k = 1\n        return k\n    for _ in range(k):\n        ask(q)",
        "for x in q[:K - len(q)]:\n        ask(x)",
        "return parallel(*3 * [lambda: ask(q)])",
        "global plain\n    plain = lambda x: ask(x)\n    return plain(q)",
        "k = 1\n    match q:\n        case {**k}:\n            pass\n    return vote(k, ask, q)",
        "k = 1\n    from sys import maxsize as k\n    return vote(k, ask, q)",
        "styles = ['a']\n    other = max(styles, q)\n    other += q\n    return [ask(s) for s in styles]",
        "class A:\n        def m(self):\n            return ask(q)\n    return A().m()",
    ],
)
def test_what_the_text_does_not_bound_has_no_bound(body: str) -> None:
    assert bound(body) is None


def test_a_tool_that_asks_may_be_called_as_often_as_a_model_likes() -> None:
    source = HEAD.replace("return x\n", "return ask(x)\n") + "    return search(q)\n"
    assert worst_case_calls(parse(source), "solve") is None


def test_an_unknown_decorator_may_call_as_often_as_it_likes() -> None:
    decorated = HEAD + "    return once(q)\n\n@cache\ndef once(q):\n    return ask(q)\n"
    assert worst_case_calls(parse(decorated), "solve") == ONE
    assert worst_case_calls(parse(decorated.replace("@cache", "@plain")), "solve") is None


def test_check_warns_with_the_number_where_the_limit_is_lower() -> None:
    program = parse(
        HEAD.replace("def plain(n):\n    return plain(n - 1)\n", "") + "    return vote(K, ask, q), both(STYLES), search(q), ROUTES\n"
    )
    warned = [str(defect) for defect in check(program, entry="solve", parameters=["q"], max_calls=16)]
    assert warned == ["warning: line 25, solve: it can make 22 model calls, at most 16 are allowed; bound its loops"]
    assert check(program, entry="solve", parameters=["q"], max_calls=22) == ()
    endless = parse(HEAD + "    return [ask(x) for x in q]\n")
    assert any("nothing bounds its model calls" in str(d) for d in check(endless, entry="solve", parameters=["q"], max_calls=99))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "lines",
    [
        ["x0 = 'a'", *(f"x{n + 1} = x{n} + x{n}" for n in range(40)), "return [ask(c) for c in x40[:2]]"],
        ["x0 = [lambda: ask(q)]", *(f"x{n + 1} = [*x{n}, *x{n}]" for n in range(40)), "return parallel(*x40)"],
        ["f0 = lambda: ask(q)", *(f"f{n + 1} = lambda: f{n}() or f{n}()" for n in range(200)), "return f200()"],
        ["x0 = 'a'", *(f"x{n + 1} = x{n} + 'b'" for n in range(500)), "return [ask(c) for c in x500]"],
        ["x = [*x, lambda: ask(q)]", "return parallel(*x)"],
    ],
)
def test_names_that_lead_far_are_read_fast(lines: list[str]) -> None:
    assert bound("\n    ".join(lines)) in {2 * ONE, None}


def test_a_long_chain_of_functions_has_its_bound() -> None:
    chain = "".join(f"\ndef f{n}(q):\n    return f{n - 1}(q)\n" for n in range(1, 300))
    source = f"{HEAD}    return f299(q)\n\ndef f0(q):\n    return ask(q)\n{chain}"
    assert worst_case_calls(parse(source), "solve") == ONE
    assert worst_case_calls(parse(source.replace("def f0(q):\n    return ask(q)", "def f0(q):\n    return f299(ask(q))")), "solve") is None


@settings(max_examples=50, deadline=None)
@given(source=flowing(), seed=st.integers(0, 999))
def test_no_run_makes_more_model_calls_than_the_bound(source: str, seed: int) -> None:
    most = worst_case_calls(parse(source), "solve")
    session = RecordingSession(script=Answers(seed))
    with loaded(source) as program, using_session(session), contextlib.suppress(ValueError):
        program.solve("what is it?")
    assert most is None or len(session.asked) <= most

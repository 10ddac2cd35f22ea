"""Laws of the export: it behaves as the program, failures included; its program comes back; exporting that again changes nothing."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from graftwork.programs import ExportHeader, export, parse, strip_export
from graftwork.programs.cutting import split
from graftwork.programs.export import Hook, hook_of
from graftwork.programs.runtime import trace_functions, using_session

from .sessions import Asked, RecordingSession, loaded
from .strategies import programs
from .test_export import PLAIN, STRUCTURED
from .test_runtime import MATHS

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/program.py"))
EVERYTHING = '''"""Everything that a program can be made of."""
from dataclasses import dataclass
from typing import Literal, Optional
from graftwork.programs import parallel, prompt, retry, tool, vote


class Hopeless(RuntimeError):
    """Nothing to be done."""


@dataclass
class Parcel:
    name: str
    weight: float = 1.0
    fragile: bool | None = None


@tool
def lookup(name: str, times: int = 1) -> float:
    """The weight of a thing."""
    return {"cup": 0.25, "brick": 3.0}[name] * times


@prompt(tools=[lookup], demos=[{"inputs": {"text": "a cup"}, "output": [{"name": "cup", "weight": 0.25}]}], temperature=0.5)
def parcels(text: str) -> list[Parcel]:
    """What is in {text}?"""


@prompt
def kind(parcel: Parcel, hint: str = "none") -> Literal["big", "small"]:
    """How big is it?"""


@prompt(max_tokens=9)
def price(parcel: Parcel) -> Optional[int]:
    """Its price, if it has one."""


@prompt(tools=[lookup])
def total(names: dict[str, int]) -> float:
    """The weight of all."""


@prompt
def remark(names: list[str]) -> str:
    """Say something."""


def careful(parcel: Parcel):
    return retry(2, price, parcel, accept=lambda found: found != 13)


def solve(text: str):
    found = parcels(text)
    if not found:
        raise Hopeless(f"nothing in {text}")
    kinds = [vote(3, kind, parcel) for parcel in found[:2]]
    prices, weight = parallel(lambda: [careful(parcel) for parcel in found[:2]], lambda: total({p.name: 1 for p in found}))
    try:
        said = remark(kinds)
    except ValueError as error:
        said = f"nobody could say: {error}"
    return {"found": found, "kinds": kinds, "prices": prices, "weight": 10 / weight, "said": said}


if __name__ == "__main__":
    print(solve("a cup"))
'''
TEXTS = (
    '[{"name": "cup", "weight": 0.25}, {"name": "brick"}]',
    '{"value": [{"name": "brick", "weight": 3, "fragile": null}]}',
    '[{"weight": 1}]',
    "[]",
    "big",
    "It is small, I think.",
    "I think 13",
    "none",
    "0",
    "1,250.5",
    "",
    "no idea",
)
FITTING = {"What is in": TEXTS[:2], "How big": TEXTS[4:6], "Its price": TEXTS[6:8], "The weight of all": TEXTS[8:10]}

Reply = Callable[[Asked, int], Mapping[str, Any]]


def _reply(asked: Asked, seed: int) -> Mapping[str, Any]:
    """What a whimsical model says: a function of the request and its draw."""
    rng = random.Random(f"{seed}/{sorted(asked.body.items())}/{asked.path}#{asked.occurrence}")
    if "tools" in asked.body and rng.random() < 0.5:
        arguments = rng.choice(('{"name": "cup"}', '{"name": "sand"}', '{"name": "brick", "times": 2}', '{"thing": "cup"}', "{", "[]"))
        return {"text": "", "tool_calls": [{"id": "1", "name": rng.choice(("lookup", "lookup", "other")), "arguments": arguments}]}
    if rng.random() < 0.05:
        return {"text": "", "refusal": "I would rather not"}
    fitting = next((texts for words, texts in FITTING.items() if words in str(asked.body["messages"])), TEXTS)
    return {"text": rng.choice(fitting if rng.random() < 0.8 else TEXTS), "finish_reason": rng.choice(("stop", "length"))}


def _outcome(call: Callable[[], object]) -> object:
    """What a call gives, or the type and message of what it raises; a prompt without an answer has one name in both worlds."""
    try:
        return repr(call())
    except Exception as error:  # noqa: BLE001 - whatever a program raises is what is compared
        return type(error).__name__.replace("PromptInvalid", "Unanswered"), str(error)


def _in_session(source: str, text: str, seed: int, reply: Reply = _reply) -> tuple[object, Counter[str]]:
    session = RecordingSession(script=lambda asked: reply(asked, seed))
    with loaded(source) as module, using_session(session):
        trace_functions(module.__dict__)
        outcome = _outcome(lambda: module.solve(text=text))
    return outcome, Counter(f"{asked.path}#{asked.occurrence} {asked.body}" for asked in session.asked)


def _alone(source: str, text: str, seed: int, reply: Reply = _reply) -> tuple[object, Counter[str]]:
    exported = export(parse(source), header=ExportHeader())
    hook, counts, asked = hook_of(exported), Counter[tuple[str, str]](), Counter[str]()
    with loaded(exported) as module:

        def complete(body: dict[str, Any]) -> Mapping[str, Any]:
            path = ".".join(map(str, getattr(module, hook.branch).get()))
            occurrence = counts[path, str(body)]
            counts[path, str(body)] += 1
            asked[f"{path}#{occurrence} {body}"] += 1
            return reply(Asked(body=body, component="", path=path, occurrence=occurrence, span=""), seed)

        setattr(module, hook.complete, complete)
        return _outcome(lambda: module.solve(text=text)), asked


@hypothesis_settings(max_examples=60)
@given(st.integers(0, 10**9), st.sampled_from(["a cup", "cups & bricks", "größe"]))
def test_an_export_behaves_as_the_program_failures_included(seed: int, text: str) -> None:
    assert _alone(EVERYTHING, text, seed) == _in_session(EVERYTHING, text, seed)


WRONG_CALLS = {
    "by a model, an unknown argument": ('{"thing": "cup"}', "total({})"),
    "by a model, one too many": ('{"name": "cup", "times": 2, "more": 1}', "total({})"),
    "by a model, none": ("{}", "total({})"),
    "of a function, none": ("", "helper()"),
    "of a function, one too many": ("", "helper(1, 2)"),
    "of a tool": ("", "lookup(times=2)"),
}


@pytest.mark.parametrize(("arguments", "call"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_call_that_does_not_fit_fails_in_the_words_of_python_in_both(arguments: str, call: str) -> None:
    def reply(asked: Asked, seed: int) -> Mapping[str, Any]:
        if asked.body["messages"][-1]["role"] == "tool":
            return {"text": "1"}
        return {"text": "", "tool_calls": [{"id": "1", "name": "lookup", "arguments": arguments}]}

    source = f"{EVERYTHING.partition('def careful')[0]}def helper(x: int):\n    return x\n\n\ndef solve(text: str):\n    return {call}\n"
    found = _alone(source, "", 0, reply)
    assert found == _in_session(source, "", 0, reply)
    assert "() " in str(found)


def test_the_whimsical_model_lets_the_program_succeed_and_fail_in_every_way() -> None:
    outcomes = [_in_session(EVERYTHING, "a cup", seed)[0] for seed in range(150)]
    assert {outcome[0] for outcome in outcomes if isinstance(outcome, tuple)} >= {"Hopeless", "Unanswered", "ZeroDivisionError"}
    assert sum(isinstance(outcome, str) for outcome in outcomes) >= 3


def _mains(source: str) -> list[str]:
    return [piece.text for piece in split(source) if piece.kind == "main"]


def _assert_comes_back(source: str, entry: str) -> None:
    program = parse(source)
    header = ExportHeader(entry=entry, provenance={"run": "r", "made": "today"}, examples=({"x": "\u2028"},), model="m", max_tokens=9)
    text = export(program, header=header)
    again = parse(strip_export(text))
    assert (again.digest, again.doc) == (program.digest, program.doc)
    assert [ast.unparse(ast.parse(main)) for main in _mains(again.source)] == [ast.unparse(ast.parse(main)) for main in _mains(source)]
    assert export(again, header=header) == text


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_every_examples_program_comes_back_whole_and_exports_to_the_same_file_again(file: Path) -> None:
    _assert_comes_back(file.read_text(encoding="utf-8"), "solve")


@pytest.mark.parametrize("source", [EVERYTHING, STRUCTURED, MATHS, PLAIN])
def test_programs_of_every_kind_come_back_whole_and_export_to_the_same_file_again(source: str) -> None:
    _assert_comes_back(source, "solve")


@hypothesis_settings(max_examples=60)
@given(programs())
def test_any_program_comes_back_whole_and_exports_to_the_same_file_again(source: str) -> None:
    _assert_comes_back(f"{source}\n\ndef entry(item):\n    return item\n", "entry")


def test_separators_that_are_no_line_ends_stay_in_the_text_of_a_prompt() -> None:
    source = 'from graftwork.programs import prompt\n\n@prompt\ndef solve(x: str) -> str:\n    """One\u2028two\x0cthree\x1cfour."""\n'
    _assert_comes_back(source, "solve")


@pytest.mark.parametrize(
    "doc",
    [
        r'"""Half a \ud83d pair."""',
        r'"""A\x00b"""',
        r'"""A\rb"""',
        r'"""A.\n# graftwork: begin x\nB.\n# graftwork: end x\nC."""',
        r"""r'A\B "quoted" '""",
        '"A " "B"  # why',
        '"""A\r\nB"""',
        '""""""',
    ],
)
def test_a_docstring_comes_back_as_it_is_written(doc: str) -> None:
    source = f"{doc}\n\n\ndef solve(x):\n    return x\n"
    _assert_comes_back(source, "solve")
    text = export(parse(source), header=ExportHeader())
    assert text.encode().decode().startswith(doc.replace("\r\n", "\n"))
    compile(text, "champion.py", "exec")


def test_text_that_is_no_export_is_left_as_it_is() -> None:
    assert strip_export("x = 1\r\n\r\n\n") == "x = 1\r\n\r\n\n"


@pytest.mark.parametrize(
    ("source", "lacks", "has"),
    [
        ('@prompt\ndef solve(x: str) -> str:\n    """Do."""\n', ("use_tools", "schema_of", "build"), ("converse",)),
        ('@prompt\ndef solve(x: str) -> int | None:\n    """Do."""\n', ("use_tools", "schema_of"), ("read_number",)),
        ('@prompt\ndef solve(x: str) -> "list[int]":\n    """Do."""\n', ("use_tools",), ("schema_of", "build")),
        ('str = dict\n\n@prompt\ndef solve(x: int) -> str:\n    """Do."""\n', ("use_tools",), ("schema_of", "build")),
        ('def made():\n    return prompt\n\n@prompt\ndef solve(x: int) -> int:\n    """Do."""\n', (), ("build",)),
        ('@prompt(tools=[])\ndef solve(x: str) -> str:\n    """Do."""\n', ("build",), ("use_tools", "schema_of")),
    ],
)
def test_an_export_carries_tools_and_structures_only_where_its_prompts_may_use_them(
    source: str, lacks: tuple[str, ...], has: tuple[str, ...]
) -> None:
    text = export(parse(f"from graftwork.programs import prompt\n\n{source}"), header=ExportHeader())
    defined = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    assert set(has) <= defined
    assert not set(lacks) & defined
    assert "STRUCTURES" not in text
    assert "TOOLS and" not in text


def test_the_names_by_which_a_file_asks_are_found_whatever_its_program_calls_its_own() -> None:
    assert hook_of(export(parse("def solve(x):\n    return x\n"), header=ExportHeader())) == Hook(plain="plain")
    own = "\n\ndef complete_request_(x):\n    return x\n\nBRANCH = 1\n\ndef plain(x):\n    return x\n"
    assert hook_of(export(parse(EVERYTHING + own), header=ExportHeader())) == Hook(
        complete="complete_request", branch="BRANCH_", plain="plain_"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json", "expected a JSON object of the inputs of solve(x), got {not json ("),
        ("[1]", "expected a JSON object of the inputs of solve(x), got [1] ("),
        ('{"y": 1}', "missing a required argument: 'x'"),
        ('{"x": 1, "y": 1}', "unexpected keyword argument 'y'"),
    ],
)
def test_a_bad_line_is_one_clear_message(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "champion.py").write_text(export(parse("def solve(x):\n    return x\n"), header=ExportHeader()))
    command = [sys.executable, "-I", "champion.py"]
    typed = f'{{"x": 1}}\n\n{line}\n'
    done = subprocess.run(command, cwd=tmp_path, input=typed, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("line 3: ")
    assert said in done.stderr

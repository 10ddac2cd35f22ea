"""A program as one file: it does what the run does, alone, and the program can be got back."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from graftwork.programs import ExportHeader, export, parse, strip_export
from graftwork.programs.embedding import SWITCHES, embed
from graftwork.programs.errors import ProgramError
from graftwork.programs.export import HOOK
from graftwork.programs.program import Program
from graftwork.programs.runtime import trace_functions, using_session

from .endpoint import Endpoint, completion, serving
from .sessions import Asked, RecordingSession, loaded
from .strategies import programs
from .test_runtime import MATHS

STRUCTURED = '''"""Sort "things" into \\\\ kinds."""
from __future__ import annotations
import json
from dataclasses import dataclass
from typing import Literal
from graftwork.programs import prompt as ask, vote

@dataclass
class Item:
    name: str
    size: float = 1.0

KINDS = ("big", "small")

# Names what is there.
@ask(demos=[{"inputs": {"text": "a cat"}, "output": [{"name": "cat", "size": 2}]}], max_tokens=40)
def items(text: str) -> list[Item]:
    """List the things in {text}."""

@ask
def kind(item: Item) -> Literal["big", "small"] | None:
    """Is it big?"""

def solve(text: str):
    found = items(text)
    return {item.name: vote(3, kind, item) for item in found}, json.dumps(len(found))

if __name__ == "__main__":
    print("not kept")
'''


def _run(program: Program, entry: str, inputs: Mapping[str, Any], session: RecordingSession) -> object:
    with loaded(program.source) as module, using_session(session):
        trace_functions(module.__dict__)
        return getattr(module, entry)(**inputs)


def _run_exported(text: str, entry: str, inputs: Mapping[str, Any], recorded: list[Asked], script: Any) -> object:
    """What the exported text gives with the replies of a run; every request must be one of the run's, on the same draw."""
    replies = {(asked.path, json.dumps(asked.body), asked.occurrence): script(asked) for asked in recorded}
    counts: Counter[tuple[str, str]] = Counter()
    with loaded(text) as module:

        def hook(body: dict[str, Any]) -> Mapping[str, Any]:
            path = ".".join(map(str, module.BRANCH.get())) if hasattr(module, "BRANCH") else ""
            key = path, json.dumps(body)
            counts[key] += 1
            reply = replies[path, key[1], counts[key] - 1]
            return {"text": reply} if isinstance(reply, str) else dict(reply)

        setattr(module, HOOK, hook)
        result = getattr(module, entry)(**inputs)
    assert counts.total() == len(recorded)
    return result


def _sorter(asked: Asked) -> str | Mapping[str, Any]:
    if asked.component == "items":
        return '[{"name": "dog", "size": "large"}]' if len(asked.body["messages"]) == 4 else '[{"name": "dog"}, {"name": "ant"}]'
    return ("big", "small", "small")[int(asked.path)] if "dog" in str(asked.body) else "none"


def _mathematician(asked: Asked) -> str | Mapping[str, Any]:
    if asked.component == "plan":
        return f"step {asked.path}#{asked.occurrence}"
    if asked.body["messages"][-1]["role"] == "tool":
        return f"{asked.body['messages'][-1]['content']}{asked.path[-1:]}"
    return {"text": "", "tool_calls": [{"id": "1", "name": "calculate", "arguments": '{"expression": "2 + 2"}'}]}


@pytest.mark.parametrize(
    ("source", "entry", "inputs", "script"),
    [
        (STRUCTURED, "solve", {"text": "dogs and ants"}, _sorter),
        (MATHS, "solve", {"question": "2 + 2?"}, _mathematician),
        (MATHS, "thrice", {"question": "2 + 2?"}, _mathematician),
        (MATHS, "again", {"question": "2 + 2?"}, _mathematician),
        (MATHS, "both", {"question": "2 + 2?"}, _mathematician),
    ],
)
def test_an_export_asks_what_the_run_asked_and_gives_what_the_run_gave(source: str, entry: str, inputs: Any, script: Any) -> None:
    session = RecordingSession(script=script)
    program = parse(source)
    expected = _run(program, entry, inputs, session)
    text = export(program, header=ExportHeader(entry=entry))
    assert _run_exported(text, entry, inputs, session.asked, script) == expected
    assert session.asked


@hypothesis_settings(max_examples=40)
@given(programs())
def test_the_program_can_be_got_back_from_its_export(source: str) -> None:
    program = parse(source + "\n\ndef entry(item):\n    return item\n")
    assert parse(strip_export(export(program, header=ExportHeader(entry="entry")))).digest == program.digest


@pytest.mark.parametrize("source", [STRUCTURED, MATHS])
def test_what_is_got_back_reads_like_the_original(source: str) -> None:
    program = parse(source)
    again = parse(strip_export(export(program, header=ExportHeader())))
    assert again.digest == program.digest
    assert again.imports == program.imports
    assert [component.source for component in again.components] == [component.source for component in program.components]
    assert again.doc == program.doc


def _alone(tmp_path: Path, text: str, *flags: str, typed: str = "", **environ: str) -> list[Any]:
    """What `python champion.py` prints, away from everything of ours."""
    (tmp_path / "champion.py").write_text(text, encoding="utf-8")
    command = [sys.executable, *flags, "champion.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        input=typed,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **environ},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


PLAIN = """
import math
from dataclasses import dataclass
from graftwork.programs import parallel, retry

@dataclass
class Pair:
    low: int
    high: int

def half(x):
    return x / 2

def solve(x):
    both = parallel(lambda: retry(2, half, x), lambda: x)
    return Pair(math.floor(both[0]), math.ceil(both[1]))
"""


def test_a_program_without_prompts_runs_alone_on_the_bare_interpreter(tmp_path: Path) -> None:
    text = export(parse(PLAIN), header=ExportHeader(examples=({"x": 3},)))
    assert "openai" not in text
    assert _alone(tmp_path, text, "-I", "-S") == [{"low": 1, "high": 3}]
    assert _alone(tmp_path, text, "-I", "-S", typed='{"x": 5}\n\n{"x": 7.5}\n') == [{"low": 2, "high": 5}, {"low": 3, "high": 8}]


def test_only_the_combinators_that_a_program_uses_are_carried() -> None:
    text = export(parse("def solve(x):\n    return x"), header=ExportHeader())
    assert "parallel" not in text
    text = export(parse(PLAIN), header=ExportHeader())
    assert "def retry" in text
    assert "def vote" not in text


def _tool_user(body: dict[str, Any]) -> Any:
    last = body["messages"][-1]
    if last["role"] == "tool":
        return completion(f"so {last['content']}")
    if "tools" not in body:
        return completion("a plan")
    return completion(
        None, tool_calls=[{"id": "1", "type": "function", "function": {"name": "calculate", "arguments": '{"expression": "6*7"}'}}]
    )


def _served(endpoint: Endpoint) -> dict[str, str]:
    return {"OPENAI_BASE_URL": endpoint.url, "OPENAI_API_KEY": "k"}


def test_a_champion_runs_alone_against_an_endpoint_as_it_did_in_the_run(tmp_path: Path) -> None:
    header = ExportHeader(examples=({"question": "6 * 7?"},), model="small", max_tokens=96)
    with serving(_tool_user) as endpoint:
        assert _alone(tmp_path, export(parse(MATHS), header=header), **_served(endpoint)) == [42.0]
    assert {(request["model"], request["max_tokens"]) for request in endpoint.requests} == {("small", 96)}
    assert len(endpoint.requests) == 3


def test_the_person_may_name_another_model_and_a_prompts_own_limit_stays(tmp_path: Path) -> None:
    header = ExportHeader(examples=({"text": "x"},), model="small", max_tokens=96)
    with serving(lambda body: completion("[]")) as endpoint:
        assert _alone(tmp_path, export(parse(STRUCTURED), header=header), GRAFTWORK_MODEL="large", **_served(endpoint)) == [[{}, "0"]]
    assert [(request["model"], request["max_tokens"]) for request in endpoint.requests] == [("large", 40)]


def test_the_file_says_where_it_comes_from_in_single_lines() -> None:
    program = parse(MATHS)
    text = export(program, header=ExportHeader(provenance={"run": "maths-1", "test score": "0.81\n(0.76 to 0.86)"}))
    lines = text.splitlines()
    assert "# run: maths-1" in lines
    assert "# test score: 0.81 (0.76 to 0.86)" in lines
    assert f"# program: {program.digest}" in lines


def test_names_that_the_program_uses_for_itself_do_not_disturb_the_runtime() -> None:
    everything = embed(["prompt", "tool", "vote", "retry", "serve"], taken={}, settings={})
    names = [name for name in (*everything.names, *dir(builtins)) if name.isidentifier() and name.isascii() and not name.startswith("__")]
    ours = {"prompt", "tool", "parallel", "vote", "retry", "True", "False", "None", "eval", "float", "str", "tuple", HOOK, "BRANCH"}
    clashes = "\n".join(f"def {name}(*args):\n    raise SystemExit({name!r})\n" for name in names if name not in ours)
    program = parse(MATHS + clashes)
    session = RecordingSession(script=_mathematician)
    expected = _run(parse(MATHS), "thrice", {"question": "q"}, session)
    text = export(program, header=ExportHeader(entry="thrice"))
    assert _run_exported(text, "thrice", {"question": "q"}, session.asked, _mathematician) == expected


@pytest.mark.parametrize(
    ("imports", "decorator"),
    [
        ("from graftwork.programs import prompt as ask", "ask"),
        ("import graftwork.programs as gp", "gp.prompt"),
        ("import graftwork as gw", "gw.programs.prompt"),
        ("from graftwork import programs", "programs.prompt"),
        ("import graftwork.programs", "graftwork.programs.prompt(temperature=0.0)"),
    ],
)
def test_a_program_may_name_the_runtime_as_it_likes(imports: str, decorator: str) -> None:
    source = f'{imports}\n\n@{decorator}\ndef solve(x: int) -> int:\n    """Double it."""\n'
    program = parse(source)
    text = export(program, header=ExportHeader())
    with loaded(text) as module:
        setattr(module, HOOK, lambda body: {"text": "8"})
        assert module.solve(4) == 8
    assert parse(strip_export(text)).digest == program.digest


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def other():\n    return 1", "no component 'solve'"),
        ("from graftwork.search import x\ndef solve():\n    return x", "cannot export a use of graftwork.search.x"),
        ('TEXT = """\n# graftwork: begin main\n"""\ndef solve():\n    return TEXT', "change that line"),
        ('TEXT = """a\r# graftwork: end main\rb"""\ndef solve():\n    return TEXT', "line 2: `# graftwork: end main"),
    ],
)
def test_what_cannot_be_exported_is_said(source: str, said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        export(parse(source), header=ExportHeader())


def test_the_carried_runtime_stays_small_enough_to_be_read() -> None:
    everything = embed(["prompt", "tool", "serve"], taken={}, settings={})
    assert sum(1 for line in everything.source.splitlines() if line.strip()) <= 360
    words_only = embed(["prompt", "serve"], taken={}, settings={}, unused=SWITCHES)
    assert sum(1 for line in words_only.source.splitlines() if line.strip()) <= 200
    assert max(map(len, everything.source.splitlines())) <= 140

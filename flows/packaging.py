"""Packaging: a run's champion as an installable folder: the module, what it needs, and a test that replays the recorded replies offline."""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from graftwork.evaluators.closure import dependency_closure, distributions_of
from graftwork.evaluators.evaluation import case_seed
from graftwork.programs.errors import ConfigError, RunError
from graftwork.programs.export import Hook, hook_of
from graftwork.programs.wire import to_json
from graftwork.search.disk import writing_to
from graftwork.search.record import open_run

from .exporting import Exported, checked, told
from .verification import Reproduced

__all__ = ["export_package"]

_PYPROJECT: Final = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
description = {description}
requires-python = ">=3.11"
dependencies = {dependencies}

[tool.setuptools]
py-modules = ["{module}"]
"""
_README: Final = """\
# {name}

`{module}.py` was evolved by Graftwork in the run `{run}` and needs nothing of it; its head says how it was measured and verified.

    pip install .
    python -m {module} < inputs.jsonl        # JSON lines of inputs in, JSON lines of outputs out
    python -c "from {module} import {entry}; help({entry})"
"""
_TESTED: Final = """\

`PYTHONHASHSEED=0 python -m pytest` replays what the run recorded on {n} examples, without a network.
"""
_TEST: Final = '''\
"""{module} does what the run recorded: the same requests, answered by the recorded replies, give the same outputs. No network."""

import hashlib
import importlib
import json
import random
import sys
import traceback
from collections import Counter
from pathlib import Path

import pytest

import {module}

CASES = [json.loads(line) for line in Path(__file__).with_name("recorded.jsonl").read_text(encoding="utf-8").split("\\n") if line]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["example"])
def test_it_does_what_the_run_recorded(case):
    random.seed(case["seed"])
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(case["seed"] % 2**32)
    module = importlib.reload({module})
    asked = answer_from(module, case["replies"])
    if "error" in case:
        with pytest.raises(Exception) as raised:
            module.{entry}(**case["inputs"])
        assert traceback.format_exception_only(raised.value)[-1].strip().removeprefix("{module}.")[:500] == case["error"]
    else:
        output = module.{entry}(**case["inputs"])
        assert json.loads(json.dumps(output, default=module.{plain})) == case["output"]
    assert asked.total() == len(case["replies"])


def answer_from(module, replies):
    """Have recorded replies complete the module's requests; how often each was made."""
    asked = Counter()

    def complete(body):
        path = ".".join(map(str, module.{branch}.get())) if {has_branch} else ""
        request = hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=16).hexdigest()
        draw = f"{{path}}#{{asked[path, request]}}"
        asked[path, request] += 1
        return replies[f"{{request}} {{draw}}"]

    if {asks}:
        module.{complete} = complete
    return asked
'''


def export_package(run_dir: Path, folder: Path, *, verified: bool = True) -> str:
    """Write a run's champion, or the best so far, as a folder that can be installed, if it does what the run recorded.

    Args:
        run_dir: The run.
        folder: New or empty.
        verified: Whether to hold it to the record first; without that, the folder has no test.

    Returns:
        What it is and how it was verified, in a few words.

    Raises:
        RunError: If there is no run, nothing was evaluated yet, the file does not do what the run recorded, or cannot be written.
        ConfigError: If this machine cannot verify it, or the run's programs have no entry.
    """
    with writing_to(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder} is not an empty folder: a package needs a folder of its own; choose another")
    record = open_run(run_dir)
    if record.forgeable:
        raise ConfigError(f"{run_dir} is of a task with a foreign evaluator: its champion has no entry; export it without --package")
    made = checked(run_dir, verified=verified)
    facts: Mapping[str, object] = record.config["task"]
    texts = dict(_texts(made, facts, run=run_dir.resolve().name))
    with writing_to(folder):
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return told(made)


def _texts(made: Exported, facts: Mapping[str, object], *, run: str) -> Iterator[tuple[str, str]]:
    """Names and texts of the folder's files."""
    hook, entry = hook_of(made.text), str(facts["entry"])
    packages = facts["packages"]
    needs = distributions_of([*(packages if isinstance(packages, list) else ()), *(["openai"] if hook.complete else [])])
    module = _module_name(str(facts["name"]), needs)
    name = module.replace("_", "-").strip("-")
    first = (made.candidate.program.doc or "A program evolved by Graftwork.").split("\n", 1)[0]
    # What JSON leaves as it is, TOML reads, but for what cannot be printed.
    printable = "".join(each if each.isprintable() else " " for each in first)
    yield (
        "pyproject.toml",
        _PYPROJECT.format(
            name=name,
            module=module,
            description=json.dumps(printable, ensure_ascii=False),
            dependencies=json.dumps([_requirement(need, version(need)) for need in needs]),
        ),
    )
    yield f"{module}.py", made.text
    cases = [_case(one, made) for one in made.verification.reproduced if _can_be_told(one)]
    yield "README.md", _README.format(name=name, module=module, run=run, entry=entry) + (_TESTED.format(n=len(cases)) if cases else "")
    if cases:
        yield f"tests/test_{module}.py", _test(module, entry, hook)
        yield "tests/recorded.jsonl", "".join(json.dumps(case) + "\n" for case in cases)


def _module_name(task: str, needs: Iterable[str]) -> str:
    """The task's name as a module's that nothing else has: neither what it needs, nor what its test does."""
    closure = {"openai", "pytest", *(canonicalize_name(one.name) for one in dependency_closure(needs))}
    name = re.sub(r"\W+", "_", task, flags=re.ASCII).strip("_").lower() or "champion"
    taken = name in sys.stdlib_module_names or keyword.iskeyword(name) or not name[0].isalpha()
    taken = taken or not closure.isdisjoint([canonicalize_name(name), *distributions_of([name])])
    return f"champion_{name}" if taken else name


def _requirement(name: str, here: str) -> str:
    """A distribution, from the version that is here and was verified."""
    return f"{name}>={Version(here).public}"


def _test(module: str, entry: str, hook: Hook) -> str:
    return _TEST.format(
        module=module,
        entry=entry,
        plain=hook.plain,
        branch=hook.branch or "BRANCH",
        has_branch=bool(hook.branch),
        complete=hook.complete or "complete_request",
        asks=bool(hook.complete),
    )


def _can_be_told(one: Reproduced) -> bool:
    """Whether a failure is an exception like any other, outside of the sandbox too."""
    failure = one.outcome.failure
    return failure is None or (failure.kind == "crash" and not failure.message.startswith(("it ", "RecursionError", "openai.")))


def _case(one: Reproduced, made: Exported) -> dict[str, object]:
    """One example as the test reads it."""
    seed = case_seed(made.candidate.program.digest, one.case.example_id, 0)
    fields = ("text", "tool_calls", "refusal", "finish_reason")
    replies = {}
    for answered in one.answered:
        place = answered.draw.split("/", 2)[2]  # without purpose and repeat
        replies[f"{answered.request} {place}"] = {name: to_json(getattr(answered.reply, name)) for name in fields}
    failure = one.outcome.failure
    came = {"output": one.outcome.output} if failure is None else {"error": failure.message.removeprefix("program.")}
    return {"example": one.case.example_id, "seed": seed, "inputs": to_json(one.case.inputs), "replies": replies, **came}

"""A scripted model for word problems: plays the task model and the proposer, so that a whole run needs no endpoint.

Its reply is a function of (request, draw) alone. As task model it looks the answer up and gives it away only if the instructions
are good enough for the problem at hand; as proposer it writes one more hint into a prompt, or a tidier calculator.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, cast

__all__ = ["HINTS", "reply"]

BASE_SHARE: Final = 0.35
HINTS: Final[Mapping[str, float]] = {
    "Read every number in the question.": 0.15,
    "Mind the units.": 0.1,
    "Check that the last step answers what is asked.": 0.15,
    "Think of people who come and go.": -0.1,
    "Write percentages as divisions by 100.": 0.1,
}
"""What an instruction may say, and how much larger or smaller a share of the problems the scripted model then gets right."""
DEMONSTRATION_SHARE: Final = 0.05
CHATTY_SHARE: Final = 0.3


def reply(body: Mapping[str, object], draw: str) -> str:
    """The answer to a chat-completion body.

    Args:
        body: A request of a prompt of the word-problem program or of a program made from it, or of an operator.
        draw: Counts where the temperature is not 0.
    """
    messages = cast("list[Mapping[str, str]]", body["messages"])
    system = "\n".join(message["content"] for message in messages if message["role"] == "system")
    asked = [message["content"] for message in messages if message["role"] == "user"]
    if "@prompt" in system:
        return _propose(system, asked[0], f"{system}|{asked[0]}|{draw}")
    problem = next((problem for text in reversed(asked) if (problem := _problem_in(text))), None)
    if problem is None:
        return "I do not know this problem."
    question, answer = problem
    told = f"{system}\n{asked[-1]}"
    if "steps:" not in told:
        return " ".join(["Combine the numbers step by step.", *(hint for hint in HINTS if hint in told)])
    salt = draw if body.get("temperature") else ""
    n_demonstrations = sum(message["role"] == "assistant" for message in messages)
    skill = BASE_SHARE + sum(gain for hint, gain in HINTS.items() if hint in told) + DEMONSTRATION_SHARE * n_demonstrations
    if "only" not in system and _share(question, "chatty", salt) < CHATTY_SHARE:
        return f"The answer is {answer:.12g}."
    return f"{answer - 1:.12g} + 1" if _share(question, "skill", salt) < skill else f"({answer:.12g} + 3) * 2"


def _share(*parts: str) -> float:
    """A number in [0, 1) that the parts fix."""
    return int.from_bytes(blake2b("|".join(parts).encode(), digest_size=6).digest()) / 2**48


def _problem_in(text: str) -> tuple[str, float] | None:
    """The question that stands in a request, and its answer; None where none of ours does."""
    for line in (Path(__file__).parent / "problems.jsonl").read_text(encoding="utf-8").splitlines():
        problem = json.loads(line)
        if problem["question"] in text:
            return problem["question"], float(problem["answer"])
    return None


def _propose(system: str, request: str, seed: str) -> str:
    """A proposer's reply in the form that the request asks for."""
    source = re.findall(r"```python\n(.*?)\n```", request, flags=re.DOTALL)[0]
    wanted = re.search(r"better `(\w+)`", request)
    components = {node.name: _text(source, node) for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    prompts = [name for name, text in components.items() if text.startswith("@prompt")]
    if not prompts:
        return "There is no prompt to improve."
    chosen = wanted[1] if wanted else prompts[int(_share(seed, "prompt") * len(prompts))]
    old = components.get(chosen, "")
    new = _improved(old, seed)
    if "SEARCH" in system:
        return f"<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE"
    return f"Here it is.\n```python\n{new if wanted else source.replace(old, new)}\n```"


def _text(source: str, node: ast.FunctionDef) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def _improved(component: str, seed: str) -> str:
    """A prompt with one more hint at the start of its docstring; of other code a tidier version, where there is one."""
    if not component.startswith("@prompt"):
        return component.replace("expression.strip()", 'expression.split("=")[0].strip()')
    missing = [hint for hint in HINTS if hint not in component]
    if not missing:
        return component
    return component.replace('"""', f'"""{missing[int(_share(seed, "hint") * len(missing))]} ', 1)

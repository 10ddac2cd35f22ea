"""Rewriters: operators that ask a model to write. Each is two pure halves, the request and the reading of the reply.

Requests begin with text that never changes, so that an endpoint that caches prefixes reads it once; then the task, the program, the
evidence, and last what to do.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graftwork.programs.changed import describe
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.program import Component, Program
from graftwork.programs.search_replace import apply_blocks, parse_blocks

from .candidate import Brief, Member
from .operator import Draft, Facts
from .reading import PLACEHOLDER, graft_reply, head_of, restored, whole_reply
from .showing import EVIDENCE_CHARS, blame, clipped, show_evidence, show_task
from .variations import mutable

__all__ = ["MAX_REPLY_TOKENS", "Blend", "DiffEdit", "RewriteComponent", "RewriteProgram"]

MAX_REPLY_TOKENS: Final = 4_096

_ABOUT: Final = """\
You improve Graftwork programs: one Python module that is run on examples and scored.
- A `@prompt` function is done by a language model: its docstring is the instruction, its parameters are the inputs, its return type \
says what is answered. Below the docstring it has no code. Options: `@prompt(tools=[f], temperature=0.0, max_tokens=96, demos=[...])`.
- A `@tool` function is Python that a prompt may call. All other functions, constants and types are plain Python.
- The entry function calls the others. Useful: `vote(5, f, x)` (most common of 5 answers), `retry(3, f, x, accept=test)`, \
`parallel(lambda: f(x), lambda: g(x))`, from `graftwork.programs`.
- Keep the entry's name and parameters. Import only the standard library, `graftwork.programs` and the packages named. No files, no \
network, no code at top level besides imports, definitions and constants. Never copy answers of examples into the program.
"""

_WAYS: Final = (
    "Find the cause of the worst result below and remove it.",
    "Make what is asked for and the form of the answer more exact.",
    "Try a clearly different approach.",
    "Make it simpler and more general.",
    "Keep what works and change one thing that could bring the most.",
)
_SHAPES: Final = (
    "Add a prompt that checks the result and puts it right before it is returned.",
    "Do the work in fewer steps, with clearer instructions.",
    "Use `vote` or `retry` where an answer is often wrong.",
    "Split the hardest step into two prompts.",
    "Have code do what code can do exactly, instead of a prompt.",
)
_WHOLE: Final = """\
Reply with one ```python block that holds the new program, and nothing else. Components that it uses and that stay as they are may be \
left out.
"""
_DIFF: Final = """\
Reply with one or more blocks of the form that you are shown, with all three marker lines, and nothing else. SEARCH holds whole lines \
copied exactly from the program, REPLACE what stands there instead.
"""
_WEIGHTS: Final = (("prompt", 6.0), ("function", 2.0), ("tool", 1.0), ("type", 0.5), ("constant", 0.5))
_QUOTES: Final = '"""'
_TEMPERATURE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteComponent:
    """Has one component written anew: prompts and components that stood where examples failed more often than others."""

    name: str = "rewrite_component"
    n_parents: int = 1

    def request(self, brief: Brief, facts: Facts) -> Mapping[str, object]:
        """Ask for the whole new text of one component."""
        rng, parent = _rng(brief), brief.parents[0]
        chosen = _chosen(brief, facts)
        form = "Reply with one ```python block: the whole new definition of the component you are asked for, and nothing else.\n"
        program = parent.candidate.program
        task = _asked(program[chosen], rng.choice(_WAYS)) if chosen in program else f"Write `{chosen}`."
        size = len(program[chosen].source) if chosen in program else 0
        return _body(form, [show_task(facts), _shown(program), _evidence(parent, facts, rng), task], size=size)

    def read(self, brief: Brief, facts: Facts, text: str) -> Draft:
        """The parent with the component of the reply.

        Raises:
            ProgramError: If the reply holds no new definition.
        """
        parent, chosen = brief.parents[0].candidate.program, _chosen(brief, facts)
        child = graft_reply(text, parent, facts, wanted=chosen)
        return Draft(program=child, note=f"rewrote {_summary(parent, child)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffEdit:
    """Has a few places changed by SEARCH/REPLACE blocks."""

    name: str = "diff_edit"
    n_parents: int = 1

    def request(self, brief: Brief, facts: Facts) -> Mapping[str, object]:
        """Ask for SEARCH/REPLACE blocks."""
        rng, parent = _rng(brief), brief.parents[0]
        program = parent.candidate.program
        chosen = _chosen(brief, facts)
        task = f"Improve the program by a small change, best in `{chosen}`. {rng.choice(_WAYS)} "
        task += f"Reply with blocks of this form only; copy the lines of SEARCH from the program:\n{_block(program, chosen)}"
        return _body(_DIFF, [show_task(facts), _shown(program), _evidence(parent, facts, rng), task], size=800)

    def read(self, brief: Brief, facts: Facts, text: str) -> Draft:
        """The parent with the blocks applied; a reply without blocks is read as new definitions.

        Raises:
            ProgramError: If a block does not fit, or nothing changes.
        """
        parent = brief.parents[0].candidate.program
        try:
            blocks = parse_blocks(text)
        except ProgramError as error:
            # Broken markers often stand around whole definitions, which say as well what is meant.
            try:
                child = graft_reply(text, parent, facts, wanted=_chosen(brief, facts))
            except ProgramError:
                raise error from None
        else:
            if blocks:
                child = restored(parse(apply_blocks(parent.source, blocks), statements=bool(parent.statements)), parent, facts)
            else:
                child = graft_reply(text, parent, facts, wanted=_chosen(brief, facts))
        if PLACEHOLDER in child.source:
            raise ProgramError(f"write what is new where {PLACEHOLDER} stands")
        if child.digest == parent.digest:
            raise ProgramError("the blocks change nothing: REPLACE must differ from SEARCH in what the program does or says")
        return Draft(program=child, note=f"edited {_summary(parent, child)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteProgram:
    """Has the whole program written anew."""

    name: str = "rewrite_program"
    n_parents: int = 1

    def request(self, brief: Brief, facts: Facts) -> Mapping[str, object]:
        """Ask for a whole program."""
        rng, parent = _rng(brief), brief.parents[0]
        program = parent.candidate.program
        shapes = _SHAPES if program.prompts else _WAYS
        task = (
            "Write a better program; a copy of it is worth nothing. You may add, drop or rearrange components, and word instructions anew. "
            f"{rng.choice(shapes)} {_form(program, facts)}"
        )
        return _body(_WHOLE, [show_task(facts), _shown(program), _evidence(parent, facts, rng), task], size=len(program.source))

    def read(self, brief: Brief, facts: Facts, text: str) -> Draft:
        """The program of the reply.

        Raises:
            ProgramError: If the reply holds none, or only the parent's.
        """
        parent = brief.parents[0].candidate.program
        child = whole_reply(text, parent, facts)
        return Draft(program=child, note=f"rewrote the program: {_summary(parent, child)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """Has one program written from two."""

    name: str = "blend"
    n_parents: int = 2

    def request(self, brief: Brief, facts: Facts) -> Mapping[str, object]:
        """Ask for a program that joins what works in both parents."""
        rng = _rng(brief)
        parts = [show_task(facts)]
        for place, parent in enumerate(brief.parents[:2]):
            parts.append(_shown(parent.candidate.program, title=f"Program {place + 1}"))
            parts.append(_evidence(parent, facts, rng, max_chars=EVIDENCE_CHARS // 2))
        form = _form(brief.parents[0].candidate.program, facts)
        parts.append(f"Write one program that joins what works best in both and is a copy of neither. {form}")
        size = max(len(parent.candidate.program.source) for parent in brief.parents)
        return _body(_WHOLE, parts, size=size)

    def read(self, brief: Brief, facts: Facts, text: str) -> Draft:
        """The program of the reply.

        Raises:
            ProgramError: If the reply holds none, or only one of the parents.
        """
        parent, *others = [member.candidate.program for member in brief.parents]
        child = whole_reply(text, parent, facts)
        if any(child.digest == other.digest for other in others):
            raise ProgramError("the reply repeats one of the two programs: join both into a new one")
        return Draft(program=child, note=f"blended {' and '.join(str(member.candidate.number) for member in brief.parents)}")


def _chosen(brief: Brief, facts: Facts) -> str:
    """The component to change: prompts and what stood where examples failed before others; the same in both halves."""
    parent = brief.parents[0]
    program, blamed = parent.candidate.program, blame(parent)
    names = mutable(program, facts) or (facts.entry,)
    weights = dict(_WEIGHTS)
    heavy = [(weights[program[name].kind] if name in program else 1.0) * (1 + min(blamed.get(name, 0), 3)) for name in names]
    return random.Random(f"{brief.seed}/component").choices(names, weights=heavy)[0]


def _block(program: Program, name: str) -> str:
    """A SEARCH/REPLACE block for a component, with a line of it to be searched for."""
    lines = program[name].source.splitlines() if name in program else ["a line of the program"]
    quoted = next((line for line in lines if line.lstrip().startswith(_QUOTES)), lines[-1])
    indent = quoted[: len(quoted) - len(quoted.lstrip())]
    opening, closing = (_QUOTES if quoted.lstrip().startswith(_QUOTES) else "", _QUOTES if quoted.endswith(_QUOTES) else "")
    return f"<<<<<<< SEARCH\n{quoted}\n=======\n{indent}{opening}{PLACEHOLDER}{closing}\n>>>>>>> REPLACE"


def _asked(component: Component, way: str) -> str:
    """The last words of a request for one component. Small models fill in a form far better than they follow a rule."""
    if component.kind != "prompt":
        return f"Write a better `{component.name}`. {way} Reply with the new definition of `{component.name}` only."
    return (
        f"Write a better `{component.name}`: a new instruction in your own words, exact about what to do, what to watch out for and the "
        f"form of the answer. {way} Reply in this form, with your instruction instead of {PLACEHOLDER} and no code below it:\n"
        f'```python\n{head_of(component)}\n    """{PLACEHOLDER}"""\n```'
    )


def _form(program: Program, facts: Facts) -> str:
    """The last words of a request for a program: where it has prompts, a form to fill in, or a small model copies what it was shown."""
    if not program.prompts:
        return "Reply with the new program only."
    prompts = [f'{head_of(item)}\n    """{PLACEHOLDER}"""' for item in program.prompts if item.name not in facts.frozen]
    entry = [program[facts.entry].source] if facts.entry in program and facts.entry not in facts.frozen else []
    text = "\n\n".join([*prompts, *entry])
    asked = f"Reply in a form like this, with new instructions instead of {PLACEHOLDER}, and `@prompt` above new prompts:"
    return f"{asked}\n```python\n{text}\n```"


def _rng(brief: Brief) -> random.Random:
    return random.Random(f"{brief.seed}/request")


def _body(form: str, parts: list[str], *, size: int) -> Mapping[str, object]:
    """The request.

    Args:
        form: How to reply.
        parts: What differs from brief to brief, most constant first.
        size: Characters of what will be written anew; the reply gets room for about twice as much.
    """
    return {
        "messages": [{"role": "system", "content": _ABOUT + form}, {"role": "user", "content": "\n\n".join(parts)}],
        "temperature": _TEMPERATURE,
        "max_tokens": min(MAX_REPLY_TOKENS, 256 + size // 2),
    }


def _shown(program: Program, *, title: str = "The program") -> str:
    return f"{title}:\n```python\n{program.source.strip()}\n```"


def _evidence(parent: Member, facts: Facts, rng: random.Random, *, max_chars: int = EVIDENCE_CHARS) -> str:
    return show_evidence(parent, facts, rng=rng, max_chars=max_chars).strip()


def _summary(parent: Program, child: Program) -> str:
    """Names of what differs, with the size of the difference in lines."""
    changed = [name for name in child.names if name not in parent or parent[name].digest != child[name].digest]
    gone = [f"-{name}" for name in parent.names if name not in child]
    lines = [line for line in describe(parent, child).splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return clipped(f"{', '.join(changed + gone) or 'imports'} ({len(lines)} lines)", 120)

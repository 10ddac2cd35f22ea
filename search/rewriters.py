"""Rewriters: operators that ask a model to write. Each is two pure halves, the request and the reading of the reply.

Requests begin with text that never changes, so that an endpoint that caches prefixes reads it once; then the task, the program, the
evidence, and last what to do.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from graftwork.programs.edit import describe
from graftwork.programs.errors import ProgramError
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.search_replace import apply_blocks, parse_blocks

from .candidate import Brief, Member
from .operator import Draft, Facts
from .reading import graft_reply, restored, whole_reply
from .showing import EVIDENCE_CHARS, blame, clipped, show_evidence, show_task
from .variations import mutable

__all__ = ["Blend", "DiffEdit", "RewriteComponent", "RewriteProgram"]

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
_WEIGHTS: Final = (("prompt", 6.0), ("function", 2.0), ("tool", 1.0), ("type", 0.5), ("constant", 0.5))
_TEMPERATURE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteComponent:
    """Has one component written anew: prompts and components that stood where examples failed more often than others."""

    name: str = "rewrite_component"
    n_parents: int = 1

    def request(self, brief: Brief, facts: Facts) -> Mapping[str, object]:
        """Ask for the whole new text of one component."""
        rng, parent = _rng(brief), brief.parents[0]
        chosen = self._chosen(brief, facts)
        form = "Reply with one ```python block: the whole new definition of the component you are asked for, and nothing else.\n"
        task = f"Write a better `{chosen}`. {rng.choice(_WAYS)} Reply with the new definition of `{chosen}` only."
        size = len(parent.candidate.program[chosen].source) if chosen in parent.candidate.program else 0
        return _body(form, [show_task(facts), _shown(parent.candidate.program), _evidence(parent, facts, rng), task], size=size)

    def read(self, brief: Brief, facts: Facts, text: str) -> Draft:
        """The parent with the component of the reply.

        Raises:
            ProgramError: If the reply holds no new definition.
        """
        parent, chosen = brief.parents[0].candidate.program, self._chosen(brief, facts)
        child = graft_reply(text, parent, facts, wanted=chosen)
        return Draft(program=child, note=f"rewrote {_summary(parent, child)}")

    @staticmethod
    def _chosen(brief: Brief, facts: Facts) -> str:
        """The component to rewrite; the same in both halves."""
        parent = brief.parents[0]
        program, blamed = parent.candidate.program, blame(parent)
        names = mutable(program, facts) or (facts.entry,)
        weights = dict(_WEIGHTS)
        heavy = [(weights[program[name].kind] if name in program else 1.0) * (1 + min(blamed.get(name, 0), 3)) for name in names]
        return random.Random(f"{brief.seed}/component").choices(names, weights=heavy)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffEdit:
    """Has a few places changed by SEARCH/REPLACE blocks."""

    name: str = "diff_edit"
    n_parents: int = 1

    def request(self, brief: Brief, facts: Facts) -> Mapping[str, object]:
        """Ask for SEARCH/REPLACE blocks."""
        rng, parent = _rng(brief), brief.parents[0]
        form = (
            "Reply with one or more blocks of this form, and nothing else. SEARCH is copied from the program, whole lines, exactly:\n"
            "<<<<<<< SEARCH\nlines of the program\n=======\nnew lines instead\n>>>>>>> REPLACE\n"
        )
        task = f"Improve the program by a small change. {rng.choice(_WAYS)} Reply with SEARCH/REPLACE blocks only."
        return _body(form, [show_task(facts), _shown(parent.candidate.program), _evidence(parent, facts, rng), task], size=800)

    def read(self, brief: Brief, facts: Facts, text: str) -> Draft:
        """The parent with the blocks applied; a reply without blocks is read as new definitions.

        Raises:
            ProgramError: If a block does not fit, or nothing changes.
        """
        parent = brief.parents[0].candidate.program
        blocks = parse_blocks(text)
        child = restored(parse(apply_blocks(parent.source, blocks)), parent, facts) if blocks else graft_reply(text, parent, facts)
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
        task = f"Write a better program. You may add, drop or rearrange components. {rng.choice(_WAYS)} Reply with the whole program only."
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
        parts.append("Write one program that joins what works best in both. Reply with the whole program only.")
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


_WHOLE: Final = "Reply with one ```python block that holds the whole new program, with its imports, and nothing else.\n"


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
        "max_tokens": min(4_096, 256 + size // 2),
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

"""Moves: changes of a program's structure that need no model: where one applies, what it does, how large a program may get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from .document import Document
from .edit import Remove, apply
from .program import Program
from .structure import reachable

__all__ = [
    "MAX_COMPONENTS",
    "MAX_GROWN_BYTES",
    "MAX_PROMPTS",
    "Context",
    "Move",
    "Moved",
    "Place",
    "asks",
    "changeable",
    "has_room",
    "moved",
]

# Chained moves must end somewhere. A program near these bounds is beyond what a person reads, and each prompt is paid for on every input.
MAX_PROMPTS: Final = 12
MAX_COMPONENTS: Final = 40
MAX_GROWN_BYTES: Final = 24_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a move may know of the task.

    Attributes:
        entry: The function that the task calls; its signature stays.
        frozen: Components that must stay as they are.
        models: Names of the models that prompts may ask for.
    """

    entry: str
    frozen: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One way in which a move applies to one program; it leaves no choice open.

    Attributes:
        component: The component whose text it changes, the first where it changes several.
        number: Which one in it or in the program, where there are several; each move says what it counts.
        choice: What is chosen there, such as the name of a tool or a number; empty where there is nothing to choose.
    """

    component: str
    number: int = 0
    choice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a move made.

    Attributes:
        program: The child; components that nobody uses any more are still in it.
        note: What was done, one line.
    """

    program: Program
    note: str


class Move(Protocol):
    """One change of a program's structure.

    Laws: a program without a place is left alone; at each place the child is a program that `check` accepts where it accepts the
    parent, with another digest; frozen components, the entry's signature and everything that no edit names stay as written.
    """

    @property
    def name(self) -> str:
        """Its name in strategies, lineage and output."""
        ...

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Where it applies, found without running anything; empty where it does not."""
        ...

    def apply(self, program: Program, place: Place) -> Moved:
        """The program after the move, done at one of its places in this program.

        Raises:
            ProgramError: If the outcome is no program.
        """
        ...


def moved(move: Move, program: Program, place: Place, context: Context) -> Moved:
    """The program after a move, without the components that the move left unused.

    Raises:
        ProgramError: If the outcome is no program.
    """
    outcome = move.apply(program, place)
    return Moved(program=_collected(program, outcome.program, context), note=outcome.note)


def changeable(program: Program, context: Context) -> frozenset[str]:
    """Names of the components that the entry uses and that may change."""
    return reachable(program, context.entry) - context.frozen if context.entry in program else frozenset()


def asks(program: Program, name: str) -> bool:
    """Whether a component is a prompt or needs one."""
    return any(program[item].kind == "prompt" for item in reachable(program, name))


def has_room(program: Program) -> bool:
    """Whether a move may still make the program larger."""
    return (
        len(program.prompts) < MAX_PROMPTS and len(program.components) < MAX_COMPONENTS and len(program.source.encode()) < MAX_GROWN_BYTES
    )


def _collected(before: Program, after: Program, context: Context) -> Program:
    # What was unused before stays: somebody put it there.
    used = frozenset().union(*(reachable(after, name) for name in (context.entry, *sorted(context.frozen)) if name in after))
    dead = {name for name in reachable(before, context.entry) if name in after and name not in used}
    dead -= Document(after.source).main_names if dead else set()
    return apply(after, [Remove(name=name) for name in after.names if name in dead]) if dead else after

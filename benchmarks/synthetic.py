"""Synthetic candidates for benchmarks of what a search costs: programs of 4 KB, each with one of ten components unlike its parent's."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

from graftwork.programs.parse import parse
from graftwork.programs.program import Component, Program
from graftwork.search.texts import text_digest

__all__ = ["SyntheticPrograms"]

_COMPONENTS: Final = 10
_PAD: Final = 340
_PROMPT: Final = '@prompt\ndef asked(x: int) -> int:\n    """Add nothing to it."""\n'


class SyntheticPrograms:
    """A seed, and children without end.

    Args:
        with_prompt: Whether the seed asks a model, so that its calls in the worst case are worth working out.
        spread: How many characters a child's changed component may be shorter or longer.
    """

    def __init__(self, *, with_prompt: bool = False, spread: int = 0) -> None:
        parts = [f"def part_{n}(x: int) -> int:\n    return x + 0  # {'.' * _PAD}\n" for n in range(_COMPONENTS - 1)]
        called = "asked(part_0(x))" if with_prompt else "part_0(x)"
        head = ["from graftwork.programs import prompt\n", _PROMPT] if with_prompt else []
        self.seed = parse("\n\n".join([*head, *parts, f"def solve(x: int) -> int:\n    return {called}\n"]))
        self._rng, self._spread = random.Random(0), spread

    def child(self, parent: Program, number: int) -> Program:
        """The parent with one component changed, made by hand: parsing is not what is measured."""
        name = f"part_{self._rng.randrange(_COMPONENTS - 1)}"
        digest = text_digest(str(number))
        pad = _PAD + (self._rng.randint(-self._spread, self._spread) if self._spread else 0)
        source = f"def {name}(x: int) -> int:\n    return x + {number}  # {'.' * pad}"
        pieces = tuple(piece._replace(text=source) if piece.name == name else piece for piece in parent.pieces)
        components: tuple[Component, ...] = tuple(
            replace(component, source=source, digest=digest) if component.name == name else component for component in parent.components
        )
        return replace(parent, source="".join(piece.text for piece in pieces), pieces=pieces, components=components, digest=digest)

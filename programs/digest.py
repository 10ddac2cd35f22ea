"""Digest: what identifies a component and a program. Layout and comments do not; docstrings only where a model reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Literal

from .program import ComponentKind, Import

__all__ = ["component_digest", "component_digests", "program_digest"]


def component_digest(kind: ComponentKind | Literal["statement"], tokens: Sequence[str]) -> str:
    """32 hexadecimal digits of a component, or of another statement: of its kind and of the tokens that `walk` finds in its syntax."""
    return _hash((kind, *tokens))


def component_digests(kind: ComponentKind, name: str, tokens: Sequence[str]) -> tuple[str, str]:
    """The digest of a component, and its shape: a digest without its name, equal where only names tell two apart, recursion included."""
    text = "\n".join((kind, *tokens))
    nameless = text + "\n"
    if tokens[:2] in {("FunctionDef", name), ("ClassDef", name)}:
        nameless = nameless.replace(f"\n{name}\n", "\n\n", 1)
    # Twice, since two names in a row share the line end between them. On the text, which costs next to nothing: a line of a string
    # that looks like the name's token goes with it, and may make two strings equal that differ in their components' names alone.
    for _ in range(2):
        nameless = nameless.replace(f"\nn{name}\n", "\nn\n")
    return _digest(text), _digest(nameless)


def program_digest(digests: Iterable[str], imports: Iterable[Import], statements: Sequence[str] = ()) -> str:
    """32 hexadecimal digits of a program, from those of its components and the imports that they use, in whatever order.

    Args:
        digests: Of its components.
        imports: Those that are used.
        statements: Digests of its other statements, whose order counts.
    """
    others = ("statements", *statements) if statements else ()
    return _hash((*sorted(digests), "imports", *sorted(item.statement for item in imports), *others))


def _hash(tokens: Iterable[str]) -> str:
    # No token is ambiguous beside its neighbours: texts carry their length.
    return _digest("\n".join(tokens))


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

"""Digest: what identifies a component and a program. Layout and comments do not; docstrings only where a model reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Literal

from .program import ComponentKind, Import

__all__ = ["component_digest", "program_digest"]


def component_digest(kind: ComponentKind | Literal["statement"], tokens: Iterable[str]) -> str:
    """32 hexadecimal digits of a component, or of another statement: of its kind and of the tokens that `walk` finds in its syntax."""
    return _hash((kind, *tokens))


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
    return blake2b("\n".join(tokens).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

"""Texts: programs as pieces that are kept once each, named by what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from graftwork.programs.program import Program

__all__ = ["as_utf8", "pieces_of", "text_digest", "whole_text"]


def as_utf8(text: str) -> str:
    """The text as UTF-8 can hold it: a program may hold or print lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def text_digest(text: str) -> str:
    """32 hexadecimal digits that name a text."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def pieces_of(program: Program) -> dict[str, str]:
    """The program's text by digest of its pieces: one from each component up to the next, so that a child shares all but what changed.

    A program whose text has the same piece twice is one piece, so that the order of the mapping is the order of the text.
    """
    texts: list[str] = [""]
    for piece in program.pieces:
        if piece.kind == "component" and texts[-1]:
            texts.append("")
        texts[-1] += piece.text
    if "".join(texts) != program.source or len(set(texts)) < len(texts):
        texts = [program.source]
    return {text_digest(text): text for text in map(as_utf8, texts)}


def whole_text(pieces: Iterable[str], texts: Mapping[str, str]) -> str:
    """The text that the pieces make.

    Raises:
        KeyError: If a piece is missing.
    """
    return "".join(texts[piece] for piece in pieces)

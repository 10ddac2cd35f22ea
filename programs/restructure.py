"""Restructure: the moves that come with Graftwork."""

from __future__ import annotations

from .bypass import Bypass
from .decoding import ChangeDecoding, ChangeModel
from .fuse import FusePrompts
from .moves import Move
from .refine import InsertVerify, RefineInLoop
from .sampling import ChangeBound, Unwrap, WrapInRetry, WrapInVote
from .split import SplitPrompt
from .tooling import AddTool, RemoveTool

__all__ = ["moves"]


def moves() -> tuple[Move, ...]:
    """Every move, those that make a program larger first."""
    return (
        InsertVerify(),
        RefineInLoop(),
        WrapInVote(),
        WrapInRetry(),
        SplitPrompt(),
        AddTool(),
        Bypass(),
        Unwrap(),
        FusePrompts(),
        RemoveTool(),
        ChangeBound(),
        ChangeDecoding(),
        ChangeModel(),
    )

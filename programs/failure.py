"""Failure: the typed reason why a program gave no output. Standard library only: the sandbox's child imports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

__all__ = ["FAILURE_KINDS", "FAULTS_OF_THE_PROGRAM", "Failure", "FailureKind"]

FailureKind = Literal[
    "invalid",  # output that cannot be read, a refusal, a request that the endpoint rejects
    "crash",  # an exception, or an exit without a result
    "timeout",  # over its own wall or CPU seconds
    "memory",  # over its own memory
    "forbidden",  # something that the sandbox does not let it do
    "budget",  # over its own caps of calls or tokens
    "model",  # the endpoint's trouble: 429, 5xx, a broken transport
    "infrastructure",  # ours: a worker or node was lost
]
FAILURE_KINDS: Final[tuple[FailureKind, ...]] = get_args(FailureKind)
FAULTS_OF_THE_PROGRAM: Final[frozenset[FailureKind]] = frozenset(("invalid", "crash", "timeout", "memory", "forbidden", "budget"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a program gave no output on an example.

    Attributes:
        kind: One of `FAILURE_KINDS`.
        message: One or a few lines that a person, or the next operator, can act on.
        component: The component that failed, where it is known.
        detail: The program's own traceback or the endpoint's answer, bounded; may be empty.
    """

    kind: FailureKind
    message: str
    component: str | None = None
    detail: str = ""

    @property
    def is_the_programs(self) -> bool:
        """Whether it counts as the lowest score; the other kinds are retried and never held against it."""
        return self.kind in FAULTS_OF_THE_PROGRAM

"""The exceptions of Graftwork. What a program does wrong is a `Failure` value, never one of these.

GraftworkError
├── UserError                a person's mistake: one clear line, exit code 2
│   ├── ProgramError         a program's text cannot be read
│   ├── TaskError            a task file is wrong
│   ├── ConfigError          an option or a setting is wrong
│   ├── EndpointError        no key, an unknown model, an unreachable endpoint
│   └── RunError             a run directory is missing, damaged or cannot be written
├── CallFailed               a model call gave no reply; carries the `Failure` that says whose fault it is
├── ProgramFailed            a run of a program gave no output; what a free evaluator meets, with the `Failure`
├── CeilingReached           the run's own budget is spent; ends the run and is no failure of a program
├── InfrastructureError      a worker, a node or a socket was lost; retried, never scored
└── WireError                a frame breaks the protocol of `programs/wire.py`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .failure import Failure

__all__ = [
    "CallFailed",
    "CeilingReached",
    "ConfigError",
    "EndpointError",
    "GraftworkError",
    "InfrastructureError",
    "ProgramError",
    "ProgramFailed",
    "RunError",
    "TaskError",
    "UserError",
    "WireError",
]


class GraftworkError(Exception):
    """The root of every exception that Graftwork raises on purpose."""


class UserError(GraftworkError):
    """A person's mistake. The message is one line: what was expected, what came, what to do."""


class ProgramError(UserError):
    """A program's text cannot be read as components.

    Args:
        message: What is wrong and what to do.
        line: Line of the text, counted from 1; 0 where no line is to blame.
    """

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line
        self.message = message

    def below(self, n_lines: int) -> ProgramError:
        """The same about a text of which this one is a part, with so many lines above it."""
        return ProgramError(self.message, line=self.line and self.line + n_lines)


class TaskError(UserError):
    """A task file is wrong."""


class ConfigError(UserError):
    """An option or a setting is wrong."""


class EndpointError(UserError):
    """A model endpoint cannot be used as configured: no key, an unknown model, nobody there."""


class RunError(UserError):
    """A run directory is missing, damaged or cannot be written."""


class CallFailed(GraftworkError):
    """A model call gave no reply.

    Args:
        failure: Whose fault it is: `invalid` or `budget` (the program's), `model` (the endpoint's).
        in_doubt: Whether the endpoint may have billed the call (a timeout, a connection that broke), so that it counts as
            spent; False where the endpoint answered that it did not serve it (429, another error status) or was never
            reached. Left out: True for kind `model`, False for the others.
        retry_after_s: Where the endpoint is busy (429, 503), for how long it wants to be left alone, 0 where it does not say;
            None where it is not busy.
        refused: Whether nobody took the connection.
    """

    def __init__(
        self, failure: Failure, *, in_doubt: bool | None = None, retry_after_s: float | None = None, refused: bool = False
    ) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure
        self.retry_after_s = retry_after_s
        self.refused = refused
        self.in_doubt = failure.kind == "model" if in_doubt is None else in_doubt


class ProgramFailed(GraftworkError):
    """A run of a program gave no output.

    Args:
        failure: Why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure


class CeilingReached(GraftworkError):
    """The run's own budget is spent: the run ends, and nobody is blamed."""


class InfrastructureError(GraftworkError):
    """A worker, a node or a socket was lost. The work is done again elsewhere and never scored."""


class WireError(GraftworkError):
    """A frame breaks the protocol: too long, not JSON, of an unknown kind."""

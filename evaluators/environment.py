"""Environment: what a program acts in, step by step, and what a task's author writes for a task of sequential decisions.

The environment runs in our process, like a scorer, and never in the sandbox. The program is a policy: its entry is called once for each
step, with the inputs of the example and `observation`, and returns an action. Module state of the program lives as long as the episode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

__all__ = ["OBSERVATION", "Environment", "EnvironmentFactory"]

OBSERVATION: Final = "observation"
"""The parameter of the entry that takes what the environment shows."""


class Environment(Protocol):
    """One world for one episode. All its methods are called on one thread, and may block. `close()`, where there is one, ends it."""

    def reset(self) -> object:
        """Begin; the first observation, a JSON value."""
        ...

    def step(self, action: Any, /) -> tuple[object, float, bool]:
        """Take one action, which is any JSON value.

        Returns:
            The next observation, the reward of this step, and whether the episode is over.

        Raises:
            ValueError: The action breaks the rules: the program's failure, of kind `invalid`, with this message.
        """
        ...


EnvironmentFactory: TypeAlias = Callable[..., Environment]
"""Makes a new environment from an example, its target included: `environment(example)`. One with a parameter `seed` is given a number of
32 bits too, the same for an example and repeat whatever the program."""

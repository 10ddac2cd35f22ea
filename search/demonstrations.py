"""Demonstrations: worked examples in a prompt's decorator, taken from what the prompt did when the program did well.

Bootstrapping as in DSPy (Khattab et al., arXiv 2310.03714): no model writes them; a claimed input and output of the prompt itself, on a
train example that scored well, becomes a demonstration. Validation examples never do.
"""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from graftwork.evaluators.evaluation import Evaluation
from graftwork.programs.edit import Replace, apply
from graftwork.programs.options import options_of, with_options
from graftwork.programs.parsing import expression_of
from graftwork.programs.program import Component

from .candidate import Brief
from .operator import Draft, Facts

__all__ = ["MAX_DEMOS", "ChangeDemos", "Demo", "demo_operators", "demos_of", "demos_seen", "with_demos"]

MAX_DEMOS: Final = 4
# A longer one costs more on every call than it is likely to teach.
_MAX_CHARS: Final = 1_500
_WEIGHTS: Final = (("add", 3), ("swap", 2), ("drop", 1))

Demo = dict[str, object]


_Held = Sequence[Demo]
"""The demonstrations that a prompt has; beside them, always, those that its traces give besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDemos:
    """Gives one prompt other demonstrations.

    Attributes:
        name: Its name in strategies.
        fits: Whether a prompt with these demonstrations, and these fresh ones to be had, can get others.
        draw: Others, and what was done in words.
    """

    name: str
    fits: Callable[[_Held, _Held], bool]
    draw: Callable[[_Held, _Held, random.Random], tuple[list[Demo], str]]
    n_parents: int = 1

    def applies(self, brief: Brief, facts: Facts) -> bool:
        """Whether some prompt can get others."""
        return bool(self._options(brief, facts))

    def write(self, brief: Brief, facts: Facts, *, attempt: int) -> Draft | None:
        """A child with other demonstrations of one prompt; None where none can get any."""
        rng = random.Random(f"{brief.seed}/{attempt}")
        options = self._options(brief, facts)
        if not options:
            return None
        component, held, fresh = rng.choice(options)
        demos, note = self.draw(held, fresh, rng)
        edit = Replace(name=component.name, source=with_demos(component, demos))
        child = apply(brief.parents[0].candidate.program, [edit])
        return Draft(program=child, note=f"{note} of {component.name}: {len(demos)} now")

    def _options(self, brief: Brief, facts: Facts) -> list[tuple[Component, list[Demo], list[Demo]]]:
        """The prompts that may change, whose demonstrations can be read, and that can get others."""
        parent = brief.parents[0]
        found = []
        for component in parent.candidate.program.prompts:
            held = demos_of(component)
            if component.name not in facts.frozen and held is not None:
                fresh = [demo for demo in demos_seen(parent.train, component.name) if demo not in held]
                if self.fits(held, fresh):
                    found.append((component, held, fresh))
        return found


def demo_operators() -> tuple[ChangeDemos, ...]:
    """Add, drop or swap one; show them in another order, for models lean on the last they read (Lu et al., arXiv 2104.08786); draw anew."""
    return (
        ChangeDemos(name="bootstrap_demos", fits=lambda held, fresh: bool(held or fresh), draw=_changed),
        ChangeDemos(name="reorder_demos", fits=lambda held, _: _differ(held), draw=_reordered),
        ChangeDemos(name="resample_demos", fits=lambda held, fresh: _differ([*held, *fresh]), draw=_resampled),
    )


def demos_seen(train: Evaluation, prompt: str) -> list[Demo]:
    """What a prompt did on the train examples that went well, each once, in the order of the examples.

    Well is: no failure, above the lowest score, and no worse than the mean of the examples that count.
    """
    mean = train.mean
    seen: list[Demo] = []
    for judgement in train.judgements:
        value = judgement.score.value
        if judgement.outcome.failure is not None or value is None or mean is None or value <= train.lo or value < mean:
            continue
        for span in judgement.outcome.spans:
            if span.kind == "prompt" and span.component == prompt and not span.error:
                demo = _demo(span.inputs, span.output)
                if demo is not None and demo not in seen:
                    seen.append(demo)
    return seen


def demos_of(prompt: Component) -> list[Demo] | None:
    """The demonstrations of a prompt, none where it has no such option; None where they are not plain literals."""
    options = options_of(prompt)
    if options is None or "demos" not in options:
        return None if options is None else []
    try:
        demos = ast.literal_eval(expression_of(options["demos"]))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return [demo for demo in demos if isinstance(demo, dict)] if isinstance(demos, list | tuple) else None


def with_demos(prompt: Component, demos: Sequence[Demo]) -> str:
    """A prompt's text with other demonstrations; its other options stay."""
    options = {name: text for name, text in (options_of(prompt) or {}).items() if name != "demos"}
    if demos:
        options["demos"] = "\n".join(["[", *(f"        {demo!r}," for demo in demos), "    ]"])
    return with_options(prompt, options)


def _differ(demos: _Held) -> bool:
    return any(demo != demos[0] for demo in demos)


def _reordered(held: _Held, _: _Held, rng: random.Random) -> tuple[list[Demo], str]:
    demos = list(held)
    while demos == held:
        rng.shuffle(demos)
    return demos, "reordered the demonstrations"


def _resampled(held: _Held, fresh: _Held, rng: random.Random) -> tuple[list[Demo], str]:
    pool = [*held, *fresh]
    demos = list(held)
    while demos == held:
        demos = rng.sample(pool, rng.randint(1, min(MAX_DEMOS, len(pool))))
    return demos, "drew anew the demonstrations"


def _demo(inputs: str, output: str) -> Demo | None:
    """A span's inputs and output as a demonstration; None where they were cut, are too long or are not JSON."""
    if len(inputs) + len(output) > _MAX_CHARS:
        return None
    try:
        arguments = json.loads(inputs, parse_constant=_refuse)
        result = json.loads(output, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return {"inputs": arguments, "output": result} if isinstance(arguments, dict) and result not in (None, "") else None


def _refuse(name: str) -> object:
    raise ValueError(f"{name} has no literal")


def _changed(held: _Held, fresh: _Held, rng: random.Random) -> tuple[list[Demo], str]:
    """Other demonstrations, and what was done in words. At least one of the two sequences is not empty."""
    possible = {
        "add": bool(fresh) and len(held) < MAX_DEMOS,
        "swap": bool(fresh) and bool(held),
        "drop": bool(held),
    }
    actions = [(action, weight) for action, weight in _WEIGHTS if possible[action]]
    action = rng.choices([action for action, _ in actions], weights=[weight for _, weight in actions])[0]
    demos = list(held)
    if action == "add":
        demos.append(rng.choice(fresh))
        return demos, "added a demonstration"
    place = rng.randrange(len(demos))
    if action == "swap":
        demos[place] = rng.choice(fresh)
        return demos, "swapped a demonstration"
    del demos[place]
    return demos, "dropped a demonstration"

"""Decoding: how a prompt's model is asked: which one, how warm, how long it may answer."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .edit import Replace, apply
from .moves import Context, Moved, Place, changeable
from .options import options_of, with_options
from .parsing import expression_of
from .program import Component, Program
from .repeats import is_voted
from .structure import syntax

__all__ = ["WARM", "ChangeDecoding", "ChangeModel", "is_cold", "warmed"]

WARM: Final = "0.7"
"""The temperature of prompts whose answers are voted on; that of self-consistency (Wang et al., arXiv 2203.11171)."""

_TEMPERATURES: Final = ("0.0", "0.3", "0.7", "1.0")
_TOP_PS: Final = ("0.8", "0.9", "0.95", "")
_MIN_TOKENS: Final = 16
_MAX_TOKENS: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDecoding:
    """Another temperature, another nucleus, or half or twice the room for an answer. A place's choice is the option as written."""

    name: str = "decoding"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Prompts whose options can be read, with every value that is new."""
        return tuple(
            Place(component=prompt.name, choice=f"{option}={text}")
            for prompt, options in _open_prompts(program, context)
            for option, text in _choices(program, prompt, options)
        )

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the option set, or taken out where it has no value."""
        option, _, text = place.choice.partition("=")
        return _with_option(program, place.component, option, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeModel:
    """Another of the models that a program may ask. A place's choice is the model's name."""

    name: str = "change_model"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Prompts whose options can be read, with every model that is not theirs."""
        return tuple(
            Place(component=prompt.name, choice=model)
            for prompt, options in _open_prompts(program, context)
            for model in context.models
            if _value(program, options.get("model", "")) != model
        )

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with the prompt's model named."""
        return _with_option(program, place.component, "model", '"' + place.choice.replace("\\", "\\\\").replace('"', '\\"') + '"')


def is_cold(program: Program, prompt: Component) -> bool:
    """Whether a prompt is set to always say the same."""
    options = options_of(prompt) or {}
    value = _value(program, options.get("temperature", ""))
    return isinstance(value, int | float) and value == 0


def warmed(prompt: Component) -> str:
    """A prompt's text with a temperature at which answers differ."""
    return with_options(prompt, {**(options_of(prompt) or {}), "temperature": WARM})


def _open_prompts(program: Program, context: Context) -> Iterator[tuple[Component, Mapping[str, str]]]:
    open_names = changeable(program, context)
    for prompt in program.prompts:
        if prompt.name in open_names and (options := options_of(prompt)) is not None:
            yield prompt, options


def _choices(program: Program, prompt: Component, options: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for option, texts in (("temperature", _TEMPERATURES), ("top_p", _TOP_PS)):
        held = _value(program, options.get(option, ""))
        # A vote among answers that are always the same decides nothing.
        allowed = [text for text in texts if text != "0.0" or not is_voted(program, prompt.name)]
        yield from ((option, text) for text in allowed if (ast.literal_eval(expression_of(text)) if text else None) != held)
    held = _value(program, options.get("max_tokens", ""))
    if isinstance(held, int):
        yield from (("max_tokens", str(n)) for n in (held // 2, held * 2) if _MIN_TOKENS <= n <= _MAX_TOKENS)


def _with_option(program: Program, name: str, option: str, text: str) -> Moved:
    prompt = program[name]
    options = dict(options_of(prompt) or {})
    old = options.pop(option, "the endpoint's own") if not text else options.get(option, "the endpoint's own")
    if text:
        options[option] = text
    child = apply(program, [Replace(name=name, source=with_options(prompt, options))])
    return Moved(program=child, note=f"{option} of {name}: {old} -> {text or 'the endpoint’s own'}")


def _value(program: Program, text: str) -> object:
    """What an option's text stands for, where that is a literal or a constant that is one; None where it is not, or is empty."""
    if text in program and isinstance(node := syntax(program[text]), ast.Assign | ast.AnnAssign) and node.value is not None:
        text = ast.unparse(node.value)
    try:
        return ast.literal_eval(expression_of(text)) if text else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None

"""Split: one prompt made into two, the first of which prepares what the second answers."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .calls import calls_of
from .compose import (
    MAX_INSTRUCTION,
    call_source,
    decoding_of,
    imported_as,
    instruction_of,
    new_name,
    placeholders,
    prompt_source,
    with_instruction,
)
from .edit import Add, Edit, Replace, apply
from .moves import Context, Moved, Place, changeable, has_room
from .options import options_of
from .parsing import module_of
from .program import Component, Program
from .rename import fresh_name
from .rewire import CallSite, bound_first, call_text, edited, local_name, lone_calls, site_at, site_of
from .signature import signature_of
from .splice import spliced, text_of

__all__ = ["NOTES", "SplitPrompt", "note_of_use", "notes_instruction"]

NOTES: Final = "_notes"
"""How prompts are called that prepare another's answer. Their own is not prepared or looked at again."""

_MIN_NOTES_TOKENS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPrompt:
    """A prompt made into two: the first writes notes on the inputs, the second answers with the notes at hand.

    Demonstrations stay with the second; they have no notes, and are shown without. Law: at each call the first prompt is asked with the
    inputs of the second, and its output is one of them. Fusing the two gives the prompt again.
    """

    name: str = "split_prompt"

    def places(self, program: Program, context: Context) -> tuple[Place, ...]:
        """Prompts with one call, plain and with arguments that can be written twice, that have no notes yet."""
        if not has_room(program) or not imported_as(program, "prompt"):
            return ()
        open_names, calls = changeable(program, context), calls_of(program)
        prompts = [item for item in program.prompts if item.name in open_names - {context.entry} and _may_split(program, item)]
        lone = lone_calls(program)
        numbers = {prompt.name: lone[prompt.name] for prompt in prompts if prompt.name in lone}
        sites = {name: site for name, number in numbers.items() if (site := site_of(program, calls[number])) is not None}
        fitting = [name for name, site in sites.items() if site.call.caller in open_names and site.repeatable and site.is_full]
        return tuple(Place(component=name, number=numbers[name]) for name in fitting)

    def apply(self, program: Program, place: Place) -> Moved:
        """The program with both prompts, the first called for the second."""
        prompt, site = program[place.component], site_at(program, place.number)
        name, notes = (
            new_name(program, f"{prompt.name}{NOTES}"),
            fresh_name("notes", {*site.signature.names, *placeholders(instruction_of(prompt))}),
        )
        instruction = instruction_of(prompt)
        first = prompt_source(
            name=name,
            parameters={parameter.name: parameter.annotation for parameter in site.signature.parameters},
            returns="str",
            instruction=notes_instruction(instruction),
            options=_roomy(decoding_of(prompt)),
            decorator=imported_as(program, "prompt"),
        )
        second = _with_parameter(with_instruction(prompt, f"{instruction}\n\n{note_of_use(notes)}"), notes)
        edits: list[Edit] = [
            Replace(name=place.component, source=second),
            Replace(name=site.call.caller, source=_with_notes(program, site, name, notes)),
            Add(source=first, after=prompt.name),
        ]
        return Moved(program=apply(program, edits), note=f"{name} prepares the answer of {prompt.name}")


def _may_split(program: Program, prompt: Component) -> bool:
    signature = signature_of(prompt)
    if signature is None or options_of(prompt) is None or prompt.name.endswith(NOTES) or f"{prompt.name}{NOTES}" in program:
        return False
    simple = all(parameter.kind == "any" and not parameter.default for parameter in signature.parameters)
    return simple and bool(signature.parameters) and len(instruction_of(prompt)) <= MAX_INSTRUCTION // 2


def notes_instruction(instruction: str) -> str:
    """The instruction of a prompt that prepares the answer to another instruction."""
    begin = "Prepare the answer to this instruction: note in a few short lines what matters and what to watch out for."
    return f"{begin}\n\n{instruction}\n\nReply with the notes only; do not give the answer yet."


def note_of_use(notes: str) -> str:
    """What an instruction says of notes that are at hand."""
    return f"Make use of `{notes}`, which were written beforehand."


def _roomy(decoding: Mapping[str, str]) -> Mapping[str, str]:
    """Decoding options with room for notes, where the answer itself may be short."""
    tokens = decoding.get("max_tokens", "")
    few = tokens.isdecimal() and int(tokens) < _MIN_NOTES_TOKENS
    return {**decoding, "max_tokens": str(_MIN_NOTES_TOKENS)} if few else decoding


def _with_parameter(source: str, name: str) -> str:
    """A prompt's text with one more parameter, the last."""
    last = next(node.args.args[-1] for node in module_of(source).body if isinstance(node, ast.FunctionDef))
    own_line = source.encode().split(b"\n")[last.lineno - 1][: last.col_offset].decode()
    separator = ", " if own_line.strip() else f",\n{own_line}"
    return spliced(source, last, f"{text_of(source, last)}{separator}{name}: str")


def _with_notes(program: Program, site: CallSite, name: str, notes: str) -> str:
    """The caller's text: notes are written first, and handed to the call as one more argument."""
    texts, lines, _ = bound_first(program, site)
    asked = call_source(name, list(texts.values()), indent=site.indent)
    if site.target or site.returned:
        local = local_name(program, site, notes, besides=texts.values())
        lines.append(f"{local} = {asked}")
        asked = local
    whole = call_text(site, texts, more=f"{notes}={asked}" if site.call.keywords else asked)
    return edited(site.source, site.call.statement, before=lines, changes=[(site.call.node, whole)])

"""Every move: what it makes is a sound program, new, and changed nowhere else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from graftwork.programs.edit import apply, diff
from graftwork.programs.moves import MAX_COMPONENTS, MAX_GROWN_BYTES, MAX_PROMPTS, Context, Move, Place, has_room, moved
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.programs.restructure import moves
from graftwork.programs.signature import signature_of

from .structures import errors, example_programs

MOVES = {move.name: move for move in moves()}
EXAMPLES = {name: (program, context) for name, program, context in example_programs()}


def chain_of(program: Program, context: Context, *, seed: int, n: int) -> Iterator[tuple[Move, Program, Place]]:
    """Random moves, each with the program that it applies to."""
    rng = random.Random(seed)
    for _ in range(n):
        move = rng.choice(moves())
        if places := move.places(program, context):
            place = rng.choice(places)
            yield move, program, place
            program = moved(move, program, place, context).program


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_child_passes_check_is_new_and_can_be_reached_by_its_diff(name: str) -> None:
    seed_program, context = EXAMPLES[name]
    assert errors(seed_program, seed_program, context) == []
    applied: Counter[str] = Counter()
    for seed in range(2):
        for move, program, place in chain_of(seed_program, context, seed=seed, n=30):
            child = moved(move, program, place, context).program
            told = f"{move.name} at {place} of\n{program.source}\ngave\n{child.source}"
            assert errors(child, seed_program, context) == [], told
            assert child.digest != program.digest, told
            assert parse(child.source) == child, told
            assert apply(program, diff(program, child)).digest == child.digest, told
            applied[move.name] += 1
    assert applied


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_what_a_move_does_not_name_stays_as_written(name: str) -> None:
    seed_program, context = EXAMPLES[name]
    for move, program, place in chain_of(seed_program, context, seed=7, n=20):
        child = moved(move, program, place, context).program
        edited = {component.name for component in child.components if component.name in program and component != program[component.name]}
        same = [component.name for component in child.components if component.name in program and component.name not in edited]
        assert all(child[item].source == program[item].source for item in same)
        assert not edited & context.frozen
        assert all(child[item] == program[item] for item in context.frozen)
        assert signature_of(child[context.entry]) == signature_of(program[context.entry])
        # The component that a place names, a prompt that it calls, and those that a vote sets warmer.
        assert place.component in edited or place.component not in child
        assert child.doc == program.doc


def test_every_move_applies_to_some_example() -> None:
    applied = {
        move.name
        for program, context in EXAMPLES.values()
        for seed in range(4)
        for move, _, _ in chain_of(program, context, seed=seed, n=30)
    }
    assert applied == set(MOVES)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_chain_of_moves_stays_small(name: str) -> None:
    program, context = EXAMPLES[name]
    for _, program, _ in chain_of(program, context, seed=3, n=120):  # noqa: B020 - the last one is looked at
        assert len(program.prompts) <= MAX_PROMPTS
        assert len(program.components) <= MAX_COMPONENTS
        assert len(program.source) <= MAX_GROWN_BYTES * 2


def test_a_program_that_is_full_gets_no_more_prompts() -> None:
    program, context = EXAMPLES["chain"]
    prompts = "".join(f'\n\n@prompt\ndef more_{k}(x: str) -> str:\n    """More."""\n' for k in range(MAX_PROMPTS))
    full = parse(program.source + prompts)
    assert not has_room(full)
    assert not any(MOVES[name].places(full, context) for name in ("verify", "refine_loop", "split_prompt"))


@pytest.mark.parametrize("name", sorted(MOVES))
def test_a_program_without_prompts_is_left_alone_but_for_calls_that_can_be_left_out(name: str) -> None:
    program = parse("def double(x: float) -> float:\n    return 2 * x\n\n\ndef solve(x: float) -> float:\n    return double(x)\n")
    places = MOVES[name].places(program, Context(entry="solve"))
    assert [place.choice for place in places] == (["x"] if name == "bypass" else [])


@pytest.mark.parametrize("name", sorted(MOVES))
def test_a_frozen_program_has_no_place(name: str) -> None:
    for program, context in EXAMPLES.values():
        assert MOVES[name].places(program, Context(entry=context.entry, frozen=frozenset(program.names), models=("a",))) == ()
        assert MOVES[name].places(program, Context(entry="missing", models=("a",))) == ()

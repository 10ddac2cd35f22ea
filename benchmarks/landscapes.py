"""Whether races and uncertainty find better programs: searches on noisy made-up landscapes, at equal numbers of evaluations.

python -m benchmarks.landscapes --runs 20 --evaluations 20000 --examples 300

The programs are made up: each is a string of bits or a vector, with a true mean that its landscape gives, and scores on examples that are
easier and harder. A child keeps the luck of its parent on six examples of ten. The search proper is the real one: `ask`, `tell`,
`Measuring` and the archives. Every way of searching gets as many runs of a program on an example, those of parents in races included; then
its finalists are scored on as many fresh examples as val has, as on confirm, and the best there is champion. What counts is the true mean
of the champion, whatever its scores are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.task import Example, Score, Task
from graftwork.programs.parse import parse
from graftwork.programs.program import Program
from graftwork.search.candidate import Brief, Candidate, Result
from graftwork.search.comparison import difference_of
from graftwork.search.measuring import Measuring
from graftwork.search.state import State, ask, tell
from graftwork.search.strategy import RACE_LEVEL, Strategy

__all__ = ["WAYS", "Family", "Way", "World", "families", "main", "searched"]

Floats = NDArray[np.float64]
_GATE: Final = 3
_KEPT_LUCK: Final = 0.6
_POPULATION: Final = 4_000  # examples by which true means are worked out
_SEED: Final = parse("def solve(x: int) -> int:\n    return x\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way of searching.

    Attributes:
        name: What the table calls it.
        strategy: The search's strategy.
        gate: Fresh examples on which a child must do better than its parent before it is evaluated on val, as GEPA has it (Agrawal et al.,
            arXiv 2507.19457); 0 for no such gate.
    """

    name: str
    strategy: Strategy
    gate: int = 0


_BY_MEAN: Final = Strategy(name="by mean", operators={"step": 1.0})
WAYS: Final = (
    Way(name="races, by estimate", strategy=replace(_BY_MEAN, race_level=RACE_LEVEL, selection="estimate")),
    Way(name="races, by mean", strategy=replace(_BY_MEAN, race_level=RACE_LEVEL)),
    Way(name="strict gate on 3, by mean", strategy=_BY_MEAN, gate=_GATE),
    Way(name="all examples, by mean", strategy=_BY_MEAN),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """One landscape of a family.

    Attributes:
        start: The seed's genome.
        step: A child's genome.
        ability: Of a genome; the higher, the better.
    """

    start: Floats
    step: Callable[[np.random.Generator, Floats], Floats]
    ability: Callable[[Floats], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of landscape.

    Attributes:
        name: What it is like.
        make: One of them.
        score: Scores, within 0 and 1, of an ability on examples of these difficulties with this luck, uniform in [0, 1].
    """

    name: str
    make: Callable[[np.random.Generator], Landscape]
    score: Callable[[float, Floats, Floats], Floats]


def families() -> Iterator[Family]:
    """The kinds of the table."""
    yield Family(name="many small steps, right or wrong", make=_additive, score=_answers)
    yield Family(name="rugged (NK), right or wrong", make=_rugged, score=_answers)
    yield Family(name="plateaus with rare jumps, right or wrong", make=_plateaus, score=_answers)
    yield Family(name="a bowl with failures, continuous", make=_bowl, score=_continuous)


def _answers(ability: float, difficulty: Floats, luck: Floats) -> Floats:
    return (luck < 1 / (1 + np.exp(difficulty - ability))).astype(float)


def _continuous(ability: float, difficulty: Floats, luck: Floats) -> Floats:
    return np.clip(0.5 + 0.15 * (ability - difficulty) + 0.6 * (luck - 0.5), 0, 1)


def _flipped(rng: np.random.Generator, genome: Floats, most: int) -> Floats:
    child = genome.copy()
    places = rng.choice(len(genome), size=rng.integers(1, most + 1), replace=False)
    child[places] = 1 - child[places]
    return child


def _additive(rng: np.random.Generator) -> Landscape:
    """32 bits of different weights, a third of them right to begin with."""
    weights = rng.exponential(0.12, 32)
    start = (rng.random(32) < 1 / 3).astype(float)
    return Landscape(start=start, step=lambda draw, genome: _flipped(draw, genome, 2), ability=lambda genome: float(weights @ genome) - 2)


def _rugged(rng: np.random.Generator) -> Landscape:
    """Kauffman's NK with 20 bits, each of which depends on 3 others."""
    others = np.array([[place, *rng.choice(np.delete(np.arange(20), place), 3, replace=False)] for place in range(20)])
    tables = rng.random((20, 16))

    def ability(genome: Floats) -> float:
        keys = genome[others] @ np.array([8, 4, 2, 1])
        return float(12 * (tables[np.arange(20), keys.astype(int)].mean() - 0.5)) - 0.5

    return Landscape(start=(rng.random(20) < 0.5).astype(float), step=lambda draw, genome: _flipped(draw, genome, 2), ability=ability)


def _plateaus(rng: np.random.Generator) -> Landscape:
    """A royal road: 8 blocks of 3 bits, each of which counts only when it is complete."""
    weights = rng.uniform(0.3, 0.7, 8)

    def ability(genome: Floats) -> float:
        return float(weights @ genome.reshape(8, 3).all(axis=1)) - 1

    return Landscape(start=(rng.random(24) < 1 / 3).astype(float), step=lambda draw, genome: _flipped(draw, genome, 1), ability=ability)


def _bowl(rng: np.random.Generator) -> Landscape:
    """A vector of 8 that shall come near another; one child in ten does not work."""
    aim = rng.normal(0, 1, 8)

    def step(draw: np.random.Generator, genome: Floats) -> Floats:
        child = genome + draw.normal(0, 0.25, len(genome))
        return np.full(len(genome), 9.0) if draw.random() < 0.1 else child

    return Landscape(start=np.zeros(8), step=step, ability=lambda genome: max(-4.0, 2 - float(((genome - aim) ** 2).sum()) / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    genome: Floats
    scores: Floats
    luck: Floats


class World:
    """A landscape with its examples, and what was made there; an evaluator of made-up programs that counts.

    Args:
        family: The kind.
        n_examples: Examples of val.
        seed: Of the landscape, of examples and of children.
    """

    def __init__(self, family: Family, n_examples: int, seed: int) -> None:
        rng = np.random.default_rng([seed, *family.name.encode()])
        self._family, self._seed, self._landscape = family, seed, family.make(rng)
        self._difficulty = rng.normal(0, 1, n_examples)
        self._population = rng.normal(0, 1, _POPULATION), rng.random(_POPULATION)
        examples = tuple(Example(id=f"{n:016x}", inputs={"x": n}) for n in range(n_examples))
        self.task = Task(name="landscape", seed=_SEED, splits={"val": examples}, scorer=_never)
        self._places = {example.id: place for place, example in enumerate(examples)}
        luck = rng.random(n_examples)
        self._made = {_SEED.digest: self._new(self._landscape.start, luck)}
        self.spent = 0

    def _new(self, genome: Floats, luck: Floats) -> _Made:
        return _Made(genome=genome, luck=luck, scores=self._family.score(self._landscape.ability(genome), self._difficulty, luck))

    def child(self, parent: Program, number: int) -> Program:
        """A new program from a parent; the same for the same number and parent, however the search came to it."""
        made = self._made[parent.digest]
        rng = np.random.default_rng([self._seed, number])
        genome = self._landscape.step(rng, made.genome)
        luck = np.where(rng.random(len(made.luck)) < _KEPT_LUCK, made.luck, rng.random(len(made.luck)))
        program = replace(_SEED, digest=f"{number:032x}")
        self._made[program.digest] = self._new(genome, luck)
        return program

    def true_mean(self, program: Program) -> float:
        """The mean of a program's scores over all examples that there could be."""
        return float(self._scores(program, *self._population).mean())

    def passes(self, child: Program, parent: Program, number: int, n: int) -> bool:
        """Whether a child does better than its parent on `n` fresh examples, on which both are run."""
        rng = np.random.default_rng([self._seed, number, n])
        difficulty, luck = rng.normal(0, 1, n), rng.random(n)
        kept = np.where(rng.random(n) < _KEPT_LUCK, luck, rng.random(n))
        self.spent += 2 * n
        return bool(self._scores(child, difficulty, kept).sum() > self._scores(parent, difficulty, luck).sum())

    def champion(self, finalists: Sequence[Program]) -> Program:
        """The best of the finalists on fresh examples, as many as val has."""
        rng, n = np.random.default_rng([self._seed, len(self._difficulty), 1]), len(self._difficulty)
        difficulty = rng.normal(0, 1, n)
        return max(finalists, key=lambda program: float(self._scores(program, difficulty, rng.random(n)).mean()))

    def _scores(self, program: Program, difficulty: Floats, luck: Floats) -> Floats:
        return self._family.score(self._landscape.ability(self._made[program.digest].genome), difficulty, luck)

    async def __call__(
        self, program: Program, examples: tuple[Example, ...], *, candidate: int, before: Evaluation | None = None
    ) -> Evaluation:
        """Score a made-up program."""
        del candidate, before
        scores = self._made[program.digest].scores
        self.spent += len(examples)
        judgements = tuple(
            Judgement(outcome=Outcome(example_id=example.id), score=Score(value=float(scores[self._places[example.id]])))
            for example in examples
        )
        return Evaluation(digest=program.digest, judgements=judgements, lo=0.0)


def _never(output: object, example: Example, /) -> Score:
    raise AssertionError(output, example)


async def searched(world: World, way: Way, *, n_evaluations: int, seed: int) -> tuple[float, int]:
    """Search until so many evaluations are spent: the true mean of the champion, and how many candidates there were."""
    state = State.start(way.strategy, seed)
    measuring = Measuring.of(world.task, way.strategy, seed, world)
    blank = Result(number=0, operator="seed", island=0, parents=(), status="evaluated", candidate=Candidate(number=0, program=_SEED))
    tell(state, await measuring.measured(Candidate(number=0, program=_SEED), blank, None, ()))
    number = 0
    while world.spent < n_evaluations:
        number += 1
        brief = ask(state, number, operators={"step": (1.0, 1)})
        tell(state, await _answered(world, way, measuring, state, brief), brief)
    champion = world.champion([member.candidate.program for member in state.finalists])
    return world.true_mean(champion), number


async def _answered(world: World, way: Way, measuring: Measuring, state: State, brief: Brief) -> Result:
    parent = brief.parents[0].candidate
    candidate = Candidate(
        number=brief.number,
        program=world.child(parent.program, brief.number),
        parents=(parent.number,),
        operator="step",
        island=brief.island,
    )
    result = Result(
        number=brief.number, operator="step", island=brief.island, parents=(parent.number,), status="evaluated", candidate=candidate
    )
    if way.gate and not world.passes(candidate.program, parent.program, brief.number, way.gate):
        return replace(result, status="rejected", reason="no better on the gate's examples")
    return await measuring.measured(candidate, result, brief, state.baseline)


def main() -> None:
    """Print a table for each family, and at the end the same as one line of JSON."""
    parser = argparse.ArgumentParser(description="Search noisy made-up landscapes in several ways, with as many evaluations each.")
    parser.add_argument("--runs", type=int, default=20, help="landscapes of each family")
    parser.add_argument("--evaluations", type=int, default=20_000, help="runs of a program on an example, of each search")
    parser.add_argument("--examples", type=int, default=300, help="examples of val")
    parser.add_argument("--first", type=int, default=0, help="seed of the first landscape; the next have the next ones")
    asked = parser.parse_args()
    began, rows = time.process_time(), list[dict[str, object]]()
    print("| landscape | way | true mean of the champion | races, by estimate, less this | p | candidates |\n|---|---|---|---|---|---|")
    everything: dict[str, list[tuple[float, int]]] = {way.name: [] for way in WAYS}
    for family in families():
        ended = {way.name: _runs(family, way, asked) for way in WAYS}
        for name, runs in ended.items():
            everything[name] += runs
            rows.append(_printed(family.name, name, ended))
    rows.extend(_printed("all together", name, everything) for name in everything)
    print(json.dumps({**vars(asked), "rows": rows, "cpu_s": time.process_time() - began}))


def _runs(family: Family, way: Way, asked: argparse.Namespace) -> list[tuple[float, int]]:
    seeds = range(asked.first, asked.first + asked.runs)
    worlds = (World(family, asked.examples, seed) for seed in seeds)
    return [
        asyncio.run(searched(world, way, n_evaluations=asked.evaluations, seed=seed)) for seed, world in zip(seeds, worlds, strict=True)
    ]


def _printed(family: str, way: str, ended: Mapping[str, Sequence[tuple[float, int]]]) -> dict[str, object]:
    """One row of the table, printed."""
    ours, theirs = ([mean for mean, _ in ended[name]] for name in (WAYS[0].name, way))
    row: dict[str, object] = {"landscape": family, "way": way, "mean": f"{np.mean(theirs):.3f}", "less": "-", "p": "-"}
    found = None if way == WAYS[0].name else difference_of(ours, theirs, seed=0)
    if found is not None:
        row |= {"less": f"{found.mean:+.3f} [{found.lo:+.3f}, {found.hi:+.3f}]", "p": f"{_p(np.subtract(ours, theirs)):.2g}"}
    row["candidates"] = round(float(np.mean([number for _, number in ended[way]])))
    print(f"| {' | '.join(str(value) for value in row.values())} |", flush=True)
    return row


def _p(differences: Floats) -> float:
    """How likely chance alone gives so large a mean, one-sided: by 100,000 changes of sign (Fisher's paired permutation test)."""
    n = len(differences)
    signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(100_000, n))
    reached = (signs @ differences >= differences.sum() - 1e-12).sum()
    return (int(reached) + 1) / (len(signs) + 1)


if __name__ == "__main__":
    main()

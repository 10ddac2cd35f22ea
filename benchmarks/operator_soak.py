"""Operators without a model, applied at random and in chains to every example program: none may fail, lie or let programs grow for ever.

Each child that passes check becomes a parent again, in a pool of recent programs of its task; programs of different tasks never meet.
Train evaluations are made up, so that demonstrations can be bootstrapped. It stops at the first broken promise:

- an operator raises, or gives a child that is one of its parents again;
- a child that passes check cannot be compiled, or is another program when its text is read again;
- a program outgrows its seed beyond `Bounds`.

python benchmarks/operator_soak.py 100000 --seed 0
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import statistics
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.load import load_task
from graftwork.evaluators.task import Score, Task
from graftwork.flows.starter import write_starter
from graftwork.programs.check import check
from graftwork.programs.errors import GraftworkError
from graftwork.programs.layout import require_compilable
from graftwork.programs.parse import parse
from graftwork.programs.program import Component, Program
from graftwork.programs.structure import syntax
from graftwork.programs.trace import Span
from graftwork.search.candidate import Brief, Candidate, Member
from graftwork.search.catalogue import variations
from graftwork.search.descent import descended
from graftwork.search.operator import Facts, Variation

__all__ = ["Bounds", "Row", "main", "soak", "table", "tasks"]

_EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"
_POOL: Final = 24
_MODELS: Final = ("cheap", "dear")
_SAID: Final[Mapping[str, object]] = {"str": "a few words", "int": 3, "float": 2.5, "bool": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How large a program may become, whatever is done to it how often; also what check lets pass, 64 KiB.

    Attributes:
        components: Components.
        nodes: Syntax nodes.
    """

    components: int
    nodes: int

    @classmethod
    def of(cls, seed: Program) -> Bounds:
        """Four times the seed and some more: a small program must have room to become a larger one."""
        return cls(components=4 * len(seed.components) + 16, nodes=4 * _n_nodes(seed) + 4000)


@dataclass(slots=True, kw_only=True)
class Row:
    """What one operator did to one task's programs; filled as it goes.

    Attributes:
        calls: Applications.
        held: Those where the precondition held; all, for an operator that cannot say.
        new: Of those, the ones that gave a new digest.
        refused: Children that check refused.
        says: Whether the operator tells its precondition.
        seconds: CPU seconds of each application.
    """

    calls: int = 0
    held: int = 0
    new: int = 0
    refused: int = 0
    says: bool = False
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Share of new digests where the precondition held; 1.0 where it never did."""
        return self.new / self.held if self.held else 1.0


def main() -> None:
    """Run the soak and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, help="applications in all")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    started = time.perf_counter()
    rows = soak(chosen.n, seed=chosen.seed, tasks=tasks())
    print(table(rows))
    print(f"{chosen.n} applications in {time.perf_counter() - started:.0f} s, nothing broken")


def tasks() -> tuple[Task, ...]:
    """The tasks of `examples/` and the one that `graftwork init` writes."""
    with tempfile.TemporaryDirectory() as folder:
        write_starter(Path(folder))
        return (*(load_task(path.parent) for path in sorted(_EXAMPLES.glob("*/task.py"))), load_task(Path(folder)))


def soak(n: int, *, seed: int, tasks: Sequence[Task]) -> dict[tuple[str, str], Row]:
    """Apply operators `n` times in all, each task in turn; what they did by (operator, task).

    Raises:
        AssertionError: If one breaks a promise; the message names operator, task, number and what it was given.
    """
    rows: dict[tuple[str, str], Row] = defaultdict(Row)
    chains = [_Chain(task, random.Random(f"{seed}/{task.name}"), rows) for task in tasks]
    for number in range(1, n + 1):
        chains[number % len(chains)].step(number)
    return dict(rows)


def table(rows: Mapping[tuple[str, str], Row]) -> str:
    """One line for each operator and task."""
    lines = [f"{'operator':<22}{'task':<18}{'applied':>8}{'held':>8}{'new':>8}{'refused':>8}{'CPU ms':>10}"]
    for (operator, task), row in sorted(rows.items()):
        rate = f"{row.rate:.0%}{'' if row.says else '*'}" if row.held else "-"
        ms = 1e3 * statistics.median(row.seconds)
        lines.append(f"{operator:<22}{task:<18}{row.calls:>8}{row.held:>8}{rate:>8}{row.refused:>8}{ms:>10.2f}")
    return "\n".join([*lines, "* cannot say when it applies: every application counts"])


class _Chain:
    """The programs of one task: a pool of recent ones, from which parents are drawn."""

    def __init__(self, task: Task, rng: random.Random, rows: dict[tuple[str, str], Row]) -> None:
        self._task, self._rng, self._rows = task, rng, rows
        self._operators: tuple[Variation, ...] = tuple(variations().values())
        self._frozen = {name: task.seed[name].digest for name in task.frozen}
        self._bounds = Bounds.of(task.seed)
        self._seed = self._member(Candidate(number=0, program=task.seed))
        self._pool: deque[Member] = deque([self._seed], maxlen=_POOL)
        self._facts = Facts.of(task, models=_MODELS)

    def step(self, number: int) -> None:
        """Apply one operator to parents from the pool, or now and then to the seed."""
        rng = self._rng
        operator = rng.choice(self._operators)
        parents = tuple(self._seed if rng.random() < 0.05 else rng.choice(self._pool) for _ in range(operator.n_parents))
        brief = Brief(number=number, told=number, operator=operator.name, parents=parents, island=0, seed=rng.getrandbits(64))
        row = self._rows[operator.name, self._task.name]
        row.calls += 1
        asked = getattr(operator, "applies", None)
        row.says = asked is not None
        where = f"{operator.name} on {self._task.name}, application {number}, parents:\n" + "\n".join(
            parent.candidate.program.source for parent in parents
        )
        try:
            held = asked is None or asked(brief, self._facts)
            started = time.process_time()
            draft = operator.write(brief, self._facts, attempt=0)
            row.seconds.append(time.process_time() - started)
        except (GraftworkError, ArithmeticError, AttributeError, LookupError, RuntimeError, SyntaxError, TypeError, ValueError) as error:
            raise AssertionError(f"{where}\nraised {error!r}") from error
        known = {parent.candidate.program.digest for parent in parents}
        new = draft is not None and draft.program.digest not in known
        row.held += held
        row.new += held and new
        if draft is not None and new:
            child = Candidate(number=number, program=draft.program)
            row.refused += not self._keep(descended(child, [parent.candidate for parent in parents]), where)

    def _keep(self, candidate: Candidate, where: str) -> bool:
        """Put a child that passes check into the pool, after a look at what that promises; False where check refuses it."""
        task, child = self._task, candidate.program
        defects = check(child, entry=task.entry, parameters=task.parameters, frozen=self._frozen, packages=task.packages, models=_MODELS)
        if any(defect.severity == "error" for defect in defects):
            return False
        require_compilable(child.source)
        again = parse(child.source)
        assert again.digest == child.digest, f"{where}\nits child is another program when read again:\n{child.source}"  # noqa: S101
        size = Bounds(components=len(child.components), nodes=_n_nodes(child))
        fits = size.components <= self._bounds.components and size.nodes <= self._bounds.nodes
        assert fits, f"{where}\nits child outgrows {self._bounds}: {size}\n{child.source}"  # noqa: S101
        self._pool.append(self._member(candidate))
        return True

    def _member(self, candidate: Candidate) -> Member:
        """A candidate with a made-up evaluation: on each of three train examples every prompt said something of its type."""
        program, judgements = candidate.program, []
        for example in self._task.splits.get("train", ())[:3]:
            spans = tuple(_spans(program, self._rng))
            lo, hi = self._task.score_range
            judgements.append(
                Judgement(
                    outcome=Outcome(example_id=example.id, output=None, spans=spans),
                    score=Score(value=lo + (hi - lo) * self._rng.random()),
                )
            )
        train = Evaluation(digest=program.digest, judgements=tuple(judgements), lo=self._task.score_range[0])
        none = Evaluation(digest=program.digest, judgements=(), lo=train.lo)
        return Member(candidate=candidate, val=none, train=train)


def _spans(program: Program, rng: random.Random) -> Iterator[Span]:
    for place, prompt in enumerate(program.prompts):
        node = syntax(prompt)
        if isinstance(node, ast.FunctionDef):
            inputs = {item.arg: f"text {rng.randrange(100)}" for item in (*node.args.args, *node.args.kwonlyargs)}
            output = _SAID.get(ast.unparse(node.returns) if node.returns else "str", "a few words")
            yield Span(path=str(place), component=prompt.name, kind="prompt", inputs=json.dumps(inputs), output=json.dumps(output))


def _n_nodes(program: Program) -> int:
    return sum(_size(component) for component in program.components)


def _size(component: Component) -> int:
    return sum(1 for _ in ast.walk(syntax(component)))


if __name__ == "__main__":
    main()

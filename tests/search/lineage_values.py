"""Values for the tests of the lineage: results with traces, failures and awkward text."""

from __future__ import annotations

from pathlib import Path

from graftwork.evaluators.call_store import Reservation, Settlement
from graftwork.evaluators.evaluation import Evaluation, Judgement, Outcome
from graftwork.evaluators.task import Score
from graftwork.programs.failure import Failure
from graftwork.programs.model import Reply, ToolCall, Usage
from graftwork.programs.program import Component, Program
from graftwork.programs.trace import Feed, Span
from graftwork.search.candidate import Brief, Candidate, Member, Result

__all__ = ["AWKWARD", "brief", "evaluation", "files", "program", "reply", "reservation", "result", "settlement"]

AWKWARD = "lone \udc80 surrogate, GWB1 00000010 00000000 00000000, \x00 and é"


def program(number: int) -> Program:
    source = f"def solve(x: int) -> int:\n    return x + {number}\n"
    solve = Component(name="solve", kind="function", source=source.strip(), digest=f"{number:032x}", refs=frozenset())
    return Program(source=source, imports=(), components=(solve,), digest=f"{number:032x}")


def evaluation(*, seconds: float = 0.1, n_cases: int = 3) -> Evaluation:
    """Scores of 0.5, the last case a crash that printed awkward text; a trace of two spans each."""
    spans = (
        Span(path="0", component="plan", kind="prompt", inputs='{"x":1}', output='"y"', seconds=seconds),
        Span(path="1", component="solve", kind="function", inputs="{}", feeds=(Feed(path="0", parameter="x", kind="exact"),)),
    )
    judgements = [
        Judgement(
            outcome=Outcome(example_id=f"e{place}", output=[1, 2.5], spans=spans, usage=Usage(input_tokens=2, calls=1), seconds=seconds),
            score=Score(value=0.5, feedback="near"),
        )
        for place in range(n_cases)
    ]
    failure = Failure(kind="crash", message=AWKWARD, detail="line 1")
    outcome = Outcome(example_id=f"e{n_cases - 1}", failure=failure, stdout=AWKWARD, cpu_s=seconds)
    judgements[-1] = Judgement(outcome=outcome, score=Score(value=None))
    return Evaluation(digest="d", judgements=tuple(judgements), lo=-1.0)


def result(number: int, *, seconds: float = 0.1) -> Result:
    return Result(
        number=number,
        operator="perturb",
        island=number % 2,
        parents=(max(0, number - 1),),
        status="evaluated",
        candidate=Candidate(number=number, program=program(number), parents=(max(0, number - 1),), operator="perturb", note="more"),
        val=evaluation(seconds=seconds),
        train=evaluation(seconds=seconds, n_cases=2),
        proposing=Usage(input_tokens=7, output_tokens=5, usd=0.25, calls=1),
    )


def brief(number: int) -> Brief:
    parent = Member(candidate=Candidate(number=0, program=program(0)), val=evaluation(), train=evaluation())
    return Brief(number=number, told=number, operator="perturb", parents=(parent,), island=0, seed=2**64 - 1)


def reservation(call_id: str, *, draw: str = "search/0/0#0", candidate: int = 3) -> Reservation:
    reserved = Usage(input_tokens=100, output_tokens=50, usd=0.25, calls=1)
    return Reservation(id=call_id, role="task", key="k", draw=draw, candidate=candidate, component="plan", path="0", reserved=reserved)


def reply() -> Reply:
    calls = (ToolCall(id="1", name="calculate", arguments='{"x": '),)
    return Reply(text=AWKWARD, tool_calls=calls, usage=Usage(input_tokens=10, output_tokens=5, usd=0.125, calls=1), model="m", refusal=None)


def settlement(call_id: str, *, seconds: float = 0.1) -> Settlement:
    return Settlement(id=call_id, reply=reply(), usage=reply().usage, seconds=seconds)


def files(run_dir: Path, pattern: str) -> list[Path]:
    """The lineage's files of that pattern, sorted."""
    return sorted((run_dir / "lineage").glob(pattern))

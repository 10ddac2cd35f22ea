"""Exported files run bare, against an endpoint that answers by a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import uvloop

from graftwork.evaluators.bare import run_bare
from graftwork.evaluators.call_store import RecordedCall
from graftwork.evaluators.evaluation import Case, Outcome, Work
from graftwork.evaluators.replay_endpoint import Replayed, ReplayEndpoint
from graftwork.evaluators.task import Limits
from graftwork.programs.export import ExportHeader, export, hook_of
from graftwork.programs.model import Reply, Usage
from graftwork.programs.parse import parse

__all__ = ["answering", "exported_work", "run_asking"]


def exported_work(source: str, *inputs: Mapping[str, object], packages: tuple[str, ...] = ()) -> Work:
    """The program's export, to be run on some inputs."""
    text = export(parse(source), header=ExportHeader(max_tokens=64))
    cases = tuple(Case(example_id=f"e{n}", inputs=given) for n, given in enumerate(inputs))
    limits = Limits(timeout_s=3.0, memory_mb=256, calls=4, max_tokens=64)
    return Work(candidate=0, source=text, digest="d", entry="solve", cases=cases, packages=packages, limits=limits, hook=hook_of(text))


def answering(reply: Callable[[str], RecordedCall | None]) -> ReplayEndpoint:
    """An endpoint of a run whose recorded calls are a function of the draw."""
    return ReplayEndpoint(Replayed(find=lambda key, draw: reply(draw), alias="model", max_tokens=64))


def run_asking(work: Work, reply: Callable[[str], str | None]) -> tuple[tuple[Outcome, ...], ReplayEndpoint]:
    """What the file did, and the endpoint that it asked; None is a request that was not recorded."""

    def recorded(draw: str) -> RecordedCall | None:
        text = reply(draw)
        return None if text is None else RecordedCall(reply=Reply(text=text), usage=Usage())

    endpoint = answering(recorded)
    return uvloop.run(run_bare(work, endpoint=endpoint, sandbox="standard")), endpoint

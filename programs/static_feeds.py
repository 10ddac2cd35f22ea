"""Static feeds: the edges of a trace that data flow allows although nothing was seen: the argument was computed, short or cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .dataflow import flows
from .program import Program
from .recording import MAX_FEEDS
from .trace import Feed, Span

__all__ = ["static_feeds"]


def static_feeds(program: Program, entry: str, spans: Iterable[Span]) -> Mapping[str, tuple[Feed, ...]]:
    """Edges of kind `static` by the path of the span that they lead into; spans without any are left out.

    A span may be fed by every one that ended before it began: one that is further left in the call tree, and no sibling in another
    branch of the same `parallel` or `vote`. Where too many may, the latest are told.

    Raises:
        ProgramError: If there is no component `entry`.
    """
    reached: dict[tuple[str, str], list[str]] = {}
    for flow in flows(program, entry):
        if flow.kind == "output" and flow.parameter:
            reached.setdefault((flow.target, flow.source), []).append(flow.parameter)
    ordered = sorted(((_place(span.path), span) for span in spans if span.kind != "model_call"), key=lambda pair: pair[0])
    told = {place for place, _ in ordered} | {()}
    found: dict[str, tuple[Feed, ...]] = {}
    for index, (place, span) in enumerate(ordered):
        seen = {(feed.path, feed.parameter) for feed in span.feeds}
        edges = [
            Feed(path=earlier.path, parameter=parameter, kind="static")
            for before, earlier in ordered[:index]
            if not earlier.error and _precedes(before, place, told)
            for parameter in reached.get((span.component, earlier.component), ())
            if not seen & {(earlier.path, parameter), (earlier.path, "")}
        ]
        if edges:
            found[span.path] = tuple(edges[-MAX_FEEDS:])
    return found


def _place(path: str) -> tuple[int, ...]:
    return tuple(map(int, path.split(".")))


def _precedes(before: tuple[int, ...], place: tuple[int, ...], told: set[tuple[int, ...]]) -> bool:
    """Whether one span had ended when the other began: where their ways part there is a span, or the root, and no fork."""
    common = 0
    while common < min(len(before), len(place)) and before[common] == place[common]:
        common += 1
    return common < len(before) and place[:common] in told

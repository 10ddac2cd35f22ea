"""Static feeds: edges that nobody saw in a trace and data flow allows."""

from __future__ import annotations

from graftwork.programs.parse import parse
from graftwork.programs.runtime import trace_functions, using_session
from graftwork.programs.static_feeds import static_feeds
from graftwork.programs.trace import Feed

from .sessions import RecordingSession, loaded

SOURCE = '''
from graftwork.programs import parallel, prompt

@prompt
def count(text: str) -> int:
    """Count."""

@prompt
def write(text: str, n: int, more: str = "") -> str:
    """Write."""

def size(text):
    return count(text)

def solve(text):
    n = size(text)
    first, second = parallel(lambda: write(text, n + 1), lambda: write(text, 2))
    return write(text, 3, more=first + second)
'''


def test_edges_that_nothing_shows_are_told_and_those_that_were_seen_are_not() -> None:
    answers = {"count": "7", "write": "a telling text"}
    session = RecordingSession(script=lambda asked: answers[asked.component])
    with loaded(SOURCE) as program, using_session(session):
        trace_functions(program.__dict__)
        program.solve("some text that is long")
    spans = {span.path: span for span in session.spans}
    assert {path: span.component for path, span in spans.items()} == {
        "0": "solve",
        "0.0": "size",
        "0.0.0": "count",
        "0.1.0.0": "write",
        "0.1.1.0": "write",
        "0.2": "write",
    }
    assert {feed.path for feed in spans["0.2"].feeds} == {"0.1.0.0", "0.1.1.0"}
    # 7 + 1 equals no earlier output, and what a branch got may have come to the other one too, but not from its sibling.
    number = (Feed(path="0.0", parameter="n", kind="static"), Feed(path="0.0.0", parameter="n", kind="static"))
    assert static_feeds(parse(SOURCE), "solve", session.spans) == {"0.1.0.0": number, "0.1.1.0": number, "0.2": number}


def test_a_span_without_an_output_feeds_nothing() -> None:
    session = RecordingSession(script=lambda asked: "many" if asked.component == "count" else "text")
    source = SOURCE.replace("return count(text)", "try:\n        return count(text)\n    except ValueError:\n        return 3")
    with loaded(source) as program, using_session(session):
        program.solve("some text")
    found = static_feeds(parse(source), "solve", session.spans)
    assert {feed.path for feeds in found.values() for feed in feeds} <= {span.path for span in session.spans if not span.error}

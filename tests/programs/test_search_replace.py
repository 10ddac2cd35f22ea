"""Search and replace, as models write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork.programs.errors import ProgramError
from graftwork.programs.search_replace import Block, apply_blocks, extract_code, parse_blocks

from .strategies import programs

SOURCE = """def f(x):
    if x:
        return 1
    return 2


def g(x):
    if x:
        return 3
    return 2
"""


def test_blocks_are_read_among_prose_and_fences() -> None:
    reply = """I change two things.
```python
<<<<<<< SEARCH
        return 1
=======
        return 10
>>>>>>> REPLACE
```
and
  <<<<<<< search\x20
```
        return 3
```
==========
>>>>>>>
That is all."""
    assert parse_blocks(reply) == (
        Block(search="        return 1", replace="        return 10"),
        Block(search="        return 3", replace=""),
    )
    assert parse_blocks("Nothing to do.") == ()


@pytest.mark.parametrize(
    "text", ["<<<<<<< SEARCH\na\n", "<<<<<<< SEARCH\na\n=======\nb\n", "<<<<<<< SEARCH\na\n<<<<<<< SEARCH\nb\n=======\n>>>>>>> REPLACE"]
)
def test_a_block_that_is_not_ended_is_refused(text: str) -> None:
    with pytest.raises(ProgramError, match="line 1: a SEARCH block has no `"):
        parse_blocks(text)


@pytest.mark.parametrize(
    ("search", "replace", "old", "new"),
    [
        ("        return 1", "        return 10", "return 1\n", "return 10\n"),
        ("return 3  ", "return 30", "return 3\n", "return 30\n"),
        ("if x:\n    return 3", "if not x:\n\n    return 4", "    if x:\n        return 3\n", "    if not x:\n\n        return 4\n"),
        ("      def f(x):\n          if x:", "      def f(y):\n          if y:", "def f(x):\n    if x:", "def f(y):\n    if y:"),
        ("\n\ndef g(x):\n\n", "\ndef g(y):\n", "def g(x):\n", "def g(y):\n"),
        ("        return 3", "", "        return 3\n", ""),
    ],
)
def test_a_block_replaces_the_lines_it_quotes(search: str, replace: str, old: str, new: str) -> None:
    assert apply_blocks(SOURCE, [Block(search=search, replace=replace)]) == SOURCE.replace(old, new, 1)


def test_blocks_are_done_in_order() -> None:
    blocks = [Block(search="def f(x):", replace="def h(x):"), Block(search="def h(x):", replace="def i(x):")]
    assert apply_blocks(SOURCE, blocks) == SOURCE.replace("def f", "def i")


def test_lines_that_stand_twice_are_refused_with_their_places() -> None:
    with pytest.raises(ProgramError, match=r"stand 2 times \(lines 4, 10\); quote more"):
        apply_blocks(SOURCE, [Block(search="    return 2", replace="")])


def test_lines_that_are_not_there_are_refused_with_the_nearest() -> None:
    with pytest.raises(ProgramError) as caught:
        apply_blocks(SOURCE, [Block(search="if x:\n    return 33", replace="")])
    assert str(caught.value) == "SEARCH lines were not found; the nearest are:\n    if x:\n        return 3"
    with pytest.raises(ProgramError, match="not found"):
        apply_blocks("", [Block(search="x", replace="")])
    with pytest.raises(ProgramError, match="SEARCH half is empty"):
        apply_blocks(SOURCE, [Block(search=" \n", replace="x")])


def test_an_indentation_that_differs_from_line_to_line_is_not_forgiven() -> None:
    with pytest.raises(ProgramError, match="not found"):
        apply_blocks(SOURCE, [Block(search="if x:\nreturn 3", replace="")])


@given(programs(), st.data())
def test_any_unique_stretch_of_lines_can_be_replaced(source: str, data: st.DataObject) -> None:
    source = source.replace("\r\n", "\n")
    lines = [line.rstrip() for line in source.split("\n")]
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start + 1, len(lines)))
    block = Block(search="\n".join(lines[start:end]), replace="NEW = 1")
    try:
        changed = apply_blocks("\n".join(lines), [block])
    except ProgramError as error:
        assert "empty" in str(error) or "times" in str(error)  # noqa: PT017 - the law has two cases
    else:
        assert "NEW = 1" in changed.split("\n")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("Here:\n```python\ndef f():\n    return 1\n```\nDone.", "def f():\n    return 1\n"),
        ("```py\nx = 1\n```\nbetter:\n```\nx = 2\n```", "x = 2\n"),
        ("```python\nx = 1\n```\n```text\nthis is a much longer block of prose\n```", "x = 1\n"),
        ("def f():\n    return 1", "def f():\n    return 1\n"),
        ("<think>```python\nlong = 'x' * 1000\n```</think>```python\nx = 1\n```", "x = 1\n"),
        ("```python\ndef f():\n    return 1", "def f():\n    return 1\n"),
        (
            '```python\ndef f():\n    """\n    ```\n    x\n    ```\n    """\n    return 1\n```',
            'def f():\n    """\n    ```\n    x\n    ```\n    """\n    return 1\n',
        ),
        ("```python\ndef f(:\n```", "def f(:\n"),
    ],
)
def test_the_code_of_a_reply_is_found(reply: str, code: str) -> None:
    assert extract_code(reply) == code


@pytest.mark.parametrize("reply", ["", "I cannot do that.", "yes", "```\n```"])
def test_a_reply_without_code_is_refused(reply: str) -> None:
    with pytest.raises(ProgramError, match="holds no Python code"):
        extract_code(reply)


@given(st.text(alphabet="<>=` SEARCHREPLACE\nx~"))
def test_no_reply_raises_anything_but_a_program_error(text: str) -> None:
    for function in (parse_blocks, extract_code):
        try:
            function(text)
        except ProgramError as error:
            assert str(error)  # noqa: PT017 - either outcome is right

"""Printing is bounded whatever is printed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.bounded_text import BoundedText


@given(st.lists(st.binary(max_size=40)), st.integers(0, 64))
def test_head_and_tail_are_kept_and_the_rest_is_counted(chunks: list[bytes], max_bytes: int) -> None:
    sink, half = BoundedText(max_bytes), max_bytes // 2
    assert [sink.write(chunk) for chunk in chunks] == [len(chunk) for chunk in chunks]
    whole = b"".join(chunks)
    left_out = len(whole) - 2 * half
    kept = whole if left_out <= 0 else whole[:half] + f"\n… {left_out} bytes left out …\n".encode() + whole[len(whole) - half :]
    assert sink.text == kept.decode(errors="replace")

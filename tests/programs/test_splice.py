from __future__ import annotations

import ast

from graftwork.programs.splice import spliced, spliced_all, text_of

SOURCE = "# é\nx = 'ü' + f(1,  # one\n          2) + g(3)\n"


def test_one_node_changes_and_the_rest_stays_as_written() -> None:
    one, two = (node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Call))
    assert {text_of(SOURCE, one), text_of(SOURCE, two)} == {"f(1,  # one\n          2)", "g(3)"}
    assert spliced(SOURCE, one, "é") in ("# é\nx = 'ü' + é + g(3)\n", "# é\nx = 'ü' + f(1,  # one\n          2) + é\n")
    assert spliced_all(SOURCE, [(one, "one"), (two, "two")]) in (
        "# é\nx = 'ü' + one + two\n",
        "# é\nx = 'ü' + two + one\n",
    )

from __future__ import annotations

from graftwork.programs.parse import parse
from graftwork.programs.signature import Parameter, Signature, signature_of


def test_a_signature_tells_parameters_types_defaults_and_kinds() -> None:
    program = parse('LIMIT = 3\n\n\ndef f(a, /, b: "dict[str,int]", *c: int, d: "no type" = "x", **e) -> dict[str,int]:\n    return {}\n')
    assert signature_of(program["LIMIT"]) is None
    signature = signature_of(program["f"])
    assert signature == Signature(
        parameters=(
            Parameter(name="a", kind="positional"),
            Parameter(name="b", annotation="dict[str, int]"),
            Parameter(name="c", annotation="int", kind="rest"),
            Parameter(name="d", annotation="no type", default="'x'", kind="keyword"),
            Parameter(name="e", kind="keywords"),
        ),
        returns="dict[str, int]",
    )
    assert signature is not None
    assert signature.required == ("a", "b")

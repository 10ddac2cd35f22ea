"""Solve word problems: plan in words, write one expression, calculate it."""

import ast
import operator

from graftwork.programs import prompt, tool

OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


@prompt(temperature=0.0, max_tokens=64)
def plan(question: str) -> str:
    """Say in one short line which numbers to combine, and how. Compute nothing."""


@prompt(temperature=0.0, max_tokens=40)
def work(question: str, steps: str) -> str:
    """Write one arithmetic expression whose value answers the question.

    Reply with the expression only: numbers, + - * / and brackets; no words, no units, no equals sign.
    """


@tool
def calculate(expression: str) -> float:
    """The value of an arithmetic expression of numbers, + - * / and brackets, such as '3 * (4 + 5)'."""
    return value(ast.parse(expression.strip(), mode="eval").body)


def value(node: ast.expr) -> float:
    """The value of a parsed expression; anything but arithmetic is refused."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return float(OPERATIONS[type(op)](value(left), value(right)))
    raise ValueError(f"only numbers, + - * / and brackets can be calculated, not {ast.unparse(node)!r}")


def solve(question: str) -> float:
    """The answer as a number."""
    steps = plan(question)
    expression = work(question, steps)
    return calculate(expression)

"""Expressions: small pieces of numeric code, freshly grown or changed a little. Trees in, trees out; nothing is evaluated.

What is grown is guarded where plain arithmetic would leave the numbers: a divisor is a constant or `abs(...) + 1`, an exponent is 2, 3
or 0.5 of an absolute value, roots and logarithms are of absolute values, exponentials of negative ones.
"""

from __future__ import annotations

import ast
import copy
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["CONSTANTS", "Grammar", "n_hazards", "number", "perturbed", "tidied"]

CONSTANTS: Final[tuple[float, ...]] = (0.1, 0.5, 1, 2, 3, 5, 10, 20, 50)
_MAX_POWER: Final = 4
_ORDERINGS: Final[tuple[type[ast.cmpop], ...]] = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def number(value: float) -> ast.expr:
    """A numeric literal; a negative one is written with a minus sign, so that it stays right under `**`."""
    literal = ast.Constant(value=abs(value))
    return ast.UnaryOp(op=ast.USub(), operand=literal) if value < 0 else literal


def perturbed(value: float, rng: random.Random) -> float:
    """Another number near a number: a step, a factor, a relative gaussian or a rounding; an integer stays one, never the same.

    Zero is never made of something else, since it may stand in a divisor.
    """
    for _ in range(8):
        changed = _step(value, rng)
        changed = round(changed) if isinstance(value, int) else _short(changed)
        if changed != value and (changed != 0 or value == 0) and math.isfinite(changed):
            return changed
    return value + 1


def _step(value: float, rng: random.Random) -> float:
    match rng.choices(("gaussian", "scale", "step", "round", "sign"), weights=(40, 20, 25, 10, 5))[0]:
        case "gaussian":
            return value * (1 + rng.gauss(0.0, rng.choice((0.05, 0.2, 0.6)))) if value else rng.gauss(0.0, 1.0)
        case "scale":
            return value * rng.choice((0.1, 0.5, 2, 10))
        case "step":
            return value + rng.choice((-2, -1, 1, 2)) * (1 if isinstance(value, int) or abs(value) >= 5 else 0.1)
        case "round":
            return float(f"{value:.1g}")
        case _:
            return -value


def _short(value: float) -> float:
    """Three digits: more would only make the text harder to read."""
    return float(f"{value:.3g}") if math.isfinite(value) else 0.0


def tidied(node: ast.expr) -> ast.expr:
    """A copy without what says nothing: double minus signs, sums and products of two literals, `+ 0`, `* 1`."""
    tidy = _Tidy().visit(copy.deepcopy(node))
    return tidy if isinstance(tidy, ast.expr) else node


class _Tidy(ast.NodeTransformer):
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.UnaryOp) and isinstance(node.operand.op, ast.USub):
            return node.operand.operand
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        left, right = _value(node.left), _value(node.right)
        if left is not None and right is not None:
            return _folded(left, node.op, right) or node
        match node.op:
            case ast.Add() if left == 0:
                return node.right
            case ast.Add() | ast.Sub() if right == 0:
                return node.left
            case ast.Mult() if left == 1:
                return node.right
            case ast.Mult() | ast.Div() if right == 1:
                return node.left
            case ast.Add() if isinstance(node.right, ast.UnaryOp) and isinstance(node.right.op, ast.USub):
                return ast.BinOp(left=node.left, op=ast.Sub(), right=node.right.operand)
            case ast.Sub() if isinstance(node.right, ast.UnaryOp) and isinstance(node.right.op, ast.USub):
                return ast.BinOp(left=node.left, op=ast.Add(), right=node.right.operand)
            case _:
                return node


def _value(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if not isinstance(value, bool):
            return -value
        case _:
            return None


def _folded(left: float, operator: ast.operator, right: float) -> ast.expr | None:
    match operator:
        case ast.Add():
            value = left + right
        case ast.Sub():
            value = left - right
        case ast.Mult():
            value = left * right
        case _:
            return None
    return number(value if isinstance(value, int) else _short(value)) if abs(value) < 1e9 else None


def n_hazards(tree: ast.AST) -> int:
    """How many places of a tree may leave the numbers: divisors that may be 0, open exponents, arguments that a function may not take.

    A divisor that is a bare name is trusted, since programs are written to divide by names.
    """
    return sum(_is_hazard(node) for node in ast.walk(tree))


def _is_hazard(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=ast.Div() | ast.FloorDiv() | ast.Mod(), right=right):
            return not (isinstance(right, ast.Name) or _is_positive(right) or _value(right))
        case ast.BinOp(op=ast.Pow(), left=left, right=right):
            power = _value(right)
            if power is None or not 0 <= power <= _MAX_POWER:
                return True
            return power != int(power) and not _is_absolute(left)
        case ast.Call(func=ast.Attribute(attr="sqrt" | "log1p"), args=[argument]):
            return not _is_absolute(argument)
        case ast.Call(func=ast.Attribute(attr="log"), args=[argument]):
            return not _is_positive(argument)
        case ast.Call(func=ast.Attribute(attr="exp" | "expm1"), args=[argument]):
            return not (isinstance(argument, ast.UnaryOp) and isinstance(argument.op, ast.USub) and _is_absolute(argument.operand))
        case _:
            return False


def _is_absolute(node: ast.expr) -> bool:
    """Whether it is never below 0, as far as its form tells."""
    match node:
        case ast.Call(func=ast.Name(id="abs") | ast.Attribute(attr="abs" | "square" | "sqrt")):
            return True
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=2)):
            return True
        case ast.BinOp(op=ast.Add() | ast.Mult(), left=left, right=right):
            return _is_absolute(left) and _is_absolute(right)
        case _:
            return (_value(node) or -1) >= 0


def _is_positive(node: ast.expr) -> bool:
    """Whether it is always above 0, as far as its form tells."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        pairs = ((node.left, node.right), (node.right, node.left))
        return any(_is_positive(one) and _is_absolute(other) for one, other in pairs)
    return (_value(node) or 0) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """What grown expressions are made of at one site.

    Attributes:
        rng: All choices.
        names: Numbers and arrays in scope; must not be empty for `grow` to give more than constants.
        pieces: Expressions that stand in the component already, whose names are in scope: they are what the problem is about.
        constants: Numbers that stand in the component.
        library: `np` (or numpy's alias), `math`, or empty where no function but the built-in ones may be called.
        vectors: Whether the names may hold arrays: then functions of numpy are used, and no `if … else`.
    """

    rng: random.Random
    names: Sequence[str]
    pieces: Sequence[ast.expr]
    constants: Sequence[float]
    library: str
    vectors: bool

    def grow(self, depth: int) -> ast.expr:
        """A fresh number-valued expression, at most `depth` levels above its names, pieces and constants."""
        if depth <= 0 or self.rng.random() < 0.15:
            return self._terminal()
        forms: tuple[tuple[Callable[[int], ast.expr], int], ...] = (
            (self._arithmetic, 40),
            (self._ratio, 12),
            (self._power, 8),
            (self._masked, 14),
            (self._where, 12),
            (self._function, 12),
            (self._extreme, 8),
        )
        form = self.rng.choices([form for form, _ in forms], weights=[weight for _, weight in forms])[0]
        return form(depth - 1)

    def condition(self, depth: int) -> ast.expr:
        """A comparison of something in scope with a constant or with something else."""
        left = self._named()
        right = self._constant() if self.rng.random() < 0.7 else self.grow(depth)
        return ast.Compare(left=left, ops=[self.rng.choice(_ORDERINGS)()], comparators=[right])

    def wrap(self, node: ast.expr, depth: int) -> ast.expr:
        """The expression as part of a larger one: a term, a factor, or one case of two."""
        match self.rng.choices(("term", "factor", "mask", "where"), weights=(30, 20, 20, 30))[0]:
            case "term":
                return self._binary(node, self.rng.choice((ast.Add(), ast.Sub())), self.grow(depth))
            case "factor":
                return self._binary(node, ast.Mult(), self.grow(depth))
            case "mask":
                return self._binary(node, ast.Add(), self._masked(depth))
            case _:
                pair = [node, self.grow(depth)]
                self.rng.shuffle(pair)
                return self._choice(self.condition(depth - 1), pair[0], pair[1])

    def _terminal(self) -> ast.expr:
        return self._constant() if self.rng.random() < 0.3 else self._named()

    def _named(self) -> ast.expr:
        """A name, or a piece that the component has already."""
        if self.pieces and self.rng.random() < 0.45:
            return copy.deepcopy(self.rng.choice(self.pieces))
        return ast.Name(id=self.rng.choice(self.names), ctx=ast.Load()) if self.names else self._constant()

    def _constant(self) -> ast.expr:
        draw = self.rng.random()
        if self.constants and draw < 0.25:
            return number(self.rng.choice(self.constants))
        if draw < 0.6:
            # Log-uniform: thresholds of real problems lie anywhere from 1 to 100.
            return number(round(math.exp(self.rng.uniform(0.0, math.log(100)))))
        return number(self.rng.choice(CONSTANTS))

    def _arithmetic(self, depth: int) -> ast.expr:
        operator = self.rng.choices((ast.Add(), ast.Sub(), ast.Mult()), weights=(30, 35, 35))[0]
        return self._binary(self.grow(depth), operator, self.grow(depth))

    def _ratio(self, depth: int) -> ast.expr:
        operator = self.rng.choices((ast.Div(), ast.Mod(), ast.FloorDiv()), weights=(70, 20, 10))[0]
        if self.rng.random() < 0.4:
            return self._binary(self.grow(depth), operator, number(self.rng.choice((2, 3, 5, 10, 20, 50))))
        return self._binary(self.grow(depth), operator, self._binary(self._absolute(self._named()), ast.Add(), number(1)))

    def _power(self, depth: int) -> ast.expr:
        base, exponent = self.grow(depth), self.rng.choice((2, 2, 3, 0.5))
        return self._binary(self._absolute(base) if exponent == 0.5 else base, ast.Pow(), number(exponent))

    def _masked(self, depth: int) -> ast.expr:
        """A value times a truth: `(gaps - item < 4) * 3`."""
        return self._binary(self.condition(depth), ast.Mult(), self.grow(depth))

    def _where(self, depth: int) -> ast.expr:
        return self._choice(self.condition(depth), self.grow(depth), self.grow(depth))

    def _choice(self, condition: ast.expr, first: ast.expr, second: ast.expr) -> ast.expr:
        if self.vectors:
            return self._call("where", condition, first, second)
        return ast.IfExp(test=condition, body=first, orelse=second)

    def _function(self, depth: int) -> ast.expr:
        value = self.grow(depth)
        match self.rng.choice(("abs", "square", "sqrt", "log1p", "exp", "tanh")):
            case "square":
                return self._binary(value, ast.Pow(), number(2))
            case "sqrt" | "log1p" as name if self.library:
                return self._call(name, self._absolute(value))
            case "exp" if self.library:
                return self._call("exp", ast.UnaryOp(op=ast.USub(), operand=self._absolute(value)))
            case "tanh" if self.library:
                return self._call("tanh", value)
            case _:
                return self._absolute(value)

    def _extreme(self, depth: int) -> ast.expr:
        names = ("minimum", "maximum") if self.vectors else ("min", "max")
        return self._call(self.rng.choice(names), self.grow(depth), self.grow(depth))

    def _absolute(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant():
                return node
            case ast.Call(func=ast.Name(id="abs")) | ast.Call(func=ast.Attribute(attr="abs")):
                return node
            case _:
                # The built-in one knows arrays too, and is the shorter to read.
                return ast.Call(func=ast.Name(id="abs", ctx=ast.Load()), args=[node], keywords=[])

    def _call(self, name: str, *arguments: ast.expr) -> ast.expr:
        function: ast.expr = ast.Name(id=name, ctx=ast.Load())
        if name not in {"abs", "min", "max"}:
            function = ast.Attribute(value=ast.Name(id=self.library, ctx=ast.Load()), attr=name, ctx=ast.Load())
        return ast.Call(func=function, args=list(arguments), keywords=[])

    @staticmethod
    def _binary(left: ast.expr, operator: ast.operator, right: ast.expr) -> ast.expr:
        return ast.BinOp(left=left, op=operator, right=right)

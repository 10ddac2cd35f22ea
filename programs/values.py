"""Values: where the value of an expression can come from, calls of components and of what is unknown included."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from .holding import Bindings, Holding, join

__all__ = ["Values"]

_CHANGERS: Final = frozenset(
    (
        "add",
        "append",
        "appendleft",
        "extend",
        "extendleft",
        "heappush",
        "heappushpop",
        "heapreplace",
        "insert",
        "insort",
        "insort_left",
        "insort_right",
        "push",
        "put",
        "put_nowait",
        "setattr",
        "setdefault",
        "symmetric_difference_update",
        "update",
        "write",
        "writelines",
    )
)
_CALLERS: Final = frozenset(("filter", "map", "reduce"))
"""Functions that call their first argument and do not give it back."""

_COMBINATORS: Final = {"graftwork.programs.vote": 2, "graftwork.programs.retry": 2, "functools.partial": 1}
"""Functions that call another one, which is the last of their first so many arguments, with the rest."""

_Argument = tuple[str | int | None, int, ast.expr]
"""Place, origins and text of an argument; without a place it can be anywhere."""


class Values(Holding):
    """Reads expressions. Each method reads one sort and gives the origins of its value."""

    @abstractmethod
    def function(self, node: ast.FunctionDef | ast.Lambda, environment: Bindings) -> int:
        """Read a function defined within the component; its value."""

    def value(self, node: ast.AST, environment: Bindings) -> int:
        """The origins of an expression's value."""
        handler = _EXPRESSIONS.get(node.__class__)
        found = 0
        if handler is not None:
            found = handler(self, node, environment)
        else:
            for child in ast.iter_child_nodes(node):
                found |= self.value(child, environment)
        self._evaluated |= found
        return found

    def nothing(self, node: ast.AST, environment: Bindings) -> int:
        """A literal comes from nowhere."""
        del node, environment
        return 0

    def name(self, node: ast.Name, environment: Bindings) -> int:
        """A local name, or a component."""
        name = node.id
        if name in environment:
            if self._flooding:
                return self._flood
            return environment[name] | self._ever.get(name, 0) if name in self._shared else environment[name]
        place = self._names.index.get(name) if name in self._outside else None
        if place is None:
            return 0
        self._found.is_recursive |= place == self._own
        if self._names.components[place].kind == "constant":
            return 1 << place | self._summaries[place].returns
        return 1 << (self._names.n + place)

    def walrus(self, node: ast.NamedExpr, environment: Bindings) -> int:
        """`name := value`."""
        found = self.value(node.value, environment)
        self._store(node.target.id, found, environment)
        return found

    def choice(self, node: ast.IfExp, environment: Bindings) -> int:
        """One of two; the condition is no part of the value."""
        self.value(node.test, environment)
        return self.value(node.body, environment) | self.value(node.orelse, environment)

    def give_back(self, node: ast.Yield | ast.YieldFrom, environment: Bindings) -> int:
        """What a generator yields it gives back."""
        if node.value is not None:
            self._returns(self.value(node.value, environment))
        return 0

    def lambda_(self, node: ast.Lambda, environment: Bindings) -> int:
        """A function without a name."""
        return self.function(node, environment)

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, environment: Bindings) -> int:
        """What each turn gives."""
        inside = environment.copy()
        self._come_round(node, inside)
        for part in node.generators:
            self._bind(part.target, self.value(part.iter, inside), inside)
            for test in part.ifs:
                self.value(test, inside)
        found = 0
        for item in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            found |= self.value(item, inside)
        self._go_round(node, inside)
        targets = {item.id for part in node.generators for item in ast.walk(part.target) if isinstance(item, ast.Name)}
        join(environment, {name: origins for name, origins in inside.items() if name not in targets})
        return found

    def call(self, node: ast.Call, environment: Bindings) -> int:
        """A call of a component, through a combinator too, or of something unknown."""
        function, given = node.func, node.args
        place = self._component(function, environment)
        if place is not None:
            return self._call(place, self._arguments(given, node.keywords, environment), environment)
        taken = _COMBINATORS.get(self._names.kinds.origin(function, environment), 0)
        if taken and len(given) >= taken and not any(isinstance(item, ast.Starred) for item in given[:taken]):
            place = self._component(given[taken - 1], environment)
            if place is not None:
                return self._combined(node, place, taken, environment)
        return self._unknown(node, environment)

    def _combined(self, node: ast.Call, place: int, taken: int, environment: Bindings) -> int:
        """A combinator that calls a component."""
        for item in node.args[: taken - 1]:
            self.value(item, environment)
        judges = [item for item in node.keywords if item.arg == "accept" and taken == 2]
        keywords = [item for item in node.keywords if item not in judges]
        found = self._call(place, self._arguments(node.args[taken:], keywords, environment), environment)
        for judge in judges:
            self._apply(self.value(judge.value, environment), found)
        return found | (1 << (self._names.n + place) if taken == 1 else 0)

    def _unknown(self, node: ast.Call, environment: Bindings) -> int:
        """A call of something whose text is not here, or of a value: everything passes through, and every function in it is called."""
        function = node.func
        attribute = function.attr if isinstance(function, ast.Attribute) else ""
        held = self.value(function.value if isinstance(function, ast.Attribute) else function, environment)
        arguments = self._arguments(node.args, node.keywords, environment)
        name = attribute or (function.id if isinstance(function, ast.Name) else "")
        given = kept = 0
        for place, value, _ in arguments:
            given |= value
            kept |= value & self._data if name == "parallel" or (place == 0 and name in _CALLERS) or place == "key" else value
        if inner := self._by_bit.get(held):
            return self._enter(inner, inner.interface.bind((place, value) for place, value, _ in arguments)) | self._apply(given, given)
        called = self._apply(held | given, held | given)
        if name in _CHANGERS or attribute in self._names.methods:
            self._change(function, given | called, environment)
            if node.args and name in _CHANGERS:
                self._change(node.args[0], given | called, environment)
        return held | kept | called

    def _arguments(self, given: Sequence[ast.expr], keywords: Sequence[ast.keyword], environment: Bindings) -> list[_Argument]:
        """The arguments of a call; after a star, places are not known."""
        found: list[_Argument] = []
        known = True
        for place, item in enumerate(given):
            known = known and not isinstance(item, ast.Starred)
            found.append((place if known else None, self.value(item, environment), item))
        return [*found, *((item.arg, self.value(item.value, environment), item.value) for item in keywords)]

    def _call(self, place: int, arguments: list[_Argument], environment: Bindings) -> int:
        """A call of a component: what it is given is noted, what it gives back is known from its summary."""
        names, summary = self._names, self._summaries[place]
        bound = names.interfaces[place].bind((where, value) for where, value, _ in arguments)
        handed = 0
        bound = {name: self._settled(value) for name, value in bound.items()}
        for name, value in bound.items():
            self._give(place, name, value | names.called(value))
            handed |= value
        found = self._from(place, bound)
        if handed & names.references and names.components[place].kind != "prompt":
            found |= self._apply(handed, handed)
        for where, _, item in arguments if summary.changes else ():
            changed = 0
            for name in names.interfaces[place].bind([(where, 0)]):
                changed |= self._substituted(place, summary.changes.get(name, 0), bound)
            self._change(item, changed, environment)
        return found

    def _from(self, place: int, bound: Mapping[str, int]) -> int:
        """What comes back from a component, given what its parameters hold."""
        names = self._names
        kind = names.components[place].kind
        if not self._through and kind != "type":
            return 1 << place | self._summaries[place].returns & names.references
        summary = self._summaries[place]
        found = self._substituted(place, summary.returns, bound)
        self._evaluated |= self._substituted(place, summary.raises & ~summary.returns, bound)
        if kind in {"type", "constant"}:
            for value in bound.values():
                found |= value
            return found | 1 << (names.n + place)
        return found | 1 << place

    def _substituted(self, place: int, origins: int, bound: Mapping[str, int]) -> int:
        names, first = self._names, self._names.first_parameter
        found = origins & ((1 << first) - 1)
        for offset in names.places(origins >> first):
            name = names.interfaces[place].named[offset]
            default = self._summaries[place].given.get((place, name), 0) & ((1 << first) - 1) if name not in bound else 0
            found |= bound.get(name, default)
        return found

    def _apply(self, functions: int, given: int) -> int:
        """What comes back when every function in a value is called with anything."""
        names = self._names
        found = 0
        for bit, inner in list(self._by_bit.items()) if functions >= self._limit else ():
            if functions & bit:
                found |= self._enter(inner, dict.fromkeys(inner.interface.named, given))
        for place in names.places((functions & names.references) >> names.n):
            value = self._settled(given) & ~(1 << (names.n + place))  # a function is hardly ever its own argument
            bound = dict.fromkeys(names.interfaces[place].named, value)
            for name in bound:
                self._give(place, name, value | names.called(value))
            found |= self._from(place, bound)
        return found

    def _bind(self, target: ast.expr, value: int, environment: Bindings) -> None:
        match target:
            case ast.Name(id=name):
                self._store(name, value, environment)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                for item in items:
                    self._bind(item, value, environment)
            case ast.Starred(value=inner):
                self._bind(inner, value, environment)
            case ast.Subscript(value=inner, slice=key):
                self._change(inner, value | self.value(key, environment), environment)
            case ast.Attribute(value=inner):
                self._change(inner, value, environment)

    def _component(self, node: ast.expr, environment: Bindings) -> int | None:
        """The component that a name means, where that is one to call."""
        if not isinstance(node, ast.Name) or node.id in environment or node.id not in self._outside:
            return None
        place = self._names.index.get(node.id)
        self._found.is_recursive |= place == self._own
        return place if place is not None and self._names.components[place].kind != "constant" else None


_EXPRESSIONS: Final = cast(
    "Mapping[type, Callable[[Values, Any, Bindings], int]]",
    {
        ast.Call: Values.call,
        ast.Constant: Values.nothing,
        ast.DictComp: Values.comprehension,
        ast.GeneratorExp: Values.comprehension,
        ast.IfExp: Values.choice,
        ast.Lambda: Values.lambda_,
        ast.ListComp: Values.comprehension,
        ast.Name: Values.name,
        ast.NamedExpr: Values.walrus,
        ast.SetComp: Values.comprehension,
        ast.Yield: Values.give_back,
        ast.YieldFrom: Values.give_back,
    },
)

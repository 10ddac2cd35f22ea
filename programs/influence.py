"""Influence: which values can reach which, in the text of one component. Values are sets of origins, held as bits of an integer.

The reading is an abstract interpretation in the order of the text: an assignment forgets what a name held before, branches are
joined, loops are read until nothing new comes round. What is unknown (builtins, libraries, methods) passes on all that it is given.
Not followed are two names for one object (a method under a name of its own included), conditions without a value of their own,
what a method puts into its arguments, what a function that a component gave back is called with, and functions that the program
gives new meanings by `global`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any, Final, cast

from .calls import local_names
from .holding import Bindings, join
from .origins import Summary
from .values import Values

__all__ = ["Tracing"]

_PATIENCE: Final = 8
"""Readings of one component before all its local names are taken for one: text that no person writes must end too."""


class Tracing(Values):
    """One component, read until nothing new is found. Of the methods that read statements, each is told whether the end is reached."""

    def read(self) -> Summary:
        """What the component does."""
        for attempt in count():
            self._changed = False
            self._flooding = attempt >= _PATIENCE
            self._once()
            if not self._changed:
                break
        self._found.returns = self._settled(self._found.returns)
        self._found.raises = self._settled(self._evaluated) & self._data
        return self._found

    def _once(self) -> None:
        first = self._names.first_parameter
        self._evaluated = 0
        environment = {name: 1 << (first + place) for place, name in enumerate(self._interface.named)}
        match self._node:
            case ast.FunctionDef(args=arguments, body=body, decorator_list=decorators):
                self._decorate(decorators)
                for name, default in _defaults(arguments):
                    self._give(self._own, name, self.value(default, {}))
                join(self._ever, environment)
                self.block(body, environment)
            case ast.ClassDef():
                self._returns(self._class(self._node, {}, environment[""] | self._summaries[self._own].returns))
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                self._returns(self.value(value, {}))

    def _decorate(self, decorators: Iterable[ast.expr]) -> None:
        """What decorators of the program give back of a component, which is theirs to call, and of what it is given."""
        parameters = self._limit - (1 << self._names.first_parameter)
        given = parameters | 1 << (self._names.n + self._own)
        for item in decorators:
            if self._names.kinds.decorated(item) is None:
                function = item.func if isinstance(item, ast.Call) else item
                self._returns(self._apply(self.value(function, {}), given) & self._data)

    def block(self, statements: Iterable[ast.stmt], environment: Bindings) -> bool:
        """Read statements in order; False where the end is not reached."""
        return all(_STATEMENTS.get(statement.__class__, Tracing.plain)(self, statement, environment) for statement in statements)

    def plain(self, node: ast.stmt, environment: Bindings) -> bool:
        """A statement that only evaluates; False for one that raises."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child, environment)
        return not isinstance(node, ast.Raise)

    def assign(self, node: ast.Assign, environment: Bindings) -> bool:
        """`target = value`, one or many."""
        for target in node.targets:
            self._unpack(target, node.value, environment)
        return True

    def annotated(self, node: ast.AnnAssign, environment: Bindings) -> bool:
        """`target: type = value`."""
        if node.value is not None:
            self._bind(node.target, self.value(node.value, environment), environment)
        return True

    def augmented(self, node: ast.AugAssign, environment: Bindings) -> bool:
        """`target += value`."""
        self._bind(node.target, self.value(node.value, environment) | self.value(node.target, environment), environment)
        return True

    def return_(self, node: ast.Return, environment: Bindings) -> bool:
        """What is given back."""
        if node.value is not None:
            self._returns(self.value(node.value, environment))
        return False

    def if_(self, node: ast.If, environment: Bindings) -> bool:
        """Two arms."""
        self.value(node.test, environment)
        return self._arms([node.body, node.orelse], environment)

    def match(self, node: ast.Match, environment: Bindings) -> bool:
        """An arm for each case, and one where none matches."""
        subject = self.value(node.subject, environment)
        for case in node.cases:
            for item in ast.walk(case.pattern):
                if name := getattr(item, "rest" if isinstance(item, ast.MatchMapping) else "name", None):
                    self._store(name, subject | environment.get(name, 0), environment)
            if case.guard is not None:
                self.value(case.guard, environment)
        return self._arms([*(case.body for case in node.cases), []], environment)

    def loop(self, node: ast.For | ast.While, environment: Bindings) -> bool:
        """A loop: what one turn leaves, the next begins with."""
        items = self.value(node.iter, environment) if isinstance(node, ast.For) else 0
        jumps = self._jumps
        self._jumps = [self._come_round(node, environment)]
        inside = environment.copy()
        if isinstance(node, ast.For):
            self._bind(node.target, items, inside)
        else:
            self.value(node.test, inside)
            join(self._jumps[0], inside)
        if self.block(node.body, inside):
            join(self._jumps[0], inside)
        self._go_round(node, self._jumps[0])
        join(environment, self._jumps[0])
        self._jumps = jumps
        after = environment.copy()
        if self.block(node.orelse, after):
            join(environment, after)
        return True

    def jump(self, node: ast.Break | ast.Continue, environment: Bindings) -> bool:
        """`break` and `continue`: both lead to the next turn and out, as far as values go."""
        del node
        join(self._jumps[0], environment)
        return False

    def try_(self, node: ast.Try, environment: Bindings) -> bool:
        """Handlers may begin anywhere in the body: a name may hold then whatever it is given there."""
        outer, left = self._jumps, Bindings()
        if node.finalbody and outer:  # what jumps out of here goes through `finally`
            self._jumps = [left]
        ends = self._tried(node, environment)
        self._jumps = outer
        if left:
            self.block(node.finalbody, left)
            join(outer[0], left)
        return self.block(node.finalbody, environment) and ends

    def _tried(self, node: ast.Try, environment: Bindings) -> bool:
        """Body, handlers and `else`; whether the end of any is reached."""
        somewhere = environment.copy()
        self._caught.append((len(self._scopes), somewhere))
        before, self._evaluated = self._evaluated, 0
        reached = self.block(node.body, environment)
        raised, self._evaluated = self._evaluated, self._evaluated | before
        if raised >= self._limit:  # an inner function may fail with whatever stands in it
            raised = self._evaluated
        self._caught.pop()
        ends = [environment] if reached and self.block(node.orelse, environment) else []
        for handler in node.handlers:
            caught = somewhere.copy()
            if handler.name:
                self._store(handler.name, raised & self._data, caught)
            if self.block(handler.body, caught):
                ends.append(caught)
            join(somewhere, caught)
        for end in ends or [somewhere]:
            join(environment, end)
        return bool(ends)

    def with_(self, node: ast.With, environment: Bindings) -> bool:
        """What is entered is held by the name after `as`."""
        for item in node.items:
            held = self.value(item.context_expr, environment)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, held, environment)
        return self.block(node.body, environment)

    def define(self, node: ast.FunctionDef, environment: Bindings) -> bool:
        """A function under a name."""
        for item in node.decorator_list:
            self.value(item, environment)
        self._store(node.name, self.function(node, environment), environment)
        return True

    def class_(self, node: ast.ClassDef, environment: Bindings) -> bool:
        """A class under a name."""
        inner = self._known(node)
        inner.returns |= self._class(node, environment, inner.parameters.get("", 0) | inner.returns)
        self._store(node.name, inner.bit | inner.returns, environment)
        return True

    def import_(self, node: ast.Import | ast.ImportFrom, environment: Bindings) -> bool:
        """What is imported comes from no component."""
        for alias in node.names:
            self._store(alias.asname or alias.name.partition(".")[0], 0, environment)
        return True

    def function(self, node: ast.FunctionDef | ast.Lambda, environment: Bindings) -> int:
        """Read an inner function; it sees what the names around it hold now, or will hold when it is called."""
        inner = self._known(node)
        for name, default in _defaults(node.args):
            inner.parameters[name] = inner.parameters.get(name, 0) | self.value(default, environment)
        later = self._ever.keys() - self._outside  # a name that means something outside is another one in another scope
        inside = {name: environment.get(name, 0) | self._ever.get(name, 0) for name in environment.keys() | later}
        inside |= {name: inner.parameters.get(name, 0) for name in inner.interface.named}
        own = frozenset(inner.interface.named)
        jumps, self._jumps = self._jumps, []
        if isinstance(node, ast.Lambda):
            self._scopes.append((own, inner))
            self._returns(self.value(node.body, inside))
        else:
            outer = {name for item in ast.walk(node) if isinstance(item, ast.Nonlocal) for name in item.names}
            self._scopes.append(((own | local_names(node)) - outer, inner))
            self.block(node.body, inside)
        self._scopes.pop()
        self._jumps = jumps
        return inner.bit

    def _class(self, node: ast.ClassDef, environment: Bindings, given: int) -> int:
        """Read a class: every method may be called with all that any of them, or the class, is given."""
        inside = environment.copy()
        found = 0
        for base in node.bases:
            found |= self._apply(self.value(base, environment), given)
        for statement in node.body:
            if not isinstance(statement, ast.FunctionDef):
                self.block([statement], inside)
                continue
            method = self._known(statement)
            self._enter(method, dict.fromkeys(method.interface.named, given))
            self.function(statement, inside)
            found |= method.returns
        for origins in inside.values():
            found |= origins
        return found

    def _unpack(self, target: ast.expr, node: ast.expr, environment: Bindings) -> None:
        match target, node:
            case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), (ast.Tuple(elts=items) | ast.List(elts=items))) if len(
                targets
            ) == len(items) and not any(isinstance(item, ast.Starred) for item in (*targets, *items)):
                values = [self.value(item, environment) for item in items]
                for each, value in zip(targets, values, strict=True):
                    self._bind(each, value, environment)
            case _:
                self._bind(target, self.value(node, environment), environment)

    def _arms(self, arms: Iterable[Iterable[ast.stmt]], environment: Bindings) -> bool:
        before = environment.copy()
        ends = [inside for arm in arms if self.block(arm, inside := before.copy())]
        if ends:
            environment.clear()
        for end in ends:
            join(environment, end)
        return bool(ends)


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    yield from ((item.arg, value) for item, value in zip(positional[::-1], arguments.defaults[::-1], strict=False))
    yield from ((item.arg, value) for item, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value is not None)


_STATEMENTS: Final = cast(
    "Mapping[type, Callable[[Tracing, Any, Bindings], bool]]",
    {
        ast.AnnAssign: Tracing.annotated,
        ast.Assign: Tracing.assign,
        ast.AugAssign: Tracing.augmented,
        ast.Break: Tracing.jump,
        ast.ClassDef: Tracing.class_,
        ast.Continue: Tracing.jump,
        ast.For: Tracing.loop,
        ast.FunctionDef: Tracing.define,
        ast.If: Tracing.if_,
        ast.Import: Tracing.import_,
        ast.ImportFrom: Tracing.import_,
        ast.Match: Tracing.match,
        ast.Return: Tracing.return_,
        ast.Try: Tracing.try_,
        ast.TryStar: Tracing.try_,
        ast.While: Tracing.loop,
        ast.With: Tracing.with_,
    },
)

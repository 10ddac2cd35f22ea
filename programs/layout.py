"""Layout: a program's text cut into pieces that together are the whole text, so that an edit can splice and lose nothing."""

from __future__ import annotations
import __future__

import ast
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Literal, NamedTuple

from .blocks import is_mark
from .errors import ProgramError
from .parsing import compiled, modules_of

__all__ = [
    "MAX_SOURCE_BYTES",
    "Bound",
    "Piece",
    "PieceKind",
    "cut_nodes",
    "imported_names",
    "read",
    "read_all",
    "require_compilable",
    "split_nodes",
]

PieceKind = Literal["doc", "import", "component", "statement", "main", "gap"]
Bound = tuple[str, str, str]
"""What an import binds: normalised statement, name, dotted origin."""

MAX_SOURCE_BYTES: Final = 200_000
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_AFTER_STATEMENT: Final = re.compile(r"\s*;?\s*(#.*)?", re.DOTALL)


class Piece(NamedTuple):
    """A stretch of a program's text. A named tuple: a program has a hundred of them, and they are made in half the time.

    Attributes:
        kind: `gap` is what stands between statements: blank lines, comments that touch nothing, marks of blocks, line ends; `statement`
            is any other code, which only a program made for elsewhere may have.
        text: As written; a statement's text has no trailing newline.
        name: The name that a component binds; empty for other kinds.
        imports: What an import binds; empty for other kinds.
        reads: Names that stand in the main block; empty for other kinds.
        first_line: Counted from 1.
        last_line: Inclusive.
        line: Where the statement itself begins, below its comments and decorators; 0 for a gap.
    """

    kind: PieceKind
    text: str
    name: str = ""
    imports: tuple[Bound, ...] = ()
    reads: frozenset[str] = frozenset()
    first_line: int = 0
    last_line: int = 0
    line: int = 0


def read(source: str) -> list[ast.stmt]:
    """The top-level statements of Python text.

    Raises:
        ProgramError: If it is not Python, too long or nested too deeply.
    """
    module = _compiled(source, flags=ast.PyCF_ONLY_AST)
    return module.body if isinstance(module, ast.Module) else []


def read_all(texts: Sequence[str]) -> list[list[ast.stmt]]:
    """As `read`, of several texts that are not too long, one right after the other."""
    try:
        return [module.body for module in modules_of(texts)] if texts else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [read(text) for text in texts]  # the one that cannot be read says why


def require_compilable(source: str, *, lazy: bool = False) -> None:
    """Refuse text that has the grammar of Python but cannot be compiled, such as `x = *y`.

    Args:
        source: A program, or one of its statements.
        lazy: Whether annotations are not evaluated (`from __future__ import annotations`).

    Raises:
        ProgramError: With the compiler's reason.
    """
    _compiled(source, flags=__future__.annotations.compiler_flag if lazy else 0)


def _compiled(source: str, *, flags: int) -> object:
    try:
        n_bytes = len(source.encode())
        if n_bytes > MAX_SOURCE_BYTES:
            raise ProgramError(f"a program may have {MAX_SOURCE_BYTES} bytes, this one has {n_bytes}; make it shorter")
        return compiled(source, flags=flags)
    except SyntaxError as error:
        raise ProgramError(f"not Python: {error.msg}; correct the syntax", line=error.lineno or 0) from None
    except UnicodeEncodeError as error:
        raise ProgramError("not Python: a lone surrogate; write it as an escape", line=source.count("\n", 0, error.start) + 1) from None
    except ValueError as error:
        raise ProgramError(f"not Python: {error}; correct the text") from None
    except (RecursionError, MemoryError):
        raise ProgramError("nested too deeply to be read; use intermediate names") from None


def split_nodes(source: str, *, statements: bool = False, at_top: bool = True) -> tuple[tuple[Piece, ast.stmt | None], ...]:
    """The pieces that `cutting.split` gives, each with its statement; None for a gap. The text is read as a whole.

    Args:
        source: As there.
        statements: As there.
        at_top: Whether nothing stands above the text.

    Raises:
        ProgramError: As `cutting.split` does.
    """
    return cut_nodes(source, read(source), statements=statements, at_top=at_top)


def cut_nodes(
    source: str, nodes: Sequence[ast.stmt], *, statements: bool = False, at_top: bool = True
) -> tuple[tuple[Piece, ast.stmt | None], ...]:
    """As `split_nodes`, for a text whose statements are known."""
    if not at_top and (piece := _only_component(source, nodes)) is not None:
        return ((piece, nodes[0]),)
    lines = _Lines(source)
    pieces: list[tuple[Piece, ast.stmt | None]] = []
    end = 0
    at_head = at_top
    named: set[str] = set()
    for index, node in enumerate(nodes):
        is_first = at_top and index == 0
        kind, name = _classified(node, first=is_first, named=named) if statements else _classify(node, first=is_first)
        if not _is_future(node):
            at_head = at_head and kind == "doc"
        elif not at_head:
            raise ProgramError("a __future__ import below other statements; move it to the top", line=node.lineno)
        first = lines.next_code(end + 1)
        last = node.end_lineno or node.lineno
        lines.require_alone(node, first)
        # Above everything, comments speak of the file.
        if kind in {"component", "statement", "main"} or (kind == "import" and (end or not at_top)):
            first = lines.comments_above(first, limit=end)
        if kind == "component":
            last = lines.comments_below(last)
        if gap := lines.between(end, first):
            pieces.append((Piece(kind="gap", text=gap, first_line=end + 1, last_line=first - 1), None))
        piece = Piece(
            kind=kind,
            text=lines.text(first, last),
            name=name,
            imports=imported_names(node) if isinstance(node, ast.Import | ast.ImportFrom) else (),
            reads=frozenset(item.id for item in ast.walk(node) if isinstance(item, ast.Name)) if kind == "main" else frozenset(),
            first_line=first,
            last_line=last,
            line=node.lineno,
        )
        pieces.append((piece, node))
        end = last
    if gap := lines.between(end, len(lines.texts) + 1):
        # What stands behind the last line end is no line.
        pieces.append((Piece(kind="gap", text=gap, first_line=end + 1, last_line=len(lines.texts) - (not lines.texts[-1])), None))
    return tuple(pieces)


def _only_component(source: str, nodes: Sequence[ast.stmt]) -> Piece | None:
    """The piece that a text is where one component fills it from its first line to its last, as in most; None where more is to be seen."""
    n_lines = source.count("\n") + 1
    if len(nodes) != 1 or nodes[0].end_lineno != n_lines or source[0] == "#" or source[0].isspace():
        return None
    kind, name = _classify(nodes[0], first=False)
    if kind != "component":
        return None
    return Piece(kind=kind, text=source, name=name, first_line=1, last_line=n_lines, line=nodes[0].lineno)


def imported_names(node: ast.Import | ast.ImportFrom) -> tuple[Bound, ...]:
    """What an import statement binds: (normalised statement, bound name, dotted origin) for each name."""
    found = []
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            if alias.asname is None or alias.asname == alias.name:
                found.append((f"import {alias.name}", top, top))
            else:
                found.append((f"import {alias.name} as {alias.asname}", alias.asname, alias.name))
        return tuple(found)
    for alias in node.names:
        renamed = f" as {alias.asname}" if alias.asname and alias.asname != alias.name else ""
        found.append((f"from {node.module} import {alias.name}{renamed}", alias.asname or alias.name, f"{node.module}.{alias.name}"))
    return tuple(found)


class _Lines:
    """The lines of a text, counted from 1 as the parser counts them, with their offsets."""

    def __init__(self, source: str) -> None:
        self.source = source
        if "\r" in source:
            ends = [match.span() for match in _LINE_END.finditer(source)]
            self.starts = [0, *(end for _, end in ends)]
            self.ends = [*(start for start, _ in ends), len(source)]
            self.texts = [source[start:end] for start, end in zip(self.starts, self.ends, strict=True)]
        else:
            self.texts = source.split("\n")
            self.starts = [0, *accumulate(len(text) + 1 for text in self.texts)]
            self.ends = [start - 1 for start in self.starts[1:]]
            self.starts.pop()

    def text(self, first: int, last: int) -> str:
        """Lines `first` to `last`, without the line end of `last`."""
        return self.source[self.starts[first - 1] : self.ends[last - 1]]

    def between(self, last: int, first: int) -> str:
        """What stands after line `last` (0 = the beginning) and before line `first` (one past the end = the end)."""
        start = self.ends[last - 1] if last else 0
        end = self.starts[first - 1] if first <= len(self.starts) else len(self.source)
        return self.source[start:end]

    def next_code(self, line: int) -> int:
        """The first line from `line` on that is neither blank nor a comment."""
        while not (text := self.texts[line - 1].strip()) or text.startswith("#"):
            line += 1
        return line

    def comments_above(self, first: int, *, limit: int) -> int:
        """The first of the comment lines that end right above line `first`, below line `limit`."""
        while first - 1 > limit and self._is_comment(first - 1):
            first -= 1
        return first

    def comments_below(self, last: int) -> int:
        """The last of the comment lines right below line `last` that belong to what ends there."""
        while self._is_comment(last + 1) and self.texts[last][:1] in {" ", "\t", "\f"}:
            last += 1
        run = last
        while self._is_comment(run + 1):
            run += 1
        touches_next = run < len(self.texts) and self.texts[run].strip()
        return last if touches_next else run

    def require_alone(self, node: ast.stmt, first: int) -> None:
        """Refuse a statement that shares a line with another."""
        last = node.end_lineno or node.lineno
        text = self.texts[last - 1]
        column = node.end_col_offset or 0
        rest = text[column:] if text.isascii() else text.encode()[column:].decode()
        if first > node.lineno or not _AFTER_STATEMENT.fullmatch(rest):
            raise ProgramError("two statements on one line; write one statement a line", line=last)

    def _is_comment(self, line: int) -> bool:
        text = self.texts[line - 1].lstrip() if line <= len(self.texts) else ""
        return text.startswith("#") and not is_mark(text)


def _classified(node: ast.stmt, *, first: bool, named: set[str]) -> tuple[PieceKind, str]:
    """As `_classify`, but what is refused there, or binds a name of `named` again, is a statement."""
    try:
        kind, name = _classify(node, first=first)
    except ProgramError:
        return "statement", ""
    if kind == "component" and name in named:
        return "statement", ""
    named |= {bound for _, bound, _ in imported_names(node)} if isinstance(node, ast.Import | ast.ImportFrom) else {name}
    return kind, name


def _classify(node: ast.stmt, *, first: bool) -> tuple[PieceKind, str]:
    """Kind of a top-level statement and the name that it binds as a component."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return "component", name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return "component", name
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return "component", name
        case ast.Import() | ast.ImportFrom():
            _require_plain_import(node)
            return "import", ""
        case ast.Expr(value=ast.Constant(value=str())) if first:
            return "doc", ""
        case ast.If() if _is_main(node):
            return "main", ""
        case _ if type(node).__name__ == "TypeAlias":  # `type X = …`, from Python 3.12 on
            return "component", str(node.name.id)  # type: ignore[attr-defined]  # 3.11 does not know the node
        case _:
            raise ProgramError(_refusal(node), line=node.lineno)


def _refusal(node: ast.stmt) -> str:
    match node:
        case ast.AsyncFunctionDef(name=name):
            return f"{name!r} is async; programs are synchronous: write `def`, and `parallel` for concurrent calls"
        case ast.Assign():
            return "an assignment must bind one name; write `NAME = value`, one a line"
        case ast.AnnAssign(target=ast.Name(id=name)):
            return f"{name!r} is declared without a value; give it one"
        case ast.Expr(value=ast.Constant(value=str())):
            return "a string stands alone; only the module's docstring may, as the first statement"
        case _:
            allowed = "imports, functions, classes, constants and a main block"
            return f"a top-level {type(node).__name__} statement; only {allowed} may stand there: move it into a function"


def _require_plain_import(node: ast.Import | ast.ImportFrom) -> None:
    if isinstance(node, ast.ImportFrom) and node.level:
        raise ProgramError("a relative import; a program is one file: import by the full name", line=node.lineno)
    if any(alias.name == "*" for alias in node.names):
        raise ProgramError("a star import; name what is imported", line=node.lineno)
    if _is_future(node) and (unknown := sorted({alias.name for alias in node.names} - set(__future__.all_feature_names))):
        raise ProgramError(f"__future__ has no {unknown[0]!r}; remove the import", line=node.lineno)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_main(node: ast.If) -> bool:
    match node.test:
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()], comparators=[ast.Constant(value="__main__")]):
            return not node.orelse
        case ast.Compare(left=ast.Constant(value="__main__"), ops=[ast.Eq()], comparators=[ast.Name(id="__name__")]):
            return not node.orelse
        case _:
            return False

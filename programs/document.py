"""Document: a program's text while it is edited. Pieces are put in, taken out and moved; what nobody touched stays as written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from .blocks import opens_block
from .cutting import split
from .errors import ProgramError
from .layout import Piece

__all__ = ["Document"]

_APART: Final = "\n\n\n"
_FUTURE: Final = "from __future__ "


class Document:
    """The pieces of one text, in order.

    Args:
        source: A program's text.
        pieces: What it was split into, where that is known.
        statements: Whether other top-level statements stay where they are instead of refused.

    Raises:
        ProgramError: If it cannot be split.
    """

    def __init__(self, source: str, *, pieces: Sequence[Piece] = (), statements: bool = False) -> None:
        self._pieces = list(pieces or split(source, statements=statements))

    @property
    def text(self) -> str:
        """The whole text as it stands now."""
        texts = [piece.text for piece in self._pieces]
        for index, piece in enumerate(self._pieces[:-2]):
            # A comment that ends a component must not come to touch the next one, which would own it.
            if piece.kind == "component" and texts[index].rpartition("\n")[2].startswith("#") and texts[index + 1] in {"\n", "\r\n"}:
                texts[index + 1] *= 2
        return "".join(texts)

    @property
    def names(self) -> list[str]:
        """Component names in order."""
        return [piece.name for piece in self._pieces if piece.kind == "component"]

    @property
    def main_names(self) -> frozenset[str]:
        """Names that stand in the main block."""
        return frozenset().union(*(piece.reads for piece in self._pieces))

    @property
    def imports(self) -> dict[str, str]:
        """The name that each normalised import statement binds."""
        return {statement: name for piece in self._pieces for statement, name, _ in piece.imports}

    def replace(self, name: str, text: str) -> None:
        """Give a component another text."""
        index = self._index(name)
        self._pieces[index] = self._pieces[index]._replace(text=text)

    def add(self, name: str, text: str, *, after: str | None) -> None:
        """Put a component after another one, or with None before all others.

        Raises:
            ProgramError: If there is one of that name already, or none called `after`.
        """
        if name in self.names:
            raise ProgramError(f"component {name!r} is there already; replace it, or rename the new one")
        new = Piece(kind="component", text=text, name=name)
        if after is not None:
            index = self._index(after) + 1
            self._pieces[index:index] = [_gap(_APART), new]
        elif (first := self._find(lambda piece: piece.kind in {"component", "main"})) is not None:
            self._pieces[first:first] = [new, _gap(_APART)]
        else:
            head = self.text.rstrip("\r\n")
            if self._pieces and self._pieces[-1].kind == "gap":
                self._pieces[-1] = _gap(self._pieces[-1].text.rstrip("\r\n"))
            self._pieces += [*([_gap(_APART)] if head else []), new, _gap("\n")]

    def add_before(self, name: str, text: str, *, user: str) -> None:
        """Put a component right before another one."""
        index = self._index(user)
        self._pieces[index:index] = [Piece(kind="component", text=text, name=name), _gap(_APART)]

    def remove(self, name: str) -> str:
        """Take a component out; returns its text.

        Raises:
            ProgramError: If there is none of that name.
        """
        index = self._index(name)
        text = self._pieces[index].text
        self._cut(index)
        return text

    def add_import(self, statement: str) -> None:
        """Put a normalised import statement after the last one, or where blocks are marked into the first of them; one that is there stays.

        A `__future__` import goes before the first.
        """
        if statement in self.imports:
            return
        new = Piece(kind="import", text=statement, imports=split(statement)[0].imports)
        if (opening := self._find(lambda piece: piece.kind == "gap" and opens_block(piece.text))) is not None:
            # What stands outside the blocks stays as it is.
            self._pieces[opening + 1 : opening + 1] = [new, _gap("\n" if self._follows_import(opening) else _APART)]
            return
        positions = [index for index, piece in enumerate(self._pieces) if piece.kind == "import"]
        if positions and statement.startswith(_FUTURE):
            self._pieces[positions[0] : positions[0]] = [new, _gap("\n")]
        elif positions:
            self._pieces[positions[-1] + 1 : positions[-1] + 1] = [_gap("\n"), new]
        elif (doc := self._find(lambda piece: piece.kind == "doc")) is not None:
            self._pieces[doc + 1 : doc + 1] = [_gap("\n\n"), new]
        elif (first := self._find(lambda piece: piece.kind != "gap")) is not None:
            self._pieces[first:first] = [new, _gap(_APART)]
        else:
            self._pieces += [_gap("\n"), new, _gap("\n")]

    def remove_import(self, statement: str) -> None:
        """Take one imported name out; the others of its statement stay.

        Raises:
            ProgramError: If it is not there.
        """
        for index, piece in enumerate(self._pieces):
            kept = tuple(bound for bound in piece.imports if bound[0] != statement)
            if len(kept) == len(piece.imports):
                continue
            if kept:
                head, word, _ = kept[0][0].rpartition("import ")
                names = ", ".join(single.removeprefix(head + word) for single, _, _ in kept)
                self._pieces[index] = piece._replace(imports=kept, text=head + word + names)
            else:
                self._cut(index)
            return
        raise ProgramError(f"no import `{statement}`; there is {', '.join(f'`{item}`' for item in self.imports) or 'none'}")

    @property
    def has_blocks(self) -> bool:
        """Whether marks say what may change."""
        return any(piece.kind == "gap" and opens_block(piece.text) for piece in self._pieces)

    def _follows_import(self, index: int) -> bool:
        return index + 1 < len(self._pieces) and self._pieces[index + 1].kind == "import"

    def _index(self, name: str) -> int:
        index = self._find(lambda piece: piece.kind == "component" and piece.name == name)
        if index is None:
            raise ProgramError(f"no component {name!r}; this program has {', '.join(self.names) or 'none'}")
        return index

    def _find(self, wanted: Callable[[Piece], bool]) -> int | None:
        return next((index for index, piece in enumerate(self._pieces) if wanted(piece)), None)

    def _cut(self, index: int) -> None:
        """Take a piece out and close the hole: of the blank lines on its two sides the longer run stays."""
        before, after = index, index + 1
        while before and self._pieces[before - 1].kind == "gap":
            before -= 1
        while after < len(self._pieces) and self._pieces[after].kind == "gap":
            after += 1
        above = _joined(self._pieces[before:index])
        below = _joined(self._pieces[index + 1 : after])
        head, tail = above.rstrip("\r\n"), below.lstrip("\r\n")
        n_lines = max(above[len(head) :].count("\n"), below[: len(below) - len(tail)].count("\n"))
        if head and not tail:  # a comment that stood above what is gone must not come to touch what follows
            n_lines = max(n_lines, 2)
        joint = head + "\n" * n_lines + tail if before or head else tail
        self._pieces[before:after] = [_gap(joint)] if joint else []


def _gap(text: str) -> Piece:
    return Piece(kind="gap", text=text)


def _joined(pieces: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in pieces)

"""Turns: a queue that goes round its owners, so that who has much waiting takes nothing from who has little."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

__all__ = ["Turns"]

T = TypeVar("T")
Owner = TypeVar("Owner", bound=Hashable)


class Turns(Generic[Owner, T]):
    """Items by owner: owners take turns, an owner's items keep their order. Every operation takes constant time but `clear`."""

    def __init__(self) -> None:
        self._queues: OrderedDict[Owner, deque[T]] = OrderedDict()
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def push(self, owner: Owner, item: T) -> None:
        """Have an item wait; an owner that had none waits behind all others."""
        self._queues.setdefault(owner, deque()).append(item)
        self._n += 1

    def first(self) -> tuple[Owner, T]:
        """Whose turn it is, and its first item, which stays."""
        owner, queue = next(iter(self._queues.items()))
        return owner, queue[0]

    def waiting(self, owner: Owner) -> int:
        """How many items an owner has."""
        return len(self._queues.get(owner, ()))

    def take(self, most: int = 1) -> list[T]:
        """Items of the owner whose turn it is, at most so many; then it is the next owner's turn."""
        owner, queue = self._queues.popitem(last=False)
        taken = [queue.popleft() for _ in range(min(most, len(queue)))]
        self._n -= len(taken)
        if queue:
            self._queues[owner] = queue
        return taken

    def drop(self, owner: Owner) -> None:
        """Forget an owner's items."""
        self._n -= len(self._queues.pop(owner, ()))

    def clear(self) -> Iterator[T]:
        """All items, forgotten."""
        while self._queues:
            yield from self.take(self._n)

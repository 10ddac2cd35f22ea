"""Combinators: what programs are built with besides plain calls: `parallel`, `vote`, `retry`.

An export carries those that its program uses; standard library only.
"""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

__all__ = ["BRANCH", "FORK", "parallel", "retry", "vote"]

P = ParamSpec("P")
T = TypeVar("T")

MAX_THREADS: Final = 16
ROOM: Final = ContextVar("room", default=MAX_THREADS)
BRANCH: Final[ContextVar[tuple[int, ...]]] = ContextVar("branch", default=())
# A session puts its own bookkeeping around the branches; without one they pass unchanged.
FORK: Final[ContextVar[Callable[[Any], AbstractContextManager[Any]]]] = ContextVar("fork", default=nullcontext)


def parallel(*thunks: Callable[[], T]) -> tuple[T, ...]:
    """Call functions that need no arguments at the same time, such as `parallel(lambda: plan(a), lambda: plan(b))`.

    Every branch has a copy of the context, with its index at the end of `BRANCH`. At most 16 branches work at the same time, those
    of nested calls included.

    Returns:
        The results, in the order of the arguments.

    Raises:
        BaseException: What the first failing branch, by index, raised; after all have ended.
    """
    outer, threads = BRANCH.get(), max(1, min(ROOM.get(), len(thunks)))

    def run(index: int, thunk: Callable[[], T]) -> T:
        BRANCH.set((*outer, index))
        ROOM.set(ROOM.get() // threads)
        return thunk()

    with FORK.get()(thunks) as branches, ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(copy_context().run, run, index, thunk) for index, thunk in enumerate(branches)]
    return tuple(future.result() for future in futures)


def vote(n: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result that most of `n` equal calls give, such as `vote(5, work, question)`; among equals the earliest.

    Raises:
        ValueError: If `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"vote needs at least 1 call, got {n}")
    results = parallel(*[partial(function, *args, **kwargs)] * n)
    texts = [json.dumps(result, sort_keys=True, default=repr) for result in results]
    return results[texts.index(Counter(texts).most_common(1)[0][0])]


def retry(n: int, function: Callable[..., T], *args: Any, accept: Callable[[T], bool] | None = None, **kwargs: Any) -> T:
    """The first of up to `n` results that `accept` likes, such as `retry(3, work, question, accept=lambda x: x > 0)`.

    A call that raises for its values (`ValueError`, as a prompt without a readable output does, `ArithmeticError`, `LookupError`,
    `AssertionError`) is tried again too. When no result is liked the last attempt counts: its result, or what it raised.

    Raises:
        ValueError: If `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"retry needs at least 1 attempt, got {n}")
    for _ in range(n - 1):
        try:
            result = function(*args, **kwargs)
            if accept is None or accept(result):
                return result
        except (ValueError, ArithmeticError, LookupError, AssertionError):
            continue
    return function(*args, **kwargs)

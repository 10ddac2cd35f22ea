"""What only happens where threads read programs at once, and garbage is collected in between."""

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from graftwork.programs import parsing
from graftwork.programs.parsing import expression_of, module_of

TEXT = "x = " + " + ".join(f"f({i}, (a, [b, {{c: d}}]))" for i in range(200))


@pytest.fixture(autouse=True)
def _often() -> Iterator[None]:
    """Threads change, and garbage is collected, as often as can be."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()

    def give_way(_phase: str, _info: dict[str, int]) -> None:
        time.sleep(0)

    gc.callbacks.append(give_way)
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50, 2, 2)
    yield
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)
    gc.callbacks.remove(give_way)


def test_threads_of_different_depth_may_all_read() -> None:
    wrong: list[str] = []

    def work(depth: int, read: Callable[[], object]) -> None:
        if depth:
            return work(depth - 1, read)
        for _ in range(30):
            try:
                read()
            except Exception as error:  # noqa: BLE001 - nothing may be raised
                wrong.append(repr(error))
        return None

    reads = [lambda: module_of(TEXT), lambda: expression_of(TEXT[4:])] * 2
    threads = [threading.Thread(target=work, args=(30 * i, read)) for i, read in enumerate(reads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_text_is_read_again_where_another_thread_disturbed_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [SystemError("AST constructor recursion depth mismatch (before=198, after=42)")] * 2

    def disturbed(*args: object, **options: object) -> object:
        if failures:
            raise failures.pop()
        return compile(*args, **options)  # type: ignore[call-overload]  # passed on as they came

    monkeypatch.setattr(parsing, "compile", disturbed, raising=False)
    assert len(module_of("x = 1").body) == 1
    assert failures == []

"""Draws: have a file that asks models by itself say with each request which draw it is, as a session would. Standard library only.

The draw is the run's: branch path of the enclosing `parallel` and `vote` calls, and how often this request was made on that path before
(`programs/recording.py`). It travels in a header of the request, beside a digest of the body as the file made it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

__all__ = ["HEADER", "request_digest", "tell_draws"]

HEADER: Final = "x-graftwork-draw"
"""JSON in ASCII: `example`, `draw` and the `request`'s digest."""


def tell_draws(namespace: MutableMapping[str, Any], hook: Mapping[str, str], *, prefix: str, example_id: str) -> None:
    """Wrap the function of a file that completes requests.

    Args:
        namespace: The file's globals after it was executed.
        hook: Names in it: `complete`, the function; `branch`, the context variable of the branch path, or an empty string.
        prefix: Of each draw: purpose and repeat.
        example_id: On which example it runs.
    """
    complete: Callable[[dict[str, Any]], Mapping[str, Any]] = namespace[hook["complete"]]
    asked: Counter[tuple[str, str]] = Counter()  # no lock: branches have paths of their own

    def telling(body: dict[str, Any]) -> Mapping[str, Any]:
        path = ".".join(map(str, namespace[hook["branch"]].get())) if hook["branch"] else ""
        request = request_digest(body)
        draw = f"{prefix}{path}#{asked[path, request]}"
        asked[path, request] += 1
        told = {"example": example_id, "draw": draw, "request": request}
        return complete(body | {"extra_headers": {HEADER: json.dumps(told)}})

    namespace[hook["complete"]] = telling


def request_digest(body: Mapping[str, Any]) -> str:
    """32 hexadecimal digits that name a request as its program made it."""
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=16).hexdigest()

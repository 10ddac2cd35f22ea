"""Canonical JSON: the one text of a value, from which ids and keys are digested."""

from __future__ import annotations

import json

__all__ = ["canonical_json"]


def canonical_json(value: object) -> bytes:
    """The one JSON text of a value: keys sorted, no spaces, UTF-8.

    Raises:
        ValueError: If it holds a number that is not finite, or text that UTF-8 cannot encode (a lone surrogate).
        TypeError: If it is not JSON.
        RecursionError: If it is nested too deep.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")

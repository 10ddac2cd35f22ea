"""The frames that cross every boundary between us and untrusted code, and between a pool and the gateway.

A frame is a length (4 bytes, big-endian) and that many bytes of UTF-8 JSON: an object with `kind` and `id`. No pickle, ever.
Whoever reads must treat what comes as hostile: sizes are capped before anything is allocated, kinds are checked, and a broken
frame is a `WireError`. Ids multiplex calls: a reply carries the id of its call, and may overtake another's.

| kind   | from → to        | fields besides `kind` and `id`                                                        |
|--------|------------------|---------------------------------------------------------------------------------------|
| case   | pool → child     | source, digest, entry, example_id, inputs, seed, limits; of an episode its observation    |
| call   | child → gateway  | body, component, path, occurrence, span (path of the call's own span)                     |
| reply  | gateway → child  | reply (text, tool_calls, finish_reason, usage, model, refusal) or failure (kind, message) |
| step   | child → environment | action, span (path of the step's own span)                                             |
| step   | environment → child | observation, ended                                                                     |
| span   | child → pool     | the fields of `trace.Span`                                                            |
| result | child → pool     | output, or failure (kind, message, component, detail); stdout                         |
| hello, outcome | worker elsewhere → pool | `evaluators/errands.py`                                                |
| work, cancel   | pool → worker elsewhere | `evaluators/errands.py`                                                |

Standard library only: the sandbox's child imports it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final, Literal, get_args

from .errors import WireError

__all__ = ["FRAME_KINDS", "MAX_FRAME_BYTES", "Frame", "FrameKind", "FrameReader", "encode_frame", "to_json"]

FrameKind = Literal["case", "call", "reply", "step", "span", "result", "hello", "work", "cancel", "outcome"]
FRAME_KINDS: Final[tuple[FrameKind, ...]] = get_args(FrameKind)
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
_LENGTH: Final = struct.Struct(">I")
_PLAIN: Final = frozenset((int, float, str, bool, type(None)))

Frame = Mapping[str, object]


def encode_frame(frame: Frame, *, max_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """The bytes of a frame.

    Raises:
        WireError: If it holds something that is not JSON (non-finite numbers included) or is longer than `max_bytes`.
    """
    try:
        payload = _ENCODER.encode(frame).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError) as error:
        raise WireError(f"a frame must be JSON with finite numbers: {error}") from None
    if len(payload) > max_bytes:
        raise WireError(f"a frame may have {max_bytes} bytes, this one has {len(payload)}")
    return _LENGTH.pack(len(payload)) + payload


class FrameReader:
    """Cuts a byte stream into frames. Feed it what arrives; it never holds more than one frame above the cap.

    Args:
        max_bytes: The longest payload accepted.
    """

    def __init__(self, *, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> Iterator[dict[str, object]]:
        """Yield every frame completed by `data`.

        Raises:
            WireError: If a frame is too long, is not a JSON object or has no known kind and integer id.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self._max_bytes:
                raise WireError(f"a frame may have {self._max_bytes} bytes, this one announces {length}")
            if len(self._buffer) < _LENGTH.size + length:
                return
            payload = bytes(self._buffer[_LENGTH.size : _LENGTH.size + length])
            del self._buffer[: _LENGTH.size + length]
            yield _decode(payload)


def _decode(payload: bytes) -> dict[str, object]:
    try:
        frame = _DECODER.decode(payload.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"a frame must be JSON with finite numbers: {error}") from None
    if not isinstance(frame, dict) or frame.get("kind") not in FRAME_KINDS or type(frame.get("id")) is not int:
        raise WireError("a frame must be a JSON object with a known `kind` and an integer `id`")
    return frame


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a finite number")


# Made once: `json.dumps` and `json.loads` with options make new ones for each frame.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def to_json(value: object) -> object:
    """A value as JSON types: tuples become lists, dataclasses and pydantic models objects, numpy arrays and scalars lists and numbers.

    Raises:
        TypeError: For anything else (sets, bytes, functions, …), naming the type.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("an output's keys must be strings")
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _PLAIN else to_json(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    for method in ("model_dump", "tolist"):
        if callable(convert := getattr(value, method, None)):
            return to_json(convert())
    raise TypeError(f"an output must be JSON, a dataclass or a numpy array, not {type(value).__name__}")

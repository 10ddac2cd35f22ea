"""Decode: the schema and the words that ask for a typed output, and the way back from a reply's text to its value.

An export carries this file; standard library only, and no postponed annotations, so that it runs wherever it is put.
"""

import json
import math
import re
import types
from collections import abc
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

__all__ = ["STRUCTURES", "Unreadable", "as_text", "is_structured", "read_reply", "response_format", "schema_of", "wording", "written"]

# An export leaves out what is behind it, `if STRUCTURES and …`, where no prompt of its program gives a structure.
STRUCTURES: Final[bool] = True
JSON_NAMES: Final = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
LISTS: Final = (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection)
MAPPINGS: Final = (dict, abc.Mapping, abc.MutableMapping)
UNIONS: Final = (Union, types.UnionType)
NUMBER: Final = re.compile(r"(?<![\w.])([-+\u2212]?)[$€£]?([0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)?(\.[0-9]+)?([eE][-+]?[0-9]+)?")


class Unreadable(ValueError):
    """A reply cannot be read as the annotated type; the message tells the model what is wrong."""


def plain(value: Any) -> Any:
    """A value that `json` does not know, as one that it knows.

    Raises:
        TypeError: If it is no dataclass, pydantic model, array or set.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    for method in ("model_dump", "tolist"):
        if callable(convert := getattr(value, method, None)):
            return convert()
    raise TypeError(f"expected a JSON value, a dataclass or an array, got {type(value).__name__}")


def as_text(value: Any) -> str:
    """A value as a model reads it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=plain)


def without_none(kind: Any) -> tuple[Any, bool]:
    """The type without None, and whether None was allowed."""
    if get_origin(kind) not in UNIONS:
        return kind, False
    others = tuple(item for item in get_args(kind) if item is not type(None))
    return Union[others], len(others) < len(get_args(kind))  # noqa: UP007 - built from a tuple


def is_structured(kind: Any) -> bool:
    """Whether an output of this type is asked for as JSON, and not in words."""
    kind = without_none(kind)[0]
    return kind not in (*JSON_NAMES, Any, object) and get_origin(kind) is not Literal


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON schema of an annotation; an empty one where anything goes."""
    origin, args = get_origin(kind) or kind, get_args(kind)
    schema: dict[str, Any] = {}
    if kind in JSON_NAMES:
        schema = {"type": JSON_NAMES[kind]}
    elif origin is Literal:
        schema = {"enum": list(args)}
    elif origin in UNIONS:
        schema = {"anyOf": [schema_of(item) for item in args]}
    elif origin is tuple and args and args[-1] is not ...:
        schema = {"type": "array", "prefixItems": [schema_of(item) for item in args], "minItems": len(args), "maxItems": len(args)}
    elif origin in LISTS:
        schema = {"type": "array", "items": schema_of(args[0]) if args else {}}
    elif origin in MAPPINGS:
        schema = {"type": "object", "additionalProperties": schema_of(args[1]) if args else {}}
    elif hasattr(kind, "model_json_schema"):
        schema = dict(kind.model_json_schema())
    elif is_dataclass(kind) or is_typeddict(kind):
        members = {name: schema_of(item) for name, item in get_type_hints(kind).items()}
        schema = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    return schema


def is_object(kind: Any) -> bool:
    """Whether the JSON of a type is an object; endpoints refuse other roots, so other types travel as `{"value": ...}`."""
    return schema_of(kind).get("type") == "object"


def reply_schema(kind: Any) -> dict[str, Any]:
    """Schema of a whole reply."""
    if is_object(kind):
        return schema_of(kind)
    return {"type": "object", "properties": {"value": schema_of(kind)}, "required": ["value"], "additionalProperties": False}


def is_closed(schema: Any) -> bool:
    """Whether a schema leaves nothing open, as the strict mode of endpoints demands."""
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, dict):
        return True
    is_open = schema.get("type") == "object" and schema.get("additionalProperties") is not False
    return bool(schema) and not is_open and "prefixItems" not in schema and all(map(is_closed, schema.values()))


def response_format(kind: Any) -> dict[str, Any]:
    """What asks an endpoint to constrain its reply to a structured type."""
    schema = reply_schema(kind)
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": is_closed(schema)}}


def wording(kind: Any) -> str:
    """The words that ask for an output of this type; empty for text."""
    if STRUCTURES and is_structured(kind):
        return f"Reply with JSON only, matching this schema: {json.dumps(reply_schema(kind), ensure_ascii=False)}"
    kind, may_be_none = without_none(kind)
    words = {int: "one whole number", float: "one number", bool: "yes or no"}.get(kind, "")
    if get_origin(kind) is Literal:
        words = "exactly one of: " + " | ".join(str(option) for option in get_args(kind))
    none = ", or none if there is no answer" if may_be_none else ""
    return f"Reply with {words}{none}. If you explain, put it last." if words else ""


def written(value: Any, kind: Any) -> str:
    """A value as a model would write it: the output of a demonstration."""
    if isinstance(value, bool) and without_none(kind)[0] is bool:
        return "yes" if value else "no"
    if value is None and not is_structured(kind):
        return "none"
    if STRUCTURES and is_structured(kind) and not is_object(kind):
        value = {"value": value}
    return as_text(value)


def read_reply(text: str, kind: Any, *, refusal: str = "") -> Any:
    """The value of a reply.

    Numbers, yes or no, and choices may stand alone or last in a text; structured types are the first JSON value in it that fits.

    Raises:
        Unreadable: If there is none, or the model refused.
    """
    if refusal:
        raise Unreadable(f"the model refused: {refusal}")
    text = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL).strip()
    if not text:
        raise Unreadable("the reply is empty")
    if STRUCTURES and is_structured(kind):
        return read_json(text, kind)
    kind, may_be_none = without_none(kind)
    if may_be_none and text.strip(" .*`'\"").lower() in ("none", "null"):
        return None
    if kind in (int, float):
        return read_number(text, kind)
    if kind is bool:
        return read_choice(text, ("yes", "no", "true", "false")) in ("yes", "true")
    return read_choice(text, get_args(kind)) if get_origin(kind) is Literal else text


def read_number(text: str, kind: Any) -> Any:
    """The number in a text: the last one, within the last box where there is one."""
    boxed = re.findall(r"\\boxed\{([^{}]*)\}", text)
    found = [match for match in NUMBER.finditer(boxed[-1] if boxed else text) if match[2] or match[3]]
    if not found:
        raise Unreadable("expected a number, the reply has none")
    sign, whole, fraction, exponent = (part or "" for part in found[-1].groups())
    digits = sign.replace("\u2212", "-") + whole.replace(",", "")
    if kind is int and not (fraction or exponent) and len(whole) <= 1000:
        return int(digits)
    value = float(digits + fraction + exponent)
    if not math.isfinite(value) or (kind is int and not value.is_integer()):
        raise Unreadable(f"expected a {'whole' if kind is int else 'finite'} number, got {found[-1][0][:40]}")
    return kind(value)


def read_choice(text: str, options: tuple[Any, ...]) -> Any:
    """The option that a text is, else the one that it mentions last."""
    by_name = {str(option).casefold(): option for option in options}
    alone = text.strip(" \n.,;:!*_`'\"").casefold()
    names = "|".join(re.escape(name) for name in sorted(by_name, key=len, reverse=True))
    mentioned = re.findall(rf"(?<!\w)(?:{names})(?!\w)", text.casefold())
    if alone not in by_name and not mentioned:
        raise Unreadable(f"expected one of {', '.join(map(str, options))}; the reply has none of them")
    return by_name[alone if alone in by_name else mentioned[-1]]


def read_json(text: str, kind: Any) -> Any:
    """The first JSON object or array in a text that fits the type."""
    trouble = Unreadable("expected JSON, the reply has none")
    decoder, at = json.JSONDecoder(), 0
    for _ in range(100):  # a reply of a thousand open brackets must not cost a thousand decodings
        start = re.compile(r"[\[{]").search(text, at)
        if start is None:
            break
        at = start.end()
        try:
            value, at = decoder.raw_decode(text, start.start())
            if not is_object(kind) and isinstance(value, dict) and value.keys() == {"value"}:
                value = value["value"]
            return build(value, kind)
        except (ValueError, RecursionError) as error:
            trouble = error if isinstance(error, Unreadable) else Unreadable(f"the JSON is broken: {error}")
    raise trouble


def build(value: Any, kind: Any) -> Any:
    """A JSON value as the annotated type.

    Raises:
        Unreadable: If it does not fit.
    """
    origin, args = get_origin(kind) or kind, get_args(kind)
    if origin in UNIONS:
        return build_first(value, args)
    if isinstance(value, float) and not math.isfinite(value):
        raise Unreadable("expected a finite number")
    if kind in (int, float) and type(value) in (int, float) and value == kind(value):
        return kind(value)
    if (origin is Literal and value in args) or kind in (Any, object) or (kind in JSON_NAMES and type(value) is kind):
        return value
    if isinstance(value, list) and origin in LISTS:
        return build_list(value, origin, args)
    if isinstance(value, dict) and origin in MAPPINGS:
        numeric = bool(args) and args[0] in (int, float)
        return {read_number(key, args[0]) if numeric else key: build(item, args[1] if args else Any) for key, item in value.items()}
    if callable(validate := getattr(kind, "model_validate", None)):
        try:
            return validate(value)
        except ValueError as error:
            raise Unreadable(str(error)) from None
    if isinstance(value, dict) and (is_dataclass(kind) or is_typeddict(kind)):
        return build_record(value, kind)
    raise Unreadable(f"expected {getattr(kind, '__name__', kind)}, got {json.dumps(value)[:80]}")


def build_first(value: Any, kinds: tuple[Any, ...]) -> Any:
    """A JSON value as the first of some types that it fits."""
    trouble = Unreadable("expected a value")
    for kind in kinds:
        try:
            return build(value, kind)
        except Unreadable as error:
            trouble = error
    raise trouble


def build_list(value: list[Any], origin: Any, args: tuple[Any, ...]) -> Any:
    """A JSON array as a list, set or tuple."""
    each = args if origin is tuple and args and args[-1] is not ... else (args[0] if args else Any,) * len(value)
    if len(value) != len(each):
        raise Unreadable(f"expected {len(each)} items, got {len(value)}")
    items = [build(item, kind) for item, kind in zip(value, each, strict=True)]
    return origin(items) if origin in (set, frozenset, tuple) else items


def build_record(value: dict[str, Any], kind: Any) -> Any:
    """A JSON object as a dataclass or a typed dictionary; members that the type does not have are dropped."""
    hints, make = get_type_hints(kind), kind
    if is_dataclass(kind):
        needed = {item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING}
        hints = {item.name: hints[item.name] for item in fields(kind) if item.init}
    else:
        # Postponed annotations hide `NotRequired` from the class itself.
        marked = get_type_hints(kind, include_extras=True).items()
        needed = {name for name, item in marked if name in kind.__required_keys__ and get_origin(item) is not NotRequired}
    if missing := sorted(needed - value.keys()):
        raise Unreadable(f"the JSON object lacks {', '.join(missing)}")
    return make(**{name: build(value[name], item) for name, item in hints.items() if name in value})

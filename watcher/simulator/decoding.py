"""JSON as clients send it. What is nested without measure is refused here: nothing further in would get through it."""

from typing import Any

import msgspec

from watcher.simulator.errors import invalid_json

DEEPEST = 100
"""Levels of objects and lists; the deepest body that the API documents has seven."""


def decoded(raw: bytes) -> Any:
    """The value of a JSON text. Raises ApiError 400 InvalidJsonInput."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid_json(str(error)) from None
    if is_deep(value):
        raise invalid_json(f"nested in more than {DEEPEST} levels")
    return value


def is_deep(value: Any) -> bool:
    """Whether a value has more levels than anything here needs. Goes level by level, so that it has no depth itself."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in inside(one) if isinstance(inner, dict | list)]
    return bool(level)


def inside(value: Any) -> Any:
    """What an object or a list holds."""
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()

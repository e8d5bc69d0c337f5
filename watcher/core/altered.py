"""Copies of what cannot be changed, with some of it changed: `dataclasses.replace` in half the time.

Judging an event copies several things of twenty fields each, which was a tenth of what it cost.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def altered(record: T, **changes: Any) -> T:
    """The copy of a dataclass with slots that has these fields changed; nothing is checked and nothing is run after it.

    Raises:
        TypeError: it has no such field.
    """
    kind: Any = type(record)
    names, values_of, setters = _plan(kind)
    values = dict(zip(names, values_of(record), strict=True)) | changes
    if len(values) != len(names):
        raise TypeError(f"{kind.__name__} has no {' and no '.join(values.keys() - set(names))}")
    made: T = object.__new__(kind)
    for put, value in zip(setters, values.values(), strict=True):
        put(made, value)
    return made


@cache
def _plan(
    kind: Any,
) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], tuple[Callable[[Any, Any], None], ...]]:
    names = tuple(each.name for each in fields(kind))
    return names, attrgetter(*names), tuple(getattr(kind, name).__set__ for name in names)

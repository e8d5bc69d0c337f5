"""Bodies made from the table: one as it should be for each type, and every way in which one field can be wrong."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.facts.table import TABLE, Field

WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "string": (7, True, ["x"], {"x": "x"}),
    "integer": ("many", 1.5, True, []),
    "number": ("many", True, []),
    "boolean": ("yes", 1, []),
}
OPEN: Final = frozenset({"Region"})
"""Enums that have grown and shrunk before, so that an unknown value is not wrong in itself."""


def wrong_values(field: Field) -> Iterator[Any]:
    """Values that a field cannot have."""
    kind = field.type
    if kind.endswith("[]"):
        yield from ("x", 7, {"x": "x"})
        yield from ([wrong] for wrong in wrong_values(Field(type=kind.removesuffix("[]"))))
        if field.min_items:
            yield []
    elif kind in TABLE.types:
        yield from ("x", 7, ["x"])
    elif kind in TABLE.enums:
        yield from WRONG["string"]
        yield from () if kind in OPEN else ("unheard of",)
    else:
        yield from of_plain(TABLE.strings.get(kind, field))


def of_plain(field: Field) -> Iterator[Any]:
    """Values that a string, a number or a boolean cannot have."""
    yield from WRONG[field.type]
    if field.pattern:
        yield "not: this"
    if field.minimum is not None:
        yield field.minimum - 1
    if field.min_length:
        yield from ("x" * (field.min_length - 1), "x" * (field.max_length + 1))


def broken(fields: Mapping[str, Field], right: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """`right` with one field missing that is required, or with one that is wrong."""
    for name, field in fields.items():
        if not field.optional:
            yield {key: value for key, value in right.items() if key != name}
            yield {**right, name: None}
        yield from ({**right, name: value} for value in wrong_values(field))

"""What is wrong with a configuration, as lines for a person: the exact path, then what to do about it.

pydantic's own errors are translated; none of its texts that could repeat a value is used.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ValidationError

Path: TypeAlias = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,100}")
_WORDS = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list, like [ … ]",
    "list_type": "must be a list, like [ … ]",
    "dict_type": "must be a table, like { … }",
    "model_type": "must be a table, like { … }",
    "model_attributes_type": "must be a table, like { … }",
    "path_type": "must be a path",
    "too_short": "must have at least one entry",
    "recursion_loop": "is nested too deeply",
}
_FORMS = {
    "key": "may have letters, digits, - and _ only",
    "region": "must be a region like europe-west1.gcp",
    "scope": "must be scopes with one space between them",
    "name": "must be a name of 1 to 200 printable characters",
    "receiver": "must be a name of 1 to 200 printable characters",
    "allowed_users": "must be a user's id, like U0123ABCD, or *",
    "allowed_groups": "must be a user group's id, like S0123ABCD",
    "url": "must be sqlite:///relative.db or sqlite:////absolute/path.db",
    "labels": "is not a label name: letters, digits and _ only, no digit first",
    "annotations": "is not a name: letters, digits and _ only, no digit first",
}


def written(path: Path) -> str:
    """`receivers[0].slack[0].url`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _PLAIN.fullmatch(part) else repr(part[:100]))
    return text


def line(path: Path, words: str) -> str:
    """One problem."""
    return f"{written(path)}: {words}" if path else words


def of(error: ValidationError, model: type[BaseModel], *, known: Iterable[Path] = ()) -> Iterator[tuple[Path, str]]:
    """The problems in a validation error, without those at a path that already has one."""
    told = set(known)
    found = error.errors(include_url=False, include_input=False)
    broken = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
    for each in found:
        path = tuple(part for part in each["loc"] if part != "[key]")
        # a list is also called too short because each of its entries is wrong
        if path not in told and not (each["type"] == "too_short" and each["loc"] in broken):
            yield path, _said(each["type"], path, each.get("ctx", {}), each["msg"], model)


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean x?`, or what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known are {', '.join(names)}" if names else ""


class Nested(NamedTuple):
    """The tables under a key: what they are, and whether there is a list of them."""

    model: type[BaseModel]
    many: bool


def model_at(path: Path, model: type[BaseModel]) -> type[BaseModel] | None:
    """The model of the table that a path leads to."""
    for part in path:
        if isinstance(part, str):
            below = fields(model).get(part)
            if below is None:
                return None
            model = below.model
    return model


def fields(model: type[BaseModel]) -> dict[str, Nested | None]:
    """The keys that a table may have, and what stands under each, where that is tables, too."""
    return {field.alias or name: _nested(field.annotation) for name, field in model.model_fields.items()}


def mentions(annotation: Any, kind: type) -> bool:
    """Whether a field's type has another type in it."""
    return annotation is kind or any(mentions(part, kind) for part in get_args(annotation))


def _nested(annotation: Any, *, many: bool = False) -> Nested | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Nested(annotation, many)
    many = many or get_origin(annotation) is tuple
    return next((found for part in get_args(annotation) if (found := _nested(part, many=many)) is not None), None)


def _instead(path: Path, model: type[BaseModel]) -> str:
    table, key = model_at(path[:-1], model), str(path[-1])
    if len(path) > 1 and key in fields(model) and fields(model)[key] is None:
        return "; it belongs at the top of the file, above the first [table]"
    return suggestion(key, fields(table) if table else ())


def _words(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "too_short" and context.get("actual_length"):
        return f"must have at least {context['min_length']} characters"
    return _WORDS.get(kind, f"cannot be used ({kind})")


def _said(kind: str, path: Path, context: Mapping[str, Any], message: str, model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        return "unknown key" + _instead(path, model)
    if kind == "value_error":
        return str(context["error"])
    if kind in {"literal_error", "enum"}:
        return f"must be {context['expected']}".replace("'", '"')
    if kind == "string_pattern_mismatch":
        names = [part for part in path if isinstance(part, str)]
        return next((_FORMS[name] for name in reversed(names) if name in _FORMS), "is not of the expected form")
    if kind in {"greater_than_equal", "less_than_equal", "greater_than", "less_than"}:
        return message.replace("Input should", "must")
    return _words(kind, context)

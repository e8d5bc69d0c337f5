"""A judge of answers: what in a payload or a refusal is not as the table says."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from tests.facts.table import ADDED, ANNOUNCED_ERRORS, AUTH_ERRORS, NULLABLE, STATUSES, TABLE, Field

LOOSE: Final = {
    "id=$resourceId or key=$resourceKey": r"(?:id=\S+(?: or key=\S+)?|key=\S+)",
    "'(preview|sandbox|production)' types": r"'(?:preview|sandbox|production)(?:\W+(?:preview|sandbox|production))*' types",
    "(preview|sandbox|production)": r"(?:preview|sandbox|production)",
    "(secret|standard)": r"(?:secret|standard)",
    "start/end date": r"(?:start/end|start|end) date",
    "Already deploying": r"Already (?:queued|deploying|undeploying)",
}
"""Pieces of the message templates that stand for a choice rather than for themselves."""


PLAIN: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "any": object,
}


def status_of(code: str) -> int:
    """The HTTP status an error code comes with."""
    return STATUSES.get(code, 400)


def message_pattern(code: str) -> re.Pattern[str]:
    """What a message of this code looks like; anything but nothing where no template is documented."""
    template = TABLE.errors[code].message if code in TABLE.errors else ""
    parts = re.split(f"({'|'.join(map(re.escape, LOOSE))}|\\$\\w+)", template)
    pattern = "".join(LOOSE.get(part) or (r".+" if part.startswith("$") else re.escape(part)) for part in parts)
    if code == "ResourceNotFound":  # documented for Deployments, used for every resource
        pattern = pattern.replace("Deployment", r"\w+", 1)
    return re.compile(pattern or ".+", re.DOTALL)


Seen = Counter[tuple[str, str]]
"""How often each (type, field) and each (enum, value) was met in answers."""


def contradictions(value: Any, kind: str, seen: Seen, field: Field | None = None, at: str = "$") -> Iterator[str]:
    """Every way in which a value is not what its type says, each with its place."""
    if kind.endswith("[]"):
        yield from of_array(value, kind, seen, field, at)
    elif kind in TABLE.types:
        yield from of_object(value, kind, seen, at)
    elif kind in TABLE.enums:
        seen[kind, str(value)] += 1
        if value not in TABLE.enums[kind]:
            yield f"{at}: {value!r} is no {kind}"
    elif kind in TABLE.strings:
        yield from of_plain(value, TABLE.strings[kind], at)
    else:
        yield from of_plain(value, field or Field(type=kind), at)


def of_array(value: Any, kind: str, seen: Seen, field: Field | None, at: str) -> Iterator[str]:
    """The contradictions of an array and of what it holds."""
    if not isinstance(value, list):
        yield f"{at}: {value!r} is no array"
        return
    if field and len(value) < field.min_items:
        yield f"{at}: fewer than {field.min_items}"
    for number, item in enumerate(value):
        yield from contradictions(item, kind.removesuffix("[]"), seen, None, f"{at}[{number}]")


def of_object(value: Any, kind: str, seen: Seen, at: str) -> Iterator[str]:
    """The contradictions of an object: fields missing, unknown, or wrong in themselves."""
    if not isinstance(value, dict):
        yield f"{at}: {value!r} is no object"
        return
    fields = TABLE.types[kind]
    for name, field in fields.items():
        if name not in value and not field.optional:
            yield f"{at}: {kind}.{name} is missing"
    for name, found in value.items():
        place = f"{at}.{name}"
        if name not in fields:
            if (kind, name) not in ADDED and kind != "ErrorObject":
                yield f"{place}: {kind} has no such field"
            continue
        seen[kind, name] += found is not None
        if fields[name].enum:
            seen[f"{kind}.{name}", str(found)] += 1
        if found is not None or (kind, name) not in NULLABLE:
            yield from contradictions(found, fields[name].type, seen, fields[name], place)


def of_plain(value: Any, field: Field, at: str) -> Iterator[str]:
    """The contradictions of a string, a number, a boolean or a moment."""
    if field.type == "datetime":
        if not (isinstance(value, str) and value.endswith("Z") and is_moment(value)):
            yield f"{at}: {value!r} is no moment in UTC"
        return
    if not isinstance(value, PLAIN[field.type]) or (isinstance(value, bool) and field.type not in {"boolean", "any"}):
        yield f"{at}: {value!r} is no {field.type}"
    elif field.enum and value not in field.enum:
        yield f"{at}: {value!r} is none of {field.enum}"
    elif isinstance(value, str):
        if not field.min_length <= len(value) <= field.max_length:
            yield f"{at}: {value!r} is too short or too long"
        if field.pattern and not re.search(field.pattern, value):
            yield f"{at}: {value!r} does not match {field.pattern}"
    elif field.minimum is not None and isinstance(value, (int, float)) and value < field.minimum:
        yield f"{at}: {value!r} is below {field.minimum}"


def is_moment(text: str) -> bool:
    """Whether it is a date and time of ISO 8601."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def refusal_contradictions(status: int, body: Any, seen: Seen) -> Iterator[str]:
    """Every way in which a refusal is not what the description says of errors."""
    yield from of_object(body, "ErrorResponse", seen, "$")
    errors = body.get("errors") or [] if isinstance(body, dict) else []
    if not errors or body["statusCode"] != status or body["message"] != errors[0]["message"]:
        yield f"$: statusCode or message disagree with {status} or the first error: {body!r}"
    for number, error in enumerate(errors):
        yield from of_error(status, error, seen, f"$.errors[{number}]")


def of_error(status: int, error: dict[str, Any], seen: Seen, at: str) -> Iterator[str]:
    """The contradictions of one error: its code, status, message and further fields."""
    code = error["code"]
    if code not in {*TABLE.errors, *ANNOUNCED_ERRORS, *AUTH_ERRORS}:
        yield f"{at}: {code!r} is no documented code"
        return
    seen["error", code] += 1
    if status != status_of(code):
        yield f"{at}: {code} came with {status}"
    if not message_pattern(code).fullmatch(error["message"]):
        yield f"{at}: {code} says {error['message']!r}"
    fields = TABLE.errors[code].fields if code in TABLE.errors else {}
    for name, field in fields.items():
        if name in error:
            yield from contradictions(error[name], field.type, seen, field, f"{at}.{name}")
        elif not field.optional:
            yield f"{at}: {code}.{name} is missing"
    yield from (f"{at}.{name}: {code} has no such field" for name in error if name not in {"code", "message", *fields})

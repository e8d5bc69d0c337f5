"""OTLP in JSON: names in camelCase as the specification wants them or in snake_case, numbers as numbers or text."""

import re
from base64 import b64decode
from typing import Any

import msgspec
from msgspec import Raw, Struct, field
from opentelemetry.proto.logs.v1 import logs_pb2

from watcher.core.duration import Millis
from watcher.core.logrecord import LogRecord
from watcher.sources.otlp.names import DEPLOYMENT, DETAIL, SEVERITY, may_have_deployment, place
from watcher.sources.otlp.shape import (
    MAX_ATTRIBUTES,
    MAX_RECORD,
    Found,
    Sorted,
    TooManyError,
    keep,
    make_record,
    nothing_found,
    spoken_severity,
    whole,
)

_MAX_COMMAS = 1_000_000
"""What a body can hold before it is known what it holds; a comma stands between any two things."""
_MAX_DEPTH = 32
_INTEGERS = frozenset({"intValue", "int_value"})
_SCALARS = _INTEGERS | {
    *("stringValue", "string_value", "boolValue", "bool_value", "doubleValue", "double_value"),
    *("bytesValue", "bytes_value"),
}
_AS_TEXT = _INTEGERS | {"bytesValue", "bytes_value"}
_ARRAYS = frozenset({"arrayValue", "array_value"})
_MAPS = frozenset({"kvlistValue", "kvlist_value"})
_NUMBERS: dict[str, int] = dict(logs_pb2.SeverityNumber.items())
_TORN = re.compile(rb"(?i)\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}")
"""Half of a character that JSON writes as two, as JavaScript leaves it where it cuts a text."""


class _ScopeLogs(Struct):
    scope: Any = None
    log_records: list[Raw] | None = field(name="logRecords", default=None)
    snake: list[Raw] | None = field(name="log_records", default=None)


class _ResourceLogs(Struct):
    resource: Any = None
    scope_logs: list[_ScopeLogs] | None = field(name="scopeLogs", default=None)
    snake: list[_ScopeLogs] | None = field(name="scope_logs", default=None)


class _Request(Struct):
    resource_logs: list[_ResourceLogs] | None = field(name="resourceLogs", default=None)
    snake: list[_ResourceLogs] | None = field(name="resource_logs", default=None)


_decoder = msgspec.json.Decoder(_Request)


def read(body: bytes, now: Millis) -> Sorted:
    """The records of an ExportLogsServiceRequest. Raises ValueError."""
    if body.count(b",") > _MAX_COMMAS:
        raise TooManyError("more values in one request than are taken at once")
    found = Sorted()
    for each in _request(body):
        known = _known(each.resource, nothing_found())
        for scope in (*(each.scope_logs or ()), *(each.snake or ())):
            found.take(1)
            raws = (*(scope.log_records or ()), *(scope.snake or ()))
            found.expect(len(raws))
            _read_scope(raws, _known(scope.scope, known), found, now)
    return found


def _request(body: bytes) -> tuple[_ResourceLogs, ...]:
    try:
        try:
            found = _decoder.decode(body)
        except ValueError:
            if not _TORN.search(body):
                raise
            found = _decoder.decode(_TORN.sub(rb"\\ufffd", body))
    except (ValueError, RecursionError):
        raise ValueError("not an ExportLogsServiceRequest in the JSON of OTLP") from None
    return (*(found.resource_logs or ()), *(found.snake or ()))


def _read_scope(raws: tuple[Raw, ...], known: Found, found: Sorted, now: Millis) -> None:
    ours = bool(known[DEPLOYMENT])
    for raw in raws:
        text = bytes(raw)
        if not ours and not may_have_deployment(text):
            found.foreign += 1
            continue
        try:
            record = _read_record(text, known, now)
        except (ValueError, RecursionError):
            found.malformed += 1
            continue
        if record is None:
            found.foreign += 1
        else:
            found.records.append(record)


def _read_record(text: bytes, known: Found, now: Millis) -> LogRecord | None:
    if len(text) > MAX_RECORD:
        raise ValueError(f"larger than {MAX_RECORD:,} bytes")
    wire = msgspec.json.decode(text)
    if type(wire) is not dict:
        raise ValueError("not a LogRecord")
    found = _with_attributes(known, wire.get("attributes"))
    if not found[SEVERITY]:
        said = _either(wire, "severityText", "severity_text")
        number = _number(_either(wire, "severityNumber", "severity_number"))
        found[SEVERITY] = spoken_severity(said if type(said) is str else "", number)
    nanos = whole(_either(wire, "timeUnixNano", "time_unix_nano"))
    observed = whole(_either(wire, "observedTimeUnixNano", "observed_time_unix_nano"))
    return make_record(found, _plain(wire.get("body"), _MAX_DEPTH), nanos, observed, now)


def _known(level: Any, outer: Found) -> Found:
    """What is known of all records below a resource or a scope."""
    return _with_attributes(outer, level.get("attributes")) if type(level) is dict else outer


def _with_attributes(known: Found, attributes: Any) -> Found:
    found = known.copy()
    if type(attributes) is not list:
        return found
    if len(attributes) > MAX_ATTRIBUTES:
        raise ValueError(f"more than {MAX_ATTRIBUTES:,} attributes")
    named = []
    for each in attributes:
        name = each.get("key") if type(each) is dict else None
        slot, short = place(name) if type(name) is str else (-1, "")
        if slot < 0:
            continue
        value = _plain(each.get("value"), _MAX_DEPTH)
        if slot == DETAIL:
            named.append((short, value))
        elif slot < DETAIL:
            keep(found, slot, value)
    if named:
        found[DETAIL] = (*found[DETAIL], *named)
    return found


def _plain(value: Any, depth: int) -> Any:
    """An AnyValue as what it stands for; what is none, but plain JSON, stands for itself. Raises ValueError: too deep."""
    if type(value) is not dict or len(value) != 1:
        return value if value != {} else None
    ((kind, inner),) = value.items()
    if kind in _SCALARS:
        return _scalar(kind, inner)
    if kind not in _ARRAYS and kind not in _MAPS:
        return value
    if depth == 0:
        raise ValueError("too deep")
    listed = inner.get("values") if type(inner) is dict else None
    items = listed if type(listed) is list else []
    if kind in _ARRAYS:
        return [_plain(each, depth - 1) for each in items]
    return {str(each.get("key", "")): _plain(each.get("value"), depth - 1) for each in items if type(each) is dict}


def _scalar(kind: str, value: Any) -> Any:
    """Integers and bytes are written as text; anything else is what it is."""
    if type(value) is not str or kind not in _AS_TEXT:
        return value
    if kind in _INTEGERS:
        return int(value) if len(value) <= 20 and value.removeprefix("-").isdecimal() else value  # noqa: PLR2004  2⁶⁴ has 20 digits
    return b64decode(value).decode(errors="replace")


def _number(value: Any) -> int:
    """A SeverityNumber by number or by name."""
    return _NUMBERS.get(value, 0) or whole(value) if type(value) is str else whole(value)


def _either(wire: dict[str, Any], camel: str, snake: str) -> Any:
    found = wire.get(camel)
    return wire.get(snake) if found is None else found

"""From fields found somewhere in a record to a LogRecord."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from watcher.core.duration import Millis
from watcher.core.level import LEVELS, effective
from watcher.core.logrecord import HTTP_REQUEST, JSON, TEXT, LogRecord
from watcher.redact import clean
from watcher.sources.otlp.http_fields import latency_of, path_of, status_of
from watcher.sources.otlp.names import (
    APPLICATION,
    DEPLOYMENT,
    DETAIL,
    DETAILS,
    PROJECT,
    TIMESTAMP,
    WASTE,
    place,
)

try:
    from isal.isal_zlib import crc32
except ImportError:  # an extra; the checksums are the same
    from zlib import crc32

MAX_RECORDS = 65_536
MAX_RECORD = 1024 * 1024
"""Bytes of one record on the wire; four times what the log service behind Connect takes."""
MAX_ATTRIBUTES = 1_000
"""Attributes of one record."""
MAX_PARTS = 400_000
"""Resources, scopes and attributes of one request, together, as far as they have to be decoded."""
MAX_MESSAGE = 64 * 1024
"""Characters of a message that are looked at."""
_MAX_NAME = 256
_MAX_PATH = 16
AHEAD: Millis = 300_000
"""How far ahead of us a sender's clock may be before its times are not believed."""
NANOS = 1_000_000
"""Nanoseconds of a millisecond."""
_NUMBERS = (
    *("DEFAULT", "DEBUG", "DEBUG", "DEBUG", "DEBUG", "DEBUG", "DEBUG", "DEBUG", "DEBUG", "INFO"),
    *("NOTICE", "NOTICE", "NOTICE", "WARNING", "WARNING", "WARNING", "WARNING", "ERROR", "ERROR", "ERROR", "ERROR"),
    *("CRITICAL", "ALERT", "ALERT", "EMERGENCY"),
)
"""What OpenTelemetry's SeverityNumber means, by number; 0 is not said."""
_WORDS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
_KNOWN = frozenset(LEVELS)
_OWN = frozenset({DEPLOYMENT, APPLICATION, PROJECT})
BITS = 0x3FFF_FFFF
"""Of a time in nanoseconds, what is part of a key."""
_NO_HTTP = ("", "", 0, 0)
new_record = tuple.__new__
checksum = crc32

Found: TypeAlias = list[Any]
"""What was found for a record, by the places of `names`; under `DETAIL` the named details, as pairs."""
Fields: TypeAlias = Mapping[str, Any]
_Structured: TypeAlias = tuple[str, str, bytes, str | float | None, tuple[str, str, int, Millis]]


class TooManyError(ValueError):
    """A request of more records than are taken at once."""


@dataclass(slots=True)
class Sorted:
    """The records of a request as far as it has been read, and how much more there may be of it."""

    records: list[LogRecord] = field(default_factory=list)
    foreign: int = 0
    malformed: int = 0
    records_left: int = MAX_RECORDS
    parts_left: int = MAX_PARTS
    quickly: bool = True

    def expect(self, records: int) -> None:
        """Count records that come. Raises TooManyError."""
        self.records_left -= records
        if self.records_left < 0:
            raise TooManyError(f"more than {MAX_RECORDS:,} records in one request")

    def take(self, parts: int) -> None:
        """Count resources, scopes or attributes. Raises TooManyError."""
        self.parts_left -= parts
        if self.parts_left < 0:
            raise TooManyError(f"more than {MAX_PARTS:,} resources, scopes and attributes in one request")


def nothing_found() -> Found:
    """A record of which nothing is known."""
    return ["", "", "", "", None, "", None, ()]


def keep(found: Found, slot: int, value: Any) -> None:
    """Note what a field of Connect says, if it says anything."""
    kept = value if slot in (TIMESTAMP, DETAILS) else word(value)
    if kept:
        found[slot] = kept


def make_record(
    found: Found, body: object, nanos: int, observed: int, now: Millis, raw: bytes = b""
) -> LogRecord | None:
    """The record, or nothing where it is none of Connect's.

    Its key is equal for equal records and, within a second of one application, hardly ever for others. `body` is text, a
    mapping, a list, a number or nothing. `nanos` is when the record was written, `observed` when
    somebody saw it, in nanoseconds since the epoch; 0 where it is not said. `raw` is what tells its fields from those of
    others, where there is something simpler than their JSON. Raises ValueError: it makes no sense.
    """
    if type(body) is str and body[:1] == "{":
        body = parsed(body)
    if type(body) is dict:
        body = _opened(body, found)
    kind, deployment, application, severity, stamp, project, details, named = found
    if not deployment:
        return None
    nanos = nanos or _stamp(stamp) or observed
    at = nanos // NANOS
    if not 0 < at <= now + AHEAD and (now or not at):
        at = now
    severity = severity or "DEFAULT"
    if details is None and not named and type(body) is str:  # as most records are
        kind, message, packed, value, http = kind or TEXT, body[:MAX_MESSAGE], b"", None, _NO_HTTP
    else:
        kind, message, packed, value, http = _structured(kind, details, named, body)
    level = effective(severity, value, message)
    telling = raw if raw and kind != TEXT else packed
    key = (nanos & BITS) << 32 | checksum(
        telling, checksum(f"{kind}\n{severity}\n{message}".encode("utf-8", "replace"))
    )
    line = (deployment, application, kind, severity, level, at, message, *http, packed, project, key)
    return new_record(LogRecord, line)


def _structured(kind: str, details: Any, named: Sequence[tuple[str, Any]], body: object) -> _Structured:
    """What is said with fields: type, message, JSON, the application's own level, and what an HTTP request was."""
    fields, text = _gathered(details, named, body)
    kind = kind or _kind(fields)
    if not fields:
        return kind, text[:MAX_MESSAGE], b"", None, _NO_HTTP
    said = fields.get("message")
    if len(fields) == 1 and type(said) is str and kind != JSON:
        return kind, said[:MAX_MESSAGE], b"", None, _NO_HTTP
    packed = msgspec.json.encode(fields)
    message = (_message(fields) if said != "" or "msg" in fields or "err" in fields else said) or text
    if not message and said != "":
        message = packed.decode()
    return kind, message[:MAX_MESSAGE], packed if kind != TEXT else b"", _own_level(fields), http_of(fields)


def spoken_severity(text: str, number: int) -> str:
    """A severity in Connect's words, of the two that OpenTelemetry's own fields have; empty where they say nothing."""
    said = word(text).upper()
    said = _WORDS.get(said, said)
    if said in _KNOWN:
        return said
    if 0 < number < len(_NUMBERS):
        return _NUMBERS[number]
    return said


def parsed(text: str) -> object:
    """The mapping that a text is the JSON of; the text itself where it is none."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text
    return value if type(value) is dict else text


def _opened(body: dict[str, Any], found: Found) -> object:
    """What is left of a body once the fields of Connect that it holds are found.

    A body that is what the application wrote may have fields of the same names. It is read as Connect's record only where
    it alone knows the Deployment, or has nothing but fields of Connect's, details among them, and names no other
    Deployment, application or project: nobody writes in the name of another.
    """
    placed = [(*place(name), name, value) for name, value in body.items()]
    slots = {slot for slot, _, _, value in placed if value}
    if found[DEPLOYMENT]:
        whole = WASTE not in slots and bool(slots & {DETAILS, DETAIL, DEPLOYMENT})
        whole = whole and not any(slot in _OWN and found[slot] not in {"", word(value)} for slot, _, _, value in placed)
    else:
        whole = DEPLOYMENT in slots
    if not whole:
        return body
    rest = {}
    named = []
    for slot, short, name, value in placed:
        if slot == WASTE:
            rest[name] = value
        elif slot == DETAIL:
            named.append((short, value))
        else:
            keep(found, slot, value)
    found[DETAIL] = (*found[DETAIL], *named)
    return rest or None


def _gathered(details: Any, named: Sequence[tuple[str, Any]], body: object) -> tuple[Fields, str]:
    """The details as a mapping, and what is said as plain text."""
    if type(details) is str and details[:1] == "{":
        details = parsed(details)
    fields: Fields = details if type(details) is dict else {}
    text = "" if details is None or fields is details else _text(details)
    if named:
        fields = {**fields, **_nested(named)} if fields else _nested(named)
    if type(body) is dict:
        fields = {**body, **fields}
    elif body is not None and not text:
        text = _text(body)
    return fields, text


def _nested(named: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """`err.message` and `err.stack` as one mapping `err`."""
    result: dict[str, Any] = {}
    for name, value in named:
        if "." not in name:
            result[name] = value
            continue
        *outer, last = name.split(".", _MAX_PATH)
        inner = result
        for each in outer:
            below = inner.setdefault(each, {})
            if type(below) is not dict:
                inner, last = result, name
                break
            inner = below
        inner[last] = value
    return result


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def word(value: object) -> str:
    """A name or a word of Connect's, fit to be kept and shown: on one line, not endless, and without anything secret."""
    return _worded(value.strip()[:_MAX_NAME]) if type(value) is str else ""


@lru_cache(maxsize=4096)
def _worded(text: str) -> str:
    shown = clean(text, _MAX_NAME)
    return shown if shown.isprintable() else " ".join(shown.split())


def _kind(fields: Fields) -> str:
    """The type of a record that does not say it."""
    if "requestMethod" in fields or "requestUrl" in fields:
        return HTTP_REQUEST
    return JSON if fields.keys() - {"message"} else TEXT


def _message(fields: Fields) -> str:
    """What a structured record says, under one of the names that loggers use."""
    for name in ("message", "msg"):
        said = fields.get(name)
        if type(said) is str and said:
            return said
    error = fields.get("err")
    if type(error) is dict:
        said, stack = error.get("message"), error.get("stack")
        said, stack = said if type(said) is str else "", stack if type(stack) is str else ""
        return stack if said in stack else f"{said}\n{stack}".strip()
    return error if type(error) is str else ""


def _own_level(fields: Fields) -> str | float | None:
    """What the application says of a record's severity."""
    for name in ("severity", "level"):
        value = fields.get(name)
        if isinstance(value, str | int | float) and value and value is not True:
            return value
    return None


def http_of(fields: Fields) -> tuple[str, str, int, Millis]:
    """Method, path, status and latency."""
    method = fields.get("requestMethod", fields.get("request_method"))
    url = fields.get("requestUrl", fields.get("request_url"))
    if method is None and url is None:
        return _NO_HTTP
    return word(method).upper(), path_of(url), status_of(fields.get("status")), latency_of(fields.get("latency"))


def _stamp(value: object) -> int:
    """A time in nanoseconds since the epoch, of a text in ISO 8601 or a number of any usual unit; 0 for anything else."""
    if type(value) is str and not value.isdecimal():
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return 0
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(int(at.timestamp() * 1000), 0) * NANOS
    if type(value) is str or type(value) is int or type(value) is float:
        return _in_nanos(whole(value))
    return 0


def _in_nanos(number: int) -> int:
    for digits, unit in ((11, 1_000_000_000), (14, 1_000_000), (17, 1_000)):
        if number < 10**digits:
            return number * unit
    return number


def whole(value: object) -> int:
    """A number of 64 bits that is not negative, however it is written; 0 for anything else."""
    if type(value) is str and not (value.isascii() and value.isdecimal() and len(value) <= 20):  # noqa: PLR2004  2⁶⁴ has 20 digits
        return 0
    if type(value) is not int and type(value) is not str and type(value) is not float:
        return 0
    try:
        number = int(value)
    except (ValueError, OverflowError):  # not a number, or endless
        return 0
    return number if 0 < number < 1 << 64 else 0

"""What a page of logs means: one LogRecord for each of its records, however it is written.

Every field may be missing, null or of another type than documented, and `details` may be anything. A record is left out
and counted only where it is no object or says no time; one that cannot be read as JSON costs the page nothing but time.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

try:
    from isal.isal_zlib import crc32
except ImportError:  # an extra; the checksums are the same
    from zlib import crc32

from watcher.connect.wire import LINK, NOT_READABLE, looks_like, repaired, word
from watcher.core.duration import Millis
from watcher.core.level import effective
from watcher.core.logrecord import TEXT, LogRecord

MAX_SPLIT = 4 * 2**20
"""Characters of a page with a broken record that are searched for the sound ones."""
MAX_TOKEN = 8_192
MAX_LATENCY: Millis = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PIECES = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[][{},]', re.DOTALL)  # a text that never ends is searched once
_DATA = re.compile(r'\s*\{.*?"data"\s*:\s*\[', re.DOTALL)
_NEXT = re.compile(r'"next"\s*:\s*("(?:[^"\\]++|\\.)*+")', re.DOTALL)
_MOMENT = re.compile(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", re.ASCII)
_STATUSES = range(100, 1000)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class _RecordWire(Struct, rename="camel", gc=False):
    timestamp: str = ""
    type: str | None = None
    application_name: str | None = None
    severity: str | None = None
    details: Raw = Raw(b"")


class _LooseRecord(Struct, rename="camel", gc=False):
    timestamp: Any = None
    type: Any = None
    application_name: Any = None
    severity: Any = None
    details: Raw = Raw(b"")


class _PageWire(Struct):
    data: list[_RecordWire]
    next: Any = None


class _LoosePage(Struct):
    data: list[Raw]
    next: Any = None


class _Details(Struct, rename="camel", gc=False):
    """The fields of `details` that mean something to us, by the names that loggers and the platform give them."""

    message: Any = None
    msg: Any = None
    level: Any = None
    severity: Any = None
    err: Any = None
    request_method: Any = None
    request_url: Any = None
    status: Any = None
    latency: Any = None


class LogPage(NamedTuple):
    """A page as it was read. `next` is the token of the page after it, empty at the end; `quarantined` were left out."""

    records: Sequence[LogRecord]
    next: str
    quarantined: int


class Origin(NamedTuple):
    """Whose logs were asked for: what a record itself says of it is not needed, but for its application."""

    project: str
    deployment_id: str
    application: str = ""


_page = msgspec.json.Decoder(_PageWire).decode
_details = msgspec.json.Decoder(_Details).decode
_new = tuple.__new__


def read(body: bytes, origin: Origin) -> LogPage:
    """Read a page of logs.

    Raises:
        ValueError: it is no such page; the text says what it looks like and repeats none of it.
    """
    try:
        page = _page(body)
    except NOT_READABLE:
        found, token, broken = _salvaged(body)
    else:
        found, token, broken = page.data, page.next, 0
    understood = records(found, origin)
    quarantined = broken + len(found) - len(understood)
    return LogPage(records=understood, next=token_of(token), quarantined=quarantined)


def wires(body: bytes) -> Sequence[_RecordWire]:
    """The records of a sound page, not understood yet."""
    return _page(body).data


def token_of(token: object) -> str:
    """What names the next page; empty where there is none."""
    return token[:MAX_TOKEN] if isinstance(token, str) else ""


def records(wires: Iterable[_RecordWire], origin: Origin) -> list[LogRecord]:  # noqa: C901, PLR0915  calls would cost more than what they do
    """The records of a page that say when they were written.

    All in one loop because it is gone through hundreds of thousands of times: seconds, and what records have in common,
    are understood once for each page.
    """
    project, deployment_id, _ = origin
    found: list[LogRecord] = []
    seconds: dict[str, Millis] = {}
    kinds: dict[tuple[str | None, str | None, str | None], tuple[str, str, str, str]] = {}
    requests: dict[tuple[Any, Any, Any], tuple[str, str, int]] = {}
    for wire in wires:
        moment = wire.timestamp
        try:
            at = seconds[moment[:20]] + _PARTS[moment[20:]]
        except KeyError:
            at = _first_of_second(moment, seconds)
        if at < 0:
            continue
        kind = wire.type, wire.application_name, wire.severity
        try:
            name, application, severity, level = kinds[kind]
        except KeyError:
            name, application, severity, level = kinds[kind] = kind_of(kind, origin)
        raw = wire.details
        try:
            details = _details(raw)
        except NOT_READABLE:
            details = _odd_details(bytes(raw))
        message = details.message
        if message.__class__ is not str or not message:
            message = _message(details, bytes(raw)) if details.request_url is None else str(raw, "utf-8", "replace")
        if not level:
            value = details.severity
            if value is None:
                value = details.level
            if value is not None and value.__class__ not in _VALUES:
                value = None
            level = effective(severity, value, message)
        key = key_of(message, seed_of(name, application, severity))
        kept = b"" if name == TEXT else raw
        if details.request_url is details.request_method is None:
            line = (deployment_id, application, name, severity, level, at, message, "", "", 0, 0, kept, project, key)
        else:
            asked = details.request_method, details.request_url, details.status
            try:
                method, path, status = requests[asked]
            except (KeyError, TypeError):
                method, path, status = _request(asked, requests)
            took = latency_of(details.latency)
            line = (deployment_id, application, name, severity, level, at, message, method, path, status, took, kept, project, key)  # fmt: skip
        found.append(_new(LogRecord, line))
    return found


_VALUES = frozenset({str, int, float})
_PARTS = {f"{part:03}Z": part for part in range(1000)}
"""Milliseconds, as a time in UTC ends."""
_HASHABLE = frozenset({str, int, type(None)})


def kind_of(kind: tuple[str | None, str | None, str | None], origin: Origin) -> tuple[str, str, str, str]:
    """Type, application and severity as they are kept, and the level where the severity says it."""
    name, application, severity = (word(each, 64 if at != 1 else 256) for at, each in enumerate(kind))
    application = application or origin.application
    level = "" if severity in {"", "DEFAULT"} else effective(severity, None, "")
    return name, application, severity, level


@lru_cache(maxsize=1_000)
def seed_of(name: str, application: str, severity: str) -> int:
    """Where the checksum of a record begins, of which that is said."""
    return crc32(repr((name, application, severity)).encode())


def key_of(message: str, seed: int) -> int:
    """What tells a record from another of the same moment. Two that say the same are told apart by being two."""
    return crc32(message.encode("utf-8", "replace"), seed)


# ── times ────────────────────────────────────────────────────────────────────


def _first_of_second(moment: str, seconds: dict[str, Millis]) -> Millis:
    """`2026-11-24T10:15:30.123Z` as milliseconds, its second noted for those that follow. Negative: it is no time."""
    at = at_of(moment)
    if at >= 0 and _MOMENT.fullmatch(moment):
        seconds[moment[:20]] = at - at % 1000
    return at


def at_of(moment: str) -> Millis:
    """A time in ISO 8601 as milliseconds since the epoch, in UTC unless it says otherwise; -1 where it is none."""
    try:
        found = datetime.fromisoformat(moment)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return max((found - _EPOCH) // _MILLISECOND, -1)
    except (ValueError, OverflowError, TypeError):
        return -1


# ── details ──────────────────────────────────────────────────────────────────


def _odd_details(raw: bytes) -> _Details:
    """Details that are no object: a text is the message, anything else is taken as the text that it is."""
    if not raw or raw == b"null":
        return _Details(message="")
    text = repaired(raw)
    for kind in (_Details, str):
        try:
            found = msgspec.json.decode(text, type=kind)
        except NOT_READABLE:
            continue
        return found if isinstance(found, _Details) else _Details(message=found)
    return _Details()


def _message(details: _Details, raw: bytes) -> str:
    """What a record says that has no text as its `message`, and is no request."""
    if details.message == "" and details.msg is details.err is None:
        return ""
    if isinstance(details.msg, str) and details.msg:
        return details.msg
    if isinstance(details.err, dict):
        message, stack = details.err.get("message"), details.err.get("stack")
        said = message if isinstance(message, str) else ""
        if isinstance(stack, str) and stack:
            return stack if said in stack else f"{said}\n{stack}"
        if said:
            return said
    if isinstance(details.err, str) and details.err:
        return details.err
    return raw.decode(errors="replace")


def _request(
    asked: tuple[Any, Any, Any], known: dict[tuple[Any, Any, Any], tuple[str, str, int]]
) -> tuple[str, str, int]:
    """Method, path and status as they are kept. The same few come again and again; what cannot be looked up does not."""
    method, url, status = asked
    found = method_of(method), path_of(url), status_of(status)
    if all(each.__class__ in _HASHABLE for each in asked):
        known[asked] = found
    return found


def method_of(value: object) -> str:
    """The method of a request, one word."""
    if not isinstance(value, str):
        return ""
    return value if value in _METHODS else word(value, 16)


def path_of(value: object) -> str:
    """Where a request went, without host and query: a query can hold a secret."""
    if not isinstance(value, str):
        return ""
    place = value.partition("?")[0].partition("#")[0]
    begin = place.find("://")
    begin = place.find("/", begin + 3) if begin > 0 else 0
    return place[begin : begin + LINK] if begin >= 0 and place else "/"


def status_of(value: Any) -> int:
    """A status code; some write it as text."""
    if value.__class__ is not int:
        value = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < len("1000") else 0
    return value if value in _STATUSES else 0


def latency_of(value: object) -> Millis:
    """`0.123s` in milliseconds; 0 where it cannot be understood."""
    if not isinstance(value, str):
        return 0
    unit, number = (1, value[:-2]) if value.endswith("ms") else (1000, value[:-1] if value.endswith("s") else "")
    try:
        length = float(number) * unit
    except ValueError:
        return 0
    return round(length) if 0 <= length <= MAX_LATENCY else 0


# ── pages with something broken in them ──────────────────────────────────────


def _salvaged(body: bytes) -> tuple[list[_RecordWire], Any, int]:
    """The records of a page that can be read one by one, its token, and how many are no records. Raises ValueError."""
    text = repaired(body)
    page = _loose_page(text) or _split(text)
    if page is None:
        raise ValueError(looks_like(body))
    wires = [each for raw in page.data if (each := _loose(raw)) is not None]
    return wires, page.next, len(page.data) - len(wires)


def _loose_page(text: str) -> _LoosePage | None:
    try:
        return msgspec.json.decode(text, type=_LoosePage)
    except NOT_READABLE:
        return None


def _loose(raw: Raw) -> _RecordWire | None:
    """A record whose fields are of other types than documented, as far as they say something."""
    try:
        found = msgspec.json.decode(raw, type=_LooseRecord)
    except NOT_READABLE:
        return None
    texts = (found.type, found.application_name, found.severity)
    name, application, severity = (each if isinstance(each, str) else None for each in texts)
    return _RecordWire(
        timestamp=found.timestamp if isinstance(found.timestamp, str) else "",
        type=name,
        application_name=application,
        severity=severity,
        details=found.details,
    )


def _split(text: str) -> _LoosePage | None:
    """The elements of `data` as texts, found by their brackets: one that is nested too deep, or no JSON, breaks no other."""
    begin = _DATA.match(text) if len(text) <= MAX_SPLIT else None
    if begin is None:
        return None
    elements: list[Raw] = []
    depth, start = 1, begin.end()
    for piece, at in _pieces(text, start):
        if piece in "[{":
            depth += 1
        elif piece in "]}":
            depth -= 1
        if depth == 0 or (depth == 1 and piece == ","):
            if element := text[start:at].strip():
                elements.append(Raw(element))
            start = at + 1
        if depth == 0:
            token = _NEXT.search(text, start) or _NEXT.search(text, 0, begin.end())
            return _LoosePage(data=elements, next=msgspec.json.decode(token[1]) if token else None)
    return None


def _pieces(text: str, start: int) -> Iterator[tuple[str, int]]:
    for found in _PIECES.finditer(text, start):
        if found[0][0] != '"':
            yield found[0], found.start()

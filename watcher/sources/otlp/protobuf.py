"""OTLP in protobuf.

Decoding everything costs three times what is needed of it, and two bytes can become a hundred. So the outermost levels
are walked by hand, which counts records before they exist. A record is read by `quick` as it comes, or, where that
declines it, decoded here, and of its attributes those that are Connect's.
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from watcher.core.duration import Millis
from watcher.core.logrecord import LogRecord
from watcher.sources.otlp import quick, wire
from watcher.sources.otlp.attributes import with_attributes
from watcher.sources.otlp.names import DEPLOYMENT, DETAIL, DETAILS, SEVERITY, TIMESTAMP, may_have_deployment
from watcher.sources.otlp.runs import sender
from watcher.sources.otlp.shape import Found, Sorted, TooManyError, make_record, nothing_found, spoken_severity
from watcher.sources.otlp.values import BROKEN, MAX_DEPTH, MAX_NODES, SAFE, bounded, mapping, plain, value_of
from watcher.sources.otlp.wire import messages, parts

_INNER, _OUTER = 1, 2
"""Field numbers of the official schema: what describes a level (resource, scope), and what the level holds."""
_REQUEST = 1
_DESCRIPTION, _RECORD = 0x0A, 0x12
"""Tags of what describes a scope, and of a record in it."""
_TRIED = 32
"""Records of a scope that may be declined before none of it is offered any more, beside a part of those that are not."""


def read(body: bytes, now: Millis, *, quickly: bool = True) -> Sorted:
    """The records of an ExportLogsServiceRequest; all of them decoded, unless `quickly`. Raises ValueError."""
    found = Sorted(quickly=quickly)
    try:
        for number, at, end in parts(body, 0, len(body)):
            found.take(1)
            if number == _REQUEST:
                _read_resource(body, at, end, found, now)
    except (IndexError, DecodeError):
        raise ValueError("not an ExportLogsServiceRequest in protobuf") from None
    return found


def _read_resource(body: bytes, at: int, end: int, found: Sorted, now: Millis) -> None:
    known = nothing_found()
    scopes = []
    for number, first, last in parts(body, at, end):
        found.take(1)
        if number == _INNER:
            known = _known(wire.Resource, body[first:last], known)
        elif number == _OUTER:
            scopes.append((first, last))
    for first, last in scopes:
        _read_scope(body, first, last, known, found, now)


def _read_scope(body: bytes, at: int, end: int, known: Found, found: Sorted, now: Millis) -> None:
    bounds: list[int] = []
    most = 2 * found.records_left
    if at < end and body[at] == _DESCRIPTION:  # comes first, where there is one
        _, first, at = next(parts(body, at, end))
        found.take(1)
        known = _known(wire.Scope, body[first:at], known)
    at = messages(body, at, end, _RECORD, bounds, most)
    for number, first, last in parts(body, at, end):
        if number == _OUTER:
            bounds += first, last
            if len(bounds) > most:
                break
        else:
            found.take(1)
            if number == _INNER:
                known = _known(wire.Scope, body[first:last], known)
    found.expect(len(bounds) // 2)
    _read_records(body, bounds, known, found, now)


def _read_records(body: bytes, bounds: Sequence[int], known: Found, found: Sorted, now: Millis) -> None:
    ours = bool(known[DEPLOYMENT])
    doubtful = False
    who = sender(known) if found.quickly else 0
    keep = found.records.append
    declined, before = 0, len(found.records)
    places = iter(bounds)
    for first, last in zip(places, places, strict=True):
        if who and not doubtful:
            try:
                keep(quick.read(body, first, last, who, known, now))
                continue
            except quick.DECLINED:
                declined += 1
                if declined > _TRIED + (len(found.records) - before - declined) // 8:
                    who = 0
        record = _read_slowly(body[first:last], known, found, now)
        if record is not None:
            keep(record)
        doubtful = record is None and not ours


def _read_slowly(raw: bytes, known: Found, found: Sorted, now: Millis) -> LogRecord | None:
    """The record, or nothing where it is none of Connect's or makes no sense, which is counted."""
    if not known[DEPLOYMENT] and not may_have_deployment(raw):
        found.foreign += 1
        return None
    try:
        record = read_record(raw, known, found, now)
    except TooManyError:
        raise
    except BROKEN:
        found.malformed += 1
        return None
    found.foreign += record is None
    return record


def read_record(raw: bytes, known: Found, request: Sorted, now: Millis) -> LogRecord | None:
    """The record, decoded; nothing where it is none of Connect's. Raises TooManyError, and what `BROKEN` lists."""
    record = wire.LogRecord.FromString(raw if len(raw) <= SAFE else bounded(raw))
    attributes = record.attributes
    request.take(len(attributes))
    found = with_attributes(known, attributes)
    body = wire.AnyValue.FromString(record.body)
    said: Any = body.string_value
    if said:
        said = str(said, "utf-8", "replace")
    elif found[DEPLOYMENT]:
        said = plain(body, [MAX_NODES], MAX_DEPTH)
    else:
        found, said = _whole(body, found)
        if not found[DEPLOYMENT]:
            return None
    if not found[SEVERITY]:
        found[SEVERITY] = spoken_severity(str(record.severity_text, "utf-8", "replace"), record.severity_number)
    nanos = record.time_unix_nano
    details, stamp = found[DETAILS], found[TIMESTAMP]
    if type(details) is bytes:
        found[DETAILS] = value_of(details) or None
    if type(stamp) is bytes:
        found[TIMESTAMP] = None if nanos else value_of(stamp)
    telling = _telling(found, details, said, record.body)
    return make_record(found, said, nanos, nanos or record.observed_time_unix_nano, now, telling)


def _telling(found: Found, details: Any, said: Any, body: bytes) -> bytes:
    """The bytes of all fields that a record has, as they came, where they are together; empty where they are not.

    `found` and `said` are read of `details` and `body`.
    """
    if found[DETAIL]:
        return b""
    if found[DETAILS] is None and type(said) is dict:
        return body
    alone = type(details) is bytes and type(found[DETAILS]) is dict
    return details if alone and type(said) is not dict and not (type(said) is str and said[:1] == "{") else b""


def _whole(body: Any, found: Found) -> tuple[Found, Any]:
    """A body that is a map and Connect's record, for nothing outside of it is; what is left of it are details."""
    if body.WhichOneof("value") != "kvlist_value":
        return found, None
    others: list[bytes] = []
    found = with_attributes(found, body.kvlist_value.values, others)
    return found, mapping(others, [MAX_NODES], MAX_DEPTH) if others and found[DEPLOYMENT] else None


def _known(kind: Any, raw: bytes, outer: Found) -> Found:
    """What is known of all records below a resource or a scope."""
    attributes = kind.FromString(bounded(raw)).attributes
    if not attributes:
        return outer
    found = with_attributes(outer, attributes)
    if type(found[DETAILS]) is bytes:
        found[DETAILS] = value_of(found[DETAILS]) or None
    return found

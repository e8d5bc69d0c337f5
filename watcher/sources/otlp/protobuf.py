"""OTLP in protobuf.

Decoding everything costs three times what is needed of it, and two bytes can become a hundred. So the outermost levels
are walked by hand, which counts records before they exist; a record is decoded, and of its attributes those that are
Connect's. Those that come again and again (the type, the Deployment, the application) are remembered by their bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from watcher.core.duration import Millis
from watcher.core.logrecord import JSON, TEXT, LogRecord
from watcher.sources.otlp import wire
from watcher.sources.otlp.names import (
    DEPLOYMENT,
    DETAIL,
    DETAILS,
    EMPTY,
    SEVERITY,
    TIMESTAMP,
    TYPE,
    WASTE,
    may_have_deployment,
    place,
)
from watcher.sources.otlp.shape import (
    MAX_ATTRIBUTES,
    MAX_RECORD,
    Found,
    Sorted,
    TooManyError,
    make_record,
    nothing_found,
    quick_record,
    spoken_severity,
    word,
)
from watcher.sources.otlp.wire import key_end, parts, text_after

_INNER, _OUTER = 1, 2
"""Field numbers of the official schema: what describes a level (resource, scope), and what the level holds."""
_REQUEST = 1
_SAFE = 64 * 1024
"""Bytes that may be decoded without counting first what they hold."""
_MAX_NODES = 10_000
_MAX_DEPTH = 32
_REMEMBERED = 4_096
_REMEMBERED_BYTES = 160
_SHORT = 32
"""Bytes up to which a field of details is worth remembering."""
_UNTOLD = ("", None)
_PLAIN = frozenset({TEXT, JSON})
_TELLING = {
    each.encode(): each for each in ("message", "msg", "err", "level", "severity", "requestMethod", "requestUrl")
}
"""Fields of details that decide what a record is taken for."""
_DETAILS = b"\n\x07details"
"""How an attribute of this name begins: the one that is never the same twice."""
_STRUCTURED = frozenset({"err", "requestMethod", "requestUrl"})
_WASTE: tuple[int, Any] = (WASTE, None)
_EMPTY: tuple[int, Any] = (EMPTY, None)


_remembered: dict[bytes, tuple[int, Any]] = {}
_told: dict[bytes, tuple[str, Any]] = {}
_places: dict[bytes, tuple[int, str]] = {}


def read(body: bytes, now: Millis) -> Sorted:
    """The records of an ExportLogsServiceRequest. Raises ValueError."""
    found = Sorted()
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
    raws = []
    most = found.records_left
    for number, first, last in parts(body, at, end):
        if number == _OUTER:
            raws.append(body[first:last])
            if len(raws) > most:
                break
        else:
            found.take(1)
            if number == _INNER:
                known = _known(wire.Scope, body[first:last], known)
    found.expect(len(raws))
    _read_records(raws, known, found, now)


def _read_records(raws: list[bytes], known: Found, found: Sorted, now: Millis) -> None:
    ours = bool(known[DEPLOYMENT])
    keep = found.records.append
    for raw in raws:
        if not ours and not may_have_deployment(raw):
            found.foreign += 1
            continue
        try:
            record = _read_record(raw, known, found, now)
        except TooManyError:
            raise
        except (ValueError, DecodeError, IndexError, RecursionError):
            found.malformed += 1
        else:
            if record is None:
                found.foreign += 1
            else:
                keep(record)


def _read_record(raw: bytes, known: Found, request: Sorted, now: Millis) -> LogRecord | None:
    record = wire.LogRecord.FromString(raw if len(raw) <= _SAFE else _bounded(raw))
    attributes = record.attributes
    request.take(len(attributes))
    found = _with_attributes(known, attributes)
    body = record.body
    said: Any = body.string_value
    if said:
        said = str(said, "utf-8", "replace")
    elif not found[DEPLOYMENT]:
        found, said = _whole(body, found)
        if not found[DEPLOYMENT]:
            return None
    else:
        said = _plain(body, [_MAX_NODES], _MAX_DEPTH)
    if not found[SEVERITY]:
        found[SEVERITY] = spoken_severity(str(record.severity_text, "utf-8", "replace"), record.severity_number)
    nanos = record.time_unix_nano
    if type(found[DETAILS]) is bytes:
        quick = _quickly(found, said, nanos, now)
        if quick is not None:
            return quick
        found[DETAILS] = _value_of(found[DETAILS]) or None
    stamp = found[TIMESTAMP]
    if type(stamp) is bytes:
        found[TIMESTAMP] = None if nanos else _value_of(stamp)
    return make_record(found, said, nanos, nanos or record.observed_time_unix_nano, now)


def _quickly(found: Found, said: Any, nanos: int, now: Millis) -> LogRecord | None:
    """The record of an application's line without decoding all that it says; `None` where that needs more of a look."""
    if not nanos or found[TYPE] not in _PLAIN or found[DETAIL]:
        return None
    if said and (type(said) is not str or said[:1] == "{"):
        return None
    details = found[DETAILS]
    fields = _telling(details)
    return None if fields is None else quick_record(found, fields, said or "", details, Later(details), nanos, now)


def _telling(details: bytes) -> dict[str, Any] | None:
    """The fields of details that decide what a record is; `None` where it takes more to find them."""
    value = wire.KeyValue.FromString(_bounded(details)).value
    if value.WhichOneof("value") != "kvlist_value":
        return None
    fields: dict[str, Any] = {}
    for raw in value.kvlist_value.values:
        pair = _told.get(raw) or _understood(raw)
        if pair is None:
            return None
        if pair is not _UNTOLD:
            fields[pair[0]] = pair[1]
    return fields


def _understood(raw: bytes) -> tuple[str, Any] | None:
    """A field of details and its value; `None` for another encoding, or something with a structure of its own."""
    end = key_end(raw)
    name = _TELLING.get(raw[2:end]) if end else ""
    pair: tuple[str, Any] = _UNTOLD
    if name is not None:
        text = text_after(raw, end) if name else None
        if text is None and (not name or name in _STRUCTURED):
            return None
        pair = name, _value_of(raw) if text is None else text
    if len(raw) <= _SHORT:
        _tell(raw, pair)
    return pair


def _tell(raw: bytes, pair: tuple[str, Any]) -> None:
    """Remember what a short field of details says: levels and names come again and again."""
    if len(_told) >= _REMEMBERED:
        _told.clear()
    _told[raw] = pair


def _value_of(raw: bytes) -> Any:
    """The value of an attribute."""
    return _plain(wire.KeyValue.FromString(_bounded(raw)).value, [_MAX_NODES], _MAX_DEPTH)


@dataclass(slots=True)
class Later:
    """The details of a record, made JSON when somebody asks for them."""

    raw: bytes

    def __call__(self) -> bytes:
        """The JSON; empty where the details cannot be read."""
        try:
            return msgspec.json.encode(_value_of(self.raw))
        except (ValueError, DecodeError, IndexError, RecursionError):
            return b""


def _whole(body: Any, found: Found) -> tuple[Found, Any]:
    """A body that is a map and Connect's record, for nothing outside of it is; what is left of it are details."""
    if body.WhichOneof("value") != "kvlist_value":
        return found, None
    others: list[bytes] = []
    found = _with_attributes(found, body.kvlist_value.values, others)
    return found, _mapping(others, [_MAX_NODES], _MAX_DEPTH) if others and found[DEPLOYMENT] else None


def _known(kind: Any, raw: bytes, outer: Found) -> Found:
    """What is known of all records below a resource or a scope."""
    found = _with_attributes(outer, kind.FromString(_bounded(raw)).attributes)
    if type(found[DETAILS]) is bytes:
        found[DETAILS] = _value_of(found[DETAILS]) or None
    return found


def _with_attributes(known: Found, attributes: Sequence[bytes], others: list[bytes] | None = None) -> Found:
    """What is known once these are, too. `others` gets those that are none of Connect's."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise ValueError(f"more than {MAX_ATTRIBUTES:,} attributes")
    found = known.copy()
    named = []
    for raw in attributes:
        slot, value = _remembered.get(raw) or _learnt(raw)
        if slot < DETAIL:
            found[slot] = value
        elif slot == DETAIL:
            named.append(value)
        elif others is not None and slot == WASTE:
            others.append(raw)
    if named:
        found[DETAIL] = (*found[DETAIL], *named)
    return found


def _learnt(raw: bytes) -> tuple[int, Any]:
    """What an attribute is and says. The time is left as it is, for there is usually a better one; details, as they are large."""
    if raw[:9] == _DETAILS:
        return DETAILS, raw
    end = key_end(raw)
    key = raw[2:end] if end else wire.KeyValue.FromString(_bounded(raw)).key
    slot, short = _places.get(key) or _placed(key)
    if slot == WASTE:
        return _WASTE
    if slot in (TIMESTAMP, DETAILS):
        return slot, raw
    value: Any = text_after(raw, end) if end else None
    if value is None:
        value = _plain(wire.KeyValue.FromString(_bounded(raw)).value, [_MAX_NODES], _MAX_DEPTH)
    if slot == DETAIL:
        return slot, (short, value)
    return _kept(raw, slot, word(value))


def _kept(raw: bytes, slot: int, value: str) -> tuple[int, Any]:
    if not value:
        return _EMPTY
    found = slot, value
    if len(raw) <= _REMEMBERED_BYTES:
        if len(_remembered) >= _REMEMBERED:
            _remembered.clear()
        _remembered[raw] = found
    return found


def _placed(key: bytes) -> tuple[int, str]:
    found = place(str(key, "utf-8", "replace"))
    if len(key) <= _REMEMBERED_BYTES:
        if len(_places) >= _REMEMBERED:
            _places.clear()
        _places[key] = found
    return found


def _plain(value: Any, nodes: list[int], depth: int) -> Any:
    """An AnyValue as what JSON knows. Raises ValueError where it is too deep, or holds more values than `nodes` are left."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(value, kind)
    if type(inner) is bytes:
        return str(inner, "utf-8", "replace")
    if kind == "kvlist_value":
        return _mapping(inner.values, nodes, depth)
    if kind == "array_value":
        _spend(nodes, len(inner.values), depth)
        return [_plain(wire.AnyValue.FromString(each), nodes, depth - 1) for each in inner.values]
    return inner


def _mapping(raws: Sequence[bytes], nodes: list[int], depth: int) -> dict[str, Any]:
    _spend(nodes, len(raws), depth)
    result = {}
    for raw in raws:
        end = key_end(raw)
        text = text_after(raw, end) if end else None
        if text is not None:
            result[str(raw[2:end], "utf-8", "replace")] = text
        else:
            pair = wire.KeyValue.FromString(raw)
            result[str(pair.key, "utf-8", "replace")] = _plain(pair.value, nodes, depth - 1)
    return result


def _spend(nodes: list[int], count: int, depth: int) -> None:
    nodes[0] -= count
    if nodes[0] < 0 or depth == 0:
        raise ValueError("too many values, or too deep")


def _bounded(raw: bytes) -> bytes:
    """The bytes, if decoding them takes a bounded amount of memory. Raises ValueError."""
    if len(raw) > _SAFE:
        if len(raw) > MAX_RECORD:
            raise ValueError(f"larger than {MAX_RECORD:,} bytes")
        for count, _ in enumerate(parts(raw, 0, len(raw))):
            if count > MAX_ATTRIBUTES + 20:
                raise ValueError(f"more than {MAX_ATTRIBUTES:,} attributes")
    return raw

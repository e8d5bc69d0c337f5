"""Records as most senders write them, read without decoding them.

The records of a sender are alike but for their time, their text and their details. So lengths are hopped over, what comes
again is known by its bytes (the severity; the attributes before, between and after the time and the details: `runs`), and
of the details only those that matter are looked at (`details`).

Whatever is not as expected is declined, and `protobuf` reads it, which is the authority: a record read here is the one
that it would have read. That an expectation holds is never assumed. Where the time and the details stand is searched for,
and what is before, between and after them must be complete attributes, so that what was found is where it has to be;
every length that is hopped over must lead to the end of what holds it.
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import msgspec

from watcher.core.duration import Millis
from watcher.core.level import effective
from watcher.core.logrecord import HTTP_REQUEST, TEXT, LogRecord
from watcher.sources.otlp.details import fields, map_lead, told
from watcher.sources.otlp.names import DEPLOYMENT, DETAILS
from watcher.sources.otlp.runs import DeclinedError, Stable, runs, understood
from watcher.sources.otlp.shape import (
    AHEAD,
    BITS,
    MAX_MESSAGE,
    NANOS,
    Found,
    checksum,
    http_of,
    make_record,
    new_record,
)
from watcher.sources.otlp.values import BROKEN, json_of_attribute, json_of_body

DECLINED = (struct.error, *BROKEN)
"""What `read` raises."""
_TIME, _NUMBER, _TEXT, _BODY, _ATTRIBUTE, _OBSERVED = 0x09, 0x10, 0x1A, 0x2A, 0x32, 0x59
"""Tags of a record's fields."""
_STRING, _MAP, _PAIR = 0x0A, 0x32, 0x0A
"""Tags of the text and the map of a value, and of a map's fields."""
_MORE = 0x80
"""The bit that says that a length goes on."""
_LONG = 1 << 14
"""A length of more than two bytes."""
_FIXED = 9
"""Bytes of a time, tag and all."""
_BEHIND = {b"\x45": 5, b"\x4a\x10": 18, b"\x52\x08": 10, b"\x59": _FIXED}
"""Bytes of flags, of the ids of a trace and a span, and of when a record was seen, by how they begin."""
_OPENING = ord("{")
_STAMP, _DETAILS = b"\n\ttimestamp", b"\n\x07details"
"""How attributes of these names begin."""
_SPOKEN = frozenset({"message", "msg", "err", "severity", "level"})
"""Fields by which a request says more than that it was one."""
_time = struct.Struct("<Q").unpack_from

_Held: TypeAlias = tuple[int, int, int, Callable[[bytes], bytes]]
"""Where details as they came begin, their fields begin, both end; and what makes them JSON."""
_Cut: TypeAlias = tuple[bytes, bytes, int, int, int]
"""The attributes before the time or the details and those between them; where the others begin; where details do and end, or -1."""


def read(data: bytes, first: int, last: int, who: int, known: Found, now: Millis) -> LogRecord:  # noqa: C901, PLR0912, PLR0915  one pass, in which every call would show
    """The record of a Deployment between these places. Raises `DECLINED` where that takes more of a look."""
    (nanos,) = _time(data, first + 1)
    if data[first] != _TIME or not nanos:
        raise DeclinedError
    at = head = first + _FIXED
    tag = data[at]
    if tag == _OBSERVED:
        at = head = at + _FIXED
        tag = data[at]
    if tag == _NUMBER:
        at += 2
        tag = data[at]
    if tag == _TEXT:
        at += 2 + data[at + 1]
        tag = data[at]
    severity = data[head:at]
    what = begin = start = 0
    if tag == _BODY:
        size = data[at + 1]
        begin = at + 2
        if size >= _MORE:
            size = size & 127 | data[begin] << 7
            begin += 1
        at = begin + size
        what, size = data[begin], data[begin + 1]
        start = begin + 2
        if size >= _MORE:
            size = size & 127 | data[start] << 7
            start += 1
        if start + size != at or at - begin >= _LONG or (what != _MAP and (what != _STRING or data[start] == _OPENING)):
            raise DeclinedError
    stop, edge, tag = at, last, _ATTRIBUTE
    if what == _MAP and not known[DEPLOYMENT] and (at == last or (at + _FIXED == last and data[at] == _OBSERVED)):
        at, edge, tag, what = start, stop, _PAIR, 0
    one, two, rest, where, end = _cut(data, at, edge, tag)
    three = b""
    if rest != edge and (rest + _FIXED != edge or data[rest] != _OBSERVED or tag == _PAIR):
        three = data[rest : edge if tag == _PAIR else _ending(data, rest, edge)]
    run = who, severity, one, two, three
    stable = runs.get(run) or understood(run, tag, known, whole=tag == _PAIR)
    if where >= 0:
        if what == _MAP:
            raise DeclinedError
        begin = where + len(_DETAILS)
        lead = map_lead(end - begin)
        inner = begin + len(lead)
        if not lead or data[begin:inner] != lead:
            raise DeclinedError
        text = data[start:stop] if what == _STRING else b""
        return _structured(data, (where, inner, end, json_of_attribute), text, stable, nanos, now)
    if what == _STRING:
        return _line(stable, nanos, now, data[start:stop])
    if what != _MAP:
        raise DeclinedError
    return _structured(data, (begin, start, stop, json_of_body), b"", stable, nanos, now)


def _cut(data: bytes, at: int, edge: int, tag: int) -> _Cut:  # noqa: C901, PLR0915  as above
    """Attributes with that tag, cut at the two that are never the same. Raises DeclinedError."""
    one = two = b""
    where = end = data.find(_DETAILS, at + 2, edge)
    if where < 0:
        rest = at
        stamp = data.find(_STAMP, at + 2, edge)
        if stamp >= 0:
            one = data[at : stamp - 2]
            rest = stamp + data[stamp - 1]
    else:
        begin, size = where - 2, data[where - 1]
        if data[begin] != tag:
            size = data[begin] & 127 | size << 7
            begin -= 1
            if data[begin] != tag or data[begin + 1] < _MORE or begin < at:
                raise DeclinedError
        rest = end = where + size
        stamp = data.find(_STAMP, at + 2, begin)
        if stamp >= 0:
            one = data[at : stamp - 2]
            after = stamp + data[stamp - 1]
            two = data[after:begin]
            if after > begin:
                raise DeclinedError
        else:
            one = data[at:begin]
            if end + _FIXED < edge:
                stamp = data.find(_STAMP, end + 2, edge)
                if stamp >= 0:
                    two = data[end : stamp - 2]
                    rest = stamp + data[stamp - 1]
    if (
        rest > edge
        or (where >= 0 and data[where - 1] >= _MORE)
        or (stamp >= 0 and (data[stamp - 2] != tag or data[stamp - 1] >= _MORE))
    ):
        raise DeclinedError
    return one, two, rest, where, end


def _ending(data: bytes, at: int, last: int) -> int:
    """Where the attributes of a record end that begin there; behind are only fields that say nothing here."""
    while at < last and data[at] == _ATTRIBUTE:
        size = data[at + 1]
        at += 2
        if size >= _MORE:
            size = size & 127 | data[at] << 7
            at += 1
        at += size
    end = at
    while at < last:
        at += _BEHIND.get(data[at : at + 2]) or _BEHIND[data[at : at + 1]]
    if at != last:
        raise DeclinedError
    return end


def _line(stable: Stable, nanos: int, now: Millis, text: bytes) -> LogRecord:
    """The record of a line of text."""
    deployment, application, kind, severity, level, project, begin, _, _ = stable
    at = nanos // NANOS
    if not 0 < at <= now + AHEAD and (now or not at):
        at = now
    message = text.decode()
    key = (nanos & BITS) << 32 | checksum(text, begin)
    level = level or effective(severity, None, message)
    line = (deployment, application, kind, severity, level, at, message, "", "", 0, 0, b"", project, key)
    return new_record(LogRecord, line)


def _structured(data: bytes, held: _Held, text: bytes, stable: Stable, nanos: int, now: Millis) -> LogRecord:
    """The record of a line with details."""
    whole, inner, end, later = held
    deployment, application, kind, severity, level, project, begin, plain, found = stable
    looked = told(data, inner, end) if plain else None
    if looked is None or not (looked[0] or text):
        return _asked(data, held, text, stable, nanos, now) or _in_full(data, held, text, found, nanos, now)
    said, own = looked
    said = said or text
    at = nanos // NANOS
    if not 0 < at <= now + AHEAD and (now or not at):
        at = now
    message = said.decode()
    key = checksum(said, begin)
    details: Any = b""
    if kind != TEXT:
        raw = data[whole:end]
        key = checksum(raw, key)
        details = partial(later, raw)
    key |= (nanos & BITS) << 32
    level = level or effective(severity, own, message)
    line = (deployment, application, kind, severity, level, at, message, "", "", 0, 0, details, project, key)
    return new_record(LogRecord, line)


def _asked(data: bytes, held: _Held, text: bytes, stable: Stable, nanos: int, now: Millis) -> LogRecord | None:
    """The record of a request; `None` where it says more than the platform says of one."""
    whole, inner, end, _ = held
    deployment, application, kind, severity, level, project, begin, _, _ = stable
    asked = fields(data, inner, end) if kind == HTTP_REQUEST else None
    if not asked or "requestMethod" not in asked or not asked.keys().isdisjoint(_SPOKEN):
        return None
    at = nanos // NANOS
    if not 0 < at <= now + AHEAD and (now or not at):
        at = now
    packed = msgspec.json.encode(asked)
    if len(packed) > MAX_MESSAGE:
        return None
    said = text or packed
    message = said.decode()
    key = (nanos & BITS) << 32 | checksum(data[whole:end], checksum(said, begin))
    level = level or effective(severity, None, message)
    line = (deployment, application, kind, severity, level, at, message, *http_of(asked), packed, project, key)
    return new_record(LogRecord, line)


def _in_full(data: bytes, held: _Held, text: bytes, known: Found, nanos: int, now: Millis) -> LogRecord:
    """The same with all details decoded: those of a request, or of an error in parts."""
    whole, inner, end, later = held
    details = fields(data, inner, end)
    if not details:
        raise DeclinedError
    found, body = known.copy(), details if later is json_of_body else text.decode() or None
    if later is json_of_attribute:
        found[DETAILS] = details
    record = make_record(found, body, nanos, nanos, now, data[whole:end])
    if record is None:
        raise DeclinedError
    return record

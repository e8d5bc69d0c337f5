"""A page of logs by column, as fast as it can be done: the usual records are decoded into their fields at once.

Whatever is not as usual is read the long way, by `log_wire`, which is the authority on what a record means: single records
that say something in an unusual way, and whole pages that cannot be decoded as expected.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from watcher.connect import log_wire
from watcher.connect.log_wire import LogPage, Origin, kind_of, seed_of, token_of
from watcher.connect.wire import NOT_READABLE
from watcher.core.columns import Columns, Key
from watcher.core.duration import Millis
from watcher.core.level import DEFAULT, effective, told
from watcher.core.logrecord import HTTP_REQUEST, JSON, TEXT, LogRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROUNDING = 0.0005
REMEMBERED = 4_096
"""Combinations of what records have in common that are remembered."""
_LONGEST = 256
"""Characters of a text in one of them: longer ones come from who wants to be remembered, and are understood each time."""
_Moment = Annotated[datetime, Meta(tz=True)]


class _Said(Struct, rename="camel", gc=False):
    """What an application usually says."""

    message: str = ""
    level: str | int | float | None = None
    severity: str | int | float | None = None
    request_method: str | None = None
    request_url: str | None = None


class _Asked(Struct, rename="camel", gc=False):
    """What the platform says of a request."""

    request_method: str
    request_url: str
    status: int
    message: None = None
    latency: str | None = None


class _Text(Struct, rename="camel", gc=False, tag_field="type", tag=TEXT):
    timestamp: _Moment
    details: _Said
    application_name: str = ""
    severity: str = ""


class _Json(Struct, rename="camel", gc=False, tag_field="type", tag=JSON):
    timestamp: _Moment
    details: _Said
    application_name: str = ""
    severity: str = ""


class _Request(Struct, rename="camel", gc=False, tag_field="type", tag=HTTP_REQUEST):
    timestamp: _Moment
    details: Raw
    application_name: str = ""
    severity: str = ""


class _PageWire(Struct):
    data: list[_Text | _Json | _Request]
    next: Any = None


_page = msgspec.json.Decoder(_PageWire).decode
_asked = msgspec.json.Decoder(_Asked).decode
_TYPES = {_Text: TEXT, _Json: JSON, _Request: HTTP_REQUEST}


def read(body: bytes, origin: Origin) -> LogPage:
    """Read a page of logs.

    Raises:
        ValueError: it is no such page; the text says what it looks like and repeats none of it.
    """
    try:
        page = _page(body)
        records = _Page(body, page.data, origin) if page.data else ()
        return LogPage(records, token_of(page.next), 0)
    except NOT_READABLE:
        return log_wire.read(body, origin)


class _Page(Columns):
    """The records of a page. Of a request there is what was asked, of an odd record all that it is."""

    __slots__ = ("_asked", "_body", "_moments", "_odd", "_origin", "_wires")

    def __init__(self, body: bytes, wires: Sequence[Any], origin: Origin) -> None:
        self._body = body
        self._origin = origin
        self._wires: Sequence[Any] = ()
        self._asked: dict[int, _Asked] = {}
        self._odd: dict[int, LogRecord] = {}
        self._moments = [wire.timestamp for wire in wires]
        if min(self._moments) < _EPOCH:
            raise ValueError("from before times are counted")
        super().__init__(*self._split(wires))

    def _split(self, wires: Sequence[Any]) -> tuple[list[Key], list[str]]:
        """Key and message of each. What records have in common is understood once; a dict is for where the text decides."""
        keys: list[Key] = []
        messages: list[str] = []
        known: dict[Any, Any] = {}
        keep_key, keep_message = keys.append, messages.append
        for at, wire in enumerate(wires):
            key: Any  # of this record, or of all that are like it by level
            said, kind = wire.details, wire.__class__
            if kind is _Request:
                key, message = self._request(at, wire, known)
            else:
                message, own = said.message, said.severity
                if own is None:
                    own = said.level
                name = kind, wire.application_name, wire.severity, own
                key = known.get(name)
                if key is None:
                    learn = _learnt if _is_short(*name[1:]) else _learnt.__wrapped__
                    key = known[name] = learn(self._origin, _TYPES[kind], *name[1:])
                if not message or said.request_url is not None or said.request_method is not None:
                    key, message = self._unusual(at)
                elif key.__class__ is dict:
                    key = _told(key, own, message)
            keep_key(key)
            keep_message(message)
        return keys, messages

    def _request(self, at: int, wire: Any, known: dict[Any, Any]) -> tuple[Key, str]:
        try:
            asked = self._asked[at] = _asked(wire.details)
        except NOT_READABLE:
            return self._unusual(at)
        name = _Request, wire.application_name, wire.severity, asked.request_method, asked.status
        key = known.get(name)
        if key is None:
            type_, application, severity, level = kind_of((HTTP_REQUEST, *name[1:3]), self._origin)
            method, status = log_wire.method_of(asked.request_method), log_wire.status_of(asked.status)
            key = known[name] = (self._origin.deployment_id, application, type_, severity, level, method, status)
        if not key[4]:
            return self._unusual(at)
        return key, str(wire.details, "utf-8", "replace")

    def _unusual(self, at: int) -> tuple[Key, str]:
        """A record that is read the long way."""
        (found,) = log_wire.records([self._long()[at]], self._origin)
        self._odd[at] = found
        return (*found[:5], found.method, found.status), found.message

    def _long(self) -> Sequence[Any]:
        """The records as the long way reads them, decoded once for all."""
        if not self._wires:
            self._wires = log_wire.wires(self._body)
        return self._wires

    def record(self, at: int) -> LogRecord:
        """The whole record."""
        odd = self._odd.get(at)
        if odd is not None:
            return odd
        deployment_id, application, type_, severity, level, method, status = self.keys[at]
        message, asked = self.messages[at], self._asked.get(at)
        return LogRecord(
            deployment_id=deployment_id,
            application=application,
            type=type_,
            severity=severity,
            level=level,
            at=self.time(at),
            message=message,
            method=method,
            path=log_wire.path_of(asked.request_url) if asked else "",
            status=status,
            latency=log_wire.latency_of(asked.latency) if asked else 0,
            details=message.encode() if asked else b"" if type_ == TEXT else partial(self._details, at),
            project=self._origin.project,
            key=self.checksum(at),
        )

    def _details(self, at: int) -> bytes:
        return bytes(self._long()[at].details)

    def checksum(self, at: int) -> int:
        """The key of a record."""
        if at in self._odd:
            return self._odd[at].key
        key = self.keys[at]
        return log_wire.key_of(self.messages[at], seed_of(key[2], key[1], key[3]))

    def times(self, places: Iterable[int] | None = None) -> Sequence[Millis]:
        """When those at these places were written, or all."""
        found = self._moments if places is None else map(self._moments.__getitem__, places)
        return [int(moment.timestamp() * 1000 + _ROUNDING) for moment in found]

    def span(self) -> tuple[Millis, Millis] | None:
        """The oldest and the newest time."""
        return _millis(min(self._moments)), _millis(max(self._moments))

    def latency(self, at: int) -> Millis:
        """How long a request took."""
        asked = self._asked.get(at)
        return log_wire.latency_of(asked.latency) if asked else self.record(at).latency


def _is_short(*words: object) -> bool:
    return all(len(each) <= _LONGEST for each in words if isinstance(each, str))


@lru_cache(maxsize=REMEMBERED)
def _learnt(origin: Origin, spelled: str, application: str, severity: str, own: Any) -> Key | dict[str, Key]:
    """The key of all records that have this in common, or keys by level where each has its own."""
    type_, application, severity, level = kind_of((spelled, application, severity), origin)
    level = level or (effective(severity, own, "") if own is not None else "")
    key = (origin.deployment_id, application, type_, severity, level, "", 0)
    return key if level and (level != DEFAULT or severity not in {"", DEFAULT}) else {"": key}


def _told(keys: dict[str, Key], own: Any, message: str) -> Key:
    """The key of a record whose text says how bad it is."""
    level = told(message) if own is None else effective(keys[""][3], own, message)
    key = keys.get(level)
    if key is None:
        base = keys[""]
        key = keys[level] = (*base[:4], level, *base[5:])
    return key


def _millis(moment: datetime) -> Millis:
    """Whole milliseconds; the float is off by a fraction of a microsecond, which is all that there is between two moments."""
    return int(moment.timestamp() * 1000 + _ROUNDING)

"""The logs of every Deployment, as the deprecated endpoint pages through them.

A record has two times: the one it carries and the one it arrived at. Pages are in order of the first and hold what the
second lets them, so a late record turns up behind the back of whoever has read past its timestamp.

The API description says little here. What it leaves open is decided as the backend of GCP regions, Cloud Logging, does
it, and can be set otherwise in `Manners`: ascending order, 50 records a page, both ends of the window included, the last
24 hours for a query without dates, page tokens bound to the query they were issued for. Unknown altogether: how long a
token lives, and whether AWS regions differ in more than that they need an application.
"""

import binascii
from base64 import b64decode, b64encode
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from struct import Struct
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from watcher.simulator.catalogue import AppType
from watcher.simulator.chance import Chance
from watcher.simulator.clock import Clock, http_date, iso
from watcher.simulator.errors import ApiError, error_body, invalid_json, refused
from watcher.simulator.facts import LOG_DAYS
from watcher.simulator.loglines import SHAPES, Scene, Shape
from watcher.simulator.payload import applications_of, apps_of

RETENTION = LOG_DAYS * 86_400_000
"""Milliseconds that a record can be read for, and how far back a query may start."""

FOREVER = 2**63
"""After every timestamp. An application whose clock is ahead can write into the future."""

ANNOUNCED = 1_793_923_200_000
"""When the removal of the endpoint was announced: 6 November 2026."""

RUNNING = {AppType.SERVICE, AppType.EVENT, AppType.JOB}
"""The kinds of applications that start; all others are files to be served."""

TOKEN = Struct(">IqqQ")
"""A page token before it is sealed: generation, moment of issue, timestamp and sequence of the first record left."""

SEAL = 8
"""Bytes of a token that prove it was issued here, for this query."""

FEW = 100
"""Up to so many records are put in their place one by one, which costs less than sorting all."""

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]


class Manners(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the endpoint behaves where the API description leaves it open. Lengths of time are in milliseconds.

    `ending` is what `next` is on the last page. Every `empty_every`-th page is empty although records are left (1: all
    of them, for ever). `reverse` turns the records of each page round. `keep` bounds the records of one Deployment.
    `announces` adds Deprecation and Sunset headers once a removal date is set.
    """

    page_size: Positive = 50
    ending: Literal["empty", "null", "absent"] = "empty"
    empty_every: Count = 0
    reverse: bool = False
    cursor_lifetime: Count = 3_600_000
    default_window: Count = 86_400_000
    keep: Positive = 100_000
    announces: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record to append. It arrives at its timestamp unless it says otherwise."""

    timestamp: int
    type: str
    details: Any
    severity: str = "DEFAULT"
    arrival: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One request for logs. `start` and `end` are wall milliseconds; without `token` it is about the first page."""

    deployment_id: str
    application: str | None = None
    start: int | None = None
    end: int | None = None
    token: str | None = None

    @property
    def identity(self) -> bytes:
        """What a token is bound to."""
        return msgspec.json.encode([self.deployment_id, self.application, self.start, self.end])


class Position(NamedTuple):
    """Where a page begins."""

    timestamp: int
    sequence: int = 0


class Entry(NamedTuple):
    """A record as it is kept; its first two fields are its position."""

    timestamp: int
    sequence: int
    arrival: int = 0
    application: str = ""
    encoded: bytes = b""


@dataclass(slots=True)
class Log:
    """The records of one Deployment, by position."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, made: list[Entry], keep: int) -> None:
        """Take records in; the oldest beyond `keep` are lost."""
        made.sort()
        late = bool(made and self.entries and made[0] < self.entries[-1])
        if late and len(made) <= FEW:
            for entry in made:
                insort(self.entries, entry)
        else:
            self.entries.extend(made)
            if late:
                self.entries.sort()  # two runs: merging them is linear
        del self.entries[: max(0, len(self.entries) - keep)]

    def readable(self, first: Position, end: int, now: int, application: str | None) -> Iterator[Entry]:
        """The records from `first` up to and including `end` that have arrived."""
        entries = self.entries
        begin, stop = (bisect_left(entries, Entry(*position)) for position in (first, Position(end + 1)))
        for index in range(begin, stop):
            entry = entries[index]
            if entry.arrival <= now and application in {None, entry.application}:
                yield entry


@dataclass(slots=True, kw_only=True)
class Logbook:
    """The logs by Deployment. From the wall moment `removed` on, every logs path answers `removed_status`.

    `tap` is told of all that is written, by Deployment.
    """

    chance: Chance
    clock: Clock
    manners: Manners = field(default_factory=Manners)
    removed: int | None = None
    removed_status: Literal[404, 410] = 404
    tap: Callable[[str, Sequence[Entry]], None] | None = None
    _logs: dict[str, Log] = field(default_factory=dict)
    _sequence: int = 0
    _served: int = 0
    _generation: int = 0
    _key: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Tokens of one simulation are worth nothing in another."""
        self._key = bytes.fromhex(self.chance.letters(32))

    def append(self, deployment_id: str, application: str, records: Iterable[Record]) -> int:
        """Write records; how many."""
        made = [self._entry(deployment_id, application, record) for record in records]
        if made:
            self._logs.setdefault(deployment_id, Log()).add(made, self.manners.keep)
            if self.tap is not None:
                self.tap(deployment_id, made)
        return len(made)

    def burst(  # noqa: PLR0913  the words in which scenarios and the control API ask for logs
        self,
        payload: Mapping[str, Any],
        application: str | None = None,
        shape: str = "info",
        count: int = 1,
        start_ms: int | None = None,
        over_ms: int = 0,
        late_ms: int = 0,
        duplicates: int = 0,
    ) -> int:
        """Let an application of a Deployment write `count` times within `over_ms`; how many records that made.

        Without `application` it is the first one, without `start_ms` it begins now. Records arrive `late_ms` after their
        timestamps, and every `duplicates`-th of them twice. Raises ApiError 400 where there is no such application or
        shape.
        """
        chosen, name = shape_named(shape), application_named(payload, application)
        begin = self.clock.now() if start_ms is None else start_ms
        moments = (begin + over_ms * number // count for number in range(count))
        url = url_of(payload, name)
        written = (
            record
            for at in moments
            for record in played(chosen, Scene(chance=self.chance, at=at, application=name, url=url), late_ms)
        )
        return self.append(payload["id"], name, repeated(written, duplicates))

    def deployed(self, payload: Mapping[str, Any], at: int) -> None:
        """Write what a successful deploy leaves: a start mark of each application, and why a postDeploy script failed."""
        kinds = dict(apps_of(payload.get("connector")))
        for name in applications(payload):
            if kinds.get(name, AppType.SERVICE) in RUNNING:
                self.burst(payload, name, "start", start_ms=at)
        for name in failed_scripts(payload):
            self.burst(payload, name, "post-deploy-failed", start_ms=at)

    def dated_from(self, first: int) -> Iterator[tuple[str, Entry]]:
        """All records with timestamps from that moment on, arrived or not, each with the id of its Deployment."""
        for deployment_id, log in self._logs.items():
            for entry in log.entries[bisect_left(log.entries, Entry(first, 0)) :]:
                yield deployment_id, entry

    def forget(self, deployment_id: str) -> None:
        """Drop a Deployment's records."""
        self._logs.pop(deployment_id, None)

    def expire_cursors(self) -> None:
        """End all page tokens."""
        self._generation += 1

    def refuse_removed(self) -> None:
        """Raise ApiError once the endpoint is gone. Which words the real one will have is unknown."""
        if self.removed is not None and self.clock.now() >= self.removed:
            body = error_body(self.removed_status, "ResourceNotFound", "The Resource was not found.")
            raise ApiError(self.removed_status, body)

    def notices(self) -> dict[str, str]:
        """The headers that announce a removal (RFC 9745, RFC 8594). Whether the real endpoint sends them is unknown."""
        if self.removed is None or not self.manners.announces:
            return {}
        return {"Deprecation": f"@{ANNOUNCED // 1000}", "Sunset": http_date(self.removed)}

    def page(self, query: Query) -> dict[str, Any]:
        """One page; its records are JSON already. Raises ApiError 400 for dates out of range or a bad token."""
        now = self.clock.now()
        start, end = window(query, now, self.manners.default_window)
        first = max(self._opened(query, now) if query.token else Position(start), Position(now - RETENTION))
        self._served += 1
        if self.manners.empty_every and self._served % self.manners.empty_every == 0:
            return self._answer([], self._token(query, first, now))
        log = self._logs.get(query.deployment_id, Log())
        size = self.manners.page_size
        found = list(islice(log.readable(first, end, now, query.application), size + 1))
        shown = found[:size]
        more = len(found) > size
        after = Position(shown[-1].timestamp, shown[-1].sequence + 1) if more else None
        return self._answer(shown, after and self._token(query, after, now))

    def _entry(self, deployment_id: str, application: str, record: Record) -> Entry:
        self._sequence += 1
        encoded = msgspec.json.encode(
            {
                "type": record.type,
                "deploymentId": deployment_id,
                "applicationName": application,
                "severity": record.severity,
                "timestamp": iso(record.timestamp),
                "details": record.details,
            }
        )
        arrival = record.timestamp if record.arrival is None else record.arrival
        return Entry(record.timestamp, self._sequence, arrival, application, encoded)

    def _answer(self, shown: Sequence[Entry], token: str | None) -> dict[str, Any]:
        ordered = reversed(shown) if self.manners.reverse else shown
        answer: dict[str, Any] = {"data": [msgspec.Raw(entry.encoded) for entry in ordered]}
        if token is not None or self.manners.ending != "absent":
            answer["next"] = token or ("" if self.manners.ending == "empty" else None)
        return answer

    def _token(self, query: Query, first: Position, now: int) -> str:
        plain = TOKEN.pack(self._generation, now, *first)
        # The alphabet with + and /: a client that forgets to escape its token finds out.
        return b64encode(plain + self._seal(query, plain)).decode()

    def _opened(self, query: Query, now: int) -> Position:
        """Where the page of a token begins. Raises ApiError 400."""
        plain, seal = parts_of(query.token or "")
        if self._seal(query, plain) == seal:
            generation, issued, timestamp, sequence = TOKEN.unpack(plain)
            if generation == self._generation and now - issued <= self.manners.cursor_lifetime:
                return Position(timestamp, sequence)
        raise refused("DeploymentLogInvalidPageToken", token=query.token)

    def _seal(self, query: Query, plain: bytes) -> bytes:
        return blake2b(plain + query.identity, digest_size=SEAL, key=self._key).digest()


def parts_of(token: str) -> tuple[bytes, bytes]:
    """A token's content and its seal; nothing fits a text that is no token."""
    try:
        decoded = b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    return decoded[:-SEAL], decoded[-SEAL:]


def window(query: Query, now: int, default: int) -> tuple[int, int]:
    """The first and last moment a query is about. Raises ApiError 400 DeploymentLogInvalidDate.

    Which window a query without dates has is unknown: it is the last `default` milliseconds, as the backend's own client
    libraries have it. With an end alone it is everything kept up to there.
    """
    oldest = now - RETENTION
    start = query.start
    if start is None:
        start = oldest if query.end is not None else max(oldest, now - default)
    if start < oldest or (query.end is not None and query.end < start):
        raise refused("DeploymentLogInvalidDate")
    return start, FOREVER if query.end is None else query.end


def applications(payload: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A Deployment's applications by name."""
    return {one["applicationName"]: one for one in applications_of(payload) if isinstance(one["applicationName"], str)}


def application_named(payload: Mapping[str, Any], name: str | None) -> str:
    """One of a Deployment's applications, the first where none is named. Raises ApiError 400."""
    known = applications(payload)
    chosen = next(iter(known), "") if name is None else name
    if chosen not in known:
        raise refused("DeploymentApplicationDoesNotExist", application=chosen)
    return chosen


def url_of(payload: Mapping[str, Any], application: str) -> str | None:
    """What an application is reached by."""
    url = applications(payload)[application].get("url")
    return url if isinstance(url, str) else None


def failed_scripts(payload: Mapping[str, Any]) -> Iterator[str]:
    """The applications whose postDeploy script failed, by the report."""
    try:
        entries = [dict(entry) for entry in payload["details"]["build"]["report"]["entries"]]
    except (KeyError, TypeError, ValueError):
        return
    known = applications(payload)
    for entry in entries:
        name = entry.get("application") or next(iter(known), None)
        if name in known and "postDeploy" in str(entry.get("title")):
            yield name


def shape_named(name: str) -> Shape:
    """A shape. Raises ApiError 400."""
    if name not in SHAPES:
        raise invalid_json(f"no such shape: {name}; there are {', '.join(SHAPES)}")
    return SHAPES[name]


def played(shape: Shape, scene: Scene, late: int) -> Iterator[Record]:
    """The records of one scene."""
    for line in shape(scene):
        at = scene.at + line.after
        yield Record(timestamp=at, type=line.type, details=line.details, severity=line.severity, arrival=at + late)


def repeated(records: Iterable[Record], every: int) -> Iterator[Record]:
    """The records, every `every`-th of them twice; none at 0."""
    for number, record in enumerate(records, start=1):
        yield record
        if every and number % every == 0:
            yield record

"""The ports: what the pipeline needs from the world, one Protocol each. Implementations live above and beside it."""

import random  # noqa: TID251  the one place where chance enters, as a type
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from watcher.core.alert import Alert
from watcher.core.breaker import Breaker
from watcher.core.delivery import Delivery, DeliveryState, Settlement
from watcher.core.duration import Millis
from watcher.core.event import Event, EventReason
from watcher.core.group import Group
from watcher.core.history import Run
from watcher.core.logrecord import LogRecord, Matched, Place, Tally
from watcher.core.notification import Notification
from watcher.core.novelty import Memory
from watcher.core.pacing import Pace
from watcher.core.picture import Activity, Span, Spot
from watcher.core.reading import LogCursor
from watcher.core.sight import SourceState
from watcher.core.silence import Audit, Fields, Progress, Silence, SilenceText
from watcher.core.snapshot import Deployment, Listing, R_co, Record

R = TypeVar("R", bound=Record)


class Clock(Protocol):
    """Time. Production time cannot be stubbed; tests pass another Clock."""

    def now(self) -> Millis:
        """Wall-clock time in milliseconds since the epoch."""
        ...

    def monotonic(self) -> Millis:
        """Milliseconds that never go back; for lengths of time only."""
        ...

    async def sleep(self, length: Millis) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Time and chance: everything about the world that a test must be able to hold still."""

    clock: Clock
    rng: random.Random


class Source(Protocol[R_co]):
    """One list of the Connect API: a project's Deployments, the drafts an API client sees, the Connectors in use."""

    async def list(self) -> Listing[R_co]:
        """Read the whole list. Raises SourceError; never returns part of a list as if it were whole."""
        ...

    async def get(self, record_id: str) -> R_co | None:
        """Read one record; `None` when the API says that it does not exist. Raises SourceError."""
        ...


class Sink(Protocol):
    """One configured destination. Policy (retry, pacing, order) stays outside.

    A sink whose receiver follows each group on its own (an incident, an alert that must be ended) says so with
    `one_by_one = True`: what waited for it through an outage is never told in one.
    """

    @property
    def id(self) -> str:
        """Stable name: receiver, kind and position."""
        ...

    @property
    def send_resolved(self) -> bool:
        """Whether it wants to hear that alerts have ended."""
        ...

    def render(self, notification: Notification) -> bytes:
        """The body to send, frozen by the caller before the first attempt. Pure; never fails on any notification."""
        ...

    @property
    def paces(self) -> tuple[Pace, ...]:
        """How fast it may be sent to, each pace shared by all sinks that name it. One send is one turn of each."""
        ...

    async def send(self, delivery: Delivery) -> str | None:
        """Send `delivery.body` under `delivery.id`; returns what to remember of the lane, or `None` for no change.

        Raises DeliveryError unless the receiver said it took it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one poll adds to the store, as one transaction."""

    source: SourceState
    upserts: Sequence[Record] = ()
    removed: Sequence[str] = ()
    events: Sequence[Event] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBatch:
    """Records of one project that were read or pushed together, and what is committed with what they come to.

    `digest` names the pushed request: one that has been committed before adds nothing. What was written before
    `fresh_from` was so when the application was first seen: known, no news. `dropped` are cursors, by Deployment and
    application, that nobody needs any more.
    """

    project: str
    records: Sequence[LogRecord]
    cursors: Sequence[LogCursor] = ()
    source: SourceState | None = None
    events: Sequence[Event] = ()
    digest: bytes = b""
    fresh_from: Millis = 0
    dropped: Sequence[tuple[str, str]] = ()


class Pushed(NamedTuple):
    """A pushed request as decoded. `foreign` records are none of Connect's, `malformed` ones cannot be understood."""

    records: list[LogRecord]
    foreign: int
    malformed: int
    digest: bytes


class Receipt(NamedTuple):
    """What became of a pushed request's records, and why some were rejected."""

    accepted: int
    rejected: int = 0
    reason: str = ""


class Explain(Protocol):
    """What adds to failures what their logs say."""

    async def __call__(self, events: Sequence[Event], began: Callable[[Event], Millis], /) -> Sequence[Event]:
        """The events, explained where that can be done soon. `began` tells when the attempt of one began. Never raises."""
        ...


class Fetch(Protocol):
    """Logs asked for on demand."""

    async def __call__(self, deployment_id: str, since: Millis) -> Sequence[LogRecord]:
        """What a Deployment's applications wrote since then, as much as can be had quickly. Raises SourceError."""
        ...


class LogMatching(Protocol):
    """The rules on logs, asked about a batch at a time."""

    def match(
        self, project: str, region: str, records: Sequence[LogRecord], deployments: Mapping[str, Deployment]
    ) -> Matched:
        """Hits and tallies of a batch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWrite:
    """What a batch of log records adds to the store: hits as events, tallies, and how far was read.

    `keys` name the events of a pushed request, in their order: one whose key is known already was pushed before.
    """

    project: str
    events: Sequence[Event] = ()
    keys: Sequence[str] = ()
    tallies: Mapping[Place, Tally] = field(default_factory=dict)
    cursors: Sequence[LogCursor] = ()
    dropped: Sequence[tuple[str, str]] = ()
    source: SourceState | None = None
    digest: bytes = b""


class Intake(Protocol):
    """Where log records go: matched, tallied, committed."""

    async def take(self, batch: LogBatch) -> None:
        """Take a batch in; returns when it is committed. Raises StoreError, and then nothing of it is."""
        ...


class PushIntake(Protocol):
    """Where pushed requests go."""

    async def push(self, pushed: Pushed, projects: frozenset[str]) -> Receipt:
        """Take a request in for the projects that its sender may speak for; returns when it is committed.

        Raises BehindError where there is too much to do, StoreError where it cannot be written; then nothing of it is.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What judge has to look at: events in order, and how far each source has been seen (from one read)."""

    events: Sequence[Event]
    sources: Sequence[SourceState]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What judging adds to the store, as one transaction: states by key (`None` deletes), outbox rows, reasons."""

    cursor: int
    alerts: Mapping[str, Alert | None] = field(default_factory=dict)
    groups: Mapping[str, Group | None] = field(default_factory=dict)
    deliveries: Sequence[Delivery] = ()
    reasons: Mapping[int, tuple[EventReason, str]] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, Run | None] = field(default_factory=dict)
    memories: Mapping[str, Memory | None] = field(default_factory=dict)
    silences: Mapping[str, Progress] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRows:
    """Everything judge keeps in memory, as the store has it."""

    cursor: int
    alerts: Sequence[Alert]
    groups: Sequence[Group]
    meta: Mapping[str, str]
    runs: Sequence[Run] = ()
    memories: Sequence[Memory] = ()
    silences: Sequence[tuple[Fields, Progress]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One settled attempt: the delivery as it now stands. `memo` is what its sink wants remembered of the lane, if it changed.

    `body`, where there is one, is sent from now on: the receiver could not read the one before.
    """

    delivery_id: str
    settlement: Settlement
    unknown: bool = False
    malformed: bool = False
    error: str = ""
    memo: str | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """What a restart obeys: from when the bucket of each pace is full again, and how sinks stand that were down."""

    paces: Mapping[str, Millis]
    breakers: Mapping[str, Breaker]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStats:
    """The outbox by state, and when its oldest unsettled row was made (`None`: there is none)."""

    rows: Mapping[DeliveryState, int]
    oldest: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The alerts there are and the groups in which they are told, from one read."""

    alerts: Sequence[Alert]
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The Deployments there are, what is known of their builds, and how well all sources are seen, from one read."""

    deployments: Sequence[Deployment]
    runs: Sequence[Run]
    sources: Sequence[SourceState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did, as one transaction: the event that brings it to judge, the record of it, and what it changes.

    `silence` is a new one, `expires` names one that is to end.
    """

    event: Event
    audit: Audit
    silence: Fields | None = None
    expires: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRow:
    """A silence as it is kept: its written form, and when it was ended (0: it is left to its end)."""

    fields: Fields
    expired_at: Millis = 0


class Operating(Protocol):
    """What people do to alerts: one implementation for the API, the command line and buttons. Every act is on record.

    `by` says who it is, as they are to be shown. What was asked for is committed when a verb returns.
    """

    async def silence(self, wanted: SilenceText, *, by: str) -> Silence:
        """Begin a silence. Raises ValueError, which says what is wrong with it."""
        ...

    async def expire(self, silence_id: str, *, by: str) -> Silence | None:
        """End a silence now; returns it as it then stands, `None` when there is none. One that is over stays as it was."""
        ...

    async def silences(self, *, ended: bool = False) -> Sequence[Silence]:
        """Silences that hold or are to come, newest first; with `ended` also those that are over and not yet purged."""
        ...

    async def acknowledge(self, group_key: str, *, by: str) -> int:
        """Stop reminding of a group's alerts until they change; returns how many firing alerts are now acknowledged."""
        ...

    async def audit(self, limit: int = 100) -> Sequence[Audit]:
        """What was done, newest first."""
        ...


class Store(Protocol):
    """The database. Every method is one transaction; what it returns is committed."""

    async def load_records(self, project: str, source: str, kind: type[R]) -> Sequence[R]:
        """What a source listed, as last committed."""
        ...

    async def load_source(self, project: str, source: str) -> SourceState | None:
        """What is remembered about a source, or `None` at first sight."""
        ...

    async def forget_sources(self, kept: Collection[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Forget every source but these, by project and name, and what it listed; returns those that were forgotten."""
        ...

    async def commit_observation(self, observation: Observation) -> None:
        """Write a poll: source state, changed records, events."""
        ...

    async def commit_logs(self, writes: Sequence[LogWrite]) -> Sequence[bool]:
        """Write what batches came to, all or nothing; returns for each whether it was new. A known digest adds nothing."""
        ...

    async def load_cursors(self, project: str) -> Sequence[LogCursor]:
        """How far a project's polled logs have been read."""
        ...

    async def load_hits(self, cursor: int, reach: Millis) -> Sequence[Event]:
        """Hits that were judged already, up to `cursor`: of each project those observed within `reach` of its last; oldest first."""
        ...

    async def load_tallies(self, project: str, spans: Sequence[Span]) -> Mapping[Span, Mapping[Spot, Tally]]:
        """What each application of a project wrote within each span, summed up."""
        ...

    async def load_activity(self, project: str) -> Mapping[Spot, Activity]:
        """When each application of a project was first and last heard."""
        ...

    async def load_ledger(self) -> LedgerRows:
        """Alerts, groups and judge's cursor."""
        ...

    async def backlog(self, cursor: int, limit: int) -> Backlog:
        """Events after `cursor`, oldest first, and every source's state, from one consistent read."""
        ...

    async def commit_judgement(self, judgement: Judgement) -> None:
        """Write a judgement: alerts, groups, outbox rows (a row whose id exists already is left alone), reasons, cursor."""
        ...

    async def due_deliveries(self, sink: str, now: Millis, limit: int) -> Sequence[Delivery]:
        """Deliveries of a sink that may be attempted: due, pending or held, and first unsettled row of their lane.

        Lanes in which something critical waits come first, the newest of those first; then what is due longest.
        """
        ...

    async def next_due(self, sink: str) -> Millis | None:
        """When the next delivery of a sink that heads its lane is due, pending or held."""
        ...

    async def claim(
        self, bodies: Mapping[str, bytes], now: Millis, *, paces: Mapping[str, Millis] = ...
    ) -> Sequence[Delivery]:
        """Mark deliveries as being sent, count the attempt, freeze their body, remember the turns that were taken for them.

        Returns them as they now stand, with the memo of their lane.
        """
        ...

    async def settle(
        self,
        settled: Sequence[Settled],
        events: Sequence[Event],
        now: Millis,
        *,
        breakers: Mapping[str, Breaker] = ...,
        paces: Mapping[str, Millis] = ...,
    ) -> None:
        """Write the outcome of attempts, and events about them.

        Of a sink whose breaker says that it refuses, what waits is held; of one whose breaker is closed, it is due.
        """
        ...

    async def load_pacing(self) -> Pacing:
        """What is remembered of paces and of sinks that were down."""
        ...

    async def expire(self, sink: str, now: Millis) -> int:
        """Make dead letters of what has waited too long for a sink and is not critical, told as one event; returns how many."""
        ...

    async def digestible(self, sink: str, own: str, limit: int) -> Sequence[Delivery]:
        """What waits for a sink, oldest first, and may be told in one.

        Nothing critical is in its lane, nothing of that is being sent, and the sink remembers nothing of it. `own` is the
        lane of the digests themselves.
        """
        ...

    async def digest(self, made: Delivery, ids: Sequence[str]) -> None:
        """Add a delivery that stands for others; these keep their places in their lanes until it is settled."""
        ...

    async def dead_letters(self, *, sink: str = "", limit: int = 100, before: int = 0) -> Sequence[Delivery]:
        """Dead letters, of one sink or of all, the newest first; `before` is a number to go on from, 0: the newest."""
        ...

    async def dead_letter(self, delivery_id: str) -> Delivery | None:
        """One dead letter, or `None`."""
        ...

    async def replay(self, ids: Sequence[str], now: Millis) -> Sequence[str]:
        """Bring dead letters back under their ids, with their bodies; returns those that were, in the order of their lanes."""
        ...

    async def recover_claims(self, now: Millis) -> int:
        """After a crash: deliveries that were being sent become pending again, with an unknown outcome; returns how many."""
        ...

    async def abandon(self, sinks: Collection[str], now: Millis) -> Mapping[str, int]:
        """Make dead letters of what waits for any other sink than these, each told as an event; returns how many by sink."""
        ...

    async def outbox(self) -> OutboxStats:
        """Count the outbox."""
        ...

    async def load_standing(self) -> Standing:
        """The alerts there are, for somebody who asks."""
        ...

    async def load_inventory(self, project: str = "") -> Inventory:
        """The Deployments there are, of one project or (empty) of all, for somebody who asks."""
        ...

    async def load_sources(self) -> Sequence[SourceState]:
        """How well every source is seen, as last committed."""
        ...

    async def note(self, audit: Audit) -> None:
        """Put on record what somebody did that is no event."""
        ...

    async def touch(self, now: Millis) -> None:
        """Prove that something can be written: note that the daemon was alive then."""
        ...

    async def commit_act(self, act: Act) -> bool:
        """Write what somebody did; `False`, and nothing is written, where what it is to end is over, or is not there."""
        ...

    async def load_silences(self, now: Millis, *, ended: bool = False) -> Sequence[SilenceRow]:
        """Silences that are not over by `now`, or (`ended`) all, newest first."""
        ...

    async def load_silence(self, silence_id: str) -> SilenceRow | None:
        """One silence, or `None`."""
        ...

    async def load_group(self, key: str) -> Group | None:
        """One group as judge left it, or `None`."""
        ...

    async def load_audit(self, limit: int) -> Sequence[Audit]:
        """What was done, newest first."""
        ...

    async def purge(self, before: Millis, batch: int) -> int:
        """Delete up to `batch` judged events and settled deliveries older than `before`; returns how many."""
        ...

    async def close(self) -> None:
        """Finish what runs, checkpoint, release the lock."""
        ...

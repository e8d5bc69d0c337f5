"""What is read from and written to the store together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watcher.core.alert import Alert
from watcher.core.breaker import Breaker
from watcher.core.delivery import Delivery, DeliveryState, Settlement
from watcher.core.duration import Millis
from watcher.core.event import Event, EventReason
from watcher.core.group import Group
from watcher.core.history import Run
from watcher.core.novelty import Memory
from watcher.core.sight import SourceState
from watcher.core.silence import Audit, Fields, Progress
from watcher.core.snapshot import Deployment


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
class Waiting:
    """What may be attempted of a sink now, and when the next of it is due (`None`: nothing waits)."""

    due: Sequence[Delivery]
    next_due: Millis | None


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

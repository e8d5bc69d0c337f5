"""Events: the facts that observing produces and judging consumes, one row each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from watcher.core.altered import altered
from watcher.core.duration import Millis
from watcher.core.logrecord import Hit
from watcher.core.snapshot import Connector, ConnectorStaged, Deployment, Record, ReportEntry


class EventType(StrEnum):
    """What happened. The value is the label `event` of a rule and the `type` of the metric."""

    CREATED = "created"
    STATUS = "status"
    ATTEMPT = "attempt"
    REPORT = "report"
    APPLICATION = "application"
    CONNECTOR = "connector"
    PREVIEW = "preview"
    COMMENT = "comment"
    LISTED = "listed"
    DRIFT = "drift"
    UPDATED = "updated"
    GONE = "gone"
    BASELINE = "baseline"
    BLIND = "blind"
    SIGHTED = "sighted"
    GAP = "gap"
    SUSPICIOUS = "suspicious"
    UNKNOWN = "unknown"
    TRUNCATED = "truncated"
    FORBIDDEN = "forbidden"
    ANNOUNCED = "announced"
    ENDING = "ending"
    HIT = "hit"
    TALLY = "tally"
    DEAD_LETTER = "dead_letter"
    REFUSING = "refusing"
    ACCEPTING = "accepting"
    SILENCED = "silenced"
    UNSILENCED = "unsilenced"
    ACKNOWLEDGED = "acknowledged"


class EventReason(StrEnum):
    """Why an event did or did not become a message; every judged event ends with exactly one.

    In ascending order of weight: where several rules looked at one event, the weightiest reason is recorded.
    """

    NO_RULE = "no_rule"
    BASELINE = "baseline"
    COUNTED = "counted"
    KNOWN = "known"
    CONDITION_ENDED = "condition_ended"
    STILL_FIRING = "still_firing"
    PENDING = "pending"
    SILENCED = "silenced"
    RESOLVED = "resolved"
    TOLD_ONCE = "told_once"
    NEW_ATTEMPT = "new_attempt"
    STARTED = "started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One observed fact about a Deployment, a draft, a Connector or a source.

    `at` is when it was observed, `sight` when its source was last seen before that (0: never): a condition may be
    held to have lasted only up to `sight`. `deployment`, `draft` or `connector` is the state after the fact (the last
    known one for `gone`), all `None` for a fact about a source; `hit` is what a log rule matched; `previous_status` and `previous_build` are the state before. `added` is what a report or the remarks
    gained, as one event: the record is stored once however much that is. `fields` holds what only this type has.
    `baseline` marks facts that were already so when the project was first seen. `seq` is given by the store.
    """

    type: EventType
    project: str
    at: Millis
    sight: Millis = 0
    region: str = ""
    source: str = "deployments"
    deployment: Deployment | None = None
    draft: ConnectorStaged | None = None
    connector: Connector | None = None
    previous_status: str = ""
    previous_build: str = ""
    hit: Hit | None = None
    added: tuple[ReportEntry, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    baseline: bool = False
    seq: int = 0

    @property
    def record(self) -> Record | None:
        """The Deployment, draft or Connector it is about; `None` where it is about a source."""
        return self.deployment or self.draft or self.connector

    @property
    def subject(self) -> str:
        """What the event is about: a record's id, else the source."""
        found = self.record
        return found.id if found else self.source


def about(event: Event, record: Record, **more: Any) -> Event:
    """The event, as one about `record`, with `more` of it changed: an event has many fields, and is copied but once."""
    match record:
        case Deployment():
            return altered(event, deployment=record, **more)
        case ConnectorStaged():
            return altered(event, draft=record, **more)
        case Connector():
            return altered(event, connector=record, **more)


def about_sink(kind: EventType, sink: str, at: Millis, *, count: int = 1, error: str = "") -> Event:
    """A fact about a sink: it refuses, it accepts again, or messages for it were given up. No project is involved."""
    fields = {"sink": sink, "count": str(count), "error": error}
    return Event(type=kind, project="", source=sink, at=at, sight=at, fields=fields)


def observation_of(event: Event) -> tuple[str, str, Millis]:
    """Which look at which source brought the event."""
    return event.project, event.source, event.at


def whole_observations(events: Sequence[Event]) -> Sequence[Event]:
    """The events without those of the last observation, of which a limited read may have left a part behind."""
    if not events:
        return events
    last = observation_of(events[-1])
    end = len(events)
    while end and observation_of(events[end - 1]) == last:
        end -= 1
    return events[:end]

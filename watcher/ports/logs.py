"""Log records on their way: what arrives, what it is matched by, what is written of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.logrecord import LogRecord, Matched, Place, Tally
from watcher.core.reading import LogCursor
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment


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

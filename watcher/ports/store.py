"""The database."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from watcher.core.breaker import Breaker
from watcher.core.delivery import Delivery
from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.group import Group
from watcher.core.logrecord import Tally
from watcher.core.picture import Activity, Span, Spot
from watcher.core.reading import LogCursor
from watcher.core.sight import SourceState
from watcher.core.silence import Audit
from watcher.core.snapshot import Record
from watcher.ports.edges import Observation
from watcher.ports.logs import LogWrite
from watcher.ports.rows import (
    Act,
    Backlog,
    Inventory,
    Judgement,
    LedgerRows,
    OutboxStats,
    Pacing,
    Settled,
    SilenceRow,
    Standing,
    Waiting,
)

R = TypeVar("R", bound=Record)


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

    async def waiting(self, rooms: Mapping[str, int], now: Millis) -> Mapping[str, Waiting]:
        """What may be attempted of each sink, as `due_deliveries` has it, and when the next of it is due; from one read.

        `rooms` says how many of each are asked for, 0 for none.
        """
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

"""The verbs of the store, written once over named queries; an engine gives the transaction."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from watcher.core.alert import Alert
from watcher.core.breaker import Breaker
from watcher.core.delivery import Delivery
from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.group import Group
from watcher.core.history import Run as History
from watcher.core.logrecord import Tally
from watcher.core.novelty import Memory
from watcher.core.picture import Activity, Span, Spot
from watcher.core.reading import LogCursor
from watcher.core.sight import SourceState
from watcher.core.silence import Audit
from watcher.core.snapshot import Record
from watcher.errors import StoreError
from watcher.ports import (
    Act,
    Backlog,
    Clock,
    Inventory,
    Judgement,
    LedgerRows,
    LogWrite,
    Observation,
    OutboxStats,
    Pacing,
    Settled,
    SilenceRow,
    Standing,
    Waiting,
)
from watcher.store import codec, live, logs, outbox, silences
from watcher.store.logs import event_row as _event
from watcher.store.transaction import Driver, Params, Run, Transaction

T = TypeVar("T")
R = TypeVar("R", bound=Record)

Statement = tuple[str, Sequence[Params]]
"""A named query and the parameters of each time it is to run. A write is a list of them."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class SqlStore:
    """The `Store` port over an engine. What a verb is given is read before it first waits, so it may change afterwards."""

    def __init__(self, driver: Driver, *, run: Run, clock: Clock, on_close: Callable[[], None]) -> None:
        self._driver = driver
        self._run = run
        self._clock = clock
        self._on_close = on_close
        self._closed = False

    # ── observe ──

    async def load_records(self, project: str, source: str, kind: type[R]) -> Sequence[R]:
        """What a source listed, as last committed."""
        params = {"project": project, "source": source}
        return await self._read(partial(_bodies, "load_records", codec.record(kind), params))

    async def load_source(self, project: str, source: str) -> SourceState | None:
        """What is remembered about a source, or `None` at first sight."""
        params = {"project": project, "source": source}
        found = await self._read(partial(_bodies, "load_source", codec.source, params))
        return found[0] if found else None

    async def forget_sources(self, kept: Collection[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Forget every source but these, by project and name, and what it listed; returns those that were forgotten."""
        return await self._change(partial(_forget_sources, frozenset(kept)))

    async def commit_observation(self, observation: Observation) -> None:
        """Write a poll: source state, changed records, events."""
        state = observation.source
        source = {"project": state.project, "source": state.source}
        await self._write(
            ("save_source", [{**source, "body": codec.encode(state)}]),
            ("save_record", [{**source, "id": each.id, "body": codec.encode(each)} for each in observation.upserts]),
            ("remove_record", [{**source, "id": each} for each in observation.removed]),
            ("add_event", [_event(each) for each in observation.events]),
        )

    # ── logs ──

    async def commit_logs(self, writes: Sequence[LogWrite]) -> Sequence[bool]:
        """Write what batches came to, all or nothing; returns for each whether it was new."""
        return await self._change(partial(logs.commit, writes, self._clock.now()))

    async def load_cursors(self, project: str) -> Sequence[LogCursor]:
        """How far a project's polled logs have been read."""
        return await self._read(partial(logs.cursors, project))

    async def load_hits(self, cursor: int, reach: Millis) -> Sequence[Event]:
        """Hits up to `cursor`, of each project those that were observed within `reach` of its last, oldest first."""
        return await self._read(partial(logs.hits, cursor, reach))

    async def load_tallies(self, project: str, spans: Sequence[Span]) -> Mapping[Span, Mapping[Spot, Tally]]:
        """What each application of a project wrote within each span."""
        return await self._read(partial(logs.tallies, project, spans))

    async def load_activity(self, project: str) -> Mapping[Spot, Activity]:
        """When each application of a project was first and last heard."""
        return await self._read(partial(logs.activity, project))

    # ── judge ──

    async def load_ledger(self) -> LedgerRows:
        """Alerts, groups and judge's cursor."""
        return await self._read(_ledger)

    async def backlog(self, cursor: int, limit: int) -> Backlog:
        """Events after `cursor`, oldest first, and every source's state, from one consistent read."""
        return await self._read(partial(_backlog, cursor, limit))

    async def commit_judgement(self, judgement: Judgement) -> None:
        """Write a judgement. A delivery whose id is known is left as it is, so that one made anew is not sent anew."""
        now = self._clock.now()
        reasons = judgement.reasons.items()
        await self._write(
            *_states("alert", judgement.alerts),
            *_states("group", judgement.groups),
            *_states("run", judgement.runs),
            *_states("memory", judgement.memories),
            ("add_delivery", [outbox.row(each) for each in judgement.deliveries]),
            (
                "save_reason",
                [{"seq": seq, "reason": str(why), "rule": rule, "at": now} for seq, (why, rule) in reasons],
            ),
            ("save_meta", [{"key": key, "value": value} for key, value in judgement.meta.items()]),
            ("save_progress", [silences.progress_row(*each) for each in judgement.silences.items()]),
            ("add_audit", silences.endings(judgement.silences)),
            ("save_cursor", [{"seq": judgement.cursor}]),
        )

    # ── deliver ──

    async def due_deliveries(self, sink: str, now: Millis, limit: int) -> Sequence[Delivery]:
        """Deliveries of a sink that may be attempted: what is urgent first, the newest; then what is due longest."""
        return await self._read(partial(outbox.due, sink, now, limit))

    async def next_due(self, sink: str) -> Millis | None:
        """When the next delivery of a sink that heads its lane is due."""
        return await self._read(partial(outbox.next_due, sink))

    async def waiting(self, rooms: Mapping[str, int], now: Millis) -> Mapping[str, Waiting]:
        """What may be attempted of each sink, as much as it has room for; when there is something else, where nothing may."""
        return await self._read(partial(outbox.waiting, dict(rooms), now))

    async def claim(
        self, bodies: Mapping[str, bytes], now: Millis, *, paces: Mapping[str, Millis] = _NOTHING
    ) -> Sequence[Delivery]:
        """Mark deliveries as being sent. One that has been claimed, settled or overtaken meanwhile is not among the result."""
        return await self._change(partial(outbox.claim, dict(bodies), dict(paces), now))

    async def settle(
        self,
        settled: Sequence[Settled],
        events: Sequence[Event],
        now: Millis,
        *,
        breakers: Mapping[str, Breaker] = _NOTHING,
        paces: Mapping[str, Millis] = _NOTHING,
    ) -> None:
        """Write the outcome of attempts, what they say about their sinks, and events about them."""
        work = partial(outbox.settle, tuple(settled), tuple(events), dict(breakers), dict(paces), now)
        await self._change(work)

    async def load_pacing(self) -> Pacing:
        """What is remembered of paces and of sinks that were down."""
        return await self._read(outbox.pacing)

    async def expire(self, sink: str, now: Millis) -> int:
        """Make dead letters of what has waited too long for a sink, told as one event; returns how many."""
        return await self._change(partial(outbox.expire, sink, now))

    async def digestible(self, sink: str, own: str, limit: int) -> Sequence[Delivery]:
        """What waits for a sink and may be told in one, the oldest first."""
        return await self._read(partial(outbox.digestible, sink, own, limit))

    async def digest(self, made: Delivery, ids: Sequence[str]) -> None:
        """Add a delivery that stands for others. Raises StoreError where one of them does not wait any more."""
        await self._change(partial(outbox.digest, made, tuple(ids)))

    async def dead_letters(self, *, sink: str = "", limit: int = 100, before: int = 0) -> Sequence[Delivery]:
        """Dead letters, of one sink or of all, the newest first."""
        return await self._read(partial(outbox.dead_letters, sink, limit, before))

    async def dead_letter(self, delivery_id: str) -> Delivery | None:
        """One dead letter, or `None`."""
        return await self._read(partial(outbox.dead_letter, delivery_id))

    async def replay(self, ids: Sequence[str], now: Millis) -> Sequence[str]:
        """Bring dead letters back; returns those that were, in their order."""
        return await self._change(partial(outbox.replay, tuple(ids), now))

    async def recover_claims(self, now: Millis) -> int:
        """After a crash: deliveries that were being sent become pending again, with an unknown outcome; returns how many."""
        return await self._change(partial(outbox.recover, now))

    async def abandon(self, sinks: Collection[str], now: Millis) -> Mapping[str, int]:
        """Make dead letters of what waits for any other sink than these, each told as an event; returns how many by sink."""
        return await self._change(partial(outbox.abandon, frozenset(sinks), now))

    async def outbox(self) -> OutboxStats:
        """Count the outbox; every state is there."""
        return await self._read(outbox.stats)

    # ── people ──

    async def commit_act(self, act: Act) -> bool:
        """Write what somebody did; `False` where there was nothing left to end."""
        return await self._change(partial(silences.commit, act))

    async def load_silences(self, now: Millis, *, ended: bool = False) -> Sequence[SilenceRow]:
        """Silences that are not over by `now`, or all, newest first."""
        return await self._read(lambda tx: silences.found(ended=ended, now=now, tx=tx))

    async def load_silence(self, silence_id: str) -> SilenceRow | None:
        """One silence, or `None`."""
        return await self._read(partial(silences.one, silence_id))

    async def load_group(self, key: str) -> Group | None:
        """One group as judge left it, or `None`."""
        return await self._read(partial(silences.group, key))

    async def load_audit(self, limit: int) -> Sequence[Audit]:
        """What was done, newest first."""
        return await self._read(partial(silences.audit, limit))

    # ── asked from outside ──

    async def load_standing(self) -> Standing:
        """The alerts there are, and the groups in which they are told."""
        return await self._read(live.standing)

    async def load_inventory(self, project: str = "") -> Inventory:
        """The Deployments there are, of one project or (empty) of all, and how well all sources are seen."""
        return await self._read(partial(live.inventory, project))

    async def load_sources(self) -> Sequence[SourceState]:
        """How well every source is seen."""
        return await self._read(live.sources)

    # ── keep ──

    async def note(self, audit: Audit) -> None:
        """Put on record what somebody did that is no event."""
        await self._write(("add_audit", [live.audit_row(audit)]))

    async def touch(self, now: Millis) -> None:
        """Note that the daemon was alive then."""
        await self._write(("save_meta", [{"key": live.ALIVE, "value": str(now)}]))

    async def purge(self, before: Millis, batch: int) -> int:
        """Delete up to `batch` judged events and delivered messages older than `before`; dead letters stay."""
        return await self._change(partial(_purge, before, batch, self._clock.now()))

    async def close(self) -> None:
        """Finish what runs, checkpoint, release the lock. Closing twice is closing once."""
        if not self._closed:
            self._closed = True
            try:
                await self._run(self._driver.close)
            finally:
                self._on_close()

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        return await self._transact(work, write=False)

    async def _change(self, work: Callable[[Transaction], T]) -> T:
        return await self._transact(work, write=True)

    async def _write(self, *statements: Statement) -> None:
        await self._transact(partial(_execute, statements), write=True)

    async def _transact(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        if self._closed:
            raise StoreError("the store is closed")
        return await self._run(partial(self._driver.transact, work, write=write))


# ── inside a transaction ─────────────────────────────────────────────────────


def _execute(statements: Iterable[Statement], tx: Transaction) -> None:
    for name, rows in statements:
        if rows:
            tx.executemany(name, rows)


def _bodies(name: str, read: Callable[[str], T], params: Params, tx: Transaction) -> list[T]:
    return [read(row["body"]) for row in tx.rows(name, params)]


def _forget_sources(kept: frozenset[tuple[str, str]], tx: Transaction) -> list[tuple[str, str]]:
    known = _bodies("load_sources", codec.source, {}, tx)
    lost = [place for each in known if (place := (each.project, each.source)) not in kept]
    for project, source in lost:
        for name in ("forget_records", "forget_source"):
            tx.execute(name, {"project": project, "source": source})
        if source == "logs":
            logs.forget(project, tx)
    return lost


def _ledger(tx: Transaction) -> LedgerRows:
    alerts, groups = live.told(tx)
    return LedgerRows(
        cursor=tx.rows("load_cursor")[0]["seq"],
        alerts=alerts,
        groups=groups,
        meta={row["key"]: row["value"] for row in tx.rows("load_meta")},
        runs=_bodies("load_runs", codec.run, {}, tx),
        memories=_bodies("load_memories", codec.memory, {}, tx),
        silences=silences.standing(tx),
    )


def _backlog(cursor: int, limit: int, tx: Transaction) -> Backlog:
    rows = tx.rows("events_after", {"cursor": cursor, "limit": limit + 1})
    return Backlog(
        events=[codec.event(row) for row in rows[:limit]],
        sources=_bodies("load_sources", codec.source, {}, tx),
        more=len(rows) > limit,
    )


def _purge(before: Millis, batch: int, now: Millis, tx: Transaction) -> int:
    logs.purge(now, tx)
    silences.purge(before, now, tx)
    tx.execute("purge_memos", {"before": before})
    events = tx.execute("purge_events", {"before": before, "limit": batch})
    return events + tx.execute("purge_deliveries", {"before": before, "limit": batch - events})


# ── rows ─────────────────────────────────────────────────────────────────────


def _states(
    kind: str,
    states: Mapping[str, Alert | None]
    | Mapping[str, Group | None]
    | Mapping[str, History | None]
    | Mapping[str, Memory | None],
) -> tuple[Statement, Statement]:
    saved = [{"key": key, "body": codec.encode(state)} for key, state in states.items() if state is not None]
    removed = [{"key": key} for key, state in states.items() if state is None]
    return (f"save_{kind}", saved), (f"remove_{kind}", removed)

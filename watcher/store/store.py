"""The verbs of the store, written once over named queries; an engine gives the transaction."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from watcher.core.alert import Alert
from watcher.core.delivery import Delivery, DeliveryState
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType, about_sink
from watcher.core.group import Group
from watcher.core.history import Run as History
from watcher.core.logrecord import Tally
from watcher.core.novelty import Memory
from watcher.core.picture import Activity, Span, Spot
from watcher.core.reading import LogCursor
from watcher.core.sight import SourceState
from watcher.core.snapshot import Record
from watcher.errors import StoreError
from watcher.ports import Backlog, Clock, Judgement, LedgerRows, LogWrite, Observation, OutboxStats, Settled
from watcher.store import codec, logs
from watcher.store.logs import event_row as _event
from watcher.store.transaction import Driver, Params, Run, Transaction

T = TypeVar("T")
R = TypeVar("R", bound=Record)

Statement = tuple[str, Sequence[Params]]
"""A named query and the parameters of each time it is to run. A write is a list of them."""

SETTLED = frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD})


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
            ("add_delivery", [_delivery(each) for each in judgement.deliveries]),
            (
                "save_reason",
                [{"seq": seq, "reason": str(why), "rule": rule, "at": now} for seq, (why, rule) in reasons],
            ),
            ("save_meta", [{"key": key, "value": value} for key, value in judgement.meta.items()]),
            ("save_cursor", [{"seq": judgement.cursor}]),
        )

    # ── deliver ──

    async def due_deliveries(self, sink: str, now: Millis, limit: int) -> Sequence[Delivery]:
        """Deliveries of a sink that may be attempted, the one due longest first."""
        return await self._read(partial(_deliveries, "due_deliveries", {"sink": sink, "now": now, "limit": limit}))

    async def next_due(self, sink: str) -> Millis | None:
        """When the next delivery of a sink that heads its lane is due."""
        return await self._read(partial(_millis, "next_due", "due_at", {"sink": sink}))

    async def claim(self, bodies: Mapping[str, bytes], now: Millis) -> Sequence[Delivery]:
        """Mark deliveries as being sent. One that has been claimed, settled or overtaken meanwhile is not among the result."""
        claims = [{"id": each, "body": body, "now": now} for each, body in bodies.items()]
        return await self._change(partial(_claim, claims))

    async def settle(self, settled: Sequence[Settled], events: Sequence[Event], now: Millis) -> None:
        """Write the outcome of attempts, and events about them."""
        await self._write(
            ("settle", [_settled(each, now) for each in settled]),
            ("add_event", [_event(each) for each in events]),
        )

    async def recover_claims(self, now: Millis) -> int:
        """After a crash: deliveries that were being sent become pending again, with an unknown outcome; returns how many."""
        return await self._change(partial(_recover, now))

    async def abandon(self, sinks: Collection[str], now: Millis) -> Mapping[str, int]:
        """Make dead letters of what waits for any other sink than these, each told as an event; returns how many by sink."""
        return await self._change(partial(_abandon, frozenset(sinks), now))

    async def outbox(self) -> OutboxStats:
        """Count the outbox; every state is there."""
        return await self._read(_outbox)

    # ── keep ──

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
        return await self._run(lambda: self._driver.transact(work, write=write))


# ── inside a transaction ─────────────────────────────────────────────────────


def _execute(statements: Iterable[Statement], tx: Transaction) -> None:
    for name, rows in statements:
        if rows:
            tx.executemany(name, rows)


def _bodies(name: str, read: Callable[[str], T], params: Params, tx: Transaction) -> list[T]:
    return [read(row["body"]) for row in tx.rows(name, params)]


def _deliveries(name: str, params: Params, tx: Transaction) -> list[Delivery]:
    return [codec.delivery(row) for row in tx.rows(name, params)]


def _claim(claims: Iterable[Params], tx: Transaction) -> list[Delivery]:
    return [found for each in claims for found in _deliveries("claim", each, tx)]


def _forget_sources(kept: frozenset[tuple[str, str]], tx: Transaction) -> list[tuple[str, str]]:
    known = _bodies("load_sources", codec.source, {}, tx)
    lost = [place for each in known if (place := (each.project, each.source)) not in kept]
    for project, source in lost:
        for name in ("forget_records", "forget_source"):
            tx.execute(name, {"project": project, "source": source})
        if source == "logs":
            logs.forget(project, tx)
    return lost


def _millis(name: str, column: str, params: Params, tx: Transaction) -> Millis | None:
    found: Millis | None = tx.rows(name, params)[0][column]
    return found


def _ledger(tx: Transaction) -> LedgerRows:
    return LedgerRows(
        cursor=tx.rows("load_cursor")[0]["seq"],
        alerts=_bodies("load_alerts", codec.alert, {}, tx),
        groups=_bodies("load_groups", codec.group, {}, tx),
        meta={row["key"]: row["value"] for row in tx.rows("load_meta")},
        runs=_bodies("load_runs", codec.run, {}, tx),
        memories=_bodies("load_memories", codec.memory, {}, tx),
    )


def _backlog(cursor: int, limit: int, tx: Transaction) -> Backlog:
    rows = tx.rows("events_after", {"cursor": cursor, "limit": limit + 1})
    return Backlog(
        events=[codec.event(row) for row in rows[:limit]],
        sources=_bodies("load_sources", codec.source, {}, tx),
        more=len(rows) > limit,
    )


def _outbox(tx: Transaction) -> OutboxStats:
    found = {row["state"]: row["deliveries"] for row in tx.rows("outbox_counts")}
    oldest = _millis("outbox_oldest", "created_at", {}, tx)
    return OutboxStats(rows={state: found.get(state, 0) for state in DeliveryState}, oldest=oldest)


def _recover(now: Millis, tx: Transaction) -> int:
    tx.execute("recover_dues", {"now": now})
    return tx.execute("recover_claims", {"now": now})


def _abandon(sinks: frozenset[str], now: Millis, tx: Transaction) -> dict[str, int]:
    waiting = {str(row["sink"]): int(row["deliveries"]) for row in tx.rows("unsettled_by_sink", {})}
    lost = {sink: count for sink, count in waiting.items() if sink not in sinks}
    for sink, count in lost.items():
        tx.execute("abandon", {"sink": sink, "now": now})
        event = about_sink(EventType.DEAD_LETTER, sink, now, count=count, error="this sink is no longer configured")
        tx.execute("add_event", _event(event))
    return lost


def _purge(before: Millis, batch: int, now: Millis, tx: Transaction) -> int:
    logs.purge(now, tx)
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


def _delivery(each: Delivery) -> Params:
    return {
        "id": each.id,
        "sink": each.sink,
        "lane": each.lane,
        "state": str(each.state),
        "severity": each.severity,
        "due_at": each.due_at,
        "attempts": each.attempts,
        "unknown_outcomes": each.unknown_outcomes,
        "created_at": each.created_at,
        "observed_at": each.observed_at,
        "last_error": each.last_error,
        "notification": each.notification,
        "body": each.body,
    }


def _settled(each: Settled, now: Millis) -> Params:
    state = each.settlement.state
    return {
        "id": each.delivery_id,
        "state": str(state),
        "due_at": each.settlement.due_at,
        "unknown": int(each.unknown),
        "error": each.error,
        "settled_at": now if state in SETTLED else None,
    }

"""Judge: read new events, advance the ledger, commit alerts, groups and outbox rows. It sends nothing."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from watcher.core import alert, group
from watcher.core.delivery import Delivery
from watcher.core.dispatch import Dispatch, Flush, SinkRef
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType, whole_observations
from watcher.core.history import Run
from watcher.core.ledger import Ledger
from watcher.core.logrecord import MINUTE
from watcher.core.notification import Notification
from watcher.core.picture import Picture
from watcher.core.route import Route
from watcher.core.rule import Rule
from watcher.core.shelf import as_row
from watcher.core.sight import SourceState, source_event
from watcher.core.silencing import Silences
from watcher.core.snapshot import Deployment, Record
from watcher.metrics import Metrics
from watcher.pattern import fullmatch
from watcher.ports import Backlog, Env, Judgement, Store

log = structlog.get_logger(__name__)

BATCH = 500
RULES_KEY = "rules"
HISTORIES_KEY = "histories"
LOGS = "logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What judging goes by.

    `rules_digest` changes when a rule does; `sources` are those that are watched, by project and name, with the kind of
    record that they list. `encode` turns a message into an outbox payload.
    """

    rules: Sequence[Rule]
    root: Route
    receivers: dict[str, tuple[SinkRef, ...]]
    rules_digest: str
    sources: Mapping[tuple[str, str], type[Record]]
    encode: Callable[[Notification], bytes]
    external_url: str = ""


class Judge:
    """Keeps the ledger in memory; a failed commit throws it away and reads the committed one again."""

    def __init__(self, policy: Policy, *, store: Store, env: Env, metrics: Metrics, told: Callable[[], None]) -> None:
        self._policy = policy
        self._store = store
        self._env = env
        self._metrics = metrics
        self._told = told
        self._ledger: Ledger | None = None
        self._cursor = 0
        self._meta: dict[str, str] = {}
        self._rules_before: str | None = None
        self._histories = False
        self._measured: dict[str, Millis] = {}

    async def run_once(self) -> bool:
        """Judge one batch of events and what has come due; returns whether more events wait."""
        ledger = self._ledger or await self._load()
        self._ledger = None
        backlog = await self._read()
        for project in sorted(ledger.unmet(backlog.events)):
            ledger.logs.hear(project, await self._store.load_activity(project))
        for event in backlog.events:
            while ledger.is_behind(event):
                await self._commit(ledger)
            ledger.apply(event)
            self._cursor = event.seq
        if not backlog.more:
            await self._adopt(ledger)
            await self._measure(ledger, backlog.sources)
            now = self._env.clock.now()
            while ledger.advance(backlog.sources, now, bounded=True):
                await self._commit(ledger)
        await self._commit(ledger)
        self._ledger = ledger
        return backlog.more

    async def _read(self) -> Backlog:
        """The next events, whole observations only: one poll's facts are told together, also by a process that dies between."""
        read: list[Event] = []
        while True:
            backlog = await self._store.backlog(read[-1].seq if read else self._cursor, BATCH)
            read += backlog.events
            events = whole_observations(read) if backlog.more else read
            if events or not backlog.more:
                return replace(backlog, events=events)

    def next_due(self) -> Millis | None:
        """When a group is next to be looked at, or logs to be measured, if no event comes before."""
        if self._ledger is None:
            return None
        dues = [self._ledger.dispatch.next_due(), self._next_measure(self._ledger)]
        return min((each for each in dues if each is not None), default=None)

    def _next_measure(self, ledger: Ledger) -> Millis | None:
        if not (ledger.measures and self._log_sources):
            return None
        return (self._env.clock.now() // MINUTE + 1) * MINUTE

    @property
    def sources(self) -> frozenset[tuple[str, str]]:
        """What is watched, by project and name."""
        return frozenset(self._policy.sources)

    @property
    def _log_sources(self) -> list[str]:
        return [project for project, name in self._policy.sources if name == LOGS]

    async def _measure(self, ledger: Ledger, sources: Iterable[SourceState]) -> None:
        """Ask the rules that measure, once for each whole minute up to which a project's logs have been seen."""
        for state in sources:
            if state.source != LOGS or not ledger.measures or (state.project, LOGS) not in self._policy.sources:
                continue
            at = min(state.seen_to, self._env.clock.now()) // MINUTE * MINUTE
            if state.blind or at <= self._measured.get(state.project, 0):
                continue
            self._measured[state.project] = at
            ledger.measure(
                await self._picture(ledger, state, at), replace(source_event(state, EventType.TALLY, at), sight=at)
            )

    async def _picture(self, ledger: Ledger, state: SourceState, at: Millis) -> Picture:
        runs = ledger.logs.of_project(state.project)
        spans = list(dict.fromkeys(ledger.spans(runs.values(), at)))
        return Picture(
            project=state.project,
            at=at,
            since=state.since,
            runs=runs,
            activity=await self._store.load_activity(state.project),
            tallies=await self._store.load_tallies(state.project, spans) if spans else {},
            memories=[each for each in ledger.logs.memories.values() if each.project == state.project],
        )

    def runs(self) -> Collection[Run] | None:
        """What is known of the Deployments' builds and since when; `None` while judging."""
        return self._ledger.logs.runs.values() if self._ledger else None

    def awaiting(self) -> int:
        """How many groups have something to say that is not in the outbox yet."""
        return self._ledger.dispatch.awaiting() if self._ledger else 0

    async def _load(self) -> Ledger:
        policy = self._policy
        self._meta = {}  # what a commit that failed would have said
        rows = await self._store.load_ledger()
        silences = Silences(fullmatch)
        silences.load(rows.silences)
        dispatch = Dispatch(policy.root, policy.receivers, external_url=policy.external_url, silences=silences)
        ledger = Ledger(policy.rules, dispatch)
        now = self._env.clock.now()
        ledger.dispatch.load(group.rewound(each, now) for each in rows.groups)
        ledger.load((alert.rewound(each, now) for each in rows.alerts), policy.sources)
        ledger.logs.load(rows.runs, rows.memories)
        ledger.logs.retain({project for project, _ in policy.sources})
        if ledger.reach:
            for event in await self._store.load_hits(rows.cursor, ledger.reach):
                ledger.recount(event)
        if rows.meta.get(RULES_KEY) != policy.rules_digest:
            ledger.introduce(now if RULES_KEY in rows.meta else 0)
        self._measured = {}
        self._histories = HISTORIES_KEY in rows.meta
        self._cursor = rows.cursor
        self._rules_before = rows.meta.get(RULES_KEY)
        return ledger

    async def _adopt(self, ledger: Ledger) -> None:
        """After a change of rules, and after the last event from before it: take what already holds as known."""
        if not self._histories:
            await self._begin_histories(ledger)
        digest_now = self._policy.rules_digest
        if self._rules_before == digest_now:
            return
        if self._rules_before is not None:
            log.info("rules.changed")
            for (project, name), kind in self._policy.sources.items():
                state = await self._store.load_source(project, name)
                if state is not None:
                    ledger.adopt(await self._store.load_records(project, name, kind), state, self._env.clock.now())
        self._meta[RULES_KEY] = digest_now
        self._rules_before = digest_now

    async def _begin_histories(self, ledger: Ledger) -> None:
        """Deployments that were known before histories were kept are good from now on, as at a first sight."""
        for (project, name), kind in self._policy.sources.items():
            if kind is Deployment:
                state = await self._store.load_source(project, name)
                found = await self._store.load_records(project, name, Deployment)
                ledger.logs.adopt(found, self._env.clock.now(), region=state.region if state else "")
        self._meta[HISTORIES_KEY] = "kept"
        self._histories = True

    async def _commit(self, ledger: Ledger) -> None:
        dispatch, logs = ledger.dispatch, ledger.logs
        judgement = Judgement(
            cursor=self._cursor,
            alerts={key: ledger.alerts.get(key) for key in ledger.changed},
            groups={key: as_row(each) if (each := dispatch.groups.get(key)) else None for key in dispatch.changed},
            deliveries=self._deliveries(dispatch),
            reasons=ledger.reasons,
            meta=self._meta,
            runs={key: logs.runs.get(key) for key in logs.changed_runs},
            memories={key: logs.memories.get(key) for key in logs.changed_memories},
            silences=dispatch.silences.changed,
        )
        if not any(
            (
                judgement.alerts,
                judgement.groups,
                judgement.deliveries,
                judgement.reasons,
                judgement.meta,
                judgement.runs,
                judgement.memories,
                judgement.silences,
            )
        ):
            return
        await self._store.commit_judgement(judgement)
        self._report(ledger, dispatch.flushes)
        ledger.changed, ledger.reasons, self._meta = set(), {}, {}
        dispatch.changed, dispatch.flushes, dispatch.silences.changed = set(), [], {}
        logs.changed_runs, logs.changed_memories = set(), set()
        if judgement.deliveries:
            self._told()

    def _deliveries(self, dispatch: Dispatch) -> list[Delivery]:
        """What is to be sent. An encoded message lets go of its alerts, so that a large one is in memory once."""
        found: list[Delivery] = []
        for number, flush in enumerate(dispatch.flushes):
            found.append(self._delivery(flush))
            dispatch.flushes[number] = replace(flush, notification=replace(flush.notification, alerts=()))
        return found

    def _delivery(self, flush: Flush) -> Delivery:
        message = flush.notification
        return Delivery(
            id=message.id,
            sink=flush.sink,
            lane=flush.lane,
            seq=0,
            notification=self._policy.encode(message),
            created_at=message.at,
            observed_at=flush.observed_at,
            severity=message.severity,
            due_at=message.at,
        )

    def _report(self, ledger: Ledger, flushes: Iterable[Flush]) -> None:
        counts = ledger.counts()
        for state in ("pending", "firing"):
            self._metrics.alerts.labels(state).set(counts[state])
        for reason, count in ledger.dispatch.suppressed.items():
            self._metrics.suppressed.labels(reason).inc(count)
        for change, count in ledger.tally.items():
            self._metrics.alert_changes.labels(change).inc(count)
        for problem in ledger.dispatch.silences.unreadable:
            log.error("silence.unreadable", problem=problem)
        ledger.dispatch.silences.unreadable.clear()
        ledger.dispatch.suppressed.clear()
        ledger.tally.clear()
        for flush in flushes:
            message = flush.notification
            log.info(
                "notification.decided",
                id=message.id,
                sink=flush.sink,
                reason=message.reason.value,
                firing=message.firing,
                resolved=message.resolved,
                group=dict(message.group_labels),
            )


def digest(parts: Iterable[str]) -> str:
    """A short name for a set of rules that changes whenever one of them does."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

"""Ingest: take log records in, whichever way they came, and commit what they come to before anybody is told that they are.

Matching is done where records arrive; all that is written is hits, tallies and how far was read. Requests that are
pushed at the same time share a commit, which is what makes a durable answer cheap.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import structlog

from watcher.core.columns import Columns, Listed, columns
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.listening import STRANGE_FOR, Stranger, listened, stranger
from watcher.core.logrecord import LogRecord
from watcher.core.recent import Recent
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment
from watcher.errors import BehindError
from watcher.metrics import Metrics
from watcher.ports import Env, LogBatch, LogMatching, LogWrite, Pushed, Receipt, Store

log = structlog.get_logger(__name__)

SOURCE = "logs"
MAX_WAITING = 200_000
"""Pushed records that may wait for their commit; more than that is more than the store can take."""
APPLICATIONS = 100
"""Names of applications of one Deployment that are told apart."""
OTHERS = "(others)"
COME_BACK: Millis = 5_000
MAX_STRANGERS = 10_000
SLICE = 5_000
"""Records matched in one go, before others may do something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """A project whose logs are taken in: its region, its Deployments as last seen, and when they were listed last.

    `recent` remembers what was written last.
    """

    region: str
    deployments: Callable[[], Mapping[str, Deployment]]
    listed_at: Callable[[], Millis] = lambda: 0
    recent: Recent = field(default_factory=Recent)


@dataclass(slots=True)
class _Queue:
    """What waits for the next commit."""

    writes: list[LogWrite] = field(default_factory=list)
    done: "asyncio.Future[Sequence[bool]] | None" = None


_spot: Callable[[LogRecord], tuple[str, str]] = itemgetter(12, 0)
"""The project that a record says, and its Deployment."""


class Ingest:
    """Implements `Intake` for what is polled and `PushIntake` for what is pushed."""

    def __init__(
        self,
        matching: LogMatching,
        projects: Mapping[str, Sighted],
        *,
        store: Store,
        env: Env,
        metrics: Metrics,
        changed: Callable[[], None],
    ) -> None:
        self._matching = matching
        self._projects = projects
        self._store = store
        self._env = env
        self._metrics = metrics
        self._changed = changed
        self._waiting = 0
        self._queue = _Queue()
        self._committing: asyncio.Task[None] | None = None
        self._sights: dict[str, Millis] = {}
        self._strangers: dict[str, Millis] = {}
        self._begun: dict[str, Millis] = {}
        self._names: dict[tuple[str, str], set[str]] = {}

    async def take(self, batch: LogBatch) -> None:
        """Take a polled batch in. Raises StoreError, and then nothing of it is committed."""
        write = self._worked(batch)
        await self._store.commit_logs([write])
        self._projects[batch.project].recent.add(batch.project, batch.records)
        self._count(write)
        if batch.source is not None:
            self._sights[batch.project] = batch.source.seen_to
        if write.events or batch.source is not None:
            self._report(write.events)

    async def listen(self, projects: Iterable[str]) -> None:
        """Note that what is pushed is being listened to: from then on silence is that of the applications, and not our own."""
        now = self._env.clock.now()
        writes = []
        for project in projects:
            known = await self._store.load_source(project, SOURCE)
            first = SourceState(project=project, source=SOURCE, region=self._projects[project].region, since=now)
            state, told = listened(known, first, self._begun.setdefault(project, now), now)
            cursors = await self._store.load_cursors(project)  # of the time when its logs were polled
            writes.append(LogWrite(project=project, source=state, events=told, dropped=[each.spot for each in cursors]))
        await self._store.commit_logs(writes)
        self._sights |= {each.project: each.source.last_ok for each in writes if each.source}
        self._changed()

    async def push(self, pushed: Pushed, projects: frozenset[str]) -> Receipt:
        """Take a pushed request in. Raises BehindError, StoreError; then nothing of it is committed."""
        if self._waiting + len(pushed.records) > MAX_WAITING and self._waiting:
            raise BehindError("more logs arrive than can be committed", retry_after=COME_BACK)
        self._waiting += len(pushed.records)
        try:
            return await self._pushed(pushed, projects)
        finally:
            self._waiting -= len(pushed.records)

    async def _pushed(self, pushed: Pushed, projects: frozenset[str]) -> Receipt:
        placed, reasons = self._placed(pushed.records, projects)
        writes, parts = [], []
        for project, records in placed.items():
            digest = pushed.digest + project.encode()
            for part in range(0, len(records), SLICE):
                batch = LogBatch(
                    project=project,
                    records=columns(records[part : part + SLICE]),
                    digest=digest + part.to_bytes(4, "big"),
                )
                writes.append(self._worked(batch))
                parts.append(batch)
                if len(records) > SLICE:
                    await self._env.clock.sleep(0)
        if writes:
            fresh = await self._committed(writes)
            for batch in [each for each, new in zip(parts, fresh, strict=True) if new]:
                self._projects[batch.project].recent.add(batch.project, batch.records)
            taken = [write for write, new in zip(writes, fresh, strict=True) if new]
            for write in taken:
                self._count(write)
            events = [each for write in taken for each in write.events]
            if events:
                self._report(events)
        accepted = sum(map(len, placed.values()))
        return Receipt(accepted=accepted, rejected=reasons.total(), reason="; ".join(sorted(reasons)))

    def _placed(
        self, records: list[LogRecord], projects: frozenset[str]
    ) -> tuple[dict[str, list[LogRecord]], Counter[str]]:
        """The records by project, and why the others are refused. Raises BehindError."""
        homes = {spot: self._home(*spot, projects) for spot in dict.fromkeys(map(_spot, records))}
        if len(found := set(homes.values())) == 1 and all(found):
            return dict.fromkeys(found, records), Counter()  # as nearly always
        placed: dict[str, list[LogRecord]] = {}
        refused: Counter[str] = Counter()
        for record in records:
            if home := homes[_spot(record)]:
                placed.setdefault(home, []).append(record)
            else:
                refused["records of projects or Deployments that are not watched here"] += 1
        return placed, refused

    def _home(self, said: str, deployment_id: str, projects: frozenset[str]) -> str:
        """The project that a record belongs to; nothing where its sender may not speak for it, or has no such Deployment.

        One that was created a moment ago writes before it has been listed, so its records are to come again until a list
        says whether there is one. Raises BehindError.
        """
        allowed = projects & self._projects.keys() & ({said} if said else projects)
        found = next((each for each in sorted(allowed) if deployment_id in self._projects[each].deployments()), "")
        if found or not allowed:
            return found
        return self._stranger(deployment_id, sorted(allowed))

    def _stranger(self, deployment_id: str, allowed: Sequence[str]) -> str:
        """Where a Deployment belongs that no list has shown yet. While nothing can be listed it is believed in the end."""
        now = self._env.clock.now()
        since = self._strangers.setdefault(deployment_id, now)
        if len(self._strangers) > MAX_STRANGERS:
            self._strangers.pop(next(iter(self._strangers)))
        pending = sum(now - first < STRANGE_FOR for first in self._strangers.values()) if since == now else 0
        match stranger(since, now, [self._projects[each].listed_at() for each in allowed], pending=pending):
            case Stranger.AWAITED:
                raise BehindError("records of a Deployment that has not been listed yet", retry_after=COME_BACK)
            case Stranger.BELIEVED:
                return allowed[0] if len(allowed) == 1 else ""
            case Stranger.UNKNOWN:
                return ""

    def _worked(self, batch: LogBatch) -> LogWrite:
        """What a batch comes to."""
        project = self._projects[batch.project]
        records = self._named(batch.project, project, columns(batch.records))
        events: list[Event] = list(batch.events)
        keys: list[str] = []
        matched = self._matching.match(batch.project, project.region, records, project.deployments())
        now = self._env.clock.now()
        repeated: Counter[str] = Counter()
        seen_to = min(self._sights.get(batch.project, 0), now)
        for hit in matched.hits:
            name = f"{batch.project}\n{hit.rule}\n{hit.deployment_id}\n{hit.application}\n{hit.key}"
            repeated[name] += 1
            if batch.digest:
                keys.append(f"{name}\n{repeated[name]}")
            events.append(
                Event(
                    type=EventType.HIT,
                    project=batch.project,
                    region=project.region,
                    source=SOURCE,
                    at=now,
                    sight=seen_to,
                    hit=hit,
                    baseline=hit.last < batch.fresh_from,
                )
            )
        return LogWrite(
            project=batch.project,
            events=events,
            keys=keys,
            tallies=matched.tallies,
            cursors=batch.cursors,
            dropped=batch.dropped,
            source=batch.source,
            digest=batch.digest,
        )

    def _named(self, key: str, project: Sighted, records: Columns) -> Columns:
        """The records, those of applications that nobody configured under one name once there are many of these."""
        strange = False
        for spot in {key[:2] for key in records.kinds()}:
            known = self._names.setdefault((key, spot[0]), set())
            if spot[1] in known or len(known) < APPLICATIONS:
                known.add(spot[1])
            else:
                found = project.deployments().get(spot[0])
                strange = strange or found is None or all(each.name != spot[1] for each in found.applications)
        if not strange:
            return records
        return Listed(
            [each if each[1] in self._names[key, each[0]] else each._replace(application=OTHERS) for each in records]
        )

    async def _committed(self, writes: Sequence[LogWrite]) -> Sequence[bool]:
        """Commit together with whatever else waits. Raises StoreError."""
        queue = self._queue
        begin = len(queue.writes)
        queue.writes.extend(writes)
        if queue.done is None:
            queue.done = asyncio.get_running_loop().create_future()
        done = queue.done
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_waiting(), name="commit logs")
        return (await asyncio.shield(done))[begin : begin + len(writes)]

    async def _commit_waiting(self) -> None:
        while self._queue.writes:
            queue, self._queue = self._queue, _Queue()
            done = queue.done or asyncio.get_running_loop().create_future()
            commit = asyncio.ensure_future(self._store.commit_logs(queue.writes))
            await asyncio.wait({commit})
            if error := commit.exception():  # whatever it is, those who wait must hear it
                done.set_exception(error)
            else:
                done.set_result(commit.result())

    def _count(self, write: LogWrite) -> None:
        """Show what was committed, by application and by rule."""
        spots, known = self._metrics.spots, self._projects[write.project].deployments()

        def spot(deployment_id: str, application: str) -> tuple[str, str, str]:
            found = known.get(deployment_id)
            return write.project, found.name if found else deployment_id, application

        for place, tally in write.tallies.items():
            spots.count(spot(place.deployment_id, place.application), records=tally.records, errors=tally.errors)
        hits: Counter[tuple[str, str, str]] = Counter()
        for hit in [each.hit for each in write.events if each.hit]:
            hits[hit.rule, hit.deployment_id, hit.application] += hit.count
        for (rule, deployment_id, application), count in hits.items():
            spots.count(spot(deployment_id, application), hits=count)
            self._metrics.log_hits.labels(rule).inc(count)

    def _report(self, events: Sequence[Event]) -> None:
        for kind, count in Counter(each.type.value for each in events).items():
            self._metrics.events.labels(kind).inc(count)
        self._changed()

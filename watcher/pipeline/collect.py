"""Collect: read the logs of a project's Deployments as long as they can be polled, and hand them on to be taken in."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

import structlog

from watcher.core import duration, reading, removal, sight
from watcher.core.diff import announcement
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.logrecord import LogRecord
from watcher.core.reading import LEARN, Query
from watcher.core.sight import Miss, SourceState, source_event
from watcher.core.snapshot import FAILED, Deployment
from watcher.errors import Blindness, SourceError, StoreError, VolumeError
from watcher.metrics import Metrics
from watcher.pipeline.logpages import Budget, Found, LogPages, LogRound, Pace, Spot, Ways
from watcher.ports import Env, Intake, LogBatch, Store

log = structlog.get_logger(__name__)

SOURCE = "logs"
AWS = ".aws"
"""How regions end whose logs can only be asked for by application."""
HOT_FOR: Millis = 600_000
"""How long a Deployment is looked at often after it has changed."""
FAILED_FOR: Millis = 3_600_000
"""The same, where it has failed."""
TALKS_FOR: Millis = 120_000
"""How long an application is looked at often after it has written something."""
PROBE_EVERY: Millis = 86_400_000
"""How soon to ask again for logs that are gone."""
CATCH_UP: Millis = 6 * 3_600_000
"""How far one Deployment may be behind before time goes on for the rules on all others."""
SHORTEST_WAIT: Millis = 1_000
FETCH_PAGES = 10
"""Pages that are read to explain a failure."""
_REFUSALS = {Blindness.FORBIDDEN: "definite"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    """Whose logs to read. `deployments` says what there is; `trouble` when the list of them last failed.

    `learn` is how far to look back where nothing was read before.
    """

    project: str
    region: str
    pages: LogPages
    deployments: Callable[[], Mapping[str, Deployment]]
    blind_after: Millis
    budget: Budget = field(default_factory=Budget)
    learn: Millis = LEARN
    trouble: Callable[[], Millis] = lambda: 0


class Collector:
    """Reads the logs of one project. `round` is what a schedule calls; it says how soon to call it again."""

    def __init__(self, target: LogTarget, *, store: Store, intake: Intake, env: Env, metrics: Metrics) -> None:
        self.target = target
        self.error = ""
        self._store = store
        self._intake = intake
        self._env = env
        self._metrics = metrics
        self._state: SourceState | None = None
        self._spots: dict[tuple[str, str], Spot] = {}
        self._heap: list[tuple[Millis, tuple[str, str]]] = []
        self._looks: dict[str, tuple[str, str, int]] = {}
        self._changed_at: dict[str, Millis] = {}
        self._by_application: set[str] = set()
        self._dropped: set[tuple[str, str]] = set()
        self._ways = Ways(
            project=target.project,
            budget=target.budget,
            pages=target.pages,
            pace=Pace(env.clock, target.budget.rate),
            intake=intake,
            clock=env.clock,
            metrics=metrics,
        )
        self._skew: Millis = 0
        self._not_before: Millis = 0
        self._gone: tuple[int, Millis] = (0, 0)
        self._probe_at: Millis = 0
        self._resumed = False

    async def round(self) -> Millis:
        """Look once, whatever comes of it, and say how soon to look again."""
        try:
            await self.collect()
            self.error = ""
        except VolumeError as error:  # nothing can be written of it, and what is wrong is said once for all loops
            self.error = f"{type(error).__name__}: {error}"
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            log.exception("poll.crashed", project=self.target.project, source=SOURCE)
            if self._state is not None:
                fault = SourceError(f"internal error: {type(error).__name__}", Blindness.UNREADABLE)
                with suppress(StoreError):
                    await self._settle(self._state, *self._missed(self._state, fault, self._env.clock.now()))
        return self.next_in()

    async def collect(self) -> None:
        """Read what is due. What was read is committed with how far; a failed look only ages the sight."""
        state = await self._load()
        now = self._env.clock.now()
        self._sync(state, now)
        ended, told = removal.endings(state, now) if not removal.is_removed(state) else (state, [])
        if told:
            await self._settle(state, ended, told)
            state = ended
        if now < self._not_before or (removal.is_removed(state) and now < self._probe_at):
            await self._assess(state, now)
            return
        due = self._due(state, now)
        if due or not self._spots:
            found = await self._read(due, state)
            await self._seen(found, state)

    def next_in(self) -> Millis:
        """Milliseconds until the next round."""
        now, state, budget = self._env.clock.now(), self._state, self.target.budget
        if state is not None and removal.is_removed(state):
            return min(max(self._probe_at - now, SHORTEST_WAIT), budget.slow)
        if now < self._not_before:  # nothing is asked meanwhile, but blindness may come of it
            return max(min(self._not_before - now, budget.fast), SHORTEST_WAIT)
        earliest = self._heap[0][0] - now if self._heap else budget.fast
        return max(min(earliest, budget.fast), SHORTEST_WAIT)

    async def fetch(self, deployment_id: str, since: Millis, application: str = "") -> Sequence[LogRecord]:
        """What a Deployment wrote since then, the first pages of it, to explain a failure. Raises SourceError."""
        if self._state is not None and removal.is_removed(self._state):
            return ()
        deployment = self.target.deployments().get(deployment_id)
        names = self._applications(deployment) if deployment and not application else (application,)
        now = self._env.clock.now()
        found: list[LogRecord] = []
        for name in names:
            query = Query(max(since, now - reading.KEPT), max(now, since))
            for _ in range(FETCH_PAGES):
                await self._ways.pace.turn()
                answered = await self.target.pages.page(deployment_id, name, query)
                found += answered.page.records if answered.page else ()
                token = answered.page.next if answered.page else ""
                if not token or token == query.token:
                    break
                query = query._replace(token=token)
        return sorted(found, key=reading.by_time)

    # ── what there is ──

    async def _load(self) -> SourceState:
        if self._state is None:
            target, now = self.target, self._env.clock.now()
            state = await self._store.load_source(target.project, SOURCE)
            cursors = await self._store.load_cursors(target.project)
            if state is None:
                state = SourceState(project=target.project, source=SOURCE, region=target.region, since=now)
                await self._intake.take(LogBatch(project=target.project, records=(), source=state))
            self._resumed = bool(cursors)
            for cursor in cursors:
                self._add(Spot(cursor=cursor, due=now, stored=True))
                if cursor.application:
                    self._by_application.add(cursor.deployment_id)
            self._state = replace(state, region=target.region, last_ok=min(state.last_ok, now))
            self._metrics.source_blind.labels(target.project, SOURCE).set(state.blind)
        return self._state

    def _sync(self, state: SourceState, now: Millis) -> None:
        """Take note of Deployments that have come, changed or gone. An empty list is none: it may not be known yet."""
        listed = self.target.deployments()
        if not listed:
            return
        wanted = {(each.id, name) for each in listed.values() for name in self._applications(each)}
        for deployment_id, name in sorted(wanted - self._spots.keys()):
            self._add(Spot(cursor=self._first(deployment_id, name, state, now), due=now))
        self._drop(self._spots.keys() - wanted)
        self._dropped -= wanted
        for deployment_id in self._looks.keys() - listed.keys():
            del self._looks[deployment_id]
            self._changed_at.pop(deployment_id, None)
        for each in listed.values():
            look = (each.status, each.build, each.version)
            before = self._looks.get(each.id)
            self._looks[each.id] = look
            if before == look or (before is None and each.status not in FAILED):
                continue
            self._changed_at[each.id] = now
            for name in self._applications(each):
                self._plan(self._spots[each.id, name], now)

    def _drop(self, keys: Collection[tuple[str, str]]) -> None:
        self._dropped.update(keys)
        for key in keys:
            del self._spots[key]

    def _applications(self, deployment: Deployment) -> tuple[str, ...]:
        """What to ask for: all at once, or each application where the API wants them by name."""
        region = deployment.region or self.target.region
        if not region.endswith(AWS) and deployment.id not in self._by_application:
            return ("",)
        return tuple(dict.fromkeys(each.name for each in deployment.applications if each.name))

    def _first(self, deployment_id: str, name: str, state: SourceState, now: Millis) -> reading.LogCursor:
        """A cursor for something new: what a new Deployment has written is news, however soon it was written.

        At the first look at a project it is not, nor where what was read once was given up for another way in; then
        nothing is read again.
        """
        begun = state.baselined and self._resumed
        learn = reading.OVERLAP if state.baselined and not begun else self.target.learn
        return reading.first(
            self.target.project, deployment_id, name, now=now, learn=learn, fresh_from=0 if begun else now
        )

    # ── when to look ──

    def _add(self, spot: Spot) -> None:
        self._spots[spot.key] = spot
        heappush(self._heap, (spot.due, spot.key))

    def _plan(self, spot: Spot, due: Millis) -> None:
        spot.due = due
        heappush(self._heap, (due, spot.key))

    def _due(self, state: SourceState, now: Millis) -> list[Spot]:
        """The cursors that are due, the longest due first; of logs that are gone, one to try."""
        due: dict[tuple[str, str], Spot] = {}
        while self._heap and self._heap[0][0] <= now:
            at, key = heappop(self._heap)
            spot = self._spots.get(key)
            if spot is not None and spot.due == at:
                due[key] = spot
        found = list(due.values())
        if not removal.is_removed(state):
            return found
        for spot in found[1:]:
            self._plan(spot, spot.due)
        return found[:1]

    def _plan_next(self, spot: Spot, now: Millis, *, asked: bool) -> None:
        """Soon where something is going on, else a little later than the last time."""
        budget = self.target.budget
        if not asked:
            self._plan(spot, now)
        elif spot.cursor.open and not spot.failing:
            self._plan(spot, now + budget.fast // 3)
        else:
            spot.wait = (
                budget.fast if self._is_hot(spot, now) else min(2 * max(spot.wait, budget.fast // 2), budget.slow)
            )
            self._plan(spot, now + spot.wait)

    def _is_hot(self, spot: Spot, now: Millis) -> bool:
        deployment = self.target.deployments().get(spot.key[0])
        if deployment is None or deployment.in_flight:
            return True
        changed, lasting = self._changed_at.get(spot.key[0]), FAILED_FOR if deployment.status in FAILED else HOT_FOR
        return (changed is not None and now - changed < lasting) or (
            spot.talked_at > 0 and now - spot.talked_at < TALKS_FOR
        )

    # ── a round ──

    async def _read(self, due: Iterable[Spot], state: SourceState) -> Found:
        """Read what is due, within the time after which the project would have to be called blind."""
        spots = list(due)
        work = LogRound(self._ways, state.last_ok)
        try:
            async with asyncio.timeout(self.target.blind_after / 1000):
                self._skew = await work.run(spots, self._skew)
        except TimeoutError:
            self._metrics.polls.labels(SOURCE, Blindness.TIMEOUT.value).inc()
            text = f"{self.target.project}: a round of logs took longer than {duration.rough(self.target.blind_after)}"
            work.found.error = work.found.error or SourceError(text, Blindness.TIMEOUT)
        finally:
            now = self._env.clock.now()
            for spot in spots:
                self._plan_next(spot, now, asked=spot.key in work.found.asked)
        if work.found.unnamed:
            self._by_application |= work.found.unnamed
            self._sync(state, now)
        return work.found

    async def _seen(self, found: Found, before: SourceState) -> None:
        """What a round means for how well logs are seen."""
        now = self._env.clock.now()
        if removal.is_removed(before):
            self._probe_at = now + PROBE_EVERY
        state, events = before, list[Event]()
        error = found.error
        if error is not None:
            self._not_before = now + error.retry_after if error.retry_after else 0
            state, events = self._missed(before, error, now)
        elif found.read or not (self._spots or removal.is_removed(before)):
            self._gone = (0, 0)
            if not any(each.failing for each in self._spots.values()):
                state, events = self._sighted(before, now)
        elif found.gone and not self.target.deployments():
            self._drop(found.gone)  # an empty list alone may not be known yet, but here both say so
        elif found.gone:
            state, events = self._nothing(before, found.gone_error, now)
        state, told = announcement(found.notice, state, now)
        events += told
        events += self._lost(found, before, now)
        await self._settle(before, state, [replace(each, sight=before.last_ok) for each in events])

    def _sighted(self, before: SourceState, now: Millis) -> tuple[SourceState, list[Event]]:
        """All that was due could be read. Time without a look is no gap: logs can be read afterwards."""
        state, events = sight.seen(removal.returned(before), now, self.target.blind_after)
        for spot in self._spots.values() if removal.is_removed(before) else ():
            self._plan(spot, now)
        self._resumed = True
        state = replace(state, baselined=True, read_to=self._read_to(now))
        return state, [each for each in events if each.type is not EventType.GAP]

    def _read_to(self, now: Millis) -> Millis:
        """Up to when everything was read that is read at all. What has not been read once is no measure for others."""
        ends = (each.cursor.read_to for each in self._spots.values() if each.cursor.read_to and not each.failing)
        return max(min(ends, default=now), now - CATCH_UP)

    def _nothing(self, before: SourceState, error: str, now: Millis) -> tuple[SourceState, list[Event]]:
        """Nobody has logs, although there are Deployments. One alone may just be on its way out, so it takes a while."""
        rounds, since = self._gone
        self._gone = (rounds + 1, since or now)
        believed = rounds + 1 >= removal.ROUNDS and now - (since or now) >= self.target.blind_after
        if removal.is_removed(before) or (believed and self._miss(before, now, "") is Miss.COUNTED):
            self._probe_at = now + PROBE_EVERY
            return removal.removed(before, now, error)
        return before, []

    def _missed(self, state: SourceState, error: SourceError, now: Millis) -> tuple[SourceState, list[Event]]:
        refusal = _REFUSALS.get(error.kind, "")
        if removal.is_removed(state) or self._miss(state, now, refusal) is not Miss.COUNTED:
            return sight.failed(state, str(error)), []
        return sight.missed(state, now, self.target.blind_after, error=str(error), refusal=refusal)

    def _miss(self, state: SourceState, now: Millis, refusal: str) -> Miss:
        trouble = self.target.trouble()
        return sight.miss(state, now, self.target.blind_after, refusal=refusal, optional=False, trouble=trouble)

    def _lost(self, found: Found, state: SourceState, now: Millis) -> list[Event]:
        """What was kept no longer when we came to read it; one fact for all that met it in the same round."""
        if not found.lost:
            return []
        begin, end = min(each[0] for each in found.lost), max(each[1] for each in found.lost)
        fields = {"from": str(begin), "to": str(end), "lost": "true", "count": str(len(found.lost))}
        return [source_event(state, EventType.GAP, now, fields)]

    async def _assess(self, state: SourceState, now: Millis) -> None:
        if not removal.is_removed(state) and self._miss(state, now, "") is Miss.COUNTED:
            await self._settle(state, *sight.assess(state, now, self.target.blind_after))

    async def _settle(self, before: SourceState, state: SourceState, events: Iterable[Event]) -> None:
        """Commit what a person must hear, what was seen and which cursors nobody needs; a mere failure is only remembered."""
        told = tuple(events)
        if not told and state.last_ok == before.last_ok and not self._dropped:
            self._state = state
            return
        # until it is committed nobody has been told
        self._state = replace(state, blind=before.blind, unknown=before.unknown)
        dropped = tuple(sorted(self._dropped))
        await self._intake.take(
            LogBatch(project=self.target.project, records=(), source=state, events=told, dropped=dropped)
        )
        self._state = state
        self._dropped.difference_update(dropped)
        self._metrics.source_blind.labels(self.target.project, SOURCE).set(state.blind)
        if state.last_ok != before.last_ok:
            self._metrics.source_last_success.labels(self.target.project, SOURCE).set(state.last_ok / 1000)
        if state.blind and not before.blind:
            log.error("source.blind", project=self.target.project, source=SOURCE, error=state.error)

"""Observe: poll one source and commit what happened. It judges nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import structlog

from watcher.core import cadence, duration, observation, sight
from watcher.core.cadence import Cadence
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.observation import Known, Round
from watcher.core.presence import Absence
from watcher.core.sight import PRIMARY, Miss, SourceState
from watcher.core.snapshot import FAILED, Deployment, Listing, Record
from watcher.errors import Blindness, SourceError, StoreError, VolumeError
from watcher.metrics import Metrics
from watcher.ports import Env, Explain, Observation, Source, Store

log = structlog.get_logger(__name__)

R = TypeVar("R", bound=Record)
SHORTEST_WAIT: Millis = 1_000
BUSY_FOR: Millis = 3_600_000
"""How long one record under way is worth fast polling; after that it is stuck and normal polling will do."""
SHORTEST_PATIENCE: Millis = 1_000
BEFORE: Millis = 600_000
"""How long an attempt may have been under way whose beginning was not seen."""
FORBIDDEN_AGAIN: Millis = 3_600_000
"""How soon to ask again for what an API client may not read: somebody may have granted it."""
_OF_ONE_RECORD = frozenset({Blindness.UNREADABLE, Blindness.NOT_FOUND})
"""Failures of a single read that say nothing about the reads after it."""
_ANEW = frozenset({EventType.CREATED, EventType.STATUS, EventType.ATTEMPT})
"""What a failure is seen by: one poll may show several of these for one."""
_REFUSALS = {
    Blindness.CREDENTIALS: "credentials",
    Blindness.FORBIDDEN: "definite",
    Blindness.NOT_FOUND: "definite",
}


async def unexplained(events: Sequence[Event], _began: Callable[[Event], Millis]) -> Sequence[Event]:
    """What is added to failures where there are no logs: nothing."""
    return events


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Generic[R]):
    """One source to observe: what it lists, how to read it and at what pace.

    `optional` marks one that need not be watched: that it is refused from the start is no blindness. `trouble` says
    when the source beside it, of the same API, last failed: while both fail, that one is told. `explain` adds to
    failures what their logs say.
    """

    project: str
    region: str
    kind: type[R]
    source: Source[R]
    cadence: Cadence
    name: str = PRIMARY
    optional: bool = False
    trouble: Callable[[], Millis] = lambda: 0
    explain: Explain = unexplained


class Observer(Generic[R]):
    """Polls one source. `poll` is one round; whoever schedules it asks `next_in` how soon the next should be."""

    def __init__(
        self, target: Target[R], *, store: Store, env: Env, metrics: Metrics, changed: Callable[[], None]
    ) -> None:
        self.target = target
        self.attempted = False
        self.error = ""
        self.polling_since: Millis | None = None
        self.current: Mapping[str, R] = {}
        self._recovered_at: Millis = 0
        self._store = store
        self._env = env
        self._metrics = metrics
        self._changed = changed
        self._known: Known[R] | None = None
        self._busy_since: dict[str, Millis] = {}
        self._not_before: Millis = 0
        self._refused = False
        self._committed = False

    async def load(self) -> None:
        """Take over what the store has, before the first look."""
        await self._load()

    async def poll(self) -> None:
        """Look once. What was seen is committed whole or not at all; a failed look only ages the sight."""
        known = await self._load()
        if self._env.clock.now() < self._not_before:
            await self._assess(known)
            return
        started = self._env.clock.monotonic()
        self.polling_since = started
        limit = self._patience(known)
        patience = asyncio.timeout(limit / 1000)
        try:
            async with patience:
                listing = await self.target.source.list()
                answers = await self._probe(observation.look(known, self._believable(listing)))
            await self._seen(known, listing, answers)
        except SourceError as error:
            await self._failed(known, error)
        except TimeoutError:
            if not patience.expired():
                raise
            text = f"the whole poll took longer than {duration.rough(limit)}"
            await self._failed(known, SourceError(text, Blindness.TIMEOUT))
        finally:
            self.polling_since = None
        self._metrics.poll_duration.labels(self.target.name).observe((self._env.clock.monotonic() - started) / 1000)
        self.attempted = True

    async def round(self) -> Millis:
        """Look once, whatever comes of it, and say how soon to look again.

        A fault of our own blinds as surely as one of the API, and must be heard of in the same way.
        """
        try:
            await self.poll()
            self.error = ""
        except VolumeError as error:  # nothing can be written of it, and what is wrong is said once for all loops
            self.error = f"{type(error).__name__}: {error}"
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            log.exception("poll.crashed", project=self.target.project, source=self.target.name)
            await self._crashed(error)
        return self.next_in()

    def next_in(self) -> Millis:
        """Milliseconds until the next round."""
        if self._known is None:
            return self.target.cadence.fast
        now, state = self._env.clock.now(), self._known.state
        busy = bool(self._known.absent) or any(now - since < BUSY_FOR for since in self._busy_since.values())
        jitter = self._env.rng.random()
        wait = cadence.interval(self.target.cadence, state, busy=busy, jitter=jitter, refused=self._refused)
        wait = max(wait, self._not_before - now)
        deadline = cadence.blind_at(self.target.cadence, state)
        if deadline is None or deadline <= now:
            return wait
        return min(wait, max(deadline - now, SHORTEST_WAIT))

    @property
    def is_blind(self) -> bool:
        """Whether it cannot be seen, as far as is committed."""
        return self._known is not None and self._known.state.blind

    async def records(self) -> Iterable[R]:
        """What was last committed. It may be asked for while a poll is being committed, so it takes over nothing."""
        if self._known is not None:
            return self._known.records.values()
        return await self._store.load_records(self.target.project, self.target.name, self.target.kind)

    def listed_at(self) -> Millis:
        """When the list was last read in full, 0 if it was not by this process."""
        return self._known.state.last_ok if self._known is not None and self.attempted else 0

    def troubled_at(self) -> Millis:
        """Now, while it cannot be read; else when its last blindness ended, or 0. A mere stumble leaves nothing behind."""
        failing = self._known is not None and self._known.state.failures
        return self._env.clock.now() if failing else self._recovered_at

    async def _load(self) -> Known[R]:
        if self._known is None:
            target = self.target
            state = await self._store.load_source(target.project, target.name)
            if state is None:
                now = self._env.clock.now()
                state = SourceState(project=target.project, source=target.name, region=target.region, since=now)
                await self._store.commit_observation(Observation(source=state))
            found = await self._store.load_records(target.project, target.name, target.kind)
            last_ok = min(state.last_ok, self._env.clock.now())  # the clock may have been set back since
            state = replace(state, region=target.region, last_ok=last_ok)
            self._known = Known(state=state, records={each.id: each for each in found})
            self.current = self._known.records
            self._note_busy(found)
            self._metrics.source_blind.labels(target.project, target.name).set(state.blind)
            self._count(found)
        return self._known

    def _patience(self, known: Known[R]) -> Millis:
        """How long a whole poll may take: never past the moment at which the source would have to be called blind."""
        deadline = cadence.blind_at(self.target.cadence, known.state)
        limit = self.target.cadence.blind_after
        left = limit if deadline is None else deadline - self._env.clock.now()
        return max(min(limit, left), SHORTEST_PATIENCE) if left > 0 else max(limit, SHORTEST_PATIENCE)

    def _believable(self, listing: Listing[R]) -> Listing[R]:
        """`unchanged` is relative to the listing before, which may never have been committed."""
        if not self._committed:
            listing = replace(listing, unchanged=False)
        return listing

    async def _seen(self, known: Known[R], listing: Listing[R], answers: dict[str, R | None]) -> None:
        listing = self._believable(listing)
        self._committed = False
        absence = observation.look(known, listing)
        now = self._env.clock.now()
        blind_after = self.target.cadence.blind_after
        found = observation.digest(known, listing, absence, answers, now, blind_after=blind_after)
        if sight.is_recovery(known.state, now, blind_after):
            self._recovered_at = now
        events = tuple(await self.target.explain(found.events, self._began))
        self._known = None  # should the commit fail, what it left is read again
        await self._store.commit_observation(
            Observation(source=found.state, upserts=found.upserts, removed=found.removed, events=events)
        )
        self._committed, self._not_before, self._refused = True, 0, False
        self._take_over(known, found)
        self._report(found.events, failures=known.state.failures, quarantined=listing.quarantined)

    def _take_over(self, known: Known[R], found: Round[R]) -> None:
        """Make a committed round what is known. Where nothing changed, nothing is copied."""
        records = known.records
        if found.upserts or found.removed:
            removed = set(found.removed)
            kept = {key: each for key, each in records.items() if key not in removed}
            records = kept | {each.id: each for each in found.upserts}
            for key in found.removed:
                self._busy_since.pop(key, None)
            self._note_busy(found.upserts)
            self._count(records.values())
        self._known = Known(state=found.state, records=records, absent=found.absent)
        self.current = records

    def _began(self, event: Event) -> Millis:
        """When the attempt that an event is about began, or may have."""
        return self._busy_since.get(event.subject, event.at - BEFORE)

    async def _probe(self, absence: Absence) -> dict[str, R | None]:
        """Ask for what the list does not show. A read that fails is no answer: the next poll asks again."""
        answers: dict[str, R | None] = {}
        for key in absence.probe:
            try:
                answers[key] = await self.target.source.get(key)
            except SourceError as error:
                log.warning(
                    "probe.failed", project=self.target.project, source=self.target.name, record=key, error=str(error)
                )
                if error.kind not in _OF_ONE_RECORD:
                    break
        return answers

    async def _failed(self, known: Known[R], error: SourceError) -> None:
        now = self._env.clock.now()
        self._refused = error.kind is Blindness.CREDENTIALS
        self._not_before = now + error.retry_after if error.retry_after else 0
        self._metrics.polls.labels(self.target.name, error.kind.value).inc()
        if not known.state.failures:
            log.warning("poll.failed", **self._where(), kind=error.kind.value, error=str(error))
        await self._age(known, *self._missed(known.state, error, now))

    def _missed(self, state: SourceState, error: SourceError, now: Millis) -> tuple[SourceState, list[Event]]:
        refusal = _REFUSALS.get(error.kind, "")
        if self.target.optional and refusal == "credentials":
            refusal = ""  # the source beside it has the same ones, and says so
        match self._miss(state, now, refusal):
            case Miss.FORBIDDEN:
                self._not_before = now + FORBIDDEN_AGAIN
                return sight.forbidden(state, now, str(error))
            case Miss.NEVER_SEEN | Miss.OVERSHADOWED:
                return sight.failed(state, str(error)), []
            case Miss.COUNTED:
                limit = self.target.cadence.blind_after
                return sight.missed(state, now, limit, error=str(error), refusal=refusal)

    def _miss(self, state: SourceState, now: Millis, refusal: str = "") -> Miss:
        target = self.target
        return sight.miss(
            state, now, target.cadence.blind_after, refusal=refusal, optional=target.optional, trouble=target.trouble()
        )

    async def _crashed(self, error: Exception) -> None:
        """Count a crashed poll against the sight; where the store is what failed, that has to wait for a better time."""
        fault = SourceError(f"internal error: {type(error).__name__}", Blindness.UNREADABLE)
        with suppress(StoreError):
            await self._failed(await self._load(), fault)

    async def _assess(self, known: Known[R]) -> None:
        now = self._env.clock.now()
        if self._miss(known.state, now) is Miss.COUNTED:
            await self._age(known, *sight.assess(known.state, now, self.target.cadence.blind_after))

    async def _age(self, known: Known[R], state: SourceState, events: Iterable[Event]) -> None:
        told = tuple(events)
        if not told:
            self._known = replace(known, state=state)
            return
        # until it is committed nobody has been told
        self._known = replace(known, state=replace(state, blind=False, unknown=known.state.unknown))
        await self._store.commit_observation(Observation(source=state, events=told))
        self._known = replace(known, state=state)
        self._metrics.source_blind.labels(self.target.project, self.target.name).set(state.blind)
        say = log.error if state.blind else log.info
        say("source.blind" if state.blind else "source.forbidden", **self._where(), error=state.error)
        self._metrics.events.labels(told[0].type.value).inc()
        self._changed()

    def _where(self) -> dict[str, str]:
        return {"project": self.target.project, "source": self.target.name}

    def _count(self, records: Iterable[R]) -> None:
        self._metrics.count(self.target.project, self.target.name, records)

    def _note_busy(self, records: Iterable[R]) -> None:
        now = self._env.clock.now()
        for each in records:
            if each.in_flight:
                self._busy_since.setdefault(each.id, now)
            else:
                self._busy_since.pop(each.id, None)

    def _report(self, events: Sequence[Event], *, failures: int, quarantined: int) -> None:
        project, source = self.target.project, self.target.name
        self._metrics.polls.labels(source, "ok").inc()
        self._metrics.source_blind.labels(project, source).set(0)
        self._metrics.source_last_success.labels(project, source).set(self._env.clock.now() / 1000)
        for kind, count in Counter(event.type for event in events).items():
            self._metrics.events.labels(kind.value).inc(count)
        for failed in _failures(events):
            self._metrics.deployment_failures.labels(project, failed.type).inc()
        for event in events:
            if event.type is EventType.STATUS and event.record:
                name, before, after = event.record.name, event.previous_status, event.record.status
                log.info("record.changed", project=project, source=source, record=name, before=before, now=after)
        if not self.attempted:
            log.info(
                "source.sighted",
                project=project,
                source=source,
                records=len(self._known.records if self._known else ()),
            )
        if quarantined:
            self._metrics.quarantined.labels(project, source).inc(quarantined)
        if failures:
            log.info("poll.recovered", project=project, source=source, failures=failures)
        self._changed()


def _failures(events: Iterable[Event]) -> Iterable[Deployment]:
    """The Deployments that failed since the last look, each once."""
    anew = (each.deployment for each in events if each.type in _ANEW and not each.baseline)
    return {each.id: each for each in anew if each is not None and each.status in FAILED}.values()

"""One round through the logs that are due: page by page, a few for each in turn, within the budget of a project."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from watcher.connect.logs import Answered, LogError, Mark, Refusal
from watcher.core import reading
from watcher.core.columns import Columns, in_order
from watcher.core.duration import Millis
from watcher.core.reading import LogCursor, Query, Reading
from watcher.errors import Blindness, SourceError
from watcher.metrics import Metrics
from watcher.ports import Clock, Intake, LogBatch

log = structlog.get_logger(__name__)

PAGES_AT_ONCE = 5
"""Pages of one cursor that are read, and committed together, before it is another one's turn."""
RECORDS_AT_ONCE = 5_000
BURST = 5
"""Requests that may be made at once after a pause."""
GIVE_UP = 3
"""Failures without a success between them after which the rest of a round would fail as well."""
MOST_GONE = 10
"""Answers that there are no logs, and no other ones, after which a round need not ask for more of them."""
AHEAD: Millis = 86_400_000
"""How far ahead of ours the server's clock is believed to be at most."""
_OF_ALL = frozenset({Blindness.CREDENTIALS, Blindness.FORBIDDEN, Blindness.RATE_LIMITED})
"""Failures that the next request would meet as well."""


class LogPages(Protocol):
    """Where pages of logs come from."""

    async def page(self, deployment_id: str, application: str, query: Query, known: Mark | None = None) -> Answered:
        """Read a page; none where it is the `known` one. Raises LogError, SourceError."""
        ...


FAST: Millis = 15_000
"""How often to read what something happens to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What reading logs may cost a project: pages of one Deployment and requests of a round, requests a second and at once.

    Cursors of Deployments to which something happens are read every `fast`, silent ones ever more seldom, up to `slow`.
    """

    fast: Millis = FAST
    slow: Millis = 120_000
    pages: int = 40
    requests: int = 300
    rate: float = 10.0
    concurrency: int = 4


@dataclass(slots=True, kw_only=True)
class Spot:
    """One cursor and when it is due. `cursor` is what is committed; `stored` says whether the store has any of it.

    `mark` is that of the only page of the last whole walk; where it comes again, nothing has happened.
    """

    cursor: LogCursor
    due: Millis
    wait: Millis = 0
    talked_at: Millis = 0
    stored: bool = False
    failing: bool = False
    mark: Mark | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Deployment and application."""
        return self.cursor.spot


class Pace:
    """Spreads requests over time."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._step = int(1000 / rate)
        self._next: Millis = 0

    async def turn(self) -> None:
        """Wait until one more request may be made."""
        now = self._clock.monotonic()
        mine = max(self._next, now - BURST * self._step)
        self._next = mine + self._step
        if mine > now:
            await self._clock.sleep(mine - now)


@dataclass(slots=True)
class Found:
    """What a round came to, besides what was committed."""

    asked: set[tuple[str, str]] = field(default_factory=set)
    read: set[tuple[str, str]] = field(default_factory=set)
    gone: set[tuple[str, str]] = field(default_factory=set)
    unnamed: set[str] = field(default_factory=set)
    error: SourceError | None = None
    gone_error: str = ""
    lost: list[tuple[Millis, Millis]] = field(default_factory=list)
    notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Where a project's logs come from, where they go, and what that may cost."""

    project: str
    budget: Budget
    pages: LogPages
    pace: Pace
    intake: Intake
    clock: Clock
    metrics: Metrics


class LogRound:
    """Reads what is due. Not to be used twice."""

    def __init__(self, ways: Ways, last_ok: Millis) -> None:
        self.found = Found()
        self._ways = ways
        self._project = ways.project
        self._budget = ways.budget
        self._clock = ways.clock
        self._metrics = ways.metrics
        self._last_ok = last_ok
        self._queue: deque[Spot] = deque()
        self._requests = 0
        self._asked: Counter[str] = Counter()
        self._restarted: set[tuple[str, str]] = set()
        self._failures = 0
        self._skew: Millis = 0

    async def run(self, spots: Iterable[Spot], skew: Millis) -> Millis:
        """Read them as far as the budget reaches; what the server's clock is ahead of ours. Raises StoreError."""
        self._queue.extend(spots)
        self._skew = skew
        workers = [asyncio.ensure_future(self._work()) for _ in range(min(self._budget.concurrency, len(self._queue)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for each in workers:
                each.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return self._skew

    async def _work(self) -> None:
        while self._queue and self._requests < self._budget.requests:
            spot = self._queue.popleft()
            self.found.asked.add(spot.key)
            try:
                more = await self._turn(spot)
            except SourceError as error:
                self._failed(spot, error)
                continue
            self._failures = 0
            spot.failing = False
            self.found.read.add(spot.key)
            if more and self._asked[spot.key[0]] < self._budget.pages:
                self._queue.append(spot)

    def _failed(self, spot: Spot, error: SourceError) -> None:
        refusal = error.refusal if isinstance(error, LogError) else None
        self._metrics.polls.labels("logs", refusal.value if refusal else error.kind.value).inc()
        match refusal:
            case Refusal.GONE:
                self.found.gone.add(spot.key)
                self.found.gone_error = str(error)
                if not self.found.read and len(self.found.gone) >= MOST_GONE:
                    self._queue.clear()
            case Refusal.UNNAMED if not spot.key[1]:
                self.found.unnamed.add(spot.key[0])
            case Refusal.APPLICATION:
                log.info("logs.unknown_application", project=self._project, deployment=spot.key[0])
            case _:
                spot.failing = True
                self._failures += 1
                self.found.error = error
                if error.kind in _OF_ALL or error.retry_after or self._failures >= GIVE_UP:
                    self._queue.clear()

    async def _turn(self, spot: Spot) -> bool:
        """Read and commit a few pages of a cursor; whether there is more. Raises SourceError, StoreError."""
        now = self._clock.now()
        gap = None if reading.is_walking(spot.cursor, now) else reading.lost(spot.cursor, now, self._last_ok)
        ahead = self._skew if 0 < self._skew <= AHEAD else 0
        batch = _Batch(reading.opened(spot.cursor, now + ahead, now + self._skew))
        failure = await self._fill(batch, spot)
        if batch.unchanged:
            spot.cursor = reading.unchanged(batch.begun)
            self._metrics.polls.labels("logs", "unchanged").inc()
            return False
        if batch.pages:
            await self._commit(spot, batch)
            self.found.lost += [gap] if gap else []
        if failure is not None:
            return self._helped(spot, failure, now)
        if batch.done:
            self._metrics.polls.labels("logs", "ok").inc()
        return not batch.done

    async def _fill(self, batch: "_Batch", spot: Spot) -> SourceError | None:
        """Read pages until there are enough of them for one commit; what kept us from the next one."""
        known = None if batch.begun.pages else spot.mark
        while not batch.is_full:
            try:
                answered = await self._ask(spot, reading.query(batch.work.position), known)
            except SourceError as error:
                return error
            batch.add(answered)
            known = None
            if batch.circling:
                log.warning("logs.circling", project=self._project, deployment=spot.key[0], application=spot.key[1])
            if self._requests >= self._budget.requests or self._asked[spot.key[0]] >= self._budget.pages:
                break
        return None

    def _helped(self, spot: Spot, error: SourceError, now: Millis) -> bool:
        """Whether a refusal can be helped by asking otherwise, once a round. Raises it where not."""
        refusal = error.refusal if isinstance(error, LogError) else None
        if spot.key not in self._restarted:
            again = None
            if refusal is Refusal.TOKEN and spot.cursor.open:
                again = reading.restarted(spot.cursor)
            if refusal is Refusal.DATE:
                again = reading.narrowed(spot.cursor, now)
            if again is not None:
                self._restarted.add(spot.key)
                spot.cursor = again
                log.info("logs.asked_again", project=self._project, deployment=spot.key[0], why=str(refusal))
                return True
        raise error

    async def _ask(self, spot: Spot, query: Query, known: Mark | None) -> Answered:
        await self._ways.pace.turn()
        self._requests += 1
        self._asked[spot.key[0]] += 1
        answered = await self._ways.pages.page(*spot.key, query, known)
        if answered.server:
            self._skew = answered.server - self._clock.now()
        self.found.notice = answered.notice or self.found.notice
        return answered

    async def _commit(self, spot: Spot, batch: "_Batch") -> None:
        """Hand records on with the cursor that is past them; a round that is cut off meanwhile ends afterwards."""
        handing = asyncio.ensure_future(self._hand_on(spot, batch))
        try:
            await asyncio.shield(handing)
        except asyncio.CancelledError:
            # what the store has, the cursor in memory must have as well: what is committed is not read again
            await asyncio.wait({handing})
            handing.exception()
            raise

    async def _hand_on(self, spot: Spot, batch: "_Batch") -> None:
        """What changes nothing that a restart must know is not written."""
        cursor, fresh = batch.work.cursor(), batch.fresh()
        if fresh or spot.cursor.open or cursor.open or not spot.stored:
            await self._ways.intake.take(
                LogBatch(project=self._project, records=fresh, cursors=(cursor,), fresh_from=cursor.fresh_from)
            )
            spot.stored = True
        spot.cursor, spot.mark = cursor, batch.mark
        if fresh:
            spot.talked_at = self._clock.now()
        for outcome, count in (+batch.counts).items():
            self._metrics.log_records.labels("poll", outcome).inc(count)


class _Batch:
    """The pages that one commit takes in, beginning with the cursor `begun`.

    `mark` is that of the only page of a whole walk, by which it is known again.
    """

    def __init__(self, begun: LogCursor) -> None:
        self.begun = begun
        self.work = Reading(begun)
        self.parts: list[Columns] = []
        self.counts: Counter[str] = Counter()
        self.pages = 0
        self.mark: Mark | None = None
        self.unchanged = False
        self.circling = False

    @property
    def done(self) -> bool:
        """Whether the walk has ended."""
        return not self.work.position.open

    @property
    def is_full(self) -> bool:
        """Whether it is time to commit."""
        return self.unchanged or self.done or self.pages >= PAGES_AT_ONCE or self.counts["accepted"] >= RECORDS_AT_ONCE

    def fresh(self) -> Columns:
        """The records that nobody has seen before, in order."""
        return self.parts[0] if len(self.parts) == 1 else in_order(self.parts)

    def add(self, answered: Answered) -> None:
        """Take a page in."""
        page = answered.page
        if page is None:
            self.unchanged = True
            return
        taken = self.work.take(page.records, page.next)
        self.pages += 1
        self.circling = taken.circling
        self.mark = answered.mark if self.done and not self.circling and self.begun.pages + self.pages == 1 else None
        if taken.fresh:
            self.parts.append(taken.fresh)
        self.counts["accepted"] += len(taken.fresh)
        self.counts["duplicate"] += taken.duplicates
        self.counts["late"] += taken.late
        self.counts["ahead"] += taken.ahead
        self.counts["quarantined"] += page.quarantined
